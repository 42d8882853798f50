//! Prices: fetched anew, set, and applied to old calls.

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};
use tollgate_app::api::prices::PricesView;
use tollgate_simulator::Simulator;
use tollgate_tests::{Home, PATIENCE, Product, send};

use super::using::{CHAT, KEY, shape, simulator};

/// A server of one document, which may be changed.
struct List {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
}

impl List {
    async fn start(text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api.json", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((200, text.to_owned())));
        let served = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let (status, text) = served.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let length = text.len();
                let head = format!(
                    "HTTP/1.1 {status} It\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
                );
                let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
            }
        });
        Self { url, answer }
    }

    fn says(&self, status: u16, text: &str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = (status, text.to_owned());
    }
}

/// A list in models.dev's shape in which Mistral sells the simulator's model.
fn listed(input: &str) -> String {
    format!(
        r#"{{"mistral":{{"models":{{
            "gpt-5-mini":{{"cost":{{"input":{input},"output":6,"cache_read":0.2}}}},
            "misspelt":{{"cost":{{"input":1,"output":2,"cache_input":0.1}}}},
            "per-token":{{"cost":{{"input":0.000002,"output":2}}}},
            "negative":{{"cost":{{"input":-1,"output":2}}}},
            "devstral-2512":{{"cost":{{"input":900,"output":2}}}}
        }}}}}}"#
    )
}

/// A home in which Mistral is the simulator and prices come from `list`.
fn home_with(simulator: &Simulator, list: &List) -> Arc<Home> {
    let home = Home::new();
    home.configure(&format!(
        "[[providers]]\nid = 'mistral'\nformat = ['openai-chat']\nbase_url = '{}/v1'\n\n\
         [price_refresh]\nlist = 'models-dev'\nurl = '{}'\n",
        simulator.base_url(),
        list.url
    ));
    home
}

async fn call(product: &Product) {
    let request = Request::post("/p/mistral/v1/chat/completions")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(Bytes::from_static(CHAT.as_bytes()))
        .unwrap();
    assert_eq!(send(product.listen, request).await.status(), 200);
}

/// Waits until the gateway prices Mistral's model by what has this in its id.
async fn follows(product: &Product, part: &str) {
    let following = async {
        loop {
            let path = "/prices?provider=mistral&text=gpt-5-mini";
            let view: PricesView = product.admin().get(path).await.unwrap();
            if view.rows.iter().any(|it| it.id.contains(part)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, following).await.expect("the gateway to follow the prices");
}

#[tokio::test]
async fn an_unpriced_model_is_priced_by_a_refresh_and_its_old_calls_by_repricing() {
    let (simulator, list) = (simulator().await, List::start(&listed("2")).await);
    let product = home_with(&simulator, &list).serve().await;
    call(&product).await;
    let calls = product.calls(1).await;
    assert_eq!(calls[0].cost_unknown.as_deref(), Some("no-price"));

    // Nothing is kept of a dry run.
    let dry = product.run(&["prices", "refresh", "--dry-run"]).await;
    assert!(dry.expect().contains("1 prices added, 0 changed"), "{}", dry.shown());
    assert!(!product.home().data().join("prices.json").exists());

    let done = product.run(&["prices", "refresh"]).await;
    assert!(done.expect().starts_with(&format!("models-dev ({})", list.url)), "{}", done.shown());
    for told in [
        "mistral/misspelt: `cache_input` is misspelt",
        "mistral/per-token: `input` is in the wrong unit",
        "mistral/negative: `input` is negative",
        "mistral/devstral-2512: `input` went from",
    ] {
        assert!(done.stderr().contains(told), "{}", done.shown());
    }
    follows(&product, "(models-dev, ").await;

    let plan = product.run(&["prices", "reprice", "--json"]).await.json();
    assert_eq!(plan["applied"], false);
    let model = &plan["models"][0];
    assert_eq!((&model["changed"], &model["newly_priced"]), (&1.into(), &1.into()), "{plan}");
    assert_eq!(model["unknown_before"], 1);
    assert_eq!(model["unknown_after"], 0);
    assert_eq!(product.calls(1).await[0].cost_pico_usd, None, "a plan changes nothing");

    let applied = product.run(&["prices", "reprice", "--apply"]).await;
    assert!(applied.expect().contains("gpt-5-mini-2025-08-07"), "{}", applied.shown());
    let call = product.run(&["calls", "--json", &calls[0].id]).await.json();
    let usage = &call["call"]["usage"];
    let count = |kind: &str| usage[kind].as_i64().unwrap_or(0);
    let expected =
        count("input") * 2_000_000 + count("cache_read") * 200_000 + count("output") * 6_000_000;
    assert_eq!(call["call"]["cost_pico_usd"], expected.to_string(), "{call}");
    assert!(call["price"]["id"].as_str().unwrap().contains("(models-dev, "), "{call}");
    let costs = product.run(&["costs", "--json"]).await.json();
    assert_eq!(costs["total"]["cost_pico_usd"], expected.to_string());
    assert_eq!(costs["total"]["unknown_cost"], 0);
    let again = product.run(&["prices", "reprice", "--apply"]).await;
    assert!(again.expect().starts_with("Nothing changes: 1 calls"), "{}", again.shown());
    product.stop().await;
}

#[tokio::test]
async fn a_price_of_ones_own_is_set_followed_and_wins_over_a_refresh() {
    let (simulator, list) = (simulator().await, List::start(&listed("2")).await);
    let home = home_with(&simulator, &list);
    let before = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), format!("# mine\n{before}")).unwrap();
    let product = home.serve().await;
    product.run(&["prices", "refresh"]).await.expect();
    let set = ["prices", "set", "mistral", "gpt-5-mini", "--input", "1", "--output", "3"];
    product.run(&set).await.expect();
    let after = fs::read_to_string(home.config()).unwrap();
    assert!(after.starts_with(&format!("# mine\n{before}")), "{after}");
    follows(&product, "(your configuration)").await;
    let shown = product.run(&["prices", "show", "gpt-5-mini"]).await;
    let line = shown.expect().lines().find(|it| it.starts_with("mistral")).unwrap().to_owned();
    assert!(line.contains("$1.00") && line.contains("your configuration"), "{line}");
    assert!(!shown.stdout().contains("models-dev"), "{}", shown.shown());

    let wrong = product.run(&["prices", "set", "mistral", "m", "--input", "cheap"]).await;
    assert_eq!(wrong.code(), 1);
    assert!(wrong.stderr().contains("`cheap` is not a price"), "{}", wrong.shown());
    assert_eq!(fs::read_to_string(home.config()).unwrap(), after);
    product.stop().await;
}

