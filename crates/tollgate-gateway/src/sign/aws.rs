//! AWS's Signature Version 4, by AWS's own crates: keys at hand, those of a profile in `~/.aws`,
//! which may lead to single sign-on, an assumed role or a program that prints them, or those that the
//! AWS tools find.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_config::{
    default_provider::credentials::DefaultCredentialsChain,
    profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
};
use aws_credential_types::{Credentials, provider::ProvideCredentials as _};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use aws_types::region::Region;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header, request};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use tokio::sync::Mutex;
use tollgate_core::{Secret, UnixMs};

use super::{SignError, TOKEN_SLACK, oauth::TOKEN_ANSWER_BYTES_MAX};
use crate::upstream::Upstream;

/// The service that is signed for; every host of Bedrock's takes it.
const SERVICE: &str = "bedrock";

/// How long a profile's keys without an end of their own are used before the files are read again.
pub(crate) const PROFILE_KEPT: Duration = Duration::from_mins(1);

/// Where AWS keys are.
#[derive(Clone, Debug)]
pub enum AwsKeys {
    /// At hand.
    Fixed {
        /// The access key's id.
        id: String,
        /// Its secret.
        secret: Secret,
        /// The session token that belongs to keys with an end.
        session: Option<Secret>,
    },
    /// In a profile of the AWS tools.
    Profile {
        /// Its name; usually `default`.
        name: String,
        /// The files, where they are not in `~/.aws`.
        files: ProfileFiles,
    },
    /// Where the AWS tools find them, in their order: in the environment of this process, in the
    /// profile that it names or `default`, at a token of a web identity, or at the container's or the
    /// machine's own service.
    Tools,
}

/// Files of the AWS tools; `None` is the usual place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileFiles {
    /// In place of `~/.aws/config`.
    pub config: Option<PathBuf>,
    /// In place of `~/.aws/credentials`.
    pub credentials: Option<PathBuf>,
}

impl PartialEq for AwsKeys {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Fixed { id, secret, session },
                Self::Fixed { id: id2, secret: secret2, session: session2 },
            ) => {
                let same = |one: &Secret, other: &Secret| one.matches(other.expose().as_bytes());
                let same_session = match (session, session2) {
                    (Some(one), Some(other)) => same(one, other),
                    (one, other) => one.is_none() && other.is_none(),
                };
                id == id2 && same(secret, secret2) && same_session
            }
            (Self::Profile { name, files }, Self::Profile { name: name2, files: files2 }) => {
                name == name2 && files == files2
            }
            (Self::Tools, Self::Tools) => true,
            (Self::Fixed { .. } | Self::Profile { .. } | Self::Tools, _) => false,
        }
    }
}

impl Eq for AwsKeys {}

/// Signs requests for one region.
pub(super) struct AwsSigner {
    keys: AwsKeys,
    region: String,
    kept: Mutex<Option<Kept>>,
}

/// Keys of a profile, and until when they are used.
struct Kept {
    keys: Credentials,
    until: SystemTime,
}

impl AwsSigner {
    pub(super) fn new(keys: AwsKeys, region: &str) -> Self {
        Self { keys, region: region.to_owned(), kept: Mutex::default() }
    }

    pub(super) async fn sign(
        &self,
        upstream: &Arc<Upstream>,
        now: UnixMs,
        parts: &mut request::Parts,
        body: &Bytes,
    ) -> Result<(), SignError> {
        let now = SystemTime::UNIX_EPOCH
            + Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
        let keys = self.keys_at(upstream, now).await?;
        signed(keys, &self.region, SERVICE, now, parts, body)
    }

