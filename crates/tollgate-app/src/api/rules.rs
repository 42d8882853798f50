//! The rules of the configuration: which there are, what they did, and what they would do.

use std::sync::Arc;

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tollgate_core::rule::{RuleChange, RuleEffect, RuleEnd, RuleTrace};
use tollgate_gateway::{
    RuleSet,
    rules::{Explained, HeaderEdit, Rule, RuleHistory, Trial, Verdict},
};
use utoipa::ToSchema;

use super::{ApiError, packets::parse_call};
use crate::{
    App,
    config::{RuleMistake, rules_of, rules_text},
};

/// A rule of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// Its condition in CEL; `null` when it is for every call.
    pub when: Option<String>,
    /// The reason that denied calls get; `null` when it does not deny.
    pub deny: Option<String>,
    /// What it does, by the keys of the configuration.
    pub actions: Vec<RuleActionView>,
    /// Calls that it fired for since the gateway started, or since it is as it stands.
    pub fired: u64,
    /// Calls that its condition could not be evaluated for, since then.
    pub failed: u64,
    /// When the last call that it fired for began; `null`: none did.
    pub last_fired_at_ms: Option<i64>,
    /// That call's id.
    pub last_fired_for: Option<String>,
}

/// The rules as they are written.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RulesTextView {
    /// The `[[rules]]` of the configuration file, with their comments; empty where there are none.
    pub text: String,
    /// The configuration file.
    pub file: String,
}

/// Why a text of rules is not acceptable.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleMistakeView {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// One thing that a rule does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleActionView {
    /// The configuration's key for it: `set`, `cap`, `model`, …
    pub action: String,
    /// The field or header that it is about, or the model; never a field's or header's value.
    pub on: Option<String>,
}

/// A rule that fired for a call, or that could not be evaluated.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleTraceView {
    /// The rule's name.
    pub rule: String,
    /// `applied`, `denied`, or `failed` when its condition could not be evaluated.
    pub end: String,
    /// Why it could not be evaluated.
    pub why: Option<String>,
    /// What it changed or could not change, in order.
    pub changes: Vec<RuleChangeView>,
}

/// What came of one thing that a rule does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleChangeView {
    /// The configuration's key for it.
    pub action: String,
    /// The field or header that it is about, or the model.
    pub on: Option<String>,
    /// `changed`, `unneeded` when the call was as it should be, or `impossible`.
    pub effect: String,
    /// Why it was impossible.
    pub why: Option<String>,
}

/// A call to try the rules on: one of the ledger, or one that is written out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleTest {
    /// The id of a call of the ledger. Its headers are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Variables of conditions by their names, and `body`: the request's body as JSON. What is left
    /// out follows from `body`, or is not known; the clock's are now's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub with: Option<Map<String, Value>>,
    /// Rules to try in place of those in force: the `[[rules]]` of a configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
}

/// What the rules would do to a call, and why.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RuleTestView {
    /// Why the rules that were given are not acceptable; then nothing else is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mistake: Option<RuleMistakeView>,
    /// One for each rule, in their order.
    pub rules: Vec<RuleTestedView>,
    /// The rule that would deny the call.
    pub denied_by: Option<String>,
    /// Another model that would be asked for.
    pub model: Option<String>,
    /// The request's body after the rules, but for the model; `null` when they leave it as it is, or
    /// it is not known.
    #[schema(value_type = Option<Object>)]
    pub body: Option<Value>,
    /// What would be done to the request's and the answer's headers.
    pub headers: Vec<HeaderChangeView>,
}

/// What one rule would do, and why.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleTestedView {
    /// Its name.
    pub name: String,
    /// Its condition.
    pub when: Option<String>,
    /// The reason that denied calls get; `null` when it does not deny.
    pub deny: Option<String>,
    /// `holds`, `holds-not`, `failed` when it cannot be evaluated, or `not-reached` behind a denial.
    pub verdict: String,
    /// Why it cannot be evaluated.
    pub why: Option<String>,
    /// The variables that its condition refers to, with their values; `null` is not known.
    #[schema(value_type = Object)]
    pub values: Map<String, Value>,
    /// What it would change or could not change, in order.
    pub changes: Vec<RuleChangeView>,
}

/// What a rule does to a header.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HeaderChangeView {
    /// `request` or `response`.
    pub of: String,
    /// The header's name.
    pub name: String,
    /// Its value; `null` when it is removed.
    pub value: Option<String>,
}

/// The rules in force, in their order.
#[utoipa::path(get, path = "/rules", responses((status = 200, body = Vec<RuleView>)))]
pub async fn list_rules(State(app): State<Arc<App>>) -> Json<Vec<RuleView>> {
    let rules = app.gateway().rules();
    let rules = rules.rules().iter().zip(rules.histories());
    Json(rules.map(|(rule, history)| rule_view(rule, history)).collect())
}

/// The rules as they stand in the configuration file.
///
/// # Errors
/// When the file cannot be read or has a mistake.
#[utoipa::path(get, path = "/rules/text", responses((status = 200, body = RulesTextView)))]
pub async fn read_rules(State(app): State<Arc<App>>) -> Result<Json<RulesTextView>, ApiError> {
    super::blocking(move || {
        let path = &app.paths().config;
        let text = rules_text(path, app.settings().catalogue())
            .map_err(|err| ApiError::Invalid(crate::settings::with_causes(&err)))?;
        Ok(Json(RulesTextView { text, file: path.display().to_string() }))
    })
    .await
}

