//! `tollgate providers import`: keys that are on this machine already.

use std::collections::BTreeSet;

use anyhow::Result;
use tollgate_app::{
    config::{
        Config, CredentialSource,
        edit::{NewProvider, add_provider},
    },
    credentials::{self, import as found},
};
use tollgate_core::provider::Catalogue;

use super::{
    credentials::{agreed, file, tell_place, unlocked},
    providers::tell_gateway,
};
use crate::output;

/// Whether what was found may be taken over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// It is only shown.
    Withheld,
    /// It is asked for.
    Asked,
    /// It was given.
    Given,
}

/// Shows the keys that were found, and stores them where that is agreed to: one for each provider, the
/// first, unless the configuration has one already.
pub(super) fn import(consent: Consent) -> Result<()> {
    let catalogue = Catalogue::embedded()?;
    let config_path = super::paths()?.config;
    let config = Config::load(&config_path, &catalogue)?;
    let found = found::find(&catalogue, &*super::environment());
    if found.is_empty() {
        output::note(
            "No keys were found in the environment, nor in the settings of tools that are known.",
        );
        return Ok(());
    }
    let mut wanted = Vec::new();
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for it in &found {
        let configured = config.providers.iter().any(|own| own.provider.id == it.provider);
        let becomes = match (configured, seen.insert(it.provider.as_str())) {
            (true, _) => "left: the configuration has this provider",
            (false, false) => "left: the one above is taken",
            (false, true) => {
                wanted.push(it);
                "to be stored"
            }
        };
        let becomes = becomes.to_owned();
        rows.push(vec![it.provider.clone(), it.masked(), it.place.clone(), becomes]);
    }
    output::table(&["provider", "key", "found in", ""], rows.into_iter())?;
    if wanted.is_empty() || consent == Consent::Withheld {
        return Ok(());
    }
    let question = "Store these keys, and have the gateway use them in place of the clients' own?";
    if consent == Consent::Asked && !agreed(question)? {
        output::note("Nothing was stored.");
        return Ok(());
    }
    let file = file()?;
    for it in wanted {
        let place = unlocked(&file, |file| credentials::store(file, &it.provider, &it.key))?;
        let entry = NewProvider {
            id: it.provider.clone(),
            credential: Some(CredentialSource::Keyring(it.provider.clone())),
            ..NewProvider::default()
        };
        add_provider(&config_path, &catalogue, &entry)?;
        output::note(&format!("`{}`:", it.provider));
        tell_place(&file, &place);
    }
    output::note("They stay where they were found: remove them there if you want them here alone.");
    tell_gateway()
}
