//! Local keys: made, shown by every SDK, refused when they are not good, and nowhere to be found.

use std::fs;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::time::timeout;
use tollgate_app::api::view::CallState;
use tollgate_simulator::Simulator;
use tollgate_tests::{
    Controls, Home, PATIENCE, PROVIDER_KEY, Product, Sdk,
    kernel::{no_program_for_others, no_second_user},
    send,
};

use super::{
    secrets::files_with,
    using::{CHAT, KEY, admin, get, simulator},
};

/// The credential that the gateway has.
const OWN: &str = "sk-of-the-gateway";

/// A model of the user's own, and a provider that is called below `/p/`.
const FAST: &str = "\n[[models]]\nname = \"fast\"\nretries = 0\n\
     targets = [{ provider = \"openai\", model = \"gpt-5-mini\" }]\n";

async fn product(more: &str) -> (Simulator, Product) {
    let simulator = simulator().await;
    let product = serve(&Home::keyed(&simulator, more)).await;
    (simulator, product)
}

async fn serve(home: &std::sync::Arc<Home>) -> Product {
    home.serve_with(|it| _ = it.env(PROVIDER_KEY, OWN).env("TOLLGATE_LOG", "trace")).await
}

/// Makes a key with these arguments behind its name.
async fn create(product: &Product, name: &str, scope: &[&str]) -> String {
    let made = product.run(&[&["keys", "create", name], scope].concat()).await;
    let secret = made.expect().trim_end().to_owned();
    assert!(secret.starts_with("tg-") && secret.len() == 46, "{secret}");
    secret
}

/// A call in each format: its path, its body, and the header in which its clients put their key.
const DOORS: [(&str, &str, &str); 3] = [
    ("/v1/chat/completions", CHAT, "authorization"),
    (
        "/v1/messages",
        r#"{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
        "x-api-key",
    ),
    (
        "/v1beta/models/gemini-2.5-flash:generateContent",
        r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#,
        "x-goog-api-key",
    ),
];

fn post(path: &str, body: &'static str, header: &str, key: &str) -> Request<Bytes> {
    let value = if header == "authorization" { format!("Bearer {key}") } else { key.to_owned() };
    let request = Request::builder().method(Method::POST).uri(path).header(header, value);
    request
        .header("content-type", "application/json")
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap()
}

fn chat_with(key: &str, model: &str) -> Request<Bytes> {
    let body = CHAT.replace("gpt-5-mini", model);
    post(DOORS[0].0, "", DOORS[0].2, key).map(|_| body.into())
}

