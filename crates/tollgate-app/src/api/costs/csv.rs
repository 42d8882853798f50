//! Costs as comma-separated values.

use std::collections::BTreeMap;

use tollgate_core::PicoUsd;
use tollgate_ledger::Sums;

use super::By;
use crate::api::{
    convert,
    view::{CostRowView, CostsView},
};

/// What stands where something is not known: an empty cell would be summed as nothing.
const UNKNOWN: &str = "?";

/// The columns behind the key.
const HEADER: &str = "calls,failed,input,cache_read,cache_write_5m,cache_write_1h,output,\
     reasoning,input_audio,output_audio,web_searches,input_image,output_image,file_searches,cost,\
     estimated_cost,unknown_cost,unknown_usage,counted_usage,cached_calls,saved,unknown_saved";

/// The columns of the time before, which days have none of.
const HEADER_BEFORE: &str = ",previous_calls,previous_cost,previous_unknown_cost";

/// A header and a line for each row; behind them those that only the time before has.
pub(super) fn text(by: By, costs: &CostsView) -> String {
    let mut text = format!("{},{HEADER}", name_of(by));
    if by == By::Day {
        end_line(&mut text);
        costs.rows.iter().for_each(|row| add_line(&mut text, &cells(by, row)));
        return text;
    }
    text.push_str(HEADER_BEFORE);
    end_line(&mut text);
    // What came before the first call of all is not known to be nothing.
    let is_known = costs.first_call_ms.is_some_and(|it| it <= costs.previous.since_ms);
    let rows = costs.previous.rows.iter().map(|it| (it.key.as_deref(), it));
    let mut before: BTreeMap<_, _> = rows.collect();
    for row in &costs.rows {
        let mut cells = cells(by, row);
        cells.extend(cells_before(before.remove(&row.key.as_deref()), is_known));
        add_line(&mut text, &cells);
    }
    for row in before.into_values() {
        let mut cells = cells(by, &nothing(row.key.clone()));
        cells.extend(cells_before(Some(row), is_known));
        add_line(&mut text, &cells);
    }
    text
}

fn add_line(text: &mut String, cells: &[String]) {
    let quoted: Vec<_> = cells.iter().map(|it| quoted(it)).collect();
    text.push_str(&quoted.join(","));
    end_line(text);
}

fn end_line(text: &mut String) {
    text.push_str("\r\n");
}

/// The row of a key without any call.
fn nothing(key: Option<String>) -> CostRowView {
    convert::cost_row(key, &Sums::default())
}

const fn name_of(by: By) -> &'static str {
    match by {
        By::Model => "model",
        By::Provider => "provider",
        By::Program => "program",
        By::Project => "project",
        By::Key => "key",
        By::Day => "day",
    }
}

fn cells(by: By, row: &CostRowView) -> Vec<String> {
    let usage = &row.usage;
    let none = match by {
        // A call without one is known to have none; no key has a name with a blank in it.
        By::Key => "no key",
        By::Model | By::Provider | By::Program | By::Project | By::Day => UNKNOWN,
    };
    let mut cells = vec![
        row.key.clone().unwrap_or_else(|| none.to_owned()),
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
        usage.input_image,
        usage.output_image,
        usage.file_searches,
    ];
    cells.extend(counts.map(|it| it.map_or_else(|| UNKNOWN.to_owned(), |it| it.to_string())));
    cells.extend([dollars(row), plain_dollars(&row.estimated_pico_usd)]);
    let counts = [row.unknown_cost, row.unknown_usage, row.counted_usage];
    cells.extend(counts.map(|it| it.to_string()));
    cells.extend([
        row.cached_calls.to_string(),
        plain_dollars(&row.saved_pico_usd),
        row.unknown_saved.to_string(),
    ]);
    cells
}

/// No row is no call, where that is known.
fn cells_before(row: Option<&CostRowView>, is_known: bool) -> [String; 3] {
    if !is_known {
        return [UNKNOWN, UNKNOWN, UNKNOWN].map(str::to_owned);
    }
    let row = row.cloned().unwrap_or_else(|| nothing(None));
    [row.calls.to_string(), dollars(&row), row.unknown_cost.to_string()]
}

/// Amounts in whole pico-dollars would surprise a spreadsheet: dollars, without a sign.
fn dollars(row: &CostRowView) -> String {
    // A sum of nothing that is known is not nothing.
    if row.cost_pico_usd == "0" && row.unknown_cost > 0 {
        return UNKNOWN.to_owned();
    }
    plain_dollars(&row.cost_pico_usd)
}

fn plain_dollars(pico: &str) -> String {
    pico.parse().map_or_else(
        |_| UNKNOWN.to_owned(),
        |it| PicoUsd(it).to_string().trim_start_matches('$').to_owned(),
    )
}

/// A cell of comma-separated values (RFC 4180).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::view::UsageView;

    fn row(key: Option<&str>, cost: &str) -> CostRowView {
        CostRowView {
            key: key.map(str::to_owned),
            calls: 2,
            cost_pico_usd: cost.to_owned(),
            estimated_pico_usd: "0".to_owned(),
            saved_pico_usd: "0".to_owned(),
            usage: UsageView { input: Some(7), ..UsageView::default() },
            ..CostRowView::default()
        }
    }

    #[test]
    fn cells_are_quoted_exact_and_never_nothing_for_unknown() {
        let mut costs = CostsView {
            rows: vec![row(Some("a \"b\", c"), "1234500000001"), row(None, "0")],
            ..CostsView::default()
        };
        costs.rows[0].estimated_pico_usd = "4500000001".to_owned();
        costs.rows[0].counted_usage = 1;
        costs.rows[1].unknown_cost = 2;
        costs.previous.rows = vec![row(None, "250000000000"), row(Some("gone"), "1")];
        let check = |costs: &CostsView, before: [&str; 3]| {
            let counts = "2,0,7,?,?,?,?,?,?,?,?,?,?,?";
            let expected = [
                format!("model,{HEADER}{HEADER_BEFORE}"),
                format!(
                    "\"a \"\"b\"\", c\",{counts},1.234500000001,0.004500000001,0,0,1,0,0.00,0,{}",
                    before[0]
                ),
                format!("?,{counts},?,0.00,2,0,0,0,0.00,0,{}", before[1]),
                format!("gone,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.00,0.00,0,0,0,0,0.00,0,{}", before[2]),
            ];
            assert_eq!(text(By::Model, costs), expected.join("\r\n") + "\r\n");
        };
        // Nothing says that the ledger goes back so far.
        check(&costs, ["?,?,?"; 3]);
        costs.first_call_ms = Some(costs.previous.since_ms);
        check(&costs, ["0,0.00,0", "2,0.25,0", "2,0.000000000001,0"]);
        let day = text(By::Day, &costs);
        assert_eq!(day.lines().next(), Some(format!("day,{HEADER}").as_str()));
        assert!(day.ends_with(",?,0.00,2,0,0,0,0.00,0\r\n"), "{day}");
    }
}
