//! Reads a Responses request.

use serde_json::{Value, json};

use super::{namespaced, sealed_thinking};
use crate::{
    ir::{
        Content, Given, INPUT, Part, Pictures, Prompt, Reasoning, Role, Shape, Source, Thinking,
        Tool, ToolCall, ToolChoice, ToolResult, Turn,
    },
    loss::{Losses, Refused},
    translate::{
        fields::{Fields, element},
        media::{file_of, picture_type, source_of},
        reasoning::effort_of,
    },
};

/// What `include` names for log probabilities.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

/// The tool of the provider's that makes pictures.
pub(super) const IMAGE_TOOL: &str = "image_generation";

/// Reads a request's body.
pub(in crate::translate) fn request(body: Value, losses: &mut Losses) -> Result<Prompt, Refused> {
    let mut fields = Fields::new(body, "")?;
    refuse_what_is_remembered(&mut fields)?;
    fields.pass_over(&["model"]);
    let mut prompt = Prompt {
        turns_at: "input",
        max_tokens_at: "max_output_tokens",
        stream: fields.bool("stream")?.unwrap_or(false),
        include_usage: true,
        ..Prompt::default()
    };
    if let Some(mut options) = fields.object("stream_options")? {
        options.pass_over(&["include_obfuscation"]);
        options.rest(losses);
    }
    if let Some(text) = fields.text("instructions")? {
        prompt.system.push(Part::text(fields.path("instructions"), text));
    }
    input(&mut fields, &mut prompt, losses)?;
    for tool in fields.objects("tools")? {
        match tool.peek("type") {
            Some("namespace") => namespace(tool, &mut prompt, losses)?,
            Some(IMAGE_TOOL) => prompt.pictures = Some(image_tool(tool, losses)),
            Some(_) | None => prompt.tools.push(self::tool(tool, losses)?),
        }
    }
    let image_at = fields.path("tool_choice");
    let wants_image = fields.take_if("tool_choice", |it| it["type"] == IMAGE_TOOL).is_some();
    if wants_image {
        prompt.pictures = Some(Given { at: image_at, value: Pictures::Alone });
    }
    prompt.tool_choice = tool_choice(&mut fields, losses)?;
    prompt.parallel_tool_calls = fields.given_bool("parallel_tool_calls")?;
    prompt.temperature = fields.given_number("temperature")?;
    prompt.top_p = fields.given_number("top_p")?;
    let likeliest = fields.given_count("top_logprobs")?.filter(|it| it.value > 0);
    prompt.logprobs = likeliest.map(|it| Given { at: it.at, value: Some(it.value) });
    prompt.max_tokens = fields.given_count("max_output_tokens")?;
    if let Some(text) = fields.object("text")? {
        prompt.shape = shape(text, losses)?;
    }
    if let Some(reasoning) = fields.object("reasoning")? {
        prompt.reasoning = self::reasoning(reasoning, losses)?;
    }
    let user = fields.given_text("user")?;
    prompt.end_user = fields.given_text("safety_identifier")?.or(user);
    prompt.metadata = fields
        .object("metadata")?
        .map(|it| Given { at: it.at.clone(), value: it.into_members() })
        .filter(|it| !it.value.is_empty());
    prompt.service_tier = fields.given_text("service_tier")?;
    what_else(&mut fields, &mut prompt, losses)?;
    fields.rest(losses);
    Ok(prompt)
}

/// What names something that the provider would have to remember.
fn refuse_what_is_remembered(fields: &mut Fields) -> Result<(), Refused> {
    for (name, why) in [
        ("previous_response_id", "names an answer that is not at hand"),
        ("conversation", "names a conversation that only its provider has"),
        ("prompt", "names a prompt that only its provider has"),
    ] {
        if fields.has(name) {
            return Err(fields.refuse(name, why));
        }
    }
    if fields.bool("background")? == Some(true) {
        return Err(fields.refuse("background", "only its provider can answer later"));
    }
    if !fields.has("input") {
        return Err(fields.refuse("input", "is missing"));
    }
    Ok(())
}

/// Members that ask for something about the answer and not for another answer.
fn what_else(fields: &mut Fields, prompt: &mut Prompt, losses: &mut Losses) -> Result<(), Refused> {
    if let Some(include) = fields.given_texts("include")? {
        let asks_for = |what: &str| include.value.iter().any(|it| it == what);
        if prompt.logprobs.is_none() && asks_for(LOGPROBS) {
            prompt.logprobs = Some(Given { at: include.at.clone(), value: None });
        }
        // Seals are given to the client anyway.
        let known = [LOGPROBS, "reasoning.encrypted_content"];
        if include.value.iter().any(|it| !known.contains(&it.as_str())) {
            losses.note(include.at, "asks for details that only OpenAI gives");
        }
    }
    if let Some(store) = fields.given_bool("store")?.filter(|it| it.value) {
        losses.note(store.at, "the provider stores no answers");
    }
    if fields.peek("truncation") == Some("disabled") {
        fields.pass_over(&["truncation"]);
    }
    Ok(())
}

