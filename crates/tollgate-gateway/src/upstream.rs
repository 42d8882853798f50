//! The only client that calls providers. It follows no redirects, changes no body and adds no
//! header but `host` and, to a proxy that forwards, that proxy's credential.

mod connect;
mod proxy;

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use tokio::time::Instant;

pub(crate) use connect::LinkInfo;
use connect::{ConnectError, Connector, bounded};
pub use proxy::Proxies;
use proxy::ProxyError;

use crate::{
    GatewayError, Limits,
    intake::Counted,
    limits::{IDLE_PER_HOST_MAX, POOL_IDLE_TIMEOUT},
};

type BoxError = Box<dyn StdError + Send + Sync>;

/// A request's body: at hand, or passed on as it comes.
pub(crate) type RequestBody = Either<Full<Bytes>, Counted>;

/// Why a provider gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// No connection; the text is the last step that failed.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The certificate or the handshake was not accepted.
    #[error("no TLS: {0}")]
    Tls(String),
    /// Connecting took longer than this.
    #[error("no connection within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The request was sent, and the answer's head took longer than this.
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    /// The connection ended before the answer's head.
    #[error("the connection ended before the answer")]
    Broke {
        /// Whether the provider had closed a connection that had been idle, most likely before it
        /// saw the request: the request may be sent again. A connection that dies later may die
        /// while the provider works for the request, which would then be done and billed twice.
        stale: bool,
    },
}

impl SendError {
    /// Whether the provider cannot have seen the request.
    pub(crate) const fn nothing_arrived(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Tls(_) | Self::Timeout(_) => true,
            Self::Silent(_) | Self::Broke { .. } => false,
        }
    }
}

/// The client.
pub(crate) struct Upstream {
    client: Client<Connector, RequestBody>,
    proxies: Proxies,
    stale_within: Duration,
}

impl Upstream {
    pub(crate) fn new(
        extra_roots: Vec<CertificateDer<'static>>,
        proxies: Proxies,
        limits: &Limits,
    ) -> Result<Self, GatewayError> {
        let connector = Connector::new(tls(extra_roots)?, proxies.clone(), limits.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(connector);
        Ok(Self { client, proxies, stale_within: limits.stale_within })
    }

    /// Sends a request and waits for the answer's head. Dropping the future drops the request.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, SendError> {
        self.send_within(request, None).await
    }

    /// The same; a connection that is made for it may take as long as `connect` says.
    pub(crate) async fn send_within(
        &self,
        mut request: Request<RequestBody>,
        connect: Option<Duration>,
    ) -> Result<Response<Incoming>, SendError> {
        if let Some(Some(auth)) = self.proxies.forwards(request.uri()) {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, auth);
        }
        let began = Instant::now();
        let sent = bounded(connect, self.client.request(request)).await;
        sent.map_err(|error| classified(&error, began, self.stale_within))
    }
}

fn tls(extra_roots: Vec<CertificateDer<'static>>) -> Result<rustls::ClientConfig, GatewayError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra_roots, Arc::clone(&provider))
        .map_err(GatewayError::Tls)?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(GatewayError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn classified(
    error: &hyper_util::client::legacy::Error,
    began: Instant,
    stale_within: Duration,
) -> SendError {
    let causes = Causes(Some(error)).collect::<Vec<_>>();
    for cause in &causes {
        if let Some(ConnectError::Timeout(bound)) = cause.downcast_ref() {
            return SendError::Timeout(*bound);
        }
        if let Some(proxy) = cause.downcast_ref::<ProxyError>() {
            return SendError::Unreachable(proxy.to_string());
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return SendError::Tls(tls.to_string());
        }
    }
    if error.is_connect() {
        let last = causes.last().map(ToString::to_string);
        return SendError::Unreachable(last.unwrap_or_default());
    }
    let soon = began.elapsed() < stale_within;
    SendError::Broke { stale: soon && is_stale(error, &causes, began) }
}

/// Whether a connection that had been opened for an earlier call died before it answered anything.
fn is_stale(
    error: &hyper_util::client::legacy::Error,
    causes: &[&(dyn StdError + 'static)],
    began: Instant,
) -> bool {
    let mut extensions = http::Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extensions);
    }
    let reused = extensions.get::<LinkInfo>().is_some_and(|it| it.connected_at < began);
    let unanswered = causes.iter().any(|cause| {
        let hyper = cause.downcast_ref::<hyper::Error>();
        let io = cause.downcast_ref::<io::Error>();
        hyper.is_some_and(|it| it.is_incomplete_message() || it.is_canceled())
            || io.is_some_and(|it| {
                matches!(it.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            })
    });
    reused && unanswered
}

/// An error and what caused it. Unlike `source` alone this also looks into an [`io::Error`] that
/// wraps another error.
struct Causes<'a>(Option<&'a (dyn StdError + 'static)>);

impl<'a> Iterator for Causes<'a> {
    type Item = &'a (dyn StdError + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let current = self.0?;
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        self.0 = wrapped
            .map_or_else(|| current.source(), |inner| Some(inner as &(dyn StdError + 'static)));
        Some(current)
    }
}
