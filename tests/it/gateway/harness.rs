//! A gateway with a listener, a simulated provider behind it, and somebody who watches both.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tollgate_core::{
    Call, Clock, Secret, UnixMs,
    price::PriceBook,
    provider::{Catalogue, Provider},
};
use tollgate_gateway::{
    Gateway, GatewayConfig, GatewayEvent, Keyless, Limits, NoLookup, Observer, ProviderSetup,
    Proxies, Settled, Sink, Snapshot, Timeouts,
};
use tollgate_simulator::{Simulator, SimulatorConfig};

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// 2026-11-01, a day on which the embedded prices hold.
pub(crate) const TODAY: UnixMs = UnixMs(1_793_491_200_000);

/// The key that tests send as the client's own.
pub(crate) const CLIENT_KEY: &str = "sk-client-own";

/// A clock that stands still.
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> UnixMs {
        TODAY
    }
}

/// All that the gateway told.
#[derive(Default)]
pub(crate) struct Seen {
    events: Mutex<Vec<GatewayEvent>>,
    ledger: Mutex<Vec<Settled>>,
    changed: watch::Sender<usize>,
}

impl Observer for Seen {
    fn event(&self, event: GatewayEvent) {
        self.events.lock().unwrap().push(event);
        self.changed.send_modify(|it| *it += 1);
    }
}

impl Sink for Seen {
    fn record(&self, settled: Settled) -> BoxFuture<'_, ()> {
        self.ledger.lock().unwrap().push(settled);
        Box::pin(std::future::ready(()))
    }
}

impl Seen {
    pub(crate) fn events(&self) -> Vec<GatewayEvent> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn ledger(&self) -> Vec<Settled> {
        self.ledger.lock().unwrap().clone()
    }

    /// The settled calls, once there are `count`.
    pub(crate) async fn calls(&self, count: usize) -> Vec<Arc<Call>> {
        self.wait(|calls| calls.len() >= count).await
    }

    /// The settled calls, once `enough` holds of them.
    pub(crate) async fn wait(&self, enough: impl Fn(&[Arc<Call>]) -> bool) -> Vec<Arc<Call>> {
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                changed.borrow_and_update();
                let calls = self.settled();
                if enough(&calls) {
                    return calls;
                }
                changed.changed().await.unwrap();
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        found.unwrap_or_else(|_| panic!("not enough calls settled: {:#?}", self.settled()))
    }

    fn settled(&self) -> Vec<Arc<Call>> {
        let calls = self.events().into_iter().filter_map(|event| match event {
            GatewayEvent::CallSettled(call) => Some(call),
            GatewayEvent::CallStarted(_)
            | GatewayEvent::CallUpdated(_)
            | GatewayEvent::BudgetNews(_) => None,
        });
        calls.collect()
    }
}

/// A gateway on loopback.
pub(crate) struct Door {
    pub(crate) addr: SocketAddr,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) seen: Arc<Seen>,
    listening: JoinHandle<()>,
}

impl Door {
    pub(crate) async fn open(snapshot: Snapshot) -> Self {
        Self::open_with(snapshot, |_| {}).await
    }

