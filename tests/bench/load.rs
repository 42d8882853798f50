//! The load: closed and open loops over HTTP/1.1 connections of their own.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Instant};

/// Connections of the open loop: more than are ever busy at once at the rates used.
const OPEN_CONNECTIONS: usize = 64;

/// Whether an answer streams, and whether its client asks for the usage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Usage {
    /// It does not stream: it tells its usage unasked.
    Plain,
    /// It streams and the client asks.
    Asked,
    /// It streams and the client does not ask.
    Unasked,
}

/// A call that is made over and over.
pub(crate) struct Call {
    /// What the figures call it.
    pub(crate) name: &'static str,
    path: &'static str,
    simulate: &'static str,
    body: Bytes,
    /// What every whole answer ends with.
    ending: &'static [u8],
}

impl Call {
    /// A plain answer of 1 kB.
    pub(crate) fn chat1k() -> Self {
        Self::chat("chat1k", "huge=1024", 200, Usage::Plain)
    }

    /// A client of Anthropic's format, whose model an OpenAI provider serves. What the simulator is
    /// to do stands in the model's name, because the client's headers do not come so far.
    fn translated(name: &'static str, model: &str, prompt: usize, usage: Usage) -> Self {
        let text = "word ".repeat(prompt / 5);
        let stream = usage != Usage::Plain;
        let body = format!(
            r#"{{"model":"{model}","max_tokens":64,"stream":{stream},"messages":[{{"role":"user","content":"{text}"}}]}}"#
        );
        let ending: &[u8] = if stream { b"{\"type\":\"message_stop\"}\n\n" } else { b"}" };
        Self { name, path: "/v1/messages", simulate: "", body: body.into(), ending }
    }

    fn chat(name: &'static str, simulate: &'static str, prompt: usize, usage: Usage) -> Self {
        let text = "word ".repeat(prompt / 5);
        let stream = usage != Usage::Plain;
        let options = match usage {
            Usage::Asked => r#","stream_options":{"include_usage":true}"#,
            Usage::Plain | Usage::Unasked => "",
        };
        let body = format!(
            r#"{{"model":"gpt-5-mini","stream":{stream}{options},"messages":[{{"role":"user","content":"{text}"}}]}}"#
        );
        let ending: &[u8] = if stream { b"data: [DONE]\n\n" } else { b"}" };
        Self { name, path: "/v1/chat/completions", simulate, body: body.into(), ending }
    }

    fn request(&self, address: SocketAddr) -> Result<Request<Full<Bytes>>> {
        Ok(Request::post(self.path)
            .header(header::HOST, address.to_string())
            .header(header::AUTHORIZATION, "Bearer sk-simulated-bench")
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-simulate", self.simulate)
            .body(Full::new(self.body.clone()))?)
    }
}

/// What is measured: a call to the provider itself and through nginx, and through the gateway.
pub(crate) struct Scenario {
    /// The call without the gateway.
    pub(crate) plain: Call,
    /// The call through it, where that is another.
    through: Option<Call>,
}

/// Models of the gateway's configuration, and the models that they stand for.
pub(crate) const MODELS: [(&str, &str); 2] =
    [("plain", "gpt-5-mini+huge=1024"), ("streamed", "gpt-5-mini+huge=5000+pieces=100")];

impl Scenario {
    /// The scenarios of the CPU figures.
    pub(crate) fn all() -> [Self; 6] {
        let same = |plain| Self { plain, through: None };
        let (asked, unasked, plain) = (Usage::Asked, Usage::Unasked, Usage::Plain);
        [
            same(Call::chat1k()),
            same(Call::chat("chat20k", "huge=20480", 20_000, plain)),
            same(Call::chat("sse100", "huge=5000,pieces=100", 200, asked)),
            // What most clients do: the gateway asks for the usage and hides it again.
            same(Call::chat("sse100_hidden", "huge=5000,pieces=100", 200, unasked)),
            Self {
                plain: Call::chat("chat1k_translated", "huge=1024", 200, plain),
                through: Some(Call::translated("chat1k_translated", MODELS[0].0, 200, plain)),
            },
            Self {
                plain: Call::chat("sse100_translated", "huge=5000,pieces=100", 200, asked),
                through: Some(Call::translated("sse100_translated", MODELS[1].0, 200, asked)),
            },
        ]
    }

