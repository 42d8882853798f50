//! How budgets are, for people.

use std::sync::Arc;

use tollgate_core::{
    PicoUsd,
    budget::{Account, Budget, OnLimit, Period, Purse, Stop, Stops, Window},
};

/// A budget, as it is at this moment.
#[derive(Clone, Debug)]
pub struct BudgetStatus {
    /// As it is configured.
    pub budget: Arc<Budget>,
    /// Its accounts: one, or one for each value that was seen, by value.
    pub accounts: Vec<AccountStatus>,
}

/// An account, as it is at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStatus {
    /// The value that it is for; `None`: all calls of the budget, or those of which it is not known.
    pub value: Option<String>,
    /// Money, by period.
    pub purses: Vec<PurseStatus>,
    /// Calls in the last 60 seconds, where those are limited.
    pub requests: Option<u64>,
    /// Tokens in the last 60 seconds, where those are limited.
    pub tokens: Option<u64>,
    /// Calls under way.
    pub under_way: u64,
    /// How many calls it stopped for other reasons than money since the gateway started or the budget
    /// came; of one that only warns, how many it would have.
    pub stopped: Stops,
}

/// The money of an account for one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurseStatus {
    /// How much there is in all.
    pub amount: PicoUsd,
    /// What of it is gone.
    pub purse: Purse,
}

/// Something about a budget that the user wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetNews {
    /// The budget's name.
    pub budget: String,
    /// The value that the account is for.
    pub value: Option<String>,
    /// What happened.
    pub kind: NewsKind,
    /// Whether the budget stops calls.
    pub on_limit: OnLimit,
    /// The period.
    pub period: Period,
    /// The stretch of time.
    pub window: Window,
    /// What is spent.
    pub spent: PicoUsd,
    /// How much there is in all.
    pub amount: PicoUsd,
}

/// What happened to a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewsKind {
    /// This part of the amount is spent, in percent.
    Reached(u8),
    /// For the first time in the period there was too little left for a call.
    Stopped,
}

impl AccountStatus {
    pub(super) fn of(budget: &Budget, value: Option<&str>, account: &Account) -> Self {
        let amounts = budget.amounts.money.iter();
        let purses = amounts.zip(account.purses());
        let purses =
            purses.map(|((_, amount), purse)| PurseStatus { amount: *amount, purse: *purse });
        Self {
            value: value.map(str::to_owned),
            purses: purses.collect(),
            requests: account.requests(),
            tokens: account.tokens(),
            under_way: account.under_way(),
            stopped: account.stopped(),
        }
    }
}

impl BudgetNews {
    pub(super) fn new(
        budget: &Budget,
        value: Option<&str>,
        kind: NewsKind,
        purse: &Purse,
        amount: PicoUsd,
    ) -> Self {
        Self {
            budget: budget.name.clone(),
            value: value.map(str::to_owned),
            kind,
            on_limit: budget.on_limit,
            period: purse.period,
            window: purse.window,
            spent: purse.spent,
            amount,
        }
    }

    /// What a stop for too little money is as news.
    pub(super) fn of_stop(budget: &Budget, value: Option<&str>, stop: &Stop) -> Option<Self> {
        match stop {
            Stop::Money { purse, amount, .. } => {
                Some(Self::new(budget, value, NewsKind::Stopped, purse, *amount))
            }
            Stop::Unpriced
            | Stop::Requests { .. }
            | Stop::Tokens { .. }
            | Stop::Concurrent { .. } => None,
        }
    }
}
