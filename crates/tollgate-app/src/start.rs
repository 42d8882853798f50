//! Bringing everything up, and down again.

mod error;

use std::{
    fs::{self, File},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex as BlockingMutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tollgate_core::{Clock, price::PriceBook, provider::Catalogue};
use tollgate_gateway::{
    CALLER_WAIT, Gateway, GatewayConfig, LEDGER_WAIT, LedgerHistory, LedgerPast, LedgerSink,
    Limits, Past,
};
use tollgate_ledger::{Ledger, LedgerConfig, Progress, Reader, Simulated, Writer};
use tollgate_simulator::{Simulator, SimulatorConfig, clients::Demo};

pub use self::error::StartError;
use crate::{
    api::{self, view::StatusView},
    callers::Callers,
    capture::Capture,
    clock::SystemClock,
    credentials, descriptors,
    hub::{Event, Hub},
    memory, on_budget, otlp,
    paths::Paths,
    prices,
    providers::{Known, LastCalls, look_for_local},
    retention, search,
    server::{self, Server},
    settings::{Problem, Settings, Severity, Sources},
    snapshot,
    token::AdminToken,
};

/// How often the status is looked at for those who watch it.
const STATUS_PERIOD: Duration = Duration::from_secs(1);
/// How long calls that were broken off may take to be settled: as long as the slowest does.
const DRAIN_PATIENCE: Duration = CALLER_WAIT.saturating_add(LEDGER_WAIT);

/// How to start.
#[derive(Clone)]
pub struct Options {
    /// Where things are.
    pub paths: Paths,
    /// Where to listen, instead of where the configuration says.
    pub listen: Option<SocketAddr>,
    /// The program to run as the demo's clients, which also turns the demo on: the built-in
    /// simulator stands in for the providers.
    pub demo: Option<PathBuf>,
    /// The environment, where credentials can be.
    pub env: Environment,
}

/// Reads a variable of the environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A running Tollgate.
pub struct App {
    paths: Paths,
    settings: Arc<Settings>,
    /// Where to listen; a free port that was asked for stays the same from then on.
    listen: Mutex<SocketAddr>,
    /// Where it listens now. Apart from the server, which is locked while it stops.
    listening: BlockingMutex<Option<SocketAddr>>,
    /// Keeps another gateway of this user out, until this one has given everything back.
    lock: BlockingMutex<Option<File>>,
    is_open: bool,
    clock: Arc<dyn Clock>,
    token: AdminToken,
    ledger: Mutex<Option<Ledger>>,
    writer: Writer,
    reader: Reader,
    gateway: Arc<Gateway>,
    hub: Arc<Hub>,
    capture: Arc<Capture>,
    server: Mutex<Option<Server>>,
    demo: Mutex<Option<DemoParts>>,
    simulated: bool,
    ledger_lost: Arc<AtomicU64>,
    stop: CancellationToken,
}

struct DemoParts {
    simulator: Simulator,
    clients: Option<Demo>,
}

impl App {
    /// Starts everything: the ledger, the gateway, the port, the admin socket, the search for the
    /// helper, and the demo if asked for. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When something that cannot be done without fails; what was started by then is stopped.
    pub async fn start(options: Options) -> Result<Arc<Self>, StartError> {
        let Options { paths, listen, demo, env } = options;
        descriptors::raise();
        memory::keep_to_small_pages();
        memory::keep_out_of_crash_reports();
        let admin_socket = paths.admin_socket();
        if server::is_answered(&admin_socket) {
            return Err(StartError::AlreadyRunning(admin_socket));
        }
        let settings = Arc::new(Settings::load(sources(&paths, env)?, listen)?);
        let listen = listen.unwrap_or_else(|| settings.listen());
        crate::config::check_loopback(listen).map_err(StartError::NotLoopback)?;
        own_folder(&paths.runtime)?;
        let lock = lock(&paths)?;
        let is_open = private_folder(&paths.data)?;
        let token_path = paths.admin_token();
        let token = AdminToken::load_or_create(token_path.clone())
            .map_err(|source| StartError::Folder { path: token_path, source })?;
        let mut ledger = Ledger::open(&paths.data, LedgerConfig::default())?;
        ledger.check()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let simulator = match &demo {
            None => None,
            Some(_) => {
                let started = Simulator::start(SimulatorConfig::demo()).await;
                Some(started.map_err(StartError::Simulator)?)
            }
        };
        let simulated = simulator.as_ref().map(Simulator::addr);
        let (snapshot, reading) = settings.begin(simulated).await;
        let hub = Arc::new(Hub::new(Arc::clone(&clock)));
        let capture = Capture::start(
            paths.helper_sockets.clone(),
            Arc::clone(&hub),
            &snapshot::authorities(&snapshot),
        );
        hub.set_capture(Arc::clone(&capture));
        let ledger_lost = Arc::new(AtomicU64::new(0));
        let gateway_config = GatewayConfig {
            clock: Arc::clone(&clock),
            observer: Arc::<Hub>::clone(&hub),
            history: Some(Arc::new(LedgerHistory::new(ledger.reader(), ledger.writer()))),
            past: Some(past(&ledger, summed(simulated.is_some()))),
            callers: Arc::new(Callers::new(Arc::clone(&capture))),
            ledger: Some(Arc::new(
                settings.sink(LedgerSink::new(ledger.writer(), Arc::clone(&ledger_lost))),
            )),
            limits: Limits::default(),
            extra_roots: Vec::new(),
            proxies: settings.proxies(),
        };
        let app = Arc::new(Self {
            gateway: Gateway::new(gateway_config, snapshot)?,
            paths,
            settings,
            listen: Mutex::new(listen),
            listening: BlockingMutex::new(None),
            lock: BlockingMutex::new(Some(lock)),
            is_open,
            clock,
            token,
            writer: ledger.writer(),
            reader: ledger.reader(),
            ledger: Mutex::new(Some(ledger)),
            hub,
            capture,
            server: Mutex::new(None),
            demo: Mutex::new(None),
            simulated: simulated.is_some(),
            ledger_lost,
            stop: CancellationToken::new(),
        });
        app.bring_up(admin_socket, simulator, demo).await?;
        let (settings, gateway) = (Arc::clone(&app.settings), Arc::clone(&app.gateway));
        tokio::spawn(settings.follow(gateway, reading, app.stop.clone()));
        tokio::spawn(tell_local(Arc::clone(&app)));
        tokio::spawn(retention::follow(Arc::clone(&app), app.stop.clone()));
        Ok(app)
    }

    async fn bring_up(
        self: &Arc<Self>,
        admin_socket: PathBuf,
        simulator: Option<Simulator>,
        demo: Option<PathBuf>,
    ) -> Result<(), StartError> {
        let status = self.set_on(Toggle::On).await?;
        server::serve_unix(self, &admin_socket, self.stop.clone())
            .map_err(|source| StartError::Folder { path: admin_socket, source })?;
        if let (Some(simulator), Some(program), Some(listen)) = (simulator, demo, status) {
            let base_url = format!("http://{listen}");
            let clients = Demo::start(&base_url, &self.paths.data.join("clients"), &program)?;
            *self.demo.lock().await = Some(DemoParts { simulator, clients: Some(clients) });
        }
        tokio::spawn(tell_status(Arc::clone(self)));
        tokio::spawn(prices::keep_fresh(Arc::clone(self), self.stop.clone()));
        tokio::spawn(on_budget::follow(Arc::clone(self), self.stop.clone()));
        tokio::spawn(search::follow(Arc::clone(self), self.stop.clone()));
        tokio::spawn(otlp::follow(Arc::clone(self), self.stop.clone()));
        Ok(())
    }

    /// Turns the gateway on or off and says where it listens now. Off, the port is closed and
    /// calls under way are broken off; the admin socket and the window go on.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn set_on(
        self: &Arc<Self>,
        toggle: Toggle,
    ) -> Result<Option<SocketAddr>, StartError> {
        let switched = self.switch(toggle).await;
        // Also when it failed: whoever flipped a switch on a screen has to see it flip back.
        self.tell_status_now().await;
        switched
    }

    async fn switch(self: &Arc<Self>, toggle: Toggle) -> Result<Option<SocketAddr>, StartError> {
        let mut server = self.server.lock().await;
        match (toggle, server.take()) {
            (Toggle::On, None) => {
                let mut wanted = self.listen.lock().await;
                let listen = *wanted;
                let started = Server::start(Arc::clone(self), listen)
                    .await
                    .map_err(|source| StartError::Listen { listen, source })?;
                *wanted = started.listen;
                self.set_listening(Some(started.listen));
                self.capture.set_gateway_port(started.listen.port());
                *server = Some(started);
            }
            (Toggle::Off, Some(running)) => {
                self.set_listening(None);
                running.stop(self).await;
            }
            (Toggle::On, Some(running)) => *server = Some(running),
            (Toggle::Off, None) => {}
        }
        Ok(server.as_ref().map(|it| it.listen))
    }

    /// Stops everything: no more calls are accepted, those under way are broken off and settled,
    /// and the ledger is written out.
    pub async fn stop(self: &Arc<Self>) {
        if let Some(demo) = self.demo.lock().await.take() {
            drop(demo.clients);
            demo.simulator.shutdown().await;
        }
        if let Some(server) = self.server.lock().await.take() {
            self.set_listening(None);
            server.stop(self).await;
        }
        self.stop.cancel();
        self.gateway.cancel_all();
        if !self.gateway.drained(DRAIN_PATIENCE).await {
            tracing::warn!("some calls could not be settled in time");
        }
        self.capture.stop();
        if let Some(ledger) = self.ledger.lock().await.take() {
            let closed = tokio::task::spawn_blocking(move || ledger.close()).await;
            if !matches!(closed, Ok(Ok(()))) {
                tracing::error!("the ledger could not be closed in order");
            }
        }
        // The next start finds the socket gone instead of dead. It is still this gateway's: the
        // lock is given back after it.
        let _ = fs::remove_file(self.paths.admin_socket());
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Where it listens, or will when it is turned on.
    pub async fn address(&self) -> SocketAddr {
        *self.listen.lock().await
    }

    /// Where it listens; `None` when off.
    #[must_use]
    pub fn listening(&self) -> Option<SocketAddr> {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_listening(&self, listen: Option<SocketAddr>) {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = listen;
    }

    /// Reads the configuration and the keys that it names again, soon after this returns.
    pub fn reload(&self) {
        self.settings.reload();
    }

    /// The web console's address, which holds the admin token: whoever has it may do anything here.
    #[must_use]
    pub fn console_address(&self, listen: SocketAddr) -> String {
        format!("http://{listen}/#token={}", self.token.secret().expose())
    }

    async fn tell_status_now(self: &Arc<Self>) {
        if self.hub.is_watched() {
            let status: StatusView = api::status::status(self).await;
            self.hub.send(Event::Status(Arc::new(status)));
        }
    }

    /// The gateway.
    #[must_use]
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// A reader of the ledger.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Waits until every call that was settled so far can be read, so that whoever was told of a
    /// settlement finds the call. A ledger that cannot write is not waited for.
    pub(crate) async fn written(&self) {
        if let Err(err) = self.writer.flush().await {
            tracing::debug!(error = %err, "the ledger could not be brought up to date");
        }
    }

    /// Which calls are summed: the simulator's while it stands in for the providers, else all but
    /// the simulator's.
    #[must_use]
    pub const fn summed(&self) -> Simulated {
        summed(self.simulated)
    }

    /// Live events.
    #[must_use]
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Packets and flows.
    #[must_use]
    pub const fn capture(&self) -> &Arc<Capture> {
        &self.capture
    }

    /// The time of day.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The admin token.
    pub(crate) const fn token(&self) -> &AdminToken {
        &self.token
    }

    /// A writer of the ledger.
    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The configuration in force.
    pub(crate) const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The prices in force.
    #[must_use]
    pub fn prices(&self) -> Arc<PriceBook> {
        self.settings.prices()
    }

    /// The providers, with what the configuration says of each.
    #[must_use]
    pub fn providers(&self) -> Vec<Known> {
        self.settings.providers()
    }

    /// How the last calls of each provider went.
    #[must_use]
    pub fn last_calls(&self) -> &LastCalls {
        self.hub.last_calls()
    }

    /// Whether the environment has a variable that is not empty.
    #[must_use]
    pub fn has_variable(&self, name: &str) -> bool {
        self.settings.has_variable(name)
    }

    /// Where things are.
    #[must_use]
    pub const fn paths(&self) -> &Paths {
        &self.paths
    }

    /// What is not as the configuration says, such as a credential that is not there.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.settings.problems();
        if self.is_open {
            let data = self.paths.data.display();
            problems.push(Problem {
                name: "data folder".to_owned(),
                severity: Severity::Warning,
                found: format!("others may look into `{data}`; the files in it are yours alone"),
                remedy: format!("`chmod 700 {data}`"),
            });
        }
        problems
    }

    /// Why the configuration file is not followed as it stands.
    #[must_use]
    pub fn configuration_problem(&self) -> Option<String> {
        self.settings.configuration_problem()
    }

    /// Whether the built-in simulator stands in for the providers.
    #[must_use]
    pub const fn is_simulated(&self) -> bool {
        self.simulated
    }

    /// How far the ledger's writer is, and what holds it up.
    #[must_use]
    pub fn ledger_progress(&self) -> Progress {
        self.writer.progress().borrow().clone()
    }

    /// Calls that could not be written to the ledger.
    #[must_use]
    pub fn ledger_lost(&self) -> u64 {
        self.ledger_lost.load(Ordering::Relaxed)
    }
}

/// The gateway's toggle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toggle {
    /// Serve.
    On,
    /// Do not.
    Off,
}

