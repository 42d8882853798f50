//! Which provider answers a request, and at which URL.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{
    HeaderName, HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use tollgate_core::{Format, call::ErrorCode, price::PriceBook, provider::Auth};
use tollgate_wire::{Inbound, Route, detect, detect_suffix, format_row, text};

use crate::{GatewayError, Snapshot, Target, Timeouts, error::Refusal};

/// Where `/p/<provider>/…` begins.
const PROVIDER_PREFIX: &str = "/p/";

/// A [`Snapshot`] made ready for calls: URLs taken apart, headers made.
pub(crate) struct Routes {
    targets: HashMap<String, Arc<Destination>>,
    defaults: Vec<(Format, Arc<Destination>)>,
    unavailable: HashMap<String, String>,
    /// What the calls cost.
    pub(crate) prices: Arc<PriceBook>,
}

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
    /// Headers to add where the client left them out.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    endpoints: Vec<Base>,
    /// Whether a stream may be asked for its usage; found out at the first refusal otherwise.
    asks_usage: AtomicBool,
}

/// A base URL, taken apart.
struct Base {
    format: Format,
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end; empty for an origin.
    path: String,
}

/// Refuses what no route can serve.
pub(crate) fn admit(request: &http::request::Parts) -> Result<(), Refusal> {
    let upgrades = request.headers.get_all(http::header::UPGRADE).into_iter();
    let mut protocols = upgrades.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
    // Other upgrades (`h2c`) are offers that a server may pass over.
    if protocols.any(|it| it.trim().eq_ignore_ascii_case("websocket")) {
        return Err(Refusal::upgrade());
    }
    Ok(())
}

/// What a request is and where it goes.
pub(crate) struct Routed {
    pub(crate) destination: Arc<Destination>,
    /// What the path says; `None` for a path that is passed through without a format.
    pub(crate) asked: Option<Route>,
    scheme: Scheme,
    authority: Authority,
    path: UpstreamPath,
}

/// The path to ask for at the provider.
enum UpstreamPath {
    /// The client's own.
    Same,
    /// Another; the query stays.
    Other(String),
}

impl Routes {
    pub(crate) fn new(snapshot: Snapshot) -> Result<Self, GatewayError> {
        let mut targets = HashMap::with_capacity(snapshot.targets.len());
        for target in snapshot.targets {
            let id = target.provider.id.clone();
            let destination = Arc::new(Destination::new(target)?);
            if targets.insert(id.clone(), destination).is_some() {
                return Err(GatewayError::ProviderTwice(id));
            }
        }
        let mut defaults = Vec::with_capacity(snapshot.defaults.len());
        for (format, id) in snapshot.defaults {
            let Some(target) = targets.get(&id) else {
                return Err(GatewayError::NoSuchDefault(id));
            };
            defaults.push((format, Arc::clone(target)));
        }
        let unavailable = snapshot.unavailable.into_iter().collect();
        Ok(Self { targets, defaults, unavailable, prices: snapshot.prices })
    }

    /// Routes a request by its path and the names of its headers.
    pub(crate) fn route(&self, request: &http::request::Parts) -> Result<Routed, Refusal> {
        let path = request.uri.path();
        match path.strip_prefix(PROVIDER_PREFIX) {
            Some(rest) => self.by_provider(request, rest),
            None => self.by_format(request),
        }
    }

    fn by_format(&self, request: &http::request::Parts) -> Result<Routed, Refusal> {
        let path = request.uri.path();
        let asked = detect(inbound(request, path), has_header(request)).ok_or_else(|| {
            Refusal::new(ErrorCode::UnknownPath, text::unknown_path(request.method.as_str(), path))
        })?;
        let provider = format_row(asked.format).default_provider;
        let found = self.defaults.iter().find(|(format, _)| *format == asked.format);
        let unknown = || self.not_there(provider);
        let (_, destination) = found.ok_or_else(unknown)?;
        let base = destination.base(asked.format).ok_or_else(unknown)?;
        let prefix = format_row(asked.format).base_path;
        let rest = path.strip_prefix(prefix).unwrap_or(path);
        let path = if base.path == prefix {
            UpstreamPath::Same
        } else {
            UpstreamPath::Other(format!("{}{rest}", base.path))
        };
        Ok(Routed {
            scheme: base.scheme.clone(),
            authority: base.authority.clone(),
            path,
            destination: Arc::clone(destination),
            asked: Some(asked),
        })
    }

