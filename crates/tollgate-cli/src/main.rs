//! The command `tollgate`: thin, over the admin API of the running gateway.

use std::{io, process::ExitCode};

use clap::Parser as _;
use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

mod args;
mod commands;
mod output;

/// Memory is wiped when it is given back: libraries copy keys into buffers that nobody else wipes.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    let args = args::Args::parse();
    match commands::run(args) {
        Ok(code) => code,
        // Whoever reads our output has seen enough.
        Err(err) if is_broken_pipe(&err) => ExitCode::SUCCESS,
        Err(err) => {
            output::error(&err);
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(err: &anyhow::Error) -> bool {
    err.chain()
        .filter_map(|it| it.downcast_ref::<io::Error>())
        .any(|it| it.kind() == io::ErrorKind::BrokenPipe)
}
