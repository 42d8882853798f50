//! What Prometheus scrapes: sums of the calls since the gateway started, and what is true at the
//! moment, in the OpenMetrics text format.
//!
//! Money is whole pico-dollars, as everywhere. What a client can choose (the name of a model) is a
//! label only for so many series; the rest share one.

use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use serde::Serialize;
use tollgate_core::{Call, Usage, call::Outcome};
use tollgate_gateway::BudgetStatus;
use tollgate_ledger::Progress;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Pairs of a provider and a model that have series of their own; further models are
/// [`OTHERS`].
const MODELS_MAX: usize = 200;

/// Accounts of budgets that are told of; the first of each budget, in its order.
const ACCOUNTS_TOLD_MAX: usize = 200;

/// The model of those that have no series of their own.
const OTHERS: &str = "(others)";

/// What stands where something is not known.
const UNKNOWN: &str = "?";

/// Upper bounds in seconds: from a cached answer to one that takes the gateway's patience.
const SECONDS: [f64; 14] =
    [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// Counts calls for whoever scrapes.
pub struct Metrics {
    registry: Registry,
    models: Mutex<HashSet<(String, String)>>,
    calls: Counters,
    errors: Counters,
    retries: Counters,
    tokens: Counters,
    cost: Counters,
    unknown_cost: Counters,
    cached: Counters,
    saved: Counters,
    duration: Histograms,
    first_token: Histograms,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut it = Self {
            registry: Registry::with_prefix("tollgate"),
            models: Mutex::default(),
            calls: Counters::default(),
            errors: Counters::default(),
            retries: Counters::default(),
            tokens: Counters::default(),
            cost: Counters::default(),
            unknown_cost: Counters::default(),
            cached: Counters::default(),
            saved: Counters::default(),
            duration: Family::new_with_constructor(histogram),
            first_token: Family::new_with_constructor(histogram),
        };
        it.register();
        it
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    fn register(&mut self) {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        let to = &mut self.registry;
        to.register("build", "The program", Info::new(version));
        to.register("calls", "Calls that ended", self.calls.clone());
        let help = "Calls that failed, by the gateway's error or the provider's status";
        to.register("errors", help, self.errors.clone());
        to.register("retries", "Requests that were sent again", self.retries.clone());
        let help = "Tokens and billed pieces by kind, as far as they are known";
        to.register("tokens", help, self.tokens.clone());
        let help = "Cost in pico-dollars (1e-12 USD), as far as it is known";
        to.register("cost_pico_usd", help, self.cost.clone());
        let help = "Calls whose cost is not known";
        to.register("unknown_cost_calls", help, self.unknown_cost.clone());
        to.register("cached_calls", "Calls that the cache answered", self.cached.clone());
        let help = "What those would have cost in pico-dollars, as far as it is known";
        to.register("saved_pico_usd", help, self.saved.clone());
        let help = "From a request's first byte to the end of the call";
        to.register_with_unit("call_duration", help, Unit::Seconds, self.duration.clone());
        let help = "From a request's first byte to the first generated token, in streams";
        let times = self.first_token.clone();
        to.register_with_unit("time_to_first_token", help, Unit::Seconds, times);
    }

    /// Counts a call that is over.
    pub fn settled(&self, call: &Call) {
        let provider = call.provider.as_deref().unwrap_or(UNKNOWN);
        let of_model = self.of_model(provider, model_of(call).unwrap_or(UNKNOWN));
        let with = |name, value: &str| {
            let mut labels = of_model.clone();
            labels.push((name, value.to_owned()));
            labels
        };
        self.calls.get_or_create(&with("outcome", &name_of(&call.outcome))).inc();
        if let Some(error) = error_of(call) {
            self.errors.get_or_create(&with("error", &error)).inc();
        }
        if call.retries > 0 {
            self.retries.get_or_create(&of_model).inc_by(call.retries.into());
        }
        for (kind, count) in kinds(&call.usage) {
            if let Some(count) = count.filter(|it| *it > 0) {
                self.tokens.get_or_create(&with("kind", kind)).inc_by(count);
            }
        }
        if let Some(cost) = call.cost.and_then(|it| u64::try_from(it.0).ok()) {
            self.cost.get_or_create(&of_model).inc_by(cost);
        } else if call.cost_unknown.is_some() {
            self.unknown_cost.get_or_create(&of_model).inc();
        }
        if call.cached {
            self.cached.get_or_create(&of_model).inc();
        }
        if let Some(saved) = call.saved.and_then(|it| u64::try_from(it.0).ok()) {
            self.saved.get_or_create(&of_model).inc_by(saved);
        }
        let seconds = |us| Duration::from_micros(us).as_secs_f64();
        self.duration.get_or_create(&of_model).observe(seconds(call.timing.finished_us));
        if let Some(us) = call.timing.first_token_us {
            self.first_token.get_or_create(&of_model).observe(seconds(us));
        }
    }

    fn of_model(&self, provider: &str, model: &str) -> Labels {
        let mut known = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (provider.to_owned(), model.to_owned());
        let has_series = known.contains(&pair) || known.len() < MODELS_MAX && known.insert(pair);
        let model = if has_series { model } else { OTHERS };
        vec![("provider", provider.to_owned()), ("model", model.to_owned())]
    }

    /// All of it as text, with what is true at the moment.
    #[must_use]
    pub fn text(&self, now: &Moment<'_>) -> String {
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &now.registry()))
            .and_then(|()| encode_eof(&mut text));
        if let Err(error) = written {
            // Text has room as long as there is memory.
            tracing::error!(%error, "the metrics could not be written");
        }
        text
    }
}

