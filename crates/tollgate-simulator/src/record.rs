//! What the simulator received and sent, kept for whoever wants to compare.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::sync::watch;

/// How many calls are kept; the oldest go first.
pub const CALLS_MAX: usize = 20_000;

/// How many body bytes are kept over all calls; the oldest calls go first.
pub const LOG_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Whose API a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// OpenAI, and every provider that imitates it.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google's Gemini API.
    Google,
    /// Amazon Bedrock.
    Bedrock,
    /// Cohere.
    Cohere,
    /// Ollama's own API.
    Ollama,
}

/// The tokens that an answer reported, with every kind apart from the others (save `reasoning`,
/// which is a part of `output`). `None` is "this answer did not say".
///
/// These numbers come from the counting itself, not from reading the answer's JSON back, so that
/// they are a check on whoever reads that JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageSent {
    /// Prompt tokens neither read from nor written to a cache.
    pub input: Option<u64>,
    /// Prompt tokens read from a cache.
    pub cache_read: Option<u64>,
    /// Prompt tokens written to a cache for five minutes.
    pub cache_write_5m: Option<u64>,
    /// Prompt tokens written to a cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// Tokens generated, reasoning included.
    pub output: Option<u64>,
    /// The part of `output` that was reasoning.
    pub reasoning: Option<u64>,
    /// The part of `output` that was pictures.
    pub output_image: Option<u64>,
    /// Web searches that the provider ran.
    pub web_searches: Option<u64>,
}

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub struct SimulatedCall {
    /// Counts from 1 in the order in which request heads arrived; also in the answer's ids.
    pub number: u64,
    /// Who connected: the gateway's upstream socket, seen from the other side.
    pub peer: Option<SocketAddr>,
    /// Whose API it was for.
    pub provider: Provider,
    /// The method.
    pub method: Method,
    /// The path and query as received.
    pub uri: Uri,
    /// The headers as received.
    pub headers: HeaderMap,
    /// The credential as received, without `Bearer`.
    pub credential: Option<String>,
    /// The body as received.
    pub request: Bytes,
    /// The model the request named.
    pub model_asked: Option<String>,
    /// The dated model that the answer named.
    pub model_served: Option<String>,
    /// The answer's status; `None` while, or if ever, it was not sent.
    pub status: Option<StatusCode>,
    /// The answer's headers, save those that the HTTP server adds.
    pub response_headers: HeaderMap,
    /// The answer's body as sent so far: compressed if it was, split or broken off if it was.
    pub response: Vec<u8>,
    /// The last usage whose bytes were sent in full.
    pub usage: Option<UsageSent>,
    /// The answer was sent to its intended end (which a control may have put before the real one).
    pub finished: bool,
    /// The client went away before the answer was finished.
    pub cancelled: bool,
}

impl SimulatedCall {
    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The first value of a request header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Nothing more will happen to this call.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.finished || self.cancelled
    }

    fn bytes_kept(&self) -> usize {
        self.request.len() + self.response.len()
    }
}

/// The bounded record of the calls of one simulator. Clones share it.
#[derive(Clone, Debug)]
pub struct CallLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    calls_max: usize,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    calls: VecDeque<SimulatedCall>,
    opened: u64,
    bytes: usize,
}

impl Default for CallLog {
    fn default() -> Self {
        Self::keeping(CALLS_MAX)
    }
}

impl CallLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty log that keeps the last `calls` calls, at least one and at most [`CALLS_MAX`].
    #[must_use]
    pub fn keeping(calls: usize) -> Self {
        let (changes, _) = watch::channel(0);
        let calls_max = calls.clamp(1, CALLS_MAX);
        Self { shared: Arc::new(Shared { kept: Mutex::default(), calls_max, changes }) }
    }

    /// The calls kept, oldest first, those still running included.
    #[must_use]
    pub fn calls(&self) -> Vec<SimulatedCall> {
        self.lock().calls.iter().cloned().collect()
    }

    /// How many requests ever arrived, those no longer kept included.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.lock().opened
    }

    /// Forgets all calls; numbers go on.
    pub fn clear(&self) {
        let mut kept = self.lock();
        kept.calls.clear();
        kept.bytes = 0;
    }

    /// Waits until `condition` holds of the calls, and returns them. `None` after `limit`.
    pub async fn wait_for(
        &self,
        limit: Duration,
        condition: impl Fn(&[SimulatedCall]) -> bool,
    ) -> Option<Vec<SimulatedCall>> {
        let mut changes = self.shared.changes.subscribe();
        let wait = async {
            loop {
                changes.borrow_and_update();
                let calls = self.calls();
                if condition(&calls) {
                    return Some(calls);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(limit, wait).await.ok().flatten()
    }

    pub(crate) fn open(&self, call: SimulatedCall) -> OpenCall {
        let mut kept = self.lock();
        kept.opened += 1;
        let number = kept.opened;
        kept.calls.push_back(SimulatedCall { number, ..call });
        if kept.calls.len() > self.shared.calls_max {
            kept.drop_oldest();
        }
        drop(kept);
        self.changed();
        OpenCall { log: self.clone(), number, over: false }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.shared.changes.send_modify(|it| *it = it.wrapping_add(1));
    }
}

impl Kept {
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.calls.pop_front() {
            self.bytes = self.bytes.saturating_sub(oldest.bytes_kept());
        }
    }

    fn update(&mut self, number: u64, change: impl FnOnce(&mut SimulatedCall)) {
        let Some(first) = self.calls.front().map(|it| it.number) else { return };
        let Some(index) = number.checked_sub(first) else { return };
        let Ok(index) = usize::try_from(index) else { return };
        let Some(call) = self.calls.get_mut(index) else { return };
        let before = call.bytes_kept();
        change(call);
        self.bytes = self.bytes + call.bytes_kept() - before;
        while self.bytes > LOG_BYTES_MAX && self.calls.len() > 1 {
            self.drop_oldest();
        }
    }
}

/// A call that is being answered. Dropped before [`OpenCall::finish`], the client went away.
#[derive(Debug)]
pub(crate) struct OpenCall {
    log: CallLog,
    number: u64,
    over: bool,
}

impl OpenCall {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut SimulatedCall)) {
        self.log.lock().update(self.number, change);
        self.log.changed();
    }

    pub(crate) fn finish(&mut self) {
        self.over = true;
        self.update(|it| it.finished = true);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.over {
            self.update(|it| it.cancelled = true);
        }
    }
}
