//! Keys stand nowhere but on their way to the provider.

use std::{fs, path::Path};

use bytes::Bytes;
use http::Request;
use tollgate_tests::{Home, exchange, send};

use super::using::{CHAT, CHAT_STREAM, simulator};

/// The clients' keys, the configured one, and one that only a mistake puts into a path.
const KEYS: [&str; 4] = [
    "sk-planted-client-4f1d",
    "sk-planted-query-8a2c",
    "sk-planted-configured-77e0",
    "sk-planted-refused-19b3",
];

/// The files of `folder` and below that contain `text`.
pub(super) fn files_with(folder: &Path, text: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files_with(&path, text, found);
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|it| it == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
}

fn call(path: &str, body: &'static str, header: &'static str, key: &str) -> Request<Bytes> {
    let request = Request::post(path).header(header, key);
    let request = request.header("content-type", "application/json");
    request.body(Bytes::from_static(body.as_bytes())).unwrap()
}

#[tokio::test]
async fn keys_are_in_no_file_no_log_and_no_argument() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let origin = simulator.base_url();
    let lab = "[[providers]]\nid = \"lab\"\nformat = [\"openai-chat\"]\n";
    let lab = format!("{lab}base_url = \"{origin}/v1\"\napi_key = {{ env = \"LAB_KEY\" }}\n");
    let down = "[[providers]]\nid = \"down\"\nformat = [\"openai-chat\"]\n";
    let down = format!("{down}base_url = \"http://127.0.0.1:1/v1\"\n");
    let config = fs::read_to_string(home.config()).unwrap();
    home.configure(&format!("{config}\n{lab}\n{down}"));
    let [client, query, configured, refused] = KEYS;
    let product = home
        .serve_with(|it| {
            it.env("TOLLGATE_LOG", "trace").env("LAB_KEY", configured);
        })
        .await;
    let addr = product.listen;
    let bearer = format!("Bearer {client}");
    let gemini = "/v1beta/models/gemini-2.5-flash:generateContent";
    let contents = r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
    let with_query = format!("{gemini}?key={query}");
    for (path, body, header, key) in [
        ("/v1/chat/completions", CHAT, "authorization", bearer.as_str()),
        ("/v1/chat/completions", CHAT_STREAM, "authorization", bearer.as_str()),
        (with_query.as_str(), contents, "accept", "*/*"),
        (gemini, contents, "x-goog-api-key", client),
        ("/v1/messages", CHAT, "x-api-key", client),
        ("/p/lab/v1/chat/completions", CHAT, "authorization", bearer.as_str()),
        ("/p/down/v1/chat/completions", CHAT, "authorization", bearer.as_str()),
        ("/v1/chat/completions", "not json", "authorization", bearer.as_str()),
        ("/v9/nothing", CHAT, "authorization", bearer.as_str()),
    ] {
        send(addr, call(path, body, header, key)).await;
    }
    let mut foreign = call("/v1/models", "", "authorization", &format!("Bearer {refused}"));
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(send(addr, foreign).await.status(), 403);
    // A head that is not HTTP, with a key in it.
    exchange(addr, format!("GET / HTTP/1.1\r\nauthorization {refused}\r\n\r\n").as_bytes()).await;

    // The keys did go where they belong.
    let sent: Vec<_> = simulator.calls().into_iter().filter_map(|it| it.credential).collect();
    for key in [client, query, configured] {
        assert!(sent.iter().any(|it| it == key), "{key} in {sent:?}");
    }
    let calls = product.calls(10).await;
    assert_eq!(calls.len(), 10);
    let token = product.token();
    let told = serde_json::to_string(&calls).unwrap();
    for (command, key) in KEYS.iter().flat_map(|key| {
        [["calls"], ["status"], ["doctor"], ["programs"], ["costs"]].map(|it| (it, key))
    }) {
        let ran = product.run(&command).await;
        assert!(!ran.stdout().contains(key) && !ran.stderr().contains(key), "{command:?}");
    }
    for call in &calls {
        let detail = product.admin().get_bytes(&format!("/calls/{}", call.id)).await.unwrap();
        for key in KEYS {
            assert!(!detail.windows(key.len()).any(|it| it == key.as_bytes()), "{call:#?}");
        }
    }
    let arguments = fs::read(format!("/proc/{}/cmdline", product.pid())).unwrap();
    let arguments = String::from_utf8_lossy(&arguments).into_owned();
    let said = product.stop().await;
    assert!(said.contains("TRACE"), "the log is on");
    for key in KEYS {
        assert!(!said.contains(key), "{}", line_with(&said, key));
        assert!(!arguments.contains(key) && !told.contains(key));
        let mut found = Vec::new();
        files_with(home.path(), key, &mut found);
        assert!(found.is_empty(), "{key} is in {found:?}");
    }
    // The token is shown once, in the console's address, and never logged.
    assert_eq!(said.matches(&token).count(), 1, "{}", line_with(&said, &token));
    let mut found = Vec::new();
    files_with(home.path(), &token, &mut found);
    assert_eq!(found, [home.data().join("admin.token").display().to_string()]);
}

fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().rfind(|it| it.contains(part)).unwrap_or_default()
}
