//! What the kernel programs saw.
//!
//! Every `at_ns` is in nanoseconds since boot (`CLOCK_BOOTTIME`, which counts suspended time);
//! [`crate::reply::Hello::boot_to_unix_ns`] leads to the time of day. A cookie names one socket
//! of this machine until it restarts. What the kernel did not tell is `None`, never zero.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something that happened. New variants are appended: the order is the wire format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A packet was sent or arrived.
    Packet(Packet),
    /// A process showed itself as the owner of a socket. A later one for the same cookie counts
    /// more than an earlier one of the same or a weaker [`Via`].
    Owner(Owner),
    /// A TCP handshake ended well.
    Established(Established),
    /// An end of a connection within this machine, named by its addresses: told when a process
    /// first sends or receives through it, so for both ends, also of connections that are older
    /// than the helper.
    PeerCookie(PeerCookie),
    /// A TCP connection changed its state.
    State(State),
    /// A new round-trip estimate, at most ten a second for a connection.
    Rtt(Rtt),
    /// A socket is over: TCP reached its closed state, or the process closed a UDP socket.
    Closed(Closed),
    /// TCP sent a segment again.
    Retransmitted(Retransmitted),
    /// A process became another program.
    Executed(Executed),
    /// A process started.
    Forked(Forked),
    /// A process ended.
    Exited(Exited),
    /// Events were lost. The counts since the previous `Lost` of the same cause.
    Lost(Lost),
}

/// A process, named so that a reused pid is never mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// The process id in the machine's first pid namespace.
    pub pid: u32,
    /// When it started, in nanoseconds since boot, cut to whole clock ticks of 1/100 s as in
    /// `/proc/PID/stat`. Zero when the kernel's types could not be read.
    pub started_at_ns: u64,
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Sent by the socket.
    Egress,
    /// Arrived at the socket. On loopback only when the sender's egress was not told, because another
    /// user sent it.
    Ingress,
}

/// A packet, from its IP header on. Segmentation offload lets one packet here be many on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packet {
    /// When the hook ran.
    pub at_ns: u64,
    /// The sending (egress) or receiving (ingress) socket. During a handshake the server's side
    /// shows the listening socket.
    pub cookie: u64,
    /// The user the socket belongs to.
    pub uid: Option<u32>,
    /// The socket's network namespace, as `SO_NETNS_COOKIE` tells it.
    pub netns: Option<u64>,
    /// The interface's number in that namespace; 1 is loopback.
    pub ifindex: u32,
    /// Which way.
    pub direction: Direction,
    /// Length from the IP header on, before any cut.
    pub len: u32,
    /// Payload bytes in each segment of an offloaded packet; 0 when there is nothing to cut.
    pub gso_size: u32,
    /// Number of segments of an offloaded packet.
    pub gso_segs: u32,
    /// The packet's firewall mark.
    pub mark: u32,
    /// The flow hash, when the kernel had one.
    pub hash: Option<u32>,
    /// TCP's own figures at that moment; `None` for UDP.
    pub tcp: Option<TcpBrief>,
    /// The first bytes, at most the snap tier.
    pub snap: Snap,
}

/// Bytes of a packet.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Snap(pub Vec<u8>);

impl fmt::Debug for Snap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snap({} bytes)", self.0.len())
    }
}

impl Serialize for Snap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Snap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Snap;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Snap, E> {
                Ok(Snap(bytes.to_vec()))
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Snap, E> {
                Ok(Snap(bytes))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Snap, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Snap(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// TCP's figures with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpBrief {
    /// Smoothed round-trip time in microseconds; 0 before the first sample.
    pub srtt_us: u32,
    /// Congestion window in segments.
    pub snd_cwnd: u32,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
    /// The state, as Linux numbers it.
    pub state: TcpState,
}

/// TCP's figures with a socket event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpInfo {
    /// Smoothed round-trip time in microseconds; 0 before the first sample.
    pub srtt_us: u32,
    /// The least round-trip time of the last minutes in microseconds; `u32::MAX` before the first
    /// sample.
    pub min_rtt_us: u32,
    /// Congestion window in segments.
    pub snd_cwnd: u32,
    /// Largest segment in use.
    pub mss: u32,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
    /// Segments thought lost now.
    pub lost: u32,
    /// Segments sent.
    pub segments_out: u32,
    /// Segments received.
    pub segments_in: u32,
    /// Bytes the peer has acknowledged.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
}

/// A TCP state by its Linux number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TcpState {
    /// Not one of those below.
    #[default]
    Unknown,
    /// 1
    Established,
    /// 2
    SynSent,
    /// 3
    SynReceived,
    /// 4
    FinWait1,
    /// 5
    FinWait2,
    /// 6
    TimeWait,
    /// 7
    Close,
    /// 8
    CloseWait,
    /// 9
    LastAck,
    /// 10
    Listen,
    /// 11
    Closing,
    /// 12
    NewSynReceived,
}

impl TcpState {
    /// From Linux's number (`include/net/tcp_states.h`).
    #[must_use]
    pub const fn from_linux(number: u32) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            12 => Self::NewSynReceived,
            _ => Self::Unknown,
        }
    }
}

