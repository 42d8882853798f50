//! The flow table.
//!
//! Socket cookies are unique on the whole machine since Linux 5.4 (and the helper asks for 5.8), but
//! a cookie alone does not name a flow: the packets of a handshake carry the listener's, a UDP socket
//! may talk to anybody, and on loopback one flow has two sockets. So a flow is found by the cookie
//! when that is known to be of a connected TCP socket, else by network namespace and addresses, and
//! each of its ends learns its socket as evidence comes. Packets of a listener are so at home from
//! the first one: the accepted socket's cookie later replaces the listener's in the same flow.

mod flow;
mod handshake;
mod measure;
mod names;
mod sockets;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use hashlink::LruCache;
use tollgate_core::SocketCookie;

use flow::Noted;
pub(crate) use flow::{CLIENT, End, Flow, SERVER};

use crate::{
    event::{
        BootNs, Closed, Direction, Established, PacketSeen, PeerCookie, Retransmit, Role, Rtt,
    },
    packet::{Finding, FiveTuple, Protocol, Summary, dns},
    row::FlowId,
};
use handshake::Handshakes;
use names::Names;
use sockets::Sockets;

/// The loopback's interface index, in every network namespace.
const LOOPBACK_IFINDEX: u32 = 1;
pub(crate) const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where a packet belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) flow: FlowId,
    /// Which end sent it: [`CLIENT`] or [`SERVER`].
    pub(crate) sender: usize,
    /// Whether it was seen before, as it left a socket of this machine.
    pub(crate) twin: bool,
    /// Where credentials stand in its bytes.
    pub(crate) secrets: Vec<Range<usize>>,
    /// When the client began to say what this packet says or answers; 0 before it said anything.
    pub(crate) turn_at_ns: BootNs,
    /// The TLS hello in words that it completes and another packet began.
    pub(crate) completes: Option<String>,
}

/// Addresses in one order, whoever sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TupleKey {
    netns: u64,
    number: u8,
    low: SocketAddr,
    high: SocketAddr,
}

impl TupleKey {
    fn new(netns: u64, number: u8, a: SocketAddr, b: SocketAddr) -> Self {
        Self { netns, number, low: a.min(b), high: a.max(b) }
    }
}

/// Flows by number, by addresses and by connected socket; the least recently used one goes first.
#[derive(Debug)]
pub(crate) struct Table {
    flows: LruCache<FlowId, Flow>,
    by_tuple: HashMap<TupleKey, FlowId>,
    /// Connected TCP sockets only.
    by_cookie: HashMap<SocketCookie, FlowId>,
    sockets: Sockets,
    names: Names,
    handshakes: Handshakes,
    capacity: usize,
    next: u64,
    evicted: u64,
}

/// The ports that mark an end as the server when the beginning of a flow was not seen.
pub(crate) type KnownPorts<'a> = &'a [u16];

