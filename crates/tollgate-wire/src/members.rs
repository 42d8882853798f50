//! The members of a JSON object with the places of their values: for edits that leave every other
//! byte as it was.

use std::{borrow::Cow, fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    /// Its name with escapes undone.
    pub(crate) name: Cow<'a, str>,
    /// Its value as written.
    pub(crate) value: &'a str,
}

/// The members of an object in order, duplicates included.
pub(crate) struct Members<'a>(pub(crate) Vec<Member<'a>>);

/// A member's name; borrowed unless it holds an escape.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) =
                    map.next_entry::<Name<'de>, &'de RawValue>()?
                {
                    members.push(Member { name, value: value.get() });
                }
                Ok(Members(members))
            }
        }
        source.deserialize_map(Collect)
    }
}

/// Where `part`, a slice of `whole`, lies in it.
pub(crate) fn place(whole: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}
