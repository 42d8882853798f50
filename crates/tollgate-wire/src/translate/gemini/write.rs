//! Writes a `generateContent` request.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tollgate_core::Format;

use crate::{
    ir::{
        Amount, Content, Given, Part, Pictures, Prompt, Reasoning, Role, Shape, Source, Tool,
        ToolCall, ToolChoice, ToolResult, Turn,
    },
    loss::{Losses, Refused},
    translate::{
        Capabilities,
        anthropic::write::object_of,
        logprobs::likeliest,
        media::media_type_of,
        reasoning::{BUDGET_HIGH, budget_of},
        shape,
        turns::{Blanks, alternate, called_names, hoist_system, results_first},
    },
};

/// Gemini refuses more.
const STOPS_MAX: usize = 5;

/// The most answers to one request: Gemini refuses more, and models that give only one say so.
const ANSWERS_MAX: u64 = 8;

/// What a picture is taken for when its address does not tell.
const MEDIA_TYPE_DEFAULT: &str = "image/jpeg";

/// What Google documents for calls whose seal is lost, or was never made.
const NO_SEAL: &str = "skip_thought_signature_validator";

/// Writes a request's body; with the name of the tool that stands for a prescribed shape, if there
/// is one.
pub(in crate::translate) fn request(
    mut prompt: Prompt,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<(Value, Option<&'static str>), Refused> {
    hoist_system(&mut prompt, losses);
    alternate(&mut prompt, Blanks::Taken, losses);
    results_first(&mut prompt);
    // Models before Gemini 3 refuse a shape beside tools.
    let takes_both = provider.structured_output || prompt.tools.is_empty();
    let json_tool = if takes_both { None } else { shape::by_tool(&mut prompt)? };
    let names = called_names(&prompt);
    let mut body = Map::new();
    let mut contents = Vec::with_capacity(prompt.turns.len());
    for turn in &prompt.turns {
        let mut content = content(turn, &names, losses)?;
        if provider.seals_required && mark_unsealed_call(&mut content) {
            losses.note(&turn.at, "calls a tool without Gemini's seal: it was told not to look");
        }
        contents.push(content);
    }
    body.insert("contents".to_owned(), contents.into());
    if !prompt.system.is_empty() {
        let parts = parts(&prompt.system, &names, losses)?;
        body.insert("systemInstruction".to_owned(), json!({"parts": parts}));
    }
    if !prompt.tools.is_empty() {
        let tools: Vec<Value> = prompt.tools.iter().map(|it| tool(it, losses)).collect();
        body.insert("tools".to_owned(), json!([{"functionDeclarations": tools}]));
    }
    if let Some(choice) = &prompt.tool_choice {
        let config = calling_config(&choice.value);
        body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": config}));
    }
    let config = generation_config(&prompt, provider, losses)?;
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), config.into());
    }
    let serial = prompt.parallel_tool_calls.filter(|it| !it.value);
    for (at, why) in [
        (serial.map(|it| it.at), "Gemini decides by itself how many tools it calls at once"),
        (prompt.end_user.map(|it| it.at), "Gemini is not told of end users"),
        (prompt.metadata.map(|it| it.at), "Gemini takes no metadata"),
        (prompt.service_tier.map(|it| it.at), "each provider has service tiers of its own"),
    ] {
        if let Some(at) = at {
            losses.note(at, why);
        }
    }
    Ok((Value::Object(body), json_tool))
}

/// Marks the first call of a model's turn, which alone carries a seal, if it has none.
fn mark_unsealed_call(content: &mut Value) -> bool {
    let parts = content.get_mut("parts").and_then(Value::as_array_mut);
    let call = parts.and_then(|it| it.iter_mut().find(|it| it.get("functionCall").is_some()));
    match call {
        Some(Value::Object(call)) if !call.contains_key("thoughtSignature") => {
            call.insert("thoughtSignature".to_owned(), NO_SEAL.into());
            true
        }
        Some(_) | None => false,
    }
}

fn content(
    turn: &Turn,
    names: &HashMap<String, String>,
    losses: &mut Losses,
) -> Result<Value, Refused> {
    let role = match turn.role {
        Role::User => "user",
        Role::Assistant => "model",
        Role::System => return Err(Refused::new(&turn.at, "stands in the middle")),
    };
    Ok(json!({"role": role, "parts": parts(&turn.parts, names, losses)?}))
}

