//! What the simulator says it received and sent is what was received and sent.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_simulator::{
    CallLog, Provider, SIMULATOR_HEADER, Simulator, SimulatorConfig, UsageSent, count_tokens,
};

use crate::http::{LIMIT, credentials, last_call, post, send, simulator};

const CHAT: &str = "/v1/chat/completions";

fn chat() -> Value {
    json!({"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Well?"}]})
}

#[tokio::test]
async fn a_call_is_recorded_to_the_byte() {
    let simulator = simulator().await;
    let body = chat().to_string();
    let raw = send(&simulator, "POST", CHAT, &credentials(CHAT), &body).await;
    let call = last_call(&simulator).await;
    assert_eq!((call.number, call.provider, call.path()), (1, Provider::OpenAi, CHAT));
    assert_eq!(call.request, body);
    assert_eq!(call.response, raw.body);
    assert_eq!(call.status.map(|it| it.as_u16()), Some(200));
    assert_eq!(call.credential.as_deref(), Some("sk-simulated"));
    assert_eq!(call.header("host"), Some("simulator"));
    assert_eq!(call.model_asked.as_deref(), Some("gpt-5-mini"));
    assert_eq!(call.model_served.as_deref(), Some("gpt-5-mini-2025-08-07"));
    assert!(call.peer.is_some_and(|it| it.ip().is_loopback()));
    for (name, value) in &call.response_headers {
        assert_eq!(raw.header(name.as_str()), value.to_str().ok());
    }
    assert_eq!(raw.header(SIMULATOR_HEADER), Some("1"));
}

#[tokio::test]
async fn the_usage_recorded_is_the_usage_sent() {
    let simulator = simulator().await;
    let (raw, call) = post(&simulator, CHAT, "", &chat()).await;
    let answer = raw.json();
    let text = answer["choices"][0]["message"]["content"].as_str().expect("a text");
    let prompt = count_tokens("Well?") + 3;
    let output = count_tokens(text) + 192;
    assert_eq!(
        call.usage,
        Some(UsageSent {
            input: Some(prompt),
            cache_read: Some(0),
            output: Some(output),
            reasoning: Some(192),
            ..UsageSent::default()
        })
    );
    assert_eq!(answer["usage"]["prompt_tokens"], prompt);
    assert_eq!(answer["usage"]["completion_tokens"], output);
    assert_eq!(answer["usage"]["total_tokens"], prompt + output);
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_save_its_ids() {
    let body = json!({
        "model": "claude-sonnet-4-5", "max_tokens": 500, "stream": true,
        "messages": [{"role": "user", "content": "Again?"}],
    });
    let mut answers = Vec::new();
    for seed in [1, 2] {
        let config = SimulatorConfig { seed, ..SimulatorConfig::default() };
        let simulator = Simulator::start(config).await.expect("a simulator");
        answers.push(post(&simulator, "/v1/messages", "", &body).await.0.body);
        let again = post(&simulator, "/v1/messages", "", &body).await.0;
        let first = again.text().replace("000000000002", "000000000001");
        answers.push(first.into_bytes());
    }
    assert!(answers.windows(2).all(|it| it[0] == it[1]));
}

#[tokio::test]
async fn waiting_ends_when_the_condition_holds_or_the_time_is_over() {
    let log = CallLog::new();
    let none = log.wait_for(Duration::from_millis(1), |it| !it.is_empty()).await;
    assert!(none.is_none());
    assert_eq!(log.wait_for(LIMIT, <[_]>::is_empty).await.map(|it| it.len()), Some(0));
}

#[tokio::test]
async fn forgetting_calls_keeps_their_numbers_going() {
    let simulator = simulator().await;
    post(&simulator, CHAT, "", &chat()).await;
    simulator.log().clear();
    assert!(simulator.calls().is_empty());
    let (_, call) = post(&simulator, CHAT, "", &chat()).await;
    assert_eq!((call.number, simulator.log().opened()), (2, 2));
}

#[tokio::test]
async fn only_as_many_calls_are_kept_as_configured() {
    let config = SimulatorConfig { calls_kept: 2, ..SimulatorConfig::default() };
    let simulator = Simulator::start(config).await.expect("a simulator");
    for _ in 0..4 {
        post(&simulator, CHAT, "", &chat()).await;
    }
    let numbers: Vec<_> = simulator.calls().iter().map(|it| it.number).collect();
    assert_eq!((numbers, simulator.log().opened()), (vec![3, 4], 4));
}

#[tokio::test]
async fn an_oversized_request_is_refused() {
    let simulator = simulator().await;
    let body = "x".repeat(tollgate_simulator::REQUEST_BYTES_MAX + 1);
    let raw = send(&simulator, "POST", CHAT, &credentials(CHAT), &body).await;
    assert_eq!(raw.status, 413);
}

#[tokio::test]
async fn shutting_down_cuts_what_hangs_and_frees_the_port() {
    let simulator = simulator().await;
    let addr = simulator.addr();
    let log = simulator.log().clone();
    let held = tokio::spawn(async move {
        let mut headers = credentials(CHAT);
        headers.push(("x-simulate", "hang".to_owned()));
        let mut stream = tokio::net::TcpStream::connect(addr).await.expect("a connection");
        let request = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-simulate: hang\r\n\
                       content-length: 2\r\n\r\n{}";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.expect("sent");
        let mut rest = Vec::new();
        let _reset = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
        rest
    });
    let arrived = |it: &[tollgate_simulator::SimulatedCall]| !it.is_empty();
    log.wait_for(LIMIT, arrived).await.expect("the call to arrive");
    simulator.shutdown().await;
    assert_eq!(held.await.expect("no answer"), b"");
    assert!(log.calls()[0].cancelled);
    let listen = SimulatorConfig { listen: addr, ..SimulatorConfig::default() };
    Simulator::start(listen).await.expect("the same port again");
}
