//! Guardrails: what they do to calls, seen from both ends.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tollgate_app::config::Config;
use tollgate_core::{
    call::{ErrorCode, Outcome},
    guardrail::{Exceptions, GuardAction, GuardSide, Hit},
    provider::Catalogue,
};
use tollgate_gateway::{GuardrailSet, Snapshot};
use tollgate_wire::{Bodies, conversation, conversation::Part};

use super::{
    cases::ASKS,
    converse::{NOVA, bedrock},
    harness::{
        Door, House, Whole, ask, controlled, keyed, post, priced, setup, simulator, snapshot,
    },
};

/// What the tests redact, and how it looks in JSON.
const SECRET: &str = "sk-proj-a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4";
const MAIL: &str = "jane.doe@acme.io";

const REDACT: &str = r#"
    [[guardrails]]
    name = "no secrets"
    check = "secrets"
    on = "requests"
    action = "redact"

    [[guardrails]]
    name = "no mail"
    check = "pii"
    rules = ["email"]
    on = "requests"
    action = "redact"
"#;

/// Guardrails as the configuration file has them.
fn guardrails(text: &str) -> Arc<GuardrailSet> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let guardrails = Config::load(&path, &Catalogue::embedded().unwrap()).unwrap().guardrails;
    Arc::new(GuardrailSet { guardrails, exceptions: Arc::default() })
}

/// A guardrail with this check and action, for this side.
fn one(check: &str, action: &str, on: &str) -> String {
    format!(
        "[[guardrails]]\nname = \"it\"\ncheck = \"{check}\"\naction = \"{action}\"\non = \"{on}\"\n"
    )
}

impl House {
    /// A gateway with guardrails in front of a simulated provider.
    async fn guarded(text: &str) -> Self {
        let simulator = simulator().await;
        let guardrails = guardrails(text);
        let snapshot = Snapshot { guardrails, ..snapshot(&simulator.base_url()) };
        let door = Door::open(snapshot).await;
        Self { simulator, door }
    }

    /// What the provider got of the one call.
    fn got(&self) -> String {
        let calls = self.simulator.calls();
        assert_eq!(calls.len(), 1);
        String::from_utf8(calls[0].request.to_vec()).unwrap()
    }
}

/// What is stored of the newest call.
async fn hits(door: &Door, calls: usize) -> Vec<Hit> {
    door.seen.calls(calls).await;
    door.seen.ledger().pop().unwrap().hits
}

/// A request of each format that says `text` last, plain and streaming.
fn asking(text: &str) -> Vec<(&'static str, Request<Bytes>)> {
    let message = json!([{"role": "user", "content": text}]);
    let chat = |stream| json!({"model": "gpt-5-mini", "stream": stream, "messages": message});
    let responses = |stream| json!({"model": "gpt-5-mini", "stream": stream, "input": text});
    let messages = |stream| json!({"model": "claude-sonnet-4-5", "max_tokens": 900, "stream": stream, "messages": message});
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
    let model = "/v1beta/models/gemini-2.5-flash";
    let requests = [
        ("chat", "/v1/chat/completions".to_owned(), chat(false)),
        ("chat stream", "/v1/chat/completions".to_owned(), chat(true)),
        ("responses", "/v1/responses".to_owned(), responses(false)),
        ("responses stream", "/v1/responses".to_owned(), responses(true)),
        ("messages", "/v1/messages".to_owned(), messages(false)),
        ("messages stream", "/v1/messages".to_owned(), messages(true)),
        ("gemini", format!("{model}:generateContent"), gemini.clone()),
        ("gemini list", format!("{model}:streamGenerateContent"), gemini.clone()),
        ("gemini stream", format!("{model}:streamGenerateContent?alt=sse"), gemini),
    ];
    let requests = requests.into_iter();
    requests.map(|(name, path, body)| (name, post(&path, &body.to_string()))).collect()
}

/// What the client is told in an answer to a request in the format of the newest call.
fn told(door: &Door, whole: &Whole) -> String {
    let settled = door.seen.ledger().pop().unwrap();
    let format = settled.call.format.unwrap();
    let told = conversation(Bodies { format, request: b"{}", response: &whole.body });
    let parts = told.messages.iter().flat_map(|it| &it.parts);
    let texts = parts.map(|it| match it {
        Part::Text { text } => text.clone(),
        Part::ToolCall { arguments, .. } => arguments.clone(),
        Part::Thinking { .. }
        | Part::ToolResult { .. }
        | Part::Image { .. }
        | Part::Document { .. }
        | Part::Other { .. } => String::new(),
    });
    texts.collect()
}

