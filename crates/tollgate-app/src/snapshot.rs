//! From the configuration to what the gateway serves by.

use std::{net::SocketAddr, sync::Arc};

use http::uri::Authority;
use tollgate_core::{
    Format,
    price::PriceBook,
    provider::{Catalogue, Endpoint, Provider},
};
use tollgate_gateway::{Snapshot, Target, Timeouts};

use crate::{
    config::{Config, CredentialSource, ProviderConfig},
    credentials,
};

/// The providers that the simulator stands in for, with the formats it speaks for each.
const SIMULATED: [(&str, &[Format]); 3] = [
    ("openai", &[Format::OpenaiChat, Format::OpenaiResponses, Format::OpenaiEmbeddings]),
    ("anthropic", &[Format::AnthropicMessages]),
    ("google", &[Format::Gemini]),
];

/// Something of the configuration that could not be followed. The gateway serves without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotProblem {
    /// The provider's id.
    pub provider: String,
    /// What went wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Lays the configuration over the catalogue and fetches credentials. Blocks while it asks the
/// keyring.
pub(crate) fn make(
    config: &Config,
    catalogue: &Catalogue,
    prices: Arc<PriceBook>,
    simulator: Option<SocketAddr>,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Snapshot, Vec<SnapshotProblem>) {
    let mut problems = Vec::new();
    let mut targets: Vec<Target> = catalogue
        .iter()
        .filter(|it| !it.needs_base_url())
        .filter(|it| !config.providers.iter().any(|own| own.provider.id == it.id))
        .map(|it| target(it.clone()))
        .collect();
    for own in &config.providers {
        match with_credential(own, env) {
            Ok(it) => targets.push(it),
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(addr) = simulator {
        for (id, formats) in SIMULATED {
            for target in targets.iter_mut().filter(|it| it.provider.id == id) {
                target.provider.endpoints = simulated_endpoints(addr, formats);
                target.credential = None;
                target.simulated = true;
            }
        }
        // Nothing may leave the machine while the demo runs.
        targets.retain(|it| it.simulated);
    }
    (Snapshot::new(targets, prices), problems)
}

/// The hosts, with their ports where they are not the usual ones, that the gateway calls.
pub(crate) fn authorities(snapshot: &Snapshot) -> Vec<Authority> {
    let endpoints = snapshot.targets.iter().flat_map(|it| &it.provider.endpoints);
    let uris = endpoints.filter_map(|it| it.base_url.parse::<http::Uri>().ok());
    uris.filter_map(|it| it.authority().cloned()).collect()
}

fn simulated_endpoints(addr: SocketAddr, formats: &[Format]) -> Vec<Endpoint> {
    let endpoint = |format: &Format| Endpoint {
        format: *format,
        base_url: match format {
            Format::Gemini => format!("http://{addr}"),
            Format::OpenaiChat
            | Format::OpenaiResponses
            | Format::OpenaiEmbeddings
            | Format::AnthropicMessages => format!("http://{addr}/v1"),
        },
    };
    formats.iter().map(endpoint).collect()
}

fn target(provider: Provider) -> Target {
    Target { provider, credential: None, simulated: false, timeouts: Timeouts::default() }
}

/// A provider whose credential cannot be had is left out: the client's own key must not go where
/// another was meant to.
fn with_credential(
    own: &ProviderConfig,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Target, SnapshotProblem> {
    let credential = own.credential.as_ref().map(|it| credentials::read(it, env));
    let credential = credential.transpose().map_err(|err| SnapshotProblem {
        provider: own.provider.id.clone(),
        problem: err.to_string(),
        remedy: match &own.credential {
            Some(CredentialSource::Env(name)) => format!("set `{name}` and restart"),
            Some(CredentialSource::Keyring(name)) => {
                format!("store it with `tollgate providers login {name}` and restart")
            }
            None => String::new(),
        },
    })?;
    let mut target = target(own.provider.clone());
    target.credential = credential;
    let default = Timeouts::default();
    target.timeouts = Timeouts {
        first_byte: own.patience.first_byte.unwrap_or(default.first_byte),
        idle: own.patience.idle.unwrap_or(default.idle),
    };
    Ok(target)
}
