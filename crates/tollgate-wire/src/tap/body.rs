//! Cuts an inflated body into the JSON texts that matter.

use tollgate_core::{Format, Operation};

use super::{End, Gap, Report, TAP_BODY_BYTES_MAX, TapConfig, array::ArraySplitter, seen::Seen};
use crate::{
    event_stream::{EVENT_STREAM, FrameItem, FrameReader},
    fault,
    sse::{SseItem, SseReader},
};

/// An error body is read up to here: more than any provider's sentence, less than a web page.
const ERROR_BODY_BYTES_MAX: usize = 64 << 10;

/// What a body's media type promises.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    EventStream,
    /// Amazon's binary one.
    Frames,
    Json,
    /// `text/plain`, or nothing said: may be either of the above.
    Text,
    /// Files, audio, pages: not read.
    Opaque,
}

impl Media {
    fn of(content_type: Option<&str>) -> Self {
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        match essence.trim().to_ascii_lowercase().as_str() {
            "text/event-stream" => Self::EventStream,
            EVENT_STREAM => Self::Frames,
            "application/json" => Self::Json,
            "" | "text/plain" => Self::Text,
            other if other.ends_with("+json") => Self::Json,
            _ => Self::Opaque,
        }
    }
}

/// How a body is cut.
enum Framing {
    /// Told by the first byte that is not white space.
    Unknown(Media),
    /// Server-sent events.
    Events(SseReader),
    /// Amazon's binary frames.
    Frames(FrameReader),
    /// One JSON text, read when it is whole.
    Whole(Vec<u8>),
    /// A Gemini stream without `alt=sse`: a JSON list, each object of which is an event.
    List(ArraySplitter),
    /// The body of an error status, as far as it is kept.
    Failed(Vec<u8>),
    /// Not read.
    Unread,
}

/// An answer's body behind its content coding.
pub(super) struct Body {
    framing: Framing,
    list_is_stream: bool,
    seen: Seen,
}

/// A body that is not read; stands in while a decoder is exchanged.
impl Default for Body {
    fn default() -> Self {
        let seen = Seen::new(Format::OpenaiEmbeddings);
        Self { framing: Framing::Unread, list_is_stream: false, seen }
    }
}

impl Body {
    pub(super) fn new(config: TapConfig<'_>) -> Self {
        let media = Media::of(config.content_type);
        let metered = config.posted
            && match (config.operation, config.format) {
                (Operation::Generate | Operation::Embed, _) => true,
                // Pictures, sound, transcripts.
                (Operation::Other, Format::OpenaiEmbeddings) => true,
                // Stored answers and batches, whose usage was counted when they were made.
                (Operation::Other, _) | (Operation::CountTokens | Operation::ListModels, _) => {
                    false
                }
            };
        let framing = if config.status >= 400 {
            Framing::Failed(Vec::new())
        } else if metered && media == Media::Frames {
            // Frames of other formats mean something else.
            match config.format {
                Format::BedrockConverse => Framing::Frames(FrameReader::default()),
                Format::OpenaiChat
                | Format::OpenaiResponses
                | Format::OpenaiEmbeddings
                | Format::AnthropicMessages
                | Format::Gemini
                | Format::CohereEmbed
                | Format::OllamaEmbed => Framing::Unread,
            }
        } else if metered && media != Media::Opaque {
            Framing::Unknown(media)
        } else {
            Framing::Unread
        };
        Self {
            framing,
            list_is_stream: config.format == Format::Gemini,
            seen: Seen::new(config.format),
        }
    }

    /// Whether anything is still to be read.
    pub(super) const fn wants_bytes(&self) -> bool {
        !matches!(self.framing, Framing::Unread)
    }

    pub(super) const fn first_token_seen(&self) -> bool {
        self.seen.first_token
    }

    /// Reads without passing events over, to compare with.
    #[cfg(test)]
    pub(super) const fn parse_every_event(&mut self) {
        self.seen.skips = false;
    }