    async fn keys_at(
        &self,
        upstream: &Arc<Upstream>,
        now: SystemTime,
    ) -> Result<Credentials, SignError> {
        if let AwsKeys::Fixed { id, secret, session } = &self.keys {
            let session = session.as_ref().map(|it| it.expose().to_owned());
            return Ok(Credentials::new(id, secret.expose(), session, None, "tollgate"));
        }
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|it| it.until > now) {
            return Ok(kept.keys.clone());
        }
        let region = Region::new(self.region.clone());
        let client = Client { upstream: Arc::clone(upstream), connect: None };
        let config = ProviderConfig::empty()
            .with_http_client(client)
            .with_sleep_impl(TokioSleep::new())
            .with_region(Some(region.clone()));
        let (what, keys) = match &self.keys {
            AwsKeys::Profile { name, files } => {
                let provider = ProfileFileCredentialsProvider::builder()
                    .configure(&config)
                    .profile_name(name)
                    .profile_files(profile_files(files))
                    .build();
                let what = format!("get keys of the AWS profile `{name}`");
                (what, provider.provide_credentials().await)
            }
            AwsKeys::Tools | AwsKeys::Fixed { .. } => {
                let chain = DefaultCredentialsChain::builder().configure(config).region(region);
                let chain = chain.build().await;
                let what = "get keys where the AWS tools find them".to_owned();
                (what, chain.provide_credentials().await)
            }
        };
        let keys = keys.map_err(|error| SignError::new(&what, &with_causes(&error)))?;
        let until = match keys.expiry() {
            Some(end) => end.checked_sub(TOKEN_SLACK).unwrap_or(now),
            None => now + PROFILE_KEPT,
        };
        *kept = Some(Kept { keys: keys.clone(), until });
        Ok(keys)
    }
}

fn profile_files(files: &ProfileFiles) -> EnvConfigFiles {
    let ProfileFiles { config, credentials } = files;
    let builder = EnvConfigFiles::builder()
        .include_default_config_file(config.is_none())
        .include_default_credentials_file(credentials.is_none());
    let builder = match config {
        Some(path) => builder.with_file(EnvConfigFileKind::Config, path),
        None => builder,
    };
    match credentials {
        Some(path) => builder.with_file(EnvConfigFileKind::Credentials, path),
        None => builder,
    }
    .build()
}

/// Adds the signature of the request to its headers. The host, the body's type and AWS's own headers
/// are signed: what else the client sent may be changed on its way.
pub(super) fn signed(
    keys: Credentials,
    region: &str,
    service: &str,
    now: SystemTime,
    parts: &mut request::Parts,
    body: &Bytes,
) -> Result<(), SignError> {
    let failed =
        |why: &dyn std::error::Error| SignError::new("sign the request", &with_causes(why));
    let identity = keys.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|it| failed(&it))?;
    let uri = parts.uri.to_string();
    let is_signed = |name: &HeaderName| {
        *name == header::HOST
            || *name == header::CONTENT_TYPE
            || name.as_str().starts_with("x-amz-")
    };
    let headers = parts.headers.iter().filter(|(name, _)| is_signed(name));
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let request =
        SignableRequest::new(parts.method.as_str(), uri, headers, SignableBody::Bytes(body))
            .map_err(|it| failed(&it))?;
    let signature = sign(request, &parameters.into()).map_err(|it| failed(&it))?;
    let (instructions, _) = signature.into_parts();
    for (name, value) in instructions.headers() {
        let name = HeaderName::try_from(name).map_err(|it| failed(&it))?;
        let mut value = HeaderValue::try_from(value).map_err(|it| failed(&it))?;
        value.set_sensitive(name == header::AUTHORIZATION || name.as_str().contains("token"));
        parts.headers.insert(name, value);
    }
    Ok(())
}

/// What went wrong, with its causes: AWS's errors say little by themselves.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text.push_str(": ");
        text.push_str(&it.to_string());
        cause = it.source();
    }
    text
}

/// The gateway's own client for AWS's crates.
#[derive(Clone)]
struct Client {
    upstream: Arc<Upstream>,
    /// How long a connection may take.
    connect: Option<Duration>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connect = settings.connect_timeout();
        SharedHttpConnector::new(Self { connect, ..self.clone() })
    }
}

impl HttpConnector for Client {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { upstream, connect } = self.clone();
        HttpConnectorFuture::new(async move {
            let request =
                request.try_into_http1x().map_err(|it| ConnectorError::user(it.into()))?;
            // Requests for keys are short and at hand.
            let body = request.body().bytes().map(Bytes::copy_from_slice).unwrap_or_default();
            let request = request.map(|_| Either::Left(Full::new(body)));
            let answer = upstream.send_within(request, connect).await;
            let answer = answer.map_err(|it| ConnectorError::io(it.into()))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, TOKEN_ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(ConnectorError::io)?.to_bytes();
            let answer = http::Response::from_parts(head, SdkBody::from(body));
            HttpResponse::try_from(answer).map_err(|it| ConnectorError::other(it.into(), None))
        })
    }
}
