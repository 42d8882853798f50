//! Every limit of the gateway, with its name and its reason.

use std::time::Duration;

use tollgate_ledger::COMMIT_EVERY;

/// The longest request body of a known format: it is read whole before it is forwarded. Twice what
/// any provider takes inline (32 MB for Anthropic, 20 MB for Gemini).
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The longest body, request or answer, that is kept for the ledger; of a longer one the beginning
/// is kept. A million-token conversation is about 4 MB.
pub const BODY_KEEP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The longest error text stored with a call.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 2048;

/// The longest model name that is kept of a request or an answer: twice the longest that any provider
/// has. Each name that was ever seen is a row that calls are counted by.
pub(crate) const MODEL_BYTES_MAX: usize = 256;

/// How long resolving, connecting and the TLS handshake may take together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a provider may take to answer with its status line: what the official SDKs wait.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_mins(10);

/// How long an answer may pause between two pieces: what the official SDKs wait for a read.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

/// How many bytes of requests may be held at once while their providers have not answered: eight of
/// the longest.
pub const HELD_REQUEST_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;

/// How long a request waits for room among them before it is refused.
pub const ROOM_WAIT: Duration = Duration::from_secs(10);

/// The most that is read of a body only to throw it away. A client that is still sending when its
/// connection is closed never sees the answer.
pub(crate) const DRAIN_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How long that may take: a local client sends as much in less.
pub(crate) const DRAIN_WAIT: Duration = Duration::from_secs(10);

/// How long a client may pause in the middle of its request's body.
pub const UPLOAD_IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an idle connection to a provider is kept: less than the usual server's own limit, so
/// that it is rarely found dead.
pub const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);

/// How soon after a request was sent its pooled connection must fail to count as dead from the
/// start, so that the request is sent again: more than a round trip, less than a model's work.
pub const STALE_WITHIN: Duration = Duration::from_secs(1);

/// How many idle connections are kept per provider host.
pub const IDLE_PER_HOST_MAX: usize = 256;

/// How long the settlement of a call waits for its caller to be found, off the call's own path. With
/// [`COMMIT_EVERY`] behind it a finished call is on its way to disk within a second.
pub const CALLER_WAIT: Duration = Duration::from_millis(700);

const _: () = assert!(CALLER_WAIT.as_millis() + COMMIT_EVERY.as_millis() < 1_000);

/// How long a call without a local key waits for its caller, where the kernel cannot tell which user
/// owns its connection any more, because the client has gone already.
pub const OWNER_WAIT: Duration = Duration::from_secs(5);

/// How long the settlement of a call waits for its tokens to be counted, where its provider told
/// none: as long as for its caller, both at once.
pub(crate) const COUNT_WAIT: Duration = CALLER_WAIT;

/// How many bytes of bodies may wait for their tokens to be counted: both of two calls with the
/// longest that are kept. Calls beyond it stay uncounted.
pub(crate) const COUNTING_BYTES_MAX: usize = 4 * BODY_KEEP_BYTES_MAX;

/// How long a settled call waits for room in the ledger's queue before it is given up.
pub const LEDGER_WAIT: Duration = Duration::from_secs(10);

/// The most accounts of one budget with `each`; further values share one. Names of models are the
/// clients' to choose.
pub const ACCOUNTS_MAX: usize = 1_000;

/// How many bytes of a request a budget takes for a token of its prompt. Few texts have more tokens: code
/// in JSON has one for three to four bytes.
pub(crate) const HELD_BYTES_PER_TOKEN: u64 = 3;

/// How many tokens of output a budget holds for an answer whose request names no maximum: more than
/// most answers have.
pub(crate) const HELD_OUTPUT_TOKENS: u64 = 8_192;

/// How soon there must be something left of a budget for a client to be told to ask again by itself:
/// the official SDKs wait no longer.
pub(crate) const ASK_AGAIN_WITHIN_S: u64 = 60;

/// How many settled calls may wait for the ledger before further ones wait in tasks of their own.
pub(crate) const SETTLE_QUEUE_MAX: usize = 8192;

/// The longest list of models that the user's own are put into, compressed or not: the longest known
/// (a router's of some hundred providers) is a tenth of it. Of a longer one only those are told.
pub(crate) const LIST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How many answers a request may go on from, one after the other, to be made whole for a provider of
/// another format: more than agents make before they sum up.
pub(crate) const CONTINUED_MAX: usize = 256;

/// How long an earlier answer is looked for that may not be in the ledger yet: a settled call is there
/// within a second.
pub(crate) const HISTORY_WAIT: Duration = Duration::from_secs(1);

/// How many calls may wait for a provider that has as many as it may have at once.
pub(crate) const SLOT_QUEUE_MAX: usize = 256;

/// How long they wait before they are refused or go to another target.
pub(crate) const SLOT_WAIT: Duration = Duration::from_secs(30);

/// The most targets of one model.
pub const MODEL_TARGETS_MAX: usize = 16;

/// The most often one target of a model is tried again.
pub const MODEL_RETRIES_MAX: u32 = 5;

