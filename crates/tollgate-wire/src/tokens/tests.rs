//! Against figures that others published.

use serde_json::{Value, json};
use tollgate_core::Format;

use super::{Counter, PromptTokens, Uncounted};

fn counter(model: &str) -> Counter {
    Counter::of_model(model).unwrap_or_else(|| panic!("{model} has no tokenizer"))
}

#[track_caller]
fn check(model: &str, format: Format, body: &Value, expected: Result<u64, Uncounted>) {
    let found = counter(model).prompt(format, body.to_string().as_bytes());
    let expected = expected.map(|tokens| PromptTokens { tokens, rough: false });
    assert_eq!(found, expected, "{model} {body}");
}

/// The texts and figures that OpenAI's cookbook prints.
#[test]
fn texts_have_as_many_tokens_as_openais_library_counts() {
    for (text, cl100k, o200k) in [
        ("tiktoken is great!", 6, 6),
        ("antidisestablishmentarianism", 6, 6),
        ("2 + 2 = 4", 7, 7),
        ("お誕生日おめでとう", 9, 8),
        ("", 0, 0),
    ] {
        assert_eq!(counter("gpt-4").text(text), cl100k, "{text}");
        assert_eq!(counter("gpt-4o").text(text), o200k, "{text}");
    }
}

/// The conversation of OpenAI's cookbook, with the figures that the API gave for it.
fn cookbook() -> Value {
    json!([
        {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
        {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
        {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
        {"role": "system", "name": "example_user", "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
        {"role": "system", "name": "example_assistant", "content": "Let's talk later when we're less busy about how to do better."},
        {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."},
    ])
}

#[test]
fn a_conversation_has_as_many_tokens_as_openai_billed() {
    let body = json!({"model": "any", "messages": cookbook(), "temperature": 0, "stream": true});
    for (model, tokens) in [
        ("gpt-3.5-turbo-0125", 129),
        ("gpt-4-0613", 129),
        ("gpt-4", 129),
        ("gpt-4o", 124),
        ("gpt-4o-mini-2024-07-18", 124),
        ("ft:gpt-4o-mini-2024-07-18:acme::id", 124),
        ("openai/gpt-4o", 124),
    ] {
        check(model, Format::OpenaiChat, &body, Ok(tokens));
    }
}

#[test]
fn the_same_words_have_as_many_tokens_in_any_format() {
    let (system, user) = ("Be short.", "tiktoken is great!");
    let messages =
        json!([{"role": "system", "content": system}, {"role": "user", "content": user}]);
    let chat = json!({"model": "m", "messages": messages});
    // Two messages with their roles, three and six tokens of text, and three that begin the answer.
    check("gpt-4o", Format::OpenaiChat, &chat, Ok(2 * (3 + 1) + 3 + 6 + 3));
    for (format, body) in [
        (Format::OpenaiResponses, json!({"model": "m", "instructions": system, "input": user})),
        (
            Format::AnthropicMessages,
            json!({"model": "m", "max_tokens": 9, "system": system, "messages": [{"role": "user", "content": user}]}),
        ),
        (
            Format::Gemini,
            json!({"systemInstruction": {"parts": [{"text": system}]}, "contents": [{"role": "user", "parts": [{"text": user}]}]}),
        ),
    ] {
        check("gpt-4o", format, &body, Ok(20));
    }
}

#[test]
fn what_no_rule_is_known_for_is_not_counted() {
    let with = |member: &str, value: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
        body[member] = value;
        body
    };
    let saying = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let check = |body: &Value, why| check("gpt-4o", Format::OpenaiChat, body, Err(why));
    check(&saying(json!([{"type": "image_url", "image_url": {"url": "x"}}])), Uncounted::Media);
    check(&saying(json!([{"type": "input_audio", "input_audio": {}}])), Uncounted::Media);
    check(&saying(json!([{"type": "new"}])), Uncounted::Unread);
    check(&with("modalities", json!(["text", "audio"])), Uncounted::Media);
    check(&with("service_tier", json!("flex")), Uncounted::Service);
    check(&with("web_search_options", json!({})), Uncounted::Service);
    check(&with("prediction", json!({"type": "content"})), Uncounted::Service);
    check(&json!([]), Uncounted::Unread);
    check(&json!({"messages": [{"role": "user", "content": "Hi", "new": 1}]}), Uncounted::Unread);
    super::tests::check(
        "gpt-4o",
        Format::OpenaiResponses,
        &json!({"previous_response_id": "resp_1", "input": "Hi"}),
        Err(Uncounted::Unread),
    );
}

#[test]
fn tools_and_schemas_make_a_count_rough() {
    let plain = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let bare = counter("gpt-4o").prompt(Format::OpenaiChat, plain.to_string().as_bytes()).unwrap();
    for (member, value) in [
        ("tools", json!([{"type": "function", "function": {"name": "f", "parameters": {}}}])),
        ("response_format", json!({"type": "json_schema", "json_schema": {"schema": {}}})),
    ] {
        let mut body = plain.clone();
        body[member] = value.clone();
        let found = counter("gpt-4o").prompt(Format::OpenaiChat, body.to_string().as_bytes());
        let tokens = bare.tokens + counter("gpt-4o").text(&value.to_string());
        assert_eq!(found, Ok(PromptTokens { tokens, rough: true }), "{member}");
    }
    // A tool that OpenAI's chat does not have is lost on the way to it, and not in the mark.
    let body = json!({"input": "Hi", "tools": [{"type": "web_search"}]});
    let found = counter("gpt-4o").prompt(Format::OpenaiResponses, body.to_string().as_bytes());
    assert!(found.is_err() || found.is_ok_and(|it| it.rough), "{found:?}");
}

#[test]
fn what_came_of_an_answer_is_counted() {
    let delta = |text: &str| {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
    };
    let said = format!("{}{}", delta("tiktoken is"), delta(" great!"));
    let check = |model: &str, body: &str, expected| {
        assert_eq!(counter(model).answer(Format::OpenaiChat, body.as_bytes()), expected, "{body}");
    };
    check("gpt-4o", &said, Ok(6));
    // The last event broke off.
    check("gpt-4o", &format!("{said}data: {{\"choices\":[{{\"ind"), Ok(6));
    check("gpt-4o", "", Ok(0));
    check("o3", &said, Err(Uncounted::Thinking));
    let whole = json!({"choices": [{"message": {"content": "tiktoken is great!"}}]}).to_string();
    check("gpt-4", &whole, Ok(6));
    let call = json!({"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]});
    check("gpt-4o", &call.to_string(), Err(Uncounted::Unread));
    let thought = json!({"choices": [{"message": {"reasoning_content": "Hm", "content": "x"}}]});
    check("gpt-4o", &thought.to_string(), Err(Uncounted::Thinking));
}

#[test]
fn only_models_whose_tokenizer_is_known_have_one() {
    for name in
        ["gpt-4o-2024-08-06", "gpt-4-0613", "GPT-4.1", "o3-mini-2025-01-31", "gpt-4-0125-preview"]
    {
        assert!(Counter::of_model(name).is_some(), "{name}");
    }
    for name in [
        "",
        "claude-sonnet-4-5",
        "gemini-2.5-flash",
        "gpt-4o-audio-preview",
        "gpt-4o-transcribe",
        "gpt-4o-search-preview",
        "gpt-4o-mini-tts",
        "gpt-oss-120b",
        "gpt-4o-20240806",
        "gpt-40613",
        "gpt-image-1",
        "ft:",
        "gpt-6",
    ] {
        assert_eq!(Counter::of_model(name), None, "{name}");
    }
    assert!(counter("gpt-5-mini").thinks() && !counter("gpt-5-chat-latest").thinks());
}
