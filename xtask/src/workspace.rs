//! Where things are: the work tree, the build folder and the tools that setup installed.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// The work tree and the environment its commands run in.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds (`CARGO_TARGET_DIR`, else `target`).
    pub(crate) target: PathBuf,
    /// Where setup keeps downloaded tools, shared by all work trees of this user.
    pub(crate) cache: PathBuf,
    path: OsString,
}

impl Workspace {
    /// Finds the work tree that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the xtask package has no parent folder")?
            .to_owned();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |it| root.join(it));
        let home = PathBuf::from(env::var_os("HOME").context("`HOME` is not set")?);
        let cache = env::var_os("XDG_CACHE_HOME")
            .filter(|it| !it.is_empty())
            .map_or_else(|| home.join(".cache"), PathBuf::from)
            .join("tollgate");
        let cargo_bin = env::var_os("CARGO_HOME")
            .map_or_else(|| home.join(".cargo"), PathBuf::from)
            .join("bin");
        let inherited = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = env::split_paths(&inherited).collect();
        if !folders.contains(&cargo_bin) {
            folders.push(cargo_bin);
        }
        // Last, so that a tool the machine has is preferred; `tools` decides whether it is good enough.
        let path = env::join_paths(folders).context("cannot compose `PATH`")?;
        Ok(Self { root, target, cache, path })
    }

    /// A command that runs at the root of the work tree and finds the tools that setup installed.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("PATH", &self.path);
        // Set by `cargo run` for this package; build scripts of other packages must not see them.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Cargo, as a command at the root of the work tree.
    pub(crate) fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments);
        command
    }

    /// The file that `program` names on the search path of [`Workspace::command`].
    pub(crate) fn which(&self, program: &str) -> Option<PathBuf> {
        env::split_paths(&self.path).map(|it| it.join(program)).find(|it| it.is_file())
    }

    /// The search path of [`Workspace::command`].
    pub(crate) fn path(&self) -> &OsStr {
        &self.path
    }

    /// Puts a folder of tools in front of the search path.
    pub(crate) fn prefer(&mut self, folder: &Path) -> Result<()> {
        let folders = std::iter::once(folder.to_owned()).chain(env::split_paths(&self.path));
        self.path = env::join_paths(folders).context("cannot compose `PATH`")?;
        Ok(())
    }
}
