//! The user's own prices: `[[prices]]`.

use std::collections::BTreeMap;

use serde::Deserialize;
use tollgate_core::{
    PicoUsd, ServiceTier, UnixMs,
    price::{DailyWindow, PriceRow, Rates, ServicePrices, Tier},
};
use toml::Spanned;

use super::Mistake;

/// Where such a row was found, in place of a collection's name.
const SOURCE: &str = "your configuration";

/// Digits before the point of a price: a million dollars for a million tokens is no price.
const WHOLE_DIGITS_MAX: usize = 6;

/// Digits after the point: more would be less than a pico-dollar for a token.
const DECIMALS_MAX: usize = 6;

/// Digits after the point of a price for one piece: to the pico-dollar.
const PIECE_DECIMALS_MAX: usize = 12;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrice {
    provider: Spanned<String>,
    model: Spanned<String>,
    from: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
    hours: Option<Spanned<String>>,
    input: Spanned<String>,
    output: Option<Spanned<String>>,
    cache_read: Option<Spanned<String>>,
    cache_write_5m: Option<Spanned<String>>,
    cache_write_1h: Option<Spanned<String>>,
    reasoning: Option<Spanned<String>>,
    input_audio: Option<Spanned<String>>,
    output_audio: Option<Spanned<String>>,
    input_image: Option<Spanned<String>>,
    output_image: Option<Spanned<String>>,
    request: Option<Spanned<String>>,
    web_search: Option<Spanned<String>>,
    file_search: Option<Spanned<String>>,
    #[serde(default)]
    tiers: Vec<Spanned<RawRates>>,
    #[serde(default)]
    services: BTreeMap<Spanned<String>, Spanned<RawRates>>,
}

/// Prices of long prompts, or of a service tier.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRates {
    above: Option<Spanned<u64>>,
    input: Option<Spanned<String>>,
    output: Option<Spanned<String>>,
    cache_read: Option<Spanned<String>>,
    cache_write_5m: Option<Spanned<String>>,
    cache_write_1h: Option<Spanned<String>>,
    reasoning: Option<Spanned<String>>,
    input_audio: Option<Spanned<String>>,
    output_audio: Option<Spanned<String>>,
    input_image: Option<Spanned<String>>,
    output_image: Option<Spanned<String>>,
    request: Option<Spanned<String>>,
    web_search: Option<Spanned<String>>,
    file_search: Option<Spanned<String>>,
    #[serde(default)]
    tiers: Vec<Spanned<Self>>,
}

/// What is written of each kind, in the order of [`rates_of`].
type Kinds<'a> = [&'a Option<Spanned<String>>; 12];

/// The [`Kinds`] of an entry or of one of its tiers, which have the same fields.
macro_rules! kinds {
    ($raw:expr) => {
        [
            &$raw.cache_read,
            &$raw.cache_write_5m,
            &$raw.cache_write_1h,
            &$raw.output,
            &$raw.reasoning,
            &$raw.input_audio,
            &$raw.output_audio,
            &$raw.input_image,
            &$raw.output_image,
            &$raw.request,
            &$raw.web_search,
            &$raw.file_search,
        ]
    };
}

