//! `tollgate costs`.

use anyhow::Result;
use tollgate_app::api::view::{CostRowView, CostsView};

use super::calls::prompt;
use crate::{
    args::{By, CostsArgs},
    output,
};

/// What the table has room for; the rest is in CSV and JSON.
const HEADER: [&str; 8] =
    ["", "calls", "failed", "prompt", "cached", "output", "cost", "unknown cost"];

/// Prints sums.
pub(super) async fn costs(args: CostsArgs) -> Result<()> {
    let (client, _) = super::client()?;
    let since = super::since(&args.since)?;
    let query = format!("by={}&since_ms={since}", args.by.as_str());
    if args.csv {
        return output::bytes(&client.get_bytes(&format!("/costs.csv?{query}")).await?);
    }
    let costs: CostsView = client.get(&format!("/costs?{query}")).await?;
    if args.json.json {
        return output::json_pretty(&costs);
    }
    let mut header = HEADER;
    header[0] = args.by.as_str();
    let mut sums = vec![cells("total", &costs.total)];
    if costs.previous.total.calls > 0 {
        sums.push(cells("the time before", &costs.previous.total));
    }
    let none = match args.by {
        By::Key => "no key",
        By::Model | By::Provider | By::Program | By::Project | By::Day => output::UNKNOWN,
    };
    let key = |it: &CostRowView| it.key.clone().unwrap_or_else(|| none.to_owned());
    output::table(&header, costs.rows.iter().map(|it| cells(&key(it), it)).chain(sums))?;
    if costs.simulated {
        output::note("These calls went to the built-in simulator: nobody is billed.");
    }
    let counted = costs.total.counted_usage;
    if counted > 0 {
        let noun = if counted == 1 { "call" } else { "calls" };
        output::note(&format!(
            "The providers of {counted} {noun} told no tokens: they were counted here, an estimate."
        ));
    }
    let total = &costs.total;
    if total.cached_calls > 0 {
        let noun = if total.cached_calls == 1 { "call" } else { "calls" };
        let saved = output::sum(&total.saved_pico_usd, "0", total.unknown_saved);
        output::note(&format!(
            "The cache answered {} {noun}, which saved {saved}.",
            total.cached_calls
        ));
    }
    for it in &costs.unknown {
        let (calls, reason) = (it.calls, &it.reason);
        let noun = if calls == 1 { "call" } else { "calls" };
        let list = format!("tollgate calls --filter unknown:{reason}");
        output::note(&format!("The cost of {calls} {noun} is unknown ({reason}): {list}"));
    }
    if let Some(first) = costs.first_call_ms.filter(|it| *it > costs.previous.since_ms)
        && costs.previous.total.calls > 0
    {
        let at = output::day_and_time(first);
        output::note(&format!("The first call is of {at}: the time before is not whole."));
    }
    Ok(())
}

fn cells(key: &str, row: &CostRowView) -> Vec<String> {
    // A sum of nothing that is known is not nothing.
    let nothing = row.unknown_cost > 0 && row.cost_pico_usd == "0";
    vec![
        key.to_owned(),
        row.calls.to_string(),
        row.failed.to_string(),
        output::number(prompt(&row.usage)),
        output::number(row.usage.cache_read),
        output::number(row.usage.output),
        if nothing {
            output::UNKNOWN.to_owned()
        } else {
            output::estimated(&row.cost_pico_usd, &row.estimated_pico_usd)
        },
        row.unknown_cost.to_string(),
    ]
}
