//! What was counted in the last 60 seconds.

/// How many seconds are kept apart. What was counted within a second may have been at its beginning or
/// at its end, so that 61 of them surely hold any 60 seconds.
const SECONDS: u64 = 61;

/// Counts of the last 60 seconds, by second. Times are seconds of a clock that only goes forward.
#[derive(Clone, Debug)]
pub(super) struct PerMinute {
    seconds: Box<[u64; 61]>,
    /// The newest second.
    now: u64,
    total: u64,
}

impl PerMinute {
    pub(super) fn new() -> Self {
        Self { seconds: Box::new([0; 61]), now: 0, total: 0 }
    }

    /// Forgets what is older than 60 seconds.
    pub(super) fn roll(&mut self, now: u64) {
        if now <= self.now {
            return;
        }
        for second in self.now.saturating_add(1).max(now.saturating_sub(SECONDS - 1))..=now {
            self.total = self.total.saturating_sub(self.peek(second));
            self.put(second, 0);
        }
        self.now = now;
    }

    /// What was counted.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Counts something now.
    pub(super) fn add(&mut self, count: u64) {
        self.correct(self.now, 0, count);
    }

    /// Counts `is` in place of `was` at an earlier second, if that is not forgotten.
    pub(super) fn correct(&mut self, at: u64, was: u64, is: u64) {
        if at > self.now || at.saturating_add(SECONDS) <= self.now {
            return;
        }
        let before = self.peek(at);
        let after = before.saturating_sub(was).saturating_add(is);
        self.put(at, after);
        self.total = self.total.saturating_sub(before).saturating_add(after);
    }

    /// In how many seconds `count` more fit in `most`, if nothing else comes; `None`: never.
    pub(super) fn fits_in(&self, most: u64, count: u64) -> Option<u64> {
        let room = most.checked_sub(count)?;
        let mut left = self.total;
        for wait in 0..=SECONDS {
            if left <= room {
                return Some(wait);
            }
            // The second that is forgotten after so long a wait.
            if let Some(second) = (self.now + wait + 1).checked_sub(SECONDS) {
                left = left.saturating_sub(self.peek(second));
            }
        }
        Some(SECONDS)
    }

    fn put(&mut self, second: u64, count: u64) {
        if let Some(it) = self.seconds.get_mut(place(second)) {
            *it = count;
        }
    }

    fn peek(&self, second: u64) -> u64 {
        self.seconds.get(place(second)).copied().unwrap_or_default()
    }
}

fn place(second: u64) -> usize {
    // The remainder is below the length.
    usize::try_from(second % SECONDS).unwrap_or_default()
}