/// `input`: a text, or the items of a conversation.
fn input(fields: &mut Fields, prompt: &mut Prompt, losses: &mut Losses) -> Result<(), Refused> {
    let at = fields.path("input");
    match fields.take("input") {
        Some(Value::String(text)) => push(prompt, Role::User, &at, vec![Part::text(&at, text)]),
        Some(Value::Array(items)) => {
            for (i, item) in items.into_iter().enumerate() {
                self::item(Fields::new(item, element(&at, i))?, prompt, losses)?;
            }
        }
        Some(_) | None => return Err(Refused::new(at, "must be a string or a list")),
    }
    Ok(())
}

/// Adds parts to the turn at hand if the same side speaks it: what is a turn elsewhere is several
/// items here.
fn push(prompt: &mut Prompt, role: Role, at: &str, parts: Vec<Part>) {
    if role == Role::System && prompt.turns.is_empty() {
        prompt.system.extend(parts);
        return;
    }
    let goes_on = |last: &&mut Turn| {
        let is_one_turn =
            role == Role::Assistant || (is_results(&last.parts) && is_results(&parts));
        last.role == role && is_one_turn
    };
    match prompt.turns.last_mut().filter(goes_on) {
        Some(last) => last.parts.extend(parts),
        None => prompt.turns.push(Turn { role, at: at.to_owned(), parts }),
    }
}

fn is_results(parts: &[Part]) -> bool {
    parts.iter().all(|it| matches!(it.content, Content::ToolResult(_)))
}

fn item(mut fields: Fields, prompt: &mut Prompt, losses: &mut Losses) -> Result<(), Refused> {
    let at = fields.at.clone();
    let kind = fields.text("type")?.unwrap_or_else(|| "message".to_owned());
    // The item's own id and status are the provider's book-keeping.
    fields.pass_over(&["status"]);
    match kind.as_str() {
        "message" => {
            let role = match fields.need_text("role")?.as_str() {
                "user" => Role::User,
                "assistant" => Role::Assistant,
                "system" | "developer" => Role::System,
                _ => return Err(fields.refuse("role", "is not known")),
            };
            fields.pass_over(&["id", "phase"]);
            let parts = contents(&mut fields, "content", losses)?;
            push(prompt, role, &at, parts);
        }
        "function_call" => {
            fields.pass_over(&["id"]);
            let call = ToolCall {
                id: fields.need_text("call_id")?,
                name: name_in_full(&mut fields)?,
                arguments: fields.text("arguments")?.unwrap_or_default(),
            };
            push(prompt, Role::Assistant, &at, vec![Part::new(&at, Content::ToolCall(call))]);
        }
        "custom_tool_call" => {
            fields.pass_over(&["id"]);
            let call = ToolCall {
                id: fields.need_text("call_id")?,
                name: name_in_full(&mut fields)?,
                arguments: json!({INPUT: fields.need_text("input")?}).to_string(),
            };
            push(prompt, Role::Assistant, &at, vec![Part::new(&at, Content::ToolCall(call))]);
        }
        "function_call_output" | "custom_tool_call_output" => {
            fields.pass_over(&["id"]);
            let result = ToolResult {
                call_id: fields.need_text("call_id")?,
                name: None,
                parts: contents(&mut fields, "output", losses)?,
                is_error: false,
            };
            push(prompt, Role::User, &at, vec![Part::new(&at, Content::ToolResult(result))]);
        }
        "image_generation_call" => {
            let content = Content::Image(picture(&mut fields)?);
            push(prompt, Role::Assistant, &at, vec![Part::new(&at, content)]);
        }
        "reasoning" => {
            let content = thinking(&mut fields, losses)?;
            let parts = content.map(|it| Part::new(&at, it)).into_iter().collect();
            push(prompt, Role::Assistant, &at, parts);
        }
        "item_reference" => {
            return Err(fields.refuse("id", "names an item that only its provider has"));
        }
        _ => return Err(fields.refuse("type", format!("`{kind}` is not translated"))),
    }
    fields.rest(losses);
    Ok(())
}

