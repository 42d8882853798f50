//! `tollgate budgets`.

use anyhow::Result;
use tollgate_app::api::budgets::{BudgetAccountView, BudgetMoneyView, BudgetView};

use crate::{args::Json, output};

/// Prints what of each budget is spent, held and left, and when it begins anew.
pub(super) async fn list(json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let budgets: Vec<BudgetView> = client.get("/budgets").await?;
    if json.json {
        return output::json_pretty(&budgets);
    }
    if budgets.is_empty() {
        output::note("no budgets are configured: see `[[budgets]]` in the configuration");
        return Ok(());
    }
    let header = ["budget", "for", "of", "amount", "spent", "held", "left", "anew", "stopped"];
    output::table(&header, budgets.iter().flat_map(rows))?;
    if budgets.iter().any(|it| it.on_limit == "warn") {
        output::note(
            "what is marked (warns) stops no calls: its last column is what it would have",
        );
    }
    Ok(())
}

fn rows(budget: &BudgetView) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for account in &budget.accounts {
        let mut lines: Vec<Vec<String>> = account.money.iter().map(money).collect();
        lines.extend(counts(budget, account));
        for (place, mut line) in lines.into_iter().enumerate() {
            let first = |text: String| if place == 0 { text } else { String::new() };
            let name = match budget.on_limit.as_str() {
                "warn" => format!("{} (warns)", budget.name),
                _ => budget.name.clone(),
            };
            let mut row = vec![first(name), first(whose(budget, account))];
            row.append(&mut line);
            rows.push(row);
        }
    }
    if rows.is_empty() {
        let mut row = vec![budget.name.clone(), "(no calls yet)".to_owned()];
        row.resize(9, String::new());
        rows.push(row);
    }
    rows
}

fn whose(budget: &BudgetView, account: &BudgetAccountView) -> String {
    match (&account.value, &budget.each) {
        (Some(value), _) => value.clone(),
        (None, Some(each)) if each == "key" => "(no key)".to_owned(),
        (None, Some(each)) => format!("({each} unknown)"),
        (None, None) => "(all)".to_owned(),
    }
}

fn money(it: &BudgetMoneyView) -> Vec<String> {
    let amount = |pico: &str| output::money(Some(pico));
    vec![
        it.period.clone(),
        amount(&it.amount_pico_usd),
        output::sum(&it.spent_pico_usd, "0", it.unknown_calls),
        amount(&it.reserved_pico_usd),
        amount(&it.left_pico_usd),
        output::day_and_time(it.until_ms),
        it.stopped.to_string(),
    ]
}

/// What is not money. It is limited in the last 60 seconds, or now.
fn counts(budget: &BudgetView, account: &BudgetAccountView) -> Vec<Vec<String>> {
    let count = |what: &str, most: Option<u64>, taken: Option<u64>, stopped: u64| {
        let (most, taken) = (most?, taken?);
        let left = most.saturating_sub(taken).to_string();
        let (most, taken) = (most.to_string(), taken.to_string());
        let none = || output::UNKNOWN.to_owned();
        Some(vec![what.to_owned(), most, taken, none(), left, none(), stopped.to_string()])
    };
    let all = [
        count(
            "calls a minute",
            budget.requests_per_min,
            account.requests,
            account.stopped_requests,
        ),
        count("tokens a minute", budget.tokens_per_min, account.tokens, account.stopped_tokens),
        count(
            "calls at once",
            budget.concurrent,
            Some(account.under_way),
            account.stopped_concurrent,
        ),
    ];
    all.into_iter().flatten().collect()
}
