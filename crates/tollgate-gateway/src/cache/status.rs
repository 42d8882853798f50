//! What the cache holds, for people.

use std::{collections::BTreeMap, time::Duration};

use tollgate_core::UnixMs;

use super::{CacheBounds, Entry, store::Store};

/// What the cache did since the gateway was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Calls that it answered.
    pub hits: u64,
    /// Those of them that waited for an equal call under way.
    pub followed: u64,
    /// Calls that went to a provider because it had no answer.
    pub misses: u64,
    /// Calls that went to a provider without a look at it.
    pub bypassed: u64,
}

/// The cache, as it is at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheStatus {
    /// Answers in it.
    pub entries: usize,
    /// The memory that they take, about.
    pub bytes: usize,
    /// How much it may hold.
    pub bounds: CacheBounds,
    /// What it did.
    pub counts: CacheCounts,
    /// What it holds, by the model that was asked for.
    pub groups: Vec<CacheGroup>,
}

/// The answers of one model by one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheGroup {
    /// The user's own model that was asked for.
    pub route: Option<String>,
    /// The model: the one that the provider says it used, else the one that it was asked for.
    pub model: Option<String>,
    /// The provider's id.
    pub provider: String,
    /// Answers.
    pub entries: usize,
    /// The memory that they take, about.
    pub bytes: usize,
    /// Calls that they answered.
    pub hits: u64,
    /// When the oldest was kept.
    pub oldest_at: UnixMs,
    /// When the newest was kept.
    pub newest_at: UnixMs,
}

/// Which answers: those for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheFilter {
    /// Of this model, as asked for or as the provider calls it.
    pub model: Option<String>,
    /// Of this model of the user's own.
    pub route: Option<String>,
    /// By this provider.
    pub provider: Option<String>,
    /// Kept at least so long ago.
    pub older_than: Option<Duration>,
}

impl CacheFilter {
    pub(crate) fn selects(&self, entry: &Entry, now: UnixMs) -> bool {
        let is = |wanted: &Option<String>, found: &[Option<&str>]| {
            wanted.as_deref().is_none_or(|it| found.contains(&Some(it)))
        };
        let models = [
            entry.model_asked.as_deref(),
            entry.model_sent.as_deref(),
            entry.report.model_served.as_deref(),
        ];
        let age = entry.age_ms(now).map(Duration::from_millis);
        is(&self.model, &models)
            && is(&self.route, &[entry.route.as_deref()])
            && is(&self.provider, &[Some(&entry.provider)])
            && self.older_than.is_none_or(|it| age.is_none_or(|age| age >= it))
    }
}

impl CacheStatus {
    pub(crate) fn of(store: &Store, counts: CacheCounts) -> Self {
        let mut groups: BTreeMap<_, CacheGroup> = BTreeMap::new();
        for (entry, hits) in store.iter() {
            let sent = entry.model_sent.as_ref().or(entry.model_asked.as_ref());
            let model = entry.report.model_served.clone().or_else(|| Some(sent?.to_string()));
            let provider = entry.provider.to_string();
            let key = (entry.route.clone(), model.clone(), provider.clone());
            let group = groups.entry(key).or_insert_with(|| CacheGroup {
                route: entry.route.clone(),
                model,
                provider,
                entries: 0,
                bytes: 0,
                hits: 0,
                oldest_at: entry.kept_at,
                newest_at: entry.kept_at,
            });
            group.entries += 1;
            group.bytes += entry.bytes();
            group.hits += hits;
            group.oldest_at = group.oldest_at.min(entry.kept_at);
            group.newest_at = group.newest_at.max(entry.kept_at);
        }
        Self {
            entries: store.len(),
            bytes: store.bytes(),
            bounds: store.bounds(),
            counts,
            groups: groups.into_values().collect(),
        }
    }
}
