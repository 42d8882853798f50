//! Connections to providers: TCP without delay, TLS, and a note of which socket and how long. They
//! speak HTTP/1.1, so that a connection carries one call at a time.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::{net::TcpStream, time::Instant};
use tollgate_core::SocketCookie;
use tower_service::Service;

use super::{
    BoxError,
    proxy::{Dial, Proxies},
};
use crate::connection::cookie_of;

/// How often the kernel asks a silent provider's host whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long sent bytes may stay unacknowledged before the connection counts as dead: a laptop that
/// slept or changed its network must not wait for an answer that cannot come.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What a call is told of the connection that served it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkInfo {
    /// The gateway's socket.
    pub(crate) cookie: Option<SocketCookie>,
    /// When resolving, connecting and TLS were done.
    pub(crate) connected_at: Instant,
    /// How long they took together.
    pub(crate) took: Duration,
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Resolving, connecting and TLS took too long.
    #[error("no connection within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The name, the connection or TLS failed.
    #[error("cannot connect")]
    Failed(#[source] BoxError),
}

tokio::task_local! {
    /// How long a connection may take that is made for the call under way. The pool's client makes
    /// connections by their URL alone, and within the call that it makes them for.
    static CONNECT_BOUND: Option<Duration>;
}

/// Runs a request; a connection that is made for it may take as long as `bound` says.
pub(super) fn bounded<F: Future>(
    bound: Option<Duration>,
    request: F,
) -> impl Future<Output = F::Output> {
    CONNECT_BOUND.scope(bound, request)
}

/// Makes connections for `http` and `https` URLs.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Dial>,
    proxies: Proxies,
    timeout: Duration,
}

impl Connector {
    pub(crate) fn new(tls: rustls::ClientConfig, proxies: Proxies, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dial::new(tcp, proxies.clone()));
        Self { https, proxies, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Link, ConnectError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.https.poll_ready(cx).map_err(ConnectError::Failed)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let forwarded = self.proxies.forwards(&uri).is_some();
        let bound = CONNECT_BOUND.try_get().ok().flatten().unwrap_or(self.timeout);
        let connecting = self.https.call(uri);
        Box::pin(async move {
            let began = Instant::now();
            let stream = tokio::time::timeout(bound, connecting)
                .await
                .map_err(|_| ConnectError::Timeout(bound))?
                .map_err(ConnectError::Failed)?;
            Ok(Link::new(stream, began, forwarded))
        })
    }
}

/// A connection to a provider.
pub(crate) struct Link {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    info: LinkInfo,
    /// Whether it leads to a proxy that forwards requests, so that each names its host.
    forwarded: bool,
}

impl Link {
    fn new(stream: MaybeHttpsStream<TokioIo<TcpStream>>, began: Instant, forwarded: bool) -> Self {
        let tcp = match &stream {
            MaybeHttpsStream::Http(tcp) => tcp.inner(),
            MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner(),
        };
        let connected_at = Instant::now();
        let info = LinkInfo { cookie: cookie_of(tcp), connected_at, took: connected_at - began };
        Self { stream, info, forwarded }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut MaybeHttpsStream<TokioIo<TcpStream>>> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.forwarded).extra(self.info)
    }
}

impl hyper::rt::Read for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }
}
