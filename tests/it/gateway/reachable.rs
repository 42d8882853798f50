//! Providers' models by `<provider>/<model>`, and the lists that name them.

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::net::TcpListener;
use tollgate_core::{
    Format,
    call::{ErrorCode, Outcome},
    routing::AttemptResult,
};
use tollgate_gateway::Snapshot;
use tollgate_simulator::Simulator;

use super::{
    harness::{CLIENT_KEY, Door, Whole, ask, keyed, post, priced, setup, simulator},
    routing::{Town, model},
};

fn chat(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hi"}}]}}"#)
}

#[tokio::test]
async fn a_configured_providers_model_is_served_by_its_name_to_a_client_of_any_format() {
    let town = Town::open(Vec::new()).await;
    let answer = town.ask("/v1/chat/completions", &chat("groq/gpt-4.1-mini")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = town.other.calls();
    assert_eq!(seen[0].request, chat("gpt-4.1-mini"), "only the name changes");
    assert_eq!(seen[0].headers["authorization"], "Bearer sk-groq");
    let (settled, routing) = town.settled().await;
    assert_eq!(settled.call.provider.as_deref(), Some("groq"));
    assert_eq!(settled.call.model_asked.as_deref(), Some("groq/gpt-4.1-mini"));
    assert_eq!(routing.model.as_deref(), Some("groq/gpt-4.1-mini"));
    assert_eq!(routing.attempts[0].model, "gpt-4.1-mini");
    assert_eq!(routing.attempts[0].result, AttemptResult::Answered(200));

    let town = Town::open(Vec::new()).await;
    let messages = r#"{"model":"groq/gpt-4.1-mini","max_tokens":64,"top_k":3,
        "messages":[{"role":"user","content":"Hi"}]}"#;
    let answer = town.ask("/v1/messages", messages).await;
    assert_eq!(answer.json()["type"], "message", "{}", answer.text());
    let (settled, routing) = town.settled().await;
    assert_eq!(settled.call.outcome, Outcome::Finished);
    assert_eq!(routing.attempts[0].translated_to, Some(Format::OpenaiChat));
    assert_eq!(routing.request_losses[0].field, "top_k");

    let town = Town::open(Vec::new()).await;
    let body = r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#;
    let path = "/v1beta/models/anthropic/claude-haiku-4-5:generateContent";
    let answer = town.ask(path, body).await;
    assert!(answer.json()["candidates"].is_array(), "{}", answer.text());
    let seen = town.other.calls().remove(0);
    assert_eq!(seen.path(), "/v1/messages");
    let sent: serde_json::Value = serde_json::from_slice(&seen.request).unwrap();
    assert_eq!(sent["model"], "claude-haiku-4-5");
    let path = "/v1beta/models/google/gemini-2.5-flash:generateContent";
    assert_eq!(town.ask(path, body).await.status, StatusCode::OK);
    let seen = town.other.calls().pop().unwrap();
    assert_eq!(seen.path(), "/v1beta/models/gemini-2.5-flash:generateContent");

    let vectors = r#"{"model":"google/gemini-embedding-001","input":"One"}"#;
    let answer = town.ask("/v1/embeddings", vectors).await;
    assert!(answer.json()["data"][0]["embedding"].is_array(), "{}", answer.text());
}

#[tokio::test]
async fn a_name_that_begins_with_no_provider_of_the_users_goes_where_it_always_went() {
    let mut own = model(&[("groq", "gpt-4.1-mini")]);
    own.name = "anthropic/claude-haiku-4-5".to_owned();
    let (one, other) = (simulator().await, simulator().await);
    let providers = vec![
        keyed("openai", &one.base_url(), "sk-openai"),
        keyed("groq", &other.base_url(), "sk-groq"),
        keyed("anthropic", &other.base_url(), "sk-anthropic"),
        // In the catalogue, but with no key of the user's.
        setup("mistral", &other.base_url()),
    ];
    let unavailable = vec![("xai".to_owned(), "provider xai: the keyring is locked".to_owned())];
    let snapshot = Snapshot { models: vec![own], unavailable, ..priced(providers) };
    let door = Door::open(snapshot).await;
    let ask = async |path: &str, model: &str| ask(door.addr, post(path, &chat(model))).await;
    for name in ["mistral/mistral-large", "nobody/m", "gpt-5-mini", "groq/", "/gpt-5", "groq"] {
        ask("/v1/chat/completions", name).await;
        assert_eq!(one.calls().pop().unwrap().request, chat(name));
    }
    assert!(other.calls().is_empty());
    // Below a provider's own path names are its own.
    ask("/p/groq/openai/v1/chat/completions", "anthropic/claude-haiku-4-5").await;
    assert_eq!(other.calls().pop().unwrap().request, chat("anthropic/claude-haiku-4-5"));
    // A model of the user's own wins.
    let answer = ask("/v1/chat/completions", "anthropic/claude-haiku-4-5").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(other.calls().pop().unwrap().request, chat("gpt-4.1-mini"));
    // One that is configured and cannot be called now says why, and the call goes to nobody else.
    let before = one.calls().len();
    let answer = ask("/v1/chat/completions", "xai/grok-4").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text().contains("the keyring is locked"), "{}", answer.text());
    assert_eq!(one.calls().len(), before);
}

