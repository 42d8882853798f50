//! The programs' records as events.
//!
//! Copies and renames; nothing here looks into a packet, but for where its headers end when the
//! client may not have what follows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tollgate_bpf_abi::{
    Addresses, ExecRecord, ForkRecord, HAS_TCP, Head, OwnerRecord, PacketRecord, SockEntry,
    SocketRecord, Tcp, UID_UNKNOWN, direction, kind, tcp_op, via,
};
use tollgate_helper_protocol::Event;
use tollgate_helper_protocol::event::{
    Closed, Direction, Established, Executed, Exited, Forked, Owner, Packet, PeerCookie, Process,
    Protocol, Retransmitted, Role, Rtt, Snap, State, TcpBrief, TcpInfo, TcpState, Via,
};
use tollgate_helper_protocol::request::Payload;

/// Nanoseconds in the clock tick that `/proc/PID/stat` counts in: `USER_HZ` is 100 everywhere.
const TICK_NS: u64 = 10_000_000;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;
const IPPROTO_MPTCP: u16 = 262;

/// Turns one record into events, each with the user it belongs to. Calls `emit` not at all for
/// bytes that are no record.
pub(crate) fn events(record: &[u8], payload: Payload, mut emit: impl FnMut(Option<u32>, Event)) {
    let Some(head) = read::<Head>(record) else { return };
    match head.kind {
        kind::PACKET => {
            if let Some(packet) = packet(record, payload) {
                emit(packet.uid, Event::Packet(packet));
            }
        }
        kind::OWNER => {
            let Some(record) = read::<OwnerRecord>(record) else { return };
            let owner = owner(head.cookie, &record.owner, Some(&record.addresses));
            let Some(owner) = owner else { return };
            let peer = peer(&owner);
            emit(Some(owner.uid), Event::Owner(owner));
            if let Some((uid, peer)) = peer {
                emit(Some(uid), Event::PeerCookie(peer));
            }
        }
        kind::TCP | kind::RELEASED | kind::RETRANSMITTED => {
            if let Some(record) = read::<SocketRecord>(record)
                && let Some(event) = socket(&record)
            {
                emit(known_uid(record.uid), event);
            }
        }
        kind::EXECUTED => {
            if let Some(record) = read::<ExecRecord>(record) {
                emit(Some(record.uid), Event::Executed(executed(&record)));
            }
        }
        kind::FORKED | kind::EXITED => {
            if let Some(record) = read::<ForkRecord>(record) {
                emit(Some(record.uid), process_event(&record));
            }
        }
        _ => {}
    }
}

fn read<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Option<T> {
    bytes.get(..size_of::<T>()).map(bytemuck::pod_read_unaligned)
}

fn packet(bytes: &[u8], payload: Payload) -> Option<Packet> {
    let record = read::<PacketRecord>(bytes)?;
    let snap = bytes.get(size_of::<PacketRecord>()..)?;
    let mut snap = snap.get(..usize::try_from(record.snap_len).ok()?)?;
    if payload == Payload::Withheld {
        snap = snap.get(..header_bytes(snap)).unwrap_or(snap);
    }
    let tcp = (record.head.detail2 & HAS_TCP != 0).then(|| TcpBrief {
        srtt_us: record.srtt_us_x8 / 8,
        snd_cwnd: record.snd_cwnd,
        retransmits: record.total_retrans,
        state: TcpState::from_linux(record.head.detail2 & !HAS_TCP),
    });
    Some(Packet {
        at_ns: record.head.at_ns,
        cookie: record.head.cookie,
        uid: known_uid(record.uid),
        netns: known(record.netns),
        ifindex: record.ifindex,
        direction: if record.head.detail == direction::EGRESS {
            Direction::Egress
        } else {
            Direction::Ingress
        },
        len: record.len,
        gso_size: u32::from(record.gso_size),
        gso_segs: u32::from(record.gso_segs),
        mark: record.mark,
        hash: (record.hash != 0).then_some(record.hash),
        tcp,
        snap: Snap(snap.to_vec()),
    })
}

