use proptest::prelude::*;
use tollgate_core::Format;

use super::*;
use crate::fixture;

fn filtered<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut filter = HideUsage::new();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&filter.push(&Bytes::copy_from_slice(piece)));
    }
    out.extend_from_slice(&filter.finish());
    out
}

fn check(stream: &str, expected: &str) {
    assert_eq!(String::from_utf8_lossy(&filtered([stream.as_bytes()])), expected, "{stream:?}");
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        let out = filtered([left, right]);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{stream:?} cut at {cut}");
    }
}

#[test]
fn cuts_the_null_and_drops_the_usage_chunk() {
    check(
        "data: {\"id\":1,\"choices\":[{}],\"usage\":null}\n\n\
         data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n\
         data: [DONE]\n\n",
        "data: {\"id\":1,\"choices\":[{}]}\n\ndata: [DONE]\n\n",
    );
    check("data:{ \"usage\" : null , \"id\":1}\n\n", "data:{ \"id\":1}\n\n");
    check("data: {\"id\":1 , \"usage\" : null, \"x\":2 }\n\n", "data: {\"id\":1, \"x\":2 }\n\n");
    check("data: {\"usage\":null}\n\n", "data: {}\n\n");
    check(
        "\u{feff}data: {\"a\":1,\"us\\u0061ge\":2,\"usage\":null}\n\n",
        "\u{feff}data: {\"a\":1,\"us\\u0061ge\":2}\n\n",
    );
}

#[test]
fn ordinary_chunks_are_told_apart_as_by_the_parser() {
    let range = |verdict: Verdict| match verdict {
        Verdict::Cut(range) => Some(range),
        Verdict::Keep | Verdict::Drop => None,
    };
    let check = |raw: &str, is_plain: bool| {
        let raw = raw.as_bytes();
        let parsed = range(HideUsage::new().parsed_verdict(raw));
        assert_eq!(range(HideUsage::new().verdict(raw)), parsed, "{raw:?}");
        let name = raw.windows(7).position(|it| it == br#""usage""#).unwrap();
        assert_eq!(plain_null(raw, name).is_some(), is_plain, "{raw:?}");
    };
    check(
        "data: {\"choices\":[{\"delta\":{\"content\":\"a \\\" } ]\"}}],\"usage\":null}\n\n",
        true,
    );
    check("data:{\"choices\":[],\"usage\":null,\"obfuscation\":\"x\"}\r\n\r\n", true);
    check("data: {\"a\":\"\\\\\",\"usage\":null}\n\n", true);
    check("data: {\"choices\":[{\"a\":1,\"usage\":null}]}\n\n", false);
    check("data: {\"a\":1,\"usage\":null,\"b\":{\"usage\":1}}\n\n", true);
    check("data: {\"a\":1,\"usage\":nullx}\n\n", false);
    check("data: {\"a\":1,\"usage\": null}\n\n", false);
    check("data: {\"a\":1,\"usage\":null\n\n", false);
    check("data: {\"a\":1\ndata: ,\"usage\":null}\n\n", false);
    check("event: x\ndata: {\"a\":1,\"usage\":null}\n\n", false);
    check(": {\"a\":1,\"usage\":null}\n\n", false);
}

#[test]
fn leaves_everything_else_alone() {
    for same in [
        ": ping\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}\n\n",
        "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"choices\":[{\"usage\":null}]}\n\n",
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
        "data: {\"usage\":null\n\n",
        "data: \"usage\"\n\n",
        "data: {\"choices\":[],\"usage\":{}}",
        "event: x\r\n\r\ndata\r\rrest",
        "{\"usage\":null}",
    ] {
        check(same, same);
    }
}

#[test]
fn a_dropped_event_takes_its_line_ends_along() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = format!(
            "data: a{end}{end}data: {{\"choices\":[],\"usage\":{{}}}}{end}{end}data: [DONE]{end}{end}"
        );
        check(&stream, &format!("data: a{end}{end}data: [DONE]{end}{end}"));
        let stream = format!("data: a{end}{end}data: {{\"choices\":[],\"usage\":{{}}}}{end}{end}");
        check(&stream, &format!("data: a{end}{end}"));
    }
}

/// With usage asked for and hidden, the client gets the stream that it would have got.
#[test]
fn a_hidden_stream_is_the_one_without_usage() {
    let hidden = filtered([fixture::named("openai-chat/stream.sse").body.as_slice()]);
    let plain = fixture::named("openai-chat/stream-no-usage.sse").body;
    let tail = |it: &[u8]| String::from_utf8(it.to_vec()).unwrap().replace(",\"refusal\":null", "");
    assert_eq!(tail(&hidden), tail(&plain));
}

#[test]
fn every_chat_fixture_comes_out_the_same_however_it_is_cut() {
    for fixture in fixture::all().into_iter().filter(|it| it.format == Format::OpenaiChat) {
        let body = fixture.body.as_slice();
        let expected = filtered([body]);
        for cut in 0..=body.len() {
            let (left, right) = body.split_at(cut);
            assert_eq!(filtered([left, right]), expected, "{} cut at {cut}", fixture.name);
        }
    }
}

#[test]
fn holds_back_no_more_than_the_event_at_hand_and_copies_nothing_untouched() {
    let mut filter = HideUsage::new();
    let whole = Bytes::from_static(b"data: {\"a\":1}\n\ndata: {\"b\":2}\n\n");
    let out = filter.push(&whole);
    assert_eq!(out.as_ptr(), whole.as_ptr(), "a slice of the chunk");
    assert_eq!(out, whole);
    let out = filter.push(&Bytes::from_static(b"data: {\"c\":3}\n\ndata: {"));
    assert_eq!(out.as_ref(), b"data: {\"c\":3}\n\n");
}

#[test]
fn an_event_over_the_limit_passes() {
    let long = "x".repeat(HELD_BYTES_MAX);
    let stream = format!(
        "data: {{\"x\":\"{long}\",\"usage\":null}}\n\ndata: {{\"a\":1,\"usage\":null}}\n\n"
    );
    let expected = format!("data: {{\"x\":\"{long}\",\"usage\":null}}\n\ndata: {{\"a\":1}}\n\n");
    for size in [1000, HELD_BYTES_MAX, stream.len()] {
        assert!(
            filtered(stream.as_bytes().chunks(size)) == expected.as_bytes(),
            "in pieces of {size}"
        );
    }
}

proptest! {
    #[test]
    fn never_panics_and_does_not_depend_on_the_cuts(
        words in prop::collection::vec(prop::sample::select(vec![
            "data: ", "\n", "\r", "\r\n", "\n\n", "{", "}", ",", "\"usage\":null", "\"usage\":{}", "\"choices\":[]",
            "\"a\":1", " ", "é", "\u{feff}", "data: {\"choices\":[],\"usage\":{}}", "\"",
        ]), 0..40),
        size in 1_usize..9,
    ) {
        let stream = words.concat();
        prop_assert_eq!(filtered(stream.as_bytes().chunks(size)), filtered([stream.as_bytes()]));
    }
}