/// What is true when it is asked for.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Calls under way.
    pub live_calls: usize,
    /// How far the ledger's writer is.
    pub ledger: &'a Progress,
    /// Calls that could not be written to the ledger.
    pub lost_calls: u64,
    /// Calls that the collector of `[export.otlp]` was not told of.
    pub otlp_lost_calls: u64,
    /// The budgets.
    pub budgets: &'a [BudgetStatus],
}

impl Moment<'_> {
    fn registry(&self) -> Registry {
        let mut to = Registry::with_prefix("tollgate");
        let whole = |value: u64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            gauge
        };
        let live = u64::try_from(self.live_calls).unwrap_or(u64::MAX);
        to.register("live_calls", "Calls under way", whole(live));
        let help = "Calls that wait because the ledger cannot be written";
        to.register("ledger_waiting_calls", help, whole(self.ledger.waiting));
        let counter = |value| {
            let counter: Counter = Counter::default();
            counter.inc_by(value);
            counter
        };
        let help = "Calls that could not be recorded";
        to.register("ledger_lost_calls", help, counter(self.lost_calls));
        let help = "Calls that the OTLP collector was not told of, or did not take";
        to.register("otlp_lost_calls", help, counter(self.otlp_lost_calls));
        let left = Family::<Labels, Gauge<i64>>::default();
        let amount = Family::<Labels, Gauge<i64>>::default();
        for (labels, purse) in self.purses().take(ACCOUNTS_TOLD_MAX) {
            left.get_or_create(&labels).set(purse.purse.left(purse.amount).0);
            amount.get_or_create(&labels).set(purse.amount.0);
        }
        let help =
            "What is left of a budget in pico-dollars, with what is held for calls under way";
        to.register("budget_left_pico_usd", help, left);
        to.register("budget_amount_pico_usd", "What a budget has in pico-dollars", amount);
        to
    }

    fn purses(&self) -> impl Iterator<Item = (Labels, &tollgate_gateway::PurseStatus)> {
        self.budgets.iter().flat_map(|status| {
            status.accounts.iter().flat_map(move |account| {
                account.purses.iter().map(move |purse| {
                    let labels = vec![
                        ("budget", status.budget.name.clone()),
                        ("account", account.value.clone().unwrap_or_default()),
                        ("period", purse.purse.period.name().to_owned()),
                    ];
                    (labels, purse)
                })
            })
        })
    }
}

/// The model as costs are told of it: the one that was asked for, or that served where that is another
/// and not only a dated or longer name of it.
fn model_of(call: &Call) -> Option<&str> {
    match (call.model_asked.as_deref(), call.model_served.as_deref()) {
        (Some(asked), Some(served)) if !served.starts_with(asked) => Some(served),
        (Some(asked), _) => Some(asked),
        (None, served) => served,
    }
}

/// Why a call failed: the gateway's own error, or the status that the client got.
fn error_of(call: &Call) -> Option<String> {
    match (call.error_code, call.status) {
        (Some(code), _) => Some(name_of(&code)),
        (None, Some(status)) if status >= 400 => Some(status.to_string()),
        (None, _) => (call.outcome == Outcome::Failed).then(|| UNKNOWN.to_owned()),
    }
}

