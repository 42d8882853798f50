//! Who owns a socket: the control group hooks, which run in the process that makes the call.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::bindings::{bpf_sock, bpf_sock_addr};
use aya_ebpf::helpers::generated::{
    bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_skc_to_tcp_sock,
};
use aya_ebpf::macros::{cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SockAddrContext, SockContext};
use tollgate_bpf_abi::{
    Addresses, COMM_WORDS, Head, OwnerRecord, SockEntry, SocketRecord, kind, sock_flag, via,
};

use crate::maps::{SOCKS, copy_words, count, field, offset, port_bits, send, stats, watched};
use crate::task;

/// Every hook here lets the call go on.
const ALLOW: i32 = 1;
const AF_INET: u16 = 2;

#[cgroup_sock(sock_create)]
pub fn tg_create(ctx: SockContext) -> i32 {
    // SAFETY: `ctx.sock` is this hook's context.
    unsafe {
        let mut addresses = unbound(ctx.sock);
        show(ctx.sock.cast(), via::CREATE, 0, &mut addresses);
    }
    ALLOW
}

#[cgroup_sock(post_bind4)]
pub fn tg_bind4(ctx: SockContext) -> i32 {
    // SAFETY: `ctx.sock` is this hook's context, which has these fields.
    unsafe {
        let mut addresses = unbound(ctx.sock);
        addresses.local_port = (*ctx.sock).src_port as u16;
        addresses.local4 = (*ctx.sock).src_ip4;
        show(ctx.sock.cast(), via::BIND, 0, &mut addresses);
    }
    ALLOW
}

#[cgroup_sock(post_bind6)]
pub fn tg_bind6(ctx: SockContext) -> i32 {
    // SAFETY: `ctx.sock` is this hook's context, which has these fields.
    unsafe {
        let mut addresses = unbound(ctx.sock);
        addresses.local_port = (*ctx.sock).src_port as u16;
        addresses.local6 = words(&raw const (*ctx.sock).src_ip6);
        show(ctx.sock.cast(), via::BIND, 0, &mut addresses);
    }
    ALLOW
}

#[cgroup_sock_addr(connect4)]
pub fn tg_connect4(ctx: SockAddrContext) -> i32 {
    // SAFETY: the hook's context.
    unsafe {
        let mut addresses = destination4(ctx.sock_addr);
        show(ctx.sock_addr.cast(), via::CONNECT, 0, &mut addresses);
    };
    ALLOW
}

#[cgroup_sock_addr(connect6)]
pub fn tg_connect6(ctx: SockAddrContext) -> i32 {
    // SAFETY: the hook's context.
    unsafe {
        let mut addresses = destination6(ctx.sock_addr);
        show(ctx.sock_addr.cast(), via::CONNECT, 0, &mut addresses);
    };
    ALLOW
}

#[cgroup_sock_addr(sendmsg4)]
pub fn tg_sendmsg4(ctx: SockAddrContext) -> i32 {
    // SAFETY: the hook's context.
    unsafe {
        if is_new_destination(ctx.sock_addr) {
            let mut addresses = destination4(ctx.sock_addr);
            show(ctx.sock_addr.cast(), via::CONNECT, sock_flag::WANTED, &mut addresses);
        }
    }
    ALLOW
}

#[cgroup_sock_addr(sendmsg6)]
pub fn tg_sendmsg6(ctx: SockAddrContext) -> i32 {
    // SAFETY: the hook's context.
    unsafe {
        if is_new_destination(ctx.sock_addr) {
            let mut addresses = destination6(ctx.sock_addr);
            show(ctx.sock_addr.cast(), via::CONNECT, sock_flag::WANTED, &mut addresses);
        }
    }
    ALLOW
}

/// The end of sockets that TCP does not tell of itself: UDP, and connections older than the helper.
#[cgroup_sock(sock_release)]
pub fn tg_release(ctx: SockContext) -> i32 {
    // SAFETY: the hook's context; map values are only touched through their pointers.
    unsafe {
        let cookie = bpf_get_socket_cookie(ctx.sock.cast());
        let Some(entry) = SOCKS.get_ptr(cookie) else { return ALLOW };
        let (netns, uid) = ((*entry).netns, (*entry).uid);
        if (*entry).flags & sock_flag::CALLBACKS == 0 && watched(uid) {
            send(|record: *mut SocketRecord| {
                (*record).head = head(kind::RELEASED, 0, cookie);
                (*record).netns = netns;
                (*record).uid = uid;
                (*record).has_tcp = 0;
                (*record).addresses.family = 0;
            });
        }
    }
    ALLOW
}

/// A socket that is neither bound nor connected.
#[inline(always)]
unsafe fn unbound(sock: *const bpf_sock) -> Addresses {
    // SAFETY: fields that every hook with this context has.
    let (family, protocol) = unsafe { ((*sock).family, (*sock).protocol) };
    blank(family as u16, protocol as u16)
}

#[inline(always)]
fn blank(family: u16, protocol: u16) -> Addresses {
    Addresses {
        family,
        protocol,
        local_port: 0,
        remote_port: 0,
        local4: 0,
        remote4: 0,
        local6: [0; 4],
        remote6: [0; 4],
    }
}

