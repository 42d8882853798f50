//! The local keys of this gateway: a file beside the ledger, and what may be done with them.
//!
//! They stand in a file of their own and not in the configuration, which people write and share, nor in
//! the ledger, which may be moved away when it is damaged and must not take the say over who is served
//! with it. The file holds hashes and no key. Each change is on disk before it is in force.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tollgate_core::{
    LocalKey, Secret, UnixMs,
    key::{
        FormerSecret, KEY_BYTES, KEY_NAME_BYTES_MAX, KeyHash, KeyScope, SCOPE_ENTRIES_MAX,
        SCOPE_TEXT_BYTES_MAX, is_key_name, key_beginning, key_secret,
    },
};

use crate::{private_file, token::fill_random};

/// The most keys, those that are no longer good included: calls are counted by their names.
pub const KEYS_MAX: usize = 4_096;

/// The longest that the former secret of a rotated key may stay good.
pub const ROTATION_GRACE_MAX: Duration = Duration::from_hours(30 * 24);

/// The file's name in the data folder.
const FILE_NAME: &str = "keys.json";

/// The longest file that is read: the most keys, each with a long scope.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Why a key was not made or changed, or the keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("keep local keys in `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not what this program wrote.
    #[error("read the local keys in `{path}`: mend it, or move it away, which revokes them all")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// The system gives no random bytes.
    #[error("make a new key")]
    Random(#[source] io::Error),
    /// What is asked for is not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// There is no key of that name.
    #[error("there is no key `{0}`")]
    Unknown(String),
}

/// A key to make.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// Its name.
    pub name: String,
    /// From when on it is no longer good.
    pub expires_at_ms: Option<UnixMs>,
    /// What it may do.
    pub scope: KeyScope,
}

/// The local keys and their file.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    keys: Mutex<Vec<LocalKey>>,
}

/// What stands in the file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    keys: Vec<LocalKey>,
}

