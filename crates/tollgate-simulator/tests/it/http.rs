//! A raw client: what is on the wire is what is asserted, so nothing may interpret it.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tollgate_simulator::{SimulatedCall, Simulator, SimulatorConfig};

/// Far beyond what any of these tests takes; only a broken one waits that long.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// One answer as it stood on the wire, with its chunks undone.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to the end that its framing announces.
    pub(crate) complete: bool,
    /// The sizes of the chunks it came in.
    pub(crate) chunks: Vec<usize>,
}

impl Raw {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|it| it.split_once(": "));
        lines.into_iter().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1)
    }

    /// The data of the events, parsed, without `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.text().lines().filter_map(|it| it.strip_prefix("data:"));
        let json = data.map(str::trim).filter(|it| *it != "[DONE]");
        json.map(|it| serde_json::from_str(it).expect("JSON in an event")).collect()
    }
}

pub(crate) async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.expect("a simulator")
}

/// The credential headers of each provider's clients.
pub(crate) fn credentials(path: &str) -> Vec<(&'static str, String)> {
    if path.starts_with("/v1/messages") {
        vec![
            ("x-api-key", "sk-ant-simulated".to_owned()),
            ("anthropic-version", "2023-06-01".to_owned()),
        ]
    } else if path.contains("/models/gemini") {
        vec![("x-goog-api-key", "AIza-simulated".to_owned())]
    } else {
        vec![("authorization", "Bearer sk-simulated".to_owned())]
    }
}

pub(crate) async fn post(
    simulator: &Simulator,
    path: &str,
    controls: &str,
    body: &Value,
) -> (Raw, SimulatedCall) {
    let mut headers = credentials(path);
    headers.push(("x-simulate", controls.to_owned()));
    let raw = send(simulator, "POST", path, &headers, &body.to_string()).await;
    (raw, last_call(simulator).await)
}

/// The last call, once nothing more happens to it.
pub(crate) async fn last_call(simulator: &Simulator) -> SimulatedCall {
    let over = |calls: &[SimulatedCall]| calls.last().is_some_and(SimulatedCall::is_over);
    let calls = simulator.log().wait_for(LIMIT, over).await.expect("the call to end");
    calls.last().expect("a call").clone()
}

pub(crate) async fn send(
    simulator: &Simulator,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Raw {
    let mut stream = open(simulator, method, path, headers, body).await;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    // A reset ends a broken answer just as well as a close.
    let _end = tokio::time::timeout(LIMIT, read).await.expect("an answer in time");
    parse(&bytes)
}

/// Sends a request and leaves the answer unread.
pub(crate) async fn open(
    simulator: &Simulator,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &str,
) -> TcpStream {
    let mut stream = TcpStream::connect(simulator.addr()).await.expect("a connection");
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: simulator\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(head.as_bytes()).await.expect("to send the request");
    stream
}

fn parse(bytes: &[u8]) -> Raw {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head in ASCII");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    let mut raw = Raw { status, head, body: Vec::new(), complete: false, chunks: Vec::new() };
    let rest = &bytes[end + 4..];
    if raw.header("transfer-encoding") == Some("chunked") {
        undo_chunks(rest, &mut raw);
    } else {
        let length = raw.header("content-length").map(|it| it.parse::<usize>().expect("a length"));
        raw.complete = length.is_none_or(|it| it == rest.len());
        raw.body = rest.to_vec();
    }
    raw
}

fn undo_chunks(mut rest: &[u8], raw: &mut Raw) {
    while let Some(at) = rest.windows(2).position(|it| it == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).expect("a chunk size");
        let size = usize::from_str_radix(size, 16).expect("a hexadecimal chunk size");
        rest = &rest[at + 2..];
        if size == 0 {
            raw.complete = true;
            return;
        }
        let there = size.min(rest.len());
        raw.body.extend_from_slice(&rest[..there]);
        raw.chunks.push(size);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}