#[tokio::test]
async fn the_clients_key_stays_with_the_provider_that_it_is_for() {
    let (one, other) = (simulator().await, simulator().await);
    let providers = vec![setup("openai", &one.base_url()), setup("ollama", &other.base_url())];
    let door = Door::open(priced(providers)).await;
    ask(door.addr, post("/v1/chat/completions", &chat("ollama/gpt-5"))).await;
    let seen = other.calls().remove(0);
    assert_eq!((seen.credential, seen.request), (None, chat("gpt-5").into()));
    ask(door.addr, post("/v1/chat/completions", &chat("openai/gpt-5"))).await;
    assert_eq!(one.calls()[0].headers["authorization"], format!("Bearer {CLIENT_KEY}"));
}

async fn list(door: &Door, path: &str, key: &str) -> Whole {
    let value = if key == "authorization" { "Bearer sk-x" } else { "sk-x" };
    let request = Request::get(path).header(key, value).body(Bytes::new()).unwrap();
    ask(door.addr, request).await
}

fn ids(answer: &Whole) -> Vec<String> {
    let json = answer.json();
    let (list, name) = match json.get("data") {
        Some(list) => (list, "id"),
        None => (&json["models"], "name"),
    };
    let ids = list.as_array().unwrap().iter().map(|it| it[name].as_str().unwrap().to_owned());
    ids.collect()
}

fn asked_for_models(simulator: &Simulator) -> usize {
    simulator.calls().iter().filter(|it| it.path().ends_with("/models")).count()
}

#[tokio::test]
async fn a_list_names_the_models_of_every_provider_that_can_be_reached_and_waits_for_no_other() {
    let (one, other) = (simulator().await, simulator().await);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let providers = vec![
        setup("openai", &one.base_url()),
        setup("mistral", &other.base_url()),
        keyed("anthropic", &other.base_url(), "sk-anthropic"),
        keyed("google", &other.base_url(), "sk-google"),
        keyed("groq", &format!("http://{}", silent.local_addr().unwrap()), "sk-groq"),
        setup("vllm", "http://127.0.0.1:1"),
    ];
    let unavailable = vec![("xai".to_owned(), "provider xai: locked".to_owned())];
    let models = vec![model(&[("groq", "gpt-4.1-mini")])];
    let door = Door::open(Snapshot { models, unavailable, ..priced(providers) }).await;
    let openai = list(&door, "/v1/models", "authorization").await;
    let names = ids(&openai);
    let at = |name: &str| names.iter().position(|it| it == name);
    assert_eq!(at("fast"), Some(0));
    assert!(at("anthropic/claude-haiku-4-5-20251001") < at("google/gemini-2.5-flash"), "{names:?}");
    assert!(at("anthropic/claude-haiku-4-5-20251001") > Some(0), "{names:?}");
    assert!(at("google/gemini-2.5-flash") < at("gpt-5"), "{names:?}");
    let listed = |prefix: &str| names.iter().filter(|it| it.starts_with(prefix)).count();
    assert_eq!([listed("groq/"), listed("mistral/"), listed("vllm/"), listed("openai/")], [0; 4]);
    assert_eq!(listed("google/"), 4, "{names:?}");

    // The next lists ask nobody but the provider that the client means.
    let asked = asked_for_models(&other);
    let google = ids(&list(&door, "/v1beta/models", "x-goog-api-key").await);
    assert_eq!(google[..2], ["models/fast", "models/anthropic/claude-sonnet-4-5-20250929"]);
    assert!(google.contains(&"models/gemini-2.5-flash".to_owned()), "{google:?}");
    assert_eq!(asked_for_models(&other), asked + 1);

    let told = door.gateway.reachable().await;
    let left_out = told
        .iter()
        .filter_map(|it| Some((it.provider.as_str(), it.models.as_ref().err()?.as_str())));
    let left_out: Vec<_> = left_out.collect();
    assert_eq!(left_out[0], ("groq", "no answer within 2000 ms"));
    assert!(left_out[1].0 == "vllm" && left_out[1].1.contains("refused"), "{left_out:?}");
    assert_eq!(left_out[2], ("xai", "provider xai: locked"));
    assert_eq!(list(&door, "/v1/models/google/x", "authorization").await.json()["id"], "google/x");
}

#[tokio::test]
async fn a_list_is_the_providers_own_where_nothing_else_can_be_reached() {
    let simulator = simulator().await;
    let origin = simulator.base_url();
    let door = Door::open(priced(vec![setup("openai", &origin), setup("groq", &origin)])).await;
    let through = list(&door, "/v1/models", "authorization").await;
    let own = list(&door, "/p/openai/v1/models", "authorization").await;
    assert_eq!(through.body, own.body);
    // Also what it refuses.
    let without = Request::get("/v1/models").header("authorization", "").body(Bytes::new());
    let refused = ask(door.addr, without.unwrap()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.text());
}

#[tokio::test]
async fn a_connection_may_take_as_long_as_the_route_says() {
    // It takes the connection and never speaks TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("https://{}", silent.local_addr().unwrap());
    let simulator = simulator().await;
    let mut quick = model(&[("openai", "gpt-5-mini"), ("groq", "gpt-4.1-mini")]);
    quick.patience.connect = Some(std::time::Duration::from_millis(80));
    let providers = vec![
        keyed("openai", &nowhere, "sk-openai"),
        keyed("groq", &simulator.base_url(), "sk-groq"),
    ];
    let door = Door::open(Snapshot { models: vec![quick], ..priced(providers) }).await;
    let answer = ask(door.addr, post("/v1/chat/completions", &chat("fast"))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    door.seen.calls(1).await;
    let routing = door.seen.ledger()[0].routing.clone().unwrap();
    let AttemptResult::Failed { code, message } = &routing.attempts[0].result else {
        panic!("{routing:?}")
    };
    assert_eq!(*code, ErrorCode::Timeout);
    assert!(message.contains("80 ms"), "{message}");
}
