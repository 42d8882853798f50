//! models.dev's `api.json`: providers with models with a `cost`, dollars for a million tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ByKind, ListNames, Offer, OfferedRow, Per, Quarantined, Reading, price_of, pruned, rates_of,
    tiers_of,
};

#[derive(Deserialize)]
struct Provider<'a> {
    #[serde(borrow)]
    models: BTreeMap<String, Model<'a>>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow, default)]
    cost: Option<BTreeMap<String, &'a RawValue>>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow)]
    r#type: &'a str,
    size: u64,
}

pub(super) fn read(
    text: &str,
    names: &ListNames<String>,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<Reading, serde_json::Error> {
    let providers: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
    let mut reading = Reading::default();
    for (theirs, raw) in providers {
        let provider = names.providers.get(&theirs).unwrap_or(&theirs);
        if !is_known(provider) {
            continue;
        }
        let models = serde_json::from_str::<Provider<'_>>(raw.get())?.models;
        for (model, cost) in models.into_iter().filter_map(|(id, it)| Some((id, it.cost?))) {
            match offered(&cost, names) {
                Ok(row) => reading.offers.push(Offer {
                    provider: provider.clone(),
                    model,
                    aliases: Vec::new(),
                    rows: vec![row],
                }),
                Err(why) => {
                    let name = format!("{provider}/{model}");
                    reading.quarantined.push(Quarantined { name, why });
                }
            }
        }
    }
    Ok(reading)
}

fn offered(
    cost: &BTreeMap<String, &RawValue>,
    names: &ListNames<String>,
) -> Result<OfferedRow, String> {
    let mut base = ByKind::new();
    let mut by_start: BTreeMap<u64, ByKind> = BTreeMap::new();
    for (key, value) in cost {
        match key.as_str() {
            // What `tiers` says in full.
            "context_over_200k" => {}
            "tiers" => {
                let listed: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(value.get())
                    .map_err(|_| "`tiers` is not a list of prices".to_owned())?;
                for tier in listed {
                    let (start, kinds) = tier_of(&tier, names)?;
                    by_start.insert(start, kinds);
                }
            }
            key => {
                let (kind, rate) = rate_of(key, value, names)?;
                base.insert(kind, rate);
            }
        }
    }
    if by_start.is_empty() && cost.contains_key("context_over_200k") {
        return Err("`context_over_200k` without `tiers`".to_owned());
    }
    for kind in ["input", "output"] {
        if !base.contains_key(kind) {
            return Err(format!("`{kind}` is not priced"));
        }
    }
    if base.values().all(|it| it.0 == 0) {
        return Err("all is zero, which the list also writes for subscriptions".to_owned());
    }
    let base = pruned(base);
    Ok(OfferedRow {
        rates: rates_of(&base)?,
        tiers: tiers_of(&base, &by_start)?,
        ..OfferedRow::default()
    })
}

fn rate_of(
    key: &str,
    value: &RawValue,
    names: &ListNames<String>,
) -> Result<(String, crate::PicoUsd), String> {
    let kind = names.rates.get(key).ok_or_else(|| {
        let known: Vec<&str> = names.rates.keys().map(String::as_str).collect();
        format!("`{key}` is misspelt: the list knows {}", known.join(", "))
    })?;
    Ok((kind.clone(), price_of(key, kind, value, Per::Million)?))
}

fn tier_of(
    tier: &BTreeMap<String, &RawValue>,
    names: &ListNames<String>,
) -> Result<(u64, ByKind), String> {
    let start = tier.get("tier").and_then(|it| serde_json::from_str::<Start<'_>>(it.get()).ok());
    let Some(start) = start.filter(|it| it.r#type == "context") else {
        return Err("a tier does not say where it begins".to_owned());
    };
    let rates = tier.iter().filter(|(key, _)| *key != "tier");
    let kinds = rates.map(|(key, value)| rate_of(key, value, names));
    Ok((start.size, kinds.collect::<Result<_, _>>()?))
}
