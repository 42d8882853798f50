//! Models of the user's own: who serves them, and what happens when one does not.

use std::sync::Arc;

use http::StatusCode;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tollgate_core::{
    Format, PicoUsd, Routing,
    call::{ErrorCode, Outcome},
    routing::{AttemptResult, Strategy},
};
use tollgate_gateway::{
    LedgerHistory, LedgerSink, Model, ModelPatience, Settled, Snapshot, Target,
};
use tollgate_ledger::{Ledger, LedgerConfig};
use tollgate_simulator::Simulator;

use crate::gateway::faults::read_request;
use crate::gateway::harness::{
    CLIENT_KEY, Door, PATIENCE, Whole, ask, keyed, post, priced, setup, simulator,
};

/// What a chat asks for; the model is the first `fast`.
const CHAT: &str = r#"{ "model": "fast", "temperature": 1.50,
  "messages": [{"role": "user", "content": "Say \u00e9."}], "x_unknown": {"model": "fast"} }"#;

const MESSAGES: &str = r#"{"model":"fast","max_tokens":64,"stream":true,"metadata":{"user_id":"u"},
  "messages":[{"role":"user","content":"Hello there"}]}"#;

pub(crate) fn model(targets: &[(&str, &str)]) -> Model {
    let targets = targets.iter().map(|(provider, model)| Target {
        provider: (*provider).to_owned(),
        model: (*model).to_owned(),
        weight: 1,
    });
    Model {
        name: "fast".to_owned(),
        strategy: Strategy::Fallback,
        targets: targets.collect(),
        retries: 0,
        patience: ModelPatience::default(),
    }
}

/// OpenAI and Groq, Anthropic and Google at two simulators, all with keys of their own.
pub(crate) struct Town {
    pub(crate) one: Simulator,
    pub(crate) other: Simulator,
    pub(crate) door: Door,
}

impl Town {
    pub(crate) async fn open(models: Vec<Model>) -> Self {
        let (one, other) = (simulator().await, simulator().await);
        let (here, there) = (one.base_url(), other.base_url());
        let providers = vec![
            keyed("openai", &here, "sk-openai"),
            keyed("groq", &there, "sk-groq"),
            keyed("anthropic", &there, "sk-anthropic"),
            keyed("google", &there, "sk-google"),
        ];
        let door = Door::open(Snapshot { models, ..priced(providers) }).await;
        Self { one, other, door }
    }

    pub(crate) async fn ask(&self, path: &str, body: &str) -> Whole {
        ask(self.door.addr, post(path, body)).await
    }

    /// The one settled call, as the ledger gets it.
    pub(crate) async fn settled(&self) -> (Settled, Routing) {
        self.door.seen.calls(1).await;
        let mut ledger = self.door.seen.ledger();
        assert_eq!(ledger.len(), 1);
        let settled = ledger.remove(0);
        let routing = settled.routing.as_deref().cloned().unwrap_or_default();
        (settled, routing)
    }
}

fn results(routing: &Routing) -> Vec<(&str, &AttemptResult)> {
    routing.attempts.iter().map(|it| (it.provider.as_str(), &it.result)).collect()
}

#[tokio::test]
async fn only_the_models_name_changes_on_the_way_to_a_provider_of_the_clients_format() {
    let town = Town::open(vec![model(&[("groq", "gpt-4.1-mini")])]).await;
    let answer = town.ask("/v1/chat/completions?x=1", CHAT).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = town.other.calls();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path(), "/openai/v1/chat/completions");
    let expected = CHAT.replacen("\"fast\"", "\"gpt-4.1-mini\"", 1);
    assert_eq!(std::str::from_utf8(&seen[0].request).unwrap(), expected);
    assert_eq!(seen[0].headers["authorization"], "Bearer sk-groq");
    let (settled, routing) = town.settled().await;
    assert_eq!(settled.call.provider.as_deref(), Some("groq"));
    assert_eq!(settled.call.model_asked.as_deref(), Some("fast"));
    assert_eq!(routing.model.as_deref(), Some("fast"));
    assert_eq!(results(&routing), [("groq", &AttemptResult::Answered(200))]);
    assert_eq!(routing.attempts[0].model, "gpt-4.1-mini");
    assert_eq!(routing.attempts[0].translated_to, None);
}

