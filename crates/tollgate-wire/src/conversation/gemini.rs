//! Gemini. Requests come in camelCase and in snake_case.

use serde_json::{Value, json};

use super::{
    Part, Role,
    reading::{Answer, either, inline, list, owned, plain, text},
    view::View,
};

pub(super) const PROMPT_MEMBERS: &[&str] =
    &["contents", "content", "requests", "systemInstruction", "system_instruction", "tools"];

pub(super) fn tools(request: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for tool in list(request, "tools").iter().filter_map(Value::as_object) {
        for (name, value) in tool {
            if name == "functionDeclarations" || name == "function_declarations" {
                let functions = value.as_array().into_iter().flatten();
                names.extend(functions.filter_map(|it| owned(it, "name")));
            } else {
                names.push(name.clone());
            }
        }
    }
    names
}

pub(super) fn request(request: &Value, view: &mut View) {
    if let Some(system) = either(request, "systemInstruction", "system_instruction") {
        view.begin(Role::System);
        parts(system, view);
    }
    match request.get("contents") {
        Some(Value::Array(contents)) => contents.iter().for_each(|it| content(it, view)),
        Some(one) => content(one, view),
        None => {}
    }
    // `embedContent`, `batchEmbedContents`.
    let batch = list(request, "requests").iter().filter_map(|it| it.get("content"));
    request.get("content").into_iter().chain(batch).for_each(|it| content(it, view));
    view.end();
}

pub(super) fn answer(answer: &Value, view: &mut View) {
    let candidates = list(answer, "candidates").iter().filter(|it| it.is_object());
    let count = candidates.clone().count();
    for candidate in candidates {
        view.begin_answer(count);
        parts(candidate.get("content").unwrap_or(&Value::Null), view);
    }
    view.end_answers(count);
}

fn content(content: &Value, view: &mut View) {
    let result = |it: &Value| either(it, "functionResponse", "function_response").is_some();
    let only_results =
        !list(content, "parts").is_empty() && list(content, "parts").iter().all(result);
    view.begin(match text(content, "role") {
        Some("model") => Role::Assistant,
        Some("system") => Role::System,
        Some("function") => Role::Tool,
        _ if only_results => Role::Tool,
        _ => Role::User,
    });
    parts(content, view);
}

fn parts(content: &Value, view: &mut View) {
    let Some(parts) = content.get("parts") else { return view.content(Some(content), part) };
    if parts.is_object() {
        part(parts, view);
    } else {
        view.content(Some(parts), part);
    }
}

fn part(part: &Value, view: &mut View) {
    if let Some(said) = part.as_str().or_else(|| text(part, "text")) {
        let thought = part.get("thought") == Some(&Value::Bool(true));
        if thought { view.thinking(said) } else { view.text(said) }
    } else if let Some(call) = either(part, "functionCall", "function_call") {
        view.part(Part::ToolCall {
            id: owned(call, "id"),
            name: owned(call, "name").unwrap_or_default(),
            arguments: plain(call.get("args")),
        });
    } else if let Some(result) = either(part, "functionResponse", "function_response") {
        let response = result.get("response");
        view.part(Part::ToolResult {
            id: owned(result, "id"),
            name: owned(result, "name"),
            text: plain(response),
            is_error: response.is_some_and(|it| it.get("error").is_some()),
        });
    } else if let Some(data) = either(part, "inlineData", "inline_data") {
        let media_type = either(data, "mimeType", "mime_type").and_then(Value::as_str);
        view.part(inline(media_type.map(str::to_owned), text(data, "data").unwrap_or_default()));
    } else if let Some(file) = either(part, "fileData", "file_data") {
        let media_type = either(file, "mimeType", "mime_type").and_then(Value::as_str);
        let media_type = media_type.map(str::to_owned);
        let url = either(file, "fileUri", "file_uri").and_then(Value::as_str).map(str::to_owned);
        view.part(if media_type.as_deref().is_some_and(|it| it.starts_with("image/")) {
            Part::Image { media_type, bytes: None, url }
        } else {
            Part::Document { media_type, bytes: None, name: url }
        });
    } else if let Some((kind, _)) = part.as_object().and_then(|it| it.iter().next()) {
        view.other(kind, part);
    }
}

/// A stream's chunks as the answer they add up to.
pub(super) fn assembled(answer: Answer) -> Value {
    let events = match answer {
        Answer::Whole(value) => return unwrapped(&value).clone(),
        Answer::Events(events) => events,
    };
    // Candidates with their index.
    let mut candidates: Vec<(u64, Vec<Value>)> = Vec::new();
    for candidate in events.iter().flat_map(|it| list(unwrapped(it), "candidates")) {
        let index = candidate.get("index").and_then(Value::as_u64).unwrap_or(0);
        let at = candidates.iter().position(|(it, _)| *it == index).unwrap_or_else(|| {
            candidates.push((index, Vec::new()));
            candidates.len() - 1
        });
        let Some((_, held)) = candidates.get_mut(at) else { continue };
        for part in list(candidate.get("content").unwrap_or(&Value::Null), "parts") {
            join(held, part);
        }
    }
    candidates.sort_by_key(|(index, _)| *index);
    let candidates = candidates.into_iter().map(|(_, parts)| json!({"content": {"parts": parts}}));
    json!({ "candidates": candidates.collect::<Vec<_>>() })
}

/// Adds a part; text goes on in the text before it when both are thoughts or neither is.
fn join(held: &mut Vec<Value>, part: &Value) {
    let thought = |it: &Value| it.get("thought") == Some(&Value::Bool(true));
    if let Some(last) = held.last_mut()
        && text(last, "text").is_some()
        && text(part, "text").is_some()
        && thought(last) == thought(part)
    {
        super::reading::append(last, part, "text");
    } else {
        held.push(part.clone());
    }
}

/// What Cloud Code puts into `response`.
fn unwrapped(value: &Value) -> &Value {
    value.get("response").filter(|_| value.get("candidates").is_none()).unwrap_or(value)
}
