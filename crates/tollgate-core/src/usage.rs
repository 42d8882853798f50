//! Tokens of one call, normalised so that the same token is never counted twice.

use serde::{Deserialize, Serialize};

/// What a call used. Every kind is disjoint from the others, save that `reasoning` is a part of
/// `output`. `None` is "the provider did not say", which is not zero.
///
/// Providers differ: OpenAI and Gemini count cached tokens inside their prompt tokens, Anthropic
/// outside; Gemini keeps thoughts outside its candidates. The taps in `tollgate-wire` undo that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens read afresh: neither read from nor written to a cache.
    pub input: Option<u64>,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Prompt tokens written to a cache that lives five minutes (or whose life is not said).
    pub cache_write_5m: Option<u64>,
    /// Prompt tokens written to a cache that lives one hour.
    pub cache_write_1h: Option<u64>,
    /// Tokens generated, reasoning included.
    pub output: Option<u64>,
    /// The part of `output` that was reasoning.
    pub reasoning: Option<u64>,
    /// The part of the prompt that was audio; a part of `input`.
    pub input_audio: Option<u64>,
    /// The part of `output` that was audio.
    pub output_audio: Option<u64>,
    /// Web searches that the provider ran and bills by the piece.
    pub web_searches: Option<u64>,
}

impl Usage {
    /// Whether the provider said nothing at all.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// All prompt tokens, cached or not; `None` when the provider did not say.
    #[must_use]
    pub fn prompt_total(&self) -> Option<u64> {
        let cached = [self.cache_read, self.cache_write_5m, self.cache_write_1h];
        let cached = cached.into_iter().flatten().fold(0_u64, u64::saturating_add);
        self.input.map(|it| it.saturating_add(cached))
    }
}
