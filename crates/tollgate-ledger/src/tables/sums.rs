//! `quarters`, `days`, `quarters_of_all`: sums of calls, kept in the transaction that changes the
//! calls. They can be built anew at any time, from the calls and from `deleted_quarters`, which has
//! what deleted calls came to.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};
use tollgate_core::{PicoUsd, UnixMs};

use super::{Columns, calls, dimensions, size};
use crate::query::{Sums, TokenSums, UnknownCosts};

/// Milliseconds of a quarter of an hour: no zone's days begin within one.
pub(crate) const QUARTER_MS: i64 = 900_000;
/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 96 * QUARTER_MS;

/// The name of the counter that says whether the sums must be built anew.
const STALE: &str = "sums_are_stale";

/// A table of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// By quarter of an hour and dimension.
    Quarters,
    /// By day in UTC and dimension.
    Days,
    /// By quarter of an hour and whether the calls were simulated (1) or not (0).
    QuartersOfAll,
    /// By quarter of an hour and dimension, of calls that were deleted; the others have these too.
    DeletedQuarters,
}

const COLUMNS: &str = "calls, failed_calls, cancelled_calls, no_price_calls, no_usage_calls, \
     kind_not_priced_calls, tier_not_priced_calls, out_of_range_calls, fee_not_told_calls, \
     unknown_usage_calls, cost_pico_usd, input_tokens, cache_read_tokens, cache_write_5m_tokens, \
     cache_write_1h_tokens, output_tokens, reasoning_tokens, input_audio_tokens, \
     output_audio_tokens, web_searches, input_image_tokens, output_image_tokens, file_searches, \
     counted_calls, estimated_pico_usd, cached_calls, saved_pico_usd, unknown_saved_calls, \
     first_at_ms, last_at_ms";

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Quarters => "quarters",
            Self::Days => "days",
            Self::QuartersOfAll => "quarters_of_all",
            Self::DeletedQuarters => "deleted_quarters",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Quarters | Self::Days | Self::DeletedQuarters => "dimension_id",
            Self::QuartersOfAll => "simulated",
        }
    }

    /// The beginning of the row that `at` is in.
    const fn begin_of(self, at: i64) -> i64 {
        let length = match self {
            Self::Quarters | Self::QuartersOfAll | Self::DeletedQuarters => QUARTER_MS,
            Self::Days => DAY_MS,
        };
        at.div_euclid(length) * length
    }

    /// Adds sums to a row. An amount that would leave SQLite's integers becomes a real number
    /// there, which `min` then turns back into the largest integer.
    fn add(
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
             ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, \
             ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32) ON CONFLICT DO UPDATE SET {added}, \
             first_at_ms = min(first_at_ms, excluded.first_at_ms), \
             last_at_ms = max(last_at_ms, excluded.last_at_ms)"
        );
        let (tokens, unknown) = (&sums.tokens, &sums.unknown_costs);
        connection.prepare_cached(&sql)?.execute(params![
            began_at_ms,
            key,
            size(sums.calls),
            size(sums.failed_calls),
            size(sums.cancelled_calls),
            size(unknown.no_price),
            size(unknown.no_usage),
            size(unknown.kind_not_priced),
            size(unknown.tier_not_priced),
            size(unknown.out_of_range),
            size(unknown.fee_not_told),
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
            size(tokens.input_image),
            size(tokens.output_image),
            size(tokens.file_searches),
            size(sums.counted_calls),
            sums.estimated.0,
            size(sums.cached_calls),
            sums.saved.0,
            size(sums.unknown_saved_calls),
            sums.first_at_ms.map_or(began_at_ms, |it| it.0),
            sums.last_at_ms.map_or(began_at_ms, |it| it.0),
        ])?;
        Ok(())
    }

    /// The rows that began in `from..until`, in order of time: when, dimension (or whether
    /// simulated), sums.
    pub(crate) fn each(
        self,
        connection: &Connection,
        from: i64,
        until: i64,
        mut take: impl FnMut(i64, i64, &Sums),
    ) -> rusqlite::Result<()> {
        let sql = format!(
            "SELECT began_at_ms, {}, {COLUMNS} FROM {} \
             WHERE began_at_ms >= ?1 AND began_at_ms < ?2 ORDER BY began_at_ms",
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

    fn delete(self, connection: &Connection, began: i64, key: i64) -> rusqlite::Result<()> {
        let sql =
            format!("DELETE FROM {} WHERE began_at_ms = ?1 AND {} = ?2", self.name(), self.key());
        connection.prepare_cached(&sql)?.execute([began, key])?;
        Ok(())
    }
}

/// Sums that are yet to be added to the rows of all tables.
#[derive(Default)]
pub(crate) struct Pending {
    rows: BTreeMap<(Table, i64, i64), Sums>,
}

impl Pending {
    /// Adds calls of one dimension that began at `at`.
    pub(crate) fn add(&mut self, at: i64, dimension_id: i64, simulated: i64, sums: &Sums) {
        for (table, key) in [
            (Table::Quarters, dimension_id),
            (Table::Days, dimension_id),
            (Table::QuartersOfAll, simulated),
        ] {
            self.rows.entry((table, table.begin_of(at), key)).or_default().add(sums);
        }
    }

    /// Writes them, and has none afterwards.
    pub(crate) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for ((table, began, key), sums) in std::mem::take(&mut self.rows) {
            table.add(connection, began, key, &sums)?;
        }
        Ok(())
    }
}

