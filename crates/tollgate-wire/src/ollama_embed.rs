//! Answers of Ollama's `embed`.

use serde::Deserialize;

use crate::{
    lenient::{Count, Text},
    tap::Seen,
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    prompt_eval_count: Count,
}

pub(crate) fn read(seen: &mut Seen, json: &[u8]) -> Result<(), serde_json::Error> {
    let answer: Answer<'_> = serde_json::from_slice(json)?;
    seen.saw_model(answer.model.filled());
    seen.usage.input = answer.prompt_eval_count.0;
    Ok(())
}
