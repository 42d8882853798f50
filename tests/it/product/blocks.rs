//! The kill switch: `tollgate block` and `tollgate unblock`.

use std::process::Stdio;

use serde_json::{Value, json};
use tollgate_app::api::view::CallState;
use tollgate_tests::{Home, PATIENCE, Product, send};

use super::using::{CHAT, CHAT_STREAM, chat, simulator};

/// A request of Anthropic's format.
const MESSAGE: &str =
    r#"{"model":"claude-haiku-4-5","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}"#;

/// A call by `curl`, in Anthropic's format: its status and its body.
async fn curl(product: &Product) -> (String, Value) {
    let mut command = product.home().command("curl");
    command.args([
        "--silent",
        "--noproxy",
        "*",
        "--write-out",
        "\n%{http_code}",
        "--data",
        MESSAGE,
    ]);
    command.args([
        "--header",
        "x-api-key: sk-client",
        "--header",
        "content-type: application/json",
    ]);
    command.arg(format!("{}/v1/messages", product.base_url()));
    let ran = tokio::time::timeout(PATIENCE, command.stdout(Stdio::piped()).output()).await;
    let said = String::from_utf8(ran.unwrap().unwrap().stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.to_owned(), serde_json::from_str(body).unwrap_or_default())
}

async fn blocks(product: &Product, args: &[&str]) -> Value {
    product.run(&[args, &["--json"]].concat()).await.json()
}

#[tokio::test]
async fn a_blocked_program_is_refused_and_no_other_until_it_is_let_through_also_after_a_restart() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = home.serve().await;
    assert_eq!(curl(&product).await.0, "200");
    let set = blocks(&product, &["block", "--program", "curl"]).await;
    assert_eq!(set, json!({ "all": false, "programs": ["curl"], "cut": 0 }));
    let (status, error) = curl(&product).await;
    assert_eq!((status.as_str(), &error["error"]["type"]), ("403", &json!("permission_error")));
    assert!(error["error"]["message"].as_str().unwrap().contains("`curl`"), "{error}");
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 200, "others go on");
    let doctor = product.run(&["doctor"]).await;
    assert!(doctor.stdout().contains("calls of `curl` are refused"), "{}", doctor.stdout());
    product.stop().await;

    let product = home.serve().await;
    assert_eq!(curl(&product).await.0, "403", "a restart lets nothing through");
    let sent = simulator.calls().len();
    let calls = product.calls(4).await;
    let refused = calls.iter().filter(|it| it.error_code.as_deref() == Some("blocked")).count();
    assert_eq!((refused, sent), (2, 2), "{calls:#?}");
    let listed = product.run(&["block"]).await;
    assert_eq!(listed.expect(), "calls of `curl` are refused\n");
    let set = blocks(&product, &["unblock", "--program", "curl"]).await;
    assert_eq!(set["programs"], json!([]));
    assert_eq!(curl(&product).await.0, "200");
    product.stop().await;
}

#[tokio::test]
async fn all_calls_can_be_refused_at_once_and_those_under_way_cut() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let addr = product.listen;
    let hanging = tokio::spawn(send(addr, chat(CHAT_STREAM, "hang=300")));
    let begun = |calls: &[tollgate_simulator::SimulatedCall]| {
        calls.iter().any(|it| it.response.len() >= 300)
    };
    simulator.log().wait_for(PATIENCE, begun).await.expect("the answer to begin");
    let kept = blocks(&product, &["block", "--all"]).await;
    assert_eq!((&kept["all"], &kept["cut"]), (&json!(true), &json!(0)));
    assert!(!hanging.is_finished(), "what is under way goes on unless that is asked for");
    let answer = send(addr, chat(CHAT, "")).await;
    assert_eq!(answer.status(), 403);
    let error: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(error["error"]["code"], "blocked", "{error}");

    let cut = blocks(&product, &["block", "--all", "--cut"]).await;
    assert_eq!(cut["cut"], 1, "{cut}");
    let broken = hanging.await.unwrap();
    let text = String::from_utf8_lossy(broken.body()).into_owned();
    assert!(text.contains("has blocked this call"), "{text}");
    let gone = |calls: &[tollgate_simulator::SimulatedCall]| calls.iter().all(|it| it.cancelled);
    simulator.log().wait_for(PATIENCE, gone).await.expect("the provider to be left");
    let calls = product.calls(2).await;
    for call in &calls {
        let seen = (call.state, call.error_code.as_deref());
        assert_eq!(seen, (CallState::Failed, Some("blocked")), "{call:#?}");
    }
    product.run(&["unblock", "--all"]).await.expect();
    assert_eq!(send(addr, chat(CHAT, "")).await.status(), 200);
    assert_eq!(product.run(&["unblock"]).await.code(), 2, "whose is not guessed");
    product.stop().await;
}