/// Notes what a call came to that is being deleted: the money is spent all the same.
pub(crate) fn keep_of_deleted(
    connection: &Connection,
    at: i64,
    dimension_id: i64,
    sums: &Sums,
) -> rusqlite::Result<()> {
    let table = Table::DeletedQuarters;
    table.add(connection, table.begin_of(at), dimension_id, sums)
}

/// Where calls were changed or deleted, so that their sums must be built anew: they are not
/// subtracted, because a sum that had reached the end of its range cannot be taken apart again.
#[derive(Default)]
pub(crate) struct Touched {
    /// Quarters, each with the dimensions.
    quarters: BTreeMap<i64, BTreeSet<i64>>,
}

impl Touched {
    /// Calls of a dimension at this time.
    pub(crate) fn add(&mut self, at: i64, dimension_id: i64) {
        self.quarters.entry(Table::Quarters.begin_of(at)).or_default().insert(dimension_id);
    }

    /// Builds the sums of all that was touched anew, from the calls as they are now.
    pub(crate) fn rebuild(&self, connection: &Connection) -> rusqlite::Result<()> {
        let simulated = dimensions::simulated(connection)?;
        let mut days: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        for (quarter, dimensions) in &self.quarters {
            let mut deleted = BTreeMap::new();
            Table::DeletedQuarters.each(connection, *quarter, quarter + 1, |_, it, sums| {
                deleted.insert(it, *sums);
            })?;
            for dimension in dimensions {
                Table::Quarters.delete(connection, *quarter, *dimension)?;
                let mut sums =
                    calls::sum_of(connection, *dimension, *quarter, quarter + QUARTER_MS)?;
                if let Some(deleted) = deleted.get(dimension) {
                    sums.add(deleted);
                }
                write(connection, Table::Quarters, *quarter, *dimension, &sums)?;
            }
            let mut of_all = [Sums::default(); 2];
            Table::Quarters.each(connection, *quarter, quarter + 1, |_, dimension, sums| {
                of_all[usize::from(simulated.contains(&dimension))].add(sums);
            })?;
            for (key, sums) in (0..).zip(&of_all) {
                Table::QuartersOfAll.delete(connection, *quarter, key)?;
                write(connection, Table::QuartersOfAll, *quarter, key, sums)?;
            }
            days.entry(Table::Days.begin_of(*quarter)).or_default().extend(dimensions);
        }
        for (day, dimensions) in &days {
            let mut folded: BTreeMap<i64, Sums> = BTreeMap::new();
            Table::Quarters.each(connection, *day, day + DAY_MS, |_, dimension, sums| {
                folded.entry(dimension).or_default().add(sums);
            })?;
            for dimension in dimensions {
                Table::Days.delete(connection, *day, *dimension)?;
                let sums = folded.get(dimension).copied().unwrap_or_default();
                write(connection, Table::Days, *day, *dimension, &sums)?;
            }
        }
        Ok(())
    }
}

