//! What a call comes to: tokens, money, times, sockets and the row in the database.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
};

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use tokio::sync::Semaphore;
use tollgate_core::{
    Caller, Format, Operation, PicoUsd, ServiceTier, SocketCookie, Usage,
    call::{CostUnknown, Outcome},
    caller::{CallerSource, ProcessKey},
    price::PriceBook,
};
use tollgate_gateway::{CallerLookup, ClientSocket, GatewayEvent, LedgerSink};
use tollgate_ledger::{CallQuery, Ledger, LedgerConfig};

use super::{
    cases::ASKS,
    harness::{
        Door, House, TODAY, ask, begin, connect, controlled, hosted, post, priced, read, setup,
        simulator, snapshot,
    },
};

#[tokio::test]
async fn tokens_are_those_that_the_provider_sent() {
    for case in ASKS.into_iter().filter(|it| !it.path.starts_with("/p/")) {
        for controls in ["", "cached=1300", "gzip", "split=bytes", "no_usage"] {
            let label = format!("{} {controls}", case.name);
            let house = House::open().await;
            house.ask(controlled(case.request(), controls)).await;
            let call = house.call().await;
            let sent = house.simulator.calls().remove(0);
            let told = sent.usage.unwrap_or_default();
            // What the gateway counts itself was not sent.
            let usage = if call.usage_counted { Usage::default() } else { call.usage };
            assert_eq!(usage.input, told.input, "{label}");
            assert_eq!(
                usage.output.unwrap_or_default(),
                told.output.unwrap_or_default(),
                "{label}"
            );
            assert_eq!(usage.cache_write_5m, told.cache_write_5m, "{label}");
            assert_eq!(
                usage.cache_read.unwrap_or_default(),
                told.cache_read.unwrap_or_default(),
                "{label}"
            );
            assert_eq!(
                usage.reasoning.unwrap_or_default(),
                told.reasoning.unwrap_or_default(),
                "{label}"
            );
            assert_eq!(call.model_served, sent.model_served, "{label}");
            if controls == "no_usage" {
                assert_eq!(
                    (call.cost, call.cost_unknown),
                    (None, Some(CostUnknown::NoUsage)),
                    "{label}"
                );
            } else {
                assert!(call.cost.is_some(), "{label} {:?}", call.cost_unknown);
            }
        }
    }
}

#[tokio::test]
async fn the_cost_is_exact() {
    let body = r#"{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let house = House::open().await;
    house.ask(controlled(post("/v1/chat/completions", body), "cached=1300,reasoning=64")).await;
    let call = house.call().await;
    let told = house.simulator.calls()[0].usage.unwrap();
    let book = PriceBook::embedded().unwrap();
    let row = book.find("openai", "gpt-5-mini", TODAY).unwrap();
    assert_eq!(told.cache_read, Some(1300));
    let amount = |count: Option<u64>, rate: Option<PicoUsd>| {
        i64::try_from(count.unwrap()).unwrap() * rate.unwrap().0
    };
    // Reasoning is a part of the output and billed with it.
    let by_hand = amount(told.input, row.rates.input)
        + amount(told.cache_read, row.rates.cache_read)
        + amount(told.output, row.rates.output);
    assert_eq!(call.cost, Some(PicoUsd(by_hand)));
    assert_eq!(call.price_id.as_deref(), Some(row.id.as_str()));
    assert!(by_hand > 0);
}

/// Flex is half the price: billed without its tier the call would cost twice what it does.
#[tokio::test]
async fn a_flex_call_is_billed_at_the_flex_rate() {
    let body = |tier: &str, stream: bool| {
        format!(
            r#"{{"model":"gpt-5-mini","service_tier":"{tier}","stream":{stream},"messages":[{{"role":"user","content":"x"}}],"input":"x"}}"#
        )
    };
    for path in ["/v1/chat/completions", "/v1/responses"] {
        for stream in [false, true] {
            let cost = async |tier: &str| {
                let house = House::open().await;
                house.ask(post(path, &body(tier, stream))).await;
                let call = house.call().await;
                (call.service_tier, call.cost.unwrap().0)
            };
            let (standard, full) = cost("auto").await;
            let (flex, half) = cost("flex").await;
            let (priority, more) = cost("priority").await;
            assert_eq!(standard, Some(ServiceTier::Standard), "{path} {stream}");
            assert_eq!(flex, Some(ServiceTier::Flex), "{path} {stream}");
            assert_eq!(priority, Some(ServiceTier::Priority), "{path} {stream}");
            assert_eq!((full, 9 * full), (2 * half, 5 * more), "{path} {stream}");
        }
    }
}

