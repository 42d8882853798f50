//! What is asked, and by which provider's rules it is answered.

pub(crate) mod answer;
pub(crate) mod anthropic;
pub(crate) mod converse;
pub(crate) mod embeddings;
pub(crate) mod errors;
mod frames;
pub(crate) mod gemini;
mod headers;
pub(crate) mod models;
mod openai;
pub(crate) mod openai_chat;
pub(crate) mod openai_responses;
pub(crate) mod read;
pub(crate) mod route;
mod scores;
pub(crate) mod sse;

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::{
    body::{Body, Bytes},
    extract::ConnectInfo,
};
use http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::{
    REQUEST_BYTES_MAX, SimulatorConfig,
    controls::Controls,
    delivery::{Reply, ReplyBody},
    record::{CallLog, Provider, SimulatedCall},
};
use anthropic::PrefixCache;
use errors::ApiError;
use route::{Endpoint, Route};

/// What all requests share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: SimulatorConfig,
    pub(crate) log: CallLog,
    prefixes: Mutex<PrefixCache>,
}

impl World {
    pub(crate) fn new(config: SimulatorConfig, log: CallLog) -> Self {
        Self { config, log, prefixes: Mutex::default() }
    }

    /// The explicitly cached prefixes of prompts.
    pub(crate) fn prefixes(&self) -> MutexGuard<'_, PrefixCache> {
        self.prefixes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request, read as far as it could be.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) route: Route,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// The model as named, controls and all.
    pub(crate) model: Option<String>,
    /// The body, or why there is none to work on.
    pub(crate) body: Result<Value, ApiError>,
    pub(crate) controls: Controls,
    pub(crate) created_at_s: u64,
}

impl Asked {
    /// The model's name without the controls behind it.
    pub(crate) fn model_name(&self) -> Option<&str> {
        self.model.as_deref().map(|it| it.split_once('+').map_or(it, |(name, _)| name))
    }

    /// The body's object, or the reason why there is none.
    pub(crate) fn body(&self) -> Result<&Value, ApiError> {
        self.body.as_ref().map_err(Clone::clone)
    }

    /// An id that begins like the provider's own and counts calls.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}simulated{:012}", self.number)
    }

    pub(crate) fn request_id(&self) -> String {
        self.id("req_")
    }

    /// A successful answer with the headers that this provider sends.
    pub(crate) fn reply(&self, body: ReplyBody) -> Reply {
        let content_type = match body {
            ReplyBody::Whole(_) => "application/json",
            ReplyBody::Pieces(_) => "text/event-stream; charset=utf-8",
        };
        let mut headers = headers::of(self);
        headers.push(("content-type", content_type.to_owned()));
        Reply { status: StatusCode::OK, headers, model_served: None, body }
    }
}

/// The record of a request of which only the head has arrived.
pub(crate) fn opened(parts: &Parts) -> SimulatedCall {
    let route = route::route(parts);
    SimulatedCall {
        number: 0,
        peer: parts.extensions.get::<ConnectInfo<_>>().map(|it| it.0),
        provider: route.provider,
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
        credential: credential(route.provider, &parts.headers, &parts.uri),
        request: Bytes::new(),
        model_asked: None,
        model_served: None,
        status: None,
        response_headers: HeaderMap::new(),
        response: Vec::new(),
        usage: None,
        finished: false,
        cancelled: false,
    }
}

/// Reads a request's body, up to [`REQUEST_BYTES_MAX`].
pub(crate) async fn read(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large()),
        Err(_) => Err(ApiError::bad_request("could not read the request's body")),
    }
}

/// Makes sense of a request whose body has arrived.
///
/// # Errors
/// A control that does not exist.
pub(crate) fn understand(
    world: &World,
    number: u64,
    parts: &Parts,
    body: Result<Bytes, ApiError>,
) -> Asked {
    let route = route::route(parts);
    let body = body.and_then(|it| parse(&route, &it));
    let in_body = || body.as_ref().ok()?.get("model")?.as_str().map(str::to_owned);
    let model = route.model.clone().or_else(in_body);
    let controls = Controls::of(&parts.headers, model.as_deref());
    let (controls, body) = match controls {
        Ok(controls) => (controls, body),
        Err(error) => (Controls::default(), Err(ApiError::bad_request(&error.to_string()))),
    };
    Asked {
        number,
        route,
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
        model,
        body,
        controls,
        created_at_s: world.config.created_at_s,
    }
}

