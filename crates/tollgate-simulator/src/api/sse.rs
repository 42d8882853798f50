//! Server-sent events as bytes, in every style that providers use.

use crate::{
    controls::{Controls, ErrorAt},
    delivery::Piece,
    record::UsageSent,
};

/// One event before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
    /// Whether it carries generated content, which takes time.
    pub(crate) generated: bool,
    pub(crate) usage: Option<UsageSent>,
}

impl Event {
    /// An event without a name.
    pub(crate) fn data(data: impl Into<String>) -> Self {
        Self { name: None, data: data.into(), generated: false, usage: None }
    }

    /// An event with a name.
    pub(crate) fn named(name: &'static str, data: impl Into<String>) -> Self {
        Self { name: Some(name), ..Self::data(data) }
    }

    pub(crate) fn generated(self) -> Self {
        Self { generated: true, ..self }
    }

    pub(crate) fn reporting(self, usage: Option<UsageSent>) -> Self {
        Self { usage, ..self }
    }
}

/// Puts `error` in the place of what comes after the events that the controls leave.
pub(crate) fn cut_by_error(
    mut events: Vec<Event>,
    controls: &Controls,
    error: Event,
) -> Vec<Event> {
    let Some(at) = controls.error_midstream else { return events };
    let keep = match at {
        ErrorAt::Half => events.len() / 2,
        ErrorAt::Event(count) => count,
    };
    events.truncate(keep);
    events.push(error);
    events
}

/// Writes events with the line ends and the noise that the controls ask for.
pub(crate) fn pieces(events: Vec<Event>, controls: &Controls) -> Vec<Piece> {
    let end = if controls.crlf { "\r\n" } else { "\n" };
    let colon = if controls.no_space { ":" } else { ": " };
    let write = |event: Event| {
        let mut text = String::with_capacity(event.data.len() + 64);
        if controls.comments {
            text.extend([": simulated keep-alive", end, end]);
        }
        if let Some(name) = event.name {
            text.extend(["event", colon, name, end]);
        }
        text.extend(["data", colon, &event.data, end, end]);
        Piece { bytes: text.into_bytes(), generated: event.generated, usage: event.usage }
    };
    events.into_iter().map(write).collect()
}
