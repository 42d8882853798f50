//! The price book: dated price rows with their source.
//!
//! [`PriceBook::embedded`] reads the snapshot in `data/prices.jsonl`, which `cargo xtask prices`
//! writes; [`PriceBook::find`] gives the [`PriceRow`] that [`crate::cost::price`] wants. [`list`] reads
//! the public price lists, and [`refresh`] lays what they say anew over the snapshot.

mod book;
pub mod list;
pub mod refresh;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::book::{PriceBook, PriceBookError};
use crate::{PicoUsd, ServiceTier, UnixMs};

/// Prices by kind; `None` is "not priced", which is not free. Each is per token unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    /// Prompt tokens read afresh.
    pub input: Option<PicoUsd>,
    /// Prompt tokens read from a cache.
    pub cache_read: Option<PicoUsd>,
    /// Audio read from a cache, where it is dearer than cached text. Usage does not tell cached
    /// audio from cached text, so a call with both cached tokens and audio has no known cost then.
    pub cache_read_audio: Option<PicoUsd>,
    /// Pictures read from a cache, where they are dearer than cached text; as with audio.
    pub cache_read_image: Option<PicoUsd>,
    /// Prompt tokens written to a five-minute cache.
    pub cache_write_5m: Option<PicoUsd>,
    /// Prompt tokens written to a one-hour cache.
    pub cache_write_1h: Option<PicoUsd>,
    /// Generated tokens.
    pub output: Option<PicoUsd>,
    /// Reasoning tokens where they have a price of their own; else they are priced as output.
    pub reasoning: Option<PicoUsd>,
    /// Audio in the prompt; it is never priced as text.
    pub input_audio: Option<PicoUsd>,
    /// Generated audio; it is never priced as text.
    pub output_audio: Option<PicoUsd>,
    /// Pictures in the prompt where they have a price of their own; else they are priced as input.
    pub input_image: Option<PicoUsd>,
    /// Generated pictures; they are never priced as text.
    pub output_image: Option<PicoUsd>,
    /// Per request.
    pub request: Option<PicoUsd>,
    /// Per web search that the provider runs.
    pub web_search: Option<PicoUsd>,
    /// Per search of stored files that the provider runs.
    pub file_search: Option<PicoUsd>,
}

impl Rates {
    /// Every rate with the name of its kind, as the price book spells it.
    #[must_use]
    pub const fn by_kind(&self) -> [(&'static str, Option<PicoUsd>); 15] {
        [
            ("input", self.input),
            ("cache_read", self.cache_read),
            ("cache_read_audio", self.cache_read_audio),
            ("cache_read_image", self.cache_read_image),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_1h", self.cache_write_1h),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("input_audio", self.input_audio),
            ("output_audio", self.output_audio),
            ("input_image", self.input_image),
            ("output_image", self.output_image),
            ("request", self.request),
            ("web_search", self.web_search),
            ("file_search", self.file_search),
        ]
    }

    /// These, and `other`'s for the kinds that have none here.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            input: self.input.or(other.input),
            cache_read: self.cache_read.or(other.cache_read),
            cache_read_audio: self.cache_read_audio.or(other.cache_read_audio),
            cache_read_image: self.cache_read_image.or(other.cache_read_image),
            cache_write_5m: self.cache_write_5m.or(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.or(other.cache_write_1h),
            output: self.output.or(other.output),
            reasoning: self.reasoning.or(other.reasoning),
            input_audio: self.input_audio.or(other.input_audio),
            output_audio: self.output_audio.or(other.output_audio),
            input_image: self.input_image.or(other.input_image),
            output_image: self.output_image.or(other.output_image),
            request: self.request.or(other.request),
            web_search: self.web_search.or(other.web_search),
            file_search: self.file_search.or(other.file_search),
        }
    }
}

/// Prices that hold for the whole call when its prompt is longer than a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The tier holds when the prompt, cached tokens included, has more tokens than this.
    pub above_prompt_tokens: u64,
    /// Its prices.
    pub rates: Rates,
}

/// Prices of a call that the provider served at a tier other than the standard one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServicePrices {
    /// Its prices. A kind that is not here is not priced, save fees by the piece: those do not
    /// depend on the tier, so the row's own hold.
    pub rates: Rates,
    /// Prices of long prompts, lowest threshold first, each with all of its rates.
    pub tiers: Vec<Tier>,
}

/// A part of every day, in minutes since midnight UTC. One that ends before it begins runs over
/// midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyWindow {
    /// Its first minute.
    pub from_minute: u16,
    /// The minute after its last.
    pub until_minute: u16,
}

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

