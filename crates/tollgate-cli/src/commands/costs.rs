//! `tollgate costs`.

use anyhow::Result;
use tollgate_app::api::view::{CostRowView, CostsView};

use super::calls::prompt;
use crate::{args::CostsArgs, output};

/// What the table has room for; the rest is in CSV and JSON.
const HEADER: [&str; 8] =
    ["", "calls", "failed", "prompt", "cached", "output", "cost", "unknown cost"];

/// Every kind that a cost is made of, in the words of the JSON.
const CSV_HEADER: [&str; 15] = [
    "",
    "calls",
    "failed",
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "input_audio",
    "output_audio",
    "web_searches",
    "cost",
    "unknown_cost",
    "unknown_usage",
];

/// Prints sums.
pub(super) async fn costs(args: CostsArgs) -> Result<()> {
    let (client, _) = super::client()?;
    let since = super::since(&args.since)?;
    let costs: CostsView =
        client.get(&format!("/costs?by={}&since_ms={since}", args.by.as_str())).await?;
    if args.json.json {
        return output::json_pretty(&costs);
    }
    if args.csv {
        let mut header = CSV_HEADER;
        header[0] = args.by.as_str();
        output::line(&header.join(","))?;
        for row in &costs.rows {
            let cells: Vec<_> = csv_cells(row).iter().map(|it| quoted(it)).collect();
            output::line(&cells.join(","))?;
        }
        return Ok(());
    }
    let mut header = HEADER;
    header[0] = args.by.as_str();
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
        output::number(prompt(&row.usage)),
        output::number(row.usage.cache_read),
        output::number(row.usage.output),
        output::money(Some(&row.cost_pico_usd)),
        row.unknown_cost.to_string(),
    ]
}

fn csv_cells(row: &CostRowView) -> Vec<String> {
    let usage = &row.usage;
    let mut cells = vec![
        row.key.clone().unwrap_or_else(|| output::UNKNOWN.to_owned()),
        row.calls.to_string(),
        row.failed.to_string(),
    ];
    let counts = [
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
        usage.reasoning,
        usage.input_audio,
        usage.output_audio,
        usage.web_searches,
    ];
    cells.extend(counts.into_iter().map(output::number));
    // Amounts in whole pico-dollars would surprise a spreadsheet: dollars, without a sign.
    let cost = output::money(Some(&row.cost_pico_usd));
    cells.push(cost.trim_start_matches('$').to_owned());
    cells.extend([row.unknown_cost.to_string(), row.unknown_usage.to_string()]);
    cells
}

/// A cell of comma-separated values (RFC 4180).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
