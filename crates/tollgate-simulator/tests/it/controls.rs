//! Every control does on the wire what its documentation says.

use std::io::Read;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_simulator::SimulatedCall;

use crate::http::{LIMIT, Raw, credentials, last_call, open, post, send, simulator};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:generateContent";

fn chat(stream: bool) -> Value {
    json!({
        "model": "gpt-5-mini",
        "messages": [{"role": "user", "content": "Are you there?"}],
        "stream": stream,
        "stream_options": {"include_usage": true},
    })
}

fn messages(stream: bool) -> Value {
    json!({
        "model": "claude-haiku-4-5", "max_tokens": 1000, "stream": stream,
        "messages": [{"role": "user", "content": "Are you there?"}],
    })
}

fn gemini() -> Value {
    json!({"contents": [{"parts": [{"text": "Are you there?"}]}]})
}

#[tokio::test]
async fn errors_have_the_providers_own_bodies() {
    let simulator = simulator().await;
    let types = [
        (400, "invalid_request_error", "INVALID_ARGUMENT"),
        (401, "authentication_error", "UNAUTHENTICATED"),
        (403, "permission_error", "PERMISSION_DENIED"),
        (404, "not_found_error", "NOT_FOUND"),
        (413, "request_too_large", "INVALID_ARGUMENT"),
        (429, "rate_limit_error", "RESOURCE_EXHAUSTED"),
        (500, "api_error", "INTERNAL"),
        (503, "api_error", "UNAVAILABLE"),
        (529, "overloaded_error", "UNAVAILABLE"),
    ];
    for (status, anthropic, google) in types {
        let control = format!("status={status},retry-after=2");
        let (raw, _) = post(&simulator, CHAT, &control, &chat(true)).await;
        assert_eq!((raw.status, raw.header("retry-after")), (status, Some("2")));
        assert!(raw.json()["error"]["message"].is_string());

        let (raw, call) = post(&simulator, MESSAGES, &control, &messages(true)).await;
        assert_eq!((raw.status, raw.header("retry-after")), (status, Some("2")));
        assert_eq!(raw.json()["error"]["type"], anthropic);
        assert_eq!(call.usage, None);

        let (raw, _) = post(&simulator, GEMINI, &control, &gemini()).await;
        assert_eq!((raw.status, raw.header("retry-after")), (status, None));
        assert_eq!(raw.json()["error"]["status"], google);
        assert_eq!(raw.json()["error"]["details"][0]["retryDelay"], "2s");
    }
}

#[tokio::test]
async fn a_proxys_page_can_stand_in_the_place_of_an_error() {
    let simulator = simulator().await;
    let (raw, _) = post(&simulator, CHAT, "status=502,html", &chat(false)).await;
    assert_eq!((raw.status, raw.header("content-type")), (502, Some("text/html")));
    assert!(raw.text().starts_with("<html>"));
}

#[tokio::test]
async fn controls_stand_behind_the_models_name_too() {
    let simulator = simulator().await;
    let mut body = chat(false);
    body["model"] = json!("gpt-5-mini+status=429");
    let (raw, call) = post(&simulator, CHAT, "", &body).await;
    assert_eq!(raw.status, 429);
    assert_eq!(call.model_asked.as_deref(), Some("gpt-5-mini+status=429"));
    let path = "/v1beta/models/gemini-2.5-flash+status=503:generateContent";
    let (raw, _) = post(&simulator, path, "", &gemini()).await;
    assert_eq!(raw.status, 503);
}

#[tokio::test]
async fn an_unknown_control_is_refused() {
    let simulator = simulator().await;
    let (raw, _) = post(&simulator, CHAT, "statsu=429", &chat(false)).await;
    assert_eq!(raw.status, 400);
    assert!(raw.text().contains("statsu=429"));
}

#[tokio::test]
async fn bytes_travel_one_by_one_and_say_the_same() {
    let simulator = simulator().await;
    let (whole, _) = post(&simulator, MESSAGES, "", &messages(true)).await;
    let (split, call) = post(&simulator, MESSAGES, "split=bytes", &messages(true)).await;
    assert!(split.chunks.iter().all(|it| *it == 1), "{:?}", split.chunks);
    assert!(split.text().contains('🦀'));
    let texts = |raw: &Raw| -> String {
        raw.events().iter().filter_map(|it| it["delta"]["text"].as_str()).collect()
    };
    assert_eq!(texts(&split), texts(&whole));
    assert_eq!(call.response, split.body);
}