#[tokio::test]
async fn a_model_in_a_path_is_renamed_there() {
    let town = Town::open(vec![model(&[("google", "gemini-2.5-flash")])]).await;
    let body = r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#;
    let answer = town.ask("/v1beta/models/fast:generateContent", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = town.other.calls();
    assert_eq!(seen[0].path(), "/v1beta/models/gemini-2.5-flash:generateContent");
    assert_eq!(&seen[0].request[..], body.as_bytes());
    let (settled, _) = town.settled().await;
    assert_eq!(settled.call.model_asked.as_deref(), Some("fast"));
    assert!(settled.call.cost.is_some_and(|it| it > PicoUsd::ZERO), "{:?}", settled.call);
}

#[tokio::test]
async fn another_models_call_goes_where_it_went_before() {
    let town = Town::open(vec![model(&[("groq", "gpt-4.1-mini")])]).await;
    let body = CHAT.replacen("fast", "gpt-5-mini", 1);
    town.ask("/v1/chat/completions", &body).await;
    assert_eq!(std::str::from_utf8(&town.one.calls()[0].request).unwrap(), body);
    assert!(town.other.calls().is_empty());
    let (settled, _) = town.settled().await;
    assert!(settled.routing.is_none());
    // A path that names its provider leaves the model alone, whatever it is called.
    let own = town.ask("/p/groq/openai/v1/chat/completions", CHAT).await;
    assert_eq!(own.status, StatusCode::NOT_FOUND, "groq knows no such model");
    assert_eq!(std::str::from_utf8(&town.other.calls()[0].request).unwrap(), CHAT);
}

#[tokio::test]
async fn the_next_target_serves_what_the_first_cannot() {
    for (fault, told) in
        [("status=500", 500), ("status=429+retry-after=30", 429), ("status=404", 404)]
    {
        let faulty = format!("gpt-5-mini+{fault}");
        let town = Town::open(vec![model(&[("openai", &faulty), ("groq", "gpt-4.1-mini")])]).await;
        let answer = town.ask("/v1/chat/completions", CHAT).await;
        assert_eq!(answer.status, StatusCode::OK, "{fault}: {}", answer.text());
        let (settled, routing) = town.settled().await;
        assert_eq!(
            results(&routing),
            [("openai", &AttemptResult::Answered(told)), ("groq", &AttemptResult::Answered(200))],
        );
        assert_eq!(settled.call.provider.as_deref(), Some("groq"));
        assert_eq!((settled.call.retries, settled.call.status), (1, Some(200)));
        assert_eq!(settled.call.outcome, Outcome::Finished);
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_or_stays_silent_is_passed_on_from() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let simulator = simulator().await;
    let providers = vec![
        keyed("openai", &nowhere, "sk-1"),
        keyed("groq", &simulator.base_url(), "sk-2"),
        keyed("mistral", &simulator.base_url(), "sk-3"),
    ];
    let mut silent = model(&[
        ("openai", "gpt-5-mini"),
        ("groq", "gpt-4.1-mini+hang"),
        ("mistral", "gpt-4.1-mini"),
    ]);
    silent.patience.first_byte = Some(std::time::Duration::from_millis(50));
    let door = Door::open(Snapshot { models: vec![silent], ..priced(providers) }).await;
    let answer = ask(door.addr, post("/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    door.seen.calls(1).await;
    let routing = door.seen.ledger()[0].routing.clone().unwrap();
    let failed = |place: usize| match &routing.attempts[place].result {
        AttemptResult::Failed { code, .. } => *code,
        other @ (AttemptResult::Answered(_) | AttemptResult::Skipped(_)) => panic!("{other:?}"),
    };
    assert_eq!((failed(0), failed(1)), (ErrorCode::ProviderUnreachable, ErrorCode::Timeout));
    assert_eq!(routing.attempts[2].result, AttemptResult::Answered(200));
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_after_a_wait() {
    let mut stubborn = model(&[("openai", "gpt-5-mini+status=503")]);
    stubborn.retries = 2;
    let town = Town::open(vec![stubborn]).await;
    let answer = town.ask("/v1/chat/completions", CHAT).await;
    // The provider's own answer, once nobody is left to ask.
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.json()["error"]["message"].is_string());
    assert_eq!(town.one.calls().len(), 3);
    let (settled, routing) = town.settled().await;
    assert_eq!(settled.call.retries, 2);
    assert_eq!(results(&routing), [("openai", &AttemptResult::Answered(503)); 3]);
    assert_eq!(routing.attempts[0].waited_us, 0);
    assert!(routing.attempts[1].began_us >= routing.attempts[1].waited_us);
}

#[tokio::test]
async fn a_target_that_asks_for_a_long_wait_is_not_waited_for() {
    let mut patient = model(&[("openai", "gpt-5-mini+status=429+retry-after=3600")]);
    patient.retries = 5;
    let town = Town::open(vec![patient]).await;
    let answer = town.ask("/v1/chat/completions", CHAT).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], "3600");
    assert_eq!(town.one.calls().len(), 1);
}

#[tokio::test]
async fn nothing_is_tried_again_once_a_byte_has_reached_the_client() {
    let town = Town::open(vec![model(&[
        ("openai", "gpt-5-mini+break_after=300"),
        ("groq", "gpt-4.1-mini"),
    ])])
    .await;
    let body = r#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let answer = town.ask("/v1/chat/completions", body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(town.one.calls().len(), 1);
    assert!(town.other.calls().is_empty());
    let (settled, routing) = town.settled().await;
    assert_eq!(settled.call.outcome, Outcome::Failed);
    assert_eq!(routing.attempts.len(), 1);
}

#[tokio::test]
async fn a_target_that_fails_again_and_again_is_passed_over_and_comes_last() {
    let both = [("openai", "gpt-5-mini+status=500"), ("groq", "gpt-4.1-mini")];
    let town = Town::open(vec![model(&both)]).await;
    for _ in 0..4 {
        assert_eq!(town.ask("/v1/chat/completions", CHAT).await.status, StatusCode::OK);
    }
    town.door.seen.calls(4).await;
    assert_eq!(town.one.calls().len(), 3);
    let last = town.door.seen.ledger()[3].routing.clone().unwrap();
    assert!(
        matches!(&last.attempts[0].result, AttemptResult::Skipped(why) if why.contains("cools"))
    );
    let status = town.door.gateway.models();
    assert_eq!(status[0].targets[0].condition.failures, 3);
    assert!(status[0].targets[0].condition.cools_for.is_some());
    // It is asked once more when every other target failed.
    let failing = vec![model(&[both[0], ("groq", "gpt-4.1-mini+status=503")])];
    let providers = vec![
        keyed("openai", &town.one.base_url(), "sk-openai"),
        keyed("groq", &town.other.base_url(), "sk-groq"),
    ];
    town.door.gateway.replace(Snapshot { models: failing, ..priced(providers) }).unwrap();
    assert_eq!(
        town.ask("/v1/chat/completions", CHAT).await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(town.one.calls().len(), 4);
    // A new configuration does not make it forgotten, and when nothing else is left it is asked.
    let alone = vec![keyed("openai", &town.one.base_url(), "sk-openai")];
    let models = vec![model(&both[..1])];
    town.door.gateway.replace(Snapshot { models, ..priced(alone) }).unwrap();
    let answer = town.ask("/v1/chat/completions", CHAT).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(town.one.calls().len(), 5);
}

#[tokio::test]
async fn the_clients_key_goes_only_to_the_provider_it_is_for() {
    let (one, other) = (simulator().await, simulator().await);
    let providers = vec![
        setup("openai", &one.base_url()),
        setup("groq", &other.base_url()),
        setup("ollama", &other.base_url()),
    ];
    let targets = [("groq", "gpt-4.1-mini"), ("ollama", "gpt-5"), ("openai", "gpt-5-mini")];
    let door = Door::open(Snapshot { models: vec![model(&targets)], ..priced(providers) }).await;
    let answer = ask(door.addr, post("/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(one.calls()[0].headers["authorization"], format!("Bearer {CLIENT_KEY}"));
    // A server on this machine is asked without a key, and this one wants one.
    let local = other.calls();
    assert_eq!(local.len(), 1, "groq has no key");
    assert_eq!(local[0].credential, None);
    door.seen.calls(1).await;
    let routing = door.seen.ledger()[0].routing.clone().unwrap();
    assert!(
        matches!(&routing.attempts[0].result, AttemptResult::Skipped(why) if why.contains("API key"))
    );
    assert_eq!(routing.attempts[1].result, AttemptResult::Answered(401));
}

#[tokio::test]
async fn a_call_is_translated_for_a_provider_of_another_format_and_its_stream_back() {
    let town = Town::open(vec![model(&[("openai", "gpt-5-mini")])]).await;
    let answer = town.ask("/v1/messages", MESSAGES).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let text = answer.text();
    assert!(text.starts_with("event: message_start\n"), "{text}");
    assert!(text.contains("event: message_stop\n"), "{text}");
    let seen = &town.one.calls()[0];
    assert_eq!(seen.path(), "/v1/chat/completions");
    assert_eq!(seen.headers["authorization"], "Bearer sk-openai");
    assert!(!seen.headers.contains_key("anthropic-version"));
    assert!(!seen.headers.contains_key("x-api-key"));
    let (settled, routing) = town.settled().await;
    let call = &settled.call;
    assert_eq!(call.format, Some(Format::AnthropicMessages));
    assert_eq!(call.provider.as_deref(), Some("openai"));
    assert!(call.streaming && call.outcome == Outcome::Finished);
    // The figures are those that the provider told in its own format.
    let told = seen.usage.unwrap();
    assert_eq!((call.usage.input, call.usage.output), (told.input, told.output));
    assert!(call.cost.is_some_and(|it| it > PicoUsd::ZERO));
    assert_eq!(routing.attempts[0].translated_to, Some(Format::OpenaiChat));
    // What is kept of the answer is what the client got.
    let kept: Vec<u8> = settled.bodies.unwrap().response.concat();
    assert_eq!(kept, answer.body);
}

#[tokio::test]
async fn a_whole_answer_is_translated_with_its_errors_and_their_wait() {
    let town = Town::open(vec![model(&[("anthropic", "claude-sonnet-4-5")])]).await;
    let answer = town.ask("/v1/chat/completions", CHAT).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.json()["object"], "chat.completion");
    assert_eq!(town.other.calls()[0].headers["x-api-key"], "sk-anthropic");
    let (settled, routing) = town.settled().await;
    assert!(settled.call.cost.is_some_and(|it| it > PicoUsd::ZERO));
    let lost: Vec<_> = routing.request_losses.iter().map(|it| it.field.as_str()).collect();
    assert!(lost.contains(&"x_unknown"), "{lost:?}");

    let limited = model(&[("anthropic", "claude-sonnet-4-5+status=429+retry-after=3600")]);
    let town = Town::open(vec![limited]).await;
    let answer = town.ask("/v1/chat/completions", CHAT).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], "3600");
    assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
}

#[tokio::test]
async fn what_cannot_be_carried_over_is_refused_by_name_unless_another_target_takes_it() {
    let body = r#"{"model":"fast","n":3,"messages":[{"role":"user","content":"Hi"}]}"#;
    let town = Town::open(vec![model(&[("anthropic", "claude-sonnet-4-5")])]).await;
    let answer = town.ask("/v1/chat/completions", body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"]["code"], "not-translatable");
    assert!(answer.text().contains("`n`"), "{}", answer.text());
    assert!(town.other.calls().is_empty());
    let (settled, _) = town.settled().await;
    assert_eq!(settled.call.error_code, Some(ErrorCode::NotTranslatable));
    assert_eq!(settled.call.provider, None);

    let both = model(&[("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-5-mini")]);
    let town = Town::open(vec![both]).await;
    assert_eq!(town.ask("/v1/chat/completions", body).await.status, StatusCode::OK);
    let (_, routing) = town.settled().await;
    assert!(
        matches!(&routing.attempts[0].result, AttemptResult::Skipped(why) if why.contains("`n`"))
    );
}

#[tokio::test]
async fn a_translated_stream_that_breaks_ends_with_the_clients_own_error_event() {
    let town = Town::open(vec![model(&[("openai", "gpt-5-mini+break_after=400")])]).await;
    let answer = town.ask("/v1/messages", MESSAGES).await;
    assert!(!answer.broken);
    assert!(answer.text().contains("event: error\n"), "{}", answer.text());
    let (settled, _) = town.settled().await;
    assert_eq!(settled.call.outcome, Outcome::Failed);
    assert_eq!(settled.call.error_code, Some(ErrorCode::ProviderBroke));
}

#[tokio::test]
async fn several_answers_of_which_one_is_cut_off_end_with_an_error() {
    const TWO: &str = r#"{"model":"fast","n":2,"stream":true,
        "messages":[{"role":"user","content":"Which two?"}]}"#;
    let whole = {
        let body = r#"{"contents":[{"parts":[{"text":"Which two?"}]}],
            "generationConfig":{"candidateCount":2}}"#;
        let path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
        let whole = ask(simulator().await.addr(), post(path, body)).await;
        String::from_utf8(whole.body.to_vec()).unwrap()
    };
    let last = whole.trim_end().rfind("\r\n\r\n").unwrap() + 4;
    assert_eq!(whole[..last].matches("finishReason").count(), 1, "one ends before the other");
    for control in ["end_after", "break_after"] {
        let provider = simulator().await;
        let mut google = keyed("google", &provider.base_url(), "sk-google");
        google.provider.endpoints.retain(|it| it.format == Format::Gemini);
        let target = format!("gemini-2.5-flash+{control}={last}");
        let models = vec![model(&[("google", &target)])];
        let door = Door::open(Snapshot { models, ..priced(vec![google]) }).await;
        let answer = ask(door.addr, post("/v1/chat/completions", TWO)).await;
        let text = answer.text();
        assert!(!answer.broken && text.contains("data: {\"error\""), "{control}: {text}");
        assert!(!text.contains("[DONE]") && !text.contains("\"finish_reason\":\"stop\""), "{text}");
        let call = &door.seen.calls(1).await[0];
        assert_eq!(call.outcome, Outcome::Failed, "{control}");
        assert_eq!(call.error_code, Some(ErrorCode::ProviderBroke), "{control}");
    }
}

/// What is an answer to the tap, and none to the translation.
#[tokio::test]
async fn a_stream_that_cannot_be_translated_to_its_end_is_a_failed_call() {
    let chunk = |index: u32| {
        format!(
            "data: {{\"model\":\"m\",\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"a\"}},\
             \"finish_reason\":\"stop\"}}]}}\n\n"
        )
    };
    let body = format!("{}{}data: [DONE]\n\n", chunk(0), chunk(1));
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await.unwrap();
        socket.write_all(answer.as_bytes()).await.unwrap();
    });
    let models = vec![model(&[("openai", "gpt-5-mini")])];
    let providers = vec![keyed("openai", &origin, "sk-openai")];
    let door = Door::open(Snapshot { models, ..priced(providers) }).await;
    let answer = ask(door.addr, post("/v1/messages", MESSAGES)).await;
    let text = answer.text();
    assert!(text.contains("event: error\n") && text.contains("was not asked for"), "{text}");
    let call = &door.seen.calls(1).await[0];
    assert_eq!(call.outcome, Outcome::Failed);
    assert_eq!(call.error_code, Some(ErrorCode::ProviderBroke));
}

