//! Whose key reaches the provider.

use bytes::Bytes;
use http::{HeaderMap, Request};
use tollgate_core::call::{ErrorCode, Outcome};

use super::{
    cases::ASKS,
    harness::{CLIENT_KEY, Door, House, ask, keyed, post, priced, setup, simulator},
};

const OURS: &str = "sk-configured";

fn headers_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let keys = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
    let found = headers.iter().filter(|(name, _)| keys.contains(&name.as_str()));
    found.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn the_clients_own_key_passes_where_none_is_configured() {
    for case in ASKS {
        let house = House::open().await;
        house.ask(case.request()).await;
        let received = &house.simulator.calls()[0];
        assert_eq!(received.credential.as_deref(), Some(CLIENT_KEY), "{}", case.name);
        assert_eq!(headers_of(&received.headers), headers_of(case.request().headers()));
    }
}

#[tokio::test]
async fn a_configured_key_takes_the_place_of_whatever_the_client_sent() {
    let check =
        async |id: &str, path: &str, sent: &[(&str, &str)], own: (&str, &str), uri: &str| {
            let simulator = simulator().await;
            let door = Door::open(priced(vec![keyed(id, &simulator.base_url(), OURS)])).await;
            let mut request = Request::post(path).header("x-before", "1");
            for (name, value) in sent {
                request = request.header(*name, *value);
            }
            let body = Bytes::from_static(b"{\"model\":\"m\",\"messages\":[]}");
            ask(door.addr, request.header("x-after", "1").body(body).unwrap()).await;
            let received = &simulator.calls()[0];
            let expected = vec![(own.0.to_owned(), own.1.to_owned())];
            assert_eq!(headers_of(&received.headers), expected, "{path} {sent:?}");
            assert_eq!(received.uri, uri);
            let ledger = format!("{:?}", door.seen.calls(1).await);
            assert!(!ledger.contains(OURS) && !ledger.contains("sk-theirs"), "{ledger}");
        };
    let bearer = ("authorization", "Bearer sk-configured");
    let chat = "/v1/chat/completions";
    check("openai", chat, &[("authorization", "Bearer sk-theirs")], bearer, chat).await;
    check("openai", chat, &[], bearer, chat).await;
    check("openai", chat, &[("api-key", "sk-theirs"), ("x-api-key", "k")], bearer, chat).await;
    let own = ("x-api-key", OURS);
    let both = [("authorization", "Bearer sk-theirs"), ("x-api-key", "sk-theirs")];
    check("anthropic", "/v1/messages?beta=true", &both, own, "/v1/messages?beta=true").await;
    // Where no provider reads a key there, the parameter means something else.
    let keyed = "/p/groq/openai/v1/files?key=mine&x=1";
    check("groq", keyed, &[], bearer, "/openai/v1/files?key=mine&x=1").await;
    let own = ("x-goog-api-key", OURS);
    let path = "/v1beta/models/m:generateContent";
    for (sent, kept) in [
        ("?key=sk-theirs", ""),
        ("?alt=sse&key=sk-theirs", "?alt=sse"),
        ("?key=sk-theirs&alt=sse&x=%20", "?alt=sse&x=%20"),
        ("?monkey=1", "?monkey=1"),
    ] {
        check("google", &format!("{path}{sent}"), &[], own, &format!("{path}{kept}")).await;
    }
}

#[tokio::test]
async fn a_new_key_holds_from_the_next_call_on() {
    let simulator = simulator().await;
    let with = |key| priced(vec![keyed("openai", &simulator.base_url(), key)]);
    let door = Door::open(with("sk-old")).await;
    let request = || post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#);
    ask(door.addr, request()).await;
    door.gateway.replace(with("sk-new")).unwrap();
    ask(door.addr, request()).await;
    let keys: Vec<_> = simulator.calls().into_iter().map(|it| it.credential.unwrap()).collect();
    assert_eq!(keys, ["sk-old", "sk-new"]);
}

#[tokio::test]
async fn without_any_key_the_provider_is_not_called() {
    for case in ASKS {
        let house = House::open().await;
        let mut request = case.request();
        for name in ["authorization", "x-api-key", "x-goog-api-key"] {
            request.headers_mut().remove(name);
        }
        let got = house.ask(request).await;
        assert_eq!(got.status, 401, "{}", case.name);
        let error = got.json();
        match case.path {
            it if it.contains("/messages") => {
                assert_eq!(error["type"], "error");
                assert_eq!(error["error"]["type"], "authentication_error");
            }
            it if it.contains(':') => {
                assert_eq!(error["error"]["code"], 401);
                assert_eq!(error["error"]["status"], "UNAUTHENTICATED");
            }
            _ => assert_eq!(error["error"]["code"], "no-credential"),
        }
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains("_API_KEY"), "{message}");
        assert_eq!(house.simulator.log().opened(), 0);
        let call = house.call().await;
        assert_eq!(call.error_code, Some(ErrorCode::NoCredential), "{}", case.name);
        assert_eq!(call.outcome, Outcome::Failed);
        assert_eq!((call.cost, call.cost_unknown), (None, None));
    }
}

#[tokio::test]
async fn a_server_on_this_machine_needs_no_key() {
    let simulator = simulator().await;
    let door = Door::open(priced(vec![setup("ollama", &simulator.base_url())])).await;
    let body = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"x"}]}"#;
    let mut request = post("/p/ollama/v1/chat/completions", body);
    request.headers_mut().remove("authorization");
    ask(door.addr, request).await;
    assert_eq!(simulator.calls()[0].credential, None);
    assert_eq!(simulator.calls()[0].request, body);
}

#[tokio::test]
async fn the_headers_a_provider_requires_are_added_only_where_they_are_missing() {
    let house = House::open().await;
    let body = r#"{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[]}"#;
    let mut bare = post("/v1/messages", body);
    bare.headers_mut().remove("anthropic-version");
    house.ask(bare).await;
    let mut own = post("/v1/messages", body);
    own.headers_mut().insert("anthropic-version", "2099-01-01".parse().unwrap());
    house.ask(own).await;
    let versions: Vec<_> = house
        .simulator
        .calls()
        .iter()
        .map(|it| it.headers.get_all("anthropic-version").iter().cloned().collect::<Vec<_>>())
        .collect();
    assert_eq!(versions, [["2023-06-01"], ["2099-01-01"]]);
}
