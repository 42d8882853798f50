//! Events of a streamed answer.

mod writer;

use serde::Deserialize;
use tollgate_core::Usage;

pub(in crate::translate) use self::writer::Writer;
use super::{
    answer::{Item, LOGPROBS_AT, NO_PICTURE, Piece, Response},
    sealed_thinking,
};
use crate::{
    fault::{Fault, FaultParts},
    ir::{Content, Event, Failure, Opening, Stop},
    lenient::{Count, Many, Maybe, Text},
    loss::Losses,
    translate::{
        Sink, failure,
        logprobs::{self, Token},
        open::Open,
    },
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    response: Maybe<Response<'a>>,
    #[serde(borrow)]
    item: Maybe<Item<'a>>,
    #[serde(borrow)]
    part: Maybe<Piece<'a>>,
    #[serde(borrow)]
    delta: Text<'a>,
    #[serde(borrow)]
    logprobs: Many<Token<'a>>,
    output_index: Count,
    summary_index: Count,
    #[serde(borrow)]
    error: Fault<'a>,
    /// Of a bare `error` event.
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    code: Text<'a>,
}

/// Reads events.
pub(in crate::translate) struct Reader {
    begun: bool,
    open: Open,
    /// Whether any token of the open text was scored.
    scored: bool,
    /// The item that the open call is, and whether any arguments came.
    index: Option<u64>,
    argued: bool,
    called: bool,
    ended: bool,
}

impl Reader {
    pub(in crate::translate) const fn new() -> Self {
        Self {
            begun: false,
            open: Open::Nothing,
            scored: false,
            index: None,
            argued: false,
            called: false,
            ended: false,
        }
    }

