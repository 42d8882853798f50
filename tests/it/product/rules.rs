//! `tollgate rules`, and rules that change while the gateway runs.

use std::fs;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;
use tollgate_app::api::rules::{RuleTestView, RuleView, RulesTextView};
use tollgate_simulator::Simulator;
use tollgate_tests::{Home, PATIENCE, Product, send};

use super::using::{CHAT, chat, simulator};

/// The blocks of the documentation in one language, as they stand there.
fn documented(language: &str) -> Vec<&'static str> {
    let text = include_str!("../../../docs/rules.md");
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.filter_map(|it| it.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// A gateway with rules, for which OpenAI is `simulator`.
fn ruled(simulator: &Simulator, rules: &str) -> String {
    format!("[[providers]]\nid = 'openai'\nbase_url = '{}/v1'\n{rules}", simulator.base_url())
}

/// Makes calls until one is answered with `status`.
async fn answers(product: &Product, status: StatusCode) {
    let calling = async { while send(product.listen, chat(CHAT, "")).await.status() != status {} };
    timeout(PATIENCE, calling).await.expect("a call to go by the rules of the file");
}

#[tokio::test]
async fn the_documented_call_is_explained_as_documented() {
    let home = Home::new();
    home.configure(documented("toml")[0]);
    let product = home.serve().await;
    let file = home.path().join("call.json");
    fs::write(&file, documented("json")[0]).unwrap();
    let tested = product.run(&["rules", "test", file.to_str().unwrap()]).await;
    assert_eq!(tested.expect(), documented("text")[0]);

    let listed = product.run(&["rules", "list"]).await;
    let listed = listed.expect();
    assert!(listed.starts_with("RULE "), "{listed}");
    assert!(listed.contains("\nno large models in tests  program == \"pytest\" &&"), "{listed}");
    assert!(listed.contains("  default temperature, cap generationConfig."), "{listed}");
    product.stop().await;
}

#[tokio::test]
async fn a_call_of_the_ledger_is_tried_again_and_shows_what_was_done() {
    let simulator = simulator().await;
    let home = Home::new();
    let rules = "[[rules]]\nname = 'cap'\nwhen = 'model.startsWith(\"gpt\") && !stream'\ncap = { n = 1 }\ndefault = { temperature = 0.5 }\n\
        [[rules]]\nname = 'unknown header'\nwhen = 'headers[\"x-none\"] == \"1\"'\ndeny = 'no'\n";
    home.configure(&ruled(&simulator, rules));
    let product = home.serve().await;
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 200);
    let sent: Value = serde_json::from_slice(&simulator.calls()[0].request).unwrap();
    assert_eq!(sent["temperature"], 0.5);
    let calls = product.calls(1).await;
    let detail = product.run(&["calls", &calls[0].id]).await;
    let detail = detail.expect();
    assert!(detail.contains("\nrule      `cap` applied\n  default temperature\n"), "{detail}");
    let failed = "\nrule      `unknown header` failed: there is no member `x-none`\n";
    assert!(detail.contains(failed), "{detail}");
    let detail = product.run(&["calls", "--json", &calls[0].id]).await.json();
    let rules = &detail["routing"]["rules"];
    assert_eq!(rules[0]["changes"][0]["effect"], "changed", "{rules}");

    let again =
        product.run(&["rules", "test", "--json", "--call", &calls[0].id[..18]]).await.json();
    assert_eq!(again["rules"][0]["verdict"], "holds");
    assert_eq!(again["rules"][0]["values"], json!({"model": sent["model"], "stream": false}));
    assert_eq!(again["body"]["temperature"], 0.5);
    // Headers are not kept.
    assert_eq!(again["rules"][1]["values"], json!({ "headers": null }));
    product.stop().await;
}

#[tokio::test]
async fn rules_are_followed_when_the_file_changes_and_stay_when_it_has_a_mistake() {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&ruled(&simulator, ""));
    let product = home.serve().await;
    answers(&product, StatusCode::OK).await;
    let rule = |when: &str| {
        ruled(&simulator, &format!("[[rules]]\nname = 'r'\nwhen = '{when}'\ndeny = 'no'\n"))
    };
    home.configure(&rule("model != null"));
    answers(&product, StatusCode::FORBIDDEN).await;

    home.configure(&rule("model != nul"));
    let status = product.status(|it| it.configuration_problem.is_some()).await;
    let problem = status.configuration_problem.unwrap();
    assert!(problem.contains("config.toml:6:18: no variable `nul`"), "{problem}");
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 403, "the rule from before");

    home.configure(&ruled(&simulator, ""));
    answers(&product, StatusCode::OK).await;
    product.stop().await;
}

