//! Answers of Cohere's `embed`.

use serde::Deserialize;

use crate::{
    lenient::{Count, Maybe},
    tap::Seen,
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    meta: Maybe<Meta>,
}

/// `meta`, which tells what is billed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    billed_units: Maybe<BilledUnits>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BilledUnits {
    input_tokens: Count,
    images: Count,
}

impl Meta {
    /// The texts' tokens.
    pub(crate) fn input_tokens(&self) -> Option<u64> {
        self.billed_units.0.as_ref()?.input_tokens.0
    }
}

pub(crate) fn read(seen: &mut Seen, json: &[u8]) -> Result<(), serde_json::Error> {
    let answer: Answer = serde_json::from_slice(json)?;
    let meta = answer.meta.0.unwrap_or_default();
    seen.usage.input = meta.input_tokens();
    // Pictures have a price of their own.
    seen.other_fees |= meta.billed_units.0.is_some_and(|it| it.images.0 > Some(0));
    Ok(())
}
