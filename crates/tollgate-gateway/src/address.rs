//! Where and how a model is asked for at endpoints that depart from their format's inventor.

use bytes::Bytes;
use tollgate_core::{Format, Operation, provider::Addressing};
use tollgate_wire::{Edit, edit, translate::model_in_path};

/// The path of a call for a model below an Anthropic base URL.
const MESSAGES: &str = "/messages";

/// Its name for counting tokens, which Vertex AI asks a model of its own for.
const COUNT_TOKENS: (&str, &str) = ("/messages/count_tokens", "/models/count-tokens:rawPredict");

/// Which model a call is for.
#[derive(Clone, Copy, Debug)]
pub struct ModelAsked<'a> {
    /// By the provider's name.
    pub model: &'a str,
    /// Whether its answer streams.
    pub streams: bool,
}

/// How a version stands in a path of Gemini's.
const GEMINI_VERSIONS: [&str; 3] = ["v1", "v1beta", "v1beta1"];

/// What follows the path `base` of a base URL in place of `path`, which is as the format's inventor has
/// it: a Gemini client writes the version itself, and a base URL with one of its own takes its place.
#[must_use]
pub fn below<'a>(format: Format, base: &str, path: &'a str) -> &'a str {
    let versioned = || base.split('/').any(|it| GEMINI_VERSIONS.contains(&it));
    if format != Format::Gemini || !versioned() {
        return path;
    }
    let version = path.strip_prefix('/').and_then(|it| it.split_once('/'));
    let own = version.filter(|(version, _)| GEMINI_VERSIONS.contains(version));
    own.map_or(path, |(version, _)| path.get(version.len() + 1..).unwrap_or(path))
}

/// The path to ask for. `rest` is what follows the base URL's path `base` where the format's inventor
/// answers; `asked` is `None` for a call that is for no model.
#[must_use]
pub fn path(
    addressing: &Addressing,
    base: &str,
    rest: &str,
    asked: Option<ModelAsked<'_>>,
) -> String {
    match (addressing, asked) {
        (Addressing::Deployments(_), Some(asked)) => {
            format!("{base}/deployments/{}{rest}", model_in_path(asked.model))
        }
        (Addressing::RawPredict(_), Some(asked)) if rest == MESSAGES => {
            let verb = if asked.streams { "streamRawPredict" } else { "rawPredict" };
            format!("{base}/models/{}:{verb}", model_in_path(asked.model))
        }
        (Addressing::RawPredict(_), _) if rest == COUNT_TOKENS.0 => {
            format!("{base}{}", COUNT_TOKENS.1)
        }
        (Addressing::Usual | Addressing::Deployments(_) | Addressing::RawPredict(_), _) => {
            format!("{base}{rest}")
        }
    }
}

/// The query to send in place of `query`.
#[must_use]
pub fn query(addressing: &Addressing, query: Option<&str>) -> Option<String> {
    let own = query.filter(|it| !it.is_empty());
    match addressing {
        Addressing::Usual => own.map(str::to_owned),
        Addressing::Deployments(version) => {
            let others = own.into_iter().flat_map(|it| it.split('&'));
            let others = others.filter(|it| !it.starts_with("api-version="));
            let version = format!("api-version={version}");
            Some(others.chain([version.as_str()]).collect::<Vec<_>>().join("&"))
        }
        // Anthropic's own (`beta=true`) is not known there.
        Addressing::RawPredict(_) => None,
    }
}

/// The body to send, the call being at `rest` below the base URL; every other byte stays.
#[must_use]
pub fn body(addressing: &Addressing, rest: &str, operation: Operation, body: Bytes) -> Bytes {
    let Addressing::RawPredict(version) = addressing else { return body };
    let field = |name: &str| name.parse().ok();
    let version = field("anthropic_version").map(|it| Edit::Default(it, version.as_str().into()));
    // The path names it; a body that does too is refused.
    let model = field("model").filter(|_| rest == MESSAGES).map(Edit::Remove);
    let edits: Vec<Edit> = version.into_iter().chain(model).collect();
    let edited = edit(&body, Format::AnthropicMessages, operation, &edits);
    edited.ok().and_then(|it| it.body).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_stands_in_the_path_and_its_version_in_the_query() {
        let azure = Addressing::Deployments("2024-10-21".to_owned());
        let check = |rest: &str, model: Option<&str>, expected: &str| {
            let asked = model.map(|model| ModelAsked { model, streams: true });
            assert_eq!(path(&azure, "/openai", rest, asked), expected);
        };
        check("/chat/completions", Some("gpt-4.1"), "/openai/deployments/gpt-4.1/chat/completions");
        check("/embeddings", Some("a/b"), "/openai/deployments/a%2Fb/embeddings");
        check("/models", None, "/openai/models");
        let of = |it| query(&azure, it);
        assert_eq!(of(None).as_deref(), Some("api-version=2024-10-21"));
        assert_eq!(
            of(Some("a=1&api-version=x&b")).as_deref(),
            Some("a=1&b&api-version=2024-10-21")
        );
    }

    #[test]
    fn claude_on_vertex_is_named_in_the_path_and_not_in_the_body() {
        let vertex = Addressing::RawPredict("vertex-2023-10-16".to_owned());
        let check = |rest: &str, streams: bool, expected: &str| {
            let asked = ModelAsked { model: "claude-opus-4@20250514", streams };
            assert_eq!(path(&vertex, "/a", rest, Some(asked)), expected);
        };
        check(MESSAGES, false, "/a/models/claude-opus-4@20250514:rawPredict");
        check(MESSAGES, true, "/a/models/claude-opus-4@20250514:streamRawPredict");
        check(COUNT_TOKENS.0, false, "/a/models/count-tokens:rawPredict");
        assert_eq!(query(&vertex, Some("beta=true")), None);
        let sent = |rest: &str, text: &'static str| {
            let sent =
                body(&vertex, rest, Operation::Generate, Bytes::from_static(text.as_bytes()));
            String::from_utf8(sent.to_vec()).unwrap()
        };
        let own = r#"{"model":"x", "max_tokens": 9,"anthropic_version":"mine"}"#;
        assert_eq!(sent(MESSAGES, own), r#"{ "max_tokens": 9,"anthropic_version":"mine"}"#);
        let counted = sent(COUNT_TOKENS.0, r#"{"model":"x"}"#);
        assert!(counted.contains(r#""model":"x""#), "{counted}");
        assert!(counted.contains(r#""anthropic_version":"vertex-2023-10-16""#), "{counted}");
    }
}
