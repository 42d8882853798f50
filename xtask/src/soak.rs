//! `cargo xtask soak`: what takes too long for `ci`.

use anyhow::Result;
use clap::Subcommand;

use crate::{
    bpf, command,
    setup::{self, Consent, Group},
    ui,
    workspace::Workspace,
};

/// What to do for so long.
#[derive(Subcommand)]
pub(crate) enum Soak {
    /// Kills the gateway again and again under load, and counts what its ledger has lost.
    Kills {
        /// How often.
        #[arg(default_value_t = 1000)]
        count: u32,
    },
    /// Calls the gateway with everything on, and watches its memory and latency.
    Load {
        /// For how many minutes.
        #[arg(default_value_t = 30)]
        minutes: u32,
    },
}

/// Builds programs in `profile` and prints the figures of `tests/soak`; fails where a promise does
/// not hold.
pub(crate) fn run(
    workspace: &mut Workspace,
    consent: Consent,
    profile: &str,
    what: &Soak,
) -> Result<()> {
    setup::run(workspace, &[Group::Build], consent)?;
    bpf::build(&workspace.root)?;
    ui::build(workspace)?;
    let packages = ["-p", "tollgate-cli", "-p", "tollgate-tests"];
    command::run(workspace.cargo(["build", "--profile", profile, "--bins"]).args(packages))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    let mut soak = workspace.command(workspace.target.join(folder).join("soak"));
    let (what, number) = match what {
        Soak::Kills { count } => ("kills", count),
        Soak::Load { minutes } => ("load", minutes),
    };
    command::run(soak.args([what, &number.to_string()]))
}
