//! What can change while the gateway runs, swapped whole.

use std::sync::Arc;

use tollgate_core::{Format, Secret, price::PriceBook, provider::Provider};
use tollgate_wire::format_row;

use crate::Timeouts;

/// A provider as this gateway uses it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The row of the catalogue, with the user's configuration laid over it.
    pub provider: Provider,
    /// The configured credential. It replaces the client's; `None` lets the client's own pass.
    pub credential: Option<Secret>,
    /// Whether this is the built-in simulator: nobody is billed.
    pub simulated: bool,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// The providers, who serves which format, and what it costs.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The providers; their ids differ.
    pub targets: Vec<Target>,
    /// Which provider serves a format on the paths that name none (`/v1/…`, `/v1beta/…`). A format
    /// that is not listed has none, and its calls are refused.
    pub defaults: Vec<(Format, String)>,
    /// Providers that are configured and cannot be called now, by id, each with the reason that its
    /// calls are refused with.
    pub unavailable: Vec<(String, String)>,
    /// What the calls cost.
    pub prices: Arc<PriceBook>,
}

impl Snapshot {
    /// A snapshot in which each format is served by the provider whose SDK speaks it, where that
    /// is among `targets`.
    #[must_use]
    pub fn new(targets: Vec<Target>, prices: Arc<PriceBook>) -> Self {
        let usual = Format::ALL.map(|format| (format, format_row(format).default_provider));
        let there = |id: &str| targets.iter().any(|it| it.provider.id == id);
        let defaults = usual.into_iter().filter(|(_, id)| there(id));
        let defaults = defaults.map(|(format, id)| (format, id.to_owned())).collect();
        Self { targets, defaults, unavailable: Vec::new(), prices }
    }
}
