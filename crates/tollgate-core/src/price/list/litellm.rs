//! `LiteLLM`'s `model_prices_and_context_window.json`: one flat object, dollars for one token, with
//! context and service tiers in the names of rates.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ByKind, ListNames, Offer, OfferedRow, Per, Prefixed, Quarantined, Reading, price_of, pruned,
    rates_of, tiers_of,
};
use crate::{ServiceTier, price::ServicePrices, price::Tier};

/// What such models make is billed by what usage tells.
const MODES: [&str; 4] = ["chat", "responses", "completion", "embedding"];

/// Rates of what is told apart neither by usage nor by the price book: other speeds of a model, and
/// fees by the piece that no answer counts.
const PASSED_OVER_ENDS: [&str; 3] = ["_ultrafast", "_decisions", "_balanced"];
const PASSED_OVER_BEGINNINGS: [&str; 4] =
    ["file_search", "code_interpreter", "computer_use", "vector_store"];

type Entry<'a> = BTreeMap<String, &'a RawValue>;

/// Rates of one service tier: the base's, and those of its context tiers.
type Plan = (ByKind, BTreeMap<u64, ByKind>);

pub(super) fn read(
    text: &str,
    names: &ListNames<Prefixed>,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<Reading, serde_json::Error> {
    let entries: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
    let mut reading = Reading::default();
    for (key, raw) in entries {
        let Ok(entry) = serde_json::from_str::<Entry<'_>>(raw.get()) else { continue };
        let text = |member: &str| entry.get(member).and_then(|it| Text::of(it));
        let named = text("litellm_provider").and_then(|it| names.providers.get(it));
        let mode = text("mode").unwrap_or_default();
        let Some(provider) = named.filter(|it| is_known(&it.id) && MODES.contains(&mode)) else {
            continue;
        };
        let Some(model) = model_of(&key, provider) else { continue };
        match offered(&entry, mode, names) {
            Ok(row) => reading.offers.push(Offer {
                provider: provider.id.clone(),
                model: model.to_owned(),
                aliases: Vec::new(),
                rows: vec![row],
            }),
            Err(why) => reading
                .quarantined
                .push(Quarantined { name: format!("{}/{model}", provider.id), why }),
        }
    }
    Ok(reading)
}

/// A string without escapes.
#[derive(Deserialize)]
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn of(raw: &'a RawValue) -> Option<&'a str> {
        serde_json::from_str::<Text<'a>>(raw.get()).ok().map(|it| it.0)
    }
}

/// The provider's own name of a model; `None` for entries that stand for no model of its.
fn model_of<'a>(key: &'a str, provider: &Prefixed) -> Option<&'a str> {
    if key.starts_with("ft:") {
        return None;
    }
    let model = match provider.prefix.as_str() {
        "" => key,
        prefix => key.strip_prefix(prefix)?,
    };
    let by_region = matches!(provider.id.as_str(), "azure" | "amazon-bedrock");
    (!(by_region && model.contains('/'))).then_some(model)
}

fn is_passed_over(key: &str) -> bool {
    !(key.contains("cost") || key == "tiered_pricing")
        || key == "search_context_cost_per_query"
        || key == "google_maps_grounding_cost_per_query"
        || key.contains("dbu_cost")
        || PASSED_OVER_ENDS.iter().any(|it| key.ends_with(it))
        || PASSED_OVER_BEGINNINGS.iter().any(|it| key.starts_with(it))
}

