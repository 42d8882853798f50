//! What hostile bytes are put through: one function for each reader of bytes that strangers choose.
//!
//! Each takes any bytes and panics where something that always holds does not: no reader may panic,
//! and no result may depend on where the bytes are cut. `tests/fuzz/main.rs` runs them on mutated
//! recordings in every test run, `tests/fuzz/fuzz_targets` hands them to libFuzzer.

use std::path::Path;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use tollgate_core::{Format, Operation, SocketCookie, provider::Catalogue};
use tollgate_flows::{
    Config as EngineConfig, Engine, Event, Filter,
    event::{Direction, PacketSeen},
};
use tollgate_helper_protocol::{Call, Message as Told, frame::Frames};
use tollgate_wire::{
    Bodies, End, HideUsage, Inbound, Report, Tap, TapConfig, ask_include_usage, canonical, coding,
    conversation, detect, detect_suffix, read_request,
    tokens::{Counter, counted_request},
    translate::{
        AnswerConfig, AnswerPlan, AnswerTranslator, Capabilities, RequestConfig, continue_response,
        is_translated, translate_request, without_foreign_seals,
    },
};

/// The largest piece that bytes are cut into.
const PIECE_BYTES_MAX: usize = 40;

/// A reader of hostile bytes.
#[derive(Clone, Copy, Debug)]
pub struct Fuzz {
    /// The name of its libFuzzer target.
    pub name: &'static str,
    /// Puts bytes through it.
    pub run: fn(&[u8]),
    /// Where bytes to begin with are: folders below the repository, and how the files' names end.
    pub corpus: &'static [(&'static str, &'static str)],
}

const TRACES: &str = "crates/tollgate-flows/traces";
const FIXTURES: &str = "crates/tollgate-wire/fixtures";

/// All of them.
pub const FUZZES: [Fuzz; 9] = [
    Fuzz { name: "tap", run: tap, corpus: &[(FIXTURES, ".sse"), (FIXTURES, ".json")] },
    Fuzz { name: "requests", run: requests, corpus: &[(FIXTURES, ".request.json")] },
    Fuzz { name: "answers", run: answers, corpus: &[(FIXTURES, ".sse"), (FIXTURES, ".json")] },
    Fuzz { name: "frames", run: frames, corpus: &[(FIXTURES, ".frames")] },
    Fuzz { name: "bodies", run: bodies, corpus: &[(FIXTURES, ".json"), (FIXTURES, ".sse")] },
    Fuzz {
        name: "configuration",
        run: configuration,
        corpus: &[("tests/fuzz/corpus/configuration", ".toml")],
    },
    Fuzz { name: "helper", run: helper, corpus: &[("tests/fuzz/corpus/helper", ".bin")] },
    Fuzz { name: "packets", run: packets, corpus: &[(TRACES, ".pcap")] },
    Fuzz { name: "flows", run: flows, corpus: &[(TRACES, ".pcap")] },
];

/// The formats that clients speak and that are translated.
const CLIENTS: [Format; 4] =
    [Format::OpenaiChat, Format::OpenaiResponses, Format::AnthropicMessages, Format::Gemini];

