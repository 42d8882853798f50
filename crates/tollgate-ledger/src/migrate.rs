//! Opening the database file: whose it is, who may read it, and which version it has.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use crate::{LedgerError, tables::sums};

/// The database's name in the data folder.
pub(crate) const FILE_NAME: &str = "ledger.db";

/// `PRAGMA application_id` of every ledger ("Toll"); migration 1 sets it.
const APPLICATION_ID: i64 = 0x546f_6c6c;

/// How long a statement waits for another process that writes.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that the write-ahead log is cut to once it has grown beyond them.
const JOURNAL_BYTES_MAX: i64 = 64 << 20;

/// In order, and never edited once released.
const STEPS: [&str; 11] = [
    include_str!("../migrations/0001_calls.sql"),
    include_str!("../migrations/0002_sums_by_time_alone.sql"),
    include_str!("../migrations/0003_service_tier.sql"),
    include_str!("../migrations/0004_routings.sql"),
    include_str!("../migrations/0005_quarters.sql"),
    include_str!("../migrations/0006_answers.sql"),
    include_str!("../migrations/0007_pictures_and_file_searches.sql"),
    include_str!("../migrations/0008_counted_usage.sql"),
    include_str!("../migrations/0009_cached_calls.sql"),
    include_str!("../migrations/0010_searching_and_deleting.sql"),
    include_str!("../migrations/0011_guardrail_hits.sql"),
];

/// Opens the database for writing, creating or migrating it as needed.
pub(crate) fn open(dir: &Path) -> Result<Connection, LedgerError> {
    let path = dir.join(FILE_NAME);
    let prepare = |source| LedgerError::Prepare { path: path.clone(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(prepare)?;
    if fs::metadata(&path).is_ok_and(|it| it.len() > 0) {
        check_version(&path)?;
    }
    // SQLite gives its `-wal` and `-shm` files the mode of the database file.
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(&path).map_err(prepare)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(prepare)?;

    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(&path, flags)?;
    let tune = |connection: &Connection| {
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)?;
        // What is deleted is overwritten, and not only forgotten.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "foreign_keys", true)
    };
    tune(&connection).map_err(|source| LedgerError::opening(&path, source))?;
    Migrations::new(STEPS.map(M::up).to_vec())
        .to_latest(&mut connection)
        .map_err(|source| LedgerError::Migrate { path: path.clone(), source })?;
    refresh_sums(&mut connection).map_err(|source| LedgerError::Sum { path, source })?;
    Ok(connection)
}

/// Builds the sums anew where a migration left them to be, or a start that was to do it died.
fn refresh_sums(connection: &mut Connection) -> rusqlite::Result<()> {
    if !sums::are_stale(connection)? {
        return Ok(());
    }
    tracing::info!("the ledger's sums are built anew from its calls");
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    sums::rebuild_all(&transaction)?;
    transaction.commit()
}

/// Opens the database for reading alone; it must exist and have a version that this program knows.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, LedgerError> {
    if !path.exists() {
        return Err(LedgerError::Missing { path: path.to_owned() });
    }
    let connection = read_only(path)?;
    check_connection(&connection, path)?;
    Ok(connection)
}

/// Where the database is.
pub(crate) fn path_in(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

fn check_version(path: &Path) -> Result<(), LedgerError> {
    check_connection(&read_only(path)?, path)
}

fn check_connection(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let ask = |pragma: &str| {
        let answer = connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        answer.map_err(|source| LedgerError::opening(path, source))
    };
    let version = usize::try_from(ask("user_version")?).unwrap_or(usize::MAX);
    let known = STEPS.len();
    if ask("application_id")? != APPLICATION_ID && (version > 0 || ask("schema_version")? > 0) {
        return Err(LedgerError::NotALedger { path: path.to_owned() });
    }
    if version > known {
        return Err(LedgerError::Newer { path: path.to_owned(), found: version, known });
    }
    Ok(())
}

fn read_only(path: &Path) -> Result<Connection, LedgerError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, LedgerError> {
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    };
    open().map_err(|source| LedgerError::opening(path, source))
}
