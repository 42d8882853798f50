//! What was said is found by its words, deleted for good, and calls leave as files.

use std::{fs, path::Path};

use ::bytes::Bytes;
use http::Request;
use serde_json::Value;
use tollgate_tests::{Home, Product, send};

use super::using::{KEY, admin, get, simulator};

/// A word that stands nowhere else.
const SECRET: &str = "zq8vxk2lpt0wry5n";

/// A chat in which this is said.
fn chat(said: &str) -> Request<Bytes> {
    let message = serde_json::json!({ "role": "user", "content": said });
    let body = serde_json::json!({ "model": "gpt-5-mini", "messages": [message] });
    Request::post("/v1/chat/completions")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(body.to_string().into())
        .unwrap()
}

/// A product in which each of these was said and can be found.
async fn talked(home: &std::sync::Arc<Home>, said: &[&str]) -> Product {
    let product = home.serve().await;
    for it in said {
        assert_eq!(send(product.listen, chat(it)).await.status(), 200);
    }
    product.calls(said.len()).await;
    read(&product).await;
    product
}

/// Waits until every call can be searched.
async fn read(product: &Product) {
    loop {
        let page: Value = product.admin().get("/calls?said=anything").await.unwrap();
        if page["unread"] == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_are_found_by_what_was_said_and_shown_with_an_excerpt() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product =
        talked(&home, &["the brown FÓX jumps", "a brown dog", "what does a fox say?"]).await;
    let found = product.run(&["calls", "--search", "fox", "--json"]).await;
    let found: Vec<Value> =
        found.expect().lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    let marked = |call: &Value| {
        let pieces = call["excerpt"].as_array().unwrap();
        let found = pieces.iter().filter(|it| it["found"] == true);
        found.map(|it| it["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(marked(&found[0]), ["FÓX"], "the oldest first");
    let shown = product.run(&["calls", "--search", "\"brown dog\""]).await;
    assert!(shown.expect().contains("a »brown dog«"), "{}", shown.shown());
    let both = product.run(&["calls", "--filter", "said:brown said:jum* model:gpt-5-mini"]).await;
    assert_eq!(both.expect().lines().count(), 2, "{}", both.shown());
    // Nothing that is typed is an error.
    for odd in ["\"", "AND (", "a:b^*", "NEAR(", "--"] {
        product.run(&["calls", &format!("--search={odd}")]).await.expect();
    }
    let long = product.run(&["calls", "--search", &"a ".repeat(600)]).await;
    assert_eq!(long.code(), 1);
    assert!(long.stderr().contains("at most 64 words"), "{}", long.stderr());
    product.stop().await;
}

fn is_anywhere(dir: &Path, what: &str) -> bool {
    let files = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let mut bytes = files.filter(|it| it.is_file()).map(|it| fs::read(it).unwrap());
    bytes.any(|bytes| bytes.windows(what.len()).any(|it| it == what.as_bytes()))
}

#[tokio::test]
async fn deleted_calls_are_gone_from_the_disk_and_their_cost_stays() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = talked(&home, &["hello", SECRET, "goodbye"]).await;
    assert!(is_anywhere(&home.data(), SECRET));
    let before = product.run(&["costs", "--json"]).await.json();
    let id = product.run(&["calls", "--search", SECRET, "--json"]).await;
    let id = serde_json::from_str::<Value>(id.expect()).unwrap()["id"].clone();
    let id = id.as_str().unwrap();

    let counted = product.run(&["calls", "delete", id]).await;
    assert!(counted.expect().starts_with("1 call would be deleted"), "{}", counted.shown());
    assert!(product.run(&["calls", id]).await.expect().contains(id));
    let deleted = product.run(&["calls", "delete", id, "--yes"]).await;
    assert!(deleted.expect().starts_with("1 call deleted"), "{}", deleted.shown());
    assert_eq!(product.run(&["calls", id]).await.code(), 1);
    while is_anywhere(&home.data(), SECRET) {
        tokio::task::yield_now().await;
    }
    let after = product.run(&["costs", "--json"]).await.json();
    assert_eq!(after["total"], before["total"]);

    // Everything else by age, which nothing says and nobody meant without it.
    assert_eq!(product.run(&["calls", "delete"]).await.code(), 2);
    assert_eq!(product.run(&["calls", "delete", id, "--before", "1h"]).await.code(), 2);
    let none = product.run(&["calls", "delete", "--before", "1h", "--json"]).await.json();
    assert_eq!(none, serde_json::json!({ "calls": 0, "deleted": false }));
    let all = product.run(&["calls", "delete", "--before", "0m", "--yes", "--json"]).await.json();
    assert_eq!(all, serde_json::json!({ "calls": 2, "deleted": true }));
    assert_eq!(product.run(&["calls", "--search", "hello"]).await.stdout(), "");
    product.stop().await;
    // Nothing of it is made anew from what is left.
    let product = home.serve().await;
    let after = product.run(&["costs", "--json"]).await.json();
    assert_eq!(after["total"], before["total"]);
    product.stop().await;
}

#[tokio::test]
async fn calls_are_exported_from_a_running_gateway_and_from_a_stopped_one() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = talked(&home, &["one", "two"]).await;
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let export = |format: &'static str, file: String| {
        let home = std::sync::Arc::clone(&home);
        async move { home.run(&["export", "calls", "--format", format, "-o", &file]).await }
    };
    for format in ["csv", "jsonl", "parquet"] {
        export(format, at(&format!("running.{format}"))).await.expect();
    }
    let again = export("csv", at("running.csv")).await;
    assert_eq!(again.code(), 1);
    assert!(again.stderr().contains("File exists"), "{}", again.stderr());
    let none =
        product.run(&["export", "calls", "--format", "jsonl", "--until", "1h", "-o", "-"]).await;
    assert_eq!(none.expect(), "");
    let wrong = product.run(&["export", "calls", "--format", "xml", "-o", "-"]).await;
    assert_eq!(wrong.code(), 2);
    assert!(wrong.stderr().contains("use csv, jsonl or parquet"), "{}", wrong.stderr());
    let total = product.run(&["costs", "--json"]).await.json()["total"].clone();
    product.stop().await;
    for format in ["csv", "jsonl", "parquet"] {
        export(format, at(&format!("stopped.{format}"))).await.expect();
        let read = |when: &str| fs::read(at(&format!("{when}.{format}"))).unwrap();
        assert_eq!(read("running"), read("stopped"), "{format}");
    }
    let rows = fs::read_to_string(at("running.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    let cost: i64 = rows.iter().map(|it| it["cost_pico_usd"].as_i64().unwrap()).sum();
    assert_eq!(total["cost_pico_usd"], cost.to_string());
    assert!(
        cost > 0 && rows[0]["cache_read_tokens"].is_u64() | rows[0]["cache_read_tokens"].is_null()
    );
    assert!(fs::read(at("running.parquet")).unwrap().starts_with(b"PAR1"));
}

#[tokio::test]
async fn metrics_are_for_whoever_has_the_token() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = talked(&home, &["one", "two"]).await;
    assert_eq!(send(product.listen, get("/api/metrics")).await.status(), 401);
    let answer = send(product.listen, admin("/api/metrics", &product.token())).await;
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = String::from_utf8(answer.into_body().to_vec()).unwrap();
    let calls = "tollgate_calls_total{provider=\"openai\",model=\"gpt-5-mini\"";
    let line = text.lines().find(|it| it.starts_with(calls)).unwrap_or_else(|| panic!("{text}"));
    assert!(line.ends_with(" 2"), "{line}");
    product.stop().await;
}

#[tokio::test]
async fn what_is_kept_is_written_into_the_configuration_and_followed() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = talked(&home, &["one"]).await;
    let admin = product.admin();
    let kept: Value = admin.get("/ledger").await.unwrap();
    assert_eq!(kept["keeping"]["bodies_days"], Value::Null);
    assert!(kept["bodies_bytes"].as_u64().unwrap() > 0, "{kept}");
    let mut wanted = serde_json::json!({ "keep_bodies": false, "bodies_days": 0, "bodies_mib": 9 });
    let refused = admin.post::<()>("/ledger/keeping", &wanted).await.unwrap_err();
    assert!(refused.to_string().contains("use 1 to 36500 days"), "{refused}");
    wanted["bodies_days"] = 30.into();
    admin.post::<()>("/ledger/keeping", &wanted).await.unwrap();
    let written = fs::read_to_string(home.config()).unwrap();
    assert!(written.contains("[ledger]") && written.contains("bodies_days = 30"), "{written}");
    loop {
        let kept: Value = admin.get("/ledger").await.unwrap();
        if kept["keeping"] == wanted {
            break;
        }
        tokio::task::yield_now().await;
    }
    send(product.listen, chat("not kept")).await;
    let calls = product.calls(2).await;
    let newest = calls.iter().max_by(|a, b| a.id.cmp(&b.id)).unwrap();
    let detail: Value = admin.get(&format!("/calls/{}", newest.id)).await.unwrap();
    assert_eq!(detail["request"], Value::Null);
    product.stop().await;
}
