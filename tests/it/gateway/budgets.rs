//! Budgets: what they let through, seen from both ends.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::{Request, StatusCode};
use tollgate_app::config::Config;
use tollgate_core::{
    Caller, PicoUsd, SocketCookie, UnixMs,
    budget::{BudgetSet, Period},
    call::{ErrorCode, Outcome},
    caller::{CallerSource, ProcessKey, Project},
    provider::Catalogue,
};
use tollgate_gateway::{
    BudgetNews, CallerLookup, ClientSocket, GatewayConfig, GatewayEvent, NewsKind, Past, Snapshot,
};
use tollgate_ledger::{ByUser, LedgerError, Spender, Spent, SpentCost};
use tollgate_simulator::Simulator;

use super::{
    harness::{Door, Whole, ask, controlled, keyed, post, priced, simulator, snapshot},
    routing::model,
};

const CHAT_PATH: &str = "/v1/chat/completions";
/// The model of [`CHAT`] has no price there.
const UNPRICED_PATH: &str = "/p/groq/openai/v1/chat/completions";
/// 92 bytes, 30 tokens by its bytes; at most 100 tokens of output. $0.40 and $1.60 a million tokens.
const CHAT: &str = r#"{"model":"gpt-4.1-mini","max_tokens":100,"messages":[{"role":"user","content":"hi there"}]}"#;
const MESSAGES: &str =
    r#"{"model":"claude-sonnet-4-5","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
const GEMINI: &str =
    r#"{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":100}}"#;
const GEMINI_PATH: &str = "/v1beta/models/gemini-2.5-flash:generateContent";

/// What [`CHAT`] can cost at most.
fn chat_most() -> i64 {
    let prompt = i64::try_from(CHAT.len() / 3).unwrap();
    prompt * 400_000 + 100 * 1_600_000
}

/// Budgets as the configuration file has them.
fn budgets(text: &str) -> BudgetSet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path, &Catalogue::embedded().unwrap()).unwrap();
    BudgetSet { zone: jiff::tz::TimeZone::UTC, ..config.budgets }
}

/// A gateway with budgets in front of a simulated provider.
async fn limited(text: &str, change: impl FnOnce(&mut GatewayConfig)) -> (Simulator, Door) {
    let simulator = simulator().await;
    let snapshot = Snapshot { budgets: budgets(text), ..snapshot(&simulator.base_url()) };
    let door = Door::open_with(snapshot, change).await;
    (simulator, door)
}

fn news(door: &Door) -> Vec<BudgetNews> {
    let news = door.seen.events().into_iter().filter_map(|event| match event {
        GatewayEvent::BudgetNews(news) => Some(news.as_ref().clone()),
        GatewayEvent::CallStarted(_)
        | GatewayEvent::CallUpdated(_)
        | GatewayEvent::CallSettled(_) => None,
    });
    news.collect()
}

/// What is spent and held of the first account of the first budget.
fn spent(door: &Door) -> (i64, i64) {
    let purse = door.gateway.budgets()[0].accounts[0].purses[0].purse;
    (purse.spent.0, purse.reserved.0)
}

fn header<'a>(got: &'a Whole, name: &str) -> Option<&'a str> {
    got.headers.get(name).map(|it| it.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_calls_at_once_never_spend_more_than_there_is() {
    const CALLS: usize = 200;
    // Room for eleven of them and a half.
    let amount = chat_most() * 23 / 2;
    let text = format!("[[budgets]]\nname = 'daily'\nusd_per_day = '0.{amount:012}'");
    let (_simulator, door) = limited(&text, |_| {}).await;
    let one = || ask(door.addr, controlled(post(CHAT_PATH, CHAT), "delay_ms=300"));
    let answers = join_all((0..CALLS).map(|_| one())).await;
    let calls = door.seen.calls(CALLS).await;
    let passed = answers.iter().filter(|it| it.status == StatusCode::OK).count();
    let stopped = answers.iter().filter(|it| it.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(passed + stopped, CALLS);
    assert!(passed >= 11, "what was held for {passed} calls fits eleven times");
    assert_eq!(calls.len(), CALLS, "each call is one row");
    let cost: i64 = calls.iter().filter_map(|it| it.cost).map(|it| it.0).sum();
    assert!(0 < cost && cost <= amount, "{cost} of {amount}");
    assert_eq!(spent(&door), (cost, 0));
    let refused = calls.iter().filter(|it| it.error_code == Some(ErrorCode::OverBudget));
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), stopped);
    assert!(refused.iter().all(|it| {
        (it.outcome, it.status, it.cost, it.cost_unknown)
            == (Outcome::Failed, Some(429), None, None)
    }));
    let purse = door.gateway.budgets()[0].accounts[0].purses[0].purse;
    assert_eq!(purse.stopped, u64::try_from(stopped).unwrap());
    // What is left is for further calls until nothing more fits.
    while ask(door.addr, post(CHAT_PATH, CHAT)).await.status == StatusCode::OK {
        let settled = door.seen.calls(0).await.len();
        door.seen.wait(|calls| calls.len() >= settled).await;
    }
    let all = door.seen.calls(CALLS).await;
    let cost: i64 = all.iter().filter_map(|it| it.cost).map(|it| it.0).sum();
    assert!(cost <= amount, "{cost} of {amount}");
}

