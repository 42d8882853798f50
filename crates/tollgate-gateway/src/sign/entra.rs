//! Tokens of Microsoft Entra's for Azure's AI services, for an application's secret
//! (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>).

use http::Uri;
use tollgate_core::Secret;

use super::{
    SignError,
    oauth::{Ask, Sent},
};
use crate::near::{is_private, is_this_machine};

/// What tokens are asked for.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// Microsoft's token server, unless another cloud's is meant.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// An application's own login.
#[derive(Clone, Debug)]
pub struct EntraKey {
    token_url: Uri,
    client: String,
    secret: Secret,
}

impl EntraKey {
    /// A login in `tenant` (its id or domain) as the application `client` with its `secret`. `authority`
    /// is the token server's origin where it is another cloud's.
    ///
    /// # Errors
    /// A sentence when the tenant or the authority cannot stand in a URL, or the authority's address
    /// would show the secret to the network.
    pub fn new(
        tenant: &str,
        client: String,
        secret: Secret,
        authority: Option<&str>,
    ) -> Result<Self, &'static str> {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b"-.".contains(&it);
        if tenant.is_empty() || !tenant.bytes().all(plain) {
            return Err("the tenant is neither an id nor a domain");
        }
        let authority = authority.unwrap_or(AUTHORITY).trim_end_matches('/');
        let token_url: Uri = format!("{authority}/{tenant}/oauth2/v2.0/token")
            .parse()
            .map_err(|_| "the authority is not a URL")?;
        if !is_private(&token_url, is_this_machine) {
            return Err("the authority is neither an https URL nor on this machine");
        }
        Ok(Self { token_url, client, secret })
    }

    /// The request for a token.
    pub(super) fn ask(&self) -> Result<Ask, SignError> {
        let form = vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.client.clone()),
            ("client_secret", self.secret.expose().to_owned()),
            ("scope", SCOPE.to_owned()),
        ];
        Ok(Ask { url: self.token_url.clone(), sent: Sent::Form(form, None), then: None })
    }
}

impl PartialEq for EntraKey {
    fn eq(&self, other: &Self) -> bool {
        let Self { token_url, client, secret } = self;
        *token_url == other.token_url
            && *client == other.client
            && secret.matches(other.secret.expose().as_bytes())
    }
}

impl Eq for EntraKey {}
