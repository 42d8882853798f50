//! Local keys: made, listed, rotated, revoked.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use tollgate_core::{
    LocalKey, Operation, Secret, UnixMs,
    key::{KeyFault, KeyScope},
};
use tollgate_ledger::{CostKey, SumQuery, Sums};
use utoipa::ToSchema;

use super::{ApiError, convert::money};
use crate::{
    App,
    keys::{KeysError, NewKey},
};

/// What a key may do. An empty list of providers or operations allows all of them; `models` and `routes`
/// together say what may be asked for: all, where both are empty, else what they name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyScopeView {
    /// Patterns of providers' models, in which `*` stands for any text.
    pub models: Vec<String>,
    /// Names of the user's own models.
    pub routes: Vec<String>,
    /// Ids of the providers that may serve.
    pub providers: Vec<String>,
    /// What may be asked: `generate`, `embed`, `count-tokens`, `list-models` or `other`.
    pub operations: Vec<String>,
}

/// Whether a key is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It is.
    Good,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// A local key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// Its name.
    pub name: String,
    /// How its secret begins.
    pub beginning: String,
    /// Whether it is good.
    pub state: KeyState,
    /// When it was made.
    pub created_at_ms: i64,
    /// From when on it is no longer good; `null`: it does not expire.
    pub expires_at_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
    /// When it got its present secret, if not at first.
    pub rotated_at_ms: Option<i64>,
    /// Until when its former secret is good as well; `null` when it is not.
    pub former_until_ms: Option<i64>,
    /// What it may do.
    pub scope: KeyScopeView,
    /// When the last call with it began, one that was refused included; `null`: there is none.
    pub last_used_ms: Option<i64>,
    /// Calls with it since the month began.
    pub month_calls: u64,
    /// What they cost, in pico-dollars.
    pub month_cost_pico_usd: String,
    /// What part of that is an estimate, in pico-dollars.
    pub month_estimated_pico_usd: String,
    /// Those of them whose cost is unknown.
    pub month_unknown_cost: u64,
}

/// The local keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeysView {
    /// All of them, the newest first; those that are no longer good too.
    pub keys: Vec<KeyView>,
    /// Whether every call needs one.
    pub required: bool,
    /// When this month began here.
    pub month_began_ms: i64,
}

/// A key to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyView {
    /// Its name, which no other key has or had.
    pub name: String,
    /// From when on it is no longer good; `null`: it does not expire.
    #[serde(default)]
    pub expires_at_ms: Option<i64>,
    /// What it may do; everything, where it is left out.
    #[serde(default)]
    pub scope: KeyScopeView,
}

/// A key with its secret, which is told once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct KeySecretView {
    /// The key.
    pub key: KeyView,
    /// Its secret.
    pub secret: String,
}

/// How to rotate a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotationView {
    /// For how many milliseconds the former secret stays good; not at all where it is left out.
    pub grace_ms: u64,
}

/// All local keys, with what was called with each.
///
/// # Errors
/// When the ledger cannot be read.
#[utoipa::path(get, path = "/keys", responses((status = 200, body = KeysView)))]
pub async fn list_keys(State(app): State<Arc<App>>) -> Result<Json<KeysView>, ApiError> {
    let mut keys = app.settings().keys().list();
    keys.reverse();
    let (keys, month_began_ms) = views(&app, keys).await?;
    let required = app.settings().require_keys();
    Ok(Json(KeysView { keys, required, month_began_ms }))
}

/// Makes a key and tells its secret, which cannot be told again.
///
/// # Errors
/// When the key is not acceptable or cannot be stored.
#[utoipa::path(post, path = "/keys", request_body = NewKeyView, responses((status = 200, body = KeySecretView)))]
pub async fn create_key(
    State(app): State<Arc<App>>,
    Json(new): Json<NewKeyView>,
) -> Result<Json<KeySecretView>, ApiError> {
    let scope = scope(&app, new.scope)?;
    let expires_at_ms = new.expires_at_ms.map(UnixMs);
    let new = NewKey { name: new.name, expires_at_ms, scope };
    let now = app.clock().now();
    let (key, secret) = changed(&app, move |app| app.settings().keys().create(new, now)).await?;
    told_once(&app, key, &secret).await
}

/// Gives a key a new secret and tells that, which cannot be told again.
///
/// # Errors
/// When there is no such key, it was revoked, or the change cannot be stored.
#[utoipa::path(post, path = "/keys/{name}/rotate", params(("name" = String, Path, description = "The key's name")), request_body = RotationView, responses((status = 200, body = KeySecretView)))]
pub async fn rotate_key(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Json(rotation): Json<RotationView>,
) -> Result<Json<KeySecretView>, ApiError> {
    let (grace, now) = (Duration::from_millis(rotation.grace_ms), app.clock().now());
    let rotate = move |app: &App| app.settings().keys().rotate(&name, grace, now);
    let (key, secret) = changed(&app, rotate).await?;
    told_once(&app, key, &secret).await
}

/// Revokes a key for good. Calls that begin after the answer are refused; those under way go on.
///
/// # Errors
/// When there is no such key, or that cannot be stored.
#[utoipa::path(post, path = "/keys/{name}/revoke", params(("name" = String, Path, description = "The key's name")), responses((status = 200, body = KeyView)))]
pub async fn revoke_key(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<KeyView>, ApiError> {
    let now = app.clock().now();
    let key = changed(&app, move |app| app.settings().keys().revoke(&name, now)).await?;
    Ok(Json(one_view(&app, key).await?))
}

/// Changes the keys and brings the change into force.
async fn changed<T: Send + 'static>(
    app: &Arc<App>,
    change: impl FnOnce(&App) -> Result<T, KeysError> + Send + 'static,
) -> Result<T, ApiError> {
    let app = Arc::clone(app);
    super::blocking(move || {
        let done = change(&app)?;
        app.settings().serve(app.gateway());
        Ok(done)
    })
    .await
}

