//! Errors: what a provider says went wrong, in the shape that the client's SDK turns into its own
//! exception.

use serde_json::{Value, json};
use tollgate_core::Format;

use crate::{
    fault::read_failed_body,
    ir::{Failure, FailureKind},
    tap::ProviderError,
};

/// An error that came with an error status, whatever its body is.
pub(super) fn of_body(status: u16, body: &[u8], retry_after_s: Option<u64>) -> Failure {
    let told = read_failed_body(body);
    let message = told.as_ref().map(|it| it.message.clone()).filter(|it| !it.is_empty());
    Failure {
        kind: kind_of_status(status),
        message: message.unwrap_or_else(|| format!("the provider answered {status}")),
        code: told.and_then(|it| it.kind),
        retry_after_s: retry_after_s.or_else(|| retry_delay(body)),
    }
}

/// An error inside an answer or a stream, which has no status.
pub(super) fn in_answer(told: &ProviderError) -> Failure {
    Failure {
        kind: told.kind.as_deref().map_or(FailureKind::Server, kind_of_word),
        message: told.message.clone(),
        code: told.kind.clone(),
        retry_after_s: None,
    }
}

/// The provider's answer cannot be made sense of.
pub(super) fn broken(message: &str) -> Failure {
    let message = message.to_owned();
    Failure { kind: FailureKind::Server, message, code: None, retry_after_s: None }
}

pub(super) fn not_json() -> Failure {
    broken("the provider's answer is not JSON")
}

/// A stream that ended before its answer did.
pub(super) fn cut_off() -> Failure {
    broken("the provider's answer broke off")
}

const fn kind_of_status(status: u16) -> FailureKind {
    match status {
        401 => FailureKind::Unauthenticated,
        402 => FailureKind::Billing,
        403 => FailureKind::Forbidden,
        404 | 410 => FailureKind::NotFound,
        408 | 504 | 524 => FailureKind::Timeout,
        413 => FailureKind::TooLarge,
        429 => FailureKind::RateLimited,
        503 | 529 => FailureKind::Overloaded,
        // Bedrock's model failed, which is no fault of the request.
        MODEL_FAILED => FailureKind::Server,
        400..=499 => FailureKind::Invalid,
        _ => FailureKind::Server,
    }
}

/// Bedrock's status for an error of the model's.
const MODEL_FAILED: u16 = 424;

/// A type, status or code of an error in a stream, in any provider's words.
fn kind_of_word(word: &str) -> FailureKind {
    match word {
        "authentication_error" | "invalid_api_key" | "UNAUTHENTICATED" => {
            FailureKind::Unauthenticated
        }
        "billing_error" => FailureKind::Billing,
        "permission_error" | "PERMISSION_DENIED" => FailureKind::Forbidden,
        "not_found_error" | "NOT_FOUND" => FailureKind::NotFound,
        "request_too_large" => FailureKind::TooLarge,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "insufficient_quota"
        | "requests"
        | "tokens"
        | "RESOURCE_EXHAUSTED"
        | "429" => FailureKind::RateLimited,
        "timeout_error" | "DEADLINE_EXCEEDED" | "504" => FailureKind::Timeout,
        "overloaded_error" | "engine_overloaded" | "UNAVAILABLE" | "503" | "529" => {
            FailureKind::Overloaded
        }
        "invalid_request_error"
        | "INVALID_ARGUMENT"
        | "FAILED_PRECONDITION"
        | "invalid_prompt"
        | "context_length_exceeded"
        | "400" => FailureKind::Invalid,
        _ => kind_of_exception(word),
    }
}

/// An exception of Amazon's. Streams write the first letter small.
fn kind_of_exception(word: &str) -> FailureKind {
    match word.strip_suffix("Exception").unwrap_or(word) {
        "throttling" | "Throttling" => FailureKind::RateLimited,
        "validation" | "Validation" => FailureKind::Invalid,
        "serviceUnavailable" | "ServiceUnavailable" | "modelNotReady" | "ModelNotReady" => {
            FailureKind::Overloaded
        }
        "modelTimeout" | "ModelTimeout" => FailureKind::Timeout,
        "accessDenied" | "AccessDenied" => FailureKind::Forbidden,
        "resourceNotFound" | "ResourceNotFound" => FailureKind::NotFound,
        "UnrecognizedClient" | "ExpiredToken" | "InvalidSignature" => FailureKind::Unauthenticated,
        _ => FailureKind::Server,
    }
}

/// `RetryInfo` in the details of a Google error: `"retryDelay": "34.07s"`, rounded up.
fn retry_delay(body: &[u8]) -> Option<u64> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error").or_else(|| body.get(0)?.get("error"))?;
    let details = error.get("details")?.as_array()?;
    let delay = details.iter().find_map(|it| it.get("retryDelay")?.as_str())?.strip_suffix('s')?;
    let (whole, fraction) = delay.split_once('.').unwrap_or((delay, ""));
    let more = fraction.bytes().any(|it| it != b'0');
    whole.parse::<u64>().ok()?.checked_add(u64::from(more))
}

