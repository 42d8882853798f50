//! The hits of one call, gathered from its request and its answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tollgate_core::guardrail::{GuardAction, Hit};

use super::limits::HITS_MAX;

/// The rule's name in the hit that says how many others there were.
const MORE: &str = "more";

/// The hits of a call. Clones share them: the answer's are found when the call is on its way already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hits(Arc<Mutex<Vec<Hit>>>);

impl Hits {
    /// Adds a hit; one of the same text by the same rule on the same side counts there. `times` of a hit
    /// that is known already are added with [`Again::Counts`].
    pub(super) fn add(&self, hit: Hit, again: Again) {
        let mut hits = self.hits();
        let same = |it: &&mut Hit| {
            it.fingerprint == hit.fingerprint
                && it.rule == hit.rule
                && it.side == hit.side
                && it.guardrail == hit.guardrail
                && (hit.fingerprint.is_some() || it.place == hit.place)
        };
        if let Some(known) = hits.iter_mut().find(same) {
            match again {
                Again::Counts => known.times = known.times.saturating_add(hit.times),
                Again::Repeats => known.times = known.times.max(hit.times),
            }
            return;
        }
        if hits.len() < HITS_MAX {
            hits.push(hit);
            return;
        }
        match hits.last_mut() {
            Some(last) if last.rule == MORE => last.times = last.times.saturating_add(1),
            Some(_) | None => hits.push(Hit {
                rule: MORE.to_owned(),
                action: GuardAction::Log,
                times: 1,
                snippet: None,
                fingerprint: None,
                ..hit
            }),
        }
    }

    /// The hits so far.
    pub(crate) fn take(&self) -> Vec<Hit> {
        std::mem::take(&mut *self.hits())
    }

    /// The names of the guardrails that warn, each once.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for hit in self.hits().iter().filter(|it| it.action == GuardAction::Warn) {
            if !names.contains(&hit.guardrail) {
                names.push(hit.guardrail.clone());
            }
        }
        names
    }

    /// A list of hits is whole whatever panicked beside it.
    fn hits(&self) -> MutexGuard<'_, Vec<Hit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What it means that a text is found once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It was said once more.
    Counts,
    /// The format repeats what was said.
    Repeats,
}
