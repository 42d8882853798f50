//! A prescribed shape of the answer, for models that know only tools: the model must call one, and
//! its arguments are the answer.

use serde_json::{Value, json};

use crate::{
    ir::{Given, Prompt, Shape, Tool, ToolChoice},
    loss::Refused,
};

/// The tool's name.
pub(super) const JSON_TOOL: &str = "json_answer";

/// What the model is told of it.
const DESCRIPTION: &str = "Gives the answer. Call it once, with the whole answer.";

/// Makes the prompt's shape a tool, and tells its name if there was one. Beside tools of the
/// client's the model may still choose one of those, where it could before.
pub(super) fn by_tool(prompt: &mut Prompt) -> Result<Option<&'static str>, Refused> {
    let Some(shape) = prompt.shape.take() else { return Ok(None) };
    let schema = match shape.value {
        Shape::Json => json!({"type": "object", "additionalProperties": true}),
        Shape::Schema { schema, .. } => rooted(schema),
    };
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(Refused::new(shape.at, "only objects can be made with a tool"));
    }
    let alone = || ToolChoice::Named(JSON_TOOL.to_owned());
    let value = match prompt.tool_choice.take().map(|it| it.value) {
        _ if prompt.tools.is_empty() => alone(),
        Some(ToolChoice::None) => alone(),
        Some(ToolChoice::Among { mut names, .. }) => {
            names.push(JSON_TOOL.to_owned());
            ToolChoice::Among { names, required: true }
        }
        Some(named @ ToolChoice::Named(_)) => named,
        Some(ToolChoice::Auto | ToolChoice::Any) | None => ToolChoice::Any,
    };
    prompt.tool_choice = Some(Given { at: shape.at.clone(), value });
    prompt.tools.push(Tool {
        at: shape.at,
        name: JSON_TOOL.to_owned(),
        description: Some(DESCRIPTION.to_owned()),
        schema: Some(schema),
        strict: None,
        cache: None,
        takes_text: false,
    });
    Ok(Some(JSON_TOOL))
}

/// A schema with its root's type, which OpenAI's clients leave out where there are no members.
pub(super) fn rooted(mut schema: Value) -> Value {
    if let Value::Object(members) = &mut schema
        && !members.contains_key("type")
    {
        members.insert("type".to_owned(), "object".into());
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tools: usize, choice: Option<ToolChoice>, expected: &ToolChoice) {
        let tool = Tool {
            at: String::new(),
            name: "f".to_owned(),
            description: None,
            schema: None,
            strict: None,
            cache: None,
            takes_text: false,
        };
        let given = |value| Given { at: String::new(), value };
        let mut prompt = Prompt {
            tools: vec![tool; tools],
            tool_choice: choice.map(given),
            shape: Some(Given { at: "x".to_owned(), value: Shape::Json }),
            ..Prompt::default()
        };
        assert_eq!(by_tool(&mut prompt).unwrap(), Some(JSON_TOOL));
        assert_eq!(prompt.tools.len(), tools + 1);
        assert_eq!(&prompt.tool_choice.unwrap().value, expected);
        assert_eq!(prompt.shape, None);
    }

    #[test]
    fn the_model_must_answer_by_the_tool_or_call_one_that_it_may() {
        let alone = ToolChoice::Named(JSON_TOOL.to_owned());
        let named = ToolChoice::Named("f".to_owned());
        check(0, None, &alone);
        check(0, Some(ToolChoice::Auto), &alone);
        check(1, None, &ToolChoice::Any);
        check(1, Some(ToolChoice::None), &alone);
        check(1, Some(named.clone()), &named);
        let names = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        check(
            2,
            Some(ToolChoice::Among { names: names(&["f"]), required: false }),
            &ToolChoice::Among { names: names(&["f", JSON_TOOL]), required: true },
        );
    }

    #[test]
    fn a_shape_that_is_no_object_is_refused() {
        let schema = json!({"type": "array"});
        let value = Shape::Schema { name: None, schema, strict: None };
        let mut prompt =
            Prompt { shape: Some(Given { at: "x".to_owned(), value }), ..Prompt::default() };
        assert_eq!(by_tool(&mut prompt).unwrap_err().field, "x");
        assert_eq!(by_tool(&mut Prompt::default()).unwrap(), None);
    }
}
