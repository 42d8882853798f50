//! Prints how fast the tap reads streams: `cargo run --release -p tollgate-wire --example
//! tap_throughput`. Each answer arrives one event per piece, as from a provider that flushes each.

use std::{path::Path, time::Instant};

use tollgate_core::{Format, Operation};
use tollgate_wire::{End, Tap, TapConfig};

/// Events repeated in the middle of the recorded stream, as a long answer has them.
const REPEATS: usize = 1000;

const ROUNDS: usize = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (name, format) in [
        ("openai-chat/stream.sse", Format::OpenaiChat),
        ("openai-responses/stream.sse", Format::OpenaiResponses),
        ("anthropic-messages/stream.sse", Format::AnthropicMessages),
        ("gemini/stream.sse", Format::Gemini),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let pieces = long_stream(&std::fs::read_to_string(path)?);
        let bytes: usize = pieces.iter().map(String::len).sum();
        let began = Instant::now();
        for _ in 0..ROUNDS {
            let mut tap = Tap::new(TapConfig {
                format,
                operation: Operation::Generate,
                posted: true,
                status: 200,
                content_type: Some("text/event-stream"),
                content_encoding: None,
            });
            for piece in &pieces {
                std::hint::black_box(tap.push(piece.as_bytes()));
            }
            let report = tap.finish(End::Complete);
            assert!(report.terminal_seen && report.usage.output.is_some());
        }
        print(name, bytes * ROUNDS, pieces.len() * ROUNDS, began.elapsed());
    }
    Ok(())
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
fn print(name: &str, bytes: usize, events: usize, took: std::time::Duration) {
    let nanos = took.as_nanos().max(1);
    let rate = u128::try_from(bytes).unwrap_or_default() * 1000 / nanos;
    let each = nanos / u128::try_from(events).unwrap_or(1).max(1);
    println!("{name:32} {rate:6} MB/s {each:6} ns per event");
}
