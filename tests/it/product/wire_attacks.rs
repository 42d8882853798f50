//! Attacks in bytes: requests that never end, that hide others, that ask for another protocol.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tollgate_tests::{Home, PATIENCE, exchange, send};

use super::using::{CHAT, KEY, admin, chat, get, simulator};

/// Clients that never finish.
const SLOW: usize = 64;
/// A byte of each in this time.
const DRIP: Duration = Duration::from_secs(1);

/// Begins a request, adds a byte at a time, and comes back when the gateway has closed the connection.
async fn drips(addr: SocketAddr, beginning: String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    let mut said = [0; 1024];
    loop {
        match timeout(DRIP, stream.read(&mut said)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {}
            Err(_) => {
                let _ = stream.write_all(b"a").await;
            }
        }
    }
}

#[tokio::test]
async fn clients_that_never_finish_their_head_hold_up_nobody_and_are_cut_off() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let addr = product.listen;
    let mut slow = JoinSet::new();
    for index in 0..SLOW {
        let beginning = match index % 3 {
            0 => "G".to_owned(),
            1 => format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {addr}\r\nx-a: "),
            _ => format!("GET /api/status HTTP/1.1\r\nhost: {addr}\r\nx-a: 1\r\n"),
        };
        slow.spawn(drips(addr, beginning));
    }
    for _ in 0..20 {
        assert_eq!(send(addr, chat(CHAT, "")).await.status(), 200);
    }
    timeout(PATIENCE, slow.join_all()).await.expect("the gateway to close their connections");
    assert_eq!(simulator.calls().len(), 20);
    product.stop().await;
}

/// A second request, hidden in what one reader takes for the first one's body.
const HIDDEN: &str = "GET /v1/hidden HTTP/1.1\r\nhost: h\r\n\r\n";

#[tokio::test]
async fn a_head_that_two_readers_would_read_in_two_ways_is_refused() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let addr = product.listen;
    let length = CHAT.len();
    for head in [
        // Folded lines (RFC 9112, section 5.2) and whitespace before the colon (5.1).
        format!("x-a: 1\r\n content-length: 5\r\ncontent-length: {length}"),
        format!("content-length: {length}\r\n\tx-folded: 1"),
        format!("content-length : {length}"),
        format!("transfer-encoding : chunked\r\ncontent-length: {length}"),
        // Bytes that no value has.
        format!("x-a: 1\rtransfer-encoding: chunked\r\ncontent-length: {length}"),
        format!("x-a: 1\0\r\ncontent-length: {length}"),
        format!("x(a): 1\r\ncontent-length: {length}"),
        format!(": 1\r\ncontent-length: {length}"),
        // Two hosts.
        format!("host: evil.example\r\ncontent-length: {length}"),
    ] {
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {addr}\r\n{head}\r\n\
             authorization: Bearer {KEY}\r\nconnection: close\r\n\r\n{CHAT}{HIDDEN}"
        );
        let answer = exchange(addr, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
    }
    assert!(simulator.calls().is_empty(), "{:#?}", simulator.calls());
    product.stop().await;
}

