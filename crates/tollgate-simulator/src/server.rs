//! Listening, and the life of one request.

use std::{future::pending, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use crate::{
    SimulatorConfig,
    api::{self, World},
    controls::Hang,
    delivery,
    record::{CallLog, SimulatedCall},
};

/// The header that every answer carries, with the value `1`.
pub const SIMULATOR_HEADER: &str = "x-tollgate-simulator";

/// The longest request body that is read; a longer one is answered with 413.
pub const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The simulator could not listen.
#[derive(Debug, thiserror::Error)]
#[error("listen on `{addr}`")]
pub struct StartError {
    /// Where.
    pub addr: SocketAddr,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// A running simulator. Dropped, it stops at once and cuts its connections.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    log: CallLog,
    stop: oneshot::Sender<()>,
    stopped: tokio::task::JoinHandle<()>,
}

impl Simulator {
    /// Listens and serves in the background of the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(config: SimulatorConfig) -> Result<Self, StartError> {
        let failed = |source| StartError { addr: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let log = CallLog::keeping(config.calls_kept);
        let router = router(config, log.clone());
        let (stop, stopping) = oneshot::channel();
        let stopped = tokio::spawn(async move {
            tokio::select! {
                () = accept(listener, router) => {}
                _ = stopping => {}
            }
        });
        Ok(Self { addr, log, stop, stopped })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and the address, without a path or a final slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The calls kept, oldest first, those still running included.
    #[must_use]
    pub fn calls(&self) -> Vec<SimulatedCall> {
        self.log.calls()
    }

    /// The record of calls itself, to wait on or to clear.
    #[must_use]
    pub fn log(&self) -> &CallLog {
        &self.log
    }

    /// Stops listening and cuts the connections still open. Returns when the port is free.
    pub async fn shutdown(self) {
        drop(self.stop);
        // The task only ends early by a panic of its own, which tokio has reported already.
        let _ended = self.stopped.await;
    }
}

/// The simulator as a handler, for a listener of the caller's own (TLS, a unix socket). Peers are
/// recorded when requests carry `ConnectInfo<SocketAddr>`.
pub fn router(config: SimulatorConfig, log: CallLog) -> Router {
    Router::new().fallback(serve).with_state(Arc::new(World::new(config, log)))
}

async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Only slows down what is sent in pieces.
                    let _ignored = stream.set_nodelay(true);
                    let router = router.clone().layer(axum::Extension(ConnectInfo(peer)));
                    connections.spawn(async move {
                        let service = TowerToHyperService::new(router);
                        let http = http1::Builder::new();
                        let served = http.serve_connection(TokioIo::new(stream), service).await;
                        if let Err(error) = served {
                            tracing::debug!(%peer, %error, "connection ended");
                        }
                    });
                }
                // Out of descriptors, most likely: others must end before it can go on.
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let call = world.log.open(api::opened(&parts));
    let body = api::read(body).await;
    if let Ok(bytes) = &body {
        call.update(|it| it.request = bytes.clone());
    }
    let asked = api::understand(&world, call.number(), &parts, body);
    call.update(|it| it.model_asked.clone_from(&asked.model));
    if asked.controls.hang == Some(Hang::BeforeHeaders) {
        pending::<()>().await;
    }
    let reply = api::answer(&world, &asked);
    delivery::deliver(&world, reply, &asked.controls, call).await
}
