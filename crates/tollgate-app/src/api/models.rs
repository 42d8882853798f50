//! The user's own models, and how calls were routed.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tollgate_core::routing::{Attempt, AttemptResult, Loss, Routing, Strategy};
use tollgate_gateway::{ModelStatus, TargetStatus};
use tollgate_wire::error_name;
use utoipa::ToSchema;

use super::{cache::CacheTraceView, rules::RuleTraceView};
use crate::App;

/// A model of the configuration, as it is at this moment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ModelView {
    /// What clients ask for.
    pub name: String,
    /// In which order its targets are tried: `fallback`, `weighted`, `latency` or `cost`.
    pub strategy: String,
    /// Its targets, as they are listed.
    pub targets: Vec<TargetView>,
}

/// One provider's model that serves it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetView {
    /// The provider's id.
    pub provider: String,
    /// The model by the provider's name.
    pub model: String,
    /// How often it is the first to be tried, relative to the others'; counts for `weighted` only.
    pub weight: u32,
    /// Why it cannot be called at all.
    pub unavailable: Option<String>,
    /// Whether it has no credential of its own, so that only calls of clients that mean this
    /// provider can be made, with theirs.
    pub clients_key: bool,
    /// Failures since the last success.
    pub failures: u32,
    /// How many milliseconds longer it is passed over; 0 when the next call probes it, `null` when
    /// it is not passed over.
    pub cools_for_ms: Option<u64>,
    /// Calls under way.
    pub under_way: u32,
    /// How many microseconds the head of an answer took lately; `null` before the first.
    pub latency_us: Option<u64>,
}

/// A provider whose models clients can ask for by `<provider>/<model>`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProviderModelsView {
    /// The provider's id.
    pub provider: String,
    /// Whether the configuration has an entry for it; else it is a server that is looked for on this
    /// machine.
    pub configured: bool,
    /// Its models, by the names that it gives them.
    pub models: Vec<String>,
    /// Why it does not tell them now, so that lists of models leave it out.
    pub problem: Option<String>,
}

/// How a call came to the provider that answered it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RoutingView {
    /// The rules that fired or could not be evaluated, in order.
    pub rules: Vec<RuleTraceView>,
    /// The configured model that the client, or a rule in its place, asked for.
    pub model: Option<String>,
    /// By which its targets were put in order.
    pub strategy: Option<String>,
    /// What was tried, and what was passed over, in order.
    pub attempts: Vec<AttemptView>,
    /// What of the request the provider that answered could not be told.
    pub request_losses: Vec<LossView>,
    /// What of the answer the client could not be told.
    pub answer_losses: Vec<LossView>,
    /// What the cache of answers did; `null`: it had no part.
    pub cache: Option<CacheTraceView>,
}

/// One target of a call, tried or passed over.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// The provider's id.
    pub provider: String,
    /// The model that it was asked for, by its own name.
    pub model: String,
    /// The format that was spoken to it, where it is not the client's.
    pub translated_to: Option<String>,
    /// How long was waited before it, in microseconds.
    pub waited_us: u64,
    /// When it began, after that wait, in microseconds since the call's first byte.
    pub began_us: u64,
    /// From there to the head of the answer or the failure, in microseconds.
    pub took_us: u64,
    /// The provider's status, if it answered.
    pub status: Option<u16>,
    /// The gateway's word for the failure, if it did not.
    pub error_code: Option<String>,
    /// Why it failed, or why it was passed over.
    pub why: Option<String>,
    /// Whether it was passed over.
    pub skipped: bool,
}

/// One thing of a body that the other side's format has no place for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LossView {
    /// Where it stood: a JSON path in the body as it was received; empty for the body itself.
    pub field: String,
    /// Why it was left out, or what was done in its place.
    pub why: String,
}

/// The models of the configuration.
#[utoipa::path(get, path = "/models", responses((status = 200, body = Vec<ModelView>)))]
pub async fn list_models(State(app): State<Arc<App>>) -> Json<Vec<ModelView>> {
    Json(app.gateway().models().into_iter().map(ModelView::from).collect())
}

/// What clients can ask for by `<provider>/<model>`. The providers are asked for it, all at once and
/// for at most two seconds; what they tell is known for half a minute.
#[utoipa::path(get, path = "/models/reachable", responses((status = 200, body = Vec<ProviderModelsView>)))]
pub async fn list_reachable(State(app): State<Arc<App>>) -> Json<Vec<ProviderModelsView>> {
    let known = app.providers();
    let views = app.gateway().reachable().await.into_iter().map(|it| {
        let own = known.iter().any(|known| known.provider.id == it.provider && known.own.is_some());
        let (models, problem) = match it.models {
            Ok(models) => (models.to_vec(), None),
            Err(why) => (Vec::new(), Some(why)),
        };
        ProviderModelsView { provider: it.provider, configured: own, models, problem }
    });
    Json(views.collect())
}

impl From<ModelStatus> for ModelView {
    fn from(it: ModelStatus) -> Self {
        Self {
            name: it.name,
            strategy: it.strategy.name().to_owned(),
            targets: it.targets.into_iter().map(TargetView::from).collect(),
        }
    }
}

impl From<TargetStatus> for TargetView {
    fn from(it: TargetStatus) -> Self {
        let number = |it: u128| u64::try_from(it).unwrap_or(u64::MAX);
        let condition = it.condition;
        Self {
            provider: it.target.provider,
            model: it.target.model,
            weight: it.target.weight,
            unavailable: it.unavailable,
            clients_key: it.clients_key,
            failures: condition.failures,
            cools_for_ms: condition.cools_for.map(|it| number(it.as_millis())),
            under_way: condition.under_way,
            latency_us: condition.latency.map(|it| number(it.as_micros())),
        }
    }
}

impl From<Routing> for RoutingView {
    fn from(it: Routing) -> Self {
        let losses = |it: Vec<Loss>| it.into_iter().map(LossView::from).collect();
        Self {
            rules: it.rules.into_iter().map(RuleTraceView::from).collect(),
            model: it.model,
            strategy: it.strategy.map(Strategy::name).map(str::to_owned),
            attempts: it.attempts.into_iter().map(AttemptView::from).collect(),
            request_losses: losses(it.request_losses),
            answer_losses: losses(it.answer_losses),
            cache: it.cache.map(CacheTraceView::from),
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(it: Attempt) -> Self {
        let (status, error_code, why, skipped) = match it.result {
            AttemptResult::Answered(status) => (Some(status), None, None, false),
            AttemptResult::Failed { code, message } => {
                (None, Some(error_name(code).to_owned()), Some(message), false)
            }
            AttemptResult::Skipped(why) => (None, None, Some(why), true),
        };
        Self {
            provider: it.provider,
            model: it.model,
            translated_to: it.translated_to.map(|it| it.to_string()),
            waited_us: it.waited_us,
            began_us: it.began_us,
            took_us: it.took_us,
            status,
            error_code,
            why,
            skipped,
        }
    }
}

impl From<Loss> for LossView {
    fn from(it: Loss) -> Self {
        Self { field: it.field, why: it.why }
    }
}
