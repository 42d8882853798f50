//! One definition of every byte between the kernel programs and user space.
//!
//! Three kinds of thing cross: records in the two rings (each begins with [`Head`], whose `kind`
//! tells the rest), values of the maps ([`Config`], [`SockEntry`], [`Stats`]) and the constants
//! that user space writes into the object before loading it ([`Offsets`]). All of them are plain
//! integers without padding, in the machine's byte order, except where a field says otherwise.
//! Kinds have gaps so that a family can grow without renumbering.

#![no_std]

/// Gives a type the traits that user space reads it with, and fixes its size.
macro_rules! plain {
    ($($name:ident = $size:expr),+ $(,)?) => {
        $(const _: () = assert!(size_of::<$name>() == $size, "size of a kernel record changed");)+
        $(const _: () = assert!(align_of::<$name>() <= 8, "rings align to eight bytes");)+
    };
}

plain! {
    Head = 24,
    PacketRecord = 72,
    OwnerRecord = 144,
    SocketRecord = 136,
    ExecRecord = 1360,
    ForkRecord = 64,
    Config = 16408,
    SockEntry = 72,
    Stats = 192,
    Offsets = 184,
    Way = 48,
}

/// Kinds of record, the first field of every [`Head`].
pub mod kind {
    /// [`super::PacketRecord`], then the packet's bytes.
    pub const PACKET: u16 = 1;
    /// [`super::OwnerRecord`].
    pub const OWNER: u16 = 16;
    /// [`super::SocketRecord`] from `sock_ops`: `detail` is a [`super::tcp_op`], and the halves of
    /// `detail2` are, with [`super::tcp_op::STATE`], the state before (low) and after.
    pub const TCP: u16 = 32;
    /// [`super::SocketRecord`]: the process closed the socket.
    pub const RELEASED: u16 = 33;
    /// [`super::SocketRecord`].
    pub const RETRANSMITTED: u16 = 34;
    /// [`super::ExecRecord`].
    pub const EXECUTED: u16 = 48;
    /// [`super::ForkRecord`].
    pub const FORKED: u16 = 49;
    /// [`super::ForkRecord`] without a parent.
    pub const EXITED: u16 = 50;
}

/// How an owner showed itself; a greater number is the stronger proof.
pub mod via {
    /// Created the socket.
    pub const CREATE: u16 = 1;
    /// Bound it.
    pub const BIND: u16 = 2;
    /// Connected it, or named a destination.
    pub const CONNECT: u16 = 3;
    /// Sent or received through it.
    pub const SEND_RECEIVE: u16 = 4;
}

/// What TCP tells in `sock_ops`: Linux's own numbers (`BPF_SOCK_OPS_*_CB`).
pub mod tcp_op {
    /// This socket connected.
    pub const ACTIVE_ESTABLISHED: u16 = 4;
    /// This socket was accepted.
    pub const PASSIVE_ESTABLISHED: u16 = 5;
    /// The state changed.
    pub const STATE: u16 = 10;
    /// There is a new round-trip estimate.
    pub const RTT: u16 = 12;
}

/// Which way a packet went.
pub mod direction {
    /// Sent.
    pub const EGRESS: u16 = 1;
    /// Received.
    pub const INGRESS: u16 = 2;
}

/// `uid` of a socket whose user is not known.
pub const UID_UNKNOWN: u32 = u32::MAX;
/// Longest copy of a packet in a record of the small class.
pub const SNAP_SMALL: usize = 256;
/// Longest copy of a packet in a record of the large class.
pub const SNAP_LARGE: usize = 1536;
/// Bytes of the ring of packets.
pub const PACKET_RING_BYTES: u32 = 8 << 20;
/// Bytes of the ring of everything else.
pub const CONTROL_RING_BYTES: u32 = 1 << 20;
/// Sockets remembered; the least recently used gives way.
pub const SOCKS_MAX: u32 = 65_536;
/// Bytes of a program's path in a record.
pub const FILENAME_BYTES: usize = 256;
/// Bytes of a program's arguments in a record.
pub const ARGV_BYTES: usize = 1024;
/// Words of a thread's name, its final zero included. Words, so that copies are whole words.
pub const COMM_WORDS: usize = 2;
/// Least time between two [`tcp_op::RTT`] records of a socket.
pub const RTT_EVERY_NS: u64 = 100_000_000;

