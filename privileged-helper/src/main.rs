//! The root helper: loads its own eBPF programs, gives up every privilege, then copies what they
//! say to the user it serves.
//!
//! The order in [`run`] is a contract. While privileged, the helper reads nothing that an
//! unprivileged process could have written: its arguments come from root or are checked against
//! what polkit says, its programs are part of itself. Once a client can reach it, it is nobody,
//! without capabilities, behind a filter of system calls. The links die with the process: whatever
//! ends it detaches everything.

#![expect(unsafe_code, reason = "one raw system call, and what aya demands of shared structures")]

mod btf;
mod client;
mod hub;
mod kernel;
mod peer;
mod plain;
mod probes;
mod ring;
mod sandbox;
mod server;
mod tables;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Parser;
use tollgate_helper_protocol::reply::Probe;

use crate::hub::Hub;
use crate::kernel::Kernel;
use crate::probes::{OBJECT_SHA256, Statistics};

/// Watches LLM traffic with eBPF for one user, without keeping any privilege.
///
/// Started as root, it loads its embedded programs, becomes nobody and serves the protocol of
/// `tollgate-helper-protocol`. It reads no configuration and takes no programs.
///
/// Exit codes: 0 the client closed standard input, 1 an error (said on standard error), 2 wrong
/// usage, 3 the kernel cannot run the programs.
#[derive(Parser)]
#[command(name = "tollgate-helper", version)]
struct Args {
    /// The user to serve. User 0 sees everyone. Under pkexec it can only be who asked.
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,
    /// Serve connections at this Unix socket, made for that user alone.
    #[arg(long, value_name = "PATH", conflicts_with = "stdio")]
    socket: Option<PathBuf>,
    /// Serve one client on standard input and output, and end when it closes them.
    #[arg(long)]
    stdio: bool,
    /// Load and attach everything, print a JSON line for each hook, and end.
    #[arg(long, conflicts_with_all = ["socket", "stdio", "uid"])]
    probe: bool,
    /// Let the kernel measure the run time of programs (shown in the status; costs some of it).
    #[arg(long)]
    stats: bool,
}

/// The kernel is too old or grants nothing.
const EXIT_UNSUPPORTED: u8 = 3;

fn main() -> ExitCode {
    let args = Args::parse();
    let kernel = match Kernel::running() {
        Ok(kernel) => kernel,
        Err(error) => return fail(&error, EXIT_UNSUPPORTED),
    };
    let result = if args.probe { probe(&kernel) } else { run(kernel, args) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    // Nobody may be listening to standard error; the exit code stays.
    let _ = writeln!(std::io::stderr(), "tollgate-helper: {error:#}");
    ExitCode::from(code)
}

/// Where clients come from.
enum Door {
    Socket(std::os::unix::net::UnixListener),
    Stdio,
}

/// The order contract.
fn run(kernel: Kernel, args: Args) -> anyhow::Result<()> {
    // 1. Who is served: from root, or from polkit.
    let pkexec = peer::pkexec_uid()?;
    let uid = peer::served_uid(args.uid, pkexec)?;
    if args.socket.is_some() && pkexec.is_some() {
        bail!("`--socket` is refused under pkexec: a client may not name a path");
    }
    // 2. Everything that needs privilege: programs, and a socket in root's folder.
    let statistics = if args.stats { Statistics::On } else { Statistics::Off };
    let mut probes = probes::load(statistics)?;
    let (mut tables, rings) = tables::take(&mut probes.ebpf)?;
    give_back_memory();
    let door = match (args.socket, args.stdio) {
        (Some(path), _) => Door::Socket(server::listen(&path, uid)?),
        (None, true) => Door::Stdio,
        (None, false) => bail!("either `--socket PATH` or `--stdio` is needed"),
    };
    // 3. Nothing of that is left.
    sandbox::confine().context("refusing to serve with privileges")?;
    tables.stop().context(
        "this kernel lets nobody without privilege use eBPF maps: that needs Linux 5.19, or \
         `kernel.unprivileged_bpf_disabled = 0`",
    )?;
    // 4. Only now is anyone listened to, and are there other threads.
    let hub = Arc::new(Hub::new(kernel, probes, tables, peer::sees(uid)));
    let pumping = Arc::clone(&hub);
    std::thread::Builder::new().name("rings".to_owned()).spawn(move || pumping.pump(rings))?;
    match door {
        Door::Socket(listener) => server::serve_socket(&hub, &listener, uid),
        Door::Stdio => server::serve_stdio(&hub, uid),
    }
}

/// The kernel's type description took many times the memory that the rest of a long life will.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number, and gives free memory back to the system.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Prints what could be attached, for `tollgate doctor`.
fn probe(kernel: &Kernel) -> anyhow::Result<()> {
    let probes = probes::load(Statistics::Off)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{{\"kernel\":{},\"object_sha256\":{}}}",
        json(&kernel.release),
        json(OBJECT_SHA256)
    )?;
    for Probe { hook, refused } in &probes.probes {
        let reason = refused.as_deref().map_or_else(|| "null".to_owned(), json);
        let attached = refused.is_none();
        writeln!(out, "{{\"hook\":{},\"attached\":{attached},\"reason\":{reason}}}", json(hook))?;
    }
    for program in probes.programs() {
        let count = program.verified_instructions;
        let count = count.map_or_else(|| "null".to_owned(), |count| count.to_string());
        let name = json(&program.name);
        writeln!(out, "{{\"program\":{name},\"verified_instructions\":{count}}}")?;
    }
    Ok(())
}

/// A JSON string (RFC 8259, section 7).
fn json(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
