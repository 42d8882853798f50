//! `guardrail_hits`: what guardrails found in calls.

use rusqlite::{Connection, Row, named_params, params};
use tollgate_core::{
    CallId, UnixMs,
    guardrail::{Fingerprint, Hit},
};

use super::{Columns, calls, name_of};
use crate::{
    LedgerError,
    query::{HitQuery, StoredHit},
};

const COLUMNS: &str = "hit_seq, guardrail_hits.started_at_ms, guardrail, rule, action, side, place, \
                       times, snippet, fingerprint";

/// Adds what was found in a call.
pub(crate) fn insert(
    connection: &Connection,
    call_seq: i64,
    started_at_ms: i64,
    hits: &[Hit],
) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO guardrail_hits (call_seq, started_at_ms, guardrail, rule, action, side, place, \
         times, snippet, fingerprint) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for hit in hits {
        add.execute(params![
            call_seq,
            started_at_ms,
            hit.guardrail,
            hit.rule,
            name_of(&hit.action)?,
            name_of(&hit.side)?,
            hit.place,
            hit.times,
            hit.snippet,
            hit.fingerprint.map(|it| it.to_string()),
        ])?;
    }
    Ok(())
}

/// What was found in a call, in order.
pub(crate) fn of_call(connection: &Connection, id: CallId) -> Result<Vec<StoredHit>, LedgerError> {
    let Some(seq) = calls::seq_of(connection, id)? else { return Ok(Vec::new()) };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM guardrail_hits WHERE call_seq = ?1 ORDER BY hit_seq"
    ))?;
    let hits = select.query_map([seq], |row| read(&mut Columns::of(row), |_| Ok(id)))?;
    Ok(hits.collect::<Result<_, _>>()?)
}

/// The newest hits that the query selects, newest first.
pub(crate) fn list(connection: &Connection, query: &HitQuery) -> rusqlite::Result<Vec<StoredHit>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, calls.id FROM guardrail_hits JOIN calls ON calls.seq = call_seq \
         WHERE hit_seq < :before \
         AND (:since IS NULL OR guardrail_hits.started_at_ms >= :since) \
         AND (:guardrail IS NULL OR guardrail = :guardrail) \
         AND (:rule IS NULL OR rule = :rule) \
         ORDER BY hit_seq DESC LIMIT :limit"
    ))?;
    let parameters = named_params! {
        ":before": query.before.unwrap_or(i64::MAX),
        ":since": query.since.map(|it| it.0),
        ":guardrail": query.guardrail,
        ":rule": query.rule,
        ":limit": i64::try_from(query.limit).unwrap_or(i64::MAX),
    };
    let hits = select.query_map(parameters, with_call)?;
    hits.collect()
}

/// One hit; `None` when it is not there.
pub(crate) fn get(connection: &Connection, number: i64) -> rusqlite::Result<Option<StoredHit>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, calls.id FROM guardrail_hits JOIN calls ON calls.seq = call_seq \
         WHERE hit_seq = ?1"
    ))?;
    select.query_map([number], with_call)?.next().transpose()
}

/// Copies the rows of a damaged database, as far as the first that cannot be read, that belong to calls of
/// this one.
pub(crate) fn copy(old: &Connection, new: &Connection) -> rusqlite::Result<()> {
    let text = format!("SELECT call_seq, {COLUMNS} FROM guardrail_hits");
    let Ok(mut select) = old.prepare(&text) else { return Ok(()) };
    let Ok(mut rows) = select.query([]) else { return Ok(()) };
    let mut there = new.prepare_cached("SELECT 1 FROM calls WHERE seq = ?1")?;
    // Nobody asks for the call's id here.
    let nobody = CallId::from_bytes([0; 16]);
    while let Ok(Some(row)) = rows.next() {
        let mut columns = Columns::of(row);
        let Ok(call_seq) = columns.take::<i64>() else { break };
        let Ok(StoredHit { started_at_ms, hit, .. }) = read(&mut columns, |_| Ok(nobody)) else {
            break;
        };
        if there.exists([call_seq])? {
            insert(new, call_seq, started_at_ms.0, &[hit])?;
        }
    }
    Ok(())
}

fn with_call(row: &Row<'_>) -> rusqlite::Result<StoredHit> {
    read(&mut Columns::of(row), calls::id_from)
}

/// A hit, of the call that `call` reads behind it.
fn read<'a, 'b>(
    columns: &mut Columns<'a, 'b>,
    call: impl FnOnce(&mut Columns<'a, 'b>) -> rusqlite::Result<CallId>,
) -> rusqlite::Result<StoredHit> {
    let number = columns.take()?;
    let started_at_ms = UnixMs(columns.take()?);
    let hit = Hit {
        guardrail: columns.take()?,
        rule: columns.take()?,
        action: columns.name()?,
        side: columns.name()?,
        place: columns.take()?,
        times: columns.take()?,
        snippet: columns.take()?,
        fingerprint: columns.take::<Option<String>>()?.as_deref().and_then(Fingerprint::parse),
    };
    Ok(StoredHit { number, call: call(columns)?, started_at_ms, hit })
}
