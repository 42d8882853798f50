//! Tokens counted here, where a provider tells none: with the model's own tokenizer, and only where
//! that is public.
//!
//! The count of a text is exact. How a conversation becomes the one text that a model reads is not
//! public: for messages of plain text there is a rule that OpenAI's cookbook publishes ("How to count
//! tokens with tiktoken"), with which this gives the figures printed there. So every count of a
//! prompt is an estimate. What the rule says nothing of (pictures, files, audio, a provider's stored
//! prompts) is not counted at all: [`Uncounted`] says why. Tools and schemas are counted as the JSON
//! they are sent as, and the count is then [`rough`](PromptTokens::rough).
//!
//! ```
//! use tollgate_core::Format;
//! use tollgate_wire::tokens::Counter;
//!
//! let counter = Counter::of_model("gpt-4o-2024-08-06").unwrap();
//! let body = br#"{"messages":[{"role":"user","content":"tiktoken is great!"}]}"#;
//! // Six of the text, one of the role, three of the message and three that begin the answer.
//! assert_eq!(counter.prompt(Format::OpenaiChat, body).unwrap().tokens, 13);
//! assert!(Counter::of_model("claude-sonnet-4-5").is_none());
//! ```

mod model;

use bpe_openai::Tokenizer;
use serde_json::{Map, Value, json};
use tollgate_core::Format;

use self::model::Vocabulary;
use crate::{
    conversation::{Bodies, Part, conversation},
    translate::{Capabilities, RequestConfig, translate_request},
};

/// What each message costs besides its texts, and what begins the answer.
const PER_MESSAGE: u64 = 3;
/// What a message with its author's name costs besides it.
const PER_NAME: u64 = 1;

/// Counts the tokens of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    vocabulary: Vocabulary,
    thinks: bool,
}

/// The tokens of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptTokens {
    /// How many.
    pub tokens: u64,
    /// Whether tools or a schema are among them, which the model reads in a form that is not public:
    /// the count may be off by a third of theirs, where that of plain messages is off by a few.
    pub rough: bool,
}

/// Why tokens are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncounted {
    /// The body is not what its format says, is longer than what is read of one, or names something
    /// that only its provider has.
    #[error("the body cannot be read in full")]
    Unread,
    /// A picture, a file or audio.
    #[error("a picture, a file or audio has tokens that only its provider can tell")]
    Media,
    /// The model thinks, and its provider does not show how much.
    #[error("the model's thinking has tokens that only its provider can tell")]
    Thinking,
    /// The request asks for a service whose tokens are told by nobody else: a search, a prediction,
    /// another service tier.
    #[error("the request asks for a service that only its provider can tell the tokens of")]
    Service,
}

impl Counter {
    /// The counter of a model, as its provider spells it; `None` where its tokenizer is not known.
    #[must_use]
    pub fn of_model(name: &str) -> Option<Self> {
        let (vocabulary, thinks) = model::find(name)?;
        Some(Self { vocabulary, thinks })
    }

    /// Whether the model thinks before it answers: then what it generated cannot be counted by what
    /// is seen of it.
    #[must_use]
    pub const fn thinks(self) -> bool {
        self.thinks
    }

    /// The tokens of a text, in a time that grows with its length whatever it says: eight megabytes
    /// take a quarter of a second. The first call of all loads the vocabulary, which takes 60 ms and
    /// 70 MB (of the older one 20 ms and 30 MB) that are never given back.
    #[must_use]
    pub fn text(self, text: &str) -> u64 {
        u64::try_from(self.tokenizer().count(text)).unwrap_or(u64::MAX)
    }

    /// The tokens of a request's prompt, in any format that clients speak. One of another format than
    /// OpenAI's chat is counted as the chat that it is translated to.
    ///
    /// # Errors
    /// See [`Uncounted`].
    pub fn prompt(self, format: Format, body: &[u8]) -> Result<PromptTokens, Uncounted> {
        let chat: Value = match format {
            Format::OpenaiChat => parsed(body)?,
            Format::OpenaiResponses | Format::AnthropicMessages | Format::Gemini => {
                parsed(&as_chat(format, body)?)?
            }
            Format::BedrockConverse
            | Format::OpenaiEmbeddings
            | Format::CohereEmbed
            | Format::OllamaEmbed => return Err(Uncounted::Unread),
        };
        let request = chat.as_object().ok_or(Uncounted::Unread)?;
        let mut sum = Sum { counter: self, tokens: 0, rough: tools_in(format, body) };
        sum.request(request)?;
        Ok(PromptTokens { tokens: sum.tokens, rough: sum.rough })
    }

    /// The tokens of an answer, as far as it came, without its content coding.
    ///
    /// # Errors
    /// When there is anything but text in it, or the model thinks.
    pub fn answer(self, format: Format, body: &[u8]) -> Result<u64, Uncounted> {
        if self.thinks {
            return Err(Uncounted::Thinking);
        }
        let said = conversation(Bodies { format, request: b"", response: body });
        if said.cut {
            return Err(Uncounted::Unread);
        }
        let mut tokens = 0;
        for part in said.messages.iter().flat_map(|it| &it.parts) {
            match part {
                Part::Text { text } => tokens += self.text(text),
                Part::Thinking { .. } => return Err(Uncounted::Thinking),
                Part::Image { .. } | Part::Document { .. } => return Err(Uncounted::Media),
                Part::ToolCall { .. } | Part::ToolResult { .. } | Part::Other { .. } => {
                    return Err(Uncounted::Unread);
                }
            }
        }
        Ok(tokens)
    }

