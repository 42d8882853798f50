//! The engine: events in, rows out.

mod calls;
mod ring;
mod rows;

use std::{collections::HashSet, sync::Arc};

use hashlink::LinkedHashSet;
use tollgate_core::{CallId, SocketCookie, caller::ProcessKey};

use crate::{
    attribute::{Attribution, Owner, Process},
    event::{BootNs, CallSockets, Event, PacketSeen, PeerCookie, SocketSeen},
    filter::{Facts, Filter},
    follow::Follow,
    packet::{self, Protocol},
    row::{
        CallJoin, Counters, EndRow, FlowId, FlowRow, Leg, OwnerRow, PacketDetail, PacketRow, Toward,
    },
    table::{self, CLIENT, Flow, SERVER, Table},
};
use calls::{Calls, Moment, Side};
use ring::{Kept, Ring};

/// Packets kept, unless the configuration says otherwise.
pub const PACKETS_KEPT: usize = 100_000;
/// Bytes that kept packets may take, unless the configuration says otherwise.
pub const PACKET_BYTES_KEPT: usize = 64 << 20;
/// Flows known, unless the configuration says otherwise.
pub const FLOWS_MAX: usize = 16_384;
/// Rows that one call of [`Engine::drain_new`] or [`Engine::drain_flows`] gives at most; the rest
/// comes with the next one.
pub const ROWS_PER_DRAIN_MAX: usize = 10_000;
/// Rows that one question is answered with at most.
pub const ROWS_PER_ANSWER_MAX: usize = 10_000;
/// Packets that one scan looks at: a millisecond or a few, for which the engine takes no event.
pub const LOOKS_MAX: usize = 2_000;
/// Calls listed of one flow.
pub const CALLS_PER_FLOW_MAX: usize = 100;
/// Changed flows remembered for [`Engine::drain_flows`] when nobody asks.
const CHANGED_MAX: usize = 2 * FLOWS_MAX;
/// Ports that the gateway may have.
const GATEWAY_PORTS_MAX: usize = 8;

/// How much the engine keeps, and which hosts are providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Packets kept.
    pub packets_kept: usize,
    /// Bytes that they may take, their rows included.
    pub packet_bytes_kept: usize,
    /// Flows known.
    pub flows_max: usize,
    /// Names of model providers' hosts: exact, or all names below one when it begins with a dot
    /// (`.openai.azure.com`).
    pub provider_hosts: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            packets_kept: PACKETS_KEPT,
            packet_bytes_kept: PACKET_BYTES_KEPT,
            flows_max: FLOWS_MAX,
            provider_hosts: Vec::new(),
        }
    }
}

/// What a look at some of the kept packets found.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The packets that pass, in the order of looking.
    pub rows: Vec<PacketRow>,
    /// The number of the last packet that was looked at; where the scan began, if there was none.
    pub at: u64,
    /// Whether there is nothing more to look at.
    pub is_done: bool,
}

/// Turns what the kernel and the gateway report into packet and flow rows. It does no I/O, has no
/// thread and reads no clock: the same events give the same rows.
#[derive(Debug)]
pub struct Engine {
    ring: Ring,
    table: Table,
    attribution: Attribution,
    calls: Calls,
    provider_hosts: HashSet<String>,
    gateway_ports: Vec<u16>,
    gateway_process: Option<ProcessKey>,
    /// Flows whose facts changed since the last [`Engine::drain_flows`].
    changed: LinkedHashSet<FlowId>,
    drained: u64,
    seen: u64,
    twins: u64,
    undecodable: u64,
    lost: u64,
    cleared: u64,
    evicted_undrained: u64,
}

