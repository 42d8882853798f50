//! Ten thousand calls to providers that fail in every way: each client gets a whole answer or knows
//! that it did not, each call is settled once, and nothing is left behind.

use std::{collections::BTreeMap, fs, time::Duration};

use futures_util::{StreamExt, stream};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tollgate_core::call::Outcome;
use tollgate_gateway::{Model, ModelPatience, Snapshot};

use super::{
    harness::{Door, PATIENCE, Whole, ask, keyed, post, priced},
    routing::model,
};

const CALLS: usize = 10_000;
const AT_ONCE: usize = 100;

/// How long a provider that stands still is waited for.
const SHORT: Duration = Duration::from_millis(150);

/// What a provider can do to a call, as a part of the model's name.
const FAULTS: [&str; 17] = [
    "none",
    "reset",
    "reset-midway",
    "cut",
    "cut-chunk",
    "not-http",
    "not-events",
    "not-json",
    "html",
    "storm",
    "broken",
    "stall",
    "silent",
    "loris",
    "error-event",
    "empty",
    "no-end",
];

/// Those of them in which the provider stands still: only models can be told to be impatient.
const STANDING: [&str; 3] = ["stall", "silent", "loris"];

/// The formats of clients, with their paths; `{model}` is put in.
const CLIENTS: [(&str, bool); 6] = [
    ("/v1/chat/completions", false),
    ("/v1/chat/completions", true),
    ("/v1/messages", false),
    ("/v1/messages", true),
    ("/v1beta/models/{model}:generateContent", false),
    ("/v1beta/models/{model}:streamGenerateContent?alt=sse", true),
];

/// A provider that does to each call what its model's name says.
async fn hostile() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(socket));
        }
    });
    origin
}

async fn serve(mut socket: TcpStream) {
    while let Some((path, body)) = read_request(&mut socket).await {
        let text = format!("{path} {body}");
        let fault = FAULTS.iter().rev().find(|it| text.contains(&format!("f-{it}.")));
        let streams = path.contains("stream") || body.contains("\"stream\":true");
        let answer = answer_of(&path, streams);
        if !misbehave(&mut socket, fault.copied().unwrap_or("none"), &answer, streams).await {
            return;
        }
    }
}

/// One request of a kept connection; `None` when there is none more.
pub(super) async fn read_request(socket: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower
                .split("content-length: ")
                .nth(1)
                .map_or(0, |it| it.split("\r\n").next().unwrap().trim().parse::<usize>().unwrap());
            if body.len() >= length {
                let path = head.split(' ').nth(1)?.to_owned();
                return Some((path, body.to_owned()));
            }
        }
        let mut piece = [0; 8192];
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

fn answer_of(path: &str, streams: bool) -> String {
    let fixture = |format: &str, name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/tollgate-wire/fixtures");
        fs::read_to_string(format!("{folder}/{format}/{name}")).unwrap()
    };
    match (path.contains("/messages"), path.contains(':'), streams) {
        (true, _, true) => fixture("anthropic-messages", "stream.sse"),
        (true, _, false) => fixture("anthropic-messages", "plain.json"),
        (_, true, true) => fixture("gemini", "stream.sse"),
        (_, true, false) => fixture("gemini", "plain.json"),
        (_, _, true) => fixture("openai-chat", "stream.sse"),
        (_, _, false) => fixture("openai-chat", "plain.json"),
    }
}

