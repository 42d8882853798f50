//! The official SDKs, unmodified, served by a provider of another format: they read what they read
//! from their own, and the ledger says to the last unit what the other provider sent and charges.
//!
//! What the simulator says depends on the last message or on the results of tools only, whatever the
//! format, so that an answer by a provider of the client's own format is what to compare with.

use std::fmt::Write as _;

use serde_json::Value;
use tollgate_app::api::view::CallState;
use tollgate_simulator::{PICTURE_TOKENS, SimulatedCall, Simulator};
use tollgate_tests::{Controls, Home, PATIENCE, PROVIDER_KEY, Product, Sdk};

use super::{
    books::{check_money, is_controlled, provider_id},
    using::simulator,
};

/// What is compared of a case's line: what an application goes by.
const COMPARED: [&str; 17] = [
    "text",
    "texts",
    "streamed_text",
    "final_text",
    "stop",
    "tool_calls",
    "parsed",
    "error",
    "status",
    "retry_after",
    "in_order",
    "streams",
    "bytes",
    "began",
    "logprobs",
    "pictures",
    "steps",
];

/// The controls that cases ask for.
const CONTROLS: [&str; 12] = [
    "status=401",
    "status=403",
    "status=404",
    "status=413",
    "status=429,retry-after=2",
    "status=500",
    "status=503",
    "status=529",
    "error_midstream",
    "hang=2000",
    "hang=3000",
    "huge=10485760",
];

/// An SDK, and who serves it instead.
#[derive(Clone, Copy)]
struct Instead {
    sdk: Sdk,
    /// The model that the SDK asks for.
    asked: &'static str,
    /// The formats that the provider is configured to speak, where not all of them.
    formats: Option<&'static str>,
    provider: &'static str,
    model: &'static str,
    /// What the SDK reads differently, as `(case, field, value)`.
    differences: &'static [(&'static str, &'static str, &'static str)],
}

impl Instead {
    /// The configuration: the model that the SDK asks for, alone and with each control.
    fn config(&self) -> String {
        let mut text = String::new();
        let mut add = |name: &str, model: &str| {
            let target = format!("{{ provider = \"{}\", model = \"{model}\" }}", self.provider);
            write!(text, "\n[[models]]\nname = \"{name}\"\nretries = 0\ntargets = [{target}]\n")
                .unwrap();
        };
        add(self.asked, self.model);
        add(self.absent(), "absent");
        for control in CONTROLS {
            let behind = control.replace(',', "+");
            add(&format!("{}+{behind}", self.asked), &format!("{}+{behind}", self.model));
        }
        text
    }

