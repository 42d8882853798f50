//! Packets and flows: what the helper delivers, put together and kept for a while.
//!
//! One thread talks to the helper, reconnects when it is gone, and feeds the flow engine; readers
//! look into the engine under a short lock. Without a helper the engine stays empty and
//! [`Capture::helper`] says why.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use http::uri::Authority;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;
use tollgate_core::{CallId, Caller, SocketCookie, UnixMs, caller::ProcessKey};
use tollgate_flows::{Config, Engine, Event, event::CallSockets};
use tollgate_gateway::GatewayEvent;
use tollgate_helper_protocol::{
    Message, Reply, Request,
    reply::{Hello, Status},
    request::{Capture as CaptureRequest, REMOTE_PORTS_MAX, Topic},
};

use crate::{
    helper::{Link, LinkError},
    hub::{self, Hub},
    procfs,
};

mod kept;
mod look;
mod search;
mod told;
mod translate;

pub use kept::Traffic;
use look::{Looks, owner_of};

/// How long to wait before the helper is looked for again.
const RECONNECT_PERIOD: Duration = Duration::from_secs(2);
/// How often the helper's counters are asked for.
const STATUS_PERIOD: Duration = Duration::from_secs(1);
/// How often packets are given to those who watch.
const BATCH_PERIOD: Duration = Duration::from_millis(100);
/// How old a packet is when watchers get it: program, host and call are mostly known by then, and
/// who filters by them would miss it for ever.
pub const HOLD_BACK: Duration = Duration::from_millis(300);
/// Sockets whose packets are left out, at most.
const IGNORED_MAX: usize = 4_096;
/// News of calls that wait while the engine is busy: as many as the calls it remembers.
const INBOX_MAX: usize = 10_000;
/// Callers that are remembered by process.
const CALLERS_MAX: usize = 4_096;

/// Packets and flows.
pub struct Capture {
    sockets: Vec<PathBuf>,
    hub: Arc<Hub>,
    engine: Mutex<Engine>,
    /// News of calls that the engine has not been told yet.
    inbox: Mutex<VecDeque<CallSockets>>,
    link: Mutex<LinkState>,
    /// Changes after each batch of events.
    fed: watch::Sender<()>,
    callers: Mutex<HashMap<ProcessKey, Arc<Caller>>>,
    /// When the calls under way began, since boot.
    begun: Mutex<HashMap<CallId, u64>>,
    /// Sockets of the console itself, both ends.
    ignored: Mutex<HashSet<SocketCookie>>,
    /// Tells this capture from those before it; see [`Self::id`].
    id: AtomicU64,
    paused: AtomicBool,
    gateway_port: AtomicU16,
    provider_ports: Vec<u16>,
    told: AtomicU64,
    stopping: Mutex<bool>,
    stopped: Condvar,
    boot_to_unix_ns: i64,
    /// The cookie of this process's own network namespace; 0 until the helper named a socket of it.
    own_netns: AtomicU64,
}

#[derive(Default)]
struct LinkState {
    hello: Option<Hello>,
    status: Option<Status>,
    /// Whether it has been connected since the start.
    was_there: bool,
    problem: Option<String>,
}

impl Capture {
    /// Starts the thread that looks for the helper at one of `sockets`, in their order.
    /// `providers` are where the gateway calls: their hosts tell LLM traffic from other, and
    /// packets to their ports are of interest.
    #[must_use]
    pub fn start(sockets: Vec<PathBuf>, hub: Arc<Hub>, providers: &[Authority]) -> Arc<Self> {
        let hosts = providers.iter().map(|it| it.host().to_owned()).collect();
        let mut provider_ports: Vec<u16> =
            providers.iter().filter_map(Authority::port_u16).collect();
        provider_ports.sort_unstable();
        provider_ports.dedup();
        let config = Config { provider_hosts: hosts, ..Config::default() };
        let capture = Arc::new(Self {
            sockets,
            hub,
            engine: Mutex::new(Engine::new(config)),
            inbox: Mutex::default(),
            link: Mutex::default(),
            fed: watch::Sender::default(),
            callers: Mutex::default(),
            begun: Mutex::default(),
            ignored: Mutex::default(),
            id: AtomicU64::new(started_at_us()),
            paused: AtomicBool::new(false),
            gateway_port: AtomicU16::new(0),
            provider_ports,
            told: AtomicU64::new(0),
            stopping: Mutex::new(false),
            stopped: Condvar::new(),
            boot_to_unix_ns: boot_to_unix_ns(),
            own_netns: AtomicU64::new(0),
        });
        if let Some(own) = procfs::process_key(std::process::id()) {
            capture.engine().push(Event::GatewayProcess(own));
        }
        let running = Arc::clone(&capture);
        let spawned =
            thread::Builder::new().name("capture".to_owned()).spawn(move || running.run());
        if let Err(err) = spawned {
            capture.link().problem = Some(format!("start the capture's thread: {err}"));
        }
        capture
    }

