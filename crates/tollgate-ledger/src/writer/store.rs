//! One transaction for each batch of calls.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::time::Instant;
use tollgate_core::{Caller, caller::ProcessKey};

use crate::{
    Change, LedgerError, Retention, SaidText, Settled,
    migrate::BUSY_TIMEOUT,
    query::{Counted, Sums},
    tables::{
        STATEMENTS_MAX, answers,
        bodies::{self, Packer},
        callers,
        calls::{self, Place},
        dimensions::Dimension,
        guardrail_hits, routings, said,
        sums::{self, Pending, Touched},
    },
};

/// Row ids that are remembered; beyond that the memory starts afresh.
const REMEMBERED_MAX: usize = 4_096;

/// How often the words of what grew too old are taken out of the index, which may have to be written
/// anew for it; those of calls that somebody deletes are at once.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

pub(super) struct Store {
    connection: Connection,
    memory: Memory,
    packer: Packer,
    retention: Retention,
    /// Whether there may be more bodies than there may be.
    must_prune: bool,
    /// Whether bodies were too many and are being deleted.
    shrinks: bool,
    /// Whether the write-ahead log may still hold what was deleted.
    must_overwrite: bool,
    /// Whether words of what was deleted are being taken out of the index.
    must_forget: bool,
    /// When that was done last.
    forgot_at: Option<Instant>,
}

/// Ids of rows that calls point to, so that most calls need not look for them.
#[derive(Default)]
struct Memory {
    callers: HashMap<ProcessKey, (Caller, i64)>,
    dimensions: HashMap<Dimension, i64>,
}

/// What a batch adds up to.
#[derive(Default)]
struct Batch {
    sums: Pending,
    bodies_bytes: u64,
    refused: u64,
}

