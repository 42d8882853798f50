//! How providers and models depart from what the inventor of their wire format does.
//!
//! What a provider does stands in its row of the catalogue ([`Provider::quirks`]), and what a
//! family of models does, whoever serves it, in the table here. [`quirks_of`] lays the one over the
//! other. Sources of the table: the providers' documentation as public catalogues repeat it
//! (LiteLLM 1.109.1: `max_output_tokens`, `supports_reasoning`, `supports_sampling_params`,
//! `supports_adaptive_thinking`, `supports_native_structured_output`), seen 2026-11-23.

use serde::{Deserialize, Serialize};

use crate::provider::Provider;

/// What is special about a provider or a model; `None` says nothing about it, so that what is less
/// particular decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// OpenAI chat: `max_tokens` is known, and `max_completion_tokens` is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_max_tokens: Option<bool>,
    /// OpenAI chat: a message's content must be one text where it has no pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_only_content: Option<bool>,
    /// OpenAI chat: earlier thinking is to come back as `reasoning_content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<bool>,
    /// A shape for the answer can be asked for: Anthropic's `output_config.format`, and Gemini's
    /// `responseJsonSchema` beside tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_output: Option<bool>,
    /// Anthropic: thinking is `adaptive` with an effort, and not a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive_thinking: Option<bool>,
    /// Anthropic: `thinking.type` `disabled` is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_thinking_off: Option<bool>,
    /// Anthropic: a request in which the model must call a tool, some or a named one, is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_forced_tool: Option<bool>,
    /// Gemini: earlier calls must carry their seals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seals_required: Option<bool>,
    /// Gemini: a count of tokens is asked for with the prompt's own fields, and not with the whole
    /// request as a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flat_count: Option<bool>,
    /// A request that asks for reasoning is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_reasoning: Option<bool>,
    /// A request with a temperature or another sampling parameter is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_sampling: Option<bool>,
    /// The most tokens that an answer may be asked to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_limit: Option<u64>,
    /// Anthropic: `max_tokens` where the client gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_default: Option<u64>,
}

impl Quirks {
    /// Nothing special.
    pub const NONE: Self = Self {
        old_max_tokens: None,
        text_only_content: None,
        reasoning_content: None,
        structured_output: None,
        adaptive_thinking: None,
        no_thinking_off: None,
        no_forced_tool: None,
        seals_required: None,
        flat_count: None,
        no_reasoning: None,
        no_sampling: None,
        max_tokens_limit: None,
        max_tokens_default: None,
    };

    /// These, and `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            old_max_tokens: self.old_max_tokens.or(other.old_max_tokens),
            text_only_content: self.text_only_content.or(other.text_only_content),
            reasoning_content: self.reasoning_content.or(other.reasoning_content),
            structured_output: self.structured_output.or(other.structured_output),
            adaptive_thinking: self.adaptive_thinking.or(other.adaptive_thinking),
            no_thinking_off: self.no_thinking_off.or(other.no_thinking_off),
            no_forced_tool: self.no_forced_tool.or(other.no_forced_tool),
            seals_required: self.seals_required.or(other.seals_required),
            flat_count: self.flat_count.or(other.flat_count),
            no_reasoning: self.no_reasoning.or(other.no_reasoning),
            no_sampling: self.no_sampling.or(other.no_sampling),
            max_tokens_limit: self.max_tokens_limit.or(other.max_tokens_limit),
            max_tokens_default: self.max_tokens_default.or(other.max_tokens_default),
        }
    }
}

/// What is special about `model` at `provider`: what the provider's row says (the user's own entry
/// included), then what the model's family is known for.
#[must_use]
pub fn quirks_of(provider: &Provider, model: &str) -> Quirks {
    let name = plain_name(model);
    let known = FAMILIES.iter().filter(|it| it.names.iter().any(|own| name.starts_with(own)));
    let of_model = known.fold(EVERY_MODEL, |known, it| it.quirks.or(known));
    provider.quirks.or(of_model)
}

/// Models whose names begin alike.
struct Family {
    /// How their names begin, as [`plain_name`] writes them.
    names: &'static [&'static str],
    quirks: Quirks,
}

/// Servers that copy OpenAI's chat format know `max_tokens` for certain, the newer name only
/// perhaps; who refuses the old one is listed.
const EVERY_MODEL: Quirks = Quirks { old_max_tokens: Some(true), ..Quirks::NONE };

/// `max_tokens` for a Claude that is given none: enough for long answers, with room below each
/// model's limit for what it may think.
const CLAUDE_DEFAULT: Option<u64> = Some(32_000);

