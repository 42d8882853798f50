//! `cargo xtask bench`: builds programs as they are packaged and measures them.

use anyhow::Result;

use crate::{
    bpf, command,
    setup::{self, Consent, Group},
    ui,
    workspace::Workspace,
};

/// How many calls the measured ledgers have.
pub(crate) const CALLS: [&str; 2] = ["100000", "1000000"];
/// The same with one that takes minutes to make.
pub(crate) const CALLS_LARGE: [&str; 3] = ["100000", "1000000", "10000000"];

/// Prints the figures of `tests/bench`, of translation and of the ledger's growth, as tables for
/// `docs/performance.md`.
pub(crate) fn run(workspace: &mut Workspace, consent: Consent, calls: &[&str]) -> Result<()> {
    setup::run(workspace, &[Group::Build, Group::Bench], consent)?;
    bpf::build(&workspace.root)?;
    ui::build(workspace)?;
    let packages = ["-p", "tollgate-cli", "-p", "tollgate-helper", "-p", "tollgate-tests"];
    command::run(workspace.cargo(["build", "--profile", "dist", "--bins"]).args(packages))?;
    let built = workspace.target.join("dist");
    let mut bench = workspace.command(built.join("bench"));
    command::run(bench.arg(built.join("tollgate")).arg(built.join("tollgate-helper")))?;
    let translation = ["-p", "tollgate-wire", "--example", "translate_throughput"];
    command::run(workspace.cargo(["run", "--quiet", "--profile", "dist"]).args(translation))?;
    let growth = ["-p", "tollgate-ledger", "--example", "growth", "--"];
    command::run(workspace.cargo(["run", "--quiet", "--profile", "dist"]).args(growth).args(calls))
}
