//! OpenAI Chat Completions, legacy completions and embeddings.

use serde_json::{Value, json};

use super::{
    Part, Role,
    reading::{Answer, append, data_url, image_at, list, owned, plain, text},
    view::View,
};

pub(super) const PROMPT_MEMBERS: &[&str] = &["messages", "tools", "functions", "prompt", "input"];

/// Choices, tool calls and the like beyond this index are not assembled: an index is the
/// provider's word and must not size a list.
const INDEX_MAX: usize = 1024;

pub(super) fn tools(request: &Value) -> Vec<String> {
    let tools = list(request, "tools").iter().filter_map(|it| {
        let kind = text(it, "type");
        let function = it.get("function").or_else(|| it.get("custom"));
        function.and_then(|it| text(it, "name")).or(kind)
    });
    let functions = list(request, "functions").iter().filter_map(|it| text(it, "name"));
    tools.chain(functions).map(str::to_owned).collect()
}

pub(super) fn request(request: &Value, view: &mut View) {
    for it in list(request, "messages") {
        let role = match text(it, "role") {
            Some("system" | "developer") => Role::System,
            Some("assistant") => Role::Assistant,
            Some("tool" | "function") => Role::Tool,
            _ => Role::User,
        };
        view.begin(role);
        if role == Role::Tool {
            tool_result(it, view);
        } else {
            message(it, view);
        }
    }
    for input in ["prompt", "input"].iter().filter_map(|it| request.get(it)) {
        let texts = input.as_str().into_iter();
        let texts = texts.chain(input.as_array().into_iter().flatten().filter_map(Value::as_str));
        let before = view.messages.len();
        for said in texts {
            view.begin(Role::User);
            view.text(said);
        }
        if view.messages.len() == before {
            view.begin(Role::User);
            view.other("tokens", input);
        }
    }
    view.end();
}

pub(super) fn answer(answer: &Value, view: &mut View) {
    let choices = list(answer, "choices").iter().filter(|it| it.is_object());
    let count = choices.clone().count();
    for choice in choices {
        view.begin_answer(count);
        if let Some(message) = choice.get("message") {
            self::message(message, view);
        }
        view.text(text(choice, "text").unwrap_or_default());
    }
    view.end_answers(count);
}

fn tool_result(message: &Value, view: &mut View) {
    let content = message.get("content");
    let parts = content.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<&str> = parts.iter().filter_map(|it| text(it, "text")).collect();
    view.part(Part::ToolResult {
        id: owned(message, "tool_call_id"),
        name: owned(message, "name"),
        text: if parts.is_empty() { plain(content) } else { texts.join("\n") },
        is_error: false,
    });
    for part in parts.iter().filter(|it| it.get("text").is_none()) {
        content_part(part, view);
    }
}

fn message(message: &Value, view: &mut View) {
    for name in ["reasoning_content", "reasoning"] {
        if let Some(thinking) = text(message, name) {
            view.thinking(thinking);
            break;
        }
    }
    view.content(message.get("content"), content_part);
    // Pictures that the model made, where OpenRouter's clients look for them.
    list(message, "images").iter().for_each(|it| view.part(picture(it)));
    view.text(text(message, "refusal").unwrap_or_default());
    let old_call = message.get("function_call").filter(|it| it.is_object());
    for call in list(message, "tool_calls").iter().chain(old_call) {
        let function = call.get("function").or_else(|| call.get("custom")).unwrap_or(call);
        view.part(Part::ToolCall {
            id: owned(call, "id"),
            name: owned(function, "name").unwrap_or_default(),
            arguments: plain(function.get("arguments").or_else(|| function.get("input"))),
        });
    }
    if let Some(audio) = message.get("audio").filter(|it| it.is_object()) {
        view.text(text(audio, "transcript").unwrap_or_default());
    }
}

