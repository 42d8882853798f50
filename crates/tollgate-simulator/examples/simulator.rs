//! The simulator by itself: prints its address and serves until its standard input ends.
//!
//! ```text
//! cargo run -p tollgate-simulator --example simulator [-- --demo] [-- PORT]
//! ```
//!
//! `--demo` takes the time that a hosted model would; without it, answers come at once.

use std::io::{self, Write};

use tollgate_simulator::{Simulator, SimulatorConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = SimulatorConfig::default();
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--demo" => config.latency = tollgate_simulator::DEMO_LATENCY,
            port => config.listen.set_port(port.parse()?),
        }
    }
    let simulator = Simulator::start(config).await?;
    writeln!(io::stdout(), "{}", simulator.base_url())?;
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin().lock(), &mut io::sink())).await??;
    simulator.shutdown().await;
    Ok(())
}
