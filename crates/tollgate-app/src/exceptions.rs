//! What the user said that guardrails find wrongly: a file beside that of the local keys.
//!
//! It holds no text that was found, only what stands for it, made with random bytes that stand in the file
//! too: whoever has the ledger alone, which stores the same with each hit, finds no text by trying. Each
//! change is on disk before it is in force.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use tollgate_core::{
    UnixMs,
    guardrail::{Exceptions, Fingerprint, SALT_BYTES},
};

use crate::{private_file, token::fill_random};

/// The most exceptions: a rule that is wrong more often is better left out.
pub const EXCEPTIONS_MAX: usize = 10_000;

/// The file's name in the data folder.
const FILE_NAME: &str = "guardrail-exceptions.json";

/// The longest file that is read: the most exceptions, each with a long snippet.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Why an exception was not made, or they cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExceptionsError {
    /// The file cannot be read or written.
    #[error("keep the exceptions of guardrails in `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not what this program wrote.
    #[error(
        "read the exceptions of guardrails in `{path}`: mend it, or move it away, which ends them all"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// There are too many.
    #[error(
        "there are {EXCEPTIONS_MAX} exceptions already: leave the rule out that is wrong so often"
    )]
    TooMany,
    /// There is no such exception.
    #[error("there is no such exception")]
    Unknown,
}

/// A text that a rule is not to find any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What stands for the text.
    pub fingerprint: Fingerprint,
    /// The rule that found it.
    pub rule: String,
    /// The guardrail that it was found by.
    pub guardrail: String,
    /// What stood around it, with the text masked.
    pub snippet: Option<String>,
    /// When the user said so.
    pub made_at_ms: UnixMs,
}

/// The exceptions and their file.
#[derive(Debug)]
pub(crate) struct ExceptionFile {
    path: PathBuf,
    written: Mutex<Written>,
    /// Whether the random bytes are on disk: hits of before a restart could not be named without.
    on_disk: AtomicBool,
}

/// What stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    salt: String,
    exceptions: Vec<Exception>,
}

impl Written {
    fn salt(&self) -> Option<[u8; SALT_BYTES]> {
        URL_SAFE_NO_PAD.decode(&self.salt).ok()?.try_into().ok()
    }
}

impl ExceptionFile {
    /// Reads the exceptions in a data folder; there are none where there is no file, and one is made when
    /// they are first in force. Blocks on the disk.
    ///
    /// # Errors
    /// When the file cannot be read, or others may write or read it.
    pub(crate) fn load(data: &Path) -> Result<Self, ExceptionsError> {
        let path = data.join(FILE_NAME);
        let failed = |source| ExceptionsError::File { path: path.clone(), source };
        let damaged = |source| ExceptionsError::Damaged { path: path.clone(), source };
        let (written, on_disk) = match private_file::read(&path, FILE_BYTES_MAX).map_err(failed)? {
            Some(text) => {
                let written: Written = serde_json::from_str(&text).map_err(damaged)?;
                if written.salt().is_none() {
                    let message = "its random bytes are not 32";
                    return Err(failed(io::Error::new(io::ErrorKind::InvalidData, message)));
                }
                (written, true)
            }
            None => {
                let mut salt = [0; SALT_BYTES];
                fill_random(&mut salt).map_err(failed)?;
                let salt = URL_SAFE_NO_PAD.encode(salt);
                (Written { salt, exceptions: Vec::new() }, false)
            }
        };
        Ok(Self { path, written: Mutex::new(written), on_disk: AtomicBool::new(on_disk) })
    }

    /// All of them, in the order in which they were made.
    pub(crate) fn list(&self) -> Vec<Exception> {
        self.written().exceptions.clone()
    }

    /// What the gateway needs of them. Blocks on the disk the first time.
    pub(crate) fn in_force(&self) -> Arc<Exceptions> {
        let written = self.written();
        if !self.on_disk.load(Ordering::Relaxed) {
            match write(&self.path, &written) {
                Ok(()) => self.on_disk.store(true, Ordering::Relaxed),
                Err(err) => {
                    let error = crate::settings::with_causes(&err);
                    tracing::warn!(
                        error,
                        "what guardrails find cannot be excepted after a restart"
                    );
                }
            }
        }
        let allowed = written.exceptions.iter().map(|it| it.fingerprint);
        Arc::new(Exceptions::new(written.salt().unwrap_or_default(), allowed))
    }

