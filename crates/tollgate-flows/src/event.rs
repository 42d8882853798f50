//! What the kernel and the gateway report: the only input of the [`Engine`](crate::Engine).
//!
//! Times are nanoseconds since the machine started, sleep included (`CLOCK_BOOTTIME`), on every
//! event: the app turns the gateway's times into that clock before it pushes them. Addresses may be
//! IPv4-mapped IPv6 ones; the engine unmaps them. A cookie of 0 is "the kernel did not say".

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tollgate_core::{CallId, SocketCookie, caller::ProcessKey};

/// Nanoseconds since the machine started, sleep included.
pub type BootNs = u64;

/// One thing that happened. Order matters little: facts may come after the packets they explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet passed a socket's control group hook.
    Packet(PacketSeen),
    /// A process was seen using a socket.
    Owner(OwnerSeen),
    /// A TCP handshake was completed.
    Established(Established),
    /// The socket that receives what another socket of this machine sends.
    PeerCookie(PeerCookie),
    /// TCP has a new estimate of the round-trip time.
    Rtt(Rtt),
    /// A TCP socket was closed.
    Closed(Closed),
    /// TCP sent a segment again.
    Retransmit(Retransmit),
    /// A process replaced its program.
    Exec(Exec),
    /// A process was born (never a thread).
    Fork(Fork),
    /// A process ended.
    Exit(Exit),
    /// A socket that already existed, from `sock_diag`.
    Socket(SocketSeen),
    /// A process that already existed, from `/proc`.
    Process(ProcessSeen),
    /// Events that the kernel's rings had no room for.
    Lost(Lost),
    /// What the gateway knows of the sockets of a call; sent again when it knows more.
    CallSockets(CallSockets),
    /// A port that the gateway listens on.
    GatewayPort(u16),
    /// The process that the gateway runs in.
    GatewayProcess(ProcessKey),
}

/// The hook that saw a packet, from the socket's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It came to the socket.
    Ingress,
    /// The socket sent it.
    Egress,
}

impl Direction {
    /// The name in lists, filters and pcapng comments: `in` or `out`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "in",
            Self::Egress => "out",
        }
    }
}

/// A packet at `cgroup_skb`: it starts at the IP header, for that hook has no link layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketSeen {
    /// When.
    pub at_ns: BootNs,
    /// The socket; for a handshake that a listener answers, the listener's.
    pub cookie: SocketCookie,
    /// The network namespace's cookie; 0 when unknown.
    pub netns: u64,
    /// The interface's index in that namespace; 1 is always the loopback.
    pub ifindex: u32,
    /// Which hook.
    pub direction: Direction,
    /// The packet's length from its IP header on, however little of it was copied. On egress it can
    /// be many segments long, which the card or the receiver splits (`gso_*`).
    pub len: u32,
    /// Bytes of payload in each segment; 0 when it is one segment, or unknown (big packets on `lo`).
    pub gso_size: u16,
    /// Number of segments; 0 when unknown.
    pub gso_segs: u16,
    /// The firewall mark.
    pub mark: u32,
    /// The flow hash.
    pub hash: u32,
    /// The socket's user.
    pub uid: Option<u32>,
    /// TCP's own figures at that moment.
    pub tcp: Option<TcpFigures>,
    /// The first bytes, up to the snap length.
    pub bytes: Box<[u8]>,
}

/// TCP's own figures of a socket at the moment of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TcpFigures {
    /// The state, by the name that Linux gives it.
    pub state: &'static str,
    /// The smoothed round-trip time; `None` before the first sample.
    pub srtt_us: Option<u32>,
    /// The congestion window in segments.
    pub snd_cwnd: u32,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
}

/// How a process was seen with a socket. Later in the list is better evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnerVia {
    /// It held a descriptor when `sock_diag` and `/proc` were read.
    SockDiag,
    /// It created the socket; another process may use it.
    Create,
    /// It bound the socket.
    Bind,
    /// It connected the socket.
    Connect,
    /// It read from or wrote to the socket.
    SendRecv,
}

/// A process was seen using a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerSeen {
    /// When.
    pub at_ns: BootNs,
    /// The socket.
    pub cookie: SocketCookie,
    /// The process.
    pub process: ProcessKey,
    /// Its user.
    pub uid: u32,
    /// Its control group (version 2).
    pub cgroup_id: u64,
    /// The kernel's name of the thread that did it, 15 bytes at most.
    pub comm: String,
    /// What it did.
    pub via: OwnerVia,
}

