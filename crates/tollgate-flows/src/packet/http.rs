//! HTTP/1.1 heads (RFC 9112) and server-sent events in plaintext. Credentials are masked.

use std::{fmt::Write as _, ops::Range};

use httparse::{EMPTY_HEADER, Status};
use tollgate_core::credential::is_credential_name;

use super::{
    layer::{Fields, Layer},
    text::readable,
};

/// Headers read of one head; one with more is read as far as that.
pub const HEADERS_MAX: usize = 64;
/// Characters of a request target that are shown.
pub const TARGET_CHARS_MAX: usize = 120;
/// Characters of a header's name that are shown.
const NAME_CHARS_MAX: usize = 64;
/// Event lines shown of one packet.
pub const EVENT_LINES_MAX: usize = 64;

const MASK: &str = "••••••";
const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"PATCH ",
    b"OPTIONS ",
    b"CONNECT ",
    b"TRACE ",
];
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

#[derive(Clone, Debug)]
enum Kind<'a> {
    Request {
        method: &'a str,
        target: &'a str,
        minor: u8,
    },
    Response {
        minor: u8,
        code: u16,
        reason: &'a str,
    },
    /// The first bytes of an HTTP/2 connection in plaintext.
    Preface,
}

/// A request's or a response's head, as far as it was captured.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    payload: &'a [u8],
    kind: Kind<'a>,
    headers: Vec<(&'a str, &'a [u8])>,
    len: usize,
    whole: bool,
}

/// Whether a payload begins with a request's head, whole or not.
#[must_use]
pub fn begins_request(payload: &[u8]) -> bool {
    METHODS.iter().any(|it| payload.starts_with(it))
}

/// Whether a payload begins with a request's or a response's head.
pub(crate) fn begins_message(payload: &[u8]) -> bool {
    begins_request(payload) || payload.starts_with(b"HTTP/1.")
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}

