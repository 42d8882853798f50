//! Events of a streamed answer, each a `GenerateContentResponse`; a whole answer is the only one.

use serde::Serialize;
use serde_json::Value;
use tollgate_core::Usage;

use super::{
    Kind,
    answer::{Body, Candidate, Part, function_call, picture},
    finish_reason,
    logprobs::{LogprobsOut, LogprobsResult},
    shown, stop_of, usage_of,
};
use crate::{
    fault::Fault,
    ir::{Event, Failure, FailureKind, Opening, PerChoice, ScoredToken, Signature, Stop},
    loss::Losses,
    sse::EVENT_BYTES_MAX,
    tap::End,
    translate::{
        Framing, GenerateConfig, Sink,
        choices::{all_finished, numbers, place, stop_all, turn_to},
        failure,
        fields::element,
        json_into,
        logprobs::TEXTLESS,
        open::Open,
        openai_chat::answer::made_up_id,
    },
};

/// The most that is held of the calls that are put together for a Gemini client, which takes their
/// arguments only whole; of all candidates together.
const ARGUMENTS_BYTES_MAX: usize = EVENT_BYTES_MAX;

/// Reads events.
pub(in crate::translate) struct Reader {
    id_base: String,
    begun: bool,
    asked: usize,
    choices: PerChoice<Told>,
    /// How many tools were called, in all candidates.
    calls: usize,
    usage: Usage,
    ended: bool,
}

