//! Endpoints that are asked for a model in a way of their own: Azure's deployments, and Claude on
//! Vertex AI.

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_core::{
    Format, Secret,
    call::Outcome,
    provider::{Addressing, Auth, Catalogue},
};
use tollgate_gateway::{EntraKey, GoogleKey, ProviderSetup, Signing};
use tollgate_simulator::{CallLog, SimulatorConfig, router};
use tower::ServiceExt as _;

use super::{
    catalogue::{SENT_TO, as_the_inventor},
    harness::{Door, Whole, ask, post, priced},
    signed::token_server,
};

/// The simulator behind what Azure and Vertex AI take, and what reached it.
pub(crate) async fn serve() -> (String, CallLog) {
    let log = CallLog::new();
    let simulator = router(SimulatorConfig::default(), log.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let simulator = simulator.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let simulator = simulator.clone();
                async move {
                    let (mut head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let mut body: Value = serde_json::from_slice(&body).unwrap();
                    if let Err(why) = as_the_inventor(&mut head, &mut body) {
                        let answer = http::Response::builder().status(400).body(Body::from(why));
                        return Ok(answer.unwrap());
                    }
                    head.headers.remove(header::CONTENT_LENGTH);
                    if let Some(key) = head.headers.get("api-key") {
                        let key = format!("Bearer {}", key.to_str().unwrap());
                        head.headers.insert("authorization", key.parse().unwrap());
                    }
                    if head.uri.path().starts_with("/v1/messages") {
                        head.headers.insert("x-api-key", "any".parse().unwrap());
                    }
                    let request = Request::from_parts(head, Body::from(body.to_string()));
                    simulator.oneshot(request).await
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (origin, log)
}

pub(crate) fn sent_to(log: &CallLog) -> String {
    log.calls().pop().unwrap().headers[SENT_TO].to_str().unwrap().to_owned()
}

/// Azure as it is with `api_version = "2024-10-21"`.
fn azure(origin: &str) -> ProviderSetup {
    let mut provider = Catalogue::embedded().unwrap().get("azure").unwrap().clone();
    for endpoint in &mut provider.endpoints {
        endpoint.base_url = format!("{origin}/openai");
        endpoint.addressing = Addressing::Deployments("2024-10-21".to_owned());
    }
    provider.endpoints.retain(|it| it.format != Format::OpenaiResponses);
    let credential = Some(Secret::new("azure-key".to_owned()));
    ProviderSetup { credential, ..ProviderSetup::new(provider) }
}

const MESSAGES: &str = r#"{"model":"MODEL","max_tokens":64,"stream":true,
    "messages":[{"role":"user","content":"Hello there"}]}"#;

async fn ask_for(door: &Door, path: &str, body: &str, model: &str) -> Whole {
    ask(door.addr, post(path, &body.replace("MODEL", model))).await
}

#[tokio::test]
async fn azures_deployments_serve_clients_of_any_format_and_its_own() {
    let (origin, log) = serve().await;
    let door = Door::open(priced(vec![azure(&origin)])).await;
    let path = "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21";
    let chat = r#"{"model":"MODEL","messages":[{"role":"user","content":"Hi"}]}"#;
    let got = ask_for(&door, "/v1/chat/completions", chat, "azure/gpt-4.1-mini").await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert_eq!(sent_to(&log), path);
    let got = ask_for(&door, "/v1/messages?beta=true", MESSAGES, "azure/gpt-4.1-mini").await;
    assert!(got.text().contains("event: message_stop"), "{}", got.text());
    assert_eq!(sent_to(&log), path);
    let vectors = r#"{"model":"MODEL","input":"One"}"#;
    let got = ask_for(&door, "/v1/embeddings", vectors, "azure/text-embedding-3-small").await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert!(sent_to(&log).starts_with("/openai/deployments/text-embedding-3-small/embeddings?"));
    // As Azure's own clients ask, below the provider's path.
    let got = ask_for(&door, &format!("/p/azure{path}"), chat, "whatever").await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert_eq!(sent_to(&log), path);
    let calls = door.seen.calls(4).await;
    for call in &calls {
        assert_eq!((call.outcome, call.provider.as_deref()), (Outcome::Finished, Some("azure")));
        assert!(call.usage.input.is_some_and(|it| it > 0), "{call:?}");
    }
}

#[tokio::test]
async fn azures_deployments_take_entras_tokens() {
    let (origin, log) = serve().await;
    let (tokens, _) = token_server().await;
    let secret = Secret::new("app-secret".to_owned());
    let key = EntraKey::new("tenant", "app".to_owned(), secret, Some(&tokens)).unwrap();
    let mut setup = azure(&origin);
    setup.provider.auth = Auth::Entra;
    let setup = ProviderSetup { credential: None, signing: Some(Signing::Entra(key)), ..setup };
    let door = Door::open(priced(vec![setup])).await;
    let chat = r#"{"model":"MODEL","messages":[{"role":"user","content":"Hi"}]}"#;
    let paths = [
        ("/v1/chat/completions", "azure/gpt-4.1-mini"),
        ("/p/azure/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21", "x"),
    ];
    for (path, model) in paths {
        let got = ask_for(&door, path, chat, model).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text());
        let received = log.calls().pop().unwrap();
        assert_eq!(received.headers["authorization"], "Bearer entra-token");
    }
}

#[tokio::test]
async fn claude_on_vertex_serves_clients_of_any_format_and_its_own() {
    let (origin, log) = serve().await;
    let (tokens, _) = token_server().await;
    let mut provider = Catalogue::embedded().unwrap().get("google-vertex").unwrap().clone();
    for endpoint in &mut provider.endpoints {
        let (_, path) = endpoint.base_url.split_once(".com").unwrap();
        endpoint.base_url =
            format!("{origin}{path}").replace("{project}", "p").replace("{region}", "r");
    }
    let key = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s",
        "refresh_token": "r", "token_uri": tokens});
    let signing = Some(Signing::Google(GoogleKey::parse(&key.to_string()).unwrap()));
    let door =
        Door::open(priced(vec![ProviderSetup { signing, ..ProviderSetup::new(provider) }])).await;
    let base = "/v1/projects/p/locations/r/publishers/anthropic/models";
    let claude = "google-vertex/claude-sonnet-4-5";

    let got = ask_for(&door, "/v1/messages?beta=true", MESSAGES, claude).await;
    assert!(got.text().contains("event: message_stop"), "{}", got.text());
    assert_eq!(sent_to(&log), format!("{base}/claude-sonnet-4-5:streamRawPredict"));
    let received = log.calls().pop().unwrap();
    assert_eq!(received.headers["authorization"], "Bearer entra-token");
    let chat = r#"{"model":"MODEL","messages":[{"role":"user","content":"Hi"}]}"#;
    let got = ask_for(&door, "/v1/chat/completions", chat, claude).await;
    assert_eq!(got.json()["object"], "chat.completion", "{}", got.text());
    assert_eq!(sent_to(&log), format!("{base}/claude-sonnet-4-5:rawPredict"));
    // As Anthropic's client for Vertex AI asks, below the provider's path.
    let own = r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":64,"stream":true,
        "messages":[{"role":"user","content":"Hello there"}]}"#;
    let path = format!("/p/google-vertex{base}/claude-sonnet-4-5:streamRawPredict");
    let got = ask_for(&door, &path, own, "").await;
    assert!(got.text().contains("event: message_stop"), "{}", got.text());
    let missing = ask_for(&door, "/v1/chat/completions", chat, "google-vertex/claude-none").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.json()["error"]["message"].is_string(), "{}", missing.text());

    let calls = door.seen.calls(4).await;
    for call in &calls[..3] {
        assert_eq!(
            (call.outcome, call.provider.as_deref()),
            (Outcome::Finished, Some("google-vertex"))
        );
        assert!(call.usage.output.is_some_and(|it| it > 0), "{call:?}");
    }
    assert_eq!(calls[2].format, Some(Format::AnthropicMessages));
    assert_eq!(calls[2].model_asked.as_deref(), Some("claude-sonnet-4-5"));
    assert!(calls[2].streaming);

    // A count is asked for by a name of its own, with the model in the body.
    let prompt = r#"{"contents":[{"role":"user","parts":[{"text":"Hello there"}]}]}"#;
    let path = "/v1beta/models/google-vertex%2Fclaude-sonnet-4-5:countTokens";
    let got = ask_for(&door, path, prompt, "").await;
    assert!(got.json()["totalTokens"].as_u64().is_some_and(|it| it > 0), "{}", got.text());
    assert_eq!(sent_to(&log), format!("{base}/count-tokens:rawPredict"));

    // Another model of the same provider is Gemini's.
    let other = ask_for(&door, "/v1/messages", MESSAGES, "google-vertex/gemini-2.5-flash").await;
    let received = log.calls().pop().unwrap();
    assert!(!received.headers.contains_key(SENT_TO), "{}", other.text());
    let asked_at = "/publishers/google/models/gemini-2.5-flash:streamGenerateContent";
    assert!(received.path().ends_with(asked_at), "{}", received.uri);
    let count = MESSAGES.replace(r#""max_tokens":64,"stream":true,"#, "");
    let model = "google-vertex/gemini-2.5-flash";
    let got = ask_for(&door, "/v1/messages/count_tokens", &count, model).await;
    assert!(got.json()["input_tokens"].as_u64().is_some_and(|it| it > 0), "{}", got.text());
    let received = log.calls().pop().unwrap();
    assert!(received.path().ends_with("/publishers/google/models/gemini-2.5-flash:countTokens"));
    let sent: Value = serde_json::from_slice(&received.request).unwrap();
    assert!(sent.get("contents").is_some_and(Value::is_array), "{sent}");
    assert!(sent.get("generateContentRequest").is_none(), "{sent}");
}
