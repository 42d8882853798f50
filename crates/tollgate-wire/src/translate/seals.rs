//! Thinking that an earlier provider of another format sealed, in a request that is not translated.
//!
//! A client keeps the seals that it is given and sends them back, whoever serves the next call. A
//! provider that speaks the client's own format gets the body as it is, and refuses a seal that it
//! did not make (`Invalid signature in thinking block`).

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;
use tollgate_core::Format;

use super::{gemini, openai_responses};
use crate::ir::{FOREIGN, Signature};

/// The request's body without thinking that a provider of another format sealed; `None` when there
/// is none, and the body can be forwarded byte for byte.
///
/// Looks for the mark of such seals first, so that other bodies are not parsed.
#[must_use]
pub fn without_foreign_seals(format: Format, body: &[u8]) -> Option<Vec<u8>> {
    static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(FOREIGN));
    // The mark in base64, alone and behind that of hidden thinking.
    static CODED: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| ["dG9sbGdhdGUu", "aGlkZGVuOnRvbGxnYXRl"].map(Finder::new));
    let is_marked = match format {
        Format::Gemini => CODED.iter().any(|it| it.find(body).is_some()),
        // Nobody who speaks these is ever given one.
        Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => false,
        Format::OpenaiChat | Format::OpenaiResponses | Format::AnthropicMessages => {
            MARK.find(body).is_some()
        }
    };
    if !is_marked {
        return None;
    }
    let mut value: Value = serde_json::from_slice(body).ok()?;
    let found = match format {
        Format::AnthropicMessages => anthropic(&mut value),
        Format::OpenaiChat => chat(&mut value),
        Format::OpenaiResponses => responses(&mut value),
        Format::Gemini => gemini(&mut value),
        Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => false,
    };
    if found { serde_json::to_vec(&value).ok() } else { None }
}

fn list<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Vec<Value>> {
    value.get_mut(name)?.as_array_mut()
}

/// Takes out what `is_foreign`; tells whether there was any.
fn retain(list: &mut Vec<Value>, is_foreign: impl Fn(&Value) -> bool) -> bool {
    let before = list.len();
    list.retain(|it| !is_foreign(it));
    list.len() < before
}

fn is_foreign(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_str).and_then(Signature::foreign).is_some()
}

fn anthropic(body: &mut Value) -> bool {
    let Some(messages) = list(body, "messages") else { return false };
    let mut found = false;
    for message in messages.iter_mut() {
        let Some(content) = list(message, "content") else { continue };
        found |= retain(content, |it| match it.get("type").and_then(Value::as_str) {
            Some("thinking") => is_foreign(it, "signature"),
            Some("redacted_thinking") => is_foreign(it, "data"),
            Some(_) | None => false,
        });
    }
    // A turn of thinking alone would be empty, which is refused.
    messages
        .retain(|it| it.get("content").and_then(Value::as_array).is_none_or(|it| !it.is_empty()));
    found
}

fn chat(body: &mut Value) -> bool {
    let Some(messages) = list(body, "messages") else { return false };
    let mut found = false;
    for details in messages.iter_mut().filter_map(|it| list(it, "reasoning_details")) {
        found |= retain(details, |it| is_foreign(it, "signature") || is_foreign(it, "data"));
    }
    found
}

fn responses(body: &mut Value) -> bool {
    let Some(items) = list(body, "input") else { return false };
    retain(items, |it| {
        let encrypted = it.get("encrypted_content").and_then(Value::as_str);
        encrypted.is_some_and(openai_responses::is_foreign_seal)
    })
}

fn gemini(body: &mut Value) -> bool {
    let Some(contents) = list(body, "contents") else { return false };
    let mut found = false;
    let foreign = |part: &Value| {
        let names = ["thoughtSignature", "thought_signature"];
        let seal = names.iter().find_map(|it| part.get(it)).and_then(Value::as_str);
        seal.is_some_and(|it| gemini::is_foreign_seal(it.to_owned()))
    };
    for content in contents.iter_mut() {
        let Some(parts) = list(content, "parts") else { continue };
        let is_thought = |it: &Value| it.get("thought") == Some(&Value::Bool(true));
        found |= retain(parts, |it| foreign(it) && is_thought(it));
        for part in parts.iter_mut().filter(|it| foreign(it)) {
            if let Value::Object(members) = part {
                members.retain(|name, _| !name.starts_with("thought"));
                found = true;
            }
        }
    }
    contents.retain(|it| it.get("parts").and_then(Value::as_array).is_none_or(|it| !it.is_empty()));
    found
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the values are written in place")]
    fn check(format: Format, body: Value, expected: Option<Value>) {
        let found = without_foreign_seals(format, body.to_string().as_bytes());
        let found = found.map(|it| serde_json::from_slice::<Value>(&it).unwrap());
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn foreign_thinking_is_taken_out_and_own_stays() {
        let own = json!({"type": "thinking", "thinking": "mine", "signature": "EqQB"});
        let seal = "tollgate.gemini.CpQB";
        let theirs = json!({"type": "thinking", "thinking": "theirs", "signature": seal});
        let hidden = json!({"type": "redacted_thinking", "data": seal});
        let text = json!({"type": "text", "text": "tollgate.gemini."});
        check(
            Format::AnthropicMessages,
            json!({"messages": [
                {"role": "user", "content": "tollgate."},
                {"role": "assistant", "content": [own, theirs, hidden, text]},
                {"role": "assistant", "content": [theirs]},
            ]}),
            Some(json!({"messages": [
                {"role": "user", "content": "tollgate."},
                {"role": "assistant", "content": [own, text]},
            ]})),
        );
        let item =
            |seal: &str| json!({"type": "reasoning", "summary": [], "encrypted_content": seal});
        check(
            Format::OpenaiResponses,
            json!({"input": [item("gAAA"), item(seal), item("hidden:tollgate.anthropic-messages.E")]}),
            Some(json!({"input": [item("gAAA")]})),
        );
        let detail = |seal: &str| json!({"type": "reasoning.text", "signature": seal});
        check(
            Format::OpenaiChat,
            json!({"messages": [{"reasoning_details": [detail("x"), detail(seal)]}]}),
            Some(json!({"messages": [{"reasoning_details": [detail("x")]}]})),
        );
    }

    #[test]
    fn a_foreign_seal_on_a_part_of_geminis_is_taken_off() {
        let seal = STANDARD.encode("tollgate.anthropic-messages.EqQB");
        let hidden = STANDARD.encode("hidden:tollgate.anthropic-messages.EqQB");
        check(
            Format::Gemini,
            json!({"contents": [{"role": "model", "parts": [
                {"text": "theirs", "thought": true, "thoughtSignature": seal},
                {"text": "", "thought": true, "thought_signature": hidden},
                {"functionCall": {"name": "f"}, "thoughtSignature": seal},
                {"functionCall": {"name": "g"}, "thoughtSignature": "CpQB"},
            ]}]}),
            Some(json!({"contents": [{"role": "model", "parts": [
                {"functionCall": {"name": "f"}},
                {"functionCall": {"name": "g"}, "thoughtSignature": "CpQB"},
            ]}]})),
        );
    }

    #[test]
    fn a_body_without_foreign_seals_is_left_as_it_is() {
        for format in Format::ALL {
            check(format, json!({"messages": [{"role": "user", "content": "a tollgate. "}]}), None);
            check(format, json!({"model": "tollgate.x"}), None);
        }
        assert_eq!(without_foreign_seals(Format::OpenaiChat, b"tollgate. is no JSON"), None);
    }
}