/// gpt-4.1-mini has no flex price.
#[tokio::test]
async fn a_tier_without_a_price_is_unknown_and_not_the_standard_price() {
    let body = r#"{"model":"gpt-4.1-mini","service_tier":"flex","messages":[{"role":"user","content":"x"}]}"#;
    let house = House::open().await;
    house.ask(post("/v1/chat/completions", body)).await;
    let call = house.call().await;
    assert_eq!((call.cost, call.cost_unknown), (None, Some(CostUnknown::TierNotPriced)));
    assert!(call.usage.output.is_some());
}

/// Nobody sends a bill for it, whatever it is called and whether it counts its tokens or not.
#[tokio::test]
async fn a_call_to_a_server_on_this_machine_is_known_to_be_free() {
    let simulator = simulator().await;
    for controls in ["", "no_usage"] {
        let door = Door::open(priced(vec![setup("ollama", &simulator.base_url())])).await;
        let body = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"x"}]}"#;
        ask(door.addr, controlled(post("/p/ollama/v1/chat/completions", body), controls)).await;
        let call = door.seen.calls(1).await.remove(0);
        assert_eq!(call.status, Some(200));
        assert_eq!((call.cost, call.cost_unknown), (Some(PicoUsd(0)), None), "{controls}");
        assert!(call.price_id.as_ref().unwrap().contains("this machine"));
    }
}

/// Whoever sends long names must not fill the ledger with them.
#[tokio::test]
async fn a_long_model_name_is_cut_in_the_ledger_and_forwarded_whole() {
    let house = House::open().await;
    let name = "ä".repeat(5_000);
    let body = format!(r#"{{"model":"{name}","messages":[{{"role":"user","content":"x"}}]}}"#);
    house.ask(post("/v1/chat/completions", &body)).await;
    assert_eq!(house.simulator.calls()[0].request, body);
    let call = house.call().await;
    assert_eq!(call.model_asked.as_ref().map(String::len), Some(256));
    assert_eq!(call.model_asked, Some("ä".repeat(128)));
    let path = format!("/v1beta/models/m{}:generateContent", "x".repeat(300));
    house.ask(post(&path, "{}")).await;
    let calls = house.door.seen.calls(2).await;
    assert_eq!(calls[1].model_asked.as_ref().map(String::len), Some(256));
}

#[tokio::test]
async fn a_model_without_a_price_is_unknown_and_not_free() {
    let simulator = simulator().await;
    let mut unpriced = snapshot(&simulator.base_url());
    unpriced.prices = Arc::new(PriceBook::default());
    let door = Door::open(unpriced).await;
    ask(door.addr, ASKS[0].request()).await;
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!((call.cost, call.cost_unknown), (None, Some(CostUnknown::NoPrice)));
    assert!(call.usage.output.is_some());
}

#[tokio::test]
async fn counting_tokens_and_listing_models_is_free_by_nature() {
    let house = House::open().await;
    let body = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;
    house.ask(post("/v1/messages/count_tokens", body)).await;
    let call = house.call().await;
    assert_eq!(call.operation, Operation::CountTokens);
    assert_eq!(call.format, Some(Format::AnthropicMessages));
    assert_eq!(call.model_asked.as_deref(), Some("claude-sonnet-4-5"));
    assert_eq!((call.cost, call.cost_unknown), (None, None));
}

#[tokio::test]
async fn events_come_in_order_and_the_call_is_live_between_them() {
    let house = House::open().await;
    let answer = begin(house.door.addr, controlled(ASKS[5].request(), "hang=300")).await;
    assert_eq!(answer.status(), 200);
    let live = house.door.gateway.live();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].provider.as_deref(), Some("anthropic"));
    assert_eq!(live[0].model_asked.as_deref(), Some("claude-sonnet-4-5"));
    assert_eq!(live[0].status, Some(200));
    assert!(live[0].streaming && live[0].simulated);
    assert!(live[0].upstream_cookie.is_some());
    drop(answer);
    let call = house.call().await;
    assert!(house.door.gateway.live().is_empty());
    let events = house.door.seen.events();
    let [
        GatewayEvent::CallStarted(started),
        GatewayEvent::CallUpdated(updated),
        GatewayEvent::CallSettled(settled),
    ] = events.as_slice()
    else {
        panic!("{events:#?}")
    };
    assert_eq!((started.id, updated.id, settled.id), (call.id, call.id, call.id));
    assert_eq!((started.status, updated.status), (None, Some(200)));
    assert!(started.streaming && started.upstream_cookie.is_none());
    assert_eq!(updated.upstream_cookie, settled.upstream_cookie);
}

