//! How calls use the cache.

use std::{collections::BTreeMap, time::Duration};

use crate::limits::{CACHE_BYTES, CACHE_ENTRIES, CACHE_TTL};

/// Members of a request that say who asks or how it is booked, and never what is answered. Only these
/// can be left out of a key.
pub const IGNORABLE_FIELDS: [&str; 6] =
    ["metadata", "user", "safety_identifier", "prompt_cache_key", "labels", "requestMetadata"];

/// Which calls use the cache, and how much it may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheSettings {
    /// How calls use it that nothing else is said of; `None`: not at all.
    pub usual: Option<Caching>,
    /// How calls of the user's own models use it, by the model's name, where that is not as usual.
    pub models: BTreeMap<String, Option<Caching>>,
    /// How much it may hold.
    pub bounds: CacheBounds,
}

impl CacheSettings {
    /// Whether any call may use it.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.usual.is_some() || self.models.values().any(Option::is_some)
    }

    /// How calls of one of the user's own models use it, or all others.
    pub(crate) fn of(&self, model: Option<&str>) -> Option<&Caching> {
        let own = model.and_then(|it| self.models.get(it));
        own.unwrap_or(&self.usual).as_ref()
    }
}

/// How calls use the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caching {
    /// For how long an answer is good.
    pub ttl: Duration,
    /// Who shares answers.
    pub scope: CacheScope,
    /// How fast a stream is replayed.
    pub pace: Pace,
    /// Whether answers are kept in which the model calls tools of the client's.
    pub tool_calls: bool,
    /// Which of [`IGNORABLE_FIELDS`] do not tell requests apart.
    pub ignored: Vec<&'static str>,
}

impl Default for Caching {
    fn default() -> Self {
        Self {
            ttl: CACHE_TTL,
            scope: CacheScope::default(),
            pace: Pace::default(),
            tool_calls: false,
            ignored: Vec::new(),
        }
    }
}

/// Who shares answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheScope {
    /// Calls with one local key; without a key, calls of one user.
    #[default]
    Own,
    /// The same, and of one program.
    Program,
    /// Whoever may ask.
    All,
}

impl CacheScope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Own, Self::Program, Self::All];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Program => "program",
            Self::All => "all",
        }
    }
}

/// How fast a stream is replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// All of it at once.
    #[default]
    AtOnce,
    /// Piece by piece, as it came.
    AsRecorded,
}

impl Pace {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::AtOnce, Self::AsRecorded];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "at-once",
            Self::AsRecorded => "as-recorded",
        }
    }
}

/// How much the cache may hold; what was used longest ago goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheBounds {
    /// Answers.
    pub entries: usize,
    /// Bytes of memory.
    pub bytes: usize,
}

impl Default for CacheBounds {
    fn default() -> Self {
        Self { entries: CACHE_ENTRIES, bytes: CACHE_BYTES }
    }
}