impl Store {
    pub(super) fn new(connection: Connection, bodies_bytes_max: u64) -> Result<Self, LedgerError> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let packer = Packer::new().map_err(LedgerError::Start)?;
        let must_prune = bodies::stored_bytes(&connection)? > bodies_bytes_max;
        let retention = Retention { bodies_bytes_max, bodies_since: None };
        // A gateway that was stopped before it was done with it goes on.
        let must_forget = said::are_left(&connection)?;
        Ok(Self {
            connection,
            memory: Memory::default(),
            packer,
            retention,
            must_prune,
            shrinks: false,
            must_overwrite: false,
            must_forget,
            forgot_at: None,
        })
    }

    /// Lets go of the file; nothing can be written until the next one is opened.
    pub(super) fn close(&mut self) -> rusqlite::Result<()> {
        self.memory = Memory::default();
        // Closing writes nothing that matters: what was committed is in the files.
        let _ = std::mem::replace(&mut self.connection, Connection::open_in_memory()?).close();
        Ok(())
    }

    /// Goes on with another file.
    pub(super) fn reopen(&mut self, connection: Connection) -> rusqlite::Result<()> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        self.connection = connection;
        self.must_prune = true;
        Ok(())
    }

    /// From now on.
    pub(super) fn keep(&mut self, retention: Retention) {
        self.retention = retention;
        self.must_prune = true;
    }

    /// Overwrites what was deleted in the write-ahead log too, if nobody reads it just now.
    pub(super) fn overwrite_log(&mut self) {
        if self.must_overwrite && !self.must_prune && !self.must_forget {
            self.empty_log();
        }
    }

    /// Brings what the write-ahead log holds into the file, if nobody reads it just now.
    pub(super) fn empty_log(&mut self) {
        let empty = || {
            self.connection.busy_timeout(Duration::ZERO)?;
            let busy: i64 =
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |it| it.get(0))?;
            self.connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok::<_, rusqlite::Error>(busy != 0)
        };
        match empty() {
            Ok(busy) => self.must_overwrite = busy,
            Err(error) => tracing::debug!(%error, "the ledger's log could not be emptied"),
        }
    }

    /// Writes all calls or none; gives how many the database refused for what they are.
    pub(super) fn commit(&mut self, settled: &[Settled]) -> rusqlite::Result<u64> {
        let result = self.try_commit(settled);
        if result.is_err() {
            // Ids from a transaction that was undone mean nothing.
            self.memory = Memory::default();
        }
        result
    }

    fn try_commit(&mut self, settled: &[Settled]) -> rusqlite::Result<u64> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::default();
        for one in settled {
            transaction.prepare_cached("SAVEPOINT one")?.execute([])?;
            match add(&transaction, &mut self.memory, &mut self.packer, one) {
                Ok(added) => batch.add(one, &added),
                Err(error) if concerns_one_row(&error) => {
                    transaction.prepare_cached("ROLLBACK TO one")?.execute([])?;
                    self.memory = Memory::default();
                    batch.refused += 1;
                    tracing::error!(call = %one.call.id, %error, "the ledger refused a call");
                }
                Err(error) => return Err(error),
            }
            transaction.prepare_cached("RELEASE one")?.execute([])?;
        }
        batch.sums.write(&transaction)?;
        let mut too_many = false;
        if batch.bodies_bytes > 0 {
            let stored = bodies::stored_bytes(&transaction)?.saturating_add(batch.bodies_bytes);
            bodies::set_stored_bytes(&transaction, stored)?;
            too_many = stored > self.retention.bodies_bytes_max;
        }
        transaction.commit()?;
        self.must_prune |= too_many;
        Ok(batch.refused)
    }

    /// Makes all changes or none, with the sums of the calls they concern; gives how many calls
    /// there were. One that is not in the ledger is passed over.
    pub(super) fn change(&mut self, changes: &[Change]) -> rusqlite::Result<u64> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut touched, mut found) = (Touched::default(), 0);
        let mut deleted = Deleted::default();
        for change in changes {
            let id = match change {
                Change::Cost(it) => it.id,
                Change::Delete(id) => *id,
            };
            let Some(place) = calls::place_of(&transaction, id)? else { continue };
            found += 1;
            touched.add(place.started_at_ms, place.dimension_id);
            match change {
                Change::Cost(it) => calls::set_cost(&transaction, place.seq, it)?,
                Change::Delete(_) => deleted.add(&transaction, &place)?,
            }
        }
        touched.rebuild(&transaction)?;
        deleted.finish(&transaction)?;
        transaction.commit()?;
        if !deleted.seqs.is_empty() {
            // Callers may be gone.
            self.memory = Memory::default();
            self.must_overwrite = true;
            self.must_forget = said::are_left(&self.connection)?;
        }
        Ok(found)
    }

    /// Adds texts to the index of what was said, all or none. One of a call that is gone is passed
    /// over.
    pub(super) fn index(&mut self, texts: &[SaidText]) -> rusqlite::Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut through = said::through(&transaction)?;
        for SaidText { id, text } in texts {
            let Some(seq) = calls::seq_of(&transaction, *id)? else { continue };
            if !text.is_empty() {
                said::insert(&transaction, seq, text)?;
            }
            through = through.max(seq);
        }
        said::set_through(&transaction, through)?;
        transaction.commit()
    }

    /// Whether [`Self::forget`] has something to do.
    pub(super) const fn must_forget(&self) -> bool {
        self.must_forget
    }

    /// Takes some of the words of what was deleted out of the index, in a transaction of its own. One
    /// that fails is tried again at the next start.
    pub(super) fn forget(&mut self) -> rusqlite::Result<()> {
        self.must_forget = false;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let more = said::forget_some(&transaction)?;
        transaction.commit()?;
        self.must_forget = more;
        self.must_overwrite = true;
        self.forgot_at = Some(Instant::now());
        Ok(())
    }

    /// Whether [`Self::prune`] has something to do.
    pub(super) const fn must_prune(&self) -> bool {
        self.must_prune
    }

    /// Deletes some of the oldest bodies, in a transaction of its own. One that fails is tried again
    /// when there are more bodies, or at the next start.
    pub(super) fn prune(&mut self) -> rusqlite::Result<()> {
        self.must_prune = false;
        let Retention { bodies_bytes_max, bodies_since } = self.retention;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let stored = bodies::stored_bytes(&transaction)?;
        let target = bodies::prune_target(bodies_bytes_max);
        let mut left = stored;
        let shrinks = self.shrinks || stored > bodies_bytes_max;
        if shrinks {
            left = bodies::prune_some(&transaction, left, target)?;
        }
        let mut more_are_old = false;
        if let Some(since) = bodies_since {
            (left, more_are_old) = bodies::prune_older(&transaction, left, since)?;
        }
        bodies::set_stored_bytes(&transaction, left)?;
        transaction.commit()?;
        self.must_overwrite |= left < stored;
        self.shrinks = shrinks && left > target;
        self.must_prune = self.shrinks || more_are_old;
        let is_time = self.forgot_at.is_none_or(|it| it.elapsed() >= FORGET_EVERY);
        if !self.must_prune && is_time {
            self.must_forget |= said::are_left(&self.connection)?;
        }
        Ok(())
    }
}

