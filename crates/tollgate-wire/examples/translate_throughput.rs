//! Prints how fast streams are translated, beside how fast the tap reads the same pieces and how
//! fast they are copied: `cargo run --release -p tollgate-wire --example translate_throughput`. Each
//! answer arrives one event per piece, as from a provider that flushes each; the bytes counted are
//! the provider's, on one core.

use std::{hint::black_box, path::Path, time::Instant};

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use tollgate_core::{Format, Operation};
use tollgate_wire::{
    End, Tap, TapConfig,
    translate::{AnswerConfig, AnswerTranslator, Capabilities, RequestConfig, translate_request},
};

/// Events repeated in the middle of the recorded stream, as a long answer has them.
const REPEATS: usize = 1000;

const ROUNDS: usize = 100;

/// A streaming request in each format.
const REQUESTS: [(Format, &str); 4] = [
    (Format::OpenaiChat, r#"{"messages":[{"role":"user","content":"a"}],"stream":true}"#),
    (Format::OpenaiResponses, r#"{"input":"a","stream":true}"#),
    (
        Format::AnthropicMessages,
        r#"{"messages":[{"role":"user","content":"a"}],"max_tokens":9,"stream":true}"#,
    ),
    (Format::Gemini, r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print_line("| provider to client | MB/s | ns per event | the tap, MB/s | copying, MB/s |");
    print_line("| --- | ---: | ---: | ---: | ---: |");
    for provider in REQUESTS.map(|it| it.0).into_iter().chain([Format::BedrockConverse]) {
        let pieces = pieces(provider)?;
        let content_type = content_type(provider);
        let tap = measure(&pieces, || {
            let mut tap = Tap::new(TapConfig {
                format: provider,
                operation: Operation::Generate,
                posted: true,
                status: 200,
                content_type: Some(content_type),
                content_encoding: None,
            });
            for piece in &pieces {
                black_box(tap.push(piece));
            }
            drop(black_box(tap.finish(End::Complete)));
        });
        let copy = measure(&pieces, || {
            pieces.iter().for_each(|it| drop(black_box(black_box(it).clone())));
        });
        for (client, body) in REQUESTS.into_iter().filter(|it| it.0 != provider) {
            let config = RequestConfig {
                from: client,
                to: provider,
                model: "m",
                query: Some("alt=sse"),
                streaming_in_path: Some(true),
                provider: Capabilities::default(),
            };
            let plan = translate_request(&config, body.as_bytes())?.plan;
            let config = AnswerConfig {
                plan: &plan,
                status: 200,
                content_type: Some(content_type),
                retry_after_s: None,
                fallback_id: "x",
                created_s: 0,
            };
            let translated = measure(&pieces, || {
                let mut answer = AnswerTranslator::new(&config);
                pieces.iter().for_each(|it| drop(black_box(answer.push(it))));
                drop(black_box(answer.finish(End::Complete)));
            });
            let Figures { rate, event_ns } = translated;
            let (tap, copy) = (tap.rate, copy.rate);
            print_line(&format!(
                "| {provider} to {client} | {rate} | {event_ns} | {tap} | {copy} |"
            ));
        }
    }
    Ok(())
}

/// How fast pieces went through.
struct Figures {
    /// Megabytes a second.
    rate: u128,
    event_ns: u128,
}

fn measure(pieces: &[Vec<u8>], mut round: impl FnMut()) -> Figures {
    let bytes: usize = pieces.iter().map(Vec::len).sum();
    let began = Instant::now();
    (0..ROUNDS).for_each(|_| round());
    let nanos = began.elapsed().as_nanos().max(1);
    let count = |it: usize| u128::try_from(it * ROUNDS).unwrap_or_default().max(1);
    Figures { rate: count(bytes) * 1000 / nanos, event_ns: nanos / count(pieces.len()) }
}

const fn content_type(provider: Format) -> &'static str {
    match provider {
        Format::BedrockConverse => "application/vnd.amazon.eventstream",
        Format::OpenaiChat
        | Format::OpenaiResponses
        | Format::OpenaiEmbeddings
        | Format::AnthropicMessages
        | Format::Gemini
        | Format::CohereEmbed
        | Format::OllamaEmbed => "text/event-stream",
    }
}

/// A long stream, event by event.
fn pieces(provider: Format) -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(provider.as_str());
    if provider != Format::BedrockConverse {
        let events = long_stream(&std::fs::read_to_string(folder.join("stream.sse"))?);
        return Ok(events.into_iter().map(String::into_bytes).collect());
    }
    let lines = std::fs::read_to_string(folder.join("stream.frames"))?;
    // Each line is an event's kind, name and payload.
    let frames = long_stream(&lines.replace('\n', "\n\n")).into_iter().map(|line| {
        let mut words = line.trim_end().splitn(3, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (kind, name, payload) = (word(), word(), word());
        let header = |name: &str, value: String| {
            Header::new(name.to_owned(), HeaderValue::String(value.into()))
        };
        let message = Message::new(payload.into_bytes())
            .add_header(header(":event-type", name))
            .add_header(header(":message-type", kind));
        let mut out = Vec::new();
        write_message_to(&message, &mut out).map(|()| out)
    });
    Ok(frames.collect::<Result<_, _>>()?)
}

/// The stream with one of its text events repeated, event by event.
fn long_stream(stream: &str) -> Vec<String> {
    let end = if stream.contains("\r\n") { "\r\n\r\n" } else { "\n\n" };
    let events: Vec<String> = stream.split_inclusive(end).map(str::to_owned).collect();
    let text = events.iter().position(|it| it.contains("Grüße")).unwrap_or_default();
    let (begin, rest) = events.split_at(text);
    let repeated = rest.iter().take(1).cycle().take(REPEATS);
    begin.iter().chain(repeated).chain(rest).cloned().collect()
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
fn print_line(line: &str) {
    println!("{line}");
}
