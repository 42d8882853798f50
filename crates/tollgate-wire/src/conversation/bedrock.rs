//! Amazon Bedrock's Converse.

use serde_json::{Value, json};

use super::{
    Part, Role,
    reading::{Answer, append, base64_length, list, owned, plain, text},
    view::View,
};

pub(super) const PROMPT_MEMBERS: &[&str] = &["messages", "system", "toolConfig"];

/// Content blocks beyond this index are not assembled.
const INDEX_MAX: usize = 4096;

pub(super) fn tools(request: &Value) -> Vec<String> {
    let config = request.get("toolConfig").unwrap_or(&Value::Null);
    let specs = list(config, "tools").iter().filter_map(|it| it.get("toolSpec"));
    specs.filter_map(|it| owned(it, "name")).collect()
}

pub(super) fn request(request: &Value, view: &mut View) {
    view.begin(Role::System);
    list(request, "system").iter().for_each(|it| block(it, view));
    for message in list(request, "messages") {
        let blocks = list(message, "content");
        let only_results = !blocks.is_empty() && blocks.iter().all(is_result);
        view.begin(match text(message, "role") {
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            _ if only_results => Role::Tool,
            _ => Role::User,
        });
        blocks.iter().for_each(|it| block(it, view));
    }
    view.end();
}

fn is_result(block: &Value) -> bool {
    block.get("toolResult").is_some()
}

pub(super) fn answer(answer: &Value, view: &mut View) {
    view.begin(Role::Assistant);
    let message = answer.get("output").and_then(|it| it.get("message")).unwrap_or(&Value::Null);
    list(message, "content").iter().for_each(|it| block(it, view));
    view.end();
}

/// A block has one member, which says what it is.
fn block(block: &Value, view: &mut View) {
    let Some((kind, value)) = block.as_object().and_then(|it| it.iter().next()) else { return };
    match kind.as_str() {
        "text" => view.text(value.as_str().unwrap_or_default()),
        "reasoningContent" => {
            let said = value.get("reasoningText").and_then(|it| owned(it, "text"));
            view.part(Part::Thinking { text: said.unwrap_or_default() });
        }
        "toolUse" => view.part(Part::ToolCall {
            id: owned(value, "toolUseId"),
            name: owned(value, "name").unwrap_or_default(),
            arguments: plain(value.get("input")),
        }),
        "toolResult" => tool_result(value, view),
        "image" => view.part(Part::Image {
            media_type: owned(value, "format").map(|it| format!("image/{it}")),
            bytes: inline(value),
            url: address(value),
        }),
        "document" => view.part(Part::Document {
            media_type: owned(value, "format"),
            bytes: inline(value),
            name: owned(value, "name").or_else(|| address(value)),
        }),
        "citationsContent" => {
            list(value, "content").iter().for_each(|it| self::block(it, view));
        }
        // Where the provider is to cache; nothing is said in it.
        "cachePoint" => {}
        other => view.other(other, value),
    }
}

fn tool_result(result: &Value, view: &mut View) {
    let blocks = list(result, "content");
    let said = |it: &Value| match it.get("json") {
        Some(json) => Some(json.to_string()),
        None => owned(it, "text"),
    };
    view.part(Part::ToolResult {
        id: owned(result, "toolUseId"),
        name: None,
        text: blocks.iter().filter_map(said).collect::<Vec<_>>().join("\n"),
        is_error: text(result, "status") == Some("error"),
    });
    for it in blocks.iter().filter(|it| said(it).is_none()) {
        block(it, view);
    }
}

fn source(value: &Value) -> Option<&Value> {
    value.get("source")
}

fn inline(value: &Value) -> Option<u64> {
    text(source(value)?, "bytes").and_then(base64_length)
}

fn address(value: &Value) -> Option<String> {
    owned(source(value)?.get("s3Location")?, "uri")
}

/// A stream's events, each under its name, as the body they add up to.
pub(super) fn assembled(answer: Answer) -> Value {
    let events = match answer {
        Answer::Whole(value) => return value,
        Answer::Events(events) => events,
    };
    let mut blocks: Vec<Value> = Vec::new();
    for event in &events {
        let Some((name, payload)) = event.as_object().and_then(|it| it.iter().next()) else {
            continue;
        };
        let index = payload.get("contentBlockIndex").and_then(Value::as_u64);
        let Some(index) = index.and_then(|it| usize::try_from(it).ok()) else { continue };
        if index > INDEX_MAX {
            continue;
        }
        while blocks.len() <= index {
            blocks.push(json!({}));
        }
        let Some(held) = blocks.get_mut(index) else { continue };
        match name.as_str() {
            "contentBlockStart" => *held = payload.get("start").cloned().unwrap_or_default(),
            "contentBlockDelta" => {
                if let Some(delta) = payload.get("delta") {
                    grow(held, delta);
                }
            }
            _ => {}
        }
    }
    blocks.iter_mut().for_each(close);
    blocks.retain(|it| it.as_object().is_some_and(|it| !it.is_empty()));
    json!({"output": {"message": {"content": blocks}}})
}

fn grow(block: &mut Value, delta: &Value) {
    append(block, delta, "text");
    if let Some(more) = delta.get("reasoningContent") {
        let Some(members) = block.as_object_mut() else { return };
        let held = members.entry("reasoningContent").or_insert_with(|| json!({}));
        let Some(held) = held.as_object_mut() else { return };
        append(held.entry("reasoningText").or_insert_with(|| json!({})), more, "text");
    }
    if let (Some(call), Some(more)) = (block.get_mut("toolUse"), delta.get("toolUse")) {
        append(call, more, "input");
    }
}

/// Makes JSON of the input that came in pieces; pieces that are not whole stay text.
fn close(block: &mut Value) {
    let Some(input) = block.get_mut("toolUse").and_then(|it| it.get_mut("input")) else { return };
    if let Value::String(pieces) = input
        && let Ok(whole) = serde_json::from_str(pieces)
    {
        *input = whole;
    }
}