impl<'a> Head<'a> {
    /// Reads the head that a payload begins with; `None` when it begins with something else.
    #[must_use]
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        if payload.starts_with(PREFACE) {
            let kind = Kind::Preface;
            let len = PREFACE.len();
            return Some(Self { payload, kind, headers: Vec::new(), len, whole: true });
        }
        if begins_request(payload) {
            return Self::read_request(payload);
        }
        if payload.starts_with(b"HTTP/1.") {
            return Self::read_response(payload);
        }
        None
    }

    fn read_request(payload: &'a [u8]) -> Option<Self> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(payload);
        let (method, target) = (request.method?, request.path?);
        let kind = Kind::Request { method, target, minor: request.version? };
        Self::with(payload, kind, status, request.headers)
    }

    fn read_response(payload: &'a [u8]) -> Option<Self> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let status = response.parse(payload);
        let kind = Kind::Response {
            minor: response.version?,
            code: response.code?,
            reason: response.reason.unwrap_or_default(),
        };
        Self::with(payload, kind, status, response.headers)
    }

    fn with(
        payload: &'a [u8],
        kind: Kind<'a>,
        status: httparse::Result<usize>,
        headers: &[httparse::Header<'a>],
    ) -> Option<Self> {
        let (len, whole) = match status {
            Ok(Status::Complete(len)) => (len, true),
            Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => (payload.len(), false),
            Err(_) => return None,
        };
        // A head that breaks off leaves the unused places empty.
        let headers = headers.iter().filter(|it| !it.name.is_empty());
        let headers = headers.map(|it| (it.name, it.value)).collect();
        Some(Self { payload, kind, headers, len, whole })
    }

    /// How many bytes of the payload are the head.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether it ends in the payload.
    pub(crate) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// An answer's status.
    pub(crate) const fn status(&self) -> Option<u16> {
        match self.kind {
            Kind::Response { code, .. } => Some(code),
            Kind::Request { .. } | Kind::Preface => None,
        }
    }

    /// A request's method.
    pub(crate) const fn method(&self) -> Option<&'a str> {
        match self.kind {
            Kind::Request { method, .. } => Some(method),
            Kind::Response { .. } | Kind::Preface => None,
        }
    }

    /// A request's target without the query.
    pub(crate) fn path(&self) -> Option<String> {
        let Kind::Request { target, .. } = self.kind else { return None };
        let path = target.split(['?', '#']).next().unwrap_or_default();
        Some(readable(path.as_bytes(), TARGET_CHARS_MAX))
    }

    /// Names and values fit to show: credentials are masked.
    pub(crate) fn shown_headers(&self) -> Vec<(String, String)> {
        let shown = |(name, value): &(&str, &[u8])| {
            (readable(name.as_bytes(), NAME_CHARS_MAX), shown_value(name, value))
        };
        self.headers.iter().map(shown).collect()
    }

    /// The first header of this name, as it was.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1)
    }

    /// Whether it announces a stream of events.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        matches!(self.kind, Kind::Response { .. })
            && self.header("content-type").is_some_and(|it| it.starts_with(b"text/event-stream"))
    }

    /// The host that a request is for, without the port.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        if !matches!(self.kind, Kind::Request { .. }) {
            return None;
        }
        let host = readable(self.header("host")?, super::tls::SNI_CHARS_MAX);
        let end = host.rfind(']').map_or_else(
            || host.find(':'),
            |bracket| host.get(bracket..).and_then(|it| it.find(':')).map(|colon| bracket + colon),
        );
        let bare = end.and_then(|end| host.get(..end)).unwrap_or(&host);
        (!bare.is_empty()).then(|| bare.to_ascii_lowercase())
    }

    /// Its first line, credentials masked.
    pub(crate) fn first_line(&self) -> String {
        match self.kind {
            Kind::Request { method, target, minor } => {
                format!("{method} {} HTTP/1.{minor}", masked_target(target))
            }
            Kind::Response { minor, code, reason } => {
                format!("HTTP/1.{minor} {code} {}", readable(reason.as_bytes(), 40))
            }
            Kind::Preface => "HTTP/2 connection preface".to_owned(),
        }
    }

    /// The head in one line; `on_wire` is the payload's length.
    #[must_use]
    pub fn in_one_line(&self, on_wire: usize) -> String {
        let mut info = self.first_line();
        match self.kind {
            Kind::Request { .. } => {
                if let Some(host) = self.header("host") {
                    let _ = write!(info, " host {}", readable(host, 64));
                }
            }
            Kind::Response { .. } => {
                if let Some(kind) = self.header("content-type") {
                    let _ = write!(info, ", {}", readable(kind, 40));
                }
            }
            Kind::Preface => {}
        }
        let _ = write!(info, ", {on_wire} bytes");
        if !self.whole {
            info.push_str(" (head truncated)");
        }
        info
    }

    /// The head as a layer; `at` is where the payload stands in the packet.
    pub(super) fn layer(&self, at: usize) -> Layer {
        let mut fields = Fields::default();
        let line_end = memchr::memchr(b'\n', self.payload).map_or(self.payload.len(), |it| it + 1);
        let name = match self.kind {
            Kind::Request { .. } => "Request",
            Kind::Response { .. } => "Status",
            Kind::Preface => "Preface",
        };
        fields.at(name, self.first_line(), at..at + line_end);
        for (name, value) in &self.headers {
            let name_at = offset_in(self.payload, name.as_bytes());
            let value_at = offset_in(self.payload, value);
            let range = at + name_at..at + value_at + value.len();
            fields.at(readable(name.as_bytes(), NAME_CHARS_MAX), shown_value(name, value), range);
        }
        if !self.whole {
            fields.derived("Truncated", "the head goes on in bytes that are not in this packet");
        }
        let mark = if self.whole { "" } else { " (truncated)" };
        fields.into_layer("HTTP", format!("{}{mark}", self.first_line()))
    }
}

/// A header's value fit to show.
fn shown_value(name: &str, value: &[u8]) -> String {
    if !is_credential_name(name) {
        return readable(value, super::layer::VALUE_CHARS_MAX);
    }
    let from = secret_start(value);
    let scheme = readable(value.get(..from).unwrap_or_default(), 32);
    format!("{scheme}{MASK}")
}

/// Where in a credential header's value the credential begins: after the scheme, if there is one.
fn secret_start(value: &[u8]) -> usize {
    match memchr::memchr(b' ', value) {
        Some(space)
            if value.get(..space).is_some_and(|it| it.iter().all(u8::is_ascii_alphabetic)) =>
        {
            space + 1
        }
        _ => 0,
    }
}

