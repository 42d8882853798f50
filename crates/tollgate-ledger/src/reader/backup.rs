//! A copy of the ledger, made while it is written.

use std::{
    error::Error,
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rusqlite::Connection;

/// Writes the copy and gives its size.
pub(super) fn write(
    connection: &Connection,
    to: &Path,
) -> Result<u64, Box<dyn Error + Send + Sync>> {
    // SQLite writes into an empty file that is there, and gives one that it makes the usual mode.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let copied = || -> Result<u64, Box<dyn Error + Send + Sync>> {
        let name = to.to_str().ok_or("its name is not UTF-8")?;
        connection.execute("VACUUM INTO ?1", [name])?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    };
    let result = copied();
    if result.is_err() {
        // What stopped it says more than what stops this.
        let _ = fs::remove_file(to);
    }
    result
}
