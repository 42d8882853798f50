//! Writes a Messages request.

use std::collections::HashSet;

use serde_json::{Map, Number, Value, json};
use tollgate_core::Format;

use super::{MAX_TOKENS_DEFAULT, thinks::Thinks};
use crate::{
    ir::{
        CacheHint, Content, Given, Part, Prompt, Role, Shape, Source, Tool, ToolCall, ToolChoice,
        ToolResult, Turn,
    },
    loss::{Losses, Refused},
    translate::{
        Capabilities,
        shape::{self, rooted},
        turns::{Blanks, alternate, hand_over_pictures, hoist_system, results_first},
    },
};

/// Writes a request's body; with the name of the tool that stands for a prescribed shape, if there
/// is one.
pub(in crate::translate) fn request(
    mut prompt: Prompt,
    model: &str,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<(Value, Option<&'static str>), Refused> {
    refuse(&prompt)?;
    refuse_force(&prompt, provider)?;
    hand_over_pictures(&mut prompt, losses);
    hoist_system(&mut prompt, losses);
    alternate(&mut prompt, Blanks::Refused, losses);
    results_first(&mut prompt);
    trim_beginning(&mut prompt.turns);
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    let thinking = Thinks::of(&prompt, provider, &[Format::AnthropicMessages], losses);
    let max_tokens = max_tokens(&prompt, provider, &thinking, losses);
    body.insert("max_tokens".to_owned(), max_tokens.into());
    let system: Vec<Value> = blocks(&prompt.system, losses)?;
    if !system.is_empty() {
        body.insert("system".to_owned(), plain_or(system));
    }
    let messages = prompt.turns.iter().map(|it| message(it, losses));
    body.insert("messages".to_owned(), messages.collect::<Result<Vec<_>, _>>()?.into());
    if prompt.stream {
        body.insert("stream".to_owned(), true.into());
    }
    let json_tool = if provider.structured_output {
        if let Some(shape) = &prompt.shape {
            structured_output(shape, &mut body, losses);
        }
        None
    } else {
        let tool = shape::by_tool(&mut prompt)?;
        // The choice is that of the shape now.
        refuse_force(&prompt, provider)?;
        tool
    };
    tools(&prompt, &thinking, &mut body, losses);
    sampling(&prompt, &thinking, &mut body, losses);
    if let Some(stops) = prompt.stops {
        body.insert("stop_sequences".to_owned(), stops.value.into());
    }
    if let Some((thinking, effort)) = thinking.members(max_tokens) {
        if let Some(effort) = effort {
            let config = body.entry("output_config").or_insert_with(|| json!({}));
            if let Value::Object(config) = config {
                config.insert("effort".to_owned(), effort.into());
            }
        }
        body.insert("thinking".to_owned(), thinking);
    }
    if let Some(user) = prompt.end_user {
        body.insert("metadata".to_owned(), json!({"user_id": user.value}));
    }
    for (at, why) in [
        (prompt.seed.map(|it| it.at), "Anthropic takes no seed"),
        (prompt.frequency_penalty.map(|it| it.at), "Anthropic has no such penalty"),
        (prompt.presence_penalty.map(|it| it.at), "Anthropic has no such penalty"),
        (prompt.logprobs.map(|it| it.at), "Anthropic tells no log probabilities"),
        (prompt.metadata.map(|it| it.at), "Anthropic takes no metadata but the user's id"),
        (prompt.service_tier.map(|it| it.at), "each provider has service tiers of its own"),
    ] {
        if let Some(at) = at {
            losses.note(at, why);
        }
    }
    Ok((Value::Object(body), json_tool))
}

fn refuse(prompt: &Prompt) -> Result<(), Refused> {
    match &prompt.answers {
        Some(answers) => Err(Refused::new(&answers.at, "Anthropic gives only one answer")),
        None => Ok(()),
    }
}

/// A tool that the model must call would become one that it may.
fn refuse_force(prompt: &Prompt, provider: &Capabilities) -> Result<(), Refused> {
    let Some(Given { at, value }) = &prompt.tool_choice else { return Ok(()) };
    let forced = match value {
        ToolChoice::Any | ToolChoice::Named(_) => true,
        ToolChoice::Among { required, .. } => *required,
        ToolChoice::Auto | ToolChoice::None => false,
    };
    if forced && provider.no_forced_tool {
        return Err(Refused::new(at, "the model cannot be made to call a tool"));
    }
    Ok(())
}

/// Where the assistant speaks last, its turn is the beginning of the answer, and Anthropic refuses
/// one that ends with white space.
pub(in crate::translate) fn trim_beginning(turns: &mut [Turn]) {
    if let Some(Turn { role: Role::Assistant, parts, .. }) = turns.last_mut()
        && let Some(Part { content: Content::Text(text), .. }) = parts.last_mut()
    {
        text.truncate(text.trim_end().len());
    }
}

/// A single plain text as a text, anything else as the list that it is.
fn plain_or(mut blocks: Vec<Value>) -> Value {
    if let [Value::Object(block)] = blocks.as_mut_slice()
        && block.len() == 2
        && let Some(Value::String(text)) = block.get_mut("text")
    {
        return std::mem::take(text).into();
    }
    blocks.into()
}

fn message(turn: &Turn, losses: &mut Losses) -> Result<Value, Refused> {
    let role = match turn.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => return Err(Refused::new(&turn.at, "stands in the middle")),
    };
    Ok(json!({"role": role, "content": plain_or(blocks(&turn.parts, losses)?)}))
}

