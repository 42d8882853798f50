//! The configuration file: read raw, then made valid, so that no other room ever checks it.
//!
//! A mistake is reported with file, line, column and the accepted values. A key never stands in the
//! file: only where to find it.

mod budgets;
mod cache;
mod credential;
pub mod edit;
mod endpoints;
mod export;
mod guardrails;
pub mod keep;
mod ledger;
mod models;
mod prices;
mod refresh;
mod rules;

use std::{
    collections::BTreeMap, fs, io, net::SocketAddr, path::Path, str::FromStr, sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use tollgate_core::{
    budget::BudgetSet,
    price::PriceRow,
    provider::{Auth, Catalogue, Endpoint, Provider},
    quirks::Quirks,
};
use tollgate_gateway::{CacheSettings, Model, RuleSet, guardrails::Guardrail};
use toml::Spanned;

pub use self::budgets::{BUDGET_NAME_BYTES_MAX, BUDGETS_MAX};
pub use self::credential::CredentialSource;
pub(crate) use self::rules::{RuleMistake, rules_of, rules_text};
use self::{
    budgets::{RawBudget, RawOnBudget, valid_budgets, valid_on_budget},
    cache::{RawCache, valid_cache},
    export::{RawExport, valid_export},
    guardrails::{RawGuardrail, valid_guardrails},
    ledger::{RawLedger, valid_ledger},
    models::{RawModel, valid_models},
    prices::{RawPrice, valid_price},
    refresh::{RawRefresh, valid_refresh},
    rules::{RawRule, valid_rules},
};
pub use self::{export::OtlpConfig, ledger::LedgerKeeping, refresh::RefreshConfig};

/// Where the gateway listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4141);

/// The longest configuration file that is read.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// How long to wait for a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// For the status line, once the request is sent.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer.
    pub idle: Option<Duration>,
}

/// A `[[providers]]` entry laid over the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// The whole row.
    pub provider: Provider,
    /// The credential that replaces the client's own; `None`: the client's passes through.
    pub credential: Option<CredentialSource>,
    /// The AWS region that requests are signed for, where they are.
    pub region: Option<String>,
    /// Timeouts.
    pub patience: Patience,
    /// How many calls it may have at once; `None` is no limit.
    pub concurrent_max: Option<usize>,
}

/// A valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the gateway listens; always a loopback address.
    pub listen: SocketAddr,
    /// Whether a local key is needed for every call.
    pub require_keys: bool,
    /// Whether bodies are kept in the ledger.
    pub ledger: LedgerKeeping,
    /// Providers.
    pub providers: Vec<ProviderConfig>,
    /// The user's own models.
    pub models: Vec<Model>,
    /// The user's own prices, which win over the price book's.
    pub prices: Vec<PriceRow>,
    /// Which public price list is read, and how often unasked.
    pub price_refresh: RefreshConfig,
    /// The user's rules.
    pub rules: Arc<RuleSet>,
    /// What is looked for in certain calls.
    pub guardrails: Vec<Arc<Guardrail>>,
    /// What certain calls may come to.
    pub budgets: BudgetSet,
    /// Where the news of budgets are posted.
    pub on_budget: Option<http::Uri>,
    /// Which answers are cached.
    pub cache: CacheSettings,
    /// Which collector is told of calls.
    pub otlp: Option<OtlpConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            require_keys: false,
            ledger: LedgerKeeping::default(),
            providers: Vec::new(),
            models: Vec::new(),
            prices: Vec::new(),
            price_refresh: RefreshConfig::default(),
            rules: Arc::default(),
            guardrails: Vec::new(),
            budgets: BudgetSet::default(),
            on_budget: None,
            cache: CacheSettings::default(),
            otlp: None,
        }
    }
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("read the configuration `{path}`")]
    Read {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// The file's text is not acceptable.
    #[error("{path}:{line}:{column}: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
}

impl Config {
    /// Reads the file; a file that is not there is an empty one.
    ///
    /// # Errors
    /// When the file cannot be read or is not acceptable.
    pub fn load(path: &Path, catalogue: &Catalogue) -> Result<Self, ConfigError> {
        Self::read(&Self::text(path)?, path, catalogue)
    }

    /// The file as it stands; empty where there is none.
    fn text(path: &Path) -> Result<String, ConfigError> {
        match read_bounded(path, CONFIG_BYTES_MAX) {
            Ok(text) => Ok(text),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(ConfigError::Read { path: path.display().to_string(), source }),
        }
    }

    /// Reads a text that stands in `path`, or is to stand there.
    fn read(text: &str, path: &Path, catalogue: &Catalogue) -> Result<Self, ConfigError> {
        Self::parse(text, catalogue).map_err(|Mistake { at, message }| {
            let (line, column) = line_and_column(text, at);
            ConfigError::Invalid { path: path.display().to_string(), line, column, message }
        })
    }

