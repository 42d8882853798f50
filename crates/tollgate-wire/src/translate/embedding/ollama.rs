//! Ollama's `POST /api/embed`, which providers speak and no client does.

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use tollgate_core::Usage;

use super::{Texts, Vectors, listed};
use crate::{
    ir::Failure,
    lenient::{Count, Text},
    loss::Losses,
    translate::failure,
};

pub(super) fn write(texts: Texts, model: &str, losses: &mut Losses) -> (Value, String) {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("input".to_owned(), texts.texts.into());
    body.extend(texts.dimensions.map(|it| ("dimensions".to_owned(), it.value.into())));
    if texts.whole_texts {
        body.insert("truncate".to_owned(), false.into());
    }
    if let Some(purpose) = texts.purpose {
        losses.note(purpose.at, "Ollama's vectors are the same whatever they are for");
    }
    (body.into(), "/embed".to_owned())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    embeddings: Option<&'a RawValue>,
    prompt_eval_count: Count,
}

pub(super) fn answer(body: &[u8]) -> Result<Vectors<'_>, Failure> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| failure::not_json())?;
    Ok(Vectors {
        model: answer.model.filled().map(str::to_owned),
        vectors: listed(answer.embeddings)?,
        usage: Usage { input: answer.prompt_eval_count.0, ..Usage::default() },
    })
}
