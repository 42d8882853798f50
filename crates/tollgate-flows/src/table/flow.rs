//! One flow: its two ends and what is known of them.

use std::{net::SocketAddr, ops::Range, sync::Arc};

use tollgate_core::SocketCookie;

use super::{
    KnownPorts, TCP, end_of_role,
    handshake::Tls,
    measure::{Cadence, Measured, Seen},
    micros_between, transport,
};
use crate::{
    event::{BootNs, Direction, Established, PacketSeen, Role},
    packet::{Finding, Protocol, Summary, TcpFacts, secrets::Stream, tcp::TcpFlags},
    row::{FlowId, HostVia},
};

/// HTTPS and DNS: there are no plaintext heads.
const ENCRYPTED_PORTS: [u16; 2] = [443, 53];

/// The index of the end that connected.
pub(crate) const CLIENT: usize = 0;
/// The index of the end that accepted.
pub(crate) const SERVER: usize = 1;

/// The index of the other end.
pub(super) const fn other(end: usize) -> usize {
    1 - end
}

/// One end of a flow.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) addr: SocketAddr,
    pub(crate) cookie: Option<SocketCookie>,
    /// Whether `cookie` is the connected socket's for sure, not a listener's.
    connected: bool,
    /// Whether packets of this end were seen as they left.
    pub(super) egress_seen: bool,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) payload_sent: Option<u64>,
    pub(crate) retransmits: Option<u64>,
    pub(crate) srtt_us: Option<u32>,
    pub(crate) measured: Measured,
    fin: bool,
    /// The sequence number of its SYN.
    isn: Option<u32>,
    /// What it sends, as far as it is plaintext.
    stream: Stream,
}

impl End {
    fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            cookie: None,
            connected: false,
            egress_seen: false,
            packets: 0,
            bytes: 0,
            payload_sent: None,
            retransmits: None,
            srtt_us: None,
            measured: Measured::default(),
            fin: false,
            isn: None,
            stream: Stream::new(),
        }
    }

    pub(super) const fn connect(&mut self, cookie: SocketCookie) {
        self.cookie = Some(cookie);
        self.connected = true;
    }

    /// Takes a socket that may be a listener's; true when it is news.
    pub(super) fn learn(&mut self, cookie: SocketCookie) -> bool {
        let is_news = !self.connected && cookie.0 != 0 && self.cookie != Some(cookie);
        if is_news {
            self.cookie = Some(cookie);
        }
        is_news
    }
}

/// How the two ends got their roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Roles {
    /// By the handshake.
    Seen,
    /// By their ports.
    Guessed,
}

/// What a packet told of the socket at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is a connected TCP socket for sure.
    Connected,
    /// It was not known before.
    New,
    /// Nothing new.
    Known,
}

/// A conversation between two addresses.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) id: FlowId,
    pub(crate) netns: u64,
    pub(crate) number: u8,
    pub(crate) protocol: Protocol,
    /// The client's end, then the server's.
    pub(crate) ends: [End; 2],
    roles: Roles,
    syn_at_ns: Option<BootNs>,
    pub(crate) first_at_ns: BootNs,
    pub(crate) last_at_ns: BootNs,
    pub(crate) handshake_us: Option<u64>,
    pub(crate) closed_at_ns: Option<BootNs>,
    pub(crate) tls: Tls,
    http_host: Option<Arc<str>>,
    pub(super) dns_name: Option<Arc<str>>,
    /// How long it took to look its server up, just before.
    pub(super) dns_ns: Option<u64>,
    pub(crate) cadence: Cadence,
    /// When the client began to say what it said last; 0 before it said anything.
    turn_at_ns: BootNs,
    /// Whether the server has said something since.
    answered: bool,
}