#[tokio::test]
async fn a_list_that_is_not_there_or_is_none_changes_nothing_and_says_so() {
    let (simulator, list) = (simulator().await, List::start(&listed("2")).await);
    let home = home_with(&simulator, &list);
    home.run(&["prices", "refresh"]).await.expect();
    let kept = fs::read(home.data().join("prices.json")).unwrap();
    let refused = async |status, text: &str, why: &str| {
        list.says(status, text);
        let refused = home.run(&["prices", "refresh"]).await;
        assert_eq!(refused.code(), 1, "{}", refused.shown());
        assert!(refused.stderr().contains(why), "{}", refused.shown());
        assert_eq!(fs::read(home.data().join("prices.json")).unwrap(), kept);
    };
    refused(404, "gone", "answered 404").await;
    refused(200, "<html>", "parse the price list `models-dev`").await;
    refused(200, "{}", "no model of a known provider").await;
    let long = "x".repeat(32 << 20 | 1);
    refused(200, &long, "is longer than 33554432 bytes").await;
    let file = home.path().join("list.json");
    fs::write(&file, listed("3")).unwrap();
    let read = home.run(&["prices", "refresh", "--from", file.to_str().unwrap()]).await;
    assert!(read.expect().contains("0 prices added, 1 changed"), "{}", read.shown());
    fs::write(&file, "[1, 2]").unwrap();
    let none = home.run(&["prices", "refresh", "--from", file.to_str().unwrap()]).await;
    assert_eq!(none.code(), 1, "{}", none.shown());
    // What is stored and cannot be read is told, and a gateway goes on with the prices it carries.
    fs::write(home.data().join("prices.json"), "{").unwrap();
    let product = home.serve().await;
    let doctor = product.run(&["doctor"]).await;
    assert!(doctor.stdout().contains("refreshed prices"), "{}", doctor.shown());
    product.stop().await;
}

#[tokio::test]
async fn the_admin_api_refreshes_sets_and_reprices() {
    let (simulator, list) = (simulator().await, List::start(&listed("2")).await);
    let product = home_with(&simulator, &list).serve().await;
    call(&product).await;
    product.calls(1).await;
    let admin = product.admin();
    let refreshed: serde_json::Value =
        admin.post("/prices/refresh", &serde_json::json!({})).await.unwrap();
    assert_eq!((&refreshed["added"], &refreshed["stored"]), (&1.into(), &true.into()));
    let quarantined = refreshed["quarantined"].as_array().unwrap();
    assert_eq!(quarantined.len(), 4, "{refreshed}");
    let price = serde_json::json!({
        "provider": "mistral", "model": "gpt-5-mini", "rates": {"input": "1", "output": "3"}
    });
    let () = admin.post("/prices", &price).await.unwrap();
    follows(&product, "(your configuration)").await;
    let bad = serde_json::json!({"provider": "mistral", "model": "m", "rates": {"input": "-1"}});
    let refused = admin.post::<()>("/prices", &bad).await.unwrap_err();
    assert!(refused.to_string().contains("`-1` is not a price"), "{refused}");
    let asked = serde_json::json!({"apply": true, "model": "gpt-5-mini"});
    let repriced: serde_json::Value = admin.post("/prices/reprice", &asked).await.unwrap();
    assert_eq!(repriced["models"][0]["newly_priced"], 1, "{repriced}");
    insta::assert_snapshot!(serde_json::to_string(&shape(&repriced)).unwrap(), @r#"{"applied":"boolean","models":[{"provider":"string","model":"string","calls":"number","changed":"number","newly_priced":"number","cost_before_pico_usd":"string","estimated_before_pico_usd":"string","unknown_before":"number","cost_after_pico_usd":"string","estimated_after_pico_usd":"string","unknown_after":"number"}]}"#);
    product.stop().await;
}
