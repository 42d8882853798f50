//! The kill switch and its file: whose calls the user has blocked, also after a restart.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tollgate_gateway::Blocks;

use crate::private_file;

/// The most programs that are blocked by name.
pub const BLOCKS_MAX: usize = 1_000;
/// The longest name of a program that is blocked.
pub const PROGRAM_BYTES_MAX: usize = 1_024;
/// The file's name in the data folder.
const FILE_NAME: &str = "blocks.json";
/// The longest file that is read: the most programs, each with the longest name, escaped.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Why nothing was changed, or the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlocksError {
    /// The file cannot be read or written.
    #[error("keep blocks in `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not what this program wrote. Nothing is served: what was blocked is not known.
    #[error("read the blocks in `{path}`: mend it, or move it away, which lets all calls through")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// What is asked for is not acceptable.
    #[error("{0}")]
    Invalid(String),
}

/// What is blocked, and its file.
#[derive(Debug)]
pub(crate) struct BlockFile {
    path: PathBuf,
    blocks: Mutex<Blocks>,
}

/// What stands in the file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    all: bool,
    programs: Vec<String>,
}

impl BlockFile {
    /// Reads what is blocked; nothing is where there is no file. Blocks on the disk.
    ///
    /// # Errors
    /// When the file cannot be read, or others may write or read it.
    pub(crate) fn load(data: &Path) -> Result<Self, BlocksError> {
        let path = data.join(FILE_NAME);
        let failed = |source| BlocksError::File { path: path.clone(), source };
        let written: Written = match private_file::read(&path, FILE_BYTES_MAX).map_err(failed)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|source| BlocksError::Damaged { path: path.clone(), source })?,
            None => Written::default(),
        };
        let programs = written.programs.into_iter().collect();
        Ok(Self { path, blocks: Mutex::new(Blocks { all: written.all, programs }) })
    }

    /// What is blocked.
    pub(crate) fn get(&self) -> Blocks {
        self.blocks().clone()
    }

    /// Changes what is blocked on disk, and then here. Blocks on the disk.
    ///
    /// # Errors
    /// When there are too many programs, a name is none, or it cannot be stored.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Blocks)) -> Result<Blocks, BlocksError> {
        let mut blocks = self.blocks();
        let mut changed = blocks.clone();
        change(&mut changed);
        let fits = |it: &String| !it.is_empty() && it.len() <= PROGRAM_BYTES_MAX;
        if changed.programs.len() > BLOCKS_MAX || !changed.programs.iter().all(fits) {
            return Err(BlocksError::Invalid(format!(
                "up to {BLOCKS_MAX} programs are blocked by name, none empty or longer than \
                 {PROGRAM_BYTES_MAX} bytes"
            )));
        }
        let programs = changed.programs.iter().cloned().collect();
        let failed = |source| BlocksError::File { path: self.path.clone(), source };
        let text = serde_json::to_vec_pretty(&Written { all: changed.all, programs })
            .map_err(|err| failed(err.into()))?;
        private_file::replace(&self.path, &text).map_err(failed)?;
        *blocks = changed.clone();
        Ok(changed)
    }

    /// The value stays whole if a holder panics: it is replaced at once.
    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn what_is_blocked_is_read_back_and_a_damaged_file_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = BlockFile::load(folder.path()).unwrap();
        assert_eq!(file.get(), Blocks::default());
        file.change(|it| it.programs.extend(["curl".to_owned(), "a b".to_owned()])).unwrap();
        let changed = file.change(|it| it.all = true).unwrap();
        assert_eq!(BlockFile::load(folder.path()).unwrap().get(), changed);
        assert!(file.change(|it| it.programs.extend([String::new()])).is_err());
        assert_eq!(file.get(), changed, "a refused change changes nothing");
        let path = folder.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(BlockFile::load(folder.path()), Err(BlocksError::File { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path, "{").unwrap();
        let damaged = BlockFile::load(folder.path());
        assert!(matches!(damaged, Err(BlocksError::Damaged { .. })), "{damaged:?}");
    }
}
