//! Events of a streamed answer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tollgate_core::Usage;

use super::{
    answer::{
        AnswerHead, Item, LOGPROBS_AT, Piece, Response, ToolKinds, ended, envelope, item, item_id,
        output_text, text_input,
    },
    sealed_thinking,
};
use crate::{
    fault::{Fault, FaultParts},
    ir::{Content, Event, Failure, Opening, Part, ScoredToken, Stop, Thinking, ToolCall},
    lenient::{Count, Many, Maybe, Text},
    loss::Losses,
    translate::{
        ANSWER_BYTES_MAX, GenerateConfig, Sink, failure, json_into,
        logprobs::{self, BytesAs, Token, TokenOut},
    },
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    response: Maybe<Response<'a>>,
    #[serde(borrow)]
    item: Maybe<Item<'a>>,
    #[serde(borrow)]
    part: Maybe<Piece<'a>>,
    #[serde(borrow)]
    delta: Text<'a>,
    #[serde(borrow)]
    logprobs: Many<Token<'a>>,
    output_index: Count,
    summary_index: Count,
    #[serde(borrow)]
    error: Fault<'a>,
    /// Of a bare `error` event.
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    code: Text<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Refusal,
    Thinking,
    Tool,
}

/// Reads events.
pub(in crate::translate) struct Reader {
    begun: bool,
    open: Open,
    /// Whether any token of the open text was scored.
    scored: bool,
    /// The item that the open call is, and whether any arguments came.
    index: Option<u64>,
    argued: bool,
    called: bool,
    ended: bool,
}

impl Reader {
    pub(in crate::translate) const fn new() -> Self {
        Self {
            begun: false,
            open: Open::Nothing,
            scored: false,
            index: None,
            argued: false,
            called: false,
            ended: false,
        }
    }

