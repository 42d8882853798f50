mod handshake;
mod measure;

use proptest::prelude::*;

use super::*;
use crate::{
    event::{
        Closed, Direction, Established, Exec, Exit, Fork, Lost, OwnerVia, PeerCookie, ProcessSeen,
        Retransmit, Role, Rtt, SocketSeen,
    },
    row::HostVia,
    test_support::{
        Flags, NETNS, call, datagram, on_loopback, owner, process, seen, segment, trace,
    },
};

const CLIENT_COOKIE: u64 = 11;
const LISTENER: u64 = 90;
const ACCEPTED: u64 = 12;
const UPSTREAM: u64 = 13;

fn engine() -> Engine {
    let provider_hosts = vec!["api.example.test".to_owned(), ".openai.azure.com".to_owned()];
    Engine::new(Config { provider_hosts, ..Config::default() })
}

fn established(cookie: u64, role: Role, local: &str, remote: &str) -> Event {
    Event::Established(Established {
        at_ns: 2_000_000_000,
        cookie: SocketCookie(cookie),
        netns: NETNS,
        role,
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        srtt_us: Some(42),
    })
}

fn peer(cookie: u64, local: &str, remote: &str) -> PeerCookie {
    PeerCookie {
        at_ns: 1,
        cookie: SocketCookie(cookie),
        netns: NETNS,
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

fn exec(pid: u32, filename: &str, argv: &[&str]) -> Event {
    Event::Exec(Exec {
        at_ns: 1,
        process: process(pid),
        ppid: 1,
        uid: 1000,
        cgroup_id: 7,
        comm: filename.rsplit('/').next().unwrap_or_default().chars().take(15).collect(),
        filename: filename.to_owned(),
        argv: argv.iter().map(|it| (*it).to_owned()).collect(),
    })
}

fn sockets(number: u8, started_ms: u64, finished_ms: Option<u64>) -> Event {
    Event::CallSockets(CallSockets {
        call: call(number),
        client_cookie: Some(SocketCookie(ACCEPTED)),
        upstream_cookie: Some(SocketCookie(UPSTREAM)),
        started_at_ns: started_ms * 1_000_000,
        finished_at_ns: finished_ms.map(|it| it * 1_000_000),
    })
}

/// Feeds a loopback trace whose server has `port`, as the kernel reports it: each packet twice, the
/// server's handshake under the listener's cookie, and `passive` once the handshake is over.
fn push_trace(engine: &mut Engine, name: &str, port: u16) {
    for (number, packet) in trace(name).into_iter().enumerate() {
        let tuple = packet::summarise(&packet.bytes, 100_000).unwrap().tuple;
        let server = if number < 3 { LISTENER } else { ACCEPTED };
        let (sender, receiver) =
            if tuple.dst_port == port { (CLIENT_COOKIE, server) } else { (server, CLIENT_COOKIE) };
        for event in on_loopback(packet.at_ns, sender, receiver, &packet.bytes) {
            engine.push(event);
        }
        if number == 2 {
            let (client, server) = (table::ends_of(&tuple).0, table::ends_of(&tuple).1);
            let local = server.to_string();
            engine.push(established(ACCEPTED, Role::Passive, &local, &client.to_string()));
        }
    }
}

/// One packet out of `src`'s socket, on a real interface.
fn push(engine: &mut Engine, at_ms: u64, cookie: u64, direction: Direction, bytes: &[u8]) {
    engine.push(Event::Packet(seen(at_ms * 1_000_000, cookie, direction, bytes, 1536)));
}

fn check_sum(engine: &Engine) {
    let it = engine.counters();
    assert_eq!(it.seen, it.loopback_twins + it.undecodable + it.kept + it.evicted + it.cleared);
}

#[test]
fn a_loopback_connection_is_one_flow_and_each_packet_is_listed_once() {
    for name in ["http-sse", "http-sse-ipv6"] {
        let mut engine = engine();
        engine.push(Event::GatewayPort(4141));
        push_trace(&mut engine, name, 4141);
        let rows = engine.drain_new();
        assert_eq!(rows.len(), 30, "{name}");
        assert!(rows.iter().all(|it| it.direction == Direction::Egress));
        let counters = engine.counters();
        assert_eq!((counters.seen, counters.loopback_twins, counters.flows), (60, 30, 1));
        check_sum(&engine);
        let flow = engine.flow(rows[0].flow).unwrap();
        assert_eq!(flow.leg, Leg::Client);
        assert_eq!(flow.protocol, Protocol::Http);
        assert_eq!(flow.server.addr.port(), 4141);
        assert_eq!(flow.client.packets_sent + flow.server.packets_sent, 30);
        let bytes: u64 = rows.iter().map(|it| u64::from(it.length)).sum();
        assert_eq!(flow.client.bytes_sent + flow.server.bytes_sent, bytes);
        assert_eq!(flow.client.cookie, Some(SocketCookie(CLIENT_COOKIE)));
        assert_eq!(flow.server.cookie, Some(SocketCookie(ACCEPTED)), "not the listener's");
        assert_eq!(flow.server.srtt_us, Some(42));
        assert!(flow.handshake_us.is_some_and(|it| it < 1_000), "{:?}", flow.handshake_us);
        assert!(flow.closed_at_ns.is_some(), "both sides said FIN");
        assert_eq!(flow.client.retransmits, None, "nobody reports on the client: not zero");
        assert_eq!(flow.server.retransmits, Some(0));
        assert_eq!(engine.owner(SocketCookie(LISTENER)), None);
    }
}

#[test]
fn the_receiver_on_loopback_is_known_by_its_addresses() {
    let (client, server) = ("127.0.0.1:50000", "127.0.0.1:4141");
    let syn = segment(client, server, Flags::Syn, 1, &[]);
    let sockets = |number: u64, local: &str, remote: &str| {
        Event::Socket(SocketSeen {
            at_ns: 1,
            cookie: SocketCookie(number),
            inode: 0,
            local: local.parse().unwrap(),
            remote: Some(remote.parse().unwrap()),
            uid: 1000,
            process: None,
        })
    };
    for order in 0..4 {
        let mut engine = engine();
        let receiver = if order % 2 == 0 {
            Event::PeerCookie(peer(LISTENER, server, client))
        } else {
            sockets(LISTENER, server, client)
        };
        let first = order < 2;
        if first {
            engine.push(receiver.clone());
        }
        push(&mut engine, 1, CLIENT_COOKIE, Direction::Egress, &syn);
        if !first {
            engine.push(receiver);
        }
        let flow = engine.flow(FlowId(1)).unwrap();
        assert_eq!(flow.server.cookie, Some(SocketCookie(LISTENER)), "{order}");
        // A listener is not the connection: its other connections must not land here.
        let other = segment("127.0.0.1:50001", server, Flags::Syn, 9, &[]);
        push(&mut engine, 2, 77, Direction::Egress, &other);
        engine.push(Event::PeerCookie(peer(LISTENER, server, "127.0.0.1:50001")));
        assert_eq!(engine.flows(10, &Filter::default()).len(), 2);
        engine.push(established(ACCEPTED, Role::Passive, server, client));
        assert_eq!(engine.flow(FlowId(1)).unwrap().server.cookie, Some(SocketCookie(ACCEPTED)));
        // Late evidence of the listener changes nothing.
        engine.push(Event::PeerCookie(peer(LISTENER, server, client)));
        assert_eq!(engine.flow(FlowId(1)).unwrap().server.cookie, Some(SocketCookie(ACCEPTED)));
    }
}

#[test]
fn a_datagram_socket_has_its_owner_too() {
    let mut engine = engine();
    let query = datagram("192.168.1.5:40000", "192.0.2.53:53", b"not really DNS");
    push(&mut engine, 1, 5, Direction::Egress, &query);
    engine.drain_flows();
    engine.push(owner(5, 42, OwnerVia::SendRecv, "resolver"));
    let changed = engine.drain_flows();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].client.owner.as_ref().unwrap().program, "resolver");
}