    /// Ends the thread; the helper sees the connection close.
    pub fn stop(&self) {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopped.notify_all();
    }

    fn run(&self) {
        while !self.is_stopping() {
            let ended = match Link::connect_first(&self.sockets) {
                Ok((link, hello)) => {
                    tracing::info!(version = %hello.helper_version, "the helper is connected");
                    self.follow(link, hello)
                }
                Err(err) => Err(err),
            };
            let mut link = self.link();
            link.hello = None;
            link.problem = ended.err().map(|err| err.to_string());
            drop(link);
            let stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
            // Woken early only to stop.
            drop(self.stopped.wait_timeout_while(stopping, RECONNECT_PERIOD, |it| !*it));
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from the helper until it is gone or the capture is stopped.
    fn follow(&self, mut link: Link, hello: Hello) -> Result<(), LinkError> {
        {
            let mut state = self.link();
            state.hello = Some(hello);
            state.was_there = true;
            state.problem = None;
        }
        let asked_port = self.gateway_port.load(Ordering::Relaxed);
        link.send(Request::SetCapture(self.capture_of(asked_port)))?;
        link.send(Request::Subscribe(vec![Topic::Packets, Topic::Sockets, Topic::Processes]))?;
        link.send(Request::Snapshot)?;
        self.bootstrap();
        thread::scope(|scope| {
            let (mut looks, asked) = Looks::new();
            scope.spawn(|| self.look(asked));
            self.listen(&mut link, asked_port, &mut looks)
        })
    }

    fn listen(
        &self,
        link: &mut Link,
        mut asked_port: u16,
        looks: &mut Looks,
    ) -> Result<(), LinkError> {
        let mut messages = Vec::new();
        let (mut asked, mut told, mut last) = (now(), now(), now());
        while !self.is_stopping() {
            link.read(&mut messages)?;
            if !messages.is_empty() {
                self.feed(messages.drain(..), looks);
            }
            let port = self.gateway_port.load(Ordering::Relaxed);
            if port != asked_port {
                asked_port = port;
                link.send(Request::SetCapture(self.capture_of(port)))?;
            }
            if asked.elapsed() >= STATUS_PERIOD {
                asked = now();
                link.send(Request::Status)?;
            }
            if told.elapsed() >= BATCH_PERIOD {
                told = now();
                self.tell_packets(&mut last);
            }
        }
        Ok(())
    }

    fn feed(&self, messages: impl Iterator<Item = Message>, looks: &mut Looks) {
        let paused = self.paused.load(Ordering::Relaxed);
        let ignored = self.ignored.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut events, mut owners) = (Vec::new(), Vec::new());
        for message in messages {
            match message {
                Message::Event(event) => {
                    self.note(&event);
                    let Some(event) = translate::event(event) else { continue };
                    if let Event::Packet(it) = &event
                        && (paused || ignored.contains(&it.cookie))
                    {
                        continue;
                    }
                    if let Event::Exec(it) = &event {
                        // Another program now: what was known of the process no longer holds.
                        looks.forget(it.process);
                        self.callers().remove(&it.process);
                    }
                    owners.extend(owner_of(&event));
                    events.push(event);
                }
                Message::Reply(_, Reply::Status(status)) => self.link().status = Some(*status),
                Message::Reply(_, Reply::Refused(refusal)) => {
                    tracing::warn!(refusal = %refusal.text, "the helper refused a request");
                }
                Message::Reply(
                    _,
                    Reply::Hello(_)
                    | Reply::Done
                    | Reply::CaptureSet(_)
                    | Reply::SnapshotDone { .. }
                    | Reply::Pong(_),
                ) => {}
            }
        }
        self.push(events);
        owners.into_iter().for_each(|it| looks.ask(it));
    }

    /// What an event tells of this process and of the connection to the helper.
    fn note(&self, event: &tollgate_helper_protocol::Event) {
        if let tollgate_helper_protocol::Event::Lost(it) = event {
            tracing::warn!(count = it.count, cause = ?it.cause, "events were lost");
        }
        if let tollgate_helper_protocol::Event::Owner(it) = event
            && it.process.pid == std::process::id()
            && let Some(netns) = it.netns
        {
            self.own_netns.store(netns, Ordering::Relaxed);
        }
    }

    /// Names of this namespace's interfaces, by namespace and number. Other namespaces' are not
    /// known, but for the loopback, which is number 1 everywhere.
    #[must_use]
    pub fn interface_names(&self) -> HashMap<(u64, u32), String> {
        let netns = self.own_netns.load(Ordering::Relaxed);
        if netns == 0 {
            return HashMap::new();
        }
        procfs::interfaces().into_iter().map(|(index, name)| ((netns, index), name)).collect()
    }

    fn push(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut engine = self.engine();
        for event in events {
            engine.push(event);
        }
        drop(engine);
        self.fed.send_replace(());
    }

    /// Wakes watchers while there are packets, and until the last one is old enough for them.
    fn tell_packets(&self, last: &mut Instant) {
        let newest = self.newest();
        if self.told.swap(newest, Ordering::Relaxed) != newest {
            *last = now();
        }
        if last.elapsed() < HOLD_BACK + 2 * BATCH_PERIOD {
            self.hub.send(hub::Event::Packets);
        }
    }

    /// Joins a call's sockets to its packets. Returns at once, however long the engine is busy.
    pub fn call_event(&self, event: &GatewayEvent) {
        let sockets = match event {
            GatewayEvent::CallStarted(live) | GatewayEvent::CallUpdated(live) => {
                let began = || boot_now_ns().saturating_sub(ns(live.started.elapsed()));
                CallSockets {
                    call: live.id,
                    client_cookie: live.client_cookie,
                    upstream_cookie: live.upstream_cookie,
                    started_at_ns: *self.begun().entry(live.id).or_insert_with(began),
                    finished_at_ns: None,
                }
            }
            GatewayEvent::CallSettled(call) => {
                let took_ns = call.timing.finished_us.saturating_mul(1000);
                let began = self.begun().remove(&call.id);
                let started_at_ns =
                    began.unwrap_or_else(|| self.began_about(call.started_at_ms, took_ns));
                CallSockets {
                    call: call.id,
                    client_cookie: call.client_cookie,
                    upstream_cookie: call.upstream_cookie,
                    started_at_ns,
                    finished_at_ns: Some(started_at_ns.saturating_add(took_ns)),
                }
            }
            GatewayEvent::BudgetNews(_) => return,
        };
        self.tell(sockets);
    }

    /// Tells the engine of a call: now, if it is free, else when it is looked into next.
    fn tell(&self, sockets: CallSockets) {
        let mut inbox = self.inbox();
        if inbox.len() >= INBOX_MAX {
            inbox.pop_front();
        }
        inbox.push_back(sockets);
        drop(inbox);
        match self.engine.try_lock() {
            Ok(mut engine) => self.empty_inbox(&mut engine),
            Err(TryLockError::Poisoned(engine)) => self.empty_inbox(&mut engine.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    fn empty_inbox(&self, engine: &mut Engine) {
        let told = std::mem::take(&mut *self.inbox());
        told.into_iter().for_each(|it| engine.push(Event::CallSockets(it)));
    }

    /// When a call began of which only the settlement is told: within its millisecond, and as long
    /// ago as it took.
    fn began_about(&self, started_at: UnixMs, took_ns: u64) -> u64 {
        const MS_NS: u64 = 1_000_000;
        let first = self.boot_ns(started_at.0);
        boot_now_ns().saturating_sub(took_ns).clamp(first, first.saturating_add(MS_NS))
    }

    /// Says which port the gateway listens on: its packets are of interest.
    pub fn set_gateway_port(&self, port: u16) {
        self.gateway_port.store(port, Ordering::Relaxed);
        self.engine().push(Event::GatewayPort(port));
    }

    /// Leaves out the packets of a connection to the console, which would otherwise show itself
    /// showing packets. `client` is the browser's end, `own` ours. Blocks on `sock_diag`.
    pub fn ignore(&self, client: SocketAddr, own: SocketAddr, cookie: Option<SocketCookie>) {
        let browser = procfs::tcp_socket(client, own).ok().flatten().map(|it| it.cookie);
        let mut ignored = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        if ignored.len() >= IGNORED_MAX {
            ignored.clear();
        }
        ignored.extend(cookie.into_iter().chain(browser));
    }

    /// Leaves out new packets, or takes them again.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Forgets the packets that are kept.
    pub fn clear(&self) {
        self.engine().clear();
        self.id.fetch_add(1, Ordering::Release);
    }

    /// Which capture the packets are of: another one in every process, and since every
    /// [`Self::clear`]. Read before packets are, it is never newer than they.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id.load(Ordering::Acquire)
    }

    /// What to add to a time since boot for Unix microseconds.
    #[must_use]
    pub const fn boot_to_unix_us(&self) -> i64 {
        self.boot_to_unix_ns / 1000
    }

    /// What is captured: the gateway's port, HTTPS, DNS, and the ports of other providers.
    fn capture_of(&self, port: u16) -> CaptureRequest {
        let gateway = if port == 0 { Vec::new() } else { vec![port] };
        let mut capture = CaptureRequest::llm_traffic(gateway);
        let others = self.provider_ports.iter().filter(|it| !capture.remote_ports.contains(it));
        let others: Vec<_> = others.copied().collect();
        capture.remote_ports.extend(others);
        capture.remote_ports.truncate(REMOTE_PORTS_MAX);
        capture
    }

    fn boot_ns(&self, unix_ms: i64) -> u64 {
        let unix_ns = unix_ms.saturating_mul(1_000_000);
        u64::try_from(unix_ns.saturating_sub(self.boot_to_unix_ns)).unwrap_or_default()
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        self.empty_inbox(&mut engine);
        engine
    }

    fn inbox(&self) -> MutexGuard<'_, VecDeque<CallSockets>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> MutexGuard<'_, LinkState> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<CallId, u64>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<ProcessKey, Arc<Caller>>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unix microseconds: no process began at the same.
fn started_at_us() -> u64 {
    nanos(ClockId::Realtime) / 1000
}

fn boot_now_ns() -> u64 {
    nanos(ClockId::Boottime)
}

fn boot_to_unix_ns() -> i64 {
    let signed = |id| i64::try_from(nanos(id)).unwrap_or(i64::MAX);
    signed(ClockId::Realtime).saturating_sub(signed(ClockId::Boottime))
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_busy_engine_holds_up_no_call() {
        let hub = Arc::new(Hub::new(Arc::new(SystemClock)));
        let capture = Capture::start(Vec::new(), hub, &[]);
        let sockets = |number: u128| CallSockets {
            call: CallId::from_bytes(number.to_be_bytes()),
            client_cookie: None,
            upstream_cookie: None,
            started_at_ns: 1,
            finished_at_ns: None,
        };
        let busy = capture.engine();
        for number in 0..u128::try_from(INBOX_MAX).unwrap() + 5 {
            capture.tell(sockets(number));
        }
        assert_eq!(capture.inbox().len(), INBOX_MAX);
        drop(busy);
        capture.tell(sockets(0));
        assert!(capture.inbox().is_empty());
        capture.stop();
    }
}
