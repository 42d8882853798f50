//! Attackers on this machine: web pages, DNS rebinding, malformed HTTP, other users.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tollgate_app::api::view::{CallState, CallView};
use tollgate_simulator::Simulator;
use tollgate_tests::{Connection, Home, Product, exchange, send};

use super::using::{CHAT, KEY, admin, chat, get, simulator};

async fn product() -> (Simulator, Product) {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    (simulator, product)
}

/// `GET`s and a `POST` that need the token.
const ADMIN: [&str; 5] =
    ["/api/status", "/api/calls", "/api/openapi.json", "/api/events", "/api/no-such"];

fn with(mut request: Request<Bytes>, headers: &[(&'static str, &str)]) -> Request<Bytes> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn check_no_cors(answer: &Response<Bytes>) {
    let cors = answer.headers().keys().find(|it| it.as_str().starts_with("access-control"));
    assert_eq!(cors, None);
}

#[tokio::test]
async fn the_admin_api_wants_its_token_in_the_header() {
    let (_simulator, product) = product().await;
    let token = product.token();
    let wrong = format!("{}x", &token[..token.len() - 1]);
    for path in ADMIN {
        let in_query = format!("{path}?token={token}&access_token={token}");
        for request in [
            get(path),
            get(&in_query),
            admin(path, &wrong),
            admin(path, ""),
            admin(path, &token.to_uppercase()),
            with(get(path), &[("authorization", &token)]),
            with(get(path), &[("authorization", &format!("Basic {token}"))]),
            with(get(path), &[("cookie", &format!("token={token}"))]),
            with(get(path), &[("x-api-key", &token)]),
        ] {
            let answer = send(product.listen, request).await;
            assert_eq!(answer.status(), 401, "{path}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            assert!(!String::from_utf8_lossy(answer.body()).contains(&token));
            check_no_cors(&answer);
        }
    }
    let switch = Request::post("/api/gateway").header("content-type", "application/json");
    let switch = switch.body(Bytes::from_static(br#"{"on":false}"#)).unwrap();
    assert_eq!(send(product.listen, switch).await.status(), 401);
    let answer = send(product.listen, admin("/api/status", &token)).await;
    assert_eq!(answer.status(), 200);
    let status: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(status["on"], true);
    product.stop().await;
}

/// Headers that only a page of another site, or a name that was bound anew, brings along.
const FOREIGN: [&[(&str, &str)]; 7] = [
    &[("host", "evil.example")],
    &[("host", "evil.example:4141")],
    &[("origin", "https://evil.example")],
    &[("origin", "null")],
    &[("origin", "http://localhost:1")],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
];

#[tokio::test]
async fn pages_of_other_sites_get_nothing_but_a_403() {
    let (simulator, product) = product().await;
    let token = product.token();
    for headers in FOREIGN {
        for path in ["/", "/healthz", "/api/status"] {
            let answer = send(product.listen, with(admin(path, &token), headers)).await;
            assert_eq!(answer.status(), 403, "{path} {headers:?}");
            assert!(answer.body().starts_with(b"{\"message\":"), "{path} {headers:?}");
            check_no_cors(&answer);
        }
    }
    // A preflight is refused like anything else, and answered without permission to go on.
    let preflight = Request::options("/api/status").body(Bytes::new()).unwrap();
    let asks = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
    let answer = send(product.listen, with(preflight, &asks)).await;
    assert_eq!(answer.status(), 403);
    check_no_cors(&answer);
    // The console's own page may ask, and even it gets no CORS headers.
    let own = product.base_url();
    let asks = [("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
    let answer = send(product.listen, with(admin("/api/status", &token), &asks)).await;
    assert_eq!(answer.status(), 200);
    check_no_cors(&answer);
    assert!(simulator.calls().is_empty());
    product.stop().await;
}

/// A call in each format with an error of its own, and where its error has the message.
const DOORS: [(&str, &str); 3] = [
    ("/v1/chat/completions", "openai-chat"),
    ("/v1/messages", "anthropic-messages"),
    ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini"),
];

#[tokio::test]
async fn refused_calls_are_in_the_ledger_and_answered_in_the_callers_format() {
    let (simulator, product) = product().await;
    let mut expected = 0;
    let mut connection = Connection::open(product.listen).await;
    for headers in FOREIGN {
        for (path, format) in DOORS {
            let request = Request::post(path).header("x-api-key", KEY).header("authorization", KEY);
            let request = request.body(Bytes::from_static(CHAT.as_bytes())).unwrap();
            let answer = connection.send(with(request, headers)).await;
            assert_eq!(answer.status(), 403, "{path} {headers:?}");
            check_no_cors(&answer);
            let error: Value = serde_json::from_slice(answer.body()).unwrap();
            assert!(error["error"]["message"].is_string(), "{error}");
            match format {
                "anthropic-messages" => assert_eq!(error["type"], "error", "{error}"),
                "gemini" => assert_eq!(error["error"]["code"], 403, "{error}"),
                _ => assert!(error["error"]["code"].is_string(), "{error}"),
            }
            expected += 1;
        }
    }
    let calls = product.calls(expected).await;
    assert_eq!(calls.len(), expected);
    for call in &calls {
        check_refused(call, "forbidden", 403);
        let caller = call.caller.as_ref().unwrap();
        assert_eq!(caller.pid, std::process::id());
    }
    assert!(simulator.calls().is_empty());
    product.stop().await;
}

fn check_refused(call: &CallView, code: &str, status: u16) {
    assert_eq!(call.error_code.as_deref(), Some(code), "{call:#?}");
    assert_eq!((call.state, call.status), (CallState::Failed, Some(status)));
    assert!(call.error_message.is_some());
    assert_eq!((&call.cost_pico_usd, &call.cost_unknown), (&None, &None));
}

#[tokio::test]
async fn the_console_gives_its_own_files_only() {
    let (_simulator, product) = product().await;
    let up = ["..", "%2e%2e", ".%2e", "..%2f..", "..\\..", "%252e%252e"];
    for up in up {
        for root in ["/", "/assets/", "/api/", "//"] {
            for to in ["etc/passwd", "Cargo.toml", "package.json", "index.html"] {
                let path = format!("{root}{}{to}", format!("{up}/").repeat(8));
                let head = format!(
                    "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
                    product.listen
                );
                let answer = exchange(product.listen, head.as_bytes()).await;
                let status = answer.split(' ').nth(1).unwrap_or_default();
                assert!(["400", "401", "404"].contains(&status), "{path}: {answer}");
                assert!(!answer.contains("root:") && !answer.contains("[workspace]"), "{path}");
            }
        }
    }
    product.stop().await;
}

#[tokio::test]
async fn others_on_this_machine_cannot_open_the_files() {
    let (_simulator, product) = product().await;
    let home = product.home();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.data()), 0o700);
    assert_eq!(mode(&home.runtime()), 0o700);
    assert_eq!(mode(&product.admin_socket()), 0o600);
    for entry in fs::read_dir(home.data()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    product.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let (_simulator, product) = product().await;
    let long = "x".repeat(256 << 10);
    let many = "x-h: 1\r\n".repeat(200);
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nhost: h\r\nx-long: {long}\r\n\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nhost: h\r\n{many}\r\n"), "431"),
        (format!("GET /{long} HTTP/1.1\r\nhost: h\r\n\r\n"), "4"),
    ] {
        let answer = exchange(product.listen, head.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let answer = send(product.listen, get("/healthz")).await;
    assert_eq!(answer.body(), "ok\n");
    product.stop().await;
}

/// A second request, hidden in what one reader takes for the first one's body.
const HIDDEN: &str = "GET /v1/hidden HTTP/1.1\r\nhost: h\r\n\r\n";

#[tokio::test]
async fn a_request_whose_end_is_in_doubt_is_refused() {
    let (simulator, product) = product().await;
    let addr = product.listen;
    let head = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {KEY}\r\n")
    };
    for path in ["/v1/chat/completions", "/p/openai/v1/files", "/api/gateway"] {
        let head = head(path);
        for framing in [
            "transfer-encoding: xchunked\r\ncontent-length: 5",
            "transfer-encoding: chunked, identity",
            "transfer-encoding: identity",
            "content-length: 5\r\ncontent-length: 6",
            "content-length: 5, 6",
            "content-length: +5",
            "content-length: -1",
        ] {
            let request = format!("{head}{framing}\r\n\r\n0\r\n\r\n{HIDDEN}");
            let answer = exchange(addr, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{framing}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{framing}: {answer}");
        }
    }
    assert!(simulator.calls().is_empty(), "{:#?}", simulator.calls());
    product.stop().await;
}

/// RFC 9112, section 6.3: of the two the chunks count, the length is not passed on, and nothing
/// that follows on the connection is a request.
#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let (simulator, product) = product().await;
    let addr = product.listen;
    let body = format!("{:x}\r\n{CHAT}\r\n0\r\n\r\n", CHAT.len());
    let length = format!("content-length: {}", body.len() + HIDDEN.len());
    let chunked = "transfer-encoding: chunked".to_owned();
    let short = "content-length: 3".to_owned();
    let mut sent = 0;
    for path in ["/v1/chat/completions", "/p/openai/v1/files"] {
        for framing in [[&length, &chunked], [&chunked, &length], [&short, &chunked]] {
            let [first, second] = framing;
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {KEY}\r\n\
                 {first}\r\n{second}\r\n\r\n{body}{HIDDEN}"
            );
            let answer = exchange(addr, request.as_bytes()).await;
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{framing:?}: {answer}");
            sent += 1;
        }
    }
    let calls = simulator.calls();
    assert_eq!(calls.len(), sent);
    for sent in calls {
        assert_eq!(sent.request, CHAT);
        let framings = [sent.header("content-length"), sent.header("transfer-encoding")];
        assert_eq!(framings.into_iter().flatten().count(), 1, "{framings:?}");
    }
    product.stop().await;
}

#[tokio::test]
async fn garbage_does_not_disturb_others() {
    let (_simulator, product) = product().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
        b"GET http://evil.example/healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\nconnection: close\r\n\r\n",
    ] {
        let answer = exchange(product.listen, garbage).await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{answer}");
    }
    let answer = send(product.listen, chat(CHAT, "")).await;
    assert_eq!(answer.status(), 200);
    product.stop().await;
}
