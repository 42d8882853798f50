//! Log probabilities and pictures, the same in each dialect.

use serde_json::{Value, json};
use tollgate_simulator::{PICTURE_TOKENS, SimulatedCall, Simulator, count_tokens};

use crate::http::{Raw, post, simulator};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
const GEMINI_STREAM: &str = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";

/// Each token with its log probability and those of its alternatives.
type Told = Vec<(String, f64, Vec<(String, f64)>)>;

fn openai(list: &Value) -> Told {
    let score = |it: &Value| {
        (it["token"].as_str().expect("a token").to_owned(), it["logprob"].as_f64().expect("one"))
    };
    let token = |it: &Value| {
        let (token, logprob) = score(it);
        let top = it["top_logprobs"].as_array().expect("a list");
        (token, logprob, top.iter().map(score).collect())
    };
    list.as_array().into_iter().flatten().map(token).collect()
}

fn gemini(result: &Value) -> Told {
    let score = |it: &Value| {
        let token = it["token"].as_str().expect("a token").to_owned();
        (token, it["logProbability"].as_f64().expect("one"))
    };
    let chosen = result["chosenCandidates"].as_array().into_iter().flatten();
    let token = |(at, it): (usize, &Value)| {
        let (token, logprob) = score(it);
        let top = result["topCandidates"][at]["candidates"].as_array();
        (token, logprob, top.into_iter().flatten().map(score).collect())
    };
    chosen.enumerate().map(token).collect()
}

fn chat(stream: bool) -> Value {
    json!({
        "model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Well?"}],
        "logprobs": true, "top_logprobs": 2, "stream": stream,
    })
}

async fn asked(simulator: &Simulator, path: &str, body: &Value) -> (Raw, SimulatedCall) {
    let (raw, call) = post(simulator, path, "", body).await;
    assert_eq!(raw.status, 200, "{}", raw.text());
    (raw, call)
}

#[tokio::test]
async fn tokens_are_as_likely_in_every_dialect() {
    let simulator = simulator().await;
    let whole = asked(&simulator, CHAT, &chat(false)).await.0.json();
    let told = openai(&whole["choices"][0]["logprobs"]["content"]);
    let text: String = told.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(whole["choices"][0]["message"]["content"], text);
    assert!(told.iter().all(|it| it.1 <= 0.0 && it.2.len() == 2 && it.2[0].0 == it.0));

    let events = asked(&simulator, CHAT, &chat(true)).await.0.events();
    let pieces = events.iter().flat_map(|it| openai(&it["choices"][0]["logprobs"]["content"]));
    assert_eq!(pieces.collect::<Told>(), told);

    let mut body = json!({
        "model": "gpt-4.1-mini", "input": "Well?", "top_logprobs": 2,
        "include": ["message.output_text.logprobs"],
    });
    let whole = asked(&simulator, RESPONSES, &body).await.0.json();
    assert_eq!(openai(&whole["output"][0]["content"][0]["logprobs"]), told);
    body["stream"] = json!(true);
    let events = asked(&simulator, RESPONSES, &body).await.0.events();
    let deltas = events.iter().filter(|it| it["type"] == "response.output_text.delta");
    assert_eq!(deltas.flat_map(|it| openai(&it["logprobs"])).collect::<Told>(), told);

    let body = json!({
        "contents": [{"parts": [{"text": "Well?"}]}],
        "generationConfig": {"responseLogprobs": true, "logprobs": 2},
    });
    let whole = asked(&simulator, GEMINI, &body).await.0.json();
    assert_eq!(gemini(&whole["candidates"][0]["logprobsResult"]), told);
    let events = asked(&simulator, GEMINI_STREAM, &body).await.0.events();
    let chunks = events.iter().flat_map(|it| gemini(&it["candidates"][0]["logprobsResult"]));
    assert_eq!(chunks.collect::<Told>(), told);
}

