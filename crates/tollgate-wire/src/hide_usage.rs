//! Takes back out of an OpenAI chat stream the usage that the gateway asked for and the client did
//! not.
//!
//! With `stream_options.include_usage` OpenAI sends two things more: `"usage":null` in every chunk,
//! and before `[DONE]` a chunk with the usage and no choices. The member is cut out and the chunk is
//! dropped; every other byte passes as it came. A chunk that tells usage beside choices stays whole:
//! the providers that do so do it unasked.

use std::{ops::Range, sync::LazyLock};

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::{
    members::{Members, place},
    sse::{Splitter, SseEvent},
};

/// The longest event that is held back to be looked at; a longer one passes unread. A chunk of chat
/// is a few hundred bytes.
pub const HELD_BYTES_MAX: usize = 1 << 20;

/// The filter. Feed it the uncompressed stream; it holds back no more than the event at hand.
#[derive(Clone, Debug, Default)]
pub struct HideUsage {
    splitter: Splitter,
    /// The event at hand, as far as it came with earlier chunks.
    held: Vec<u8>,
    /// The event at hand is too long and passes.
    passing: bool,
    /// A dropped event ended with the CR of a CRLF whose LF is still to come.
    drop_lf: bool,
    begun: bool,
    ended_by_cr: bool,
}

/// What becomes of an event.
enum Verdict {
    Keep,
    Drop,
    /// These bytes go, the others stay.
    Cut(Range<usize>),
}

impl HideUsage {
    /// A filter at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and gives those that may go to the client now. They are a slice of
    /// `chunk`, without a copy, when nothing in it was cut or held.
    #[must_use]
    pub fn push(&mut self, chunk: &Bytes) -> Bytes {
        let mut out = Out { chunk, passed: 0, copied: None };
        let mut at = 0;
        while let Some(length) = self.splitter.next_end(chunk.get(at..).unwrap_or_default()) {
            let end = at + length;
            self.complete(at, end, &mut out);
            at = end;
        }
        self.hold(at, &mut out);
        out.into_bytes()
    }

    /// Ends the stream and gives what was held back: the beginning of an event that never ended.
    #[must_use]
    pub fn finish(self) -> Bytes {
        let lf = usize::from(self.drop_lf && self.held.first() == Some(&b'\n'));
        Bytes::from(self.held).slice(lf..)
    }

    /// The event at hand ends at `end`.
    fn complete(&mut self, start: usize, end: usize, out: &mut Out<'_>) {
        let piece = out.chunk.get(start..end).unwrap_or_default();
        let ends_by_cr = piece.last() == Some(&b'\r');
        if self.held.is_empty() || self.passing {
            let verdict = if self.passing { Verdict::Keep } else { self.verdict(piece) };
            let lf = self.leading_lf(piece);
            match &verdict {
                Verdict::Keep => out.pass(start + lf, end),
                Verdict::Drop => out.pass(start, start + self.kept_lf(piece)),
                Verdict::Cut(range) => {
                    out.pass(start + lf, start + range.start);
                    out.pass(start + range.end, end);
                }
            }
            self.drop_lf = matches!(verdict, Verdict::Drop) && ends_by_cr;
        } else {
            let mut whole = std::mem::take(&mut self.held);
            whole.extend_from_slice(piece);
            let verdict = self.verdict(&whole);
            let lf = self.leading_lf(&whole);
            match &verdict {
                Verdict::Keep => out.append(whole.get(lf..).unwrap_or_default()),
                Verdict::Drop => out.append(whole.get(..self.kept_lf(&whole)).unwrap_or_default()),
                Verdict::Cut(range) => {
                    out.append(whole.get(lf..range.start).unwrap_or_default());
                    out.append(whole.get(range.end..).unwrap_or_default());
                }
            }
            self.drop_lf = matches!(verdict, Verdict::Drop) && ends_by_cr;
            whole.clear();
            self.held = whole;
        }
        self.passing = false;
        self.begun = true;
        self.ended_by_cr = ends_by_cr;
    }