/// The status that a client of the format expects for what the provider answered with `status`:
/// the same, save that only Anthropic has a 529 and only Bedrock a 424.
pub(super) const fn status_for(format: Format, status: u16) -> u16 {
    match (format, status) {
        (Format::BedrockConverse, _) | (Format::AnthropicMessages, 529) => status,
        (_, MODEL_FAILED) => 502,
        (_, 529) => 503,
        (_, _) => status,
    }
}

/// The body of an error in a format.
pub(super) fn body_of(format: Format, failure: &Failure, status: u16) -> Value {
    match format {
        Format::OpenaiChat | Format::OpenaiResponses | Format::OpenaiEmbeddings => {
            openai_body(failure)
        }
        Format::AnthropicMessages => anthropic_body(failure),
        Format::Gemini => gemini_body(failure, status),
        // No client speaks these.
        Format::BedrockConverse | Format::CohereEmbed | Format::OllamaEmbed => {
            json!({"message": failure.message})
        }
    }
}

pub(super) fn openai_body(failure: &Failure) -> Value {
    let kind = match failure.kind {
        FailureKind::Invalid | FailureKind::NotFound | FailureKind::TooLarge => {
            "invalid_request_error"
        }
        FailureKind::Unauthenticated => "authentication_error",
        FailureKind::Billing => "insufficient_quota",
        FailureKind::Forbidden => "permission_error",
        FailureKind::RateLimited => "rate_limit_error",
        FailureKind::Timeout | FailureKind::Overloaded | FailureKind::Server => "server_error",
    };
    let code = failure.code.as_deref();
    json!({"error": {"message": failure.message, "type": kind, "param": null, "code": code}})
}

pub(super) fn anthropic_body(failure: &Failure) -> Value {
    let kind = match failure.kind {
        FailureKind::Invalid => "invalid_request_error",
        FailureKind::Unauthenticated => "authentication_error",
        FailureKind::Billing => "billing_error",
        FailureKind::Forbidden => "permission_error",
        FailureKind::NotFound => "not_found_error",
        FailureKind::TooLarge => "request_too_large",
        FailureKind::RateLimited => "rate_limit_error",
        FailureKind::Timeout => "timeout_error",
        FailureKind::Overloaded => "overloaded_error",
        FailureKind::Server => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": failure.message}})
}

/// A `google.rpc.Status`; `status` is the HTTP status that goes with it.
pub(super) fn gemini_body(failure: &Failure, status: u16) -> Value {
    let word = match failure.kind {
        FailureKind::Invalid | FailureKind::TooLarge => "INVALID_ARGUMENT",
        FailureKind::Unauthenticated => "UNAUTHENTICATED",
        FailureKind::Billing => "FAILED_PRECONDITION",
        FailureKind::Forbidden => "PERMISSION_DENIED",
        FailureKind::NotFound => "NOT_FOUND",
        FailureKind::RateLimited => "RESOURCE_EXHAUSTED",
        FailureKind::Timeout => "DEADLINE_EXCEEDED",
        FailureKind::Overloaded => "UNAVAILABLE",
        FailureKind::Server => "INTERNAL",
    };
    let mut error = json!({"code": status, "message": failure.message, "status": word});
    if let (Value::Object(members), Some(wait)) = (&mut error, failure.retry_after_s) {
        let info = json!([{
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{wait}s"),
        }]);
        members.insert("details".to_owned(), info);
    }
    json!({"error": error})
}

/// The status for an error that came without one.
pub(super) const fn status_of(kind: FailureKind) -> u16 {
    match kind {
        FailureKind::Invalid => 400,
        FailureKind::Unauthenticated => 401,
        FailureKind::Billing => 402,
        FailureKind::Forbidden => 403,
        FailureKind::NotFound => 404,
        FailureKind::TooLarge => 413,
        FailureKind::RateLimited => 429,
        FailureKind::Timeout => 504,
        FailureKind::Overloaded => 503,
        FailureKind::Server => 502,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_googles_retry_delay() {
        let check = |delay: &str, expected| {
            let details = json!([{"@type": "x"}, {"retryDelay": delay}]);
            let body = json!({"error": {"details": details}});
            assert_eq!(retry_delay(body.to_string().as_bytes()), expected, "{delay}");
            let listed = json!([body]);
            assert_eq!(retry_delay(listed.to_string().as_bytes()), expected, "{delay}");
        };
        check("34s", Some(34));
        check("34.07s", Some(35));
        check("0.000s", Some(0));
        check("soon", None);
        assert_eq!(retry_delay(b"<html>"), None);
    }

    #[test]
    fn only_anthropic_has_529() {
        assert_eq!(status_for(Format::AnthropicMessages, 529), 529);
        assert_eq!(status_for(Format::OpenaiChat, 529), 503);
        assert_eq!(status_for(Format::Gemini, 429), 429);
    }
}
