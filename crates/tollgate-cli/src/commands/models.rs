//! `tollgate models`.

use anyhow::Result;
use tollgate_app::api::models::{ModelView, TargetView};

use crate::{args::Json, output};

/// Prints the models of the configuration and how their targets are.
pub(super) async fn list(json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let models: Vec<ModelView> = client.get("/models").await?;
    if json.json {
        return output::json_pretty(&models);
    }
    if models.is_empty() {
        output::note("no models are configured: see `[[models]]` in the configuration");
        return Ok(());
    }
    let header = ["model", "strategy", "provider", "asked for", "state", "latency", "calls"];
    let rows = models.iter().flat_map(|model| {
        model.targets.iter().enumerate().map(|(place, target)| {
            let of_model = |text: &str| if place == 0 { text.to_owned() } else { String::new() };
            vec![
                of_model(&model.name),
                of_model(&model.strategy),
                target.provider.clone(),
                target.model.clone(),
                state(target),
                target.latency_us.map_or_else(|| "-".to_owned(), output::micros),
                target.under_way.to_string(),
            ]
        })
    });
    output::table(&header, rows)
}

fn state(target: &TargetView) -> String {
    match (&target.unavailable, target.cools_for_ms) {
        (Some(why), _) => why.clone(),
        (None, Some(0)) => "recovering".to_owned(),
        (None, Some(ms)) => format!("cools down for {} s", ms.div_ceil(1_000)),
        (None, None) if target.failures > 0 => format!("{} failed in a row", target.failures),
        (None, None) => "ok".to_owned(),
    }
}
