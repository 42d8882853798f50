//! Packets: count all, copy the wanted ones.

use core::arch::asm;

use aya_ebpf::bindings::{__sk_buff, BPF_RB_AVAIL_DATA};
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_skb_load_bytes, bpf_tcp_sock};
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::maps::ProgramArray;
use aya_ebpf::programs::SkBuffContext;
use tollgate_bpf_abi::{
    HAS_TCP, Head, PORT_GATEWAY, PORT_REMOTE, PacketRecord, PacketStats, SNAP_LARGE, SNAP_SMALL,
    Way, config_flag, direction, kind, next, sock_flag,
};

use crate::maps::{
    EGRESS_NEXT, INGRESS_NEXT, NO_WAKEUP, PACKETS, SOCKS, WAYS, config_flags, config_snap,
    config_step_down_bytes, config_zero, copy_words, count, is_zero, least, port_bits, settle,
    stats, watched,
};
use crate::owner::adopt;
use crate::task::now_ns;

/// Every packet passes.
const PASS: i32 = 1;
/// The loopback interface's number in every network namespace.
const LOOPBACK: u64 = 1;
const ETH_P_IPV6: u16 = 0x86dd;
const IPV6_HEADER_BYTES: u32 = 40;

#[cgroup_skb(egress)]
pub fn tg_egress(ctx: SkBuffContext) -> i32 {
    // SAFETY: the hook's context and counters.
    unsafe { see(&ctx, &raw mut (*stats()).egress, &EGRESS_NEXT) };
    PASS
}

#[cgroup_skb(ingress)]
pub fn tg_ingress(ctx: SkBuffContext) -> i32 {
    // SAFETY: the hook's context and counters.
    unsafe { see(&ctx, &raw mut (*stats()).ingress, &INGRESS_NEXT) };
    PASS
}

/// Where [`tg_egress`] goes on with a wanted packet.
#[cgroup_skb(egress)]
pub fn tg_take_out(ctx: SkBuffContext) -> i32 {
    // SAFETY: the hook's context and counters.
    unsafe { take::<{ direction::EGRESS }>(&ctx, &raw mut (*stats()).egress, &EGRESS_NEXT) };
    PASS
}

/// Where [`tg_ingress`] goes on with a wanted packet.
#[cgroup_skb(ingress)]
pub fn tg_take_in(ctx: SkBuffContext) -> i32 {
    // SAFETY: the hook's context and counters.
    unsafe { take::<{ direction::INGRESS }>(&ctx, &raw mut (*stats()).ingress, &INGRESS_NEXT) };
    PASS
}

/// Where [`tg_take_out`] goes on with a packet that is told.
#[cgroup_skb(egress)]
pub fn tg_copy_out(ctx: SkBuffContext) -> i32 {
    // SAFETY: the hook's context and counters.
    unsafe { hand_over::<{ direction::EGRESS }>(&ctx, &raw mut (*stats()).egress) };
    PASS
}

/// Where [`tg_take_in`] goes on with a packet that is told.
#[cgroup_skb(ingress)]
pub fn tg_copy_in(ctx: SkBuffContext) -> i32 {
    // SAFETY: the hook's context and counters.
    unsafe { hand_over::<{ direction::INGRESS }>(&ctx, &raw mut (*stats()).ingress) };
    PASS
}

/// Where [`tg_take_out`] goes on with a packet of a socket it does not know.
#[cgroup_skb(egress)]
pub fn tg_adopt_out(ctx: SkBuffContext) -> i32 {
    // SAFETY: the hook's context and counters.
    unsafe { take_up(&ctx, &raw mut (*stats()).egress, &EGRESS_NEXT) };
    PASS
}

/// Where [`tg_take_in`] goes on with a packet of a socket it does not know.
#[cgroup_skb(ingress)]
pub fn tg_adopt_in(ctx: SkBuffContext) -> i32 {
    // SAFETY: the hook's context and counters.
    unsafe { take_up(&ctx, &raw mut (*stats()).ingress, &INGRESS_NEXT) };
    PASS
}

/// Remembers a socket that is older than the helper, then goes back.
#[inline(always)]
unsafe fn take_up(ctx: &SkBuffContext, stats: *mut PacketStats, next: &ProgramArray) {
    let skb = ctx.skb.skb;
    // SAFETY: the hook's context and counters.
    unsafe {
        let cookie = bpf_get_socket_cookie(skb.cast());
        if adopt(cookie, (*skb).__bindgen_anon_2.sk.cast(), 0) {
            next.tail_call(ctx, next::TAKE);
        }
        count(&raw mut (*stats).other_user);
    }
}

