//! What `run`, `test` and `dist` build, always in this order and with one set of features, so that nothing is
//! compiled twice.

use std::path::PathBuf;

use anyhow::Result;

use crate::{bpf, command, ui, workspace::Workspace};

/// Every cargo command on the whole workspace names these: other features would compile dependencies again.
pub(crate) const WHOLE_WORKSPACE: [&str; 3] =
    ["--workspace", "--features", "tollgate-desktop/custom-protocol"];

/// What cargo is to build beside the libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Targets {
    /// The programs.
    Programs,
    /// The programs and every test.
    ProgramsAndTests,
}

/// Builds the eBPF object, the user interface, then the programs that embed them.
pub(crate) fn all(workspace: &Workspace, targets: Targets) -> Result<()> {
    bpf::build(&workspace.root)?;
    ui::build(workspace)?;
    let mut cargo = workspace.cargo(["build"]);
    cargo.args(WHOLE_WORKSPACE).arg("--bins");
    match targets {
        Targets::Programs => {}
        Targets::ProgramsAndTests => {
            cargo.arg("--tests");
        }
    }
    command::run(&mut cargo)
}

/// Where [`all`] put a program.
pub(crate) fn program(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("debug").join(name)
}