fn blocks(parts: &[Part], losses: &mut Losses) -> Result<Vec<Value>, Refused> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        let Some(mut block) = block(part, losses)? else { continue };
        if let (Value::Object(members), Some(hint)) = (&mut block, part.cache) {
            members.insert("cache_control".to_owned(), cache_control(hint));
        }
        blocks.push(block);
    }
    Ok(blocks)
}

fn cache_control(hint: CacheHint) -> Value {
    match hint {
        CacheHint::FiveMinutes => json!({"type": "ephemeral"}),
        CacheHint::OneHour => json!({"type": "ephemeral", "ttl": "1h"}),
    }
}

fn block(part: &Part, losses: &mut Losses) -> Result<Option<Value>, Refused> {
    Ok(Some(match &part.content {
        Content::Text(text) | Content::Refusal(text) => json!({"type": "text", "text": text}),
        Content::Image(source) => json!({"type": "image", "source": self::source(source)}),
        Content::Document { source, name } => {
            let mut block = json!({"type": "document", "source": self::source(source)});
            if let (Value::Object(members), Some(name)) = (&mut block, name) {
                members.insert("title".to_owned(), name.as_str().into());
            }
            block
        }
        Content::Audio { .. } => {
            return Err(Refused::new(&part.at, "Anthropic takes no audio"));
        }
        Content::ToolCall(call) => tool_use(call, &part.at, losses),
        Content::ToolResult(result) => tool_result(result, losses)?,
        Content::Thinking(thinking) => {
            let own = thinking.signature.as_ref().filter(|it| it.by == Format::AnthropicMessages);
            let Some(own) = own else {
                losses.note(&part.at, "thinking that Anthropic did not sign was left out");
                return Ok(None);
            };
            json!({"type": "thinking", "thinking": thinking.text, "signature": own.value})
        }
        Content::Redacted(signature) => {
            if signature.by != Format::AnthropicMessages {
                losses.note(&part.at, "thinking that another provider hid was left out");
                return Ok(None);
            }
            json!({"type": "redacted_thinking", "data": signature.value})
        }
    }))
}

