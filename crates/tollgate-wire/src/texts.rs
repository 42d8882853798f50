//! The texts of a JSON body with their places, so that they can be looked at, and changed with every
//! other byte as it was.
//!
//! Every string of a body is a text, whatever the format, but for those that say nothing: names, ids
//! and kinds of things, seals of a provider's, and files in base64. So a field that is not known here is
//! looked at too. The values that a model gives to a tool and those that a tool gives back may have any
//! names, and are looked at without an exception. Names of members are no texts.

mod literal;
mod scan;

use std::{borrow::Cow, fmt, ops::Range};

use tollgate_core::guardrail::Speaker;

pub use self::literal::escaped;
use self::literal::raw_range;
pub(crate) use self::scan::{Scanned, scan};

/// A text of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// The text, its escapes undone.
    pub text: Cow<'a, str>,
    /// Who says it.
    pub speaker: Speaker,
    /// Where it stands.
    pub place: Place<'a>,
    /// Whether it is JSON itself, such as the arguments of a tool: what is put into it is escaped twice.
    pub is_json: bool,
    /// The names of the members that lead to it, parted by `.`.
    pub(crate) path: String,
    /// The numbers of the choices, blocks and calls that it is a part of, from the inside out.
    pub(crate) numbers: Vec<u64>,
    /// The text as written, without its quotes.
    pub(crate) raw: &'a str,
    /// Where that begins in the body.
    pub(crate) at: usize,
}

/// Where a text stands in a body: the outermost member, and which element of it where that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The member's name.
    pub member: &'a str,
    /// The element, from 0.
    pub item: Option<usize>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Some(item) => write!(f, "{}[{item}]", self.member),
            None => f.write_str(self.member),
        }
    }
}

impl Text<'_> {
    /// Where a part of [`Self::text`] stands in the body, as it is written there.
    #[must_use]
    pub fn place_in_body(&self, part: &Range<usize>) -> Range<usize> {
        let range = match &self.text {
            Cow::Borrowed(_) => part.clone(),
            Cow::Owned(_) => raw_range(self.raw, part),
        };
        self.at + range.start..self.at + range.end
    }

    /// Where the whole text stands in the body, without its quotes.
    pub(crate) fn whole(&self) -> Range<usize> {
        self.at..self.at + self.raw.len()
    }
}

/// What is to stand in a place of a body, [`escaped`] already.
pub type Change<'a> = (Range<usize>, Cow<'a, str>);

/// The texts of a body in their order; `None` when it is not JSON.
#[must_use]
pub fn texts(body: &[u8]) -> Option<Vec<Text<'_>>> {
    scan(body).map(|Scanned { texts, .. }| texts)
}

/// The body with other texts in the places of [`Text::place_in_body`], which rise and do not overlap;
/// each text [`escaped`] already. Everything else stays as it was.
#[must_use]
pub fn replaced<'a>(body: &[u8], changes: impl IntoIterator<Item = Change<'a>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut done = 0;
    for (range, text) in changes {
        out.extend_from_slice(body.get(done..range.start).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
        done = range.end.max(done);
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests;
