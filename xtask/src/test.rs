//! `cargo xtask test`: every test there is, and how many passed.

mod kernel;

use std::{ffi::OsString, fmt, fs, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    build::{self, WHOLE_WORKSPACE},
    command,
    setup::{self, Consent, Group},
    tools::{self, Stamp},
    ui,
    workspace::Workspace,
};

/// The tests that load eBPF programs, in nextest's language; `.config/nextest.toml` has them run one at a time.
const KERNEL_TESTS: &str = "binary(bpf) | test(/^capture::/)";

/// The tests that drive a browser.
const BROWSER_TESTS: &str = "test(/^console::/)";

/// Names the browser for those tests.
const CHROMIUM: &str = "TOLLGATE_CHROMIUM";

/// Browsers for those tests, the best first.
const BROWSERS: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/usr/bin/brave-browser",
];

/// With this set, a client of the tests that is not installed is a failure.
const REQUIRE_CLIENTS: &str = "TOLLGATE_REQUIRE_CLIENTS";

/// With this set, the same holds for the clients of [`Clients::All`].
const REQUIRE_ALL_CLIENTS: &str = "TOLLGATE_REQUIRE_ALL_CLIENTS";

/// The folder of what only [`Clients::All`] installs, for npm and for Python.
const MORE_CLIENTS: &str = "more";

/// The folder of a real model, which only [`Clients::All`] installs.
const ENGINE: &str = "engine";

/// With this set, a test that cannot load eBPF programs fails instead of skipping itself.
const REQUIRE_BPF: &str = "TOLLGATE_REQUIRE_BPF";

/// Folders of tests with npm packages of their own.
const NODE_FOLDERS: [&str; 2] = ["tests/clients/node", "tests/ui"];

/// Folders below `tests/clients` with Python packages of their own, and what those are. LiteLLM needs another `openai`
/// than the SDKs' tests.
const PYTHON_FOLDERS: [(&str, &str); 2] =
    [("python", "Python SDKs"), ("prices", "price calculators")];

/// How many tests ran, of every runner together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// What is to be tested.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) consent: Consent,
    /// Only Rust tests whose name contains one of these; every test when empty.
    pub(crate) filters: Vec<String>,
    pub(crate) missing: Missing,
    pub(crate) clients: Clients,
}

/// Which clients are installed to be tested with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// The SDKs.
    Usual,
    /// Also what is large: LangChain, the command lines of coding agents, and a real model.
    All,
}

/// What becomes of tests whose needs cannot be met: root's rights, a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// They are skipped, counted and told.
    Skipped,
    /// They fail.
    Fails,
}

/// Installs what is missing, builds, and runs the tests. Fails when something cannot be built; failed tests are counted.
pub(crate) fn run(workspace: &mut Workspace, options: &Options) -> Result<Tally> {
    setup::run(workspace, &[Group::Build, Group::Test], options.consent)?;
    build::all(workspace, build::Targets::ProgramsAndTests)?;
    prepare_clients(workspace, options.clients)?;

    let mut tally = rust_tests(workspace, options)?;
    if options.filters.is_empty() {
        tally.add(&ui_tests(workspace)?);
        tally.add(&documentation_tests(workspace)?);
    }
    Ok(tally)
}

/// The official SDKs, the price calculators and what drives the browser, as `tests` pins them: npm's beside their
/// programs, Python's in environments of their own below `target/clients`.
fn prepare_clients(workspace: &Workspace, clients: Clients) -> Result<()> {
    for folder in NODE_FOLDERS {
        ui::install(workspace, &workspace.root.join(folder))?;
    }
    for (name, what) in PYTHON_FOLDERS {
        prepare_python(workspace, name, what)?;
    }
    match clients {
        Clients::Usual => Ok(()),
        Clients::All => {
            ui::install(workspace, &workspace.root.join("tests/clients").join(MORE_CLIENTS))?;
            prepare_python(workspace, MORE_CLIENTS, "LangChain")?;
            prepare_python(workspace, ENGINE, "a real model")
        }
    }
}

fn prepare_python(workspace: &Workspace, name: &str, what: &str) -> Result<()> {
    let requirements = workspace.root.join("tests/clients").join(name).join("requirements.txt");
    if !requirements.is_file() {
        return Ok(());
    }
    let folder = workspace.root.join("target/clients").join(name);
    let wanted = fs::read(&requirements)
        .with_context(|| format!("cannot read `{}`", requirements.display()))?;
    let stamp = Stamp::new(wanted, folder.join("installed-requirements.txt"));
    if stamp.is_fresh() {
        setup::say(what, "already there");
        return Ok(());
    }
    tools::venv(workspace, &folder)?;
    command::run(
        workspace
            .command(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(requirements),
    )?;
    stamp.set()?;
    setup::say(what, "installed");
    Ok(())
}

/// Who runs tests, and so how the summary reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    Nextest,
    Cargo,
    Vitest,
}

/// A browser for the console's test; `TOLLGATE_CHROMIUM` names another. Where the package of that name only points to a
/// snap it cannot be started.
fn browser(workspace: &Workspace) -> Option<OsString> {
    let named = std::env::var_os(CHROMIUM).into_iter();
    let mut candidates = named.chain(BROWSERS.into_iter().map(OsString::from));
    candidates.find(|it| command::ask(workspace.command(it).arg("--version")).is_some())
}

