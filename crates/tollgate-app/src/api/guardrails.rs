//! Guardrails: which there are, what they found, what they would find, and what they find wrongly.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::{Deserialize, Serialize};
use tollgate_core::{
    UnixMs,
    guardrail::{Fingerprint, Hit, Speaker},
};
use tollgate_gateway::guardrails::{Guardrail, trial};
use tollgate_ledger::{HITS_LIMIT_MAX, HitQuery, StoredHit};
use utoipa::{IntoParams, ToSchema};

use super::{ApiError, budgets::BudgetScopeView};
use crate::{
    App,
    exceptions::{Exception, ExceptionsError},
};

/// Hits in a page unless asked otherwise.
const PAGE_DEFAULT: usize = 100;

/// A guardrail of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GuardrailView {
    /// Its name.
    pub name: String,
    /// For which calls it is: those that match all of these. Empty: every call.
    pub scope: Vec<BudgetScopeView>,
    /// What it looks at: `requests`, `answers` or `both`.
    pub on: String,
    /// What it looks for: the name of a pack, `pattern` or `words`.
    pub check: String,
    /// What happens where something is found: `log`, `warn`, `redact` or `block`.
    pub action: String,
    /// The rules that are looked for.
    pub rules: Vec<GuardrailRuleView>,
}

/// A rule of a guardrail.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GuardrailRuleView {
    /// What it is called.
    pub id: String,
    /// What it finds, for people.
    pub title: String,
    /// What stands in the place of what it finds: `EMAIL` for `[EMAIL_1]`.
    pub placeholder: String,
}

/// Something that a guardrail found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HitView {
    /// Its number, by which an exception is made; `null` for one that is not stored.
    pub number: Option<i64>,
    /// The call's id; `null` for none.
    pub call: Option<String>,
    /// When the call began.
    pub at_ms: Option<i64>,
    /// The guardrail's name.
    pub guardrail: String,
    /// The rule that found it; `unread` where the guardrail could not look.
    pub rule: String,
    /// What happened: `log`, `warn`, `redact` or `block`.
    pub action: String,
    /// `request` or `answer`.
    pub side: String,
    /// Where in that: `messages[3]`.
    pub place: String,
    /// How often the same text was found.
    pub times: u32,
    /// What stands around it, with everything that was found masked.
    pub snippet: Option<String>,
    /// What stands for the text; `null` where no text was found.
    pub fingerprint: Option<String>,
    /// Whether the user said that this text was found wrongly.
    pub excepted: bool,
}

/// Hits, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HitPage {
    /// The hits.
    pub hits: Vec<HitView>,
    /// What to give as `before` for the next page; `null` on the last.
    pub next: Option<i64>,
}

/// Which hits to send.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HitsQuery {
    /// At most so many.
    pub limit: Option<usize>,
    /// Only hits older than this one (its number): the `next` of the page before.
    pub before: Option<i64>,
    /// Only hits of calls that began at this time or later.
    pub since_ms: Option<i64>,
    /// Only hits of this guardrail.
    pub guardrail: Option<String>,
    /// Only hits of this rule.
    pub rule: Option<String>,
}

/// A text to try the guardrails on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardrailTest {
    /// A request's body as JSON, or any other text.
    pub text: String,
    /// Who says a text that is no body: `system`, `user`, `assistant` or `tool`; `user` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
}

/// What the guardrails would do with a text. Nothing is sent or stored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GuardrailTestView {
    /// What is found.
    pub hits: Vec<HitView>,
    /// The text as the provider would get it.
    pub text: String,
    /// Why such a call would be blocked; `null` where it would not.
    pub blocked: Option<String>,
}

/// A text that a rule is not to find any more.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExceptionView {
    /// What stands for the text.
    pub fingerprint: String,
    /// The rule.
    pub rule: String,
    /// The guardrail that it was found by.
    pub guardrail: String,
    /// What stood around it, with the text masked.
    pub snippet: Option<String>,
    /// When the user said so.
    pub made_at_ms: i64,
}

