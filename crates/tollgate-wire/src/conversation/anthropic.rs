//! Anthropic Messages.

use serde_json::{Value, json};

use super::{
    Part, Role,
    reading::{Answer, append, base64_length, list, owned, plain, text},
    view::View,
};

pub(super) const PROMPT_MEMBERS: &[&str] = &["messages", "system", "tools"];

/// Content blocks beyond this index are not assembled.
const INDEX_MAX: usize = 4096;

pub(super) fn tools(request: &Value) -> Vec<String> {
    let tools = list(request, "tools").iter();
    tools.filter_map(|it| owned(it, "name").or_else(|| owned(it, "type"))).collect()
}

pub(super) fn request(request: &Value, view: &mut View) {
    view.begin(Role::System);
    view.content(request.get("system"), block);
    for message in list(request, "messages") {
        let results = list(message, "content").iter();
        let only_results = !list(message, "content").is_empty()
            && results.clone().all(|it| text(it, "type") == Some("tool_result"));
        let role = match text(message, "role") {
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            _ if only_results => Role::Tool,
            _ => Role::User,
        };
        view.begin(role);
        view.content(message.get("content"), block);
    }
    view.end();
}

pub(super) fn answer(answer: &Value, view: &mut View) {
    view.begin(Role::Assistant);
    view.content(answer.get("content"), block);
    view.end();
}

fn block(block: &Value, view: &mut View) {
    let kind = text(block, "type").unwrap_or_default();
    match kind {
        "text" => view.text(text(block, "text").unwrap_or_default()),
        "thinking" => {
            let said = owned(block, "thinking").unwrap_or_default();
            view.part(Part::Thinking { text: said });
        }
        "redacted_thinking" => view.part(Part::Thinking { text: String::new() }),
        "tool_use" | "server_tool_use" | "mcp_tool_use" => view.part(Part::ToolCall {
            id: owned(block, "id"),
            name: owned(block, "name").unwrap_or_default(),
            arguments: plain(block.get("input")),
        }),
        "tool_result" | "mcp_tool_result" => tool_result(block, view),
        "image" | "document" => source(block, kind == "image", view),
        _ if kind.ends_with("_tool_result") => view.part(Part::ToolResult {
            id: owned(block, "tool_use_id"),
            name: kind.strip_suffix("_tool_result").map(str::to_owned),
            text: plain(block.get("content")),
            is_error: block.get("content").is_some_and(|it| it.get("error_code").is_some()),
        }),
        other => view.other(other, block),
    }
}

fn tool_result(block: &Value, view: &mut View) {
    let blocks = list(block, "content");
    let texts: Vec<&str> = blocks.iter().filter_map(|it| text(it, "text")).collect();
    view.part(Part::ToolResult {
        id: owned(block, "tool_use_id"),
        name: None,
        text: if blocks.is_empty() { plain(block.get("content")) } else { texts.join("\n") },
        is_error: block.get("is_error") == Some(&Value::Bool(true)),
    });
    for it in blocks.iter().filter(|it| it.get("text").is_none()) {
        self::block(it, view);
    }
}

fn source(block: &Value, is_image: bool, view: &mut View) {
    let source = block.get("source").unwrap_or(&Value::Null);
    let media_type = owned(source, "media_type");
    let address = owned(source, "url").or_else(|| owned(source, "file_id"));
    let title = owned(block, "title");
    let part = match (text(source, "type"), is_image) {
        (Some("base64"), true) => Part::Image {
            media_type,
            bytes: text(source, "data").and_then(base64_length),
            url: None,
        },
        (_, true) => Part::Image { media_type, bytes: None, url: address },
        (kind, false) => {
            let data = text(source, "data");
            let bytes = match kind {
                Some("base64") => data.and_then(base64_length),
                _ => data.and_then(|it| u64::try_from(it.len()).ok()),
            };
            Part::Document { media_type, bytes, name: title.or(address) }
        }
    };
    view.part(part);
}

/// A stream's events as the message they add up to.
pub(super) fn assembled(answer: Answer) -> Value {
    let events = match answer {
        Answer::Whole(value) => return value,
        Answer::Events(events) => events,
    };
    let mut blocks: Vec<Value> = Vec::new();
    for event in &events {
        let index = event.get("index").and_then(Value::as_u64);
        let Some(index) = index.and_then(|it| usize::try_from(it).ok()) else { continue };
        if index > INDEX_MAX {
            continue;
        }
        while blocks.len() <= index {
            blocks.push(json!({}));
        }
        let Some(held) = blocks.get_mut(index) else { continue };
        match text(event, "type") {
            Some("content_block_start") => {
                *held = event.get("content_block").cloned().unwrap_or_default();
            }
            Some("content_block_delta") => {
                if let Some(delta) = event.get("delta") {
                    grow(held, delta);
                }
            }
            Some("content_block_stop") => close(held),
            _ => {}
        }
    }
    blocks.iter_mut().for_each(close);
    blocks.retain(|it| it.get("type").is_some());
    json!({ "content": blocks })
}

fn grow(block: &mut Value, delta: &Value) {
    for name in ["text", "thinking", "partial_json"] {
        append(block, delta, name);
    }
}

/// Puts the input that came in pieces in its place; pieces that are not whole stay text.
fn close(block: &mut Value) {
    let Some(members) = block.as_object_mut() else { return };
    if let Some(Value::String(pieces)) = members.remove("partial_json")
        && !pieces.is_empty()
    {
        let input = serde_json::from_str(&pieces).unwrap_or(Value::String(pieces));
        members.insert("input".to_owned(), input);
    }
}