#[tokio::test]
async fn rules_say_what_fired_and_go_on_counting_when_another_changes() {
    let simulator = simulator().await;
    let home = Home::new();
    let rules = |reason: &str| {
        let fires = "[[rules]]\nname = 'fires'\nwhen = '!stream'\ndefault = { n = 1 }\n";
        let rest = "[[rules]]\nname = 'fails'\nwhen = 'headers[\"x-none\"] == \"1\"'\ndeny = ";
        ruled(&simulator, &format!("{fires}{rest}'{reason}'\n"))
    };
    home.configure(&rules("no"));
    let product = home.serve().await;
    let untouched: Vec<RuleView> = product.admin().get("/rules").await.unwrap();
    assert_eq!((untouched[0].fired, untouched[0].last_fired_at_ms), (0, None));
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 200);
    let calls = product.calls(1).await;
    let told: Vec<RuleView> = product.admin().get("/rules").await.unwrap();
    assert_eq!((told[0].fired, told[0].failed, told[1].fired, told[1].failed), (1, 0, 0, 1));
    assert_eq!(told[0].last_fired_for.as_ref(), Some(&calls[0].id));
    assert_eq!(told[0].last_fired_at_ms, Some(calls[0].started_at_ms));

    home.configure(&rules("another reason"));
    let changed = async {
        loop {
            let told: Vec<RuleView> = product.admin().get("/rules").await.unwrap();
            if told[1].deny.as_deref() == Some("another reason") {
                return told;
            }
        }
    };
    let told = timeout(PATIENCE, changed).await.expect("the changed rule");
    assert_eq!((told[0].fired, told[1].failed), (1, 0));
    product.stop().await;
}

#[tokio::test]
async fn rules_that_are_not_saved_are_tried_and_their_mistakes_have_a_place() {
    let home = Home::new();
    let written = "# who may\n[[rules]]\nname = 'r' # ours\nset = { n = 1 }\n\n[rules.set_headers]\nx-a = '1'\n";
    home.configure(&format!("listen = '127.0.0.1:0'\n{written}\n[ledger]\nkeep_bodies = true\n"));
    let product = home.serve().await;
    let text: RulesTextView = product.admin().get("/rules/text").await.unwrap();
    assert_eq!(text.text.trim_end(), written.trim_end());
    assert!(text.file.ends_with("config.toml"), "{}", text.file);

    let test = |rules: &str| json!({ "with": { "format": "openai-chat", "body": { "model": "m" } }, "rules": rules });
    let draft = "[[rules]]\nname = 'draft'\nwhen = 'model == \"m\"'\nmodel = 'other'\n";
    let tested: RuleTestView = product.admin().post("/rules/test", &test(draft)).await.unwrap();
    assert_eq!((tested.rules[0].name.as_str(), &*tested.rules[0].verdict), ("draft", "holds"));
    assert_eq!(tested.model.as_deref(), Some("other"));
    assert_eq!(tested.rules[0].deny, None);
    for (rules, place, part) in [
        (
            "[[rules]]\nname = 'r'\nwhen = 'modl == \"m\"'\ndeny = 'no'",
            (3, 9),
            "no variable `modl`",
        ),
        ("[[rules]]\nname = 'r'\ndeny =", (3, 7), ""),
        ("listen = '127.0.0.1:1'", (1, 1), "expected `rules`"),
    ] {
        let tested: RuleTestView = product.admin().post("/rules/test", &test(rules)).await.unwrap();
        let mistake = tested.mistake.expect(rules);
        assert_eq!((mistake.line, mistake.column), place, "{rules}: {}", mistake.message);
        assert!(mistake.message.contains(part), "{}", mistake.message);
        assert!(tested.rules.is_empty());
    }
    // Nothing of it is in force.
    let told: Vec<RuleView> = product.admin().get("/rules").await.unwrap();
    assert_eq!(told.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["r"]);
    product.stop().await;
}

#[tokio::test]
async fn a_test_with_a_mistake_says_what_is_wrong() {
    let home = Home::new();
    home.configure("[[rules]]\nname = 'r'\ndeny = 'no'\n");
    let product = home.serve().await;
    let file = home.path().join("call.json");
    for (text, code, part) in [
        ("{", 1, "is not a JSON object with a call"),
        ("[]", 1, "is not a JSON object with a call"),
        (r#"{"progam":"x"}"#, 1, "no variable `progam`: there are `program`"),
        (r#"{"body":{}}"#, 1, "`body` needs `format`"),
        (r#"{"uid":"x"}"#, 1, "`uid` is a number"),
    ] {
        fs::write(&file, text).unwrap();
        let tested = product.run(&["rules", "test", file.to_str().unwrap()]).await;
        assert_eq!(tested.code(), code, "{text}");
        assert!(tested.stderr().contains(part), "{text}: {}", tested.stderr());
    }
    assert_eq!(product.run(&["rules", "test"]).await.code(), 2);
    let denied = r#"{"model":"x"}"#;
    fs::write(&file, denied).unwrap();
    let tested = product.run(&["rules", "test", file.to_str().unwrap()]).await;
    assert!(tested.expect().ends_with("the call would be denied by `r`\n"), "{}", tested.stdout());
    product.stop().await;
}
