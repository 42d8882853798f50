//! Events of a streamed answer, each a `GenerateContentResponse`; a whole answer is the only one.

use serde::Serialize;
use serde_json::Value;
use tollgate_core::Usage;

use super::{
    Kind,
    answer::{Body, Candidate, Part, function_call},
    finish_reason, shown, stop_of, usage_of,
};
use crate::{
    fault::Fault,
    ir::{Event, Failure, FailureKind, Opening, Signature, Stop},
    loss::Losses,
    sse::EVENT_BYTES_MAX,
    translate::{
        Framing, GenerateConfig, Sink, failure, json_into, openai_chat::answer::made_up_id,
    },
};

/// The longest arguments of a call that are put together for a Gemini client, which takes them only
/// whole.
const ARGUMENTS_BYTES_MAX: usize = EVENT_BYTES_MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
}

/// Reads events.
pub(in crate::translate) struct Reader {
    id_base: String,
    begun: bool,
    open: Open,
    calls: usize,
    stop: Option<Stop>,
    usage: Usage,
    ended: bool,
}

impl Reader {
    pub(in crate::translate) fn new(config: &GenerateConfig<'_>) -> Self {
        Self {
            id_base: config.fallback_id.to_owned(),
            begun: false,
            open: Open::Nothing,
            calls: 0,
            stop: None,
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
            self.stop = Some(Stop::Refusal);
        }
        for candidate in body.candidates.0 {
            if candidate.index.0.unwrap_or(0) == 0 {
                self.candidate(&candidate, losses, sink);
            } else {
                losses.note("candidates[1]", "only one answer was asked for");
            }
        }
    }

