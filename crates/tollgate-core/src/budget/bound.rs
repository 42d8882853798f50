//! What a call can cost at most.

use crate::{
    PicoUsd, ServiceTier,
    price::{PriceRow, Rates},
};

/// The work that a call asks for, as far as that is known before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Tokens of its prompt.
    pub prompt_tokens: u64,
    /// The most tokens that it may generate, in all of its answers.
    pub output_tokens: u64,
    /// The tier that it asks for.
    pub service: Option<ServiceTier>,
}

impl Work {
    /// All of its tokens.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.output_tokens)
    }
}

/// The most that the work costs by a row of prices: each token of the prompt at the dearest rate that
/// reading one has, cached or not, and each generated token at the dearest of those. Tools that the
/// provider runs are not in it: nobody knows before how often they run.
///
/// `None`: the row does not price such work.
#[must_use]
pub fn most(work: &Work, row: &PriceRow) -> Option<PicoUsd> {
    if row.is_free() {
        return Some(PicoUsd::ZERO);
    }
    let rates = row.rates_for(work.service, work.prompt_tokens)?;
    let prompt = dearest(rates.input, written(&rates))?.checked_mul(work.prompt_tokens)?;
    let output = match work.output_tokens {
        0 => PicoUsd::ZERO,
        tokens => dearest(rates.output, generated(&rates))?.checked_mul(tokens)?,
    };
    prompt.checked_add(output)?.checked_add(rates.request.unwrap_or_default())
}

/// What writing to a cache costs in place of reading afresh. Parts with a rate of their own (audio,
/// pictures) are so much longer in bytes than in tokens that the text's rate covers them.
const fn written(rates: &Rates) -> [Option<PicoUsd>; 3] {
    [rates.cache_write_5m, rates.cache_write_1h, rates.cache_read]
}

const fn generated(rates: &Rates) -> [Option<PicoUsd>; 3] {
    [rates.reasoning, rates.output_audio, rates.output_image]
}

/// The dearest of a rate, which must be known, and others, which need not be.
fn dearest(rate: Option<PicoUsd>, others: [Option<PicoUsd>; 3]) -> Option<PicoUsd> {
    let rate = rate?;
    Some(others.into_iter().flatten().fold(rate, Ord::max))
}
