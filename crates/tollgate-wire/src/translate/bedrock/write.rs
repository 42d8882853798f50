//! Writes a Converse request.

use serde_json::{Map, Number, Value, json};

use super::blocks::{Family, Writer, cache_point};
use crate::{
    ir::{Content, Given, Prompt, Shape, Tool, ToolChoice},
    loss::{Losses, Refused},
    translate::{
        Capabilities,
        anthropic::{thinks::Thinks, write::trim_beginning},
        openai_chat::write::service_tier,
        shape::{self, rooted},
        turns::{Blanks, alternate, called_names, hand_over_pictures, hoist_system, results_first},
    },
};

/// Writes a request's body; with the name of the tool that stands for a prescribed shape, if there
/// is one. The model is named in the path.
pub(in crate::translate) fn request(
    mut prompt: Prompt,
    model: &str,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Result<(Value, Option<&'static str>), Refused> {
    if let Some(answers) = &prompt.answers {
        return Err(Refused::new(&answers.at, "Bedrock gives only one answer"));
    }
    let family = Family::of(model);
    hand_over_pictures(&mut prompt, losses);
    hoist_system(&mut prompt, losses);
    alternate(&mut prompt, Blanks::Refused, losses);
    results_first(&mut prompt);
    trim_beginning(&mut prompt.turns);
    let mut body = Map::new();
    let mut writer = Writer::new(family, losses);
    let messages = prompt.turns.iter().map(|it| writer.message(it));
    body.insert("messages".to_owned(), messages.collect::<Result<Vec<_>, _>>()?.into());
    let system = writer.blocks(&prompt.system)?;
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    let thinking = thinking(&prompt, family, provider, losses);
    let mut output = Map::new();
    let json_tool = output_format(&mut prompt, provider, &mut output)?;
    tools(&prompt, family, &thinking, &mut body, losses);
    let mut of_model = Map::new();
    inference(&prompt, family, &thinking, &mut body, &mut of_model, losses);
    let max_tokens = prompt.max_tokens.as_ref().map_or(u64::MAX, |it| it.value);
    if let Some((thinking, effort)) = thinking.members(max_tokens) {
        of_model.insert("thinking".to_owned(), thinking);
        output.extend(effort.map(|it| ("effort".to_owned(), it.into())));
    }
    if family == Family::Claude && prompt.stops.is_some() {
        // Which sequence it was is told only on request.
        let paths = json!(["/stop_sequence"]);
        body.insert("additionalModelResponseFieldPaths".to_owned(), paths);
    }
    for (name, members) in [("additionalModelRequestFields", of_model), ("outputConfig", output)] {
        if !members.is_empty() {
            body.insert(name.to_owned(), members.into());
        }
    }
    if let Some(tier) = prompt.service_tier.and_then(|it| service_tier(it, losses)) {
        body.insert("serviceTier".to_owned(), json!({"type": tier}));
    }
    if let Some(metadata) = prompt.metadata {
        let metadata = request_metadata(metadata, losses);
        if !metadata.is_empty() {
            body.insert("requestMetadata".to_owned(), metadata.into());
        }
    }
    let serial = prompt.parallel_tool_calls.filter(|it| !it.value);
    for (at, why) in [
        (serial.map(|it| it.at), "Bedrock's models decide how many tools they call at once"),
        (prompt.seed.map(|it| it.at), "Bedrock takes no seed"),
        (prompt.frequency_penalty.map(|it| it.at), "Bedrock has no such penalty"),
        (prompt.presence_penalty.map(|it| it.at), "Bedrock has no such penalty"),
        (prompt.logprobs.map(|it| it.at), "Bedrock tells no log probabilities"),
        (prompt.end_user.map(|it| it.at), "Bedrock is not told of end users"),
    ] {
        if let Some(at) = at {
            losses.note(at, why);
        }
    }
    Ok((Value::Object(body), json_tool))
}

/// How the model is told to think. Only of Anthropic's models is it known here.
fn thinking(
    prompt: &Prompt,
    family: Family,
    provider: &Capabilities,
    losses: &mut Losses,
) -> Thinks {
    match (family, &prompt.reasoning) {
        (Family::Claude, _) => Thinks::of(prompt, provider, family.seals(), losses),
        (Family::Nova | Family::Other, Some(reasoning)) => {
            losses.note(&reasoning.at, "only Anthropic's models on Bedrock are told how to reason");
            Thinks::Not
        }
        (Family::Nova | Family::Other, None) => Thinks::Not,
    }
}

/// A prescribed shape: a schema for models that take one, else a tool.
fn output_format(
    prompt: &mut Prompt,
    provider: &Capabilities,
    output: &mut Map<String, Value>,
) -> Result<Option<&'static str>, Refused> {
    if let Some(Given { value: Shape::Schema { name, schema, .. }, .. }) = &prompt.shape
        && provider.structured_output
    {
        let mut spec = Map::new();
        // The schema is JSON inside a text.
        spec.insert("schema".to_owned(), schema.to_string().into());
        spec.extend(name.clone().map(|it| ("name".to_owned(), it.into())));
        let format = json!({"type": "json_schema", "structure": {"jsonSchema": spec}});
        output.insert("textFormat".to_owned(), format);
        return Ok(None);
    }
    shape::by_tool(prompt)
}

