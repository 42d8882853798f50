//! The ledger's file.

use std::{path::PathBuf, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiError, blocking};
use crate::App;

/// Where a copy of the ledger is to be.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct BackupWanted {
    /// The absolute path of a file that is not there yet.
    pub to: String,
}

/// A copy of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupView {
    /// Where it is.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// Copies the ledger as it is now into a new file that only the user may read. Calls go on meanwhile.
///
/// # Errors
/// When the path is not absolute, there is such a file already, or it cannot be written.
#[utoipa::path(post, path = "/ledger/backup", request_body = BackupWanted, responses((status = 200, body = BackupView)))]
pub async fn back_up(
    State(app): State<Arc<App>>,
    Json(wanted): Json<BackupWanted>,
) -> Result<Json<BackupView>, ApiError> {
    let to = PathBuf::from(&wanted.to);
    if !to.is_absolute() {
        return Err(ApiError::Invalid(format!("`{}` is not an absolute path", wanted.to)));
    }
    app.written().await;
    let reader = app.reader();
    let bytes = blocking(move || Ok(reader.backup(&to)?)).await?;
    Ok(Json(BackupView { path: wanted.to, bytes }))
}