/// The first bytes of every record.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Head {
    /// One of [`kind`].
    pub kind: u16,
    /// Depends on the kind.
    pub detail: u16,
    /// Depends on the kind.
    pub detail2: u32,
    /// `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// The socket, or 0 for a record about a process.
    pub cookie: u64,
}

/// A packet. `head.detail` is its [`direction`]; `snap_len` bytes of it follow, and the record may
/// be longer than that.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct PacketRecord {
    /// `head.detail2` is 0, or [`HAS_TCP`] plus the TCP state: then the TCP figures are filled in.
    pub head: Head,
    /// The socket's network namespace, or 0.
    pub netns: u64,
    /// The socket's user, or [`UID_UNKNOWN`].
    pub uid: u32,
    /// Bytes of the packet that follow.
    pub snap_len: u32,
    /// Length from the IP header on.
    pub len: u32,
    /// Interface.
    pub ifindex: u32,
    /// Firewall mark.
    pub mark: u32,
    /// Flow hash, or 0.
    pub hash: u32,
    /// Segment size of an offloaded packet, or 0.
    pub gso_size: u16,
    /// Segments of an offloaded packet, or 0.
    pub gso_segs: u16,
    /// Congestion window.
    pub snd_cwnd: u32,
    /// Eight times the smoothed round-trip time in microseconds.
    pub srtt_us_x8: u32,
    /// Segments sent again.
    pub total_retrans: u32,
}

/// Set in `head.detail2` of a [`PacketRecord`] with TCP figures.
pub const HAS_TCP: u32 = 0x100;

/// Addresses of a socket, in network byte order, both as IPv4 and as IPv6: which ones count,
/// `family` says.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Addresses {
    /// `AF_INET` or `AF_INET6`; 0 when unknown.
    pub family: u16,
    /// IP protocol.
    pub protocol: u16,
    /// Local port, or 0.
    pub local_port: u16,
    /// Remote port, or 0.
    pub remote_port: u16,
    /// Remote IPv4 address, zero when not connected. Before the local one, as in the kernel.
    pub remote4: u32,
    /// Local IPv4 address, zero when not bound.
    pub local4: u32,
    /// Remote IPv6 address, zero when not connected.
    pub remote6: [u32; 4],
    /// Local IPv6 address, zero when not bound.
    pub local6: [u32; 4],
}

/// A process showed itself as the owner of a socket. `head.detail` is a [`via`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct OwnerRecord {
    /// `head.detail2` is unused.
    pub head: Head,
    /// The process.
    pub owner: SockEntry,
    /// The socket's addresses, as far as known at this hook.
    pub addresses: Addresses,
}

/// Something happened to a socket.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct SocketRecord {
    /// See [`kind`].
    pub head: Head,
    /// Network namespace, or 0.
    pub netns: u64,
    /// User, or [`UID_UNKNOWN`].
    pub uid: u32,
    /// 1 when `tcp` is filled in.
    pub has_tcp: u32,
    /// The socket's addresses; `family` 0 for kinds without them.
    pub addresses: Addresses,
    /// TCP's figures.
    pub tcp: Tcp,
}

/// TCP's figures.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Tcp {
    /// Bytes acknowledged by the peer.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Eight times the smoothed round-trip time in microseconds.
    pub srtt_us_x8: u32,
    /// Least round-trip time.
    pub rtt_min_us: u32,
    /// Congestion window.
    pub snd_cwnd: u32,
    /// Segment size.
    pub mss: u32,
    /// Segments sent again.
    pub total_retrans: u32,
    /// Segments thought lost.
    pub lost_out: u32,
    /// Segments sent.
    pub segs_out: u32,
    /// Segments received.
    pub segs_in: u32,
}