#[tokio::test]
async fn a_call_that_no_guardrail_is_for_passes_byte_for_byte() {
    let text =
        "[[guardrails]]\nname = \"it\"\nkey = \"ci\"\ncheck = \"secrets\"\naction = \"block\"";
    for case in ASKS {
        let house = House::guarded(text).await;
        let bare = House::open().await;
        let (got, expected) = (house.ask(case.request()).await, bare.ask(case.request()).await);
        assert_eq!(house.got(), case.body, "{}", case.name);
        assert_eq!(got.body, expected.body, "{}", case.name);
        assert_eq!(hits(&house.door, 1).await, []);
    }
}

#[tokio::test]
async fn a_call_in_which_nothing_is_found_passes_byte_for_byte() {
    let text = ["secrets", "pii", "sql", "xss", "injection"];
    let text =
        text.iter().map(|it| one(it, "redact", "requests").replace("\"it\"", &format!("\"{it}\"")));
    let text = text.collect::<String>();
    for case in ASKS {
        let house = House::guarded(&text).await;
        let bare = House::open().await;
        let (got, expected) = (house.ask(case.request()).await, bare.ask(case.request()).await);
        assert_eq!(got.text(), expected.text(), "{}", case.name);
        assert_eq!(house.got(), case.body, "{}", case.name);
        assert_eq!(hits(&house.door, 1).await, [], "{}", case.name);
        let kept = house.door.seen.ledger().pop().unwrap().bodies.unwrap();
        assert_eq!(&kept.request[..], case.body.as_bytes());
        assert!(!kept.response.concat().is_empty(), "{}", case.name);
    }
}

#[tokio::test]
async fn what_is_redacted_never_reaches_the_provider_and_is_put_back_in_every_format() {
    let text = format!("The key is {SECRET}, write to {MAIL} or to {MAIL}.");
    for (name, request) in asking(&text) {
        let house = House::guarded(REDACT).await;
        let got = house.ask(controlled(request, "echo,pieces=29")).await;
        assert_eq!(got.status, StatusCode::OK, "{name}: {}", got.text());
        let sent = house.got();
        assert!(!sent.contains(SECRET) && !sent.contains(MAIL), "{name}: {sent}");
        let redacted = "The key is [OPENAI_KEY_1], write to [EMAIL_1] or to [EMAIL_1].";
        assert!(sent.contains(redacted), "{name}: {sent}");

        let found = hits(&house.door, 1).await;
        assert_eq!(told(&house.door, &got), text, "{name}: {}", got.text());
        let rules: Vec<_> = found.iter().map(|it| (it.rule.as_str(), it.times)).collect();
        assert_eq!(rules, [("openai-key", 1), ("email", 2)], "{name}");
        let stored = format!("{:?}", house.door.seen.ledger());
        assert!(!stored.contains(SECRET) && !stored.contains(MAIL), "{name}: {stored}");
        assert!(stored.contains("OPENAI_KEY"), "{name}");
        let kept = house.door.seen.ledger().pop().unwrap().bodies.unwrap();
        let response = String::from_utf8(kept.response.concat()).unwrap();
        assert!(!response.contains(SECRET) && !response.contains(MAIL), "{name}");
    }
}

#[tokio::test]
async fn a_placeholder_is_put_back_wherever_the_pieces_of_a_stream_part_it() {
    let text = format!("a {MAIL} z");
    // As many pieces as the text has characters cut it everywhere; fewer cut it elsewhere.
    for pieces in [1, 2, 3, 5, 7, 11, 13, 60] {
        for (name, request) in asking(&text).into_iter().filter(|(it, _)| it.ends_with("stream")) {
            let house = House::guarded(REDACT).await;
            let controls = format!("echo,pieces={pieces},split=7");
            let got = house.ask(controlled(request, &controls)).await;
            hits(&house.door, 1).await;
            assert_eq!(told(&house.door, &got), text, "{name} {pieces}: {}", got.text());
            assert_eq!(house.call().await.outcome, Outcome::Finished, "{name}");
        }
    }
}

