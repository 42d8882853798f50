//! What the programs share with user space, and the few words in which they all talk to it.

use core::arch::asm;
use core::ptr;

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, LruHashMap, ProgramArray, RingBuf};
use tollgate_bpf_abi::{
    CONTROL_RING_BYTES, Config, Offsets, PACKET_RING_BYTES, PORT_WORDS, PacketStats, SOCKS_MAX,
    STATS_SETS, SockEntry, Stats, WAYS_MAX, Way, next,
};

/// Waking the reader costs more than all the rest of a program; it polls.
pub const NO_WAKEUP: u64 = BPF_RB_NO_WAKEUP as u64;

#[map]
pub static UIDS: HashMap<u32, u8> = HashMap::with_max_entries(64, 0);
#[map]
pub static SOCKS: LruHashMap<u64, SockEntry> = LruHashMap::with_max_entries(SOCKS_MAX, 0);
#[map]
pub static WAYS: LruHashMap<Way, u8> = LruHashMap::with_max_entries(WAYS_MAX, 0);
#[map]
pub static EGRESS_NEXT: ProgramArray = ProgramArray::with_max_entries(next::PLACES, 0);
#[map]
pub static INGRESS_NEXT: ProgramArray = ProgramArray::with_max_entries(next::PLACES, 0);
#[map]
pub static PACKETS: RingBuf = RingBuf::with_byte_size(PACKET_RING_BYTES, 0);
#[map]
pub static CONTROL: RingBuf = RingBuf::with_byte_size(CONTROL_RING_BYTES, 0);

/// What is wanted; user space writes it through the map `.data`.
#[unsafe(link_section = ".data")]
#[unsafe(no_mangle)]
static mut CONFIG: Config =
    Config { flags: 0, snap: 0, uid_mask: 0, step_down_bytes: 0, zero: 0, ports: [0; PORT_WORDS] };

const NO_PACKETS: PacketStats = PacketStats {
    seen: 0,
    delivered: 0,
    ring_full: 0,
    filtered: 0,
    other_user: 0,
    loopback: 0,
    copy_failed: 0,
    stepped_down: 0,
};
const NO_STATS: Stats = Stats {
    egress: NO_PACKETS,
    ingress: NO_PACKETS,
    control_delivered: 0,
    control_ring_full: 0,
    table_failed: 0,
    read_failed: 0,
    reserved: [0; 4],
};

/// What was counted; user space reads it through the map `.bss`.
#[unsafe(no_mangle)]
static mut STATS: [Stats; STATS_SETS] = [NO_STATS; STATS_SETS];

/// Written by user space before the object is loaded; a constant to the verifier, which leaves out
/// what a zero switches off.
#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets {
    task_group_leader: 0,
    task_start_boottime: 0,
    task_pid: 0,
    task_tgid: 0,
    task_real_parent: 0,
    task_cred: 0,
    cred_euid: 0,
    task_mm: 0,
    task_signal: 0,
    signal_live: 0,
    mm_arg_start: 0,
    mm_arg_end: 0,
    binprm_filename: 0,
    sock_uid: 0,
    sock_protocol: 0,
    sock_family: 0,
    sock_num: 0,
    sock_dport: 0,
    sock_addrpair_plus_1: 0,
    sock_v6_pair: 0,
    sock_net: 0,
    net_cookie: 0,
    has_btf: 0,
};

/// A field of [`OFFSETS`].
macro_rules! offset {
    ($field:ident) => {
        $crate::maps::constant(&raw const $crate::maps::OFFSETS.$field)
    };
}
pub(crate) use offset;

/// Reads a word of [`OFFSETS`] from memory, not folded at compile time.
#[inline(always)]
pub fn constant(word: *const u64) -> u64 {
    // SAFETY: only used on fields of a static.
    unsafe { ptr::read_volatile(word) }
}

/// Reads a `T` at `offset` of a kernel structure whose pointer the verifier knows by its type.
///
/// # Safety
/// `base` must be such a pointer, and the field there of the size of `T`; the verifier checks both.
#[inline(always)]
pub unsafe fn field<T: Copy>(base: *const u8, offset: u64) -> T {
    // SAFETY: as above.
    unsafe { ptr::read_volatile(base.wrapping_add(offset as usize).cast::<T>()) }
}

/// The counters of this processor.
#[inline(always)]
pub fn stats() -> *mut Stats {
    // SAFETY: takes nothing.
    let set = unsafe { bpf_get_smp_processor_id() } as usize & (STATS_SETS - 1);
    (&raw mut STATS).cast::<Stats>().wrapping_add(set)
}

