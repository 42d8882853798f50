//! Sums of money, beside those of the time before.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};
use tollgate_core::UnixMs;
use tollgate_ledger::{CostKey, CostRow, Reader, SeriesPoint, Simulated, Step, SumQuery, Sums};
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError, convert,
    view::{CostStep, CostStepView, CostsView, PreviousView},
};
use crate::App;

mod csv;

const QUARTER_MS: i64 = 900_000;
const DAY_MS: i64 = 96 * QUARTER_MS;
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
    /// The local key.
    Key,
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
    /// From when; thirty days ago without it. A time within a quarter of an hour stands for the
    /// quarter's beginning.
    pub since_ms: Option<i64>,
    /// Until when; now without it. A time within a quarter of an hour stands for the quarter's end.
    pub until_ms: Option<i64>,
}

/// Costs by model, provider, program, project, key or day, with the steps of a chart and the sums of
/// the time before. Calls of the simulator are summed only while it stands in for the providers, and
/// are then all there is.
///
/// # Errors
/// When the time is no span.
#[utoipa::path(get, path = "/costs", params(CostsQuery), responses((status = 200, body = CostsView)))]
pub async fn get_costs(
    State(app): State<Arc<App>>,
    Query(query): Query<CostsQuery>,
) -> Result<Json<CostsView>, ApiError> {
    costs(&app, &query).await.map(Json)
}

/// The same sums as comma-separated values (RFC 4180), every kind of token in a column of its own
/// and amounts in dollars with every digit.
///
/// # Errors
/// As those of the sums.
#[utoipa::path(get, path = "/costs.csv", params(CostsQuery), responses((status = 200, body = String, content_type = "text/csv")))]
pub async fn get_costs_csv(
    State(app): State<Arc<App>>,
    Query(query): Query<CostsQuery>,
) -> Result<Response, ApiError> {
    let text = csv::text(query.by, &costs(&app, &query).await?);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"tollgate-costs.csv\""),
    ];
    Ok((headers, text).into_response())
}

async fn costs(app: &App, query: &CostsQuery) -> Result<CostsView, ApiError> {
    let span = Span::asked(query, app.clock().now())?;
    app.written().await;
    let reader = app.reader();
    let (by, simulated) = (query.by, app.summed());
    let mut view =
        super::blocking(move || view(&reader, by, simulated, span, &TimeZone::system())).await?;
    view.simulated = app.is_simulated();
    Ok(view)
}

/// A stretch of time in whole quarters of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    since: i64,
    until: i64,
}

impl Span {
    fn asked(query: &CostsQuery, now: UnixMs) -> Result<Self, ApiError> {
        let until = query.until_ms.unwrap_or(now.0.saturating_add(1));
        let since = query.since_ms.unwrap_or(until.saturating_sub(DEFAULT_SPAN_MS));
        if !(1..=SPAN_MS_MAX).contains(&until.saturating_sub(since)) {
            let message = "`since_ms` must be before `until_ms`, by ten years at most".to_owned();
            return Err(ApiError::Invalid(message));
        }
        let down = |at: i64| at.div_euclid(QUARTER_MS) * QUARTER_MS;
        Ok(Self { since: down(since), until: down(until.saturating_add(QUARTER_MS - 1)) })
    }

    /// The stretch of the same length that this one is compared with. One that begins with a day is
    /// compared with the same times of as many days before, so that a morning stands beside a
    /// morning and a Monday beside a Monday; any other with the time that ends where it begins.
    fn before(self, zone: &TimeZone) -> Self {
        self.days_before(zone).unwrap_or(Self {
            since: self.since.saturating_sub(self.until.saturating_sub(self.since)),
            until: self.since,
        })
    }

    /// `None` when it does not begin with a day, or a calendar cannot say.
    fn days_before(self, zone: &TimeZone) -> Option<Self> {
        let local = |at| Some(Timestamp::from_millisecond(at).ok()?.to_zoned(zone.clone()));
        let (since, until) = (local(self.since)?, local(self.until)?);
        if since.start_of_day().ok()? != since {
            return None;
        }
        let last = local(self.until.saturating_sub(1))?.date();
        let days = since.date().until(last).ok()?.get_days().checked_add(1)?;
        let ms = |it: &jiff::Zoned| {
            it.checked_sub(days.days()).ok().map(|it| it.timestamp().as_millisecond())
        };
        Some(Self { since: ms(&since)?, until: ms(&until)? })
    }

    /// Until the day ends that it ends in: a chart has room for the rest of today.
    fn until_midnight(self, zone: &TimeZone) -> i64 {
        let midnight = || {
            let last = Timestamp::from_millisecond(self.until.saturating_sub(1)).ok()?;
            let next = last.to_zoned(zone.clone()).tomorrow().ok()?.start_of_day().ok()?;
            Some(next.timestamp().as_millisecond())
        };
        midnight().unwrap_or(self.until)
    }

    fn query(self, simulated: Simulated, zone: &TimeZone) -> SumQuery {
        let (since, until) = (Some(UnixMs(self.since)), Some(UnixMs(self.until)));
        SumQuery { since, until, simulated, zone: zone.clone() }
    }
}