/// Answers, or does something else; tells whether the connection can serve another request.
async fn misbehave(socket: &mut TcpStream, fault: &str, answer: &str, streams: bool) -> bool {
    let content_type = if streams { "text/event-stream" } else { "application/json" };
    let head = |status: &str, content_type: &str, more: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n{more}\r\n")
    };
    let whole = |status: &str, content_type: &str, more: &str, body: &str| {
        let length = format!("content-length: {}\r\n{more}", body.len());
        format!("{}{body}", head(status, content_type, &length))
    };
    let chunked = |body: &str| format!("{:x}\r\n{body}\r\n", body.len());
    let half = answer.get(..answer.len() / 2).unwrap_or(answer);
    let long = format!("content-length: {}\r\n", answer.len());
    let chunks = "transfer-encoding: chunked\r\n";
    let start = head("200 OK", content_type, chunks);
    let (bytes, keeps) = match fault {
        "none" => (whole("200 OK", content_type, "", answer), true),
        "reset" => return reset(socket, "").await,
        "reset-midway" => return reset(socket, &format!("{start}{}", chunked(half))).await,
        "cut" => (format!("{}{half}", head("200 OK", content_type, &long)), false),
        "cut-chunk" => (format!("{start}fffff\r\n{half}"), false),
        "not-http" => ("\0\u{1}nonsense\r\n\r\n".to_owned(), false),
        "not-events" => {
            let noise = "data: {\n\n\u{fffd}\0event\n\ndata: [1\n\n: x\n\n";
            (whole("200 OK", "text/event-stream", "", noise), true)
        }
        "not-json" => (whole("200 OK", "application/json", "", "{\"choices\": [{"), true),
        "html" => (whole("502 Bad Gateway", "text/html", "", "<html><h1>502</h1></html>"), true),
        "storm" => {
            let body = r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#;
            (whole("429 Too Many", "application/json", "retry-after: 0\r\n", body), true)
        }
        "broken" => {
            let body = r#"{"error":{"message":"oh no","type":"server_error"}}"#;
            (whole("500 Oh", "application/json", "", body), true)
        }
        "stall" => return stand_still(socket, &format!("{start}{}", chunked(half))).await,
        "silent" => return stand_still(socket, "").await,
        "loris" => {
            let _ = socket.write_all(start.as_bytes()).await;
            for letter in answer.chars().take(20) {
                let _ = socket.write_all(chunked(&letter.to_string()).as_bytes()).await;
                tokio::task::yield_now().await;
            }
            return stand_still(socket, "").await;
        }
        "error-event" => {
            let error =
                "data: {\"type\":\"error\",\"error\":{\"message\":\"oh\",\"code\":500}}\n\n";
            (format!("{start}{}{}0\r\n\r\n", chunked(half), chunked(&format!("\n\n{error}"))), true)
        }
        "empty" => (whole("200 OK", content_type, "", ""), true),
        "no-end" => (format!("{start}{}0\r\n\r\n", chunked(half)), true),
        other => panic!("no fault `{other}`"),
    };
    socket.write_all(bytes.as_bytes()).await.is_ok() && keeps
}

/// Closes with a reset instead of an end.
async fn reset(socket: &mut TcpStream, first: &str) -> bool {
    let _ = socket.write_all(first.as_bytes()).await;
    let none = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(&*socket, none).unwrap();
    false
}

/// Sends nothing more until the other side gives up.
async fn stand_still(socket: &mut TcpStream, first: &str) -> bool {
    let _ = socket.write_all(first.as_bytes()).await;
    while matches!(socket.read(&mut [0; 64]).await, Ok(1..)) {}
    false
}

fn models() -> Vec<Model> {
    let mut models = Vec::new();
    for fault in FAULTS {
        let name = format!("f-{fault}.");
        let wait = STANDING.contains(&fault).then_some(SHORT);
        let patience = ModelPatience { first_byte: wait, idle: wait, ..ModelPatience::default() };
        // Alone in the three formats, and with somebody behind who serves.
        for (id, provider) in [("chat", "openai"), ("messages", "anthropic"), ("gemini", "google")]
        {
            let alone = model(&[(provider, &name)]);
            models.push(Model { name: format!("{id}-{fault}"), patience, ..alone });
        }
        let two = model(&[("openai", &name), ("anthropic", "f-none.")]);
        models.push(Model { name: format!("two-{fault}"), retries: 1, patience, ..two });
    }
    models
}

/// How a client sees the end of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// A whole answer in the client's format.
    Whole,
    /// An error status with a body that says more.
    Refused,
    /// An event that says that the answer broke.
    ErrorEvent,
    /// A connection that ended before HTTP says it should.
    Broken,
    /// What the provider sent as the whole of its answer, passed on as it is.
    AsSent,
}