/// As root all tests at once; else those that need root apart, through sudo where that may be used.
fn rust_tests(workspace: &Workspace, options: &Options) -> Result<Tally> {
    let mut nextest = workspace.cargo(["nextest", "run", "--no-fail-fast", "--no-tests=pass"]);
    nextest.args(WHOLE_WORKSPACE).args(&options.filters);
    // With everything installed, a client that cannot be started is a failure and no longer a reason to skip.
    nextest.env(REQUIRE_CLIENTS, "1");
    if options.clients == Clients::All {
        nextest.env(REQUIRE_ALL_CLIENTS, "1");
    }
    let mut apart = Vec::new();
    match (browser(workspace), options.missing) {
        (Some(browser), _) => {
            nextest.env(CHROMIUM, browser);
        }
        // The test itself then says what is missing, and fails.
        (None, Missing::Fails) => {}
        (None, Missing::Skipped) => {
            println!("test: no browser ({}): the console's test is not run", BROWSERS.join(", "));
            apart.push(BROWSER_TESTS);
        }
    }
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        nextest.env(REQUIRE_BPF, "1");
    } else {
        apart.push(KERNEL_TESTS);
    }
    if !apart.is_empty() {
        nextest.arg("--filterset").arg(format!("not ({})", apart.join(" | ")));
    }
    let mut tally = watch(&mut nextest, Runner::Nextest)?;
    if !is_root {
        kernel_tests(workspace, options, &mut tally)?;
    }
    Ok(tally)
}

/// The tests that need root, for one who is not. The runner has counted them as skipped.
fn kernel_tests(workspace: &Workspace, options: &Options, tally: &mut Tally) -> Result<()> {
    let binaries = kernel::binaries(workspace, &options.filters)?;
    let count = binaries.iter().map(|it| it.tests.len() as u64).sum::<u64>();
    if count == 0 {
        return Ok(());
    }
    println!("test: {count} tests load eBPF programs, which needs root's rights");
    if options.consent.to_use_sudo(workspace, "Run them with sudo?")? {
        tally.skipped = tally.skipped.saturating_sub(count);
        for binary in &binaries {
            tally.add(&watch(&mut binary.as_root(workspace), Runner::Cargo)?);
        }
        return Ok(());
    }
    println!("test: {count} tests that need root's rights are not run");
    match options.missing {
        Missing::Skipped => {}
        Missing::Fails => {
            tally.skipped = tally.skipped.saturating_sub(count);
            tally.failed += count;
        }
    }
    Ok(())
}

fn documentation_tests(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo(["test", "--doc", "--no-fail-fast"]);
    watch(cargo.args(WHOLE_WORKSPACE), Runner::Cargo)
}

fn ui_tests(workspace: &Workspace) -> Result<Tally> {
    watch(&mut ui::npm_run(workspace, "test"), Runner::Vitest)
}

/// Runs a test runner and counts what it reports. One that fails without naming a failed test counts as a failed test.
fn watch(command: &mut std::process::Command, runner: Runner) -> Result<Tally> {
    let watched = command::watch(command)?;
    let mut tally = Tally::default();
    for line in &watched.lines {
        if let Some(counted) = count(line, runner) {
            tally.add(&counted);
        }
    }
    if !watched.success && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// Reads a runner's own summary line; what its tests printed may look like another runner's.
fn count(line: &str, runner: Runner) -> Option<Tally> {
    let counts = match runner {
        Runner::Nextest => line.trim_start().strip_prefix("Summary [")?.split_once(" run: ")?.1,
        Runner::Cargo => line.strip_prefix("test result: ")?.split_once(". ")?.1,
        Runner::Vitest => line.trim_start().strip_prefix("Tests ")?,
    };
    let mut tally = Tally::default();
    for part in counts.split([',', ';', '|']) {
        let mut words = part.split_whitespace();
        let Some(number) = words.next().and_then(|it| it.parse::<u64>().ok()) else { continue };
        match words.next() {
            Some("passed") => tally.passed += number,
            // nextest: `1 failed`, `1 timed out`, `1 exec failed`.
            Some("failed" | "timed" | "exec") => tally.failed += number,
            Some("skipped" | "ignored" | "todo") => tally.skipped += number,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runner: Runner, line: &str, passed: u64, failed: u64, skipped: u64) {
        assert_eq!(count(line, runner), Some(Tally { passed, failed, skipped }), "{line}");
    }

    #[test]
    fn the_summary_of_each_runner_is_read() {
        let nextest = "     Summary [ 0.010s] 5 tests run: 4 passed, 1 failed, 2 skipped";
        check(Runner::Nextest, nextest, 4, 1, 2);
        let hurried = "     Summary [ 9.1s] 9/12 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 0 skipped";
        check(Runner::Nextest, hurried, 7, 2, 0);
        let cargo =
            "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 7 filtered out";
        check(Runner::Cargo, cargo, 3, 1, 2);
        check(Runner::Vitest, "      Tests  12 passed (12)", 12, 0, 0);
        check(Runner::Vitest, "      Tests  1 failed | 12 passed | 2 skipped (15)", 12, 1, 2);
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["running 3 tests", "Test Files  3 passed (3)", "test a::b ... ok", ""] {
            for runner in [Runner::Nextest, Runner::Cargo, Runner::Vitest] {
                assert_eq!(count(line, runner), None, "{line}");
            }
        }
    }

    #[test]
    fn what_a_failed_test_printed_is_not_counted_again() {
        let printed =
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 119 filtered out";
        assert_eq!(count(printed, Runner::Nextest), None);
    }

    #[test]
    fn a_runner_that_breaks_without_a_summary_counts_as_failed() {
        let mut broken = std::process::Command::new("sh");
        let tally = watch(broken.args(["-c", "exit 1"]), Runner::Nextest).unwrap();
        assert_eq!(tally, Tally { passed: 0, failed: 1, skipped: 0 });
    }
}
