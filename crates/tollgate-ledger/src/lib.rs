//! The ledger of calls: the only crate that speaks SQL.
//!
//! The three types that matter are [`Ledger`] (opens the database and owns the one thread that
//! writes it), [`Writer`] (takes settled calls without ever blocking) and [`Reader`] (answers
//! questions, from this process or another). The database is SQLite in WAL mode, so readers never
//! wait for the writer.
//!
//! A call that was handed to [`Writer::record`] is on its way to disk at most [`COMMIT_EVERY`]
//! later and survives the death of the process from then on; a failure of power may take the last
//! transactions with it but never damages the file.
//!
//! ```no_run
//! # fn main() -> Result<(), tollgate_ledger::LedgerError> {
//! use tollgate_ledger::{CallQuery, Ledger, LedgerConfig};
//!
//! let ledger = Ledger::open("data".as_ref(), LedgerConfig::default())?;
//! let writer = ledger.writer(); // hand it to whatever settles calls
//! let latest = ledger.reader().calls(&CallQuery::default())?;
//! # drop((writer, latest));
//! ledger.close()
//! # }
//! ```

mod error;
mod migrate;
mod query;
mod reader;
mod tables;
mod writer;

use std::{path::Path, thread::JoinHandle, time::Duration};

use bytes::Bytes;
use tollgate_core::{Call, Routing};

pub use self::{
    error::LedgerError,
    query::{
        CallFilter, CallQuery, Change, CostChange, CostKey, CostRow, ProgramRow, SeriesPoint,
        Simulated, Step, SumQuery, Sums, TokenSums, UnknownCosts,
    },
    reader::Reader,
    writer::{Progress, Writer},
};

/// The longest that a recorded call waits before it is committed, so that calls share a commit.
pub const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// Bytes of calls and bodies that may wait for the writer: what memory is spent on when the disk
/// is slow or full.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Bytes that stored bodies may take on disk, compressed; beyond it the oldest are deleted.
pub const BODIES_BYTES_MAX: u64 = 2 << 30;

/// Bytes of one body that are stored, before compression; the rest is cut off and marked. The
/// gateway's own cap is lower: this one bounds what reading a row can take.
pub const BODY_BYTES_MAX: usize = 64 << 20;

/// A token count above this is not believed and stored as unknown: no call comes near it, and sums
/// over any real ledger stay far inside 64 bits.
pub const COUNT_MAX: u64 = 1_000_000_000_000;

/// Calls that one [`Reader::calls`] returns at most.
pub const CALLS_LIMIT_MAX: usize = 1_000;

/// Calls that one [`Writer::change`] changes at most: the writer records nothing meanwhile.
pub const CHANGES_MAX: usize = 5_000;

/// What a caller may tune. The defaults are the constants of this crate.
#[derive(Clone, Copy, Debug)]
pub struct LedgerConfig {
    /// See [`COMMIT_EVERY`].
    pub commit_every: Duration,
    /// See [`QUEUE_BYTES_MAX`].
    pub queue_bytes_max: usize,
    /// See [`BODIES_BYTES_MAX`].
    pub bodies_bytes_max: u64,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            commit_every: COMMIT_EVERY,
            queue_bytes_max: QUEUE_BYTES_MAX,
            bodies_bytes_max: BODIES_BYTES_MAX,
        }
    }
}

/// A call that is over, and what was said in it.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The call.
    pub call: Call,
    /// Its bodies, unless they are not to be kept.
    pub bodies: Option<Bodies>,
    /// How it came to its provider, where there was something to decide.
    pub routing: Option<Routing>,
    /// The answer's id, where a client may go on from it by that.
    pub answer_id: Option<String>,
}

/// What was said in a call, as the bytes on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bodies {
    /// The request's body, or its beginning.
    pub request: Bytes,
    /// Whether more of the request followed.
    pub request_truncated: bool,
    /// The answer's body, or its beginning.
    pub response: Bytes,
    /// Whether more of the answer followed.
    pub response_truncated: bool,
    /// The answer's `Content-Encoding`, which `response` is still in.
    pub response_content_encoding: Option<String>,
}

/// An open ledger. Dropping it commits what was recorded, as [`Ledger::close`] does, but can only
/// log what goes wrong.
#[derive(Debug)]
pub struct Ledger {
    writer: Writer,
    reader: Reader,
    thread: Option<JoinHandle<Result<(), LedgerError>>>,
}

impl Ledger {
    /// Opens `ledger.db` in `dir`, creates both if they are missing (readable by the user alone),
    /// migrates the database to this version and starts the thread that writes it. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// When the folder or file cannot be opened, or the file is not a ledger or comes from a newer
    /// version: then it is left as it is.
    pub fn open(dir: &Path, config: LedgerConfig) -> Result<Self, LedgerError> {
        let connection = migrate::open(dir)?;
        let reader = Reader::open(dir)?;
        let (writer, thread) = writer::start(connection, config)?;
        Ok(Self { writer, reader, thread: Some(thread) })
    }

    /// The way in for settled calls; clone it freely.
    #[must_use]
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// The way out; clone it freely.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Commits everything recorded so far and ends the writing thread; writers refuse calls from
    /// then on. Blocks until that is done.
    ///
    /// # Errors
    /// When the last calls could not be committed; they are lost.
    pub fn close(mut self) -> Result<(), LedgerError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), LedgerError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.writer.ask_to_close();
        thread.join().unwrap_or(Err(LedgerError::WriterPanicked))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::error!(%error, "the ledger could not commit its last calls");
        }
    }
}
