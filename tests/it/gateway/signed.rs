//! Providers whose requests are signed, or carry a token that is got first.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tollgate_core::{
    Format, Secret,
    call::ErrorCode,
    provider::{Auth, Catalogue},
    routing::Strategy,
};
use tollgate_gateway::{
    AwsKeys, EntraKey, GoogleKey, Model, ModelPatience, ProviderSetup, Signing, Snapshot, Target,
};
use tollgate_simulator::Simulator;

use super::harness::{Door, ask, keyed, post, priced, simulator};

const CHAT: &str = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"x"}]}"#;

pub(super) fn aws() -> Signing {
    Signing::Aws {
        keys: AwsKeys::Fixed {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("aws-secret".to_owned()),
            session: Some(Secret::new("aws-session".to_owned())),
        },
        region: "eu-west-1".to_owned(),
    }
}

/// The catalogue's row, at the simulator, with its requests signed.
pub(super) fn signed(
    id: &str,
    simulator: &Simulator,
    auth: Auth,
    signing: Signing,
) -> ProviderSetup {
    let mut provider = Catalogue::embedded().unwrap().get(id).unwrap().clone();
    provider.endpoints.retain(|it| it.format == Format::OpenaiChat);
    for endpoint in &mut provider.endpoints {
        endpoint.base_url = format!("{}/v1", simulator.base_url());
    }
    provider.auth = auth;
    ProviderSetup { signing: Some(signing), ..ProviderSetup::new(provider) }
}

#[tokio::test]
async fn a_request_is_signed_in_place_of_the_clients_key_and_its_body_stays() {
    let simulator = simulator().await;
    let bedrock = signed("amazon-bedrock", &simulator, Auth::Aws, aws());
    let door = Door::open(priced(vec![bedrock])).await;
    let got = ask(door.addr, post("/p/amazon-bedrock/v1/chat/completions", CHAT)).await;
    // The simulator knows no signatures.
    assert_eq!(got.status, 401, "{}", got.text());
    let received = simulator.calls().remove(0);
    assert_eq!(received.request, CHAT);
    let header = |name: &str| received.headers[name].to_str().unwrap().to_owned();
    let authorization = header("authorization");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261101/eu-west-1")
    );
    let covered = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token";
    assert!(authorization.contains(covered), "{authorization}");
    assert_eq!(received.headers.get_all("authorization").iter().count(), 1);
    assert_eq!(header("x-amz-security-token"), "aws-session");
    let ledger = format!("{:?} {:?}", door.seen.calls(1).await, door.seen.ledger());
    assert!(!ledger.contains("aws-secret") && !ledger.contains("aws-session"), "{ledger}");
}

#[tokio::test]
async fn a_body_of_a_path_that_is_not_known_is_signed_too() {
    let simulator = simulator().await;
    let bedrock = signed("amazon-bedrock", &simulator, Auth::Aws, aws());
    let door = Door::open(priced(vec![bedrock])).await;
    let sign = async |body: &str| {
        ask(door.addr, post("/p/amazon-bedrock/guardrail/1/apply", body)).await;
        let received = simulator.log().calls().pop();
        received.map(|it| (it.request, it.headers["authorization"].to_str().unwrap().to_owned()))
    };
    let (first, one) = sign("not json").await.unwrap();
    let (_, other) = sign("not json either").await.unwrap();
    assert_eq!(first, "not json");
    assert_ne!(one, other, "the signature covers the body");
}

#[tokio::test]
async fn a_client_that_signs_itself_passes_where_nothing_is_configured() {
    let simulator = simulator().await;
    let unsigned =
        ProviderSetup { signing: None, ..signed("amazon-bedrock", &simulator, Auth::Aws, aws()) };
    let door = Door::open(priced(vec![unsigned])).await;
    let mut request = post("/p/amazon-bedrock/v1/chat/completions", CHAT);
    request.headers_mut().insert("authorization", "AWS4-HMAC-SHA256 own".parse().unwrap());
    ask(door.addr, request).await;
    assert_eq!(simulator.calls()[0].headers["authorization"], "AWS4-HMAC-SHA256 own");
}

