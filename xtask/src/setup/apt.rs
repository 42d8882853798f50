//! System packages, each with what it is for.

use std::{
    collections::BTreeSet,
    fs,
    io::{IsTerminal, Write},
};

use anyhow::{Context, Result, bail};

use super::{Consent, Group, say};
use crate::{command, workspace::Workspace};

type Package = (&'static str, &'static str);

const BUILD: &[Package] = &[
    ("build-essential", "linker and C compiler: SQLite, cryptography, compression"),
    ("pkg-config", "finds the libraries below"),
    ("libwebkit2gtk-4.1-dev", "the window: Tauri's web view and GTK"),
    ("libayatana-appindicator3-dev", "the tray"),
    ("librsvg2-dev", "icons of the window and tray"),
    ("libxdo-dev", "Tauri's keyboard input in menus"),
    ("ca-certificates", "roots for the providers' TLS"),
    ("python3-venv", "a private place for tools that the distribution has too old"),
];

const TEST: &[Package] = &[
    ("xvfb", "a display for the real window"),
    ("xauth", "access to that display"),
    ("dbus", "session bus for tray and keyring, system bus"),
    ("dbus-x11", "starts a session bus for a test"),
    ("python3-dbus", "switches the tray's toggle over D-Bus"),
    ("gnome-keyring", "a real Secret Service to keep keys in"),
    ("webkit2gtk-driver", "drives the real window"),
    ("chromium", "drives the web console in a real browser"),
    ("xdotool", "keyboard and pointer for the real window"),
    ("imagemagick", "screenshots of the real window"),
    ("x11-utils", "finds the real window"),
    ("fonts-dejavu-core", "text in screenshots"),
    ("adwaita-icon-theme", "icons in screenshots"),
    ("iproute2", "network namespaces for the packet tests"),
    ("procps", "finds what a test left running"),
    ("tshark", "reads our captures"),
    ("curl", "a caller that is no SDK"),
];

const BENCH: &[Package] = &[("nginx-light", "the reverse proxy that overhead is measured beside")];

const DIST: &[Package] = &[
    ("dpkg-dev", "library dependencies of the package"),
    ("lintian", "checks the package"),
    ("desktop-file-utils", "checks the desktop entry"),
    ("appstream", "checks the software centre's description"),
    ("librsvg2-bin", "draws the icons"),
    ("polkitd", "checks and serves the polkit action"),
];

const INSTALL: &[Package] = &[
    ("xvfb", "a display for the installed window"),
    ("xauth", "access to that display"),
    ("dbus", "session bus for the installed window"),
    ("xdotool", "finds the installed window"),
    ("curl", "calls the installed gateway"),
    ("man-db", "reads the installed manual"),
    ("procps", "finds what was left running"),
    ("systemd", "verifies the unit"),
    ("iproute2", "brings the loopback of its network up"),
];

pub(super) fn packages(group: Group) -> Vec<&'static str> {
    let list = match group {
        Group::Build => BUILD,
        Group::Test => TEST,
        Group::Bench => BENCH,
        Group::Dist => DIST,
        Group::Install => INSTALL,
        Group::Lint => &[],
    };
    list.iter().map(|(name, _)| *name).collect()
}

/// Installs those of the packages that are missing.
pub(super) fn install(workspace: &Workspace, wanted: &[&str], consent: Consent) -> Result<()> {
    if workspace.which("apt-get").is_none() {
        say("system packages", "no `apt-get` here: please install what Debian calls");
        for (name, purpose) in [BUILD, TEST, BENCH, DIST, INSTALL].concat() {
            if wanted.contains(&name) {
                println!("  {name:<30} {purpose}");
            }
        }
        return Ok(());
    }
    let missing = missing(workspace, wanted)?;
    if missing.is_empty() {
        say("system packages", format_args!("already there ({})", wanted.len()));
        return Ok(());
    }
    let known = |it: &&str| has_candidate(&policy(workspace, it));
    if has_lists() && !missing.iter().any(known) {
        say_not_there(&missing);
        return Ok(());
    }
    agree(&missing, consent)?;
    command::run(&mut as_root(workspace, &["apt-get", "update", "-q"]))?;
    // One name that it does not know fails a whole installation.
    let (there, not_there): (Vec<&str>, Vec<&str>) = missing.into_iter().partition(known);
    if !not_there.is_empty() {
        say_not_there(&not_there);
    }
    if there.is_empty() {
        return Ok(());
    }
    let mut words = vec!["apt-get", "install", "-qy", "--no-install-recommends"];
    words.extend(there.iter().copied());
    command::run(&mut as_root(workspace, &words))?;
    say("system packages", format_args!("installed {}: {}", there.len(), there.join(" ")));
    Ok(())
}

fn say_not_there(packages: &[&str]) {
    say("system packages", format_args!("not in this distribution: {}", packages.join(" ")));
}

/// Whether apt has been told what there is: on a fresh machine it knows no name at all.
fn has_lists() -> bool {
    let lists = fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    lists.map(|it| it.file_name()).any(|it| it.to_string_lossy().contains("_Packages"))
}

fn policy(workspace: &Workspace, package: &str) -> String {
    let mut asked = workspace.command("apt-cache");
    command::ask(asked.args(["policy", package]).env("LC_ALL", "C")).unwrap_or_default()
}

/// Whether `apt-cache policy` knows a version that can be installed; for an unknown name it says nothing.
fn has_candidate(policy: &str) -> bool {
    let candidate = policy.lines().find_map(|it| it.trim().strip_prefix("Candidate: "));
    candidate.is_some_and(|it| it != "(none)")
}

fn missing<'a>(workspace: &Workspace, wanted: &[&'a str]) -> Result<Vec<&'a str>> {
    // `dpkg-query` fails when it does not know one of the names, and still answers for the others.
    let output = workspace
        .command("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(wanted)
        .output()
        .context("cannot start `dpkg-query`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let installed: BTreeSet<&str> =
        text.lines().filter_map(|it| it.strip_suffix(" installed")).collect();
    Ok(wanted.iter().copied().filter(|it| !installed.contains(it)).collect())
}

/// Asks before anything is done with `sudo`; root is not asked.
fn agree(missing: &[&str], consent: Consent) -> Result<()> {
    if is_root() || consent == Consent::Given {
        return Ok(());
    }
    let command = format!("sudo apt-get install --no-install-recommends {}", missing.join(" "));
    if !std::io::stdin().is_terminal() {
        bail!("packages are missing; pass `--yes` or run `{command}`");
    }
    print!("These packages are missing:\n  {}\nInstall them with sudo? [Y/n] ", missing.join(" "));
    std::io::stdout().flush().context("cannot write")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    match answer.trim() {
        "" | "y" | "Y" | "yes" => Ok(()),
        _ => bail!("not installed; to do it yourself: `{command}`"),
    }
}

fn as_root(workspace: &Workspace, words: &[&str]) -> std::process::Command {
    let mut command = if is_root() {
        workspace.command("env")
    } else {
        let mut sudo = workspace.command("sudo");
        sudo.arg("env");
        sudo
    };
    command.arg("DEBIAN_FRONTEND=noninteractive").args(words);
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_version_is_not_asked_for() {
        assert!(has_candidate("curl:\n  Installed: (none)\n  Candidate: 7.88.1-10\n"));
        assert!(!has_candidate("chromium:\n  Installed: (none)\n  Candidate: (none)\n"));
        assert!(!has_candidate(""));
    }
}
