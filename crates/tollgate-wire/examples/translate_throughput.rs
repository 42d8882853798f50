//! Prints how fast streams are translated: `cargo run --release -p tollgate-wire --example
//! translate_throughput`. Each answer arrives one event per piece, as from a provider that flushes
//! each; the bytes counted are the provider's.

use std::{path::Path, time::Instant};

use tollgate_core::Format;
use tollgate_wire::{
    End,
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
    for (provider, _) in REQUESTS {
        let name = format!("{provider}/stream.sse");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let pieces = long_stream(&std::fs::read_to_string(path)?);
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
                content_type: Some("text/event-stream"),
                retry_after_s: None,
                fallback_id: "x",
                created_s: 0,
            };
            let bytes: usize = pieces.iter().map(String::len).sum();
            let began = Instant::now();
            for _ in 0..ROUNDS {
                let mut answer = AnswerTranslator::new(&config);
                for piece in &pieces {
                    std::hint::black_box(answer.push(piece.as_bytes()));
                }
                std::hint::black_box(answer.finish(End::Complete));
            }
            let told = format!("{provider} to {client}");
            print(&told, bytes * ROUNDS, pieces.len() * ROUNDS, began.elapsed());
        }
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
    println!("{name:40} {rate:6} MB/s {each:6} ns per event");
}
