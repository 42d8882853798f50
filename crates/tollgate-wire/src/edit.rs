//! Changes of a request's body in the client's own format, every other byte as it was.
//!
//! A body is taken apart only as far as an [`Edit`] reaches: members that no edit names keep their
//! bytes, spaces included, and a body that no edit changes is not made anew. Where members are given
//! twice, each is changed, so that it does not matter which one the provider reads.

mod object;
mod system;

use std::{fmt, str::FromStr};

use bytes::Bytes;
use serde_json::{Number, Value};
use tollgate_core::{Format, Operation};

use self::object::Object;
use crate::request::NotAnObject;

/// The most members that a [`FieldPath`] leads through: deeper than any field of any format.
pub const FIELD_PATH_DEPTH_MAX: usize = 8;

/// Where a field stands in a request: the names of members from the outermost on. It does not lead
/// into lists. `FromStr` and `Display` part the names by `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// The outermost member.
    #[must_use]
    pub fn root(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

/// A text is no [`FieldPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a field: use names parted by `.`, at most {FIELD_PATH_DEPTH_MAX}")]
pub struct NotAField;

impl FromStr for FieldPath {
    type Err = NotAField;

    fn from_str(text: &str) -> Result<Self, NotAField> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names.len() > FIELD_PATH_DEPTH_MAX || names.iter().any(String::is_empty) {
            return Err(NotAField);
        }
        Ok(Self(names))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// One change of a request's body.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// The field gets this value, whatever it had.
    Set(FieldPath, Value),
    /// The field gets this value if it is absent or `null`.
    Default(FieldPath, Value),
    /// The field gets this value if it is a greater number.
    Cap(FieldPath, Number),
    /// The field goes.
    Remove(FieldPath),
    /// A text before the system prompt.
    SystemPrefix(String),
    /// A text behind the system prompt.
    SystemSuffix(String),
}

/// What became of an [`Edit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The body is another.
    Changed,
    /// The body was as it should be.
    Unneeded,
    /// The body has no place for it, for this reason.
    Impossible(&'static str),
}

/// A body after its edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The new body; `None`: no edit changed it.
    pub body: Option<Bytes>,
    /// What became of each edit, in their order.
    pub effects: Vec<Effect>,
}

/// Makes the edits in their order, each on what the ones before it left. `operation` says what the
/// body asks for: a system prompt stands elsewhere, or nowhere, in other requests than generating.
///
/// # Errors
///
/// The body is not one JSON object.
pub fn edit<'a>(
    body: &Bytes,
    format: Format,
    operation: Operation,
    edits: impl IntoIterator<Item = &'a Edit>,
) -> Result<Edited, NotAnObject> {
    let mut object = Object::parse(body)?;
    let mut effects = Vec::new();
    for edit in edits {
        effects.push(match edit {
            Edit::Set(path, value) => object.change(&path.0, &Change::Set(value)),
            Edit::Default(path, value) => object.change(&path.0, &Change::Default(value)),
            Edit::Cap(path, max) => object.change(&path.0, &Change::Cap(max)),
            Edit::Remove(path) => object.change(&path.0, &Change::Remove),
            Edit::SystemPrefix(text) => {
                system::add(&mut object, format, operation, system::Text::Before(text))
            }
            Edit::SystemSuffix(text) => {
                system::add(&mut object, format, operation, system::Text::Behind(text))
            }
        });
    }
    let body = effects.contains(&Effect::Changed).then(|| object.render().into());
    Ok(Edited { body, effects })
}

/// What is to become of a field.
enum Change<'a> {
    Set(&'a Value),
    Default(&'a Value),
    Cap(&'a Number),
    Remove,
}

impl Change<'_> {
    /// The value for a field that is not there.
    fn when_absent(&self) -> Option<String> {
        match self {
            Self::Set(value) | Self::Default(value) => Some(value.to_string()),
            Self::Cap(_) | Self::Remove => None,
        }
    }

    /// The value for a field that has one; `None`: it stays.
    fn of(&self, raw: &str) -> Result<Option<String>, &'static str> {
        match self {
            Self::Set(value) => {
                let same = serde_json::from_str(raw).is_ok_and(|it: Value| it == **value);
                Ok((!same).then(|| value.to_string()))
            }
            Self::Default(value) => Ok((raw == "null").then(|| value.to_string())),
            Self::Cap(_) if raw == "null" => Ok(None),
            Self::Cap(max) => match serde_json::from_str::<Number>(raw) {
                Ok(number) => Ok((number.as_f64() > max.as_f64()).then(|| max.to_string())),
                Err(_) => Err("it is not a number"),
            },
            Self::Remove => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
