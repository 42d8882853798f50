//! A JSON object that can be changed and written again with every other byte as it was.

use std::borrow::Cow;

use super::{Change, Effect};
use crate::{
    members::{Members, place},
    request::NotAnObject,
};

/// An object taken apart at its commas.
pub(super) struct Object<'a> {
    /// What stands before its first member, up to and with `{`.
    head: &'a str,
    members: Vec<Part<'a>>,
    /// What stands from `}` on.
    tail: &'a str,
}

/// One member.
struct Part<'a> {
    name: Cow<'a, str>,
    /// Its name as written, with the spaces and the colon up to its value.
    before: Cow<'a, str>,
    value: Cow<'a, str>,
    /// The spaces up to the comma or `}`.
    after: &'a str,
}

impl<'a> Object<'a> {
    pub(super) fn parse(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, NotAnObject> {
        let bytes = text.as_ref();
        let Members(members) = serde_json::from_slice(bytes)?;
        // What was parsed is UTF-8.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let open = text.find('{').map_or(0, |it| it + 1);
        let (head, mut rest) = text.split_at(open);
        let mut offset = open;
        let mut parts = Vec::with_capacity(members.len());
        for member in members {
            let at = place(bytes, member.value);
            let (before, behind) = rest.split_at_checked(at.start - offset).unwrap_or((rest, ""));
            let (value, behind) = behind.split_at_checked(at.len()).unwrap_or((behind, ""));
            let spaces = behind.find([',', '}']).unwrap_or(behind.len());
            let (after, behind) = behind.split_at(spaces);
            let comma = usize::from(behind.starts_with(','));
            rest = behind.get(comma..).unwrap_or_default();
            offset = at.end + spaces + comma;
            let (before, value) = (Cow::Borrowed(before), Cow::Borrowed(value));
            parts.push(Part { name: member.name, before, value, after });
        }
        Ok(Self { head, members: parts, tail: rest })
    }

    pub(super) fn render(&self) -> String {
        let parts = self.members.iter();
        let bytes = parts.map(|it| it.before.len() + it.value.len() + it.after.len() + 1);
        let bytes = bytes.sum::<usize>() + self.head.len() + self.tail.len();
        let mut out = String::with_capacity(bytes);
        out.push_str(self.head);
        for (at, part) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&part.before);
            out.push_str(&part.value);
            out.push_str(part.after);
        }
        out.push_str(self.tail);
        out
    }

    /// The last member of this name, the one that most parsers take.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.members.iter().rfind(|it| it.name == name);
        found.map(|it| it.value.as_ref())
    }

    /// Gives every member of this name the value, or adds one.
    pub(super) fn put(&mut self, name: &str, value: String) {
        let mut found = false;
        for it in self.members.iter_mut().filter(|it| it.name == name) {
            it.value = Cow::Owned(value.clone());
            found = true;
        }
        if !found {
            self.append(name, value);
        }
    }

    fn append(&mut self, name: &str, value: String) {
        self.members.push(Part {
            name: Cow::Owned(name.to_owned()),
            before: Cow::Owned(format!("{}:", quoted(name))),
            value: Cow::Owned(value),
            after: "",
        });
    }

    /// Changes the field that `path` leads to; where it leads through members that are not there,
    /// they are made if the field needs them.
    pub(super) fn change(&mut self, path: &[String], change: &Change<'_>) -> Effect {
        let [name, rest @ ..] = path else { return Effect::Unneeded };
        if rest.is_empty() && matches!(change, Change::Remove) {
            let before = self.members.len();
            self.members.retain(|it| it.name != *name);
            let changed = self.members.len() < before;
            return if changed { Effect::Changed } else { Effect::Unneeded };
        }
        let mut effect = None;
        for part in self.members.iter_mut().filter(|it| it.name == *name) {
            let (next, value) = changed(&part.value, rest, change);
            if let Some(value) = value {
                part.value = Cow::Owned(value);
            }
            effect = Some(match (effect, next) {
                (Some(Effect::Changed), _) | (_, Effect::Changed) => Effect::Changed,
                (None, next) => next,
                (Some(before), _) => before,
            });
        }
        if let Some(effect) = effect {
            return effect;
        }
        match change.when_absent() {
            Some(value) => {
                self.append(name, nested(rest, value));
                Effect::Changed
            }
            None => Effect::Unneeded,
        }
    }
}

/// What becomes of the value of a member that the path leads to, or through.
fn changed(value: &str, rest: &[String], change: &Change<'_>) -> (Effect, Option<String>) {
    if rest.is_empty() {
        return match change.of(value) {
            Ok(Some(value)) => (Effect::Changed, Some(value)),
            Ok(None) => (Effect::Unneeded, None),
            Err(why) => (Effect::Impossible(why), None),
        };
    }
    if value == "null" {
        let made = change.when_absent().map(|it| nested(rest, it));
        let effect = if made.is_some() { Effect::Changed } else { Effect::Unneeded };
        return (effect, made);
    }
    let Ok(mut inner) = Object::parse(value) else {
        return (Effect::Impossible("it lies in what is not an object"), None);
    };
    let effect = inner.change(rest, change);
    (effect, (effect == Effect::Changed).then(|| inner.render()))
}

/// `value` inside of an object for every name.
fn nested(names: &[String], value: String) -> String {
    names.iter().rev().fold(value, |value, name| format!("{{{}:{value}}}", quoted(name)))
}

/// The text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