/// An exception to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewException {
    /// The number of the hit that was wrong.
    pub hit: i64,
}

/// The guardrails of the configuration.
#[utoipa::path(get, path = "/guardrails", responses((status = 200, body = Vec<GuardrailView>)))]
pub async fn list_guardrails(State(app): State<Arc<App>>) -> Json<Vec<GuardrailView>> {
    let set = app.gateway().guardrails();
    Json(set.guardrails.iter().map(|it| GuardrailView::from(it.as_ref())).collect())
}

/// What guardrails found, newest first.
///
/// # Errors
/// When the ledger cannot be read.
#[utoipa::path(get, path = "/guardrails/hits", params(HitsQuery), responses((status = 200, body = HitPage)))]
pub async fn list_hits(
    State(app): State<Arc<App>>,
    Query(query): Query<HitsQuery>,
) -> Result<Json<HitPage>, ApiError> {
    app.written().await;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, HITS_LIMIT_MAX);
    let asked = HitQuery {
        since: query.since_ms.map(UnixMs),
        before: query.before,
        guardrail: query.guardrail,
        rule: query.rule,
        limit,
    };
    super::blocking(move || {
        let hits = app.reader().hits(&asked)?;
        let next = hits.last().filter(|_| hits.len() == limit).map(|it| it.number);
        Ok(Json(HitPage { hits: views(&app, hits), next }))
    })
    .await
}

/// Says what the guardrails that look at requests would do with a text, whatever calls they are for.
///
/// # Errors
/// When nobody is such a speaker.
#[utoipa::path(post, path = "/guardrails/test", request_body = GuardrailTest, responses((status = 200, body = GuardrailTestView)))]
pub async fn test_guardrails(
    State(app): State<Arc<App>>,
    Json(test): Json<GuardrailTest>,
) -> Result<Json<GuardrailTestView>, ApiError> {
    let speaker = match test.speaker.as_deref() {
        None => Speaker::User,
        Some(name) => Speaker::ALL
            .into_iter()
            .find(|it| it.name() == name && *it != Speaker::Offer)
            .ok_or_else(|| {
                let message =
                    format!("`{name}` says nothing: use `system`, `user`, `assistant` or `tool`");
                ApiError::Invalid(message)
            })?,
    };
    let set = app.gateway().guardrails();
    let tried = super::blocking(move || Ok(trial(&set, &test.text, speaker))).await?;
    let hits = tried.hits.into_iter().map(|hit| view(hit, &[])).collect();
    Ok(Json(GuardrailTestView { hits, text: tried.text, blocked: tried.blocked }))
}

/// The texts that rules are not to find any more, in the order in which that was said.
#[utoipa::path(get, path = "/guardrails/exceptions", responses((status = 200, body = Vec<ExceptionView>)))]
pub async fn list_exceptions(State(app): State<Arc<App>>) -> Json<Vec<ExceptionView>> {
    Json(app.settings().exceptions().list().into_iter().map(ExceptionView::from).collect())
}

/// Says that a hit was wrong: its rule does not find that text any more, in calls that begin after the
/// answer.
///
/// # Errors
/// When there is no such hit, it is of no text, or the exception cannot be stored.
#[utoipa::path(post, path = "/guardrails/exceptions", request_body = NewException, responses((status = 200, body = ExceptionView)))]
pub async fn make_exception(
    State(app): State<Arc<App>>,
    Json(new): Json<NewException>,
) -> Result<Json<ExceptionView>, ApiError> {
    app.written().await;
    super::blocking(move || {
        let stored = app.reader().hit(new.hit)?.ok_or(ApiError::NotFound("hit"))?;
        let Some(fingerprint) = stored.hit.fingerprint else {
            let message = "this hit is of no text that could be found wrongly";
            return Err(ApiError::Invalid(message.to_owned()));
        };
        let made = app.settings().exceptions().add(Exception {
            fingerprint,
            rule: stored.hit.rule,
            guardrail: stored.hit.guardrail,
            snippet: stored.hit.snippet,
            made_at_ms: app.clock().now(),
        })?;
        app.settings().serve(app.gateway());
        Ok(Json(ExceptionView::from(made)))
    })
    .await
}

