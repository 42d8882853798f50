//! Reads a `generateContent` request, in camelCase or snake_case.

use serde_json::Value;

use super::{Kind, schema::json_schema, seal_of};
use crate::{
    ir::{
        Amount, Content, Given, Part, Prompt, Reasoning, Role, Shape, Source, Thinking, Tool,
        ToolCall, ToolChoice, ToolResult, Turn,
    },
    loss::{Losses, Refused},
    translate::{
        fields::{Fields, element},
        media::{inline, is_public, pictures},
        reasoning::effort_of,
        turns::Calls,
    },
};

/// Reads a request's body.
pub(in crate::translate) fn request(body: Value, losses: &mut Losses) -> Result<Prompt, Refused> {
    let mut fields = Fields::new(body, "")?.camelled();
    if fields.has("cachedContent") {
        return Err(fields.refuse("cachedContent", "names a cache that only its provider has"));
    }
    if !fields.has("contents") {
        return Err(fields.refuse("contents", "is missing"));
    }
    fields.pass_over(&["model"]);
    let mut prompt = Prompt {
        include_usage: true,
        turns_at: "contents",
        max_tokens_at: "generationConfig.maxOutputTokens",
        ..Prompt::default()
    };
    let mut calls = Calls::default();
    if let Some(system) = fields.take("systemInstruction") {
        prompt.system = system_parts(system, fields.path("systemInstruction"), losses)?;
    }
    for content in fields.objects("contents")? {
        let turn = turn(content.camelled(), &mut calls, losses)?;
        prompt.turns.push(turn);
    }
    for tool in fields.objects("tools")? {
        tools(tool.camelled(), &mut prompt.tools, losses)?;
    }
    if let Some(config) = fields.object("toolConfig")? {
        prompt.tool_choice = tool_choice(config.camelled(), losses)?;
    }
    if let Some(config) = fields.object("generationConfig")? {
        generation_config(config.camelled(), &mut prompt, losses)?;
    }
    if fields.take("safetySettings").is_some() {
        losses.note("safetySettings", "each provider has safety filters of its own");
    }
    fields.rest(losses);
    Ok(prompt)
}

fn system_parts(system: Value, at: String, losses: &mut Losses) -> Result<Vec<Part>, Refused> {
    if let Value::String(text) = system {
        return Ok(vec![Part::text(at, text)]);
    }
    let mut content = Fields::new(system, at)?.camelled();
    content.pass_over(&["role"]);
    let parts = parts(&mut content, &mut Calls::default(), losses)?;
    content.rest(losses);
    Ok(parts)
}

fn turn(mut content: Fields, calls: &mut Calls, losses: &mut Losses) -> Result<Turn, Refused> {
    let role = match content.text("role")?.as_deref() {
        Some("user" | "function") | None => Role::User,
        Some("model") => Role::Assistant,
        Some("system") => Role::System,
        Some(_) => return Err(content.refuse("role", "is not known")),
    };
    let parts = parts(&mut content, calls, losses)?;
    let at = content.at.clone();
    content.rest(losses);
    Ok(Turn { role, at, parts })
}

