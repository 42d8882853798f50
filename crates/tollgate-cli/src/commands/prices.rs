//! `tollgate prices`: what is in force, prices of one's own, public lists, and old calls.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use tollgate_app::{
    api::prices::{RepriceCalls, RepriceView, refresh_view},
    clock::SystemClock,
    config::Config,
    prices::{
        self, Keep, Outcome,
        set::{self, OwnPrice},
    },
};
use tollgate_core::{
    Clock as _, PicoUsd, UnixMs,
    price::{PriceBook, PriceRow, Rates, Tier, list::PriceList},
    provider::Catalogue,
};

use crate::{
    args::{Json, PricesCommand, SetPriceArgs},
    output,
};

/// Tokens in the unit that people quote prices for.
const TOKENS_QUOTED: u64 = 1_000_000;

/// Prices that were not believed and are told on a terminal; the rest is counted.
const QUARANTINED_SHOWN: usize = 20;

/// Kinds with a column of their own; the others that are priced share one.
const COLUMNS: [&str; 5] = ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output"];

/// Does what was asked.
pub(super) fn prices(command: PricesCommand) -> Result<()> {
    match command {
        PricesCommand::List { text, provider, json } => {
            list(text.as_deref(), provider.as_deref(), json)
        }
        PricesCommand::Show { model, json } => show(&model, json),
        PricesCommand::Set(args) => set_price(*args),
        PricesCommand::Refresh { list, from, dry_run, json } => {
            let keep = if dry_run { Keep::Show } else { Keep::Store };
            refresh(list, from.as_deref(), keep, json)
        }
        PricesCommand::Reprice { since, model, apply, json } => {
            let since_ms = since.as_deref().map(super::since).transpose()?;
            super::runtime()?.block_on(reprice(RepriceCalls { since_ms, model, apply }, json))
        }
    }
}

/// The book as a gateway of this user has it.
fn book() -> Result<PriceBook> {
    let paths = super::paths()?;
    let config = Config::load(&paths.config, &Catalogue::embedded()?)?;
    let refreshed = prices::load(&paths.data)?;
    let listed = PriceBook::embedded()?.with_refreshed(refreshed.models);
    Ok(listed.with_overrides(config.prices))
}

fn list(text: Option<&str>, provider: Option<&str>, json: Json) -> Result<()> {
    let book = book()?;
    let wanted = text.map(str::to_lowercase).unwrap_or_default();
    let rows = book.rows().filter(|it| {
        provider.is_none_or(|provider| provider == it.provider)
            && it.model.to_lowercase().contains(&wanted)
    });
    let rows: Vec<&PriceRow> = rows.collect();
    if json.json {
        return output::json_pretty(&rows);
    }
    if rows.is_empty() {
        bail!("no price here is of such a provider and model");
    }
    let header = ["provider", "model", "input", "output", "days", "source", "checked on"];
    let cells = |row: &PriceRow| {
        vec![
            row.provider.clone(),
            row.model.clone(),
            quoted("input", row.rates.input),
            quoted("output", row.rates.output),
            days(row),
            row.source.clone(),
            row.checked_on.clone(),
        ]
    };
    output::table(&header, rows.into_iter().map(cells))?;
    output::note("US dollars per million tokens. `tollgate prices show MODEL` tells the rest.");
    Ok(())
}

/// Prints the price rows of the models whose name contains `model`, or that the name leads to.
fn show(model: &str, json: Json) -> Result<()> {
    let book = book()?;
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
        "other",
        "days",
        "source",
        "checked on",
    ];
    output::table(&header, found.into_iter().flat_map(lines))?;
    output::note("US dollars per million tokens; fees are for one.");
    Ok(())
}

