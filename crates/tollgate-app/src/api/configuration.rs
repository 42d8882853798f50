//! The configuration in force.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use crate::App;

/// Reads the configuration and the keys that it names again, soon after the answer. It also happens
/// by itself when the file changes; this is for a key that was stored meanwhile.
#[utoipa::path(post, path = "/configuration/reload", responses((status = 202)))]
pub async fn reload(State(app): State<Arc<App>>) -> (StatusCode, Json<()>) {
    app.reload();
    (StatusCode::ACCEPTED, Json(()))
}