/// `parts`, a list or, as the server accepts too, a single part.
fn parts(
    content: &mut Fields,
    calls: &mut Calls,
    losses: &mut Losses,
) -> Result<Vec<Part>, Refused> {
    let at = content.path("parts");
    let list = match content.take("parts") {
        None => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    let mut parts = Vec::with_capacity(list.len());
    for (i, part) in list.into_iter().enumerate() {
        let fields = Fields::new(part, element(&at, i))?.camelled();
        self::part(fields, calls, &mut parts, losses)?;
    }
    Ok(parts)
}

fn part(
    mut fields: Fields,
    calls: &mut Calls,
    parts: &mut Vec<Part>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let at = fields.at.clone();
    let seal = fields.text("thoughtSignature")?.map(seal_of);
    let is_thought = fields.bool("thought")?.unwrap_or(false);
    if let Some((seal, Kind::Hidden)) = seal {
        fields.pass_over(&["text"]);
        parts.push(Part::new(at, Content::Redacted(seal)));
        fields.rest(losses);
        return Ok(());
    }
    let seal = seal.map(|(seal, _)| seal);
    if is_thought {
        let text = fields.text("text")?.unwrap_or_default();
        // Clients keep the pieces of a stream: one thought is all of them up to its seal.
        if let Some(Part { content: Content::Thinking(open), .. }) = parts.last_mut()
            && open.signature.is_none()
        {
            open.text.push_str(&text);
            open.signature = seal;
        } else {
            parts.push(Part::new(at, Content::Thinking(Thinking { text, signature: seal })));
        }
        fields.rest(losses);
        return Ok(());
    }
    if let Some(seal) = seal {
        // The seal of the thinking before, on the first part after it.
        if let Some(Part { content: Content::Thinking(open), .. }) = parts.last_mut()
            && open.signature.is_none()
        {
            open.signature = Some(seal);
        } else {
            let thinking = Thinking { text: String::new(), signature: Some(seal) };
            parts.push(Part::new(&at, Content::Thinking(thinking)));
        }
    }
    if let Some(content) = content(&mut fields, calls, losses)? {
        parts.push(Part::new(at, content));
    }
    fields.rest(losses);
    Ok(())
}

fn content(
    fields: &mut Fields,
    calls: &mut Calls,
    losses: &mut Losses,
) -> Result<Option<Content>, Refused> {
    if let Some(text) = fields.text("text")? {
        return Ok(Some(Content::Text(text)));
    }
    if let Some(data) = fields.object("inlineData")? {
        let mut data = data.camelled();
        let media_type = data.need_text("mimeType")?;
        let name = data.text("displayName")?;
        let content = inline(media_type, data.need_text("data")?, name);
        data.rest(losses);
        return Ok(Some(content));
    }
    if let Some(file) = fields.object("fileData")? {
        return self::file(file.camelled(), losses).map(Some);
    }
    if let Some(call) = fields.object("functionCall")? {
        let mut call = call.camelled();
        let name = call.need_text("name")?;
        let id = calls.call(&name, call.text("id")?);
        let arguments = call.take("args").map(|it| it.to_string()).unwrap_or_default();
        call.rest(losses);
        return Ok(Some(Content::ToolCall(ToolCall { id, name, arguments })));
    }
    if let Some(result) = fields.object("functionResponse")? {
        return tool_result(result.camelled(), calls, losses).map(Some);
    }
    for name in ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"] {
        if fields.has(name) {
            return Err(fields.refuse(name, "is of a tool that only Gemini has"));
        }
    }
    Ok(None)
}

fn file(mut file: Fields, losses: &mut Losses) -> Result<Content, Refused> {
    let media_type = file.text("mimeType")?;
    let url = file.need_text("fileUri")?;
    if !is_public(&url) || url.contains("googleapis.com/") {
        return Err(file.refuse("fileUri", "names a file that only its provider has"));
    }
    let name = file.text("displayName")?;
    file.rest(losses);
    let source = Source::Url { url, media_type };
    let is_image = matches!(
        &source,
        Source::Url { media_type: Some(it), .. } if it.starts_with("image/")
    );
    Ok(if is_image { Content::Image(source) } else { Content::Document { source, name } })
}

fn tool_result(
    mut result: Fields,
    calls: &mut Calls,
    losses: &mut Losses,
) -> Result<Content, Refused> {
    let name = result.need_text("name")?;
    let id = result.text("id")?;
    let call_id = calls
        .result(&name, id)
        .ok_or_else(|| result.refuse("name", "answers no call of the conversation"))?;
    let at = result.path("response");
    let (text, is_error) = response_text(&result.take("response").unwrap_or_default());
    let mut parts = Vec::new();
    if !text.is_empty() {
        parts.push(Part::text(at, text));
    }
    for part in result.objects("parts")? {
        self::part(part.camelled(), calls, &mut parts, losses)?;
    }
    result.pass_over(&["willContinue"]);
    result.rest(losses);
    Ok(Content::ToolResult(ToolResult { call_id, name: Some(name), parts, is_error }))
}

/// A `response`: the format's documentation names a member `output` for what a tool says and `error`
/// for what went wrong; the SDKs write `result`. Anything else is given as JSON.
fn response_text(response: &Value) -> (String, bool) {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    let Value::Object(members) = response else {
        return (if response.is_null() { String::new() } else { text(response) }, false);
    };
    let mut only = members.iter();
    match (only.next(), only.next()) {
        (None, _) => (String::new(), false),
        (Some((name, value)), None) if name == "error" => (text(value), true),
        (Some((name, value)), None) if name == "output" || name == "result" => (text(value), false),
        (Some(_), _) => (response.to_string(), members.contains_key("error")),
    }
}

