//! Where a passphrase comes from when nobody is there to type it: never from an argument, nor from a
//! variable, which every child inherits.

use std::{fs, io::Read as _, path::PathBuf};

use tollgate_core::Secret;
use zeroize::Zeroizing;

use super::{CredentialError, file::PASSPHRASE_BYTES_MAX};

/// The name of the systemd credential (`LoadCredential=`, `LoadCredentialEncrypted=`).
const CREDENTIAL: &str = "tollgate-passphrase";
/// The variable with the number of the descriptor that the passphrase is read from.
const DESCRIPTOR: &str = "TOLLGATE_PASSPHRASE_FD";

/// The passphrase that systemd or the parent process hands over; `None` when neither does.
///
/// # Errors
/// When what they point to cannot be read, or is too long.
pub(super) fn given(
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Secret>, CredentialError> {
    if let Some(folder) = env("CREDENTIALS_DIRECTORY") {
        let path = PathBuf::from(folder).join(CREDENTIAL);
        if path.exists() {
            return read(&path).map(Some);
        }
    }
    let Some(number) = env(DESCRIPTOR) else { return Ok(None) };
    let number: u32 = number.parse().map_err(|_| CredentialError::Unfit {
        place: format!("from ${DESCRIPTOR}"),
        why: "it is no number of a descriptor".to_owned(),
    })?;
    let passphrase = read(&PathBuf::from(format!("/proc/self/fd/{number}")))?;
    // A pipe that was read already is empty.
    Ok(Some(passphrase).filter(|it| !it.expose().is_empty()))
}

fn read(path: &std::path::Path) -> Result<Secret, CredentialError> {
    let failed = |why: String| CredentialError::File { path: path.display().to_string(), why };
    let file = fs::File::open(path).map_err(|err| failed(err.to_string()))?;
    let mut text = Zeroizing::new(String::new());
    let longest = u64::try_from(PASSPHRASE_BYTES_MAX + 2).unwrap_or(u64::MAX);
    file.take(longest).read_to_string(&mut text).map_err(|err| failed(err.to_string()))?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.len() > PASSPHRASE_BYTES_MAX {
        return Err(failed(format!("longer than {PASSPHRASE_BYTES_MAX} bytes")));
    }
    Ok(Secret::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::fd::AsRawFd as _};

    use super::*;

    fn with(set: &[(&str, &str)]) -> Result<Option<String>, CredentialError> {
        let env = |name: &str| set.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        given(&env).map(|it| it.map(|it| it.expose().to_owned()))
    }

    #[test]
    fn comes_from_systemd_or_an_open_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().to_str().unwrap();
        assert_eq!(with(&[]), Ok(None));
        assert_eq!(with(&[("CREDENTIALS_DIRECTORY", named)]), Ok(None));
        fs::write(folder.path().join(CREDENTIAL), "from systemd\n").unwrap();
        let both = [("CREDENTIALS_DIRECTORY", named), (DESCRIPTOR, "0")];
        assert_eq!(with(&both), Ok(Some("from systemd".to_owned())));

        let (pipe, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"from a pipe\r\n").unwrap();
        drop(writer);
        let number = pipe.as_raw_fd().to_string();
        assert_eq!(with(&[(DESCRIPTOR, &number)]), Ok(Some("from a pipe".to_owned())));
        assert_eq!(with(&[(DESCRIPTOR, &number)]), Ok(None), "it is read once");
    }

    #[test]
    fn what_cannot_be_one_is_refused_and_not_repeated() {
        let told = with(&[(DESCRIPTOR, "secret")]).unwrap_err().to_string();
        assert!(told.contains("no number") && !told.contains("secret"), "{told}");
        assert!(with(&[(DESCRIPTOR, "987654")]).is_err());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CREDENTIAL), "x".repeat(5_000)).unwrap();
        let named = folder.path().to_str().unwrap();
        let told = with(&[("CREDENTIALS_DIRECTORY", named)]).unwrap_err().to_string();
        assert!(told.contains("longer than"), "{told}");
    }
}
