//! `tollgate calls`.

use std::collections::HashSet;

use anyhow::{Context as _, Result, bail};
use tollgate_app::{
    api::models::RoutingView,
    api::view::{CallDetail, CallPage, CallState, CallView, EventView, UsageView},
    client::Client,
};

use crate::{
    args::{CallsArgs, CallsCommand},
    output,
};

mod delete;
mod filter;

/// How much of an id is shown: the time to the millisecond and twelve random bits.
const ID_SHOWN: usize = 18;

/// How far back calls are listed unless something else is said.
const SINCE_DEFAULT: &str = "24h";

const HEADER: [&str; 10] =
    ["time", "program", "provider", "model", "in", "out", "cost", "took", "status", "id"];

/// Prints calls, or one call in full.
pub(super) async fn calls(args: CallsArgs) -> Result<()> {
    let (client, _) = super::client()?;
    if let Some(CallsCommand::Delete(args)) = &args.command {
        return delete::delete(&client, args).await;
    }
    if let Some(id) = &args.id {
        let id = resolve(&client, id).await?;
        let detail: CallDetail = client.get(&format!("/calls/{id}")).await?;
        return if args.json.json { output::json_pretty(&detail) } else { print_detail(&detail) };
    }
    let mut filter = filter::query(args.filter.as_deref().unwrap_or_default())?;
    if let Some(text) = &args.search {
        filter.push_str(&format!("&said={}", output::query(text)));
    }
    // Begun first, so that nothing falls between the list and the stream.
    let mut events = match args.follow {
        true => Some(client.events("/events").await?),
        false => None,
    };
    let Listed { calls, unread } = list(&client, &args, &filter).await?;
    if args.json.json {
        for call in calls.iter().rev() {
            output::json(call)?;
        }
    } else if unread.is_some() {
        print_found(&calls)?;
    } else {
        output::table(&HEADER, calls.iter().rev().map(row))?;
    }
    if let Some(unread) = unread.filter(|it| *it > 0) {
        output::note(&format!("{unread} calls are still being read and were not searched"));
    }
    let Some(events) = &mut events else { return Ok(()) };
    // What was settled between the two stands in the list and comes as an event.
    let settled = calls.into_iter().filter(|it| it.state != CallState::Live);
    let mut listed: HashSet<String> = settled.map(|it| it.id).collect();
    while let Some(event) = events.next().await? {
        match event {
            EventView::Call { call } if call.state != CallState::Live => {
                if !listed.remove(&call.id) && passes(&client, &filter, &call.id).await? {
                    if args.json.json {
                        output::json(&call)?;
                    } else {
                        output::line(&row(&call).join("  "))?;
                    }
                }
            }
            EventView::Lagged { missed } => output::note(&format!("{missed} events were missed")),
            EventView::Call { .. }
            | EventView::Packets { .. }
            | EventView::Status { .. }
            | EventView::Budget { .. } => {}
        }
    }
    Ok(())
}

/// Calls, newest first, and how many were not searched where something was looked for.
struct Listed {
    calls: Vec<CallView>,
    unread: Option<u64>,
}

/// The newest calls that are asked for: page by page, because one has its limit.
async fn list(client: &Client, args: &CallsArgs, filter: &str) -> Result<Listed> {
    let since = match (&args.since, &args.search) {
        (Some(since), _) => super::since(since)?,
        (None, None) => super::since(SINCE_DEFAULT)?,
        (None, Some(_)) => 0,
    };
    let (mut calls, mut unread) = (Vec::new(), None);
    let mut before = String::new();
    loop {
        let wanted = args.limit.saturating_sub(calls.len());
        let query = format!("limit={wanted}&since_ms={since}{filter}{before}");
        let page: CallPage = client.get(&format!("/calls?{query}")).await?;
        unread = unread.or(page.unread);
        calls.extend(page.calls);
        match page.next {
            Some(next) if calls.len() < args.limit => before = format!("&before={next}"),
            Some(_) | None => break,
        }
    }
    // Calls under way come on top of the first page.
    calls.truncate(args.limit);
    Ok(Listed { calls, unread })
}

