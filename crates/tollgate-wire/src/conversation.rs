//! A call's bodies as messages, for people to read.
//!
//! The view is made when somebody looks, not while the call runs, so it may build a tree. It is
//! lenient: what it does not know becomes [`Part::Other`], and what it cannot read is left out.

mod anthropic;
mod bedrock;
mod chat;
mod gemini;
mod reading;
mod responses;
mod view;

use serde::Serialize;
use serde_json::{Map, Value};
use tollgate_core::Format;

use self::view::View;

/// The longest single text that is shown.
pub const TEXT_BYTES_MAX: usize = 256 << 10;

/// The most text shown of a request, and again of its answer.
pub const CONVERSATION_BYTES_MAX: usize = 4 << 20;

/// The longest parameter that is shown, as JSON.
pub const PARAM_BYTES_MAX: usize = 4 << 10;

/// A call's bodies, with any content coding undone.
#[derive(Clone, Copy, Debug)]
pub struct Bodies<'a> {
    /// The format of both.
    pub format: Format,
    /// The request's body.
    pub request: &'a [u8],
    /// The answer's body as far as it came: a JSON text, a JSON list, server-sent events or Amazon's
    /// binary event stream.
    pub response: &'a [u8],
}

/// A call as messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Conversation {
    /// The history that was sent, then the answer.
    pub messages: Vec<Message>,
    /// How many of the messages, at the end, are the answer: one for each choice or candidate.
    pub answers: usize,
    /// The names of the tools offered.
    pub tools: Vec<String>,
    /// The request's other members (`model`, `temperature`, …) as they were sent, save those over
    /// [`PARAM_BYTES_MAX`].
    pub params: Map<String, Value>,
    /// Whether something was left out or cut because it is too long.
    pub cut: bool,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The system or developer prompt.
    System,
    /// The program or person that asks.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

/// A part of a message. Texts are at most [`TEXT_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// The model's reasoning or a summary of it; empty when the provider hides it.
    Thinking {
        /// The text.
        text: String,
    },
    /// The model calls a tool.
    ToolCall {
        /// The call's id, which its result repeats.
        id: Option<String>,
        /// The tool.
        name: String,
        /// The arguments, as JSON where the model made JSON.
        arguments: String,
    },
    /// A tool's result. Pictures in it follow as parts of their own.
    ToolResult {
        /// The id of the call it answers.
        id: Option<String>,
        /// The tool, where the format names it.
        name: Option<String>,
        /// The text, or JSON.
        text: String,
        /// Whether the tool failed, where the format says so.
        is_error: bool,
    },
    /// A picture.
    Image {
        /// Its media type.
        media_type: Option<String>,
        /// Its length, when it is inline.
        bytes: Option<u64>,
        /// Its address, when it is not.
        url: Option<String>,
    },
    /// A document or another file.
    Document {
        /// Its media type.
        media_type: Option<String>,
        /// Its length, when it is inline.
        bytes: Option<u64>,
        /// Its name, title, id or address.
        name: Option<String>,
    },
    /// Anything else.
    Other {
        /// The format's word for it.
        of: String,
        /// The JSON as sent.
        json: String,
    },
}

/// Reads a call's bodies as messages.
#[must_use]
pub fn conversation(bodies: Bodies<'_>) -> Conversation {
    let request: Value = serde_json::from_slice(bodies.request).unwrap_or_default();
    let answer = reading::answer(bodies.response);
    let mut history = View::new();
    let mut answers = View::new();
    match bodies.format {
        Format::OpenaiChat
        | Format::OpenaiEmbeddings
        | Format::CohereEmbed
        | Format::OllamaEmbed => {
            chat::request(&request, &mut history);
            chat::answer(&chat::assembled(answer), &mut answers);
        }
        Format::OpenaiResponses => {
            responses::request(&request, &mut history);
            responses::answer(&responses::assembled(answer), &mut answers);
        }
        Format::AnthropicMessages => {
            anthropic::request(&request, &mut history);
            anthropic::answer(&anthropic::assembled(answer), &mut answers);
        }
        Format::Gemini => {
            gemini::request(&request, &mut history);
            gemini::answer(&gemini::assembled(answer), &mut answers);
        }
        Format::BedrockConverse => {
            bedrock::request(&request, &mut history);
            bedrock::answer(&bedrock::assembled(answer), &mut answers);
        }
    }
    let (tools, prompt_members) = outline(bodies.format, &request);
    let (params, params_cut) = view::params(&request, prompt_members);
    let cut = history.cut || answers.cut || params_cut;
    let mut messages = history.messages;
    let answer_count = answers.messages.len();
    messages.append(&mut answers.messages);
    Conversation { messages, answers: answer_count, tools, params, cut }
}

/// The names of a request's tools, and the members that are its prompt or tools.
pub(crate) fn outline(format: Format, request: &Value) -> (Vec<String>, &'static [&'static str]) {
    match format {
        Format::OpenaiChat
        | Format::OpenaiEmbeddings
        | Format::CohereEmbed
        | Format::OllamaEmbed => (chat::tools(request), chat::PROMPT_MEMBERS),
        Format::OpenaiResponses => (responses::tools(request), responses::PROMPT_MEMBERS),
        Format::AnthropicMessages => (anthropic::tools(request), anthropic::PROMPT_MEMBERS),
        Format::Gemini => (gemini::tools(request), gemini::PROMPT_MEMBERS),
        Format::BedrockConverse => (bedrock::tools(request), bedrock::PROMPT_MEMBERS),
    }
}

#[cfg(test)]
mod tests;
