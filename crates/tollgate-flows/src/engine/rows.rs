//! How packets and flows become rows.

use super::{
    CALLS_PER_FLOW_MAX, CLIENT, CallId, CallJoin, EndRow, Engine, Facts, Filter, Flow, FlowRow,
    Kept, Leg, Moment, Owner, OwnerRow, PacketRow, Protocol, SERVER, Side, Toward, table,
};
use crate::table::End;

impl Engine {
    pub(super) fn row(&self, seq: u64, kept: &Kept) -> PacketRow {
        let flow = self.table.flow(kept.flow);
        let owner = flow.and_then(|it| self.owner_of(it));
        let call = flow.and_then(|it| self.call_of(it, kept));
        PacketRow {
            seq,
            at_us_boot: kept.at_ns / 1_000,
            direction: kept.direction,
            toward: self.toward(kept),
            leg: flow.map_or(Leg::Other, |it| self.leg(it)),
            src: shown(kept, kept.src),
            dst: shown(kept, kept.dst),
            protocol: kept.protocol,
            length: kept.len,
            info: kept.info.to_string(),
            program: owner.map(|it| self.attribution.program(it).to_string()),
            pid: owner.map(|it| it.process.pid),
            call: call.map(|it| it.0),
            call_join: call.map(|it| it.1),
            flow: kept.flow,
            host: flow.and_then(Flow::host).map(|it| it.0.to_owned()),
        }
    }

    pub(super) fn passes(&self, filter: &Filter, kept: &Kept) -> bool {
        if filter.is_empty() {
            return true;
        }
        let flow = self.table.flow(kept.flow);
        let owner = flow.and_then(|it| self.owner_of(it));
        let program = owner.map(|it| self.attribution.program(it));
        let call = flow.and_then(|it| self.call_of(it, kept)).map(|it| it.0);
        filter.matches(&Facts {
            program: program.as_deref(),
            pid: owner.map(|it| it.process.pid),
            host: flow.and_then(Flow::host).map(|it| it.0),
            ips: [kept.src.ip(), kept.dst.ip()],
            ports: [kept.src.port(), kept.dst.port()],
            protocol: kept.protocol,
            transport: kept.transport,
            calls: call.as_slice(),
            flow: kept.flow,
            direction: Some(kept.direction),
            leg: flow.map_or(Leg::Other, |it| self.leg(it)),
            info: &kept.info,
        })
    }

    pub(super) fn flow_passes(&self, filter: &Filter, flow: &Flow) -> bool {
        if filter.is_empty() {
            return true;
        }
        let owner = self.owner_of(flow);
        let program = owner.map(|it| self.attribution.program(it));
        let calls = self.calls_on(flow);
        let [client, server] = &flow.ends;
        filter.matches(&Facts {
            program: program.as_deref(),
            pid: owner.map(|it| it.process.pid),
            host: flow.host().map(|it| it.0),
            ips: [client.addr.ip(), server.addr.ip()],
            ports: [client.addr.port(), server.addr.port()],
            protocol: flow.protocol,
            transport: table::transport(flow.number),
            calls: &calls,
            flow: flow.id,
            direction: None,
            leg: self.leg(flow),
            info: "",
        })
    }

    pub(super) fn flow_row(&self, flow: &Flow) -> FlowRow {
        let host = flow.host();
        let [client, server] = &flow.ends;
        FlowRow {
            id: flow.id,
            transport: table::transport(flow.number),
            protocol: flow.protocol,
            leg: self.leg(flow),
            netns: flow.netns,
            client: self.end_row(client),
            server: self.end_row(server),
            first_at_ns: flow.first_at_ns,
            last_at_ns: flow.last_at_ns,
            handshake_us: flow.handshake_us,
            closed_at_ns: flow.closed_at_ns,
            host: host.map(|it| it.0.to_owned()),
            host_via: host.map(|it| it.1),
            sni: flow.tls.sni.as_deref().map(str::to_owned),
            alpn: flow.tls.alpn.clone(),
            ja4: flow.tls.ja4.clone(),
            tls: flow.tls.chosen.clone(),
            tls_us: flow.tls.took_us(),
            dns_us: flow.dns_us(),
            first_byte_us: flow.first_byte_us(),
            answer_gap_mean_us: flow.cadence.mean_us(),
            answer_gap_max_us: flow.cadence.longest_us(),
            calls: self.calls_on(flow),
        }
    }

