//! Several answers to one request.

use serde_json::json;

use super::{
    streams::{messages, report},
    *,
};
use crate::{conversation::Part, sse::EVENT_BYTES_MAX};

/// What a client of `client` that asked for `answers` is told of these events of the other format's.
fn told(client: Format, answers: usize, events: &[Value], end: crate::End) -> Translated {
    let plan = GeneratePlan { answers, ..plan(client, other(client), true) };
    let events: Vec<String> = events.iter().map(|it| format!("data: {it}\n\n")).collect();
    translate(&plan, 200, true, [events.concat().as_bytes()], end)
}

fn other(format: Format) -> Format {
    SEVERAL.into_iter().find(|it| *it != format).unwrap()
}

fn chunk(index: u64, text: &str, finish_reason: Option<&str>) -> Value {
    json!({"choices": [{
        "index": index,
        "delta": {"content": text},
        "finish_reason": finish_reason,
    }]})
}

fn event(index: u64, text: &str, finish_reason: Option<&str>) -> Value {
    json!({"candidates": [{
        "index": index,
        "content": {"parts": [{"text": text}]},
        "finishReason": finish_reason,
    }]})
}

/// The text of each answer, or the error.
fn texts(client: Format, translated: &Translated) -> Result<Vec<String>, String> {
    if let Some(error) = report(client, translated).error {
        return Err(error.message);
    }
    let texts = messages(client, &translated.body).into_iter().map(|it| {
        it.parts.into_iter().fold(String::new(), |told, part| match part {
            Part::Text { text } => told + &text,
            Part::ToolCall { name, arguments, .. } => format!("{told}{name} {arguments}"),
            Part::Thinking { .. }
            | Part::ToolResult { .. }
            | Part::Image { .. }
            | Part::Document { .. }
            | Part::Other { .. } => panic!("{part:?}"),
        })
    });
    Ok(texts.collect())
}

/// Streams of both formats: which choice says what and whether it finishes, in turn.
fn check(
    answers: usize,
    pieces: &[(u64, &str, bool)],
    end: crate::End,
    expected: Result<&[&str], &str>,
) {
    for (client, piece, reason) in [
        (Format::Gemini, chunk as fn(u64, &str, Option<&str>) -> Value, "stop"),
        (Format::OpenaiChat, event, "STOP"),
    ] {
        let events =
            pieces.iter().map(|(index, text, ends)| piece(*index, text, ends.then_some(reason)));
        let events: Vec<Value> = events.collect();
        let found = texts(client, &told(client, answers, &events, end));
        let expected = expected.map(|it| it.iter().map(|it| (*it).to_owned()).collect());
        assert_eq!(found, expected.map_err(str::to_owned), "to {client}: {pieces:?}");
    }
}

const BROKE_OFF: Result<&[&str], &str> = Err("the provider's answer broke off");

#[test]
fn a_stream_is_complete_when_each_of_its_answers_is() {
    use crate::End::{Broken, Complete};
    let all = [(0, "a", false), (1, "b", false), (0, "c", true), (1, "d", true)];
    check(2, &all, Complete, Ok(&["ac", "bd"]));
    check(2, &all, Broken, Ok(&["ac", "bd"]));
    check(2, &all[..3], Complete, BROKE_OFF);
    check(2, &all[..3], Broken, BROKE_OFF);
    check(2, &all[1..2], Complete, BROKE_OFF);
    check(2, &[], Complete, BROKE_OFF);
    // The second may have been lost, unless the provider says that this is all.
    check(2, &[(0, "a", true)], Broken, BROKE_OFF);
    check(2, &[(0, "a", true)], Complete, Ok(&["a"]));
    check(2, &[(1, "b", true)], Complete, BROKE_OFF);
    check(2, &[(1, "b", true), (0, "a", true)], Broken, Ok(&["a", "b"]));
}

#[test]
fn an_answer_that_was_not_asked_for_is_an_error() {
    let not_asked = "the provider gave an answer that was not asked for";
    for (answers, index) in [(1, 1), (2, 2), (8, 8), (2, u64::MAX)] {
        let pieces = [(0, "a", true), (index, "b", true)];
        check(answers, &pieces, crate::End::Complete, Err(not_asked));
    }
    let whole = |client: Format, body: Value| {
        let plan = GeneratePlan { answers: 2, ..plan(client, other(client), false) };
        let body = body.to_string();
        let done = translate(&plan, 200, false, [body.as_bytes()], crate::End::Complete);
        texts(client, &done)
    };
    let choice =
        |index: u64| json!({"index": index, "message": {"content": "a"}, "finish_reason": "stop"});
    let wrong = Err("the provider's choices are not numbered one by one".to_owned());
    let told = |list: &[u64]| {
        let choices: Vec<Value> = list.iter().map(|it| choice(*it)).collect();
        whole(Format::Gemini, json!({"choices": choices}))
    };
    assert_eq!(told(&[1, 0]).unwrap(), ["a", "a"]);
    assert_eq!(told(&[0]).unwrap(), ["a"]);
    assert_eq!(told(&[0, 1, 2]).unwrap_err(), not_asked);
    assert_eq!(told(&[0, 0]), wrong);
    assert_eq!(told(&[1]), wrong);
    assert!(told(&[]).is_err());
}