    pub(in crate::translate) fn event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        losses: &mut Losses,
        sink: &mut Sink<'_>,
    ) {
        let Ok(body) = serde_json::from_slice::<Body<'_>>(data) else {
            return self.fail(failure::not_json(), sink);
        };
        let name = name.and_then(|it| std::str::from_utf8(it).ok());
        let kind = body.r#type.filled().or(name).unwrap_or_default();
        if !self.begun && kind.starts_with("response.") {
            self.begun = true;
            let response = body.response.0.as_ref();
            let id = response.and_then(|it| it.id.filled());
            let model = response.and_then(|it| it.model.filled());
            sink(Event::Start { id, model, usage: Usage::default() });
        }
        match kind {
            "response.output_item.added" => self.added(&body, losses, sink),
            "response.output_item.done" => self.done(&body, losses, sink),
            "response.reasoning_summary_part.added" => {
                // Pieces of a summary are paragraphs.
                if body.summary_index.0.is_some_and(|it| it > 0) {
                    self.more(Open::Thinking, "\n\n", sink);
                }
            }
            "response.content_part.done" => {
                if let Some(part) = body.part.0 {
                    part.note_losses("output.content", losses);
                    // Some servers tell the scores only here.
                    let tokens = part.tokens(losses);
                    if self.open == Open::Text && !self.scored && !tokens.is_empty() {
                        sink(Event::Scored { text: "", tokens });
                    }
                }
            }
            "response.output_text.delta" => {
                let tokens = logprobs::read(&body.logprobs, LOGPROBS_AT, losses);
                if tokens.is_empty() {
                    self.delta(Open::Text, &body, sink);
                } else {
                    self.begin(Open::Text, sink);
                    self.scored = true;
                    let text = body.delta.filled().unwrap_or_default();
                    sink(Event::Scored { text, tokens });
                }
            }
            "response.refusal.delta" => self.delta(Open::Refusal, &body, sink),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.delta(Open::Thinking, &body, sink);
            }
            "response.function_call_arguments.delta" => self.arguments(&body, sink),
            "response.completed" | "response.incomplete" => {
                self.stop(&body.response.0.unwrap_or_default(), sink);
            }
            "response.failed" => {
                let response = body.response.0.unwrap_or_default();
                let told = response.error.0.as_ref().map(FaultParts::told);
                let broken = || failure::broken("the provider's answer failed");
                self.fail(told.map_or_else(broken, |it| failure::in_answer(&it)), sink);
            }
            "error" => {
                let bare =
                    FaultParts { message: body.message, code: body.code, ..FaultParts::default() };
                let told = body.error.0.unwrap_or(bare).told();
                self.fail(failure::in_answer(&told), sink);
            }
            _ => {
                // Servers that copy the format send the bare object of OpenAI chat.
                if let Fault(Some(fault)) = &body.error {
                    self.fail(failure::in_answer(&fault.told()), sink);
                }
            }
        }
    }

    fn added(&mut self, body: &Body<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        let Some(item) = &body.item.0 else { return };
        self.open.close(sink);
        match item.r#type.filled().unwrap_or_default() {
            "function_call" => {
                let text = |it| Text::filled(it).unwrap_or_default();
                let (id, name) = (text(&item.call_id), text(&item.name));
                sink(Event::PartStart(Opening::ToolCall { id, name }));
                self.open = Open::Tool;
                self.index = body.output_index.0;
                self.argued = false;
                self.called = true;
            }
            // They begin with their first piece: an empty one says nothing. A picture is told when it
            // is done.
            "message" | "reasoning" | "image_generation_call" => {}
            other => {
                let at = format!("output[{}]", body.output_index.0.unwrap_or(0));
                losses.note(at, format!("`{other}` is not known to the translation"));
            }
        }
    }

    fn done(&mut self, body: &Body<'_>, losses: &mut Losses, sink: &mut Sink<'_>) {
        let Some(item) = &body.item.0 else { return };
        match item.r#type.filled().unwrap_or_default() {
            // Some servers give the arguments only here.
            "function_call" if self.open == Open::Tool && !self.argued => {
                if let Some(arguments) = item.arguments.filled() {
                    sink(Event::Delta(arguments));
                }
            }
            "image_generation_call" => {
                self.open.close(sink);
                if let Some(source) = item.picture() {
                    sink(Event::PartStart(Opening::Image(&source)));
                    sink(Event::PartEnd);
                } else {
                    let index = body.output_index.0.unwrap_or(0);
                    losses.note(format!("output[{index}]"), NO_PICTURE);
                }
            }
            "reasoning" => {
                let id = item.id.filled().unwrap_or_default();
                let encrypted = item.encrypted_content.filled();
                match encrypted.map(|it| sealed_thinking(id, it, String::new())) {
                    Some(Content::Redacted(seal)) => {
                        self.open.close(sink);
                        sink(Event::PartStart(Opening::Redacted(seal)));
                        sink(Event::PartEnd);
                    }
                    Some(content) => {
                        self.begin(Open::Thinking, sink);
                        if let Some(seal) = content.seal() {
                            sink(Event::Sealed(seal.clone()));
                        }
                    }
                    None => {}
                }
            }
            _ => {}
        }
        self.open.close(sink);
    }

    fn delta(&mut self, kind: Open, body: &Body<'_>, sink: &mut Sink<'_>) {
        if let Some(text) = body.delta.filled() {
            self.more(kind, text, sink);
        }
    }

    fn more(&mut self, kind: Open, text: &str, sink: &mut Sink<'_>) {
        self.begin(kind, sink);
        sink(Event::Delta(text));
    }

    fn begin(&mut self, kind: Open, sink: &mut Sink<'_>) {
        if self.open.begin(kind, sink) {
            self.scored = false;
        }
    }

    fn arguments(&mut self, body: &Body<'_>, sink: &mut Sink<'_>) {
        let Some(text) = body.delta.filled() else { return };
        let same = body.output_index.0.is_none() || body.output_index.0 == self.index;
        if self.open == Open::Tool && same {
            self.argued = true;
            sink(Event::Delta(text));
        } else {
            self.fail(failure::broken("a tool call's fragments are out of order"), sink);
        }
    }

    fn stop(&mut self, response: &Response<'_>, sink: &mut Sink<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.open.close(sink);
        let usage = response.usage.0.as_ref().map(|it| it.normalised()).unwrap_or_default();
        let stop = response.stop();
        let stop = if self.called && stop == Stop::End { Stop::ToolUse } else { stop };
        sink(Event::Stop(stop));
        sink(Event::End(usage));
    }

    fn fail(&mut self, failure: Failure, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            sink(Event::Failed(failure));
        }
    }

    /// When the stream ends: it is complete only after its last event.
    pub(in crate::translate) fn end(&mut self, sink: &mut Sink<'_>) {
        self.fail(failure::cut_off(), sink);
    }
}
