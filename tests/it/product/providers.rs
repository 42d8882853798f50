//! `tollgate providers`: a provider is added, listed, tried, and found on this machine.

use std::{convert::Infallible, fs};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_tests::{Home, send};

use super::using::{KEY, simulator};
use crate::gateway::{addressed, signed::token_server};

/// What a trial's printed lines say of each thing: `ok`, `FAILED` or `-`.
fn marks(printed: &str) -> Vec<(String, String)> {
    let lines = printed.lines().filter(|it| !it.starts_with("cost "));
    let words = lines.map(|it| it.split_whitespace().take(2).map(str::to_owned));
    words.map(|mut it| (it.next().unwrap(), it.next().unwrap())).collect()
}

fn all_good() -> Vec<(String, String)> {
    ["configured", "reached", "tls", "credential", "answered", "usage"]
        .map(|it| (it.to_owned(), "ok".to_owned()))
        .to_vec()
}

#[tokio::test]
async fn a_provider_is_added_followed_at_once_and_tried_through_the_running_gateway() {
    let simulator = simulator().await;
    let home = Home::new();
    let before = "# my own notes\n[ledger]\nkeep_bodies = true # as I like it\n";
    home.configure(before);
    let product = home
        .serve_with(|it| {
            it.env("LAB_KEY", KEY);
        })
        .await;
    let origin = simulator.base_url();
    let url = format!("{origin}/v1");
    let add = ["providers", "add", "lab", "--base-url", &url, "--format", "openai-chat"];
    let added = home.run(&[&add[..], &["--key-env", "LAB_KEY"]].concat()).await;
    assert_eq!(added.code(), 0, "{}", added.shown());
    let after = fs::read_to_string(home.config()).unwrap();
    assert!(after.starts_with(before), "{after}");

    let client = product.admin();
    let listed = async || {
        let list: Value = client.get("/providers").await.unwrap();
        list.as_array().unwrap().iter().find(|it| it["id"] == "lab").cloned()
    };
    // The running gateway was told; it reads the file soon after.
    let mut lab = listed().await;
    while lab.is_none() {
        tokio::task::yield_now().await;
        lab = listed().await;
    }
    let lab = lab.unwrap();
    assert_eq!((&lab["configured"], &lab["in_catalogue"]), (&json!(true), &json!(false)));
    assert_eq!(lab["credential"], "from $LAB_KEY");
    assert_eq!((&lab["problem"], &lab["last_error"]), (&Value::Null, &Value::Null));

    let tried = home.run(&["providers", "test", "lab", "--model", "gpt-5-mini"]).await;
    assert_eq!(tried.code(), 0, "{}", tried.shown());
    assert_eq!(marks(tried.stdout()), all_good(), "{}", tried.stdout());
    assert!(!tried.shown().contains(KEY));
    // It is a call like any other.
    let call = product.calls(1).await.remove(0);
    assert_eq!(call.provider.as_deref(), Some("lab"));
    assert_eq!(simulator.calls()[0].credential.as_deref(), Some(KEY));

    // Without `--model` one is taken from the provider's own list.
    let chosen = home.run(&["providers", "test", "lab", "--json"]).await;
    assert_eq!(chosen.code(), 0, "{}", chosen.shown());
    assert!(chosen.json()["model"].is_string(), "{}", chosen.stdout());

    let wrong = home.run(&["providers", "test", "lab", "--model", "no-such-model"]).await;
    assert_eq!(wrong.code(), 1);
    let found = marks(wrong.stdout());
    assert_eq!(
        found[3..],
        [("credential", "ok"), ("answered", "FAILED"), ("usage", "-")]
            .map(|(what, mark)| (what.to_owned(), mark.to_owned())),
        "{}",
        wrong.stdout()
    );
    let error = &listed().await.unwrap()["last_error"];
    assert_eq!(error["status"], 404, "{error}");
    let table = home.run(&["providers", "list"]).await;
    let line = table.expect().lines().find(|it| it.starts_with("lab ")).unwrap().to_owned();
    assert!(line.contains("configured, your own") && line.contains("HTTP 404"), "{line}");

    let twice = home.run(&[&add[..], &["--key-env", "LAB_KEY"]].concat()).await;
    assert_eq!(twice.code(), 1);
    assert!(twice.stderr().contains("has an entry already"), "{}", twice.stderr());
    assert_eq!(fs::read_to_string(home.config()).unwrap(), after);
    product.stop().await;
}

