//! Server-sent events read from byte chunks cut anywhere (WHATWG HTML, "Server-sent events").
//!
//! Written here rather than taken from `sseer`: a filter must give back each event's exact bytes
//! and may not wait for the byte after a lone CR, and an event's length must be capped; `sseer`
//! yields owned fields without their bytes, waits, and has no cap. It is the tests' second opinion.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// The longest event that is read. A final Responses event repeats the whole answer, and a Gemini
/// event can hold a picture; both stay below this.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

/// Room for a split event that is kept between events.
const KEPT_BYTES: usize = 16 << 10;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What [`SseReader::push`] finds.
#[derive(Clone, Copy, Debug)]
pub enum SseItem<'a> {
    /// A block of lines up to and with its blank line; it may hold no data (a comment).
    Event(SseEvent<'a>),
    /// An event that was longer than [`EVENT_BYTES_MAX`] and was not read.
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct SseEvent<'a> {
    raw: &'a [u8],
    /// Bytes at the front of `raw` that are no part of a line: a byte-order mark, or the LF of the
    /// CRLF whose CR ended the event before.
    lead: usize,
}

impl<'a> SseEvent<'a> {
    /// `raw` as an event; whether others came before it, and whether a CR ended the last.
    pub(crate) fn new(raw: &'a [u8], begun: bool, after_cr: bool) -> Self {
        let lead = if !begun && raw.starts_with(BOM) {
            BOM.len()
        } else {
            usize::from(after_cr && raw.first() == Some(&b'\n'))
        };
        Self { raw, lead }
    }

    /// Its bytes, line ends and blank line included. The `raw` of all events, one after the other,
    /// are the stream.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The fields in order: name and value; comments are left out.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.raw.get(self.lead..).unwrap_or_default();
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                let (line, after) = rest.split_at(end);
                rest = match after {
                    [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
                    [] => after,
                };
                match memchr(b':', line) {
                    Some(0) => {}
                    Some(colon) => {
                        let (name, value) = line.split_at(colon);
                        let value = value.get(1..).unwrap_or_default();
                        return Some((name, value.strip_prefix(b" ").unwrap_or(value)));
                    }
                    None if line.is_empty() => {}
                    None => return Some((line, line.get(line.len()..).unwrap_or_default())),
                }
            }
            None
        })
    }

    /// The event's type, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&'a [u8]> {
        self.fields().filter(|(name, _)| *name == b"event").last().map(|(_, value)| value)
    }

    /// The data lines, joined by LF; `None` when there are none and a client would see no event.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        let mut lines = self.fields().filter(|(name, _)| *name == b"data");
        let (_, first) = lines.next()?;
        let mut data = Cow::Borrowed(first);
        for (_, line) in lines {
            let data = data.to_mut();
            data.push(b'\n');
            data.extend_from_slice(line);
        }
        Some(data)
    }
}

/// Reads events. Gives each as soon as its blank line is complete, copies only events that chunks
/// cut, and holds no more than [`EVENT_BYTES_MAX`].
#[derive(Clone, Debug, Default)]
pub struct SseReader {
    splitter: Splitter,
    held: Vec<u8>,
    /// Bytes of the event at hand that were let go because it is too long.
    let_go: usize,
    begun: bool,
    ended_by_cr: bool,
}

impl SseReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and calls `found` for each event that they complete.
    pub fn push(&mut self, chunk: &[u8], mut found: impl FnMut(SseItem<'_>)) {
        let mut rest = chunk;
        while let Some(end) = self.splitter.next_end(rest) {
            let (piece, after) = rest.split_at(end);
            self.complete(piece, &mut found);
            rest = after;
        }
        self.hold(rest);
    }

    /// Whether the bytes so far end inside an event.
    #[must_use]
    pub fn inside_event(&self) -> bool {
        self.let_go > 0 || !matches!(self.held.as_slice(), [] | b"\n")
    }

    /// Whether the stream ends, as far as it came, with the LF of the CRLF whose CR ended the last event.
    pub(crate) fn ends_with_lf(&self) -> bool {
        self.let_go == 0 && self.held == b"\n"
    }

    /// Ends the stream. What follows the last blank line is handed to `found` too: the standard
    /// drops such an event, but servers forget the blank line after the last one.
    pub fn finish(mut self, mut found: impl FnMut(SseItem<'_>)) {
        if self.inside_event() {
            self.complete(b"", &mut found);
        }
    }

    fn complete(&mut self, piece: &[u8], found: &mut impl FnMut(SseItem<'_>)) {
        let bytes = self.let_go.saturating_add(self.held.len()).saturating_add(piece.len());
        if bytes > EVENT_BYTES_MAX {
            found(SseItem::TooLong { bytes });
        } else if self.held.is_empty() {
            found(SseItem::Event(SseEvent::new(piece, self.begun, self.ended_by_cr)));
        } else {
            self.held.extend_from_slice(piece);
            found(SseItem::Event(SseEvent::new(&self.held, self.begun, self.ended_by_cr)));
        }
        self.held.clear();
        self.held.shrink_to(KEPT_BYTES);
        self.let_go = 0;
        self.begun = true;
        self.ended_by_cr = piece.last() == Some(&b'\r');
    }

    fn hold(&mut self, rest: &[u8]) {
        let bytes = self.held.len().saturating_add(rest.len());
        if self.let_go > 0 {
            self.let_go = self.let_go.saturating_add(rest.len());
        } else if bytes > EVENT_BYTES_MAX {
            self.let_go = bytes;
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(rest);
        }
    }
}

/// Finds where events end, one blank line after another. Line ends are LF, CRLF or CR; the end is
/// known with a blank line's CR, and an LF after it counts to the next event.
#[derive(Clone, Debug)]
pub(crate) struct Splitter {
    line_is_empty: bool,
    after_cr: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { line_is_empty: true, after_cr: false }
    }
}

impl Splitter {
    /// How many of the next bytes belong to the event at hand; `None` when all do and its end is
    /// not among them. Call again with the bytes after that.
    pub(crate) fn next_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|it| !it.is_empty()) {
            if std::mem::take(&mut self.after_cr) && rest.first() == Some(&b'\n') {
                at += 1;
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', rest) else {
                self.line_is_empty = false;
                return None;
            };
            let blank = length == 0 && self.line_is_empty;
            self.after_cr = rest.get(length) == Some(&b'\r');
            self.line_is_empty = true;
            at += length + 1;
            if blank {
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
