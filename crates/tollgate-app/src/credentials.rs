//! Credentials of providers: from the environment, from the OS keyring, or from an encrypted file where
//! no keyring can be used.
//!
//! A keyring that is locked answers when a person has typed its password, or never. So nothing here
//! that a gateway waits for has a bound of its own: [`Keys`] are read beside its work, and the
//! command line waits as long as the person in front of it.

mod file;
pub mod import;
mod passphrase;

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use keyring_core::api::CredentialStoreApi;
use tokio::sync::oneshot;
use tollgate_core::Secret;
use zbus_secret_service_keyring_store::Store;
use zeroize::Zeroizing;

pub use self::file::{CredentialFile, Lock, PASSPHRASE_CHARS_MIN};
use crate::{
    config::{Config, CredentialSource},
    paths::Paths,
};

/// The name under which entries stand in the keyring; the user of an entry is the credential's.
pub const KEYRING_SERVICE: &str = "tollgate";

/// Why a credential is not at hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The variable is unset or empty.
    #[error("read the credential from the environment: `{0}` is not set")]
    EnvUnset(String),
    /// The keyring has no such entry.
    #[error("read the credential `{0}` from the keyring: there is no such entry")]
    KeyringEntryMissing(String),
    /// What was found cannot be sent. It is not shown: it may be a key.
    #[error("read the credential `{0}`: it has characters that no HTTP header can carry")]
    NotAKey(String),
    /// What was found is something else than is wanted. It is not shown: it may be a key.
    #[error("read the credential {place}: {why}")]
    Unfit {
        /// Where it was found.
        place: String,
        /// What is wanted.
        why: String,
    },
    /// A file that holds a credential cannot be read.
    #[error("read the credential `{path}`: {why}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
    /// The keyring does not work here.
    #[error("use the keyring: {0}")]
    Keyring(String),
    /// The encrypted file, where no keyring can be used, cannot be read or written.
    #[error("keep credentials in `{path}`: {why}")]
    CredentialFile {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
    /// The encrypted file wants its passphrase.
    #[error("read the file of credentials: it is locked by a passphrase")]
    FileLocked,
    /// The passphrase is not the file's.
    #[error("unlock the file of credentials: the passphrase is wrong")]
    WrongPassphrase,
    /// The passphrase is too short or too long.
    #[error(
        "lock the file of credentials: a passphrase has at least {PASSPHRASE_CHARS_MIN} characters"
    )]
    UnfitPassphrase,
    /// The keyring has not answered yet: it probably waits for its password.
    #[error("use the keyring: it has not answered yet; is it locked?")]
    KeyringSilent,
}

/// The credentials that a configuration names, each with what became of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    found: HashMap<CredentialSource, Result<Secret, CredentialError>>,
}

impl Keys {
    /// Reads those that are in the environment, and in files that it leads to.
    pub(crate) fn read_environment(
        &mut self,
        config: &Config,
        env: &dyn Fn(&str) -> Option<String>,
    ) {
        for source in sources(config) {
            let key = match source {
                CredentialSource::Env(name) => variable(name, env),
                CredentialSource::AwsEnv(prefix) => {
                    let fixed = ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"];
                    variables(prefix, &fixed, Some("SESSION_TOKEN"), env)
                }
                CredentialSource::EntraEnv(prefix) => {
                    let fixed = ["TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"];
                    variables(prefix, &fixed, None, env)
                }
                CredentialSource::Google(path) => google_file(path.as_deref(), env),
                CredentialSource::AwsProfile(_)
                | CredentialSource::Aws
                | CredentialSource::GoogleMetadata
                | CredentialSource::EntraManaged(_)
                | CredentialSource::EntraCli(_)
                | CredentialSource::Keyring(_) => continue,
            };
            self.found.insert(source.clone(), key);
        }
    }

