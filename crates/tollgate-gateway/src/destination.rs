//! A provider, ready to be called: URLs taken apart, headers made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use tollgate_core::{
    Format, Operation,
    provider::{Addressing, Auth, Endpoint, Provider, serving},
};
use tollgate_wire::{
    format_row,
    translate::{Capabilities, is_translated},
};

use crate::{
    GatewayError, ProviderSetup, Timeouts,
    address::{self, ModelAsked},
    capabilities::capabilities,
    limits::SLOT_WAIT,
    reachable::ModelsKept,
    sign::Signer,
    slots::Slots,
};

/// A provider, ready to be called.
pub(crate) struct Destination {
    pub(crate) id: Arc<str>,
    pub(crate) simulated: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) auth: Auth,
    /// The usual environment variable of its key, for the error that says that none is there.
    pub(crate) env: Option<String>,
    /// The header that carries the configured credential.
    pub(crate) credential: Option<(HeaderName, HeaderValue)>,
    /// What signs its requests, in place of a credential.
    pub(crate) signer: Option<Arc<Signer>>,
    /// Headers to add where the client left them out.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Its places for calls that are under way at once.
    pub(crate) slots: Arc<Slots>,
    /// The row that it was made of.
    provider: Provider,
    endpoints: Vec<Base>,
    /// Where its models are listed, where that is not as usual.
    lists: Option<Vec<Uri>>,
    /// What it told of its models lately.
    pub(crate) told: ModelsKept,
    /// Whether a stream may be asked for its usage; found out at the first refusal otherwise.
    asks_usage: AtomicBool,
}

/// A base URL, taken apart.
struct Base {
    endpoint: Endpoint,
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end; empty for an origin.
    path: String,
}

/// Where a call goes.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) destination: Arc<Destination>,
    scheme: Scheme,
    authority: Authority,
    path: UpstreamPath,
}

/// The path to ask for at the provider.
#[derive(Clone)]
enum UpstreamPath {
    /// The client's own.
    Same,
    /// Another; the query stays.
    Other(String),
    /// One that depends on the model.
    OfModel {
        /// How it does.
        addressing: Addressing,
        /// The base URL's.
        base: String,
        /// What would follow it otherwise.
        rest: String,
    },
}

/// The query to send.
#[derive(Clone, Copy)]
pub(crate) enum Query<'a> {
    /// The client's own.
    Same,
    /// Another, or none.
    Other(Option<&'a str>),
}

impl Destination {
    /// `earlier` is the same provider as an earlier snapshot had it: calls under way keep their
    /// places, and tokens that are still good are kept.
    pub(crate) fn new(setup: ProviderSetup, earlier: Option<&Self>) -> Result<Self, GatewayError> {
        let ProviderSetup { provider, credential, simulated, timeouts, concurrent_max, signing } =
            setup;
        let header = |name: &str, value: &str| {
            let pair = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
            pair.ok_or_else(|| GatewayError::Header {
                provider: provider.id.clone(),
                header: name.to_owned(),
            })
        };
        let credential = match (&provider.auth, &credential) {
            (Auth::Bearer, Some(key)) => {
                Some(header("authorization", &format!("Bearer {}", key.expose()))?)
            }
            (Auth::Header(name), Some(key)) => Some(header(name, key.expose())?),
            (Auth::None | Auth::Aws | Auth::Google | Auth::Entra, _) | (_, None) => None,
        };
        let credential = credential.map(|(name, mut value)| {
            value.set_sensitive(true);
            (name, value)
        });
        let headers = provider.headers.iter().map(|(name, value)| header(name, value));
        let headers = headers.collect::<Result<_, _>>()?;
        // A URL with a blank in it cannot be called until the configuration fills the blank.
        let callable = provider.endpoints.iter().filter(|it| !it.is_template());
        let bases = callable.map(|endpoint| {
            Base::parse(endpoint).ok_or_else(|| GatewayError::BaseUrl {
                provider: provider.id.clone(),
                base_url: endpoint.base_url.clone(),
            })
        });
        let endpoints = bases.collect::<Result<_, _>>()?;
        let lists = provider.lists.as_ref().map(|urls| {
            let callable = urls.iter().filter(|it| !it.contains('{'));
            let parsed = callable.map(|url| {
                let whole = url.parse::<Uri>().ok();
                whole.filter(|it| it.authority().is_some()).ok_or_else(|| GatewayError::BaseUrl {
                    provider: provider.id.clone(),
                    base_url: url.clone(),
                })
            });
            parsed.collect::<Result<Vec<_>, _>>()
        });
        let lists = lists.transpose()?;
        let slots = earlier.map(|it| &it.slots).filter(|it| it.most() == concurrent_max);
        let slots =
            slots.map_or_else(|| Arc::new(Slots::new(concurrent_max, SLOT_WAIT)), Arc::clone);
        let kept = earlier.and_then(|it| it.signer.as_ref());
        let signer = signing.map(|signing| {
            let kept = kept.filter(|it| it.signing == signing).map(Arc::clone);
            kept.unwrap_or_else(|| Arc::new(Signer::new(signing)))
        });
        Ok(Self {
            id: provider.id.as_str().into(),
            simulated,
            timeouts,
            env: provider.env.first().cloned(),
            auth: provider.auth.clone(),
            credential,
            signer,
            headers,
            slots,
            endpoints,
            lists,
            told: ModelsKept::default(),
            asks_usage: AtomicBool::new(provider.ask_usage),
            provider,
        })
    }