/// The bytes in pieces whose lengths follow from the bytes themselves, so that a case can be had
/// again.
fn cut(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut state = data.iter().fold(data.len(), |sum, it| sum.wrapping_mul(31) ^ usize::from(*it));
    let mut rest = data;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let length = (state >> 33) % PIECE_BYTES_MAX + 1;
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// An answer read from the side.
pub fn tap(data: &[u8]) {
    for format in Format::ALL {
        for (content_type, status) in
            [(Some("text/event-stream"), 200), (Some("application/json"), 200), (None, 429)]
        {
            check_tap(format, content_type, status, data);
        }
    }
    check_tap(Format::BedrockConverse, Some(EVENT_STREAM), 200, data);
}

fn check_tap(format: Format, content_type: Option<&str>, status: u16, data: &[u8]) {
    for end in [End::Complete, End::Broken] {
        let read = |pieces: &mut dyn Iterator<Item = &[u8]>| -> Report {
            let mut tap = Tap::new(TapConfig {
                format,
                operation: Operation::Generate,
                posted: true,
                status,
                content_type,
                content_encoding: None,
            });
            for piece in pieces {
                tap.push(piece);
            }
            tap.finish(end)
        };
        let whole = read(&mut std::iter::once(data));
        assert_eq!(read(&mut cut(data)), whole, "{format} cut");
    }
}

/// A request translated to every other format, and one that is not.
pub fn requests(data: &[u8]) {
    let facts = read_request(data);
    let body = Bytes::copy_from_slice(data);
    if let Some(asking) = ask_include_usage(&body) {
        let asked = read_request(&asking).unwrap();
        assert_eq!((asked.model, asked.include_usage), (facts.unwrap().model, Some(true)));
    }
    // One form, whatever a body looks like: stable, and of the same members.
    if let Some(form) = canonical(data, &[]) {
        assert_eq!(canonical(&form.bytes, &[]), Some(form.clone()));
        let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
        assert_eq!(value(&form.bytes), value(data));
    }
    let counter = Counter::of_model("gpt-4o").unwrap();
    for from in Format::ALL {
        let _ = without_foreign_seals(from, data);
        let counted = counter.prompt(from, &counted_request(from, data));
        // A byte makes a token at most; a message some more, and of another format twice as many bytes.
        assert!(
            counted.is_ok_and(|it| it.tokens <= 8 * data.len() as u64 + 100) || counted.is_err()
        );
        for to in Format::ALL {
            let config = RequestConfig {
                from,
                to,
                model: "a/model:1",
                query: None,
                streaming_in_path: None,
                provider: Capabilities::default(),
            };
            let Ok(request) = translate_request(&config, data) else { continue };
            let body = serde_json::from_slice::<serde_json::Value>(&request.body);
            assert!(body.unwrap().is_object(), "{from} to {to}");
            assert!(request.path.starts_with('/') && request.path.is_ascii());
        }
    }
    let earlier = br#"{"output":[]}"#;
    if let Ok(whole) = continue_response(data, data, earlier) {
        assert!(serde_json::from_slice::<serde_json::Value>(&whole).is_ok());
    }
    if let Ok(path) = std::str::from_utf8(data) {
        let request = Inbound { method: "POST", path, query: None };
        let _ = detect(request, |_| false);
        let _ = detect_suffix(request, |_| false);
    }
}

/// The plan of a plain request of a client's that asks for so many answers.
fn plan(from: Format, to: Format, stream: bool, answers: u64) -> AnswerPlan {
    let body = serde_json::json!({
        "messages": [{"role": "user", "content": "a"}],
        "contents": [{"parts": [{"text": "a"}]}],
        "input": "a",
        "max_tokens": 9,
        "n": answers,
        "generationConfig": {"candidateCount": answers},
    });
    let config = RequestConfig {
        from,
        to,
        model: "m",
        query: Some("alt=sse"),
        streaming_in_path: Some(stream),
        provider: Capabilities::default(),
    };
    // What one format does not know of these is a loss.
    translate_request(&config, body.to_string().as_bytes()).unwrap().plan
}

/// An answer translated from every provider's format to every client's.
pub fn answers(data: &[u8]) {
    for from in CLIENTS {
        for to in CLIENTS.into_iter().filter(|to| is_translated(from, *to, Operation::Generate)) {
            check_answer(from, to, 1, Some("text/event-stream"), data);
        }
        check_answer(from, Format::BedrockConverse, 1, Some(EVENT_STREAM), data);
    }
    for (from, to) in [(Format::OpenaiChat, Format::Gemini), (Format::Gemini, Format::OpenaiChat)] {
        check_answer(from, to, 2, Some("text/event-stream"), data);
    }
}

/// A binary stream whose frames are in order, with any payload: each line is one, of a kind, a name
/// and a payload, as the recordings have them.
pub fn frames(data: &[u8]) {
    let mut stream = Vec::new();
    for line in data.split(|it| *it == b'\n') {
        let mut words = line.splitn(3, |it| *it == b' ').map(String::from_utf8_lossy);
        let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let payload = words.next().unwrap_or_default().into_owned();
        let named = if kind == "error" { ":error-code" } else { &format!(":{kind}-type") };
        let mut message = Message::new(payload.into_bytes());
        for (header, value) in [(named, name), (":message-type", kind.clone())] {
            let value = HeaderValue::String(value.into_owned().into());
            message = message.add_header(Header::new(header.to_owned(), value));
        }
        // What Amazon's own library does not write no provider sends.
        let _ = write_message_to(&message, &mut stream);
    }
    check_tap(Format::BedrockConverse, Some(EVENT_STREAM), 200, &stream);
    for from in CLIENTS {
        check_answer(from, Format::BedrockConverse, 1, Some(EVENT_STREAM), &stream);
    }
}

const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

fn check_answer(from: Format, to: Format, answers: u64, streamed: Option<&str>, data: &[u8]) {
    for (stream, content_type, status) in [
        (true, streamed, 200),
        (false, streamed, 200),
        (true, Some("application/json"), 200),
        (false, Some("application/json"), 500),
    ] {
        let plan = plan(from, to, stream, answers);
        let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut answer = AnswerTranslator::new(&AnswerConfig {
                plan: &plan,
                status,
                content_type,
                retry_after_s: None,
                fallback_id: "x",
                created_s: 0,
            });
            let mut out: Vec<u8> = Vec::new();
            for piece in pieces {
                out.extend_from_slice(&answer.push(piece));
            }
            let finished = answer.finish(End::Complete);
            out.extend_from_slice(&finished.bytes);
            (out, finished.head, finished.losses)
        };
        let whole = read(&mut std::iter::once(data));
        assert!(read(&mut cut(data)) == whole, "{to} to {from} cut");
        // Whatever came, the client is told an end that its format knows.
        let mut tap = Tap::new(TapConfig {
            format: from,
            operation: Operation::Generate,
            posted: true,
            status: whole.1.status,
            content_type: Some(whole.1.content_type),
            content_encoding: None,
        });
        tap.push(&whole.0);
        let report = tap.finish(End::Complete);
        assert!(report.terminal_seen && report.gap.is_none(), "{to} to {from}");
    }
}

