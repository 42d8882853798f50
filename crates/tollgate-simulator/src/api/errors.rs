//! Errors in the shapes that the real providers give them.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api::{Asked, sse::Event},
    controls::ErrorAt,
    delivery::{Reply, ReplyBody, WholeBody},
    record::Provider,
};

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// OpenAI's `code`.
    pub(crate) code: Option<&'static str>,
    /// OpenAI's `param`.
    pub(crate) param: Option<&'static str>,
    pub(crate) shape: Shape,
}

/// Which body carries an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The provider's JSON.
    Json,
    /// The page of a proxy before the provider.
    Html,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None, param: None, shape: Shape::Json }
    }

    pub(crate) fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A field that is missing or wrong.
    pub(crate) fn bad_field(param: &'static str, message: &str) -> Self {
        Self { param: Some(param), ..Self::bad_request(message) }
    }

    pub(crate) fn malformed_json() -> Self {
        Self::bad_request(
            "We could not parse the JSON body of your request. The body must be a JSON object.",
        )
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message_for(StatusCode::PAYLOAD_TOO_LARGE))
    }

    pub(crate) fn unknown_path(provider: Provider) -> Self {
        let shape = match provider {
            Provider::OpenAi
            | Provider::Anthropic
            | Provider::Bedrock
            | Provider::Cohere
            | Provider::Ollama => Shape::Json,
            // Google's front end does not know the API's errors.
            Provider::Google => Shape::Html,
        };
        Self { shape, ..Self::new(StatusCode::NOT_FOUND, "Not Found") }
    }

    pub(crate) fn no_model(provider: Provider) -> Self {
        match provider {
            Provider::OpenAi => Self::bad_field("model", "you must provide a model parameter"),
            Provider::Anthropic => Self::bad_request("model: Field required"),
            Provider::Bedrock | Provider::Cohere | Provider::Ollama => {
                Self::bad_request("model is required")
            }
            Provider::Google => {
                Self::bad_request("* GenerateContentRequest.model: unexpected model name format")
            }
        }
    }

    pub(crate) fn unknown_model(provider: Provider, name: &str) -> Self {
        match provider {
            Provider::OpenAi => Self {
                code: Some("model_not_found"),
                ..Self::new(
                    StatusCode::NOT_FOUND,
                    format!("The model `{name}` does not exist or you do not have access to it."),
                )
            },
            Provider::Anthropic => Self::new(StatusCode::NOT_FOUND, format!("model: {name}")),
            // Bedrock knows no model of a name that is none.
            Provider::Bedrock => Self::bad_request("The provided model identifier is invalid."),
            Provider::Cohere => {
                Self::new(StatusCode::NOT_FOUND, format!("model '{name}' not found"))
            }
            Provider::Ollama => {
                let message = format!("model \"{name}\" not found, try pulling it first");
                Self::new(StatusCode::NOT_FOUND, message)
            }
            Provider::Google => Self::new(
                StatusCode::NOT_FOUND,
                format!("models/{name} is not found for API version v1beta, or is not supported."),
            ),
        }
    }

    pub(crate) fn no_credential(provider: Provider) -> Self {
        match provider {
            Provider::OpenAi => Self::new(
                StatusCode::UNAUTHORIZED,
                "You didn't provide an API key. You need to provide your API key in an \
                 Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            ),
            Provider::Anthropic => {
                Self::new(StatusCode::UNAUTHORIZED, "x-api-key header is required")
            }
            Provider::Bedrock => Self::new(StatusCode::FORBIDDEN, "Missing Authentication Token"),
            Provider::Cohere | Provider::Ollama => {
                Self::new(StatusCode::UNAUTHORIZED, "no api key supplied")
            }
            Provider::Google => Self::new(
                StatusCode::FORBIDDEN,
                "Method doesn't allow unregistered callers (callers without established \
                 identity). Please use API Key or other form of API consumer identity to call \
                 this API.",
            ),
        }
    }

    /// The error that a control asks for.
    pub(crate) fn asked_for(asked: &Asked, status: StatusCode) -> Self {
        let code = match (asked.route.provider, status.as_u16()) {
            (Provider::OpenAi, 401) => Some("invalid_api_key"),
            (Provider::OpenAi, 404) => Some("model_not_found"),
            (Provider::OpenAi, 429) => Some("rate_limit_exceeded"),
            (
                Provider::OpenAi
                | Provider::Anthropic
                | Provider::Google
                | Provider::Bedrock
                | Provider::Cohere
                | Provider::Ollama,
                _,
            ) => None,
        };
        let shape = if asked.controls.html { Shape::Html } else { Shape::Json };
        Self { code, shape, ..Self::new(status, message_for(status)) }
    }
}

