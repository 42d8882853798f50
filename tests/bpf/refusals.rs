//! What hostile, foreign and outdated clients get.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tollgate_helper_protocol::frame::{self, FRAME_BYTES_MAX, REQUEST_BYTES_MAX};
use tollgate_helper_protocol::reply::{RefusalCode, Sees};
use tollgate_helper_protocol::{
    Call, Capture, Event, Message, PROTOCOL_VERSION, Reply, Request, Topic,
};
use tollgate_tests::kernel::no_bpf;

use crate::harness::{Helper, PATIENCE, Python, binary, echo_server, only, packets};

/// A helper at a socket.
struct Served {
    process: Child,
    path: PathBuf,
    /// Kept for as long as the socket is in it.
    folder: Option<tempfile::TempDir>,
}

impl Served {
    fn start(uid: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut this = Self::at(uid, folder.path().join("run/helper.sock"));
        this.folder = Some(folder);
        this
    }

    fn at(uid: u32, path: PathBuf) -> Self {
        let process = Command::new(binary())
            .args(["--uid", &uid.to_string(), "--socket"])
            .arg(&path)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&path).is_err() {
            assert!(Instant::now() < deadline, "no socket appeared");
        }
        Self { process, path, folder: None }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A connection with hello said, unless there is no place for it.
    fn welcome(&self) -> Option<UnixStream> {
        let stream = self.connect();
        let mut bytes = Vec::new();
        frame::encode(&Call { id: 1, request: hello(PROTOCOL_VERSION) }, &mut bytes).unwrap();
        let is_said = (&stream).write_all(&bytes).is_ok();
        (is_said && matches!(reply(&stream), Reply::Hello(_))).then_some(stream)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn call(mut stream: &UnixStream, request: Request) -> Reply {
    let mut bytes = Vec::new();
    frame::encode(&Call { id: 7, request }, &mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
    reply(stream)
}

fn reply(mut stream: &UnixStream) -> Reply {
    match frame::read::<Message>(&mut stream, FRAME_BYTES_MAX).unwrap() {
        Some(Message::Reply(_, reply)) => reply,
        other => panic!("no reply but {other:?}"),
    }
}

fn hello(version: u16) -> Request {
    Request::Hello { version, client: "tests".to_owned() }
}

fn code(reply: &Reply) -> RefusalCode {
    match reply {
        Reply::Refused(refusal) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

fn is_closed(mut stream: &UnixStream) -> bool {
    matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_))
}

#[test]
fn another_user_is_refused_and_the_socket_is_made_for_one() {
    if no_bpf("wrong user") {
        return;
    }
    let helper = Served::start(1000);
    let metadata = std::fs::metadata(&helper.path).unwrap();
    assert_eq!((metadata.uid(), metadata.permissions().mode() & 0o777), (1000, 0o600));
    // Root gets through the file's mode; the peer's credentials stop it.
    let stream = helper.connect();
    assert_eq!(code(&reply(&stream)), RefusalCode::WrongUser);
    assert!(is_closed(&stream));
}

#[test]
fn a_helper_takes_nobody_elses_socket_and_leaves_one_that_can_be_taken() {
    if no_bpf("one socket") {
        return;
    }
    let mut first = Served::start(1000);
    // As the systemd unit has it: a root that does not get through the socket's mode.
    let capabilities = "-all,+bpf,+perfmon,+net_admin,+setuid,+setgid,+setpcap,+chown";
    let bounding = format!("--bounding-set={capabilities}");
    let second = |wrapper: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(wrapper).arg(binary()).args(["--uid", "1001", "--socket"]).arg(&first.path);
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (wrapper, said) in [
        (&[][..], "another helper listens"),
        (&[&bounding, "--inh-caps=-all"][..], "could not tell whether another helper listens"),
    ] {
        let (code, text) = second(wrapper);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(code(&reply(&first.connect())), RefusalCode::WrongUser, "it still listens");
    first.process.kill().unwrap();
    first.process.wait().unwrap();
    assert!(first.path.exists());
    let again = Served::at(0, first.path.clone());
    assert!(again.welcome().is_some());
}

#[test]
fn bad_beginnings_are_refused_by_name_and_closed() {
    if no_bpf("bad beginnings") {
        return;
    }
    let helper = Served::start(0);
    let skewed = helper.connect();
    assert_eq!(code(&call(&skewed, hello(PROTOCOL_VERSION + 1))), RefusalCode::VersionSkew);
    assert!(is_closed(&skewed));
    let rude = helper.connect();
    assert_eq!(code(&call(&rude, Request::Ping)), RefusalCode::HelloExpected);
    assert!(is_closed(&rude));
    let huge = helper.connect();
    (&huge).write_all(&u32::MAX.to_le_bytes()).unwrap();
    assert_eq!(code(&reply(&huge)), RefusalCode::Malformed);
    assert!(is_closed(&huge));
    let noise = helper.connect();
    (&noise).write_all(&[3, 0, 0, 0, 0xff, 0xff, 0xff]).unwrap();
    assert_eq!(code(&reply(&noise)), RefusalCode::Malformed);
    assert!(is_closed(&noise));
    // None of them harmed it.
    let stream = helper.connect();
    assert!(matches!(call(&stream, hello(PROTOCOL_VERSION)), Reply::Hello(_)));
    assert!(matches!(call(&stream, Request::Ping), Reply::Pong(at) if at > 0));
}

#[test]
fn requests_over_a_limit_are_refused_and_the_connection_goes_on_or_ends_as_promised() {
    if no_bpf("limits") {
        return;
    }
    let helper = Served::start(0);
    let stream = helper.connect();
    assert!(matches!(call(&stream, hello(PROTOCOL_VERSION)), Reply::Hello(_)));
    assert_eq!(code(&call(&stream, hello(PROTOCOL_VERSION))), RefusalCode::HelloExpected);
    let long = Capture { gateway_ports: vec![1; 17], ..only(1) };
    assert_eq!(code(&call(&stream, Request::SetCapture(long))), RefusalCode::TooLong);
    assert!(matches!(call(&stream, Request::Ping), Reply::Pong(_)));
    let too_large = u32::try_from(REQUEST_BYTES_MAX + 1).unwrap();
    (&stream).write_all(&too_large.to_le_bytes()).unwrap();
    assert_eq!(code(&reply(&stream)), RefusalCode::Malformed);
    assert!(is_closed(&stream));
    // Four have a place, a fifth has none, and a place that is left is free again.
    let mut places: Vec<UnixStream> = Vec::new();
    while places.len() < 4 {
        places.extend(helper.welcome());
    }
    assert_eq!(code(&reply(&helper.connect())), RefusalCode::TooManyClients);
    places.pop();
    let deadline = Instant::now() + PATIENCE;
    while helper.welcome().is_none() {
        assert!(Instant::now() < deadline, "the place stays taken");
    }
}

/// One request, then the process ends.
const TALK: &str = r"
import socket, struct, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
s.sendall(b'x'); s.recv(1)
print(struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, 57, 8))[0])
";

fn talk_as(uid: u32, port: u16) -> u64 {
    use std::os::unix::process::CommandExt;
    let output = Command::new("/usr/bin/python3")
        .args(["-c", TALK, &port.to_string()])
        .current_dir("/")
        .uid(uid)
        .gid(uid)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn a_user_sees_its_own_packets_and_processes_only() {
    if no_bpf("own packets only") {
        return;
    }
    let port = echo_server("127.0.0.1:0");
    let mut helper = Helper::start(1000);
    assert_eq!(helper.hello.sees, Sees::User(1000));
    let others = Capture { uids: vec![1000, 0], ..only(port) };
    assert_eq!(code(&helper.ask(Request::SetCapture(others))), RefusalCode::NotAllowed);
    let Reply::CaptureSet(capture) = helper.ask(Request::SetCapture(only(port))) else {
        panic!("its own packets are allowed")
    };
    assert_eq!(capture.uids, [1000]);
    let all = vec![Topic::Packets, Topic::Sockets, Topic::Processes];
    assert!(matches!(helper.ask(Request::Subscribe(all)), Reply::Done));
    TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(b"x").unwrap();
    let foreign = talk_as(1001, port);
    let own = talk_as(1000, port);
    helper.until("its own closing", |events| {
        events.iter().any(|event| matches!(event, Event::Closed(closed) if closed.cookie == own))
    });
    helper.drained();
    assert!(helper.packets().any(|packet| packet.cookie == own));
    assert!(!helper.packets().any(|packet| packet.cookie == foreign));
    for event in &helper.events {
        let uid = match event {
            Event::Packet(it) => it.uid,
            Event::Owner(it) => Some(it.uid),
            Event::Established(it) => it.uid,
            Event::PeerCookie(it) => it.uid,
            Event::State(it) => it.uid,
            Event::Rtt(it) => it.uid,
            Event::Closed(it) => it.uid,
            Event::Retransmitted(it) => it.uid,
            Event::Executed(it) => Some(it.uid),
            Event::Forked(it) => Some(it.uid),
            Event::Exited(it) => Some(it.uid),
            Event::Lost(_) => Some(1000),
        };
        assert_eq!(uid, Some(1000), "{event:?}");
    }
    assert!(helper.status().egress.other_user > 0, "the others were seen and held back");
    assert!(packets(&helper.events).count() >= 3);
}

#[test]
fn what_a_set_uid_program_says_is_not_shown_to_who_started_it() {
    use std::os::unix::process::CommandExt;
    if no_bpf("set-uid program") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(folder.path(), open(0o755)).unwrap();
    let program = folder.path().join("python-of-root");
    std::fs::copy("/usr/bin/python3", &program).unwrap();
    std::fs::set_permissions(&program, open(0o4755)).unwrap();
    let port = echo_server("127.0.0.1:0");
    let mut helper = Helper::capture(1000, only(port));
    let talk = format!("import os\nprint(os.geteuid())\n{TALK}");
    let output = Command::new(&program)
        .args(["-c", &talk, &port.to_string()])
        .env("PYTHONHOME", "/usr")
        .current_dir("/")
        .uid(1000)
        .gid(1000)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let Some(("0", cookie)) = said.trim().split_once('\n') else {
        eprintln!("skipped set-uid program: it gets no rights here, it said {said:?}");
        return;
    };
    let foreign: u64 = cookie.parse().unwrap();
    let own = talk_as(1000, port);
    helper.until("its own closing", |events| {
        events.iter().any(|event| matches!(event, Event::Closed(closed) if closed.cookie == own))
    });
    helper.drained();
    assert!(helper.packets().any(|packet| packet.cookie == own));
    assert!(!helper.packets().any(|packet| packet.cookie == foreign));
    assert!(!crate::harness::owners(&helper.events).any(|owner| owner.cookie == foreign));
}

/// Answers each question, over TCP and over UDP on the same port.
const ANSWER: &str = r"
import socket, sys, threading
while True:
    tcp = socket.create_server(('127.0.0.1', 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try: udp.bind(tcp.getsockname()); break
    except OSError: tcp.close()
print(tcp.getsockname()[1], flush=True)
def datagrams():
    while True:
        said, who = udp.recvfrom(100)
        udp.sendto(said.replace(b'ask', b'told'), who)
def streams():
    while True:
        stream, _ = tcp.accept()
        stream.sendall(stream.recv(100).replace(b'ask', b'told'))
        stream.recv(1); stream.close()
for it in datagrams, streams: threading.Thread(target=it, daemon=True).start()
sys.stdin.read()
";
/// Asks so often, over TCP and over UDP.
const ASK: &str = r"
import socket, sys
where = ('127.0.0.1', int(sys.argv[1]))
for n in range(int(sys.argv[2])):
    for kind, name in (socket.SOCK_STREAM, 'tcp'), (socket.SOCK_DGRAM, 'udp'):
        s = socket.socket(socket.AF_INET, kind)
        s.connect(where); s.send(f'ask {name} {n};'.encode()); s.recv(100); s.close()
";

/// Python as another user, who may not look into this one's folders.
fn python_as(uid: u32, program: &str, args: &[&str]) -> Python {
    let (user, group) = (format!("--reuid={uid}"), format!("--regid={uid}"));
    let wrapper =
        ["setpriv", &user, &group, "--clear-groups", "env", "--chdir=/", "PATH=/usr/bin:/bin"];
    Python::start(&wrapper, program, args)
}

#[test]
fn both_directions_between_two_users_are_told_and_each_packet_once() {
    if no_bpf("loopback between users") {
        return;
    }
    let times = 20;
    for (server, client) in [(1001, 1000), (1000, 1001), (1000, 1000)] {
        // First, for it cannot tell whose an older UDP socket is.
        let mut helper = Helper::start(1000);
        let mut answering = python_as(server, ANSWER, &[]);
        let port = u16::try_from(answering.numbers()[0]).unwrap();
        helper.listen_to(only(port));
        python_as(client, ASK, &[&port.to_string(), &times.to_string()]).finish();
        let said = |text: &str, snap: &[u8]| snap.ends_with(text.as_bytes());
        let texts: Vec<String> = (0..times)
            .flat_map(|n| {
                ["ask tcp", "told tcp", "ask udp", "told udp"].map(|it| format!("{it} {n};"))
            })
            .collect();
        let times_told = |events: &[Event], text: &str| {
            packets(events).filter(|it| said(text, &it.snap.0)).count()
        };
        helper.until("every question and answer", |events| {
            texts.iter().all(|it| times_told(events, it) > 0)
        });
        let status = helper.drained();
        for text in &texts {
            assert_eq!(times_told(&helper.events, text), 1, "{text}, {client} asks {server}");
        }
        assert!(helper.packets().all(|it| it.uid == Some(1000)));
        // Arrivals are told where nobody told of the departure.
        assert_eq!(status.ingress.delivered > 0, server != client, "{status:?}");
        assert!(status.egress.adds_up() && status.ingress.adds_up(), "{status:?}");
    }
}

#[test]
fn a_snapshot_names_the_owners_of_sockets_that_were_there_before() {
    if no_bpf("snapshot") {
        return;
    }
    let port = echo_server("127.0.0.1:0");
    let mut helper = Helper::start(0);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let cookie = rustix::net::sockopt::socket_cookie(&stream).unwrap();
    let Reply::SnapshotDone { sent, left_out } = helper.ask(Request::Snapshot) else {
        panic!("no snapshot")
    };
    assert_eq!(left_out, 0);
    assert_eq!(helper.events.len(), usize::try_from(sent).unwrap());
    let owner = crate::harness::owner_of(&helper.events, cookie).unwrap();
    assert_eq!(owner.process.pid, std::process::id());
}

#[test]
fn usage_and_polkit_mistakes_are_told_before_anything_is_served() {
    if no_bpf("usage") {
        return;
    }
    for (args, environment, said) in [
        (&["--stdio"][..], None, "`--uid` is missing"),
        (&["--uid", "0", "--stdio"], Some("1000"), "polkit authorised user 1000"),
        (&["--socket", "/nonexistent/x"], Some("1000"), "refused under pkexec"),
        (&["--uid", "0"], None, "`--socket PATH` or `--stdio`"),
    ] {
        let mut command = Command::new(binary());
        command.args(args).stdin(Stdio::null());
        if let Some(uid) = environment {
            command.env("PKEXEC_UID", uid);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(said), "{text}");
    }
}
