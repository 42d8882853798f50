//! Amazon's binary event stream (`application/vnd.amazon.eventstream`), read from byte chunks cut
//! anywhere.
//!
//! A frame is its own length and that of its headers (four bytes each, big-endian), a CRC-32 of these
//! eight bytes, the headers, the payload, and a CRC-32 of everything before it (Smithy's
//! documentation, "Amazon Event Stream Specification"). Behind a frame whose checksum is wrong nothing
//! can be found again.
//!
//! Written here rather than taken from `aws-smithy-eventstream`: that brings HTTP's body types into
//! this package's tree, copies each frame, and has no cap on a frame's length. It is the tests' second
//! opinion.

use crate::sse::EVENT_BYTES_MAX;

/// The media type.
pub(crate) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// The longest frame that is read: the specification allows 16 MiB of payload.
pub(crate) const FRAME_BYTES_MAX: usize = EVENT_BYTES_MAX;

/// Both lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// The checksum at the end.
const CHECKSUM_BYTES: usize = 4;
/// Room for a split frame that is kept between frames.
const KEPT_BYTES: usize = 16 << 10;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Event,
    /// An error that the service's model names; the payload describes it.
    Exception,
    /// An error of the transport's; the headers describe it.
    Error,
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: FrameKind,
    /// The event's, exception's or error's name; empty when the frame tells none.
    pub(crate) name: &'a str,
    /// What an error says in its headers.
    pub(crate) message: &'a str,
    pub(crate) payload: &'a [u8],
}

/// What [`FrameReader::push`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameItem<'a> {
    Frame(Frame<'a>),
    /// The frame is longer than [`FRAME_BYTES_MAX`]; nothing is read behind it.
    TooLong,
    /// The bytes are no frame; nothing is read behind them.
    Broken,
}

/// Reads frames. Gives each as soon as its last byte is there, and copies only frames that chunks
/// cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameReader {
    held: Vec<u8>,
    lost: bool,
}

impl FrameReader {
    /// Takes the next bytes and calls `found` for each frame that they complete.
    pub(crate) fn push(&mut self, chunk: &[u8], mut found: impl FnMut(FrameItem<'_>)) {
        let mut rest = chunk;
        while !self.lost {
            if self.held.is_empty() {
                match take_frame(rest) {
                    Ok(Some((frame, after))) => {
                        found(FrameItem::Frame(frame));
                        rest = after;
                        continue;
                    }
                    Ok(None) => self.held.extend_from_slice(rest),
                    Err(item) => self.lose(item, &mut found),
                }
                return;
            }
            // As much as the frame at hand still wants, so that what follows is not copied.
            let wanted = wanted(&self.held).saturating_sub(self.held.len()).min(rest.len());
            let (piece, after) = rest.split_at(wanted);
            self.held.extend_from_slice(piece);
            rest = after;
            match take_frame(&self.held) {
                Ok(Some((frame, _))) => {
                    found(FrameItem::Frame(frame));
                    self.held.clear();
                    self.held.shrink_to(KEPT_BYTES);
                }
                Ok(None) if rest.is_empty() => return,
                Ok(None) => {}
                Err(item) => self.lose(item, &mut found),
            }
        }
    }

    /// Whether the bytes so far end inside a frame, or nothing could be read of the last ones.
    pub(crate) fn inside_frame(&self) -> bool {
        self.lost || !self.held.is_empty()
    }

    fn lose(&mut self, item: FrameItem<'_>, found: &mut impl FnMut(FrameItem<'_>)) {
        self.lost = true;
        self.held = Vec::new();
        found(item);
    }
}

/// How many bytes must be there before more can be said: the prelude, then the whole frame.
fn wanted(held: &[u8]) -> usize {
    match total_length(held) {
        Some(total) if held.len() >= PRELUDE_BYTES => total,
        Some(_) | None => PRELUDE_BYTES,
    }
}

