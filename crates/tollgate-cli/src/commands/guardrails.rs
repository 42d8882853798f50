//! `tollgate guardrails`.

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, Result};
use tollgate_app::{
    api::guardrails::{
        ExceptionView, GuardrailTest, GuardrailTestView, GuardrailView, HitPage, HitView,
        NewException,
    },
    client::Client,
};

use crate::{
    args::{GuardrailsCommand, Json},
    output,
};

/// The longest text that is tried: as long as a request's body may be.
const TEST_BYTES_MAX: u64 = 64 << 20;

pub(super) async fn guardrails(command: GuardrailsCommand) -> Result<()> {
    let (client, _) = super::client()?;
    match command {
        GuardrailsCommand::List(json) => list(&client, json).await,
        GuardrailsCommand::Hits { limit, since, guardrail, rule, json } => {
            let mut path = format!("/guardrails/hits?limit={limit}");
            if let Some(since) = since {
                path.push_str(&format!("&since_ms={}", super::since(&since)?));
            }
            for (name, value) in [("guardrail", guardrail), ("rule", rule)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{name}={}", output::query(&value)));
                }
            }
            let page: HitPage = client.get(&path).await?;
            if json.json {
                return output::json_pretty(&page);
            }
            if page.hits.is_empty() {
                output::note("nothing was found");
                return Ok(());
            }
            hits(&page.hits)
        }
        GuardrailsCommand::Test { file, speaker, json } => {
            let test = GuardrailTest { text: read(&file)?, speaker };
            let tested: GuardrailTestView = client.post("/guardrails/test", &test).await?;
            if json.json { output::json_pretty(&tested) } else { tried(&tested) }
        }
        GuardrailsCommand::Except { hit: Some(hit), json, .. } => {
            let path = "/guardrails/exceptions";
            let made: ExceptionView = client.post(path, &NewException { hit }).await?;
            if json.json {
                return output::json_pretty(&made);
            }
            output::note(&format!("`{}` does not find this text any more", made.rule));
            Ok(())
        }
        GuardrailsCommand::Except { end: Some(fingerprint), json, .. } => {
            let path = format!("/guardrails/exceptions/{}/end", output::query(&fingerprint));
            let left: Vec<ExceptionView> = client.post(&path, &()).await?;
            exceptions(&left, json)
        }
        GuardrailsCommand::Except { json, .. } => {
            exceptions(&client.get::<Vec<ExceptionView>>("/guardrails/exceptions").await?, json)
        }
    }
}

async fn list(client: &Client, json: Json) -> Result<()> {
    let guardrails: Vec<GuardrailView> = client.get("/guardrails").await?;
    if json.json {
        return output::json_pretty(&guardrails);
    }
    if guardrails.is_empty() {
        output::note("no guardrails are configured: see `[[guardrails]]` in the configuration");
        return Ok(());
    }
    let rows = guardrails.iter().map(|it| {
        let scope = it.scope.iter().map(|it| format!("{} {}", it.dimension, it.pattern));
        let scope = scope.collect::<Vec<_>>().join(", ");
        vec![
            it.name.clone(),
            if scope.is_empty() { "(all)".to_owned() } else { scope },
            it.on.clone(),
            it.check.clone(),
            it.rules.len().to_string(),
            it.action.clone(),
        ]
    });
    output::table(&["guardrail", "for", "looks at", "for what", "rules", "does"], rows)
}

fn hits(hits: &[HitView]) -> Result<()> {
    let none = || output::UNKNOWN.to_owned();
    let rows = hits.iter().map(|it| {
        vec![
            it.number.map_or_else(none, |it| it.to_string()),
            it.at_ms.map_or_else(none, output::day_and_time),
            it.guardrail.clone(),
            it.rule.clone(),
            if it.excepted { format!("{} (excepted)", it.action) } else { it.action.clone() },
            it.place.clone(),
            it.times.to_string(),
            it.snippet.clone().unwrap_or_else(none),
        ]
    });
    let header = ["hit", "when", "guardrail", "rule", "did", "where", "times", "around it"];
    output::table(&header, rows)
}

fn tried(tested: &GuardrailTestView) -> Result<()> {
    if tested.hits.is_empty() {
        output::note("nothing is found");
    } else {
        let rows = tested.hits.iter().map(|it| {
            vec![
                it.guardrail.clone(),
                it.rule.clone(),
                it.action.clone(),
                it.place.clone(),
                it.times.to_string(),
                it.snippet.clone().unwrap_or_default(),
            ]
        });
        let header = ["guardrail", "rule", "does", "where", "times", "around it"];
        output::table(&header, rows)?;
    }
    match &tested.blocked {
        Some(why) => output::note(why),
        None => output::line(&tested.text)?,
    }
    Ok(())
}

fn exceptions(exceptions: &[ExceptionView], json: Json) -> Result<()> {
    if json.json {
        return output::json_pretty(&exceptions);
    }
    if exceptions.is_empty() {
        output::note("nothing was said to be found wrongly");
        return Ok(());
    }
    let rows = exceptions.iter().map(|it| {
        vec![
            it.fingerprint.clone(),
            it.rule.clone(),
            it.guardrail.clone(),
            output::day_and_time(it.made_at_ms),
            it.snippet.clone().unwrap_or_else(|| output::UNKNOWN.to_owned()),
        ]
    });
    output::table(&["fingerprint", "rule", "guardrail", "since", "around it"], rows)
}

/// The text of a file, or of standard input.
fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    let reading = || format!("read `{}`", file.display());
    if file.as_os_str() == "-" {
        std::io::stdin().take(TEST_BYTES_MAX).read_to_string(&mut text).with_context(reading)?;
    } else {
        let file = fs::File::open(file).with_context(reading)?;
        file.take(TEST_BYTES_MAX).read_to_string(&mut text).with_context(reading)?;
    }
    Ok(text)
}
