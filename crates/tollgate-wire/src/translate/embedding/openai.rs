//! OpenAI's embeddings (`POST /v1/embeddings`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};
use tollgate_core::Usage;

use super::{Encoding, Purpose, Texts, Told, Vector, Vectors, no_answer};
use crate::{
    fault::Fault,
    ir::{Failure, Given},
    lenient::{Count, Many, Maybe, Text},
    loss::{Losses, Refused},
    openai_usage::OpenaiUsage,
    translate::{
        failure,
        fields::{Fields, element},
        json_into,
    },
};

pub(super) fn request(body: Value, losses: &mut Losses) -> Result<Texts, Refused> {
    let mut fields = Fields::new(body, "")?;
    fields.pass_over(&["model"]);
    let texts = texts(&mut fields)?;
    let encoding = match fields.text("encoding_format")?.as_deref() {
        None | Some("float") => Encoding::Numbers,
        Some("base64") => Encoding::Base64,
        Some(_) => return Err(fields.refuse("encoding_format", "is not known")),
    };
    let dimensions = fields.given_count("dimensions")?;
    let purpose = purpose(&mut fields)?;
    fields.rest(losses);
    let at = "input";
    Ok(Texts { texts, at, dimensions, purpose, whole_texts: true, encoding, single: false })
}

/// A text, or a list of texts. Tokens are those of one provider's model.
fn texts(fields: &mut Fields) -> Result<Vec<String>, Refused> {
    let list = match fields.take("input") {
        None => return Err(fields.refuse("input", "is missing")),
        Some(Value::String(text)) => return Ok(vec![text]),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(fields.refuse("input", "must be a string or a list")),
    };
    let texts = list.into_iter().enumerate().map(|(i, it)| match it {
        Value::String(text) => Ok(text),
        Value::Number(_) => {
            Err(Refused::new("input", "holds tokens, which other models do not share"))
        }
        Value::Array(_) => {
            Err(Refused::new(element("input", i), "holds tokens, which other models do not share"))
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => {
            Err(Refused::new(element("input", i), "must be a string"))
        }
    });
    texts.collect()
}

/// `input_type`, which servers that copy OpenAI's format take beside its own members.
fn purpose(fields: &mut Fields) -> Result<Option<Given<Purpose>>, Refused> {
    let Some(Given { at, value }) = fields.given_text("input_type")? else { return Ok(None) };
    let value = match value.as_str() {
        "query" | "search_query" => Purpose::Query,
        "document" | "search_document" | "passage" => Purpose::Document,
        "classification" => Purpose::Classification,
        "clustering" => Purpose::Clustering,
        _ => return Err(Refused::new(at, "is not known")),
    };
    Ok(Some(Given { at, value }))
}

pub(super) fn write(texts: Texts, model: &str, losses: &mut Losses) -> (Value, String) {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("input".to_owned(), texts.texts.into());
    body.extend(texts.dimensions.map(|it| ("dimensions".to_owned(), it.value.into())));
    if let Some(purpose) = texts.purpose {
        losses.note(purpose.at, "OpenAI's vectors are the same whatever they are for");
    }
    (body.into(), "/embeddings".to_owned())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    data: Many<Element<'a>>,
    usage: Maybe<OpenaiUsage>,
    #[serde(borrow)]
    error: Fault<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Element<'a> {
    index: Count,
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
}

pub(super) fn answer(body: &[u8]) -> Result<Vectors<'_>, Failure> {
    let mut answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| failure::not_json())?;
    if let Fault(Some(fault)) = &answer.error {
        return Err(failure::in_answer(&fault.told()));
    }
    answer.data.0.sort_by_key(|it| it.index.0);
    let vectors = answer.data.0.iter().map(|it| {
        let raw = it.embedding.ok_or_else(no_answer)?;
        // Some servers answer with base64 whatever is asked.
        Ok(match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => Vector::Base64(text),
            Err(_) => Vector::Numbers(raw),
        })
    });
    Ok(Vectors {
        model: answer.model.filled().map(str::to_owned),
        vectors: vectors.collect::<Result<_, Failure>>()?,
        usage: answer.usage.0.map(|it| it.normalised()).unwrap_or_default(),
    })
}

#[derive(Serialize)]
struct Written<'a> {
    object: &'static str,
    data: Vec<WrittenElement<'a>>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct WrittenElement<'a> {
    object: &'static str,
    index: usize,
    embedding: &'a Told<'a>,
}

/// Usage that the provider did not tell is left out.
pub(super) fn write_answer(vectors: &[Told<'_>], model: &str, usage: &Usage, out: &mut Vec<u8>) {
    let data = vectors.iter().enumerate();
    let data =
        data.map(|(index, embedding)| WrittenElement { object: "embedding", index, embedding });
    let usage = usage.input.map(|it| json!({"prompt_tokens": it, "total_tokens": it}));
    json_into(&Written { object: "list", data: data.collect(), model, usage }, out);
}