#[tokio::test]
async fn chunks_that_two_readers_would_read_in_two_ways_are_refused() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let addr = product.listen;
    let (size, long) = (format!("{:x}", CHAT.len()), "a".repeat(64 << 10));
    for body in [
        format!("{size}\n{CHAT}\r\n0\r\n\r\n"),
        format!("{size};a\nb\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("{size};{long}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("0x{size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("+{size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("-1\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("{size} {size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("fffffffffffffffff{size}\r\n{CHAT}\r\n0\r\n\r\n"),
        format!("{size}\r\n{CHAT}XX0\r\n\r\n"),
        format!("{size}\r\n{CHAT}\r\n0\r\nx-a: {long}\r\n\r\n"),
    ] {
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {KEY}\r\n\
             transfer-encoding: chunked\r\n\r\n{body}{HIDDEN}"
        );
        let answer = exchange(addr, request.as_bytes()).await;
        let shown: String = body.chars().take(80).collect();
        assert!(answer.starts_with("HTTP/1.1 4"), "{shown:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown:?}: {answer}");
    }
    assert!(simulator.calls().is_empty(), "{:#?}", simulator.calls());
    product.stop().await;
}

/// What is allowed to be read leniently is written anew: the provider sees one way to read it.
#[tokio::test]
async fn what_is_read_leniently_reaches_the_provider_in_one_way_to_read_it() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let addr = product.listen;
    let size = format!("{:x}", CHAT.len());
    let chunks = format!("{size};ext=\"1\"\r\n{CHAT}\r\n0\r\ncontent-length: 9\r\nhost: h\r\n\r\n");
    let head = "POST /v1/chat/completions HTTP/1.1";
    let (host, key) = (format!("host: {addr}"), format!("authorization: Bearer {KEY}"));
    let close = "connection: close";
    let mut sent = 0;
    for request in [
        // Lines that end with a line feed alone (RFC 9112, section 2.2).
        format!("{head}\n{host}\n{key}\n{close}\ncontent-length: {}\n\n{CHAT}", CHAT.len()),
        format!(
            "{head}\r\n{host}\nx-a: 1\n{key}\r\n{close}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
        ),
        format!(
            "\r\n\r\n{head}\r\n{host}\r\n{key}\r\n{close}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
        ),
    ] {
        let answer = exchange(addr, format!("{request}{HIDDEN}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
        sent += 1;
    }
    let calls = simulator.calls();
    assert_eq!(calls.len(), sent);
    for call in calls {
        assert_eq!(call.request, CHAT);
        let framings = [call.header("content-length"), call.header("transfer-encoding")];
        assert_eq!(framings.into_iter().flatten().count(), 1, "{framings:?}");
        assert_ne!(call.header("content-length"), Some("9"), "a trailer is no header");
    }
    product.stop().await;
}

/// Browsers send WebSockets to anybody, without asking first and with the page's origin in a header.
#[tokio::test]
async fn a_websocket_is_opened_to_nobody() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let (own, token) = (product.base_url(), product.token());
    for path in ["/v1/realtime", "/v1/responses", "/p/openai/v1/realtime", "/api/events", "/"] {
        for (origin, statuses) in [
            (Some("https://evil.example"), &[403][..]),
            (Some("null"), &[403]),
            // Its own page, and a program that has none.
            (Some(own.as_str()), &[200, 501]),
            (None, &[200, 501]),
        ] {
            let mut request = Request::get(path)
                .header("authorization", format!("Bearer {token}"))
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-version", "13")
                .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let request = request.body(Bytes::new()).unwrap();
            let mut connection = tollgate_tests::Connection::open(product.listen).await;
            let status = connection.begin(request).await.status().as_u16();
            assert!(statuses.contains(&status), "{path} {origin:?}: {status}");
        }
    }
    assert!(simulator.calls().is_empty());
    product.stop().await;
}

#[tokio::test]
async fn every_file_of_the_console_may_run_and_frame_nothing_of_others() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let page = send(product.listen, get("/")).await;
    assert_eq!(page.status(), 200, "the console is built: `npm run build` in ui/");
    let text = String::from_utf8_lossy(page.body()).into_owned();
    let named =
        text.split('"').filter(|it| it.starts_with("/assets/") || it.starts_with("./assets/"));
    let mut paths: Vec<&str> = named.map(|it| it.trim_start_matches('.')).collect();
    assert!(!paths.is_empty(), "{text}");
    paths.push("/");
    for path in paths {
        let answer = send(product.listen, get(path)).await;
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|it| it == part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    }
    let status = send(product.listen, admin("/api/status", &product.token())).await;
    assert_eq!(status.headers()["content-type"], "application/json");
    product.stop().await;
}
