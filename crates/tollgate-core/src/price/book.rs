//! The book of all price rows, and how a model's name is looked up in it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Range,
};

use serde::Deserialize;

use super::{DailyWindow, PriceRow, Rates, ServicePrices, Tier, refresh::RefreshedModel};
use crate::{ServiceTier, UnixMs};

const EMBEDDED: &str = include_str!("../data/prices.jsonl");

/// Whose list prices hold for a provider that has no row of its own for a model: it sells those
/// providers' models at their prices. From genai-prices' `fallback_model_providers`.
const FALLBACKS: [(&str, &[&str]); 3] = [
    ("azure", &["openai", "anthropic", "deepseek", "xai", "moonshotai"]),
    ("google", &["anthropic"]),
    ("google-vertex-global", &["google", "anthropic"]),
];

/// What may stand before a model's own name (Gemini and Vertex).
const PREFIXES: [&str; 3] =
    ["models/", "publishers/google/models/", "publishers/anthropic/models/"];

/// The model's name in a row that prices all models of its provider that no other row prices.
const EVERY_MODEL: &str = "*";

/// All price rows, found by provider and model in constant time.
#[derive(Clone, Debug, Default)]
pub struct PriceBook {
    overrides: Shelf,
    refreshed: Shelf,
    embedded: Shelf,
    disputed: HashSet<(String, String)>,
    decided: HashSet<(String, String)>,
    checked_on: Option<UnixMs>,
}

