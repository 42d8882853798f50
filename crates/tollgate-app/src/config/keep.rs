//! What is kept of what was said, written into the configuration file with all that stands in it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tollgate_core::provider::Catalogue;
use toml_edit::{Item, Table, TableLike, Value};

use super::{
    LedgerKeeping,
    edit::{EditError, edit},
};

/// The table of these keys.
const TABLE: &str = "ledger";

/// What is kept of what was said, as the configuration has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Keeping {
    /// Whether requests and answers are kept at all, from now on.
    pub keep_bodies: bool,
    /// For how many days; `null`: while there is room.
    pub bodies_days: Option<i64>,
    /// How much all of them may take, compressed, in MiB; the oldest go first.
    pub bodies_mib: i64,
}

impl From<LedgerKeeping> for Keeping {
    fn from(it: LedgerKeeping) -> Self {
        Self {
            keep_bodies: it.bodies,
            bodies_days: it.bodies_days,
            bodies_mib: i64::try_from(it.bodies_bytes_max >> 20).unwrap_or(i64::MAX),
        }
    }
}

/// Writes the keys. Everything else, comments too, stays as it is. Blocks on the disk.
///
/// # Errors
/// See [`edit()`]; the file is as it was then.
pub(crate) fn set(config: &Path, catalogue: &Catalogue, wanted: Keeping) -> Result<(), EditError> {
    edit(config, catalogue, |document| {
        let table = document.entry(TABLE).or_insert_with(|| Item::Table(Table::new()));
        let table = table.as_table_like_mut().ok_or_else(|| format!("`{TABLE}` is not a table"))?;
        put(table, "keep_bodies", Some(wanted.keep_bodies.into()));
        put(table, "bodies_days", wanted.bodies_days.map(Value::from));
        put(table, "bodies_mib", Some(wanted.bodies_mib.into()));
        Ok(())
    })
}

fn put(table: &mut dyn TableLike, key: &str, value: Option<Value>) {
    let Some(mut value) = value else {
        table.remove(key);
        return;
    };
    // The comment behind a value is its decoration.
    if let Some(known) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = known.decor().clone();
    }
    table.insert(key, Item::Value(value));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(before: &str, wanted: Keeping, after: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, before).unwrap();
        let done = set(&path, &Catalogue::embedded().unwrap(), wanted);
        let found = fs::read_to_string(&path).unwrap();
        match after {
            Ok(after) => {
                done.unwrap();
                assert_eq!(found, after);
            }
            Err(why) => {
                let message = crate::settings::with_causes(&done.unwrap_err());
                assert!(message.contains(why), "{message}");
                assert_eq!(found, before, "what is refused changes nothing");
            }
        }
    }

    #[test]
    fn keys_are_written_where_they_stand_and_comments_stay() {
        let wanted = Keeping { keep_bodies: false, bodies_days: Some(30), bodies_mib: 500 };
        let keys = "keep_bodies = false\nbodies_days = 30\nbodies_mib = 500\n";
        check("# mine\n", wanted, Ok(&format!("[ledger]\n{keys}# mine\n")));
        let before = "[ledger] # what is kept\nbodies_mib = 9 # not much\nbodies_days = 7\n";
        let after = "[ledger] # what is kept\nbodies_mib = 500 # not much\nbodies_days = 30\n\
                     keep_bodies = false\n";
        check(before, wanted, Ok(after));
        let for_ever = Keeping { keep_bodies: true, bodies_days: None, bodies_mib: 9 };
        let after = "[ledger] # what is kept\nbodies_mib = 9 # not much\nkeep_bodies = true\n";
        check(before, for_ever, Ok(after));
        let inline = "ledger = { bodies_days = 7 } # all\n";
        let after = "ledger = { keep_bodies = true, bodies_mib = 9 } # all\n";
        check(inline, for_ever, Ok(after));
    }

    #[test]
    fn what_is_no_bound_is_refused() {
        let none = Keeping { keep_bodies: true, bodies_days: Some(0), bodies_mib: 9 };
        check("listen = \"127.0.0.1:4141\"\n", none, Err("use 1 to 36500 days"));
        let negative = Keeping { bodies_days: None, bodies_mib: -1, ..none };
        check("", negative, Err("u64"));
    }
}
