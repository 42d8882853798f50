//! Reads a chat request.

use serde_json::Value;
use tollgate_core::Format;

use super::{PICTURE_SEAL, SEALED_BYTES, SEALED_FORMAT, functions};
use crate::{
    ir::{
        Content, Given, Part, Prompt, Reasoning, Role, Shape, Signature, Thinking, Tool, ToolCall,
        ToolChoice, ToolResult, Turn,
    },
    loss::{Losses, Refused},
    translate::{
        fields::{Fields, element},
        media::{cache_hint, file_of, pictures, source_of},
        reasoning::effort_of,
        turns::Calls,
    },
};

/// Reads a request's body.
pub(in crate::translate) fn request(body: Value, losses: &mut Losses) -> Result<Prompt, Refused> {
    let mut fields = Fields::new(body, "")?;
    refuse_what_others_lack(&fields)?;
    // The model is chosen by the gateway, and streaming is read below.
    fields.pass_over(&["model"]);
    let mut prompt = Prompt {
        turns_at: "messages",
        max_tokens_at: "max_completion_tokens",
        stream: fields.bool("stream")?.unwrap_or(false),
        ..Prompt::default()
    };
    if let Some(mut options) = fields.object("stream_options")? {
        prompt.include_usage = options.bool("include_usage")?.unwrap_or(false);
        options.pass_over(&["include_obfuscation"]);
        options.rest(losses);
    }
    let mut calls = Calls::default();
    for message in fields.objects("messages")? {
        self::message(message, &mut prompt, &mut calls, losses)?;
    }
    for tool in fields.objects("tools")? {
        prompt.tools.push(self::tool(tool, losses)?);
    }
    prompt.tool_choice = tool_choice(&mut fields, losses)?;
    prompt.parallel_tool_calls = fields.given_bool("parallel_tool_calls")?;
    functions::read(&mut fields, &mut prompt, losses)?;
    prompt.shape = shape(&mut fields, losses)?;
    prompt.temperature = fields.given_number("temperature")?;
    prompt.top_p = fields.given_number("top_p")?;
    prompt.top_k = fields.given_number("top_k")?;
    prompt.seed = fields.given_number("seed")?;
    prompt.frequency_penalty = fields.given_number("frequency_penalty")?;
    prompt.presence_penalty = fields.given_number("presence_penalty")?;
    prompt.logprobs = logprobs(&mut fields)?;
    prompt.answers = fields.answers("n")?;
    let modes = fields.given_texts("modalities")?;
    prompt.pictures = modes.map(pictures).transpose()?.flatten();
    prompt.stops = fields.given_texts("stop")?;
    let old_max = fields.given_count("max_tokens")?;
    prompt.max_tokens = fields.given_count("max_completion_tokens")?.or(old_max);
    prompt.reasoning = fields
        .given_text("reasoning_effort")?
        .map(|given| {
            let amount = effort_of(&given.value)
                .ok_or_else(|| Refused::new(&given.at, "is an effort that is not known"))?;
            Ok(Given { at: given.at, value: Reasoning { amount, shown: None } })
        })
        .transpose()?;
    let user = fields.given_text("user")?;
    prompt.end_user = fields.given_text("safety_identifier")?.or(user);
    prompt.metadata = fields
        .object("metadata")?
        .map(|it| Given { at: it.at.clone(), value: it.into_members() })
        .filter(|it| !it.value.is_empty());
    prompt.service_tier = fields.given_text("service_tier")?;
    fields.rest(losses);
    Ok(prompt)
}

/// What no other format can do, and what is not left out because the answer would be another one.
fn refuse_what_others_lack(fields: &Fields) -> Result<(), Refused> {
    for (name, why) in [
        ("web_search_options", "asks for a search that only OpenAI runs"),
        ("audio", "asks for a spoken answer, which is not translated"),
        ("prompt", "is of the old completions, which are not translated"),
    ] {
        if fields.has(name) {
            return Err(fields.refuse(name, why));
        }
    }
    if !fields.has("messages") {
        return Err(fields.refuse("messages", "is missing"));
    }
    Ok(())
}