    /// The model that the SDK's cases ask for and that nobody has.
    fn absent(&self) -> &'static str {
        match self.sdk {
            Sdk::OpenaiPython | Sdk::OpenaiNode => "gpt-0",
            Sdk::AnthropicPython | Sdk::AnthropicNode => "claude-0",
            Sdk::GenaiPython | Sdk::GenaiNode => "gemini-0",
            Sdk::Ai | Sdk::Langchain | Sdk::LangchainNode => "absent",
        }
    }

    async fn serve(&self, provider: &Simulator) -> Product {
        let home = Home::keyed(provider, &self.config());
        if let Some(formats) = self.formats {
            let id = format!("id = \"{}\"\n", self.provider);
            let text = std::fs::read_to_string(home.config()).unwrap();
            home.configure(&text.replacen(&id, &format!("{id}format = [{formats}]\n"), 1));
        }
        home.serve_with(|it| _ = it.env(PROVIDER_KEY, "sk-of-the-gateway")).await
    }

    /// Runs the cases at a provider of the SDK's own format and at the other one, and compares.
    async fn check(&self, cases: &[&str]) {
        let Some((product, sent)) = self.read_the_same(cases).await else { return };
        check_money(&product, &sent);
        product.stop().await;
    }

    /// The same without a look at the costs: the product, and what the other provider was asked.
    /// `None` when the SDK is not set up.
    async fn read_the_same(&self, cases: &[&str]) -> Option<(Product, Vec<SimulatedCall>)> {
        let (own, provider) = (simulator().await, simulator().await);
        let home = Home::new();
        let url = own.base_url();
        let run = self.sdk.run_cases(&home, home.path(), &url, cases, Controls::InModel);
        let direct = run.await?;
        let product = self.serve(&provider).await;
        let (home, url) = (product.home(), product.base_url());
        let run = self.sdk.run_cases(home, home.path(), &url, cases, Controls::InModel);
        let through = run.await.unwrap();
        let wrong: Vec<_> =
            direct.iter().zip(&through).filter_map(|(a, b)| self.compare(a, b)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");

        let sent = provider.calls();
        assert!(sent.iter().all(|it| it.credential.as_deref() == Some("sk-of-the-gateway")));
        assert!(sent.iter().all(|it| provider_id(it.provider) == self.provider));
        let calls = product.calls(sent.len()).await;
        assert_eq!(calls.len(), sent.len());
        for (call, sent) in calls.iter().zip(&sent) {
            assert_eq!(call.provider.as_deref(), Some(self.provider));
            assert_eq!(call.model_served, sent.model_served.clone().filter(|_| is_success(sent)));
            let failed = is_controlled(sent, "error_midstream");
            let state = if failed { CallState::Failed } else { CallState::Finished };
            assert_eq!(call.state, state, "{call:#?}");
        }
        check_usages(&through, &sent);
        Some((product, sent))
    }

    /// A client that leaves ends the call at the provider too, and 200 streams at once each get
    /// their own text: all of them settled once, at what they cost.
    async fn check_streams(&self) {
        let provider = simulator().await;
        let product = self.serve(&provider).await;
        let (home, url) = (product.home(), product.base_url());
        let run = |case| {
            let cases = [case];
            let url = url.clone();
            async move { self.sdk.run_cases(home, home.path(), &url, &cases, Controls::InModel).await }
        };
        let Some(left) = run("leaves").await else { return };
        assert_eq!(left[0]["began"], true, "{left:?}");
        let calls = product.calls(1).await;
        assert_eq!((calls.len(), calls[0].state), (1, CallState::Cancelled), "{calls:#?}");
        let left = provider.log().wait_for(PATIENCE, |it| it.iter().all(|it| it.cancelled));
        assert!(left.await.is_some(), "{:#?}", provider.calls());

        let many = run("many").await.unwrap();
        assert_eq!(many[0]["streams"], 200, "{many:?}");
        assert_eq!(many[0]["texts"].as_array().map(Vec::len), Some(1));
        let calls = product.calls(201).await;
        assert_eq!(calls.len(), 201);
        let sent = provider.calls();
        let usage = sent[200].usage.unwrap();
        for (call, sent) in calls.iter().zip(&sent).skip(1) {
            assert_eq!(sent.usage, Some(usage));
            assert_eq!(call.state, CallState::Finished, "{call:#?}");
            assert_eq!((call.usage.input, call.usage.output), (usage.input, usage.output));
            assert_eq!(call.cost_pico_usd, calls[200].cost_pico_usd);
        }
        assert!(calls[200].cost_pico_usd.is_some());
        product.stop().await;
    }

    /// What of a case reads differently, though it should not.
    fn compare(&self, direct: &Value, through: &Value) -> Option<String> {
        let case = direct["case"].as_str().unwrap();
        assert_eq!(direct["case"], through["case"]);
        let mut wrong = String::new();
        for field in COMPARED {
            let known = self.differences.iter().find(|it| (it.0, it.1) == (case, field));
            let expected = known.map_or(direct[field].clone(), |it| {
                serde_json::from_str(it.2).unwrap_or_else(|_| it.2.into())
            });
            if read(field, &through[field]) != read(field, &expected) {
                let (is, was) = (&through[field], &expected);
                writeln!(wrong, "{case}.{field}: {is} instead of {was}").unwrap();
            }
        }
        let told = through["error"].is_null()
            || through["message"].as_str().is_some_and(|it| !it.is_empty());
        if !told {
            writeln!(wrong, "{case}: an error without a message").unwrap();
        }
        if !wrong.is_empty() {
            writeln!(wrong, "{through}").unwrap();
        }
        (!wrong.is_empty()).then_some(wrong)
    }
}

