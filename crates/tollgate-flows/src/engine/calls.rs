//! Which call a packet belongs to.
//!
//! A call's packets are those on its two sockets while it ran. A connection that is kept alive
//! carries several calls, so the time decides; packets between two calls go to the one they belong
//! to by what they do: a client's data begins the next call (the kernel sees the request before the
//! gateway has read it) and what follows on it is the next call's too; everything else ends the last
//! one.

use std::collections::{HashMap, VecDeque};

use hashlink::LruCache;
use tollgate_core::{CallId, SocketCookie};

use crate::{
    event::{BootNs, CallSockets},
    row::{CallJoin, Toward},
};

/// Calls whose sockets are remembered.
pub(super) const CALLS_MAX: usize = 10_000;
/// Calls remembered of one socket.
const CALLS_PER_SOCKET_MAX: usize = 1_024;
/// Calls looked at before the time in question, for those that still ran then.
const OVERLAP_MAX: usize = 64;
/// How long before its call began, by the gateway's clock, a packet may be: between the kernel and
/// the gateway's read lies a scheduler's delay.
const LEAD_NS: BootNs = 250_000_000;
/// The same for the first call of a connection: its handshake comes before it.
const CONNECT_LEAD_NS: BootNs = 5_000_000_000;
/// How long after its call a packet may be: acknowledgements are delayed by up to 40 ms, more on a
/// busy machine.
const TAIL_NS: BootNs = 250_000_000;

/// A packet, as far as this choice needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at_ns: BootNs,
    /// When the client began to say what this packet says or answers.
    pub(super) turn_at_ns: BootNs,
    pub(super) toward: Toward,
    pub(super) payload_len: u32,
}

/// The part that a socket plays for the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Upstream,
}

#[derive(Debug)]
struct OnSocket {
    side: Side,
    /// With their beginnings, in that order.
    calls: VecDeque<(BootNs, CallId)>,
}

/// Calls and the gateway's sockets they are on.
#[derive(Debug)]
pub(super) struct Calls {
    by_id: LruCache<CallId, CallSockets>,
    by_cookie: HashMap<SocketCookie, OnSocket>,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self { by_id: LruCache::new(CALLS_MAX), by_cookie: HashMap::new() }
    }

    pub(super) fn note(&mut self, sockets: CallSockets) {
        let before = self.by_id.remove(&sockets.call);
        while self.by_id.len() >= CALLS_MAX {
            let Some((_, oldest)) = self.by_id.remove_lru() else { break };
            self.forget(&oldest);
        }
        let place = |it: &CallSockets| (cookies(it), it.started_at_ns);
        if let Some(before) = before.filter(|it| place(it) != place(&sockets)) {
            self.forget(&before);
        }
        for (cookie, side) in cookies(&sockets).into_iter().flatten() {
            let on = self
                .by_cookie
                .entry(cookie)
                .or_insert_with(|| OnSocket { side, calls: VecDeque::new() });
            if let Err(at) = on.calls.binary_search(&key(&sockets)) {
                on.calls.insert(at, key(&sockets));
                if on.calls.len() > CALLS_PER_SOCKET_MAX {
                    on.calls.pop_front();
                }
            }
        }
        self.by_id.insert(sockets.call, sockets);
    }

    fn forget(&mut self, sockets: &CallSockets) {
        for (cookie, _) in cookies(sockets).into_iter().flatten() {
            if let Some(on) = self.by_cookie.get_mut(&cookie) {
                if let Ok(at) = on.calls.binary_search(&key(sockets)) {
                    on.calls.remove(at);
                }
                if on.calls.is_empty() {
                    self.by_cookie.remove(&cookie);
                }
            }
        }
    }

    pub(super) fn sockets(&self, call: CallId) -> Option<&CallSockets> {
        self.by_id.peek(&call)
    }

    /// What the gateway uses a socket for.
    pub(super) fn side(&self, cookie: SocketCookie) -> Option<Side> {
        self.by_cookie.get(&cookie).map(|it| it.side)
    }

    /// The calls on a socket, oldest first.
    pub(super) fn on(&self, cookie: SocketCookie) -> impl Iterator<Item = CallId> {
        self.by_cookie.get(&cookie).into_iter().flat_map(|it| it.calls.iter().map(|it| it.1))
    }

    /// The call that a packet on a socket belongs to.
    pub(super) fn at(&self, cookie: SocketCookie, packet: Moment) -> Option<(CallId, CallJoin)> {
        let calls = &self.by_cookie.get(&cookie)?.calls;
        let t = packet.at_ns;
        let begun = calls.partition_point(|it| it.0 <= t);
        let span = |it: &(BootNs, CallId)| self.by_id.peek(&it.1);
        let next = calls.get(begun).and_then(span);
        let mut running = None;
        let mut running_count = 0;
        let mut last: Option<&CallSockets> = None;
        for span in calls.range(..begun).rev().take(OVERLAP_MAX).filter_map(span) {
            if span.finished_at_ns.is_none_or(|it| it >= t) {
                running = running.or(Some(span.call));
                running_count += 1;
            } else if last.is_none_or(|it| it.finished_at_ns < span.finished_at_ns) {
                last = Some(span);
            }
        }
        let join = if calls.len() == 1 { CallJoin::Socket } else { CallJoin::Time };
        match (running, running_count) {
            (Some(only), 1) => Some((only, join)),
            (Some(latest), _) => Some((latest, CallJoin::Shared)),
            (None, _) => between(last, next, packet).map(|it| (it, join)),
        }
    }
}

/// The call of a packet that came while none was under way.
fn between(
    last: Option<&CallSockets>,
    next: Option<&CallSockets>,
    packet: Moment,
) -> Option<CallId> {
    let lead = if last.is_some() { LEAD_NS } else { CONNECT_LEAD_NS };
    let next = next.filter(|it| it.started_at_ns - packet.at_ns <= lead);
    let last = last.filter(|it| {
        it.finished_at_ns.is_some_and(|end| packet.at_ns.saturating_sub(end) <= TAIL_NS)
    });
    // What follows the beginning of the next request, such as its acknowledgement, is the next's too.
    let follows = last.and_then(|it| it.finished_at_ns).is_some_and(|it| packet.turn_at_ns > it);
    let begins = follows || packet.toward == Toward::Server && packet.payload_len > 0;
    let (first, second) = if begins { (next, last) } else { (last, next) };
    first.or(second).map(|it| it.call)
}

const fn key(sockets: &CallSockets) -> (BootNs, CallId) {
    (sockets.started_at_ns, sockets.call)
}

fn cookies(sockets: &CallSockets) -> [Option<(SocketCookie, Side)>; 2] {
    let known =
        |cookie: Option<SocketCookie>, side| cookie.filter(|it| it.0 != 0).map(|it| (it, side));
    [known(sockets.client_cookie, Side::Client), known(sockets.upstream_cookie, Side::Upstream)]
}
