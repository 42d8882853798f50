//! What is looked for in what was said, and where it stands there.

use rusqlite::{Connection, params};

use crate::LedgerError;

/// The longest text to look for, and the most words or phrases in it: SQLite looks at each.
pub const SEARCH_BYTES_MAX: usize = 1_000;
const SEARCH_WORDS_MAX: usize = 64;

/// Words of an excerpt around the first place that was found.
const EXCERPT_WORDS: u32 = 24;

/// Mark what was found in an excerpt; texts have no such characters.
const BEGIN: char = '\u{2}';
const END: char = '\u{3}';

/// What is looked for in what was said. A call has it if all of its words are there: whole words, in
/// any case and whatever their accents. Words in double quotes stand beside each other; a `*` behind a
/// word stands for its other endings. No text is an error but one that is too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// In SQLite's language for it.
    query: String,
}

/// The text to look for is too long.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a search has at most {SEARCH_WORDS_MAX} words and {SEARCH_BYTES_MAX} bytes")]
pub struct SearchTooLong;

impl Search {
    /// Reads what a person typed; `None` when nothing is looked for.
    ///
    /// # Errors
    /// When it is too long.
    pub fn read(text: &str) -> Result<Option<Self>, SearchTooLong> {
        let pieces = pieces(text);
        if text.len() > SEARCH_BYTES_MAX || pieces.len() > SEARCH_WORDS_MAX {
            return Err(SearchTooLong);
        }
        let query = pieces.join(" ");
        Ok((!query.is_empty()).then_some(Self { query }))
    }

    pub(crate) fn as_sql(&self) -> &str {
        &self.query
    }
}

/// Words and phrases, each as a string of SQLite's language, so that nothing in them means anything.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_blank);
        let Some(first) = rest.chars().next() else { return pieces };
        let (piece, after) = if first == '"' {
            let inner = rest.get(1..).unwrap_or_default();
            inner.split_once('"').unwrap_or((inner, ""))
        } else {
            let end = rest.find(|it| is_blank(it) || it == '"' || it == '*').unwrap_or(rest.len());
            rest.split_at(end)
        };
        let (ending, after) = match after.strip_prefix('*') {
            Some(after) => ("*", after),
            None => ("", after),
        };
        let piece: String = piece.chars().map(|it| if is_blank(it) { ' ' } else { it }).collect();
        // Without a letter or digit there is nothing that a text could have.
        if piece.chars().any(char::is_alphanumeric) {
            pieces.push(format!("\"{piece}\"{ending}"));
        }
        rest = after;
    }
}

fn is_blank(it: char) -> bool {
    it.is_whitespace() || it.is_control()
}

/// A part of a text around what was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// In order.
    pub pieces: Vec<ExcerptPiece>,
}

/// A piece of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcerptPiece {
    /// The text.
    pub text: String,
    /// Whether this is what was looked for.
    pub found: bool,
}

/// Where what is looked for stands in each of the texts; `None` where it does not.
///
/// # Errors
/// When SQLite has no memory for it.
pub fn excerpts(search: &Search, texts: &[String]) -> Result<Vec<Option<Excerpt>>, LedgerError> {
    // Found by the words as the index has them, and by nothing of our own.
    let memory = Connection::open_in_memory()?;
    memory.execute_batch(
        "CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')",
    )?;
    let mut excerpts = vec![None; texts.len()];
    for (number, text) in texts.iter().enumerate() {
        memory
            .prepare_cached("INSERT INTO texts (rowid, text) VALUES (?1, ?2)")?
            .execute(params![number, text])?;
    }
    let mut select = memory.prepare(
        "SELECT rowid, snippet(texts, 0, char(2), char(3), '…', ?2) FROM texts WHERE texts MATCH ?1",
    )?;
    let mut rows = select.query(params![search.as_sql(), EXCERPT_WORDS])?;
    while let Some(row) = rows.next()? {
        let (number, marked): (usize, String) = (row.get(0)?, row.get(1)?);
        if let Some(excerpt) = excerpts.get_mut(number) {
            *excerpt = Some(excerpt_of(&marked));
        }
    }
    Ok(excerpts)
}

fn excerpt_of(marked: &str) -> Excerpt {
    let mut pieces = Vec::new();
    let mut found = false;
    for part in marked.split([BEGIN, END]) {
        if !part.is_empty() {
            pieces.push(ExcerptPiece { text: part.to_owned(), found });
        }
        found = !found;
    }
    Excerpt { pieces }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_person_types_is_words_phrases_and_beginnings() {
        let check = |text: &str, expected: Option<&str>| {
            let search = Search::read(text).unwrap();
            assert_eq!(search.as_ref().map(Search::as_sql), expected, "{text}");
        };
        check("", None);
        check("  \t", None);
        check("*", None);
        check("--- \"...\"", None);
        check("fox", Some("\"fox\""));
        check("brown fox", Some("\"brown\" \"fox\""));
        check("\"brown fox\" jump*", Some("\"brown fox\" \"jump\"*"));
        check("\"brown fo\"*", Some("\"brown fo\"*"));
        check("\"never closed", Some("\"never closed\""));
        check("AND OR NOT NEAR(a b)", Some("\"AND\" \"OR\" \"NOT\" \"NEAR(a\" \"b)\""));
        check("text:fox ^fox", Some("\"text:fox\" \"^fox\""));
        check("a\0b", Some("\"a\" \"b\""));
        assert_eq!(Search::read(&"a ".repeat(65)), Err(SearchTooLong));
        assert_eq!(Search::read(&"a".repeat(1_001)), Err(SearchTooLong));
    }

    #[test]
    fn an_excerpt_marks_what_was_found() {
        let search = Search::read("\"brown fox\" jump*").unwrap().unwrap();
        let texts = [
            "nothing of it".to_owned(),
            format!("{} The Brówn FOX, jumping over the dog. {}", "a ".repeat(60), "b ".repeat(60)),
        ];
        let found = excerpts(&search, &texts).unwrap();
        assert_eq!(found[0], None);
        let pieces = &found[1].as_ref().unwrap().pieces;
        let marked: Vec<_> = pieces.iter().filter(|it| it.found).map(|it| &*it.text).collect();
        assert_eq!(marked, ["Brówn FOX", "jumping"]);
        let whole: String = pieces.iter().map(|it| &*it.text).collect();
        assert!(whole.starts_with('…') && whole.ends_with('…') && whole.len() < 200, "{whole}");
    }

    proptest! {
        #[test]
        fn no_text_is_an_error(text in "\\PC{0,80}|[\"*()^:+{}\u{0}-\u{1f} a]{0,80}") {
            if let Some(search) = Search::read(&text).unwrap_or_default() {
                excerpts(&search, &["a text".to_owned()]).unwrap();
            }
        }
    }
}