    /// Whether a streaming chat may be asked for its usage.
    pub(crate) fn asks_usage(&self) -> bool {
        self.asks_usage.load(Ordering::Relaxed)
    }

    /// Notes that the provider takes the client's own request, but not one that asks for usage.
    pub(crate) fn refuses_usage(&self) {
        self.asks_usage.store(false, Ordering::Relaxed);
    }

    /// What is special about it, or about one of its models, for a translation.
    pub(crate) fn capabilities(&self, model: &str) -> Capabilities {
        let no_stream_usage = !self.asks_usage();
        Capabilities { no_stream_usage, ..capabilities(&self.provider, model) }
    }

    /// Whether its requests carry a credential of ours.
    pub(crate) const fn has_credential(&self) -> bool {
        self.credential.is_some() || self.signer.is_some()
    }

    /// Whether it can be called without a credential of the client's.
    pub(crate) fn is_ready(&self) -> bool {
        self.has_credential() || self.auth == Auth::None
    }

    /// Where it is called, for each of its formats.
    pub(crate) fn bases(&self) -> impl Iterator<Item = (Format, &str)> {
        self.endpoints.iter().map(|it| (it.endpoint.format, it.endpoint.base_url.as_str()))
    }

    /// Whether its requests must be at hand as a whole, because they are signed so.
    pub(crate) fn reads_bodies(&self) -> bool {
        self.signer.as_ref().is_some_and(|it| it.reads_body())
    }

    /// Whether it is known to serve a model in a format.
    pub(crate) fn speaks(&self, format: Format, model: &str) -> bool {
        serving(&self.endpoints, Some(model)).any(|it| it.endpoint.format == format)
    }

    /// The format that a call for a model is translated to: the first of the provider's that it can
    /// be; `None` when there is none.
    pub(crate) fn translated_to(
        &self,
        from: Format,
        operation: Operation,
        model: &str,
    ) -> Option<Format> {
        let formats = serving(&self.endpoints, Some(model)).map(|it| it.endpoint.format);
        formats.into_iter().find(|it| is_translated(from, *it, operation))
    }

    /// Whether it can be asked how many tokens a prompt of this format has for a model.
    pub(crate) fn counts(&self, format: Format, model: &str) -> bool {
        let translated = || self.translated_to(format, Operation::CountTokens, model);
        self.speaks(format, model) || translated().is_some()
    }

    /// The way for a request that keeps its own path, or a `renamed` one, whose format's own prefix
    /// is replaced by the base URL's. OpenAI's paths share one base, so that an endpoint of another
    /// OpenAI format serves too.
    pub(crate) fn way(
        self: &Arc<Self>,
        format: Format,
        client_path: &str,
        renamed: Option<&str>,
        model: Option<&str>,
    ) -> Option<Way> {
        let exact = serving(&self.endpoints, model).find(|it| it.endpoint.format == format);
        let openai = |it: &&Base| is_openai(it.endpoint.format) && is_openai(format);
        let base = exact.or_else(|| serving(&self.endpoints, model).find(openai))?;
        let prefix = format_row(format).base_path;
        let path = if base.endpoint.addressing != Addressing::Usual {
            let rest = client_path.strip_prefix(prefix).unwrap_or(client_path);
            base.of_model(rest)
        } else if renamed.is_none() && base.path == prefix {
            UpstreamPath::Same
        } else {
            let path = renamed.unwrap_or(client_path);
            let rest = path.strip_prefix(prefix).unwrap_or(path);
            UpstreamPath::Other(base.join(rest))
        };
        Some(self.at(base, path))
    }

    /// The way for a request that is asked for at `path` below the base URL of `format`.
    pub(crate) fn way_below(
        self: &Arc<Self>,
        format: Format,
        path: &str,
        model: Option<&str>,
    ) -> Option<Way> {
        let base = serving(&self.endpoints, model).find(|it| it.endpoint.format == format)?;
        let path = match base.endpoint.addressing {
            Addressing::Usual => UpstreamPath::Other(base.join(path)),
            Addressing::Deployments(_) | Addressing::RawPredict(_) => base.of_model(path),
        };
        Some(self.at(base, path))
    }

