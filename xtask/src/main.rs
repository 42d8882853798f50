//! Automation: `cargo xtask setup | run | test | ci | bpf | bindings | prices | bench | soak | icons | dist`.
//!
//! Two commands are all a newcomer needs. `cargo xtask run` installs what is missing, builds everything and starts it;
//! `cargo xtask test` does the same and runs every test. Both are cheap the second time: packages are asked for only
//! when `dpkg` misses them, npm runs only when its lock file changed, the UI is built only when its sources changed,
//! and cargo does the rest. This package depends on no other package of the workspace, so it builds before they do.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks on its standard streams"
)]

mod bench;
mod bindings;
mod bpf;
mod build;
mod ci;
mod command;
mod dist;
mod icons;
mod prices;
#[cfg(test)]
mod promises;
mod run;
mod setup;
mod soak;
mod test;
#[cfg(test)]
mod tidy;
mod tools;
mod ui;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{
    setup::{Consent, Group},
    workspace::Workspace,
};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs, tests and packages Tollgate")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what is missing on this machine; says what was there already.
    Setup {
        /// Install without asking.
        #[arg(long)]
        yes: bool,
        /// Only these groups (all when left out).
        #[arg(value_enum)]
        groups: Vec<Group>,
    },
    /// Builds everything and starts it: helper, gateway and, where there is a display, the window.
    Run {
        /// Install and start the helper without asking.
        #[arg(long)]
        yes: bool,
        /// No window: the gateway with its web console.
        #[arg(long)]
        headless: bool,
        /// Passed on to the program that is started.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Runs every test, or those whose name contains one of the filters.
    Test {
        /// Install without asking.
        #[arg(long)]
        yes: bool,
        /// Also with LangChain, Claude Code, Codex and a real model: some 1.2 GB of packages.
        #[arg(long)]
        clients: bool,
        filters: Vec<String>,
    },
    /// Everything a change must pass: tests, formatting, lints, documentation, dependencies.
    Ci,
    /// Makes the Debian package and checks it.
    Dist {
        /// Install what is missing without asking.
        #[arg(long)]
        yes: bool,
        /// The cargo profile of the programs (`dev` is quick and large).
        #[arg(long, default_value = "dist")]
        profile: String,
        /// Also install, run and purge the package; needs root, leaves nothing behind.
        #[arg(long)]
        check: bool,
    },
    /// Builds the eBPF object that the helper embeds.
    Bpf,
    /// Writes the interface's types from the admin API's own description.
    Bindings,
    /// Fetches the price collections and writes the embedded price book.
    Prices {
        /// The day the prices are stated for, as `2026-11-23`; today when left out.
        checked_on: Option<String>,
    },
    /// Measures the gateway, the capture and the ledger beside nginx, a direct call and plain SQL; prints tables.
    Bench {
        /// Install what is missing without asking.
        #[arg(long)]
        yes: bool,
        /// Measure a ledger of ten million calls too: some minutes, and some gigabytes in the temporary folder.
        #[arg(long)]
        large: bool,
    },
    /// What takes too long for `ci`: a thousand kills under load, or half an hour of it.
    Soak {
        /// Install what is missing without asking.
        #[arg(long)]
        yes: bool,
        /// The cargo profile of the programs (`dev` is built quickly and runs slowly).
        #[arg(long, default_value = "dist")]
        profile: String,
        #[command(subcommand)]
        what: soak::Soak,
    },
    /// Draws the icons again after their sources changed.
    Icons,
}

fn main() -> ExitCode {
    match dispatch(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: Task) -> Result<ExitCode> {
    let mut workspace = Workspace::find()?;
    match task {
        Task::Setup { yes, groups } => {
            let groups = if groups.is_empty() { Group::ALL.to_vec() } else { groups };
            setup::run(&mut workspace, &groups, Consent::from_flag(yes))?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Run { yes, headless, arguments } => run::run(
            &mut workspace,
            &run::Options { consent: Consent::from_flag(yes), headless, arguments },
        ),
        Task::Test { yes, clients, filters } => {
            let consent = Consent::from_flag(yes);
            let missing = test::Missing::Skipped;
            let clients = if clients { test::Clients::All } else { test::Clients::Usual };
            let options = test::Options { consent, filters, missing, clients };
            let tally = test::run(&mut workspace, &options)?;
            println!("{tally}");
            Ok(tally.exit_code())
        }
        Task::Ci => ci::run(&mut workspace),
        Task::Dist { yes, profile, check } => {
            let check = if check { dist::Check::LintAndInstall } else { dist::Check::Lint };
            let consent = Consent::from_flag(yes);
            dist::run(&mut workspace, &dist::Options { consent, profile, check })?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Bpf => {
            println!("{}", bpf::build(&workspace.root)?.display());
            Ok(ExitCode::SUCCESS)
        }
        Task::Bindings => {
            bindings::run(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Prices { checked_on } => {
            prices::run(&workspace, checked_on.as_deref())?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Bench { yes, large } => {
            let calls: &[_] = if large { &bench::CALLS_LARGE } else { &bench::CALLS };
            bench::run(&mut workspace, Consent::from_flag(yes), calls)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Soak { yes, profile, what } => {
            soak::run(&mut workspace, Consent::from_flag(yes), &profile, &what)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Icons => {
            icons::run(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