fn source(source: &Source) -> Value {
    match source {
        Source::Url { url, .. } => json!({"type": "url", "url": url}),
        Source::Base64 { media_type, data } => {
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
        Source::Text(text) => {
            json!({"type": "text", "media_type": "text/plain", "data": text})
        }
    }
}

fn tool_use(call: &ToolCall, at: &str, losses: &mut Losses) -> Value {
    let input = object_of(&call.arguments).unwrap_or_else(|| {
        losses.note(at, "its arguments are no JSON object and were wrapped into one");
        json!({"arguments": call.arguments})
    });
    json!({"type": "tool_use", "id": plain_id(&call.id), "name": call.name, "input": input})
}

/// A call's arguments as the object that some formats want; none are an empty object.
pub(in crate::translate) fn object_of(arguments: &str) -> Option<Value> {
    if arguments.trim().is_empty() {
        return Some(json!({}));
    }
    serde_json::from_str(arguments).ok().filter(Value::is_object)
}

/// Anthropic takes only letters, digits, `_` and `-` in ids; others are replaced, the same way in
/// the call and its result. Ids that differ stay different by the length or what is kept of them.
pub(in crate::translate) fn plain_id(id: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    if id.chars().all(plain) {
        return id.to_owned();
    }
    let mut out = String::with_capacity(id.len() + 8);
    for letter in id.chars() {
        if plain(letter) {
            out.push(letter);
        } else {
            out.push_str(&format!("_{:x}_", u32::from(letter)));
        }
    }
    out
}

fn tool_result(result: &ToolResult, losses: &mut Losses) -> Result<Value, Refused> {
    let mut block = Map::new();
    block.insert("type".to_owned(), "tool_result".into());
    block.insert("tool_use_id".to_owned(), plain_id(&result.call_id).into());
    let filled = |it: &&Part| !matches!(&it.content, Content::Text(text) if text.is_empty());
    let parts: Vec<Part> = result.parts.iter().filter(filled).cloned().collect();
    let content = blocks(&parts, losses)?;
    if !content.is_empty() {
        block.insert("content".to_owned(), plain_or(content));
    }
    if result.is_error {
        block.insert("is_error".to_owned(), true.into());
    }
    Ok(block.into())
}

/// Writes tools and tool choice.
fn tools(prompt: &Prompt, thinking: &Thinks, body: &mut Map<String, Value>, losses: &mut Losses) {
    let mut choice = prompt.tool_choice.as_ref().map(|it| it.value.clone());
    let mut among: Option<HashSet<String>> = None;
    if let Some(ToolChoice::Among { names, required }) = choice {
        among = Some(names.into_iter().collect());
        choice = Some(if required { ToolChoice::Any } else { ToolChoice::Auto });
    }
    let offered = prompt
        .tools
        .iter()
        .filter(|it| among.as_ref().is_none_or(|among| among.contains(&it.name)));
    let tools: Vec<Value> = offered.map(tool).collect();
    if tools.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), tools.into());
    if thinking.is_on() && matches!(choice, Some(ToolChoice::Any | ToolChoice::Named(_))) {
        let at = prompt.tool_choice.as_ref().map_or("", |it| &it.at);
        losses.note(at, "Anthropic forces no tool while it thinks");
        choice = Some(ToolChoice::Auto);
    }
    let parallel = prompt.parallel_tool_calls.as_ref().map(|it| it.value);
    if let Some(choice) = tool_choice(choice, parallel) {
        body.insert("tool_choice".to_owned(), choice);
    }
}

fn tool(tool: &Tool) -> Value {
    let mut members = Map::new();
    members.insert("name".to_owned(), tool.name.as_str().into());
    members.extend(tool.description.clone().map(|it| ("description".to_owned(), it.into())));
    let schema = tool.schema.clone().unwrap_or_else(|| json!({"type": "object"}));
    members.insert("input_schema".to_owned(), rooted(schema));
    if tool.strict == Some(true) {
        members.insert("strict".to_owned(), true.into());
    }
    members.extend(tool.cache.map(|it| ("cache_control".to_owned(), cache_control(it))));
    Value::Object(members)
}

