//! Chat's first way of calling tools, as clients of its time still do: `functions` and
//! `function_call`, one call to an answer and without ids.

use serde_json::{Value, json};

use crate::{
    ir::{Content, Given, Part, Prompt, Tool, ToolCall, ToolChoice, ToolResult},
    loss::{Losses, Refused},
    translate::{fields::Fields, turns::Calls},
};

/// Reads `functions` and `function_call`. There being room for one call in an answer, the provider is
/// asked for no more.
pub(super) fn read(
    fields: &mut Fields,
    prompt: &mut Prompt,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let at = fields.path("functions");
    for mut function in fields.objects("functions")? {
        prompt.functions = true;
        prompt.tools.push(Tool {
            at: function.at.clone(),
            name: function.need_text("name")?,
            description: function.text("description")?,
            schema: function.take("parameters"),
            strict: None,
            cache: None,
            takes_text: false,
        });
        function.rest(losses);
    }
    if prompt.functions {
        prompt.parallel_tool_calls = Some(Given { at, value: false });
    }
    let at = fields.path("function_call");
    let value = match fields.take("function_call") {
        None => return Ok(()),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            _ => return Err(Refused::new(at, format!("`{word}` is not known"))),
        },
        Some(choice) => {
            let mut choice = Fields::new(choice, at.clone())?;
            let name = choice.need_text("name")?;
            choice.rest(losses);
            ToolChoice::Named(name)
        }
    };
    prompt.tool_choice = Some(Given { at, value });
    Ok(())
}

/// The call in a message of the assistant's.
pub(super) fn call(
    fields: &mut Fields,
    calls: &mut Calls,
    losses: &mut Losses,
) -> Result<Option<Part>, Refused> {
    let Some(mut call) = fields.object("function_call")? else { return Ok(None) };
    let name = call.need_text("name")?;
    let arguments = call.text("arguments")?.unwrap_or_default();
    let at = call.at.clone();
    call.rest(losses);
    let id = calls.call(&name, None);
    Ok(Some(Part::new(at, Content::ToolCall(ToolCall { id, name, arguments }))))
}

/// A message of the role `function`: what the last call of that name came to.
pub(super) fn result(
    fields: &mut Fields,
    parts: Vec<Part>,
    calls: &mut Calls,
) -> Result<Part, Refused> {
    let name = fields.need_text("name")?;
    let call_id = calls
        .result(&name, None)
        .ok_or_else(|| fields.refuse("name", "answers no call of the conversation"))?;
    let result = ToolResult { call_id, name: Some(name), parts, is_error: false };
    Ok(Part::new(fields.at.clone(), Content::ToolResult(result)))
}

/// A call as such a client wants it.
pub(super) fn function_call(call: &ToolCall) -> Value {
    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
    json!({"name": call.name, "arguments": arguments})
}
