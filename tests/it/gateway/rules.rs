//! Rules: what they do to calls, seen from both ends.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::Notify;
use tollgate_app::config::Config;
use tollgate_core::{
    Caller, SocketCookie,
    call::ErrorCode,
    caller::{CallerSource, ProcessKey},
    provider::{Auth, Catalogue},
    rule::{RuleEffect, RuleEnd, RuleTrace},
};
use tollgate_gateway::{CallerLookup, ClientSocket, ProviderSetup, RuleSet, Snapshot};

use super::{
    harness::{Door, House, Whole, ask, keyed, post, priced, simulator, snapshot},
    routing::model,
    signed::{aws, signed},
};

const CHAT: &str = "{ \"model\": \"gpt-5-mini\",\n \"messages\": [{\"role\":\"user\",\"content\":\"hi\"}], \"n\" : 1, \"user\":\"ada\" }";
const MESSAGES: &str = r#"{"model":"claude-sonnet-4-5","max_tokens":9000,"system":"Be kind.","messages":[{"role":"user","content":"hi"}]}"#;
const RESPONSES: &str = r#"{"model":"gpt-5-mini","input":"hi","max_output_tokens":9000}"#;
const GEMINI: &str =
    r#"{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":9000}}"#;
const GEMINI_PATH: &str = "/v1beta/models/gemini-2.5-flash:generateContent";

/// Rules as the configuration file has them.
fn rules(text: &str) -> Arc<RuleSet> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path, &Catalogue::embedded().unwrap()).unwrap().rules
}

impl House {
    /// A gateway with rules in front of a simulated provider.
    async fn ruled(text: &str) -> Self {
        let simulator = simulator().await;
        let rules = rules(text);
        let snapshot = Snapshot { rules, ..snapshot(&simulator.base_url()) };
        let door = Door::open(snapshot).await;
        Self { simulator, door }
    }

    /// What the provider got of the one call.
    fn sent(&self) -> String {
        let calls = self.simulator.calls();
        assert_eq!(calls.len(), 1);
        String::from_utf8(calls[0].request.to_vec()).unwrap()
    }
}

/// What is stored of the rules of the newest call.
async fn traces(door: &Door, calls: usize) -> Vec<RuleTrace> {
    door.seen.calls(calls).await;
    let settled = door.seen.ledger().pop().unwrap();
    settled.routing.map(|it| it.rules).unwrap_or_default()
}