async fn told_once(
    app: &Arc<App>,
    key: LocalKey,
    secret: &Secret,
) -> Result<Json<KeySecretView>, ApiError> {
    let key = one_view(app, key).await?;
    Ok(Json(KeySecretView { key, secret: secret.expose().to_owned() }))
}

async fn one_view(app: &Arc<App>, key: LocalKey) -> Result<KeyView, ApiError> {
    views(app, vec![key]).await?.0.pop().ok_or(ApiError::Broken)
}

/// The keys as they are told, and when the month began.
async fn views(app: &Arc<App>, keys: Vec<LocalKey>) -> Result<(Vec<KeyView>, i64), ApiError> {
    app.written().await;
    let (now, reader, simulated) = (app.clock().now(), app.reader(), app.summed());
    let began = month_began(now, TimeZone::system());
    let (ever, month) = super::blocking(move || {
        let all = SumQuery { simulated, ..SumQuery::default() };
        let of_month = SumQuery { since: Some(began), ..all.clone() };
        Ok((reader.costs(CostKey::Key, &all)?, reader.costs(CostKey::Key, &of_month)?))
    })
    .await?;
    let by_name = |rows: Vec<tollgate_ledger::CostRow>| -> HashMap<String, Sums> {
        rows.into_iter().filter_map(|it| Some((it.key?, it.sums))).collect()
    };
    let (ever, month) = (by_name(ever), by_name(month));
    let view = |key: LocalKey| {
        let last_used = ever.get(&key.name).and_then(|it| it.last_at_ms);
        let sums = month.get(&key.name).copied().unwrap_or_default();
        view(key, now, last_used, &sums)
    };
    Ok((keys.into_iter().map(view).collect(), began.0))
}

fn view(key: LocalKey, now: UnixMs, last_used: Option<UnixMs>, month: &Sums) -> KeyView {
    let state = match key.check(&key.hash, now) {
        Ok(()) => KeyState::Good,
        Err(KeyFault::Expired) => KeyState::Expired,
        Err(KeyFault::Revoked | KeyFault::Rotated) => KeyState::Revoked,
    };
    let former = key.former.filter(|it| it.until_ms > now && state == KeyState::Good);
    let operations = key.scope.operations.iter().map(|it| it.as_str().to_owned());
    KeyView {
        name: key.name,
        beginning: key.beginning,
        state,
        created_at_ms: key.created_at_ms.0,
        expires_at_ms: key.expires_at_ms.map(|it| it.0),
        revoked_at_ms: key.revoked_at_ms.map(|it| it.0),
        rotated_at_ms: key.rotated_at_ms.map(|it| it.0),
        former_until_ms: former.map(|it| it.until_ms.0),
        scope: KeyScopeView {
            operations: operations.collect(),
            models: key.scope.models,
            routes: key.scope.routes,
            providers: key.scope.providers,
        },
        last_used_ms: last_used.map(|it| it.0),
        month_calls: month.calls,
        month_cost_pico_usd: money(month.cost),
        month_estimated_pico_usd: money(month.estimated),
        month_unknown_cost: month.unknown_costs.calls(),
    }
}

/// When the month of `now` began; `now` itself where no calendar says.
fn month_began(now: UnixMs, zone: TimeZone) -> UnixMs {
    let began = || {
        let local = Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone);
        let first = local.first_of_month().ok()?.start_of_day().ok()?;
        Some(UnixMs(first.timestamp().as_millisecond()))
    };
    began().unwrap_or(now)
}

/// What the key may do, once all that it names is known.
fn scope(app: &App, asked: KeyScopeView) -> Result<KeyScope, ApiError> {
    let KeyScopeView { models, routes, providers, operations } = asked;
    let known = app.providers();
    if let Some(it) =
        providers.iter().find(|it| !known.iter().any(|known| known.provider.id == **it))
    {
        return Err(ApiError::Invalid(format!("there is no provider `{it}`")));
    }
    let own = app.settings().model_names();
    if let Some(it) = routes.iter().find(|it| !own.contains(it)) {
        return Err(ApiError::Invalid(format!("the configuration has no model `{it}`")));
    }
    let operation = |name: &String| {
        let found = Operation::ALL.into_iter().find(|it| it.as_str() == name);
        found.ok_or_else(|| {
            let all = Operation::ALL.map(Operation::as_str).join("`, `");
            ApiError::Invalid(format!("`{name}` is not asked of providers: use `{all}`"))
        })
    };
    let operations = operations.iter().map(operation).collect::<Result<_, _>>()?;
    Ok(KeyScope { models, routes, providers, operations })
}

impl From<KeysError> for ApiError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Invalid(message) => Self::Invalid(message),
            KeysError::Unknown(_) => Self::NotFound("key"),
            KeysError::File { .. } | KeysError::Damaged { .. } | KeysError::Random(_) => {
                Self::Keys(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_where_the_user_lives() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let check = |now: &str, expected: &str| {
            let ms = |it: &str| UnixMs(it.parse::<Timestamp>().unwrap().as_millisecond());
            assert_eq!(month_began(ms(now), zone.clone()), ms(expected), "{now}");
        };
        check("2026-11-25T10:00:00Z", "2026-10-31T23:00:00Z");
        check("2026-10-31T23:00:00Z", "2026-10-31T23:00:00Z");
        check("2026-10-31T22:59:59Z", "2026-09-30T22:00:00Z");
    }
}
