//! `tollgate serve` and `tollgate demo`.

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tollgate_app::{App, Options};
use tracing_subscriber::EnvFilter;

use crate::{args::ServeArgs, output};

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Providers {
    /// The providers themselves.
    Real,
    /// The built-in simulator.
    Simulated,
}

/// Serves until it is told to stop.
pub(super) async fn serve(args: ServeArgs, providers: Providers) -> Result<()> {
    start_log();
    // Both TLS backends can be linked in by dependencies: this one is meant.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut paths = super::paths()?;
    let simulated = providers == Providers::Simulated;
    if simulated {
        paths = paths.for_demo();
    }
    if let Some(config) = args.config {
        // The usual file may be missing; one that was named may not.
        std::fs::metadata(&config)
            .with_context(|| format!("read the configuration `{}`", config.display()))?;
        paths.config = config;
    }
    if let Some(data) = args.data_dir {
        paths.data = data;
    }
    let program = std::env::current_exe().context("find this program")?;
    // From here on a signal stops in order, even before the address is printed.
    let mut asked = Signals::catch()?;
    let app = App::start(Options {
        paths,
        listen: args.listen,
        demo: simulated.then_some(program),
        env: super::environment(),
    })
    .await?;
    greet(&app);
    asked.next().await;
    tokio::select! {
        () = app.stop() => Ok(()),
        // Whoever asks twice wants out now; calls that are not settled yet are then lost.
        () = asked.next() => bail!("stopped before all calls were settled"),
    }
}

/// The signals that ask to stop: the terminal that goes away is one of them.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Says where it serves: on standard error, because standard output may be a pipe that nobody
/// reads. The console's address holds the admin token, as Jupyter's does.
fn greet(app: &App) {
    let Some(listen) = app.listening() else { return };
    if app.is_simulated() {
        output::note(
            "SIMULATED: a built-in simulator answers instead of providers; nobody is billed.",
        );
    }
    output::note(&format!("Tollgate serves on http://{listen}"));
    output::note(&format!("  web console  {}", app.console_address(listen)));
    output::note(&format!("  OpenAI SDKs  OPENAI_BASE_URL=http://{listen}/v1"));
    output::note(&format!("  Anthropic    ANTHROPIC_BASE_URL=http://{listen}"));
    output::note("  or           tollgate run -- COMMAND");
    for it in app.problems() {
        output::note(&format!("{}: {} ({})", it.name, it.found, it.remedy));
    }
}

/// Logs go to standard error: warnings, or what `TOLLGATE_LOG` asks for.
fn start_log() {
    let filter = EnvFilter::try_from_env("TOLLGATE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
