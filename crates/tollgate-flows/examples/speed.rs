//! Prints what a packet costs: CPU nanoseconds per packet, the median over repeats, for the one-line
//! summary, the layered detail and the whole engine (push and drain), by kind of packet.
//!
//! `cargo run --release -p tollgate-flows --example speed`

use std::{
    error::Error,
    fs,
    hint::black_box,
    io::{self, Write as _},
    path::Path,
};

use pcap_file::pcap::PcapReader;
use tollgate_core::{CallId, SocketCookie, UnixMs, caller::ProcessKey};
use tollgate_flows::{
    Config, Engine, Event,
    event::{CallSockets, Direction, OwnerSeen, OwnerVia, PacketSeen},
    packet::{decode, summarise},
};

const REPEATS: usize = 15;
const PACKETS: usize = 20_000;
const TRACES: [&str; 6] =
    ["http-sse", "http-sse-ipv6", "tls13", "tls12", "tls13-split-hello", "dns"];

/// CPU time of this thread so far, in nanoseconds.
fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("no CPU time")?.parse()?)
}

/// Nanoseconds per packet of `work`, which handles `packets` of them.
fn measure(packets: usize, mut work: impl FnMut()) -> Result<u64, Box<dyn Error>> {
    let mut each = Vec::with_capacity(REPEATS);
    for _ in 0..REPEATS {
        let before = cpu_ns()?;
        work();
        each.push((cpu_ns()? - before) / u64::try_from(packets)?);
    }
    each.sort_unstable();
    Ok(each.get(REPEATS / 2).copied().unwrap_or_default())
}

fn trace(name: &str) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.pcap"));
    let file = fs::read(path)?;
    let mut reader = PcapReader::new(file.as_slice())?;
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        packets.push(packet?.data().to_vec());
    }
    Ok(packets)
}

fn is_data(packet: &[u8]) -> bool {
    u32::try_from(packet.len())
        .is_ok_and(|len| summarise(packet, len).is_ok_and(|it| it.payload_len > 0))
}

/// A full segment of ciphertext, as most packets of an answer are.
fn bulk() -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4([192, 0, 2, 7], [192, 168, 1, 5], 64)
        .tcp(443, 50_000, 1, 64_240)
        .ack(1);
    let mut payload = vec![0x5a; 1_448];
    payload.splice(..5, [0x17, 3, 3, 0x05, 0xa3]);
    let mut packet = Vec::new();
    // Writing to memory cannot fail.
    let _ = builder.write(&mut packet, &payload);
    packet
}

fn event(at: usize, bytes: &[u8], snap: usize) -> PacketSeen {
    PacketSeen {
        at_ns: u64::try_from(at).unwrap_or_default() * 1_000,
        cookie: SocketCookie(7),
        netns: 1,
        ifindex: 2,
        direction: Direction::Egress,
        len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        gso_size: 0,
        gso_segs: 0,
        mark: 0,
        hash: 0,
        uid: None,
        tcp: None,
        bytes: bytes.get(..snap).unwrap_or(bytes).into(),
    }
}

/// An engine in the middle of its work: an owner, a call, a full ring.
fn engine() -> Engine {
    let mut engine = Engine::new(Config { packets_kept: 10_000, ..Config::default() });
    engine.push(Event::Owner(OwnerSeen {
        at_ns: 0,
        cookie: SocketCookie(7),
        process: ProcessKey { pid: 42, started_at_ns: 0 },
        uid: 1000,
        cgroup_id: 1,
        comm: "agent".to_owned(),
        via: OwnerVia::Connect,
    }));
    engine.push(Event::CallSockets(CallSockets {
        call: CallId::new(UnixMs(0), [1; 10]),
        client_cookie: None,
        upstream_cookie: Some(SocketCookie(7)),
        started_at_ns: 0,
        finished_at_ns: None,
    }));
    engine
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(out, "CPU ns per packet, median of {REPEATS} × {PACKETS}")?;
    writeln!(out, "{:32} {:>9} {:>9} {:>12}", "packets", "summarise", "decode", "push + drain")?;
    let mut everything = Vec::new();
    for name in TRACES {
        everything.extend(trace(name)?);
    }
    let (data, bare): (Vec<_>, Vec<_>) = everything.iter().cloned().partition(|it| is_data(it));
    let kinds = [
        ("all traces, snap 1536", everything.clone(), 1_536),
        ("all traces, snap 96", everything, 96),
        ("data packets, snap 1536", data, 1_536),
        ("bare acknowledgements", bare, 1_536),
        ("full segments, snap 1536", vec![bulk()], 1_536),
        ("full segments, snap 96", vec![bulk()], 96),
    ];
    for (name, packets, snap) in &kinds {
        let cut: Vec<(&[u8], u32)> = packets
            .iter()
            .map(|it| (it.get(..*snap).unwrap_or(it), u32::try_from(it.len()).unwrap_or(u32::MAX)))
            .collect();
        let each = || cut.iter().cycle().take(PACKETS);
        let summary = measure(PACKETS, || {
            each().for_each(|(bytes, len)| drop(black_box(summarise(black_box(bytes), *len))));
        })?;
        let detail = measure(PACKETS, || {
            each().for_each(|(bytes, len)| drop(black_box(decode(black_box(bytes), *len))));
        })?;
        let mut engine = engine();
        let pushed = measure(PACKETS, || {
            for (at, packet) in packets.iter().cycle().take(PACKETS).enumerate() {
                engine.push(Event::Packet(event(at, packet, *snap)));
                if at % 100 == 99 {
                    black_box(engine.drain_new());
                }
            }
        })?;
        writeln!(out, "{name:32} {summary:>9} {detail:>9} {pushed:>12}")?;
    }
    Ok(())
}