/// Somebody logged in whose token server is gone.
fn stale_login() -> Signing {
    let key = json!({
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "google-secret",
        "refresh_token": "google-refresh",
        "token_uri": "http://127.0.0.1:1/token",
    });
    Signing::Google(GoogleKey::parse(&key.to_string()).unwrap())
}

#[tokio::test]
async fn without_a_token_the_provider_is_not_called_and_the_client_told_why() {
    let simulator = simulator().await;
    let vertex = signed("google-vertex", &simulator, Auth::Google, stale_login());
    let door = Door::open(priced(vec![vertex])).await;
    let got = ask(door.addr, post("/p/google-vertex/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, 401, "{}", got.text());
    let message = got.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("get a token from `127.0.0.1`"), "{message}");
    assert!(!message.contains("google-secret") && !message.contains("google-refresh"));
    assert!(simulator.calls().is_empty());
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!(call.error_code, Some(ErrorCode::NoCredential));
    assert_eq!((call.cost, call.cost_unknown), (None, None), "nothing was billed");
}

#[tokio::test]
async fn a_model_falls_back_from_a_target_that_cannot_be_signed_for() {
    let simulator = simulator().await;
    let vertex = signed("google-vertex", &simulator, Auth::Google, stale_login());
    let target = |provider: &str| Target {
        provider: provider.to_owned(),
        model: "gpt-5-mini".to_owned(),
        weight: 1,
    };
    let model = Model {
        name: "smart".to_owned(),
        strategy: Strategy::Fallback,
        targets: vec![target("google-vertex"), target("groq")],
        retries: 0,
        patience: ModelPatience::default(),
    };
    let providers = vec![vertex, keyed("groq", &simulator.base_url(), "sk-groq")];
    let snapshot = Snapshot { models: vec![model], ..priced(providers) };
    let door = Door::open(snapshot).await;
    let body = CHAT.replace("gpt-5-mini", "smart");
    let got = ask(door.addr, post("/v1/chat/completions", &body)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(door.seen.calls(1).await[0].provider.as_deref(), Some("groq"));
}

/// A token server on a free port that counts who asked.
pub(crate) async fn token_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<AtomicUsize> = Arc::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let seen = Arc::clone(&seen);
            let service = service_fn(move |_| {
                seen.fetch_add(1, Ordering::Relaxed);
                let token = json!({"access_token": "entra-token", "expires_in": 3600});
                let token = Full::new(Bytes::from(token.to_string()));
                async move { Ok::<_, Infallible>(Response::new(token)) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (origin, asked)
}

#[tokio::test]
async fn a_token_outlives_a_change_of_the_configuration() {
    let simulator = simulator().await;
    let (tokens, asked) = token_server().await;
    let entra = || {
        let secret = Secret::new("app-secret".to_owned());
        let key = EntraKey::new("tenant", "app".to_owned(), secret, Some(&tokens));
        let signing = Signing::Entra(key.unwrap());
        priced(vec![signed("azure", &simulator, Auth::Entra, signing)])
    };
    let door = Door::open(entra()).await;
    let request = || {
        let body = Bytes::from_static(CHAT.as_bytes());
        let request = Request::post("/p/azure/v1/chat/completions").header("api-key", "theirs");
        request.header("content-type", "application/json").body(body).unwrap()
    };
    ask(door.addr, request()).await;
    door.gateway.replace(entra()).unwrap();
    ask(door.addr, request()).await;
    for received in simulator.calls() {
        assert_eq!(received.headers["authorization"], "Bearer entra-token");
        assert!(!received.headers.contains_key("api-key"));
    }
    assert_eq!(simulator.calls().len(), 2);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "one token for both");
}
