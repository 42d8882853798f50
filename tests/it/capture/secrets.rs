//! Keys are on the wire, and nowhere that the capture shows.

use bytes::Bytes;
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tollgate_app::api::{stream::StreamView, view::FlowView};
use tollgate_tests::send;

use super::{
    harness::{Watched, chat, curl, encoded, eventually, run},
    joined::decoded,
};

const BEARER: &str = "sk-planted-bearer-93b1";
const HEADER: &str = "sk-planted-header-0c4d";
const QUERY: &str = "sk-planted-query-55e2";
const CONFIGURED: &str = "sk-planted-configured-d80a";
/// A key of which one packet has the first half and the next one the second.
const HALVES: [&str; 2] = ["sk-planted-first-half-61f7", "and-the-second-half-a2e9"];

fn ask(path: &str, header: &'static str, value: &str) -> Request<Bytes> {
    let request = Request::post(path).header("content-type", "application/json");
    request.header(header, value).body(chat("hi").into()).unwrap()
}

/// Sends a request in two packets that part a credential's value.
async fn ask_in_halves(watched: &Watched) {
    let mut stream = TcpStream::connect(watched.product.listen).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (body, host) = (chat("halves"), watched.product.listen);
    let first = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nauthorization: Bearer {}",
        body.len(),
        HALVES[0]
    );
    stream.write_all(first.as_bytes()).await.unwrap();
    let own = format!("port:{} POST", stream.local_addr().unwrap().port());
    eventually("the first half to be captured", async || {
        let captured = watched.packets(&own).await.packets;
        if captured.is_empty() { Err("nothing".to_owned()) } else { Ok(()) }
    })
    .await;
    let second = format!("{}\r\nconnection: close\r\n\r\n{body}", HALVES[1]);
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn no_key_on_the_wire_is_in_anything_that_the_capture_shows() {
    let env = [("LAB_KEY", CONFIGURED)];
    let Some(mut watched) = Watched::start_on("secrets", "127.0.0.1:0", &env).await else { return };
    let config = std::fs::read_to_string(watched.home.config()).unwrap();
    let lab = format!(
        "{config}\n[[providers]]\nid = \"lab\"\nformat = [\"openai-chat\"]\n\
         base_url = \"{}/v1\"\napi_key = {{ env = \"LAB_KEY\" }}\n",
        watched.simulator.base_url()
    );
    watched.home.configure(&lab);
    watched.product.stop().await;
    watched.product = super::harness::serve(&watched.home, "127.0.0.1:0", &env).await;
    watched.ready().await;
    let addr = watched.product.listen;
    let gemini = format!("/v1beta/models/gemini-2.5-flash:generateContent?key={QUERY}");
    for request in [
        ask("/v1/chat/completions", "authorization", &format!("Bearer {BEARER}")),
        ask("/v1/messages", "x-api-key", HEADER),
        ask(&gemini, "accept", "*/*"),
        ask("/p/lab/v1/chat/completions", "authorization", &format!("Bearer {BEARER}")),
    ] {
        send(addr, request).await;
    }
    ask_in_halves(&watched).await;
    // All of them were sent, and captured on the way.
    let calls = watched.product.calls(5).await;
    let received: Vec<String> =
        watched.simulator.calls().into_iter().filter_map(|it| it.credential).collect();
    for key in [BEARER, HEADER, QUERY, CONFIGURED, &HALVES.concat()] {
        assert!(received.iter().any(|it| it == key), "{key} in {received:?}");
    }
    for call in calls.iter().filter(|it| it.status == Some(200)) {
        watched.packets_of_whole(&call.id).await;
    }

    let secrets = [BEARER, HEADER, QUERY, CONFIGURED, HALVES[0], HALVES[1]];
    let holds = |bytes: &[u8]| {
        secrets.into_iter().find(|key| bytes.windows(key.len()).any(|it| it == key.as_bytes()))
    };
    let admin = watched.product.admin();
    let mut masked = 0;
    for packet in watched.packets("").await.packets {
        let detail = admin.get_bytes(&format!("/packets/{}", packet.seq)).await.unwrap();
        assert_eq!(holds(&detail), None, "{packet:?}");
        let detail: serde_json::Value = serde_json::from_slice(&detail).unwrap();
        let bytes = decoded(detail["bytes_base64"].as_str().unwrap());
        assert_eq!(holds(&bytes), None, "{packet:?}: {}", String::from_utf8_lossy(&bytes));
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        masked += usize::from(text.contains("authorization: bearer ****"));
    }
    assert!(masked >= 4, "the headers were there, {masked} times");
    for path in ["/packets?limit=100000", "/packets.pcapng", "/flows?limit=10000"] {
        let shown = admin.get_bytes(path).await.unwrap();
        assert_eq!(holds(&shown), None, "{path}");
    }
    for call in &calls {
        let shown = admin.get_bytes(&format!("/calls/{}/packets", call.id)).await.unwrap();
        assert_eq!(holds(&shown), None);
    }
    let mut followed = 0;
    for flow in admin.get::<Vec<FlowView>>("/flows?limit=10000").await.unwrap() {
        let Ok(shown) = admin.get_bytes(&format!("/flows/{}/stream", flow.id)).await else {
            continue;
        };
        assert_eq!(holds(&shown), None, "{flow:?}");
        let shown: StreamView = serde_json::from_slice(&shown).unwrap();
        for piece in &shown.pieces {
            assert_eq!(holds(&decoded(&piece.bytes_base64)), None, "{flow:?}");
        }
        followed += usize::from(shown.messages.len() >= 2);
    }
    assert!(followed >= 5, "connections with a request and its answer: {followed}");
    for args in [&["packets", "--limit", "100000"][..], &["packets", "--json", "--limit", "100000"]]
    {
        let shown = watched.product.run(args).await;
        assert!(shown.expect().lines().count() > 20);
        assert_eq!(holds(shown.stdout().as_bytes()), None, "{args:?}");
    }
    // Who guesses a key learns nothing from a search for it.
    for key in secrets {
        let found = admin.get_bytes(&format!("/packets?filter={}", encoded(key))).await.unwrap();
        let found: serde_json::Value = serde_json::from_slice(&found).unwrap();
        assert_eq!(found["packets"], serde_json::json!([]), "{key}");
    }
    watched.product.stop().await;
}

