//! What a request asks for, and who answers it unless its model says otherwise.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tollgate_core::{Format, call::ErrorCode, price::PriceBook};
use tollgate_wire::{Inbound, Route, detect, detect_suffix, format_row, text};

use crate::{
    Blocks, CacheSettings, GatewayError, GuardrailSet, Keyless, LocalKeys, RuleSet, Snapshot,
    destination::{Destination, Way},
    error::Refusal,
    model::{Healths, ServedModel, ServedTarget},
};

/// Where `/p/<provider>/…` begins.
const PROVIDER_PREFIX: &str = "/p/";

/// A [`Snapshot`] made ready for calls.
pub(crate) struct Routes {
    destinations: HashMap<String, Arc<Destination>>,
    defaults: Vec<(Format, Arc<Destination>)>,
    models: HashMap<Arc<str>, Arc<ServedModel>>,
    /// The models' names in the order in which they are configured.
    model_names: Vec<Arc<str>>,
    healths: Healths,
    /// The providers that clients can ask for by their names (`<id>/<model>`), those with a
    /// credential first.
    named: Vec<Arc<Destination>>,
    /// Why configured providers cannot be called now.
    unavailable: BTreeMap<String, String>,
    /// What the calls cost.
    pub(crate) prices: Arc<PriceBook>,
    /// What is to be done with certain calls.
    pub(crate) rules: Arc<RuleSet>,
    /// What is looked for in certain calls.
    pub(crate) guardrails: Arc<GuardrailSet>,
    /// The local keys.
    pub(crate) keys: Arc<LocalKeys>,
    /// Who is served without one.
    pub(crate) keyless: Keyless,
    /// Whose calls are refused at once.
    pub(crate) blocks: Blocks,
    /// Which answers are cached.
    pub(crate) cache: CacheSettings,
}

/// What a request asks for.
pub(crate) struct Asked {
    /// What the path says; `None` for a path that is passed through without a format.
    pub(crate) route: Option<Route>,
    /// Where it goes unless its model says otherwise.
    home: Result<Way, Refusal>,
    /// Whether the path names the provider, so that the model has no say.
    names_provider: bool,
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

impl Asked {
    /// Whether the path names the provider, so that the user's own models have no say.
    pub(crate) const fn names_provider(&self) -> bool {
        self.names_provider
    }

    /// Where the call goes unless its model says otherwise.
    pub(crate) fn home(&self) -> Result<&Way, Refusal> {
        self.home.as_ref().map_err(Clone::clone)
    }
}

impl Routes {
    /// `earlier` are the routes that these take the place of: what was learned of targets that are
    /// in both is kept.
    pub(crate) fn new(snapshot: Snapshot, earlier: Option<&Self>) -> Result<Self, GatewayError> {
        let mut destinations = HashMap::with_capacity(snapshot.providers.len());
        let mut named = Vec::new();
        for setup in snapshot.providers {
            let id = setup.provider.id.clone();
            let before = earlier.and_then(|it| it.destinations.get(&id));
            let destination = Arc::new(Destination::new(setup, before.map(|it| &**it))?);
            if destination.is_ready() {
                named.push(Arc::clone(&destination));
            }
            if destinations.insert(id.clone(), destination).is_some() {
                return Err(GatewayError::ProviderTwice(id));
            }
        }
        named.sort_by_key(|it| !it.has_credential());
        let mut defaults = Vec::with_capacity(snapshot.defaults.len());
        for (format, id) in snapshot.defaults {
            let Some(destination) = destinations.get(&id) else {
                return Err(GatewayError::NoSuchDefault(id));
            };
            defaults.push((format, Arc::clone(destination)));
        }
        let rules = match earlier {
            Some(earlier) => Arc::new(snapshot.rules.going_on_from(&earlier.rules)),
            None => snapshot.rules,
        };
        let mut routes = Self {
            destinations,
            defaults,
            models: HashMap::with_capacity(snapshot.models.len()),
            model_names: Vec::with_capacity(snapshot.models.len()),
            healths: Healths::new(),
            named,
            unavailable: snapshot.unavailable.into_iter().collect(),
            prices: snapshot.prices,
            rules,
            guardrails: snapshot.guardrails,
            keys: snapshot.keys,
            keyless: snapshot.keyless,
            blocks: snapshot.blocks,
            cache: snapshot.cache,
        };
        let known = earlier.map(|it| it.healths.clone()).unwrap_or_default();
        for model in snapshot.models {
            let name: Arc<str> = model.name.as_str().into();
            let served = routes.served(model, &known);
            if routes.models.insert(Arc::clone(&name), Arc::new(served)).is_some() {
                return Err(GatewayError::ModelTwice(name.as_ref().to_owned()));
            }
            routes.model_names.push(name);
        }
        Ok(routes)
    }

