//! Carries a call from the format that the client speaks to the one that its provider speaks, and
//! the answer back.
//!
//! Everything goes through one representation (`ir`): each format has a reader and a writer of
//! requests, of whole answers and of streams, and no format knows another. What the other side has
//! no place for is a [`Loss`], which names the client's field; what would change the meaning of the
//! call is [`Refused`]. Nothing is left out in silence.
//!
//! The gateway translates a request with [`translate_request`], sends the body to the provider at
//! the [`path`](TranslatedRequest::path) below its base URL, and hands the answer's pieces to an
//! [`AnswerTranslator`] that was made with the request's [`plan`](TranslatedRequest::plan):
//!
//! ```
//! use tollgate_core::Format;
//! use tollgate_wire::{
//!     End,
//!     translate::{AnswerConfig, AnswerTranslator, Capabilities, RequestConfig, translate_request},
//! };
//!
//! // A client of Anthropic's format, a provider of OpenAI's.
//! let config = RequestConfig {
//!     from: Format::AnthropicMessages,
//!     to: Format::OpenaiChat,
//!     model: "gpt-5-mini",
//!     query: None,
//!     streaming_in_path: None,
//!     provider: Capabilities::default(),
//! };
//! let body = br#"{"model":"claude","max_tokens":9,"top_k":5,"stream":true,
//!     "messages":[{"role":"user","content":"Hi"}]}"#;
//! let request = translate_request(&config, body)?;
//! assert_eq!(request.path, "/chat/completions");
//! assert_eq!(request.losses[0].field, "top_k");
//!
//! // The provider's head has come.
//! let mut answer = AnswerTranslator::new(&AnswerConfig {
//!     plan: &request.plan,
//!     status: 200,
//!     content_type: Some("text/event-stream"),
//!     retry_after_s: None,
//!     fallback_id: "msg_1",
//!     created_s: 0,
//! });
//! assert_eq!(answer.head().map(|it| it.status), Some(200));
//! let mut sent = Vec::new();
//! let piece = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
//! sent.extend_from_slice(&answer.push(piece));
//! // The connection breaks before the finish reason: the client is told.
//! sent.extend_from_slice(&answer.finish(End::Broken).bytes);
//! let sent = String::from_utf8(sent)?;
//! assert!(sent.starts_with("event: message_start\n"));
//! assert!(sent.contains(r#"{"type":"text_delta","text":"Hello"}"#));
//! assert!(sent.contains("event: error\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A Responses request that goes on from an earlier answer is made whole by [`continue_response`]
//! first, where the bodies of the earlier call were kept.
//!
//! Calls that make vectors are carried the same way, between formats that have such calls: whether
//! one is meant follows from the two formats, since only Gemini has both. A count of a prompt's tokens is
//! asked for with [`translate_count`].
//!
//! Sealed thinking comes back to the provider that made it through any client. A request that goes
//! untranslated to a provider of the client's own format is to pass [`without_foreign_seals`].

mod answers;
mod anthropic;
mod bedrock;
mod choices;
mod count;
mod embedding;
mod failure;
mod fields;
mod gemini;
mod held;
mod logprobs;
mod media;
mod open;
mod openai_chat;
mod openai_responses;
mod reasoning;
mod seals;
mod shape;
mod turns;

use serde::Serialize;
use serde_json::Value;
use tollgate_core::{Format, Operation};

use self::{answers::GenerateConfig, count::CountPlan, embedding::EmbedPlan};
pub use self::{
    answers::{
        ANSWER_BYTES_MAX, AnswerConfig, AnswerTranslator, Finished, Head, VECTORS_BYTES_MAX,
    },
    count::translate_count,
    openai_responses::continuing::{continue_response, previous_response_id},
    seals::without_foreign_seals,
};
use crate::{
    ir::{Event, Prompt},
    loss::{Loss, Losses, Refused},
};

/// What readers of streams give their events to.
type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// What must be known of a request to translate it.
#[derive(Clone, Copy, Debug)]
pub struct RequestConfig<'a> {
    /// The format of the client's body.
    pub from: Format,
    /// The provider's format.
    pub to: Format,
    /// The model to ask for, by the provider's name. The client's own is not looked at.
    pub model: &'a str,
    /// The query of the client's URL: a Gemini client streams server-sent events with `alt=sse` and
    /// a JSON list without.
    pub query: Option<&'a str>,
    /// [`Route::streaming_in_path`](crate::Route::streaming_in_path).
    pub streaming_in_path: Option<bool>,
    /// What is special about the provider or the model.
    pub provider: Capabilities,
}

