//! The provider catalogue: who answers, where, and how it wants to be asked. Data, not code.
//!
//! [`Catalogue::embedded`] reads `data/providers.toml`; [`Catalogue::with`] lays a user's own
//! providers over it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Format, quirks::Quirks};

const EMBEDDED: &str = include_str!("data/providers.toml");

/// How a credential is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// The key alone in this header (`x-api-key`, `x-goog-api-key`, `api-key`).
    Header(String),
    /// No credential (servers on this machine).
    None,
    /// Each request is signed with AWS's Signature Version 4.
    Aws,
    /// `Authorization: Bearer TOKEN`, with a token that Google gives for a service account's key or
    /// a person's login.
    Google,
    /// The same, with a token that Microsoft Entra gives for an application's secret.
    Entra,
}

/// A wire format that a provider speaks, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The format.
    pub format: Format,
    /// What stands where an OpenAI or Anthropic SDK has `…/v1` (`https://api.openai.com/v1`); for
    /// Gemini the origin, because the client's own `/v1beta` stays; a path with a version in it takes
    /// that one's place. No slash at the end.
    pub base_url: String,
    /// How the names begin of the models that are served here, and at no other endpoint of the
    /// provider; `None`: all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<String>,
    /// How a model is asked for.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub addressing: Addressing,
}

/// How a model is asked for at an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Addressing {
    /// As the format's inventor has it.
    #[default]
    Usual,
    /// As Azure's older paths have it: `…/deployments/{model}/chat/completions`, with this
    /// `api-version` in the query.
    Deployments(String),
    /// As Vertex AI has it for Anthropic's models: `…/models/{model}:rawPredict`, with this
    /// `anthropic_version` in the body and no model.
    RawPredict(String),
}

fn is_usual(addressing: &Addressing) -> bool {
    *addressing == Addressing::Usual
}

/// Those of a provider's endpoints that serve a model: the ones that serve it alone, else the ones
/// that serve no model alone, as without a model.
pub fn serving<'a, E: AsRef<Endpoint>>(
    endpoints: &'a [E],
    model: Option<&'a str>,
) -> impl Iterator<Item = &'a E> {
    let alone = move |it: &E| {
        let begins = it.as_ref().models.as_deref().zip(model);
        begins.is_some_and(|(begin, model)| model.starts_with(begin))
    };
    let any_alone = endpoints.iter().any(alone);
    let others = move |it: &E| it.as_ref().models.is_none() && !any_alone;
    endpoints.iter().filter(move |it| alone(it) || others(it))
}

impl AsRef<Self> for Endpoint {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Endpoint {
    /// An endpoint for every model, asked as the format's inventor has it.
    #[must_use]
    pub const fn new(format: Format, base_url: String) -> Self {
        Self { format, base_url, models: None, addressing: Addressing::Usual }
    }

    /// Whether the address has a `{placeholder}` that only the user can fill in.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.base_url.contains('{')
    }
}

/// One row of the catalogue, or of the user's configuration laid over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The id in configuration, ledger and paths (`/p/<id>/…`).
    pub id: String,
    /// The name for people.
    pub name: String,
    /// How a credential is sent.
    pub auth: Auth,
    /// Headers that every request must carry and that a client may leave out
    /// (`anthropic-version`).
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Environment variables that hold the key, most usual first.
    #[serde(default)]
    pub env: Vec<String>,
    /// The formats and where each is served; the first one's origin is where `/p/<id>/…` leads.
    pub endpoints: Vec<Endpoint>,
    /// Where its models are listed, each a URL with a query for all of them at once; empty: nowhere.
    /// `None`: at `/models` below its first endpoint, as the format's inventor has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<Vec<String>>,
    /// Whether the gateway may ask a streaming OpenAI chat for its usage
    /// (`stream_options.include_usage`). Some servers refuse a request that does.
    #[serde(default = "yes")]
    pub ask_usage: bool,
    /// What is special about all of its models; see [`quirks_of`](crate::quirks::quirks_of).
    #[serde(default, skip_serializing_if = "is_plain")]
    pub quirks: Quirks,
}

const fn yes() -> bool {
    true
}

fn is_plain(quirks: &Quirks) -> bool {
    *quirks == Quirks::NONE
}

impl Provider {
    /// Whether the provider is listed but cannot be called before the configuration gives it a
    /// base URL: its address names the user's own resource, region or account.
    #[must_use]
    pub fn needs_base_url(&self) -> bool {
        self.endpoints.iter().any(Endpoint::is_template)
    }