#[tokio::test]
async fn each_format_has_its_own_answer_to_a_call_that_is_stopped() {
    let text = "[[budgets]]\nname = 'none'\nusd_per_day = '0'";
    let (_simulator, door) = limited(text, |_| {}).await;
    let check = async |path: &str, body: &str, at: &str, kind: &str| {
        let got = ask(door.addr, post(path, body)).await;
        assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS, "{}", got.text());
        let error = got.json();
        assert_eq!(error.pointer(at).unwrap(), kind, "{error}");
        let message = error.pointer("/error/message").unwrap().as_str().unwrap();
        assert!(message.contains("budget `none`") && message.contains("$0.00 a day"), "{message}");
        assert_eq!(header(&got, "x-tollgate-budget"), Some("none"));
        assert_eq!(header(&got, "x-should-retry"), Some("false"));
        // It would not fit into any day.
        assert_eq!(header(&got, "retry-after"), None);
    };
    check(CHAT_PATH, CHAT, "/error/type", "rate_limit_error").await;
    let responses = r#"{"model":"gpt-4.1-mini","max_output_tokens":9,"input":"hi"}"#;
    check("/v1/responses", responses, "/error/code", "over-budget").await;
    check("/v1/messages", MESSAGES, "/error/type", "rate_limit_error").await;
    check(GEMINI_PATH, GEMINI, "/error/status", "RESOURCE_EXHAUSTED").await;
    // What is free everywhere passes.
    let count = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;
    let got = ask(door.addr, post("/v1/messages/count_tokens", count)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    let mut list = Request::get("/v1/models").body(Bytes::new()).unwrap();
    list.headers_mut().insert("authorization", "Bearer x".parse().unwrap());
    assert_eq!(ask(door.addr, list).await.status, StatusCode::OK);
}

#[tokio::test]
async fn minutes_are_told_as_each_sdk_reads_them() {
    let text = "[[budgets]]\nname = 'calls'\nrequests_per_min = 1\n\
                [[budgets]]\nname = 'tokens'\nmodel = 'claude*'\ntokens_per_min = 200";
    let (_simulator, door) = limited(text, |_| {}).await;
    assert_eq!(ask(door.addr, post(CHAT_PATH, CHAT)).await.status, StatusCode::OK);
    let got = ask(door.addr, post(CHAT_PATH, CHAT)).await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);
    let again: u64 = header(&got, "retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&again), "{again}");
    assert_eq!(header(&got, "x-ratelimit-limit-requests"), Some("1"));
    assert_eq!(header(&got, "x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(header(&got, "x-ratelimit-reset-requests"), Some(format!("{again}s").as_str()));
    let got = ask(door.addr, post("/v1/messages", MESSAGES)).await;
    assert_eq!(header(&got, "anthropic-ratelimit-requests-limit"), Some("1"));
    assert!(header(&got, "anthropic-ratelimit-requests-reset").unwrap().starts_with("2026-11-01T"));
    let got = ask(door.addr, post(GEMINI_PATH, GEMINI)).await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        header(&got, "retry-after").is_some()
            && header(&got, "x-ratelimit-limit-requests").is_none()
    );
}

#[tokio::test]
async fn tokens_that_were_not_taken_come_back() {
    // The first holds 130; the second fits only once the first has told what it took.
    let text = "[[budgets]]\nname = 'tokens'\ntokens_per_min = 200";
    let (_simulator, door) = limited(text, |_| {}).await;
    let short = CHAT.replace(":100", ":130");
    ask(door.addr, controlled(post(CHAT_PATH, &short), "")).await;
    let call = Arc::clone(&door.seen.calls(1).await[0]);
    let took = call.usage.input.unwrap() + call.usage.output.unwrap();
    assert_eq!(door.gateway.budgets()[0].accounts[0].tokens, Some(took));
    let huge = CHAT.replace(":100", ":201");
    let got = ask(door.addr, post(CHAT_PATH, &huge)).await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&got, "retry-after"), None);
    assert_eq!(header(&got, "x-ratelimit-limit-tokens"), Some("200"));
}

