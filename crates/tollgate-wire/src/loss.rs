//! What a translation could not carry over: reported, never silent.

use std::fmt;

pub use tollgate_core::routing::Loss;

/// The most losses that are told of one call: a body may hold as many unknown members as it likes.
pub const LOSSES_MAX: usize = 64;

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
pub(crate) struct Losses {
    told: Vec<Loss>,
    /// Whether there were more than are told.
    more: bool,
}

impl Losses {
    /// Notes a loss, each field once. Beyond [`LOSSES_MAX`] they are only known to be.
    pub(crate) fn note(&mut self, field: impl AsRef<str>, why: impl Into<String>) {
        let field = field.as_ref();
        if self.told.iter().any(|it| it.field == field) {
            return;
        }
        if self.told.len() < LOSSES_MAX {
            self.told.push(Loss { field: field.to_owned(), why: why.into() });
        } else {
            self.more = true;
        }
    }

    /// Notes what was noted elsewhere.
    pub(crate) fn append(&mut self, others: Self) {
        self.more |= others.more;
        others.told.into_iter().for_each(|it| self.note(it.field, it.why));
    }

    /// What was noted; a last one without a field says that there were more.
    pub(crate) fn into_vec(mut self) -> Vec<Loss> {
        if self.more {
            let why = format!("more than {LOSSES_MAX} fields could not be carried over");
            self.told.push(Loss { field: String::new(), why });
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_told_once_and_it_is_told_that_there_are_more() {
        let mut losses = Losses::default();
        for number in 0..LOSSES_MAX {
            losses.note(format!("x[{number}]"), "why");
            losses.note("x[0]", "again");
        }
        assert_eq!(losses.clone().into_vec().len(), LOSSES_MAX);
        losses.note("y", "why");
        let told = losses.into_vec();
        assert_eq!(told.len(), LOSSES_MAX + 1);
        assert_eq!(told.last().unwrap().field, "");
    }
}
