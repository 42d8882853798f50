//! How much a model is to think: OpenAI says it in words, Anthropic and Gemini in tokens.
//!
//! The table is the one that Google documents for the `reasoning_effort` of its OpenAI-compatible
//! API, with one step more above. Anthropic wants at least [`BUDGET_MIN`].

use crate::ir::{Amount, Effort};

/// Tokens for `minimal` and `low`; also the least that Anthropic accepts.
pub(super) const BUDGET_MIN: u64 = 1_024;
/// Tokens for `medium`, and where nothing is said.
pub(super) const BUDGET_MEDIUM: u64 = 8_192;
/// Tokens for `high`: the most that every Gemini model accepts.
pub(super) const BUDGET_HIGH: u64 = 24_576;
/// Tokens for `xhigh` and `max`.
pub(super) const BUDGET_MAX: u64 = 32_768;

/// The amount that an effort's name means; `None` when it is not known.
pub(super) fn effort_of(word: &str) -> Option<Amount> {
    Some(Amount::Effort(match word {
        "none" => return Some(Amount::Off),
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return None,
    }))
}

/// An effort's name in OpenAI's formats.
pub(super) const fn openai_word(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh | Effort::Max => "xhigh",
    }
}

/// The tokens that an effort stands for.
pub(super) const fn budget_of(effort: Effort) -> u64 {
    match effort {
        Effort::Minimal | Effort::Low => BUDGET_MIN,
        Effort::Medium => BUDGET_MEDIUM,
        Effort::High => BUDGET_HIGH,
        Effort::XHigh | Effort::Max => BUDGET_MAX,
    }
}

/// The effort that so many tokens stand for. Never more than `high`, which every model that thinks
/// understands.
pub(super) const fn effort_for(budget: u64) -> Effort {
    if budget <= BUDGET_MIN {
        Effort::Low
    } else if budget <= BUDGET_MEDIUM {
        Effort::Medium
    } else {
        Effort::High
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effort_survives_the_way_through_tokens() {
        for effort in [Effort::Low, Effort::Medium, Effort::High] {
            assert_eq!(effort_for(budget_of(effort)), effort);
        }
    }

    #[test]
    fn efforts_are_read_by_the_names_they_are_written_with() {
        for effort in [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh] {
            assert_eq!(effort_of(openai_word(effort)), Some(Amount::Effort(effort)));
        }
        assert_eq!(effort_of("none"), Some(Amount::Off));
        assert_eq!(effort_of("extreme"), None);
    }
}
