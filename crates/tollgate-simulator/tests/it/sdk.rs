//! The official SDKs, unmodified, against the simulator: their own parse is the assertion, and
//! what they parsed is what the simulator says it sent.
//!
//! They need the set-up of `tests/clients/README.md`. Where it is missing, these tests say so and
//! pass, unless `TOLLGATE_REQUIRE_CLIENTS` is set: then they fail.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tokio::process::Command;
use tollgate_simulator::{SimulatedCall, Simulator, UsageSent};

use crate::http::simulator;

/// The lines that a client program printed, by case.
type Cases = BTreeMap<String, Value>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether a file of the set-up is there. Its absence is printed, or a failure.
fn is_set_up(path: &Path) -> bool {
    let there = path.exists();
    let reason = format!("no {}: see tests/clients/README.md", path.display());
    assert!(there || env::var_os("TOLLGATE_REQUIRE_CLIENTS").is_none(), "{reason}");
    if !there {
        println!("skipped: {reason}");
    }
    there
}

async fn python(simulator: &Simulator, script: &str, controls: &str) -> Option<Cases> {
    let interpreter = root().join("target/clients/python/bin/python");
    if !is_set_up(&interpreter) {
        return None;
    }
    let mut command = Command::new(interpreter);
    command.arg("-B").arg(root().join("tests/clients/python").join(script));
    Some(run(command, simulator, controls).await)
}

async fn node(simulator: &Simulator, controls: &str) -> Option<Cases> {
    let folder = root().join("tests/clients/node");
    if !is_set_up(&folder.join("node_modules/openai")) {
        return None;
    }
    let mut command = Command::new("node");
    command.arg(folder.join("openai_client.mjs"));
    Some(run(command, simulator, controls).await)
}

async fn run(mut command: Command, simulator: &Simulator, controls: &str) -> Cases {
    let url = simulator.base_url();
    let output = command
        .env("OPENAI_BASE_URL", format!("{url}/v1"))
        .env("OPENAI_API_KEY", "sk-simulated-sdk")
        .env("ANTHROPIC_BASE_URL", &url)
        .env("ANTHROPIC_API_KEY", "sk-simulated-sdk")
        .env("GOOGLE_GEMINI_BASE_URL", &url)
        .env("GEMINI_API_KEY", "sk-simulated-sdk")
        .env("TOLLGATE_TEST_CONTROLS", controls)
        .env_remove("GOOGLE_API_KEY")
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .output()
        .await
        .expect("to run the client");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{controls}: {errors}");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let case = |line: &str| {
        let value: Value = serde_json::from_str(line).expect("a JSON line");
        (value["case"].as_str().expect("a case").to_owned(), value)
    };
    lines.lines().map(case).collect()
}

/// Asserts the exception class and status of each of the cases named.
fn check_errors(cases: &Cases, expected: &[(&str, &str, Option<u64>)]) {
    for (case, class, status) in expected {
        let found = &cases[*case];
        assert_eq!(
            (&found["error"], found["status"].as_u64()),
            (&(*class).into(), *status),
            "{case}"
        );
        assert!(found["message"].as_str().is_some_and(|it| !it.is_empty()), "{case}");
    }
    let raised = |it: &&Value| !it["error"].is_null();
    assert_eq!(cases.values().filter(raised).count(), expected.len());
}

/// Asserts that two runs read the same, though the bytes came differently.
fn check_same_texts(one: &Cases, other: &Cases) {
    for (case, value) in one {
        for field in ["text", "texts", "stop", "tool_calls", "error", "model"] {
            assert_eq!(value[field], other[case][field], "{case}: {field}");
        }
    }
    let texts = one.values().filter(|it| it["text"].as_str().is_some_and(|it| it.contains('🦀')));
    assert!(texts.count() > 2);
}

/// Asserts that two answers at once are two, whole and streamed alike, and the same for their calls.
fn check_several(cases: &Cases, [whole, streamed, calls, streamed_calls]: [&str; 4]) {
    let texts = cases[whole]["texts"].as_array().expect("texts");
    assert!(texts.len() == 2 && texts[0] != texts[1], "{texts:?}");
    let called = cases[calls]["tool_calls"].as_array().expect("calls");
    let called: Vec<_> = called.iter().map(|it| (&it["choice"], &it["name"])).collect();
    let [first, second] = [&Value::from(0), &Value::from(1)];
    let [weather, time] = [&Value::from("weather"), &Value::from("time")];
    assert_eq!(called, [(first, weather), (first, time), (second, time), (second, weather)]);
    for (one, other, field) in [
        (whole, streamed, "texts"),
        (whole, streamed, "stop"),
        (whole, streamed, "usage"),
        (calls, streamed_calls, "tool_calls"),
        (calls, streamed_calls, "stop"),
        (calls, streamed_calls, "usage"),
    ] {
        assert_eq!(cases[one][field], cases[other][field], "{other}: {field}");
    }
}

