//! When and from where prices are refreshed: `[price_refresh]`.

use std::time::Duration;

use http::Uri;
use serde::Deserialize;
use tollgate_core::price::list::PriceList;
use toml::Spanned;

use super::{Mistake, within};

/// The longest time between two refreshes that can be asked for.
const EVERY_DAYS_MAX: u64 = 365;

/// Which public price list is read, and how often unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshConfig {
    /// How long after a refresh the next one begins by itself; `None`: only when asked.
    pub every: Option<Duration>,
    /// Which list.
    pub list: PriceList,
    /// Where it is, instead of where it is published.
    pub url: Option<Uri>,
}

impl Default for RefreshConfig {
    fn default() -> Self {
        Self { every: None, list: PriceList::GenaiPrices, url: None }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRefresh {
    every_days: Option<Spanned<u64>>,
    list: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
}

pub(super) fn valid_refresh(raw: RawRefresh) -> Result<RefreshConfig, Mistake> {
    let every = raw.every_days.map(|it| {
        let days = within(&it, EVERY_DAYS_MAX, "days, or leave it out to refresh only when asked");
        days.map(|it| Duration::from_secs(it * 24 * 60 * 60))
    });
    let list = raw.list.map(|it| {
        it.get_ref().parse::<PriceList>().map_err(|err| Mistake::new(&it, err.to_string()))
    });
    let url = raw.url.map(|it| http_url(&it));
    Ok(RefreshConfig {
        every: every.transpose()?,
        list: list.transpose()?.unwrap_or(RefreshConfig::default().list),
        url: url.transpose()?,
    })
}

/// An address that can be asked.
pub(super) fn http_url(text: &Spanned<String>) -> Result<Uri, Mistake> {
    let url = text.get_ref().parse::<Uri>().ok();
    let url = url.filter(|it| matches!(it.scheme_str(), Some("http" | "https")));
    url.ok_or_else(|| Mistake::new(text, format!("`{}` is not an http(s) URL", text.get_ref())))
}
