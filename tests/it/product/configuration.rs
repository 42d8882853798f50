//! The configuration file, changed while the gateway runs.

use std::fs;

use tokio::time::timeout;
use tollgate_app::api::view::CallView;
use tollgate_simulator::Simulator;
use tollgate_tests::{Home, PATIENCE, Product, send};

use super::using::{CHAT, chat, simulator};

/// A configuration in which OpenAI is `simulator`.
fn openai_at(simulator: &Simulator) -> String {
    format!("[[providers]]\nid = 'openai'\nbase_url = '{}/v1'\n", simulator.base_url())
}

/// Makes calls until one reaches `simulator`.
async fn reaches(product: &Product, simulator: &Simulator) {
    let calling = async {
        while simulator.calls().is_empty() {
            assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 200);
        }
    };
    timeout(PATIENCE, calling).await.expect("a call to go where the file says now");
}

#[tokio::test]
async fn a_changed_file_is_followed_without_a_restart() {
    let (first, second) = (simulator().await, simulator().await);
    let home = Home::new();
    home.configure(&openai_at(&first));
    let product = home.serve().await;
    reaches(&product, &first).await;

    home.configure(&format!("{}[ledger]\nkeep_bodies = false\n", openai_at(&second)));
    reaches(&product, &second).await;
    let status = product.status(|_| true).await;
    assert_eq!(status.configuration_problem, None);
    let calls = product.calls(first.calls().len() + second.calls().len()).await;
    let detail = async |it: &CallView| product.run(&["calls", "--json", &it.id]).await.json();
    assert!(!detail(calls.first().unwrap()).await["request"].is_null());
    let newest = detail(calls.last().unwrap()).await;
    assert!(newest["request"].is_null(), "its body is not kept any more: {newest}");

    // As editors do it: another file in its place.
    let beside = home.config().with_extension("new");
    let third = simulator().await;
    fs::write(&beside, openai_at(&third)).unwrap();
    fs::rename(&beside, home.config()).unwrap();
    reaches(&product, &third).await;
    product.stop().await;
}

#[tokio::test]
async fn a_mistake_leaves_the_configuration_from_before_and_is_told_everywhere() {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&openai_at(&simulator));
    let product = home.serve().await;

    home.configure("[[providers]]\nid = 'openai'\nbase_url = 'nowhere'\n");
    let status = product.status(|it| it.configuration_problem.is_some()).await;
    let problem = status.configuration_problem.unwrap();
    assert!(problem.contains("config.toml:3:12: `nowhere`"), "{problem}");
    product.says("config.toml:3:12: `nowhere`").await;
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 200);
    assert_eq!(simulator.calls().len(), 1, "the address from before");
    let shown = product.run(&["status"]).await;
    assert!(shown.expect().contains("\nconfig    the one from before"), "{}", shown.stdout());
    let doctor = product.run(&["doctor"]).await;
    assert_eq!(doctor.code(), 1);
    assert!(doctor.stdout().contains("error    configuration: "), "{}", doctor.stdout());

    home.configure(&openai_at(&simulator));
    product.status(|it| it.configuration_problem.is_none()).await;
    assert_eq!(product.run(&["doctor"]).await.code(), 0);
    product.stop().await;
}
