use std::sync::LazyLock;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{bound::Work, *};
use crate::price::{PriceBook, PriceRow};

const UTC: &TimeZone = &TimeZone::UTC;

/// 2026-11-25 10:00.
const NOW: i64 = 1_795_600_800_000;

fn at(seconds: i64) -> Moment {
    Moment { at: UnixMs(NOW + seconds * 1_000), steady_s: u64::try_from(seconds).unwrap() }
}

fn money(amounts: &[(Period, i64)]) -> Amounts {
    let money = amounts.iter().map(|(period, amount)| (*period, PicoUsd(*amount)));
    Amounts { money: money.collect(), ..Amounts::default() }
}

const fn costing(most: i64) -> Need {
    Need { money: Some(PicoUsd(most)), tokens: 0 }
}

const fn cost(cost: i64) -> Charge {
    Charge { cost: Some(PicoUsd(cost)), tokens: None }
}

#[test]
fn what_is_reserved_is_not_left_for_others_and_comes_back_when_it_was_not_spent() {
    let amounts = money(&[(Period::Day, 100)]);
    let mut account = Account::new(&amounts, at(0).at, UTC);
    assert_eq!(account.check(&amounts, &costing(60)), Ok(()));
    let hold = account.hold(&costing(60), at(0));
    let stop = account.check(&amounts, &costing(50)).unwrap_err();
    let Stop::Money { purse, amount, need } = stop else { panic!("{stop:?}") };
    assert_eq!((purse.reserved, purse.spent), (PicoUsd(60), PicoUsd::ZERO));
    assert_eq!(
        (amount, need, purse.window.until.0 - NOW),
        (PicoUsd(100), PicoUsd(50), 14 * 3_600_000)
    );
    account.settle(hold, &cost(10));
    assert_eq!(account.left(&amounts), Some(PicoUsd(90)));
    assert_eq!(account.check(&amounts, &costing(90)), Ok(()));
    assert_eq!(account.under_way(), 0);
}

#[test]
fn what_costs_nothing_passes_when_nothing_is_left() {
    let amounts = money(&[(Period::Day, 0)]);
    let account = Account::new(&amounts, at(0).at, UTC);
    assert_eq!(account.check(&amounts, &costing(0)), Ok(()));
    assert!(account.check(&amounts, &costing(1)).is_err());
}

#[test]
fn a_cost_that_is_not_known_counts_as_what_was_held() {
    let amounts = money(&[(Period::Day, 100)]);
    let mut account = Account::new(&amounts, at(0).at, UTC);
    let unknown = Need::default();
    assert_eq!(account.check(&amounts, &unknown), Err(Stop::Unpriced));
    assert_eq!(
        account.check(&Amounts { concurrent: Some(1), ..Amounts::default() }, &unknown),
        Ok(())
    );
    let hold = account.hold(&costing(60), at(0));
    account.settle(hold, &Charge { cost: None, tokens: None });
    let purse = account.purses()[0];
    assert_eq!((purse.spent, purse.unknown_calls), (PicoUsd(60), 1));
    account.recall(Period::Day, None, None);
    assert_eq!(account.purses()[0].unknown_calls, 2);
}

#[test]
fn a_call_counts_in_the_period_in_which_it_began() {
    let amounts = money(&[(Period::Hour, 100), (Period::Day, 100)]);
    let mut account = Account::new(&amounts, at(0).at, UTC);
    let hold = account.hold(&costing(60), at(0));
    account.roll(at(3_600), UTC);
    let [hour, day] = account.purses() else { panic!("two purses") };
    assert_eq!((hour.reserved, day.reserved), (PicoUsd::ZERO, PicoUsd(60)));
    account.settle(hold, &cost(50));
    let [hour, day] = account.purses() else { panic!("two purses") };
    assert_eq!((hour.spent, hour.reserved), (PicoUsd::ZERO, PicoUsd::ZERO));
    assert_eq!((day.spent, day.reserved), (PicoUsd(50), PicoUsd::ZERO));
    account.charge(at(0).at, Some(PicoUsd(7)), None);
    let [hour, day] = account.purses() else { panic!("two purses") };
    assert_eq!((hour.spent, day.spent), (PicoUsd::ZERO, PicoUsd(57)));
}

