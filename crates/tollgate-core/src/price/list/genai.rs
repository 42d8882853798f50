//! Pydantic's genai-prices (`new_data/v2/data.json`): providers with models, dollars for a million
//! tokens or a thousand pieces, with context tiers, days and hours.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ByKind, ListNames, Offer, OfferedRow, Per, Quarantined, Reading, price_of, pruned, rates_of,
    tiers_of,
};
use crate::{
    PicoUsd, UnixMs,
    price::{DailyWindow, book::midnight},
};

/// Fees by the piece that no answer counts.
const PASSED_OVER: [&str; 2] = ["social_searches_kcount", "code_executions_kcount"];

/// Kinds that usage does not tell apart: harmless only at the price of the kind they are part of.
const SAME_AS: [(&str, &str); 5] = [
    ("input_text_mtok", "input_mtok"),
    ("input_video_mtok", "input_mtok"),
    ("output_text_mtok", "output_mtok"),
    ("output_video_mtok", "output_mtok"),
    ("cache_text_read_mtok", "cache_read_mtok"),
];

#[derive(Deserialize)]
struct Provider<'a> {
    id: String,
    #[serde(borrow)]
    models: Vec<Model<'a>>,
}

#[derive(Deserialize)]
struct Model<'a> {
    id: String,
    #[serde(borrow)]
    prices: &'a RawValue,
    r#match: Rule,
}

/// As far as it lists names.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Rule {
    equals: Option<String>,
    or: Vec<Self>,
}

impl Rule {
    fn names(&self) -> Vec<String> {
        self.equals.iter().cloned().chain(self.or.iter().flat_map(Self::names)).collect()
    }
}

type Prices<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Deserialize)]
struct Conditional<'a> {
    #[serde(default)]
    constraint: Option<Constraint>,
    #[serde(borrow)]
    prices: Prices<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Constraint {
    start_date: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
}

#[derive(Deserialize)]
struct Tiered<'a> {
    #[serde(borrow)]
    base: &'a RawValue,
    #[serde(borrow)]
    tiers: Vec<Start<'a>>,
}

#[derive(Deserialize)]
struct Start<'a> {
    start: u64,
    #[serde(borrow)]
    price: &'a RawValue,
}

pub(super) fn read(
    text: &str,
    names: &ListNames<String>,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<Reading, serde_json::Error> {
    let providers: Vec<Provider<'_>> = serde_json::from_str(text)?;
    let mut reading = Reading::default();
    for theirs in providers {
        let Some(provider) = names.providers.get(&theirs.id).filter(|it| is_known(it)) else {
            continue;
        };
        for model in theirs.models {
            match rows_of(model.prices, names) {
                Ok(rows) => {
                    let mut aliases = model.r#match.names();
                    aliases.retain(|it| *it != model.id);
                    let (provider, model) = (provider.clone(), model.id);
                    reading.offers.push(Offer { provider, model, aliases, rows });
                }
                Err(why) => {
                    let name = format!("{provider}/{}", model.id);
                    reading.quarantined.push(Quarantined { name, why });
                }
            }
        }
    }
    Ok(reading)
}

/// One price, or several with conditions of which the last one that holds wins.
fn rows_of(prices: &RawValue, names: &ListNames<String>) -> Result<Vec<OfferedRow>, String> {
    if let Ok(prices) = serde_json::from_str::<Prices<'_>>(prices.get()) {
        return Ok(vec![offered(&prices, names)?]);
    }
    let listed: Vec<Conditional<'_>> = serde_json::from_str(prices.get())
        .map_err(|_| "its prices have a shape or a condition that is not known".to_owned())?;
    let mut rows = Vec::new();
    for it in &listed {
        rows.push(conditional(it, names)?);
    }
    let starts: Vec<UnixMs> = rows.iter().filter_map(|it| it.from).collect();
    let first_is_free = rows.first().is_some_and(|it| it.from.is_none() && it.daily.is_none());
    if !starts.is_sorted() || !first_is_free {
        return Err("its conditions stand in an order that is not known".to_owned());
    }
    for row in rows.iter_mut().filter(|it| it.daily.is_none()) {
        row.until = starts.iter().copied().find(|it| row.from.is_none_or(|from| *it > from));
    }
    Ok(rows)
}

fn conditional(it: &Conditional<'_>, names: &ListNames<String>) -> Result<OfferedRow, String> {
    let row = offered(&it.prices, names)?;
    let Some(constraint) = &it.constraint else { return Ok(row) };
    let from = constraint.start_date.as_deref().map(midnight).transpose()?;
    let daily = match (&constraint.start_time, &constraint.end_time) {
        (Some(from), Some(until)) => {
            Some(DailyWindow { from_minute: minute(from)?, until_minute: minute(until)? })
        }
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err("hours without an end".to_owned()),
    };
    Ok(OfferedRow { from, daily, ..row })
}

/// A time of day in UTC, such as `16:30:00Z`.
fn minute(time: &str) -> Result<u16, String> {
    let unknown = || format!("`{time}` is not a time of day in UTC");
    let utc = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).ok_or_else(unknown)?;
    let time: jiff::civil::Time = utc.parse().map_err(|_| unknown())?;
    u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).map_err(|_| unknown())
}

fn offered(prices: &Prices<'_>, names: &ListNames<String>) -> Result<OfferedRow, String> {
    let mut base = ByKind::new();
    let mut by_start: BTreeMap<u64, ByKind> = BTreeMap::new();
    for (key, value) in prices.iter().filter(|(key, _)| !PASSED_OVER.contains(&key.as_str())) {
        if let Some((_, whole)) = SAME_AS.iter().find(|(part, _)| part == key) {
            if prices.get(*whole).map(|it| it.get()) == Some(value.get()) {
                continue;
            }
            return Err(format!(
                "`{key}` differs from `{whole}`, and usage does not tell it apart"
            ));
        }
        let kind = names
            .rates
            .get(key)
            .ok_or_else(|| format!("`{key}` is misspelt, or of a unit that usage does not tell"))?;
        let per = if key.ends_with("_kcount") { Per::Thousand } else { Per::Million };
        let price =
            |value: &RawValue| -> Result<PicoUsd, String> { price_of(key, kind, value, per) };
        match serde_json::from_str::<Tiered<'_>>(value.get()) {
            Ok(tiered) => {
                base.insert(kind.clone(), price(tiered.base)?);
                for tier in tiered.tiers {
                    let kinds = by_start.entry(tier.start).or_default();
                    kinds.insert(kind.clone(), price(tier.price)?);
                }
            }
            Err(_) => drop(base.insert(kind.clone(), price(value)?)),
        }
    }
    if !base.contains_key("input") && !base.contains_key("request") {
        return Err("neither the input nor the request is priced".to_owned());
    }
    let base = pruned(base);
    Ok(OfferedRow {
        rates: rates_of(&base)?,
        tiers: tiers_of(&base, &by_start)?,
        ..OfferedRow::default()
    })
}
