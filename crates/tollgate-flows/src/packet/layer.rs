//! The shape in which a decoded packet is shown: layers of fields that point at their bytes.

use std::{borrow::Cow, ops::Range};

use serde::Serialize;

use super::text;

/// Layers of one packet.
pub const LAYERS_MAX: usize = 24;
/// Fields of one layer.
pub const FIELDS_MAX: usize = 128;
/// Characters of one field's value.
pub const VALUE_CHARS_MAX: usize = 512;

/// One fact of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What it is.
    pub name: Cow<'static, str>,
    /// Its value, readable, at most [`VALUE_CHARS_MAX`] characters, without control characters.
    pub value: String,
    /// Which bytes of the packet say so; `None` for a fact that is derived.
    pub range: Option<Range<usize>>,
}

/// One protocol's part of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The protocol.
    pub name: &'static str,
    /// The layer in one line.
    pub summary: String,
    /// Its facts in the order of the bytes, at most [`FIELDS_MAX`].
    pub fields: Vec<Field>,
}

/// Collects fields, and lets no layer grow past its limits.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<Field>);

impl Fields {
    /// Adds a fact that stands in `range`.
    pub(crate) fn at(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
        range: Range<usize>,
    ) {
        self.push(name.into(), value.into(), Some(range));
    }

    /// Adds a fact that is derived.
    pub(crate) fn derived(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.push(name.into(), value.into(), None);
    }

    fn push(&mut self, name: Cow<'static, str>, mut value: String, range: Option<Range<usize>>) {
        if self.0.len() < FIELDS_MAX {
            text::truncate_chars(&mut value, VALUE_CHARS_MAX);
            self.0.push(Field { name, value, range });
        }
    }

    /// The layer with these fields.
    pub(crate) fn into_layer(self, name: &'static str, mut summary: String) -> Layer {
        text::truncate_chars(&mut summary, VALUE_CHARS_MAX);
        Layer { name, summary, fields: self.0 }
    }
}

/// The layer that says how much payload there is and how much of it was copied.
pub(crate) fn payload(at: usize, captured: usize, on_wire: usize) -> Layer {
    let mut fields = Fields::default();
    fields.derived("Length", format!("{on_wire} bytes"));
    fields.at("Captured", format!("{captured} bytes"), at..at + captured);
    let summary = if captured < on_wire {
        format!("{on_wire} bytes, {captured} captured (truncated)")
    } else {
        format!("{on_wire} bytes")
    };
    fields.into_layer("Payload", summary)
}
