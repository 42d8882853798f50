//! Names with gaps.

use std::fmt;

/// A name in which each `*` stands for any text, also for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of a text; every text is one.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether a name is of this shape, upper and lower case told apart.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts: Vec<_> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            // The first place leaves the most for what follows.
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let check = |pattern: &str, name: &str, expected: bool| {
            let found = Pattern::new(pattern.to_owned()).matches(name);
            assert_eq!(found, expected, "{pattern} {name}");
        };
        check("claude", "claude", true);
        check("claude", "claude2", false);
        check("claude", "Claude", false);
        check("", "", true);
        check("", "x", false);
        check("*", "", true);
        check("*", "anything", true);
        check("gpt-5*", "gpt-5", true);
        check("gpt-5*", "gpt-5-mini", true);
        check("gpt-5*", "o-gpt-5", false);
        check("*-mini", "gpt-5-mini", true);
        check("*-mini", "gpt-5-mini-2025", false);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("a*a", "a", false);
        check("a**a", "aa", true);
        check("*é*", "caffé!", true);
    }
}
