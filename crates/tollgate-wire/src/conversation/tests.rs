use proptest::prelude::*;

use super::*;
use crate::fixture;

fn shown(name: &str) -> Conversation {
    let fixture = fixture::named(name);
    conversation(Bodies {
        format: fixture.format,
        request: &fixture.request,
        response: &fixture.body,
    })
}

fn answer(name: &str) -> Vec<Part> {
    let shown = shown(name);
    assert_eq!(shown.answers, 1, "{name}");
    shown.messages.last().unwrap().parts.clone()
}

#[test]
fn shows_every_fixture() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/conversation");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        for fixture in fixture::all() {
            insta::assert_json_snapshot!(fixture.name.replace('/', "__"), shown(&fixture.name));
        }
    });
}

/// The stream fixtures of a format say the same text in as many pieces.
#[test]
fn a_stream_is_put_together_again() {
    let text = "Hallo! Schöne Grüße 👋 — \"usage\": and \\\"finish_reason\\\" done";
    let expected = Part::Text { text: text.to_owned() };
    for name in [
        "openai-chat/stream.sse",
        "openai-chat/stream-crlf-nospace.sse",
        "openai-chat/stream-azure.sse",
        "anthropic-messages/stream.sse",
        "gemini/stream.sse",
        "gemini/stream-list.json",
        "gemini/stream-wrapped.sse",
    ] {
        assert_eq!(answer(name), std::slice::from_ref(&expected), "{name}");
    }
    for name in ["openai-responses/stream.sse", "openai-responses/stream-incomplete.sse"] {
        assert_eq!(answer(name).last(), Some(&expected), "{name}");
    }
}

