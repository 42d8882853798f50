//! For how long, and how much, the cache holds.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use http::StatusCode;
use tollgate_gateway::{CacheBounds, CacheFilter, CacheSettings, Caching, Snapshot};

use super::{
    super::{
        harness::{PATIENCE, ask, controlled, keyed, post, priced, snapshot},
        routing::model,
    },
    CHAT, CHAT_PATH, HIT, MISS, Shop, chat, told,
};

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
