//! A collector is told of each call by the semantic conventions, and never of what was said.

use std::{collections::BTreeMap, fs, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use http::Request;
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Metric, metric::Data},
    trace::v1::Span,
};
use prost::Message as _;
use tokio::{net::TcpListener, sync::watch};
use tollgate_simulator::Simulator;
use tollgate_tests::{Home, send};

use super::using::{KEY, simulator};

/// What the collector was sent.
#[derive(Clone, Default)]
struct Received {
    spans: Vec<Span>,
    metrics: Vec<Metric>,
    keys: Vec<String>,
    /// Everything as it came.
    bytes: Vec<u8>,
    refusals_left: u32,
}

type Shared = Arc<watch::Sender<Received>>;

/// Decodes what it is sent as a collector does, and refuses the first requests if it is to.
async fn collector(refusals: u32) -> (SocketAddr, watch::Receiver<Received>) {
    let (told, received) =
        watch::channel(Received { refusals_left: refusals, ..Received::default() });
    let routes = Router::new()
        .route("/otel/v1/traces", post(traces))
        .route("/otel/v1/metrics", post(metrics))
        .with_state(Arc::new(told));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (addr, received)
}

async fn traces(State(told): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let mut taken = StatusCode::OK;
    told.send_modify(|it| {
        it.keys.push(headers["x-api-key"].to_str().unwrap().to_owned());
        if it.refusals_left > 0 {
            it.refusals_left -= 1;
            taken = StatusCode::SERVICE_UNAVAILABLE;
            return;
        }
        it.bytes.extend_from_slice(&body);
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        assert_eq!(texts(&resource.attributes)["service.name"], "tollgate");
        let scopes = request.resource_spans.into_iter().flat_map(|it| it.scope_spans);
        it.spans.extend(scopes.flat_map(|it| it.spans));
    });
    taken
}

async fn metrics(State(told): State<Shared>, body: Bytes) -> StatusCode {
    let request = ExportMetricsServiceRequest::decode(body.clone()).unwrap();
    told.send_modify(|it| {
        it.bytes.extend_from_slice(&body);
        let scopes = request.resource_metrics.into_iter().flat_map(|it| it.scope_metrics);
        it.metrics = scopes.flat_map(|it| it.metrics).collect();
    });
    StatusCode::OK
}

/// Attributes as text.
fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let shown = |it: &KeyValue| match it.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::ArrayValue(list) => format!("{:?}", list.values.len()),
        it @ (Value::KvlistValue(_) | Value::BytesValue(_) | Value::StringValueStrindex(_)) => {
            format!("not expected: {it:?}")
        }
    };
    attributes.iter().map(|it| (it.key.clone(), shown(it))).collect()
}

fn chat(said: &str, parent: Option<&str>) -> Request<Bytes> {
    let message = serde_json::json!({ "role": "user", "content": said });
    let body = serde_json::json!({ "model": "gpt-5-mini", "messages": [message] });
    let mut request = Request::post("/v1/chat/completions")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json");
    if let Some(parent) = parent {
        request = request.header("traceparent", parent);
    }
    request.body(body.to_string().into()).unwrap()
}

/// A home with more in its configuration.
fn told(simulator: &Simulator, more: &str) -> Arc<Home> {
    let home = Home::simulated(simulator);
    let text = fs::read_to_string(home.config()).unwrap();
    home.configure(&(text + more));
    home
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_collector_is_told_of_each_call_and_of_nothing_that_was_said() {
    let simulator = simulator().await;
    // It is asked again after it was busy.
    let (addr, mut received) = collector(1).await;
    let home = told(
        &simulator,
        &format!(
            "[export.otlp]\nurl = \"http://{addr}/otel\"\nheaders = {{ x-api-key = {{ env = \"OTLP_KEY\" }} }}\n"
        ),
    );
    let product = home
        .serve_with(|it| {
            it.env("OTLP_KEY", "collector-key");
        })
        .await;
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let unrecorded = format!("00-{TRACE}-{SPAN}-00");
    send(product.listen, chat("zq8vxk2lpt0wry5n", None)).await;
    send(product.listen, chat("hello", Some(&parent))).await;
    send(product.listen, chat("hello", Some(&unrecorded))).await;
    let calls = product.calls(3).await;
    let tokens = |it: &Received| {
        let metric = it.metrics.iter().find(|it| it.name == "gen_ai.client.operation.duration");
        match metric.and_then(|it| it.data.clone()) {
            Some(Data::Histogram(it)) => it.data_points.iter().map(|it| it.count).sum::<u64>(),
            _ => 0,
        }
    };
    let told =
        received.wait_for(|it| it.spans.len() == 2 && tokens(it) == 3).await.unwrap().clone();

    assert!(told.keys.iter().all(|it| it == "collector-key") && told.keys.len() >= 2);
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let (own, of_client): (Vec<_>, Vec<_>) =
        told.spans.iter().partition(|it| it.parent_span_id.is_empty());
    let (own, of_client) = (own[0], of_client[0]);
    assert_eq!(
        (hex(&of_client.trace_id), hex(&of_client.parent_span_id)),
        (TRACE.into(), SPAN.into())
    );
    assert!(calls.iter().any(|it| it.id.replace('-', "") == hex(&own.trace_id)));
    assert_eq!(own.name, "chat gpt-5-mini");
    assert!(own.end_time_unix_nano > own.start_time_unix_nano);
    let attributes = texts(&own.attributes);
    let call = calls.iter().find(|it| it.id == attributes["tollgate.call.id"]).unwrap();
    for (name, expected) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-5-mini"),
        ("gen_ai.response.model", call.model_served.as_deref().unwrap()),
        ("gen_ai.usage.output_tokens", &call.usage.output.unwrap().to_string()),
        ("tollgate.cost.pico_usd", call.cost_pico_usd.as_deref().unwrap()),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(attributes.get(name).map(String::as_str), Some(expected), "{name}");
    }
    let names: Vec<_> = told.metrics.iter().map(|it| it.name.as_str()).collect();
    assert!(names.contains(&"gen_ai.client.token.usage"), "{names:?}");
    let anywhere = |what: &str| told.bytes.windows(what.len()).any(|it| it == what.as_bytes());
    assert!(anywhere("gpt-5-mini") && !anywhere("zq8vxk2lpt0wry5n") && !anywhere(KEY));
    product.stop().await;
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_no_call_and_is_counted() {
    let simulator = simulator().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let home = told(&simulator, &format!("[export.otlp]\nurl = \"http://{gone}\"\n"));
    let product = home.serve().await;
    assert_eq!(send(product.listen, chat("hello", None)).await.status(), 200);
    product.says("a collector was not told of calls").await;
    let text = product.admin().get_bytes("/metrics").await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.contains("tollgate_otlp_lost_calls_total 1\n"), "{text}");
    product.stop().await;
}
