//! What can change while the gateway runs, swapped whole.

use std::{sync::Arc, time::Duration};

use tollgate_core::{
    Format, Secret, budget::BudgetSet, price::PriceBook, provider::Provider, routing::Strategy,
};
use tollgate_wire::format_row;

use crate::{Blocks, CacheSettings, GuardrailSet, Keyless, LocalKeys, RuleSet, Signing, Timeouts};

/// A provider as this gateway uses it.
#[derive(Clone, Debug)]
pub struct ProviderSetup {
    /// The row of the catalogue, with the user's configuration laid over it.
    pub provider: Provider,
    /// The configured credential. It replaces the client's; `None` lets the client's own pass.
    pub credential: Option<Secret>,
    /// Whether this is the built-in simulator: nobody is billed.
    pub simulated: bool,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// How many calls it may have at once; further ones wait for their turn. `None` is no limit.
    pub concurrent_max: Option<usize>,
    /// How its requests are signed, in place of a `credential`.
    pub signing: Option<Signing>,
}

impl ProviderSetup {
    /// A provider as the catalogue has it: with the client's own credential and the usual limits.
    #[must_use]
    pub fn new(provider: Provider) -> Self {
        Self {
            provider,
            credential: None,
            simulated: false,
            timeouts: Timeouts::default(),
            concurrent_max: None,
            signing: None,
        }
    }
}

/// A model of the user's own making: a name that clients ask for, and who can serve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What clients ask for.
    pub name: String,
    /// In which order its targets are tried.
    pub strategy: Strategy,
    /// Who can serve it; at least one.
    pub targets: Vec<Target>,
    /// How often one target is tried again after a passing failure.
    pub retries: u32,
    /// How long its calls may take.
    pub patience: ModelPatience,
}

/// One provider's model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The provider's id.
    pub provider: String,
    /// The model by the provider's name.
    pub model: String,
    /// How often it is the first to be tried, relative to the others'; for [`Strategy::Weighted`].
    pub weight: u32,
}

/// How long the calls of a model may take, where that differs from what their providers may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelPatience {
    /// For a new connection to a target: resolving, connecting and TLS together.
    pub connect: Option<Duration>,
    /// For a target's status line.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer.
    pub idle: Option<Duration>,
    /// From the request to the last byte of the answer, over all attempts.
    pub total: Option<Duration>,
}

/// The providers, the models, who serves which format, and what it costs.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The providers; their ids differ.
    pub providers: Vec<ProviderSetup>,
    /// Which provider serves a format on the paths that name none (`/v1/…`, `/v1beta/…`). A format
    /// that is not listed has none, and its calls are refused.
    pub defaults: Vec<(Format, String)>,
    /// The models of the user's own making; their names differ.
    pub models: Vec<Model>,
    /// Providers that are configured and cannot be called now, by id, each with the reason that its
    /// calls are refused with.
    pub unavailable: Vec<(String, String)>,
    /// What the calls cost.
    pub prices: Arc<PriceBook>,
    /// What is to be done with certain calls.
    pub rules: Arc<RuleSet>,
    /// The local keys.
    pub keys: Arc<LocalKeys>,
    /// Who is served without one.
    pub keyless: Keyless,
    /// Whose calls are refused at once.
    pub blocks: Blocks,
    /// What is looked for in certain calls.
    pub guardrails: Arc<GuardrailSet>,
    /// How much certain calls may come to.
    pub budgets: BudgetSet,
    /// Which answers are cached.
    pub cache: CacheSettings,
}

impl Snapshot {
    /// A snapshot in which each format is served by the provider whose SDK speaks it, where that
    /// is among `providers`. Nobody is served by it without a local key, and it has none.
    #[must_use]
    pub fn new(providers: Vec<ProviderSetup>, prices: Arc<PriceBook>) -> Self {
        let usual = Format::ALL.map(|format| (format, format_row(format).default_provider));
        let there = |id: &str| providers.iter().any(|it| it.provider.id == id);
        let defaults = usual.into_iter().filter(|(_, id)| there(id));
        let defaults = defaults.map(|(format, id)| (format, id.to_owned())).collect();
        Self { providers, defaults, prices, ..Self::default() }
    }
}
