//! `cargo xtask run`: from a clone to calls on the screen.

use std::{
    env, fs,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    build, command,
    setup::{self, Consent, Group},
    workspace::Workspace,
};

/// Environment variables that mean: this user has a provider to call.
const PROVIDER_KEYS: [&str; 4] =
    ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"];

/// Runs the helper (`"$@"`) until it ends by itself or our end of the pipe on standard input closes, which happens even
/// when this program is killed. The shell runs as root, so no second password is needed to end what sudo started. It closes its own standard
/// error so as not to report the signal that it sends.
const HELPER_SHELL: &str = r#"
exec 3<&0
"$@" </dev/null &
helper=$!
exec 2>/dev/null
( read -r _ <&3; kill "$helper"; sleep 5; kill -9 "$helper" ) &
watch=$!
wait "$helper"
code=$?
kill "$watch"
exit "$code"
"#;

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) consent: Consent,
    /// No window even where there is a display.
    pub(crate) headless: bool,
    /// For the program that is started.
    pub(crate) arguments: Vec<String>,
}

/// Builds and starts the product; returns when it ends or is told to.
pub(crate) fn run(workspace: &mut Workspace, options: &Options) -> Result<ExitCode> {
    setup::run(workspace, &[Group::Build], options.consent)?;
    build::all(workspace, build::Targets::Programs)?;

    let runtime = runtime_folder(workspace)?;
    let socket = runtime.join("helper.sock");
    let helper = start_helper(workspace, &socket, options.consent)?;
    let outcome = run_product(workspace, options, &socket);
    if let Some(helper) = helper {
        helper.end()?;
    }
    outcome
}

fn run_product(workspace: &Workspace, options: &Options, socket: &Path) -> Result<ExitCode> {
    let mut product = product(workspace, options);
    product.args(&options.arguments).env("TOLLGATE_HELPER_SOCKET", socket);
    println!("$ {}", command::line(&product));
    // A group of its own: Ctrl-C reaches it once, through us, and after that the helper is ended.
    let mut child = product
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start `{}`", command::line(&product)))?;
    pass_signals_to(&child)?;
    let status = child.wait().context("cannot wait for the product")?;
    Ok(exit_code(status))
}

/// The window where there is a display, else the gateway with its console; as a demonstration where there is nothing to
/// call.
fn product(workspace: &Workspace, options: &Options) -> Command {
    let windowed = !options.headless && has_display();
    let demo = !has_provider_key() && !has_configuration();
    if demo {
        println!("run: no provider key and no configuration: starting the demonstration");
    }
    let (name, argument) = match (windowed, demo) {
        (true, true) => ("tollgate-desktop", Some("--demo")),
        (true, false) => ("tollgate-desktop", None),
        (false, true) => ("tollgate", Some("demo")),
        (false, false) => ("tollgate", Some("serve")),
    };
    let mut command = workspace.command(build::program(workspace, name));
    command.args(argument);
    command
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|it| !it.is_empty())
}

fn has_display() -> bool {
    is_set("WAYLAND_DISPLAY") || is_set("DISPLAY")
}

fn has_provider_key() -> bool {
    PROVIDER_KEYS.into_iter().any(is_set)
}

fn has_configuration() -> bool {
    let folder = env::var_os("XDG_CONFIG_HOME")
        .filter(|it| !it.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|it| PathBuf::from(it).join(".config")));
    folder.is_some_and(|it| it.join("tollgate/config.toml").is_file())
}

/// The user's runtime folder; below the build folder where the session has none.
fn runtime_folder(workspace: &Workspace) -> Result<PathBuf> {
    let folder = env::var_os("XDG_RUNTIME_DIR")
        .filter(|it| !it.is_empty())
        .map_or_else(|| workspace.target.join("runtime"), PathBuf::from)
        .join("tollgate");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    Ok(folder)
}

/// The helper while it runs.
struct Helper {
    child: Child,
    /// Closing it ends the helper.
    leash: Option<ChildStdin>,
}

impl Helper {
    fn end(mut self) -> Result<()> {
        drop(self.leash.take());
        let status = self.child.wait().context("cannot wait for the helper")?;
        // 143 is the shell's word for: ended by SIGTERM, as it should be.
        if !status.success() && status.code() != Some(128 + SIGTERM) {
            println!("run: the helper ended with {status}");
        }
        Ok(())
    }
}

/// Starts the root helper after saying so; `None` when the user declines or cannot.
fn start_helper(workspace: &Workspace, socket: &Path, consent: Consent) -> Result<Option<Helper>> {
    let uid = rustix::process::getuid();
    let program = build::program(workspace, "tollgate-helper");
    println!(
        "run: packets need a helper with root's rights: `{} --uid {} --socket {}`",
        program.display(),
        uid.as_raw(),
        socket.display()
    );
    let mut shell = if rustix::process::geteuid().is_root() {
        workspace.command("sh")
    } else {
        if !consent.to_use_sudo(workspace, "Start it with sudo?")? {
            println!("run: going on without the helper: no packets, callers from /proc only");
            return Ok(None);
        }
        let mut sudo = workspace.command("sudo");
        sudo.args(["--non-interactive", "sh"]);
        sudo
    };
    let mut child = shell
        .args(["-c", HELPER_SHELL, "sh"])
        .arg(program)
        .args(["--uid", &uid.as_raw().to_string(), "--socket"])
        .arg(socket)
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cannot start the helper")?;
    let leash = child.stdin.take();
    Ok(Some(Helper { child, leash }))
}

/// Tells the product to end when we are told to.
fn pass_signals_to(child: &Child) -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    let process = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .context("the child has no process id")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            // It may have ended a moment ago: then there is nobody to tell.
            let _gone = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
    });
    Ok(())
}

/// The child's own exit code, or the shell's convention for one that a signal ended; ended as asked is success.
fn exit_code(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(SIGTERM)) => ExitCode::SUCCESS,
        (None, _) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    /// Starts a program the way the helper is started, and reads the line it prints.
    fn started(program: &str) -> (Child, String) {
        let mut child = Command::new("sh")
            .args(["-c", HELPER_SHELL, "sh", "sh", "-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (child, line.trim().to_owned())
    }

    #[test]
    fn the_helper_ends_when_its_leash_is_dropped() {
        let (mut child, pid) = started("echo $$; exec sleep 600");
        assert!(Path::new("/proc").join(&pid).exists());
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(128 + SIGTERM));
        assert!(!Path::new("/proc").join(&pid).exists());
    }

    #[test]
    fn a_helper_that_ends_by_itself_is_not_waited_for() {
        let (mut child, line) = started("echo ended; exit 7");
        assert_eq!(line, "ended");
        let leash = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(7));
        drop(leash);
    }
}
