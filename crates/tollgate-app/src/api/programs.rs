//! Programs that call, with what they cost.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use tollgate_core::UnixMs;
use tollgate_ledger::SumQuery;
use utoipa::IntoParams;

use super::{ApiError, convert, view::ProgramView};
use crate::App;

/// Which programs to send.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProgramsQuery {
    /// Only calls that began at this time or later; all without it.
    pub since_ms: Option<i64>,
}

/// Programs, the dearest first.
///
/// # Errors
/// When the ledger cannot be read.
#[utoipa::path(get, path = "/programs", params(ProgramsQuery), responses((status = 200, body = Vec<ProgramView>)))]
pub async fn list_programs(
    State(app): State<Arc<App>>,
    Query(query): Query<ProgramsQuery>,
) -> Result<Json<Vec<ProgramView>>, ApiError> {
    let reader = app.reader();
    let asked = SumQuery {
        since: query.since_ms.map(UnixMs),
        simulated: app.summed(),
        ..SumQuery::default()
    };
    let rows = super::blocking(move || Ok(reader.programs(&asked)?)).await?;
    let mut live: HashMap<Option<String>, u64> = HashMap::new();
    for call in app.gateway().live() {
        *live.entry(call.caller.as_ref().map(|it| it.program.clone())).or_default() += 1;
    }
    let traffic = app.capture().traffic_by_program();
    let programs = rows.into_iter().map(|it| {
        let live = live.get(&it.program).copied().unwrap_or(0);
        let seen = it.program.as_ref().and_then(|it| traffic.as_ref()?.get(it));
        let row = convert::cost_row(it.program, &it.sums);
        ProgramView {
            live,
            packets: seen.map(|it| it.packets),
            bytes: seen.map(|it| it.bytes),
            program: row.key,
            exe: it.exe,
            pids: it.pids,
            projects: it.projects.into_iter().map(|it| it.name).collect(),
            calls: row.calls,
            failed: row.failed,
            unknown_cost: row.unknown_cost,
            cost_pico_usd: row.cost_pico_usd,
            usage: row.usage,
            first_seen_ms: it.sums.first_at_ms.map(|it| it.0),
            last_seen_ms: it.sums.last_at_ms.map(|it| it.0),
        }
    });
    Ok(Json(programs.collect()))
}
