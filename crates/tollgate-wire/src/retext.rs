//! Changes the texts of an answer on its way, with every other byte as it was: of one that comes whole,
//! of server-sent events, of Amazon's binary events, and of Gemini's list of answers.
//!
//! In a stream a text comes in pieces. What an [`Editor`] cannot judge before it knows how the text goes
//! on is held back, by text, and given out with the next piece of it; or, where there is none, in an event
//! of its own before the one that ends it.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    event_stream::{self, FrameItem, FrameKind, FrameReader},
    members::place,
    sse::{SseEvent, SseItem, SseReader},
    texts::{Change, Scanned, Text, escaped, replaced, scan},
};

/// The longest answer that is read whole; Tollgate reads no longer request either.
pub const WHOLE_BYTES_MAX: usize = 64 << 20;

/// The most of one text that is held back: an editor that wants more gets the text as if it had ended.
pub const HELD_BYTES_MAX: usize = 64 << 10;

/// The most texts of one stream that are told apart; of others nothing is held back.
pub const CHANNELS_MAX: usize = 1_024;

/// Changes texts.
pub trait Editor {
    /// Takes a text, or the part of it that is at hand.
    ///
    /// # Errors
    /// Nothing more of the answer may go on.
    fn edit<'a>(&mut self, piece: &Piece<'a>) -> Result<Edited<'a>, Stop>;

    /// The answer has ended, also where the ends of its texts were not told.
    fn end(&mut self) {}
}

/// A part of a text: what was held back of it, and what came since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The same number for all pieces of a text; `None` for one that comes whole.
    pub channel: Option<usize>,
    /// The part.
    pub text: &'a str,
    /// Whether more may come.
    pub stage: Stage,
    /// Whether the text is JSON itself; see [`Text::is_json`](crate::texts::Text::is_json).
    pub is_json: bool,
}

/// Whether more of a text may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It may.
    GoesOn,
    /// This is its end.
    Ends,
}

/// What goes on in place of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// How many bytes of the part it stands for; the rest is held back. All of them where the text ends.
    pub taken: usize,
}

/// Nothing more of the answer may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// An answer on its way through an [`Editor`].
#[derive(Debug)]
pub struct Retext<E> {
    editor: E,
    body: Body,
    unit: Unit,
    /// Whether texts come in pieces.
    in_pieces: bool,
    channels: Vec<Channel>,
    out: Vec<u8>,
    stopped: bool,
    unread: bool,
    changed: bool,
}

#[derive(Debug)]
enum Body {
    Whole(Vec<u8>),
    Events(SseReader),
    Frames(FrameReader),
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// As they are.
    Bytes,
    /// As frames.
    Frame,
    /// As elements of a list.
    Element,
}

/// A text that comes in pieces.
#[derive(Debug)]
struct Channel {
    path: String,
    numbers: Vec<u64>,
    is_json: bool,
    held: String,
    /// The event that its last piece came with, without the texts of the event.
    template: Vec<u8>,
    /// Where the text stands in it.
    slot: usize,
    /// The event's name, where that does not stand in the template.
    name: String,
}

impl<E: Editor> Retext<E> {
    /// For an answer with this media type.
    #[must_use]
    pub fn new(editor: E, content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let (body, unit, in_pieces) = if essence.eq_ignore_ascii_case("text/event-stream") {
            (Body::Events(SseReader::new()), Unit::Bytes, true)
        } else if essence.eq_ignore_ascii_case(event_stream::EVENT_STREAM) {
            (Body::Frames(FrameReader::default()), Unit::Frame, true)
        } else {
            (Body::Whole(Vec::new()), Unit::Bytes, false)
        };
        Self {
            editor,
            body,
            unit,
            in_pieces,
            channels: Vec::new(),
            out: Vec::new(),
            stopped: false,
            unread: false,
            changed: false,
        }
    }

    /// The editor.
    pub const fn editor(&self) -> &E {
        &self.editor
    }

    /// The editor.
    pub const fn editor_mut(&mut self) -> &mut E {
        &mut self.editor
    }

