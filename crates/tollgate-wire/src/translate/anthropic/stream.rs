//! Events of a streamed message.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_core::{Format, Usage};

use super::{
    answer::{Block, Message, own},
    final_usage_of, stop_of, stop_reason, stop_sequence, usage_of,
};
use crate::{
    anthropic_messages::Counts,
    fault::Fault,
    ir::{Event, Failure, Opening, Stop},
    lenient::{Count, Filled, Maybe, Text},
    loss::Losses,
    translate::{GenerateConfig, Sink, failure, json_into},
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    message: Maybe<Message<'a>>,
    #[serde(borrow)]
    content_block: Maybe<Block<'a>>,
    #[serde(borrow)]
    delta: Maybe<Delta<'a>>,
    index: Count,
    usage: Maybe<Counts>,
    #[serde(borrow)]
    error: Fault<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    partial_json: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    stop_sequence: Text<'a>,
    citation: Filled,
}

/// Reads events.
pub(in crate::translate) struct Reader {
    counts: Counts,
    stop: Option<Stop>,
    open: bool,
    ended: bool,
}

impl Reader {
    pub(in crate::translate) fn new() -> Self {
        Self { counts: Counts::default(), stop: None, open: false, ended: false }
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
        if let Fault(Some(fault)) = &body.error {
            return self.fail(failure::in_answer(&fault.told()), sink);
        }
        let name = name.and_then(|it| std::str::from_utf8(it).ok());
        match body.r#type.filled().or(name).unwrap_or_default() {
            "message_start" => {
                let message = body.message.0.unwrap_or_default();
                if let Some(counts) = message.usage.0 {
                    self.counts.update(&counts);
                }
                let (id, model) = (message.id.filled(), message.model.filled());
                sink(Event::Start { id, model, usage: self.counts.normalised() });
            }
            "content_block_start" => {
                let block = body.content_block.0.unwrap_or_default();
                self.block(&block, body.index.0.unwrap_or(0), losses, sink);
            }
            "content_block_delta" if self.open => {
                delta(&body.delta.0.unwrap_or_default(), body.index.0.unwrap_or(0), losses, sink);
            }
            "content_block_stop" if std::mem::take(&mut self.open) => sink(Event::PartEnd),
            "message_delta" => {
                if let Some(counts) = body.usage.0 {
                    self.counts.update(&counts);
                }
                let delta = body.delta.0.unwrap_or_default();
                if let Some(reason) = delta.stop_reason.filled() {
                    self.stop = Some(stop_of(reason, delta.stop_sequence.filled()));
                }
            }
            "message_stop" if !self.ended => {
                self.ended = true;
                if std::mem::take(&mut self.open) {
                    sink(Event::PartEnd);
                }
                sink(Event::Stop(self.stop.take().unwrap_or_default()));
                sink(Event::End(self.counts.normalised()));
            }
            "ping" => sink(Event::Ping),
            _ => {}
        }
    }

    fn block(&mut self, block: &Block<'_>, index: u64, losses: &mut Losses, sink: &mut Sink<'_>) {
        if std::mem::replace(&mut self.open, true) {
            sink(Event::PartEnd);
        }
        let begun = |text: &Text<'_>, sink: &mut Sink<'_>| {
            if let Some(text) = text.filled() {
                sink(Event::Delta(text));
            }
        };
        match block.r#type.filled().unwrap_or_default() {
            "text" => {
                sink(Event::PartStart(Opening::Text));
                begun(&block.text, sink);
            }
            "thinking" => {
                sink(Event::PartStart(Opening::Thinking));
                begun(&block.thinking, sink);
                if let Some(signature) = block.signature.filled() {
                    sink(Event::Sealed(own(signature)));
                }
            }
            "redacted_thinking" => {
                let data = own(block.data.filled().unwrap_or_default());
                sink(Event::PartStart(Opening::Redacted(data)));
            }
            "tool_use" => {
                let text = |it| Text::filled(it).unwrap_or_default();
                let (id, name) = (text(&block.id), text(&block.name));
                sink(Event::PartStart(Opening::ToolCall { id, name }));
                // Some servers give the whole input at once.
                let input = block.input.map(|it| it.get()).unwrap_or_default();
                if input.len() > 2 {
                    sink(Event::Delta(input));
                }
            }
            other => {
                losses.note(
                    format!("content[{index}]"),
                    format!("`{other}` is not known to the translation"),
                );
                self.open = false;
            }
        }
    }

    fn fail(&mut self, failure: Failure, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            sink(Event::Failed(failure));
        }
    }

    /// When the stream ends: it is complete only after `message_stop`.
    pub(in crate::translate) fn end(&mut self, sink: &mut Sink<'_>) {
        self.fail(failure::cut_off(), sink);
    }
}

fn delta(delta: &Delta<'_>, index: u64, losses: &mut Losses, sink: &mut Sink<'_>) {
    for text in [&delta.text, &delta.thinking, &delta.partial_json] {
        if let Some(text) = text.filled() {
            sink(Event::Delta(text));
        }
    }
    if let Some(signature) = delta.signature.filled() {
        sink(Event::Sealed(own(signature)));
    }
    if delta.citation.0 {
        losses.note(format!("content[{index}].citations"), "has no counterpart");
    }
}