#[tokio::test]
async fn a_call_ends_when_its_models_time_is_up() {
    let mut quick = model(&[("openai", "gpt-5-mini+hang")]);
    quick.patience.total = Some(std::time::Duration::from_millis(50));
    let town = Town::open(vec![quick.clone()]).await;
    let answer = town.ask("/v1/chat/completions", CHAT).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(answer.text().contains("`fast`"), "{}", answer.text());

    // Also in the middle of an answer, however fast it comes.
    quick.targets[0].model = "gpt-5-mini+pieces=100000+huge=1000000+chunk_delay_ms=1".to_owned();
    quick.patience.total = Some(std::time::Duration::from_millis(300));
    let town = Town::open(vec![quick]).await;
    let body = r#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let answer = tokio::time::timeout(PATIENCE, town.ask("/v1/chat/completions", body)).await;
    assert!(answer.unwrap().text().contains("was not done within"));
    let (settled, _) = town.settled().await;
    assert_eq!(settled.call.error_code, Some(ErrorCode::Timeout));
}

#[tokio::test]
async fn a_provider_gets_no_more_calls_at_once_than_it_may_have() {
    let simulator = simulator().await;
    let mut openai = keyed("openai", &simulator.base_url(), "sk-1");
    openai.concurrent_max = Some(1);
    let door = Door::open(priced(vec![openai])).await;
    let body = CHAT.replacen("fast", "gpt-5-mini+delay_ms=20", 1);
    let calls = (0..4).map(|_| ask(door.addr, post("/v1/chat/completions", &body)));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|it| it.status == StatusCode::OK));
    // One after the other: no request reached the provider before the answer to the last had left.
    let calls = simulator.calls();
    assert_eq!(calls.len(), 4);
    let peers: std::collections::BTreeSet<_> = calls.iter().map(|it| it.peer).collect();
    assert_eq!(peers.len(), 1, "one connection is enough for calls that take turns");
}

