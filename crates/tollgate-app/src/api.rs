//! The one admin API: axum routes with an OpenAPI document, carried by three thin transports.
//!
//! The routes know nothing of who may use them: HTTP asks for the token first, the unix socket for
//! the peer's uid, and the window is the process itself.

#![expect(unused_qualifications, reason = "`utoipa::path` repeats the extractors' types")]

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{App, StartError};

pub mod blocks;
pub mod budgets;
pub mod cache;
pub mod calls;
pub mod configuration;
pub mod console;
pub mod convert;
pub mod costs;
pub mod credentials;
pub mod doctor;
pub mod events;
mod frame;
pub mod guardrails;
pub mod keys;
pub mod ledger;
pub mod metrics;
pub mod models;
pub mod packets;
pub mod prices;
pub mod programs;
pub mod providers;
pub mod rules;
pub mod status;
pub mod stream;
pub mod view;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Tollgate admin API", license(name = "Apache-2.0")),
    components(schemas(view::EventView, view::ErrorView))
)]
struct Document;

fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(status::get_status))
        .routes(routes!(status::set_gateway))
        .routes(routes!(status::set_capture))
        .routes(routes!(status::clear_capture))
        .routes(routes!(calls::list_calls))
        .routes(routes!(calls::get_call))
        .routes(routes!(calls::delete::delete_calls))
        .routes(routes!(calls::export::export_calls))
        .routes(routes!(calls::get_call_packets))
        .routes(routes!(packets::list_packets))
        .routes(routes!(packets::get_packet))
        .routes(routes!(packets::get_pcapng))
        .routes(routes!(packets::list_flows))
        .routes(routes!(stream::get_stream))
        .routes(routes!(programs::list_programs))
        .routes(routes!(providers::list_providers))
        .routes(routes!(providers::test_provider))
        .routes(routes!(costs::get_costs))
        .routes(routes!(costs::get_costs_csv))
        .routes(routes!(models::list_models))
        .routes(routes!(models::list_reachable))
        .routes(routes!(prices::list_prices, prices::set_price))
        .routes(routes!(prices::refresh_prices))
        .routes(routes!(prices::reprice_calls))
        .routes(routes!(rules::list_rules))
        .routes(routes!(rules::read_rules))
        .routes(routes!(rules::test_rules))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::rotate_key))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(ledger::get_ledger))
        .routes(routes!(ledger::set_keeping))
        .routes(routes!(ledger::back_up))
        .routes(routes!(blocks::list_blocks, blocks::set_block))
        .routes(routes!(credentials::unlock))
        .routes(routes!(metrics::get_metrics))
        .routes(routes!(budgets::list_budgets))
        .routes(routes!(cache::get_cache))
        .routes(routes!(cache::clear_cache))
        .routes(routes!(guardrails::list_guardrails))
        .routes(routes!(guardrails::list_hits))
        .routes(routes!(guardrails::test_guardrails))
        .routes(routes!(guardrails::list_exceptions, guardrails::make_exception))
        .routes(routes!(guardrails::end_exception))
        .routes(routes!(doctor::get_doctor))
        .routes(routes!(configuration::reload))
        .routes(routes!(console::get_console))
        .routes(routes!(console::rotate_token))
        .routes(routes!(events::get_events))
}

/// The admin API's routes, to stand below `/api`.
pub fn router(app: Arc<App>) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .route("/openapi.json", get(async || openapi_json()))
        .fallback(no_such_path)
        .with_state(app)
}

/// The OpenAPI document of the admin API, as indented JSON.
#[must_use]
pub fn openapi_json() -> String {
    let (_, document) = routes().split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

async fn no_such_path() -> ApiError {
    ApiError::NotFound("path")
}

/// A request that the admin API refuses.
#[must_use]
pub fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(view::ErrorView { message: message.to_owned() })).into_response()
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Something in the request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The ledger failed.
    #[error("read the ledger")]
    Ledger(#[from] tollgate_ledger::LedgerError),
    /// Prices cannot be refreshed or read.
    #[error(transparent)]
    Prices(crate::prices::PricesError),
    /// Local keys cannot be made or stored.
    #[error(transparent)]
    Keys(crate::keys::KeysError),
    /// What is blocked cannot be stored.
    #[error(transparent)]
    Blocks(crate::blocks::BlocksError),
    /// A new admin token cannot be stored.
    #[error("store a new admin token")]
    Token(#[source] std::io::Error),
    /// Exceptions of guardrails cannot be stored.
    #[error(transparent)]
    Exceptions(crate::exceptions::ExceptionsError),
    /// The gateway cannot be turned on.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A task of ours broke.
    #[error("the request was not finished")]
    Broken,
}

impl axum::response::IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Start(_) => StatusCode::CONFLICT,
            Self::Prices(_) => StatusCode::BAD_GATEWAY,
            Self::Ledger(_)
            | Self::Keys(_)
            | Self::Token(_)
            | Self::Blocks(_)
            | Self::Exceptions(_)
            | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // The whole chain: the last cause is what a person can act on.
        let mut message = self.to_string();
        let mut cause = std::error::Error::source(&self);
        while let Some(it) = cause {
            message.push_str(": ");
            message.push_str(&it.to_string());
            cause = it.source();
        }
        refused(status, &message)
    }
}

/// Runs what reads the ledger where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::Broken)?
}