#[inline(always)]
unsafe fn destination4(addr: *const bpf_sock_addr) -> Addresses {
    // SAFETY: the context of an IPv4 hook. The family is what the packets will be: a socket for
    // both families comes here with `AF_INET6` when its destination is an IPv4 address.
    unsafe {
        let mut addresses = blank(AF_INET, (*addr).protocol as u16);
        addresses.remote_port = u16::from_be((*addr).user_port as u16);
        addresses.remote4 = (*addr).user_ip4;
        addresses
    }
}

#[inline(always)]
unsafe fn destination6(addr: *const bpf_sock_addr) -> Addresses {
    // SAFETY: the context of an IPv6 hook.
    unsafe {
        let mut addresses = blank((*addr).family as u16, (*addr).protocol as u16);
        addresses.remote_port = u16::from_be((*addr).user_port as u16);
        addresses.remote6 = words(&raw const (*addr).user_ip6);
        addresses
    }
}

/// Reads four words one by one: contexts allow no wider reads.
#[inline(always)]
pub unsafe fn words(from: *const [u32; 4]) -> [u32; 4] {
    let from: *const u32 = from.cast();
    // SAFETY: four words of a context; volatile keeps them four reads.
    unsafe {
        [
            from.read_volatile(),
            from.add(1).read_volatile(),
            from.add(2).read_volatile(),
            from.add(3).read_volatile(),
        ]
    }
}

/// Whether an unconnected socket sends to a watched port for the first time.
#[inline(always)]
unsafe fn is_new_destination(addr: *mut bpf_sock_addr) -> bool {
    // SAFETY: the hook's context and map values.
    unsafe {
        let port = u16::from_be((*addr).user_port as u16);
        if port_bits(u32::from(port)) == 0 {
            return false;
        }
        match SOCKS.get_ptr(bpf_get_socket_cookie(addr.cast())) {
            Some(entry) => (*entry).flags & sock_flag::WANTED == 0,
            None => true,
        }
    }
}

/// Remembers the running process as the socket's owner and tells so.
#[inline(always)]
unsafe fn show(ctx: *mut c_void, via: u16, flags: u16, addresses: *mut Addresses) {
    // SAFETY: the hook's context.
    unsafe {
        let cookie = bpf_get_socket_cookie(ctx);
        let netns = bpf_get_netns_cookie(ctx);
        own(cookie, netns, via, flags, addresses);
    }
}

/// Remembers the running process as the socket's owner and, if its user is watched, tells so.
///
/// # Safety
/// Must run in the context of the process that uses the socket.
#[inline(always)]
pub unsafe fn own(cookie: u64, netns: u64, via: u16, flags: u16, addresses: *mut Addresses) {
    let mut room = MaybeUninit::<SockEntry>::uninit();
    let owner = room.as_mut_ptr();
    // SAFETY: room on the stack, of which every field is filled in; the caller's addresses; room of
    // the ring.
    unsafe {
        task::comm_to(&raw mut (*owner).comm);
        (*owner).at_ns = task::now_ns();
        (*owner).netns = netns;
        (*owner).cgroup_id = task::cgroup_id();
        ((*owner).started_at_ns, (*owner).uid) = task::identity();
        (*owner).rtt_at_ns = 0;
        (*owner).tgid = task::tgid();
        (*owner).via = via;
        (*owner).protocol = (*addresses).protocol;
        (*owner).family = (*addresses).family;
        (*owner).flags = flags;
        if !remember(cookie, &*owner) || !watched((*owner).uid) {
            return;
        }
        send(|record: *mut OwnerRecord| {
            let at_ns = (*owner).at_ns;
            (*record).head = Head { kind: kind::OWNER, detail: via, detail2: 0, at_ns, cookie };
            copy_words(owner, &raw mut (*record).owner);
            copy_words(addresses, &raw mut (*record).addresses);
        });
    }
}

/// Remembers a TCP socket that no process has shown itself with, by the user and the namespace
/// that the kernel keeps with it. `false` when it is not remembered: another protocol, no types of
/// the kernel, no room.
///
/// # Safety
/// `sk` must be the socket of a hook's context, or null.
#[inline(always)]
pub unsafe fn adopt(cookie: u64, sk: *mut c_void, flags: u16) -> bool {
    // SAFETY: the helper checks the socket, the verifier its result.
    unsafe {
        if offset!(has_btf) == 0 || sk.is_null() {
            return false;
        }
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk).cast();
        if tcp.is_null() {
            return false;
        }
        let net: *const u8 = field(tcp, offset!(sock_net));
        let entry = SockEntry {
            at_ns: 0,
            netns: field(net, offset!(net_cookie)),
            cgroup_id: 0,
            started_at_ns: 0,
            rtt_at_ns: 0,
            comm: [0; COMM_WORDS],
            tgid: 0,
            uid: field(tcp, offset!(sock_uid)),
            via: 0,
            protocol: field(tcp, offset!(sock_protocol)),
            family: field(tcp, offset!(sock_family)),
            flags,
        };
        remember(cookie, &entry)
    }
}

/// Enters a socket in the table; `false` when it has no room, which is counted.
#[inline(always)]
pub fn remember(cookie: u64, entry: &SockEntry) -> bool {
    if SOCKS.insert(cookie, entry, 0).is_ok() {
        return true;
    }
    // SAFETY: a counter.
    unsafe { count(&raw mut (*stats()).table_failed) };
    false
}

/// The first bytes of a record.
#[inline(always)]
pub fn head(kind: u16, detail: u16, cookie: u64) -> Head {
    Head { kind, detail, detail2: 0, at_ns: task::now_ns(), cookie }
}