    /// The way for a request to one of the provider's own paths.
    pub(crate) fn way_by_name(self: &Arc<Self>, path: &str) -> Option<Way> {
        let origin = self.endpoints.first()?;
        Some(self.at(origin, UpstreamPath::Other(path.to_owned())))
    }

    /// Where it lists its models, each with the query for all of them at once; empty where it does
    /// not.
    pub(crate) fn lists(self: &Arc<Self>) -> Vec<(Way, Option<String>)> {
        let Some(lists) = &self.lists else {
            return self
                .usual_list()
                .map(|(way, query)| (way, query.map(str::to_owned)))
                .into_iter()
                .collect();
        };
        let way = |url: &Uri| {
            let way = Way {
                destination: Arc::clone(self),
                scheme: url.scheme()?.clone(),
                authority: url.authority()?.clone(),
                path: UpstreamPath::Other(url.path().to_owned()),
            };
            Some((way, url.query().map(str::to_owned)))
        };
        lists.iter().filter_map(way).collect()
    }

    /// The list below the first of its endpoints.
    fn usual_list(self: &Arc<Self>) -> Option<(Way, Option<&'static str>)> {
        let format = self.endpoints.first()?.endpoint.format;
        let (folder, query) = match format {
            Format::Gemini => ("/v1beta", Some("pageSize=1000")),
            Format::AnthropicMessages => ("", Some("limit=1000")),
            Format::OpenaiChat
            | Format::OpenaiResponses
            | Format::OpenaiEmbeddings
            | Format::BedrockConverse
            | Format::CohereEmbed
            | Format::OllamaEmbed => ("", None),
        };
        Some((self.way_below(format, &format!("{folder}/models"), None)?, query))
    }

    fn at(self: &Arc<Self>, base: &Base, path: UpstreamPath) -> Way {
        Way {
            destination: Arc::clone(self),
            scheme: base.scheme.clone(),
            authority: base.authority.clone(),
            path,
        }
    }
}

impl Way {
    /// The URL to ask for. `query` is the client's, possibly without its key; `asked` the model that
    /// the call is for, if it is known.
    pub(crate) fn uri(
        &self,
        client: &Uri,
        query: Query<'_>,
        asked: Option<ModelAsked<'_>>,
    ) -> Result<Uri, http::Error> {
        let chosen = match query {
            Query::Same => client.query(),
            Query::Other(query) => query,
        };
        let path_and_query = match (&self.path, query) {
            (UpstreamPath::OfModel { addressing, base, rest }, _) => {
                let path = address::path(addressing, base, rest, asked);
                let query = address::query(addressing, chosen);
                PathAndQuery::try_from(with_query(&path, query.as_deref()))?
            }
            (UpstreamPath::Same, Query::Same) => {
                client.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
            }
            (UpstreamPath::Same, Query::Other(_)) => {
                PathAndQuery::try_from(with_query(client.path(), chosen))?
            }
            (UpstreamPath::Other(path), _) => PathAndQuery::try_from(with_query(path, chosen))?,
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
    }

    /// The body as this way wants it.
    pub(crate) fn body(&self, operation: Operation, body: Bytes) -> Bytes {
        match &self.path {
            UpstreamPath::Same | UpstreamPath::Other(_) => body,
            UpstreamPath::OfModel { addressing, rest, .. } => {
                address::body(addressing, rest, operation, body)
            }
        }
    }
}

fn with_query(path: &str, query: Option<&str>) -> String {
    query.map_or_else(|| path.to_owned(), |it| format!("{path}?{it}"))
}

const fn is_openai(format: Format) -> bool {
    match format {
        Format::OpenaiChat | Format::OpenaiResponses | Format::OpenaiEmbeddings => true,
        Format::AnthropicMessages
        | Format::Gemini
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => false,
    }
}

impl AsRef<Endpoint> for Base {
    fn as_ref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Base {
    /// The path below this URL.
    fn join(&self, path: &str) -> String {
        format!("{}{}", self.path, address::below(self.endpoint.format, &self.path, path))
    }

    /// The path for a call whose URL depends on its model.
    fn of_model(&self, rest: &str) -> UpstreamPath {
        UpstreamPath::OfModel {
            addressing: self.endpoint.addressing.clone(),
            base: self.path.clone(),
            rest: rest.to_owned(),
        }
    }

    fn parse(endpoint: &Endpoint) -> Option<Self> {
        let parts = endpoint.base_url.parse::<Uri>().ok()?.into_parts();
        let scheme = parts.scheme?;
        let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        let path_and_query = parts.path_and_query?;
        let usable = known && path_and_query.query().is_none();
        let path = path_and_query.path().trim_end_matches('/').to_owned();
        let authority = parts.authority?;
        usable.then(|| Self { endpoint: endpoint.clone(), scheme, authority, path })
    }
}
