//! The gateway itself: what the application holds.

use std::{io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{Request, Response, request};
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use tokio::{net::TcpStream, time::Instant};
use tollgate_core::{Clock, call::ErrorCode};

use crate::{
    BudgetStatus, CacheFilter, CacheStatus, CallerLookup, Connection, GatewayError, GuardrailSet,
    History, Limits, LiveCall, ModelStatus, Observer, Past, ResponseBody, RuleSet, Sink, Snapshot,
    budgets::Accounts,
    cache::Cache,
    call::OpenCall,
    error::Refusal,
    ids::Ids,
    intake::Room,
    pipeline, refuse,
    route::Routes,
    settle::{Desk, Settler},
    upstream::{Proxies, Upstream},
};

/// What the gateway is made of. All of it stays for the gateway's life.
pub struct GatewayConfig {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Who watches the calls.
    pub observer: Arc<dyn Observer>,
    /// Who keeps the settled calls; `None` keeps none.
    pub ledger: Option<Arc<dyn Sink>>,
    /// Who knows what was said in earlier calls; `None`: nobody.
    pub history: Option<Arc<dyn History>>,
    /// Who knows what was spent before; `None`: nothing was.
    pub past: Option<Arc<dyn Past>>,
    /// Who finds the callers.
    pub callers: Arc<dyn CallerLookup>,
    /// The limits.
    pub limits: Limits,
    /// Root certificates to trust beside the machine's own.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// The proxies that providers are called through.
    pub proxies: Proxies,
}

/// The gateway. Cheap to share; every method may be called from any task.
pub struct Gateway {
    pub(crate) config: GatewayConfig,
    pub(crate) routes: ArcSwap<Routes>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) settler: Settler,
    pub(crate) room: Room,
    pub(crate) ids: Ids,
    pub(crate) cache: Arc<Cache>,
}

impl Gateway {
    /// Makes a gateway that serves `snapshot`. It opens no connection yet.
    ///
    /// Must be called inside a Tokio runtime with time and I/O, which then also runs the
    /// gateway's own tasks (settlement, pooled connections).
    ///
    /// # Errors
    /// When the snapshot contradicts itself or cannot be sent, or the machine's root certificates
    /// cannot be read.
    pub fn new(
        mut config: GatewayConfig,
        mut snapshot: Snapshot,
    ) -> Result<Arc<Self>, GatewayError> {
        let accounts = Accounts::new(Arc::clone(&config.clock));
        let budgets = std::mem::take(&mut snapshot.budgets);
        let past = config.past.as_deref();
        accounts.replace(budgets, past, &snapshot.prices).map_err(GatewayError::Past)?;
        let cache = Cache::new(Arc::clone(&config.clock), &snapshot.cache);
        let routes = ArcSwap::from_pointee(Routes::new(snapshot, None)?);
        let roots = std::mem::take(&mut config.extra_roots);
        let upstream = Arc::new(Upstream::new(roots, config.proxies.clone(), &config.limits)?);
        let observer = Arc::clone(&config.observer);
        let ledger = config.ledger.clone();
        let desk = Desk::new(observer, ledger, accounts, config.limits.caller_wait);
        let desk = Arc::new(desk);
        let settler = Settler::start(&desk);
        let room = Room::new(&config.limits);
        let ids = Ids::new();
        Ok(Arc::new(Self { config, routes, upstream, desk, settler, room, ids, cache }))
    }

    /// Serves further calls by `snapshot`; calls under way end by the one they began with. What was
    /// spent of budgets that stay is kept; what was spent before of others is read, which blocks on the
    /// disk for a moment.
    ///
    /// # Errors
    /// As for [`Self::new`]; the old snapshot then stays.
    pub fn replace(&self, mut snapshot: Snapshot) -> Result<(), GatewayError> {
        let earlier = self.routes.load();
        let budgets = std::mem::take(&mut snapshot.budgets);
        let prices = Arc::clone(&snapshot.prices);
        let routes = Arc::new(Routes::new(snapshot, Some(&earlier))?);
        let past = self.config.past.as_deref();
        self.desk.accounts.replace(budgets, past, &prices).map_err(GatewayError::Past)?;
        self.cache.follow(&routes.cache);
        self.routes.store(routes);
        Ok(())
    }

