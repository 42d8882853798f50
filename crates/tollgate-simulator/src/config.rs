//! How a simulator is set up.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::CALLS_MAX;

/// How long answers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From the request's last byte to the answer's first token.
    pub first_token: Duration,
    /// From one generated piece (about a word) to the next.
    pub per_piece: Duration,
    /// How far a delay may stray from the figures above, either way, in percent.
    pub jitter_percent: u32,
}

/// What a small hosted model takes: the demo's figures.
pub const DEMO_LATENCY: Latency = Latency {
    first_token: Duration::from_millis(450),
    per_piece: Duration::from_millis(22),
    jitter_percent: 45,
};

/// How many calls the demo's simulator keeps: nobody reads them there.
const DEMO_CALLS_KEPT: usize = 32;

/// How a simulator is set up. The default answers at once, on a free loopback port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatorConfig {
    /// Where to listen. Port 0 asks for a free one.
    pub listen: SocketAddr,
    /// How long answers take.
    pub latency: Latency,
    /// Seeds the jitter of the latency, and nothing else.
    pub seed: u64,
    /// What answers give as their time of creation, in seconds since 1970: fixed, so that two runs
    /// give the same bytes.
    pub created_at_s: u64,
    /// How many calls are kept in the record, at most [`CALLS_MAX`](crate::CALLS_MAX).
    pub calls_kept: usize,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            latency: Latency::default(),
            seed: 1,
            created_at_s: 1_767_225_600,
            calls_kept: CALLS_MAX,
        }
    }
}

impl SimulatorConfig {
    /// The default with [`DEMO_LATENCY`], and with a record that stays small however long the demo
    /// runs.
    #[must_use]
    pub fn demo() -> Self {
        Self { latency: DEMO_LATENCY, calls_kept: DEMO_CALLS_KEPT, ..Self::default() }
    }
}

/// A seeded generator (SplitMix64, Steele et al. 2014) for the jitter of one answer.
#[derive(Clone, Debug)]
pub(crate) struct Jitter {
    state: u64,
    percent: u64,
}

impl Jitter {
    pub(crate) fn new(seed: u64, percent: u32) -> Self {
        Self { state: seed, percent: u64::from(percent.min(100)) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `base`, made up to `percent` longer or shorter.
    pub(crate) fn apply(&mut self, base: Duration) -> Duration {
        if base.is_zero() || self.percent == 0 {
            return base;
        }
        let percent = 100 - self.percent + self.next() % (2 * self.percent + 1);
        let micros = u64::try_from(base.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros.saturating_mul(percent) / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_repeats_with_its_seed_and_stays_in_its_range() {
        let base = Duration::from_millis(100);
        let draw = |seed| {
            let mut jitter = Jitter::new(seed, 40);
            (0..1000).map(|_| jitter.apply(base)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let all = draw(7);
        assert!(all.iter().all(|it| (60..=140).contains(&it.as_millis())));
        assert!(
            all.iter().any(|it| it.as_millis() < 65) && all.iter().any(|it| it.as_millis() > 135)
        );
    }

    #[test]
    fn no_jitter_leaves_the_delay_alone() {
        let base = Duration::from_millis(3);
        assert_eq!(Jitter::new(1, 0).apply(base), base);
    }
}