fn offered(
    entry: &Entry<'_>,
    mode: &str,
    names: &ListNames<Prefixed>,
) -> Result<OfferedRow, String> {
    let mut base = Plan::default();
    let mut by_service: BTreeMap<ServiceTier, Plan> = BTreeMap::new();
    for (key, value) in entry.iter().filter(|(key, _)| !is_passed_over(key)) {
        if key == "tiered_pricing" {
            return Err("`tiered_pricing` prices parts of one call differently".to_owned());
        }
        let suffix = names.services.iter().find(|(ending, _)| key.ends_with(ending.as_str()));
        let rate = suffix.map_or(key.as_str(), |(ending, _)| key.trim_end_matches(ending.as_str()));
        let above = above(rate);
        let Some(kind) = names.rates.get(above.map_or(rate, |it| it.0)) else {
            let harmless = suffix.is_some()
                || rate == "input_cost_per_token_cache_hit"
                || value.get().parse::<f64>() == Ok(0.0);
            if harmless {
                continue;
            }
            return Err(format!("`{key}` is misspelt, or of a unit that usage does not tell"));
        };
        let plan = match suffix {
            Some((_, service)) => by_service.entry(*service).or_default(),
            None => &mut base,
        };
        let kinds = match above {
            Some((_, start)) => plan.1.entry(start).or_default(),
            None => &mut plan.0,
        };
        kinds.insert(kind.clone(), price_of(key, kind, value, Per::One)?);
    }
    if let Some(search) = entry.get("search_context_cost_per_query").and_then(|it| one_price(it)) {
        let rate = price_of("search_context_cost_per_query", "web_search", search, Per::One)?;
        base.0.insert("web_search".to_owned(), rate);
    }
    if mode == "embedding" {
        base.0.remove("output");
        for (kinds, _) in by_service.values_mut() {
            kinds.remove("output");
        }
    } else if !base.0.contains_key("output") {
        return Err("the output is not priced".to_owned());
    }
    if base.0.get("input").is_none_or(|it| it.0 == 0) {
        let why = "the input is not priced, or zero, which the list also writes for `not known`";
        return Err(why.to_owned());
    }
    let kinds = pruned(base.0);
    Ok(OfferedRow {
        rates: rates_of(&kinds)?,
        tiers: tiers_of(&kinds, &base.1)?,
        services: services_of(&kinds, &base.1, by_service)?,
        ..OfferedRow::default()
    })
}

/// A rate's name without its context tier, and where that begins.
fn above(rate: &str) -> Option<(&str, u64)> {
    let (name, thousands) = rate.strip_suffix("k_tokens")?.rsplit_once("_above_")?;
    Some((name, thousands.parse::<u64>().ok()?.checked_mul(1_000)?))
}

/// The price of a search, where it does not depend on how much is searched.
fn one_price(raw: &RawValue) -> Option<&RawValue> {
    let sizes: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).ok()?;
    let mut prices = sizes.into_values();
    let first = prices.next()?;
    prices.all(|it| it.get() == first.get()).then_some(first)
}

/// Prices by service tier; a context tier lists all of its rates, or none where none is known.
fn services_of(
    base: &ByKind,
    by_start: &BTreeMap<u64, ByKind>,
    by_service: BTreeMap<ServiceTier, Plan>,
) -> Result<BTreeMap<ServiceTier, ServicePrices>, String> {
    let needed: Vec<&str> =
        ["input", "output"].into_iter().filter(|it| base.contains_key(*it)).collect();
    let has_needed = |kinds: &ByKind| needed.iter().all(|it| kinds.contains_key(*it));
    let mut services = BTreeMap::new();
    for (service, (kinds, mut starts)) in by_service {
        if !has_needed(&kinds) || !is_plausible(service, &kinds, base) {
            continue;
        }
        let mut tiers = Vec::new();
        for start in by_start.keys() {
            let kinds = starts.remove(start).filter(has_needed).map(pruned).unwrap_or_default();
            tiers.push(Tier { above_prompt_tokens: *start, rates: rates_of(&kinds)? });
        }
        services.insert(service, ServicePrices { rates: rates_of(&pruned(kinds))?, tiers });
    }
    Ok(services)
}

/// Whether a service tier's rates of text lie on the side of the standard ones where they belong.
fn is_plausible(service: ServiceTier, kinds: &ByKind, standard: &ByKind) -> bool {
    ["input", "output"].into_iter().all(|kind| match (kinds.get(kind), standard.get(kind)) {
        (Some(rate), Some(standard)) if service == ServiceTier::Priority => rate >= standard,
        (Some(rate), Some(standard)) => rate <= standard,
        (None, _) | (_, None) => true,
    })
}
