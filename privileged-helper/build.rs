//! Finds the eBPF object that the helper embeds, and its hash.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() -> Result<(), String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let object = root.join("../bpf/programs/target/bpfel-unknown-none/release/tollgate-bpf");
    println!("cargo::rerun-if-changed={}", object.display());
    let Ok(bytes) = fs::read(&object) else {
        println!("cargo::error=the eBPF object is missing: run `cargo xtask bpf` first");
        return Ok(());
    };
    let hash = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    println!("cargo::rustc-env=TOLLGATE_OBJECT={}", object.display());
    println!("cargo::rustc-env=TOLLGATE_OBJECT_SHA256={hash}");
    Ok(())
}
