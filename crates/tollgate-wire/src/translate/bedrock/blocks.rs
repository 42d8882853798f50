//! Messages and their content blocks.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tollgate_core::Format;

use crate::{
    ir::{CacheHint, Content, Part, Role, Source, Thinking, ToolCall, ToolResult, Turn},
    loss::{Losses, Refused},
    translate::{
        anthropic::write::{object_of, plain_id},
        openai_chat::write::result_text,
    },
};

/// Whose model it is, as far as models differ in what they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's.
    Claude,
    /// Amazon's.
    Nova,
    /// Any other, and those behind names that do not tell.
    Other,
}

impl Family {
    /// By the model's id, also with a region before it or inside an ARN.
    pub(super) fn of(model: &str) -> Self {
        if model.contains("anthropic.") {
            Self::Claude
        } else if model.contains("amazon.nova") {
            Self::Nova
        } else {
            Self::Other
        }
    }

    /// The formats whose seals the model takes: Anthropic's are the same wherever a model of theirs
    /// is served (docs.claude.com, "Extended thinking").
    pub(super) const fn seals(self) -> &'static [Format] {
        match self {
            Self::Claude => &[Format::BedrockConverse, Format::AnthropicMessages],
            Self::Nova | Self::Other => &[Format::BedrockConverse],
        }
    }
}

/// Bedrock refuses a longer id of a call.
const CALL_ID_BYTES_MAX: usize = 64;
/// Bedrock refuses a longer name of a document.
const DOCUMENT_NAME_CHARS_MAX: usize = 200;

/// What a document without a name is called.
const DOCUMENT: &str = "document";

/// Writes blocks.
pub(super) struct Writer<'a> {
    family: Family,
    losses: &'a mut Losses,
    /// The names of documents so far, which must differ.
    names: HashSet<String>,
}

