//! How a call came to the provider that answered it: which targets were tried, and what of the call
//! they could not be told.

use serde::{Deserialize, Serialize};

use crate::{CallId, Format, call::ErrorCode, rule::RuleTrace};

/// In which order the targets of a model are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// As they are listed.
    #[default]
    Fallback,
    /// The first by chance, each as often as its weight says; then the others as they are listed.
    Weighted,
    /// The one that is expected to answer soonest first.
    Latency,
    /// The cheapest first.
    Cost,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fallback, Self::Weighted, Self::Latency, Self::Cost];

    /// Its name in the configuration and the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::Weighted => "weighted",
            Self::Latency => "latency",
            Self::Cost => "cost",
        }
    }
}

/// What the gateway decided for one call. Kept only for calls for which there was something to
/// decide: those that a rule or the cache is for, those of a configured model, and those that were
/// translated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// The rules that fired or could not be evaluated, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleTrace>,
    /// The configured model that the client, or a rule in its place, asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// By which its targets were put in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// What was tried, and what was passed over, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// What of the request the provider that answered could not be told; places are those of the
    /// client's body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_losses: Vec<Loss>,
    /// What of the answer the client could not be told; places are those of the provider's body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_losses: Vec<Loss>,
    /// What the cache did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheTrace>,
}

/// What the cache of answers did for a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheTrace {
    /// It answered.
    Hit {
        /// The call that the answer was made for.
        of: CallId,
        /// How old the answer was, in milliseconds.
        age_ms: u64,
    },
    /// A provider answered, and the answer was kept for later calls.
    Kept,
    /// A provider answered, and the answer was not kept for this reason.
    NotKept(String),
    /// It was not asked, for this reason.
    Bypassed(String),
}

/// One target of a call, tried or passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The provider's id.
    pub provider: String,
    /// The model that it was asked for, by its own name.
    pub model: String,
    /// The format that was spoken to it, where it is not the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translated_to: Option<Format>,
    /// How long was waited before it, in microseconds.
    pub waited_us: u64,
    /// When it began, after that wait, in microseconds since the call's first byte.
    pub began_us: u64,
    /// From there to the head of the answer or the failure, in microseconds.
    pub took_us: u64,
    /// What came of it.
    pub result: AttemptResult,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptResult {
    /// The provider answered with this status.
    Answered(u16),
    /// The provider gave no answer. What it did until then may be billed all the same.
    Failed {
        /// The error that the client gets if this was the last attempt.
        code: ErrorCode,
        /// Its text.
        message: String,
    },
    /// It was passed over for this reason.
    Skipped(String),
}

/// One thing of a body that the other side's format has no place for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Where it stood: a JSON path in the body as it was received (`messages[2].content[0].detail`).
    pub field: String,
    /// Why it was left out, or what was done in its place.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{RuleChange, RuleEffect, RuleEnd};

    #[test]
    fn what_is_stored_reads_back_the_same() {
        let attempt = |result| Attempt {
            provider: "openai".to_owned(),
            model: "gpt-5-mini".to_owned(),
            translated_to: Some(Format::OpenaiChat),
            waited_us: 1,
            began_us: 2,
            took_us: 3,
            result,
        };
        let failed =
            AttemptResult::Failed { code: ErrorCode::Timeout, message: "too slow".to_owned() };
        let loss = Loss { field: "top_k".to_owned(), why: "has no place".to_owned() };
        let change = RuleChange {
            action: "cap".to_owned(),
            on: Some("max_tokens".to_owned()),
            effect: RuleEffect::Impossible("it is not a number".to_owned()),
        };
        let trace = |end| RuleTrace { rule: "r".to_owned(), end, changes: vec![change.clone()] };
        let routing = Routing {
            rules: vec![
                trace(RuleEnd::Applied),
                trace(RuleEnd::Denied),
                trace(RuleEnd::Failed("no".to_owned())),
            ],
            model: Some("fast".to_owned()),
            strategy: Some(Strategy::Latency),
            attempts: vec![
                attempt(AttemptResult::Skipped("cools down".to_owned())),
                attempt(failed),
                attempt(AttemptResult::Answered(200)),
            ],
            request_losses: vec![loss.clone()],
            answer_losses: vec![loss],
            cache: None,
        };
        let hit = CacheTrace::Hit { of: CallId::from_bytes([7; 16]), age_ms: 12 };
        for cache in [
            None,
            Some(hit),
            Some(CacheTrace::Kept),
            Some(CacheTrace::NotKept("too long".to_owned())),
            Some(CacheTrace::Bypassed("asked to".to_owned())),
        ] {
            let routing = Routing { cache, ..routing.clone() };
            let text = serde_json::to_string(&routing).unwrap();
            assert_eq!(serde_json::from_str::<Routing>(&text).unwrap(), routing);
        }
        assert_eq!(serde_json::from_str::<Routing>("{}").unwrap(), Routing::default());
    }

    #[test]
    fn a_strategys_name_is_what_is_stored() {
        for strategy in Strategy::ALL {
            let stored = serde_json::to_value(strategy).unwrap();
            assert_eq!(stored, strategy.name());
        }
    }
}
