//! Answers of Amazon Bedrock's Converse: the whole body, and the frames that build it.

use serde::Deserialize;
use tollgate_core::Usage;

use crate::{
    event_stream::{Frame, FrameKind},
    fault,
    lenient::{Count, Filled, Many, Maybe, Text},
    tap::{ProviderError, Seen},
    tier::Tier,
};

/// A whole body, or the payload of any event.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    stop_reason: Text<'a>,
    usage: Maybe<TokenUsage>,
    service_tier: Maybe<ServiceTier>,
    #[serde(borrow)]
    trace: Maybe<Trace<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceTier {
    r#type: Tier,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Trace<'a> {
    /// Guardrails are billed by the text that they read.
    guardrail: Filled,
    #[serde(borrow)]
    prompt_router: Maybe<Router<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Router<'a> {
    #[serde(borrow)]
    invoked_model_id: Text<'a>,
}

/// A `usage` object.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TokenUsage {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_write_input_tokens: Count,
    cache_details: Many<CacheDetail>,
}

/// How much was written for one time to live.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CacheDetail {
    ttl: Life,
    input_tokens: Count,
}

/// Whether a time to live is the longer one.
#[derive(Debug, Default)]
struct Life {
    is_hour: bool,
}

impl<'de> Deserialize<'de> for Life {
    fn deserialize<D: serde::de::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let ttl = Text::deserialize(source)?;
        Ok(Self { is_hour: ttl.filled() == Some("1h") })
    }
}

impl TokenUsage {
    /// Cached tokens, read and written, stand beside the input; five minutes are the default life.
    pub(crate) fn normalised(&self) -> Usage {
        let hours = self.cache_details.0.iter().filter(|it| it.ttl.is_hour);
        let hour = hours.filter_map(|it| it.input_tokens.0).reduce(u64::saturating_add);
        let written = self.cache_write_input_tokens.0;
        let hour = hour.map(|it| it.min(written.unwrap_or(it)));
        Usage {
            input: self.input_tokens.0,
            cache_read: self.cache_read_input_tokens.0,
            cache_write_5m: written.map(|it| it.saturating_sub(hour.unwrap_or(0))),
            cache_write_1h: hour,
            output: self.output_tokens.0,
            ..Usage::default()
        }
    }
}

/// Reads a whole body or the payload of an event.
pub(crate) fn read(seen: &mut Seen, json: &[u8]) -> Result<(), serde_json::Error> {
    let answer: Answer<'_> = serde_json::from_slice(json)?;
    seen.saw_stop(answer.stop_reason.filled());
    if let Maybe(Some(usage)) = answer.usage {
        seen.usage = usage.normalised();
    }
    seen.saw_tier(answer.service_tier.0.unwrap_or_default().r#type);
    let trace = answer.trace.0.unwrap_or_default();
    seen.other_fees |= trace.guardrail.0;
    // Only a prompt router says which model answered; as an ARN.
    let router = trace.prompt_router.0.unwrap_or_default();
    seen.saw_model(router.invoked_model_id.filled().map(|it| it.rsplit('/').next().unwrap_or(it)));
    Ok(())
}

/// Reads a frame.
pub(crate) fn read_frame(seen: &mut Seen, frame: Frame<'_>) -> Result<(), serde_json::Error> {
    match (frame.kind, frame.name) {
        (FrameKind::Event, "contentBlockDelta") => seen.first_token = true,
        (FrameKind::Event, "messageStop") => {
            // The usage comes behind it.
            seen.terminal = true;
            read(seen, frame.payload)?;
        }
        (FrameKind::Event, "metadata") => {
            read(seen, frame.payload)?;
            seen.saw_end();
        }
        (FrameKind::Event, _) => {}
        (FrameKind::Exception | FrameKind::Error, _) => {
            seen.error = Some(failed(frame));
            seen.saw_end();
        }
    }
    Ok(())
}

/// What a frame that is no event says went wrong.
pub(crate) fn failed(frame: Frame<'_>) -> ProviderError {
    let told = fault::read_failed_body(frame.payload).map(|it| it.message);
    let told = told.filter(|it| !it.is_empty());
    let header = Some(frame.message).filter(|it| !it.is_empty());
    let message = told.or_else(|| header.map(fault::cut));
    ProviderError {
        message: message.unwrap_or_else(|| fault::cut(frame.name)),
        kind: Some(fault::cut(frame.name)).filter(|it| !it.is_empty()),
    }
}
