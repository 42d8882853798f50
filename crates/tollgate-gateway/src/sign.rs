//! Credentials that are not sent as they are: requests are signed with them (AWS), or they are
//! exchanged for a token that lives an hour (Google, Microsoft Entra).
//!
//! [`Signing`] is what the configuration says, [`Signer`] the same at work: it keeps its token until
//! shortly before that expires. Everything it asks for goes out through [`Upstream`], like every
//! other request.

mod aws;
mod azure_cli;
mod entra;
mod federated;
mod google;
mod machine;
mod oauth;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, header, request};
use tollgate_core::{UnixMs, credential::masked_text};

use self::{
    aws::AwsSigner,
    oauth::{TokenKept, fetch},
};
pub use self::{
    aws::{AwsKeys, ProfileFiles},
    azure_cli::AzureCli,
    entra::EntraKey,
    google::{GoogleKey, GoogleKeyError},
    machine::MachineIdentity,
};
use crate::{
    limits::{ERROR_MESSAGE_BYTES_MAX, cut},
    upstream::Upstream,
};

/// How long getting a token or a signing key may take: single sign-on and assumed roles take several
/// requests.
pub const SIGN_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection to the place may take where a cloud tells a machine about itself: it is on
/// that machine or its own network, and elsewhere there is nobody to answer.
pub(crate) const IDENTITY_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long before its end a token is no longer used: longer than the first byte of most answers
/// takes, and than clocks differ.
pub(crate) const TOKEN_SLACK: Duration = Duration::from_mins(5);

/// How requests to a provider are signed, in place of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// With AWS's Signature Version 4, for the service `bedrock`.
    Aws {
        /// Where the keys are.
        keys: AwsKeys,
        /// The region that is signed for, such as `us-east-1`.
        region: String,
    },
    /// With a token of Google's for `cloud-platform`.
    Google(GoogleKey),
    /// With a token of Microsoft Entra's for Azure's AI services.
    Entra(EntraKey),
    /// With a token of Microsoft Entra's that the Azure CLI gets.
    AzureCli(AzureCli),
    /// With a token for the machine that this is.
    Machine(MachineIdentity),
}

/// [`Signing`] at work.
pub(crate) struct Signer {
    /// What it was made of.
    pub(crate) signing: Signing,
    kind: Kind,
}

enum Kind {
    Aws(AwsSigner),
    Google(GoogleKey, TokenKept),
    Entra(EntraKey, TokenKept),
    AzureCli(AzureCli, TokenKept),
    Machine(MachineIdentity, TokenKept),
}

/// Why a request could not be signed. Says who was asked and what they answered, and never a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SignError(String);

impl SignError {
    fn new(what: &str, why: &str) -> Self {
        let text = masked_text(format!("{what}: {why}"));
        Self(cut(&text, ERROR_MESSAGE_BYTES_MAX).to_owned())
    }
}

impl Signer {
    pub(crate) fn new(signing: Signing) -> Self {
        let kind = match &signing {
            Signing::Aws { keys, region } => Kind::Aws(AwsSigner::new(keys.clone(), region)),
            Signing::Google(key) => Kind::Google(key.clone(), TokenKept::default()),
            Signing::Entra(key) => Kind::Entra(key.clone(), TokenKept::default()),
            Signing::AzureCli(cli) => Kind::AzureCli(cli.clone(), TokenKept::default()),
            Signing::Machine(machine) => Kind::Machine(machine.clone(), TokenKept::default()),
        };
        Self { signing, kind }
    }

    /// Whether the signature covers the body, so that it must be at hand.
    pub(crate) const fn reads_body(&self) -> bool {
        match &self.kind {
            Kind::Aws(_) => true,
            Kind::Google(..) | Kind::Entra(..) | Kind::AzureCli(..) | Kind::Machine(..) => false,
        }
    }

    /// Whether a header of the client's is of a signature or token that this one replaces.
    pub(crate) fn replaces(name: &HeaderName) -> bool {
        *name == header::AUTHORIZATION || name.as_str().starts_with("x-amz-")
    }

    /// Signs a request whose method, URL and headers are as they will be sent. `body` is what will
    /// be sent, where [`Self::reads_body`]. A token that must be fetched first is fetched once, however
    /// many calls wait for it.
    pub(crate) async fn sign(
        &self,
        upstream: &Arc<Upstream>,
        now: UnixMs,
        parts: &mut request::Parts,
        body: &Bytes,
    ) -> Result<(), SignError> {
        let signed = async {
            match &self.kind {
                Kind::Aws(signer) => return signer.sign(upstream, now, parts, body).await,
                Kind::Google(key, kept) => {
                    let token = kept.header(key.token(upstream, now)).await?;
                    parts.headers.insert(header::AUTHORIZATION, token);
                    if let Some(project) = key.quota_project() {
                        parts.headers.entry(google::QUOTA_PROJECT).or_insert(project);
                    }
                }
                Kind::Entra(key, kept) => {
                    let new = async { fetch(upstream, now, key.ask()?).await };
                    let token = kept.header(new).await?;
                    parts.headers.insert(header::AUTHORIZATION, token);
                }
                Kind::AzureCli(cli, kept) => {
                    let token = kept.header(cli.token(now)).await?;
                    parts.headers.insert(header::AUTHORIZATION, token);
                }
                Kind::Machine(machine, kept) => {
                    let new = async { fetch(upstream, now, machine.ask()?).await };
                    let token = kept.header(new).await?;
                    parts.headers.insert(header::AUTHORIZATION, token);
                }
            }
            Ok(())
        };
        tokio::time::timeout(SIGN_TIMEOUT, signed).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", SIGN_TIMEOUT.as_secs());
            Err(SignError::new("get a token or a signing key", &why))
        })
    }
}

#[cfg(test)]
mod tests;