    /// Why a provider cannot be called: its credential is missing, or nobody knows it.
    fn not_there(&self, id: &str) -> Refusal {
        match self.unavailable.get(id) {
            Some(reason) => Refusal::new(ErrorCode::NoCredential, reason.clone()),
            None => Refusal::new(ErrorCode::UnknownProvider, text::unknown_provider(id)),
        }
    }

    fn by_provider(&self, request: &http::request::Parts, rest: &str) -> Result<Routed, Refusal> {
        let (id, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let unknown = || self.not_there(id);
        let destination = self.targets.get(id).ok_or_else(unknown)?;
        let origin = destination.endpoints.first().ok_or_else(unknown)?;
        Ok(Routed {
            destination: Arc::clone(destination),
            asked: detect_suffix(inbound(request, path), has_header(request)),
            scheme: origin.scheme.clone(),
            authority: origin.authority.clone(),
            path: UpstreamPath::Other(path.to_owned()),
        })
    }
}

impl Routed {
    /// The URL to ask for. `query` is the client's, possibly without its key.
    pub(crate) fn uri(&self, client: &Uri, query: Query<'_>) -> Result<Uri, http::Error> {
        let path_and_query = match (&self.path, query) {
            (UpstreamPath::Same, Query::Same) => {
                client.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
            }
            (path, query) => {
                let path = match path {
                    UpstreamPath::Same => client.path(),
                    UpstreamPath::Other(path) => path,
                };
                let query = match query {
                    Query::Same => client.query(),
                    Query::Other(query) => query,
                };
                let text = query.map_or_else(|| path.to_owned(), |it| format!("{path}?{it}"));
                PathAndQuery::try_from(text)?
            }
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
    }
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
    fn new(target: Target) -> Result<Self, GatewayError> {
        let Target { provider, credential, simulated, timeouts } = target;
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
            (Auth::None | Auth::Signed, _) | (_, None) => None,
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
            Base::parse(endpoint.format, &endpoint.base_url).ok_or_else(|| GatewayError::BaseUrl {
                provider: provider.id.clone(),
                base_url: endpoint.base_url.clone(),
            })
        });
        let endpoints = bases.collect::<Result<_, _>>()?;
        Ok(Self {
            id: provider.id.as_str().into(),
            simulated,
            timeouts,
            env: provider.env.first().cloned(),
            auth: provider.auth,
            credential,
            headers,
            endpoints,
            asks_usage: AtomicBool::new(provider.ask_usage),
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

    /// Where a format is served. OpenAI's paths share one base, so that an endpoint of another
    /// OpenAI format serves too.
    fn base(&self, format: Format) -> Option<&Base> {
        let exact = self.endpoints.iter().find(|it| it.format == format);
        exact.or_else(|| {
            let openai = |it: &&Base| is_openai(it.format) && is_openai(format);
            self.endpoints.iter().find(openai)
        })
    }
}

const fn is_openai(format: Format) -> bool {
    match format {
        Format::OpenaiChat | Format::OpenaiResponses | Format::OpenaiEmbeddings => true,
        Format::AnthropicMessages | Format::Gemini => false,
    }
}

impl Base {
    fn parse(format: Format, url: &str) -> Option<Self> {
        let parts = url.parse::<Uri>().ok()?.into_parts();
        let scheme = parts.scheme?;
        let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        let path_and_query = parts.path_and_query?;
        let usable = known && path_and_query.query().is_none();
        let path = path_and_query.path().trim_end_matches('/').to_owned();
        let authority = parts.authority?;
        usable.then_some(Self { format, scheme, authority, path })
    }
}

/// The format that a request without a route gets its error in: that of `/v1` paths, which the
/// way it carries its key tells.
pub(crate) fn format_of_errors(request: &http::request::Parts) -> Format {
    let path = request.uri.path();
    let asked = detect(inbound(request, path), has_header(request))
        .or_else(|| detect_suffix(inbound(request, path), has_header(request)))
        .or_else(|| detect(inbound(request, "/v1/models"), has_header(request)));
    asked.map_or(Format::OpenaiChat, |it| it.format)
}

fn inbound<'a>(request: &'a http::request::Parts, path: &'a str) -> Inbound<'a> {
    Inbound { method: request.method.as_str(), path, query: request.uri.query() }
}

fn has_header(request: &http::request::Parts) -> impl Fn(&str) -> bool + '_ {
    |name| request.headers.contains_key(name)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tollgate_core::provider::{Catalogue, Endpoint};

    use super::*;

    fn routes() -> Routes {
        let catalogue = Catalogue::embedded().unwrap();
        let target = |provider: tollgate_core::provider::Provider| Target {
            provider,
            credential: None,
            simulated: false,
            timeouts: Timeouts::default(),
        };
        let mut targets: Vec<_> = catalogue.iter().cloned().map(target).collect();
        // OpenAI is moved to another server under a path of its own.
        let openai = targets.iter_mut().find(|it| it.provider.id == "openai").unwrap();
        for endpoint in &mut openai.provider.endpoints {
            "http://127.0.0.1:9/lab/v1".clone_into(&mut endpoint.base_url);
        }
        Routes::new(Snapshot::new(targets, Arc::default())).unwrap()
    }

    #[test]
    fn paths_lead_to_the_providers_own_urls() {
        let routes = routes();
        let check = |path: &str, url: &str| {
            let (head, ()) = Request::post(path).body(()).unwrap().into_parts();
            let routed = routes.route(&head).unwrap_or_else(|it| panic!("{path}: {it:?}"));
            assert_eq!(routed.uri(&head.uri, Query::Same).unwrap(), url, "{path}");
        };
        check("/v1/chat/completions?x=%2f", "http://127.0.0.1:9/lab/v1/chat/completions?x=%2f");
        check("/v1/images/generations", "http://127.0.0.1:9/lab/v1/images/generations");
        check("/p/openai/lab/v1/responses", "http://127.0.0.1:9/lab/v1/responses");
        check("/v1/messages?beta=true", "https://api.anthropic.com/v1/messages?beta=true");
        let google = "https://generativelanguage.googleapis.com";
        for version in ["v1", "v1beta"] {
            let path = format!("/{version}/models/gemini-2.5-flash:generateContent");
            check(&path, &format!("{google}{path}"));
        }
        check(
            "/p/groq/openai/v1/chat/completions",
            "https://api.groq.com/openai/v1/chat/completions",
        );
        check("/p/groq/any//thing?", "https://api.groq.com/any//thing?");
        check("/p/groq", "https://api.groq.com/");
    }

    #[test]
    fn every_provider_that_can_be_called_is_reached_by_its_own_paths() {
        let routes = routes();
        for provider in Catalogue::embedded().unwrap().iter().filter(|it| it.id != "openai") {
            let Some(first) = provider.endpoints.iter().find(|it| !it.is_template()) else {
                continue;
            };
            let base: Uri = first.base_url.parse().unwrap();
            let path = format!("{}/chat/completions", base.path().trim_end_matches('/'));
            let asked = format!("/p/{}{path}", provider.id);
            let (head, ()) = Request::post(asked.as_str()).body(()).unwrap().into_parts();
            let routed = routes.route(&head).unwrap();
            let url = routed.uri(&head.uri, Query::Same).unwrap();
            assert_eq!(url.authority(), base.authority(), "{}", provider.id);
            assert_eq!(url.path(), path, "{}", provider.id);
            assert_eq!(routed.asked.unwrap().format, Format::OpenaiChat, "{}", provider.id);
        }
    }

    #[test]
    fn a_snapshot_that_contradicts_itself_is_not_taken() {
        let catalogue = Catalogue::embedded().unwrap();
        let target = |base_url: &str| {
            let mut provider = catalogue.get("openai").unwrap().clone();
            let base_url = base_url.to_owned();
            provider.endpoints = vec![Endpoint { format: Format::OpenaiChat, base_url }];
            let timeouts = Timeouts::default();
            Target { provider, credential: None, simulated: false, timeouts }
        };
        let refused = |snapshot: Snapshot| match Routes::new(snapshot) {
            Ok(_) => panic!("it must be refused"),
            Err(error) => error,
        };
        for url in ["", "api.openai.com", "ftp://h/v1", "http://h/v1?x=1", "/v1"] {
            let snapshot = Snapshot::new(vec![target(url)], Arc::default());
            assert!(matches!(refused(snapshot), GatewayError::BaseUrl { .. }), "{url}");
        }
        let good = || target("http://h/v1");
        let twice = Snapshot::new(vec![good(), good()], Arc::default());
        assert!(matches!(refused(twice), GatewayError::ProviderTwice(_)));
        let mut missing = Snapshot::new(vec![good()], Arc::default());
        missing.defaults.push((Format::Gemini, "google".to_owned()));
        assert!(matches!(refused(missing), GatewayError::NoSuchDefault(_)));
        let key = tollgate_core::Secret::new("sk\nsecret".to_owned());
        let keyed = Target { credential: Some(key), ..good() };
        let error = refused(Snapshot::new(vec![keyed], Arc::default()));
        assert!(matches!(error, GatewayError::Header { .. }));
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