/// Tries rules on a call, by the same steps that calls go through: those in force, or others that
/// are given. Nothing is sent, and nothing is kept.
///
/// # Errors
/// When there is no such call, or what is written is not right.
#[utoipa::path(post, path = "/rules/test", request_body = RuleTest, responses((status = 200, body = RuleTestView)))]
pub async fn test_rules(
    State(app): State<Arc<App>>,
    Json(test): Json<RuleTest>,
) -> Result<Json<RuleTestView>, ApiError> {
    let rules = match test.rules {
        None => app.gateway().rules(),
        Some(text) => match super::blocking(move || Ok(rules_of(&text))).await? {
            Ok(rules) => Arc::new(rules),
            Err(it) => {
                let RuleMistake { line, column, message } = it;
                let mistake = Some(RuleMistakeView { line, column, message });
                return Ok(Json(RuleTestView { mistake, ..RuleTestView::default() }));
            }
        },
    };
    let trial = match (test.call, test.with) {
        (Some(id), None) => of_call(&app, &rules, &id).await?,
        (None, Some(with)) => {
            Trial::written(&rules, with, app.clock().now()).map_err(ApiError::Invalid)?
        }
        (Some(_), Some(_)) | (None, None) => {
            let message = "give either `call` or `with`";
            return Err(ApiError::Invalid(message.to_owned()));
        }
    };
    Ok(Json(tested(&rules, &trial)))
}

async fn of_call(app: &App, rules: &RuleSet, id: &str) -> Result<Trial, ApiError> {
    let id = parse_call(id)?;
    app.written().await;
    let reader = app.reader();
    let found = super::blocking(move || Ok((reader.call(id)?, reader.bodies(id)?))).await?;
    let (Some(call), bodies) = found else { return Err(ApiError::NotFound("call")) };
    let whole = bodies.filter(|it| !it.request_truncated).map(|it| it.request);
    Ok(Trial::of_call(rules, &call, whole.filter(|it: &Bytes| !it.is_empty())))
}

fn tested(rules: &RuleSet, trial: &Trial) -> RuleTestView {
    let explanation = rules.explain(trial);
    let applied = explanation.applied;
    let explained = rules.rules().iter().zip(explanation.rules);
    let mut headers = Vec::new();
    for edit in &applied.request_headers {
        headers.push(header_change("request", edit));
    }
    for edit in &applied.response_headers {
        headers.push(header_change("response", edit));
    }
    RuleTestView {
        mistake: None,
        rules: explained.map(|(rule, it)| tested_rule(rule, it)).collect(),
        denied_by: applied.denied.map(|(rule, _)| rule),
        model: applied.model,
        body: applied.body.and_then(|it| serde_json::from_slice(&it).ok()),
        headers,
    }
}

fn tested_rule(rule: &Rule, it: Explained) -> RuleTestedView {
    let (verdict, why) = match it.verdict {
        Verdict::Holds => ("holds", None),
        Verdict::HoldsNot => ("holds-not", None),
        Verdict::Failed(why) => ("failed", Some(why)),
        Verdict::NotReached => ("not-reached", None),
    };
    RuleTestedView {
        name: rule.name.clone(),
        when: rule.when.clone(),
        deny: rule.denial().map(str::to_owned),
        verdict: verdict.to_owned(),
        why,
        values: it.values,
        changes: it.changes.into_iter().map(RuleChangeView::from).collect(),
    }
}

fn header_change(of: &str, edit: &HeaderEdit) -> HeaderChangeView {
    let (name, value) = match edit {
        HeaderEdit::Set(name, value) => (name, value.to_str().ok().map(str::to_owned)),
        HeaderEdit::Remove(name) => (name, None),
    };
    HeaderChangeView { of: of.to_owned(), name: name.as_str().to_owned(), value }
}

fn rule_view(it: &Rule, history: RuleHistory) -> RuleView {
    let actions = it.actions().into_iter();
    let actions = actions.map(|(action, on)| RuleActionView { action: action.to_owned(), on });
    RuleView {
        name: it.name.clone(),
        when: it.when.clone(),
        deny: it.denial().map(str::to_owned),
        actions: actions.collect(),
        fired: history.fired,
        failed: history.failed,
        last_fired_at_ms: history.last.map(|(_, at)| at.0),
        last_fired_for: history.last.map(|(call, _)| call.to_string()),
    }
}

impl From<RuleTrace> for RuleTraceView {
    fn from(it: RuleTrace) -> Self {
        let (end, why) = match it.end {
            RuleEnd::Applied => ("applied", None),
            RuleEnd::Denied => ("denied", None),
            RuleEnd::Failed(why) => ("failed", Some(why)),
        };
        Self {
            rule: it.rule,
            end: end.to_owned(),
            why,
            changes: it.changes.into_iter().map(RuleChangeView::from).collect(),
        }
    }
}

impl From<RuleChange> for RuleChangeView {
    fn from(it: RuleChange) -> Self {
        let (effect, why) = match it.effect {
            RuleEffect::Changed => ("changed", None),
            RuleEffect::Unneeded => ("unneeded", None),
            RuleEffect::Impossible(why) => ("impossible", Some(why)),
        };
        Self { action: it.action, on: it.on, effect: effect.to_owned(), why }
    }
}
