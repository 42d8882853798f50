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
    /// The part of the prompt that was pictures; a part of `input`.
    pub input_image: Option<u64>,
    /// The part of `output` that was pictures.
    pub output_image: Option<u64>,
    /// Web searches that the provider ran and bills by the piece.
    pub web_searches: Option<u64>,
    /// Searches of stored files that the provider ran and bills by the piece.
    pub file_searches: Option<u64>,
}

/// At which of its service tiers the provider says it served a call: they differ in price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceTier {
    /// The one that price lists begin with, and that an answer which names none was served at.
    Standard,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
    /// Answered some hours later, and cheaper.
    Batch,
    /// Any other: bought capacity, a fast mode, a region at a price of its own.
    Other,
}

impl ServiceTier {
    /// Its name in the ledger, the price book and the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Batch => "batch",
            Self::Other => "other",
        }
    }
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