fn view(
    reader: &Reader,
    by: By,
    simulated: Simulated,
    span: Span,
    zone: &TimeZone,
) -> Result<CostsView, ApiError> {
    let key = match by {
        By::Model => CostKey::Model,
        By::Provider => CostKey::Provider,
        By::Program => CostKey::Program,
        By::Project => CostKey::Project,
        By::Key => CostKey::Key,
        By::Day => CostKey::Day,
    };
    let rows = reader.costs(key, &span.query(simulated, zone))?;
    let before = span.before(zone);
    let rows_before = reader.costs(key, &before.query(simulated, zone))?;
    let is_hourly = span.until - span.since <= HOURLY_SPAN_MS;
    let step = if is_hourly { Step::Hour } else { Step::Day };
    let whole_days = Span { until: span.until_midnight(zone), ..span };
    let steps = reader.cost_series(step, &whole_days.query(simulated, zone))?;
    let total = total_of(&rows);
    Ok(CostsView {
        since_ms: span.since,
        until_ms: span.until,
        unknown: convert::unknown_costs(&total.unknown_costs),
        total: convert::cost_row(None, &total),
        rows: rows.into_iter().map(|it| convert::cost_row(it.key, &it.sums)).collect(),
        previous: PreviousView {
            since_ms: before.since,
            until_ms: before.until,
            total: convert::cost_row(None, &total_of(&rows_before)),
            rows: rows_before.into_iter().map(|it| convert::cost_row(it.key, &it.sums)).collect(),
        },
        first_call_ms: reader.first_call_at(simulated)?.map(|it| it.0),
        steps: steps.iter().map(step_view).collect(),
        step: if is_hourly { CostStep::Hour } else { CostStep::Day },
        simulated: false,
    })
}

/// Every call is in one row: a sum of its own could have a call more.
fn total_of(rows: &[CostRow]) -> Sums {
    let mut total = Sums::default();
    rows.iter().for_each(|it| total.add(&it.sums));
    total
}

fn step_view(it: &SeriesPoint) -> CostStepView {
    CostStepView {
        start_ms: it.at_ms.0,
        end_ms: it.until_ms.0,
        calls: it.sums.calls,
        unknown_cost: it.sums.unknown_costs.calls(),
        cost_pico_usd: convert::money(it.sums.cost),
        estimated_pico_usd: convert::money(it.sums.estimated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 4 * QUARTER_MS;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_time_within_a_quarter_of_an_hour_stands_for_all_of_it() {
        let check = |since: &str, until: &str, expected: (&str, &str)| {
            let (since_ms, until_ms) = (Some(at(since)), Some(at(until)));
            let query = CostsQuery { by: By::Model, since_ms, until_ms };
            let span = Span::asked(&query, UnixMs(0)).unwrap();
            assert_eq!(span, Span { since: at(expected.0), until: at(expected.1) });
        };
        let (nine, ten) = ("2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z");
        check(nine, ten, (nine, ten));
        check("2026-11-23T09:14:59Z", "2026-11-23T09:45:00.001Z", (nine, ten));
        let nothing = CostsQuery { by: By::Model, since_ms: Some(5), until_ms: Some(5) };
        assert!(Span::asked(&nothing, UnixMs(0)).is_err());
    }

    #[test]
    fn what_is_compared_with_is_as_long_and_like_with_like() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let check = |since: &str, until: &str, expected: (&str, &str)| {
            let before = Span { since: at(since), until: at(until) }.before(&zone);
            assert_eq!(before, Span { since: at(expected.0), until: at(expected.1) }, "{since}");
        };
        // Today until half past ten: yesterday until half past ten.
        check(
            "2026-11-23T00:00+01:00",
            "2026-11-23T10:30+01:00",
            ("2026-11-22T00:00+01:00", "2026-11-22T10:30+01:00"),
        );
        // A whole day, and seven of them.
        check(
            "2026-11-23T00:00+01:00",
            "2026-11-24T00:00+01:00",
            ("2026-11-22T00:00+01:00", "2026-11-23T00:00+01:00"),
        );
        check(
            "2026-11-17T00:00+01:00",
            "2026-11-23T10:30+01:00",
            ("2026-11-10T00:00+01:00", "2026-11-16T10:30+01:00"),
        );
        // Midnight is midnight when clocks change in between.
        check(
            "2026-10-26T00:00+01:00",
            "2026-10-26T08:00+01:00",
            ("2026-10-25T00:00+02:00", "2026-10-25T08:00+01:00"),
        );
        // What begins at any other time follows on what it is compared with.
        check(
            "2026-11-23T09:15+01:00",
            "2026-11-23T10:30+01:00",
            ("2026-11-23T08:00+01:00", "2026-11-23T09:15+01:00"),
        );
    }

    #[test]
    fn a_chart_has_room_for_the_rest_of_the_day() {
        let span = Span { since: 0, until: 10 * HOUR_MS };
        assert_eq!(span.until_midnight(&TimeZone::UTC), DAY_MS);
        let whole = Span { since: 0, until: DAY_MS };
        assert_eq!(whole.until_midnight(&TimeZone::UTC), DAY_MS);
    }
}