    pub(in crate::translate) fn event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        losses: &mut Losses,
        sink: &mut Sink<'_>,
    ) {
        let Ok(body) = serde_json::from_slice::<Body<'_>>(data) else {
            return self.fail(failure::not_json(), sink);
        };
        let name = name.and_then(|it| std::str::from_utf8(it).ok());
        let kind = body.r#type.filled().or(name).unwrap_or_default();
        if !self.begun && kind.starts_with("response.") {
            self.begun = true;
            let response = body.response.0.as_ref();
            let id = response.and_then(|it| it.id.filled());
            let model = response.and_then(|it| it.model.filled());
            sink(Event::Start { id, model, usage: Usage::default() });
        }
        match kind {
            "response.output_item.added" => self.added(&body, losses, sink),
            "response.output_item.done" => self.done(&body, sink),
            "response.reasoning_summary_part.added" => {
                // Pieces of a summary are paragraphs.
                if body.summary_index.0.is_some_and(|it| it > 0) {
                    self.more(Open::Thinking, "\n\n", sink);
                }
            }
            "response.content_part.done" => {
                if let Some(part) = body.part.0 {
                    part.note_losses("output.content", losses);
                    // Some servers tell the scores only here.
                    let tokens = part.tokens(losses);
                    if self.open == Open::Text && !self.scored && !tokens.is_empty() {
                        sink(Event::Scored { text: "", tokens });
                    }
                }
            }
            "response.output_text.delta" => {
                let tokens = logprobs::read(&body.logprobs, LOGPROBS_AT, losses);
                if tokens.is_empty() {
                    self.delta(Open::Text, &body, sink);
                } else {
                    self.begin(Open::Text, sink);
                    self.scored = true;
                    let text = body.delta.filled().unwrap_or_default();
                    sink(Event::Scored { text, tokens });
                }
            }
            "response.refusal.delta" => self.delta(Open::Refusal, &body, sink),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.delta(Open::Thinking, &body, sink);
            }
            "response.function_call_arguments.delta" => self.arguments(&body, sink),
            "response.completed" | "response.incomplete" => {
                self.stop(&body.response.0.unwrap_or_default(), sink);
            }
            "response.failed" => {
                let response = body.response.0.unwrap_or_default();
                let told = response.error.0.as_ref().map(FaultParts::told);
                let broken = || failure::broken("the provider's answer failed");
                self.fail(told.map_or_else(broken, |it| failure::in_answer(&it)), sink);
            }
            "error" => {
                let bare =
                    FaultParts { message: body.message, code: body.code, ..FaultParts::default() };
                let told = body.error.0.unwrap_or(bare).told();
                self.fail(failure::in_answer(&told), sink);
            }
            _ => {
                // Servers that copy the format send the bare object of OpenAI chat.
                if let Fault(Some(fault)) = &body.error {
                    self.fail(failure::in_answer(&fault.told()), sink);
                }
            }
        }
    }

    fn added(&mut self, body: &Body<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        let Some(item) = &body.item.0 else { return };
        self.close(sink);
        match item.r#type.filled().unwrap_or_default() {
            "function_call" => {
                let text = |it| Text::filled(it).unwrap_or_default();
                let (id, name) = (text(&item.call_id), text(&item.name));
                sink(Event::PartStart(Opening::ToolCall { id, name }));
                self.open = Open::Tool;
                self.index = body.output_index.0;
                self.argued = false;
                self.called = true;
            }
            // They begin with their first piece: an empty one says nothing.
            "message" | "reasoning" => {}
            other => {
                let at = format!("output[{}]", body.output_index.0.unwrap_or(0));
                losses.note(at, format!("`{other}` is not known to the translation"));
            }
        }
    }

    fn done(&mut self, body: &Body<'_>, sink: &mut Sink<'_>) {
        let Some(item) = &body.item.0 else { return };
        match item.r#type.filled().unwrap_or_default() {
            // Some servers give the arguments only here.
            "function_call" if self.open == Open::Tool && !self.argued => {
                if let Some(arguments) = item.arguments.filled() {
                    sink(Event::Delta(arguments));
                }
            }
            "reasoning" => {
                let id = item.id.filled().unwrap_or_default();
                let encrypted = item.encrypted_content.filled();
                match encrypted.map(|it| sealed_thinking(id, it, String::new())) {
                    Some(Content::Redacted(seal)) => {
                        self.close(sink);
                        sink(Event::PartStart(Opening::Redacted(seal)));
                        sink(Event::PartEnd);
                    }
                    Some(content) => {
                        self.begin(Open::Thinking, sink);
                        if let Some(seal) = content.seal() {
                            sink(Event::Sealed(seal.clone()));
                        }
                    }
                    None => {}
                }
            }
            _ => {}
        }
        self.close(sink);
    }

    fn delta(&mut self, kind: Open, body: &Body<'_>, sink: &mut Sink<'_>) {
        if let Some(text) = body.delta.filled() {
            self.more(kind, text, sink);
        }
    }

    fn more(&mut self, kind: Open, text: &str, sink: &mut Sink<'_>) {
        self.begin(kind, sink);
        sink(Event::Delta(text));
    }

    fn begin(&mut self, kind: Open, sink: &mut Sink<'_>) {
        if self.open == kind {
            return;
        }
        self.close(sink);
        self.open = kind;
        self.scored = false;
        match kind {
            Open::Text => sink(Event::PartStart(Opening::Text)),
            Open::Refusal => sink(Event::PartStart(Opening::Refusal)),
            Open::Thinking => sink(Event::PartStart(Opening::Thinking)),
            Open::Nothing | Open::Tool => {}
        }
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        if std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            sink(Event::PartEnd);
        }
    }

    fn arguments(&mut self, body: &Body<'_>, sink: &mut Sink<'_>) {
        let Some(text) = body.delta.filled() else { return };
        let same = body.output_index.0.is_none() || body.output_index.0 == self.index;
        if self.open == Open::Tool && same {
            self.argued = true;
            sink(Event::Delta(text));
        } else {
            self.fail(failure::broken("a tool call's fragments are out of order"), sink);
        }
    }

    fn stop(&mut self, response: &Response<'_>, sink: &mut Sink<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.close(sink);
        let usage = response.usage.0.as_ref().map(|it| it.normalised()).unwrap_or_default();
        let stop = response.stop();
        let stop = if self.called && stop == Stop::End { Stop::ToolUse } else { stop };
        sink(Event::Stop(stop));
        sink(Event::End(usage));
    }

    fn fail(&mut self, failure: Failure, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            sink(Event::Failed(failure));
        }
    }

    /// When the stream ends: it is complete only after its last event.
    pub(in crate::translate) fn end(&mut self, sink: &mut Sink<'_>) {
        self.fail(failure::cut_off(), sink);
    }
}

/// Writes events. The format repeats each item when it is done and the whole answer at the end, so
/// the answer is kept, up to [`ANSWER_BYTES_MAX`].
pub(in crate::translate) struct Writer {
    id: String,
    model: String,
    created_s: u64,
    tools: ToolKinds,
    sequence: u64,
    output: Vec<Value>,
    open: Part,
    open_id: String,
    bytes: usize,
    stop: Stop,
    /// Whether the client was told an error.
    pub(in crate::translate) failed: bool,
}

#[derive(Serialize)]
struct TextDelta<'a> {
    r#type: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<u8>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<TokenOut<'a>>>,
}

