//! `tollgate rules`.

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};
use tollgate_app::{
    api::rules::{RuleChangeView, RuleTest, RuleTestView, RuleTestedView, RuleView},
    client::Client,
};

use crate::{
    args::{Json, RulesCommand},
    output,
};

/// The longest file with a call to try rules on: as long as a request's body may be.
const TEST_BYTES_MAX: u64 = 64 << 20;

pub(super) async fn rules(command: RulesCommand) -> Result<()> {
    let (client, _) = super::client()?;
    match command {
        RulesCommand::List(json) => list(&client, json).await,
        RulesCommand::Test { file, call, json } => {
            let test = match (file, call) {
                (Some(file), _) => RuleTest { with: Some(read(&file)?), ..RuleTest::default() },
                (None, Some(id)) => {
                    let id = super::calls::resolve(&client, &id).await?;
                    RuleTest { call: Some(id), ..RuleTest::default() }
                }
                (None, None) => bail!("give a file with a call, or `--call ID`"),
            };
            let tested: RuleTestView = client.post("/rules/test", &test).await?;
            if json.json { output::json_pretty(&tested) } else { print(&tested) }
        }
    }
}

async fn list(client: &Client, json: Json) -> Result<()> {
    let rules: Vec<RuleView> = client.get("/rules").await?;
    if json.json {
        return output::json_pretty(&rules);
    }
    if rules.is_empty() {
        output::note("no rules are configured: see `[[rules]]` in the configuration");
        return Ok(());
    }
    let rows = rules.iter().map(|it| {
        let actions = it.actions.iter();
        let actions = actions.map(|it| doing(&it.action, it.on.as_deref()));
        let when = it.when.as_deref().unwrap_or("(every call)");
        vec![
            it.name.clone(),
            when.split_whitespace().collect::<Vec<_>>().join(" "),
            actions.collect::<Vec<_>>().join(", "),
        ]
    });
    output::table(&["rule", "when", "does"], rows)
}

/// A call as `rules test` takes it; `-` is standard input.
fn read(file: &Path) -> Result<Map<String, Value>> {
    let mut text = String::new();
    let source: Box<dyn std::io::Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(fs::File::open(file).with_context(|| format!("open `{}`", file.display()))?)
    };
    source
        .take(TEST_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("read `{}`", file.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("`{}` is not a JSON object with a call", file.display()))
}

fn print(tested: &RuleTestView) -> Result<()> {
    for rule in &tested.rules {
        print_rule(rule)?;
    }
    if tested.rules.is_empty() {
        output::note("no rules are configured: see `[[rules]]` in the configuration");
    }
    if let Some(rule) = &tested.denied_by {
        output::line(&format!("the call would be denied by `{rule}`"))?;
        return Ok(());
    }
    if let Some(model) = &tested.model {
        output::line(&format!("model     {model}"))?;
    }
    for it in &tested.headers {
        let value = it.value.as_ref().map_or_else(|| "removed".to_owned(), |it| format!("= {it}"));
        output::line(&format!("header    {} of the {} {value}", it.name, it.of))?;
    }
    if let Some(body) = &tested.body {
        output::line("body")?;
        output::json_pretty(body)?;
    }
    Ok(())
}

fn print_rule(rule: &RuleTestedView) -> Result<()> {
    let verdict = match (rule.verdict.as_str(), &rule.why) {
        ("holds", _) => "fires".to_owned(),
        ("holds-not", _) => "does not fire".to_owned(),
        ("failed", Some(why)) => format!("cannot be evaluated: {why}"),
        ("not-reached", _) => "is not reached".to_owned(),
        (other, _) => other.to_owned(),
    };
    output::line(&format!("{}: {verdict}", rule.name))?;
    if let Some(when) = &rule.when {
        output::line(&format!("  when {}", when.split_whitespace().collect::<Vec<_>>().join(" ")))?;
    }
    for (name, value) in &rule.values {
        output::line(&format!("    {name} = {value}"))?;
    }
    for change in &rule.changes {
        output::line(&format!("  {}", told(change)))?;
    }
    Ok(())
}

/// A change in one line, as in a call's detail.
pub(super) fn told(change: &RuleChangeView) -> String {
    let doing = doing(&change.action, change.on.as_deref());
    match (change.effect.as_str(), &change.why) {
        ("changed", _) => doing,
        ("unneeded", _) => format!("{doing}: nothing to change"),
        (_, Some(why)) => format!("{doing}: not possible, {why}"),
        (other, None) => format!("{doing}: {other}"),
    }
}

fn doing(action: &str, on: Option<&str>) -> String {
    on.map_or_else(|| action.to_owned(), |on| format!("{action} {on}"))
}