/// How an owner showed itself, from the weakest proof to the strongest: a socket can be created by
/// one process and used by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Via {
    /// It created the socket.
    Create,
    /// It bound the socket to an address.
    Bind,
    /// It connected the socket.
    Connect,
    /// It sent or received through the socket. The only way accepted sockets show an owner.
    SendReceive,
}

/// A process showed itself as the owner of a socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// When.
    pub at_ns: u64,
    /// Which socket.
    pub cookie: u64,
    /// The socket's network namespace.
    pub netns: Option<u64>,
    /// Which process.
    pub process: Process,
    /// The process's user.
    pub uid: u32,
    /// The process's version 2 control group (the inode of its folder).
    pub cgroup_id: u64,
    /// The thread's short name (at most 15 bytes).
    pub comm: String,
    /// How it showed itself.
    pub via: Via,
    /// What kind of socket.
    pub protocol: Protocol,
    /// Local address, when bound or connected. An unspecified IP address means any.
    pub local: Option<SocketAddr>,
    /// Remote address, when connecting or connected.
    pub remote: Option<SocketAddr>,
}

/// What a socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP (also MPTCP).
    Tcp,
    /// UDP.
    Udp,
    /// Another one, by its IP protocol number.
    Other(u16),
}

/// Which end began a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// This socket connected.
    Active,
    /// This socket was accepted from a listening one. Its owner shows with its first send or
    /// receive.
    Passive,
}

/// A TCP handshake ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Established {
    /// When.
    pub at_ns: u64,
    /// Which socket.
    pub cookie: u64,
    /// The user the socket belongs to.
    pub uid: Option<u32>,
    /// The socket's network namespace.
    pub netns: Option<u64>,
    /// Which end it is.
    pub role: Role,
    /// Its own address.
    pub local: SocketAddr,
    /// The other end's.
    pub remote: SocketAddr,
    /// TCP's figures.
    pub tcp: TcpInfo,
}

/// An end of a connection within this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerCookie {
    /// When.
    pub at_ns: u64,
    /// The socket.
    pub cookie: u64,
    /// The user it belongs to.
    pub uid: Option<u32>,
    /// Its network namespace.
    pub netns: Option<u64>,
    /// Its own address: where the other end's packets go.
    pub local: SocketAddr,
    /// The other end's address.
    pub remote: SocketAddr,
}

/// A TCP connection changed its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// When.
    pub at_ns: u64,
    /// Which socket.
    pub cookie: u64,
    /// The user it belongs to.
    pub uid: Option<u32>,
    /// Before.
    pub from: TcpState,
    /// After.
    pub to: TcpState,
    /// TCP's figures.
    pub tcp: TcpInfo,
}

/// A new round-trip estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rtt {
    /// When.
    pub at_ns: u64,
    /// Which socket.
    pub cookie: u64,
    /// The user it belongs to.
    pub uid: Option<u32>,
    /// TCP's figures.
    pub tcp: TcpInfo,
}

/// A socket is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at_ns: u64,
    /// Which socket.
    pub cookie: u64,
    /// The user it belonged to.
    pub uid: Option<u32>,
    /// TCP's last figures; `None` for UDP and for connections older than the helper.
    pub tcp: Option<TcpInfo>,
}

/// TCP sent a segment again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retransmitted {
    /// When.
    pub at_ns: u64,
    /// Which socket.
    pub cookie: u64,
    /// The user it belongs to.
    pub uid: Option<u32>,
}

/// A process became another program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Executed {
    /// When.
    pub at_ns: u64,
    /// Which process.
    pub process: Process,
    /// Its parent's process id.
    pub parent: Option<u32>,
    /// Its user.
    pub uid: u32,
    /// Its version 2 control group.
    pub cgroup_id: u64,
    /// Its new short name.
    pub comm: String,
    /// The path given to `execve`, cut to [`FILENAME_BYTES_MAX`].
    pub filename: Option<String>,
    /// Its arguments, cut to [`ARGV_BYTES_MAX`] in all. Bytes that are not UTF-8 are replaced.
    pub argv: Option<Vec<String>>,
    /// `true` when `argv` is longer than what was copied.
    pub argv_cut: bool,
}

/// Bytes of a program's path in an event.
pub const FILENAME_BYTES_MAX: usize = 256;
/// Bytes of a program's arguments in an event, their separators included.
pub const ARGV_BYTES_MAX: usize = 1024;

/// A process started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forked {
    /// When.
    pub at_ns: u64,
    /// The new process.
    pub process: Process,
    /// The process that made it.
    pub parent: Process,
    /// Its user.
    pub uid: u32,
}

/// A process ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exited {
    /// When.
    pub at_ns: u64,
    /// Which process.
    pub process: Process,
    /// Its user.
    pub uid: u32,
}

/// Events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many.
    pub count: u64,
    /// Where.
    pub cause: LostCause,
}

/// Where events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LostCause {
    /// The kernel's ring of packets was full.
    PacketRing,
    /// The kernel's ring of other events was full.
    ControlRing,
    /// This connection was read too slowly: packets.
    SlowReaderPackets,
    /// This connection was read too slowly: other events.
    SlowReaderControls,
}
