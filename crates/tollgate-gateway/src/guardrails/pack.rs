//! Packs of rules: what to look for, as data, and how it is found.
//!
//! A rule is a pattern, which the linear `regex` finds, and what else must hold: a word that must stand near,
//! a [`Proof`]. Most rules have words without which there is nothing to find, and are not tried then: one
//! walk through a text says which of all rules are to be tried.

use std::{fmt, ops::Range, sync::LazyLock};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use tollgate_core::guardrail::Speaker;

use super::{
    limits::{NEAR_BYTES, PATTERN_COMPILED_BYTES_MAX},
    proof::{Proof, proof},
};

/// A pack that the program carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackName {
    /// Keys, tokens and passwords.
    Secrets,
    /// What tells of a person.
    Pii,
    /// SQL injection.
    Sql,
    /// Cross-site scripting.
    Xss,
    /// Prompt injection.
    Injection,
}

impl PackName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Secrets, Self::Pii, Self::Sql, Self::Xss, Self::Injection];

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Pii => "pii",
            Self::Sql => "sql",
            Self::Xss => "xss",
            Self::Injection => "injection",
        }
    }

    /// The pack itself. Compiling it takes some milliseconds the first time.
    ///
    /// # Errors
    /// It is not a pack, which the tests rule out.
    pub fn pack(self) -> Result<&'static Pack, &'static PackError> {
        static PACKS: LazyLock<[Result<Pack, PackError>; 5]> = LazyLock::new(|| {
            [
                Pack::read(include_str!("packs/secrets.toml")),
                Pack::read(include_str!("packs/pii.toml")),
                Pack::read(include_str!("packs/sql.toml")),
                Pack::read(include_str!("packs/xss.toml")),
                Pack::read(include_str!("packs/injection.toml")),
            ]
        });
        let [secrets, pii, sql, xss, injection] = &*PACKS;
        let pack = match self {
            Self::Secrets => secrets,
            Self::Pii => pii,
            Self::Sql => sql,
            Self::Xss => xss,
            Self::Injection => injection,
        };
        pack.as_ref()
    }
}

/// A pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It is not written as packs are.
    #[error("read a pack of rules")]
    Read(#[from] toml::de::Error),
    /// A pattern is not acceptable.
    #[error("compile the pattern of the rule `{rule}`")]
    Pattern {
        /// The rule.
        rule: String,
        /// The reason.
        source: Box<regex::Error>,
    },
    /// The words cannot be looked for.
    #[error("prepare the words of a pack")]
    Words(#[from] aho_corasick::BuildError),
    /// There is no such proof.
    #[error("the rule `{rule}` has a proof that does not exist: `{proof}`")]
    Proof {
        /// The rule.
        rule: String,
        /// The proof.
        proof: String,
    },
}

/// A rule as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) placeholder: String,
    #[serde(default)]
    pub(super) words: Vec<String>,
    pub(super) pattern: String,
    #[serde(default)]
    pub(super) near: Vec<String>,
    pub(super) proof: Option<String>,
    #[serde(default)]
    pub(super) said_by: Vec<Speaker>,
    /// Texts in which it finds something.
    #[serde(default)]
    pub(super) found: Vec<String>,
    /// Texts in which it finds nothing.
    #[serde(default)]
    pub(super) clean: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPack {
    rule: Vec<RawRule>,
}

/// A rule, ready to be tried.
pub struct Rule {
    /// What it is called.
    pub id: String,
    /// What it finds, for people: `an e-mail address`.
    pub title: String,
    /// What stands in the place of what it finds.
    pub placeholder: String,
    /// Texts in which it finds something.
    pub found: Vec<String>,
    /// Texts in which it finds nothing.
    pub clean: Vec<String>,
    pattern: Regex,
    has_words: bool,
    near: Vec<String>,
    proof: Option<Proof>,
    said_by: Vec<Speaker>,
}

/// Rules that are looked for together.
pub struct Pack {
    rules: Vec<Rule>,
    /// The words of all rules.
    words: AhoCorasick,
    /// The rule that each word is of.
    rules_of_words: Vec<usize>,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where in the text.
    pub(crate) range: Range<usize>,
    /// Which rule of the pack.
    pub(crate) rule: usize,
}

impl Pack {
    fn read(text: &str) -> Result<Self, PackError> {
        let raw: RawPack = toml::from_str(text)?;
        Self::new(raw.rule)
    }

    pub(super) fn new(raw: Vec<RawRule>) -> Result<Self, PackError> {
        let mut words = Vec::new();
        let mut rules_of_words = Vec::new();
        let mut rules = Vec::with_capacity(raw.len());
        for (index, it) in raw.into_iter().enumerate() {
            rules_of_words.extend(it.words.iter().map(|_| index));
            words.extend(it.words.iter().cloned());
            rules.push(Rule::new(it)?);
        }
        let words = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(words)?;
        Ok(Self { rules, words, rules_of_words })
    }

    /// The rules, in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What the rules that are `wanted` find in a text of this speaker, rule by rule.
    pub(crate) fn find(&self, text: &str, speaker: Speaker, wanted: &[bool]) -> Vec<Found> {
        let mut tried: Vec<bool> = self
            .rules
            .iter()
            .zip(wanted)
            .map(|(rule, wanted)| *wanted && !rule.has_words && rule.is_for(speaker))
            .collect();
        let mut missing = self
            .rules
            .iter()
            .zip(wanted)
            .filter(|(rule, wanted)| **wanted && rule.has_words && rule.is_for(speaker))
            .count();
        if missing > 0 {
            for word in self.words.find_overlapping_iter(text) {
                let Some(index) = self.rules_of_words.get(word.pattern().as_usize()) else {
                    continue;
                };
                let is_wanted = wanted.get(*index) == Some(&true)
                    && self.rules.get(*index).is_some_and(|it| it.is_for(speaker));
                if let Some(tried) = tried.get_mut(*index).filter(|it| is_wanted && !**it) {
                    *tried = true;
                    missing -= 1;
                    if missing == 0 {
                        break;
                    }
                }
            }
        }
        let mut found = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            if tried.get(index) == Some(&true) {
                found.extend(rule.find(text).map(|range| Found { range, rule: index }));
            }
        }
        found
    }
}

