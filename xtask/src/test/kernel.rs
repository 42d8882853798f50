//! The tests that load eBPF programs, run as root by themselves: cargo as root would leave root's files in the build
//! folder.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{REQUIRE_BPF, REQUIRE_CLIENTS};
use crate::{build::WHOLE_WORKSPACE, command, workspace::Workspace};

/// Test binaries that have such tests, by their sources, with what the tests' names begin with.
const BINARIES: [(&str, &str); 2] = [("tests/bpf/main.rs", ""), ("tests/it/main.rs", "capture::")];

/// A test binary and the tests of it that are to run.
#[derive(Debug)]
pub(super) struct Binary {
    program: PathBuf,
    pub(super) tests: Vec<String>,
}

/// The binaries, built already, with the tests whose name contains one of the filters.
pub(super) fn binaries(workspace: &Workspace, filters: &[String]) -> Result<Vec<Binary>> {
    let mut cargo = workspace.cargo(["test", "--no-run", "--tests", "--message-format", "json"]);
    let messages = command::ask(cargo.args(WHOLE_WORKSPACE)).context("cannot build the tests")?;
    let mut binaries = Vec::new();
    for (source, prefix) in BINARIES {
        let program = program(&messages, &workspace.root.join(source))
            .with_context(|| format!("cargo names no test binary of `{source}`"))?;
        let listed =
            command::ask(workspace.command(&program).args(["--list", "--format", "terse"]))
                .with_context(|| format!("cannot list the tests of `{}`", program.display()))?;
        let tests = selected(&listed, prefix, filters);
        binaries.push(Binary { program, tests });
    }
    binaries.retain(|it| !it.tests.is_empty());
    Ok(binaries)
}

impl Binary {
    /// Runs the tests as root, one after the other.
    pub(super) fn as_root(&self, workspace: &Workspace) -> Command {
        let mut path = OsString::from("PATH=");
        path.push(workspace.path());
        let mut sudo = workspace.command("sudo");
        sudo.args(["--non-interactive", "env"]).arg(path);
        sudo.arg(format!("{REQUIRE_BPF}=1")).arg(format!("{REQUIRE_CLIENTS}=1"));
        sudo.arg(&self.program).args(["--test-threads", "1", "--exact"]).args(&self.tests);
        // Where cargo starts tests.
        sudo.current_dir(workspace.root.join("tests"));
        sudo
    }
}

/// The executable of the test with this source, from cargo's messages (one JSON object a line).
fn program(messages: &str, source: &Path) -> Option<PathBuf> {
    let of_source = format!("\"src_path\":\"{}\"", source.display());
    let line = messages.lines().find(|it| it.contains(&of_source))?;
    let (_, rest) = line.split_once("\"executable\":\"")?;
    let (program, _) = rest.split_once('"')?;
    Some(Path::new(program).to_owned())
}

/// The names in a terse listing (`NAME: test`) that are asked for.
fn selected(listed: &str, prefix: &str, filters: &[String]) -> Vec<String> {
    let names = listed.lines().filter_map(|it| it.strip_suffix(": test"));
    let wanted = |name: &&str| {
        name.starts_with(prefix)
            && (filters.is_empty() || filters.iter().any(|it| name.contains(it.as_str())))
    };
    names.filter(wanted).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_of_a_test_is_read_from_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"it","src_path":"/w/crates/a/tests/it/main.rs"},"executable":"/w/deps/it-1"}
{"reason":"compiler-artifact","target":{"name":"it","src_path":"/w/tests/it/main.rs"},"executable":"/w/deps/it-2"}
{"reason":"compiler-artifact","target":{"name":"tests","src_path":"/w/tests/src/lib.rs"},"executable":null}"#;
        let found = |source: &str| program(messages, Path::new(source));
        assert_eq!(found("/w/tests/it/main.rs"), Some(PathBuf::from("/w/deps/it-2")));
        assert_eq!(found("/w/tests/src/lib.rs"), None);
        assert_eq!(found("/w/tests/bpf/main.rs"), None);
    }

    #[test]
    fn tests_are_selected_by_where_they_stand_and_by_filters() {
        let listed = "capture::joined::both_legs: test\ncapture::lost::none: test\ngateway::exact: test\nx: benchmark\n";
        let check = |filters: &[&str], expected: &[&str]| {
            let filters: Vec<String> = filters.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(selected(listed, "capture::", &filters), expected, "{filters:?}");
        };
        check(&[], &["capture::joined::both_legs", "capture::lost::none"]);
        check(&["lost", "exact"], &["capture::lost::none"]);
    }
}
