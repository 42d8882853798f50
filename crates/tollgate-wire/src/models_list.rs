//! Lists of models in each format, with the user's own in them.
//!
//! Shapes: OpenAI `GET /v1/models`, Anthropic `GET /v1/models`, Gemini `GET /v1beta/models`, as their
//! API references give them.

use serde_json::{Map, Value, json};
use tollgate_core::Format;

/// The list that a provider answered, with `names` before its own; a model of its own is left out
/// that has one of these names, or one that leads `elsewhere`, since it cannot be reached by it.
/// Without a list, or with one that is none, these alone.
#[must_use]
pub fn models_list(
    format: Format,
    provider: Option<&[u8]>,
    names: &[&str],
    elsewhere: impl Fn(&str) -> bool,
) -> Vec<u8> {
    let mut list = provider.and_then(|it| serde_json::from_slice::<Map<String, Value>>(it).ok());
    let member = if format == Format::Gemini { "models" } else { "data" };
    if !list.as_ref().is_some_and(|it| it.get(member).is_some_and(Value::is_array)) {
        list = None;
    }
    let mut list = list.unwrap_or_else(|| empty(format));
    let theirs = match list.get_mut(member) {
        Some(Value::Array(theirs)) => std::mem::take(theirs),
        Some(_) | None => Vec::new(),
    };
    let hidden = |it: &Value| {
        let name = it.get(if format == Format::Gemini { "name" } else { "id" });
        let name = name.and_then(Value::as_str).unwrap_or_default();
        let name = name.strip_prefix("models/").unwrap_or(name);
        names.contains(&name) || elsewhere(name)
    };
    let mut models: Vec<Value> = names.iter().map(|it| entry(format, it)).collect();
    models.extend(theirs.into_iter().filter(|it| !hidden(it)));
    if format == Format::AnthropicMessages
        && let Some(first) = models.first().and_then(|it| it.get("id")).cloned()
    {
        list.insert("first_id".to_owned(), first);
        if list.get("last_id").is_none_or(Value::is_null) {
            let last = models.last().and_then(|it| it.get("id")).cloned();
            list.insert("last_id".to_owned(), last.unwrap_or_default());
        }
    }
    list.insert(member.to_owned(), models.into());
    serde_json::to_vec(&list).unwrap_or_default()
}

/// One of the user's own models.
#[must_use]
pub fn model_entry(format: Format, name: &str) -> Vec<u8> {
    serde_json::to_vec(&entry(format, name)).unwrap_or_default()
}

fn empty(format: Format) -> Map<String, Value> {
    let list = match format {
        Format::AnthropicMessages => json!({"data": [], "has_more": false}),
        Format::Gemini => json!({"models": []}),
        Format::OpenaiChat
        | Format::OpenaiResponses
        | Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => json!({"object": "list", "data": []}),
    };
    match list {
        Value::Object(list) => list,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn entry(format: Format, name: &str) -> Value {
    match format {
        // SDKs want a date; the beginning of time says that it means nothing.
        Format::AnthropicMessages => json!({
            "type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z",
        }),
        Format::Gemini => json!({
            "name": format!("models/{name}"), "displayName": name,
            "supportedGenerationMethods": ["generateContent"],
        }),
        Format::OpenaiChat
        | Format::OpenaiResponses
        | Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => {
            json!({"id": name, "object": "model", "created": 0, "owned_by": "tollgate"})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_models_stand_before_the_providers() {
        let check = |format: Format, provider: &str, expected: &str| {
            let list =
                models_list(format, Some(provider.as_bytes()), &["fast", "b"], |it| it == "o/x");
            let list: Value = serde_json::from_slice(&list).unwrap();
            assert_eq!(list, serde_json::from_str::<Value>(expected).unwrap());
        };
        let own = |id: &str| {
            format!(r#"{{"id":"{id}","object":"model","created":0,"owned_by":"tollgate"}}"#)
        };
        let (fast, b) = (own("fast"), own("b"));
        check(
            Format::OpenaiEmbeddings,
            r#"{"object":"list","data":[{"id":"a"},{"id":"b"},{"id":"o/x"}],"x":1}"#,
            &format!(r#"{{"object":"list","data":[{fast},{b},{{"id":"a"}}],"x":1}}"#),
        );
        for none in ["", "[]", r#"{"error":{"data":[]}}"#, r#"{"data":7}"#] {
            let alone = format!(r#"{{"object":"list","data":[{fast},{b}]}}"#);
            check(Format::OpenaiChat, none, &alone);
        }
        let own = |id: &str| {
            format!(
                r#"{{"type":"model","id":"{id}","display_name":"{id}","created_at":"1970-01-01T00:00:00Z"}}"#
            )
        };
        let (fast, b) = (own("fast"), own("b"));
        check(
            Format::AnthropicMessages,
            r#"{"data":[{"id":"z"}],"has_more":true,"first_id":"z","last_id":"z"}"#,
            &format!(
                r#"{{"data":[{fast},{b},{{"id":"z"}}],"has_more":true,"first_id":"fast","last_id":"z"}}"#
            ),
        );
        check(
            Format::AnthropicMessages,
            "",
            &format!(r#"{{"data":[{fast},{b}],"has_more":false,"first_id":"fast","last_id":"b"}}"#),
        );
        let own = |id: &str| {
            format!(
                r#"{{"name":"models/{id}","displayName":"{id}","supportedGenerationMethods":["generateContent"]}}"#
            )
        };
        let (fast, b) = (own("fast"), own("b"));
        check(
            Format::Gemini,
            r#"{"models":[{"name":"models/b"},{"name":"models/c"}],"nextPageToken":"t"}"#,
            &format!(r#"{{"models":[{fast},{b},{{"name":"models/c"}}],"nextPageToken":"t"}}"#),
        );
    }
}
