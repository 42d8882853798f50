//! Sends, receives and retransmissions, with the kernel's own socket.
//!
//! A send or receive runs in the process that uses the socket: the only hook that names the owner
//! of an accepted or inherited one, and the surest for all others.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_probe_read_kernel};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tollgate_bpf_abi::{Addresses, SocketRecord, kind, via};

use crate::maps::{SOCKS, config_zero, field, offset, send, touches, watched};
use crate::owner::{head, own};
use crate::task;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

#[btf_tracepoint(function = "sock_send_length")]
pub fn tg_sent(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's first argument is the socket.
    unsafe { used(ctx.arg(0)) };
    0
}

#[btf_tracepoint(function = "sock_recv_length")]
pub fn tg_received(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's first argument is the socket.
    unsafe { used(ctx.arg(0)) };
    0
}

#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub fn tg_retransmit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's first argument is the socket; map values.
    unsafe {
        let sk: *const u8 = ctx.arg(0);
        let (local_port, remote_port) = ports(sk);
        if !touches(u32::from(local_port), u32::from(remote_port)) {
            return 0;
        }
        let cookie = bpf_get_socket_cookie(sk.cast_mut().cast());
        let uid = match SOCKS.get_ptr(cookie) {
            Some(entry) => (*entry).uid,
            None => field(sk, offset!(sock_uid)),
        };
        if watched(uid) {
            send(|record: *mut SocketRecord| {
                (*record).head = head(kind::RETRANSMITTED, 0, cookie);
                (*record).netns = netns(sk);
                (*record).uid = uid;
                (*record).has_tcp = 0;
                (*record).addresses.family = 0;
            });
        }
    }
    0
}

/// The running process used the socket.
#[inline(always)]
unsafe fn used(sk: *const u8) {
    // SAFETY: `sk` is a typed pointer to a socket; map values.
    unsafe {
        let family: u16 = field(sk, offset!(sock_family));
        if family != AF_INET && family != AF_INET6 {
            return;
        }
        let (local_port, remote_port) = ports(sk);
        if !touches(u32::from(local_port), u32::from(remote_port)) {
            return;
        }
        let cookie = bpf_get_socket_cookie(sk.cast_mut().cast());
        let mut flags = config_zero() as u16;
        if let Some(entry) = SOCKS.get_ptr(cookie) {
            if (*entry).via == via::SEND_RECEIVE && (*entry).tgid == task::tgid() {
                return;
            }
            flags = (*entry).flags;
        }
        let mut addresses = MaybeUninit::<Addresses>::uninit();
        let room = addresses.as_mut_ptr();
        (*room).family = family;
        (*room).protocol = field(sk, offset!(sock_protocol));
        (*room).local_port = local_port;
        (*room).remote_port = remote_port;
        let pair = (&raw mut (*room).remote4).cast::<u64>();
        *pair = field(sk, offset!(sock_addrpair_plus_1) - 1);
        // A copy of kernel memory can fail, not fault; then the room is zeroed.
        let pair = sk.wrapping_add(offset!(sock_v6_pair) as usize);
        bpf_probe_read_kernel((&raw mut (*room).remote6).cast(), 32, pair.cast());
        own(cookie, netns(sk), via::SEND_RECEIVE, flags, room);
    }
}

#[inline(always)]
unsafe fn ports(sk: *const u8) -> (u16, u16) {
    // SAFETY: a typed pointer to a socket.
    unsafe {
        let remote: u16 = field(sk, offset!(sock_dport));
        (field(sk, offset!(sock_num)), u16::from_be(remote))
    }
}

#[inline(always)]
unsafe fn netns(sk: *const u8) -> u64 {
    // SAFETY: a typed pointer to a socket.
    unsafe {
        let net: *const u8 = field(sk, offset!(sock_net));
        field(net, offset!(net_cookie))
    }
}
