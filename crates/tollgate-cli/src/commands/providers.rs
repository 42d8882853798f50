//! `tollgate providers`: the catalogue and its credentials.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use tollgate_app::{
    alone::alone,
    api::providers::{self as api, FindingState, ProviderView, TrialAsked, TrialView},
    client::ClientError,
    config::{
        CredentialSource,
        edit::{NewProvider, add_provider},
    },
};
use tollgate_core::provider::Catalogue;

use super::{
    credentials,
    import::{self, Consent},
};
use crate::{
    args::{AddProvider, Json, KeyPlace, ProvidersCommand},
    output,
};

/// Lists, adds or tries providers, or stores or removes a credential.
pub(super) fn providers(command: ProvidersCommand) -> Result<ExitCode> {
    match command {
        ProvidersCommand::Test { id, model, json } => return test(&id, model, json),
        ProvidersCommand::List(json) => list(json),
        ProvidersCommand::Add(asked) => add(*asked),
        ProvidersCommand::Login { name } => credentials::login(&name),
        ProvidersCommand::Logout { name } => credentials::logout(&name),
        ProvidersCommand::Import { dry_run: true, yes: _ } => import::import(Consent::Withheld),
        ProvidersCommand::Import { yes: true, .. } => import::import(Consent::Given),
        ProvidersCommand::Import { .. } => import::import(Consent::Asked),
        ProvidersCommand::Passphrase { remove } => credentials::passphrase(remove),
        ProvidersCommand::Unlock => credentials::unlock(),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Lets a running gateway read its keys again.
pub(super) fn tell_gateway() -> Result<()> {
    let (client, _) = super::client()?;
    let told = super::runtime()?.block_on(client.post::<()>("/configuration/reload", &()));
    match told {
        Ok(()) | Err(ClientError::NotRunning(_)) => Ok(()),
        Err(err) => Err(err).context("let the running gateway read its keys again"),
    }
}

/// Asks the running gateway, or one of this command's own where none runs.
fn list(json: Json) -> Result<()> {
    let providers: Vec<ProviderView> = super::runtime()?.block_on(async {
        let (client, _) = super::client()?;
        match client.get("/providers").await {
            Err(ClientError::NotRunning(_)) => {
                let here = async |app| api::listed(&app).await;
                anyhow::Ok(alone(super::environment(), &super::paths()?, here).await?)
            }
            asked => Ok(asked?),
        }
    })?;
    if json.json {
        return output::json_pretty(&providers);
    }
    let now = super::now_ms();
    let rows = providers.iter().map(|it| {
        let formats: Vec<_> = it.formats.iter().map(|it| it.format.as_str()).collect();
        let base_url = it.formats.first().map_or("", |it| it.base_url.as_str()).to_owned();
        let formats = formats.join(" ");
        vec![it.id.clone(), state(it), credential(it), base_url, formats, last_error(it, now)]
    });
    output::table(&["id", "state", "credential", "base URL", "formats", "last error"], rows)
}

fn credential(it: &ProviderView) -> String {
    match (&it.credential, &it.env_set, it.auth.as_str()) {
        (Some(place), ..) => place.clone(),
        (None, _, "none") => "none needed".to_owned(),
        (None, Some(variable), _) => format!("the client's own (${variable} is set)"),
        (None, None, _) => "the client's own".to_owned(),
    }
}

fn state(it: &ProviderView) -> String {
    if let Some(problem) = it.problem.as_ref().filter(|_| it.configured) {
        return problem.clone();
    }
    if let Some(local) = &it.local {
        return match local.running {
            true => format!("runs, {} models", local.models.len()),
            false => "not running".to_owned(),
        };
    }
    match (&it.problem, it.configured, it.in_catalogue) {
        (Some(_), ..) => "needs parameters".to_owned(),
        (None, true, true) => "configured".to_owned(),
        (None, true, false) => "configured, your own".to_owned(),
        (None, false, _) => "in the catalogue".to_owned(),
    }
}

fn last_error(it: &ProviderView, now_ms: i64) -> String {
    let Some(error) = &it.last_error else { return String::new() };
    let code = error.code.clone().or_else(|| error.status.map(|it| format!("HTTP {it}")));
    let over = it.answered_at_ms.is_some_and(|it| it > error.at_ms);
    let since = if over { ", answered since" } else { "" };
    format!("{} {}{since}", output::time(error.at_ms, now_ms), code.unwrap_or_default())
}

fn add(asked: AddProvider) -> Result<()> {
    let AddProvider { id, name, base_url, formats, auth, parameters, api_version, key } = asked;
    let credential = place(key);
    let said = [&name, &base_url, &auth, &api_version];
    let plain = said.iter().all(|it| it.is_none()) && parameters.is_empty();
    let catalogue = Catalogue::embedded()?;
    if plain && credential.is_none() && catalogue.get(&id).is_some() {
        bail!(
            "provider `{id}` is in the catalogue and takes the client's own key as it is: say where \
             a key of yours is (such as `--key-keyring {id}`), or what else is to differ"
        );
    }
    let path = super::paths()?.config;
    let provider = NewProvider {
        id,
        name,
        base_url,
        formats,
        auth,
        parameters,
        api_version,
        credential: credential.clone(),
    };
    add_provider(&path, &catalogue, &provider)?;
    output::note(&format!("Added `{}` to `{}`.", provider.id, path.display()));
    if let Some(CredentialSource::Keyring(name)) = credential {
        output::note(&format!("Store its key with `tollgate providers login {name}`."));
    }
    tell_gateway()
}

fn place(key: KeyPlace) -> Option<CredentialSource> {
    let KeyPlace {
        key_keyring,
        key_env,
        aws_profile,
        aws_env,
        aws,
        google,
        entra_env,
        entra_managed,
        entra_cli,
    } = key;
    let google = google.map(CredentialSource::of_google);
    let managed = entra_managed.map(CredentialSource::of_managed);
    key_keyring
        .map(CredentialSource::Keyring)
        .or(key_env.map(CredentialSource::Env))
        .or(aws_profile.map(CredentialSource::AwsProfile))
        .or(aws_env.map(CredentialSource::AwsEnv))
        .or(aws.then_some(CredentialSource::Aws))
        .or(google)
        .or(entra_env.map(CredentialSource::EntraEnv))
        .or(managed)
        .or(entra_cli.map(CredentialSource::of_cli))
}

/// Tries a provider through the running gateway, or through one of this command's own.
fn test(id: &str, model: Option<String>, json: Json) -> Result<ExitCode> {
    let trial: TrialView = super::runtime()?.block_on(async {
        let (client, _) = super::client()?;
        let asked = TrialAsked { model };
        let path = format!("/providers/{}/test", output::query(id));
        match client.post(&path, &asked).await {
            Err(ClientError::NotRunning(_)) => {
                let here = async |app| api::tried(&app, id, asked.model.as_deref()).await;
                anyhow::Ok(alone(super::environment(), &super::paths()?, here).await??)
            }
            asked => Ok(asked?),
        }
    })?;
    if json.json {
        output::json_pretty(&trial)?;
    } else {
        print(&trial)?;
    }
    Ok(if trial.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(trial: &TrialView) -> Result<()> {
    for finding in &trial.findings {
        let (mark, detail) = match finding.state {
            FindingState::Good => ("ok", finding.detail.as_deref().unwrap_or_default()),
            FindingState::Bad => ("FAILED", finding.detail.as_deref().unwrap_or_default()),
            FindingState::Untold => ("-", "not told"),
        };
        output::line(&format!("{:<11} {mark:<7} {detail}", finding.what))?;
    }
    if let Some(call) = &trial.call {
        let cost = super::calls::cost(call);
        output::line(&format!("{:<11} {:<7} {cost}", "cost", ""))?;
    }
    Ok(())
}
