//! Metrics for Prometheus.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};

use crate::{
    App,
    metrics::{MEDIA_TYPE, Moment},
};

/// Sums of the calls since the gateway started, and what is true now, in the OpenMetrics text format
/// that Prometheus scrapes.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub async fn get_metrics(State(app): State<Arc<App>>) -> Response {
    let budgets = app.gateway().budgets();
    let ledger = app.ledger_progress();
    let now = Moment {
        live_calls: app.gateway().live().len(),
        ledger: &ledger,
        lost_calls: app.ledger_lost(),
        otlp_lost_calls: app.hub().otlp().lost(),
        budgets: &budgets,
    };
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], app.hub().metrics().text(&now)).into_response()
}