fn content_part(part: &Value, view: &mut View) {
    if let Some(said) = part.as_str() {
        view.text(said);
        return;
    }
    match text(part, "type").unwrap_or_default() {
        "text" => view.text(text(part, "text").unwrap_or_default()),
        "refusal" => view.text(text(part, "refusal").unwrap_or_default()),
        // Mistral.
        "thinking" => {
            let texts = list(part, "thinking").iter().filter_map(|it| text(it, "text"));
            view.thinking(&texts.collect::<String>());
        }
        "image_url" => view.part(picture(part)),
        "file" => {
            let file = part.get("file").unwrap_or(part);
            let data = text(file, "file_data").and_then(data_url);
            let (media_type, bytes) =
                data.map_or((None, None), |(kind, bytes)| (Some(kind), bytes));
            let name = owned(file, "filename").or_else(|| owned(file, "file_id"));
            view.part(Part::Document { media_type, bytes, name });
        }
        "input_audio" => {
            let audio = part.get("input_audio").unwrap_or(part);
            let data = text(audio, "data").unwrap_or_default();
            let media_type = text(audio, "format").map(|it| format!("audio/{it}"));
            view.part(super::reading::inline(media_type, data));
        }
        other => view.other(other, part),
    }
}

fn picture(part: &Value) -> Part {
    let image = part.get("image_url");
    let url = image.and_then(|it| it.as_str().or_else(|| text(it, "url")));
    image_at(url.unwrap_or_default())
}

/// A stream's chunks as the answer they add up to.
pub(super) fn assembled(answer: Answer) -> Value {
    let events = match answer {
        Answer::Whole(value) => return value,
        Answer::Events(events) => events,
    };
    let mut choices: Vec<Value> = Vec::new();
    for choice in events.iter().flat_map(|it| list(it, "choices")) {
        let Some(held) = slot(&mut choices, choice, &json!({"message": {}})) else { continue };
        append(held, choice, "text");
        let (Some(message), Some(delta)) = (held.get_mut("message"), choice.get("delta")) else {
            continue;
        };
        for name in ["content", "reasoning_content", "reasoning", "refusal"] {
            append(message, delta, name);
        }
        for name in ["content", "images"] {
            list(delta, name).iter().for_each(|it| push(message, name, it.clone()));
        }
        if let Some(call) = delta.get("function_call").filter(|it| it.is_object())
            && let Some(members) = message.as_object_mut()
        {
            let held = members.entry("function_call").or_insert_with(|| json!({}));
            append(held, call, "name");
            append(held, call, "arguments");
        }
        for call in list(delta, "tool_calls") {
            tool_call(message, call);
        }
    }
    json!({ "choices": choices })
}

fn tool_call(message: &mut Value, call: &Value) {
    let Some(members) = message.as_object_mut() else { return };
    let Value::Array(calls) = members.entry("tool_calls").or_insert_with(|| json!([])) else {
        return;
    };
    let Some(held) = slot(calls, call, &json!({"function": {}})) else { return };
    if let Some(id) = text(call, "id")
        && let Some(members) = held.as_object_mut()
    {
        members.insert("id".to_owned(), id.into());
    }
    let (Some(held), Some(function)) = (held.get_mut("function"), call.get("function")) else {
        return;
    };
    // Some servers repeat the name in every piece.
    if held.get("name").is_none() {
        append(held, function, "name");
    }
    append(held, function, "arguments");
}

/// The element that `piece.index` names, made if need be; without an index the last one.
fn slot<'a>(held: &'a mut Vec<Value>, piece: &Value, fresh: &Value) -> Option<&'a mut Value> {
    let index = match piece.get("index").and_then(Value::as_u64) {
        Some(index) => usize::try_from(index).ok()?,
        None => held.len().saturating_sub(1),
    };
    if index > INDEX_MAX {
        return None;
    }
    while held.len() <= index {
        held.push(fresh.clone());
    }
    held.get_mut(index)
}

fn push(value: &mut Value, name: &str, element: Value) {
    if let Some(members) = value.as_object_mut()
        && let Value::Array(elements) = members.entry(name).or_insert_with(|| json!([]))
    {
        elements.push(element);
    }
}
