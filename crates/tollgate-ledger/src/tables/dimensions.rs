//! `dimensions`: what calls are counted by.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};
use tollgate_core::{Call, Format};

use super::{Columns, name_of};

/// One combination of what calls are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Dimension {
    pub(crate) program: Option<String>,
    pub(crate) project_name: Option<String>,
    pub(crate) project_root: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) model_asked: Option<String>,
    pub(crate) model_served: Option<String>,
    pub(crate) format: Option<Format>,
    pub(crate) simulated: bool,
    /// The local key's name.
    pub(crate) key: Option<String>,
}

/// The columns of [`read`], for a query in which the table is named `d`.
pub(crate) const COLUMNS: &str = "d.program, d.project_name, d.project_root, d.provider, \
     d.model_asked, d.model_served, d.format, d.simulated, d.key";

impl Dimension {
    pub(crate) fn of(call: &Call) -> Self {
        let project = call.caller.as_ref().and_then(|it| it.project.as_ref());
        Self {
            program: call.caller.as_ref().map(|it| it.program.clone()),
            project_name: project.map(|it| it.name.clone()),
            project_root: project.map(|it| it.root.clone()),
            provider: call.provider.clone(),
            model_asked: call.model_asked.clone(),
            model_served: call.model_served.clone(),
            format: call.format,
            simulated: call.simulated,
            key: call.key.clone(),
        }
    }

    /// The model that costs are told of: the one that was asked for, or that served where that is
    /// another and not only a dated or longer name of it.
    pub(crate) fn model(&self) -> Option<&str> {
        match (self.model_asked.as_deref(), self.model_served.as_deref()) {
            (Some(asked), Some(served)) if !served.starts_with(asked) => Some(served),
            (Some(asked), _) => Some(asked),
            (None, served) => served,
        }
    }

    /// The id of the row with these values, which is added if it is missing.
    pub(crate) fn id(&self, connection: &Connection) -> rusqlite::Result<i64> {
        let format = self.format.as_ref().map(name_of).transpose()?;
        let values = params![
            self.program,
            self.project_name,
            self.project_root,
            self.provider,
            self.model_asked,
            self.model_served,
            format,
            self.simulated,
            self.key,
        ];
        let known = connection
            .prepare_cached(
                "SELECT id FROM dimensions WHERE program IS ?1 AND project_name IS ?2 \
                 AND project_root IS ?3 AND provider IS ?4 AND model_asked IS ?5 \
                 AND model_served IS ?6 AND format IS ?7 AND simulated = ?8 AND key IS ?9",
            )?
            .query_row(values, |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        connection
            .prepare_cached(
                "INSERT INTO dimensions (program, project_name, project_root, provider, \
                 model_asked, model_served, format, simulated, key) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .insert(values)
    }

    /// The row with this id.
    pub(crate) fn with_id(connection: &Connection, id: i64) -> rusqlite::Result<Self> {
        connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM dimensions d WHERE d.id = ?1"))?
            .query_row([id], |row| read(&mut Columns::of(row)))
    }
}

/// The ids of those whose calls were simulated.
pub(crate) fn simulated(connection: &Connection) -> rusqlite::Result<HashSet<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM dimensions WHERE simulated = 1")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Reads [`COLUMNS`].
pub(crate) fn read(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Dimension> {
    Ok(Dimension {
        program: columns.take()?,
        project_name: columns.take()?,
        project_root: columns.take()?,
        provider: columns.take()?,
        model_asked: columns.take()?,
        model_served: columns.take()?,
        format: columns.name_or_null()?,
        simulated: columns.take()?,
        key: columns.take()?,
    })
}