    /// Stops reading, and says why unless something was said before.
    pub(super) fn give_up(&mut self, gap: Gap) {
        self.seen.gap.get_or_insert(gap);
        self.framing = Framing::Unread;
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Framing::Unknown(media) = self.framing {
            let Some(start) = bytes.iter().position(|it| !is_padding(*it)) else { return };
            match self.framing_of(bytes.get(start).copied(), media) {
                Some(framing) => self.framing = framing,
                None => self.give_up(Gap::NotJson),
            }
            self.push(bytes.get(start..).unwrap_or_default());
            return;
        }
        let Self { framing, seen, .. } = self;
        match framing {
            Framing::Events(reader) => reader.push(bytes, |it| read_item(seen, it)),
            Framing::Frames(reader) => reader.push(bytes, |it| read_frame(seen, it)),
            Framing::List(splitter) => {
                if splitter.push(bytes, |element| seen.event(element)).is_err() {
                    self.give_up(Gap::EventTooLong);
                }
            }
            Framing::Whole(held) => {
                if held.len().saturating_add(bytes.len()) > TAP_BODY_BYTES_MAX {
                    self.give_up(Gap::BodyTooLong);
                } else {
                    held.extend_from_slice(bytes);
                }
            }
            Framing::Failed(held) => {
                let room = ERROR_BODY_BYTES_MAX.saturating_sub(held.len());
                held.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
            }
            Framing::Unknown(_) | Framing::Unread => {}
        }
    }

    /// The framing by the first byte; `None` when it is not what the media type promises.
    fn framing_of(&self, first: Option<u8>, media: Media) -> Option<Framing> {
        match (first, media) {
            // Servers answer with JSON under `text/event-stream` too, when something went wrong.
            (Some(b'{'), _) => Some(Framing::Whole(Vec::new())),
            (Some(b'['), _) if self.list_is_stream => Some(Framing::List(ArraySplitter::default())),
            (Some(b'['), _) => Some(Framing::Unread),
            // `data`, `event`, `id`, `retry` or a comment, under whatever media type.
            (Some(b'd' | b'e' | b'i' | b'r' | b':'), _) | (_, Media::EventStream) => {
                Some(Framing::Events(SseReader::new()))
            }
            (_, Media::Json) => None,
            (_, Media::Text | Media::Frames | Media::Opaque) => Some(Framing::Unread),
        }
    }

    pub(super) fn finish(&mut self, end: End) -> Report {
        let complete = end == End::Complete;
        let framing = std::mem::replace(&mut self.framing, Framing::Unread);
        let mut inside_event = false;
        let seen = &mut self.seen;
        match framing {
            Framing::Events(reader) => {
                inside_event = reader.inside_event();
                if complete {
                    reader.finish(|it| read_item(seen, it));
                }
            }
            Framing::Frames(reader) => inside_event = reader.inside_frame(),
            Framing::Whole(body) if complete => seen.whole(&body),
            Framing::Failed(body) => {
                seen.error = fault::read_failed_body(&body);
                seen.terminal = complete;
                seen.ended = complete;
            }
            Framing::Unknown(_) | Framing::Unread => {
                if complete && seen.gap.is_none() {
                    seen.saw_end();
                }
            }
            Framing::Whole(_) | Framing::List(_) => {}
        }
        let mut report = seen.report();
        report.inside_event = inside_event;
        report
    }
}

fn read_item(seen: &mut Seen, item: SseItem<'_>) {
    match item {
        SseItem::Event(event) => seen.sse_event(&event),
        SseItem::TooLong { .. } => {
            seen.gap.get_or_insert(Gap::EventTooLong);
        }
    }
}

fn read_frame(seen: &mut Seen, item: FrameItem<'_>) {
    match item {
        FrameItem::Frame(frame) => seen.frame(frame),
        FrameItem::TooLong => {
            seen.gap.get_or_insert(Gap::EventTooLong);
        }
        FrameItem::Broken => {
            seen.gap.get_or_insert(Gap::BrokenEncoding);
        }
    }
}

/// White space, or a byte of a byte-order mark.
const fn is_padding(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0xEF | 0xBB | 0xBF)
}
