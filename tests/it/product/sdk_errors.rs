//! The gateway's own errors, as the official SDKs raise them: each as the exception of its kind, and
//! each in the ledger.

use tokio::net::TcpListener;
use tollgate_app::api::view::CallState;
use tollgate_simulator::Simulator;
use tollgate_tests::{Controls, Home, Product, Sdk, providers};

use super::using::simulator;

/// What is asked for, and where.
#[derive(Clone, Copy)]
struct Wrong {
    case: &'static str,
    /// The provider in the path; none for the format's usual one.
    provider: &'static str,
    controls: &'static str,
    status: u16,
    code: &'static str,
}

const fn wrong(case: &'static str, status: u16, code: &'static str) -> Wrong {
    Wrong { case, provider: "", controls: "", status, code }
}

/// A simulated provider, one at a port where nobody listens, and one that has a second to answer.
async fn product(simulator: &Simulator) -> Product {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let lab = |id: &str, origin: &str| {
        format!(
            "[[providers]]\nid = \"{id}\"\nauth = \"none\"\nbase_url = \"{origin}/v1\"\n\
             format = [\"openai-chat\", \"anthropic-messages\"]\nfirst_byte_timeout_s = 1\n"
        )
    };
    let origin = simulator.base_url();
    let home = Home::new();
    home.configure(
        &[providers(&origin), lab("closed", &closed), lab("silent", &origin)].join("\n"),
    );
    home.serve().await
}

/// Runs each case and compares the exception's class with the one given beside it.
async fn check(sdk: Sdk, plain: &'static str, stream: &'static str, classes: [&str; 7]) {
    let simulator = simulator().await;
    let product = product(&simulator).await;
    let home = product.home();
    let cases = [
        wrong("no_key", 401, "no-credential"),
        wrong("unknown_path", 404, "unknown-path"),
        wrong("oversized", 413, "body-too-large"),
        wrong("no_object", 400, "malformed-body"),
        Wrong { provider: "/p/closed", ..wrong(plain, 502, "provider-unreachable") },
        Wrong { provider: "/p/silent", controls: "hang", ..wrong(plain, 504, "timeout") },
    ];
    let mut settled = 0;
    for (wrong, class) in cases.into_iter().zip(classes) {
        let base_url = format!("{}{}", product.base_url(), wrong.provider);
        let ran = sdk
            .run_cases(
                home,
                home.path(),
                &base_url,
                &[wrong.case],
                Controls::InHeader(wrong.controls),
            )
            .await;
        let Some(lines) = ran else { return };
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!(line["error"], class, "{line}");
        assert_eq!(line["status"], wrong.status, "{line}");
        settled += 1;
        let call = product.calls(settled).await.pop().unwrap();
        assert_eq!(call.error_code.as_deref(), Some(wrong.code), "{call:#?}");
        assert_eq!(call.status, Some(wrong.status), "{call:#?}");
        assert_eq!(call.state, CallState::Failed, "{call:#?}");
    }
    // A stream that breaks between two events: what was sent of a whole one says where.
    sdk.run_cases(home, home.path(), &product.base_url(), &[stream], Controls::InHeader(""))
        .await
        .unwrap();
    settled += 1;
    product.calls(settled).await;
    let whole = simulator.calls().pop().unwrap().response;
    let text = String::from_utf8(whole).unwrap();
    let (at, _) = text.match_indices("\n\n").nth(3).unwrap();
    let controls = format!("break_after={}", at + 2);
    let lines = sdk
        .run_cases(home, home.path(), &product.base_url(), &[stream], Controls::InHeader(&controls))
        .await
        .unwrap();
    assert_eq!(lines[0]["error"], classes[6], "{lines:?}");
    let message = lines[0]["message"].as_str().unwrap();
    assert!(message.contains("broke off before its end"), "{message}");
    settled += 1;
    let call = product.calls(settled).await.pop().unwrap();
    assert_eq!(call.error_code.as_deref(), Some("provider-broke"), "{call:#?}");
    product.stop().await;
}

#[tokio::test]
async fn openai_for_python_raises_the_gateways_own_errors() {
    let classes = [
        "AuthenticationError",
        "NotFoundError",
        "APIStatusError",
        "BadRequestError",
        "InternalServerError",
        "InternalServerError",
        "APIError",
    ];
    check(Sdk::OpenaiPython, "chat_plain", "chat_stream", classes).await;
}

#[tokio::test]
async fn openai_for_node_raises_the_gateways_own_errors() {
    let classes = [
        "AuthenticationError",
        "NotFoundError",
        "APIError",
        "BadRequestError",
        "InternalServerError",
        "InternalServerError",
        "APIError",
    ];
    check(Sdk::OpenaiNode, "chat_plain", "chat_stream", classes).await;
}

#[tokio::test]
async fn anthropic_for_python_raises_the_gateways_own_errors() {
    let classes = [
        "AuthenticationError",
        "NotFoundError",
        "ContentTooLargeError",
        "BadRequestError",
        "InternalServerError",
        "GatewayTimeoutError",
        "APIStatusError",
    ];
    check(Sdk::AnthropicPython, "plain", "stream", classes).await;
}
