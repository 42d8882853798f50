//! Finds credentials in a plaintext stream, wherever packets cut it.
//!
//! A header's name and a parameter's stand before their value on the same line, so the lines are
//! enough to know: no head has to be whole or well-formed. What is known of a line goes on from one
//! packet to the next. After bytes that were not captured it is not known whether the next ones
//! belong to a credential: then the rest of that line is hidden, unless a body was going on when the
//! copy of its packet was cut.

use std::{collections::VecDeque, ops::Range};

use tollgate_core::credential::is_credential_name;

use super::http::begins_message;

/// Bytes of a name; a longer one is none.
const NAME_BYTES_MAX: usize = 64;
/// Packets of one direction remembered by where they begin, for those that are sent again.
const MARKS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// What stands before is not known.
    Unknown,
    /// At a line's beginning, where a header's name may stand.
    Name,
    /// In the value of a credential header.
    Value,
    /// After it: a line that begins with a space still belongs to it.
    AfterValue,
    /// In a line of which nothing but parameters matters any more.
    Plain,
    /// In a parameter's name.
    Parameter,
    /// In the value of a credential parameter.
    ParameterValue,
}

/// What is known of a stream at one place.
#[derive(Clone, Debug)]
struct Scanner {
    state: State,
    /// The name so far.
    name: Vec<u8>,
    /// Whether an empty line came, and no header since.
    in_body: bool,
    /// Whether the copy was cut in a body just before.
    was_cut: bool,
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

const fn ends_parameter(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'&' | b'"' | b'\'' | b'#')
}

fn until(bytes: &[u8], at: usize, ends: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|it| ends(*it)).unwrap_or(rest.len())
}

/// Whether bytes can be the next line of a head.
fn goes_on_as_head(bytes: &[u8]) -> bool {
    let end = until(bytes, 0, |it| !is_name(it));
    bytes.get(end).is_none_or(|it| if end == 0 { matches!(it, b'\r' | b'\n') } else { *it == b':' })
}

impl Scanner {
    const fn new(state: State) -> Self {
        Self { state, name: Vec::new(), in_body: false, was_cut: false }
    }

    /// Packets were lost.
    fn lose(&mut self) {
        *self = Self::new(State::Unknown);
    }

    /// The copy of a packet was cut. A body then mostly goes on.
    fn cut(&mut self) {
        self.was_cut = self.in_body;
        self.state = if self.in_body { State::Plain } else { State::Unknown };
        self.name.clear();
    }

    fn line_ends(&mut self) {
        let is_empty = self.name.is_empty();
        self.in_body |= is_empty && matches!(self.state, State::Name | State::AfterValue);
        let was_secret = matches!(self.state, State::Value | State::Unknown);
        self.state = if was_secret { State::AfterValue } else { State::Name };
        self.name.clear();
    }

    /// The places of credentials in the next bytes.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut at = 0;
        if std::mem::take(&mut self.was_cut) || self.state == State::Unknown {
            let end = until(bytes, 0, |it| it == b'\n');
            let next = bytes.get(end + 1..);
            if begins_message(bytes) {
                *self = Self::new(State::Name);
            } else if self.state == State::Unknown || next.is_some_and(goes_on_as_head) {
                let is_crlf = bytes.get(end.wrapping_sub(1)) == Some(&b'\r');
                found.push(0..end - usize::from(is_crlf));
                self.state = State::Unknown;
                at = end;
            }
        }
        while let Some(byte) = bytes.get(at).copied() {
            at = match self.state {
                _ if byte == b'\n' => {
                    self.line_ends();
                    at + 1
                }
                State::Unknown => until(bytes, at, |it| it == b'\n'),
                State::Name => self.name_goes_on(bytes, at),
                State::Value if byte == b'\r' => at + 1,
                State::Value => {
                    let end = until(bytes, at, |it| matches!(it, b'\r' | b'\n'));
                    found.push(at..end);
                    end
                }
                State::AfterValue => {
                    let goes_on = matches!(byte, b' ' | b'\t');
                    self.state = if goes_on { State::Value } else { State::Name };
                    at
                }
                State::Plain => {
                    let end = until(bytes, at, |it| matches!(it, b'\n' | b'?' | b'&'));
                    let begins = bytes.get(end).is_some_and(|it| *it != b'\n');
                    if begins {
                        self.state = State::Parameter;
                        self.name.clear();
                    }
                    end + usize::from(begins)
                }
                State::Parameter => self.parameter_goes_on(byte, at),
                State::ParameterValue => {
                    let end = until(bytes, at, ends_parameter);
                    found.push(at..end);
                    if end < bytes.len() {
                        self.state = State::Plain;
                    }
                    end
                }
            };
        }
        found.retain(|it| !it.is_empty());
        found
    }

    fn name_goes_on(&mut self, bytes: &[u8], at: usize) -> usize {
        let Some(byte) = bytes.get(at).copied() else { return at };
        match byte {
            b'\r' => {}
            b':' => {
                self.in_body = false;
                let name = String::from_utf8_lossy(&self.name);
                if is_credential_name(name.trim_end()) {
                    self.state = State::Value;
                    return at + 1 + scheme(bytes.get(at + 1..).unwrap_or_default());
                }
                self.state = State::Plain;
            }
            _ if (is_name(byte) || byte == b' ' && !self.name.is_empty())
                && self.name.len() < NAME_BYTES_MAX =>
            {
                self.name.push(byte);
            }
            _ => {
                let is_answer = byte == b'/' && self.name == b"HTTP";
                if is_answer || begins_message(&self.name) {
                    self.in_body = false;
                }
                self.state = State::Plain;
                return at;
            }
        }
        at + 1
    }

    fn parameter_goes_on(&mut self, byte: u8, at: usize) -> usize {
        if is_name(byte) && self.name.len() < NAME_BYTES_MAX {
            self.name.push(byte);
            return at + 1;
        }
        let is_secret = byte == b'=' && is_credential_name(&String::from_utf8_lossy(&self.name));
        self.state = if is_secret { State::ParameterValue } else { State::Plain };
        at + usize::from(is_secret)
    }
}