fn seen(path: &str, streams: bool, fault: &str, got: &Whole) -> Seen {
    if got.broken {
        return Seen::Broken;
    }
    let text = String::from_utf8_lossy(&got.body);
    if got.status != StatusCode::OK {
        let json: Result<serde_json::Value, _> = serde_json::from_slice(&got.body);
        let told = json.is_ok_and(|it| it["error"]["message"].is_string());
        assert!(told || fault == "html", "{path} {fault}: {} {text}", got.status);
        return Seen::Refused;
    }
    let ends = if streams {
        text.contains("[DONE]") || text.contains("message_stop") || text.contains("finishReason")
    } else {
        let json: Result<serde_json::Value, _> = serde_json::from_slice(&got.body);
        json.is_ok_and(|it| {
            ["choices", "content", "candidates"].iter().any(|name| it[name].is_array())
        })
    };
    if text.contains("\"error\"") {
        return Seen::ErrorEvent;
    }
    if ends {
        return Seen::Whole;
    }
    // Byte for byte what the provider sent as the whole of its answer: the client's own reading fails.
    let as_sent = ["not-json", "not-events", "empty"].contains(&fault);
    assert!(as_sent || (fault == "no-end" && !streams), "{path} {fault}: {text}");
    Seen::AsSent
}

fn sockets() -> usize {
    let links =
        fs::read_dir("/proc/self/fd").unwrap().filter_map(|it| fs::read_link(it.ok()?.path()).ok());
    links.filter(|it| it.to_string_lossy().starts_with("socket:")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_to_failing_providers_end_well_or_say_so_and_leave_nothing_behind() {
    tollgate_app::descriptors::raise();
    let origin = hostile().await;
    let providers = ["openai", "anthropic", "google"].map(|id| keyed(id, &origin, "sk"));
    let snapshot = Snapshot { models: models(), ..priced(providers.to_vec()) };
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = sockets();
    let door = Door::open(snapshot).await;
    let ways = ["f-", "chat-", "messages-", "gemini-", "two-"];
    let results = stream::iter(0..CALLS).map(|number| {
        let addr = door.addr;
        async move {
            // Every combination in turn, so that a failure can be told by its number.
            let fault = FAULTS[number % FAULTS.len()];
            let (path, streams) = CLIENTS[number / FAULTS.len() % CLIENTS.len()];
            let way = ways[number / FAULTS.len() / CLIENTS.len() % ways.len()];
            let way = if STANDING.contains(&fault) { way.replace("f-", "chat-") } else { way.to_owned() };
            let dot = if way == "f-" { "." } else { "" };
            let name = format!("{way}{fault}{dot}");
            let path = path.replace("{model}", &name);
            let body = if path.contains("gemini") || path.contains("v1beta") {
                r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#.to_owned()
            } else {
                format!(
                    r#"{{"model":"{name}","max_tokens":9,"stream":{streams},"messages":[{{"role":"user","content":"Hi"}}]}}"#
                )
            };
            let asked = ask(addr, post(&path, &body));
            let got = tokio::time::timeout(PATIENCE, asked).await;
            let got = got.unwrap_or_else(|_| panic!("{name} {path} has no end"));
            (way, fault, seen(&path, streams, fault, &got))
        }
    });
    let results: Vec<_> = results.buffer_unordered(AT_ONCE).collect().await;
    let mut counts = BTreeMap::new();
    for (way, fault, seen) in &results {
        *counts.entry((way, *fault, *seen)).or_insert(0) += 1;
        if *fault == "none" || (way == "two-" && ["reset", "broken"].contains(fault)) {
            assert_eq!(*seen, Seen::Whole, "{way}{fault}");
        }
    }

    assert!(door.gateway.drained(PATIENCE).await);
    assert!(door.gateway.live().is_empty());
    let calls = door.seen.calls(CALLS).await;
    assert_eq!(calls.len(), CALLS);
    let ids: std::collections::BTreeSet<_> = calls.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), CALLS, "each call is settled once");
    let whole = results.iter().filter(|it| it.2 == Seen::Whole).count();
    let finished =
        calls.iter().filter(|it| it.outcome == Outcome::Finished && it.status == Some(200));
    assert!(finished.count() >= whole, "{counts:#?}");
    assert_eq!(
        door.gateway
            .models()
            .iter()
            .flat_map(|it| &it.targets)
            .map(|it| it.condition.under_way)
            .sum::<u32>(),
        0
    );

    drop(door);
    let empty = async {
        while sockets() > before + 2
            || tokio::runtime::Handle::current().metrics().num_alive_tasks() > tasks + 2
        {
            tokio::task::yield_now().await;
        }
    };
    let left = tokio::time::timeout(PATIENCE, empty).await;
    let now = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(left.is_ok(), "{} sockets and {now} tasks are left", sockets());
}
