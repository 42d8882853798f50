//! The user interface: npm packages, build, tests. Everything is skipped when nothing changed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result};

use crate::{command, setup::say, tools::Stamp, workspace::Workspace};

/// Folders below `ui` that hold no sources.
const NOT_SOURCES: [&str; 3] = ["node_modules", "dist", "coverage"];

/// Installs the packages of `folder`'s lock file when it changed since last time.
pub(crate) fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let bytes = fs::read(&lock).with_context(|| format!("cannot read `{}`", lock.display()))?;
    let stamp = Stamp::new(bytes, folder.join("node_modules/.installed-lock.json"));
    let name = folder.strip_prefix(&workspace.root).unwrap_or(folder).display();
    let what = format!("npm packages ({name})");
    if stamp.is_fresh() {
        say(&what, "already there");
        return Ok(());
    }
    command::run(
        workspace.command("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder),
    )?;
    stamp.set()?;
    say(&what, "installed");
    Ok(())
}

/// Builds `ui/dist` when a source changed since last time.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let folder = folder(workspace);
    install(workspace, &folder)?;
    let stamp = Stamp::new(listing(&folder)?.into_bytes(), folder.join("node_modules/.built-from"));
    if stamp.is_fresh() && folder.join("dist/index.html").is_file() {
        println!("ui: nothing changed");
        return Ok(());
    }
    command::run(&mut npm_run(workspace, "build"))?;
    stamp.set()
}

/// `npm run SCRIPT` in the folder of the user interface.
pub(crate) fn npm_run(workspace: &Workspace, script: &str) -> std::process::Command {
    let mut command = workspace.command("npm");
    command.args(["run", "--silent", script]).current_dir(folder(workspace));
    command
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("ui")
}

/// Name, size and time of every source file, one a line: differs when any of them was edited, added or removed.
fn listing(folder: &Path) -> Result<String> {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list `{}`", folder.display()))?;
            let path = entry.path();
            let metadata =
                entry.metadata().with_context(|| format!("cannot read `{}`", path.display()))?;
            if !metadata.is_dir() {
                let modified = metadata
                    .modified()
                    .ok()
                    .and_then(|it| it.duration_since(UNIX_EPOCH).ok())
                    .unwrap_or_default();
                lines.push(format!(
                    "{} {} {}",
                    path.display(),
                    metadata.len(),
                    modified.as_nanos()
                ));
            } else if !NOT_SOURCES.iter().any(|it| entry.file_name() == *it) {
                folders.push(path);
            }
        }
    }
    lines.sort_unstable();
    Ok(lines.join("\n"))
}
