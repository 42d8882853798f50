//! What the gateway answers itself, and what it lets through of a provider's own errors.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::net::TcpListener;
use tollgate_core::call::{CostUnknown, ErrorCode, Outcome};
use tollgate_gateway::{ProviderSetup, Timeouts};

use super::harness::{
    Door, House, PATIENCE, Whole, ask, controlled, hosted, post, priced, setup, simulator, snapshot,
};

const CHAT: &str = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}"#;
const CHAT_STREAM: &str =
    r#"{"stream":true,"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}"#;
const MESSAGES: &str =
    r#"{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
const GEMINI: &str = r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;

/// The paths of the formats with an error of their own, each with a body that is right.
const DOORS: [(&str, &str); 3] = [
    ("/v1/chat/completions", CHAT),
    ("/v1/messages", MESSAGES),
    ("/v1beta/models/gemini-2.5-flash:generateContent", GEMINI),
];

/// The error's text, found where the format of `path` has it.
fn message_of(path: &str, got: &Whole) -> String {
    let error: Value = got.json();
    assert_eq!(got.headers["content-type"], "application/json");
    if path.contains("/messages") {
        assert_eq!(error["type"], "error", "{error}");
        assert!(error["error"]["type"].is_string(), "{error}");
    } else if path.contains(':') {
        assert_eq!(error["error"]["code"], got.status.as_u16(), "{error}");
        assert!(error["error"]["status"].is_string(), "{error}");
    } else {
        assert!(
            error["error"]["type"].is_string() && error["error"]["code"].is_string(),
            "{error}"
        );
    }
    error["error"]["message"].as_str().unwrap().to_owned()
}

/// A refused call, which cost nothing.
async fn check(door: &Door, path: &str, got: Whole, status: u16, code: ErrorCode) {
    check_cost(door, path, got, (status, code), None).await;
}

async fn check_cost(
    door: &Door,
    path: &str,
    got: Whole,
    (status, code): (u16, ErrorCode),
    unknown: Option<CostUnknown>,
) {
    assert_eq!(got.status, status, "{path}: {}", got.text());
    let message = message_of(path, &got);
    let calls = door.seen.wait(|calls| calls.iter().any(|it| it.path == path)).await;
    let call = calls.iter().rfind(|it| it.path == path).unwrap();
    assert_eq!(call.error_code, Some(code), "{path}");
    assert_eq!(call.error_message, Some(message), "{path}");
    assert_eq!(call.outcome, Outcome::Failed, "{path}");
    assert_eq!(call.status, Some(status), "{path}");
    assert_eq!((call.cost, call.cost_unknown), (None, unknown), "{path}");
    assert_eq!(call.response_bytes, u64::try_from(got.body.len()).unwrap(), "{path}");
}

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_refused() {
    for (path, _) in DOORS {
        for body in ["", "{", "[]", "hello", "{\"model\":\"m\"}{}"] {
            let house = House::open().await;
            let got = house.ask(post(path, body)).await;
            check(&house.door, path, got, 400, ErrorCode::MalformedBody).await;
            assert_eq!(house.simulator.log().opened(), 0, "{path} {body}");
        }
    }
}

#[tokio::test]
async fn a_request_whose_coding_cannot_be_undone_passes_unread() {
    let house = House::open().await;
    let mut request = post("/v1/chat/completions", "\u{1}not json");
    request.headers_mut().insert("content-encoding", "zstd".parse().unwrap());
    house.ask(request).await;
    assert_eq!(house.simulator.calls()[0].request, "\u{1}not json");
    assert_eq!(house.simulator.calls()[0].header("content-encoding"), Some("zstd"));
}

#[tokio::test]
async fn unknown_paths_and_providers_are_not_found() {
    let house = House::open().await;
    for (path, code) in [
        ("/", ErrorCode::UnknownPath),
        ("/chat/completions", ErrorCode::UnknownPath),
        ("/v2/chat/completions", ErrorCode::UnknownPath),
        ("/p/nobody/v1/chat/completions", ErrorCode::UnknownProvider),
        ("/p/", ErrorCode::UnknownProvider),
    ] {
        let got = house.ask(post(path, CHAT)).await;
        check(&house.door, path, got, 404, code).await;
    }
    let mut anthropic = post("/v9/anything", MESSAGES);
    anthropic.headers_mut().insert("anthropic-version", "2023-06-01".parse().unwrap());
    let got = house.ask(anthropic).await;
    assert_eq!(got.json()["error"]["type"], "not_found_error");
    assert_eq!(house.simulator.log().opened(), 0);
}

