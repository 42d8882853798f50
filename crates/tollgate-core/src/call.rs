//! One LLM request, from its first byte to its settlement: the row of the ledger.

use serde::{Deserialize, Serialize};

use crate::{CallId, Caller, Format, Operation, PicoUsd, ServiceTier, SocketCookie, UnixMs, Usage};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The provider answered in full; its status may still be an error's.
    Finished,
    /// The gateway could not get an answer, refused the call, or the answer broke off or ended with
    /// an error that the provider reported in its middle.
    Failed,
    /// The client left before the answer was complete.
    Cancelled,
}

/// Why a call has no cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostUnknown {
    /// No price row for the model on that day.
    NoPrice,
    /// The provider did not say how many tokens it used, and they could not be counted here.
    NoUsage,
    /// A kind of token or piece was used that the price row does not price.
    KindNotPriced,
    /// The answer holds a piece with a fee that nothing tells the amount of: code that the provider
    /// ran, pictures or maps that it searched.
    FeeNotTold,
    /// The provider served the call at a tier (flex, priority, …) that the price row does not price.
    TierNotPriced,
    /// The provider claims more tokens than any amount of money can pay for.
    OutOfRange,
}

/// Which of the gateway's own errors answered the call. Providers' errors have none of these: they
/// are told by `status` and `error_message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request's body is not JSON, or not an object.
    MalformedBody,
    /// The request's body is longer than the named limit.
    BodyTooLarge,
    /// No route has this path.
    UnknownPath,
    /// No provider has this id.
    UnknownProvider,
    /// Neither the client nor the configuration has a credential for the provider.
    NoCredential,
    /// The request came from another site, for another host, or from another user's program.
    Forbidden,
    /// The local key is not known or no longer good, or there is none and one is needed.
    KeyRefused,
    /// The local key may not do what is asked.
    OutOfScope,
    /// The user has blocked the program's calls, or all.
    Blocked,
    /// A rule of the configuration denies the call.
    DeniedByRule,
    /// A guardrail of the configuration blocks the call or its answer.
    BlockedByGuardrail,
    /// Too little is left of a budget of the configuration.
    OverBudget,
    /// No connection to the provider could be made.
    ProviderUnreachable,
    /// The provider's certificate or TLS handshake was not accepted.
    TlsFailure,
    /// The provider did not answer in time.
    Timeout,
    /// The provider's answer broke off.
    ProviderBroke,
    /// The request's body did not arrive in time.
    SlowUpload,
    /// What is asked for is not served: a WebSocket.
    NotSupported,
    /// The provider speaks another format, in which the request would mean something else.
    NotTranslatable,
    /// Too much is under way already.
    Overloaded,
    /// The gateway is stopping.
    Stopping,
}

/// When what happened, in microseconds since the call's first byte reached the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The whole request had arrived.
    pub received_us: Option<u64>,
    /// A connection to the provider was at hand.
    pub connected_us: Option<u64>,
    /// What resolving, connecting and the TLS handshake took; `None` when a pooled connection
    /// served.
    pub connect_took_us: Option<u64>,
    /// The provider's status line had arrived.
    pub headers_us: Option<u64>,
    /// The first byte of the answer's body had arrived.
    pub first_byte_us: Option<u64>,
    /// The first generated token had arrived (streams only).
    pub first_token_us: Option<u64>,
    /// The call was settled.
    pub finished_us: u64,
}

/// One LLM request. `None` is unknown, never zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// When its first byte reached the gateway.
    pub started_at_ms: UnixMs,
    /// Who asked.
    pub caller: Option<Caller>,
    /// The name of the local key that it was asked with; `None`: without one.
    pub key: Option<String>,
    /// The provider's id in the catalogue or configuration.
    pub provider: Option<String>,
    /// Whether the provider is the built-in simulator: nobody is billed.
    pub simulated: bool,
    /// The format the client spoke; `None` for a path passed through untouched.
    pub format: Option<Format>,
    /// What was asked for.
    pub operation: Operation,
    /// The HTTP method.
    pub method: String,
    /// The path as the client sent it, without the query (which can hold a key).
    pub path: String,
    /// The model the client named.
    pub model_asked: Option<String>,
    /// The model the provider says it used.
    pub model_served: Option<String>,
    /// Whether the answer was an event stream.
    pub streaming: bool,
    /// The HTTP status sent to the client; `None` if it left before.
    pub status: Option<u16>,
    /// How the call ended.
    pub outcome: Outcome,
    /// The gateway's own error, if it made one.
    pub error_code: Option<ErrorCode>,
    /// The error's text, the gateway's or the provider's, cut to a bounded length.
    pub error_message: Option<String>,
    /// Why the model stopped, in the format's own word.
    pub stop_reason: Option<String>,
    /// Tokens.
    pub usage: Usage,
    /// Whether the gateway counted them itself, because the provider told none: then they are an
    /// estimate, and so is `cost`.
    pub usage_counted: bool,
    /// At which of its tiers the provider says it served the call; `None` when it does not say.
    pub service_tier: Option<ServiceTier>,
    /// What it cost.
    pub cost: Option<PicoUsd>,
    /// Why `cost` is `None`; `None` too when the operation is free by nature (a list of models).
    pub cost_unknown: Option<CostUnknown>,
    /// The price row that `cost` was computed from.
    pub price_id: Option<String>,
    /// Whether it was answered from the cache: no provider saw it. `provider` and `model_served` are
    /// then those of the call that the answer was made for.
    pub cached: bool,
    /// What it would have cost without the cache; `None` where that is not known, is known only as an
    /// estimate, or it was not answered from the cache.
    pub saved: Option<PicoUsd>,
    /// When what happened.
    pub timing: Timing,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body as sent to the client.
    pub response_bytes: u64,
    /// Attempts after the first.
    pub retries: u32,
    /// The socket to the client, on the gateway's side.
    pub client_cookie: Option<SocketCookie>,
    /// The socket to the provider, on the gateway's side.
    pub upstream_cookie: Option<SocketCookie>,
}