/// Why a price book could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PriceBookError {
    /// A line is not of the book's shape.
    #[error("cannot parse line {line} of the price book")]
    Parse {
        /// Its number, from 1.
        line: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A line breaks a rule.
    #[error("line {line} of the price book is not valid: {fault}")]
    Invalid {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
}

impl PriceBook {
    /// The snapshot that the program carries. Takes a few milliseconds: do it once.
    ///
    /// # Errors
    /// Never in a build whose tests pass; the text is checked all the same.
    pub fn embedded() -> Result<Self, PriceBookError> {
        Self::load(EMBEDDED)
    }

    /// Reads a book from JSON lines: first one line that names the sources, then a line for each
    /// row; `xtask/prices/export.py` writes it.
    ///
    /// # Errors
    /// When a line is malformed or names a source or a day that does not exist.
    pub fn load(text: &str) -> Result<Self, PriceBookError> {
        let mut lines = text.lines().zip(1..);
        let Header { sources, disputed, decided } = match lines.next() {
            Some((line, number)) => {
                let header = serde_json::from_str::<Header<'_>>(line);
                header.map_err(|source| PriceBookError::Parse { line: number, source })?
            }
            None => Header::default(),
        };
        let days = sources.values().map(|it| midnight(&it.checked_on));
        let checked_on = days
            .collect::<Result<Vec<_>, _>>()
            .map_err(|fault| PriceBookError::Invalid { line: 1, fault })?
            .into_iter()
            .max();
        let mut shelf = Shelf::default();
        for (line, number) in lines {
            let raw: RawRow<'_> = serde_json::from_str(line)
                .map_err(|source| PriceBookError::Parse { line: number, source })?;
            let invalid = |fault| PriceBookError::Invalid { line: number, fault };
            let owned = |names: &[Cow<'_, str>]| names.iter().map(|it| it.to_string()).collect();
            let names = Names { aliases: owned(&raw.aliases), prefixes: owned(&raw.prefixes) };
            let row = raw.into_row(&sources).map_err(invalid)?;
            shelf.put(row, names).map_err(invalid)?;
        }
        let disputed = disputed.into_iter().collect();
        let decided = decided.into_iter().collect();
        Ok(Self { embedded: shelf, disputed, decided, checked_on, ..Self::default() })
    }

    /// The book with prices that were fetched since laid over the embedded ones. Rows of one model
    /// follow one another, the older first. On days on which a model's own row does not hold, the
    /// embedded one does. Rows that are older than the embedded book are left out where it knows the
    /// model: it was made later, and by more than one list.
    #[must_use]
    pub fn with_refreshed(mut self, models: Vec<RefreshedModel>) -> Self {
        self.refreshed = Shelf::default();
        for RefreshedModel { aliases, rows } in models {
            let aliases: Vec<String> = aliases.iter().map(|it| it.to_ascii_lowercase()).collect();
            for (place, row) in rows.into_iter().enumerate() {
                let known = || self.embedded.rows_of(&row.provider, &Spellings::of(&row.model));
                let day = midnight(&row.checked_on).ok();
                if day < self.checked_on && known().is_some() {
                    continue;
                }
                let names = if place == 0 { aliases.clone() } else { Vec::new() };
                // An alias that another model has already leads there; the row is kept without.
                if self
                    .refreshed
                    .put(row.clone(), Names { aliases: names, prefixes: vec![] })
                    .is_err()
                {
                    let put = self.refreshed.put(row, Names::default());
                    debug_assert!(put.is_ok(), "a model's rows follow one another");
                }
            }
        }
        self
    }

    /// The book without the user's own rows.
    #[must_use]
    pub fn without_overrides(mut self) -> Self {
        self.overrides = Shelf::default();
        self
    }

    /// The rows of `model` that hold at some hour of the day of `at`, as [`Self::find`] finds them
    /// where the user has none; the last is the one that holds all day.
    pub(super) fn holding(&self, provider: &str, model: &str, at: UnixMs) -> Vec<&PriceRow> {
        let spellings = Spellings::of(model);
        let embedded = self.embedded_rows(provider, &spellings);
        let refreshed = self.refreshed_rows(provider, &spellings, embedded);
        let rows = [refreshed, embedded].into_iter().flatten().flat_map(|it| it.iter().rev());
        let mut found: Vec<&PriceRow> = Vec::new();
        for row in rows.filter(|it| it.holds_on_day_of(at)) {
            if !found.iter().any(|it| it.daily == row.daily) {
                found.push(row);
            }
            if row.daily.is_none() {
                break;
            }
        }
        found
    }

    /// Whether the sources of the embedded book name different prices for a model of this name, so
    /// that it has none.
    #[must_use]
    pub fn is_disputed(&self, provider: &str, model: &str) -> bool {
        self.disputed.contains(&(provider.to_owned(), Spellings::of(model).exact.into_owned()))
    }

    /// Whether genai-prices was found right about this name against the other lists.
    pub(super) fn is_decided(&self, provider: &str, model: &str) -> bool {
        self.decided.contains(&(provider.to_owned(), Spellings::of(model).exact.into_owned()))
    }

    /// The book with the user's own rows over it. For a model that they price, no embedded row is
    /// used any more, not even on days when theirs do not hold. A row for the model `*` prices all
    /// models of its provider that no other row of the user's prices.
    #[must_use]
    pub fn with_overrides(mut self, mut rows: Vec<PriceRow>) -> Self {
        // Names are compared without case, so rows of one model stand together however it is spelled
        // and none is refused. The sort is stable: the order of a model's rows means something.
        rows.sort_by_cached_key(|it| (it.provider.clone(), it.model.to_ascii_lowercase()));
        self.overrides = Shelf::default();
        for row in rows {
            let every = if row.model == EVERY_MODEL { vec![String::new()] } else { Vec::new() };
            let put = self.overrides.put(row, Names { aliases: Vec::new(), prefixes: every });
            debug_assert!(put.is_ok(), "rows in order are all taken");
        }
        self
    }

    /// The row that prices `model` of `provider` at `at`; `None`: the price is not known.
    ///
    /// The name is tried as it is (in any case, without `models/` before it) and then without the
    /// day at its end (`-2025-08-07`, `-20250929`, `@20250929`), both against model ids and against
    /// the other names that the source knows for a model; at last against the beginnings of names
    /// that it knows (`ft:gpt-4o-2024-`), the longest first. The user's rows come first. Of several
    /// rows that hold, the last one listed wins.
    #[must_use]
    pub fn find(&self, provider: &str, model: &str, at: UnixMs) -> Option<&PriceRow> {
        let spellings = Spellings::of(model);
        let embedded = self.embedded_rows(provider, &spellings);
        let refreshed = self.refreshed_rows(provider, &spellings, embedded);
        let own = self.overrides.rows_of(provider, &spellings);
        let own = own.or_else(|| {
            let first = embedded.or(refreshed)?.first()?;
            self.overrides.rows_of(&first.provider, &Spellings::of(&first.model))
        });
        if let Some(own) = own.or_else(|| self.overrides.rows_that_begin(provider, &spellings)) {
            return pick(own, at);
        }
        refreshed.and_then(|it| pick(it, at)).or_else(|| pick(embedded?, at))
    }

    /// The fetched rows of a name, which the book itself may know under another one.
    fn refreshed_rows(
        &self,
        provider: &str,
        spellings: &Spellings<'_>,
        embedded: Option<&[PriceRow]>,
    ) -> Option<&[PriceRow]> {
        let exact = self.refreshed.rows_named(provider, &spellings.exact);
        exact.or_else(|| match embedded {
            Some(rows) => {
                let first = rows.first()?;
                self.refreshed.rows_of(&first.provider, &Spellings::of(&first.model))
            }
            None => std::iter::once(&provider)
                .chain(sellers_to(provider))
                .find_map(|it| self.refreshed.rows_of(it, spellings)),
        })
    }

    fn embedded_rows(&self, provider: &str, spellings: &Spellings<'_>) -> Option<&[PriceRow]> {
        let shelves = || std::iter::once(&provider).chain(sellers_to(provider));
        let whole = shelves().find_map(|it| self.embedded.rows_of(it, spellings));
        whole.or_else(|| shelves().find_map(|it| self.embedded.rows_that_begin(it, spellings)))
    }

    /// Every row: the user's first, then those that were fetched, then the embedded ones; of the last
    /// two, those that the user's do not replace.
    pub fn rows(&self) -> impl Iterator<Item = &PriceRow> {
        let listed = self.refreshed.rows.iter().chain(&self.embedded.rows);
        let kept = listed.filter(|row| {
            let spellings = Spellings::of(&row.model);
            self.overrides
                .rows_of(&row.provider, &spellings)
                .or_else(|| self.overrides.rows_that_begin(&row.provider, &spellings))
                .is_none()
        });
        self.overrides.rows.iter().chain(kept)
    }
}

/// Whose list prices hold for a provider too.
fn sellers_to(provider: &str) -> &'static [&'static str] {
    FALLBACKS.iter().find(|(it, _)| *it == provider).map_or(&[][..], |it| it.1)
}

fn pick(rows: &[PriceRow], at: UnixMs) -> Option<&PriceRow> {
    rows.iter().rfind(|it| it.holds(at))
}

/// A model's name in the ways it is looked up: as it is, and without its day.
struct Spellings<'a> {
    exact: Cow<'a, str>,
    undated_len: Option<usize>,
}

