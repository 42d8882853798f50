//! `tollgate providers login`, `logout`, `passphrase` and `unlock`: credentials that are stored.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tollgate_app::{
    api::credentials::UnlockView,
    client::ClientError,
    credentials::{self, CredentialError, CredentialFile, Lock, Place},
};
use tollgate_core::Secret;
use zeroize::Zeroizing;

use super::providers::tell_gateway;
use crate::output;

/// Stores a credential and says where.
pub(super) fn login(name: &str) -> Result<()> {
    let key = read_hidden(&format!("Paste the key of `{name}`"))?;
    if key.expose().is_empty() {
        bail!("no key was given");
    }
    let file = file()?;
    let place = unlocked(&file, |file| credentials::store(file, name, &key))?;
    tell_place(&file, &place);
    output::note(&format!(
        "The configuration refers to it by `api_key = {{ keyring = \"{name}\" }}`."
    ));
    tell_gateway()
}

/// Removes a credential.
pub(super) fn logout(name: &str) -> Result<()> {
    let file = file()?;
    let unasked = unlocked(&file, |file| credentials::remove(file, name))?;
    if let Some(why) = unasked {
        output::note(&format!("It is no longer in the file. The keyring was not asked: {why}"));
    }
    tell_gateway()
}

/// Gives the file of credentials a passphrase, another one, or none.
pub(super) fn passphrase(remove: bool) -> Result<()> {
    let file = file()?;
    if remove {
        unlocked(&file, |file| file.relock(None))?;
        output::note(&format!(
            "`{}` is opened by `{}` from now on: who reads both has your credentials.",
            file.path().display(),
            file.key_path().display()
        ));
        return tell_gateway();
    }
    // The one before is asked for first.
    if file.lock()? == Some(Lock::Passphrase) {
        ask_to_unlock(&file)?;
    }
    let new = read_hidden("Type the new passphrase")?;
    let again = read_hidden("Type it again")?;
    if !new.matches(again.expose().as_bytes()) {
        bail!("the two are not the same");
    }
    file.relock(Some(&new))?;
    output::note(&format!(
        "`{}` has this passphrase. A gateway asks for it after each start: `tollgate providers unlock`.",
        file.path().display()
    ));
    hand_over(&new)
}

/// Opens the file for the running gateway.
pub(super) fn unlock() -> Result<()> {
    let file = file()?;
    match file.lock()? {
        Some(Lock::Passphrase) => {}
        Some(Lock::KeyFile) => bail!("`{}` has no passphrase", file.path().display()),
        None => bail!("there is no `{}`", file.path().display()),
    }
    let passphrase = read_hidden("Type the passphrase")?;
    let (client, _) = super::client()?;
    let asked = UnlockView { passphrase: Zeroizing::new(passphrase.expose().to_owned()) };
    super::runtime()?.block_on(client.post::<()>("/credentials/unlock", &asked))?;
    output::note("The running gateway has the credentials until it ends.");
    Ok(())
}

/// Says where a credential was stored, and what that is worth.
pub(super) fn tell_place(file: &CredentialFile, place: &Place) {
    let (path, key) = (file.path(), file.key_path());
    let (path, key) = (path.display(), key.display());
    match place {
        Place::Keyring => output::note("Stored in the keyring."),
        Place::File { lock, why } => {
            output::note(&format!("No keyring can be used here ({why})."));
            match lock {
                Lock::Passphrase => {
                    output::note(&format!("Stored in `{path}`, encrypted under your passphrase."));
                }
                Lock::KeyFile => output::note(&format!(
                    "Stored in `{path}`, encrypted with the key in `{key}`: that protects a copy of \
                     the one file, not a disk that has both. `tollgate providers passphrase` gives it \
                     a passphrase instead."
                )),
            }
        }
    }
}

/// A question that only `y` or `yes` on standard input agrees to.
pub(super) fn agreed(question: &str) -> Result<bool> {
    output::note(&format!("{question} [y/N]"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// Does what may need the file's passphrase, which is asked for then.
pub(super) fn unlocked<T>(
    file: &CredentialFile,
    work: impl Fn(&CredentialFile) -> Result<T, CredentialError>,
) -> Result<T> {
    match work(file) {
        Err(CredentialError::FileLocked) => {
            ask_to_unlock(file)?;
            Ok(work(file)?)
        }
        done => Ok(done?),
    }
}

fn ask_to_unlock(file: &CredentialFile) -> Result<()> {
    let passphrase = read_hidden(&format!("Type the passphrase of `{}`", file.path().display()))?;
    Ok(file.unlock(&passphrase)?)
}

/// Gives a running gateway the new passphrase: it could not read the file any more.
fn hand_over(passphrase: &Secret) -> Result<()> {
    let (client, _) = super::client()?;
    let asked = UnlockView { passphrase: Zeroizing::new(passphrase.expose().to_owned()) };
    let told = super::runtime()?.block_on(client.post::<()>("/credentials/unlock", &asked));
    match told {
        Ok(()) | Err(ClientError::NotRunning(_)) => Ok(()),
        Err(err) => Err(err).context("give the running gateway the new passphrase"),
    }
}

pub(super) fn file() -> Result<Arc<CredentialFile>> {
    Ok(credentials::file_of(&super::paths()?, &*super::environment())?)
}

/// Reads a line from standard input; what is typed on a terminal is not shown.
fn read_hidden(prompt: &str) -> Result<Secret> {
    let stdin = io::stdin();
    let mut line = Zeroizing::new(String::new());
    let hidden = if stdin.is_terminal() { Some(Hidden::begin(&stdin)?) } else { None };
    if hidden.is_some() {
        output::note(&format!("{prompt} (it is not shown), then press Enter:"));
    }
    stdin.lock().read_line(&mut line)?;
    Ok(Secret::new(line.trim().to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<'a> {
    terminal: &'a io::Stdin,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: &'a io::Stdin) -> Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // The line's end is shown, so that what follows begins on a line of its own.
        silent.local_modes.insert(LocalModes::ECHONL);
        termios::tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