/// A process became another program. A record about a process has cookie 0.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct ExecRecord {
    /// `detail` is 1 when the arguments are longer than `argv`.
    pub head: Head,
    /// Control group.
    pub cgroup_id: u64,
    /// Start of the process since boot, or 0.
    pub started_at_ns: u64,
    /// Process.
    pub tgid: u32,
    /// Parent, or 0.
    pub parent_tgid: u32,
    /// User.
    pub uid: u32,
    /// Bytes of `filename` in use; 0 when it could not be read.
    pub filename_len: u32,
    /// Bytes of `argv` in use; 0 when it could not be read.
    pub argv_len: u32,
    /// Zero.
    pub reserved: u32,
    /// Thread name.
    pub comm: [u64; COMM_WORDS],
    /// Path as given.
    pub filename: [u8; FILENAME_BYTES],
    /// Arguments, each ended by a zero byte.
    pub argv: [u8; ARGV_BYTES],
}

/// A process started or ended.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct ForkRecord {
    /// Nothing in `detail`.
    pub head: Head,
    /// Start of the process since boot.
    pub started_at_ns: u64,
    /// Start of its parent since boot.
    pub parent_started_at_ns: u64,
    /// Process.
    pub tgid: u32,
    /// Its parent.
    pub parent_tgid: u32,
    /// User.
    pub uid: u32,
    /// Zero.
    pub reserved: [u32; 3],
}

/// Places in the maps `EGRESS_NEXT` and `INGRESS_NEXT`, where packet programs go on.
pub mod next {
    /// To the one that decides what becomes of a wanted packet.
    pub const TAKE: u32 = 0;
    /// To the one that enters a socket older than the helper in the table, and goes on to `TAKE`.
    pub const ADOPT: u32 = 1;
    /// To the one that copies a packet.
    pub const COPY: u32 = 2;
    /// How many there are.
    pub const PLACES: u32 = 3;
}

/// Who sends to whom on loopback, in the map `WAYS`: there while the sender's packets are told as
/// they leave. A packet that arrives on no such way was not told, and is told then.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Way {
    /// Network namespace, or 0.
    pub netns: u64,
    /// Source and destination, as they stand in the packet; IPv4 fills the first two words.
    pub addresses: [u32; 8],
    /// The first four bytes after the IP header: TCP's and UDP's ports.
    pub ports: u32,
    /// Zero.
    pub reserved: u32,
}

/// Ways remembered, as many as sockets; of one that gives way, packets are told twice.
pub const WAYS_MAX: u32 = 65_536;

/// What is known of a socket, in the map `SOCKS`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct SockEntry {
    /// When the owner below showed itself.
    pub at_ns: u64,
    /// Network namespace, or 0.
    pub netns: u64,
    /// Control group.
    pub cgroup_id: u64,
    /// Start of the process since boot, or 0.
    pub started_at_ns: u64,
    /// When the last [`tcp_op::RTT`] was sent.
    pub rtt_at_ns: u64,
    /// Thread name.
    pub comm: [u64; COMM_WORDS],
    /// Process, or 0 when none showed itself.
    pub tgid: u32,
    /// User, or [`UID_UNKNOWN`].
    pub uid: u32,
    /// A [`via`], or 0.
    pub via: u16,
    /// IP protocol.
    pub protocol: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// Bits of [`sock_flag`].
    pub flags: u16,
}

/// Flags of a [`SockEntry`].
pub mod sock_flag {
    /// Names a wanted destination without being connected.
    pub const WANTED: u16 = 1;
    /// TCP tells its state changes.
    pub const CALLBACKS: u16 = 2;
}

/// Words of [`Config::ports`]: two bits for each of 65,536 ports.
pub const PORT_WORDS: usize = 2048;
/// Bit of a gateway's port in [`Config::ports`].
pub const PORT_GATEWAY: u64 = 1;
/// Bit of a remote port in [`Config::ports`].
pub const PORT_REMOTE: u64 = 2;

/// Flags of a [`Config`].
pub mod config_flag {
    /// Entries of `SOCKS` are marked as wanted by their cookies.
    pub const COOKIES: u32 = 1;
}

/// The key in `UIDS`, and the `uid_mask`, that stand for every user.
pub const EVERY_USER: u32 = u32::MAX;

