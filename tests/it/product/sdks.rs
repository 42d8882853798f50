//! The official SDKs, unmodified, through the product: they read what they read without it, and
//! the ledger says to the last unit what the simulator sent.

use std::fs;

use serde_json::Value;
use tollgate_app::api::view::{CallDetail, CallState, CallView, UsageView};
use tollgate_simulator::{SimulatedCall, UsageSent};
use tollgate_tests::{Home, Sdk};

use super::{
    books::{check_money, is_controlled, known, provider_id},
    using::simulator,
};

/// What an SDK may read differently through the gateway: its own process, and a stream that breaks
/// off, which the gateway turns into the format's error event where it breaks between two events.
const OWN_FIELDS: [&str; 1] = ["pid"];
const BROKEN: &str = "broken_stream";

async fn check(sdk: Sdk, program: &str, broken: &str) {
    let (reference, provider) = (simulator().await, simulator().await);
    let home = Home::simulated(&provider);
    let project = home.path().join("shop");
    let folder = project.join("backend");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir(project.join(".git")).unwrap();

    let Some(direct) = sdk.run(&home, &folder, &reference.base_url()).await else { return };
    let product = home.serve().await;
    let through = sdk.run(&home, &folder, &product.base_url()).await.unwrap();
    check_same(&direct, &through, broken);

    let sent = provider.calls();
    assert_eq!(sent.len(), reference.calls().len());
    let calls = product.calls(sent.len()).await;
    assert_eq!(calls.len(), sent.len());
    for (call, sent) in calls.iter().zip(&sent) {
        check_call(call, sent);
    }
    check_money(&product, &sent);
    let pid = through[0]["pid"].as_u64().unwrap();
    for (call, sent) in calls.iter().zip(&sent) {
        let Some(caller) = &call.caller else {
            // The SDK closes a connection that broke at once; nobody may have looked in time.
            assert!(is_controlled(sent, "break_after"), "no caller: {call:#?}");
            continue;
        };
        assert_eq!(u64::from(caller.pid), pid);
        assert!(caller.program.starts_with(program), "{}", caller.program);
        assert_eq!(caller.project.as_deref(), Some("shop"));
    }
    let detail: CallDetail = product.admin().get(&format!("/calls/{}", calls[0].id)).await.unwrap();
    let caller = detail.caller.unwrap();
    assert_eq!(caller.cwd.as_deref(), folder.to_str());
    assert_eq!(caller.project_root.as_deref(), project.to_str());
    assert!(caller.argv.iter().any(|it| Some(it.as_str()) == sdk.script().to_str()));
    assert_eq!(caller.ancestors[0].pid, std::process::id());
    product.stop().await;
}

fn check_same(direct: &[Value], through: &[Value], broken: &str) {
    assert_eq!(direct.len(), through.len());
    for (direct, through) in direct.iter().zip(through) {
        let (mut direct, mut through) = (direct.clone(), through.clone());
        assert_eq!(direct["case"], through["case"]);
        if through["case"] == BROKEN {
            assert_eq!(through["error"], broken, "{through}");
            assert!(through["message"].as_str().is_some_and(|it| !it.is_empty()), "{through}");
            continue;
        }
        for line in [&mut direct, &mut through] {
            for field in OWN_FIELDS {
                line.as_object_mut().unwrap().remove(field);
            }
        }
        assert_eq!(direct, through);
    }
}

/// The row says what was asked, answered and used, as the simulator knows it.
fn check_call(call: &CallView, sent: &SimulatedCall) {
    assert_eq!(call.path, sent.path());
    assert_eq!(call.method, sent.method.as_str());
    assert_eq!(call.provider.as_deref(), Some(provider_id(sent.provider)));
    assert_eq!(call.status, sent.status.map(|it| it.as_u16()), "{call:#?}");
    assert_eq!(call.model_asked, sent.model_asked, "{call:#?}");
    // A count of tokens does not say which model counted.
    let answer = String::from_utf8_lossy(&sent.response);
    let served = sent.model_served.clone().filter(|it| answer.contains(it.as_str()));
    assert_eq!(call.model_served, served, "{call:#?}");
    let broke = call.error_code.is_some();
    assert_eq!(broke, is_controlled(sent, "break_after"), "{call:#?}");
    let failed = broke || is_controlled(sent, "error_midstream");
    assert_eq!(call.state, if failed { CallState::Failed } else { CallState::Finished });
    let audio = [call.usage.input_audio, call.usage.output_audio];
    // What the gateway counted itself was not sent.
    let told = if call.usage_counted { UsageView::default() } else { call.usage.clone() };
    let silent = UsageView { input_audio: None, output_audio: None, ..told };
    assert!(audio.iter().all(|it| it.is_none_or(|it| it == 0)), "{audio:?}");
    assert_eq!(silent, viewed(known(sent)), "{call:#?}");
    assert!(!call.simulated);
}

fn viewed(sent: UsageSent) -> UsageView {
    UsageView {
        input: sent.input,
        cache_read: sent.cache_read,
        cache_write_5m: sent.cache_write_5m,
        cache_write_1h: sent.cache_write_1h,
        output: sent.output,
        reasoning: sent.reasoning,
        web_searches: sent.web_searches,
        ..UsageView::default()
    }
}

#[tokio::test]
async fn openai_for_python_through_the_gateway() {
    check(Sdk::OpenaiPython, "openai_client.py (python3", "APIError").await;
}

#[tokio::test]
async fn openai_for_node_through_the_gateway() {
    check(Sdk::OpenaiNode, "openai_client.mjs (node", "APIError").await;
}

#[tokio::test]
async fn anthropic_for_python_through_the_gateway() {
    check(Sdk::AnthropicPython, "anthropic_client.py (python3", "RemoteProtocolError").await;
}

#[tokio::test]
async fn google_genai_for_python_through_the_gateway() {
    check(Sdk::GenaiPython, "genai_client.py (python3", "RemoteProtocolError").await;
}

#[tokio::test]
async fn anthropic_for_node_through_the_gateway() {
    check(Sdk::AnthropicNode, "anthropic_client.mjs (node", "AnthropicError").await;
}

#[tokio::test]
async fn google_genai_for_node_through_the_gateway() {
    check(Sdk::GenaiNode, "genai_client.mjs (node", "TypeError").await;
}
