mod mistakes;

use std::io::Write;

use proptest::prelude::*;
use tollgate_core::{Format, Operation, ServiceTier, Usage};

use super::*;
use crate::{fixture, fixture::Fixture, sse::EVENT_BYTES_MAX};

fn whole(fixture: &Fixture) -> Report {
    fixture.report([fixture.body.as_slice()])
}

#[test]
fn reads_every_fixture() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/tap");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        for fixture in fixture::all() {
            insta::assert_debug_snapshot!(fixture.name.replace('/', "__"), whole(&fixture));
        }
    });
}

#[test]
fn the_report_does_not_depend_on_where_the_pieces_are_cut() {
    for fixture in fixture::all() {
        let expected = whole(&fixture);
        for cut in 0..=fixture.body.len() {
            let (left, right) = fixture.body.split_at(cut);
            assert_eq!(fixture.report([left, right]), expected, "{} cut at {cut}", fixture.name);
        }
        for size in [1, 2, 3, 7, 64] {
            let report = fixture.report(fixture.body.chunks(size));
            assert_eq!(report, expected, "{} in pieces of {size}", fixture.name);
        }
    }
}

#[test]
fn passing_events_over_reads_the_same_as_parsing_each() {
    for fixture in fixture::all() {
        let mut tap = Tap::new(fixture.config());
        tap.pipe.body_mut().parse_every_event();
        tap.push(&fixture.body);
        assert_eq!(tap.finish(fixture.end()), whole(&fixture), "{}", fixture.name);
    }
}

fn check_usage(name: &str, expected: Usage) {
    assert_eq!(whole(&fixture::named(name)).usage, expected, "{name}");
}

#[test]
fn a_model_named_after_the_first_token_is_read() {
    let token = |model: &str| {
        format!(
            "data: {{{model}\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"a\"}}}}]}}\n\n"
        )
    };
    let body = [token(""), token("\"model\":\"\","), token("\"model\":\"m-1\",")].concat();
    let report = fixture::named("openai-chat/stream.sse").report([body.as_bytes()]);
    assert_eq!(report.model_served.as_deref(), Some("m-1"));
}

#[test]
fn openai_counts_cached_tokens_inside_the_prompt() {
    check_usage(
        "openai-chat/cached-reasoning.json",
        Usage {
            input: Some(86),
            cache_read: Some(1920),
            output: Some(300),
            reasoning: Some(256),
            input_audio: Some(0),
            output_audio: Some(0),
            ..Usage::default()
        },
    );
    check_usage(
        "openai-chat/stream-deepseek.sse",
        Usage {
            input: Some(16),
            cache_read: Some(1024),
            output: Some(25),
            reasoning: Some(20),
            ..Usage::default()
        },
    );
    check_usage(
        "openai-chat/stream-xai.sse",
        Usage {
            input: Some(26),
            cache_read: Some(6),
            output: Some(203),
            reasoning: Some(194),
            input_audio: Some(0),
            output_audio: Some(0),
            input_image: Some(0),
            ..Usage::default()
        },
    );
    check_usage(
        "openai-responses/search.json",
        Usage {
            input: Some(424),
            cache_read: Some(8064),
            cache_write_5m: Some(512),
            output: Some(120),
            reasoning: Some(0),
            web_searches: Some(2),
            ..Usage::default()
        },
    );
}

#[test]
fn anthropic_counts_are_last_totals_and_never_sums() {
    check_usage(
        "anthropic-messages/stream-cached.sse",
        Usage {
            input: Some(4),
            cache_read: Some(31_000),
            cache_write_5m: Some(500),
            cache_write_1h: Some(1000),
            output: Some(120),
            ..Usage::default()
        },
    );
    // The first breakdown says 31,490; the server tools wrote the rest later.
    check_usage(
        "anthropic-messages/stream-server-tools.sse",
        Usage {
            input: Some(40),
            cache_read: Some(95_000),
            cache_write_5m: Some(184_457),
            cache_write_1h: Some(0),
            output: Some(980),
            web_searches: Some(3),
            ..Usage::default()
        },
    );
    check_usage(
        "anthropic-messages/stream-late-prompt.sse",
        Usage { input: Some(70), cache_read: Some(930), output: Some(15), ..Usage::default() },
    );
    check_usage(
        "anthropic-messages/stream-zero-delta.sse",
        Usage { input: Some(1000), output: Some(15), ..Usage::default() },
    );
}

