//! Builds the eBPF object that the helper embeds.
//!
//! The kernel's virtual machine has no ready-made `core`, so it is built with the object, which
//! needs a compiler with its own sources: Debian's `rustc-web`, or a nightly from rustup.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

use anyhow::{Context, bail};

const PROGRAMS: &str = "bpf/programs";
const OBJECT: &str = "bpf/programs/target/bpfel-unknown-none/release/tollgate-bpf";
/// What the object is made from.
const SOURCES: [&str; 6] = [
    "bpf/abi/src",
    "bpf/abi/Cargo.toml",
    "bpf/programs/src",
    "bpf/programs/Cargo.toml",
    "bpf/programs/Cargo.lock",
    "bpf/programs/.cargo/config.toml",
];

/// The nightly that setup installs: of the week and the LLVM of Debian's compiler. A newer one may want a newer linker.
pub(crate) const PINNED_NIGHTLY: &str = "nightly-2026-05-20";
/// The nightlies that are used where they have the sources of `core`, the first of them.
pub(crate) const NIGHTLIES: [&str; 2] = ["nightly", PINNED_NIGHTLY];

/// Debian's compiler, and where its package `rust-web-src` puts the sources of `core`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCES: [&str; 2] =
    ["/usr/lib/rustlib/src/rust/library/core", "/usr/src/rustc-web/library/core"];

/// Builds the object unless it is newer than its sources, and returns its path.
///
/// # Errors
/// When no suitable compiler or no `bpf-linker` is installed, or the build fails; the text says
/// what to install.
pub(crate) fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let object = root.join(OBJECT);
    if is_up_to_date(root, &object) {
        return Ok(object);
    }
    if !is_on_path("bpf-linker") {
        bail!(
            "`bpf-linker` is missing: `cargo xtask setup` installs it (with Debian's \
             `llvm-22-dev`: `LLVM_PREFIX=/usr/lib/llvm-22 cargo install bpf-linker --version \
             0.13.0 --no-default-features --features llvm-22`)"
        );
    }
    let mut cargo = compiler()?;
    // Settings of the build that this one runs in must not reach it.
    for variable in ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"]
    {
        cargo.env_remove(variable);
    }
    cargo.args(["build", "--release", "--locked"]).current_dir(root.join(PROGRAMS));
    let status = cargo.status().with_context(|| format!("could not run `{cargo:?}`"))?;
    if !status.success() {
        bail!("the eBPF object could not be built: `{cargo:?}` ended with {status}");
    }
    // Cargo leaves the file alone when only the age of a source changed.
    let file = fs::File::options().append(true).open(&object)?;
    file.set_modified(
        newest(&SOURCES.map(|path| root.join(path))).unwrap_or(SystemTime::UNIX_EPOCH),
    )?;
    Ok(object)
}

/// A `cargo` that can build `core`.
fn compiler() -> anyhow::Result<Command> {
    let has_sources = DEBIAN_SOURCES.iter().any(|path| Path::new(path).exists());
    if has_sources && Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_CARGO).exists() {
        let mut cargo = Command::new(DEBIAN_CARGO);
        // Lets a stable compiler build `core` and use inline assembly for this machine.
        cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
        return Ok(cargo);
    }
    for nightly in NIGHTLIES {
        let listed = Command::new("rustup")
            .args(["component", "list", "--installed", "--toolchain", nightly])
            .output();
        let is_complete = listed.is_ok_and(|output| {
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("rust-src")
        });
        if is_complete {
            let mut cargo = Command::new("rustup");
            cargo.args(["run", nightly, "cargo"]);
            return Ok(cargo);
        }
    }
    bail!(
        "no compiler for the eBPF programs: install either Debian's `rustc-web cargo-web \
         rust-web-src`, or `rustup toolchain install {PINNED_NIGHTLY} --component rust-src` \
         (`cargo xtask setup` does one of them)"
    )
}

fn is_up_to_date(root: &Path, object: &Path) -> bool {
    let built = fs::metadata(object).and_then(|metadata| metadata.modified());
    let changed = newest(&SOURCES.map(|path| root.join(path)));
    matches!((built, changed), (Ok(built), Some(changed)) if built >= changed)
}

/// When the youngest file of these files and folders changed.
fn newest(paths: &[PathBuf]) -> Option<SystemTime> {
    paths
        .iter()
        .filter_map(|path| match fs::read_dir(path) {
            Ok(entries) => {
                let inner: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                newest(&inner)
            }
            Err(_) => fs::metadata(path).ok()?.modified().ok(),
        })
        .max()
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