/// The picture of an `image_generation_call`.
fn picture(fields: &mut Fields) -> Result<Source, Refused> {
    let data = fields.text("result")?;
    let data =
        data.ok_or_else(|| fields.refuse("id", "names an item that only its provider has"))?;
    let media_type = match fields.text("output_format")? {
        Some(format) => format!("image/{format}"),
        None => picture_type(&data).to_owned(),
    };
    // How it was made.
    fields.pass_over(&["id", "action", "background", "quality", "revised_prompt", "size"]);
    Ok(Source::Base64 { media_type, data })
}

/// A reasoning item; nothing when it says nothing and holds no seal.
fn thinking(fields: &mut Fields, losses: &mut Losses) -> Result<Option<Content>, Refused> {
    let id = fields.text("id")?.unwrap_or_default();
    let mut texts = Vec::new();
    for name in ["summary", "content"] {
        for mut piece in fields.objects(name)? {
            texts.extend(piece.text("text")?);
            piece.pass_over(&["type"]);
            piece.rest(losses);
        }
    }
    let text = texts.join("\n\n");
    let encrypted = fields.text("encrypted_content")?.filter(|it| !it.is_empty());
    Ok(match encrypted {
        Some(encrypted) => Some(sealed_thinking(&id, &encrypted, text)),
        None if text.is_empty() => None,
        None => Some(Content::Thinking(Thinking { text, signature: None })),
    })
}

fn contents(fields: &mut Fields, name: &str, losses: &mut Losses) -> Result<Vec<Part>, Refused> {
    let at = fields.path(name);
    match fields.take(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(at, text)]),
        Some(Value::Array(list)) => {
            let parts = list.into_iter().enumerate();
            parts.map(|(i, it)| part(Fields::new(it, element(&at, i))?, losses)).collect()
        }
        Some(_) => Err(Refused::new(at, "must be a string or a list")),
    }
}

fn part(mut fields: Fields, losses: &mut Losses) -> Result<Part, Refused> {
    let at = fields.at.clone();
    let kind = fields.need_text("type")?;
    if fields.has("file_id") {
        return Err(fields.refuse("file_id", "names a file that only its provider has"));
    }
    let content = match kind.as_str() {
        "input_text" | "text" => Content::Text(fields.need_text("text")?),
        "output_text" => {
            if !fields.list("annotations")?.is_empty() {
                losses.note(fields.path("annotations"), "has no counterpart");
            }
            // What is said of an answer is nothing that a model is told.
            fields.pass_over(&["logprobs"]);
            Content::Text(fields.need_text("text")?)
        }
        "refusal" => Content::Refusal(fields.need_text("refusal")?),
        "input_image" => {
            let url = fields.need_text("image_url")?;
            Content::Image(source_of(url, &fields.path("image_url"))?)
        }
        "input_file" => {
            let name = fields.text("filename")?;
            let at = fields.path("file_data");
            match (fields.text("file_data")?, fields.text("file_url")?) {
                (Some(data), _) => file_of(data, name, &at)?,
                (None, Some(url)) => {
                    let source = source_of(url, &fields.path("file_url"))?;
                    Content::Document { source, name }
                }
                (None, None) => return Err(Refused::new(at, "is missing")),
            }
        }
        "input_audio" => {
            let mut audio = fields.need_object("input_audio")?;
            let media_type = format!("audio/{}", audio.need_text("format")?);
            let data = audio.need_text("data")?;
            audio.rest(losses);
            Content::Audio { data, media_type }
        }
        _ => return Err(fields.refuse("type", format!("`{kind}` is not translated"))),
    };
    fields.rest(losses);
    Ok(Part::new(at, content))
}

/// A tool that takes a text is offered as one with a single argument, which the answer's translation
/// takes out again. What its grammar is stands in its description: no other format has grammars.
fn text_tool(mut fields: Fields, losses: &mut Losses) -> Result<Tool, Refused> {
    let mut description = fields.text("description")?.unwrap_or_default();
    if let Some(mut format) = fields.object("format")? {
        if format.need_text("type")? == "grammar" {
            let syntax = format.text("syntax")?.unwrap_or_default();
            let definition = format.need_text("definition")?;
            losses.note(format.path("definition"), "was put into the tool's description");
            description.push_str(&format!(
                "\n\nThe `{INPUT}` must match this grammar ({syntax}):\n{definition}"
            ));
        }
        format.rest(losses);
    }
    let tool = Tool {
        at: fields.at.clone(),
        name: fields.need_text("name")?,
        description: Some(description),
        schema: Some(json!({
            "type": "object",
            "properties": {INPUT: {"type": "string"}},
            "required": [INPUT],
            "additionalProperties": false,
        })),
        strict: None,
        cache: None,
        takes_text: true,
    };
    fields.rest(losses);
    Ok(tool)
}

