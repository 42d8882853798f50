//! A damaged database is set aside as it is, and what can still be read of it goes into a new one.
//!
//! SQLite finds a page by those that lead to it, so one page that cannot be read hides the rows on
//! it, or those of the pages below it; the ones after it can still be found by their number. Each
//! table is therefore read in the order of its numbers, and behind a row that cannot be read the
//! next one that can is looked for in growing steps. Sums are built anew from the calls.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, Row, params_from_iter,
    types::{Value, ValueRef},
};
use tollgate_core::PicoUsd;

use crate::{
    LedgerError, migrate,
    tables::{answers, bodies, calls, guardrail_hits, routings, sums},
};

/// What was saved of a damaged ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Where the damaged file is now; the files beside it that begin with its name belong to it.
    pub aside: PathBuf,
    /// What was wrong with it, in SQLite's words.
    pub reason: String,
    /// Calls that are in the new ledger.
    pub calls: u64,
    /// Calls that are not; `None` where the damaged file no longer says how many there were.
    pub lost: Option<u64>,
    /// What the lost calls cost, as far as that was known; `None` as for `lost`.
    pub lost_cost: Option<PicoUsd>,
    /// Saved calls whose requests and answers are there too.
    pub with_bodies: u64,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aside, reason, calls, lost, lost_cost, with_bodies } = self;
        write!(
            f,
            "the ledger was damaged ({reason}) and is now `{}`; {calls} calls were saved into a new \
             one, {with_bodies} of them with what was said",
            aside.display()
        )?;
        match (lost, lost_cost) {
            (Some(0), _) => write!(f, "; no call was lost"),
            (Some(lost), Some(cost)) => write!(f, "; {lost} calls, of {cost}, were lost"),
            (Some(lost), None) => write!(f, "; {lost} calls were lost"),
            (None, _) => write!(f, "; how many were lost is not known"),
        }
    }
}

/// The folder in which the new database is made, so that half of one is never taken for it.
const WORKSHOP: &str = "ledger-repair";

/// Rows in one transaction.
const BATCH_ROWS: u64 = 10_000;

/// Steps over numbers grow to this; a ledger has fewer rows.
const STEP_MAX: i64 = 1 << 40;

/// Tables whose rows have numbers, with the column of the number, each after those that it refers to.
const TABLES: [(&str, &str); 6] = [
    ("callers", "id"),
    ("dimensions", "id"),
    ("calls", "seq"),
    ("bodies", "call_seq"),
    ("routings", "call_seq"),
    ("deleted_quarters", "id"),
];

/// Sets the ledger in `dir` aside and puts what can be read of it in its place. Nobody may be
/// writing it.
///
/// # Errors
/// When the new one cannot be written; the damaged one is then where it was.
pub(crate) fn repair(dir: &Path, reason: &str) -> Result<Recovery, LedgerError> {
    tracing::error!(reason, "the ledger is damaged: what can be read is saved into a new one");
    let workshop = dir.join(WORKSHOP);
    let failed = |source| LedgerError::Prepare { path: workshop.clone(), source };
    if workshop.exists() {
        fs::remove_dir_all(&workshop).map_err(failed)?;
    }
    let path = migrate::path_in(dir);
    let mut new = migrate::open(&workshop)?;
    let saved = save(&path, &mut new)
        .map_err(|source| LedgerError::Repair { path: path.clone(), source })?;
    // Closing brings everything into the one file.
    new.close().map_err(|(_, source)| LedgerError::Repair { path: path.clone(), source })?;
    let aside = set_aside(dir).map_err(failed)?;
    fs::rename(migrate::path_in(&workshop), &path).map_err(failed)?;
    fs::remove_dir_all(&workshop).map_err(failed)?;
    let recovery = Recovery { aside, reason: reason.to_owned(), ..saved };
    if let Err(error) = report(&recovery) {
        tracing::warn!(%error, "the report of the repair could not be written");
    }
    tracing::error!(
        aside = %recovery.aside.display(),
        calls = recovery.calls,
        lost = recovery.lost,
        "the ledger was repaired"
    );
    Ok(recovery)
}

