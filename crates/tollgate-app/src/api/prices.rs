//! Prices: what is in force, and what changes them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use tollgate_core::{
    PicoUsd, UnixMs,
    price::{
        PriceRow, Rates, Tier,
        list::{PriceList, Quarantined},
    },
};
use utoipa::{IntoParams, ToSchema};

use super::{ApiError, convert::money};
use crate::{
    App,
    prices::{
        self, Keep, Outcome, PricesError,
        reprice::{self, Wanted},
        set::{self, OwnPrice},
    },
};

/// Rows that one answer holds at most.
const ROWS_MAX: usize = 1_000;

/// Rows of a refresh's answer that are shown of each kind.
const SHOWN_MAX: usize = 200;

/// Prices by kind (`input`, `cache_read`, …): whole pico-dollars as text, for one token or piece. A
/// kind that is not here is not priced.
pub type RatesView = BTreeMap<String, String>;

/// Prices of long prompts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceTierView {
    /// They hold for prompts of more tokens than this, for the whole call.
    pub above_prompt_tokens: u64,
    /// The prices.
    pub rates: RatesView,
}

/// Prices of a service tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServicePricesView {
    /// `flex`, `priority`, `batch` or `other`.
    pub service: String,
    /// The prices.
    pub rates: RatesView,
    /// Those of long prompts.
    pub tiers: Vec<PriceTierView>,
}

/// What a model costs between two days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceRowView {
    /// The row's id, which calls keep.
    pub id: String,
    /// The provider's id.
    pub provider: String,
    /// The model, or `*` for every one.
    pub model: String,
    /// From when on; `null`: since ever.
    pub from_ms: Option<i64>,
    /// Until when; `null`: it still holds.
    pub until_ms: Option<i64>,
    /// The first minute of the day, in UTC, of the hours in which it holds; `null`: all day.
    pub daily_from_minute: Option<u16>,
    /// The minute after the last; before the first where the hours run over midnight.
    pub daily_until_minute: Option<u16>,
    /// Where it was found.
    pub source: String,
    /// On which day.
    pub checked_on: String,
    /// The prices.
    pub rates: RatesView,
    /// Those of long prompts.
    pub tiers: Vec<PriceTierView>,
    /// Those of other service tiers.
    pub services: Vec<ServicePricesView>,
}

/// Prices, and how fresh they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PricesView {
    /// The rows: the user's first, then refreshed ones, then those that the program carries.
    pub rows: Vec<PriceRowView>,
    /// How many rows there are in all.
    pub total: usize,
    /// When prices were refreshed last; `null`: never.
    pub refreshed_at_ms: Option<i64>,
}

/// Which prices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PricesQuery {
    /// Those of this provider.
    pub provider: Option<String>,
    /// Those of models whose name contains this.
    pub text: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A refresh that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RefreshPrices {
    /// `genai-prices`, `litellm` or `models-dev`; the configured one without it.
    pub list: Option<String>,
    /// Only tell what would change.
    pub dry_run: bool,
}

/// A price that is not taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedView {
    /// `provider/model`.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// A price that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceChangeView {
    /// What it was.
    pub before: PriceRowView,
    /// What it becomes.
    pub after: PriceRowView,
}

/// What a refresh did or would do. Of each kind the first rows are shown, and all are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefreshView {
    /// Which list was read.
    pub list: String,
    /// From where.
    pub from: String,
    /// Whether it was kept.
    pub stored: bool,
    /// How many rows were added: of models or kinds that had no price.
    pub added: usize,
    /// Some of them.
    pub added_rows: Vec<PriceRowView>,
    /// How many prices changed.
    pub changed: usize,
    /// Some of them.
    pub changed_rows: Vec<PriceChangeView>,
    /// How many are as they were.
    pub unchanged: usize,
    /// What was not believed: all of it.
    pub quarantined: Vec<QuarantinedView>,
}

/// A repricing that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepriceCalls {
    /// Calls that began then or later; all without it.
    pub since_ms: Option<i64>,
    /// Calls of this model.
    pub model: Option<String>,
    /// Whether the ledger is changed, and not only told what would.
    pub apply: bool,
}