/// A mark up to which the prompt is cached.
pub(super) fn cache_point(hint: CacheHint) -> Value {
    match hint {
        CacheHint::FiveMinutes => json!({"cachePoint": {"type": "default"}}),
        CacheHint::OneHour => json!({"cachePoint": {"type": "default", "ttl": "1h"}}),
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(family: Family, losses: &'a mut Losses) -> Self {
        Self { family, losses, names: HashSet::new() }
    }

    pub(super) fn message(&mut self, turn: &Turn) -> Result<Value, Refused> {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => return Err(Refused::new(&turn.at, "stands in the middle")),
        };
        let mut content = self.blocks(&turn.parts)?;
        let has = |name: &str| content.iter().find(|it| it.get(name).is_some());
        if let (Some(document), None) = (has("document"), has("text")) {
            // Bedrock refuses a document that nothing is said about.
            let name = document.get("document").and_then(|it| it.get("name")).cloned();
            content.push(json!({"text": name.unwrap_or_else(|| DOCUMENT.into())}));
            self.losses.note(&turn.at, "has a document and no words: its name was put beside it");
        }
        Ok(json!({"role": role, "content": content}))
    }

    pub(super) fn blocks(&mut self, parts: &[Part]) -> Result<Vec<Value>, Refused> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            let Some(block) = self.block(part)? else { continue };
            blocks.push(block);
            blocks.extend(part.cache.and_then(|it| self.cache(it, &part.at)));
        }
        Ok(blocks)
    }

    fn cache(&mut self, hint: CacheHint, at: &str) -> Option<Value> {
        match (self.family, hint) {
            (Family::Claude, _) | (Family::Nova, CacheHint::FiveMinutes) => {}
            (Family::Nova, CacheHint::OneHour) => {
                self.losses.note(at, "the model caches for five minutes and no longer");
                return Some(cache_point(CacheHint::FiveMinutes));
            }
            (Family::Other, _) => {
                self.losses.note(at, "its cache hint was left out: the model may take none");
                return None;
            }
        }
        Some(cache_point(hint))
    }

    fn block(&mut self, part: &Part) -> Result<Option<Value>, Refused> {
        Ok(Some(match &part.content {
            Content::Text(text) | Content::Refusal(text) => json!({"text": text}),
            Content::Image(source) => image(source, &part.at)?,
            Content::Document { source, name } => {
                self.document(source, name.as_deref(), &part.at)?
            }
            Content::Audio { data, media_type } => {
                let format = audio_format(media_type).ok_or_else(|| {
                    Refused::new(&part.at, "is of a kind that Bedrock does not take")
                })?;
                json!({"audio": {"format": format, "source": {"bytes": data}}})
            }
            Content::ToolCall(call) => self.tool_use(call, &part.at),
            Content::ToolResult(result) => self.tool_result(result)?,
            Content::Thinking(thinking) => return Ok(self.thinking(thinking, &part.at)),
            Content::Redacted(seal) if seal.by == Format::BedrockConverse => {
                json!({"reasoningContent": {"redactedContent": seal.value}})
            }
            Content::Redacted(_) => {
                self.losses.note(&part.at, "thinking that another provider hid was left out");
                return Ok(None);
            }
        }))
    }

    fn thinking(&mut self, thinking: &Thinking, at: &str) -> Option<Value> {
        let seals = self.family.seals();
        let own = thinking.signature.as_ref().filter(|it| seals.contains(&it.by));
        let Some(own) = own else {
            self.losses.note(at, "thinking that the model did not sign was left out");
            return None;
        };
        let said = json!({"text": thinking.text, "signature": own.value});
        Some(json!({"reasoningContent": {"reasoningText": said}}))
    }

    fn tool_use(&mut self, call: &ToolCall, at: &str) -> Value {
        let input = object_of(&call.arguments).unwrap_or_else(|| {
            self.losses.note(at, "its arguments are no JSON object and were wrapped into one");
            json!({"arguments": call.arguments})
        });
        json!({"toolUse": {"toolUseId": call_id(&call.id), "name": call.name, "input": input}})
    }

    fn tool_result(&mut self, result: &ToolResult) -> Result<Value, Refused> {
        let knows_errors = match self.family {
            Family::Claude | Family::Nova => true,
            Family::Other => false,
        };
        let mut content = Vec::new();
        if result.is_error && !knows_errors {
            // The mark of an error stands in front of the text.
            content.push(json!({"text": result_text(result)}));
        }
        let told = !content.is_empty();
        for part in &result.parts {
            match &part.content {
                Content::Text(text) if told || text.is_empty() => {}
                Content::Text(_) | Content::Image(_) | Content::Document { .. } => {
                    content.extend(self.block(part)?);
                }
                Content::Audio { .. }
                | Content::ToolCall(_)
                | Content::ToolResult(_)
                | Content::Thinking(_)
                | Content::Redacted(_)
                | Content::Refusal(_) => {
                    let why = "is nothing that Bedrock takes in a tool's result";
                    return Err(Refused::new(&part.at, why));
                }
            }
        }
        let mut block = json!({"toolUseId": call_id(&result.call_id), "content": content});
        if let Value::Object(members) = &mut block
            && result.is_error
            && knows_errors
        {
            members.insert("status".to_owned(), "error".into());
        }
        Ok(json!({"toolResult": block}))
    }

    fn document(
        &mut self,
        source: &Source,
        name: Option<&str>,
        at: &str,
    ) -> Result<Value, Refused> {
        let (format, bytes) = match source {
            Source::Base64 { media_type, data } => {
                let format = document_format(media_type)
                    .ok_or_else(|| Refused::new(at, "is of a kind that Bedrock does not take"))?;
                (format, data.clone())
            }
            Source::Text(text) => ("txt", STANDARD.encode(text)),
            Source::Url { .. } => {
                return Err(Refused::new(at, "Bedrock takes no document by its address"));
            }
        };
        let name = self.document_name(name.unwrap_or(DOCUMENT));
        Ok(json!({"document": {"format": format, "name": name, "source": {"bytes": bytes}}}))
    }

    /// The name with nothing in it that Bedrock refuses, and unlike those before it.
    fn document_name(&mut self, name: &str) -> String {
        let known = |it: char| it.is_ascii_alphanumeric() || "-()[]".contains(it);
        let spaced: String = name.chars().map(|it| if known(it) { it } else { ' ' }).collect();
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let plain: String = words.join(" ").chars().take(DOCUMENT_NAME_CHARS_MAX - 8).collect();
        let plain = Some(plain.trim()).filter(|it| !it.is_empty()).unwrap_or(DOCUMENT);
        let numbered = (2_u32..).map(|it| format!("{plain} {it}"));
        let mut names = std::iter::once(plain.to_owned()).chain(numbered);
        let free = names.find(|it| !self.names.contains(it)).unwrap_or_default();
        self.names.insert(free.clone());
        free
    }
}