/// A field as it is compared: the JSON of arguments by what it says.
fn read(field: &str, value: &Value) -> Value {
    let mut value = value.clone();
    if field == "tool_calls" {
        for call in value.as_array_mut().into_iter().flatten() {
            let arguments = call["arguments"].as_str().map(|it| serde_json::from_str(it).unwrap());
            call["arguments"] = arguments.unwrap_or(call["arguments"].clone());
        }
    }
    value
}

fn is_success(sent: &SimulatedCall) -> bool {
    sent.status.is_some_and(|it| it.is_success())
}

/// Every usage that the SDK read says what the provider said: the whole prompt, what of it came
/// from a cache, and all that was generated.
fn check_usages(lines: &[Value], sent: &[SimulatedCall]) {
    let sent: Vec<[u64; 3]> = sent
        .iter()
        .filter_map(|it| it.usage)
        .map(|it| {
            let writes = it.cache_write_5m.unwrap_or(0) + it.cache_write_1h.unwrap_or(0);
            let read = it.cache_read.unwrap_or(0);
            [it.input.unwrap_or(0) + read + writes, read, it.output.unwrap_or(0)]
        })
        .collect();
    for line in lines.iter().filter(|it| it["usage"].is_object()) {
        let usage = normalised(&line["usage"]);
        assert!(sent.contains(&usage), "{usage:?} was not sent: {line}");
    }
}

/// The same numbers of a usage in any format.
fn normalised(usage: &Value) -> [u64; 3] {
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    if usage["prompt_tokens"].is_u64() {
        let cached = number("/prompt_tokens_details/cached_tokens");
        [number("/prompt_tokens"), cached, number("/completion_tokens")]
    } else if usage["promptTokenCount"].is_u64() {
        let output = number("/candidatesTokenCount") + number("/thoughtsTokenCount");
        [number("/promptTokenCount"), number("/cachedContentTokenCount"), output]
    } else if usage["prompt_token_count"].is_u64() {
        let output = number("/candidates_token_count") + number("/thoughts_token_count");
        [number("/prompt_token_count"), number("/cached_content_token_count"), output]
    } else if usage["cache_read_input_tokens"].is_u64() {
        let cached = number("/cache_read_input_tokens");
        let input = number("/input_tokens") + number("/cache_creation_input_tokens") + cached;
        [input, cached, number("/output_tokens")]
    } else {
        let cached = number("/input_tokens_details/cached_tokens");
        [number("/input_tokens"), cached, number("/output_tokens")]
    }
}

const CHAT: [&str; 17] = [
    "chat_plain",
    "chat_stream",
    "chat_stream_usage",
    "chat_tools",
    "chat_tools_stream",
    "chat_structured",
    "chat_turns",
    "chat_image",
    "error_401",
    "error_403",
    "error_404",
    "error_429",
    "error_500",
    "error_503",
    "error_529",
    "error_midstream",
    "large",
];

/// Two answers to one request, which Anthropic does not give.
const CHAT_SEVERAL: [&str; 4] =
    ["chat_several", "chat_several_stream", "chat_several_tools", "chat_several_tools_stream"];
const CONTENTS_SEVERAL: [&str; 4] =
    ["several", "several_stream", "several_tools", "several_tools_stream"];

const RESPONSES: [&str; 7] = [
    "responses_plain",
    "responses_stream",
    "responses_tools_stream",
    "responses_turns",
    "responses_image",
    "responses_structured",
    "error_responses_429",
];

