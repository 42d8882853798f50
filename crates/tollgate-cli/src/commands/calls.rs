//! `tollgate calls`.

use std::fmt::Write as _;

use anyhow::Result;
use tollgate_app::{
    api::view::{CallDetail, CallPage, CallState, CallView, EventView, UsageView},
    client::Client,
};

use crate::{args::CallsArgs, output};

/// Prints calls, or one call in full.
pub(super) async fn calls(args: CallsArgs) -> Result<()> {
    let (client, _) = super::client()?;
    if let Some(id) = &args.id {
        let detail: CallDetail = client.get(&format!("/calls/{}", output::query(id))).await?;
        return if args.json.json { output::json_pretty(&detail) } else { print_detail(&detail) };
    }
    // Begun first, so that nothing falls between the list and the stream.
    let mut events = match args.follow {
        true => Some(client.events("/events").await?),
        false => None,
    };
    let calls = list(&client, &args).await?;
    if args.json.json {
        for call in calls.iter().rev() {
            output::json(call)?;
        }
    } else {
        let header =
            ["time", "program", "provider", "model", "in", "out", "cost", "took", "status"];
        output::table(&header, calls.iter().rev().map(row))?;
    }
    let Some(events) = &mut events else { return Ok(()) };
    while let Some(event) = events.next().await? {
        match event {
            EventView::Call { call }
                if call.state != CallState::Live && is_wanted(&call, &args) =>
            {
                if args.json.json {
                    output::json(&call)?;
                } else {
                    output::line(&row(&call).join("  "))?;
                }
            }
            EventView::Lagged { missed } => output::note(&format!("{missed} events were missed")),
            EventView::Call { .. } | EventView::Packets { .. } | EventView::Status { .. } => {}
        }
    }
    Ok(())
}

/// The newest calls that are asked for, newest first: page by page, because one has its limit.
async fn list(client: &Client, args: &CallsArgs) -> Result<Vec<CallView>> {
    let mut query = format!("since_ms={}", super::since(&args.since)?);
    if let Some(text) = &args.filter {
        write!(query, "&text={}", output::query(text))?;
    }
    let mut calls = Vec::new();
    let mut before = String::new();
    loop {
        let wanted = args.limit.saturating_sub(calls.len());
        let page: CallPage = client.get(&format!("/calls?limit={wanted}&{query}{before}")).await?;
        calls.extend(page.calls);
        match page.next {
            Some(next) if calls.len() < args.limit => before = format!("&before={next}"),
            Some(_) | None => break,
        }
    }
    // Calls under way come on top of the first page.
    calls.truncate(args.limit);
    Ok(calls)
}

fn is_wanted(call: &CallView, args: &CallsArgs) -> bool {
    let Some(text) = &args.filter else { return true };
    let text = text.to_lowercase();
    row(call).iter().any(|it| it.to_lowercase().contains(&text))
}

fn row(call: &CallView) -> Vec<String> {
    let program = call
        .caller
        .as_ref()
        .map_or_else(|| output::UNKNOWN.to_owned(), |it| format!("{}[{}]", it.program, it.pid));
    let model = call.model_served.as_ref().or(call.model_asked.as_ref());
    vec![
        output::time(call.started_at_ms),
        program,
        call.provider.clone().unwrap_or_else(|| "-".to_owned()),
        model.cloned().unwrap_or_else(|| "-".to_owned()),
        output::number(prompt(&call.usage)),
        output::number(call.usage.output),
        cost(call),
        output::micros(call.duration_us),
        status(call),
    ]
}

fn prompt(usage: &UsageView) -> Option<u64> {
    let cached = [usage.cache_read, usage.cache_write_5m, usage.cache_write_1h];
    usage.input.map(|it| it + cached.into_iter().flatten().sum::<u64>())
}

fn cost(call: &CallView) -> String {
    if call.cost_pico_usd.is_none() && call.cost_unknown.is_none() {
        return "-".to_owned();
    }
    let simulated = if call.simulated { " (simulated)" } else { "" };
    format!("{}{simulated}", output::money(call.cost_pico_usd.as_deref()))
}

fn status(call: &CallView) -> String {
    let state = match call.state {
        CallState::Live => return "live".to_owned(),
        CallState::Finished => "",
        CallState::Failed => " failed",
        CallState::Cancelled => " cancelled",
    };
    let code = call.status.map_or_else(String::new, |it| it.to_string());
    let why = call.error_code.as_ref().map_or_else(String::new, |it| format!(" {it}"));
    format!("{code}{state}{why}").trim_start().to_owned()
}

fn print_detail(detail: &CallDetail) -> Result<()> {
    let call = &detail.call;
    output::line(&format!("call      {}", call.id))?;
    output::line(&format!("began     {}", output::day_and_time(call.started_at_ms)))?;
    output::line(&format!("request   {} {}", call.method, call.path))?;
    output::line(&format!("status    {}", status(call)))?;
    if let Some(message) = &call.error_message {
        output::line(&format!("error     {message}"))?;
    }
    if let Some(it) = &detail.caller {
        output::line(&format!(
            "program   {} (pid {}, found by {})",
            it.program, it.pid, it.source
        ))?;
        output::line(&format!("command   {}", it.argv.join(" ")))?;
        output::line(&format!("folder    {}", it.cwd.as_deref().unwrap_or(output::UNKNOWN)))?;
        output::line(&format!("project   {}", it.project.as_deref().unwrap_or("-")))?;
        let parents: Vec<_> =
            it.ancestors.iter().map(|it| format!("{}[{}]", it.program, it.pid)).collect();
        output::line(&format!("parents   {}", parents.join(" < ")))?;
    } else {
        output::line("program   ? (it could not be found)")?;
    }
    let model = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
    output::line(&format!(
        "model     {} asked, {} served",
        model(&call.model_asked),
        model(&call.model_served)
    ))?;
    for it in &detail.cost_lines {
        output::line(&format!(
            "  {:14} {:>10} x {} = {}",
            it.kind,
            it.count,
            output::money(Some(&it.rate_pico_usd)),
            output::money(Some(&it.amount_pico_usd))
        ))?;
    }
    output::line(&format!("cost      {}", cost(call)))?;
    if let Some(why) = &call.cost_unknown {
        output::line(&format!("          unknown: {why}"))?;
    }
    if let Some(price) = &detail.price {
        output::line(&format!("price     {} ({}, {})", price.id, price.source, price.checked_on))?;
    }
    output::line(&format!("took      {}", output::micros(detail.timing.finished_us)))?;
    for it in &detail.flows {
        let host = it.host.as_deref().unwrap_or(&it.remote);
        output::line(&format!(
            "flow      {} {} -> {host}: {} packets, {} retransmitted",
            it.leg,
            it.local,
            it.packets_in + it.packets_out,
            it.retransmits
        ))?;
    }
    Ok(())
}
