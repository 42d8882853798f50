//! One module per command; those that ask the running gateway share its client.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use tollgate_app::{Environment, client::Client, paths::Paths};

use crate::{
    args::{Args, BudgetsCommand, Command, ExportCommand, ModelsCommand},
    output,
};

mod backup;
mod block;
mod budgets;
mod cache;
mod calls;
mod console;
mod costs;
mod credentials;
mod env;
mod export;
mod flows;
mod guardrails;
mod import;
mod keys;
mod models;
mod packets;
mod prices;
mod programs;
mod providers;
mod rules;
mod serve;
mod status;

/// Does what was asked and says with which code to exit.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Serve(args) => runtime()?.block_on(serve::serve(args, serve::Providers::Real))?,
        Command::Demo(args) => {
            runtime()?.block_on(serve::serve(args, serve::Providers::Simulated))?;
        }
        Command::Run { command } => return runtime()?.block_on(env::run(command)),
        Command::Env { shell } => runtime()?.block_on(env::print(shell))?,
        Command::Status(json) => runtime()?.block_on(status::status(json))?,
        Command::On => runtime()?.block_on(status::switch(true))?,
        Command::Off => runtime()?.block_on(status::switch(false))?,
        Command::Doctor(json) => return runtime()?.block_on(status::doctor(json)),
        Command::Block { whose, cut, json } => {
            runtime()?.block_on(block::block(whose, cut, json))?;
        }
        Command::Unblock { whose, json } => runtime()?.block_on(block::unblock(whose, json))?,
        Command::Console { new_token } => {
            let token = if new_token { console::Token::New } else { console::Token::Same };
            runtime()?.block_on(console::console(token))?;
        }
        Command::Calls(args) => runtime()?.block_on(calls::calls(*args))?,
        Command::Costs(args) => runtime()?.block_on(costs::costs(args))?,
        Command::Packets(args) => runtime()?.block_on(packets::packets(args))?,
        Command::Flows { command } => runtime()?.block_on(flows::flows(command))?,
        Command::Programs { since, json } => {
            runtime()?.block_on(programs::programs(&since, json))?;
        }
        Command::Models { command: ModelsCommand::List(json) } => {
            runtime()?.block_on(models::list(json))?;
        }
        Command::Keys { command } => runtime()?.block_on(keys::keys(command))?,
        Command::Budgets { command: BudgetsCommand::List(json) } => {
            runtime()?.block_on(budgets::list(json))?;
        }
        Command::Cache { command } => runtime()?.block_on(cache::cache(command))?,
        Command::Guardrails { command } => {
            runtime()?.block_on(guardrails::guardrails(command))?;
        }
        Command::Rules { command } => runtime()?.block_on(rules::rules(command))?,
        Command::Providers { command } => return providers::providers(command),
        Command::Prices { command } => prices::prices(command)?,
        Command::Backup { file, json } => runtime()?.block_on(backup::backup(file, json))?,
        Command::Export { command: ExportCommand::Calls(args) } => {
            runtime()?.block_on(export::calls(&args))?;
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "tollgate", &mut script);
            output::bytes(&script)?;
        }
        Command::Man { folder } => man(&folder)?,
        Command::Openapi => output::line(&tollgate_app::api::openapi_json())?,
        Command::DemoClient { name, base_url, pace_ms, calls } => {
            let pace = Duration::from_millis(pace_ms);
            runtime()?.block_on(tollgate_app::demo::client(&name, &base_url, pace, calls))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn man(folder: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Args::command(), folder)
        .with_context(|| format!("write the man pages into `{}`", folder.display()))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new().context("start the runtime")
}

fn environment() -> Environment {
    Arc::new(|name| std::env::var(name).ok())
}

fn paths() -> Result<Paths> {
    Ok(Paths::from_env(&*environment())?)
}

fn client() -> Result<(Client, PathBuf)> {
    let socket = paths()?.admin_socket();
    Ok((Client::new(&socket), socket))
}

/// The time `ago` (such as `24h`), in Unix milliseconds.
fn since(ago: &str) -> Result<i64> {
    Ok(now_ms().saturating_sub(output::span_ms(ago)?))
}

fn now_ms() -> i64 {
    use tollgate_core::Clock as _;
    tollgate_app::clock::SystemClock.now().0
}
