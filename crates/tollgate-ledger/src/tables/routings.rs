//! `routings`: how calls came to their providers.

use rusqlite::{Connection, OptionalExtension, params};
use tollgate_core::Routing;

use crate::LedgerError;

/// Adds what was decided for a call.
pub(crate) fn insert(
    connection: &Connection,
    call_seq: i64,
    routing: &Routing,
) -> rusqlite::Result<()> {
    let text = super::json_of(routing)?;
    connection
        .prepare_cached("INSERT INTO routings (call_seq, routing) VALUES (?1, ?2)")?
        .execute(params![call_seq, text])?;
    Ok(())
}

/// What was decided for a call.
pub(crate) fn get(connection: &Connection, call_seq: i64) -> Result<Option<Routing>, LedgerError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT routing FROM routings WHERE call_seq = ?1")?
        .query_row([call_seq], |row| row.get(0))
        .optional()?;
    text.map(|it| serde_json::from_str(&it).map_err(LedgerError::Routing)).transpose()
}

/// Deletes what was decided for a call if it cannot be read; says whether it is still there.
pub(crate) fn keep_if_readable(connection: &Connection, call_seq: i64) -> rusqlite::Result<bool> {
    if matches!(get(connection, call_seq), Ok(Some(_))) {
        return Ok(true);
    }
    connection.prepare_cached("DELETE FROM routings WHERE call_seq = ?1")?.execute([call_seq])?;
    Ok(false)
}
