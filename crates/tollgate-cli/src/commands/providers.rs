//! `tollgate providers` and `tollgate prices`: the catalogue, its credentials and its prices.

use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::{Context as _, Result, bail};
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tollgate_app::{client::ClientError, clock::SystemClock, config::Config, credentials};
use tollgate_core::{
    Clock as _, PicoUsd, Secret, UnixMs,
    price::{PriceBook, PriceRow, Rates, Tier},
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
            let key = Secret::new(read_key(&name)?.trim().to_owned());
            if key.expose().is_empty() {
                bail!("no key was given");
            }
            credentials::store(&name, &key)?;
            output::note(&format!(
                "Stored in the keyring. The configuration refers to it by `api_key = {{ keyring = \"{name}\" }}`."
            ));
            tell_gateway()
        }
        ProvidersCommand::Logout { name } => {
            credentials::remove(&name)?;
            tell_gateway()
        }
    }
}

/// Reads a line from standard input; what is typed on a terminal is not shown.
fn read_key(name: &str) -> Result<String> {
    let stdin = io::stdin();
    let mut key = String::new();
    let hidden = if stdin.is_terminal() { Some(Hidden::begin(&stdin)?) } else { None };
    if hidden.is_some() {
        output::note(&format!("Paste the key of `{name}` (it is not shown), then press Enter:"));
    }
    stdin.lock().read_line(&mut key)?;
    Ok(key)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<'a> {
    terminal: &'a io::Stdin,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: &'a io::Stdin) -> Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // The line's end is shown, so that what follows begins on a line of its own.
        silent.local_modes.insert(LocalModes::ECHONL);
        termios::tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Lets a running gateway read its keys again.
fn tell_gateway() -> Result<()> {
    let (client, _) = super::client()?;
    let told = super::runtime()?.block_on(client.post::<()>("/configuration/reload", &()));
    match told {
        Ok(()) | Err(ClientError::NotRunning(_)) => Ok(()),
        Err(err) => Err(err).context("let the running gateway read its keys again"),
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
            Some(source) => source.to_string(),
            None => "the client's own".to_owned(),
        };
        let formats: Vec<_> = it.endpoints.iter().map(|it| it.format.as_str()).collect();
        let base_url = it.endpoints.first().map_or("", |it| it.base_url.as_str());
        vec![it.id.clone(), base_url.to_owned(), formats.join(" "), credential]
    });
    output::table(&["id", "base URL", "formats", "credential"], rows)
}

/// Prints the price rows of the models whose name contains `model`, or that the name leads to.
pub(super) fn prices(model: &str, json: Json) -> Result<()> {
    let catalogue = Catalogue::embedded()?;
    let config = Config::load(&super::paths()?.config, &catalogue)?;
    let book = PriceBook::embedded()?.with_overrides(config.prices);
    let wanted = model.to_lowercase();
    let now = SystemClock.now();
    // A row for every model of a provider would be found under any name.
    let leads_to = |row: &PriceRow| {
        if row.model == "*" {
            return false;
        }
        let found = book.find(&row.provider, model, now);
        found.is_some_and(|it| it.model == row.model && it.provider == row.provider)
    };
    let found = book.rows().filter(|it| it.model.to_lowercase().contains(&wanted) || leads_to(it));
    let found: Vec<&PriceRow> = found.collect();
    if json.json {
        return output::json_pretty(&found);
    }
    if found.is_empty() {
        bail!("no model whose name contains `{model}` has a price here");
    }
    let header = [
        "provider",
        "model",
        "tier",
        "input",
        "cache read",
        "cache write 5m",
        "cache write 1h",
        "output",
        "days",
        "source",
        "checked on",
    ];
    output::table(&header, found.into_iter().flat_map(lines))?;
    output::note("US dollars per million tokens.");
    Ok(())
}

/// A line for the row's own rates and one for each tier.
fn lines(row: &PriceRow) -> Vec<Vec<String>> {
    let line = |tier: String, rates: &Rates| {
        vec![
            row.provider.clone(),
            row.model.clone(),
            tier,
            per_million(rates.input),
            per_million(rates.cache_read),
            per_million(rates.cache_write_5m),
            per_million(rates.cache_write_1h),
            per_million(rates.output),
            days(row),
            row.source.clone(),
            row.checked_on.clone(),
        ]
    };
    let above = |service: &str, it: &Tier| {
        let tier = format!("{service} above {} tokens", it.above_prompt_tokens);
        line(tier.trim_start().to_owned(), &it.rates)
    };
    let mut lines = vec![line("standard".to_owned(), &row.rates)];
    lines.extend(row.tiers.iter().map(|it| above("", it)));
    for (service, prices) in &row.services {
        lines.push(line(service.as_str().to_owned(), &prices.rates));
        lines.extend(prices.tiers.iter().map(|it| above(service.as_str(), it)));
    }
    lines
}

fn per_million(rate: Option<PicoUsd>) -> String {
    let amount = rate.and_then(|it| it.checked_mul(TOKENS_QUOTED));
    amount.map_or_else(|| output::UNKNOWN.to_owned(), |it| it.to_string())
}

/// When the price holds, as far as it does not always.
fn days(row: &PriceRow) -> String {
    let day = |at: Option<UnixMs>| at.map(|it| output::utc_day(it.0)).unwrap_or_default();
    let hour = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let hours =
        row.daily.map(|it| format!(" {}-{} UTC", hour(it.from_minute), hour(it.until_minute)));
    let days = match (row.valid_from, row.valid_until) {
        (None, None) => "always".to_owned(),
        (from, until) => format!("{}..{}", day(from), day(until)),
    };
    format!("{days}{}", hours.unwrap_or_default())
}
