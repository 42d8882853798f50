//! OpenAI Chat Completions (`POST /v1/chat/completions`), and the additions of servers that copy it:
//! `reasoning_content` (DeepSeek, vLLM), `reasoning_details` (OpenRouter), `cache_control`.

pub(super) mod answer;
mod functions;
pub(super) mod read;
pub(super) mod stream;
pub(super) mod write;

use serde_json::{Map, Value, json};
use tollgate_core::{Format, Usage};

use crate::ir::{Signature, Source, Stop};

/// The `format` of what this translation puts into `reasoning_details`. OpenRouter's clients send
/// details back as they came, so that a seal finds its provider again.
const SEALED_FORMAT: &str = "tollgate";

/// The member that tells how many bytes of `reasoning_content`, after those of the seals before it,
/// belong to a seal.
const SEALED_BYTES: &str = "bytes";

/// The member of a picture that tells which of the `reasoning_details` seals it, where one does:
/// Gemini wants its pictures back with their seals.
const PICTURE_SEAL: &str = "seal";

/// A picture in an answer, its place among them, and which detail seals it.
fn made_picture(source: &Source, index: usize, seal: Option<usize>) -> Option<Value> {
    let mut picture = write::picture(source)?;
    picture["index"] = index.into();
    if let Some(seal) = seal {
        picture[PICTURE_SEAL] = seal.into();
    }
    Some(picture)
}

/// The element of `reasoning_details` for sealed thinking of so many bytes. SDKs put the pieces of a
/// stream together by `index`.
fn sealed(signature: &Signature, bytes: usize, index: usize) -> Value {
    json!({
        "type": "reasoning.text",
        "signature": signature.shown_in(Format::OpenaiChat),
        "format": SEALED_FORMAT,
        "index": index,
        SEALED_BYTES: bytes,
    })
}

/// The element of `reasoning_details` for thinking that only its provider can read.
fn redacted(signature: &Signature, index: usize) -> Value {
    json!({
        "type": "reasoning.encrypted",
        "data": signature.shown_in(Format::OpenaiChat),
        "format": SEALED_FORMAT,
        "index": index,
    })
}

/// A finish reason; whether the client knows calls of one function only.
const fn finish_reason(stop: &Stop, functions: bool) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) => "stop",
        Stop::MaxTokens => "length",
        Stop::ToolUse if functions => "function_call",
        Stop::ToolUse => "tool_calls",
        Stop::Refusal => "content_filter",
    }
}

/// A finish reason, by OpenAI or the servers that copy it.
fn stop_of(reason: &str) -> Stop {
    match reason {
        "length" | "max_tokens" | "model_length" => Stop::MaxTokens,
        "tool_calls" | "function_call" | "tool_use" => Stop::ToolUse,
        "content_filter" | "refusal" | "safety" => Stop::Refusal,
        _ => Stop::End,
    }
}

/// The `usage` object; `None` when the provider said nothing. OpenAI counts cached tokens inside the
/// prompt, and reasoning inside the output.
fn usage_of(usage: &Usage) -> Option<Value> {
    let (prompt, output) = (usage.prompt_total(), usage.output);
    if prompt.is_none() && output.is_none() {
        return None;
    }
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<u64>| {
        members.extend(value.map(|it| (name.to_owned(), Value::from(it))));
    };
    put("prompt_tokens", prompt);
    put("completion_tokens", output);
    put("total_tokens", prompt.zip(output).map(|(it, more)| it.saturating_add(more)));
    let written = [usage.cache_write_5m, usage.cache_write_1h].into_iter().flatten();
    // Where no picture was shown or made, that goes without saying.
    let pictures = |it: Option<u64>| it.filter(|it| *it > 0);
    let details = |entries: [(&str, Option<u64>); 4]| {
        let known = entries.into_iter().filter_map(|(name, it)| it.map(|it| (name, it)));
        let known: Map<_, _> = known.map(|(name, it)| (name.to_owned(), it.into())).collect();
        (!known.is_empty()).then_some(Value::Object(known))
    };
    let prompt_details = details([
        ("cached_tokens", usage.cache_read),
        ("cache_write_tokens", written.reduce(u64::saturating_add)),
        ("audio_tokens", usage.input_audio),
        ("image_tokens", pictures(usage.input_image)),
    ]);
    let output_details = details([
        ("reasoning_tokens", usage.reasoning),
        ("audio_tokens", usage.output_audio),
        ("image_tokens", pictures(usage.output_image)),
        ("", None),
    ]);
    members.extend(prompt_details.map(|it| ("prompt_tokens_details".to_owned(), it)));
    members.extend(output_details.map(|it| ("completion_tokens_details".to_owned(), it)));
    Some(Value::Object(members))
}
