//! `answers`: the calls that answers belong to which a client may go on from by their ids.

use rusqlite::{Connection, OptionalExtension, params};

/// Notes whose answer has this id; a provider that gives an id twice means the later one.
pub(crate) fn insert(
    connection: &Connection,
    call_seq: i64,
    answer_id: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO answers (answer_id, call_seq) VALUES (?1, ?2)")?
        .execute(params![answer_id, call_seq])?;
    Ok(())
}

/// The call whose answer has this id.
pub(crate) fn call_seq(connection: &Connection, answer_id: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT call_seq FROM answers WHERE answer_id = ?1")?
        .query_row([answer_id], |row| row.get(0))
        .optional()
}
