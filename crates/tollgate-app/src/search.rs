//! Reads what was said, off every call's path, so that it can be searched.
//!
//! The ledger keeps bodies as they were on the wire; words are looked for in what people read of them.
//! That text is made here, in small steps, when a call is in the ledger: of an older version's ledger
//! too, which is thereby read in the background after an upgrade.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tollgate_core::{Call, Operation};
use tollgate_ledger::{Bodies, LedgerError, SaidText, Unread};
use tollgate_wire::{
    coding,
    conversation::{self, Conversation, Message, Part},
};

use crate::App;

/// Bytes of a call's text that can be searched: the newest of it. What was said before stands in the
/// calls before, because clients send the whole history with each call.
pub(crate) const SEARCHED_BYTES_MAX: usize = 32 << 10;

/// Calls that are read in one step, and bytes of what was said in them.
const STEP_CALLS: usize = 32;
const STEP_BYTES: u64 = 8 << 20;

/// The shortest pause between two steps: calls that come one by one share one.
const STEP_EVERY: Duration = Duration::from_millis(500);

/// How long nothing is read after that failed.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The longest body that is read, as for people who look at one.
const BODY_READ_BYTES_MAX: usize = 4 << 20;

/// Reads whatever is new in the ledger, until it is stopped.
pub(crate) async fn follow(app: Arc<App>, stop: CancellationToken) {
    let mut progress = app.writer().progress();
    loop {
        progress.mark_unchanged();
        let began = Instant::now();
        let pause = match step(&app).await {
            // What is left has to wait as long as this took: half of a processor is enough.
            Ok(Step::More) => began.elapsed(),
            Ok(Step::Done) => {
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = progress.changed() => if changed.is_err() { return },
                }
                STEP_EVERY
            }
            Err(error) => {
                tracing::warn!(%error, "what was said cannot be made searchable");
                RETRY_AFTER
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    More,
    Done,
}

async fn step(app: &App) -> Result<Step, Box<dyn Error + Send + Sync>> {
    let reader = app.reader();
    let texts = tokio::task::spawn_blocking(move || {
        let unread = reader.unread(STEP_CALLS, STEP_BYTES)?;
        Ok::<_, LedgerError>(unread.iter().map(text_of_unread).collect::<Vec<_>>())
    });
    let texts = texts.await??;
    if texts.is_empty() {
        return Ok(Step::Done);
    }
    app.writer().index(texts).await?;
    Ok(Step::More)
}

fn text_of_unread(unread: &Unread) -> SaidText {
    let text = unread.bodies.as_ref().map(|it| text_of(&unread.call, it));
    SaidText { id: unread.call.id, text: text.unwrap_or_default() }
}

/// What people read of a call: prompts, answers, reasoning, tools' arguments and results. At most
/// [`SEARCHED_BYTES_MAX`] bytes, the newest of it, without control characters.
pub(crate) fn text_of(call: &Call, bodies: &Bodies) -> String {
    said_in(call, bodies).map(|it| newest_text(&it)).unwrap_or_default()
}

/// What was said in a call as messages; `None` where it is no conversation.
fn said_in(call: &Call, bodies: &Bodies) -> Option<Conversation> {
    let is_one = match call.operation {
        Operation::Generate | Operation::CountTokens | Operation::Embed => true,
        Operation::ListModels | Operation::Other => false,
    };
    let format = call.format.filter(|_| is_one)?;
    let encoding = bodies.response_content_encoding.as_deref();
    let answer = coding::decode(&bodies.response, encoding, BODY_READ_BYTES_MAX);
    let response = answer.unwrap_or_default();
    let request = &bodies.request;
    Some(conversation::conversation(conversation::Bodies { format, request, response: &response }))
}

fn newest_text(said: &Conversation) -> String {
    let (mut texts, mut room) = (Vec::new(), SEARCHED_BYTES_MAX);
    let parts = said.messages.iter().rev().flat_map(texts_of);
    for text in parts.filter(|it| !it.is_empty()) {
        let end = end_of(text, room);
        texts.push(end);
        // One byte for the line's end.
        room = room.saturating_sub(end.len() + 1);
        if room == 0 {
            break;
        }
    }
    texts.reverse();
    texts.join("\n").chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// The texts of a message, the last one first.
fn texts_of(message: &Message) -> impl Iterator<Item = &str> {
    message.parts.iter().rev().flat_map(|part| {
        let [first, second] = match part {
            Part::Text { text } | Part::Thinking { text } => [text.as_str(), ""],
            Part::ToolCall { name, arguments, .. } => [name.as_str(), arguments],
            Part::ToolResult { text, name, .. } => [name.as_deref().unwrap_or_default(), text],
            Part::Document { name, .. } => [name.as_deref().unwrap_or_default(), ""],
            Part::Image { .. } | Part::Other { .. } => ["", ""],
        };
        [second, first]
    })
}

/// The last bytes of a text, not more than so many, from where a character begins.
fn end_of(text: &str, bytes_max: usize) -> &str {
    let begin = text.len().saturating_sub(bytes_max);
    let begin = (begin..=text.len()).find(|it| text.is_char_boundary(*it));
    text.get(begin.unwrap_or(text.len())..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tollgate_wire::conversation::Role;

    use super::*;

    fn message(role: Role, parts: Vec<Part>) -> Message {
        Message { role, parts }
    }

    fn text(text: &str) -> Part {
        Part::Text { text: text.to_owned() }
    }

    #[test]
    fn what_people_read_is_the_text_in_the_order_of_the_conversation() {
        let tool = Part::ToolCall {
            id: None,
            name: "read_file".to_owned(),
            arguments: r#"{"path":"a.rs"}"#.to_owned(),
        };
        let result = Part::ToolResult {
            id: None,
            name: None,
            text: "fn main()\u{1b}[0m {}".to_owned(),
            is_error: false,
        };
        let picture = Part::Image { media_type: None, bytes: Some(7), url: None };
        let said = Conversation {
            messages: vec![
                message(Role::User, vec![text("look"), picture, text("here")]),
                message(Role::Assistant, vec![tool]),
                message(Role::Tool, vec![result]),
            ],
            ..Conversation::default()
        };
        let expected = "look here read_file {\"path\":\"a.rs\"} fn main() [0m {}";
        assert_eq!(newest_text(&said), expected);
    }

    #[test]
    fn of_a_long_conversation_the_newest_is_searched() {
        let messages = (0..10).map(|number| {
            message(
                Role::User,
                vec![text(&format!("{number} {}", "ü".repeat(SEARCHED_BYTES_MAX / 8)))],
            )
        });
        let said = Conversation { messages: messages.collect(), ..Conversation::default() };
        let newest = newest_text(&said);
        assert!(newest.len() <= SEARCHED_BYTES_MAX && newest.len() > SEARCHED_BYTES_MAX - 16);
        assert!(newest.contains("9 ü") && newest.contains("7 ü"));
        assert!(!newest.contains("5 ü"));
    }
}
