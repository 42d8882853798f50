//! The table of formats.

use tollgate_core::Format;

/// What the gateway must know of a format besides its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatRow {
    /// The format.
    pub format: Format,
    /// The name for people.
    pub name: &'static str,
    /// The provider that answers when nothing else is configured: the one whose SDK speaks the
    /// format.
    pub default_provider: &'static str,
    /// The part of the client's path that an [`Endpoint::base_url`] already holds. Upstream is
    /// asked at the base URL followed by the client's path without this prefix.
    ///
    /// [`Endpoint::base_url`]: tollgate_core::provider::Endpoint::base_url
    pub base_path: &'static str,
}

/// Every format, in the order of [`Format::ALL`].
pub const FORMATS: [FormatRow; 8] = [
    FormatRow {
        format: Format::OpenaiChat,
        name: "OpenAI Chat Completions",
        default_provider: "openai",
        base_path: "/v1",
    },
    FormatRow {
        format: Format::OpenaiResponses,
        name: "OpenAI Responses",
        default_provider: "openai",
        base_path: "/v1",
    },
    FormatRow {
        format: Format::OpenaiEmbeddings,
        name: "OpenAI Embeddings",
        default_provider: "openai",
        base_path: "/v1",
    },
    FormatRow {
        format: Format::AnthropicMessages,
        name: "Anthropic Messages",
        default_provider: "anthropic",
        base_path: "/v1",
    },
    FormatRow { format: Format::Gemini, name: "Gemini", default_provider: "google", base_path: "" },
    FormatRow {
        format: Format::BedrockConverse,
        name: "Bedrock Converse",
        default_provider: "amazon-bedrock",
        base_path: "",
    },
    FormatRow {
        format: Format::CohereEmbed,
        name: "Cohere Embed",
        default_provider: "cohere",
        base_path: "/v2",
    },
    FormatRow {
        format: Format::OllamaEmbed,
        name: "Ollama Embed",
        default_provider: "ollama",
        base_path: "/api",
    },
];

/// The row of one format.
#[must_use]
pub const fn format_row(format: Format) -> &'static FormatRow {
    let [chat, responses, embeddings, anthropic, gemini, bedrock, cohere, ollama] = &FORMATS;
    match format {
        Format::OpenaiChat => chat,
        Format::OpenaiResponses => responses,
        Format::OpenaiEmbeddings => embeddings,
        Format::AnthropicMessages => anthropic,
        Format::Gemini => gemini,
        Format::BedrockConverse => bedrock,
        Format::CohereEmbed => cohere,
        Format::OllamaEmbed => ollama,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_own_row() {
        for format in Format::ALL {
            assert_eq!(format_row(format).format, format);
        }
        assert_eq!(FORMATS.map(|it| it.format), Format::ALL);
    }
}
