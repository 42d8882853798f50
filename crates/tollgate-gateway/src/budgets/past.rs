//! What was spent before a budget was there.

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use tokio::time::timeout;
use tollgate_core::{
    PicoUsd, UnixMs,
    budget::{
        Budget, Dimension, Moment, Period,
        bound::{self, Work},
    },
    price::PriceBook,
};
use tollgate_ledger::{
    ByUser, LedgerError, Reader, Simulated, Spent, SpentCost, SpentQuery, Writer,
};

use super::table::Whose;
use crate::limits::{HELD_BYTES_PER_TOKEN, HELD_OUTPUT_TOKENS, HISTORY_WAIT};

/// Knows what earlier calls cost.
pub trait Past: Send + Sync {
    /// What calls cost that began at `since` or later. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be read: budgets are then not taken.
    fn spent(&self, since: UnixMs, by_user: ByUser) -> Result<Vec<Spent>, LedgerError>;

    /// Waits until [`Self::spent`] knows every call that has been settled, for a second at most.
    fn caught_up(&self) -> BoxFuture<'_, ()>;
}

/// The ledger's past.
#[derive(Debug)]
pub struct LedgerPast {
    reader: Reader,
    writer: Writer,
    simulated: Simulated,
}

impl LedgerPast {
    /// Reads with `reader` what `writer` has written; `simulated` says whether simulated calls count.
    #[must_use]
    pub const fn new(reader: Reader, writer: Writer, simulated: Simulated) -> Self {
        Self { reader, writer, simulated }
    }
}

impl Past for LedgerPast {
    fn spent(&self, since: UnixMs, by_user: ByUser) -> Result<Vec<Spent>, LedgerError> {
        self.reader.spent(&SpentQuery { since, simulated: self.simulated, by_user })
    }

    fn caught_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // A ledger that cannot be written is not waited for: what it has is still told.
            if !matches!(timeout(HISTORY_WAIT, self.writer.flush()).await, Ok(Ok(()))) {
                tracing::warn!("the ledger could not be brought up to date for budgets");
            }
        })
    }
}

/// A period of which a budget has to be told what was spent.
#[derive(Clone, Debug)]
pub(super) struct Question {
    budget: String,
    period: Period,
    by_user: bool,
}

impl Question {
    /// What these budgets have to be told; `is_known` knows the others.
    pub(super) fn of(budgets: &[Budget], is_known: impl Fn(&Budget, Period) -> bool) -> Vec<Self> {
        let questions = budgets.iter().flat_map(|budget| {
            let unknown = budget.amounts.money.iter().filter(|(it, _)| !is_known(budget, *it));
            unknown.map(|(period, _)| Self {
                budget: budget.name.clone(),
                period: *period,
                by_user: budget.asks_for(Dimension::User),
            })
        });
        questions.collect()
    }
}

/// The answers.
pub(super) struct Recalled {
    questions: Vec<Question>,
    spent: Vec<(Period, Vec<Earlier>)>,
}

/// What was spent before.
pub(super) struct Earlier(Spent);

impl Recalled {
    pub(super) fn read(
        questions: &[Question],
        zone: &TimeZone,
        now: Moment,
        past: Option<&dyn Past>,
    ) -> Result<Self, LedgerError> {
        let mut spent = Vec::new();
        for period in Period::ALL {
            let mut asking = questions.iter().filter(|it| it.period == period).peekable();
            let Some(past) = past.filter(|_| asking.peek().is_some()) else { continue };
            let by_user = if asking.any(|it| it.by_user) { ByUser::Yes } else { ByUser::No };
            let found = past.spent(period.window(now.at, zone).from, by_user)?;
            spent.push((period, found.into_iter().map(Earlier).collect()));
        }
        Ok(Self { questions: questions.to_vec(), spent })
    }

    /// What a budget has to be told, by period.
    pub(super) fn of(&self, budget: &Budget) -> impl Iterator<Item = (Period, &[Earlier])> {
        let asked = |period| {
            self.questions.iter().any(|it| it.budget == budget.name && it.period == period)
        };
        let spent = self.spent.iter().map(|(period, spent)| (*period, spent.as_slice()));
        spent.filter(move |(period, _)| asked(*period))
    }
}

impl Earlier {
    pub(super) fn whose(&self, prices: &PriceBook, now: UnixMs) -> Whose {
        let it = self.0.spender.clone();
        let whose = Whose {
            program: it.program,
            project_root: it.project_root,
            project_name: it.project_name,
            user: it.user,
            model: None,
            model_asked: it.model,
            provider: it.provider,
            key: it.key,
        };
        whose.priced(prices, now)
    }

    pub(super) const fn cost(&self) -> Option<PicoUsd> {
        match self.0.cost {
            SpentCost::Known(cost) => Some(cost),
            SpentCost::Unknown { .. } => None,
        }
    }

    /// What was held for a call whose cost is not known, as far as that can be told later: as if it had
    /// named no maximum.
    pub(super) fn held(&self, prices: &PriceBook) -> Option<PicoUsd> {
        let SpentCost::Unknown { request_bytes, at } = self.0.cost else { return None };
        let (provider, model) =
            (self.0.spender.provider.as_deref()?, self.0.spender.model.as_deref()?);
        let work = Work {
            prompt_tokens: request_bytes / HELD_BYTES_PER_TOKEN,
            output_tokens: HELD_OUTPUT_TOKENS,
            service: None,
        };
        bound::most(&work, prices.find(provider, model, at)?)
    }
}
