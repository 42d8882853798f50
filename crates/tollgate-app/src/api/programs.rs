//! Programs that call, with what they cost.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use tollgate_core::UnixMs;
use tollgate_gateway::LiveCall;
use tollgate_ledger::{ProgramRow, SumQuery, Sums};
use utoipa::IntoParams;

use super::{
    ApiError, convert,
    view::{ProgramView, UsageView},
};
use crate::App;

/// Processes named of a program that has only calls under way: as many as the ledger names.
const PIDS_SHOWN_MAX: usize = 8;

/// Which programs to send.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProgramsQuery {
    /// Only calls that began at this time or later; all without it.
    pub since_ms: Option<i64>,
}

/// Programs, the dearest first; those of which no call is settled yet come last.
///
/// # Errors
/// When the ledger cannot be read.
#[utoipa::path(get, path = "/programs", params(ProgramsQuery), responses((status = 200, body = Vec<ProgramView>)))]
pub async fn list_programs(
    State(app): State<Arc<App>>,
    Query(query): Query<ProgramsQuery>,
) -> Result<Json<Vec<ProgramView>>, ApiError> {
    app.written().await;
    let reader = app.reader();
    let asked = SumQuery {
        since: query.since_ms.map(UnixMs),
        simulated: app.summed(),
        ..SumQuery::default()
    };
    let rows = super::blocking(move || Ok(reader.programs(&asked)?)).await?;
    let mut live: HashMap<Option<String>, Vec<Arc<LiveCall>>> = HashMap::new();
    for call in app.gateway().live() {
        let program = call.caller.as_ref().map(|it| it.program.clone());
        live.entry(program).or_default().push(call);
    }
    let mut programs: Vec<_> = rows.into_iter().map(settled).collect();
    for it in &mut programs {
        it.live = live.remove(&it.program).map_or(0, |it| as_count(it.len()));
    }
    // What has only calls under way is not in the ledger yet.
    programs.extend(live.into_iter().map(|(program, calls)| beginner(program, &calls)));
    let traffic = app.capture().traffic_by_program();
    for it in &mut programs {
        let seen = it.program.as_ref().and_then(|it| traffic.as_ref()?.get(it));
        it.packets = seen.map(|it| it.packets);
        it.bytes = seen.map(|it| it.bytes);
    }
    Ok(Json(programs))
}

/// A program as the ledger knows it.
fn settled(it: ProgramRow) -> ProgramView {
    let row = convert::cost_row(it.program, &it.sums);
    ProgramView {
        program: row.key,
        exe: it.exe,
        pids: it.pids,
        projects: it.projects.into_iter().map(|it| it.name).collect(),
        calls: row.calls,
        live: 0,
        failed: row.failed,
        unknown_cost: row.unknown_cost,
        unknown_usage: row.unknown_usage,
        counted_usage: row.counted_usage,
        cost_pico_usd: row.cost_pico_usd,
        estimated_pico_usd: row.estimated_pico_usd,
        usage: row.usage,
        first_seen_ms: it.sums.first_at_ms.map(|it| it.0),
        last_seen_ms: it.sums.last_at_ms.map(|it| it.0),
        packets: None,
        bytes: None,
    }
}

/// A program of which no call is settled.
fn beginner(program: Option<String>, live: &[Arc<LiveCall>]) -> ProgramView {
    let callers = || live.iter().rev().filter_map(|it| it.caller.as_deref());
    let pids: BTreeSet<_> = callers().map(|it| it.process.pid).collect();
    let projects: BTreeSet<_> =
        callers().filter_map(|it| it.project.as_ref()).map(|it| it.name.clone()).collect();
    let began = || live.iter().map(|it| it.started_at_ms.0);
    let exe = callers().find_map(|it| it.exe.clone());
    let nothing = ProgramRow {
        program,
        exe,
        sums: Sums::default(),
        projects: Vec::new(),
        pids: pids.into_iter().rev().take(PIDS_SHOWN_MAX).collect(),
    };
    ProgramView {
        projects: projects.into_iter().collect(),
        live: as_count(live.len()),
        usage: UsageView::default(),
        first_seen_ms: began().min(),
        last_seen_ms: began().max(),
        ..settled(nothing)
    }
}

fn as_count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
