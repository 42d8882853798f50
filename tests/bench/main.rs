//! `cargo xtask bench`: what the gateway costs, beside a direct call and beside nginx as a plain
//! reverse proxy, in one run.
//!
//! The gateway and nginx run on core 0, the provider simulator and the load on core 1. CPU seconds
//! per 10,000 calls are those of the whole process tree, so they hardly depend on other load; each
//! figure is the median of [`ROUNDS`] rounds in which the targets take turns. Every answer is
//! checked for completeness. Everything in the gateway is on: ledger, attribution, tap, prices.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "figures for people, not money")]

mod guardrails;
mod load;
mod packets;
mod process;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use tollgate_simulator::{Simulator, SimulatorConfig};

use crate::{
    load::{Call, Latencies, Scenario},
    process::{Target, pin_to},
};

/// How often each target is measured.
const ROUNDS: usize = 3;
/// Connections of the closed loop, each with one call at a time.
const CONNECTIONS: usize = 16;
/// How long one measurement takes.
const ROUND: Duration = Duration::from_secs(4);
/// Calls a second of the open loop, and its length.
const RATE: u32 = 1_000;
/// Streams held at once for the memory figure.
const HELD: usize = 1_000;
/// The core of what is measured, and of what measures.
const MEASURED_CORE: usize = 0;
const LOAD_CORE: usize = 1;

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let gateway = args.next().context("usage: bench TOLLGATE [HELPER]")?;
    let helper = args.next();
    tollgate_app::descriptors::raise();
    pin_to(LOAD_CORE)?;
    // One thread: the load must stay on its core and not wake the other.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(gateway, helper))
}

async fn run(gateway: PathBuf, helper: Option<PathBuf>) -> Result<()> {
    let config = SimulatorConfig { calls_kept: 16, ..SimulatorConfig::default() };
    let simulator = Simulator::start(config).await?;
    let provider = simulator.addr();
    let direct = Target::direct(provider);
    let nginx = Target::nginx(provider, MEASURED_CORE).await?;
    let (tollgate, start) = Target::tollgate(&gateway, provider, MEASURED_CORE).await?;

    println!("| figure | direct | nginx | tollgate | tollgate / nginx |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for scenario in Scenario::all() {
        let (plain, through) = (&scenario.plain, scenario.through());
        cpu_row([(&direct, plain), (&nginx, plain), (&tollgate, through)]).await?;
    }
    let caching = Target::caching(&gateway, provider, MEASURED_CORE).await?;
    for scenario in Scenario::cached() {
        let call = &scenario.plain;
        cpu_row([(&direct, call), (&nginx, call), (&caching, call)]).await?;
    }
    drop(caching);
    latency_rows(&[&direct, &nginx, &tollgate]).await?;
    println!("| start to first served call, ms | - | - | {} | - |", start.as_millis());
    memory_rows(&gateway, provider).await?;
    if let Some(helper) = helper {
        packets::rows(&helper, &tollgate).await?;
    }
    guardrails::rows();
    simulator.shutdown().await;
    Ok(())
}

/// CPU seconds per 10,000 calls in a closed loop.
async fn cpu_row(targets: [(&Target, &Call); 3]) -> Result<()> {
    let mut figures = vec![Vec::new(); targets.len()];
    let mut calls = 0;
    for (target, call) in targets {
        load::closed_loop(target.address, call, CONNECTIONS, Duration::from_millis(500)).await?;
    }
    for _ in 0..ROUNDS {
        for ((target, call), figures) in targets.iter().zip(&mut figures) {
            let before = target.cpu_seconds()?;
            let done = load::closed_loop(target.address, call, CONNECTIONS, ROUND).await?;
            let spent = target.cpu_seconds()? - before;
            figures.push(spent * 10_000.0 / done as f64);
            calls += done;
        }
    }
    let figures: Vec<f64> = figures.into_iter().map(median).collect();
    let cell = |it: f64| if it > 0.0 { format!("{it:.2}") } else { "-".to_owned() };
    let [direct, nginx, tollgate] = figures[..] else { anyhow::bail!("three targets") };
    println!(
        "| `{}`: CPU s per 10,000 calls ({calls} calls) | {} | {} | {} | {:.2} |",
        targets[0].1.name,
        cell(direct),
        cell(nginx),
        cell(tollgate),
        tollgate / nginx
    );
    Ok(())
}

/// Latency in an open loop, counted from when each call was due.
async fn latency_rows(targets: &[&Target]) -> Result<()> {
    let call = Call::chat1k();
    let mut figures = Vec::new();
    for target in targets {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(load::open_loop(target.address, &call, RATE, ROUND).await?);
        }
        let of = |pick: fn(&Latencies) -> f64| median(rounds.iter().map(pick).collect());
        figures.push((of(|it| it.p50_ms), of(|it| it.p99_ms)));
    }
    let [direct, nginx, tollgate] = figures[..] else { anyhow::bail!("three targets") };
    let row = |name: &str, direct: f64, nginx: f64, tollgate: f64| {
        println!(
            "| `chat1k` at {RATE} calls/s: {name} latency, ms | {direct:.2} | {nginx:.2} | {tollgate:.2} | {:+.2} over direct |",
            tollgate - direct
        );
    };
    row("p50", direct.0, nginx.0, tollgate.0);
    row("p99", direct.1, nginx.1, tollgate.1);
    Ok(())
}

/// Resident memory of a gateway of its own: idle, then with many streams held open.
async fn memory_rows(gateway: &std::path::Path, provider: std::net::SocketAddr) -> Result<()> {
    let (target, _) = Target::tollgate(gateway, provider, MEASURED_CORE).await?;
    let idle = target.resident_mb()?;
    let held = load::hold_streams(target.address, HELD).await?;
    let busy = target.resident_mb()?;
    drop(held);
    println!("| memory idle, MB | - | - | {idle:.1} | - |");
    println!("| memory with {HELD} streams held, MB | - | - | {busy:.1} | - |");
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
