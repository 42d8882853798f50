//! Who is served, and how it is known.

use std::os::unix::net::UnixStream;

use anyhow::{Context, bail};
use tollgate_helper_protocol::reply::Sees;

/// Set by `pkexec` to the user who asked, in an otherwise clean environment.
const PKEXEC_UID: &str = "PKEXEC_UID";

/// Whose events a client with this user id gets.
pub(crate) const fn sees(uid: u32) -> Sees {
    if uid == 0 { Sees::Everyone } else { Sees::User(uid) }
}

/// Whether a client may see an event of this user. What belongs to nobody known, only those see
/// who see everyone.
pub(crate) fn may_see(sees: Sees, uid: Option<u32>) -> bool {
    match sees {
        Sees::Everyone => true,
        Sees::User(own) => uid == Some(own),
    }
}

/// The user that polkit let start this process, if it was polkit.
///
/// # Errors
/// When the variable is there but no number.
pub(crate) fn pkexec_uid() -> anyhow::Result<Option<u32>> {
    let Some(text) = std::env::var_os(PKEXEC_UID) else { return Ok(None) };
    let uid = text.to_str().and_then(|text| text.parse().ok());
    uid.map(Some).with_context(|| format!("`{PKEXEC_UID}` is not a user id"))
}

/// Under polkit the user is who polkit says; `--uid` can only repeat it.
///
/// # Errors
/// When both name different users, or neither names one.
pub(crate) fn served_uid(asked: Option<u32>, pkexec: Option<u32>) -> anyhow::Result<u32> {
    match (asked, pkexec) {
        (Some(asked), Some(pkexec)) if asked != pkexec => {
            bail!("`--uid {asked}` is refused: polkit authorised user {pkexec}")
        }
        (_, Some(uid)) | (Some(uid), None) => Ok(uid),
        (None, None) => bail!("`--uid` is missing: it names the user to serve"),
    }
}

/// The user at the other end, as the kernel noted when it connected.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn uid_of(stream: &UnixStream) -> anyhow::Result<u32> {
    let credentials = rustix::net::sockopt::socket_peercred(stream)
        .context("could not read the peer's credentials")?;
    Ok(credentials.uid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polkit_has_the_last_word() {
        assert_eq!(served_uid(Some(1000), None).unwrap(), 1000);
        assert_eq!(served_uid(None, Some(1000)).unwrap(), 1000);
        assert_eq!(served_uid(Some(1000), Some(1000)).unwrap(), 1000);
        assert!(served_uid(Some(0), Some(1000)).is_err());
        assert!(served_uid(None, None).is_err());
    }

    #[test]
    fn nobody_sees_what_belongs_to_another_or_to_nobody_known() {
        assert!(may_see(sees(0), None) && may_see(sees(0), Some(1000)));
        assert!(may_see(sees(1000), Some(1000)));
        assert!(!may_see(sees(1000), Some(1001)));
        assert!(!may_see(sees(1000), Some(0)));
        assert!(!may_see(sees(1000), None));
    }
}
