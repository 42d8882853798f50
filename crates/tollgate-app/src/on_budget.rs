//! Telling the user's own program what happens to budgets: `[on_budget]`.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tollgate_gateway::tell;

use crate::App;

/// Posts the news of budgets to where the configuration says, one by one, until it is stopped. One that
/// cannot be told is logged and not told again.
pub(crate) async fn follow(app: Arc<App>, stop: CancellationToken) {
    let mut news = app.hub().watch_budgets();
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = news.recv() => next,
        };
        let news = match next {
            Ok(news) => news,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "news of budgets were not told");
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let Some(url) = app.settings().on_budget() else { continue };
        // Plain data always serialises.
        let json = serde_json::to_vec(news.as_ref()).unwrap_or_default();
        if let Err(err) = tell(&url, json.into(), app.settings().proxies()).await {
            let host = url.host().unwrap_or_default();
            tracing::warn!(host, budget = news.budget, error = %err, "news of a budget were not told");
        }
    }
}
