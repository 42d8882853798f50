//! What the ledger must say of calls that the simulator answered, computed anew from what it sent.

use std::collections::BTreeMap;

use tollgate_core::{
    UnixMs, Usage,
    call::CostUnknown,
    price::{PriceBook, Rates},
};
use tollgate_ledger::Reader;
use tollgate_simulator::{Provider, SimulatedCall, UsageSent};
use tollgate_tests::Product;

/// Whether the simulator was asked for this, in a header or behind the model's name.
pub(crate) fn is_controlled(sent: &SimulatedCall, control: &str) -> bool {
    let behind_name = sent.model_asked.as_deref().and_then(|it| it.split_once('+'));
    let words = [sent.header("x-simulate"), behind_name.map(|it| it.1)];
    words.into_iter().flatten().any(|it| it.contains(control))
}

/// Whether the output that was stated is none: Anthropic's first event states one token in advance,
/// and the true count never came.
fn is_foretold(sent: &SimulatedCall) -> bool {
    let is_cut = is_controlled(sent, "break_after") || is_controlled(sent, "error_midstream");
    is_cut && sent.provider == Provider::Anthropic
}

/// What of the usage is known from what was sent.
pub(crate) fn known(sent: &SimulatedCall) -> UsageSent {
    let usage = sent.usage.unwrap_or_default();
    UsageSent { output: usage.output.filter(|_| !is_foretold(sent)), ..usage }
}

pub(crate) const fn provider_id(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi => "openai",
        Provider::Anthropic => "anthropic",
        Provider::Google => "google",
        Provider::Bedrock => "amazon-bedrock",
        Provider::Cohere => "cohere",
        Provider::Ollama => "ollama",
    }
}

/// Costs to the last pico-dollar, computed anew from what the simulator sent; and the sums of them.
pub(crate) fn check_money(product: &Product, sent: &[SimulatedCall]) {
    let reader = Reader::open(&product.home().data()).unwrap();
    let query = tollgate_ledger::CallQuery { limit: 1_000, ..Default::default() };
    let mut calls = reader.calls(&query).unwrap();
    calls.reverse();
    let prices = PriceBook::embedded().unwrap();
    let (mut total, mut models) = (0, BTreeMap::<String, i128>::new());
    for (call, sent) in calls.iter().zip(sent) {
        let usage = known(sent);
        // What the gateway counted itself was not sent.
        let told = if call.usage_counted { Usage::default() } else { call.usage };
        assert_eq!(told, counted(usage, &told));
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
            let asked = call.model_asked.as_deref().unwrap();
            let served = call.model_served.as_deref().unwrap_or(asked);
            let model = if served.starts_with(asked) { asked } else { served };
            *models.entry(model.to_owned()).or_default() += cost;
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
        output_image: sent.output_image,
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
        (sent.output.map(|it| it - sent.output_image.unwrap_or(0)), rates.output),
        (sent.output_image, rates.output_image),
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