/// Adds one to a counter. Atomic, because an interrupt on the same processor may count in the
/// middle of it.
///
/// # Safety
/// `counter` must lie in [`stats`].
#[inline(always)]
pub unsafe fn count(counter: *mut u64) {
    // SAFETY: as above. The compiler offers no atomics for this machine, which has this one.
    unsafe {
        asm!(
            "lock *(u64 *)({counter} + 0) += {one}",
            counter = in(reg) counter,
            one = in(reg) 1_u64,
            options(nostack),
        );
    }
}

/// Keeps a value in memory: without this the compiler holds a record in a dozen registers it does
/// not have, and the verifier walks the spills.
#[inline(always)]
pub fn settle<T>(value: &mut T) {
    // SAFETY: moves a register to itself. (No instruction at all would upset the line table.)
    unsafe { asm!("{0} = {0}", inout(reg) ptr::from_mut(value) => _, options(nostack)) };
}

/// 1 for 0, else 0, without a branch; below 2^63.
#[inline(always)]
pub fn is_zero(mut value: u64) -> u64 {
    // SAFETY: arithmetic.
    unsafe { asm!("{0} += -1", "{0} >>= 63", inout(reg) value, options(nostack)) };
    value
}

/// The smaller one, without a branch; both below 2^63.
#[inline(always)]
pub fn least(one: u64, other: u64) -> u64 {
    let mut least = one;
    // SAFETY: arithmetic: the sign of the difference is a mask for it.
    unsafe {
        asm!(
            "{a} -= {b}",
            "{m} = {a}",
            "{m} s>>= 63",
            "{a} &= {m}",
            "{a} += {b}",
            a = inout(reg) least,
            b = in(reg) other,
            m = out(reg) _,
            options(nostack),
        );
    }
    least
}

/// Copies whole words.
///
/// # Safety
/// Both must be valid for a `T`, which must be a multiple of eight bytes, aligned to eight.
#[inline(always)]
pub unsafe fn copy_words<T>(from: *const T, to: *mut T) {
    const { assert!(size_of::<T>() % 8 == 0) };
    // SAFETY: as above.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u64>(), to.cast::<u64>(), size_of::<T>() / 8) }
}

/// The configuration.
#[inline(always)]
fn config() -> *const Config {
    &raw const CONFIG
}

/// Bits of `config_flag`.
#[inline(always)]
pub fn config_flags() -> u32 {
    // SAFETY: user space may write it at any time: each word is read once, as it is.
    unsafe { ptr::read_volatile(&raw const (*config()).flags) }
}

/// Most bytes of a packet to copy.
#[inline(always)]
pub fn config_snap() -> u32 {
    // SAFETY: as in `config_flags`.
    unsafe { ptr::read_volatile(&raw const (*config()).snap) }
}

/// From how many waiting bytes on copies get short.
#[inline(always)]
pub fn config_step_down_bytes() -> u32 {
    // SAFETY: as in `config_flags`.
    unsafe { ptr::read_volatile(&raw const (*config()).step_down_bytes) }
}

/// Zero; see [`Config::zero`].
#[inline(always)]
pub fn config_zero() -> u64 {
    // SAFETY: as in `config_flags`.
    unsafe { ptr::read_volatile(&raw const (*config()).zero) }
}

/// What a port is watched as: bits of `PORT_GATEWAY` and `PORT_REMOTE`.
#[inline(always)]
pub fn port_bits(port: u32) -> u64 {
    // SAFETY: as in `config_flags`; the index is below the array's length.
    let word = unsafe {
        let words = (&raw const (*config()).ports).cast::<u64>();
        ptr::read_volatile(words.wrapping_add((port >> 5) as usize & (PORT_WORDS - 1)))
    };
    (word >> ((port & 31) * 2)) & 3
}

/// Whether a socket with these ports may carry wanted packets.
#[inline(always)]
pub fn touches(local_port: u32, remote_port: u32) -> bool {
    port_bits(local_port) | port_bits(remote_port) != 0
}

/// Whether a user's events may leave the kernel.
#[inline(always)]
pub fn watched(uid: u32) -> bool {
    // SAFETY: as in `config_flags`.
    let mask = unsafe { ptr::read_volatile(&raw const (*config()).uid_mask) };
    UIDS.get_ptr(uid | mask).is_some()
}

/// Takes room for a `T` in the control ring, fills it and hands it over, counting either way.
#[inline(always)]
pub fn send<T: 'static>(fill: impl FnOnce(*mut T)) {
    let stats = stats();
    let Some(mut slot) = CONTROL.reserve::<T>(0) else {
        // SAFETY: a counter.
        unsafe { count(&raw mut (*stats).control_ring_full) };
        return;
    };
    fill(slot.as_mut_ptr());
    slot.submit(NO_WAKEUP);
    // SAFETY: a counter.
    unsafe { count(&raw mut (*stats).control_delivered) };
}
