//! OpenAI Responses.

use serde_json::{Value, json};

use super::{
    Part, Role,
    reading::{Answer, append, base64_length, data_url, image_at, list, owned, plain, text},
    view::View,
};

pub(super) const PROMPT_MEMBERS: &[&str] = &["input", "instructions", "tools"];

/// Output items beyond this index are not assembled.
const INDEX_MAX: usize = 4096;

pub(super) fn tools(request: &Value) -> Vec<String> {
    let tools = list(request, "tools").iter();
    tools.filter_map(|it| owned(it, "name").or_else(|| owned(it, "type"))).collect()
}

pub(super) fn request(request: &Value, view: &mut View) {
    match request.get("instructions") {
        Some(Value::String(instructions)) => {
            view.begin(Role::System);
            view.text(instructions);
        }
        Some(Value::Array(items)) => items.iter().for_each(|it| item(it, Role::System, view)),
        _ => {}
    }
    match request.get("input") {
        Some(Value::String(input)) => {
            view.begin(Role::User);
            view.text(input);
        }
        Some(Value::Array(items)) => items.iter().for_each(|it| item(it, Role::User, view)),
        _ => {}
    }
    view.end();
}

pub(super) fn answer(answer: &Value, view: &mut View) {
    for it in list(answer, "output") {
        item(it, Role::Assistant, view);
    }
    view.end();
}

/// One item of an input or output list. What the model does in a row is one message.
fn item(item: &Value, speaker: Role, view: &mut View) {
    let kind = text(item, "type").unwrap_or("message");
    match kind {
        "message" => {
            let role = match text(item, "role") {
                Some("assistant") => Role::Assistant,
                Some("system" | "developer") => Role::System,
                Some(_) => Role::User,
                None => speaker,
            };
            if role == Role::Assistant {
                view.go_on(role);
            } else {
                view.begin(role);
            }
            view.content(item.get("content"), content_part);
        }
        "reasoning" => {
            view.go_on(Role::Assistant);
            let said = list(item, "content").iter().chain(list(item, "summary"));
            let said: Vec<&str> = said.filter_map(|it| text(it, "text")).collect();
            view.part(Part::Thinking { text: said.join("\n\n") });
        }
        "function_call" | "custom_tool_call" | "mcp_call" => {
            view.go_on(Role::Assistant);
            view.part(Part::ToolCall {
                id: owned(item, "call_id").or_else(|| owned(item, "id")),
                name: owned(item, "name").unwrap_or_default(),
                arguments: plain(item.get("arguments").or_else(|| item.get("input"))),
            });
        }
        "image_generation_call" => {
            view.go_on(Role::Assistant);
            let bytes = text(item, "result").and_then(base64_length);
            let media_type = text(item, "output_format").map(|it| format!("image/{it}"));
            view.part(Part::Image { media_type, bytes, url: None });
        }
        _ if kind.ends_with("_call_output") => tool_result(item, view),
        _ => {
            let role = if kind.ends_with("_call") { Role::Assistant } else { speaker };
            view.go_on(role);
            view.other(kind, item);
        }
    }
}

fn tool_result(item: &Value, view: &mut View) {
    view.go_on(Role::Tool);
    let parts = list(item, "output");
    let texts: Vec<&str> = parts.iter().filter_map(|it| text(it, "text")).collect();
    view.part(Part::ToolResult {
        id: owned(item, "call_id"),
        name: None,
        text: if parts.is_empty() { plain(item.get("output")) } else { texts.join("\n") },
        is_error: text(item, "status") == Some("failed"),
    });
    for it in parts.iter().filter(|it| it.get("text").is_none()) {
        content_part(it, view);
    }
}

fn content_part(part: &Value, view: &mut View) {
    match text(part, "type").unwrap_or_default() {
        "input_text" | "output_text" | "text" => view.text(text(part, "text").unwrap_or_default()),
        "refusal" => view.text(text(part, "refusal").unwrap_or_default()),
        "input_image" => {
            let image = part.get("image_url");
            let url = image.and_then(|it| it.as_str().or_else(|| text(it, "url")));
            view.part(image_at(url.or_else(|| text(part, "file_id")).unwrap_or_default()));
        }
        "input_file" => {
            let data = text(part, "file_data").and_then(data_url);
            let (media_type, bytes) =
                data.map_or((None, None), |(kind, bytes)| (Some(kind), bytes));
            let names = ["filename", "file_id", "file_url"];
            let name = names.iter().find_map(|it| owned(part, it));
            view.part(Part::Document { media_type, bytes, name });
        }
        other => view.other(other, part),
    }
}

/// A stream's events as the response they add up to: the last event's own, else the items as far as
/// they came.
pub(super) fn assembled(answer: Answer) -> Value {
    let events = match answer {
        Answer::Whole(value) => return value,
        Answer::Events(events) => events,
    };
    let whole = events.iter().rev().find(|it| {
        let ended = ["response.completed", "response.incomplete", "response.failed"];
        text(it, "type").is_some_and(|it| ended.contains(&it))
    });
    if let Some(response) = whole.and_then(|it| it.get("response"))
        && !list(response, "output").is_empty()
    {
        return response.clone();
    }
    let mut items: Vec<Value> = Vec::new();
    for event in &events {
        grow(&mut items, event);
    }
    json!({ "output": items })
}

fn grow(items: &mut Vec<Value>, event: &Value) {
    let index = event.get("output_index").and_then(Value::as_u64);
    let Some(index) = index.and_then(|it| usize::try_from(it).ok()) else { return };
    if index > INDEX_MAX {
        return;
    }
    while items.len() <= index {
        items.push(Value::Null);
    }
    let Some(held) = items.get_mut(index) else { return };
    match text(event, "type").unwrap_or_default() {
        "response.output_item.added" | "response.output_item.done" => {
            *held = event.get("item").cloned().unwrap_or_default();
        }
        "response.output_text.delta" => spoken(held, event, "content", "output_text"),
        "response.refusal.delta" => spoken(held, event, "content", "refusal"),
        "response.reasoning_summary_text.delta" => spoken(held, event, "summary", "summary_text"),
        "response.reasoning_text.delta" => spoken(held, event, "content", "reasoning_text"),
        "response.function_call_arguments.delta" | "response.mcp_call_arguments.delta" => {
            append(held, &json!({"arguments": event.get("delta")}), "arguments");
        }
        "response.custom_tool_call_input.delta" => {
            append(held, &json!({"input": event.get("delta")}), "input");
        }
        _ => {}
    }
}

/// Adds a delta to the last part of an item's `content` or `summary`.
fn spoken(item: &mut Value, event: &Value, member: &str, kind: &str) {
    let Some(members) = item.as_object_mut() else { return };
    let parts = members.entry(member).or_insert_with(|| json!([]));
    let Value::Array(parts) = parts else { return };
    if parts.last().and_then(|it| text(it, "type")) != Some(kind) {
        parts.push(json!({"type": kind}));
    }
    let name = if kind == "refusal" { "refusal" } else { "text" };
    if let Some(part) = parts.last_mut() {
        append(part, &json!({name: event.get("delta")}), name);
    }
}
