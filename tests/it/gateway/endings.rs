//! How calls end other than well: clients that leave, providers that break off, a gateway that
//! stops. However it is, each is settled once.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tollgate_core::call::{CostUnknown, ErrorCode, Outcome};
use tollgate_gateway::{ProviderSetup, Timeouts};

use super::{
    cases::{ASKS, Ask},
    harness::{
        Door, House, PATIENCE, Whole, ask, begin, connect, controlled, hosted, post, priced, read,
        setup, simulator, snapshot,
    },
};

/// The head of an upload that is passed on as it comes, and the first byte of 100.
const UPLOAD: &str =
    "POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: 100\r\n\r\nx";

fn streams() -> impl Iterator<Item = Ask> {
    ASKS.into_iter().filter(|it| it.streams)
}

async fn cancelled(house: &House) {
    let log = house.simulator.log();
    let over = log.wait_for(PATIENCE, |calls| calls.iter().all(|it| it.is_over())).await;
    assert!(over.unwrap().iter().all(|it| it.cancelled && !it.finished));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_cancels_the_call_upstream() {
    for case in streams() {
        let house = House::open().await;
        let mut answer = begin(house.door.addr, controlled(case.request(), "hang=300")).await;
        let mut got = 0;
        while got < 300 {
            got += answer.body_mut().frame().await.unwrap().unwrap().data_ref().unwrap().len();
        }
        drop(answer);
        let call = house.call().await;
        assert_eq!(call.outcome, Outcome::Cancelled, "{}", case.name);
        assert_eq!(call.error_code, None, "{}", case.name);
        assert_eq!(call.status, Some(200), "{}", case.name);
        assert_eq!(call.response_bytes, u64::try_from(got).unwrap(), "{}", case.name);
        assert_eq!(call.cost, None, "{}", case.name);
        assert_eq!(call.cost_unknown, Some(CostUnknown::NoUsage), "{}", case.name);
        cancelled(&house).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_cancels_the_call_upstream() {
    for case in ASKS {
        let house = House::open().await;
        let mut sender = connect(house.door.addr).await;
        let request = hosted(house.door.addr, controlled(case.request(), "hang"));
        let sending = sender.send_request(request.map(http_body_util::Full::new));
        let arrived = house.simulator.log().wait_for(PATIENCE, |calls| !calls.is_empty());
        tokio::select! {
            _ = sending => panic!("{}: it must not answer", case.name),
            arrived = arrived => assert!(arrived.is_some()),
        }
        drop(sender);
        let call = house.call().await;
        assert_eq!(call.outcome, Outcome::Cancelled, "{}", case.name);
        assert_eq!(call.status, None, "{}", case.name);
        // The provider had the request and may bill it.
        assert_eq!(call.cost_unknown, Some(CostUnknown::NoUsage), "{}", case.name);
        cancelled(&house).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_after_the_last_event_has_had_it_all() {
    // The provider sends the whole stream and then keeps the connection open.
    for case in streams() {
        let whole = ask(simulator().await.addr(), case.request()).await.body.len();
        let house = House::open().await;
        let controls = format!("hang={whole}");
        let mut answer = begin(house.door.addr, controlled(case.request(), &controls)).await;
        let mut got = 0;
        while got < whole {
            got += answer.body_mut().frame().await.unwrap().unwrap().data_ref().unwrap().len();
        }
        drop(answer);
        let call = house.call().await;
        assert_eq!(call.outcome, Outcome::Finished, "{}", case.name);
        assert!(call.usage.output.is_some(), "{}", case.name);
    }
}

/// Where the first event of a stream ends.
fn first_event(stream: &[u8]) -> usize {
    stream.windows(2).position(|it| it == b"\n\n" || it == b"\n\r").unwrap() + 2
}

/// The data of the last event, which must be the format's error.
fn last_error(case: Ask, got: &Whole) -> String {
    let text = String::from_utf8_lossy(&got.body);
    let event = text.trim_end().rsplit(['\n', '\r']).next().unwrap();
    let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("{}: {text}", case.name));
    let data: Value = serde_json::from_str(data).unwrap();
    if case.path.contains("/messages") || case.path.contains("/responses") {
        assert_eq!(data["type"], "error", "{data}");
        assert!(text.contains("event: error\n"), "{text}");
    }
    data["error"]["message"].as_str().unwrap().to_owned()
}

async fn expect_broken_stream(
    case: Ask,
    door: &Door,
    got: &Whole,
    code: ErrorCode,
    label: &str,
) -> std::sync::Arc<tollgate_core::Call> {
    let label = format!("{} {label}", case.name);
    assert!(!got.broken, "{label}");
    let message = last_error(case, got);
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!(call.outcome, Outcome::Failed, "{label}");
    assert_eq!(call.error_code, Some(code), "{label}");
    assert_eq!(call.error_message, Some(message), "{label}");
    assert_eq!(call.status, Some(200), "{label}");
    assert_eq!(call.response_bytes, u64::try_from(got.body.len()).unwrap(), "{label}");
    call
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_the_formats_error_event() {
    for case in streams() {
        let whole = ask(simulator().await.addr(), case.request()).await.body;
        let first_event = first_event(&whole);
        for how in ["break_after", "end_after"] {
            let house = House::open().await;
            let controls = format!("{how}={first_event}");
            let got = house.ask(controlled(case.request(), &controls)).await;
            assert!(got.body.starts_with(&whole[..first_event]), "{} {controls}", case.name);
            let code = ErrorCode::ProviderBroke;
            let call = expect_broken_stream(case, &house.door, &got, code, &controls).await;
            assert_eq!(call.cost, None, "{} {controls}", case.name);
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_at_any_event_but_the_last_is_no_complete_one() {
    const TWO: &str = r#"{"model":"gpt-5-mini","stream":true,"stream_options":{"include_usage":true},"n":2,"max_tokens":8,"messages":[{"role":"user","content":"x"}]}"#;
    let two = Ask {
        name: "chat with two choices",
        path: "/v1/chat/completions",
        body: TWO,
        streams: true,
    };
    for case in streams().chain([two]) {
        let whole = ask(simulator().await.addr(), case.request()).await.body;
        let text = String::from_utf8_lossy(&whole).replace("\r\n", "\r\0");
        let mut borders: Vec<usize> = text.match_indices("\n\n").map(|(at, _)| at + 2).collect();
        borders.extend(text.match_indices("\r\0\r\0").map(|(at, _)| at + 4));
        assert_eq!(borders.last(), Some(&whole.len()), "{}", case.name);
        // The last five: what is before is like them.
        for at in borders.iter().rev().take(5) {
            let house = House::open().await;
            let controls = format!("break_after={at}");
            let got = house.ask(controlled(case.request(), &controls)).await;
            assert!(got.body.starts_with(&whole[..*at]), "{} {controls}", case.name);
            if *at == whole.len() {
                assert_eq!(house.call().await.outcome, Outcome::Finished, "{}", case.name);
                assert!(!got.broken && got.body == whole, "{}", case.name);
            } else {
                let code = ErrorCode::ProviderBroke;
                let call = expect_broken_stream(case, &house.door, &got, code, &controls).await;
                assert!(call.cost.is_none() || call.usage.output.is_some(), "{}", case.name);
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_inside_an_event_breaks_the_clients_connection() {
    for case in streams() {
        let whole = ask(simulator().await.addr(), case.request()).await.body;
        let first_event = first_event(&whole);
        for at in [1, first_event - 10, first_event + 30] {
            for how in ["break_after", "end_after"] {
                let house = House::open().await;
                let controls = format!("{how}={at}");
                let got = house.ask(controlled(case.request(), &controls)).await;
                assert!(got.broken, "{} {controls}", case.name);
                assert_eq!(got.body, whole[..at], "{} {controls}", case.name);
                let call = house.call().await;
                assert_eq!(call.outcome, Outcome::Failed, "{} {controls}", case.name);
                assert_eq!(call.error_code, Some(ErrorCode::ProviderBroke), "{}", case.name);
            }
        }
    }
}

#[tokio::test]
async fn a_stream_whose_usage_is_hidden_breaks_at_an_event() {
    let body = r#"{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    for at in [400, 401, 450] {
        let house = House::open().await;
        let controls = format!("break_after={at}");
        let got = house.ask(controlled(post("/v1/chat/completions", body), &controls)).await;
        assert!(!got.broken);
        for event in got.text().trim_end().split("\n\n") {
            let data = event.strip_prefix("data: ").unwrap();
            serde_json::from_str::<Value>(data).unwrap();
        }
        assert!(got.text().contains("\"provider-broke\""), "{}", got.text());
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_ends_with_the_formats_error_event() {
    for case in streams() {
        let simulator = simulator().await;
        let timeouts = Timeouts { first_byte: PATIENCE, idle: Duration::from_millis(50) };
        let origin = simulator.base_url();
        let providers = ["openai", "anthropic", "google"];
        let providers = providers.map(|id| ProviderSetup { timeouts, ..setup(id, &origin) });
        let door = Door::open(priced(providers.to_vec())).await;
        let whole = ask(origin.trim_start_matches("http://").parse().unwrap(), case.request());
        let controls = format!("hang={}", first_event(&whole.await.body));
        simulator.log().clear();
        let got = ask(door.addr, controlled(case.request(), &controls)).await;
        let call = expect_broken_stream(case, &door, &got, ErrorCode::Timeout, "silent").await;
        assert_eq!(call.cost, None, "{}", case.name);
        let over = simulator.log().wait_for(PATIENCE, |calls| calls[0].cancelled).await;
        assert!(over.is_some());
    }
}

#[tokio::test]
async fn a_compressed_stream_that_breaks_off_breaks_the_clients_connection() {
    for case in streams() {
        let house = House::open().await;
        let got = house.ask(controlled(case.request(), "gzip,break_after=60")).await;
        assert!(got.broken, "{}", case.name);
        assert_eq!(got.body, house.simulator.calls()[0].response, "{}", case.name);
        let call = house.call().await;
        assert_eq!(call.outcome, Outcome::Failed, "{}", case.name);
        assert_eq!(call.error_code, Some(ErrorCode::ProviderBroke), "{}", case.name);
    }
}

#[tokio::test]
async fn a_plain_answer_that_breaks_off_breaks_the_clients_connection() {
    for case in ASKS.into_iter().filter(|it| !it.streams && !it.path.starts_with("/p/")) {
        let house = House::open().await;
        let got = house.ask(controlled(case.request(), "break_after=40")).await;
        assert!(got.broken, "{}", case.name);
        assert_eq!(got.body.len(), 40, "{}", case.name);
        let call = house.call().await;
        assert_eq!(call.outcome, Outcome::Failed, "{}", case.name);
        assert_eq!(call.error_code, Some(ErrorCode::ProviderBroke), "{}", case.name);
        assert_eq!(call.cost_unknown, Some(CostUnknown::NoUsage), "{}", case.name);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_its_body_is_a_bad_gateway() {
    for case in ASKS.into_iter().filter(|it| !it.streams && !it.path.starts_with("/p/")) {
        let house = House::open().await;
        let got = house.ask(controlled(case.request(), "break_after=0")).await;
        assert_eq!(got.status, 502, "{}", case.name);
        assert!(got.json()["error"]["message"].is_string(), "{}", case.name);
        let call = house.call().await;
        assert_eq!(call.error_code, Some(ErrorCode::ProviderBroke), "{}", case.name);
        assert_eq!(call.cost_unknown, Some(CostUnknown::NoUsage), "{}", case.name);
    }
}

#[tokio::test]
async fn a_providers_error_event_passes_and_is_recorded() {
    for case in streams() {
        let direct = simulator().await;
        let expected = ask(direct.addr(), controlled(case.request(), "error_midstream")).await;
        let house = House::open().await;
        let got = house.ask(controlled(case.request(), "error_midstream")).await;
        assert_eq!(got.body, expected.body, "{}", case.name);
        let call = house.call().await;
        assert_eq!(call.outcome, Outcome::Failed, "{}", case.name);
        assert_eq!(call.error_code, None, "{}", case.name);
        assert!(call.error_message.is_some(), "{}", case.name);
    }
}

#[tokio::test]
async fn a_pooled_connection_that_turns_out_dead_is_replaced_once() {
    // A provider that answers one request on each connection, says that it keeps the connection,
    // and closes it when the next request arrives.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 64 * 1024];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.unwrap();
            assert!(stream.read(&mut asked).await.unwrap() > 0);
        }
    });
    let door = Door::open(snapshot(&origin)).await;
    let mut sender = connect(door.addr).await;
    for _ in 0..3 {
        let request =
            post("/v1/chat/completions", r#"{"model":"m"}"#).map(http_body_util::Full::new);
        let answer = sender.send_request(hosted(door.addr, request)).await.unwrap();
        assert_eq!(read(answer).await.body, "{}");
    }
    let calls = door.seen.calls(3).await;
    assert_eq!(calls.iter().map(|it| it.retries).collect::<Vec<_>>(), [0, 1, 1]);
    assert!(calls.iter().all(|it| it.timing.connect_took_us.is_some()));
    drop(sender);
    served.abort();
}

/// A provider that answers the first request on each connection once `together` of them have
/// arrived, and closes the connection when a second request arrives on it.
async fn answers_once(together: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let arrived = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let arrived = std::sync::Arc::clone(&arrived);
            tokio::spawn(async move {
                let mut asked = vec![0; 64 * 1024];
                assert!(stream.read(&mut asked).await.unwrap() > 0);
                arrived.add_permits(1);
                let all = u32::try_from(together).unwrap();
                drop(arrived.acquire_many(all).await.unwrap());
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.read(&mut asked).await;
            });
        }
    });
    origin
}

#[tokio::test]
async fn every_dead_connection_of_the_pool_is_passed_over() {
    const POOLED: usize = 3;
    let door = Door::open(snapshot(&answers_once(POOLED).await)).await;
    let request = || post("/v1/chat/completions", r#"{"model":"m"}"#);
    let first = (0..POOLED).map(|_| ask(door.addr, request()));
    for got in futures_util::future::join_all(first).await {
        assert_eq!(got.body, "{}");
    }
    assert_eq!(ask(door.addr, request()).await.body, "{}");
    let calls = door.seen.calls(POOLED + 1).await;
    assert_eq!(calls.iter().map(|it| it.retries).collect::<Vec<_>>(), [0, 0, 0, 3]);
}

#[tokio::test]
async fn a_pooled_connection_that_dies_while_the_provider_may_have_worked_is_not_tried_again() {
    let door = Door::open_with(snapshot(&answers_once(1).await), |config| {
        config.limits.stale_within = Duration::ZERO;
    })
    .await;
    let request = || post("/v1/chat/completions", r#"{"model":"m"}"#);
    assert_eq!(ask(door.addr, request()).await.body, "{}");
    assert_eq!(ask(door.addr, request()).await.status, 502);
    let call = door.seen.calls(2).await.pop().unwrap();
    assert_eq!((call.error_code, call.retries), (Some(ErrorCode::ProviderBroke), 0));
}

#[tokio::test]
async fn a_fresh_connection_that_dies_is_not_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut accepted = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            accepted += 1;
            assert_eq!(accepted, 1, "it must not be asked twice");
            let mut asked = vec![0; 64 * 1024];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
        }
    });
    let door = Door::open(snapshot(&origin)).await;
    let got = ask(door.addr, post("/v1/chat/completions", r#"{"model":"m"}"#)).await;
    assert_eq!(got.status, 502);
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!((call.error_code, call.retries), (Some(ErrorCode::ProviderBroke), 0));
    assert_eq!(call.cost_unknown, Some(CostUnknown::NoUsage));
    assert!(!served.is_finished());
    served.abort();
}

#[tokio::test]
async fn an_upload_whose_client_leaves_is_cancelled() {
    let house = House::open().await;
    let mut client = tokio::net::TcpStream::connect(house.door.addr).await.unwrap();
    client.write_all(UPLOAD.as_bytes()).await.unwrap();
    let begun = |calls: &[tollgate_simulator::SimulatedCall]| !calls.is_empty();
    house.simulator.log().wait_for(PATIENCE, begun).await.unwrap();
    drop(client);
    let call = house.call().await;
    assert_eq!((call.outcome, call.error_code), (Outcome::Cancelled, None));
    assert_eq!(call.status, None);
}

#[tokio::test]
async fn an_upload_that_falls_silent_is_refused() {
    let simulator = simulator().await;
    let door = Door::open_with(snapshot(&simulator.base_url()), |config| {
        config.limits.upload_idle_timeout = Duration::from_millis(50);
    })
    .await;
    let mut client = tokio::net::TcpStream::connect(door.addr).await.unwrap();
    client.write_all(UPLOAD.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(door.seen.calls(1).await[0].error_code, Some(ErrorCode::SlowUpload));
}

#[tokio::test]
async fn the_providers_time_to_answer_begins_when_it_has_the_whole_upload() {
    let simulator = simulator().await;
    let timeouts = Timeouts { first_byte: Duration::ZERO, idle: PATIENCE };
    let openai = ProviderSetup { timeouts, ..setup("openai", &simulator.base_url()) };
    let door = Door::open(priced(vec![openai])).await;
    let mut client = tokio::net::TcpStream::connect(door.addr).await.unwrap();
    let head = UPLOAD.replace("host: x", "host: x\r\nx-simulate: hang");
    client.write_all(head.as_bytes()).await.unwrap();
    // It is under way although there is no time at all for an answer.
    let begun = |calls: &[tollgate_simulator::SimulatedCall]| !calls.is_empty();
    simulator.log().wait_for(PATIENCE, begun).await.unwrap();
    assert!(door.seen.ledger().is_empty());
    client.write_all(&[b'x'; 99]).await.unwrap();
    let mut answer = vec![0; 16];
    client.read_exact(&mut answer).await.unwrap();
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!(call.error_code, Some(ErrorCode::Timeout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_settled_once_wherever_its_client_leaves() {
    const CALLS: usize = 300;
    let house = House::open().await;
    let mut random = 20_261_123_u64;
    let mut clients = Vec::new();
    for number in 0..CALLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let stay = usize::try_from((random >> 33) % 9_000).unwrap();
        let case = ASKS[number % ASKS.len()];
        let request = controlled(case.request(), if number % 3 == 0 { "split=100" } else { "" });
        let addr = house.door.addr;
        clients.push(tokio::spawn(async move {
            if stay < 500 {
                // Leaves while it sends.
                let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
                let path = request.uri().path();
                let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n");
                let sent = format!("{head}authorization: Bearer x\r\n\r\n{{\"model\"");
                stream.write_all(&sent.as_bytes()[..sent.len().min(stay)]).await.unwrap();
                return stay >= head.len() + 30;
            }
            let mut answer = begin(addr, request).await;
            let mut got = 0;
            while got < stay {
                let Some(frame) = answer.body_mut().frame().await else { break };
                got += frame.unwrap().data_ref().map_or(0, Bytes::len);
            }
            true
        }));
    }
    let mut begun = 0;
    for client in clients {
        begun += usize::from(client.await.unwrap());
    }
    assert!(begun > CALLS / 2);
    let calls = house.door.seen.wait(|calls| calls.len() >= begun).await;
    assert!(house.door.gateway.drained(PATIENCE).await);
    assert!(house.door.gateway.live().is_empty());
    let mut times = HashMap::new();
    for call in &calls {
        *times.entry(call.id).or_insert(0) += 1;
    }
    assert!(times.values().all(|it| *it == 1));
    assert_eq!(house.door.seen.ledger().len(), house.door.seen.calls(begun).await.len());
    assert!(calls.iter().any(|it| it.outcome == Outcome::Cancelled));
    assert!(calls.iter().any(|it| it.outcome == Outcome::Finished));
    assert!(calls.iter().all(|it| it.outcome != Outcome::Failed), "{calls:#?}");
}

#[tokio::test]
async fn stopping_ends_every_call_and_tells_the_clients() {
    let house = House::open().await;
    let (mut waiting, mut streaming) = (Vec::new(), Vec::new());
    for case in ASKS {
        let request = controlled(case.request(), "hang");
        waiting.push(tokio::spawn(ask(house.door.addr, request)));
    }
    for case in streams() {
        let whole = ask(simulator().await.addr(), case.request()).await.body;
        let controls = format!("hang={}", first_event(&whole));
        let answer = begin(house.door.addr, controlled(case.request(), &controls)).await;
        streaming.push((case, answer));
    }
    let all = ASKS.len() + streams().count();
    let arrived = house.simulator.log().wait_for(PATIENCE, |calls| calls.len() == all).await;
    assert!(arrived.is_some());
    assert!(!house.door.gateway.drained(Duration::ZERO).await);
    assert_eq!(house.door.gateway.live().len(), all);
    house.door.gateway.cancel_all();
    for waiting in waiting {
        let got = waiting.await.unwrap();
        assert_eq!(got.status, 503);
        let said = got.text();
        assert!(said.contains("stopping") || said.contains("STOPPING"), "{said}");
        assert!(!said.contains("502"), "{said}");
    }
    for (case, answer) in streaming {
        let got = read(answer).await;
        assert!(last_error(case, &got).contains("stopping"), "{}", got.text());
    }
    assert!(house.door.gateway.drained(PATIENCE).await);
    let calls = house.door.seen.calls(all).await;
    assert!(calls.iter().all(|it| it.outcome == Outcome::Failed));
    assert!(calls.iter().all(|it| it.cost_unknown == Some(CostUnknown::NoUsage)));
    assert!(calls.iter().all(|it| it.error_code == Some(ErrorCode::Stopping)));
    cancelled(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_holds_the_provider_back() {
    const BYTES: usize = 48 << 20;
    let house = House::open().await;
    let body = r#"{"model":"gpt-5-mini","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}"#;
    let huge = controlled(post("/v1/chat/completions", body), &format!("huge={BYTES},pieces=2000"));
    let answer = begin(house.door.addr, huge).await;
    // When further calls go back and forth and nothing more was sent, the stream stands still.
    let sent = || house.simulator.calls()[0].response.len();
    let (mut before, mut still) = (0, 0);
    while still < 20 {
        let list = Request::get("/v1/models").header("authorization", "Bearer x");
        house.ask(list.body(Bytes::new()).unwrap()).await;
        let now = sent();
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    assert!(before < BYTES / 2, "{before} bytes were taken from the provider");
    let got = read(answer).await;
    assert!(!got.broken && got.body.len() > BYTES);
    assert_eq!(got.body, house.simulator.calls()[0].response);
}
