//! What can be asked of the ledger, and what it answers.

use jiff::tz::TimeZone;
use tollgate_core::{
    Call, CallId, Operation, PicoUsd, UnixMs, Usage,
    call::{CostUnknown, Outcome},
    caller::Project,
    guardrail::Hit,
};

use crate::Search;

/// Which hits of guardrails, newest first.
#[derive(Clone, Debug, Default)]
pub struct HitQuery {
    /// Those of calls that began then or later.
    pub since: Option<UnixMs>,
    /// Those that come after this one in the list: the last number of the page before.
    pub before: Option<i64>,
    /// Those of this guardrail.
    pub guardrail: Option<String>,
    /// Those of this rule.
    pub rule: Option<String>,
    /// How many, up to [`crate::HITS_LIMIT_MAX`].
    pub limit: usize,
}

/// A hit of a guardrail as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHit {
    /// Its number, which no other hit has.
    pub number: i64,
    /// The call that it was found in.
    pub call: CallId,
    /// When that began.
    pub started_at_ms: UnixMs,
    /// The hit.
    pub hit: Hit,
}

/// Which calls, newest first.
#[derive(Clone, Debug)]
pub struct CallQuery {
    /// Those that began then or later.
    pub since: Option<UnixMs>,
    /// Those that began before then.
    pub until: Option<UnixMs>,
    /// Those that come after this call in the list: the last id of the page before.
    pub before: Option<CallId>,
    /// How many, up to [`crate::CALLS_LIMIT_MAX`].
    pub limit: usize,
    /// Which of them.
    pub filter: CallFilter,
}

impl Default for CallQuery {
    fn default() -> Self {
        let filter = CallFilter::default();
        Self { since: None, until: None, before: None, limit: 100, filter }
    }
}

/// Conditions that all hold; `None` holds for every call.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// The caller's program, exactly.
    pub program: Option<String>,
    /// The project's name or root, exactly.
    pub project: Option<String>,
    /// The provider's id, exactly.
    pub provider: Option<String>,
    /// The model asked for or served, exactly.
    pub model: Option<String>,
    /// The local key's name, exactly.
    pub key: Option<String>,
    /// How the call ended.
    pub outcome: Option<Outcome>,
    /// Why its cost is not known; calls whose cost is known are left out then.
    pub cost_unknown: Option<CostUnknown>,
    /// Whether simulated calls count.
    pub simulated: Simulated,
    /// A text in the program, project, provider, models, path, stop reason or error, in any ASCII
    /// case.
    pub text: Option<String>,
    /// What was said in it, as far as that has been read; see [`crate::Reader::unread_calls`].
    pub said: Option<Search>,
}

/// What to do with calls that the built-in simulator answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Simulated {
    /// They count like any other.
    #[default]
    Include,
    /// They do not count.
    Exclude,
    /// Only they count.
    Only,
}

/// Which calls to sum up. Sums are kept by quarter of an hour: a time within one stands for all of
/// it, its beginning in `since` and its end in `until`.
#[derive(Clone, Debug)]
pub struct SumQuery {
    /// Those that began then or later.
    pub since: Option<UnixMs>,
    /// Those that began before then.
    pub until: Option<UnixMs>,
    /// Whether simulated calls count.
    pub simulated: Simulated,
    /// Where days and hours begin.
    pub zone: TimeZone,
}

impl Default for SumQuery {
    fn default() -> Self {
        Self { since: None, until: None, simulated: Simulated::default(), zone: TimeZone::UTC }
    }
}

/// How long the stretches of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An hour of [`SumQuery::zone`].
    Hour,
    /// A day there, of 23 or 25 hours where clocks change.
    Day,
}

/// What to sum by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostKey {
    /// The model asked for; the one served if none was named.
    Model,
    /// The provider's id.
    Provider,
    /// The caller's program.
    Program,
    /// The project's root folder.
    Project,
    /// The local key's name.
    Key,
    /// The day, as `2026-11-23` in [`SumQuery::zone`].
    Day,
    /// The format the client spoke.
    Format,
}

/// The sums of the calls with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostRow {
    /// The key; `None` for calls where it is not known.
    pub key: Option<String>,
    /// Their sums.
    pub sums: Sums,
}

/// The sums of the calls that began in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesPoint {
    /// Where the stretch begins.
    pub at_ms: UnixMs,
    /// Where it ends.
    pub until_ms: UnixMs,
    /// Their sums.
    pub sums: Sums,
}

/// A program and the sums of its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRow {
    /// Its name; `None` for calls whose caller is not known.
    pub program: Option<String>,
    /// The executable of its latest process.
    pub exe: Option<String>,
    /// Its sums; they say when it was first and last seen.
    pub sums: Sums,
    /// The projects it worked in, by root.
    pub projects: Vec<Project>,
    /// Its latest processes, newest first: at most eight, whenever they called.
    pub pids: Vec<u32>,
}

