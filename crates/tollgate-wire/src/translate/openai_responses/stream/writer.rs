//! Writes the events of a streamed answer.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::answer::{
    AnswerHead, ToolKinds, ended, envelope, item, item_id, output_text, text_input,
};
use crate::{
    ir::{Content, Event, Failure, Opening, Part, ScoredToken, Stop, Thinking, ToolCall},
    translate::{
        ANSWER_BYTES_MAX, GenerateConfig, failure, json_into,
        logprobs::{self, BytesAs, TokenOut},
    },
};

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
            Opening::Image(source) => {
                if !self.hold(source.bytes(), out) {
                    return;
                }
                Content::Image(source.clone())
            }
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
                Content::Image(_) => {
                    members.insert("result".to_owned(), Value::Null);
                    members.shift_remove("output_format");
                }
                Content::Thinking(_)
                | Content::Redacted(_)
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
            Content::Image(_) => {
                self.put_step("response.image_generation_call.in_progress", out);
                self.put_step("response.image_generation_call.generating", out);
                return;
            }
            Content::Text(_) => output_text("", &[]),
            Content::Refusal(_) => json!({"type": "refusal", "refusal": ""}),
            Content::Thinking(_)
            | Content::Redacted(_)
            | Content::ToolCall(_)
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolResult(_) => return,
        };
        self.put_part("response.content_part.added", &part, out);
    }

    /// How far the making of the open picture is.
    fn put_step(&mut self, kind: &'static str, out: &mut Vec<u8>) {
        let body = json!({"item_id": self.open_id, "output_index": self.output.len()});
        self.put(kind, body, out);
    }

    /// Counts what is held; whether there is room for it. Too much is the end.
    fn hold(&mut self, bytes: usize, out: &mut Vec<u8>) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let fits = self.bytes <= ANSWER_BYTES_MAX;
        if !fits {
            self.fail(&failure::broken("the provider's answer is too long"), out);
        }
        fits
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
        if !self.hold(text.len().saturating_add(logprobs::memory(&tokens)), out) {
            return;
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
            Content::Image(_) => self.put_step("response.image_generation_call.completed", out),
            Content::Thinking(_)
            | Content::Redacted(_)
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
