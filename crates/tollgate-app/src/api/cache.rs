//! The cache of answers: what it holds and saved, and how to empty it.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tollgate_core::{UnixMs, routing::CacheTrace};
use tollgate_gateway::{CacheFilter, CacheGroup, Caching};
use tollgate_ledger::{SumQuery, Sums};
use utoipa::ToSchema;

use super::{ApiError, blocking, convert::money};
use crate::App;

/// How far back what was saved is summed: thirty days.
const SAVED_MS: i64 = 30 * 24 * 3_600_000;

/// The cache of answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheView {
    /// Whether any call may use it.
    pub on: bool,
    /// How calls use it that nothing else is said of; `null`: not at all.
    pub usual: Option<CachingView>,
    /// The user's own models whose calls use it otherwise, in order of their names.
    pub models: Vec<CachedModelView>,
    /// Answers in it.
    pub entries: u64,
    /// How many it may hold.
    pub entries_max: u64,
    /// The memory that they take, about.
    pub bytes: u64,
    /// How much they may take.
    pub bytes_max: u64,
    /// Calls that it answered since the gateway started.
    pub hits: u64,
    /// Those of them that waited for an equal call under way.
    pub followed: u64,
    /// Calls that went to a provider because it had no answer.
    pub misses: u64,
    /// Calls that went to a provider without a look at it.
    pub bypassed: u64,
    /// What it holds, by the user's own model, the provider's model and the provider.
    pub groups: Vec<CacheGroupView>,
    /// What it saved.
    pub saved: SavedView,
}

/// How calls use the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CachingView {
    /// For how many seconds an answer is good.
    pub ttl_s: u64,
    /// Who shares answers: `own`, `program` or `all`.
    pub scope: String,
    /// How fast a stream is replayed: `at-once` or `as-recorded`.
    pub pace: String,
    /// Whether answers are kept in which the model calls tools.
    pub tool_calls: bool,
    /// Which members of requests do not tell them apart.
    pub ignore: Vec<String>,
}

/// One of the user's own models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CachedModelView {
    /// Its name.
    pub model: String,
    /// How its calls use the cache; `null`: not at all.
    pub caching: Option<CachingView>,
}

/// The answers of one model by one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheGroupView {
    /// The user's own model that was asked for; `null`: none was.
    pub route: Option<String>,
    /// The provider's model.
    pub model: Option<String>,
    /// The provider's id.
    pub provider: String,
    /// Answers.
    pub entries: u64,
    /// The memory that they take, about.
    pub bytes: u64,
    /// Calls that they answered.
    pub hits: u64,
    /// When the oldest was kept.
    pub oldest_at_ms: i64,
    /// When the newest was kept.
    pub newest_at_ms: i64,
}

/// What the cache saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedView {
    /// Since when.
    pub since_ms: i64,
    /// All calls, those that it answered too.
    pub calls: u64,
    /// Calls that it answered.
    pub cached_calls: u64,
    /// What those would have cost, as far as that is known, in pico-dollars.
    pub saved_pico_usd: String,
    /// Those of them of which it is not known.
    pub unknown_saved: u64,
}

/// Which answers are to be forgotten: those for which all that is given holds; without anything all of
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheFilterView {
    /// Of this model, as it was asked for or as the provider calls it.
    pub model: Option<String>,
    /// Of this model of the user's own.
    pub route: Option<String>,
    /// By this provider.
    pub provider: Option<String>,
    /// Kept at least so many milliseconds ago.
    pub older_than_ms: Option<u64>,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheClearedView {
    /// How many answers.
    pub cleared: u64,
}

/// What the cache did for a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheTraceView {
    /// `hit`: it answered; `kept` or `not-kept`: a provider's answer was, or was not; `bypassed`: it was
    /// not asked.
    pub result: String,
    /// The id of the call that the answer was made for.
    pub of: Option<String>,
    /// How old the answer was, in milliseconds.
    pub age_ms: Option<u64>,
    /// Why it was not kept, or not asked.
    pub why: Option<String>,
}

