//! The gateway's own errors, in the shape that each format's SDK turns into its own exception.
//!
//! Shapes: OpenAI `{"error":{message,type,param,code}}`, Anthropic
//! `{"type":"error","error":{type,message}}`, Google `{"error":{code,message,status,details}}`
//! (`google.rpc.Status`), Amazon `{__type,message}`, Cohere
//! `{message}`, Ollama `{error}`. SDKs pick the exception by the HTTP status, Amazon's by `__type`.

use bytes::Bytes;
use serde::Serialize;
use tollgate_core::{Format, call::ErrorCode};

use crate::event_stream;

/// An answer that the gateway makes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// The HTTP status.
    pub status: u16,
    /// The `content-type` header.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// The HTTP status of an error of the gateway's own.
#[must_use]
pub const fn error_status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::MalformedBody | ErrorCode::NotTranslatable => 400,
        ErrorCode::NoCredential | ErrorCode::KeyRefused => 401,
        ErrorCode::Forbidden
        | ErrorCode::Blocked
        | ErrorCode::DeniedByRule
        | ErrorCode::BlockedByGuardrail
        | ErrorCode::OutOfScope => 403,
        ErrorCode::UnknownPath | ErrorCode::UnknownProvider => 404,
        ErrorCode::SlowUpload => 408,
        ErrorCode::BodyTooLarge => 413,
        ErrorCode::OverBudget => 429,
        ErrorCode::NotSupported => 501,
        ErrorCode::ProviderUnreachable | ErrorCode::TlsFailure | ErrorCode::ProviderBroke => 502,
        ErrorCode::Overloaded | ErrorCode::Stopping => 503,
        ErrorCode::Timeout => 504,
    }
}

/// The name of a code in an OpenAI error's `code` and in the ledger.
#[must_use]
pub const fn error_name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::MalformedBody => "malformed-body",
        ErrorCode::BodyTooLarge => "body-too-large",
        ErrorCode::UnknownPath => "unknown-path",
        ErrorCode::UnknownProvider => "unknown-provider",
        ErrorCode::NoCredential => "no-credential",
        ErrorCode::Forbidden => "forbidden",
        ErrorCode::KeyRefused => "key-refused",
        ErrorCode::OutOfScope => "out-of-scope",
        ErrorCode::Blocked => "blocked",
        ErrorCode::DeniedByRule => "denied-by-rule",
        ErrorCode::BlockedByGuardrail => "blocked-by-guardrail",
        ErrorCode::OverBudget => "over-budget",
        ErrorCode::ProviderUnreachable => "provider-unreachable",
        ErrorCode::TlsFailure => "tls-failure",
        ErrorCode::Timeout => "timeout",
        ErrorCode::ProviderBroke => "provider-broke",
        ErrorCode::SlowUpload => "slow-upload",
        ErrorCode::NotSupported => "not-supported",
        ErrorCode::NotTranslatable => "not-translatable",
        ErrorCode::Overloaded => "overloaded",
        ErrorCode::Stopping => "stopping",
    }
}

