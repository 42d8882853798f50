//! What is printed, and how amounts, times and sizes look.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use comfy_table::{ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;
use tollgate_core::PicoUsd;

/// What stands for "not known".
pub(crate) const UNKNOWN: &str = "?";

/// Prints a line.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Tells a person something beside the output.
pub(crate) fn note(text: &str) {
    // There is nowhere left to say that this failed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Tells what went wrong, causes last.
pub(crate) fn error(err: &anyhow::Error) {
    note(&format!("tollgate: {err:#}"));
}

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Prints a value as indented JSON.
pub(crate) fn json_pretty(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints rows under a header, without lines.
pub(crate) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|it| it.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        // Lines begin at the margin, and columns stand two apart.
        column.set_padding((0, 2));
    }
    let text: Vec<_> = table.lines().map(|it| it.trim_end().to_owned()).collect();
    line(&text.join("\n"))
}

/// An amount from the admin API; `UNKNOWN` without one.
pub(crate) fn money(pico: Option<&str>) -> String {
    pico.and_then(|it| it.parse().ok())
        .map_or_else(|| UNKNOWN.to_owned(), |it| PicoUsd(it).to_string())
}

/// An amount, and what part of it is an estimate.
pub(crate) fn estimated(pico: &str, estimated: &str) -> String {
    let amount = money(Some(pico));
    match estimated {
        "0" => amount,
        all if all == pico => format!("{amount} (estimated)"),
        part => format!("{amount}, of which {} estimated", money(Some(part))),
    }
}

/// An amount, what part of it is an estimate, and how many calls are not in it because their cost is
/// unknown.
pub(crate) fn sum(pico: &str, estimated: &str, unknown: u64) -> String {
    let amount = self::estimated(pico, estimated);
    if unknown == 0 { amount } else { format!("{amount} + {unknown} unknown") }
}

/// A number, or `UNKNOWN`.
pub(crate) fn number(number: Option<u64>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), |it| it.to_string())
}

/// A duration of microseconds.
pub(crate) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// The local time of day of a Unix time in milliseconds, with its day unless that is `now`'s.
pub(crate) fn time(ms: i64, now_ms: i64) -> String {
    let day_and_time = day_and_time(ms);
    let (day, time) = day_and_time.split_once(' ').unwrap_or(("", &day_and_time));
    if self::day_and_time(now_ms).starts_with(day) { time.to_owned() } else { day_and_time }
}

/// The local day and time of a Unix time in milliseconds.
pub(crate) fn day_and_time(ms: i64) -> String {
    let zoned = Timestamp::from_millisecond(ms).map(|it| it.to_zoned(TimeZone::system()));
    zoned.map_or_else(|_| UNKNOWN.to_owned(), |it| it.strftime("%F %H:%M:%S").to_string())
}

/// The day in UTC of a Unix time in milliseconds.
pub(crate) fn utc_day(ms: i64) -> String {
    let zoned = Timestamp::from_millisecond(ms).map(|it| it.to_zoned(TimeZone::UTC));
    zoned.map_or_else(|_| UNKNOWN.to_owned(), |it| it.strftime("%F").to_string())
}

/// How many milliseconds `90m`, `24h` or `7d` are.
pub(crate) fn span_ms(text: &str) -> Result<i64> {
    let span: SignedDuration = match text.strip_suffix('d').map(str::parse::<i64>) {
        Some(Ok(days)) if days >= 0 => {
            SignedDuration::from_hours(days.saturating_mul(24).min(87_600))
        }
        Some(_) | None => text
            .parse()
            .with_context(|| format!("`{text}` is not a time such as 90m, 24h or 7d"))?,
    };
    i64::try_from(span.as_millis()).context("the time is too long")
}

/// Encodes a value for a query.
pub(crate) fn query(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_spans() {
        assert_eq!(span_ms("90m").unwrap(), 90 * 60_000);
        assert_eq!(span_ms("24h").unwrap(), 86_400_000);
        assert_eq!(span_ms("7d").unwrap(), 7 * 86_400_000);
        for wrong in ["", "d", "-1d", "soon"] {
            assert!(span_ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_day_stands_before_times_of_other_days() {
        let (time_of, hour) = (|ms, now| time(ms, now).len(), 3_600_000);
        assert_eq!(time_of(0, 1_000), "00:00:00".len());
        assert_eq!(time_of(0, 48 * hour), "1970-01-01 00:00:00".len());
    }

    #[test]
    fn unknown_is_never_zero() {
        assert_eq!(money(None), "?");
        assert_eq!(money(Some("1500000000000")), "$1.50");
        assert_eq!(sum("0", "0", 2), "$0.00 + 2 unknown");
        let part = "$1.50, of which $0.25 estimated + 1 unknown";
        assert_eq!(sum("1500000000000", "250000000000", 1), part);
        assert_eq!(sum("250000000000", "250000000000", 0), "$0.25 (estimated)");
        assert_eq!(number(None), "?");
    }

    #[test]
    fn durations_keep_the_digits_that_matter() {
        assert_eq!(micros(999), "999 µs");
        assert_eq!(micros(1_999_000), "1999 ms");
        assert_eq!(micros(12_340_000), "12.3 s");
    }
}
