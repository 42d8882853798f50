//! Which parts of a stretch of time are whole days, whole hours, and the calls between.

use tollgate_core::UnixMs;

use crate::tables::sums::{DAY_MS, HOUR_MS};

/// 10000-01-01: later than any call, and far from the end of 64 bits.
const END_OF_TIME_MS: i64 = 253_402_300_800_000;

/// Where sums are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Calls,
    Hours,
    Days,
}

impl Level {
    const fn length_ms(self) -> i64 {
        match self {
            Self::Calls => 1,
            Self::Hours => HOUR_MS,
            Self::Days => DAY_MS,
        }
    }
}

/// A part of a stretch of time that is read from one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) level: Level,
    pub(super) from: i64,
    pub(super) until: i64,
}

/// How sums are cut by time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets {
    pub(super) length_ms: i64,
    pub(super) utc_offset_ms: i64,
}

impl Buckets {
    /// The beginning of the bucket that `at` is in, in UTC.
    pub(super) const fn begin_of(self, at: i64) -> i64 {
        let local = at.saturating_add(self.utc_offset_ms);
        let into = local.rem_euclid(self.length_ms);
        local.saturating_sub(into).saturating_sub(self.utc_offset_ms)
    }

    /// The coarsest level whose rows no bucket cuts. Days are not used: sums by time alone are
    /// kept by the hour.
    pub(super) const fn coarsest(self) -> Level {
        if self.length_ms % HOUR_MS == 0 && self.utc_offset_ms % HOUR_MS == 0 {
            Level::Hours
        } else {
            Level::Calls
        }
    }
}

/// Covers `since..until` exactly once, with tables no coarser than `coarsest`.
pub(super) fn spans(since: Option<UnixMs>, until: Option<UnixMs>, coarsest: Level) -> Vec<Span> {
    let clamp = |at: UnixMs| at.0.clamp(0, END_OF_TIME_MS);
    let from = since.map_or(0, clamp);
    let until = until.map_or(END_OF_TIME_MS, clamp);
    let mut found = Vec::new();
    cover(from, until, coarsest, &mut found);
    found
}

fn cover(from: i64, until: i64, level: Level, found: &mut Vec<Span>) {
    if from >= until {
        return;
    }
    let finer = match level {
        Level::Calls => {
            found.push(Span { level, from, until });
            return;
        }
        Level::Hours => Level::Calls,
        Level::Days => Level::Hours,
    };
    let length = level.length_ms();
    let first = (from + length - 1).div_euclid(length) * length;
    let last = until.div_euclid(length) * length;
    if first >= last {
        cover(from, until, finer, found);
        return;
    }
    cover(from, first, finer, found);
    found.push(Span { level, from: first, until: last });
    cover(last, until, finer, found);
}

/// The name of the local day that begins at `began` in UTC.
pub(super) fn day_name(began: i64, utc_offset_ms: i64) -> String {
    let local = jiff::Timestamp::from_millisecond(began.saturating_add(utc_offset_ms));
    // Calls lie between the epoch and the year 10000, and so do their days.
    let local = local.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    local.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spans_cover_a_stretch_exactly_once(
            from in 0_i64..10 * DAY_MS, length in 0_i64..10 * DAY_MS, level in 0_usize..3,
        ) {
            let level = [Level::Calls, Level::Hours, Level::Days][level];
            let mut at = from;
            for span in spans(Some(UnixMs(from)), Some(UnixMs(from + length)), level) {
                prop_assert_eq!(span.from, at);
                prop_assert!(span.until > span.from);
                prop_assert!(span.level <= level);
                prop_assert_eq!(span.from % span.level.length_ms(), 0);
                prop_assert_eq!(span.until % span.level.length_ms(), 0);
                at = span.until;
            }
            prop_assert_eq!(at, from + length);
        }
    }

    #[test]
    fn days_have_the_names_people_use() {
        let check = |ms: i64, offset: i64, name: &str| assert_eq!(day_name(ms, offset), name);
        check(0, 0, "1970-01-01");
        check(1_795_392_000_000, 0, "2026-11-23");
        check(1_795_392_000_000, -HOUR_MS, "2026-11-22");
        check(951_782_400_000, 0, "2000-02-29");
        check(951_868_800_000, 0, "2000-03-01");
        check(-86_400_000, 0, "1969-12-31");
    }

    #[test]
    fn a_bucket_is_never_cut_by_a_row_of_sums() {
        let new = |length_ms, utc_offset_ms| Buckets { length_ms, utc_offset_ms };
        let check = |length, offset, level| {
            assert_eq!(new(length, offset).coarsest(), level, "{length} {offset}");
        };
        check(DAY_MS, 0, Level::Hours);
        check(DAY_MS, -HOUR_MS, Level::Hours);
        check(DAY_MS, 5 * HOUR_MS + HOUR_MS / 2, Level::Calls);
        check(HOUR_MS, 0, Level::Hours);
        check(60_000, 0, Level::Calls);
        assert_eq!(new(DAY_MS, HOUR_MS).begin_of(23 * HOUR_MS), 23 * HOUR_MS);
        assert_eq!(new(DAY_MS, HOUR_MS).begin_of(22 * HOUR_MS), -HOUR_MS);
    }
}