fn total_length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32_at(bytes, 0)?).ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*four))
}

/// The frame at the front and what follows it; `None` when it is not all there.
fn take_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, &[u8])>, FrameItem<'static>> {
    let (Some(total), Some(headers), Some(checksum)) =
        (total_length(bytes), u32_at(bytes, 4), u32_at(bytes, 8))
    else {
        return Ok(None);
    };
    let headers = usize::try_from(headers).map_err(|_| FrameItem::Broken)?;
    let sealed = bytes.get(..PRELUDE_BYTES - CHECKSUM_BYTES).unwrap_or_default();
    if crc32fast::hash(sealed) != checksum
        || headers.saturating_add(PRELUDE_BYTES + CHECKSUM_BYTES) > total
    {
        return Err(FrameItem::Broken);
    }
    if total > FRAME_BYTES_MAX {
        return Err(FrameItem::TooLong);
    }
    let Some((frame, after)) = bytes.split_at_checked(total) else { return Ok(None) };
    let (sealed, checksum) = frame.split_at(total - CHECKSUM_BYTES);
    if u32_at(checksum, 0) != Some(crc32fast::hash(sealed)) {
        return Err(FrameItem::Broken);
    }
    let inner = sealed.get(PRELUDE_BYTES..).unwrap_or_default();
    let (headers, payload) = inner.split_at_checked(headers).ok_or(FrameItem::Broken)?;
    let frame = named(headers, payload).ok_or(FrameItem::Broken)?;
    Ok(Some((frame, after)))
}

/// A frame by what its headers say; `None` when they are no headers.
fn named<'a>(mut headers: &'a [u8], payload: &'a [u8]) -> Option<Frame<'a>> {
    let mut frame = Frame { kind: FrameKind::Event, name: "", message: "", payload };
    while !headers.is_empty() {
        let (name, rest) = counted(headers, 1)?;
        let (kind, rest) = rest.split_first()?;
        let (value, rest) = value(*kind, rest)?;
        headers = rest;
        // Texts alone matter.
        let value = (*kind == TEXT).then(|| std::str::from_utf8(value).ok());
        let Some(value) = value else { continue };
        let value = value?;
        match name {
            b":message-type" => {
                frame.kind = match value {
                    "exception" => FrameKind::Exception,
                    "error" => FrameKind::Error,
                    _ => FrameKind::Event,
                };
            }
            b":event-type" | b":exception-type" | b":error-code" => frame.name = value,
            b":error-message" => frame.message = value,
            _ => {}
        }
    }
    Some(frame)
}

/// The type of a header that holds a text.
const TEXT: u8 = 7;

/// A header's value and what follows it.
fn value(kind: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match kind {
        // True and false.
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        // A long, and a time.
        5 | 8 => 8,
        6 | TEXT => return counted(bytes, 2),
        9 => 16,
        _ => return None,
    };
    bytes.split_at_checked(length)
}

/// Bytes behind their count, which has so many bytes itself.
fn counted(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_at_checked(width)?;
    let count = count.iter().fold(0, |sum, it| (sum << 8) | usize::from(*it));
    rest.split_at_checked(count)
}

/// A frame with these texts as headers; `None` when it would be longer than a frame can be.
pub(crate) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Option<Vec<u8>> {
    let mut named = Vec::new();
    for (name, value) in headers {
        named.push(u8::try_from(name.len()).ok()?);
        named.extend_from_slice(name.as_bytes());
        named.push(TEXT);
        named.extend_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
        named.extend_from_slice(value.as_bytes());
    }
    let total = named.len().checked_add(payload.len())?.checked_add(PRELUDE_BYTES)?;
    let total = u32::try_from(total.checked_add(CHECKSUM_BYTES)?).ok()?;
    let mut out = Vec::from(total.to_be_bytes());
    out.extend_from_slice(&u32::try_from(named.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&named);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    Some(out)
}

#[cfg(test)]
mod tests;
