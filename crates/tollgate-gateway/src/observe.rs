//! What the gateway tells whoever watches.

use std::{sync::Arc, time::Instant};

use tollgate_core::{
    Call, CallId, Caller, Format, Operation, SocketCookie, UnixMs, call::ErrorCode,
};

use crate::{BudgetNews, TraceParent};

/// Watches calls as they happen.
pub trait Observer: Send + Sync {
    /// Called in line with the call, so it must return at once: hand the event to a queue.
    fn event(&self, event: GatewayEvent);
}

/// Something happened. The events of one call come in this order; a call that the gateway
/// refuses has only the last.
#[derive(Clone, Debug)]
pub enum GatewayEvent {
    /// The request has arrived and is about to be forwarded.
    CallStarted(Arc<LiveCall>),
    /// Something more is known: the connection to the provider, the status.
    CallUpdated(Arc<LiveCall>),
    /// The call is over. It has been handed to the ledger, which commits it shortly.
    CallSettled(Arc<Call>),
    /// Part of a budget is spent, or it stopped a call for the first time in its period.
    BudgetNews(Arc<BudgetNews>),
}

/// A call that is not settled yet, as far as it is known. `None` is "not known yet".
#[derive(Clone, Debug)]
pub struct LiveCall {
    /// Its id.
    pub id: CallId,
    /// When its first byte reached the gateway.
    pub started_at_ms: UnixMs,
    /// The same moment to the nanosecond, on the clock that only goes forward: what tells the calls
    /// of one connection apart.
    pub started: Instant,
    /// Who asks.
    pub caller: Option<Arc<Caller>>,
    /// The name of the local key that it is asked with.
    pub key: Option<Arc<str>>,
    /// The provider's id.
    pub provider: Option<Arc<str>>,
    /// Whether the built-in simulator answers.
    pub simulated: bool,
    /// The format the client speaks; `None` for a path passed through untouched.
    pub format: Option<Format>,
    /// What is asked for.
    pub operation: Operation,
    /// The HTTP method.
    pub method: http::Method,
    /// The path as the client sent it, without the query.
    pub path: Arc<str>,
    /// The model the client named.
    pub model_asked: Option<Arc<str>>,
    /// Whether the answer is (or, before it came, was asked to be) an event stream.
    pub streaming: bool,
    /// The HTTP status sent to the client.
    pub status: Option<u16>,
    /// The gateway's own error, if it made one.
    pub error_code: Option<ErrorCode>,
    /// Bytes of the request's body, as far as they have been read.
    pub request_bytes: u64,
    /// From the first byte of the request to the first byte of the answer.
    pub headers_us: Option<u64>,
    /// Where it stands in a trace of the client's.
    pub trace_parent: Option<TraceParent>,
    /// The socket to the client, on the gateway's side.
    pub client_cookie: Option<SocketCookie>,
    /// The socket to the provider, on the gateway's side.
    pub upstream_cookie: Option<SocketCookie>,
}
