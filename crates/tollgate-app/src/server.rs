//! The loopback port: every request passes the guard, then goes to the gateway or to the console.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use futures_util::StreamExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_core::call::ErrorCode;
use tollgate_gateway::Owner;
use tower::ServiceExt as _;

use crate::{App, api, console, descriptors, guard};

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request, headers included, that is always read; one of twice this length
/// never is.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long calls under way may go on once serving is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// How long their answers, and what the console asked for, may then take to be written. What is
/// slower goes on by itself: the request that turned serving off waits for this very stop.
const FLUSH_PATIENCE: Duration = Duration::from_millis(200);
/// How long to wait when no connection can be accepted, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that runs until it is stopped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    /// Listens on `listen` (port 0 asks for a free one) and serves in tasks of its own.
    ///
    /// # Errors
    /// When the address is taken or may not be used.
    pub async fn start(app: Arc<App>, listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let listen = listener.local_addr()?;
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        let served = Arc::new(Served { web: web_routes(&app), app, listen });
        let task = accept(listener, served, stop.clone(), connections.clone());
        connections.spawn(task);
        Ok(Self { listen, stop, connections })
    }

    /// Accepts no more, waits a little for calls under way, and breaks off the rest.
    pub async fn stop(self, app: &App) {
        self.stop.cancel();
        self.connections.close();
        app.gateway().drained(STOP_PATIENCE).await;
        // Also what came in meanwhile on a connection that was open.
        app.gateway().cancel_all();
        let _ = tokio::time::timeout(FLUSH_PATIENCE, self.connections.wait()).await;
    }
}

struct Served {
    app: Arc<App>,
    web: axum::Router,
    listen: SocketAddr,
}

/// Accepts connections as long as there are descriptors for them.
async fn accept(
    listener: TcpListener,
    served: Arc<Served>,
    stop: CancellationToken,
    connections: TaskTracker,
) {
    let room = Arc::new(Semaphore::new(descriptors::connections_max()));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept_within(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let serving = serve(stream, Arc::clone(&served), stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(err) => {
                tracing::warn!(error = %err, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The next connection, once there is room for it.
async fn accept_within(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve(stream: TcpStream, served: Arc<Served>, stop: CancellationToken) {
    let Ok(connection) = served.app.gateway().accept(&stream) else { return };
    let is_console = AtomicBool::new(false);
    let service = service_fn(|request| {
        let (served, connection) = (Arc::clone(&served), Arc::clone(&connection));
        let stop = stop.clone();
        if is_web(request.uri().path()) && !is_console.swap(true, Ordering::Relaxed) {
            ignore(&served.app, &connection);
        }
        async move {
            Ok::<_, std::convert::Infallible>(answer(&served, connection, request, &stop).await)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // A provider's answer has its own date or none.
        .auto_date_header(false)
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(err) = ended {
        // A client that leaves early is everyday life.
        tracing::debug!(error = %err, "a connection ended early");
    }
}

/// Leaves the console's own connection out of the capture.
fn ignore(app: &Arc<App>, connection: &tollgate_gateway::Connection) {
    let capture = Arc::clone(app.capture());
    let (peer, local, cookie) = (connection.peer, connection.local, connection.cookie);
    tokio::task::spawn_blocking(move || capture.ignore(peer, local, cookie));
}

async fn answer(
    served: &Served,
    connection: Arc<tollgate_gateway::Connection>,
    request: hyper::Request<Incoming>,
    stop: &CancellationToken,
) -> Response {
    let gateway = served.app.gateway();
    let web = is_web(request.uri().path());
    if let Err(refusal) = guard::check(request.uri(), request.headers(), served.listen) {
        let text = refusal.to_string();
        if web {
            return api::refused(StatusCode::FORBIDDEN, &text);
        }
        let (parts, _) = request.into_parts();
        return gateway.refuse(&connection, &parts, ErrorCode::Forbidden, &text).map(Body::new);
    }
    if web {
        if let Some(uid) = other_user(&connection, request.uri().path()).await {
            let text = format!(
                "the console and the admin API are for the user who runs Tollgate, not for user {uid}"
            );
            return api::refused(StatusCode::FORBIDDEN, &text);
        }
        return match served.web.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => until(stop, response),
            Err(never) => match never {},
        };
    }
    gateway.handle(connection, request).await.map(Body::new)
}

/// The other user whose program asks, save for the health check. Where nobody can tell, the admin
/// token alone decides.
async fn other_user(connection: &tollgate_gateway::Connection, path: &str) -> Option<u32> {
    let own = rustix::process::geteuid().as_raw();
    if path == "/healthz" {
        return None;
    }
    match connection.owner().await {
        Owner::User(uid) if uid != own => Some(uid),
        Owner::User(_) | Owner::Ourselves | Owner::Unknown => None,
    }
}

/// Ends an event stream when serving stops, or its token is replaced; it would go on for ever
/// otherwise.
fn until(stop: &CancellationToken, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|it| it != "text/event-stream") {
        return response;
    }
    let stop = stop.clone().cancelled_owned();
    response.map(|it| Body::from_stream(it.into_data_stream().take_until(stop)))
}

/// Whether a path is the console's or the admin API's; all others are the gateway's.
fn is_web(path: &str) -> bool {
    let gateway = ["/v1/", "/v1beta/", "/p/"].iter().any(|it| path.starts_with(it));
    !gateway && (path == "/healthz" || path.starts_with("/api/") || console::serves(path))
}

/// What a browser or script gets on the loopback port: the admin API behind its token, the console
/// and the health check.
fn web_routes(app: &Arc<App>) -> axum::Router {
    let admin = api::router(Arc::clone(app))
        .layer(middleware::from_fn_with_state(Arc::clone(app), require_token));
    axum::Router::new()
        .route("/healthz", get(async || "ok\n"))
        .nest("/api", admin)
        .fallback(get(console::file))
}

async fn require_token(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = given.and_then(|it| it.strip_prefix(b"Bearer "));
    if let Some(replaced) = given.and_then(|it| app.token().admits(it)) {
        return until(&replaced, next.run(request).await);
    }
    let mut response = api::refused(
        StatusCode::UNAUTHORIZED,
        "the admin token is missing or wrong: the gateway prints the console's address with it when it starts, and it stands in `admin.token` in the data folder",
    );
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Serves the admin API to this user's own programs on a unix socket, until `stop`. The socket's
/// folder is this user's alone, and the peer's uid is checked as well, so no token is asked for.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve_unix(
    app: &Arc<App>,
    path: &std::path::Path,
    stop: CancellationToken,
) -> io::Result<()> {
    // A socket left behind by a process that was killed; a live one is found out before.
    match std::fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let routes = axum::Router::new().nest("/api", api::router(Arc::clone(app)));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(serve_unix_client(stream, routes.clone(), stop.clone()));
                }
                Err(err) => {
                    tracing::warn!(error = %err, "accepting an admin connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    Ok(())
}

async fn serve_unix_client(stream: UnixStream, routes: axum::Router, stop: CancellationToken) {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == own || peer.uid() == 0 => {}
        Ok(_) | Err(_) => return,
    }
    let service = service_fn(|request: hyper::Request<Incoming>| {
        routes.clone().oneshot(request.map(Body::new))
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = serving => if let Err(err) = ended {
            tracing::debug!(error = %err, "an admin connection ended early");
        },
        () = stop.cancelled() => {}
    }
}

/// Whether a gateway of this user answers on the socket.
#[must_use]
pub fn is_answered(path: &std::path::Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}