/// The whole answer for an error of the gateway's own. Without a format the shape is OpenAI's.
/// `message` comes from [`text`](crate::text).
#[must_use]
pub fn error_body(format: Option<Format>, code: ErrorCode, message: &str) -> ErrorBody {
    let body = match Dialect::of(format) {
        Dialect::Openai => json(&OpenaiEnvelope { error: OpenaiError::new(code, message) }),
        Dialect::Anthropic => json(&AnthropicEnvelope::new(code, message)),
        Dialect::Google => json(&GoogleEnvelope { error: GoogleError::new(code, message) }),
        Dialect::Amazon => json(&AmazonError { r#type: amazon_exception(code), message }),
        Dialect::Cohere => json(&Message { message }),
        Dialect::Ollama => json(&OllamaError { error: message }),
    };
    ErrorBody { status: error_status(code), content_type: "application/json", body: body.into() }
}

/// The event that ends a server-sent-events answer which broke after it had begun. Send it in place
/// of the missing end, and nothing after it. Not when the bytes sent so far end inside an event
/// ([`Report::inside_event`](crate::tap::Report::inside_event)): half an event cannot be taken back,
/// and clients fail on its JSON. Break the connection then.
///
/// The Responses event carries both the documented members and the `error` object that OpenAI's
/// server really sends and the SDKs look at; its `sequence_number` is 0.
#[must_use]
pub fn stream_error_event(format: Format, code: ErrorCode, message: &str) -> Bytes {
    let event = match format {
        // What makes vectors does not stream.
        Format::OpenaiChat
        | Format::OpenaiEmbeddings
        | Format::CohereEmbed
        | Format::OllamaEmbed => {
            let data = json(&OpenaiEnvelope { error: OpenaiError::new(code, message) });
            [b"data: ", data.as_slice(), b"\n\n"].concat()
        }
        Format::OpenaiResponses => {
            let data = json(&ResponsesErrorEvent {
                r#type: "error",
                code: error_name(code),
                message,
                param: None,
                sequence_number: 0,
                error: OpenaiError::new(code, message),
            });
            [b"event: error\ndata: ", data.as_slice(), b"\n\n"].concat()
        }
        Format::AnthropicMessages => {
            let data = json(&AnthropicEnvelope::new(code, message));
            [b"event: error\ndata: ", data.as_slice(), b"\n\n"].concat()
        }
        Format::Gemini => {
            let data = json(&GoogleEnvelope { error: GoogleError::new(code, message) });
            [b"data: ", data.as_slice(), b"\r\n\r\n"].concat()
        }
        Format::BedrockConverse => {
            let name = lower_first(amazon_exception(code));
            let headers = [
                (":exception-type", name.as_str()),
                (":content-type", "application/json"),
                (":message-type", "exception"),
            ];
            event_stream::frame(&headers, &json(&Message { message })).unwrap_or_default()
        }
    };
    event.into()
}

enum Dialect {
    Openai,
    Anthropic,
    Google,
    Amazon,
    Cohere,
    Ollama,
}

impl Dialect {
    const fn of(format: Option<Format>) -> Self {
        match format {
            Some(Format::AnthropicMessages) => Self::Anthropic,
            Some(Format::Gemini) => Self::Google,
            Some(Format::BedrockConverse) => Self::Amazon,
            Some(Format::CohereEmbed) => Self::Cohere,
            Some(Format::OllamaEmbed) => Self::Ollama,
            Some(Format::OpenaiChat | Format::OpenaiResponses | Format::OpenaiEmbeddings)
            | None => Self::Openai,
        }
    }
}

#[derive(Serialize)]
struct OpenaiEnvelope<'a> {
    error: OpenaiError<'a>,
}

#[derive(Serialize)]
struct OpenaiError<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'static str,
}

impl<'a> OpenaiError<'a> {
    const fn new(code: ErrorCode, message: &'a str) -> Self {
        let r#type = match code {
            ErrorCode::NoCredential | ErrorCode::KeyRefused => "authentication_error",
            ErrorCode::Forbidden
            | ErrorCode::Blocked
            | ErrorCode::DeniedByRule
            | ErrorCode::BlockedByGuardrail
            | ErrorCode::OutOfScope => "permission_error",
            ErrorCode::OverBudget => "rate_limit_error",
            ErrorCode::MalformedBody
            | ErrorCode::BodyTooLarge
            | ErrorCode::UnknownPath
            | ErrorCode::UnknownProvider
            | ErrorCode::SlowUpload
            | ErrorCode::NotSupported
            | ErrorCode::NotTranslatable => "invalid_request_error",
            ErrorCode::ProviderUnreachable
            | ErrorCode::TlsFailure
            | ErrorCode::Timeout
            | ErrorCode::ProviderBroke
            | ErrorCode::Overloaded
            | ErrorCode::Stopping => "server_error",
        };
        Self { message, r#type, param: None, code: error_name(code) }
    }
}

#[derive(Serialize)]
struct ResponsesErrorEvent<'a> {
    r#type: &'static str,
    code: &'static str,
    message: &'a str,
    param: Option<&'a str>,
    sequence_number: u64,
    error: OpenaiError<'a>,
}

#[derive(Serialize)]
struct AnthropicEnvelope<'a> {
    r#type: &'static str,
    error: AnthropicError<'a>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'static str,
    message: &'a str,
}

