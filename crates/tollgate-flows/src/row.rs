//! What the engine hands out: one row per packet or flow, and the detail of one packet.
//!
//! Rows are snapshots. A packet's row can gain a program, a host or a call later, when the fact
//! that explains it arrives: ask for the row again, or join on `flow` and follow
//! [`Engine::drain_flows`](crate::Engine::drain_flows).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tollgate_core::{CallId, SocketCookie, caller::ProcessKey};

use crate::{
    event::{BootNs, Direction, OwnerVia, TcpFigures},
    packet::{Decoded, Protocol, tls::ServerHello},
};

/// A flow's number in this engine: never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowId(pub u64);

/// Where on the way from a program to a model a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// From a program to the gateway.
    Client,
    /// From the gateway to a provider.
    Upstream,
    /// From a program straight to a provider, around the gateway.
    Direct,
    /// Anything else.
    Other,
}

impl Leg {
    /// The name in lists and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Direct => "direct",
            Self::Other => "other",
        }
    }
}

/// Which end of its flow a packet goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Toward {
    /// To the side that accepted.
    Server,
    /// To the side that connected.
    Client,
}

/// How sure it is that a packet belongs to its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallJoin {
    /// The connection has carried this call alone.
    Socket,
    /// The connection carried several calls one after the other; the time decides.
    Time,
    /// Several calls were under way on the connection at that time (pipelining): the
    /// one that began last is named.
    Shared,
}

/// Where a host name was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostVia {
    /// From a DNS answer that named the address: another name may have been meant.
    Dns,
    /// From the `Host` header of a plaintext request.
    Http,
    /// From the TLS `server_name`.
    Sni,
}

/// One line of the packet list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PacketRow {
    /// Its number, from 1, in the order of arrival; never used twice.
    pub seq: u64,
    /// When, in microseconds since the machine started.
    pub at_us_boot: u64,
    /// The hook that saw it. A packet between two sockets of this machine is listed once, as it
    /// left.
    pub direction: Direction,
    /// Which end of the flow it goes to.
    pub toward: Toward,
    /// Where its flow is.
    pub leg: Leg,
    /// The sender, as `address:port`; the address alone where there is no port.
    pub src: String,
    /// The receiver.
    pub dst: String,
    /// The highest protocol recognised.
    pub protocol: Protocol,
    /// Its length from the IP header on, in bytes.
    pub length: u32,
    /// What it is, in one line.
    pub info: String,
    /// The readable name of the program on the connecting side, or of the other side where only
    /// that is known.
    pub program: Option<String>,
    /// That program's process id.
    pub pid: Option<u32>,
    /// The call it belongs to.
    pub call: Option<CallId>,
    /// How sure that is.
    pub call_join: Option<CallJoin>,
    /// Its flow.
    pub flow: FlowId,
    /// The name of the server.
    pub host: Option<String>,
}

/// Everything known of one packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PacketDetail {
    /// Its line in the list.
    pub row: PacketRow,
    /// When, in nanoseconds since the machine started.
    pub at_ns: BootNs,
    /// The socket that the hook named; `None` when the kernel did not say.
    pub cookie: Option<SocketCookie>,
    /// The network namespace's cookie; 0 when unknown.
    pub netns: u64,
    /// The interface's index in its namespace.
    pub ifindex: u32,
    /// Payload bytes per segment, 0 when not segmented or unknown.
    pub gso_size: u16,
    /// Segments, 0 when unknown.
    pub gso_segs: u16,
    /// The firewall mark.
    pub mark: u32,
    /// The flow hash, 0 when the kernel had none.
    pub hash: u32,
    /// The socket's user.
    pub uid: Option<u32>,
    /// Who uses that socket.
    pub owner: Option<OwnerRow>,
    /// The owner's executable.
    pub exe: Option<String>,
    /// TCP's own figures at that moment.
    pub tcp: Option<TcpFigures>,
    /// Its layers, outermost first.
    pub decoded: Decoded,
    /// The bytes that were copied, from the IP header on; `row.length` says how many there were.
    pub bytes: Vec<u8>,
}

/// A process with the name shown for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnerRow {
    /// Which process.
    pub process: ProcessKey,
    /// Its readable name.
    pub program: String,
    /// Its user.
    pub uid: Option<u32>,
    /// The best evidence for it.
    pub via: OwnerVia,
}