fn structured_output(shape: &Given<Shape>, body: &mut Map<String, Value>, losses: &mut Losses) {
    match &shape.value {
        Shape::Schema { schema, .. } => {
            let format = json!({"format": {"type": "json_schema", "schema": schema}});
            body.insert("output_config".to_owned(), format);
        }
        Shape::Json => losses.note(&shape.at, "Anthropic makes JSON only by a schema"),
    }
}

fn tool_choice(choice: Option<ToolChoice>, parallel: Option<bool>) -> Option<Value> {
    let serial = parallel == Some(false);
    let mut value = match choice {
        None if !serial => return None,
        None | Some(ToolChoice::Auto | ToolChoice::Among { .. }) => json!({"type": "auto"}),
        Some(ToolChoice::None) => return Some(json!({"type": "none"})),
        Some(ToolChoice::Any) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
    };
    if let (Value::Object(members), Some(parallel)) = (&mut value, parallel) {
        members.insert("disable_parallel_tool_use".to_owned(), (!parallel).into());
    }
    Some(value)
}

fn sampling(
    prompt: &Prompt,
    thinking: &Thinks,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) {
    if thinking.is_on() {
        let given = [&prompt.temperature, &prompt.top_p, &prompt.top_k];
        for number in given.into_iter().flatten() {
            losses.note(&number.at, "Anthropic takes none while it thinks");
        }
        return;
    }
    if let Some(given) = &prompt.temperature {
        let mut value = given.value.clone();
        // OpenAI and Gemini go up to 2.
        if value.as_f64().is_some_and(|it| it > 1.0) {
            losses.note(&given.at, "was lowered to 1, the most that Anthropic takes");
            value = Number::from(1);
        }
        body.insert("temperature".to_owned(), value.into());
    }
    if let Some(given) = &prompt.top_p {
        // Since Opus 4.1 the two together are an error.
        if prompt.temperature.is_some() {
            losses.note(&given.at, "Anthropic takes only one of `temperature` and `top_p`");
        } else {
            body.insert("top_p".to_owned(), given.value.clone().into());
        }
    }
    let top_k = prompt.top_k.as_ref();
    body.extend(top_k.map(|it| ("top_k".to_owned(), it.value.clone().into())));
}

/// `max_tokens`, which must be given and be more than what is thought.
fn max_tokens(
    prompt: &Prompt,
    provider: &Capabilities,
    thinking: &Thinks,
    losses: &mut Losses,
) -> u64 {
    let default = provider.max_tokens_default.unwrap_or(MAX_TOKENS_DEFAULT);
    if let Some(given) = &prompt.max_tokens {
        return given.value;
    }
    let budget = match thinking {
        Thinks::Budget(budget) => *budget,
        Thinks::Not | Thinks::Off | Thinks::Adaptive(_) => 0,
    };
    let most = provider.max_tokens_limit.unwrap_or(u64::MAX);
    let value = default.saturating_add(budget).min(most);
    losses.note(prompt.max_tokens_at, format!("was not given, and Anthropic wants one: {value}"));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_anthropic_refuses_are_replaced_and_stay_distinct() {
        assert_eq!(plain_id("call_1-A"), "call_1-A");
        assert_ne!(plain_id("a.b"), plain_id("a:b"));
        assert!(plain_id("f/1 ü").chars().all(|it| it.is_ascii_alphanumeric() || it == '_'));
    }

    #[test]
    fn arguments_that_are_no_object_are_told_apart() {
        assert_eq!(object_of(" "), Some(json!({})));
        assert_eq!(object_of(r#"{"a":1}"#), Some(json!({"a": 1})));
        assert_eq!(object_of("[1]"), None);
        assert_eq!(object_of(r#"{"a":"#), None);
    }
}
