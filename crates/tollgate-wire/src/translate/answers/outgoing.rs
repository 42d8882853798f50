//! The client's stream, and the tool that stands for a prescribed shape made text again.

use tollgate_core::Usage;

use super::collect::{self, Collector};
use crate::{
    ir::{Answer, Event, Opening, Stop},
    translate::{Client, GenerateConfig, anthropic, gemini, openai_chat, openai_responses},
};

/// A format's writer of streams.
enum Writer {
    Chat(openai_chat::stream::Writer),
    Anthropic(anthropic::stream::Writer),
    Gemini(gemini::stream::Writer),
    Responses(openai_responses::stream::Writer),
}

impl Writer {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Chat(writer) => writer.write(event, out),
            Self::Anthropic(writer) => writer.write(event, out),
            Self::Gemini(writer) => writer.write(event, out),
            Self::Responses(writer) => writer.write(event, out),
        }
    }
}

/// The client's stream so far.
pub(in crate::translate) struct Writing {
    writer: Writer,
    json_tool: JsonTool,
    one_call: OneCall,
    begun: bool,
    ended: bool,
}

impl Writing {
    pub(in crate::translate) fn new(config: &GenerateConfig<'_>) -> Self {
        let writer = match config.plan.client {
            Client::Chat => Writer::Chat(openai_chat::stream::Writer::new(config)),
            Client::Anthropic => Writer::Anthropic(anthropic::stream::Writer::new(config)),
            Client::Gemini => Writer::Gemini(gemini::stream::Writer::new(config)),
            Client::Responses => Writer::Responses(openai_responses::stream::Writer::new(config)),
        };
        let json_tool = JsonTool::new(config.plan.json_tool);
        let one_call = OneCall::new(config.plan.functions);
        Self { writer, json_tool, one_call, begun: false, ended: false }
    }

    /// Nothing comes after the end, and only signs of life and errors before the beginning, whatever
    /// the provider does.
    pub(in crate::translate) fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let begins = match &event {
            Event::Start { .. } if self.begun => return,
            Event::Start { .. } => {
                self.begun = true;
                false
            }
            Event::PartStart(_)
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Stop { .. } => !std::mem::replace(&mut self.begun, true),
            Event::Ping | Event::Failed(_) => false,
        };
        if begins {
            let start = Event::Start { id: None, model: None, usage: Usage::default() };
            self.writer.write(start, out);
        }
        self.ended = matches!(event, Event::Stop { .. } | Event::Failed(_));
        let event = self.one_call.event(self.json_tool.event(event));
        if let Some(event) = event {
            self.writer.write(event, out);
        }
    }

    pub(super) const fn left_out_calls(&self) -> bool {
        self.one_call.left_out
    }
}

/// Lets one call through, for clients that have room for no more in an answer.
#[derive(Clone, Copy, Default)]
pub(super) struct OneCall {
    /// Whether there is room for one only.
    only_one: bool,
    called: bool,
    skipping: bool,
    /// Whether there were more.
    pub(super) left_out: bool,
}

impl OneCall {
    pub(super) const fn new(only_one: bool) -> Self {
        Self { only_one, called: false, skipping: false, left_out: false }
    }

    pub(super) fn event<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        match &event {
            Event::PartStart(Opening::ToolCall { .. }) if self.only_one => {
                self.skipping = std::mem::replace(&mut self.called, true);
                self.left_out |= self.skipping;
            }
            Event::PartEnd if self.skipping => {
                self.skipping = false;
                return None;
            }
            Event::Start { .. }
            | Event::PartStart(_)
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Ping
            | Event::Stop { .. }
            | Event::Failed(_) => {}
        }
        (!self.skipping).then_some(event)
    }
}

/// Makes the call of the tool that stands for a prescribed shape the text that the client wants.
#[derive(Clone, Copy, Default)]
pub(super) struct JsonTool {
    /// `None`: there is no such tool.
    name: Option<&'static str>,
    called: bool,
    others_called: bool,
}

impl JsonTool {
    pub(super) const fn new(name: Option<&'static str>) -> Self {
        Self { name, called: false, others_called: false }
    }

    pub(super) fn event<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        let Some(tool) = self.name else { return event };
        match event {
            Event::PartStart(Opening::ToolCall { name, .. }) if name == tool => {
                self.called = true;
                Event::PartStart(Opening::Text)
            }
            Event::PartStart(Opening::ToolCall { .. }) => {
                self.others_called = true;
                event
            }
            Event::Stop { stop: Stop::ToolUse, usage } if self.called && !self.others_called => {
                Event::Stop { stop: Stop::End, usage }
            }
            Event::Start { .. }
            | Event::PartStart(_)
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Ping
            | Event::Stop { .. }
            | Event::Failed(_) => event,
        }
    }
}

/// The same for a whole answer: it is played through the events.
pub(super) fn without_json_tool(answer: Answer, json_tool: Option<&'static str>) -> Answer {
    if json_tool.is_none() {
        return answer;
    }
    let mut tool = JsonTool::new(json_tool);
    let mut collector = Collector::default();
    collect::replay(&answer, &mut |event| collector.event(tool.event(event)));
    collector.into_answer().unwrap_or(answer)
}
