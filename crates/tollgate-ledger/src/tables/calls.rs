//! `calls`: one row for each call.

mod list;

pub(crate) use self::list::list;

use rusqlite::{Connection, OptionalExtension, params};
use tollgate_core::{Call, CallId, PicoUsd, SocketCookie, UnixMs, Usage, call::Timing};

use super::{Columns, bits, callers, dimensions, name_of, size};
use crate::{
    COUNT_MAX, CostChange,
    query::{Counted, Sums},
};

const COLUMNS: &str = "c.id, c.started_at_ms, c.operation, c.method, c.path, c.streaming, \
     c.status, c.outcome, c.error_code, c.error_message, c.stop_reason, c.input_tokens, \
     c.cache_read_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens, c.output_tokens, \
     c.reasoning_tokens, c.input_audio_tokens, c.output_audio_tokens, c.web_searches, \
     c.cost_pico_usd, c.cost_unknown, c.price_id, c.received_us, c.connected_us, \
     c.connect_took_us, c.headers_us, c.first_byte_us, c.first_token_us, c.finished_us, \
     c.request_bytes, c.response_bytes, c.retries, c.client_cookie, c.upstream_cookie, \
     c.service_tier, c.input_image_tokens, c.output_image_tokens, c.file_searches, \
     c.usage_counted, c.cached, c.saved_pico_usd";

/// `CROSS JOIN` keeps SQLite from walking the dimensions first.
const JOINS: &str = "calls c CROSS JOIN dimensions d ON d.id = c.dimension_id \
     LEFT JOIN callers p ON p.id = c.caller_id";

const INSERT: &str = "INSERT INTO calls (id, started_at_ms, caller_id, dimension_id, operation, \
     method, path, streaming, status, outcome, error_code, error_message, stop_reason, \
     input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, \
     output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, web_searches, \
     cost_pico_usd, cost_unknown, price_id, received_us, connected_us, connect_took_us, \
     headers_us, first_byte_us, first_token_us, finished_us, request_bytes, response_bytes, \
     retries, client_cookie, upstream_cookie, service_tier, input_image_tokens, \
     output_image_tokens, file_searches, usage_counted, cached, saved_pico_usd) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
     ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, \
     ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44)";

/// The usage that is stored: counts that cannot be believed become unknown.
pub(crate) fn believed(usage: &Usage) -> Usage {
    let count = |count: Option<u64>| count.filter(|it| *it <= COUNT_MAX);
    Usage {
        input: count(usage.input),
        cache_read: count(usage.cache_read),
        cache_write_5m: count(usage.cache_write_5m),
        cache_write_1h: count(usage.cache_write_1h),
        output: count(usage.output),
        reasoning: count(usage.reasoning),
        input_audio: count(usage.input_audio),
        output_audio: count(usage.output_audio),
        input_image: count(usage.input_image),
        output_image: count(usage.output_image),
        web_searches: count(usage.web_searches),
        file_searches: count(usage.file_searches),
    }
}

