//! Answers to questions, from read-only connections.

mod backup;
mod calendar;
mod spans;
pub(crate) mod spent;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tollgate_core::{Call, CallId, Routing, UnixMs};

use self::{
    calendar::{Calendar, Stretch, day_name},
    spans::{spans, widened},
};
use crate::{
    Bodies, CallQuery, CostKey, CostRow, HITS_LIMIT_MAX, HitQuery, LedgerError, ProgramRow,
    SeriesPoint, Simulated, Step, StoredHit, SumQuery, Sums, Unread,
    error::is_damage,
    migrate,
    tables::{
        STATEMENTS_MAX, answers, bodies, callers, calls,
        dimensions::Dimension,
        guardrail_hits, routings, said,
        sums::{self, Table},
    },
};

/// Connections that are kept for the next question.
const IDLE_MAX: usize = 4;

/// Processes shown for each program.
const PIDS_SHOWN: u32 = 8;

/// Reads the ledger; cheap to clone. Every method blocks on the disk: call it from a thread that
/// may. Each answer is one consistent view of the ledger, and never waits for the writer.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// Projects by root, then name.
type Roots = BTreeSet<(String, String)>;

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    idle: Mutex<Idle>,
}

/// Connections to the file that is the ledger now.
#[derive(Debug, Default)]
struct Idle {
    /// Grows when another file becomes the ledger.
    file: u64,
    connections: Vec<Connection>,
}