    fn candidate(&mut self, it: &Candidate<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        for (name, filled) in [
            ("groundingMetadata", it.grounding_metadata),
            ("citationMetadata", it.citation_metadata),
            ("logprobsResult", it.logprobs_result),
        ] {
            if filled.0 {
                losses.note(format!("candidates[0].{name}"), "has no counterpart");
            }
        }
        for part in it.content.0.iter().flat_map(|it| &it.parts.0) {
            self.part(part, losses, sink);
        }
        let Some(reason) = it.finish_reason.filled() else { return };
        match stop_of(reason) {
            Ok(stop) => self.stop = Some(stop),
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

    fn part(&mut self, part: &Part<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        for (name, filled) in [
            ("inlineData", part.inline_data),
            ("executableCode", part.executable_code),
            ("codeExecutionResult", part.code_execution_result),
        ] {
            if filled.0 {
                losses.note(format!("candidates[0].content.parts.{name}"), "has no counterpart");
            }
        }
        if part.thought == Some(true) {
            self.more(Open::Thinking, part.text.filled(), sink);
            self.seal(part, sink);
            return;
        }
        // The seal is that of the thinking before.
        self.seal(part, sink);
        self.more(Open::Text, part.text.filled(), sink);
        let Some(call) = &part.function_call.0 else { return };
        self.close(sink);
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

    fn seal(&mut self, part: &Part<'_>, sink: &mut Sink<'_>) {
        let Some(value) = part.thought_signature.filled() else { return };
        self.begin(Open::Thinking, sink);
        let by = tollgate_core::Format::Gemini;
        sink(Event::Sealed(Signature { by, value: value.to_owned() }));
        self.close(sink);
    }

    fn more(&mut self, kind: Open, text: Option<&str>, sink: &mut Sink<'_>) {
        if let Some(text) = text {
            self.begin(kind, sink);
            sink(Event::Delta(text));
        }
    }

    fn begin(&mut self, kind: Open, sink: &mut Sink<'_>) {
        if self.open == kind {
            return;
        }
        self.close(sink);
        self.open = kind;
        match kind {
            Open::Text => sink(Event::PartStart(Opening::Text)),
            Open::Thinking => sink(Event::PartStart(Opening::Thinking)),
            Open::Nothing => {}
        }
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        if std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            sink(Event::PartEnd);
        }
    }

    fn fail(&mut self, failure: Failure, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            sink(Event::Failed(failure));
        }
    }

    /// When the stream ends: usage may come after the finish reason.
    pub(in crate::translate) fn end(&mut self, sink: &mut Sink<'_>) {
        if self.ended {
            return;
        }
        let Some(stop) = self.stop.take() else { return self.fail(failure::cut_off(), sink) };
        self.ended = true;
        self.close(sink);
        let stop = if stop == Stop::End && self.calls > 0 { Stop::ToolUse } else { stop };
        sink(Event::Stop { stop, usage: self.usage });
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a, P: Serialize> {
    candidates: [Chosen<P>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<Value>,
    model_version: &'a str,
    response_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chosen<P: Serialize> {
    content: Said<P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    index: u8,
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

/// What the writer has open.
enum Writes {
    Text,
    Thinking,
    Call { id: String, name: String, arguments: String },
}

/// Writes events.
pub(in crate::translate) struct Writer {
    id: String,
    model: String,
    framing: Framing,
    open: Writes,
    begun: bool,
    failed: bool,
}

impl Writer {
    pub(in crate::translate) fn new(config: &GenerateConfig<'_>) -> Self {
        Self {
            id: config.fallback_id.to_owned(),
            model: config.plan.model.clone(),
            framing: config.plan.framing,
            open: Writes::Text,
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
            Event::PartStart(opening) => self.part(opening, out),
            Event::Delta(text) => self.delta(text, out),
            Event::Sealed(seal) => {
                let thought_signature = Some(shown(&seal, Kind::Readable));
                self.text(TextPart { text: "", thought: Some(true), thought_signature }, out);
            }
            Event::PartEnd => {
                if let Writes::Call { id, name, arguments } =
                    std::mem::replace(&mut self.open, Writes::Text)
                {
                    self.chunk(function_call(&id, &name, &arguments), None, None, out);
                }
            }
            // Google's SDKs cannot read comments, and the format has no event without meaning.
            Event::Ping => {}
            Event::Stop { stop, usage } => {
                let last = TextPart::default();
                self.chunk(last, Some(finish_reason(&stop)), usage_of(&usage), out);
                self.end(out);
            }
            Event::Failed(failure) => self.fail(&failure, out),
        }
    }

    fn part(&mut self, opening: Opening<'_>, out: &mut Vec<u8>) {
        self.open = match opening {
            Opening::Text | Opening::Refusal => Writes::Text,
            Opening::Thinking => Writes::Thinking,
            Opening::Redacted(seal) => {
                let thought_signature = Some(shown(&seal, Kind::Hidden));
                self.text(TextPart { text: "", thought: Some(true), thought_signature }, out);
                Writes::Text
            }
            Opening::ToolCall { id, name } => {
                Writes::Call { id: id.to_owned(), name: name.to_owned(), arguments: String::new() }
            }
        };
    }

    fn delta(&mut self, text: &str, out: &mut Vec<u8>) {
        let thought = match &mut self.open {
            Writes::Text => None,
            Writes::Thinking => Some(true),
            Writes::Call { arguments, .. } => {
                if arguments.len().saturating_add(text.len()) > ARGUMENTS_BYTES_MAX {
                    self.fail(&failure::broken("a tool call's arguments are too long"), out);
                } else {
                    arguments.push_str(text);
                }
                return;
            }
        };
        self.text(TextPart { text, thought, thought_signature: None }, out);
    }

    fn text(&mut self, part: TextPart<'_>, out: &mut Vec<u8>) {
        self.chunk(part, None, None, out);
    }

    fn chunk<P: Serialize>(
        &mut self,
        part: P,
        finish_reason: Option<&'static str>,
        usage_metadata: Option<Value>,
        out: &mut Vec<u8>,
    ) {
        begin_item(self.framing, std::mem::replace(&mut self.begun, true), out);
        let content = Said { parts: [part], role: "model" };
        let chunk = Chunk {
            candidates: [Chosen { content, finish_reason, index: 0 }],
            usage_metadata,
            model_version: &self.model,
            response_id: &self.id,
        };
        json_into(&chunk, out);
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
