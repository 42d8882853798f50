//! The accounts of all budgets, and which of them count a call.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::tz::TimeZone;
use tollgate_core::{
    Call, PicoUsd, UnixMs,
    budget::{Account, Budget, BudgetSet, Charge, Hold, Moment, Need, OnLimit, Who},
    price::PriceBook,
};

use super::{
    counted_name,
    past::{Question, Recalled},
    refusal::Stopped,
    status::{AccountStatus, BudgetNews, BudgetStatus, NewsKind},
};
use crate::limits::{ACCOUNTS_MAX, SETTLE_QUEUE_MAX};

/// The account of all values for which there is no room.
const OTHERS: &str = "(others)";

/// An account, for the gateway's life.
type AccountId = u64;

/// Something that is held for a call.
#[derive(Debug)]
pub(super) struct Held {
    account: AccountId,
    hold: Hold,
}

/// A budget with its accounts.
struct Row {
    budget: Arc<Budget>,
    /// The one for all calls, or for those of which nothing tells them apart.
    whole: Option<AccountId>,
    by_value: BTreeMap<Arc<str>, AccountId>,
}

/// What a call came to that was settled while other budgets were being taken.
struct Noted {
    whose: Whose,
    at: UnixMs,
    cost: Option<PicoUsd>,
}

/// Whose a settled call was.
#[derive(Clone, Debug, Default)]
pub(super) struct Whose {
    pub(super) program: Option<String>,
    pub(super) project_root: Option<String>,
    pub(super) project_name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) model: Option<String>,
    pub(super) model_asked: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) key: Option<String>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    accounts: HashMap<AccountId, Account>,
    zone: Option<TimeZone>,
    last: AccountId,
    generation: u64,
    /// Calls that were settled since other budgets were begun to be taken.
    noted: Option<Vec<Noted>>,
}

impl Table {
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// What must be known of the past before these budgets can be taken.
    pub(super) fn begin_to_replace(&mut self, budgets: &[Budget]) -> Vec<Question> {
        self.noted = Some(Vec::new());
        Question::of(budgets, |budget, period| {
            let known = self.rows.iter().find(|it| budget.goes_on_from(&it.budget));
            known.is_some_and(|it| it.budget.amounts.money.iter().any(|(it, _)| *it == period))
        })
    }

    pub(super) fn give_up_replacing(&mut self) {
        self.noted = None;
    }

    /// Takes other budgets, with what is known of the past.
    pub(super) fn replace(
        &mut self,
        set: BudgetSet,
        recalled: &Recalled,
        prices: &PriceBook,
        now: Moment,
    ) {
        let as_before = self.rows.len() == set.budgets.len()
            && self.rows.iter().zip(&set.budgets).all(|(row, budget)| *row.budget == *budget);
        if !as_before {
            self.generation += 1;
        }
        let mut before = std::mem::take(&mut self.rows);
        self.zone = Some(set.zone);
        for budget in set.budgets {
            let known = before.iter().position(|it| budget.goes_on_from(&it.budget));
            let row = match known.map(|at| before.swap_remove(at)) {
                Some(row) => Row { budget: Arc::new(budget), ..row },
                None => Row { budget: Arc::new(budget), whole: None, by_value: BTreeMap::new() },
            };
            self.rows.push(row);
        }
        let noted = self.noted.take().unwrap_or_default();
        let zone = self.zone();
        let mut kept = HashSet::new();
        for row in &self.rows {
            for id in row.ids() {
                kept.insert(id);
                if let Some(account) = self.accounts.get_mut(&id) {
                    account.refit(&row.budget.amounts, now.at, &zone);
                    account.roll(now, &zone);
                }
            }
        }
        self.accounts.retain(|id, _| kept.contains(id));
        for at in 0..self.rows.len() {
            self.recall(at, recalled, &noted, prices, now);
        }
    }

    /// Tells a budget's accounts what was spent before it was there.
    fn recall(
        &mut self,
        at: usize,
        recalled: &Recalled,
        noted: &[Noted],
        prices: &PriceBook,
        now: Moment,
    ) {
        let Some(budget) = self.rows.get(at).map(|it| Arc::clone(&it.budget)) else { return };
        if budget.each.is_none() {
            self.account_of(at, &Who::default(), now);
        }
        for (period, spent) in recalled.of(&budget) {
            for it in spent {
                let whose = it.whose(prices, now.at);
                if budget.counts(&whose.who()) {
                    let id = self.account_of(at, &whose.who(), now);
                    let held = it.held(prices).or(budget.unknown);
                    if let Some(account) = self.accounts.get_mut(&id) {
                        account.recall(period, it.cost(), held);
                    }
                }
            }
            let window = period.window(now.at, &self.zone());
            for it in noted.iter().filter(|it| window.has(it.at)) {
                if budget.counts(&it.whose.who()) {
                    let id = self.account_of(at, &it.whose.who(), now);
                    if let Some(account) = self.accounts.get_mut(&id) {
                        account.recall(period, it.cost, budget.unknown);
                    }
                }
            }
        }
        // What was reached in the past is no news.
        let ids: Vec<_> = self.rows.get(at).into_iter().flat_map(Row::ids).collect();
        for id in ids {
            if let Some(account) = self.accounts.get_mut(&id) {
                account.crossings(&budget.amounts, &budget.warn_at);
            }
        }
    }

