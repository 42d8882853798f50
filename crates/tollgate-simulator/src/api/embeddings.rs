//! `POST /v1/embeddings`, Gemini's `embedContent` and `batchEmbedContents`, Cohere's `POST /v2/embed`
//! and Ollama's `POST /api/embed`.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    api::{
        Asked,
        answer::fnv1a,
        errors::ApiError,
        models::{self, Kind},
        read::{either, items, text_of},
    },
    delivery::{Reply, ReplyBody, WholeBody},
    record::UsageSent,
    rules::count_tokens,
};

/// The most inputs of one request, as OpenAI has it.
const INPUTS_MAX: usize = 2048;

/// The most texts of one request, as Cohere has it.
const COHERE_TEXTS_MAX: usize = 96;

/// The most dimensions that can be asked for.
const DIMENSIONS_MAX: u64 = 4096;

/// Answers OpenAI's embeddings, as floats or in base64.
///
/// # Errors
/// What the real API refuses too: no or another kind of model, no or too much input.
pub(crate) fn openai(asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::embeds)?;
    let body = asked.body()?;
    let inputs = inputs(&body["input"]);
    if inputs.is_empty() || inputs.len() > INPUTS_MAX {
        return Err(ApiError::bad_field("input", "'$.input' is invalid."));
    }
    let size = dimensions(model.kind, &body["dimensions"]);
    let in_base64 = body["encoding_format"] == "base64";
    let entry = |(index, input): (usize, &Input)| {
        let vector = vector(&input.key, size);
        let embedding =
            if in_base64 { json!(STANDARD.encode(bytes_of(&vector))) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    let mut answer = json!({
        "object": "list",
        "data": inputs.iter().enumerate().map(entry).collect::<Vec<_>>(),
        "model": model.served,
    });
    let mut usage = None;
    if !asked.controls.no_usage {
        let tokens: u64 = inputs.iter().map(|it| it.tokens).sum();
        answer["usage"] = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        usage = Some(UsageSent { input: Some(tokens), ..UsageSent::default() });
    }
    let body = ReplyBody::Whole(WholeBody { usage, ..WholeBody::json(&answer) });
    Ok(Reply { model_served: Some(model.served.to_owned()), ..asked.reply(body) })
}

/// Answers Cohere's `embed`, as floats.
///
/// # Errors
/// What the real API refuses too: no or another kind of model, no texts, no purpose.
pub(crate) fn cohere(asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::embeds)?;
    let body = asked.body()?;
    let inputs = inputs(&body["texts"]);
    if inputs.is_empty() || inputs.len() > COHERE_TEXTS_MAX {
        return Err(ApiError::bad_request(
            "invalid request: texts must have between 1 and 96 items",
        ));
    }
    if body["input_type"].as_str().is_none_or(str::is_empty) {
        return Err(ApiError::bad_request(
            "invalid request: valid input_type must be provided with the provided model",
        ));
    }
    let size = dimensions(model.kind, &body["output_dimension"]);
    let vectors: Vec<_> = inputs.iter().map(|it| vector(&it.key, size)).collect();
    let tokens: u64 = inputs.iter().map(|it| it.tokens).sum();
    let mut answer = json!({
        "id": asked.id(""),
        "embeddings": {"float": vectors},
        "texts": body["texts"],
        "meta": {"api_version": {"version": "2"}},
        "response_type": "embeddings_by_type",
    });
    if !asked.controls.no_usage {
        answer["meta"]["billed_units"] = json!({"input_tokens": tokens});
    }
    Ok(vectors_reply(asked, model.served, &answer, tokens))
}

/// Answers Ollama's `embed`.
///
/// # Errors
/// No or another kind of model.
pub(crate) fn ollama(asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::embeds)?;
    let body = asked.body()?;
    let inputs = inputs(&body["input"]);
    let size = dimensions(model.kind, &body["dimensions"]);
    let vectors: Vec<_> = inputs.iter().map(|it| vector(&it.key, size)).collect();
    let tokens: u64 = inputs.iter().map(|it| it.tokens).sum();
    let mut answer = json!({
        "model": model.served,
        "embeddings": vectors,
        "total_duration": 12_000_000,
        "load_duration": 1_000_000,
    });
    if !asked.controls.no_usage {
        answer["prompt_eval_count"] = json!(tokens);
    }
    Ok(vectors_reply(asked, model.served, &answer, tokens))
}