impl Engine {
    /// An engine that has seen nothing.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            ring: Ring::new(config.packets_kept, config.packet_bytes_kept),
            table: Table::new(config.flows_max),
            attribution: Attribution::new(),
            calls: Calls::new(),
            provider_hosts: lower_case(config.provider_hosts),
            gateway_ports: Vec::new(),
            gateway_process: None,
            changed: LinkedHashSet::new(),
            drained: 0,
            seen: 0,
            twins: 0,
            undecodable: 0,
            lost: 0,
            cleared: 0,
            evicted_undrained: 0,
        }
    }

    /// Replaces the hosts that count as providers' (see [`Config::provider_hosts`]); legs that are
    /// asked for from now on follow.
    pub fn set_provider_hosts(&mut self, hosts: Vec<String>) {
        self.provider_hosts = lower_case(hosts);
    }

    /// Takes in one event.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Packet(seen) => self.packet_seen(seen),
            Event::Owner(seen) => {
                let cookie = seen.cookie;
                self.attribution.owner_seen(seen);
                self.cookie_changed(cookie);
            }
            Event::Established(seen) => {
                let id = self.table.established(&seen);
                self.flow_changed(id);
            }
            Event::PeerCookie(it) => {
                let id = self.table.socket(&it);
                id.into_iter().for_each(|it| self.flow_changed(it));
            }
            Event::Rtt(seen) => {
                let id = self.table.rtt(seen);
                id.into_iter().for_each(|it| self.flow_changed(it));
            }
            Event::Closed(seen) => {
                let id = self.table.closed(&seen);
                id.into_iter().for_each(|it| self.flow_changed(it));
            }
            Event::Retransmit(seen) => {
                let id = self.table.retransmit(seen);
                id.into_iter().for_each(|it| self.flow_changed(it));
            }
            Event::Exec(seen) => self.attribution.exec(seen),
            Event::Fork(seen) => self.attribution.fork(seen.parent, seen.child),
            Event::Exit(seen) => self.attribution.exit(seen.process, seen.at_ns),
            Event::Socket(seen) => self.socket_seen(&seen),
            Event::Process(seen) => self.attribution.process_seen(seen),
            Event::Lost(it) => self.lost = self.lost.saturating_add(it.count),
            Event::CallSockets(sockets) => self.call_sockets(sockets),
            Event::GatewayPort(port) => self.gateway_port(port),
            Event::GatewayProcess(process) => {
                self.gateway_process = Some(crate::attribute::cut_to_ticks(process));
            }
        }
    }

    fn socket_seen(&mut self, seen: &SocketSeen) {
        self.attribution.socket_seen(seen);
        if let Some(remote) = seen.remote {
            let SocketSeen { at_ns, cookie, local, .. } = *seen;
            self.table.socket(&PeerCookie { at_ns, cookie, netns: 0, local, remote });
        }
        self.cookie_changed(seen.cookie);
    }

    fn packet_seen(&mut self, seen: PacketSeen) {
        self.seen += 1;
        let Ok(mut summary) = packet::summarise(&seen.bytes, seen.len) else {
            self.undecodable += 1;
            return;
        };
        let placed = self.table.packet(&seen, &summary, &self.gateway_ports);
        self.flow_changed(placed.flow);
        if placed.twin {
            self.twins += 1;
            return;
        }
        if !placed.secrets.is_empty() {
            let mut bytes = seen.bytes.to_vec();
            packet::blank(&mut bytes, &placed.secrets);
            summary.info = packet::summarise(&bytes, seen.len).map_or(summary.info, |it| it.info);
        }
        let (src, dst) = table::ends_of(&summary.tuple);
        let transport = table::transport(summary.tuple.number);
        if summary.protocol == Protocol::Tcp && summary.payload_len > 0 {
            self.name_continuation(placed.flow, &mut summary);
        }
        if let Some(hello) = placed.completes {
            summary.info = format!("{}, end of {hello}", summary.info);
            packet::text::truncate_chars(&mut summary.info, packet::INFO_CHARS_MAX);
        }
        if seen.gso_segs > 1 {
            summary.info = format!("{} ({} segments)", summary.info, seen.gso_segs);
        }
        self.keep(Kept {
            at_ns: seen.at_ns,
            flow: placed.flow,
            cookie: seen.cookie,
            netns: seen.netns,
            src,
            dst,
            len: seen.len,
            payload_len: summary.payload_len,
            ifindex: seen.ifindex,
            mark: seen.mark,
            hash: seen.hash,
            uid: seen.uid,
            tcp: seen.tcp,
            gso_size: seen.gso_size,
            gso_segs: seen.gso_segs,
            direction: seen.direction,
            protocol: summary.protocol,
            transport,
            secrets: placed.secrets.into_boxed_slice(),
            turn_at_ns: placed.turn_at_ns,
            sender: u8::try_from(placed.sender).unwrap_or(0),
            info: summary.info.into_boxed_str(),
            raw: seen.bytes,
        });
    }

    /// A segment that begins in the middle of something is named after its flow.
    fn name_continuation(&self, flow: FlowId, summary: &mut packet::Summary) {
        let protocol = self.table.flow(flow).map(|it| it.protocol);
        let protocol = protocol.filter(|it| matches!(it, Protocol::Tls | Protocol::Http));
        if let Some(protocol) = protocol {
            summary.protocol = protocol;
            summary.info = format!("continued, {} bytes", summary.payload_len);
        }
    }

    fn keep(&mut self, kept: Kept) {
        let first = self.ring.first();
        self.ring.push(kept);
        let gone = first.max(self.drained + 1)..self.ring.first();
        self.evicted_undrained += gone.end.saturating_sub(gone.start);
    }

    fn call_sockets(&mut self, sockets: CallSockets) {
        self.calls.note(sockets);
        for cookie in [sockets.client_cookie, sockets.upstream_cookie].into_iter().flatten() {
            self.cookie_changed(cookie);
        }
    }

    fn gateway_port(&mut self, port: u16) {
        if !self.gateway_ports.contains(&port) {
            if self.gateway_ports.len() == GATEWAY_PORTS_MAX {
                self.gateway_ports.remove(0);
            }
            self.gateway_ports.push(port);
        }
    }

    fn cookie_changed(&mut self, cookie: SocketCookie) {
        if let Some(id) = self.table.last_of(cookie) {
            self.flow_changed(id);
        }
    }

    fn flow_changed(&mut self, id: FlowId) {
        self.changed.insert(id);
        if self.changed.len() > CHANGED_MAX {
            self.changed.pop_front();
        }
    }

    /// The packets that came since the last time, oldest first, at most [`ROWS_PER_DRAIN_MAX`].
    pub fn drain_new(&mut self) -> Vec<PacketRow> {
        let fresh = self.ring.after(self.drained).take(ROWS_PER_DRAIN_MAX);
        let rows: Vec<PacketRow> = fresh.map(|(seq, kept)| self.row(seq, kept)).collect();
        self.drained = rows.last().map_or(self.drained, |it| it.seq);
        rows
    }

    /// The flows that are new or changed since the last time, at most [`ROWS_PER_DRAIN_MAX`]. A
    /// flow that has been forgotten meanwhile is left out.
    pub fn drain_flows(&mut self) -> Vec<FlowRow> {
        let mut rows = Vec::new();
        while rows.len() < ROWS_PER_DRAIN_MAX {
            let Some(id) = self.changed.pop_front() else { break };
            rows.extend(self.flow(id));
        }
        rows
    }

    /// Everything about one packet that is still kept. Credentials in its bytes are blanked with
    /// `*`, also parts of one that an earlier packet began.
    #[must_use]
    pub fn packet(&self, seq: u64) -> Option<PacketDetail> {
        let kept = self.ring.get(seq)?;
        // Layers are read from blanked bytes: what is not there cannot be shown.
        let mut bytes = kept.raw.to_vec();
        packet::blank(&mut bytes, &kept.secrets);
        let mut decoded = packet::decode(&bytes, kept.len);
        packet::blank(&mut bytes, &decoded.secrets);
        decoded.secrets.extend_from_slice(&kept.secrets);
        let owner = self.attribution.owner(kept.cookie);
        Some(PacketDetail {
            row: self.row(seq, kept),
            at_ns: kept.at_ns,
            cookie: Some(kept.cookie).filter(|it| it.0 != 0),
            netns: kept.netns,
            ifindex: kept.ifindex,
            gso_size: kept.gso_size,
            gso_segs: kept.gso_segs,
            mark: kept.mark,
            hash: kept.hash,
            uid: kept.uid,
            tcp: kept.tcp,
            exe: owner.and_then(|it| self.attribution.process(it.process)?.exe.clone()),
            owner: owner.map(|it| self.owner_row(it)),
            decoded,
            bytes,
        })
    }

    /// Packets with a number above `after` that pass the filter, oldest first, at most `limit` (and
    /// never more than [`ROWS_PER_ANSWER_MAX`]).
    #[must_use]
    pub fn packets(&self, after: u64, limit: usize, filter: &Filter) -> Vec<PacketRow> {
        let kept = self.ring.after(after).filter(|(_, kept)| self.passes(filter, kept));
        let limit = limit.min(ROWS_PER_ANSWER_MAX);
        kept.take(limit).map(|(seq, kept)| self.row(seq, kept)).collect()
    }

    /// Looks at packets with a number above `after`, oldest first, as far as they came by
    /// `until_ns`: at [`LOOKS_MAX`] of them at most, and no further than `limit` rows that pass.
    #[must_use]
    pub fn scan(&self, after: u64, until_ns: BootNs, limit: usize, filter: &Filter) -> Scan {
        let came = self.ring.after(after).take_while(|(_, kept)| kept.at_ns <= until_ns);
        self.look(came, after, limit, |kept| self.passes(filter, kept))
    }

    /// The same backwards: packets with a number below `before`, newest first.
    #[must_use]
    pub fn scan_back(&self, before: u64, limit: usize, filter: &Filter) -> Scan {
        self.look(self.ring.before(before), before, limit, |kept| self.passes(filter, kept))
    }

    /// [`Self::scan`] for the packets of a call, on both of its connections. Each row's `call_join`
    /// says how sure it is.
    #[must_use]
    pub fn scan_call(&self, after: u64, limit: usize, call: CallId) -> Scan {
        let flows = self.flows_of_call(call);
        self.look(self.ring.after(after), after, limit, |kept| {
            let flow = Some(kept.flow).filter(|it| flows.contains(it));
            let flow = flow.and_then(|it| self.table.flow(it));
            flow.and_then(|it| self.call_of(it, kept)).is_some_and(|it| it.0 == call)
        })
    }

    fn look<'a>(
        &self,
        packets: impl Iterator<Item = (u64, &'a Kept)>,
        from: u64,
        limit: usize,
        passes: impl Fn(&Kept) -> bool,
    ) -> Scan {
        let mut scan = Scan { rows: Vec::new(), at: from, is_done: true };
        for (looks, (seq, kept)) in packets.enumerate() {
            if looks == LOOKS_MAX || scan.rows.len() == limit {
                scan.is_done = false;
                break;
            }
            scan.at = seq;
            if passes(kept) {
                scan.rows.push(self.row(seq, kept));
            }
        }
        scan
    }

    /// Begins to follow a TCP connection; `None` when the flow is not known or is none.
    #[must_use]
    pub fn follow(&self, id: FlowId) -> Option<Follow> {
        let flow = self.table.flow(id).filter(|it| it.number == table::TCP)?;
        Some(Follow::new(id, flow.is_encrypted()))
    }

    /// Gives a connection that is followed the next kept packets, at most [`LOOKS_MAX`] of which are
    /// looked at. True when there are no more.
    pub fn follow_on(&self, follow: &mut Follow) -> bool {
        for (looks, (seq, kept)) in self.ring.after(follow.after).enumerate() {
            if looks == LOOKS_MAX {
                return false;
            }
            follow.after = seq;
            if kept.flow == follow.flow {
                let sender = self.sender(kept);
                follow.push((seq, kept.at_ns), sender, (&kept.raw, kept.len));
            }
        }
        true
    }

    /// The kept packets of a call, oldest first, at most [`ROWS_PER_ANSWER_MAX`].
    #[must_use]
    pub fn packets_of_call(&self, call: CallId) -> Vec<PacketRow> {
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let scan = self.scan_call(after, ROWS_PER_ANSWER_MAX - rows.len(), call);
            rows.extend(scan.rows);
            after = scan.at;
            if scan.is_done || rows.len() == ROWS_PER_ANSWER_MAX {
                return rows;
            }
        }
    }

    /// The flows of a call: to the gateway, then to the provider, as far as they were seen.
    #[must_use]
    pub fn flows_of_call(&self, call: CallId) -> Vec<FlowId> {
        let Some(sockets) = self.calls.sockets(call) else { return Vec::new() };
        let cookies = [sockets.client_cookie, sockets.upstream_cookie];
        cookies.into_iter().flatten().filter_map(|it| Some(self.table.flow_with(it)?.id)).collect()
    }

    /// The flows that pass the filter, the one used last first, at most `limit` (and never more than
    /// [`ROWS_PER_ANSWER_MAX`]).
    #[must_use]
    pub fn flows(&self, limit: usize, filter: &Filter) -> Vec<FlowRow> {
        let flows = self.table.iter().filter(|flow| self.flow_passes(filter, flow));
        flows.take(limit.min(ROWS_PER_ANSWER_MAX)).map(|it| self.flow_row(it)).collect()
    }

    /// One flow, if it is still known.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> Option<FlowRow> {
        self.table.flow(id).map(|it| self.flow_row(it))
    }

    /// Who uses a socket.
    #[must_use]
    pub fn owner(&self, cookie: SocketCookie) -> Option<OwnerRow> {
        self.attribution.owner(cookie).map(|it| self.owner_row(it))
    }

    /// Who uses the other end of a connection: of the gateway's accepted socket, the program that
    /// called.
    #[must_use]
    pub fn peer_owner(&self, cookie: SocketCookie) -> Option<OwnerRow> {
        let flow = self.table.flow_with(cookie)?;
        let peer = flow.ends.iter().find(|it| it.cookie != Some(cookie))?;
        self.owner(peer.cookie?)
    }

    /// What is known of a process, for a while also after it ended.
    #[must_use]
    pub fn process(&self, key: ProcessKey) -> Option<Arc<Process>> {
        self.attribution.process(key).map(Arc::clone)
    }

    /// What came in and what became of it.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let kept = count(self.ring.len());
        let taken = self.ring.next() - 1;
        Counters {
            seen: self.seen,
            loopback_twins: self.twins,
            kept,
            kept_bytes: count(self.ring.bytes()),
            evicted: taken - kept - self.cleared,
            evicted_undrained: self.evicted_undrained,
            cleared: self.cleared,
            lost: self.lost,
            undecodable: self.undecodable,
            flows: count(self.table.len()),
            flows_evicted: self.table.evicted(),
        }
    }

    /// Forgets packets and flows; processes, owners and calls stay, for running connections need
    /// them.
    pub fn clear(&mut self) {
        self.cleared += count(self.ring.len());
        self.ring.clear();
        self.drained = self.ring.next() - 1;
        self.table.clear();
        self.changed.clear();
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn lower_case(hosts: Vec<String>) -> HashSet<String> {
    hosts.into_iter().map(|it| it.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests;