fn image(source: &Source, at: &str) -> Result<Value, Refused> {
    let Source::Base64 { media_type, data } = source else {
        return Err(Refused::new(at, "Bedrock takes no picture by its address"));
    };
    let format = match media_type.as_str() {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return Err(Refused::new(at, "Bedrock takes only PNG, JPEG, GIF and WebP")),
    };
    Ok(json!({"image": {"format": format, "source": {"bytes": data}}}))
}

fn document_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/html" => "html",
        "text/plain" => "txt",
        "text/markdown" => "md",
        _ => return None,
    })
}

fn audio_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "audio/mp3" | "audio/mpeg" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/flac" | "audio/x-flac" => "flac",
        "audio/aac" => "aac",
        "audio/ogg" => "ogg",
        "audio/opus" => "opus",
        "audio/mp4" | "audio/m4a" | "audio/x-m4a" => "m4a",
        "audio/webm" => "webm",
        _ => return None,
    })
}

/// An id that Bedrock takes, the same in a call and its result. One that is too long keeps its
/// beginning and a checksum of the whole.
fn call_id(id: &str) -> String {
    let mut plain = plain_id(id);
    if plain.len() > CALL_ID_BYTES_MAX {
        let checksum = format!("_{:08x}", crc32fast::hash(id.as_bytes()));
        plain.truncate(CALL_ID_BYTES_MAX - checksum.len());
        plain.push_str(&checksum);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_its_id_wherever_it_stands() {
        let check = |model, family| assert_eq!(Family::of(model), family, "{model}");
        check("anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude);
        check("eu.anthropic.claude-opus-4-1-20250805-v1:0", Family::Claude);
        check(
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-lite-v1:0",
            Family::Nova,
        );
        check("meta.llama3-3-70b-instruct-v1:0", Family::Other);
        check("arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc", Family::Other);
    }

    #[test]
    fn names_of_documents_are_plain_and_differ() {
        let mut losses = Losses::default();
        let mut writer = Writer::new(Family::Claude, &mut losses);
        let names: Vec<String> = ["a.pdf", "a  pdf", "ü", "", "[x] (1)-2", "a/pdf"]
            .into_iter()
            .map(|it| writer.document_name(it))
            .collect();
        assert_eq!(names, ["a pdf", "a pdf 2", "document", "document 2", "[x] (1)-2", "a pdf 3"]);
        assert!(writer.document_name(&"x".repeat(900)).len() <= DOCUMENT_NAME_CHARS_MAX);
    }

    #[test]
    fn ids_are_as_short_and_plain_as_bedrock_wants() {
        assert_eq!(call_id("toolu_1"), "toolu_1");
        let long = "é".repeat(40);
        assert!(call_id(&long).len() <= CALL_ID_BYTES_MAX);
        assert_ne!(call_id(&long), call_id(&format!("{long}x")));
        assert_eq!(call_id(&long), call_id(&long));
    }
}
