//! A conversation as the stricter formats want it: turns that alternate and begin with the user's,
//! instructions in front, results beside their calls.

use std::collections::HashMap;

use crate::{
    ir::{Content, Part, Prompt, Role, Turn},
    loss::Losses,
};

/// What the user says where a format wants a turn of the user's and there is none.
const FILLER: &str = "(continue)";

/// Moves instructions from the middle of the conversation to the others in front, for formats that
/// know no other place. Their authority matters more than their place.
pub(super) fn hoist_system(prompt: &mut Prompt, losses: &mut Losses) {
    let turns = std::mem::take(&mut prompt.turns);
    for turn in turns {
        if turn.role == Role::System {
            losses
                .note(&turn.at, "was moved to the system prompt: the provider has no other place");
            prompt.system.extend(turn.parts);
        } else {
            prompt.turns.push(turn);
        }
    }
}

/// Has the user show the pictures that the assistant made, for formats whose assistant can show none.
pub(super) fn hand_over_pictures(prompt: &mut Prompt, losses: &mut Losses) {
    let mut turns = Vec::with_capacity(prompt.turns.len());
    for mut turn in std::mem::take(&mut prompt.turns) {
        let is_picture = |it: &Part| matches!(it.content, Content::Image(_));
        if turn.role != Role::Assistant || !turn.parts.iter().any(is_picture) {
            turns.push(turn);
            continue;
        }
        let (made, rest): (Vec<_>, Vec<_>) = turn.parts.into_iter().partition(is_picture);
        for picture in &made {
            losses.note(&picture.at, "was put into a turn of the user's after the assistant's");
        }
        let at = turn.at.clone();
        turn.parts = rest;
        turns.push(turn);
        let told = std::iter::once(Part::text("", HANDED_OVER));
        turns.push(Turn { role: Role::User, at, parts: told.chain(made).collect() });
    }
    prompt.turns = turns;
}

/// What is said before pictures that the assistant made.
const HANDED_OVER: &str = "What you made:";

/// Whether a provider takes texts of nothing but white space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blanks {
    Taken,
    Refused,
}

/// Leaves out empty texts, which say nothing and which Anthropic refuses, joins turns of one role,
/// and puts a turn of the user's in front where there is none.
pub(super) fn alternate(prompt: &mut Prompt, blanks: Blanks, losses: &mut Losses) {
    let mut said = |it: &Part| match it.as_text() {
        Some("") => false,
        Some(text) if blanks == Blanks::Refused && text.trim().is_empty() => {
            losses.note(&it.at, "is nothing but white space, which the provider refuses");
            false
        }
        Some(_) | None => true,
    };
    prompt.system.retain(&mut said);
    let mut turns: Vec<Turn> = Vec::new();
    for mut turn in std::mem::take(&mut prompt.turns) {
        turn.parts.retain(&mut said);
        match turns.last_mut() {
            Some(last) if last.role == turn.role => last.parts.extend(turn.parts),
            _ if turn.parts.is_empty() => {}
            _ => turns.push(turn),
        }
    }
    if turns.first().is_none_or(|it| it.role == Role::Assistant) {
        losses
            .note(prompt.turns_at, "does not begin with the user: an empty turn was put in front");
        let parts = vec![Part::text("", FILLER)];
        turns.insert(0, Turn { role: Role::User, at: String::new(), parts });
    }
    prompt.turns = turns;
}

/// Puts tool results before the rest of their turn, in the order of the calls before them: Anthropic
/// wants them in front, and Gemini's calls without ids are matched by their place.
pub(super) fn results_first(prompt: &mut Prompt) {
    let mut order: HashMap<String, usize> = HashMap::new();
    for turn in &mut prompt.turns {
        for part in &turn.parts {
            if let Content::ToolCall(call) = &part.content {
                let next = order.len();
                order.entry(call.id.clone()).or_insert(next);
            }
        }
        turn.parts.sort_by_key(|it| {
            let Content::ToolResult(result) = &it.content else { return (1, 0) };
            (0, order.get(&result.call_id).copied().unwrap_or(usize::MAX))
        });
    }
}

