//! What `tshark` says of the same packets, field by field.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use etherparse::{IpFragOffset, Ipv4Header, Ipv6Header};
use pcap_file::{
    DataLink,
    pcap::{PcapHeader, PcapPacket, PcapWriter},
};

use super::*;

const TRACES: [&str; 8] = [
    "http-sse",
    "http-sse-ipv6",
    "tls13",
    "tls12",
    "tls13-split-hello",
    "dns",
    "quic",
    "quic-split-hello",
];

/// A field of `tshark`'s, and how the same stands here; `None` where it is not told.
type Same = (&'static str, fn(&Decoded) -> Option<String>);

const FIELDS: [Same; 20] = [
    ("ip.src", |it| address(it, |it| it.src).filter(|_| has(it, "IPv4"))),
    ("ip.dst", |it| address(it, |it| it.dst).filter(|_| has(it, "IPv4"))),
    ("ipv6.src", |it| address(it, |it| it.src).filter(|_| has(it, "IPv6"))),
    ("ipv6.dst", |it| address(it, |it| it.dst).filter(|_| has(it, "IPv6"))),
    ("ip.ttl", |it| shown(it, "IPv4", "TTL")),
    ("ip.id", |it| shown(it, "IPv4", "Identification")),
    ("ipv6.hlim", |it| shown(it, "IPv6", "Hop limit")),
    ("tcp.srcport", |it| it.tcp.map(|_| it.tuple.unwrap().src_port.to_string())),
    ("tcp.dstport", |it| it.tcp.map(|_| it.tuple.unwrap().dst_port.to_string())),
    ("tcp.seq_raw", |it| it.tcp.map(|it| it.seq.to_string())),
    ("tcp.ack_raw", |it| it.tcp.map(|it| it.ack.to_string())),
    ("tcp.flags", |it| it.tcp.map(|it| format!("0x{:04x}", it.flags.0))),
    ("tcp.window_size_value", |it| it.tcp.map(|it| it.window.to_string())),
    ("tcp.options.mss_val", |it| it.tcp?.mss.map(|it| it.to_string())),
    ("tcp.options.wscale.shift", |it| it.tcp?.window_scale.map(|it| it.to_string())),
    ("tcp.options.timestamp.tsval", |it| it.tcp?.timestamps.map(|it| it.0.to_string())),
    ("udp.srcport", |it| shown(it, "UDP", "Source port")),
    ("udp.length", |it| shown(it, "UDP", "Length")),
    ("icmp.checksum", |it| shown(it, "ICMP", "Checksum")),
    ("dns.id", |it| shown(it, "DNS", "Id")),
];

/// The fields of a TLS hello that one packet has alone.
const HELLOS: [Same; 2] = [
    ("tls.handshake.extensions_server_name", |it| shown(it, "TLS", "Server name (SNI)")),
    ("tls.handshake.extensions_alpn_str", |it| {
        let offered = shown(it, "TLS", "Application protocols (ALPN)");
        let chosen = || shown(it, "TLS", "Application protocol");
        offered.map(|it| it.replace(", ", ",")).or_else(chosen)
    }),
];

fn has(decoded: &Decoded, layer: &str) -> bool {
    decoded.layers.first().is_some_and(|it| it.name == layer)
}

fn address(decoded: &Decoded, which: fn(&FiveTuple) -> IpAddr) -> Option<String> {
    decoded.tuple.as_ref().map(|it| which(it).to_string())
}

/// The first field of this name, also of a packet that an ICMP error quotes: `tshark` does so.
fn shown(decoded: &Decoded, layer: &str, name: &str) -> Option<String> {
    let layers = decoded.layers.iter().filter(|it| it.name == layer);
    let mut fields = layers.flat_map(|it| &it.fields);
    fields.find(|it| it.name == name).map(|it| it.value.clone())
}

/// What `tshark` prints of a file: the fields of each packet.
fn tshark(path: &Path, fields: &[Same], occurrence: &str) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(path).args(["-d", "tcp.port==8443,tls", "-T", "fields"]);
    command.args(["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]);
    command.args(["-E", "separator=|", "-E", &format!("occurrence={occurrence}")]);
    for (field, _) in fields {
        command.args(["-e", field]);
    }
    let output = command.stderr(Stdio::null()).output().expect("tshark runs");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|it| it.split('|').map(str::to_owned).collect()).collect()
}

fn check(path: &Path, packets: &[Vec<u8>], fields: &[Same], occurrence: &str) -> usize {
    let theirs = tshark(path, fields, occurrence);
    assert_eq!(theirs.len(), packets.len(), "{}", path.display());
    let mut compared = 0;
    for (number, (packet, theirs)) in packets.iter().zip(&theirs).enumerate() {
        let decoded = decode(packet, whole(packet));
        for ((field, ours), theirs) in fields.iter().zip(theirs) {
            let ours = ours(&decoded).unwrap_or_default();
            assert_eq!(&ours, theirs, "{field} of packet {} in {}", number + 1, path.display());
            compared += usize::from(!theirs.is_empty());
        }
    }
    compared
}

/// Packets of kinds that the recordings do not have.
fn odd_packets() -> Vec<Vec<u8>> {
    let udp = datagram("10.0.0.1:5000", "10.0.0.2:5001", b"abcd");
    let mut packets = vec![icmp_message(Protocol::Icmp, [3, 3, 0x12, 0x34, 0, 0, 0, 0], &udp)];
    let mut syn = segment("10.0.0.1:5000", "10.0.0.2:443", Flags::Syn, 9, b"");
    let options = [2, 4, 5, 0xb4, 30, 12, 0, 0x81, 1, 2, 3, 4, 5, 6, 7, 8, 34, 2, 4, 2, 3, 3, 7, 1];
    syn.splice(40..40, options);
    syn[32] = u8::try_from((20 + options.len()) / 4 * 16).unwrap();
    let total = u16::try_from(syn.len()).unwrap();
    syn[2..4].copy_from_slice(&total.to_be_bytes());
    packets.push(syn);
    for offset in [0, 1] {
        let mut header =
            Ipv4Header::new(8, 9, etherparse::IpNumber::UDP, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
        header.more_fragments = offset == 0;
        header.dont_fragment = false;
        header.identification = 77;
        header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
        let mut packet = Vec::new();
        header.write(&mut packet).unwrap();
        packet.extend_from_slice(if offset == 0 {
            &[0x13, 0x88, 0, 99, 0, 16, 0, 0]
        } else {
            b"the tail"
        });
        packets.push(packet);
    }
    // Hop-by-hop options of padding, then a first fragment of UDP.
    let mut packet = Vec::new();
    let header = Ipv6Header {
        payload_length: 24,
        next_header: etherparse::IpNumber::IPV6_HEADER_HOP_BY_HOP,
        hop_limit: 3,
        source: [2; 16],
        destination: [1; 16],
        ..Ipv6Header::default()
    };
    header.write(&mut packet).unwrap();
    packet.extend_from_slice(&[44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 7]);
    packet.extend_from_slice(&[0x13, 0x88, 0, 99, 0, 16, 0, 0]);
    packets.push(packet);
    packets
}

#[test]
fn fields_agree_with_those_of_tshark() {
    let quiet = |it: &mut Command| it.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if quiet(Command::new("tshark").arg("--version")).is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    let mut compared = 0;
    for name in TRACES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("traces/{name}.pcap"));
        let packets: Vec<Vec<u8>> = trace(name).into_iter().map(|it| it.bytes).collect();
        compared += check(&path, &packets, &FIELDS, "f");
        // Those that `tshark` puts together it shows with the last packet.
        if !name.contains("split") {
            compared += check(&path, &packets, &HELLOS, "a");
        }
    }
    assert!(compared > 1_000, "{compared} values");
    let path = std::env::temp_dir().join(format!("tollgate-odd-{}.pcap", std::process::id()));
    let packets = odd_packets();
    let header = PcapHeader { datalink: DataLink::RAW, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
    for packet in &packets {
        let at = std::time::Duration::from_secs(1);
        writer.write_packet(&PcapPacket::new(at, whole(packet), packet).unwrap()).unwrap();
    }
    std::fs::write(&path, writer.into_inner()).unwrap();
    let compared = check(&path, &packets, &FIELDS, "f");
    std::fs::remove_file(&path).unwrap();
    assert!(compared > 30, "{compared} values");
}