    fn served(&mut self, model: crate::Model, known: &Healths) -> ServedModel {
        for target in &model.targets {
            let key = (target.provider.as_str().into(), target.model.as_str().into());
            if let Some(health) = known.get(&key) {
                self.healths.insert(key, Arc::clone(health));
            }
        }
        let mut healths = std::mem::take(&mut self.healths);
        let find = |id: &str| {
            let there = self.destinations.get(id).map(Arc::clone);
            there.ok_or_else(|| self.not_there(id).message)
        };
        let served = ServedModel::new(model, find, &mut healths);
        self.healths = healths;
        served
    }

    /// Tells what a request asks for, by its path and the names of its headers.
    pub(crate) fn ask(&self, request: &http::request::Parts) -> Result<Asked, Refusal> {
        let path = request.uri.path();
        match path.strip_prefix(PROVIDER_PREFIX) {
            Some(rest) => self.by_provider(request, rest),
            None => self.by_format(request),
        }
    }

    fn by_format(&self, request: &http::request::Parts) -> Result<Asked, Refusal> {
        let path = request.uri.path();
        let route = detect(inbound(request, path), has_header(request)).ok_or_else(|| {
            Refusal::new(ErrorCode::UnknownPath, text::unknown_path(request.method.as_str(), path))
        })?;
        let found = self.defaults.iter().find(|(format, _)| *format == route.format);
        let home =
            found.and_then(|(_, destination)| destination.way(route.format, path, None, None));
        let home = home.ok_or_else(|| self.not_there(format_row(route.format).default_provider));
        Ok(Asked { route: Some(route), home, names_provider: false })
    }

