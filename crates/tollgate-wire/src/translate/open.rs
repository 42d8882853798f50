//! The part of an answer that is open while a stream is read.

use super::Sink;
use crate::ir::{Event, Opening};

/// What the open part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Open {
    #[default]
    Nothing,
    Text,
    Thinking,
    Refusal,
    Tool,
}

impl Open {
    /// Sees to it that a part of this kind is open; whether it was not. A call begins by itself, for
    /// it has a name.
    pub(super) fn begin(&mut self, kind: Self, sink: &mut Sink<'_>) -> bool {
        if *self == kind {
            return false;
        }
        self.close(sink);
        *self = kind;
        match kind {
            Self::Text => sink(Event::PartStart(Opening::Text)),
            Self::Thinking => sink(Event::PartStart(Opening::Thinking)),
            Self::Refusal => sink(Event::PartStart(Opening::Refusal)),
            Self::Nothing | Self::Tool => {}
        }
        true
    }

    pub(super) fn close(&mut self, sink: &mut Sink<'_>) {
        if std::mem::take(self) != Self::Nothing {
            sink(Event::PartEnd);
        }
    }
}