/// What changes for the calls of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepricedModelView {
    /// The provider's id.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Its calls that cost something or have a reason for no known cost.
    pub calls: u64,
    /// Those whose cost changes.
    pub changed: u64,
    /// Those of them that had no known cost.
    pub newly_priced: u64,
    /// What is known of their cost before, in pico-dollars.
    pub cost_before_pico_usd: String,
    /// The part of that which is an estimate.
    pub estimated_before_pico_usd: String,
    /// How many had none.
    pub unknown_before: u64,
    /// What is known of it after.
    pub cost_after_pico_usd: String,
    /// The part of that which is an estimate.
    pub estimated_after_pico_usd: String,
    /// How many have none.
    pub unknown_after: u64,
}

/// What a repricing did or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepriceView {
    /// Whether the ledger was changed.
    pub applied: bool,
    /// Every model with calls, also those that nothing changes for.
    pub models: Vec<RepricedModelView>,
}

/// The prices in force.
///
/// # Errors
/// When the refreshed prices cannot be read.
#[utoipa::path(get, path = "/prices", params(PricesQuery), responses((status = 200, body = PricesView)))]
pub async fn list_prices(
    State(app): State<Arc<App>>,
    Query(query): Query<PricesQuery>,
) -> Result<Json<PricesView>, ApiError> {
    let (book, data) = (app.prices(), app.paths().data.clone());
    super::blocking(move || {
        let text = query.text.map(|it| it.to_lowercase());
        let rows: Vec<&PriceRow> = book
            .rows()
            .filter(|it| query.provider.as_ref().is_none_or(|wanted| *wanted == it.provider))
            .filter(|it| {
                text.as_ref().is_none_or(|wanted| it.model.to_lowercase().contains(wanted))
            })
            .collect();
        let shown = query.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX);
        let last = prices::load(&data).map_err(ApiError::Prices)?.last_at_ms();
        Ok(Json(PricesView {
            total: rows.len(),
            rows: rows.into_iter().take(shown).map(PriceRowView::from).collect(),
            refreshed_at_ms: last.map(|it| it.0),
        }))
    })
    .await
}

/// Writes a price of the user's own into the configuration file; the gateway follows it soon after.
///
/// # Errors
/// When the price or the file is not acceptable; then nothing is written.
#[utoipa::path(post, path = "/prices", request_body = OwnPrice, responses((status = 200)))]
pub async fn set_price(
    State(app): State<Arc<App>>,
    Json(price): Json<OwnPrice>,
) -> Result<Json<()>, ApiError> {
    let at = Arc::clone(&app);
    super::blocking(move || {
        set::set(&at.paths().config, at.settings().catalogue(), &price)
            .map_err(|err| ApiError::Invalid(crate::settings::with_causes(&err)))
    })
    .await?;
    app.reload();
    Ok(Json(()))
}

/// Fetches a public price list and takes over what it says. The gateway follows it soon after.
///
/// # Errors
/// When the list is not there or is none.
#[utoipa::path(post, path = "/prices/refresh", request_body = RefreshPrices, responses((status = 200, body = RefreshView)))]
pub async fn refresh_prices(
    State(app): State<Arc<App>>,
    Json(asked): Json<RefreshPrices>,
) -> Result<Json<RefreshView>, ApiError> {
    let list = asked.list.as_deref().map(str::parse::<PriceList>).transpose();
    let list = list.map_err(|err| ApiError::Invalid(err.to_string()))?;
    if app.is_simulated() {
        return Err(ApiError::Invalid("the demonstration fetches nothing".to_owned()));
    }
    let keep = if asked.dry_run { Keep::Show } else { Keep::Store };
    let outcome = refreshed(&app, list, keep).await.map_err(ApiError::Prices)?;
    Ok(Json(refresh_view(&outcome, keep)))
}