/// How often a target is tried again where nothing is said.
pub const MODEL_RETRIES: u32 = 1;

/// How long each provider may take to tell its models where somebody asks for those of all: a list
/// without a slow one is better than a slow list.
pub const LISTING_WAIT: Duration = Duration::from_secs(2);

/// How long what a provider told of its models is known, also that it told nothing: a client that
/// lists models at each start asks nobody twice.
pub const LISTING_KEPT: Duration = Duration::from_secs(30);

/// How long a target is waited for before it is tried again, at first; doubled each time. Each wait
/// is a random part of that, so that calls which failed together do not come back together.
pub(crate) const RETRY_WAIT: Duration = Duration::from_millis(500);

/// The longest wait before a target is tried again, also where it asks for a longer one
/// (`retry-after`): then the client is told, and can wait itself.
pub(crate) const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);

/// After how many failures in a row a target is passed over.
pub const COOLDOWN_AFTER: u32 = 3;

/// How long it is, at first; doubled with each further failure.
pub const COOLDOWN: Duration = Duration::from_secs(15);

/// The longest that it is passed over, also where it asks for longer.
pub const COOLDOWN_MAX: Duration = Duration::from_mins(5);

/// How fast old measurements of a target's latency lose their weight: after this time about a third
/// is left.
pub(crate) const LATENCY_MEMORY: Duration = Duration::from_mins(2);

/// How many tokens of output targets are compared by when the cheapest is looked for.
pub(crate) const COST_OUTPUT_TOKENS: u64 = 500;

/// How many bytes of a request count as a token of input there.
pub(crate) const REQUEST_BYTES_PER_TOKEN: usize = 4;

/// For how long a cached answer is good unless the configuration says otherwise: as long as a person
/// works on one thing.
pub const CACHE_TTL: Duration = Duration::from_hours(1);

/// The longest that it can be told to be good: beyond that models have changed.
pub const CACHE_TTL_MAX: Duration = Duration::from_hours(30 * 24);

/// How many answers are cached unless the configuration says otherwise, and at most.
pub const CACHE_ENTRIES: usize = 1_000;
/// See [`CACHE_ENTRIES`].
pub const CACHE_ENTRIES_MAX: usize = 100_000;

/// How much memory they take unless the configuration says otherwise, and at most.
pub const CACHE_BYTES: usize = 64 << 20;
/// See [`CACHE_BYTES`].
pub const CACHE_BYTES_MAX: usize = 4 << 30;

/// The longest answer that is cached, as sent and without its content coding: some hundred times a usual
/// one, and half of what is shown of one ([`CONVERSATION_BYTES_MAX`]), so that all of it is looked at.
///
/// [`CONVERSATION_BYTES_MAX`]: tollgate_wire::conversation::CONVERSATION_BYTES_MAX
pub const CACHE_ENTRY_BYTES_MAX: usize = 2 << 20;

const _: () = assert!(CACHE_ENTRY_BYTES_MAX < tollgate_wire::conversation::CONVERSATION_BYTES_MAX);

/// How many bytes of answers may be on their way to the cache: thirty-two of the longest. Answers beyond
/// it are not cached.
pub(crate) const CACHE_RECORDING_BYTES_MAX: usize = 32 * CACHE_ENTRY_BYTES_MAX;

/// How long a call waits for an equal one under way before it goes to a provider itself: longer than
/// most answers take, shorter than clients wait.
pub(crate) const CACHE_FOLLOW_WAIT: Duration = Duration::from_mins(2);

/// How often answers that are past their time, and that nobody asks for, are looked for.
pub(crate) const CACHE_SWEEP_EVERY_MS: i64 = 60_000;

/// The text, cut to at most `bytes` at the end of a character.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// Limits that hold for every provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
    /// See [`HELD_REQUEST_BYTES_MAX`].
    pub held_request_bytes_max: usize,
    /// See [`ROOM_WAIT`].
    pub room_wait: Duration,
    /// See [`BODY_KEEP_BYTES_MAX`]; zero keeps no bodies at all.
    pub body_keep_bytes_max: usize,
    /// See [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// See [`UPLOAD_IDLE_TIMEOUT`].
    pub upload_idle_timeout: Duration,
    /// See [`STALE_WITHIN`].
    pub stale_within: Duration,
    /// See [`CALLER_WAIT`].
    pub caller_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX,
            held_request_bytes_max: HELD_REQUEST_BYTES_MAX,
            room_wait: ROOM_WAIT,
            body_keep_bytes_max: BODY_KEEP_BYTES_MAX,
            connect_timeout: CONNECT_TIMEOUT,
            upload_idle_timeout: UPLOAD_IDLE_TIMEOUT,
            stale_within: STALE_WITHIN,
            caller_wait: CALLER_WAIT,
        }
    }
}

/// How long one provider may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// See [`FIRST_BYTE_TIMEOUT`].
    pub first_byte: Duration,
    /// See [`IDLE_TIMEOUT`].
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { first_byte: FIRST_BYTE_TIMEOUT, idle: IDLE_TIMEOUT }
    }
}
