//! Answers put together from events, and taken apart into them.

use tollgate_core::Usage;

use super::{GenerateConfig, outgoing::Fit};
use crate::{
    ir::{Answer, Content, Event, Failure, Opening, Part, ScoredToken, Thinking, ToolCall},
    loss::Losses,
    translate::{Sink, failure, logprobs},
};

/// Puts an answer together: as it is, or as it fits the client.
#[derive(Default)]
pub(super) struct Collector {
    answer: Answer,
    fit: Option<Fit>,
    bytes: usize,
    end: Option<Result<(), Failure>>,
}

impl Collector {
    pub(super) fn fitting(config: &GenerateConfig<'_>) -> Self {
        Self { fit: Some(Fit::new(config.plan)), ..Self::default() }
    }

    pub(super) fn event(&mut self, event: Event<'_>) {
        if self.end.is_some() {
            return;
        }
        let event = match &mut self.fit {
            Some(fit) => fit.event(event),
            None => Some(event),
        };
        let Some(event) = event else { return };
        match event {
            Event::Start { id, model, usage } => {
                self.answer.id = id.map(str::to_owned);
                self.answer.model = model.map(str::to_owned);
                self.answer.usage = usage;
            }
            Event::Choice(index) => self.answer.choices.turn_to(index),
            Event::PartStart(opening) => {
                if let Opening::Image(source) = opening {
                    self.hold(source.bytes());
                }
                self.answer.choices.now().parts.push(Part::new("", begun(opening)));
            }
            Event::Delta(text) => self.more(text, Vec::new()),
            Event::Scored { text, tokens } => self.more(text, tokens),
            Event::Sealed(seal) => {
                if let Some(Part { content: Content::Thinking(thinking), .. }) =
                    self.answer.choices.now().parts.last_mut()
                {
                    thinking.signature = Some(seal);
                }
            }
            Event::PartEnd | Event::Ping => {}
            Event::Stop(stop) => self.answer.choices.now().stop = stop,
            Event::End(usage) => {
                self.answer.usage = usage;
                self.end = Some(Ok(()));
            }
            Event::Failed(failure) => self.end = Some(Err(failure)),
        }
    }

    fn more(&mut self, text: &str, tokens: Vec<ScoredToken>) {
        self.hold(text.len().saturating_add(logprobs::memory(&tokens)));
        let Some(part) = self.answer.choices.now().parts.last_mut() else { return };
        part.tokens.extend(tokens);
        match &mut part.content {
            Content::Text(held) | Content::Refusal(held) => held.push_str(text),
            Content::Thinking(thinking) => thinking.text.push_str(text),
            Content::ToolCall(call) => call.arguments.push_str(text),
            Content::Image(_)
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolResult(_)
            | Content::Redacted(_) => {}
        }
    }

    /// Counts what is held; too much of it is the end.
    fn hold(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > super::ANSWER_BYTES_MAX {
            self.end = Some(Err(failure::broken("the provider's answer is too long")));
        }
    }

    /// What did not fit.
    pub(super) fn take_losses(&mut self) -> Losses {
        self.fit.as_mut().map(Fit::take_losses).unwrap_or_default()
    }

    pub(super) fn into_answer(self) -> Result<Answer, Failure> {
        self.end.unwrap_or_else(|| Err(failure::cut_off()))?;
        Ok(self.answer)
    }
}

fn begun(opening: Opening<'_>) -> Content {
    match opening {
        Opening::Text => Content::Text(String::new()),
        Opening::Refusal => Content::Refusal(String::new()),
        Opening::Thinking => Content::Thinking(Thinking { text: String::new(), signature: None }),
        Opening::Redacted(seal) => Content::Redacted(seal),
        Opening::Image(source) => Content::Image(source.clone()),
        Opening::ToolCall { id, name } => Content::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
        }),
    }
}

/// Takes an answer apart.
pub(super) fn replay(answer: &Answer, sink: &mut Sink<'_>) {
    let (id, model) = (answer.id.as_deref(), answer.model.as_deref());
    sink(Event::Start { id, model, usage: Usage { output: None, ..answer.usage } });
    for (index, choice) in answer.choices.iter().enumerate() {
        if index > 0 {
            sink(Event::Choice(index));
        }
        choice.parts.iter().for_each(|it| replay_part(it, sink));
        sink(Event::Stop(choice.stop.clone()));
    }
    sink(Event::End(answer.usage));
}

fn replay_part(part: &Part, sink: &mut Sink<'_>) {
    let (opening, text, seal) = match &part.content {
        Content::Text(text) => (Opening::Text, text.as_str(), None),
        Content::Refusal(text) => (Opening::Refusal, text.as_str(), None),
        Content::Thinking(it) => (Opening::Thinking, it.text.as_str(), it.signature.clone()),
        Content::Redacted(seal) => (Opening::Redacted(seal.clone()), "", None),
        Content::ToolCall(call) => {
            let opening = Opening::ToolCall { id: &call.id, name: &call.name };
            (opening, call.arguments.as_str(), None)
        }
        Content::Image(source) => (Opening::Image(source), "", None),
        // Readers of answers make none of these.
        Content::Document { .. } | Content::Audio { .. } | Content::ToolResult(_) => return,
    };
    sink(Event::PartStart(opening));
    if !part.tokens.is_empty() {
        sink(Event::Scored { text, tokens: part.tokens.clone() });
    } else if !text.is_empty() {
        sink(Event::Delta(text));
    }
    if let Some(seal) = seal {
        sink(Event::Sealed(seal));
    }
    sink(Event::PartEnd);
}