#[test]
fn a_clock_that_is_set_back_gives_no_money_back() {
    let amounts = money(&[(Period::Hour, 100)]);
    let mut account = Account::new(&amounts, at(3_600).at, UTC);
    let hold = account.hold(&costing(100), at(3_600));
    account.roll(Moment { at: at(0).at, steady_s: 3_601 }, UTC);
    assert!(account.check(&amounts, &costing(1)).is_err());
    account.settle(hold, &cost(100));
    assert_eq!(account.left(&amounts), Some(PicoUsd::ZERO));
    account.roll(Moment { at: at(3_600).at, steady_s: 3_602 }, UTC);
    assert_eq!(account.left(&amounts), Some(PicoUsd(100)), "the next hour has its own");
}

#[test]
fn other_amounts_keep_what_was_spent() {
    let small = money(&[(Period::Day, 100)]);
    let large = money(&[(Period::Month, 1_000), (Period::Day, 200)]);
    let mut account = Account::new(&small, at(0).at, UTC);
    let hold = account.hold(&costing(80), at(0));
    account.refit(&large, at(0).at, UTC);
    account.settle(hold, &cost(70));
    assert_eq!(account.left(&large), Some(PicoUsd(130)));
    account.refit(&money(&[]), at(0).at, UTC);
    let hold = account.hold(&costing(80), at(0));
    account.refit(&small, at(0).at, UTC);
    account.settle(hold, &cost(70));
    let purse = account.purses()[0];
    assert_eq!((purse.spent, purse.reserved), (PicoUsd(70), PicoUsd::ZERO), "it had no purse");
    let hold = account.hold(&costing(80), at(0));
    account.refit(&money(&[]), at(0).at, UTC);
    account.refit(&small, at(0).at, UTC);
    account.settle(hold, &cost(70));
    let purse = account.purses()[0];
    assert_eq!((purse.spent, purse.reserved), (PicoUsd::ZERO, PicoUsd::ZERO), "it had another");
}

#[test]
fn each_part_of_an_amount_is_told_once_a_period() {
    let amounts = money(&[(Period::Hour, 100)]);
    let mut account = Account::new(&amounts, at(0).at, UTC);
    let spend = |account: &mut Account, much: i64| {
        let hold = account.hold(&costing(much), at(0));
        account.settle(hold, &cost(much));
        let crossings = account.crossings(&amounts, &[50, 80, 100]);
        crossings.iter().map(|it| it.percent).collect::<Vec<_>>()
    };
    assert_eq!(spend(&mut account, 49), [0; 0]);
    assert_eq!(spend(&mut account, 1), [50]);
    assert_eq!(spend(&mut account, 1), [0; 0]);
    assert_eq!(spend(&mut account, 60), [100], "what lies between is not told apart");
    account.roll(at(3_600), UTC);
    let mut later = account.clone();
    let hold = later.hold(&costing(50), at(3_600));
    later.settle(hold, &cost(50));
    assert_eq!(later.crossings(&amounts, &[50]).len(), 1);
}

#[test]
fn a_minute_says_when_there_is_room_again() {
    let amounts =
        Amounts { requests_per_min: Some(2), tokens_per_min: Some(100), ..Amounts::default() };
    let mut account = Account::new(&amounts, at(0).at, UTC);
    let need = Need { money: None, tokens: 60 };
    let first = account.hold(&need, at(0));
    account.roll(at(30), UTC);
    let stop = account.check(&amounts, &need);
    assert_eq!(stop, Err(Stop::Tokens { most: 100, used: 60, need: 60, again_s: Some(31) }));
    account.settle(first, &Charge { cost: None, tokens: Some(10) });
    assert_eq!(account.check(&amounts, &need), Ok(()));
    account.hold(&Need { money: None, tokens: 20 }, at(30));
    let small = Need { money: None, tokens: 1 };
    assert_eq!(account.check(&amounts, &small), Err(Stop::Requests { most: 2, again_s: Some(31) }));
    account.roll(at(60), UTC);
    assert!(account.check(&amounts, &small).is_err(), "60 seconds may still hold both");
    account.roll(at(61), UTC);
    assert_eq!(account.check(&amounts, &small), Ok(()));
    let tokens = Stop::Tokens { most: 100, used: 60, need: 60, again_s: None };
    for stop in [Stop::Unpriced, Stop::Concurrent { most: 1 }, tokens] {
        assert!(!account.note(&stop), "only money has news");
    }
    assert_eq!(account.stopped(), Stops { requests: 0, tokens: 1, concurrent: 1 });
    let much = Need { money: None, tokens: 101 };
    let stop = account.check(&amounts, &much);
    assert_eq!(stop, Err(Stop::Tokens { most: 100, used: 20, need: 101, again_s: None }));
    account.roll(at(10_000), UTC);
    assert_eq!((account.requests(), account.tokens()), (Some(0), Some(0)));
}

