//! What works here and what does not, with a remedy for each.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::view::CheckView;
use crate::{App, doctor};

/// Checks everything that Tollgate needs.
#[utoipa::path(get, path = "/doctor", responses((status = 200, body = Vec<CheckView>)))]
pub async fn get_doctor(State(app): State<Arc<App>>) -> Json<Vec<CheckView>> {
    Json(doctor::checks(&app).await)
}
