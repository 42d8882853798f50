//! A mixed load for as long as it is wanted, and whether memory and latency stay as they were.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tollgate_ledger::{Reader, SumQuery};
use tollgate_simulator::{Simulator, SimulatorConfig};
use tollgate_tests::{
    Home, PROVIDER_KEY, Product,
    load::{Client, Kind},
};

/// Clients, each with a call every [`PACE`]: some 100 calls a second.
const CLIENTS: u64 = 20;
const PACE: Duration = Duration::from_millis(200);
/// The parts that the time is told in.
const WINDOWS: u32 = 12;
/// What counts as flat between the second window, when all caches are warm, and the last.
const MEMORY_GROWTH_MAX: f64 = 1.25;
const LATENCY_GROWTH_MAX: f64 = 2.0;

/// Rules, budgets, a model of the user's own in another format, bodies kept: all that a call passes.
const CONFIG: &str = r#"
[[models]]
name = "translated"
targets = [{ provider = "anthropic", model = "claude-haiku-4-5" }, { provider = "openai", model = "gpt-5-mini" }]

[[rules]]
name = "small answers"
when = 'operation == "generate" && estimated_input_tokens < 1000'
cap = { max_tokens = 512 }

[[rules]]
name = "no large models"
when = 'model.startsWith("gpt-5-pro")'
deny = "use a smaller model"

[[budgets]]
name = "everything"
usd_per_day = "1000"

[[budgets]]
name = "each program"
each = "program"
requests_per_min = 1000000
"#;

/// What one window was like.
struct Window {
    calls: usize,
    p50_ms: f64,
    p99_ms: f64,
    resident_mb: f64,
}

