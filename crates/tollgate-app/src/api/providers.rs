//! Providers: what is configured, what runs on this machine, and a trial of each.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use tollgate_core::provider::Auth;
use tollgate_gateway::ProbeError;
use tollgate_wire::error_name;
use utoipa::ToSchema;

use super::{
    ApiError, convert,
    view::{CallView, UsageView},
};
use crate::{
    App,
    providers::{Failure, Known, look_for_local},
    trial::{Finding, Trial, try_provider},
};

/// A wire format and where it is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderFormatView {
    /// The format (`openai-chat`, …).
    pub format: String,
    /// The base URL; one with a `{name}` in it has to be filled in by the configuration.
    pub base_url: String,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderView {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Whether the catalogue has it.
    pub in_catalogue: bool,
    /// Whether the configuration has an entry for it.
    pub configured: bool,
    /// Its formats.
    pub formats: Vec<ProviderFormatView>,
    /// How a credential is sent: `bearer`, `header:NAME`, `none`, `aws`, `google` or `entra`.
    pub auth: String,
    /// Where the credential is, in words, such as `from the keyring (openai)`; `null`: the client's
    /// own passes through.
    pub credential: Option<String>,
    /// The catalogue's usual variable for its key that is set in the gateway's environment, though no
    /// credential is configured.
    pub env_set: Option<String>,
    /// Why it cannot be called now; `null` when it can.
    pub problem: Option<String>,
    /// The server on this machine; `null` for a provider that is elsewhere.
    pub local: Option<LocalView>,
    /// When the last call began that it answered with success, since the gateway started.
    pub answered_at_ms: Option<i64>,
    /// The last call that failed since then.
    pub last_error: Option<ProviderErrorView>,
}

/// A server on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LocalView {
    /// Whether it runs.
    pub running: bool,
    /// The models that it has.
    pub models: Vec<String>,
    /// Why it did not tell them.
    pub problem: Option<String>,
}

/// A call of a provider that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderErrorView {
    /// When it began.
    pub at_ms: i64,
    /// The status that the client got.
    pub status: Option<u16>,
    /// The gateway's own error, if it was one (`timeout`, …).
    pub code: Option<String>,
    /// The error's text.
    pub message: Option<String>,
}

/// All providers, in the catalogue's order, the user's own last. Servers on this machine are looked
/// for first, which takes at most two seconds.
#[utoipa::path(get, path = "/providers", responses((status = 200, body = Vec<ProviderView>)))]
pub async fn list_providers(State(app): State<Arc<App>>) -> Json<Vec<ProviderView>> {
    Json(listed(&app).await)
}

/// All providers; see [`list_providers`].
pub async fn listed(app: &Arc<App>) -> Vec<ProviderView> {
    let known = app.providers();
    let mut local = look_for_local(app.gateway(), &known).await;
    known.into_iter().map(|it| view(app, it, &mut local)).collect()
}

fn view(
    app: &App,
    known: Known,
    local: &mut HashMap<String, Result<Vec<String>, ProbeError>>,
) -> ProviderView {
    let Known { provider, in_catalogue, own, problem } = known;
    let last = app.last_calls().of(&provider.id);
    let credential = own.as_ref().and_then(|it| it.credential.as_ref()).map(ToString::to_string);
    let unconfigured = provider.env.iter().filter(|_| credential.is_none());
    let env_set = unconfigured.into_iter().find(|it| app.has_variable(it)).cloned();
    let formats = provider.endpoints.iter().map(|it| ProviderFormatView {
        format: it.format.to_string(),
        base_url: it.base_url.clone(),
    });
    ProviderView {
        formats: formats.collect(),
        auth: auth(&provider.auth),
        in_catalogue,
        configured: own.is_some(),
        credential,
        env_set,
        problem,
        local: local.remove(&provider.id).map(found),
        answered_at_ms: last.answered_at.map(|it| it.0),
        last_error: last.failure.map(failure),
        id: provider.id,
        name: provider.name,
    }
}

