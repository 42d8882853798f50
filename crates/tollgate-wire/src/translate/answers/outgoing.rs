//! The client's stream, and the tool that stands for a prescribed shape made text again.

use tollgate_core::Usage;

use crate::{
    ir::{Event, Opening, PerChoice, Stop},
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

    /// Whether the client was told an error that the writer found itself.
    const fn failed(&self) -> bool {
        match self {
            Self::Chat(_) | Self::Anthropic(_) => false,
            Self::Gemini(writer) => writer.failed,
            Self::Responses(writer) => writer.failed,
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
    failed: bool,
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
        Self { writer, json_tool, one_call, begun: false, ended: false, failed: false }
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
            Event::Choice(_)
            | Event::PartStart(_)
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Stop(_)
            | Event::End(_) => !std::mem::replace(&mut self.begun, true),
            Event::Ping | Event::Failed(_) => false,
        };
        if begins {
            let start = Event::Start { id: None, model: None, usage: Usage::default() };
            self.writer.write(start, out);
        }
        self.failed = matches!(event, Event::Failed(_));
        self.ended = self.failed || matches!(event, Event::End(_));
        let event = self.one_call.event(self.json_tool.event(event));
        if let Some(event) = event {
            self.writer.write(event, out);
        }
    }

    /// Whether the client was told an error.
    pub(super) const fn failed(&self) -> bool {
        self.failed || self.writer.failed()
    }

    pub(super) const fn left_out_calls(&self) -> bool {
        self.one_call.left_out
    }
}

/// Lets one call of each choice through, for clients that have room for no more.
#[derive(Default)]
pub(super) struct OneCall {
    /// Whether there is room for one only.
    only_one: bool,
    choices: PerChoice<Calls>,
    /// Whether there were more.
    pub(super) left_out: bool,
}

/// Whether a choice called a tool, and whether a further call is being left out.
#[derive(Default)]
struct Calls {
    called: bool,
    skipping: bool,
}

impl OneCall {
    pub(super) fn new(only_one: bool) -> Self {
        Self { only_one, ..Self::default() }
    }

    pub(super) fn event<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        if !self.only_one {
            return Some(event);
        }
        let choice = self.choices.now();
        let left_out = match &event {
            Event::Choice(index) => {
                self.choices.turn_to(*index);
                false
            }
            Event::PartStart(Opening::ToolCall { .. }) => {
                choice.skipping = std::mem::replace(&mut choice.called, true);
                self.left_out |= choice.skipping;
                choice.skipping
            }
            Event::Delta(_) | Event::Sealed(_) => choice.skipping,
            Event::PartEnd => std::mem::take(&mut choice.skipping),
            Event::Start { .. }
            | Event::PartStart(_)
            | Event::Ping
            | Event::Stop(_)
            | Event::End(_)
            | Event::Failed(_) => false,
        };
        (!left_out).then_some(event)
    }
}

/// Makes the call of the tool that stands for a prescribed shape the text that the client wants.
#[derive(Default)]
pub(super) struct JsonTool {
    /// `None`: there is no such tool.
    name: Option<&'static str>,
    choices: PerChoice<Called>,
}

/// What a choice called.
#[derive(Default)]
struct Called {
    tool: bool,
    others: bool,
}

impl JsonTool {
    pub(super) fn new(name: Option<&'static str>) -> Self {
        Self { name, ..Self::default() }
    }

    pub(super) fn event<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        let Some(tool) = self.name else { return event };
        let called = self.choices.now();
        match event {
            Event::Choice(index) => {
                self.choices.turn_to(index);
                event
            }
            Event::PartStart(Opening::ToolCall { name, .. }) if name == tool => {
                called.tool = true;
                Event::PartStart(Opening::Text)
            }
            Event::PartStart(Opening::ToolCall { .. }) => {
                called.others = true;
                event
            }
            Event::Stop(Stop::ToolUse) if called.tool && !called.others => Event::Stop(Stop::End),
            Event::Start { .. }
            | Event::PartStart(_)
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Ping
            | Event::Stop(_)
            | Event::End(_)
            | Event::Failed(_) => event,
        }
    }
}
