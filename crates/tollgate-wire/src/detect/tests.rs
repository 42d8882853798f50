use super::*;

/// `METHOD /path?query [header …]` → `format operation [model] [stream|whole]`.
fn told(line: &str, route: impl Fn(Inbound<'_>, &dyn Fn(&str) -> bool) -> Option<Route>) -> String {
    let mut words = line.split_whitespace();
    let method = words.next().unwrap();
    let target = words.next().unwrap();
    let headers: Vec<&str> = words.collect();
    let (path, query) =
        target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let found = route(Inbound { method, path, query }, &|name| headers.contains(&name));
    let Some(route) = found else { return "-".to_owned() };
    let mut text = format!("{} {}", route.format.as_str(), route.operation.as_str());
    if let Some(model) = route.model_in_path {
        text.push(' ');
        text.push_str(&model);
    }
    match route.streaming_in_path {
        Some(true) => text.push_str(" stream"),
        Some(false) => text.push_str(" whole"),
        None => {}
    }
    text
}

fn check(line: &str, expected: &str) {
    assert_eq!(told(line, |request, has| detect(request, has)), expected, "{line}");
}

fn check_suffix(line: &str, expected: &str) {
    assert_eq!(told(line, |request, has| detect_suffix(request, has)), expected, "{line}");
}

#[test]
fn openai_paths() {
    check("POST /v1/chat/completions", "openai-chat generate");
    check("POST /v1/chat/completions/", "openai-chat generate");
    check("GET /v1/chat/completions", "openai-chat other");
    check("GET /v1/chat/completions/chatcmpl-1/messages", "openai-chat other");
    check("POST /v1/completions", "openai-chat generate");
    check("POST /v1/responses", "openai-responses generate");
    check("GET /v1/responses/resp_1", "openai-responses other");
    check("POST /v1/responses/compact", "openai-responses generate");
    check("POST /v1/chat/completions/chatcmpl-1", "openai-chat other");
    check("POST /v1/responses/resp_1/cancel", "openai-responses other");
    check("POST /v1/responses/input_tokens", "openai-responses count-tokens");
    check("POST /v1/embeddings", "openai-embeddings embed");
    check("GET /v1/models", "openai-embeddings list-models");
    check("GET /v1/models/gpt-4o", "openai-embeddings list-models gpt-4o");
    check("GET /v1/models/ft:gpt-4o:acme::a", "openai-embeddings list-models ft:gpt-4o:acme::a");
    check("DELETE /v1/models/ft-1", "openai-embeddings other ft-1");
    for path in ["images/generations", "audio/speech", "files", "batches/b_1/cancel"] {
        check(&format!("POST /v1/{path}"), "openai-embeddings other");
    }
}

#[test]
fn anthropic_paths() {
    check("POST /v1/messages", "anthropic-messages generate");
    check("POST /v1/messages?beta=true", "anthropic-messages generate");
    check("POST /v1/messages/count_tokens?beta=true", "anthropic-messages count-tokens");
    check("POST /v1/messages/batches", "anthropic-messages other");
    check("GET /v1/models anthropic-version", "anthropic-messages list-models");
    check("GET /v1/models x-api-key", "anthropic-messages list-models");
    check("GET /v1/models/claude-1 x-api-key", "anthropic-messages list-models claude-1");
    check("GET /v1/files anthropic-version", "anthropic-messages other");
}

#[test]
fn gemini_paths() {
    check("POST /v1beta/models/g-2:generateContent", "gemini generate g-2 whole");
    check("POST /v1/models/g-2:generateContent", "gemini generate g-2 whole");
    check("POST /v1beta/models/g-2:streamGenerateContent?alt=sse", "gemini generate g-2 stream");
    check("POST /v1beta/models/g-2%3AgenerateContent", "gemini generate g-2 whole");
    check("POST /v1beta/tunedModels/t-1:generateContent", "gemini generate t-1 whole");
    check("POST /v1beta/models/g-2:countTokens", "gemini count-tokens g-2 whole");
    check("POST /v1beta/models/e-1:embedContent", "gemini embed e-1 whole");
    check("POST /v1beta/models/e-1:batchEmbedContents", "gemini embed e-1 whole");
    check("POST /v1beta/models/i-1:predict", "gemini other i-1");
    check("GET /v1beta/models", "gemini list-models");
    check("GET /v1/models?pageSize=5&key=k", "gemini list-models");
    check("GET /v1/models x-goog-api-key x-api-key", "gemini list-models");
    check("GET /v1beta/models/g-2", "gemini list-models g-2");
    check("POST /v1beta/cachedContents", "gemini other");
    check("POST /upload/v1beta/files", "gemini other");
}

#[test]
fn paths_of_no_format() {
    for path in ["/", "/v1", "/v2/chat/completions", "/chat/completions", "/p/openai", "/upload/x"]
    {
        check(&format!("POST {path}"), "-");
    }
}

#[test]
fn a_path_behind_a_provider_is_told_by_its_end() {
    check_suffix("POST /openai/v1/chat/completions", "openai-chat generate");
    check_suffix("POST /chat/completions", "openai-chat generate");
    check_suffix("POST /api/paas/v4/chat/completions", "openai-chat generate");
    check_suffix(
        "POST /openai/deployments/d/chat/completions?api-version=1",
        "openai-chat generate",
    );
    check_suffix("POST /anthropic/v1/messages", "anthropic-messages generate");
    check_suffix("POST /anthropic/v1/messages/count_tokens", "anthropic-messages count-tokens");
    check_suffix("POST /v1beta/models/g-2:streamGenerateContent", "gemini generate g-2 stream");
    check_suffix("POST /openai/v1/responses", "openai-responses generate");
    check_suffix("POST /v1/openai/embeddings", "openai-embeddings embed");
    check_suffix("GET /openai/v1/models", "openai-embeddings list-models");
    check_suffix("GET /v1/models anthropic-version", "anthropic-messages list-models");
    check_suffix("POST /v1/threads/t_1/messages", "openai-embeddings other");
    let claude = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    for model in [claude, "anthropic.claude-sonnet-4-5-20250929-v1%3A0"] {
        let whole = format!("bedrock-converse generate {claude} whole");
        check_suffix(&format!("POST /model/{model}/converse"), &whole);
        let stream = format!("bedrock-converse generate {claude} stream");
        check_suffix(&format!("POST /model/{model}/converse-stream"), &stream);
    }
    let profile = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-lite-v1:0";
    let told = format!("bedrock-converse generate {profile} whole");
    check_suffix(&format!("POST /model/{profile}/converse"), &told);
    check_suffix(&format!("POST /model/{}/converse", profile.replace('/', "%2F")), &told);
    let vertex = "/v1/projects/p/locations/r/publishers/anthropic/models";
    check_suffix(
        &format!("POST {vertex}/claude-opus-4%4020250514:streamRawPredict"),
        "anthropic-messages generate claude-opus-4@20250514 stream",
    );
    check_suffix(
        &format!("POST {vertex}/count-tokens:rawPredict"),
        "anthropic-messages count-tokens whole",
    );
    check_suffix("POST /model/a/invoke", "bedrock-converse other a");
    check_suffix("POST /model/a/count-tokens", "bedrock-converse count-tokens a whole");
    check_suffix("GET /model/a/converse", "bedrock-converse other a whole");
    check_suffix("POST /model/converse", "-");
    check_suffix("POST /v2/embed", "cohere-embed embed");
    check_suffix("GET /v2/embed", "cohere-embed other");
    check_suffix("POST /api/embed", "ollama-embed embed");
    check("POST /v1/model/a/converse", "openai-embeddings other");
    check("POST /v2/embed", "-");
    check_suffix("POST /v2/rerank", "-");
    check_suffix("GET /", "-");
}
