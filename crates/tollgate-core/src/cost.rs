//! What a call cost: usage times price, in exact integers, line by line.

use serde::{Deserialize, Serialize};

use crate::{
    PicoUsd, ServiceTier, Usage,
    call::CostUnknown,
    price::{PriceRow, Rates},
};

/// What a cost line counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostKind {
    /// Prompt tokens read afresh.
    Input,
    /// Prompt tokens read from a cache.
    CacheRead,
    /// Prompt tokens written to a five-minute cache.
    #[serde(rename = "cache-write-5m")]
    CacheWrite5m,
    /// Prompt tokens written to a one-hour cache.
    #[serde(rename = "cache-write-1h")]
    CacheWrite1h,
    /// Generated tokens, save those with a line of their own.
    Output,
    /// Reasoning tokens billed apart.
    Reasoning,
    /// Audio in the prompt.
    InputAudio,
    /// Generated audio.
    OutputAudio,
    /// Pictures in the prompt that are billed apart.
    InputImage,
    /// Generated pictures.
    OutputImage,
    /// The request itself.
    Request,
    /// Web searches.
    WebSearch,
    /// Searches of stored files.
    FileSearch,
}

/// One line of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostLine {
    /// What is counted.
    pub kind: CostKind,
    /// How many.
    pub count: u64,
    /// The price of one.
    pub rate: PicoUsd,
    /// `count` times `rate`.
    pub amount: PicoUsd,
}

/// A bill; the total is the sum of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The lines, none of them zero in count.
    pub lines: Vec<CostLine>,
    /// Their sum.
    pub total: PicoUsd,
}

/// The bill of a call.
///
/// The kinds of [`Usage`] are disjoint, so nothing is subtracted but parts: audio and generated
/// pictures get lines of their own, pictures in the prompt and reasoning where the row prices them
/// apart, and their whole loses as many. A part that is claimed to be larger than its whole counts as
/// the whole. The context tier is chosen by all prompt
/// tokens, cached ones included, and prices the whole call, as the service tier does.
///
/// # Errors
/// - [`CostUnknown::NoUsage`]: the provider did not say how many prompt tokens, or generated tokens
///   where those have a price, were used. The other kinds count as not used when nothing is said.
/// - [`CostUnknown::TierNotPriced`]: the row has no rates for the service tier.
/// - [`CostUnknown::KindNotPriced`]: tokens were read from or written to a cache, generated, heard,
///   spoken or drawn, or searches run, and the row has no rate for that kind. Cached tokens are never
///   billed as input, and neither audio nor generated pictures as text; of a model whose pictures cost
///   more than its text it must be told how much of the output they were.
/// - [`CostUnknown::OutOfRange`]: the amount does not fit.
pub fn price(
    usage: &Usage,
    service: Option<ServiceTier>,
    row: &PriceRow,
) -> Result<Cost, CostUnknown> {
    if usage.is_unknown() {
        return Err(CostUnknown::NoUsage);
    }
    let prompt = usage.prompt_total().unwrap_or_default();
    let rates = &row.rates_for(service, prompt).ok_or(CostUnknown::TierNotPriced)?;
    let input = required(usage.input, rates.input, row.has_tiers())?;
    let output = required(usage.output, rates.output, false)?;
    let mut bill = Bill::default();
    bill_prompt(&mut bill, usage, rates, input)?;
    bill_answer(&mut bill, usage, rates, output)?;
    if rates.request.is_some() {
        bill.add(CostKind::Request, 1, rates.request)?;
    }
    bill.add(CostKind::WebSearch, usage.web_searches.unwrap_or_default(), rates.web_search)?;
    bill.add(CostKind::FileSearch, usage.file_searches.unwrap_or_default(), rates.file_search)?;
    Ok(bill.0)
}

/// A count that every answer states. Unknown is an error, unless any count would cost nothing.
fn required(
    count: Option<u64>,
    rate: Option<PicoUsd>,
    chooses_tier: bool,
) -> Result<u64, CostUnknown> {
    let matters = chooses_tier || rate.is_some_and(|it| it != PicoUsd::ZERO);
    match count {
        Some(count) => Ok(count),
        None if matters => Err(CostUnknown::NoUsage),
        None => Ok(0),
    }
}

fn bill_prompt(
    bill: &mut Bill,
    usage: &Usage,
    rates: &Rates,
    input: u64,
) -> Result<(), CostUnknown> {
    let said = |count: Option<u64>| count.unwrap_or_default();
    let (cached, audio) = (said(usage.cache_read), said(usage.input_audio));
    let image = said(usage.input_image);
    let untold = (rates.cache_read_audio.is_some() && audio > 0)
        || (rates.cache_read_image.is_some() && image > 0);
    if cached > 0 && untold {
        return Err(CostUnknown::KindNotPriced);
    }
    let audio = audio.min(input);
    let image = if rates.input_image.is_some() { image.min(input - audio) } else { 0 };
    bill.add(CostKind::Input, input - audio - image, rates.input)?;
    bill.add(CostKind::CacheRead, cached, rates.cache_read)?;
    bill.add(CostKind::CacheWrite5m, said(usage.cache_write_5m), rates.cache_write_5m)?;
    bill.add(CostKind::CacheWrite1h, said(usage.cache_write_1h), rates.cache_write_1h)?;
    bill.add(CostKind::InputAudio, audio, rates.input_audio)?;
    bill.add(CostKind::InputImage, image, rates.input_image)
}

fn bill_answer(
    bill: &mut Bill,
    usage: &Usage,
    rates: &Rates,
    output: u64,
) -> Result<(), CostUnknown> {
    let audio = usage.output_audio.unwrap_or_default().min(output);
    let drawn_apart = rates.output_image.is_some_and(|it| rates.output != Some(it));
    if drawn_apart && usage.output_image.is_none() && output > 0 {
        return Err(CostUnknown::KindNotPriced);
    }
    let image = usage.output_image.unwrap_or_default().min(output - audio);
    let text = output - audio - image;
    let reasoning = match rates.reasoning {
        Some(_) => usage.reasoning.unwrap_or_default().min(text),
        None => 0,
    };
    bill.add(CostKind::Output, text - reasoning, rates.output)?;
    bill.add(CostKind::Reasoning, reasoning, rates.reasoning)?;
    bill.add(CostKind::OutputAudio, audio, rates.output_audio)?;
    bill.add(CostKind::OutputImage, image, rates.output_image)
}

#[derive(Default)]
struct Bill(Cost);

impl Bill {
    fn add(
        &mut self,
        kind: CostKind,
        count: u64,
        rate: Option<PicoUsd>,
    ) -> Result<(), CostUnknown> {
        if count == 0 {
            return Ok(());
        }
        let rate = rate.ok_or(CostUnknown::KindNotPriced)?;
        let amount = rate.checked_mul(count).ok_or(CostUnknown::OutOfRange)?;
        self.0.total = self.0.total.checked_add(amount).ok_or(CostUnknown::OutOfRange)?;
        self.0.lines.push(CostLine { kind, count, rate, amount });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