    /// Begins to read those that are in the keyring, or in `file` where it does not have them; `None`
    /// when the configuration names none.
    ///
    /// On a thread of its own: the store starts a runtime itself, and a locked keyring must not
    /// hold up anything else, not even the exit.
    pub(crate) fn read_keyring(
        config: &Config,
        file: &Arc<CredentialFile>,
    ) -> Option<oneshot::Receiver<Self>> {
        let names: BTreeSet<String> = sources(config)
            .filter_map(|it| match it {
                CredentialSource::Keyring(name) => Some(name.clone()),
                CredentialSource::Env(_)
                | CredentialSource::AwsProfile(_)
                | CredentialSource::AwsEnv(_)
                | CredentialSource::Aws
                | CredentialSource::Google(_)
                | CredentialSource::GoogleMetadata
                | CredentialSource::EntraManaged(_)
                | CredentialSource::EntraCli(_)
                | CredentialSource::EntraEnv(_) => None,
            })
            .collect();
        if names.is_empty() {
            return None;
        }
        let (done, reading) = oneshot::channel();
        let file = Arc::clone(file);
        let spawned = thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            // Nobody may wait any more.
            let _ = done.send(Self::from_keyring(names, &file));
        });
        if let Err(err) = spawned {
            tracing::error!(error = %err, "the keyring's thread cannot be started");
        }
        Some(reading)
    }

    fn from_keyring(names: BTreeSet<String>, file: &CredentialFile) -> Self {
        let store = Store::new().map_err(|err| describe(&err));
        let read = |name: String| {
            let key = store.as_ref().map_err(Clone::clone).and_then(|it| read(it.as_ref(), &name));
            let key = key.or_else(|err| in_file(file, &name, err));
            (CredentialSource::Keyring(name), key)
        };
        Self { found: names.into_iter().map(read).collect() }
    }

    /// Takes what was read later.
    pub(crate) fn extend(&mut self, later: Self) {
        self.found.extend(later.found);
    }

    /// A credential, or why it is not at hand.
    pub(crate) fn get(&self, source: &CredentialSource) -> Result<Secret, CredentialError> {
        self.found.get(source).cloned().unwrap_or(Err(CredentialError::KeyringSilent))
    }
}

fn sources(config: &Config) -> impl Iterator<Item = &CredentialSource> {
    let headers = config.otlp.iter().flat_map(|it| it.headers.iter().map(|(_, source)| source));
    config.providers.iter().filter_map(|it| it.credential.as_ref()).chain(headers)
}