impl Writer {
    pub(in crate::translate) fn new(config: &GenerateConfig<'_>) -> Self {
        Self {
            id: config.fallback_id.to_owned(),
            model: config.plan.model.clone(),
            created_s: config.created_s,
            tools: ToolKinds::of(config.plan),
            sequence: 0,
            output: Vec::new(),
            open: Part::text("", ""),
            open_id: String::new(),
            bytes: 0,
            stop: Stop::default(),
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
                for kind in ["response.created", "response.in_progress"] {
                    let response = envelope(&self.head(), "in_progress", &[], &Value::Null);
                    self.put(kind, json!({"response": response}), out);
                }
            }
            Event::PartStart(opening) => self.begin(opening, out),
            Event::Delta(text) => self.delta(text, Vec::new(), out),
            Event::Scored { text, tokens } => self.delta(text, tokens, out),
            Event::Sealed(seal) => {
                if let Content::Thinking(thinking) = &mut self.open.content {
                    thinking.signature = Some(seal);
                }
            }
            Event::PartEnd => self.end(out),
            Event::Ping => out.extend_from_slice(b": ping\n\n"),
            // Such a client asks for one answer.
            Event::Choice(_) => {}
            Event::Stop(stop) => self.stop = stop,
            Event::End(usage) => {
                let output = std::mem::take(&mut self.output);
                let response = ended(&self.head(), &self.stop, &output, &usage);
                let complete = response.get("status").and_then(Value::as_str) == Some("completed");
                let kind = if complete { "response.completed" } else { "response.incomplete" };
                self.put(kind, json!({"response": response}), out);
            }
            Event::Failed(failure) => self.fail(&failure, out),
        }
    }

    fn head(&self) -> AnswerHead<'_> {
        AnswerHead { id: &self.id, model: &self.model, created_s: self.created_s }
    }

    fn begin(&mut self, opening: Opening<'_>, out: &mut Vec<u8>) {
        let content = match opening {
            Opening::Text => Content::Text(String::new()),
            Opening::Refusal => Content::Refusal(String::new()),
            Opening::Thinking => {
                Content::Thinking(Thinking { text: String::new(), signature: None })
            }
            Opening::Redacted(seal) => Content::Redacted(seal),
            Opening::ToolCall { id, name } => Content::ToolCall(ToolCall {
                id: id.to_owned(),
                name: name.to_owned(),
                arguments: String::new(),
            }),
        };
        let index = self.output.len();
        self.open_id = item_id(&content, &self.id, index);
        self.open = Part::new("", content);
        let mut item = item(&self.open, &self.open_id, &self.tools).unwrap_or_default();
        if let Value::Object(members) = &mut item {
            match &self.open.content {
                Content::Text(_) | Content::Refusal(_) => {
                    members.insert("content".to_owned(), json!([]));
                }
                Content::ToolCall(call) => {
                    let takes_text = self.tools.takes_text(&call.name);
                    let name = if takes_text { "input" } else { "arguments" };
                    members.insert(name.to_owned(), "".into());
                }
                Content::Thinking(_)
                | Content::Redacted(_)
                | Content::Image(_)
                | Content::Document { .. }
                | Content::Audio { .. }
                | Content::ToolResult(_) => {}
            }
            if let Some(status) = members.get_mut("status") {
                *status = "in_progress".into();
            }
        }
        let added = json!({"output_index": index, "item": item});
        self.put("response.output_item.added", added, out);
        let part = match &self.open.content {
            Content::Text(_) => output_text("", &[]),
            Content::Refusal(_) => json!({"type": "refusal", "refusal": ""}),
            Content::Thinking(_)
            | Content::Redacted(_)
            | Content::ToolCall(_)
            | Content::Image(_)
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolResult(_) => return,
        };
        self.put_part("response.content_part.added", &part, out);
    }

    fn put_part(&mut self, kind: &'static str, part: &Value, out: &mut Vec<u8>) {
        let body = json!({
            "item_id": self.open_id,
            "output_index": self.output.len(),
            "content_index": 0,
            "part": part,
        });
        self.put(kind, body, out);
    }

    fn put_summary(&mut self, kind: &'static str, member: &str, value: &Value, out: &mut Vec<u8>) {
        let body = json!({
            "item_id": self.open_id,
            "output_index": self.output.len(),
            "summary_index": 0,
            member: value,
        });
        self.put(kind, body, out);
    }

    fn delta(&mut self, text: &str, tokens: Vec<ScoredToken>, out: &mut Vec<u8>) {
        let more = text.len().saturating_add(logprobs::memory(&tokens));
        self.bytes = self.bytes.saturating_add(more);
        if self.bytes > ANSWER_BYTES_MAX {
            return self.fail(&failure::broken("the provider's answer is too long"), out);
        }
        let (held, r#type) = match &mut self.open.content {
            Content::Text(held) => (held, "response.output_text.delta"),
            Content::Refusal(held) => (held, "response.refusal.delta"),
            Content::Thinking(thinking) => {
                (&mut thinking.text, "response.reasoning_summary_text.delta")
            }
            // A text is known when the JSON around it is complete.
            Content::ToolCall(call) if self.tools.takes_text(&call.name) => {
                call.arguments.push_str(text);
                return;
            }
            Content::ToolCall(call) => {
                (&mut call.arguments, "response.function_call_arguments.delta")
            }
            Content::Redacted(_)
            | Content::Image(_)
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolResult(_) => return,
        };
        let first = held.is_empty();
        held.push_str(text);
        let is_thinking = matches!(self.open.content, Content::Thinking(_));
        if is_thinking && first {
            let part = json!({"type": "summary_text", "text": ""});
            self.put_summary("response.reasoning_summary_part.added", "part", &part, out);
        }
        let is_text = matches!(self.open.content, Content::Text(_));
        let is_message = is_text || matches!(self.open.content, Content::Refusal(_));
        let delta = TextDelta {
            r#type,
            sequence_number: self.next(),
            item_id: &self.open_id,
            output_index: self.output.len(),
            content_index: is_message.then_some(0),
            summary_index: is_thinking.then_some(0),
            delta: text,
            logprobs: is_text.then(|| logprobs::write(&tokens, BytesAs::Nothing)),
        };
        event(r#type, &delta, out);
        self.open.tokens.extend(tokens);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let part = std::mem::replace(&mut self.open, Part::text("", ""));
        match &part.content {
            Content::Text(text) => {
                let body = json!({
                    "item_id": self.open_id,
                    "output_index": self.output.len(),
                    "content_index": 0,
                    "text": text,
                    "logprobs": logprobs::write(&part.tokens, BytesAs::Nothing),
                });
                self.put("response.output_text.done", body, out);
                let done = output_text(text, &part.tokens);
                self.put_part("response.content_part.done", &done, out);
            }
            Content::Refusal(text) => {
                let part = json!({"type": "refusal", "refusal": text});
                self.put_part("response.content_part.done", &part, out);
            }
            Content::Thinking(thinking) if !thinking.text.is_empty() => {
                let text = thinking.text.as_str();
                self.put_summary("response.reasoning_summary_text.done", "text", &text.into(), out);
                let part = json!({"type": "summary_text", "text": text});
                self.put_summary("response.reasoning_summary_part.done", "part", &part, out);
            }
            Content::ToolCall(call) if self.tools.takes_text(&call.name) => {
                let input = text_input(&call.arguments);
                for (kind, name) in [
                    ("response.custom_tool_call_input.delta", "delta"),
                    ("response.custom_tool_call_input.done", "input"),
                ] {
                    let body = json!({
                        "item_id": self.open_id,
                        "output_index": self.output.len(),
                        name: input,
                    });
                    self.put(kind, body, out);
                }
            }
            Content::ToolCall(call) => {
                let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                let body = json!({
                    "item_id": self.open_id,
                    "output_index": self.output.len(),
                    "arguments": arguments,
                });
                self.put("response.function_call_arguments.done", body, out);
            }
            Content::Thinking(_)
            | Content::Redacted(_)
            | Content::Image(_)
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolResult(_) => {}
        }
        let item = item(&part, &self.open_id, &self.tools).unwrap_or_default();
        let done = json!({"output_index": self.output.len(), "item": item});
        self.put("response.output_item.done", done, out);
        self.output.push(item);
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.failed = true;
        let mut body = failure::openai_body(failure);
        if let Value::Object(members) = &mut body {
            members.insert("code".to_owned(), failure.code.as_deref().into());
            members.insert("message".to_owned(), failure.message.as_str().into());
            members.insert("param".to_owned(), Value::Null);
        }
        self.put("error", body, out);
    }

    const fn next(&mut self) -> u64 {
        let number = self.sequence;
        self.sequence += 1;
        number
    }

    /// An event with its type, its number and these members.
    fn put(&mut self, kind: &'static str, members: Value, out: &mut Vec<u8>) {
        let mut body = json!({"type": kind, "sequence_number": self.next()});
        if let (Value::Object(body), Value::Object(members)) = (&mut body, members) {
            body.extend(members);
        }
        event(kind, &body, out);
    }
}

fn event(name: &str, value: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    json_into(value, out);
    out.extend_from_slice(b"\n\n");
}
