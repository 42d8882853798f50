//! Notifications on the desktop: what happens to budgets.

use std::sync::Arc;

use notify_rust::Notification;
use tokio::sync::broadcast::error::RecvError;
use tollgate_app::{App, api::budgets::BudgetNewsView, money};

/// The icon's name in the themes that the package puts it into.
const ICON: &str = "tollgate";

/// Shows the news of budgets as they come, for as long as the application runs. What cannot be shown,
/// as on a desktop without notifications, is logged.
pub(crate) async fn follow(app: Arc<App>) {
    let mut news = app.hub().watch_budgets();
    loop {
        match news.recv().await {
            Ok(news) => {
                if let Err(err) = notification(&news).show_async().await {
                    tracing::warn!(budget = news.budget, error = %err, "news of a budget are not shown");
                }
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "news of budgets are not shown");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Names stand in the summary alone: a body can be taken for markup.
fn notification(news: &BudgetNewsView) -> Notification {
    let BudgetNewsView { budget, value, period, .. } = news;
    let whose = value.as_ref().map(|it| format!(" for {it}")).unwrap_or_default();
    let spent = money::rounded(&news.spent_pico_usd);
    let amount = format!("{} a {period}", money::rounded(&news.amount_pico_usd));
    let body = match news.percent {
        Some(percent) => format!("{percent} % of {amount} is spent: {spent}."),
        None if news.on_limit == "stop" => format!(
            "Of {amount}, {spent} is spent: too little is left for a call, which was stopped. \
             The next {period} begins anew."
        ),
        None => {
            format!("Of {amount}, {spent} is spent: too little is left for a call, which goes on.")
        }
    };
    let mut notification = Notification::new();
    notification.appname("Tollgate").icon(ICON);
    notification.summary(&format!("Budget {budget}{whose}")).body(&body);
    notification
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: Option<&str>, percent: Option<u8>, on_limit: &str) -> (String, String) {
        let shown = notification(&BudgetNewsView {
            budget: "each program".to_owned(),
            value: value.map(str::to_owned),
            kind: if percent.is_some() { "reached" } else { "stopped" }.to_owned(),
            percent,
            on_limit: on_limit.to_owned(),
            period: "day".to_owned(),
            until_ms: 1_795_651_200_000,
            spent_pico_usd: "4100000000000".to_owned(),
            amount_pico_usd: "5000000000000".to_owned(),
        });
        (shown.summary, shown.body)
    }

    #[test]
    fn a_notification_says_which_budget_and_what_happens() {
        let (summary, body) = told(Some("<b>claude"), Some(80), "stop");
        assert_eq!(summary, "Budget each program for <b>claude");
        assert_eq!(body, "80 % of $5.00 a day is spent: $4.10.");
        let (summary, body) = told(None, None, "stop");
        assert_eq!(summary, "Budget each program");
        assert_eq!(
            body,
            "Of $5.00 a day, $4.10 is spent: too little is left for a call, which was stopped. \
             The next day begins anew."
        );
        let (_, body) = told(None, None, "warn");
        assert!(body.ends_with("which goes on."), "{body}");
    }
}