    /// Those that the gateway's cache answers.
    pub(crate) fn cached() -> [Self; 2] {
        let same = |plain| Self { plain, through: None };
        [
            same(Call::chat("chat1k_cached", "huge=1024", 200, Usage::Plain)),
            same(Call::chat("sse100_cached", "huge=5000,pieces=100", 200, Usage::Asked)),
        ]
    }

    /// The call through the gateway.
    pub(crate) fn through(&self) -> &Call {
        self.through.as_ref().unwrap_or(&self.plain)
    }
}

/// A connection with one call at a time.
struct Client {
    address: SocketAddr,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        Ok(Self { address, sender })
    }

    /// Makes the call and reads its answer to the end.
    async fn call(&mut self, call: &Call) -> Result<()> {
        self.sender.ready().await?;
        let response = self.sender.send_request(call.request(self.address)?).await?;
        ensure!(response.status() == 200, "an answer with {}", response.status());
        let mut body = response.into_body();
        let mut last = Bytes::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                last = data;
            }
        }
        ensure!(last.ends_with(call.ending), "an answer of `{}` is not whole", call.name);
        Ok(())
    }
}

/// Makes calls on every connection, one after the other, and says how many were answered whole.
pub(crate) async fn closed_loop(
    address: SocketAddr,
    call: &Call,
    connections: usize,
    length: Duration,
) -> Result<u64> {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let end = Instant::now() + length;
            let worker = async || -> Result<u64> {
                let mut client = Client::connect(address).await?;
                let mut done = 0;
                // At least one, however short the time.
                loop {
                    client.call(call).await?;
                    done += 1;
                    if Instant::now() >= end {
                        return Ok(done);
                    }
                }
            };
            let workers = (0..connections).map(|_| worker());
            let done = futures_util::future::try_join_all(workers).await?;
            Ok(done.into_iter().sum())
        })
        .await
}

/// Latencies of an open loop.
pub(crate) struct Latencies {
    /// The median.
    pub(crate) p50_ms: f64,
    /// 99 of 100 are below it.
    pub(crate) p99_ms: f64,
}

/// Makes `rate` calls a second, whether or not the ones before are answered, and measures each from
/// when it was due.
pub(crate) async fn open_loop(
    address: SocketAddr,
    call: &Call,
    rate: u32,
    length: Duration,
) -> Result<Latencies> {
    let local = tokio::task::LocalSet::new();
    let mut took = local
        .run_until(async {
            let total = rate * u32::try_from(length.as_secs())?;
            let next = Rc::new(AtomicU32::new(0));
            let mut clients = Vec::new();
            for _ in 0..OPEN_CONNECTIONS {
                clients.push(Client::connect(address).await?);
            }
            let start = Instant::now() + Duration::from_millis(50);
            let workers = clients.into_iter().map(|mut client| {
                let next = Rc::clone(&next);
                async move {
                    let mut took = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= total {
                            return Ok::<_, anyhow::Error>(took);
                        }
                        let due = start + Duration::from_secs(1) * number / rate;
                        tokio::time::sleep_until(due).await;
                        client.call(call).await?;
                        took.push(due.elapsed());
                    }
                }
            });
            let took = futures_util::future::try_join_all(workers).await?;
            Ok::<_, anyhow::Error>(took.concat())
        })
        .await?;
    took.sort_unstable();
    let at = |percent: usize| {
        let place = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        took.get(place).map_or(f64::NAN, |it| it.as_secs_f64() * 1000.0)
    };
    Ok(Latencies { p50_ms: at(50), p99_ms: at(99) })
}

/// Streams that have begun and do not end until they are dropped.
pub(crate) struct Held {
    _local: tokio::task::LocalSet,
    _streams: Vec<(Client, Incoming)>,
}

/// Opens `count` streams and waits for the first piece of each.
pub(crate) async fn hold_streams(address: SocketAddr, count: usize) -> Result<Held> {
    let call = Call::chat("held", "huge=500,hang=200", 200, Usage::Asked);
    let local = tokio::task::LocalSet::new();
    let streams = local
        .run_until(async {
            let mut streams = Vec::new();
            for _ in 0..count {
                let mut client = Client::connect(address).await?;
                let response = client.sender.send_request(call.request(address)?).await?;
                ensure!(response.status() == 200, "an answer with {}", response.status());
                let mut body = response.into_body();
                body.frame().await.context("a stream ended before its first piece")??;
                streams.push((client, body));
            }
            Ok(streams)
        })
        .await?;
    Ok(Held { _local: local, _streams: streams })
}
