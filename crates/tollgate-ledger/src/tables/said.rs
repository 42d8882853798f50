//! `said`: the words of what was said, to be searched. The text itself stands in `bodies` alone.
//!
//! Deleting a row only notes that it is gone: its words leave the file when the index is merged, which
//! is done in steps. That they are still there is written down in the same transaction.

use rusqlite::{Connection, params};

/// The name of the counter that says up to which call the words are in the index.
const THROUGH: &str = "searched_through";
/// The name of the counter that says whether words of deleted rows may still be there.
const LEFT: &str = "words_are_left";

/// Pages of the index (4 kB each) that one step of merging writes, about: calls that wait for their
/// commit meanwhile wait for no more.
const MERGE_PAGES: i64 = 256;

/// Adds the words of what was said in a call, if that is still there.
pub(crate) fn insert(connection: &Connection, call_seq: i64, text: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO said (rowid, text) \
             SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM bodies WHERE call_seq = ?1)",
        )?
        .execute(params![call_seq, text])?;
    Ok(())
}

/// Deletes the words of some calls.
pub(crate) fn delete(connection: &Connection, call_seqs: &[i64]) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM said WHERE rowid = ?1")?;
    let mut deleted = 0;
    for seq in call_seqs {
        deleted += delete.execute([seq])?;
    }
    if deleted > 0 { set(connection, LEFT, 1) } else { Ok(()) }
}

/// Whether words of deleted rows may still be in the file.
pub(crate) fn are_left(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(counter(connection, LEFT)? != 0)
}

/// Takes some of the words of deleted rows out of the file; says whether there are more.
pub(crate) fn forget_some(connection: &Connection) -> rusqlite::Result<bool> {
    let changes = || {
        let mut select = connection.prepare_cached("SELECT total_changes()")?;
        select.query_row([], |row| row.get::<_, i64>(0))
    };
    let before = changes()?;
    connection
        .prepare_cached("INSERT INTO said (said, rank) VALUES ('merge', ?1)")?
        .execute([-MERGE_PAGES])?;
    // As SQLite documents the end of merging: the command itself counts as one change.
    let more = changes()? - before >= 2;
    if !more {
        set(connection, LEFT, 0)?;
    }
    Ok(more)
}

/// The last call whose words are in the index, or that has none.
pub(crate) fn through(connection: &Connection) -> rusqlite::Result<i64> {
    counter(connection, THROUGH)
}

/// Notes up to which call the words are in the index.
pub(crate) fn set_through(connection: &Connection, call_seq: i64) -> rusqlite::Result<()> {
    set(connection, THROUGH, call_seq)
}

/// Forgets that a call was reached whose number the next one may have again.
pub(crate) fn calls_were_deleted(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE counters SET value = min(value, (SELECT ifnull(max(seq), 0) FROM calls)) \
             WHERE name = ?1",
        )?
        .execute([THROUGH])?;
    Ok(())
}

/// The numbers of the first calls, with the bytes of what was said in each, whose words are not in the
/// index yet.
pub(crate) fn unread(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<(i64, u64)>> {
    let mut select = connection.prepare_cached(
        "SELECT call_seq, request_bytes + response_bytes FROM bodies \
         WHERE call_seq > ?1 ORDER BY call_seq LIMIT ?2",
    )?;
    let rows = select
        .query_map(params![through(connection)?, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// How many calls those are.
pub(crate) fn unread_calls(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM bodies WHERE call_seq > ?1")?
        .query_row([through(connection)?], |row| row.get(0))
}

fn counter(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM counters WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
}

fn set(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE counters SET value = ?2 WHERE name = ?1")?
        .execute(params![name, value])?;
    Ok(())
}
