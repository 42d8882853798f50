//! `tollgate demo`: a newcomer sees calls within seconds, without a key, a network or a bill.

use std::{collections::BTreeSet, path::Path};

use tollgate_app::api::view::{CallState, EventView};
use tollgate_tests::{Home, PATIENCE, send};

use super::using::{CHAT, chat};

/// How many programs have called before the test has seen enough.
const PROGRAMS: usize = 3;

#[tokio::test]
async fn programs_call_the_simulator_and_end_with_the_demo() {
    let home = Home::new();
    let product = home.demo().await;
    let mut events = product.admin().events("/events").await.unwrap();
    let (mut programs, mut processes) = (BTreeSet::new(), BTreeSet::new());
    let watch = async {
        while programs.len() < PROGRAMS {
            if let EventView::Call { call } = events.next().await.unwrap().unwrap()
                && call.state != CallState::Live
            {
                assert!(call.simulated, "{call:#?}");
                let Some(caller) = call.caller else { continue };
                programs.insert(caller.program);
                processes.insert(caller.pid);
            }
        }
    };
    let seen = tokio::time::timeout(PATIENCE, watch).await;
    assert!(seen.is_ok(), "only {programs:?} called");
    assert!(product.said().contains("SIMULATED"), "{}", product.said());
    let status = product.run(&["status"]).await;
    assert!(status.expect().contains("SIMULATED: nobody is billed"), "{}", status.stdout());
    let env = product.run(&["env"]).await;
    assert!(env.stderr().contains("demonstration"), "{}", env.shown());
    let costs = product.run(&["costs", "--json"]).await.json();
    assert_eq!(costs["simulated"], true);
    assert!(costs["total"]["cost_pico_usd"].as_str().is_some_and(|it| it != "0"), "{costs}");
    let doctor = product.run(&["doctor"]).await;
    assert!(doctor.stdout().contains("built-in simulator"), "{}", doctor.stdout());
    // Its ledger is apart from the real one.
    assert!(home.data().join("demo/ledger.db").is_file());
    assert!(!home.data().join("ledger.db").exists());

    product.stop().await;
    let gone = async {
        while processes.iter().any(|pid| Path::new(&format!("/proc/{pid}/exe")).exists()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the demo's programs to end");
}

#[tokio::test]
async fn a_local_key_is_tried_out_in_the_demonstration() {
    let product = Home::new().demo().await;
    let key = product.run(&["keys", "create", "ci", "--models", "gpt-5-mini"]).await;
    let key = key.expect().trim_end().to_owned();
    let ask = async |model: &str| {
        let mut request = chat(CHAT, "")
            .map(|it| String::from_utf8(it.to_vec()).unwrap().replace("gpt-5-mini", model).into());
        let shown = format!("Bearer {key}").parse().unwrap();
        request.headers_mut().insert("authorization", shown);
        send(product.listen, request).await.status()
    };
    assert_eq!(ask("gpt-5-mini").await, 200);
    assert_eq!(ask("gpt-5").await, 403);
    product.run(&["keys", "revoke", "ci"]).await.expect();
    assert_eq!(ask("gpt-5-mini").await, 401);
    product.stop().await;
}
