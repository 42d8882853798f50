//! Budgets, and what is left of them.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tollgate_core::{
    PicoUsd,
    budget::{Dimension, OnLimit, Period},
};
use tollgate_gateway::{AccountStatus, BudgetNews, BudgetStatus, NewsKind, PurseStatus};
use utoipa::ToSchema;

use crate::App;

/// A budget of the configuration, as it is at this moment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BudgetView {
    /// Its name.
    pub name: String,
    /// Which calls it counts: those that match all of these. Empty: every call.
    pub scope: Vec<BudgetScopeView>,
    /// By what its calls have an account each: `program`, `project`, `user`, `model`, `provider` or
    /// `key`.
    pub each: Option<String>,
    /// Whether calls are stopped (`stop`) or the user is told (`warn`) when nothing is left.
    pub on_limit: String,
    /// At which parts of an amount of money, in percent, the user is told.
    pub warn_at: Vec<u8>,
    /// What a call of unknown cost counts as, in pico-dollars.
    pub unknown_pico_usd: Option<String>,
    /// How many calls each account has in 60 seconds.
    pub requests_per_min: Option<u64>,
    /// How many tokens each account has in 60 seconds.
    pub tokens_per_min: Option<u64>,
    /// How many calls each account has at the same time.
    pub concurrent: Option<u64>,
    /// Its accounts: one, or one for each value that was seen.
    pub accounts: Vec<BudgetAccountView>,
}

/// One condition of a budget's scope.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BudgetScopeView {
    /// `program`, `project`, `user`, `model`, `provider` or `key`.
    pub dimension: String,
    /// The name, in which `*` stands for any text.
    pub pattern: String,
}

/// What is left of a budget for one value of what it tells calls apart by.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BudgetAccountView {
    /// The value; `null` for all calls, or for those of which it is not known.
    pub value: Option<String>,
    /// Money, by period.
    pub money: Vec<BudgetMoneyView>,
    /// Calls in the last 60 seconds, where those are limited.
    pub requests: Option<u64>,
    /// Tokens in the last 60 seconds, where those are limited; of calls under way, the most that they
    /// can take.
    pub tokens: Option<u64>,
    /// Calls under way.
    pub under_way: u64,
    /// How many calls were stopped since the gateway started for too many calls in a minute; where the
    /// budget only warns, how many would have been.
    pub stopped_requests: u64,
    /// Likewise for too many tokens in a minute.
    pub stopped_tokens: u64,
    /// Likewise for too many calls at the same time.
    pub stopped_concurrent: u64,
}

/// The money of one period.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BudgetMoneyView {
    /// `hour`, `day`, `week` or `month`.
    pub period: String,
    /// When it began.
    pub from_ms: i64,
    /// When the next one begins.
    pub until_ms: i64,
    /// How much there is in all, in pico-dollars.
    pub amount_pico_usd: String,
    /// What settled calls cost, in pico-dollars.
    pub spent_pico_usd: String,
    /// What is held for calls under way, in pico-dollars.
    pub reserved_pico_usd: String,
    /// What is left, in pico-dollars; below zero where calls cost more than was held for them.
    pub left_pico_usd: String,
    /// How many of the settled calls have a cost that is not known; they count as what was held.
    pub unknown_calls: u64,
    /// How many calls were stopped in this period; where it only warns, how many would have been.
    pub stopped: u64,
}

/// Something about a budget that the user wants to know.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BudgetNewsView {
    /// The budget's name.
    pub budget: String,
    /// The value of what it tells calls apart by.
    pub value: Option<String>,
    /// `reached`: a part of the amount is spent; `stopped`: for the first time in the period there was
    /// too little left for a call.
    pub kind: String,
    /// The part that is reached, in percent.
    pub percent: Option<u8>,
    /// Whether calls are stopped (`stop`) or go on (`warn`).
    pub on_limit: String,
    /// `hour`, `day`, `week` or `month`.
    pub period: String,
    /// When the next one begins.
    pub until_ms: i64,
    /// What is spent, in pico-dollars.
    pub spent_pico_usd: String,
    /// How much there is in all, in pico-dollars.
    pub amount_pico_usd: String,
}

/// The budgets of the configuration.
#[utoipa::path(get, path = "/budgets", responses((status = 200, body = Vec<BudgetView>)))]
pub async fn list_budgets(State(app): State<Arc<App>>) -> Json<Vec<BudgetView>> {
    Json(app.gateway().budgets().into_iter().map(BudgetView::from).collect())
}

impl From<BudgetStatus> for BudgetView {
    fn from(status: BudgetStatus) -> Self {
        let budget = &status.budget;
        let scope = budget.scope.iter().map(|(dimension, pattern)| BudgetScopeView {
            dimension: dimension.name().to_owned(),
            pattern: pattern.to_string(),
        });
        Self {
            name: budget.name.clone(),
            scope: scope.collect(),
            each: budget.each.map(Dimension::name).map(str::to_owned),
            on_limit: on_limit(budget.on_limit),
            warn_at: budget.warn_at.clone(),
            unknown_pico_usd: budget.unknown.map(pico),
            requests_per_min: budget.amounts.requests_per_min,
            tokens_per_min: budget.amounts.tokens_per_min,
            concurrent: budget.amounts.concurrent,
            accounts: status.accounts.into_iter().map(BudgetAccountView::from).collect(),
        }
    }
}

impl From<AccountStatus> for BudgetAccountView {
    fn from(status: AccountStatus) -> Self {
        Self {
            value: status.value,
            money: status.purses.iter().map(BudgetMoneyView::from).collect(),
            requests: status.requests,
            tokens: status.tokens,
            under_way: status.under_way,
            stopped_requests: status.stopped.requests,
            stopped_tokens: status.stopped.tokens,
            stopped_concurrent: status.stopped.concurrent,
        }
    }
}

impl From<&PurseStatus> for BudgetMoneyView {
    fn from(PurseStatus { amount, purse }: &PurseStatus) -> Self {
        Self {
            period: purse.period.name().to_owned(),
            from_ms: purse.window.from.0,
            until_ms: purse.window.until.0,
            amount_pico_usd: pico(*amount),
            spent_pico_usd: pico(purse.spent),
            reserved_pico_usd: pico(purse.reserved),
            left_pico_usd: pico(purse.left(*amount)),
            unknown_calls: purse.unknown_calls,
            stopped: purse.stopped,
        }
    }
}

impl From<&BudgetNews> for BudgetNewsView {
    fn from(news: &BudgetNews) -> Self {
        let (kind, percent) = match news.kind {
            NewsKind::Reached(percent) => ("reached", Some(percent)),
            NewsKind::Stopped => ("stopped", None),
        };
        Self {
            budget: news.budget.clone(),
            value: news.value.clone(),
            kind: kind.to_owned(),
            percent,
            on_limit: on_limit(news.on_limit),
            period: Period::name(news.period).to_owned(),
            until_ms: news.window.until.0,
            spent_pico_usd: pico(news.spent),
            amount_pico_usd: pico(news.amount),
        }
    }
}

fn on_limit(it: OnLimit) -> String {
    let name = match it {
        OnLimit::Stop => "stop",
        OnLimit::Warn => "warn",
    };
    name.to_owned()
}

fn pico(amount: PicoUsd) -> String {
    amount.0.to_string()
}
