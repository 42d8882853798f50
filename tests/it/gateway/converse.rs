//! Clients of every format served by Bedrock's Converse, and vectors made by Cohere and Ollama: the
//! simulator answers, the binary event stream included.

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_core::{
    Format, Secret,
    call::Outcome,
    provider::{Auth, Catalogue},
};
use tollgate_gateway::{AwsKeys, ProviderSetup, Signing};
use tollgate_simulator::{SimulatedCall, Simulator};

use super::harness::{Door, Whole, ask, keyed, post, priced, setup, simulator};

pub(crate) const NOVA: &str = "amazon-bedrock/amazon.nova-lite-v1:0";

/// Bedrock at `origin` without its chat of OpenAI's, which not all of its models have, for keys that
/// sign.
pub(crate) fn bedrock(origin: &str) -> ProviderSetup {
    let mut provider = Catalogue::embedded().unwrap().get("amazon-bedrock").unwrap().clone();
    provider.endpoints.retain(|it| it.format == Format::BedrockConverse);
    for endpoint in &mut provider.endpoints {
        let path = endpoint.base_url.split_once(".com").unwrap().1;
        endpoint.base_url = format!("{origin}{path}");
    }
    provider.auth = Auth::Aws;
    provider.lists = None;
    let keys = AwsKeys::Fixed {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new("secret-key".to_owned()),
        session: None,
    };
    let signing = Some(Signing::Aws { keys, region: "eu-west-1".to_owned() });
    ProviderSetup { signing, ..ProviderSetup::new(provider) }
}

async fn opened() -> (Simulator, Door) {
    let simulator = simulator().await;
    let door = Door::open(priced(vec![bedrock(&simulator.base_url())])).await;
    (simulator, door)
}

/// The requests of the four clients, whole or streaming, for `model`.
fn asked(model: &str, stream: bool) -> Vec<(Format, String, Value)> {
    let message = json!([{"role": "user", "content": "What is new?"}]);
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "What is new?"}]}]});
    let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    vec![
        (
            Format::OpenaiChat,
            "/v1/chat/completions".to_owned(),
            json!({"model": model, "stream": stream, "messages": message}),
        ),
        (
            Format::AnthropicMessages,
            "/v1/messages".to_owned(),
            json!({"model": model, "stream": stream, "max_tokens": 300, "messages": message}),
        ),
        (
            Format::OpenaiResponses,
            "/v1/responses".to_owned(),
            json!({"model": model, "stream": stream, "store": false, "input": message}),
        ),
        (Format::Gemini, format!("/v1beta/models/{}:{verb}", model.replace(':', "%3A")), gemini),
    ]
}

/// What the model said, as the client reads it.
fn said(format: Format, got: &Whole) -> String {
    let pointers = match format {
        Format::OpenaiChat => ["/choices/0/message/content", "/choices/0/delta/content"],
        Format::AnthropicMessages => ["/content/0/text", "/delta/text"],
        Format::OpenaiResponses => ["/output/0/content/0/text", "/delta"],
        Format::Gemini
        | Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => ["/candidates/0/content/parts/0/text"; 2],
    };
    let events = got.text().lines().filter_map(|it| it.strip_prefix("data:"));
    let values: Vec<Value> = if got.text().starts_with('{') {
        vec![got.json()]
    } else {
        events.filter_map(|it| serde_json::from_str(it.trim()).ok()).collect()
    };
    let text = |it: &Value| {
        let found = pointers.iter().find_map(|pointer| it.pointer(pointer)?.as_str());
        found.map(str::to_owned)
    };
    values.iter().filter_map(text).collect()
}

fn operation(seen: &SimulatedCall) -> &str {
    seen.path().rsplit_once('/').unwrap().1
}

#[tokio::test]
async fn clients_of_every_format_are_served_by_converse() {
    for stream in [false, true] {
        for (format, path, body) in asked(NOVA, stream) {
            let (simulator, door) = opened().await;
            let got = ask(door.addr, post(&path, &body.to_string())).await;
            assert_eq!(got.status, StatusCode::OK, "{format}: {}", got.text());
            let seen = simulator.calls().remove(0);
            assert_eq!(operation(&seen), if stream { "converse-stream" } else { "converse" });
            assert_eq!(seen.credential.as_deref(), Some("AKIDEXAMPLE"), "it is signed");
            let text = said(format, &got);
            assert!(text.starts_with("This is a simulated answer 🦀."), "{format}: {text}");
            let sent = String::from_utf8_lossy(&seen.response).into_owned();
            if !stream {
                assert!(sent.contains(&text), "{format}: {text}\n{sent}");
            }
            let call = door.seen.calls(1).await.remove(0);
            assert_eq!(call.outcome, Outcome::Finished, "{format} {stream}");
            let told = seen.usage.unwrap();
            assert_eq!((call.usage.input, call.usage.output), (told.input, told.output));
            assert!(call.cost.is_some_and(|it| it.0 > 0), "{format}: {call:?}");
        }
    }
}

