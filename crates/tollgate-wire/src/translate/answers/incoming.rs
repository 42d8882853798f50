//! A provider's stream, cut into events by whichever framing its format has.

use crate::{
    event_stream::{EVENT_STREAM, FrameReader},
    ir::Event,
    loss::Losses,
    sse::{SseItem, SseReader},
    tap::End,
    translate::{
        GenerateConfig, Provider, Sink, anthropic, bedrock, failure, gemini, openai_chat,
        openai_responses,
    },
};

/// Whether the provider streams; what its head says counts, else what was asked for.
pub(super) fn is_stream(config: &GenerateConfig<'_>) -> bool {
    let Some(content_type) = config.content_type else { return config.plan.stream };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(match config.plan.provider {
        Provider::Chat | Provider::Anthropic | Provider::Gemini | Provider::Responses => {
            "text/event-stream"
        }
        Provider::Bedrock => EVENT_STREAM,
    })
}

/// A stream that comes in.
pub(super) enum Incoming {
    Events(SseReader, Reader),
    Frames(FrameReader, bedrock::stream::Reader),
}

impl Incoming {
    pub(super) fn new(config: &GenerateConfig<'_>) -> Self {
        let reader = match config.plan.provider {
            Provider::Chat => Reader::Chat(openai_chat::stream::Reader::new(config)),
            Provider::Anthropic => Reader::Anthropic(anthropic::stream::Reader::new()),
            Provider::Gemini => Reader::Gemini(gemini::stream::Reader::new(config)),
            Provider::Responses => Reader::Responses(openai_responses::stream::Reader::new()),
            Provider::Bedrock => {
                return Self::Frames(FrameReader::default(), bedrock::stream::Reader::default());
            }
        };
        Self::Events(SseReader::new(), reader)
    }

    pub(super) fn push(&mut self, piece: &[u8], losses: &mut Losses, sink: &mut Sink<'_>) {
        match self {
            Self::Events(sse, reader) => sse.push(piece, |item| reader.item(item, losses, sink)),
            Self::Frames(frames, reader) => {
                frames.push(piece, |item| reader.frame(item, losses, sink));
            }
        }
    }

    pub(super) fn finish(self, end: End, losses: &mut Losses, sink: &mut Sink<'_>) {
        match self {
            Self::Events(sse, mut reader) => {
                if end == End::Complete {
                    sse.finish(|item| reader.item(item, losses, sink));
                }
                reader.end(end, sink);
            }
            Self::Frames(_, mut reader) => reader.end(sink),
        }
    }
}

/// A format's reader of streams.
pub(super) enum Reader {
    Chat(openai_chat::stream::Reader),
    Anthropic(anthropic::stream::Reader),
    Gemini(gemini::stream::Reader),
    Responses(openai_responses::stream::Reader),
}

impl Reader {
    fn item(&mut self, item: SseItem<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        let event = match item {
            SseItem::Event(event) => event,
            SseItem::TooLong { .. } => {
                sink(Event::Failed(failure::broken("an event of the provider's is too long")));
                return;
            }
        };
        let Some(data) = event.data() else {
            // A comment keeps the connection alive, and the client's is to live as well.
            if event.raw().trim_ascii_start().starts_with(b":") {
                sink(Event::Ping);
            }
            return;
        };
        match self {
            Self::Chat(reader) => reader.event(&data, losses, sink),
            Self::Anthropic(reader) => reader.event(event.name(), &data, losses, sink),
            Self::Gemini(reader) => reader.event(&data, losses, sink),
            Self::Responses(reader) => reader.event(event.name(), &data, losses, sink),
        }
    }

    fn end(&mut self, end: End, sink: &mut Sink<'_>) {
        match self {
            Self::Chat(reader) => reader.end(end, sink),
            Self::Anthropic(reader) => reader.end(sink),
            Self::Gemini(reader) => reader.end(end, sink),
            Self::Responses(reader) => reader.end(sink),
        }
    }
}
