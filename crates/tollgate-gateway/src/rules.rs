//! Rules: what the configuration says of certain calls, in CEL.
//!
//! A [`RuleSet`] is compiled once. Every condition sees the call as the client sent it, whatever
//! other rules do, so that rules can be read one by one; those that hold then do what they do in
//! their order, and a denial ends it. A condition that cannot be evaluated for a call (most often:
//! something of it is not known, and so `null`) does not hold, which is noted with the call.

mod apply;
mod expression;
mod gather;
pub(crate) mod govern;
mod history;
mod limits;
mod reserved;
mod trial;
mod variable;

use std::{fmt, sync::Arc};

use cel::{Context, Env};
use http::{HeaderName, HeaderValue};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use tollgate_wire::Edit;

pub use self::{
    apply::{Applied, Subject},
    history::RuleHistory,
    limits::{
        DENY_BYTES_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_STEPS_MAX, LIST_ITEMS_MAX,
        PARAM_BYTES_MAX, RULE_CALLER_WAIT, RULE_NAME_BYTES_MAX, RULES_MAX, WHEN_BYTES_MAX,
    },
    reserved::header_reserved,
    trial::{Explained, Explanation, Trial},
    variable::{Facts, Kind, Source, Variable},
};
use self::{
    expression::{Condition, Mistake, environment, parse_all},
    history::{Histories, begun},
    variable::Uses,
};

/// A rule as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, which no other rule has; at most [`RULE_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Its condition in CEL, at most [`WHEN_BYTES_MAX`] bytes; `None` holds for every call.
    pub when: Option<String>,
    /// What it does.
    pub then: Then,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// Refuses the call with this reason, at most [`DENY_BYTES_MAX`] bytes.
    Deny(String),
    /// Changes it.
    Change(Changes),
}

/// What a rule changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Another model to ask for.
    pub model: Option<String>,
    /// Edits of the request's body, in order.
    pub body: Vec<Edit>,
    /// Edits of the request's headers. None names a [reserved](header_reserved) one.
    pub request_headers: Vec<HeaderEdit>,
    /// Edits of the answer's headers; likewise.
    pub response_headers: Vec<HeaderEdit>,
}

/// One change of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// The header gets this value alone.
    Set(HeaderName, HeaderValue),
    /// The header goes.
    Remove(HeaderName),
}

/// What came of a rule's condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not.
    HoldsNot,
    /// It cannot be evaluated, for this reason, and so does not hold.
    Failed(String),
    /// A rule before it denied the call.
    NotReached,
}

/// A condition is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {}: character {}: {message}", .rule + 1, .at + 1)]
pub struct ConditionError {
    /// The index of its rule.
    pub rule: usize,
    /// Where in the condition, in characters from its beginning.
    pub at: usize,
    /// What is wrong.
    pub message: String,
}

/// Rules, ready to be applied.
#[derive(Clone)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// One for each rule.
    conditions: Arc<[Option<Condition>]>,
    env: Arc<Env>,
    uses: Uses,
    time_zone: TimeZone,
    /// One for each rule.
    histories: Histories,
}

impl RuleSet {
    /// Compiles rules. `time_zone` is this machine's, for the clock's variables.
    ///
    /// # Errors
    /// The first condition that is not acceptable.
    pub fn compile(rules: Vec<Rule>, time_zone: TimeZone) -> Result<Self, ConditionError> {
        let env = Arc::new(environment());
        let texts: Vec<_> = rules.iter().map(|it| it.when.as_deref()).collect();
        let conditions = parse_all(&env, &texts)
            .map_err(|(rule, Mistake { at, message })| ConditionError { rule, at, message })?;
        let mut uses = Uses::default();
        for it in conditions.iter().flatten() {
            uses.extend(it.uses());
        }
        let histories = begun(rules.len());
        Ok(Self { rules, conditions: conditions.into(), env, uses, time_zone, histories })
    }

    /// The rules, in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The variables that some condition refers to: no others need to be found out.
    pub(crate) const fn uses(&self) -> Uses {
        self.uses
    }

    /// The time zone of the clock's variables.
    pub(crate) const fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// Evaluates the conditions; one verdict for each rule, in their order.
    #[must_use]
    pub fn judge(&self, facts: &Facts) -> Vec<Verdict> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        facts.bind(self.uses, &mut context);
        let mut denied = false;
        let rules = self.rules.iter().zip(&*self.conditions);
        let verdicts = rules.map(|(rule, condition)| {
            if denied {
                return Verdict::NotReached;
            }
            let holds = condition.as_ref().map_or(Ok(true), |it| it.holds(&context));
            denied = matches!((&holds, &rule.then), (Ok(true), Then::Deny(_)));
            match holds {
                Ok(true) => Verdict::Holds,
                Ok(false) => Verdict::HoldsNot,
                Err(reason) => Verdict::Failed(reason),
            }
        });
        verdicts.collect()
    }

    /// Whether a rule that holds is to change the body of the request, where the model stands too.
    pub(crate) fn change_the_body(&self, verdicts: &[Verdict]) -> bool {
        self.rules.iter().zip(verdicts).any(|(rule, verdict)| match &rule.then {
            Then::Change(it) => {
                *verdict == Verdict::Holds && (it.model.is_some() || !it.body.is_empty())
            }
            Then::Deny(_) => false,
        })
    }

    /// The values of the variables that a rule's condition refers to; one that is not known is
    /// `null`. Empty for a rule without a condition.
    #[must_use]
    pub fn values(&self, rule: usize, facts: &Facts) -> Map<String, Value> {
        let condition = self.conditions.get(rule).and_then(Option::as_ref);
        condition.map(|it| facts.values(it.uses())).unwrap_or_default()
    }
}

impl Default for RuleSet {
    /// No rules.
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            conditions: Arc::new([]),
            env: Arc::new(Env::default()),
            uses: Uses::default(),
            time_zone: TimeZone::UTC,
            histories: begun(0),
        }
    }
}

/// Sets are equal when their rules are.
impl PartialEq for RuleSet {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