#[tokio::test]
async fn calls_at_the_same_time_are_counted_to_their_end() {
    let text = "[[budgets]]\nname = 'one'\nconcurrent = 1";
    let (_simulator, door) = limited(text, |_| {}).await;
    let streamed = CHAT.replace("{\"model", "{\"stream\":true,\"model");
    let request = controlled(post(CHAT_PATH, &streamed), "hang=10");
    let held = super::harness::begin(door.addr, request).await;
    let got = ask(door.addr, post(CHAT_PATH, CHAT)).await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS, "{}", got.text());
    assert_eq!(header(&got, "retry-after"), Some("1"));
    drop(held);
    door.seen.calls(2).await;
    let got = ask(door.addr, post(CHAT_PATH, CHAT)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
}

#[tokio::test]
async fn a_provider_without_money_is_passed_over() {
    let simulator = simulator().await;
    let origin = simulator.base_url();
    let providers = vec![keyed("openai", &origin, "sk-1"), keyed("groq", &origin, "sk-2")];
    let text = "[[budgets]]\nname = 'openai'\nprovider = 'openai'\nusd_per_day = '0'";
    let models = vec![model(&[("openai", "gpt-4.1-mini"), ("groq", "gpt-5-mini")])];
    let door = Door::open(Snapshot { models, budgets: budgets(text), ..priced(providers) }).await;
    let body = CHAT.replace("gpt-4.1-mini", "fast");
    let got = ask(door.addr, post(CHAT_PATH, &body)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    let call = Arc::clone(&door.seen.calls(1).await[0]);
    assert_eq!(call.provider.as_deref(), Some("groq"));
    let attempts = door.seen.ledger()[0].routing.clone().unwrap().attempts;
    assert_eq!(attempts.len(), 2);
    assert_eq!(spent(&door), (0, 0), "nothing is held for a call that went elsewhere");
}

#[tokio::test]
async fn a_cost_that_nobody_knows_beforehand_is_not_nothing() {
    let text = "[[budgets]]\nname = 'strict'\nusd_per_day = '1'";
    let (_simulator, door) = limited(text, |_| {}).await;
    let got = ask(door.addr, post(UNPRICED_PATH, CHAT)).await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(got.text().contains("unknown_usd"), "{}", got.text());
    // Nor can what is not read at all; its client still gets to read the answer.
    let upload = "x".repeat(3 << 20);
    let got = ask(door.addr, post("/v1/files", &upload)).await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);

    let text = "[[budgets]]\nname = 'lenient'\nusd_per_day = '1'\nunknown_usd = '0.4'";
    let (_simulator, door) = limited(text, |_| {}).await;
    let mut settled = 0;
    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(ask(door.addr, post(UNPRICED_PATH, CHAT)).await.status, expected);
        settled += 1;
        door.seen.calls(settled).await;
    }
    assert_eq!(spent(&door), (800_000_000_000, 0));
    let purse = door.gateway.budgets()[0].accounts[0].purses[0].purse;
    assert_eq!(purse.unknown_calls, 2);
}

#[tokio::test]
async fn the_user_is_told_of_parts_that_are_spent_and_of_the_first_call_that_is_stopped() {
    let amount = chat_most() * 3 / 2;
    let text = format!(
        "[[budgets]]\nname = 'told'\neach = 'model'\nusd_per_day = '0.{amount:012}'\nwarn_at = [10, 20]\n\
         [[budgets]]\nname = 'warns'\nusd_per_hour = '0'\non_limit = 'warn'"
    );
    let (_simulator, door) = limited(&text, |_| {}).await;
    let mut calls = 0;
    while ask(door.addr, post(CHAT_PATH, CHAT)).await.status == StatusCode::OK {
        calls += 1;
        door.seen.calls(calls).await;
    }
    assert!(calls >= 1);
    ask(door.addr, post(CHAT_PATH, CHAT)).await;
    door.seen.calls(calls + 2).await;
    let news: Vec<_> = news(&door).into_iter().map(|it| (it.budget, it.value, it.kind)).collect();
    let of =
        |name: &str, value: Option<&str>, kind| (name.to_owned(), value.map(str::to_owned), kind);
    let count = |it| news.iter().filter(|known| **known == it).count();
    assert_eq!(count(of("warns", None, NewsKind::Stopped)), 1, "{news:?}");
    assert_eq!(count(of("told", Some("gpt-4.1-mini"), NewsKind::Stopped)), 1, "{news:?}");
    assert_eq!(count(of("told", Some("gpt-4.1-mini"), NewsKind::Reached(20))), 1, "{news:?}");
}

