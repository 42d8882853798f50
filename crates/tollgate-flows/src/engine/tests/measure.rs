//! What is measured of a flow.

use super::*;

const MS: u64 = 1_000_000;

fn connected(engine: &mut Engine, port: u16) -> (String, String) {
    let (client, server) = ("192.168.1.5:50000".to_owned(), format!("192.0.2.7:{port}"));
    push(engine, 100, UPSTREAM, Direction::Egress, &segment(&client, &server, Flags::Syn, 0, b""));
    push(
        engine,
        130,
        UPSTREAM,
        Direction::Ingress,
        &segment(&server, &client, Flags::SynAck, 0, b""),
    );
    push(engine, 131, UPSTREAM, Direction::Egress, &segment(&client, &server, Flags::Ack, 1, b""));
    (client, server)
}

fn only(engine: &Engine) -> FlowRow {
    let flows = engine.flows(9, &Filter::parse("protocol:tcp").unwrap());
    assert_eq!(flows.len(), 1);
    flows.into_iter().next().unwrap()
}

/// A segment that acknowledges everything up to `ack`, with a window.
fn answer(src: &str, dst: &str, seq: u32, ack: u32, window: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = segment(src, dst, Flags::Ack, seq, payload);
    bytes[28..32].copy_from_slice(&ack.to_be_bytes());
    bytes[34..36].copy_from_slice(&window.to_be_bytes());
    bytes
}

#[test]
fn an_exchange_tells_first_byte_rhythm_and_round_trip() {
    let mut engine = engine();
    let (client, server) = connected(&mut engine, 8080);
    let ask = b"POST /v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
    push(
        &mut engine,
        200,
        UPSTREAM,
        Direction::Egress,
        &segment(&client, &server, Flags::Ack, 1, ask),
    );
    let asked = 1 + u32::try_from(ask.len()).unwrap();
    push(
        &mut engine,
        210,
        UPSTREAM,
        Direction::Egress,
        &segment(&client, &server, Flags::Ack, asked, b"abc"),
    );
    let all = asked + 3;
    for (at, seq, text) in [(450, 1, "HTTP/1.1 200 OK\r\n"), (460, 18, "a"), (500, 19, "b")] {
        let bytes = answer(&server, &client, seq, all, 9, text.as_bytes());
        push(&mut engine, at, UPSTREAM, Direction::Ingress, &bytes);
    }
    let flow = only(&engine);
    assert_eq!(flow.first_byte_us, Some(240_000), "from the end of what was asked");
    assert_eq!((flow.answer_gap_mean_us, flow.answer_gap_max_us), (Some(25_000), Some(40_000)));
    assert_eq!(flow.client.rtt_min_us, Some(30_000), "the SYN's");
    assert_eq!(flow.server.rtt_min_us, None, "its packets were not seen as they left");
    assert_eq!((flow.client.bytes_missing, flow.server.bytes_missing), (0, 0));
    assert_eq!(flow.dns_us, None);
}

#[test]
fn losses_repeats_stalls_and_resets_are_counted_by_end() {
    let mut engine = engine();
    let (client, server) = connected(&mut engine, 8080);
    let from_server = |engine: &mut Engine, at, seq, window, text: &str| {
        let bytes = answer(&server, &client, seq, 1, window, text.as_bytes());
        push(engine, at, UPSTREAM, Direction::Ingress, &bytes);
    };
    from_server(&mut engine, 200, 1, 9, "abcd");
    from_server(&mut engine, 210, 9, 0, "ijkl");
    assert_eq!(only(&engine).server.bytes_missing, 4);
    from_server(&mut engine, 260, 7, 5, "gh");
    from_server(&mut engine, 270, 1, 5, "abcd");
    push(
        &mut engine,
        300,
        UPSTREAM,
        Direction::Egress,
        &segment(&client, &server, Flags::Rst, 1, b""),
    );
    let FlowRow { client, server, closed_at_ns, .. } = only(&engine);
    assert_eq!((server.bytes_missing, server.repeats_seen), (2, 1));
    assert_eq!((server.stalls, server.stalled_us), (1, 50_000));
    assert_eq!((client.resets_sent, server.resets_sent), (1, 0));
    assert_eq!(closed_at_ns, Some(300 * MS));
}

/// A DNS message with this number: a question for `api.example.test`, or its answer.
fn dns(id: u16, answers: bool) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut message =
        vec![high, low, if answers { 0x81 } else { 1 }, 0, 0, 1, 0, u8::from(answers), 0, 0, 0, 0];
    message.extend_from_slice(b"\x03api\x07example\x04test\0\0\x01\0\x01");
    if answers {
        message.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07");
    }
    message
}

#[test]
fn the_lookup_just_before_a_connection_is_a_part_of_it() {
    let check = |asked_at: u64, answered_at: u64, id: u16, want: Option<u64>| {
        let mut engine = engine();
        let (asker, resolver) = ("127.0.0.1:4000", "127.0.0.53:53");
        for event in on_loopback(asked_at * MS, 1, 2, &datagram(asker, resolver, &dns(7, false))) {
            engine.push(event);
        }
        for event in on_loopback(answered_at * MS, 2, 1, &datagram(resolver, asker, &dns(id, true)))
        {
            engine.push(event);
        }
        connected(&mut engine, 8080);
        let flow = only(&engine);
        assert_eq!((flow.host.as_deref(), flow.dns_us), (Some("api.example.test"), want));
    };
    check(40, 90, 7, Some(50_000));
    check(40, 90, 8, None);
    check(0, 100, 7, Some(100_000));
    // Nothing is known of what will be looked up later.
    check(120, 140, 7, None);
}

#[test]
fn an_old_lookup_is_no_part_of_a_connection() {
    let mut engine = engine();
    let (asker, resolver) = ("127.0.0.1:4000", "127.0.0.53:53");
    push(&mut engine, 100, 1, Direction::Egress, &datagram(asker, resolver, &dns(7, false)));
    push(&mut engine, 150, 1, Direction::Ingress, &datagram(resolver, asker, &dns(7, true)));
    push(
        &mut engine,
        9_000,
        UPSTREAM,
        Direction::Egress,
        &segment("192.168.1.5:5000", "192.0.2.7:443", Flags::Syn, 0, b""),
    );
    assert_eq!(only(&engine).dns_us, None);
}
