//! A message as events.

use serde_json::{Value, json};

use super::{Message, Usage};
use crate::api::{answer, sse::Event};

/// The events in the order in which the real API sends them, with a ping behind the opening of the
/// first block.
pub(super) fn events(message: &Message<'_>) -> Vec<Event> {
    let reported = |it: Usage| (!message.asked.controls.no_usage).then(|| it.sent());
    let at_start = message.usage_at_start();
    let opening = message.frame(&[], None, Some(at_start));
    let start = event("message_start", json!({"message": opening}));
    let mut events = vec![start.reporting(reported(at_start))];
    for (index, block) in message.blocks().iter().enumerate() {
        let opening = json!({"index": index, "content_block": empty(block)});
        events.push(event("content_block_start", opening));
        if index == 0 {
            events.push(event("ping", json!({})));
        }
        for delta in deltas(message, block) {
            let delta = json!({"index": index, "delta": delta});
            events.push(event("content_block_delta", delta).generated());
        }
        events.push(event("content_block_stop", json!({"index": index})));
    }
    let stop_reason = message.stop_reason();
    let delta = json!({"stop_reason": stop_reason, "stop_sequence": message.stop_sequence()});
    let mut end = json!({"delta": delta});
    if !message.asked.controls.no_usage {
        end["usage"] = message.usage.totals();
    }
    events.push(event("message_delta", end).reporting(reported(message.usage)));
    events.push(event("message_stop", json!({})));
    events
}

fn event(name: &'static str, fields: Value) -> Event {
    let mut data = json!({"type": name});
    if let (Some(data), Value::Object(fields)) = (data.as_object_mut(), fields) {
        data.extend(fields);
    }
    Event::named(name, data.to_string())
}

/// A block as it is before its deltas.
fn empty(block: &Value) -> Value {
    let mut block = block.clone();
    match block["type"].as_str() {
        Some("text") => block["text"] = json!(""),
        Some("thinking") => {
            block["thinking"] = json!("");
            block["signature"] = json!("");
        }
        Some("tool_use" | "server_tool_use") => block["input"] = json!({}),
        // Results of server tools come whole.
        Some(_) | None => {}
    }
    block
}

/// The deltas that make a block out of its empty form.
fn deltas(message: &Message<'_>, block: &Value) -> Vec<Value> {
    let controls = &message.asked.controls;
    match block["type"].as_str() {
        Some("text") => {
            let text = |it: &&str| json!({"type": "text_delta", "text": it});
            message.pieces().iter().map(text).collect()
        }
        Some("thinking") => {
            let thoughts = block["thinking"].as_str().unwrap_or_default();
            let thought = |it: &str| json!({"type": "thinking_delta", "thinking": it});
            let pieces = answer::stream_pieces(thoughts, controls).into_iter().map(thought);
            let signature = json!({"type": "signature_delta", "signature": block["signature"]});
            pieces.chain([signature]).collect()
        }
        Some("tool_use" | "server_tool_use") => {
            let json = block["input"].to_string();
            let part = |it: &str| json!({"type": "input_json_delta", "partial_json": it});
            // The real API begins with an empty fragment.
            [""].into_iter().chain(answer::fragments(&json)).map(part).collect()
        }
        Some(_) | None => Vec::new(),
    }
}