#[tokio::test]
async fn sockets_and_times_tell_a_fresh_connection_from_a_pooled_one() {
    let house = House::open().await;
    let mut sender = connect(house.door.addr).await;
    for number in 1..=2 {
        let request = hosted(house.door.addr, ASKS[1].request()).map(Full::new);
        let got = read(sender.send_request(request).await.unwrap()).await;
        assert!(!got.broken);
        house.door.seen.calls(number).await;
    }
    let calls = house.door.seen.calls(2).await;
    let peers: Vec<_> = house.simulator.calls().iter().map(|it| it.peer).collect();
    assert_eq!(peers[0], peers[1], "the second call uses the first one's connection");
    let [first, second] = calls.as_slice() else { panic!() };
    assert!(first.client_cookie.is_some() && first.upstream_cookie.is_some());
    assert_ne!(first.client_cookie, first.upstream_cookie);
    assert_eq!(first.client_cookie, second.client_cookie);
    assert_eq!(first.upstream_cookie, second.upstream_cookie);
    assert!(first.timing.connect_took_us.is_some());
    assert_eq!(second.timing.connect_took_us, None);
    for call in calls {
        let timing = call.timing;
        let steps = [
            timing.received_us,
            timing.connected_us,
            timing.headers_us,
            timing.first_byte_us,
            timing.first_token_us,
            Some(timing.finished_us),
        ];
        let steps: Vec<_> = steps.into_iter().map(Option::unwrap).collect();
        assert!(steps.is_sorted(), "{steps:?}");
    }
}

/// Finds a caller once it may.
struct Slow(Arc<Semaphore>);

fn someone() -> Caller {
    Caller {
        process: ProcessKey { pid: 7, started_at_ns: 70 },
        program: "ingest.py (python3)".to_owned(),
        exe: None,
        argv: Vec::new(),
        cwd: None,
        uid: 1000,
        user: None,
        ancestors: Vec::new(),
        cgroup: None,
        project: None,
        source: CallerSource::SockDiag,
    }
}

impl CallerLookup for Slow {
    fn socket(&self, peer: SocketAddr, local: SocketAddr) -> Option<ClientSocket> {
        assert!(peer.ip().is_loopback() && local.ip().is_loopback() && peer != local);
        None
    }

