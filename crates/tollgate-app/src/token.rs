//! The admin token: who can read it may use the admin API over HTTP.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tollgate_core::Secret;

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// Reads the token, or makes a new one readable by this user alone.
///
/// # Errors
/// When the file can neither be read nor made, or others may read it.
pub(crate) fn load_or_create(path: &Path) -> io::Result<Secret> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let mode = fs::metadata(path)?.permissions().mode();
            let text = text.trim();
            if mode & 0o077 != 0 || text.len() < TOKEN_BYTES {
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
    let mut random = [0; TOKEN_BYTES];
    fill_random(&mut random)?;
    let token = URL_SAFE_NO_PAD.encode(random);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{token}")?;
    Ok(Secret::new(token))
}

/// Fills `bytes` from the kernel's source of randomness.
pub(crate) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    let wanted = bytes.len();
    let got = rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty())?;
    if got == wanted { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
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
}