fn tools(mut tool: Fields, tools: &mut Vec<Tool>, losses: &mut Losses) -> Result<(), Refused> {
    for declaration in tool.objects("functionDeclarations")? {
        let mut declaration = declaration.camelled();
        let openapi = declaration.take("parameters").map(json_schema);
        tools.push(Tool {
            at: declaration.at.clone(),
            name: declaration.need_text("name")?,
            description: declaration.text("description")?,
            schema: declaration.take("parametersJsonSchema").or(openapi),
            strict: None,
            cache: None,
            takes_text: false,
        });
        declaration.rest(losses);
    }
    match tool.first() {
        Some(name) => Err(tool.refuse(name, "is a tool that only Gemini has")),
        None => Ok(()),
    }
}

fn tool_choice(
    mut config: Fields,
    losses: &mut Losses,
) -> Result<Option<Given<ToolChoice>>, Refused> {
    let calling = config.object("functionCallingConfig")?;
    config.rest(losses);
    let Some(calling) = calling else { return Ok(None) };
    let mut calling = calling.camelled();
    let at = calling.at.clone();
    let mode = calling.text("mode")?;
    let names = calling.given_texts("allowedFunctionNames")?.map(|it| it.value);
    let value = match (mode.as_deref(), names) {
        (Some("NONE"), _) => ToolChoice::None,
        (Some("ANY"), Some(names)) => match <[String; 1]>::try_from(names) {
            Ok([name]) => ToolChoice::Named(name),
            Err(names) => ToolChoice::Among { names, required: true },
        },
        (Some("ANY"), None) => ToolChoice::Any,
        (_, Some(names)) => ToolChoice::Among { names, required: false },
        (_, None) => ToolChoice::Auto,
    };
    calling.rest(losses);
    Ok(Some(Given { at, value }))
}

fn generation_config(
    mut config: Fields,
    prompt: &mut Prompt,
    losses: &mut Losses,
) -> Result<(), Refused> {
    prompt.temperature = config.given_number("temperature")?;
    prompt.top_p = config.given_number("topP")?;
    prompt.top_k = config.given_number("topK")?;
    prompt.seed = config.given_number("seed")?;
    prompt.frequency_penalty = config.given_number("frequencyPenalty")?;
    prompt.presence_penalty = config.given_number("presencePenalty")?;
    prompt.answers = config.answers("candidateCount")?;
    prompt.max_tokens = config.given_count("maxOutputTokens")?;
    prompt.stops = config.given_texts("stopSequences")?;
    let asked = config.given_bool("responseLogprobs")?.filter(|it| it.value);
    let top = config.count("logprobs")?;
    prompt.logprobs = asked.map(|it| Given { at: it.at, value: top });
    let modes = config.given_texts("responseModalities")?;
    prompt.pictures = modes.map(pictures).transpose()?.flatten();
    prompt.shape = shape(&mut config)?;
    if let Some(thinking) = config.object("thinkingConfig")? {
        prompt.reasoning = thinking_config(thinking.camelled(), losses)?;
    }
    config.rest(losses);
    Ok(())
}

fn shape(config: &mut Fields) -> Result<Option<Given<Shape>>, Refused> {
    let at = config.path("responseMimeType");
    let kind = config.text("responseMimeType")?;
    let openapi = config.take("responseSchema").map(json_schema);
    let schema = config.take("responseJsonSchema").or(openapi);
    let value = match (kind.as_deref(), schema) {
        (Some("application/json") | None, Some(schema)) => {
            Shape::Schema { name: None, schema, strict: None }
        }
        (Some("application/json"), None) => Shape::Json,
        (Some("text/plain") | None, _) => return Ok(None),
        (Some(_), _) => return Err(Refused::new(at, "asks for a form that only Gemini makes")),
    };
    Ok(Some(Given { at, value }))
}

fn thinking_config(
    mut config: Fields,
    losses: &mut Losses,
) -> Result<Option<Given<Reasoning>>, Refused> {
    let at = config.at.clone();
    let shown = config.bool("includeThoughts")?;
    let budget = config.take("thinkingBudget");
    let level = config.given_text("thinkingLevel")?;
    config.rest(losses);
    let amount = match (budget, level) {
        (Some(budget), _) => match (budget.as_u64(), budget.as_i64()) {
            (Some(0), _) => Amount::Off,
            (Some(tokens), _) => Amount::Budget(tokens),
            (None, Some(_)) => Amount::Free,
            (None, None) => {
                return Err(Refused::new(format!("{at}.thinkingBudget"), "must be a whole number"));
            }
        },
        (None, Some(level)) => effort_of(&level.value.to_ascii_lowercase())
            .ok_or_else(|| Refused::new(&level.at, "is a level that is not known"))?,
        (None, None) => Amount::Free,
    };
    Ok(Some(Given { at, value: Reasoning { amount, shown } }))
}