/// Parts, with each of Gemini's own seals on the part after its thinking.
fn parts(
    parts: &[Part],
    names: &HashMap<String, String>,
    losses: &mut Losses,
) -> Result<Vec<Value>, Refused> {
    let mut out: Vec<Value> = Vec::with_capacity(parts.len());
    let mut seal: Option<String> = None;
    let mut shown: Vec<Part> = Vec::new();
    for part in parts {
        if part.cache.is_some() {
            losses.note(&part.at, "its cache hint was left out: the provider caches by itself");
        }
        match &part.content {
            Content::Thinking(thinking) => {
                let own = thinking.signature.as_ref().filter(|it| it.by == Format::Gemini);
                let Some(own) = own else {
                    losses.note(&part.at, "thinking that Gemini did not sign was left out");
                    continue;
                };
                if !thinking.text.is_empty() {
                    out.push(json!({"text": thinking.text, "thought": true}));
                }
                out.extend(seal.replace(own.value.clone()).as_deref().map(bare_seal));
                continue;
            }
            Content::Redacted(_) => {
                losses.note(&part.at, "thinking that another provider hid was left out");
                continue;
            }
            Content::ToolResult(result) => shown.extend(beside_text(result)),
            Content::Text(_)
            | Content::Refusal(_)
            | Content::Image(_)
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolCall(_) => {
                for part in shown.drain(..) {
                    out.push(shown_after(&part, names, losses)?);
                }
            }
        }
        let mut value = value(part, names, losses)?;
        if let (Value::Object(members), Some(seal)) = (&mut value, seal.take()) {
            members.insert("thoughtSignature".to_owned(), seal.into());
        }
        out.push(value);
    }
    // A seal that came last, in an empty text.
    out.extend(seal.as_deref().map(bare_seal));
    for part in &shown {
        out.push(shown_after(part, names, losses)?);
    }
    Ok(out)
}

/// What of a tool's result is no text, with a text that says whose it is.
fn beside_text(result: &ToolResult) -> Vec<Part> {
    let mut more: Vec<Part> =
        result.parts.iter().filter(|it| it.as_text().is_none()).cloned().collect();
    if !more.is_empty() {
        more.insert(0, Part::text("", format!("From the result of {}:", result.call_id)));
    }
    more
}

fn shown_after(
    part: &Part,
    names: &HashMap<String, String>,
    losses: &mut Losses,
) -> Result<Value, Refused> {
    if !part.at.is_empty() {
        losses.note(&part.at, "was put after the tool's result, which holds only JSON");
    }
    value(part, names, losses)
}

fn bare_seal(seal: &str) -> Value {
    json!({"text": "", "thoughtSignature": seal})
}

fn value(
    part: &Part,
    names: &HashMap<String, String>,
    losses: &mut Losses,
) -> Result<Value, Refused> {
    let inline = |media_type: &str, data: &str| json!({"inlineData": {"mimeType": media_type, "data": data}});
    Ok(match &part.content {
        Content::Text(text) | Content::Refusal(text) => json!({"text": text}),
        Content::Image(Source::Base64 { media_type, data })
        | Content::Document { source: Source::Base64 { media_type, data }, .. } => {
            inline(media_type, data)
        }
        Content::Audio { data, media_type } => inline(media_type, data),
        Content::Image(Source::Url { url, media_type })
        | Content::Document { source: Source::Url { url, media_type }, .. } => {
            let known = media_type.as_deref().or_else(|| media_type_of(url));
            if known.is_none() {
                losses
                    .note(&part.at, format!("its type is not known: {MEDIA_TYPE_DEFAULT} is sent"));
            }
            let media_type = known.unwrap_or(MEDIA_TYPE_DEFAULT);
            json!({"fileData": {"mimeType": media_type, "fileUri": url}})
        }
        Content::Image(Source::Text(text)) => json!({"text": text}),
        Content::Document { source: Source::Text(text), name } => {
            let heading = name.as_ref().map(|it| format!("{it}\n\n")).unwrap_or_default();
            json!({"text": format!("{heading}{text}")})
        }
        Content::ToolCall(call) => function_call(call, &part.at, losses),
        Content::ToolResult(result) => function_response(result, &part.at, names)?,
        Content::Thinking(_) | Content::Redacted(_) => {
            return Err(Refused::new(&part.at, "stands where nobody thinks"));
        }
    })
}

fn function_call(call: &ToolCall, at: &str, losses: &mut Losses) -> Value {
    let args = object_of(&call.arguments).unwrap_or_else(|| {
        losses.note(at, "its arguments are no JSON object and were wrapped into one");
        json!({"arguments": call.arguments})
    });
    json!({"functionCall": {"id": call.id, "name": call.name, "args": args}})
}

