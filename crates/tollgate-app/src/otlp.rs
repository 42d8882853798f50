//! Calls told to an OpenTelemetry collector: a span for each, and metrics, by the semantic conventions
//! for generative AI, over OTLP in protobuf.
//!
//! Nothing that was said is ever sent, and no error's text, which can repeat it. Calls wait in a
//! bounded queue off their own path; those that find no room, or that the collector does not take, are
//! counted and lost.

mod metrics;
mod names;
mod spans;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::ExportMetricsServiceRequest,
        trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
};
use prost::Message as _;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tollgate_core::{Call, CallId, Secret};
use tollgate_gateway::{GatewayEvent, Outbox, TellError, TraceParent};

use self::metrics::Sums;
use crate::App;

/// Calls that wait to be told, and calls under way whose clients have a trace.
const WAITING_MAX: usize = 4_096;

/// Calls that are told at once, and how long the first of them waits for others.
const TOLD_AT_ONCE: usize = 256;
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// How often the same calls are sent, and the first wait before that; the next is twice as long.
const ATTEMPTS: u32 = 3;
const ATTEMPT_WAIT: Duration = Duration::from_secs(1);

/// A call that is over, and where it stands in a trace of the client's.
type Ended = (Arc<Call>, Option<TraceParent>);

/// Where a collector is, with what it wants to see.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) url: Uri,
    /// Values of headers; `None` where one is not at hand.
    pub(crate) headers: Option<Vec<(http::HeaderName, Secret)>>,
}

/// The queue before the collector.
#[derive(Debug)]
pub struct Queue {
    ended: mpsc::Sender<Ended>,
    waiting: Mutex<Option<mpsc::Receiver<Ended>>>,
    parents: Mutex<HashMap<CallId, TraceParent>>,
    lost: AtomicU64,
}

impl Default for Queue {
    fn default() -> Self {
        let (ended, waiting) = mpsc::channel(WAITING_MAX);
        let waiting = Mutex::new(Some(waiting));
        Self { ended, waiting, parents: Mutex::default(), lost: AtomicU64::new(0) }
    }
}

impl Queue {
    /// Takes note of a call; returns at once.
    pub fn event(&self, event: &GatewayEvent) {
        match event {
            GatewayEvent::CallStarted(live) => {
                let Some(parent) = live.trace_parent else { return };
                let mut parents = self.parents();
                if parents.len() < WAITING_MAX {
                    parents.insert(live.id, parent);
                }
            }
            GatewayEvent::CallSettled(call) => {
                let parent = self.parents().remove(&call.id);
                if self.ended.try_send((Arc::clone(call), parent)).is_err() {
                    self.lose(1);
                }
            }
            GatewayEvent::CallUpdated(_) | GatewayEvent::BudgetNews(_) => {}
        }
    }

    /// How many calls the collector was not told of, or did not take.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lose(&self, calls: usize) {
        self.lost.fetch_add(u64::try_from(calls).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn parents(&self) -> MutexGuard<'_, HashMap<CallId, TraceParent>> {
        self.parents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the collector that the configuration names of each call that ends, until it is stopped.
pub(crate) async fn follow(app: Arc<App>, stop: CancellationToken) {
    let queue = app.hub().otlp();
    let waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut waiting) = waiting else { return };
    let mut sums = Sums::new(app.clock().now());
    let mut outbox = None;
    loop {
        let mut ended = Vec::new();
        tokio::select! {
            () = stop.cancelled() => return,
            took = waiting.recv_many(&mut ended, TOLD_AT_ONCE) => if took == 0 { return },
        }
        let Some(collector) = app.settings().collector() else { continue };
        gather(&mut waiting, &mut ended).await;
        ended.retain(|(call, _)| spans::is_told(call));
        ended.iter().for_each(|(call, _)| sums.add(call));
        if outbox.is_none() {
            outbox = Outbox::new(app.settings().proxies()).ok();
        }
        let Some(outbox) = &outbox else { continue };
        let told = tokio::select! {
            () = stop.cancelled() => return,
            told = tell(outbox, &collector, &ended, sums.request(app.clock().now())) => told,
        };
        match told {
            Ok(rejected) => queue.lose(rejected),
            Err(error) => {
                queue.lose(ended.len());
                let host = collector.url.host().unwrap_or_default();
                tracing::warn!(host, calls = ended.len(), %error, "a collector was not told of calls");
            }
        }
    }
}

/// Takes what comes within a moment, so that calls share a request.
async fn gather(waiting: &mut mpsc::Receiver<Ended>, ended: &mut Vec<Ended>) {
    let until = Instant::now() + TOLD_EVERY;
    while ended.len() < TOLD_AT_ONCE {
        let room = TOLD_AT_ONCE - ended.len();
        match timeout_at(until, waiting.recv_many(ended, room)).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Why a collector was not told.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("a value of `headers` is not at hand")]
    Headers,
    #[error("the address cannot be asked")]
    Address,
    #[error(transparent)]
    Tell(#[from] TellError),
}

/// Sends spans, then metrics; gives how many spans were not taken.
async fn tell(
    outbox: &Outbox,
    collector: &Collector,
    ended: &[Ended],
    metrics: ExportMetricsServiceRequest,
) -> Result<usize, ExportError> {
    if ended.is_empty() {
        return Ok(0);
    }
    let traces = ExportTraceServiceRequest { resource_spans: spans::of(ended) };
    let answer = send(outbox, collector, "v1/traces", traces.encode_to_vec().into()).await?;
    send(outbox, collector, "v1/metrics", metrics.encode_to_vec().into()).await?;
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |it| it.rejected_spans);
    Ok(usize::try_from(rejected).unwrap_or_default())
}

async fn send(
    outbox: &Outbox,
    collector: &Collector,
    path: &str,
    body: Bytes,
) -> Result<Bytes, ExportError> {
    let base = collector.url.to_string();
    let url = format!("{}/{path}", base.trim_end_matches('/'));
    let url: Uri = url.parse().map_err(|_| ExportError::Address)?;
    let kind = HeaderValue::from_static("application/x-protobuf");
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
    for (name, value) in collector.headers.as_ref().ok_or(ExportError::Headers)? {
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| ExportError::Headers)?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    let mut wait = ATTEMPT_WAIT;
    for _ in 1..ATTEMPTS {
        match outbox.post(&url, headers.clone(), body.clone()).await {
            Err(error) if may_pass(&error) => sleep(wait).await,
            done => return Ok(done?),
        }
        wait *= 2;
    }
    Ok(outbox.post(&url, headers, body).await?)
}

/// Whether the same request may be taken later, as OTLP has it.
fn may_pass(error: &TellError) -> bool {
    match error {
        TellError::Unreachable(_) | TellError::Timeout => true,
        TellError::Status(status) => [429, 502, 503, 504].contains(&status.as_u16()),
        TellError::Client(_) | TellError::Address => false,
    }
}

/// Who tells.
fn resource() -> Resource {
    let attributes =
        vec![text("service.name", "tollgate"), text("service.version", env!("CARGO_PKG_VERSION"))];
    Resource { attributes, ..Resource::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