/// What is wanted. All zero wants nothing.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Config {
    /// Bits of [`config_flag`].
    pub flags: u32,
    /// Most bytes of a packet to copy: at most [`SNAP_LARGE`].
    pub snap: u32,
    /// Set in a uid before it is looked up in `UIDS`: 0, or [`EVERY_USER`].
    pub uid_mask: u32,
    /// Bytes waiting in the ring of packets from which on copies are cut to [`SNAP_SMALL`].
    pub step_down_bytes: u32,
    /// Zero, which the verifier does not know: values made from it are all the same to it, where
    /// constants would make it walk the same code again for each.
    pub zero: u64,
    /// Two bits for each port: [`PORT_GATEWAY`], [`PORT_REMOTE`]. All set wants everything.
    pub ports: [u64; PORT_WORDS],
}

/// Counters of one direction. `seen` is the sum of the others but `stepped_down`.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct PacketStats {
    /// Runs.
    pub seen: u64,
    /// Handed to the ring.
    pub delivered: u64,
    /// Ring full.
    pub ring_full: u64,
    /// Not wanted.
    pub filtered: u64,
    /// Wanted, but of a user that is not watched.
    pub other_user: u64,
    /// Wanted, but delivered or lost at the sender's egress.
    pub loopback: u64,
    /// Bytes could not be copied.
    pub copy_failed: u64,
    /// Delivered with fewer bytes than asked.
    pub stepped_down: u64,
}

/// Sets of [`Stats`]: each processor counts in its own, so that they do not fight for a cache line.
/// Processors beyond share them; counting is atomic.
pub const STATS_SETS: usize = 64;

/// Counters of one processor.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Stats {
    /// Sent packets.
    pub egress: PacketStats,
    /// Received packets.
    pub ingress: PacketStats,
    /// Records of the control ring.
    pub control_delivered: u64,
    /// Records lost because the control ring was full.
    pub control_ring_full: u64,
    /// Sockets that could not be remembered.
    pub table_failed: u64,
    /// Names and arguments that could not be read.
    pub read_failed: u64,
    /// Zero: a whole number of cache lines.
    pub reserved: [u64; 4],
}

/// Where the running kernel keeps what the programs read, from its own type description (BTF),
/// in bytes from the start of each structure, as words so that they add to a pointer. Zero switches off what needs the field.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Offsets {
    /// `task_struct.group_leader`
    pub task_group_leader: u64,
    /// `task_struct.start_boottime`
    pub task_start_boottime: u64,
    /// `task_struct.pid`
    pub task_pid: u64,
    /// `task_struct.tgid`
    pub task_tgid: u64,
    /// `task_struct.real_parent`
    pub task_real_parent: u64,
    /// `task_struct.cred`
    pub task_cred: u64,
    /// `cred.euid`
    pub cred_euid: u64,
    /// `task_struct.mm`
    pub task_mm: u64,
    /// `task_struct.signal`
    pub task_signal: u64,
    /// `signal_struct.live`
    pub signal_live: u64,
    /// `mm_struct.arg_start`
    pub mm_arg_start: u64,
    /// `mm_struct.arg_end`
    pub mm_arg_end: u64,
    /// `linux_binprm.filename`
    pub binprm_filename: u64,
    /// `sock.sk_uid`
    pub sock_uid: u64,
    /// `sock.sk_protocol`, from Linux 5.6 on two bytes wide.
    pub sock_protocol: u64,
    /// `sock.__sk_common.skc_family`
    pub sock_family: u64,
    /// `sock.__sk_common.skc_num`
    pub sock_num: u64,
    /// `sock.__sk_common.skc_dport`
    pub sock_dport: u64,
    /// `sock.__sk_common.skc_addrpair`: remote and local address, plus one because it is at zero.
    pub sock_addrpair_plus_1: u64,
    /// `sock.__sk_common.skc_v6_daddr`, which `skc_v6_rcv_saddr` follows.
    pub sock_v6_pair: u64,
    /// `sock.__sk_common.skc_net`
    pub sock_net: u64,
    /// `net.net_cookie`
    pub net_cookie: u64,
    /// 1 when programs may read kernel structures directly: there is BTF of the kernel.
    pub has_btf: u64,
}
