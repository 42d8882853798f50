//! What the rules that hold do.

use bytes::Bytes;
use http::HeaderMap;
use tollgate_core::{
    Format, Operation,
    rule::{RuleChange, RuleEffect, RuleEnd, RuleTrace},
};
use tollgate_wire::{Edit, Effect, edit};

use super::{Changes, HeaderEdit, Rule, RuleSet, Then, Verdict};

/// What rules are applied to.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The request's body without a content coding; or why it is not at hand.
    pub body: Result<&'a Bytes, &'static str>,
    /// What the body is.
    pub format: Option<Format>,
    /// What it asks for.
    pub operation: Operation,
    /// The model that it asks for.
    pub model: Option<&'a str>,
    /// Whether the request goes out with the client's own signature, which covers its path.
    pub signed: bool,
}

/// What came of the rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The rule that denies the call and its reason. Nothing else is then to be done.
    pub denied: Option<(String, String)>,
    /// Another model to ask for.
    pub model: Option<String>,
    /// Another body, but for the model; `None`: the client's own.
    pub body: Option<Bytes>,
    /// Other headers; `None`: the client's own.
    pub headers: Option<HeaderMap>,
    /// What was changed of the request's headers.
    pub request_headers: Vec<HeaderEdit>,
    /// What to change of the answer's headers.
    pub response_headers: Vec<HeaderEdit>,
    /// Each rule that held or failed, with what it changed, in order.
    pub traces: Vec<RuleTrace>,
}

impl RuleSet {
    /// Does what the rules do that hold, by the verdicts of [`Self::judge`].
    #[must_use]
    pub fn apply(&self, verdicts: &[Verdict], subject: &Subject<'_>) -> Applied {
        let mut applied = Applied::default();
        for (rule, verdict) in self.rules.iter().zip(verdicts) {
            let end = match verdict {
                Verdict::HoldsNot | Verdict::NotReached => continue,
                Verdict::Failed(reason) => RuleEnd::Failed(reason.clone()),
                Verdict::Holds => match &rule.then {
                    Then::Deny(reason) => {
                        applied.denied = Some((rule.name.clone(), reason.clone()));
                        RuleEnd::Denied
                    }
                    Then::Change(_) => RuleEnd::Applied,
                },
            };
            let changes = match (&end, &rule.then) {
                (RuleEnd::Applied, Then::Change(changes)) => applied.change(changes, subject),
                (RuleEnd::Applied | RuleEnd::Denied | RuleEnd::Failed(_), _) => Vec::new(),
            };
            applied.traces.push(RuleTrace { rule: rule.name.clone(), end, changes });
        }
        applied
    }
}

impl Applied {
    fn change(&mut self, changes: &Changes, subject: &Subject<'_>) -> Vec<RuleChange> {
        let mut told = Vec::new();
        if let Some(model) = &changes.model {
            let effect = self.ask_for(model, subject);
            told.push(RuleChange { action: "model".into(), on: Some(model.clone()), effect });
        }
        if !changes.body.is_empty() {
            let effects = self.edit(&changes.body, subject);
            told.extend(changes.body.iter().zip(effects).map(|(edit, effect)| {
                let (action, on) = edit_name(edit);
                RuleChange { action: action.into(), on, effect }
            }));
        }
        for edit in &changes.request_headers {
            let headers = self.headers.get_or_insert_with(|| subject.headers.clone());
            let effect = edit.apply(headers);
            self.request_headers.push(edit.clone());
            told.push(RuleChange {
                action: edit.choose("set_headers", "remove_headers").into(),
                on: Some(edit.name()),
                effect,
            });
        }
        for edit in &changes.response_headers {
            self.response_headers.push(edit.clone());
            told.push(RuleChange {
                action: edit.choose("set_response_headers", "remove_response_headers").into(),
                on: Some(edit.name()),
                effect: RuleEffect::Changed,
            });
        }
        told
    }

