//! Answers of Gemini: `GenerateContentResponse`, whole or as an event, also inside the `response`
//! that Cloud Code puts around it.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::{Deserialize, de::IgnoredAny};
use tollgate_core::Usage;

use crate::{
    fault::Fault,
    lenient::{Count, Filled, Many, Maybe, Text, Texts},
    needle::holds_set,
    tap::{Choices, Seen, may_be_of_further},
    tier::Tier,
};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    model_version: Text<'a>,
    #[serde(borrow)]
    candidates: Many<Candidate<'a>>,
    #[serde(borrow)]
    prompt_feedback: Maybe<PromptFeedback<'a>>,
    usage_metadata: Maybe<UsageMetadata>,
    #[serde(borrow)]
    error: Fault<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wrapper<'a> {
    #[serde(borrow)]
    response: Maybe<Answer<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate<'a> {
    index: Count,
    content: Maybe<Content>,
    #[serde(borrow)]
    finish_reason: Text<'a>,
    grounding_metadata: Maybe<Grounding>,
}

/// What the answer was grounded on.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Grounding {
    web_search_queries: Texts,
    image_search_queries: Texts,
    /// Vertex AI Search.
    retrieval_queries: Texts,
    grounding_chunks: Many<Chunk>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk {
    maps: Maybe<IgnoredAny>,
}