#[tokio::test]
async fn lists_of_models_have_the_users_own_in_them_whoever_asks() {
    let town = Town::open(vec![model(&[("groq", "gpt-4.1-mini")])]).await;
    let get = |path: &str, key: &str| {
        let request =
            http::Request::get(path).header(key, "sk-x").header("accept-encoding", "gzip");
        ask(town.door.addr, request.body(bytes::Bytes::new()).unwrap())
    };
    let openai = get("/v1/models", "authorization").await.json();
    assert_eq!(openai["data"][0]["id"], "fast");
    assert!(openai["data"].as_array().unwrap().iter().any(|it| it["id"] == "gpt-5-mini"));
    let anthropic = get("/v1/models?limit=1000", "x-api-key").await.json();
    assert_eq!(anthropic["data"][0]["id"], "fast");
    assert_eq!(anthropic["first_id"], "fast");
    let google = get("/v1beta/models", "x-goog-api-key").await.json();
    assert_eq!(google["models"][0]["name"], "models/fast");
    assert_eq!(get("/v1/models/fast", "authorization").await.json()["id"], "fast");
    let theirs = get("/v1/models/gpt-5-mini", "authorization").await.json();
    assert_ne!(theirs["owned_by"], "tollgate");
    let later = get("/v1beta/models?pageToken=x", "x-goog-api-key").await.json();
    assert!(!later.to_string().contains("models/fast"));

    // Also where the provider's own list cannot be had.
    town.door
        .gateway
        .replace(Snapshot {
            models: vec![model(&[("openai", "gpt-5")])],
            ..priced(vec![setup("openai", "http://127.0.0.1:9")])
        })
        .unwrap();
    let alone = get("/v1/models", "authorization").await;
    assert_eq!((alone.status, alone.json()["data"].as_array().unwrap().len()), (StatusCode::OK, 1));
    let calls = town.door.seen.calls(7).await;
    assert!(calls.iter().all(|it| it.outcome == Outcome::Finished && it.cost_unknown.is_none()));
}