impl Flow {
    fn new(netns: u64, number: u8, ends: [SocketAddr; 2], at_ns: BootNs) -> Self {
        Self {
            id: FlowId(0),
            netns,
            number,
            protocol: transport(number),
            ends: ends.map(End::new),
            roles: Roles::Guessed,
            syn_at_ns: None,
            first_at_ns: at_ns,
            last_at_ns: at_ns,
            handshake_us: None,
            closed_at_ns: None,
            tls: Tls::default(),
            http_host: None,
            dns_name: None,
            dns_ns: None,
            cadence: Cadence::default(),
            turn_at_ns: 0,
            answered: false,
        }
    }

    /// A flow whose first known packet is this one.
    pub(super) fn of_packet(
        seen: &PacketSeen,
        summary: &Summary,
        (src, dst): (SocketAddr, SocketAddr),
        ports: KnownPorts<'_>,
    ) -> Self {
        let flags = summary.tcp.map(|it| it.flags).unwrap_or_default();
        let (client, server, roles) = if flags.opens() {
            (src, dst, Roles::Seen)
        } else if flags.has(TcpFlags::SYN) {
            (dst, src, Roles::Seen)
        } else if sender_serves(src, dst, ports) {
            (dst, src, Roles::Guessed)
        } else {
            (src, dst, Roles::Guessed)
        };
        let mut flow = Self::new(seen.netns, summary.tuple.number, [client, server], seen.at_ns);
        flow.roles = roles;
        flow
    }

    /// A flow whose handshake was reported before any packet.
    pub(super) fn of_handshake(seen: &Established, local: SocketAddr, remote: SocketAddr) -> Self {
        let ends = match seen.role {
            Role::Active => [local, remote],
            Role::Passive => [remote, local],
        };
        Self::new(seen.netns, TCP, ends, seen.at_ns)
    }

    /// Whether a packet with these addresses begins another connection: it opens one, with another
    /// first number than this flow's, or after packets of a connection whose beginning was missed.
    pub(super) fn is_another(&self, tcp: Option<&TcpFacts>) -> bool {
        let missed = || self.ends.iter().any(|it| it.packets > 0);
        tcp.is_some_and(|tcp| {
            tcp.flags.opens() && self.ends[CLIENT].isn.map_or_else(missed, |isn| isn != tcp.seq)
        })
    }

    /// Whether a handshake that was reported for this flow's addresses is another connection's.
    pub(super) fn was_established_before(&self, seen: &Established, local: SocketAddr) -> bool {
        let is_other_socket =
            |end: &End| end.addr == local && end.connected && end.cookie != Some(seen.cookie);
        self.closed_at_ns.is_some() || self.ends.iter().any(is_other_socket)
    }

    /// Which end sent a packet. Addresses decide; where they were translated on the way, the socket.
    pub(crate) fn sender(
        &self,
        src: SocketAddr,
        direction: Direction,
        cookie: Option<SocketCookie>,
    ) -> usize {
        let [client, server] = &self.ends;
        if client.addr != server.addr {
            if src == client.addr {
                return CLIENT;
            }
            if src == server.addr {
                return SERVER;
            }
        }
        let local = cookie.and_then(|it| self.end_of(it)).unwrap_or(CLIENT);
        match direction {
            Direction::Egress => local,
            Direction::Ingress => other(local),
        }
    }

    pub(crate) fn end_of(&self, cookie: SocketCookie) -> Option<usize> {
        self.ends.iter().position(|it| it.cookie == Some(cookie))
    }

    /// Who opens a connection, asks for something or says hello is its client, whatever was guessed
    /// before; gives the sender's place from then on.
    pub(super) fn settle_roles(&mut self, sender: usize, summary: &Summary) -> usize {
        let asks = match summary.finding {
            Some(Finding::ClientHello(_) | Finding::HttpHost(_) | Finding::QuicInitial(_)) => true,
            Some(Finding::DnsQuestion(_) | Finding::DnsAnswers(..)) | None => {
                summary.tcp.is_some_and(|it| it.flags.opens())
            }
        };
        if sender == CLIENT || self.roles == Roles::Seen || !asks {
            return sender;
        }
        self.ends.swap(CLIENT, SERVER);
        self.roles = Roles::Seen;
        other(sender)
    }

