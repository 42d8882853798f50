use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use proptest::prelude::*;

use super::*;

/// What is found, as text that can be compared.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, bool) {
    let mut reader = FrameReader::default();
    let mut found = Vec::new();
    for piece in pieces {
        reader.push(piece, |item| found.push(format!("{item:?}")));
    }
    (found, reader.inside_frame())
}

/// A message as the second opinion writes it.
fn theirs(headers: &[(&str, HeaderValue)], payload: &[u8]) -> Vec<u8> {
    let mut message = Message::new(payload.to_vec());
    for (name, value) in headers {
        message = message.add_header(Header::new((*name).to_owned(), value.clone()));
    }
    let mut out = Vec::new();
    write_message_to(&message, &mut out).unwrap();
    out
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::String(value.to_owned().into())
}

#[test]
fn reads_what_amazons_own_library_writes() {
    let every_kind = theirs(
        &[
            ("yes", HeaderValue::Bool(true)),
            ("no", HeaderValue::Bool(false)),
            ("byte", HeaderValue::Byte(-1)),
            ("short", HeaderValue::Int16(7)),
            ("int", HeaderValue::Int32(7)),
            ("long", HeaderValue::Int64(7)),
            ("bytes", HeaderValue::ByteArray(vec![0, 255].into())),
            ("uuid", HeaderValue::Uuid(7)),
            (":message-type", text("event")),
            (":event-type", text("metadata")),
        ],
        b"{}",
    );
    let mut found = Vec::new();
    FrameReader::default().push(&every_kind, |item| {
        let FrameItem::Frame(frame) = item else { panic!("{item:?}") };
        found.push((frame.kind, frame.name.to_owned(), frame.payload.to_vec()));
    });
    assert_eq!(found, [(FrameKind::Event, "metadata".to_owned(), b"{}".to_vec())]);
    let check = |headers: &[(&str, HeaderValue)], expected: Frame<'_>| {
        let frame = FrameItem::Frame(expected);
        assert_eq!(read([theirs(headers, b"p").as_slice()]), (vec![format!("{frame:?}")], false));
    };
    let plain = Frame { kind: FrameKind::Event, name: "", message: "", payload: b"p" };
    check(&[], plain);
    check(
        &[(":message-type", text("exception")), (":exception-type", text("throttlingException"))],
        Frame { kind: FrameKind::Exception, name: "throttlingException", ..plain },
    );
    check(
        &[
            (":message-type", text("error")),
            (":error-code", text("InternalFailure")),
            (":error-message", text("ä")),
        ],
        Frame { kind: FrameKind::Error, name: "InternalFailure", message: "ä", ..plain },
    );
}

#[test]
fn amazons_own_library_reads_what_is_written() {
    let headers = [(":message-type", "exception"), (":exception-type", "x")];
    let ours = frame(&headers, b"{\"message\":\"\xc3\xbc\"}").unwrap();
    let mut bytes = bytes::Bytes::from(ours.clone());
    let decoded = MessageFrameDecoder::new().decode_frame(&mut bytes).unwrap();
    let DecodedFrame::Complete(message) = decoded else { panic!("incomplete") };
    assert_eq!(message.payload().as_ref(), b"{\"message\":\"\xc3\xbc\"}");
    let told: Vec<_> = message.headers().iter().map(|it| it.name().as_str()).collect();
    assert_eq!(told, [":message-type", ":exception-type"]);
    assert_eq!(
        ours,
        theirs(&headers.map(|(name, it)| (name, text(it))), b"{\"message\":\"\xc3\xbc\"}")
    );
}

#[test]
fn a_wrong_byte_is_noticed_and_nothing_is_read_behind_it() {
    let good = frame(&[(":event-type", "messageStop")], b"{\"a\":1}").unwrap();
    let stream = [good.as_slice(), good.as_slice(), good.as_slice()].concat();
    for at in good.len()..2 * good.len() {
        let mut spoilt = stream.clone();
        spoilt[at] ^= 0x10;
        let (found, inside) = read([spoilt.as_slice()]);
        assert!(inside, "{at}");
        assert_eq!(found.len(), 2, "{at}: {found:?}");
        assert_eq!(found[1], format!("{:?}", FrameItem::Broken), "{at}");
        assert_eq!(read(spoilt.chunks(1)).0, found, "{at}");
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_is_held() {
    let total = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
    let mut prelude = [total.to_be_bytes(), [0; 4]].concat();
    prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
    assert_eq!(read([prelude.as_slice()]).0, [format!("{:?}", FrameItem::TooLong)]);
    // Headers longer than their frame, and a frame shorter than its own prelude.
    for (total, headers) in [(20_u32, 5_u32), (8, 0), (0, 0), (16, u32::MAX)] {
        let mut prelude = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
        let broken = [format!("{:?}", FrameItem::Broken)];
        assert_eq!(read([prelude.as_slice()]).0, broken, "{total} {headers}");
    }
}

#[test]
fn headers_that_are_none_are_noticed() {
    for headers in
        [&b"\x05ab"[..], b"\x01a", b"\x01a\x0a", b"\x01a\x07\x00\x05b", b"\x01a\x07\x00\x01\xff"]
    {
        let total = u32::try_from(headers.len() + 16).unwrap();
        let count = u32::try_from(headers.len()).unwrap();
        let mut bytes = [total.to_be_bytes(), count.to_be_bytes()].concat();
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend_from_slice(headers);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        assert_eq!(read([bytes.as_slice()]).0, [format!("{:?}", FrameItem::Broken)], "{headers:?}");
    }
}

proptest! {
    #[test]
    fn frames_cut_anywhere_are_the_same_frames(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..6),
        cuts in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let stream: Vec<u8> = payloads
            .iter()
            .flat_map(|it| frame(&[(":event-type", "e"), (":message-type", "event")], it).unwrap())
            .collect();
        let whole = read([stream.as_slice()]);
        prop_assert_eq!(whole.0.len(), payloads.len());
        let mut rest = stream.as_slice();
        let mut pieces = Vec::new();
        for size in cuts.iter().cycle() {
            let (piece, after) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read(pieces), whole);
    }

    #[test]
    fn any_bytes_are_read_the_same_however_they_are_cut(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        prop_assert_eq!(read(bytes.chunks(1)), read([bytes.as_slice()]));
    }
}
