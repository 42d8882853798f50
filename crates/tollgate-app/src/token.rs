//! The admin token: who can read it may use the admin API over HTTP.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio_util::sync::CancellationToken;
use tollgate_core::Secret;
use zeroize::Zeroizing;

use crate::private_file;

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// The admin token in force, and its file.
pub(crate) struct AdminToken {
    path: PathBuf,
    /// Held from before the file is written until the token is in force, so that the two agree.
    rotating: Mutex<()>,
    state: Mutex<State>,
}

struct State {
    secret: Secret,
    /// Cancelled when the token is good no longer.
    replaced: CancellationToken,
}

impl AdminToken {
    /// Reads the token, or makes a new one readable by this user alone.
    ///
    /// # Errors
    /// When the file can neither be read nor made, or others may read it.
    pub(crate) fn load_or_create(path: PathBuf) -> io::Result<Self> {
        let secret = load_or_create(&path)?;
        let state = Mutex::new(State { secret, replaced: CancellationToken::new() });
        Ok(Self { path, rotating: Mutex::default(), state })
    }

    /// Whether `given` is the token, in constant time; then what is cancelled when it is good no
    /// longer, for what goes on by it.
    pub(crate) fn admits(&self, given: &[u8]) -> Option<CancellationToken> {
        let state = self.state();
        state.secret.matches(given).then(|| state.replaced.clone())
    }

    /// The token, for the console's address.
    pub(crate) fn secret(&self) -> Secret {
        self.state().secret.clone()
    }

    /// Replaces the token. The former one is good for nothing that begins after this returns, and
    /// streams that were opened with it end. Blocks on the disk.
    ///
    /// # Errors
    /// When the new one cannot be stored; the former one stays in force.
    pub(crate) fn rotate(&self) -> io::Result<()> {
        let _rotating = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = random_token()?;
        let line = Zeroizing::new(format!("{}\n", secret.expose()));
        private_file::replace(&self.path, line.as_bytes())?;
        let new = State { secret, replaced: CancellationToken::new() };
        std::mem::replace(&mut *self.state(), new).replaced.cancel();
        Ok(())
    }

    /// The state stays whole if a holder panics: it is replaced at once.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load_or_create(path: &Path) -> io::Result<Secret> {
    match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => {
            let text = text.trim();
            if private_file::is_open_to_others(path)? || text.len() < TOKEN_BYTES {
                let message = format!(
                    "`{}` is open to others or too short: remove it, and a new one is made at the next start",
                    path.display()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            Ok(Secret::new(text.to_owned()))
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => create(path),
        Err(err) => Err(err),
    }
}

fn create(path: &Path) -> io::Result<Secret> {
    let token = random_token()?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", token.expose())?;
    Ok(token)
}

fn random_token() -> io::Result<Secret> {
    let mut random = Zeroizing::new([0; TOKEN_BYTES]);
    fill_random(&mut *random)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(*random)))
}

/// Fills `bytes` from the kernel's source of randomness.
pub(crate) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    let wanted = bytes.len();
    let got = rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty())?;
    if got == wanted { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn is_made_once_and_only_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        let first = load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(load_or_create(&path).unwrap().matches(first.expose().as_bytes()));
    }

    #[test]
    fn a_token_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load_or_create(&path).is_err());
    }

    #[test]
    fn a_rotated_token_ends_what_went_on_by_the_former_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        let token = AdminToken::load_or_create(path.clone()).unwrap();
        let former = token.secret();
        let goes_on = token.admits(former.expose().as_bytes()).unwrap();
        token.rotate().unwrap();
        assert!(goes_on.is_cancelled());
        assert!(token.admits(former.expose().as_bytes()).is_none());
        let new = token.secret();
        assert!(token.admits(new.expose().as_bytes()).is_some_and(|it| !it.is_cancelled()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let stored = load_or_create(&path).unwrap();
        assert!(stored.matches(new.expose().as_bytes()), "the next start has the same");
    }

    #[test]
    fn a_token_that_cannot_be_stored_does_not_come_into_force() {
        let dir = tempfile::tempdir().unwrap();
        let token = AdminToken::load_or_create(dir.path().join("admin.token")).unwrap();
        let former = token.secret();
        fs::create_dir(dir.path().join("admin.new")).unwrap();
        assert!(token.rotate().is_err());
        assert!(token.admits(former.expose().as_bytes()).is_some());
    }
}
