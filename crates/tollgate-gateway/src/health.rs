//! How a target has done lately: whether it cools down, and how soon it answers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::limits::{COOLDOWN, COOLDOWN_AFTER, COOLDOWN_MAX, LATENCY_MEMORY};

/// What is known of one target, shared by the calls that may go there. Survives a change of the
/// configuration.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// Until when it is passed over.
    cools_until: Option<Instant>,
    /// Whether a call is finding out if it has recovered.
    probed: bool,
    /// Calls under way.
    under_way: u32,
    /// How long a head takes, and when that was last measured.
    latency: Option<(Duration, Instant)>,
}

/// Leave to try a target, until it is told what came of it; dropped without, it came to nothing.
#[derive(Debug)]
pub(crate) struct Pass {
    health: Arc<Health>,
    probes: bool,
}

/// How a target has done lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Failures since the last success.
    pub failures: u32,
    /// How much longer it is passed over; zero when the next call probes it, `None` when it is not.
    pub cools_for: Option<Duration>,
    /// Calls under way.
    pub under_way: u32,
    /// How long the head of an answer took lately; `None` before the first.
    pub latency: Option<Duration>,
}

impl Health {
    /// Leave to try the target; the time that is left while it cools down. After that one call
    /// probes it while others go on passing it over.
    pub(crate) fn pass(self: &Arc<Self>, now: Instant) -> Result<Pass, Duration> {
        let mut state = self.state();
        let probes = match state.cools_until {
            Some(until) if until > now => return Err(until - now),
            Some(_) if state.probed => return Err(Duration::ZERO),
            Some(_) => true,
            None => false,
        };
        state.probed |= probes;
        state.under_way += 1;
        drop(state);
        Ok(Pass { health: Arc::clone(self), probes })
    }

    /// Leave to try the target although it cools down: every other target failed too.
    pub(crate) fn pass_anyway(self: &Arc<Self>) -> Pass {
        self.state().under_way += 1;
        Pass { health: Arc::clone(self), probes: false }
    }

    /// How long a call there is expected to wait for its head, times the calls that wait already:
    /// a target that nobody knows yet comes first, but not with a second call. Peaks count at once
    /// and are forgotten within [`LATENCY_MEMORY`] (the peak-sensitive moving average of Finagle's
    /// load balancer).
    pub(crate) fn expected(&self, now: Instant) -> Duration {
        let state = self.state();
        match state.latency {
            Some((latency, at)) => {
                let faded = latency.mul_f64(1.0 - share(now.saturating_duration_since(at)));
                faded.saturating_mul(state.under_way + 1)
            }
            None if state.under_way == 0 => Duration::ZERO,
            None => Duration::MAX,
        }
    }

    /// How the target is.
    pub(crate) fn condition(&self, now: Instant) -> Condition {
        let state = self.state();
        Condition {
            failures: state.failures,
            cools_for: state.cools_until.map(|it| it.saturating_duration_since(now)),
            under_way: state.under_way,
            latency: state.latency.map(|(latency, _)| latency),
        }
    }

    /// Each change is made in one go, so that what a panicking holder leaves is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of a measurement is forgotten after `age`.
fn share(age: Duration) -> f64 {
    1.0 - (-age.as_secs_f64() / LATENCY_MEMORY.as_secs_f64()).exp()
}

impl Pass {
    /// The target answered after `took`.
    pub(crate) fn succeeded(self, took: Duration, now: Instant) {
        let mut state = self.health.state();
        state.failures = 0;
        state.cools_until = None;
        state.latency = Some(match state.latency {
            Some((before, at)) if took < before => {
                let weight = share(now.saturating_duration_since(at));
                (before.mul_f64(1.0 - weight) + took.mul_f64(weight), now)
            }
            Some(_) | None => (took, now),
        });
    }

    /// The target failed. `rest` is how long it asked to be left alone.
    pub(crate) fn failed(self, rest: Option<Duration>, now: Instant) {
        let mut state = self.health.state();
        state.failures = state.failures.saturating_add(1);
        let over = state.failures.checked_sub(COOLDOWN_AFTER);
        let usual = over.map(|more| COOLDOWN.saturating_mul(1 << more.min(8)).min(COOLDOWN_MAX));
        let asked = rest.map(|it| it.min(COOLDOWN_MAX));
        if let Some(rest) = usual.max(asked) {
            state.cools_until = Some(now + rest);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.health.state();
        state.under_way = state.under_way.saturating_sub(1);
        if self.probes {
            state.probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(health: &Arc<Health>, times: u32, now: Instant) {
        for _ in 0..times {
            health.pass_anyway().failed(None, now);
        }
    }

    #[test]
    fn a_target_that_fails_again_and_again_cools_down_and_is_probed_by_one_call() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        fail(&health, COOLDOWN_AFTER - 1, now);
        drop(health.pass(now).unwrap());
        fail(&health, 1, now);
        assert_eq!(health.pass(now).unwrap_err(), COOLDOWN);
        let later = now + COOLDOWN;
        let probe = health.pass(later).unwrap();
        assert_eq!(health.pass(later).unwrap_err(), Duration::ZERO, "one probe at a time");
        drop(probe);
        let probe = health.pass(later).unwrap();
        probe.failed(None, later);
        assert_eq!(health.pass(later).unwrap_err(), COOLDOWN * 2);
        let probe = health.pass(later + COOLDOWN * 2).unwrap();
        probe.succeeded(Duration::from_secs(1), later);
        let (one, other) = (health.pass(later).unwrap(), health.pass(later).unwrap());
        assert_eq!(health.condition(later).under_way, 2);
        drop((one, other));
        assert_eq!(health.condition(later).under_way, 0);
    }

    #[test]
    fn a_target_is_left_alone_as_long_as_it_asks_within_bounds() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        health.pass_anyway().failed(Some(Duration::from_secs(7)), now);
        assert_eq!(health.pass(now).unwrap_err(), Duration::from_secs(7));
        health.pass_anyway().failed(Some(Duration::from_secs(1 << 30)), now);
        assert_eq!(health.pass(now).unwrap_err(), COOLDOWN_MAX);
        fail(&health, 100, now);
        assert_eq!(health.pass(now).unwrap_err(), COOLDOWN_MAX);
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_with_time() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        assert_eq!(health.expected(now), Duration::ZERO);
        let first = health.pass(now).unwrap();
        assert_eq!(health.expected(now), Duration::MAX, "a second call does not explore as well");
        first.succeeded(Duration::from_secs(1), now);
        health.pass_anyway().succeeded(Duration::from_secs(9), now);
        assert_eq!(health.expected(now), Duration::from_secs(9));
        let busy = health.pass(now).unwrap();
        assert_eq!(health.expected(now), Duration::from_secs(18));
        drop(busy);
        health.pass_anyway().succeeded(Duration::from_secs(1), now + LATENCY_MEMORY);
        let expected = health.expected(now + LATENCY_MEMORY);
        assert!(expected > Duration::from_secs(3) && expected < Duration::from_secs(5));
        assert!(health.expected(now + LATENCY_MEMORY * 20) < Duration::from_millis(1));
    }
}