/// Adds a call and gives its row number. A call with a known id is refused.
pub(crate) fn insert(
    connection: &Connection,
    call: &Call,
    usage: &Usage,
    caller_id: Option<i64>,
    dimension_id: i64,
) -> rusqlite::Result<i64> {
    let (timing, cookie) = (&call.timing, |it: SocketCookie| bits(it.0));
    connection.prepare_cached(INSERT)?.insert(params![
        call.id.as_bytes(),
        call.started_at_ms.0,
        caller_id,
        dimension_id,
        name_of(&call.operation)?,
        call.method,
        call.path,
        call.streaming,
        call.status,
        name_of(&call.outcome)?,
        call.error_code.as_ref().map(name_of).transpose()?,
        call.error_message,
        call.stop_reason,
        usage.input.map(size),
        usage.cache_read.map(size),
        usage.cache_write_5m.map(size),
        usage.cache_write_1h.map(size),
        usage.output.map(size),
        usage.reasoning.map(size),
        usage.input_audio.map(size),
        usage.output_audio.map(size),
        usage.web_searches.map(size),
        call.cost.map(|it| it.0),
        call.cost_unknown.as_ref().map(name_of).transpose()?,
        call.price_id,
        timing.received_us.map(size),
        timing.connected_us.map(size),
        timing.connect_took_us.map(size),
        timing.headers_us.map(size),
        timing.first_byte_us.map(size),
        timing.first_token_us.map(size),
        size(timing.finished_us),
        size(call.request_bytes),
        size(call.response_bytes),
        call.retries,
        call.client_cookie.map(cookie),
        call.upstream_cookie.map(cookie),
        call.service_tier.as_ref().map(name_of).transpose()?,
        usage.input_image.map(size),
        usage.output_image.map(size),
        usage.file_searches.map(size),
        call.usage_counted,
        call.cached,
        call.saved.map(|it| it.0),
    ])
}

/// The row number of a call.
pub(crate) fn seq_of(connection: &Connection, id: CallId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT seq FROM calls WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()
}

/// One call.
pub(crate) fn get(connection: &Connection, id: CallId) -> rusqlite::Result<Option<Call>> {
    connection
        .prepare_cached(&one("id"))?
        .query_row([id.as_bytes()], |row| read(&mut Columns::of(row)))
        .optional()
}

/// The call with this row number.
pub(crate) fn get_row(connection: &Connection, seq: i64) -> rusqlite::Result<Option<Call>> {
    connection
        .prepare_cached(&one("seq"))?
        .query_row([seq], |row| read(&mut Columns::of(row)))
        .optional()
}

/// The statement that finds a call by one of its columns.
fn one(column: &str) -> String {
    format!(
        "SELECT {COLUMNS}, {}, {} FROM {JOINS} WHERE c.{column} = ?1",
        dimensions::COLUMNS,
        callers::COLUMNS
    )
}

/// Deletes a call that cannot be read, after trying whether it can without its caller; says whether
/// it is still there.
pub(crate) fn keep_if_readable(connection: &Connection, seq: i64) -> rusqlite::Result<bool> {
    let mut select = connection.prepare_cached(&one("seq"))?;
    let mut is_readable = || select.query_row([seq], |row| read(&mut Columns::of(row))).is_ok();
    if is_readable() {
        return Ok(true);
    }
    connection
        .prepare_cached("UPDATE calls SET caller_id = NULL WHERE seq = ?1")?
        .execute([seq])?;
    if is_readable() {
        return Ok(true);
    }
    delete(connection, seq)?;
    Ok(false)
}

/// What of a call goes into its sums.
const COUNTED: &str = "dimension_id, started_at_ms, operation, status, outcome, input_tokens, \
     cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, \
     reasoning_tokens, input_audio_tokens, output_audio_tokens, web_searches, \
     input_image_tokens, output_image_tokens, file_searches, usage_counted, cost_pico_usd, \
     cost_unknown, cached, saved_pico_usd";

/// The sums of each call in order of time: when it began, its dimension, its sums.
pub(crate) fn each_sum(
    connection: &Connection,
    mut take: impl FnMut(i64, i64, &Sums) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let sql = format!("SELECT {COUNTED} FROM calls ORDER BY started_at_ms");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (dimension, counted) = read_counted(&mut Columns::of(row))?;
        take(counted.started_at_ms.0, dimension, &counted.sums())?;
    }
    Ok(())
}