/// Sums over calls. A sum of tokens or money holds what is known; the counts of unknowns say how
/// much it may lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many calls.
    pub calls: u64,
    /// Those that failed, or that the provider or gateway answered with a status of 400 or more.
    pub failed_calls: u64,
    /// Those that the client left.
    pub cancelled_calls: u64,
    /// Those with a cost that is not known, by reason.
    pub unknown_costs: UnknownCosts,
    /// Those that generated or embedded and may have used more tokens than are known: of a stream
    /// that broke off the prompt's may be, and the answer's not.
    pub unknown_usage_calls: u64,
    /// What the others cost.
    pub cost: PicoUsd,
    /// Those whose tokens the gateway counted itself, as far as it could: an estimate; see
    /// [`Call::usage_counted`].
    pub counted_calls: u64,
    /// The part of `cost` that is an estimate for that.
    pub estimated: PicoUsd,
    /// Those that were answered from the cache.
    pub cached_calls: u64,
    /// What those would have cost without it, as far as that is known.
    pub saved: PicoUsd,
    /// Those of them of which it is not known.
    pub unknown_saved_calls: u64,
    /// What the others used.
    pub tokens: TokenSums,
    /// When the first of them began.
    pub first_at_ms: Option<UnixMs>,
    /// When the last of them began.
    pub last_at_ms: Option<UnixMs>,
}

/// Calls whose cost is not known, by [`CostUnknown`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnknownCosts {
    /// See [`CostUnknown::NoPrice`].
    pub no_price: u64,
    /// See [`CostUnknown::NoUsage`].
    pub no_usage: u64,
    /// See [`CostUnknown::KindNotPriced`].
    pub kind_not_priced: u64,
    /// See [`CostUnknown::TierNotPriced`].
    pub tier_not_priced: u64,
    /// See [`CostUnknown::OutOfRange`].
    pub out_of_range: u64,
    /// See [`CostUnknown::FeeNotTold`].
    pub fee_not_told: u64,
}

impl UnknownCosts {
    /// Every reason with its calls, those without any too.
    #[must_use]
    pub const fn by_reason(&self) -> [(CostUnknown, u64); 6] {
        [
            (CostUnknown::NoPrice, self.no_price),
            (CostUnknown::NoUsage, self.no_usage),
            (CostUnknown::KindNotPriced, self.kind_not_priced),
            (CostUnknown::TierNotPriced, self.tier_not_priced),
            (CostUnknown::OutOfRange, self.out_of_range),
            (CostUnknown::FeeNotTold, self.fee_not_told),
        ]
    }

    /// How many calls there are, whatever the reason.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.by_reason().iter().fold(0, |all, (_, calls)| all.saturating_add(*calls))
    }

    fn one(reason: CostUnknown) -> Self {
        let mut one = Self::default();
        *one.of(reason) = 1;
        one
    }

    const fn of(&mut self, reason: CostUnknown) -> &mut u64 {
        match reason {
            CostUnknown::NoPrice => &mut self.no_price,
            CostUnknown::NoUsage => &mut self.no_usage,
            CostUnknown::KindNotPriced => &mut self.kind_not_priced,
            CostUnknown::TierNotPriced => &mut self.tier_not_priced,
            CostUnknown::OutOfRange => &mut self.out_of_range,
            CostUnknown::FeeNotTold => &mut self.fee_not_told,
        }
    }
}

/// What a call costs after all, in place of what the ledger has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostChange {
    /// The call.
    pub id: CallId,
    /// See [`Call::cost`].
    pub cost: Option<PicoUsd>,
    /// See [`Call::cost_unknown`].
    pub cost_unknown: Option<CostUnknown>,
    /// See [`Call::price_id`].
    pub price_id: Option<String>,
}

/// A change of a call that is in the ledger; its sums follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its cost is another one.
    Cost(CostChange),
    /// It is to be forgotten, with what was said in it, and its caller with the last of its calls.
    /// What it came to stays in the sums: the money is spent.
    Delete(CallId),
}

/// Sums of [`Usage`], kind by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenSums {
    /// See [`Usage::input`].
    pub input: u64,
    /// See [`Usage::cache_read`].
    pub cache_read: u64,
    /// See [`Usage::cache_write_5m`].
    pub cache_write_5m: u64,
    /// See [`Usage::cache_write_1h`].
    pub cache_write_1h: u64,
    /// See [`Usage::output`].
    pub output: u64,
    /// See [`Usage::reasoning`].
    pub reasoning: u64,
    /// See [`Usage::input_audio`].
    pub input_audio: u64,
    /// See [`Usage::output_audio`].
    pub output_audio: u64,
    /// See [`Usage::web_searches`].
    pub web_searches: u64,
    /// See [`Usage::input_image`].
    pub input_image: u64,
    /// See [`Usage::output_image`].
    pub output_image: u64,
    /// See [`Usage::file_searches`].
    pub file_searches: u64,
}

/// What of a call goes into its sums.
pub(crate) struct Counted {
    pub(crate) started_at_ms: UnixMs,
    pub(crate) operation: Operation,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: Outcome,
    pub(crate) usage: Usage,
    pub(crate) usage_counted: bool,
    pub(crate) cost: Option<PicoUsd>,
    pub(crate) cost_unknown: Option<CostUnknown>,
    pub(crate) cached: bool,
    pub(crate) saved: Option<PicoUsd>,
}