#[tokio::test]
async fn what_a_model_gives_to_a_tool_has_the_text_too() {
    let secret = "pass\\\"word\\n: Qx7Lw3Xv6Bn1Mk5P";
    let guard = "[[guardrails]]\nname = \"it\"\ncheck = \"pattern\"\npattern = '(?s)pass.*5P'\naction = \"redact\"\non = \"requests\"";
    for stream in [false, true] {
        let house = House::guarded(guard).await;
        let body = format!(
            r#"{{"model":"gpt-5-mini","stream":{stream},"messages":[{{"role":"user","content":"{secret}"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object"}}}}}}]}}"#
        );
        let request = post("/v1/chat/completions", &body);
        let got = house.ask(controlled(request, "echo")).await;
        assert!(house.got().contains("[MATCH_1]"), "{}", house.got());
        hits(&house.door, 1).await;
        let arguments: Value = serde_json::from_str(&told(&house.door, &got)).unwrap();
        assert_eq!(arguments, json!({"text": "pass\"word\n: Qx7Lw3Xv6Bn1Mk5P"}), "{stream}");
    }
}

#[tokio::test]
async fn every_other_byte_of_a_redacted_request_stays_as_it_was() {
    let house = House::guarded(REDACT).await;
    let body = format!(
        "{{ \"model\":\"gpt-5-mini\",\n\t\"messages\":[{{\"role\":\"user\",\"content\":\"Gr\\u00fc\\u00dfe \\/ {MAIL}\"}}], \"unknown\" : [1.50, 1e3] }}\n"
    );
    house.ask(post("/v1/chat/completions", &body)).await;
    assert_eq!(house.got(), body.replace(MAIL, "[EMAIL_1]"));
}

#[tokio::test]
async fn a_compressed_request_is_redacted_and_one_that_cannot_be_read_is_blocked() {
    use std::io::Write as _;
    let house = House::guarded(REDACT).await;
    let body = json!({"model": "gpt-5-mini", "messages": [{"role": "user", "content": MAIL}]});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body.to_string().as_bytes()).unwrap();
    let coded = |coding: &str, body: Vec<u8>| {
        let mut request = post("/v1/chat/completions", "");
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        request.map(|_| Bytes::from(body))
    };
    let got = house.ask(coded("gzip", gzip.finish().unwrap())).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert_eq!(house.got(), body.to_string().replace(MAIL, "[EMAIL_1]"));
    assert!(house.simulator.calls()[0].header("content-encoding").is_none());

    let got = house.ask(coded("rot13", b"{}".to_vec())).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN, "{}", got.text());
    assert!(got.text().contains("content-encoding"), "{}", got.text());
    assert_eq!(house.simulator.calls().len(), 1);
    let found = hits(&house.door, 2).await;
    assert_eq!((found[0].rule.as_str(), found[0].action), ("unread", GuardAction::Log));

    // Who only wants to know lets it pass, and is told.
    let house = House::guarded(&one("secrets", "log", "requests")).await;
    let got = house.ask(coded("rot13", b"{}".to_vec())).await;
    assert_ne!(got.status, StatusCode::FORBIDDEN);
    assert_eq!(hits(&house.door, 1).await[0].rule, "unread");
}

#[tokio::test]
async fn a_blocked_request_is_refused_in_the_clients_format_and_nobody_is_asked() {
    for (name, request) in asking(&format!("the key is {SECRET}")) {
        let house = House::guarded(&one("secrets", "block", "requests")).await;
        let got = house.ask(request).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{name}: {}", got.text());
        let error = got.json();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("`it`") && message.contains("an OpenAI API key (openai-key)"),
            "{message}"
        );
        let code = match name.split(' ').next().unwrap() {
            "gemini" => &error["error"]["details"][0]["reason"],
            "messages" => &error["error"]["type"],
            _ => &error["error"]["code"],
        };
        let expected = ["blocked-by-guardrail", "permission_error", "BLOCKED_BY_GUARDRAIL"];
        assert!(expected.contains(&code.as_str().unwrap()), "{name}: {error}");
        assert!(house.simulator.calls().is_empty(), "{name}");
        let call = house.call().await;
        assert_eq!(call.error_code, Some(ErrorCode::BlockedByGuardrail));
        let stored = format!("{:?}", house.door.seen.ledger());
        assert!(!stored.contains(SECRET), "{name}: {stored}");
        assert_eq!(hits(&house.door, 1).await[0].action, GuardAction::Block);
    }
}