/// The usage that the simulator reported to one client, for each of its calls.
fn sent_to(calls: &[SimulatedCall], path: &str) -> Vec<UsageSent> {
    let of_path = calls.iter().filter(|it| it.path().contains(path));
    of_path.filter_map(|it| it.usage).collect()
}

/// Asserts that every usage which the SDK parsed is one that was sent, by its normalised numbers.
fn check_usage(
    cases: &Cases,
    wanted: usize,
    sent: &[UsageSent],
    normalised: impl Fn(&Value) -> UsageSent,
) {
    let parsed: Vec<_> = cases.values().filter(|it| it["usage"].is_object()).collect();
    assert_eq!(parsed.len(), wanted);
    for case in parsed {
        let usage = normalised(&case["usage"]);
        assert!(sent.contains(&usage), "{}: {usage:?} was not sent", case["case"]);
    }
}

const OPENAI_ERRORS: &[(&str, &str, Option<u64>)] = &[
    ("error_400", "BadRequestError", Some(400)),
    ("error_401", "AuthenticationError", Some(401)),
    ("error_403", "PermissionDeniedError", Some(403)),
    ("error_404", "NotFoundError", Some(404)),
    ("error_429", "RateLimitError", Some(429)),
    ("error_500", "InternalServerError", Some(500)),
    ("error_503", "InternalServerError", Some(503)),
    ("error_529", "InternalServerError", Some(529)),
    ("error_responses_429", "RateLimitError", Some(429)),
    ("error_html", "InternalServerError", Some(502)),
    ("error_midstream", "APIError", None),
];

fn openai_usage(usage: &Value) -> UsageSent {
    let chat = usage["prompt_tokens"].is_u64();
    let (input, output) = if chat {
        ("prompt_tokens", "completion_tokens")
    } else {
        ("input_tokens", "output_tokens")
    };
    let detail = |of: &str, name: &str| usage[format!("{of}_details")][name].as_u64();
    let cached = detail(input, "cached_tokens");
    let total = usage[input].as_u64();
    UsageSent {
        input: total.map(|it| it - cached.unwrap_or(0)),
        cache_read: cached,
        output: usage[output].as_u64(),
        reasoning: detail(output, "reasoning_tokens"),
        ..UsageSent::default()
    }
}

fn check_openai(cases: &Cases, simulator: &Simulator, broken: &str) {
    let errors: Vec<_> =
        OPENAI_ERRORS.iter().copied().chain([("broken_stream", broken, None)]).collect();
    check_errors(cases, &errors);
    check_usage(cases, cases_with_usage(cases), &sent_to(&simulator.calls(), "/v1/"), openai_usage);
    assert_eq!(cases["responses_stream"]["in_order"], true);
    assert_eq!(cases["responses_stream"]["text"], cases["responses_stream"]["final_text"]);
    assert_eq!(cases["chat_tools"]["tool_calls"], cases["chat_tools_stream"]["tool_calls"]);
    assert_eq!(cases["chat_tools"]["tool_calls"][1]["name"], "time");
    assert_eq!(cases["embeddings"]["dimensions"], serde_json::json!([1536, 1536, 1536]));
}

/// All cases of the OpenAI clients but the errors, the models and the stream that did not ask.
fn cases_with_usage(cases: &Cases) -> usize {
    let silent = |it: &&String| it.starts_with("error") || it.starts_with("broken");
    cases.keys().filter(|it| !silent(it)).count() - 2
}

#[tokio::test]
async fn openai_for_python_reads_every_answer() {
    let simulator = simulator().await;
    let Some(plain) = python(&simulator, "openai_client.py", "").await else { return };
    check_openai(&plain, &simulator, "APIConnectionError");
    let names =
        ["chat_several", "chat_several_stream", "chat_several_tools", "chat_several_tools_stream"];
    check_several(&plain, names);
    for controls in ["split=bytes", "crlf,comments,no_space,split=7", "gzip"] {
        let cases = python(&simulator, "openai_client.py", controls).await;
        check_same_texts(&plain, &cases.expect("a set-up that is there"));
    }
}

#[tokio::test]
async fn openai_for_node_reads_every_answer() {
    let simulator = simulator().await;
    let Some(plain) = node(&simulator, "").await else { return };
    check_openai(&plain, &simulator, "TypeError");
    for controls in ["split=bytes", "crlf,comments,no_space,split=7", "br"] {
        let cases = node(&simulator, controls).await;
        check_same_texts(&plain, &cases.expect("a set-up that is there"));
    }
}

