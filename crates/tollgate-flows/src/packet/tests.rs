mod agreement;

use proptest::prelude::*;

use super::*;
use crate::test_support::{Flags, datagram, segment, trace};

fn whole(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// Protocol and one-line summary of every packet of a trace that carries data.
fn lines(name: &str) -> Vec<String> {
    trace(name)
        .iter()
        .map(|it| summarise(&it.bytes, whole(&it.bytes)).expect("an IP packet"))
        .filter(|it| it.payload_len > 0)
        .map(|it| format!("{} {}", it.protocol.as_str(), it.info))
        .collect()
}

fn field<'a>(decoded: &'a Decoded, layer: &str, name: &str) -> &'a str {
    let layer = decoded.layers.iter().find(|it| it.name == layer).expect("the layer is there");
    &layer.fields.iter().find(|it| it.name == name).expect("the field is there").value
}

#[test]
fn a_handshake_shows_its_flags_and_options() {
    let packets = trace("http-sse");
    let syn = decode(&packets[0].bytes, whole(&packets[0].bytes));
    assert!(syn.info.contains("→ 4141 [SYN] seq "), "{}", syn.info);
    assert!(syn.info.ends_with("win 65495 len 0 mss 65495"), "{}", syn.info);
    let facts = syn.tcp.unwrap();
    assert!(facts.flags.opens() && facts.sack_permitted);
    assert_eq!((facts.mss, facts.window_scale), (Some(65_495), Some(10)));
    assert_eq!(field(&syn, "TCP", "Option: window scale"), "2^10");
    assert_eq!(field(&syn, "IPv4", "Destination"), "127.0.0.1");
    assert_eq!(field(&syn, "IPv4", "Flags"), "don't fragment");
    let names: Vec<&str> = syn.layers.iter().map(|it| it.name).collect();
    assert_eq!(names, ["IPv4", "TCP"]);
}

#[test]
fn requests_answers_and_events_are_read() {
    for (name, host) in [("http-sse", "127.0.0.1:4141"), ("http-sse-ipv6", "[::1]:4141")] {
        let lines = lines(name);
        let request = format!("http POST /v1/messages?beta=true HTTP/1.1 host {host}, ");
        assert!(lines[0].starts_with(&request), "{}", lines[0]);
        assert_eq!(lines[1], "sse HTTP/1.1 200 OK, text/event-stream, 80 bytes");
        let want = "sse message_start data {\"type\":\"message_start\",\"message\":{\"model\"";
        assert!(lines[2].starts_with(want), "{}", lines[2]);
        assert!(lines[4].starts_with("sse message_stop data "), "{}", lines[4]);
        assert_eq!(
            lines.len(),
            12,
            "{name}: two requests, each answered in a head, 3 events, an end"
        );
    }
}

#[test]
fn credentials_are_masked_and_their_place_is_told() {
    let packets = trace("http-sse");
    let packet = packets.iter().find(|it| it.bytes.windows(5).any(|it| it == b"POST ")).unwrap();
    let decoded = decode(&packet.bytes, whole(&packet.bytes));
    assert_eq!(field(&decoded, "HTTP", "x-api-key"), "••••••");
    assert_eq!(field(&decoded, "HTTP", "Authorization"), "Bearer ••••••");
    assert_eq!(field(&decoded, "HTTP", "Content-Type"), "application/json");
    let mut bytes = packet.bytes.clone();
    blank(&mut bytes, &decoded.secrets);
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("made-up"), "{text}");
    assert!(text.contains("x-api-key: ****") && text.contains("Authorization: Bearer *"), "{text}");
    assert_eq!(bytes.len(), packet.bytes.len());
}

#[test]
fn a_key_in_the_target_or_in_a_head_that_breaks_off_is_masked() {
    let target = b"GET /v1beta/models?alt=sse&key=AIzaMADEUP&x=1 HTTP/1.1\r\nHost: h\r\n\r\n";
    let packet = segment("10.0.0.1:5000", "10.0.0.2:80", Flags::Ack, 1, target);
    let decoded = decode(&packet, whole(&packet));
    assert!(decoded.info.contains("alt=sse&key=••••••&x=1"), "{}", decoded.info);
    let shown = format!("{:?}", decoded.layers);
    assert!(!shown.contains("MADEUP"), "{shown}");
    let mut blanked = packet;
    blank(&mut blanked, &decoded.secrets);
    assert!(!String::from_utf8_lossy(&blanked).contains("MADEUP"));

    let head = b"POST /v1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer sk-MADEUP";
    let packet = segment("10.0.0.1:5000", "10.0.0.2:80", Flags::Ack, 1, head);
    let decoded = decode(&packet, whole(&packet) + 100);
    assert!(decoded.truncated && decoded.info.ends_with("(head truncated)"), "{}", decoded.info);
    let mut blanked = packet;
    blank(&mut blanked, &decoded.secrets);
    assert!(!String::from_utf8_lossy(&blanked).contains("MADEUP"));
    assert!(String::from_utf8_lossy(&blanked).contains("Host: h"));
}

