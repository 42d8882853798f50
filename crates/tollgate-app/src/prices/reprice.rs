//! Old calls at the prices of their day, as they are known now.
//!
//! A call never loses a cost: where no row prices it any more it keeps the one it was settled with.

use std::collections::{BTreeMap, HashMap};

use tollgate_core::{
    Call, PicoUsd, UnixMs,
    call::CostUnknown,
    cost,
    price::{PriceBook, PriceRow},
};
use tollgate_ledger::{
    CALLS_LIMIT_MAX, CallFilter, CallQuery, Change, CostChange, LedgerError, Reader, Simulated,
    Writer,
};

/// Which calls, and whether they are changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those that began then or later.
    pub since: Option<UnixMs>,
    /// Those of this model, asked for or served.
    pub model: Option<String>,
    /// Whether simulated calls count.
    pub simulated: Simulated,
}

/// What changes for the calls of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelChange {
    /// Its calls with a cost or a reason for none.
    pub calls: u64,
    /// Those whose cost changes.
    pub changed: u64,
    /// Those of them that had none.
    pub newly_priced: u64,
    /// What is known of the cost of all of them before.
    pub cost_before: PicoUsd,
    /// The part of that which is an estimate.
    pub estimated_before: PicoUsd,
    /// How many had no known cost before.
    pub unknown_before: u64,
    /// What is known of it then.
    pub cost_after: PicoUsd,
    /// The part of that which is an estimate.
    pub estimated_after: PicoUsd,
    /// How many have no known cost then.
    pub unknown_after: u64,
}

/// What changes, by provider and model.
pub type Changes = BTreeMap<(String, String), ModelChange>;

/// The book, ready to judge calls.
pub struct Judge<'a> {
    book: &'a PriceBook,
    by_id: HashMap<&'a str, &'a PriceRow>,
}

impl<'a> Judge<'a> {
    /// Judges by this book.
    #[must_use]
    pub fn new(book: &'a PriceBook) -> Self {
        Self { book, by_id: book.rows().map(|it| (it.id.as_str(), it)).collect() }
    }

    /// What a call of this model costs by the book, where that is known and another amount than it
    /// has.
    #[must_use]
    pub fn judged(&self, call: &Call, model: &str) -> Option<CostChange> {
        let row = self.row_of(call, model)?;
        let cost = if row.is_free() { PicoUsd::ZERO } else { self.priced(call, row)? };
        (call.cost != Some(cost)).then(|| CostChange {
            id: call.id,
            cost: Some(cost),
            cost_unknown: None,
            price_id: Some(row.id.clone()),
        })
    }

    /// The row of a call that is billed at all.
    fn row_of(&self, call: &Call, model: &str) -> Option<&'a PriceRow> {
        let is_billed = !call.cached && (call.cost.is_some() || call.cost_unknown.is_some());
        let provider = call.provider.as_deref().filter(|_| is_billed)?;
        self.book.find(provider, model, call.started_at_ms)
    }

    fn priced(&self, call: &Call, row: &PriceRow) -> Option<PicoUsd> {
        match call.cost_unknown {
            // Nothing that a price could mend.
            Some(CostUnknown::NoUsage | CostUnknown::OutOfRange | CostUnknown::FeeNotTold) => {
                return None;
            }
            // Ledgers of before had no word for a fee that is not told: if the row of then has a
            // price for every kind, it was that.
            Some(CostUnknown::KindNotPriced) => {
                let then = call.price_id.as_deref().and_then(|it| self.by_id.get(it));
                if then.is_some_and(|it| cost::price(&call.usage, call.service_tier, it).is_ok()) {
                    return None;
                }
            }
            Some(CostUnknown::NoPrice | CostUnknown::TierNotPriced) | None => {}
        }
        cost::price(&call.usage, call.service_tier, row).ok().map(|it| it.total)
    }
}

/// The model that a call is priced by: the one that answered, or the one that its provider was asked
/// for, which is the client's unless the call was routed. Empty where none is known.
fn priced_model(reader: &Reader, call: &Call) -> Result<String, LedgerError> {
    if let Some(served) = &call.model_served {
        return Ok(served.clone());
    }
    let routed = reader.routing(call.id)?.and_then(|it| it.attempts.into_iter().next_back());
    let sent = routed.filter(|it| Some(&it.provider) == call.provider.as_ref()).map(|it| it.model);
    Ok(sent.or_else(|| call.model_asked.clone()).unwrap_or_default())
}

/// A page of calls, each with the model that it is priced by.
fn page_of(reader: &Reader, query: &CallQuery) -> Result<Vec<(Call, String)>, LedgerError> {
    let calls = reader.calls(query)?.into_iter();
    let named = calls.map(|call| priced_model(reader, &call).map(|model| (call, model)));
    named.collect()
}

/// Goes through the calls, newest first, and tells what changes. With a `writer` it is changed too,
/// page by page: what was done stays done when it fails later, and doing it again does the rest.
///
/// # Errors
/// When the ledger cannot be read or written.
pub async fn reprice(
    reader: &Reader,
    writer: Option<&Writer>,
    book: &PriceBook,
    wanted: &Wanted,
) -> Result<Changes, LedgerError> {
    let judge = Judge::new(book);
    let mut changes = Changes::new();
    let filter = CallFilter {
        model: wanted.model.clone(),
        simulated: wanted.simulated,
        ..CallFilter::default()
    };
    let mut query =
        CallQuery { since: wanted.since, limit: CALLS_LIMIT_MAX, filter, ..CallQuery::default() };
    loop {
        let (reader, asked) = (reader.clone(), query.clone());
        let page = tokio::task::spawn_blocking(move || page_of(&reader, &asked));
        let page = page.await.unwrap_or(Err(LedgerError::Closed))?;
        let Some((last, _)) = page.last() else { return Ok(changes) };
        query.before = Some(last.id);
        let mut batch = Vec::new();
        for (call, model) in &page {
            let change = judge.judged(call, model);
            count(&mut changes, call, model, change.as_ref());
            batch.extend(change.map(Change::Cost));
        }
        if let Some(writer) = writer.filter(|_| !batch.is_empty()) {
            writer.change(batch).await?;
        }
    }
}