impl Counted {
    pub(crate) const fn of(call: &Call, usage: Usage) -> Self {
        Self {
            started_at_ms: call.started_at_ms,
            operation: call.operation,
            status: call.status,
            outcome: call.outcome,
            usage,
            usage_counted: call.usage_counted,
            cost: call.cost,
            cost_unknown: call.cost_unknown,
            cached: call.cached,
            saved: call.saved,
        }
    }

    pub(crate) fn sums(&self) -> Sums {
        let failed = self.outcome == Outcome::Failed || self.status.is_some_and(|it| it >= 400);
        let uses_tokens = matches!(self.operation, Operation::Generate | Operation::Embed);
        // Neither a cost nor a reason for none: nothing was used.
        let used = self.cost.is_some() || self.cost_unknown.is_some();
        let said = self.usage.input.is_some()
            && (self.usage.output.is_some() || self.operation == Operation::Embed);
        let broken = self.cost_unknown == Some(CostUnknown::NoUsage);
        let usage_unknown = uses_tokens && used && (broken || !said);
        let count = |count: Option<u64>| count.unwrap_or_default();
        Sums {
            calls: 1,
            failed_calls: u64::from(failed),
            cancelled_calls: u64::from(self.outcome == Outcome::Cancelled),
            unknown_costs: match (self.cost, self.cost_unknown) {
                (None, Some(reason)) => UnknownCosts::one(reason),
                (Some(_), _) | (None, None) => UnknownCosts::default(),
            },
            unknown_usage_calls: u64::from(usage_unknown),
            cost: self.cost.unwrap_or_default(),
            counted_calls: u64::from(self.usage_counted),
            estimated: self.cost.filter(|_| self.usage_counted).unwrap_or_default(),
            cached_calls: u64::from(self.cached),
            saved: self.saved.unwrap_or_default(),
            unknown_saved_calls: u64::from(self.cached && self.saved.is_none()),
            tokens: TokenSums {
                input: count(self.usage.input),
                cache_read: count(self.usage.cache_read),
                cache_write_5m: count(self.usage.cache_write_5m),
                cache_write_1h: count(self.usage.cache_write_1h),
                output: count(self.usage.output),
                reasoning: count(self.usage.reasoning),
                input_audio: count(self.usage.input_audio),
                output_audio: count(self.usage.output_audio),
                web_searches: count(self.usage.web_searches),
                input_image: count(self.usage.input_image),
                output_image: count(self.usage.output_image),
                file_searches: count(self.usage.file_searches),
            },
            first_at_ms: Some(self.started_at_ms),
            last_at_ms: Some(self.started_at_ms),
        }
    }
}

impl Sums {
    /// Adds the sum of other calls; amounts stop at the end of their range and never wrap.
    pub fn add(&mut self, other: &Self) {
        let Self { tokens, unknown_costs: unknown, .. } = other;
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.failed_calls, other.failed_calls),
            (&mut self.cancelled_calls, other.cancelled_calls),
            (&mut self.unknown_costs.no_price, unknown.no_price),
            (&mut self.unknown_costs.no_usage, unknown.no_usage),
            (&mut self.unknown_costs.kind_not_priced, unknown.kind_not_priced),
            (&mut self.unknown_costs.tier_not_priced, unknown.tier_not_priced),
            (&mut self.unknown_costs.out_of_range, unknown.out_of_range),
            (&mut self.unknown_costs.fee_not_told, unknown.fee_not_told),
            (&mut self.unknown_usage_calls, other.unknown_usage_calls),
            (&mut self.counted_calls, other.counted_calls),
            (&mut self.cached_calls, other.cached_calls),
            (&mut self.unknown_saved_calls, other.unknown_saved_calls),
            (&mut self.tokens.input, tokens.input),
            (&mut self.tokens.cache_read, tokens.cache_read),
            (&mut self.tokens.cache_write_5m, tokens.cache_write_5m),
            (&mut self.tokens.cache_write_1h, tokens.cache_write_1h),
            (&mut self.tokens.output, tokens.output),
            (&mut self.tokens.reasoning, tokens.reasoning),
            (&mut self.tokens.input_audio, tokens.input_audio),
            (&mut self.tokens.output_audio, tokens.output_audio),
            (&mut self.tokens.web_searches, tokens.web_searches),
            (&mut self.tokens.input_image, tokens.input_image),
            (&mut self.tokens.output_image, tokens.output_image),
            (&mut self.tokens.file_searches, tokens.file_searches),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.cost = [self.cost, other.cost].into_iter().sum();
        self.estimated = [self.estimated, other.estimated].into_iter().sum();
        self.saved = [self.saved, other.saved].into_iter().sum();
        self.first_at_ms = [self.first_at_ms, other.first_at_ms].into_iter().flatten().min();
        self.last_at_ms = self.last_at_ms.max(other.last_at_ms);
    }
}
