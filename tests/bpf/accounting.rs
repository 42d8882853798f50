//! Every packet is accounted for, and what the programs cost is known.

use std::net::UdpSocket;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use tollgate_helper_protocol::event::LostCause;
use tollgate_helper_protocol::reply::Status;
use tollgate_helper_protocol::request::{Payload, Scope, SnapTier};
use tollgate_helper_protocol::{Capture, Event, Reply, Request, Topic};
use tollgate_tests::kernel::{SENDER_HOOKS, no_bpf, no_senders};

use crate::harness::{Helper, PATIENCE, came, echo_server, only, packets};

/// What the kernel lets a program cost its verifier: far below its limit of a million, so that no
/// change of kernel brings it near.
const VERIFIED_INSTRUCTIONS_MAX: u32 = 300;

#[test]
fn every_program_loads_attaches_and_stays_within_its_budget() {
    if no_bpf("budget") {
        return;
    }
    let mut helper = Helper::start(0);
    let missing = if no_senders("hooks of senders") { &SENDER_HOOKS[..] } else { &[] };
    let refused: Vec<_> =
        helper.hello.probes.iter().filter(|probe| probe.refused.is_some()).collect();
    let hooks: Vec<_> = refused.iter().map(|probe| probe.hook.as_str()).collect();
    assert_eq!(hooks, missing, "{refused:?}");
    assert_eq!(helper.hello.probes.len(), 17);
    assert_eq!(helper.hello.object_sha256.len(), 64);
    let programs = helper.status().programs;
    assert_eq!(programs.len(), 23 - missing.len());
    for program in &programs {
        let Some(count) = program.verified_instructions else {
            eprintln!("skipped the budget: this kernel does not tell (before Linux 5.16)");
            return;
        };
        println!("{:16} {count:4} verified instructions", program.name);
    }
    let over: Vec<_> = programs
        .iter()
        .filter(|it| it.verified_instructions.is_some_and(|n| n >= VERIFIED_INSTRUCTIONS_MAX))
        .collect();
    assert!(over.is_empty(), "over {VERIFIED_INSTRUCTIONS_MAX}: {over:?}");
}

/// A datagram socket whose port no connection of another program has by chance: it is below those
/// that the kernel gives out.
fn sink() -> UdpSocket {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let mut ports = (first..32_768).chain(20_000..first);
    ports.find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok()).unwrap()
}

/// How often a program ran, as the kernel itself counts.
fn runs(status: &Status, program: &str) -> u64 {
    let program = status.programs.iter().find(|it| it.name == program).unwrap();
    program.run_count.unwrap()
}

#[test]
fn seen_is_what_was_delivered_and_dropped_to_the_packet() {
    if no_bpf("exact accounting") {
        return;
    }
    let sink = sink();
    let port = sink.local_addr().unwrap().port();
    let mut helper = Helper::capture(0, only(port));
    let source = UdpSocket::bind("127.0.0.1:0").unwrap();
    source.connect(sink.local_addr().unwrap()).unwrap();
    // Nobody empties the rings meanwhile, so that they must overflow.
    let process = Pid::from_raw(i32::try_from(helper.pid()).unwrap()).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    let sent = 40_000;
    for n in 0..sent {
        source.send(&[u8::try_from(n % 251).unwrap(); 1200]).unwrap();
    }
    kill_process(process, Signal::CONT).unwrap();
    helper.until("word of the loss", |events| {
        events
            .iter()
            .any(|event| matches!(event, Event::Lost(lost) if lost.cause == LostCause::PacketRing))
    });
    let counted = helper.drained();
    let egress = counted.egress;
    println!("{egress:?} {:?}", counted.connection);
    let dropped = counted.connection.packets_dropped;
    assert_eq!(came(&helper.events) + dropped, egress.delivered);
    assert_eq!(egress.delivered + egress.ring_full, sent, "not a packet more or less");
    assert!(egress.ring_full > 0 && egress.stepped_down > 0 && egress.delivered > 0);
    let lost: u64 = helper
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Lost(lost) if lost.cause == LostCause::PacketRing => Some(lost.count),
            _ => None,
        })
        .sum();
    assert_eq!(lost, egress.ring_full, "the client was told of each");
    // The other tests' packets go on: look until the kernel's own count and ours, read one after
    // the other, had none between them.
    let deadline = Instant::now() + PATIENCE;
    let mut exact = false;
    while !exact && Instant::now() < deadline {
        let status = helper.status();
        exact = status.egress.adds_up()
            && status.ingress.adds_up()
            && status.egress.seen == runs(&status, "tg_egress")
            && status.ingress.seen == runs(&status, "tg_ingress");
    }
    assert!(exact, "{:?}", helper.status());
}

