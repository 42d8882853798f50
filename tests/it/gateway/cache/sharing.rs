//! Who is told what the cache holds, and who waits for whom.

use std::sync::{Arc, atomic::Ordering};

use futures_util::future::join_all;
use http::StatusCode;
use tollgate_app::config::Config;
use tollgate_core::{
    LocalKey,
    key::{KeyHash, KeyScope},
    provider::Catalogue,
};
use tollgate_gateway::{CacheScope, CacheSettings, Caching, Keyless, LocalKeys, Snapshot};

use super::{
    super::{
        harness::{
            Door, PATIENCE, TODAY, ask, begin, controlled, keyed, post, priced, simulator, snapshot,
        },
        routing::model,
    },
    BYPASS, CHAT, CHAT_PATH, HIT, MISS, STREAM, Shop, chat, told, with,
};

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