/// Where the headers of a packet end: IPv4 with options or plain IPv6, then TCP with options or
/// UDP. Of anything else only the fixed IP header.
fn header_bytes(packet: &[u8]) -> usize {
    let byte = |at: usize| packet.get(at).copied().map(usize::from);
    let Some(first) = byte(0) else { return 0 };
    let (fixed, ip, protocol) = match first >> 4 {
        4 => (20, (first & 15) * 4, byte(9)),
        6 => (40, 40, byte(6)),
        _ => return 0,
    };
    match protocol.and_then(|protocol| u16::try_from(protocol).ok()) {
        Some(IPPROTO_TCP) => ip + byte(ip + 12).unwrap_or(0) / 16 * 4,
        Some(IPPROTO_UDP) => ip + 8,
        _ => fixed,
    }
}

/// An entry of the table of sockets as an owner; `None` when no process showed itself.
pub(crate) fn owner(
    cookie: u64,
    entry: &SockEntry,
    addresses: Option<&Addresses>,
) -> Option<Owner> {
    let via = match entry.via {
        via::CREATE => Via::Create,
        via::BIND => Via::Bind,
        via::CONNECT => Via::Connect,
        via::SEND_RECEIVE => Via::SendReceive,
        _ => return None,
    };
    let (local, remote) = addresses.and_then(ends).unzip();
    Some(Owner {
        at_ns: entry.at_ns,
        cookie,
        netns: known(entry.netns),
        process: process(entry.tgid, entry.started_at_ns),
        uid: entry.uid,
        cgroup_id: entry.cgroup_id,
        comm: comm(entry.comm),
        via,
        protocol: match entry.protocol {
            IPPROTO_TCP | IPPROTO_MPTCP => Protocol::Tcp,
            IPPROTO_UDP => Protocol::Udp,
            other => Protocol::Other(other),
        },
        local: local.filter(|address| address.port() != 0),
        remote: remote.filter(|address| address.port() != 0),
    })
}

/// A process that used a connection within this machine is also the peer of another socket.
fn peer(owner: &Owner) -> Option<(u32, PeerCookie)> {
    let (local, remote) = (owner.local?, owner.remote?);
    let is_within = local.ip() == remote.ip() || remote.ip().to_canonical().is_loopback();
    (owner.via == Via::SendReceive && is_within).then(|| {
        let (at_ns, cookie, netns) = (owner.at_ns, owner.cookie, owner.netns);
        (owner.uid, PeerCookie { at_ns, cookie, uid: Some(owner.uid), netns, local, remote })
    })
}

fn socket(record: &SocketRecord) -> Option<Event> {
    let Head { kind, detail, detail2, at_ns, cookie } = record.head;
    let uid = known_uid(record.uid);
    if kind == kind::RELEASED {
        return Some(Event::Closed(Closed { at_ns, cookie, uid, tcp: None }));
    }
    if kind == kind::RETRANSMITTED {
        return Some(Event::Retransmitted(Retransmitted { at_ns, cookie, uid }));
    }
    let tcp = tcp_info(&record.tcp);
    match detail {
        tcp_op::ACTIVE_ESTABLISHED | tcp_op::PASSIVE_ESTABLISHED => {
            let (local, remote) = ends(&record.addresses)?;
            let is_active = detail == tcp_op::ACTIVE_ESTABLISHED;
            let role = if is_active { Role::Active } else { Role::Passive };
            let netns = known(record.netns);
            let established = Established { at_ns, cookie, uid, netns, role, local, remote, tcp };
            Some(Event::Established(established))
        }
        tcp_op::STATE => {
            let from = TcpState::from_linux(detail2 & 0xffff);
            let to = TcpState::from_linux(detail2 >> 16);
            Some(if to == TcpState::Close {
                Event::Closed(Closed { at_ns, cookie, uid, tcp: Some(tcp) })
            } else {
                Event::State(State { at_ns, cookie, uid, from, to, tcp })
            })
        }
        tcp_op::RTT => Some(Event::Rtt(Rtt { at_ns, cookie, uid, tcp })),
        _ => None,
    }
}

fn tcp_info(tcp: &Tcp) -> TcpInfo {
    TcpInfo {
        srtt_us: tcp.srtt_us_x8 / 8,
        min_rtt_us: tcp.rtt_min_us,
        snd_cwnd: tcp.snd_cwnd,
        mss: tcp.mss,
        retransmits: tcp.total_retrans,
        lost: tcp.lost_out,
        segments_out: tcp.segs_out,
        segments_in: tcp.segs_in,
        bytes_acked: tcp.bytes_acked,
        bytes_received: tcp.bytes_received,
    }
}

