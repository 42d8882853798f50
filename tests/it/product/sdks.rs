//! The official SDKs, unmodified, through the product: they read what they read without it, and
//! the ledger says to the last unit what the simulator sent.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use tollgate_app::api::view::{CallDetail, CallState, CallView, UsageView};
use tollgate_core::{
    UnixMs, Usage,
    call::CostUnknown,
    price::{PriceBook, Rates},
};
use tollgate_ledger::Reader;
use tollgate_simulator::{Provider, SimulatedCall, UsageSent};
use tollgate_tests::{Home, Product, Sdk};

use super::using::simulator;

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
    let silent = UsageView { input_audio: None, output_audio: None, ..call.usage.clone() };
    assert!(audio.iter().all(|it| it.is_none_or(|it| it == 0)), "{audio:?}");
    assert_eq!(silent, viewed(known(sent)), "{call:#?}");
    assert!(!call.simulated);
}

/// Whether the simulator was asked for this.
fn is_controlled(sent: &SimulatedCall, control: &str) -> bool {
    sent.header("x-simulate").is_some_and(|it| it.contains(control))
}

/// Whether the output that was stated is none: Anthropic's first event states one token in advance,
/// and the true count never came.
fn is_foretold(sent: &SimulatedCall) -> bool {
    let is_cut = is_controlled(sent, "break_after") || is_controlled(sent, "error_midstream");
    is_cut && sent.provider == Provider::Anthropic
}

/// What of the usage is known from what was sent.
fn known(sent: &SimulatedCall) -> UsageSent {
    let usage = sent.usage.unwrap_or_default();
    UsageSent { output: usage.output.filter(|_| !is_foretold(sent)), ..usage }
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

const fn provider_id(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi => "openai",
        Provider::Anthropic => "anthropic",
        Provider::Google => "google",
    }
}

/// Costs to the last pico-dollar, computed anew from what the simulator sent; and the sums of them.
fn check_money(product: &Product, sent: &[SimulatedCall]) {
    let reader = Reader::open(&product.home().data()).unwrap();
    let query = tollgate_ledger::CallQuery { limit: 1_000, ..Default::default() };
    let mut calls = reader.calls(&query).unwrap();
    calls.reverse();
    let prices = PriceBook::embedded().unwrap();
    let (mut total, mut models) = (0, BTreeMap::<String, i128>::new());
    for (call, sent) in calls.iter().zip(sent) {
        let usage = known(sent);
        assert_eq!(call.usage, counted(usage, &call.usage));
        let model = sent.model_served.as_deref().or(sent.model_asked.as_deref());
        let row = model.and_then(|it| {
            prices.find(provider_id(sent.provider), it, UnixMs(call.started_at_ms.0))
        });
        let is_free = ["/models", "count_tokens", ":countTokens"]
            .iter()
            .any(|it| sent.path().ends_with(it) || sent.method == http::Method::GET);
        let expected = row
            // What an answer that broke off costs in the end is not known.
            .filter(|_| !is_free && !is_controlled(sent, "break_after") && !is_foretold(sent))
            .filter(|_| usage != UsageSent::default())
            .map(|it| amount(usage, &it.rates_for(None, prompt(usage)).unwrap()));
        assert_eq!(call.cost.map(|it| i128::from(it.0)), expected, "{call:#?}");
        // Gemini does not say what an embedding used; an error and a list are free.
        let is_answer = !is_free && sent.status.is_some_and(|it| it.is_success());
        let unknown = (is_answer && expected.is_none()).then_some(CostUnknown::NoUsage);
        assert_eq!(call.cost_unknown, unknown, "{call:#?}");
        if let Some(cost) = expected {
            assert_eq!(call.price_id.as_deref(), row.map(|it| it.id.as_str()));
            assert!(cost > 0, "{call:#?}");
            total += cost;
            *models.entry(call.model_asked.clone().unwrap()).or_default() += cost;
        }
    }
    assert!(total > 0);
    let sums = reader.totals(&Default::default()).unwrap();
    assert_eq!((sums.calls, i128::from(sums.cost.0)), (u64::try_from(sent.len()).unwrap(), total));
    for row in reader.costs(tollgate_ledger::CostKey::Model, &Default::default()).unwrap() {
        let expected = row.key.and_then(|it| models.remove(&it)).unwrap_or(0);
        assert_eq!(i128::from(row.sums.cost.0), expected);
    }
    assert!(models.is_empty());
}

/// What was sent, as the ledger has it. The simulator knows no audio: some formats say that there
/// was none, others say nothing.
fn counted(sent: UsageSent, ledger: &Usage) -> Usage {
    let audio = [ledger.input_audio, ledger.output_audio];
    assert!(audio.iter().all(|it| it.is_none_or(|it| it == 0)), "{audio:?}");
    Usage {
        input: sent.input,
        cache_read: sent.cache_read,
        cache_write_5m: sent.cache_write_5m,
        cache_write_1h: sent.cache_write_1h,
        output: sent.output,
        reasoning: sent.reasoning,
        input_audio: ledger.input_audio,
        output_audio: ledger.output_audio,
        web_searches: sent.web_searches,
        ..Usage::default()
    }
}

fn prompt(sent: UsageSent) -> u64 {
    let parts = [sent.input, sent.cache_read, sent.cache_write_5m, sent.cache_write_1h];
    parts.into_iter().flatten().sum()
}

/// The sum of every kind times its rate, in pico-dollars.
fn amount(sent: UsageSent, rates: &Rates) -> i128 {
    assert!(rates.reasoning.is_none(), "no model of these tests has a price for reasoning");
    let kinds = [
        (sent.input, rates.input),
        (sent.cache_read, rates.cache_read),
        (sent.cache_write_5m, rates.cache_write_5m),
        (sent.cache_write_1h, rates.cache_write_1h),
        (sent.output, rates.output),
        (sent.web_searches, rates.web_search),
        (Some(1), rates.request),
    ];
    let amount = |(count, rate): (Option<u64>, Option<tollgate_core::PicoUsd>)| {
        let count = i128::from(count.unwrap_or(0));
        let rate = rate.map(|it| i128::from(it.0));
        assert!(rate.is_some() || count <= 1, "tokens of a kind without a price");
        count * rate.unwrap_or(0)
    };
    kinds.into_iter().map(amount).sum()
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