/// The past as a test wants it.
struct Told(Mutex<Vec<(UnixMs, ByUser)>>);

impl Past for Told {
    fn spent(&self, since: UnixMs, by_user: ByUser) -> Result<Vec<Spent>, LedgerError> {
        self.0.lock().unwrap().push((since, by_user));
        let spender = |program: &str, model: &str| Spender {
            program: Some(program.to_owned()),
            project_root: None,
            project_name: None,
            user: None,
            provider: Some("openai".to_owned()),
            model: Some(model.to_owned()),
            key: None,
        };
        Ok(vec![
            Spent {
                spender: spender("pytest", "gpt-4.1-mini-2025-04-14"),
                cost: SpentCost::Known(PicoUsd(700_000_000_000)),
            },
            Spent {
                spender: spender("claude", "gpt-4.1-mini"),
                cost: SpentCost::Known(PicoUsd(50_000_000_000)),
            },
            Spent {
                spender: spender("pytest", "gpt-4.1-mini"),
                cost: SpentCost::Unknown { request_bytes: 3_000, at: since },
            },
        ])
    }

    fn caught_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn what_was_spent_before_a_budget_was_there_counts() {
    let simulator = simulator().await;
    let told = Arc::new(Told(Mutex::default()));
    let set = |text: &str| Snapshot { budgets: budgets(text), ..snapshot(&simulator.base_url()) };
    let past = Arc::clone(&told) as Arc<dyn Past>;
    let by_program =
        |usd: &str| format!("[[budgets]]\nname = 'p'\neach = 'program'\nusd_per_day = '{usd}'");
    let door = Door::open_with(set(&by_program("1")), |it| it.past = Some(past)).await;
    // As if it had named no maximum: 1,000 tokens and 8,192.
    let unknown = 1_000 * 400_000 + 8_192 * 1_600_000;
    let state = |door: &Door| {
        let accounts = &door.gateway.budgets()[0].accounts;
        let rows = accounts.iter().map(|it| {
            let purse = it.purses[0].purse;
            (it.value.clone().unwrap(), purse.spent.0, purse.unknown_calls)
        });
        rows.collect::<Vec<_>>()
    };
    let expected = vec![
        ("claude".to_owned(), 50_000_000_000, 0),
        ("pytest".to_owned(), 700_000_000_000 + unknown, 1),
    ];
    assert_eq!(state(&door), expected);
    // Another amount keeps what is known; another budget reads anew.
    door.gateway.replace(set(&by_program("2"))).unwrap();
    assert_eq!(state(&door), expected);
    assert_eq!(told.0.lock().unwrap().len(), 1);
    let by_model =
        "[[budgets]]\nname = 'm'\nmodel = 'gpt-4.1-mini'\nusd_per_month = '2'\nuser = '*'";
    door.gateway.replace(set(by_model)).unwrap();
    assert_eq!(
        told.0.lock().unwrap()[1],
        (Period::Month.window(super::harness::TODAY, &jiff::tz::TimeZone::UTC).from, ByUser::Yes)
    );
    assert_eq!(spent(&door), (0, 0), "no user is known");
    let by_model = by_model.replace("user = '*'", "");
    door.gateway.replace(set(&by_model)).unwrap();
    assert_eq!(spent(&door), (750_000_000_000 + unknown, 0), "one model under both of its names");
    door.gateway.replace(set("")).unwrap();
    assert!(door.gateway.budgets().is_empty());
}

#[tokio::test]
async fn a_call_under_way_counts_for_a_budget_that_comes_before_it_ends() {
    let (simulator, door) = limited("", |_| {}).await;
    let streamed = CHAT.replace("{\"model", "{\"stream\":true,\"model");
    let request = controlled(post(CHAT_PATH, &streamed), "hang=10");
    let held = super::harness::begin(door.addr, request).await;
    let text = "[[budgets]]\nname = 'late'\nusd_per_day = '1'";
    let later = Snapshot { budgets: budgets(text), ..snapshot(&simulator.base_url()) };
    door.gateway.replace(later).unwrap();
    assert_eq!(spent(&door), (0, 0));
    drop(held);
    let call = Arc::clone(&door.seen.calls(1).await[0]);
    assert_eq!(call.outcome, Outcome::Cancelled);
    assert_eq!(spent(&door), (call.cost.unwrap().0, 0));
}

/// A past that cannot be read.
struct Lost;

impl Past for Lost {
    fn spent(&self, _: UnixMs, _: ByUser) -> Result<Vec<Spent>, LedgerError> {
        Err(LedgerError::Closed)
    }