/// Keys as people type them: in an option of its own, and in a script that is an argument.
const TYPED: [&str; 2] = ["planted-typed-5b0e", "planted-scripted-c71a"];

#[tokio::test]
async fn a_key_on_a_command_line_is_stored_and_shown_nowhere() {
    let Some(watched) = Watched::start("keys on command lines").await else { return };
    let [typed, scripted] = TYPED;
    let mut command = curl(&watched.product, "typed");
    run(command.args(["--header", &format!("x-extra-key: {typed}")])).await;
    let mut shell = watched.home.command("sh");
    let script = "curl --silent --noproxy '*' --header 'content-type: application/json' --header";
    let url = format!("{}/v1/chat/completions", watched.product.base_url());
    let body = chat("scripted").replace('"', "\\\"");
    let script = format!("{script} 'x-extra-token: {scripted}' --data \"{body}\" {url}; true");
    run(shell.args(["-c", &script])).await;
    let calls = watched.product.calls(2).await;
    let admin = watched.product.admin();
    let holds = |bytes: &[u8]| {
        TYPED.into_iter().find(|key| bytes.windows(key.len()).any(|it| it == key.as_bytes()))
    };
    for call in &calls {
        let caller = watched.detail(call).await.caller.expect("a caller");
        assert!(caller.argv.iter().any(|it| it.ends_with(": ***")), "{:?}", caller.argv);
        let shown = admin.get_bytes(&format!("/calls/{}", call.id)).await.unwrap();
        assert_eq!(holds(&shown), None);
    }
    for path in ["/calls", "/programs", "/packets?limit=100000", "/packets.pcapng"] {
        assert_eq!(holds(&admin.get_bytes(path).await.unwrap()), None, "{path}");
    }
    let data = watched.home.data();
    watched.product.stop().await;
    let mut looked_at = 0;
    for file in std::fs::read_dir(data).unwrap().flatten().filter(|it| it.path().is_file()) {
        assert_eq!(holds(&std::fs::read(file.path()).unwrap()), None, "{file:?}");
        looked_at += 1;
    }
    assert!(looked_at > 0);
}
