//! What can go wrong.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::ErrorCode;

/// Why the ledger could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The folder or file could not be made, or made private.
    #[error("cannot prepare `{path}`")]
    Prepare {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database could not be opened.
    #[error("cannot open the ledger `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// SQLite finds the file damaged; it was not touched.
    #[error("the ledger `{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A damaged ledger could not be replaced by a new one with what can be read of it; it is as it
    /// was.
    #[error("cannot repair the damaged ledger `{path}`")]
    Repair {
        /// The file.
        path: PathBuf,
        /// What SQLite says of the new one.
        source: rusqlite::Error,
    },
    /// The copy of the ledger could not be made.
    #[error("cannot copy the ledger to `{path}`")]
    Backup {
        /// Where the copy was to be.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no ledger yet.
    #[error("there is no ledger at `{path}`")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is another program's database.
    #[error("`{path}` is a database but not a ledger")]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote the file; it was not touched.
    #[error(
        "the ledger `{path}` has version {found} but this program knows only up to {known}: \
         use the newer program, or another data folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: usize,
        /// The newest version that this program knows.
        known: usize,
    },
    /// The file could not be brought to this version; it is as it was.
    #[error("cannot migrate the ledger `{path}`")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: rusqlite_migration::Error,
    },
    /// The thread that writes could not be started.
    #[error("cannot start the ledger's writer")]
    Start(#[source] io::Error),
    /// A question could not be answered.
    #[error("cannot read the ledger")]
    Read(#[from] rusqlite::Error),
    /// A stored body could not be unpacked.
    #[error("cannot unpack a stored body")]
    Unpack(#[source] io::Error),
    /// What is stored of a call's routing could not be read.
    #[error("cannot read how a call was routed")]
    Routing(#[source] serde_json::Error),
    /// Recorded calls are not on disk (it may be full). The writer keeps them and tries again,
    /// unless the ledger is being closed.
    #[error("cannot commit {calls} calls to the ledger")]
    Commit {
        /// How many calls.
        calls: usize,
        /// What SQLite says.
        source: Arc<rusqlite::Error>,
    },
    /// Calls could not be changed; they and their sums are as they were.
    #[error("cannot change {calls} calls in the ledger")]
    Change {
        /// How many calls.
        calls: usize,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// What was said in calls could not be added to the index; they are still to be read.
    #[error("cannot index what was said in {calls} calls")]
    Index {
        /// How many calls.
        calls: usize,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// More calls were to be changed than may be at once.
    #[error("cannot change {changes} calls at once, only {max}", max = crate::CHANGES_MAX)]
    TooManyChanges {
        /// How many.
        changes: usize,
    },
    /// The sums could not be built anew from the calls; the old ones are gone, the calls are not.
    #[error("cannot build the sums of the ledger `{path}`")]
    Sum {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The ledger is closed.
    #[error("the ledger is closed")]
    Closed,
    /// The writing thread panicked, which is a defect.
    #[error("the ledger's writer panicked")]
    WriterPanicked,
}

impl LedgerError {
    /// The error of a file that could not be opened.
    pub(crate) fn opening(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        if is_damage(&source) {
            Self::Damaged { path, source }
        } else {
            Self::Open { path, source }
        }
    }

    /// What SQLite says of the damage, if this is one.
    pub(crate) fn damage(&self) -> Option<String> {
        let said = |source: &rusqlite::Error| is_damage(source).then(|| source.to_string());
        if let Self::Damaged { source, .. } | Self::Sum { source, .. } = self {
            return said(source);
        }
        let Self::Migrate { source, .. } = self else { return None };
        let rusqlite_migration::Error::RusqliteError { err, .. } = source else { return None };
        said(err)
    }
}

/// Whether the file is at fault.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}
