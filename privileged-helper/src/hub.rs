//! What the connections share: the maps, the capture in force, each other.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tollgate_helper_protocol::event::{Lost, LostCause};
use tollgate_helper_protocol::reply::{Hello, Refusal, RefusalCode, Reply, Sees, Status};
use tollgate_helper_protocol::request::{Capture, Payload};
use tollgate_helper_protocol::{Event, Message, PROTOCOL_VERSION, Topic};

use crate::client::{Client, Offer};
use crate::kernel::{self, Kernel};
use crate::probes::{OBJECT_SHA256, Probes};
use crate::tables::{Rings, Tables};
use crate::{ring, sandbox};

/// Connections at once: the app, a command line, one that is just going, one that is just coming.
pub(crate) const CLIENTS_MAX: usize = 4;
/// Owners in one snapshot.
const SNAPSHOT_OWNERS_MAX: usize = 16_384;
/// How long the rings are left alone while events come.
const POLL: Duration = Duration::from_millis(5);
/// And after nothing came for [`POLLS_UNTIL_IDLE`] polls.
const POLL_IDLE: Duration = Duration::from_millis(25);
const POLLS_UNTIL_IDLE: u32 = 100;
/// Records taken from a ring before the queues are served.
const BATCH_MAX: usize = 1024;
/// How often the kernel's own losses are looked up.
const LOST_EVERY: Duration = Duration::from_millis(250);

/// What the connections share.
pub(crate) struct Hub {
    kernel: Kernel,
    started_at: Instant,
    state: Mutex<HubState>,
    /// A connection subscribed.
    subscribed: Condvar,
}

struct HubState {
    probes: Probes,
    tables: Tables,
    capture: Capture,
    clients: Vec<Arc<Client>>,
}