/// Loads a gateway for `length`, prints a table, and says whether all of it held.
pub(crate) async fn run(length: Duration) -> Result<bool> {
    let config = SimulatorConfig { calls_kept: 16, ..SimulatorConfig::default() };
    let simulator = Simulator::start(config).await?;
    let home = Home::keyed(&simulator, CONFIG);
    let product = home
        .serve_with(|it| {
            it.env(PROVIDER_KEY, "sk-soak");
        })
        .await;
    let made = product.run(&["keys", "create", "soak"]).await;
    let key: Arc<str> = made.expect().trim().into();
    let took: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (sent, unexpected) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let end = Instant::now() + length;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (took, sent, unexpected) =
            (Arc::clone(&took), Arc::clone(&sent), Arc::clone(&unexpected));
        let one = One { addr: product.listen, key: Arc::clone(&key) };
        clients.spawn(async move {
            let mut ticks = interval(PACE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for turn in client.. {
                ticks.tick().await;
                if Instant::now() >= end {
                    return;
                }
                sent.fetch_add(1, Ordering::Relaxed);
                let begun = Instant::now();
                match one.call(turn).await {
                    Ok(Measured::Yes) => {
                        took.lock().unwrap_or_else(PoisonError::into_inner).push(begun.elapsed());
                    }
                    Ok(Measured::No) => {}
                    Err(err) => {
                        println!("unexpected: {err:#}");
                        unexpected.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
    }
    println!("| minute | calls measured | p50, ms | p99, ms | resident, MB |");
    println!("| ---: | ---: | ---: | ---: | ---: |");
    let mut windows = Vec::new();
    for at in 1..=WINDOWS {
        tokio::time::sleep_until(end - length + length * at / WINDOWS).await;
        let took = std::mem::take(&mut *took.lock().unwrap_or_else(PoisonError::into_inner));
        let window = Window::of(took, product.pid())?;
        let minute = (length * at / WINDOWS).as_secs_f64() / 60.0;
        println!(
            "| {minute:.1} | {} | {:.2} | {:.2} | {:.1} |",
            window.calls, window.p50_ms, window.p99_ms, window.resident_mb
        );
        windows.push(window);
    }
    clients.join_all().await;
    let rows = rows(&product, sent.load(Ordering::Relaxed)).await?;
    let held =
        verdict(&windows, sent.load(Ordering::Relaxed), rows, unexpected.load(Ordering::Relaxed))?;
    product.stop().await;
    simulator.shutdown().await;
    Ok(held)
}

/// Whether the time of a call says something of the gateway: that of a plain answer does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measured {
    Yes,
    No,
}

/// A client.
struct One {
    addr: SocketAddr,
    key: Arc<str>,
}

impl One {
    /// One call, on a connection of its own: what is called comes by turns.
    async fn call(&self, turn: u64) -> Result<Measured> {
        let mut client = Client::connect(self.addr).await?;
        match turn % 10 {
            0..=2 => {
                client.call(Kind::Chat, "").await?;
                return Ok(Measured::Yes);
            }
            3 => client.call(Kind::ChatStream, "pieces=50,chunk_delay_ms=2").await?,
            4 => client.call(Kind::MessagesStream, "pieces=20").await?,
            5 => client.call(Kind::Messages, "huge=20000").await?,
            6 => {
                // In OpenAI's format, from a model that Anthropic's serves, with a local key.
                let mut request = Kind::ChatStream.request("");
                let body = r#"{"stream":true,"model":"translated","messages":[{"role":"user","content":"hi"}]}"#;
                *request.body_mut() = body.into();
                let key = format!("Bearer {}", self.key).parse()?;
                request.headers_mut().insert("authorization", key);
                request.headers_mut().remove("x-api-key");
                let (status, body) = client.send(request).await?;
                ensure!(status == 200 && body.ends_with(b"data: [DONE]\n\n"), "{status} {body:?}");
            }
            7 => {
                let (status, _) = client.send(Kind::Chat.request("status=500")).await?;
                ensure!(status == 500, "a provider's error came as {status}");
            }
            8 => {
                let mut request = Kind::Chat.request("");
                *request.body_mut() = r#"{"model":"gpt-5-pro","messages":[]}"#.into();
                let (status, _) = client.send(request).await?;
                ensure!(status == 403, "a denied call came as {status}");
            }
            _ => client.leave(Kind::ChatStream.request("huge=5000,pieces=100,hang=3000")).await?,
        }
        Ok(Measured::No)
    }
}

impl Window {
    fn of(mut took: Vec<Duration>, pid: u32) -> Result<Self> {
        took.sort_unstable();
        let at = |percent: usize| {
            let place = (took.len() * percent / 100).min(took.len().saturating_sub(1));
            took.get(place).map_or(f64::NAN, |it| it.as_secs_f64() * 1000.0)
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kib: u32 = line.trim().trim_end_matches(" kB").trim().parse()?;
        let resident_mb = f64::from(kib) / 1024.0;
        Ok(Self { calls: took.len(), p50_ms: at(50), p99_ms: at(99), resident_mb })
    }
}

/// The ledger's rows, once every call is settled.
async fn rows(product: &Product, sent: u64) -> Result<u64> {
    product.status(|it| it.live_calls == 0).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let rows = Reader::open(&product.home().data())?.totals(&SumQuery::default())?.calls;
        if rows >= sent || Instant::now() > deadline {
            return Ok(rows);
        }
        tokio::task::yield_now().await;
    }
}

fn verdict(windows: &[Window], sent: u64, rows: u64, unexpected: u64) -> Result<bool> {
    let (first, last) = (windows.get(1).context("a window")?, windows.last().context("a window")?);
    let memory = last.resident_mb / first.resident_mb;
    let latency = last.p50_ms / first.p50_ms;
    println!("calls sent {sent}, rows {rows}, answers of another kind than expected {unexpected}");
    println!("memory x{memory:.2}, median latency x{latency:.2} from the second part to the last");
    let held = rows == sent
        && unexpected == 0
        && memory <= MEMORY_GROWTH_MAX
        && latency <= LATENCY_GROWTH_MAX;
    println!("{}", if held { "held" } else { "NOT HELD" });
    Ok(held)
}
