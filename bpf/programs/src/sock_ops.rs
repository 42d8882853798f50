//! TCP's own account of a connection: established, states, round-trip times.

use aya_ebpf::bindings::{BPF_SOCK_OPS_RTT_CB_FLAG, BPF_SOCK_OPS_STATE_CB_FLAG, bpf_sock_ops};
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_sock_ops_cb_flags_set};
use aya_ebpf::macros::sock_ops;
use aya_ebpf::programs::SockOpsContext;
use tollgate_bpf_abi::{
    Addresses, Head, RTT_EVERY_NS, SockEntry, SocketRecord, Tcp, kind, sock_flag, tcp_op,
};

use crate::maps::{SOCKS, send, touches, watched};
use crate::owner::{adopt, words};
use crate::task::now_ns;

/// The return value when nothing is asked of the program.
const DONE: u32 = 1;
const IPPROTO_TCP: u16 = 6;

#[sock_ops]
pub fn tg_sock_ops(ctx: SockOpsContext) -> u32 {
    // SAFETY: the hook's context.
    unsafe { run(ctx.ops) };
    DONE
}

#[inline(always)]
unsafe fn run(ops: *mut bpf_sock_ops) {
    // SAFETY: the hook's context and map values.
    unsafe {
        let op = (*ops).op as u16;
        let at_ns = now_ns();
        let cookie = bpf_get_socket_cookie(ops.cast());
        if op == tcp_op::RTT {
            let Some(entry) = SOCKS.get_ptr_mut(cookie) else { return };
            if at_ns < (*entry).rtt_at_ns + RTT_EVERY_NS {
                return;
            }
            (*entry).rtt_at_ns = at_ns;
        } else if op == tcp_op::ACTIVE_ESTABLISHED || op == tcp_op::PASSIVE_ESTABLISHED {
            if !touches((*ops).local_port, u32::from_be((*ops).remote_port)) {
                return;
            }
            begin(ops, cookie);
        } else if op != tcp_op::STATE {
            return;
        }
        let Some(entry) = SOCKS.get_ptr(cookie) else { return };
        // Without the flag another program asked for this call, not this one.
        if (*entry).flags & sock_flag::CALLBACKS == 0 || !watched((*entry).uid) {
            return;
        }
        let [from, to, ..] = (*ops).__bindgen_anon_1.args;
        let head =
            Head { kind: kind::TCP, detail: op, detail2: from & 0xffff | to << 16, at_ns, cookie };
        tell(ops, &head, entry);
    }
}

/// Remembers a new connection and asks TCP to tell of it.
#[inline(always)]
unsafe fn begin(ops: *mut bpf_sock_ops, cookie: u64) {
    // SAFETY: the hook's context and map values; the verifier checks what the helper returns.
    unsafe {
        // Added to what other programs asked for.
        let flags = BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_RTT_CB_FLAG;
        bpf_sock_ops_cb_flags_set(ops, ((*ops).bpf_sock_ops_cb_flags | flags) as i32);
        if let Some(entry) = SOCKS.get_ptr_mut(cookie) {
            (*entry).flags |= sock_flag::CALLBACKS;
            return;
        }
        // An accepted socket belongs to the listening one's user until a process uses it.
        adopt(cookie, (*ops).__bindgen_anon_2.sk.cast(), sock_flag::CALLBACKS);
    }
}

#[inline(always)]
unsafe fn tell(ops: *mut bpf_sock_ops, head: &Head, entry: *const SockEntry) {
    // SAFETY: the hook's context, a map value, room of the ring.
    unsafe {
        send(|record: *mut SocketRecord| {
            (*record).head = *head;
            (*record).netns = (*entry).netns;
            (*record).uid = (*entry).uid;
            (*record).has_tcp = 1;
            (*record).addresses = Addresses {
                family: (*ops).family as u16,
                protocol: IPPROTO_TCP,
                local_port: (*ops).local_port as u16,
                remote_port: u32::from_be((*ops).remote_port) as u16,
                local4: (&raw const (*ops).local_ip4).read_volatile(),
                remote4: (&raw const (*ops).remote_ip4).read_volatile(),
                local6: words(&raw const (*ops).local_ip6),
                remote6: words(&raw const (*ops).remote_ip6),
            };
            (*record).tcp = Tcp {
                bytes_acked: (*ops).bytes_acked,
                bytes_received: (*ops).bytes_received,
                srtt_us_x8: (*ops).srtt_us,
                rtt_min_us: (*ops).rtt_min,
                snd_cwnd: (*ops).snd_cwnd,
                mss: (*ops).mss_cache,
                total_retrans: (*ops).total_retrans,
                lost_out: (*ops).lost_out,
                segs_out: (*ops).segs_out,
                segs_in: (*ops).segs_in,
            };
        });
    }
}