    /// Whether the editor stopped the answer: nothing comes of it any more.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether nothing comes before the whole answer is there.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.in_pieces
    }

    /// Whether a part of the answer could not be read and went on as it was.
    #[must_use]
    pub const fn is_unread(&self) -> bool {
        self.unread
    }

    /// Takes the next bytes and gives those that may go on now: none of an answer that comes whole.
    pub fn push(&mut self, chunk: &[u8]) -> Bytes {
        let mut body = std::mem::replace(&mut self.body, Body::Whole(Vec::new()));
        match &mut body {
            Body::Whole(bytes) if bytes.len().saturating_add(chunk.len()) > WHOLE_BYTES_MAX => {
                self.stopped = true;
                self.unread = true;
            }
            Body::Whole(bytes) => bytes.extend_from_slice(chunk),
            Body::Events(reader) => reader.push(chunk, |item| self.sse(item)),
            Body::Frames(reader) => reader.push(chunk, |item| self.frame(item)),
        }
        self.body = body;
        std::mem::take(&mut self.out).into()
    }

    /// Ends the answer and gives what is left of it.
    pub fn finish(&mut self) -> Bytes {
        match std::mem::replace(&mut self.body, Body::Whole(Vec::new())) {
            Body::Whole(bytes) => self.whole(&bytes),
            Body::Events(reader) if reader.ends_with_lf() => self.emit("", b"\n"),
            Body::Events(reader) => reader.finish(|item| self.sse(item)),
            Body::Frames(_) => {}
        }
        self.release(None);
        self.editor.end();
        std::mem::take(&mut self.out).into()
    }

    fn whole(&mut self, bytes: &[u8]) {
        if bytes.trim_ascii_start().starts_with(b"[") {
            match serde_json::from_slice::<Vec<&RawValue>>(bytes) {
                Ok(elements) => return self.elements(bytes, &elements),
                Err(_) => self.unread = true,
            }
        }
        let is_json = self.event(bytes, "", 0..bytes.len());
        self.unread |= !is_json && !bytes.is_empty();
    }

    /// A list of answers; one in which nothing is changed stays as it is, between its elements too.
    fn elements(&mut self, bytes: &[u8], elements: &[&RawValue]) {
        self.unit = Unit::Element;
        self.in_pieces = true;
        for element in elements {
            let raw = element.get().as_bytes();
            self.event(raw, "", 0..raw.len());
        }
        self.release(None);
        if self.stopped {
            return;
        }
        if !self.changed {
            self.out = bytes.to_vec();
            return;
        }
        self.out.push(b']');
    }

    fn sse(&mut self, item: SseItem<'_>) {
        let event = match item {
            SseItem::Event(event) => event,
            SseItem::TooLong { .. } => {
                // It went by, and cannot be given any more.
                self.stopped = true;
                self.unread = true;
                return;
            }
        };
        match event.data() {
            None => self.emit("", event.raw()),
            Some(Cow::Borrowed(data)) => {
                let at = std::str::from_utf8(data).map(|it| place(event.raw(), it));
                match at {
                    Ok(at) => {
                        // What is no JSON ends a stream (`[DONE]`).
                        self.event(event.raw(), "", at);
                    }
                    Err(_) => {
                        self.unread = true;
                        self.emit("", event.raw());
                    }
                }
            }
            Some(Cow::Owned(data)) => {
                let (raw, at) = in_one_line(&event, &data);
                self.event(&raw, "", at);
            }
        }
    }

    fn frame(&mut self, item: FrameItem<'_>) {
        match item {
            FrameItem::Frame(frame) => match frame.kind {
                FrameKind::Event => {
                    self.event(frame.payload, frame.name, 0..frame.payload.len());
                }
                FrameKind::Exception | FrameKind::Error => {
                    self.release(None);
                    if self.stopped {
                        return;
                    }
                    let (kind, name) = match frame.kind {
                        FrameKind::Error => ("error", ":error-code"),
                        FrameKind::Exception | FrameKind::Event => ("exception", ":exception-type"),
                    };
                    let headers = [
                        (name, frame.name),
                        (":error-message", frame.message),
                        (":content-type", "application/json"),
                        (":message-type", kind),
                    ];
                    let bytes = event_stream::frame(&headers, frame.payload);
                    self.out.extend(bytes.unwrap_or_default());
                }
            },
            FrameItem::TooLong | FrameItem::Broken => {
                self.stopped = true;
                self.unread = true;
            }
        }
    }

    /// Takes an event whose JSON is at `data` in `raw`; says whether it is JSON.
    fn event(&mut self, raw: &[u8], name: &str, data: Range<usize>) -> bool {
        if self.stopped {
            return true;
        }
        let json = raw.get(data.clone()).unwrap_or_default();
        let Some(scanned) = scan(json) else {
            self.release(None);
            self.emit(name, raw);
            return false;
        };
        if scanned.kind == "ping" {
            self.emit(name, raw);
            return true;
        }
        let has_piece = self.in_pieces && scanned.texts.iter().any(is_piece);
        if !has_piece {
            self.release(scanned.number);
        }
        match self.changes(&scanned, has_piece, raw, name, &data) {
            Ok(changes) if changes.is_empty() => self.emit(name, raw),
            Ok(changes) => {
                self.changed = true;
                self.emit(name, &replaced(raw, changes));
            }
            Err(Stop) => self.stopped = true,
        }
        true
    }

    /// What to write in the places of an event's texts.
    fn changes(
        &mut self,
        scanned: &Scanned<'_>,
        has_piece: bool,
        raw: &[u8],
        name: &str,
        data: &Range<usize>,
    ) -> Result<Vec<Change<'static>>, Stop> {
        let stage = if scanned.finishes { Stage::Ends } else { Stage::GoesOn };
        let mut changes = Vec::new();
        let mut holding = Vec::new();
        for text in &scanned.texts {
            let channel = if has_piece && is_piece(text) { self.channel(text) } else { None };
            let changed = match channel {
                Some(index) => {
                    let changed = self.piece(index, text, stage)?;
                    if self.channels.get(index).is_some_and(|it| !it.held.is_empty()) {
                        holding.push(index);
                    }
                    changed
                }
                None => self.one(text)?,
            };
            if let Some(changed) = changed {
                let place = text.whole();
                changes.push((data.start + place.start..data.start + place.end, changed.into()));
            }
        }
        for channel in holding {
            self.keep_template(channel, raw, name, data, &scanned.texts);
        }
        Ok(changes)
    }

    /// A text that comes whole; gives what to write in its place.
    fn one(&mut self, text: &Text<'_>) -> Result<Option<String>, Stop> {
        let piece =
            Piece { channel: None, text: &text.text, stage: Stage::Ends, is_json: text.is_json };
        let edited = self.editor.edit(&piece)?;
        Ok((edited.text != text.text).then(|| escaped(&edited.text)))
    }

    /// The next piece of a text; gives what to write in its place.
    fn piece(
        &mut self,
        index: usize,
        text: &Text<'_>,
        stage: Stage,
    ) -> Result<Option<String>, Stop> {
        let Some(channel) = self.channels.get_mut(index) else { return Ok(None) };
        let mut held = std::mem::take(&mut channel.held);
        let began_empty = held.is_empty();
        held.push_str(&text.text);
        let stage = if held.len() > HELD_BYTES_MAX { Stage::Ends } else { stage };
        let piece = Piece { channel: Some(index), text: &held, stage, is_json: text.is_json };
        let edited = self.editor.edit(&piece)?;
        let taken = edited.taken.min(held.len());
        let same = began_empty && edited.text == text.text;
        let changed = (!same).then(|| escaped(&edited.text));
        held.drain(..taken);
        channel.held = held;
        Ok(changed)
    }

    /// The channel of a text; `None` where there are too many.
    fn channel(&mut self, text: &Text<'_>) -> Option<usize> {
        let same = |it: &Channel| it.path == text.path && it.numbers == text.numbers;
        if let Some(index) = self.channels.iter().position(same) {
            return Some(index);
        }
        if self.channels.len() >= CHANNELS_MAX {
            return None;
        }
        self.channels.push(Channel {
            path: text.path.clone(),
            numbers: text.numbers.clone(),
            is_json: text.is_json,
            held: String::new(),
            template: Vec::new(),
            slot: 0,
            name: String::new(),
        });
        Some(self.channels.len() - 1)
    }

    /// Keeps the event, so that what is held back can go out in one like it.
    fn keep_template(
        &mut self,
        index: usize,
        raw: &[u8],
        name: &str,
        data: &Range<usize>,
        texts: &[Text<'_>],
    ) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        let mut removed = 0;
        let mut blanks = Vec::new();
        for text in texts.iter().filter(|it| is_piece(it)) {
            let place = text.whole();
            if text.path == channel.path && text.numbers == channel.numbers {
                channel.slot = data.start + place.start - removed;
            }
            removed += place.len();
            blanks.push((data.start + place.start..data.start + place.end, Cow::Borrowed("")));
        }
        channel.template = replaced(raw, blanks);
        name.clone_into(&mut channel.name);
    }

    /// Gives out what is held back of the choice, block or item with this number; of all without one.
    fn release(&mut self, number: Option<u64>) {
        for index in 0..self.channels.len() {
            let Some(channel) = self.channels.get_mut(index) else { return };
            let other = number.is_some() && channel.numbers.last().copied() != number;
            if self.stopped || other || channel.held.is_empty() {
                continue;
            }
            let held = std::mem::take(&mut channel.held);
            let template = std::mem::take(&mut channel.template);
            let (slot, name) = (channel.slot, channel.name.clone());
            let is_json = channel.is_json;
            let piece = Piece { channel: Some(index), text: &held, stage: Stage::Ends, is_json };
            let Ok(edited) = self.editor.edit(&piece) else {
                self.stopped = true;
                return;
            };
            let event = replaced(&template, [(slot..slot, escaped(&edited.text).into())]);
            self.emit(&name, &event);
        }
    }

    fn emit(&mut self, name: &str, event: &[u8]) {
        if self.stopped {
            return;
        }
        match self.unit {
            Unit::Bytes => self.out.extend_from_slice(event),
            Unit::Element => {
                self.out.push(if self.out.is_empty() { b'[' } else { b',' });
                self.out.extend_from_slice(event);
            }
            Unit::Frame => {
                let headers = [
                    (":event-type", name),
                    (":content-type", "application/json"),
                    (":message-type", "event"),
                ];
                self.out.extend(event_stream::frame(&headers, event).unwrap_or_default());
            }
        }
    }
}

/// Whether a text of an event is a piece of one that goes on in other events.
fn is_piece(text: &Text<'_>) -> bool {
    let path = text.path.as_str();
    matches!(
        path,
        "delta"
            | "delta.text"
            | "delta.thinking"
            | "delta.partial_json"
            | "delta.toolUse.input"
            | "delta.reasoningContent.text"
            | "choices.text"
            | "candidates.content.parts.text"
    ) || path.starts_with("choices.delta.")
}

/// An event whose data stands in several lines, with its data in one, and where that is.
fn in_one_line(event: &SseEvent<'_>, data: &[u8]) -> (Vec<u8>, Range<usize>) {
    let mut raw = Vec::with_capacity(event.raw().len());
    for (name, value) in event.fields().filter(|(name, _)| *name != b"data") {
        raw.extend_from_slice(name);
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(value);
        raw.push(b'\n');
    }
    raw.extend_from_slice(b"data: ");
    let start = raw.len();
    // A line break within JSON stands between its tokens, where a space says the same.
    raw.extend(data.iter().map(|it| if *it == b'\n' { b' ' } else { *it }));
    let end = raw.len();
    raw.extend_from_slice(b"\n\n");
    (raw, start..end)
}

#[cfg(test)]
mod tests;
