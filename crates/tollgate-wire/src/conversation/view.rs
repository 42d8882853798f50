//! Builds messages within the limits.

use serde_json::{Map, Value};

use super::{CONVERSATION_BYTES_MAX, Message, PARAM_BYTES_MAX, Part, Role, TEXT_BYTES_MAX};

/// What a part costs besides its text, so that a million empty parts end too.
const PART_BYTES: usize = 64;

/// Messages, as many as the limit lets through.
pub(super) struct View {
    pub(super) messages: Vec<Message>,
    pub(super) cut: bool,
    bytes_left: usize,
}

impl View {
    pub(super) const fn new() -> Self {
        Self { messages: Vec::new(), cut: false, bytes_left: CONVERSATION_BYTES_MAX }
    }

    /// Begins a message; it is left out again if nothing is said in it.
    pub(super) fn begin(&mut self, role: Role) {
        self.end();
        self.messages.push(Message { role, parts: Vec::new() });
    }

    /// Begins one of so many answers. Of several each stays, even if nothing is said in it.
    pub(super) fn begin_answer(&mut self, of: usize) {
        if of < 2 {
            return self.begin(Role::Assistant);
        }
        match self.bytes_left.checked_sub(PART_BYTES) {
            Some(left) => {
                self.bytes_left = left;
                self.messages.push(Message { role: Role::Assistant, parts: Vec::new() });
            }
            None => self.cut = true,
        }
    }

    /// Ends the last of so many answers.
    pub(super) fn end_answers(&mut self, of: usize) {
        if of < 2 {
            self.end();
        }
    }

    /// Begins a message unless the last one has this role.
    pub(super) fn go_on(&mut self, role: Role) {
        if self.messages.last().is_none_or(|it| it.role != role) {
            self.begin(role);
        }
    }

    /// Takes an empty last message away.
    pub(super) fn end(&mut self) {
        if self.messages.last().is_some_and(|it| it.parts.is_empty()) {
            self.messages.pop();
        }
    }

    pub(super) fn part(&mut self, part: Part) {
        let part = match part {
            Part::Text { text } => Part::Text { text: self.fitted(text) },
            Part::Thinking { text } => Part::Thinking { text: self.fitted(text) },
            Part::ToolCall { id, name, arguments } => {
                Part::ToolCall { id, name, arguments: self.fitted(arguments) }
            }
            Part::ToolResult { id, name, text, is_error } => {
                Part::ToolResult { id, name, text: self.fitted(text), is_error }
            }
            Part::Image { media_type, bytes, url } => {
                Part::Image { media_type, bytes, url: url.map(|it| self.fitted(it)) }
            }
            Part::Document { media_type, bytes, name } => {
                Part::Document { media_type, bytes, name: name.map(|it| self.fitted(it)) }
            }
            Part::Other { of, json } => Part::Other { of, json: self.fitted(json) },
        };
        match self.bytes_left.checked_sub(PART_BYTES) {
            Some(left) => {
                self.bytes_left = left;
                if let Some(message) = self.messages.last_mut() {
                    message.parts.push(part);
                }
            }
            None => self.cut = true,
        }
    }

    /// A text part, unless the text is empty.
    pub(super) fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.part(Part::Text { text: text.to_owned() });
        }
    }

    /// A thinking part, unless the text is empty.
    pub(super) fn thinking(&mut self, text: &str) {
        if !text.is_empty() {
            self.part(Part::Thinking { text: text.to_owned() });
        }
    }

    /// What a message says: one text, or a list whose elements `part` shows.
    pub(super) fn content(&mut self, content: Option<&Value>, part: impl Fn(&Value, &mut Self)) {
        if let Some(said) = content.and_then(Value::as_str) {
            self.text(said);
        }
        for it in content.and_then(Value::as_array).into_iter().flatten() {
            part(it, self);
        }
    }

    /// A part that has no shape of its own here.
    pub(super) fn other(&mut self, of: &str, value: &Value) {
        self.part(Part::Other { of: of.to_owned(), json: value.to_string() });
    }

    fn fitted(&mut self, mut text: String) -> String {
        let room = self.bytes_left.min(TEXT_BYTES_MAX);
        if text.len() > room {
            text.truncate(text.floor_char_boundary(room));
            self.cut = true;
        }
        self.bytes_left = self.bytes_left.saturating_sub(text.len());
        text
    }
}

/// The members that are no part of the prompt, and whether one was left out for its length.
pub(super) fn params(request: &Value, prompt_members: &[&str]) -> (Map<String, Value>, bool) {
    let mut params = Map::new();
    let mut cut = false;
    for (name, value) in request.as_object().into_iter().flatten() {
        if prompt_members.contains(&name.as_str()) {
            continue;
        }
        if value.to_string().len() > PARAM_BYTES_MAX {
            cut = true;
        } else {
            params.insert(name.clone(), value.clone());
        }
    }
    (params, cut)
}
