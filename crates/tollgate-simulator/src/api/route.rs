//! Which provider and endpoint a path stands for. Whatever stands before the known end of a path
//! is ignored, as providers put the same API under many bases (`/openai/v1`, `/api/v1`, …).

use http::{Method, request::Parts};

use crate::{api::query_value, record::Provider};

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) provider: Provider,
    pub(crate) endpoint: Endpoint,
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
}

/// One of the simulated endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Responses,
    Embeddings,
    Messages,
    CountTokens,
    GeminiGenerate,
    GeminiStream,
    GeminiCountTokens,
    GeminiEmbed,
    GeminiBatchEmbed,
    Converse,
    ConverseStream,
    CohereEmbed,
    OllamaEmbed,
    ListModels,
    GetModel,
    Unknown,
}

impl Endpoint {
    pub(crate) fn has_body(self) -> bool {
        match self {
            Self::Chat
            | Self::Responses
            | Self::Embeddings
            | Self::Messages
            | Self::CountTokens
            | Self::GeminiGenerate
            | Self::GeminiStream
            | Self::GeminiCountTokens
            | Self::GeminiEmbed
            | Self::GeminiBatchEmbed
            | Self::Converse
            | Self::ConverseStream
            | Self::CohereEmbed
            | Self::OllamaEmbed => true,
            Self::ListModels | Self::GetModel | Self::Unknown => false,
        }
    }
}

/// The paths that one `POST` endpoint each answers, by their ends.
const POSTS: &[(&str, Provider, Endpoint)] = &[
    ("/chat/completions", Provider::OpenAi, Endpoint::Chat),
    ("/responses", Provider::OpenAi, Endpoint::Responses),
    ("/embeddings", Provider::OpenAi, Endpoint::Embeddings),
    ("/v1/messages", Provider::Anthropic, Endpoint::Messages),
    ("/v1/messages/count_tokens", Provider::Anthropic, Endpoint::CountTokens),
    ("/v2/embed", Provider::Cohere, Endpoint::CohereEmbed),
    ("/api/embed", Provider::Ollama, Endpoint::OllamaEmbed),
];

/// The operations of `POST /model/{model}/{operation}`.
const BEDROCK_OPERATIONS: &[(&str, Endpoint)] =
    &[("converse", Endpoint::Converse), ("converse-stream", Endpoint::ConverseStream)];

/// The methods of `POST /v1beta/models/{model}:{method}`.
const GEMINI_METHODS: &[(&str, Endpoint)] = &[
    ("generateContent", Endpoint::GeminiGenerate),
    ("streamGenerateContent", Endpoint::GeminiStream),
    ("countTokens", Endpoint::GeminiCountTokens),
    ("embedContent", Endpoint::GeminiEmbed),
    ("batchEmbedContents", Endpoint::GeminiBatchEmbed),
];

/// What `parts` ask for.
pub(crate) fn route(parts: &Parts) -> Route {
    let path = parts.uri.path().trim_end_matches('/');
    let found = match parts.method {
        Method::POST => post(path),
        Method::GET => get(parts, path),
        _ => None,
    };
    found.unwrap_or_else(|| Route {
        provider: provider_of(parts),
        endpoint: Endpoint::Unknown,
        model: None,
    })
}

fn post(path: &str) -> Option<Route> {
    let known = POSTS.iter().find(|(end, ..)| path.ends_with(end));
    if let Some(&(_, provider, endpoint)) = known {
        return Some(Route { provider, endpoint, model: None });
    }
    if let Some((model, operation)) =
        path.rsplit_once("/model/").and_then(|it| it.1.split_once('/'))
    {
        let (_, endpoint) = *BEDROCK_OPERATIONS.iter().find(|it| it.0 == operation)?;
        let model = Some(decoded(model));
        return Some(Route { provider: Provider::Bedrock, endpoint, model });
    }
    let (_, action) = path.rsplit_once("/models/")?;
    let (model, method) = action.rsplit_once(':')?;
    let (_, endpoint) = *GEMINI_METHODS.iter().find(|it| it.0 == method)?;
    Some(Route { provider: Provider::Google, endpoint, model: Some(decoded(model)) })
}

fn get(parts: &Parts, path: &str) -> Option<Route> {
    let provider = provider_of(parts);
    if path.ends_with("/models") {
        return Some(Route { provider, endpoint: Endpoint::ListModels, model: None });
    }
    let (_, model) = path.rsplit_once("/models/")?;
    Some(Route { provider, endpoint: Endpoint::GetModel, model: Some(model.to_owned()) })
}

/// A part of a path without its percent-encoding, which clients may use where it is not needed.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, more @ ..] = rest {
        let coded = more.first_chunk::<2>().filter(|_| *first == b'%');
        let coded = coded.and_then(|it| std::str::from_utf8(it).ok());
        let byte = coded.and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whose client sent a request whose path does not tell.
fn provider_of(parts: &Parts) -> Provider {
    let has = |name| parts.headers.contains_key(name);
    if has("x-goog-api-key") || query_value(&parts.uri, "key").is_some() {
        Provider::Google
    } else if has("anthropic-version") || has("x-api-key") {
        Provider::Anthropic
    } else if parts.uri.path().starts_with("/v1beta/") && !has("authorization") {
        Provider::Google
    } else {
        Provider::OpenAi
    }
}
