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
//! A file that is damaged all the same is set aside, and what can still be read of it goes into a
//! new one: when it is opened, when a commit fails because of it, and when [`Ledger::check`] finds
//! it. [`Progress::recovery`] says what became of it.
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
mod repair;
mod search;
mod tables;
mod writer;

use std::{
    fmt,
    path::Path,
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use rusqlite::InterruptHandle;
use tollgate_core::{Call, CallId, Routing, UnixMs, guardrail::Hit};

pub use self::{
    error::LedgerError,
    query::{
        CallFilter, CallQuery, Change, CostChange, CostKey, CostRow, HitQuery, ProgramRow,
        SeriesPoint, Simulated, Step, StoredHit, SumQuery, Sums, TokenSums, UnknownCosts,
    },
    reader::{
        Reader,
        spent::{ByUser, Spender, Spent, SpentCost, SpentQuery},
    },
    repair::Recovery,
    search::{Excerpt, ExcerptPiece, SEARCH_BYTES_MAX, Search, SearchTooLong, excerpts},
    writer::{Progress, Writer},
};

/// The longest that a recorded call waits before it is committed, so that calls share a commit.
pub const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// How often a look through the file is told to stop until it does.
const INTERRUPT_EVERY: Duration = Duration::from_millis(1);

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

/// Hits of guardrails that one [`Reader::hits`] returns at most.
pub const HITS_LIMIT_MAX: usize = 1_000;

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

/// A call whose words are not in the index of what was said yet.
#[derive(Clone, Debug)]
pub struct Unread {
    /// The call.
    pub call: Call,
    /// What was said in it; `None` when it cannot be unpacked.
    pub bodies: Option<Bodies>,
}

/// What was said in a call, as text whose words are to be searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidText {
    /// The call.
    pub id: CallId,
    /// The text, without control characters; empty when there is none.
    pub text: String,
}

/// How much of what was said is kept, and for how long. What is no longer kept is overwritten on the
/// disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// See [`BODIES_BYTES_MAX`].
    pub bodies_bytes_max: u64,
    /// What was said in calls that began before is deleted; the calls stay.
    pub bodies_since: Option<UnixMs>,
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
    /// What guardrails found in it.
    pub hits: Vec<Hit>,
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
    check: Option<Check>,
}

/// A look through the file that is under way.
struct Check {
    stop: InterruptHandle,
    thread: JoinHandle<()>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("thread", &self.thread).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens `ledger.db` in `dir`, creates both if they are missing (readable by the user alone),
    /// migrates the database to this version and starts the thread that writes it. A damaged one is
    /// repaired. Blocks on the disk.
    ///
    /// # Errors
    /// When the folder or file cannot be opened or repaired, or the file is another program's
    /// database or comes from a newer version: then it is left as it is.
    pub fn open(dir: &Path, config: LedgerConfig) -> Result<Self, LedgerError> {
        repair::finish(dir)?;
        let opened = migrate::open(dir);
        let damage = opened.as_ref().err().and_then(LedgerError::damage);
        let (connection, recovery) = match damage {
            Some(reason) => {
                let recovery = repair::repair(dir, &reason)?;
                (migrate::open(dir)?, Some(recovery))
            }
            None => (opened?, None),
        };
        let reader = Reader::open(dir)?;
        let (writer, thread) = writer::start(connection, config, dir, &reader, recovery)?;
        Ok(Self { writer, reader, thread: Some(thread), check: None })
    }

    /// Looks through the whole file for damage, in a thread of its own beside everything else, and
    /// has what is found repaired; [`Progress::checked`] says when it is done. Asked again while it
    /// looks, it goes on looking.
    ///
    /// # Errors
    /// When the file cannot be opened once more, or there is no thread.
    pub fn check(&mut self) -> Result<(), LedgerError> {
        if self.check.as_ref().is_some_and(|it| !it.thread.is_finished()) {
            return Ok(());
        }
        let (connection, writer) = (self.reader.connect()?, self.writer());
        let stop = connection.get_interrupt_handle();
        let thread = thread::Builder::new()
            .name("ledger-check".to_owned())
            .spawn(move || match reader::damage(&connection) {
                Ok(damage) => writer.checked(damage),
                Err(error) => tracing::debug!(%error, "the ledger was not looked through"),
            })
            .map_err(LedgerError::Start)?;
        self.check = Some(Check { stop, thread });
        Ok(())
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
        if let Some(Check { stop, thread }) = self.check.take() {
            // It is not heard before the look begins.
            while !thread.is_finished() {
                stop.interrupt();
                thread::park_timeout(INTERRUPT_EVERY);
            }
            // What it found comes too late to be mended, and is found again.
            let _ = thread.join();
        }
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
