//! Tokens that the gateway counts itself, because the provider told none: marked as an estimate, and
//! only where the model's own tokenizer can.

use std::sync::Arc;

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tollgate_core::{
    Call, PicoUsd, Usage,
    call::{CostUnknown, Outcome},
    price::PriceBook,
};
use tollgate_gateway::Limits;
use tollgate_wire::tokens::Counter;

use super::{
    harness::{
        Door, House, TODAY, Whole, ask, begin, controlled, keyed, post, priced, simulator, snapshot,
    },
    routing::model,
};

const CHAT: &str = "/v1/chat/completions";

fn asking(model: &str, more: &Value) -> String {
    let mut body = json!({
        "model": model,
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "tiktoken is great!"}],
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

/// What the messages of [`asking`] come to.
const PROMPT: u64 = 20;

/// Loads the vocabulary, which nobody is to wait for here.
fn counter(model: &str) -> Counter {
    let counter = Counter::of_model(model).unwrap();
    assert_eq!(counter.text("tiktoken is great!"), 6);
    counter
}

/// The text of a whole or streamed chat answer, as far as it came.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let events = text.lines().filter_map(|it| it.strip_prefix("data: "));
    let whole = std::iter::once(&*text);
    let values = events.chain(whole).filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let texts = values.filter_map(|it| {
        let choice = it["choices"].get(0)?.clone();
        let said = choice["delta"]["content"].as_str().or(choice["message"]["content"].as_str());
        said.map(str::to_owned)
    });
    texts.collect()
}

fn cost_of(model: &str, input: u64, output: u64) -> PicoUsd {
    let prices = PriceBook::embedded().unwrap();
    let rates = prices.find("openai", model, TODAY).unwrap().rates;
    let of = |rate: Option<PicoUsd>, count| rate.unwrap().checked_mul(count).unwrap();
    of(rates.input, input).checked_add(of(rates.output, output)).unwrap()
}

/// The call was counted in full, and its cost is an estimate.
#[track_caller]
fn check_counted(call: &Call, model: &str, text: &str) {
    let output = counter(model).text(text);
    let usage = Usage { input: Some(PROMPT), output: Some(output), ..Usage::default() };
    assert!(call.usage_counted, "{call:?}");
    assert_eq!(call.usage, usage, "{text}");
    assert_eq!((call.cost, call.cost_unknown), (Some(cost_of(model, PROMPT, output)), None));
}

#[track_caller]
fn check_not_counted(call: &Call) {
    assert!(!call.usage_counted && call.usage.is_unknown(), "{call:?}");
    assert_eq!((call.cost, call.cost_unknown), (None, Some(CostUnknown::NoUsage)));
}

async fn called(body: &str, controls: &str) -> (Whole, Arc<Call>) {
    let house = House::open().await;
    let got = house.ask(controlled(post(CHAT, body), controls)).await;
    (got, house.call().await)
}

#[tokio::test]
async fn an_answer_without_usage_is_counted() {
    counter("gpt-4.1-mini");
    for stream in [false, true] {
        let body = asking("gpt-4.1-mini", &json!({ "stream": stream }));
        let (got, call) = called(&body, "no_usage").await;
        assert_eq!(call.outcome, Outcome::Finished);
        let text = said(&got.body);
        assert!(text.len() > 20, "{text}");
        check_counted(&call, "gpt-4.1-mini", &text);
    }
}

#[tokio::test]
async fn a_stream_that_broke_off_is_counted_as_far_as_it_came() {
    counter("gpt-4.1-mini");
    let body = asking("gpt-4.1-mini", &json!({ "stream": true }));
    let (got, call) = called(&body, "break_after=1200").await;
    assert_eq!(call.outcome, Outcome::Failed);
    let text = said(&got.body);
    assert!(!text.is_empty());
    check_counted(&call, "gpt-4.1-mini", &text);
}