    /// Holds what a call can come to in every account that counts it, or in none.
    pub(super) fn reserve(
        &mut self,
        who: &Who<'_>,
        need: &Need,
        now: Moment,
        news: &mut Vec<BudgetNews>,
    ) -> Result<Vec<Held>, Box<Stopped>> {
        let zone = self.zone();
        let asked = self.counting(who, now);
        let mut stopped = None;
        for (budget, id) in &asked {
            let Some(account) = self.accounts.get_mut(id) else { continue };
            account.roll(now, &zone);
            let Err(stop) = account.check(&budget.amounts, &need_of(budget, need)) else {
                continue;
            };
            let value = budget.each.and_then(|it| who.value(it));
            if account.note(&stop) {
                news.extend(BudgetNews::of_stop(budget, value, &stop));
            }
            if budget.on_limit == OnLimit::Stop && stopped.is_none() {
                stopped = Some(Box::new(Stopped::new(budget, value, stop, now.at, &zone)));
            }
        }
        if let Some(stopped) = stopped {
            return Err(stopped);
        }
        let held = asked.into_iter().filter_map(|(budget, id)| {
            let hold = self.accounts.get_mut(&id)?.hold(&need_of(&budget, need), now);
            Some(Held { account: id, hold })
        });
        Ok(held.collect())
    }

    /// Gives back what is held.
    pub(super) fn forget(&mut self, held: &mut Vec<Held>) {
        for it in held.drain(..) {
            if let Some(account) = self.accounts.get_mut(&it.account) {
                account.forget(it.hold);
            }
        }
    }

    /// Notes that the call is not under way any more.
    pub(super) fn end(&mut self, held: &mut [Held]) {
        for it in held {
            if let Some(account) = self.accounts.get_mut(&it.account) {
                account.end(&mut it.hold);
            }
        }
    }

    /// Puts what a call came to in place of what is held. Budgets that were not there when it began
    /// count it too.
    pub(super) fn settle(
        &mut self,
        (held, generation): (Vec<Held>, Option<u64>),
        call: &Call,
        prices: &PriceBook,
        now: Moment,
    ) -> Vec<BudgetNews> {
        let is_free = call.cost.is_none() && call.cost_unknown.is_none();
        let cost = if is_free { Some(PicoUsd::ZERO) } else { call.cost };
        let charge = Charge { cost, tokens: tokens_of(call) };
        let mut touched: Vec<AccountId> = Vec::with_capacity(held.len());
        for it in held {
            if let Some(account) = self.accounts.get_mut(&it.account) {
                account.settle(it.hold, &charge);
                touched.push(it.account);
            }
        }
        if !is_free && (self.noted.is_some() || generation != Some(self.generation)) {
            let it = Noted { whose: Whose::of(call, prices), at: call.started_at_ms, cost };
            if generation != Some(self.generation) {
                self.charge(&it, now, &mut touched);
            }
            if let Some(noted) = self.noted.as_mut().filter(|it| it.len() < SETTLE_QUEUE_MAX) {
                noted.push(it);
            }
        }
        self.reached(&touched)
    }

    /// Counts a call in accounts that hold nothing for it, because they were not there when it began.
    fn charge(&mut self, it: &Noted, now: Moment, touched: &mut Vec<AccountId>) {
        let zone = self.zone();
        for (budget, id) in self.counting(&it.whose.who(), now) {
            if !touched.contains(&id)
                && let Some(account) = self.accounts.get_mut(&id)
            {
                account.roll(now, &zone);
                account.charge(it.at, it.cost, budget.unknown);
                touched.push(id);
            }
        }
    }

    /// What these accounts have reached that nobody was told of.
    fn reached(&mut self, touched: &[AccountId]) -> Vec<BudgetNews> {
        let mut news = Vec::new();
        for row in &self.rows {
            for (value, id) in row.named_ids().filter(|(_, id)| touched.contains(id)) {
                let Some(account) = self.accounts.get_mut(&id) else { continue };
                let crossings = account.crossings(&row.budget.amounts, &row.budget.warn_at);
                news.extend(crossings.iter().map(|it| {
                    let kind = NewsKind::Reached(it.percent);
                    BudgetNews::new(&row.budget, value, kind, &it.purse, it.amount)
                }));
            }
        }
        news
    }

    pub(super) fn left(&mut self, who: &Who<'_>, now: Moment) -> Option<PicoUsd> {
        let zone = self.zone();
        let asked = self.counting(who, now);
        let left = asked.into_iter().filter(|(it, _)| it.on_limit == OnLimit::Stop).filter_map(
            |(budget, id)| {
                let account = self.accounts.get_mut(&id)?;
                account.roll(now, &zone);
                account.left(&budget.amounts)
            },
        );
        left.min()
    }

