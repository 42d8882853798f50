//! What a packet costs, as the kernel measures it. Prints; a slow machine fails nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use tollgate_helper_protocol::reply::Status;
use tollgate_helper_protocol::request::SnapTier;
use tollgate_helper_protocol::{Capture, Reply, Request};
use tollgate_tests::kernel::no_bpf;

use crate::harness::{Helper, only};

/// Small requests and answers on one connection: every write is a packet or two.
fn ping_pong(port: u16, times: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    for _ in 0..times {
        stream.write_all(&[1; 700]).unwrap();
        stream.read_exact(&mut [0; 700]).unwrap();
    }
}

fn mirror() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut bytes = [0; 700];
                while stream.read_exact(&mut bytes).is_ok() && stream.write_all(&bytes).is_ok() {}
            });
        }
    });
    port
}

/// Run time and runs of each program between two looks.
fn between(before: &Status, after: &Status) -> Vec<(String, u64, u64)> {
    let pairs = before.programs.iter().zip(&after.programs);
    pairs
        .map(|(before, after)| {
            let spent = after.run_time_ns.unwrap() - before.run_time_ns.unwrap();
            (after.name.clone(), spent, after.run_count.unwrap() - before.run_count.unwrap())
        })
        .collect()
}

#[test]
fn prints_what_a_packet_costs_in_each_program() {
    if no_bpf("costs") {
        return;
    }
    let (port, other) = (mirror(), mirror());
    let mut helper = Helper::capture(0, only(port));
    for (what, port, snap) in [
        ("not wanted", other, SnapTier::Headers),
        ("headers (96 B)", port, SnapTier::Headers),
        ("start (256 B)", port, SnapTier::Start),
        ("payload (to 1536 B)", port, SnapTier::Payload),
    ] {
        let only_this = Capture { snap, ..only(helper_port(what, port, other)) };
        assert!(matches!(helper.ask(Request::SetCapture(only_this)), Reply::CaptureSet(_)));
        let before = helper.status();
        ping_pong(port, 10_000);
        let after = helper.status();
        helper.events.clear();
        let delivered = after.egress.delivered - before.egress.delivered;
        let lost = after.egress.ring_full - before.egress.ring_full;
        println!("{what}: {delivered} delivered, {lost} lost");
        // Each request and each answer is at least a packet; a busy machine may lose some.
        assert_eq!(delivered + lost >= 20_000, what != "not wanted");
        for (name, spent, runs) in between(&before, &after) {
            if runs >= 10_000 {
                println!("  {name:14} {:5} ns a run, {runs} runs", spent / runs);
            }
        }
    }
}

/// The watched port: the one in use, or, for packets that nobody wants, one that is not.
fn helper_port(what: &str, port: u16, other: u16) -> u16 {
    if what == "not wanted" { other.wrapping_add(1) } else { port }
}