#[derive(Serialize)]
struct Start<'a> {
    r#type: &'static str,
    message: StartMessage<'a>,
}

#[derive(Serialize)]
struct StartMessage<'a> {
    id: &'a str,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<()>,
    stop_sequence: Option<()>,
    usage: Value,
}

#[derive(Serialize)]
struct BlockStart<'a> {
    r#type: &'static str,
    index: usize,
    content_block: NewBlock<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum NewBlock<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: String },
    ToolUse { id: &'a str, name: &'a str, input: NoInput },
}

#[derive(Serialize)]
struct NoInput {}

#[derive(Serialize)]
struct BlockDelta<'a> {
    r#type: &'static str,
    index: usize,
    delta: Piece<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

#[derive(Serialize)]
struct BlockStop {
    r#type: &'static str,
    index: usize,
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    r#type: &'static str,
    delta: StopDelta<'a>,
    usage: Value,
}

#[derive(Serialize)]
struct StopDelta<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
}

#[derive(Serialize)]
struct Bare {
    r#type: &'static str,
}

#[derive(Clone, Copy)]
enum Open {
    Text,
    Thinking,
    Input,
}

/// Writes events.
pub(in crate::translate) struct Writer {
    id: String,
    model: String,
    index: usize,
    open: Open,
    stop: Stop,
}

impl Writer {
    pub(in crate::translate) fn new(config: &GenerateConfig<'_>) -> Self {
        Self {
            id: config.fallback_id.to_owned(),
            model: config.plan.model.clone(),
            index: 0,
            open: Open::Text,
            stop: Stop::default(),
        }
    }

    pub(in crate::translate) fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        let index = self.index;
        match event {
            Event::Start { id, model, usage } => self.start(id, model, &usage, out),
            Event::PartStart(opening) => self.part(opening, out),
            // Scores have no place here.
            Event::Delta(text) | Event::Scored { text, .. } => {
                let delta = match self.open {
                    Open::Text => Piece::Text { text },
                    Open::Thinking => Piece::Thinking { thinking: text },
                    Open::Input => Piece::InputJson { partial_json: text },
                };
                let r#type = "content_block_delta";
                put(r#type, &BlockDelta { r#type, index, delta }, out);
            }
            Event::Sealed(seal) => {
                let r#type = "content_block_delta";
                let signature = seal.shown_in(Format::AnthropicMessages);
                let delta = Piece::Signature { signature: &signature };
                put(r#type, &BlockDelta { r#type, index, delta }, out);
            }
            Event::PartEnd => {
                let r#type = "content_block_stop";
                put(r#type, &BlockStop { r#type, index }, out);
                self.index += 1;
            }
            Event::Ping => put("ping", &Bare { r#type: "ping" }, out),
            // Such a client asks for one answer.
            Event::Choice(_) => {}
            Event::Stop(stop) => self.stop = stop,
            Event::End(usage) => {
                let delta = StopDelta {
                    stop_reason: stop_reason(&self.stop),
                    stop_sequence: stop_sequence(&self.stop),
                };
                let r#type = "message_delta";
                let usage = final_usage_of(&usage);
                put(r#type, &MessageDelta { r#type, delta, usage }, out);
                put("message_stop", &Bare { r#type: "message_stop" }, out);
            }
            Event::Failed(failure) => put("error", &failure::anthropic_body(&failure), out),
        }
    }

    /// The counts of a provider that tells them last are 0 here and right in `message_delta`.
    fn start(&self, id: Option<&str>, model: Option<&str>, usage: &Usage, out: &mut Vec<u8>) {
        let message = StartMessage {
            id: id.unwrap_or(&self.id),
            r#type: "message",
            role: "assistant",
            model: model.unwrap_or(&self.model),
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: usage_of(usage),
        };
        put("message_start", &Start { r#type: "message_start", message }, out);
    }

    fn part(&mut self, opening: Opening<'_>, out: &mut Vec<u8>) {
        let (open, content_block) = match opening {
            // No picture comes: the format has no room for one.
            Opening::Text | Opening::Refusal | Opening::Image(_) => {
                (Open::Text, NewBlock::Text { text: "" })
            }
            Opening::Thinking => {
                (Open::Thinking, NewBlock::Thinking { thinking: "", signature: "" })
            }
            Opening::Redacted(seal) => {
                let data = seal.shown_in(Format::AnthropicMessages);
                (Open::Text, NewBlock::RedactedThinking { data })
            }
            Opening::ToolCall { id, name } => {
                (Open::Input, NewBlock::ToolUse { id, name, input: NoInput {} })
            }
        };
        self.open = open;
        let r#type = "content_block_start";
        put(r#type, &BlockStart { r#type, index: self.index, content_block }, out);
    }
}

fn put(name: &str, value: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    json_into(value, out);
    out.extend_from_slice(b"\n\n");
}