const NO_REASONING: Quirks = Quirks { no_reasoning: Some(true), ..Quirks::NONE };
const THOUGHT_COMES_BACK: Quirks = Quirks { reasoning_content: Some(true), ..Quirks::NONE };

const fn up_to(limit: u64) -> Quirks {
    Quirks { max_tokens_limit: Some(limit), ..Quirks::NONE }
}

const fn family(names: &'static [&'static str], quirks: Quirks) -> Family {
    Family { names, quirks }
}

/// What a later line says of a name counts before what an earlier one does, so that a name not
/// listed yet is taken for the newest of its family.
const FAMILIES: [Family; 29] = [
    // Anthropic
    family(
        &["claude"],
        Quirks {
            structured_output: Some(true),
            adaptive_thinking: Some(true),
            no_sampling: Some(true),
            max_tokens_limit: Some(128_000),
            max_tokens_default: CLAUDE_DEFAULT,
            ..Quirks::NONE
        },
    ),
    family(
        &["claude-2", "claude-instant", "claude-3"],
        Quirks {
            structured_output: Some(false),
            adaptive_thinking: Some(false),
            no_reasoning: Some(true),
            no_sampling: Some(false),
            max_tokens_limit: Some(4_096),
            max_tokens_default: Some(4_096),
            ..Quirks::NONE
        },
    ),
    family(
        &["claude-3-5"],
        Quirks { max_tokens_limit: Some(8_192), max_tokens_default: Some(8_192), ..Quirks::NONE },
    ),
    family(
        &["claude-3-7"],
        Quirks {
            no_reasoning: Some(false),
            max_tokens_limit: Some(64_000),
            max_tokens_default: CLAUDE_DEFAULT,
            ..Quirks::NONE
        },
    ),
    family(
        &["claude-opus-4", "claude-sonnet-4", "claude-haiku-4"],
        Quirks {
            structured_output: Some(false),
            adaptive_thinking: Some(false),
            no_sampling: Some(false),
            max_tokens_limit: Some(64_000),
            ..Quirks::NONE
        },
    ),
    family(
        &["claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-2025", "claude-opus-4@"],
        Quirks { max_tokens_limit: Some(32_000), max_tokens_default: Some(8_192), ..Quirks::NONE },
    ),
    family(
        &["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"],
        Quirks { structured_output: Some(true), ..Quirks::NONE },
    ),
    family(
        &["claude-opus-4-6", "claude-sonnet-4-6", "claude-opus-4-7", "claude-opus-4-8"],
        Quirks {
            structured_output: Some(true),
            adaptive_thinking: Some(true),
            max_tokens_limit: Some(128_000),
            ..Quirks::NONE
        },
    ),
    family(
        &["claude-opus-4-7", "claude-opus-4-8"],
        Quirks { no_sampling: Some(true), ..Quirks::NONE },
    ),
    family(
        &[
            "claude-opus-4-7",
            "claude-opus-4-8",
            "claude-opus-5-5",
            "claude-sonnet-5-5",
            "claude-fable",
            "claude-mythos",
        ],
        Quirks { no_thinking_off: Some(true), ..Quirks::NONE },
    ),
    // Only those of which Anthropic says so ("What's new" of Opus 5.5, Sonnet 5.5 and Fable 5.1).
    family(
        &["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1"],
        Quirks { no_forced_tool: Some(true), ..Quirks::NONE },
    ),
    // OpenAI
    family(&["gpt-3", "gpt-4", "chatgpt-4o", "gpt-audio"], NO_REASONING),
    family(&["gpt-3-5", "gpt-4-turbo", "gpt-4-0125"], up_to(4_096)),
    family(&["gpt-4o", "chatgpt-4o", "gpt-audio"], up_to(16_384)),
    family(&["gpt-4-1"], up_to(32_768)),
    // Dated versions of GPT-4 begin as GPT-4.1 does.
    family(&["gpt-4-1106"], up_to(4_096)),
    family(
        &["o1", "o3", "o4", "gpt-5", "gpt-6"],
        Quirks {
            old_max_tokens: Some(false),
            no_sampling: Some(true),
            max_tokens_limit: Some(128_000),
            ..Quirks::NONE
        },
    ),
    family(&["o1", "o3", "o4"], up_to(100_000)),
    family(&["gpt-5-pro"], up_to(272_000)),
    family(
        &["gpt-5-chat", "gpt-5-1-chat", "gpt-5-2-chat", "gpt-5-3-chat"],
        Quirks {
            no_reasoning: Some(true),
            no_sampling: Some(false),
            max_tokens_limit: Some(16_384),
            ..Quirks::NONE
        },
    ),
    // Google
    family(
        &["gemini"],
        Quirks { structured_output: Some(true), seals_required: Some(true), ..Quirks::NONE },
    ),
    family(&["gemini-2-5", "gemini-3"], up_to(65_536)),
    family(
        &["gemini-1", "gemini-2"],
        Quirks { structured_output: Some(false), seals_required: Some(false), ..Quirks::NONE },
    ),
    family(
        &["gemini-1", "gemini-2-0"],
        Quirks { no_reasoning: Some(true), max_tokens_limit: Some(8_192), ..Quirks::NONE },
    ),
    family(
        &["gemini-3-5-flash-lite", "gemini-3-6", "gemini-3-7", "gemini-3-8"],
        Quirks { no_sampling: Some(true), ..Quirks::NONE },
    ),
    family(
        &["gemma-2", "gemma-3", "gemma2", "gemma3"],
        Quirks { no_reasoning: Some(true), max_tokens_limit: Some(8_192), ..Quirks::NONE },
    ),
    // Others
    family(
        &[
            "llama",
            "meta-llama",
            "mixtral",
            "ministral",
            "codestral",
            "open-mistral",
            "pixtral",
            "moonshot-v1",
            "qwen2",
            "qwen-2",
            "phi-3",
            "phi3",
            "command-r",
            "nova-lite-v1",
            "nova-pro-v1",
            "nova-micro-v1",
        ],
        NO_REASONING,
    ),
    family(
        &["deepseek-v3-2", "deepseek-v4", "kimi-k", "glm-4-7", "glm-5", "mimo"],
        THOUGHT_COMES_BACK,
    ),
    family(&["deepseek-r1"], Quirks { reasoning_content: Some(false), ..Quirks::NONE }),
];

