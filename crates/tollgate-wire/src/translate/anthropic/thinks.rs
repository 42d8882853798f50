//! How a model of Anthropic's is told to think, by Anthropic or on Bedrock.

use serde_json::{Value, json};
use tollgate_core::Format;

use crate::{
    ir::{Amount, Content, Effort, Given, Prompt, Reasoning, Role, Turn},
    loss::Losses,
    translate::{
        Capabilities,
        reasoning::{BUDGET_MEDIUM, BUDGET_MIN, budget_of, effort_for},
    },
};

/// How Anthropic is told to think.
pub(in crate::translate) enum Thinks {
    /// Nothing is said.
    Not,
    Off,
    Budget(u64),
    Adaptive(Option<&'static str>),
}

impl Thinks {
    pub(in crate::translate) const fn is_on(&self) -> bool {
        matches!(self, Self::Budget(_) | Self::Adaptive(_))
    }

    /// `own` are the formats whose seals the provider takes.
    pub(in crate::translate) fn of(
        prompt: &Prompt,
        provider: &Capabilities,
        own: &[Format],
        losses: &mut Losses,
    ) -> Self {
        let Some(Given { at, value: Reasoning { amount, .. } }) = &prompt.reasoning else {
            return Self::Not;
        };
        if *amount == Amount::Off {
            if provider.no_thinking_off {
                losses.note(at, "the model decides itself whether it thinks");
                return Self::Not;
            }
            return Self::Off;
        }
        if provider.no_reasoning {
            losses.note(at, "the model does not reason");
            return Self::Not;
        }
        if unsealed_call(&prompt.turns, own) {
            losses.note(at, "Anthropic does not go on thinking after a call without its thinking");
            return Self::Not;
        }
        if provider.adaptive_thinking {
            return Self::Adaptive(match amount {
                Amount::Free | Amount::Off => None,
                Amount::Effort(effort) => Some(word(budget_of(*effort))),
                Amount::Budget(budget) => Some(word(*budget)),
            });
        }
        let wanted = match amount {
            Amount::Effort(effort) => budget_of(*effort),
            Amount::Budget(budget) => *budget,
            Amount::Free | Amount::Off => BUDGET_MEDIUM,
        };
        // The budget is a part of `max_tokens`; something must be left for the answer.
        let most = prompt.max_tokens.as_ref().map_or(u64::MAX, |it| it.value.saturating_sub(1));
        let budget = wanted.min(most);
        if budget < BUDGET_MIN {
            losses.note(at, format!("Anthropic thinks with at least {BUDGET_MIN} tokens"));
            return Self::Not;
        }
        Self::Budget(budget)
    }

    /// The `thinking` member, and the effort that stands elsewhere; nothing where nothing is said.
    pub(in crate::translate) fn members(
        &self,
        max_tokens: u64,
    ) -> Option<(Value, Option<&'static str>)> {
        Some(match self {
            Self::Not => return None,
            Self::Off => (json!({"type": "disabled"}), None),
            Self::Budget(budget) => {
                let budget = (*budget).min(max_tokens.saturating_sub(1));
                (json!({"type": "enabled", "budget_tokens": budget}), None)
            }
            Self::Adaptive(effort) => (json!({"type": "adaptive"}), *effort),
        })
    }
}

/// Anthropic's word for an effort; it has three that every model knows.
const fn word(budget: u64) -> &'static str {
    match effort_for(budget) {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}

/// Whether the assistant's last turn calls tools without sealed thinking in front, after which
/// Anthropic refuses to think.
fn unsealed_call(turns: &[Turn], own: &[Format]) -> bool {
    let Some(turn) = turns.iter().rfind(|it| it.role == Role::Assistant) else { return false };
    let calls = turn.parts.iter().any(|it| matches!(it.content, Content::ToolCall(_)));
    let sealed = turn.parts.iter().filter_map(|it| it.content.seal());
    calls && !sealed.into_iter().any(|it| own.contains(&it.by))
}