fn executed(record: &ExecRecord) -> Executed {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let used = |bytes: &[u8], len: u32| -> Option<Vec<u8>> {
        let len = usize::try_from(len).ok()?;
        (len > 0).then(|| bytes.get(..len).unwrap_or(bytes).to_vec())
    };
    let filename = used(&record.filename, record.filename_len);
    let argv = used(&record.argv, record.argv_len).map(|bytes| {
        // Every argument is ended by a zero, the last one too unless it was cut.
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        bytes.split(|byte| *byte == 0).map(text).collect()
    });
    Executed {
        at_ns: record.head.at_ns,
        process: process(record.tgid, record.started_at_ns),
        parent: (record.parent_tgid != 0).then_some(record.parent_tgid),
        uid: record.uid,
        cgroup_id: record.cgroup_id,
        comm: comm(record.comm),
        filename: filename.map(|bytes| text(bytes.strip_suffix(b"\0").unwrap_or(&bytes))),
        argv,
        argv_cut: record.head.detail != 0,
    }
}

fn process_event(record: &ForkRecord) -> Event {
    let (at_ns, uid) = (record.head.at_ns, record.uid);
    let process_key = process(record.tgid, record.started_at_ns);
    if record.head.kind == kind::EXITED {
        return Event::Exited(Exited { at_ns, process: process_key, uid });
    }
    let parent = process(record.parent_tgid, record.parent_started_at_ns);
    Event::Forked(Forked { at_ns, process: process_key, parent, uid })
}

fn process(pid: u32, started_at_ns: u64) -> Process {
    Process { pid, started_at_ns: started_at_ns / TICK_NS * TICK_NS }
}

fn comm(words: [u64; 2]) -> String {
    let bytes: &[u8] = bytemuck::cast_slice(&words);
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// Local and remote address, as the family says.
fn ends(addresses: &Addresses) -> Option<(SocketAddr, SocketAddr)> {
    let (local, remote): (IpAddr, IpAddr) = match addresses.family {
        AF_INET => (v4(addresses.local4).into(), v4(addresses.remote4).into()),
        AF_INET6 => (v6(addresses.local6).into(), v6(addresses.remote6).into()),
        _ => return None,
    };
    let local = SocketAddr::new(local, addresses.local_port);
    Some((local, SocketAddr::new(remote, addresses.remote_port)))
}

fn v4(word: u32) -> Ipv4Addr {
    Ipv4Addr::from(word.to_ne_bytes())
}

fn v6(words: [u32; 4]) -> Ipv6Addr {
    let bytes: [u8; 16] = bytemuck::cast(words);
    Ipv6Addr::from(bytes)
}

fn known(value: u64) -> Option<u64> {
    (value != 0).then_some(value)
}

fn known_uid(uid: u32) -> Option<u32> {
    (uid != UID_UNKNOWN).then_some(uid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..1500),
                                  kind in prop::sample::select(vec![1_u16, 16, 32, 33, 34, 48, 49, 50])) {
            if let Some(field) = bytes.first_chunk_mut::<2>() {
                *field = kind.to_ne_bytes();
            }
            for payload in [Payload::Copied, Payload::Withheld] {
                events(&bytes, payload, |_, _| {});
            }
        }
    }

    #[test]
    fn withheld_payload_ends_with_the_transport_header() {
        let mut tcp = vec![0_u8; 96];
        tcp[0] = 0x45;
        tcp[9] = 6;
        tcp[32] = 0x80;
        assert_eq!(header_bytes(&tcp), 52);
        tcp[9] = 17;
        assert_eq!(header_bytes(&tcp), 28);
        tcp[9] = 1;
        assert_eq!(header_bytes(&tcp), 20);
        let mut v6 = vec![0_u8; 96];
        v6[0] = 0x60;
        v6[6] = 6;
        v6[52] = 0xa0;
        assert_eq!(header_bytes(&v6), 80);
        assert_eq!(header_bytes(&[0x45]), 20);
        assert_eq!(header_bytes(&[0xff; 96]), 0);
        assert_eq!(header_bytes(&[]), 0);
    }

    #[test]
    fn cuts_start_times_to_clock_ticks() {
        assert_eq!(process(7, 123_456_789_012), Process { pid: 7, started_at_ns: 123_450_000_000 });
    }
}