/// Tells what calls would cost by the prices of their days, as they are known now, and with `apply`
/// changes the ledger accordingly.
///
/// # Errors
/// When the ledger cannot be read or written.
#[utoipa::path(post, path = "/prices/reprice", request_body = RepriceCalls, responses((status = 200, body = RepriceView)))]
pub async fn reprice_calls(
    State(app): State<Arc<App>>,
    Json(asked): Json<RepriceCalls>,
) -> Result<Json<RepriceView>, ApiError> {
    app.written().await;
    let wanted =
        Wanted { since: asked.since_ms.map(UnixMs), model: asked.model, simulated: app.summed() };
    let writer = asked.apply.then(|| app.writer());
    let changes = reprice::reprice(&app.reader(), writer, &app.prices(), &wanted).await?;
    let models = changes.into_iter().map(|((provider, model), it)| RepricedModelView {
        provider,
        model,
        calls: it.calls,
        changed: it.changed,
        newly_priced: it.newly_priced,
        cost_before_pico_usd: money(it.cost_before),
        estimated_before_pico_usd: money(it.estimated_before),
        unknown_before: it.unknown_before,
        cost_after_pico_usd: money(it.cost_after),
        estimated_after_pico_usd: money(it.estimated_after),
        unknown_after: it.unknown_after,
    });
    Ok(Json(RepriceView { applied: asked.apply, models: models.collect() }))
}

/// Fetches a list and takes it over.
pub(crate) async fn refreshed(
    app: &Arc<App>,
    list: Option<PriceList>,
    keep: Keep,
) -> Result<Outcome, PricesError> {
    let found =
        prices::fetched(&app.settings().price_refresh(), list, app.settings().env()).await?;
    let (at, now) = (Arc::clone(app), app.clock().now());
    let taken = tokio::task::spawn_blocking(move || {
        prices::refresh(&at.paths().data, found, at.settings().catalogue(), keep, now)
    });
    taken.await.unwrap_or(Err(PricesError::Stopped))
}

/// A refresh in the admin API's shape.
#[must_use]
pub fn refresh_view(outcome: &Outcome, keep: Keep) -> RefreshView {
    let Outcome { list, from, changes, quarantined } = outcome;
    let changed = changes.changed.iter().take(SHOWN_MAX);
    RefreshView {
        list: list.to_string(),
        from: from.clone(),
        stored: keep == Keep::Store,
        added: changes.added.len(),
        added_rows: changes.added.iter().take(SHOWN_MAX).map(PriceRowView::from).collect(),
        changed: changes.changed.len(),
        changed_rows: changed
            .map(|(after, before)| PriceChangeView { before: before.into(), after: after.into() })
            .collect(),
        unchanged: changes.unchanged,
        quarantined: quarantined.iter().map(QuarantinedView::from).collect(),
    }
}

impl From<&Quarantined> for QuarantinedView {
    fn from(it: &Quarantined) -> Self {
        Self { name: it.name.clone(), why: it.why.clone() }
    }
}

impl From<&PriceRow> for PriceRowView {
    fn from(it: &PriceRow) -> Self {
        let services = it.services.iter().map(|(service, prices)| ServicePricesView {
            service: service.as_str().to_owned(),
            rates: rates_view(&prices.rates),
            tiers: prices.tiers.iter().map(tier_view).collect(),
        });
        Self {
            id: it.id.clone(),
            provider: it.provider.clone(),
            model: it.model.clone(),
            from_ms: it.valid_from.map(|it| it.0),
            until_ms: it.valid_until.map(|it| it.0),
            daily_from_minute: it.daily.map(|it| it.from_minute),
            daily_until_minute: it.daily.map(|it| it.until_minute),
            source: it.source.clone(),
            checked_on: it.checked_on.clone(),
            rates: rates_view(&it.rates),
            tiers: it.tiers.iter().map(tier_view).collect(),
            services: services.collect(),
        }
    }
}

fn rates_view(rates: &Rates) -> RatesView {
    let priced = rates.by_kind().into_iter();
    let priced = priced.filter_map(|(kind, rate): (_, Option<PicoUsd>)| Some((kind, rate?)));
    priced.map(|(kind, rate)| (kind.to_owned(), money(rate))).collect()
}

fn tier_view(tier: &Tier) -> PriceTierView {
    PriceTierView { above_prompt_tokens: tier.above_prompt_tokens, rates: rates_view(&tier.rates) }
}
