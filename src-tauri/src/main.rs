//! The desktop window and tray. They hold no truth: the gateway runs in this process as
//! [`tollgate_app::App`], and the window asks it over the same admin API as the web console does.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use tauri::{Manager as _, RunEvent};
use tauri_plugin_dialog::{DialogExt as _, MessageDialogKind};
use tollgate_app::{App, Options, paths::Paths};
use tracing_subscriber::EnvFilter;
use zeroizing_alloc::ZeroAlloc;

mod commands;
mod notifications;
mod tray;
mod window;

/// Memory is wiped when it is given back: libraries copy keys into buffers that nobody else wipes.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

/// Tollgate in a window, with a switch in the tray.
#[derive(Parser)]
#[command(name = "tollgate-desktop", version)]
struct Args {
    /// Let a built-in provider simulator answer, and start a few demo programs that call it
    #[arg(long)]
    demo: bool,
    /// Start in the tray, without a window
    #[arg(long)]
    hidden: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Be one of the demo's programs
    #[command(hide = true)]
    DemoClient {
        name: String,
        #[arg(long)]
        base_url: String,
        #[arg(long)]
        pace_ms: u64,
        #[arg(long)]
        calls: Option<u32>,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    if let Some(Command::DemoClient { name, base_url, pace_ms, calls }) = args.command {
        let pace = Duration::from_millis(pace_ms);
        return Ok(runtime.block_on(tollgate_app::demo::client(&name, &base_url, pace, calls))?);
    }
    let filter = EnvFilter::try_from_env("TOLLGATE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // Both TLS backends can be linked in by dependencies: this one is meant.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tauri::async_runtime::set(runtime.handle().clone());
    // The runtime outlives the desktop, whose commands run on it.
    run(&args)
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "`generate_context` writes it for a manifest that cannot be read"
)]
fn run(args: &Args) -> Result<()> {
    let (demo, hidden) = (args.demo, args.hidden);
    let desktop = tauri::Builder::default()
        // First, so that a second start only shows the first one's window.
        .plugin(tauri_plugin_single_instance::init(|handle, _, _| window::show(handle)))
        .plugin(tauri_plugin_window_state::Builder::default().build())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_autostart::init(
            tauri_plugin_autostart::MacosLauncher::LaunchAgent,
            Some(vec!["--hidden"]),
        ))
        .invoke_handler(tauri::generate_handler![
            commands::api,
            commands::events,
            commands::events_stop,
            commands::save_file
        ])
        .setup(move |tauri| {
            let handle = tauri.handle().clone();
            match tauri::async_runtime::block_on(start(demo)) {
                Ok(app) => {
                    tauri.manage(commands::Streams::default());
                    tauri.manage(Arc::clone(&app));
                    tray::build(&handle, &app)?;
                    tauri::async_runtime::spawn(notifications::follow(Arc::clone(&app)));
                    if !hidden {
                        window::show(&handle);
                    }
                }
                Err(err) => tell_and_quit(&handle, &format!("{err:#}")),
            }
            quit_on_signals(handle);
            Ok(())
        })
        .on_window_event(window::on_event)
        .build(tauri::generate_context!())
        .context("open the desktop")?;
    desktop.run(|handle, event| {
        if let RunEvent::ExitRequested { code: None, api, .. } = &event {
            // Only the tray's Quit names a code; without windows the tray goes on.
            api.prevent_exit();
        } else if matches!(event, RunEvent::Exit)
            && let Some(app) = handle.try_state::<Arc<App>>()
        {
            tauri::async_runtime::block_on(app.stop());
        }
    });
    Ok(())
}

async fn start(demo: bool) -> Result<Arc<App>> {
    let env = |name: &str| std::env::var(name).ok();
    let mut paths = Paths::from_env(&env)?;
    let mut program: Option<PathBuf> = None;
    if demo {
        paths = paths.for_demo();
        program = Some(std::env::current_exe().context("find this program")?);
    }
    Ok(App::start(Options { paths, listen: None, demo: program, env: Arc::new(env) }).await?)
}

/// There is no window to say it in yet.
fn tell_and_quit(handle: &tauri::AppHandle, message: &str) {
    tracing::error!(message, "cannot start");
    let quitting = handle.clone();
    handle
        .dialog()
        .message(message)
        .title("Tollgate cannot start")
        .kind(MessageDialogKind::Error)
        .show(move |_| quitting.exit(1));
}

fn quit_on_signals(handle: tauri::AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    tauri::async_runtime::spawn(async move {
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        handle.exit(0);
    });
}
