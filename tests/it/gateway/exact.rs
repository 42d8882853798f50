//! What the provider receives and what the client receives, to the byte.

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use tollgate_core::call::Outcome;

use super::{
    cases::ASKS,
    harness::{Door, House, ask, controlled, hosted, post, priced, read, setup, simulator},
};

/// How the provider may send an answer.
const MANNERS: [&str; 7] =
    ["", "split=bytes", "gzip,split=7", "br", "zstd,split=3", "crlf,comments,split=5", "no_space"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_in_every_manner_arrives_as_if_asked_directly() {
    for case in ASKS {
        for manner in MANNERS {
            let label = format!("{} / {manner}", case.name);
            // A fresh provider each: its ids count calls, so both give the same bytes.
            let direct = simulator().await;
            let expected = ask(direct.addr(), controlled(case.request(), manner)).await;
            let house = House::open().await;
            let got = house.ask(controlled(case.request(), manner)).await;
            assert_eq!(got.status, expected.status, "{label}");
            same(&got.body, &expected.body, &label);
            assert!(!got.broken, "{label}");
            assert_eq!(pairs(&got.headers), pairs(&expected.headers), "{label}");

            let (sent, received) = (&direct.calls()[0], &house.simulator.calls()[0]);
            assert_eq!(received.request, sent.request, "{label}");
            assert_eq!(received.request, case.body, "{label}");
            let own_path = case.path.strip_prefix("/p/groq").unwrap_or(case.path);
            assert_eq!(received.uri, own_path, "{label}");
            assert_eq!(pairs(&received.headers), pairs(&sent.headers), "{label}");

            let call = house.call().await;
            assert_eq!(call.outcome, Outcome::Finished, "{label}");
            assert_eq!(call.status, Some(expected.status.as_u16()), "{label}");
            assert_eq!(call.streaming, case.streams, "{label}");
            assert_eq!(call.request_bytes, u64::try_from(case.body.len()).unwrap(), "{label}");
            assert_eq!(call.response_bytes, u64::try_from(got.body.len()).unwrap(), "{label}");
            assert_eq!(call.error_code, None, "{label}");
        }
    }
}

/// Compares long bodies; shows them from where they part.
fn same(got: &[u8], expected: &[u8], label: &str) {
    if got != expected {
        let at = got.iter().zip(expected).take_while(|(a, b)| a == b).count().saturating_sub(40);
        let shown =
            |body: &[u8]| String::from_utf8_lossy(&body[at..body.len().min(at + 200)]).into_owned();
        panic!("{label}: from byte {at}\n got {:?}\nwant {:?}", shown(got), shown(expected));
    }
}

/// Names and values in order, without the two that name the connection.
fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let hop = |name: &str| ["host", "connection", "transfer-encoding", "date"].contains(&name);
    let pairs = headers.iter().filter(|(name, _)| !hop(name.as_str()));
    pairs.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

#[tokio::test]
async fn headers_travel_in_order_with_duplicates_and_the_connections_own_stay_behind() {
    let house = House::open().await;
    let mut request = post("/v1/chat/completions", r#"{"model":"gpt-5-mini","messages":[]}"#);
    let headers = request.headers_mut();
    headers.clear();
    for (name, value) in [
        ("X-First", "1"),
        ("authorization", "Bearer sk-mine"),
        ("x-twice", "a"),
        ("Connection", "keep-alive, X-Hop"),
        ("x-hop", "dropped"),
        ("te", "trailers"),
        ("keep-alive", "timeout=5"),
        ("accept-encoding", "br;q=0.5, gzip"),
        ("x-twice", "b"),
        ("content-type", "application/json; charset=utf-8"),
        ("x-last", "ÿ"),
    ] {
        let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    house.ask(request).await;
    let received = house.simulator.calls().remove(0).headers;
    let names: Vec<_> = received.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "x-first",
            "authorization",
            "x-twice",
            "x-twice",
            "accept-encoding",
            "content-type",
            "x-last",
            "content-length",
            "host"
        ]
    );
    assert_eq!(received["accept-encoding"], "br;q=0.5, gzip");
    assert_eq!(received["x-last"].as_bytes(), "ÿ".as_bytes());
    assert_eq!(received["host"], house.simulator.addr().to_string());
    let twice: Vec<_> = received.get_all("x-twice").iter().collect();
    assert_eq!(twice, ["a", "b"]);
}

#[tokio::test]
async fn usage_is_asked_for_and_hidden_again_from_a_client_that_did_not_ask() {
    const BODY: &str = "{\"model\":\"gpt-5-mini\", \"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Grüße\"}]}";
    for manner in ["", "split=bytes", "split=11,crlf", "no_space"] {
        let direct = simulator().await;
        let mut request = controlled(post("/v1/chat/completions", BODY), manner);
        request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
        let expected = ask(direct.addr(), request.clone()).await;
        let house = House::open().await;
        let got = house.ask(request).await;
        same(&got.body, &expected.body, manner);
        assert!(!got.text().contains("usage"), "{manner}");

        let received = &house.simulator.calls()[0];
        assert!(
            std::str::from_utf8(&received.request).unwrap().contains("\"include_usage\":true"),
            "{manner}"
        );
        // What is to be hidden again must not come compressed.
        assert_eq!(received.header("accept-encoding"), Some("identity"), "{manner}");
        let call = house.call().await;
        let sent = received.usage.unwrap();
        assert!(sent.output.is_some(), "{manner}");
        assert_eq!((call.usage.input, call.usage.output), (sent.input, sent.output), "{manner}");
        // The ledger keeps what the client said and what the provider said.
        let bodies = house.door.seen.ledger().remove(0).bodies.unwrap();
        assert_eq!(bodies.request, BODY, "{manner}");
        assert_eq!(bodies.response.concat(), received.response, "{manner}");
    }
}

#[tokio::test]
async fn a_compressed_request_passes_as_it_is_and_a_copy_is_read() {
    let plain = STREAM.as_bytes();
    let zstd = zstd::encode_all(plain, 3).unwrap();
    for (coding, body) in [("zstd", zstd.as_slice()), ("identity", plain)] {
        let house = House::open().await;
        let mut request = post("/v1/chat/completions", "");
        *request.body_mut() = Bytes::copy_from_slice(body);
        request.headers_mut().insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        house.ask(request).await;
        let received = &house.simulator.calls()[0];
        assert_eq!(received.header("content-encoding"), Some(coding));
        assert_eq!(received.request == body, coding == "zstd");
        let call = house.call().await;
        assert_eq!(call.model_asked.as_deref(), Some("gpt-5-mini"), "{coding}");
        assert_eq!(call.request_bytes, u64::try_from(body.len()).unwrap(), "{coding}");
        let bodies = house.door.seen.ledger().remove(0).bodies.unwrap();
        assert_eq!(bodies.request, plain, "{coding}");
    }
}

const STREAM: &str =
    r#"{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"x"}]}"#;

#[tokio::test]
async fn a_provider_that_refuses_to_be_asked_for_usage_gets_the_clients_own_request() {
    let house = House::open().await;
    let request = controlled(post("/v1/chat/completions", STREAM), "no_stream_options");
    let direct = simulator().await;
    let expected = ask(direct.addr(), request.clone()).await;
    // It is asked once, and never again.
    for (number, requests, retries) in [(1, 2, 1), (2, 1, 0)] {
        house.simulator.log().clear();
        let got = house.ask(request.clone()).await;
        assert_eq!(got.status, 200);
        assert_eq!(got.text().matches("data:").count(), expected.text().matches("data:").count());
        let received = house.simulator.calls();
        assert_eq!(received.len(), requests);
        let last = received.last().unwrap();
        assert_eq!(last.request, STREAM);
        assert_eq!(got.body, last.response);
        assert_eq!(pairs(&last.headers), pairs(&direct.calls()[0].headers));
        let call = house.door.seen.calls(number).await.pop().unwrap();
        assert_eq!((call.status, call.retries), (Some(200), retries));
        assert_eq!(call.outcome, Outcome::Finished);
        assert!(call.usage_counted || call.usage.is_unknown());
    }
}

#[tokio::test]
async fn a_request_that_is_wrong_in_itself_says_nothing_of_usage() {
    let house = House::open().await;
    for status in ["400", "422"] {
        let wrong = controlled(post("/v1/chat/completions", STREAM), &format!("status={status}"));
        assert_eq!(house.ask(wrong).await.status.as_str(), status);
    }
    let calls = house.door.seen.calls(2).await;
    assert_eq!(calls.iter().map(|it| it.status).collect::<Vec<_>>(), [Some(400), Some(422)]);
    house.simulator.log().clear();
    house.ask(post("/v1/chat/completions", STREAM)).await;
    let received = house.simulator.calls();
    assert_eq!(received.len(), 1);
    assert!(String::from_utf8_lossy(&received[0].request).contains("include_usage"));
}

#[tokio::test]
async fn a_provider_that_the_catalogue_marks_is_never_asked_for_usage() {
    let simulator = simulator().await;
    let mistral = setup("mistral", &simulator.base_url());
    let door = Door::open(priced(vec![mistral])).await;
    let path = "/p/mistral/v1/chat/completions";
    let got = ask(door.addr, controlled(post(path, STREAM), "no_stream_options")).await;
    assert_eq!(got.status, 200);
    assert_eq!(simulator.calls().len(), 1);
    assert_eq!(simulator.calls()[0].request, STREAM);
}

#[tokio::test]
async fn a_stream_that_comes_compressed_though_its_usage_is_to_be_hidden_stays_whole() {
    let house = House::open().await;
    let body = r#"{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let got = house.ask(controlled(post("/v1/chat/completions", body), "gzip")).await;
    assert_eq!(got.headers["content-encoding"], "gzip");
    assert_eq!(got.body, house.simulator.calls()[0].response);
    assert!(house.call().await.usage.output.is_some());
}

#[tokio::test]
async fn lists_heads_and_unknown_paths_pass_through() {
    let house = House::open().await;
    let mut expected = 0;
    for (method, path, own_path) in [
        ("GET", "/v1/models", "/v1/models"),
        ("GET", "/v1/models/gpt-5", "/v1/models/gpt-5"),
        ("HEAD", "/v1/models", "/v1/models"),
        ("DELETE", "/v1/files/file-1?x=1", "/v1/files/file-1?x=1"),
        ("POST", "/p/openai/v1/images/generations", "/v1/images/generations"),
        ("PUT", "/p/groq/any/%20thing?a=b&c", "/any/%20thing?a=b&c"),
        ("GET", "/p/groq", "/"),
    ] {
        let direct = simulator().await;
        let request = |path: &str| {
            let request = Request::builder().method(method).uri(path);
            request.header("authorization", "Bearer sk-mine").body("opaque".into()).unwrap()
        };
        let wanted = ask(direct.addr(), request(own_path)).await;
        let got = house.ask(request(path)).await;
        expected += 1;
        let received = house.simulator.calls().pop().unwrap();
        assert_eq!(got.status, wanted.status, "{method} {path}");
        assert_eq!(got.body, wanted.body, "{method} {path}");
        assert_eq!(received.method, method, "{path}");
        assert_eq!(received.uri, own_path, "{path}");
        let calls = house.door.seen.calls(expected).await;
        let call = calls.last().unwrap();
        assert_eq!(call.status, Some(wanted.status.as_u16()), "{method} {path}");
        assert_eq!(call.outcome, Outcome::Finished, "{method} {path}");
        assert_eq!(call.request_bytes, 6, "{method} {path}");
    }
}

#[tokio::test]
async fn a_request_body_of_unknown_length_passes_whole_and_as_it_comes() {
    use bytes::Bytes;
    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use hyper_util::rt::TokioIo;

    let house = House::open().await;
    for path in ["/v1/chat/completions", "/p/openai/v1/opaque/upload"] {
        let body = br#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}"#;
        let pieces =
            body.chunks(9).map(|it| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(it))));
        let body_stream = StreamBody::new(stream::iter(pieces.collect::<Vec<_>>()));
        let stream = tokio::net::TcpStream::connect(house.door.addr).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(path).header("authorization", "Bearer sk-mine");
        let request = hosted(house.door.addr, request.body(body_stream).unwrap());
        read(sender.send_request(request).await.unwrap()).await;
        let received = house.simulator.calls().pop().unwrap();
        if path.ends_with("completions") {
            assert_eq!(received.request, &body[..]);
            assert_eq!(received.header("content-length"), Some(body.len().to_string().as_str()));
        } else {
            assert_eq!(received.header("transfer-encoding"), Some("chunked"));
        }
    }
    let calls = house.door.seen.calls(2).await;
    assert!(calls.iter().all(|it| it.request_bytes == 69), "{calls:?}");
}

#[tokio::test]
async fn a_client_that_waits_for_a_go_ahead_gets_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let house = House::open().await;
    let body = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}"#;
    for path in ["/v1/chat/completions", "/p/openai/v1/opaque"] {
        let mut client = tokio::net::TcpStream::connect(house.door.addr).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nexpect: 100-continue\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 25];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(body.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
        let received = house.simulator.calls().pop().unwrap();
        assert_eq!(received.header("expect"), None);
        assert_eq!(received.header("content-length"), Some(body.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn a_list_is_asked_for_without_a_body_and_kept() {
    let house = House::open().await;
    let list = Request::get("/v1/models").header("authorization", "Bearer k");
    let got = house.ask(list.body(Bytes::new()).unwrap()).await;
    let received = &house.simulator.calls()[0];
    assert_eq!(received.header("content-length"), None);
    assert_eq!(received.header("transfer-encoding"), None);
    house.call().await;
    let kept = house.door.seen.ledger().remove(0).bodies.unwrap();
    assert_eq!(kept.request, "");
    assert_eq!(kept.response.concat(), got.body);
}