/// The error's text, in the shape of the door's format.
fn message(door: usize, status: u16, body: &[u8]) -> String {
    let error: Value = serde_json::from_slice(body).unwrap();
    match door {
        0 => assert!(error["error"]["code"].is_string(), "{error}"),
        1 => assert_eq!(error["type"], "error", "{error}"),
        _ => assert_eq!(error["error"]["code"], status, "{error}"),
    }
    error["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn sdks_that_show_a_local_key_are_served_with_the_gateways_credentials() {
    let (simulator, product) = product("").await;
    let key = create(&product, "agents", &[]).await;
    let mut made = 0;
    for (sdk, cases) in [
        (Sdk::OpenaiPython, ["chat_plain", "responses_stream"]),
        (Sdk::AnthropicPython, ["plain", "stream"]),
        (Sdk::GenaiPython, ["plain", "stream"]),
        (Sdk::OpenaiNode, ["chat_plain", "responses_stream"]),
        (Sdk::AnthropicNode, ["plain", "stream"]),
        (Sdk::GenaiNode, ["plain", "stream"]),
    ] {
        let (home, url) = (product.home(), product.base_url());
        let reference = super::using::simulator().await;
        let plain = Controls::InHeader("");
        let direct = sdk.run_cases(home, home.path(), &reference.base_url(), &cases, plain).await;
        let Some(direct) = direct else { continue };
        let through = sdk.run_keyed(home, home.path(), &url, &cases, &key).await.unwrap();
        for (direct, through) in direct.iter().zip(&through) {
            assert_eq!(through["error"], Value::Null, "{through}");
            assert_eq!(direct["text"], through["text"], "{through}");
        }
        made += cases.len();
    }
    let sent = simulator.calls();
    assert_eq!(sent.len(), made);
    for sent in &sent {
        assert_eq!(sent.credential.as_deref(), Some(OWN), "{sent:?}");
        assert!(!format!("{:?}{}", sent.headers, sent.uri).contains("tg-"), "{sent:?}");
    }
    for call in product.calls(made).await {
        assert_eq!(call.key.as_deref(), Some("agents"), "{call:#?}");
        assert_eq!(call.state, CallState::Finished);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_key_is_taken_in_every_header_and_in_the_query() {
    let (simulator, product) = product("").await;
    let key = create(&product, "ci", &[]).await;
    for (path, body, _) in DOORS {
        for header in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
            let answer = send(product.listen, post(path, body, header, &key)).await;
            assert_eq!(answer.status(), 200, "{path} {header}");
        }
        let (in_query, none) = (format!("{path}?key={key}"), ("accept", "*/*"));
        let answer = send(product.listen, post(&in_query, body, none.0, none.1)).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
    let calls = product.calls(15).await;
    assert!(calls.iter().all(|it| it.key.as_deref() == Some("ci")), "{calls:#?}");
    for sent in simulator.calls() {
        assert!(!format!("{:?}{}", sent.headers, sent.uri).contains("tg-"), "{sent:?}");
        assert_eq!(sent.credential.as_deref(), Some(OWN));
    }
    // A list of models is in the format that the header of the key tells.
    let list = Request::get("/v1/models").header("x-api-key", &key).body(Bytes::new()).unwrap();
    let list = send(product.listen, list).await;
    let list: Value = serde_json::from_slice(list.body()).unwrap();
    assert!(list["data"][0]["type"] == "model" && list.get("object").is_none(), "{list}");
    product.stop().await;
}

#[tokio::test]
async fn keys_that_are_not_good_are_refused_in_the_callers_format() {
    let (simulator, product) = product("").await;
    let revoked = create(&product, "revoked", &[]).await;
    let rotated = create(&product, "rotated", &[]).await;
    let expired = create(&product, "expired", &["--expires", "1h"]).await;
    let good = create(&product, "good", &[]).await;
    for key in [&revoked, &rotated, &expired, &good] {
        let (path, body, header) = DOORS[0];
        assert_eq!(send(product.listen, post(path, body, header, key)).await.status(), 200);
    }
    // At once, while the gateway runs.
    product.run(&["keys", "revoke", "revoked"]).await.expect();
    let second = product.run(&["keys", "rotate", "rotated"]).await.expect().trim_end().to_owned();
    let unknown = format!("tg-{}", "A".repeat(43));
    let wrong = [
        (revoked.as_str(), "was revoked"),
        (&rotated, "was rotated"),
        (&unknown, "does not know this local key"),
        ("tg-", "does not know this local key"),
    ];
    let mut settled = 4;
    for (door, (path, body, header)) in DOORS.into_iter().enumerate() {
        for (key, why) in wrong {
            let answer = send(product.listen, post(path, body, header, key)).await;
            assert_eq!(answer.status(), 401, "{path} {why}");
            let text = message(door, 401, answer.body());
            assert!(text.contains(why) && !text.contains("tg-"), "{text}");
            settled += 1;
        }
        let mut two = post(path, body, header, &good);
        two.headers_mut().insert("api-key", second.parse().unwrap());
        let answer = send(product.listen, two).await;
        assert_eq!(answer.status(), 401, "{path}");
        assert!(message(door, 401, answer.body()).contains("several local keys"), "{path}");
        settled += 1;
    }
    let calls = product.calls(settled).await;
    let refused = calls.iter().filter(|it| it.error_code.as_deref() == Some("key-refused"));
    let refused: Vec<_> = refused.map(|it| (it.key.as_deref(), it.status)).collect();
    assert_eq!(refused.len(), settled - 4);
    assert_eq!(refused[0], (Some("revoked"), Some(401)));
    assert_eq!(refused[2], (None, Some(401)), "nobody's key is nobody's");
    assert_eq!(simulator.calls().len(), 4);

    // A restart keeps them, and what time does to them.
    let home = std::sync::Arc::clone(product.home());
    product.stop().await;
    let file = home.data().join("keys.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let list = kept["keys"].as_array_mut().unwrap();
    let past = list.iter_mut().find(|it| it["name"] == "expired").unwrap();
    past["expires_at_ms"] = json!(1_000);
    fs::write(&file, kept.to_string()).unwrap();
    let product = serve(&home).await;
    let mut answers = Vec::new();
    for key in [&revoked, &rotated, &expired, &good, &second] {
        let (path, body, header) = DOORS[1];
        let answer = send(product.listen, post(path, body, header, key)).await;
        answers.push(answer.status().as_u16());
        if key == &expired {
            assert!(message(1, 401, answer.body()).contains("has expired"));
        }
    }
    assert_eq!(answers, [401, 401, 401, 200, 200]);
    product.stop().await;
}

#[tokio::test]
async fn a_rotated_secret_is_good_until_the_grace_ends() {
    let (_simulator, product) = product("").await;
    let first = create(&product, "ci", &[]).await;
    let made = product.run(&["keys", "rotate", "ci", "--grace", "1h", "--json"]).await.json();
    let second = made["secret"].as_str().unwrap();
    assert!(made["key"]["former_until_ms"].is_number(), "{made}");
    for key in [&first, second] {
        assert_eq!(send(product.listen, chat_with(key, "gpt-5-mini")).await.status(), 200);
    }
    assert!(product.calls(2).await.iter().all(|it| it.key.as_deref() == Some("ci")));
    // Revoking ends both.
    product.run(&["keys", "revoke", "ci"]).await.expect();
    for key in [&first, second] {
        assert_eq!(send(product.listen, chat_with(key, "gpt-5-mini")).await.status(), 401);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_key_does_only_what_it_is_for() {
    let (simulator, product) = product(FAST).await;
    let mini = create(&product, "mini", &["--models", "*-mini,openai/gpt-5"]).await;
    let fast = create(&product, "fast", &["--routes", "fast"]).await;
    let claude = create(&product, "claude", &["--providers", "anthropic"]).await;
    let lists = create(&product, "lists", &["--operations", "list-models"]).await;
    let ask = async |key: &str, model: &str| {
        let answer = send(product.listen, chat_with(key, model)).await;
        if answer.status() == 403 {
            assert!(message(0, 403, answer.body()).contains("is not for"), "{answer:?}");
        }
        answer.status().as_u16()
    };
    assert_eq!(ask(&mini, "gpt-5-mini").await, 200);
    assert_eq!(ask(&mini, "openai/gpt-5-mini").await, 200);
    assert_eq!(ask(&mini, "openai/gpt-5").await, 200);
    assert_eq!(ask(&mini, "gpt-5").await, 403);
    assert_eq!(ask(&mini, "fast").await, 403, "its target is a mini, but it is not named");
    assert_eq!(ask(&fast, "fast").await, 200);
    assert_eq!(ask(&fast, "gpt-5-mini").await, 403);
    assert_eq!(ask(&claude, "gpt-5-mini").await, 403);
    assert_eq!(ask(&claude, "fast").await, 403);
    assert_eq!(ask(&claude, "anthropic/claude-haiku-4-5").await, 200);
    assert_eq!(ask(&lists, "gpt-5-mini").await, 403);
    let served = simulator.calls().len();
    assert_eq!(served, 5);
    let (path, body, header) = DOORS[1];
    assert_eq!(send(product.listen, post(path, body, header, &claude)).await.status(), 200);
    assert_eq!(send(product.listen, post(path, body, header, &mini)).await.status(), 403);
    let get_models = |key: &str| {
        let request = Request::get("/v1/models").header("authorization", format!("Bearer {key}"));
        request.body(Bytes::new()).unwrap()
    };
    assert_eq!(send(product.listen, get_models(&lists)).await.status(), 200);

    // Whatever does not say its model in a way that counts is not for a key with models.
    let unclear = [
        ("/p/openai/v1/chat/completions", CHAT),
        ("/p/openai/v1/files", CHAT),
        ("/v1/images/generations", CHAT),
        ("/v1/chat/completions", r#"{"messages":[]}"#),
    ];
    for (path, body) in unclear {
        let answer = send(product.listen, post(path, body, "authorization", &mini)).await;
        assert_eq!(answer.status(), 403, "{path}");
        assert!(message(0, 403, answer.body()).contains("certain models"), "{path}");
    }
    // The last of two counts, for providers as well.
    let twice = r#"{"model":"gpt-5-mini","model":"gpt-5","messages":[]}"#;
    let answer = send(product.listen, post(DOORS[0].0, twice, "authorization", &mini)).await;
    assert_eq!(answer.status(), 403);
    let calls = product.calls(19).await;
    let refused = calls.iter().filter(|it| it.error_code.as_deref() == Some("out-of-scope"));
    assert_eq!(refused.count(), 12);
    product.stop().await;
}

#[tokio::test]
async fn where_keys_are_required_nothing_goes_without_one() {
    let (simulator, product) = product("").await;
    let key = create(&product, "ci", &[]).await;
    let (path, body, header) = DOORS[0];
    assert_eq!(send(product.listen, post(path, body, header, KEY)).await.status(), 200);
    let config = fs::read_to_string(product.home().config()).unwrap();
    product.home().configure(&format!("require_keys = true\n{config}"));
    let refused = async {
        while send(product.listen, post(path, body, header, KEY)).await.status() == 200 {}
    };
    timeout(PATIENCE, refused).await.expect("the file to be followed");
    for (door, (path, body, header)) in DOORS.into_iter().enumerate() {
        let answer = send(product.listen, post(path, body, header, KEY)).await;
        assert_eq!(answer.status(), 401, "{path}");
        assert!(message(door, 401, answer.body()).contains("only requests with a local key"));
        let answer = send(product.listen, post(path, body, header, &key)).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
    let listed = product.run(&["keys", "list"]).await;
    assert!(listed.stderr().contains("`require_keys`"), "{}", listed.stderr());
    // What the user tries by the command line is not a client's.
    let tried = product.run(&["providers", "test", "openai", "--model", "gpt-5-mini"]).await;
    assert_eq!(tried.code(), 0, "{} {}", tried.stdout(), tried.stderr());
    assert!(simulator.calls().iter().all(|it| it.credential.as_deref() == Some(OWN)));
    product.stop().await;
}

#[tokio::test]
async fn the_command_line_tells_of_keys_and_their_calls() {
    let (_simulator, product) = product(FAST).await;
    let made = product.run(&["keys", "create", "ci", "--expires", "30d", "--routes", "fast"]).await;
    let secret = made.expect().trim_end().to_owned();
    assert!(made.stderr().contains("never again"), "{}", made.stderr());
    create(&product, "other", &[]).await;
    for _ in 0..2 {
        assert_eq!(send(product.listen, chat_with(&secret, "fast")).await.status(), 200);
    }
    assert_eq!(send(product.listen, chat_with(&secret, "gpt-5")).await.status(), 403);
    let (path, body, header) = DOORS[0];
    assert_eq!(send(product.listen, post(path, body, header, KEY)).await.status(), 200);
    let calls = product.calls(4).await;

    let list = product.run(&["keys", "list", "--json"]).await.json();
    let key = &list["keys"][1];
    assert_eq!((&key["name"], &key["state"]), (&json!("ci"), &json!("good")));
    assert_eq!(key["beginning"], secret[..9]);
    assert_eq!(key["month_calls"], 3);
    assert_eq!(key["last_used_ms"], calls[2].started_at_ms);
    let spent: i64 = calls[..2].iter().map(|it| cost(it.cost_pico_usd.as_deref())).sum();
    assert!(spent > 0);
    assert_eq!(key["month_cost_pico_usd"], spent.to_string());
    assert_eq!(list["keys"][0]["last_used_ms"], Value::Null);
    let shown = product.run(&["keys", "show", "ci"]).await;
    assert!(shown.expect().contains("routes      fast"), "{}", shown.stdout());
    let table = product.run(&["keys", "list"]).await;
    assert!(table.expect().contains("anything"), "{}", table.stdout());

    // By key in every way there is.
    let costs = product.run(&["costs", "--by", "key", "--json"]).await.json();
    assert_eq!(costs["rows"][0]["key"], "ci");
    assert_eq!(costs["rows"][0]["calls"], 3);
    assert_eq!(costs["rows"][0]["cost_pico_usd"], spent.to_string());
    assert_eq!(costs["rows"][1]["key"], Value::Null);
    let csv = product.run(&["costs", "--by", "key", "--csv"]).await;
    assert!(csv.expect().contains("\nci,3,"), "{}", csv.stdout());
    let filtered = product.run(&["calls", "--filter", "key:ci", "--json"]).await;
    assert_eq!(filtered.expect().lines().count(), 3);
    let detail = product.run(&["calls", &calls[0].id]).await;
    assert!(detail.expect().contains("key       ci"), "{}", detail.stdout());

    for (args, why) in [
        (&["create", "ci"][..], "already"),
        (&["create", "x", "--providers", "nobody"], "no provider `nobody`"),
        (&["create", "x", "--routes", "slow"], "no model `slow`"),
        (&["create", "x", "--operations", "sing"], "`list-models`"),
        (&["create", "x", "--expires", "soon"], "`soon`"),
        (&["create", secret.as_str()], "is not a name"),
        (&["rotate", "nobody"], "no such key"),
        (&["revoke", "nobody"], "no such key"),
        (&["show", "nobody"], "no such key"),
    ] {
        let refused = product.run(&[&["keys"], args].concat()).await;
        assert_eq!(refused.code(), 1, "{args:?}");
        assert!(refused.stderr().contains(why), "{args:?}: {}", refused.stderr());
        assert!(!refused.stderr().contains(&secret), "{args:?}");
    }
    product.stop().await;
}

fn cost(pico_usd: Option<&str>) -> i64 {
    pico_usd.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_rule_knows_the_key_by_its_name() {
    let rule = "\n[[rules]]\nname = \"ci\"\nwhen = 'key == \"ci\"'\ndeny = \"not today\"\n";
    let (_simulator, product) = product(rule).await;
    let ci = create(&product, "ci", &[]).await;
    let other = create(&product, "other", &[]).await;
    assert_eq!(send(product.listen, chat_with(&ci, "gpt-5-mini")).await.status(), 403);
    for key in [&other, KEY] {
        assert_eq!(send(product.listen, chat_with(key, "gpt-5-mini")).await.status(), 200);
    }
    let call = product.calls(3).await.remove(0);
    let tested = product.run(&["rules", "test", "--call", &call.id]).await;
    assert!(tested.expect().contains("\"ci\""), "{}", tested.stdout());
    product.stop().await;
}

#[tokio::test]
async fn local_keys_are_in_no_file_and_no_log() {
    let (_simulator, product) = product(FAST).await;
    let mut secrets = vec![
        create(&product, "one", &[]).await,
        create(&product, "two", &["--models", "gpt-*", "--expires", "1h"]).await,
    ];
    // Also one that the console made, over HTTP.
    let body = Bytes::from_static(br#"{"name":"three"}"#);
    let token = product.token();
    let asked = admin("/api/keys", &token).map(|_| body);
    let (mut head, body) = asked.into_parts();
    head.method = Method::POST;
    head.headers.insert("content-type", "application/json".parse().unwrap());
    let answer = send(product.listen, Request::from_parts(head, body)).await;
    assert_eq!(answer.status(), 200);
    let made: Value = serde_json::from_slice(answer.body()).unwrap();
    secrets.push(made["secret"].as_str().unwrap().to_owned());
    let rotated = product.run(&["keys", "rotate", "one", "--grace", "1h"]).await;
    secrets.push(rotated.expect().trim_end().to_owned());
    let mut made = 0;
    for key in &secrets {
        for (path, body, header) in DOORS {
            send(product.listen, post(path, body, header, key)).await;
            let in_query = format!("{path}?key={key}&alt=json");
            send(product.listen, post(&in_query, body, "accept", "*/*")).await;
            made += 2;
        }
    }
    let mut foreign = post(DOORS[0].0, CHAT, "authorization", &secrets[0]);
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(send(product.listen, foreign).await.status(), 403);
    let calls = product.calls(made + 1).await;
    let home = std::sync::Arc::clone(product.home());
    let mut told = serde_json::to_string(&calls).unwrap();
    for command in [&["keys", "list", "--json"][..], &["keys", "show", "one"], &["doctor"]] {
        let ran = product.run(command).await;
        told.push_str(ran.stdout());
        told.push_str(ran.stderr());
    }
    for call in &calls {
        let detail = product.admin().get_bytes(&format!("/calls/{}", call.id)).await.unwrap();
        told.push_str(&String::from_utf8_lossy(&detail));
    }
    let said = product.stop().await;
    assert!(said.contains("TRACE"), "the log is on");
    for secret in &secrets {
        assert!(!said.contains(secret.as_str()), "a key is in the log");
        assert!(!told.contains(secret.as_str()), "a key is told");
        let mut found = Vec::new();
        files_with(home.path(), secret, &mut found);
        assert!(found.is_empty(), "{found:?}");
    }
    // The look for files is one that finds something.
    let mut found = Vec::new();
    files_with(home.path(), &secrets[2][..9], &mut found);
    assert_eq!(found, [home.data().join("keys.json").display().to_string()]);
}

/// A request over a connection of another user's process.
async fn as_user(product: &Product, uid: u32, head: &str, body: &str) -> String {
    let port = product.listen.port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf %s \"$REQUEST\" >&3; cat <&3");
    let request = format!(
        "{head}\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        product.listen,
        body.len()
    );
    let mut command = product.home().command("bash");
    command.args(["-c", &script]).env("REQUEST", request).current_dir("/").uid(uid).gid(uid);
    let output = timeout(PATIENCE, command.output()).await.expect("an answer").unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Nobody's, on every Debian.
const NOBODY: u32 = 65_534;

#[tokio::test]
async fn programs_of_other_users_are_refused_unless_they_show_a_local_key() {
    if no_second_user("programs_of_other_users_are_refused_unless_they_show_a_local_key") {
        return;
    }
    let (simulator, product) = product("").await;
    let key = create(&product, "shared", &[]).await;
    let json = "content-type: application/json";
    for (door, (path, body, header)) in DOORS.into_iter().enumerate() {
        for own in [format!("{header}: Bearer {KEY}"), "accept: */*".to_owned()] {
            let head = format!("POST {path} HTTP/1.1\r\n{json}\r\n{own}");
            let answer = as_user(&product, NOBODY, &head, body).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
            let (_, error) = answer.split_once("\r\n\r\n").unwrap();
            let text = message(door, 403, error.as_bytes());
            assert!(text.contains("user 65534") && text.contains("local key"), "{text}");
        }
        let head = format!("POST {path} HTTP/1.1\r\n{json}\r\n{header}: {key}");
        let answer = as_user(&product, NOBODY, &head, body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert_eq!(simulator.calls().len(), DOORS.len());
    // The console and the admin API are not theirs either, not even with the token.
    let token = product.token();
    for path in ["/", "/api/status", "/api/keys"] {
        let head = format!("GET {path} HTTP/1.1\r\nauthorization: Bearer {token}");
        let answer = as_user(&product, NOBODY, &head, "").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
        assert_eq!(send(product.listen, admin(path, &token)).await.status(), 200, "{path}");
    }
    let answer = as_user(&product, NOBODY, "GET /healthz HTTP/1.1", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let calls = product.calls(9).await;
    let refused: Vec<_> = calls.iter().filter(|it| it.status == Some(403)).collect();
    assert_eq!(refused.len(), 6);
    for call in refused {
        assert_eq!(call.error_code.as_deref(), Some("forbidden"), "{call:#?}");
        assert_eq!(call.cost_unknown, None);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_gateway_serves_the_user_who_runs_it_and_not_even_root() {
    if no_second_user("a_gateway_serves_the_user_who_runs_it_and_not_even_root") {
        return;
    }
    if no_program_for_others("a_gateway_serves_the_user_who_runs_it_and_not_even_root") {
        return;
    }
    let simulator = simulator().await;
    let home = Home::keyed(&simulator, "");
    give(home.path(), NOBODY);
    let product = home.serve_with(|it| _ = it.env(PROVIDER_KEY, OWN).uid(NOBODY).gid(NOBODY)).await;
    let (path, body, _) = DOORS[0];
    let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json");
    let answer = as_user(&product, NOBODY, &head, body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for uid in [0, NOBODY - 1] {
        let answer = as_user(&product, uid, &head, body).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
    assert_eq!(send(product.listen, get("/")).await.status(), 403);
    assert_eq!(simulator.calls().len(), 1);
    product.stop().await;
}

/// Makes everything in a folder another user's.
fn give(folder: &std::path::Path, uid: u32) {
    std::os::unix::fs::chown(folder, Some(uid), Some(uid)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            give(&path, uid);
        } else {
            std::os::unix::fs::chown(&path, Some(uid), Some(uid)).unwrap();
        }
    }
}