/// Bodies shown to people, inflated, and filtered.
pub fn bodies(data: &[u8]) {
    for format in Format::ALL {
        let shown = conversation(Bodies { format, request: data, response: data });
        assert!(shown.answers <= shown.messages.len());
        let counter = Counter::of_model("gpt-4").unwrap();
        let counted = counter.answer(format, data);
        assert!(counted.is_err() || counted.is_ok_and(|it| it <= 4 * data.len() as u64));
    }
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, br"] {
        let inflated = coding::decode(data, Some(encoding), 1 << 16);
        assert!(inflated.is_none_or(|it| it.len() <= 1 << 16));
    }
    let filtered = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut hide = HideUsage::new();
        let mut out: Vec<u8> = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&hide.push(&Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&hide.finish());
        out
    };
    let whole = filtered(&mut std::iter::once(data));
    assert!(filtered(&mut cut(data)) == whole, "hide_usage cut");
    assert!(whole.len() <= data.len());
}

/// The configuration file.
pub fn configuration(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, data).unwrap();
    let catalogue = Catalogue::embedded().unwrap();
    if let Err(why) = tollgate_app::config::Config::load(&path, &catalogue) {
        assert!(!why.to_string().is_empty());
    }
}

/// Frames between the root helper and its client, either way.
pub fn helper(data: &[u8]) {
    fn take<T: serde::de::DeserializeOwned + std::fmt::Debug>(
        pieces: &mut dyn Iterator<Item = &[u8]>,
    ) -> String {
        let mut frames = Frames::new(1 << 16);
        let mut out = String::new();
        for piece in pieces {
            frames.push(piece);
            loop {
                match frames.take::<T>() {
                    Ok(Some(message)) => out.push_str(&format!("{message:?}")),
                    Ok(None) => break,
                    // Nothing is read behind it.
                    Err(why) => return out + &why.to_string(),
                }
            }
        }
        out
    }
    assert_eq!(take::<Call>(&mut cut(data)), take::<Call>(&mut std::iter::once(data)));
    assert_eq!(take::<Told>(&mut cut(data)), take::<Told>(&mut std::iter::once(data)));
}

