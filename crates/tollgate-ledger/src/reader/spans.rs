//! Which parts of a stretch of time are whole days, and the quarters of an hour around them.

use tollgate_core::UnixMs;

use crate::tables::sums::{DAY_MS, QUARTER_MS, Table};

/// 10000-01-01: later than any call, and far from the end of 64 bits.
const END_OF_TIME_MS: i64 = 253_402_300_800_000;

/// A part of a stretch of time that is read from one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) table: Table,
    pub(super) from: i64,
    pub(super) until: i64,
}

/// A stretch of time, widened to whole quarters of an hour.
pub(super) fn widened(since: Option<UnixMs>, until: Option<UnixMs>) -> (i64, i64) {
    let clamp = |at: UnixMs| at.0.clamp(0, END_OF_TIME_MS);
    (
        down_to(QUARTER_MS, since.map_or(0, clamp)),
        up_to(QUARTER_MS, until.map_or(END_OF_TIME_MS, clamp)),
    )
}

/// Covers a widened stretch of time exactly once, with the tables of sums by dimension.
pub(super) fn spans((from, until): (i64, i64)) -> Vec<Span> {
    let (first, last) = (up_to(DAY_MS, from), down_to(DAY_MS, until));
    let quarters = |from, until| Span { table: Table::Quarters, from, until };
    let mut spans = if first < last {
        let days = Span { table: Table::Days, from: first, until: last };
        vec![quarters(from, first), days, quarters(last, until)]
    } else {
        vec![quarters(from, until)]
    };
    spans.retain(|it| it.from < it.until);
    spans
}

const fn down_to(length: i64, at: i64) -> i64 {
    at.div_euclid(length) * length
}

const fn up_to(length: i64, at: i64) -> i64 {
    down_to(length, at + length - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spans_cover_a_stretch_exactly_once(
            from in 0_i64..10 * DAY_MS, length in 0_i64..10 * DAY_MS,
        ) {
            let (since, until) = widened(Some(UnixMs(from)), Some(UnixMs(from + length)));
            prop_assert!(since <= from && from < since + QUARTER_MS);
            prop_assert!(from + length <= until && until < from + length + QUARTER_MS);
            let mut at = since;
            for span in spans((since, until)) {
                let length = if span.table == Table::Days { DAY_MS } else { QUARTER_MS };
                prop_assert_eq!(span.from, at);
                prop_assert!(span.until > span.from);
                prop_assert_eq!(span.from % length, 0);
                prop_assert_eq!(span.until % length, 0);
                at = span.until;
            }
            prop_assert_eq!(at, until);
        }
    }
}
