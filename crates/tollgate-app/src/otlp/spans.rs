//! A call as a span.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode},
};
use serde::Serialize;
use tollgate_core::{Call, Format, Operation, call::Outcome};

use super::{Ended, attribute, names, resource, text};

/// Whether a call is one of a model: others have no place in the conventions.
pub(super) fn is_told(call: &Call) -> bool {
    operation(call).is_some()
}

/// What the conventions call it.
pub(super) fn operation(call: &Call) -> Option<&'static str> {
    match (call.operation, call.format) {
        (Operation::Generate, Some(Format::Gemini)) => Some("generate_content"),
        (Operation::Generate, _) => Some("chat"),
        (Operation::Embed, _) => Some("embeddings"),
        (Operation::CountTokens | Operation::ListModels | Operation::Other, _) => None,
    }
}

/// The provider as the conventions have it, where they do.
pub(super) fn provider(id: &str) -> &str {
    match id {
        "google" => "gcp.gemini",
        "google-vertex" | "google-vertex-global" => "gcp.vertex_ai",
        "amazon-bedrock" => "aws.bedrock",
        "azure" => "azure.ai.openai",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        other => other,
    }
}

/// Why a call failed: the gateway's own error, or the status that the client got.
pub(super) fn error(call: &Call) -> Option<String> {
    match (call.error_code, call.status, call.outcome) {
        (Some(code), ..) => name_of(&code),
        (None, Some(status), _) if status >= 400 => Some(status.to_string()),
        (None, _, Outcome::Failed) => Some("_OTHER".to_owned()),
        (None, _, Outcome::Cancelled) => Some("cancelled".to_owned()),
        (None, _, Outcome::Finished) => None,
    }
}

/// All prompt tokens, cached or not, as the conventions count them.
pub(super) fn input_tokens(call: &Call) -> Option<u64> {
    let it = &call.usage;
    let cached = [it.cache_read, it.cache_write_5m, it.cache_write_1h];
    it.input.map(|it| cached.into_iter().flatten().fold(it, u64::saturating_add))
}

/// The spans of calls. Those of a client that does not record its trace are left out.
pub(super) fn of(ended: &[Ended]) -> Vec<ResourceSpans> {
    let recorded = ended.iter().filter(|(_, parent)| parent.is_none_or(|it| it.is_sampled()));
    let scope = InstrumentationScope {
        name: "tollgate".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let spans =
        ScopeSpans { scope: Some(scope), spans: recorded.map(span).collect(), ..<_>::default() };
    let all =
        ResourceSpans { resource: Some(resource()), scope_spans: vec![spans], ..<_>::default() };
    vec![all]
}

fn span((call, parent): &Ended) -> Span {
    let id = call.id.as_bytes();
    // Its random end, which is never all zeros: the variant stands in it.
    let span_id = id.get(8..).unwrap_or_default().to_vec();
    let (trace_id, parent_span_id) = match parent {
        Some(it) => (it.trace_id.to_vec(), it.span_id.to_vec()),
        None => (id.to_vec(), Vec::new()),
    };
    let begun = u64::try_from(call.started_at_ms.0).unwrap_or_default().saturating_mul(1_000_000);
    let took = call.timing.finished_us.saturating_mul(1_000);
    let operation = operation(call).unwrap_or_default();
    let name = match &call.model_asked {
        Some(model) => format!("{operation} {model}"),
        None => operation.to_owned(),
    };
    let failed = error(call).is_some();
    Span {
        trace_id,
        span_id,
        parent_span_id,
        flags: parent.map_or(0, |it| u32::from(it.flags)),
        name,
        kind: SpanKind::Client.into(),
        start_time_unix_nano: begun,
        end_time_unix_nano: begun.saturating_add(took),
        attributes: attributes(call, operation),
        status: failed.then(|| Status { code: StatusCode::Error.into(), ..Status::default() }),
        ..Span::default()
    }
}

fn attributes(call: &Call, operation: &str) -> Vec<KeyValue> {
    let texts = [
        (names::OPERATION, Some(operation.to_owned())),
        (names::PROVIDER, call.provider.as_deref().map(|it| provider(it).to_owned())),
        (names::REQUEST_MODEL, call.model_asked.clone()),
        (names::RESPONSE_MODEL, call.model_served.clone()),
        (names::ERROR, error(call)),
        ("tollgate.call.id", Some(call.id.to_string())),
        ("tollgate.provider", call.provider.clone()),
        ("tollgate.program", call.caller.as_ref().map(|it| it.program.clone())),
        (
            "tollgate.project",
            call.caller.as_ref().and_then(|it| Some(it.project.as_ref()?.name.clone())),
        ),
        ("tollgate.key", call.key.clone()),
        ("tollgate.cost.unknown", call.cost_unknown.as_ref().and_then(name_of)),
    ];
    let usage = &call.usage;
    let writes = [usage.cache_write_5m, usage.cache_write_1h];
    let written = writes.into_iter().flatten().reduce(u64::saturating_add);
    let counts = [
        (names::INPUT_TOKENS, input_tokens(call)),
        (names::OUTPUT_TOKENS, usage.output),
        (names::CACHE_READ_TOKENS, usage.cache_read),
        (names::CACHE_WRITE_TOKENS, written),
        (names::REASONING_TOKENS, usage.reasoning),
        (names::STATUS, call.status.map(u64::from)),
        ("tollgate.cost.pico_usd", call.cost.and_then(|it| u64::try_from(it.0).ok())),
        ("tollgate.retries", Some(call.retries.into())),
    ];
    let texts = texts.into_iter().filter_map(|(name, value)| Some(text(name, &value?)));
    let counts = counts.into_iter().filter_map(|(name, value)| {
        Some(attribute(name, Value::IntValue(i64::try_from(value?).unwrap_or(i64::MAX))))
    });
    let mut all: Vec<_> = texts.chain(counts).collect();
    all.push(attribute(names::REQUEST_STREAM, Value::BoolValue(call.streaming)));
    all.push(attribute("tollgate.simulated", Value::BoolValue(call.simulated)));
    if let Some(us) = call.timing.first_token_us {
        let seconds = std::time::Duration::from_micros(us).as_secs_f64();
        all.push(attribute(names::FIRST_CHUNK, Value::DoubleValue(seconds)));
    }
    if let Some(reason) = &call.stop_reason {
        let reason = AnyValue { value: Some(Value::StringValue(reason.clone())) };
        let list = ArrayValue { values: vec![reason] };
        all.push(attribute(names::FINISH_REASONS, Value::ArrayValue(list)));
    }
    all
}

/// An enum's name, as the admin API has it.
fn name_of<T: Serialize>(value: &T) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}