/// The names of the tools that were called, by the ids of the calls.
pub(super) fn called_names(prompt: &Prompt) -> HashMap<String, String> {
    let parts = prompt.turns.iter().flat_map(|it| &it.parts);
    let calls = parts.filter_map(|it| {
        let Content::ToolCall(call) = &it.content else { return None };
        Some((call.id.clone(), call.name.clone()))
    });
    calls.collect()
}

/// The calls so far, for ids that a format lets be left out, or has none of.
#[derive(Default)]
pub(super) struct Calls {
    /// Name, id and whether a result came, in order.
    made: Vec<(String, String, bool)>,
}

impl Calls {
    /// The id of the next call. A made-up one is the call's number in the conversation, so it stays
    /// the same as the conversation grows.
    pub(super) fn call(&mut self, name: &str, id: Option<String>) -> String {
        let id = id.filter(|it| !it.is_empty());
        let id = id.unwrap_or_else(|| format!("call_{}", self.made.len()));
        self.made.push((name.to_owned(), id.clone(), false));
        id
    }

    /// The id of the call that a result is for: the one it names, else the first call of the tool
    /// that has no result yet.
    pub(super) fn result(&mut self, name: &str, id: Option<String>) -> Option<String> {
        let id = id.filter(|it| !it.is_empty());
        let found = self.made.iter_mut().find(|(called, its_id, answered)| match &id {
            Some(id) => its_id == id,
            None => called == name && !*answered,
        });
        match found {
            Some((_, its_id, answered)) => {
                *answered = true;
                Some(its_id.clone())
            }
            None => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{ToolCall, ToolResult};

    fn turn(role: Role, texts: &[&str]) -> Turn {
        let parts = texts.iter().map(|it| Part::text("", *it)).collect();
        Turn { role, at: "x".to_owned(), parts }
    }

    fn texts(prompt: &Prompt) -> Vec<Vec<&str>> {
        let turns = prompt.turns.iter();
        turns.map(|it| it.parts.iter().filter_map(Part::as_text).collect()).collect()
    }

    #[test]
    fn turns_of_one_role_are_joined_and_empty_ones_left_out() {
        let mut prompt = Prompt {
            turns_at: "messages",
            turns: vec![
                turn(Role::Assistant, &["hello"]),
                turn(Role::User, &["a", " "]),
                turn(Role::Assistant, &[""]),
                turn(Role::User, &["b"]),
            ],
            ..Prompt::default()
        };
        let mut losses = Losses::default();
        let mut other = prompt.clone();
        alternate(&mut prompt, Blanks::Refused, &mut losses);
        assert_eq!(texts(&prompt), [vec![FILLER], vec!["hello"], vec!["a", "b"]]);
        assert_eq!(losses.into_vec().len(), 2, "the blank text and the missing turn");
        alternate(&mut other, Blanks::Taken, &mut Losses::default());
        assert_eq!(texts(&other), [vec![FILLER], vec!["hello"], vec!["a", " ", "b"]]);
    }

    #[test]
    fn a_prompt_of_instructions_alone_gets_a_turn() {
        let mut prompt = Prompt::default();
        alternate(&mut prompt, Blanks::Refused, &mut Losses::default());
        assert_eq!(texts(&prompt), [[FILLER]]);
    }

    #[test]
    fn results_come_first_in_the_order_of_their_calls() {
        let call = |id: &str| {
            let call =
                ToolCall { id: id.to_owned(), name: String::new(), arguments: String::new() };
            Part::new("", Content::ToolCall(call))
        };
        let result = |id: &str| {
            let call_id = id.to_owned();
            let result = ToolResult { call_id, name: None, parts: Vec::new(), is_error: false };
            Part::new("", Content::ToolResult(result))
        };
        let mut prompt = Prompt {
            turns: vec![
                Turn {
                    role: Role::Assistant,
                    at: String::new(),
                    parts: vec![call("b"), call("a")],
                },
                Turn {
                    role: Role::User,
                    at: String::new(),
                    parts: vec![Part::text("", "t"), result("a"), result("b")],
                },
            ],
            ..Prompt::default()
        };
        results_first(&mut prompt);
        let parts = &prompt.turns[1].parts;
        assert_eq!(*parts, [result("b"), result("a"), Part::text("", "t")]);
        assert_eq!(called_names(&prompt).get("a"), Some(&"".to_owned()));
    }
}