    pub(crate) async fn open_with(
        snapshot: Snapshot,
        change: impl FnOnce(&mut GatewayConfig),
    ) -> Self {
        let seen = Arc::new(Seen::default());
        let mut config = GatewayConfig {
            clock: Arc::new(StandingClock),
            observer: Arc::clone(&seen) as Arc<dyn Observer>,
            ledger: Some(Arc::clone(&seen) as Arc<dyn Sink>),
            history: None,
            past: None,
            callers: Arc::new(NoLookup),
            limits: Limits::default(),
            extra_roots: Vec::new(),
            proxies: Proxies::default(),
        };
        change(&mut config);
        let gateway = Gateway::new(config, snapshot).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let listening = tokio::spawn(listen(listener, Arc::clone(&gateway)));
        Self { addr, gateway, seen, listening }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, gateway: Arc<Gateway>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(connection) = gateway.accept(&stream) else { continue };
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (gateway, connection) = (Arc::clone(&gateway), Arc::clone(&connection));
                async move {
                    Ok::<_, std::convert::Infallible>(gateway.handle(connection, request).await)
                }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).auto_date_header(false);
            // A client that leaves is an error of its connection, and what many tests are about.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The catalogue's row of a provider, with every base URL moved to `origin`.
pub(crate) fn moved(id: &str, origin: &str) -> Provider {
    let catalogue = Catalogue::embedded().unwrap();
    let mut provider = catalogue.get(id).unwrap().clone();
    for endpoint in &mut provider.endpoints {
        let url: http::Uri = endpoint.base_url.parse().unwrap();
        endpoint.base_url = format!("{origin}{}", url.path().trim_end_matches('/'));
    }
    for list in provider.lists.iter_mut().flatten() {
        let url: http::Uri = list.parse().unwrap();
        *list = format!("{origin}{}", url.path_and_query().unwrap());
    }
    provider
}

/// A provider at `origin` that takes the client's own key.
pub(crate) fn setup(id: &str, origin: &str) -> ProviderSetup {
    ProviderSetup {
        simulated: true,
        timeouts: Timeouts { first_byte: PATIENCE, idle: PATIENCE },
        ..ProviderSetup::new(moved(id, origin))
    }
}

/// A provider at `origin` with a configured key.
pub(crate) fn keyed(id: &str, origin: &str, key: &str) -> ProviderSetup {
    ProviderSetup { credential: Some(Secret::new(key.to_owned())), ..setup(id, origin) }
}

/// OpenAI, Anthropic, Google and Groq at `origin`, and the embedded prices.
pub(crate) fn snapshot(origin: &str) -> Snapshot {
    let providers = ["openai", "anthropic", "google", "groq"].map(|id| setup(id, origin));
    priced(providers.to_vec())
}

/// A snapshot with the embedded prices.
pub(crate) fn priced(providers: Vec<ProviderSetup>) -> Snapshot {
    let prices = Arc::new(PriceBook::embedded().unwrap());
    Snapshot { keyless: Keyless::Anybody, ..Snapshot::new(providers, prices) }
}

/// A gateway in front of a simulated provider.
pub(crate) struct House {
    pub(crate) simulator: Simulator,
    pub(crate) door: Door,
}

impl House {
    pub(crate) async fn open() -> Self {
        let simulator = simulator().await;
        let door = Door::open(snapshot(&simulator.base_url())).await;
        Self { simulator, door }
    }

    pub(crate) async fn ask(&self, request: Request<Bytes>) -> Whole {
        ask(self.door.addr, request).await
    }

    /// The one settled call.
    pub(crate) async fn call(&self) -> Arc<Call> {
        let calls = self.door.seen.calls(1).await;
        assert_eq!(calls.len(), 1);
        Arc::clone(&calls[0])
    }
}

pub(crate) async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.unwrap()
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body ended before HTTP says it should.
    pub(crate) broken: bool,
}

impl Whole {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends one request on a connection of its own and reads the answer to its end.
pub(crate) async fn ask(addr: SocketAddr, request: Request<Bytes>) -> Whole {
    read(begin(addr, request).await).await
}

/// Sends one request on a connection of its own. The connection closes when the answer is dropped.
pub(crate) async fn begin(addr: SocketAddr, request: Request<Bytes>) -> Response<Incoming> {
    let mut sender = connect(addr).await;
    sender.send_request(hosted(addr, request).map(Full::new)).await.unwrap()
}

/// A connection to send requests on, one after the other.
pub(crate) async fn connect(addr: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The request with a `host` header.
pub(crate) fn hosted<B>(addr: SocketAddr, mut request: Request<B>) -> Request<B> {
    request.headers_mut().insert("host", addr.to_string().parse().unwrap());
    request
}

/// Reads an answer to its end.
pub(crate) async fn read(response: Response<Incoming>) -> Whole {
    let (head, mut body) = response.into_parts();
    let (mut bytes, mut broken) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    Whole { status: head.status, headers: head.headers, body: bytes.into(), broken }
}

/// A request in one of the formats, with the client's own key where that format has it.
pub(crate) fn post(path: &str, body: &str) -> Request<Bytes> {
    let key = if path.contains("/v1/messages") {
        ("x-api-key", CLIENT_KEY.to_owned())
    } else if path.contains(":") {
        ("x-goog-api-key", CLIENT_KEY.to_owned())
    } else {
        ("authorization", format!("Bearer {CLIENT_KEY}"))
    };
    let mut request = Request::post(path).header("content-type", "application/json");
    if key.0 == "x-api-key" {
        request = request.header("anthropic-version", "2023-06-01");
    }
    request.header(key.0, key.1).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// The request with a control for the simulator.
pub(crate) fn controlled(mut request: Request<Bytes>, controls: &str) -> Request<Bytes> {
    if !controls.is_empty() {
        let name = tollgate_simulator::CONTROL_HEADER;
        request.headers_mut().insert(name, controls.parse().unwrap());
    }
    request
}
