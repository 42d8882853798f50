//! The real window and its tray, in an X server and a D-Bus session of their own.
//!
//! Limits: there is no panel, so the tray is driven by the menu that it puts on the bus, which is
//! what a panel shows; and the password dialog of polkit is not seen.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use tollgate_tests::program;

/// Ends everything that the script started with the script.
const CONTAINED: [&str; 4] = ["--pid", "--fork", "--kill-child", "--mount-proc"];

/// Runs its arguments. Between `unshare` and `xvfb-run`, which hangs as the first process.
const SHELL: [&str; 4] = ["sh", "-c", "\"$@\"; exit $?", "sh"];

/// A command that runs its arguments contained, where this user may do so: some distributions deny
/// user namespaces to all but root.
fn contained() -> Command {
    let is_root = rustix::process::geteuid().is_root();
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args((!is_root).then_some("--map-root-user")).args(CONTAINED);
        unshare
    };
    let may = unshare().arg("true").output().is_ok_and(|it| it.status.success());
    if may { unshare() } else { Command::new("env") }
}

#[test]
fn the_window_shows_live_calls_and_the_tray_switches_the_gateway() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = home.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    };
    let picture = home.path().join("window.png");
    let output = contained()
        .args(SHELL)
        .args(["xvfb-run", "-a", "-s", "-screen 0 1280x800x24", "dbus-run-session", "--"])
        .arg("/usr/bin/python3")
        .arg(root.join("desktop/window_and_tray.py"))
        .arg(program("tollgate-desktop"))
        .arg(&picture)
        .env("HOME", folder("home"))
        .env("XDG_RUNTIME_DIR", folder("run"))
        .env("XDG_DATA_HOME", folder("data"))
        .env("XDG_CONFIG_HOME", folder("config"))
        .env_remove("PYTHONPATH")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    let picture = fs::read(picture).unwrap();
    assert!(picture.starts_with(b"\x89PNG"), "the screenshot is no picture");
}