#[tokio::test]
async fn a_warning_lets_the_call_pass_and_tells_the_client() {
    for (action, told) in [("warn", Some("it")), ("log", None)] {
        let house = House::guarded(&one("pii", action, "requests")).await;
        let body = format!(
            r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"{MAIL}"}}]}}"#
        );
        let got = house.ask(post("/v1/chat/completions", &body)).await;
        assert_eq!(got.status, StatusCode::OK);
        let header = got.headers.get("x-tollgate-guardrail").map(|it| it.to_str().unwrap());
        assert_eq!(header, told, "{action}");
        assert_eq!(house.got(), body);
        let found = hits(&house.door, 1).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].place.as_str(), found[0].side), ("messages[0]", GuardSide::Request));
        assert_eq!(found[0].snippet.as_deref(), Some("‹EMAIL›"));
    }
}

#[tokio::test]
async fn an_answer_is_looked_at_in_every_format_and_what_is_found_replaced() {
    let text = format!("Write to {MAIL}, and soon: it is said that {MAIL} answers.");
    for (name, request) in asking(&text) {
        let house = House::guarded(&one("pii", "redact", "answers")).await;
        let got = house.ask(controlled(request, "echo,pieces=23")).await;
        let found = hits(&house.door, 1).await;
        let expected = text.replace(MAIL, "[EMAIL]");
        assert_eq!(told(&house.door, &got), expected, "{name}: {}", got.text());
        assert!(!got.text().contains(MAIL), "{name}: {}", got.text());
        assert!(house.got().contains(MAIL), "{name}: the request is not looked at");
        assert_eq!((found.len(), found[0].side), (1, GuardSide::Answer), "{name}");
        assert_eq!(house.call().await.outcome, Outcome::Finished, "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_blocked_before_any_of_what_is_found_has_gone_on() {
    let text = format!("Here is what you asked for, at last and as promised: {SECRET} and more.");
    for (name, request) in asking(&text) {
        let house = House::guarded(&one("secrets", "block", "answers")).await;
        let got = house.ask(controlled(request, "echo,pieces=31")).await;
        assert!(!got.text().contains(&SECRET[..16]), "{name}: {}", got.text());
        assert!(got.text().contains("an OpenAI API key"), "{name}: {}", got.text());
        let whole = !name.ends_with("stream");
        let status = if whole { StatusCode::FORBIDDEN } else { StatusCode::OK };
        assert_eq!(got.status, status, "{name}: {}", got.text());
        if !whole {
            assert!(!got.broken, "{name}: it ends with the format's error event");
        }
        let call = house.call().await;
        assert_eq!(call.error_code, Some(ErrorCode::BlockedByGuardrail), "{name}");
        assert_eq!(call.outcome, Outcome::Failed, "{name}");
    }
}

#[tokio::test]
async fn who_only_logs_answers_holds_nothing_back() {
    for (name, request) in asking(&format!("the key is {SECRET} and more")) {
        let house = House::guarded(&one("secrets", "log", "answers")).await;
        let bare = House::open().await;
        let request = controlled(request, "echo,pieces=9");
        let (got, expected) = (house.ask(request.clone()).await, bare.ask(request).await);
        assert_eq!(got.text(), expected.text(), "{name}");
        let found = hits(&house.door, 1).await;
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!((found[0].rule.as_str(), found[0].times), ("openai-key", 1), "{name}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_asked_for_plain_and_blocked_where_it_is_not() {
    let body = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}"#;
    let request = || {
        let mut request = post("/v1/chat/completions", body);
        request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
        request
    };
    let house = House::guarded(&one("secrets", "block", "answers")).await;
    house.ask(request()).await;
    assert_eq!(house.simulator.calls()[0].header("accept-encoding"), Some("identity"));
    let got = house.ask(controlled(request(), "gzip")).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN, "{}", got.text());
    assert!(got.text().contains("compressed"), "{}", got.text());
    assert_eq!(hits(&house.door, 2).await[0].rule, "unread");
}

#[tokio::test]
async fn a_guardrail_is_for_the_calls_of_its_scope_also_by_a_target_of_a_model() {
    let text = |scope: &str| format!("{}{scope}\n", one("secrets", "block", "requests"));
    let body = |model: &str| {
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{SECRET}"}}]}}"#)
    };
    let check = async |scope: &str, path: &str, model: &str, blocked: bool| {
        let simulator = simulator().await;
        let origin = simulator.base_url();
        let providers = vec![setup("openai", &origin), keyed("groq", &origin, "gsk-own")];
        let guardrails = guardrails(&text(scope));
        let door = Door::open(Snapshot { guardrails, ..priced(providers) }).await;
        let got = ask(door.addr, post(path, &body(model))).await;
        let is_blocked = got.text().contains("blocked-by-guardrail");
        assert_eq!(is_blocked, blocked, "{scope} {path} {model}: {}", got.text());
    };
    let chat = "/v1/chat/completions";
    check("provider = \"openai\"", chat, "gpt-5-mini", true).await;
    check("provider = \"groq\"", chat, "gpt-5-mini", false).await;
    check("provider = \"groq\"", "/p/groq/openai/v1/chat/completions", "m", true).await;
    check("provider = \"groq\"", chat, "groq/llama-3.3-70b-versatile", true).await;
    check("model = \"gpt-5*\"", chat, "gpt-5-mini", true).await;
    check("model = \"gpt-4*\"", chat, "gpt-5-mini", false).await;
    check("program = \"claude\"", chat, "gpt-5-mini", false).await;
    check("key = \"*\"", chat, "gpt-5-mini", false).await;
}

#[tokio::test]
async fn what_the_user_said_was_wrong_is_found_no_more() {
    let simulator = simulator().await;
    let set = guardrails(&one("pii", "block", "requests"));
    let body =
        format!(r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"{MAIL}"}}]}}"#);
    let open = async |exceptions: Exceptions| {
        let guardrails =
            GuardrailSet { guardrails: set.guardrails.clone(), exceptions: Arc::new(exceptions) };
        let guardrails = Arc::new(guardrails);
        Door::open(Snapshot { guardrails, ..snapshot(&simulator.base_url()) }).await
    };
    let door = open(Exceptions::new([3; 32], [])).await;
    let got = ask(door.addr, post("/v1/chat/completions", &body)).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN);
    let wrong = hits(&door, 1).await[0].fingerprint.unwrap();
    let door = open(Exceptions::new([3; 32], [wrong])).await;
    let got = ask(door.addr, post("/v1/chat/completions", &body)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    assert_eq!(hits(&door, 1).await, []);
    let other = body.replace("jane", "joe");
    let got = ask(door.addr, post("/v1/chat/completions", &other)).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_answer_of_another_format_is_looked_at_in_the_clients() {
    let text = format!("Write to {MAIL} at once.");
    for stream in [false, true] {
        let simulator = simulator().await;
        let providers =
            vec![setup("openai", &simulator.base_url()), bedrock(&simulator.base_url())];
        let door =
            Door::open(Snapshot { guardrails: guardrails(REDACT), ..priced(providers) }).await;
        let body = json!({
            "model": NOVA, "stream": stream,
            "messages": [{"role": "user", "content": text}],
        });
        let request = post("/v1/chat/completions", &body.to_string());
        let got = ask(door.addr, controlled(request, "echo")).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text());
        let sent = String::from_utf8_lossy(&simulator.calls()[0].request).into_owned();
        assert!(sent.contains("[EMAIL_1]") && !sent.contains(MAIL), "{sent}");
        hits(&door, 1).await;
        let said = told(&door, &got);
        // The simulator's controls do not travel to a provider of another format.
        assert!(!said.is_empty() && !said.contains("[EMAIL_1]"), "{said}");
    }
}

#[tokio::test]
async fn an_upload_that_is_never_read_is_said_to_be_unread() {
    let house = House::guarded(&one("secrets", "block", "requests")).await;
    house.ask(post("/v1/files", "any file")).await;
    let found = hits(&house.door, 1).await;
    assert_eq!((found.len(), found[0].rule.as_str()), (1, "unread"));
    assert_eq!(house.simulator.calls().len(), 1, "it went on");
    house.ask(Request::get("/v1/models").body(Bytes::new()).unwrap()).await;
    assert_eq!(hits(&house.door, 2).await, [], "there was nothing to read");
}