#[tokio::test]
async fn a_call_that_no_rule_is_for_passes_byte_for_byte_and_has_no_trace() {
    let text = r#"
        [[rules]]
        name = "another"
        when = 'model == "gpt-4.1" || "bash" in tools'
        set = { n = 2 }
        set_headers = { x-team = "core" }
    "#;
    let house = House::ruled(text).await;
    let got = house.ask(post("/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert_eq!(house.sent(), CHAT);
    assert!(house.simulator.calls()[0].header("x-team").is_none());
    assert_eq!(traces(&house.door, 1).await, []);
}

#[tokio::test]
async fn a_body_is_edited_in_the_clients_own_format() {
    let text = r#"
        [[rules]]
        name = "house rules"
        remove = ["user"]
        set = { "metadata.team" = "core" }
        default = { temperature = 0.5 }
        cap = { max_tokens = 64, max_output_tokens = 64, "generationConfig.maxOutputTokens" = 64 }
        system_prefix = "Be brief."
    "#;
    let check = async |path: &str, body: &str, expected: &str| {
        let house = House::ruled(text).await;
        house.ask(post(path, body)).await;
        assert_eq!(house.sent(), expected);
        let kept = traces(&house.door, 1).await;
        assert_eq!((kept.len(), &kept[0].end), (1, &RuleEnd::Applied));
        assert!(kept[0].changes.iter().any(|it| it.effect == RuleEffect::Changed));
        let kept = house.door.seen.ledger().pop().unwrap().bodies.unwrap();
        assert_eq!(&kept.request[..], body.as_bytes(), "the ledger has what the client sent");
    };
    check(
        "/v1/chat/completions",
        CHAT,
        "{ \"model\": \"gpt-5-mini\",\n \"messages\": [{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"hi\"}], \"n\" : 1,\"metadata\":{\"team\":\"core\"},\"temperature\":0.5}",
    )
    .await;
    check(
        "/v1/messages",
        MESSAGES,
        r#"{"model":"claude-sonnet-4-5","max_tokens":64,"system":"Be brief.\n\nBe kind.","messages":[{"role":"user","content":"hi"}],"metadata":{"team":"core"},"temperature":0.5}"#,
    )
    .await;
    check(
        "/v1/responses",
        RESPONSES,
        r#"{"model":"gpt-5-mini","input":"hi","max_output_tokens":64,"metadata":{"team":"core"},"temperature":0.5,"instructions":"Be brief."}"#,
    )
    .await;
    check(
        GEMINI_PATH,
        GEMINI,
        r#"{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":64},"metadata":{"team":"core"},"temperature":0.5,"systemInstruction":{"parts":[{"text":"Be brief."}]}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_denied_call_gets_the_reason_in_its_own_format_and_reaches_nobody() {
    let text = "[[rules]]\nname = \"small models\"\nwhen = 'path.contains(\"/\")'\ndeny = 'use a smaller one'\n";
    let message = "Tollgate's rule `small models` denies this call: use a smaller one";
    for (path, body, kind) in [
        ("/v1/chat/completions", CHAT, "/error/type"),
        ("/v1/responses", RESPONSES, "/error/type"),
        ("/v1/messages", MESSAGES, "/error/type"),
        (GEMINI_PATH, GEMINI, "/error/status"),
        // A body that would be passed on as it comes.
        ("/v1/files", CHAT, "/error/type"),
    ] {
        let house = House::ruled(text).await;
        let got = house.ask(post(path, body)).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{path}: {}", got.text());
        let error: Value = got.json();
        assert_eq!(error["error"]["message"], message, "{path}");
        let kind = error.pointer(kind).and_then(Value::as_str).unwrap();
        assert!(["permission_error", "PERMISSION_DENIED"].contains(&kind), "{path}: {kind}");
        let call = house.call().await;
        assert_eq!(call.error_code, Some(ErrorCode::DeniedByRule));
        assert_eq!((call.cost, call.cost_unknown), (None, None), "nobody is billed");
        assert!(house.simulator.calls().is_empty(), "{path}");
        let kept = traces(&house.door, 1).await;
        assert_eq!((kept[0].rule.as_str(), &kept[0].end), ("small models", &RuleEnd::Denied));
    }
}

#[tokio::test]
async fn a_long_upload_that_is_denied_is_read_so_that_the_client_sees_why() {
    let text = "[[rules]]\nname = 'no files'\nwhen = 'path == \"/v1/files\"'\ndeny = 'no'\n";
    let house = House::ruled(text).await;
    let long = "x".repeat(4 << 20);
    let got = house.ask(post("/v1/files", &long)).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN);
    assert!(house.simulator.calls().is_empty());
}

#[tokio::test]
async fn another_model_is_asked_for_in_the_body_or_in_the_path() {
    let chat = "[[rules]]\nname = 'r'\nwhen = 'model == \"gpt-5-mini\"'\nmodel = 'gpt-4.1-mini'\n";
    let house = House::ruled(chat).await;
    let got = house.ask(post("/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert_eq!(house.sent(), CHAT.replacen("gpt-5-mini", "gpt-4.1-mini", 1));
    let call = house.call().await;
    assert_eq!(call.model_asked.as_deref(), Some("gpt-5-mini"));
    assert!(call.model_served.as_deref().is_some_and(|it| it.starts_with("gpt-4.1-mini")));

    let gemini = "[[rules]]\nname = 'r'\nmodel = 'gemini-2.5-pro'\n";
    let house = House::ruled(gemini).await;
    let got = house.ask(post(&format!("{GEMINI_PATH}?x=1"), GEMINI)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert_eq!(house.sent(), GEMINI);
    let calls = house.simulator.calls();
    assert_eq!(calls[0].uri.to_string(), "/v1beta/models/gemini-2.5-pro:generateContent?x=1");
    assert_eq!(house.call().await.model_asked.as_deref(), Some("gemini-2.5-flash"));
}

#[tokio::test]
async fn a_rule_can_ask_for_a_model_of_the_users_own_at_a_provider_of_another_format() {
    let text = r#"
        [[rules]]
        name = "cheap"
        when = 'format == "anthropic-messages"'
        model = "fast"
        system_suffix = "Be brief."
        set_headers = { x-team = "core" }
        set_response_headers = { x-ruled = "yes" }
    "#;
    let simulator = simulator().await;
    let openai = keyed("openai", &simulator.base_url(), "sk-openai");
    let snapshot = Snapshot {
        models: vec![model(&[("openai", "gpt-4.1-mini")])],
        rules: rules(text),
        ..priced(vec![openai])
    };
    let door = Door::open(snapshot).await;
    for (at, body) in
        [MESSAGES.to_owned(), MESSAGES.replacen('{', "{\"stream\":true,", 1)].iter().enumerate()
    {
        let got = ask(door.addr, post("/v1/messages", body)).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text());
        assert_eq!(got.headers["x-ruled"], "yes");
        let calls = simulator.calls();
        assert_eq!(calls[at].path(), "/v1/chat/completions");
        assert_eq!(calls[at].header("x-team"), Some("core"), "also where no other header goes");
        let sent = String::from_utf8_lossy(&calls[at].request);
        assert!(
            sent.contains("gpt-4.1-mini") && sent.contains("Be kind.\\n\\nBe brief."),
            "{sent}"
        );
        door.seen.calls(at + 1).await;
        let settled = door.seen.ledger().pop().unwrap();
        assert_eq!(settled.call.model_asked.as_deref(), Some("claude-sonnet-4-5"));
        let routing = settled.routing.unwrap();
        assert_eq!(routing.model.as_deref(), Some("fast"));
        assert_eq!(routing.rules[0].rule, "cheap");
    }
}

#[tokio::test]
async fn headers_are_set_and_removed_in_both_directions() {
    let text = r#"
        [[rules]]
        name = "headers"
        when = 'headers["x-debug"] == "1" && !("authorization" in headers)'
        remove_headers = ["x-debug"]
        set_headers = { x-team = "core" }
        remove_response_headers = ["x-request-id"]
        set_response_headers = { x-ruled = "yes" }
    "#;
    let house = House::ruled(text).await;
    let request = |path: &str| {
        let mut request = post(path, CHAT);
        request.headers_mut().insert("x-debug", "1".parse().unwrap());
        request.headers_mut().append("x-team", "one".parse().unwrap());
        request.headers_mut().append("x-team", "two".parse().unwrap());
        request
    };
    let plain = ask(house.simulator.addr(), post("/v1/chat/completions", CHAT)).await;
    assert!(plain.headers.contains_key("x-request-id"));
    house.simulator.log().clear();
    let got = house.ask(request("/v1/chat/completions")).await;
    assert_eq!(got.headers["x-ruled"], "yes");
    assert!(!got.headers.contains_key("x-request-id"));
    let calls = house.simulator.calls();
    assert!(calls[0].header("x-debug").is_none());
    let team: Vec<_> = calls[0].headers.get_all("x-team").iter().collect();
    assert_eq!(team, ["core"]);
    assert!(calls[0].headers.contains_key("authorization"));
    // A body that is passed on as it comes has headers all the same.
    let got = house.ask(request("/v1/files")).await;
    assert_eq!(got.headers["x-ruled"], "yes");
    assert_eq!(house.simulator.calls()[1].header("x-team"), Some("core"));
}

#[tokio::test]
async fn a_compressed_body_does_not_get_round_a_rule() {
    let text =
        "[[rules]]\nname = 'cap'\nwhen = 'params.max_tokens > 64'\ncap = { max_tokens = 64 }\n";
    let coded = |coding: &str, body: Vec<u8>| {
        let mut request = post("/v1/messages", "").map(|_| Bytes::from(body));
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        request
    };
    let house = House::ruled(text).await;
    let got = house.ask(coded("zstd", zstd::encode_all(MESSAGES.as_bytes(), 0).unwrap())).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert_eq!(house.sent(), MESSAGES.replacen("9000", "64", 1));
    assert!(house.simulator.calls()[0].header("content-encoding").is_none());

    let every = "[[rules]]\nname = 'cap'\ncap = { max_tokens = 64 }\n";
    let house = House::ruled(every).await;
    let got = house.ask(coded("secret", b"zzz".to_vec())).await;
    assert_eq!(got.status, StatusCode::NOT_IMPLEMENTED, "{}", got.text());
    assert!(house.simulator.calls().is_empty());
    let kept = traces(&house.door, 1).await;
    assert!(matches!(kept[0].changes[0].effect, RuleEffect::Impossible(_)));
}

#[tokio::test]
async fn a_stream_that_a_rule_changes_keeps_its_usage() {
    let text = "[[rules]]\nname = 'r'\nremove = ['user']\n";
    let house = House::ruled(text).await;
    let body = CHAT.replacen('{', "{\"stream\":true,", 1);
    let got: Whole = house.ask(post("/v1/chat/completions", &body)).await;
    assert!(!got.text().contains("\"usage\":{"), "the client did not ask for it");
    assert!(house.sent().contains("include_usage") && !house.sent().contains("ada"));
    let call = house.call().await;
    assert!(call.usage.output.is_some() && call.cost.is_some(), "{call:?}");
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_does_nothing_and_is_noted() {
    let text = "[[rules]]\nname = 'r'\nwhen = 'headers[\"x-team\"] == \"core\"'\ndeny = 'no'\n";
    let house = House::ruled(text).await;
    let got = house.ask(post("/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, StatusCode::OK);
    let kept = traces(&house.door, 1).await;
    let reason = "there is no member `x-team`".to_owned();
    assert_eq!(
        kept,
        [RuleTrace { rule: "r".to_owned(), end: RuleEnd::Failed(reason), changes: vec![] }]
    );
}

/// Finds `pytest`, once it is let; never otherwise.
struct Late(Arc<Notify>);

impl CallerLookup for Late {
    fn socket(&self, _: std::net::SocketAddr, _: std::net::SocketAddr) -> Option<ClientSocket> {
        None
    }

    fn lookup(
        &self,
        _: Option<ClientSocket>,
        _: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>> {
        let let_go = Arc::clone(&self.0);
        Box::pin(async move {
            let_go.notified().await;
            Some(Arc::new(Caller {
                process: ProcessKey { pid: 7, started_at_ns: 7 },
                program: "pytest".to_owned(),
                exe: None,
                argv: Vec::new(),
                cwd: None,
                uid: 1000,
                user: None,
                ancestors: Vec::new(),
                cgroup: None,
                project: None,
                source: CallerSource::SockDiag,
            }))
        })
    }
}

async fn late(text: &str, let_go: &Arc<Notify>) -> (tollgate_simulator::Simulator, Door) {
    let simulator = simulator().await;
    let snapshot = Snapshot { rules: rules(text), ..snapshot(&simulator.base_url()) };
    let callers = Arc::new(Late(Arc::clone(let_go)));
    let door = Door::open_with(snapshot, |it| it.callers = callers).await;
    (simulator, door)
}

#[tokio::test]
async fn a_rule_about_the_caller_waits_for_it() {
    let text = "[[rules]]\nname = 'r'\nwhen = 'program == \"pytest\"'\ndeny = 'no tests'\n";
    let let_go = Arc::new(Notify::new());
    let (_simulator, door) = late(text, &let_go).await;
    // Found before the call begins: what is stored does not get lost.
    let_go.notify_one();
    let got = ask(door.addr, post("/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN, "{}", got.text());
}

#[tokio::test]
async fn a_caller_that_is_not_found_in_time_is_not_known() {
    let text = "[[rules]]\nname = 'r'\nwhen = 'program == null'\ndeny = 'who are you'\n";
    let let_go = Arc::new(Notify::new());
    let (_simulator, door) = late(text, &let_go).await;
    let got = ask(door.addr, post("/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN, "{}", got.text());
}

#[tokio::test]
async fn a_call_waits_for_its_caller_only_if_a_rule_asks_for_it() {
    let text = "[[rules]]\nname = 'r'\nwhen = 'stream'\ndeny = 'no'\n";
    let let_go = Arc::new(Notify::new());
    let (simulator, door) = late(text, &let_go).await;
    let got = ask(door.addr, post("/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(simulator.calls().len(), 1);
    // The call is not settled before its caller is found, which nobody was told yet.
    let_go.notify_one();
    let calls = door.seen.calls(1).await;
    assert_eq!(calls[0].caller.as_ref().map(|it| it.program.as_str()), Some("pytest"));
}

#[tokio::test]
async fn other_rules_are_for_further_calls() {
    let house = House::ruled("[[rules]]\nname = 'r'\ndeny = 'no'\n").await;
    let got = house.ask(post("/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN);
    let origin = house.simulator.base_url();
    house.door.gateway.replace(snapshot(&origin)).unwrap();
    assert!(house.door.gateway.rules().is_empty());
    let got = house.ask(post("/v1/chat/completions", CHAT)).await;
    assert_eq!(got.status, StatusCode::OK);
}

#[tokio::test]
async fn another_model_of_bedrocks_is_asked_for_in_the_path_unless_the_client_signed_it() {
    let simulator = simulator().await;
    let rules = rules("[[rules]]\nname = 'nova'\nmodel = 'amazon.nova-lite-v1:0'");
    let ask = async |setup: ProviderSetup, authorization: &str| {
        let snapshot = Snapshot { rules: Arc::clone(&rules), ..priced(vec![setup]) };
        let door = Door::open(snapshot).await;
        let body = r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#;
        let mut request =
            post("/p/amazon-bedrock/model/anthropic.claude-haiku-4-5-v1%3A0/converse", body);
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        ask(door.addr, request).await;
        let received = simulator.calls().pop().unwrap();
        let traces = traces(&door, 1).await;
        let call = door.seen.calls(1).await.remove(0);
        let effect = traces[0].changes[0].effect.clone();
        (received.path().to_owned(), effect, call.model_asked.clone())
    };
    let own = "AWS4-HMAC-SHA256 Credential=client";
    let (path, effect, asked) =
        ask(signed("amazon-bedrock", &simulator, Auth::Aws, aws()), own).await;
    assert_eq!(path, "/model/amazon.nova-lite-v1%3A0/converse");
    assert_eq!(effect, RuleEffect::Changed);
    assert_eq!(asked.as_deref(), Some("anthropic.claude-haiku-4-5-v1:0"));
    let signature = simulator.calls()[0].headers["authorization"].clone();
    assert!(signature.to_str().unwrap().contains("Credential=AKIDEXAMPLE/"), "it is signed anew");

    let unsigned =
        ProviderSetup { signing: None, ..signed("amazon-bedrock", &simulator, Auth::Aws, aws()) };
    let (path, effect, _) = ask(unsigned, own).await;
    assert_eq!(path, "/model/anthropic.claude-haiku-4-5-v1%3A0/converse");
    assert!(matches!(effect, RuleEffect::Impossible(_)), "{effect:?}");
}
