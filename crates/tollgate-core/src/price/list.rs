//! Public price lists, read into offers; what cannot be believed is set aside with its reason.
//!
//! A list is other people's text: an offer that is misspelt, negative, in the wrong unit or not exact
//! is never repaired. How the lists name providers and rates stands in `data/price-lists.toml`.

mod genai;
mod litellm;
mod models_dev;

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{DailyWindow, Rates, ServicePrices, Tier};
use crate::{PicoUsd, ServiceTier, UnixMs};

/// Above this a price of one token is most likely the price of a million: $5,000 for a million, eight
/// times the dearest that is known.
const TOKEN_PICO_MAX: i64 = 5_000_000_000;

/// Below this, and not zero, a price of one token is most likely a millionth of the true one: $0.0005
/// for a million, half the cheapest that is known.
const TOKEN_PICO_MIN: i64 = 500;

/// The dearest piece (a request, a search) that is believed: a hundred dollars.
const PIECE_PICO_MAX: i64 = 100_000_000_000_000;

const NAMES: &str = include_str!("../data/price-lists.toml");

/// A public price list that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriceList {
    /// Pydantic's genai-prices: dated prices, context tiers and peak hours.
    GenaiPrices,
    /// `LiteLLM`'s: the most models, and prices by service tier.
    Litellm,
    /// models.dev: providers that the others lack.
    ModelsDev,
}

/// There is no list of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no price list `{0}`: use `genai-prices`, `litellm` or `models-dev`")]
pub struct UnknownList(String);

/// Why a text is not a price list at all.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is not JSON of the list's shape.
    #[error("parse the price list `{0}`")]
    Parse(PriceList, #[source] serde_json::Error),
    /// It is JSON of no list's shape.
    #[error(
        "the text is none of the price lists that can be read: {}",
        PriceList::ALL.map(|it| it.to_string()).join(", ")
    )]
    Unrecognised,
    /// No provider of the catalogue is in it: a wrong file, or a list that changed its shape.
    #[error("no model of a known provider is in the price list `{0}`")]
    Empty(PriceList),
    /// The names of the lists, which the program carries, are broken.
    #[error("parse the names of the price lists")]
    Names(#[from] toml::de::Error),
}

/// What a list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Prices that are exact and plausible in themselves.
    pub offers: Vec<Offer>,
    /// The others.
    pub quarantined: Vec<Quarantined>,
}

/// A model's prices, by one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The provider's id in the catalogue.
    pub provider: String,
    /// The model's id.
    pub model: String,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// Its prices; the last one that holds wins.
    pub rows: Vec<OfferedRow>,
}

/// Prices, and when they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedRow {
    /// From when on, where the list says.
    pub from: Option<UnixMs>,
    /// Until when, where the list says.
    pub until: Option<UnixMs>,
    /// In which hours, where the list says.
    pub daily: Option<DailyWindow>,
    /// The prices.
    pub rates: Rates,
    /// Dearer tiers, lowest threshold first, each with all of its rates.
    pub tiers: Vec<Tier>,
    /// Prices by service tier.
    pub services: BTreeMap<ServiceTier, ServicePrices>,
}

/// A price that is not taken over, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The model, as `provider/model`.
    pub name: String,
    /// What is wrong with its price.
    pub why: String,
}

impl PriceList {
    /// Every list, the one that is read unless asked otherwise first.
    pub const ALL: [Self; 3] = [Self::GenaiPrices, Self::Litellm, Self::ModelsDev];