fn message(
    mut fields: Fields,
    prompt: &mut Prompt,
    calls: &mut Calls,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let role = fields.need_text("role")?;
    let at = fields.at.clone();
    let parts = match role.as_str() {
        "system" | "developer" | "user" => content(&mut fields, losses)?,
        "assistant" => {
            let mut parts = assistant(&mut fields, losses)?;
            parts.extend(functions::call(&mut fields, calls, losses)?);
            parts
        }
        "tool" => vec![tool_result(&mut fields, losses)?],
        "function" => {
            let parts = content(&mut fields, losses)?;
            vec![functions::result(&mut fields, parts, calls)?]
        }
        _ => return Err(fields.refuse("role", "is not known")),
    };
    fields.rest(losses);
    let role = match role.as_str() {
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => Role::User,
    };
    if role == Role::System && prompt.turns.is_empty() {
        prompt.system.extend(parts);
    } else {
        prompt.turns.push(Turn { role, at, parts });
    }
    Ok(())
}

fn content(fields: &mut Fields, losses: &mut Losses) -> Result<Vec<Part>, Refused> {
    let at = fields.path("content");
    match fields.take("content") {
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
    let content = match kind.as_str() {
        "text" => Content::Text(fields.need_text("text")?),
        "refusal" => Content::Refusal(fields.need_text("refusal")?),
        "image_url" => image(&mut fields, losses)?,
        "file" => file(fields.need_object("file")?, losses)?,
        "input_audio" => {
            let mut audio = fields.need_object("input_audio")?;
            let media_type = format!("audio/{}", audio.need_text("format")?);
            let data = audio.need_text("data")?;
            audio.rest(losses);
            Content::Audio { data, media_type }
        }
        _ => return Err(fields.refuse("type", format!("`{kind}` is not known"))),
    };
    let cache = cache_hint(&mut fields, losses)?;
    fields.rest(losses);
    Ok(Part { cache, ..Part::new(at, content) })
}

fn image(fields: &mut Fields, losses: &mut Losses) -> Result<Content, Refused> {
    let mut image = fields.need_object("image_url")?;
    let url = image.need_text("url")?;
    let source = source_of(url, &image.path("url"))?;
    image.rest(losses);
    Ok(Content::Image(source))
}

fn file(mut file: Fields, losses: &mut Losses) -> Result<Content, Refused> {
    if file.has("file_id") {
        return Err(file.refuse("file_id", "names a file that only its provider has"));
    }
    let name = file.text("filename")?;
    let data = file.need_text("file_data")?;
    let at = file.path("file_data");
    file.rest(losses);
    file_of(data, name, &at)
}

fn assistant(fields: &mut Fields, losses: &mut Losses) -> Result<Vec<Part>, Refused> {
    let (mut details, unsealed) = thinking(fields)?;
    let mut parts = content(fields, losses)?;
    let at = fields.path("refusal");
    parts.extend(fields.text("refusal")?.map(|it| Part::new(at, Content::Refusal(it))));
    for mut picture in fields.objects("images")? {
        picture.pass_over(&["type", "index"]);
        let at = picture.at.clone();
        // Its seal stands before it.
        let seal = picture.count(PICTURE_SEAL)?.and_then(|it| usize::try_from(it).ok());
        parts.extend(seal.and_then(|it| details.get_mut(it)?.take()));
        parts.push(Part::new(at, image(&mut picture, losses)?));
        picture.rest(losses);
    }
    for mut call in fields.objects("tool_calls")? {
        let kind = call.text("type")?;
        if kind.is_some_and(|it| it != "function") {
            return Err(call.refuse("type", "only function tools are translated"));
        }
        let id = call.need_text("id")?;
        let mut function = call.need_object("function")?;
        let name = function.need_text("name")?;
        let arguments = function.text("arguments")?.unwrap_or_default();
        function.rest(losses);
        call.pass_over(&["index"]);
        let content = Content::ToolCall(ToolCall { id, name, arguments });
        parts.push(Part::new(call.at.clone(), content));
        call.rest(losses);
    }
    let thought = details.into_iter().flatten().chain(unsealed);
    Ok(thought.chain(parts).collect())
}

/// Thinking that an earlier answer brought: its text in `reasoning_content`, its seals in
/// `reasoning_details`, each telling how many bytes of the text are its own. What each of the
/// details holds, and what text is left.
fn thinking(fields: &mut Fields) -> Result<(Vec<Option<Part>>, Option<Part>), Refused> {
    let at = fields.path("reasoning_content");
    let beside = fields.text("reasoning")?;
    let text = fields.text("reasoning_content")?.or(beside).unwrap_or_default();
    let mut unsealed = text.as_str();
    let mut parts = Vec::new();
    for mut detail in fields.objects("reasoning_details")? {
        let at = detail.at.clone();
        let read = |it: String| Signature::read(it, Format::OpenaiChat);
        if detail.text("type")?.as_deref() == Some("reasoning.encrypted") {
            let data = detail.text("data")?.map(read);
            parts.push(data.map(|it| Part::new(at, Content::Redacted(it))));
            continue;
        }
        let signature = detail.text("signature")?.map(read);
        let told = detail.text("text")?.unwrap_or_default();
        let text = if detail.peek("format") == Some(SEALED_FORMAT) {
            let length = detail.count(SEALED_BYTES)?.and_then(|it| usize::try_from(it).ok());
            let (own, rest) =
                length.and_then(|it| unsealed.split_at_checked(it)).unwrap_or((unsealed, ""));
            unsealed = rest;
            own.to_owned()
        } else {
            // OpenRouter tells the text in both places.
            unsealed = unsealed.strip_prefix(told.as_str()).unwrap_or(unsealed);
            told
        };
        let is_something = signature.is_some() || !text.is_empty();
        let thinking = is_something.then_some(Thinking { text, signature });
        parts.push(thinking.map(|it| Part::new(at, Content::Thinking(it))));
    }
    let rest = (!unsealed.is_empty()).then(|| {
        let thinking = Thinking { text: unsealed.to_owned(), signature: None };
        Part::new(at, Content::Thinking(thinking))
    });
    Ok((parts, rest))
}

fn tool_result(fields: &mut Fields, losses: &mut Losses) -> Result<Part, Refused> {
    let call_id = fields.need_text("tool_call_id")?;
    let name = fields.text("name")?;
    let parts = content(fields, losses)?;
    let result = ToolResult { call_id, name, parts, is_error: false };
    Ok(Part::new(fields.at.clone(), Content::ToolResult(result)))
}

fn tool(mut fields: Fields, losses: &mut Losses) -> Result<Tool, Refused> {
    let kind = fields.text("type")?.unwrap_or_else(|| "function".to_owned());
    if kind != "function" {
        return Err(fields.refuse("type", format!("`{kind}` tools are not translated")));
    }
    let mut function = fields.need_object("function")?;
    let cache = cache_hint(&mut fields, losses)?;
    let tool = Tool {
        at: fields.at.clone(),
        name: function.need_text("name")?,
        description: function.text("description")?,
        schema: function.take("parameters"),
        strict: function.bool("strict")?,
        cache,
        takes_text: false,
    };
    function.rest(losses);
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
            "required" | "any" => ToolChoice::Any,
            _ => return Err(Refused::new(at, format!("`{word}` is not known"))),
        };
        return Ok(Some(Given { at, value }));
    }
    let mut choice = Fields::new(choice, at.clone())?;
    let kind = choice.need_text("type")?;
    let value = match kind.as_str() {
        "function" => {
            let mut function = choice.need_object("function")?;
            let name = function.need_text("name")?;
            function.rest(losses);
            ToolChoice::Named(name)
        }
        "allowed_tools" => allowed_tools(choice.need_object("allowed_tools")?, losses)?,
        _ => return Err(choice.refuse("type", format!("`{kind}` is not translated"))),
    };
    choice.rest(losses);
    Ok(Some(Given { at, value }))
}

