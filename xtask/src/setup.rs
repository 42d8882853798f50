//! `cargo xtask setup`: brings a machine to where everything builds and every test runs. Re-runnable.
//!
//! Debian 12 is what it is tested on. Ubuntu 24.04 has the same package names except for the eBPF toolchain, see
//! [`bpf`], and has Chromium as a snap only. On a system without `apt-get` it lists what is needed and goes on with the rest.

mod apt;
mod bpf;

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{command, tools, workspace::Workspace};

/// The oldest compiler that builds the workspace: `rust-version` in the root `Cargo.toml`.
const RUST_MINOR_MIN: u32 = 95;

/// What a part of the work needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// To build and run: libraries, the eBPF toolchain, Node.js.
    Build,
    /// To run every test: a display, a browser, peers to compare with.
    Test,
    /// To check a change: formatter, lints, dependency rules.
    Lint,
    /// To measure: the reverse proxy that the gateway is compared with.
    Bench,
    /// To make and lint packages.
    Dist,
    /// To install, run and purge a package apart from the machine.
    Install,
}

impl Group {
    pub(crate) const ALL: [Self; 6] =
        [Self::Build, Self::Test, Self::Lint, Self::Bench, Self::Dist, Self::Install];
}

/// Whether the user must be asked before anything is done as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Ask,
    Given,
}

impl Consent {
    pub(crate) fn from_flag(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Ask }
    }

    /// Whether sudo may be used and can be: asks the person, then lets sudo ask for its password while nothing else
    /// writes to the terminal.
    pub(crate) fn to_use_sudo(self, workspace: &Workspace, question: &str) -> Result<bool> {
        let agreed = match self {
            Self::Given => true,
            Self::Ask if !std::io::stdin().is_terminal() => false,
            Self::Ask => {
                print!("{question} [Y/n] ");
                std::io::stdout().flush().context("cannot write")?;
                let mut answer = String::new();
                std::io::stdin().read_line(&mut answer).context("cannot read the answer")?;
                matches!(answer.trim(), "" | "y" | "Y" | "yes")
            }
        };
        Ok(agreed
            && workspace.which("sudo").is_some()
            && command::succeeds(workspace.command("sudo").arg("--validate"))?)
    }
}

/// Installs what the groups need and this machine lacks, and says what was done. The tools it found or installed are
/// put on the search path of the workspace's commands.
pub(crate) fn run(workspace: &mut Workspace, groups: &[Group], consent: Consent) -> Result<()> {
    check_rust(workspace)?;
    let mut wanted = Vec::new();
    for group in groups {
        wanted.extend(apt::packages(*group));
    }
    if groups.contains(&Group::Build) && !bpf::nightly_is_complete(workspace) {
        wanted.extend(bpf::system_packages());
    }
    apt::install(workspace, &wanted, consent)?;
    if groups.contains(&Group::Build) {
        bpf::ensure(workspace)?;
        tools::ensure_node(workspace)?;
    }
    if groups.contains(&Group::Test) {
        tools::ensure_cargo_nextest(workspace)?;
    }
    if groups.contains(&Group::Lint) {
        check_components(workspace)?;
        tools::ensure_cargo_deny(workspace)?;
    }
    Ok(())
}

/// One line of what setup found or did.
pub(crate) fn say(what: &str, outcome: impl std::fmt::Display) {
    println!("setup: {what:<22} {outcome}");
}

fn check_rust(workspace: &Workspace) -> Result<()> {
    let version = command::ask(workspace.command("rustc").arg("--version")).unwrap_or_default();
    if minor_version(&version).is_none_or(|it| it < RUST_MINOR_MIN) {
        bail!(
            "rust 1.{RUST_MINOR_MIN} or newer is needed, `rustc --version` says `{}`: install it from https://rustup.rs",
            version.trim()
        );
    }
    say("rust", format_args!("already there ({})", version.trim()));
    Ok(())
}

fn check_components(workspace: &Workspace) -> Result<()> {
    let missing: Vec<&str> = [("cargo-clippy", "clippy"), ("cargo-fmt", "rustfmt")]
        .into_iter()
        .filter(|(program, _)| workspace.which(program).is_none())
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        say("clippy and rustfmt", "already there");
        return Ok(());
    }
    command::run(workspace.command("rustup").args(["component", "add"]).args(&missing))?;
    say("clippy and rustfmt", format_args!("added {}", missing.join(", ")));
    Ok(())
}

/// The `95` of `rustc 1.95.0 (…)`.
fn minor_version(text: &str) -> Option<u32> {
    text.split(' ').nth(1)?.split('.').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_version_is_read() {
        assert_eq!(minor_version("rustc 1.95.0 (59807616e 2026-04-14)\n"), Some(95));
        assert_eq!(minor_version("rustc 1.96.0-nightly"), Some(96));
        assert_eq!(minor_version(""), None);
    }
}