/// How a provider or model departs from what its format's inventor does. The default is a current
/// model of the inventor's, save that structured output is only used where it is known to exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// OpenAI chat: the server knows `max_tokens` and not `max_completion_tokens`.
    pub old_max_tokens: bool,
    /// OpenAI chat: the server refuses to be asked for the usage of a stream.
    pub no_stream_usage: bool,
    /// OpenAI chat: a message's content must be a text. Texts are joined; pictures are sent as they
    /// are, and the provider will say what it thinks of them.
    pub text_only_content: bool,
    /// OpenAI chat: the server wants to see earlier thinking again, as `reasoning_content`.
    pub reasoning_content: bool,
    /// Anthropic: the model has `output_config.format`. Bedrock: it has `outputConfig.textFormat`.
    /// Gemini: it takes a shape beside tools, as Gemini 3 does. Else a tool stands for the shape.
    pub structured_output: bool,
    /// Anthropic, also on Bedrock: the model takes `thinking.type` `adaptive` with an effort, and no
    /// budgets.
    pub adaptive_thinking: bool,
    /// Anthropic: `thinking.type` `disabled` is refused.
    pub no_thinking_off: bool,
    /// Anthropic: the model refuses to be made to call a tool, some or a named one.
    pub no_forced_tool: bool,
    /// Gemini: the model refuses earlier calls without a seal, as Gemini 3 does.
    pub seals_required: bool,
    /// Gemini: a count is asked for with the prompt's own fields, and not with the whole request as a
    /// member, as on Vertex AI.
    pub flat_count: bool,
    /// The model does not reason, and its provider refuses to be asked for it.
    pub no_reasoning: bool,
    /// The provider refuses temperature, `top_p`, `top_k`, penalties and log probabilities, as OpenAI
    /// does for models that reason.
    pub no_sampling: bool,
    /// The most tokens that the model makes; a client that asks for more gets these.
    pub max_tokens_limit: Option<u64>,
    /// Anthropic: `max_tokens` where the client gives none.
    pub max_tokens_default: Option<u64>,
}

/// A request as the provider wants it.
#[derive(Clone, Debug)]
pub struct TranslatedRequest {
    /// The body, JSON.
    pub body: Vec<u8>,
    /// The path to append to the provider's base URL, with a query if the format has one; starts
    /// with a slash.
    pub path: String,
    /// Whether the answer is to stream.
    pub stream: bool,
    /// What of the request could not be carried over.
    pub losses: Vec<Loss>,
    /// What the answer's translator must know of the request.
    pub plan: AnswerPlan,
}

/// What an answer's translation must know of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerPlan(Plan);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    Generate(GeneratePlan),
    Embed(EmbedPlan),
    Count(CountPlan),
}

/// What a model's answer is translated by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GeneratePlan {
    client: Client,
    provider: Provider,
    /// The provider's model, named to the client when the provider does not.
    model: String,
    stream: bool,
    /// How many answers were asked for.
    answers: usize,
    /// Whether an OpenAI chat client asked for usage in its stream.
    include_usage: bool,
    /// How a stream is told to the client.
    framing: Framing,
    /// The tool whose arguments are the answer's text.
    json_tool: Option<&'static str>,
    /// Whether the client knows only calls of one function.
    functions: bool,
    /// The client's tools that take a text and no JSON.
    text_tools: Vec<String>,
    /// The namespaces of the client's tools.
    namespaces: Vec<String>,
}

/// How a stream's pieces follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// As server-sent events.
    Events,
    /// As the elements of a JSON list: Gemini without `alt=sse`.
    List,
}

/// A format that clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Chat,
    Anthropic,
    Gemini,
    Responses,
}

impl Client {
    fn of(format: Format) -> Result<Self, Refused> {
        match format {
            Format::OpenaiChat => Ok(Self::Chat),
            Format::AnthropicMessages => Ok(Self::Anthropic),
            Format::Gemini => Ok(Self::Gemini),
            Format::OpenaiResponses => Ok(Self::Responses),
            Format::BedrockConverse
            | Format::OpenaiEmbeddings
            | Format::CohereEmbed
            | Format::OllamaEmbed => Err(not_translated(format)),
        }
    }

    const fn format(self) -> Format {
        match self {
            Self::Chat => Format::OpenaiChat,
            Self::Anthropic => Format::AnthropicMessages,
            Self::Gemini => Format::Gemini,
            Self::Responses => Format::OpenaiResponses,
        }
    }
}

/// A format that providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Chat,
    Anthropic,
    Gemini,
    Responses,
    Bedrock,
}