#[tokio::test]
async fn a_stream_that_the_client_left_is_counted_as_far_as_it_came() {
    counter("gpt-4.1-mini");
    let house = House::open().await;
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let request = controlled(post(CHAT, &asking("gpt-4.1-mini", &more)), "hang=1200");
    let mut answer = begin(house.door.addr, request).await;
    let mut got = Vec::new();
    while got.len() < 1_000 {
        got.extend_from_slice(
            answer.body_mut().frame().await.unwrap().unwrap().data_ref().unwrap(),
        );
    }
    drop(answer);
    let call = house.call().await;
    assert_eq!(call.outcome, Outcome::Cancelled);
    assert!(call.usage_counted);
    assert_eq!(call.usage.input, Some(PROMPT));
    let (seen, counted) = (counter("gpt-4.1-mini").text(&said(&got)), call.usage.output.unwrap());
    assert!(counted >= seen && seen > 0, "{counted} {seen}");
    assert_eq!(call.cost, Some(cost_of("gpt-4.1-mini", PROMPT, counted)));
}

#[tokio::test]
async fn what_a_model_thinks_is_not_guessed() {
    counter("gpt-5-mini");
    let (_, call) = called(&asking("gpt-5-mini", &json!({})), "no_usage").await;
    let usage = Usage { input: Some(PROMPT), ..Usage::default() };
    assert_eq!((call.usage, call.usage_counted), (usage, true));
    assert_eq!((call.cost, call.cost_unknown), (None, Some(CostUnknown::NoUsage)));
}

