//! The one representation between any two formats. Readers fill it from a client's request or a
//! provider's answer, writers make the other format of it; no reader knows a writer.
//!
//! What stands here is what at least two formats can say. What only one can say never gets in: its
//! reader notes a loss or refuses. Each value that a writer may be unable to express carries the
//! JSON path it came from, so that the loss names the client's own field.

use serde_json::{Map, Number, Value};
use tollgate_core::{Format, Usage};

/// A value and where the client wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given<T> {
    pub(crate) at: String,
    pub(crate) value: T,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Prompt {
    /// What stands before the conversation, whoever the format says speaks it.
    pub(crate) system: Vec<Part>,
    pub(crate) turns: Vec<Turn>,
    /// The client's names for the conversation and for `max_tokens`, for what is said of them when
    /// they are missing.
    pub(crate) turns_at: &'static str,
    pub(crate) max_tokens_at: &'static str,
    pub(crate) tools: Vec<Tool>,
    /// The namespaces in which the client's format keeps tools; their names stand before the tools'.
    pub(crate) namespaces: Vec<String>,
    pub(crate) tool_choice: Option<Given<ToolChoice>>,
    pub(crate) parallel_tool_calls: Option<Given<bool>>,
    pub(crate) shape: Option<Given<Shape>>,
    pub(crate) temperature: Option<Given<Number>>,
    pub(crate) top_p: Option<Given<Number>>,
    pub(crate) top_k: Option<Given<Number>>,
    pub(crate) seed: Option<Given<Number>>,
    pub(crate) frequency_penalty: Option<Given<Number>>,
    pub(crate) presence_penalty: Option<Given<Number>>,
    /// Log probabilities asked for, and how many alternatives.
    pub(crate) logprobs: Option<Given<Option<u64>>>,
    /// Pictures asked for.
    pub(crate) pictures: Option<Given<Pictures>>,
    /// How many answers; absent when one.
    pub(crate) answers: Option<Given<u64>>,
    pub(crate) stops: Option<Given<Vec<String>>>,
    pub(crate) max_tokens: Option<Given<u64>>,
    pub(crate) reasoning: Option<Given<Reasoning>>,
    pub(crate) stream: bool,
    /// Whether the client calls tools `functions`, chat's first way, which has room for one call in
    /// an answer.
    pub(crate) functions: bool,
    /// Whether the client wants usage in a stream, where its format lets it choose.
    pub(crate) include_usage: bool,
    /// The end user for whom the call is made, in a word that means nothing outside.
    pub(crate) end_user: Option<Given<String>>,
    pub(crate) metadata: Option<Given<Map<String, Value>>>,
    pub(crate) service_tier: Option<Given<String>>,
}

/// Who speaks a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Instructions in the middle of a conversation.
    System,
    /// The client's side; tool results stand here.
    User,
    Assistant,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turn {
    pub(crate) role: Role,
    pub(crate) at: String,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) at: String,
    pub(crate) cache: Option<CacheHint>,
    pub(crate) content: Content,
    /// The tokens of an answer's text or refusal, where the provider told how likely they were.
    pub(crate) tokens: Vec<ScoredToken>,
}

impl Part {
    pub(crate) fn new(at: impl Into<String>, content: Content) -> Self {
        Self { at: at.into(), cache: None, content, tokens: Vec::new() }
    }

    pub(crate) fn text(at: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(at, Content::Text(text.into()))
    }

    /// Its text, if it is one.
    pub(crate) const fn as_text(&self) -> Option<&str> {
        if let Content::Text(text) = &self.content { Some(text.as_str()) } else { None }
    }
}

/// Up to here the provider is asked to cache the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheHint {
    FiveMinutes,
    OneHour,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Image(Source),
    Document {
        source: Source,
        name: Option<String>,
    },
    Audio {
        /// Base64.
        data: String,
        media_type: String,
    },
    ToolCall(ToolCall),
    ToolResult(ToolResult),
    Thinking(Thinking),
    /// Thinking that only its provider can read.
    Redacted(Signature),
    Refusal(String),
}