impl Grounding {
    /// Searches other than of the web are billed at prices of their own.
    fn has_other_fees(&self) -> bool {
        self.image_search_queries.filled + self.retrieval_queries.filled > 0
            || self.grounding_chunks.0.iter().any(|it| it.maps.0.is_some())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: Many<Part>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part {
    text: Filled,
    function_call: Filled,
    inline_data: Filled,
    executable_code: Filled,
    code_execution_result: Filled,
}

impl Part {
    const fn is_token(&self) -> bool {
        self.text.0
            || self.function_call.0
            || self.inline_data.0
            || self.executable_code.0
            || self.code_execution_result.0
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PromptFeedback<'a> {
    #[serde(borrow)]
    block_reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct UsageMetadata {
    prompt_token_count: Count,
    cached_content_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    tool_use_prompt_token_count: Count,
    total_token_count: Count,
    prompt_tokens_details: Many<Modality>,
    cache_tokens_details: Many<Modality>,
    tool_use_prompt_tokens_details: Many<Modality>,
    candidates_tokens_details: Many<Modality>,
    service_tier: Tier,
    /// Vertex.
    traffic_type: Tier,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Modality {
    modality: Name,
    token_count: Count,
}

/// A modality as far as it is told apart: text, documents and video are billed alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Name {
    Audio,
    Image,
    #[default]
    Other,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::de::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let name = Text::deserialize(source)?;
        Ok(match name.filled() {
            Some("AUDIO") => Self::Audio,
            Some("IMAGE") => Self::Image,
            Some(_) | None => Self::Other,
        })
    }
}

fn part(details: &Many<Modality>, name: Name) -> Option<u64> {
    details.0.iter().find(|it| it.modality == name)?.token_count.0
}

impl UsageMetadata {
    /// Prompt tokens include cached ones, which are taken out; tokens of the provider's own tools
    /// are prompt tokens beside them. Thoughts are output beside the candidates. The format leaves
    /// zeros out, so a count that is missing beside the total is what the others leave of it.
    pub(crate) fn normalised(&self) -> Usage {
        let prompt = self.prompt_token_count.0;
        let thoughts = self.thoughts_token_count.0;
        let tools = self.tool_use_prompt_token_count.0.unwrap_or(0);
        let cached = self.cached_content_token_count.0;
        let candidates = self.candidates_token_count.0.or_else(|| {
            let rest = self.total_token_count.0?.checked_sub(prompt?)?;
            rest.checked_sub(tools)?.checked_sub(thoughts.unwrap_or(0))
        });
        let fresh = |name: Name| {
            let cached = part(&self.cache_tokens_details, name).unwrap_or(0);
            [&self.prompt_tokens_details, &self.tool_use_prompt_tokens_details]
                .into_iter()
                .filter_map(|it| part(it, name))
                .reduce(u64::saturating_add)
                .map(|it| it.saturating_sub(cached))
        };
        // Where the answer's parts are listed, what is not among them is none.
        let made = &self.candidates_tokens_details;
        let drawn = part(made, Name::Image).or((!made.0.is_empty()).then_some(0));
        Usage {
            input: prompt.map(|it| it.saturating_sub(cached.unwrap_or(0)).saturating_add(tools)),
            cache_read: cached,
            cache_write_5m: None,
            cache_write_1h: None,
            output: match (candidates, thoughts) {
                (Some(candidates), thoughts) => {
                    Some(candidates.saturating_add(thoughts.unwrap_or(0)))
                }
                (None, thoughts) => thoughts,
            },
            reasoning: thoughts,
            input_audio: fresh(Name::Audio),
            output_audio: part(&self.candidates_tokens_details, Name::Audio),
            input_image: fresh(Name::Image),
            output_image: drawn,
            web_searches: None,
            file_searches: None,
        }
    }
}

/// What is remembered between the events of a stream.
#[derive(Default)]
pub(crate) struct Memory {
    /// The newest event that holds usage and was not parsed.
    pub(crate) newest: Vec<u8>,
    /// Web searches, by the event that names the most.
    pub(crate) searches: u64,
    candidates: Choices,
    /// Whether the prompt was blocked or an error came.
    over: bool,
}

/// Reads an answer or event.
pub(crate) fn read(
    seen: &mut Seen,
    memory: &mut Memory,
    json: &[u8],
) -> Result<(), serde_json::Error> {
    let mut answer: Answer<'_> = serde_json::from_slice(json)?;
    if answer.candidates.0.is_empty() && answer.usage_metadata.0.is_none() {
        let wrapper: Wrapper<'_> = serde_json::from_slice(json)?;
        if let Maybe(Some(wrapped)) = wrapper.response {
            answer = wrapped;
        }
    }
    seen.saw_model(answer.model_version.filled());
    let blocked = answer.prompt_feedback.0.unwrap_or_default();
    let mut searches = 0;
    for candidate in &answer.candidates.0 {
        if let Maybe(Some(grounding)) = &candidate.grounding_metadata {
            searches += grounding.web_search_queries.filled;
            seen.other_fees |= grounding.has_other_fees();
        }
        let parts = candidate.content.0.as_ref().map(|it| it.parts.0.as_slice());
        seen.first_token |= parts.unwrap_or_default().iter().any(Part::is_token);
        let (index, finish) = (candidate.index.0.unwrap_or(0), candidate.finish_reason.filled());
        memory.candidates.saw(index, finish.is_some());
        if index == 0 {
            seen.saw_stop(finish);
        }
    }
    memory.over |= blocked.block_reason.filled().is_some();
    seen.saw_stop(blocked.block_reason.filled());
    if let Fault(Some(fault)) = answer.error {
        seen.error = Some(fault.told());
        memory.over = true;
    }
    seen.ended = memory.over || memory.candidates.have_finished();
    seen.terminal = seen.ended;
    memory.searches = memory.searches.max(searches);
    if let Some(usage) = answer.usage_metadata.0 {
        seen.saw_tier(usage.service_tier.or_apart(usage.traffic_type));
        seen.usage = usage.normalised();
        memory.newest.clear();
    }
    Ok(())
}

/// Up to Gemini 2.5 a grounded prompt is billed once, however many searches it took; from Gemini 3
/// on each search is (ai.google.dev/gemini-api/docs/pricing). Of a model without a name neither can
/// be said.
pub(crate) fn bill_searches(seen: &mut Seen, searches: u64) {
    if searches == 0 {
        return;
    }
    let model = seen.model.as_deref().unwrap_or_default();
    let model = model.rsplit('/').next().unwrap_or_default();
    if model.starts_with("gemini-1.") || model.starts_with("gemini-2.") {
        seen.usage.web_searches = Some(1);
    } else if model.starts_with("gemini-") {
        seen.usage.web_searches = Some(searches);
    } else {
        seen.other_fees = true;
    }
}

/// Whether an event after the first token and the model can say anything new besides its usage.
pub(crate) fn may_matter(raw: &[u8]) -> bool {
    static SET: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
        [r#""finishReason""#, r#""blockReason""#, r#""error""#, r#""groundingMetadata""#]
            .map(Finder::new)
    });
    SET.iter().any(|it| holds_set(raw, it)) || may_be_of_further(raw)
}

/// Whether an event holds usage.
pub(crate) fn holds_usage(raw: &[u8]) -> bool {
    static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""usageMetadata""#));
    holds_set(raw, &USAGE)
}
