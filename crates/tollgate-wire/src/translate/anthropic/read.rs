//! Reads a Messages request.

use serde_json::Value;
use tollgate_core::Format;

use crate::{
    ir::{
        Amount, Content, Given, Part, Prompt, Reasoning, Role, Shape, Signature, Source, Thinking,
        Tool, ToolCall, ToolChoice, ToolResult, Turn,
    },
    loss::{Losses, Refused},
    translate::{
        fields::{Fields, element},
        media::{cache_hint, source_of},
        reasoning::effort_of,
    },
};

/// Reads a request's body.
pub(in crate::translate) fn request(body: Value, losses: &mut Losses) -> Result<Prompt, Refused> {
    let mut fields = Fields::new(body, "")?;
    for name in ["mcp_servers", "container"] {
        if fields.has(name) {
            return Err(fields.refuse(name, "is a service that only Anthropic runs"));
        }
    }
    fields.pass_over(&["model"]);
    let mut prompt = Prompt {
        system: content(&mut fields, "system", losses)?,
        stream: fields.bool("stream")?.unwrap_or(false),
        include_usage: true,
        turns_at: "messages",
        max_tokens_at: "max_tokens",
        ..Prompt::default()
    };
    if !fields.has("messages") {
        return Err(fields.refuse("messages", "is missing"));
    }
    for message in fields.objects("messages")? {
        prompt.turns.push(self::message(message, losses)?);
    }
    for tool in fields.objects("tools")? {
        prompt.tools.push(self::tool(tool, losses)?);
    }
    tool_choice(&mut fields, &mut prompt, losses)?;
    prompt.temperature = fields.given_number("temperature")?;
    prompt.top_p = fields.given_number("top_p")?;
    prompt.top_k = fields.given_number("top_k")?;
    prompt.max_tokens = fields.given_count("max_tokens")?;
    prompt.stops = fields.given_texts("stop_sequences")?;
    thinking(&mut fields, &mut prompt, losses)?;
    output_config(&mut fields, &mut prompt, losses)?;
    if let Some(mut metadata) = fields.object("metadata")? {
        prompt.end_user = metadata.given_text("user_id")?;
        metadata.rest(losses);
    }
    prompt.service_tier = fields.given_text("service_tier")?;
    fields.rest(losses);
    Ok(prompt)
}

fn message(mut fields: Fields, losses: &mut Losses) -> Result<Turn, Refused> {
    let role = match fields.need_text("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(fields.refuse("role", "is not known")),
    };
    let parts = content(&mut fields, "content", losses)?;
    let at = fields.at.clone();
    fields.rest(losses);
    Ok(Turn { role, at, parts })
}

/// A text, or a list of blocks.
fn content(fields: &mut Fields, name: &str, losses: &mut Losses) -> Result<Vec<Part>, Refused> {
    let at = fields.path(name);
    match fields.take(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(at, text)]),
        Some(Value::Array(list)) => {
            let blocks = list.into_iter().enumerate();
            blocks.map(|(i, it)| block(Fields::new(it, element(&at, i))?, losses)).collect()
        }
        Some(_) => Err(Refused::new(at, "must be a string or a list")),
    }
}

fn block(mut fields: Fields, losses: &mut Losses) -> Result<Part, Refused> {
    let at = fields.at.clone();
    let own = |it: String| Signature::read(it, Format::AnthropicMessages);
    let kind = fields.need_text("type")?;
    let content = match kind.as_str() {
        "text" => Content::Text(fields.need_text("text")?),
        "image" => Content::Image(source(fields.need_object("source")?, losses)?),
        "document" => {
            let source = source(fields.need_object("source")?, losses)?;
            Content::Document { source, name: fields.text("title")? }
        }
        "tool_use" => {
            let id = fields.need_text("id")?;
            let name = fields.need_text("name")?;
            let arguments = fields.take("input").map(|it| it.to_string()).unwrap_or_default();
            Content::ToolCall(ToolCall { id, name, arguments })
        }
        "tool_result" => Content::ToolResult(ToolResult {
            call_id: fields.need_text("tool_use_id")?,
            name: None,
            parts: content(&mut fields, "content", losses)?,
            is_error: fields.bool("is_error")?.unwrap_or(false),
        }),
        "thinking" => {
            let text = fields.need_text("thinking")?;
            let signature = fields.text("signature")?.filter(|it| !it.is_empty()).map(own);
            Content::Thinking(Thinking { text, signature })
        }
        "redacted_thinking" => Content::Redacted(own(fields.need_text("data")?)),
        _ => return Err(fields.refuse("type", format!("`{kind}` is not translated"))),
    };
    let cache = cache_hint(&mut fields, losses)?;
    fields.rest(losses);
    Ok(Part { cache, ..Part::new(at, content) })
}

