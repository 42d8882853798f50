//! The way to the web console.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use crate::App;

/// Where the web console is.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ConsoleView {
    /// Its address with the admin token in it: whoever has it may do anything here. `null` while
    /// the gateway is off.
    pub address: Option<String>,
}

/// The web console's address, for who may have it.
#[utoipa::path(get, path = "/console", responses((status = 200, body = ConsoleView)))]
pub async fn get_console(State(app): State<Arc<App>>) -> Json<ConsoleView> {
    let address = app.listening().map(|it| app.console_address(it));
    Json(ConsoleView { address })
}

/// Replaces the admin token and tells the new address. The former token is refused from then on, and
/// the streams of pages that were opened with it end: they ask for the new one.
///
/// # Errors
/// When the new token cannot be stored; the former one stays good.
#[utoipa::path(post, path = "/console/rotate", responses((status = 200, body = ConsoleView)))]
pub async fn rotate_token(State(app): State<Arc<App>>) -> Result<Json<ConsoleView>, ApiError> {
    let rotated = Arc::clone(&app);
    super::blocking(move || rotated.token().rotate().map_err(ApiError::Token)).await?;
    tracing::info!("the admin token was replaced");
    Ok(get_console(State(app)).await)
}