/// How long the scheme before a credential is, with the spaces around it: it may be shown.
fn scheme(value: &[u8]) -> usize {
    let start = until(value, 0, |it| it != b' ');
    let end = until(value, start, |it| !it.is_ascii_alphabetic());
    let word = value.get(start..end).unwrap_or_default();
    let known = [&b"bearer"[..], b"basic"].iter().any(|it| it.eq_ignore_ascii_case(word));
    if known && value.get(end) == Some(&b' ') { end + 1 } else { start }
}

/// The places of credentials in a payload that begins a stream.
pub(super) fn places(payload: &[u8]) -> Vec<Range<usize>> {
    Scanner::new(State::Name).feed(payload)
}

/// One direction of a plaintext connection.
#[derive(Debug)]
pub(crate) struct Stream {
    scanner: Scanner,
    /// The number of the byte that comes next; `None` before the first.
    next: Option<u32>,
    /// What was known where the last packets begin.
    marks: VecDeque<(u32, Scanner)>,
}

impl Stream {
    /// A direction of which nothing was seen.
    pub(crate) const fn new() -> Self {
        Self { scanner: Scanner::new(State::Unknown), next: None, marks: VecDeque::new() }
    }

    /// The direction begins: `first` is the number of its first byte.
    pub(crate) fn begin(&mut self, first: u32) {
        *self = Self { scanner: Scanner::new(State::Name), next: Some(first), ..Self::new() };
    }