    fn caught_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn budgets_whose_past_cannot_be_read_are_not_taken() {
    let text = "[[budgets]]\nname = 'old'\nconcurrent = 0";
    let (simulator, door) = limited(text, |it| it.past = Some(Arc::new(Lost))).await;
    let text = "[[budgets]]\nname = 'new'\nusd_per_day = '1'";
    let later = Snapshot { budgets: budgets(text), ..snapshot(&simulator.base_url()) };
    assert!(door.gateway.replace(later).is_err());
    assert_eq!(door.gateway.budgets()[0].budget.name, "old");
    let got = ask(door.addr, post(CHAT_PATH, CHAT)).await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);
}

/// Finds the program that is named.
struct Caught(&'static str);

impl CallerLookup for Caught {
    fn socket(&self, _: SocketAddr, _: SocketAddr) -> Option<ClientSocket> {
        None
    }

    fn lookup(
        &self,
        _: Option<ClientSocket>,
        _: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>> {
        let caller = Caller {
            process: ProcessKey { pid: 7, started_at_ns: 7 },
            program: self.0.to_owned(),
            exe: None,
            argv: Vec::new(),
            cwd: None,
            uid: 1_000,
            user: Some("ada".to_owned()),
            ancestors: Vec::new(),
            cgroup: None,
            project: Some(Project { name: "lab".to_owned(), root: "/home/ada/lab".to_owned() }),
            source: CallerSource::SockDiag,
        };
        Box::pin(std::future::ready(Some(Arc::new(caller))))
    }
}

#[tokio::test]
async fn callers_are_told_apart() {
    let check = async |scope: &str, expected: StatusCode| {
        let text = format!("[[budgets]]\nname = 'b'\nrequests_per_min = 0\n{scope}");
        let change = |it: &mut GatewayConfig| it.callers = Arc::new(Caught("pytest"));
        let (_simulator, door) = limited(&text, change).await;
        let got = ask(door.addr, post(CHAT_PATH, CHAT)).await;
        assert_eq!(got.status, expected, "{scope}: {}", got.text());
    };
    check("", StatusCode::TOO_MANY_REQUESTS).await;
    check("program = 'py*'", StatusCode::TOO_MANY_REQUESTS).await;
    check("program = 'claude'", StatusCode::OK).await;
    check("project = 'lab'", StatusCode::TOO_MANY_REQUESTS).await;
    check("project = '/home/ada/lab'\nuser = 'ada'", StatusCode::TOO_MANY_REQUESTS).await;
    check("user = 'root'", StatusCode::OK).await;
    check("model = 'gpt-4.1-mini'\nprovider = 'openai'", StatusCode::TOO_MANY_REQUESTS).await;
    check("model = 'gpt-4.1'", StatusCode::OK).await;
}

#[tokio::test]
async fn rules_see_what_is_left() {
    let text = "[[budgets]]\nname = 'b'\nprogram = 'pytest'\nusd_per_day = '0.75'\n\
                [[rules]]\nname = 'r'\nwhen = 'budget_left == 0.75'\ndeny = 'as expected'";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path, &Catalogue::embedded().unwrap()).unwrap();
    let simulator = simulator().await;
    let check = async |program: &'static str, expected: StatusCode| {
        let snapshot = Snapshot {
            budgets: config.budgets.clone(),
            rules: Arc::clone(&config.rules),
            ..snapshot(&simulator.base_url())
        };
        let door = Door::open_with(snapshot, |it| it.callers = Arc::new(Caught(program))).await;
        let got = ask(door.addr, post(CHAT_PATH, CHAT)).await;
        assert_eq!(got.status, expected, "{}", got.text());
    };
    check("pytest", StatusCode::FORBIDDEN).await;
    check("claude", StatusCode::OK).await;
}
