//! `tollgate keys`: local keys of the running gateway.

use anyhow::{Result, bail};
use tollgate_app::{
    api::keys::{
        KeyScopeView, KeySecretView, KeyState, KeyView, KeysView, NewKeyView, RotationView,
    },
    client::Client,
};

use crate::{
    args::{CreateKey, Json, KeysCommand},
    output::{self, day_and_time},
};

/// Lists, makes, shows, rotates or revokes keys.
pub(super) async fn keys(command: KeysCommand) -> Result<()> {
    let (client, _) = super::client()?;
    match command {
        KeysCommand::List(json) => list(&client, json).await,
        KeysCommand::Create(asked) => create(&client, *asked).await,
        KeysCommand::Show { name, json } => {
            let keys: KeysView = client.get("/keys").await?;
            let Some(key) = keys.keys.into_iter().find(|it| it.name == name) else {
                bail!("there is no such key");
            };
            shown(&key, json)
        }
        KeysCommand::Rotate { name, grace, json } => {
            let grace_ms = grace.as_deref().map(output::span_ms).transpose()?.unwrap_or_default();
            let rotation = RotationView { grace_ms: u64::try_from(grace_ms).unwrap_or_default() };
            let path = format!("/keys/{}/rotate", output::query(&name));
            let made: KeySecretView = client.post(&path, &rotation).await?;
            let ends = match made.key.former_until_ms {
                Some(until) => format!("The former one is good until {}.", day_and_time(until)),
                None => "The former one is no longer good.".to_owned(),
            };
            told_once(&made, &ends, json)
        }
        KeysCommand::Revoke { name, json } => {
            let path = format!("/keys/{}/revoke", output::query(&name));
            let key: KeyView = client.post(&path, &()).await?;
            if json.json {
                return output::json_pretty(&key);
            }
            output::note(&format!("`{}` is revoked: calls with it are refused.", key.name));
            Ok(())
        }
    }
}

async fn create(client: &Client, asked: CreateKey) -> Result<()> {
    let CreateKey { name, expires, models, routes, providers, operations, json } = asked;
    let span = expires.as_deref().map(output::span_ms).transpose()?;
    let new = NewKeyView {
        name,
        expires_at_ms: span.map(|it| super::now_ms().saturating_add(it)),
        scope: KeyScopeView { models, routes, providers, operations },
    };
    let made: KeySecretView = client.post("/keys", &new).await?;
    told_once(&made, "SDKs send it in place of a provider's key.", json)
}

/// Prints the secret alone, so that it can be put where it belongs.
fn told_once(made: &KeySecretView, more: &str, json: Json) -> Result<()> {
    if json.json {
        return output::json_pretty(made);
    }
    output::note(&format!(
        "This is the secret of `{}`. It is shown now and never again. {more}",
        made.key.name
    ));
    output::line(&made.secret)
}

async fn list(client: &Client, json: Json) -> Result<()> {
    let keys: KeysView = client.get("/keys").await?;
    if json.json {
        return output::json_pretty(&keys);
    }
    let now = super::now_ms();
    let rows = keys.keys.iter().map(|it| {
        let used = it.last_used_ms.map_or_else(|| "never".to_owned(), |at| output::time(at, now));
        vec![
            it.name.clone(),
            it.beginning.clone(),
            state(it),
            it.expires_at_ms.map_or_else(|| "never".to_owned(), day_and_time),
            scope(it),
            used,
            it.month_calls.to_string(),
            month_cost(it),
        ]
    });
    let header =
        ["name", "begins", "state", "expires", "for", "last used", "calls", "cost this month"];
    output::table(&header, rows)?;
    if keys.required {
        output::note("Every call needs a key (`require_keys`).");
    }
    Ok(())
}

fn shown(key: &KeyView, json: Json) -> Result<()> {
    if json.json {
        return output::json_pretty(key);
    }
    let when = |at: Option<i64>, none: &str| at.map_or_else(|| none.to_owned(), day_and_time);
    output::line(&format!("key         {} ({}…)", key.name, key.beginning))?;
    output::line(&format!("state       {}", state(key)))?;
    output::line(&format!("made        {}", day_and_time(key.created_at_ms)))?;
    output::line(&format!("expires     {}", when(key.expires_at_ms, "never")))?;
    output::line(&format!("rotated     {}", when(key.rotated_at_ms, "never")))?;
    if let Some(until) = key.former_until_ms {
        output::line(&format!(
            "            its former secret is good until {}",
            day_and_time(until)
        ))?;
    }
    for (name, list) in [
        ("models", &key.scope.models),
        ("routes", &key.scope.routes),
        ("providers", &key.scope.providers),
        ("operations", &key.scope.operations),
    ] {
        if !list.is_empty() {
            output::line(&format!("{name:<11} {}", list.join(", ")))?;
        }
    }
    output::line(&format!("last used   {}", when(key.last_used_ms, "never")))?;
    output::line(&format!("this month  {} calls, {}", key.month_calls, month_cost(key)))
}

fn state(key: &KeyView) -> String {
    match key.state {
        KeyState::Good => "good".to_owned(),
        KeyState::Expired => "expired".to_owned(),
        KeyState::Revoked => match key.revoked_at_ms {
            Some(at) => format!("revoked {}", day_and_time(at)),
            None => "revoked".to_owned(),
        },
    }
}

/// What it is for, in a cell of a table.
fn scope(key: &KeyView) -> String {
    let KeyScopeView { models, routes, providers, operations } = &key.scope;
    let mut parts = Vec::new();
    if !models.is_empty() || !routes.is_empty() {
        parts.push([models.as_slice(), routes.as_slice()].concat().join(", "));
    }
    if !providers.is_empty() {
        parts.push(format!("at {}", providers.join(", ")));
    }
    if !operations.is_empty() {
        parts.push(format!("to {}", operations.join(", ")));
    }
    if parts.is_empty() { "anything".to_owned() } else { parts.join("; ") }
}

fn month_cost(key: &KeyView) -> String {
    output::sum(&key.month_cost_pico_usd, &key.month_estimated_pico_usd, key.month_unknown_cost)
}
