//! The wire formats and what a client asks for in them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A family of request and response bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `POST /v1/chat/completions`.
    OpenaiChat,
    /// `POST /v1/responses`.
    OpenaiResponses,
    /// `POST /v1/embeddings` and the other OpenAI paths that share its errors (`/v1/models`).
    OpenaiEmbeddings,
    /// `POST /v1/messages` and what stands beside it.
    AnthropicMessages,
    /// `POST /v1beta/models/{model}:{method}`.
    Gemini,
    /// `POST /model/{model}/converse` and `/converse-stream` of Amazon Bedrock.
    BedrockConverse,
    /// `POST /v2/embed` of Cohere.
    CohereEmbed,
    /// `POST /api/embed` of Ollama.
    OllamaEmbed,
}

impl Format {
    /// Every format, in the order they are listed to people.
    pub const ALL: [Self; 8] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::OpenaiEmbeddings,
        Self::AnthropicMessages,
        Self::Gemini,
        Self::BedrockConverse,
        Self::CohereEmbed,
        Self::OllamaEmbed,
    ];

    /// The name in configuration, in the ledger and in the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiResponses => "openai-responses",
            Self::OpenaiEmbeddings => "openai-embeddings",
            Self::AnthropicMessages => "anthropic-messages",
            Self::Gemini => "gemini",
            Self::BedrockConverse => "bedrock-converse",
            Self::CohereEmbed => "cohere-embed",
            Self::OllamaEmbed => "ollama-embed",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == name);
        found.ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// What a call asks of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Text, tool calls or images out of a model.
    Generate,
    /// How many tokens a prompt has.
    CountTokens,
    /// Vectors for texts.
    Embed,
    /// Which models there are.
    ListModels,
    /// Any other path, passed through untouched.
    Other,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 5] =
        [Self::Generate, Self::CountTokens, Self::Embed, Self::ListModels, Self::Other];

    /// The name in the ledger and in the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::CountTokens => "count-tokens",
            Self::Embed => "embed",
            Self::ListModels => "list-models",
            Self::Other => "other",
        }
    }
}

impl FromStr for Operation {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == name);
        found.ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// A name that stands for nothing this version knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name `{0}`")]
pub struct UnknownName(pub String);