#[test]
fn answers_without_numbers_are_told_apart_by_their_places() {
    let list = json!({"choices": [
        {"message": {"content": "a"}, "finish_reason": "stop"},
        {"message": {"content": "b"}, "finish_reason": "stop"},
    ]});
    // Where one is numbered, the other's zero was left out.
    let event = json!({"candidates": [
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"},
        {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
    ]});
    for (client, body) in [(Format::Gemini, &list), (Format::OpenaiChat, &event)] {
        let plan = GeneratePlan { answers: 2, ..plan(client, other(client), false) };
        let body = body.to_string();
        let done = translate(&plan, 200, false, [body.as_bytes()], crate::End::Complete);
        assert_eq!(texts(client, &done).unwrap(), ["a", "b"]);
    }
}

#[test]
fn a_prompt_that_was_blocked_refuses_every_answer() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    for stream in [true, false] {
        let plan = GeneratePlan { answers: 3, ..plan(Format::OpenaiChat, Format::Gemini, stream) };
        let body = blocked.to_string();
        let done = translate(&plan, 200, false, [body.as_bytes()], crate::End::Complete);
        let told = String::from_utf8(done.body).unwrap();
        assert_eq!(told.matches(r#""finish_reason":"content_filter""#).count(), 3, "{told}");
    }
}

/// A call in pieces, in a stream of OpenAI's.
fn call(index: u64, id: Option<&str>, name: Option<&str>, arguments: &str) -> Value {
    json!({"choices": [{"index": index, "delta": {"tool_calls": [
        {"index": 0, "id": id, "function": {"name": name, "arguments": arguments}},
    ]}}]})
}

#[test]
fn what_is_held_of_calls_is_bounded_over_all_answers() {
    let half = "x".repeat(EVENT_BYTES_MAX / 2);
    let whole = |arguments: &str, second: &str| {
        let events = [
            call(0, Some("1"), Some("f"), "{"),
            call(1, Some("2"), Some("g"), "{"),
            call(0, None, None, arguments),
            call(1, None, None, second),
        ];
        texts(Format::Gemini, &told(Format::Gemini, 2, &events, crate::End::Broken)).unwrap_err()
    };
    assert_eq!(whole(&half, "x"), "the provider's answer broke off");
    assert_eq!(whole(&half, &half), "a tool call's arguments are too long");
    let [first, second] = ["a", "b"].map(|it| it.repeat(EVENT_BYTES_MAX / 2 + 1));
    let events = [call(0, Some(&first), Some("f"), "{"), call(1, Some(&second), Some("f"), "{")];
    let done = told(Format::Gemini, 2, &events, crate::End::Broken);
    let error = texts(Format::Gemini, &done).unwrap_err();
    assert_eq!(error, "the ids of tool calls are too long");
    // The next call of the same choice takes the place of the last.
    let events = [&first, &second].map(|it| call(0, Some(it), Some("f"), "{}"));
    let done = told(Format::Gemini, 1, &events, crate::End::Broken);
    assert_eq!(texts(Format::Gemini, &done).unwrap_err(), "the provider's answer broke off");
}

/// A shape by a tool, beside tools of the client's: each answer chooses for itself.
#[test]
fn the_tool_for_a_shape_becomes_text_in_each_answer() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {"a": 1}}});
    let candidate = |index: u64, parts: Value| json!({"index": index, "content": {"parts": parts}, "finishReason": "STOP"});
    let event = json!({"candidates": [
        candidate(0, json!([call(shape::JSON_TOOL)])),
        candidate(1, json!([call("f")])),
        candidate(2, json!([{"text": "b"}])),
    ]});
    for is_stream in [true, false] {
        for stream in [true, false] {
            let mut plan = plan(Format::OpenaiChat, Format::Gemini, stream);
            plan.answers = 3;
            plan.json_tool = Some(shape::JSON_TOOL);
            let body = if is_stream { format!("data: {event}\n\n") } else { event.to_string() };
            let done = translate(&plan, 200, is_stream, [body.as_bytes()], crate::End::Complete);
            let found = texts(Format::OpenaiChat, &done).unwrap();
            assert_eq!(found, [r#"{"a":1}"#, r#"f {"a":1}"#, "b"]);
            let told = String::from_utf8(done.body).unwrap();
            for (reason, count) in [("stop", 2), ("tool_calls", 1)] {
                let told = told.matches(&format!(r#""finish_reason":"{reason}""#)).count();
                assert_eq!(told, count, "{reason}");
            }
        }
    }
}

/// A client of chat's first days has room for one call in each answer.
#[test]
fn a_client_of_functions_gets_one_call_of_each_answer() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let candidate = |index: u64, parts: Value, reason: Option<&str>| json!({"candidates": [{"index": index, "content": {"parts": parts}, "finishReason": reason}]});
    let events = [
        candidate(0, json!([call("f")]), None),
        candidate(1, json!([call("g")]), None),
        candidate(0, json!([call("left_out")]), None),
        candidate(1, json!([{"text": "b"}]), Some("STOP")),
        candidate(0, json!([{"text": "a"}]), Some("STOP")),
    ];
    let body: String = events.iter().map(|it| format!("data: {it}\n\n")).collect();
    for stream in [true, false] {
        let mut plan = plan(Format::OpenaiChat, Format::Gemini, stream);
        plan.answers = 2;
        plan.functions = true;
        let done = translate(&plan, 200, true, [body.as_bytes()], crate::End::Complete);
        let mut found = texts(Format::OpenaiChat, &done).unwrap();
        found.sort();
        assert_eq!(found, ["af {}", "bg {}"]);
        assert_eq!(done.losses.len(), 1);
        assert_eq!(done.losses[0].field, "function_call");
    }
    // The end of a stream is told even in the middle of a call that is left out.
    let mut plan = plan(Format::OpenaiChat, Format::BedrockConverse, true);
    plan.functions = true;
    let calls = fixture::named("bedrock-converse/stream-thinking-tools.frames");
    let cut = &calls.body[..calls.body.len() / 2];
    for at in 0..cut.len() {
        let done = translate(&plan, 200, true, [&calls.body[..at]], crate::End::Broken);
        assert!(report(Format::OpenaiChat, &done).error.is_some(), "cut at {at}");
    }
}

#[test]
fn how_many_answers_may_be_asked_for_is_said() {
    let ask = |from: Format, to: Format, count: Value| {
        let mut body = json!({"messages": [], "contents": []});
        let messages = json!([{"role": "user", "content": "a", "parts": [{"text": "a"}]}]);
        if from == Format::Gemini {
            body["contents"] = messages;
            body["generationConfig"] = json!({"candidateCount": count});
        } else {
            body["messages"] = messages;
            body["n"] = count;
        }
        translate_request(&config(from, to), body.to_string().as_bytes())
    };
    let (chat, gemini) = (Format::OpenaiChat, Format::Gemini);
    for (from, to, most, field) in
        [(chat, gemini, 8, "n"), (gemini, chat, 128, "generationConfig.candidateCount")]
    {
        for count in [json!(null), json!(1)] {
            let Plan::Generate(plan) = ask(from, to, count).unwrap().plan.0 else { panic!() };
            assert_eq!(plan.answers, 1);
        }
        let sent = ask(from, to, json!(most)).unwrap();
        let Plan::Generate(plan) = sent.plan.0 else { panic!() };
        assert_eq!(plan.answers, most);
        assert!(sent.losses.iter().all(|it| it.field != field));
        let sent: Value = serde_json::from_slice(&sent.body).unwrap();
        let count = sent.get("n").unwrap_or(&sent["generationConfig"]["candidateCount"]);
        assert_eq!(*count, most);
        let refused = ask(from, to, json!(most + 1)).unwrap_err();
        assert_eq!(refused.field, field);
        assert!(refused.why.ends_with(&format!("gives at most {most}")), "{refused}");
        for count in [json!(0), json!(-1), json!(1.5), json!("2"), json!([2])] {
            for to in providers(from) {
                let refused = ask(from, to, count.clone()).unwrap_err();
                assert_eq!(refused.field, field, "{count}");
                assert_eq!(refused.why, "must be a whole number from 1 on", "{count}");
            }
        }
        for to in providers(from).filter(|it| !SEVERAL.contains(it)) {
            let refused = ask(from, to, json!(2)).unwrap_err();
            assert_eq!(refused.field, field);
            assert!(refused.why.contains("only one answer"), "{refused}");
        }
    }
}