#[test]
fn nothing_is_let_through_where_none_is_allowed() {
    for amounts in [
        Amounts { requests_per_min: Some(0), ..Amounts::default() },
        Amounts { concurrent: Some(0), ..Amounts::default() },
    ] {
        let account = Account::new(&amounts, at(0).at, UTC);
        assert!(account.check(&amounts, &Need::default()).is_err());
    }
}

#[test]
fn budgets_count_the_calls_that_match_all_of_their_scope() {
    let who = Who {
        program: Some("claude"),
        project_root: Some("/home/ada/tollgate"),
        project_name: Some("tollgate"),
        model: Some("gpt-5"),
        model_asked: Some("gpt-5-2025-08-07"),
        ..Who::default()
    };
    let check = |scope: &[(Dimension, &str)], expected: bool| {
        let scope = scope.iter().map(|(it, text)| (*it, Pattern::new((*text).to_owned())));
        let budget = Budget {
            name: "b".to_owned(),
            scope: scope.collect(),
            each: None,
            amounts: Amounts::default(),
            warn_at: Vec::new(),
            on_limit: OnLimit::Stop,
            unknown: None,
        };
        assert_eq!(budget.counts(&who), expected, "{budget:?}");
    };
    check(&[], true);
    check(&[(Dimension::Program, "cl*"), (Dimension::Model, "gpt-5")], true);
    check(&[(Dimension::Model, "gpt-5-2025*")], true);
    check(&[(Dimension::Project, "tollgate")], true);
    check(&[(Dimension::Project, "/home/*/tollgate")], true);
    check(&[(Dimension::Program, "claude"), (Dimension::User, "*")], false);
    assert_eq!(who.value(Dimension::Project), Some("/home/ada/tollgate"));
    assert_eq!(who.value(Dimension::Provider), None);
}

/// Reading it takes long.
static BOOK: LazyLock<PriceBook> = LazyLock::new(|| PriceBook::embedded().unwrap());

fn row(provider: &str, model: &str) -> PriceRow {
    let row = BOOK.find(provider, model, UnixMs(NOW));
    row.unwrap_or_else(|| panic!("{provider}/{model}")).clone()
}