#[test]
fn each_of_several_answers_is_shown_even_if_it_is_empty() {
    let check = |format, body: &str, expected: &[&str]| {
        let shown = conversation(Bodies { format, request: b"{}", response: body.as_bytes() });
        let texts = shown.messages.iter().map(|it| match it.parts.as_slice() {
            [] => "",
            [Part::Text { text }] => text,
            other => panic!("{other:?}"),
        });
        assert_eq!(texts.collect::<Vec<_>>(), expected);
        assert_eq!(shown.answers, expected.len());
    };
    let (chat, gemini) = (Format::OpenaiChat, Format::Gemini);
    let said = r#"{"index":1,"message":{"content":"b"}}"#;
    let silent = r#"{"index":0,"message":{"content":null},"finish_reason":"content_filter"}"#;
    check(chat, &format!(r#"{{"choices":[{silent},{said},{silent}]}}"#), &["", "b", ""]);
    check(chat, &format!(r#"{{"choices":[{silent}]}}"#), &[]);
    let said = r#"{"index":1,"content":{"parts":[{"text":"b"}]}}"#;
    let silent = r#"{"index":0,"finishReason":"SAFETY"}"#;
    check(gemini, &format!(r#"{{"candidates":[{said},{silent}]}}"#), &["b", ""]);
    let events = format!(r#"[{{"candidates":[{said}]}},{{"candidates":[{silent}]}}]"#);
    check(gemini, &events, &["", "b"]);
    let many = vec!["{}"; CONVERSATION_BYTES_MAX / 16].join(",");
    let body = format!(r#"{{"choices":[{many}]}}"#);
    let shown = conversation(Bodies { format: chat, request: b"{}", response: body.as_bytes() });
    assert!(shown.cut && shown.messages.len() < CONVERSATION_BYTES_MAX / 32);
}

#[test]
fn what_came_of_a_broken_stream_is_shown() {
    let check = |name: &str, text: &str| {
        assert_eq!(answer(name).last(), Some(&Part::Text { text: text.to_owned() }), "{name}");
    };
    check("openai-chat/stream-broken.sse", "Hallo! Sch");
    check("openai-responses/stream-broken.sse", "Hallo! Sch");
    check("anthropic-messages/stream-broken.sse", "Hallo! Schöne");
    check("gemini/stream-broken-list.json", "Hallo! Schöne");
}

#[test]
fn a_streamed_tool_call_has_its_arguments() {
    let call = |id: Option<&str>, arguments: &str| Part::ToolCall {
        id: id.map(str::to_owned),
        name: "get_weather".to_owned(),
        arguments: arguments.to_owned(),
    };
    let cologne = "{\"city\":\"Köln\"}";
    let tokyo = "{\"city\":\"東京\"}";
    let both = [call(Some("call_a"), cologne), call(Some("call_b"), tokyo)];
    assert_eq!(answer("openai-chat/stream-tools.sse"), both);
    assert_eq!(answer("openai-responses/stream-tools.sse"), [call(Some("call_1"), cologne)]);
    let anthropic = answer("anthropic-messages/stream-thinking-tools.sse");
    assert_eq!(
        anthropic,
        [Part::Thinking { text: "Let me see.".to_owned() }, call(Some("toolu_3"), cologne),]
    );
}

#[test]
fn long_texts_are_cut_and_the_view_says_so() {
    let long = "é".repeat(TEXT_BYTES_MAX);
    let request = serde_json::json!({"messages": [{"role": "user", "content": long}]}).to_string();
    let bodies = Bodies {
        format: Format::OpenaiChat,
        request: request.as_bytes(),
        response: br#"{"choices":[{"message":{"content":"ok"}}]}"#,
    };
    let shown = conversation(bodies);
    assert!(shown.cut);
    let [Part::Text { text }] = shown.messages[0].parts.as_slice() else { panic!("one text") };
    assert_eq!(text.len(), TEXT_BYTES_MAX);
    assert_eq!(shown.messages[1].parts, [Part::Text { text: "ok".to_owned() }]);
}

#[test]
fn the_whole_view_is_bounded() {
    let message = serde_json::json!({"role": "user", "content": "x".repeat(1000)});
    let many = vec![message; 2 * CONVERSATION_BYTES_MAX / 1000];
    let request = serde_json::json!({ "messages": many }).to_string();
    let bodies = Bodies { format: Format::OpenaiChat, request: request.as_bytes(), response: b"" };
    let shown = conversation(bodies);
    assert!(shown.cut);
    assert!(serde_json::to_vec(&shown).unwrap().len() < 2 * CONVERSATION_BYTES_MAX);
}

/// JSON of any shape, with the names that the readers look for.
fn any_json() -> impl Strategy<Value = Value> {
    let names = vec![
        "messages",
        "content",
        "role",
        "type",
        "text",
        "tool_calls",
        "function",
        "index",
        "delta",
        "choices",
        "input",
        "output",
        "parts",
        "candidates",
        "contents",
        "system",
        "item",
        "output_index",
        "arguments",
        "image_url",
        "source",
        "tools",
        "response",
        "message",
        "content_block",
        "partial_json",
        "functionCall",
    ];
    let words = vec![
        "assistant",
        "tool",
        "text",
        "tool_use",
        "tool_result",
        "image",
        "message",
        "reasoning",
        "function_call",
        "content_block_start",
        "content_block_delta",
        "response.output_text.delta",
        "response.output_item.added",
        "data:image/png;base64,AA==",
        "",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..9000).prop_map(Value::from),
        prop::sample::select(words).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        let members = (prop::sample::select(names.clone()), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Value::from),
            prop::collection::vec(members, 0..6)
                .prop_map(|it| it.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics(
        format in prop::sample::select(Format::ALL.to_vec()),
        request in any_json(),
        response in any_json(),
        events in prop::collection::vec(any_json(), 0..6),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let (request, response) = (request.to_string(), response.to_string());
        let stream: String = events.iter().map(|it| format!("data: {it}\n\n")).collect();
        for response in [response.as_bytes(), stream.as_bytes(), bytes.as_slice()] {
            for request in [request.as_bytes(), bytes.as_slice()] {
                let shown = conversation(Bodies { format, request, response });
                prop_assert!(shown.answers <= shown.messages.len());
            }
        }
    }
}