impl Hub {
    pub(crate) fn new(kernel: Kernel, probes: Probes, tables: Tables, sees: Sees) -> Self {
        let mut capture = Capture::llm_traffic(Vec::new());
        capture.uids = own_uids(sees);
        let state = HubState { probes, tables, capture, clients: Vec::new() };
        Self {
            kernel,
            started_at: Instant::now(),
            state: Mutex::new(state),
            subscribed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in; `false` when all places are taken.
    pub(crate) fn admit(&self, client: &Arc<Client>) -> bool {
        let mut state = self.lock();
        let has_room = state.clients.len() < CLIENTS_MAX;
        if has_room {
            state.clients.push(Arc::clone(client));
        }
        has_room
    }

    /// Lets a connection go. The capture ends with the last one that subscribed.
    pub(crate) fn dismiss(&self, client: &Arc<Client>) {
        client.close();
        let mut state = self.lock();
        state.clients.retain(|other| !Arc::ptr_eq(other, client));
        // A kernel that refuses this would go on handing over to nobody, which costs it a little.
        let _ = state.refresh();
    }

    pub(crate) fn hello(&self, sees: Sees) -> Reply {
        Reply::Hello(Hello {
            version: PROTOCOL_VERSION,
            helper_version: env!("CARGO_PKG_VERSION").to_owned(),
            object_sha256: OBJECT_SHA256.to_owned(),
            kernel: self.kernel.release.clone(),
            boot_to_unix_ns: kernel::boot_to_unix_ns(),
            sees,
            probes: self.lock().probes.probes.clone(),
        })
    }

    pub(crate) fn subscribe(&self, client: &Client, topics: &[Topic]) -> Reply {
        client.subscribe(topics);
        let result = self.lock().refresh();
        self.subscribed.notify_all();
        result.map_or_else(
            |error| refused(RefusalCode::Kernel, format!("{error:#}")),
            |()| Reply::Done,
        )
    }

    pub(crate) fn set_capture(&self, sees: Sees, mut capture: Capture) -> Reply {
        if let Some(list) = capture.too_long() {
            return refused(RefusalCode::TooLong, format!("`{list}` is too long"));
        }
        if let Sees::User(own) = sees
            && let Some(other) = capture.uids.iter().find(|uid| **uid != own)
        {
            let text = format!("user {own} may not see the packets of user {other}");
            return refused(RefusalCode::NotAllowed, text);
        }
        if capture.uids.is_empty() {
            capture.uids = own_uids(sees);
        }
        let mut state = self.lock();
        state.capture = capture.clone();
        match state.refresh() {
            Ok(()) => Reply::CaptureSet(capture),
            Err(error) => refused(RefusalCode::Kernel, format!("{error:#}")),
        }
    }

    pub(crate) fn status(&self, client: &Client) -> Reply {
        match self.read_status(client) {
            Ok(status) => Reply::Status(Box::new(status)),
            Err(error) => refused(RefusalCode::Kernel, format!("{error:#}")),
        }
    }

    fn read_status(&self, client: &Client) -> anyhow::Result<Status> {
        let state = self.lock();
        let (egress, ingress, control) = state.tables.counters()?;
        Ok(Status {
            object_sha256: OBJECT_SHA256.to_owned(),
            up_ns: u64::try_from(self.started_at.elapsed().as_nanos()).unwrap_or(u64::MAX),
            capture: state.capture.clone(),
            egress,
            ingress,
            control,
            connection: client.counters(),
            programs: state.probes.programs(),
            confinement: sandbox::confinement()?,
        })
    }

    /// Sends the known owners, then how many there were. `None` when the connection is over.
    pub(crate) fn snapshot(&self, client: &Client) -> Option<Reply> {
        let sees = client.sees();
        let (owners, left_out) = self
            .lock()
            .tables
            .owners(SNAPSHOT_OWNERS_MAX, |entry| crate::peer::may_see(sees, Some(entry.uid)));
        let mut sent = 0;
        for (cookie, entry) in owners {
            let Some(owner) = ring::owner(cookie, &entry, None) else { continue };
            if !client.send(&Message::Event(Event::Owner(owner))) {
                return None;
            }
            sent += 1;
        }
        Some(Reply::SnapshotDone { sent, left_out: u32::try_from(left_out).unwrap_or(u32::MAX) })
    }

    /// Serves the rings for as long as the process lives.
    pub(crate) fn pump(&self, mut rings: Rings) {
        let mut quiet = 0;
        let mut lost = KernelLosses::default();
        let mut lost_at = self.started_at;
        loop {
            let (clients, payload) = self.wait_for_subscribers(&mut rings);
            let taken = pass(&mut rings, payload, &clients);
            if lost_at.elapsed() >= LOST_EVERY {
                lost_at = Instant::now();
                let events = self.lock().tables.counters().map(|counters| lost.since(&counters));
                distribute(&events.unwrap_or_default(), &clients);
            }
            quiet = if taken == 0 { quiet + 1 } else { 0 };
            if taken < BATCH_MAX {
                let idle = quiet > POLLS_UNTIL_IDLE;
                std::thread::park_timeout(if idle { POLL_IDLE } else { POLL });
            }
        }
    }

    /// The subscribed connections; waits for one when there is none.
    fn wait_for_subscribers(&self, rings: &mut Rings) -> (Vec<Arc<Client>>, Payload) {
        let mut state = self.lock();
        let mut has_waited = false;
        loop {
            let subscribed: Vec<_> = state
                .clients
                .iter()
                .filter(|client| client.is_subscribed())
                .map(Arc::clone)
                .collect();
            if !subscribed.is_empty() {
                return (subscribed, state.capture.payload);
            }
            if !has_waited {
                // What came for the last connection is not for the next one.
                while pass(rings, Payload::Withheld, &[]) > 0 {}
                has_waited = true;
            }
            state = self.subscribed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl HubState {
    /// Captures for as long as someone listens.
    fn refresh(&mut self) -> anyhow::Result<()> {
        if self.clients.iter().any(|client| client.is_subscribed()) {
            self.tables.apply(&self.capture)
        } else {
            self.tables.stop()
        }
    }
}

fn own_uids(sees: Sees) -> Vec<u32> {
    match sees {
        Sees::User(uid) => vec![uid],
        Sees::Everyone => Vec::new(),
    }
}

pub(crate) fn refused(code: RefusalCode, text: impl Into<String>) -> Reply {
    Reply::Refused(Refusal { code, text: text.into() })
}

/// Takes a batch from each ring and distributes it: owners before packets, so that whoever reads
/// knows the owner when the packet comes. Returns how many records were taken at most from one.
fn pass(rings: &mut Rings, payload: Payload, clients: &[Arc<Client>]) -> usize {
    let mut most = 0;
    for ring in [&mut rings.control, &mut rings.packets] {
        let mut offers = Vec::new();
        let mut taken = 0;
        while taken < BATCH_MAX
            && let Some(record) = ring.next()
        {
            taken += 1;
            if !clients.is_empty() {
                ring::events(&record, payload, |uid, event| offers.extend(Offer::new(uid, event)));
            }
        }
        distribute(&offers, clients);
        most = most.max(taken);
    }
    most
}

fn distribute(offers: &[Offer], clients: &[Arc<Client>]) {
    for client in clients {
        client.offer(offers);
    }
}

/// What the rings had lost when last looked at.
#[derive(Default)]
struct KernelLosses {
    packets: u64,
    control: u64,
}

impl KernelLosses {
    fn since(
        &mut self,
        (egress, ingress, control): &(
            tollgate_helper_protocol::reply::PacketCounters,
            tollgate_helper_protocol::reply::PacketCounters,
            tollgate_helper_protocol::reply::ControlCounters,
        ),
    ) -> Vec<Offer> {
        let now =
            Self { packets: egress.ring_full + ingress.ring_full, control: control.ring_full };
        let counts = [
            (now.packets - self.packets, LostCause::PacketRing),
            (now.control - self.control, LostCause::ControlRing),
        ];
        *self = now;
        let lost = counts.into_iter().filter(|(count, _)| *count > 0);
        lost.filter_map(|(count, cause)| Offer::new(None, Event::Lost(Lost { count, cause })))
            .collect()
    }
}
