//! Several answers to one request, as the readers of streams tell them apart.

use super::{Sink, failure};
use crate::{
    ir::{Event, Failure, PerChoice, Stop},
    tap::End,
};

/// The numbers of the choices in a list. Servers leave out a zero, or number none of them.
pub(super) fn numbers(
    told: impl Iterator<Item = Option<u64>> + Clone,
) -> impl Iterator<Item = u64> {
    let numbered = told.clone().any(|it| it.is_some());
    told.zip(0..).map(move |(told, place)| told.unwrap_or(if numbered { 0 } else { place }))
}

/// The place of a choice. A number that was not asked for is malformed: the client has no room for
/// it, and nobody knows which of the others it stands for.
pub(super) fn place(number: u64, asked: usize) -> Result<usize, Failure> {
    let place = usize::try_from(number).ok().filter(|it| *it < asked);
    place.ok_or_else(|| failure::broken("the provider gave an answer that was not asked for"))
}

/// Turns to a choice and tells the sink, unless it is at hand.
pub(super) fn turn_to<T: Default>(choices: &mut PerChoice<T>, index: usize, sink: &mut Sink<'_>) {
    if index != choices.at() {
        choices.turn_to(index);
        sink(Event::Choice(index));
    }
}

/// Ends every choice. `close` ends what is open of one, and says why it stopped and whether it called
/// tools: some providers do not say that the tools are why.
pub(super) fn stop_all<T: Default>(
    choices: &mut PerChoice<T>,
    sink: &mut Sink<'_>,
    close: impl Fn(&mut T, &mut Sink<'_>) -> (Option<Stop>, bool),
) {
    for index in 0..choices.count() {
        turn_to(choices, index, sink);
        let (stop, called) = close(choices.now(), sink);
        let stop = stop.unwrap_or_default();
        sink(Event::Stop(if stop == Stop::End && called { Stop::ToolUse } else { stop }));
    }
}

/// Whether a stream's end is that of its answer: every choice has finished. One that nothing is known
/// of may be missing where the provider ended the stream itself.
pub(super) fn all_finished<T: Default>(
    choices: &PerChoice<T>,
    asked: usize,
    end: End,
    finished: impl Fn(&T) -> bool,
) -> bool {
    let whole = match end {
        End::Complete => true,
        End::Broken => choices.count() == asked,
    };
    whole && choices.iter().all(finished)
}
