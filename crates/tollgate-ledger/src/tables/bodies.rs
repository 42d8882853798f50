//! `bodies`: what was said, compressed, within a bound for all of them together.

use std::io;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use tollgate_core::UnixMs;
use zstd::bulk::Compressor;

use super::said;
use crate::{BODY_BYTES_MAX, Bodies, LedgerError};

/// zstd's level: bodies are packed while the gateway runs, so speed counts more than the last byte.
const LEVEL: i32 = 1;

/// Rows and bytes that one step of pruning deletes, about: calls that wait for their commit meanwhile
/// wait for no more.
const PRUNE_ROWS: u32 = 256;
const PRUNE_BYTES: u64 = 8 << 20;

/// Pruning goes on until this share of the bound is left, so that it does not run for every call.
const PRUNED_TENTHS: u64 = 9;

/// Packs bodies, keeping zstd's tables between calls.
pub(crate) struct Packer(Compressor<'static>);

impl Packer {
    pub(crate) fn new() -> io::Result<Self> {
        Compressor::new(LEVEL).map(Self)
    }

    fn pack(&mut self, body: &Bytes, truncated: bool) -> io::Result<Packed> {
        let kept = body.get(..BODY_BYTES_MAX).unwrap_or(body);
        Ok(Packed {
            length: kept.len(),
            truncated: truncated || kept.len() < body.len(),
            bytes: self.0.compress(kept)?,
        })
    }
}

struct Packed {
    length: usize,
    truncated: bool,
    bytes: Vec<u8>,
}

/// Adds the bodies of a call and gives the bytes that they take.
pub(crate) fn insert(
    connection: &Connection,
    packer: &mut Packer,
    call_seq: i64,
    bodies: &Bodies,
) -> rusqlite::Result<u64> {
    let mut pack = |body, truncated| {
        let packed = packer.pack(body, truncated);
        packed.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    };
    let request = pack(&bodies.request, bodies.request_truncated)?;
    let response = pack(&bodies.response, bodies.response_truncated)?;
    let stored = request.bytes.len() + response.bytes.len();
    connection
        .prepare_cached(
            "INSERT INTO bodies (call_seq, stored_bytes, request_bytes, request_truncated, \
             response_bytes, response_truncated, response_content_encoding, request, response) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            call_seq,
            stored,
            request.length,
            request.truncated,
            response.length,
            response.truncated,
            bodies.response_content_encoding,
            request.bytes,
            response.bytes,
        ])?;
    Ok(u64::try_from(stored).unwrap_or(u64::MAX))
}

/// Bytes that all bodies take.
pub(crate) fn stored_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT value FROM counters WHERE name = 'bodies_stored_bytes'")?
        .query_row([], |row| row.get(0))
}

/// Bytes that the bodies of one call take; none when they were not kept.
pub(crate) fn stored_bytes_of(connection: &Connection, call_seq: i64) -> rusqlite::Result<u64> {
    let stored = connection
        .prepare_cached("SELECT stored_bytes FROM bodies WHERE call_seq = ?1")?
        .query_row([call_seq], |row| row.get(0))
        .optional()?;
    Ok(stored.unwrap_or(0))
}

/// Writes down how many bytes all bodies take.
pub(crate) fn set_stored_bytes(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE counters SET value = ?1 WHERE name = 'bodies_stored_bytes'")?
        .execute([super::size(bytes)])?;
    Ok(())
}

/// Counts anew how many bytes all bodies take.
pub(crate) fn recount(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE counters SET value = (SELECT ifnull(sum(stored_bytes), 0) FROM bodies) \
         WHERE name = 'bodies_stored_bytes'",
        [],
    )?;
    Ok(())
}

/// Deletes the bodies of a call that cannot be unpacked; says whether they are still there.
pub(crate) fn keep_if_readable(connection: &Connection, call_seq: i64) -> rusqlite::Result<bool> {
    if matches!(get(connection, call_seq), Ok(Some(_))) {
        return Ok(true);
    }
    connection.prepare_cached("DELETE FROM bodies WHERE call_seq = ?1")?.execute([call_seq])?;
    Ok(false)
}