/// What a provider says with a status, near enough to the real texts.
fn message_for(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "Invalid request (simulated).",
        401 => "Incorrect API key provided (simulated).",
        403 => "You are not allowed to use this model (simulated).",
        404 => "The requested resource was not found (simulated).",
        413 => "Request exceeds the maximum allowed number of bytes.",
        429 => "Rate limit reached (simulated). Please try again later.",
        503 => "The service is temporarily unavailable (simulated).",
        529 => "Overloaded",
        500..=599 => "The server had an error while processing your request (simulated).",
        _ => "Simulated error.",
    }
}

/// The answer that tells of an error.
pub(crate) fn reply(asked: &Asked, error: &ApiError) -> Reply {
    let mut reply = asked.reply(ReplyBody::Whole(match error.shape {
        Shape::Json => WholeBody::json(&body(asked, error)),
        Shape::Html => WholeBody::text(html(error.status)),
    }));
    reply.status = error.status;
    if error.shape == Shape::Html {
        reply.headers.retain(|it| it.0 != "content-type");
        reply.headers.push(("content-type", "text/html".to_owned()));
    }
    let is_google = asked.route.provider == Provider::Google;
    if let Some(seconds) = asked.controls.retry_after_s.filter(|_| !is_google) {
        reply.headers.push(("retry-after", seconds.to_string()));
    }
    if asked.route.provider == Provider::Bedrock {
        reply.headers.push(("x-amzn-errortype", bedrock_type(error.status).to_owned()));
    }
    if asked.route.provider == Provider::Anthropic {
        // Anthropic tells its SDKs whether another attempt has a chance.
        let retry = matches!(error.status.as_u16(), 408 | 409 | 429 | 500..);
        reply.headers.push(("x-should-retry", retry.to_string()));
    }
    reply
}

/// An error's JSON in the provider's shape.
fn body(asked: &Asked, error: &ApiError) -> Value {
    match asked.route.provider {
        Provider::OpenAi => openai(asked, error),
        Provider::Anthropic => json!({
            "type": "error",
            "error": {"type": anthropic_type(error.status), "message": error.message},
            "request_id": asked.request_id(),
        }),
        Provider::Google => google(asked, error),
        Provider::Bedrock => json!({"message": error.message}),
        Provider::Cohere => json!({"id": asked.id(""), "message": error.message}),
        Provider::Ollama => json!({"error": error.message}),
    }
}

fn bedrock_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        400..=499 => "ValidationException",
        _ => "InternalServerException",
    }
}

fn openai(asked: &Asked, error: &ApiError) -> Value {
    let is_unknown_path = *error == ApiError::unknown_path(Provider::OpenAi);
    let message = if is_unknown_path {
        format!("Invalid URL ({} {})", asked.method, asked.uri.path())
    } else {
        error.message.clone()
    };
    let kind = match error.status.as_u16() {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    json!({"error": {
        "message": message, "type": kind, "param": error.param, "code": error.code,
    }})
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

fn google_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 413 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}

fn google(asked: &Asked, error: &ApiError) -> Value {
    let mut body = json!({"error": {
        "code": error.status.as_u16(),
        "message": error.message,
        "status": google_status(error.status),
    }});
    if let Some(seconds) = asked.controls.retry_after_s {
        body["error"]["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        }]);
    }
    body
}

fn html(status: StatusCode) -> String {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1>\
         </center>\r\n<hr><center>tollgate-simulator</center>\r\n</body>\r\n</html>\r\n"
    )
}

/// The event with which a stream of this provider breaks off.
pub(crate) fn midstream(asked: &Asked) -> Event {
    match asked.route.provider {
        Provider::Bedrock => {
            let error = ApiError::asked_for(asked, StatusCode::SERVICE_UNAVAILABLE);
            let data = json!({"message": error.message});
            Event::named("serviceUnavailableException", data.to_string())
        }
        Provider::OpenAi | Provider::Cohere | Provider::Ollama => {
            let error = ApiError::asked_for(asked, StatusCode::INTERNAL_SERVER_ERROR);
            Event::data(openai(asked, &error).to_string())
        }
        Provider::Anthropic => {
            let error = json!({"type": "overloaded_error", "message": "Overloaded"});
            Event::named("error", json!({"type": "error", "error": error}).to_string())
        }
        Provider::Google => {
            let error = ApiError::asked_for(asked, StatusCode::SERVICE_UNAVAILABLE);
            Event::data(google(asked, &error).to_string())
        }
    }
}

/// The event with which a stream of responses breaks off, behind `sent` events.
pub(crate) fn midstream_response(asked: &Asked, sent: usize) -> Event {
    let number = match asked.controls.error_midstream {
        Some(ErrorAt::Event(count)) => count.min(sent),
        Some(ErrorAt::Half) | None => sent / 2,
    };
    let error = ApiError::asked_for(asked, StatusCode::INTERNAL_SERVER_ERROR);
    let data = json!({
        "type": "error", "sequence_number": number, "code": "server_error",
        "message": error.message, "param": null,
    });
    Event::named("error", data.to_string())
}
