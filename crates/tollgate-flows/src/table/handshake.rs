//! Reads the hellos of TLS handshakes, on TCP and in QUIC, over as many packets as they take: those
//! with post-quantum keys do not fit into one.

use std::sync::Arc;

use hashlink::LruCache;

use super::{CLIENT, SERVER, flow::Flow};
use crate::{
    event::{BootNs, PacketSeen},
    packet::{
        Finding, Protocol, Summary, TcpFacts,
        ja4::{self, Over},
        quic::{self, Sender},
        tcp::TcpFlags,
        tls::{self, ClientHello, ServerHello},
    },
    reassembly::{Assembler, IsSyn, Limits, TcpSide},
    row::FlowId,
};

/// Handshakes that are put together at the same time; the one that got nothing for longest goes
/// first.
pub(super) const HANDSHAKES_MAX: usize = 256;
/// What is kept of each direction of one.
pub(super) const HANDSHAKE: Limits = Limits { bytes_max: 16_384, pieces_max: 64 };

/// What a handshake told of a connection.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    pub(crate) sni: Option<Arc<str>>,
    /// What the client offered.
    pub(crate) alpn: Vec<String>,
    pub(crate) ja4: Option<String>,
    pub(crate) chosen: Option<ServerHello>,
    /// When the client's hello began.
    hello_at_ns: Option<BootNs>,
    /// When the client first sent protected data after the server's hello.
    secured_at_ns: Option<BootNs>,
    /// Which directions hold nothing more to learn.
    is_read: [bool; 2],
}

impl Tls {
    /// How long the handshake took: from the client's hello to its first protected data, which in
    /// TLS 1.3 is the end of its handshake.
    pub(crate) fn took_us(&self) -> Option<u64> {
        Some(super::micros_between(self.hello_at_ns?, self.secured_at_ns?))
    }

    /// Whether the client has sent protected data.
    pub(super) const fn is_secured(&self) -> bool {
        self.secured_at_ns.is_some()
    }

    const fn is_over(&self) -> bool {
        self.is_read[CLIENT] && self.is_read[SERVER]
    }

    fn take_client(&mut self, hello: ClientHello, over: Over, at_ns: BootNs) {
        self.hello_at_ns.get_or_insert(at_ns);
        self.ja4 = ja4::fingerprint(&hello, over).or(self.ja4.take());
        if let Some(sni) = hello.sni {
            self.sni = Some(sni.to_ascii_lowercase().into());
        }
        if !hello.alpn.is_empty() {
            self.alpn = hello.alpn;
        }
    }

    fn give_up(&mut self) {
        self.is_read = [true, true];
    }
}

#[derive(Debug)]
enum Carrier {
    /// Boxed: most handshakes are.
    Tcp(Box<[TcpSide; 2]>),
    Quic {
        key_id: Box<[u8]>,
        sides: Box<[Assembler; 2]>,
    },
}

/// Handshakes that are not whole yet.
#[derive(Debug)]
pub(super) struct Handshakes(LruCache<FlowId, Carrier>);

