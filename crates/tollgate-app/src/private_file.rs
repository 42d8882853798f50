//! Files of ours that hold who may do what: for their owner alone, and replaced at once.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use crate::config::read_bounded;

/// Replaces a file at once, and so that it stays replaced: what was revoked must not come back with
/// the power. Blocks on the disk.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Reads a text of at most `bytes_max`; `None` where there is no file. Blocks on the disk.
///
/// # Errors
/// When it cannot be read, or others may write or read it.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Option<String>> {
    let text = match read_bounded(path, bytes_max) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err),
    };
    if is_open_to_others(path)? {
        let message = "it is open to others: see who wrote in it, then `chmod 600` it";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(Some(text))
}

/// Whether others than its owner may read or change it.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}
