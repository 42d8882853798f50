//! The models that the simulator has, and the lists of them.

use serde_json::{Value, json};

use crate::{
    api::{Asked, answer::Ask, errors::ApiError},
    delivery::{Reply, ReplyBody, WholeBody},
    record::Provider,
};

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text without reasoning.
    Text,
    /// Text, with reasoning before it.
    Reasoning,
    /// Text and pictures.
    Picture,
    /// Vectors of this many dimensions.
    Embedding(usize),
}

/// A simulated model, named as the real one whose wire format and price it has.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) provider: Provider,
    pub(crate) id: &'static str,
    /// The id that answers give.
    pub(crate) served: &'static str,
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
}

const fn model(
    provider: Provider,
    id: &'static str,
    served: &'static str,
    title: &'static str,
    kind: Kind,
) -> Model {
    Model { provider, id, served, title, kind }
}

use Kind::{Embedding, Picture, Reasoning, Text};
use Provider::{Anthropic, Bedrock, Cohere, Google, Ollama, OpenAi};

#[rustfmt::skip]
const MODELS: &[Model] = &[
    model(OpenAi, "gpt-5-mini", "gpt-5-mini-2025-08-07", "GPT-5 mini", Reasoning),
    model(OpenAi, "gpt-5", "gpt-5-2025-08-07", "GPT-5", Reasoning),
    model(OpenAi, "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "GPT-4.1 mini", Text),
    model(OpenAi, "gpt-5-image-mini", "gpt-5-image-mini", "GPT-5 image mini", Picture),
    model(OpenAi, "text-embedding-3-small", "text-embedding-3-small", "Embedding 3 small", Embedding(1536)),
    model(Anthropic, "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", Reasoning),
    model(Anthropic, "claude-haiku-4-5", "claude-haiku-4-5-20251001", "Claude Haiku 4.5", Reasoning),
    model(Anthropic, "claude-opus-4-1", "claude-opus-4-1-20250805", "Claude Opus 4.1", Reasoning),
    model(Google, "gemini-2.5-flash", "gemini-2.5-flash", "Gemini 2.5 Flash", Reasoning),
    model(Google, "gemini-2.5-pro", "gemini-2.5-pro", "Gemini 2.5 Pro", Reasoning),
    model(Google, "gemini-2.5-flash-image", "gemini-2.5-flash-image", "Gemini 2.5 Flash Image", Picture),
    model(Google, "gemini-embedding-001", "gemini-embedding-001", "Gemini Embedding 001", Embedding(3072)),
    model(Bedrock, "anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0", "Claude Haiku 4.5", Text),
    model(Bedrock, "amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "Nova Lite", Text),
    model(Cohere, "embed-v4.0", "embed-v4.0", "Embed 4", Embedding(1536)),
    model(Ollama, "nomic-embed-text", "nomic-embed-text", "Nomic Embed", Embedding(768)),
];

/// The model a request names, if its provider has it and it does what the endpoint is for.
///
/// # Errors
/// No model is named, or none of that name is there.
pub(crate) fn find(asked: &Asked, wanted: fn(Kind) -> bool) -> Result<&'static Model, ApiError> {
    let Some(name) = asked.model_name().filter(|it| !it.is_empty()) else {
        return Err(ApiError::no_model(asked.route.provider));
    };
    of_provider(asked.route.provider)
        .find(|it| (it.id == name || it.served == name) && wanted(it.kind))
        .ok_or_else(|| ApiError::unknown_model(asked.route.provider, name))
}

/// Whether a model does what is asked of it.
///
/// # Errors
/// What the real APIs refuse too: pictures of a model that makes none, log probabilities of one of
/// OpenAI's that reasons.
pub(crate) fn check(model: &Model, ask: &Ask) -> Result<(), ApiError> {
    if ask.pictures.is_some() && model.kind != Picture {
        return Err(ApiError::bad_request("The model does not support the requested modalities."));
    }
    if ask.likeliest.is_some() && model.provider == OpenAi && model.kind == Reasoning {
        let text = "You are not allowed to request logprobs from this model.";
        return Err(ApiError::bad_field("logprobs", text));
    }
    Ok(())
}

/// A model that writes text.
pub(crate) fn writes(kind: Kind) -> bool {
    !embeds(kind)
}

/// A model that makes vectors.
pub(crate) fn embeds(kind: Kind) -> bool {
    matches!(kind, Embedding(_))
}

fn of_provider(provider: Provider) -> impl Iterator<Item = &'static Model> {
    MODELS.iter().filter(move |it| it.provider == provider)
}

/// `GET /models` in the shape of the provider that is asked.
pub(crate) fn list(asked: &Asked) -> Reply {
    let provider = asked.route.provider;
    let all: Vec<_> = of_provider(provider).map(|it| describe(asked, it)).collect();
    let list = match provider {
        OpenAi | Bedrock | Cohere | Ollama => json!({"object": "list", "data": all}),
        Anthropic => {
            let ids: Vec<_> = of_provider(provider).map(|it| it.served).collect();
            json!({
                "data": all, "has_more": false, "first_id": ids.first(), "last_id": ids.last(),
            })
        }
        Google => json!({"models": all}),
    };
    reply(asked, &list)
}

/// `GET /models/{id}` in the shape of the provider that is asked.
///
/// # Errors
/// There is no such model.
pub(crate) fn get(asked: &Asked) -> Result<Reply, ApiError> {
    let model = find(asked, |_| true)?;
    Ok(reply(asked, &describe(asked, model)))
}

fn describe(asked: &Asked, model: &Model) -> Value {
    match model.provider {
        OpenAi | Bedrock | Cohere | Ollama => json!({
            "id": model.id, "object": "model", "created": asked.created_at_s,
            "owned_by": "tollgate-simulator",
        }),
        Anthropic => json!({
            "type": "model", "id": model.served,
            "display_name": format!("{} (simulated)", model.title),
            "created_at": "2025-09-29T00:00:00Z",
        }),
        Google => json!({
            "name": format!("models/{}", model.id),
            "version": "001",
            "displayName": format!("{} (simulated)", model.title),
            "description": "Answered by Tollgate's built-in simulator.",
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": match model.kind {
                Text | Reasoning | Picture => vec!["generateContent", "countTokens"],
                Embedding(_) => vec!["embedContent", "batchEmbedContents", "countTokens"],
            },
        }),
    }
}

fn reply(asked: &Asked, body: &Value) -> Reply {
    asked.reply(ReplyBody::Whole(WholeBody::json(body)))
}