    fn lookup(
        &self,
        client: Option<ClientSocket>,
        gateway: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>> {
        assert!(client.is_none() && gateway.is_some());
        let may = Arc::clone(&self.0);
        Box::pin(async move {
            may.acquire().await.unwrap().forget();
            Some(Arc::new(someone()))
        })
    }
}

#[tokio::test]
async fn the_answer_does_not_wait_for_the_caller_but_the_settlement_does() {
    let simulator = simulator().await;
    let may = Arc::new(Semaphore::new(0));
    let slow = Arc::new(Slow(Arc::clone(&may)));
    let door = Door::open_with(snapshot(&simulator.base_url()), |config| {
        config.callers = slow;
        config.limits.caller_wait = super::harness::PATIENCE;
    })
    .await;
    let mut sender = connect(door.addr).await;
    let mut answer = async || {
        let request = hosted(door.addr, ASKS[0].request()).map(Full::new);
        read(sender.send_request(request).await.unwrap()).await
    };
    assert_eq!(answer().await.status, 200);
    assert_eq!(answer().await.status, 200);
    assert!(door.seen.ledger().is_empty());
    // One search serves both calls of the connection.
    may.add_permits(1);
    let calls = door.seen.calls(2).await;
    assert!(calls.iter().all(|it| it.caller.as_ref() == Some(&someone())));
}

#[tokio::test]
async fn a_caller_that_is_never_found_holds_no_settlement_back_for_long() {
    let simulator = simulator().await;
    let slow = Arc::new(Slow(Arc::new(Semaphore::new(0))));
    let door = Door::open_with(snapshot(&simulator.base_url()), |config| {
        config.callers = slow;
        config.limits.caller_wait = std::time::Duration::from_millis(20);
    })
    .await;
    ask(door.addr, ASKS[0].request()).await;
    assert_eq!(door.seen.calls(1).await[0].caller, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_caller_is_never_found_comes_to_disk_by_itself() {
    // How soon at most is `CALLER_WAIT` and `COMMIT_EVERY`, which the compiler holds below a second.
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), LedgerConfig::default()).unwrap();
    let sink = Arc::new(LedgerSink::new(ledger.writer(), Arc::default()));
    let simulator = simulator().await;
    let door = Door::open_with(snapshot(&simulator.base_url()), |config| {
        config.callers = Arc::new(Slow(Arc::new(Semaphore::new(0))));
        config.ledger = Some(sink);
    })
    .await;
    ask(door.addr, ASKS[0].request()).await;
    let reader = tollgate_ledger::Reader::open(folder.path()).unwrap();
    let on_disk = async {
        while reader.calls(&CallQuery::default()).unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::harness::PATIENCE, on_disk).await.unwrap();
    ledger.close().unwrap();
}

#[tokio::test]
async fn bodies_are_kept_up_to_their_limit_or_not_at_all() {
    for keep in [0, 10, 1 << 20] {
        let simulator = simulator().await;
        let door = Door::open_with(snapshot(&simulator.base_url()), |config| {
            config.limits.body_keep_bytes_max = keep;
        })
        .await;
        let case = ASKS[5];
        let got = ask(door.addr, controlled(case.request(), "split=7")).await;
        door.seen.calls(1).await;
        let kept = door.seen.ledger().remove(0).bodies;
        if keep == 0 {
            assert!(kept.is_none());
            continue;
        }
        let kept = kept.unwrap();
        let cut = |whole: &[u8]| (whole[..whole.len().min(keep)].to_vec(), whole.len() > keep);
        assert_eq!((kept.request.to_vec(), kept.request_cut), cut(case.body.as_bytes()));
        assert_eq!((kept.response.concat(), kept.response_cut), cut(&got.body));
        assert_eq!(kept.response_bytes, kept.response.concat().len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_row_in_the_database_is_the_settled_call() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), LedgerConfig::default()).unwrap();
    let lost = Arc::new(AtomicU64::new(0));
    let sink = Arc::new(LedgerSink::new(ledger.writer(), Arc::clone(&lost)));
    let simulator = simulator().await;
    let door =
        Door::open_with(snapshot(&simulator.base_url()), |config| config.ledger = Some(sink)).await;
    for case in ASKS {
        let mut answer = begin(door.addr, case.request()).await;
        while let Some(frame) = answer.body_mut().frame().await {
            frame.unwrap();
        }
    }
    let mut settled = door.seen.calls(ASKS.len()).await;
    ledger.writer().flush().await.unwrap();
    let reader = ledger.reader();
    let mut rows = reader.calls(&CallQuery::default()).unwrap();
    settled.sort_by_key(|it| it.id);
    rows.sort_by_key(|it| it.id);
    assert_eq!(rows.len(), ASKS.len());
    for (row, call) in rows.iter().zip(&settled) {
        assert_eq!(row, call.as_ref());
        assert_eq!(row.outcome, Outcome::Finished);
    }
    assert_eq!(lost.load(std::sync::atomic::Ordering::Relaxed), 0);
    ledger.close().unwrap();
}
