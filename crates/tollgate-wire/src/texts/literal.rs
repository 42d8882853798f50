//! The inside of a JSON string: what its escapes stand for, and where.

use std::{borrow::Cow, ops::Range};

/// The text as it stands inside a JSON string.
#[must_use]
pub fn escaped(text: &str) -> String {
    // A string always serialises, between quotes.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// What the inside of a JSON string says. Half of a surrogate pair, which no text can hold, becomes
/// U+FFFD.
pub(super) fn unescaped(raw: &str) -> Cow<'_, str> {
    if raw.contains('\\') {
        characters(raw).map(|(it, _)| it).collect::<String>().into()
    } else {
        raw.into()
    }
}

/// Where a part of what it says stands as written.
pub(super) fn raw_range(raw: &str, part: &Range<usize>) -> Range<usize> {
    let (mut said, mut written) = (0, 0);
    let (mut start, mut end) = (None, None);
    for (character, bytes) in characters(raw) {
        if said >= part.start && start.is_none() {
            start = Some(written);
        }
        if said >= part.end && end.is_none() {
            end = Some(written);
        }
        said += character.len_utf8();
        written += bytes;
    }
    start.unwrap_or(raw.len())..end.unwrap_or(raw.len())
}

/// The characters, each with how many bytes it is written with.
fn characters(raw: &str) -> impl Iterator<Item = (char, usize)> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (character, bytes) = first(rest)?;
        rest = rest.get(bytes..).unwrap_or_default();
        Some((character, bytes))
    })
}

fn first(text: &str) -> Option<(char, usize)> {
    let mut characters = text.chars();
    let first = characters.next()?;
    if first != '\\' {
        return Some((first, first.len_utf8()));
    }
    let Some(kind) = characters.next() else { return Some((first, 1)) };
    let character = match kind {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => return Some(from_hex(text)),
        other => other,
    };
    Some((character, 1 + kind.len_utf8()))
}

/// `\uXXXX`, or two of them that make one character.
fn from_hex(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let Some(high) = unit(0) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if let Some(character) = char::from_u32(high) {
        return (character, 6);
    }
    let low = unit(6).filter(|it| (0xDC00..0xE000).contains(it));
    let pair = low
        .filter(|_| high < 0xDC00)
        .and_then(|low| char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)));
    pair.map_or((char::REPLACEMENT_CHARACTER, 6), |it| (it, 12))
}
