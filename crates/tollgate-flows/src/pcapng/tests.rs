use std::process::{Command, Stdio};

use pcap_file::pcapng::{PcapNgReader, blocks::block_common::Block};
use tollgate_core::SocketCookie;

use super::*;
use crate::{
    Engine, Event,
    event::{CallSockets, OwnerVia, PacketSeen},
    test_support::{call, on_loopback, owner, seen, trace},
};

const BOOT: u64 = 1_700_000_000_000_000_000;

/// An engine with a call over loopback, and a packet on another interface that was cut.
fn engine() -> Engine {
    let mut engine = Engine::new(crate::Config::default());
    engine.push(Event::GatewayPort(4141));
    engine.push(owner(1, 42, OwnerVia::Connect, "my \"odd\" tool"));
    for packet in trace("http-sse") {
        let tuple = crate::packet::summarise(&packet.bytes, 100_000).unwrap().tuple;
        let (from, to) = if tuple.dst_port == 4141 { (1, 2) } else { (2, 1) };
        for event in on_loopback(packet.at_ns, from, to, &packet.bytes) {
            engine.push(event);
        }
    }
    engine.push(Event::CallSockets(CallSockets {
        call: call(1),
        client_cookie: Some(SocketCookie(2)),
        upstream_cookie: None,
        started_at_ns: 1_000_000_000,
        finished_at_ns: Some(9_000_000_000),
    }));
    let hello = &trace("tls13")[3].bytes;
    let cut = seen(2_000_000_000, 0, Direction::Ingress, hello, 96);
    engine.push(Event::Packet(PacketSeen { ifindex: 7, ..cut }));
    engine
}

fn file() -> Vec<u8> {
    let engine = engine();
    let config = Config {
        boot_at_unix_ns: BOOT,
        application: "Tollgate test".to_owned(),
        interface_names: HashMap::from([((crate::test_support::NETNS, 7), "wlan0".to_owned())]),
    };
    let mut writer = PcapngWriter::new(Vec::new(), config).unwrap();
    let mut chunks = writer.take();
    for row in engine.packets(0, 1_000, &crate::Filter::default()) {
        writer.write(&engine.packet(row.seq).unwrap()).unwrap();
        chunks.extend(writer.take());
    }
    chunks.extend(writer.into_inner());
    chunks
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of a foreign list, two kinds are expected")]
#[test]
fn packets_are_written_with_time_length_direction_and_comment() {
    let file = file();
    let mut reader = PcapNgReader::new(file.as_slice()).unwrap();
    let mut packets = Vec::new();
    let mut interfaces = Vec::new();
    while let Some(block) = reader.next_block() {
        match block.unwrap().0.into_owned() {
            Block::EnhancedPacket(it) => packets.push(it),
            Block::InterfaceDescription(it) => interfaces.push(it),
            other => panic!("not expected: {other:?}"),
        }
    }
    assert_eq!((packets.len(), interfaces.len()), (31, 2));
    assert!(interfaces.iter().all(|it| it.linktype == DataLink::RAW));
    assert_eq!(packets[0].timestamp, Duration::from_nanos(BOOT + 1_000_000_000));
    let text = |at: usize| {
        packets[at].options.iter().find_map(|it| match it {
            EnhancedPacketOption::Common(CommonOption::Comment(it)) => Some(it.to_string()),
            _ => None,
        })
    };
    let want = format!(
        "program=\"my 'odd' tool\" pid=42 call={} flow=1 dir=out leg=client host=127.0.0.1 cookie=1",
        call(1)
    );
    assert_eq!(text(0), Some(want));
    assert_eq!(text(30).as_deref(), Some("flow=2 dir=in leg=other"));
    let last = &packets[30];
    assert_eq!((last.data.len(), last.interface_id), (96, 1));
    assert_eq!(last.original_len as usize, trace("tls13")[3].bytes.len());
    assert!(last.options.contains(&EnhancedPacketOption::Flags(FLAG_INBOUND)));
    assert!(packets[0].options.contains(&EnhancedPacketOption::Flags(FLAG_OUTBOUND)));
    assert!(!String::from_utf8_lossy(&file).contains("made-up"), "no credentials in an export");
}

/// What `tshark` prints about the file on its standard output; fails on any complaint.
fn tshark(path: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = Command::new("tshark");
    let output = command.arg("-r").arg(path).args(arguments).output().expect("tshark runs");
    let complaints: String = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|it| !it.starts_with("Running as user \"root\""))
        .collect();
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn tshark_opens_the_file_without_a_warning() {
    let found = Command::new("tshark")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    let path = std::env::temp_dir().join(format!("tollgate-flows-{}.pcapng", std::process::id()));
    std::fs::write(&path, file()).unwrap();
    let fields = [
        "-T",
        "fields",
        "-E",
        "separator=|",
        "-e",
        "frame.comment",
        "-e",
        "frame.interface_name",
        "-e",
        "frame.len",
        "-e",
        "frame.cap_len",
        "-e",
        "frame.packet_flags_direction",
        "-e",
        "frame.time_epoch",
        "-e",
        "_ws.col.Protocol",
    ];
    let lines = tshark(&path, &fields);
    let experts = tshark(&path, &["-Y", "_ws.malformed || _ws.short"]);
    std::fs::remove_file(&path).unwrap();
    let rows: Vec<Vec<&str>> = lines.lines().map(|it| it.split('|').collect()).collect();
    assert_eq!(rows.len(), 31);
    assert!(rows[0][0].starts_with("program=\"my 'odd' tool\" pid=42 call="), "{}", rows[0][0]);
    assert!(rows[0][0].contains(" flow=1 dir=out"), "{}", rows[0][0]);
    assert_eq!(rows[0][1..4], ["lo", "60", "60"]);
    assert_eq!(rows[0][5], "1700000001.000000000");
    assert_eq!(rows[30][1..4], ["wlan0", "569", "96"]);
    assert!(rows.iter().any(|it| it[6].starts_with("HTTP")), "credentials blanked, still HTTP");
    let malformed: Vec<&str> = experts.lines().collect();
    assert!(malformed.len() <= 1, "only the packet that was cut may look short: {malformed:?}");
}
