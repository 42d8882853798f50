//! `tollgate status`, `on`, `off` and `doctor`.

use std::process::ExitCode;

use anyhow::Result;
use tollgate_app::{
    api::{
        console::ConsoleView,
        view::{CheckView, HelperState, StatusView},
    },
    client::ClientError,
    doctor,
};

use crate::{args::Json, output};

/// Prints the status, and where the web console is.
pub(super) async fn status(json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let status: StatusView = client.get("/status").await?;
    if json.json {
        return output::json_pretty(&status);
    }
    print(&status)?;
    let console: ConsoleView = client.get("/console").await?;
    match console.address {
        Some(address) => output::line(&format!("console   {address}")),
        None => Ok(()),
    }
}

/// Turns the gateway on or off and prints the status.
pub(super) async fn switch(on: bool) -> Result<()> {
    let (client, _) = super::client()?;
    let body = serde_json::json!({ "on": on });
    let status: StatusView = client.post("/gateway", &body).await?;
    print(&status)
}

fn print(status: &StatusView) -> Result<()> {
    let simulated = if status.simulated { " (SIMULATED: nobody is billed)" } else { "" };
    let gateway = match &status.listen {
        Some(listen) => format!("on, http://{listen}{simulated}"),
        None => format!("off{simulated}"),
    };
    output::line(&format!("gateway   {gateway}"))?;
    output::line(&format!("today     {}, {} under way", today(status), status.live_calls))?;
    let helper = match status.helper.state {
        HelperState::Connected => {
            let attached = status.helper.probes.iter().filter(|it| it.attached).count();
            format!("connected, {attached} of {} probes attached", status.helper.probes.len())
        }
        HelperState::Absent | HelperState::Failed => {
            let reason = status.helper.reason.as_deref().unwrap_or("not connected yet");
            format!("none: {reason}")
        }
    };
    output::line(&format!("helper    {helper}"))?;
    let capture = &status.capture;
    if status.helper.state == HelperState::Connected {
        output::line(&format!(
            "packets   {} seen, {} of no interest, {} delivered, {} lost in the ring, {} dropped by a slow reader, {} kept",
            capture.seen,
            capture.filtered,
            capture.delivered,
            capture.ring_full,
            capture.reader_slow,
            capture.kept
        ))?;
    }
    let losses = [
        (capture.copy_failed, "packets not copied"),
        (capture.shortened, "packets shortened"),
        (capture.events_lost, "other events lost"),
        (capture.incomplete, "facts not read"),
    ];
    let losses: Vec<String> =
        losses.iter().filter(|it| it.0 > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if !losses.is_empty() {
        output::line(&format!("losses    {}", losses.join(", ")))?;
    }
    if let Some(problem) = &status.configuration_problem {
        output::line(&format!("config    {problem}"))?;
    }
    if status.ledger_lost > 0 {
        output::line(&format!("ledger    {} calls could not be written", status.ledger_lost))?;
    }
    Ok(())
}

fn today(status: &StatusView) -> String {
    match (&status.today_cost_pico_usd, status.today_unknown_cost, status.today_calls) {
        (Some(cost), Some(unknown), Some(calls)) => {
            let estimated = status.today_estimated_pico_usd.as_deref().unwrap_or("0");
            format!("{}, {calls} calls", output::sum(cost, estimated, unknown))
        }
        _ => "unknown: the ledger cannot be read".to_owned(),
    }
}

/// Prints what works and what does not; fails when something is wrong.
pub(super) async fn doctor(json: Json) -> Result<ExitCode> {
    let (client, _) = super::client()?;
    let checks: Vec<CheckView> = match client.get("/doctor").await {
        Ok(checks) => checks,
        Err(ClientError::NotRunning(_)) => {
            doctor::checks_without_gateway(&super::paths()?, super::environment()).await
        }
        Err(err) => return Err(err.into()),
    };
    if json.json {
        output::json_pretty(&checks)?;
    } else {
        for it in &checks {
            output::line(&format!("{:8} {}: {}", it.level, it.name, it.found))?;
            if let Some(remedy) = &it.remedy {
                output::line(&format!("         {remedy}"))?;
            }
        }
    }
    let wrong = checks.iter().any(|it| it.level == "error");
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
