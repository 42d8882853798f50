//! `tollgate costs`.

use anyhow::Result;
use tollgate_app::api::view::{CostRowView, CostsView};

use crate::{args::CostsArgs, output};

const HEADER: [&str; 8] =
    ["", "calls", "failed", "input", "cache read", "output", "cost", "unknown cost"];

/// Prints sums.
pub(super) async fn costs(args: CostsArgs) -> Result<()> {
    let (client, _) = super::client()?;
    let since = super::since(&args.since)?;
    let costs: CostsView =
        client.get(&format!("/costs?by={}&since_ms={since}", args.by.as_str())).await?;
    if args.json.json {
        return output::json_pretty(&costs);
    }
    let mut header = HEADER;
    header[0] = args.by.as_str();
    if args.csv {
        output::line(&header.map(|it| it.replace(' ', "_")).join(","))?;
        for row in &costs.rows {
            // Amounts in whole pico-dollars would surprise a spreadsheet: dollars, without a sign.
            let cells = cells(row).into_iter().map(|it| quoted(it.trim_start_matches('$')));
            output::line(&cells.collect::<Vec<_>>().join(","))?;
        }
        return Ok(());
    }
    let mut total = cells(&costs.total);
    if let Some(key) = total.first_mut() {
        *key = "total".to_owned();
    }
    output::table(&header, costs.rows.iter().map(cells).chain([total]))?;
    if costs.simulated {
        output::note("These calls went to the built-in simulator: nobody is billed.");
    }
    Ok(())
}

fn cells(row: &CostRowView) -> Vec<String> {
    vec![
        row.key.clone().unwrap_or_else(|| output::UNKNOWN.to_owned()),
        row.calls.to_string(),
        row.failed.to_string(),
        output::number(row.usage.input),
        output::number(row.usage.cache_read),
        output::number(row.usage.output),
        output::money(Some(&row.cost_pico_usd)),
        row.unknown_cost.to_string(),
    ]
}

/// A cell of comma-separated values (RFC 4180).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
