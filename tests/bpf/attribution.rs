//! Every socket is given to the process that a witness says it belongs to.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use tollgate_helper_protocol::event::{Direction, Role, Via};
use tollgate_helper_protocol::{Capture, Event};
use tollgate_tests::kernel::{no_bpf, no_senders};

use crate::harness::{Helper, Python, echo_server, only, owner_of, owners, packets};

/// Clients that live for one request, eight at a time. Each says who it is, asked of the kernel by
/// itself: pid, start in clock ticks, cookie of its socket.
const SHORT_LIVED: &str = r"
import os, socket, struct, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
def client():
    s = socket.create_connection(('127.0.0.1', port))
    s.sendall(b'x'); s.recv(1)
    cookie = struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, 57, 8))[0]
    start = open('/proc/self/stat').read().rsplit(')', 1)[1].split()[19]
    os.write(1, f'{os.getpid()} {start} {cookie}\n'.encode())
    os._exit(0)
running = 0
for _ in range(count):
    if running == 8:
        os.wait(); running -= 1
    if os.fork() == 0: client()
    running += 1
while running: os.wait(); running -= 1
";

#[test]
fn names_the_process_of_each_of_a_thousand_short_lived_clients() {
    if no_bpf("short-lived clients") || no_senders("short-lived clients") {
        return;
    }
    let port = echo_server("127.0.0.1:0");
    let mut helper = Helper::capture(0, only(port));
    let clients = Python::start(&[], SHORT_LIVED, &[&port.to_string(), "1000"]).finish();
    assert_eq!(clients.len(), 1000);
    let wanted: HashSet<u64> = clients.iter().map(|client| client[2]).collect();
    assert_eq!(wanted.len(), 1000, "cookies are unique");
    helper.until("the end of every client's socket", |events| {
        let closed = events.iter().filter_map(|event| match event {
            Event::Closed(closed) => Some(closed.cookie),
            _ => None,
        });
        closed.filter(|cookie| wanted.contains(cookie)).collect::<HashSet<_>>().len() == 1000
    });
    helper.drained();
    let mut wrong = Vec::new();
    for client in &clients {
        let (pid, started_at_ns, cookie) = (client[0], client[1] * 10_000_000, client[2]);
        let owner = owner_of(&helper.events, cookie).expect("every client's socket has an owner");
        let got = (u64::from(owner.process.pid), owner.process.started_at_ns);
        if got != (pid, started_at_ns) || owner.via != Via::SendReceive {
            wrong.push((client.clone(), owner.clone()));
        }
    }
    assert!(wrong.is_empty(), "{} of 1000 are wrong, first {:?}", wrong.len(), wrong[0]);
    // Their packets carry the same cookies, and none was lost.
    let seen: HashSet<u64> = helper.packets().map(|packet| packet.cookie).collect();
    assert!(wanted.is_subset(&seen));
    assert!(!helper.events.iter().any(|event| matches!(event, Event::Lost(_))));
    let processes: HashSet<u32> = helper
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Forked(forked) => Some(forked.process.pid),
            _ => None,
        })
        .collect();
    assert!(clients.iter().all(|client| processes.contains(&u32::try_from(client[0]).unwrap())));
}

/// Workers that share one listening socket, made before they were forked. Each answers a
/// connection with its own pid and the accepted socket's cookie.
const PRE_FORK: &str = r"
import os, socket, struct, sys
listener = socket.create_server(('127.0.0.1', 0), backlog=64)
pids = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        while True:
            s, _ = listener.accept()
            s.recv(1)
            cookie = struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, 57, 8))[0]
            s.sendall(f'{os.getpid()} {cookie}'.encode())
            s.close()
    pids.append(pid)
print(listener.getsockname()[1], *pids, flush=True)
sys.stdin.read()
for pid in pids: os.kill(pid, 9)
";

