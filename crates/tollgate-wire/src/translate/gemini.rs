//! Gemini (`POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`).

pub(super) mod answer;
mod logprobs;
pub(super) mod read;
mod schema;
pub(super) mod stream;
pub(super) mod write;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde_json::{Map, Value, json};
use tollgate_core::{Format, Usage};

use crate::ir::{Signature, Stop};

/// What stands before a seal of hidden thinking, which Gemini does not have.
const HIDDEN: &str = "hidden:";

/// Whether thinking can be read by others than its provider.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Readable,
    Hidden,
}

/// A seal as a `thoughtSignature`. That is bytes, which the SDKs decode from base64, so a foreign
/// seal is wrapped in some.
fn shown(seal: &Signature, kind: Kind) -> String {
    if seal.by == Format::Gemini && kind == Kind::Readable {
        return seal.value.clone();
    }
    let prefix = if kind == Kind::Hidden { HIDDEN } else { "" };
    STANDARD.encode(format!("{prefix}{}", seal.shown_in(Format::Gemini)))
}

/// Reads what [`shown`] made, or a signature of Gemini's own. The Python SDK sends base64 in its
/// other alphabet.
fn seal_of(text: String) -> (Signature, Kind) {
    const ANY: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url_safe = text.replace('+', "-").replace('/', "_");
    let decoded = GeneralPurpose::new(&alphabet::URL_SAFE, ANY).decode(url_safe).ok();
    let decoded = decoded.and_then(|it| String::from_utf8(it).ok());
    let Some(decoded) = decoded else {
        return (Signature { by: Format::Gemini, value: text }, Kind::Readable);
    };
    let (kind, inner) = match decoded.strip_prefix(HIDDEN) {
        Some(inner) => (Kind::Hidden, inner.to_owned()),
        None => (Kind::Readable, decoded),
    };
    match Signature::foreign(&inner) {
        Some(seal) => (seal, kind),
        None => (Signature { by: Format::Gemini, value: text }, Kind::Readable),
    }
}

/// Whether a `thoughtSignature` is another provider's.
pub(super) fn is_foreign_seal(text: String) -> bool {
    let (seal, kind) = seal_of(text);
    seal.by != Format::Gemini || kind == Kind::Hidden
}

/// A model's name with the folder that it stands in.
pub(super) fn model_path(model: &str) -> String {
    if model.starts_with("models/") || model.starts_with("tunedModels/") {
        model.to_owned()
    } else {
        format!("models/{model}")
    }
}

const fn finish_reason(stop: &Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) | Stop::ToolUse => "STOP",
        Stop::MaxTokens => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
    }
}

/// A finish reason; an error for those that mean that there is no usable answer.
fn stop_of(reason: &str) -> Result<Stop, ()> {
    Ok(match reason {
        "MAX_TOKENS" => Stop::MaxTokens,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Stop::Refusal,
        "OTHER"
        | "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE"
        | "NO_IMAGE"
        | "IMAGE_OTHER" => {
            return Err(());
        }
        _ => Stop::End,
    })
}

/// The `usageMetadata` object; `None` when the provider said nothing. Cached tokens are inside the
/// prompt, thoughts beside the candidates.
fn usage_of(usage: &Usage) -> Option<Value> {
    let (prompt, output) = (usage.prompt_total(), usage.output);
    if prompt.is_none() && output.is_none() {
        return None;
    }
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<u64>| {
        members.extend(value.map(|it| (name.to_owned(), Value::from(it))));
    };
    let thoughts = usage.reasoning;
    let candidates = output.map(|it| it.saturating_sub(thoughts.unwrap_or(0)));
    put("promptTokenCount", prompt);
    put("cachedContentTokenCount", usage.cache_read);
    put("candidatesTokenCount", candidates);
    put("thoughtsTokenCount", thoughts);
    put("totalTokenCount", prompt.zip(output).map(|(it, more)| it.saturating_add(more)));
    for (name, all, audio, image) in [
        ("promptTokensDetails", prompt, usage.input_audio, usage.input_image),
        ("candidatesTokensDetails", candidates, usage.output_audio, usage.output_image),
    ] {
        let details = all.map(|all| modalities(all, audio.unwrap_or(0), image.unwrap_or(0)));
        let details = details.filter(|it| it.len() > 1);
        members.extend(details.map(|it| (name.to_owned(), it.into())));
    }
    Some(Value::Object(members))
}

/// What tokens are of, beside text.
fn modalities(all: u64, audio: u64, image: u64) -> Vec<Value> {
    let text = all.saturating_sub(audio).saturating_sub(image);
    let others = [("AUDIO", audio), ("IMAGE", image)].into_iter().filter(|it| it.1 > 0);
    let counts = std::iter::once(("TEXT", text)).chain(others);
    counts.map(|(modality, count)| json!({"modality": modality, "tokenCount": count})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_seals_are_base64_and_known_again_in_either_alphabet() {
        let seal = Signature { by: Format::AnthropicMessages, value: "Eq?>~ü/+==".to_owned() };
        for kind in [Kind::Readable, Kind::Hidden] {
            let text = shown(&seal, kind);
            assert!(STANDARD.decode(&text).is_ok(), "{text}");
            let other = text.replace('+', "-").replace('/', "_");
            for text in [text.clone(), other, text.trim_end_matches('=').to_owned()] {
                let (read, found) = seal_of(text);
                assert!(read == seal && found == kind, "{read:?}");
            }
        }
    }

    #[test]
    fn geminis_own_signatures_stay_as_they_are() {
        for value in ["CpQB", "", "not base64!", "aGlkZGVuOg=="] {
            let own = Signature { by: Format::Gemini, value: value.to_owned() };
            let (read, kind) = seal_of(shown(&own, Kind::Readable));
            assert!(read == own && kind == Kind::Readable, "{value}");
        }
    }
}
