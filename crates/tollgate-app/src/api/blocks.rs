//! The kill switch: whose calls are refused.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tollgate_gateway::Blocks;
use utoipa::ToSchema;

use super::ApiError;
use crate::{App, blocks::BlocksError};

/// Whose calls are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlocksView {
    /// Everybody's.
    pub all: bool,
    /// Those of these programs.
    pub programs: Vec<String>,
    /// How many calls under way the change has cut.
    pub cut: u64,
}

/// What to block, or to let through again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockView {
    /// The program's name, as its calls have it; `null`: all calls.
    pub program: Option<String>,
    /// Whether its calls are refused from now on.
    pub blocked: bool,
    /// Whether its calls under way end too.
    #[serde(default)]
    pub cut: bool,
}

/// Whose calls are refused.
#[utoipa::path(get, path = "/blocks", responses((status = 200, body = BlocksView)))]
pub async fn list_blocks(State(app): State<Arc<App>>) -> Json<BlocksView> {
    Json(view(app.settings().blocks().get(), 0))
}

/// Blocks a program's calls, or all, or lets them through again: calls that begin after the answer go
/// by it, also after a restart.
///
/// # Errors
/// When the program's name is none, or that cannot be stored.
#[utoipa::path(post, path = "/blocks", request_body = BlockView, responses((status = 200, body = BlocksView)))]
pub async fn set_block(
    State(app): State<Arc<App>>,
    Json(asked): Json<BlockView>,
) -> Result<Json<BlocksView>, ApiError> {
    super::blocking(move || {
        let BlockView { program, blocked, cut } = asked;
        let blocks = app.settings().blocks().change(|it| match program {
            None => it.all = blocked,
            Some(program) if blocked => {
                it.programs.insert(program);
            }
            Some(program) => {
                it.programs.remove(&program);
            }
        })?;
        app.settings().serve(app.gateway());
        let ended = if blocked && cut { app.gateway().cut_blocked() } else { 0 };
        Ok(Json(view(blocks, u64::try_from(ended).unwrap_or(u64::MAX))))
    })
    .await
}

fn view(blocks: Blocks, cut: u64) -> BlocksView {
    BlocksView { all: blocks.all, programs: blocks.programs.into_iter().collect(), cut }
}

impl From<BlocksError> for ApiError {
    fn from(error: BlocksError) -> Self {
        match error {
            BlocksError::Invalid(message) => Self::Invalid(message),
            BlocksError::File { .. } | BlocksError::Damaged { .. } => Self::Blocks(error),
        }
    }
}
