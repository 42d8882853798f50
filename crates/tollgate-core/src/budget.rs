//! Budgets: how much certain calls may cost, and how many there may be.
//!
//! A [`Budget`] says which calls it counts and what they may come to. It has one [`Account`], or one
//! for each value of a [`Dimension`] (each program, each model). A call reserves in the accounts of
//! every budget that counts it before it is sent, at most what it can cost ([`bound::most`]), and is
//! settled there by what it did cost. So calls at the same time cannot overrun an amount by more than
//! what single ones of them cost beyond what was reserved for them.
//!
//! Nothing here asks for the time: it is passed in as a [`Moment`].

mod account;
pub mod bound;
mod minute;
mod pattern;
mod period;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use self::{
    account::{Account, Charge, Crossing, Hold, Need, Purse, Stop, Stops},
    pattern::Pattern,
    period::{Period, Window},
};
use crate::{PicoUsd, UnixMs};

/// What calls are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// The caller's program.
    Program,
    /// The project of its working directory.
    Project,
    /// The caller's user.
    User,
    /// The provider's model.
    Model,
    /// The provider.
    Provider,
    /// The local key.
    Key,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Program, Self::Project, Self::User, Self::Model, Self::Provider, Self::Key];

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Project => "project",
            Self::User => "user",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Key => "key",
        }
    }

    /// Whether the caller must be known to tell it.
    #[must_use]
    pub const fn is_of_caller(self) -> bool {
        match self {
            Self::Program | Self::Project | Self::User => true,
            Self::Model | Self::Provider | Self::Key => false,
        }
    }
}

/// Whose call it is and where it goes. `None` is not known, and matches no pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Who<'a> {
    /// The caller's program.
    pub program: Option<&'a str>,
    /// The root folder of its project, which tells projects apart.
    pub project_root: Option<&'a str>,
    /// The project's name.
    pub project_name: Option<&'a str>,
    /// The caller's user.
    pub user: Option<&'a str>,
    /// The model as it is priced, which tells models apart; else as it was asked for.
    pub model: Option<&'a str>,
    /// The model as the provider is asked for it.
    pub model_asked: Option<&'a str>,
    /// The provider's id.
    pub provider: Option<&'a str>,
    /// The name of the local key.
    pub key: Option<&'a str>,
}

impl<'a> Who<'a> {
    /// What tells the call apart by this dimension.
    #[must_use]
    pub const fn value(&self, dimension: Dimension) -> Option<&'a str> {
        self.names(dimension)[0]
    }

    /// Whether the call matches all of these.
    #[must_use]
    pub fn is_in(&self, scope: &[(Dimension, Pattern)]) -> bool {
        scope.iter().all(|(dimension, pattern)| {
            self.names(*dimension).into_iter().flatten().any(|it| pattern.matches(it))
        })
    }

    /// The names that a pattern may mean.
    const fn names(&self, dimension: Dimension) -> [Option<&'a str>; 2] {
        match dimension {
            Dimension::Program => [self.program, None],
            Dimension::Project => [self.project_root, self.project_name],
            Dimension::User => [self.user, None],
            Dimension::Model => [self.model, self.model_asked],
            Dimension::Provider => [self.provider, None],
            Dimension::Key => [self.key, None],
        }
    }
}

/// How much calls may come to. What is not set is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Money by period, each period at most once.
    pub money: Vec<(Period, PicoUsd)>,
    /// Calls in any 60 seconds.
    pub requests_per_min: Option<u64>,
    /// Tokens in any 60 seconds, prompts and answers together.
    pub tokens_per_min: Option<u64>,
    /// Calls at the same time.
    pub concurrent: Option<u64>,
}

impl Amounts {
    /// Whether nothing is limited.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.money.is_empty()
            && self.requests_per_min.is_none()
            && self.tokens_per_min.is_none()
            && self.concurrent.is_none()
    }
}

/// What happens to a call for which nothing is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLimit {
    /// It is refused.
    #[default]
    Stop,
    /// It goes on; the user is told.
    Warn,
}

/// Which calls may come to how much together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name, which no other budget has.
    pub name: String,
    /// Which calls it counts: those that match all of these. Without any, every call.
    pub scope: Vec<(Dimension, Pattern)>,
    /// By what its calls have an account each; `None`: one account for all.
    pub each: Option<Dimension>,
    /// How much each account has.
    pub amounts: Amounts,
    /// At which parts of an amount of money, in percent, the user is told; rising.
    pub warn_at: Vec<u8>,
    /// What happens to a call for which nothing is left.
    pub on_limit: OnLimit,
    /// What a call counts as whose cost cannot be known before; without it such calls are refused
    /// where [`OnLimit::Stop`] limits money.
    pub unknown: Option<PicoUsd>,
}

impl Budget {
    /// Whether it counts such a call.
    #[must_use]
    pub fn counts(&self, who: &Who<'_>) -> bool {
        who.is_in(&self.scope)
    }

    /// Whether it tells calls apart by this dimension.
    #[must_use]
    pub fn asks_for(&self, dimension: Dimension) -> bool {
        self.each == Some(dimension) || self.scope.iter().any(|(it, _)| *it == dimension)
    }

    /// Whether it counts the same calls in the same accounts as the other, whatever they may come to.
    #[must_use]
    pub fn goes_on_from(&self, other: &Self) -> bool {
        self.name == other.name && self.scope == other.scope && self.each == other.each
    }
}

/// Budgets, and whose calendar their periods follow.
#[derive(Clone, Debug)]
pub struct BudgetSet {
    /// The budgets; their names differ.
    pub budgets: Vec<Budget>,
    /// Where hours, days, weeks and months begin.
    pub zone: TimeZone,
}

impl Default for BudgetSet {
    /// No budgets.
    fn default() -> Self {
        Self { budgets: Vec::new(), zone: TimeZone::UTC }
    }
}

/// Sets are equal when their budgets are.
impl PartialEq for BudgetSet {
    fn eq(&self, other: &Self) -> bool {
        self.budgets == other.budgets
    }
}

/// When something happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The time of day, which may be set back.
    pub at: UnixMs,
    /// Seconds on a clock that only goes forward.
    pub steady_s: u64,
}

#[cfg(test)]
mod tests;