#[tokio::test]
async fn an_answer_is_gone_on_from_by_its_id_at_a_provider_that_does_not_know_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), LedgerConfig::default()).unwrap();
    let simulator = simulator().await;
    let providers = vec![keyed("anthropic", &simulator.base_url(), "sk-anthropic")];
    let models = vec![model(&[("anthropic", "claude-sonnet-4-5")])];
    let door = Door::open_with(Snapshot { models, ..priced(providers) }, |config| {
        config.ledger = Some(Arc::new(LedgerSink::new(ledger.writer(), Arc::default())));
        config.history = Some(Arc::new(LedgerHistory::new(ledger.reader(), ledger.writer())));
    })
    .await;
    let ask = async |input: &str, previous: Option<&str>, stream: bool| {
        let previous =
            previous.map_or_else(String::new, |id| format!(r#""previous_response_id":"{id}","#));
        let body = format!(r#"{{"model":"fast",{previous}"stream":{stream},"input":"{input}"}}"#);
        ask(door.addr, post("/v1/responses", &body)).await
    };
    let first = ask("One", None, false).await.json();
    let first_id = first["id"].as_str().unwrap().to_owned();
    // At once, as an agent does, before the ledger has it.
    let second = ask("Two", Some(&first_id), true).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    let second_id = tollgate_wire::response_id(&second.body).unwrap();
    let third = ask("Three", Some(&second_id), false).await;
    assert_eq!(third.status, StatusCode::OK, "{}", third.text());
    let sent: serde_json::Value =
        serde_json::from_slice(&simulator.calls().last().unwrap().request).unwrap();
    let turns = sent["messages"].as_array().unwrap();
    let roles: Vec<_> = turns.iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user"], "{sent:#}");
    let said = sent.to_string();
    assert!(["One", "Two", "Three"].iter().all(|it| said.contains(it)), "{said}");

    let unknown = ask("Four", Some("resp_nobody"), false).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert!(unknown.text().contains("previous_response_id"), "{}", unknown.text());
    assert_eq!(unknown.json()["error"]["code"], "not-translatable");
    drop(door);
    ledger.close().unwrap();
}

#[tokio::test]
async fn embeddings_are_made_by_a_provider_of_another_format() {
    let town = Town::open(vec![model(&[("google", "gemini-embedding-001")])]).await;
    let body = r#"{"model":"fast","input":["One","Two"],"dimensions":8}"#;
    let answer = town.ask("/v1/embeddings", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let json = answer.json();
    let vectors = json["data"].as_array().unwrap();
    assert_eq!(vectors.len(), 2, "{json:#}");
    assert!(vectors.iter().all(|it| it["embedding"].as_array().is_some_and(|it| it.len() == 8)));
    let (settled, routing) = town.settled().await;
    assert_eq!(routing.attempts[0].translated_to, Some(Format::Gemini));
    assert_eq!(settled.call.outcome, Outcome::Finished);
}