#[test]
fn hellos_tell_name_protocols_and_version() {
    for (name, versions) in [("tls13", "TLS 1.3, TLS 1.2"), ("tls12", "TLS 1.2")] {
        let lines = lines(name);
        assert_eq!(lines[0], "tls Client Hello SNI=api.example.test ALPN=h2,http/1.1", "{name}");
        assert!(lines[1].starts_with("tls Server Hello, "), "{}", lines[1]);
        let packets = trace(name);
        let hello = packets.iter().map(|it| decode(&it.bytes, whole(&it.bytes)));
        let hello = hello.into_iter().find(|it| it.info.starts_with("Client Hello")).unwrap();
        assert_eq!(field(&hello, "TLS", "Server name (SNI)"), "api.example.test");
        assert_eq!(field(&hello, "TLS", "Versions"), versions);
    }
    assert!(lines("tls13").iter().any(|it| it.contains("Application Data")));
    let server = trace("tls13").into_iter().find(|it| {
        summarise(&it.bytes, whole(&it.bytes)).unwrap().info.starts_with("Server Hello")
    });
    let server = server.unwrap();
    let server = decode(&server.bytes, whole(&server.bytes));
    assert_eq!(field(&server, "TLS", "Version"), "TLS 1.3");
    assert_eq!(field(&server, "TLS", "Cipher suite"), "TLS_AES_256_GCM_SHA384");
}

#[test]
fn a_hello_that_is_cut_off_gives_what_it_has_and_says_so() {
    let packets = trace("tls13");
    let hello = packets
        .iter()
        .find(|it| summarise(&it.bytes, whole(&it.bytes)).unwrap().protocol == Protocol::Tls)
        .unwrap();
    let total = whole(&hello.bytes);
    let mut named = 0;
    for cut in 57..hello.bytes.len() {
        let summary = summarise(&hello.bytes[..cut], total).unwrap();
        assert_eq!(summary.protocol, Protocol::Tls, "cut at {cut}");
        assert_eq!(summary.payload_len, total - 52, "the length on the wire does not change");
        assert!(summary.info.ends_with("(truncated)"), "cut at {cut}: {}", summary.info);
        let Some(Finding::ClientHello(hello)) = summary.finding else { continue };
        assert!(!hello.complete);
        named += usize::from(hello.sni.as_deref() == Some("api.example.test"));
    }
    assert!(named > 100, "the name is found once its extension is whole: {named}");
}

#[test]
fn names_and_addresses_are_read() {
    let lines = lines("dns");
    assert_eq!(lines[0], "dns query A api.example.test");
    assert_eq!(lines[1], "dns answer A api.example.test CNAME edge.example.test A 192.0.2.7");
    assert_eq!(
        lines[3],
        "dns answer AAAA api.example.test CNAME edge.example.test AAAA 2001:db8::7"
    );
    assert_eq!(lines[5], "dns answer A nowhere.test NameError");
    let answer = &trace("dns")[1].bytes;
    let Some(Finding::DnsAnswers(_, answers)) = summarise(answer, whole(answer)).unwrap().finding
    else {
        panic!("the addresses are a finding");
    };
    let want = dns::Answer {
        name: "api.example.test".to_owned(),
        addr: "192.0.2.7".parse().unwrap(),
        ttl_s: 60,
    };
    assert_eq!(answers, [want], "under the name that was asked for, not its alias");
}

#[test]
fn a_dns_answer_that_is_cut_off_still_names_its_question() {
    let answer = &trace("dns")[1].bytes;
    let summary = summarise(&answer[..70], whole(answer)).unwrap();
    assert_eq!(
        (summary.protocol, summary.info.as_str()),
        (Protocol::Dns, "answer A api.example.test (truncated)")
    );
    assert_eq!(summary.finding, None);
}