    /// The places of credentials in the payload that begins with byte number `seq`; `on_wire` is its
    /// length before the copy was cut.
    pub(crate) fn take(&mut self, seq: u32, payload: &[u8], on_wire: u32) -> Vec<Range<usize>> {
        let ahead = seq.wrapping_sub(self.next.unwrap_or(seq)).cast_signed();
        let mut scanner = if ahead < 0 {
            let mark = self.marks.iter().find(|it| it.0 == seq);
            mark.map_or_else(|| Scanner::new(State::Unknown), |it| it.1.clone())
        } else {
            self.scanner.clone()
        };
        if ahead > 0 {
            scanner.lose();
        }
        let before = scanner.clone();
        let places = scanner.feed(payload);
        if u32::try_from(payload.len()).is_ok_and(|captured| captured < on_wire) {
            scanner.cut();
        }
        let end = seq.wrapping_add(on_wire);
        if end.wrapping_sub(self.next.unwrap_or(seq)).cast_signed() > 0 {
            self.next = Some(end);
            self.scanner = scanner;
            if self.marks.len() == MARKS_MAX {
                self.marks.pop_front();
            }
            self.marks.push_back((seq, before));
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "QQQQQQQQQQQQQQQQ";

    /// The text with credentials blanked, cut at these places.
    fn shown(text: &[u8], cuts: &[usize], lost: &[usize]) -> Vec<u8> {
        let mut stream = Stream::new();
        stream.begin(u32::MAX - 20);
        let mut cuts: Vec<usize> = cuts.iter().map(|it| it % text.len().max(1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let mut all = Vec::new();
        for (n, pair) in cuts.windows(2).enumerate() {
            if lost.contains(&n) {
                continue;
            }
            let mut piece = text[pair[0]..pair[1]].to_vec();
            let seq = (u32::MAX - 20).wrapping_add(u32::try_from(pair[0]).unwrap());
            // Twice, as if it was sent again.
            let first = stream.take(seq, &piece, u32::try_from(piece.len()).unwrap());
            let again = stream.take(seq, &piece, u32::try_from(piece.len()).unwrap());
            assert_eq!(first, again);
            for place in first {
                piece[place].fill(b'*');
            }
            all.extend(piece);
        }
        all
    }

    fn messages() -> impl Strategy<Value = String> {
        let header = prop::sample::select(vec![
            "Authorization: Bearer $",
            "x-api-key:$",
            "Cookie: a=$; b=$",
            "Set-Cookie: $",
            "x-goog-api-key : $",
            "authorization: $\r\n $",
            "host: h",
            "accept: */*",
        ]);
        let start = prop::sample::select(vec![
            "POST /v1?key=$&x=1 HTTP/1.1",
            "GET /a?alt=sse&access_token=$ HTTP/1.0",
            "HTTP/1.1 200 OK",
            "\r\nPOST / HTTP/1.1",
            "BROKEN line",
            "POST /v1 HTTP/1.1",
        ]);
        let body =
            prop::sample::select(vec!["", "{\"a\":1}", "data: x\n\n", "5\r\nhello\r\n0\r\n\r\n"]);
        let headers = prop::collection::vec(header, 0..80);
        let one = (start, headers, body).prop_map(|(start, headers, body)| {
            format!(
                "{start}\r\n{}\r\n{body}",
                headers.iter().map(|it| format!("{it}\r\n")).collect::<String>()
            )
        });
        prop::collection::vec(one, 1..4).prop_map(|it| it.concat().replace('$', SECRET))
    }

    proptest! {
        #[test]
        fn where_no_credential_is_named_all_stays_readable(
            text in "[bdfg0-9:/ \r\n{}?&=]{0,200}",
            cuts in prop::collection::vec(any::<usize>(), 0..40),
        ) {
            prop_assert_eq!(shown(text.as_bytes(), &cuts, &[]), text.as_bytes());
        }

        #[test]
        fn a_credential_is_never_seen_however_the_stream_is_cut_and_whatever_is_lost(
            text in messages(),
            cuts in prop::collection::vec(any::<usize>(), 0..40),
            lost in prop::collection::vec(0_usize..40, 0..3),
        ) {
            let whole = shown(text.as_bytes(), &cuts, &[]);
            prop_assert!(!whole.contains(&b'Q'), "{}", String::from_utf8_lossy(&whole));
            let rest = shown(text.as_bytes(), &cuts, &lost);
            prop_assert!(!rest.contains(&b'Q'), "{}", String::from_utf8_lossy(&rest));
        }
    }

    #[test]
    fn bodies_and_other_headers_stay_readable() {
        let text = b"POST /v1?x=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer abc\r\n\r\n{\"max_tokens\":5}";
        let blanked = shown(text, &[30, 60], &[]);
        let expected =
            b"POST /v1?x=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ***\r\n\r\n{\"max_tokens\":5}";
        assert_eq!(String::from_utf8_lossy(&blanked), String::from_utf8_lossy(expected));
    }

    #[test]
    fn a_body_that_is_cut_by_the_capture_goes_on_readable() {
        let mut stream = Stream::new();
        stream.begin(1);
        let head = b"POST / HTTP/1.1\r\nx-api-key: abc\r\n\r\n{\"said\":\"";
        assert_eq!(stream.take(1, head, 5000).len(), 1);
        assert_eq!(stream.take(5001, b"the rest of what was said\"}", 27), []);
        // So is one that follows another message's: nothing of it is a body.
        let mut stream = Stream::new();
        stream.begin(1);
        let head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200";
        assert_eq!(stream.take(1, head, 60), []);
        assert_eq!(stream.take(61, b"kie: a=b", 8), [Range { start: 0, end: 8 }]);
        // A head whose end was not captured is still open.
        let mut stream = Stream::new();
        stream.begin(1);
        assert_eq!(stream.take(1, b"POST / HTTP/1.1\r\nx-api-key: ab", 5000).len(), 1);
        assert_eq!(stream.take(5001, b"cdef", 4), [Range { start: 0, end: 4 }]);
    }
}