impl Table {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            flows: LruCache::new(capacity.max(1)),
            by_tuple: HashMap::new(),
            by_cookie: HashMap::new(),
            sockets: Sockets::new(capacity),
            names: Names::new(),
            handshakes: Handshakes::new(),
            capacity: capacity.max(1),
            next: 1,
            evicted: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.peek(&id)
    }

    /// The flows, the one used last first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter().rev().map(|(_, flow)| flow)
    }

    pub(crate) fn by_cookie(&self, cookie: SocketCookie) -> Option<FlowId> {
        self.by_cookie.get(&cookie).copied()
    }

    /// The flow that a socket was last seen with, connected or not.
    pub(crate) fn last_of(&self, cookie: SocketCookie) -> Option<FlowId> {
        self.by_cookie(cookie).or_else(|| self.sockets.flow(cookie))
    }

    /// The flow that has this socket at one end; of a socket with several, the last one.
    pub(crate) fn flow_with(&self, cookie: SocketCookie) -> Option<&Flow> {
        self.flow(self.last_of(cookie)?).filter(|it| it.end_of(cookie).is_some())
    }

    pub(crate) fn clear(&mut self) {
        self.flows.clear();
        self.by_tuple.clear();
        self.by_cookie.clear();
        self.handshakes.clear();
    }

    /// Puts a packet into its flow, which is made if need be.
    pub(crate) fn packet(
        &mut self,
        seen: &PacketSeen,
        summary: &Summary,
        ports: KnownPorts<'_>,
    ) -> Placed {
        self.learn_names(seen.at_ns, summary);
        let (src, dst) = ends_of(&summary.tuple);
        let cookie = Some(seen.cookie).filter(|it| it.0 != 0);
        let key = TupleKey::new(seen.netns, summary.tuple.number, src, dst);
        let found = self.find(cookie, &key).filter(|id| {
            self.flows.peek(id).is_some_and(|flow| !flow.is_another(summary.tcp.as_ref()))
        });
        let id = found.unwrap_or_else(|| {
            let flow = Flow::of_packet(seen, summary, (src, dst), ports);
            self.insert(key, flow)
        });
        let mut placed = Placed {
            flow: id,
            sender: CLIENT,
            twin: false,
            secrets: Vec::new(),
            turn_at_ns: 0,
            completes: None,
        };
        let Some(flow) = self.flows.get_mut(&id) else { return placed };
        let sender = flow.sender(src, seen.direction, cookie);
        placed.sender = flow.settle_roles(sender, summary);
        let local = match seen.direction {
            Direction::Egress => placed.sender,
            Direction::Ingress => flow::other(placed.sender),
        };
        if let Some(cookie) = cookie {
            match flow.note_cookie(local, cookie, seen.direction, summary) {
                Noted::Connected => {
                    self.by_cookie.insert(cookie, id);
                }
                Noted::New => self.sockets.saw(cookie, id),
                Noted::Known => {}
            }
        }
        let flow_end = &mut flow.ends[placed.sender];
        placed.twin = seen.direction == Direction::Ingress
            && seen.ifindex == LOOPBACK_IFINDEX
            && flow_end.egress_seen;
        flow_end.egress_seen |= seen.direction == Direction::Egress;
        if !placed.twin {
            flow.count(placed.sender, seen, summary);
            placed.secrets = flow.secrets(placed.sender, seen, summary);
            placed.turn_at_ns = flow.turn(placed.sender, seen.at_ns, summary);
            placed.completes = self.handshakes.push(flow, placed.sender, seen, summary);
        }
        placed
    }

    fn find(&self, cookie: Option<SocketCookie>, key: &TupleKey) -> Option<FlowId> {
        let by_cookie = cookie.filter(|_| key.number == TCP).and_then(|it| self.by_cookie(it));
        by_cookie.or_else(|| self.by_tuple.get(key).copied())
    }

    /// Only what comes from a name server's port may name addresses.
    fn learn_names(&mut self, at_ns: BootNs, summary: &Summary) {
        let (src, dst) = ends_of(&summary.tuple);
        match &summary.finding {
            Some(Finding::DnsQuestion(id)) if dst.port() == dns::PORT => {
                self.names.asked(src, *id, at_ns);
            }
            Some(Finding::DnsAnswers(id, answers)) if src.port() == dns::PORT => {
                let took = self.names.answered(dst, *id, at_ns);
                for answer in answers {
                    self.names.learn(answer.addr, &answer.name, at_ns, took);
                }
            }
            Some(
                Finding::DnsQuestion(_)
                | Finding::DnsAnswers(..)
                | Finding::ClientHello(_)
                | Finding::HttpHost(_)
                | Finding::QuicInitial(_),
            )
            | None => {}
        }
    }

    fn insert(&mut self, key: TupleKey, mut flow: Flow) -> FlowId {
        self.sockets.saw_namespace(flow.netns);
        while self.flows.len() >= self.capacity {
            self.evict_oldest();
        }
        let id = FlowId(self.next);
        self.next += 1;
        flow.id = id;
        let server = flow.ends[SERVER].addr.ip();
        flow.dns_name = self.names.name(server);
        flow.dns_ns = self.names.lookup_ns(server, flow.first_at_ns);
        for (end, peer) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
            let (local, remote) = (flow.ends[end].addr, flow.ends[peer].addr);
            if let Some(cookie) = self.sockets.take(flow.netns, local, remote)
                && flow.ends[end].learn(cookie)
            {
                self.sockets.saw(cookie, id);
            }
        }
        self.by_tuple.insert(key, id);
        self.flows.insert(id, flow);
        id
    }

    fn evict_oldest(&mut self) {
        let Some((id, flow)) = self.flows.remove_lru() else { return };
        self.evicted += 1;
        self.handshakes.forget(id);
        let [client, server] = &flow.ends;
        let key = TupleKey::new(flow.netns, flow.number, client.addr, server.addr);
        if self.by_tuple.get(&key) == Some(&id) {
            self.by_tuple.remove(&key);
        }
        for cookie in flow.ends.iter().filter_map(|it| it.cookie) {
            if self.by_cookie.get(&cookie) == Some(&id) {
                self.by_cookie.remove(&cookie);
            }
        }
    }

    /// A handshake was completed: the end's real socket is known, and who began.
    pub(crate) fn established(&mut self, seen: &Established) -> FlowId {
        let (local, remote) = (canonical(seen.local), canonical(seen.remote));
        let key = TupleKey::new(seen.netns, TCP, local, remote);
        let found = self.find(Some(seen.cookie), &key).filter(|id| {
            // Addresses of a connection that is over belong to the next one.
            self.flows.peek(id).is_some_and(|it| !it.was_established_before(seen, local))
        });
        let id = found.unwrap_or_else(|| self.insert(key, Flow::of_handshake(seen, local, remote)));
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.established(seen, local);
            self.by_cookie.insert(seen.cookie, id);
        }
        id
    }

    pub(crate) fn retransmit(&mut self, seen: Retransmit) -> Option<FlowId> {
        let (flow, end) = self.connected(seen.cookie)?;
        flow.last_at_ns = flow.last_at_ns.max(seen.at_ns);
        let end = &mut flow.ends[end];
        end.retransmits = Some(end.retransmits.unwrap_or(0) + 1);
        Some(flow.id)
    }

    pub(crate) fn closed(&mut self, seen: &Closed) -> Option<FlowId> {
        let (flow, at) = self.connected(seen.cookie)?;
        flow.last_at_ns = flow.last_at_ns.max(seen.at_ns);
        flow.closed_at_ns.get_or_insert(seen.at_ns);
        let peer = &mut flow.ends[flow::other(at)];
        peer.payload_sent = seen.bytes_received.or(peer.payload_sent);
        let end = &mut flow.ends[at];
        end.payload_sent = seen.bytes_sent.or(end.payload_sent);
        end.srtt_us = seen.srtt_us.or(end.srtt_us);
        end.retransmits = seen.retransmits.map(u64::from).or(end.retransmits);
        Some(flow.id)
    }

    /// The socket at one end of a flow, by its addresses; kept for later when the flow is not known
    /// yet. `netns` 0 stands for any namespace.
    pub(crate) fn socket(&mut self, seen: &PeerCookie) -> Option<FlowId> {
        let (local, remote) = (canonical(seen.local), canonical(seen.remote));
        let namespaces = self.sockets.namespaces(seen.netns);
        let found = namespaces
            .into_iter()
            .flat_map(|netns| [TCP, UDP].map(|number| TupleKey::new(netns, number, local, remote)));
        let ids: Vec<FlowId> = found.filter_map(|key| self.by_tuple.get(&key).copied()).collect();
        let [id] = ids.as_slice() else {
            self.sockets.keep(seen.netns, local, remote, seen.cookie);
            return None;
        };
        let flow = self.flows.get_mut(id)?;
        let end = flow.ends.iter_mut().find(|it| it.addr == local)?;
        if end.learn(seen.cookie) {
            self.sockets.saw(seen.cookie, *id);
        }
        Some(*id)
    }

    pub(crate) fn rtt(&mut self, seen: Rtt) -> Option<FlowId> {
        let (flow, end) = self.connected(seen.cookie)?;
        flow.last_at_ns = flow.last_at_ns.max(seen.at_ns);
        flow.ends[end].srtt_us = Some(seen.srtt_us);
        Some(flow.id)
    }

    fn connected(&mut self, cookie: SocketCookie) -> Option<(&mut Flow, usize)> {
        let id = self.by_cookie(cookie)?;
        let flow = self.flows.get_mut(&id)?;
        let end = flow.end_of(cookie)?;
        Some((flow, end))
    }
}

/// The protocol of the transport layer.
pub(crate) const fn transport(number: u8) -> Protocol {
    match number {
        TCP => Protocol::Tcp,
        UDP => Protocol::Udp,
        1 => Protocol::Icmp,
        58 => Protocol::Icmpv6,
        _ => Protocol::Ip,
    }
}

fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// The two ends of a packet, sender first.
pub(crate) fn ends_of(tuple: &FiveTuple) -> (SocketAddr, SocketAddr) {
    let end = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
    (end(tuple.src, tuple.src_port), end(tuple.dst, tuple.dst_port))
}

/// How long ago `earlier` was, in microseconds.
fn micros_between(earlier: BootNs, later: BootNs) -> u64 {
    later.saturating_sub(earlier) / 1_000
}

const fn end_of_role(role: Role) -> usize {
    match role {
        Role::Active => CLIENT,
        Role::Passive => SERVER,
    }
}
