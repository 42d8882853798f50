//! Fresh call ids, and other choices by chance.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use tollgate_core::{CallId, UnixMs};

/// Makes call ids that differ within the process and, by the seed that the operating system gives,
/// between processes. They are names, not secrets.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    tail: [u8; 2],
    count: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let random = RandomState::new();
        let [first, second, ..] = random.hash_one("tail").to_ne_bytes();
        Self { seed: random.hash_one("seed"), tail: [first, second], count: AtomicU64::new(0) }
    }

    /// A number that nobody can rely on, for choices that need no secret.
    pub(crate) fn random(&self) -> u64 {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        mixed(self.seed.wrapping_add(count))
    }

    pub(crate) fn next(&self, at: UnixMs) -> CallId {
        let [a, b, c, d, e, f, g, h] = self.random().to_ne_bytes();
        let [y, z] = self.tail;
        CallId::new(at, [a, b, c, d, e, f, g, h, y, z])
    }
}

/// A permutation of the 64-bit numbers whose neighbours look unrelated (the finaliser of SplitMix64,
/// Steele, Lea and Flood 2014).
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_of_one_millisecond_differ() {
        let (one, other) = (Ids::new(), Ids::new());
        let ids = (0..10_000).flat_map(|_| [one.next(UnixMs(7)), other.next(UnixMs(7))]);
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), 20_000);
    }
}
