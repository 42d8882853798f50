//! What the tests of this package share: recorded traces, and packets built by hand.

use std::{net::SocketAddr, path::Path};

use etherparse::PacketBuilder;
use pcap_file::pcap::PcapReader;
use tollgate_core::{CallId, SocketCookie, UnixMs, caller::ProcessKey};

use crate::event::{Direction, Event, OwnerSeen, OwnerVia, PacketSeen};

pub(crate) const NETNS: u64 = 4_026_531_840;

/// A packet of a trace.
pub(crate) struct Traced {
    pub(crate) at_ns: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The packets of `traces/<name>.pcap`.
pub(crate) fn trace(name: &str) -> Vec<Traced> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.pcap"));
    let file = std::fs::read(&path).expect("the trace is in the repository");
    let mut reader = PcapReader::new(file.as_slice()).expect("a pcap file");
    let mut packets = Vec::new();
    let mut first = None;
    while let Some(packet) = reader.next_packet() {
        let packet = packet.expect("a whole packet");
        assert_eq!(packet.orig_len() as usize, packet.data().len(), "recorded in full");
        let first = *first.get_or_insert(packet.timestamp());
        let since = u64::try_from((packet.timestamp() - first).as_nanos()).unwrap();
        packets.push(Traced { at_ns: 1_000_000_000 + since, bytes: packet.data().to_vec() });
    }
    packets
}

pub(crate) fn process(pid: u32) -> ProcessKey {
    ProcessKey { pid, started_at_ns: u64::from(pid) * 10_000_000 }
}

pub(crate) fn call(number: u8) -> CallId {
    CallId::new(UnixMs(1_700_000_000_000 + i64::from(number)), [number; 10])
}

pub(crate) fn owner(cookie: u64, pid: u32, via: OwnerVia, comm: &str) -> Event {
    Event::Owner(OwnerSeen {
        at_ns: 0,
        cookie: SocketCookie(cookie),
        process: process(pid),
        uid: 1000,
        cgroup_id: 1,
        comm: comm.to_owned(),
        via,
    })
}

/// A packet event; `snap` is the most that is copied.
pub(crate) fn seen(
    at_ns: u64,
    cookie: u64,
    direction: Direction,
    bytes: &[u8],
    snap: usize,
) -> PacketSeen {
    PacketSeen {
        at_ns,
        cookie: SocketCookie(cookie),
        netns: NETNS,
        ifindex: 2,
        direction,
        len: u32::try_from(bytes.len()).unwrap(),
        gso_size: 0,
        gso_segs: 0,
        mark: 0,
        hash: 0,
        uid: None,
        tcp: None,
        bytes: bytes.get(..snap).unwrap_or(bytes).into(),
    }
}

/// What `cgroup_skb` reports of a packet on loopback: once as it leaves, once as it arrives.
pub(crate) fn on_loopback(at_ns: u64, sender: u64, receiver: u64, bytes: &[u8]) -> [Event; 2] {
    let out = PacketSeen { ifindex: 1, ..seen(at_ns, sender, Direction::Egress, bytes, 1536) };
    let arrived =
        PacketSeen { ifindex: 1, ..seen(at_ns, receiver, Direction::Ingress, bytes, 1536) };
    [Event::Packet(out), Event::Packet(arrived)]
}

/// Flags of a hand-built segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flags {
    Syn,
    SynAck,
    Ack,
    FinAck,
    Rst,
}

/// A TCP segment over IPv4 or IPv6.
pub(crate) fn segment(src: &str, dst: &str, flags: Flags, seq: u32, payload: &[u8]) -> Vec<u8> {
    let (src, dst): (SocketAddr, SocketAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let ip = match (src, dst) {
        (SocketAddr::V4(src), SocketAddr::V4(dst)) => {
            PacketBuilder::ipv4(src.ip().octets(), dst.ip().octets(), 64)
        }
        (SocketAddr::V6(src), SocketAddr::V6(dst)) => {
            PacketBuilder::ipv6(src.ip().octets(), dst.ip().octets(), 64)
        }
        _ => panic!("one family"),
    };
    let tcp = ip.tcp(src.port(), dst.port(), seq, 64_240);
    let tcp = match flags {
        Flags::Syn => tcp.syn(),
        Flags::SynAck => tcp.syn().ack(1),
        Flags::Ack => tcp.ack(1),
        Flags::FinAck => tcp.fin().ack(1),
        Flags::Rst => tcp.rst().ack(1),
    };
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, payload).unwrap();
    bytes
}

/// A UDP datagram over IPv4.
pub(crate) fn datagram(src: &str, dst: &str, payload: &[u8]) -> Vec<u8> {
    let (src, dst): (std::net::SocketAddrV4, std::net::SocketAddrV4) =
        (src.parse().unwrap(), dst.parse().unwrap());
    let builder = PacketBuilder::ipv4(src.ip().octets(), dst.ip().octets(), 64);
    let mut bytes = Vec::new();
    builder.udp(src.port(), dst.port()).write(&mut bytes, payload).unwrap();
    bytes
}