impl Provider {
    fn of(format: Format) -> Result<Self, Refused> {
        match format {
            Format::OpenaiChat => Ok(Self::Chat),
            Format::AnthropicMessages => Ok(Self::Anthropic),
            Format::Gemini => Ok(Self::Gemini),
            Format::OpenaiResponses => Ok(Self::Responses),
            Format::BedrockConverse => Ok(Self::Bedrock),
            Format::OpenaiEmbeddings | Format::CohereEmbed | Format::OllamaEmbed => {
                Err(not_translated(format))
            }
        }
    }
}

/// Whether a format's calls make vectors and nothing else. Gemini's make both.
const fn makes_vectors(format: Format) -> bool {
    match format {
        Format::OpenaiEmbeddings | Format::CohereEmbed | Format::OllamaEmbed => true,
        Format::OpenaiChat
        | Format::OpenaiResponses
        | Format::AnthropicMessages
        | Format::Gemini
        | Format::BedrockConverse => false,
    }
}

fn not_translated(format: Format) -> Refused {
    Refused::new("", format!("the format `{format}` is not translated"))
}

/// Whether calls of this kind can be carried from one format to another; what is in one may still be
/// [`Refused`].
#[must_use]
pub const fn is_translated(from: Format, to: Format, operation: Operation) -> bool {
    let is_client = match (operation, from) {
        (
            Operation::Generate,
            Format::OpenaiChat
            | Format::OpenaiResponses
            | Format::AnthropicMessages
            | Format::Gemini,
        )
        | (Operation::Embed, Format::OpenaiEmbeddings | Format::Gemini) => true,
        (Operation::CountTokens, _) => count::is_client(from),
        (Operation::Generate | Operation::Embed | Operation::ListModels | Operation::Other, _) => {
            false
        }
    };
    let is_provider = match operation {
        Operation::Generate => !makes_vectors(to),
        Operation::Embed => makes_vectors(to) || matches!(to, Format::Gemini),
        Operation::CountTokens => count::is_provider(to),
        Operation::ListModels | Operation::Other => false,
    };
    is_client && is_provider && from as u8 != to as u8
}

/// Translates a request.
///
/// # Errors
///
/// The body is not what its format says, one of the formats is not translated, or something in the
/// body has no counterpart and the call would mean something else without it.
pub fn translate_request(
    config: &RequestConfig<'_>,
    body: &[u8],
) -> Result<TranslatedRequest, Refused> {
    if config.from == config.to {
        return Err(Refused::new("", "the provider speaks the client's format"));
    }
    if makes_vectors(config.from) || makes_vectors(config.to) {
        return embedding::request(config, body);
    }
    let (client, provider) = (Client::of(config.from)?, Provider::of(config.to)?);
    let body: Value = serde_json::from_slice(body)
        .map_err(|why| Refused::new("", format!("the body is not JSON: {why}")))?;
    let mut losses = Losses::default();
    let prompt = read(client, body, config, &mut losses)?;
    let (stream, include_usage) = (prompt.stream, prompt.include_usage);
    let answers = prompt.answers.as_ref().and_then(|it| usize::try_from(it.value).ok());
    let functions = prompt.functions;
    let text_tools = prompt.tools.iter().filter(|it| it.takes_text);
    let text_tools = text_tools.map(|it| it.name.clone()).collect();
    let namespaces = prompt.namespaces.clone();
    let (body, json_tool) = write(provider, prompt, config, &mut losses)?;
    let plan = GeneratePlan {
        client,
        provider,
        model: config.model.to_owned(),
        stream,
        answers: answers.unwrap_or(1),
        include_usage,
        framing: framing(client, config.query),
        json_tool,
        functions,
        text_tools,
        namespaces,
    };
    Ok(TranslatedRequest {
        body: serde_json::to_vec(&body).unwrap_or_default(),
        path: path(provider, config.model, stream),
        stream,
        losses: losses.into_vec(),
        plan: AnswerPlan(Plan::Generate(plan)),
    })
}

fn read(
    client: Client,
    body: Value,
    config: &RequestConfig<'_>,
    losses: &mut Losses,
) -> Result<Prompt, Refused> {
    let mut prompt = match client {
        Client::Chat => openai_chat::read::request(body, losses)?,
        Client::Anthropic => anthropic::read::request(body, losses)?,
        Client::Gemini => gemini::read::request(body, losses)?,
        Client::Responses => openai_responses::read::request(body, losses)?,
    };
    prompt.stream = config.streaming_in_path.unwrap_or(prompt.stream);
    Ok(prompt)
}

