use super::*;

fn shown(translated: &Translated) -> String {
    let Translated { head, body, losses, retry_after_s } = translated;
    let mut out = format!("{} {}\n", head.status, head.content_type);
    if let Some(wait) = retry_after_s {
        writeln!(out, "retry-after: {wait}").unwrap();
    }
    if head.content_type == "application/json" {
        writeln!(out, "{}", pretty(body)).unwrap();
    } else {
        out.push_str(&String::from_utf8(body.clone()).unwrap().replace('\r', "␍"));
    }
    for Loss { field, why } in losses {
        writeln!(out, "lost: {field}: {why}").unwrap();
    }
    out
}

#[test]
fn translates_every_recorded_answer_to_every_format() {
    in_folder("translate/answers", || {
        for fixture in answers() {
            let mut out = String::new();
            for client in clients(&fixture) {
                writeln!(out, "# {client}\n{}", shown(&translate_fixture(&fixture, client)))
                    .unwrap();
            }
            insta::assert_snapshot!(fixture.name.replace('/', "__"), out);
        }
    });
}

#[test]
fn the_result_does_not_depend_on_where_the_stream_is_cut() {
    for fixture in answers() {
        for client in clients(&fixture) {
            let whole = translate_fixture(&fixture, client);
            let plan = plan_for(&fixture, client, fixture.is_stream);
            let (status, is_stream) = (fixture.status, fixture.is_stream);
            let bytes = fixture.body.chunks(1);
            let cut = translate(&plan, status, is_stream, bytes, fixture.end());
            assert_eq!(shown(&cut), shown(&whole), "{} to {client}", fixture.name);
        }
    }
}

#[test]
fn a_cut_at_any_single_byte_changes_nothing() {
    for fixture in cut_streams() {
        for client in clients(&fixture) {
            let whole = translate_fixture(&fixture, client).body;
            let plan = plan_for(&fixture, client, true);
            for at in 0..fixture.body.len() {
                let (first, second) = fixture.body.split_at(at);
                let cut = translate(&plan, 200, true, [first, second], crate::End::Complete);
                assert!(cut.body == whole, "{} to {client} cut at {at}", fixture.name);
            }
        }
    }
}

pub(super) fn report(format: Format, translated: &Translated) -> Report {
    report_of(format, translated.head, &translated.body)
}

pub(super) fn report_of(format: Format, head: Head, body: &[u8]) -> Report {
    let mut tap = Tap::new(TapConfig {
        format,
        operation: Operation::Generate,
        posted: true,
        status: head.status,
        content_type: Some(head.content_type),
        content_encoding: None,
    });
    tap.push(body);
    tap.finish(crate::End::Complete)
}

fn without_searches(usage: Usage) -> Usage {
    Usage { web_searches: None, file_searches: None, ..usage }
}

/// What a format can say of usage.
fn sayable(usage: Usage, format: Format) -> Usage {
    let written = usage.cache_write_5m.into_iter().chain(usage.cache_write_1h).reduce(|a, b| a + b);
    let usage = Usage { cache_write_5m: written, cache_write_1h: None, ..without_searches(usage) };
    match format {
        Format::OpenaiChat
        | Format::OpenaiResponses
        | Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => usage,
        Format::AnthropicMessages => Usage {
            // A count that is never left out, and one that is not of whole messages.
            input: usage.input.or(Some(0)),
            output: usage.output.or(Some(0)),
            input_audio: None,
            output_audio: None,
            input_image: None,
            output_image: None,
            ..usage
        },
        Format::Gemini => Usage {
            input: usage.prompt_total().map(|it| it - usage.cache_read.unwrap_or(0)),
            cache_write_5m: None,
            ..usage
        },
    }
}

