//! Whole answers, and the shapes that they share with the events of a stream.

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::Format;

use super::stop_of;
use crate::{
    bedrock_converse::TokenUsage,
    ir::{Answer, Choice, Content, Failure, Part, PerChoice, Signature, Thinking, ToolCall},
    lenient::{Filled, Many, Maybe, Text},
    loss::Losses,
    translate::{failure, fields::element},
};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    output: Maybe<Output<'a>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    usage: Maybe<TokenUsage>,
    #[serde(borrow)]
    additional_model_response_fields: Maybe<ModelFields<'a>>,
}

/// What a request asked to be told of the model's own answer.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelFields<'a> {
    #[serde(borrow)]
    pub(super) stop_sequence: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Output<'a> {
    #[serde(borrow)]
    message: Maybe<Message<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Many<Block<'a>>,
}

/// A content block: one of its members is there.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    reasoning_content: Maybe<Reasoning<'a>>,
    #[serde(borrow)]
    tool_use: Maybe<ToolUse<'a>>,
    #[serde(borrow)]
    citations_content: Maybe<Cited<'a>>,
    image: Filled,
    audio: Filled,
    video: Filled,
    document: Filled,
    tool_result: Filled,
    search_result: Filled,
    guard_content: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow)]
    reasoning_text: Maybe<ReasoningText<'a>>,
    #[serde(borrow)]
    redacted_content: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReasoningText<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    #[serde(borrow)]
    pub(super) tool_use_id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    /// `server_tool_use` for a tool of the provider's own.
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cited<'a> {
    #[serde(borrow)]
    content: Many<CitedText<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CitedText<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

/// A seal that a model on Bedrock made.
pub(super) fn own(value: &str) -> Signature {
    Signature { by: Format::BedrockConverse, value: value.to_owned() }
}

/// Reads a whole answer.
pub(in crate::translate) fn read(json: &[u8], losses: &mut Losses) -> Result<Answer, Failure> {
    let body: Body<'_> = serde_json::from_slice(json).map_err(|_| failure::not_json())?;
    let (Some(reason), Some(output)) = (body.stop_reason.filled(), body.output.0) else {
        return Err(failure::broken("the provider's answer holds no message"));
    };
    let fields = body.additional_model_response_fields.0.unwrap_or_default();
    let stop = stop_of(reason, fields.stop_sequence.filled())?;
    let message = output.message.0.unwrap_or_default();
    let mut parts = Vec::new();
    for (i, block) in message.content.0.iter().enumerate() {
        part(block, &element("output.message.content", i), &mut parts, losses);
    }
    let usage = body.usage.0.map(|it| it.normalised()).unwrap_or_default();
    let choices = PerChoice::only(Choice { parts, stop });
    Ok(Answer { id: None, model: None, choices, usage })
}

fn part(block: &Block<'_>, at: &str, parts: &mut Vec<Part>, losses: &mut Losses) {
    let text = |it: &Text<'_>| it.filled().unwrap_or_default().to_owned();
    let mut put = |content| parts.push(Part::new(at, content));
    if block.text.0.is_some() {
        put(Content::Text(text(&block.text)));
    }
    if let Maybe(Some(reasoning)) = &block.reasoning_content {
        if let Maybe(Some(said)) = &reasoning.reasoning_text {
            let signature = said.signature.filled().map(own);
            put(Content::Thinking(Thinking { text: text(&said.text), signature }));
        }
        if let Some(hidden) = reasoning.redacted_content.filled() {
            put(Content::Redacted(own(hidden)));
        }
    }
    if let Maybe(Some(call)) = &block.tool_use {
        if call.r#type.filled().is_some() {
            losses.note(format!("{at}.toolUse"), "is of a tool that only the provider has");
        } else {
            put(Content::ToolCall(ToolCall {
                id: text(&call.tool_use_id),
                name: text(&call.name),
                arguments: call.input.map(|it| it.get().to_owned()).unwrap_or_default(),
            }));
        }
    }
    if let Maybe(Some(cited)) = &block.citations_content {
        let said: String = cited.content.0.iter().filter_map(|it| it.text.filled()).collect();
        put(Content::Text(said));
        losses.note(format!("{at}.citationsContent"), "its citations have no counterpart");
    }
    for (name, filled) in [
        ("image", block.image),
        ("audio", block.audio),
        ("video", block.video),
        ("document", block.document),
        ("toolResult", block.tool_result),
        ("searchResult", block.search_result),
        ("guardContent", block.guard_content),
    ] {
        if filled.0 {
            losses.note(format!("{at}.{name}"), "has no counterpart");
        }
    }
}
