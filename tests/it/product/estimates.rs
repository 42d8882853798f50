//! What the gateway counted itself is marked wherever it is shown.

use tollgate_tests::{Connection, Home};

use super::using::{chat, simulator};

#[tokio::test]
async fn an_estimate_is_marked_wherever_it_is_shown() {
    const ASKED: &str =
        r#"{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"tiktoken is great!"}]}"#;
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let mut connection = Connection::open(product.listen).await;
    let check = async |line: &str, args: &[&str]| {
        let printed = product.run(args).await;
        assert!(printed.expect().contains(line), "{args:?} {line}: {}", printed.stdout());
    };
    // On a busy machine the vocabulary may not be there in time for the first ones.
    let mut made = 0;
    let call = loop {
        connection.send(chat(ASKED, "no_usage")).await;
        made += 1;
        let calls = product.calls(made).await;
        if let Some(counted) = calls.into_iter().find(|it| it.usage_counted) {
            break counted;
        }
        assert!(made < 100, "no call is ever counted");
    };
    assert_eq!(call.usage.input, Some(13), "{call:?}");
    let cost = call.cost_pico_usd.clone().unwrap();
    check(" (estimated)", &["calls"]).await;
    check(" ~13 ", &["calls"]).await;
    check("counted here, an estimate", &["calls", &call.id]).await;
    check(" (estimated)", &["status"]).await;
    check(" (estimated)", &["costs"]).await;
    connection.send(chat(ASKED, "")).await;
    product.calls(made + 1).await;
    let costs = product.run(&["costs", "--json"]).await.json();
    for row in [&costs["total"], &costs["rows"][0]] {
        assert_eq!(row["counted_usage"], 1);
        assert_eq!(row["estimated_pico_usd"], cost);
        assert_ne!(row["cost_pico_usd"], cost);
    }
    for command in ["status", "costs", "programs"] {
        check(", of which $0.", &[command]).await;
    }
    // Priced anew, it is no less an estimate.
    product.run(&["prices", "reprice", "--apply"]).await.expect();
    let after = product.run(&["costs", "--json"]).await.json();
    assert_eq!(after["total"]["estimated_pico_usd"], cost);
}