/// The price row of an entry whose provider `is_known`.
pub(super) fn valid_price(
    raw: &RawPrice,
    is_known: impl Fn(&str) -> bool,
) -> Result<PriceRow, Mistake> {
    let provider = raw.provider.get_ref().clone();
    if !is_known(&provider) {
        let message = format!(
            "no provider `{provider}`: use an id that `tollgate providers list` prints, or one of `[[providers]]`"
        );
        return Err(Mistake::new(&raw.provider, message));
    }
    let model = raw.model.get_ref().clone();
    if model.is_empty() {
        let message = "the name is empty: use a model's name, or `*` for all of the provider's";
        return Err(Mistake::new(&raw.model, message.to_owned()));
    }
    let valid_from = raw.from.as_ref().map(day).transpose()?;
    let valid_until = raw.until.as_ref().map(day).transpose()?;
    if let (Some(from), Some(until), Some(text)) = (valid_from, valid_until, &raw.until)
        && until <= from
    {
        let message = "`until` is the first day without the price, so it comes after `from`";
        return Err(Mistake::new(text, message.to_owned()));
    }
    let input = Some(per_million(&raw.input)?);
    let rates = Rates { input, ..rates_of(kinds!(raw))? };
    let tiers = tiers(&raw.tiers)?
        .into_iter()
        .map(|it| Tier { rates: it.rates.or(&rates), ..it })
        .collect();
    let services = raw.services.iter().map(|(name, raw)| service(name, raw));
    let services = services.collect::<Result<_, _>>()?;
    let when = [&raw.from, &raw.hours].into_iter().flatten();
    let since: String = when.map(|it| format!("@{}", it.get_ref())).collect();
    Ok(PriceRow {
        id: format!("{provider}/{model}{since} ({SOURCE})"),
        provider,
        model,
        valid_from,
        valid_until,
        daily: raw.hours.as_ref().map(hours).transpose()?,
        source: SOURCE.to_owned(),
        checked_on: "-".to_owned(),
        rates,
        tiers,
        services,
    })
}

impl RawRates {
    fn rates(&self) -> Result<Rates, Mistake> {
        let input = self.input.as_ref().map(per_million).transpose()?;
        Ok(Rates { input, ..rates_of(kinds!(self))? })
    }
}

/// The rates of every kind but input.
fn rates_of(kinds: Kinds<'_>) -> Result<Rates, Mistake> {
    let [read, write_5m, write_1h, output, reasoning, audio_in, audio_out, image_in, image_out, ..] =
        kinds.map(|it| it.as_ref().map(per_million));
    let [.., request, web_search, file_search] = kinds.map(|it| it.as_ref().map(per_piece));
    Ok(Rates {
        cache_read: read.transpose()?,
        cache_write_5m: write_5m.transpose()?,
        cache_write_1h: write_1h.transpose()?,
        output: output.transpose()?,
        reasoning: reasoning.transpose()?,
        input_audio: audio_in.transpose()?,
        output_audio: audio_out.transpose()?,
        input_image: image_in.transpose()?,
        output_image: image_out.transpose()?,
        request: request.transpose()?,
        web_search: web_search.transpose()?,
        file_search: file_search.transpose()?,
        ..Rates::default()
    })
}

/// Prices of long prompts, with the rates that are written and no others.
fn tiers(listed: &[Spanned<RawRates>]) -> Result<Vec<Tier>, Mistake> {
    let mut tiers: Vec<Tier> = Vec::new();
    for raw in listed {
        let it = raw.get_ref();
        let Some(above) = &it.above else {
            let message = "`above` is missing: a tier holds for prompts of more tokens than that";
            return Err(Mistake::new(raw, message.to_owned()));
        };
        if let Some(tier) = it.tiers.first() {
            return Err(Mistake::new(tier, "a tier has no tiers of its own".to_owned()));
        }
        if *above.get_ref() == 0
            || tiers.iter().any(|it| it.above_prompt_tokens >= *above.get_ref())
        {
            let message = "`above` grows from tier to tier, and is at least 1".to_owned();
            return Err(Mistake::new(above, message));
        }
        let rates = it.rates()?;
        if rates == Rates::default() {
            return Err(Mistake::new(raw, "the tier has no prices".to_owned()));
        }
        tiers.push(Tier { above_prompt_tokens: *above.get_ref(), rates });
    }
    Ok(tiers)
}

