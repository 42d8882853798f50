//! Writes a Responses request.

use serde_json::{Map, Value, json};

use super::{
    own_parts,
    read::{IMAGE_TOOL, LOGPROBS},
};
use crate::{
    ir::{
        Amount, Content, Given, Part, Pictures, Prompt, Role, Shape, Source, Tool, ToolChoice,
        ToolResult,
    },
    loss::{Losses, Refused},
    translate::{
        Capabilities,
        logprobs::likeliest,
        media::data_url,
        openai_chat::write::{
            CACHE_LOST, ERROR_MARK, FOREIGN_THINKING, SCHEMA_NAME, end_user, reasoning_effort,
            result_text, service_tier,
        },
        turns::hand_over_pictures,
    },
};

/// OpenAI refuses less.
const MAX_TOKENS_MIN: u64 = 16;

/// Writes a request's body. Nothing is stored at the provider.
pub(in crate::translate) fn request(
    mut prompt: Prompt,
    model: &str,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<Value, Refused> {
    refuse(&prompt)?;
    // Only a model that makes pictures is known to take back its own.
    if prompt.pictures.is_none() {
        hand_over_pictures(&mut prompt, losses);
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    if !prompt.system.is_empty() {
        cache_lost(&prompt.system, losses);
        let texts: Vec<&str> = prompt.system.iter().filter_map(Part::as_text).collect();
        body.insert("instructions".to_owned(), texts.join("\n\n").into());
    }
    let input = input(&prompt, losses)?;
    body.insert("input".to_owned(), input.into());
    body.insert("store".to_owned(), false.into());
    if prompt.stream {
        body.insert("stream".to_owned(), true.into());
    }
    let mut tools: Vec<Value> = prompt.tools.iter().map(|it| tool(it, losses)).collect();
    let pictures = prompt.pictures.map(|it| it.value);
    tools.extend(pictures.map(|_| json!({"type": IMAGE_TOOL})));
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    if let Some(choice) = &prompt.tool_choice {
        body.insert("tool_choice".to_owned(), tool_choice(&choice.value));
    } else if pictures == Some(Pictures::Alone) {
        body.insert("tool_choice".to_owned(), json!({"type": IMAGE_TOOL}));
    }
    let mut include = Vec::new();
    if let Some(asked) = &prompt.logprobs {
        include.push(LOGPROBS);
        let likeliest = likeliest(asked, losses);
        body.extend(likeliest.map(|it| ("top_logprobs".to_owned(), it.into())));
    }
    if let Some(parallel) = prompt.parallel_tool_calls.filter(|_| !prompt.tools.is_empty()) {
        body.insert("parallel_tool_calls".to_owned(), parallel.value.into());
    }
    if let Some(shape) = prompt.shape {
        body.insert("text".to_owned(), json!({"format": text_format(shape.value)}));
    }
    for (name, number) in [("temperature", prompt.temperature), ("top_p", prompt.top_p)] {
        body.extend(number.map(|it| (name.to_owned(), it.value.into())));
    }
    if let Some(Given { at, value }) = prompt.max_tokens {
        if value < MAX_TOKENS_MIN {
            losses.note(at, format!("was raised to {MAX_TOKENS_MIN}, the least that OpenAI takes"));
        }
        body.insert("max_output_tokens".to_owned(), value.max(MAX_TOKENS_MIN).into());
    }
    if let Some(given) = &prompt.reasoning {
        include.extend(reasoning(given, provider, &mut body, losses));
    }
    if !include.is_empty() {
        body.insert("include".to_owned(), include.into());
    }
    let user = prompt.end_user.and_then(|it| end_user(it, losses));
    body.extend(user.map(|it| ("user".to_owned(), it.into())));
    body.extend(prompt.metadata.map(|it| ("metadata".to_owned(), it.value.into())));
    let tier = prompt.service_tier.and_then(|it| service_tier(it, losses));
    body.extend(tier.map(|it| ("service_tier".to_owned(), it.into())));
    for (at, why) in [
        (prompt.top_k.map(|it| it.at), "has no counterpart in OpenAI's format"),
        (prompt.seed.map(|it| it.at), "the Responses API takes no seed"),
        (prompt.frequency_penalty.map(|it| it.at), "the Responses API has no such penalty"),
        (prompt.presence_penalty.map(|it| it.at), "the Responses API has no such penalty"),
    ] {
        if let Some(at) = at {
            losses.note(at, why);
        }
    }
    Ok(Value::Object(body))
}

fn refuse(prompt: &Prompt) -> Result<(), Refused> {
    if let Some(answers) = &prompt.answers {
        return Err(Refused::new(&answers.at, "the Responses API gives only one answer"));
    }
    if let Some(stops) = &prompt.stops {
        return Err(Refused::new(&stops.at, "the Responses API has no stop sequences"));
    }
    if let Some(part) = prompt.system.iter().find(|it| it.as_text().is_none()) {
        return Err(Refused::new(&part.at, "OpenAI's instructions are text"));
    }
    Ok(())
}

fn cache_lost(parts: &[Part], losses: &mut Losses) {
    for part in parts.iter().filter(|it| it.cache.is_some()) {
        losses.note(&part.at, CACHE_LOST);
    }
}

fn input(prompt: &Prompt, losses: &mut Losses) -> Result<Vec<Value>, Refused> {
    let mut items = Vec::new();
    for turn in &prompt.turns {
        cache_lost(&turn.parts, losses);
        match turn.role {
            Role::System => items.extend(message("system", &turn.parts)?),
            Role::User => {
                let mut spoken = Vec::new();
                for part in &turn.parts {
                    if let Content::ToolResult(result) = &part.content {
                        items.push(tool_result(result, losses)?);
                    } else {
                        spoken.push(part.clone());
                    }
                }
                items.extend(message("user", &spoken)?);
            }
            Role::Assistant => assistant(&turn.parts, &mut items, losses)?,
        }
    }
    Ok(items)
}

fn message(role: &str, parts: &[Part]) -> Result<Option<Value>, Refused> {
    if parts.is_empty() {
        return Ok(None);
    }
    let content = parts.iter().map(content).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(json!({"type": "message", "role": role, "content": content})))
}

fn content(part: &Part) -> Result<Value, Refused> {
    let refuse = |why: &str| Err(Refused::new(&part.at, why));
    Ok(match &part.content {
        Content::Text(text) | Content::Refusal(text) => json!({"type": "input_text", "text": text}),
        Content::Image(Source::Url { url, .. }) => {
            json!({"type": "input_image", "image_url": url})
        }
        Content::Image(Source::Base64 { media_type, data }) => {
            json!({"type": "input_image", "image_url": data_url(media_type, data)})
        }
        Content::Document { source: Source::Base64 { media_type, data }, name } => {
            let name = name.as_deref().unwrap_or("document");
            json!({"type": "input_file", "filename": name, "file_data": data_url(media_type, data)})
        }
        Content::Document { source: Source::Url { url, .. }, .. } => {
            json!({"type": "input_file", "file_url": url})
        }
        Content::Document { source: Source::Text(text), name } => {
            let heading = name.as_ref().map(|it| format!("{it}\n\n")).unwrap_or_default();
            json!({"type": "input_text", "text": format!("{heading}{text}")})
        }
        Content::Audio { .. } => return refuse("the Responses API takes no audio"),
        Content::Image(Source::Text(_)) => return refuse("is no picture"),
        Content::ToolCall(_) | Content::Thinking(_) | Content::Redacted(_) => {
            return refuse("stands in a turn that is not the assistant's");
        }
        Content::ToolResult(_) => return refuse("stands in a turn that is not the user's"),
    })
}

fn tool_result(result: &ToolResult, losses: &mut Losses) -> Result<Value, Refused> {
    cache_lost(&result.parts, losses);
    let output = if result.parts.iter().all(|it| it.as_text().is_some()) {
        result_text(result).into()
    } else {
        let mut output = result.parts.iter().map(content).collect::<Result<Vec<_>, _>>()?;
        if result.is_error {
            output.insert(0, json!({"type": "input_text", "text": ERROR_MARK.trim_end()}));
        }
        Value::Array(output)
    };
    Ok(json!({"type": "function_call_output", "call_id": result.call_id, "output": output}))
}

/// The items of a turn of the assistant's, in order.
fn assistant(parts: &[Part], items: &mut Vec<Value>, losses: &mut Losses) -> Result<(), Refused> {
    for part in parts {
        let said =
            |content: Value| json!({"type": "message", "role": "assistant", "content": [content]});
        items.push(match &part.content {
            Content::Text(text) if text.is_empty() => continue,
            Content::Text(text) => said(json!({"type": "output_text", "text": text})),
            Content::Refusal(text) => said(json!({"type": "refusal", "refusal": text})),
            Content::ToolCall(call) => {
                let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                json!({
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": arguments,
                })
            }
            Content::Thinking(thinking) => {
                let own = thinking.signature.as_ref().and_then(own_parts);
                let Some((id, encrypted)) = own else {
                    losses.note(&part.at, FOREIGN_THINKING);
                    continue;
                };
                reasoning_item(id, &thinking.text, Some(encrypted))
            }
            Content::Redacted(seal) => {
                let Some((id, encrypted)) = own_parts(seal) else {
                    losses.note(&part.at, FOREIGN_THINKING);
                    continue;
                };
                reasoning_item(id, "", Some(encrypted))
            }
            Content::Image(Source::Base64 { data, .. }) => {
                let id = format!("ig_{}", items.len());
                picture_item(&id, "completed", Some(data))
            }
            Content::Image(_) => {
                return Err(Refused::new(&part.at, "OpenAI takes back only a picture's bytes"));
            }
            Content::Document { .. } | Content::Audio { .. } => {
                return Err(Refused::new(&part.at, "OpenAI's assistant can only say text"));
            }
            Content::ToolResult(_) => {
                return Err(Refused::new(&part.at, "stands in the assistant's turn"));
            }
        });
    }
    Ok(())
}

/// A picture that was made, in requests and answers.
pub(super) fn picture_item(id: &str, status: &str, data: Option<&str>) -> Value {
    json!({"id": id, "type": "image_generation_call", "status": status, "result": data})
}

/// A reasoning item, in requests and answers.
pub(super) fn reasoning_item(id: &str, text: &str, encrypted: Option<&str>) -> Value {
    let mut item = Map::new();
    if !id.is_empty() {
        item.insert("id".to_owned(), id.into());
    }
    item.insert("type".to_owned(), "reasoning".into());
    let summary: Vec<Value> = if text.is_empty() {
        Vec::new()
    } else {
        vec![json!({"type": "summary_text", "text": text})]
    };
    item.insert("summary".to_owned(), summary.into());
    item.extend(encrypted.map(|it| ("encrypted_content".to_owned(), it.into())));
    Value::Object(item)
}

/// A tool. This API takes `strict` for granted, where the others do not.
fn tool(tool: &Tool, losses: &mut Losses) -> Value {
    if tool.cache.is_some() {
        losses.note(&tool.at, CACHE_LOST);
    }
    let mut members = Map::new();
    members.insert("type".to_owned(), "function".into());
    members.insert("name".to_owned(), tool.name.as_str().into());
    members.extend(tool.description.clone().map(|it| ("description".to_owned(), it.into())));
    let empty = || json!({"type": "object", "properties": {}});
    members.insert("parameters".to_owned(), tool.schema.clone().unwrap_or_else(empty));
    members.insert("strict".to_owned(), tool.strict.unwrap_or(false).into());
    Value::Object(members)
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Any => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "name": name}),
        ToolChoice::Among { names, required } => {
            let tools = names.iter().map(|it| json!({"type": "function", "name": it}));
            let tools: Vec<Value> = tools.collect();
            let mode = if *required { "required" } else { "auto" };
            json!({"type": "allowed_tools", "mode": mode, "tools": tools})
        }
    }
}

