//! Chunks of a streamed chat answer.

use serde::Serialize;
use serde_json::Value;
use tollgate_core::Usage;

use super::{
    answer::{Body, Call, LogprobsOut, Message, Picture, Said, Scored, made_up_id, tokens_at},
    finish_reason, made_picture, redacted, sealed, stop_of, usage_of,
};
use crate::{
    fault::Fault,
    ir::{Event, Failure, Opening, PerChoice, ScoredToken, Stop},
    loss::Losses,
    sse::EVENT_BYTES_MAX,
    tap::End,
    translate::{
        GenerateConfig, Sink,
        choices::{all_finished, numbers, place, stop_all, turn_to},
        failure, json_into,
        logprobs::TEXTLESS,
        open::Open,
    },
};

/// The most that is held of calls' ids, of all choices together.
const IDS_BYTES_MAX: usize = EVENT_BYTES_MAX;

/// Reads chunks.
pub(in crate::translate) struct Reader {
    id_base: String,
    begun: bool,
    asked: usize,
    choices: PerChoice<Told>,
    /// How many tools were called, and the bytes of the newest calls' ids, in all choices.
    calls: usize,
    held: usize,
    usage: Usage,
    ended: bool,
}

/// What was told of a choice.
#[derive(Default)]
struct Told {
    open: Open,
    called: bool,
    /// The newest call's index and id in the provider's words.
    index: Option<u64>,
    id: String,
    stop: Option<Stop>,
}

impl Reader {
    pub(in crate::translate) fn new(config: &GenerateConfig<'_>) -> Self {
        Self {
            id_base: config.fallback_id.to_owned(),
            begun: false,
            asked: config.plan.answers,
            choices: PerChoice::default(),
            calls: 0,
            held: 0,
            usage: Usage::default(),
            ended: false,
        }
    }

    pub(in crate::translate) fn event(
        &mut self,
        data: &[u8],
        losses: &mut Losses,
        sink: &mut Sink<'_>,
    ) {
        if data.trim_ascii() == b"[DONE]" {
            self.end(End::Complete, sink);
            return;
        }
        let Ok(body) = serde_json::from_slice::<Body<'_>>(data) else {
            return self.fail(failure::not_json(), sink);
        };
        if let Fault(Some(fault)) = &body.error {
            return self.fail(failure::in_answer(&fault.told()), sink);
        }
        if let Some(usage) = body.usage() {
            self.usage = usage;
        }
        // Azure's first chunk tells of its filters and not of the answer.
        if !self.begun && !body.choices.0.is_empty() {
            self.begun = true;
            let id = body.id.filled();
            self.id_base = id.unwrap_or(&self.id_base).to_owned();
            sink(Event::Start { id, model: body.model.filled(), usage: self.usage });
        }
        let numbers = numbers(body.choices.0.iter().map(|it| it.index.0));
        for (number, choice) in numbers.zip(&body.choices.0) {
            match place(number, self.asked) {
                Ok(index) => turn_to(&mut self.choices, index, sink),
                Err(failure) => return self.fail(failure, sink),
            }
            let place = self.choices.at();
            let nothing = Message::default();
            let message = choice.message.0.as_ref().unwrap_or(&nothing);
            for name in message.losses() {
                losses.note(format!("choices[{place}].delta.{name}"), "has no counterpart");
            }
            let mut scored = choice.scored(place, losses);
            if !scored.text.is_empty() && message.is_textless() {
                losses.note(tokens_at(place), TEXTLESS);
                scored.text.clear();
            }
            self.message(message, scored, sink);
            if let Some(reason) = choice.finish_reason.filled() {
                self.choices.now().stop = Some(stop_of(reason));
            }
        }
    }

    fn message(&mut self, delta: &Message<'_>, scored: Scored, sink: &mut Sink<'_>) {
        let told = self.choices.now();
        told.more(Open::Thinking, delta.thought(), sink);
        for (seal, is_hidden) in delta.reasoning_details.0.iter().filter_map(|it| it.seal()) {
            if is_hidden {
                told.open.close(sink);
                sink(Event::PartStart(Opening::Redacted(seal)));
                sink(Event::PartEnd);
            } else {
                told.open.begin(Open::Thinking, sink);
                sink(Event::Sealed(seal));
                // What is thought after a seal is another piece of thinking.
                told.open.close(sink);
            }
        }
        match &delta.content {
            // A token that is a piece of a letter has no text of its own.
            Said::Nothing => told.scored(Open::Text, "", scored.text, sink),
            Said::Text(text) => told.scored(Open::Text, text, scored.text, sink),
            Said::List(pieces) => {
                for piece in pieces {
                    for thought in &piece.thinking.0 {
                        told.more(Open::Thinking, thought.text.filled(), sink);
                    }
                    told.more(Open::Text, piece.text.filled(), sink);
                }
                told.scored(Open::Text, "", scored.text, sink);
            }
        }
        let spoken = delta.audio.0.as_ref().and_then(|it| it.transcript.filled());
        told.more(Open::Text, spoken, sink);
        for source in delta.images.0.iter().filter_map(Picture::source) {
            told.open.close(sink);
            sink(Event::PartStart(Opening::Image(&source)));
            sink(Event::PartEnd);
        }
        let refusal = delta.refusal.filled().unwrap_or_default();
        told.scored(Open::Refusal, refusal, scored.refusal, sink);
        for call in &delta.tool_calls.0 {
            self.call(call, sink);
        }
    }

    /// A fragment of a call. It continues the choice's newest call unless it brings another index
    /// or, from servers that give every call the index 0, another id.
    fn call(&mut self, call: &Call<'_>, sink: &mut Sink<'_>) {
        let function = call.function.0.as_ref();
        let name = function.and_then(|it| it.name.filled());
        let arguments = function.and_then(|it| it.arguments.filled());
        let id = call.id.filled();
        let told = self.choices.now();
        let same_index = call.index.0.is_none_or(|it| told.index == Some(it));
        let same_id = id.is_none_or(|it| it == told.id);
        if !(told.called && same_index && same_id) {
            let Some(name) = name else {
                // A late repetition without content is harmless.
                if arguments.is_some() {
                    self.fail(failure::broken("a tool call's fragments are out of order"), sink);
                }
                return;
            };
            told.open.close(sink);
            told.open = Open::Tool;
            told.called = true;
            told.index = call.index.0;
            self.held = self.held.saturating_sub(told.id.len());
            told.id = id.map_or_else(|| made_up_id(&self.id_base, self.calls), str::to_owned);
            self.calls += 1;
            self.held = self.held.saturating_add(told.id.len());
            if self.held > IDS_BYTES_MAX {
                return self.fail(failure::broken("the ids of tool calls are too long"), sink);
            }
            sink(Event::PartStart(Opening::ToolCall { id: &told.id, name }));
        }
        let Some(arguments) = arguments else { return };
        if told.open == Open::Tool {
            sink(Event::Delta(arguments));
        } else {
            self.fail(failure::broken("a tool call's fragments are out of order"), sink);
        }
    }

    fn fail(&mut self, failure: Failure, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            sink(Event::Failed(failure));
        }
    }

    /// At `[DONE]`, or when the stream ends without: finish reasons are end enough.
    pub(in crate::translate) fn end(&mut self, end: End, sink: &mut Sink<'_>) {
        if self.ended {
            return;
        }
        if !all_finished(&self.choices, self.asked, end, |it| it.stop.is_some()) {
            return self.fail(failure::cut_off(), sink);
        }
        self.ended = true;
        stop_all(&mut self.choices, sink, |told, sink| {
            told.open.close(sink);
            (told.stop.take(), told.called)
        });
        sink(Event::End(self.usage));
    }
}

