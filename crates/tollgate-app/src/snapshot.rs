//! From the configuration to what the gateway serves by.

use std::{net::SocketAddr, sync::Arc};

use http::uri::Authority;
use tollgate_core::{
    Format, LocalKey, Secret,
    price::PriceBook,
    provider::{Catalogue, Endpoint},
};
use tollgate_gateway::{Keyless, LocalKeys, ProviderSetup, Snapshot, Timeouts};

use crate::{
    config::{Config, CredentialSource, ProviderConfig},
    credentials::{CredentialError, Keys},
    settings::{Problem, Severity},
    signing::{self, Found},
    start::Environment,
};

/// The providers that the simulator stands in for, with the formats it speaks for each.
const SIMULATED: [(&str, &[Format]); 3] = [
    ("openai", &[Format::OpenaiChat, Format::OpenaiResponses, Format::OpenaiEmbeddings]),
    ("anthropic", &[Format::AnthropicMessages]),
    ("google", &[Format::Gemini]),
];

/// Lays the configuration over the catalogue, and says what of it cannot be followed.
pub(crate) fn make(
    config: &Config,
    catalogue: &Catalogue,
    prices: Arc<PriceBook>,
    simulator: Option<SocketAddr>,
    keys: &Keys,
    env: &Environment,
    local_keys: Vec<LocalKey>,
) -> (Snapshot, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut unavailable = Vec::new();
    let mut providers: Vec<ProviderSetup> = catalogue
        .iter()
        .filter(|it| !it.needs_base_url())
        .filter(|it| !config.providers.iter().any(|own| own.provider.id == it.id))
        .map(|it| ProviderSetup::new(it.clone()))
        .collect();
    for own in &config.providers {
        let found = match simulator {
            // The simulator takes any key, and must not be shown a real one.
            Some(_) => Ok(Found::Nothing),
            None => signing::found(own, keys, env),
        };
        match found {
            Ok(found) => providers.push(configured(own, found)),
            Err(err) => {
                let problem = without_key(own, &err);
                let reason = format!("{}: {} ({})", problem.name, problem.found, problem.remedy);
                unavailable.push((own.provider.id.clone(), reason));
                problems.push(problem);
            }
        }
    }
    if let Some(addr) = simulator {
        for (id, formats) in SIMULATED {
            for setup in providers.iter_mut().filter(|it| it.provider.id == id) {
                setup.provider.endpoints = simulated_endpoints(addr, formats);
                setup.simulated = true;
                // It takes any key: so a call with a local key, or with none, is answered too, and a
                // client's own stays here.
                setup.credential = Some(Secret::new("simulated".to_owned()));
            }
        }
        // Nothing may leave the machine while the demo runs.
        providers.retain(|it| it.simulated);
    }
    let models = config.models.clone();
    let rules = Arc::clone(&config.rules);
    let keyless = if config.require_keys {
        Keyless::Nobody
    } else {
        Keyless::User(rustix::process::geteuid().as_raw())
    };
    let snapshot = Snapshot {
        models,
        unavailable,
        rules,
        budgets: config.budgets.clone(),
        cache: config.cache.clone(),
        keys: Arc::new(LocalKeys::new(local_keys)),
        keyless,
        ..Snapshot::new(providers, prices)
    };
    (snapshot, problems)
}

/// The hosts, with their ports where they are not the usual ones, that the gateway calls.
pub(crate) fn authorities(snapshot: &Snapshot) -> Vec<Authority> {
    let endpoints = snapshot.providers.iter().flat_map(|it| &it.provider.endpoints);
    let uris = endpoints.filter_map(|it| it.base_url.parse::<http::Uri>().ok());
    uris.filter_map(|it| it.authority().cloned()).collect()
}

fn simulated_endpoints(addr: SocketAddr, formats: &[Format]) -> Vec<Endpoint> {
    let endpoint = |format: &Format| {
        let base_url = match format {
            Format::Gemini | Format::BedrockConverse => format!("http://{addr}"),
            Format::CohereEmbed => format!("http://{addr}/v2"),
            Format::OllamaEmbed => format!("http://{addr}/api"),
            Format::OpenaiChat
            | Format::OpenaiResponses
            | Format::OpenaiEmbeddings
            | Format::AnthropicMessages => format!("http://{addr}/v1"),
        };
        Endpoint::new(*format, base_url)
    };
    formats.iter().map(endpoint).collect()
}

fn configured(own: &ProviderConfig, found: Found) -> ProviderSetup {
    let (credential, signing) = match found {
        Found::Nothing => (None, None),
        Found::Key(key) => (Some(key), None),
        Found::Signing(signing) => (None, Some(signing)),
    };
    let default = Timeouts::default();
    ProviderSetup {
        credential,
        signing,
        concurrent_max: own.concurrent_max,
        timeouts: Timeouts {
            first_byte: own.patience.first_byte.unwrap_or(default.first_byte),
            idle: own.patience.idle.unwrap_or(default.idle),
        },
        ..ProviderSetup::new(own.provider.clone())
    }
}

/// A provider whose credential cannot be had is not called: the client's own key must not go where
/// another was meant to.
fn without_key(own: &ProviderConfig, err: &CredentialError) -> Problem {
    let remedy = match (&own.credential, err) {
        (Some(CredentialSource::Env(name)), _) => format!("set `{name}` and restart"),
        (Some(CredentialSource::Keyring(_)), CredentialError::KeyringSilent) => {
            "unlock the keyring".to_owned()
        }
        (
            Some(CredentialSource::Keyring(_)),
            CredentialError::FileLocked | CredentialError::WrongPassphrase,
        ) => "unlock it with `tollgate providers unlock`".to_owned(),
        (Some(CredentialSource::Keyring(name)), CredentialError::CredentialFile { path, .. }) => {
            format!("mend `{path}`, or remove it and run `tollgate providers login {name}`")
        }
        (Some(CredentialSource::Keyring(name)), _) => {
            format!("store it with `tollgate providers login {name}`")
        }
        (Some(CredentialSource::AwsEnv(prefix)), _) => {
            format!("set `{prefix}_ACCESS_KEY_ID` and `{prefix}_SECRET_ACCESS_KEY`, and restart")
        }
        (Some(CredentialSource::EntraEnv(prefix)), _) => format!(
            "set `{prefix}_TENANT_ID`, `{prefix}_CLIENT_ID` and `{prefix}_CLIENT_SECRET`, and restart"
        ),
        (Some(CredentialSource::Google(None)), _) => {
            "log in with `gcloud auth application-default login`, then save the configuration again"
                .to_owned()
        }
        (Some(CredentialSource::Google(Some(_)) | CredentialSource::AwsProfile(_)), _) => {
            "mend the file, then save the configuration again".to_owned()
        }
        (Some(CredentialSource::GoogleMetadata), _) => {
            "correct `GCE_METADATA_HOST` and restart".to_owned()
        }
        (Some(CredentialSource::EntraManaged(_)), _) => {
            "correct `entra_managed`, or `IDENTITY_ENDPOINT` and restart".to_owned()
        }
        (Some(CredentialSource::EntraCli(_)), _) => "correct `entra_cli`".to_owned(),
        // It is looked for with each call.
        (Some(CredentialSource::Aws) | None, _) => String::new(),
    };
    Problem {
        name: Problem::name_of_provider(&own.provider.id),
        severity: Severity::Error,
        found: err.to_string(),
        remedy,
    }
}
