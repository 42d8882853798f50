//! Budgets as a user has them: what the SDKs raise, what a restart keeps, what the commands say.

use std::future::IntoFuture;

use axum::{Router, routing::post};
use http::{HeaderMap, StatusCode};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tollgate_app::api::{
    budgets::{BudgetMoneyView, BudgetNewsView, BudgetView},
    view::{CallState, EventView},
};
use tollgate_tests::{Controls, Home, PATIENCE, PROVIDER_KEY, Product, Sdk, providers, send};

use super::using::{CHAT, KEY, chat, simulator};

/// What such a call can cost: $0.25 a million tokens of prompt, and $2 of 8,192 tokens of output.
fn chat_most() -> i64 {
    i64::try_from(CHAT.len() / 3).unwrap() * 250_000 + 8_192 * 2_000_000
}

/// Runs a case against a gateway whose budget has nothing.
async fn check(sdk: Sdk, case: &'static str, class: &str) {
    let simulator = simulator().await;
    let home = Home::new();
    let none = "[[budgets]]\nname = \"nothing\"\nusd_per_day = \"0\"\n";
    home.configure(&[providers(&simulator.base_url()), none.to_owned()].join("\n"));
    let product = home.serve().await;
    let controls = Controls::InHeader("");
    let ran = sdk.run_cases(&home, home.path(), &product.base_url(), &[case], controls).await;
    let Some(lines) = ran else { return };
    let line = &lines[0];
    assert_eq!((&line["error"], &line["status"]), (&class.into(), &429.into()), "{line}");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("budget `nothing` stops this call: of $0.00 a day"), "{line}");
    let calls = product.calls(1).await;
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!(calls[0].error_code.as_deref(), Some("over-budget"));
    assert_eq!((calls[0].state, calls[0].status), (CallState::Failed, Some(429)));
    assert!(simulator.calls().is_empty());
    product.stop().await;
}

#[tokio::test]
async fn openai_for_python_raises_its_error_for_a_rate_limit() {
    check(Sdk::OpenaiPython, "chat_plain", "RateLimitError").await;
}

#[tokio::test]
async fn openai_for_node_raises_its_error_for_a_rate_limit() {
    check(Sdk::OpenaiNode, "chat_plain", "RateLimitError").await;
}

#[tokio::test]
async fn anthropic_for_python_raises_its_error_for_a_rate_limit() {
    check(Sdk::AnthropicPython, "plain", "RateLimitError").await;
}

#[tokio::test]
async fn anthropic_for_node_raises_its_error_for_a_rate_limit() {
    check(Sdk::AnthropicNode, "plain", "RateLimitError").await;
}

#[tokio::test]
async fn googles_for_python_raises_its_error_for_a_rate_limit() {
    check(Sdk::GenaiPython, "plain", "ClientError").await;
}

#[tokio::test]
async fn googles_for_node_raises_its_error_for_a_rate_limit() {
    check(Sdk::GenaiNode, "plain", "ApiError").await;
}

async fn budgets(product: &Product) -> Vec<BudgetView> {
    product.admin().get("/budgets").await.unwrap()
}

/// The first budget's only money.
async fn money(product: &Product) -> BudgetMoneyView {
    budgets(product).await[0].accounts[0].money[0].clone()
}

#[tokio::test]
async fn a_program_of_the_users_own_is_told() {
    let (told, mut posts) = mpsc::unbounded_channel();
    let hook = Router::new().route(
        "/budget",
        post(async move |headers: HeaderMap, body: String| {
            told.send((headers, body)).unwrap();
            StatusCode::NO_CONTENT
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/budget", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, hook).into_future());
    let simulator = simulator().await;
    let home = Home::new();
    let hook = format!("[on_budget]\nurl = \"{url}\"\n");
    home.configure(&[providers(&simulator.base_url()), daily(chat_most() + 1), hook].join("\n"));
    let product = home.serve().await;
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), StatusCode::OK);
    product.calls(1).await;
    let got = send(product.listen, chat(CHAT, "")).await;
    assert_eq!(got.status(), StatusCode::TOO_MANY_REQUESTS);
    for (kind, percent) in [("reached", Some(1)), ("stopped", None)] {
        let (headers, body) = timeout(PATIENCE, posts.recv()).await.unwrap().unwrap();
        let news: BudgetNewsView = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (news.budget.as_str(), news.kind.as_str(), news.percent),
            ("daily", kind, percent)
        );
        assert!(headers["user-agent"].to_str().unwrap().starts_with("tollgate/"));
        assert!(!headers.contains_key("authorization") && !body.contains(KEY));
    }
    product.stop().await;
}

#[tokio::test]
async fn who_cannot_be_told_holds_nothing_up_and_is_not_named_in_full() {
    let simulator = simulator().await;
    let home = Home::new();
    // Nobody listens there.
    let hook = "[on_budget]\nurl = \"http://127.0.0.1:1/secret-path\"\n".to_owned();
    home.configure(&[providers(&simulator.base_url()), daily(chat_most() + 1), hook].join("\n"));
    let product = home.serve().await;
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), StatusCode::OK);
    product.says("news of a budget were not told").await;
    let said = product.stop().await;
    assert!(said.contains("daily") && !said.contains("secret-path"), "{said}");
}