#[test]
fn a_process_whose_start_is_not_told_is_the_last_with_its_pid() {
    let mut engine = engine();
    engine.push(exec(42, "/usr/bin/curl", &["curl"]));
    let unknown = ProcessKey { pid: 42, started_at_ns: 0 };
    assert_eq!(&*engine.process(unknown).unwrap().program, "curl");
    assert!(engine.process(ProcessKey { pid: 43, started_at_ns: 0 }).is_none());
}

#[test]
fn the_packets_of_a_loopback_peer_that_is_not_watched_are_kept() {
    let mut engine = engine();
    for packet in trace("http-sse") {
        let tuple = packet::summarise(&packet.bytes, 100_000).unwrap().tuple;
        let (sender, receiver) = if tuple.dst_port == 4141 {
            (CLIENT_COOKIE, LISTENER)
        } else {
            (LISTENER, CLIENT_COOKIE)
        };
        // Only the client's hooks report: another user owns the server.
        let events = on_loopback(packet.at_ns, sender, receiver, &packet.bytes);
        let mine = events
            .into_iter()
            .filter(|it| matches!(it, Event::Packet(it) if it.cookie.0 == CLIENT_COOKIE));
        mine.for_each(|it| engine.push(it));
    }
    let rows = engine.drain_new();
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().any(|it| it.direction == Direction::Ingress));
    assert_eq!(engine.counters().loopback_twins, 0);
}

#[test]
fn calls_on_a_connection_kept_alive_are_told_by_time() {
    let mut engine = engine();
    push_trace(&mut engine, "http-sse", 4141);
    let rows = engine.packets(0, 1_000, &Filter::default());
    let requests: Vec<&PacketRow> = rows.iter().filter(|it| it.info.starts_with("POST ")).collect();
    assert_eq!(requests.len(), 2);
    let at_ms = |row: &PacketRow| row.at_us_boot / 1_000;
    let (one, two) = (at_ms(requests[0]), at_ms(requests[1]));
    // The gateway reads each request a little after the kernel saw it.
    engine.push(sockets(1, one + 2, None));
    engine.push(sockets(1, one + 2, Some(one + 80)));
    engine.push(sockets(2, two + 2, Some(two + 80)));
    let first = engine.packets_of_call(call(1));
    let second = engine.packets_of_call(call(2));
    assert!(
        first.iter().any(|it| it.info.starts_with("POST ")),
        "the request comes before the call"
    );
    assert!(first[0].info.contains("[SYN]"), "the handshake belongs to the first call");
    assert!(second.first().is_some_and(|it| it.info.starts_with("POST ")), "{second:?}");
    assert!(first.iter().chain(&second).all(|it| it.call_join == Some(CallJoin::Time)));
    assert!(first.last().unwrap().seq < second[0].seq, "no packet belongs to both");
    let events = |rows: &[PacketRow]| rows.iter().filter(|it| it.info.contains("data {")).count();
    assert_eq!((events(&first), events(&second)), (3, 3));
    assert_eq!(engine.flows_of_call(call(1)), engine.flows_of_call(call(2)));
    let flow = engine.flow(engine.flows_of_call(call(1))[0]).unwrap();
    assert_eq!((flow.leg, flow.calls), (Leg::Client, vec![call(1), call(2)]));
}