fn text_format(shape: Shape) -> Value {
    match shape {
        Shape::Json => json!({"type": "json_object"}),
        Shape::Schema { name, schema, strict } => {
            let mut format = Map::new();
            format.insert("type".to_owned(), "json_schema".into());
            let name = name.unwrap_or_else(|| SCHEMA_NAME.to_owned());
            format.insert("name".to_owned(), name.into());
            format.insert("schema".to_owned(), schema);
            format.extend(strict.map(|it| ("strict".to_owned(), it.into())));
            Value::Object(format)
        }
    }
}

/// The effort, and a summary where the client wants to see one; what to include are the seals that
/// let the next request go on: nothing is stored.
fn reasoning(
    given: &Given<crate::ir::Reasoning>,
    provider: &Capabilities,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Option<&'static str> {
    let effort = reasoning_effort(given, provider, losses);
    if provider.no_reasoning || given.value.amount == Amount::Off {
        return None;
    }
    let mut reasoning = Map::new();
    reasoning.extend(effort.map(|it| ("effort".to_owned(), it.into())));
    if given.value.shown == Some(true) {
        reasoning.insert("summary".to_owned(), "auto".into());
    }
    if !reasoning.is_empty() {
        body.insert("reasoning".to_owned(), reasoning.into());
    }
    Some("reasoning.encrypted_content")
}

#[cfg(test)]
mod tests {
    use tollgate_core::Format;

    use super::*;
    use crate::ir::Signature;

    #[test]
    fn only_seals_of_the_api_itself_are_sent_back_to_it() {
        let own = Signature { by: Format::OpenaiResponses, value: "rs_1.gAAA".to_owned() };
        assert_eq!(own_parts(&own), Some(("rs_1", "gAAA")));
        let foreign = Signature { by: Format::Gemini, value: "rs_1.gAAA".to_owned() };
        assert_eq!(own_parts(&foreign), None);
    }
}