/// Puts a repaired ledger in its place where that was all that was left to do when a repair died: the
/// damaged one is set aside only once the new one is whole.
///
/// # Errors
/// When that cannot be done.
pub(crate) fn finish(dir: &Path) -> Result<(), LedgerError> {
    let (path, new) = (migrate::path_in(dir), migrate::path_in(&dir.join(WORKSHOP)));
    if path.exists() || !new.exists() {
        return Ok(());
    }
    tracing::warn!("a repair of the ledger that did not end is ended");
    fs::rename(&new, &path).map_err(|source| LedgerError::Prepare { path, source })
}

/// Writes down what was saved, beside the damaged file.
fn report(recovery: &Recovery) -> io::Result<()> {
    let path = recovery.aside.with_extension("txt");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{recovery}")
}

/// Gives the database and the files that belong to it another name.
fn set_aside(dir: &Path) -> io::Result<PathBuf> {
    let path = migrate::path_in(dir);
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let aside = (0_u32..)
        .map(|it| if it == 0 { String::new() } else { format!("-{it}") })
        .map(|more| dir.join(format!("ledger-damaged-{now}{more}.db")))
        .find(|it| !it.exists())
        .unwrap_or_else(|| dir.join("ledger-damaged.db"));
    // The log goes first: beside another database it would be taken for that one's.
    for ending in ["-wal", "-shm", ""] {
        let of = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        match fs::rename(of(&path), of(&aside)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(aside)
}

/// Copies what can be read. An error is one of the new database's.
fn save(old: &Path, new: &mut Connection) -> rusqlite::Result<Recovery> {
    let mut recovery = Recovery {
        aside: PathBuf::new(),
        reason: String::new(),
        calls: 0,
        lost: None,
        lost_cost: None,
        with_bodies: 0,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(old) = Connection::open_with_flags(old, flags) else { return Ok(recovery) };
    let tuned = old
        .busy_timeout(migrate::BUSY_TIMEOUT)
        // A cell that leaves its page is then found before it is read.
        .and_then(|()| old.pragma_update(None, "cell_size_check", true));
    if tuned.is_err() {
        return Ok(recovery);
    }
    for (table, key) in TABLES {
        let saved = Copy::new(&old, new, table, key)?.map_or(Ok(0), |it| it.run(new))?;
        match table {
            "calls" => recovery.calls = saved,
            "bodies" => recovery.with_bodies = saved,
            _ => {}
        }
    }
    let transaction = new.transaction()?;
    answers::copy(&old, &transaction)?;
    guardrail_hits::copy(&old, &transaction)?;
    sums::rebuild_all(&transaction)?;
    bodies::recount(&transaction)?;
    transaction.commit()?;
    // Both count what was deleted.
    if let (Ok((calls, cost)), Ok((saved, saved_cost))) =
        (sums::of_everything(&old), sums::of_everything(new))
    {
        recovery.lost = Some(calls.saturating_sub(saved));
        recovery.lost_cost = Some(PicoUsd(cost.0.saturating_sub(saved_cost.0)));
    }
    Ok(recovery)
}

/// A table that is copied.
struct Copy<'a> {
    old: &'a Connection,
    table: &'static str,
    /// From the row with a number, or behind it.
    select: String,
    insert: String,
}

impl<'a> Copy<'a> {
    /// `None` when the damaged database no longer says what the table is like.
    fn new(
        old: &'a Connection,
        new: &Connection,
        table: &'static str,
        key: &str,
    ) -> rusqlite::Result<Option<Self>> {
        let Ok(had) = columns(old, table) else { return Ok(None) };
        // An older version's table has fewer.
        let common: Vec<_> =
            columns(new, table)?.into_iter().filter(|it| it != key && had.contains(it)).collect();
        if common.is_empty() {
            return Ok(None);
        }
        let names = common.join(", ");
        let values = (2..).zip(&common).map(|(at, name)| match name.as_str() {
            // The process is gone, the call is not.
            "caller_id" => format!("(SELECT id FROM callers WHERE id = ?{at})"),
            _ => format!("?{at}"),
        });
        let values = values.collect::<Vec<_>>().join(", ");
        Ok(Some(Self {
            old,
            table,
            select: format!("SELECT {key}, {names} FROM {table} WHERE {key} >= ?1 ORDER BY {key}"),
            insert: format!("INSERT INTO {table} ({key}, {names}) VALUES (?1, {values})"),
        }))
    }

    /// Copies the rows, and gives how many there are.
    fn run(&self, new: &mut Connection) -> rusqlite::Result<u64> {
        let (mut from, mut copied) = (Some(i64::MIN), 0);
        while let Some(start) = from {
            let transaction = new.transaction()?;
            let (next, rows) = self.batch(&transaction, start)?;
            transaction.commit()?;
            copied += rows;
            from = next;
        }
        Ok(copied)
    }

    /// Copies rows from this number on; gives the number to go on from, if there may be more.
    fn batch(&self, new: &Connection, start: i64) -> rusqlite::Result<(Option<i64>, u64)> {
        let (mut next, mut copied) = (start, 0);
        let Ok(mut select) = self.old.prepare_cached(&self.select) else { return Ok((None, 0)) };
        let Ok(mut rows) = select.query([start]) else { return Ok((None, 0)) };
        for _ in 0..BATCH_ROWS {
            let values = match rows.next() {
                Ok(None) => return Ok((None, copied)),
                Ok(Some(row)) => read(row),
                Err(error) => Err(error),
            };
            // Pages that lead back to others would be read without an end.
            let Some((number, values)) = values.ok().filter(|it| it.0 >= next) else {
                drop(rows);
                return Ok((self.behind(next), copied));
            };
            copied += u64::from(self.put(new, number, values)?);
            let Some(after) = number.checked_add(1) else { return Ok((None, copied)) };
            next = after;
        }
        Ok((Some(next), copied))
    }

    /// The next number from which on a row can be read, behind one where none can.
    fn behind(&self, start: i64) -> Option<i64> {
        let reads = |from: i64| {
            let mut select = self.old.prepare_cached(&self.select).ok()?;
            let mut rows = select.query([from]).ok()?;
            let row = rows.next().ok()?;
            Some(row.is_none_or(|it| read(it).is_ok_and(|(number, _)| number >= from)))
        };
        let reads = |from| reads(from).unwrap_or(false);
        let start = start.max(0);
        let (mut bad, mut step) = (start, 1);
        let mut good = loop {
            let at = start.checked_add(step)?;
            if reads(at) {
                break at;
            }
            if step >= STEP_MAX {
                return None;
            }
            (bad, step) = (at, step * 2);
        };
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2;
            if reads(middle) { good = middle } else { bad = middle }
        }
        Some(good)
    }

    /// Adds a row, unless it is not what such a row can be; says whether it did.
    fn put(&self, new: &Connection, number: i64, values: Vec<Value>) -> rusqlite::Result<bool> {
        let mut insert = new.prepare_cached(&self.insert)?;
        let all = std::iter::once(Value::Integer(number)).chain(values);
        match insert.execute(params_from_iter(all)) {
            Ok(_) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        match self.table {
            "calls" => calls::keep_if_readable(new, number),
            "bodies" => bodies::keep_if_readable(new, number),
            "routings" => routings::keep_if_readable(new, number),
            _ => Ok(true),
        }
    }
}

/// The names of a table's columns.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut names = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    names.query_map([table], |row| row.get(0))?.collect()
}

/// A row's number and its other values.
fn read(row: &Row<'_>) -> rusqlite::Result<(i64, Vec<Value>)> {
    let count = row.as_ref().column_count();
    let values = (1..count).map(|at| {
        Ok(match row.get_ref(at)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(it) => Value::Integer(it),
            ValueRef::Real(it) => Value::Real(it),
            text @ ValueRef::Text(_) => Value::Text(text.as_str()?.to_owned()),
            ValueRef::Blob(it) => Value::Blob(it.to_owned()),
        })
    });
    Ok((row.get(0)?, values.collect::<rusqlite::Result<_>>()?))
}
