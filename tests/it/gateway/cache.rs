//! The cache of answers, seen from both ends.

mod bounds;
mod sharing;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tollgate_core::{
    Caller, Clock, PicoUsd, SocketCookie, UnixMs,
    call::Outcome,
    caller::{CallerSource, ProcessKey},
    routing::CacheTrace,
};
use tollgate_gateway::{CacheSettings, Caching, CallerLookup, ClientSocket, Pace, Snapshot};
use tollgate_simulator::Simulator;

use super::{
    cases::ASKS,
    harness::{
        Door, TODAY, Whole, ask, begin, controlled, keyed, post, priced, simulator, snapshot,
    },
    routing::model,
};

const CHAT_PATH: &str = "/v1/chat/completions";
const CHAT: &str = r#"{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi there"}]}"#;
const STREAM: &str =
    r#"{"model":"gpt-4.1-mini","stream":true,"messages":[{"role":"user","content":"hi there"}]}"#;
const TOOLS: &str = r#"{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]}"#;

/// A clock that a test moves.
#[derive(Default)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> UnixMs {
        UnixMs(TODAY.0 + self.0.load(Ordering::SeqCst))
    }
}

/// Whose program connects next.
struct Who {
    uid: AtomicU32,
    pid: AtomicU32,
}

impl CallerLookup for Who {
    fn socket(&self, _: SocketAddr, _: SocketAddr) -> Option<ClientSocket> {
        Some(ClientSocket { cookie: None, inode: 7, uid: self.uid.load(Ordering::SeqCst) })
    }

    fn lookup(
        &self,
        _: Option<ClientSocket>,
        _: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>> {
        let pid = self.pid.load(Ordering::SeqCst);
        let caller = Caller {
            process: ProcessKey { pid, started_at_ns: 1 },
            program: format!("program-{pid}"),
            exe: None,
            argv: Vec::new(),
            cwd: None,
            uid: self.uid.load(Ordering::SeqCst),
            user: None,
            ancestors: Vec::new(),
            cgroup: None,
            project: None,
            source: CallerSource::SockDiag,
        };
        Box::pin(std::future::ready(Some(Arc::new(caller))))
    }
}

/// A gateway that caches, in front of a simulated provider.
struct Shop {
    simulator: Simulator,
    door: Door,
    hands: Arc<Hands>,
    who: Arc<Who>,
}

impl Shop {
    async fn open(caching: Caching) -> Self {
        Self::with(caching, |_, _| {}).await
    }

    async fn with(caching: Caching, change: impl FnOnce(&mut Snapshot, &str)) -> Self {
        let simulator = simulator().await;
        let mut snapshot = snapshot(&simulator.base_url());
        snapshot.cache = CacheSettings { usual: Some(caching), ..CacheSettings::default() };
        change(&mut snapshot, &simulator.base_url());
        let hands = Arc::new(Hands::default());
        let who = Arc::new(Who { uid: AtomicU32::new(1000), pid: AtomicU32::new(1) });
        let (clock, callers) = (Arc::clone(&hands), Arc::clone(&who));
        let door = Door::open_with(snapshot, |config| {
            config.clock = clock;
            config.callers = callers;
        })
        .await;
        Self { simulator, door, hands, who }
    }

    async fn ask(&self, request: Request<Bytes>) -> Whole {
        ask(self.door.addr, request).await
    }

    /// Asks, and says what the cache did.
    async fn told(&self, request: Request<Bytes>) -> Option<String> {
        told(&self.ask(request).await)
    }

    fn asked(&self) -> u64 {
        self.simulator.log().opened()
    }