/// What was told of a candidate.
#[derive(Default)]
struct Told {
    open: Open,
    called: bool,
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
        let Ok(body) = Body::read(data) else { return self.fail(failure::not_json(), sink) };
        if let Fault(Some(fault)) = &body.error {
            return self.fail(failure::in_answer(&fault.told()), sink);
        }
        if let Some(usage) = &body.usage_metadata.0 {
            self.usage = usage.normalised();
        }
        if !self.begun {
            self.begun = true;
            let id = body.response_id.filled();
            self.id_base = id.unwrap_or(&self.id_base).to_owned();
            // What is told of the output here is only its beginning.
            let usage = Usage { output: None, reasoning: None, output_audio: None, ..self.usage };
            sink(Event::Start { id, model: body.model_version.filled(), usage });
        }
        if body.prompt_feedback.0.is_some_and(|it| it.block_reason.filled().is_some()) {
            // No candidate is made then, however many were asked for.
            for index in 0..self.asked {
                turn_to(&mut self.choices, index, sink);
                self.choices.now().stop = Some(Stop::Refusal);
            }
        }
        let numbers = numbers(body.candidates.0.iter().map(|it| it.index.0));
        for (number, candidate) in numbers.zip(&body.candidates.0) {
            match place(number, self.asked) {
                Ok(index) => turn_to(&mut self.choices, index, sink),
                Err(failure) => return self.fail(failure, sink),
            }
            self.candidate(candidate, losses, sink);
        }
    }

    /// A piece of the candidate at hand.
    fn candidate(&mut self, it: &Candidate<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        let at = element("candidates", self.choices.at());
        let told = it.logprobs_result.0.as_ref();
        let read = |told: &LogprobsResult<'_>| told.read(&format!("{at}.logprobsResult"), losses);
        let mut tokens = told.map(read).unwrap_or_default();
        for (name, filled) in [
            ("groundingMetadata", it.grounding_metadata),
            ("citationMetadata", it.citation_metadata),
        ] {
            if filled.0 {
                losses.note(format!("{at}.{name}"), "has no counterpart");
            }
        }
        for part in it.content.0.iter().flat_map(|it| &it.parts.0) {
            // Pictures among the thoughts are drafts.
            let (has_data, is_thought) = (part.inline_data.0.is_some(), part.thought == Some(true));
            for (name, filled) in [
                ("thought.inlineData", has_data && is_thought),
                ("inlineData", has_data && !is_thought && part.picture().is_none()),
                ("executableCode", part.executable_code.0),
                ("codeExecutionResult", part.code_execution_result.0),
            ] {
                if filled {
                    losses.note(format!("{at}.content.parts.{name}"), "has no counterpart");
                }
            }
            self.part(part, &mut tokens, sink);
        }
        if !tokens.is_empty() {
            let mut parts = it.content.0.iter().flat_map(|it| &it.parts.0);
            let told = self.choices.now();
            if told.open == Open::Text || !parts.any(Part::says_more_than_text) {
                // A token that is a piece of a letter has no text of its own.
                told.open.begin(Open::Text, sink);
                sink(Event::Scored { text: "", tokens });
            } else {
                losses.note(format!("{at}.logprobsResult"), TEXTLESS);
            }
        }
        let Some(reason) = it.finish_reason.filled() else { return };
        match stop_of(reason) {
            Ok(stop) => self.choices.now().stop = Some(stop),
            Err(()) => {
                let why = it.finish_message.filled().unwrap_or("the model made no usable answer");
                let failure = Failure {
                    kind: FailureKind::Server,
                    message: format!("{why} ({reason})"),
                    code: Some(reason.to_owned()),
                    retry_after_s: None,
                };
                self.fail(failure, sink);
            }
        }
    }

    /// A part, whose text takes the scored tokens, if it is what the model says.
    fn part(&mut self, part: &Part<'_>, tokens: &mut Vec<ScoredToken>, sink: &mut Sink<'_>) {
        let told = self.choices.now();
        if part.thought == Some(true) {
            told.more(Open::Thinking, part.text.filled(), sink);
            told.seal(part, sink);
            return;
        }
        // The seal is that of the thinking before.
        told.seal(part, sink);
        match part.text.filled() {
            Some(text) if !tokens.is_empty() => {
                told.open.begin(Open::Text, sink);
                sink(Event::Scored { text, tokens: std::mem::take(tokens) });
            }
            text => told.more(Open::Text, text, sink),
        }
        if let Some(source) = part.picture() {
            told.open.close(sink);
            sink(Event::PartStart(Opening::Image(&source)));
            sink(Event::PartEnd);
        }
        let Some(call) = &part.function_call.0 else { return };
        told.open.close(sink);
        told.called = true;
        let made_up;
        let id = match call.id.filled() {
            Some(id) => id,
            None => {
                made_up = made_up_id(&self.id_base, self.calls);
                &made_up
            }
        };
        self.calls += 1;
        let name = call.name.filled().unwrap_or_default();
        sink(Event::PartStart(Opening::ToolCall { id, name }));
        if let Some(args) = call.args {
            sink(Event::Delta(args.get()));
        }
        sink(Event::PartEnd);
    }

    fn fail(&mut self, failure: Failure, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            sink(Event::Failed(failure));
        }
    }

    /// When the stream ends: usage may come after the finish reason.
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
    fn seal(&mut self, part: &Part<'_>, sink: &mut Sink<'_>) {
        let Some(value) = part.thought_signature.filled() else { return };
        self.open.begin(Open::Thinking, sink);
        let by = tollgate_core::Format::Gemini;
        sink(Event::Sealed(Signature { by, value: value.to_owned() }));
        self.open.close(sink);
    }

    fn more(&mut self, kind: Open, text: Option<&str>, sink: &mut Sink<'_>) {
        if let Some(text) = text {
            self.open.begin(kind, sink);
            sink(Event::Delta(text));
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a, P: Serialize> {
    candidates: &'a [Chosen<'a, P>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<Value>,
    model_version: &'a str,
    response_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chosen<'a, P: Serialize> {
    content: Said<P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs_result: Option<LogprobsOut<'a>>,
}

#[derive(Serialize)]
struct Said<P: Serialize> {
    parts: [P; 1],
    role: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TextPart<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<String>,
}

/// What of a candidate is open.
#[derive(Default)]
enum Writes {
    #[default]
    Text,
    Thinking,
    Call {
        id: String,
        name: String,
        arguments: String,
    },
}

/// What is being told of a candidate.
#[derive(Default)]
struct Telling {
    open: Writes,
    stop: Stop,
}

/// Writes events.
pub(in crate::translate) struct Writer {
    id: String,
    model: String,
    framing: Framing,
    choices: PerChoice<Telling>,
    /// Bytes of the open calls, in all candidates.
    held: usize,
    begun: bool,
    /// Whether the client was told an error.
    pub(in crate::translate) failed: bool,
}

impl Writer {
    pub(in crate::translate) fn new(config: &GenerateConfig<'_>) -> Self {
        Self {
            id: config.fallback_id.to_owned(),
            model: config.plan.model.clone(),
            framing: config.plan.framing,
            choices: PerChoice::default(),
            held: 0,
            begun: false,
            failed: false,
        }
    }

    pub(in crate::translate) fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.failed {
            return;
        }
        match event {
            Event::Start { id, model, usage: _ } => {
                for (held, told) in [(&mut self.id, id), (&mut self.model, model)] {
                    if let Some(told) = told {
                        told.clone_into(held);
                    }
                }
            }
            Event::Choice(index) => self.choices.turn_to(index),
            Event::PartStart(opening) => self.part(opening, out),
            Event::Delta(text) => self.delta(text, &[], out),
            Event::Scored { text, tokens } => self.delta(text, &tokens, out),
            Event::Sealed(seal) => {
                let thought_signature = Some(shown(&seal, Kind::Readable));
                self.piece(TextPart { text: "", thought: Some(true), thought_signature }, out);
            }
            Event::PartEnd => {
                if let Writes::Call { id, name, arguments } =
                    std::mem::take(&mut self.choices.now().open)
                {
                    let held = id.len() + name.len() + arguments.len();
                    self.held = self.held.saturating_sub(held);
                    self.piece(function_call(&id, &name, &arguments), out);
                }
            }
            // Google's SDKs cannot read comments, and the format has no event without meaning.
            Event::Ping => {}
            Event::Stop(stop) => self.choices.now().stop = stop,
            Event::End(usage) => {
                let ends = self.choices.iter().enumerate().map(|(index, it)| {
                    chosen(TextPart::default(), Some(finish_reason(&it.stop)), index)
                });
                let ends: Vec<_> = ends.collect();
                self.chunk(&ends, usage_of(&usage), out);
                self.end(out);
            }
            Event::Failed(failure) => self.fail(&failure, out),
        }
    }

    fn part(&mut self, opening: Opening<'_>, out: &mut Vec<u8>) {
        if let Opening::Image(source) = opening
            && let Some(picture) = picture(source)
        {
            self.piece(picture, out);
        }
        self.choices.now().open = match opening {
            Opening::Text | Opening::Refusal | Opening::Image(_) => Writes::Text,
            Opening::Thinking => Writes::Thinking,
            Opening::Redacted(seal) => {
                let thought_signature = Some(shown(&seal, Kind::Hidden));
                self.piece(TextPart { text: "", thought: Some(true), thought_signature }, out);
                Writes::Text
            }
            Opening::ToolCall { id, name } => {
                self.held = self.held.saturating_add(id.len() + name.len());
                Writes::Call { id: id.to_owned(), name: name.to_owned(), arguments: String::new() }
            }
        };
    }

    fn delta(&mut self, text: &str, tokens: &[ScoredToken], out: &mut Vec<u8>) {
        let thought = match &mut self.choices.now().open {
            Writes::Text => None,
            Writes::Thinking => Some(true),
            Writes::Call { arguments, .. } => {
                self.held = self.held.saturating_add(text.len());
                if self.held > ARGUMENTS_BYTES_MAX {
                    self.fail(&failure::broken("a tool call's arguments are too long"), out);
                } else {
                    arguments.push_str(text);
                }
                return;
            }
        };
        let part = TextPart { text, thought, thought_signature: None };
        let chosen = Chosen {
            logprobs_result: LogprobsOut::of(tokens.iter()),
            ..chosen(part, None, self.choices.at())
        };
        self.chunk(&[chosen], None, out);
    }

    /// A piece of the candidate at hand.
    fn piece<P: Serialize>(&mut self, part: P, out: &mut Vec<u8>) {
        self.chunk(&[chosen(part, None, self.choices.at())], None, out);
    }

    fn chunk<P: Serialize>(
        &mut self,
        candidates: &[Chosen<'_, P>],
        usage_metadata: Option<Value>,
        out: &mut Vec<u8>,
    ) {
        begin_item(self.framing, std::mem::replace(&mut self.begun, true), out);
        let (model_version, response_id) = (self.model.as_str(), self.id.as_str());
        json_into(&Chunk { candidates, usage_metadata, model_version, response_id }, out);
        end_item(self.framing, out);
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.failed = true;
        begin_item(self.framing, std::mem::replace(&mut self.begun, true), out);
        json_into(&failure::gemini_body(failure, failure::status_of(failure.kind)), out);
        end_item(self.framing, out);
        self.end(out);
    }

    fn end(&self, out: &mut Vec<u8>) {
        match self.framing {
            Framing::Events => {}
            Framing::List => out.extend_from_slice(b"]"),
        }
    }
}

const fn chosen<P: Serialize>(
    part: P,
    finish_reason: Option<&'static str>,
    index: usize,
) -> Chosen<'static, P> {
    let content = Said { parts: [part], role: "model" };
    Chosen { content, finish_reason, index, logprobs_result: None }
}

/// What stands before an item; whether others came before it.
fn begin_item(framing: Framing, others: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(match (framing, others) {
        (Framing::Events, _) => b"data: ",
        (Framing::List, false) => b"[",
        (Framing::List, true) => b",\r\n",
    });
}

fn end_item(framing: Framing, out: &mut Vec<u8>) {
    match framing {
        Framing::Events => out.extend_from_slice(b"\r\n\r\n"),
        Framing::List => {}
    }
}
