//! The cache as a user has it: what an SDK reads, what the commands say, what a restart leaves.

use serde_json::Value;
use tollgate_app::api::cache::CacheView;
use tollgate_tests::{Controls, Home, Product, Sdk, providers, send};

use super::using::{CHAT, CHAT_STREAM, chat, simulator};

const ON: &str = "[cache]\non = true\n";

/// What differs although the answer is the same: the process, and the id that the provider gave the first
/// call's head.
fn without_own(mut line: Value) -> Value {
    for name in ["pid", "request_id"] {
        line.as_object_mut().unwrap().remove(name);
    }
    line
}

async fn check(sdk: Sdk, cases: &[&str]) {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&[providers(&simulator.base_url()), ON.to_owned()].join("\n"));
    let product = home.serve().await;
    let run = async || {
        let controls = Controls::InHeader("");
        sdk.run_cases(&home, home.path(), &product.base_url(), cases, controls).await
    };
    let Some(first) = run().await else { return };
    let asked = simulator.calls().len();
    let again = run().await.unwrap();
    assert_eq!(simulator.calls().len(), asked, "nothing was asked again");
    let first: Vec<_> = first.into_iter().map(without_own).collect();
    let again: Vec<_> = again.into_iter().map(without_own).collect();
    assert_eq!(first, again);
    let calls = product.calls(2 * asked).await;
    assert_eq!(calls.iter().filter(|it| it.from_cache).count(), asked);
    product.stop().await;
}

#[tokio::test]
async fn openai_for_python_reads_a_cached_answer_as_the_first() {
    let cases = [
        "chat_plain",
        "chat_stream",
        "chat_stream_usage",
        "chat_structured",
        "responses_plain",
        "responses_stream",
        "embeddings",
    ];
    check(Sdk::OpenaiPython, &cases).await;
}

#[tokio::test]
async fn anthropic_for_python_reads_a_cached_answer_as_the_first() {
    check(Sdk::AnthropicPython, &["plain", "stream"]).await;
}

async fn cache(product: &Product) -> CacheView {
    product.admin().get("/cache").await.unwrap()
}

#[tokio::test]
async fn the_commands_say_what_the_cache_holds_and_saved_and_empty_it() {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&[providers(&simulator.base_url()), ON.to_owned()].join("\n"));
    let product = home.serve().await;
    for body in [CHAT, CHAT, CHAT_STREAM] {
        send(product.listen, chat(body, "")).await;
    }
    let calls = product.calls(3).await;
    let hit = calls.iter().find(|it| it.from_cache).unwrap();
    let paid = calls.iter().find(|it| !it.from_cache && !it.streaming).unwrap();
    assert_eq!(hit.cost_pico_usd.as_deref(), Some("0"));
    assert_eq!(hit.saved_pico_usd, paid.cost_pico_usd);

    let status = product.run(&["cache", "status"]).await;
    let said = status.expect();
    assert!(said.contains("usual     good for 3600 s, for each key or user by itself"), "{said}");
    assert!(said.contains("holds     2 of 1000 answers"), "{said}");
    assert!(said.contains("answered  1 calls") && said.contains("by 1 of 3 calls"), "{said}");
    let shown = product.run(&["calls", &hit.id]).await;
    let shown = shown.expect();
    assert!(shown.contains(&format!("cache     answered, as call {} was", paid.id)), "{shown}");
    assert!(shown.contains("from the cache") && shown.contains("saved     $"), "{shown}");
    let costs = product.run(&["costs"]).await;
    assert!(
        costs.stderr().contains("The cache answered 1 call, which saved $"),
        "{}",
        costs.stderr()
    );
    let csv = product.run(&["costs", "--csv"]).await;
    let csv = csv.expect();
    assert!(csv.lines().next().unwrap().contains(",cached_calls,saved,unknown_saved"), "{csv}");

    let none = product.run(&["cache", "clear", "--model", "nobody"]).await;
    assert_eq!(none.expect().trim_end(), "0 answers were forgotten");
    let young = product.run(&["cache", "clear", "--older-than", "1h", "--json"]).await.json();
    assert_eq!(young["cleared"], 0);
    let all = product.run(&["cache", "clear", "--model", "gpt-5-mini"]).await;
    assert_eq!(all.expect().trim_end(), "2 answers were forgotten");
    assert_eq!(cache(&product).await.entries, 0);
    product.stop().await;
}

#[tokio::test]
async fn nothing_of_the_cache_outlives_the_gateway_or_its_settings() {
    let simulator = simulator().await;
    let home = Home::new();
    let file = |cache: &str| [providers(&simulator.base_url()), cache.to_owned()].join("\n");
    home.configure(&file(ON));
    let product = home.serve().await;
    send(product.listen, chat(CHAT, "")).await;
    assert_eq!(cache(&product).await.entries, 1);
    product.stop().await;
    let product = home.serve().await;
    let view = cache(&product).await;
    assert_eq!((view.on, view.entries), (true, 0), "it is in memory alone");
    send(product.listen, chat(CHAT, "")).await;
    assert_eq!(cache(&product).await.entries, 1);
    home.configure(&file(""));
    // It is followed within a second or two.
    let mut view = cache(&product).await;
    while view.on || view.entries > 0 {
        tokio::task::yield_now().await;
        view = cache(&product).await;
    }
    let said = product.run(&["cache", "status"]).await;
    assert!(said.stderr().contains("`[cache]`"), "{}", said.stderr());
    product.stop().await;
}