#[test]
fn dns_over_tcp_is_read() {
    let query = &trace("dns")[0].bytes[28..];
    let mut framed = u16::try_from(query.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(query);
    let packet = segment("10.0.0.1:5000", "10.0.0.2:53", Flags::Ack, 1, &framed);
    let summary = summarise(&packet, whole(&packet)).unwrap();
    assert_eq!(
        (summary.protocol, summary.info.as_str()),
        (Protocol::Dns, "query A api.example.test")
    );
}

#[test]
fn fragments_are_marked_and_their_ports_not_made_up() {
    let mut first = datagram("10.0.0.1:5000", "10.0.0.2:6000", &[0; 64]);
    first[6] = 0x20;
    let summary = summarise(&first, whole(&first)).unwrap();
    assert_eq!((summary.tuple.src_port, summary.tuple.dst_port), (5000, 6000));
    let mut later = first.clone();
    (later[6], later[7]) = (0, 8);
    let summary = summarise(&later, whole(&later)).unwrap();
    assert_eq!((summary.protocol, summary.tuple.src_port), (Protocol::Ip, 0));
    assert_eq!(summary.info, "fragment of UDP, 72 bytes");
    assert_eq!(field(&decode(&later, whole(&later)), "IPv4", "Fragment offset"), "64");
}

#[test]
fn ipv6_extension_headers_are_walked() {
    let plain = segment("[2001:db8::1]:5000", "[2001:db8::2]:443", Flags::Syn, 7, &[]);
    let mut packet = plain[..40].to_vec();
    let body = plain.len() - 40 + 8 + 8;
    packet[4..6].copy_from_slice(&u16::try_from(body).unwrap().to_be_bytes());
    packet[6] = 0;
    // Hop-by-hop, padded; then a fragment header of a packet that is all of its fragments.
    packet.extend([44, 0, 1, 4, 0, 0, 0, 0]);
    packet.extend([6, 0, 0, 0, 1, 2, 3, 4]);
    packet.extend(&plain[40..]);
    let decoded = decode(&packet, whole(&packet));
    let names: Vec<&str> = decoded.layers.iter().map(|it| it.name).collect();
    assert_eq!(names, ["IPv6", "IPv6 hop-by-hop options", "IPv6 fragment", "TCP"]);
    assert!(decoded.info.starts_with("5000 → 443 [SYN] seq 7"), "{}", decoded.info);
}

#[test]
fn extension_headers_that_break_off_are_survived() {
    let plain = segment("[2001:db8::1]:5000", "[2001:db8::2]:443", Flags::Syn, 7, &[]);
    for kind in [0, 43, 44, 51, 60] {
        for broken in [0, 43, 44, 51, 60] {
            let mut packet = plain[..40].to_vec();
            packet[6] = kind;
            packet.extend([broken, 0, 0, 0, 0, 0, 0, 0]);
            for len in 0..9 {
                let mut packet = packet.clone();
                packet.extend(std::iter::repeat_n(255, len));
                check_any(&packet, whole(&packet) + 100);
            }
        }
    }
}

#[test]
fn a_packet_over_64_kib_keeps_its_length() {
    let mut packet = segment("10.0.0.1:5000", "10.0.0.2:80", Flags::Ack, 1, &[7; 100]);
    (packet[2], packet[3]) = (0, 0);
    let summary = summarise(&packet, 200_000).unwrap();
    assert_eq!(summary.payload_len, 200_000 - 40);
}

#[test]
fn quic_and_icmp_are_named() {
    let initial = [0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0];
    let packet = datagram("10.0.0.1:5000", "10.0.0.2:443", &initial);
    let summary = summarise(&packet, whole(&packet)).unwrap();
    assert_eq!(
        (summary.protocol, summary.info.as_str()),
        (Protocol::Quic, "Initial (version 0x1), 16 bytes")
    );
    let mut packet = Vec::new();
    let echo = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    echo.icmpv4_echo_request(1, 2).write(&mut packet, b"abcd").unwrap();
    let summary = summarise(&packet, whole(&packet)).unwrap();
    assert_eq!(
        (summary.protocol, summary.info.as_str()),
        (Protocol::Icmp, "echo request (code 0) id 1 seq 2")
    );
}

#[test]
fn what_is_not_ip_says_so() {
    for bytes in [&b""[..], b"\x00", b"\x45\x00", b"\x60\x00\x00", b"hello, world, this is text"] {
        assert_eq!(summarise(bytes, whole(bytes)), Err(NotIp));
        let decoded = decode(bytes, whole(bytes));
        assert_eq!((decoded.layers.len(), decoded.tuple), (1, None));
    }
}

/// Summary and detail agree, every range lies in the bytes, and every limit holds.
fn check_any(bytes: &[u8], total: u32) {
    let decoded = decode(bytes, total);
    if let Ok(summary) = summarise(bytes, total) {
        assert_eq!(decoded.info, summary.info);
        assert_eq!(decoded.protocol, summary.protocol);
        assert_eq!(decoded.tcp, summary.tcp);
        assert!(summary.payload.end <= bytes.len() && summary.payload.start <= bytes.len());
        assert!(summary.info.chars().count() <= INFO_CHARS_MAX);
    }
    assert!(decoded.layers.len() <= layer::LAYERS_MAX);
    for layer in &decoded.layers {
        assert!(layer.fields.len() <= layer::FIELDS_MAX);
        for field in &layer.fields {
            assert!(field.value.chars().count() <= layer::VALUE_CHARS_MAX);
            assert!(!field.value.chars().any(char::is_control), "{field:?}");
        }
    }
    let mut blanked = bytes.to_vec();
    blank(&mut blanked, &decoded.secrets);
    assert_eq!(blanked.len(), bytes.len());
}

/// Payloads that begin like something that is decoded.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let start = prop::sample::select(vec![
        &b""[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03",
        b"\x17\x03\x03\x00\x05",
        b"POST /v1?key=a HTTP/1.1\r\nauthorization:",
        b"HTTP/1.1 200 OK\r\n",
        b"data: ",
        b"5\r\nevent: x\ndata:",
        b"\x00\x01\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00",
        b"\x00\x30\x00\x01\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x03abc\xc0\x0c",
        b"\xc3\x00\x00\x00\x01",
    ]);
    (start, prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(start, rest)| [start, &rest].concat())
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), total in any::<u32>()) {
        check_any(&bytes, total);
    }

    #[test]
    fn any_bytes_behind_an_ip_version_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 1..300), version in prop::sample::select(vec![0x45, 0x4f, 0x60]), number in prop::sample::select(vec![0, 6, 17, 1, 58, 44, 51, 43])) {
        bytes[0] = version;
        let at = if version == 0x60 { 6 } else { 9 };
        if let Some(it) = bytes.get_mut(at) { *it = number; }
        let total = whole(&bytes);
        check_any(&bytes, total);
        check_any(&bytes, total + 1000);
    }

    #[test]
    fn any_payload_is_survived(payload in payloads(), port in prop::sample::select(vec![53, 443, 80, 5353]), cut in 0_usize..300) {
        for packet in [
            segment("10.0.0.1:5000", &format!("10.0.0.2:{port}"), Flags::Ack, 1, &payload),
            datagram(&format!("10.0.0.1:{port}"), "10.0.0.2:5000", &payload),
        ] {
            check_any(packet.get(..cut).unwrap_or(&packet), whole(&packet));
        }
    }

    #[test]
    fn any_change_to_a_real_packet_is_survived(name in prop::sample::select(vec!["tls13", "tls12", "dns", "http-sse", "http-sse-ipv6"]), which in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
        let packets = trace(name);
        let mut bytes = which.get(&packets).bytes.clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        check_any(&bytes, whole(&bytes));
    }
}