#[tokio::test]
async fn tools_go_there_and_their_calls_come_back_in_fragments() {
    let (simulator, door) = opened().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let body = json!({
        "model": NOVA, "stream": true, "max_tokens": 300,
        "tools": [{"name": "weather", "input_schema": schema}],
        "messages": [{"role": "user", "content": "Rain?"}],
    });
    let got = ask(door.addr, post("/v1/messages", &body.to_string())).await;
    let events = got.text().lines().filter_map(|it| it.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|it| serde_json::from_str(it).unwrap()).collect();
    let arguments = events.iter().filter_map(|it| it.pointer("/delta/partial_json")?.as_str());
    assert_eq!(arguments.collect::<String>(), r#"{"city":"simulated city"}"#);
    let id = events.iter().find_map(|it| it.pointer("/content_block/id")?.as_str()).unwrap();
    let stop = events.iter().find_map(|it| it.pointer("/delta/stop_reason")?.as_str());
    assert_eq!(stop, Some("tool_use"));

    // Its result makes the next turn.
    let mut body = body;
    body["messages"] = json!([
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": id, "name": "weather", "input": {"city": "x"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": "It rains."}]},
    ]);
    let got = ask(door.addr, post("/v1/messages", &body.to_string())).await;
    assert!(said(Format::AnthropicMessages, &got).len() > 20, "{}", got.text());
    let sent: Value = serde_json::from_slice(&simulator.calls()[1].request).unwrap();
    assert_eq!(sent.pointer("/messages/2/content/0/toolResult/toolUseId"), Some(&json!(id)));
}

#[tokio::test]
async fn what_converse_says_went_wrong_reaches_each_client_in_its_own_words() {
    for (format, path, mut body) in asked("amazon-bedrock/nobody.knows-it-v1:0", false) {
        let (_simulator, door) = opened().await;
        body["max_tokens"] =
            if format == Format::AnthropicMessages { json!(9) } else { Value::Null };
        let body = body.to_string().replace(r#","max_tokens":null"#, "");
        let got = ask(door.addr, post(&path, &body)).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{format}: {}", got.text());
        let message = got.json().pointer("/error/message").unwrap().as_str().unwrap().to_owned();
        assert!(message.contains("model identifier is invalid"), "{format}: {message}");
    }
    for controls in ["+error_midstream", "+break_after=400"] {
        for (format, path, body) in asked(&format!("{NOVA}{controls}"), true) {
            let (_simulator, door) = opened().await;
            let path = path.replace('+', "%2B");
            let got = ask(door.addr, post(&path, &body.to_string())).await;
            assert!(got.text().contains("error"), "{format} {controls}: {}", got.text());
            let call = door.seen.calls(1).await.remove(0);
            assert_eq!(call.outcome, Outcome::Failed, "{format} {controls}");
        }
    }
}

#[tokio::test]
async fn vectors_are_made_by_cohere_and_by_ollama_for_openais_clients() {
    let simulator = simulator().await;
    let origin = simulator.base_url();
    let mut cohere = keyed("cohere", &origin, "sk-cohere");
    let mut ollama = setup("ollama", &origin);
    for setup in [&mut cohere, &mut ollama] {
        let own = |it: Format| matches!(it, Format::CohereEmbed | Format::OllamaEmbed);
        setup.provider.endpoints.retain(|it| own(it.format));
    }
    let door = Door::open(priced(vec![cohere, ollama])).await;
    for (model, path) in
        [("cohere/embed-v4.0", "/v2/embed"), ("ollama/nomic-embed-text", "/api/embed")]
    {
        let body = json!({"model": model, "input": ["One", "Two"]});
        let got = ask(door.addr, post("/v1/embeddings", &body.to_string())).await;
        assert_eq!(got.status, StatusCode::OK, "{model}: {}", got.text());
        let vectors = got.json()["data"].as_array().unwrap().clone();
        assert_eq!((vectors.len(), &vectors[1]["index"]), (2, &json!(1)));
        let seen = simulator.calls().pop().unwrap();
        assert_eq!(seen.path(), path);
        let sent = String::from_utf8(seen.response.clone()).unwrap();
        let second = sent.split_once("],[").unwrap().1.split_once("]]").unwrap().0;
        assert!(got.text().contains(second), "{model}: numbers pass as they were written");
        let told = seen.usage.unwrap().input;
        assert_eq!(got.json().pointer("/usage/prompt_tokens"), Some(&json!(told.unwrap())));
    }
    for call in door.seen.calls(2).await {
        assert_eq!(call.outcome, Outcome::Finished);
        assert!(call.usage.input.is_some() && call.cost.is_some(), "{call:?}");
    }
}