fn function_response(
    result: &ToolResult,
    at: &str,
    names: &HashMap<String, String>,
) -> Result<Value, Refused> {
    let name = result.name.as_ref().or_else(|| names.get(&result.call_id));
    let name = name.ok_or_else(|| Refused::new(at, "answers no call of the conversation"))?;
    let text = result.parts.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n");
    let response = if result.is_error {
        json!({"error": text})
    } else {
        // Results are often JSON, and Gemini reads it better as such.
        let object = object_of(&text).filter(|_| !text.trim().is_empty());
        object.unwrap_or_else(|| json!({"output": text}))
    };
    Ok(json!({"functionResponse": {"id": result.call_id, "name": name, "response": response}}))
}

fn tool(tool: &Tool, losses: &mut Losses) -> Value {
    if tool.cache.is_some() {
        losses.note(&tool.at, "its cache hint was left out: the provider caches by itself");
    }
    if tool.strict == Some(true) {
        losses.note(&tool.at, "Gemini does not promise arguments that keep to the schema");
    }
    let mut members = Map::new();
    members.insert("name".to_owned(), tool.name.as_str().into());
    members.extend(tool.description.clone().map(|it| ("description".to_owned(), it.into())));
    members.extend(tool.schema.clone().map(|it| ("parametersJsonSchema".to_owned(), it)));
    Value::Object(members)
}

fn calling_config(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Any => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        ToolChoice::Among { names, required } => {
            let mode = if *required { "ANY" } else { "VALIDATED" };
            json!({"mode": mode, "allowedFunctionNames": names})
        }
    }
}

fn generation_config(
    prompt: &Prompt,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Refused> {
    let mut config = Map::new();
    for (name, number) in [
        ("temperature", &prompt.temperature),
        ("topP", &prompt.top_p),
        ("topK", &prompt.top_k),
        ("seed", &prompt.seed),
        ("frequencyPenalty", &prompt.frequency_penalty),
        ("presencePenalty", &prompt.presence_penalty),
    ] {
        config.extend(number.as_ref().map(|it| (name.to_owned(), it.value.clone().into())));
    }
    if let Some(Given { at, value }) = &prompt.answers {
        if *value > ANSWERS_MAX {
            return Err(Refused::new(at, format!("Gemini gives at most {ANSWERS_MAX}")));
        }
        config.insert("candidateCount".to_owned(), (*value).into());
    }
    if let Some(asked) = &prompt.logprobs {
        config.insert("responseLogprobs".to_owned(), true.into());
        let likeliest = likeliest(asked, losses);
        config.extend(likeliest.map(|it| ("logprobs".to_owned(), it.into())));
    }
    if let Some(pictures) = &prompt.pictures {
        let modes = match pictures.value {
            Pictures::WithText => json!(["TEXT", "IMAGE"]),
            Pictures::Alone => json!(["IMAGE"]),
        };
        config.insert("responseModalities".to_owned(), modes);
    }
    if let Some(max) = &prompt.max_tokens {
        config.insert("maxOutputTokens".to_owned(), max.value.into());
    }
    if let Some(Given { at, value }) = &prompt.stops {
        if value.len() > STOPS_MAX {
            return Err(Refused::new(at, format!("Gemini takes at most {STOPS_MAX}")));
        }
        config.insert("stopSequences".to_owned(), value.clone().into());
    }
    if let Some(shape) = &prompt.shape {
        config.insert("responseMimeType".to_owned(), "application/json".into());
        if let Shape::Schema { schema, .. } = &shape.value {
            config.insert("responseJsonSchema".to_owned(), schema.clone());
        }
    }
    if let Some(given) = &prompt.reasoning {
        if provider.no_reasoning {
            losses.note(&given.at, "the model does not reason");
        } else {
            config.insert("thinkingConfig".to_owned(), thinking_config(given, losses));
        }
    }
    Ok(config)
}

/// Without a word on it, thoughts are shown: the client asked for thinking, and other formats show
/// it.
fn thinking_config(given: &Given<Reasoning>, losses: &mut Losses) -> Value {
    let budget = match given.value.amount {
        Amount::Off => return json!({"thinkingBudget": 0}),
        Amount::Free => json!(-1),
        Amount::Effort(effort) => json!(budget_of(effort).min(BUDGET_HIGH)),
        Amount::Budget(budget) => {
            if budget > BUDGET_HIGH {
                let why = format!("was lowered to {BUDGET_HIGH}, the most of every Gemini model");
                losses.note(&given.at, why);
            }
            json!(budget.min(BUDGET_HIGH))
        }
    };
    let shown = given.value.shown.unwrap_or(true);
    json!({"thinkingBudget": budget, "includeThoughts": shown})
}