/// What the cache holds, did and saved.
///
/// # Errors
/// When the ledger cannot be read.
#[utoipa::path(get, path = "/cache", responses((status = 200, body = CacheView)))]
pub async fn get_cache(State(app): State<Arc<App>>) -> Result<Json<CacheView>, ApiError> {
    let since = UnixMs(app.clock().now().0.saturating_sub(SAVED_MS));
    let query = SumQuery { since: Some(since), simulated: app.summed(), ..SumQuery::default() };
    app.written().await;
    let reader = app.reader();
    let sums = blocking(move || Ok(reader.totals(&query)?)).await?;
    let (settings, status) = (app.settings().cache(), app.gateway().cache());
    let own = settings.models.iter().map(|(name, caching)| CachedModelView {
        model: name.clone(),
        caching: caching.as_ref().map(CachingView::from),
    });
    Ok(Json(CacheView {
        on: settings.is_on(),
        usual: settings.usual.as_ref().map(CachingView::from),
        models: own.collect(),
        entries: count(status.entries),
        entries_max: count(status.bounds.entries),
        bytes: count(status.bytes),
        bytes_max: count(status.bounds.bytes),
        hits: status.counts.hits,
        followed: status.counts.followed,
        misses: status.counts.misses,
        bypassed: status.counts.bypassed,
        groups: status.groups.into_iter().map(CacheGroupView::from).collect(),
        saved: saved(since, &sums),
    }))
}

/// Forgets answers. Those that calls under way bring are then not kept either.
#[utoipa::path(post, path = "/cache/clear", request_body = CacheFilterView, responses((status = 200, body = CacheClearedView)))]
pub async fn clear_cache(
    State(app): State<Arc<App>>,
    Json(filter): Json<CacheFilterView>,
) -> Json<CacheClearedView> {
    let CacheFilterView { model, route, provider, older_than_ms } = filter;
    let older_than = older_than_ms.map(Duration::from_millis);
    let filter = CacheFilter { model, route, provider, older_than };
    Json(CacheClearedView { cleared: count(app.gateway().clear_cache(&filter)) })
}

fn saved(since: UnixMs, sums: &Sums) -> SavedView {
    SavedView {
        since_ms: since.0,
        calls: sums.calls,
        cached_calls: sums.cached_calls,
        saved_pico_usd: money(sums.saved),
        unknown_saved: sums.unknown_saved_calls,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl From<&Caching> for CachingView {
    fn from(it: &Caching) -> Self {
        Self {
            ttl_s: it.ttl.as_secs(),
            scope: it.scope.name().to_owned(),
            pace: it.pace.name().to_owned(),
            tool_calls: it.tool_calls,
            ignore: it.ignored.iter().map(|it| (*it).to_owned()).collect(),
        }
    }
}

impl From<CacheGroup> for CacheGroupView {
    fn from(it: CacheGroup) -> Self {
        Self {
            route: it.route,
            model: it.model,
            provider: it.provider,
            entries: count(it.entries),
            bytes: count(it.bytes),
            hits: it.hits,
            oldest_at_ms: it.oldest_at.0,
            newest_at_ms: it.newest_at.0,
        }
    }
}

impl From<CacheTrace> for CacheTraceView {
    fn from(it: CacheTrace) -> Self {
        let (result, why) = match &it {
            CacheTrace::Hit { .. } => ("hit", None),
            CacheTrace::Kept => ("kept", None),
            CacheTrace::NotKept(why) => ("not-kept", Some(why.clone())),
            CacheTrace::Bypassed(why) => ("bypassed", Some(why.clone())),
        };
        let (of, age_ms) = match it {
            CacheTrace::Hit { of, age_ms } => (Some(of.to_string()), Some(age_ms)),
            CacheTrace::Kept | CacheTrace::NotKept(_) | CacheTrace::Bypassed(_) => (None, None),
        };
        Self { result: result.to_owned(), of, age_ms, why }
    }
}
