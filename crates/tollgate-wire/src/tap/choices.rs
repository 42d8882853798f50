//! The choices of an answer, where a request asked for several.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Which choices have finished.
#[derive(Clone, Copy, Default)]
pub(crate) struct Choices {
    /// One bit for each that was seen beside the first, and for each that has finished. OpenAI makes
    /// at most 128.
    further: u128,
    finished: u128,
}

impl Choices {
    /// Notes a piece of a choice; whether it is its last.
    pub(crate) fn saw(&mut self, index: u64, last: bool) {
        let bit = 1 << index.min(127);
        self.further |= bit & !1;
        if last {
            self.finished |= bit;
        }
    }

    /// Whether all that were seen have finished. Events of the first may be passed over, so it counts
    /// as seen from the start.
    pub(crate) const fn have_finished(self) -> bool {
        self.finished == self.further | 1
    }
}

/// Whether an event may hold a piece of a choice other than the first.
pub(crate) fn may_be_of_further(raw: &[u8]) -> bool {
    static INDEX: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""index""#));
    INDEX.find_iter(raw).any(|at| {
        let after = raw.get(at + INDEX.needle().len()..).unwrap_or_default().trim_ascii_start();
        let value = after.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
        matches!(value.first(), Some(b'1'..=b'9'))
    })
}
