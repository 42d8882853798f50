//! Answers on their way back: whole bodies, streams and errors, in any combination of what the
//! provider sent and what the client asked for.

mod collect;

use bytes::Bytes;
use tollgate_core::Usage;

use self::collect::Collector;
use super::{
    AnswerPlan, Dialect, Framing, Sink, anthropic, failure, gemini, json_into, openai_chat,
    openai_responses,
};
use crate::{
    ir::{Answer, Event, Failure, Opening, Stop},
    loss::{Loss, Losses},
    sse::{SseItem, SseReader},
    tap::{End, TAP_BODY_BYTES_MAX},
};

/// The longest answer that is translated whole, in the provider's bytes or put together from its
/// stream: as much as the tap reads. A longer one is an error to the client.
pub const ANSWER_BYTES_MAX: usize = TAP_BODY_BYTES_MAX;

/// What must be known of an answer to translate it.
#[derive(Clone, Copy, Debug)]
pub struct AnswerConfig<'a> {
    /// From the request.
    pub plan: &'a AnswerPlan,
    /// The provider's HTTP status.
    pub status: u16,
    /// The provider's `content-type`.
    pub content_type: Option<&'a str>,
    /// The provider's `retry-after`, in seconds.
    pub retry_after_s: Option<u64>,
    /// The answer's id where the provider gives none; unlike that of any other answer, since ids of
    /// tool calls are made of it. ASCII letters, digits, `-` and `_`.
    pub fallback_id: &'a str,
    /// When the answer was made, in seconds since 1970.
    pub created_s: u64,
}

/// The head of the client's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The `content-type`.
    pub content_type: &'static str,
}

/// The end of a translated answer.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The last bytes; all of them, unless the answer streams.
    pub bytes: Bytes,
    /// The head, for answers whose [`head`](AnswerTranslator::head) had to wait. A provider's
    /// success that could not be read is a 502.
    pub head: Head,
    /// The `retry-after` header to send, in seconds: the provider's own, or what its body says.
    pub retry_after_s: Option<u64>,
    /// What of the answer's content could not be carried over; paths are those of the provider's
    /// body. Its book-keeping (fingerprints, tiers, timings) is no content.
    pub losses: Vec<Loss>,
}

/// Translates one answer, piece by piece. The pieces are the provider's body with any content coding
/// undone; the bytes that come out are the client's body, the same wherever the pieces are cut.
///
/// Holds one event of a stream at a time, and nothing that grows with it, unless the client asked
/// for a whole answer, or speaks the Responses format, whose last event repeats the answer: then up
/// to [`ANSWER_BYTES_MAX`].
pub struct AnswerTranslator {
    input: Input,
    output: Output,
    losses: Losses,
    plan: AnswerPlan,
    status: u16,
    retry_after_s: Option<u64>,
    fallback_id: String,
    created_s: u64,
}

enum Input {
    /// A body that must be whole to be read; `None` once it is too long.
    Whole(Option<Vec<u8>>),
    Stream(SseReader, Box<Reader>),
}

enum Output {
    Whole(Box<Collector>),
    Stream(Box<Writing>),
}

impl AnswerTranslator {
    /// A translator for an answer whose head has arrived.
    #[must_use]
    pub fn new(config: &AnswerConfig<'_>) -> Self {
        let is_stream = config.content_type.map_or(config.plan.stream, |it| {
            it.trim_start().get(..17).is_some_and(|it| it.eq_ignore_ascii_case("text/event-stream"))
        });
        let input = if is_stream && config.status < 400 {
            Input::Stream(SseReader::new(), Box::new(Reader::new(config)))
        } else {
            Input::Whole(Some(Vec::new()))
        };
        let output = if config.plan.stream {
            Output::Stream(Box::new(Writing::new(config)))
        } else {
            Output::Whole(Box::new(Collector::new(config)))
        };
        Self {
            input,
            output,
            losses: Losses::default(),
            plan: config.plan.clone(),
            status: config.status,
            retry_after_s: config.retry_after_s,
            fallback_id: config.fallback_id.to_owned(),
            created_s: config.created_s,
        }
    }

    /// The head to send before the first byte; `None` when it is known only at the end, and until
    /// then [`push`](Self::push) gives no bytes.
    #[must_use]
    pub const fn head(&self) -> Option<Head> {
        match (&self.input, &self.output) {
            (Input::Stream(..), Output::Stream(_)) => Some(stream_head(self.plan.framing)),
            (Input::Whole(_), _) | (_, Output::Whole(_)) => None,
        }
    }