const fn kinds(it: &Usage) -> [(&'static str, Option<u64>); 12] {
    [
        ("input", it.input),
        ("cache_read", it.cache_read),
        ("cache_write_5m", it.cache_write_5m),
        ("cache_write_1h", it.cache_write_1h),
        ("output", it.output),
        ("reasoning", it.reasoning),
        ("input_audio", it.input_audio),
        ("output_audio", it.output_audio),
        ("input_image", it.input_image),
        ("output_image", it.output_image),
        ("web_searches", it.web_searches),
        ("file_searches", it.file_searches),
    ]
}

/// An enum's name, as the admin API has it.
fn name_of<T: Serialize>(value: &T) -> String {
    let name = serde_json::to_value(value).ok();
    name.as_ref().and_then(|it| it.as_str()).unwrap_or(UNKNOWN).to_owned()
}

#[cfg(test)]
mod tests {
    use tollgate_core::{
        CallId, Operation, PicoUsd, UnixMs,
        call::{CostUnknown, ErrorCode, Timing},
    };

    use super::*;

    fn call(model: &str) -> Call {
        Call {
            id: CallId::new(UnixMs(1), [0; 10]),
            started_at_ms: UnixMs(1),
            caller: None,
            key: None,
            provider: Some("openai".to_owned()),
            simulated: false,
            format: None,
            operation: Operation::Generate,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            model_asked: Some(model.to_owned()),
            model_served: None,
            streaming: true,
            status: Some(200),
            outcome: Outcome::Finished,
            error_code: None,
            error_message: None,
            stop_reason: None,
            usage: Usage { input: Some(7), output: Some(5), ..Usage::default() },
            usage_counted: false,
            service_tier: None,
            cost: Some(PicoUsd(1_500_000)),
            cost_unknown: None,
            price_id: None,
            cached: false,
            saved: None,
            timing: Timing {
                first_token_us: Some(200_000),
                finished_us: 1_500_000,
                ..Timing::default()
            },
            request_bytes: 0,
            response_bytes: 0,
            retries: 2,
            client_cookie: None,
            upstream_cookie: None,
        }
    }

    fn text(metrics: &Metrics) -> String {
        let ledger = Progress::default();
        let now = Moment {
            live_calls: 3,
            ledger: &ledger,
            lost_calls: 0,
            otlp_lost_calls: 0,
            budgets: &[],
        };
        metrics.text(&now)
    }

    #[test]
    fn calls_are_counted_by_model_with_exact_money() {
        let metrics = Metrics::default();
        metrics.settled(&call("gpt-5"));
        metrics.settled(&call("gpt-5"));
        let failed = Call {
            status: Some(503),
            outcome: Outcome::Failed,
            error_code: Some(ErrorCode::Timeout),
            cost: None,
            cost_unknown: Some(CostUnknown::NoUsage),
            retries: 0,
            ..call("say \"hi\"\\\n")
        };
        metrics.settled(&failed);
        let text = text(&metrics);
        let of = r#"provider="openai",model="gpt-5""#;
        for line in [
            format!(r#"tollgate_calls_total{{{of},outcome="finished"}} 2"#),
            format!(r#"tollgate_tokens_total{{{of},kind="input"}} 14"#),
            format!("tollgate_cost_pico_usd_total{{{of}}} 3000000"),
            format!("tollgate_retries_total{{{of}}} 4"),
            format!("tollgate_call_duration_seconds_sum{{{of}}} 3.0"),
            format!(r#"tollgate_call_duration_seconds_bucket{{le="2.5",{of}}} 2"#),
            format!(r#"tollgate_time_to_first_token_seconds_bucket{{le="0.1",{of}}} 0"#),
            r#"tollgate_errors_total{provider="openai",model="say \"hi\"\\\n",error="timeout"} 1"#
                .to_owned(),
            "tollgate_live_calls 3".to_owned(),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn names_that_clients_choose_make_a_bounded_number_of_series() {
        let metrics = Metrics::default();
        for number in 0..MODELS_MAX + 100 {
            metrics.settled(&call(&format!("model-{number}")));
        }
        metrics.settled(&call("model-0"));
        let text = text(&metrics);
        let series: Vec<_> =
            text.lines().filter(|it| it.starts_with("tollgate_calls_total")).collect();
        assert_eq!(series.len(), MODELS_MAX + 1);
        assert!(series.iter().any(|it| it.contains(OTHERS) && it.ends_with(" 100")), "{series:?}");
        assert!(series.iter().any(|it| it.contains("\"model-0\"") && it.ends_with(" 2")));
    }
}
