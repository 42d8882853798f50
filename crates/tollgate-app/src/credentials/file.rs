//! The encrypted file of credentials: where they stand when no keyring can be used.
//!
//! It is one for all gateways of a user, as a keyring is. Its content is sealed with
//! XChaCha20-Poly1305 under a key that is either in a file beside it or derived from a passphrase by
//! Argon2id. A key beside it protects a copy of the one file, and no more; a passphrase protects the
//! disk as well. The format is told in `docs/credentials.md`.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tollgate_core::Secret;
use zeroize::Zeroizing;

use super::CredentialError;
use crate::{config::read_bounded, private_file, token::fill_random};

/// The longest file that is read: some thousands of keys.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The longest passphrase that is taken.
pub(super) const PASSPHRASE_BYTES_MAX: usize = 1_024;
/// The shortest: below it a guess costs less than the key that it protects.
pub const PASSPHRASE_CHARS_MIN: usize = 8;
/// Memory and passes of Argon2id, as RFC 9106 (section 4, second choice) has them for where memory is
/// scarce.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// The most of both that a file may ask for: one that was tampered with must not take the machine.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;
const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const VERSION: u32 = 1;
/// What the seal also covers, so that it opens nothing of another kind.
const ASSOCIATED: &[u8] = b"tollgate credentials 1";

/// What opens the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// A key in a file beside it.
    KeyFile,
    /// A passphrase.
    Passphrase,
}

/// The file of credentials in a folder; it need not be there.
pub struct CredentialFile {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A passphrase that was given and not needed yet.
    given: Option<Secret>,
    /// The key that a passphrase came to, for the salt that it was derived with.
    derived: Option<(String, Key)>,
}

type Key = Zeroizing<[u8; KEY_BYTES]>;
type Entries = BTreeMap<String, Zeroizing<String>>;

/// What stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    version: u32,
    lock: SealedLock,
    nonce: String,
    sealed: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum SealedLock {
    KeyFile {},
    Passphrase { memory_kib: u32, passes: u32, salt: String },
}

impl CredentialFile {
    /// The file in `folder`. `passphrase` opens it if it has one.
    #[must_use]
    pub fn new(folder: &Path, passphrase: Option<Secret>) -> Self {
        let state = State { given: passphrase, derived: None };
        Self { folder: folder.to_owned(), state: Mutex::new(state) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    /// Where its key is, unless it has a passphrase.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.folder.join("credentials.key")
    }

    /// What opens it; `None` when it is not there. Blocks on the disk, as all of these do.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn lock(&self) -> Result<Option<Lock>, CredentialError> {
        Ok(self.read()?.map(|it| it.lock.kind()))
    }

    /// A credential; `None` when the file is not there or has none of that name. May take a moment to
    /// derive a key, once.
    ///
    /// # Errors
    /// When it cannot be read, or is locked.
    pub fn get(&self, name: &str) -> Result<Option<Secret>, CredentialError> {
        let Some(sealed) = self.read()? else { return Ok(None) };
        let (mut entries, _) = self.open(&sealed)?;
        Ok(entries.remove(name).map(|it| Secret::new(it.as_str().to_owned())))
    }

    /// Stores a credential, and says what opens the file. Where there is none yet, it is made with a
    /// key file.
    ///
    /// # Errors
    /// When it cannot be read or written, or is locked.
    pub fn put(&self, name: &str, secret: &Secret) -> Result<Lock, CredentialError> {
        self.change(|entries| {
            entries.insert(name.to_owned(), Zeroizing::new(secret.expose().to_owned()));
        })
    }

    /// Removes a credential; one that is not there is removed already.
    ///
    /// # Errors
    /// When it cannot be read or written, or is locked.
    pub fn remove(&self, name: &str) -> Result<(), CredentialError> {
        if self.read()?.is_none() || self.get(name)?.is_none() {
            return Ok(());
        }
        self.change(|entries| {
            entries.remove(name);
        })
        .map(|_| ())
    }

    /// Opens a file that has a passphrase, for as long as this lives.
    ///
    /// # Errors
    /// When the passphrase is wrong, there is no such file, or it cannot be read.
    pub fn unlock(&self, passphrase: &Secret) -> Result<(), CredentialError> {
        let sealed = self.read()?.ok_or_else(|| self.failed("it is not there"))?;
        let SealedLock::Passphrase { memory_kib, passes, salt } = &sealed.lock else {
            return Ok(());
        };
        let key = self.derive(passphrase, *memory_kib, *passes, salt)?;
        self.unseal(&sealed, &key).map_err(|_| CredentialError::WrongPassphrase)?;
        self.state().derived = Some((salt.clone(), key));
        Ok(())
    }