/// What the program carries, and where the rest is.
fn sources(paths: &Paths, env: Environment) -> Result<Sources, StartError> {
    Ok(Sources {
        path: paths.config.clone(),
        catalogue: Catalogue::embedded()?,
        prices: Arc::new(PriceBook::embedded()?),
        data: paths.data.clone(),
        credentials: credentials::file_of(paths, &*env)?,
        env,
    })
}

/// A private folder that is nobody else's for sure: its socket relies on it.
fn own_folder(folder: &Path) -> Result<(), StartError> {
    private_folder(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(|source| StartError::Folder { path: folder.to_owned(), source })
}

/// Makes a folder that only this user may enter, and says whether one that is there is open to
/// others: it may be somebody's for a reason, so its mode is left alone.
fn private_folder(path: &Path) -> Result<bool, StartError> {
    let make = || {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o1002 == 0o0002 {
            let message = "anybody may replace files in it: choose another or take that right away";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(mode & 0o077 != 0)
    };
    make().map_err(|source| StartError::Folder { path: path.to_owned(), source })
}

/// Makes sure that this is the only gateway of its user, for as long as the file is open. The admin
/// socket alone does not: one that stops would take the socket of the one that starts.
fn lock(paths: &Paths) -> Result<File, StartError> {
    let path = paths.runtime.join("gateway.lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|source| StartError::Folder { path, source })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(StartError::AlreadyRunning(paths.admin_socket())),
    }
}

/// Says which model servers run on this machine, once, beside the start.
async fn tell_local(app: Arc<App>) {
    let mut found: Vec<_> =
        look_for_local(app.gateway(), &app.providers()).await.into_iter().collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (provider, models) in found {
        if let Ok(models) = models {
            tracing::info!(provider, models = models.len(), "a server on this machine was found");
        }
    }
}

/// What was spent before.
fn past(ledger: &Ledger, simulated: Simulated) -> Arc<dyn Past> {
    Arc::new(LedgerPast::new(ledger.reader(), ledger.writer(), simulated))
}

/// Which calls count.
const fn summed(simulated: bool) -> Simulated {
    if simulated { Simulated::Only } else { Simulated::Exclude }
}

/// Tells the status to those who watch, whenever it has changed.
async fn tell_status(app: Arc<App>) {
    let mut told: Option<StatusView> = None;
    let mut ticks = tokio::time::interval(STATUS_PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if !app.hub.is_watched() {
            told = None;
            continue;
        }
        let status = api::status::status(&app).await;
        if told.as_ref() != Some(&status) {
            app.hub.send(Event::Status(Arc::new(status.clone())));
            told = Some(status);
        }
    }
}
