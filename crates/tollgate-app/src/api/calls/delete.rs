//! Calls that are to be forgotten.

use std::sync::Arc;

use axum::{Json, extract::State};
use tollgate_core::{CallId, UnixMs};
use tollgate_ledger::{CALLS_LIMIT_MAX, CallFilter, CallQuery, Change, Reader};

use crate::{
    App,
    api::{
        ApiError, blocking,
        packets::parse_call,
        view::{DeleteCalls, DeletedView},
    },
};

/// Calls that are deleted in one transaction: others wait for their commit meanwhile.
const DELETE_STEP: usize = 200;

/// Calls that one request can name.
const IDS_MAX: usize = 1_000;

/// Deletes calls with what was said in them, or counts them. What they cost stays in all sums: the
/// money is spent. Calls under way are not among them.
///
/// # Errors
/// When nothing says which, an id cannot be read, or the ledger cannot be written.
#[utoipa::path(post, path = "/calls/delete", request_body = DeleteCalls, responses((status = 200, body = DeletedView)))]
pub async fn delete_calls(
    State(app): State<Arc<App>>,
    Json(asked): Json<DeleteCalls>,
) -> Result<Json<DeletedView>, ApiError> {
    let ids = asked.ids.iter().map(|it| parse_call(it)).collect::<Result<Vec<_>, _>>()?;
    let by_rest = asked.before_ms.is_some() || asked.program.is_some();
    if ids.is_empty() != by_rest {
        let how = "say which calls: give `ids`, or `before_ms` or `program`";
        return Err(ApiError::Invalid(how.to_owned()));
    }
    if ids.len() > IDS_MAX {
        return Err(ApiError::Invalid(format!("at most {IDS_MAX} `ids` can be given at once")));
    }
    app.written().await;
    let calls = if by_rest {
        // What is called meanwhile was not meant.
        let until = asked.before_ms.map_or_else(|| app.clock().now(), UnixMs);
        let filter = CallFilter { program: asked.program, ..CallFilter::default() };
        let query = CallQuery { until: Some(until), filter, ..CallQuery::default() };
        each_page(&app, query, asked.dry_run).await?
    } else {
        let reader = app.reader();
        let known = blocking(move || known(&reader, ids)).await?;
        forget(&app, &known, asked.dry_run).await?
    };
    Ok(Json(DeletedView { calls, deleted: !asked.dry_run }))
}

fn known(reader: &Reader, mut ids: Vec<CallId>) -> Result<Vec<CallId>, ApiError> {
    ids.sort_unstable();
    ids.dedup();
    let mut known = Vec::new();
    for id in ids {
        if reader.call(id)?.is_some() {
            known.push(id);
        }
    }
    Ok(known)
}

/// All calls that are meant, page by page.
async fn each_page(app: &App, mut query: CallQuery, dry_run: bool) -> Result<u64, ApiError> {
    query.limit = CALLS_LIMIT_MAX;
    let mut found = 0;
    loop {
        let (reader, asked) = (app.reader(), query.clone());
        let page = blocking(move || Ok(reader.calls(&asked)?)).await?;
        let ids: Vec<_> = page.iter().map(|it| it.id).collect();
        let here = forget(app, &ids, dry_run).await?;
        found += here;
        if here == 0 || ids.len() < CALLS_LIMIT_MAX {
            return Ok(found);
        }
        // Those that are gone are in the way of no others.
        query.before = ids.last().copied().filter(|_| dry_run);
    }
}

async fn forget(app: &App, ids: &[CallId], dry_run: bool) -> Result<u64, ApiError> {
    if dry_run {
        return Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX));
    }
    let mut found = 0;
    for step in ids.chunks(DELETE_STEP) {
        let changes = step.iter().map(|it| Change::Delete(*it)).collect();
        found += app.writer().change(changes).await?;
    }
    Ok(found)
}
