//! `cargo xtask bench`: builds programs as they are packaged and measures them.

use anyhow::Result;

use crate::{
    bpf, command,
    setup::{self, Consent, Group},
    ui,
    workspace::Workspace,
};

/// Prints the figures of `tests/bench`, as tables for `docs/performance.md`.
pub(crate) fn run(workspace: &mut Workspace, consent: Consent) -> Result<()> {
    setup::run(workspace, &[Group::Build, Group::Bench], consent)?;
    bpf::build(&workspace.root)?;
    ui::build(workspace)?;
    let packages = ["-p", "tollgate-cli", "-p", "tollgate-helper", "-p", "tollgate-tests"];
    command::run(workspace.cargo(["build", "--profile", "dist", "--bins"]).args(packages))?;
    let built = workspace.target.join("dist");
    let mut bench = workspace.command(built.join("bench"));
    command::run(bench.arg(built.join("tollgate")).arg(built.join("tollgate-helper")))
}
