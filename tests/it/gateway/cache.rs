//! The cache of answers, seen from both ends.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tollgate_app::config::Config;
use tollgate_core::{
    Caller, Clock, LocalKey, PicoUsd, SocketCookie, UnixMs,
    call::Outcome,
    caller::{CallerSource, ProcessKey},
    key::{KeyHash, KeyScope},
    provider::Catalogue,
    routing::CacheTrace,
};
use tollgate_gateway::{
    CacheBounds, CacheFilter, CacheScope, CacheSettings, Caching, CallerLookup, ClientSocket,
    Keyless, LocalKeys, Pace, Snapshot,
};
use tollgate_simulator::Simulator;

use super::{
    cases::ASKS,
    harness::{
        Door, PATIENCE, TODAY, Whole, ask, begin, controlled, keyed, post, priced, simulator,
        snapshot,
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_equal_calls_at_once_ask_the_provider_once() {
    const CALLS: usize = 200;
    for body in [CHAT, STREAM] {
        let shop = Shop::open(Caching::default()).await;
        let one = || shop.ask(controlled(post(CHAT_PATH, body), "delay_ms=300"));
        let answers = join_all((0..CALLS).map(|_| one())).await;
        assert_eq!(shop.asked(), 1);
        let first = &answers[0].body;
        assert!(answers.iter().all(|it| it.status == StatusCode::OK && it.body == *first));
        let calls = shop.door.seen.calls(CALLS).await;
        assert_eq!(calls.iter().filter(|it| it.cached).count(), CALLS - 1);
        let costs: Vec<_> = calls.iter().filter_map(|it| it.cost).filter(|it| it.0 > 0).collect();
        assert_eq!(costs.len(), 1, "one is paid");
        assert!(calls.iter().filter(|it| it.cached).all(|it| it.saved == Some(costs[0])));
    }
}

#[tokio::test]
async fn those_who_wait_go_on_themselves_when_the_first_fails() {
    let shop = Shop::open(Caching::default()).await;
    let one = || shop.ask(controlled(chat(), "status=500,delay_ms=200"));
    let answers = join_all((0..5).map(|_| one())).await;
    assert!(answers.iter().all(|it| it.status == StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(shop.asked(), 5, "an error is nobody else's answer");
    assert_eq!(shop.door.gateway.cache().entries, 0);
}

#[tokio::test]
async fn those_who_wait_go_on_themselves_when_the_first_leaves() {
    let shop = Shop::open(Caching::default()).await;
    let request = || controlled(post(CHAT_PATH, STREAM), "pieces=40,chunk_delay_ms=25");
    let leader = begin(shop.door.addr, request()).await;
    let follower = tokio::spawn(ask(shop.door.addr, request()));
    let live = |count| move |calls: &[_]| calls.len() >= count;
    while shop.door.gateway.live().len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(leader);
    let got = follower.await.unwrap();
    assert_eq!((got.status, told(&got).as_deref()), (StatusCode::OK, MISS));
    assert!(shop.simulator.log().wait_for(PATIENCE, live(2)).await.is_some());
    // What the follower brought is for those who come later.
    let again = shop.ask(request()).await;
    assert_eq!((told(&again).as_deref(), &again.body), (HIT, &got.body));
    assert_eq!(shop.asked(), 2);
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
async fn users_keys_and_programs_share_nothing_unless_it_is_said() {
    let local = |name: &str| LocalKey {
        name: name.to_owned(),
        beginning: "tg-".to_owned(),
        hash: KeyHash::of(format!("tg-{name}").as_bytes()),
        created_at_ms: TODAY,
        expires_at_ms: None,
        revoked_at_ms: None,
        rotated_at_ms: None,
        former: None,
        scope: KeyScope::default(),
    };
    let key = |name: &str| with(chat(), "authorization", &format!("Bearer tg-{name}"));
    let shop = async |scope| {
        Shop::with(Caching { scope, ..Caching::default() }, |snapshot, origin| {
            let cache = snapshot.cache.clone();
            *snapshot = Snapshot {
                cache,
                keys: Arc::new(LocalKeys::new([local("a"), local("b")])),
                ..priced(vec![keyed("openai", origin, "sk-1")])
            };
        })
        .await
    };
    let own = shop(CacheScope::Own).await;
    assert_eq!(own.told(key("a")).await.as_deref(), MISS);
    assert_eq!(own.told(key("b")).await.as_deref(), MISS, "another key's");
    assert_eq!(own.told(chat()).await.as_deref(), MISS, "without a key");
    own.who.uid.store(1001, Ordering::SeqCst);
    assert_eq!(own.told(chat()).await.as_deref(), MISS, "another user's");
    assert_eq!(own.told(key("a")).await.as_deref(), HIT, "a key is a key, whoever has it");
    own.who.uid.store(1000, Ordering::SeqCst);
    own.who.pid.store(2, Ordering::SeqCst);
    assert_eq!(own.told(chat()).await.as_deref(), HIT, "another program of the same user");
    let other_key = with(chat(), "authorization", "Bearer sk-other");
    assert_eq!(own.told(other_key).await.as_deref(), MISS, "another account at the provider");

    let program = shop(CacheScope::Program).await;
    assert_eq!(program.told(chat()).await.as_deref(), MISS);
    assert_eq!(program.told(chat()).await.as_deref(), HIT);
    program.who.pid.store(2, Ordering::SeqCst);
    assert_eq!(program.told(chat()).await.as_deref(), MISS);

    let all = shop(CacheScope::All).await;
    assert_eq!(all.told(key("a")).await.as_deref(), MISS);
    assert_eq!(all.told(key("b")).await.as_deref(), HIT);
    assert_eq!(all.asked(), 1);
}

#[tokio::test]
async fn a_shared_answer_is_not_told_to_a_key_that_may_not_have_it() {
    let hash = KeyHash::of(b"tg-narrow");
    let shop =
        Shop::with(Caching { scope: CacheScope::All, ..Caching::default() }, |snapshot, origin| {
            let cache = snapshot.cache.clone();
            let narrow = LocalKey {
                name: "narrow".to_owned(),
                beginning: "tg-".to_owned(),
                hash,
                created_at_ms: TODAY,
                expires_at_ms: None,
                revoked_at_ms: None,
                rotated_at_ms: None,
                former: None,
                scope: KeyScope { providers: vec!["groq".to_owned()], ..KeyScope::default() },
            };
            let providers = vec![keyed("openai", origin, "sk-1"), keyed("groq", origin, "sk-2")];
            *snapshot = Snapshot {
                cache,
                models: vec![model(&[("openai", "gpt-4.1-mini"), ("groq", "gpt-4.1-mini")])],
                keys: Arc::new(LocalKeys::new([narrow])),
                ..priced(providers)
            };
        })
        .await;
    let body = CHAT.replace("gpt-4.1-mini", "fast");
    let mut open = post(CHAT_PATH, &body);
    open.headers_mut().remove("authorization");
    let narrow = with(post(CHAT_PATH, &body), "authorization", "Bearer tg-narrow");
    assert_eq!(shop.told(open).await.as_deref(), MISS);
    let got = shop.ask(narrow).await;
    assert_eq!((got.status, told(&got).as_deref()), (StatusCode::OK, MISS), "{}", got.text());
    let calls = shop.door.seen.calls(2).await;
    let providers: Vec<_> = calls.iter().map(|it| it.provider.as_deref().unwrap()).collect();
    assert_eq!(providers, ["openai", "groq"]);
}

#[tokio::test]
async fn an_answer_is_good_for_its_time_and_no_longer() {
    let shop = Shop::open(Caching { ttl: Duration::from_secs(60), ..Caching::default() }).await;
    assert_eq!(shop.told(chat()).await.as_deref(), MISS);
    shop.later(Duration::from_millis(59_999));
    let got = shop.ask(chat()).await;
    assert_eq!(told(&got).as_deref(), HIT);
    assert_eq!(got.headers["age"], "59");
    shop.later(Duration::from_millis(1));
    assert_eq!(shop.told(chat()).await.as_deref(), MISS, "its time is over");
    assert_eq!(shop.told(chat()).await.as_deref(), HIT);
    // A clock that is set back makes nothing younger.
    shop.later(Duration::from_secs(1));
    shop.hands.0.store(0, Ordering::SeqCst);
    assert_eq!(shop.told(chat()).await.as_deref(), MISS);
    shop.later(Duration::from_secs(61));
    assert_eq!(shop.door.gateway.cache().entries, 0, "what nobody asks for goes too");
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
async fn the_cache_stays_within_its_bounds() {
    let bounds = CacheBounds { entries: 3, bytes: 1 << 20 };
    let shop = Shop::with(Caching::default(), |it, _| it.cache.bounds = bounds).await;
    let of = |number: u32| post(CHAT_PATH, &CHAT.replace("hi there", &format!("hi {number}")));
    for number in 0..3 {
        shop.ask(of(number)).await;
    }
    assert_eq!(shop.told(of(0)).await.as_deref(), HIT);
    shop.ask(of(3)).await;
    assert_eq!(shop.door.gateway.cache().entries, 3);
    assert_eq!(shop.told(of(0)).await.as_deref(), HIT, "what was used lately stays");
    assert_eq!(shop.told(of(1)).await.as_deref(), MISS, "what was used longest ago went");
    let big = || controlled(chat(), "huge=700000");
    let other = || controlled(of(9), "huge=700000");
    assert_eq!(shop.told(big()).await.as_deref(), MISS);
    assert_eq!(shop.told(other()).await.as_deref(), MISS);
    let status = shop.door.gateway.cache();
    assert!(status.bytes <= bounds.bytes && status.entries <= 2, "{status:?}");
    assert_eq!(shop.told(other()).await.as_deref(), HIT);
}

#[tokio::test]
async fn answers_are_forgotten_by_model_route_provider_and_age() {
    let shop = Shop::with(Caching::default(), |snapshot, origin| {
        let cache = snapshot.cache.clone();
        let providers = vec![keyed("openai", origin, "sk-1"), keyed("anthropic", origin, "sk-2")];
        *snapshot = Snapshot {
            cache,
            models: vec![model(&[("openai", "gpt-4.1-mini")])],
            ..priced(providers)
        };
    })
    .await;
    let fast = || post(CHAT_PATH, &CHAT.replace("gpt-4.1-mini", "fast"));
    let claude = || {
        let body = r#"{"model":"claude-sonnet-4-5","max_tokens":99,"messages":[{"role":"user","content":"x"}]}"#;
        post("/v1/messages", body)
    };
    let fill = async || {
        for request in [chat(), fast(), claude()] {
            shop.ask(request).await;
        }
        assert_eq!(shop.door.gateway.cache().entries, 3);
    };
    let clear = |filter: CacheFilter| shop.door.gateway.clear_cache(&filter);
    let some = |text: &str| Some(text.to_owned());
    fill().await;
    assert_eq!(clear(CacheFilter { route: some("fast"), ..CacheFilter::default() }), 1);
    fill().await;
    assert_eq!(clear(CacheFilter { provider: some("openai"), ..CacheFilter::default() }), 2);
    fill().await;
    assert_eq!(clear(CacheFilter { model: some("gpt-4.1-mini"), ..CacheFilter::default() }), 2);
    assert_eq!(clear(CacheFilter { model: some("nobody"), ..CacheFilter::default() }), 0);
    shop.later(Duration::from_secs(9));
    fill().await;
    let older = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(clear(CacheFilter { older_than: older(10), ..CacheFilter::default() }), 0);
    assert_eq!(clear(CacheFilter { older_than: older(9), ..CacheFilter::default() }), 1);
    assert_eq!(clear(CacheFilter::default()), 2);
    assert_eq!(shop.door.gateway.cache().groups, []);
}

#[tokio::test]
async fn what_began_before_the_cache_was_cleared_is_not_kept_after() {
    let shop = Shop::open(Caching::default()).await;
    let slow = tokio::spawn(ask(shop.door.addr, controlled(chat(), "delay_ms=200")));
    let arrived = shop.simulator.log().wait_for(PATIENCE, |it| it.len() == 1).await;
    assert!(arrived.is_some());
    shop.door.gateway.clear_cache(&CacheFilter::default());
    assert_eq!(slow.await.unwrap().status, StatusCode::OK);
    assert_eq!(shop.door.gateway.cache().entries, 0);
}

#[tokio::test]
async fn other_settings_hold_at_once() {
    let shop = Shop::open(Caching::default()).await;
    let origin = shop.simulator.base_url();
    assert_eq!(shop.told(chat()).await.as_deref(), MISS);
    let again = |usual: Option<Caching>, models: BTreeMap<String, Option<Caching>>| {
        let cache = CacheSettings { usual, models, bounds: CacheBounds::default() };
        let models = vec![model(&[("openai", "gpt-4.1-mini")])];
        Snapshot { cache, models, ..snapshot(&origin) }
    };
    // A new snapshot with the same settings keeps what is there.
    shop.door.gateway.replace(again(Some(Caching::default()), BTreeMap::new())).unwrap();
    assert_eq!(shop.told(chat()).await.as_deref(), HIT);
    shop.door.gateway.replace(again(None, BTreeMap::new())).unwrap();
    let got = shop.ask(chat()).await;
    assert_eq!((got.status, told(&got)), (StatusCode::OK, None), "nothing is said of a cache");
    assert_eq!(shop.door.gateway.cache().entries, 0, "what is turned off is forgotten");
    let own = BTreeMap::from([("fast".to_owned(), Some(Caching::default()))]);
    shop.door.gateway.replace(again(None, own)).unwrap();
    let fast = || post(CHAT_PATH, &CHAT.replace("gpt-4.1-mini", "fast"));
    assert_eq!(shop.told(fast()).await.as_deref(), MISS);
    assert_eq!(shop.told(fast()).await.as_deref(), HIT);
    assert_eq!(shop.told(chat()).await, None);
    // The model is served by another now: what the first said is not its answer.
    let own = BTreeMap::from([("fast".to_owned(), Some(Caching::default()))]);
    let mut other = again(None, own);
    other.models = vec![model(&[("openai", "gpt-5-mini")])];
    shop.door.gateway.replace(other).unwrap();
    assert_eq!(shop.told(fast()).await.as_deref(), MISS);
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
async fn rules_and_admission_have_their_say_before_the_cache() {
    let shop = Shop::open(Caching::default()).await;
    let origin = shop.simulator.base_url();
    let again = |change: &dyn Fn(&mut Snapshot)| {
        let cache = CacheSettings { usual: Some(Caching::default()), ..CacheSettings::default() };
        let mut next = Snapshot { cache, ..snapshot(&origin) };
        change(&mut next);
        shop.door.gateway.replace(next).unwrap();
    };
    assert_eq!(shop.told(chat()).await.as_deref(), MISS);
    assert_eq!(shop.told(chat()).await.as_deref(), HIT);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let text = "[[rules]]\nname = 'closed'\nwhen = 'true'\ndeny = 'not now'";
    std::fs::write(&path, text).unwrap();
    let denies = Config::load(&path, &Catalogue::embedded().unwrap()).unwrap().rules;
    again(&|it| it.rules = Arc::clone(&denies));
    let denied = shop.ask(chat()).await;
    assert_eq!((denied.status, told(&denied)), (StatusCode::FORBIDDEN, None), "{}", denied.text());
    again(&|it| it.keyless = Keyless::Nobody);
    let refused = shop.ask(chat()).await;
    assert_eq!((refused.status, told(&refused)), (StatusCode::UNAUTHORIZED, None));
    again(&|_| {});
    assert_eq!(shop.told(chat()).await.as_deref(), HIT, "it was there all the time");
    assert_eq!(shop.asked(), 1);
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

#[tokio::test]
async fn who_cannot_be_told_apart_gets_nothing_of_the_cache() {
    let simulator = simulator().await;
    let mut snapshot = snapshot(&simulator.base_url());
    snapshot.cache = CacheSettings { usual: Some(Caching::default()), ..CacheSettings::default() };
    // Nobody looks for the callers of this one.
    let door = Door::open(snapshot).await;
    for _ in 0..2 {
        assert_eq!(told(&ask(door.addr, chat()).await).as_deref(), BYPASS);
    }
}