#[tokio::test]
async fn what_no_rule_counts_has_no_cost() {
    let counter = counter("gpt-4.1-mini");
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let picture = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]);
    for more in [json!({"tools": tools, "tool_choice": "none"}), json!({ "messages": picture })] {
        let (got, call) = called(&asking("gpt-4.1-mini", &more), "no_usage").await;
        let output = Some(counter.text(&said(&got.body)));
        assert_eq!(call.usage, Usage { output, ..Usage::default() }, "{more}");
        assert_eq!((call.cost, call.cost_unknown), (None, Some(CostUnknown::NoUsage)), "{more}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_stream_and_broke_off_was_made_in_full() {
    counter("gpt-4.1-mini");
    let (_, call) = called(&asking("gpt-4.1-mini", &json!({})), "break_after=200").await;
    let usage = Usage { input: Some(PROMPT), ..Usage::default() };
    assert_eq!((call.usage, call.usage_counted), (usage, true));
    assert_eq!(call.cost_unknown, Some(CostUnknown::NoUsage));
}

#[tokio::test]
async fn models_without_a_public_tokenizer_stay_unknown() {
    let house = House::open().await;
    let body = r#"{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    house.ask(controlled(post("/v1/messages", body), "no_usage")).await;
    let call = house.call().await;
    check_not_counted(&call);
}

#[tokio::test]
async fn what_is_not_kept_whole_is_not_counted() {
    counter("gpt-4.1-mini");
    for (most, input) in [(0, None), (100, None), (200, Some(PROMPT))] {
        let simulator = simulator().await;
        let limits = Limits { body_keep_bytes_max: most, ..Limits::default() };
        let snapshot = snapshot(&simulator.base_url());
        let door = Door::open_with(snapshot, |it| it.limits = limits).await;
        let body = asking("gpt-4.1-mini", &json!({}));
        assert!((101..200).contains(&body.len()), "{}", body.len());
        ask(door.addr, controlled(post(CHAT, &body), "no_usage")).await;
        let calls = door.seen.calls(1).await;
        assert_eq!((calls[0].usage.input, calls[0].usage.output), (input, None), "{most}");
        assert_eq!(calls[0].cost_unknown, Some(CostUnknown::NoUsage), "{most}");
    }
}

#[tokio::test]
async fn what_a_provider_tells_is_never_counted_again() {
    for controls in ["", "status=429", "hang"] {
        let house = House::open().await;
        let body = asking("gpt-4.1-mini", &json!({ "stream": true }));
        let request = controlled(post(CHAT, &body), controls);
        if controls == "hang" {
            let asking = tokio::spawn(begin(house.door.addr, request));
            let log = house.simulator.log();
            log.wait_for(super::harness::PATIENCE, |calls| !calls.is_empty()).await.unwrap();
            asking.abort();
            // It may have been made in full, or not at all.
            let call = house.call().await;
            check_not_counted(&call);
            continue;
        }
        house.ask(request).await;
        let call = house.call().await;
        assert!(!call.usage_counted && call.cost_unknown.is_none(), "{call:?}");
    }
}

#[tokio::test]
async fn a_translated_call_is_counted_by_what_the_client_said_and_saw() {
    let counter = counter("gpt-4.1-mini");
    let simulator = simulator().await;
    let providers = vec![keyed("openai", &simulator.base_url(), "sk-openai")];
    let models = vec![model(&[("openai", "gpt-4.1-mini+no_usage")])];
    let snapshot = tollgate_gateway::Snapshot { models, ..priced(providers) };
    let door = Door::open(snapshot).await;
    let body = r#"{"model":"fast","max_tokens":64,"system":"Be short.","messages":[{"role":"user","content":"tiktoken is great!"}]}"#;
    let got = ask(door.addr, post("/v1/messages", body)).await;
    let text = got.json()["content"][0]["text"].as_str().unwrap().to_owned();
    let calls = door.seen.calls(1).await;
    let usage =
        Usage { input: Some(PROMPT), output: Some(counter.text(&text)), ..Usage::default() };
    assert_eq!((calls[0].usage, calls[0].usage_counted), (usage, true));
    assert!(calls[0].cost.is_some());
}

/// What is answered to a request for a count, and what the call is in the ledger.
async fn count_of(target: (&str, &str), path: &str, body: &str) -> (Whole, Arc<Call>, usize) {
    let simulator = simulator().await;
    let origin = simulator.base_url();
    let providers = vec![
        keyed("openai", &origin, "sk-openai"),
        keyed("anthropic", &origin, "sk-anthropic"),
        keyed("google", &origin, "sk-google"),
        keyed("mistral", &origin, "sk-mistral"),
    ];
    let snapshot =
        tollgate_gateway::Snapshot { models: vec![model(&[target])], ..priced(providers) };
    let door = Door::open(snapshot).await;
    let got = ask(door.addr, post(path, body)).await;
    let call = door.seen.calls(1).await.remove(0);
    (got, call, simulator.calls().len())
}

const MESSAGES: &str = r#"{"model":"fast","system":"Be short.","messages":[{"role":"user","content":"tiktoken is great!"}]}"#;

#[tokio::test]
async fn a_client_that_asks_how_long_its_prompt_is_gets_an_estimate() {
    counter("gpt-4.1-mini");
    let gemini = r#"{"systemInstruction":{"parts":[{"text":"Be short."}]},"contents":[{"role":"user","parts":[{"text":"tiktoken is great!"}]}]}"#;
    let inside = format!(r#"{{"generateContentRequest":{gemini}}}"#);
    let responses = r#"{"model":"fast","instructions":"Be short.","input":"tiktoken is great!"}"#;
    for (target, path, body, expected) in [
        ("openai", "/v1/messages/count_tokens", MESSAGES, json!({"input_tokens": PROMPT})),
        ("openai", "/v1beta/models/fast:countTokens", gemini, json!({"totalTokens": PROMPT})),
        ("openai", "/v1beta/models/fast:countTokens", &inside, json!({"totalTokens": PROMPT})),
        (
            "mistral",
            "/v1/responses/input_tokens",
            responses,
            json!({"object": "response.input_tokens", "input_tokens": PROMPT}),
        ),
    ] {
        // A model that thinks has a prompt that can be counted all the same.
        for name in ["gpt-4.1-mini", "gpt-5-mini"] {
            let (got, call, asked) = count_of((target, name), path, body).await;
            assert_eq!(got.status, 200, "{path} {}", got.text());
            assert_eq!(got.json(), expected, "{path}");
            assert_eq!(got.headers["x-tollgate-tokens"], "estimated", "{path}");
            assert_eq!(asked, 0, "nobody else is asked");
            assert_eq!((call.outcome, call.cost_unknown), (Outcome::Finished, None));
            assert_eq!((call.provider.as_deref(), call.usage), (None, Usage::default()));
        }
    }
}

#[tokio::test]
async fn a_provider_of_another_format_that_can_count_is_asked() {
    let gemini = r#"{"systemInstruction":{"parts":[{"text":"Be short."}]},"contents":[{"role":"user","parts":[{"text":"tiktoken is great!"}]}],"generationConfig":{"maxOutputTokens":9}}"#;
    let responses = r#"{"model":"fast","instructions":"Be short.","input":"tiktoken is great!"}"#;
    let claude = ("anthropic", "claude-sonnet-4-5");
    let flash = ("google", "gemini-2.5-flash");
    let messages = "/v1/messages/count_tokens";
    let (input, total) = ("/input_tokens", "/totalTokens");
    for (target, path, body, native, member) in [
        (flash, messages, MESSAGES, total, input),
        (claude, "/v1beta/models/fast:countTokens", gemini, input, total),
        (claude, "/v1/responses/input_tokens", responses, input, input),
        (flash, "/v1/responses/input_tokens", responses, total, input),
    ] {
        let simulator = simulator().await;
        let origin = simulator.base_url();
        let providers = vec![keyed("anthropic", &origin, "sk-a"), keyed("google", &origin, "sk-g")];
        let snapshot =
            tollgate_gateway::Snapshot { models: vec![model(&[target])], ..priced(providers) };
        let door = Door::open(snapshot).await;
        let got = ask(door.addr, post(path, body)).await;
        assert_eq!(got.status, 200, "{path} {target:?}: {}", got.text());
        assert!(!got.headers.contains_key("x-tollgate-tokens"), "it is no estimate");
        let asked = simulator.calls().remove(0);
        let theirs: Value = serde_json::from_slice(&asked.response).unwrap();
        let tokens = theirs.pointer(native).and_then(Value::as_u64).unwrap();
        assert!(tokens > 5, "{theirs}");
        assert_eq!(got.json().pointer(member), Some(&json!(tokens)), "{path}: {}", got.text());
        let sent = String::from_utf8(asked.request.to_vec()).unwrap();
        assert!(sent.contains("tiktoken is great!") && !sent.contains("max_tokens"), "{sent}");
        let call = door.seen.calls(1).await.remove(0);
        let routing = door.seen.ledger()[0].routing.clone().unwrap();
        assert!(routing.attempts[0].translated_to.is_some(), "{routing:?}");
        assert_eq!(call.usage, Usage::default(), "nobody is billed for a count");
        assert_eq!((call.provider.as_deref(), call.cost_unknown), (Some(target.0), None));
    }
}

#[tokio::test]
async fn tools_count_as_what_they_are_sent_as() {
    let counter = counter("gpt-4.1-mini");
    let tool = json!({"name": "f", "description": "Looks up.", "input_schema": {"type": "object"}});
    let mut body: Value = serde_json::from_str(MESSAGES).unwrap();
    body["tools"] = json!([tool]);
    let (path, target) = ("/v1/messages/count_tokens", ("openai", "gpt-4.1-mini"));
    let (got, ..) = count_of(target, path, &body.to_string()).await;
    let tokens = got.json()["input_tokens"].as_u64().unwrap();
    let least = PROMPT + counter.text("f Looks up. object");
    assert!((least..least + 60).contains(&tokens), "{tokens} {least}");
}

#[tokio::test]
async fn who_can_count_better_is_asked_and_what_nobody_can_is_refused() {
    counter("gpt-4.1-mini");
    let path = "/v1/messages/count_tokens";
    let (got, _, asked) = count_of(("anthropic", "claude-sonnet-4-5"), path, MESSAGES).await;
    assert_eq!((got.status.as_u16(), asked), (200, 1));
    assert!(!got.headers.contains_key("x-tollgate-tokens"));
    let picture = r#"{"model":"fast","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]}]}"#;
    for (model, body) in [("gpt-4.1-mini", picture), ("llama-3.3-70b-versatile", MESSAGES)] {
        let (got, call, asked) = count_of(("openai", model), path, body).await;
        assert_eq!((got.status.as_u16(), asked), (501, 0), "{}", got.text());
        assert_eq!(got.json()["type"], "error", "{}", got.text());
        assert_eq!(call.error_code, Some(tollgate_core::call::ErrorCode::NotSupported));
    }
}
