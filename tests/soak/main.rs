//! `cargo xtask soak`: what takes too long for a test run. `kills` kills the gateway again and again
//! under load; `load` calls it for half an hour with everything on. Both print figures and exit with 1
//! where a promise does not hold.
#![expect(clippy::print_stdout, reason = "a soak prints its figures")]

mod load;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use tollgate_tests::storm::{StormConfig, storm};

/// How long before a kill a call must have been over to be in the ledger: 900 ms for its caller to be
/// found and for the ledger's next commit, as `SECURITY.md` promises, and the writing itself.
const BOUND: Duration = Duration::from_secs(1);

/// Calls before a kill at most: enough that many are older than the bound.
const CALLS_MAX: u64 = 200;

fn main() -> Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: soak kills COUNT | soak load MINUTES";
    let what = args.next().context(usage)?;
    let number: u32 = args.next().context(usage)?.parse()?;
    tollgate_app::descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let held = match what.as_str() {
        "kills" => runtime.block_on(kills(number)),
        "load" => runtime.block_on(load::run(Duration::from_secs(60) * number))?,
        _ => bail!(usage),
    };
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn kills(kills: u32) -> bool {
    let seed = 0x5eed_0000 + u64::from(kills);
    let told = |kill: u32| {
        if kill.is_multiple_of(50) {
            println!("{kill} of {kills}");
        }
    };
    let it = storm(StormConfig { kills, calls_max: CALLS_MAX, seed }, told).await;
    let oldest =
        it.lost_oldest.map_or_else(|| "-".to_owned(), |it| format!("{} ms", it.as_millis()));
    println!(
        "| kills | calls finished | lost | oldest of these when killed | read before and lost | doubled | rows | summed | longest start |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    println!(
        "| {} | {} | {} | {oldest} | {} | {} | {} | {} | {} ms |",
        it.kills,
        it.finished,
        it.lost,
        it.unread_again,
        it.doubled,
        it.rows,
        it.summed,
        it.start_longest.as_millis()
    );
    let in_time = it.lost_oldest.is_none_or(|it| it <= BOUND);
    let held = in_time && it.unread_again == 0 && it.doubled == 0 && it.rows == it.summed;
    println!("{}", if held { "held" } else { "NOT HELD" });
    held
}
