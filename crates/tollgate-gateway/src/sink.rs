//! Where settled calls go.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use tollgate_core::{Call, Routing, guardrail::Hit};
use tollgate_ledger::{Bodies, Writer};

use crate::limits::LEDGER_WAIT;

/// Keeps settled calls: the ledger.
pub trait Sink: Send + Sync {
    /// Takes a settled call. Called once per call, from a task of the gateway's own and never on
    /// the path of an answer, so the future may wait for room in a queue.
    fn record(&self, settled: Settled) -> BoxFuture<'_, ()>;
}

/// A settled call with its bodies.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The call.
    pub call: Arc<Call>,
    /// Its bodies; `None` when none are kept, and for a request whose body was passed on as it came
    /// (uploads, unknown paths).
    pub bodies: Option<KeptBodies>,
    /// What the gateway decided, where there was something to decide.
    pub routing: Option<Box<Routing>>,
    /// What guardrails found.
    pub hits: Vec<Hit>,
    /// The answer's id, where a client may go on from it by that and what was said is kept.
    pub answer_id: Option<String>,
}

/// The bodies of a call as they went over the wire, each cut to
/// [`Limits::body_keep_bytes_max`](crate::Limits::body_keep_bytes_max).
#[derive(Clone, Debug, Default)]
pub struct KeptBodies {
    /// The request's, as the client sent it, but without its content coding where that is known.
    pub request: Bytes,
    /// Whether the request's was longer.
    pub request_cut: bool,
    /// The answer's, in the pieces that the provider sent; of a translated one, as the client got it.
    pub response: Vec<Bytes>,
    /// The bytes in `response`.
    pub response_bytes: usize,
    /// Whether the answer's was longer.
    pub response_cut: bool,
    /// The answer's `content-encoding`: `response` is compressed so.
    pub response_content_encoding: Option<String>,
}

/// The ledger in the database. When its queue is full a call first loses its bodies; then it waits
/// at most [`LEDGER_WAIT`], and then it is lost, counted and logged.
#[derive(Debug)]
pub struct LedgerSink {
    writer: Writer,
    lost: Arc<AtomicU64>,
}

impl LedgerSink {
    /// Records through `writer`; adds to `lost` for each call that could not be recorded.
    #[must_use]
    pub fn new(writer: Writer, lost: Arc<AtomicU64>) -> Self {
        Self { writer, lost }
    }
}

impl Sink for LedgerSink {
    fn record(&self, settled: Settled) -> BoxFuture<'_, ()> {
        let id = settled.call.id;
        let Err(refused) = self.writer.record(settled.into()) else {
            return Box::pin(std::future::ready(()));
        };
        Box::pin(async move {
            let bare = tollgate_ledger::Settled { bodies: None, ..*refused };
            tracing::warn!(call = %id, "the ledger is behind: a call's bodies are not kept");
            let waited = tokio::time::timeout(LEDGER_WAIT, self.writer.record_async(bare)).await;
            if let Ok(Ok(())) = waited {
                return;
            }
            let stuck = waited.is_err();
            tracing::error!(call = %id, stuck, "the ledger cannot take a call");
            self.lost.fetch_add(1, Ordering::Relaxed);
        })
    }
}

impl From<Settled> for tollgate_ledger::Settled {
    fn from(settled: Settled) -> Self {
        let bodies = settled.bodies.map(|kept| Bodies {
            request: kept.request,
            request_truncated: kept.request_cut,
            response: joined(kept.response, kept.response_bytes),
            response_truncated: kept.response_cut,
            response_content_encoding: kept.response_content_encoding,
        });
        let routing = settled.routing.map(|it| *it);
        let Settled { call, hits, answer_id, .. } = settled;
        Self { call: Arc::unwrap_or_clone(call), bodies, routing, hits, answer_id }
    }
}

/// The pieces in one; a single piece is not copied.
fn joined(pieces: Vec<Bytes>, bytes: usize) -> Bytes {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([piece]) => piece,
        Err(pieces) => {
            let mut whole = BytesMut::with_capacity(bytes);
            pieces.iter().for_each(|it| whole.extend_from_slice(it));
            whole.freeze()
        }
    }
}
