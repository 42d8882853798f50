//! Placeholders: what stands in a request in the place of what was redacted, and is put back in its answer.

use std::{borrow::Cow, collections::HashMap};

use memchr::memmem;
use tollgate_wire::{
    retext::{Edited, Editor, Piece, Stage, Stop},
    texts::escaped,
};

/// The placeholders of one call. The same text has the same one wherever it stands, numbered as they come:
/// a conversation that grows keeps those that it had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placeholders {
    list: Vec<Placeholder>,
    /// The place in the list of each text, by its label.
    known: HashMap<(String, String), usize>,
    /// The last number of each label.
    numbers: HashMap<String, u32>,
}

#[derive(Clone, Debug)]
struct Placeholder {
    token: String,
    original: String,
    /// The original as it stands inside a JSON string.
    in_json: String,
}

impl Placeholders {
    /// Whether nothing was redacted.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The placeholder of a text, such as `[EMAIL_1]`: one that `body` does not hold already. `is_json`
    /// says that the text stands in JSON that is a text itself.
    pub(super) fn token(&mut self, label: &str, text: &str, is_json: bool, body: &[u8]) -> String {
        let original = if is_json { unescaped(text) } else { Cow::Borrowed(text) };
        let key = (label.to_owned(), original.as_ref().to_owned());
        if let Some(known) = self.known.get(&key).and_then(|it| self.list.get(*it)) {
            return known.token.clone();
        }
        let number = self.numbers.entry(label.to_owned()).or_default();
        let token = loop {
            *number += 1;
            let token = format!("[{label}_{number}]");
            if memmem::find(body, token.as_bytes()).is_none() {
                break token;
            }
        };
        self.known.insert(key, self.list.len());
        let in_json = escaped(&original);
        self.list.push(Placeholder {
            token: token.clone(),
            original: original.into_owned(),
            in_json,
        });
        token
    }

    /// The placeholder that a text begins with.
    fn at_the_beginning(&self, text: &str) -> Option<&Placeholder> {
        self.list.iter().find(|it| text.starts_with(&it.token))
    }

    /// Whether a text may be the beginning of a placeholder.
    fn may_become_one(&self, text: &str) -> bool {
        self.list.iter().any(|it| it.token.starts_with(text))
    }
}

/// The text that stands inside a JSON string; itself where it is none.
fn unescaped(text: &str) -> Cow<'_, str> {
    match serde_json::from_str(&format!("\"{text}\"")) {
        Ok(plain) => Cow::Owned(plain),
        Err(_) => Cow::Borrowed(text),
    }
}

/// Puts back what was redacted.
#[derive(Debug)]
pub(super) struct PutBack(pub(super) Placeholders);

impl Editor for PutBack {
    fn edit<'a>(&mut self, piece: &Piece<'a>) -> Result<Edited<'a>, Stop> {
        let text = piece.text;
        let mut out = String::new();
        let mut done = 0;
        let mut taken = text.len();
        for at in memchr::memchr_iter(b'[', text.as_bytes()) {
            if at < done {
                continue;
            }
            let rest = text.get(at..).unwrap_or_default();
            if let Some(found) = self.0.at_the_beginning(rest) {
                out.push_str(text.get(done..at).unwrap_or_default());
                out.push_str(if piece.is_json { &found.in_json } else { &found.original });
                done = at + found.token.len();
            } else if piece.stage == Stage::GoesOn && self.0.may_become_one(rest) {
                taken = at;
                break;
            }
        }
        let rest = text.get(done..taken).unwrap_or_default();
        let text = if done == 0 {
            Cow::Borrowed(rest)
        } else {
            out.push_str(rest);
            Cow::Owned(out)
        };
        Ok(Edited { text, taken })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(
        placeholders: &Placeholders,
        text: &str,
        stage: Stage,
        is_json: bool,
    ) -> (String, usize) {
        let piece = Piece { channel: Some(0), text, stage, is_json };
        let edited = PutBack(placeholders.clone()).edit(&piece).unwrap();
        (edited.text.into_owned(), edited.taken)
    }

    #[test]
    fn the_same_text_has_the_same_placeholder_and_another_another() {
        let mut it = Placeholders::default();
        assert_eq!(it.token("EMAIL", "a@b.de", false, b""), "[EMAIL_1]");
        assert_eq!(it.token("EMAIL", "c@d.de", false, b""), "[EMAIL_2]");
        assert_eq!(it.token("EMAIL", "a@b.de", false, b""), "[EMAIL_1]");
        assert_eq!(it.token("PHONE", "a@b.de", false, b""), "[PHONE_1]");
    }

    #[test]
    fn a_placeholder_is_none_that_the_prompt_has_already() {
        let mut it = Placeholders::default();
        assert_eq!(it.token("EMAIL", "a@b.de", false, b"see [EMAIL_1] and [EMAIL_2]"), "[EMAIL_3]");
    }

    #[test]
    fn what_is_put_back_is_escaped_where_it_stands_in_json() {
        let mut it = Placeholders::default();
        it.token("SECRET", "a\"b\nc", false, b"");
        let text = "x [SECRET_1] y";
        assert_eq!(edited(&it, text, Stage::Ends, false).0, "x a\"b\nc y");
        assert_eq!(edited(&it, text, Stage::Ends, true).0, "x a\\\"b\\nc y");
        // What was redacted in such JSON is the same text.
        assert_eq!(it.token("SECRET", "a\\\"b\\nc", true, b""), "[SECRET_1]");
    }

    #[test]
    fn only_what_may_become_a_placeholder_is_held_back() {
        let mut it = Placeholders::default();
        it.token("EMAIL", "a@b.de", false, b"");
        let check = |text: &str, out: &str, taken: usize| {
            assert_eq!(edited(&it, text, Stage::GoesOn, false), (out.to_owned(), taken), "{text}");
        };
        check("plain", "plain", 5);
        check("a [EM", "a ", 2);
        check("a [EMAIL_1", "a ", 2);
        check("a [EMAIL_1]", "a a@b.de", 11);
        check("a [EMAIL_12", "a [EMAIL_12", 11);
        check("a [x] [", "a [x] ", 6);
        check("[[EMAIL_1]]", "[a@b.de]", 11);
        assert_eq!(edited(&it, "a [EM", Stage::Ends, false), ("a [EM".to_owned(), 5));
    }
}
