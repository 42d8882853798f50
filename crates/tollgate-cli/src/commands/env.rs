//! `tollgate env` and `tollgate run`.

use std::{
    ffi::OsString,
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};
use tollgate_app::{api::view::StatusView, sdk_env};

use crate::{args::Shell, output};

/// Prints the variables for a shell to evaluate.
pub(super) async fn print(shell: Shell) -> Result<()> {
    for it in sdk_env::variables(listening().await?) {
        let (name, value) = (it.name, it.value);
        output::line(&match shell {
            Shell::Bash | Shell::Zsh => format!("export {name}={value}"),
            Shell::Fish => format!("set -gx {name} {value}"),
            Shell::Powershell => format!("$env:{name} = \"{value}\""),
        })?;
    }
    Ok(())
}

/// Becomes the command, with the variables set.
pub(super) async fn run(command: Vec<OsString>) -> Result<ExitCode> {
    let Some((program, args)) = command.split_first() else { bail!("no command to run") };
    let variables = sdk_env::variables(listening().await?);
    let err = Command::new(program)
        .args(args)
        .envs(variables.into_iter().map(|it| (it.name, it.value)))
        .exec();
    Err(err).with_context(|| format!("run `{}`", program.to_string_lossy()))
}

/// Where the running gateway listens.
async fn listening() -> Result<SocketAddr> {
    let (client, _) = super::client()?;
    let status: StatusView = client.get("/status").await?;
    let listen =
        status.listen.context("the gateway is turned off: turn it on with `tollgate on`")?;
    listen.parse().with_context(|| format!("read the gateway's address `{listen}`"))
}
