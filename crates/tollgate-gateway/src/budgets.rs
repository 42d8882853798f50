//! The budgets of the configuration: what their accounts have, asked before a call is sent and settled
//! when it is over.
//!
//! [`Accounts`] are the gateway's, not the snapshot's: a configuration that changes keeps what was
//! spent. A call that may be billed reserves what it can cost in every account that counts it
//! ([`enter`]), in one step under one lock, so that calls at the same time never take the same money. Its
//! [`Ticket`] holds that until settlement puts the real cost in its place; one that is dropped gives it
//! back. What was spent before the gateway started, or before a budget was there, is told by [`Past`].

mod enter;
mod past;
mod refusal;
mod status;
mod table;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::time::Instant;
use tollgate_core::{
    Call, Clock, PicoUsd, UnixMs,
    budget::{BudgetSet, Dimension, Moment, Need, Who},
    price::PriceBook,
};
use tollgate_ledger::LedgerError;

pub(crate) use self::{
    enter::{Going, enter, left, reserve_unread, whose},
    refusal::Stopped,
};
use self::{
    past::Recalled,
    table::{Held, Table},
};
pub use self::{
    past::{LedgerPast, Past},
    status::{AccountStatus, BudgetNews, BudgetStatus, NewsKind, PurseStatus},
};

/// Set when there is a budget.
const USED: u8 = 1;
/// Set when one of them tells callers apart.
const OF_CALLERS: u8 = 2;

/// What is left of every budget.
pub(crate) struct Accounts {
    clock: Arc<dyn Clock>,
    began: Instant,
    uses: AtomicU8,
    table: Mutex<Table>,
}

/// What is held for one call, until it is settled or dropped.
pub(crate) struct Ticket {
    accounts: Arc<Accounts>,
    held: Vec<Held>,
    /// Which configuration's accounts these are.
    generation: u64,
}

impl Accounts {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            began: Instant::now(),
            uses: AtomicU8::new(0),
            table: Mutex::default(),
        })
    }

    /// Whether there is any budget. Without one nothing else here is ever asked.
    pub(crate) fn are_used(&self) -> bool {
        self.uses.load(Ordering::Acquire) & USED != 0
    }

    /// Whether the caller must be known.
    pub(crate) fn are_of_callers(&self) -> bool {
        self.uses.load(Ordering::Acquire) & OF_CALLERS != 0
    }

    /// Takes other budgets; what was spent from those that stay is kept. `past` tells what was spent
    /// from the others, which blocks on the disk; without it, nothing. Calls that are settled while it
    /// is read may count twice for those, and never not at all.
    pub(crate) fn replace(
        &self,
        set: BudgetSet,
        past: Option<&dyn Past>,
        prices: &PriceBook,
    ) -> Result<(), LedgerError> {
        let now = self.now();
        let questions = self.table().begin_to_replace(&set.budgets);
        let recalled = Recalled::read(&questions, &set.zone, now, past);
        let mut table = self.table();
        let recalled = match recalled {
            Ok(recalled) => recalled,
            Err(error) => {
                table.give_up_replacing();
                return Err(error);
            }
        };
        let asks = |dimension| set.budgets.iter().any(|it| it.asks_for(dimension));
        let mut uses = if set.budgets.is_empty() { 0 } else { USED };
        if Dimension::ALL.into_iter().any(|it| it.is_of_caller() && asks(it)) {
            uses |= OF_CALLERS;
        }
        table.replace(set, &recalled, prices, now);
        self.uses.store(uses, Ordering::Release);
        Ok(())
    }

    /// Holds what a call can come to, in place of what is held for it already.
    fn reserve(
        self: &Arc<Self>,
        ticket: &mut Option<Ticket>,
        who: &Who<'_>,
        need: &Need,
    ) -> (Result<(), Box<Stopped>>, Vec<BudgetNews>) {
        let now = self.now();
        let mut table = self.table();
        if let Some(ticket) = ticket {
            table.forget(&mut ticket.held);
        }
        let mut news = Vec::new();
        let held = table.reserve(who, need, now, &mut news);
        let result = held.map(|held| {
            let generation = table.generation();
            // The one before, which holds nothing any more, may not take the lock in here.
            match ticket {
                Some(ticket) => (ticket.held, ticket.generation) = (held, generation),
                None => {
                    *ticket = Some(Ticket { accounts: Arc::clone(self), held, generation });
                }
            }
        });
        (result, news)
    }

    /// Puts what a call came to in place of what was held for it.
    pub(crate) fn settle(
        &self,
        ticket: Option<Ticket>,
        call: &Call,
        prices: &PriceBook,
    ) -> Vec<BudgetNews> {
        if ticket.is_none() && !self.are_used() {
            return Vec::new();
        }
        let (held, generation) = match ticket {
            Some(mut it) => (std::mem::take(&mut it.held), Some(it.generation)),
            None => (Vec::new(), None),
        };
        let now = self.now();
        self.table().settle((held, generation), call, prices, now)
    }

    /// The least money that a budget which stops calls has left for such a call; `None` where none
    /// limits its money.
    pub(crate) fn left(&self, who: &Who<'_>) -> Option<PicoUsd> {
        let now = self.now();
        self.table().left(who, now)
    }

    /// How the budgets are, in the order of the configuration.
    pub(crate) fn status(&self) -> Vec<BudgetStatus> {
        let now = self.now();
        self.table().status(now)
    }

    fn now(&self) -> Moment {
        Moment { at: self.clock.now(), steady_s: self.began.elapsed().as_secs() }
    }

    /// The table stays whole if a holder panics: a hold that is not noted is given back with the call.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

impl Ticket {
    /// Notes that the call is not under way any more.
    pub(crate) fn end(&mut self) {
        self.accounts.table().end(&mut self.held);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.accounts.table().forget(&mut self.held);
        }
    }
}

/// The name that a provider's model is counted by: that of its price, which is one for all its dates;
/// else its own.
pub(crate) fn counted_name<'a>(
    prices: &'a PriceBook,
    provider: &str,
    model: &'a str,
    at: UnixMs,
) -> &'a str {
    let row = prices.find(provider, model, at);
    row.map(|it| it.model.as_str()).filter(|it| *it != "*").unwrap_or(model)
}
