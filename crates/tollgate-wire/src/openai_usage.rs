//! OpenAI's `usage` object, in the spelling of chat and embeddings (`prompt_tokens`) and in that of
//! Responses, images and audio (`input_tokens`), with the additions of servers that copy them.

use serde::Deserialize;
use tollgate_core::Usage;

use crate::lenient::{Count, Maybe};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OpenaiUsage {
    prompt_tokens: Count,
    input_tokens: Count,
    completion_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Maybe<InputDetails>,
    /// Transcriptions have it in the singular.
    #[serde(alias = "input_token_details")]
    input_tokens_details: Maybe<InputDetails>,
    completion_tokens_details: Maybe<OutputDetails>,
    output_tokens_details: Maybe<OutputDetails>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Count,
    /// Moonshot.
    cached_tokens: Count,
    /// xAI bills each.
    num_sources_used: Count,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
    cached_tokens_details: Maybe<Parts>,
}

/// The parts of some tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Parts {
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

impl OpenaiUsage {
    /// Whether it tells of pieces that are billed and that [`Usage`] does not count.
    pub(crate) fn has_other_fees(&self) -> bool {
        self.num_sources_used.0.is_some_and(|it| it > 0)
    }

    /// The normalised counts. Prompt tokens include those read from and written to the cache, which
    /// are taken out; reasoning is inside the output, save at xAI, where the total tells that it was
    /// counted beside it.
    pub(crate) fn normalised(&self) -> Usage {
        let input = self.prompt_tokens_details.0.as_ref().or(self.input_tokens_details.0.as_ref());
        let output =
            self.completion_tokens_details.0.as_ref().or(self.output_tokens_details.0.as_ref());
        let prompt = self.prompt_tokens.0.or(self.input_tokens.0);
        let cache_read = input
            .and_then(|it| it.cached_tokens.0)
            .or(self.prompt_cache_hit_tokens.0)
            .or(self.cached_tokens.0);
        let cache_write = input.and_then(|it| it.cache_write_tokens.0);
        let fresh = prompt.map(|it| {
            it.saturating_sub(cache_read.unwrap_or(0)).saturating_sub(cache_write.unwrap_or(0))
        });
        let generated = self.completion_tokens.0.or(self.output_tokens.0);
        let reasoning = output.and_then(|it| it.reasoning_tokens.0);
        let beside = generated.zip(reasoning).map(|(generated, reasoning)| {
            let sum = prompt.unwrap_or(0).saturating_add(generated).saturating_add(reasoning);
            if self.total_tokens.0 == Some(sum) {
                generated.saturating_add(reasoning)
            } else {
                generated
            }
        });
        let cached = input.and_then(|it| it.cached_tokens_details.0).unwrap_or_default();
        let fresh_part = |part: Option<Count>, cached: Count| {
            part.and_then(|it| it.0).map(|it| it.saturating_sub(cached.0.unwrap_or(0)))
        };
        Usage {
            input: fresh,
            cache_read,
            cache_write_5m: cache_write,
            cache_write_1h: None,
            output: beside.or(generated),
            reasoning,
            input_audio: fresh_part(input.map(|it| it.audio_tokens), cached.audio_tokens),
            output_audio: output.and_then(|it| it.audio_tokens.0),
            input_image: fresh_part(input.map(|it| it.image_tokens), cached.image_tokens),
            output_image: output.and_then(|it| it.image_tokens.0),
            web_searches: None,
            file_searches: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Usage) {
        let usage: OpenaiUsage = serde_json::from_str(json).unwrap();
        assert_eq!(usage.normalised(), expected, "{json}");
    }

    #[test]
    fn cached_tokens_are_not_counted_twice() {
        check(
            r#"{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,
                "prompt_tokens_details":{"cached_tokens":80,"cache_write_tokens":10,"audio_tokens":0}}"#,
            Usage {
                input: Some(10),
                cache_read: Some(80),
                cache_write_5m: Some(10),
                output: Some(5),
                input_audio: Some(0),
                ..Usage::default()
            },
        );
        let deepseek =
            Usage { input: Some(36), cache_read: Some(64), output: Some(5), ..Usage::default() };
        check(
            r#"{"prompt_tokens":100,"completion_tokens":5,
                "prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#,
            deepseek,
        );
        check(r#"{"prompt_tokens":100,"completion_tokens":5,"cached_tokens":64}"#, deepseek);
    }

    #[test]
    fn pictures_are_parts_of_what_they_are_counted_in() {
        check(
            r#"{"input_tokens":500,"output_tokens":4160,"total_tokens":4660,
                "input_tokens_details":{"text_tokens":50,"image_tokens":450,"cached_tokens":120,
                    "cached_tokens_details":{"text_tokens":20,"image_tokens":100}},
                "output_tokens_details":{"text_tokens":0,"image_tokens":4160}}"#,
            Usage {
                input: Some(380),
                cache_read: Some(120),
                output: Some(4160),
                input_image: Some(350),
                output_image: Some(4160),
                ..Usage::default()
            },
        );
    }

    #[test]
    fn reasoning_is_inside_the_output_unless_the_total_says_otherwise() {
        let openai =
            Usage { input: Some(10), output: Some(30), reasoning: Some(20), ..Usage::default() };
        check(
            r#"{"prompt_tokens":10,"completion_tokens":30,"total_tokens":40,
                "completion_tokens_details":{"reasoning_tokens":20}}"#,
            openai,
        );
        check(
            r#"{"prompt_tokens":10,"completion_tokens":10,"total_tokens":40,
                "completion_tokens_details":{"reasoning_tokens":20}}"#,
            openai,
        );
    }

    #[test]
    fn what_is_not_said_is_unknown() {
        check("{}", Usage::default());
        check(r#"{"prompt_tokens":-1,"completion_tokens":"7"}"#, Usage::default());
        check(
            r#"{"prompt_tokens":3.0,"total_tokens":3}"#,
            Usage { input: Some(3), ..Usage::default() },
        );
    }
}