/// Where the values of credential parameters stand in a request target.
fn secret_parameters(target: &str) -> impl Iterator<Item = Range<usize>> {
    let query = target.find('?').map_or(target.len(), |it| it + 1);
    let mut at = query;
    target.get(query..).unwrap_or_default().split('&').filter_map(move |pair| {
        let start = at;
        at += pair.len() + 1;
        let (name, value) = pair.split_once('=')?;
        let value_at = start + name.len() + 1;
        is_credential_name(name).then(|| value_at..value_at + value.len())
    })
}

fn masked_target(target: &str) -> String {
    let mut shown = String::with_capacity(target.len());
    let mut from = 0;
    for secret in secret_parameters(target) {
        shown.push_str(target.get(from..secret.start).unwrap_or_default());
        shown.push_str(MASK);
        from = secret.end;
    }
    shown.push_str(target.get(from..).unwrap_or_default());
    readable(shown.as_bytes(), TARGET_CHARS_MAX)
}

/// Whether a line is the size of an HTTP chunk.
pub(crate) fn is_chunk_size(line: &[u8]) -> bool {
    (1..=8).contains(&line.len()) && line.iter().all(u8::is_ascii_hexdigit)
}

fn trim_line(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The event lines of a body, with their place, chunk sizes left out; empty when the body does not
/// begin with one.
fn event_lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let mut lines = body.split(|it| *it == b'\n').map(move |line| {
        let start = at;
        at += line.len() + 1;
        (start, trim_line(line))
    });
    let is_event = |line: &[u8]| {
        [&b"data:"[..], b"event:", b"id:", b"retry:", b": "].iter().any(|it| line.starts_with(it))
    };
    let mut first = lines.next();
    if first.is_some_and(|it| is_chunk_size(it.1)) {
        first = lines.next();
    }
    let first = first.filter(|it| is_event(it.1));
    let rest = first.is_some().then_some(lines);
    first.into_iter().chain(rest.into_iter().flatten().filter(move |it| is_event(it.1)))
}

fn after_colon(line: &[u8]) -> &[u8] {
    let value = memchr::memchr(b':', line).and_then(|it| line.get(it + 1..)).unwrap_or_default();
    value.strip_prefix(b" ").unwrap_or(value)
}

/// The server-sent events that a payload begins with, in one line; `None` when there are none.
#[must_use]
pub fn sse_in_one_line(payload: &[u8]) -> Option<String> {
    let mut name = None;
    let mut data = None;
    let mut count = 0_usize;
    for (_, line) in event_lines(payload).take(EVENT_LINES_MAX) {
        if line.starts_with(b"event:") {
            name = name.or(Some(after_colon(line)));
        } else if line.starts_with(b"data:") {
            count += 1;
            data = data.or(Some(after_colon(line)));
        } else {
            name = name.or(Some(line));
        }
    }
    if name.is_none() && data.is_none() {
        return None;
    }
    let mut info = String::new();
    if let Some(name) = name {
        let _ = write!(info, "{} ", readable(name, 40));
    }
    if let Some(data) = data {
        let _ = write!(info, "data {}", readable(data, 80));
    }
    if count > 1 {
        let _ = write!(info, " (+{} more)", count - 1);
    }
    Some(info)
}

/// The server-sent events of a body as a layer.
pub(super) fn sse_layer(body: &[u8], at: usize) -> Option<Layer> {
    let mut fields = Fields::default();
    let mut count = 0_usize;
    for (start, line) in event_lines(body).take(EVENT_LINES_MAX) {
        let name = match line {
            [b'd', ..] => "data",
            [b'e', ..] => "event",
            [b'i', ..] => "id",
            [b'r', ..] => "retry",
            _ => "comment",
        };
        count += usize::from(name == "data");
        let value = readable(after_colon(line), super::layer::VALUE_CHARS_MAX);
        fields.at(name, value, at + start..at + start + line.len());
    }
    let info = sse_in_one_line(body)?;
    Some(fields.into_layer("SSE", format!("{count} data lines: {info}")))
}
