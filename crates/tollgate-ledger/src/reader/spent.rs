//! What calls cost, by whose they were: for budgets.

use std::collections::BTreeMap;

use tollgate_core::{PicoUsd, UnixMs};

use super::{
    Reader, counts,
    spans::{spans, widened},
};
use crate::{
    LedgerError, Simulated,
    tables::{calls, dimensions::Dimension, sums::Table},
};

/// Which calls are asked for.
#[derive(Clone, Copy, Debug)]
pub struct SpentQuery {
    /// Those that began then or later; a time within a quarter of an hour stands for all of it.
    pub since: UnixMs,
    /// Whether simulated calls count.
    pub simulated: Simulated,
    /// Whether users are told apart, for which every call must be read in place of the sums.
    pub by_user: ByUser,
}

/// Whether users are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByUser {
    /// They are.
    Yes,
    /// They are not.
    No,
}

/// Whose calls they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spender {
    /// The caller's program.
    pub program: Option<String>,
    /// The root folder of its project.
    pub project_root: Option<String>,
    /// The project's name.
    pub project_name: Option<String>,
    /// The caller's user; `None` too where users are not told apart and the cost is known, and of
    /// deleted calls.
    pub user: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The model, as [`CostKey::Model`](crate::CostKey::Model) tells it.
    pub model: Option<String>,
    /// The name of the local key.
    pub key: Option<String>,
}

/// What calls of one spender cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose they were.
    pub spender: Spender,
    /// What they cost.
    pub cost: SpentCost,
}

/// How much, or why that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpentCost {
    /// The sum of all calls whose cost is known.
    Known(PicoUsd),
    /// One call whose cost is not known, by the length of its request and when it began.
    Unknown {
        /// Bytes of the request's body.
        request_bytes: u64,
        /// When it began.
        at: UnixMs,
    },
}

impl Reader {
    /// What calls cost: one sum for each spender, and each call whose cost is not known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn spent(&self, query: &SpentQuery) -> Result<Vec<Spent>, LedgerError> {
        self.ask(|connection| {
            let view = connection.unchecked_transaction()?;
            let (from, until) = widened(Some(query.since), None);
            let mut sums: BTreeMap<(i64, Option<String>), PicoUsd> = BTreeMap::new();
            let mut add = |dimension, user, cost: PicoUsd| {
                let sum = sums.entry((dimension, user)).or_default();
                *sum = sum.plus(cost);
            };
            match query.by_user {
                ByUser::Yes => {
                    calls::each_cost(&view, from, |dimension, user, cost| {
                        add(dimension, user, cost);
                    })?;
                    // Whose deleted calls were is no longer known.
                    let deleted = Table::DeletedQuarters;
                    deleted.each(&view, from, until, |_, dimension, sums| {
                        add(dimension, None, sums.cost);
                    })?;
                }
                ByUser::No => {
                    for span in spans((from, until)) {
                        span.table.each(&view, span.from, span.until, |_, dimension, sums| {
                            add(dimension, None, sums.cost);
                        })?;
                    }
                }
            }
            let mut spent = Vec::new();
            let mut put = |dimension: i64, user, cost| -> Result<(), LedgerError> {
                let dimension = Dimension::with_id(&view, dimension)?;
                if counts(query.simulated, dimension.simulated) {
                    spent.push(Spent { spender: spender(dimension, user), cost });
                }
                Ok(())
            };
            for ((dimension, user), cost) in sums {
                put(dimension, user, SpentCost::Known(cost))?;
            }
            for it in calls::of_unknown_cost(&view, from)? {
                let (request_bytes, at) = (it.request_bytes, it.started_at_ms);
                put(it.dimension_id, it.user, SpentCost::Unknown { request_bytes, at })?;
            }
            Ok(spent)
        })
    }
}

fn spender(dimension: Dimension, user: Option<String>) -> Spender {
    Spender {
        user,
        model: dimension.model().map(str::to_owned),
        program: dimension.program,
        project_root: dimension.project_root,
        project_name: dimension.project_name,
        provider: dimension.provider,
        key: dimension.key,
    }
}