    fn hold(&mut self, start: usize, out: &mut Out<'_>) {
        let end = out.chunk.len();
        let rest = out.chunk.get(start..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        if self.passing {
            out.pass(start, end);
        } else if self.held.len().saturating_add(rest.len()) > HELD_BYTES_MAX {
            let first = if self.held.is_empty() { rest } else { self.held.as_slice() };
            let lf = self.leading_lf(first);
            let held = std::mem::take(&mut self.held);
            if held.is_empty() {
                out.pass(start + lf, end);
            } else {
                out.append(held.get(lf..).unwrap_or_default());
                out.append(rest);
            }
            self.passing = true;
            self.drop_lf = false;
        } else {
            self.held.extend_from_slice(rest);
        }
    }

    /// 1 when the event begins with the LF that belongs to a dropped one.
    fn leading_lf(&self, raw: &[u8]) -> usize {
        usize::from(self.drop_lf && raw.first() == Some(&b'\n'))
    }

    /// 1 when the event begins with the LF that belongs to a kept one.
    fn kept_lf(&self, raw: &[u8]) -> usize {
        usize::from(self.ended_by_cr && !self.drop_lf && raw.first() == Some(&b'\n'))
    }

    fn verdict(&self, raw: &[u8]) -> Verdict {
        static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""usage""#));
        if raw.len() > HELD_BYTES_MAX {
            return Verdict::Keep;
        }
        let mut found = USAGE.find_iter(raw);
        let Some(first) = found.next() else { return Verdict::Keep };
        if found.next().is_none()
            && let Some(range) = plain_null(raw, first)
        {
            return Verdict::Cut(range);
        }
        self.parsed_verdict(raw)
    }

    fn parsed_verdict(&self, raw: &[u8]) -> Verdict {
        let event = SseEvent::new(raw, self.begun, self.ended_by_cr);
        let Some(data) = event.data() else { return Verdict::Keep };
        let Ok(Members(members)) = serde_json::from_slice(&data) else { return Verdict::Keep };
        let Some(at) = members.iter().rposition(|it| it.name == "usage") else {
            return Verdict::Keep;
        };
        let value = |at: usize| members.get(at).map_or("", |it| it.value);
        let usage = value(at);
        if usage == "null" {
            // Data over several lines is not borrowed from the event, so its places are others.
            let std::borrow::Cow::Borrowed(_) = data else { return Verdict::Keep };
            let this = place(raw, usage);
            return Verdict::Cut(match at.checked_sub(1) {
                Some(before) => place(raw, value(before)).end..this.end,
                None => first_member(raw, &data, this.end),
            });
        }
        let no_choices = members.iter().any(|it| it.name == "choices" && is_empty_list(it.value));
        if usage.starts_with('{') && no_choices { Verdict::Drop } else { Verdict::Keep }
    }
}

/// The range of `,"usage":null` as ordinary chunks have it, where the one `"usage"` of the event is
/// at `name`: a later member of the object that is the event's one line of data. Nearly every chunk
/// is told apart here, at a fraction of what parsing costs. `None` where the parser must decide.
fn plain_null(raw: &[u8], name: usize) -> Option<Range<usize>> {
    const MEMBER: &[u8] = br#","usage":null"#;
    let start = name.checked_sub(1)?;
    let end = start + MEMBER.len();
    let is_member = raw.get(start..end)? == MEMBER && matches!(raw.get(end)?, b',' | b'}');
    let line = raw.trim_ascii_end();
    let is_one_line = line.ends_with(b"}") && memchr::memchr2(b'\n', b'\r', line).is_none();
    let data = raw.get(..start)?.strip_prefix(b"data:")?.trim_ascii_start();
    let is_top_level = data.starts_with(b"{") && depth_after(data) == Some(1);
    (is_member && is_one_line && is_top_level).then_some(start..end)
}

/// How many objects and lists are open after the beginning of a JSON text; `None` inside a string.
fn depth_after(mut json: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    while let Some((byte, rest)) = json.split_first() {
        json = rest;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => loop {
                let at = memchr::memchr2(b'"', b'\\', json)?;
                let escapes = json.get(at) == Some(&b'\\');
                json = json.get(at + 1 + usize::from(escapes)..)?;
                if !escapes {
                    break;
                }
            },
            _ => {}
        }
    }
    Some(depth)
}

/// The range of an object's first member whose value ends at `end`, with the comma after it.
fn first_member(raw: &[u8], data: &[u8], end: usize) -> Range<usize> {
    let data_at = data.as_ptr().addr().saturating_sub(raw.as_ptr().addr());
    let brace = data.iter().position(|it| *it == b'{').unwrap_or(0);
    let after = raw.get(end..).unwrap_or_default();
    let comma = after.iter().position(|it| !it.is_ascii_whitespace());
    let comma = comma.filter(|at| after.get(*at) == Some(&b','));
    data_at + brace + 1..comma.map_or(end, |at| end + at + 1)
}

fn is_empty_list(value: &str) -> bool {
    let inner = value.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inner.is_some_and(|it| it.trim().is_empty())
}

/// The bytes that go out: a prefix of the chunk as long as that is all, else a copy.
struct Out<'a> {
    chunk: &'a Bytes,
    /// The chunk's bytes before this go out, unless `copied` is there.
    passed: usize,
    copied: Option<Vec<u8>>,
}

impl Out<'_> {
    fn pass(&mut self, start: usize, end: usize) {
        if self.copied.is_none() && self.passed == start {
            self.passed = end;
        } else {
            let chunk = self.chunk;
            self.append(chunk.get(start..end).unwrap_or_default());
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (chunk, passed) = (self.chunk, self.passed);
        let prefix = || chunk.get(..passed).unwrap_or_default().to_vec();
        self.copied.get_or_insert_with(prefix).extend_from_slice(bytes);
    }

    fn into_bytes(self) -> Bytes {
        self.copied.map_or_else(|| self.chunk.slice(..self.passed), Bytes::from)
    }
}

#[cfg(test)]
mod tests;
