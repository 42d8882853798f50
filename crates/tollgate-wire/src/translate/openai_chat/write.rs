//! Writes a chat request.

use serde_json::{Map, Value, json};
use tollgate_core::Format;

use super::{redacted, sealed};
use crate::{
    ir::{
        Amount, Content, Given, Part, Pictures, Prompt, Reasoning, Role, Shape, Source, Tool,
        ToolCall, ToolChoice, ToolResult,
    },
    loss::{Losses, Refused},
    translate::{
        Capabilities,
        logprobs::likeliest,
        media::data_url,
        reasoning::{effort_for, openai_word},
        turns::hand_over_pictures,
    },
};

/// OpenAI refuses more.
const STOPS_MAX: usize = 4;

/// The most answers to one request: OpenAI refuses more.
const ANSWERS_MAX: u64 = 128;

/// OpenAI refuses longer names of end users.
const END_USER_CHARS_MAX: usize = 64;

/// What stands before the text of a tool result that is an error: the format has no other mark.
pub(in crate::translate) const ERROR_MARK: &str = "Error: ";

/// Writes a request's body.
pub(in crate::translate) fn request(
    mut prompt: Prompt,
    model: &str,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<Value, Refused> {
    // Only a model that makes pictures is known to take back its own.
    if prompt.pictures.is_none() {
        hand_over_pictures(&mut prompt, losses);
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    let messages = messages(&prompt, provider, losses)?;
    body.insert("messages".to_owned(), messages.into());
    if prompt.stream {
        body.insert("stream".to_owned(), true.into());
        // Whether or not the client's format lets it ask: without it nobody knows what a stream cost.
        if !provider.no_stream_usage {
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
    }
    if !prompt.tools.is_empty() {
        let tools: Vec<Value> = prompt.tools.iter().map(|it| tool(it, losses)).collect();
        body.insert("tools".to_owned(), tools.into());
    }
    if let Some(choice) = &prompt.tool_choice {
        body.insert("tool_choice".to_owned(), tool_choice(&choice.value));
    }
    if let Some(parallel) = prompt.parallel_tool_calls.filter(|_| !prompt.tools.is_empty()) {
        body.insert("parallel_tool_calls".to_owned(), parallel.value.into());
    }
    if let Some(shape) = prompt.shape {
        body.insert("response_format".to_owned(), response_format(shape.value));
    }
    for (name, number) in [
        ("temperature", prompt.temperature),
        ("top_p", prompt.top_p),
        ("seed", prompt.seed),
        ("frequency_penalty", prompt.frequency_penalty),
        ("presence_penalty", prompt.presence_penalty),
    ] {
        body.extend(number.map(|it| (name.to_owned(), it.value.into())));
    }
    if let Some(top_k) = prompt.top_k {
        losses.note(top_k.at, "has no counterpart in OpenAI's format");
    }
    if let Some(Given { at, value }) = prompt.answers {
        if value > ANSWERS_MAX {
            return Err(Refused::new(at, format!("OpenAI gives at most {ANSWERS_MAX}")));
        }
        body.insert("n".to_owned(), value.into());
    }
    if let Some(asked) = &prompt.logprobs {
        body.insert("logprobs".to_owned(), true.into());
        let likeliest = likeliest(asked, losses);
        body.extend(likeliest.map(|it| ("top_logprobs".to_owned(), it.into())));
    }
    if let Some(pictures) = &prompt.pictures {
        let modes = match pictures.value {
            Pictures::WithText => json!(["image", "text"]),
            Pictures::Alone => json!(["image"]),
        };
        body.insert("modalities".to_owned(), modes);
    }
    if let Some(Given { at, value }) = prompt.stops {
        if value.len() > STOPS_MAX {
            return Err(Refused::new(at, format!("OpenAI's format takes at most {STOPS_MAX}")));
        }
        body.insert("stop".to_owned(), value.into());
    }
    if let Some(max) = prompt.max_tokens {
        let name = if provider.old_max_tokens { "max_tokens" } else { "max_completion_tokens" };
        body.insert(name.to_owned(), max.value.into());
    }
    if let Some(reasoning) = &prompt.reasoning {
        let effort = reasoning_effort(reasoning, provider, losses);
        body.extend(effort.map(|it| ("reasoning_effort".to_owned(), it.into())));
    }
    let user = prompt.end_user.and_then(|it| end_user(it, losses));
    body.extend(user.map(|it| ("user".to_owned(), it.into())));
    // OpenAI takes metadata only beside `store`, which a translation never asks for.
    if let Some(metadata) = prompt.metadata {
        losses.note(metadata.at, "OpenAI takes it only with answers that it stores");
    }
    let tier = prompt.service_tier.and_then(|it| service_tier(it, losses));
    body.extend(tier.map(|it| ("service_tier".to_owned(), it.into())));
    Ok(Value::Object(body))
}

/// The end user's name, unless OpenAI would refuse it.
pub(in crate::translate) fn end_user(given: Given<String>, losses: &mut Losses) -> Option<String> {
    if given.value.chars().count() <= END_USER_CHARS_MAX {
        return Some(given.value);
    }
    losses.note(given.at, format!("is longer than the {END_USER_CHARS_MAX} that OpenAI takes"));
    None
}

/// The tier, where it is one of OpenAI's that others do not have under the same name.
pub(in crate::translate) fn service_tier(
    given: Given<String>,
    losses: &mut Losses,
) -> Option<String> {
    if ["flex", "priority", "default"].contains(&given.value.as_str()) {
        return Some(given.value);
    }
    losses.note(given.at, "each provider has service tiers of its own");
    None
}

fn messages(
    prompt: &Prompt,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<Vec<Value>, Refused> {
    let mut messages = Vec::new();
    if !prompt.system.is_empty() {
        let content = contents(&prompt.system, provider, losses)?;
        messages.push(json!({"role": "system", "content": content}));
    }
    for turn in &prompt.turns {
        match turn.role {
            Role::System => {
                let content = contents(&turn.parts, provider, losses)?;
                messages.push(json!({"role": "system", "content": content}));
            }
            Role::User => user(&turn.parts, provider, losses, &mut messages)?,
            Role::Assistant => messages.extend(assistant(&turn.parts, provider, losses)?),
        }
    }
    Ok(messages)
}

/// A message for each tool result, then what else is in the turn. Only text may stand in a result's
/// message, so its pictures follow as the user's.
fn user(
    parts: &[Part],
    provider: &Capabilities,
    losses: &mut Losses,
    messages: &mut Vec<Value>,
) -> Result<(), Refused> {
    let mut others: Vec<Part> = Vec::new();
    let mut spoken = Vec::new();
    for part in parts {
        let Content::ToolResult(result) = &part.content else {
            spoken.push(part.clone());
            continue;
        };
        messages.push(json!({
            "role": "tool",
            "tool_call_id": result.call_id,
            "content": result_text(result),
        }));
        let shown = result.parts.iter().filter(|it| !matches!(it.content, Content::Text(_)));
        let shown: Vec<Part> = shown.cloned().collect();
        if !shown.is_empty() {
            losses.note(&part.at, "holds more than text, which was put into a message after it");
            others.push(Part::text("", format!("From the result of {}:", result.call_id)));
            others.extend(shown);
        }
    }
    others.extend(spoken);
    if !others.is_empty() {
        let content = contents(&others, provider, losses)?;
        messages.push(json!({"role": "user", "content": content}));
    }
    Ok(())
}

/// The texts of a result, and the mark of an error.
pub(in crate::translate) fn result_text(result: &ToolResult) -> String {
    let text = result.parts.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n");
    let marked = text.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("error"));
    if result.is_error && !marked { format!("{ERROR_MARK}{text}") } else { text }
}

/// A message's content: a text when it is one, else a list of parts.
fn contents(
    parts: &[Part],
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<Value, Refused> {
    for part in parts.iter().filter(|it| it.cache.is_some()) {
        losses.note(&part.at, CACHE_LOST);
    }
    if let [Part { content: Content::Text(text), .. }] = parts {
        return Ok(text.as_str().into());
    }
    let texts: Option<Vec<&str>> = parts.iter().map(Part::as_text).collect();
    if let Some(texts) = texts.filter(|_| provider.text_only_content) {
        return Ok(texts.join("\n\n").into());
    }
    parts.iter().map(content).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// What is said of cache hints to providers that cache by themselves.
pub(in crate::translate) const CACHE_LOST: &str =
    "its cache hint was left out: the provider caches by itself";

fn content(part: &Part) -> Result<Value, Refused> {
    let refuse = |why: &str| Err(Refused::new(&part.at, why));
    Ok(match &part.content {
        Content::Text(text) => json!({"type": "text", "text": text}),
        Content::Refusal(text) => json!({"type": "refusal", "refusal": text}),
        Content::Image(source) => {
            picture(source).ok_or_else(|| Refused::new(&part.at, "is no picture"))?
        }
        Content::Document { source: Source::Base64 { media_type, data }, name } => {
            let name = name.as_deref().unwrap_or("document");
            let data = data_url(media_type, data);
            json!({"type": "file", "file": {"filename": name, "file_data": data}})
        }
        Content::Document { source: Source::Text(text), name } => {
            let heading = name.as_ref().map(|it| format!("{it}\n\n")).unwrap_or_default();
            json!({"type": "text", "text": format!("{heading}{text}")})
        }
        Content::Document { source: Source::Url { .. }, .. } => {
            return refuse("OpenAI's chat format takes no document by its address");
        }
        Content::Audio { data, media_type } => {
            let format = match media_type.as_str() {
                "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
                "audio/mp3" | "audio/mpeg" => "mp3",
                _ => return refuse("OpenAI's chat format takes only wav and mp3"),
            };
            json!({"type": "input_audio", "input_audio": {"data": data, "format": format}})
        }
        Content::ToolCall(_) | Content::Thinking(_) | Content::Redacted(_) => {
            return refuse("stands in a turn that is not the assistant's");
        }
        Content::ToolResult(_) => return refuse("stands in a turn that is not the user's"),
    })
}

/// A picture, in what is said to the model and by it.
pub(super) fn picture(source: &Source) -> Option<Value> {
    let url = match source {
        Source::Url { url, .. } => url.clone(),
        Source::Base64 { media_type, data } => data_url(media_type, data),
        Source::Text(_) => return None,
    };
    Some(json!({"type": "image_url", "image_url": {"url": url}}))
}

fn assistant(
    parts: &[Part],
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<Option<Value>, Refused> {
    let (mut said, mut calls, mut details) = (Vec::new(), Vec::new(), Vec::new());
    let mut images = Vec::new();
    let mut thought = String::new();
    for part in parts {
        match &part.content {
            Content::ToolCall(call) => calls.push(tool_call(call)),
            Content::Thinking(thinking) => {
                let own = thinking.signature.as_ref().filter(|it| it.by == Format::OpenaiChat);
                if thinking.signature.is_some() && own.is_none() {
                    losses.note(&part.at, FOREIGN_THINKING);
                } else if provider.reasoning_content {
                    thought.push_str(&thinking.text);
                    let index = details.len();
                    details.extend(own.map(|it| sealed(it, thinking.text.len(), index)));
                } else {
                    losses.note(&part.at, "the provider takes no earlier thinking");
                }
            }
            Content::Redacted(signature) if signature.by == Format::OpenaiChat => {
                details.push(redacted(signature, details.len()));
            }
            Content::Redacted(_) => losses.note(&part.at, FOREIGN_THINKING),
            Content::Text(text) if text.is_empty() => {}
            Content::Text(_) | Content::Refusal(_) => said.push(part.clone()),
            Content::Image(_) => images.push(content(part)?),
            Content::Document { .. } | Content::Audio { .. } => {
                return Err(Refused::new(&part.at, "OpenAI's assistant can only say text"));
            }
            Content::ToolResult(_) => {
                return Err(Refused::new(&part.at, "stands in the assistant's turn"));
            }
        }
    }
    if said.is_empty() && calls.is_empty() && images.is_empty() {
        return Ok(None);
    }
    let content = if said.is_empty() { Value::Null } else { contents(&said, provider, losses)? };
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), content);
    for (name, list) in [("images", images), ("tool_calls", calls), ("reasoning_details", details)]
    {
        if !list.is_empty() {
            message.insert(name.to_owned(), list.into());
        }
    }
    if !thought.is_empty() {
        message.insert("reasoning_content".to_owned(), thought.into());
    }
    Ok(Some(Value::Object(message)))
}

/// What is said of thinking that another provider signed.
pub(in crate::translate) const FOREIGN_THINKING: &str =
    "thinking that another provider signed was left out";

/// A call in a message or a whole answer.
pub(in crate::translate) fn tool_call(call: &ToolCall) -> Value {
    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    })
}

fn tool(tool: &Tool, losses: &mut Losses) -> Value {
    if tool.cache.is_some() {
        losses.note(&tool.at, CACHE_LOST);
    }
    let mut function = Map::new();
    function.insert("name".to_owned(), tool.name.as_str().into());
    function.extend(tool.description.clone().map(|it| ("description".to_owned(), it.into())));
    function.extend(tool.schema.clone().map(|it| ("parameters".to_owned(), it)));
    function.extend(tool.strict.map(|it| ("strict".to_owned(), it.into())));
    json!({"type": "function", "function": function})
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Any => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
        ToolChoice::Among { names, required } => {
            let one = |it: &String| json!({"type": "function", "function": {"name": it}});
            let tools: Vec<Value> = names.iter().map(one).collect();
            let mode = if *required { "required" } else { "auto" };
            json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
        }
    }
}

/// The name of a schema that the client did not name; OpenAI wants one.
pub(in crate::translate) const SCHEMA_NAME: &str = "answer";

fn response_format(shape: Shape) -> Value {
    match shape {
        Shape::Json => json!({"type": "json_object"}),
        Shape::Schema { name, schema, strict } => {
            let mut spec = Map::new();
            let name = name.unwrap_or_else(|| SCHEMA_NAME.to_owned());
            spec.insert("name".to_owned(), name.into());
            spec.insert("schema".to_owned(), schema);
            spec.extend(strict.map(|it| ("strict".to_owned(), it.into())));
            json!({"type": "json_schema", "json_schema": spec})
        }
    }
}

/// The word for how much to think; nothing where the model cannot or OpenAI has no word.
pub(in crate::translate) fn reasoning_effort(
    given: &Given<Reasoning>,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Option<&'static str> {
    if provider.no_reasoning {
        losses.note(&given.at, "the model does not reason");
        return None;
    }
    match given.value.amount {
        Amount::Effort(effort) => Some(openai_word(effort)),
        Amount::Budget(budget) => Some(openai_word(effort_for(budget))),
        Amount::Free => None,
        Amount::Off => {
            losses.note(&given.at, "not every model can be told not to reason");
            None
        }
    }
}
