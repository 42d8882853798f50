use super::*;
use crate::translate::{AnswerConfig, AnswerTranslator, Capabilities};

fn config(from: Format, to: Format) -> RequestConfig<'static> {
    RequestConfig {
        from,
        to,
        model: "theirs",
        query: None,
        streaming_in_path: None,
        provider: Capabilities { max_tokens_default: Some(64), ..Capabilities::default() },
    }
}

#[track_caller]
fn check(config: &RequestConfig<'_>, body: &Value, path: &str, expected: &Value) {
    let sent = translate_count(config, body.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), *expected);
    assert_eq!((sent.path.as_str(), sent.stream), (path, false));
}

fn messages() -> Value {
    json!({"model": "mine", "system": "Be short.", "temperature": 0.5,
        "messages": [{"role": "user", "content": "Hi"}]})
}

fn gemini_prompt() -> Value {
    json!({"systemInstruction": {"parts": [{"text": "Be short."}]},
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}]})
}

#[test]
fn a_count_goes_to_gemini_as_the_whole_request_that_is_meant() {
    let config = config(Format::AnthropicMessages, Format::Gemini);
    let mut whole = gemini_prompt();
    whole["model"] = "models/theirs".into();
    whole["generationConfig"] = json!({"temperature": 0.5});
    let path = "/v1beta/models/theirs:countTokens";
    check(&config, &messages(), path, &json!({ "generateContentRequest": whole }));
}

#[test]
fn a_count_goes_to_vertex_without_what_it_does_not_take() {
    let mut config = config(Format::AnthropicMessages, Format::Gemini);
    config.provider.flat_count = true;
    let mut body = messages();
    body["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    body["tool_choice"] = json!({"type": "any"});
    let sent = translate_count(&config, body.to_string().as_bytes()).unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    let mut names: Vec<&String> = sent.as_object().unwrap().keys().collect();
    names.sort_unstable();
    assert_eq!(names, ["contents", "generationConfig", "systemInstruction", "tools"]);
}

#[test]
fn a_count_goes_to_anthropic_without_what_only_says_how_to_answer() {
    let config = config(Format::Gemini, Format::AnthropicMessages);
    let mut prompt = gemini_prompt();
    let told = json!({"model": "theirs", "system": "Be short.",
        "messages": [{"role": "user", "content": "Hi"}]});
    check(&config, &prompt, "/messages/count_tokens", &told);
    prompt["generationConfig"] = json!({"temperature": 0.5, "maxOutputTokens": 9});
    let inside = json!({ "generateContentRequest": prompt });
    check(&config, &inside, "/messages/count_tokens", &told);
}

#[test]
fn a_count_of_what_cannot_be_carried_is_refused() {
    let refused = |from, to, body: &str| {
        translate_count(&config(from, to), body.as_bytes()).unwrap_err().to_string()
    };
    let chat = refused(Format::OpenaiChat, Format::Gemini, "{}");
    assert!(chat.contains("`openai-chat`"), "{chat}");
    let chat = refused(Format::Gemini, Format::OpenaiChat, "{}");
    assert!(chat.contains("`openai-chat`"), "{chat}");
    let words = refused(Format::Gemini, Format::AnthropicMessages, "words");
    assert!(words.contains("not JSON"), "{words}");
}

fn told(from: Format, to: Format, status: u16, body: &str, end: End) -> (u16, Value) {
    let prompt = if from == Format::Gemini { gemini_prompt() } else { messages() };
    let sent = translate_count(&config(from, to), prompt.to_string().as_bytes()).unwrap();
    let mut answer = AnswerTranslator::new(&AnswerConfig {
        plan: &sent.plan,
        status,
        content_type: Some("application/json"),
        retry_after_s: None,
        fallback_id: "x",
        created_s: 0,
    });
    assert_eq!(answer.head(), None);
    for byte in body.as_bytes() {
        assert!(answer.push(&[*byte]).is_empty());
    }
    let finished = answer.finish(end);
    (finished.head.status, serde_json::from_slice(&finished.bytes).unwrap())
}

#[test]
fn the_count_comes_back_as_the_client_knows_it() {
    let (anthropic, gemini) = (Format::AnthropicMessages, Format::Gemini);
    let counted = r#"{"totalTokens":7,"promptTokensDetails":[]}"#;
    let found = told(anthropic, gemini, 200, counted, End::Complete);
    assert_eq!(found, (200, json!({"input_tokens": 7})));
    let found = told(gemini, anthropic, 200, r#"{"input_tokens":7}"#, End::Complete);
    assert_eq!(found, (200, json!({"totalTokens": 7})));
}

#[test]
fn an_answer_without_a_count_is_an_error_of_the_clients_format() {
    let (anthropic, gemini) = (Format::AnthropicMessages, Format::Gemini);
    let theirs = r#"{"error":{"code":404,"message":"no such model","status":"NOT_FOUND"}}"#;
    let (status, body) = told(anthropic, gemini, 404, theirs, End::Complete);
    assert_eq!((status, &body["error"]["type"]), (404, &json!("not_found_error")));
    assert_eq!(body["error"]["message"], "no such model");
    for (answer, end) in [("{}", End::Complete), ("<html>", End::Complete), ("", End::Broken)] {
        let (status, body) = told(gemini, anthropic, 200, answer, end);
        assert_eq!((status, &body["error"]["code"]), (502, &json!(502)), "{answer}: {body}");
    }
}