#[test]
fn asking_for_the_same_again_blinds_nobody() {
    if no_bpf("the same again") {
        return;
    }
    let sink = sink();
    let to = sink.local_addr().unwrap();
    let capture = only(to.port());
    let mut helper = Helper::capture(0, capture.clone());
    let sent = 20_000;
    let sending = std::thread::spawn(move || {
        let source = UdpSocket::bind("127.0.0.1:0").unwrap();
        source.connect(to).unwrap();
        for _ in 0..sent {
            source.send(b"x").unwrap();
        }
    });
    while !sending.is_finished() {
        assert!(matches!(helper.ask(Request::SetCapture(capture.clone())), Reply::CaptureSet(_)));
        let topics = vec![Topic::Packets, Topic::Sockets];
        assert!(matches!(helper.ask(Request::Subscribe(topics)), Reply::Done));
    }
    sending.join().unwrap();
    let egress = helper.drained().egress;
    assert_eq!(egress.delivered + egress.ring_full, sent);
}

#[test]
fn a_client_gets_each_delivered_packet_exactly_once() {
    if no_bpf("each packet once") {
        return;
    }
    let port = echo_server("127.0.0.1:0");
    let mut helper = Helper::capture(0, only(port));
    for _ in 0..300 {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    helper.until("the last closing", |events| {
        let closed = |event: &&Event| matches!(event, Event::Closed(it) if it.tcp.is_some());
        events.iter().filter(closed).count() >= 600
    });
    let _ = helper.drained();
    assert!(matches!(helper.ask(Request::Subscribe(Vec::new())), Reply::Done));
    let status = helper.status();
    assert_eq!(status.connection.packets_dropped, 0);
    assert_eq!(status.egress.ring_full + status.ingress.ring_full, 0);
    assert_eq!(came(&helper.events), status.egress.delivered);
    assert_eq!(status.ingress.delivered, 0, "loopback packets are told once, when sent");
    // The receiver's side of each; a last acknowledgement may find its socket already gone.
    assert!(status.ingress.loopback > 0 && status.ingress.loopback <= status.egress.delivered);
}

#[test]
fn copies_no_more_than_the_tier_and_no_payload_that_is_withheld() {
    if no_bpf("tiers") {
        return;
    }
    let sink = sink();
    let port = sink.local_addr().unwrap().port();
    let mut helper = Helper::capture(0, only(port));
    for (snap, payload, expected) in [
        (SnapTier::Headers, Payload::Copied, 96),
        (SnapTier::Start, Payload::Copied, 256),
        (SnapTier::Payload, Payload::Copied, 1428),
        (SnapTier::Payload, Payload::Withheld, 28),
    ] {
        let capture = Capture { snap, payload, ..only(port) };
        assert!(matches!(helper.ask(Request::SetCapture(capture)), Reply::CaptureSet(_)));
        helper.events.clear();
        let source = UdpSocket::bind("127.0.0.1:0").unwrap();
        source.send_to(&[7; 1400], ("127.0.0.1", port)).unwrap();
        helper.until("the datagram", |events| packets(events).next().is_some());
        let packet = helper.packets().next().unwrap();
        assert_eq!((packet.len, packet.snap.0.len()), (1428, expected), "{snap:?} {payload:?}");
    }
}

#[test]
fn nothing_is_handed_over_that_was_not_asked_for() {
    if no_bpf("filter") {
        return;
    }
    let port = echo_server("127.0.0.1:0");
    let other = echo_server("127.0.0.1:0");
    let talk = |port: u16| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        rustix::net::sockopt::socket_cookie(&stream).unwrap()
    };
    let mut helper = Helper::capture(0, only(port));
    let unasked = talk(other);
    let asked = talk(port);
    helper.until("the asked for", |events| packets(events).any(|it| it.cookie == asked));
    assert!(!helper.packets().any(|packet| packet.cookie == unasked));
    let everything = Capture { scope: Scope::Everything, ..only(port) };
    assert!(matches!(helper.ask(Request::SetCapture(everything)), Reply::CaptureSet(_)));
    let mut talked = vec![talk(other)];
    helper.until("everything", |events| {
        let is_there = packets(events).any(|it| talked.contains(&it.cookie));
        // Other programs may fill the ring meanwhile.
        if !is_there {
            talked.push(talk(other));
        }
        is_there
    });
}
