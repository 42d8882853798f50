//! The order of events and the shapes that the SDKs of [`crate::sdk`] do not look at.

use serde_json::{Value, json};
use tollgate_simulator::count_tokens;

use crate::http::{credentials, post, send, simulator};

fn question() -> Value {
    json!([{"role": "user", "content": "Which order?"}])
}

fn tools_of_openai() -> Value {
    json!([
        {"type": "function", "function": {"name": "one", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}},
        }}},
        {"type": "function", "function": {"name": "two", "parameters": {"type": "object"}}},
    ])
}

fn tools_of_anthropic() -> Value {
    json!([{"name": "one", "input_schema": {
        "type": "object", "properties": {"city": {"type": "string"}},
    }}])
}

#[tokio::test]
async fn chat_chunks_carry_null_usage_until_the_last() {
    let simulator = simulator().await;
    let mut body = json!({"model": "gpt-5-mini", "messages": question(), "stream": true});
    let (raw, call) = post(&simulator, "/v1/chat/completions", "", &body).await;
    assert!(raw.events().iter().all(|it| it.get("usage").is_none()));
    assert_eq!(call.usage, None);

    body["stream_options"] = json!({"include_usage": true});
    let (raw, call) = post(&simulator, "/v1/chat/completions", "", &body).await;
    assert_eq!(raw.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events = raw.events();
    let (last, others) = events.split_last().expect("events");
    assert!(others.iter().all(|it| it.get("usage") == Some(&Value::Null)));
    assert_eq!(last["choices"], json!([]));
    assert!(raw.text().ends_with("data: [DONE]\n\n"));
    let sent = call.usage.expect("usage");
    assert_eq!(last["usage"]["completion_tokens"].as_u64(), sent.output);
    assert_eq!(last["usage"]["prompt_tokens"].as_u64(), sent.input);
}

#[tokio::test]
async fn chat_tool_calls_come_in_fragments_by_index() {
    let simulator = simulator().await;
    let body = json!({
        "model": "gpt-4.1-mini", "messages": question(), "stream": true,
        "tools": tools_of_openai(),
    });
    let (raw, _) = post(&simulator, "/v1/chat/completions", "", &body).await;
    let mut arguments = [String::new(), String::new()];
    let mut ids = Vec::new();
    for event in raw.events() {
        let call = &event["choices"][0]["delta"]["tool_calls"][0];
        if let Some(index) = call["index"].as_u64().and_then(|it| usize::try_from(it).ok()) {
            arguments[index] += call["function"]["arguments"].as_str().expect("a fragment");
            ids.extend(call["id"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(arguments, [r#"{"city":"simulated city"}"#, "{}"]);
    assert!(ids.len() == 2 && ids[0] != ids[1]);
}

/// The text of each answer, and the tokens that all of them have.
fn counted(texts: &[String]) -> u64 {
    texts.iter().map(|it| count_tokens(it)).sum()
}

#[tokio::test]
async fn several_choices_of_a_chat_come_a_chunk_of_each_in_turn() {
    let simulator = simulator().await;
    let mut body = json!({"model": "gpt-4.1-mini", "messages": question(), "n": 3});
    let (raw, call) = post(&simulator, "/v1/chat/completions", "", &body).await;
    let choices = raw.json()["choices"].clone();
    let texts: Vec<String> = choices
        .as_array()
        .expect("choices")
        .iter()
        .map(|it| it["message"]["content"].as_str().expect("a text").to_owned())
        .collect();
    assert!(texts.len() == 3 && texts[0] != texts[1] && texts[1] != texts[2]);
    assert_eq!(call.usage.and_then(|it| it.output), Some(counted(&texts)));

    body["stream"] = json!(true);
    let (raw, _) = post(&simulator, "/v1/chat/completions", "", &body).await;
    let mut streamed = vec![String::new(); 3];
    let mut order = Vec::new();
    for event in raw.events() {
        let choice = &event["choices"][0];
        let Some(index) = choice["index"].as_u64() else { continue };
        order.push(index);
        let index = usize::try_from(index).expect("an index");
        streamed[index] += choice["delta"]["content"].as_str().unwrap_or_default();
    }
    assert_eq!(streamed, texts);
    assert_eq!(order[..6], [0, 1, 2, 0, 1, 2]);
}

#[tokio::test]
async fn several_candidates_of_gemini_have_their_chunks_in_each_event() {
    let simulator = simulator().await;
    let path = |method: &str| format!("/v1beta/models/gemini-2.5-flash:{method}");
    let ask = |count: u64| {
        json!({
            "contents": [{"parts": [{"text": "Which order?"}]}],
            "generationConfig": {"candidateCount": count, "thinkingConfig": {"thinkingBudget": 5}},
        })
    };
    let text = |it: &Value| {
        let parts = it["content"]["parts"].as_array().into_iter().flatten();
        parts.filter_map(|it| it["text"].as_str()).collect::<String>()
    };
    let (raw, call) = post(&simulator, &path("generateContent"), "", &ask(2)).await;
    let whole = raw.json();
    let texts: Vec<String> =
        whole["candidates"].as_array().expect("candidates").iter().map(text).collect();
    assert!(texts.len() == 2 && texts[0] != texts[1]);
    let usage = call.usage.expect("usage");
    assert_eq!((usage.reasoning, usage.output), (Some(10), Some(counted(&texts) + 10)));

    let (raw, call) = post(&simulator, &path("streamGenerateContent?alt=sse"), "", &ask(2)).await;
    let mut streamed = vec![String::new(); 2];
    let mut ends = 0;
    for event in raw.events() {
        for candidate in event["candidates"].as_array().expect("candidates") {
            let index = candidate["index"].as_u64().expect("an index");
            streamed[usize::try_from(index).expect("an index")] += &text(candidate);
            ends += usize::from(candidate["finishReason"] == "STOP");
        }
    }
    assert_eq!((streamed, ends), (texts, 2));
    assert_eq!(call.usage.and_then(|it| it.output), usage.output);
    for count in [0, 9] {
        let (raw, _) = post(&simulator, &path("generateContent"), "", &ask(count)).await;
        assert_eq!(raw.status, 400, "{count}");
    }
}

#[tokio::test]
async fn anthropic_events_come_in_the_real_order() {
    let simulator = simulator().await;
    let body = json!({
        "model": "claude-opus-4-1", "max_tokens": 4000, "messages": question(), "stream": true,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": tools_of_anthropic(),
    });
    let (raw, _) = post(&simulator, "/v1/messages?beta=true", "", &body).await;
    let mut names: Vec<_> =
        raw.text().lines().filter_map(|it| it.strip_prefix("event: ")).collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let events = raw.events();
    let deltas = |kind: &str, field: &str| -> String {
        let deltas = events.iter().filter(|it| it["delta"]["type"] == kind);
        deltas.filter_map(|it| it["delta"][field].as_str()).collect()
    };
    assert!(!deltas("signature_delta", "signature").is_empty());
    assert!(deltas("thinking_delta", "thinking").contains("simulated"));
    assert_eq!(deltas("input_json_delta", "partial_json"), r#"{"city":"simulated city"}"#);
}

#[tokio::test]
async fn anthropic_input_grows_by_what_a_server_tool_found() {
    let simulator = simulator().await;
    let body = json!({
        "model": "claude-sonnet-4-5", "max_tokens": 4000, "messages": question(), "stream": true,
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    });
    let (raw, call) = post(&simulator, "/v1/messages", "", &body).await;
    let events = raw.events();
    let at_start = &events[0]["message"]["usage"];
    let at_end = &events[events.len() - 2]["usage"];
    assert!(at_end["input_tokens"].as_u64() > at_start["input_tokens"].as_u64());
    assert_eq!(at_end["server_tool_use"]["web_search_requests"], 1);
    let sent = call.usage.expect("usage");
    assert_eq!(sent.input, at_end["input_tokens"].as_u64());
    assert_eq!((sent.output, sent.web_searches), (at_end["output_tokens"].as_u64(), Some(1)));
}

#[tokio::test]
async fn anthropic_refuses_what_the_real_api_refuses() {
    let simulator = simulator().await;
    let check = async |body: Value, expected: &str| {
        let (raw, _) = post(&simulator, "/v1/messages", "", &body).await;
        let message = raw.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(raw.status == 400 && message.contains(expected), "{message}");
    };
    let model = "claude-haiku-4-5";
    check(json!({"model": model, "messages": question()}), "max_tokens").await;
    check(json!({"model": model, "max_tokens": 1}), "messages").await;
    let calls = json!([
        {"type": "tool_use", "id": "a", "name": "one", "input": {}},
        {"type": "tool_use", "id": "b", "name": "one", "input": {}},
    ]);
    let result = |id: &str| json!([{"type": "tool_result", "tool_use_id": id, "content": "1"}]);
    let apart = json!([
        question()[0],
        {"role": "assistant", "content": calls},
        {"role": "user", "content": result("a")},
        {"role": "user", "content": result("b")},
    ]);
    check(json!({"model": model, "max_tokens": 1, "messages": apart}), "immediately after: b")
        .await;
}

#[tokio::test]
async fn gemini_streams_as_events_with_crlf_or_as_one_array() {
    let simulator = simulator().await;
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "Which order?"}]}]});
    let path = "/v1/models/gemini-2.5-pro:streamGenerateContent";
    let (sse, call) = post(&simulator, &format!("{path}?alt=sse"), "", &body).await;
    assert!(sse.text().ends_with("}\r\n\r\n"));
    assert_eq!(sse.text().matches('\n').count(), sse.text().matches("\r\n").count());
    let (array, _) = post(&simulator, path, "", &body).await;
    assert_eq!(array.header("content-type"), Some("application/json; charset=UTF-8"));
    let elements = array.json();
    let elements = elements.as_array().expect("an array");
    assert!(elements.len() > 1 && elements.len() == sse.events().len());
    let texts = |all: &[Value]| -> String {
        let parts = all.iter().map(|it| &it["candidates"][0]["content"]["parts"][0]["text"]);
        parts.filter_map(Value::as_str).collect()
    };
    assert_eq!(texts(elements), texts(&sse.events()));
    let usage = elements.last().expect("an element")["usageMetadata"].clone();
    let number = |name: &str| usage[name].as_u64().expect("a number");
    let sent = call.usage.expect("usage");
    // Thoughts stand beside the candidates, not in them.
    let output = number("candidatesTokenCount") + number("thoughtsTokenCount");
    assert_eq!((sent.input, sent.output), (Some(number("promptTokenCount")), Some(output)));
    assert_eq!(number("totalTokenCount"), number("promptTokenCount") + output);
}

#[tokio::test]
async fn gemini_takes_snake_case_and_the_role_function() {
    let simulator = simulator().await;
    let declaration = json!({"name": "one", "parameters_json_schema": {
        "type": "object", "properties": {"city": {"type": "string"}},
    }});
    let mut body = json!({
        "contents": [{"role": "user", "parts": [{"text": "Well?"}]}],
        "system_instruction": {"parts": [{"text": "Be short."}]},
        "tools": [{"function_declarations": [declaration]}],
        "generation_config": {"thinking_config": {"thinking_budget": 0}},
    });
    let path = "/v1beta/models/gemini-2.5-flash:generateContent";
    let (raw, _) = post(&simulator, path, "", &body).await;
    let answer = raw.json();
    let call = &answer["candidates"][0]["content"]["parts"][0]["functionCall"];
    assert_eq!(call, &json!({"name": "one", "args": {"city": "simulated city"}}));
    assert!(answer["usageMetadata"].get("thoughtsTokenCount").is_none());

    let result = json!({"function_response": {"name": "one", "response": {"sky": "blue"}}});
    let contents = body["contents"].as_array_mut().expect("contents");
    contents.push(json!({"role": "function", "parts": [result]}));
    let (raw, _) = post(&simulator, path, "", &body).await;
    let text = &raw.json()["candidates"][0]["content"]["parts"][0]["text"];
    assert!(text.as_str().expect("a text").contains("simulated"));
}

#[tokio::test]
async fn long_prefixes_are_cached_implicitly() {
    let simulator = simulator().await;
    let rules = "r".repeat(4 * 1300);
    let body = json!({
        "model": "gpt-5",
        "messages": [{"role": "system", "content": rules}, {"role": "user", "content": "Well?"}],
    });
    let (raw, call) = post(&simulator, "/v1/chat/completions", "", &body).await;
    let usage = raw.json()["usage"].clone();
    assert_eq!(usage["prompt_tokens"], 1300 + 3 + 2 + 3);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 1280);
    let sent = call.usage.expect("usage");
    assert_eq!((sent.input, sent.cache_read), (Some(1308 - 1280), Some(1280)));
}

#[tokio::test]
async fn lists_of_models_are_told_apart_by_the_clients_headers() {
    let simulator = simulator().await;
    let check = async |headers: &[(&str, String)], pointer: &str, expected: &str| {
        let raw = send(&simulator, "GET", "/v1/models", headers, "").await;
        assert_eq!(raw.json().pointer(pointer).and_then(Value::as_str), Some(expected));
    };
    check(&credentials("/v1/chat/completions"), "/data/0/id", "gpt-5-mini").await;
    check(&credentials("/v1/messages"), "/data/0/id", "claude-sonnet-4-5-20250929").await;
    check(&credentials("/models/gemini"), "/models/0/name", "models/gemini-2.5-flash").await;
}

#[tokio::test]
async fn unknown_paths_and_models_are_refused_as_the_provider_does() {
    let simulator = simulator().await;
    let openai = credentials("/v1/chat/completions");
    let raw = send(&simulator, "POST", "/v1/nowhere", &openai, "{}").await;
    assert_eq!(raw.status, 404);
    assert_eq!(raw.json()["error"]["message"], "Invalid URL (POST /v1/nowhere)");
    let raw = send(&simulator, "GET", "/v1/nowhere", &credentials("/v1/messages"), "").await;
    assert_eq!((raw.status, &raw.json()["error"]["type"]), (404, &json!("not_found_error")));
    let raw = send(&simulator, "GET", "/v1beta/nowhere", &credentials("/models/gemini"), "").await;
    assert_eq!((raw.status, raw.header("content-type")), (404, Some("text/html")));
    // A model of another provider, and one that does something else.
    for model in ["claude-haiku-4-5", "text-embedding-3-small", "gpt-0"] {
        let body = json!({"model": model, "messages": question()});
        let (raw, _) = post(&simulator, "/v1/chat/completions", "", &body).await;
        assert_eq!((raw.status, &raw.json()["error"]["code"]), (404, &json!("model_not_found")));
    }
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let simulator = simulator().await;
    for body in ["", "{", "[]", "\"text\"", "\u{0}"] {
        let path = "/v1/chat/completions";
        let raw = send(&simulator, "POST", path, &credentials(path), body).await;
        assert_eq!(raw.status, 400, "{body:?}");
        assert_eq!(raw.json()["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn embeddings_say_the_same_in_floats_and_in_base64() {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let simulator = simulator().await;
    let mut body = json!({"model": "text-embedding-3-small", "input": ["a", "b"]});
    let (floats, _) = post(&simulator, "/v1/embeddings", "", &body).await;
    body["encoding_format"] = json!("base64");
    let (encoded, call) = post(&simulator, "/v1/embeddings", "", &body).await;
    // As `f32`, which is what they are: the JSON reader is not exact to the last bit of an `f64`.
    let floats: Vec<f32> =
        serde_json::from_value(floats.json()["data"][1]["embedding"].clone()).expect("floats");
    let encoded = encoded.json()["data"][1]["embedding"].as_str().expect("base64").to_owned();
    let bytes = STANDARD.decode(encoded).expect("base64");
    let decoded = bytes.chunks_exact(4).map(|it| it.try_into().expect("four bytes"));
    let decoded: Vec<_> = decoded.map(f32::from_le_bytes).collect();
    assert_eq!(floats.len(), 1536);
    assert!(floats == decoded, "the two vectors differ");
    let sent = call.usage.expect("usage");
    assert_eq!((sent.input, sent.output), (Some(2), None));
}

/// The frames of Amazon's event stream: kind and name, and the payload.
fn frames(mut bytes: &[u8]) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let number = |at: &[u8]| u32::from_be_bytes(*at.first_chunk().expect("four bytes")) as usize;
    while !bytes.is_empty() {
        let (total, headers) = (number(bytes), number(&bytes[4..]));
        let (frame, rest) = bytes.split_at(total);
        let text = String::from_utf8_lossy(&frame[12..12 + headers]).into_owned();
        let name = text.split(":content-type").next().unwrap_or_default();
        // The length of the next header's name stands before it.
        let name = name.trim_end_matches(char::is_control);
        let payload = &frame[12 + headers..total - 4];
        found.push((name.to_owned(), serde_json::from_slice(payload).expect("JSON")));
        bytes = rest;
    }
    found
}

#[tokio::test]
async fn converse_streams_the_frames_that_build_its_whole_answer() {
    let simulator = simulator().await;
    let body = json!({
        "messages": [{"role": "user", "content": [{"text": "Which order?"}]}],
        "system": [{"text": "Be short."}],
        "inferenceConfig": {"maxTokens": 200},
    });
    let path = "/model/amazon.nova-lite-v1%3A0/converse";
    let (whole, call) = post(&simulator, path, "", &body).await;
    let whole = whole.json();
    assert_eq!(whole["stopReason"], "end_turn", "{whole}");
    let text = whole.pointer("/output/message/content/0/text").and_then(Value::as_str);
    let told = call.usage.expect("usage");
    assert_eq!(whole["usage"]["inputTokens"].as_u64(), told.input);

    let (raw, call) = post(&simulator, &format!("{path}-stream"), "", &body).await;
    assert_eq!(raw.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let frames = frames(&raw.body);
    let named = |name: &str| frames.iter().filter(|it| it.0.ends_with(name)).collect::<Vec<_>>();
    let said = named("contentBlockDelta");
    let said: String = said.iter().filter_map(|it| it.1["delta"]["text"].as_str()).collect();
    assert_eq!(Some(said.as_str()), text);
    assert!(frames[0].0.ends_with("messageStart"), "{:?}", frames[0]);
    assert_eq!(named("messageStop").len(), 1);
    assert!(frames.last().expect("a frame").0.ends_with("metadata"));
    assert_eq!(call.usage, Some(told));

    let refused = json!({"messages": [{"role": "assistant", "content": [{"text": "Hi"}]}]});
    let (raw, _) = post(&simulator, path, "", &refused).await;
    assert_eq!((raw.status, raw.header("x-amzn-errortype")), (400, Some("ValidationException")));
}

#[tokio::test]
async fn vectors_of_cohere_and_ollama_are_those_of_openai() {
    let simulator = simulator().await;
    let body = json!({"model": "embed-v4.0", "texts": ["a", "b"], "input_type": "search_query"});
    let (cohere, call) = post(&simulator, "/v2/embed", "", &body).await;
    assert_eq!(cohere.json()["meta"]["billed_units"]["input_tokens"], 2);
    assert_eq!(call.usage.and_then(|it| it.input), Some(2));
    let (openai, _) = post(
        &simulator,
        "/v1/embeddings",
        "",
        &json!({"model": "text-embedding-3-small", "input": ["a", "b"]}),
    )
    .await;
    let same = openai.json()["data"][1]["embedding"].clone();
    assert_eq!(cohere.json()["embeddings"]["float"][1], same);
    let body = json!({"model": "embed-v4.0", "texts": ["a"]});
    assert_eq!(post(&simulator, "/v2/embed", "", &body).await.0.status, 400);
    let body = json!({"model": "nomic-embed-text", "input": "a", "dimensions": 4});
    let (ollama, _) = post(&simulator, "/api/embed", "", &body).await;
    let answer = ollama.json();
    assert_eq!(answer["embeddings"][0].as_array().map(Vec::len), Some(4));
    assert_eq!(answer["prompt_eval_count"], 1);
}