#[tokio::test]
async fn each_local_key_has_its_own_money_also_after_a_restart() {
    let simulator = simulator().await;
    let most = chat_most() + 1;
    let budget =
        format!("[[budgets]]\nname = \"keys\"\neach = \"key\"\nusd_per_day = \"0.{most:012}\"\n");
    let home = Home::keyed(&simulator, &budget);
    let serve = || home.serve_with(|it| _ = it.env(PROVIDER_KEY, "sk-of-the-gateway"));
    let product = serve().await;
    let mut keys = Vec::new();
    for name in ["one", "two"] {
        let made = product.run(&["keys", "create", name]).await;
        keys.push(made.expect().trim_end().to_owned());
    }
    let ask = async |product: &Product, key: &str| {
        let mut request = chat(CHAT, "");
        let value = format!("Bearer {key}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        send(product.listen, request).await.status()
    };
    assert_eq!(ask(&product, &keys[0]).await, StatusCode::OK);
    product.calls(1).await;
    assert_eq!(ask(&product, &keys[0]).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&product, &keys[1]).await, StatusCode::OK);
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), StatusCode::OK);
    product.calls(4).await;
    product.kill().await;
    let product = serve().await;
    let values = |budgets: &[BudgetView]| {
        let accounts = budgets[0].accounts.iter();
        accounts.map(|it| it.value.clone()).collect::<Vec<_>>()
    };
    let known = values(&budgets(&product).await);
    assert_eq!(known, [None, Some("one".to_owned()), Some("two".to_owned())]);
    assert_eq!(ask(&product, &keys[0]).await, StatusCode::TOO_MANY_REQUESTS);
    product.stop().await;
}

fn daily(pico: i64) -> String {
    format!(
        "[[budgets]]\nname = \"daily\"\nusd_per_day = \"0.{pico:012}\"\nwarn_at = [1]\n\
         [[budgets]]\nname = \"each\"\neach = \"program\"\nconcurrent = 3\n"
    )
}

#[tokio::test]
async fn a_restart_and_another_amount_keep_what_was_spent() {
    let simulator = simulator().await;
    let home = Home::new();
    let configure = |budgets: &str| {
        home.configure(&[providers(&simulator.base_url()), budgets.to_owned()].join("\n"));
    };
    // Room for one call, and for what is left of it none.
    configure(&daily(chat_most() + 1));
    let product = home.serve().await;
    let mut events = product.admin().events("/events").await.unwrap();
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), StatusCode::OK);
    let cost = product.calls(1).await[0].cost_pico_usd.clone().unwrap();
    assert_eq!(money(&product).await.spent_pico_usd, cost);
    let told = async {
        loop {
            if let EventView::Budget { news } = events.next().await.unwrap().unwrap() {
                break news;
            }
        }
    };
    let news = timeout(PATIENCE, told).await.unwrap();
    assert_eq!(
        (news.budget.as_str(), news.kind.as_str(), news.percent),
        ("daily", "reached", Some(1))
    );
    assert_eq!(news.spent_pico_usd, cost);
    let got = send(product.listen, chat(CHAT, "")).await;
    assert_eq!(got.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(money(&product).await.stopped, 1);
    product.calls(2).await;
    product.kill().await;

    let product = home.serve().await;
    let known = money(&product).await;
    assert_eq!((known.spent_pico_usd.as_str(), known.reserved_pico_usd.as_str()), (&*cost, "0"));
    assert_eq!(known.unknown_calls, 0);
    let got = send(product.listen, chat(CHAT, "")).await;
    assert_eq!(got.status(), StatusCode::TOO_MANY_REQUESTS);
    let again: i64 = got.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&again), "{again}");

    // A larger amount, and one that was not there before, as soon as the file is saved.
    let more =
        format!("{}[[budgets]]\nname = \"new\"\nusd_per_month = \"9\"\n", daily(2 * chat_most()));
    configure(&more);
    let followed = async { while budgets(&product).await.len() < 3 {} };
    timeout(PATIENCE, followed).await.unwrap();
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), StatusCode::OK);
    product.calls(4).await;
    let twice = (2 * cost.parse::<i64>().unwrap()).to_string();
    let budgets = budgets(&product).await;
    let [daily, _, new] = &budgets[..] else { panic!("three budgets") };
    let spent = [daily, new].map(|it| it.accounts[0].money[0].spent_pico_usd.clone());
    assert_eq!(spent, [twice.clone(), twice]);

    let listed = product.run(&["budgets", "list"]).await;
    let listed = listed.expect();
    let line = listed.lines().find(|it| it.starts_with("daily")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(&words[..3], ["daily", "(all)", "day"], "{listed}");
    assert!(listed.contains("calls at once"), "{listed}");
    let json = product.run(&["budgets", "list", "--json"]).await.json();
    assert_eq!(json[2]["accounts"][0]["money"][0]["amount_pico_usd"], "9000000000000");
    product.stop().await;
}