impl<'a> Spellings<'a> {
    fn of(model: &'a str) -> Self {
        let mut exact = if model.bytes().any(|it| it.is_ascii_uppercase()) {
            Cow::Owned(model.to_ascii_lowercase())
        } else {
            Cow::Borrowed(model)
        };
        for prefix in PREFIXES {
            exact = match exact {
                Cow::Borrowed(name) => Cow::Borrowed(name.strip_prefix(prefix).unwrap_or(name)),
                Cow::Owned(name) => match name.strip_prefix(prefix) {
                    Some(rest) => Cow::Owned(rest.to_owned()),
                    None => Cow::Owned(name),
                },
            };
        }
        let undated_len = undated(&exact).map(str::len);
        Self { exact, undated_len }
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let undated = self.undated_len.and_then(|len| self.exact.get(..len));
        std::iter::once(self.exact.as_ref()).chain(undated)
    }
}

/// The name without `-20YY-MM-DD`, `-20YYMMDD` or `@20YYMMDD` at its end, if one is there.
fn undated(name: &str) -> Option<&str> {
    let ends_in = |shape: &str| {
        let (rest, day) = name.split_at_checked(name.len().checked_sub(shape.len())?)?;
        let fits = day.bytes().zip(shape.bytes()).all(|(it, wanted)| match wanted {
            b'd' => it.is_ascii_digit(),
            literal => it == literal,
        });
        (fits && !rest.is_empty()).then_some(rest)
    };
    ends_in("-20dd-dd-dd")
        .or_else(|| ends_in("@20dd-dd-dd"))
        .or_else(|| ends_in("-20dddddd"))
        .or_else(|| ends_in("@20dddddd"))
}

/// Rows with the rows of each model side by side, and the names that lead to them.
#[derive(Clone, Debug, Default)]
struct Shelf {
    rows: Vec<PriceRow>,
    /// One range of `rows` for each model.
    groups: Vec<Range<usize>>,
    providers: HashMap<String, Places>,
}

/// The places in `groups` that lower-case names lead to.
#[derive(Clone, Debug, Default)]
struct Places {
    names: HashMap<String, usize>,
    /// By the beginnings of names.
    prefixes: HashMap<String, usize>,
}

/// The names of a model beside its id.
#[derive(Default)]
struct Names {
    aliases: Vec<String>,
    prefixes: Vec<String>,
}

impl Shelf {
    fn rows_of(&self, provider: &str, spellings: &Spellings<'_>) -> Option<&[PriceRow]> {
        let names = &self.providers.get(provider)?.names;
        self.group(*spellings.iter().find_map(|it| names.get(it))?)
    }

    fn rows_named(&self, provider: &str, name: &str) -> Option<&[PriceRow]> {
        self.group(*self.providers.get(provider)?.names.get(name)?)
    }

    /// The rows of the model that the longest known beginning of the name leads to.
    fn rows_that_begin(&self, provider: &str, spellings: &Spellings<'_>) -> Option<&[PriceRow]> {
        let prefixes = &self.providers.get(provider)?.prefixes;
        let name = spellings.exact.as_ref();
        self.group(*(0..=name.len()).rev().find_map(|it| prefixes.get(name.get(..it)?))?)
    }

