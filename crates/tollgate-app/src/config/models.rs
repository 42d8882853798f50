//! The user's own models: names that clients ask for, and who serves them.

use std::time::Duration;

use serde::Deserialize;
use tollgate_core::routing::Strategy;
use tollgate_gateway::{
    MODEL_RETRIES, MODEL_RETRIES_MAX, MODEL_TARGETS_MAX, Model, ModelPatience, Target,
};
use toml::Spanned;

use super::{Mistake, cache::RawCaching, one_of, valid_timeout};

/// The longest name, in bytes: what the ledger keeps of one.
const NAME_BYTES_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    name: Spanned<String>,
    strategy: Option<Spanned<String>>,
    targets: Spanned<Vec<RawTarget>>,
    retries: Option<Spanned<u32>>,
    connect_timeout_s: Option<Spanned<u64>>,
    first_byte_timeout_s: Option<Spanned<u64>>,
    idle_timeout_s: Option<Spanned<u64>>,
    total_timeout_s: Option<Spanned<u64>>,
    cache: Option<RawCaching>,
}

impl RawModel {
    pub(super) fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// How its calls use the cache.
    pub(super) const fn cache(&self) -> Option<&RawCaching> {
        self.cache.as_ref()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget {
    provider: Spanned<String>,
    model: Spanned<String>,
    weight: Option<Spanned<u32>>,
}

/// Checks the models; `is_known` knows every provider's id.
pub(super) fn valid_models(
    raw: Vec<RawModel>,
    is_known: impl Fn(&str) -> bool,
) -> Result<Vec<Model>, Mistake> {
    let mut models: Vec<Model> = Vec::with_capacity(raw.len());
    for it in raw {
        let name = &it.name;
        if models.iter().any(|known| known.name == *name.get_ref()) {
            let message = format!("model `{}` stands here twice", name.get_ref());
            return Err(Mistake::new(name, message));
        }
        models.push(valid_model(&it, &is_known)?);
    }
    Ok(models)
}

fn valid_model(raw: &RawModel, is_known: impl Fn(&str) -> bool) -> Result<Model, Mistake> {
    let name = raw.name.get_ref();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let message = format!("a model's name has 1 to {NAME_BYTES_MAX} bytes and is one line");
        return Err(Mistake::new(&raw.name, message));
    }
    let strategy = raw.strategy.as_ref().map(valid_strategy).transpose()?.unwrap_or_default();
    let targets = raw.targets.get_ref();
    if targets.is_empty() || targets.len() > MODEL_TARGETS_MAX {
        let message = format!("model `{name}` needs 1 to {MODEL_TARGETS_MAX} targets");
        return Err(Mistake::new(&raw.targets, message));
    }
    let targets = targets.iter().map(|it| valid_target(it, strategy, &is_known));
    let targets = targets.collect::<Result<Vec<_>, _>>()?;
    if targets.iter().all(|it| it.weight == 0) {
        let message = format!("model `{name}` needs a target whose weight is not 0");
        return Err(Mistake::new(&raw.targets, message));
    }
    let retries = match &raw.retries {
        None => MODEL_RETRIES,
        Some(it) if *it.get_ref() <= MODEL_RETRIES_MAX => *it.get_ref(),
        Some(it) => {
            let message = format!("`retries` is 0 to {MODEL_RETRIES_MAX}");
            return Err(Mistake::new(it, message));
        }
    };
    let seconds = |it: &Option<Spanned<u64>>| -> Result<Option<Duration>, Mistake> {
        it.as_ref().map(valid_timeout).transpose()
    };
    let patience = ModelPatience {
        connect: seconds(&raw.connect_timeout_s)?,
        first_byte: seconds(&raw.first_byte_timeout_s)?,
        idle: seconds(&raw.idle_timeout_s)?,
        total: seconds(&raw.total_timeout_s)?,
    };
    Ok(Model { name: name.clone(), strategy, targets, retries, patience })
}

fn valid_strategy(name: &Spanned<String>) -> Result<Strategy, Mistake> {
    one_of(name, Strategy::ALL, Strategy::name, |text, names| {
        format!("no strategy `{text}`: use {names}")
    })
}

fn valid_target(
    raw: &RawTarget,
    strategy: Strategy,
    is_known: impl Fn(&str) -> bool,
) -> Result<Target, Mistake> {
    let provider = raw.provider.get_ref();
    if !is_known(provider) {
        let message = format!(
            "no provider `{provider}`: it is neither in the catalogue (`tollgate providers list`) \
             nor among `[[providers]]`"
        );
        return Err(Mistake::new(&raw.provider, message));
    }
    if raw.model.get_ref().is_empty() {
        let message = "`model` is the provider's name for the model".to_owned();
        return Err(Mistake::new(&raw.model, message));
    }
    if let Some(weight) = &raw.weight
        && strategy != Strategy::Weighted
    {
        let message = "`weight` is for `strategy = \"weighted\"`".to_owned();
        return Err(Mistake::new(weight, message));
    }
    Ok(Target {
        provider: provider.clone(),
        model: raw.model.get_ref().clone(),
        weight: raw.weight.as_ref().map_or(1, |it| *it.get_ref()),
    })
}
