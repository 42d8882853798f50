//! `kill -9` at any moment loses no call that another process could have read.

use std::collections::BTreeSet;

use tokio::task::JoinSet;
use tollgate_app::api::view::{CallState, EventView};
use tollgate_ledger::{CallQuery, Reader};
use tollgate_tests::{
    Home, PATIENCE, Product, send,
    storm::{StormConfig, storm},
};

use super::using::{CHAT, CHAT_STREAM, chat, simulator};

/// How often the gateway is killed in a storm.
const KILLS: u32 = 24;
/// Calls before each of the two ends.
const CALLS: usize = 40;

/// Waits until another process than the gateway's can read `count` calls, and gives their ids.
async fn readable(home: &Home, count: usize) -> BTreeSet<String> {
    let reader = Reader::open(&home.data()).unwrap();
    let wait = async {
        loop {
            let all = CallQuery { limit: 1_000, ..CallQuery::default() };
            let calls = reader.calls(&all).unwrap();
            if calls.len() >= count {
                return calls.iter().map(|it| it.id.to_string()).collect();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the calls to be committed")
}

#[tokio::test]
async fn a_killed_gateway_has_every_finished_call_once() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = home.serve().await;
    let addr = product.listen;
    let mut asking = JoinSet::new();
    for index in 0..CALLS {
        let body = if index % 2 == 0 { CHAT } else { CHAT_STREAM };
        asking.spawn(async move { assert_eq!(send(addr, chat(body, "")).await.status(), 200) });
    }
    asking.join_all().await;
    let before = readable(&home, CALLS).await;
    // One more is under way when the end comes: it was never finished.
    let hanging = tokio::spawn(async move {
        let _ = tokio::spawn(send(addr, chat(CHAT_STREAM, "hang=300"))).await;
    });
    let begun = |calls: &[tollgate_simulator::SimulatedCall]| calls.len() > CALLS;
    simulator.log().wait_for(PATIENCE, begun).await.expect("the call to begin");
    product.kill().await;
    hanging.await.unwrap();

    let product = home.serve().await;
    let addr = product.listen;
    assert_eq!(send(addr, chat(CHAT, "")).await.status(), 200);
    let calls = product.calls(CALLS + 1).await;
    let after: BTreeSet<_> = calls.iter().map(|it| it.id.clone()).collect();
    assert_eq!((calls.len(), after.len()), (CALLS + 1, CALLS + 1), "each once");
    assert!(after.is_superset(&before));
    assert!(calls.iter().all(|it| it.state == CallState::Finished && it.usage.output.is_some()));
    let status = product.run(&["status", "--json"]).await.json();
    assert_eq!(status["today_calls"], u64::try_from(CALLS + 1).unwrap());
    product.stop().await;
}

/// A few dozen of what `cargo xtask soak kills` does a thousand times, without its bound on time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_kills_loses_nothing_that_was_read_and_doubles_nothing() {
    let figures = storm(StormConfig { kills: KILLS, calls_max: 100, seed: 0x5eed }, |_| {}).await;
    assert!(figures.finished > 100, "{figures:?}");
    assert_eq!((figures.unread_again, figures.doubled), (0, 0), "{figures:?}");
    assert_eq!(figures.rows, figures.summed, "{figures:?}");
    assert!(figures.finished - figures.lost <= figures.rows, "{figures:?}");
}

#[tokio::test]
async fn who_is_told_of_a_settled_call_finds_it_at_once() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let mut events = product.admin().events("/events").await.unwrap();
    for _ in 0..10 {
        send(product.listen, chat(CHAT, "")).await;
        let id = loop {
            if let EventView::Call { call } = events.next().await.unwrap().unwrap()
                && call.state != CallState::Live
            {
                break call.id;
            }
        };
        let ids: Vec<_> = product.calls(1).await.into_iter().map(|it| it.id).collect();
        assert!(ids.contains(&id));
        let detail: serde_json::Value = product.admin().get(&format!("/calls/{id}")).await.unwrap();
        assert_eq!(detail["call"]["state"], "finished");
    }
    product.stop().await;
}

/// The sums wait for the writer as the calls do.
#[tokio::test]
async fn who_is_told_of_a_settled_call_finds_it_in_every_sum() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let mut events = product.admin().events("/events").await.unwrap();
    for count in 1..=6 {
        send(product.listen, chat(CHAT, "")).await;
        loop {
            if let EventView::Call { call } = events.next().await.unwrap().unwrap()
                && call.state != CallState::Live
            {
                break;
            }
        }
        let get =
            async |path: &str| -> serde_json::Value { product.admin().get(path).await.unwrap() };
        // Each is the first to be asked twice.
        match count % 3 {
            0 => assert_eq!(get("/status").await["today_calls"], count),
            1 => {
                // A client that left at once may not have been found: it counts as nobody's.
                let rows = get("/programs").await;
                let calls = rows.as_array().unwrap().iter().filter_map(|it| it["calls"].as_u64());
                assert_eq!(calls.sum::<u64>(), count, "{rows}");
            }
            _ => assert_eq!(get("/costs").await["total"]["calls"], count),
        }
    }
    product.stop().await;
}

#[tokio::test]
async fn a_gateway_that_is_told_to_end_settles_what_is_under_way() {
    settles(async |it| it.stop().await).await;
}

#[tokio::test]
async fn a_gateway_whose_terminal_is_closed_settles_what_is_under_way() {
    settles(async |it| it.hang_up().await).await;
}

/// Not by the signal itself, and not as if all had been settled.
#[tokio::test]
async fn a_second_signal_does_not_wait_for_calls() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let hanging = tokio::spawn(send(product.listen, chat(CHAT_STREAM, "hang=300")));
    let begun = |calls: &[tollgate_simulator::SimulatedCall]| {
        calls.iter().any(|it| it.response.len() >= 300)
    };
    simulator.log().wait_for(PATIENCE, begun).await.expect("the answer to begin");
    assert_eq!(product.stop_at_once().await, 1);
    hanging.abort();
}

async fn settles(end: impl AsyncFnOnce(Product) -> String) {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = home.serve().await;
    let addr = product.listen;
    let hanging = tokio::spawn(send(addr, chat(CHAT_STREAM, "hang=300")));
    let begun = |calls: &[tollgate_simulator::SimulatedCall]| {
        calls.iter().any(|it| it.response.len() >= 300)
    };
    simulator.log().wait_for(PATIENCE, begun).await.expect("the answer to begin");
    end(product).await;
    // It ends with the format's error event.
    let answer = hanging.await.unwrap();
    assert!(String::from_utf8_lossy(answer.body()).contains("Tollgate is stopping"));
    assert_eq!(readable(&home, 1).await.len(), 1);
    assert!(!home.runtime().join("admin.sock").exists());
}