#[test]
fn a_call_costs_at_most_each_token_at_its_dearest_rate() {
    let most = |row: &PriceRow, prompt_tokens, output_tokens| {
        bound::most(&Work { prompt_tokens, output_tokens, service: None }, row).map(|it| it.0)
    };
    // $1.25 and $10 a million tokens; reading a cache is cheaper.
    assert_eq!(most(&row("openai", "gpt-5"), 1_000, 100), Some(1_250_000_000 + 1_000_000_000));
    // $3 and $15; writing to a cache for an hour costs twice as much as reading.
    let claude = row("anthropic", "claude-sonnet-4-5");
    assert_eq!(most(&claude, 1_000, 100), Some(6_000_000_000 + 1_500_000_000));
    assert!(most(&claude, 300_000, 0) > most(&claude, 200_000, 0).map(|it| it * 3 / 2), "a tier");
    let unpriced = PriceRow { rates: crate::price::Rates::default(), ..row("openai", "gpt-5") };
    assert_eq!(most(&unpriced, 1, 0), None);
    let priority =
        Work { prompt_tokens: 1, output_tokens: 1, service: Some(crate::ServiceTier::Other) };
    assert_eq!(bound::most(&priority, &row("openai", "gpt-5")), None);
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Act {
    /// A call that can cost and take so much asks.
    Ask { most: i64, tokens: u64 },
    /// An open call ends and is settled by a part of what it could cost, in percent.
    Settle { which: usize, percent: i64 },
    /// It ends with a cost that nobody knows.
    Lose { which: usize },
    /// It is given up before it was sent.
    Forget { which: usize },
    /// It ends; what it cost is yet to come.
    End { which: usize },
    /// Time goes on.
    Wait { ms: i64 },
    /// The clock is set.
    Set { by_ms: i64 },
}

fn act() -> impl Strategy<Value = Act> {
    let which = 0_usize..64;
    prop_oneof![
        6 => (0_i64..60, 0_u64..60).prop_map(|(most, tokens)| Act::Ask { most, tokens }),
        3 => (which.clone(), 0_i64..=100).prop_map(|(which, percent)| Act::Settle { which, percent }),
        1 => which.clone().prop_map(|which| Act::Lose { which }),
        1 => which.clone().prop_map(|which| Act::Forget { which }),
        1 => which.prop_map(|which| Act::End { which }),
        2 => (0_i64..90_000).prop_map(|ms| Act::Wait { ms }),
        1 => (0_i64..30 * 3_600_000).prop_map(|ms| Act::Wait { ms }),
        1 => (-50 * 3_600_000_i64..50 * 3_600_000).prop_map(|by_ms| Act::Set { by_ms }),
    ]
}

/// A call as the test keeps it, apart from the account.
struct Open {
    hold: Hold,
    most: i64,
    tokens: u64,
    began: i64,
    began_steady_ms: i64,
    ended: bool,
}

impl Open {
    const fn over(self, cost: i64, tokens: u64) -> Past {
        Past { cost, tokens, began: self.began, began_steady_ms: self.began_steady_ms }
    }
}

/// A call that was let through and not taken back.
struct Past {
    cost: i64,
    tokens: u64,
    began: i64,
    began_steady_ms: i64,
}

const MONEY: [(Period, i64); 2] = [(Period::Hour, 100), (Period::Day, 250)];

/// A history as it is played.
struct Play {
    amounts: Amounts,
    account: Account,
    open: Vec<Open>,
    past: Vec<Past>,
    wall: i64,
    steady: i64,
}

impl Play {
    fn new() -> Self {
        let amounts = Amounts {
            requests_per_min: Some(7),
            tokens_per_min: Some(150),
            concurrent: Some(4),
            ..money(&MONEY)
        };
        let account = Account::new(&amounts, UnixMs(NOW), UTC);
        let (open, past) = (Vec::new(), Vec::new());
        Self { amounts, account, open, past, wall: NOW, steady: 0 }
    }

    fn act(&mut self, act: &Act) {
        let steady_s = u64::try_from(self.steady / 1_000).unwrap();
        let now = Moment { at: UnixMs(self.wall), steady_s };
        self.account.roll(now, UTC);
        match *act {
            Act::Ask { most, tokens } => {
                let need = Need { money: Some(PicoUsd(most)), tokens };
                if self.account.check(&self.amounts, &need).is_ok() {
                    let hold = self.account.hold(&need, now);
                    let (began, began_steady_ms) = (self.wall, self.steady);
                    self.open.push(Open {
                        hold,
                        most,
                        tokens,
                        began,
                        began_steady_ms,
                        ended: false,
                    });
                }
            }
            Act::Settle { which, percent } => {
                if let Some(it) = self.take(which) {
                    let cost = it.most * percent / 100;
                    let tokens = it.tokens * u64::try_from(percent).unwrap() / 100;
                    let charge = Charge { cost: Some(PicoUsd(cost)), tokens: Some(tokens) };
                    self.account.settle(it.hold, &charge);
                    self.past.push(it.over(cost, tokens));
                }
            }
            Act::Lose { which } => {
                if let Some(it) = self.take(which) {
                    self.account.settle(it.hold, &Charge { cost: None, tokens: None });
                    let (most, tokens) = (it.most, it.tokens);
                    self.past.push(it.over(most, tokens));
                }
            }
            Act::Forget { which } => {
                if let Some(it) = self.take(which) {
                    self.account.forget(it.hold);
                }
            }
            Act::End { which } => {
                if let Some(at) = which.checked_rem(self.open.len()) {
                    self.account.end(&mut self.open[at].hold);
                    self.open[at].ended = true;
                }
            }
            Act::Wait { ms } => {
                self.wall += ms;
                self.steady += ms;
            }
            Act::Set { by_ms } => self.wall += by_ms,
        }
    }

    fn take(&mut self, which: usize) -> Option<Open> {
        which.checked_rem(self.open.len()).map(|at| self.open.swap_remove(at))
    }

    /// What the account says of itself.
    fn check_account(&self) -> Result<(), TestCaseError> {
        let running = self.open.iter().filter(|it| !it.ended).count();
        prop_assert_eq!(self.account.under_way(), u64::try_from(running).unwrap());
        prop_assert!(running <= 4);
        for (purse, (_, amount)) in self.account.purses().iter().zip(MONEY) {
            prop_assert!(purse.spent.0 >= 0 && purse.reserved.0 >= 0, "{:?}", purse);
            prop_assert!(purse.spent.0 + purse.reserved.0 <= amount, "{:?}", purse);
        }
        Ok(())
    }

    /// What calls really came to in any minute, added up by nothing but when they began.
    fn check_minutes(&self) -> Result<(), TestCaseError> {
        let past = self.past.iter().map(|it| (it.began_steady_ms, it.tokens));
        let open = self.open.iter().map(|it| (it.began_steady_ms, it.tokens));
        let all: Vec<_> = past.chain(open).collect();
        for (from, _) in &all {
            let within = || all.iter().filter(|(it, _)| (*from..*from + 60_000).contains(it));
            prop_assert!(within().count() <= 7);
            prop_assert!(within().map(|(_, tokens)| tokens).sum::<u64>() <= 150);
        }
        Ok(())
    }

    /// What calls really cost in each period, added up likewise.
    fn check_money(&self) -> Result<(), TestCaseError> {
        for (period, amount) in MONEY {
            for one in &self.past {
                let window = period.window(UnixMs(one.began), UTC);
                let within = self.past.iter().filter(|it| window.has(UnixMs(it.began)));
                prop_assert!(within.map(|it| it.cost).sum::<i64>() <= amount, "{period:?}");
            }
        }
        Ok(())
    }

    /// Nothing is held once no call is under way.
    fn check_end(&mut self) -> Result<(), TestCaseError> {
        for it in std::mem::take(&mut self.open) {
            self.account.forget(it.hold);
        }
        prop_assert!(self.account.purses().iter().all(|it| it.reserved == PicoUsd::ZERO));
        prop_assert_eq!(self.account.under_way(), 0);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_history_of_calls_gets_beyond_its_bounds(acts in prop::collection::vec(act(), 0..150)) {
        let mut play = Play::new();
        for act in acts.iter().filter(|it| !matches!(it, Act::Set { .. })) {
            play.act(act);
            play.check_account()?;
        }
        play.check_minutes()?;
        play.check_money()?;
        play.check_end()?;
    }

    #[test]
    fn nor_does_one_in_which_clocks_are_set(acts in prop::collection::vec(act(), 0..150)) {
        let mut play = Play::new();
        for act in &acts {
            play.act(act);
            play.check_account()?;
        }
        play.check_minutes()?;
        play.check_end()?;
    }

    #[test]
    fn an_amount_is_overrun_by_no_more_than_single_calls_cost_beyond_what_was_held(
        calls in prop::collection::vec((0_i64..60, 0_i64..300, any::<bool>()), 0..100)
    ) {
        let amounts = money(&[(Period::Day, 100)]);
        let mut account = Account::new(&amounts, at(0).at, UTC);
        let (mut open, mut beyond) = (Vec::new(), 0);
        for (most, percent, settle_one) in calls {
            if account.check(&amounts, &costing(most)).is_ok() {
                open.push((account.hold(&costing(most), at(0)), most, most * percent / 100));
            }
            if let Some((hold, most, is)) = open.pop().filter(|_| settle_one) {
                account.settle(hold, &cost(is));
                beyond += (is - most).max(0);
            }
            let purse = account.purses()[0];
            prop_assert!(purse.spent.0 + purse.reserved.0 <= 100 + beyond);
        }
    }

    #[test]
    fn bounds_cover_what_such_calls_cost(
        prompt in 0_u64..1_000_000, output in 0_u64..100_000,
        cached in 0_u64..1_000_000, written in 0_u64..1_000_000, hour in any::<bool>(),
    ) {
        for (provider, model) in [
            ("openai", "gpt-5"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"),
            ("google", "gemini-2.5-pro"),
        ] {
            let row = row(provider, model);
            let cached = cached.min(prompt);
            let written = if row.rates.cache_write_1h.is_some() { written.min(prompt - cached) } else { 0 };
            let usage = crate::Usage {
                input: Some(prompt - cached - written),
                cache_read: Some(cached),
                cache_write_1h: Some(if hour { written } else { 0 }),
                cache_write_5m: Some(if hour { 0 } else { written }),
                output: Some(output),
                ..crate::Usage::default()
            };
            // Without a price for the image or audio parts of its answers a cost is not known.
            let Ok(cost) = crate::cost::price(&usage, None, &row) else { continue };
            let work = Work { prompt_tokens: prompt, output_tokens: output, service: None };
            prop_assert!(cost.total <= bound::most(&work, &row).unwrap(), "{} {}", provider, model);
        }
    }
}