#[test]
fn the_output_of_a_broken_anthropic_stream_is_unknown() {
    check_usage(
        "anthropic-messages/stream-broken.sse",
        Usage {
            input: Some(25),
            cache_read: Some(10),
            cache_write_5m: Some(0),
            ..Usage::default()
        },
    );
}

#[test]
fn gemini_thoughts_are_output_and_tool_prompts_are_input() {
    check_usage(
        "gemini/thoughts-cached.json",
        Usage {
            input: Some(525),
            cache_read: Some(3500),
            output: Some(80),
            reasoning: Some(70),
            ..Usage::default()
        },
    );
    check_usage(
        "gemini/stream-thoughts.sse",
        Usage {
            input: Some(533),
            cache_read: Some(1500),
            output: Some(73),
            reasoning: Some(61),
            ..Usage::default()
        },
    );
    check_usage(
        "gemini/audio.json",
        Usage {
            input: Some(60),
            cache_read: Some(40),
            output: Some(50),
            input_audio: Some(40),
            output_audio: Some(50),
            output_image: Some(0),
            ..Usage::default()
        },
    );
}

/// Flex is half the price, priority up to twice: a call billed without its tier is billed wrong.
#[test]
fn the_tier_that_a_call_was_served_at_is_read() {
    let check = |name: &str, expected: Option<ServiceTier>| {
        assert_eq!(whole(&fixture::named(name)).service_tier, expected, "{name}");
    };
    check("openai-chat/plain.json", Some(ServiceTier::Standard));
    check("openai-chat/stream.sse", Some(ServiceTier::Standard));
    check("openai-responses/plain.json", None);
    check("openai-responses/tools-with-fees.json", Some(ServiceTier::Priority));
    check("anthropic-messages/plain.json", Some(ServiceTier::Standard));
    check("anthropic-messages/fast.json", Some(ServiceTier::Other));
    check("gemini/plain.json", None);
    check("gemini/grounded.json", Some(ServiceTier::Flex));
    check("gemini/stream-grounded.sse", Some(ServiceTier::Priority));
    let named = |format: &str, from: &str, to: &str| {
        let fixture = fixture::named(format);
        let body = String::from_utf8(fixture.body.clone()).unwrap();
        assert!(body.contains(from), "{format}");
        fixture.report([body.replace(from, to).as_bytes()]).service_tier
    };
    let chat = |word: &str| named("openai-chat/stream.sse", r#"tier":"default""#, word);
    assert_eq!(chat(r#"tier":"flex""#), Some(ServiceTier::Flex));
    assert_eq!(chat(r#"tier":"scale""#), Some(ServiceTier::Other));
    assert_eq!(chat(r#"tier":"auto""#), None);
    assert_eq!(chat(r#"tier":null"#), None);
    let claude = |word: &str| named("anthropic-messages/plain.json", r#""standard""#, word);
    assert_eq!(claude(r#""batch""#), Some(ServiceTier::Batch));
    assert_eq!(claude(r#""standard","inference_geo":"us""#), Some(ServiceTier::Other));
    assert_eq!(
        claude(r#""standard","inference_geo":"not_available""#),
        Some(ServiceTier::Standard)
    );
}

#[test]
fn searches_are_counted_as_they_are_billed_and_other_pieces_are_told() {
    let check = |name: &str, searches: Option<u64>, other_fees: bool| {
        let report = whole(&fixture::named(name));
        assert_eq!(
            (report.usage.web_searches, report.other_fees),
            (searches, other_fees),
            "{name}"
        );
    };
    // Two queries, one grounded prompt.
    check("gemini/grounded.json", Some(1), false);
    check("gemini/stream-grounded.sse", Some(2), false);
    check("gemini/plain.json", None, false);
    check("openai-responses/search.json", Some(2), false);
    check("openai-responses/tools-with-fees.json", None, true);
    let searched = whole(&fixture::named("openai-responses/tools-with-fees.json"));
    assert_eq!(searched.usage.file_searches, Some(1));
    let grounded = |from: &str, to: &str| {
        let fixture = fixture::named("gemini/grounded.json");
        let body = String::from_utf8(fixture.body.clone()).unwrap();
        assert!(body.contains(from));
        let report = fixture.report([body.replace(from, to).as_bytes()]);
        (report.usage.web_searches, report.other_fees)
    };
    assert_eq!(grounded("gemini-2.5-flash", "mystery"), (None, true));
    assert_eq!(grounded(r#""web": {"#, r#""maps": {"#), (Some(1), true));
}

#[test]
fn the_first_token_is_told_once_and_with_its_piece() {
    let check = |name: &str, marker: &str| {
        let fixture = fixture::named(name);
        let text = String::from_utf8(fixture.body.clone()).unwrap();
        let start = text.find(marker).unwrap();
        let mut tap = Tap::new(fixture.config());
        let told: Vec<usize> = (0..text.len())
            .filter(|at| tap.push(&fixture.body[*at..=*at]) == Some(TapEvent::FirstToken))
            .collect();
        let event_ends =
            start + text[start..].find("\n\n").or(text[start..].find("\r\n\r\n")).unwrap();
        assert_eq!(told.len(), 1, "{name}");
        assert!(told[0] > event_ends && told[0] <= event_ends + 3, "{name}: {told:?}");
    };
    check("openai-chat/stream.sse", "Hal");
    check("openai-chat/stream-deepseek.sse", "Let me ");
    check("openai-chat/stream-tools.sse", "call_a");
    check("openai-responses/stream.sse", "reasoning_summary_text.delta");
    check("anthropic-messages/stream.sse", "\"Hal\"");
    check("gemini/stream-thoughts.sse", "Let me ");
}

#[test]
fn compressed_bodies_are_read_from_the_side() {
    let check = |encoding: &str, body: &[u8], fixture: &Fixture| {
        for size in [1, 5, body.len()] {
            let config = TapConfig { content_encoding: Some(encoding), ..fixture.config() };
            let mut tap = Tap::new(config);
            for piece in body.chunks(size) {
                tap.push(piece);
            }
            assert_eq!(tap.finish(End::Complete), whole(fixture), "{encoding} by {size}");
        }
    };
    for name in
        ["openai-chat/stream.sse", "anthropic-messages/cached.json", "openai-chat/error-401.json"]
    {
        let fixture = fixture::named(name);
        let plain = fixture.body.as_slice();
        let level = flate2::Compression::default();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
        gzip.write_all(plain).unwrap();
        check("gzip", &gzip.finish().unwrap(), &fixture);
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
        zlib.write_all(plain).unwrap();
        check("deflate", &zlib.finish().unwrap(), &fixture);
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), level);
        bare.write_all(plain).unwrap();
        check("deflate", &bare.finish().unwrap(), &fixture);
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 5, 22).write_all(plain).unwrap();
        check("br", &brotli, &fixture);
        check("ZSTD", &zstd::encode_all(plain, 3).unwrap(), &fixture);
        check("identity", plain, &fixture);
    }
}

#[test]
fn a_compressed_stream_tells_each_event_as_it_comes() {
    let fixture = fixture::named("openai-chat/stream.sse");
    let text = String::from_utf8(fixture.body.clone()).unwrap();
    let events: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
    let mut tap = Tap::new(TapConfig { content_encoding: Some("zstd"), ..fixture.config() });
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    let mut told = Vec::new();
    for event in &events {
        encoder.write_all(event.as_bytes()).unwrap();
        encoder.flush().unwrap();
        told.push(tap.push(&std::mem::take(encoder.get_mut())).is_some());
    }
    assert_eq!(told.iter().position(|it| *it), Some(1), "the role comes first, then the token");
}

#[test]
fn what_cannot_be_read_is_said_and_the_usage_stays_unknown() {
    let config = fixture::named("openai-chat/plain.json").config();
    let check = |config: TapConfig<'_>, pieces: &[&[u8]], gap: Gap| {
        let mut tap = Tap::new(config);
        for piece in pieces {
            tap.push(piece);
        }
        let report = tap.finish(End::Complete);
        assert_eq!((report.gap, report.usage.is_unknown()), (Some(gap), true));
        assert!(!report.terminal_seen);
    };
    let coded = |coding| TapConfig { content_encoding: Some(coding), ..config };
    check(coded("gzip, br"), &[b"x"], Gap::UnknownEncoding);
    check(coded("compress"), &[b"x"], Gap::UnknownEncoding);
    for coding in ["gzip", "br", "zstd"] {
        check(
            coded(coding),
            &[b"{\"this is not compressed\": 1, \"at all\": [1, 2, 3]}"],
            Gap::BrokenEncoding,
        );
    }
    check(coded("deflate"), &[b"\x78not zlib at all"], Gap::BrokenEncoding);
    check(coded("deflate"), &[b"\x78"], Gap::BrokenEncoding);
    check(config, &[b"{\"usage\":"], Gap::NotJson);
    check(config, &[b"<html>"], Gap::NotJson);
    let long = vec![b' '; TAP_BODY_BYTES_MAX];
    check(config, &[b"{", &long], Gap::BodyTooLong);
    let list = TapConfig { format: Format::Gemini, ..config };
    let long = vec![b' '; EVENT_BYTES_MAX];
    check(list, &[b"[{", &long], Gap::EventTooLong);
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb =
        zstd::encode_all(std::io::repeat(b' ').take_bytes(INFLATED_BYTES_MAX + 1), 1).unwrap();
    let config = fixture::named("openai-chat/stream.sse").config();
    let mut tap = Tap::new(TapConfig { content_encoding: Some("zstd"), ..config });
    tap.push(&bomb);
    assert_eq!(tap.finish(End::Complete).gap, Some(Gap::InflatedTooLong));
}

/// `Read::take` with a `usize`.
trait TakeBytes: std::io::Read + Sized {
    fn take_bytes(self, count: usize) -> std::io::Take<Self> {
        self.take(u64::try_from(count).unwrap())
    }
}

impl<R: std::io::Read> TakeBytes for R {}

#[test]
fn an_event_over_the_limit_is_passed_over_and_the_next_is_read() {
    let fixture = fixture::named("openai-chat/stream.sse");
    let long = vec![b'x'; EVENT_BYTES_MAX];
    let report = fixture.report([b"data: ".as_slice(), &long, b"\n\n", &fixture.body]);
    assert_eq!(report.gap, Some(Gap::EventTooLong));
    assert_eq!(report.usage, whole(&fixture).usage);
}

#[test]
fn what_makes_nothing_is_not_read() {
    let fixture = fixture::named("openai-chat/plain.json");
    let (chat, others) = (Format::OpenaiChat, Format::OpenaiEmbeddings);
    let read = |format, operation, posted, content_type| {
        let content_type = Some(content_type);
        let config = TapConfig { format, operation, posted, content_type, ..fixture.config() };
        let mut tap = Tap::new(config);
        tap.push(&fixture.body);
        tap.finish(End::Complete)
    };
    let json = "application/json";
    for report in [
        read(chat, Operation::ListModels, true, json),
        read(chat, Operation::CountTokens, true, json),
        read(others, Operation::Other, true, "audio/mpeg"),
        // A stored completion, an answer or a batch shown again.
        read(chat, Operation::Other, true, json),
        read(others, Operation::Other, false, json),
    ] {
        assert_eq!(report, Report { terminal_seen: true, ended: true, ..Report::default() });
    }
    let input = |content_type| read(others, Operation::Other, true, content_type).usage.input;
    assert_eq!(input(json), Some(19));
    assert_eq!(input("application/vnd.api+json"), Some(19));
}

#[test]
fn json_under_an_event_streams_type_is_read_as_json() {
    let fixture = fixture::named("openai-chat/plain.json");
    let content_type = Some("text/event-stream");
    let mut tap = Tap::new(TapConfig { content_type, ..fixture.config() });
    tap.push(b"\xEF\xBB\xBF \n");
    tap.push(&fixture.body);
    assert_eq!(tap.finish(End::Complete), whole(&fixture));
}

#[test]
fn an_unended_last_event_counts_when_the_body_is_complete() {
    let body = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]";
    let config = fixture::named("openai-chat/stream.sse").config();
    let read = |end| {
        let mut tap = Tap::new(config);
        tap.push(body);
        let report = tap.finish(end);
        (report.terminal_seen, report.inside_event)
    };
    assert_eq!(read(End::Complete), (true, true));
    assert_eq!(read(End::Broken), (false, true));
}

#[test]
fn a_stream_is_at_its_end_only_when_nothing_can_be_missing() {
    let check = |name: &str, events: &[&str], terminal: bool, ended: bool| {
        let mut tap = Tap::new(fixture::named(name).config());
        for event in events {
            tap.push(format!("data: {event}\n\n").as_bytes());
        }
        let report = tap.finish(End::Broken);
        assert_eq!((report.terminal_seen, report.ended), (terminal, ended), "{events:?}");
    };
    let chat = |events: &[&str], terminal, ended| {
        check("openai-chat/stream.sse", events, terminal, ended);
    };
    let stop =
        r#"{"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    let other =
        r#"{"model":"m","choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}"#;
    let other_stop = r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#;
    chat(&[stop], true, false);
    chat(&[stop, other], false, false);
    chat(&[other, stop], false, false);
    chat(&[other, other_stop], false, false);
    chat(&[other, stop, other_stop], true, false);
    chat(&[other, stop, r#"{"error":{"message":"m"}}"#], true, true);
    chat(&[stop, "[DONE]"], true, true);
    let gemini = |events: &[&str], terminal, ended| {
        check("gemini/stream.sse", events, terminal, ended);
    };
    let text = |index, finish| {
        let finish = if finish { r#","finishReason":"STOP""# } else { "" };
        format!(
            r#"{{"modelVersion":"m","candidates":[{{"content":{{"parts":[{{"text":"a"}}]}},"index": {index}{finish}}}]}}"#
        )
    };
    let [first, first_end] = [false, true].map(|it| text(0, it));
    let [second, second_end] = [false, true].map(|it| text(1, it));
    gemini(&[&first, &first], false, false);
    gemini(&[&first, &first_end], true, true);
    gemini(&[&first, &second, &first_end], false, false);
    gemini(&[&first, &first_end, &second], false, false);
    gemini(&[&second, &second_end, &first], false, false);
    gemini(&[&first, &second, &second_end, &first_end], true, true);
    gemini(&[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#], true, true);
    gemini(&[&first, r#"{"error":{"message":"m"}}"#], true, true);
}

fn any_config() -> impl Strategy<Value = (Format, Operation, u16, &'static str, &'static str)> {
    (
        prop::sample::select(Format::ALL.to_vec()),
        prop::sample::select(Operation::ALL.to_vec()),
        prop::sample::select(vec![200_u16, 401, 503]),
        prop::sample::select(vec!["", "application/json", "text/event-stream"]),
        prop::sample::select(vec!["", "gzip", "deflate", "br", "zstd", "x"]),
    )
}

/// Text made of the pieces that steer the readers.
fn steering() -> impl Strategy<Value = String> {
    let words = vec![
        "data: ",
        "event: error\n",
        "\n",
        "\r\n",
        "\r",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "\"usage\":",
        "\"error\":",
        "\"finish_reason\":",
        "[DONE]",
        "\"choices\":[",
        "7",
        "-1",
        "1e400",
        "\"prompt_tokens\":",
        "\"usageMetadata\":",
        "\"type\":\"message_stop\"",
        "\"response\":",
        "é",
        " ",
    ];
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|it| it.concat())
}

fn read_all(config: TapConfig<'_>, pieces: &[Vec<u8>]) -> Report {
    let mut tap = Tap::new(config);
    for piece in pieces {
        tap.push(piece);
    }
    tap.finish(End::Complete)
}

proptest! {
    #[test]
    fn never_panics(
        (format, operation, status, content_type, coding) in any_config(),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
        text in steering(),
    ) {
        let config = TapConfig {
            format,
            operation,
            posted: true,
            status,
            content_type: Some(content_type),
            content_encoding: Some(coding),
        };
        read_all(config, &pieces);
        read_all(config, &[text.into_bytes()]);
    }

    #[test]
    fn steering_text_reads_the_same_however_it_is_cut(
        (format, operation, status, content_type, _) in any_config(),
        text in steering(),
        size in 1_usize..9,
    ) {
        let content_type = Some(content_type);
        let config = TapConfig {
            format,
            operation,
            posted: true,
            status,
            content_type,
            content_encoding: None,
        };
        let cut: Vec<Vec<u8>> = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(read_all(config, &cut), read_all(config, &[text.into_bytes()]));
    }

    /// Streams of well-formed chunks whose texts and members try to look like what matters.
    #[test]
    fn passing_events_over_reads_the_same_on_any_chat(
        events in prop::collection::vec(chat_chunk(), 1..12),
    ) {
        let body: String = events.iter().map(|it| format!("data: {it}\n\n")).collect();
        let (skipping, parsing) = read_both_ways("openai-chat/stream.sse", &body);
        prop_assert_eq!(skipping, parsing);
    }

    /// Recorded streams with their texts replaced by such, and with events lost, doubled and mixed.
    #[test]
    fn passing_events_over_reads_the_same_on_any_order_of_events(
        name in prop::sample::select(vec![
            "openai-responses/stream.sse",
            "openai-responses/stream-failed.sse",
            "anthropic-messages/stream-server-tools.sse",
            "anthropic-messages/stream.sse",
            "anthropic-messages/stream-error.sse",
            "gemini/stream-thoughts.sse",
            "gemini/stream-error.sse",
            "gemini/stream-grounded.sse",
            "openai-chat/stream-tools.sse",
        ]),
        picks in prop::collection::vec((any::<prop::sample::Index>(), tricky_text()), 1..30),
    ) {
        let recorded = String::from_utf8(fixture::named(name).body).unwrap().replace("\r\n", "\n");
        let events: Vec<&str> = recorded.split_inclusive("\n\n").collect();
        let body: String = picks
            .iter()
            .map(|(pick, text)| {
                let text = serde_json::to_string(text).unwrap();
                pick.get(&events).replace("\"Hal\"", &text).replace("\"see.\"", &text)
            })
            .collect();
        let (skipping, parsing) = read_both_ways(name, &body);
        prop_assert_eq!(skipping, parsing);
    }
}

/// The body's report as it is read, and with every event parsed.
fn read_both_ways(name: &str, body: &str) -> (Report, Report) {
    let config = fixture::named(name).config();
    let mut every = Tap::new(config);
    every.pipe.body_mut().parse_every_event();
    every.push(body.as_bytes());
    (read_all(config, &[body.as_bytes().to_vec()]), every.finish(End::Complete))
}

/// Texts that look like what matters.
fn tricky_text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "hello",
        "",
        "\"usage\":{\"prompt_tokens\":7}",
        "\\\"usage\\\"",
        "[DONE]",
        "\"error\":1",
        "x\"",
        "\\",
        "message_stop",
        "response.completed",
        "\"usageMetadata\": {\"promptTokenCount\": 9}",
        "\"finishReason\":\"STOP\"",
    ])
}

fn chat_chunk() -> impl Strategy<Value = String> {
    let text = tricky_text();
    let usage = prop::sample::select(vec![
        "",
        ",\"usage\":null",
        ", \"usage\" : null",
        ",\"usage\" : {\"prompt_tokens\":9,\"completion_tokens\":1}",
        ",\"usage\":{}",
        ",\"x_groq\":{\"usage\":{\"prompt_tokens\":4}}",
        ",\"error\":null",
        ",\"error\":{\"message\":\"m\"}",
        ",\"error\":\"t\"",
    ]);
    let finish = prop::sample::select(vec!["null", "\"stop\"", "\"\"", " null", "7"]);
    (text, usage, finish).prop_map(|(text, usage, finish)| {
        let text = serde_json::to_string(text).unwrap();
        format!(
            "{{\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}},\
             \"finish_reason\":{finish}}}]{usage}}}"
        )
    })
}
