//! Answers of OpenAI Chat Completions (`chat.completion`, `chat.completion.chunk`), and of the other
//! OpenAI paths as far as they tell usage: legacy completions, embeddings, images, transcriptions.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::{
    fault::Fault,
    lenient::{Count, Filled, Many, Maybe, Text},
    needle::{holds_any, holds_set},
    openai_usage::OpenaiUsage,
    tap::{Choices, Seen, may_be_of_further},
    tier::Tier,
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    choices: Many<Choice<'a>>,
    usage: Maybe<OpenaiUsage>,
    service_tier: Tier,
    /// Groq tells usage here as well, whether asked or not.
    x_groq: Maybe<Beside>,
    #[serde(borrow)]
    error: Fault<'a>,
    /// Transcription streams: `transcript.text.delta`, `.done`.
    #[serde(borrow)]
    r#type: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    usage: Maybe<OpenaiUsage>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    index: Count,
    delta: Maybe<Delta>,
    /// Legacy completions.
    text: Filled,
    #[serde(borrow)]
    finish_reason: Text<'a>,
    /// Moonshot tells a stream's usage here.
    usage: Maybe<OpenaiUsage>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Filled,
    reasoning_content: Filled,
    reasoning: Filled,
    refusal: Filled,
    tool_calls: Filled,
    function_call: Filled,
    audio: Filled,
}

impl Delta {
    const fn is_token(&self) -> bool {
        self.content.0
            || self.reasoning_content.0
            || self.reasoning.0
            || self.refusal.0
            || self.tool_calls.0
            || self.function_call.0
            || self.audio.0
    }
}

pub(crate) fn read(
    seen: &mut Seen,
    choices: &mut Choices,
    json: &[u8],
) -> Result<(), serde_json::Error> {
    let answer: Answer<'_> = serde_json::from_slice(json)?;
    seen.saw_model(answer.model.filled());
    seen.saw_tier(answer.service_tier);
    let mut beside = answer.x_groq.0.and_then(|it| it.usage.0);
    for choice in answer.choices.0 {
        seen.first_token |= choice.text.0 || choice.delta.0.is_some_and(|it| it.is_token());
        let (index, finish) = (choice.index.0.unwrap_or(0), choice.finish_reason.filled());
        choices.saw(index, finish.is_some());
        if index == 0 {
            seen.saw_stop(finish);
        }
        beside = choice.usage.0.or(beside);
    }
    seen.terminal = seen.ended || choices.have_finished();
    seen.first_token |= answer.r#type.filled().is_some_and(|it| it.ends_with(".delta"));
    if answer.r#type.filled().is_some_and(|it| it.ends_with(".done")) {
        seen.saw_end();
    }
    if let Some(usage) = answer.usage.0.or(beside) {
        seen.usage = usage.normalised();
        seen.other_fees = usage.has_other_fees();
    }
    if let Fault(Some(fault)) = answer.error {
        seen.error = Some(fault.told());
        seen.saw_end();
    }
    Ok(())
}

/// Whether an event after the first token and the model can say anything new.
pub(crate) fn may_matter(raw: &[u8]) -> bool {
    static SET: LazyLock<[Finder<'static>; 3]> =
        LazyLock::new(|| [r#""usage""#, r#""finish_reason""#, r#""error""#].map(Finder::new));
    static PLAIN: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| ["[DONE]", r#".done""#].map(Finder::new));
    SET.iter().any(|it| holds_set(raw, it)) || holds_any(raw, &*PLAIN) || may_be_of_further(raw)
}
