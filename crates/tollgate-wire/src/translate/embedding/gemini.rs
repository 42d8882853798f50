//! Gemini's `embedContent` and `batchEmbedContents`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};
use tollgate_core::Usage;

use super::{Encoding, Purpose, Texts, Told, Vector, Vectors, no_answer};
use crate::{
    fault::Fault,
    gemini::UsageMetadata,
    ir::{Failure, Given},
    lenient::{Many, Maybe},
    loss::{Losses, Refused},
    translate::{failure, fields::Fields, gemini::model_path, json_into},
};

/// Each purpose and Gemini's word for it.
const TASKS: [(Purpose, &str); 8] = [
    (Purpose::Query, "RETRIEVAL_QUERY"),
    (Purpose::Document, "RETRIEVAL_DOCUMENT"),
    (Purpose::Classification, "CLASSIFICATION"),
    (Purpose::Clustering, "CLUSTERING"),
    (Purpose::Similarity, "SEMANTIC_SIMILARITY"),
    (Purpose::Question, "QUESTION_ANSWERING"),
    (Purpose::Fact, "FACT_VERIFICATION"),
    (Purpose::Code, "CODE_RETRIEVAL_QUERY"),
];

/// What is said of one text.
struct One {
    text: String,
    dimensions: Option<Given<u64>>,
    purpose: Option<Given<Purpose>>,
}

pub(super) fn request(body: Value, losses: &mut Losses) -> Result<Texts, Refused> {
    let mut fields = Fields::new(body, "")?.camelled();
    fields.pass_over(&["model"]);
    let single = !fields.has("requests");
    if single {
        let One { text, dimensions, purpose } = one(fields, losses)?;
        let (texts, encoding) = (vec![text], Encoding::Numbers);
        let at = "content";
        return Ok(Texts { texts, at, dimensions, purpose, whole_texts: false, encoding, single });
    }
    let mut texts = Texts { at: "requests", ..Texts::default() };
    for (i, request) in fields.objects("requests")?.into_iter().enumerate() {
        let mut request = request.camelled();
        request.pass_over(&["model"]);
        let at = request.at.clone();
        let One { text, dimensions, purpose } = one(request, losses)?;
        let value = |it: &Option<Given<u64>>| it.as_ref().map(|it| it.value);
        let word = |it: &Option<Given<Purpose>>| it.as_ref().map(|it| it.value);
        let is_other = value(&dimensions) != value(&texts.dimensions)
            || word(&purpose) != word(&texts.purpose);
        if i == 0 {
            (texts.dimensions, texts.purpose) = (dimensions, purpose);
        } else if is_other {
            let why = "asks for another kind of vector than the first, which only Gemini can";
            return Err(Refused::new(at, why));
        }
        texts.texts.push(text);
    }
    fields.rest(losses);
    Ok(texts)
}

fn one(mut fields: Fields, losses: &mut Losses) -> Result<One, Refused> {
    let mut content = fields.need_object("content")?.camelled();
    content.pass_over(&["role"]);
    let mut texts = Vec::new();
    for part in content.objects("parts")? {
        let mut part = part.camelled();
        let text = part.text("text")?;
        if let Some(other) = part.first() {
            return Err(part.refuse(other, "is no text, of which alone vectors are translated"));
        }
        texts.extend(text);
    }
    content.rest(losses);
    let mut dimensions = fields.given_count("outputDimensionality")?;
    let mut task = fields.given_text("taskType")?;
    let mut title = fields.given_text("title")?;
    if let Some(config) = fields.object("embedContentConfig")? {
        let mut config = config.camelled();
        dimensions = config.given_count("outputDimensionality")?.or(dimensions);
        task = config.given_text("taskType")?.or(task);
        title = config.given_text("title")?.or(title);
        config.rest(losses);
    }
    if let Some(title) = title {
        losses.note(title.at, "has no counterpart");
    }
    fields.rest(losses);
    Ok(One { text: texts.join("\n"), dimensions, purpose: purpose(task)? })
}

fn purpose(task: Option<Given<String>>) -> Result<Option<Given<Purpose>>, Refused> {
    let Some(Given { at, value }) = task else { return Ok(None) };
    if value == "TASK_TYPE_UNSPECIFIED" {
        return Ok(None);
    }
    match TASKS.iter().find(|(_, word)| *word == value) {
        Some((value, _)) => Ok(Some(Given { at, value: *value })),
        None => Err(Refused::new(at, "is not known")),
    }
}

/// One text is asked for alone: some models know no other way.
pub(super) fn write(texts: Texts, model: &str) -> (Value, String) {
    let name = model_path(model);
    let Texts { mut texts, dimensions, purpose, .. } = texts;
    let task = purpose.and_then(|it| TASKS.iter().find(|(other, _)| *other == it.value));
    let request = |text: String| {
        let mut request = Map::new();
        request.insert("model".to_owned(), name.as_str().into());
        request.insert("content".to_owned(), json!({"parts": [{"text": text}]}));
        request.extend(task.map(|(_, word)| ("taskType".to_owned(), (*word).into())));
        let dimensions = dimensions.as_ref().map(|it| it.value.into());
        request.extend(dimensions.map(|it| ("outputDimensionality".to_owned(), it)));
        Value::Object(request)
    };
    let (body, method) = match (texts.len(), texts.pop()) {
        (1, Some(text)) => (request(text), "embedContent"),
        (_, last) => {
            let requests: Vec<Value> = texts.into_iter().chain(last).map(request).collect();
            (json!({"requests": requests}), "batchEmbedContents")
        }
    };
    (body, format!("/v1beta/{}:{method}", super::super::in_path(&name, b"-._~/@")))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    embedding: Maybe<Values<'a>>,
    #[serde(borrow)]
    embeddings: Many<Values<'a>>,
    usage_metadata: Maybe<UsageMetadata>,
    #[serde(borrow)]
    error: Fault<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Values<'a> {
    #[serde(borrow)]
    values: Option<&'a RawValue>,
}

pub(super) fn answer(body: &[u8]) -> Result<Vectors<'_>, Failure> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| failure::not_json())?;
    if let Fault(Some(fault)) = &answer.error {
        return Err(failure::in_answer(&fault.told()));
    }
    let all = answer.embedding.0.iter().chain(&answer.embeddings.0);
    let vectors = all.map(|it| it.values.map(Vector::Numbers).ok_or_else(no_answer));
    Ok(Vectors {
        model: None,
        vectors: vectors.collect::<Result<_, Failure>>()?,
        usage: answer.usage_metadata.0.map(|it| it.normalised()).unwrap_or_default(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<WrittenValues<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<WrittenValues<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<Value>,
}

#[derive(Serialize)]
struct WrittenValues<'a> {
    values: &'a Told<'a>,
}

pub(super) fn write_answer(vectors: &[Told<'_>], single: bool, usage: &Usage, out: &mut Vec<u8>) {
    let mut all: Vec<_> = vectors.iter().map(|values| WrittenValues { values }).collect();
    let embedding = if single { all.pop() } else { None };
    let embeddings = (!single).then_some(all);
    let usage = usage.input.map(|it| json!({"promptTokenCount": it, "totalTokenCount": it}));
    json_into(&Written { embedding, embeddings, usage_metadata: usage }, out);
}