#[tokio::test]
async fn log_probabilities_are_refused_where_the_real_apis_refuse_them() {
    let simulator = simulator().await;
    let mut bodies = [chat(false), chat(false), chat(false)];
    bodies[0]["model"] = json!("gpt-5-mini");
    bodies[1]["top_logprobs"] = json!(21);
    bodies[2]["logprobs"] = json!(false);
    for body in bodies {
        let (raw, _) = post(&simulator, CHAT, "", &body).await;
        assert_eq!(raw.status, 400, "{body}: {}", raw.text());
    }
}

/// The answers to the same request for pictures: the text, and the picture's base64.
fn shown(raw: &Raw, path: &str) -> (Option<String>, String) {
    let body = raw.json();
    let text = |it: &Value| it.as_str().map(str::to_owned);
    let picture =
        |it: &Value| it.as_str().expect("a picture").replace("data:image/png;base64,", "");
    match path {
        CHAT => {
            let message = &body["choices"][0]["message"];
            (text(&message["content"]), picture(&message["images"][0]["image_url"]["url"]))
        }
        RESPONSES => {
            let output = body["output"].as_array().expect("items");
            let last = output.last().expect("an item");
            assert_eq!(last["type"], "image_generation_call");
            let said = output.iter().find(|it| it["type"] == "message");
            (said.and_then(|it| text(&it["content"][0]["text"])), picture(&last["result"]))
        }
        _ => {
            let parts = body["candidates"][0]["content"]["parts"].as_array().expect("parts");
            let last = parts.last().expect("a part");
            let said = parts.iter().find_map(|it| text(&it["text"]));
            (said, picture(&last["inlineData"]["data"]))
        }
    }
}

#[tokio::test]
async fn pictures_are_made_in_every_dialect_where_they_are_asked_for() {
    let simulator = simulator().await;
    let gemini = GEMINI.replace("flash", "flash-image");
    let chat = |modes: Value| {
        json!({
            "model": "gpt-5-image-mini", "messages": [{"role": "user", "content": "Draw."}],
            "modalities": modes,
        })
    };
    let responses = |choice: Value| {
        json!({
            "model": "gpt-5-image-mini", "input": "Draw.", "tool_choice": choice,
            "tools": [{"type": "image_generation"}],
        })
    };
    let contents = |modes: Value| {
        json!({
            "contents": [{"parts": [{"text": "Draw."}]}],
            "generationConfig": {"responseModalities": modes},
        })
    };
    let (mut texts, mut pictures) = (Vec::new(), Vec::new());
    for (path, beside, alone) in [
        (CHAT, chat(json!(["image", "text"])), chat(json!(["image"]))),
        (RESPONSES, responses(json!("auto")), responses(json!({"type": "image_generation"}))),
        (&gemini, contents(json!(["TEXT", "IMAGE"])), contents(json!(["IMAGE"]))),
    ] {
        let (raw, call) = asked(&simulator, path, &beside).await;
        let (text, picture) = shown(&raw, path);
        let text = text.expect("a text");
        let usage = call.usage.expect("usage");
        assert_eq!(usage.output, Some(count_tokens(&text) + PICTURE_TOKENS));
        assert_eq!(usage.output_image, Some(PICTURE_TOKENS));
        texts.push(text);
        pictures.push(picture);
        let (raw, call) = asked(&simulator, path, &alone).await;
        let (text, picture) = shown(&raw, path);
        assert_eq!((text, call.usage.and_then(|it| it.output)), (None, Some(PICTURE_TOKENS)));
        pictures.push(picture);
    }
    texts.dedup();
    pictures.dedup();
    assert_eq!((texts.len(), pictures.len()), (1, 1), "all say and show the same");
    let mut body = chat(json!(["image"]));
    body["model"] = json!("gpt-5-mini");
    let (raw, _) = post(&simulator, CHAT, "", &body).await;
    assert_eq!(raw.status, 400, "{}", raw.text());
}