#[test]
fn both_legs_of_a_call_are_found_and_named() {
    let mut engine = engine();
    engine.push(Event::GatewayPort(4141));
    engine.push(Event::GatewayProcess(process(50)));
    engine.push(exec(42, "/usr/bin/python3.12", &["python3", "ingest.py"]));
    engine.push(exec(50, "/usr/bin/tollgate", &["tollgate", "serve"]));
    engine.push(owner(CLIENT_COOKIE, 42, OwnerVia::Connect, "python3"));
    engine.push(owner(UPSTREAM, 50, OwnerVia::Connect, "tollgate"));
    push_trace(&mut engine, "http-sse", 4141);
    let up = ("192.168.1.5:50000", "192.0.2.7:443");
    push(&mut engine, 1_010, UPSTREAM, Direction::Egress, &segment(up.0, up.1, Flags::Syn, 1, &[]));
    let answer = segment(up.1, up.0, Flags::SynAck, 9, &[]);
    push(&mut engine, 1_030, UPSTREAM, Direction::Ingress, &answer);
    push(&mut engine, 1_030, UPSTREAM, Direction::Egress, &segment(up.0, up.1, Flags::Ack, 2, &[]));
    engine.push(sockets(1, 1_001, Some(1_200)));
    let rows = engine.packets_of_call(call(1));
    let (to_gateway, to_provider): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|it| it.leg == Leg::Client);
    assert!(to_gateway.len() > 10);
    assert!(to_gateway.iter().all(|it| it.program.as_deref() == Some("ingest.py (python3)")));
    assert!(to_gateway.iter().all(|it| it.pid == Some(42)));
    assert_eq!(to_provider.len(), 3);
    assert!(
        to_provider
            .iter()
            .all(|it| it.leg == Leg::Upstream && it.call_join == Some(CallJoin::Socket))
    );
    assert!(to_provider.iter().all(|it| it.program.as_deref() == Some("tollgate")));
    let flow = engine.flow(to_provider[0].flow).unwrap();
    assert_eq!(flow.handshake_us, Some(20_000));
    assert_eq!(engine.peer_owner(SocketCookie(ACCEPTED)).unwrap().process, process(42));
}

#[test]
fn packets_between_two_calls_go_where_they_belong() {
    let (client, gateway) = ("127.0.0.1:50000", "127.0.0.1:4141");
    let up = |data: &[u8]| segment(client, gateway, Flags::Ack, 1, data);
    let down = |data: &[u8]| segment(gateway, client, Flags::Ack, 1, data);
    let call_of = |at_ms: u64, packet: &[u8]| {
        let mut engine = engine();
        engine.push(established(ACCEPTED, Role::Passive, gateway, client));
        for (number, started, finished) in [(1, 1_000, 1_100), (2, 1_200, 1_300), (3, 9_000, 9_100)]
        {
            engine.push(sockets(number, started, Some(finished)));
        }
        push(&mut engine, at_ms, 0, Direction::Ingress, packet);
        engine.drain_new()[0].call
    };
    assert_eq!(call_of(1_050, &up(b"x")), Some(call(1)));
    assert_eq!(call_of(1_150, &up(b"x")), Some(call(2)), "a request comes before its call begins");
    assert_eq!(call_of(1_150, &up(b"")), Some(call(1)), "an acknowledgement ends the last one");
    assert_eq!(call_of(1_150, &down(b"x")), Some(call(1)), "so does the rest of an answer");
    assert_eq!(call_of(1_500, &up(b"")), Some(call(2)));
    assert_eq!(call_of(5_000, &up(b"x")), None, "far from both");
    assert_eq!(call_of(8_900, &up(b"")), Some(call(3)), "nearer to the next than to the last");
    assert_eq!(call_of(10_000, &down(b"")), None);
    assert_eq!(call_of(500, &up(b"")), Some(call(1)), "the connection's beginning");
}

#[test]
fn the_acknowledgement_of_the_next_request_belongs_to_the_next_call() {
    let (client, gateway) = ("127.0.0.1:50000", "127.0.0.1:4141");
    let up = |data: &[u8]| segment(client, gateway, Flags::Ack, 1, data);
    let down = |data: &[u8]| segment(gateway, client, Flags::Ack, 1, data);
    let mut engine = engine();
    engine.push(established(ACCEPTED, Role::Passive, gateway, client));
    engine.push(sockets(1, 1_000, Some(1_100)));
    engine.push(sockets(2, 1_200, Some(1_300)));
    for (at_ms, packet) in [
        (999, up(b"head and body")),
        (1_099, down(b"answer")),
        (1_101, up(b"")),
        // The next request comes in two parts; the first is acknowledged before it is read.
        (1_190, up(b"head")),
        (1_191, down(b"")),
        (1_192, up(b"body")),
        (1_290, down(b"answer")),
        (1_301, up(b"")),
    ] {
        push(&mut engine, at_ms, 0, Direction::Ingress, &packet);
    }
    let calls: Vec<_> = engine.drain_new().iter().map(|it| it.call.unwrap()).collect();
    assert_eq!(calls, [[call(1); 3].as_slice(), [call(2); 5].as_slice()].concat());
}

