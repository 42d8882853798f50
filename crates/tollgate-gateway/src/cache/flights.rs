//! Calls with one key at the same time: the first leads, the others wait for what it brings.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use tokio::sync::watch;

use super::{Cache, Entry, key::CacheKey};

/// What a leader brings: nothing yet, or an answer. Its end without one closes the channel.
type Brought = Option<Arc<Entry>>;

/// The calls that lead.
#[derive(Default)]
pub(crate) struct Flights {
    by_key: HashMap<CacheKey, watch::Receiver<Brought>>,
    /// Counts the times that answers were cleared: what began before is not kept.
    generation: u64,
}

/// What a call does that finds no answer.
pub(crate) enum Place {
    /// It leads.
    Leads(Lead),
    /// It waits for the leader's answer.
    Follows(watch::Receiver<Brought>),
}

/// A call that leads, until it is dropped.
pub(crate) struct Lead {
    cache: Weak<Cache>,
    key: CacheKey,
    brings: watch::Sender<Brought>,
}

impl Flights {
    /// Gives a call its place.
    pub(crate) fn join(&mut self, cache: &Arc<Cache>, key: CacheKey) -> Place {
        if let Some(leader) = self.by_key.get(&key) {
            return Place::Follows(leader.clone());
        }
        let (brings, leader) = watch::channel(None);
        self.by_key.insert(key, leader);
        Place::Leads(Lead { cache: Arc::downgrade(cache), key, brings })
    }

    /// What was cleared; see [`Self::turn`].
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Notes that answers are cleared.
    pub(crate) const fn turn(&mut self) {
        self.generation += 1;
    }
}

impl Lead {
    /// Hands the answer to those who wait for it.
    pub(crate) fn bring(self, entry: &Arc<Entry>) {
        self.brings.send_replace(Some(Arc::clone(entry)));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.upgrade() {
            cache.state().flights.by_key.remove(&self.key);
        }
    }
}
