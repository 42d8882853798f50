//! How often a rule fired, and when it last did.

use std::sync::{Arc, Mutex, PoisonError};

use tollgate_core::{CallId, UnixMs};

use super::{RuleSet, Verdict};

/// What a rule did since it is in force as it stands. Kept in memory: a start begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleHistory {
    /// Calls that it fired for.
    pub fired: u64,
    /// Calls that its condition could not be evaluated for.
    pub failed: u64,
    /// The call that it fired for last, and when that began.
    pub last: Option<(CallId, UnixMs)>,
}

/// The histories of rules, in their order.
pub(super) type Histories = Arc<[Arc<Mutex<RuleHistory>>]>;

/// Histories of so many rules, in which nothing has happened yet.
pub(super) fn begun(rules: usize) -> Histories {
    (0..rules).map(|_| Arc::default()).collect()
}

impl RuleSet {
    /// What the rules did, in their order.
    #[must_use]
    pub fn histories(&self) -> Vec<RuleHistory> {
        let read =
            |it: &Arc<Mutex<RuleHistory>>| *it.lock().unwrap_or_else(PoisonError::into_inner);
        self.histories.iter().map(read).collect()
    }

    /// Notes what came of a call.
    pub(crate) fn note(&self, verdicts: &[Verdict], call: CallId, at: UnixMs) {
        for (history, verdict) in self.histories.iter().zip(verdicts) {
            let fired = match verdict {
                Verdict::Holds => true,
                Verdict::Failed(_) => false,
                Verdict::HoldsNot | Verdict::NotReached => continue,
            };
            let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
            if fired {
                history.fired += 1;
                history.last = Some((call, at));
            } else {
                history.failed += 1;
            }
        }
    }

    /// The same rules; those that `earlier` has as they stand here go on with their history.
    pub(crate) fn going_on_from(&self, earlier: &Self) -> Self {
        let known = |rule| earlier.rules.iter().position(|it| it == rule);
        let histories = self.rules.iter().zip(&*self.histories).map(|(rule, own)| {
            let before = known(rule).and_then(|at| earlier.histories.get(at));
            Arc::clone(before.unwrap_or(own))
        });
        Self { histories: histories.collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::rules::{Rule, Then};

    fn call(nth: u8) -> CallId {
        CallId::new(UnixMs(0), [nth; 10])
    }

    fn set(rules: &[(&str, &str)]) -> RuleSet {
        let rules = rules.iter().map(|(name, when)| Rule {
            name: (*name).to_owned(),
            when: Some((*when).to_owned()),
            then: Then::Deny("no".to_owned()),
        });
        RuleSet::compile(rules.collect(), TimeZone::UTC).unwrap()
    }

    #[test]
    fn counts_what_fired_and_what_could_not_be_evaluated() {
        let rules = set(&[("a", "stream"), ("b", "stream"), ("c", "stream"), ("d", "stream")]);
        let failed = Verdict::Failed("why".to_owned());
        let verdicts = [Verdict::HoldsNot, failed, Verdict::Holds, Verdict::NotReached];
        rules.note(&verdicts, call(6), UnixMs(4));
        rules.note(&verdicts, call(7), UnixMs(5));
        let nothing = RuleHistory::default();
        let [a, b, c, d] = rules.histories()[..] else { panic!("four rules") };
        assert_eq!((a, d), (nothing, nothing));
        assert_eq!(b, RuleHistory { failed: 2, ..nothing });
        assert_eq!(c, RuleHistory { fired: 2, last: Some((call(7), UnixMs(5))), ..nothing });
    }

    #[test]
    fn a_rule_that_stays_goes_on_counting_and_one_that_changed_begins_anew() {
        let before = set(&[("a", "stream"), ("b", "stream")]);
        before.note(&[Verdict::Holds, Verdict::Holds], call(1), UnixMs(1));
        let after = set(&[("b", "stream"), ("a", "!stream")]).going_on_from(&before);
        let fired = |it: &RuleSet| it.histories().iter().map(|it| it.fired).collect::<Vec<_>>();
        assert_eq!(fired(&after), [1, 0]);
        // A call that is still under way by the rules from before counts too.
        before.note(&[Verdict::HoldsNot, Verdict::Holds], call(2), UnixMs(2));
        assert_eq!(fired(&after), [2, 0]);
    }
}