/// What pruning is to leave of `max` bytes.
pub(crate) const fn prune_target(max: u64) -> u64 {
    max / 10 * PRUNED_TENTHS
}

/// Deletes some of the oldest bodies, until no more than `target` of the `stored` bytes are left or
/// a step's share is done; gives what is left.
pub(crate) fn prune_some(
    connection: &Connection,
    stored: u64,
    target: u64,
) -> rusqlite::Result<u64> {
    let mut oldest = connection
        .prepare_cached("SELECT call_seq, stored_bytes FROM bodies ORDER BY call_seq LIMIT ?1")?;
    let mut rows = oldest.query([PRUNE_ROWS])?;
    let (mut left, mut old) = (stored, Vec::new());
    while left > target && stored - left < PRUNE_BYTES {
        let Some(row) = rows.next()? else { break };
        old.push(row.get(0)?);
        left = left.saturating_sub(row.get(1)?);
    }
    drop(rows);
    // Without a row to delete there is nothing left, whatever was counted.
    if old.is_empty() {
        return Ok(0);
    }
    delete(connection, &old)?;
    Ok(left)
}

/// Deletes some of the oldest bodies, if they are of calls that began before; gives what is left of
/// the `stored` bytes, and whether more may have to go.
pub(crate) fn prune_older(
    connection: &Connection,
    stored: u64,
    before: UnixMs,
) -> rusqlite::Result<(u64, bool)> {
    let mut oldest = connection.prepare_cached(
        "SELECT b.call_seq, b.stored_bytes, c.started_at_ms \
         FROM bodies b JOIN calls c ON c.seq = b.call_seq ORDER BY b.call_seq LIMIT ?1",
    )?;
    let mut rows = oldest.query([PRUNE_ROWS])?;
    let (mut left, mut old, mut more) = (stored, Vec::new(), true);
    while stored - left < PRUNE_BYTES {
        let Some(row) = rows.next()? else { break };
        // Calls are stored as they end. One that took long may hide behind younger ones for a while.
        if row.get::<_, i64>(2)? >= before.0 {
            more = false;
            break;
        }
        old.push(row.get(0)?);
        left = left.saturating_sub(row.get(1)?);
    }
    drop(rows);
    delete(connection, &old)?;
    Ok((left, more && !old.is_empty()))
}

/// Deletes the bodies of some calls, and their words.
fn delete(connection: &Connection, call_seqs: &[i64]) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM bodies WHERE call_seq = ?1")?;
    for seq in call_seqs {
        delete.execute([seq])?;
    }
    said::delete(connection, call_seqs)
}

/// The bodies of a call.
pub(crate) fn get(connection: &Connection, call_seq: i64) -> Result<Option<Bodies>, LedgerError> {
    struct Stored {
        request: (usize, bool, Vec<u8>),
        response: (usize, bool, Vec<u8>),
        encoding: Option<String>,
    }
    let stored = connection
        .prepare_cached(
            "SELECT request_bytes, request_truncated, request, response_bytes, \
             response_truncated, response, response_content_encoding \
             FROM bodies WHERE call_seq = ?1",
        )?
        .query_row([call_seq], |row| {
            Ok(Stored {
                request: (row.get(0)?, row.get(1)?, row.get(2)?),
                response: (row.get(3)?, row.get(4)?, row.get(5)?),
                encoding: row.get(6)?,
            })
        })
        .optional()?;
    let Some(stored) = stored else { return Ok(None) };
    Ok(Some(Bodies {
        request: unpack(&stored.request.2, stored.request.0)?,
        request_truncated: stored.request.1,
        response: unpack(&stored.response.2, stored.response.0)?,
        response_truncated: stored.response.1,
        response_content_encoding: stored.encoding,
    }))
}

fn unpack(packed: &[u8], length: usize) -> Result<Bytes, LedgerError> {
    let room = length.min(BODY_BYTES_MAX);
    zstd::bulk::decompress(packed, room).map(Bytes::from).map_err(LedgerError::Unpack)
}