/// Packets as the kernel copied them, and the display filter.
pub fn packets(data: &[u8]) {
    // A recording's packets begin behind its head.
    for at in [0, 40, 54] {
        let packet = data.get(at..).unwrap_or_default();
        let length = u32::try_from(packet.len()).unwrap();
        for total in [length, length.saturating_add(9)] {
            let _ = tollgate_flows::packet::summarise(packet, total);
            let _ = tollgate_flows::packet::decode(packet, total);
        }
    }
    if let Ok(line) = std::str::from_utf8(data) {
        let _ = Filter::parse(line);
    }
}

/// The bytes of a recording's head, and of each packet's in it.
const PCAP_HEADS: (usize, usize) = (24, 16);

/// The packets of a recording, however broken: a length that is too long is cut.
fn packets_of(mut rest: &[u8]) -> Vec<(u32, &[u8])> {
    let mut packets = Vec::new();
    rest = rest.get(PCAP_HEADS.0..).unwrap_or_default();
    while let Some((head, after)) = rest.split_at_checked(PCAP_HEADS.1) {
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        let count = usize::try_from(word(8)).unwrap().min(after.len()).min(2_000);
        let (packet, after) = after.split_at(count);
        packets.push((word(12).min(70_000), packet));
        rest = after;
    }
    packets
}

/// Connections: hellos, measures, reassembly and messages, from packets of anybody.
pub fn flows(data: &[u8]) {
    let mut engine = Engine::new(EngineConfig::default());
    let packets = packets_of(data);
    for (number, (len, bytes)) in packets.iter().enumerate() {
        let direction = if number % 3 == 0 { Direction::Ingress } else { Direction::Egress };
        engine.push(Event::Packet(PacketSeen {
            at_ns: 1_000 * u64::try_from(number).unwrap(),
            cookie: SocketCookie(0),
            netns: 1,
            ifindex: 2,
            direction,
            len: *len,
            gso_size: 0,
            gso_segs: 0,
            mark: 0,
            hash: 0,
            uid: None,
            tcp: None,
            bytes: (*bytes).into(),
        }));
    }
    let rows = engine.drain_new();
    assert!(rows.len() <= packets.len());
    for flow in engine.flows(100, &Filter::default()) {
        let Some(mut follow) = engine.follow(flow.id) else { continue };
        while !engine.follow_on(&mut follow) {}
        let followed = follow.finish();
        let said: usize = followed.pieces.iter().map(|it| it.bytes.len()).sum();
        let bodies: usize = followed.messages.iter().map(|it| it.body.len()).sum();
        assert!(bodies <= said && said <= data.len());
    }
}

/// The files of a target's corpus.
///
/// # Panics
///
/// A folder cannot be read.
#[must_use]
pub fn corpus(fuzz: &Fuzz) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for (folder, ending) in fuzz.corpus {
        collect(&root.join(folder), ending, &mut found);
    }
    found.sort();
    found.into_iter().map(|it| std::fs::read(it).unwrap()).collect()
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
}
