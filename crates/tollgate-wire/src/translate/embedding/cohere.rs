//! Cohere's `POST /v2/embed`, which providers speak and no client does.

use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use tollgate_core::Usage;

use super::{Purpose, Texts, Vectors, listed};
use crate::{cohere_embed::Meta, ir::Failure, lenient::Maybe, loss::Losses, translate::failure};

pub(super) fn write(texts: Texts, model: &str, losses: &mut Losses) -> (Value, String) {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("texts".to_owned(), texts.texts.into());
    let purpose = texts.purpose.as_ref();
    let input_type = match purpose.map(|it| it.value) {
        None => {
            let why = "Cohere must know what vectors are for: they are made as of documents, \
                       unless `input_type` says `search_query`";
            losses.note(texts.at, why);
            "search_document"
        }
        Some(Purpose::Document) => "search_document",
        Some(Purpose::Query) => "search_query",
        Some(Purpose::Classification) => "classification",
        Some(Purpose::Clustering) => "clustering",
        Some(Purpose::Similarity) => {
            losses.note(purpose.map_or("", |it| &it.at), "was made `clustering`, the nearest");
            "clustering"
        }
        Some(Purpose::Question | Purpose::Fact | Purpose::Code) => {
            losses.note(purpose.map_or("", |it| &it.at), "was made `search_query`, the nearest");
            "search_query"
        }
    };
    body.insert("input_type".to_owned(), input_type.into());
    body.insert("embedding_types".to_owned(), json!(["float"]));
    body.extend(texts.dimensions.map(|it| ("output_dimension".to_owned(), it.value.into())));
    if texts.whole_texts {
        body.insert("truncate".to_owned(), "NONE".into());
    }
    (body.into(), "/embed".to_owned())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    embeddings: Option<&'a RawValue>,
    meta: Maybe<Meta>,
}

/// Vectors by type; without types in the first version of the API.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Option<&'a RawValue>,
}

pub(super) fn answer(body: &[u8]) -> Result<Vectors<'_>, Failure> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| failure::not_json())?;
    let by_type = answer.embeddings;
    let by_type = by_type.and_then(|it| serde_json::from_str::<Maybe<ByType<'_>>>(it.get()).ok());
    let lists = by_type.and_then(|it| it.0?.float).or(answer.embeddings);
    let input = answer.meta.0.and_then(|it| it.input_tokens());
    Ok(Vectors { model: None, vectors: listed(lists)?, usage: Usage { input, ..Usage::default() } })
}