/// The sums of the calls of a dimension that began in `from..until`.
pub(crate) fn sum_of(
    connection: &Connection,
    dimension_id: i64,
    from: i64,
    until: i64,
) -> rusqlite::Result<Sums> {
    let sql = format!(
        "SELECT {COUNTED} FROM calls \
         WHERE dimension_id = ?1 AND started_at_ms >= ?2 AND started_at_ms < ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([dimension_id, from, until])?;
    let mut sums = Sums::default();
    while let Some(row) = rows.next()? {
        sums.add(&read_counted(&mut Columns::of(row))?.1.sums());
    }
    Ok(sums)
}

/// Feeds the dimension, the user and the cost of each call that began at `from` or later, where the
/// cost is known.
pub(crate) fn each_cost(
    connection: &Connection,
    from: i64,
    mut take: impl FnMut(i64, Option<String>, PicoUsd),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT c.dimension_id, p.user, c.cost_pico_usd FROM calls c \
         LEFT JOIN callers p ON p.id = c.caller_id \
         WHERE c.started_at_ms >= ?1 AND c.cost_pico_usd IS NOT NULL",
    )?;
    let mut rows = statement.query([from])?;
    while let Some(row) = rows.next()? {
        let columns = &mut Columns::of(row);
        take(columns.take()?, columns.take()?, PicoUsd(columns.take()?));
    }
    Ok(())
}

/// A call whose cost is not known.
pub(crate) struct UnknownCost {
    pub(crate) dimension_id: i64,
    pub(crate) user: Option<String>,
    pub(crate) request_bytes: u64,
    pub(crate) started_at_ms: UnixMs,
}

/// The calls that began at `from` or later and whose cost is not known.
pub(crate) fn of_unknown_cost(
    connection: &Connection,
    from: i64,
) -> rusqlite::Result<Vec<UnknownCost>> {
    let mut statement = connection.prepare_cached(
        "SELECT c.dimension_id, p.user, c.request_bytes, c.started_at_ms \
         FROM calls c INDEXED BY calls_of_unknown_cost \
         LEFT JOIN callers p ON p.id = c.caller_id \
         WHERE c.cost_pico_usd IS NULL AND c.cost_unknown IS NOT NULL AND c.started_at_ms >= ?1",
    )?;
    let rows = statement.query_map([from], |row| {
        let columns = &mut Columns::of(row);
        Ok(UnknownCost {
            dimension_id: columns.take()?,
            user: columns.take()?,
            request_bytes: columns.take()?,
            started_at_ms: UnixMs(columns.take()?),
        })
    })?;
    rows.collect()
}

fn read_counted(columns: &mut Columns<'_, '_>) -> rusqlite::Result<(i64, Counted)> {
    let dimension: i64 = columns.take()?;
    let counted = Counted {
        started_at_ms: UnixMs(columns.take()?),
        operation: columns.name()?,
        status: columns.take()?,
        outcome: columns.name()?,
        usage: read_all_usage(columns)?,
        usage_counted: columns.take()?,
        cost: columns.take::<Option<i64>>()?.map(PicoUsd),
        cost_unknown: columns.name_or_null()?,
        cached: columns.take()?,
        saved: columns.take::<Option<i64>>()?.map(PicoUsd),
    };
    Ok((dimension, counted))
}

/// What a call comes to.
pub(crate) fn sums_of_one(connection: &Connection, seq: i64) -> rusqlite::Result<Sums> {
    connection
        .prepare_cached(&format!("SELECT {COUNTED} FROM calls WHERE seq = ?1"))?
        .query_row([seq], |row| Ok(read_counted(&mut Columns::of(row))?.1.sums()))
}

/// Where a call is counted: its row number, when it began, its dimension; and its caller.
pub(crate) struct Place {
    pub(crate) seq: i64,
    pub(crate) started_at_ms: i64,
    pub(crate) dimension_id: i64,
    pub(crate) caller_id: Option<i64>,
}

/// Where a call is counted; `None` when it is not in the ledger.
pub(crate) fn place_of(connection: &Connection, id: CallId) -> rusqlite::Result<Option<Place>> {
    connection
        .prepare_cached(
            "SELECT seq, started_at_ms, dimension_id, caller_id FROM calls WHERE id = ?1",
        )?
        .query_row([id.as_bytes()], |row| {
            Ok(Place {
                seq: row.get(0)?,
                started_at_ms: row.get(1)?,
                dimension_id: row.get(2)?,
                caller_id: row.get(3)?,
            })
        })
        .optional()
}

