//! Secrets that were planted stand in nothing that the product wrote, said or left behind in memory.
//!
//! What this holds: no file below the home, no backup, nothing on standard error at the highest log
//! level, no answer of the admin API, no argument of any process; and once the credential is removed,
//! its calls are over and the provider has closed its connections, no readable mapping of the
//! gateway has it, nor the passphrase, nor what clients showed. What it does not hold: the admin
//! token and credentials of the environment stay in memory and in `/proc/PID/environ` while the
//! gateway runs, and the kernel's own buffers are not looked into.

use std::{fs, io::Write as _, process::Stdio};

use bytes::Bytes;
use http::Request;
use tokio::time::timeout;
use tollgate_tests::{Home, PATIENCE, Product, arguments_with, memory_with, send};

use super::{
    secrets::files_with,
    using::{CHAT, CHAT_STREAM, chat, simulator},
};

const STORED: &str = "sk-planted-stored-3f9c1d70";
const PASSPHRASE: &str = "planted horse battery 91aa";
const CLIENT: &str = "sk-planted-client-55e0b2c4";
const QUERY: &str = "sk-planted-query-7d20a9f1";
const ENVIRONMENT: &str = "sk-planted-environment-c81e";

fn with_key(mut request: Request<Bytes>, key: &str) -> Request<Bytes> {
    let value = format!("Bearer {key}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    request
}

/// Everything that can happen to a call: it is answered, whole and streamed; it fails at the provider;
/// its answer breaks; its client leaves; it is refused.
async fn happens(product: &Product, local: &str) {
    let addr = product.listen;
    for (key, body, controls) in [
        (CLIENT, CHAT, ""),
        (local, CHAT, ""),
        (CLIENT, CHAT_STREAM, ""),
        (local, CHAT, "status=401"),
        (CLIENT, CHAT, "status=500"),
        (CLIENT, CHAT_STREAM, "error_midstream"),
        (CLIENT, "not json", ""),
    ] {
        send(addr, with_key(chat(body, controls), key)).await;
    }
    let mut lab = with_key(chat(CHAT, ""), CLIENT);
    *lab.uri_mut() = format!("/p/lab/v1/chat/completions?key={QUERY}").parse().unwrap();
    send(addr, lab).await;
    let mut gemini = chat(r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#, "");
    gemini.headers_mut().remove("authorization");
    let path = format!("/v1beta/models/gemini-2.5-flash:generateContent?key={QUERY}");
    *gemini.uri_mut() = path.parse().unwrap();
    send(addr, gemini).await;
    // Two whose answers end in the middle: one by the provider, one by the client.
    let broken = tokio::spawn(send(addr, with_key(chat(CHAT_STREAM, "break_after=200"), CLIENT)));
    let _ = broken.await;
    let mut leaving = tollgate_tests::Connection::open(addr).await;
    let begun = leaving.begin(with_key(chat(CHAT_STREAM, "hang=300"), CLIENT)).await;
    drop((begun, leaving));
    let mut foreign = with_key(chat(CHAT, ""), CLIENT);
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(send(addr, foreign).await.status(), 403);
}

/// All that the product tells whoever asks.
async fn told(product: &Product) -> String {
    let mut told = String::new();
    for path in
        ["/status", "/calls?limit=1000", "/providers", "/keys", "/doctor", "/costs", "/programs"]
    {
        told.push_str(&String::from_utf8_lossy(&product.admin().get_bytes(path).await.unwrap()));
    }
    for call in product.calls(12).await {
        let detail = product.admin().get_bytes(&format!("/calls/{}", call.id)).await.unwrap();
        told.push_str(&String::from_utf8_lossy(&detail));
    }
    for args in [&["providers", "list"][..], &["keys", "list"], &["doctor"], &["calls", "--json"]] {
        let ran = product.run(args).await;
        told.push_str(ran.stdout());
        told.push_str(ran.stderr());
    }
    told
}

#[tokio::test]
async fn planted_secrets_are_in_no_file_no_log_no_argument_and_after_logout_in_no_memory() {
    let simulator = simulator().await;
    let origin = simulator.base_url();
    let home = Home::new();
    home.configure(&format!(
        "[[providers]]\nid = \"openai\"\nbase_url = \"{origin}/v1\"\napi_key = {{ keyring = \"openai\" }}\n\
         [[providers]]\nid = \"google\"\nformat = [\"gemini\"]\nbase_url = \"{origin}\"\n\
         [[providers]]\nid = \"lab\"\nformat = [\"openai-chat\"]\nbase_url = \"{origin}/v1\"\n\
         api_key = {{ env = \"LAB_KEY\" }}\n"
    ));
    let login = home.run_with(&["providers", "login", "openai"], STORED, |_| {}).await;
    assert_eq!(login.code(), 0, "{}", login.stderr());
    let typed = format!("{PASSPHRASE}\n{PASSPHRASE}\n");
    let locked = home.run_with(&["providers", "passphrase"], &typed, |_| {}).await;
    assert_eq!(locked.code(), 0, "{}", locked.stderr());
    let product = home
        .serve_with(|it| {
            let (pipe, mut writer) = std::io::pipe().unwrap();
            writeln!(writer, "{PASSPHRASE}").unwrap();
            it.env("TOLLGATE_PASSPHRASE_FD", "0").stdin(Stdio::from(pipe));
            it.env("TOLLGATE_LOG", "trace").env("LAB_KEY", ENVIRONMENT);
        })
        .await;
    let local = product.run(&["keys", "create", "agent"]).await.expect().trim().to_owned();
    happens(&product, &local).await;
    let sent: Vec<_> = simulator.calls().into_iter().filter_map(|it| it.credential).collect();
    for key in [STORED, ENVIRONMENT, QUERY] {
        assert!(sent.iter().any(|it| it == key), "{key} went where it belongs: {sent:?}");
    }
    let backup = home.path().join("backup.db");
    product.run(&["backup", backup.to_str().unwrap()]).await.expect();
    let mut told = told(&product).await;
    let planted = [STORED, PASSPHRASE, CLIENT, QUERY, ENVIRONMENT, &local];
    for secret in planted {
        assert_eq!(arguments_with(secret), [""; 0], "{secret}");
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", product.pid())).unwrap();
    let core = limits.lines().find(|it| it.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "no memory in crash reports: {core}");
    assert!(!memory_with(product.pid(), STORED).is_empty(), "the look into memory finds something");

    let input = format!("{PASSPHRASE}\n");
    let logout = home.run_with(&["providers", "logout", "openai"], &input, |_| {}).await;
    assert_eq!(logout.code(), 0, "{}", logout.stderr());
    let gone = async { while send(product.listen, chat(CHAT, "")).await.status() != 401 {} };
    timeout(PATIENCE, gone).await.expect("the credential to be forgotten");
    simulator.shutdown().await;
    for secret in [STORED, PASSPHRASE, CLIENT, QUERY, &local] {
        forgotten(&product, secret).await;
    }

    let arguments = fs::read(format!("/proc/{}/cmdline", product.pid())).unwrap();
    told.push_str(&String::from_utf8_lossy(&arguments));
    let said = product.stop().await;
    assert!(said.contains("TRACE"), "the log is on");
    for secret in planted {
        assert!(!told.contains(secret), "{secret} is told");
        let line = said.lines().find(|it| it.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
        let mut found = Vec::new();
        files_with(home.path(), secret, &mut found);
        assert!(found.is_empty(), "{secret} is in {found:?}");
    }
    // The look for files is one that finds something.
    let mut found = Vec::new();
    files_with(home.path(), &local[..9], &mut found);
    assert_eq!(found, [home.data().join("keys.json").display().to_string()]);
}

/// Waits until a secret is in no mapping of the gateway: connections that had it close in their time.
async fn forgotten(product: &Product, secret: &str) {
    let wait = async {
        while !memory_with(product.pid(), secret).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let gone = timeout(PATIENCE / 2, wait).await.is_ok();
    assert!(gone, "{secret} is still {:#?}", memory_with(product.pid(), secret));
}
