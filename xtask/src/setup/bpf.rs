//! The toolchain for the eBPF programs: a compiler that can build `core` for `bpfel-unknown-none`, and `bpf-linker`.
//!
//! Three ways, the first that the machine allows:
//! 1. rustup has a nightly with `rust-src`: it is used as it is;
//! 2. Debian: its `rustc-web` and `rust-web-src` are installed, and `bpf-linker` is compiled against Debian's LLVM of the
//!    same version;
//! 3. else (Ubuntu 24.04): rustup installs a nightly with `rust-src`, and, where the distribution has no LLVM that is new
//!    enough, `cargo binstall` fetches `bpf-linker` as its authors built it.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use super::say;
use crate::{
    bpf::{NIGHTLIES, PINNED_NIGHTLY},
    command,
    workspace::Workspace,
};

/// The linker's release; its LLVM must not be older than the compiler's.
const BPF_LINKER: &str = "0.13.0";

/// What Debian 12 names the compiler, its sources and the LLVM it was built with.
const DEBIAN: &[&str] =
    &["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev", "libpolly-22-dev", "libzstd-dev"];

/// LLVM releases that [`BPF_LINKER`] can be compiled against, the best first.
const LLVM: [u32; 2] = [23, 22];

/// Whether rustup has a nightly that can build `core`.
pub(super) fn nightly_is_complete(workspace: &Workspace) -> bool {
    NIGHTLIES.iter().any(|nightly| {
        let mut asked = workspace.command("rustup");
        command::ask(asked.args(["run", nightly, "rustc", "--print", "sysroot"])).is_some_and(
            |sysroot| Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir(),
        )
    })
}

/// The distribution's packages for the eBPF toolchain; empty where it has none.
pub(super) fn system_packages() -> &'static [&'static str] {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if release.lines().any(|it| it == "ID=debian") { DEBIAN } else { &[] }
}

/// Completes the toolchain after the system packages are in place.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    if nightly_is_complete(workspace) {
        say("eBPF compiler", "already there (rustup nightly)");
    } else if has_debian_compiler() {
        say("eBPF compiler", "already there (Debian's rustc-web)");
    } else if workspace.which("rustup").is_some() {
        command::run(
            workspace
                .command("rustup")
                .args(["toolchain", "install", PINNED_NIGHTLY, "--profile", "minimal"])
                .args(["--component", "rust-src"]),
        )?;
        say("eBPF compiler", format_args!("installed ({PINNED_NIGHTLY})"));
    } else {
        bail!(
            "no compiler for the eBPF programs: install rustup (https://rustup.rs), then \
             `rustup toolchain install {PINNED_NIGHTLY} --component rust-src`"
        );
    }
    ensure_linker(workspace)
}

fn has_debian_compiler() -> bool {
    ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library/core"]
        .iter()
        .all(|it| Path::new(it).exists())
}

fn ensure_linker(workspace: &Workspace) -> Result<()> {
    if let Some(version) = command::ask(workspace.command("bpf-linker").arg("--version")) {
        say("bpf-linker", format_args!("already there ({})", version.trim()));
        return Ok(());
    }
    let llvm = LLVM
        .into_iter()
        .map(|it| (it, format!("/usr/lib/llvm-{it}")))
        .find(|(_, prefix)| Path::new(prefix).join("bin/llvm-config").exists());
    let Some((release, prefix)) = llvm else { return fetch_linker(workspace) };
    let mut install =
        workspace.cargo(["install", "bpf-linker", "--version", BPF_LINKER, "--locked"]);
    install
        .args(["--no-default-features", "--features", &format!("llvm-{release}")])
        .env("LLVM_PREFIX", &prefix)
        // A folder of its own, so that the project's keeps only the project.
        .env_remove("CARGO_TARGET_DIR");
    command::run(&mut install).context("cannot compile bpf-linker")?;
    say("bpf-linker", format_args!("installed {BPF_LINKER} with LLVM {release}"));
    Ok(())
}

fn fetch_linker(workspace: &Workspace) -> Result<()> {
    if workspace.which("cargo-binstall").is_none() {
        let mut install = workspace.cargo(["install", "cargo-binstall", "--locked"]);
        command::run(install.env_remove("CARGO_TARGET_DIR"))?;
    }
    let package = format!("bpf-linker@{BPF_LINKER}");
    command::run(&mut workspace.cargo(["binstall", "--no-confirm", &package])).context(
        "cannot fetch bpf-linker; put its release for this machine on your `PATH` by hand: \
         https://github.com/aya-rs/bpf-linker/releases",
    )?;
    say("bpf-linker", format_args!("installed {BPF_LINKER} (its authors' build)"));
    Ok(())
}
