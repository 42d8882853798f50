//! The models of the user's own making, and in which order their targets are tried.

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;
use tollgate_core::{Format, PicoUsd, UnixMs, Usage, cost, price::PriceBook, routing::Strategy};

use crate::{
    Model, ModelPatience, Target,
    destination::Destination,
    health::{Condition, Health},
    limits::{COST_OUTPUT_TOKENS, MODEL_RETRIES, REQUEST_BYTES_PER_TOKEN},
};

/// A [`Model`] made ready for calls.
pub(crate) struct ServedModel {
    pub(crate) name: Arc<str>,
    pub(crate) strategy: Strategy,
    pub(crate) retries: u32,
    pub(crate) patience: ModelPatience,
    pub(crate) targets: Vec<ServedTarget>,
}

/// One of its targets.
pub(crate) struct ServedTarget {
    pub(crate) provider: Arc<str>,
    /// The provider; or why it cannot be called.
    pub(crate) destination: Result<Arc<Destination>, String>,
    pub(crate) model: Arc<str>,
    pub(crate) weight: u32,
    pub(crate) health: Arc<Health>,
}

/// A configured model, as it is at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelStatus {
    /// What clients ask for.
    pub name: String,
    /// In which order its targets are tried.
    pub strategy: Strategy,
    /// Its targets, as they are listed.
    pub targets: Vec<TargetStatus>,
}

/// A target, as it is at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// The provider and its model.
    pub target: Target,
    /// Why it cannot be called at all.
    pub unavailable: Option<String>,
    /// Whether it has no credential of its own, so that only calls of clients that mean this
    /// provider can be made, with theirs.
    pub clients_key: bool,
    /// How it has done lately.
    pub condition: Condition,
}

/// The health of every target, by provider and model.
pub(crate) type Healths = HashMap<(Arc<str>, Arc<str>), Arc<Health>>;

/// What the order may depend on.
pub(crate) struct Conditions<'a> {
    pub(crate) now: Instant,
    pub(crate) at: UnixMs,
    pub(crate) prices: &'a PriceBook,
    pub(crate) request_bytes: usize,
    /// Any number.
    pub(crate) random: u64,
}

impl ServedModel {
    /// `find` gives a provider, or why it cannot be called; what `healths` knows of a target is
    /// kept.
    pub(crate) fn new(
        model: Model,
        find: impl Fn(&str) -> Result<Arc<Destination>, String>,
        healths: &mut Healths,
    ) -> Self {
        let targets = model.targets.into_iter().map(|target| {
            let provider: Arc<str> = target.provider.into();
            let name: Arc<str> = target.model.into();
            let health = healths.entry((Arc::clone(&provider), Arc::clone(&name))).or_default();
            ServedTarget {
                destination: find(&provider),
                health: Arc::clone(health),
                provider,
                model: name,
                weight: target.weight,
            }
        });
        Self {
            targets: targets.collect(),
            name: model.name.into(),
            strategy: model.strategy,
            retries: model.retries,
            patience: model.patience,
        }
    }

    /// A provider's own model, which clients ask for by `name`.
    pub(crate) fn of_provider(name: &str, target: ServedTarget) -> Self {
        Self {
            name: name.into(),
            strategy: Strategy::Fallback,
            retries: MODEL_RETRIES,
            patience: ModelPatience::default(),
            targets: vec![target],
        }
    }

    /// Whether one of its targets does not speak this format.
    pub(crate) fn translates(&self, format: Format) -> bool {
        self.targets
            .iter()
            .any(|it| it.destination.as_ref().is_ok_and(|there| !there.speaks(format, &it.model)))
    }

    /// How it is. `is_default` knows the providers that clients of some format mean.
    pub(crate) fn status(&self, now: Instant, is_default: impl Fn(&str) -> bool) -> ModelStatus {
        let keyless = |it: &ServedTarget| it.destination.as_ref().is_ok_and(|it| !it.is_ready());
        let targets = self.targets.iter().map(|it| TargetStatus {
            clients_key: keyless(it) && is_default(&it.provider),
            target: Target {
                provider: it.provider.as_ref().to_owned(),
                model: it.model.as_ref().to_owned(),
                weight: it.weight,
            },
            unavailable: match &it.destination {
                Err(why) => Some(why.clone()),
                Ok(_) if keyless(it) && !is_default(&it.provider) => {
                    Some("no credential is configured".to_owned())
                }
                Ok(_) => None,
            },
            condition: it.health.condition(now),
        });
        ModelStatus {
            name: self.name.as_ref().to_owned(),
            strategy: self.strategy,
            targets: targets.collect(),
        }
    }

    /// The targets in the order in which they are tried.
    pub(crate) fn order(&self, conditions: &Conditions<'_>) -> Vec<&ServedTarget> {
        let mut order: Vec<&ServedTarget> = self.targets.iter().collect();
        match self.strategy {
            Strategy::Fallback => {}
            Strategy::Weighted => {
                if let Some(first) = drawn(&self.targets, conditions.random) {
                    // The others keep their order behind it.
                    order.get_mut(..=first).unwrap_or_default().rotate_right(1);
                }
            }
            Strategy::Latency => {
                order.sort_by_cached_key(|it| it.health.expected(conditions.now));
            }
            Strategy::Cost => order.sort_by_cached_key(|it| {
                let cost = expected_cost(it, conditions);
                (cost.is_none(), cost)
            }),
        }
        order
    }
}

