//! What the gateway serves by, kept true while it runs: to the configuration file, and to the keys
//! that it names.
//!
//! Nothing here holds up a start or a call. A keyring may wait for a person who types a password,
//! so its keys are read beside the gateway's work; until they are there, calls of their providers
//! are refused with that reason. A file with a mistake changes nothing but what
//! [`Settings::problems`] says.

use std::{
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tollgate_core::{price::PriceBook, provider::Catalogue};
use tollgate_gateway::{
    CacheSettings, Gateway, GuardrailSet, LedgerSink, Proxies, Settled, Sink, Snapshot,
};

use crate::{
    blocks::BlockFile,
    config::{Config, LedgerKeeping, RefreshConfig},
    credentials::{CredentialFile, Keys},
    exceptions::ExceptionFile,
    keys::KeyFile,
    otlp::Collector,
    prices,
    providers::Known,
    snapshot,
    start::{Environment, StartError},
};

/// How often the configuration file is looked at. A change is followed once the file has been left
/// alone for as long, so that one that is being written is not read half.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// How long a start waits for the keyring: one that is unlocked answers sooner, so that the first
/// call finds its key.
const KEYRING_HEAD_START: Duration = Duration::from_millis(500);

/// What a snapshot is made from, apart from the configuration.
pub(crate) struct Sources {
    /// The configuration file.
    pub(crate) path: PathBuf,
    /// The embedded catalogue.
    pub(crate) catalogue: Catalogue,
    /// The prices that the program carries.
    pub(crate) prices: Arc<PriceBook>,
    /// The folder of the prices that were fetched since.
    pub(crate) data: PathBuf,
    /// The environment.
    pub(crate) env: Environment,
    /// Where credentials are that no keyring has.
    pub(crate) credentials: Arc<CredentialFile>,
}

/// The configuration in force.
pub(crate) struct Settings {
    sources: Sources,
    keep_bodies: Arc<AtomicBool>,
    state: Mutex<State>,
    /// The local keys.
    keys: KeyFile,
    /// Whose calls are refused.
    blocks: BlockFile,
    /// What guardrails find wrongly.
    exceptions: ExceptionFile,
    /// Held from when a snapshot is made until it is in force: a later one must not be undone by an
    /// earlier one, which may still have a key that was revoked.
    serving: Mutex<()>,
    again: Notify,
}

struct State {
    config: Config,
    /// Where the configuration said to listen when the gateway started; `None` when the command
    /// line said where.
    listen: Option<SocketAddr>,
    /// The file as it was when it was read; `None` when it was not there.
    seen: Option<Stamp>,
    keys: Keys,
    simulator: Option<SocketAddr>,
    /// The prices, with the configuration's own over them.
    prices: Arc<PriceBook>,
    /// The embedded prices with what was fetched over them.
    listed: Arc<PriceBook>,
    /// The file of fetched prices as it was when it was read.
    prices_seen: Option<Stamp>,
    /// Why the file of fetched prices is not followed.
    prices_problem: Option<Problem>,
    /// What of the configuration in force cannot be followed.
    unfollowed: Vec<Problem>,
    /// Why the file as it stands is not the configuration in force.
    refused: Option<String>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// Keys that are being read from the keyring.
pub(crate) type Reading = oneshot::Receiver<Keys>;

/// Something that is not as the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about, such as `provider openai`.
    pub name: String,
    /// Whether it is an error, or works all the same.
    pub severity: Severity,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// The name of a problem with a provider.
    pub(crate) fn name_of_provider(id: &str) -> String {
        format!("provider {id}")
    }

    fn is_of_provider(&self, id: &str) -> bool {
        self.name == Self::name_of_provider(id)
    }
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something works otherwise than it is written.
    Warning,
}

impl Settings {
    /// Reads the file. Keys of the environment are at hand at once, the keyring's once
    /// [`Self::begin`] or [`Self::follow`] has them. `listen` is where the command line says to
    /// listen.
    ///
    /// # Errors
    /// When the file, that of the local keys or that of guardrails' exceptions cannot be read or is not
    /// acceptable.
    pub(crate) fn load(sources: Sources, listen: Option<SocketAddr>) -> Result<Self, StartError> {
        let seen = Stamp::of(&sources.path);
        let config = Config::load(&sources.path, &sources.catalogue)?;
        let keep_bodies = Arc::new(AtomicBool::new(config.ledger.bodies));
        let listen = if listen.is_some() { None } else { Some(config.listen) };
        let mut keys = Keys::default();
        keys.read_environment(&config, &*sources.env);
        let state = State {
            config,
            listen,
            seen,
            keys,
            simulator: None,
            prices: Arc::clone(&sources.prices),
            listed: Arc::clone(&sources.prices),
            prices_seen: None,
            prices_problem: None,
            unfollowed: Vec::new(),
            refused: None,
        };
        let keys = KeyFile::load(&sources.data)?;
        let blocks = BlockFile::load(&sources.data)?;
        let exceptions = ExceptionFile::load(&sources.data)?;
        let settings = Self {
            sources,
            keep_bodies,
            state: Mutex::new(state),
            keys,
            blocks,
            exceptions,
            serving: Mutex::default(),
            again: Notify::new(),
        };
        settings.read_prices();
        Ok(settings)
    }

    /// Where the configuration says to listen.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.state().config.listen
    }

    /// The first snapshot, made after the keyring had a moment to answer; if that was not enough,
    /// what [`Self::follow`] has to wait for.
    /// `simulator` is where the simulator listens if it stands in for the providers.
    pub(crate) async fn begin(&self, simulator: Option<SocketAddr>) -> (Snapshot, Option<Reading>) {
        self.state().simulator = simulator;
        let mut reading = self.read_keyring();
        if let Some(answer) = &mut reading
            && let Ok(Ok(keys)) = tokio::time::timeout(KEYRING_HEAD_START, answer).await
        {
            self.state().keys.extend(keys);
            reading = None;
        }
        (self.make(), reading)
    }

    /// Keeps the gateway true to the file and its keys until `stop`.
    pub(crate) async fn follow(
        self: Arc<Self>,
        gateway: Arc<Gateway>,
        mut reading: Option<Reading>,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(WATCH_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changing = None;
        let mut wanted = false;
        loop {
            if wanted && reading.is_none() {
                reading = self.read_keyring();
                wanted = false;
            }
            let changed = tokio::select! {
                () = stop.cancelled() => return,
                keys = answer(&mut reading) => {
                    reading = None;
                    self.state().keys.extend(keys);
                    self.serve(&gateway);
                    false
                }
                () = self.again.notified() => true,
                _ = ticks.tick() => {
                    // It is replaced at once, never written half.
                    if self.prices_changed() {
                        self.read_prices();
                        self.serve(&gateway);
                    }
                    let now = Stamp::of(&self.sources.path);
                    let differs = now != self.state().seen;
                    let before = std::mem::replace(&mut changing, differs.then_some(now));
                    differs && before == Some(now)
                }
            };
            if changed {
                changing = None;
                wanted = true;
                self.read_again();
                gateway.caught_up().await;
                self.serve(&gateway);
            }
        }
    }

    /// How often and from where prices are refreshed.
    pub(crate) fn price_refresh(&self) -> RefreshConfig {
        self.state().config.price_refresh.clone()
    }

    /// What is kept of what was said.
    pub(crate) fn keeping(&self) -> LedgerKeeping {
        self.state().config.ledger
    }

    /// Which answers are cached.
    pub(crate) fn cache(&self) -> CacheSettings {
        self.state().config.cache.clone()
    }

    /// Where the news of budgets are posted.
    pub(crate) fn on_budget(&self) -> Option<http::Uri> {
        self.state().config.on_budget.clone()
    }

    /// Which collector is told of calls, with the values of its headers.
    pub(crate) fn collector(&self) -> Option<Collector> {
        let state = self.state();
        let otlp = state.config.otlp.as_ref()?;
        let headers = otlp.headers.iter();
        let headers =
            headers.map(|(name, source)| Some((name.clone(), state.keys.get(source).ok()?)));
        Some(Collector { url: otlp.url.clone(), headers: headers.collect() })
    }

    /// The environment.
    pub(crate) const fn env(&self) -> &Environment {
        &self.sources.env
    }

    /// Where credentials are that no keyring has.
    pub(crate) const fn credentials(&self) -> &Arc<CredentialFile> {
        &self.sources.credentials
    }

    /// The embedded provider catalogue.
    pub(crate) const fn catalogue(&self) -> &Catalogue {
        &self.sources.catalogue
    }

    /// The local keys. After a change [`Self::serve`] brings it into force.
    pub(crate) const fn keys(&self) -> &KeyFile {
        &self.keys
    }

    /// Whose calls are refused. After a change [`Self::serve`] brings it into force.
    pub(crate) const fn blocks(&self) -> &BlockFile {
        &self.blocks
    }

    /// What guardrails find wrongly. After a change [`Self::serve`] brings it into force.
    pub(crate) const fn exceptions(&self) -> &ExceptionFile {
        &self.exceptions
    }

    /// Whether a local key is needed for every call.
    pub(crate) fn require_keys(&self) -> bool {
        self.state().config.require_keys
    }

    /// The names of the user's own models.
    pub(crate) fn model_names(&self) -> Vec<String> {
        self.state().config.models.iter().map(|it| it.name.clone()).collect()
    }

    /// Asks for the file and the keys to be read again now.
    pub(crate) fn reload(&self) {
        self.again.notify_one();
    }

    /// The prices in force.
    pub(crate) fn prices(&self) -> Arc<PriceBook> {
        Arc::clone(&self.state().prices)
    }

    /// The proxies that the environment names.
    pub(crate) fn proxies(&self) -> Proxies {
        Proxies::from_env(|name| (self.sources.env)(name))
    }

    /// Whether the environment has a variable that is not empty.
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        (self.sources.env)(name).is_some_and(|it| !it.trim().is_empty())
    }

    /// The providers, those of the catalogue first, each with what the configuration says of it.
    pub(crate) fn providers(&self) -> Vec<Known> {
        let state = self.state();
        let own = &state.config.providers;
        let rows = self.sources.catalogue.clone();
        let rows = rows.with(own.iter().map(|it| it.provider.clone()).collect());
        let known = rows.iter().map(|provider| {
            let problem = state.unfollowed.iter().find(|it| it.is_of_provider(&provider.id));
            let problem = problem.map(|it| format!("{} ({})", it.found, it.remedy));
            let address = provider
                .needs_base_url()
                .then(|| "its address has a part that only you know: see `parameters`".to_owned());
            Known {
                in_catalogue: self.sources.catalogue.get(&provider.id).is_some(),
                own: own.iter().find(|it| it.provider.id == provider.id).cloned(),
                problem: problem.or(address),
                provider: provider.clone(),
            }
        });
        known.collect()
    }

    /// What is not as the configuration says.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let state = self.state();
        let proxies = self.proxies();
        let unusable = proxies.unusable().iter().map(|it| Problem {
            name: "proxy".to_owned(),
            severity: Severity::Error,
            found: format!(
                "`{it}` names no proxy that can be used, so providers are called directly"
            ),
            remedy: "write it as `http://HOST:PORT` or `socks5://HOST:PORT`, and restart"
                .to_owned(),
        });
        let file = state.file_problem().into_iter();
        let prices = state.prices_problem.iter().cloned();
        let unfollowed = state.unfollowed.iter().cloned();
        file.chain(prices).chain(unusable).chain(unfollowed).collect()
    }

    /// Why the file is not followed as it stands.
    pub(crate) fn configuration_problem(&self) -> Option<String> {
        self.state().file_problem().map(|it| format!("{} ({})", it.found, it.remedy))
    }

    /// The ledger, which keeps bodies only while the configuration says so.
    pub(crate) fn sink(&self, ledger: LedgerSink) -> impl Sink + use<> {
        Keeper { ledger, keep_bodies: Arc::clone(&self.keep_bodies) }
    }

    /// Begins to read the keys that are in the keyring, if there are any. The simulator needs none.
    fn read_keyring(&self) -> Option<Reading> {
        let state = self.state();
        if state.simulator.is_some() {
            None
        } else {
            Keys::read_keyring(&state.config, &self.sources.credentials)
        }
    }

    /// Reads the file; one with a mistake leaves the configuration from before in force.
    fn read_again(&self) {
        // Before the file is read: a change in between is then seen as one.
        let seen = Stamp::of(&self.sources.path);
        let config = Config::load(&self.sources.path, &self.sources.catalogue);
        let mut state = self.state();
        state.seen = seen;
        match config {
            Ok(config) => {
                self.keep_bodies.store(config.ledger.bodies, Ordering::Relaxed);
                state.keys.read_environment(&config, &*self.sources.env);
                state.config = config;
                state.refused = None;
                tracing::info!("the configuration was read again");
            }
            Err(err) => {
                let err = with_causes(&err);
                tracing::warn!(error = err, "the configuration stays as it was");
                state.refused = Some(err);
            }
        }
    }

    fn prices_changed(&self) -> bool {
        Stamp::of(&prices::file_in(&self.sources.data)) != self.state().prices_seen
    }

    /// Reads the fetched prices; a file with a mistake leaves those from before in force.
    fn read_prices(&self) {
        let path = prices::file_in(&self.sources.data);
        // Before the file is read: a change in between is then seen as one.
        let seen = Stamp::of(&path);
        let refreshed = prices::load(&self.sources.data);
        let mut state = self.state();
        state.prices_seen = seen;
        match refreshed {
            Ok(refreshed) => {
                let embedded = PriceBook::clone(&self.sources.prices);
                state.listed = Arc::new(embedded.with_refreshed(refreshed.models));
                state.prices_problem = None;
            }
            Err(err) => {
                let found = with_causes(&err);
                tracing::warn!(error = found, "refreshed prices are not used");
                state.prices_problem = Some(Problem {
                    name: "refreshed prices".to_owned(),
                    severity: Severity::Error,
                    found,
                    remedy: format!("delete `{}` and refresh again", path.display()),
                });
            }
        }
    }

    fn make(&self) -> Snapshot {
        let Sources { catalogue, env, .. } = &self.sources;
        let local_keys = self.keys.list();
        let mut state = self.state();
        state.prices = match state.config.prices.as_slice() {
            [] => Arc::clone(&state.listed),
            own => Arc::new(PriceBook::clone(&state.listed).with_overrides(own.to_vec())),
        };
        let State { config, keys, simulator, prices, .. } = &*state;
        let (mut snapshot, unfollowed) = snapshot::make(
            config,
            catalogue,
            Arc::clone(prices),
            *simulator,
            keys,
            env,
            local_keys,
        );
        snapshot.blocks = self.blocks.get();
        if !state.config.guardrails.is_empty() {
            snapshot.guardrails = Arc::new(GuardrailSet {
                guardrails: state.config.guardrails.clone(),
                exceptions: self.exceptions.in_force(),
            });
        }
        state.unfollowed = unfollowed;
        snapshot
    }

    /// Brings what changed into force: calls that begin after this returns are served by it.
    pub(crate) fn serve(&self, gateway: &Gateway) {
        let _serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.state().unfollowed.clone();
        let served = gateway.replace(self.make());
        let mut state = self.state();
        for it in state.unfollowed.iter().filter(|it| !known.contains(it)) {
            tracing::warn!(found = it.found, remedy = it.remedy, "{}", it.name);
        }
        if let Err(err) = served {
            tracing::warn!(error = %err, "the configuration cannot be served");
            state.refused = Some(err.to_string());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn file_problem(&self) -> Option<Problem> {
        let name = "configuration".to_owned();
        let listen = self.config.listen;
        if let Some(mistake) = &self.refused {
            let found = format!("the one from before stays in force: {mistake}");
            let remedy = "mend the file: it is read again when it changes".to_owned();
            return Some(Problem { name, severity: Severity::Error, found, remedy });
        }
        if self.listen.is_some_and(|it| it != listen) {
            let found = format!("`listen` became `{listen}` after the gateway had started");
            let remedy = "restart the gateway to listen there".to_owned();
            return Some(Problem { name, severity: Severity::Warning, found, remedy });
        }
        None
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let it = std::fs::metadata(path).ok()?;
        Some(Self { inode: it.ino(), bytes: it.size(), changed: (it.ctime(), it.ctime_nsec()) })
    }
}

/// What went wrong, with its causes: the last one is what a person can act on.
pub(crate) fn with_causes(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(it) = cause {
        text.push_str(": ");
        text.push_str(&it.to_string());
        cause = it.source();
    }
    text
}

/// The keys, once they are there; for ever without any.
async fn answer(reading: &mut Option<Reading>) -> Keys {
    match reading {
        Some(reading) => reading.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

/// A sink that drops bodies that are not to be kept.
struct Keeper {
    ledger: LedgerSink,
    keep_bodies: Arc<AtomicBool>,
}

impl Sink for Keeper {
    fn record(&self, mut settled: Settled) -> BoxFuture<'_, ()> {
        if !self.keep_bodies.load(Ordering::Relaxed) {
            settled.bodies = None;
            // What stands around a hit is a part of a body.
            settled.hits.iter_mut().for_each(|it| it.snippet = None);
        }
        self.ledger.record(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_address_waits_for_a_restart_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let settings = |listen| {
            std::fs::write(&path, "listen = '127.0.0.1:4242'").unwrap();
            let sources = Sources {
                path: path.clone(),
                catalogue: Catalogue::embedded().unwrap(),
                prices: Arc::default(),
                data: folder.path().to_owned(),
                env: Arc::new(|_| None),
                credentials: Arc::new(CredentialFile::new(folder.path(), None)),
            };
            let settings = Settings::load(sources, listen).unwrap();
            std::fs::write(&path, "listen = '127.0.0.1:4343'").unwrap();
            settings.read_again();
            settings
        };
        let problem = settings(None).configuration_problem().unwrap();
        assert!(problem.contains("`127.0.0.1:4343`") && problem.contains("restart"), "{problem}");
        let overridden = settings(Some(([127, 0, 0, 1], 0).into()));
        assert_eq!(overridden.configuration_problem(), None, "the command line's word counts");
    }
}