/// Counts the packet as seen and hands a wanted one to the next program. What becomes of it is
/// counted exactly once, here or there.
#[inline(always)]
unsafe fn see(ctx: &SkBuffContext, stats: *mut PacketStats, next: &ProgramArray) {
    // SAFETY: the hook's context and counters.
    unsafe {
        count(&raw mut (*stats).seen);
        if !is_wanted(ctx.skb.skb) {
            return count(&raw mut (*stats).filtered);
        }
        next.tail_call(ctx, next::TAKE);
        // Comes here only when there is no next program.
        count(&raw mut (*stats).copy_failed);
    }
}

/// Whether the capture asks for this packet, by its socket's ports or by the socket itself.
#[inline(always)]
unsafe fn is_wanted(skb: *mut __sk_buff) -> bool {
    // SAFETY: the hook's context and map values.
    unsafe {
        let remote_port = u64::from(u32::from_be((*skb).remote_port));
        let local = port_bits((*skb).local_port);
        let remote = port_bits(remote_port as u32);
        let flags = config_flags();
        let is_loopback = is_zero(u64::from((*skb).ifindex) ^ LOOPBACK);
        let wanted = (local & PORT_GATEWAY)
            | (remote & PORT_REMOTE)
            | ((local | remote) & is_loopback.wrapping_neg());
        if wanted != 0 {
            return true;
        }
        if remote_port != 0 && flags & config_flag::COOKIES == 0 {
            return false;
        }
        match SOCKS.get_ptr(bpf_get_socket_cookie(skb.cast())) {
            Some(entry) => (*entry).flags & sock_flag::WANTED != 0,
            None => false,
        }
    }
}

/// Decides what becomes of a wanted packet: nothing for users that are not watched, and on loopback
/// nothing for an arrival whose departure was told.
#[inline(always)]
unsafe fn take<const DIRECTION: u16>(
    ctx: &SkBuffContext,
    stats: *mut PacketStats,
    next: &ProgramArray,
) {
    let skb = ctx.skb.skb;
    // SAFETY: the hook's context, counters, map values.
    unsafe {
        let Some(entry) = SOCKS.get_ptr(bpf_get_socket_cookie(skb.cast())) else {
            next.tail_call(ctx, next::ADOPT);
            return count(&raw mut (*stats).other_user);
        };
        let is_watched = watched((*entry).uid);
        if DIRECTION == direction::INGRESS && !is_watched {
            return count(&raw mut (*stats).other_user);
        }
        if u64::from((*skb).ifindex) == LOOPBACK {
            let way = way(skb, (*entry).netns);
            let is_told = WAYS.get_ptr(way).is_some();
            if DIRECTION == direction::INGRESS && is_told {
                return count(&raw mut (*stats).loopback);
            }
            if DIRECTION == direction::EGRESS && is_watched != is_told {
                if is_watched {
                    let _ = WAYS.insert(way, 0, 0);
                } else {
                    let _ = WAYS.remove(way);
                }
            }
        }
        if DIRECTION == direction::EGRESS && !is_watched {
            return count(&raw mut (*stats).other_user);
        }
        next.tail_call(ctx, next::COPY);
        // Comes here only when there is no next program.
        count(&raw mut (*stats).copy_failed);
    }
}

/// Which way a packet goes. Bytes that it does not have are zero.
#[inline(always)]
unsafe fn way(skb: *mut __sk_buff, netns: u64) -> Way {
    let mut way = Way { netns, addresses: [0; 8], ports: 0, reserved: 0 };
    let mut first = 0_u8;
    // SAFETY: the hook's context; room on the stack. A copy can fail, not fault.
    unsafe {
        let addresses = (&raw mut way.addresses).cast();
        let mut ports_at = IPV6_HEADER_BYTES;
        if (*skb).protocol == u32::from(ETH_P_IPV6.to_be()) {
            bpf_skb_load_bytes(skb.cast(), 8, addresses, 32);
        } else {
            bpf_skb_load_bytes(skb.cast(), 0, (&raw mut first).cast(), 1);
            bpf_skb_load_bytes(skb.cast(), 12, addresses, 8);
            ports_at = u32::from(first & 15) * 4;
        }
        bpf_skb_load_bytes(skb.cast(), ports_at, (&raw mut way.ports).cast(), 4);
    }
    way
}