impl Handshakes {
    pub(super) fn new() -> Self {
        Self(LruCache::new(HANDSHAKES_MAX))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets what belongs to a flow.
    pub(super) fn forget(&mut self, id: FlowId) {
        self.0.remove(&id);
    }

    /// Takes in a packet of a flow. Gives the hello in words, if this packet completes one that
    /// another packet began.
    pub(super) fn push(
        &mut self,
        flow: &mut Flow,
        sender: usize,
        seen: &PacketSeen,
        summary: &Summary,
    ) -> Option<String> {
        let payload = seen.bytes.get(summary.payload.clone()).unwrap_or_default();
        if flow.tls.is_over() {
            if sender == CLIENT && flow.tls.secured_at_ns.is_none() && flow.tls.chosen.is_some() {
                let is_secured = tls::has_application_data(payload);
                flow.tls.secured_at_ns = is_secured.then_some(seen.at_ns);
            }
            return None;
        }
        let told = match &summary.tcp {
            Some(tcp) => self.push_segment(flow, sender, (seen.at_ns, payload), (tcp, summary)),
            None if summary.protocol == Protocol::Quic => {
                self.push_datagram(flow, sender, (seen.at_ns, payload), summary);
                None
            }
            None => None,
        };
        if flow.tls.is_over() {
            self.forget(flow.id);
        }
        told
    }

    fn push_segment(
        &mut self,
        flow: &mut Flow,
        sender: usize,
        (at_ns, payload): (BootNs, &[u8]),
        (tcp, summary): (&TcpFacts, &Summary),
    ) -> Option<String> {
        if flow.tls.is_read[sender] || summary.payload_len == 0 {
            return None;
        }
        let begun = self.0.get(&flow.id).is_some();
        if !begun {
            let mut sides = Box::new([TcpSide::new(HANDSHAKE), TcpSide::new(HANDSHAKE)]);
            for (side, isn) in sides.iter_mut().zip(flow.isns()) {
                if let Some(isn) = isn {
                    side.insert(isn, IsSyn::Yes, &[], 0, 0);
                }
            }
            self.0.insert(flow.id, Carrier::Tcp(sides));
        }
        let Some(Carrier::Tcp(sides)) = self.0.get_mut(&flow.id) else { return None };
        let side = &mut sides[sender];
        let is_syn = if tcp.flags.has(TcpFlags::SYN) { IsSyn::Yes } else { IsSyn::No };
        side.insert(tcp.seq, is_syn, payload, summary.payload_len, at_ns);
        let front = side.front();
        if front.len() < tls::RECORD_HEADER_LEN && !side.is_stuck(front.len()) {
            return None;
        }
        if !tls::looks_like(&front) {
            flow.tls.give_up();
            return None;
        }
        let is_stuck = side.is_stuck(front.len());
        if sender == SERVER {
            let hello = tls::server_hello(&front);
            flow.tls.is_read[SERVER] =
                hello.is_some() || is_stuck || !tls::begins_handshake(&front);
            flow.tls.chosen = hello.or(flow.tls.chosen.take());
            return None;
        }
        let Some(hello) = tls::client_hello(&front) else {
            flow.tls.give_up();
            return None;
        };
        flow.tls.is_read[CLIENT] = hello.complete || is_stuck;
        let is_news = hello.complete && !matches!(summary.finding, Some(Finding::ClientHello(_)));
        let told = is_news.then(|| hello.in_one_line());
        flow.tls.take_client(hello, Over::Tcp, at_ns);
        told
    }

    fn push_datagram(
        &mut self,
        flow: &mut Flow,
        sender: usize,
        (at_ns, payload): (BootNs, &[u8]),
        summary: &Summary,
    ) {
        if flow.tls.is_read[sender] {
            return;
        }
        if let Some(Finding::QuicInitial(initial)) = &summary.finding
            && self.0.get(&flow.id).is_none()
        {
            let sides = Box::new([Assembler::new(HANDSHAKE), Assembler::new(HANDSHAKE)]);
            let key_id = initial.key_id.clone();
            self.0.insert(flow.id, Carrier::Quic { key_id, sides });
        }
        let Some(Carrier::Quic { key_id, sides }) = self.0.get_mut(&flow.id) else { return };
        let initial = match &summary.finding {
            // A retry changes the keys: then the packet's own are right.
            Some(Finding::QuicInitial(initial)) => {
                key_id.clone_from(&initial.key_id);
                Some(initial.clone())
            }
            Some(
                Finding::ClientHello(_)
                | Finding::DnsQuestion(_)
                | Finding::DnsAnswers(..)
                | Finding::HttpHost(_),
            )
            | None => {
                let by = if sender == CLIENT { Sender::Client } else { Sender::Server };
                quic::open(payload, Some(key_id), by)
            }
        };
        let Some(initial) = initial else { return };
        initial.add_to(&mut sides[sender]);
        let front = sides[sender].run(0);
        let is_full = sides[sender].is_full();
        if sender == SERVER {
            let hello = ServerHello::read(&front);
            flow.tls.is_read[SERVER] = hello.is_some() || is_full;
            flow.tls.chosen = hello.or(flow.tls.chosen.take());
        } else if let Some(hello) = ClientHello::read(&front) {
            flow.tls.is_read[CLIENT] = hello.complete || is_full;
            flow.tls.take_client(hello, Over::Quic, at_ns);
        }
    }
}