/// A line for the row's own rates and one for each tier.
fn lines(row: &PriceRow) -> Vec<Vec<String>> {
    let line = |tier: String, rates: &Rates| {
        let kinds = rates.by_kind();
        let column = |kind: &str| {
            let rate = kinds.iter().find(|it| it.0 == kind).and_then(|it| it.1);
            quoted(kind, rate)
        };
        let other = kinds.iter().filter(|(kind, rate)| !COLUMNS.contains(kind) && rate.is_some());
        let other = other.map(|(kind, rate)| format!("{kind} {}", quoted(kind, *rate)));
        let mut cells = vec![row.provider.clone(), row.model.clone(), tier];
        cells.extend(COLUMNS.map(column));
        cells.extend([other.collect::<Vec<_>>().join(", "), days(row)]);
        cells.extend([row.source.clone(), row.checked_on.clone()]);
        cells
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

/// A price in the unit that people quote it in.
fn quoted(kind: &str, rate: Option<PicoUsd>) -> String {
    let by_piece = matches!(kind, "request" | "web_search" | "file_search");
    let count = if by_piece { 1 } else { TOKENS_QUOTED };
    let amount = rate.and_then(|it| it.checked_mul(count));
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

fn set_price(args: SetPriceArgs) -> Result<()> {
    let rates = [
        ("input", args.input),
        ("output", args.output),
        ("cache_read", args.cache_read),
        ("cache_write_5m", args.cache_write_5m),
        ("cache_write_1h", args.cache_write_1h),
        ("reasoning", args.reasoning),
        ("input_audio", args.input_audio),
        ("output_audio", args.output_audio),
        ("input_image", args.input_image),
        ("output_image", args.output_image),
        ("request", args.request),
        ("web_search", args.web_search),
        ("file_search", args.file_search),
    ];
    let rates = rates.into_iter().filter_map(|(kind, rate)| Some((kind.to_owned(), rate?)));
    let price = OwnPrice {
        provider: args.provider,
        model: args.model,
        from: args.from,
        until: args.until,
        hours: args.hours,
        rates: rates.collect::<BTreeMap<_, _>>(),
    };
    let config = super::paths()?.config;
    set::set(&config, &Catalogue::embedded()?, &price)?;
    output::note(&format!(
        "Written to `{}`; a running gateway follows it. Calls of before keep their cost: see `tollgate prices reprice`.",
        config.display()
    ));
    Ok(())
}

fn refresh(
    list: Option<PriceList>,
    from: Option<&std::path::Path>,
    keep: Keep,
    json: Json,
) -> Result<()> {
    let paths = super::paths()?;
    let catalogue = Catalogue::embedded()?;
    let config = Config::load(&paths.config, &catalogue)?;
    let found = match from {
        Some(file) => prices::in_file(file)?,
        None => super::runtime()?.block_on(prices::fetched(
            &config.price_refresh,
            list,
            &super::environment(),
        ))?,
    };
    let outcome = prices::refresh(&paths.data, found, &catalogue, keep, SystemClock.now())?;
    if json.json {
        return output::json_pretty(&refresh_view(&outcome, keep));
    }
    tell(&outcome, keep)
}

fn tell(outcome: &Outcome, keep: Keep) -> Result<()> {
    let Outcome { list, from, changes, quarantined } = outcome;
    output::line(&format!(
        "{list} ({from}): {} prices added, {} changed, {} as they were, {} not believed.",
        changes.added.len(),
        changes.changed.len(),
        changes.unchanged,
        quarantined.len()
    ))?;
    if !changes.changed.is_empty() {
        let header = ["provider", "model", "input before", "after", "output before", "after"];
        let rows = changes.changed.iter().map(|(after, before)| {
            vec![
                after.provider.clone(),
                after.model.clone(),
                quoted("input", before.rates.input),
                quoted("input", after.rates.input),
                quoted("output", before.rates.output),
                quoted("output", after.rates.output),
            ]
        });
        output::table(&header, rows)?;
    }
    for it in quarantined.iter().take(QUARANTINED_SHOWN) {
        output::note(&format!("not believed: {}: {}", it.name, it.why));
    }
    if let Some(more) = quarantined.len().checked_sub(QUARANTINED_SHOWN).filter(|it| *it > 0) {
        output::note(&format!("{more} more are not believed: --json tells all."));
    }
    match keep {
        Keep::Show => output::note("Nothing was kept (--dry-run)."),
        Keep::Store => output::note(
            "A running gateway follows it. Calls of before keep their cost: see `tollgate prices reprice`.",
        ),
    }
    Ok(())
}

async fn reprice(asked: RepriceCalls, json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let answer: RepriceView =
        client.post("/prices/reprice", &asked).await.context("price the calls again")?;
    if json.json {
        return output::json_pretty(&answer);
    }
    let header = ["provider", "model", "calls", "changed", "newly priced", "before", "after"];
    let changed: Vec<_> = answer.models.iter().filter(|it| it.changed > 0).collect();
    let calls: u64 = answer.models.iter().map(|it| it.calls).sum();
    let other = answer.models.len() - changed.len();
    if changed.is_empty() {
        output::line(&format!("Nothing changes: {calls} calls have the cost of their day."))?;
        return Ok(());
    }
    let rows = changed.iter().map(|it| {
        vec![
            it.provider.clone(),
            it.model.clone(),
            it.calls.to_string(),
            it.changed.to_string(),
            it.newly_priced.to_string(),
            output::sum(&it.cost_before_pico_usd, &it.estimated_before_pico_usd, it.unknown_before),
            output::sum(&it.cost_after_pico_usd, &it.estimated_after_pico_usd, it.unknown_after),
        ]
    });
    output::table(&header, rows)?;
    if other > 0 {
        output::note(&format!("Nothing changes for the calls of {other} other models."));
    }
    if !answer.applied {
        output::note("The ledger is as it was: --apply changes it.");
    }
    Ok(())
}