fn count(changes: &mut Changes, call: &Call, model: &str, change: Option<&CostChange>) {
    if call.cost.is_none() && call.cost_unknown.is_none() {
        return;
    }
    let key = (call.provider.clone().unwrap_or_default(), model.to_owned());
    let of_model = changes.entry(key).or_default();
    let after = change.map_or(call.cost, |it| it.cost);
    let add = |sum: &mut PicoUsd, cost: Option<PicoUsd>| {
        *sum = [Some(*sum), cost].into_iter().flatten().sum();
    };
    of_model.calls += 1;
    of_model.changed += u64::from(change.is_some());
    of_model.newly_priced += u64::from(change.is_some() && call.cost.is_none());
    of_model.unknown_before += u64::from(call.cost.is_none());
    of_model.unknown_after += u64::from(after.is_none());
    add(&mut of_model.cost_before, call.cost);
    add(&mut of_model.cost_after, after);
    if call.usage_counted {
        add(&mut of_model.estimated_before, call.cost);
        add(&mut of_model.estimated_after, after);
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::{
        CallId, Operation, ServiceTier, Usage,
        call::{Outcome, Timing},
    };

    use super::*;

    const BOOK: &str = r#"{"sources":{"s":{"name":"a list","checked_on":"2026-11-23"}}}
{"provider":"p","model":"m","until":"2026-11-01","source":"s","rates":{"input":1000000,"output":2000000}}
{"provider":"p","model":"m","from":"2026-11-01","source":"s","rates":{"input":3000000,"output":4000000}}
{"provider":"free","model":"m","source":"s","rates":{"input":0,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0,"output":0,"input_audio":0,"output_audio":0}}
"#;

    /// 2026-11-23 and 2026-10-01.
    const NOVEMBER: UnixMs = UnixMs(1_795_392_000_000);
    const OCTOBER: UnixMs = UnixMs(1_790_812_800_000);

    fn call(cost: Option<i64>, cost_unknown: Option<CostUnknown>) -> Call {
        Call {
            id: CallId::from_bytes([7; 16]),
            started_at_ms: NOVEMBER,
            caller: None,
            key: None,
            provider: Some("p".to_owned()),
            simulated: false,
            format: None,
            operation: Operation::Generate,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            model_asked: None,
            model_served: Some("m".to_owned()),
            streaming: false,
            status: Some(200),
            outcome: Outcome::Finished,
            error_code: None,
            error_message: None,
            stop_reason: None,
            usage: Usage { input: Some(10), output: Some(1), ..Usage::default() },
            usage_counted: false,
            service_tier: None,
            cost: cost.map(PicoUsd),
            cost_unknown,
            price_id: None,
            cached: false,
            saved: None,
            timing: Timing::default(),
            request_bytes: 0,
            response_bytes: 0,
            retries: 0,
            client_cookie: None,
            upstream_cookie: None,
        }
    }

    fn check(call: &Call, expected: Option<i64>) {
        let book = PriceBook::load(BOOK).unwrap();
        let change = Judge::new(&book).judged(call, "m");
        assert_eq!(change.and_then(|it| it.cost), expected.map(PicoUsd), "{call:?}");
    }

    #[test]
    fn calls_are_priced_by_their_own_day() {
        check(&call(None, Some(CostUnknown::NoPrice)), Some(34_000_000));
        let october = Call { started_at_ms: OCTOBER, ..call(None, Some(CostUnknown::NoPrice)) };
        check(&october, Some(12_000_000));
        check(&call(Some(1), None), Some(34_000_000));
        check(&call(Some(34_000_000), None), None);
    }

    #[test]
    fn what_no_price_can_mend_stays_as_it_is() {
        check(&call(None, None), None);
        for why in [CostUnknown::NoUsage, CostUnknown::OutOfRange, CostUnknown::FeeNotTold] {
            check(&call(None, Some(why)), None);
        }
        let cached = Usage { cache_read: Some(1), ..call(None, None).usage };
        check(&Call { usage: cached, ..call(None, Some(CostUnknown::NoPrice)) }, None);
        let flex = Some(ServiceTier::Flex);
        check(&Call { service_tier: flex, ..call(None, Some(CostUnknown::TierNotPriced)) }, None);
        // A price that is not known any more takes no cost away.
        check(&Call { provider: Some("gone".to_owned()), ..call(Some(1), None) }, None);
        check(&Call { usage: cached, ..call(Some(1), None) }, None);
    }

    /// A ledger of before had `kind-not-priced` for fees that are not told.
    #[test]
    fn a_kind_that_the_row_of_then_prices_was_a_fee_that_is_not_told() {
        let priced = Some("p/m@2026-11-01 (a list)".to_owned());
        let call = call(None, Some(CostUnknown::KindNotPriced));
        check(&Call { price_id: priced, ..call.clone() }, None);
        check(&Call { price_id: Some("p/m (an older list)".to_owned()), ..call }, Some(34_000_000));
    }

    #[test]
    fn what_is_free_needs_no_usage() {
        let local = Call {
            provider: Some("free".to_owned()),
            usage: Usage::default(),
            ..call(None, Some(CostUnknown::NoUsage))
        };
        check(&local, Some(0));
    }
}