fn variable(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, CredentialError> {
    let unset = || CredentialError::EnvUnset(name.to_owned());
    env(name).map(Zeroizing::new).ok_or_else(unset).and_then(|it| usable(name, &it, unset))
}

/// Variables that belong together, joined by `:` as they would stand in the keyring; `last` need not
/// be there.
fn variables(
    prefix: &str,
    names: &[&str],
    last: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Secret, CredentialError> {
    let mut joined = Vec::new();
    for name in names {
        joined.push(variable(&format!("{prefix}_{name}"), env)?.expose().to_owned());
    }
    let last = last.and_then(|it| variable(&format!("{prefix}_{it}"), env).ok());
    joined.extend(last.map(|it| it.expose().to_owned()));
    Ok(Secret::new(joined.join(":")))
}

/// The longest file of Google's tools that is read; they have some two kilobytes.
const GOOGLE_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A file of Google's tools: `path`, or where they look themselves.
fn google_file(
    path: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Secret, CredentialError> {
    let usual = || {
        let named = env("GOOGLE_APPLICATION_CREDENTIALS").filter(|it| !it.is_empty());
        if let Some(named) = named {
            return Ok(PathBuf::from(named));
        }
        let folder = env("CLOUDSDK_CONFIG").map(PathBuf::from);
        let home = || env("HOME").map(|it| PathBuf::from(it).join(".config/gcloud"));
        let folder = folder.or_else(home);
        let unset = || CredentialError::EnvUnset("GOOGLE_APPLICATION_CREDENTIALS".to_owned());
        folder.map(|it| it.join("application_default_credentials.json")).ok_or_else(unset)
    };
    let path = path.map_or_else(usual, |it| Ok(it.to_owned()))?;
    let failed = |why: String| CredentialError::File { path: path.display().to_string(), why };
    let size = fs::metadata(&path).map_err(|it| failed(it.to_string()))?.len();
    if size > GOOGLE_FILE_BYTES_MAX {
        return Err(failed(format!("longer than {GOOGLE_FILE_BYTES_MAX} bytes")));
    }
    let text = fs::read_to_string(&path).map_err(|it| failed(it.to_string()))?;
    Ok(Secret::new(text))
}

/// A key without the line end that a file or a paste leaves.
fn usable(
    name: &str,
    key: &str,
    missing: impl FnOnce() -> CredentialError,
) -> Result<Secret, CredentialError> {
    match key.trim() {
        "" => Err(missing()),
        key if key.bytes().all(|it| it.is_ascii_graphic() || it == b' ') => {
            Ok(Secret::new(key.to_owned()))
        }
        _ => Err(CredentialError::NotAKey(name.to_owned())),
    }
}

fn read(store: &dyn CredentialStoreApi, name: &str) -> Result<Secret, CredentialError> {
    let missing = || CredentialError::KeyringEntryMissing(name.to_owned());
    let entry = store.build(KEYRING_SERVICE, name, None).map_err(|err| describe(&err))?;
    match entry.get_password() {
        Ok(key) => usable(name, &Zeroizing::new(key), missing),
        Err(keyring_core::Error::NoEntry) => Err(missing()),
        Err(err) => Err(describe(&err)),
    }
}

/// The file of credentials of a user, with the passphrase that the environment hands over.
///
/// # Errors
/// When a passphrase that was to be read cannot be.
pub fn file_of(
    paths: &Paths,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<CredentialFile>, CredentialError> {
    let passphrase = passphrase::given(env)?;
    Ok(Arc::new(CredentialFile::new(&paths.credentials, passphrase)))
}

/// What the file has where the keyring has nothing, else why the keyring has nothing.
fn in_file(
    file: &CredentialFile,
    name: &str,
    err: CredentialError,
) -> Result<Secret, CredentialError> {
    match file.get(name)? {
        Some(key) => usable(name, key.expose(), || err),
        None => Err(err),
    }
}

/// Where a credential was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the OS keyring.
    Keyring,
    /// In the encrypted file.
    File {
        /// What opens it.
        lock: Lock,
        /// Why the keyring could not be used.
        why: CredentialError,
    },
}

/// Stores a credential in the keyring, or in `file` where no keyring can be used. Blocks while the
/// keyring waits for a person; must not be called inside a runtime.
///
/// # Errors
/// When neither works; [`CredentialError::FileLocked`] when the file wants its passphrase.
pub fn store(file: &CredentialFile, name: &str, secret: &Secret) -> Result<Place, CredentialError> {
    match store_in_keyring(name, secret) {
        Ok(()) => Ok(Place::Keyring),
        Err(why) => Ok(Place::File { lock: file.put(name, secret)?, why }),
    }
}

fn store_in_keyring(name: &str, secret: &Secret) -> Result<(), CredentialError> {
    let store = Store::new().map_err(|err| describe(&err))?;
    let entry = store.build(KEYRING_SERVICE, name, None).map_err(|err| describe(&err))?;
    entry.set_password(secret.expose()).map_err(|err| describe(&err))
}

/// Removes a credential from the keyring and from `file`; one that is not there is removed already.
/// Where there is a file there need be no keyring: then the answer says why it could not be asked.
/// Blocks while the keyring waits for a person; must not be called inside a runtime.
///
/// # Errors
/// When the file cannot be changed, or there is none and the keyring does not work.
pub fn remove(
    file: &CredentialFile,
    name: &str,
) -> Result<Option<CredentialError>, CredentialError> {
    let in_keyring = remove_from_keyring(name);
    if file.lock()?.is_none() {
        return in_keyring.map(|()| None);
    }
    file.remove(name)?;
    Ok(in_keyring.err())
}

fn remove_from_keyring(name: &str) -> Result<(), CredentialError> {
    let store = Store::new().map_err(|err| describe(&err))?;
    let entry = store.build(KEYRING_SERVICE, name, None).map_err(|err| describe(&err))?;
    match entry.delete_credential() {
        Ok(()) | Err(keyring_core::Error::NoEntry) => Ok(()),
        Err(err) => Err(describe(&err)),
    }
}

fn describe(err: &keyring_core::Error) -> CredentialError {
    CredentialError::Keyring(err.to_string())
}

#[cfg(test)]
mod tests {
    use tollgate_core::provider::Catalogue;

    use super::*;

    #[test]
    fn a_key_loses_its_line_end_and_one_that_cannot_be_sent_is_not_shown() {
        let text = "[[providers]]\nid = 'openai'\napi_key = { env = 'KEY' }";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, text).unwrap();
        let config = Config::load(&file, &Catalogue::embedded().unwrap()).unwrap();
        let read = |value: Option<&str>| {
            let mut keys = Keys::default();
            keys.read_environment(&config, &|_| value.map(str::to_owned));
            let key = keys.get(&CredentialSource::Env("KEY".to_owned()));
            key.map(|it| it.expose().to_owned()).map_err(|it| it.to_string())
        };
        assert_eq!(read(Some("sk-abc\n")).unwrap(), "sk-abc");
        assert!(read(Some("\n")).unwrap_err().contains("`KEY` is not set"));
        assert!(read(None).unwrap_err().contains("`KEY` is not set"));
        let unusable = read(Some("sk-abc\ndef")).unwrap_err();
        assert!(unusable.contains("no HTTP header") && !unusable.contains("sk-abc"), "{unusable}");
    }
}