#[test]
fn a_credential_that_two_packets_part_is_blanked_in_both() {
    let (client, gateway) = ("127.0.0.1:50000", "127.0.0.1:4141");
    let shown = |parts: &[&str]| {
        let mut engine = engine();
        let mut seq = 1;
        for part in parts {
            let packet = segment(client, gateway, Flags::Ack, seq, part.as_bytes());
            push(&mut engine, 1_000, CLIENT_COOKIE, Direction::Egress, &packet);
            seq += u32::try_from(part.len()).unwrap();
        }
        let payload = |seq: usize| {
            let packet = engine.packet(u64::try_from(seq).unwrap()).unwrap();
            String::from_utf8(packet.bytes[packet.decoded.payload.unwrap()].to_vec()).unwrap()
        };
        (1..=parts.len()).map(payload).collect::<Vec<_>>()
    };
    let head = "POST / HTTP/1.1\r\nhost: x\r\n";
    let first = format!("{head}authorization: Bearer sk-1");
    let parts = shown(&[&first, "23\r\n\r\nbody", "more body"]);
    assert_eq!(parts[0], format!("{head}authorization: Bearer ****"));
    assert_eq!(parts[1..], ["**\r\n\r\nbody", "more body"]);
    // In the name, in the blank line, over three packets, and in the query.
    let first = format!("{head}authori");
    assert_eq!(shown(&[&first, "zation: sk-123\r\n\r\n{}"])[1], "zation: ******\r\n\r\n{}");
    let first = format!("{head}x-api-key: sk-123\r\n\r");
    let parts = shown(&[&first, "\nbody"]);
    assert!(!parts[0].contains("sk-123"), "{}", parts[0]);
    assert_eq!(parts[1], "\nbody");
    let parts = shown(&[head, "x-api-key: sk", "-123\r\n\r\n", "body", "POST / HTTP/1.1\r\n\r\nx"]);
    assert_eq!(parts[1..3], ["x-api-key: **", "****\r\n\r\n"]);
    assert_eq!(parts[3..], ["body", "POST / HTTP/1.1\r\n\r\nx"]);
    let parts = shown(&["POST /m?key=sk-1", "23 HTTP/1.1\r\n\r\n"]);
    assert_eq!(parts, ["POST /m?key=****", "** HTTP/1.1\r\n\r\n"]);
}