/// Writes a row that is not there, unless it has nothing to say.
fn write(
    connection: &Connection,
    table: Table,
    began: i64,
    key: i64,
    sums: &Sums,
) -> rusqlite::Result<()> {
    if sums.calls == 0 { Ok(()) } else { table.add(connection, began, key, sums) }
}

/// Whether a migration left the sums to be built anew.
pub(crate) fn are_stale(connection: &Connection) -> rusqlite::Result<bool> {
    let stale = connection
        .prepare_cached("SELECT value FROM counters WHERE name = ?1")?
        .query_row([STALE], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(stale.is_some_and(|it| it != 0))
}

/// Builds all sums anew from the calls, a day at a time, and from those of deleted calls.
pub(crate) fn rebuild_all(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute_batch("DELETE FROM quarters; DELETE FROM days; DELETE FROM quarters_of_all")?;
    let simulated = dimensions::simulated(connection)?;
    let mut pending = Pending::default();
    let mut day = None;
    calls::each_sum(connection, |at, dimension, sums| {
        let of_this = Some(Table::Days.begin_of(at));
        if day != of_this {
            pending.write(connection)?;
            day = of_this;
        }
        pending.add(at, dimension, i64::from(simulated.contains(&dimension)), sums);
        Ok(())
    })?;
    pending.write(connection)?;
    let table = Table::DeletedQuarters;
    table.each(connection, i64::MIN, i64::MAX, |began, dimension, sums| {
        pending.add(began, dimension, i64::from(simulated.contains(&dimension)), sums);
    })?;
    pending.write(connection)?;
    connection.prepare_cached("UPDATE counters SET value = 0 WHERE name = ?1")?.execute([STALE])?;
    Ok(())
}

/// How many calls there are, and what they cost as far as that is known.
pub(crate) fn of_everything(connection: &Connection) -> rusqlite::Result<(u64, PicoUsd)> {
    connection
        .prepare(
            "SELECT ifnull(sum(calls), 0), ifnull(sum(cost_pico_usd), 0) FROM quarters_of_all",
        )?
        .query_row([], |row| Ok((row.get(0)?, PicoUsd(row.get(1)?))))
}

/// When the first call began, of the simulated ones (1) or the others (0).
pub(crate) fn first_at(
    connection: &Connection,
    simulated: i64,
) -> rusqlite::Result<Option<UnixMs>> {
    connection
        .prepare_cached(
            "SELECT first_at_ms FROM quarters_of_all WHERE simulated = ?1 \
             ORDER BY began_at_ms LIMIT 1",
        )?
        .query_row([simulated], |row| row.get(0).map(UnixMs))
        .optional()
}

fn read(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Sums> {
    Ok(Sums {
        calls: columns.take()?,
        failed_calls: columns.take()?,
        cancelled_calls: columns.take()?,
        unknown_costs: UnknownCosts {
            no_price: columns.take()?,
            no_usage: columns.take()?,
            kind_not_priced: columns.take()?,
            tier_not_priced: columns.take()?,
            out_of_range: columns.take()?,
            fee_not_told: columns.take()?,
        },
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
            input_image: columns.take()?,
            output_image: columns.take()?,
            file_searches: columns.take()?,
        },
        counted_calls: columns.take()?,
        estimated: PicoUsd(columns.take()?),
        cached_calls: columns.take()?,
        saved: PicoUsd(columns.take()?),
        unknown_saved_calls: columns.take()?,
        first_at_ms: columns.take::<Option<i64>>()?.map(UnixMs),
        last_at_ms: columns.take::<Option<i64>>()?.map(UnixMs),
    })
}