    /// Takes the next piece, in any size, and gives the client's bytes for it.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> Bytes {
        let mut out = Vec::new();
        match &mut self.input {
            Input::Whole(body) => {
                if let Some(held) = body {
                    if held.len().saturating_add(piece.len()) > ANSWER_BYTES_MAX {
                        *body = None;
                    } else {
                        held.extend_from_slice(piece);
                    }
                }
            }
            Input::Stream(sse, reader) => {
                out.reserve(piece.len());
                let (losses, output) = (&mut self.losses, &mut self.output);
                sse.push(piece, |item| {
                    reader.item(item, losses, &mut |event| output.event(event, &mut out));
                });
            }
        }
        out.into()
    }

    /// Ends the answer. A stream that did not come to its own end, by whatever fault, ends with the
    /// error event of the client's format.
    #[must_use]
    pub fn finish(mut self, end: End) -> Finished {
        let mut out = Vec::new();
        let input = std::mem::replace(&mut self.input, Input::Whole(None));
        match input {
            Input::Stream(sse, mut reader) => {
                let (losses, output) = (&mut self.losses, &mut self.output);
                if end == End::Complete {
                    sse.finish(|item| {
                        reader.item(item, losses, &mut |event| output.event(event, &mut out));
                    });
                }
                reader.end(&mut |event| output.event(event, &mut out));
            }
            Input::Whole(Some(body)) if self.status >= 400 => {
                let failure = failure::of_body(self.status, &body, self.retry_after_s);
                let status = self.status;
                return self.failed(&failure, status);
            }
            Input::Whole(Some(_)) if end == End::Broken => {
                return self.failed(&failure::cut_off(), BAD_ANSWER);
            }
            Input::Whole(Some(body)) => match self.whole(&body) {
                Ok(answer) => return self.answered(&answer),
                Err(failure) => return self.failed(&failure, failure::status_of(failure.kind)),
            },
            Input::Whole(None) => {
                let status = if self.status >= 400 { self.status } else { BAD_ANSWER };
                return self.failed(&failure::broken("the provider's answer is too long"), status);
            }
        }
        match std::mem::replace(&mut self.output, Output::Whole(Box::default())) {
            Output::Stream(_) => {
                let head = stream_head(self.plan.framing);
                self.finished(out, head)
            }
            Output::Whole(collector) => match collector.into_answer() {
                Ok(answer) => self.answered(&answer),
                Err(failure) => self.failed(&failure, failure::status_of(failure.kind)),
            },
        }
    }

    fn whole(&mut self, body: &[u8]) -> Result<Answer, Failure> {
        let plan = self.plan.clone();
        let fallback_id = self.fallback_id.clone();
        let config = self.config(&plan, &fallback_id);
        let answer = match plan.provider {
            Dialect::Chat => openai_chat::answer::read(body, &config, &mut self.losses)?,
            Dialect::Anthropic => anthropic::answer::read(body, &mut self.losses)?,
            Dialect::Responses => openai_responses::answer::read(body, &mut self.losses)?,
            // A whole answer is a stream of one event.
            Dialect::Gemini => {
                let mut reader = gemini::stream::Reader::new(&config);
                let mut collector = Collector::default();
                reader.event(body, &mut self.losses, &mut |event| collector.event(event));
                reader.end(&mut |event| collector.event(event));
                collector.into_answer()?
            }
        };
        Ok(without_json_tool(answer, plan.json_tool))
    }

    const fn config<'a>(&self, plan: &'a AnswerPlan, fallback_id: &'a str) -> AnswerConfig<'a> {
        AnswerConfig {
            plan,
            status: self.status,
            content_type: None,
            retry_after_s: self.retry_after_s,
            fallback_id,
            created_s: self.created_s,
        }
    }

    /// The whole answer in the client's format, as a stream if that was asked for.
    fn answered(mut self, answer: &Answer) -> Finished {
        let mut out = Vec::new();
        if let Output::Stream(writing) = &mut self.output {
            collect::replay(answer, &mut |event| writing.event(event, &mut out));
            let head = stream_head(self.plan.framing);
            return self.finished(out, head);
        }
        let config = self.config(&self.plan, &self.fallback_id);
        let body = match self.plan.client {
            Dialect::Chat => openai_chat::answer::write(answer, &config),
            Dialect::Anthropic => anthropic::answer::write(answer, &config),
            Dialect::Gemini => gemini::answer::write(answer, &config),
            Dialect::Responses => openai_responses::answer::write(answer, &config),
        };
        json_into(&body, &mut out);
        self.finished(out, Head { status: 200, content_type: JSON })
    }

    fn failed(mut self, failure: &Failure, status: u16) -> Finished {
        let format = self.plan.client.format();
        let status = failure::status_for(format, status);
        let mut out = Vec::new();
        json_into(&failure::body_of(format, failure, status), &mut out);
        self.retry_after_s = self.retry_after_s.or(failure.retry_after_s);
        self.finished(out, Head { status, content_type: JSON })
    }

    fn finished(self, out: Vec<u8>, head: Head) -> Finished {
        Finished {
            bytes: out.into(),
            head,
            retry_after_s: self.retry_after_s,
            losses: self.losses.into_vec(),
        }
    }
}

impl std::fmt::Debug for AnswerTranslator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerTranslator").field("plan", &self.plan).finish_non_exhaustive()
    }
}

const JSON: &str = "application/json";