    fn end_row(&self, end: &End) -> EndRow {
        EndRow {
            addr: end.addr,
            cookie: end.cookie,
            owner: end.cookie.and_then(|it| self.owner(it)),
            packets_sent: end.packets,
            bytes_sent: end.bytes,
            payload_sent: end.payload_sent,
            retransmits: end.retransmits,
            srtt_us: end.srtt_us,
            rtt_min_us: end.measured.rtt_min_ns.map(|it| it / 1_000),
            repeats_seen: end.measured.repeats,
            bytes_missing: end.measured.missing(),
            resets_sent: end.measured.resets,
            stalls: end.measured.stalls,
            stalled_us: end.measured.stalled_ns / 1_000,
        }
    }

    pub(super) fn owner_row(&self, owner: &Owner) -> OwnerRow {
        let process = self.attribution.process(owner.process);
        OwnerRow {
            process: owner.process,
            program: self.attribution.program(owner).to_string(),
            uid: process.and_then(|it| it.uid).or(owner.uid),
            via: owner.via,
        }
    }

    /// The client's owner, or the server's where only that is known.
    fn owner_of(&self, flow: &Flow) -> Option<&Owner> {
        let owner = |end: usize| self.attribution.owner(flow.ends.get(end)?.cookie?);
        owner(CLIENT).or_else(|| owner(SERVER))
    }

    fn side(&self, flow: &Flow) -> Option<Side> {
        let side = |end: usize| self.calls.side(flow.ends.get(end)?.cookie?);
        // A call from the gateway to itself is both: what it is accepted as comes first.
        let accepted = side(SERVER).filter(|it| *it == Side::Client);
        accepted.or_else(|| side(CLIENT).filter(|it| *it == Side::Upstream))
    }

    pub(super) fn leg(&self, flow: &Flow) -> Leg {
        match self.side(flow) {
            Some(Side::Client) => return Leg::Client,
            Some(Side::Upstream) => return Leg::Upstream,
            None => {}
        }
        let [client, server] = &flow.ends;
        let is_gateway = |end: &End| {
            let owner = end.cookie.and_then(|it| self.attribution.owner(it));
            owner.is_some_and(|it| Some(it.process) == self.gateway_process)
        };
        let at_gateway_port =
            flow.number == table::TCP && self.gateway_ports.contains(&server.addr.port());
        if at_gateway_port && (server.addr.ip().is_loopback() || is_gateway(server)) {
            return Leg::Client;
        }
        if is_gateway(client) {
            return Leg::Upstream;
        }
        if flow.host().is_some_and(|(host, _)| self.is_provider(host)) {
            return Leg::Direct;
        }
        Leg::Other
    }

    fn is_provider(&self, host: &str) -> bool {
        let below = host.match_indices('.').filter_map(|(dot, _)| host.get(dot..));
        self.provider_hosts.contains(host)
            || below.into_iter().any(|it| self.provider_hosts.contains(it))
    }

    fn calls_on(&self, flow: &Flow) -> Vec<CallId> {
        let cookies = flow.ends.iter().filter_map(|it| it.cookie);
        let mut calls: Vec<CallId> = cookies.flat_map(|it| self.calls.on(it)).collect();
        calls.drain(..calls.len().saturating_sub(CALLS_PER_FLOW_MAX));
        calls
    }

    /// The call that a packet of a flow belongs to.
    pub(super) fn call_of(&self, flow: &Flow, kept: &Kept) -> Option<(CallId, CallJoin)> {
        let moment = Moment {
            at_ns: kept.at_ns,
            turn_at_ns: kept.turn_at_ns,
            toward: self.toward(kept),
            payload_len: kept.payload_len,
        };
        let [client, server] = &flow.ends;
        let at = |end: &End| self.calls.at(end.cookie?, moment);
        at(server).or_else(|| at(client))
    }

    fn toward(&self, kept: &Kept) -> Toward {
        if self.sender(kept) == CLIENT { Toward::Server } else { Toward::Client }
    }

    /// Which end of its flow sent a packet, by what is known of the roles now: a guess at the first
    /// packets of a connection whose beginning was missed can have been wrong.
    pub(super) fn sender(&self, kept: &Kept) -> usize {
        let cookie = Some(kept.cookie).filter(|it| it.0 != 0);
        let flow = self.table.flow(kept.flow);
        let sender = flow.map(|it| it.sender(kept.src, kept.direction, cookie));
        sender.unwrap_or(usize::from(kept.sender))
    }
}

/// `address:port`, or the address alone for protocols without ports.
fn shown(kept: &Kept, addr: std::net::SocketAddr) -> String {
    match kept.transport {
        Protocol::Tcp | Protocol::Udp => addr.to_string(),
        Protocol::Ip
        | Protocol::Icmp
        | Protocol::Icmpv6
        | Protocol::Dns
        | Protocol::Quic
        | Protocol::Tls
        | Protocol::Http
        | Protocol::Sse => addr.ip().to_string(),
    }
}