impl Content {
    /// The seal of thinking.
    pub(crate) const fn seal(&self) -> Option<&Signature> {
        match self {
            Self::Thinking(thinking) => thinking.signature.as_ref(),
            Self::Redacted(signature) => Some(signature),
            Self::Text(_)
            | Self::Image(_)
            | Self::Document { .. }
            | Self::Audio { .. }
            | Self::ToolCall(_)
            | Self::ToolResult(_)
            | Self::Refusal(_) => None,
        }
    }
}

/// Where the bytes of an image or document are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Url {
        url: String,
        media_type: Option<String>,
    },
    Base64 {
        media_type: String,
        data: String,
    },
    /// A document that is plain text.
    Text(String),
}

impl Source {
    /// What it takes to hold it.
    pub(crate) const fn bytes(&self) -> usize {
        match self {
            Self::Url { url, .. } => url.len(),
            Self::Base64 { data, .. } => data.len(),
            Self::Text(text) => text.len(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolCall {
    /// Never empty: readers make one up where the format leaves it out.
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON as the model wrote it, which need not be valid; empty for none.
    pub(crate) arguments: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolResult {
    pub(crate) call_id: String,
    /// The tool's name, where the format tells it or the call was found.
    pub(crate) name: Option<String>,
    /// Texts, images and documents.
    pub(crate) parts: Vec<Part>,
    pub(crate) is_error: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thinking {
    /// Empty when the provider shows none.
    pub(crate) text: String,
    /// The provider's seal. In Gemini's format it seals the part that follows.
    pub(crate) signature: Option<Signature>,
}

/// What proves thinking to the provider that made it. It is of no use to any other, so it remembers
/// the format it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) by: Format,
    pub(crate) value: String,
}

/// What stands before a signature that a client is given to keep for a provider of another format.
pub(crate) const FOREIGN: &str = "tollgate.";

impl Signature {
    /// The text to give to a client that speaks `format`. A foreign one says whose it is, so that it
    /// is known again when the client sends it back.
    pub(crate) fn shown_in(&self, format: Format) -> String {
        if self.by == format {
            self.value.clone()
        } else {
            format!("{FOREIGN}{}.{}", self.by, self.value)
        }
    }

    /// Reads what [`shown_in`](Self::shown_in) made, or a signature of `format`'s own.
    pub(crate) fn read(text: String, format: Format) -> Self {
        Self::foreign(&text).unwrap_or(Self { by: format, value: text })
    }

    /// Reads what [`shown_in`](Self::shown_in) made for a client of another format.
    pub(crate) fn foreign(text: &str) -> Option<Self> {
        let (by, value) = text.strip_prefix(FOREIGN)?.split_once('.')?;
        Some(Self { by: by.parse().ok()?, value: value.to_owned() })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tool {
    pub(crate) at: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// JSON Schema; absent when the tool takes nothing.
    pub(crate) schema: Option<Value>,
    pub(crate) strict: Option<bool>,
    pub(crate) cache: Option<CacheHint>,
    /// Whether the client's tool takes a text and no JSON: its one argument is [`INPUT`].
    pub(crate) takes_text: bool,
}

/// The argument that holds the text of a tool that takes no JSON.
pub(crate) const INPUT: &str = "input";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    Auto,
    None,
    /// Some tool.
    Any,
    /// This tool.
    Named(String),
    /// Only some of the tools; whether one of them must be called.
    Among {
        names: Vec<String>,
        required: bool,
    },
}

/// What the answer's text must be; text of any kind when nothing is said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Json,
    Schema { name: Option<String>, schema: Value, strict: Option<bool> },
}

/// Pictures that the answer is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pictures {
    /// Beside text.
    WithText,
    /// And nothing else.
    Alone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reasoning {
    pub(crate) amount: Amount,
    /// Whether the thinking or a summary of it is to be shown, where that was said.
    pub(crate) shown: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    Off,
    /// As much as the model likes.
    Free,
    Effort(Effort),
    /// Tokens.
    Budget(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) choices: PerChoice<Choice>,
    /// Of all choices together.
    pub(crate) usage: Usage,
}

/// One of the answers that were asked for at once. Most formats have room for only one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    pub(crate) parts: Vec<Part>,
    pub(crate) stop: Stop,
}

/// Something for each choice of an answer, of which there is always one, and the choice at hand:
/// the first, until another is turned to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PerChoice<T> {
    first: T,
    others: Vec<T>,
    at: usize,
}

impl<T: Default> PerChoice<T> {
    /// Of the only choice.
    pub(crate) const fn only(first: T) -> Self {
        Self { first, others: Vec::new(), at: 0 }
    }

    /// Of the choices in this list; `None` when it is empty.
    pub(crate) fn of(list: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut list = list.into_iter();
        Some(Self { first: list.next()?, others: list.collect(), at: 0 })
    }

    /// How many choices are known.
    pub(crate) const fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// Turns to a choice; it and those before it that were not known yet begin as the default.
    pub(crate) fn turn_to(&mut self, index: usize) {
        self.at = index;
        if self.others.len() < index {
            self.others.resize_with(index, T::default);
        }
    }

    /// Which choice is at hand.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// That of the choice at hand.
    pub(crate) fn now(&mut self) -> &mut T {
        let other = self.at.checked_sub(1).and_then(|it| self.others.get_mut(it));
        other.unwrap_or(&mut self.first)
    }

    pub(crate) const fn first(&self) -> &T {
        &self.first
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// A token that the model chose, and what it could have chosen there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScoredToken {
    pub(crate) chosen: Score,
    /// The likeliest, most likely first; the chosen one may be among them.
    pub(crate) likeliest: Vec<Score>,
}

/// How likely a token was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Score {
    pub(crate) token: String,
    /// The token's bytes, where they were told: a token can be a piece of a letter.
    pub(crate) bytes: Option<Vec<u8>>,
    /// The natural logarithm of its probability.
    pub(crate) logprob: f64,
}

/// Why the model stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stop {
    #[default]
    End,
    MaxTokens,
    /// A stop sequence, if the provider says which.
    Sequence(Option<String>),
    ToolUse,
    /// The model or its provider will not answer.
    Refusal,
}

/// A piece of a streamed answer. At most one part of a choice is open at a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event<'a> {
    /// Once, first. The usage is what is known so far.
    Start {
        id: Option<&'a str>,
        model: Option<&'a str>,
        usage: Usage,
    },
    /// What follows is of this choice, counted from 0; until the first of these it is of the first.
    /// Sent to no client that has room for only one.
    Choice(usize),
    PartStart(Opening<'a>),
    /// More of the open part: text, thinking, refusal or a tool's arguments.
    Delta(&'a str),
    /// More of an open text or refusal, whose tokens the provider scored. The text may be empty, as
    /// where a token is a piece of a letter, or where the scores come after the text.
    Scored {
        text: &'a str,
        tokens: Vec<ScoredToken>,
    },
    /// The open thinking's signature.
    Sealed(Signature),
    PartEnd,
    Ping,
    /// Once for each choice, when nothing more comes of it.
    Stop(Stop),
    /// Once, last, with what all choices together used.
    End(Usage),
    /// Once, last, in place of `End`.
    Failed(Failure),
}

/// The part that a stream begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opening<'a> {
    Text,
    Refusal,
    Thinking,
    /// Complete as it is; its end follows at once.
    Redacted(Signature),
    ToolCall {
        id: &'a str,
        name: &'a str,
    },
    /// A picture; complete as it is, and its end follows at once.
    Image(&'a Source),
}

/// An error of the provider's, or of a translation in the middle of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// For people.
    pub(crate) message: String,
    /// The provider's own word for it.
    pub(crate) code: Option<String>,
    /// How long the provider asks to be left alone, in whole seconds.
    pub(crate) retry_after_s: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    Invalid,
    Unauthenticated,
    Billing,
    Forbidden,
    NotFound,
    TooLarge,
    RateLimited,
    Timeout,
    Overloaded,
    Server,
}
