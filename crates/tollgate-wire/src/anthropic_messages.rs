//! Answers of Anthropic Messages: the message object, and the events that build it.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use tollgate_core::Usage;

use crate::{
    fault::Fault,
    lenient::{Count, Maybe, Text},
    needle::{holds_any, holds_set},
    tap::Seen,
    tier::{Geo, Tier},
};

/// A message, or any event of a stream.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    /// `message_start`.
    #[serde(borrow)]
    message: Maybe<Message<'a>>,
    /// `message_delta`.
    #[serde(borrow)]
    delta: Maybe<Delta<'a>>,
    usage: Maybe<Counts>,
    #[serde(borrow)]
    error: Fault<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    usage: Maybe<Counts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    stop_reason: Text<'a>,
}

/// A `usage` object, or the newest totals of several.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Maybe<Creation>,
    output_tokens: Count,
    output_tokens_details: Maybe<OutputDetails>,
    server_tool_use: Maybe<ServerTools>,
    service_tier: Tier,
    speed: Tier,
    inference_geo: Geo,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Creation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct ServerTools {
    web_search_requests: Count,
}

impl Counts {
    /// Takes over newer totals: `message_delta` repeats, and corrects, what `message_start` said.
    /// Servers that do not count the prompt in `message_delta` write zeros there; a prompt of
    /// nothing is no correction.
    pub(crate) fn update(&mut self, newer: &Self) {
        if newer.prompt_total() > 0 {
            replace(&mut self.input_tokens, newer.input_tokens);
            replace(&mut self.cache_read_input_tokens, newer.cache_read_input_tokens);
            replace(&mut self.cache_creation_input_tokens, newer.cache_creation_input_tokens);
            if newer.cache_creation.0.is_some() {
                self.cache_creation = newer.cache_creation;
            }
        } else if self.prompt_total() == 0 {
            // Nothing known on either side: a zero is still more than silence.
            replace(&mut self.input_tokens, newer.input_tokens);
            replace(&mut self.cache_read_input_tokens, newer.cache_read_input_tokens);
            replace(&mut self.cache_creation_input_tokens, newer.cache_creation_input_tokens);
        }
        replace(&mut self.output_tokens, newer.output_tokens);
        if newer.output_tokens_details.0.is_some() {
            self.output_tokens_details = newer.output_tokens_details;
        }
        if newer.server_tool_use.0.is_some() {
            self.server_tool_use = newer.server_tool_use;
        }
    }

    /// A fast answer and one from a chosen region have prices of their own, whatever the tier.
    fn tier(&self) -> Tier {
        self.speed.or_apart(self.inference_geo.0).or_apart(self.service_tier)
    }

    fn prompt_total(&self) -> u64 {
        let split = self.cache_creation.0.unwrap_or_default();
        [
            self.input_tokens,
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
            split.ephemeral_5m_input_tokens,
            split.ephemeral_1h_input_tokens,
        ]
        .into_iter()
        .fold(0, |sum, it| sum.saturating_add(it.0.unwrap_or(0)))
    }

    /// The counts are disjoint already; only the writes are to be split by life. When the total has
    /// grown past the split (server tools write more during the stream), the rest counts as
    /// five-minute writes, the default life.
    pub(crate) fn normalised(&self) -> Usage {
        let split = self.cache_creation.0.unwrap_or_default();
        let (five, hour) = (split.ephemeral_5m_input_tokens.0, split.ephemeral_1h_input_tokens.0);
        let (cache_write_5m, cache_write_1h) = match self.cache_creation_input_tokens.0 {
            Some(total) => {
                let hour = hour.map(|it| it.min(total));
                (Some(total.saturating_sub(hour.unwrap_or(0))), hour)
            }
            None => (five, hour),
        };
        Usage {
            input: self.input_tokens.0,
            cache_read: self.cache_read_input_tokens.0,
            cache_write_5m,
            cache_write_1h,
            output: self.output_tokens.0,
            reasoning: self.output_tokens_details.0.and_then(|it| it.thinking_tokens.0),
            input_audio: None,
            output_audio: None,
            input_image: None,
            output_image: None,
            file_searches: None,
            web_searches: self.server_tool_use.0.and_then(|it| it.web_search_requests.0),
        }
    }
}

fn replace(old: &mut Count, new: Count) {
    if new.0.is_some() {
        *old = new;
    }
}

pub(crate) fn read(
    seen: &mut Seen,
    counts: &mut Counts,
    json: &[u8],
    name: Option<&[u8]>,
) -> Result<(), serde_json::Error> {
    let answer: Answer<'_> = serde_json::from_slice(json)?;
    let name = name.and_then(|it| std::str::from_utf8(it).ok());
    let kind = answer.r#type.filled().or(name).unwrap_or_default();
    let message = answer.message.0.unwrap_or_default();
    seen.saw_model(message.model.filled().or(answer.model.filled()));
    let delta = answer.delta.0.unwrap_or_default();
    let stop = delta.stop_reason.filled().or(message.stop_reason.filled());
    seen.saw_stop(stop.or(answer.stop_reason.filled()));
    // `message_start` has the prompt's counts, but only a token or so of output: how much is made is
    // known with `message_delta`, and of a stream that broke before it never.
    let begun = message.usage.0.map(|it| Counts { output_tokens: Count(None), ..it });
    for newer in [begun, answer.usage.0].into_iter().flatten() {
        counts.update(&newer);
        seen.saw_tier(newer.tier());
        seen.usage = counts.normalised();
    }
    match kind {
        "content_block_delta" => seen.first_token = true,
        "message_stop" => seen.saw_end(),
        _ => {}
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
        LazyLock::new(|| [r#""usage""#, r#""stop_reason""#, r#""error""#].map(Finder::new));
    static PLAIN: LazyLock<[Finder<'static>; 1]> = LazyLock::new(|| [Finder::new("message_stop")]);
    SET.iter().any(|it| holds_set(raw, it)) || holds_any(raw, &*PLAIN)
}