#[test]
fn gives_an_accepted_socket_to_the_worker_that_serves_it() {
    if no_bpf("pre-fork server") || no_senders("pre-fork server") {
        return;
    }
    let mut server = Python::start(&[], PRE_FORK, &[]);
    let numbers = server.numbers();
    let (port, workers) = (u16::try_from(numbers[0]).unwrap(), &numbers[1..]);
    // The listening socket is older than the helper, as a gateway's is.
    let mut helper = Helper::capture(0, only(port));
    let mut truth = BTreeMap::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"x").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (pid, cookie) = answer.split_once(' ').unwrap();
        truth.insert(cookie.parse::<u64>().unwrap(), pid.parse::<u32>().unwrap());
    }
    helper.until("an owner for every accepted socket", |events| {
        let known: HashSet<u64> = owners(events).map(|owner| owner.cookie).collect();
        truth.keys().all(|cookie| known.contains(cookie))
    });
    for (cookie, pid) in &truth {
        assert!(workers.contains(&u64::from(*pid)));
        let owner = owner_of(&helper.events, *cookie).unwrap();
        assert_eq!((owner.process.pid, owner.via), (*pid, Via::SendReceive));
    }
    helper.drained();
    // The handshake is there too, although it carries the old listening socket's cookie.
    let is_syn_ack = |snap: &[u8]| snap.get(33).is_some_and(|flags| flags & 0x12 == 0x12);
    assert!(helper.packets().any(|packet| is_syn_ack(&packet.snap.0) && packet.uid == Some(0)));
}

#[test]
fn tells_both_ends_of_an_ipv6_connection_apart() {
    if no_bpf("IPv6") || no_senders("IPv6") {
        return;
    }
    let port = echo_server("[::1]:0");
    let mut helper = Helper::capture(0, only(port));
    let mut stream = TcpStream::connect(("::1", port)).unwrap();
    let cookie = rustix::net::sockopt::socket_cookie(&stream).unwrap();
    let (local, remote) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop(stream);
    // Of this connection: other programs of this user close theirs meanwhile.
    helper.until("both ends' closing", |events| {
        let ends = events.iter().filter_map(|event| match event {
            Event::Established(it) if [it.local, it.remote].contains(&local) => Some(it.cookie),
            _ => None,
        });
        let is_closed = |cookie: u64| {
            let closed = |event: &Event| matches!(event, Event::Closed(it) if it.cookie == cookie);
            events.iter().any(closed)
        };
        ends.filter(|it| is_closed(*it)).count() == 2
    });
    let established = |role: Role| {
        let mut all = helper.events.iter().filter_map(|event| match event {
            Event::Established(it) if it.role == role && [it.local, it.remote].contains(&local) => {
                Some(it)
            }
            _ => None,
        });
        all.next().cloned().unwrap()
    };
    let (active, passive) = (established(Role::Active), established(Role::Passive));
    assert_eq!((active.cookie, active.local, active.remote), (cookie, local, remote));
    assert_eq!((passive.local, passive.remote), (remote, local));
    assert_eq!(active.netns, passive.netns);
    let peers: HashSet<u64> = helper
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PeerCookie(peer) => Some(peer.cookie),
            _ => None,
        })
        .collect();
    assert!(peers.contains(&cookie) && peers.contains(&passive.cookie));
    for packet in helper.packets() {
        assert_eq!(packet.snap.0[0] >> 4, 6, "IPv6 from its first byte on");
        assert_eq!((packet.ifindex, packet.direction), (1, Direction::Egress));
        assert_eq!(packet.netns, active.netns);
        assert_eq!(usize::try_from(packet.len).unwrap(), packet.snap.0.len());
        assert!(packet.tcp.is_some());
    }
    let pid = std::process::id();
    assert_eq!(owner_of(&helper.events, cookie).unwrap().process.pid, pid);
    assert_eq!(owner_of(&helper.events, passive.cookie).unwrap().process.pid, pid);
}

/// A client of another network namespace, which says its cookie and its namespace's.
const ELSEWHERE: &str = r"
import os, socket, struct, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.sendall(b'x'); s.recv(1)
numbers = [struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, n, 8))[0] for n in (57, 71)]
print(os.getpid(), *numbers, flush=True)
";

/// A network namespace of its own, joined to this one by a pair of interfaces.
struct Namespace {
    name: String,
    host: String,
}