    /// Waits until what was spent is known up to now, so that budgets which [`Self::replace`] brings
    /// begin with that.
    pub async fn caught_up(&self) {
        if let Some(past) = &self.config.past {
            past.caught_up().await;
        }
    }

    /// Takes note of an accepted connection: sets `TCP_NODELAY`, reads its cookie and starts the
    /// search for its caller. Call it before the connection is served, so that a short-lived
    /// client is still there to be found.
    ///
    /// # Errors
    /// The socket's own, when the client has already gone.
    pub fn accept(&self, stream: &TcpStream) -> io::Result<Arc<Connection>> {
        Ok(self.look_for_caller(Connection::new(stream, &*self.config.callers)?))
    }

    /// The same for a connection whose other end is the application itself: its calls need no local
    /// key.
    ///
    /// # Errors
    /// As those of [`Self::accept`].
    pub fn accept_own(&self, stream: &TcpStream) -> io::Result<Arc<Connection>> {
        Ok(self.look_for_caller(Connection::of_ourselves(stream, &*self.config.callers)?))
    }

    fn look_for_caller(&self, connection: Connection) -> Arc<Connection> {
        let connection = Arc::new(connection);
        let found = self.config.callers.lookup(connection.client(), connection.cookie);
        let asker = Arc::clone(&connection);
        tokio::spawn(async move { asker.set_caller(found.await) });
        connection
    }

    /// Answers a request. Never fails: what goes wrong is an answer in the client's own format, or,
    /// once the answer has begun, its format's error event or a broken connection.
    ///
    /// The call is settled exactly once, also when the future or the answer's body is dropped.
    pub async fn handle(
        self: &Arc<Self>,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        pipeline::run(self, &connection, request).await
    }

    /// Refuses a request that the application may not let through: answers with `code` and
    /// `message` in the format that the request speaks, and settles it as a failed call.
    pub fn refuse(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        request: &request::Parts,
        code: ErrorCode,
        message: &str,
    ) -> Response<ResponseBody> {
        let mut call = OpenCall::begin(self, connection, request);
        if let Ok(asked) = call.routes().ask(request) {
            call.asked(&asked);
        }
        refuse::refuse(call, request, &Refusal::new(code, message.to_owned()))
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.routes.load().rules)
    }

    /// The guardrails in force.
    #[must_use]
    pub fn guardrails(&self) -> Arc<GuardrailSet> {
        Arc::clone(&self.routes.load().guardrails)
    }

    /// The budgets, in the order of the configuration, as they are at this moment.
    #[must_use]
    pub fn budgets(&self) -> Vec<BudgetStatus> {
        self.desk.accounts.status()
    }

    /// What the cache of answers holds and did.
    #[must_use]
    pub fn cache(&self) -> CacheStatus {
        self.cache.status()
    }

    /// Forgets the cached answers that `filter` selects, and says how many there were. What calls under
    /// way bring is not cached then either.
    pub fn clear_cache(&self, filter: &CacheFilter) -> usize {
        self.cache.clear(filter)
    }

    /// The calls that are not settled yet, oldest first.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<LiveCall>> {
        self.desk.live.list()
    }

    /// The configured models, in order, as they are at this moment.
    #[must_use]
    pub fn models(&self) -> Vec<ModelStatus> {
        let now = Instant::now();
        let routes = self.routes.load();
        routes.models().map(|it| it.status(now, |id| routes.is_default(id))).collect()
    }

    /// Ends every call under way: answers that have begun break off, the others fail; all are
    /// settled as failed. Later calls are not affected: stop accepting first.
    pub fn cancel_all(&self) {
        self.desk.live.stop_all();
    }

    /// Ends the calls under way that are blocked, and says how many they are. A call whose caller is not
    /// known yet is only ended where all are blocked.
    pub fn cut_blocked(&self) -> usize {
        let routes = self.routes.load();
        self.desk
            .live
            .cut(|it| routes.blocks.stop(it.caller.as_ref().map(|it| it.program.as_str())))
    }

    /// Waits until every call is settled and handed to the ledger, at most `bound`; says whether
    /// that was reached. To stop: stop accepting, wait here, [`Self::cancel_all`], wait here again,
    /// then close the ledger.
    pub async fn drained(&self, bound: Duration) -> bool {
        tokio::time::timeout(bound, self.desk.emptied()).await.is_ok()
    }
}