impl Rule {
    fn new(raw: RawRule) -> Result<Self, PackError> {
        let pattern = RegexBuilder::new(&raw.pattern)
            .size_limit(PATTERN_COMPILED_BYTES_MAX)
            .build()
            .map_err(|source| PackError::Pattern {
                rule: raw.id.clone(),
                source: Box::new(source),
            })?;
        let proof =
            match raw.proof {
                None => None,
                Some(name) => Some(proof(&name).ok_or_else(|| PackError::Proof {
                    rule: raw.id.clone(),
                    proof: name.clone(),
                })?),
            };
        Ok(Self {
            id: raw.id,
            title: raw.title,
            placeholder: raw.placeholder,
            found: raw.found,
            clean: raw.clean,
            pattern,
            has_words: !raw.words.is_empty(),
            near: raw.near,
            proof,
            said_by: raw.said_by,
        })
    }

    /// Whether its pattern also matches where there is nothing.
    pub(super) fn matches_nothing(&self) -> bool {
        self.pattern.is_match("")
    }

    fn is_for(&self, speaker: Speaker) -> bool {
        self.said_by.is_empty() || self.said_by.contains(&speaker)
    }

    /// Where it finds something; never nothing.
    fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let ranges: Box<dyn Iterator<Item = Range<usize>>> = if self.pattern.captures_len() > 1 {
            Box::new(self.pattern.captures_iter(text).filter_map(|groups| {
                let part = groups.iter().skip(1).flatten().next().or_else(|| groups.get(0));
                part.map(|it| it.range())
            }))
        } else {
            Box::new(self.pattern.find_iter(text).map(|it| it.range()))
        };
        ranges.filter_map(|range| {
            if !self.is_near(text, range.start) {
                return None;
            }
            let bytes = match self.proof {
                Some(proof) => proof(text.get(range.clone())?)?,
                None => range.len(),
            };
            (bytes > 0).then_some(range.start..range.start + bytes)
        })
    }

    /// Whether a word that must be near stands before this place.
    fn is_near(&self, text: &str, at: usize) -> bool {
        if self.near.is_empty() {
            return true;
        }
        let from = text.floor_char_boundary(at.saturating_sub(NEAR_BYTES));
        let before = text.get(from..at).unwrap_or_default().to_lowercase();
        self.near.iter().any(|it| before.contains(it.as_str()))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pack").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