impl<'a> AnthropicEnvelope<'a> {
    const fn new(code: ErrorCode, message: &'a str) -> Self {
        let r#type = match code {
            ErrorCode::MalformedBody | ErrorCode::NotSupported | ErrorCode::NotTranslatable => {
                "invalid_request_error"
            }
            ErrorCode::NoCredential | ErrorCode::KeyRefused => "authentication_error",
            ErrorCode::Forbidden
            | ErrorCode::Blocked
            | ErrorCode::DeniedByRule
            | ErrorCode::BlockedByGuardrail
            | ErrorCode::OutOfScope => "permission_error",
            ErrorCode::OverBudget => "rate_limit_error",
            ErrorCode::UnknownPath | ErrorCode::UnknownProvider => "not_found_error",
            ErrorCode::BodyTooLarge => "request_too_large",
            ErrorCode::Timeout | ErrorCode::SlowUpload => "timeout_error",
            ErrorCode::Overloaded => "overloaded_error",
            ErrorCode::ProviderUnreachable
            | ErrorCode::TlsFailure
            | ErrorCode::ProviderBroke
            | ErrorCode::Stopping => "api_error",
        };
        Self { r#type: "error", error: AnthropicError { r#type, message } }
    }
}

#[derive(Serialize)]
struct GoogleEnvelope<'a> {
    error: GoogleError<'a>,
}

#[derive(Serialize)]
struct GoogleError<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    details: [GoogleErrorInfo; 1],
}

#[derive(Serialize)]
struct GoogleErrorInfo {
    #[serde(rename = "@type")]
    r#type: &'static str,
    reason: String,
    domain: &'static str,
}

impl<'a> GoogleError<'a> {
    fn new(code: ErrorCode, message: &'a str) -> Self {
        let status = match code {
            ErrorCode::MalformedBody | ErrorCode::BodyTooLarge | ErrorCode::NotTranslatable => {
                "INVALID_ARGUMENT"
            }
            ErrorCode::NoCredential | ErrorCode::KeyRefused => "UNAUTHENTICATED",
            ErrorCode::Forbidden
            | ErrorCode::Blocked
            | ErrorCode::DeniedByRule
            | ErrorCode::BlockedByGuardrail
            | ErrorCode::OutOfScope => "PERMISSION_DENIED",
            ErrorCode::OverBudget => "RESOURCE_EXHAUSTED",
            ErrorCode::UnknownPath | ErrorCode::UnknownProvider => "NOT_FOUND",
            ErrorCode::ProviderUnreachable
            | ErrorCode::TlsFailure
            | ErrorCode::ProviderBroke
            | ErrorCode::Overloaded
            | ErrorCode::Stopping => "UNAVAILABLE",
            ErrorCode::Timeout | ErrorCode::SlowUpload => "DEADLINE_EXCEEDED",
            ErrorCode::NotSupported => "UNIMPLEMENTED",
        };
        let info = GoogleErrorInfo {
            r#type: "type.googleapis.com/google.rpc.ErrorInfo",
            reason: error_name(code).replace('-', "_").to_ascii_uppercase(),
            domain: "tollgate",
        };
        Self { code: error_status(code), message, status, details: [info] }
    }
}

#[derive(Serialize)]
struct AmazonError<'a> {
    #[serde(rename = "__type")]
    r#type: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

#[derive(Serialize)]
struct OllamaError<'a> {
    error: &'a str,
}

/// The exception of Bedrock's that says the same. Its streams know five of them.
const fn amazon_exception(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::MalformedBody
        | ErrorCode::BodyTooLarge
        | ErrorCode::NotSupported
        | ErrorCode::NotTranslatable => "ValidationException",
        ErrorCode::NoCredential | ErrorCode::KeyRefused => "UnrecognizedClientException",
        ErrorCode::Forbidden
        | ErrorCode::Blocked
        | ErrorCode::DeniedByRule
        | ErrorCode::BlockedByGuardrail
        | ErrorCode::OutOfScope => "AccessDeniedException",
        ErrorCode::OverBudget => "ThrottlingException",
        ErrorCode::UnknownPath | ErrorCode::UnknownProvider => "ResourceNotFoundException",
        ErrorCode::Timeout | ErrorCode::SlowUpload => "ModelTimeoutException",
        ErrorCode::Overloaded | ErrorCode::Stopping => "ServiceUnavailableException",
        ErrorCode::ProviderUnreachable | ErrorCode::TlsFailure | ErrorCode::ProviderBroke => {
            "InternalServerException"
        }
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|it| it.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// Structs of strings and numbers always serialise.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