#[tokio::test]
async fn what_a_trial_cannot_get_past_is_named_and_what_follows_is_left_open() {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&format!(
        "[[providers]]\nid = 'keyless'\nformat = ['openai-chat']\nbase_url = '{0}/v1'\n\
         auth = 'bearer'\n\
         [[providers]]\nid = 'unset'\nformat = ['openai-chat']\nbase_url = '{0}/v1'\n\
         api_key = {{ env = 'NO_SUCH_KEY' }}\n\
         [[providers]]\nid = 'gone'\nformat = ['openai-chat']\nbase_url = 'http://127.0.0.1:1/v1'\n\
         auth = 'none'\n\
         [[providers]]\nid = 'plain'\nformat = ['openai-chat']\nbase_url = '{1}/v1'\nauth = 'none'\n",
        simulator.base_url(),
        simulator.base_url().replace("http:", "https:"),
    ));
    let product = home.serve().await;
    let check = async |id: &str, failed: &str, says: &str| {
        let tried = home.run(&["providers", "test", id, "--model", "gpt-5-mini"]).await;
        assert_eq!(tried.code(), 1, "{}", tried.shown());
        let line = tried.stdout().lines().find(|it| it.contains("FAILED")).unwrap().to_owned();
        assert!(line.starts_with(failed) && line.contains(says), "{id}: {}", tried.stdout());
        let marks = marks(tried.stdout());
        let after = marks.iter().skip_while(|it| it.1 != "FAILED").skip(1);
        assert!(after.into_iter().all(|it| it.1 == "-"), "{id}: {}", tried.stdout());
    };
    check("keyless", "credential", "No API key").await;
    check("unset", "configured", "`NO_SUCH_KEY` is not set").await;
    check("gone", "reached", "onnection refused").await;
    check("plain", "tls", "TLS").await;
    check("azure", "configured", "`parameters`").await;
    let nobody = home.run(&["providers", "test", "nobody"]).await;
    assert!(nobody.stderr().contains("no such provider"), "{}", nobody.shown());
    product.stop().await;
}