const MESSAGES: [&str; 19] = [
    "plain",
    "stream",
    "tools",
    "tools_stream",
    "turns",
    "thinking",
    "thinking_turns",
    "image",
    "structured",
    "max_tokens",
    "error_401",
    "error_403",
    "error_404",
    "error_413",
    "error_429",
    "error_500",
    "error_529",
    "error_midstream",
    "large",
];

const CONTENTS: [&str; 19] = [
    "plain",
    "stream",
    "tools",
    "tools_stream",
    "turns",
    "thinking",
    "thinking_turns",
    "image",
    "structured",
    "max_tokens",
    "error_401",
    "error_403",
    "error_404",
    "error_429",
    "error_500",
    "error_503",
    "error_529",
    "error_midstream",
    "large",
];

/// OpenAI's and Gemini's formats do not have Anthropic's status for an overloaded provider.
const NO_529: [(&str, &str, &str); 1] = [("error_529", "status", "503")];

const fn instead(sdk: Sdk, provider: &'static str, model: &'static str) -> Instead {
    Instead { sdk, asked: "gpt-5-mini", formats: None, provider, model, differences: &NO_529 }
}

const CLAUDE: (&str, &str) = ("anthropic", "claude-sonnet-4-5");
const GEMINI: (&str, &str) = ("google", "gemini-2.5-flash");
const GPT: (&str, &str) = ("openai", "gpt-5-mini");

#[tokio::test]
async fn openai_for_python_is_served_by_anthropic() {
    let instead = instead(Sdk::OpenaiPython, CLAUDE.0, CLAUDE.1);
    instead.check(&[&CHAT[..], &["chat_thinking"], &RESPONSES[..]].concat()).await;
}

#[tokio::test]
async fn openai_for_python_is_served_by_gemini() {
    let instead = instead(Sdk::OpenaiPython, GEMINI.0, GEMINI.1);
    let cases = [&CHAT[..], &["chat_thinking"], &CHAT_SEVERAL[..], &RESPONSES[..]];
    instead.check(&cases.concat()).await;
}

#[tokio::test]
async fn responses_of_openai_for_python_are_served_by_chat() {
    let chat = Some("\"openai-chat\"");
    let instead = Instead { formats: chat, ..instead(Sdk::OpenaiPython, GPT.0, GPT.1) };
    instead.check(&RESPONSES).await;
}

#[tokio::test]
async fn openai_for_node_is_served_by_anthropic() {
    let instead = instead(Sdk::OpenaiNode, CLAUDE.0, CLAUDE.1);
    instead.check(&[&CHAT[..], &RESPONSES[..]].concat()).await;
}

#[tokio::test]
async fn anthropic_for_python_is_served_by_openai() {
    MESSAGES_BY_OPENAI.check(&MESSAGES).await;
}

#[tokio::test]
async fn anthropic_for_python_is_served_by_gemini() {
    let by_gemini = instead(Sdk::AnthropicPython, GEMINI.0, GEMINI.1);
    let instead = Instead { asked: CLAUDE.1, differences: &[], ..by_gemini };
    instead.check(&MESSAGES).await;
}

#[tokio::test]
async fn google_genai_for_python_is_served_by_anthropic() {
    let instead = Instead { asked: GEMINI.1, ..instead(Sdk::GenaiPython, CLAUDE.0, CLAUDE.1) };
    instead.check(&CONTENTS).await;
}

#[tokio::test]
async fn google_genai_for_python_is_served_by_openai() {
    // OpenAI's error in the middle of a stream has no status; Google's own has one.
    let differences = &[NO_529[0], ("error_midstream", "status", "502")];
    let cases = [&CONTENTS[..], &CONTENTS_SEVERAL[..]].concat();
    Instead { differences, ..CONTENTS_BY_OPENAI }.check(&cases).await;
}

