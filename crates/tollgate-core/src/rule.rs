//! What a rule of the configuration did to a call, as it is stored with the call.

use serde::{Deserialize, Serialize};

/// A rule that fired for a call, or that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTrace {
    /// The rule's name.
    pub rule: String,
    /// What came of its condition.
    pub end: RuleEnd,
    /// What it changed or could not change, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<RuleChange>,
}

/// What came of a rule's condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleEnd {
    /// It held, and the rule did what it does.
    Applied,
    /// It held, and the rule denied the call.
    Denied,
    /// It could not be evaluated, for this reason, so that the rule did nothing.
    Failed(String),
}

/// One thing that a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleChange {
    /// The configuration's key for it: `set`, `cap`, `model`, …
    pub action: String,
    /// The field or header that it is about, or the model; `None` where it is about none. Never a
    /// field's or header's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// What became of it.
    pub effect: RuleEffect,
}

/// What became of one thing that a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleEffect {
    /// The call is another.
    Changed,
    /// The call was as it should be.
    Unneeded,
    /// The call has no place for it, for this reason.
    Impossible(String),
}
