//! The answers that are kept, within their bounds.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tollgate_core::UnixMs;

use super::{CacheBounds, Entry, key::CacheKey};
use crate::limits::CACHE_SWEEP_EVERY_MS;

/// Answers by key. Never more, at no moment, than its bounds allow; the one that was used longest ago
/// goes first.
#[derive(Debug, Default)]
pub(crate) struct Store {
    slots: HashMap<CacheKey, Slot>,
    /// Keys by when they were last used.
    order: BTreeMap<u64, CacheKey>,
    turn: u64,
    bytes: usize,
    bounds: CacheBounds,
    swept_at: UnixMs,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    used: u64,
    hits: u64,
}

impl Store {
    /// An answer that is no older than `ttl` and `most`. One that is past its time is forgotten.
    pub(crate) fn get(
        &mut self,
        key: &CacheKey,
        now: UnixMs,
        ttl: Duration,
        most: Option<Duration>,
    ) -> Option<Arc<Entry>> {
        let entry = Arc::clone(&self.slots.get(key)?.entry);
        let age = entry.age_ms(now).map(Duration::from_millis);
        let Some(age) = age.filter(|it| *it < ttl) else {
            self.remove(key);
            return None;
        };
        if most.is_some_and(|it| age > it) {
            return None;
        }
        self.turn += 1;
        let turn = self.turn;
        let slot = self.slots.get_mut(key)?;
        self.order.remove(&std::mem::replace(&mut slot.used, turn));
        self.order.insert(turn, *key);
        slot.hits += 1;
        Some(entry)
    }

    /// Keeps an answer, in place of another with this key; not one that is larger than all may be. Says
    /// whether it is kept.
    pub(crate) fn put(&mut self, key: CacheKey, entry: Arc<Entry>) -> bool {
        let now = entry.kept_at;
        if now.0.saturating_sub(self.swept_at.0) >= CACHE_SWEEP_EVERY_MS {
            self.forget_past(now);
        }
        self.remove(&key);
        if entry.bytes() > self.bounds.bytes || self.bounds.entries == 0 {
            return false;
        }
        self.turn += 1;
        self.bytes += entry.bytes();
        self.order.insert(self.turn, key);
        self.slots.insert(key, Slot { entry, used: self.turn, hits: 0 });
        self.shrink();
        true
    }

    /// Keeps within other bounds.
    pub(crate) fn bound(&mut self, bounds: CacheBounds) {
        self.bounds = bounds;
        self.shrink();
    }

    /// Forgets what is past the time that it was kept for, used or not.
    pub(crate) fn forget_past(&mut self, now: UnixMs) {
        self.swept_at = now;
        self.clear(|it| it.is_past(now));
    }

    /// Forgets what `selects` says; gives how many that were.
    pub(crate) fn clear(&mut self, selects: impl Fn(&Entry) -> bool) -> usize {
        let selected = self.slots.iter().filter(|(_, slot)| selects(&slot.entry));
        let keys: Vec<CacheKey> = selected.map(|(key, _)| *key).collect();
        keys.iter().for_each(|it| self.remove(it));
        keys.len()
    }

    /// The answers, each with how often it was used.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Entry, u64)> {
        self.slots.values().map(|it| (&*it.entry, it.hits))
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn bounds(&self) -> CacheBounds {
        self.bounds
    }

    fn shrink(&mut self) {
        while self.bytes > self.bounds.bytes || self.slots.len() > self.bounds.entries {
            let Some((_, oldest)) = self.order.first_key_value() else { return };
            let oldest = *oldest;
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &CacheKey) {
        if let Some(slot) = self.slots.remove(key) {
            self.order.remove(&slot.used);
            self.bytes -= slot.entry.bytes();
        }
    }
}
