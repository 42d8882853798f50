//! The HTTP/1.1 messages of a connection (RFC 9112), bodies without their chunks.
//!
//! A gap inside a body is skipped where its length is known. Where the framing itself is lost, the
//! message is not whole, and reading goes on at the next packet that begins one.

use std::ops::Range;

use super::{Mark, Side, wide};
use crate::{
    event::BootNs,
    packet::http::{Head, begins_message, is_chunk_size},
    row::Toward,
};

/// Messages read of one direction.
pub const MESSAGES_MAX: usize = 1_000;
/// Bytes of a chunk's first line.
const CHUNK_LINE_MAX: usize = 4_096;

/// What a message begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A request.
    Request {
        /// The method.
        method: String,
        /// The path without the query.
        path: String,
    },
    /// An answer.
    Response {
        /// Its status.
        status: u16,
    },
}

/// A request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// To whom.
    pub toward: Toward,
    /// The number of the packet that begins it.
    pub packet: u64,
    /// When that came.
    pub at_ns: BootNs,
    /// What it is.
    pub start: Start,
    /// Its first line, credentials masked.
    pub first_line: String,
    /// Names and values, credentials masked.
    pub headers: Vec<(String, String)>,
    /// The body without its chunks, credentials blanked with `*`; what is missing is left out.
    pub body: Vec<u8>,
    /// When each part of the body came, by where it begins in `body`.
    pub times: Vec<(usize, BootNs)>,
    /// Bytes of the body that are missing, as far as that is known.
    pub missing: u64,
    /// Whether its end was found.
    pub is_whole: bool,
}

impl Message {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|it| it.0.eq_ignore_ascii_case(name));
        found.map(|it| it.1.as_str())
    }

    /// When the byte at a place of the body came.
    #[must_use]
    pub fn time_of(&self, at: usize) -> BootNs {
        let after = self.times.partition_point(|it| it.0 <= at);
        let time = self.times.get(after.saturating_sub(1)).map(|it| it.1);
        time.unwrap_or(self.at_ns)
    }
}

/// The messages of both directions, in the order of their beginnings.
pub(super) fn messages(client: &Side, server: &Side, marks: &[Mark]) -> Vec<Message> {
    let mut reader = Reader { side: client, toward: Toward::Server, marks, at: client.start };
    let requests = reader.read(|_| Asked::Something);
    let asked = |number: usize| match requests.get(number).map(|it| &it.start) {
        Some(Start::Request { method, .. }) if method == "HEAD" => Asked::Head,
        Some(Start::Request { method, .. }) if method == "CONNECT" => Asked::Tunnel,
        Some(Start::Request { .. } | Start::Response { .. }) | None => Asked::Something,
    };
    let mut reader = Reader { side: server, toward: Toward::Client, marks, at: server.start };
    let answers = reader.read(asked);
    let mut all: Vec<Message> = requests.into_iter().chain(answers).collect();
    all.sort_by_key(|it| it.packet);
    all
}

/// What decides whether an answer has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Something,
    /// For a head without its body.
    Head,
    /// For a tunnel: what follows is something else.
    Tunnel,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    /// With the connection.
    Close,
    /// What follows is no HTTP any more.
    Other,
}

struct Reader<'a> {
    side: &'a Side,
    toward: Toward,
    marks: &'a [Mark],
    at: u64,
}

