//! The frames of a streamed answer.

use serde::Deserialize;
use tollgate_core::Usage;

use super::{
    answer::{ModelFields, ToolUse, own},
    stop_of,
};
use crate::{
    bedrock_converse::{TokenUsage, failed},
    event_stream::{Frame, FrameItem, FrameKind},
    ir::{Event, Failure, Opening, Stop},
    lenient::{Count, Filled, Maybe, Text},
    loss::Losses,
    translate::{Sink, failure},
};

/// The payload of any event.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Payload<'a> {
    content_block_index: Count,
    #[serde(borrow)]
    start: Maybe<Start<'a>>,
    #[serde(borrow)]
    delta: Maybe<Delta<'a>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    usage: Maybe<TokenUsage>,
    #[serde(borrow)]
    additional_model_response_fields: Maybe<ModelFields<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow)]
    tool_use: Maybe<ToolUse<'a>>,
    tool_result: Filled,
    image: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    tool_use: Maybe<Input<'a>>,
    #[serde(borrow)]
    reasoning_content: Maybe<Reasoning<'a>>,
    citation: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Input<'a> {
    #[serde(borrow)]
    input: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    redacted_content: Text<'a>,
}

/// What a block holds. Only calls are told at their beginning; the others by their first piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    Call,
    /// A block that is not carried over.
    LeftOut,
}

/// Reads frames.
#[derive(Default)]
pub(in crate::translate) struct Reader {
    /// The block at hand, by its index.
    open: Option<(u64, Open)>,
    stop: Option<Stop>,
    usage: Usage,
    ended: bool,
}

impl Reader {
    pub(in crate::translate) fn frame(
        &mut self,
        item: FrameItem<'_>,
        losses: &mut Losses,
        sink: &mut Sink<'_>,
    ) {
        if self.ended {
            return;
        }
        match item {
            FrameItem::Frame(frame) => self.read(frame, losses, sink),
            FrameItem::TooLong => {
                self.fail(failure::broken("an event of the provider's is too long"), sink);
            }
            FrameItem::Broken => {
                self.fail(failure::broken("the provider's stream is damaged"), sink);
            }
        }
    }

    fn read(&mut self, frame: Frame<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        match frame.kind {
            FrameKind::Event => {}
            FrameKind::Exception | FrameKind::Error => {
                return self.fail(failure::in_answer(&failed(frame)), sink);
            }
        }
        let Ok(payload) = serde_json::from_slice::<Payload<'_>>(frame.payload) else {
            return self.fail(failure::not_json(), sink);
        };
        let index = payload.content_block_index.0.unwrap_or(0);
        match frame.name {
            "messageStart" => {
                sink(Event::Start { id: None, model: None, usage: Usage::default() });
            }
            "contentBlockStart" => {
                self.start(index, &payload.start.0.unwrap_or_default(), losses, sink);
            }
            "contentBlockDelta" => {
                self.delta(index, &payload.delta.0.unwrap_or_default(), losses, sink);
            }
            "contentBlockStop" => self.close(sink),
            "messageStop" => {
                self.close(sink);
                let fields = payload.additional_model_response_fields.0.unwrap_or_default();
                let reason = payload.stop_reason.filled().unwrap_or_default();
                match stop_of(reason, fields.stop_sequence.filled()) {
                    Ok(stop) => self.stop = Some(stop),
                    Err(failure) => self.fail(failure, sink),
                }
            }
            "metadata" => {
                self.usage = payload.usage.0.map(|it| it.normalised()).unwrap_or_default();
                // Nothing comes behind it.
                self.end(sink);
            }
            _ => {}
        }
    }

    fn start(&mut self, index: u64, start: &Start<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        self.close(sink);
        let at = |name: &str| format!("output.message.content[{index}].{name}");
        for (name, filled) in [("toolResult", start.tool_result), ("image", start.image)] {
            if filled.0 {
                losses.note(at(name), "has no counterpart");
                self.open = Some((index, Open::LeftOut));
            }
        }
        let Maybe(Some(call)) = &start.tool_use else { return };
        if call.r#type.filled().is_some() {
            losses.note(at("toolUse"), "is of a tool that only the provider has");
            self.open = Some((index, Open::LeftOut));
            return;
        }
        let text = |it| Text::filled(it).unwrap_or_default();
        let (id, name) = (text(&call.tool_use_id), text(&call.name));
        sink(Event::PartStart(Opening::ToolCall { id, name }));
        self.open = Some((index, Open::Call));
    }

    fn delta(&mut self, index: u64, delta: &Delta<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        if self.open == Some((index, Open::LeftOut)) {
            return;
        }
        if let Some(text) = delta.text.filled() {
            self.begin(index, Open::Text, sink);
            sink(Event::Delta(text));
        }
        if let Maybe(Some(thought)) = &delta.reasoning_content {
            if let Some(text) = thought.text.filled() {
                self.begin(index, Open::Thinking, sink);
                sink(Event::Delta(text));
            }
            if let Some(signature) = thought.signature.filled() {
                self.begin(index, Open::Thinking, sink);
                sink(Event::Sealed(own(signature)));
            }
            if let Some(hidden) = thought.redacted_content.filled() {
                self.close(sink);
                sink(Event::PartStart(Opening::Redacted(own(hidden))));
                sink(Event::PartEnd);
            }
        }
        if let Maybe(Some(more)) = &delta.tool_use {
            if self.open != Some((index, Open::Call)) {
                let why = "the provider's pieces of a tool call are out of order";
                return self.fail(failure::broken(why), sink);
            }
            if let Some(input) = more.input.filled() {
                sink(Event::Delta(input));
            }
        }
        if delta.citation.0 {
            let at = format!("output.message.content[{index}].citationsContent");
            losses.note(at, "its citations have no counterpart");
        }
    }

    fn begin(&mut self, index: u64, kind: Open, sink: &mut Sink<'_>) {
        if self.open == Some((index, kind)) {
            return;
        }
        self.close(sink);
        self.open = Some((index, kind));
        match kind {
            Open::Text => sink(Event::PartStart(Opening::Text)),
            Open::Thinking => sink(Event::PartStart(Opening::Thinking)),
            Open::Call | Open::LeftOut => {}
        }
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        match self.open.take() {
            Some((_, Open::Text | Open::Thinking | Open::Call)) => sink(Event::PartEnd),
            Some((_, Open::LeftOut)) | None => {}
        }
    }

    fn fail(&mut self, failure: Failure, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            sink(Event::Failed(failure));
        }
    }

    /// When the stream ends: a stop reason is enough, the usage may be missing.
    pub(in crate::translate) fn end(&mut self, sink: &mut Sink<'_>) {
        if self.ended {
            return;
        }
        let Some(stop) = self.stop.take() else { return self.fail(failure::cut_off(), sink) };
        self.ended = true;
        self.close(sink);
        sink(Event::Stop(stop));
        sink(Event::End(self.usage));
    }
}