    pub(super) fn status(&mut self, now: Moment) -> Vec<BudgetStatus> {
        let zone = self.zone();
        let rows = self.rows.iter().map(|row| {
            let accounts = row.named_ids().filter_map(|(value, id)| {
                let account = self.accounts.get_mut(&id)?;
                account.roll(now, &zone);
                Some(AccountStatus::of(&row.budget, value, account))
            });
            BudgetStatus { accounts: accounts.collect(), budget: Arc::clone(&row.budget) }
        });
        rows.collect()
    }

    /// The accounts that count a call, in the order of their budgets.
    fn counting(&mut self, who: &Who<'_>, now: Moment) -> Vec<(Arc<Budget>, AccountId)> {
        let mut counting = Vec::new();
        for at in 0..self.rows.len() {
            let Some(row) = self.rows.get(at).filter(|it| it.budget.counts(who)) else { continue };
            let budget = Arc::clone(&row.budget);
            counting.push((budget, self.account_of(at, who, now)));
        }
        counting
    }

    /// The account of a budget that a call which it counts belongs to, made if it is not there.
    fn account_of(&mut self, at: usize, who: &Who<'_>, now: Moment) -> AccountId {
        let zone = self.zone();
        let Some(row) = self.rows.get_mut(at) else { return 0 };
        let value = row.budget.each.and_then(|it| who.value(it));
        let known = match value {
            Some(value) => row.by_value.get(value).copied(),
            None => row.whole,
        };
        if let Some(id) = known {
            return id;
        }
        let value = match value {
            Some(_) if !row.has_room(&mut self.accounts) => {
                if let Some(id) = row.by_value.get(OTHERS) {
                    return *id;
                }
                Some(OTHERS)
            }
            value => value,
        };
        self.last += 1;
        let id = self.last;
        match value {
            Some(value) => {
                row.by_value.insert(value.into(), id);
            }
            None => row.whole = Some(id),
        }
        self.accounts.insert(id, Account::new(&row.budget.amounts, now.at, &zone));
        id
    }

    fn zone(&self) -> TimeZone {
        self.zone.clone().unwrap_or(TimeZone::UTC)
    }
}

impl Row {
    /// Every account with its value.
    fn named_ids(&self) -> impl Iterator<Item = (Option<&str>, AccountId)> {
        let whole = self.whole.iter().map(|id| (None, *id));
        whole.chain(self.by_value.iter().map(|(value, id)| (Some(&**value), *id)))
    }

    fn ids(&self) -> impl Iterator<Item = AccountId> {
        self.named_ids().map(|(_, id)| id)
    }

    /// Whether one more value can have an account; those that have nothing to tell make room.
    fn has_room(&mut self, accounts: &mut HashMap<AccountId, Account>) -> bool {
        if self.by_value.len() >= ACCOUNTS_MAX {
            self.by_value.retain(|_, id| {
                let idle = accounts.get(id).is_none_or(Account::is_idle);
                if idle {
                    accounts.remove(id);
                }
                !idle
            });
        }
        self.by_value.len() < ACCOUNTS_MAX
    }
}

impl Whose {
    fn of(call: &Call, prices: &PriceBook) -> Self {
        let caller = call.caller.as_ref();
        let project = caller.and_then(|it| it.project.as_ref());
        let model = call.model_served.as_ref().or(call.model_asked.as_ref());
        let whose = Self {
            program: caller.map(|it| it.program.clone()),
            project_root: project.map(|it| it.root.clone()),
            project_name: project.map(|it| it.name.clone()),
            user: caller.and_then(|it| it.user.clone()),
            model: None,
            model_asked: model.cloned(),
            provider: call.provider.clone(),
            key: call.key.clone(),
        };
        whose.priced(prices, call.started_at_ms)
    }

    /// With the name that its model is counted by.
    pub(super) fn priced(mut self, prices: &PriceBook, at: UnixMs) -> Self {
        let provider = self.provider.as_deref().unwrap_or_default();
        let name = self.model_asked.as_deref();
        self.model = name.map(|it| counted_name(prices, provider, it, at).to_owned());
        self
    }

    pub(super) fn who(&self) -> Who<'_> {
        Who {
            program: self.program.as_deref(),
            project_root: self.project_root.as_deref(),
            project_name: self.project_name.as_deref(),
            user: self.user.as_deref(),
            model: self.model.as_deref(),
            model_asked: self.model_asked.as_deref(),
            provider: self.provider.as_deref(),
            key: self.key.as_deref(),
        }
    }
}

/// What a call wants of a budget that says what an unknown cost counts as.
fn need_of(budget: &Budget, need: &Need) -> Need {
    Need { money: need.money.or(budget.unknown), tokens: need.tokens }
}

/// All tokens of a call, where they are known.
fn tokens_of(call: &Call) -> Option<u64> {
    let prompt = call.usage.prompt_total()?;
    let generates = call.operation == tollgate_core::Operation::Generate;
    let output = match call.usage.output {
        None if generates => return None,
        output => output.unwrap_or_default(),
    };
    Some(prompt.saturating_add(output))
}