    /// Its name in the configuration, on the command line and in the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GenaiPrices => "genai-prices",
            Self::Litellm => "litellm",
            Self::ModelsDev => "models-dev",
        }
    }

    /// Where it is published.
    ///
    /// # Errors
    /// Never in a build whose tests pass; the text is checked all the same.
    pub fn url(self) -> Result<String, ListError> {
        let names = Names::load()?;
        Ok(match self {
            Self::GenaiPrices => names.genai_prices.url,
            Self::Litellm => names.litellm.url,
            Self::ModelsDev => names.models_dev.url,
        })
    }

    /// The list that a text is.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(text: &str) -> Result<Self, ListError> {
        type Members<'a> = BTreeMap<String, &'a RawValue>;
        if serde_json::from_str::<Vec<&RawValue>>(text).is_ok() {
            return Ok(Self::GenaiPrices);
        }
        let entries: Members<'_> =
            serde_json::from_str(text).map_err(|_| ListError::Unrecognised)?;
        let has = |member: &str| {
            entries.values().any(|it| {
                serde_json::from_str::<Members<'_>>(it.get())
                    .is_ok_and(|it| it.contains_key(member))
            })
        };
        if has("litellm_provider") {
            Ok(Self::Litellm)
        } else if has("models") {
            Ok(Self::ModelsDev)
        } else {
            Err(ListError::Unrecognised)
        }
    }

    /// Reads the text of this list. Providers that `is_known` does not know are passed over, as are
    /// models that make no text, vectors or pictures.
    ///
    /// # Errors
    /// When the text is not of the list's shape, or says nothing of any known provider.
    pub fn read(self, text: &str, is_known: &dyn Fn(&str) -> bool) -> Result<Reading, ListError> {
        let names = Names::load()?;
        let read = match self {
            Self::GenaiPrices => genai::read(text, &names.genai_prices, is_known),
            Self::Litellm => litellm::read(text, &names.litellm, is_known),
            Self::ModelsDev => models_dev::read(text, &names.models_dev, is_known),
        };
        let mut reading = read.map_err(|err| ListError::Parse(self, err))?;
        for it in reading.offers.extract_if(.., |it| searches_always(&it.model)) {
            let name = format!("{}/{}", it.provider, it.model);
            let why =
                "each of its calls has a fee for searching that usage does not tell".to_owned();
            reading.quarantined.push(Quarantined { name, why });
        }
        if reading.offers.is_empty() && reading.quarantined.is_empty() {
            return Err(ListError::Empty(self));
        }
        Ok(reading)
    }
}

