//! `tollgate env` and `tollgate run`.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};
use tollgate_app::{
    api::view::StatusView,
    config::Config,
    sdk_env::{self, Variable},
};
use tollgate_core::provider::Catalogue;

use crate::{args::Shell, output};

/// Prints the variables for a shell to evaluate.
pub(super) async fn print(shell: Shell) -> Result<()> {
    for it in variables().await? {
        let (name, value) = (it.name, quoted(shell, &it.value));
        output::line(&match shell {
            Shell::Bash | Shell::Zsh => format!("export {name}={value}"),
            Shell::Fish => format!("set -gx {name} {value}"),
            Shell::Powershell => format!("$env:{name} = {value}"),
        })?;
    }
    Ok(())
}

/// Becomes the command, with the variables set.
pub(super) async fn run(command: Vec<OsString>) -> Result<ExitCode> {
    let Some((program, args)) = command.split_first() else { bail!("no command to run") };
    let variables = variables().await?;
    let err = Command::new(program)
        .args(args)
        .envs(variables.into_iter().map(|it| (it.name, it.value)))
        .exec();
    Err(err).with_context(|| format!("run `{}`", program.to_string_lossy()))
}

/// The variables for the running gateway, with notes about them on standard error.
async fn variables() -> Result<Vec<Variable>> {
    let (client, _) = super::client()?;
    let status: StatusView = client.get("/status").await?;
    let listen =
        status.listen.context("the gateway is turned off: turn it on with `tollgate on`")?;
    let listen =
        listen.parse().with_context(|| format!("read the gateway's address `{listen}`"))?;
    if status.simulated {
        output::note("tollgate: the running gateway is a demonstration: a simulator answers");
        // It serves no provider but the usual ones.
        return Ok(sdk_env::sdk_env(listen, &Catalogue::default(), &without_base_urls).variables);
    }
    let made = sdk_env::sdk_env(listen, &known()?, &*super::environment());
    for note in &made.notes {
        output::note(&format!("tollgate: {note}"));
    }
    Ok(made.variables)
}

fn without_base_urls(name: &str) -> Option<String> {
    if name.contains("_BASE") { None } else { (super::environment())(name) }
}

/// The catalogue with the user's own providers; without them where the file has a mistake, which
/// the gateway tells.
fn known() -> Result<Catalogue> {
    let catalogue = Catalogue::embedded()?;
    let config = Config::load(&super::paths()?.config, &catalogue).unwrap_or_default();
    Ok(catalogue.with(config.providers.into_iter().map(|it| it.provider).collect()))
}

/// A value as one word of the shell's language.
fn quoted(shell: Shell, value: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:,@+".contains(it);
    match shell {
        Shell::Powershell => format!("'{}'", value.replace('\'', "''")),
        Shell::Bash | Shell::Zsh | Shell::Fish if value.chars().all(plain) => value.to_owned(),
        Shell::Bash | Shell::Zsh => format!("'{}'", value.replace('\'', r"'\''")),
        Shell::Fish => format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
    }
}
