//! Credentials of providers: from the environment or the OS keyring, never from a file of ours.

use std::{sync::mpsc, thread, time::Duration};

use tollgate_core::Secret;
use zbus_secret_service_keyring_store::Store;

use crate::config::CredentialSource;

/// The name under which entries stand in the keyring; the user of an entry is the credential's.
pub const KEYRING_SERVICE: &str = "tollgate";

/// A locked keyring can wait for a person for ever.
const KEYRING_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a credential is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The variable is unset or empty.
    #[error("read the credential from the environment: `{0}` is not set")]
    EnvUnset(String),
    /// The keyring has no such entry.
    #[error("read the credential `{0}` from the keyring: there is no such entry")]
    KeyringEntryMissing(String),
    /// The keyring does not work here.
    #[error("use the keyring: {0}")]
    Keyring(String),
    /// The keyring did not answer: it is probably locked.
    #[error("use the keyring: no answer within {} s; is it locked?", KEYRING_TIMEOUT.as_secs())]
    KeyringTimeout,
}

/// Reads a credential. Blocks for up to five seconds when it is in the keyring.
///
/// # Errors
/// When it is not there or the keyring does not work.
pub fn read(
    source: &CredentialSource,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Secret, CredentialError> {
    match source {
        CredentialSource::Env(name) => match env(name) {
            Some(key) if !key.is_empty() => Ok(Secret::new(key)),
            Some(_) | None => Err(CredentialError::EnvUnset(name.clone())),
        },
        CredentialSource::Keyring(name) => {
            let entry = name.clone();
            with_keyring(move |store| {
                let missing = || CredentialError::KeyringEntryMissing(entry.clone());
                let entry = store.build(KEYRING_SERVICE, &entry, None).map_err(describe)?;
                match entry.get_password() {
                    Ok(key) => Ok(Secret::new(key)),
                    Err(keyring_core::Error::NoEntry) => Err(missing()),
                    Err(err) => Err(describe(err)),
                }
            })
        }
    }
}

/// Stores a credential in the keyring. Blocks for up to five seconds.
///
/// # Errors
/// When the keyring does not work.
pub fn store(name: &str, secret: Secret) -> Result<(), CredentialError> {
    let name = name.to_owned();
    with_keyring(move |store| {
        let entry = store.build(KEYRING_SERVICE, &name, None).map_err(describe)?;
        entry.set_password(secret.expose()).map_err(describe)
    })
}

/// Removes a credential from the keyring; one that is not there is removed already. Blocks for up
/// to five seconds.
///
/// # Errors
/// When the keyring does not work.
pub fn remove(name: &str) -> Result<(), CredentialError> {
    let name = name.to_owned();
    with_keyring(move |store| {
        let entry = store.build(KEYRING_SERVICE, &name, None).map_err(describe)?;
        match entry.delete_credential() {
            Ok(()) | Err(keyring_core::Error::NoEntry) => Ok(()),
            Err(err) => Err(describe(err)),
        }
    })
}

/// Runs on a thread of its own: the store starts a runtime itself, and a locked keyring must not
/// hold up anything else, not even the exit.
fn with_keyring<T: Send + 'static>(
    work: impl FnOnce(&dyn keyring_core::api::CredentialStoreApi) -> Result<T, CredentialError>
    + Send
    + 'static,
) -> Result<T, CredentialError> {
    let (done, wait) = mpsc::sync_channel(1);
    let spawned = thread::Builder::new().name("keyring".to_owned()).spawn(move || {
        let result = Store::new().map_err(describe).and_then(|store| work(store.as_ref()));
        // The asker may have given up.
        let _ = done.send(result);
    });
    spawned.map_err(|err| CredentialError::Keyring(err.to_string()))?;
    wait.recv_timeout(KEYRING_TIMEOUT).map_err(|_| CredentialError::KeyringTimeout)?
}

#[expect(clippy::needless_pass_by_value, reason = "used as a `map_err` function")]
fn describe(err: keyring_core::Error) -> CredentialError {
    CredentialError::Keyring(err.to_string())
}
