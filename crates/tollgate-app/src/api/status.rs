//! What the header and the tray show, and the switches beside it.

use std::sync::Arc;

use axum::{Json, extract::State};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use tollgate_core::UnixMs;
use tollgate_ledger::SumQuery;
use utoipa::ToSchema;

use super::{
    ApiError, convert,
    view::{CaptureView, HelperView, StatusView},
};
use crate::{App, start::Toggle};

/// Whether the gateway serves, what was spent today, and how the capture does.
///
/// # Errors
/// None.
#[utoipa::path(get, path = "/status", responses((status = 200, body = StatusView)))]
pub async fn get_status(State(app): State<Arc<App>>) -> Json<StatusView> {
    Json(status(&app).await)
}

/// Which way the gateway's switch is to be.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct GatewaySwitch {
    /// Whether to serve.
    pub on: bool,
}

/// Turns the gateway on or off.
///
/// # Errors
/// When the port cannot be opened.
#[utoipa::path(post, path = "/gateway", request_body = GatewaySwitch, responses((status = 200, body = StatusView)))]
pub async fn set_gateway(
    State(app): State<Arc<App>>,
    Json(switch): Json<GatewaySwitch>,
) -> Result<Json<StatusView>, ApiError> {
    let toggle = if switch.on { Toggle::On } else { Toggle::Off };
    // In a task of its own: turning off breaks off requests, this one's connection among them.
    let switched = Arc::clone(&app);
    let task = tokio::spawn(async move { switched.set_on(toggle).await });
    task.await.map_err(|_| ApiError::Broken)??;
    Ok(Json(status(&app).await))
}

/// Which way the capture's switch is to be.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct CaptureSwitch {
    /// Whether new packets are left out.
    pub paused: bool,
}

/// Pauses or resumes the capture of packets.
#[utoipa::path(post, path = "/capture", request_body = CaptureSwitch, responses((status = 200, body = StatusView)))]
pub async fn set_capture(
    State(app): State<Arc<App>>,
    Json(switch): Json<CaptureSwitch>,
) -> Json<StatusView> {
    app.capture().set_paused(switch.paused);
    Json(status(&app).await)
}

/// Forgets all captured packets.
#[utoipa::path(post, path = "/capture/clear", responses((status = 200, body = StatusView)))]
pub async fn clear_capture(State(app): State<Arc<App>>) -> Json<StatusView> {
    app.capture().clear();
    Json(status(&app).await)
}

/// The status now. What a ledger that cannot be read would tell is unknown; `doctor` says why.
pub async fn status(app: &Arc<App>) -> StatusView {
    app.written().await;
    let listen = app.listening();
    let reader = app.reader();
    let midnight = midnight_before(app.clock().now());
    let today = SumQuery { since: Some(midnight), simulated: app.summed(), ..SumQuery::default() };
    let totals = tokio::task::spawn_blocking(move || reader.totals(&today)).await;
    let totals = totals.ok().and_then(Result::ok);
    let helper: HelperView = app.capture().helper();
    let capture: CaptureView = app.capture().counters();
    StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        on: listen.is_some(),
        address: app.address().await.to_string(),
        listen: listen.map(|it| it.to_string()),
        simulated: app.is_simulated(),
        today_cost_pico_usd: totals.as_ref().map(|it| convert::money(it.cost)),
        today_estimated_pico_usd: totals.as_ref().map(|it| convert::money(it.estimated)),
        today_calls: totals.as_ref().map(|it| it.calls),
        today_unknown_cost: totals.as_ref().map(|it| it.unknown_costs.calls()),
        live_calls: u64::try_from(app.gateway().live().len()).unwrap_or(u64::MAX),
        helper,
        capture,
        ledger_lost: app.ledger_lost(),
        configuration_file: app.paths().config.display().to_string(),
        configuration_problem: app.configuration_problem(),
    }
}

/// The last local midnight; UTC's where the machine has no time zone.
fn midnight_before(now: UnixMs) -> UnixMs {
    let midnight = Timestamp::from_millisecond(now.0)
        .ok()
        .and_then(|it| it.to_zoned(TimeZone::system()).start_of_day().ok());
    midnight.map_or(now, |it| UnixMs(it.timestamp().as_millisecond()))
}