#[test]
fn who_asks_is_the_client_whatever_its_port() {
    let (low, high) = ("127.0.0.1:40000", "127.0.0.1:50000");
    let mut engine = engine();
    let request = segment(low, high, Flags::Ack, 1, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    push(&mut engine, 1, UPSTREAM, Direction::Egress, &request);
    engine.push(sockets(1, 0, None));
    let row = &engine.packets(0, 1, &Filter::default())[0];
    assert_eq!((row.leg, row.toward), (Leg::Upstream, Toward::Server));
    assert_eq!(engine.flow(row.flow).unwrap().client.addr, low.parse().unwrap());
}

#[test]
fn overlapping_calls_on_one_connection_are_said_to_share_it() {
    let mut engine = engine();
    let (a, b) = ("192.168.1.5:50000", "192.0.2.7:443");
    push(&mut engine, 1_000, UPSTREAM, Direction::Egress, &segment(a, b, Flags::Syn, 1, &[]));
    push(&mut engine, 1_500, UPSTREAM, Direction::Egress, &segment(a, b, Flags::Ack, 2, b"x"));
    push(&mut engine, 3_000, UPSTREAM, Direction::Egress, &segment(a, b, Flags::Ack, 3, b"x"));
    engine.push(sockets(1, 900, Some(1_600)));
    engine.push(sockets(2, 1_400, Some(1_700)));
    let joins: Vec<_> = engine
        .packets(0, 10, &Filter::default())
        .iter()
        .map(|it| (it.call, it.call_join))
        .collect();
    let want = [
        (Some(call(1)), Some(CallJoin::Time)),
        (Some(call(2)), Some(CallJoin::Shared)),
        (None, None),
    ];
    assert_eq!(joins, want);
}

#[test]
fn better_evidence_wins_and_a_name_can_come_late() {
    let mut engine = engine();
    let (a, b) = ("192.168.1.5:50000", "192.0.2.7:443");
    push(&mut engine, 1, 5, Direction::Egress, &segment(a, b, Flags::Syn, 1, &[]));
    let program = |engine: &Engine| engine.packets(0, 1, &Filter::default())[0].program.clone();
    assert_eq!(program(&engine), None);
    engine.push(owner(5, 100, OwnerVia::Create, "launcher"));
    assert_eq!(program(&engine).as_deref(), Some("launcher"));
    engine.push(owner(5, 101, OwnerVia::SendRecv, "worker-with-a-v"));
    assert_eq!(program(&engine).as_deref(), Some("worker-with-a-v…"));
    engine.push(owner(5, 102, OwnerVia::Connect, "other"));
    assert_eq!(engine.owner(SocketCookie(5)).unwrap().process, process(101));
    engine.push(exec(101, "/srv/worker-with-a-very-long-name", &["worker"]));
    assert_eq!(program(&engine).as_deref(), Some("worker-with-a-very-long-name"));
    engine.push(Event::Exit(Exit { at_ns: 9, process: process(101) }));
    assert_eq!(program(&engine).as_deref(), Some("worker-with-a-very-long-name"), "still told");
    assert_eq!(engine.process(process(101)).unwrap().exited_at_ns, Some(9));
    let changed: Vec<FlowId> = engine.drain_flows().iter().map(|it| it.id).collect();
    assert_eq!(changed, [FlowId(1)]);
    assert_eq!(engine.drain_flows(), []);
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let mut engine = engine();
    let old = process(7);
    let new = ProcessKey { pid: 7, started_at_ns: 990_000_000 };
    engine.push(exec(7, "/bin/old", &["old"]));
    engine.push(Event::Process(ProcessSeen {
        process: new,
        ppid: Some(1),
        uid: Some(0),
        cgroup_id: None,
        comm: "new".to_owned(),
        exe: Some("/bin/new".to_owned()),
        argv: Vec::new(),
        cwd: Some("/srv".to_owned()),
    }));
    assert_eq!(&*engine.process(old).unwrap().program, "old");
    assert_eq!(&*engine.process(new).unwrap().program, "new");
    // The kernel's own times are finer than those of `/proc`.
    let finer = ProcessKey { pid: 7, started_at_ns: 990_000_123 };
    assert_eq!(engine.process(finer).unwrap().cwd.as_deref(), Some("/srv"));
}

#[test]
fn a_child_is_its_parent_until_it_runs_something_else() {
    let mut engine = engine();
    engine.push(exec(1, "/usr/bin/bash", &["bash", "run.sh"]));
    engine.push(Event::Fork(Fork { at_ns: 2, parent: process(1), child: process(2) }));
    assert_eq!(&*engine.process(process(2)).unwrap().program, "run.sh (bash)");
    assert_eq!(engine.process(process(2)).unwrap().ppid, Some(1));
    engine.push(exec(2, "/usr/local/bin/aider", &["/usr/bin/python3", "/usr/local/bin/aider"]));
    let child = engine.process(process(2)).unwrap();
    assert_eq!(
        (&*child.program, child.exe.as_deref()),
        ("aider", None),
        "the script is not the executable"
    );
    assert_eq!(&*engine.process(process(1)).unwrap().program, "run.sh (bash)");
}

#[test]
fn running_processes_outlive_many_that_ended() {
    let mut engine = engine();
    engine.push(exec(1, "/usr/bin/agent", &["agent"]));
    for pid in 2..20_000 {
        engine.push(exec(pid, "/bin/true", &["true"]));
        engine.push(Event::Exit(Exit { at_ns: 1, process: process(pid) }));
    }
    assert!(engine.process(process(1)).is_some());
    assert!(engine.process(process(19_999)).is_some());
    assert!(engine.process(process(2)).is_none(), "bounded");
}

#[test]
fn a_socket_that_existed_before_has_its_holder() {
    let mut engine = engine();
    engine.push(exec(3, "/usr/bin/curl", &["curl"]));
    engine.push(Event::Socket(SocketSeen {
        at_ns: 1,
        cookie: SocketCookie(5),
        inode: 4,
        local: "192.168.1.5:50000".parse().unwrap(),
        remote: None,
        uid: 1000,
        process: Some(process(3)),
    }));
    let found = engine.owner(SocketCookie(5)).unwrap();
    assert_eq!((found.program.as_str(), found.via), ("curl", OwnerVia::SockDiag));
}

#[test]
fn a_server_is_named_by_its_hello_also_when_it_takes_several_packets() {
    for name in ["tls13", "tls12", "tls13-split-hello"] {
        let mut engine = engine();
        push_trace(&mut engine, name, 8443);
        let flow = &engine.flows(10, &Filter::default())[0];
        assert_eq!(flow.sni.as_deref(), Some("api.example.test"), "{name}");
        assert_eq!(flow.alpn, ["h2", "http/1.1"], "{name}");
        assert_eq!((flow.host_via, flow.protocol), (Some(HostVia::Sni), Protocol::Tls), "{name}");
        assert_eq!(flow.leg, Leg::Direct, "a program around the gateway");
    }
    let mut engine = engine();
    push_trace(&mut engine, "tls13-split-hello", 8443);
    let rows = engine.drain_new();
    assert!(
        rows.iter().any(|it| it.info == "continued, 120 bytes" && it.protocol == Protocol::Tls)
    );
}

/// The server's name and the protocols that a flow learns when a client's hello comes in pieces of
/// `size` bytes, each `times` times, without the piece number `missing`.
fn hello_in_pieces(
    size: usize,
    times: usize,
    missing: Option<usize>,
) -> (Option<String>, Vec<String>) {
    let hello = trace("tls13")[3].bytes[52..].to_vec();
    let mut engine = engine();
    for (number, piece) in hello.chunks(size).enumerate() {
        let seq = u32::try_from(number * size).unwrap().wrapping_sub(100);
        let packet = segment("10.0.0.1:5000", "10.0.0.2:443", Flags::Ack, seq, piece);
        for _ in 0..if missing == Some(number) { 0 } else { times } {
            push(&mut engine, 1, 5, Direction::Egress, &packet);
        }
    }
    let flow = engine.flow(FlowId(1)).unwrap();
    (flow.sni, flow.alpn)
}

#[test]
fn a_hello_is_read_however_it_is_cut_into_packets() {
    let want = (Some("api.example.test".to_owned()), vec!["h2".to_owned(), "http/1.1".to_owned()]);
    for size in 9..520 {
        assert_eq!(hello_in_pieces(size, 1, None), want, "pieces of {size}");
    }
    for size in [9, 40, 100] {
        assert_eq!(hello_in_pieces(size, 2, None), want, "pieces of {size}, each sent twice");
    }
}

#[test]
fn a_hello_with_a_hole_names_nobody_wrongly() {
    for size in [9, 33, 60, 100] {
        for missing in 1..520 / size {
            let (sni, alpn) = hello_in_pieces(size, 1, Some(missing));
            let context = format!("pieces of {size} without number {missing}");
            assert!(sni.is_none_or(|it| it == "api.example.test"), "{context}");
            assert!(alpn.is_empty() || alpn == ["h2", "http/1.1"], "{context}: {alpn:?}");
        }
    }
}

#[test]
fn a_name_that_was_asked_for_names_later_connections() {
    let mut engine = engine();
    for packet in trace("dns") {
        engine.push(Event::Packet(seen(packet.at_ns, 0, Direction::Egress, &packet.bytes, 1536)));
    }
    let to = |engine: &mut Engine, addr: &str| {
        let packet = segment("192.168.1.5:50000", addr, Flags::Syn, 1, &[]);
        push(engine, 3_000, 0, Direction::Egress, &packet);
        let rows = engine.drain_new();
        let row = rows.last().unwrap().clone();
        (row.host, row.leg)
    };
    let want = (Some("api.example.test".to_owned()), Leg::Direct);
    assert_eq!(to(&mut engine, "192.0.2.7:443"), want);
    assert_eq!(to(&mut engine, "192.0.2.8:443"), (None, Leg::Other));
}

#[test]
fn an_answer_from_anywhere_but_a_name_server_names_nothing() {
    let mut engine = engine();
    let answer = trace("dns")[1].bytes[28..].to_vec();
    let forged = datagram("10.0.0.9:5000", "192.168.1.5:53", &answer);
    push(&mut engine, 1, 0, Direction::Ingress, &forged);
    let packet = segment("192.168.1.5:50000", "192.0.2.7:443", Flags::Syn, 1, &[]);
    push(&mut engine, 2, 0, Direction::Egress, &packet);
    assert_eq!(engine.drain_new()[1].host, None);
}

#[test]
fn hosts_below_a_provider_count_and_lookalikes_do_not() {
    let leg = |host: &str| {
        let mut engine = engine();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}:80\r\n\r\n");
        let packet = segment("10.0.0.1:5000", "10.0.0.2:80", Flags::Ack, 1, request.as_bytes());
        push(&mut engine, 1, 0, Direction::Egress, &packet);
        engine.drain_new()[0].leg
    };
    assert_eq!(leg("API.example.test"), Leg::Direct);
    assert_eq!(leg("mine.openai.azure.com"), Leg::Direct);
    assert_eq!(leg("openai.azure.com.evil.test"), Leg::Other);
    assert_eq!(leg("evilapi.example.test"), Leg::Other);
}

