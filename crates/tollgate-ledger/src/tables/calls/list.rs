//! Pages of calls, newest first, with conditions.

use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};
use tollgate_core::{Call, CallId};

use super::{COLUMNS, JOINS, get, read};
use crate::{
    CALLS_LIMIT_MAX, CallFilter, CallQuery,
    query::Simulated,
    tables::{Columns, callers, dimensions, name_of},
};

/// Combinations of what calls are counted by that are looked through one by one; beyond that a page
/// is found by walking all calls from the newest on.
const DIMENSIONS_MAX: usize = 256;

/// A page of calls, newest first.
pub(crate) fn list(connection: &Connection, query: &CallQuery) -> rusqlite::Result<Vec<Call>> {
    let limit = query.limit.min(CALLS_LIMIT_MAX);
    let mut dimension = Conditions::default();
    dimension.of_dimension(&query.filter);
    let mut conditions = Conditions::default();
    conditions.of_call(connection, query)?;
    if let Some(search) = &query.filter.said {
        conditions.parts.extend(dimension.parts);
        conditions.values.extend(dimension.values);
        conditions.needs_dimension = true;
        // Looked for once, and not for each dimension.
        let found = [Value::Text(search.as_sql().to_owned())];
        conditions.and("c.seq IN (SELECT rowid FROM said WHERE said MATCH ?)", found);
        return calls_with(connection, newest(connection, conditions, limit)?);
    }
    if dimension.selects_few {
        let ids = dimension_ids(connection, &dimension)?;
        if ids.len() <= DIMENSIONS_MAX {
            return list_of_dimensions(connection, &ids, &conditions, limit);
        }
    }
    conditions.parts.extend(dimension.parts);
    conditions.values.extend(dimension.values);
    let sql = format!(
        "SELECT {COLUMNS}, {}, {} FROM {JOINS} {} ORDER BY c.started_at_ms DESC, c.id DESC \
         LIMIT {limit}",
        dimensions::COLUMNS,
        callers::COLUMNS,
        conditions.sql()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params_from_iter(conditions.values), |row| read(&mut Columns::of(row)))?;
    rows.collect()
}

/// The dimensions that the conditions select: at most one more than are looked through one by one.
fn dimension_ids(connection: &Connection, conditions: &Conditions) -> rusqlite::Result<Vec<i64>> {
    let sql =
        format!("SELECT d.id FROM dimensions d {} LIMIT {}", conditions.sql(), DIMENSIONS_MAX + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&conditions.values), |row| row.get(0))?;
    rows.collect()
}

/// A page of the calls of some dimensions: the newest of each, merged.
fn list_of_dimensions(
    connection: &Connection,
    ids: &[i64],
    conditions: &Conditions,
    limit: usize,
) -> rusqlite::Result<Vec<Call>> {
    let mut all = Vec::new();
    for id in ids {
        let mut conditions = conditions.clone();
        conditions.and("c.dimension_id = ?", [Value::Integer(*id)]);
        all.extend(newest(connection, conditions, limit)?);
    }
    all.sort_unstable_by(|a, b| b.cmp(a));
    all.truncate(limit);
    calls_with(connection, all)
}

/// When a call began, and its id.
type Begun = (i64, [u8; 16]);

/// The newest calls for which the conditions hold.
fn newest(
    connection: &Connection,
    conditions: Conditions,
    limit: usize,
) -> rusqlite::Result<Vec<Begun>> {
    let joins = if conditions.needs_dimension {
        "calls c CROSS JOIN dimensions d ON d.id = c.dimension_id"
    } else {
        "calls c"
    };
    let sql = format!(
        "SELECT c.started_at_ms, c.id FROM {joins} {} \
         ORDER BY c.started_at_ms DESC, c.id DESC LIMIT {limit}",
        conditions.sql()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params_from_iter(conditions.values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn calls_with(connection: &Connection, begun: Vec<Begun>) -> rusqlite::Result<Vec<Call>> {
    let calls = begun.into_iter().map(|(_, id)| get(connection, CallId::from_bytes(id)));
    calls.filter_map(Result::transpose).collect()
}

/// A `WHERE` clause and its values.
#[derive(Clone, Default)]
struct Conditions {
    parts: Vec<&'static str>,
    values: Vec<Value>,
    /// Whether a condition on a call also looks at its dimension.
    needs_dimension: bool,
    /// Whether a condition on dimensions usually selects few of them.
    selects_few: bool,
}

impl Conditions {
    fn of_dimension(&mut self, filter: &CallFilter) {
        let text = |value: &String| Value::Text(value.clone());
        if let Some(program) = &filter.program {
            self.and("d.program = ?", [text(program)]);
        }
        if let Some(project) = &filter.project {
            let values = [text(project), text(project)];
            self.and("(d.project_name = ? OR d.project_root = ?)", values);
        }
        if let Some(provider) = &filter.provider {
            self.and("d.provider = ?", [text(provider)]);
        }
        if let Some(model) = &filter.model {
            self.and("(d.model_asked = ? OR d.model_served = ?)", [text(model), text(model)]);
        }
        if let Some(key) = &filter.key {
            self.and("d.key = ?", [text(key)]);
        }
        self.selects_few = !self.parts.is_empty();
        match filter.simulated {
            Simulated::Include => {}
            Simulated::Exclude => self.and("d.simulated = ?", [Value::Integer(0)]),
            Simulated::Only => self.and("d.simulated = ?", [Value::Integer(1)]),
        }
    }

    fn of_call(&mut self, connection: &Connection, query: &CallQuery) -> rusqlite::Result<()> {
        if let Some(since) = query.since {
            self.and("c.started_at_ms >= ?", [since.0.into()]);
        }
        if let Some(until) = query.until {
            self.and("c.started_at_ms < ?", [until.0.into()]);
        }
        if let Some(id) = query.before {
            let began = began_at(connection, id)?;
            let id = Value::Blob(id.as_bytes().to_vec());
            self.and("(c.started_at_ms, c.id) < (?, ?)", [began.into(), id]);
        }
        if let Some(outcome) = &query.filter.outcome {
            self.and("c.outcome = ?", [Value::Text(name_of(outcome)?)]);
        }
        if let Some(reason) = &query.filter.cost_unknown {
            self.and(
                "(c.cost_pico_usd IS NULL AND c.cost_unknown = ?)",
                [Value::Text(name_of(reason)?)],
            );
        }
        if let Some(wanted) = &query.filter.text {
            self.needs_dimension = true;
            self.and(
                "(concat_ws(char(10), d.program, d.project_name, d.provider, d.model_asked, \
                 d.model_served, c.path, c.stop_reason, c.error_code, c.error_message) \
                 LIKE ? ESCAPE '\\')",
                [Value::Text(like(wanted))],
            );
        }
        Ok(())
    }

    fn and<const N: usize>(&mut self, condition: &'static str, values: [Value; N]) {
        self.parts.push(condition);
        self.values.extend(values);
    }

    fn sql(&self) -> String {
        if self.parts.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.parts.join(" AND "))
        }
    }
}

/// A `LIKE` pattern for texts that contain `wanted`.
fn like(wanted: &str) -> String {
    let mut pattern = String::from("%");
    for character in wanted.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// When the call began; for one that is not in the ledger, the time that its id carries.
fn began_at(connection: &Connection, id: CallId) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached("SELECT started_at_ms FROM calls WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    let [a, b, c, d, e, f, ..] = *id.as_bytes();
    Ok(known.unwrap_or_else(|| i64::from_be_bytes([0, 0, a, b, c, d, e, f])))
}