fn write(
    provider: Provider,
    prompt: Prompt,
    config: &RequestConfig<'_>,
    losses: &mut Losses,
) -> Result<(Value, Option<&'static str>), Refused> {
    let (model, quirks) = (config.model, &config.provider);
    let prompt = within_limits(prompt, quirks, losses);
    if let (Some(pictures), Provider::Anthropic | Provider::Bedrock) = (&prompt.pictures, provider)
    {
        return Err(Refused::new(&pictures.at, "the provider's format has no pictures in answers"));
    }
    match provider {
        Provider::Chat => {
            openai_chat::write::request(prompt, model, quirks, losses).map(|it| (it, None))
        }
        Provider::Anthropic => anthropic::write::request(prompt, model, quirks, losses),
        Provider::Gemini => gemini::write::request(prompt, quirks, losses),
        Provider::Bedrock => bedrock::write::request(prompt, model, quirks, losses),
        Provider::Responses => {
            openai_responses::write::request(prompt, model, quirks, losses).map(|it| (it, None))
        }
    }
}

/// Takes out what the model is known to refuse.
fn within_limits(mut prompt: Prompt, provider: &Capabilities, losses: &mut Losses) -> Prompt {
    if let (Some(max), Some(limit)) = (&mut prompt.max_tokens, provider.max_tokens_limit)
        && max.value > limit
    {
        losses.note(&max.at, format!("was lowered to {limit}, the most that the model makes"));
        max.value = limit;
    }
    if provider.no_sampling {
        for number in [
            &mut prompt.temperature,
            &mut prompt.top_p,
            &mut prompt.top_k,
            &mut prompt.frequency_penalty,
            &mut prompt.presence_penalty,
        ] {
            if let Some(given) = number.take() {
                losses.note(given.at, "the model takes none");
            }
        }
        if let Some(asked) = prompt.logprobs.take() {
            losses.note(asked.at, "the model tells no log probabilities");
        }
    }
    prompt
}

fn framing(client: Client, query: Option<&str>) -> Framing {
    let asks_for_events = query.is_some_and(|it| it.split('&').any(|it| it == "alt=sse"));
    match client {
        Client::Gemini if !asks_for_events => Framing::List,
        Client::Chat | Client::Anthropic | Client::Gemini | Client::Responses => Framing::Events,
    }
}

fn path(provider: Provider, model: &str, stream: bool) -> String {
    match provider {
        Provider::Chat => "/chat/completions".to_owned(),
        Provider::Anthropic => "/messages".to_owned(),
        Provider::Responses => "/responses".to_owned(),
        Provider::Gemini => {
            let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            format!("/v1beta/{}:{method}", gemini_model(model))
        }
        Provider::Bedrock => {
            let operation = if stream { "converse-stream" } else { "converse" };
            format!("/model/{}/{operation}", in_path(model, b"-._~"))
        }
    }
}

/// The path of a Gemini or Bedrock request, or of one to Vertex AI, with another model in it; `None`
/// when it names none.
///
/// ```
/// # use tollgate_wire::translate::rename_in_path;
/// let renamed = rename_in_path("/v1beta/models/fast:generateContent", "gemini-2.5-flash");
/// assert_eq!(renamed.as_deref(), Some("/v1beta/models/gemini-2.5-flash:generateContent"));
/// let renamed = rename_in_path("/model/fast/converse", "amazon.nova-lite-v1:0");
/// assert_eq!(renamed.as_deref(), Some("/model/amazon.nova-lite-v1%3A0/converse"));
/// ```
#[must_use]
pub fn rename_in_path(path: &str, model: &str) -> Option<String> {
    gemini_renamed(path, model).or_else(|| {
        let (before, call) = path.split_once("/model/")?;
        let (_, operation) = call.rsplit_once('/')?;
        Some(format!("{before}/model/{}/{operation}", in_path(model, b"-._~")))
    })
}

fn gemini_renamed(path: &str, model: &str) -> Option<String> {
    let (before, verb) = path.rsplit_once(':').or_else(|| {
        let at = path.to_ascii_lowercase().rfind("%3a")?;
        Some((path.get(..at)?, path.get(at + 3..)?))
    })?;
    let (version, _) =
        before.split_once("/models/").or_else(|| before.split_once("/tunedModels/"))?;
    Some(format!("{version}/{}:{verb}", gemini_model(model)))
}

/// A model's name as one part of a path, percent-encoded where that is needed.
#[must_use]
pub fn model_in_path(model: &str) -> String {
    in_path(model, b"-._~@")
}

/// A Gemini model's place below the version.
fn gemini_model(model: &str) -> String {
    in_path(&gemini::model_path(model), b"-._~/@")
}

/// A model's name in a path, percent-encoded but for letters, digits and what is `plain` there.
fn in_path(model: &str, plain: &[u8]) -> String {
    let mut out = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Appends a value's JSON; what is written here always serialises.
fn json_into(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).unwrap_or_default();
}

#[cfg(test)]
mod tests;