    /// Learns the socket of an end. Only the connecting socket sends a SYN alone, and only a
    /// connected one sends data; a listener does neither.
    pub(super) fn note_cookie(
        &mut self,
        local: usize,
        cookie: SocketCookie,
        direction: Direction,
        summary: &Summary,
    ) -> Noted {
        let end = &mut self.ends[local];
        let opens = summary.tcp.is_some_and(|it| it.flags.opens());
        let certain = self.number == TCP
            && direction == Direction::Egress
            && (opens || summary.payload_len > 0);
        if certain {
            end.connect(cookie);
            return Noted::Connected;
        }
        if end.learn(cookie) { Noted::New } else { Noted::Known }
    }

    /// Counts a packet and reads what it tells of the connection.
    pub(super) fn count(&mut self, sender: usize, seen: &PacketSeen, summary: &Summary) {
        self.first_at_ns = self.first_at_ns.min(seen.at_ns);
        self.last_at_ns = self.last_at_ns.max(seen.at_ns);
        let end = &mut self.ends[sender];
        end.packets += 1;
        end.bytes += u64::from(seen.len);
        self.note_protocol(summary.protocol);
        if let Some(tcp) = &summary.tcp {
            self.note_tcp(sender, seen.at_ns, tcp);
            self.measure(sender, seen, tcp, summary.payload_len);
        }
        if let Some(Finding::HttpHost(host)) = &summary.finding {
            self.http_host = Some(host.as_str().into());
        }
    }

    fn measure(&mut self, sender: usize, seen: &PacketSeen, tcp: &TcpFacts, payload_len: u32) {
        let way = match seen.direction {
            Direction::Egress => Seen::Leaving,
            Direction::Ingress => Seen::Arriving,
        };
        self.ends[sender].measured.sent(seen.at_ns, tcp, payload_len, way);
        if tcp.flags.has(TcpFlags::ACK) {
            self.ends[other(sender)].measured.acknowledged(seen.at_ns, tcp.ack);
        }
    }

    /// When the turn began that a packet belongs to: the client says something, the server answers.
    pub(super) fn turn(&mut self, sender: usize, at_ns: BootNs, summary: &Summary) -> BootNs {
        if summary.payload_len > 0 {
            let is_handshake = self.protocol == Protocol::Tls && !self.tls.is_secured();
            if sender == CLIENT {
                self.cadence.asked(at_ns);
            } else if !is_handshake {
                self.cadence.answered(at_ns);
            }
            if sender == SERVER {
                self.answered = true;
            } else if self.answered || self.turn_at_ns == 0 {
                self.turn_at_ns = at_ns;
                self.answered = false;
            }
        }
        self.turn_at_ns
    }

    /// Where credentials stand in the bytes of a packet.
    pub(super) fn secrets(
        &mut self,
        sender: usize,
        seen: &PacketSeen,
        summary: &Summary,
    ) -> Vec<Range<usize>> {
        let is_encrypted = self.is_encrypted();
        let Some(tcp) = summary.tcp.filter(|_| !is_encrypted) else { return Vec::new() };
        let stream = &mut self.ends[sender].stream;
        if tcp.flags.has(TcpFlags::SYN) {
            stream.begin(tcp.seq.wrapping_add(1));
        }
        if summary.payload_len == 0 {
            return Vec::new();
        }
        let at = summary.payload.start;
        let payload = seen.bytes.get(summary.payload.clone()).unwrap_or_default();
        let mut places = stream.take(tcp.seq, payload, summary.payload_len);
        for place in &mut places {
            *place = at + place.start..at + place.end;
        }
        places
    }