#[tokio::test]
async fn anthropic_for_python_reads_every_answer() {
    let simulator = simulator().await;
    let Some(plain) = python(&simulator, "anthropic_client.py", "").await else { return };
    check_errors(
        &plain,
        &[
            ("error_400", "BadRequestError", Some(400)),
            ("error_401", "AuthenticationError", Some(401)),
            ("error_403", "PermissionDeniedError", Some(403)),
            ("error_404", "NotFoundError", Some(404)),
            ("error_413", "ContentTooLargeError", Some(413)),
            ("error_429", "RateLimitError", Some(429)),
            ("error_500", "InternalServerError", Some(500)),
            ("error_529", "OverloadedError", Some(529)),
            ("error_midstream", "APIStatusError", Some(200)),
            ("broken_stream", "RemoteProtocolError", None),
        ],
    );
    let normalised = |usage: &Value| UsageSent {
        input: usage["input_tokens"].as_u64(),
        cache_read: usage["cache_read_input_tokens"].as_u64(),
        cache_write_5m: usage["cache_creation"]["ephemeral_5m_input_tokens"].as_u64(),
        cache_write_1h: usage["cache_creation"]["ephemeral_1h_input_tokens"].as_u64(),
        output: usage["output_tokens"].as_u64(),
        reasoning: usage["output_tokens_details"]["thinking_tokens"].as_u64(),
        web_searches: usage["server_tool_use"]["web_search_requests"].as_u64(),
        output_image: None,
    };
    let sent = sent_to(&simulator.calls(), "/v1/messages");
    check_usage(&plain, 13, &sent, normalised);
    let written = normalised(&plain["cached"]["written"]);
    assert!(written.cache_write_1h > Some(1000) && written.cache_write_5m > Some(1000));
    let read = normalised(&plain["cached"]["read"]);
    let sum = |it: UsageSent| it.cache_read.zip(it.cache_write_5m).zip(it.cache_write_1h);
    assert_eq!(sum(read).map(|((read, a), b)| read + a + b), read.cache_read);
    assert!(sent.contains(&written));
    assert_eq!(plain["tools"]["tool_calls"], plain["tools_stream"]["tool_calls"]);
    assert_eq!(plain["stream"]["text"], plain["stream"]["streamed_text"]);
    assert_eq!(plain["count_tokens"]["input_tokens"], plain["tools"]["usage"]["input_tokens"]);
    for controls in ["split=bytes", "crlf,comments,no_space,split=7", "gzip"] {
        let cases = python(&simulator, "anthropic_client.py", controls).await;
        check_same_texts(&plain, &cases.expect("a set-up that is there"));
    }
}

#[tokio::test]
async fn google_genai_for_python_reads_every_answer() {
    let simulator = simulator().await;
    let Some(plain) = python(&simulator, "genai_client.py", "").await else { return };
    check_errors(
        &plain,
        &[
            ("error_400", "ClientError", Some(400)),
            ("error_401", "ClientError", Some(401)),
            ("error_403", "ClientError", Some(403)),
            ("error_404", "ClientError", Some(404)),
            ("error_429", "ClientError", Some(429)),
            ("error_500", "ServerError", Some(500)),
            ("error_503", "ServerError", Some(503)),
            ("error_529", "ServerError", Some(529)),
            ("error_midstream", "ServerError", Some(503)),
            ("broken_stream", "RemoteProtocolError", None),
        ],
    );
    let normalised = |usage: &Value| {
        let number = |name: &str| usage[name].as_u64();
        let cached = number("cached_content_token_count");
        let thoughts = number("thoughts_token_count");
        let output = number("candidates_token_count");
        UsageSent {
            input: number("prompt_token_count").map(|it| it - cached.unwrap_or(0)),
            cache_read: cached,
            output: output.map(|it| it + thoughts.unwrap_or(0)),
            reasoning: thoughts,
            ..UsageSent::default()
        }
    };
    check_usage(&plain, 14, &sent_to(&simulator.calls(), "/models/"), normalised);
    assert_eq!(plain["tools"]["tool_calls"], plain["tools_stream"]["tool_calls"]);
    check_several(&plain, ["several", "several_stream", "several_tools", "several_tools_stream"]);
    assert_eq!(plain["embeddings"]["dimensions"], serde_json::json!([8, 8]));
    // This SDK reads neither comments nor `data:` without a space; the real API sends neither.
    for controls in ["split=bytes", "gzip,split=7"] {
        let cases = python(&simulator, "genai_client.py", controls).await;
        check_same_texts(&plain, &cases.expect("a set-up that is there"));
    }
}
