use super::*;
use crate::sse::SseReader;

/// Puts `<word>` in the place of `WORD_1`, and waits while it may still come.
#[derive(Debug, Default)]
struct Words {
    stops_at: Option<&'static str>,
}

const TOKEN: &str = "WORD_1";

impl Editor for Words {
    fn edit<'a>(&mut self, piece: &Piece<'a>) -> Result<Edited<'a>, Stop> {
        if self.stops_at.is_some_and(|it| piece.text.contains(it)) {
            return Err(Stop);
        }
        let mut taken = piece.text.len();
        if piece.stage == Stage::GoesOn {
            let holds = (1..TOKEN.len()).rev().find(|it| piece.text.ends_with(&TOKEN[..*it]));
            taken -= holds.unwrap_or(0);
        }
        let with = if piece.is_json { "<\\\"word\\\">" } else { "<\"word\">" };
        let text = &piece.text[..taken];
        let text = if text.contains(TOKEN) {
            Cow::Owned(text.replace(TOKEN, with))
        } else {
            Cow::Borrowed(text)
        };
        Ok(Edited { text, taken })
    }
}

fn through(content_type: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let mut retext = Retext::new(Words::default(), content_type);
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend(retext.push(chunk));
    }
    out.extend(retext.finish());
    assert!(!retext.is_stopped());
    out
}

/// The texts of a stream put together, by their paths.
fn told(stream: &[u8]) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> = Vec::new();
    let mut take = |data: &[u8]| {
        let Some(scanned) = scan(data) else { return };
        for text in scanned.texts.iter().filter(|it| is_piece(it)) {
            let key = format!("{} {:?}", text.path, text.numbers);
            match told.iter_mut().find(|(known, _)| *known == key) {
                Some((_, said)) => said.push_str(&text.text),
                None => told.push((key, text.text.clone().into_owned())),
            }
        }
    };
    let mut reader = SseReader::new();
    let mut found = |item: SseItem<'_>| {
        if let SseItem::Event(event) = item
            && let Some(data) = event.data()
        {
            take(&data);
        }
    };
    reader.push(stream, &mut found);
    reader.finish(&mut found);
    told
}

const SSE: &str = "text/event-stream; charset=utf-8";

/// A stream in which the token is parted after so many of its bytes, in each format.
fn streams(first: &str, second: &str) -> Vec<(&'static str, String, &'static str)> {
    let chat = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\"\"}}}}]}}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"a {first}\"}}}}]}}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{second} b\"}},\"finish_reason\":null}}]}}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n"
    );
    let tool = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"c\",\"function\":{{\"name\":\"f\",\"arguments\":\"\"}}}}]}}}}]}}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":\"a {first}\"}}}}]}}}}]}}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":\"{second} b\"}}}}]}}}}]}}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"tool_calls\"}}]}}\n\ndata: [DONE]\n\n"
    );
    let anthropic = format!(
        "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\nevent: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"a {first}\"}}}}\n\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\nevent: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{second} b\"}}}}\n\nevent: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
    );
    let responses = format!(
        "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"a {first}\"}}\n\nevent: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"{second} b\"}}\n\nevent: response.output_text.done\ndata: {{\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":\"a {first}{second} b\"}}\n\n"
    );
    let gemini = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"a {first}\"}}],\"role\":\"model\"}},\"index\":0}}]}}\r\n\r\ndata: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{second} b\"}}],\"role\":\"model\"}},\"finishReason\":\"STOP\",\"index\":0}}]}}\r\n\r\n"
    );
    vec![
        ("chat", chat, "a <\"word\"> b"),
        ("chat tools", tool, "a <\\\"word\\\"> b"),
        ("anthropic", anthropic, "a <\"word\"> b"),
        ("responses", responses, "a <\"word\"> b"),
        ("gemini", gemini, "a <\"word\"> b"),
    ]
}

#[test]
fn a_token_is_found_wherever_two_events_part_it() {
    for at in 0..=TOKEN.len() {
        let (first, second) = TOKEN.split_at(at);
        for (name, stream, expected) in streams(first, second) {
            let out = through(SSE, &[stream.as_bytes()]);
            let told = told(&out);
            assert!(
                told.iter().any(|(_, it)| it == expected),
                "{name} at {at}: {told:?}\n{}",
                String::from_utf8_lossy(&out)
            );
            assert!(!String::from_utf8_lossy(&out).contains(TOKEN), "{name} at {at}");
        }
    }
}

#[test]
fn the_result_does_not_depend_on_where_the_bytes_are_cut() {
    let (first, second) = TOKEN.split_at(3);
    for (name, stream, _) in streams(first, second) {
        let whole = through(SSE, &[stream.as_bytes()]);
        for at in 0..stream.len() {
            let (a, b) = stream.as_bytes().split_at(at);
            assert_eq!(through(SSE, &[a, b]), whole, "{name} at {at}");
        }
    }
}