    fn ask_for(&mut self, model: &str, subject: &Subject<'_>) -> RuleEffect {
        match subject.operation {
            Operation::Generate | Operation::Embed | Operation::CountTokens => {}
            Operation::ListModels | Operation::Other => {
                return RuleEffect::Impossible("such a request names no model".to_owned());
            }
        }
        if subject.signed && subject.format == Some(Format::BedrockConverse) {
            let why = "it is part of a path that the client has signed";
            return RuleEffect::Impossible(why.to_owned());
        }
        let before = self.model.as_deref().or(subject.model);
        let effect = if before == Some(model) { RuleEffect::Unneeded } else { RuleEffect::Changed };
        self.model = Some(model.to_owned());
        effect
    }

    fn edit(&mut self, edits: &[Edit], subject: &Subject<'_>) -> Vec<RuleEffect> {
        let impossible = |why: &str| vec![RuleEffect::Impossible(why.to_owned()); edits.len()];
        let (body, format) = match (self.body.as_ref(), subject.body, subject.format) {
            (Some(body), _, Some(format)) | (None, Ok(body), Some(format)) => (body, format),
            (None, Err(why), _) => return impossible(why),
            (Some(_), _, None) | (None, Ok(_), None) => {
                return impossible("the body has no format that is known here");
            }
        };
        let Ok(edited) = edit(body, format, subject.operation, edits) else {
            return impossible("the body is not a JSON object");
        };
        if edited.body.is_some() {
            self.body = edited.body;
        }
        let effects = edited.effects.into_iter().map(|it| match it {
            Effect::Changed => RuleEffect::Changed,
            Effect::Unneeded => RuleEffect::Unneeded,
            Effect::Impossible(why) => RuleEffect::Impossible(why.to_owned()),
        });
        effects.collect()
    }
}

impl HeaderEdit {
    /// Makes the change.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) -> RuleEffect {
        match self {
            Self::Set(name, value) => {
                let mut there = headers.get_all(name).iter();
                if there.next() == Some(value) && there.next().is_none() {
                    return RuleEffect::Unneeded;
                }
                headers.insert(name, value.clone());
                RuleEffect::Changed
            }
            Self::Remove(name) => {
                if !headers.contains_key(name) {
                    return RuleEffect::Unneeded;
                }
                // Removing from the map would reorder it.
                let kept = headers.iter().filter(|(it, _)| *it != name);
                *headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
                RuleEffect::Changed
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Set(name, _) | Self::Remove(name) => name.as_str().to_owned(),
        }
    }

    const fn choose(&self, set: &'static str, remove: &'static str) -> &'static str {
        match self {
            Self::Set(..) => set,
            Self::Remove(_) => remove,
        }
    }
}

impl Rule {
    /// The reason that denied calls get; `None` when the rule does not deny.
    #[must_use]
    pub fn denial(&self) -> Option<&str> {
        match &self.then {
            Then::Deny(reason) => Some(reason),
            Then::Change(_) => None,
        }
    }

    /// What the rule does, in its keys, as `set max_tokens`; never with a field's or header's value.
    #[must_use]
    pub fn actions(&self) -> Vec<(&'static str, Option<String>)> {
        let changes = match &self.then {
            Then::Deny(_) => return vec![("deny", None)],
            Then::Change(changes) => changes,
        };
        let model = changes.model.iter().map(|it| ("model", Some(it.clone())));
        let body = changes.body.iter().map(edit_name);
        let request = changes.request_headers.iter();
        let request =
            request.map(|it| (it.choose("set_headers", "remove_headers"), Some(it.name())));
        let response = changes.response_headers.iter().map(|it| {
            (it.choose("set_response_headers", "remove_response_headers"), Some(it.name()))
        });
        model.chain(body).chain(request).chain(response).collect()
    }
}

/// The configuration's key for an edit, and the field that it is about.
fn edit_name(edit: &Edit) -> (&'static str, Option<String>) {
    match edit {
        Edit::Set(field, _) => ("set", Some(field.to_string())),
        Edit::Default(field, _) => ("default", Some(field.to_string())),
        Edit::Cap(field, _) => ("cap", Some(field.to_string())),
        Edit::Remove(field) => ("remove", Some(field.to_string())),
        Edit::SystemPrefix(_) => ("system_prefix", None),
        Edit::SystemSuffix(_) => ("system_suffix", None),
    }
}