    /// Where the provider serves `format`; `None` when it does not.
    #[must_use]
    pub fn endpoint(&self, format: Format) -> Option<&Endpoint> {
        self.endpoints.iter().find(|it| it.format == format)
    }

    fn check(&self) -> Result<(), CatalogueError> {
        let fault = |fault| CatalogueError::Invalid { id: self.id.clone(), fault };
        let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
        if self.id.is_empty() || !self.id.chars().all(plain) {
            return Err(fault("its id is not made of `a-z`, `0-9` and `-`"));
        }
        if self.endpoints.is_empty() {
            return Err(fault("it has no endpoint"));
        }
        for endpoint in &self.endpoints {
            let url = &endpoint.base_url;
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(fault("a base URL begins with neither `https://` nor `http://`"));
            }
            if url.ends_with('/') {
                return Err(fault("a base URL ends with a slash"));
            }
        }
        for url in self.lists.iter().flatten() {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(fault("a list's URL begins with neither `https://` nor `http://`"));
            }
        }
        Ok(())
    }
}

/// The providers, in the order in which people see them, found by id in constant time.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    providers: Vec<Provider>,
    places: HashMap<String, usize>,
}

/// Why a catalogue could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The text is not TOML of the catalogue's shape.
    #[error("cannot parse the provider catalogue")]
    Parse(#[from] toml::de::Error),
    /// A row breaks a rule.
    #[error("provider `{id}` is not valid: {fault}")]
    Invalid {
        /// The row's id.
        id: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Two rows have one id.
    #[error("provider `{0}` is listed twice")]
    Twice(String),
}

#[derive(Deserialize)]
struct File {
    provider: Vec<Provider>,
}

impl Catalogue {
    /// The catalogue that the program carries.
    ///
    /// # Errors
    /// Never in a build whose tests pass; the text is checked all the same.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::load(EMBEDDED)
    }

    /// Reads a catalogue from TOML: a list of `[[provider]]` tables with the fields of
    /// [`Provider`].
    ///
    /// # Errors
    /// When the text is malformed, a row is not valid, or an id appears twice.
    pub fn load(text: &str) -> Result<Self, CatalogueError> {
        let file: File = toml::from_str(text)?;
        let mut catalogue = Self::default();
        for provider in file.provider {
            provider.check()?;
            if catalogue.get(&provider.id).is_some() {
                return Err(CatalogueError::Twice(provider.id));
            }
            catalogue.put(provider);
        }
        Ok(catalogue)
    }

    /// The catalogue with `providers` laid over it: one with a known id takes that row's place,
    /// others follow at the end. They are taken as they are; their configuration has checked them.
    #[must_use]
    pub fn with(mut self, providers: Vec<Provider>) -> Self {
        for provider in providers {
            self.put(provider);
        }
        self
    }

    /// The provider with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Provider> {
        self.places.get(id).and_then(|place| self.providers.get(*place))
    }

    /// Every provider, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Provider> {
        self.providers.iter()
    }

    fn put(&mut self, provider: Provider) {
        let known = self.places.get(&provider.id).copied();
        match known.and_then(|place| self.providers.get_mut(place)) {
            Some(row) => *row = provider,
            None => {
                self.places.insert(provider.id.clone(), self.providers.len());
                self.providers.push(provider);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Result<Catalogue, CatalogueError> {
        Catalogue::load(text)
    }

    #[test]
    fn every_embedded_provider_can_be_asked_or_says_that_it_needs_an_address() {
        let catalogue = Catalogue::embedded().unwrap();
        assert!(catalogue.iter().len() >= 60, "only {}", catalogue.iter().len());
        let mut templates = Vec::new();
        for provider in catalogue.iter() {
            let local = provider.auth == Auth::None;
            for endpoint in &provider.endpoints {
                let scheme = if local { "http://" } else { "https://" };
                assert!(endpoint.base_url.starts_with(scheme), "{provider:?}");
                assert!(!endpoint.base_url.contains([' ', '?', '#']), "{provider:?}");
                let twins = provider.endpoints.iter().filter(|it| it.format == endpoint.format);
                assert_eq!(twins.count(), 1, "{provider:?}");
            }
            let addresses: String = provider.endpoints.iter().map(|it| &*it.base_url).collect();
            for list in provider.lists.iter().flatten() {
                // What a user fills in for the calls is all that is asked for.
                let open = list.split('{').skip(1).filter_map(|it| it.split_once('}'));
                for (name, _) in open {
                    assert!(addresses.contains(&format!("{{{name}}}")), "{provider:?}");
                }
                assert!(list.starts_with("https://") && !list.contains([' ', '#']), "{list}");
            }
            assert!(local || !provider.env.is_empty(), "{provider:?}");
            assert!(!provider.name.is_empty(), "{provider:?}");
            if provider.needs_base_url() {
                templates.push(provider.id.as_str());
            }
        }
        assert_eq!(
            templates,
            [
                "google-vertex-global",
                "google-vertex",
                "azure",
                "amazon-bedrock",
                "cloudflare-workers-ai",
                "databricks"
            ]
        );
    }

    #[test]
    fn the_three_native_providers_are_exactly_these() {
        let catalogue = Catalogue::embedded().unwrap();
        let urls = |id: &str| -> Vec<(Format, String)> {
            let provider = catalogue.get(id).unwrap();
            provider.endpoints.iter().map(|it| (it.format, it.base_url.clone())).collect()
        };
        let openai = "https://api.openai.com/v1".to_owned();
        assert_eq!(
            urls("openai"),
            [
                (Format::OpenaiChat, openai.clone()),
                (Format::OpenaiResponses, openai.clone()),
                (Format::OpenaiEmbeddings, openai),
            ]
        );
        assert_eq!(catalogue.get("openai").unwrap().auth, Auth::Bearer);
        assert_eq!(catalogue.get("openai").unwrap().env, ["OPENAI_API_KEY"]);

        let anthropic = catalogue.get("anthropic").unwrap();
        assert_eq!(
            urls("anthropic"),
            [(Format::AnthropicMessages, "https://api.anthropic.com/v1".to_owned())]
        );
        assert_eq!(anthropic.auth, Auth::Header("x-api-key".to_owned()));
        assert_eq!(anthropic.headers, [("anthropic-version".to_owned(), "2023-06-01".to_owned())]);
        assert_eq!(anthropic.env, ["ANTHROPIC_API_KEY"]);

        let google = catalogue.get("google").unwrap();
        let origin = "https://generativelanguage.googleapis.com";
        assert_eq!(google.endpoint(Format::Gemini).unwrap().base_url, origin);
        assert_eq!(google.endpoints[0].format, Format::Gemini);
        assert_eq!(google.auth, Auth::Header("x-goog-api-key".to_owned()));
        assert_eq!(google.env, ["GEMINI_API_KEY", "GOOGLE_API_KEY"]);
    }

    #[test]
    fn providers_that_refuse_to_be_asked_for_usage_are_not_asked() {
        let catalogue = Catalogue::embedded().unwrap();
        let unasked = catalogue.iter().filter(|it| !it.ask_usage).map(|it| it.id.as_str());
        assert_eq!(unasked.collect::<Vec<_>>(), ["mistral", "nvidia", "databricks"]);
    }

    #[test]
    fn a_users_provider_takes_the_place_of_the_row_with_its_id() {
        let catalogue = Catalogue::embedded().unwrap();
        let count = catalogue.iter().len();
        let mut openai = catalogue.get("openai").unwrap().clone();
        openai.name = "Mine".to_owned();
        let mut lab = openai.clone();
        lab.id = "lab".to_owned();
        let catalogue = catalogue.with(vec![lab, openai]);
        assert_eq!(catalogue.iter().len(), count + 1);
        assert_eq!(catalogue.iter().next().unwrap().name, "Mine");
        assert_eq!(catalogue.get("lab").unwrap().id, "lab");
        assert!(catalogue.get("nobody").is_none());
    }

    #[test]
    fn a_row_that_breaks_a_rule_is_refused_by_name() {
        let check = |row_text: &str, says: &str| {
            let error = row(row_text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        let with_url = |url: &str| {
            format!(
                "[[provider]]\nid = \"a\"\nname = \"A\"\nauth = \"none\"\nendpoints = \
                 [{{ format = \"openai-chat\", base_url = \"{url}\" }}]\n"
            )
        };
        check(&with_url("http://127.0.0.1:1/v1/"), "ends with a slash");
        check(&with_url("ftp://127.0.0.1"), "neither");
        let good = with_url("http://127.0.0.1:1/v1");
        check(&format!("{good}{good}"), "`a` is listed twice");
        check(&good.replace("\"a\"", "\"a/b\""), "`a/b` is not valid");
        check(
            "[[provider]]\nid = \"a\"\nname = \"A\"\nauth = \"none\"\nendpoints = []",
            "no endpoint",
        );
    }
}
