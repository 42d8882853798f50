//! What is in a request's body besides its prompt, for the rules of the configuration.

use serde_json::{Map, Value};
use tollgate_core::Format;

use crate::conversation;

/// What a request offers and asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// The names of the tools offered; a provider's own tool by its type.
    pub tools: Vec<String>,
    /// Whether there is a picture in the prompt, results of tools included.
    pub has_images: bool,
    /// The members that are neither the prompt nor tools, as they were sent, save those that are
    /// longer as JSON than was asked for.
    pub params: Map<String, Value>,
}

/// Reads a request's body; `None` when it is not a JSON object. `param_bytes_max` bounds a member of
/// [`Contents::params`].
#[must_use]
pub fn contents(format: Format, body: &[u8], param_bytes_max: usize) -> Option<Contents> {
    let request: Value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
    let (tools, prompt_members) = conversation::outline(format, &request);
    let members = request.as_object()?;
    let params = members.iter().filter(|(name, value)| {
        !prompt_members.contains(&name.as_str()) && value.to_string().len() <= param_bytes_max
    });
    let params = params.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut prompt = members.iter().filter(|(name, _)| {
        prompt_members.contains(&name.as_str()) && !matches!(name.as_str(), "tools" | "toolConfig")
    });
    let has_images = prompt.any(|(_, value)| has_image(format, value));
    Some(Contents { tools, has_images, params })
}

/// Whether a picture lies somewhere in a value. What a model gave to a tool is its own data, and not
/// looked into. The parser bounds the depth.
fn has_image(format: Format, value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|it| has_image(format, it)),
        Value::Object(members) => {
            is_image(format, members)
                || members
                    .iter()
                    .filter(|(name, _)| !matches!(name.as_str(), "input" | "arguments" | "args"))
                    .any(|(_, it)| has_image(format, it))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_image(format: Format, part: &Map<String, Value>) -> bool {
    let kind = part.get("type").and_then(Value::as_str);
    match format {
        Format::OpenaiChat | Format::OpenaiEmbeddings => kind == Some("image_url"),
        Format::CohereEmbed | Format::OllamaEmbed => kind == Some("image_url"),
        Format::BedrockConverse => part.get("image").is_some_and(Value::is_object),
        Format::OpenaiResponses => {
            matches!(kind, Some("input_image" | "computer_screenshot" | "image_generation_call"))
        }
        Format::AnthropicMessages => kind == Some("image"),
        Format::Gemini => {
            let names = ["inlineData", "inline_data", "fileData", "file_data"];
            let data = names.iter().find_map(|it| part.get(*it));
            let media_type = data.and_then(|it| it.get("mimeType").or_else(|| it.get("mime_type")));
            media_type.and_then(Value::as_str).is_some_and(|it| it.starts_with("image/"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: Format, body: &str, tools: &[&str], has_images: bool, params: &str) {
        let found = contents(format, body.as_bytes(), 32).unwrap();
        let params = serde_json::from_str(params).unwrap();
        let tools = tools.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(found, Contents { tools, has_images, params }, "{body}");
    }

    #[test]
    fn finds_tools_images_and_parameters_in_each_format() {
        check(
            Format::OpenaiChat,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}],"tools":[{"type":"function","function":{"name":"f"}}],"n":2}"#,
            &["f"],
            true,
            r#"{"model":"m","n":2}"#,
        );
        check(
            Format::OpenaiResponses,
            r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}],"tools":[{"type":"web_search"},{"type":"function","name":"f"}]}"#,
            &["web_search", "f"],
            true,
            "{}",
        );
        check(
            Format::AnthropicMessages,
            r#"{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image","source":{}}]}]}],"max_tokens":9}"#,
            &[],
            true,
            r#"{"max_tokens":9}"#,
        );
        check(
            Format::Gemini,
            r#"{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":""}}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}],"generationConfig":{"topK":1}}"#,
            &["f"],
            true,
            r#"{"generationConfig":{"topK":1}}"#,
        );
        check(
            Format::BedrockConverse,
            r#"{"messages":[{"content":[{"toolResult":{"content":[{"image":{"format":"png"}}]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f"}}]},"inferenceConfig":{"topP":1}}"#,
            &["f"],
            true,
            r#"{"inferenceConfig":{"topP":1}}"#,
        );
        check(
            Format::OpenaiEmbeddings,
            r#"{"input":["x"],"dimensions":8}"#,
            &[],
            false,
            r#"{"dimensions":8}"#,
        );
    }

    #[test]
    fn what_only_looks_like_an_image_is_none() {
        check(
            Format::AnthropicMessages,
            r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"type":"image"}}]}]}"#,
            &[],
            false,
            "{}",
        );
        check(
            Format::Gemini,
            r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":""}}]}]}"#,
            &[],
            false,
            "{}",
        );
        check(
            Format::OpenaiChat,
            r#"{"tools":[{"type":"image_url"}]}"#,
            &["image_url"],
            false,
            "{}",
        );
    }

    #[test]
    fn a_parameter_that_is_too_long_is_left_out_and_what_is_no_object_has_no_contents() {
        let long = format!(r#"{{"metadata":{{"x":"{}"}},"n":1}}"#, "x".repeat(32));
        check(Format::OpenaiChat, &long, &[], false, r#"{"n":1}"#);
        assert_eq!(contents(Format::OpenaiChat, b"[]", 32), None);
        assert_eq!(contents(Format::OpenaiChat, b"{", 32), None);
    }
}