/// A model server of this machine, as llama.cpp, Ollama, vLLM and LM Studio answer; on a free port.
async fn local_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(|request: Request<Incoming>| async move {
                let answer = match (request.method(), request.uri().path()) {
                    (&Method::GET, "/v1/models") => {
                        json!({"object": "list", "data": [{"id": "qwen3:4b"}, {"id": "gemma3"}]})
                    }
                    (&Method::POST, "/v1/chat/completions") => json!({
                        "id": "c1", "object": "chat.completion", "created": 1, "model": "qwen3:4b",
                        "choices": [{"index": 0, "finish_reason": "stop",
                            "message": {"role": "assistant", "content": "OK"}}],
                        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
                    }),
                    _ => json!({"error": "not found"}),
                };
                let answer = Full::new(Bytes::from(answer.to_string()));
                let answer =
                    Response::builder().header("content-type", "application/json").body(answer);
                Ok::<_, Infallible>(answer.unwrap())
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    origin
}

#[tokio::test]
async fn a_server_on_this_machine_is_found_with_its_models_and_tried_without_a_gateway() {
    let origin = local_server().await;
    let home = Home::new();
    home.configure(&format!(
        "[[providers]]\nid = 'ollama'\nbase_url = '{origin}/v1'\n\
         [[providers]]\nid = 'vllm'\nbase_url = 'http://127.0.0.1:1/v1'\n"
    ));
    // No gateway runs: the command makes one for itself and leaves nothing behind.
    let list = home.run(&["providers", "list", "--json"]).await;
    let list = list.json();
    let of = |id: &str| list.as_array().unwrap().iter().find(|it| it["id"] == id).unwrap().clone();
    let ollama = of("ollama");
    assert_eq!(ollama["local"]["running"], true, "{ollama}");
    assert_eq!(ollama["local"]["models"], json!(["qwen3:4b", "gemma3"]));
    let vllm = of("vllm");
    assert_eq!(vllm["local"]["running"], false, "{vllm}");
    assert!(vllm["local"]["problem"].as_str().unwrap().contains("refused"), "{vllm}");
    assert_eq!(of("openai")["local"], Value::Null);
    let table = home.run(&["providers", "list"]).await;
    let line = table.expect().lines().find(|it| it.starts_with("ollama ")).unwrap().to_owned();
    assert!(line.contains("runs, 2 models") && line.contains("none needed"), "{line}");

    let tried = home.run(&["providers", "test", "ollama"]).await;
    assert_eq!(tried.code(), 0, "{}", tried.shown());
    assert_eq!(marks(tried.stdout()), all_good());
    assert!(tried.stdout().contains("5 tokens in, 1 out"), "{}", tried.stdout());
    assert!(tried.stdout().lines().any(|it| it.starts_with("cost") && it.contains("$0.00")));
    let left: Vec<_> = fs::read_dir(home.runtime()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!home.data().join("ledger.db").exists(), "the ledger of its user is not touched");
}

#[tokio::test]
async fn models_that_can_be_reached_are_listed_and_served_by_the_providers_name() {
    let origin = local_server().await;
    let home = Home::new();
    home.configure(&format!(
        "[[providers]]\nid = 'ollama'\nbase_url = '{origin}/v1'\n\
         [[providers]]\nid = 'groq'\napi_key = {{ env = 'NOT_SET' }}\n\
         [[models]]\nname = 'fast'\nconnect_timeout_s = 3\n\
         targets = [{{ provider = 'ollama', model = 'gemma3' }},\
                    {{ provider = 'mistral', model = 'm' }}]\n"
    ));
    let product = home.serve().await;
    let listed = product.run(&["models", "list"]).await;
    let lines: Vec<_> = listed.expect().lines().collect();
    assert!(lines[1].starts_with("fast ") && lines[1].contains("no answer yet"), "{lines:?}");
    assert!(lines[2].contains("unavailable: no credential is configured"), "{lines:?}");
    let own = lines.iter().filter(|it| it.starts_with("ollama/"));
    assert!(own.copied().eq(["ollama/qwen3:4b", "ollama/gemma3"]), "{lines:?}");
    assert!(listed.stderr().contains("left out: the models of `groq`"), "{}", listed.stderr());
    assert!(listed.stderr().contains("NOT_SET"), "{}", listed.stderr());

    let body =
        r#"{"model":"ollama/gemma3","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    let request = Request::post("/v1/messages").header("content-type", "application/json");
    let request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
    assert_eq!(send(product.listen, request).await.status(), 200);
    let call = product.calls(1).await.remove(0);
    assert_eq!(call.provider.as_deref(), Some("ollama"));
    assert_eq!(call.model_asked.as_deref(), Some("ollama/gemma3"));
}

#[tokio::test]
async fn an_entry_that_says_nothing_new_or_is_wrong_is_not_added() {
    let home = Home::new();
    let check = async |args: &[&str], says: &str| {
        let added = home.run(&[&["providers", "add"], args].concat()).await;
        assert_ne!(added.code(), 0, "{}", added.shown());
        assert!(added.stderr().contains(says), "{}", added.stderr());
        assert!(!home.config().exists());
    };
    check(&["groq"], "--key-keyring groq").await;
    check(&["lab"], "needs `base_url` and `format`").await;
    check(&["azure", "--key-env", "K"], "resource").await;
    check(&["azure", "--parameter", "resource"], "NAME=VALUE").await;
    check(&["groq", "--key-env", "K", "--key-keyring", "groq"], "cannot be used with").await;
    let added = home.run(&["providers", "add", "groq", "--key-keyring", "groq"]).await;
    assert_eq!(added.code(), 0, "{}", added.shown());
    assert!(added.stderr().contains("tollgate providers login groq"), "{}", added.stderr());
}

#[tokio::test]
async fn azures_deployments_and_vertex_are_added_and_tried() {
    let (origin, log) = addressed::serve().await;
    let home = Home::new();
    let key = home.path().join("vertex.json");
    let (tokens, _) = token_server().await;
    let login = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s",
        "refresh_token": "r", "token_uri": tokens});
    fs::write(&key, login.to_string()).unwrap();
    let add = async |arguments: &[&str]| {
        let added = home.run(&[&["providers", "add"], arguments].concat()).await;
        assert_eq!(added.code(), 0, "{}", added.shown());
    };
    let azure = format!("{origin}/openai");
    let version = ["--api-version", "2024-10-21", "--key-env", "AZURE_KEY"];
    add(&[&["azure", "--base-url", &azure, "--format", "openai-chat"], &version[..]].concat())
        .await;
    let vertex = format!("{origin}/v1/projects/p/locations/r/publishers/google");
    let key = key.to_str().unwrap();
    add(&["google-vertex", "--base-url", &vertex, "--format", "gemini", "--google", key]).await;
    let wrong = ["providers", "add", "groq", "--api-version", "2024-10-21"];
    let wrong = home.run(&wrong).await;
    assert!(wrong.code() == 1 && wrong.shown().contains("`groq` is another"), "{}", wrong.shown());

    let product = home
        .serve_with(|it| {
            it.env("AZURE_KEY", KEY);
        })
        .await;
    let deployment = home.run(&["providers", "test", "azure", "--model", "gpt-4.1-mini"]).await;
    assert_eq!(marks(deployment.stdout()), all_good(), "{}", deployment.shown());
    let path = "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21";
    assert_eq!(addressed::sent_to(&log), path);
    let gemini = ["providers", "test", "google-vertex", "--model", "gemini-2.5-flash"];
    let gemini = home.run(&gemini).await;
    assert_eq!(marks(gemini.stdout()), all_good(), "{}", gemini.shown());
    let received = log.calls().pop().unwrap();
    let path =
        "/v1/projects/p/locations/r/publishers/google/models/gemini-2.5-flash:generateContent";
    assert_eq!(received.path(), path);
    assert_eq!(received.headers["authorization"], "Bearer entra-token");
    // What Azure lists is not what is deployed there.
    let unnamed = home.run(&["providers", "test", "azure"]).await;
    assert!(unnamed.stdout().contains("name one with `--model`"), "{}", unnamed.shown());
    product.stop().await;
}