impl DailyWindow {
    /// Whether the time of day of `at` is inside.
    #[must_use]
    pub fn holds(&self, at: UnixMs) -> bool {
        let minute = at.0.rem_euclid(DAY_MS) / MINUTE_MS;
        let (from, until) = (i64::from(self.from_minute), i64::from(self.until_minute));
        if until < from {
            minute >= from || minute < until
        } else {
            from <= minute && minute < until
        }
    }
}

/// What one model of one provider costs between two days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRow {
    /// The row's own stable id, stored with each call priced by it.
    pub id: String,
    /// The provider's id in the catalogue.
    pub provider: String,
    /// The model's id as the provider spells it.
    pub model: String,
    /// When the price begins to hold; `None`: since ever.
    pub valid_from: Option<UnixMs>,
    /// When it ceases to hold; `None`: it still does.
    pub valid_until: Option<UnixMs>,
    /// The hours of the day in which the price holds (peak prices); `None`: all day.
    pub daily: Option<DailyWindow>,
    /// Where the price was found.
    pub source: String,
    /// The day it was found there (`2026-11-23`).
    pub checked_on: String,
    /// The prices.
    pub rates: Rates,
    /// Dearer tiers, lowest threshold first.
    pub tiers: Vec<Tier>,
    /// Prices by service tier, where they are known.
    pub services: BTreeMap<ServiceTier, ServicePrices>,
}

impl PriceRow {
    /// Whether the price holds at `at`.
    #[must_use]
    pub fn holds(&self, at: UnixMs) -> bool {
        self.holds_on_day_of(at) && self.daily.is_none_or(|window| window.holds(at))
    }

    /// Whether the price holds at `at`, or does at another hour of that day.
    fn holds_on_day_of(&self, at: UnixMs) -> bool {
        self.valid_from.is_none_or(|from| from <= at)
            && self.valid_until.is_none_or(|until| at < until)
    }

    /// The rates for a call at this service tier with this many prompt tokens, cached ones included;
    /// `None` when the service tier is not priced. A call of which no tier is known was served at
    /// the standard one: most providers have no other and name none.
    #[must_use]
    pub fn rates_for(&self, service: Option<ServiceTier>, prompt_tokens: u64) -> Option<Rates> {
        let (rates, tiers) = match service {
            None | Some(ServiceTier::Standard) => (&self.rates, &self.tiers),
            Some(service) => self.services.get(&service).map(|it| (&it.rates, &it.tiers))?,
        };
        let tier = tiers.iter().rfind(|it| prompt_tokens > it.above_prompt_tokens);
        let rates = tier.map_or(rates, |it| &it.rates);
        Some(Rates {
            request: rates.request.or(self.rates.request),
            web_search: rates.web_search.or(self.rates.web_search),
            file_search: rates.file_search.or(self.rates.file_search),
            ..*rates
        })
    }

    /// Whether no count of tokens costs anything, so that none need be known.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let rates = &self.rates;
        let all = [
            rates.input,
            rates.cache_read,
            rates.cache_write_5m,
            rates.cache_write_1h,
            rates.output,
            rates.input_audio,
            rates.output_audio,
        ];
        let more = [
            rates.cache_read_audio,
            rates.cache_read_image,
            rates.reasoning,
            rates.input_image,
            rates.output_image,
            rates.request,
        ];
        all.iter().all(|it| *it == Some(PicoUsd::ZERO))
            && more.iter().all(|it| it.is_none_or(|it| it == PicoUsd::ZERO))
            && self.tiers.is_empty()
            && self.services.is_empty()
    }

    /// Whether the price of a call depends on how long its prompt is.
    pub(crate) fn has_tiers(&self) -> bool {
        !self.tiers.is_empty() || self.services.values().any(|it| !it.tiers.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daily_window_may_run_over_midnight() {
        let at = |hour: i64, minute: i64| UnixMs((hour * 60 + minute) * MINUTE_MS - DAY_MS * 3);
        let day = DailyWindow { from_minute: 60, until_minute: 240 };
        let night = DailyWindow { from_minute: 1380, until_minute: 30 };
        let check = |hour, minute, in_day, in_night| {
            assert_eq!(day.holds(at(hour, minute)), in_day, "{hour}:{minute}");
            assert_eq!(night.holds(at(hour, minute)), in_night, "{hour}:{minute}");
        };
        check(0, 59, false, false);
        check(1, 0, true, false);
        check(3, 59, true, false);
        check(4, 0, false, false);
        check(23, 0, false, true);
        check(0, 29, false, true);
        check(0, 30, false, false);
    }
}
