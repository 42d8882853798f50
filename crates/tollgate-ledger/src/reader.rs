//! Answers to questions, from read-only connections.

mod spans;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tollgate_core::{Call, CallId, Routing, UnixMs};

use self::spans::{Buckets, Level, spans};
use crate::{
    Bodies, CallQuery, CostKey, CostRow, LedgerError, ProgramRow, SeriesPoint, Simulated, SumQuery,
    Sums, migrate,
    tables::{
        STATEMENTS_MAX, bodies, callers, calls,
        dimensions::{self, Dimension},
        routings,
        sums::{DAY_MS, Table},
    },
};

/// Connections that are kept for the next question.
const IDLE_MAX: usize = 4;

/// Processes shown for each program.
const PIDS_SHOWN: u32 = 8;

/// The shortest stretch of a series.
const SERIES_BUCKET_MS_MIN: i64 = 1_000;

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
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    /// Opens the ledger in `dir`, which another process may be writing.
    ///
    /// # Errors
    /// When there is none, it is not a ledger, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let path = migrate::path_in(dir);
        let connection = connect(&path)?;
        Ok(Self { shared: Arc::new(Shared { path, idle: Mutex::new(vec![connection]) }) })
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

    /// The sums of all calls that the query selects.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn totals(&self, query: &SumQuery) -> Result<Sums, LedgerError> {
        let mut total = Sums::default();
        self.sum(query, |_, sums| total.add(sums))?;
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
            CostKey::Day => self.sum_by_time(query, DAY_MS, |began, sums| {
                add(Some(spans::day_name(began, query.utc_offset_ms)), sums);
            })?,
            CostKey::Model => self.sum(query, |it, sums| {
                add(it.model_asked.clone().or_else(|| it.model_served.clone()), sums);
            })?,
            CostKey::Provider => self.sum(query, |it, sums| add(it.provider.clone(), sums))?,
            CostKey::Program => self.sum(query, |it, sums| add(it.program.clone(), sums))?,
            CostKey::Project => self.sum(query, |it, sums| add(it.project_root.clone(), sums))?,
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

    /// The sums of each stretch of `bucket_ms` (at least a second) in which there were calls, in
    /// order. Stretches of whole hours are fast over any length of time, others over some hundred
    /// thousand calls.
    ///
    /// # Errors
    /// See [`Self::calls`].
    pub fn cost_series(
        &self,
        bucket_ms: i64,
        query: &SumQuery,
    ) -> Result<Vec<SeriesPoint>, LedgerError> {
        let mut points: BTreeMap<i64, Sums> = BTreeMap::new();
        self.sum_by_time(query, bucket_ms.max(SERIES_BUCKET_MS_MIN), |began, sums| {
            points.entry(began).or_default().add(sums);
        })?;
        let points = points.into_iter();
        Ok(points.map(|(at, sums)| SeriesPoint { at_ms: UnixMs(at), sums }).collect())
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

    /// Feeds the sums of each dimension, from the whole days, whole hours and single calls that
    /// together make up the query's stretch of time.
    fn sum(
        &self,
        query: &SumQuery,
        mut take: impl FnMut(&Dimension, &Sums),
    ) -> Result<(), LedgerError> {
        self.ask(|connection| {
            let view = connection.unchecked_transaction()?;
            let mut folded: BTreeMap<i64, Sums> = BTreeMap::new();
            let mut fold = |_: i64, dimension: i64, sums: &Sums| {
                folded.entry(dimension).or_default().add(sums);
            };
            for span in spans(query.since, query.until, Level::Days) {
                match span.level {
                    Level::Calls => calls::each_sum(&view, span.from, span.until, &mut fold)?,
                    Level::Hours => Table::Hours.each(&view, span.from, span.until, &mut fold)?,
                    Level::Days => Table::Days.each(&view, span.from, span.until, &mut fold)?,
                }
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

    /// Feeds sums over all dimensions with the beginning of their bucket, in no order.
    fn sum_by_time(
        &self,
        query: &SumQuery,
        bucket_ms: i64,
        mut take: impl FnMut(i64, &Sums),
    ) -> Result<(), LedgerError> {
        let buckets = Buckets { length_ms: bucket_ms, utc_offset_ms: query.utc_offset_ms };
        self.ask(|connection| {
            let view = connection.unchecked_transaction()?;
            for span in spans(query.since, query.until, buckets.coarsest()) {
                if span.level == Level::Calls {
                    let simulated = dimensions::simulated(&view)?;
                    calls::each_sum(&view, span.from, span.until, |at, dimension, sums| {
                        if counts(query.simulated, simulated.contains(&dimension)) {
                            take(buckets.begin_of(at), sums);
                        }
                    })?;
                } else {
                    Table::HoursOfAll.each(&view, span.from, span.until, |at, flag, sums| {
                        if counts(query.simulated, flag == 1) {
                            take(buckets.begin_of(at), sums);
                        }
                    })?;
                }
            }
            Ok(())
        })
    }

    /// Answers a question on a connection of its own, which is kept for the next one.
    fn ask<T>(
        &self,
        answer: impl FnOnce(&Connection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let kept = self.idle().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => connect(&self.shared.path)?,
        };
        let result = answer(&connection);
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX && connection.is_autocommit() {
            idle.push(connection);
        }
        result
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A list of connections is whole whatever panicked beside it.
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    let connection = migrate::open_to_read(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

const fn counts(wanted: Simulated, simulated: bool) -> bool {
    match wanted {
        Simulated::Include => true,
        Simulated::Exclude => !simulated,
        Simulated::Only => simulated,
    }
}
