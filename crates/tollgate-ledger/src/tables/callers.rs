//! `callers`: programs that asked. Equal descriptions share a row.

use rusqlite::{Connection, OptionalExtension, params};
use tollgate_core::{
    Caller,
    caller::{ProcessKey, Project},
};

use super::{Columns, bits, json_of, name_of};

/// The columns of [`read`], for a query in which the table is named `p`.
pub(crate) const COLUMNS: &str = "p.id, p.pid, p.started_at_ns, p.program, p.exe, p.argv, p.cwd, \
     p.uid, p.user, p.ancestors, p.cgroup, p.project_name, p.project_root, p.source";

/// The id of the row that describes this caller, which is added if it is missing.
pub(crate) fn id_of(connection: &Connection, caller: &Caller) -> rusqlite::Result<i64> {
    let (argv, ancestors) = (json_of(&caller.argv)?, json_of(&caller.ancestors)?);
    let source = name_of(&caller.source)?;
    let project = caller.project.as_ref();
    let values = params![
        caller.process.pid,
        bits(caller.process.started_at_ns),
        caller.program,
        caller.exe,
        argv,
        caller.cwd,
        caller.uid,
        caller.user,
        ancestors,
        caller.cgroup,
        project.map(|it| &it.name),
        project.map(|it| &it.root),
        source,
    ];
    let known = connection
        .prepare_cached(
            "SELECT id FROM callers WHERE pid = ?1 AND started_at_ns = ?2 AND program = ?3 \
             AND exe IS ?4 AND argv = ?5 AND cwd IS ?6 AND uid = ?7 AND user IS ?8 \
             AND ancestors = ?9 AND cgroup IS ?10 AND project_name IS ?11 \
             AND project_root IS ?12 AND source = ?13",
        )?
        .query_row(values, |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection
        .prepare_cached(
            "INSERT INTO callers (pid, started_at_ns, program, exe, argv, cwd, uid, user, \
             ancestors, cgroup, project_name, project_root, source) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .insert(values)
}

/// Reads [`COLUMNS`]; `None` when the call has no caller.
pub(crate) fn read(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Option<Caller>> {
    if columns.take::<Option<i64>>()?.is_none() {
        return Ok(None);
    }
    let process = ProcessKey { pid: columns.take()?, started_at_ns: columns.bits()? };
    Ok(Some(Caller {
        process,
        program: columns.take()?,
        exe: columns.take()?,
        argv: columns.json()?,
        cwd: columns.take()?,
        uid: columns.take()?,
        user: columns.take()?,
        ancestors: columns.json()?,
        cgroup: columns.take()?,
        project: match (columns.take()?, columns.take()?) {
            (Some(name), Some(root)) => Some(Project { name, root }),
            _ => None,
        },
        source: columns.name()?,
    }))
}

/// Deletes a caller that no call has any more.
pub(crate) fn delete_if_unused(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM callers WHERE id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM calls WHERE caller_id = ?1)",
        )?
        .execute([id])?;
    Ok(())
}

/// The latest processes of a program: executable and pid, newest first, each pid once.
pub(crate) fn latest(
    connection: &Connection,
    program: &str,
    limit: u32,
) -> rusqlite::Result<Vec<(Option<String>, u32)>> {
    let mut statement = connection.prepare_cached(
        "SELECT exe, pid FROM (SELECT id, exe, pid FROM callers WHERE program = ?1 \
         ORDER BY id DESC LIMIT ?2 * 4) GROUP BY pid ORDER BY max(id) DESC LIMIT ?2",
    )?;
    let rows =
        statement.query_map(params![program, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