/// Which side of a handshake a socket was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It connected.
    Active,
    /// It was accepted.
    Passive,
}

/// A TCP handshake was completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Established {
    /// When.
    pub at_ns: BootNs,
    /// The connected socket, never the listener.
    pub cookie: SocketCookie,
    /// The network namespace's cookie; 0 when unknown.
    pub netns: u64,
    /// Which side it is.
    pub role: Role,
    /// Its own address.
    pub local: SocketAddr,
    /// The other side's.
    pub remote: SocketAddr,
    /// The kernel's smoothed round-trip time so far.
    pub srtt_us: Option<u32>,
}

/// The socket that receives what another socket of this machine sends, where the packet itself is
/// reported by its sender alone. During a handshake it can be a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCookie {
    /// When.
    pub at_ns: BootNs,
    /// The receiving socket.
    pub cookie: SocketCookie,
    /// The network namespace's cookie; 0 when unknown.
    pub netns: u64,
    /// Its own address.
    pub local: SocketAddr,
    /// The sender's.
    pub remote: SocketAddr,
}

/// TCP has a new estimate of the round-trip time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtt {
    /// When.
    pub at_ns: BootNs,
    /// The socket.
    pub cookie: SocketCookie,
    /// The kernel's smoothed round-trip time.
    pub srtt_us: u32,
}

/// A TCP socket was closed; the counts are the kernel's own, over its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When.
    pub at_ns: BootNs,
    /// The socket.
    pub cookie: SocketCookie,
    /// Payload bytes it sent that were acknowledged.
    pub bytes_sent: Option<u64>,
    /// Payload bytes it received.
    pub bytes_received: Option<u64>,
    /// The smoothed round-trip time at the end.
    pub srtt_us: Option<u32>,
    /// Segments sent again over its life.
    pub retransmits: Option<u32>,
}

/// TCP sent a segment again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit {
    /// When.
    pub at_ns: BootNs,
    /// The socket.
    pub cookie: SocketCookie,
}

/// A process replaced its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// When.
    pub at_ns: BootNs,
    /// The process.
    pub process: ProcessKey,
    /// Its parent's pid.
    pub ppid: u32,
    /// Its user.
    pub uid: u32,
    /// Its control group (version 2).
    pub cgroup_id: u64,
    /// The kernel's name of it, 15 bytes at most.
    pub comm: String,
    /// The path that was executed: the script's, when it begins with `#!`.
    pub filename: String,
    /// The arguments, program first, cut by the kernel side's limits.
    pub argv: Vec<String>,
}

/// A process was born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// When.
    pub at_ns: BootNs,
    /// Who forked.
    pub parent: ProcessKey,
    /// The new process.
    pub child: ProcessKey,
}

/// A process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// When.
    pub at_ns: BootNs,
    /// Which.
    pub process: ProcessKey,
}

/// A socket that already existed. One with a `remote` address is tied to the flow between the two,
/// whenever that is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSeen {
    /// When it was asked.
    pub at_ns: BootNs,
    /// The socket.
    pub cookie: SocketCookie,
    /// Its inode, which `/proc/PID/fd` shows.
    pub inode: u64,
    /// Its own address.
    pub local: SocketAddr,
    /// The other side's; `None` for a listener or an unconnected socket.
    pub remote: Option<SocketAddr>,
    /// Its user.
    pub uid: u32,
    /// A process that holds it, if one was found.
    pub process: Option<ProcessKey>,
}

/// What `/proc` tells of a process. What could not be read is `None` or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    /// The process.
    pub process: ProcessKey,
    /// Its parent's pid.
    pub ppid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// Its control group (version 2).
    pub cgroup_id: Option<u64>,
    /// The kernel's name of it, 15 bytes at most.
    pub comm: String,
    /// The executable's path.
    pub exe: Option<String>,
    /// The command line.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: Option<String>,
}

/// Events that the kernel's rings had no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many since the last such event.
    pub count: u64,
}

/// What the gateway knows of the sockets of a call. Sent when the call begins, when it has an
/// upstream connection and when it is settled; each one replaces the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSockets {
    /// The call.
    pub call: CallId,
    /// The accepted socket, on the gateway's side.
    pub client_cookie: Option<SocketCookie>,
    /// The socket to the provider, on the gateway's side.
    pub upstream_cookie: Option<SocketCookie>,
    /// When the request's first byte reached the gateway.
    pub started_at_ns: BootNs,
    /// When the call was settled; `None` while it runs.
    pub finished_at_ns: Option<BootNs>,
}