/// The tap is an independent reader of every format: it must find in the translation what it finds
/// in the original.
#[test]
fn usage_end_and_errors_are_the_same_to_the_tap() {
    for fixture in answers() {
        let original = fixture.report([fixture.body.as_slice()]);
        for client in clients(&fixture) {
            let translated = report(client, &translate_fixture(&fixture, client));
            let told = format!("{} to {client}", fixture.name);
            assert!(translated.terminal_seen, "{told}: an end is always told");
            assert!(!translated.inside_event, "{told}");
            assert_eq!(translated.gap, None, "{told}");
            // An end that to Gemini is a finish reason like any other.
            let is_useless = fixture.name.contains("malformed")
                || fixture.name.contains("picture-alone") && client == Format::AnthropicMessages;
            let failed = original.error.is_some() || !original.terminal_seen || is_useless;
            assert_eq!(translated.error.is_some(), failed, "{told}");
            if failed {
                continue;
            }
            let expected = sayable(original.usage, client);
            // Zeros may be left out.
            let zeroed = |it: Usage| Usage {
                input_audio: it.input_audio.filter(|it| *it > 0),
                output_audio: it.output_audio.filter(|it| *it > 0),
                input_image: it.input_image.filter(|it| *it > 0),
                output_image: it.output_image.filter(|it| *it > 0),
                cache_read: it.cache_read.filter(|it| *it > 0),
                cache_write_5m: it.cache_write_5m.filter(|it| *it > 0),
                cache_write_1h: it.cache_write_1h.filter(|it| *it > 0),
                reasoning: it.reasoning.filter(|it| *it > 0),
                ..it
            };
            assert_eq!(zeroed(translated.usage), zeroed(expected), "{told}");
            // A stream of Bedrock's tells it behind the answer, if at all.
            if original.model_served.is_some() && fixture.format != Format::BedrockConverse {
                assert_eq!(translated.model_served, original.model_served, "{told}");
            }
        }
    }
}

pub(super) fn messages(format: Format, body: &[u8]) -> Vec<conversation::Message> {
    let shown = conversation(Bodies { format, request: b"{}", response: body });
    shown.messages
}

/// The text, thinking and calls of messages; ids of calls only where the format has some.
fn said(messages: &[conversation::Message]) -> (String, String, Vec<(String, Value)>) {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    for part in messages.iter().flat_map(|it| &it.parts) {
        match part {
            conversation::Part::Text { text: it } => text.push_str(it),
            conversation::Part::Thinking { text: it } => thought.push_str(it),
            // A tool of the provider's own, which it called itself.
            conversation::Part::ToolCall { name, .. } if name == "web_search" => {}
            conversation::Part::ToolCall { name, arguments, .. } => {
                calls.push((name.clone(), serde_json::from_str(arguments).unwrap_or_default()));
            }
            conversation::Part::ToolResult { .. }
            | conversation::Part::Image { .. }
            | conversation::Part::Document { .. }
            | conversation::Part::Other { .. } => {}
        }
    }
    (text, thought, calls)
}

/// So is the view for people.
#[test]
fn text_thinking_and_calls_are_the_same_to_a_reader() {
    for fixture in answers() {
        // The end of `stream-incomplete` leaves out the thinking that went before.
        if fixture.status >= 400 || fixture.name.contains("incomplete.sse") {
            continue;
        }
        let original = said(&messages(fixture.format, &fixture.body));
        for client in clients(&fixture) {
            let translated = translate_fixture(&fixture, client);
            if translated.head.status >= 400 {
                continue;
            }
            let found = said(&messages(client, &translated.body));
            assert_eq!(found, original, "{} to {client}", fixture.name);
        }
    }
}

/// A client that wants a whole answer gets one of a stream, and the other way round.
#[test]
fn a_stream_and_a_whole_answer_stand_for_each_other() {
    for fixture in answers().filter(|it| it.status < 400) {
        let original = said(&messages(fixture.format, &fixture.body));
        for client in clients(&fixture) {
            let plan = plan_for(&fixture, client, !fixture.is_stream);
            let pieces = [fixture.body.as_slice()];
            let other = translate(&plan, 200, fixture.is_stream, pieces, fixture.end());
            let same = translate_fixture(&fixture, client);
            let failed = report(client, &same).error.is_some();
            assert_eq!(report(client, &other).error.is_some(), failed, "{}", fixture.name);
            if !failed && !fixture.name.contains("incomplete.sse") {
                let found = said(&messages(client, &other.body));
                assert_eq!(found, original, "{} to {client}", fixture.name);
                assert_eq!(report(client, &other).usage, report(client, &same).usage);
            }
        }
    }
}

pub(super) fn stream_to(client: Format, provider: Format, stream: &str, end: crate::End) -> String {
    let plan = plan(client, provider, true);
    let translated = translate(&plan, 200, true, [stream.as_bytes()], end);
    String::from_utf8(translated.body).unwrap()
}

#[test]
fn a_stream_that_ends_early_ends_with_an_error_wherever_it_is_cut() {
    for fixture in cut_streams() {
        for client in clients(&fixture) {
            for at in 0..fixture.body.len() {
                let body = &fixture.body[..at];
                let plan = plan_for(&fixture, client, true);
                let translated = translate(&plan, 200, true, [body], crate::End::Broken);
                let whole = fixture.report([body]).terminal_seen;
                let told = report(client, &translated);
                assert!(told.terminal_seen, "{} to {client} at {at}", fixture.name);
                assert!(told.error.is_some() || whole, "{} to {client} at {at}", fixture.name);
            }
        }
    }
}

