//! The name a person would use for a program, from what the kernel tells of its process, and the
//! project a process works in.
//!
//! An interpreter is named after what it runs: `ingest.py (python3)`. An installed command keeps its
//! own name, whatever it is written in: `aider`, `claude`.

use tollgate_core::caller::Project;

mod interpreter;
mod wrapper;

/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 64;
/// Folders looked at on the way up to a project's root.
pub const PROJECT_DEPTH_MAX: usize = 64;
/// Longest name that the kernel keeps of a thread.
const COMM_LEN_MAX: usize = 15;

/// The readable name of a process.
///
/// `exe` is the executable's path as `/proc/PID/exe` or an exec event tells it, `argv` the command
/// line, `comm` the kernel's own short name. Each may be missing; without any the name is `?`.
#[must_use]
pub fn program_name(exe: Option<&str>, argv: &[String], comm: &str) -> String {
    let mut name = named(exe, argv, comm);
    if name.is_empty() {
        "?".clone_into(&mut name);
    }
    let mut shown = crate::packet::text::readable(name.as_bytes(), NAME_CHARS_MAX);
    shown.truncate(shown.trim_end().len());
    shown
}

fn named(exe: Option<&str>, argv: &[String], comm: &str) -> String {
    let exe = exe.map(|it| it.strip_suffix(" (deleted)").unwrap_or(it)).filter(|it| !it.is_empty());
    let first = argv.first().map(String::as_str).unwrap_or_default();
    let Some(path) = exe.or_else(|| path_in(first)) else {
        return comm_name(comm);
    };
    let file = file_name(path);
    let argv0 = file_name(path_in(first).unwrap_or_default());
    if let Some(kind) = interpreter::kind(file).or_else(|| interpreter::kind(argv0)) {
        return interpreter::name(kind, first, argv, comm);
    }
    if let Some(command) = wrapper::wrapped(file, argv) {
        return command;
    }
    if is_multi_call(file) && !argv0.is_empty() {
        return argv0.to_owned();
    }
    binary_name(path, file, argv0)
}

/// Whether executing `filename` ran another program, whose name is then in `argv[0]`: the
/// interpreter of a script.
#[must_use]
pub fn runs_an_interpreter(argv: &[String], filename: &str) -> bool {
    let argv0 = file_name(argv.first().map(String::as_str).unwrap_or_default());
    argv0 != file_name(filename) && interpreter::kind(argv0).is_some()
}

/// The last component of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').find(|it| !it.is_empty()).unwrap_or(path)
}

/// The program in `argv[0]`, without a login shell's dash and what a title says after it.
fn path_in(argv0: &str) -> Option<&str> {
    let argv0 = argv0.strip_prefix('-').unwrap_or(argv0);
    // A program that rewrites its title: `nginx: worker process`, `postgres: writer`.
    let path = argv0.split(": ").next().unwrap_or(argv0);
    let path = path.strip_suffix(':').unwrap_or(path);
    (!path.is_empty()).then_some(path)
}

fn comm_name(comm: &str) -> String {
    // What fills all its places has most likely been cut.
    let mark = if comm.len() >= COMM_LEN_MAX { "…" } else { "" };
    format!("{comm}{mark}")
}

fn is_multi_call(file: &str) -> bool {
    matches!(file, "busybox" | "toybox" | "coreutils" | "exe")
}

/// `2.0.14`: an executable that is named after its version, as Claude Code's own installer does.
fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    text.contains('.')
        && text.starts_with(|it: char| it.is_ascii_digit())
        && text.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '+'))
}

/// The name of a program that is not run by an interpreter.
fn binary_name(path: &str, file: &str, argv0: &str) -> String {
    if let Some(name) = appimage_name(path, file) {
        return name;
    }
    if is_version(file) {
        if !argv0.is_empty() && !is_version(argv0) {
            return argv0.to_owned();
        }
        let generic = ["versions", "bin", "current", "releases"];
        let folder = path.rsplit('/').skip(1).find(|it| !generic.contains(it));
        return folder.filter(|it| !it.is_empty()).unwrap_or(file).to_owned();
    }
    // Nix wraps a program under a hidden name.
    let file = file.strip_prefix('.').and_then(|it| it.strip_suffix("-wrapped")).unwrap_or(file);
    strip_target(file).to_owned()
}

/// `codex-x86_64-unknown-linux-musl` is `codex`.
fn strip_target(file: &str) -> &str {
    const MACHINES: [&str; 6] =
        ["-x86_64-", "-aarch64-", "-linux-x64", "-linux-arm64", "-linux-amd64", "-x86_64"];
    let cut = MACHINES.iter().filter_map(|it| file.find(it)).min();
    cut.filter(|it| *it > 0).and_then(|it| file.get(..it)).unwrap_or(file)
}

/// Programs out of an AppImage: the image itself, or what it mounts in `/tmp/.mount_NAMExxxxxx`.
fn appimage_name(path: &str, file: &str) -> Option<String> {
    if let Some(image) = file.strip_suffix(".AppImage").or_else(|| file.strip_suffix(".appimage")) {
        let parts = image.split(['-', '_']);
        let named =
            parts.take_while(|it| !is_version(it) && !matches!(*it, "x86" | "x64" | "amd64"));
        let name: Vec<&str> = named.collect();
        return (!name.is_empty()).then(|| name.join("-"));
    }
    let mount = path.split('/').find_map(|it| it.strip_prefix(".mount_"))?;
    if !matches!(file, "AppRun" | "AppRun.wrapped" | "electron") {
        return Some(file.to_owned());
    }
    // Six random characters follow the name's first six.
    let name = mount.get(..mount.len().saturating_sub(6)).filter(|it| !it.is_empty());
    Some(name.unwrap_or(mount).to_owned())
}

/// The git work tree that `cwd` is in: the nearest folder on the way up that holds `.git`.
/// `exists` says whether a path exists. `None` when there is none, or `cwd` is not absolute.
#[must_use]
pub fn project_of(cwd: &str, exists: &dyn Fn(&str) -> bool) -> Option<Project> {
    let cwd = cwd.strip_suffix(" (deleted)").unwrap_or(cwd);
    let mut folder = cwd.trim_end_matches('/');
    if !cwd.starts_with('/') {
        return None;
    }
    for _ in 0..PROJECT_DEPTH_MAX {
        if folder.is_empty() {
            return None;
        }
        if exists(&format!("{folder}/.git")) {
            let name = file_name(folder).to_owned();
            return Some(Project { name, root: folder.to_owned() });
        }
        folder = folder.rsplit_once('/')?.0;
    }
    None
}

#[cfg(test)]
mod tests;
