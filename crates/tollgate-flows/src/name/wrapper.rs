//! Programs that only start other ones: `uvx`, `npx`, `npm run`, `sudo`, `timeout`.

use super::{file_name, named};

/// How deep wrappers may stand in each other.
const DEPTH_MAX: usize = 4;

/// The name of what a wrapper starts, as far as its command line tells; `None` when `command` is not
/// a wrapper, or starts nothing.
pub(super) fn wrapped(command: &str, argv: &[String]) -> Option<String> {
    let arguments: Vec<&str> = argv.iter().skip(1).map(String::as_str).collect();
    let target = match command {
        "uvx" | "npx" | "bunx" | "pnpx" => {
            return tool(&arguments).map(|it| format!("{it} ({command})"));
        }
        "uv" | "pipx" | "poetry" | "pipenv" | "pdm" | "rye" | "hatch" | "conda" | "mamba" => {
            after_verbs(&arguments, &["run", "tool"])
        }
        "npm" | "pnpm" | "yarn" => {
            after_verbs(&arguments, &["exec", "x", "dlx", "run", "run-script"])
        }
        "sudo" | "doas" | "env" | "nohup" | "nice" | "ionice" | "setsid" | "stdbuf" | "time"
        | "timeout" | "strace" | "xvfb-run" | "dbus-run-session" => {
            return behind(command, &arguments);
        }
        _ => return None,
    };
    target.map(|it| format!("{it} ({command})"))
}

/// The tool that is asked for: `some-tool@1.2 --flag` is `some-tool`.
fn tool(arguments: &[&str]) -> Option<String> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match *argument {
            "-p" | "--package" | "--from" | "--with" | "-c" | "--python" | "--index" => {
                rest.next();
            }
            it if it.starts_with('-') => {}
            it => return Some(without_version(file_name_of_package(it)).to_owned()),
        }
    }
    None
}

/// The scope of a package is left out, a path shortened.
fn file_name_of_package(package: &str) -> &str {
    file_name(package)
}

fn without_version(package: &str) -> &str {
    let cut = package.find('@').filter(|it| *it > 0).or_else(|| package.find("=="));
    cut.and_then(|it| package.get(..it)).unwrap_or(package)
}

/// What follows `run`, `exec` and their like: a script, a task or a tool.
fn after_verbs(arguments: &[&str], verbs: &[&str]) -> Option<String> {
    let first = arguments.iter().position(|it| !it.starts_with('-'))?;
    let verb = arguments.get(first)?;
    if !verbs.contains(verb) {
        return None;
    }
    let rest = arguments.get(first + 1..)?;
    let again = rest.first().is_some_and(|it| *it == "run" && *verb == "tool");
    let target = tool(rest.get(usize::from(again)..)?)?;
    // `uv run python ingest.py` is named after the script.
    let at = rest.iter().position(|it| file_name(it) == target);
    let inner: Vec<String> = rest.iter().skip(at.unwrap_or(0)).map(|it| (*it).to_owned()).collect();
    let runs_script = inner.len() > 1 && super::interpreter::kind(&target).is_some();
    Some(if runs_script { bare(&named(None, &inner, "")) } else { target })
}

/// `ingest.py (python3)` without what runs it.
fn bare(name: &str) -> String {
    name.split(" (").next().unwrap_or(name).to_owned()
}

/// The command behind one that only changes the circumstances.
fn behind(command: &str, arguments: &[&str]) -> Option<String> {
    let takes_value = |option: &str| match command {
        "sudo" | "doas" => matches!(option, "-u" | "-g" | "-h" | "-p" | "-C" | "-D"),
        "env" => matches!(option, "-u" | "-C" | "--unset" | "--chdir"),
        "nice" | "ionice" => matches!(option, "-n" | "-c"),
        "timeout" => matches!(option, "-s" | "-k"),
        "strace" => matches!(option, "-e" | "-o" | "-s" | "-p"),
        _ => matches!(option, "-i" | "-o" | "-e"),
    };
    let mut rest = arguments.iter().enumerate();
    let mut durations = usize::from(command == "timeout");
    while let Some((at, argument)) = rest.next() {
        if takes_value(argument) {
            rest.next();
        } else if argument.starts_with('-') || (argument.contains('=') && command != "strace") {
            // An option, or a variable that `env` or `sudo` sets.
        } else if durations > 0 {
            durations -= 1;
        } else {
            let inner: Vec<String> = arguments.iter().skip(at).map(|it| (*it).to_owned()).collect();
            let depth = arguments.iter().filter(|it| is_circumstance(it)).count();
            return (depth < DEPTH_MAX).then(|| named(None, &inner, ""));
        }
    }
    None
}

fn is_circumstance(argument: &str) -> bool {
    matches!(argument, "sudo" | "doas" | "env" | "nohup" | "nice" | "timeout" | "strace" | "time")
}