    /// Changes what opens the file, which is made where there is none: a passphrase, or without one a
    /// key file.
    ///
    /// # Errors
    /// When it is locked, the passphrase is too short or too long, or it cannot be written.
    pub fn relock(&self, passphrase: Option<&Secret>) -> Result<(), CredentialError> {
        let _one = self.alone()?;
        let sealed = self.read()?;
        let entries = match &sealed {
            Some(sealed) => self.open(sealed)?.0,
            None => Entries::new(),
        };
        let Some(passphrase) = passphrase else {
            if sealed.is_some_and(|it| it.lock.kind() == Lock::KeyFile) {
                return Ok(());
            }
            let key = self.new_key_file()?;
            return self.write(SealedLock::KeyFile {}, &key, &entries);
        };
        let text = passphrase.expose();
        if text.chars().count() < PASSPHRASE_CHARS_MIN || text.len() > PASSPHRASE_BYTES_MAX {
            return Err(CredentialError::UnfitPassphrase);
        }
        let salt = STANDARD.encode(*self.random::<SALT_BYTES>()?);
        let key = self.derive(passphrase, MEMORY_KIB, PASSES, &salt)?;
        let lock =
            SealedLock::Passphrase { memory_kib: MEMORY_KIB, passes: PASSES, salt: salt.clone() };
        self.write(lock, &key, &entries)?;
        self.state().derived = Some((salt, key));
        match fs::remove_file(self.key_path()) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => Err(self.failed(&err)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Changes the entries, while no other process does.
    fn change(&self, change: impl FnOnce(&mut Entries)) -> Result<Lock, CredentialError> {
        let _one = self.alone()?;
        let (mut entries, key, lock) = match self.read()? {
            Some(sealed) => {
                let (entries, key) = self.open(&sealed)?;
                (entries, key, sealed.lock)
            }
            None => (Entries::new(), self.new_key_file()?, SealedLock::KeyFile {}),
        };
        change(&mut entries);
        let kind = lock.kind();
        self.write(lock, &key, &entries)?;
        Ok(kind)
    }

    /// The entries, and the key that opened them.
    fn open(&self, sealed: &Sealed) -> Result<(Entries, Key), CredentialError> {
        let key = match &sealed.lock {
            SealedLock::KeyFile {} => self.read_key_file()?,
            SealedLock::Passphrase { salt, .. } => self.key_of_passphrase(salt)?,
        };
        let entries = self.unseal(sealed, &key)?;
        Ok((entries, key))
    }

    /// The key that a passphrase came to; derives it if one was given.
    fn key_of_passphrase(&self, salt: &str) -> Result<Key, CredentialError> {
        let derived = |state: &State| {
            state.derived.as_ref().filter(|it| it.0 == salt).map(|it| Zeroizing::clone(&it.1))
        };
        let given = {
            let mut state = self.state();
            if let Some(key) = derived(&state) {
                return Ok(key);
            }
            state.given.take()
        };
        self.unlock(&given.ok_or(CredentialError::FileLocked)?)?;
        derived(&self.state()).ok_or(CredentialError::FileLocked)
    }

    fn derive(
        &self,
        passphrase: &Secret,
        memory_kib: u32,
        passes: u32,
        salt: &str,
    ) -> Result<Key, CredentialError> {
        if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX {
            return Err(self.failed("it asks for more work than is done for a passphrase"));
        }
        let salt = STANDARD.decode(salt).map_err(|err| self.failed(&err))?;
        let params = Params::new(memory_kib, passes, 1, Some(KEY_BYTES));
        let params = params.map_err(|err| self.failed(&err))?;
        let mut key = Key::default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose().as_bytes(), &salt, &mut *key)
            .map_err(|err| self.failed(&err))?;
        Ok(key)
    }

    fn unseal(&self, sealed: &Sealed, key: &Key) -> Result<Entries, CredentialError> {
        let nonce = STANDARD.decode(&sealed.nonce).map_err(|err| self.failed(&err))?;
        let nonce: [u8; NONCE_BYTES] =
            nonce.try_into().map_err(|_| self.failed("its nonce has another length"))?;
        let bytes = STANDARD.decode(&sealed.sealed).map_err(|err| self.failed(&err))?;
        let opened = cipher(key)
            .decrypt(&XNonce::from(nonce), Payload { msg: &bytes, aad: ASSOCIATED })
            .map_err(|_| self.failed("it was changed, or its key is another"))?;
        let opened = Zeroizing::new(opened);
        serde_json::from_slice(&opened).map_err(|_| self.failed("what is sealed in it is no list"))
    }

    fn write(&self, lock: SealedLock, key: &Key, entries: &Entries) -> Result<(), CredentialError> {
        let text = serde_json::to_vec(entries).map_err(|err| self.failed(&err))?;
        let text = Zeroizing::new(text);
        // Random and of 192 bits: it never comes twice, though the key stays.
        let nonce = *self.random::<NONCE_BYTES>()?;
        let sealed = cipher(key)
            .encrypt(&XNonce::from(nonce), Payload { msg: &text, aad: ASSOCIATED })
            .map_err(|err| self.failed(&err))?;
        let sealed = Sealed {
            version: VERSION,
            lock,
            nonce: STANDARD.encode(nonce),
            sealed: STANDARD.encode(sealed),
        };
        let text = serde_json::to_vec_pretty(&sealed).map_err(|err| self.failed(&err))?;
        private_file::replace(&self.path(), &text).map_err(|err| self.failed(&err))
    }

    /// The file as it stands; `None` when it is not there.
    fn read(&self) -> Result<Option<Sealed>, CredentialError> {
        let path = self.path();
        let text = match read_bounded(&path, FILE_BYTES_MAX) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(self.failed(&err)),
        };
        self.check_private(&path)?;
        let sealed: Sealed = serde_json::from_str(&text)
            .map_err(|err| self.failed(&format!("it is not what this version wrote: {err}")))?;
        if sealed.version != VERSION {
            return Err(self.failed(&format!("its version {} is not known here", sealed.version)));
        }
        Ok(Some(sealed))
    }