/// Prices of a service tier. A kind that it leaves out is not priced there, save fees by the piece.
fn service(
    name: &Spanned<String>,
    raw: &Spanned<RawRates>,
) -> Result<(ServiceTier, ServicePrices), Mistake> {
    let own = [ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Batch, ServiceTier::Other];
    let service = own.into_iter().find(|it| it.as_str() == name.get_ref()).ok_or_else(|| {
        let message = format!(
            "no service tier `{}`: use `flex`, `priority`, `batch` or `other`; the entry itself is the standard one",
            name.get_ref()
        );
        Mistake::new(name, message)
    })?;
    let it = raw.get_ref();
    if let Some(above) = &it.above {
        let message = "`above` belongs into one of the service tier's `tiers`".to_owned();
        return Err(Mistake::new(above, message));
    }
    let rates = it.rates()?;
    if rates.input.is_none() {
        let message = "`input` is missing: a service tier has a price for prompt tokens".to_owned();
        return Err(Mistake::new(raw, message));
    }
    let tiers = tiers(&it.tiers)?.into_iter();
    let tiers = tiers.map(|it| Tier { rates: it.rates.or(&rates), ..it }).collect();
    Ok((service, ServicePrices { rates, tiers }))
}

/// Dollars per million tokens as the price of one.
fn per_million(text: &Spanned<String>) -> Result<PicoUsd, Mistake> {
    exact(text.get_ref(), DECIMALS_MAX).ok_or_else(|| {
        let message = format!(
            "`{}` is not a price: use dollars per million tokens as decimal text of at most {DECIMALS_MAX} places, such as \"0.25\"",
            text.get_ref()
        );
        Mistake::new(text, message)
    })
}

/// Dollars for one.
fn per_piece(text: &Spanned<String>) -> Result<PicoUsd, Mistake> {
    exact(text.get_ref(), PIECE_DECIMALS_MAX).ok_or_else(|| {
        let message = format!(
            "`{}` is not a price: use dollars for one, as decimal text of at most {PIECE_DECIMALS_MAX} places, such as \"0.01\"",
            text.get_ref()
        );
        Mistake::new(text, message)
    })
}

/// Hours of every day, in UTC.
fn hours(text: &Spanned<String>) -> Result<DailyWindow, Mistake> {
    let minute = |time: &str| {
        let (hour, minute) = time.split_once(':')?;
        let two = |it: &str, max: u16| {
            let digits = it.len() == 2 && it.bytes().all(|it| it.is_ascii_digit());
            it.parse::<u16>().ok().filter(|it| digits && *it <= max)
        };
        Some(two(hour, 23)? * 60 + two(minute, 59)?)
    };
    let window = text.get_ref().split_once('-').and_then(|(from, until)| {
        Some(DailyWindow { from_minute: minute(from)?, until_minute: minute(until)? })
    });
    window.filter(|it| it.from_minute != it.until_minute).ok_or_else(|| {
        let message =
            format!("`{}` are no hours of a day in UTC, such as \"16:30-00:30\"", text.get_ref());
        Mistake::new(text, message)
    })
}

/// Dollars with so many places as whole units of the last one: a million tokens for a dollar are a
/// million pico-dollars for each.
pub(super) fn exact(text: &str, places: usize) -> Option<PicoUsd> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |it: &str, max: usize| {
        (1..=max).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit())
    };
    if !digits(whole, WHOLE_DIGITS_MAX) || !digits(decimals, places) {
        return None;
    }
    format!("{whole}{decimals:0<places$}").parse().ok().map(PicoUsd)
}

/// The beginning of a day in UTC, as price lists have it.
fn day(text: &Spanned<String>) -> Result<UnixMs, Mistake> {
    let date = text.get_ref().parse::<jiff::civil::Date>();
    let zoned = date.and_then(|it| it.to_zoned(jiff::tz::TimeZone::UTC));
    let zoned = zoned.map_err(|_| {
        let message = format!("`{}` is not a day, such as \"2026-11-23\"", text.get_ref());
        Mistake::new(text, message)
    })?;
    Ok(UnixMs(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_to_the_pico_dollar() {
        let check = |text: &str, pico: Option<i64>| assert_eq!(exact(text, 6).map(|it| it.0), pico);
        check("0.25", Some(250_000));
        check("3", Some(3_000_000));
        check("0.000001", Some(1));
        check("0", Some(0));
        check("999999.999999", Some(999_999_999_999));
        for text in ["", ".5", "1.", "-1", "+1", "1e3", "1,5", "0.0000001", "1000000", "0.25 "] {
            check(text, None);
        }
    }
}
