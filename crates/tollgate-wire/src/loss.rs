//! What a translation could not carry over: reported, never silent.

use std::fmt;

/// The most losses that are told of one call: a body may hold as many unknown members as it likes.
pub const LOSSES_MAX: usize = 64;

/// One thing of a body that the other side's format has no place for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Loss {
    /// Where it stood: a JSON path in the body as it was received (`messages[2].content[0].detail`).
    pub field: String,
    /// Why it was left out, or what was done in its place.
    pub why: String,
}

/// A body that is not translated, because leaving something out would change what it means. The
/// gateway answers 400 with this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// Where the reason stands: a JSON path in the client's body; empty for the body itself.
    pub field: String,
    /// Why it cannot be carried over.
    pub why: String,
}

impl Refused {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "the request cannot be translated: {}", self.why)
        } else {
            write!(f, "`{}` cannot be translated: {}", self.field, self.why)
        }
    }
}

/// Losses as they are found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(Vec<Loss>);

impl Losses {
    /// Notes a loss, each field once and at most [`LOSSES_MAX`] of them.
    pub(crate) fn note(&mut self, field: impl AsRef<str>, why: impl Into<String>) {
        let field = field.as_ref();
        if self.0.len() < LOSSES_MAX && self.0.iter().all(|it| it.field != field) {
            self.0.push(Loss { field: field.to_owned(), why: why.into() });
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Loss> {
        self.0
    }
}
