//! Guardrails tried on a text that nobody sends.

use bytes::Bytes;
use serde_json::{Value, json};
use tollgate_core::guardrail::{GuardSide, Hit, Speaker};
use tollgate_wire::text;

use super::{GuardrailSet, Hits, look::look};

/// What comes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardTrial {
    /// What is found in it.
    pub hits: Vec<Hit>,
    /// The text as the provider would get it.
    pub text: String,
    /// Why such a call would be blocked.
    pub blocked: Option<String>,
}

/// Tries all guardrails that look at requests, whatever calls they are for, on a request's body or, where
/// the text is no JSON object, on a text of this speaker.
#[must_use]
pub fn trial(set: &GuardrailSet, text: &str, speaker: Speaker) -> GuardTrial {
    let is_body = serde_json::from_str::<Value>(text).is_ok_and(|it| it.is_object());
    let body = if is_body {
        Bytes::copy_from_slice(text.as_bytes())
    } else {
        let role = match speaker {
            Speaker::Offer => "tool",
            Speaker::System | Speaker::User | Speaker::Assistant | Speaker::Tool => speaker.name(),
        };
        // A string always serialises.
        serde_json::to_vec(&json!({ "role": role, "text": text })).unwrap_or_default().into()
    };
    let guardrails: Vec<_> = set
        .guardrails
        .iter()
        .filter(|it| it.on.looks_at(GuardSide::Request))
        .map(std::sync::Arc::clone)
        .collect();
    let hits = Hits::default();
    let looked = look(&guardrails, &set.exceptions, &body, &hits);
    let blocked = looked
        .as_ref()
        .and_then(|it| it.blocked.as_ref())
        .map(|it| text::blocked_by_guardrail(&it.guardrail, &it.what, &it.place));
    let out = looked.and_then(|it| it.body).unwrap_or(body);
    let text = if is_body {
        String::from_utf8_lossy(&out).into_owned()
    } else {
        let value: Value = serde_json::from_slice(&out).unwrap_or_default();
        value.get("text").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    GuardTrial { hits: hits.take(), text, blocked }
}