#[test]
fn a_stream_without_anything_to_change_passes_byte_for_byte() {
    for (name, stream, _) in streams("plain", "text") {
        let out = through(SSE, &[stream.as_bytes()]);
        assert_eq!(String::from_utf8_lossy(&out), stream, "{name}");
    }
}

#[test]
fn what_is_held_back_comes_before_what_ends_its_text() {
    for (name, stream, _) in streams("x WO", "y WORD") {
        let out = through(SSE, &[stream.as_bytes()]);
        let told = told(&out);
        assert!(told.iter().any(|(_, it)| it == "a x WOy WORD b"), "{name}: {told:?}");
    }
    // The very end of the text is held back, and the event that ends it follows.
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a WORD\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    assert_eq!(
        String::from_utf8(through(SSE, &[stream.as_bytes()])).unwrap(),
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a \"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"WORD\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
    );
}

#[test]
fn choices_beside_each_other_are_told_apart() {
    let piece = |index: u8, text: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
        )
    };
    let end = |index: u8| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n"
        )
    };
    let stream = [piece(0, "WO"), piece(1, "WOR"), end(1), piece(0, "RD_1"), end(0)].concat();
    let told = told(&through(SSE, &[stream.as_bytes()]));
    let said: Vec<_> = told.iter().map(|(_, it)| it.as_str()).collect();
    assert_eq!(said, ["<\"word\">", "WOR"]);
}

#[test]
fn an_answer_that_comes_whole_is_changed_in_its_places_alone() {
    let check = |body: &str, expected: &str| {
        let out = through("application/json", &[body.as_bytes()]);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    check(
        r#"{ "id":"WORD_1","choices":[{"message":{"content":"a WORD_1","tool_calls":[{"function":{"name":"f","arguments":"{\"x\":\"WORD_1\"}"}}]}}] }"#,
        r#"{ "id":"WORD_1","choices":[{"message":{"content":"a <\"word\">","tool_calls":[{"function":{"name":"f","arguments":"{\"x\":\"<\\\"word\\\">\"}"}}]}}] }"#,
    );
    check(
        r#"{"content":[{"type":"text","text":"\u00e9"}]}"#,
        r#"{"content":[{"type":"text","text":"\u00e9"}]}"#,
    );
    check("no JSON", "no JSON");
    check("", "");
}

#[test]
fn a_list_of_answers_is_a_stream() {
    let body = r#"[{"candidates":[{"content":{"parts":[{"text":"a WO"}]}}]}
,{"candidates":[{"content":{"parts":[{"text":"RD_1"}]}}]}]"#;
    let out = String::from_utf8(through("application/json", &[body.as_bytes()])).unwrap();
    assert_eq!(
        out,
        r#"[{"candidates":[{"content":{"parts":[{"text":"a "}]}}]},{"candidates":[{"content":{"parts":[{"text":"<\"word\">"}]}}]}]"#
    );
    assert_eq!(through("application/json", &[b"[]"]), b"[]");
}

#[test]
fn amazons_frames_are_written_anew() {
    let frame = |name: &str, payload: &str| {
        let headers = [
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        event_stream::frame(&headers, payload.as_bytes()).unwrap()
    };
    let stream = [
        frame("messageStart", r#"{"role":"assistant"}"#),
        frame("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"a WOR"}}"#),
        frame("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"D_1"}}"#),
        frame("contentBlockStop", r#"{"contentBlockIndex":0}"#),
    ];
    let expected = [
        frame("messageStart", r#"{"role":"assistant"}"#),
        frame("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"a "}}"#),
        frame("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"<\"word\">"}}"#),
        frame("contentBlockStop", r#"{"contentBlockIndex":0}"#),
    ]
    .concat();
    let stream = stream.concat();
    assert_eq!(through(event_stream::EVENT_STREAM, &[&stream]), expected);
    let (a, b) = stream.split_at(stream.len() / 2);
    assert_eq!(through(event_stream::EVENT_STREAM, &[a, b]), expected);
}

#[test]
fn nothing_follows_what_stops_an_answer() {
    for at in 0..=4 {
        let (first, second) = "EVIL".split_at(at);
        for (name, stream, _) in streams(first, second) {
            let mut retext = Retext::new(Words { stops_at: Some("EVIL") }, SSE);
            let mut out = retext.push(stream.as_bytes()).to_vec();
            out.extend(retext.finish());
            if at == 0 || at == 4 {
                assert!(retext.is_stopped(), "{name}");
                assert!(!String::from_utf8_lossy(&out).contains("EVIL"), "{name}");
                assert!(!String::from_utf8_lossy(&out).contains("[DONE]"), "{name}");
            }
        }
    }
}

#[test]
fn an_event_with_its_data_in_several_lines_is_read_as_one() {
    let stream = "event: x\ndata: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"WORD_1\"}}]}\n\n";
    let out = through(SSE, &[stream.as_bytes()]);
    assert_eq!(told(&out), [("choices.delta.content [0]".to_owned(), "<\"word\">".to_owned())]);
}