impl Namespace {
    fn new() -> Self {
        let id = std::process::id() % 10_000;
        let this = Self { name: format!("tollgate{id}"), host: format!("tg{id}a") };
        let (inner, net) = (format!("tg{id}b"), id % 250);
        for command in [
            format!("netns add {}", this.name),
            format!("link add {} type veth peer name {inner} netns {}", this.host, this.name),
            format!("address add 10.231.{net}.1/30 dev {}", this.host),
            format!("link set {} up", this.host),
            format!("-n {} address add 10.231.{net}.2/30 dev {inner}", this.name),
            format!("-n {} link set {inner} up", this.name),
            format!("-n {} link set lo up", this.name),
        ] {
            ip(&command);
        }
        this
    }

    fn host_address() -> String {
        format!("10.231.{}.1", std::process::id() % 10_000 % 250)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        let _ = Command::new("ip").args(["link", "delete", &self.host]).output();
    }
}

fn ip(command: &str) {
    let status = Command::new("ip").args(command.split(' ')).status().unwrap();
    assert!(status.success(), "`ip {command}` failed");
}

#[test]
fn sees_a_client_in_a_network_namespace_of_its_own() {
    if no_bpf("network namespace") {
        return;
    }
    let namespace = Namespace::new();
    let address = Namespace::host_address();
    let port = echo_server(&format!("{address}:0"));
    // For the client the gateway's port is a remote one, off loopback.
    let capture = Capture { remote_ports: vec![port], ..only(port) };
    let mut helper = Helper::capture(0, capture);
    let wrapper = ["ip", "netns", "exec", &namespace.name];
    let said = Python::start(&wrapper, ELSEWHERE, &[&address, &port.to_string()]).finish();
    let (pid, cookie, netns) = (said[0][0], said[0][1], said[0][2]);
    helper.until("the client's closing", |events| {
        events.iter().any(|event| matches!(event, Event::Closed(closed) if closed.cookie == cookie))
    });
    helper.drained();
    let owner = owner_of(&helper.events, cookie).unwrap();
    assert_eq!((u64::from(owner.process.pid), owner.netns), (pid, Some(netns)));
    let client: Vec<_> = packets(&helper.events).filter(|it| it.cookie == cookie).collect();
    assert!(client.iter().any(|it| it.direction == Direction::Egress));
    assert!(client.iter().any(|it| it.direction == Direction::Ingress));
    assert!(client.iter().all(|it| it.netns == Some(netns) && it.ifindex != 1));
    let server: HashSet<u64> = packets(&helper.events)
        .filter(|it| it.cookie != cookie)
        .filter_map(|it| it.netns)
        .collect();
    assert_eq!(server.len(), 1);
    assert!(!server.contains(&netns), "the server's end is in another namespace");
}

#[test]
fn tells_the_arguments_of_programs_that_have_already_ended() {
    if no_bpf("arguments") {
        return;
    }
    let mut helper = Helper::capture(0, only(1));
    let long = "x".repeat(3000);
    for n in 0..100 {
        let number = n.to_string();
        let last = if n == 99 { long.as_str() } else { "ünï" };
        assert!(Command::new("true").args(["--", &number, "", last]).status().unwrap().success());
    }
    let own = |events: &[Event]| -> Vec<_> {
        let all = events.iter().filter_map(|event| match event {
            Event::Executed(executed) if executed.parent == Some(std::process::id()) => {
                Some(executed.clone())
            }
            _ => None,
        });
        all.filter(|executed| executed.argv.as_ref().is_some_and(|argv| argv[0] == "true"))
            .collect()
    };
    helper.until("a hundred programs", |events| own(events).len() == 100);
    for (n, executed) in own(&helper.events).iter().enumerate() {
        let argv = executed.argv.as_ref().unwrap();
        assert_eq!(argv[1..3], ["--".to_owned(), n.to_string()]);
        assert!(executed.filename.as_ref().unwrap().ends_with("/true"));
        assert_eq!(executed.comm, "true");
        assert_eq!(executed.argv_cut, n == 99);
        if n < 99 {
            assert_eq!(argv[3..], [String::new(), "ünï".to_owned()]);
        }
    }
    let exited: HashSet<_> = helper
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Exited(exited) => Some(exited.process),
            _ => None,
        })
        .collect();
    assert!(own(&helper.events)[..99].iter().all(|executed| exited.contains(&executed.process)));
}