fn vectors_reply(asked: &Asked, served: &str, answer: &Value, tokens: u64) -> Reply {
    let told = UsageSent { input: Some(tokens), ..UsageSent::default() };
    let usage = (!asked.controls.no_usage).then_some(told);
    let body = ReplyBody::Whole(WholeBody { usage, ..WholeBody::text(answer.to_string()) });
    Reply { model_served: Some(served.to_owned()), ..asked.reply(body) }
}

/// Answers `embedContent`. It says nothing about tokens, as the real one does not.
///
/// # Errors
/// No or another kind of model.
pub(crate) fn gemini_one(asked: &Asked) -> Result<Reply, ApiError> {
    let values = gemini_values(asked, asked.body()?)?;
    gemini_reply(asked, &json!({"embedding": {"values": values}}))
}

/// Answers `batchEmbedContents`.
///
/// # Errors
/// No or another kind of model.
pub(crate) fn gemini_batch(asked: &Asked) -> Result<Reply, ApiError> {
    let one = |it| Ok(json!({"values": gemini_values(asked, it)?}));
    let all = items(&asked.body()?["requests"]).map(one).collect::<Result<Vec<_>, ApiError>>()?;
    gemini_reply(asked, &json!({"embeddings": all}))
}

fn gemini_values(asked: &Asked, request: &Value) -> Result<Vec<f32>, ApiError> {
    let model = models::find(asked, models::embeds)?;
    let wanted = either(request, "outputDimensionality", "output_dimensionality");
    let nested = &request["embedContentConfig"]["outputDimensionality"];
    let wanted = if wanted.is_null() { nested } else { wanted };
    let text = text_of(&request["content"]["parts"]);
    Ok(vector(text.as_bytes(), dimensions(model.kind, wanted)))
}

fn gemini_reply(asked: &Asked, answer: &Value) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::embeds)?;
    let reply = asked.reply(ReplyBody::Whole(WholeBody::json(answer)));
    Ok(Reply { model_served: Some(model.served.to_owned()), ..reply })
}

struct Input {
    key: Vec<u8>,
    tokens: u64,
}

/// The inputs: one text, one list of tokens, or a list of either.
fn inputs(input: &Value) -> Vec<Input> {
    let is_tokens = |it: &Value| items(it).next().is_some_and(Value::is_number);
    if input.is_string() || is_tokens(input) {
        return vec![one_input(input)];
    }
    items(input).map(one_input).collect()
}

fn one_input(input: &Value) -> Input {
    if let Some(text) = input.as_str() {
        return Input { key: text.as_bytes().to_owned(), tokens: count_tokens(text) };
    }
    let tokens = u64::try_from(items(input).count()).unwrap_or(u64::MAX);
    Input { key: input.to_string().into_bytes(), tokens }
}

fn dimensions(kind: Kind, wanted: &Value) -> usize {
    let own = match kind {
        Kind::Embedding(size) => size,
        Kind::Text | Kind::Reasoning | Kind::Picture => 0,
    };
    let wanted = wanted.as_u64().filter(|it| (1..=DIMENSIONS_MAX).contains(it));
    wanted.and_then(|it| usize::try_from(it).ok()).unwrap_or(own)
}

/// A vector of length one that depends on `key` alone.
fn vector(key: &[u8], size: usize) -> Vec<f32> {
    let mut state = fnv1a(key) | 1;
    let draw = |_| {
        // Xorshift (Marsaglia 2003); the high bits are the better ones.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [.., high, low] = (state >> 48).to_be_bytes();
        f32::from(i16::from_be_bytes([high, low])) / 32_768.0
    };
    let mut vector: Vec<f32> = (0..size).map(draw).collect();
    let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|it| *it /= length);
    }
    vector
}

fn bytes_of(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|it| it.to_le_bytes()).collect()
}