fn found(models: Result<Vec<String>, ProbeError>) -> LocalView {
    match models {
        Ok(models) => LocalView { running: true, models, problem: None },
        Err(error) => {
            LocalView { running: false, models: Vec::new(), problem: Some(error.to_string()) }
        }
    }
}

fn failure(it: Failure) -> ProviderErrorView {
    ProviderErrorView {
        at_ms: it.at.0,
        status: it.status,
        code: it.code.map(|it| error_name(it).to_owned()),
        message: it.message,
    }
}

fn auth(auth: &Auth) -> String {
    match auth {
        Auth::Bearer => "bearer".to_owned(),
        Auth::Header(name) => format!("header:{name}"),
        Auth::None => "none".to_owned(),
        Auth::Aws => "aws".to_owned(),
        Auth::Google => "google".to_owned(),
        Auth::Entra => "entra".to_owned(),
    }
}

/// What to try a provider with.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct TrialAsked {
    /// The model; without it the cheapest that has a price, or the first that the provider lists.
    pub model: Option<String>,
}

/// How one thing was found that a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingState {
    /// As it should be.
    Good,
    /// Not so.
    Bad,
    /// Not told, because something before it failed.
    Untold,
}

/// One thing that a call needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// What: `configured`, `reached`, `tls`, `credential`, `answered` or `usage`, in this order.
    pub what: String,
    /// How it was found.
    pub state: FindingState,
    /// In words; `null` when it was not told.
    pub detail: Option<String>,
}

/// What the trial of a provider found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialView {
    /// The provider's id.
    pub provider: String,
    /// The model that was asked, if it came to that.
    pub model: Option<String>,
    /// The format that was spoken.
    pub format: Option<String>,
    /// Whether all was good.
    pub good: bool,
    /// What was found.
    pub findings: Vec<FindingView>,
    /// The call's usage.
    pub usage: Option<UsageView>,
    /// What it cost.
    pub cost_pico_usd: Option<String>,
    /// The call, if one was made.
    pub call: Option<CallView>,
}

/// Makes a provider answer with the smallest real call, which is billed and stands in the ledger.
///
/// # Errors
/// When there is no such provider.
#[utoipa::path(post, path = "/providers/{id}/test", params(("id" = String, Path, description = "The provider's id")), request_body = TrialAsked, responses((status = 200, body = TrialView)))]
pub async fn test_provider(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Json(asked): Json<TrialAsked>,
) -> Result<Json<TrialView>, ApiError> {
    Ok(Json(tried(&app, &id, asked.model.as_deref()).await?))
}

/// Tries a provider; see [`test_provider`].
///
/// # Errors
/// When there is no such provider.
pub async fn tried(app: &Arc<App>, id: &str, model: Option<&str>) -> Result<TrialView, ApiError> {
    let known = app.providers().into_iter().find(|it| it.provider.id == id);
    let known = known.ok_or(ApiError::NotFound("provider"))?;
    let trial = try_provider(app, &known, model).await;
    Ok(trial_view(id, &trial))
}

fn trial_view(id: &str, trial: &Trial) -> TrialView {
    let findings: Vec<_> = trial.findings().map(finding).into();
    let call = trial.call.as_ref().map(CallView::from);
    TrialView {
        provider: id.to_owned(),
        model: trial.model.clone(),
        format: trial.format.map(|it| it.to_string()),
        good: findings.iter().all(|it| it.state == FindingState::Good),
        findings,
        usage: call.as_ref().map(|it| it.usage.clone()),
        cost_pico_usd: trial.call.as_ref().and_then(|it| it.cost).map(convert::money),
        call,
    }
}

fn finding((what, found): (&'static str, &Finding)) -> FindingView {
    let (state, detail) = match found {
        Finding::Good(detail) => (FindingState::Good, Some(detail.clone())),
        Finding::Bad(detail) => (FindingState::Bad, Some(detail.clone())),
        Finding::Untold => (FindingState::Untold, None),
    };
    FindingView { what: what.to_owned(), state, detail }
}