    fn later(&self, by: Duration) {
        self.hands.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

fn told(got: &Whole) -> Option<String> {
    got.headers.get("x-tollgate-cache").map(|it| it.to_str().unwrap().to_owned())
}

fn with(mut request: Request<Bytes>, name: &'static str, value: &str) -> Request<Bytes> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn chat() -> Request<Bytes> {
    post(CHAT_PATH, CHAT)
}

const MISS: Option<&str> = Some("miss");
const HIT: Option<&str> = Some("hit");
const BYPASS: Option<&str> = Some("bypass");

#[tokio::test]
async fn what_was_answered_is_answered_again_byte_for_byte_in_every_format() {
    let shop = Shop::open(Caching::default()).await;
    let mut settled = 0;
    // The simulator knows no model of Groq's.
    let cases: Vec<_> = ASKS.into_iter().filter(|it| !it.name.starts_with("groq")).collect();
    assert_eq!(cases.len(), ASKS.len() - 1);
    for case in &cases {
        let first = shop.ask(case.request()).await;
        let asked = shop.asked();
        let again = shop.ask(case.request()).await;
        assert_eq!(told(&first).as_deref(), MISS, "{}", case.name);
        assert_eq!(told(&again).as_deref(), HIT, "{}: {}", case.name, first.text());
        assert_eq!(shop.asked(), asked, "{}", case.name);
        assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body), "{}", case.name);
        assert_eq!(again.headers["content-type"], first.headers["content-type"]);
        assert_eq!(again.headers["age"], "0");
        let streams = again.headers.get("transfer-encoding").is_some();
        assert_eq!(streams, case.streams, "{}", case.name);
        settled += 2;
        let calls = shop.door.seen.calls(settled).await;
        let paid = calls.iter().rfind(|it| !it.cached).unwrap();
        let free = calls.iter().rfind(|it| it.cached).unwrap();
        assert_eq!(again.headers["x-tollgate-cache-call"], paid.id.to_string());
        assert_eq!((free.cost, free.cost_unknown), (Some(PicoUsd::ZERO), None));
        assert_eq!((free.usage.input, free.usage.output), (Some(0), Some(0)));
        assert_eq!(free.saved, paid.cost, "{}", case.name);
        assert_eq!(free.outcome, Outcome::Finished);
        assert_eq!((&free.provider, free.format), (&paid.provider, paid.format));
        assert_eq!(free.model_served, paid.model_served);
        assert_eq!((free.streaming, free.status), (paid.streaming, paid.status));
        assert_eq!((paid.cached, paid.saved), (false, None));
        let ledger = shop.door.seen.ledger();
        let row = ledger.iter().find(|it| it.call.id == free.id).unwrap();
        let expected = CacheTrace::Hit { of: paid.id, age_ms: 0 };
        assert_eq!(row.routing.as_ref().unwrap().cache, Some(expected));
        let kept = row.bodies.as_ref().unwrap();
        assert_eq!(kept.response.concat(), first.body, "what was said is kept with the call");
    }
    let status = shop.door.gateway.cache();
    assert_eq!(status.entries, cases.len());
    let count = u64::try_from(cases.len()).unwrap();
    assert_eq!((status.counts.hits, status.counts.misses), (count, count));
}

#[tokio::test]
async fn what_is_not_whole_is_never_kept() {
    let shop = Shop::open(Caching::default()).await;
    let check = async |body: &str, controls: &str, why: &str| {
        let request = || controlled(post(CHAT_PATH, body), controls);
        let before = shop.door.seen.calls(0).await.len();
        for _ in 0..2 {
            assert_eq!(
                shop.told(request()).await.as_deref().unwrap_or("miss"),
                "miss",
                "{controls}"
            );
        }
        shop.door.seen.calls(before + 2).await;
        assert_eq!(shop.door.gateway.cache().entries, 0, "{controls} {body}");
        if !why.is_empty() {
            let ledger = shop.door.seen.ledger();
            let cache = ledger.last().unwrap().routing.as_ref().unwrap().cache.clone();
            assert_eq!(cache, Some(CacheTrace::NotKept(why.to_owned())), "{controls}");
        }
    };
    check(STREAM, "break_after=200", "").await;
    check(STREAM, "end_after=200", "").await;
    check(STREAM, "error_midstream", "it is an error").await;
    check(CHAT, "break_after=20", "").await;
    check(CHAT, "status=429", "it is an error").await;
    let short = CHAT.replace("{\"model", "{\"max_tokens\":1,\"model");
    check(&short, "", "the model was cut short").await;
    check(TOOLS, "", "it calls tools").await;
    let several = CHAT.replace("{\"model", "{\"n\":2,\"model");
    check(&several, "", "it is not one answer").await;
    check(CHAT, "huge=3000000", "it is too long").await;
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_leaves_nothing_behind() {
    let shop = Shop::open(Caching::default()).await;
    let request = controlled(post(CHAT_PATH, STREAM), "hang=300");
    let answer = begin(shop.door.addr, request).await;
    drop(answer);
    shop.door.seen.calls(1).await;
    assert_eq!(shop.door.gateway.cache().entries, 0);
    assert_eq!(shop.told(post(CHAT_PATH, STREAM)).await.as_deref(), MISS);
}

#[tokio::test]
async fn calls_of_tools_are_kept_only_where_that_is_said() {
    let shop = Shop::open(Caching { tool_calls: true, ..Caching::default() }).await;
    assert_eq!(shop.told(post(CHAT_PATH, TOOLS)).await.as_deref(), MISS);
    let again = shop.ask(post(CHAT_PATH, TOOLS)).await;
    assert_eq!(told(&again).as_deref(), HIT);
    assert!(again.text().contains("tool_calls"), "{}", again.text());
}

#[tokio::test]
async fn a_client_may_ask_for_less_of_the_cache() {
    let shop = Shop::open(Caching::default()).await;
    let control = |value: &str| with(chat(), "cache-control", value);
    let own = |value: &str| with(chat(), "x-tollgate-cache", value);
    assert_eq!(shop.told(control("no-store")).await.as_deref(), BYPASS);
    assert_eq!(shop.told(chat()).await.as_deref(), MISS, "it was not kept");
    assert_eq!(shop.told(own("bypass")).await.as_deref(), BYPASS);
    assert_eq!(shop.told(own("what")).await.as_deref(), BYPASS);
    assert_eq!(shop.told(chat()).await.as_deref(), HIT);
    shop.later(Duration::from_secs(10));
    assert_eq!(shop.told(control("max-age=9")).await.as_deref(), MISS);
    shop.later(Duration::from_secs(10));
    assert_eq!(shop.told(control("max-age=10")).await.as_deref(), HIT, "it was renewed");
    assert_eq!(shop.told(own("refresh")).await.as_deref(), MISS);
    let got = shop.ask(chat()).await;
    assert_eq!((told(&got).as_deref(), &got.headers["age"]), (HIT, &http::HeaderValue::from(0)));
    let sent = shop.simulator.calls();
    assert!(sent.iter().all(|it| it.header("x-tollgate-cache").is_none()), "it is the gateway's");
    assert!(sent.iter().any(|it| it.header("cache-control") == Some("no-store")));
    let ledger = shop.door.seen.ledger();
    let why = ledger[0].routing.as_ref().unwrap().cache.clone();
    assert_eq!(why, Some(CacheTrace::Bypassed("the request asks for that".to_owned())));
}

#[tokio::test]
async fn what_the_provider_keeps_is_asked_each_time() {
    let shop = Shop::open(Caching::default()).await;
    let body = r#"{"model":"gpt-4.1-mini","input":"hi","conversation":"conv_1"}"#;
    assert_eq!(shop.told(post("/v1/responses", body)).await.as_deref(), BYPASS);
}

#[tokio::test]
async fn members_that_are_ignored_do_not_tell_requests_apart() {
    let ignored = vec!["metadata", "user"];
    let shop = Shop::open(Caching { ignored, ..Caching::default() }).await;
    let of = |user: &str| CHAT.replace("{\"model", &format!("{{\"user\":\"{user}\",\"model"));
    assert_eq!(shop.told(post(CHAT_PATH, &of("a"))).await.as_deref(), MISS);
    assert_eq!(shop.told(post(CHAT_PATH, &of("b"))).await.as_deref(), HIT);
    let other = CHAT.replace("hi there", "hi, there");
    assert_eq!(shop.told(post(CHAT_PATH, &other)).await.as_deref(), MISS);
}

#[tokio::test]
async fn a_translated_answer_is_replayed_as_the_client_got_it() {
    for streams in [false, true] {
        let shop = Shop::with(Caching::default(), |snapshot, origin| {
            let cache = snapshot.cache.clone();
            *snapshot = Snapshot {
                cache,
                models: vec![model(&[("anthropic", "claude-sonnet-4-5")])],
                ..priced(vec![keyed("anthropic", origin, "sk-1")])
            };
        })
        .await;
        let body = if streams { STREAM } else { CHAT }.replace("gpt-4.1-mini", "fast");
        let first = shop.ask(post(CHAT_PATH, &body)).await;
        let again = shop.ask(post(CHAT_PATH, &body)).await;
        assert_eq!(told(&first).as_deref(), MISS, "{}", first.text());
        assert_eq!((told(&again).as_deref(), &again.body), (HIT, &first.body));
        assert_eq!(again.headers["content-type"], first.headers["content-type"]);
        let calls = shop.door.seen.calls(2).await;
        assert_eq!(calls[1].provider.as_deref(), Some("anthropic"));
        assert!(calls[1].saved.is_some_and(|it| it.0 > 0) && calls[1].saved == calls[0].cost);
        let status = shop.door.gateway.cache();
        assert_eq!(status.groups[0].route.as_deref(), Some("fast"));
    }
}

#[tokio::test]
async fn compressed_answers_are_replayed_as_they_are_to_those_who_take_them() {
    let shop = Shop::open(Caching::default()).await;
    let zipped = || with(controlled(chat(), "gzip"), "accept-encoding", "gzip");
    let first = shop.ask(zipped()).await;
    let again = shop.ask(zipped()).await;
    assert_eq!(told(&again).as_deref(), HIT);
    assert_eq!(again.headers["content-encoding"], "gzip");
    assert_eq!(again.body, first.body);
    let plain = controlled(chat(), "gzip");
    assert_eq!(shop.told(plain).await.as_deref(), MISS, "whoever takes no gzip gets none");
}

#[tokio::test]
async fn a_stream_is_replayed_at_the_pace_that_is_chosen() {
    let pieces = async |pace| {
        let shop = Shop::open(Caching { pace, ..Caching::default() }).await;
        let request = || controlled(post(CHAT_PATH, STREAM), "pieces=5,chunk_delay_ms=20");
        let first = shop.ask(request()).await;
        let mut body = begin(shop.door.addr, request()).await.into_body();
        let (mut count, mut bytes) = (0, Vec::new());
        while let Some(frame) = body.frame().await {
            count += 1;
            bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert_eq!(bytes, first.body);
        assert_eq!(shop.asked(), 1);
        count
    };
    assert_eq!(pieces(Pace::AtOnce).await, 1);
    assert!(pieces(Pace::AsRecorded).await >= 5);
}

#[tokio::test]
async fn a_client_that_leaves_a_replay_cancels_it_and_nobody_else() {
    let shop = Shop::open(Caching { pace: Pace::AsRecorded, ..Caching::default() }).await;
    let request = || controlled(post(CHAT_PATH, STREAM), "pieces=4,chunk_delay_ms=150");
    let first = shop.ask(request()).await;
    drop(begin(shop.door.addr, request()).await);
    let calls = shop.door.seen.calls(2).await;
    assert_eq!((calls[1].outcome, calls[1].cached), (Outcome::Cancelled, true));
    assert_eq!((calls[1].cost, calls[1].saved), (Some(PicoUsd::ZERO), calls[0].cost));
    assert_eq!(shop.ask(request()).await.body, first.body);
}

#[tokio::test]
async fn a_hit_needs_no_money() {
    let shop = Shop::with(Caching::default(), |it, _| {
        it.budgets.budgets = vec![tollgate_core::budget::Budget {
            name: "calls".to_owned(),
            scope: Vec::new(),
            each: None,
            amounts: tollgate_core::budget::Amounts {
                requests_per_min: Some(1),
                ..tollgate_core::budget::Amounts::default()
            },
            warn_at: Vec::new(),
            on_limit: tollgate_core::budget::OnLimit::Stop,
            unknown: None,
        }];
    })
    .await;
    assert_eq!(shop.ask(chat()).await.status, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(shop.told(chat()).await.as_deref(), HIT);
    }
    let other = shop.ask(post(CHAT_PATH, &CHAT.replace("hi there", "else"))).await;
    assert_eq!(other.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn without_a_cache_nothing_differs() {
    let simulator = simulator().await;
    let door = Door::open(snapshot(&simulator.base_url())).await;
    for case in ASKS {
        let got = ask(door.addr, case.request()).await;
        assert_eq!(told(&got), None);
        assert!(got.headers.get("age").is_none());
    }
    assert_eq!(simulator.calls().len(), ASKS.len());
    let calls = door.seen.calls(ASKS.len()).await;
    assert!(calls.iter().all(|it| !it.cached && it.saved.is_none()));
    let ledger = door.seen.ledger();
    assert!(ledger.iter().all(|it| it.routing.is_none()));
}
