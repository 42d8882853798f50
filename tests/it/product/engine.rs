//! The official SDKs served by a real inference engine, in each format that it speaks: they read
//! what the engine says when it is asked directly, and the ledger has the engine's own count.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tollgate_app::api::view::{CallState, CallView};
use tollgate_tests::{Controls, Engine, Home, Product, Sdk, send};

/// As many tokens as each answer has; the SDKs' cases would have it go on.
const TOKENS: u64 = 24;

/// Who asks the question of all SDKs.
const CASES: [(Sdk, &[&str]); 3] = [
    (Sdk::OpenaiPython, &["chat_plain", "chat_stream_usage"]),
    (Sdk::AnthropicPython, &["plain", "stream"]),
    (Sdk::GenaiPython, &["plain", "stream"]),
];

/// That question.
const QUESTION: &str = "Say something – naïvely, in 東京. 🦀";

/// The names that the SDKs ask for, short answers, and the engine in one of its formats.
fn config(engine: &Engine, format: &str) -> String {
    let mut text = format!(
        "[[providers]]\nid = \"lab\"\nformat = [\"{format}\"]\nbase_url = \"http://{}/v1\"\n",
        engine.listen
    );
    for name in ["gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-flash"] {
        let target = format!("{{ provider = \"lab\", model = \"{}\" }}", Engine::MODEL);
        text += &format!("\n[[models]]\nname = \"{name}\"\ntargets = [{target}]\n");
    }
    for (format, field) in [
        ("openai-chat", "max_tokens"),
        ("openai-responses", "max_output_tokens"),
        ("anthropic-messages", "max_tokens"),
        ("gemini", "generationConfig.maxOutputTokens"),
    ] {
        let when = format!("format == \\\"{format}\\\" && operation == \\\"generate\\\"");
        text += &format!(
            "\n[[rules]]\nname = \"short {format}\"\nwhen = \"{when}\"\nset = {{ \"{field}\" = {TOKENS} }}\n"
        );
    }
    text
}

/// What the engine itself says to a question: the text, and how many tokens the question has.
async fn direct(engine: &Engine, question: &str) -> (String, u64) {
    let body = json!({
        "model": Engine::MODEL,
        "max_tokens": TOKENS,
        "messages": [{ "role": "user", "content": question }],
    });
    let request = Request::post("/v1/chat/completions").header("content-type", "application/json");
    let request = request.body(Bytes::from(body.to_string())).unwrap();
    let answer = send(engine.listen, request).await;
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(!text.is_empty(), "{answer}");
    (text.to_owned(), answer["usage"]["prompt_tokens"].as_u64().unwrap())
}

/// Runs the cases and compares each text.
async fn check(product: &Product, sdk: Sdk, cases: &[&str], text: &str) {
    let (home, url) = (product.home(), product.base_url());
    let lines = sdk.run_cases(home, home.path(), &url, cases, Controls::InHeader("")).await;
    for line in lines.unwrap() {
        assert_eq!(line["text"], text, "{line}");
        assert_eq!(line["error"], Value::Null, "{line}");
    }
}

/// Each call has the engine's own count of tokens, and no price.
fn check_counts(calls: &[CallView], prompt: u64) {
    for call in calls {
        assert_eq!(call.state, CallState::Finished, "{call:#?}");
        assert_eq!(call.provider.as_deref(), Some("lab"));
        assert_eq!(call.model_served.as_deref(), Some(Engine::MODEL));
        let cached = call.usage.cache_read.unwrap_or(0);
        assert_eq!(call.usage.input.map(|it| it + cached), Some(prompt), "{call:#?}");
        assert_eq!(call.usage.output, Some(TOKENS), "{call:#?}");
        assert_eq!(call.cost_pico_usd, None, "{call:#?}");
    }
}

/// The engine speaks three of the formats; two are asked for by another one's clients each time.
#[tokio::test]
async fn a_real_engine_serves_every_sdk_in_each_of_its_formats() {
    let Some(engine) = Engine::start().await else { return };
    let (text, prompt) = direct(&engine, QUESTION).await;
    let (brief, brief_prompt) = direct(&engine, "Say something.").await;
    for format in ["openai-chat", "anthropic-messages", "openai-responses"] {
        let home = Home::new();
        home.configure(&config(&engine, format));
        let product = home.serve().await;
        for (sdk, cases) in CASES {
            check(&product, sdk, cases, &text).await;
        }
        check_counts(&product.calls(6).await, prompt);
        // A stream that ends for its length is none that this SDK takes for whole.
        check(&product, Sdk::OpenaiPython, &["responses_plain"], &brief).await;
        check_counts(&product.calls(7).await[6..], brief_prompt);
        product.stop().await;
    }
}