#[tokio::test]
async fn a_format_without_a_provider_is_refused() {
    let simulator = simulator().await;
    let door = Door::open(priced(vec![setup("openai", &simulator.base_url())])).await;
    let got = ask(door.addr, post("/v1/messages", MESSAGES)).await;
    check(&door, "/v1/messages", got, 404, ErrorCode::UnknownProvider).await;
}

#[tokio::test]
async fn an_oversized_body_is_refused_however_its_length_is_told() {
    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use hyper_util::rt::TokioIo;

    let simulator = simulator().await;
    for (path, _) in DOORS {
        for announced in [true, false] {
            let door = Door::open_with(snapshot(&simulator.base_url()), |config| {
                config.limits.body_bytes_max = 100_000;
            })
            .await;
            // Far more than socket buffers hold, so that the client is still sending when it is refused.
            let pieces = vec![Bytes::from(vec![b' '; 50_000]); 400];
            let length = 50_000 * 400;
            let body = StreamBody::new(stream::iter(
                pieces.into_iter().map(|it| Ok::<_, std::io::Error>(Frame::data(it))),
            ));
            let (head, _) = post(path, "").into_parts();
            let mut request = hosted(door.addr, Request::from_parts(head, body));
            if announced {
                request.headers_mut().insert("content-length", length.into());
            }
            let stream = tokio::net::TcpStream::connect(door.addr).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let answer = sender.send_request(request).await.unwrap();
            let got = super::harness::read(answer).await;
            check(&door, path, got, 413, ErrorCode::BodyTooLarge).await;
        }
    }
    assert_eq!(simulator.log().opened(), 0);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_a_bad_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for (path, body) in DOORS {
        let door = Door::open(snapshot(&origin)).await;
        let got = ask(door.addr, post(path, body)).await;
        check(&door, path, got, 502, ErrorCode::ProviderUnreachable).await;
    }
}

fn hasty(origin: &str) -> Vec<ProviderSetup> {
    let timeouts =
        Timeouts { first_byte: Duration::from_millis(50), idle: Duration::from_millis(50) };
    ["openai", "anthropic", "google"]
        .map(|id| ProviderSetup { timeouts, ..setup(id, origin) })
        .to_vec()
}

#[tokio::test]
async fn a_provider_that_is_silent_for_too_long_is_a_timeout() {
    let simulator = simulator().await;
    let door = Door::open(priced(hasty(&simulator.base_url()))).await;
    for (path, body) in DOORS {
        // No head, or a head and then nothing.
        for controls in ["hang", "hang=0"] {
            let before = door.seen.events().len();
            let got = ask(door.addr, controlled(post(path, body), controls)).await;
            door.seen.wait(|_| door.seen.events().len() > before).await;
            // It may be at work on an answer that it bills.
            let unknown = Some(CostUnknown::NoUsage);
            check_cost(&door, path, got, (504, ErrorCode::Timeout), unknown).await;
        }
    }
    let over = simulator.log().wait_for(PATIENCE, |it| it.iter().all(|it| it.cancelled)).await;
    assert_eq!(over.unwrap().len(), 6);
}