impl Reader {
    /// Opens the ledger in `dir`, which another process may be writing.
    ///
    /// # Errors
    /// When there is none, it is not a ledger, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let path = migrate::path_in(dir);
        let connection = connect(&path)?;
        let idle = Mutex::new(Idle { file: 0, connections: vec![connection] });
        Ok(Self { shared: Arc::new(Shared { path, idle }) })
    }

    /// A page of calls, newest first.
    ///
    /// # Errors
    /// When the database cannot be read, as for every method.
    pub fn calls(&self, query: &CallQuery) -> Result<Vec<Call>, LedgerError> {
        self.ask(|connection| {
            let view = connection.unchecked_transaction()?;
            Ok(calls::list(&view, query)?)
        })
    }

    /// One call; `None` when it is not in the ledger.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn call(&self, id: CallId) -> Result<Option<Call>, LedgerError> {
        self.ask(|connection| Ok(calls::get(connection, id)?))
    }

    /// What was said in a call; `None` when it was not kept or is gone.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn bodies(&self, id: CallId) -> Result<Option<Bodies>, LedgerError> {
        self.ask(|connection| match calls::seq_of(connection, id)? {
            Some(seq) => bodies::get(connection, seq),
            None => Ok(None),
        })
    }

    /// What was said in the call whose answer has this id; `None` when there is none, or what was
    /// said is not kept.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn bodies_of_answer(&self, answer_id: &str) -> Result<Option<Bodies>, LedgerError> {
        self.ask(|connection| match answers::call_seq(connection, answer_id)? {
            Some(seq) => bodies::get(connection, seq),
            None => Ok(None),
        })
    }

    /// The first calls whose words are not in the index of what was said yet, the oldest first: at
    /// most so many, and after the first only while what was said in them has at most `bytes_max`
    /// bytes.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn unread(&self, limit: usize, bytes_max: u64) -> Result<Vec<Unread>, LedgerError> {
        self.ask(|connection| {
            let view = connection.unchecked_transaction()?;
            let mut unread = Vec::new();
            let mut bytes = 0_u64;
            for (seq, length) in said::unread(&view, limit)? {
                bytes = bytes.saturating_add(length);
                if bytes > bytes_max && !unread.is_empty() {
                    break;
                }
                if let Some(call) = calls::get_row(&view, seq)? {
                    let bodies = match bodies::get(&view, seq) {
                        // Nothing in it can be found, and the next ones can.
                        Err(LedgerError::Unpack(_)) => None,
                        result => result?,
                    };
                    unread.push(Unread { call, bodies });
                }
            }
            Ok(unread)
        })
    }

    /// Bytes that all that was said takes in the ledger, compressed.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn bodies_bytes(&self) -> Result<u64, LedgerError> {
        self.ask(|connection| Ok(bodies::stored_bytes(connection)?))
    }

    /// How many calls there are whose words are not in the index of what was said yet: a search does
    /// not find them.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn unread_calls(&self) -> Result<u64, LedgerError> {
        self.ask(|connection| Ok(said::unread_calls(connection)?))
    }

    /// How a call came to its provider; `None` when there was nothing to decide.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn routing(&self, id: CallId) -> Result<Option<Routing>, LedgerError> {
        self.ask(|connection| match calls::seq_of(connection, id)? {
            Some(seq) => routings::get(connection, seq),
            None => Ok(None),
        })
    }

    /// What guardrails found in a call, in order.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn hits_of(&self, id: CallId) -> Result<Vec<StoredHit>, LedgerError> {
        self.ask(|connection| guardrail_hits::of_call(connection, id))
    }

    /// What guardrails found, newest first.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn hits(&self, query: &HitQuery) -> Result<Vec<StoredHit>, LedgerError> {
        let query = HitQuery { limit: query.limit.min(HITS_LIMIT_MAX), ..query.clone() };
        self.ask(|connection| Ok(guardrail_hits::list(connection, &query)?))
    }

    /// One hit; `None` when it is not in the ledger.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn hit(&self, number: i64) -> Result<Option<StoredHit>, LedgerError> {
        self.ask(|connection| Ok(guardrail_hits::get(connection, number)?))
    }

    /// Writes a copy of the ledger as it is now into a new file that the user alone may read, and
    /// gives its size in bytes. The ledger may be written meanwhile. The copy is a ledger: under the
    /// name `ledger.db` in a folder of its own it can be opened.
    ///
    /// # Errors
    /// When there is such a file already, or it cannot be written; what was written of it is gone.
    pub fn backup(&self, to: &Path) -> Result<u64, LedgerError> {
        self.ask(|connection| {
            backup::write(connection, to)
                .map_err(|source| LedgerError::Backup { path: to.to_owned(), source })
        })
    }

    /// The sums of all calls that the query selects.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn totals(&self, query: &SumQuery) -> Result<Sums, LedgerError> {
        let mut total = Sums::default();
        // Whatever the dimensions are, these are the fewest rows.
        self.sum_by_time(query, Step::Day, |_, sums| total.add(sums))?;
        Ok(total)
    }

    /// The sums by a key: the dearest first, then the most calls, then by key; days in order.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn costs(&self, by: CostKey, query: &SumQuery) -> Result<Vec<CostRow>, LedgerError> {
        let mut rows: BTreeMap<Option<String>, Sums> = BTreeMap::new();
        let mut add = |key, sums: &Sums| rows.entry(key).or_default().add(sums);
        match by {
            CostKey::Day => self.sum_by_time(query, Step::Day, |day, sums| {
                add(Some(day_name(&query.zone, day.from)), sums);
            })?,
            CostKey::Model => self.sum(query, |it, sums| {
                add(it.model().map(str::to_owned), sums);
            })?,
            CostKey::Provider => self.sum(query, |it, sums| add(it.provider.clone(), sums))?,
            CostKey::Program => self.sum(query, |it, sums| add(it.program.clone(), sums))?,
            CostKey::Project => self.sum(query, |it, sums| add(it.project_root.clone(), sums))?,
            CostKey::Key => self.sum(query, |it, sums| add(it.key.clone(), sums))?,
            CostKey::Format => self.sum(query, |it, sums| {
                add(it.format.map(|it| it.as_str().to_owned()), sums);
            })?,
        }
        let mut rows: Vec<CostRow> =
            rows.into_iter().map(|(key, sums)| CostRow { key, sums }).collect();
        if by != CostKey::Day {
            rows.sort_by(|a, b| {
                (b.sums.cost, b.sums.calls, &a.key).cmp(&(a.sums.cost, a.sums.calls, &b.key))
            });
        }
        Ok(rows)
    }

    /// The sums of each local hour or day in order, from the one that `since` lies in (without it:
    /// the first call) to the one that `until` does (the last), those without calls too.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn cost_series(
        &self,
        step: Step,
        query: &SumQuery,
    ) -> Result<Vec<SeriesPoint>, LedgerError> {
        let mut known: BTreeMap<i64, Sums> = BTreeMap::new();
        self.sum_by_time(query, step, |it, sums| known.entry(it.from).or_default().add(sums))?;
        let first = query.since.map(|it| it.0).or_else(|| known.keys().next().copied());
        let last = query.until.map(|it| it.0 - 1).or_else(|| known.keys().next_back().copied());
        let (Some(mut at), Some(last)) = (first, last) else { return Ok(Vec::new()) };
        let mut calendar = Calendar::new(&query.zone, step);
        let mut points = Vec::new();
        while at <= last {
            let Stretch { from, until } = calendar.stretch_of(at);
            let sums = known.remove(&from).unwrap_or_default();
            points.push(SeriesPoint { at_ms: UnixMs(from), until_ms: UnixMs(until), sums });
            at = until;
        }
        Ok(points)
    }

    /// When the first call of these began; `None` when there is none.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn first_call_at(&self, simulated: Simulated) -> Result<Option<UnixMs>, LedgerError> {
        self.ask(|connection| {
            let view = connection.unchecked_transaction()?;
            let flags = [0, 1].into_iter().filter(|it| counts(simulated, *it == 1));
            let firsts = flags.map(|it| sums::first_at(&view, it));
            let firsts = firsts.collect::<Result<Vec<_>, _>>()?;
            Ok(firsts.into_iter().flatten().min())
        })
    }

    /// The programs that called, the dearest first, then the most calls, then by name.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn programs(&self, query: &SumQuery) -> Result<Vec<ProgramRow>, LedgerError> {
        let mut programs: BTreeMap<Option<String>, (Sums, Roots)> = BTreeMap::new();
        self.sum(query, |dimension, more| {
            let (sums, projects) = programs.entry(dimension.program.clone()).or_default();
            sums.add(more);
            if let (Some(root), Some(name)) = (&dimension.project_root, &dimension.project_name) {
                projects.insert((root.clone(), name.clone()));
            }
        })?;
        let mut rows = self.ask(|connection| {
            let rows = programs.into_iter().map(|(program, (sums, projects))| {
                let latest = match &program {
                    Some(name) => callers::latest(connection, name, PIDS_SHOWN)?,
                    None => Vec::new(),
                };
                let exe = latest.first().and_then(|(exe, _)| exe.clone());
                let projects = projects
                    .into_iter()
                    .map(|(root, name)| tollgate_core::caller::Project { name, root })
                    .collect();
                let pids = latest.into_iter().map(|(_, pid)| pid).collect();
                Ok(ProgramRow { program, exe, sums, projects, pids })
            });
            rows.collect::<Result<Vec<_>, LedgerError>>()
        })?;
        rows.sort_by(|a, b| {
            let (x, y) = (&a.sums, &b.sums);
            (y.cost, y.calls, &a.program).cmp(&(x.cost, x.calls, &b.program))
        });
        Ok(rows)
    }

    /// Feeds the sums of each dimension.
    fn sum(
        &self,
        query: &SumQuery,
        mut take: impl FnMut(&Dimension, &Sums),
    ) -> Result<(), LedgerError> {
        self.ask(|connection| {
            let view = connection.unchecked_transaction()?;
            let mut folded: BTreeMap<i64, Sums> = BTreeMap::new();
            for span in spans(widened(query.since, query.until)) {
                span.table.each(&view, span.from, span.until, |_, dimension, sums| {
                    folded.entry(dimension).or_default().add(sums);
                })?;
            }
            for (id, sums) in &folded {
                let dimension = Dimension::with_id(&view, *id)?;
                if counts(query.simulated, dimension.simulated) {
                    take(&dimension, sums);
                }
            }
            Ok(())
        })
    }

    /// Feeds sums over all dimensions with the local hour or day they belong to, in order.
    fn sum_by_time(
        &self,
        query: &SumQuery,
        step: Step,
        mut take: impl FnMut(Stretch, &Sums),
    ) -> Result<(), LedgerError> {
        let mut calendar = Calendar::new(&query.zone, step);
        let (from, until) = widened(query.since, query.until);
        self.ask(|connection| {
            let view = connection.unchecked_transaction()?;
            Table::QuartersOfAll.each(&view, from, until, |at, flag, sums| {
                if counts(query.simulated, flag == 1) {
                    take(calendar.stretch_of(at), sums);
                }
            })?;
            Ok(())
        })
    }

    /// Answers a question on a connection of its own, which is kept for the next one.
    fn ask<T>(
        &self,
        answer: impl FnOnce(&Connection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let (file, kept) = {
            let mut idle = self.idle();
            (idle.file, idle.connections.pop())
        };
        let connection = match kept {
            Some(connection) => connection,
            None => connect(&self.shared.path)?,
        };
        let result = answer(&connection);
        let mut idle = self.idle();
        if idle.file == file && idle.connections.len() < IDLE_MAX && connection.is_autocommit() {
            idle.connections.push(connection);
        }
        result
    }

    /// A connection of one's own.
    pub(crate) fn connect(&self) -> Result<Connection, LedgerError> {
        connect(&self.shared.path)
    }

    /// Asks the file that is there now, and no other that was renamed.
    pub(crate) fn renew(&self) {
        let mut idle = self.idle();
        idle.file += 1;
        idle.connections.clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        // A list of connections is whole whatever panicked beside it.
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    let connection = migrate::open_to_read(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// What is wrong with the file that the connection reads; `None` when nothing is. Looks at every page
/// but not at whether indexes and tables agree.
pub(crate) fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found {
        Ok(found) => Ok((found != "ok").then_some(found)),
        Err(error) if is_damage(&error) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

const fn counts(wanted: Simulated, simulated: bool) -> bool {
    match wanted {
        Simulated::Include => true,
        Simulated::Exclude => !simulated,
        Simulated::Only => simulated,
    }
}
