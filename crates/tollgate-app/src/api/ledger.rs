//! The ledger's file, and what is kept in it.

use std::{path::PathBuf, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiError, blocking};
use crate::{
    App,
    config::keep::{self, Keeping},
};

/// The ledger, and what is kept in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerView {
    /// The folder that it is in.
    pub folder: String,
    /// The configuration file.
    pub configuration: String,
    /// What is kept of what was said, by the configuration in force.
    pub keeping: Keeping,
    /// Bytes that what was said takes, compressed.
    pub bodies_bytes: u64,
    /// How many calls cannot be searched yet, whose words are still being read.
    pub unread: u64,
}

/// The ledger, and what is kept in it.
///
/// # Errors
/// When the ledger cannot be read.
#[utoipa::path(get, path = "/ledger", responses((status = 200, body = LedgerView)))]
pub async fn get_ledger(State(app): State<Arc<App>>) -> Result<Json<LedgerView>, ApiError> {
    let reader = app.reader();
    let (bodies_bytes, unread) =
        blocking(move || Ok((reader.bodies_bytes()?, reader.unread_calls()?))).await?;
    Ok(Json(LedgerView {
        folder: app.paths().data.display().to_string(),
        configuration: app.paths().config.display().to_string(),
        keeping: app.settings().keeping().into(),
        bodies_bytes,
        unread,
    }))
}

/// Writes into the configuration file what is to be kept of what was said; the gateway follows it soon
/// after. What is no longer to be kept is deleted within a minute.
///
/// # Errors
/// When that, or the file as it stands, is not acceptable; then nothing is written.
#[utoipa::path(post, path = "/ledger/keeping", request_body = Keeping, responses((status = 200)))]
pub async fn set_keeping(
    State(app): State<Arc<App>>,
    Json(wanted): Json<Keeping>,
) -> Result<Json<()>, ApiError> {
    let at = Arc::clone(&app);
    blocking(move || {
        keep::set(&at.paths().config, at.settings().catalogue(), wanted)
            .map_err(|err| ApiError::Invalid(crate::settings::with_causes(&err)))
    })
    .await?;
    app.reload();
    Ok(Json(()))
}

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
