//! Guardrails as a user has them: what the SDKs read, what the commands say, what a restart keeps.

use std::{fs, os::unix::fs::PermissionsExt as _};

use http::StatusCode;
use serde_json::json;
use tollgate_app::api::{
    guardrails::{ExceptionView, GuardrailView, HitPage},
    view::CallDetail,
};
use tollgate_tests::{Controls, Home, Sdk, providers, send};

use super::using::{chat, simulator};

/// What the SDKs' clients ask, and the word of it that is redacted.
const QUESTION: &str = "Say something – naïvely, in 東京. 🦀";
const WORD: &str = "東京";

/// Runs cases in which the model repeats what it was asked: the SDK reads all of it, the provider less.
async fn check(sdk: Sdk, cases: &[&str]) {
    let simulator = simulator().await;
    let home = Home::new();
    let guardrail = format!(
        "[[guardrails]]\nname = \"cities\"\ncheck = \"pattern\"\npattern = \"{WORD}\"\nlabel = \"CITY\"\n\
         on = \"requests\"\naction = \"redact\"\n"
    );
    home.configure(&[providers(&simulator.base_url()), guardrail].join("\n"));
    let product = home.serve().await;
    let controls = Controls::InHeader("echo,pieces=17");
    let ran = sdk.run_cases(&home, home.path(), &product.base_url(), cases, controls).await;
    let Some(lines) = ran else { return };
    assert_eq!(lines.len(), cases.len());
    for line in lines {
        assert_eq!(line["text"], QUESTION, "{line}");
    }
    let sent = simulator.calls();
    assert_eq!(sent.len(), cases.len());
    for sent in sent {
        let body = String::from_utf8_lossy(&sent.request).into_owned();
        assert!(body.contains("[CITY_1]") && !body.contains(WORD), "{body}");
        assert!(!body.contains("\\u6771"), "{body}");
    }
    product.stop().await;
}

#[tokio::test]
async fn openai_for_python_reads_what_was_redacted() {
    check(Sdk::OpenaiPython, &["chat_plain", "chat_stream"]).await;
}

#[tokio::test]
async fn anthropic_for_python_reads_what_was_redacted() {
    check(Sdk::AnthropicPython, &["plain", "stream"]).await;
}

#[tokio::test]
async fn google_genai_for_python_reads_what_was_redacted() {
    check(Sdk::GenaiPython, &["plain", "stream"]).await;
}

const MAIL: &str = "jane.doe@acme.io";
const BLOCKS: &str = "[[guardrails]]\nname = \"no mail\"\ncheck = \"pii\"\nrules = [\"email\"]\naction = \"block\"\n";

#[tokio::test]
async fn the_commands_tell_what_was_found_and_end_what_was_wrong_for_good() {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&[providers(&simulator.base_url()), BLOCKS.to_owned()].join("\n"));
    let product = home.serve().await;
    let listed = product.run(&["guardrails", "list"]).await;
    assert!(listed.expect().contains("no mail") && listed.expect().contains("block"), "{listed:?}");
    let none = product.run(&["guardrails", "hits"]).await;
    assert!(none.stderr().contains("nothing was found"), "{none:?}");

    let body = json!({"model": "gpt-5-mini", "messages": [{"role": "user", "content": format!("write to {MAIL}")}]});
    let body = body.to_string();
    let got = send(product.listen, chat(&body, "")).await;
    assert_eq!(got.status(), StatusCode::FORBIDDEN);
    let calls = product.calls(1).await;
    assert_eq!(calls[0].error_code.as_deref(), Some("blocked-by-guardrail"));
    let detail: CallDetail = product.admin().get(&format!("/calls/{}", calls[0].id)).await.unwrap();
    assert_eq!(detail.hits.len(), 1, "{:?}", detail.hits);
    let hit = &detail.hits[0];
    assert_eq!((hit.rule.as_str(), hit.place.as_str()), ("email", "messages[0]"));
    assert_eq!(hit.snippet.as_deref(), Some("write to ‹EMAIL›"));
    let number = hit.number.unwrap().to_string();

    let hits = product.run(&["guardrails", "hits"]).await;
    let shown = hits.expect();
    assert!(shown.contains("write to ‹EMAIL›") && shown.contains(&number), "{shown}");
    assert!(!shown.contains("jane"), "{shown}");
    let page: HitPage = product.admin().get("/guardrails/hits?rule=phone").await.unwrap();
    assert!(page.hits.is_empty());

    let file = home.path().join("prompt.txt");
    fs::write(&file, format!("please tell {MAIL}")).unwrap();
    let tested = product.run(&["guardrails", "test", file.to_str().unwrap()]).await;
    assert!(tested.expect().contains("please tell ‹EMAIL›"), "{tested:?}");
    assert!(tested.stderr().contains("blocks this call"), "{tested:?}");

    let except = product.run(&["guardrails", "except", &number]).await;
    assert!(except.stderr().contains("does not find this text any more"), "{except:?}");
    assert_eq!(send(product.listen, chat(&body, "")).await.status(), StatusCode::OK);
    let unknown = product.run(&["guardrails", "except", "4711"]).await;
    assert_ne!(unknown.code(), 0);
    product.stop().await;

    let path = home.data().join("guardrail-exceptions.json");
    let stored = fs::read_to_string(&path).unwrap();
    assert!(!stored.contains("jane") && stored.contains("email"), "{stored}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let product = home.serve().await;
    assert_eq!(send(product.listen, chat(&body, "")).await.status(), StatusCode::OK);
    let made: Vec<ExceptionView> = product.admin().get("/guardrails/exceptions").await.unwrap();
    let end = product.run(&["guardrails", "except", "--end", &made[0].fingerprint]).await;
    assert!(end.stderr().contains("nothing was said to be found wrongly"), "{end:?}");
    assert_eq!(send(product.listen, chat(&body, "")).await.status(), StatusCode::FORBIDDEN);
    product.stop().await;
}

#[tokio::test]
async fn without_kept_bodies_nothing_is_kept_of_what_stands_around_a_hit() {
    let simulator = simulator().await;
    let home = Home::new();
    let keeping = "[ledger]\nkeep_bodies = false\n".to_owned();
    home.configure(&[providers(&simulator.base_url()), keeping, BLOCKS.to_owned()].join("\n"));
    let product = home.serve().await;
    let body = format!(
        r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"private words {MAIL}"}}]}}"#
    );
    send(product.listen, chat(&body, "")).await;
    product.calls(1).await;
    let page: HitPage = product.admin().get("/guardrails/hits").await.unwrap();
    assert_eq!((page.hits.len(), &page.hits[0].snippet), (1, &None));
    product.stop().await;
    for entry in fs::read_dir(home.data()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(7).any(|it| it == b"private"));
    }
}

#[tokio::test]
async fn a_guardrail_comes_into_force_when_the_file_is_saved() {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&providers(&simulator.base_url()));
    let product = home.serve().await;
    let body =
        format!(r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"{MAIL}"}}]}}"#);
    assert_eq!(send(product.listen, chat(&body, "")).await.status(), StatusCode::OK);
    assert!(!home.data().join("guardrail-exceptions.json").exists());
    home.configure(&[providers(&simulator.base_url()), BLOCKS.to_owned()].join("\n"));
    // It is told once it is in force.
    while product.admin().get::<Vec<GuardrailView>>("/guardrails").await.unwrap().is_empty() {}
    assert_eq!(send(product.listen, chat(&body, "")).await.status(), StatusCode::FORBIDDEN);
    product.stop().await;
}