    fn parse(text: &str, catalogue: &Catalogue) -> Result<Self, Mistake> {
        let raw: Raw = toml::from_str(text).map_err(Mistake::from)?;
        let listen = match raw.listen {
            Some(it) => valid_listen(&it)?,
            None => DEFAULT_LISTEN,
        };
        let require_keys = raw.require_keys.unwrap_or(false);
        let ledger = valid_ledger(raw.ledger)?;
        let mut providers: Vec<ProviderConfig> = Vec::new();
        for it in raw.providers {
            let at = it.id.span().start;
            let provider = valid_provider(it, catalogue)?;
            if providers.iter().any(|known| known.provider.id == provider.provider.id) {
                let message = format!("provider `{}` stands here twice", provider.provider.id);
                return Err(Mistake { at, message });
            }
            providers.push(provider);
        }
        let is_known = |id: &str| {
            catalogue.get(id).is_some() || providers.iter().any(|it| it.provider.id == id)
        };
        let cache = valid_cache(raw.cache, &raw.models)?;
        let models = valid_models(raw.models, is_known)?;
        let prices = raw.prices.iter().map(|it| valid_price(it, is_known));
        let prices = prices.collect::<Result<_, _>>()?;
        let price_refresh = valid_refresh(raw.price_refresh)?;
        let rules = Arc::new(valid_rules(&raw.rules, text)?);
        let guardrails = valid_guardrails(&raw.guardrails)?;
        let budgets = valid_budgets(&raw.budgets)?;
        let on_budget = valid_on_budget(raw.on_budget)?;
        let otlp = valid_export(raw.export)?;
        Ok(Self {
            listen,
            require_keys,
            ledger,
            providers,
            models,
            prices,
            price_refresh,
            rules,
            guardrails,
            budgets,
            on_budget,
            cache,
            otlp,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: Option<Spanned<String>>,
    require_keys: Option<bool>,
    #[serde(default)]
    ledger: RawLedger,
    #[serde(default)]
    providers: Vec<RawProvider>,
    #[serde(default)]
    models: Vec<RawModel>,
    #[serde(default)]
    prices: Vec<RawPrice>,
    #[serde(default)]
    price_refresh: RawRefresh,
    #[serde(default)]
    rules: Vec<RawRule>,
    #[serde(default)]
    guardrails: Vec<RawGuardrail>,
    #[serde(default)]
    budgets: Vec<RawBudget>,
    #[serde(default)]
    on_budget: RawOnBudget,
    #[serde(default)]
    cache: RawCache,
    #[serde(default)]
    export: RawExport,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProvider {
    id: Spanned<String>,
    name: Option<String>,
    format: Option<Vec<Spanned<String>>>,
    base_url: Option<Spanned<String>>,
    #[serde(default)]
    parameters: BTreeMap<String, Spanned<String>>,
    api_version: Option<Spanned<String>>,
    auth: Option<Spanned<String>>,
    api_key: Option<Spanned<toml::Value>>,
    ask_usage: Option<bool>,
    quirks: Option<Spanned<Quirks>>,
    first_byte_timeout_s: Option<Spanned<u64>>,
    idle_timeout_s: Option<Spanned<u64>>,
    concurrent_max: Option<Spanned<u64>>,
}

struct Mistake {
    at: usize,
    message: String,
}

impl From<toml::de::Error> for Mistake {
    fn from(err: toml::de::Error) -> Self {
        Self { at: err.span().map_or(0, |it| it.start), message: err.message().to_owned() }
    }
}

impl Mistake {
    fn new<T>(spanned: &Spanned<T>, message: String) -> Self {
        Self { at: spanned.span().start, message }
    }
}

fn valid_listen(text: &Spanned<String>) -> Result<SocketAddr, Mistake> {
    let addr = SocketAddr::from_str(text.get_ref()).map_err(|_| {
        let message =
            format!("`{}` is not ADDRESS:PORT, such as `{DEFAULT_LISTEN}`", text.get_ref());
        Mistake::new(text, message)
    })?;
    check_loopback(addr).map_err(|message| Mistake::new(text, message))?;
    Ok(addr)
}

/// Whether Tollgate may listen there.
///
/// # Errors
/// For any address but a loopback one: whoever could reach it could use the providers' credentials.
pub fn check_loopback(addr: SocketAddr) -> Result<(), String> {
    if addr.ip().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "`{addr}` is not a loopback address: listening beyond this machine needs local keys and TLS, which this version does not have"
    ))
}

fn valid_provider(raw: RawProvider, catalogue: &Catalogue) -> Result<ProviderConfig, Mistake> {
    let id = raw.id.get_ref().clone();
    if id.is_empty() || !id.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it)) {
        let message = format!("`{id}` is not a provider id: use letters, digits, `-`, `_` and `.`");
        return Err(Mistake::new(&raw.id, message));
    }
    let known = catalogue.get(&id);
    let endpoints = endpoints::valid(&raw, known)?;
    let usual = match known {
        Some(known) => known.auth.clone(),
        // A server of the user's own asks for a key only where the user says so.
        None if raw.api_key.is_none() && endpoints::are_local(&endpoints) => Auth::None,
        None => Auth::Bearer,
    };
    let (credential, auth) = credential::valid(raw.api_key.as_ref(), raw.auth.as_ref(), usual)?;
    let region = if auth == Auth::Aws { Some(valid_region(&raw, &endpoints)?) } else { None };
    let mut provider = known.cloned().unwrap_or_else(|| Provider {
        id: id.clone(),
        name: id.clone(),
        auth: Auth::Bearer,
        headers: Vec::new(),
        env: Vec::new(),
        endpoints: Vec::new(),
        lists: None,
        ask_usage: true,
        quirks: Quirks::NONE,
    });
    provider.auth = auth;
    provider.endpoints = endpoints;
    provider.lists = endpoints::lists(&raw, known)?;
    if let Some(name) = raw.name {
        provider.name = name;
    }
    if let Some(ask_usage) = raw.ask_usage {
        provider.ask_usage = ask_usage;
    }
    if let Some(quirks) = &raw.quirks {
        provider.quirks = valid_quirks(quirks)?.or(provider.quirks);
    }
    let patience = Patience {
        first_byte: raw.first_byte_timeout_s.as_ref().map(valid_timeout).transpose()?,
        idle: raw.idle_timeout_s.as_ref().map(valid_timeout).transpose()?,
    };
    let concurrent_max = raw.concurrent_max.as_ref().map(valid_concurrency).transpose()?;
    Ok(ProviderConfig { provider, credential, region, patience, concurrent_max })
}