/// An ICMP message over IPv4, or ICMPv6 over IPv6.
fn icmp_message(protocol: Protocol, head: [u8; 8], body: &[u8]) -> Vec<u8> {
    let mut message = head.to_vec();
    message.extend_from_slice(body);
    let mut packet = Vec::new();
    if protocol == Protocol::Icmp {
        etherparse::PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
            .write(&mut packet, etherparse::IpNumber::ICMP, &message)
            .unwrap();
    } else {
        etherparse::PacketBuilder::ipv6([2; 16], [1; 16], 64)
            .write(&mut packet, etherparse::IpNumber::IPV6_ICMP, &message)
            .unwrap();
    }
    packet
}

#[test]
fn an_icmp_error_names_the_packet_that_it_is_about() {
    let check = |protocol, head: [u8; 8], about: &[u8], want: &str, layers: &[&str]| {
        let packet = icmp_message(protocol, head, about);
        let decoded = decode(&packet, whole(&packet));
        assert_eq!((decoded.protocol, decoded.info.as_str()), (protocol, want));
        let names: Vec<&str> = decoded.layers.iter().map(|it| it.name).collect();
        assert_eq!(names, layers);
        for field in decoded.layers.iter().flat_map(|it| &it.fields) {
            assert!(field.range.as_ref().is_none_or(|it| it.end <= packet.len()), "{field:?}");
        }
        decoded
    };
    let udp = datagram("10.0.0.1:5000", "10.0.0.2:53", b"abcd");
    let decoded = check(
        Protocol::Icmp,
        [3, 3, 0x12, 0x34, 0, 0, 0, 0],
        &udp,
        "destination unreachable (port), about UDP 10.0.0.1 port 5000 → 10.0.0.2 port 53",
        &["IPv4", "ICMP", "IPv4", "UDP", "Payload"],
    );
    assert_eq!(decoded.layers[3].summary, "quoted: 5000 → 53 len 4");
    assert_eq!(decoded.layers[3].fields[0].range, Some(48..50));
    assert_eq!(field(&decoded, "ICMP", "Checksum"), "0x1234");
    // RFC 792 quotes eight bytes behind the IP header: the ports, and no whole TCP header.
    let tcp = segment("10.0.0.1:5000", "10.0.0.2:443", Flags::Syn, 9, b"");
    let decoded = check(
        Protocol::Icmp,
        [3, 4, 0, 0, 0, 0, 0x05, 0x78],
        &tcp[..28],
        "destination unreachable (fragmentation needed), MTU 1400, about TCP 10.0.0.1 port 5000 → 10.0.0.2 port 443",
        &["IPv4", "ICMP", "IPv4", "TCP", "Payload"],
    );
    assert_eq!(field(&decoded, "ICMP", "MTU"), "1400");
    let tcp = segment("[::1]:5000", "[::2]:443", Flags::Syn, 9, b"");
    check(
        Protocol::Icmpv6,
        [2, 0, 0, 0, 0, 0, 5, 0],
        &tcp,
        "packet too big (code 0), MTU 1280, about TCP ::1 port 5000 → ::2 port 443",
        &["IPv6", "ICMPv6", "IPv6", "TCP", "Payload"],
    );
    check(
        Protocol::Icmp,
        [11, 0, 0, 0, 0, 0, 0, 0],
        b"x",
        "time exceeded (on the way)",
        &["IPv4", "ICMP", "Payload"],
    );
    // Quotes in quotes are not followed.
    let inner = icmp_message(Protocol::Icmp, [3, 3, 0, 0, 0, 0, 0, 0], &udp);
    check(
        Protocol::Icmp,
        [3, 3, 0, 0, 0, 0, 0, 0],
        &inner,
        "destination unreachable (port), about ICMP 10.0.0.2 → 10.0.0.1",
        &["IPv4", "ICMP", "IPv4", "Payload"],
    );
}

