//! What the translator must know of a provider and a model.

use tollgate_core::{
    provider::Provider,
    quirks::{Quirks, quirks_of},
};
use tollgate_wire::translate::Capabilities;

/// What is special about `model` at `provider`, as
/// [`RequestConfig::provider`](tollgate_wire::translate::RequestConfig::provider) wants it. Pure and
/// cheap; `model` is the provider's name for it.
#[must_use]
pub fn capabilities(provider: &Provider, model: &str) -> Capabilities {
    let Quirks {
        old_max_tokens,
        text_only_content,
        reasoning_content,
        structured_output,
        adaptive_thinking,
        no_thinking_off,
        no_forced_tool,
        seals_required,
        flat_count,
        no_reasoning,
        no_sampling,
        max_tokens_limit,
        max_tokens_default,
    } = quirks_of(provider, model);
    Capabilities {
        no_stream_usage: !provider.ask_usage,
        old_max_tokens: old_max_tokens == Some(true),
        text_only_content: text_only_content == Some(true),
        reasoning_content: reasoning_content == Some(true),
        structured_output: structured_output == Some(true),
        adaptive_thinking: adaptive_thinking == Some(true),
        no_thinking_off: no_thinking_off == Some(true),
        no_forced_tool: no_forced_tool == Some(true),
        seals_required: seals_required == Some(true),
        flat_count: flat_count == Some(true),
        no_reasoning: no_reasoning == Some(true),
        no_sampling: no_sampling == Some(true),
        max_tokens_limit,
        max_tokens_default,
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::{Format, provider::Catalogue};
    use tollgate_wire::translate::{RequestConfig, translate_request};

    use super::*;

    fn sent(id: &str, model: &str, to: Format, body: &[u8]) -> String {
        let catalogue = Catalogue::embedded().unwrap();
        let config = RequestConfig {
            from: Format::AnthropicMessages,
            to,
            model,
            query: None,
            streaming_in_path: None,
            provider: capabilities(catalogue.get(id).unwrap(), model),
        };
        let request = translate_request(&config, body).unwrap();
        String::from_utf8(request.body).unwrap()
    }

    #[test]
    fn a_request_is_written_as_the_provider_and_the_model_take_it() {
        let body = br#"{"model":"claude","max_tokens":64000,"temperature":0.5,
            "messages":[{"role":"user","content":"Hi"}]}"#;
        let chat = |id, model| sent(id, model, Format::OpenaiChat, body);
        let new = chat("openai", "gpt-5-mini");
        assert!(new.contains(r#""max_completion_tokens":64000"#), "{new}");
        assert!(!new.contains("temperature"), "{new}");
        let old = chat("openai", "gpt-4o");
        assert!(old.contains(r#""max_completion_tokens":16384"#), "{old}");
        assert!(old.contains(r#""temperature":0.5"#), "{old}");
        let other = chat("mistral", "mistral-large-latest");
        assert!(other.contains(r#""max_tokens":64000"#), "{other}");
    }
    #[test]
    fn a_model_that_cannot_be_made_to_call_a_tool_is_not_asked_to() {
        let catalogue = Catalogue::embedded().unwrap();
        let body = br#"{"messages":[{"role":"user","content":"Hi"}],"tool_choice":"required",
            "tools":[{"type":"function","function":{"name":"f"}}]}"#;
        let ask = |model| {
            let config = RequestConfig {
                from: Format::OpenaiChat,
                to: Format::AnthropicMessages,
                model,
                query: None,
                streaming_in_path: None,
                provider: capabilities(catalogue.get("anthropic").unwrap(), model),
            };
            translate_request(&config, body)
        };
        assert_eq!(ask("claude-opus-5-5").unwrap_err().field, "tool_choice");
        assert!(ask("claude-opus-5").is_ok());
    }
}
