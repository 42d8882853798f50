//! The stretches of the calendar that amounts of money hold for.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::UnixMs;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How long an amount of money is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// An hour of the clock.
    Hour,
    /// A day of the calendar, of 23 or 25 hours where clocks change.
    Day,
    /// A week, which begins on Monday.
    Week,
    /// A month of the calendar.
    Month,
}

/// One stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub from: UnixMs,
    /// The first moment after it.
    pub until: UnixMs,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Its name in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The one that `at` lies in, where the zone says that it begins. Beyond what a calendar can say,
    /// a stretch of the usual length.
    #[must_use]
    pub fn window(self, at: UnixMs, zone: &TimeZone) -> Window {
        let found = match self {
            Self::Hour => hour_of(at, zone),
            Self::Day => dates(at, zone, |it| Ok((it, it.tomorrow()?))),
            Self::Week => dates(at, zone, |it| {
                let since_monday = i64::from(it.weekday().to_monday_zero_offset());
                let monday = it.checked_sub(since_monday.days())?;
                Ok((monday, monday.checked_add(7.days())?))
            }),
            Self::Month => dates(at, zone, |it| {
                let first = it.first_of_month();
                Ok((first, first.checked_add(1.month())?))
            }),
        };
        found.unwrap_or_else(|_| of_length(self.usual_ms(), at, 0))
    }

    const fn usual_ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
            Self::Week => 7 * DAY_MS,
            Self::Month => 30 * DAY_MS,
        }
    }
}

impl Window {
    /// Whether a moment lies in it.
    #[must_use]
    pub const fn has(&self, at: UnixMs) -> bool {
        self.from.0 <= at.0 && at.0 < self.until.0
    }
}

fn hour_of(at: UnixMs, zone: &TimeZone) -> Result<Window, jiff::Error> {
    let offset = zone.to_offset(Timestamp::from_millisecond(at.0)?);
    Ok(of_length(HOUR_MS, at, i64::from(offset.seconds()) * 1_000))
}

/// From the beginning of one local day to that of another.
fn dates(
    at: UnixMs,
    zone: &TimeZone,
    days: impl Fn(Date) -> Result<(Date, Date), jiff::Error>,
) -> Result<Window, jiff::Error> {
    let date = Timestamp::from_millisecond(at.0)?.to_zoned(zone.clone()).date();
    let (first, after) = days(date)?;
    let begins = |day: Date| -> Result<UnixMs, jiff::Error> {
        Ok(UnixMs(day.to_zoned(zone.clone())?.timestamp().as_millisecond()))
    };
    Ok(Window { from: begins(first)?, until: begins(after)? })
}

const fn of_length(length: i64, at: UnixMs, offset_ms: i64) -> Window {
    let into = at.0.saturating_add(offset_ms).rem_euclid(length);
    let from = at.0.saturating_sub(into);
    Window { from: UnixMs(from), until: UnixMs(from.saturating_add(length)) }
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;

    #[track_caller]
    fn check(period: Period, zone: &TimeZone, at: &str, from: &str, until: &str) {
        let ms = |text: &str| UnixMs(text.parse::<Timestamp>().unwrap().as_millisecond());
        let expected = Window { from: ms(from), until: ms(until) };
        assert_eq!(period.window(ms(at), zone), expected, "{period:?} {at}");
        assert_eq!(period.window(expected.from, zone), expected);
        assert_eq!(period.window(UnixMs(expected.until.0 - 1), zone), expected);
        assert!(period.window(expected.until, zone).from == expected.until);
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let utc = &TimeZone::UTC;
        let at = "2026-11-25T10:17:03Z";
        check(Period::Hour, utc, at, "2026-11-25T10:00:00Z", "2026-11-25T11:00:00Z");
        check(Period::Day, utc, at, "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");
        check(Period::Week, utc, at, "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z");
        check(Period::Month, utc, at, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
        let kolkata = &TimeZone::fixed(Offset::from_seconds(19_800).unwrap());
        check(Period::Hour, kolkata, at, "2026-11-25T09:30:00Z", "2026-11-25T10:30:00Z");
        check(Period::Day, kolkata, at, "2026-11-24T18:30:00Z", "2026-11-25T18:30:00Z");
    }

    #[test]
    fn a_day_on_which_clocks_change_has_another_length() {
        let berlin = &TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let noon = "2026-10-25T12:00:00Z";
        check(Period::Day, berlin, noon, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        check(Period::Month, berlin, noon, "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z");
    }

    #[test]
    fn a_time_that_no_calendar_knows_still_has_a_window() {
        for period in Period::ALL {
            for at in [UnixMs(i64::MAX), UnixMs(i64::MIN)] {
                let window = period.window(at, &TimeZone::UTC);
                assert!(window.from <= at && window.from < window.until, "{period:?} {at}");
            }
        }
    }
}