impl fmt::Display for PriceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PriceList {
    type Err = UnknownList;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == name);
        found.ok_or_else(|| UnknownList(name.to_owned()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Names {
    genai_prices: ListNames<String>,
    litellm: ListNames<Prefixed>,
    models_dev: ListNames<String>,
}

#[derive(Deserialize)]
struct ListNames<P> {
    url: String,
    providers: BTreeMap<String, P>,
    rates: BTreeMap<String, String>,
    #[serde(default)]
    services: BTreeMap<String, ServiceTier>,
}

/// A provider whose models' names begin with something that is no part of them.
#[derive(Deserialize)]
struct Prefixed {
    id: String,
    prefix: String,
}

impl Names {
    fn load() -> Result<Self, ListError> {
        Ok(toml::from_str(NAMES)?)
    }
}

/// Perplexity's Sonar and OpenAI's search models, which `xtask/prices/export.py` leaves out too: without
/// the fee a cost would be too low.
fn searches_always(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name == "sonar"
        || name.starts_with("sonar-")
        || ["search-preview", "search-api"].iter().any(|it| model.contains(it))
}

/// Rates by kind, as they are gathered.
type ByKind = BTreeMap<String, PicoUsd>;

/// The names in `data/price-lists.toml` are those of [`Rates`]' members.
fn rates_of(kinds: &ByKind) -> Result<Rates, String> {
    let object: serde_json::Map<_, _> =
        kinds.iter().map(|(kind, rate)| (kind.clone(), rate.0.into())).collect();
    serde_json::from_value(object.into()).map_err(|err| err.to_string())
}

/// Drops what says nothing, as `xtask/prices/export.py` does: a part at the price of its whole. Rates
/// of audio and of generated pictures stay, because without one they are not priced at all.
fn pruned(mut kinds: ByKind) -> ByKind {
    for (part, whole) in [
        ("reasoning", "output"),
        ("cache_read_audio", "cache_read"),
        ("cache_read_image", "cache_read"),
        ("input_image", "input"),
    ] {
        if kinds.get(part) == kinds.get(whole) {
            kinds.remove(part);
        }
    }
    kinds
}

/// What has a rate of its own beside a whole: a tier that prices only the whole would leave it at the
/// lower tier's rate.
const PARTS: [&str; 7] = [
    "reasoning",
    "input_audio",
    "output_audio",
    "cache_read_audio",
    "input_image",
    "output_image",
    "cache_read_image",
];

/// Full rates per tier from partial ones.
fn tiers_of(base: &ByKind, by_start: &BTreeMap<u64, ByKind>) -> Result<Vec<Tier>, String> {
    if !by_start.is_empty() && PARTS.iter().any(|it| base.contains_key(*it)) {
        return Err("context tiers together with parts that are priced apart".to_owned());
    }
    let mut full = base.clone();
    let mut tiers = Vec::new();
    for (above, kinds) in by_start {
        full.extend(kinds.iter().map(|(kind, rate)| (kind.clone(), *rate)));
        tiers.push(Tier { above_prompt_tokens: *above, rates: rates_of(&full)? });
    }
    Ok(tiers)
}

/// How many tokens or pieces a price is for, as a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Per {
    One,
    Thousand,
    Million,
}

/// A price as the lists write them, in pico-dollars for one; `kind` is a member of [`Rates`].
fn price_of(key: &str, kind: &str, value: &RawValue, per: Per) -> Result<PicoUsd, String> {
    let literal = value.get();
    if literal.starts_with('-') {
        return Err(format!("`{key}` is negative ({literal})"));
    }
    let exponent = match per {
        Per::One => 12,
        Per::Thousand => 9,
        Per::Million => 6,
    };
    let by_piece = matches!(kind, "request" | "web_search" | "file_search");
    let pico = match scaled(literal, exponent) {
        Ok(pico) => pico,
        Err(Inexact::NoNumber) => return Err(format!("`{key}` is not a number ({literal})")),
        // Less than a pico-dollar for a token is the unit's fault, not that of the digits.
        Err(Inexact::Fraction { below_one: true }) if !by_piece => 1,
        Err(Inexact::Fraction { .. }) => {
            return Err(format!("`{key}` is not a whole number of pico-dollars ({literal})"));
        }
        Err(Inexact::TooLarge) => i64::MAX,
    };
    match pico {
        pico if by_piece && pico > PIECE_PICO_MAX => {
            Err(format!("`{key}` is more than a hundred dollars for one ({literal})"))
        }
        pico if !by_piece && pico > TOKEN_PICO_MAX => Err(format!(
            "`{key}` is in the wrong unit ({literal}): it would be more than $5,000 for a million tokens"
        )),
        pico if !by_piece && (1..TOKEN_PICO_MIN).contains(&pico) => Err(format!(
            "`{key}` is in the wrong unit ({literal}): it would be less than $0.0005 for a million tokens"
        )),
        pico => Ok(PicoUsd(pico)),
    }
}

enum Inexact {
    NoNumber,
    Fraction { below_one: bool },
    TooLarge,
}

/// A JSON number times ten to the power of `exponent`, digit by digit.
fn scaled(literal: &str, exponent: i32) -> Result<i64, Inexact> {
    let (mantissa, power) = match literal.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, power.parse::<i32>().map_err(|_| Inexact::NoNumber)?),
        None => (literal, 0),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|it| it.is_ascii_digit()) {
        return Err(Inexact::NoNumber);
    }
    let digits = format!("{whole}{decimals}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Ok(0);
    }
    let length = |text: &str| i32::try_from(text.len()).unwrap_or(i32::MAX);
    let zeros = length(digits).saturating_sub(length(kept));
    let shift =
        power.saturating_add(exponent).saturating_sub(length(decimals)).saturating_add(zeros);
    if shift < 0 {
        return Err(Inexact::Fraction { below_one: length(kept).saturating_add(shift) <= 0 });
    }
    let factor = u32::try_from(shift).ok().and_then(|it| 10_i64.checked_pow(it));
    let digits = kept.parse::<i64>().ok();
    let product = digits.zip(factor).and_then(|(digits, factor)| digits.checked_mul(factor));
    product.ok_or(Inexact::TooLarge)
}

#[cfg(test)]
mod tests;