/// The region that requests are signed for: what the entry says, or what stands in the host of
/// `bedrock-runtime.REGION.amazonaws.com`.
fn valid_region(raw: &RawProvider, endpoints: &[Endpoint]) -> Result<String, Mistake> {
    if let Some(region) = endpoints::valid_parameters(&raw.parameters)?.get("region") {
        return Ok((*region).to_owned());
    }
    let hosts = endpoints.iter().filter_map(|it| it.base_url.parse::<http::Uri>().ok());
    let region = hosts.into_iter().find_map(|it| {
        let mut labels = it.host()?.split('.').skip_while(|it| !it.starts_with("bedrock"));
        labels.nth(1).map(str::to_owned)
    });
    region.ok_or_else(|| {
        let message = "requests to AWS are signed for a region: `parameters = { region = \"…\" }`";
        Mistake::new(&raw.id, message.to_owned())
    })
}

fn valid_concurrency(calls: &Spanned<u64>) -> Result<usize, Mistake> {
    match usize::try_from(*calls.get_ref()) {
        Ok(0) | Err(_) => {
            let message = "`concurrent_max` is 1 or more; leave it out for no limit";
            Err(Mistake::new(calls, message.to_owned()))
        }
        Ok(calls) => Ok(calls),
    }
}

fn valid_timeout(seconds: &Spanned<u64>) -> Result<Duration, Mistake> {
    match *seconds.get_ref() {
        0 => {
            let message = "a timeout is one second or longer; leave it out for the usual one";
            Err(Mistake::new(seconds, message.to_owned()))
        }
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

fn valid_quirks(quirks: &Spanned<Quirks>) -> Result<Quirks, Mistake> {
    let Quirks { max_tokens_limit: limit, max_tokens_default: default, .. } = *quirks.get_ref();
    if limit == Some(0) || default == Some(0) {
        let message = "an answer has one token or more; leave the limit out for none";
        return Err(Mistake::new(quirks, message.to_owned()));
    }
    if let (Some(limit), Some(default)) = (limit, default)
        && default > limit
    {
        let message = format!("`max_tokens_default` {default} is above the limit {limit}");
        return Err(Mistake::new(quirks, message));
    }
    Ok(*quirks.get_ref())
}

/// A number from 1 to `max`; `what` says of what, and may say what leaving it out means.
fn within(number: &Spanned<u64>, max: u64, what: &str) -> Result<u64, Mistake> {
    match *number.get_ref() {
        fit if (1..=max).contains(&fit) => Ok(fit),
        _ => Err(Mistake::new(number, format!("use 1 to {max} {what}"))),
    }
}

/// The one of `all` that is named so; `mistake` makes a sentence of the text and of all names.
fn one_of<T: Copy, const N: usize>(
    text: &Spanned<String>,
    all: [T; N],
    name: fn(T) -> &'static str,
    mistake: impl FnOnce(&str, &str) -> String,
) -> Result<T, Mistake> {
    all.into_iter().find(|it| name(*it) == text.get_ref()).ok_or_else(|| {
        let names = all.map(|it| format!("`{}`", name(it))).join(", ");
        Mistake::new(text, mistake(text.get_ref(), &names))
    })
}

/// Reads a text of at most `bytes_max`.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<String> {
    if fs::metadata(path)?.len() > bytes_max {
        let message = format!("longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    fs::read_to_string(path)
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |it| it.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tollgate_core::{
        Format, PicoUsd, ServiceTier, UnixMs, price::PriceBook, provider::Addressing,
        quirks::quirks_of, routing::Strategy,
    };
    use tollgate_gateway::{MODEL_RETRIES_MAX, MODEL_TARGETS_MAX};

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let catalogue = Catalogue::embedded().unwrap();
        Config::parse(text, &catalogue).map_err(|it| {
            let (line, column) = line_and_column(text, it.at);
            format!("{line}:{column}: {}", it.message)
        })
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse(""), Ok(Config::default()));
    }

    #[test]
    fn prices_are_refreshed_unasked_only_where_it_is_written() {
        assert_eq!(parse("").unwrap().price_refresh.every, None);
        let text = "[price_refresh]\nevery_days = 7\nlist = 'litellm'\nurl = 'http://127.0.0.1/p'";
        let refresh = parse(text).unwrap().price_refresh;
        assert_eq!(refresh.every, Some(Duration::from_secs(604_800)));
        assert_eq!(refresh.list, tollgate_core::price::list::PriceList::Litellm);
        assert_eq!(refresh.url.unwrap().path(), "/p");
        let refuses = |text: &str, expected: &str| {
            let message = parse(&format!("[price_refresh]\n{text}")).unwrap_err();
            assert!(message.contains(expected), "{message}");
        };
        refuses("every_days = 0", "2:14: use 1 to 365 days");
        refuses("list = 'prices.com'", "2:8: no price list `prices.com`: use `genai-prices`");
        refuses("url = 'ftp://a/b'", "2:7: `ftp://a/b` is not an http(s) URL");
    }

    #[test]
    fn a_server_of_the_users_own_on_this_machine_needs_no_key() {
        let check = |base_url: &str, more: &str, expected: Auth| {
            let text = format!(
                "[[providers]]\nid = 'lab'\nformat = ['openai-chat']\nbase_url = '{base_url}'\n{more}"
            );
            assert_eq!(parse(&text).unwrap().providers[0].provider.auth, expected, "{text}");
        };
        check("http://127.0.0.1:8000/v1", "", Auth::None);
        check("http://[::1]:8000/v1", "", Auth::None);
        check("http://localhost/v1", "", Auth::None);
        check("http://192.168.0.7:8000/v1", "", Auth::Bearer);
        check("https://localhost.example/v1", "", Auth::Bearer);
        check("http://127.0.0.1:8000/v1", "api_key = { env = 'LAB' }", Auth::Bearer);
        check("http://127.0.0.1:8000/v1", "auth = 'bearer'", Auth::Bearer);
    }

    #[test]
    fn reads_the_documented_example() {
        let config = parse(
            r#"
            listen = "127.0.0.1:4242"
            [[providers]]
            id = "openai"
            api_key = { keyring = "openai" }
            [[providers]]
            id = "lab"
            format = ["openai-chat"]
            base_url = "http://127.0.0.1:8000/v1/"
            ask_usage = false
            idle_timeout_s = 9
            quirks = { no_sampling = true, max_tokens_limit = 4096 }
            "#,
        )
        .unwrap();
        assert_eq!(config.listen.port(), 4242);
        let [openai, lab] = &config.providers[..] else { panic!("two providers") };
        assert_eq!(openai.credential, Some(CredentialSource::Keyring("openai".to_owned())));
        assert_eq!(openai.provider.endpoints[0].base_url, "https://api.openai.com/v1");
        assert_eq!(lab.provider.endpoints[0].base_url, "http://127.0.0.1:8000/v1");
        assert_eq!(lab.provider.auth, Auth::None);
        assert!(openai.provider.ask_usage && !lab.provider.ask_usage);
        assert_eq!(lab.patience.idle, Some(Duration::from_secs(9)));
        let it = quirks_of(&lab.provider, "gpt-5");
        assert_eq!((it.no_sampling, it.max_tokens_limit), (Some(true), Some(4096)));
        assert_eq!(it.old_max_tokens, Some(false), "what is not said here stays");
        assert_eq!(openai.provider.quirks.old_max_tokens, Some(false));
    }

    #[test]
    fn a_mistake_names_its_place_and_what_would_be_right() {
        let check = |text: &str, start: &str, part: &str| {
            let message = parse(text).unwrap_err();
            assert!(message.starts_with(start) && message.contains(part), "{message}");
        };
        check("listen = 'home'", "1:10: ", "127.0.0.1:4141");
        check("listen = '0.0.0.0:4141'", "1:10: ", "loopback");
        check("lisen = 'x'", "1:1: ", "`listen`");
        check("[[providers]]\nid = 'x y'", "2:6: ", "letters");
        check("[[providers]]\nid = 'mine'", "2:6: ", "base_url");
        let lab = "[[providers]]\nid = 'lab'\nbase_url = 'http://h/v1'\n";
        check(&format!("{lab}format = ['chat']"), "4:11: ", "`openai-chat`");
        check(lab, "2:6: ", "`format`");
        check("[[providers]]\nid = 'openai'\nbase_url = 'ftp://x'", "3:12: ", "http(s)");
        check("[[providers]]\nid = 'openai'\nauth = 'basic'", "3:8: ", "`header:NAME`");
        check("[[providers]]\nid = 'openai'\n[[providers]]\nid = 'openai'", "4:6: ", "twice");
        let price = |rest: &str| format!("[[prices]]\nprovider = 'openai'\nmodel = 'm'\n{rest}");
        check("[[prices]]\nprovider = 'x'\nmodel = 'm'\ninput = '1'", "2:12: ", "providers list");
        check("[[prices]]\nprovider = 'openai'\nmodel = ''\ninput = '1'", "3:9: ", "`*`");
        check(&price("input = 0.25"), "4:9: ", "string");
        check(&price("input = 'cheap'"), "4:9: ", "\"0.25\"");
        check(&price("input = '1'\noutput = '0.1234567'"), "5:10: ", "6 places");
        check(&price("input = '1'\nfrom = 'today'"), "5:8: ", "\"2026-11-23\"");
        let days = "input = '1'\nfrom = '2026-11-23'\nuntil = '2026-11-23'";
        check(&price(days), "6:9: ", "after `from`");
        check(&price("input = '1'\nimage = '1'"), "5:1: ", "`cache_read`");
        check(&price("input = '1'\nweb_search = 'ten'"), "5:14: ", "dollars for one");
        for hours in ["16:30", "16:30-24:00", "1:00-2:00", "00:00-00:00"] {
            check(&price(&format!("input = '1'\nhours = '{hours}'")), "5:9: ", "\"16:30-00:30\"");
        }
    }

    #[test]
    fn what_is_wrong_with_a_tier_is_named() {
        let check = |rest: &str, start: &str, part: &str| {
            let text = format!("[[prices]]\nprovider = 'openai'\nmodel = 'm'\ninput = '1'\n{rest}");
            let message = parse(&text).unwrap_err();
            assert!(message.starts_with(start) && message.contains(part), "{message}");
        };
        check("tiers = [{ input = '2' }]", "5:10: ", "`above` is missing");
        check("tiers = [{ above = 9 }]", "5:10: ", "no prices");
        check("tiers = [{ above = 0, input = '2' }]", "5:20: ", "at least 1");
        let falling = "tiers = [{ above = 9, input = '2' }, { above = 9, input = '3' }]";
        check(falling, "5:48: ", "grows");
        check("tiers = [{ above = 9, inptu = '2' }]", "5:23: ", "`input`");
        check("tiers = [{ above = 9, input = 'dear' }]", "5:31: ", "\"0.25\"");
        check("tiers = [{ above = 9, tiers = [{ above = 9 }] }]", "5:32: ", "no tiers of its own");
        check("services.cheap = { input = '2' }", "5:10: ", "`flex`, `priority`, `batch`");
        check("services.standard = { input = '2' }", "5:10: ", "the entry itself");
        check("services.flex = { output = '2' }", "5:17: ", "`input` is missing");
        check("services.flex = { above = 9, input = '2' }", "5:27: ", "`tiers`");
        check("services.flex = { input = '2', web_search = 'x' }", "5:45: ", "dollars for one");
    }

    #[test]
    fn prices_of_ones_own_know_long_prompts_and_service_tiers() {
        let text = r#"
            [[prices]]
            provider = "openai"
            model = "m"
            input = "1"
            output = "8"
            cache_read = "0.1"
            web_search = "0.01"
            tiers = [{ above = 200000, input = "2" }, { above = 400000, input = "3", output = "9" }]
            services.priority = { input = "4", output = "32" }
            [prices.services.flex]
            input = "0.5"
            output = "4"
            tiers = [{ above = 200000, input = "0.75" }]
        "#;
        let row = parse(text).unwrap().prices.remove(0);
        let check = |service, prompt, expected: Option<(i64, i64, Option<i64>)>| {
            let rates = row.rates_for(service, prompt);
            let pico = |it: Option<PicoUsd>| it.map(|it| it.0);
            let found =
                rates.map(|it| (it.input.unwrap().0, it.output.unwrap().0, pico(it.cache_read)));
            assert_eq!(found, expected, "{service:?} {prompt}");
            assert!(rates.is_none_or(|it| pico(it.web_search) == Some(10_000_000_000)));
        };
        let cached = Some(100_000);
        check(None, 200_000, Some((1_000_000, 8_000_000, cached)));
        check(Some(ServiceTier::Standard), 200_001, Some((2_000_000, 8_000_000, cached)));
        check(None, 400_001, Some((3_000_000, 9_000_000, cached)));
        check(Some(ServiceTier::Flex), 1, Some((500_000, 4_000_000, None)));
        check(Some(ServiceTier::Flex), 200_001, Some((750_000, 4_000_000, None)));
        check(Some(ServiceTier::Priority), 500_000, Some((4_000_000, 32_000_000, None)));
        check(Some(ServiceTier::Batch), 1, None);
    }

    #[test]
    fn prices_of_ones_own_are_rows_of_the_price_book() {
        let config = parse(
            r#"
            [[providers]]
            id = "lab"
            format = ["openai-chat"]
            base_url = "http://127.0.0.1:8000/v1"
            [[prices]]
            provider = "lab"
            model = "*"
            input = "0.05"
            output = "0.25"
            [[prices]]
            provider = "openai"
            model = "gpt-5"
            from = "2026-11-01"
            until = "2026-12-01"
            input = "1"
            cache_read = "0.1"
            output = "8"
            [[prices]]
            provider = "lab"
            model = "nightly"
            input = "1"
            output = "1"
            web_search = "0.01"
            [[prices]]
            provider = "lab"
            model = "nightly"
            hours = "23:30-00:30"
            input = "0.5"
            output = "0.5"
            "#,
        )
        .unwrap();
        let book = PriceBook::embedded().unwrap().with_overrides(config.prices);
        let found = |provider: &str, model: &str, day_ms: i64| {
            let row = book.find(provider, model, UnixMs(day_ms))?;
            Some((row.rates.input?.0, row.rates.cache_read.map(|it| it.0), row.rates.output?.0))
        };
        let november = 1_795_392_000_000;
        assert_eq!(found("lab", "anything", november), Some((50_000, None, 250_000)));
        let own = Some((1_000_000, Some(100_000), 8_000_000));
        assert_eq!(found("openai", "gpt-5-2025-08-07", november), own);
        assert_eq!(found("openai", "gpt-5", november - 30 * 86_400_000), None);
        assert!(found("openai", "gpt-5-mini", november).is_some());
        let noon = november + 12 * 3_600_000;
        assert_eq!(found("lab", "nightly", noon), Some((1_000_000, None, 1_000_000)));
        assert_eq!(found("lab", "nightly", november), Some((500_000, None, 500_000)));
        let search = book.find("lab", "nightly", UnixMs(noon)).unwrap().rates.web_search;
        assert_eq!(search.map(|it| it.0), Some(10_000_000_000));
    }

    #[test]
    fn what_would_be_passed_over_in_silence_is_refused() {
        let check = |text: &str, start: &str, part: &str| {
            let message = parse(&format!("[[providers]]\n{text}")).unwrap_err();
            assert!(message.starts_with(start) && message.contains(part), "{message}");
        };
        let key = "api_key = { env = 'KEY' }";
        check(&format!("id = 'openai'\nauth = 'none'\n{key}"), "4:11: ", "`auth = \"none\"`");
        let aws = "api_key = { aws_profile = 'default' }";
        check(&format!("id = 'openai'\n{aws}"), "2:6: ", "region = \"…\"");
        check(&format!("id = 'openai'\nauth = 'bearer'\n{aws}"), "4:11: ", "leave `auth` out");
        let azure = "id = 'azure'\nparameters = { resource = 'r' }\napi_version = ";
        check(&format!("{azure}'a b'"), "4:15: ", "no version of Azure's");
        check("id = 'groq'\napi_version = '2024-10-21'", "3:15: ", "`groq` is another");
        let own = "id = 'lab'\nbase_url = 'http://127.0.0.1:1/";
        let versioned = "api_version = '2024-10-21'";
        let elsewhere = format!("{own}v1'\nformat = ['openai-chat']\n{versioned}");
        check(&elsewhere, "5:15: ", "below `…/openai`");
        let responses = format!("{own}openai/v1'\nformat = ['openai-responses']\n{versioned}");
        check(&responses, "5:15: ", "names neither");
        check("id = 'azure'\nparameters = { resource = 'a/b' }", "3:27: ", "into a URL");
        check("id = 'google-vertex'\nparameters = { region = 'r' }", "2:6: ", "project = \"…\"");
        let global = "id = 'google-vertex'\nparameters = { region = 'global', project = 'p' }";
        check(global, "2:6: ", "`google-vertex-global`");
        let extra = "id = 'google-vertex-global'\nparameters = { project = 'p', region = 'r' }";
        check(extra, "3:40: ", "has no `region`");
        check(&format!("id = 'ollama'\n{key}"), "3:11: ", "`header:NAME`");
        check(&format!("id = 'azure'\n{key}"), "2:6: ", "resource = \"…\"");
        check("id = 'openai'\nformat = ['openai-chat']", "3:11: ", "`base_url`");
        check("id = 'openai'\nbase_url = 'https://{me}/v1'", "3:12: ", "placeholder");
        check("id = 'openai'\nidle_timeout_s = 0", "3:18: ", "one second");
        check("id = 'openai'\nquirks = { max_tokens_limit = 0 }", "3:10: ", "one token");
        let quirks = "quirks = { max_tokens_limit = 10, max_tokens_default = 11 }";
        check(&format!("id = 'openai'\n{quirks}"), "3:10: ", "above the limit 10");
        check("id = 'openai'\nfirst_byte_timeout_s = 0", "3:24: ", "one second");
        check("id = 'openai'\nconcurrent_max = 0", "3:18: ", "no limit");
        let bearer = format!("id = 'ollama'\nauth = 'bearer'\n{key}");
        assert!(parse(&format!("[[providers]]\n{bearer}")).is_ok());
    }

    #[test]
    fn reads_the_documented_models() {
        let config = parse(
            r#"
            [[providers]]
            id = "lab"
            format = ["openai-chat"]
            base_url = "http://127.0.0.1:8000/v1"
            concurrent_max = 2
            [[models]]
            name = "fast"
            strategy = "weighted"
            targets = [
                { provider = "openai", model = "gpt-5-mini", weight = 3 },
                { provider = "lab", model = "qwen3" },
            ]
            total_timeout_s = 60
            [[models]]
            name = "smart"
            targets = [{ provider = "anthropic", model = "claude-sonnet-4-5" }]
            retries = 0
            "#,
        )
        .unwrap();
        assert_eq!(config.providers[0].concurrent_max, Some(2));
        let [fast, smart] = &config.models[..] else { panic!("two models") };
        assert_eq!((fast.strategy, fast.retries), (Strategy::Weighted, 1));
        assert_eq!(fast.targets.iter().map(|it| it.weight).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(fast.patience.total, Some(Duration::from_mins(1)));
        assert_eq!((smart.strategy, smart.retries), (Strategy::Fallback, 0));
        assert_eq!(smart.targets[0].provider, "anthropic");
    }

    #[test]
    fn mistakes_in_a_model_name_their_place_and_what_would_be_right() {
        let check = |text: &str, place: &str, says: &str| {
            let message = parse(&format!("[[models]]\n{text}")).unwrap_err();
            assert!(message.starts_with(place) && message.contains(says), "{message}");
        };
        let targets = "targets = [{ provider = 'openai', model = 'm' }]";
        check(&format!("name = ''\n{targets}"), "2:8: ", "1 to 256 bytes");
        check(
            &format!("name = 'a'\n{targets}\n[[models]]\nname = 'a'\n{targets}"),
            "5:8: ",
            "stands here twice",
        );
        check(&format!("name = 'a'\nstrategy = 'best'\n{targets}"), "3:12: ", "`latency`");
        check("name = 'a'\ntargets = []", "3:11: ", "needs 1 to 16 targets");
        check("name = 'a'", "1:1: ", "targets");
        check(&format!("name = 'a'\nretries = 6\n{targets}"), "3:11: ", "0 to 5");
        check(&format!("name = 'a'\ntotal_timeout_s = 0\n{targets}"), "3:19: ", "one second");
        let target = |text: &str| format!("name = 'a'\ntargets = [{{ {text} }}]");
        check(&target("provider = 'nobody', model = 'm'"), "3:25: ", "no provider `nobody`");
        check(&target("provider = 'openai', model = ''"), "3:43: ", "provider's name");
        check(&target("provider = 'openai', model = 'm', weight = 2"), "3:57: ", "weighted");
        let unweighted = target("provider = 'openai', model = 'm', weight = 0");
        check(&format!("strategy = 'weighted'\n{unweighted}"), "4:11: ", "whose weight is not 0");
    }

    #[test]
    fn what_only_the_user_knows_is_filled_into_the_catalogues_addresses() {
        let provider = |text: &str| {
            let config = parse(&format!("[[providers]]\n{text}")).unwrap();
            config.providers.into_iter().next().unwrap()
        };
        let bedrock = provider(
            "id = 'amazon-bedrock'\nparameters = { region = 'eu-west-1' }\n\
             api_key = { aws_profile = 'work' }",
        );
        let url = &bedrock.provider.endpoints[0].base_url;
        assert!(url.starts_with("https://bedrock-runtime.eu-west-1.amazonaws.com"), "{url}");
        assert_eq!(bedrock.region.as_deref(), Some("eu-west-1"));
        assert_eq!(bedrock.provider.auth, Auth::Aws);
        assert_eq!(bedrock.credential, Some(CredentialSource::AwsProfile("work".to_owned())));
        let own = provider(
            "id = 'amazon-bedrock'\n\
             base_url = 'https://vpce-1.bedrock-runtime.us-east-2.vpce.amazonaws.com/openai/v1'\n\
             api_key = { aws_env = 'AWS' }",
        );
        assert_eq!(own.region.as_deref(), Some("us-east-2"));
        let vertex = provider(
            "id = 'google-vertex'\nparameters = { region = 'europe-west1', project = 'p-1' }\n\
             api_key = { google = 'default' }",
        );
        assert_eq!(vertex.credential, Some(CredentialSource::Google(None)));
        assert_eq!((vertex.provider.auth, vertex.region), (Auth::Google, None));
        let azure = provider(
            "id = 'azure'\nparameters = { resource = 'lab' }\napi_key = { entra_env = 'AZURE' }",
        );
        let url = &azure.provider.endpoints[0].base_url;
        assert_eq!(url, "https://lab.openai.azure.com/openai/v1");
        assert_eq!(azure.provider.auth, Auth::Entra);
        let text = "id = 'azure'\nparameters = { resource = 'lab' }\napi_version = '2024-10-21'";
        let [chat, responses, vectors] = &provider(text).provider.endpoints[..] else { panic!() };
        for endpoint in [chat, vectors] {
            assert_eq!(endpoint.base_url, "https://lab.openai.azure.com/openai");
            assert_eq!(endpoint.addressing, Addressing::Deployments("2024-10-21".to_owned()));
        }
        assert_eq!(responses.base_url, "https://lab.openai.azure.com/openai/v1");
        let host = |text: &str| {
            let url = provider(text).provider.endpoints[0].base_url.clone();
            url.split_once("/publishers/").unwrap().0.to_owned()
        };
        let world = "id = 'google-vertex-global'\nparameters = { project = 'p' }";
        let path = "/v1/projects/p/locations";
        assert_eq!(host(world), format!("https://aiplatform.googleapis.com{path}/global"));
        let vertex = |region: &str| {
            let names = format!("project = 'p', region = '{region}'");
            format!("id = 'google-vertex'\nparameters = {{ {names} }}")
        };
        let one = format!("https://us-east5-aiplatform.googleapis.com{path}/us-east5");
        assert_eq!(host(&vertex("us-east5")), one);
        let several = format!("https://aiplatform.eu.rep.googleapis.com{path}/eu");
        assert_eq!(host(&vertex("eu")), several);
        let lists = provider(&vertex("us-east5")).provider.lists.unwrap();
        let list = "https://us-east5-aiplatform.googleapis.com/v1beta1/publishers/google/models";
        assert!(lists[0].starts_with(list) && lists.len() == 2, "{lists:?}");
        let elsewhere = "base_url = 'http://127.0.0.1:1/v1'";
        let lists = |id: &str| provider(&format!("id = '{id}'\n{elsewhere}")).provider.lists;
        assert_eq!((lists("cohere"), lists("azure"), lists("openai")), (None, Some(vec![]), None));
    }

    /// What the schema tells editors and what the parser takes are one thing.
    #[test]
    fn the_schema_for_editors_is_what_the_parser_takes() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../../docs/config.schema.json")).unwrap();
        // The parser names the keys it knows when it meets one that it does not.
        let known = |text: &str| -> BTreeSet<String> {
            let message = parse(text).unwrap_err();
            let (_, names) = message.split_once("expected ").unwrap();
            names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let told = |schema: &serde_json::Value| -> BTreeSet<String> {
            schema["properties"].as_object().unwrap().keys().cloned().collect()
        };
        let texts = |list: &serde_json::Value| -> BTreeSet<String> {
            list.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
        };
        let provider = &schema["definitions"]["provider"];
        assert_eq!(told(&schema), known("wrong = 1"));
        assert_eq!(told(&schema["properties"]["ledger"]), known("[ledger]\nwrong = 1"));
        assert_eq!(told(provider), known("[[providers]]\nwrong = 1"));
        let quirks = known("[[providers]]\nid = 'a'\nquirks = { wrong = 1 }");
        assert_eq!(told(&schema["definitions"]["quirks"]), quirks);
        let price = &schema["definitions"]["price"];
        assert_eq!(told(price), known("[[prices]]\nwrong = 1"));
        let own = "[[prices]]\nprovider = 'openai'\nmodel = 'm'\ninput = '1'\n";
        let tier = known(&format!("{own}tiers = [{{ wrong = 1 }}]"));
        let without = |name: &str| tier.iter().filter(|it| *it != name).cloned().collect();
        assert_eq!(told(&schema["definitions"]["priceTier"]), without("tiers"));
        assert_eq!(told(&schema["definitions"]["servicePrice"]), without("above"));
        let definitions = &schema["definitions"];
        assert_eq!(told(&definitions["model"]), known("[[models]]\nwrong = 1"));
        let target = "[[models]]\nname = 'a'\ntargets = [{ wrong = 1 }]";
        assert_eq!(told(&definitions["target"]), known(target));
        let strategies = Strategy::ALL.map(|it| it.name().to_owned()).into();
        assert_eq!(texts(&definitions["model"]["properties"]["strategy"]["enum"]), strategies);
        assert_eq!(definitions["model"]["properties"]["retries"]["maximum"], MODEL_RETRIES_MAX);
        assert_eq!(definitions["model"]["properties"]["targets"]["maxItems"], MODEL_TARGETS_MAX);
        assert_eq!(told(&definitions["rule"]), known("[[rules]]\nwrong = 1"));
        assert_eq!(told(&definitions["budget"]), known("[[budgets]]\nwrong = 1"));
        assert_eq!(told(&schema["properties"]["on_budget"]), known("[on_budget]\nwrong = 1"));
        let export = &schema["properties"]["export"];
        assert_eq!(told(export), known("[export]\nwrong = 1"));
        assert_eq!(told(&export["properties"]["otlp"]), known("[export.otlp]\nwrong = 1"));
        assert_eq!(schema["properties"]["budgets"]["maxItems"], BUDGETS_MAX);
        let formats = Format::ALL.map(|it| it.to_string()).into();
        assert_eq!(texts(&provider["properties"]["format"]["items"]["enum"]), formats);
        let ids = Catalogue::embedded().unwrap().iter().map(|it| it.id.clone()).collect();
        assert_eq!(texts(&provider["properties"]["id"]["anyOf"][0]["enum"]), ids);
        for name in ["first_byte_timeout_s", "idle_timeout_s"] {
            assert_eq!(provider["properties"][name]["minimum"], 1);
        }
    }

    #[test]
    fn a_key_in_the_file_is_refused_and_not_repeated() {
        let message = parse("[[providers]]\nid = 'openai'\napi_key = 'sk-abc'").unwrap_err();
        assert!(message.starts_with("3:11: ") && !message.contains("sk-abc"), "{message}");
    }
}
