//! What a translated stream holds does not grow with its length.
#![expect(unsafe_code, reason = "an allocator that counts can be written in no other way")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    path::Path,
};

use tollgate_core::Format;
use tollgate_wire::{
    End,
    translate::{AnswerConfig, AnswerTranslator, Capabilities, RequestConfig, translate_request},
};

thread_local! {
    /// The bytes that this thread holds.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The events of a recorded stream: those before the repeated one, it, and those after.
fn events(provider: Format) -> (String, String, String) {
    let name = format!("fixtures/{provider}/stream.sse");
    let stream = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let end = if stream.contains("\r\n") { "\r\n\r\n" } else { "\n\n" };
    let events: Vec<&str> = stream.split_inclusive(end).collect();
    let text = events.iter().position(|it| it.contains("Grüße")).unwrap();
    (events[..text].concat(), events[text].to_owned(), events[text + 1..].concat())
}

/// What is held after a hundred events of each answer, and after thousands.
fn held(client: Format, provider: Format, body: &str, answers: usize) -> [usize; 2] {
    let (before, event, after) = events(provider);
    let others = (1..answers).map(|it| event.replace(r#""index":0"#, &format!(r#""index":{it}"#)));
    let events: Vec<String> = std::iter::once(event.clone()).chain(others).collect();
    let config = RequestConfig {
        from: client,
        to: provider,
        model: "m",
        query: Some("alt=sse"),
        streaming_in_path: Some(true),
        provider: Capabilities::default(),
    };
    let plan = translate_request(&config, body.as_bytes()).unwrap().plan;
    let mut answer = AnswerTranslator::new(&AnswerConfig {
        plan: &plan,
        status: 200,
        content_type: Some("text/event-stream"),
        retry_after_s: None,
        fallback_id: "x",
        created_s: 0,
    });
    drop(answer.push(before.as_bytes()));
    let mut held = [0; 2];
    for (at, repeats) in [100, 5_000].into_iter().enumerate() {
        for event in events.iter().cycle().take(repeats * answers) {
            // Cut, so that an event is kept between two pieces.
            let (first, second) = event.as_bytes().split_at(event.len() / 2);
            drop(answer.push(first));
            drop(answer.push(second));
        }
        held[at] = HELD.get();
    }
    drop(answer.push(after.as_bytes()));
    drop(answer.finish(End::Complete));
    held
}

/// Of a stream for a Responses client alone the last event repeats the whole answer, so that it is kept,
/// up to a limit that another test holds.
#[test]
fn a_translated_stream_holds_no_more_at_its_end_than_at_its_beginning() {
    let clients = [
        (Format::OpenaiChat, r#"{"messages":[{"role":"user","content":"a"}],"stream":true}"#),
        (
            Format::AnthropicMessages,
            r#"{"messages":[{"role":"user","content":"a"}],"max_tokens":9,"stream":true}"#,
        ),
        (Format::Gemini, r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#),
    ];
    let providers =
        [Format::OpenaiChat, Format::AnthropicMessages, Format::Gemini, Format::OpenaiResponses];
    for (client, body) in clients {
        for provider in providers.into_iter().filter(|it| *it != client) {
            let [early, late] = held(client, provider, body, 1);
            assert_eq!(late, early, "{provider} to {client}");
        }
    }
    let several = [
        (
            Format::OpenaiChat,
            Format::Gemini,
            r#"{"messages":[{"role":"user","content":"a"}],"stream":true,"n":8}"#,
        ),
        (
            Format::Gemini,
            Format::OpenaiChat,
            r#"{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"candidateCount":8}}"#,
        ),
    ];
    for (client, provider, body) in several {
        let [early, late] = held(client, provider, body, 8);
        assert_eq!(late, early, "eight answers of {provider} to {client}");
    }
    let responses = r#"{"input":"a","stream":true}"#;
    let [early, late] = held(Format::OpenaiResponses, Format::OpenaiChat, responses, 1);
    assert!(late > early, "what is kept is counted");
}