/// Calls that are deleted in one transaction.
#[derive(Default)]
struct Deleted {
    seqs: Vec<i64>,
    callers: BTreeSet<i64>,
    bodies_bytes: u64,
}

impl Deleted {
    fn add(&mut self, connection: &Connection, place: &Place) -> rusqlite::Result<()> {
        let sums = calls::sums_of_one(connection, place.seq)?;
        sums::keep_of_deleted(connection, place.started_at_ms, place.dimension_id, &sums)?;
        let bytes = bodies::stored_bytes_of(connection, place.seq)?;
        self.bodies_bytes = self.bodies_bytes.saturating_add(bytes);
        self.seqs.push(place.seq);
        self.callers.extend(place.caller_id);
        calls::delete(connection, place.seq)
    }

    fn finish(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.seqs.is_empty() {
            return Ok(());
        }
        for caller in &self.callers {
            callers::delete_if_unused(connection, *caller)?;
        }
        said::delete(connection, &self.seqs)?;
        said::calls_were_deleted(connection)?;
        let stored = bodies::stored_bytes(connection)?;
        bodies::set_stored_bytes(connection, stored.saturating_sub(self.bodies_bytes))
    }
}

struct Added {
    dimension_id: i64,
    sums: Sums,
    bodies_bytes: u64,
}

fn add(
    connection: &Connection,
    memory: &mut Memory,
    packer: &mut Packer,
    settled: &Settled,
) -> rusqlite::Result<Added> {
    let call = &settled.call;
    let caller_id = match &call.caller {
        Some(caller) => Some(memory.caller_id(connection, caller)?),
        None => None,
    };
    let dimension_id = memory.dimension_id(connection, Dimension::of(call))?;
    let usage = calls::believed(&call.usage);
    let seq = calls::insert(connection, call, &usage, caller_id, dimension_id)?;
    let bodies_bytes = match &settled.bodies {
        Some(said) => bodies::insert(connection, packer, seq, said)?,
        None => 0,
    };
    if let Some(routing) = &settled.routing {
        routings::insert(connection, seq, routing)?;
    }
    if !settled.hits.is_empty() {
        guardrail_hits::insert(connection, seq, call.started_at_ms.0, &settled.hits)?;
    }
    if let Some(id) = &settled.answer_id {
        answers::insert(connection, seq, id)?;
    }
    Ok(Added { dimension_id, sums: Counted::of(call, usage).sums(), bodies_bytes })
}

impl Batch {
    fn add(&mut self, settled: &Settled, added: &Added) {
        let call = &settled.call;
        let (at, simulated) = (call.started_at_ms.0, i64::from(call.simulated));
        self.sums.add(at, added.dimension_id, simulated, &added.sums);
        self.bodies_bytes = self.bodies_bytes.saturating_add(added.bodies_bytes);
    }
}

impl Memory {
    fn caller_id(&mut self, connection: &Connection, caller: &Caller) -> rusqlite::Result<i64> {
        if let Some((known, id)) = self.callers.get(&caller.process)
            && known == caller
        {
            return Ok(*id);
        }
        let id = callers::id_of(connection, caller)?;
        if self.callers.len() >= REMEMBERED_MAX {
            self.callers.clear();
        }
        self.callers.insert(caller.process, (caller.clone(), id));
        Ok(id)
    }

    fn dimension_id(
        &mut self,
        connection: &Connection,
        dimension: Dimension,
    ) -> rusqlite::Result<i64> {
        if let Some(id) = self.dimensions.get(&dimension) {
            return Ok(*id);
        }
        let id = dimension.id(connection)?;
        if self.dimensions.len() >= REMEMBERED_MAX {
            self.dimensions.clear();
        }
        self.dimensions.insert(dimension, id);
        Ok(id)
    }
}

/// Whether the row is at fault and not the disk: other rows can still be written.
fn concerns_one_row(error: &rusqlite::Error) -> bool {
    let of_the_row = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    );
    of_the_row || matches!(error, rusqlite::Error::ToSqlConversionFailure(_))
}
