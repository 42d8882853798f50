//! The user's own prices: `[[prices]]`.

use std::collections::BTreeMap;

use serde::Deserialize;
use tollgate_core::{
    PicoUsd, UnixMs,
    price::{PriceRow, Rates},
};
use toml::Spanned;

use super::Mistake;

/// Where such a row was found, in place of a collection's name.
const SOURCE: &str = "your configuration";

/// Digits before the point of a price: a million dollars for a million tokens is no price.
const WHOLE_DIGITS_MAX: usize = 6;

/// Digits after the point: more would be less than a pico-dollar for a token.
const DECIMALS_MAX: usize = 6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrice {
    provider: Spanned<String>,
    model: Spanned<String>,
    from: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
    input: Spanned<String>,
    output: Option<Spanned<String>>,
    cache_read: Option<Spanned<String>>,
    cache_write_5m: Option<Spanned<String>>,
    cache_write_1h: Option<Spanned<String>>,
    reasoning: Option<Spanned<String>>,
    input_audio: Option<Spanned<String>>,
    output_audio: Option<Spanned<String>>,
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
    let rate = |text: &Option<Spanned<String>>| text.as_ref().map(per_million).transpose();
    let rates = Rates {
        input: Some(per_million(&raw.input)?),
        cache_read: rate(&raw.cache_read)?,
        cache_write_5m: rate(&raw.cache_write_5m)?,
        cache_write_1h: rate(&raw.cache_write_1h)?,
        output: rate(&raw.output)?,
        reasoning: rate(&raw.reasoning)?,
        input_audio: rate(&raw.input_audio)?,
        output_audio: rate(&raw.output_audio)?,
        ..Rates::default()
    };
    let since = raw.from.as_ref().map_or_else(String::new, |it| format!("@{}", it.get_ref()));
    Ok(PriceRow {
        id: format!("{provider}/{model}{since} ({SOURCE})"),
        provider,
        model,
        valid_from,
        valid_until,
        daily: None,
        source: SOURCE.to_owned(),
        checked_on: "-".to_owned(),
        rates,
        tiers: Vec::new(),
        services: BTreeMap::new(),
    })
}

/// Dollars per million tokens as the price of one.
fn per_million(text: &Spanned<String>) -> Result<PicoUsd, Mistake> {
    exact(text.get_ref()).ok_or_else(|| {
        let message = format!(
            "`{}` is not a price: use dollars per million tokens as decimal text of at most {DECIMALS_MAX} places, such as \"0.25\"",
            text.get_ref()
        );
        Mistake::new(text, message)
    })
}

/// A million tokens for a dollar are a million pico-dollars for each.
fn exact(text: &str) -> Option<PicoUsd> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |it: &str, max: usize| {
        (1..=max).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit())
    };
    if !digits(whole, WHOLE_DIGITS_MAX) || !digits(decimals, DECIMALS_MAX) {
        return None;
    }
    format!("{whole}{decimals:0<DECIMALS_MAX$}").parse().ok().map(PicoUsd)
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
        let check = |text: &str, pico: Option<i64>| assert_eq!(exact(text).map(|it| it.0), pico);
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
