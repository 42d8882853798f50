//! What the helper answers.

use serde::{Deserialize, Serialize};

use crate::Event;
use crate::request::Capture;

/// A frame from the helper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// The answer to the call with this id.
    Reply(u32, Reply),
    /// Something that happened; only after [`crate::Request::Subscribe`] or
    /// [`crate::Request::Snapshot`].
    Event(Event),
}

/// The answer to a request. New variants are appended: the order is the wire format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// To `Hello`.
    Hello(Hello),
    /// To `Status`.
    Status(Box<Status>),
    /// To `Subscribe`.
    Done,
    /// To `SetCapture`: what is now in force, the empty list of users filled in.
    CaptureSet(Capture),
    /// To `Snapshot`, after its events.
    SnapshotDone {
        /// How many owners were sent.
        sent: u32,
        /// How many were known but left out, because the snapshot has a limit.
        left_out: u32,
    },
    /// To `Ping`: the helper's time, in nanoseconds since boot (`CLOCK_BOOTTIME`).
    Pong(u64),
    /// To anything: it was not done.
    Refused(Refusal),
}

/// Why a request was not done. The connection stays open unless the code says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What a client may branch on.
    pub code: RefusalCode,
    /// What a person may read.
    pub text: String,
}

/// The closed set of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The client speaks another [`crate::PROTOCOL_VERSION`]. The connection is closed.
    VersionSkew,
    /// The first request was not `Hello`. The connection is closed.
    HelloExpected,
    /// A frame is longer than allowed, or is not a request. The connection is closed.
    Malformed,
    /// A list or a name is longer than its limit.
    TooLong,
    /// The caller may not see what it asked for.
    NotAllowed,
    /// The peer's user is not the one this helper serves. The connection is closed.
    WrongUser,
    /// All places are taken. The connection is closed.
    TooManyClients,
    /// The kernel refused; the text says what.
    Kernel,
}

/// Who the helper is and what it could attach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The helper's [`crate::PROTOCOL_VERSION`].
    pub version: u16,
    /// The helper's own version.
    pub helper_version: String,
    /// SHA-256 of the embedded eBPF object, in hexadecimal.
    pub object_sha256: String,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// Add this to an event's `at_ns` for nanoseconds since 1970. Measured at the time of this
    /// reply: later steps of the clock of day are not followed.
    pub boot_to_unix_ns: i64,
    /// Whose events this connection gets.
    pub sees: Sees,
    /// One per hook, in the order they were tried.
    pub probes: Vec<Probe>,
}

/// Whose events a connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sees {
    /// Those of one user.
    User(u32),
    /// Those of all users.
    Everyone,
}

/// A program and its hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The hook: `cgroup_skb/egress`, `tp_btf/sched_process_exec`.
    pub hook: String,
    /// `None` when it is attached, else why not.
    pub refused: Option<String>,
}

/// Counters and confinement, all since the helper started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// SHA-256 of the embedded eBPF object, in hexadecimal.
    pub object_sha256: String,
    /// How long the helper has run.
    pub up_ns: u64,
    /// The capture in force.
    pub capture: Capture,
    /// Packets that left sockets of this machine.
    pub egress: PacketCounters,
    /// Packets that arrived at sockets of this machine.
    pub ingress: PacketCounters,
    /// Everything but packets.
    pub control: ControlCounters,
    /// What happened to events on the way to this connection.
    pub connection: ConnectionCounters,
    /// One per loaded program.
    pub programs: Vec<Program>,
    /// What the helper may still do, read back from the kernel.
    pub confinement: Confinement,
}

/// Packets of one direction, counted in the kernel. `seen` is exactly the sum of the others but
/// for `stepped_down`, which counts some of `delivered` again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketCounters {
    /// Runs of the packet program.
    pub seen: u64,
    /// Handed to the ring.
    pub delivered: u64,
    /// Wanted, but the ring was full.
    pub ring_full: u64,
    /// Not wanted.
    pub filtered: u64,
    /// Wanted, but of a user that is not watched, or of a socket whose user is unknown.
    pub other_user: u64,
    /// Loopback arrivals of packets that were delivered, or lost, when they were sent.
    pub loopback: u64,
    /// Wanted, but the kernel could not copy its bytes, or go on to the program that does.
    pub copy_failed: u64,
    /// Delivered with fewer bytes than asked because the ring was three quarters full.
    pub stepped_down: u64,
}

impl PacketCounters {
    /// `true` when every packet seen is accounted for. Reads of counters that are still being
    /// written can be off by the packets in flight.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        self.seen
            == self.delivered
                + self.ring_full
                + self.filtered
                + self.other_user
                + self.loopback
                + self.copy_failed
    }
}

/// Events other than packets, counted in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlCounters {
    /// Handed to the ring.
    pub delivered: u64,
    /// Lost because the ring was full.
    pub ring_full: u64,
    /// A socket could not be entered in the table of sockets.
    pub table_failed: u64,
    /// Something of a process or socket could not be read; the event went out without it.
    pub read_failed: u64,
}

/// What happened to events between the rings and one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCounters {
    /// Events written or waiting to be written.
    pub sent: u64,
    /// Packets dropped because the client read too slowly.
    pub packets_dropped: u64,
    /// Other events dropped because the client read too slowly.
    pub controls_dropped: u64,
    /// Events held back because they belong to another user, or to nobody known.
    pub other_user: u64,
}

/// A loaded program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name in the kernel.
    pub name: String,
    /// Instructions the verifier walked; `None` before Linux 5.16.
    pub verified_instructions: Option<u32>,
    /// Time spent in it. Zero unless statistics are on (`--stats`, or
    /// `sysctl kernel.bpf_stats_enabled=1`). `None` when it could not be read.
    pub run_time_ns: Option<u64>,
    /// How often it ran, with the same limits.
    pub run_count: Option<u64>,
}

/// What the helper may still do, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Effective capabilities, one bit each.
    pub capabilities_effective: u64,
    /// Permitted capabilities.
    pub capabilities_permitted: u64,
    /// The bounding set.
    pub capabilities_bounding: u64,
    /// `PR_GET_NO_NEW_PRIVS`.
    pub no_new_privs: bool,
    /// 0 none, 1 strict, 2 filter.
    pub seccomp_mode: u32,
}