impl Told {
    /// More of a text whose tokens may have been scored; nothing where neither is there.
    fn scored(&mut self, kind: Open, text: &str, tokens: Vec<ScoredToken>, sink: &mut Sink<'_>) {
        if tokens.is_empty() {
            self.more(kind, Some(text), sink);
        } else {
            self.open.begin(kind, sink);
            sink(Event::Scored { text, tokens });
        }
    }

    fn more(&mut self, kind: Open, text: Option<&str>, sink: &mut Sink<'_>) {
        if let Some(text) = text.filter(|it| !it.is_empty()) {
            self.open.begin(kind, sink);
            sink(Event::Delta(text));
        }
    }
}

#[derive(Serialize)]
struct Chunk<'a, D: Serialize> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Chosen<'a, D>; 1],
}

#[derive(Serialize)]
struct Chosen<'a, D: Serialize> {
    index: usize,
    delta: D,
    logprobs: Option<LogprobsOut<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct UsageChunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [(); 0],
    usage: Value,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallPiece<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionPiece<'a>>,
}

#[derive(Serialize)]
struct CallPiece<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionPiece<'a>,
}

#[derive(Serialize)]
struct FunctionPiece<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

const OBJECT: &str = "chat.completion.chunk";

/// Writes chunks.
pub(in crate::translate) struct Writer {
    id: String,
    model: String,
    created: u64,
    include_usage: bool,
    functions: bool,
    choices: PerChoice<Telling>,
}

/// What is being told of a choice.
#[derive(Default)]
struct Telling {
    begun: bool,
    open: Open,
    calls: usize,
    details: usize,
    images: usize,
    /// The detail that seals the part that comes next.
    seal: Option<usize>,
    /// Bytes of the open thinking, and whether any arguments came for the open call.
    thought_bytes: usize,
    argued: bool,
}

impl Writer {
    pub(in crate::translate) fn new(config: &GenerateConfig<'_>) -> Self {
        Self {
            id: config.fallback_id.to_owned(),
            model: config.plan.model.clone(),
            created: config.created_s,
            include_usage: config.plan.include_usage,
            functions: config.plan.functions,
            choices: PerChoice::default(),
        }
    }

