//! Pictures that models make, in every format that has room for them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::collection::vec;

use super::{
    streams::{history, messages},
    *,
};
use crate::ir::{Event, Opening, Source, Stop};

/// The formats that have room for pictures.
const SHOWING: [Format; 3] = [Format::OpenaiChat, Format::Gemini, Format::OpenaiResponses];

/// The recorded answers with a picture.
fn recorded() -> impl Iterator<Item = Fixture> {
    answers().filter(|it| it.name.contains("picture"))
}

/// The pictures that somebody finds: their media type and how many bytes they have, or where they
/// are.
fn shown(format: Format, body: &[u8]) -> Vec<(Option<String>, Option<u64>, Option<String>)> {
    let parts = messages(format, body).into_iter().flat_map(|it| it.parts);
    let picture = |it| match it {
        conversation::Part::Image { media_type, bytes, url } => Some((media_type, bytes, url)),
        conversation::Part::Text { .. }
        | conversation::Part::Thinking { .. }
        | conversation::Part::ToolCall { .. }
        | conversation::Part::ToolResult { .. }
        | conversation::Part::Document { .. }
        | conversation::Part::Other { .. } => None,
    };
    parts.filter_map(picture).collect()
}

#[test]
fn every_recorded_picture_reaches_every_client_that_has_room_for_it() {
    let mut seen = 0;
    for fixture in recorded() {
        let lost_anyway = |it: &Loss| {
            ["thought.inlineData", "delta.images"].iter().any(|end| it.field.ends_with(end))
                || it.why == "is a picture that was not made"
        };
        for client in others(fixture.format) {
            for stream in [true, false] {
                let plan = plan(client, fixture.format, stream);
                let body = [fixture.body.as_slice()];
                let done = translate(&plan, 200, fixture.is_stream, body, crate::End::Complete);
                let told = format!("{} to {client}: {:?}", fixture.name, done.losses);
                let losses: Vec<_> = done.losses.iter().filter(|it| !lost_anyway(it)).collect();
                if client == Format::AnthropicMessages {
                    assert!(done.losses.iter().any(|it| it.why.contains("no room")), "{told}");
                    assert_eq!(shown(client, &done.body), [], "{told}");
                    continue;
                }
                let found = shown(client, &done.body);
                let inline = (Some("image/png".to_owned()), Some(70), None);
                assert_eq!(found.first(), Some(&inline), "{told}");
                // A second one stands elsewhere, which the Responses API cannot say.
                let elsewhere = fixture.name == "openai-chat/picture.json";
                let has_both = elsewhere && client != Format::OpenaiResponses;
                assert_eq!(found.len(), 1 + usize::from(has_both), "{told}");
                assert_eq!(losses.len(), usize::from(elsewhere && !has_both), "{told}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 7 * 2 * 2, "seven recordings, two clients each, whole and as a stream");
}

#[test]
fn an_answer_of_which_nothing_is_left_is_an_error() {
    let fixture = fixture::named("gemini/picture-alone.json");
    for stream in [true, false] {
        let plan = plan(Format::AnthropicMessages, Format::Gemini, stream);
        let body = [fixture.body.as_slice()];
        let done = translate(&plan, 200, false, body, crate::End::Complete);
        let told = String::from_utf8(done.body).unwrap();
        assert!(told.contains("has no room") && told.contains("api_error"), "{told}");
        assert!(!told.contains("message_stop"), "{told}");
        assert_eq!(done.losses.len(), 1);
    }
}

/// Gemini wants its pictures back, each with the seal that it gave it.
#[test]
fn a_picture_comes_back_to_gemini_with_its_seal() {
    let sealed = r#""data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="},"thoughtSignature":"CpQC""#;
    for name in ["gemini/stream-picture.sse", "gemini/picture.json"] {
        let fixture = fixture::named(name);
        for client in [Format::OpenaiChat, Format::OpenaiResponses] {
            let plan = plan(client, Format::Gemini, false);
            let body = [fixture.body.as_slice()];
            let done = translate(&plan, 200, fixture.is_stream, body, crate::End::Complete);
            let answer: Value = serde_json::from_slice(&done.body).unwrap();
            let mut request = history(client, &answer);
            request["modalities"] = serde_json::json!(["image", "text"]);
            let config = config(client, Format::Gemini);
            let back = translate_request(&config, request.to_string().as_bytes()).unwrap();
            let sent = String::from_utf8(back.body).unwrap();
            assert!(sent.contains(sealed), "{name} by {client}: {sent}");
            assert_eq!(sent.matches("CpQC").count(), 1, "{sent}");
            if fixture.is_stream {
                assert!(
                    sent.contains(r#"{"text":"Here it is.","thoughtSignature":"CpQB"}"#),
                    "{sent}"
                );
            }
        }
    }
}

/// The stream that a chat client puts together says what the whole answer says.
#[test]
fn a_streamed_picture_tells_its_seal_as_a_whole_answer_does() {
    let fixture = fixture::named("gemini/stream-picture.sse");
    let streamed = translate_fixture(&fixture, Format::OpenaiChat).body;
    let streamed = String::from_utf8(streamed).unwrap();
    let whole = plan(Format::OpenaiChat, Format::Gemini, false);
    let whole = translate(&whole, 200, true, [fixture.body.as_slice()], crate::End::Complete);
    let whole: Value = serde_json::from_slice(&whole.body).unwrap();
    let picture = &whole["choices"][0]["message"]["images"][0];
    assert_eq!((&picture["index"], &picture["seal"]), (&0.into(), &1.into()));
    assert!(streamed.contains(&picture.to_string()), "{picture} in {streamed}");
}

#[test]
fn pictures_that_must_be_kept_have_a_limit_together() {
    let data = "A".repeat(ANSWER_BYTES_MAX / 2);
    let event = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"inlineData\":\
         {{\"mimeType\":\"image/png\",\"data\":\"{data}\"}}}}]}}}}]}}\r\n\r\n"
    );
    for (client, stream, expected) in [
        (Format::OpenaiResponses, true, true),
        (Format::OpenaiResponses, false, true),
        (Format::OpenaiChat, false, true),
        // Nothing is kept.
        (Format::OpenaiChat, true, false),
    ] {
        let plan = plan(client, Format::Gemini, stream);
        let pieces = std::iter::repeat_n(event.as_bytes(), 3);
        let done = translate(&plan, 200, true, pieces, crate::End::Broken);
        let tail = String::from_utf8_lossy(&done.body[done.body.len().saturating_sub(300)..]);
        assert_eq!(tail.contains("too long"), expected, "{client} {stream}: {tail}");
    }
}

/// A part of an answer: a text, or a picture's bytes.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Picture(Vec<u8>),
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        "[a-zü 🦀]{0,8}[a-z]".prop_map(Piece::Text),
        vec(any::<u8>(), 1..40).prop_map(Piece::Picture),
    ]
}

fn check(pieces: &[Piece]) -> Result<(), TestCaseError> {
    let expected: Vec<u64> = pieces
        .iter()
        .filter_map(|it| match it {
            Piece::Picture(bytes) => u64::try_from(bytes.len()).ok(),
            Piece::Text(_) => None,
        })
        .collect();
    for provider in SHOWING {
        let own = plan(provider, provider, true);
        let config = GenerateConfig {
            plan: &own,
            status: 200,
            content_type: None,
            retry_after_s: None,
            fallback_id: "answer-1",
            created_s: 0,
        };
        let mut stream = Vec::new();
        let mut writing = answers::Writing::new(&config);
        let mut put = |event: Event<'_>| writing.event(event, &mut stream);
        put(Event::Start { id: Some("a-1"), model: Some("m"), usage: Usage::default() });
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    put(Event::PartStart(Opening::Text));
                    put(Event::Delta(text));
                }
                Piece::Picture(bytes) => {
                    let (media_type, data) = ("image/webp".to_owned(), STANDARD.encode(bytes));
                    let source = Source::Base64 { media_type, data };
                    put(Event::PartStart(Opening::Image(&source)));
                }
            }
            put(Event::PartEnd);
        }
        put(Event::Stop(Stop::End));
        put(Event::End(Usage { input: Some(1), output: Some(2), ..Usage::default() }));
        for client in SHOWING.into_iter().filter(|it| *it != provider) {
            for wants_stream in [true, false] {
                let plan = plan(client, provider, wants_stream);
                let bytes = stream.chunks(11);
                let done = translate(&plan, 200, true, bytes, crate::End::Complete);
                prop_assert_eq!(&done.losses, &[]);
                let found = shown(client, &done.body);
                let types = found.iter().all(|it| it.0.as_deref() == Some("image/webp"));
                prop_assert!(types, "{} to {}: {:?}", provider, client, found);
                let found: Vec<u64> = found.into_iter().filter_map(|it| it.1).collect();
                prop_assert_eq!(&found, &expected, "{} to {}", provider, client);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pictures_reach_clients_of_another_format(pieces in vec(piece(), 1..5)) {
        check(&pieces)?;
    }
}
