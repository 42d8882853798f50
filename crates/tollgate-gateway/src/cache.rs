//! The cache of answers: what was answered once is answered again, to whom it may be.
//!
//! [`Cache`] is the gateway's; how calls use it ([`CacheSettings`]) is the snapshot's. A call that may
//! be answered from it is looked up by its key ([`key`]): everything of the request that may change the
//! answer, and who asks. What is found is replayed ([`replay`]); else the call goes on to a provider with
//! a [`Recorder`], which keeps the answer once it has come to its end and nothing is wrong with it
//! ([`record`]). Of calls with one key at the same time the first leads, and the others wait for it
//! ([`flights`]).
//!
//! Everything is in memory alone: nothing that was said is written anywhere for it, and a gateway that
//! starts has an empty cache.

mod consult;
mod flights;
mod key;
mod record;
mod replay;
mod settings;
mod status;
mod store;
mod wish;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use tollgate_core::{CallId, Clock, UnixMs};
use tollgate_wire::Report;

pub(crate) use self::{
    consult::{Consulted, Hit, body_to_compare, consult},
    record::{Ended, Recorder},
    replay::Replay,
};
use self::{flights::Flights, store::Store};
pub use self::{
    settings::{CacheBounds, CacheScope, CacheSettings, Caching, IGNORABLE_FIELDS, Pace},
    status::{CacheCounts, CacheFilter, CacheGroup, CacheStatus},
};
use crate::limits::CACHE_RECORDING_BYTES_MAX;

/// The header by which a client asks of the cache, and is told what it did.
pub(crate) const CACHE: HeaderName = HeaderName::from_static("x-tollgate-cache");

/// The header that names the call that a cached answer was made for.
pub(crate) const CACHE_CALL: HeaderName = HeaderName::from_static("x-tollgate-cache-call");

/// The answers that are kept, and the calls that will bring some.
pub(crate) struct Cache {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Bytes of answers that are being recorded.
    recording: AtomicUsize,
}

#[derive(Default)]
struct State {
    store: Store,
    flights: Flights,
    counts: CacheCounts,
}

/// An answer that is kept: as it went to the client, whole.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The call that it was made for.
    pub(crate) of: CallId,
    pub(crate) kept_at: UnixMs,
    /// What of its head belongs to its body.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Where its pieces end and when they came, in microseconds since the first; empty where the pace
    /// does not matter.
    pub(crate) marks: Vec<Mark>,
    pub(crate) streaming: bool,
    /// What was read of it.
    pub(crate) report: Report,
    pub(crate) provider: Arc<str>,
    pub(crate) simulated: bool,
    pub(crate) model_asked: Option<Arc<str>>,
    /// The model that the provider was asked for, where that is not the client's.
    pub(crate) model_sent: Option<Arc<str>>,
    /// The user's own model that was asked for.
    pub(crate) route: Option<String>,
    /// For how long it is good, by the settings of then.
    pub(crate) ttl_ms: i64,
}

/// The end of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) end: usize,
    pub(crate) at_us: u64,
}

impl Entry {
    /// How old it is; `None` where the clock says that it is not there yet.
    fn age_ms(&self, now: UnixMs) -> Option<u64> {
        u64::try_from(now.0.saturating_sub(self.kept_at.0)).ok()
    }

    /// Whether it is past the time that it was kept for.
    fn is_past(&self, now: UnixMs) -> bool {
        let ttl = u64::try_from(self.ttl_ms).unwrap_or_default();
        self.age_ms(now).is_none_or(|it| it >= ttl)
    }

    /// The memory that it takes, about.
    fn bytes(&self) -> usize {
        let marks = self.marks.len().saturating_mul(size_of::<Mark>());
        size_of::<Self>().saturating_add(self.body.len()).saturating_add(marks)
    }
}

impl Cache {
    pub(crate) fn new(clock: Arc<dyn Clock>, settings: &CacheSettings) -> Arc<Self> {
        let cache = Self { clock, state: Mutex::default(), recording: AtomicUsize::new(0) };
        cache.follow(settings);
        Arc::new(cache)
    }

    /// Keeps within the bounds of other settings; nothing, where they cache nothing.
    pub(crate) fn follow(&self, settings: &CacheSettings) {
        let mut state = self.state();
        if settings.is_on() {
            state.store.bound(settings.bounds);
        } else {
            state.flights.turn();
            state.store.clear(|_| true);
        }
    }

    /// How it is now.
    pub(crate) fn status(&self) -> CacheStatus {
        let now = self.clock.now();
        let mut state = self.state();
        state.store.forget_past(now);
        CacheStatus::of(&state.store, state.counts)
    }

    /// Forgets what the filter selects; says how many answers that were. Calls under way that would
    /// bring one of before keep none.
    pub(crate) fn clear(&self, filter: &CacheFilter) -> usize {
        let now = self.clock.now();
        let mut state = self.state();
        state.flights.turn();
        state.store.clear(|it| filter.selects(it, now))
    }

    /// Takes room for further bytes of a recording; says whether there is any.
    fn take_room(&self, bytes: usize) -> bool {
        let before = self.recording.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= CACHE_RECORDING_BYTES_MAX;
        if !fits {
            self.give_room(bytes);
        }
        fits
    }

    fn give_room(&self, bytes: usize) {
        self.recording.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The state stays whole if a holder panics: each change is one call on it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}
