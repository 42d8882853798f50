use std::convert::Infallible;

use futures_util::{FutureExt, StreamExt, stream};
use proptest::prelude::*;

use super::*;

/// Events as (type, data), as a client sees them; what is unended at the end is dropped.
fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut reader = SseReader::new();
    for piece in pieces {
        reader.push(piece, |it| {
            if let SseItem::Event(event) = it
                && let Some(data) = event.data()
            {
                let name = event.name().unwrap_or(b"message");
                let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
                found.push((text(name), text(&data)));
            }
        });
    }
    found
}

fn check(stream: &str, expected: &[(&str, &str)]) {
    let owned: Vec<(String, String)> =
        expected.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
    assert_eq!(events(&[stream.as_bytes()]), owned, "{stream:?}");
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        assert_eq!(events(&[left, right]), owned, "{stream:?} cut at {cut}");
    }
}

/// The cases of the web platform tests (`eventsource/format-*`), save those about ids and retries.
#[test]
fn reads_what_the_web_platform_tests_ask() {
    check("data: a\n\n", &[("message", "a")]);
    check("data:a\n\n", &[("message", "a")]);
    check("data:  a\n\n", &[("message", " a")]);
    check("\u{feff}data:1\n\n\u{feff}data:2\n\ndata:3\n\n", &[("message", "1"), ("message", "3")]);
    check("\u{feff}\u{feff}data:1\n\ndata:2\n\n", &[("message", "2")]);
    check(
        "data:1\r\rdata:2\n\ndata:3\r\n\r\n",
        &[("message", "1"), ("message", "2"), ("message", "3")],
    );
    check("data:1\r:\r\ndata:2\n\n", &[("message", "1\n2")]);
    check(
        "data\n\ndata\ndata\n\ndata:test\n\n",
        &[("message", ""), ("message", "\n"), ("message", "test")],
    );
    check(
        "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\n\n",
        &[("message", "test\n")],
    );
    check(": comment\n\n:\n\nevent:x\n\n", &[]);
    check("event:test\ndata:x\n\ndata:y\n\n", &[("test", "x"), ("message", "y")]);
    check("event:a\nevent:b\ndata:x\n\n", &[("b", "x")]);
    check("data:x\nDATA:y\nData:z\n\n", &[("message", "x")]);
    check("data:test\n\n\n\n\ndata:x", &[("message", "test")]);
    check("data:ok…\u{1F44B}\ndata:\u{0}\n\n", &[("message", "ok…\u{1F44B}\n\u{0}")]);
}

#[test]
fn an_event_is_given_with_its_last_byte() {
    let mut count = 0;
    let mut reader = SseReader::new();
    for (piece, expected) in
        [("data: a\r", 0), ("\r", 1), ("\ndata: b\n", 1), ("\n", 2), ("data: c", 2)]
    {
        reader.push(piece.as_bytes(), |_| count += 1);
        assert_eq!(count, expected, "after {piece:?}");
    }
    assert!(reader.inside_event());
    reader.finish(|_| count += 1);
    assert_eq!(count, 3);
}

#[test]
fn the_lf_of_a_crlf_that_ended_an_event_begins_no_other() {
    let mut reader = SseReader::new();
    reader.push(b"data: a\r\n\r", |_| {});
    assert!(!reader.inside_event());
    reader.push(b"\n", |_| panic!("no event"));
    assert!(!reader.inside_event());
    reader.finish(|_| panic!("no event"));
}

#[test]
fn an_event_over_the_limit_is_let_go_and_counted() {
    let long = vec![b'x'; EVENT_BYTES_MAX];
    let check = |pieces: &[&[u8]]| {
        let (mut lengths, mut read) = (Vec::new(), 0);
        let mut reader = SseReader::new();
        for piece in pieces {
            reader.push(piece, |it| match it {
                SseItem::TooLong { bytes } => lengths.push(bytes),
                SseItem::Event(_) => read += 1,
            });
        }
        assert_eq!((lengths, read), (vec![EVENT_BYTES_MAX + 2], 1));
    };
    check(&[&long, b"\n\ndata: x\n\n"]);
    check(&[b"xx", &long[2..], b"\n", b"\ndata: x\n\n"]);
    check(&[&[&long, b"\n\ndata: x\n\n".as_slice()].concat()]);
}

/// Streams of all sorts of lines and line ends.
fn any_stream() -> impl Strategy<Value = String> {
    let words = vec![
        "data: a",
        "data:b",
        "data:",
        "data",
        "event: e",
        "event:",
        ": c",
        ":",
        "id: 1",
        "x",
        "é",
        "\n",
        "\n",
        "\r",
        "\r\n",
        "\r\n",
        "\n\n",
        "\r\n\r\n",
        "{\"a\":1}",
        " ",
    ];
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|it| it.concat())
}

/// What `sseer` reads from the same pieces. It waits for the byte after a CR, so it is given one.
fn by_sseer(pieces: &[&[u8]]) -> Vec<(String, String)> {
    let chunks = pieces.iter().copied().chain([b":".as_slice()]);
    let chunks: Vec<Result<Vec<u8>, Infallible>> = chunks.map(|it| Ok(it.to_vec())).collect();
    let stream = sseer::EventStream::new(stream::iter(chunks));
    let events = stream.collect::<Vec<_>>().now_or_never().unwrap().into_iter().map(Result::unwrap);
    events.map(|it| (it.event.to_string(), it.data.to_string())).collect()
}

proptest! {
    #[test]
    fn agrees_with_sseer_however_it_is_cut(text in any_stream(), size in 1_usize..9) {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let found = events(&pieces);
        prop_assert_eq!(&found, &events(&[text.as_bytes()]));
        // `event:` without a value is the type `message` by the standard.
        let named = |(name, data): (String, String)| {
            (if name.is_empty() { "message".to_owned() } else { name }, data)
        };
        let found: Vec<_> = found.into_iter().map(named).collect();
        let theirs: Vec<_> = by_sseer(&pieces).into_iter().map(named).collect();
        prop_assert_eq!(found, theirs);
    }

    #[test]
    fn the_events_bytes_are_the_stream(
        bytes in prop::collection::vec(prop::sample::select(b"d:\r\n a\xC3".to_vec()), 0..80),
        size in 1_usize..9,
    ) {
        let mut joined = Vec::new();
        let mut reader = SseReader::new();
        for piece in bytes.chunks(size) {
            reader.push(piece, |it| if let SseItem::Event(it) = it { joined.extend_from_slice(it.raw()) });
        }
        let ended = joined.len();
        reader.finish(|it| if let SseItem::Event(it) = it { joined.extend_from_slice(it.raw()) });
        // An LF after the last event's CR is no event of its own.
        let rest = &bytes[joined.len()..];
        prop_assert!(rest.is_empty() || (rest == b"\n" && joined[..ended].ends_with(b"\r")));
        prop_assert!(bytes.starts_with(&joined));
    }
}