impl Reader<'_> {
    fn read(&mut self, asked: impl Fn(usize) -> Asked) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut answered = 0;
        while messages.len() < MESSAGES_MAX {
            let rest = self.side.rest(self.at);
            let blank = rest.iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
            let rest = rest.get(blank..).unwrap_or_default();
            self.at += wide(blank);
            let head = begins_message(rest).then(|| Head::read(rest)).flatten();
            let Some(head) = head else {
                let Some(run) = self.side.next_run(self.at) else { return messages };
                self.at = run.at;
                continue;
            };
            let framing = framing(&head, asked(answered));
            answered += usize::from(!head.status().is_some_and(|it| (100..200).contains(&it)));
            let Some(mut message) = self.begin(&head) else { return messages };
            self.at += wide(head.len());
            if head.is_whole() {
                self.body(&mut message, framing);
            }
            messages.push(message);
            if framing == Framing::Other {
                return messages;
            }
        }
        messages
    }

    fn begin(&self, head: &Head<'_>) -> Option<Message> {
        let mark = self.marks.get(self.side.mark(self.at)?)?;
        Some(Message {
            toward: self.toward,
            packet: mark.seq,
            at_ns: mark.at_ns,
            start: match head.status() {
                Some(status) => Start::Response { status },
                None => Start::Request {
                    method: head.method()?.to_owned(),
                    path: head.path().unwrap_or_default(),
                },
            },
            first_line: head.first_line(),
            headers: head.shown_headers(),
            body: Vec::new(),
            times: Vec::new(),
            missing: 0,
            is_whole: false,
        })
    }

    fn body(&mut self, message: &mut Message, framing: Framing) {
        match framing {
            Framing::None | Framing::Other => message.is_whole = true,
            Framing::Length(len) => {
                let end = self.at.saturating_add(len);
                self.take(message, self.at..end.min(self.side.end()));
                message.is_whole = end <= self.side.end();
                self.at = end;
            }
            Framing::Chunked => while self.chunk(message).is_some_and(|it| it == More::Yes) {},
            Framing::Close => {
                self.take(message, self.at..self.side.end());
                self.at = self.side.end();
            }
        }
    }

    /// Adds a range of the direction to a body.
    fn take(&self, message: &mut Message, range: Range<u64>) {
        let before = message.body.len();
        let mut at = range.start;
        while at < range.end {
            let Some((from, bytes)) = self.side.shown(at..range.end).next() else { break };
            // Up to where the next packet begins, so that each has its time.
            let mark = self.side.mark(from);
            let end = self.side.packet_end(from).min(range.end);
            let count = usize::try_from(end - from).unwrap_or(usize::MAX).min(bytes.len());
            if let Some(mark) = mark.and_then(|it| self.marks.get(it)) {
                message.times.push((message.body.len(), mark.at_ns));
            }
            message.body.extend_from_slice(bytes.get(..count).unwrap_or_default());
            at = from + wide(count.max(1));
        }
        let len = range.end.saturating_sub(range.start);
        message.missing += len.saturating_sub(wide(message.body.len() - before));
    }

    /// Reads a chunk; `None` when the message is lost.
    fn chunk(&mut self, message: &mut Message) -> Option<More> {
        let rest = self.side.rest(self.at);
        let line = rest.get(..CHUNK_LINE_MAX).unwrap_or(rest);
        let Some(end) = memchr::memchr(b'\n', line) else { return self.find_chunk(message) };
        let line = line.get(..end).unwrap_or_default();
        let digits = line.split(|it| matches!(it, b';' | b'\r' | b' ')).next().unwrap_or_default();
        if !is_chunk_size(digits) {
            return self.find_chunk(message);
        }
        let size = digits.iter().fold(0, |sum, it| {
            sum << 4 | u64::from(char::from(*it).to_digit(16).unwrap_or_default())
        });
        self.at += wide(end + 1);
        if size == 0 {
            message.is_whole = self.trailers();
            return Some(More::No);
        }
        let end = self.at.saturating_add(size);
        self.take(message, self.at..end.min(self.side.end()));
        self.at = end.saturating_add(2);
        (self.at <= self.side.end()).then_some(More::Yes)
    }

    /// Skips the lines behind the last chunk.
    fn trailers(&mut self) -> bool {
        loop {
            let rest = self.side.rest(self.at);
            let Some(end) = memchr::memchr(b'\n', rest) else { return false };
            self.at += wide(end + 1);
            if matches!(rest.get(..end), Some(b"" | b"\r")) {
                return true;
            }
        }
    }

    /// The framing is lost: goes on at the next packet that begins a chunk.
    fn find_chunk(&mut self, message: &mut Message) -> Option<More> {
        let from = self.at;
        loop {
            let run = self.side.next_run(self.at)?;
            if begins_message(&run.raw) {
                return None;
            }
            self.at = run.at;
            let line = run.raw.split(|it| *it == b'\n').next().unwrap_or_default();
            if is_chunk_size(line.strip_suffix(b"\r").unwrap_or_default()) {
                message.missing += run.at - from;
                return Some(More::Yes);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

fn framing(head: &Head<'_>, asked: Asked) -> Framing {
    if let Some(status) = head.status() {
        if status == 101 || asked == Asked::Tunnel && (200..300).contains(&status) {
            return Framing::Other;
        }
        if asked == Asked::Head || matches!(status, 100..200 | 204 | 304) {
            return Framing::None;
        }
    }
    let says = |name| head.header(name).map(String::from_utf8_lossy);
    if says("transfer-encoding").is_some_and(|it| it.to_ascii_lowercase().contains("chunked")) {
        return Framing::Chunked;
    }
    let length = says("content-length").and_then(|it| it.trim().parse().ok());
    match (length, head.status()) {
        (Some(length), _) => Framing::Length(length),
        (None, Some(_)) => Framing::Close,
        (None, None) => Framing::None,
    }
}
