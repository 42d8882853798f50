//! Explicit prompt caching: what has been marked before is read, what is marked for the first time
//! is written.

use std::collections::VecDeque;

use crate::rules::CACHE_TOKENS_MIN;

/// How many prefixes are remembered; the oldest are forgotten first.
const PREFIXES_MAX: usize = 4096;

/// The end of a prefix that the client marked with `cache_control`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Of everything up to here.
    pub(crate) hash: u64,
    /// Of everything up to here.
    pub(crate) tokens: u64,
    /// How long it is to be kept.
    pub(crate) life: Life,
}

/// How long a prefix is kept. It only decides the price: the simulator has no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    FiveMinutes,
    OneHour,
}

/// Tokens that were read from the cache or written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cached {
    pub(crate) read: u64,
    pub(crate) write_5m: u64,
    pub(crate) write_1h: u64,
}

impl Cached {
    pub(crate) fn sum(self) -> u64 {
        self.read + self.write_5m + self.write_1h
    }
}

/// The prefixes that were marked so far.
#[derive(Debug, Default)]
pub(crate) struct PrefixCache {
    known: VecDeque<u64>,
}

impl PrefixCache {
    /// What the marks of one request, in their order, read and write; they are known from then on.
    /// Marks of fewer than [`CACHE_TOKENS_MIN`] tokens have no effect, as with the real API.
    pub(crate) fn take(&mut self, marks: &[Mark]) -> Cached {
        let mut cached = Cached::default();
        let marks: Vec<_> = marks.iter().filter(|it| it.tokens >= CACHE_TOKENS_MIN).collect();
        let known = marks.iter().rposition(|it| self.known.contains(&it.hash));
        cached.read = known.map_or(0, |it| marks[it].tokens);
        let mut done = cached.read;
        for mark in marks.iter().skip(known.map_or(0, |it| it + 1)) {
            let tokens = mark.tokens.saturating_sub(done);
            match mark.life {
                Life::FiveMinutes => cached.write_5m += tokens,
                Life::OneHour => cached.write_1h += tokens,
            }
            done = mark.tokens;
            self.known.push_back(mark.hash);
        }
        while self.known.len() > PREFIXES_MAX {
            self.known.pop_front();
        }
        cached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(hash: u64, tokens: u64, life: Life) -> Mark {
        Mark { hash, tokens, life }
    }

    #[test]
    fn writes_what_is_new_and_reads_what_is_known() {
        let mut cache = PrefixCache::default();
        let first = [mark(1, 2000, Life::OneHour), mark(2, 3500, Life::FiveMinutes)];
        assert_eq!(cache.take(&first), Cached { read: 0, write_5m: 1500, write_1h: 2000 });
        assert_eq!(cache.take(&first), Cached { read: 3500, write_5m: 0, write_1h: 0 });
        let longer = [first[0], mark(3, 5000, Life::FiveMinutes)];
        assert_eq!(cache.take(&longer), Cached { read: 2000, write_5m: 3000, write_1h: 0 });
    }

    #[test]
    fn short_prefixes_are_not_cached() {
        let mut cache = PrefixCache::default();
        let short = [mark(1, CACHE_TOKENS_MIN - 1, Life::FiveMinutes)];
        assert_eq!(cache.take(&short), Cached::default());
        assert_eq!(cache.take(&short), Cached::default());
    }
}