    pub(in crate::translate) fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, usage: _ } => {
                for (held, told) in [(&mut self.id, id), (&mut self.model, model)] {
                    if let Some(told) = told {
                        told.clone_into(held);
                    }
                }
                self.begin(out);
            }
            Event::Choice(index) => {
                self.choices.turn_to(index);
                self.begin(out);
            }
            Event::PartStart(opening) => self.part(&opening, out),
            Event::Delta(text) => self.delta(text, &[], out),
            Event::Scored { text, tokens } => self.delta(text, &tokens, out),
            Event::Sealed(seal) => {
                let choice = self.choices.now();
                let details = Some([sealed(&seal, choice.thought_bytes, choice.details)]);
                choice.seal = Some(choice.details);
                choice.details += 1;
                choice.thought_bytes = 0;
                self.chunk(Delta { reasoning_details: details, ..Delta::default() }, None, out);
            }
            Event::PartEnd => {
                let choice = self.choices.now();
                // A call without arguments would leave the client with an empty text.
                if choice.open == Open::Tool && !choice.argued {
                    self.delta("{}", &[], out);
                }
                self.choices.now().open = Open::Nothing;
            }
            // A comment: clients of this format skip it, and the connection stays alive.
            Event::Ping => out.extend_from_slice(b": ping\n\n"),
            Event::Stop(stop) => {
                self.chunk(Delta::default(), Some(finish_reason(&stop, self.functions)), out);
            }
            Event::End(usage) => {
                if let Some(usage) = usage_of(&usage).filter(|_| self.include_usage) {
                    let (id, model) = (self.id.as_str(), self.model.as_str());
                    let created = self.created;
                    let chunk =
                        UsageChunk { id, object: OBJECT, created, model, choices: [], usage };
                    data(&chunk, out);
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
            Event::Failed(failure) => data(&failure::openai_body(&failure), out),
        }
    }

    /// Says whose the choice at hand is, the first time.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.choices.now().begun, true) {
            let first = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
            self.chunk(first, None, out);
        }
    }

    fn part(&mut self, opening: &Opening<'_>, out: &mut Vec<u8>) {
        let choice = self.choices.now();
        choice.open = match opening {
            Opening::Text => Open::Text,
            Opening::Refusal => Open::Refusal,
            Opening::Thinking => {
                choice.thought_bytes = 0;
                Open::Thinking
            }
            Opening::Redacted(_) | Opening::Image(_) => Open::Nothing,
            Opening::ToolCall { .. } => Open::Tool,
        };
        let seal = choice.seal.take();
        let mut delta = Delta::default();
        match opening {
            Opening::Image(source) => {
                let Some(picture) = made_picture(source, choice.images, seal) else { return };
                delta.images = Some([picture]);
                choice.images += 1;
            }
            Opening::Redacted(seal) => {
                delta.reasoning_details = Some([redacted(seal, choice.details)]);
                choice.details += 1;
            }
            Opening::ToolCall { id, name } => {
                let function = FunctionPiece { name: Some(name), arguments: "" };
                if self.functions {
                    delta.function_call = Some(function);
                } else {
                    let (id, index) = (Some(*id), choice.calls);
                    let call = CallPiece { index, id, r#type: Some("function"), function };
                    delta.tool_calls = Some([call]);
                }
                choice.calls += 1;
                choice.argued = false;
            }
            Opening::Text | Opening::Refusal | Opening::Thinking => return,
        }
        self.chunk(delta, None, out);
    }

    fn delta(&mut self, text: &str, tokens: &[ScoredToken], out: &mut Vec<u8>) {
        let choice = self.choices.now();
        let mut delta = Delta::default();
        match choice.open {
            Open::Text => delta.content = Some(text),
            Open::Refusal => delta.refusal = Some(text),
            Open::Thinking => {
                choice.thought_bytes = choice.thought_bytes.saturating_add(text.len());
                delta.reasoning_content = Some(text);
            }
            Open::Tool => {
                choice.argued |= !text.is_empty();
                let function = FunctionPiece { name: None, arguments: text };
                if self.functions {
                    delta.function_call = Some(function);
                } else {
                    let (id, index) = (None, choice.calls.saturating_sub(1));
                    delta.tool_calls = Some([CallPiece { index, id, r#type: None, function }]);
                }
            }
            Open::Nothing => return,
        }
        let (text, refusal) =
            if choice.open == Open::Refusal { (&[][..], tokens) } else { (tokens, &[][..]) };
        let logprobs = LogprobsOut::of(text, refusal);
        let index = self.choices.at();
        self.put(Chosen { index, delta, logprobs, finish_reason: None }, out);
    }

    /// A chunk of the choice at hand.
    fn chunk(&self, delta: Delta<'_>, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        let index = self.choices.at();
        self.put(Chosen { index, delta, logprobs: None, finish_reason }, out);
    }

    fn put(&self, chosen: Chosen<'_, Delta<'_>>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: OBJECT,
            created: self.created,
            model: &self.model,
            choices: [chosen],
        };
        data(&chunk, out);
    }
}

fn data(value: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    json_into(value, out);
    out.extend_from_slice(b"\n\n");
}