/// Takes an exception back.
///
/// # Errors
/// When there is no such exception, or that cannot be stored.
#[utoipa::path(post, path = "/guardrails/exceptions/{fingerprint}/end", params(("fingerprint" = String, Path, description = "What stands for the text")), responses((status = 200, body = Vec<ExceptionView>)))]
pub async fn end_exception(
    State(app): State<Arc<App>>,
    Path(fingerprint): Path<String>,
) -> Result<Json<Vec<ExceptionView>>, ApiError> {
    let fingerprint = Fingerprint::parse(&fingerprint).ok_or(ApiError::NotFound("exception"))?;
    super::blocking(move || {
        app.settings().exceptions().remove(fingerprint)?;
        app.settings().serve(app.gateway());
        let left = app.settings().exceptions().list();
        Ok(Json(left.into_iter().map(ExceptionView::from).collect()))
    })
    .await
}

/// Hits as they are told.
pub(super) fn views(app: &App, hits: Vec<StoredHit>) -> Vec<HitView> {
    let excepted: Vec<_> =
        app.settings().exceptions().list().into_iter().map(|it| it.fingerprint).collect();
    hits.into_iter()
        .map(|StoredHit { number, call, started_at_ms, hit }| HitView {
            number: Some(number),
            call: Some(call.to_string()),
            at_ms: Some(started_at_ms.0),
            ..view(hit, &excepted)
        })
        .collect()
}

/// A hit that is not stored.
fn view(hit: Hit, excepted: &[Fingerprint]) -> HitView {
    HitView {
        number: None,
        call: None,
        at_ms: None,
        guardrail: hit.guardrail,
        rule: hit.rule,
        action: hit.action.name().to_owned(),
        side: hit.side.name().to_owned(),
        place: hit.place,
        times: hit.times,
        snippet: hit.snippet,
        fingerprint: hit.fingerprint.map(|it| it.to_string()),
        excepted: hit.fingerprint.is_some_and(|it| excepted.contains(&it)),
    }
}

impl From<&Guardrail> for GuardrailView {
    fn from(it: &Guardrail) -> Self {
        let scope = it.scope.iter().map(|(dimension, pattern)| BudgetScopeView {
            dimension: dimension.name().to_owned(),
            pattern: pattern.to_string(),
        });
        let rules = it.check.rules().map(|rule| GuardrailRuleView {
            id: rule.id.clone(),
            title: rule.title.clone(),
            placeholder: rule.placeholder.clone(),
        });
        Self {
            name: it.name.clone(),
            scope: scope.collect(),
            on: it.on.name().to_owned(),
            check: it.check.name().to_owned(),
            action: it.action.name().to_owned(),
            rules: rules.collect(),
        }
    }
}

impl From<Exception> for ExceptionView {
    fn from(it: Exception) -> Self {
        Self {
            fingerprint: it.fingerprint.to_string(),
            rule: it.rule,
            guardrail: it.guardrail,
            snippet: it.snippet,
            made_at_ms: it.made_at_ms.0,
        }
    }
}

impl From<ExceptionsError> for ApiError {
    fn from(error: ExceptionsError) -> Self {
        match error {
            ExceptionsError::Unknown => Self::NotFound("exception"),
            ExceptionsError::TooMany => Self::Invalid(error.to_string()),
            ExceptionsError::File { .. } | ExceptionsError::Damaged { .. } => {
                Self::Exceptions(error)
            }
        }
    }
}
