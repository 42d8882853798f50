//! Whole messages, and the shapes that they share with the events of a stream.

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tollgate_core::Format;

use super::{
    super::{GenerateConfig, failure, fields::element},
    stop_of, stop_reason, stop_sequence, usage_of,
    write::object_of,
};
use crate::{
    anthropic_messages::Counts,
    fault::Fault,
    ir::{Answer, Choice, Content, Failure, Part, PerChoice, Signature, Thinking, ToolCall},
    lenient::{Filled, Many, Maybe, Text},
    loss::Losses,
};

/// A message, whole or as `message_start` has it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    content: Many<Block<'a>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    stop_sequence: Text<'a>,
    pub(super) usage: Maybe<Counts>,
    #[serde(borrow)]
    error: Fault<'a>,
}

/// A content block, whole or as `content_block_start` has it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: Text<'a>,
    #[serde(borrow)]
    pub(super) signature: Text<'a>,
    #[serde(borrow)]
    pub(super) data: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    pub(super) citations: Filled,
}

/// A signature or hidden thinking that Anthropic made.
pub(super) fn own(value: &str) -> Signature {
    Signature::read(value.to_owned(), Format::AnthropicMessages)
}

/// Reads a whole answer.
pub(in crate::translate) fn read(json: &[u8], losses: &mut Losses) -> Result<Answer, Failure> {
    let message: Message<'_> = serde_json::from_slice(json).map_err(|_| failure::not_json())?;
    if let Fault(Some(fault)) = &message.error {
        return Err(failure::in_answer(&fault.told()));
    }
    let Some(reason) = message.stop_reason.filled() else {
        return Err(failure::broken("the provider's answer holds no message"));
    };
    let blocks = message.content.0.iter().enumerate();
    let choice = Choice {
        parts: blocks.filter_map(|(i, it)| part(it, &element("content", i), losses)).collect(),
        stop: stop_of(reason, message.stop_sequence.filled()),
    };
    Ok(Answer {
        id: message.id.filled().map(str::to_owned),
        model: message.model.filled().map(str::to_owned),
        choices: PerChoice::only(choice),
        usage: message.usage.0.map(|it| it.normalised()).unwrap_or_default(),
    })
}

fn part(block: &Block<'_>, at: &str, losses: &mut Losses) -> Option<Part> {
    let text = |it: &Text<'_>| it.filled().unwrap_or_default().to_owned();
    if block.citations.0 {
        losses.note(format!("{at}.citations"), "has no counterpart");
    }
    let content = match block.r#type.filled().unwrap_or_default() {
        "text" => Content::Text(text(&block.text)),
        "thinking" => Content::Thinking(Thinking {
            text: text(&block.thinking),
            signature: block.signature.filled().map(own),
        }),
        "redacted_thinking" => Content::Redacted(own(&text(&block.data))),
        "tool_use" => Content::ToolCall(ToolCall {
            id: text(&block.id),
            name: text(&block.name),
            arguments: block.input.map(|it| it.get().to_owned()).unwrap_or_default(),
        }),
        other => {
            losses.note(at, format!("`{other}` is not known to the translation"));
            return None;
        }
    };
    Some(Part::new(at, content))
}

/// Writes a whole answer.
pub(in crate::translate) fn write(answer: &Answer, config: &GenerateConfig<'_>) -> Value {
    let choice = answer.choices.first();
    let content: Vec<Value> = choice.parts.iter().filter_map(block).collect();
    json!({
        "id": answer.id.as_deref().unwrap_or(config.fallback_id),
        "type": "message",
        "role": "assistant",
        "model": answer.model.as_deref().unwrap_or(&config.plan.model),
        "content": content,
        "stop_reason": stop_reason(&choice.stop),
        "stop_sequence": stop_sequence(&choice.stop),
        "usage": usage_of(&answer.usage),
    })
}

fn block(part: &Part) -> Option<Value> {
    Some(match &part.content {
        Content::Text(text) | Content::Refusal(text) => json!({"type": "text", "text": text}),
        Content::Thinking(thinking) => {
            let signature = thinking.signature.as_ref();
            let signature = signature.map(|it| it.shown_in(Format::AnthropicMessages));
            json!({
                "type": "thinking",
                "thinking": thinking.text,
                "signature": signature.unwrap_or_default(),
            })
        }
        Content::Redacted(seal) => {
            let data = seal.shown_in(Format::AnthropicMessages);
            json!({"type": "redacted_thinking", "data": data})
        }
        Content::ToolCall(call) => {
            // A model can make arguments that are no JSON; the client's tool says so then.
            let input = object_of(&call.arguments);
            let input = input.unwrap_or_else(|| json!({"arguments": call.arguments}));
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
        }
        // None of these comes: the format has no room for a picture, and the others are in no answer.
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolResult(_) => return None,
    })
}
