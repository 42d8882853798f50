//! The client's stream, and what makes an answer fit the client.

use tollgate_core::Usage;

use super::room::Room;
use crate::{
    ir::{Answer, Event, Opening, PerChoice, Stop},
    loss::Losses,
    translate::{
        Client, GenerateConfig, GeneratePlan, anthropic, gemini, openai_chat, openai_responses,
    },
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
    fit: Fit,
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
        Self { writer, fit: Fit::new(config.plan), begun: false, ended: false, failed: false }
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
            | Event::Scored { .. }
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
        if let Some(event) = self.fit.event(event) {
            self.failed = matches!(event, Event::Failed(_));
            self.ended = self.failed || matches!(event, Event::End(_));
            self.writer.write(event, out);
        }
    }

    /// Whether the client was told an error.
    pub(super) const fn failed(&self) -> bool {
        self.failed || self.writer.failed()
    }

    /// What did not fit.
    pub(super) fn take_losses(&mut self) -> Losses {
        self.fit.take_losses()
    }
}

/// Makes an answer what the client asked for and has room for.
pub(super) struct Fit {
    json_tool: JsonTool,
    one_call: OneCall,
    room: Room,
}

impl Fit {
    pub(super) fn new(plan: &GeneratePlan) -> Self {
        Self {
            json_tool: JsonTool::new(plan.json_tool),
            one_call: OneCall::new(plan.functions),
            room: Room::new(plan),
        }
    }

    /// Whether an answer fits as it is, without a look at each of its events.
    pub(super) fn is_sure(plan: &GeneratePlan, answer: &Answer) -> bool {
        plan.json_tool.is_none() && !plan.functions && Room::is_sure(answer)
    }

    pub(super) fn event<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        let event = self.one_call.event(self.json_tool.event(event))?;
        self.room.event(event)
    }

    /// What did not fit.
    pub(super) fn take_losses(&mut self) -> Losses {
        let mut losses = std::mem::take(&mut self.room.losses);
        if self.one_call.left_out {
            let why = "the model called more than one, and `function_call` has room for one";
            losses.note("function_call", why);
        }
        losses
    }
}

/// Lets one call of each choice through, for clients that have room for no more.
#[derive(Default)]
struct OneCall {
    /// Whether there is room for one only.
    only_one: bool,
    choices: PerChoice<Calls>,
    /// Whether there were more.
    left_out: bool,
}

/// Whether a choice called a tool, and whether a further call is being left out.
#[derive(Default)]
struct Calls {
    called: bool,
    skipping: bool,
}

impl OneCall {
    fn new(only_one: bool) -> Self {
        Self { only_one, ..Self::default() }
    }

    fn event<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
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
            Event::Delta(_) | Event::Scored { .. } | Event::Sealed(_) => choice.skipping,
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
struct JsonTool {
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
    fn new(name: Option<&'static str>) -> Self {
        Self { name, ..Self::default() }
    }

    fn event<'a>(&mut self, event: Event<'a>) -> Event<'a> {
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
            | Event::Scored { .. }
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Ping
            | Event::Stop(_)
            | Event::End(_)
            | Event::Failed(_) => event,
        }
    }
}
