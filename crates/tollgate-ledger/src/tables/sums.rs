//! `hours`, `days`, `hours_of_all`: sums of calls, kept in the transaction that adds the calls.

use rusqlite::{Connection, params};
use tollgate_core::{PicoUsd, UnixMs};

use super::{Columns, size};
use crate::query::{Sums, TokenSums};

/// Milliseconds of an hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// A table of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// By hour and dimension.
    Hours,
    /// By day in UTC and dimension.
    Days,
    /// By hour and whether the calls were simulated (1) or not (0).
    HoursOfAll,
}

const COLUMNS: &str = "calls, failed_calls, cancelled_calls, unknown_cost_calls, \
     unknown_usage_calls, cost_pico_usd, input_tokens, cache_read_tokens, \
     cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, \
     input_audio_tokens, output_audio_tokens, web_searches, first_at_ms, last_at_ms";

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Days => "days",
            Self::HoursOfAll => "hours_of_all",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Hours | Self::Days => "dimension_id",
            Self::HoursOfAll => "simulated",
        }
    }

    /// How long each of its rows is.
    pub(crate) const fn length_ms(self) -> i64 {
        match self {
            Self::Hours | Self::HoursOfAll => HOUR_MS,
            Self::Days => DAY_MS,
        }
    }

    /// Adds sums to a row. An amount that would leave SQLite's integers becomes a real number
    /// there, which `min` then turns back into the largest integer.
    pub(crate) fn add(
        self,
        connection: &Connection,
        began_at_ms: i64,
        key: i64,
        sums: &Sums,
    ) -> rusqlite::Result<()> {
        let (table, key_column) = (self.name(), self.key());
        let added = COLUMNS
            .split(", ")
            .filter(|it| !it.ends_with("_at_ms"))
            .map(|it| format!("{it} = min({it} + excluded.{it}, 9223372036854775807)"))
            .collect::<Vec<_>>()
            .join(", ");
        let sql = format!(
            "INSERT INTO {table} (began_at_ms, {key_column}, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, \
             ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
             ON CONFLICT DO UPDATE SET {added}, \
             first_at_ms = min(first_at_ms, excluded.first_at_ms), \
             last_at_ms = max(last_at_ms, excluded.last_at_ms)"
        );
        let tokens = &sums.tokens;
        connection.prepare_cached(&sql)?.execute(params![
            began_at_ms,
            key,
            size(sums.calls),
            size(sums.failed_calls),
            size(sums.cancelled_calls),
            size(sums.unknown_cost_calls),
            size(sums.unknown_usage_calls),
            sums.cost.0,
            size(tokens.input),
            size(tokens.cache_read),
            size(tokens.cache_write_5m),
            size(tokens.cache_write_1h),
            size(tokens.output),
            size(tokens.reasoning),
            size(tokens.input_audio),
            size(tokens.output_audio),
            size(tokens.web_searches),
            sums.first_at_ms.map_or(began_at_ms, |it| it.0),
            sums.last_at_ms.map_or(began_at_ms, |it| it.0),
        ])?;
        Ok(())
    }

    /// The rows that began in `from..until`: when, dimension (or whether simulated), sums.
    pub(crate) fn each(
        self,
        connection: &Connection,
        from: i64,
        until: i64,
        mut take: impl FnMut(i64, i64, &Sums),
    ) -> rusqlite::Result<()> {
        let sql = format!(
            "SELECT began_at_ms, {}, {COLUMNS} FROM {} \
             WHERE began_at_ms >= ?1 AND began_at_ms < ?2",
            self.key(),
            self.name()
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([from, until])?;
        while let Some(row) = rows.next()? {
            let columns = &mut Columns::of(row);
            let (began, key) = (columns.take()?, columns.take()?);
            take(began, key, &read(columns)?);
        }
        Ok(())
    }
}

fn read(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Sums> {
    Ok(Sums {
        calls: columns.take()?,
        failed_calls: columns.take()?,
        cancelled_calls: columns.take()?,
        unknown_cost_calls: columns.take()?,
        unknown_usage_calls: columns.take()?,
        cost: PicoUsd(columns.take()?),
        tokens: TokenSums {
            input: columns.take()?,
            cache_read: columns.take()?,
            cache_write_5m: columns.take()?,
            cache_write_1h: columns.take()?,
            output: columns.take()?,
            reasoning: columns.take()?,
            input_audio: columns.take()?,
            output_audio: columns.take()?,
            web_searches: columns.take()?,
        },
        first_at_ms: columns.take::<Option<i64>>()?.map(UnixMs),
        last_at_ms: columns.take::<Option<i64>>()?.map(UnixMs),
    })
}
