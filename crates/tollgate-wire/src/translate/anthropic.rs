//! Anthropic Messages (`POST /v1/messages`).

pub(super) mod answer;
pub(super) mod read;
pub(super) mod stream;
pub(super) mod thinks;
pub(super) mod write;

use serde_json::{Map, Value};
use tollgate_core::Usage;

use crate::ir::Stop;

/// `max_tokens` where the client's format lets it be left out: every model that is served today
/// makes at least so many.
pub(super) const MAX_TOKENS_DEFAULT: u64 = 8_192;

/// A stop reason. A window that is full ends the answer as the token limit does; a pause is for
/// tools of the provider's own, which are not translated.
fn stop_of(reason: &str, sequence: Option<&str>) -> Stop {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Stop::MaxTokens,
        "stop_sequence" => Stop::Sequence(sequence.map(str::to_owned)),
        "tool_use" => Stop::ToolUse,
        "refusal" => Stop::Refusal,
        _ => Stop::End,
    }
}

const fn stop_reason(stop: &Stop) -> &'static str {
    match stop {
        // Without the sequence itself SDKs would see a contradiction.
        Stop::End | Stop::Sequence(None) => "end_turn",
        Stop::Sequence(Some(_)) => "stop_sequence",
        Stop::MaxTokens => "max_tokens",
        Stop::ToolUse => "tool_use",
        Stop::Refusal => "refusal",
    }
}

fn stop_sequence(stop: &Stop) -> Option<&str> {
    match stop {
        Stop::Sequence(sequence) => sequence.as_deref(),
        Stop::End | Stop::MaxTokens | Stop::ToolUse | Stop::Refusal => None,
    }
}

/// The `usage` object of a message. The format has no way to say that a count is unknown: the two
/// that its SDKs require are 0 then.
fn usage_of(usage: &Usage) -> Value {
    final_usage_of(&Usage { input: Some(usage.input.unwrap_or(0)), ..*usage })
}

/// The `usage` object of `message_delta`, where the input may be left out. Cached tokens stand beside
/// the input.
fn final_usage_of(usage: &Usage) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<u64>| {
        members.extend(value.map(|it| (name.to_owned(), Value::from(it))));
    };
    put("input_tokens", usage.input);
    let written = [usage.cache_write_5m, usage.cache_write_1h].into_iter().flatten();
    put("cache_creation_input_tokens", written.reduce(u64::saturating_add));
    put("cache_read_input_tokens", usage.cache_read);
    put("output_tokens", Some(usage.output.unwrap_or(0)));
    if let Some(reasoning) = usage.reasoning {
        let details = serde_json::json!({"thinking_tokens": reasoning});
        members.insert("output_tokens_details".to_owned(), details);
    }
    Value::Object(members)
}
