//! Guardrails: what is looked for in requests and answers, and what happens where it is found.
//!
//! A [`Guardrail`] says for which calls it is, what it looks for ([`Check`]) and what it does
//! ([`GuardAction`]). Requests are looked at once, after the rules and before anybody is asked
//! ([`step`]): every text of the body, whatever its format. Answers are looked at on their way
//! ([`answer`]), in the client's format. What is redacted in a request is put back where the answer
//! repeats it. A call without a guardrail passes as if there were none.
//!
//! What was found becomes a [`Hit`](tollgate_core::guardrail::Hit) of the call. A text that the user said
//! was found wrongly is found no more ([`Exceptions`]).

pub(crate) mod answer;
mod hits;
mod limits;
mod look;
mod pack;
mod placeholders;
mod proof;
pub(crate) mod step;
mod trial;

use std::{fmt, sync::Arc};

use tollgate_core::{
    budget::{Dimension, Pattern, Who},
    guardrail::{Exceptions, GuardAction, GuardSide, Speaker},
};

use self::pack::{Found, RawRule};
pub(crate) use self::{hits::Hits, placeholders::Placeholders};
pub use self::{
    limits::{
        GUARDRAIL_NAME_BYTES_MAX, GUARDRAIL_PATTERN_BYTES_MAX, GUARDRAILS_MAX, HITS_MAX,
        HOLD_BACK_BYTES, HOLD_BACK_FOUND_BYTES, HOLD_BACK_WORD_BYTES, INLINE_BYTES_MAX, NEAR_BYTES,
        PATTERN_COMPILED_BYTES_MAX, SNIPPET_BYTES, WORD_BYTES_MAX, WORDS_MAX,
    },
    pack::{Pack, PackError, PackName, Rule},
    trial::{GuardTrial, trial},
};

/// Which parts of a call a guardrail looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardOn {
    /// Requests.
    Requests,
    /// Answers.
    Answers,
    /// Both.
    #[default]
    Both,
}

impl GuardOn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Answers, Self::Both];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Answers => "answers",
            Self::Both => "both",
        }
    }

    const fn looks_at(self, side: GuardSide) -> bool {
        match (self, side) {
            (Self::Both, _)
            | (Self::Requests, GuardSide::Request)
            | (Self::Answers, GuardSide::Answer) => true,
            (Self::Requests, GuardSide::Answer) | (Self::Answers, GuardSide::Request) => false,
        }
    }
}

/// What a guardrail looks for: rules of a pack of the program's, or one of the user's own.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    rules: Rules,
    /// Which of its rules are looked for.
    wanted: Arc<[bool]>,
}

#[derive(Clone)]
enum Rules {
    OfProgram(&'static Pack),
    OfUser(Arc<Pack>),
}

impl Check {
    /// Rules of a pack of the program's: those that `wanted` holds for.
    ///
    /// # Errors
    /// The pack cannot be used.
    pub fn of_pack(
        name: PackName,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, &'static PackError> {
        let pack = name.pack()?;
        let wanted = pack.rules().iter().map(|it| wanted(&it.id)).collect();
        Ok(Self { name: name.name(), rules: Rules::OfProgram(pack), wanted })
    }

    /// A pattern of the user's own, in the syntax of `regex`. What it finds becomes `[LABEL_1]`.
    ///
    /// # Errors
    /// The pattern is not acceptable.
    pub fn of_pattern(pattern: &str, label: &str) -> Result<Self, PackError> {
        Self::of_user("pattern", "what the pattern matches", pattern.to_owned(), label)
    }

    /// Words of the user's own, whole ones, of which upper and lower case are the same.
    ///
    /// # Errors
    /// There are too many of them.
    pub fn of_words(words: &[String], label: &str) -> Result<Self, PackError> {
        let is_word = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
        let each = words.iter().map(|word| {
            let before = if is_word(word.chars().next()) { r"\b" } else { "" };
            let behind = if is_word(word.chars().next_back()) { r"\b" } else { "" };
            format!("{before}{}{behind}", regex::escape(word))
        });
        let pattern = format!("(?i:{})", each.collect::<Vec<_>>().join("|"));
        Self::of_user("words", "a word of the list", pattern, label)
    }

    fn of_user(
        name: &'static str,
        title: &str,
        pattern: String,
        label: &str,
    ) -> Result<Self, PackError> {
        let rule = RawRule {
            id: name.to_owned(),
            title: title.to_owned(),
            placeholder: label.to_owned(),
            pattern,
            ..RawRule::default()
        };
        let pack = Arc::new(Pack::new(vec![rule])?);
        Ok(Self { name, rules: Rules::OfUser(pack), wanted: Arc::new([true]) })
    }

    /// What it is called in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The rules that are looked for.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let rules = self.pack().rules().iter().zip(&*self.wanted);
        rules.filter(|(_, wanted)| **wanted).map(|(rule, _)| rule)
    }

    /// Whether a rule also matches where there is nothing.
    #[must_use]
    pub fn finds_nothing(&self) -> bool {
        self.rules().any(Rule::matches_nothing)
    }

    fn pack(&self) -> &Pack {
        match &self.rules {
            Rules::OfProgram(pack) => pack,
            Rules::OfUser(pack) => pack,
        }
    }

    /// What it finds in a text of this speaker, with the rules that found it.
    fn find(&self, text: &str, speaker: Speaker) -> impl Iterator<Item = (Found, &Rule)> {
        let pack = self.pack();
        let found = pack.find(text, speaker, &self.wanted).into_iter();
        found.filter_map(|it| pack.rules().get(it.rule).map(|rule| (it, rule)))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A guardrail as configured.
#[derive(Clone, Debug)]
pub struct Guardrail {
    /// Its name, which no other guardrail has.
    pub name: String,
    /// For which calls it is: those that match all of these. Without any, every call.
    pub scope: Vec<(Dimension, Pattern)>,
    /// What it looks at.
    pub on: GuardOn,
    /// What it looks for.
    pub check: Check,
    /// What happens where it is found.
    pub action: GuardAction,
    /// The configuration that it was made from: two guardrails with the same are the same.
    pub written: String,
}

impl PartialEq for Guardrail {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Guardrail {
    /// Whether what it finds may not go on as it is.
    const fn holds_up(&self) -> bool {
        match self.action {
            GuardAction::Redact | GuardAction::Block => true,
            GuardAction::Log | GuardAction::Warn => false,
        }
    }
}

/// The guardrails in force, and what they are not to find.
#[derive(Clone, Debug, Default)]
pub struct GuardrailSet {
    /// The guardrails, in the order of the configuration.
    pub guardrails: Vec<Arc<Guardrail>>,
    /// The texts that were found wrongly.
    pub exceptions: Arc<Exceptions>,
}

impl GuardrailSet {
    /// Whether the caller must be known to tell which are for a call.
    fn are_of_callers(&self) -> bool {
        self.guardrails.iter().flat_map(|it| &it.scope).any(|(it, _)| it.is_of_caller())
    }

    /// Those that are for a call that may go any of these ways.
    fn for_call(&self, ways: &[Who<'_>]) -> Vec<Arc<Guardrail>> {
        let is_for = |it: &&Arc<Guardrail>| ways.iter().any(|who| who.is_in(&it.scope));
        self.guardrails.iter().filter(is_for).map(Arc::clone).collect()
    }
}

#[cfg(test)]
mod tests;
