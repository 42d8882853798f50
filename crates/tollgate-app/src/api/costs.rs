//! Sums of money.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use tollgate_core::UnixMs;
use tollgate_ledger::{CostKey, SumQuery, Sums};
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError, convert,
    status::utc_offset_ms,
    view::{CostStepView, CostsView},
};
use crate::App;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The time that is summed unless asked otherwise.
const DEFAULT_SPAN_MS: i64 = 30 * DAY_MS;
/// Up to this span the chart's steps are hours, beyond it days.
const HOURLY_SPAN_MS: i64 = 2 * DAY_MS;
/// The longest span a chart is made for.
const SPAN_MS_MAX: i64 = 3_660 * DAY_MS;

/// What to sum by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The model that was asked for; the one that answered, where the request named none.
    #[default]
    Model,
    /// The provider.
    Provider,
    /// The program that asked.
    Program,
    /// The git project that it worked in, by its folder.
    Project,
    /// The local day.
    Day,
}

/// Which sums to send.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CostsQuery {
    /// What to sum by.
    #[serde(default)]
    #[param(inline)]
    pub by: By,
    /// From when; thirty days ago without it.
    pub since_ms: Option<i64>,
    /// Until when; now without it.
    pub until_ms: Option<i64>,
}

/// Costs by model, provider, program, project or day, with the steps of a chart. Calls of the
/// simulator are summed only while it stands in for the providers, and are then all there is.
///
/// # Errors
/// When the time is no span.
#[utoipa::path(get, path = "/costs", params(CostsQuery), responses((status = 200, body = CostsView)))]
pub async fn get_costs(
    State(app): State<Arc<App>>,
    Query(query): Query<CostsQuery>,
) -> Result<Json<CostsView>, ApiError> {
    let until = query.until_ms.unwrap_or(app.clock().now().0.saturating_add(1));
    let since = query.since_ms.unwrap_or(until.saturating_sub(DEFAULT_SPAN_MS));
    let span = until.saturating_sub(since);
    if !(1..=SPAN_MS_MAX).contains(&span) {
        let message = "`since_ms` must be before `until_ms`, by ten years at most".to_owned();
        return Err(ApiError::Invalid(message));
    }
    let step_ms = if span <= HOURLY_SPAN_MS { HOUR_MS } else { DAY_MS };
    app.written().await;
    let reader = app.reader();
    let key = match query.by {
        By::Model => CostKey::Model,
        By::Provider => CostKey::Provider,
        By::Program => CostKey::Program,
        By::Project => CostKey::Project,
        By::Day => CostKey::Day,
    };
    let asked = SumQuery {
        since: Some(UnixMs(since)),
        until: Some(UnixMs(until)),
        simulated: app.summed(),
        utc_offset_ms: utc_offset_ms(UnixMs(until)),
    };
    let simulated = app.is_simulated();
    super::blocking(move || {
        let rows = reader.costs(key, &asked)?;
        // Every call is in one row: a sum of its own could have a call more.
        let mut total = Sums::default();
        rows.iter().for_each(|it| total.add(&it.sums));
        let steps = reader.cost_series(step_ms, &asked)?;
        let step = |it: &tollgate_ledger::SeriesPoint| CostStepView {
            start_ms: it.at_ms.0,
            calls: it.sums.calls,
            unknown_cost: it.sums.unknown_cost_calls,
            cost_pico_usd: convert::money(it.sums.cost),
        };
        Ok(Json(CostsView {
            rows: rows.into_iter().map(|it| convert::cost_row(it.key, &it.sums)).collect(),
            total: convert::cost_row(None, &total),
            steps: steps.iter().map(step).collect(),
            step_ms,
            simulated,
        }))
    })
    .await
}
