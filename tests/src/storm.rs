//! `kill -9` again and again under load, and what the ledger has of the calls afterwards.
//!
//! Each call carries a number that comes back as tokens that its provider read from a cache, so that
//! a call of a client is told from every other in the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::Instant};
use tollgate_core::UnixMs;
use tollgate_ledger::{CALLS_LIMIT_MAX, CallQuery, Reader, SumQuery};
use tollgate_simulator::{Simulator, SimulatorConfig};

use crate::{
    Home, PATIENCE,
    load::{Client, Kind},
};

/// Clients that call at the same time.
const CLIENTS: u64 = 8;
/// How long the provider takes for an answer: calls are under way and just over at every moment.
const DELAY_MS: u32 = 20;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct StormConfig {
    /// How often the gateway is killed.
    pub kills: u32,
    /// After how many calls it is killed at most.
    pub calls_max: u64,
    /// What decides after how many each time.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StormFigures {
    /// How often the gateway was killed.
    pub kills: u32,
    /// Calls whose answers were read to the end.
    pub finished: u64,
    /// Those of them that the ledger does not have.
    pub lost: u64,
    /// How long the oldest of these had been over when the gateway was killed.
    pub lost_oldest: Option<Duration>,
    /// Calls that another process had read from the ledger before a kill, and not after it.
    pub unread_again: u64,
    /// Calls that stand in the ledger more than once.
    pub doubled: u64,
    /// Rows of the ledger in the end.
    pub rows: u64,
    /// What its sums say that there are.
    pub summed: u64,
    /// The longest that a start took after a kill.
    pub start_longest: Duration,
}

/// Kills the gateway again and again.
///
/// # Panics
/// When the gateway does not start or serve.
pub async fn storm(config: StormConfig, mut progress: impl FnMut(u32)) -> StormFigures {
    let simulated = SimulatorConfig { calls_kept: 16, ..SimulatorConfig::default() };
    let simulator = Simulator::start(simulated).await.unwrap();
    let home = Home::simulated(&simulator);
    let numbers = Arc::new(AtomicU64::new(1));
    let mut random = config.seed;
    let mut figures = StormFigures { kills: config.kills, ..StormFigures::default() };
    let mut last: Option<Round> = None;
    for kill in 0..config.kills {
        let started = Instant::now();
        let product = home.serve().await;
        figures.start_longest = figures.start_longest.max(started.elapsed());
        if let Some(round) = last.take() {
            figures.count(&round, &numbers_in(&home.data(), Some(round.began)));
        }
        let began = now();
        let load = Load::start(product.listen, &numbers);
        load.finished(next(&mut random) % config.calls_max).await;
        let read = numbers_in(&home.data(), Some(began)).into_keys().collect();
        let killed = Instant::now();
        product.kill().await;
        last = Some(Round { began, killed, read, finished: load.end().await });
        progress(kill + 1);
    }
    let product = home.serve().await;
    if let Some(round) = last {
        figures.count(&round, &numbers_in(&home.data(), Some(round.began)));
    }
    let all = numbers_in(&home.data(), None);
    figures.doubled = count(all.values().filter(|it| **it > 1).count());
    figures.rows = all.values().sum();
    let reader = Reader::open(&home.data()).unwrap();
    figures.summed = reader.totals(&SumQuery::default()).unwrap().calls;
    product.stop().await;
    figures
}

/// What one life of the gateway left to be checked.
struct Round {
    began: UnixMs,
    killed: Instant,
    /// What another process had read shortly before.
    read: BTreeSet<u64>,
    /// When clients had read the answers.
    finished: BTreeMap<u64, Instant>,
}

impl StormFigures {
    fn count(&mut self, round: &Round, kept: &BTreeMap<u64, u64>) {
        self.finished += count(round.finished.len());
        self.unread_again += count(round.read.iter().filter(|it| !kept.contains_key(it)).count());
        for (number, at) in &round.finished {
            if !kept.contains_key(number) {
                self.lost += 1;
                let over = round.killed.saturating_duration_since(*at);
                self.lost_oldest = self.lost_oldest.max(Some(over));
            }
        }
    }
}

/// Clients that call one after the other until the gateway is gone.
struct Load {
    clients: JoinSet<()>,
    finished: Arc<Mutex<BTreeMap<u64, Instant>>>,
    count: watch::Receiver<u64>,
}

impl Load {
    fn start(addr: SocketAddr, numbers: &Arc<AtomicU64>) -> Self {
        let finished: Arc<Mutex<BTreeMap<u64, Instant>>> = Arc::default();
        let (counted, count) = watch::channel(0);
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (numbers, finished) = (Arc::clone(numbers), Arc::clone(&finished));
            let counted = counted.clone();
            clients.spawn(async move {
                let Ok(mut client) = Client::connect(addr).await else { return };
                loop {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let kind = Kind::ALL[usize::try_from(number % 4).unwrap()];
                    let controls = format!("cached={number},delay_ms={DELAY_MS}");
                    if client.call(kind, &controls).await.is_err() {
                        return;
                    }
                    finished.lock().unwrap().insert(number, Instant::now());
                    counted.send_modify(|it| *it += 1);
                }
            });
        }
        Self { clients, finished, count }
    }

    /// Waits until so many calls were answered.
    async fn finished(&self, wanted: u64) {
        let mut count = self.count.clone();
        let wait = tokio::time::timeout(PATIENCE, count.wait_for(|it| *it >= wanted)).await;
        wait.expect("the calls to be answered").unwrap();
    }

    /// Waits for the clients to notice, and says which calls were over and when.
    async fn end(self) -> BTreeMap<u64, Instant> {
        tokio::time::timeout(PATIENCE, self.clients.join_all()).await.expect("the clients to end");
        std::mem::take(&mut self.finished.lock().unwrap())
    }
}

/// The numbers of the calls in the ledger, each with how often it stands there.
fn numbers_in(data: &Path, since: Option<UnixMs>) -> BTreeMap<u64, u64> {
    let reader = Reader::open(data).unwrap();
    let mut found = BTreeMap::new();
    let mut query = CallQuery { since, limit: CALLS_LIMIT_MAX, ..CallQuery::default() };
    loop {
        let page = reader.calls(&query).unwrap();
        for number in page.iter().filter_map(|it| it.usage.cache_read) {
            *found.entry(number).or_default() += 1;
        }
        match page.last() {
            Some(last) if page.len() == CALLS_LIMIT_MAX => query.before = Some(last.id),
            Some(_) | None => return found,
        }
    }
}

fn now() -> UnixMs {
    use tollgate_core::Clock as _;
    tollgate_app::clock::SystemClock.now()
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// `xorshift64*`: the same kills for the same seed.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
}
