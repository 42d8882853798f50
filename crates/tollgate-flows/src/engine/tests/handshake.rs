//! Hellos over several packets, in TLS and QUIC. The fingerprints were worked out from what `tshark`
//! prints of the traces.

use super::*;
use crate::packet::tls::ServerHello;

const SNI: &str = "api.example.test";

/// The first flow of a trace, whose packets come in this order with these copies.
fn flow_of(name: &str, change: impl Fn(&mut Vec<PacketSeen>)) -> (FlowRow, Vec<PacketRow>) {
    let mut engine = engine();
    let mut packets: Vec<PacketSeen> = trace(name)
        .iter()
        .map(|it| seen(it.at_ns, 0, Direction::Egress, &it.bytes, 1536))
        .collect();
    change(&mut packets);
    for packet in packets {
        engine.push(Event::Packet(packet));
    }
    let rows = engine.drain_new();
    (engine.flow(rows[0].flow).unwrap(), rows)
}

fn payload_len(packet: &PacketSeen) -> u32 {
    packet::summarise(&packet.bytes, packet.len).unwrap().payload_len
}

/// The places of the packets that carry data, in a trace in order.
fn with_data(packets: &[PacketSeen]) -> Vec<usize> {
    (0..packets.len()).filter(|it| payload_len(&packets[*it]) > 0).collect()
}

#[test]
fn what_both_sides_of_a_handshake_tell_is_told_of_the_flow() {
    let (flow, _) = flow_of("tls13", |_| {});
    assert_eq!(
        (flow.sni.as_deref(), flow.alpn.as_slice()),
        (Some(SNI), &["h2".to_owned(), "http/1.1".to_owned()][..])
    );
    assert_eq!(flow.ja4.as_deref(), Some("t13d1812h2_85036bcba153_d41ae481755e"));
    let tls = flow.tls.unwrap();
    assert_eq!((tls.version, tls.cipher, tls.alpn), (0x0304, 0x1302, None));
    assert!(flow.tls_us.is_some_and(|it| it > 0));
    let (flow, _) = flow_of("tls12", |_| {});
    let tls = flow.tls.unwrap();
    assert_eq!((tls.version, tls.alpn.as_deref()), (0x0303, Some("http/1.1")));
    assert_eq!(flow.ja4.as_deref(), Some("t12d1508h2_d68b136fe8d9_e7e480e5a997"));
    let (flow, _) = flow_of("http-sse", |_| {});
    assert_eq!((flow.ja4, flow.tls, flow.tls_us), (None, None, None));
}

#[test]
fn a_hello_in_pieces_is_whole_in_any_order_and_its_last_packet_says_so() {
    let (whole, _) = flow_of("tls13", |_| {});
    let (flow, rows) = flow_of("tls13-split-hello", |_| {});
    assert_eq!((flow.ja4, flow.sni), (whole.ja4.clone(), whole.sni.clone()));
    let said: Vec<&str> = rows
        .iter()
        .map(|it| it.info.as_str())
        .filter(|it| it.contains("end of Client Hello"))
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].ends_with("end of Client Hello SNI=api.example.test ALPN=h2,http/1.1"),
        "{said:?}"
    );
    let pieces = |packets: &[PacketSeen]| {
        let data = with_data(packets);
        let hello = data.iter().take_while(|it| {
            packet::summarise(&packets[**it].bytes, 9_999).unwrap().tuple.dst_port == 8443
        });
        hello.copied().collect::<Vec<usize>>()
    };
    for turn in 0..4 {
        let (flow, _) = flow_of("tls13-split-hello", |packets| {
            let places = pieces(packets);
            assert!(places.len() >= 4, "{places:?}");
            // The last piece first, then others: only the addresses of the SYN say who is who.
            packets.swap(places[turn % places.len()], places[(turn + 2) % places.len()]);
        });
        assert_eq!(flow.ja4, whole.ja4, "swap {turn}");
        assert_eq!(flow.client.addr.port(), flow.client.addr.port().max(8_444), "swap {turn}");
    }
    // Sent twice.
    let (flow, _) = flow_of("tls13-split-hello", |packets| {
        let places = pieces(packets);
        let again = packets[places[0]].clone();
        packets.insert(places[1] + 1, again);
    });
    assert_eq!(flow.ja4, whole.ja4);
}

