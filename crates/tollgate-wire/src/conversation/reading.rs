//! Bodies as JSON values, and short ways into them.

use serde_json::Value;

use super::Part;
use crate::{
    event_stream::{FrameItem, FrameReader},
    sse::{SseItem, SseReader},
};

/// An answer's body.
pub(super) enum Answer {
    /// One JSON text.
    Whole(Value),
    /// The events of a stream, in order.
    Events(Vec<Value>),
}

/// Reads a body; an answer that is not JSON in any of these ways is an empty stream.
pub(super) fn answer(body: &[u8]) -> Answer {
    match serde_json::from_slice(body) {
        Ok(Value::Array(events)) => return Answer::Events(events),
        Ok(value) => return Answer::Whole(value),
        Err(_) => {}
    }
    let trimmed = body.trim_ascii_start();
    if trimmed.starts_with(b"[") {
        return Answer::Events(elements(trimmed.get(1..).unwrap_or_default()));
    }
    // The first byte of a frame's length; no text begins with it.
    if body.first() == Some(&0) {
        return Answer::Events(frames(body));
    }
    let mut events = Vec::new();
    let mut take = |item: SseItem<'_>| {
        if let SseItem::Event(event) = item
            && let Some(data) = event.data()
            && let Ok(value) = serde_json::from_slice(&data)
        {
            events.push(value);
        }
    };
    let mut reader = SseReader::new();
    reader.push(body, &mut take);
    reader.finish(&mut take);
    Answer::Events(events)
}

/// The events of a binary stream, each as an object with its payload under its name.
fn frames(body: &[u8]) -> Vec<Value> {
    let mut events = Vec::new();
    FrameReader::default().push(body, |item| {
        if let FrameItem::Frame(frame) = item
            && let Ok(payload) = serde_json::from_slice::<Value>(frame.payload)
        {
            events.push(serde_json::json!({ frame.name: payload }));
        }
    });
    events
}

/// The elements of a JSON list that broke off, its `[` taken away.
fn elements(mut rest: &[u8]) -> Vec<Value> {
    let mut found = Vec::new();
    loop {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { return found };
        found.push(value);
        let after = rest.get(values.byte_offset()..).unwrap_or_default().trim_ascii_start();
        rest = after.strip_prefix(b",").unwrap_or(after);
    }
}

/// A member that is a string.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// A member that is a string, as an owned text.
pub(super) fn owned(value: &Value, name: &str) -> Option<String> {
    text(value, name).map(str::to_owned)
}

/// A member that is a list; empty when it is anything else.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A member under either of two spellings.
pub(super) fn either<'a>(value: &'a Value, name: &str, or: &str) -> Option<&'a Value> {
    value.get(name).or_else(|| value.get(or))
}

/// A string as it is, anything else as JSON; nothing for `null`.
pub(super) fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Appends a string member of `from` to the string member of `to`.
pub(super) fn append(to: &mut Value, from: &Value, name: &str) {
    let Some(more) = text(from, name) else { return };
    match to.get_mut(name) {
        Some(Value::String(held)) => held.push_str(more),
        Some(other) => *other = more.into(),
        None => {
            if let Some(members) = to.as_object_mut() {
                members.insert(name.to_owned(), more.into());
            }
        }
    }
}

/// The length of what a base64 text stands for.
pub(super) fn base64_length(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches('=').len();
    u64::try_from(digits).ok().map(|it| it / 4 * 3 + it % 4 * 3 / 4)
}

/// A picture given as a `data:` URL or as an address.
pub(super) fn image_at(url: &str) -> Part {
    match data_url(url) {
        Some((media_type, bytes)) => Part::Image { media_type: Some(media_type), bytes, url: None },
        None => Part::Image { media_type: None, bytes: None, url: Some(url.to_owned()) },
    }
}

/// The media type and length of a `data:` URL.
pub(super) fn data_url(url: &str) -> Option<(String, Option<u64>)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    match head.strip_suffix(";base64") {
        Some(media_type) => Some((media_type.to_owned(), base64_length(data))),
        None => Some((head.to_owned(), u64::try_from(data.len()).ok())),
    }
}

/// An inline picture or file by its media type.
pub(super) fn inline(media_type: Option<String>, data: &str) -> Part {
    let bytes = base64_length(data);
    if media_type.as_deref().is_some_and(|it| it.starts_with("image/")) {
        Part::Image { media_type, bytes, url: None }
    } else {
        Part::Document { media_type, bytes, name: None }
    }
}
