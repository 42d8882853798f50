//! Calls that make vectors of texts: a small representation of their own, with a reader of requests
//! for each format that clients speak and a writer for each that providers speak, and the other way
//! round for answers. Numbers pass as they were written.

mod cohere;
mod gemini;
mod ollama;
mod openai;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use tollgate_core::{Format, Usage};

use super::{
    AnswerPlan, Plan, RequestConfig, TranslatedRequest,
    answers::{Finished, VECTORS_BYTES_MAX},
    failure,
    held::Held,
};
use crate::{
    ir::{Failure, Given},
    loss::{Losses, Refused},
    tap::End,
};

/// A request.
#[derive(Clone, Debug, Default)]
struct Texts {
    texts: Vec<String>,
    /// The client's name for them.
    at: &'static str,
    dimensions: Option<Given<u64>>,
    purpose: Option<Given<Purpose>>,
    /// Whether the client's format makes an error of a text that is too long, and no vector of its
    /// beginning.
    whole_texts: bool,
    encoding: Encoding,
    /// Whether the client's format tells one vector apart from a list of one.
    single: bool,
}

/// What vectors are for. Some models make others for what is searched than for what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Query,
    Document,
    Classification,
    Clustering,
    Similarity,
    Question,
    Fact,
    Code,
}

/// How numbers are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Encoding {
    #[default]
    Numbers,
    /// Each a float of four bytes, the lowest first, all in base64.
    Base64,
}

/// What an answer's translation must know of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EmbedPlan {
    client: Client,
    provider: Provider,
    model: String,
    texts: usize,
    encoding: Encoding,
    single: bool,
}

/// A format that clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Openai,
    Gemini,
}

/// A format that providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Openai,
    Gemini,
    Cohere,
    Ollama,
}

impl Client {
    fn of(format: Format) -> Result<Self, Refused> {
        match format {
            Format::OpenaiEmbeddings => Ok(Self::Openai),
            Format::Gemini => Ok(Self::Gemini),
            Format::OpenaiChat
            | Format::OpenaiResponses
            | Format::AnthropicMessages
            | Format::BedrockConverse
            | Format::CohereEmbed
            | Format::OllamaEmbed => Err(no_vectors(format)),
        }
    }

    const fn format(self) -> Format {
        match self {
            Self::Openai => Format::OpenaiEmbeddings,
            Self::Gemini => Format::Gemini,
        }
    }
}

impl Provider {
    fn of(format: Format) -> Result<Self, Refused> {
        match format {
            Format::OpenaiEmbeddings => Ok(Self::Openai),
            Format::Gemini => Ok(Self::Gemini),
            Format::CohereEmbed => Ok(Self::Cohere),
            Format::OllamaEmbed => Ok(Self::Ollama),
            Format::OpenaiChat
            | Format::OpenaiResponses
            | Format::AnthropicMessages
            | Format::BedrockConverse => Err(no_vectors(format)),
        }
    }
}

fn no_vectors(format: Format) -> Refused {
    Refused::new("", format!("vectors are not translated for the format `{format}`"))
}

/// Translates a request.
pub(super) fn request(
    config: &RequestConfig<'_>,
    body: &[u8],
) -> Result<TranslatedRequest, Refused> {
    let (client, provider) = (Client::of(config.from)?, Provider::of(config.to)?);
    let body: Value = serde_json::from_slice(body)
        .map_err(|why| Refused::new("", format!("the body is not JSON: {why}")))?;
    let mut losses = Losses::default();
    let texts = match client {
        Client::Openai => openai::request(body, &mut losses)?,
        Client::Gemini => gemini::request(body, &mut losses)?,
    };
    if texts.texts.is_empty() {
        return Err(Refused::new(texts.at, "holds no text"));
    }
    let plan = EmbedPlan {
        client,
        provider,
        model: config.model.to_owned(),
        texts: texts.texts.len(),
        encoding: texts.encoding,
        single: texts.single,
    };
    let model = config.model;
    let (body, path) = match provider {
        Provider::Openai => openai::write(texts, model, &mut losses),
        Provider::Gemini => gemini::write(texts, model),
        Provider::Cohere => cohere::write(texts, model, &mut losses),
        Provider::Ollama => ollama::write(texts, model, &mut losses),
    };
    Ok(TranslatedRequest {
        body: serde_json::to_vec(&body).unwrap_or_default(),
        path,
        stream: false,
        losses: losses.into_vec(),
        plan: AnswerPlan(Plan::Embed(plan)),
    })
}

