//! The headers that real providers send beside a body.

use crate::{api::Asked, record::Provider};

const REQUESTS_LIMIT: u64 = 10_000;
const TOKENS_LIMIT: u64 = 2_000_000;
const RESET_AT: &str = "2026-01-01T00:00:00Z";

/// Those of the provider that is asked, without the content type.
pub(crate) fn of(asked: &Asked) -> Vec<(&'static str, String)> {
    let requests_left = REQUESTS_LIMIT - 1 - asked.number % (REQUESTS_LIMIT / 2);
    let requests_left = requests_left.to_string();
    let requests = REQUESTS_LIMIT.to_string();
    let tokens = TOKENS_LIMIT.to_string();
    match asked.route.provider {
        Provider::OpenAi => vec![
            ("x-request-id", asked.request_id()),
            ("openai-organization", "simulated".to_owned()),
            ("openai-processing-ms", "12".to_owned()),
            ("openai-version", "2020-10-01".to_owned()),
            ("x-ratelimit-limit-requests", requests),
            ("x-ratelimit-limit-tokens", tokens.clone()),
            ("x-ratelimit-remaining-requests", requests_left),
            ("x-ratelimit-remaining-tokens", tokens),
            ("x-ratelimit-reset-requests", "6ms".to_owned()),
            ("x-ratelimit-reset-tokens", "0s".to_owned()),
        ],
        Provider::Anthropic => vec![
            ("request-id", asked.request_id()),
            ("anthropic-organization-id", "simulated".to_owned()),
            ("anthropic-ratelimit-requests-limit", requests),
            ("anthropic-ratelimit-requests-remaining", requests_left),
            ("anthropic-ratelimit-requests-reset", RESET_AT.to_owned()),
            ("anthropic-ratelimit-tokens-limit", tokens.clone()),
            ("anthropic-ratelimit-tokens-remaining", tokens),
            ("anthropic-ratelimit-tokens-reset", RESET_AT.to_owned()),
        ],
        Provider::Bedrock => vec![("x-amzn-requestid", asked.request_id())],
        Provider::Cohere => vec![("x-debug-trace-id", asked.id(""))],
        Provider::Ollama => Vec::new(),
        Provider::Google => vec![
            ("server", "scaffolding on HTTPServer2".to_owned()),
            ("server-timing", "gfet4t7; dur=12".to_owned()),
            ("vary", "Origin, X-Origin, Referer".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ],
    }
}