fn source(mut fields: Fields, losses: &mut Losses) -> Result<Source, Refused> {
    let kind = fields.need_text("type")?;
    let source = match kind.as_str() {
        "base64" => Source::Base64 {
            media_type: fields.need_text("media_type")?,
            data: fields.need_text("data")?,
        },
        "url" => source_of(fields.need_text("url")?, &fields.path("url"))?,
        "text" => {
            fields.pass_over(&["media_type"]);
            Source::Text(fields.need_text("data")?)
        }
        "file" => {
            return Err(fields.refuse("file_id", "names a file that only its provider has"));
        }
        _ => return Err(fields.refuse("type", format!("`{kind}` is not translated"))),
    };
    fields.rest(losses);
    Ok(source)
}

fn tool(mut fields: Fields, losses: &mut Losses) -> Result<Tool, Refused> {
    let kind = fields.text("type")?.unwrap_or_else(|| "custom".to_owned());
    if kind != "custom" {
        return Err(fields.refuse("type", format!("`{kind}` is a tool that only Anthropic has")));
    }
    let cache = cache_hint(&mut fields, losses)?;
    let tool = Tool {
        at: fields.at.clone(),
        name: fields.need_text("name")?,
        description: fields.text("description")?,
        schema: fields.take("input_schema"),
        strict: fields.bool("strict")?,
        cache,
        takes_text: false,
    };
    fields.rest(losses);
    Ok(tool)
}

fn tool_choice(
    fields: &mut Fields,
    prompt: &mut Prompt,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let Some(mut choice) = fields.object("tool_choice")? else { return Ok(()) };
    let at = choice.at.clone();
    let value = match choice.need_text("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.need_text("name")?),
        _ => return Err(choice.refuse("type", "is not known")),
    };
    let serial = choice.given_bool("disable_parallel_tool_use")?;
    prompt.parallel_tool_calls = serial.map(|it| Given { at: it.at, value: !it.value });
    prompt.tool_choice = Some(Given { at, value });
    choice.rest(losses);
    Ok(())
}

fn thinking(fields: &mut Fields, prompt: &mut Prompt, losses: &mut Losses) -> Result<(), Refused> {
    let Some(mut thinking) = fields.object("thinking")? else { return Ok(()) };
    let at = thinking.at.clone();
    let amount = match thinking.need_text("type")?.as_str() {
        "enabled" => match thinking.count("budget_tokens")? {
            Some(budget) => Amount::Budget(budget),
            None => return Err(thinking.refuse("budget_tokens", "is missing")),
        },
        "adaptive" => Amount::Free,
        "disabled" => Amount::Off,
        _ => return Err(thinking.refuse("type", "is not known")),
    };
    let shown = match thinking.text("display")?.as_deref() {
        Some("omitted") => Some(false),
        _ => (amount != Amount::Off).then_some(true),
    };
    thinking.rest(losses);
    prompt.reasoning = Some(Given { at, value: Reasoning { amount, shown } });
    Ok(())
}

/// `output_config` has the effort and, where it was once `output_format`, the schema.
fn output_config(
    fields: &mut Fields,
    prompt: &mut Prompt,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let mut format = fields.object("output_format")?;
    if let Some(mut config) = fields.object("output_config")? {
        if let Some(effort) = config.given_text("effort")? {
            let amount = effort_of(&effort.value)
                .ok_or_else(|| Refused::new(&effort.at, "is an effort that is not known"))?;
            let said = prompt.reasoning.as_ref().map(|it| it.value);
            // A budget says more than an effort, and thinking that is off stays off.
            if said.is_none_or(|it| it.amount == Amount::Free) {
                let shown = said.and_then(|it| it.shown);
                let value = Reasoning { amount, shown };
                prompt.reasoning = Some(Given { at: effort.at, value });
            }
        }
        format = config.object("format")?.or(format);
        config.rest(losses);
    }
    let Some(mut format) = format else { return Ok(()) };
    if format.need_text("type")? != "json_schema" {
        return Err(format.refuse("type", "is not known"));
    }
    let schema = format.take("schema").ok_or_else(|| format.refuse("schema", "is missing"))?;
    let value = Shape::Schema { name: None, schema, strict: Some(true) };
    prompt.shape = Some(Given { at: format.at.clone(), value });
    format.rest(losses);
    Ok(())
}