#[tokio::test]
async fn a_broken_connection_leaves_the_body_without_its_end() {
    let simulator = simulator().await;
    for (path, body) in [(CHAT, chat(true)), (CHAT, chat(false)), (MESSAGES, messages(true))] {
        let (raw, call) = post(&simulator, path, "break_after=700", &body).await;
        assert_eq!((raw.status, raw.complete, raw.body.len()), (200, false, 700));
        assert_eq!(call.response, raw.body);
        assert!(call.finished && !call.cancelled);
    }
}

#[tokio::test]
async fn a_stream_can_end_in_good_order_before_its_terminal_event() {
    let simulator = simulator().await;
    let (raw, call) = post(&simulator, MESSAGES, "end_after=900", &messages(true)).await;
    assert_eq!((raw.complete, raw.body.len()), (true, 900));
    assert!(!raw.text().contains("message_stop"));
    // Only the opening event's usage went out.
    assert_eq!(call.usage.and_then(|it| it.output), Some(1));
}

#[tokio::test]
async fn an_error_event_takes_the_place_of_the_rest() {
    let simulator = simulator().await;
    let (raw, call) = post(&simulator, CHAT, "error_midstream=3", &chat(true)).await;
    let events = raw.events();
    assert_eq!(events.len(), 4);
    assert!(events[3]["error"]["message"].is_string());
    assert_eq!(call.usage, None);

    let (raw, _) = post(&simulator, MESSAGES, "error_midstream", &messages(true)).await;
    assert_eq!(raw.events().last().expect("an event")["error"]["type"], "overloaded_error");
    assert!(raw.text().contains("event: error\n"));

    let body = json!({"model": "gpt-5-mini", "input": "Are you there?", "stream": true});
    let (raw, _) = post(&simulator, "/v1/responses", "error_midstream=2", &body).await;
    let events = raw.events();
    assert_eq!((&events[2]["type"], &events[2]["sequence_number"]), (&json!("error"), &json!(2)));

    let path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
    let (raw, _) = post(&simulator, path, "error_midstream", &gemini()).await;
    assert_eq!(raw.events().last().expect("an event")["error"]["status"], "UNAVAILABLE");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_before_and_within_the_answer() {
    let simulator = simulator().await;
    for (control, sent) in [("hang", 0), ("hang=400", 400)] {
        let mut headers = credentials(CHAT);
        headers.push(("x-simulate", control.to_owned()));
        let mut stream = open(&simulator, "POST", CHAT, &headers, &chat(true).to_string()).await;
        let reached = simulator.log().wait_for(LIMIT, |it| {
            it.last().is_some_and(|it| it.model_asked.is_some() && it.response.len() == sent)
        });
        assert!(!reached.await.expect("the call to hang").last().expect("a call").is_over());
        if sent > 0 {
            let mut first = [0; 64];
            assert!(stream.read(&mut first).await.expect("the head") > 0);
        }
        stream.shutdown().await.expect("to close");
        drop(stream);
        let call = last_call(&simulator).await;
        assert!(call.cancelled && !call.finished);
        assert_eq!(call.response.len(), sent);
        assert_eq!(call.status.is_some(), sent > 0);
    }
}

#[tokio::test]
async fn compressed_bodies_decode_to_the_same_answer() {
    type Decode = fn(&[u8]) -> Vec<u8>;
    fn all(mut reader: impl Read) -> Vec<u8> {
        let mut out = Vec::new();
        reader.read_to_end(&mut out).expect("to decode");
        out
    }
    let codings: [(&str, Decode); 3] = [
        ("gzip", |it| all(flate2::read::GzDecoder::new(it))),
        ("br", |it| all(brotli::Decompressor::new(it, 4096))),
        ("zstd", |it| all(zstd::Decoder::new(it).expect("a decoder"))),
    ];
    let simulator = simulator().await;
    for stream in [false, true] {
        for (coding, decode) in codings {
            let (raw, call) = post(&simulator, CHAT, coding, &chat(stream)).await;
            assert_eq!(raw.header("content-encoding"), Some(coding));
            assert_eq!(call.response, raw.body);
            let text = String::from_utf8(decode(&raw.body)).expect("UTF-8");
            assert!(text.contains("\"total_tokens\""), "{coding}: {text}");
            assert_eq!(text.contains("[DONE]"), stream);
            assert!(call.usage.is_some());
        }
    }
}

#[tokio::test]
async fn every_piece_of_a_compressed_stream_decodes_on_arrival() {
    let simulator = simulator().await;
    let mut headers = credentials(CHAT);
    headers.push(("x-simulate", "gzip,hang=200".to_owned()));
    let _held = open(&simulator, "POST", CHAT, &headers, &chat(true).to_string()).await;
    let held = |it: &[SimulatedCall]| it.first().is_some_and(|it| it.response.len() == 200);
    let calls = simulator.log().wait_for(LIMIT, held).await.expect("200 bytes");
    let mut text = Vec::new();
    // The end is missing, so that reading ends in an error, behind what there is.
    let _cut = flate2::read::GzDecoder::new(&calls[0].response[..]).read_to_end(&mut text);
    assert!(String::from_utf8_lossy(&text).starts_with("data: {"), "{text:?}");
}

#[tokio::test]
async fn events_come_in_every_style() {
    let simulator = simulator().await;
    let (raw, _) = post(&simulator, CHAT, "crlf,comments,no_space", &chat(true)).await;
    let text = raw.text();
    assert!(text.starts_with(": simulated keep-alive\r\n\r\ndata:{"));
    assert!(text.ends_with("data:[DONE]\r\n\r\n"));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
}

#[tokio::test]
async fn texts_are_as_long_and_in_as_many_pieces_as_asked_for() {
    let simulator = simulator().await;
    let (raw, _) = post(&simulator, CHAT, "huge=300001", &chat(false)).await;
    let text = raw.json()["choices"][0]["message"]["content"].as_str().expect("a text").len();
    assert_eq!(text, 300_001);
    let (raw, _) = post(&simulator, CHAT, "huge=5000,pieces=100", &chat(true)).await;
    let pieces: Vec<_> = raw
        .events()
        .iter()
        .filter_map(|it| it["choices"][0]["delta"]["content"].as_str().map(str::len))
        .filter(|it| *it > 0)
        .collect();
    assert_eq!((pieces.len(), pieces.iter().sum::<usize>()), (100, 5000));
}

#[tokio::test]
async fn numbers_of_tokens_can_be_chosen_or_kept_back() {
    let simulator = simulator().await;
    let (raw, call) = post(&simulator, CHAT, "cached=2048,reasoning=77", &chat(true)).await;
    let usage = raw.events().last().expect("the usage")["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 2048);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 77);
    let sent = call.usage.expect("usage");
    assert_eq!((sent.input, sent.cache_read, sent.reasoning), (Some(0), Some(2048), Some(77)));
    let (raw, call) = post(&simulator, MESSAGES, "no_usage", &messages(true)).await;
    assert!(!raw.text().contains("usage"));
    assert_eq!(call.usage, None);
}

#[tokio::test]
async fn delays_are_kept() {
    let simulator = simulator().await;
    let begun = std::time::Instant::now();
    let control = "delay_ms=40,first_byte_ms=30,chunk_delay_ms=10,pieces=3,huge=60";
    let (raw, _) = post(&simulator, CHAT, control, &chat(true)).await;
    assert!(raw.complete);
    // Three pieces, an opening, an end, the usage and `[DONE]`: six come after another.
    assert!(begun.elapsed().as_millis() >= 40 + 30 + 6 * 10, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_request_without_a_credential_is_refused_in_the_providers_shape() {
    type Headers<'a> = &'a [(&'a str, String)];
    let simulator = simulator().await;
    let version = [("anthropic-version", "2023-06-01".to_owned())];
    let cases: [(&str, Headers<'_>, u16, &str); 4] = [
        (CHAT, &[], 401, "/error/type=invalid_request_error"),
        (MESSAGES, &version, 401, "/error/type=authentication_error"),
        (GEMINI, &[], 403, "/error/status=PERMISSION_DENIED"),
        (CHAT, &[("authorization", "Bearer ".to_owned())], 401, "/error/param="),
    ];
    for (path, headers, status, expected) in cases {
        let raw = send(&simulator, "POST", path, headers, "{}").await;
        let (pointer, value) = expected.split_once('=').expect("a pointer and a value");
        let found = raw.json().pointer(pointer).cloned().unwrap_or_default();
        assert_eq!((raw.status, found.as_str().unwrap_or_default()), (status, value), "{path}");
        assert_eq!(last_call(&simulator).await.credential, None);
    }
}