#[test]
fn a_port_like_the_gateways_on_another_machine_is_not_the_gateway() {
    let mut engine = engine();
    engine.push(Event::GatewayPort(4141));
    let packet = segment("192.168.1.5:50000", "192.0.2.7:4141", Flags::Syn, 1, &[]);
    push(&mut engine, 1, 5, Direction::Egress, &packet);
    assert_eq!(engine.drain_new()[0].leg, Leg::Other);
}

#[test]
fn addresses_used_again_are_another_flow() {
    let mut engine = engine();
    let (a, b) = ("192.168.1.5:50000", "192.0.2.7:443");
    let syn = |seq| segment(a, b, Flags::Syn, seq, &[]);
    push(&mut engine, 1, 5, Direction::Egress, &syn(100));
    push(&mut engine, 2, 5, Direction::Egress, &syn(100));
    push(&mut engine, 3, 5, Direction::Egress, &segment(a, b, Flags::Ack, 101, b"x"));
    push(&mut engine, 4, 5, Direction::Egress, &segment(a, b, Flags::Rst, 102, &[]));
    push(&mut engine, 5, 6, Direction::Egress, &syn(777));
    let flows: Vec<u64> = engine.drain_new().iter().map(|it| it.flow.0).collect();
    assert_eq!(flows, [1, 1, 1, 1, 2], "a SYN sent again is not a new connection");
    assert!(engine.flow(FlowId(1)).unwrap().closed_at_ns.is_some());
    assert_eq!(engine.flow(FlowId(2)).unwrap().closed_at_ns, None);
}

#[test]
fn the_same_addresses_in_another_namespace_are_another_flow() {
    let mut engine = engine();
    let packet = segment("127.0.0.1:50000", "127.0.0.1:4141", Flags::Syn, 1, &[]);
    for (cookie, netns) in [(5, 1), (6, 2)] {
        let seen = seen(1, cookie, Direction::Egress, &packet, 1536);
        engine.push(Event::Packet(PacketSeen { netns, ifindex: 1, ..seen }));
    }
    let flows: Vec<u64> = engine.drain_new().iter().map(|it| it.flow.0).collect();
    assert_eq!(flows, [1, 2]);
}

#[test]
fn a_handshake_reported_before_its_packets_is_the_same_flow() {
    let mut engine = engine();
    let (a, b) = ("192.168.1.5:50000", "192.0.2.7:443");
    engine.push(established(
        5,
        Role::Active,
        "[::ffff:192.168.1.5]:50000",
        "[::ffff:192.0.2.7]:443",
    ));
    push(&mut engine, 1, 5, Direction::Egress, &segment(a, b, Flags::Syn, 1, &[]));
    push(&mut engine, 2, 5, Direction::Ingress, &segment(b, a, Flags::SynAck, 1, &[]));
    let flows: Vec<u64> = engine.drain_new().iter().map(|it| it.flow.0).collect();
    assert_eq!(flows, [1, 1]);
    assert_eq!(engine.flow(FlowId(1)).unwrap().client.srtt_us, Some(42));
}

#[test]
fn a_flow_found_in_the_middle_learns_its_roles_from_the_kernel() {
    let mut engine = engine();
    // A server on a high port, its client on a low one: guessed wrongly at first.
    let (client, server) = ("192.0.2.7:2000", "192.168.1.5:9000");
    let data = segment(client, server, Flags::Ack, 5, b"hello");
    push(&mut engine, 1, 0, Direction::Ingress, &data);
    assert_eq!(engine.drain_new()[0].toward, Toward::Client);
    engine.push(established(8, Role::Passive, server, client));
    let flow = engine.flow(FlowId(1)).unwrap();
    assert_eq!((flow.client.addr.to_string(), flow.client.packets_sent), (client.to_owned(), 1));
    assert_eq!(flow.server.cookie, Some(SocketCookie(8)));
}

#[test]
fn translated_addresses_stay_one_flow_by_their_socket() {
    let mut engine = engine();
    // The packet leaves with another destination than its answer comes from.
    let out = segment("127.0.0.1:50000", "172.17.0.2:80", Flags::Syn, 1, &[]);
    push(&mut engine, 1, 5, Direction::Egress, &out);
    let answer = segment("127.0.0.1:8080", "127.0.0.1:50000", Flags::SynAck, 1, &[]);
    push(&mut engine, 2, 5, Direction::Ingress, &answer);
    let rows = engine.drain_new();
    assert_eq!((rows[0].flow, rows[1].flow), (FlowId(1), FlowId(1)));
    assert_eq!(rows[1].toward, Toward::Client);
}

