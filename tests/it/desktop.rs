//! The real window and its tray, in an X server and a D-Bus session of their own.
//!
//! Limits: there is no panel, so the tray is driven by the menu that it puts on the bus, which is
//! what a panel shows; and the password dialog of polkit is not seen.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use tollgate_tests::program;

/// Ends everything that the script started with the script.
const CONTAINED: [&str; 7] =
    ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "\"$@\"; exit $?"];

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
    let own_users =
        if rustix::process::geteuid().is_root() { None } else { Some("--map-root-user") };
    let output = Command::new("unshare")
        .args(own_users)
        .args(CONTAINED)
        .args(["sh", "xvfb-run", "-a", "-s", "-screen 0 1280x800x24", "dbus-run-session", "--"])
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
