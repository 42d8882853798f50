//! `cargo xtask bindings`: the interface's types, from what the admin API says about itself.

use std::fs;

use anyhow::{Context, Result};

use crate::{build, command, ui, workspace::Workspace};

/// Writes `ui/openapi.json` as `tollgate openapi` prints it, and the types that `ui` generates from it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    command::run(&mut workspace.cargo(["build", "--package", "tollgate-cli"]))?;
    let mut tollgate = workspace.command(build::program(workspace, "tollgate"));
    let document = command::ask(tollgate.arg("openapi")).context("`tollgate openapi` failed")?;
    let file = workspace.root.join("ui/openapi.json");
    fs::write(&file, document).with_context(|| format!("cannot write `{}`", file.display()))?;
    ui::install(workspace, &workspace.root.join("ui"))?;
    command::run(&mut ui::npm_run(workspace, "types"))
}