/// The place of the target that `random` falls on.
fn drawn(targets: &[ServedTarget], random: u64) -> Option<usize> {
    let all: u64 = targets.iter().map(|it| u64::from(it.weight)).sum();
    let mut left = random.checked_rem(all)?;
    targets.iter().position(|it| {
        let weight = u64::from(it.weight);
        let here = left < weight;
        left = left.saturating_sub(weight);
        here
    })
}

/// What such a call would about cost there: its bytes as tokens of input, and an answer of usual
/// length. `None`: its price is not known.
fn expected_cost(target: &ServedTarget, conditions: &Conditions<'_>) -> Option<PicoUsd> {
    let row = conditions.prices.find(&target.provider, &target.model, conditions.at)?;
    let input = u64::try_from(conditions.request_bytes / REQUEST_BYTES_PER_TOKEN).ok()?;
    let usage = Usage { input: Some(input), output: Some(COST_OUTPUT_TOKENS), ..Usage::default() };
    cost::price(&usage, None, row).ok().map(|it| it.total)
}

#[cfg(test)]
mod tests {
    use tollgate_core::{provider::Catalogue, routing::Strategy};

    use super::*;
    use crate::ProviderSetup;

    fn model(strategy: Strategy, targets: &[(&str, &str, u32)]) -> ServedModel {
        let catalogue = Catalogue::embedded().unwrap();
        let find = |id: &str| {
            let provider = catalogue.get(id).cloned().ok_or("nobody knows it")?;
            let setup = ProviderSetup::new(provider);
            Ok(Arc::new(Destination::new(setup, None).unwrap()))
        };
        let targets = targets.iter().map(|(provider, model, weight)| Target {
            provider: (*provider).to_owned(),
            model: (*model).to_owned(),
            weight: *weight,
        });
        let model = Model {
            name: "fast".to_owned(),
            strategy,
            targets: targets.collect(),
            retries: 0,
            patience: ModelPatience::default(),
        };
        ServedModel::new(model, find, &mut Healths::new())
    }

    fn order(model: &ServedModel, random: u64) -> Vec<&str> {
        let prices = PriceBook::embedded().unwrap();
        let conditions = Conditions {
            now: Instant::now(),
            at: UnixMs(1_793_491_200_000),
            prices: &prices,
            request_bytes: 4_000,
            random,
        };
        model.order(&conditions).into_iter().map(|it| &*it.model).collect()
    }

    #[test]
    fn targets_are_tried_in_the_order_that_the_strategy_says() {
        let targets = [("openai", "gpt-5", 1), ("openai", "gpt-5-nano", 2), ("groq", "huh", 0)];
        let fallback = model(Strategy::Fallback, &targets);
        assert_eq!(order(&fallback, 1), ["gpt-5", "gpt-5-nano", "huh"]);

        let weighted = model(Strategy::Weighted, &targets);
        assert_eq!(order(&weighted, 0), ["gpt-5", "gpt-5-nano", "huh"]);
        assert_eq!(order(&weighted, 1), ["gpt-5-nano", "gpt-5", "huh"]);
        assert_eq!(order(&weighted, 2), ["gpt-5-nano", "gpt-5", "huh"]);
        assert_eq!(order(&weighted, 3), order(&weighted, 0));

        // A price that is not known comes last: it may be any.
        let unpriced_first = [targets[2], targets[0], targets[1]];
        let cost = model(Strategy::Cost, &unpriced_first);
        assert_eq!(order(&cost, 0), ["gpt-5-nano", "gpt-5", "huh"]);

        let latency = model(Strategy::Latency, &targets);
        assert_eq!(order(&latency, 0), ["gpt-5", "gpt-5-nano", "huh"]);
        let took = |place: usize, ms: u64| {
            let pass = latency.targets[place].health.pass(Instant::now()).unwrap();
            pass.succeeded(std::time::Duration::from_millis(ms), Instant::now());
        };
        took(0, 900);
        assert_eq!(order(&latency, 0), ["gpt-5-nano", "huh", "gpt-5"], "unknown ones are explored");
        took(1, 300);
        took(2, 1_500);
        assert_eq!(order(&latency, 0), ["gpt-5-nano", "gpt-5", "huh"]);
    }

    #[test]
    fn what_was_learned_of_a_target_outlives_the_configuration() {
        let mut healths = Healths::new();
        let nobody = |_: &str| Err("locked".to_owned());
        let model = || Model {
            name: "fast".to_owned(),
            strategy: Strategy::Fallback,
            targets: vec![Target { provider: "a".to_owned(), model: "b".to_owned(), weight: 1 }],
            retries: 0,
            patience: ModelPatience::default(),
        };
        let first = ServedModel::new(model(), nobody, &mut healths);
        first.targets[0].health.pass_anyway().failed(None, Instant::now());
        let second = ServedModel::new(model(), nobody, &mut healths);
        let status = second.status(Instant::now(), |_| false);
        assert_eq!(status.targets[0].condition.failures, 1);
        assert_eq!(status.targets[0].unavailable.as_deref(), Some("locked"));
    }
}
