//! Counts of a prompt's tokens, carried to a provider that counts in a format of its own: the prompt is
//! translated like any other, and what of it counts is sent.

use serde_json::{Value, json};
use tollgate_core::Format;

use super::{
    ANSWER_BYTES_MAX, AnswerPlan, Finished, Plan, RequestConfig, TranslatedRequest, failure,
    gemini, gemini_model, held::Held, translate_request,
};
use crate::{
    ir::Failure,
    loss::Refused,
    tap::End,
    tokens::{count_body, counted_request},
};

/// What Anthropic takes in a request for a count.
const ANTHROPIC: [&str; 7] =
    ["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"];

/// The same of Gemini where the count is no request of its own kind, as on Vertex AI.
const FLAT_GEMINI: [&str; 4] = ["systemInstruction", "contents", "tools", "generationConfig"];

/// What an answer's translation must know of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CountPlan {
    client: Format,
}

/// Whether a format's clients ask for counts.
pub(super) const fn is_client(format: Format) -> bool {
    match format {
        Format::AnthropicMessages | Format::Gemini | Format::OpenaiResponses => true,
        Format::OpenaiChat
        | Format::BedrockConverse
        | Format::OpenaiEmbeddings
        | Format::CohereEmbed
        | Format::OllamaEmbed => false,
    }
}

/// Whether it is known how providers of a format are asked for a count.
pub(super) const fn is_provider(format: Format) -> bool {
    match format {
        Format::AnthropicMessages | Format::Gemini => true,
        Format::OpenaiChat
        | Format::OpenaiResponses
        | Format::BedrockConverse
        | Format::OpenaiEmbeddings
        | Format::CohereEmbed
        | Format::OllamaEmbed => false,
    }
}

/// Translates a request for a count of a prompt's tokens. What only says how to answer the prompt is
/// left out where the provider does not take it: it has no tokens.
///
/// # Errors
///
/// As [`translate_request`], and where one of the formats has no such request.
pub fn translate_count(
    config: &RequestConfig<'_>,
    body: &[u8],
) -> Result<TranslatedRequest, Refused> {
    for (format, known) in
        [(config.from, is_client(config.from)), (config.to, is_provider(config.to))]
    {
        if !known {
            let why = format!("counts of tokens are not translated for the format `{format}`");
            return Err(Refused::new("", why));
        }
    }
    let config = RequestConfig { streaming_in_path: Some(false), ..*config };
    let request = translate_request(&config, &counted_request(config.from, body))?;
    let prompt: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let (body, path) = if config.to == Format::Gemini {
        let path = format!("/v1beta/{}:countTokens", gemini_model(config.model));
        let body = if config.provider.flat_count {
            only(prompt, &FLAT_GEMINI)
        } else {
            let mut whole = prompt;
            whole["model"] = gemini::model_path(config.model).into();
            json!({ "generateContentRequest": whole })
        };
        (body, path)
    } else {
        (only(prompt, &ANTHROPIC), "/messages/count_tokens".to_owned())
    };
    Ok(TranslatedRequest {
        body: serde_json::to_vec(&body).unwrap_or_default(),
        path,
        stream: false,
        losses: request.losses,
        plan: AnswerPlan(Plan::Count(CountPlan { client: config.from })),
    })
}

fn only(mut prompt: Value, names: &[&str]) -> Value {
    if let Some(members) = prompt.as_object_mut() {
        members.retain(|name, _| names.contains(&name.as_str()));
    }
    prompt
}

/// An answer on its way.
pub(super) struct Counted {
    plan: CountPlan,
    pub(super) held: Held,
}

impl Counted {
    pub(super) const fn new(plan: CountPlan, status: u16, retry_after_s: Option<u64>) -> Self {
        Self { plan, held: Held::new(ANSWER_BYTES_MAX, status, retry_after_s) }
    }

    pub(super) fn finish(self, end: End) -> Finished {
        let client = self.plan.client;
        self.held.finish(end, client, |body| translated(client, body))
    }
}

fn translated(client: Format, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| failure::not_json())?;
    let told = answer.get("input_tokens").or_else(|| answer.get("totalTokens"));
    let told = told.and_then(Value::as_u64).and_then(|it| count_body(client, it));
    told.ok_or_else(|| failure::broken("the provider's answer holds no count of tokens"))
}

#[cfg(test)]
mod tests;