/// Copies a packet.
#[inline(always)]
unsafe fn hand_over<const DIRECTION: u16>(ctx: &SkBuffContext, stats: *mut PacketStats) {
    let skb = ctx.skb.skb;
    // SAFETY: the hook's context, counters, map values.
    unsafe {
        let zero = config_zero();
        let cookie = bpf_get_socket_cookie(skb.cast());
        let mut record = PacketRecord {
            head: Head {
                kind: kind::PACKET,
                detail: DIRECTION,
                detail2: zero as u32,
                at_ns: now_ns(),
                cookie,
            },
            netns: zero,
            uid: zero as u32,
            snap_len: 0,
            len: (*skb).len,
            ifindex: (*skb).ifindex,
            mark: (*skb).mark,
            hash: (*skb).hash,
            gso_size: (*skb).gso_size as u16,
            gso_segs: (*skb).gso_segs as u16,
            snd_cwnd: zero as u32,
            srtt_us_x8: zero as u32,
            total_retrans: zero as u32,
        };
        settle(&mut record);
        // Alone and last: its word then looks to the verifier as it does after `add_tcp`.
        (&raw mut record.total_retrans).write_volatile(zero as u32);
        let Some(entry) = SOCKS.get_ptr(cookie) else {
            // It went out of the table this moment.
            return count(&raw mut (*stats).other_user);
        };
        (record.netns, record.uid) = ((*entry).netns, (*entry).uid);
        add_tcp(skb, &mut record);
        deliver(skb, &mut record, stats, zero);
    }
}

/// Fills in what TCP knows.
#[inline(always)]
unsafe fn add_tcp(skb: *mut __sk_buff, record: &mut PacketRecord) {
    // SAFETY: the hook's context; the helper checks the socket, the verifier its result.
    unsafe {
        let sk = (*skb).__bindgen_anon_2.sk;
        if sk.is_null() {
            return;
        }
        let tcp = bpf_tcp_sock(sk);
        if !tcp.is_null() {
            record.head.detail2 = HAS_TCP + (*sk).state;
            record.snd_cwnd = (*tcp).snd_cwnd;
            record.srtt_us_x8 = (*tcp).srtt_us;
            record.total_retrans = (*tcp).total_retrans;
        }
    }
}

/// Hands the packet to the ring, in the class of record that its copy fits.
#[inline(always)]
unsafe fn deliver(
    skb: *mut __sk_buff,
    record: &mut PacketRecord,
    stats: *mut PacketStats,
    zero: u64,
) {
    // SAFETY: the hook's context and counters.
    unsafe {
        // Lengths are below this anyway; after it they are all the same to the verifier.
        let mut snap = least(u64::from(config_snap()), u64::from(record.len)) + zero;
        asm!("{0} &= 2047", inout(reg) snap, options(nostack));
        if snap > SNAP_SMALL as u64 {
            let waiting = PACKETS.query(u64::from(BPF_RB_AVAIL_DATA));
            if waiting <= u64::from(config_step_down_bytes()) {
                return copy::<SNAP_LARGE>(skb, snap, record, stats);
            }
            count(&raw mut (*stats).stepped_down);
            snap = SNAP_SMALL as u64;
        }
        asm!("{0} += {1}", "{0} &= 511", inout(reg) snap, in(reg) zero, options(nostack));
        copy::<SNAP_SMALL>(skb, snap, record, stats);
    }
}

/// A record with room for a copy of `N` bytes.
#[repr(C)]
struct Slot<const N: usize> {
    record: PacketRecord,
    snap: [u8; N],
}

#[inline(always)]
unsafe fn copy<const N: usize>(
    skb: *mut __sk_buff,
    snap: u64,
    record: &mut PacketRecord,
    stats: *mut PacketStats,
) {
    record.snap_len = snap as u32;
    // SAFETY: the hook's context, room of the ring, counters.
    unsafe {
        let Some(mut slot) = PACKETS.reserve::<Slot<N>>(0) else {
            return count(&raw mut (*stats).ring_full);
        };
        let room = slot.as_mut_ptr();
        copy_words(record, &raw mut (*room).record);
        if snap == 0
            || snap > N as u64
            || bpf_skb_load_bytes(skb.cast(), 0, (&raw mut (*room).snap).cast(), snap as u32) != 0
        {
            slot.discard(NO_WAKEUP);
            return count(&raw mut (*stats).copy_failed);
        }
        slot.submit(NO_WAKEUP);
        count(&raw mut (*stats).delivered);
    }
}
