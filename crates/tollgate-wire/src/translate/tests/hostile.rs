//! Answers and requests that no provider and no client should send.

use super::{streams::report, *};

#[test]
fn an_answer_that_is_too_long_to_be_held_is_an_error() {
    let plan = plan(Format::AnthropicMessages, Format::OpenaiChat, false);
    let piece = vec![b' '; 1 << 20];
    let pieces = (0..=ANSWER_BYTES_MAX >> 20).map(|_| piece.as_slice());
    let translated = translate(&plan, 200, false, pieces, crate::End::Complete);
    assert_eq!(translated.head.status, 502);
}

#[test]
fn an_event_that_is_too_long_is_an_error() {
    let plan = plan(Format::AnthropicMessages, Format::OpenaiChat, true);
    let piece = vec![b'x'; 1 << 20];
    let count = (crate::sse::EVENT_BYTES_MAX >> 20) + 1;
    let pieces = (0..count).map(|_| piece.as_slice());
    let pieces = std::iter::once(b"data: ".as_slice()).chain(pieces).chain([b"\n\n".as_slice()]);
    let translated = translate(&plan, 200, true, pieces, crate::End::Complete);
    assert!(String::from_utf8(translated.body).unwrap().starts_with("event: error"));
}

/// One event of a provider's, as often as it takes to pass the limit.
fn endless(client: Format, begin: &str, event: &str) -> String {
    let plan = plan(client, Format::AnthropicMessages, true);
    let event = event.replace("XX", &"x".repeat(1 << 20));
    let pieces = std::iter::repeat_n(event.as_bytes(), (ANSWER_BYTES_MAX >> 20) + 1);
    let pieces = std::iter::once(begin.as_bytes()).chain(pieces);
    let done = translate(&plan, 200, true, pieces, crate::End::Broken);
    let tail = done.body.len().saturating_sub(300);
    String::from_utf8_lossy(&done.body[tail..]).into_owned()
}

#[test]
fn what_must_be_kept_of_a_stream_has_a_limit() {
    let text = "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\"}}\n\n";
    let more = "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"XX\"}}\n\n";
    let tail = endless(Format::OpenaiResponses, text, more);
    assert!(tail.contains("event: error") && tail.contains("too long"), "{tail}");
    // A chat client's stream is not kept.
    let tail = endless(Format::OpenaiChat, text, more);
    assert!(tail.contains("broke off"), "{tail}");
    let call = "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\
        \"id\":\"1\",\"name\":\"f\"}}\n\n";
    let more = "data: {\"type\":\"content_block_delta\",\"delta\":{\"partial_json\":\"XX\"}}\n\n";
    let tail = endless(Format::Gemini, call, more);
    assert!(tail.contains("arguments are too long"), "{tail}");
}

#[test]
fn scored_tokens_that_must_be_kept_count_as_what_they_take() {
    let score = format!(r#"{{"token":"{}","logprob":-1}}"#, "x".repeat(1 << 20));
    let event = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"logprobs\":{{\"content\":[{score}]}}}}]}}\n\n"
    );
    for stream in [true, false] {
        let plan = plan(Format::OpenaiResponses, Format::OpenaiChat, stream);
        let pieces = std::iter::repeat_n(event.as_bytes(), (ANSWER_BYTES_MAX >> 20) + 1);
        let done = translate(&plan, 200, true, pieces, crate::End::Broken);
        let tail = done.body.len().saturating_sub(300);
        let tail = String::from_utf8_lossy(&done.body[tail..]);
        assert!(tail.contains("error") && tail.contains("too long"), "{tail}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_translated_to_something(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        wrap in proptest::bool::ANY,
    ) {
        let mut stream = body.clone();
        if wrap {
            stream.splice(0..0, *b"data: ");
            stream.extend_from_slice(b"\n\n");
        }
        for provider in PROVIDERS {
            for client in others(provider) {
                let plan = plan(client, provider, true);
                let done = translate(&plan, 200, true, [stream.as_slice()], crate::End::Complete);
                prop_assert!(report(client, &done).terminal_seen);
                translate(&plan, 200, false, [body.as_slice()], crate::End::Broken);
                translate(&plan, 500, false, [body.as_slice()], crate::End::Complete);
                let _ = translate_request(&config(client, provider), &body);
            }
        }
    }

    /// Bodies of the right shape with wrong values, which reach further than any bytes.
    #[test]
    fn a_body_with_a_member_gone_wrong_never_panics(at in any::<prop::sample::Index>(), what in 0..5) {
        for fixture in answers() {
            let mut value: Value = match serde_json::from_slice(&fixture.body) {
                Ok(value) => value,
                Err(_) => continue,
            };
            spoil(&mut value, at, what);
            let body = value.to_string();
            for client in clients(&fixture) {
                for stream in [true, false] {
                    let plan = plan_for(&fixture, client, stream);
                    translate(&plan, 200, false, [body.as_bytes()], crate::End::Complete);
                }
            }
        }
    }
}

/// Replaces some value in the tree.
pub(super) fn spoil(value: &mut Value, at: prop::sample::Index, what: i32) {
    fn count(value: &Value) -> usize {
        let inner: usize = match value {
            Value::Array(list) => list.iter().map(count).sum(),
            Value::Object(members) => members.values().map(count).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        };
        inner + 1
    }
    fn replace(value: &mut Value, left: &mut usize, with: &Value) {
        if *left == 0 {
            *value = with.clone();
        }
        *left = left.wrapping_sub(1);
        match value {
            Value::Array(list) => list.iter_mut().for_each(|it| replace(it, left, with)),
            Value::Object(members) => members.values_mut().for_each(|it| replace(it, left, with)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let with = match what {
        0 => Value::Null,
        1 => serde_json::json!({"a": [1]}),
        2 => serde_json::json!([{}, [], "x"]),
        3 => serde_json::json!(-1.5),
        _ => serde_json::json!("\u{0}ü"),
    };
    let mut left = at.index(count(value));
    replace(value, &mut left, &with);
}