/// Writes tools and tool choice.
fn tools(
    prompt: &Prompt,
    family: Family,
    thinking: &Thinks,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) {
    let choice = prompt.tool_choice.as_ref();
    let choice_at = choice.map_or("", |it| it.at.as_str());
    let (among, mut choice) = match choice.map(|it| it.value.clone()) {
        Some(ToolChoice::Among { names, required }) => {
            (Some(names), Some(if required { ToolChoice::Any } else { ToolChoice::Auto }))
        }
        other => (None, other),
    };
    let offered = prompt.tools.iter();
    let offered = offered.filter(|it| among.as_ref().is_none_or(|all| all.contains(&it.name)));
    let mut tools: Vec<Value> = Vec::new();
    for tool in offered {
        tools.push(self::tool(tool));
        match (tool.cache, family) {
            (Some(hint), Family::Claude) => tools.push(cache_point(hint)),
            (Some(_), Family::Nova | Family::Other) => {
                losses.note(&tool.at, "the model takes no cache hint on tools");
            }
            (None, _) => {}
        }
    }
    let turns = prompt.turns.iter().flat_map(|it| &it.parts);
    let of_tools = |it: &Content| matches!(it, Content::ToolCall(_) | Content::ToolResult(_));
    let spoken_of = turns.into_iter().any(|it| of_tools(&it.content));
    if choice == Some(ToolChoice::None) {
        if !spoken_of {
            return;
        }
        losses.note(choice_at, "Bedrock forbids no tools in a conversation that has called some");
        choice = None;
    }
    if tools.is_empty() && spoken_of {
        // Without tools Bedrock refuses a conversation that speaks of some.
        let mut names: Vec<String> = called_names(prompt).into_values().collect();
        names.sort_unstable();
        names.dedup();
        let made_up = |it: &String| json!({"toolSpec": {"name": it, "inputSchema": {"json": {"type": "object"}}}});
        tools.extend(names.iter().map(made_up));
        losses.note(prompt.turns_at, "calls tools that are not offered: they were offered again");
    }
    if tools.is_empty() {
        return;
    }
    if thinking.is_on() && matches!(choice, Some(ToolChoice::Any | ToolChoice::Named(_))) {
        losses.note(choice_at, "Anthropic's models are forced to no tool while they think");
        choice = Some(ToolChoice::Auto);
    }
    let mut config = json!({"tools": tools});
    let choice = match choice {
        None | Some(ToolChoice::None | ToolChoice::Among { .. }) => None,
        Some(ToolChoice::Auto) => Some(json!({"auto": {}})),
        Some(ToolChoice::Any) => Some(json!({"any": {}})),
        Some(ToolChoice::Named(name)) => Some(json!({"tool": {"name": name}})),
    };
    if let (Value::Object(members), Some(choice)) = (&mut config, choice) {
        members.insert("toolChoice".to_owned(), choice);
    }
    body.insert("toolConfig".to_owned(), config);
}

