//! `tollgate models`.

use anyhow::Result;
use serde_json::json;
use tollgate_app::api::models::{ModelView, ProviderModelsView, TargetView};

use crate::{args::Json, output};

/// Prints the models that clients can ask for: those of the configuration and how their targets are,
/// then the providers' own.
pub(super) async fn list(json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let models: Vec<ModelView> = client.get("/models").await?;
    let reachable: Vec<ProviderModelsView> = client.get("/models/reachable").await?;
    if json.json {
        return output::json_pretty(&json!({"models": models, "providers": reachable}));
    }
    if models.is_empty() {
        output::note("no models are configured: see `[[models]]` in the configuration");
    } else {
        own(&models)?;
        output::line("")?;
    }
    for it in &reachable {
        for model in &it.models {
            output::line(&format!("{}/{model}", it.provider))?;
        }
        // A server on this machine that does not run is no news.
        if let Some(why) = it.problem.as_ref().filter(|_| it.configured) {
            output::note(&format!("left out: the models of `{}`: {why}", it.provider));
        }
    }
    Ok(())
}

fn own(models: &[ModelView]) -> Result<()> {
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

/// How a target is. One that never answered is not called well.
fn state(target: &TargetView) -> String {
    let word = match (&target.unavailable, target.cools_for_ms, target.latency_us) {
        (Some(why), ..) => return format!("unavailable: {why}"),
        (None, Some(0), _) => "recovering".to_owned(),
        (None, Some(ms), _) => format!("cools down for {} s", ms.div_ceil(1_000)),
        (None, None, _) if target.failures == 1 => "1 failure in a row".to_owned(),
        (None, None, _) if target.failures > 0 => format!("{} failures in a row", target.failures),
        (None, None, None) => "no answer yet".to_owned(),
        (None, None, Some(_)) => "ok".to_owned(),
    };
    if target.clients_key { format!("{word}, only with the client's own key") } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_never_answered_is_not_called_well() {
        let target = TargetView {
            provider: "openai".to_owned(),
            model: "gpt-5".to_owned(),
            weight: 1,
            unavailable: None,
            clients_key: false,
            failures: 0,
            cools_for_ms: None,
            under_way: 0,
            latency_us: None,
        };
        let check = |target: TargetView, expected: &str| assert_eq!(state(&target), expected);
        check(target.clone(), "no answer yet");
        let keyless = TargetView { clients_key: true, ..target.clone() };
        check(keyless, "no answer yet, only with the client's own key");
        check(TargetView { latency_us: Some(9), ..target.clone() }, "ok");
        check(TargetView { failures: 1, ..target.clone() }, "1 failure in a row");
        check(TargetView { cools_for_ms: Some(1_500), ..target.clone() }, "cools down for 2 s");
        let unavailable = Some("no credential is configured".to_owned());
        check(TargetView { unavailable, ..target }, "unavailable: no credential is configured");
    }
}
