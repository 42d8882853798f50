//! The file of credentials, where no keyring can be used.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tollgate_core::Secret;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::ApiError;
use crate::{App, credentials::CredentialError};

/// What opens the file.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockView {
    /// Its passphrase.
    #[schema(value_type = String)]
    pub passphrase: Zeroizing<String>,
}

/// Opens the file of credentials for as long as the gateway runs, and reads the credentials in it.
///
/// # Errors
/// When the passphrase is wrong, or the file cannot be read.
#[utoipa::path(post, path = "/credentials/unlock", request_body = UnlockView, responses((status = 200)))]
pub async fn unlock(
    State(app): State<Arc<App>>,
    Json(asked): Json<UnlockView>,
) -> Result<Json<()>, ApiError> {
    let passphrase = Secret::new(asked.passphrase.as_str().to_owned());
    let file = Arc::clone(app.settings().credentials());
    super::blocking(move || file.unlock(&passphrase).map_err(ApiError::from)).await?;
    app.reload();
    Ok(Json(()))
}

impl From<CredentialError> for ApiError {
    fn from(error: CredentialError) -> Self {
        Self::Invalid(error.to_string())
    }
}