fn allowed_tools(mut allowed: Fields, losses: &mut Losses) -> Result<ToolChoice, Refused> {
    let required = allowed.text("mode")?.as_deref() == Some("required");
    let mut names = Vec::new();
    for mut tool in allowed.objects("tools")? {
        names.push(tool.need_object("function")?.need_text("name")?);
        tool.pass_over(&["type"]);
        tool.rest(losses);
    }
    allowed.rest(losses);
    Ok(ToolChoice::Among { names, required })
}

fn shape(fields: &mut Fields, losses: &mut Losses) -> Result<Option<Given<Shape>>, Refused> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(None) };
    let at = format.at.clone();
    let kind = format.need_text("type")?;
    let value = match kind.as_str() {
        "text" => None,
        "json_object" => Some(Shape::Json),
        "json_schema" => {
            let mut spec = format.need_object("json_schema")?;
            let schema =
                spec.take("schema").unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            let shape =
                Shape::Schema { name: spec.text("name")?, schema, strict: spec.bool("strict")? };
            spec.rest(losses);
            Some(shape)
        }
        _ => return Err(format.refuse("type", format!("`{kind}` is not translated"))),
    };
    format.rest(losses);
    Ok(value.map(|value| Given { at, value }))
}

fn logprobs(fields: &mut Fields) -> Result<Option<Given<Option<u64>>>, Refused> {
    let asked = fields.given_bool("logprobs")?.filter(|it| it.value);
    let top = fields.count("top_logprobs")?;
    Ok(asked.map(|it| Given { at: it.at, value: top }))
}