/// The tool by which OpenAI's models make pictures. Others make them themselves, as they see fit.
fn image_tool(mut fields: Fields, losses: &mut Losses) -> Given<Pictures> {
    let at = fields.at.clone();
    fields.pass_over(&["type"]);
    fields.rest(losses);
    Given { at, value: Pictures::WithText }
}

/// Tools that stand together under a name, which other formats do not have: each gets its namespace's
/// name before its own.
fn namespace(mut fields: Fields, prompt: &mut Prompt, losses: &mut Losses) -> Result<(), Refused> {
    let namespace = fields.need_text("name")?;
    fields.pass_over(&["type"]);
    if fields.has("description") {
        losses.note(fields.path("description"), "a namespace's description has no counterpart");
        fields.pass_over(&["description"]);
    }
    for tool in fields.objects("tools")? {
        let mut tool = self::tool(tool, losses)?;
        tool.name = namespaced(&namespace, &tool.name);
        prompt.tools.push(tool);
    }
    fields.rest(losses);
    prompt.namespaces.push(namespace);
    Ok(())
}

/// The name of a tool that is called, its namespace's before its own.
fn name_in_full(fields: &mut Fields) -> Result<String, Refused> {
    let name = fields.need_text("name")?;
    let namespace = fields.text("namespace")?;
    Ok(namespace.map_or(name.clone(), |it| namespaced(&it, &name)))
}

fn tool(mut fields: Fields, losses: &mut Losses) -> Result<Tool, Refused> {
    let kind = fields.need_text("type")?;
    if kind == "custom" {
        return text_tool(fields, losses);
    }
    if kind != "function" {
        return Err(fields.refuse("type", format!("`{kind}` tools are not translated")));
    }
    let tool = Tool {
        at: fields.at.clone(),
        name: fields.need_text("name")?,
        description: fields.text("description")?,
        schema: fields.take("parameters"),
        strict: fields.bool("strict")?,
        cache: None,
        takes_text: false,
    };
    fields.rest(losses);
    Ok(tool)
}

fn tool_choice(
    fields: &mut Fields,
    losses: &mut Losses,
) -> Result<Option<Given<ToolChoice>>, Refused> {
    let at = fields.path("tool_choice");
    let Some(choice) = fields.take("tool_choice") else { return Ok(None) };
    if let Value::String(word) = &choice {
        let value = match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Any,
            _ => return Err(Refused::new(at, format!("`{word}` is not known"))),
        };
        return Ok(Some(Given { at, value }));
    }
    let mut choice = Fields::new(choice, at.clone())?;
    let kind = choice.need_text("type")?;
    let value = match kind.as_str() {
        "function" | "custom" => ToolChoice::Named(choice.need_text("name")?),
        "allowed_tools" => {
            let required = choice.text("mode")?.as_deref() == Some("required");
            let mut names = Vec::new();
            for mut tool in choice.objects("tools")? {
                names.push(tool.need_text("name")?);
                tool.pass_over(&["type"]);
                tool.rest(losses);
            }
            ToolChoice::Among { names, required }
        }
        _ => return Err(choice.refuse("type", format!("`{kind}` is not translated"))),
    };
    choice.rest(losses);
    Ok(Some(Given { at, value }))
}

fn shape(mut text: Fields, losses: &mut Losses) -> Result<Option<Given<Shape>>, Refused> {
    let format = text.object("format")?;
    text.rest(losses);
    let Some(mut format) = format else { return Ok(None) };
    let at = format.at.clone();
    let kind = format.need_text("type")?;
    let value = match kind.as_str() {
        "text" => None,
        "json_object" => Some(Shape::Json),
        "json_schema" => Some(Shape::Schema {
            name: format.text("name")?,
            schema: format.take("schema").ok_or_else(|| format.refuse("schema", "is missing"))?,
            strict: format.bool("strict")?,
        }),
        _ => return Err(format.refuse("type", format!("`{kind}` is not translated"))),
    };
    format.rest(losses);
    Ok(value.map(|value| Given { at, value }))
}

fn reasoning(mut fields: Fields, losses: &mut Losses) -> Result<Option<Given<Reasoning>>, Refused> {
    let effort = fields.given_text("effort")?;
    let old = fields.text("generate_summary")?;
    let shown = fields.text("summary")?.or(old).map(|it| it != "none");
    let at = fields.at.clone();
    fields.rest(losses);
    let Some(effort) = effort else {
        let amount = crate::ir::Amount::Free;
        return Ok(shown.map(|_| Given { at, value: Reasoning { amount, shown } }));
    };
    let amount = effort_of(&effort.value)
        .ok_or_else(|| Refused::new(&effort.at, "is an effort that is not known"))?;
    Ok(Some(Given { at: effort.at, value: Reasoning { amount, shown } }))
}