#[test]
fn options_that_have_no_reader_are_named_and_those_after_them_are_read() {
    let mut packet = segment("10.0.0.1:5000", "10.0.0.2:443", Flags::Syn, 9, b"");
    let options = [
        2, 4, 5, 0xb4, // maximum segment size
        30, 4, 0x01, 0x81, // multipath, capable
        34, 2, // fast open, asks
        28, 4, 0x80, 5, // user timeout, 5 min
        77, 3, 9, // nobody knows
        4, 2, // SACK permitted
        3, 3, 7, // window scale
        0, 0, 0, 0,
    ];
    packet.splice(40..40, options);
    packet[32] = u8::try_from((20 + options.len()) / 4 * 16).unwrap();
    let total = whole(&packet);
    packet[2..4].copy_from_slice(&u16::try_from(total).unwrap().to_be_bytes());
    let decoded = decode(&packet, total);
    let facts = decoded.tcp.unwrap();
    assert_eq!((facts.mss, facts.window_scale, facts.sack_permitted), (Some(1_460), Some(7), true));
    assert_eq!(field(&decoded, "TCP", "Option: multipath TCP"), "capable, 2 bytes");
    assert_eq!(field(&decoded, "TCP", "Option: fast open"), "asks for a cookie");
    assert_eq!(field(&decoded, "TCP", "Option: user timeout"), "5 min");
    assert_eq!(field(&decoded, "TCP", "Option"), "kind 77, 1 bytes");
    let scale = decoded.layers[1].fields.iter().find(|it| it.name == "Option: window scale");
    assert_eq!(scale.unwrap().range, Some(59..62));
    // One whose length is a lie ends them.
    packet[40 + 4 + 1] = 200;
    let broken = decode(&packet, total);
    assert_eq!(broken.tcp.unwrap().window_scale, None);
    assert!(!field(&broken, "TCP", "Option: not understood").is_empty());
}
