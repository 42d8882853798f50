//! `cargo xtask ci`: everything a change must pass, and one line at the end that says whether it did.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    build::WHOLE_WORKSPACE,
    command, dist,
    setup::{self, Consent, Group},
    test::{self, Tally},
    ui,
    workspace::Workspace,
};

/// Past this the kept build folder is started afresh: it collects what older sources were built into.
const TARGET_BYTES_MAX: u64 = 24 * 1024 * 1024 * 1024;

/// Runs all checks, also after one failed, and prints what became of each.
pub(crate) fn run(workspace: &mut Workspace) -> Result<ExitCode> {
    trim_target(workspace)?;
    setup::run(workspace, &[Group::Build, Group::Test, Group::Lint], Consent::Given)?;
    let mut report = Report::default();
    report.check("format", &mut workspace.cargo(["fmt", "--all", "--", "--check"]));
    let programs = "bpf/programs/Cargo.toml";
    report.check(
        "format of eBPF programs",
        &mut workspace.cargo(["fmt", "--manifest-path", programs, "--", "--check"]),
    );
    report.check(
        "dependencies",
        &mut workspace.cargo(["deny", "check", "bans", "licenses", "sources"]),
    );

    let start = Instant::now();
    let missing = test::Missing::Fails;
    let clients = test::Clients::Usual;
    let options = test::Options { consent: Consent::Given, filters: Vec::new(), missing, clients };
    let tally = match test::run(workspace, &options) {
        Ok(tally) => tally,
        Err(error) => {
            println!("ci: tests could not run: {error:#}");
            Tally { failed: 1, ..Tally::default() }
        }
    };
    report.note("tests", tally.failed == 0, start.elapsed());

    let start = Instant::now();
    let profile = "dev".to_owned();
    let check = dist::Check::LintAndInstall;
    let options = dist::Options { consent: Consent::Given, profile, check };
    let packaged = dist::run(workspace, &options);
    if let Err(error) = &packaged {
        println!("ci: the package: {error:#}");
    }
    report.note("package", packaged.is_ok(), start.elapsed());

    // Its build checked its types, but not that those of the admin API are today's.
    report.check("types of the interface", &mut ui::npm_run(workspace, "check"));
    report.check("lints of the interface", &mut ui::npm_run(workspace, "lint"));
    report.check(
        "lints",
        workspace
            .cargo(["clippy", "--all-targets"])
            .args(WHOLE_WORKSPACE)
            .args(["--", "-D", "warnings"]),
    );
    report.check(
        "documentation",
        workspace
            .cargo(["doc", "--no-deps"])
            .args(WHOLE_WORKSPACE)
            .env("RUSTDOCFLAGS", "-D warnings"),
    );
    Ok(report.close(&tally))
}

/// What became of each check.
#[derive(Debug, Default)]
struct Report {
    checks: Vec<(&'static str, bool, Duration)>,
}

impl Report {
    fn check(&mut self, name: &'static str, command: &mut Command) {
        println!("\nci: {name}");
        let start = Instant::now();
        let passed = command::succeeds(command).unwrap_or_else(|error| {
            println!("ci: {error:#}");
            false
        });
        self.note(name, passed, start.elapsed());
    }

    fn note(&mut self, name: &'static str, passed: bool, took: Duration) {
        self.checks.push((name, passed, took));
    }

    /// Prints the table and the closing line; a failed check beside the tests counts as one failure.
    fn close(&self, tests: &Tally) -> ExitCode {
        println!();
        for (name, passed, took) in &self.checks {
            let verdict = if *passed { "ok" } else { "FAILED" };
            println!("{verdict:>8} {name:<28} {:>6.1} s", took.as_secs_f64());
        }
        let mut tally = tests.clone();
        for (name, passed, _) in &self.checks {
            if !passed && *name != "tests" {
                tally.failed += 1;
            }
        }
        println!("ci: {tally}");
        tally.exit_code()
    }
}

/// Empties the build folder when it has grown past [`TARGET_BYTES_MAX`].
fn trim_target(workspace: &Workspace) -> Result<()> {
    let debug = workspace.target.join("debug");
    if std::env::var_os("CI").is_none() || bytes_below(&debug)? <= TARGET_BYTES_MAX {
        return Ok(());
    }
    // This very program is in there: unlinking it while it runs is fine.
    fs::remove_dir_all(&debug).with_context(|| format!("cannot empty `{}`", debug.display()))
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let metadata = entry
                .and_then(|it| it.metadata().map(|metadata| (it.path(), metadata)))
                .with_context(|| format!("cannot list `{}`", folder.display()))?;
            if metadata.1.is_dir() {
                folders.push(metadata.0);
            } else {
                bytes += metadata.1.len();
            }
        }
    }
    Ok(bytes)
}