#[test]
fn a_hello_with_a_gap_tells_what_it_has_and_makes_up_nothing() {
    let (flow, _) = flow_of("tls13-split-hello", |packets| {
        let places = with_data(packets);
        packets.remove(places[1]);
    });
    assert_eq!(flow.ja4, None, "not all of it was seen");
    assert!(flow.tls.is_some(), "the server's is whole");
    let (flow, _) = flow_of("tls13", |packets| {
        for packet in packets {
            packet.bytes = packet.bytes.get(..200).unwrap_or(&packet.bytes).into();
        }
    });
    assert_eq!(
        (flow.ja4, flow.sni.as_deref()),
        (None, Some(SNI)),
        "the name stands before the cut"
    );
}

#[test]
fn a_handshake_whose_syn_was_not_seen_is_read_from_its_hello_on() {
    let (whole, _) = flow_of("tls13", |_| {});
    let (flow, _) = flow_of("tls13", |packets| drop(packets.drain(..3)));
    assert_eq!((flow.ja4, flow.tls), (whole.ja4, whole.tls));
    let (flow, _) = flow_of("tls13", |packets| drop(packets.drain(..4)));
    assert_eq!((flow.ja4, flow.sni), (None, None));
}

#[test]
fn a_quic_handshake_is_read_over_its_datagrams() {
    for name in ["quic", "quic-split-hello"] {
        let (flow, rows) = flow_of(name, |_| {});
        assert_eq!((flow.sni.as_deref(), flow.protocol), (Some(SNI), Protocol::Quic), "{name}");
        assert_eq!(flow.server.addr.port(), 443);
        assert_eq!(flow.ja4.as_deref(), Some("q13d0307h3_55b375c5d22e_1cecd519fee8"), "{name}");
        assert_eq!(flow.alpn[0], "h3");
        let tls = ServerHello { version: 0x0304, cipher: 0x1302, ..ServerHello::default() };
        assert_eq!(flow.tls, Some(tls), "{name}");
        assert!(
            rows.iter().any(|it| it.info.starts_with("Initial, Client Hello SNI=api.example.test")),
            "{name}"
        );
    }
    // The datagrams of the hello the other way round.
    let (flow, _) = flow_of("quic-split-hello", |packets| packets.swap(0, 1));
    assert_eq!(flow.sni.as_deref(), Some(SNI));
    let (flow, _) = flow_of("quic-split-hello", |packets| drop(packets.remove(1)));
    assert_eq!(flow.ja4, None, "half a hello");
    assert_eq!(flow.sni.as_deref(), Some(SNI), "its name stands in the first half");
}

#[test]
fn many_half_handshakes_take_bounded_room_and_later_ones_are_still_read() {
    let mut engine = engine();
    // The beginning of a hello that never ends.
    let hello = [22, 3, 1, 0x20, 0, 1, 0, 0x1f, 0xfc, 3, 3, 0, 0];
    for port in 2_000..4_000 {
        let bytes = segment(&format!("10.0.0.1:{port}"), "10.0.0.2:443", Flags::Ack, 7, &hello);
        push(&mut engine, 1, 0, Direction::Egress, &bytes);
    }
    for packet in trace("tls13-split-hello") {
        push(&mut engine, packet.at_ns, 0, Direction::Egress, &packet.bytes);
    }
    let flows = engine.flows(9_999, &Filter::default());
    assert_eq!(flows.iter().filter(|it| it.ja4.is_some()).count(), 1);
}