    /// Whether there are no plaintext heads in it.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.protocol, Protocol::Tls | Protocol::Quic)
            || self.ends.iter().any(|it| ENCRYPTED_PORTS.contains(&it.addr.port()))
    }

    fn note_protocol(&mut self, protocol: Protocol) {
        let found = match protocol {
            Protocol::Sse => Protocol::Http,
            Protocol::Ip | Protocol::Icmp | Protocol::Icmpv6 | Protocol::Tcp | Protocol::Udp => {
                return;
            }
            Protocol::Dns | Protocol::Quic | Protocol::Tls | Protocol::Http => protocol,
        };
        self.protocol = found;
    }

    fn note_tcp(&mut self, sender: usize, at_ns: BootNs, tcp: &TcpFacts) {
        if tcp.flags.has(TcpFlags::SYN) {
            self.ends[sender].isn = Some(tcp.seq);
        }
        if tcp.flags.opens() {
            self.syn_at_ns.get_or_insert(at_ns);
        } else if sender == CLIENT
            && tcp.flags.has(TcpFlags::ACK)
            && !tcp.flags.has(TcpFlags::RST)
            && let Some(syn_at_ns) = self.syn_at_ns
        {
            self.handshake_us.get_or_insert(micros_between(syn_at_ns, at_ns));
        }
        self.ends[sender].fin |= tcp.flags.has(TcpFlags::FIN);
        let over = tcp.flags.has(TcpFlags::RST) || self.ends.iter().all(|it| it.fin);
        if over {
            self.closed_at_ns.get_or_insert(at_ns);
        }
    }

    /// The sequence numbers of the two SYNs.
    pub(super) fn isns(&self) -> [Option<u32>; 2] {
        [self.ends[CLIENT].isn, self.ends[SERVER].isn]
    }

    /// The kernel says that the handshake is over, and which socket this end really has.
    pub(super) fn established(&mut self, seen: &Established, local: SocketAddr) {
        let [client, server] = &self.ends;
        let at = match (client.addr == local, server.addr == local) {
            (true, false) => CLIENT,
            (false, true) => SERVER,
            (true, true) | (false, false) => end_of_role(seen.role),
        };
        let mut end = at;
        if at != end_of_role(seen.role) && self.roles == Roles::Guessed {
            self.ends.swap(CLIENT, SERVER);
            end = other(at);
        }
        self.roles = Roles::Seen;
        self.last_at_ns = self.last_at_ns.max(seen.at_ns);
        if let Some(syn_at_ns) = self.syn_at_ns {
            self.handshake_us.get_or_insert(micros_between(syn_at_ns, seen.at_ns));
        }
        let end = &mut self.ends[end];
        end.connect(seen.cookie);
        end.srtt_us = seen.srtt_us.or(end.srtt_us);
        // From here on the kernel reports what this socket sends again.
        end.retransmits.get_or_insert(0);
    }

    /// How long the first answer was waited for. Under encryption it is not known what answers:
    /// servers also send tickets, and nobody asked for them.
    pub(crate) fn first_byte_us(&self) -> Option<u64> {
        self.cadence.first_byte_us().filter(|_| !self.is_encrypted())
    }

    /// How long it took to look its server up, when that was done just before.
    pub(crate) fn dns_us(&self) -> Option<u64> {
        self.dns_ns.map(|it| it / 1_000)
    }

    /// The name of the server and where it was learned, the best source first.
    pub(crate) fn host(&self) -> Option<(&str, HostVia)> {
        let sources = [
            (&self.tls.sni, HostVia::Sni),
            (&self.http_host, HostVia::Http),
            (&self.dns_name, HostVia::Dns),
        ];
        sources.into_iter().find_map(|(name, via)| Some((name.as_deref()?, via)))
    }
}

/// Whether the sender looks like the server: it has a port that is known to be served, or the lower
/// one.
fn sender_serves(src: SocketAddr, dst: SocketAddr, ports: KnownPorts<'_>) -> bool {
    match (ports.contains(&src.port()), ports.contains(&dst.port())) {
        (true, false) => true,
        (false, true) => false,
        (true, true) | (false, false) => src.port() < dst.port(),
    }
}
