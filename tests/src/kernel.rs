//! What the running kernel and user let the eBPF tests prove. What they do not is skipped with its
//! reason printed.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// The hooks that are there from [`SENDERS_SINCE`] on.
pub const SENDER_HOOKS: [&str; 2] = ["tp_btf/sock_send_length", "tp_btf/sock_recv_length"];
/// The first Linux whose tracepoints tell who sends and receives.
const SENDERS_SINCE: (u32, u32) = (6, 3);

/// `true` when eBPF programs cannot be loaded here. Where `TOLLGATE_REQUIRE_BPF` is set they must.
///
/// # Panics
/// When they must and cannot.
#[must_use]
pub fn no_bpf(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        let required = std::env::var_os("TOLLGATE_REQUIRE_BPF").is_some();
        assert!(!required, "{test}: loading eBPF programs needs root");
        println!("skipped {test}: loading eBPF programs needs root");
    }
    !is_root
}

/// `true` when a test cannot be two users here, because only root can.
#[must_use]
pub fn no_second_user(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped {test}: only root can be two users");
    }
    !is_root
}

/// `true` when another user cannot run the program of this workspace, because it stands below a folder
/// that is not open to all.
///
/// # Panics
/// When the program is not there.
#[must_use]
pub fn no_program_for_others(test: &str) -> bool {
    let program = crate::program("tollgate");
    let is_open = |it: &Path| fs::metadata(it).is_ok_and(|it| it.permissions().mode() & 0o001 != 0);
    let can = program.ancestors().all(is_open);
    if !can {
        println!("skipped {test}: another user cannot run `{}`", program.display());
    }
    !can
}

/// `true` when this kernel is too old to tell who sends and receives, so that only who made a
/// socket is known.
#[must_use]
pub fn no_senders(test: &str) -> bool {
    let (major, minor) = SENDERS_SINCE;
    let is_old = release().is_some_and(|it| it < SENDERS_SINCE);
    if is_old {
        println!("skipped {test}: senders are told from Linux {major}.{minor} on");
    }
    is_old
}

/// The two numbers of the running kernel's release.
fn release() -> Option<(u32, u32)> {
    parse(rustix::system::uname().release().to_str().ok()?)
}

fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_releases_of_distributions() {
        for (text, release) in [
            ("6.1.0-40-amd64", (6, 1)),
            ("6.8.0-45-generic", (6, 8)),
            ("6.18.44", (6, 18)),
            ("7.0-rc1", (7, 0)),
        ] {
            assert_eq!(parse(text), Some(release));
        }
        assert_eq!(parse("unknown"), None);
        assert!(release().is_some());
    }
}