/// Each call with where what was looked for stands.
fn print_found(calls: &[CallView]) -> Result<()> {
    for call in calls.iter().rev() {
        output::line(&row(call).join("  "))?;
        let pieces = call.excerpt.iter().flatten();
        let text =
            pieces.map(|it| if it.found { format!("»{}«", it.text) } else { it.text.clone() });
        output::line(&format!("    {}", text.collect::<String>()))?;
    }
    Ok(())
}

/// Whether a settled call passes the filter: by the word of whoever filters the list.
async fn passes(client: &Client, filter: &str, id: &str) -> Result<bool> {
    if filter.is_empty() {
        return Ok(true);
    }
    let next = number(id)?.saturating_add(1);
    Ok(newest_before(client, next, 1, filter).await?.iter().any(|it| it.id == id))
}

/// The whole id of the one call whose id begins so.
pub(super) async fn resolve(client: &Client, prefix: &str) -> Result<String> {
    let digits = prefix.replace('-', "").to_ascii_lowercase();
    let bits = 4 * digits.len();
    if bits >= 128 {
        return Ok(prefix.to_owned());
    }
    let begins = |call: &CallView| call.id.replace('-', "").starts_with(&digits);
    let last = (number(&digits)? << (128 - bits)) | (u128::MAX >> bits);
    let mut found = newest_before(client, last, 2, "").await?;
    let live: CallPage = client.get("/calls?state=live").await?;
    found.extend(live.calls);
    found.retain(begins);
    found.dedup_by(|it, other| it.id == other.id);
    match &found[..] {
        [call] => Ok(call.id.clone()),
        [] => bail!("there is no call whose id begins with `{prefix}`"),
        [..] => bail!("several calls have an id that begins with `{prefix}`: give more of it"),
    }
}

/// Settled calls with a lower id, newest first. Ids begin with the time.
async fn newest_before(
    client: &Client,
    id: u128,
    limit: usize,
    filter: &str,
) -> Result<Vec<CallView>> {
    let query = format!("limit={limit}&before={id:032x}{filter}");
    Ok(client.get::<CallPage>(&format!("/calls?{query}")).await?.calls)
}

fn number(id: &str) -> Result<u128> {
    u128::from_str_radix(&id.replace('-', ""), 16)
        .with_context(|| format!("`{id}` is not the id of a call"))
}

fn row(call: &CallView) -> Vec<String> {
    let program = call
        .caller
        .as_ref()
        .map_or_else(|| output::UNKNOWN.to_owned(), |it| format!("{}[{}]", it.program, it.pid));
    let model = call.model_served.as_ref().or(call.model_asked.as_ref());
    vec![
        output::time(call.started_at_ms, super::now_ms()),
        program,
        call.provider.clone().unwrap_or_else(|| "-".to_owned()),
        model.cloned().unwrap_or_else(|| "-".to_owned()),
        tokens(call, prompt(&call.usage)),
        tokens(call, call.usage.output),
        cost(call),
        output::micros(call.duration_us),
        status(call),
        call.id.get(..ID_SHOWN).unwrap_or(&call.id).to_owned(),
    ]
}

/// All prompt tokens, cached or not.
pub(super) fn prompt(usage: &UsageView) -> Option<u64> {
    let cached = [usage.cache_read, usage.cache_write_5m, usage.cache_write_1h];
    usage.input.map(|it| it + cached.into_iter().flatten().sum::<u64>())
}

/// A count, marked where it is an estimate.
fn tokens(call: &CallView, count: Option<u64>) -> String {
    let mark = if call.usage_counted && count.is_some() { "~" } else { "" };
    format!("{mark}{}", output::number(count))
}