    /// Adds one; one that is there already stays as it is. Blocks on the disk.
    ///
    /// # Errors
    /// When there are too many, or that cannot be stored.
    pub(crate) fn add(&self, exception: Exception) -> Result<Exception, ExceptionsError> {
        self.change(|written| {
            let same = |it: &&Exception| it.fingerprint == exception.fingerprint;
            if let Some(known) = written.exceptions.iter().find(same) {
                return Ok(known.clone());
            }
            if written.exceptions.len() >= EXCEPTIONS_MAX {
                return Err(ExceptionsError::TooMany);
            }
            written.exceptions.push(exception.clone());
            Ok(exception)
        })
    }

    /// Takes one back. Blocks on the disk.
    ///
    /// # Errors
    /// When there is no such one, or that cannot be stored.
    pub(crate) fn remove(&self, fingerprint: Fingerprint) -> Result<(), ExceptionsError> {
        self.change(|written| {
            let before = written.exceptions.len();
            written.exceptions.retain(|it| it.fingerprint != fingerprint);
            if written.exceptions.len() == before {
                return Err(ExceptionsError::Unknown);
            }
            Ok(())
        })
    }

    /// Changes them on disk, and then here.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Written) -> Result<T, ExceptionsError>,
    ) -> Result<T, ExceptionsError> {
        let mut written = self.written();
        let mut changed = written.clone();
        let result = change(&mut changed)?;
        write(&self.path, &changed)?;
        self.on_disk.store(true, Ordering::Relaxed);
        *written = changed;
        Ok(result)
    }

    /// The list stays whole if a holder panics: it is replaced at once.
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(path: &Path, written: &Written) -> Result<(), ExceptionsError> {
    let failed = |source| ExceptionsError::File { path: path.to_owned(), source };
    let text = serde_json::to_vec_pretty(written).map_err(|err| failed(err.into()))?;
    private_file::replace(path, &text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn exception(file: &ExceptionFile, text: &str) -> Exception {
        Exception {
            fingerprint: file.in_force().fingerprint("email", text).unwrap(),
            rule: "email".to_owned(),
            guardrail: "mail".to_owned(),
            snippet: Some("write to ‹EMAIL›".to_owned()),
            made_at_ms: UnixMs(1),
        }
    }

    #[test]
    fn an_exception_is_kept_and_the_text_is_nowhere_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = ExceptionFile::load(dir.path()).unwrap();
        let made = exception(&file, "jane@acme.io");
        file.add(made.clone()).unwrap();
        file.add(Exception { made_at_ms: UnixMs(2), ..made.clone() }).unwrap();
        let path = dir.path().join(FILE_NAME);
        assert!(!fs::read_to_string(&path).unwrap().contains("jane"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let again = ExceptionFile::load(dir.path()).unwrap();
        assert_eq!(again.list(), std::slice::from_ref(&made));
        assert_eq!(again.in_force().fingerprint("email", "jane@acme.io"), None);
        assert!(again.in_force().fingerprint("email", "joe@acme.io").is_some());
        again.remove(made.fingerprint).unwrap();
        assert!(again.in_force().fingerprint("email", "jane@acme.io").is_some());
        assert!(matches!(again.remove(made.fingerprint), Err(ExceptionsError::Unknown)));
        assert!(ExceptionFile::load(dir.path()).unwrap().list().is_empty());
    }

    #[test]
    fn a_file_that_is_open_to_others_or_damaged_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        ExceptionFile::load(dir.path()).unwrap();
        assert!(!dir.path().join(FILE_NAME).exists(), "nobody asked for it");
        ExceptionFile::load(dir.path()).unwrap().in_force();
        let path = dir.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(ExceptionFile::load(dir.path()), Err(ExceptionsError::File { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{").unwrap();
        assert!(matches!(ExceptionFile::load(dir.path()), Err(ExceptionsError::Damaged { .. })));
        fs::write(&path, r#"{"salt":"AAAA","exceptions":[]}"#).unwrap();
        assert!(matches!(ExceptionFile::load(dir.path()), Err(ExceptionsError::File { .. })));
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let file = ExceptionFile::load(dir.path()).unwrap();
        let made = exception(&file, "a@acme.io");
        file.written().exceptions = vec![made; EXCEPTIONS_MAX];
        let error = file.add(exception(&file, "b@acme.io")).unwrap_err();
        assert!(matches!(error, ExceptionsError::TooMany), "{error}");
    }
}
