//! OpenAI Responses (`POST /v1/responses`), without anything that the provider would have to
//! remember: the whole conversation is in `input`, and nothing is stored.

pub(super) mod answer;
pub(super) mod continuing;
pub(super) mod read;
pub(super) mod stream;
pub(super) mod write;

use serde_json::{Value, json};
use tollgate_core::{Format, Usage};

use crate::ir::{Content, Signature, Stop};

/// What stands before a seal of hidden thinking, which the format does not have.
const HIDDEN: &str = "hidden:";

/// A seal of the format's own: `encrypted_content` and the id of the item that it belongs to.
fn own_seal(id: &str, encrypted: &str) -> Signature {
    Signature { by: Format::OpenaiResponses, value: format!("{id}.{encrypted}") }
}

/// The id and `encrypted_content` of a seal of the format's own.
fn own_parts(seal: &Signature) -> Option<(&str, &str)> {
    if seal.by == Format::OpenaiResponses { seal.value.split_once('.') } else { None }
}

/// Whether an `encrypted_content` is another provider's.
pub(super) fn is_foreign_seal(encrypted: &str) -> bool {
    Signature::foreign(encrypted.strip_prefix(HIDDEN).unwrap_or(encrypted)).is_some()
}

/// The thinking that a reasoning item with this `encrypted_content` holds.
fn sealed_thinking(id: &str, encrypted: &str, text: String) -> Content {
    if let Some(seal) = encrypted.strip_prefix(HIDDEN).and_then(Signature::foreign) {
        return Content::Redacted(seal);
    }
    let signature = Signature::foreign(encrypted).unwrap_or_else(|| own_seal(id, encrypted));
    Content::Thinking(crate::ir::Thinking { text, signature: Some(signature) })
}

/// What stands between a namespace and the name of a tool in it, where one name must do.
const INSIDE: &str = "__";

/// The one name of a tool in a namespace.
fn namespaced(namespace: &str, name: &str) -> String {
    format!("{namespace}{INSIDE}{name}")
}

/// The name that a tool has in its namespace; `None` when it is not in it.
fn own_name<'a>(namespace: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(namespace)?.strip_prefix(INSIDE)
}

/// `status` and the reason why an answer is incomplete.
const fn status_of(stop: &Stop) -> (&'static str, Option<&'static str>) {
    match stop {
        Stop::End | Stop::Sequence(_) | Stop::ToolUse => ("completed", None),
        Stop::MaxTokens => ("incomplete", Some("max_output_tokens")),
        Stop::Refusal => ("incomplete", Some("content_filter")),
    }
}

/// Why an answer with this reason of incompleteness stopped.
fn stop_of(reason: Option<&str>) -> Stop {
    match reason {
        Some("content_filter") => Stop::Refusal,
        Some(_) => Stop::MaxTokens,
        None => Stop::End,
    }
}

/// The `usage` object, `null` when the provider said nothing. SDKs require the two details, so they
/// are 0 where they are not known.
fn usage_of(usage: &Usage) -> Value {
    let (Some(prompt), Some(output)) = (usage.prompt_total(), usage.output) else {
        return Value::Null;
    };
    let written = [usage.cache_write_5m, usage.cache_write_1h].into_iter().flatten();
    let mut input_details = json!({"cached_tokens": usage.cache_read.unwrap_or(0)});
    let more = [
        ("cache_write_tokens", written.reduce(u64::saturating_add)),
        ("audio_tokens", usage.input_audio),
        ("image_tokens", usage.input_image.filter(|it| *it > 0)),
    ];
    let mut output_details = json!({"reasoning_tokens": usage.reasoning.unwrap_or(0)});
    if let (Value::Object(input), Value::Object(output)) = (&mut input_details, &mut output_details)
    {
        let known = more.into_iter().filter_map(|(name, it)| it.map(|it| (name, it)));
        input.extend(known.map(|(name, it)| (name.to_owned(), it.into())));
        output.extend(usage.output_audio.map(|it| ("audio_tokens".to_owned(), it.into())));
        let pictures = usage.output_image.filter(|it| *it > 0);
        output.extend(pictures.map(|it| ("image_tokens".to_owned(), it.into())));
    }
    json!({
        "input_tokens": prompt,
        "input_tokens_details": input_details,
        "output_tokens": output,
        "output_tokens_details": output_details,
        "total_tokens": prompt.saturating_add(output),
    })
}
