//! The way to the web console.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