/// A model's name as the table writes it: in lower case, without who made it or where it is served
/// (`openai/gpt-5`, `us.anthropic.claude-opus-4-6-v1`, `models/gemini-2.5-pro`,
/// `ft:gpt-4o-mini:lab`), and with `-` for the point of a version (`gpt-4-1`).
fn plain_name(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let mut name = name.strip_prefix("ft:").unwrap_or(&name);
    while let Some((before, rest)) = name.split_once('.') {
        // A maker or a region has no digit, a version has.
        if before.bytes().any(|it| it.is_ascii_digit()) {
            break;
        }
        name = rest;
    }
    name.replace('.', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Catalogue;

    fn quirks(provider: &str, model: &str) -> Quirks {
        quirks_of(Catalogue::embedded().unwrap().get(provider).unwrap(), model)
    }

    #[test]
    fn a_model_is_known_by_whatever_name_its_server_gives_it() {
        let check = |name: &str, plain: &str| assert_eq!(plain_name(name), plain);
        check("gpt-4.1-mini", "gpt-4-1-mini");
        check("openai/GPT-5", "gpt-5");
        check("us.anthropic.claude-opus-4-6-v1:0", "claude-opus-4-6-v1:0");
        check("us-gov.anthropic.claude-sonnet-4-5", "claude-sonnet-4-5");
        check("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5");
        check("models/gemini-2.5-pro", "gemini-2-5-pro");
        check("accounts/fireworks/models/kimi-k2-instruct", "kimi-k2-instruct");
        check("ft:gpt-4o-mini-2024-07-18:lab::x", "gpt-4o-mini-2024-07-18:lab::x");
        check("llama3.2:3b", "llama3-2:3b");
        check("", "");
    }

    #[test]
    fn claude_models_are_told_apart_by_their_version() {
        let check = |model: &str, adaptive: bool, shape: bool, samples: bool, limit: u64| {
            let it = quirks("anthropic", model);
            assert_eq!(it.adaptive_thinking, Some(adaptive), "{model}");
            assert_eq!(it.structured_output, Some(shape), "{model}");
            assert_eq!(it.no_sampling, Some(!samples), "{model}");
            assert_eq!(it.max_tokens_limit, Some(limit), "{model}");
            assert!(it.max_tokens_default <= it.max_tokens_limit, "{model}");
        };
        check("claude-3-haiku-20240307", false, false, true, 4_096);
        check("claude-3-5-sonnet-20241022", false, false, true, 8_192);
        check("claude-3-7-sonnet-20250219", false, false, true, 64_000);
        check("claude-opus-4-20250514", false, false, true, 32_000);
        check("claude-opus-4-1", false, false, true, 32_000);
        check("claude-sonnet-4@20250514", false, false, true, 64_000);
        check("claude-sonnet-4-5-20250929", false, true, true, 64_000);
        check("claude-opus-4-5", false, true, true, 64_000);
        check("claude-haiku-4-5-20251001", false, true, true, 64_000);
        check("claude-sonnet-4-6", true, true, true, 128_000);
        check("anthropic/claude-opus-4.6", true, true, true, 128_000);
        check("claude-opus-4-7", true, true, false, 128_000);
        check("claude-fable-5", true, true, false, 128_000);
        check("claude-of-a-year-to-come", true, true, false, 128_000);
        let reasons = |model: &str| quirks("anthropic", model).no_reasoning != Some(true);
        assert!(!reasons("claude-3-5-haiku-latest") && !reasons("claude-2.1"));
        assert!(reasons("claude-3-7-sonnet-latest") && reasons("claude-opus-4-1"));
    }

    #[test]
    fn the_newest_claude_models_cannot_be_told_not_to_think() {
        let can = |model: &str| quirks("anthropic", model).no_thinking_off != Some(true);
        assert!(can("claude-opus-4-6") && can("claude-opus-5") && can("claude-haiku-5-5"));
        assert!(!can("claude-fable-5") && !can("claude-opus-4-7") && !can("claude-sonnet-5-5"));
    }

    #[test]
    fn some_claude_models_cannot_be_forced_to_call_a_tool() {
        let can = |model: &str| quirks("anthropic", model).no_forced_tool != Some(true);
        assert!(can("claude-opus-5") && can("claude-fable-5") && can("claude-of-a-year-to-come"));
        assert!(!can("claude-opus-5-5") && !can("claude-fable-5-1") && !can("claude-sonnet-5-5"));
    }

    #[test]
    fn openai_models_that_reason_take_no_sampling_and_the_new_limit() {
        let check = |model: &str, reasons: bool, limit: Option<u64>| {
            let it = quirks("openai", model);
            assert_eq!(it.no_sampling == Some(true), reasons, "{model}");
            assert_eq!(it.no_reasoning == Some(true), !reasons, "{model}");
            assert_eq!(it.old_max_tokens, Some(false), "{model}");
            assert_eq!(it.max_tokens_limit, limit, "{model}");
        };
        check("gpt-5-mini", true, Some(128_000));
        check("gpt-5.4-nano-2026-03-17", true, Some(128_000));
        check("gpt-5-pro", true, Some(272_000));
        check("gpt-6.1-sol", true, Some(128_000));
        check("o4-mini", true, Some(100_000));
        check("gpt-5-chat-latest", false, Some(16_384));
        check("gpt-5.1-chat-latest", false, Some(16_384));
        check("gpt-4o-mini", false, Some(16_384));
        check("gpt-4.1", false, Some(32_768));
        check("gpt-4-1106-preview", false, Some(4_096));
        check("gpt-3.5-turbo", false, Some(4_096));
        check("gpt-4", false, None);
    }

    #[test]
    fn gemini_wants_seals_since_its_third_version() {
        let check = |model: &str, new: bool, reasons: bool| {
            let it = quirks("google", model);
            assert_eq!(it.seals_required, Some(new), "{model}");
            assert_eq!(it.structured_output, Some(new), "{model}");
            assert_eq!(it.no_reasoning != Some(true), reasons, "{model}");
        };
        check("gemini-1.5-flash", false, false);
        check("gemini-2.0-flash", false, false);
        check("gemini-2.5-pro", false, true);
        check("models/gemini-3-flash-preview", true, true);
        check("gemini-flash-latest", true, true);
        assert_eq!(quirks("google", "gemini-3.7-flash").no_sampling, Some(true));
        assert_eq!(quirks("google", "gemini-3-flash-preview").no_sampling, None);
    }

    #[test]
    fn a_providers_row_counts_before_its_models_family() {
        assert_eq!(quirks("poe", "gpt-5").old_max_tokens, Some(true));
        assert_eq!(quirks("github-copilot", "gpt-5").old_max_tokens, Some(false));
        assert_eq!(quirks("github-copilot", "gpt-4o").old_max_tokens, Some(true));
        assert_eq!(quirks("openrouter", "anything").old_max_tokens, Some(false));
        assert_eq!(quirks("deepseek", "deepseek-chat").reasoning_content, Some(true));
        assert_eq!(quirks("togetherai", "deepseek-ai/DeepSeek-R1").reasoning_content, Some(false));
        assert_eq!(quirks("togetherai", "zai-org/GLM-5").reasoning_content, Some(true));
        let mut own = Catalogue::embedded().unwrap().get("openai").unwrap().clone();
        own.quirks.no_sampling = Some(false);
        assert_eq!(quirks_of(&own, "gpt-5").no_sampling, Some(false));
    }

    #[test]
    fn the_table_writes_names_as_they_are_looked_up() {
        for name in FAMILIES.iter().flat_map(|it| it.names) {
            assert_eq!(plain_name(name), *name);
        }
    }
}