    fn read_key_file(&self) -> Result<Key, CredentialError> {
        let path = self.key_path();
        self.check_private(&path)?;
        let bytes = Zeroizing::new(fs::read(&path).map_err(|err| self.failed(&err))?);
        let key: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| {
            self.failed(&format!("its key `{}` has another length", path.display()))
        })?;
        Ok(Zeroizing::new(key))
    }

    fn new_key_file(&self) -> Result<Key, CredentialError> {
        let key = self.random::<KEY_BYTES>()?;
        private_file::replace(&self.key_path(), &*key).map_err(|err| self.failed(&err))?;
        Ok(key)
    }

    fn check_private(&self, path: &Path) -> Result<(), CredentialError> {
        match private_file::is_open_to_others(path) {
            Ok(false) => Ok(()),
            Ok(true) => {
                let shown = path.display();
                Err(self.failed(&format!("`{shown}` is open to others: `chmod 600` it")))
            }
            Err(err) => Err(self.failed(&format!("its key `{}`: {err}", path.display()))),
        }
    }

    /// Keeps other processes from changing the file, which would lose one of two changes.
    fn alone(&self) -> Result<File, CredentialError> {
        let open = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let path = self.folder.join("credentials.lock");
            let file = File::options().create(true).append(true).open(path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        open().map_err(|err: io::Error| self.failed(&err))
    }

    fn random<const N: usize>(&self) -> Result<Zeroizing<[u8; N]>, CredentialError> {
        let mut bytes = Zeroizing::new([0; N]);
        fill_random(&mut *bytes).map_err(|err| self.failed(&err))?;
        Ok(bytes)
    }

    fn failed(&self, why: &(impl ToString + ?Sized)) -> CredentialError {
        let path = self.path().display().to_string();
        CredentialError::CredentialFile { path, why: why.to_string() }
    }

    /// The state stays whole if a holder panics: it is replaced at once.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SealedLock {
    const fn kind(&self) -> Lock {
        match self {
            Self::KeyFile {} => Lock::KeyFile,
            Self::Passphrase { .. } => Lock::Passphrase,
        }
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(**key).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn text(file: &CredentialFile, name: &str) -> Result<Option<String>, CredentialError> {
        file.get(name).map(|it| it.map(|it| it.expose().to_owned()))
    }

    fn why(result: Result<Option<String>, CredentialError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn is_made_with_a_key_beside_it_and_neither_is_of_use_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialFile::new(folder.path(), None);
        assert_eq!((file.lock().unwrap(), text(&file, "openai").unwrap()), (None, None));
        assert_eq!(file.put("openai", &secret("sk-one")).unwrap(), Lock::KeyFile);
        assert_eq!(file.put("lab", &secret("sk-two")).unwrap(), Lock::KeyFile);
        assert_eq!(text(&file, "openai").unwrap().unwrap(), "sk-one");
        for path in [file.path(), file.key_path()] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let bytes = fs::read(&path).unwrap();
            for planted in ["sk-one", "sk-two", "openai"] {
                assert!(!bytes.windows(planted.len()).any(|it| it == planted.as_bytes()));
            }
        }
        file.remove("openai").unwrap();
        file.remove("openai").unwrap();
        assert_eq!(text(&file, "openai").unwrap(), None);
        let again = CredentialFile::new(folder.path(), None);
        assert_eq!(text(&again, "lab").unwrap().unwrap(), "sk-two");

        fs::rename(file.key_path(), folder.path().join("elsewhere")).unwrap();
        assert!(why(text(&again, "lab")).contains("credentials.key"));
    }

    #[test]
    fn a_passphrase_takes_the_place_of_the_key_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialFile::new(folder.path(), None);
        file.put("openai", &secret("sk-one")).unwrap();
        assert_eq!(file.relock(Some(&secret("short"))), Err(CredentialError::UnfitPassphrase));
        let passphrase = secret("correct horse");
        file.relock(Some(&passphrase)).unwrap();
        assert_eq!(file.lock().unwrap(), Some(Lock::Passphrase));
        assert!(!file.key_path().exists());
        assert_eq!(text(&file, "openai").unwrap().unwrap(), "sk-one");

        let other = CredentialFile::new(folder.path(), None);
        assert_eq!(text(&other, "openai"), Err(CredentialError::FileLocked));
        assert_eq!(other.put("lab", &secret("sk")), Err(CredentialError::FileLocked));
        let wrong = other.unlock(&secret("wrong horse"));
        assert_eq!(wrong, Err(CredentialError::WrongPassphrase));
        other.unlock(&passphrase).unwrap();
        assert_eq!(other.put("lab", &secret("sk-two")).unwrap(), Lock::Passphrase);
        // The salt stays, so that who holds the file open needs the passphrase no second time.
        assert_eq!(text(&file, "lab").unwrap().unwrap(), "sk-two");

        let given = CredentialFile::new(folder.path(), Some(passphrase));
        assert_eq!(text(&given, "lab").unwrap().unwrap(), "sk-two");
        let mistaken = CredentialFile::new(folder.path(), Some(secret("mistaken horse")));
        assert_eq!(text(&mistaken, "lab"), Err(CredentialError::WrongPassphrase));

        given.relock(None).unwrap();
        let open = CredentialFile::new(folder.path(), None);
        assert_eq!(text(&open, "lab").unwrap().unwrap(), "sk-two");
    }

    #[test]
    fn a_file_that_was_changed_or_is_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialFile::new(folder.path(), None);
        file.put("openai", &secret("sk-one")).unwrap();
        let good = fs::read_to_string(file.path()).unwrap();
        let check = |text_in_file: &str, part: &str| {
            fs::write(file.path(), text_in_file).unwrap();
            let told = why(text(&file, "openai"));
            assert!(told.contains(part) && !told.contains("sk-one"), "{told}");
        };
        let sealed: serde_json::Value = serde_json::from_str(&good).unwrap();
        let mut changed = sealed.clone();
        let mut bytes = STANDARD.decode(sealed["sealed"].as_str().unwrap()).unwrap();
        bytes[0] ^= 1;
        changed["sealed"] = STANDARD.encode(bytes).into();
        check(&changed.to_string(), "it was changed");
        check(&good[..good.len() / 2], "not what this version wrote");
        check(&good.replace("\"version\": 1", "\"version\": 2"), "version 2");
        let mut greedy = sealed;
        greedy["lock"] = serde_json::json!({
            "kind": "passphrase", "memory_kib": u32::MAX, "passes": 1, "salt": "AAAAAAAAAAAAAAAAAAAAAA==",
        });
        fs::write(file.path(), greedy.to_string()).unwrap();
        let told = file.unlock(&secret("correct horse")).unwrap_err().to_string();
        assert!(told.contains("more work"), "{told}");

        fs::write(file.path(), &good).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(why(text(&file, "openai")).contains("open to others"));
    }

    #[test]
    fn two_who_store_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        CredentialFile::new(folder.path(), None).put("first", &secret("sk")).unwrap();
        std::thread::scope(|scope| {
            for index in 0..8 {
                let folder = folder.path();
                scope.spawn(move || {
                    let file = CredentialFile::new(folder, None);
                    file.put(&format!("k{index}"), &secret("sk")).unwrap();
                });
            }
        });
        let file = CredentialFile::new(folder.path(), None);
        for index in 0..8 {
            assert!(file.get(&format!("k{index}")).unwrap().is_some(), "{index}");
        }
    }
}
