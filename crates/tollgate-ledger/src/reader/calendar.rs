//! Where the days and hours of a time zone begin.

use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::{
    Step,
    tables::sums::{DAY_MS, QUARTER_MS},
};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 4 * QUARTER_MS;

/// A stretch of time, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) until: i64,
}

/// Finds the stretch that a time lies in; quickest for times in order.
pub(super) struct Calendar<'a> {
    zone: &'a TimeZone,
    step: Step,
    latest: Stretch,
}

impl<'a> Calendar<'a> {
    pub(super) const fn new(zone: &'a TimeZone, step: Step) -> Self {
        Self { zone, step, latest: Stretch { from: 0, until: 0 } }
    }

    /// The stretch that `at` lies in.
    pub(super) fn stretch_of(&mut self, at: i64) -> Stretch {
        if at < self.latest.from || at >= self.latest.until {
            self.latest = match self.step {
                Step::Hour => hour_of(self.zone, at),
                // Beyond what a calendar can say, days are as in UTC.
                Step::Day => day_of(self.zone, at).unwrap_or_else(|_| of_length(DAY_MS, at, 0)),
            };
        }
        self.latest
    }
}

/// The name of the local day that begins at `began`.
pub(super) fn day_name(zone: &TimeZone, began: i64) -> String {
    // Calls lie between the epoch and the year 10000, and so do their days.
    let at = Timestamp::from_millisecond(began).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone.clone()).date().to_string()
}

fn day_of(zone: &TimeZone, at: i64) -> Result<Stretch, jiff::Error> {
    let begin = Timestamp::from_millisecond(at)?.to_zoned(zone.clone()).start_of_day()?;
    let end = begin.tomorrow()?.start_of_day()?;
    let ms = |it: &Zoned| it.timestamp().as_millisecond();
    Ok(Stretch { from: ms(&begin), until: ms(&end) })
}

fn hour_of(zone: &TimeZone, at: i64) -> Stretch {
    let at_utc = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    of_length(HOUR_MS, at, i64::from(zone.to_offset(at_utc).seconds()) * 1_000)
}

const fn of_length(length: i64, at: i64, utc_offset_ms: i64) -> Stretch {
    let into = (at + utc_offset_ms).rem_euclid(length);
    Stretch { from: at - into, until: at - into + length }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{Offset, TimeZone};

    use super::*;

    fn offset(minutes: i32) -> TimeZone {
        TimeZone::fixed(Offset::from_seconds(minutes * 60).unwrap())
    }

    #[test]
    fn days_have_the_names_people_use() {
        let check = |ms: i64, minutes: i32, name: &str| {
            assert_eq!(day_name(&offset(minutes), ms), name);
        };
        check(0, 0, "1970-01-01");
        check(1_795_392_000_000, 0, "2026-11-23");
        check(1_795_392_000_000, -60, "2026-11-22");
        check(951_782_400_000, 0, "2000-02-29");
        check(951_868_800_000, 0, "2000-03-01");
        check(-86_400_000, 0, "1969-12-31");
    }

    #[test]
    fn days_and_hours_begin_where_the_zone_says() {
        let check = |step, minutes, at, from, length| {
            let zone = offset(minutes);
            let found = Calendar::new(&zone, step).stretch_of(at);
            assert_eq!(found, Stretch { from, until: from + length }, "{step:?} {minutes} {at}");
        };
        check(Step::Day, 0, 5, 0, DAY_MS);
        check(Step::Day, 60, 23 * HOUR_MS, 23 * HOUR_MS, DAY_MS);
        check(Step::Day, 60, 22 * HOUR_MS, -HOUR_MS, DAY_MS);
        check(Step::Hour, 330, HOUR_MS, HOUR_MS / 2, HOUR_MS);
        check(Step::Hour, 0, HOUR_MS, HOUR_MS, HOUR_MS);
    }

    #[test]
    fn a_day_on_which_clocks_change_has_another_length() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 2026-03-29 and 2026-10-25, both at noon UTC.
        for (noon, hours) in [(1_774_785_600_000, 23), (1_792_929_600_000, 25)] {
            let day = Calendar::new(&zone, Step::Day).stretch_of(noon);
            assert_eq!(day.until - day.from, hours * HOUR_MS);
        }
    }
}