#[tokio::test]
async fn a_connection_that_takes_too_long_is_a_timeout() {
    // It takes connections and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", silent.local_addr().unwrap());
    let door = Door::open_with(snapshot(&origin), |config| {
        config.limits.connect_timeout = Duration::from_millis(50);
    })
    .await;
    for (path, body) in DOORS {
        let got = ask(door.addr, post(path, body)).await;
        check(&door, path, got, 504, ErrorCode::Timeout).await;
    }
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_its_body_is_timed_out() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let simulator = simulator().await;
    let door = Door::open_with(snapshot(&simulator.base_url()), |config| {
        config.limits.upload_idle_timeout = Duration::from_millis(50);
    })
    .await;
    let mut client = tokio::net::TcpStream::connect(door.addr).await.unwrap();
    let head =
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\ncontent-length: 100\r\n\r\n{";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(door.seen.calls(1).await[0].error_code, Some(ErrorCode::SlowUpload));
}

#[tokio::test]
async fn requests_that_find_no_room_are_refused_and_later_ones_are_served() {
    let simulator = simulator().await;
    let door = Door::open_with(snapshot(&simulator.base_url()), |config| {
        config.limits.held_request_bytes_max = GEMINI.len() + MESSAGES.len();
        config.limits.room_wait = Duration::ZERO;
    })
    .await;
    // It holds its room while it waits for its provider.
    let (path, body) = DOORS[1];
    let holding = tokio::spawn(ask(door.addr, controlled(post(path, body), "hang")));
    simulator.log().wait_for(PATIENCE, |calls| !calls.is_empty()).await.unwrap();
    for (path, body) in [DOORS[0], DOORS[1]] {
        let got = ask(door.addr, post(path, body)).await;
        check(&door, path, got, 503, ErrorCode::Overloaded).await;
    }
    let (path, body) = DOORS[2];
    assert_eq!(ask(door.addr, post(path, body)).await.status, 200);
    holding.abort();
    door.seen.wait(|calls| calls.iter().any(|it| it.outcome == Outcome::Cancelled)).await;
    let (path, body) = DOORS[0];
    assert_eq!(ask(door.addr, post(path, body)).await.status, 200);
}

#[tokio::test]
async fn a_providers_own_errors_pass_untouched() {
    for (path, body) in DOORS {
        for controls in [
            "status=429,retry-after=7",
            "status=400",
            "status=500",
            "status=529",
            "status=502,html",
        ] {
            let direct = simulator().await;
            let expected = ask(direct.addr(), controlled(post(path, body), controls)).await;
            let house = House::open().await;
            let got = house.ask(controlled(post(path, body), controls)).await;
            assert_eq!(got.status, expected.status, "{path} {controls}");
            assert_eq!(got.body, expected.body, "{path} {controls}");
            for name in ["retry-after", "content-type", "content-length"] {
                assert_eq!(got.headers.get(name), expected.headers.get(name), "{path} {controls}");
            }
            let call = house.call().await;
            assert_eq!(call.outcome, Outcome::Finished, "{path} {controls}");
            assert_eq!(call.error_code, None, "{path} {controls}");
            assert_eq!(call.status, Some(expected.status.as_u16()), "{path} {controls}");
            assert_eq!((call.cost, call.cost_unknown), (None, None), "{path} {controls}");
            if !controls.contains("html") {
                let said = expected.json()["error"]["message"].as_str().unwrap().to_owned();
                assert_eq!(call.error_message, Some(said), "{path} {controls}");
            }
        }
    }
}

#[tokio::test]
async fn a_websocket_is_refused_and_other_upgrades_are_passed_over() {
    let house = House::open().await;
    let upgrade = |protocol: &str, mut request: Request<Bytes>| {
        request.headers_mut().insert("connection", "upgrade".parse().unwrap());
        request.headers_mut().insert("upgrade", protocol.parse().unwrap());
        request
    };
    let got = house.ask(upgrade("websocket", post("/v1/realtime", ""))).await;
    check(&house.door, "/v1/realtime", got, 501, ErrorCode::NotSupported).await;
    let got = house.ask(upgrade("h2c", post("/v1/chat/completions", CHAT_STREAM))).await;
    assert_eq!(got.status, 200);
    assert_eq!(house.simulator.calls()[0].header("upgrade"), None);
}

#[tokio::test]
async fn the_application_can_refuse_in_the_clients_format() {
    let house = House::open().await;
    let stream = tokio::net::TcpStream::connect(house.door.addr).await.unwrap();
    let connection = house.door.gateway.accept(&stream).unwrap();
    for (path, body) in DOORS {
        let (head, _) = post(path, body).into_parts();
        let answer =
            house.door.gateway.refuse(&connection, &head, ErrorCode::Forbidden, "not from there");
        assert_eq!(answer.status(), 403);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.windows(14).any(|it| it == b"not from there"), "{body:?}");
        let calls = house.door.seen.wait(|calls| calls.iter().any(|it| it.path == path)).await;
        let call = calls.last().unwrap();
        assert_eq!(call.error_code, Some(ErrorCode::Forbidden));
        assert_eq!(call.error_message.as_deref(), Some("not from there"));
        assert!(call.format.is_some(), "{path}");
    }
}