/// One end of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndRow {
    /// The address; the port is 0 where the protocol has none.
    pub addr: SocketAddr,
    /// Its socket, when it is on this machine and was seen.
    pub cookie: Option<SocketCookie>,
    /// Who uses that socket.
    pub owner: Option<OwnerRow>,
    /// Packets that this end sent, counted once each.
    pub packets_sent: u64,
    /// Their bytes, from the IP header on.
    pub bytes_sent: u64,
    /// Payload bytes that it sent and that arrived, by the kernel's own count over the connection's
    /// whole life; known once a socket of this machine was closed.
    pub payload_sent: Option<u64>,
    /// Segments that this end sent again; `None` when its socket is not on this machine.
    pub retransmits: Option<u64>,
    /// The kernel's smoothed round-trip time at this end.
    pub srtt_us: Option<u32>,
    /// The shortest time from data that this end sent once to its acknowledgement; `None` of an end
    /// whose packets were not seen as they left.
    pub rtt_min_us: Option<u64>,
    /// TCP packets that brought nothing but bytes that had been seen before.
    pub repeats_seen: u64,
    /// Payload bytes that no packet brought, as far as sequence numbers tell: lost on the way, or
    /// not captured.
    pub bytes_missing: u64,
    /// Packets of this end that tore the connection down.
    pub resets_sent: u64,
    /// How often this end had no room for what the other sent (a window of zero).
    pub stalls: u64,
    /// How long those that ended lasted, in all.
    pub stalled_us: u64,
}

/// One line of the flow list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowRow {
    /// Its number.
    pub id: FlowId,
    /// The transport.
    pub transport: Protocol,
    /// The highest protocol recognised in it.
    pub protocol: Protocol,
    /// Where it is.
    pub leg: Leg,
    /// The network namespace's cookie; 0 when unknown.
    pub netns: u64,
    /// The side that connected (or, when the beginning was not seen, that looks like it).
    pub client: EndRow,
    /// The side that accepted.
    pub server: EndRow,
    /// When its first packet or event was seen.
    pub first_at_ns: BootNs,
    /// When the last one was.
    pub last_at_ns: BootNs,
    /// From the first SYN to the end of the handshake.
    pub handshake_us: Option<u64>,
    /// When it was closed; `None` while it is open as far as is known.
    pub closed_at_ns: Option<BootNs>,
    /// The name of the server.
    pub host: Option<String>,
    /// Where that name comes from.
    pub host_via: Option<HostVia>,
    /// The TLS `server_name`.
    pub sni: Option<String>,
    /// The application protocols that the client offered in TLS, in its order.
    pub alpn: Vec<String>,
    /// The fingerprint of the client's TLS library and settings ([`ja4`](crate::packet::ja4)).
    pub ja4: Option<String>,
    /// What the server chose in TLS, as far as it is told in the clear.
    pub tls: Option<ServerHello>,
    /// From the client's TLS hello to its first protected data: in TLS 1.3 the end of its
    /// handshake. Not known of QUIC.
    pub tls_us: Option<u64>,
    /// From the DNS question to the answer that named the server's address, when that came shortly
    /// before.
    pub dns_us: Option<u64>,
    /// From the end of what the client first asked to the first byte of the answer; `None` under
    /// encryption, where it cannot be told what answers.
    pub first_byte_us: Option<u64>,
    /// The mean time between two packets of one answer; in TLS after the handshake.
    pub answer_gap_mean_us: Option<u64>,
    /// The longest.
    pub answer_gap_max_us: Option<u64>,
    /// The calls it has carried, oldest first; a bounded number of the last ones.
    pub calls: Vec<CallId>,
}

/// The engine's own honesty: `seen` is the sum of `loopback_twins`, `undecodable`, `kept`, `evicted`
/// and `cleared`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packet events that came in.
    pub seen: u64,
    /// Of those, the second sighting of a packet between two sockets of this machine.
    pub loopback_twins: u64,
    /// Packets in the ring now.
    pub kept: u64,
    /// What they take, in bytes.
    pub kept_bytes: u64,
    /// Packets that have left the ring for newer ones.
    pub evicted: u64,
    /// Of those, the ones that `drain_new` had not handed out yet.
    pub evicted_undrained: u64,
    /// Packets that left the ring because somebody cleared it.
    pub cleared: u64,
    /// Events that the kernel's rings had no room for.
    pub lost: u64,
    /// Packets that were not IP, or broke off inside the IP header: not in the ring.
    pub undecodable: u64,
    /// Flows known now.
    pub flows: u64,
    /// Flows forgotten for newer ones.
    pub flows_evicted: u64,
}
