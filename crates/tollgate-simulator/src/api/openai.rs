//! What OpenAI's formats have in common.

use crate::{
    api::{
        Asked,
        answer::{Answer, Ask},
        models::{Kind, Model},
    },
    record::UsageSent,
    rules::implicitly_cached,
};

/// The numbers of one OpenAI usage object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens {
    pub(crate) prompt: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
    /// Of pictures.
    pub(crate) drawn: u64,
}

impl Tokens {
    /// Counts for these answers, each after so much reasoning.
    pub(crate) fn count(asked: &Asked, ask: &Ask, answers: &[Answer], reasoning: u64) -> Self {
        let cached = asked.controls.cached.unwrap_or(implicitly_cached(ask.prefix_tokens));
        let reasoning = answers.iter().map(|_| asked.controls.reasoning.unwrap_or(reasoning)).sum();
        Self {
            prompt: ask.prompt_tokens.max(cached),
            cached,
            output: answers.iter().map(|it| it.tokens).sum::<u64>() + reasoning,
            reasoning,
            drawn: answers.iter().map(Answer::picture_tokens).sum(),
        }
    }

    pub(crate) fn sent(self) -> UsageSent {
        UsageSent {
            input: Some(self.prompt - self.cached),
            cache_read: Some(self.cached),
            output: Some(self.output),
            reasoning: Some(self.reasoning),
            output_image: (self.drawn > 0).then_some(self.drawn),
            ..UsageSent::default()
        }
    }
}

/// The tier that the answer says it was served at: the one asked for, where the provider has it.
pub(crate) fn service_tier(asked: &Asked) -> &'static str {
    match asked.body().ok().and_then(|it| it["service_tier"].as_str()) {
        Some("flex") => "flex",
        Some("priority") => "priority",
        Some(_) | None => "default",
    }
}

/// Reasoning tokens by effort, as a fixed number: the real ones cannot be predicted either.
pub(crate) fn reasoning_tokens(model: &Model, effort: Option<&str>) -> u64 {
    match (model.kind, effort) {
        (Kind::Text | Kind::Picture | Kind::Embedding(_), _) => 0,
        (Kind::Reasoning, Some("none" | "minimal")) => 0,
        (Kind::Reasoning, Some("low")) => 64,
        (Kind::Reasoning, Some("high" | "xhigh")) => 576,
        (Kind::Reasoning, Some(_) | None) => 192,
    }
}