pub(super) fn cost(call: &CallView) -> String {
    if call.cost_pico_usd.is_none() && call.cost_unknown.is_none() {
        return "-".to_owned();
    }
    let estimated = call.usage_counted && call.cost_pico_usd.is_some();
    if call.from_cache {
        let simulated = if call.simulated { "simulated, " } else { "" };
        let cost = output::money(call.cost_pico_usd.as_deref());
        return format!("{cost} ({simulated}from the cache)");
    }
    let mark = match (estimated, call.simulated) {
        (true, true) => " (simulated, estimated)",
        (true, false) => " (estimated)",
        (false, true) => " (simulated)",
        (false, false) => "",
    };
    format!("{}{mark}", output::money(call.cost_pico_usd.as_deref()))
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

fn print_routing(routing: &RoutingView) -> Result<()> {
    for it in &routing.rules {
        let why = it.why.as_deref().map_or_else(String::new, |it| format!(": {it}"));
        output::line(&format!("rule      `{}` {}{why}", it.rule, it.end))?;
        for change in &it.changes {
            output::line(&format!("  {}", super::rules::told(change)))?;
        }
    }
    if let (Some(model), Some(strategy)) = (&routing.model, &routing.strategy) {
        output::line(&format!("routed    by the model `{model}` ({strategy})"))?;
    }
    for it in &routing.attempts {
        let status = it.status.map(|it| it.to_string());
        let result = status.or_else(|| it.error_code.clone()).unwrap_or_else(|| "-".to_owned());
        let why = it.why.as_deref().map_or_else(String::new, |it| format!(" {it}"));
        let took = if it.skipped {
            "passed over:".to_owned()
        } else {
            format!("{result} after {}", output::micros(it.took_us))
        };
        let waited = if it.waited_us > 0 {
            format!(" (waited {})", output::micros(it.waited_us))
        } else {
            String::new()
        };
        let format = it.translated_to.as_deref().map_or_else(String::new, |it| format!(" as {it}"));
        output::line(&format!("  {} {}{format}: {took}{why}{waited}", it.provider, it.model))?;
    }
    if let Some(it) = &routing.cache {
        let why = it.why.as_deref().map_or_else(String::new, |it| format!(": {it}"));
        output::line(&match (it.result.as_str(), &it.of, it.age_ms) {
            ("hit", Some(of), Some(age_ms)) => {
                format!(
                    "cache     answered, as call {of} was {} before",
                    output::micros(age_ms * 1_000)
                )
            }
            ("kept", ..) => "cache     the answer was kept".to_owned(),
            ("not-kept", ..) => format!("cache     the answer was not kept{why}"),
            (other, ..) => format!("cache     {other}{why}"),
        })?;
    }
    for (side, losses) in [("request", &routing.request_losses), ("answer", &routing.answer_losses)]
    {
        for it in losses {
            output::line(&format!("lost      `{}` of the {side}: {}", it.field, it.why))?;
        }
    }
    Ok(())
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
    if let Some(key) = &call.key {
        output::line(&format!("key       {key}"))?;
    }
    let model = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
    output::line(&format!(
        "model     {} asked, {} served",
        model(&call.model_asked),
        model(&call.model_served)
    ))?;
    if let Some(routing) = &detail.routing {
        print_routing(routing)?;
    }
    if let Some(tier) = &call.service_tier {
        output::line(&format!("tier      {tier}"))?;
    }
    if call.usage_counted {
        let (input, output) = (tokens(call, prompt(&call.usage)), tokens(call, call.usage.output));
        output::line(&format!("tokens    {input} in, {output} out"))?;
        output::line("          counted here, an estimate: the provider told none")?;
    }
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
    if call.from_cache {
        output::line(&format!("saved     {}", output::money(call.saved_pico_usd.as_deref())))?;
    }
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
            output::number(it.retransmits)
        ))?;
    }
    Ok(())
}
