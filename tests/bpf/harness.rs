//! Starts the helper, speaks its protocol, runs clients in Python.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tollgate_helper_protocol::event::{Owner, Packet};
use tollgate_helper_protocol::frame::{self, FRAME_BYTES_MAX};
use tollgate_helper_protocol::reply::{Hello, Status};
use tollgate_helper_protocol::{
    Call, Capture, Event, Message, PROTOCOL_VERSION, Reply, Request, Topic,
};

/// How long anything may take that should take milliseconds, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The helper's binary.
pub(crate) fn binary() -> PathBuf {
    tollgate_tests::program("tollgate-helper")
}

/// A helper on standard input and output, with hello said.
pub(crate) struct Helper {
    process: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Message>,
    next_id: u32,
    pub(crate) hello: Hello,
    /// Every event that arrived while something else was awaited.
    pub(crate) events: Vec<Event>,
}

impl Helper {
    pub(crate) fn start(uid: u32) -> Self {
        let mut process = Command::new(binary())
            .args(["--stdio", "--stats", "--uid", &uid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = process.stdout.take().unwrap();
        let (sender, messages) = channel();
        thread::spawn(move || {
            while let Ok(Some(message)) = frame::read::<Message>(&mut output, FRAME_BYTES_MAX) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let input = process.stdin.take();
        let hello = Request::Hello { version: PROTOCOL_VERSION, client: "tests".to_owned() };
        let mut this = Self {
            process,
            input,
            messages,
            next_id: 0,
            hello: Hello {
                version: 0,
                helper_version: String::new(),
                object_sha256: String::new(),
                kernel: String::new(),
                boot_to_unix_ns: 0,
                sees: tollgate_helper_protocol::reply::Sees::Everyone,
                probes: Vec::new(),
            },
            events: Vec::new(),
        };
        let Reply::Hello(hello) = this.ask(hello) else { panic!("no hello came back") };
        this.hello = hello;
        this
    }

    /// Captures with this configuration and listens to everything.
    pub(crate) fn capture(uid: u32, capture: Capture) -> Self {
        let mut this = Self::start(uid);
        this.listen_to(capture);
        this
    }

    /// Captures with this configuration from now on and listens to everything.
    pub(crate) fn listen_to(&mut self, capture: Capture) {
        assert!(matches!(self.ask(Request::SetCapture(capture)), Reply::CaptureSet(_)));
        let all = vec![Topic::Packets, Topic::Sockets, Topic::Processes];
        assert!(matches!(self.ask(Request::Subscribe(all)), Reply::Done));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks, and waits for the answer; events on the way are kept.
    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        self.next_id += 1;
        let id = self.next_id;
        let mut bytes = Vec::new();
        frame::encode(&Call { id, request }, &mut bytes).unwrap();
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
        loop {
            match self.messages.recv_timeout(PATIENCE) {
                Ok(Message::Reply(got, reply)) => {
                    assert_eq!(got, id);
                    return reply;
                }
                Ok(Message::Event(event)) => self.events.push(event),
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    pub(crate) fn status(&mut self) -> Status {
        match self.ask(Request::Status) {
            Reply::Status(status) => *status,
            other => panic!("no status: {other:?}"),
        }
    }

    /// Takes events until `is_done` with all that came.
    pub(crate) fn until(&mut self, what: &str, mut is_done: impl FnMut(&[Event]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_done(&self.events) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left.min(Duration::from_millis(50))) {
                Ok(Message::Event(event)) => self.events.push(event),
                Ok(Message::Reply(..)) => panic!("a reply that nobody asked for"),
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                Err(error) => panic!("{what} did not come ({error})"),
            }
            // Many at once: the condition may be costly.
            while let Ok(Message::Event(event)) = self.messages.try_recv() {
                self.events.push(event);
            }
        }
    }

    /// The counters once every packet that the kernel handed over has come or was dropped on the way.
    /// What it hands over lies in the ring for a moment, and a connection's last acknowledgement
    /// follows its closing.
    pub(crate) fn drained(&mut self) -> Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            let known = came(&self.events) + status.connection.packets_dropped;
            let handed_over = status.egress.delivered + status.ingress.delivered;
            if known == handed_over {
                return status;
            }
            assert!(Instant::now() < deadline, "{known} of {handed_over} packets came");
        }
    }

    pub(crate) fn packets(&self) -> impl Iterator<Item = &Packet> {
        packets(&self.events)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.input = None;
        let _ = self.process.wait();
    }
}

pub(crate) fn packets(events: &[Event]) -> impl Iterator<Item = &Packet> {
    events.iter().filter_map(|event| match event {
        Event::Packet(packet) => Some(packet),
        _ => None,
    })
}

/// How many packets are among the events.
pub(crate) fn came(events: &[Event]) -> u64 {
    u64::try_from(packets(events).count()).unwrap()
}

pub(crate) fn owners(events: &[Event]) -> impl Iterator<Item = &Owner> {
    events.iter().filter_map(|event| match event {
        Event::Owner(owner) => Some(owner),
        _ => None,
    })
}

/// Who the events say owns a socket: the last one of the strongest proof.
pub(crate) fn owner_of(events: &[Event], cookie: u64) -> Option<&Owner> {
    owners(events).filter(|owner| owner.cookie == cookie).max_by_key(|owner| owner.via)
}

/// A Python program: its lines of output, and an input that ends it when it is closed.
pub(crate) struct Python {
    process: Child,
    input: Option<ChildStdin>,
    lines: BufReader<std::process::ChildStdout>,
}

impl Python {
    /// Starts `program` with `args`, through `wrapper` (a command that runs a command).
    pub(crate) fn start(wrapper: &[&str], program: &str, args: &[&str]) -> Self {
        let mut words: Vec<&str> = wrapper.to_vec();
        words.extend(["python3", "-c", program]);
        words.extend(args);
        let mut process = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { input: process.stdin.take(), process, lines }
    }

    /// The next line, as numbers.
    pub(crate) fn numbers(&mut self) -> Vec<u64> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.split_whitespace().map(|word| word.parse().unwrap()).collect()
    }

    /// All lines until it ends by itself, as numbers.
    pub(crate) fn finish(mut self) -> Vec<Vec<u64>> {
        let mut text = String::new();
        self.lines.read_to_string(&mut text).unwrap();
        assert!(self.process.wait().unwrap().success(), "the client failed; it said {text}");
        text.lines()
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.process.wait();
    }
}

/// Echoes the first byte of every connection, then waits for the other side to close.
pub(crate) fn echo_server(address: &str) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    port
}

fn echo(mut stream: TcpStream) {
    let mut byte = [0];
    if stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {
        let _ = stream.read(&mut byte);
    }
}

/// A port that nobody uses, for captures that should see nothing else.
pub(crate) fn only(gateway_port: u16) -> Capture {
    Capture { remote_ports: Vec::new(), ..Capture::llm_traffic(vec![gateway_port]) }
}