#[tokio::test]
async fn anthropic_for_node_is_served_by_openai() {
    Instead { sdk: Sdk::AnthropicNode, ..MESSAGES_BY_OPENAI }.check(&MESSAGES).await;
}

#[tokio::test]
async fn google_genai_for_node_is_served_by_anthropic() {
    let instead = Instead { asked: GEMINI.1, ..instead(Sdk::GenaiNode, CLAUDE.0, CLAUDE.1) };
    instead.check(&CONTENTS).await;
}

/// A model of OpenAI's that does not reason, and so tells how likely its tokens were.
const SCORED: (&str, &str) = ("openai", "gpt-4.1-mini");

#[tokio::test]
async fn openai_for_python_reads_how_likely_geminis_tokens_were() {
    let by_gemini = instead(Sdk::OpenaiPython, GEMINI.0, GEMINI.1);
    let instead = Instead { asked: SCORED.1, ..by_gemini };
    let cases = [
        "chat_logprobs",
        "chat_logprobs_stream",
        "responses_logprobs",
        "responses_logprobs_stream",
    ];
    instead.check(&cases).await;
}

#[tokio::test]
async fn google_genai_for_python_reads_how_likely_openais_tokens_were() {
    for formats in ["\"openai-chat\"", "\"openai-responses\""] {
        let by_openai = instead(Sdk::GenaiPython, SCORED.0, SCORED.1);
        let instead = Instead { asked: GEMINI.1, formats: Some(formats), ..by_openai };
        instead.check(&["logprobs", "logprobs_stream"]).await;
    }
}

const DRAWN_BY_GEMINI: (&str, &str) = ("google", "gemini-2.5-flash-image");
const DRAWN_BY_OPENAI: (&str, &str) = ("openai", "gpt-5-image-mini");

/// The requests that bring back a picture, with the member that stands beside it.
fn bringing_back(sent: &[SimulatedCall], beside: &str) -> usize {
    let text = |it: &SimulatedCall| String::from_utf8_lossy(&it.request).into_owned();
    sent.iter().map(text).filter(|it| it.contains(PNG) && it.contains(beside)).count()
}

/// How the picture begins that the simulator makes.
const PNG: &str = "iVBORw0KGgo";

