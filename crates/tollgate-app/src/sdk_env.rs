//! The environment variables that point SDKs and agents at the gateway.

use std::net::SocketAddr;

use http::{Uri, uri::Authority};
use tollgate_core::provider::{Catalogue, Provider};

/// Hosts that no proxy may stand before: the gateway's own. The official SDKs obey `HTTP_PROXY`.
const UNPROXIED: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// The variables of the SDKs, each with the provider that the SDK calls without it and the path
/// that stands behind the gateway's address.
const BASE_URLS: [(&str, &str, &str); 4] = [
    ("OPENAI_BASE_URL", "openai", "/v1"),
    // The name before openai-python 1.0, which LangChain and many tools still read.
    ("OPENAI_API_BASE", "openai", "/v1"),
    ("ANTHROPIC_BASE_URL", "anthropic", ""),
    ("GOOGLE_GEMINI_BASE_URL", "google", ""),
];

/// One variable to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// What to set, and what a person should know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SdkEnv {
    /// What to set.
    pub variables: Vec<Variable>,
    /// What is not as one would expect, a sentence each.
    pub notes: Vec<String>,
}

/// What `tollgate env` prints and `tollgate run` sets: the variables that the official SDKs of
/// OpenAI (Python, Node, Go), Anthropic and Google, Claude Code, Codex and LiteLLM read, and those
/// that keep a proxy out of the way to the gateway at `listen`.
///
/// A variable that is set in `env` already is respected: one that names a provider of `catalogue`
/// leads to that provider through the gateway, and one that names another host stays as it is, with
/// a note.
#[must_use]
pub fn sdk_env(
    listen: SocketAddr,
    catalogue: &Catalogue,
    env: &dyn Fn(&str) -> Option<String>,
) -> SdkEnv {
    let mut made = SdkEnv::default();
    for (name, usual, path) in BASE_URLS {
        let set = env(name).filter(|it| !it.is_empty());
        let value = match set.map(|it| through(listen, catalogue, usual, &it)) {
            None | Some(Way::Usual) => format!("http://{listen}{path}"),
            Some(Way::Provider(url)) => url,
            Some(Way::There) => continue,
            Some(Way::Around(host)) => {
                made.notes.push(format!(
                    "{name} stays as it is: `{host}` is no provider that Tollgate knows, so these \
                     calls go around it; a `[[providers]]` entry with that base URL changes this"
                ));
                continue;
            }
        };
        made.variables.push(Variable { name, value });
    }
    let unproxied = unproxied(env);
    made.variables
        .extend(["NO_PROXY", "no_proxy"].map(|name| Variable { name, value: unproxied.clone() }));
    made
}

/// Where a base URL that is set already leads.
enum Way {
    /// To the provider that the SDK calls without it.
    Usual,
    /// To another provider, which this is the way to through the gateway.
    Provider(String),
    /// To the gateway.
    There,
    /// To this host, around the gateway.
    Around(String),
}

fn through(listen: SocketAddr, catalogue: &Catalogue, usual: &str, set: &str) -> Way {
    let Ok(url) = set.parse::<Uri>() else { return Way::Around(set.to_owned()) };
    let Some(host) = authority(&url) else { return Way::Around(set.to_owned()) };
    if host.as_str() == listen.to_string() {
        return Way::There;
    }
    let serves = |it: &&Provider| origin(it).is_some_and(|it| it == host);
    let path = url.path().trim_end_matches('/');
    match catalogue.iter().filter(serves).max_by_key(|it| nearness(it, path)) {
        Some(it) if it.id == usual => Way::Usual,
        Some(it) => Way::Provider(format!("http://{listen}/p/{}{path}", it.id)),
        None => Way::Around(host.host().to_owned()),
    }
}

/// Where `/p/<id>/…` leads: to the origin of the first endpoint.
fn origin(provider: &Provider) -> Option<Authority> {
    let url: Uri = provider.endpoints.first()?.base_url.parse().ok()?;
    authority(&url)
}

/// Host and port, without the name and password that may stand before them.
fn authority(url: &Uri) -> Option<Authority> {
    let authority = url.authority()?;
    let bare = authority.as_str().rsplit('@').next()?;
    bare.to_ascii_lowercase().parse().ok()
}

/// How much of the path is the provider's own: several providers may share a host.
fn nearness(provider: &Provider, path: &str) -> usize {
    let paths = provider.endpoints.iter().filter_map(|it| it.base_url.parse::<Uri>().ok());
    let own = paths.map(|it| it.path().trim_end_matches('/').to_owned());
    own.filter(|it| path.starts_with(it.as_str())).map(|it| it.len() + 1).max().unwrap_or(0)
}

/// What is excepted from the proxy already, and the gateway.
fn unproxied(env: &dyn Fn(&str) -> Option<String>) -> String {
    let set = env("no_proxy").or_else(|| env("NO_PROXY")).unwrap_or_default();
    let mut hosts: Vec<&str> = set.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    for host in UNPROXIED {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(env: &[(&str, &str)]) -> SdkEnv {
        let env = |name: &str| {
            env.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        };
        sdk_env(([127, 0, 0, 1], 4141).into(), &Catalogue::embedded().unwrap(), &env)
    }

    fn value(env: &[(&str, &str)], name: &str) -> Option<String> {
        made(env).variables.into_iter().find(|it| it.name == name).map(|it| it.value)
    }

    #[test]
    fn a_base_url_that_is_set_leads_to_its_provider_through_the_gateway() {
        let check = |name: &str, set: &str, expected: Option<&str>| {
            assert_eq!(value(&[(name, set)], name).as_deref(), expected, "{set}");
        };
        let usual = Some("http://127.0.0.1:4141/v1");
        check("OPENAI_BASE_URL", "", usual);
        check("OPENAI_BASE_URL", "https://api.openai.com/v1/", usual);
        check("ANTHROPIC_BASE_URL", "https://API.anthropic.com", Some("http://127.0.0.1:4141"));
        let groq = Some("http://127.0.0.1:4141/p/groq/openai/v1");
        check("OPENAI_BASE_URL", "https://api.groq.com/openai/v1", groq);
        check("OPENAI_BASE_URL", "https://name:word@api.groq.com/openai/v1/", groq);
        let deepseek = Some("http://127.0.0.1:4141/p/deepseek/anthropic");
        check("ANTHROPIC_BASE_URL", "https://api.deepseek.com/anthropic", deepseek);
        check("OPENAI_BASE_URL", "http://127.0.0.1:4141/p/groq/openai/v1", None);
    }

    #[test]
    fn a_base_url_of_another_host_stays_and_is_told() {
        let env = [("OPENAI_BASE_URL", "https://name:word@llm.example.com/v1")];
        assert_eq!(value(&env, "OPENAI_BASE_URL"), None);
        let notes = made(&env).notes.join("\n");
        assert!(notes.contains("OPENAI_BASE_URL") && notes.contains("llm.example.com"), "{notes}");
        assert!(!notes.contains("word"), "{notes}");
        assert_eq!(made(&[]).notes, Vec::<String>::new());
    }

    #[test]
    fn no_proxy_stands_before_the_gateway() {
        let check = |env: &[(&str, &str)], expected: &str| {
            for name in ["NO_PROXY", "no_proxy"] {
                assert_eq!(value(env, name).as_deref(), Some(expected), "{env:?}");
            }
        };
        check(&[], "127.0.0.1,localhost,::1");
        check(&[("NO_PROXY", ".corp, localhost")], ".corp,localhost,127.0.0.1,::1");
        check(&[("no_proxy", "a"), ("NO_PROXY", "b")], "a,127.0.0.1,localhost,::1");
    }
}