#[test]
fn retransmits_round_trip_and_end_come_from_the_kernel() {
    let mut engine = engine();
    let (a, b) = ("192.168.1.5:50000", "192.0.2.7:443");
    engine.push(established(5, Role::Active, a, b));
    engine.push(Event::Rtt(Rtt { at_ns: 4, cookie: SocketCookie(5), srtt_us: 60 }));
    assert_eq!(engine.flow(FlowId(1)).unwrap().client.srtt_us, Some(60));
    for _ in 0..3 {
        engine.push(Event::Retransmit(Retransmit { at_ns: 5, cookie: SocketCookie(5) }));
    }
    assert_eq!(engine.flow(FlowId(1)).unwrap().client.retransmits, Some(3));
    assert_eq!(engine.flow(FlowId(1)).unwrap().server.retransmits, None);
    engine.push(Event::Closed(Closed {
        at_ns: 3_000_000_000,
        cookie: SocketCookie(5),
        bytes_sent: Some(1),
        bytes_received: Some(2),
        srtt_us: Some(77),
        retransmits: Some(4),
    }));
    let flow = engine.flow(FlowId(1)).unwrap();
    assert_eq!((flow.client.retransmits, flow.client.srtt_us), (Some(4), Some(77)));
    assert_eq!((flow.client.payload_sent, flow.server.payload_sent), (Some(1), Some(2)));
    assert_eq!(flow.closed_at_ns, Some(3_000_000_000));
}

#[test]
fn everything_is_bounded_and_accounted_for() {
    let config =
        Config { packets_kept: 10, packet_bytes_kept: 1 << 20, flows_max: 4, ..Config::default() };
    let mut engine = Engine::new(config);
    for port in 1_000..1_100_u32 {
        let packet = segment(&format!("10.0.0.1:{port}"), "10.0.0.2:80", Flags::Syn, 1, &[]);
        push(&mut engine, 1, u64::from(port), Direction::Egress, &packet);
    }
    push(&mut engine, 1, 1, Direction::Egress, b"junk");
    engine.push(Event::Lost(Lost { count: 5 }));
    let counters = engine.counters();
    let want = (101, 10, 90, 90, 5, 1, 4, 96);
    let it = counters;
    assert_eq!(
        (
            it.seen,
            it.kept,
            it.evicted,
            it.evicted_undrained,
            it.lost,
            it.undecodable,
            it.flows,
            it.flows_evicted
        ),
        want
    );
    let rows = engine.drain_new();
    assert_eq!((rows.len(), rows[0].seq), (10, 91));
    assert_eq!(
        (rows[0].program.as_deref(), rows[0].leg),
        (None, Leg::Other),
        "its flow is forgotten"
    );
    assert_eq!(rows[0].src, "10.0.0.1:1090", "but not its addresses");
    assert!(
        engine.packet(90).is_none() && engine.packet(91).is_some() && engine.packet(101).is_none()
    );
    engine.clear();
    check_sum(&engine);
    assert_eq!((engine.drain_new(), engine.packet(95)), (Vec::new(), None));
    let packet = segment("10.0.0.1:1", "10.0.0.2:80", Flags::Syn, 1, &[]);
    push(&mut engine, 1, 1, Direction::Egress, &packet);
    assert_eq!(engine.drain_new()[0].seq, 101, "numbers go on");
}

#[test]
fn the_newest_and_the_next_packets_can_be_asked_for() {
    let mut engine = engine();
    push_trace(&mut engine, "http-sse", 4141);
    let numbers = |rows: Vec<PacketRow>| rows.iter().map(|it| it.seq).collect::<Vec<_>>();
    let all = Filter::default();
    assert_eq!(numbers(engine.scan_back(u64::MAX, 3, &all).rows), [30, 29, 28]);
    // A scan begins where the one before ended, either way.
    let first = engine.scan(20, u64::MAX, 4, &all);
    assert_eq!((first.at, first.is_done), (24, false));
    assert_eq!(numbers(engine.scan(first.at, u64::MAX, 9, &all).rows), [25, 26, 27, 28, 29, 30]);
    assert_eq!(numbers(engine.scan_back(28, 2, &all).rows), [27, 26]);
    let none = engine.scan(30, u64::MAX, 9, &all);
    assert_eq!((none.rows.len(), none.at, none.is_done), (0, 30, true));
    assert_eq!(numbers(engine.packets(27, 2, &all)), [28, 29]);
    assert!(engine.packets(u64::MAX, 2, &all).is_empty());
    let requests = Filter::parse("POST").unwrap();
    let last = *numbers(engine.packets(0, 10, &requests)).last().unwrap();
    assert_eq!(numbers(engine.scan_back(u64::MAX, 1, &requests).rows), [last]);
}

#[test]
fn a_packet_of_many_segments_says_so() {
    let mut engine = engine();
    let packet = segment("10.0.0.1:1", "10.0.0.2:80", Flags::Ack, 1, &[0; 100]);
    let seen = seen(1, 5, Direction::Egress, &packet, 1536);
    engine.push(Event::Packet(PacketSeen { gso_size: 50, gso_segs: 2, ..seen }));
    assert!(engine.drain_new()[0].info.ends_with("len 100 (2 segments)"));
}

#[test]
fn bytes_bound_the_ring_too() {
    let config = Config { packet_bytes_kept: 20_000, ..Config::default() };
    let mut engine = Engine::new(config);
    for seq in 0..100 {
        let packet = segment("10.0.0.1:1", "10.0.0.2:80", Flags::Ack, seq, &[0; 1_400]);
        push(&mut engine, 1, 1, Direction::Egress, &packet);
    }
    let counters = engine.counters();
    assert!(counters.kept_bytes <= 20_000 && counters.kept >= 10, "{counters:?}");
}