#[tokio::test]
async fn openai_for_python_reads_pictures_of_gemini() {
    let by_gemini = instead(Sdk::OpenaiPython, DRAWN_BY_GEMINI.0, DRAWN_BY_GEMINI.1);
    let instead = Instead { asked: DRAWN_BY_OPENAI.1, ..by_gemini };
    let cases =
        ["chat_picture", "chat_picture_stream", "responses_picture", "responses_picture_stream"];
    let Some((product, sent)) = instead.read_the_same(&cases).await else { return };
    // Gemini gets its picture back as its own, with its seal.
    assert_eq!(bringing_back(&sent, r#""thoughtSignature""#), 2, "{sent:#?}");
    for call in product.calls(sent.len()).await {
        assert_eq!(call.usage.output_image, Some(PICTURE_TOKENS), "{call:#?}");
    }
    check_money(&product, &sent);
    product.stop().await;
}

#[tokio::test]
async fn google_genai_for_python_reads_pictures_of_openai() {
    for (formats, beside) in [
        ("\"openai-chat\"", r#""images":[{"type":"image_url""#),
        ("\"openai-responses\"", r#""type":"image_generation_call""#),
    ] {
        let by_openai = instead(Sdk::GenaiPython, DRAWN_BY_OPENAI.0, DRAWN_BY_OPENAI.1);
        let instead = Instead { asked: DRAWN_BY_GEMINI.1, formats: Some(formats), ..by_openai };
        let Some((product, sent)) = instead.read_the_same(&["picture", "picture_stream"]).await
        else {
            return;
        };
        assert_eq!(bringing_back(&sent, beside), 1, "{sent:#?}");
        for call in product.calls(sent.len()).await {
            assert_eq!(call.usage.output_image, Some(PICTURE_TOKENS), "{call:#?}");
            assert_eq!(call.cost_pico_usd, None, "the model's pictures have no price: {call:#?}");
        }
        product.stop().await;
    }
}

const MESSAGES_BY_OPENAI: Instead =
    Instead { asked: CLAUDE.1, differences: &[], ..instead(Sdk::AnthropicPython, GPT.0, GPT.1) };
const CONTENTS_BY_OPENAI: Instead =
    Instead { asked: GEMINI.1, ..instead(Sdk::GenaiPython, GPT.0, GPT.1) };

#[tokio::test]
async fn openai_for_python_leaves_and_streams_in_numbers() {
    instead(Sdk::OpenaiPython, CLAUDE.0, CLAUDE.1).check_streams().await;
}

#[tokio::test]
async fn openai_for_node_leaves_and_streams_in_numbers() {
    instead(Sdk::OpenaiNode, GEMINI.0, GEMINI.1).check_streams().await;
}

#[tokio::test]
async fn anthropic_for_python_leaves_and_streams_in_numbers() {
    MESSAGES_BY_OPENAI.check_streams().await;
}

#[tokio::test]
async fn google_genai_for_python_leaves_and_streams_in_numbers() {
    CONTENTS_BY_OPENAI.check_streams().await;
}

#[tokio::test]
async fn anthropic_for_node_leaves_and_streams_in_numbers() {
    Instead { sdk: Sdk::AnthropicNode, ..MESSAGES_BY_OPENAI }.check_streams().await;
}

#[tokio::test]
async fn google_genai_for_node_leaves_and_streams_in_numbers() {
    Instead { sdk: Sdk::GenaiNode, ..CONTENTS_BY_OPENAI }.check_streams().await;
}

/// A framework's cases in one format: its first word, then each of these.
async fn check_framework(sdk: Sdk, format: &str, instead: Instead, cases: &[&str]) {
    let cases: Vec<_> = cases.iter().map(|it| format!("{format}_{it}")).collect();
    let cases: Vec<_> = cases.iter().map(String::as_str).collect();
    Instead { sdk, ..instead }.check(&cases).await;
}

const AI: [&str; 9] = [
    "text",
    "stream",
    "tools",
    "tools_stream",
    "object",
    "image",
    "error_401",
    "error_429",
    "error_500",
];

#[tokio::test]
async fn vercels_ai_is_served_by_another_format() {
    let claude = instead(Sdk::Ai, CLAUDE.0, CLAUDE.1);
    check_framework(Sdk::Ai, "chat", claude, &AI).await;
    check_framework(Sdk::Ai, "responses", claude, &AI).await;
    check_framework(Sdk::Ai, "messages", MESSAGES_BY_OPENAI, &AI).await;
    // Google tells in the body how long to wait, the gateway also in the header.
    let differences = &[("gemini_error_429", "retry_after", r#""2""#)];
    check_framework(Sdk::Ai, "gemini", Instead { differences, ..CONTENTS_BY_OPENAI }, &AI).await;
}

const LANGCHAIN: [&str; 8] =
    ["text", "stream", "tools", "structured", "image", "error_401", "error_429", "error_500"];

async fn check_langchain(sdk: Sdk) {
    let claude = instead(sdk, CLAUDE.0, CLAUDE.1);
    check_framework(sdk, "chat", claude, &LANGCHAIN).await;
    check_framework(sdk, "responses", claude, &LANGCHAIN).await;
    check_framework(sdk, "messages", MESSAGES_BY_OPENAI, &LANGCHAIN).await;
    check_framework(sdk, "gemini", CONTENTS_BY_OPENAI, &LANGCHAIN).await;
}

#[tokio::test]
async fn langchain_for_python_is_served_by_another_format() {
    check_langchain(Sdk::Langchain).await;
}

#[tokio::test]
async fn langchain_for_node_is_served_by_another_format() {
    check_langchain(Sdk::LangchainNode).await;
}
