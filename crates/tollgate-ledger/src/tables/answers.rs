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

/// Copies the rows of a damaged database, as far as the first that cannot be read, that belong to
/// calls of this one.
pub(crate) fn copy(old: &Connection, new: &Connection) -> rusqlite::Result<()> {
    let Ok(mut select) = old.prepare("SELECT answer_id, call_seq FROM answers") else {
        return Ok(());
    };
    let Ok(mut rows) = select.query([]) else { return Ok(()) };
    let mut add = new.prepare_cached(
        "INSERT OR IGNORE INTO answers (answer_id, call_seq) \
         SELECT ?1, seq FROM calls WHERE seq = ?2",
    )?;
    while let Ok(Some(row)) = rows.next() {
        let (Ok(id), Ok(call_seq)) = (row.get::<_, String>(0), row.get::<_, i64>(1)) else { break };
        add.execute(params![id, call_seq])?;
    }
    Ok(())
}