#[test]
fn a_packets_detail_has_no_credentials() {
    let mut engine = engine();
    push_trace(&mut engine, "http-sse", 4141);
    let filter = Filter::parse("protocol:http POST").unwrap();
    let row = &engine.packets(0, 10, &filter)[0];
    let detail = engine.packet(row.seq).unwrap();
    assert_eq!(detail.bytes.len(), usize::try_from(row.length).unwrap());
    let all = format!("{detail:?}") + &String::from_utf8_lossy(&detail.bytes);
    assert!(!all.contains("made-up"));
    assert_eq!(detail.netns, NETNS);
    assert_eq!(detail.row, *row);
}

#[test]
fn filters_reach_every_column() {
    let mut engine = engine();
    engine.push(Event::GatewayPort(4141));
    engine.push(exec(42, "/usr/bin/python3", &["python3", "ingest.py"]));
    engine.push(owner(CLIENT_COOKIE, 42, OwnerVia::Connect, "python3"));
    push_trace(&mut engine, "http-sse", 4141);
    engine.push(sockets(1, 1_000, Some(9_000)));
    let count = |line: &str| engine.packets(0, 1_000, &Filter::parse(line).unwrap()).len();
    assert_eq!(count(""), 30);
    assert_eq!(count("program:INGEST"), 30);
    assert_eq!(count("program:curl"), 0);
    assert_eq!(count("pid:42 port:4141 leg:client direction:out flow:1 ip:127.0.0.1"), 30);
    assert_eq!(count("port:80"), 0);
    assert_eq!(count("host:127.0.0.1"), 30);
    assert_eq!(count("protocol:tcp"), 30, "the transport counts");
    assert_eq!(count("protocol:http") + count("protocol:sse"), 12);
    assert_eq!(count("protocol:tcp -protocol:http -protocol:sse"), 18);
    assert_eq!(count("message_start"), 2);
    assert_eq!(count("\"200 OK\""), 2);
    assert_eq!(count(&format!("call:{}", call(1))), 30);
    assert_eq!(count(&format!("call:{}", call(2))), 0);
    assert_eq!(engine.flows(10, &Filter::parse("program:ingest port:4141").unwrap()).len(), 1);
    assert_eq!(engine.flows(10, &Filter::parse("leg:direct").unwrap()).len(), 0);
}

/// Events of a few sockets, addresses and processes, so that they meet.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let addr = prop::sample::select(vec![
        "10.0.0.1:1",
        "10.0.0.2:4141",
        "127.0.0.1:5000",
        "127.0.0.1:4141",
        "127.0.0.1:6000",
    ]);
    let flags = prop::sample::select(vec![
        Flags::Syn,
        Flags::SynAck,
        Flags::Ack,
        Flags::FinAck,
        Flags::Rst,
    ]);
    let packet = (
        addr.clone(),
        addr.clone(),
        flags,
        0_u32..4,
        0_u64..5,
        any::<bool>(),
        0_u64..3_000,
        0_usize..80,
    )
        .prop_map(|(src, dst, flags, seq, cookie, out, at_ms, snap)| {
            let direction = if out { Direction::Egress } else { Direction::Ingress };
            let bytes = segment(src, dst, flags, seq, b"POST / HTTP/1.1\r\n\r\n");
            let seen = seen(at_ms * 1_000_000, cookie, direction, &bytes, snap);
            Event::Packet(PacketSeen { ifindex: 1, ..seen })
        });
    let other = (addr.clone(), addr, 0_u64..5, 0_u8..4, 0_u64..3_000, 0_u32..9).prop_map(
        |(a, b, cookie, number, at_ms, kind)| match kind {
            0 => established(cookie, Role::Active, a, b),
            1 => established(cookie, Role::Passive, a, b),
            2 => owner(cookie, u32::from(number), OwnerVia::Connect, "x"),
            3 => Event::CallSockets(CallSockets {
                call: call(number),
                client_cookie: Some(SocketCookie(cookie)),
                upstream_cookie: Some(SocketCookie(cookie / 2)),
                started_at_ns: at_ms * 1_000_000,
                finished_at_ns: (number > 1).then_some(at_ms * 2_000_000),
            }),
            4 => Event::GatewayPort(4141),
            5 => Event::Retransmit(Retransmit { at_ns: at_ms, cookie: SocketCookie(cookie) }),
            6 => Event::PeerCookie(peer(cookie, a, b)),
            7 => Event::Exit(Exit { at_ns: at_ms, process: process(u32::from(number)) }),
            _ => exec(u32::from(number), "/bin/x", &["x"]),
        },
    );
    prop::collection::vec(prop_oneof![2 => packet, 1 => other], 0..80)
}

proptest! {
    #[test]
    fn any_order_of_events_adds_up(events in events(), kept in 1_usize..40, flows in 1_usize..6) {
        let mut engine = Engine::new(Config { packets_kept: kept, flows_max: flows, ..Config::default() });
        let mut drained = 0;
        for event in events {
            engine.push(event);
            let rows = engine.drain_new();
            prop_assert!(rows.iter().all(|it| it.seq > drained));
            drained = rows.last().map_or(drained, |it| it.seq);
        }
        check_sum(&engine);
        let counters = engine.counters();
        prop_assert!(counters.kept <= kept as u64 && counters.flows <= flows as u64);
        prop_assert_eq!(counters.evicted_undrained, 0);
        let all = engine.packets(0, 1_000, &Filter::default());
        prop_assert_eq!(all.len() as u64, counters.kept);
        for number in 0..4 {
            for row in engine.packets_of_call(call(number)) {
                prop_assert_eq!(row.call, Some(call(number)));
            }
        }
        for flow in engine.drain_flows() {
            prop_assert_eq!(engine.flow(flow.id), Some(flow));
        }
        for row in all {
            prop_assert_eq!(engine.packet(row.seq).map(|it| it.row), Some(row));
        }
    }
}