fn parse(route: &Route, body: &Bytes) -> Result<Value, ApiError> {
    if !route.endpoint.has_body() {
        return Ok(Value::Null);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
        Ok(_) | Err(_) => Err(ApiError::malformed_json()),
    }
}

/// Composes the answer to a request.
pub(crate) fn answer(world: &World, asked: &Asked) -> Reply {
    let composed = check(asked).and_then(|()| match asked.route.endpoint {
        Endpoint::Chat => openai_chat::answer(asked),
        Endpoint::Responses => openai_responses::answer(asked),
        Endpoint::Embeddings => embeddings::openai(asked),
        Endpoint::Messages => anthropic::answer(world, asked),
        Endpoint::CountTokens => anthropic::count(asked),
        Endpoint::GeminiGenerate => gemini::answer(asked),
        Endpoint::GeminiStream => gemini::stream(asked),
        Endpoint::GeminiCountTokens => gemini::count(asked),
        Endpoint::GeminiEmbed => embeddings::gemini_one(asked),
        Endpoint::GeminiBatchEmbed => embeddings::gemini_batch(asked),
        Endpoint::Converse => converse::answer(asked),
        Endpoint::ConverseStream => converse::stream(asked),
        Endpoint::CohereEmbed => embeddings::cohere(asked),
        Endpoint::OllamaEmbed => embeddings::ollama(asked),
        Endpoint::ListModels => Ok(models::list(asked)),
        Endpoint::GetModel => models::get(asked),
        Endpoint::Unknown => Err(ApiError::unknown_path(asked.route.provider)),
    });
    composed.unwrap_or_else(|error| errors::reply(asked, &error))
}

/// What every endpoint refuses: an unknown path, no credential, a body that is not an object; and
/// what the controls ask to be refused.
fn check(asked: &Asked) -> Result<(), ApiError> {
    if asked.route.endpoint == Endpoint::Unknown {
        return Err(ApiError::unknown_path(asked.route.provider));
    }
    // A server on this machine asks for none.
    let open = asked.route.provider == Provider::Ollama;
    if !open && credential(asked.route.provider, &asked.headers, &asked.uri).is_none() {
        return Err(ApiError::no_credential(asked.route.provider));
    }
    if let Some(status) = asked.controls.status {
        return Err(ApiError::asked_for(asked, status));
    }
    let is_anthropic = asked.route.provider == Provider::Anthropic;
    if is_anthropic && !asked.headers.contains_key("anthropic-version") {
        return Err(ApiError::bad_request("anthropic-version: header is required"));
    }
    let body = asked.body()?;
    if asked.controls.no_stream_options && !body["stream_options"].is_null() {
        return Err(ApiError::bad_request("stream_options: Extra inputs are not permitted"));
    }
    Ok(())
}

/// The credential where this provider's clients put it, if it is there and not empty.
fn credential(provider: Provider, headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
    let bearer = || {
        let value = header(header::AUTHORIZATION.as_str())?;
        let (scheme, credential) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim().to_owned())
    };
    let in_query = || query_value(uri, "key").map(str::to_owned);
    let found = match provider {
        Provider::OpenAi => bearer().or_else(|| header("api-key")),
        Provider::Anthropic => header("x-api-key").or_else(bearer),
        Provider::Google => header("x-goog-api-key").or_else(in_query).or_else(bearer),
        // A key, or the id of the key that signed.
        Provider::Bedrock => bearer().or_else(|| {
            let signature = header(header::AUTHORIZATION.as_str())?;
            let scope = signature.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
            Some(scope.split_once('/')?.0.to_owned())
        }),
        Provider::Cohere | Provider::Ollama => bearer(),
    };
    found.filter(|it| !it.is_empty())
}

/// The first value of a query parameter, as it stands there.
pub(crate) fn query_value<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri.query()?.split('&').filter_map(|it| it.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}