    fn group(&self, place: usize) -> Option<&[PriceRow]> {
        self.rows.get(self.groups.get(place)?.clone())
    }

    /// Adds a row; one that is refused leaves the shelf as it was.
    fn put(&mut self, row: PriceRow, other: Names) -> Result<(), &'static str> {
        let place = self.rows.len();
        let key = row.model.to_ascii_lowercase();
        let follows = self.rows.last().is_some_and(|last| {
            last.provider == row.provider && last.model.eq_ignore_ascii_case(&row.model)
        });
        if follows {
            if !(other.aliases.is_empty() && other.prefixes.is_empty()) {
                return Err("aliases stand at the first row of a model only");
            }
            if let Some(group) = self.groups.last_mut() {
                group.end = place + 1;
            }
        } else {
            let group = self.groups.len();
            let places = match self.providers.get_mut(&row.provider) {
                Some(places) => places,
                None => self.providers.entry(row.provider.clone()).or_default(),
            };
            let listed = other.aliases.len() + 1;
            let names: BTreeSet<_> = std::iter::once(key).chain(other.aliases).collect();
            let taken = names.len() < listed
                || names.iter().any(|it| places.names.contains_key(it))
                || other.prefixes.iter().any(|it| places.prefixes.contains_key(it));
            if taken {
                return Err("a name leads to two models");
            }
            places.names.extend(names.into_iter().map(|it| (it, group)));
            places.prefixes.extend(other.prefixes.into_iter().map(|it| (it, group)));
            self.groups.push(place..place + 1);
        }
        self.rows.push(row);
        Ok(())
    }
}

#[derive(Default, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    sources: HashMap<&'a str, Source>,
    #[serde(default)]
    disputed: Vec<(String, String)>,
    #[serde(default)]
    decided: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Source {
    name: String,
    checked_on: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow<'a> {
    #[serde(borrow)]
    provider: Cow<'a, str>,
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow, default)]
    aliases: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    prefixes: Vec<Cow<'a, str>>,
    #[serde(default)]
    from: Option<&'a str>,
    #[serde(default)]
    until: Option<&'a str>,
    #[serde(default)]
    daily: Option<(u16, u16)>,
    source: &'a str,
    rates: Rates,
    #[serde(default)]
    tiers: Vec<(u64, Rates)>,
    #[serde(default)]
    services: BTreeMap<ServiceTier, RawService>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    rates: Rates,
    #[serde(default)]
    tiers: Vec<(u64, Rates)>,
}

impl RawRow<'_> {
    fn into_row(self, sources: &HashMap<&str, Source>) -> Result<PriceRow, &'static str> {
        let source = sources.get(self.source).ok_or("its source is not in the first line")?;
        let day = |text: Option<&str>| text.map(midnight).transpose();
        let tiers = tiers_of(&self.tiers, |rates| rates.or(&self.rates))?;
        let services = self.services.into_iter().map(|(service, it)| {
            let tiers = tiers_of(&it.tiers, |rates| *rates)?;
            Ok((service, ServicePrices { rates: it.rates, tiers }))
        });
        let services = services.collect::<Result<_, &str>>()?;
        let daily =
            self.daily.map(|(from_minute, until_minute)| DailyWindow { from_minute, until_minute });
        let mut id = format!("{}/{}", self.provider, self.model);
        let from = self.from.map(str::to_owned);
        let hours = self.daily.map(|(from, until)| format!("{from}-{until}"));
        for part in from.into_iter().chain(hours) {
            id.push('@');
            id.push_str(&part);
        }
        id.push_str(" (");
        id.push_str(&source.name);
        id.push(')');
        Ok(PriceRow {
            id,
            valid_from: day(self.from)?,
            valid_until: day(self.until)?,
            daily,
            provider: self.provider.into_owned(),
            model: self.model.into_owned(),
            source: source.name.clone(),
            checked_on: source.checked_on.clone(),
            rates: self.rates,
            tiers,
            services,
        })
    }
}

/// Context tiers from their thresholds and rates.
fn tiers_of(
    listed: &[(u64, Rates)],
    full: impl Fn(&Rates) -> Rates,
) -> Result<Vec<Tier>, &'static str> {
    if listed.windows(2).any(|pair| matches!(pair, [a, b] if a.0 >= b.0)) {
        return Err("its tiers are not in order");
    }
    let tier =
        |(above, rates): &(u64, Rates)| Tier { above_prompt_tokens: *above, rates: full(rates) };
    Ok(listed.iter().map(tier).collect())
}

/// The beginning of a day in UTC.
pub(super) fn midnight(day: &str) -> Result<UnixMs, &'static str> {
    let date: jiff::civil::Date = day.parse().map_err(|_| "a day is not written `2026-11-23`")?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| "a day is out of range")?;
    Ok(UnixMs(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests;