impl KeyFile {
    /// Reads the keys in a data folder; there are none where there is no file. Blocks on the disk.
    ///
    /// # Errors
    /// When the file cannot be read, or others may write or read it.
    pub(crate) fn load(data: &Path) -> Result<Self, KeysError> {
        let path = data.join(FILE_NAME);
        let failed = |source| KeysError::File { path: path.clone(), source };
        let written = match private_file::read(&path, FILE_BYTES_MAX).map_err(failed)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|source| KeysError::Damaged { path: path.clone(), source })?,
            None => Written::default(),
        };
        Ok(Self { path, keys: Mutex::new(written.keys) })
    }

    /// All keys, in the order in which they were made.
    pub(crate) fn list(&self) -> Vec<LocalKey> {
        self.keys().clone()
    }

    /// Makes a key. Its secret is nowhere but in the answer. Blocks on the disk.
    ///
    /// # Errors
    /// When it is not acceptable or cannot be stored.
    pub(crate) fn create(&self, new: NewKey, now: UnixMs) -> Result<(LocalKey, Secret), KeysError> {
        let NewKey { name, expires_at_ms, scope } = new;
        if !is_key_name(&name) {
            return Err(KeysError::Invalid(format!(
                "`{}` is not a name for a key: use up to {KEY_NAME_BYTES_MAX} letters, digits, `-`, \
                 `_` and `.`, not beginning with `tg-`",
                tollgate_core::credential::masked_text(name)
            )));
        }
        if expires_at_ms.is_some_and(|it| it <= now) {
            return Err(KeysError::Invalid("a key cannot expire before it is made".to_owned()));
        }
        check_scope(&scope)?;
        let secret = new_secret()?;
        let key = LocalKey {
            name,
            beginning: key_beginning(&secret),
            hash: KeyHash::of(secret.expose().as_bytes()),
            created_at_ms: now,
            expires_at_ms,
            revoked_at_ms: None,
            rotated_at_ms: None,
            former: None,
            scope,
        };
        self.change(|keys| {
            if keys.iter().any(|it| it.name == key.name) {
                return Err(KeysError::Invalid(format!(
                    "there is a key `{}` already, or was: its calls are counted by that name",
                    key.name
                )));
            }
            if keys.len() >= KEYS_MAX {
                let message = format!("there are {KEYS_MAX} keys already, as many as may be");
                return Err(KeysError::Invalid(message));
            }
            keys.push(key.clone());
            Ok(key.clone())
        })
        .map(|key| (key, secret))
    }

    /// Gives a key a new secret; the old one is good for `grace` longer. Blocks on the disk.
    ///
    /// # Errors
    /// When there is no such key, it was revoked, the grace is too long, or it cannot be stored.
    pub(crate) fn rotate(
        &self,
        name: &str,
        grace: Duration,
        now: UnixMs,
    ) -> Result<(LocalKey, Secret), KeysError> {
        if grace > ROTATION_GRACE_MAX {
            let days = ROTATION_GRACE_MAX.as_secs() / 86_400;
            let message = format!("a former secret stays good for {days} days at most");
            return Err(KeysError::Invalid(message));
        }
        let secret = new_secret()?;
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let key = self.change(|keys| {
            let key = named(keys, name)?;
            if key.revoked_at_ms.is_some() {
                return Err(KeysError::Invalid(format!("the key `{name}` was revoked")));
            }
            let until_ms = UnixMs(now.0.saturating_add(grace_ms));
            // Kept also when it is good no longer, so that who shows it is told why.
            key.former = Some(FormerSecret { hash: key.hash, until_ms });
            key.hash = KeyHash::of(secret.expose().as_bytes());
            key.beginning = key_beginning(&secret);
            key.rotated_at_ms = Some(now);
            Ok(key.clone())
        })?;
        Ok((key, secret))
    }

    /// Revokes a key for good; one that was revoked stays so. Blocks on the disk.
    ///
    /// # Errors
    /// When there is no such key, or that cannot be stored.
    pub(crate) fn revoke(&self, name: &str, now: UnixMs) -> Result<LocalKey, KeysError> {
        self.change(|keys| {
            let key = named(keys, name)?;
            key.revoked_at_ms.get_or_insert(now);
            Ok(key.clone())
        })
    }

    /// Changes the keys on disk, and then here.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<LocalKey>) -> Result<T, KeysError>,
    ) -> Result<T, KeysError> {
        let mut keys = self.keys();
        let mut changed = Written { keys: keys.clone() };
        let result = change(&mut changed.keys)?;
        let failed = |source| KeysError::File { path: self.path.clone(), source };
        let text = serde_json::to_vec_pretty(&changed).map_err(|err| failed(err.into()))?;
        private_file::replace(&self.path, &text).map_err(failed)?;
        *keys = changed.keys;
        Ok(result)
    }

    /// The list stays whole if a holder panics: it is replaced at once.
    fn keys(&self) -> MutexGuard<'_, Vec<LocalKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn named<'a>(keys: &'a mut [LocalKey], name: &str) -> Result<&'a mut LocalKey, KeysError> {
    let found = keys.iter_mut().find(|it| it.name == name);
    found.ok_or_else(|| {
        // A key in place of its name must not be repeated.
        KeysError::Unknown(tollgate_core::credential::masked_text(name.to_owned()))
    })
}

fn check_scope(scope: &KeyScope) -> Result<(), KeysError> {
    for (what, list) in
        [("models", &scope.models), ("routes", &scope.routes), ("providers", &scope.providers)]
    {
        let fits = |it: &String| !it.is_empty() && it.len() <= SCOPE_TEXT_BYTES_MAX;
        if list.len() > SCOPE_ENTRIES_MAX || !list.iter().all(fits) {
            return Err(KeysError::Invalid(format!(
                "`{what}` has up to {SCOPE_ENTRIES_MAX} entries, none empty or longer than \
                 {SCOPE_TEXT_BYTES_MAX} bytes"
            )));
        }
    }
    Ok(())
}

fn new_secret() -> Result<Secret, KeysError> {
    let mut random = zeroize::Zeroizing::new([0; KEY_BYTES]);
    fill_random(&mut *random).map_err(KeysError::Random)?;
    Ok(key_secret(&random))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const NOW: UnixMs = UnixMs(1_795_000_000_000);

    fn new(name: &str) -> NewKey {
        NewKey { name: name.to_owned(), ..NewKey::default() }
    }

    #[test]
    fn keys_are_kept_as_hashes_in_a_file_of_their_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyFile::load(dir.path()).unwrap();
        let (key, secret) = keys.create(new("ci"), NOW).unwrap();
        assert_eq!(key.check(&KeyHash::of(secret.expose().as_bytes()), NOW), Ok(()));
        let path = dir.path().join(FILE_NAME);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(secret.expose()) && text.contains(&key.beginning));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(KeyFile::load(dir.path()).unwrap().list(), [key]);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(matches!(KeyFile::load(dir.path()), Err(KeysError::File { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(matches!(KeyFile::load(dir.path()), Err(KeysError::Damaged { .. })));
    }

    #[test]
    fn a_rotated_key_has_a_new_secret_and_its_old_one_ends_with_the_grace() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyFile::load(dir.path()).unwrap();
        let (_, first) = keys.create(new("ci"), NOW).unwrap();
        let (rotated, second) = keys.rotate("ci", Duration::from_secs(60), NOW).unwrap();
        let good = |key: &LocalKey, secret: &Secret, at_ms: i64| {
            key.check(&KeyHash::of(secret.expose().as_bytes()), UnixMs(NOW.0 + at_ms)).is_ok()
        };
        assert!(good(&rotated, &first, 59_999) && !good(&rotated, &first, 60_000));
        assert!(good(&rotated, &second, 0));
        let (at_once, third) = keys.rotate("ci", Duration::ZERO, NOW).unwrap();
        assert!(!good(&at_once, &first, 0) && !good(&at_once, &second, 0));
        assert!(good(&at_once, &third, 0));
        let long = ROTATION_GRACE_MAX + Duration::from_secs(1);
        assert!(matches!(keys.rotate("ci", long, NOW), Err(KeysError::Invalid(_))));
        assert!(!good(&keys.revoke("ci", NOW).unwrap(), &third, 0));
        assert!(matches!(keys.rotate("ci", Duration::ZERO, NOW), Err(KeysError::Invalid(_))));
        let again = keys.revoke("ci", UnixMs(NOW.0 + 5)).unwrap();
        assert_eq!(again.revoked_at_ms, Some(NOW));
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyFile::load(dir.path()).unwrap();
        let (_, secret) = keys.create(new("ci"), NOW).unwrap();
        let known = keys.list();
        let check = |it: NewKey, part: &str| {
            let error = keys.create(it, NOW).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains(secret.expose()), "{error}");
        };
        check(new("ci"), "already");
        check(new("two words"), "is not a name");
        check(new(secret.expose()), "is not a name");
        check(NewKey { expires_at_ms: Some(NOW), ..new("late") }, "expire");
        let scope = KeyScope { models: vec![String::new()], ..KeyScope::default() };
        check(NewKey { scope, ..new("empty") }, "`models`");
        let unknown = keys.revoke(secret.expose(), NOW).unwrap_err();
        assert!(matches!(&unknown, KeysError::Unknown(it) if it == "***"), "{unknown}");
        assert_eq!(keys.list(), known);
        assert_eq!(KeyFile::load(dir.path()).unwrap().list(), known);
    }

    #[test]
    fn there_are_so_many_keys_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyFile::load(dir.path()).unwrap();
        let (key, _) = keys.create(new("first"), NOW).unwrap();
        let more = (1..KEYS_MAX).map(|it| LocalKey { name: format!("k{it}"), ..key.clone() });
        keys.keys().extend(more);
        let error = keys.create(new("one-more"), NOW).unwrap_err().to_string();
        assert!(error.contains("4096"), "{error}");
        // One that is revoked stays among them: its calls are still counted.
        keys.revoke("k1", NOW).unwrap();
        assert!(keys.create(new("one-more"), NOW).is_err());
    }
}