    fn by_provider(&self, request: &http::request::Parts, rest: &str) -> Result<Asked, Refusal> {
        let (id, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let destination = self.destinations.get(id);
        let home = destination.and_then(|it| it.way_by_name(path));
        let home = home.ok_or_else(|| self.not_there(id))?;
        let route = detect_suffix(inbound(request, path), has_header(request));
        Ok(Asked { route, home: Ok(home), names_provider: true })
    }

    /// The model of this name, if a request may ask for one: a configured one, or a provider's by
    /// `<provider>/<model>`.
    pub(crate) fn model(&self, asked: &Asked, name: &str) -> Option<Arc<ServedModel>> {
        if asked.names_provider {
            return None;
        }
        self.models.get(name).map(Arc::clone).or_else(|| self.model_of_provider(name))
    }

    /// Whether this is the name of one of the user's own models.
    pub(crate) fn is_own_model(&self, name: &str) -> bool {
        self.models.contains_key(name)
    }

    /// A provider's model as one with a single target. What is known of it as the target of a
    /// configured model counts here too.
    fn model_of_provider(&self, name: &str) -> Option<Arc<ServedModel>> {
        let (id, model) = name.split_once('/').filter(|(_, model)| !model.is_empty())?;
        let destination = match self.destinations.get(id) {
            Some(destination) if destination.is_ready() => Ok(Arc::clone(destination)),
            Some(_) => return None,
            None if self.unavailable.contains_key(id) => Err(self.not_there(id).message),
            None => return None,
        };
        let key = (Arc::from(id), Arc::from(model));
        let health = self.healths.get(&key).map(Arc::clone).unwrap_or_default();
        let (provider, model) = key;
        let target = ServedTarget { provider, destination, model, weight: 1, health };
        Some(Arc::new(ServedModel::of_provider(name, target)))
    }

    /// The providers that clients can ask for by their names.
    pub(crate) fn named(&self) -> &[Arc<Destination>] {
        &self.named
    }

    /// The configured providers that cannot be called now, each with the reason.
    pub(crate) fn unavailable(&self) -> impl Iterator<Item = (&str, &str)> {
        self.unavailable.iter().map(|(id, why)| (id.as_str(), why.as_str()))
    }

    /// The configured models, in order.
    pub(crate) fn models(&self) -> impl Iterator<Item = &Arc<ServedModel>> {
        self.model_names.iter().filter_map(|it| self.models.get(it))
    }

    /// A provider; `None` when it cannot be called.
    pub(crate) fn destination(&self, id: &str) -> Option<Arc<Destination>> {
        self.destinations.get(id).map(Arc::clone)
    }

    /// Whether clients of a format mean this provider, so that it is called with their keys.
    pub(crate) fn is_default(&self, id: &str) -> bool {
        self.defaults.iter().any(|(_, it)| &*it.id == id)
    }

    /// Why a provider cannot be called: its credential is missing, or nobody knows it.
    fn not_there(&self, id: &str) -> Refusal {
        match self.unavailable.get(id) {
            Some(reason) => Refusal::new(ErrorCode::NoCredential, reason.clone()),
            None => Refusal::new(ErrorCode::UnknownProvider, text::unknown_provider(id)),
        }
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
    use http::{Request, Uri};
    use tollgate_core::provider::{Catalogue, Endpoint};

    use super::*;
    use crate::{ProviderSetup, destination::Query};

    fn routes() -> Routes {
        let catalogue = Catalogue::embedded().unwrap();
        let mut providers: Vec<_> = catalogue.iter().cloned().map(ProviderSetup::new).collect();
        // OpenAI is moved to another server under a path of its own.
        let openai = providers.iter_mut().find(|it| it.provider.id == "openai").unwrap();
        for endpoint in &mut openai.provider.endpoints {
            "http://127.0.0.1:9/lab/v1".clone_into(&mut endpoint.base_url);
        }
        Routes::new(Snapshot::new(providers, Arc::default()), None).unwrap()
    }

    #[test]
    fn paths_lead_to_the_providers_own_urls() {
        let routes = routes();
        let check = |path: &str, url: &str| {
            let (head, ()) = Request::post(path).body(()).unwrap().into_parts();
            let asked = routes.ask(&head).unwrap_or_else(|it| panic!("{path}: {it:?}"));
            assert_eq!(
                asked.home().unwrap().uri(&head.uri, Query::Same, None).unwrap(),
                url,
                "{path}"
            );
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
    fn a_gemini_base_with_a_version_takes_the_place_of_the_clients() {
        let check = |base: &str, path: &str, url: &str| {
            let mut google = Catalogue::embedded().unwrap().get("google").unwrap().clone();
            google.endpoints.truncate(1);
            base.clone_into(&mut google.endpoints[0].base_url);
            let routes =
                Routes::new(Snapshot::new(vec![ProviderSetup::new(google)], Arc::default()), None);
            let routes = routes.unwrap();
            let (head, ()) = Request::post(path).body(()).unwrap().into_parts();
            let asked = routes.ask(&head).unwrap();
            assert_eq!(
                asked.home().unwrap().uri(&head.uri, Query::Same, None).unwrap(),
                url,
                "{path}"
            );
        };
        let vertex =
            "https://r-aiplatform.googleapis.com/v1/projects/p/locations/r/publishers/google";
        for version in ["v1", "v1beta"] {
            let path = format!("/{version}/models/gemini-2.5-pro:generateContent?x=1");
            let url = format!("{vertex}/models/gemini-2.5-pro:generateContent?x=1");
            check(vertex, &path, &url);
        }
        let path = "/v1beta/models/m:generateContent";
        check("https://h/gemini", path, &format!("https://h/gemini{path}"));
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
            let asked = routes.ask(&head).unwrap();
            let url = asked.home().unwrap().uri(&head.uri, Query::Same, None).unwrap();
            assert_eq!(url.authority(), base.authority(), "{}", provider.id);
            assert_eq!(url.path(), path, "{}", provider.id);
            assert_eq!(asked.route.unwrap().format, Format::OpenaiChat, "{}", provider.id);
        }
    }

    #[test]
    fn a_snapshot_that_contradicts_itself_is_not_taken() {
        let catalogue = Catalogue::embedded().unwrap();
        let at = |base_url: &str| {
            let mut provider = catalogue.get("openai").unwrap().clone();
            let base_url = base_url.to_owned();
            provider.endpoints = vec![Endpoint::new(Format::OpenaiChat, base_url)];
            ProviderSetup::new(provider)
        };
        let refused = |snapshot: Snapshot| match Routes::new(snapshot, None) {
            Ok(_) => panic!("it must be refused"),
            Err(error) => error,
        };
        for url in ["", "api.openai.com", "ftp://h/v1", "http://h/v1?x=1", "/v1"] {
            let snapshot = Snapshot::new(vec![at(url)], Arc::default());
            assert!(matches!(refused(snapshot), GatewayError::BaseUrl { .. }), "{url}");
        }
        let good = || at("http://h/v1");
        let twice = Snapshot::new(vec![good(), good()], Arc::default());
        assert!(matches!(refused(twice), GatewayError::ProviderTwice(_)));
        let mut missing = Snapshot::new(vec![good()], Arc::default());
        missing.defaults.push((Format::Gemini, "google".to_owned()));
        assert!(matches!(refused(missing), GatewayError::NoSuchDefault(_)));
        let mut models = Snapshot::new(vec![good()], Arc::default());
        let model = crate::Model {
            name: "fast".to_owned(),
            strategy: tollgate_core::routing::Strategy::Fallback,
            targets: Vec::new(),
            retries: 0,
            patience: crate::ModelPatience::default(),
        };
        models.models = vec![model.clone(), model];
        assert!(matches!(refused(models), GatewayError::ModelTwice(_)));
        let key = tollgate_core::Secret::new("sk\nsecret".to_owned());
        let keyed = ProviderSetup { credential: Some(key), ..good() };
        let error = refused(Snapshot::new(vec![keyed], Arc::default()));
        assert!(matches!(error, GatewayError::Header { .. }));
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
