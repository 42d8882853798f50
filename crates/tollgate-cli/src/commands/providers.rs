//! `tollgate providers` and `tollgate prices`: the catalogue, its credentials and its prices.

use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::{Result, bail};
use tollgate_app::{
    config::{Config, CredentialSource},
    credentials,
};
use tollgate_core::{
    PicoUsd, Secret,
    price::{PriceBook, PriceRow},
    provider::Catalogue,
};

use crate::{
    args::{Json, ProvidersCommand},
    output,
};

/// Tokens in the unit that people quote prices for.
const TOKENS_QUOTED: u64 = 1_000_000;

/// Lists providers, or stores or removes a credential.
pub(super) fn providers(command: ProvidersCommand) -> Result<()> {
    match command {
        ProvidersCommand::List(json) => list(json),
        ProvidersCommand::Login { name } => {
            if io::stdin().is_terminal() {
                output::note(&format!("Paste the key of `{name}`, then press Enter:"));
            }
            let mut key = String::new();
            io::stdin().lock().read_line(&mut key)?;
            let key = Secret::new(key.trim().to_owned());
            if key.expose().is_empty() {
                bail!("no key was given");
            }
            credentials::store(&name, key)?;
            output::note(&format!(
                "Stored in the keyring. The configuration refers to it by `api_key = {{ keyring = \"{name}\" }}`."
            ));
            Ok(())
        }
        ProvidersCommand::Logout { name } => Ok(credentials::remove(&name)?),
    }
}

fn list(json: Json) -> Result<()> {
    let catalogue = Catalogue::embedded()?;
    let config = Config::load(&super::paths()?.config, &catalogue)?;
    let configured = config.providers.iter().map(|it| it.provider.clone()).collect();
    let all = catalogue.with(configured);
    if json.json {
        return output::json_pretty(&all.iter().collect::<Vec<_>>());
    }
    let rows = all.iter().map(|it| {
        let own = config.providers.iter().find(|own| own.provider.id == it.id);
        let credential = match own.and_then(|it| it.credential.as_ref()) {
            Some(CredentialSource::Env(name)) => format!("from ${name}"),
            Some(CredentialSource::Keyring(name)) => format!("from the keyring ({name})"),
            None => "the client's own".to_owned(),
        };
        let formats: Vec<_> = it.endpoints.iter().map(|it| it.format.as_str()).collect();
        let base_url = it.endpoints.first().map_or("", |it| it.base_url.as_str());
        vec![it.id.clone(), base_url.to_owned(), formats.join(" "), credential]
    });
    output::table(&["id", "base URL", "formats", "credential"], rows)
}

/// Prints the price rows of the models whose name contains `model`.
pub(super) fn prices(model: &str, json: Json) -> Result<()> {
    let book = PriceBook::embedded()?;
    let found: Vec<&PriceRow> = book.rows().filter(|it| it.model.contains(model)).collect();
    if json.json {
        return output::json_pretty(&found);
    }
    if found.is_empty() {
        bail!("no model whose name contains `{model}` has a price here");
    }
    let header = ["provider", "model", "input", "cache read", "output", "source", "checked on"];
    let per_million = |it: Option<PicoUsd>| {
        let amount = it.and_then(|it| it.checked_mul(TOKENS_QUOTED));
        amount.map_or_else(|| output::UNKNOWN.to_owned(), |it| it.to_string())
    };
    output::table(
        &header,
        found.into_iter().map(|it| {
            vec![
                it.provider.clone(),
                it.model.clone(),
                per_million(it.rates.input),
                per_million(it.rates.cache_read),
                per_million(it.rates.output),
                it.source.clone(),
                it.checked_on.clone(),
            ]
        }),
    )?;
    output::note("US dollars per million tokens.");
    Ok(())
}