#[test]
fn comments_and_pings_keep_the_clients_connection_alive() {
    let (chat, anthropic) = (Format::OpenaiChat, Format::AnthropicMessages);
    let sent = stream_to(anthropic, chat, ": PROCESSING\n\ndata: [DONE]\n\n", crate::End::Complete);
    assert!(sent.starts_with("event: ping\ndata: {\"type\":\"ping\"}\n\n"), "{sent}");
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let sent = stream_to(chat, anthropic, ping, crate::End::Complete);
    assert!(sent.starts_with(": ping\n\n"), "{sent}");
}

/// A chunk of an OpenAI chat with these fragments of calls.
fn fragments(calls: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{calls}]}}}}]}}\n\n")
}

const FINISH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn calls_of(stream: &str) -> Vec<(String, Value)> {
    let sent =
        stream_to(Format::AnthropicMessages, Format::OpenaiChat, stream, crate::End::Complete);
    said(&messages(Format::AnthropicMessages, sent.as_bytes())).2
}

#[test]
fn calls_are_told_apart_by_index_or_by_id() {
    let expected = [
        ("f".to_owned(), serde_json::json!({"a": 1})),
        ("g".to_owned(), serde_json::json!({"b": "ü"})),
    ];
    let by_index = [
        fragments(r#"{"index":0,"id":"1","function":{"name":"f","arguments":""}}"#),
        fragments(r#"{"index":0,"function":{"arguments":"{\"a\":"}}"#),
        fragments(r#"{"index":0,"id":"","function":{"name":null,"arguments":"1}"}}"#),
        fragments(r#"{"index":1,"id":"2","function":{"name":"g","arguments":"{\"b\":\"ü\"}"}}"#),
    ];
    assert_eq!(calls_of(&(by_index.concat() + FINISH)), expected);
    // Servers that count nothing, or only to 0.
    let whole = r#"{"index":0,"id":"1","function":{"name":"f","arguments":"{\"a\":1}"}},
        {"index":0,"id":"2","function":{"name":"g","arguments":"{\"b\":\"ü\"}"}}"#
        .replace('\n', "");
    assert_eq!(calls_of(&(fragments(&whole) + FINISH)), expected);
    assert_eq!(calls_of(&(fragments(&whole.replace("\"index\":0,", "")) + FINISH)), expected);
    // A server that repeats the id and the name in every fragment.
    let repeated = [
        fragments(r#"{"index":0,"id":"1","function":{"name":"f","arguments":"{\"a\":"}}"#),
        fragments(r#"{"index":0,"id":"1","function":{"name":"f","arguments":"1}"}}"#),
        fragments(r#"{"index":1,"id":"2","function":{"name":"g","arguments":"{\"b\":\"ü\"}"}}"#),
        fragments(r#"{"index":0,"function":{"arguments":""}}"#),
    ];
    assert_eq!(calls_of(&(repeated.concat() + FINISH)), expected);
}

#[test]
fn fragments_out_of_order_are_an_error_and_not_lost() {
    let stream = [
        fragments(r#"{"index":0,"id":"1","function":{"name":"f","arguments":"{"}}"#),
        fragments(r#"{"index":1,"id":"2","function":{"name":"g","arguments":"{}"}}"#),
        fragments(r#"{"index":0,"function":{"arguments":"}"}}"#),
    ];
    let stream = stream.concat() + FINISH;
    let sent =
        stream_to(Format::AnthropicMessages, Format::OpenaiChat, &stream, crate::End::Complete);
    assert!(sent.contains("event: error"), "{sent}");
    assert!(!sent.contains("message_stop"), "{sent}");
}

#[test]
fn the_tool_that_stands_for_a_shape_becomes_text_again() {
    let mut plan = plan(Format::OpenaiChat, Format::AnthropicMessages, true);
    plan.json_tool = Some(shape::JSON_TOOL);
    let stream = fixture::named("anthropic-messages/stream-thinking-tools.sse");
    let body = String::from_utf8(stream.body).unwrap().replace("get_weather", "json_answer");
    let expected = serde_json::json!({"city": "Köln"});
    for wants_stream in [true, false] {
        plan.stream = wants_stream;
        let translated = translate(&plan, 200, true, [body.as_bytes()], crate::End::Complete);
        let (text, _, calls) = said(&messages(Format::OpenaiChat, &translated.body));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        assert_eq!(calls, []);
        let stop = report(Format::OpenaiChat, &translated).stop_reason;
        assert_eq!(stop.as_deref(), Some("stop"));
    }
    let whole = fixture::named("anthropic-messages/tools.json");
    let body = String::from_utf8(whole.body).unwrap().replace("get_weather", "json_answer");
    let translated = translate(&plan, 200, false, [body.as_bytes()], crate::End::Complete);
    let (text, _, calls) = said(&messages(Format::OpenaiChat, &translated.body));
    let json = text.strip_prefix("Checking.").unwrap();
    assert_eq!(serde_json::from_str::<Value>(json).unwrap()["city"], "Cologne");
    assert_eq!(calls, []);
}

#[test]
fn a_gemini_client_without_alt_sse_gets_a_list() {
    let mut plan = plan(Format::Gemini, Format::AnthropicMessages, true);
    plan.framing = framing(Client::Gemini, Some("key=x"));
    for (name, ends_with_error) in [("stream.sse", false), ("stream-broken.sse", true)] {
        let fixture = fixture::named(&format!("anthropic-messages/{name}"));
        let done = translate(&plan, 200, true, fixture.body.chunks(7), fixture.end());
        assert_eq!(done.head.content_type, "application/json");
        let list: Vec<Value> = serde_json::from_slice(&done.body).unwrap();
        assert!(list.len() > 3);
        assert_eq!(list.last().unwrap().get("error").is_some(), ends_with_error);
    }
}

#[test]
fn calls_without_ids_get_distinct_ones() {
    let tools = fixture::named("gemini/tools.json");
    let translated = translate_fixture(&tools, Format::OpenaiChat);
    let body: Value = serde_json::from_slice(&translated.body).unwrap();
    let calls = &body["choices"][0]["message"]["tool_calls"];
    assert_eq!(
        (calls[0]["id"].as_str(), calls[1]["id"].as_str()),
        (Some("call_abc_0"), Some("call_abc_1"))
    );
}

/// What a client keeps of an answer and sends back reaches the provider that made it as it was.
#[test]
fn seals_come_back_to_their_provider() {
    let anthropic = fixture::named("anthropic-messages/stream-thinking-tools.sse");
    let gemini = fixture::named("gemini/stream-signed.sse");
    let responses = fixture::named("openai-responses/stream-sealed.sse");
    let bedrock = fixture::named("bedrock-converse/stream-thinking-tools.frames");
    let seals = [
        (&anthropic, r#""signature":"EqQB""#),
        (
            &bedrock,
            r#""reasoningText":{"text":"The weather is asked for.","signature":"EqQBr0ck"}"#,
        ),
        (&bedrock, r#""redactedContent":"aGlkZGVu""#),
        (&gemini, r#""thoughtSignature":"CpQB""#),
        (
            &responses,
            r#""id":"rs_7","type":"reasoning","summary":[{"type":"summary_text","text":"Look\n\nfirst."}],"encrypted_content":"gAAA""#,
        ),
    ];
    for (fixture, seal) in seals {
        for client in clients(fixture) {
            let plan = plan(client, fixture.format, false);
            let body = [fixture.body.as_slice()];
            let answer = translate(&plan, 200, true, body, crate::End::Complete);
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            let request = history(client, &answer);
            let config = config(client, fixture.format);
            let back = translate_request(&config, request.to_string().as_bytes()).unwrap();
            let sent = String::from_utf8(back.body).unwrap();
            assert!(sent.contains(seal), "{} by {client}: {sent}", fixture.name);
            assert!(!sent.contains("tollgate"), "{sent}");
        }
    }
}

/// The request of a client that goes on after a whole answer.
pub(super) fn history(client: Format, answer: &Value) -> Value {
    match client {
        Format::OpenaiChat => serde_json::json!({"messages": [
            {"role": "user", "content": "a"},
            answer["choices"][0]["message"],
        ]}),
        Format::OpenaiResponses => serde_json::json!({"input": answer["output"]}),
        Format::AnthropicMessages => serde_json::json!({"max_tokens": 9, "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": answer["content"]},
        ]}),
        Format::Gemini => serde_json::json!({"contents": [
            {"role": "user", "parts": [{"text": "a"}]},
            answer["candidates"][0]["content"],
        ]}),
        Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => panic!("no client speaks {client}"),
    }
}

/// Codex's `apply_patch`: a text to its client, JSON to everybody else.
#[test]
fn a_tool_that_takes_a_text_is_called_with_one() {
    let fixture = fixture::named("anthropic-messages/stream-thinking-tools.sse");
    let body = String::from_utf8(fixture.body).unwrap().replace("city", "input");
    for stream in [true, false] {
        let mut plan = plan(Format::OpenaiResponses, Format::AnthropicMessages, stream);
        plan.text_tools = vec!["get_weather".to_owned()];
        let done = translate(&plan, 200, true, [body.as_bytes()], crate::End::Complete);
        let told = String::from_utf8(done.body).unwrap();
        let call = r#""type":"custom_tool_call","status":"completed""#;
        assert!(told.contains(call) && told.contains(r#""input":"Köln""#), "{told}");
        assert!(!told.contains("function_call"), "{told}");
        let event = "event: response.custom_tool_call_input.done";
        assert_eq!(told.contains(event), stream, "{told}");
    }
}

/// Clients of chat's first days know one call to an answer, without an id.
#[test]
fn a_client_that_knows_functions_is_called_by_function_call() {
    let check = |name: &str, stream: bool, left_out: bool| {
        let fixture = fixture::named(name);
        let mut plan = plan(Format::OpenaiChat, fixture.format, stream);
        plan.functions = true;
        let body = [fixture.body.as_slice()];
        let done = translate(&plan, 200, fixture.is_stream, body, crate::End::Complete);
        let told = String::from_utf8(done.body).unwrap();
        assert!(told.contains(r#""finish_reason":"function_call""#), "{name}: {told}");
        assert_eq!(told.matches("get_weather").count(), 1, "{name}: {told}");
        assert!(!told.contains("tool_calls") && !told.contains("get_time"), "{name}: {told}");
        assert_eq!(done.losses.iter().any(|it| it.field == "function_call"), left_out, "{name}");
    };
    for stream in [true, false] {
        check("anthropic-messages/stream-thinking-tools.sse", stream, false);
        check("bedrock-converse/stream-thinking-tools.frames", stream, true);
        check("anthropic-messages/tools.json", stream, false);
        check("bedrock-converse/tools.json", stream, true);
    }
}

/// Codex's tools for its sub-agents.
#[test]
fn a_tool_in_a_namespace_is_called_in_it() {
    let fixture = fixture::named("anthropic-messages/stream-thinking-tools.sse");
    let body = String::from_utf8(fixture.body).unwrap().replace("get_weather", "sky__get_weather");
    for stream in [true, false] {
        let mut plan = plan(Format::OpenaiResponses, Format::AnthropicMessages, stream);
        plan.namespaces = vec!["sky".to_owned()];
        let done = translate(&plan, 200, true, [body.as_bytes()], crate::End::Complete);
        let told = String::from_utf8(done.body).unwrap();
        assert!(told.contains(r#""name":"get_weather","namespace":"sky""#), "{told}");
        assert!(!told.contains("sky__"), "{told}");
    }
}

#[test]
fn usage_is_hidden_from_a_chat_client_that_did_not_ask() {
    let mut plan = plan(Format::OpenaiChat, Format::AnthropicMessages, true);
    plan.include_usage = false;
    let body = fixture::named("anthropic-messages/stream.sse").body;
    let translated = translate(&plan, 200, true, [body.as_slice()], crate::End::Complete);
    assert!(!String::from_utf8(translated.body).unwrap().contains("usage\":{"));
}

#[test]
fn errors_keep_their_status_and_say_how_long_to_wait() {
    let check = |client, provider, status, body: &str, expected: (u16, &str)| {
        let translated = translate(
            &plan(client, provider, true),
            status,
            false,
            [body.as_bytes()],
            crate::End::Complete,
        );
        let body: Value = serde_json::from_slice(&translated.body).unwrap();
        let name = if client == Format::Gemini { "status" } else { "type" };
        let kind = &body["error"][name];
        assert_eq!((translated.head.status, kind.as_str().unwrap()), expected, "{body}");
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
    };
    let (chat, anthropic) = (Format::OpenaiChat, Format::AnthropicMessages);
    let said = |message: &str| format!("{{\"error\":{{\"message\":\"{message}\"}}}}");
    for (status, to_chat, to_anthropic) in [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (403, "permission_error", "permission_error"),
        (404, "invalid_request_error", "not_found_error"),
        (413, "invalid_request_error", "request_too_large"),
        (429, "rate_limit_error", "rate_limit_error"),
        (500, "server_error", "api_error"),
        (503, "server_error", "overloaded_error"),
    ] {
        check(chat, anthropic, status, &said("x"), (status, to_chat));
        check(anthropic, chat, status, &said("x"), (status, to_anthropic));
    }
    check(chat, anthropic, 529, &said("x"), (503, "server_error"));
    check(anthropic, chat, 502, "<html><title>Bad</title>", (502, "api_error"));
    check(anthropic, chat, 429, "", (429, "rate_limit_error"));
    check(anthropic, chat, 200, "<html>", (502, "api_error"));
    check(anthropic, chat, 200, "{}", (502, "api_error"));
}