/// An answer.
struct Vectors<'a> {
    model: Option<String>,
    vectors: Vec<Vector<'a>>,
    usage: Usage,
}

/// A vector as its provider wrote it.
enum Vector<'a> {
    /// A list of numbers.
    Numbers(&'a RawValue),
    Base64(String),
}

/// An answer on its way.
pub(super) struct Embedded {
    plan: EmbedPlan,
    pub(super) held: Held,
}

impl Embedded {
    pub(super) const fn new(plan: EmbedPlan, status: u16, retry_after_s: Option<u64>) -> Self {
        Self { plan, held: Held::new(VECTORS_BYTES_MAX, status, retry_after_s) }
    }

    pub(super) fn finish(self, end: End) -> Finished {
        let Self { plan, held } = self;
        held.finish(end, plan.client.format(), |body| plan.translated(body))
    }
}

impl EmbedPlan {
    fn translated(&self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let Vectors { model, vectors, usage } = match self.provider {
            Provider::Openai => openai::answer(body),
            Provider::Gemini => gemini::answer(body),
            Provider::Cohere => cohere::answer(body),
            Provider::Ollama => ollama::answer(body),
        }?;
        if vectors.len() != self.texts {
            let (found, wanted) = (vectors.len(), self.texts);
            let why = format!("the provider's answer holds {found} vectors for {wanted} texts");
            return Err(failure::broken(&why));
        }
        let vectors = vectors.into_iter().map(|it| Told::of(it, self.encoding));
        let vectors: Vec<Told<'_>> = vectors.collect::<Result<_, _>>()?;
        let mut out = Vec::new();
        match self.client {
            Client::Openai => {
                let model = model.as_deref().unwrap_or(&self.model);
                openai::write_answer(&vectors, model, &usage, &mut out);
            }
            Client::Gemini => gemini::write_answer(&vectors, self.single, &usage, &mut out),
        }
        Ok(out)
    }
}

/// A vector as its client wants it.
enum Told<'a> {
    Numbers(&'a RawValue),
    Floats(Vec<f32>),
    Base64(String),
}

impl<'a> Told<'a> {
    fn of(vector: Vector<'a>, wanted: Encoding) -> Result<Self, Failure> {
        let broken = || failure::broken("the provider's answer holds a vector that is none");
        let floats: Vec<f32> = match vector {
            Vector::Numbers(raw) => {
                let floats = serde_json::from_str(raw.get()).map_err(|_| broken())?;
                if wanted == Encoding::Numbers {
                    return Ok(Self::Numbers(raw));
                }
                floats
            }
            Vector::Base64(text) => {
                let bytes = STANDARD.decode(text).map_err(|_| broken())?;
                let (floats, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(broken());
                }
                floats.iter().map(|it| f32::from_le_bytes(*it)).collect()
            }
        };
        Ok(match wanted {
            Encoding::Numbers => Self::Floats(floats),
            Encoding::Base64 => {
                let bytes: Vec<u8> = floats.iter().flat_map(|it| it.to_le_bytes()).collect();
                Self::Base64(STANDARD.encode(bytes))
            }
        })
    }
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Numbers(raw) => raw.serialize(out),
            Self::Floats(floats) => floats.serialize(out),
            Self::Base64(text) => text.serialize(out),
        }
    }
}

/// The vectors of a list of lists.
fn listed(raw: Option<&RawValue>) -> Result<Vec<Vector<'_>>, Failure> {
    let list = raw.and_then(|it| serde_json::from_str::<Vec<&RawValue>>(it.get()).ok());
    let list = list.ok_or_else(no_answer)?;
    Ok(list.into_iter().map(Vector::Numbers).collect())
}

fn no_answer() -> Failure {
    failure::broken("the provider's answer holds no vectors")
}

#[cfg(test)]
mod tests;