    fn tokenizer(self) -> &'static Tokenizer {
        match self.vocabulary {
            Vocabulary::Cl100k => bpe_openai::cl100k_base(),
            Vocabulary::O200k => bpe_openai::o200k_base(),
        }
    }
}

/// The request whose prompt is to be counted, of a request for a count: Gemini can put it into a
/// member of its own.
#[must_use]
pub fn counted_request(format: Format, body: &[u8]) -> Vec<u8> {
    let inner = || {
        let request: Value = serde_json::from_slice(body).ok()?;
        let names = ["generateContentRequest", "generate_content_request"];
        let inner = names.iter().find_map(|it| request.get(*it))?;
        serde_json::to_vec(inner).ok()
    };
    let inner = if format == Format::Gemini { inner() } else { None };
    inner.unwrap_or_else(|| body.to_vec())
}

/// The answer to a request for a count; `None` for formats that have no such request.
#[must_use]
pub fn count_body(format: Format, tokens: u64) -> Option<Vec<u8>> {
    let body = match format {
        Format::AnthropicMessages => json!({ "input_tokens": tokens }),
        Format::OpenaiResponses => {
            json!({"object": "response.input_tokens", "input_tokens": tokens})
        }
        Format::Gemini => json!({ "totalTokens": tokens }),
        Format::OpenaiChat
        | Format::BedrockConverse
        | Format::OpenaiEmbeddings
        | Format::CohereEmbed
        | Format::OllamaEmbed => return None,
    };
    serde_json::to_vec(&body).ok()
}

fn parsed(body: &[u8]) -> Result<Value, Uncounted> {
    serde_json::from_slice(body).map_err(|_| Uncounted::Unread)
}

/// The request as OpenAI's chat, whose rule is the one that is public.
fn as_chat(format: Format, body: &[u8]) -> Result<Vec<u8>, Uncounted> {
    let config = RequestConfig {
        from: format,
        to: Format::OpenaiChat,
        model: "",
        query: None,
        streaming_in_path: Some(false),
        provider: Capabilities::default(),
    };
    translate_request(&config, body).map(|it| it.body).map_err(|_| Uncounted::Unread)
}

/// Whether the client offers tools, also such as are lost on the way to OpenAI's chat.
fn tools_in(format: Format, body: &[u8]) -> bool {
    crate::contents(format, body, 0).is_some_and(|it| !it.tools.is_empty())
}

/// What a chat request adds up to.
struct Sum {
    counter: Counter,
    tokens: u64,
    rough: bool,
}

impl Sum {
    fn request(&mut self, request: &Map<String, Value>) -> Result<(), Uncounted> {
        for (name, value) in request.iter().filter(|(_, it)| !it.is_null()) {
            match name.as_str() {
                "messages" => self.messages(value)?,
                // Legacy completions: the text is the prompt.
                "prompt" => self.texts(value)?,
                "tools" | "functions" if is_empty(value) => {}
                "tools" | "functions" => self.json(value),
                "response_format" if value.get("json_schema").is_some() => self.json(value),
                "service_tier" if matches!(value.as_str(), Some("auto" | "default")) => {}
                "service_tier" | "prediction" | "web_search_options" | "suffix" => {
                    return Err(Uncounted::Service);
                }
                "audio" => return Err(Uncounted::Media),
                "modalities" if *value != json!(["text"]) => {
                    return Err(Uncounted::Media);
                }
                // Everything else says how to answer.
                _ => {}
            }
        }
        if request.contains_key("messages") {
            self.tokens += PER_MESSAGE;
        }
        Ok(())
    }

    fn messages(&mut self, messages: &Value) -> Result<(), Uncounted> {
        for message in messages.as_array().ok_or(Uncounted::Unread)? {
            self.tokens += PER_MESSAGE;
            let members = message.as_object().ok_or(Uncounted::Unread)?;
            for (name, value) in members.iter().filter(|(_, it)| !it.is_null()) {
                match name.as_str() {
                    "role" | "refusal" => self.text(value)?,
                    "name" => {
                        self.text(value)?;
                        self.tokens += PER_NAME;
                    }
                    "content" => self.content(value)?,
                    "tool_calls" if is_empty(value) => {}
                    "tool_calls" | "function_call" => self.json(value),
                    // It ties a result to its call, which makes no text.
                    "tool_call_id" => self.rough = true,
                    // What an answer comes with that is sent back.
                    "annotations" => {}
                    "audio" => return Err(Uncounted::Media),
                    _ => return Err(Uncounted::Unread),
                }
            }
        }
        Ok(())
    }

    fn content(&mut self, content: &Value) -> Result<(), Uncounted> {
        let Some(parts) = content.as_array() else { return self.text(content) };
        for part in parts {
            match part.get("type").and_then(Value::as_str) {
                Some("text") => self.text(part.get("text").unwrap_or(&Value::Null))?,
                Some("refusal") => self.text(part.get("refusal").unwrap_or(&Value::Null))?,
                Some("image_url" | "input_audio" | "file") => return Err(Uncounted::Media),
                Some(_) | None => return Err(Uncounted::Unread),
            }
        }
        Ok(())
    }

    fn texts(&mut self, texts: &Value) -> Result<(), Uncounted> {
        match texts.as_array() {
            Some(texts) => texts.iter().try_for_each(|it| self.text(it)),
            None => self.text(texts),
        }
    }

    fn text(&mut self, text: &Value) -> Result<(), Uncounted> {
        self.tokens += self.counter.text(text.as_str().ok_or(Uncounted::Unread)?);
        Ok(())
    }

    fn json(&mut self, value: &Value) {
        self.rough = true;
        self.tokens += self.counter.text(&value.to_string());
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests;