fn tool(tool: &Tool) -> Value {
    let mut spec = Map::new();
    spec.insert("name".to_owned(), tool.name.as_str().into());
    let description = tool.description.clone().filter(|it| !it.is_empty());
    spec.extend(description.map(|it| ("description".to_owned(), it.into())));
    let schema = tool.schema.clone().unwrap_or_else(|| json!({"type": "object"}));
    spec.insert("inputSchema".to_owned(), json!({"json": rooted(schema)}));
    if tool.strict == Some(true) {
        spec.insert("strict".to_owned(), true.into());
    }
    json!({"toolSpec": spec})
}

/// Writes `inferenceConfig`, and what each model's maker names differently.
fn inference(
    prompt: &Prompt,
    family: Family,
    thinking: &Thinks,
    body: &mut Map<String, Value>,
    of_model: &mut Map<String, Value>,
    losses: &mut Losses,
) {
    let mut config = Map::new();
    if let Some(max) = &prompt.max_tokens {
        config.insert("maxTokens".to_owned(), max.value.into());
    }
    if let Some(stops) = &prompt.stops {
        config.insert("stopSequences".to_owned(), stops.value.clone().into());
    }
    if thinking.is_on() {
        let given = [&prompt.temperature, &prompt.top_p, &prompt.top_k];
        for number in given.into_iter().flatten() {
            losses.note(&number.at, "Anthropic's models take none while they think");
        }
    } else {
        if let Some(given) = &prompt.temperature {
            let mut value = given.value.clone();
            if value.as_f64().is_some_and(|it| it > 1.0) {
                losses.note(&given.at, "was lowered to 1, the most that Bedrock takes");
                value = Number::from(1);
            }
            config.insert("temperature".to_owned(), value.into());
        }
        match &prompt.top_p {
            // Since Opus 4.1 the two together are an error.
            Some(given) if family == Family::Claude && prompt.temperature.is_some() => {
                losses.note(&given.at, "the model takes only one of `temperature` and `topP`");
            }
            Some(given) => {
                config.insert("topP".to_owned(), given.value.clone().into());
            }
            None => {}
        }
        match &prompt.top_k {
            Some(given) if family == Family::Claude => {
                of_model.insert("top_k".to_owned(), given.value.clone().into());
            }
            Some(given) => losses.note(&given.at, "is known only of Anthropic's models on Bedrock"),
            None => {}
        }
    }
    if !config.is_empty() {
        body.insert("inferenceConfig".to_owned(), config.into());
    }
}

/// The longest name or value that Bedrock's `requestMetadata` takes.
const METADATA_CHARS_MAX: usize = 256;
/// The most entries that it takes.
const METADATA_MAX: usize = 16;

/// The entries that Bedrock takes: few, short, and of plain letters.
fn request_metadata(given: Given<Map<String, Value>>, losses: &mut Losses) -> Map<String, Value> {
    let plain = |text: &str| {
        let known = |it: char| it.is_ascii_alphanumeric() || " :_@$#=/+,-.".contains(it);
        text.len() <= METADATA_CHARS_MAX && text.chars().all(known)
    };
    let mut out = Map::new();
    for (name, value) in given.value {
        let is_text = value.as_str().is_some_and(plain);
        if is_text && !name.is_empty() && plain(&name) && out.len() < METADATA_MAX {
            out.insert(name, value);
        } else {
            losses.note(&given.at, "holds more than Bedrock takes, which was left out");
        }
    }
    out
}