const fn stream_head(framing: Framing) -> Head {
    let content_type = match framing {
        Framing::Events => "text/event-stream",
        Framing::List => JSON,
    };
    Head { status: 200, content_type }
}

/// The status of an answer that is a success to HTTP and to nobody else.
const BAD_ANSWER: u16 = 502;

/// A format's reader of streams.
enum Reader {
    Chat(openai_chat::stream::Reader),
    Anthropic(anthropic::stream::Reader),
    Gemini(gemini::stream::Reader),
    Responses(openai_responses::stream::Reader),
}

impl Reader {
    fn new(config: &AnswerConfig<'_>) -> Self {
        match config.plan.provider {
            Dialect::Chat => Self::Chat(openai_chat::stream::Reader::new(config)),
            Dialect::Anthropic => Self::Anthropic(anthropic::stream::Reader::new()),
            Dialect::Gemini => Self::Gemini(gemini::stream::Reader::new(config)),
            Dialect::Responses => Self::Responses(openai_responses::stream::Reader::new()),
        }
    }

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

    fn end(&mut self, sink: &mut Sink<'_>) {
        match self {
            Self::Chat(reader) => reader.end(sink),
            Self::Anthropic(reader) => reader.end(sink),
            Self::Gemini(reader) => reader.end(sink),
            Self::Responses(reader) => reader.end(sink),
        }
    }
}

/// A format's writer of streams.
enum Writer {
    Chat(openai_chat::stream::Writer),
    Anthropic(anthropic::stream::Writer),
    Gemini(gemini::stream::Writer),
    Responses(openai_responses::stream::Writer),
}

impl Writer {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Chat(writer) => writer.write(event, out),
            Self::Anthropic(writer) => writer.write(event, out),
            Self::Gemini(writer) => writer.write(event, out),
            Self::Responses(writer) => writer.write(event, out),
        }
    }
}

/// The client's stream so far.
struct Writing {
    writer: Writer,
    json_tool: JsonTool,
    begun: bool,
    ended: bool,
}

impl Writing {
    fn new(config: &AnswerConfig<'_>) -> Self {
        let writer = match config.plan.client {
            Dialect::Chat => Writer::Chat(openai_chat::stream::Writer::new(config)),
            Dialect::Anthropic => Writer::Anthropic(anthropic::stream::Writer::new(config)),
            Dialect::Gemini => Writer::Gemini(gemini::stream::Writer::new(config)),
            Dialect::Responses => Writer::Responses(openai_responses::stream::Writer::new(config)),
        };
        let json_tool = JsonTool::new(config.plan.json_tool);
        Self { writer, json_tool, begun: false, ended: false }
    }

    /// Nothing comes after the end, and only signs of life and errors before the beginning, whatever
    /// the provider does.
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let begins = match &event {
            Event::Start { .. } if self.begun => return,
            Event::Start { .. } => {
                self.begun = true;
                false
            }
            Event::PartStart(_)
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Stop { .. } => !std::mem::replace(&mut self.begun, true),
            Event::Ping | Event::Failed(_) => false,
        };
        if begins {
            let start = Event::Start { id: None, model: None, usage: Usage::default() };
            self.writer.write(start, out);
        }
        self.ended = matches!(event, Event::Stop { .. } | Event::Failed(_));
        let event = self.json_tool.event(event);
        self.writer.write(event, out);
    }
}

impl Output {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Whole(collector) => collector.event(event),
            Self::Stream(writing) => writing.event(event, out),
        }
    }
}

/// Makes the call of the tool that stands for a prescribed shape the text that the client wants.
#[derive(Clone, Copy, Default)]
struct JsonTool {
    /// `None`: there is no such tool.
    name: Option<&'static str>,
    called: bool,
    others_called: bool,
}

impl JsonTool {
    const fn new(name: Option<&'static str>) -> Self {
        Self { name, called: false, others_called: false }
    }

    fn event<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        let Some(tool) = self.name else { return event };
        match event {
            Event::PartStart(Opening::ToolCall { name, .. }) if name == tool => {
                self.called = true;
                Event::PartStart(Opening::Text)
            }
            Event::PartStart(Opening::ToolCall { .. }) => {
                self.others_called = true;
                event
            }
            Event::Stop { stop: Stop::ToolUse, usage } if self.called && !self.others_called => {
                Event::Stop { stop: Stop::End, usage }
            }
            Event::Start { .. }
            | Event::PartStart(_)
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Ping
            | Event::Stop { .. }
            | Event::Failed(_) => event,
        }
    }
}

/// The same for a whole answer: it is played through the events.
fn without_json_tool(answer: Answer, json_tool: Option<&'static str>) -> Answer {
    if json_tool.is_none() {
        return answer;
    }
    let mut tool = JsonTool::new(json_tool);
    let mut collector = Collector::default();
    collect::replay(&answer, &mut |event| collector.event(tool.event(event)));
    collector.into_answer().unwrap_or(answer)
}