/// Sets what a call costs. Its sums are not touched.
pub(crate) fn set_cost(
    connection: &Connection,
    seq: i64,
    change: &CostChange,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE calls SET cost_pico_usd = ?2, cost_unknown = ?3, price_id = ?4 WHERE seq = ?1",
        )?
        .execute(params![
            seq,
            change.cost.map(|it| it.0),
            change.cost_unknown.as_ref().map(name_of).transpose()?,
            change.price_id,
        ])?;
    Ok(())
}

/// Deletes a call and what belongs to it. Its sums are not touched.
pub(crate) fn delete(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM calls WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}

/// A call's id.
pub(crate) fn id_from(columns: &mut Columns<'_, '_>) -> rusqlite::Result<CallId> {
    columns.take::<[u8; 16]>().map(CallId::from_bytes)
}

fn read(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Call> {
    let mut call = Call {
        id: id_from(columns)?,
        started_at_ms: UnixMs(columns.take()?),
        caller: None,
        key: None,
        provider: None,
        simulated: false,
        format: None,
        operation: columns.name()?,
        method: columns.take()?,
        path: columns.take()?,
        model_asked: None,
        model_served: None,
        streaming: columns.take()?,
        status: columns.take()?,
        outcome: columns.name()?,
        error_code: columns.name_or_null()?,
        error_message: columns.take()?,
        stop_reason: columns.take()?,
        usage: read_usage(columns)?,
        usage_counted: false,
        service_tier: None,
        cost: columns.take::<Option<i64>>()?.map(PicoUsd),
        cost_unknown: columns.name_or_null()?,
        price_id: columns.take()?,
        cached: false,
        saved: None,
        timing: Timing {
            received_us: columns.take()?,
            connected_us: columns.take()?,
            connect_took_us: columns.take()?,
            headers_us: columns.take()?,
            first_byte_us: columns.take()?,
            first_token_us: columns.take()?,
            finished_us: columns.take()?,
        },
        request_bytes: columns.take()?,
        response_bytes: columns.take()?,
        retries: columns.take()?,
        client_cookie: cookie(columns)?,
        upstream_cookie: cookie(columns)?,
    };
    call.service_tier = columns.name_or_null()?;
    call.usage.input_image = columns.take()?;
    call.usage.output_image = columns.take()?;
    call.usage.file_searches = columns.take()?;
    call.usage_counted = columns.take()?;
    call.cached = columns.take()?;
    call.saved = columns.take::<Option<i64>>()?.map(PicoUsd);
    let dimension = dimensions::read(columns)?;
    call.key = dimension.key;
    call.provider = dimension.provider;
    call.simulated = dimension.simulated;
    call.format = dimension.format;
    call.model_asked = dimension.model_asked;
    call.model_served = dimension.model_served;
    call.caller = callers::read(columns)?;
    Ok(call)
}

fn cookie(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Option<SocketCookie>> {
    let stored: Option<i64> = columns.take()?;
    Ok(stored.map(|it| SocketCookie(it.cast_unsigned())))
}

/// Every kind, one behind the other.
fn read_all_usage(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Usage> {
    let first = read_usage(columns)?;
    Ok(Usage {
        input_image: columns.take()?,
        output_image: columns.take()?,
        file_searches: columns.take()?,
        ..first
    })
}

/// The kinds that the table had first; the others stand in columns behind all else.
fn read_usage(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        input: columns.take()?,
        cache_read: columns.take()?,
        cache_write_5m: columns.take()?,
        cache_write_1h: columns.take()?,
        output: columns.take()?,
        reasoning: columns.take()?,
        input_audio: columns.take()?,
        output_audio: columns.take()?,
        web_searches: columns.take()?,
        ..Usage::default()
    })
}
