//! What the calls of one account have come to, and what is held for those under way.

use jiff::tz::TimeZone;

use super::{Amounts, Moment, Period, Window, minute::PerMinute};
use crate::{PicoUsd, UnixMs};

/// How many periods there are.
const PERIODS: usize = Period::ALL.len();

/// What has been spent and reserved, and how many calls there were.
#[derive(Clone, Debug)]
pub struct Account {
    /// One for each amount of money.
    purses: Vec<Purse>,
    requests: Option<PerMinute>,
    tokens: Option<PerMinute>,
    under_way: u64,
    stopped: Stops,
    /// The last serial that was given to a window.
    serial: u64,
}

/// The money of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// How long it is for.
    pub period: Period,
    /// The stretch of time that it is for now.
    pub window: Window,
    /// What settled calls cost.
    pub spent: PicoUsd,
    /// What is held for calls under way.
    pub reserved: PicoUsd,
    /// How many of the settled calls have a cost that is not known. They are in `spent` by what was
    /// held for them.
    pub unknown_calls: u64,
    /// How many calls it stopped, or would have.
    pub stopped: u64,
    /// Each window of the account has its own, so that what is held in one is not given back to another.
    serial: u64,
    /// The highest part of the amount, in percent, that the user was told of.
    told: u8,
}

/// How many calls an account stopped, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stops {
    /// Too many calls within a minute.
    pub requests: u64,
    /// Too many tokens within a minute.
    pub tokens: u64,
    /// Too many calls at the same time.
    pub concurrent: u64,
}

/// What a call wants of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// The most that it can cost; `None` is not known.
    pub money: Option<PicoUsd>,
    /// The most tokens that it can take.
    pub tokens: u64,
}

/// What an account holds for a call under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    serials: [u64; PERIODS],
    money: Option<PicoUsd>,
    tokens: u64,
    since: Moment,
    /// Whether the call counts as one under way.
    under_way: bool,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What it cost; `None` is not known.
    pub cost: Option<PicoUsd>,
    /// Its tokens; `None` is not known.
    pub tokens: Option<u64>,
}

/// Why an account lets a call not through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Too little money is left.
    Money {
        /// The purse.
        purse: Purse,
        /// How much there is in all.
        amount: PicoUsd,
        /// How much the call can cost.
        need: PicoUsd,
    },
    /// Nobody knows what the call can cost.
    Unpriced,
    /// Too many calls within a minute.
    Requests {
        /// How many there may be.
        most: u64,
        /// In how many seconds there is room, if nothing else comes; `None`: never.
        again_s: Option<u64>,
    },
    /// Too many tokens within a minute.
    Tokens {
        /// How many there may be.
        most: u64,
        /// How many there were.
        used: u64,
        /// How many the call can take.
        need: u64,
        /// In how many seconds there is room, if nothing else comes; `None`: never.
        again_s: Option<u64>,
    },
    /// Too many calls at the same time.
    Concurrent {
        /// How many there may be.
        most: u64,
    },
}

/// A part of an amount of money has been spent that the user wants to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The part, in percent.
    pub percent: u8,
    /// The purse.
    pub purse: Purse,
    /// How much there is in all.
    pub amount: PicoUsd,
}

impl Account {
    /// An account from which nothing was spent.
    #[must_use]
    pub fn new(amounts: &Amounts, at: UnixMs, zone: &TimeZone) -> Self {
        let mut account = Self {
            purses: Vec::new(),
            requests: None,
            tokens: None,
            under_way: 0,
            stopped: Stops::default(),
            serial: 0,
        };
        account.refit(amounts, at, zone);
        account
    }

    /// Makes it fit other amounts; what is in both keeps what was counted.
    pub fn refit(&mut self, amounts: &Amounts, at: UnixMs, zone: &TimeZone) {
        let known = std::mem::take(&mut self.purses);
        for (period, _) in &amounts.money {
            let purse = known.iter().find(|it| it.period == *period).copied();
            let purse = purse.unwrap_or_else(|| {
                self.serial += 1;
                Purse::new(*period, period.window(at, zone), self.serial)
            });
            self.purses.push(purse);
        }
        self.requests =
            amounts.requests_per_min.map(|_| self.requests.take().unwrap_or_else(PerMinute::new));
        self.tokens =
            amounts.tokens_per_min.map(|_| self.tokens.take().unwrap_or_else(PerMinute::new));
    }

    /// The money, by period.
    #[must_use]
    pub fn purses(&self) -> &[Purse] {
        &self.purses
    }

    /// Calls in the last 60 seconds, where those are limited.
    #[must_use]
    pub fn requests(&self) -> Option<u64> {
        self.requests.as_ref().map(PerMinute::total)
    }

    /// Tokens in the last 60 seconds, where those are limited.
    #[must_use]
    pub fn tokens(&self) -> Option<u64> {
        self.tokens.as_ref().map(PerMinute::total)
    }

    /// Calls under way.
    #[must_use]
    pub const fn under_way(&self) -> u64 {
        self.under_way
    }

    /// How many calls were stopped for other reasons than money, or would have been.
    #[must_use]
    pub const fn stopped(&self) -> Stops {
        self.stopped
    }

    /// Whether it would be the same if it were made anew.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let untouched = |it: &Purse| {
            it.spent == PicoUsd::ZERO && it.reserved == PicoUsd::ZERO && it.stopped == 0
        };
        self.under_way == 0
            && self.purses.iter().all(untouched)
            && self.requests().unwrap_or_default() == 0
            && self.tokens().unwrap_or_default() == 0
    }

    /// Brings it to a moment: a period that is over begins anew. A clock that was set back gives no
    /// money back: what was spent then counts in the period that it went back to.
    pub fn roll(&mut self, now: Moment, zone: &TimeZone) {
        for purse in &mut self.purses {
            if !purse.window.has(now.at) {
                let window = purse.period.window(now.at, zone);
                if now.at >= purse.window.until {
                    self.serial += 1;
                    *purse = Purse::new(purse.period, window, self.serial);
                } else {
                    purse.window = window;
                }
            }
        }
        if let Some(requests) = &mut self.requests {
            requests.roll(now.steady_s);
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.roll(now.steady_s);
        }
    }

    /// Whether a call fits into what is left.
    ///
    /// # Errors
    /// What there is too little of; of several, what lasts longest.
    pub fn check(&self, amounts: &Amounts, need: &Need) -> Result<(), Stop> {
        let mut tightest = None;
        for (purse, amount) in self.limited(amounts) {
            let need = need.money.ok_or(Stop::Unpriced)?;
            if need > purse.left(amount) {
                let stop = Stop::Money { purse: *purse, amount, need };
                if tightest.is_none_or(|(until, _)| purse.window.until > until) {
                    tightest = Some((purse.window.until, stop));
                }
            }
        }
        if let Some((_, stop)) = tightest {
            return Err(stop);
        }
        if let (Some(tokens), Some(most)) = (&self.tokens, amounts.tokens_per_min)
            && tokens.total().saturating_add(need.tokens) > most
        {
            let again_s = tokens.fits_in(most, need.tokens);
            return Err(Stop::Tokens { most, used: tokens.total(), need: need.tokens, again_s });
        }
        if let (Some(requests), Some(most)) = (&self.requests, amounts.requests_per_min)
            && requests.total() >= most
        {
            return Err(Stop::Requests { most, again_s: requests.fits_in(most, 1) });
        }
        match amounts.concurrent {
            Some(most) if self.under_way >= most => Err(Stop::Concurrent { most }),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes that a call was stopped for this reason, or would have been; says whether it is the first
    /// one for which there was too little money in its period.
    pub fn note(&mut self, stop: &Stop) -> bool {
        match stop {
            Stop::Money { purse, .. } => {
                let purse = self.purses.iter_mut().find(|it| it.period == purse.period);
                return purse.is_some_and(|it| {
                    it.stopped += 1;
                    it.stopped == 1
                });
            }
            Stop::Unpriced => self.purses.iter_mut().for_each(|it| it.stopped += 1),
            Stop::Requests { .. } => self.stopped.requests += 1,
            Stop::Tokens { .. } => self.stopped.tokens += 1,
            Stop::Concurrent { .. } => self.stopped.concurrent += 1,
        }
        false
    }

    /// Holds what a call can come to, whether or not it fits.
    pub fn hold(&mut self, need: &Need, now: Moment) -> Hold {
        let mut serials = [0; PERIODS];
        for purse in &mut self.purses {
            purse.reserved = purse.reserved.plus(need.money.unwrap_or_default());
            if let Some(serial) = serials.get_mut(purse.period as usize) {
                *serial = purse.serial;
            }
        }
        if let Some(requests) = &mut self.requests {
            requests.add(1);
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.add(need.tokens);
        }
        self.under_way += 1;
        Hold { serials, money: need.money, tokens: need.tokens, since: now, under_way: true }
    }

    /// Takes a hold back, as if the call had not been.
    pub fn forget(&mut self, mut hold: Hold) {
        self.end(&mut hold);
        self.release(&hold);
        if let Some(requests) = &mut self.requests {
            requests.correct(hold.since.steady_s, 1, 0);
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.correct(hold.since.steady_s, hold.tokens, 0);
        }
    }

    /// Notes that the call is not under way any more; what it came to is yet to be seen.
    pub const fn end(&mut self, hold: &mut Hold) {
        if hold.under_way {
            hold.under_way = false;
            self.under_way = self.under_way.saturating_sub(1);
        }
    }

    /// Puts what a call came to in place of what was held for it. A cost that is not known counts as
    /// what was held; so do tokens.
    pub fn settle(&mut self, mut hold: Hold, charge: &Charge) {
        self.end(&mut hold);
        self.release(&hold);
        for purse in self.purses.iter_mut().filter(|it| hold.is_of(it) || hold.is_before(it)) {
            purse.charge(charge.cost, hold.money);
        }
        if let (Some(tokens), Some(is)) = (&mut self.tokens, charge.tokens) {
            tokens.correct(hold.since.steady_s, hold.tokens, is);
        }
    }

    /// Counts a call that nothing was held for, which began at `at`; a cost that is not known counts as
    /// `held`.
    pub fn charge(&mut self, at: UnixMs, cost: Option<PicoUsd>, held: Option<PicoUsd>) {
        for purse in self.purses.iter_mut().filter(|it| it.window.has(at)) {
            purse.charge(cost, held);
        }
    }

    /// Counts what calls cost that are in the ledger; `None` for a call whose cost is not known, which
    /// counts as `held`.
    pub fn recall(&mut self, period: Period, cost: Option<PicoUsd>, held: Option<PicoUsd>) {
        if let Some(purse) = self.purses.iter_mut().find(|it| it.period == period) {
            purse.charge(cost, held);
        }
    }

    /// The parts of amounts that have been spent and that nobody was told of.
    pub fn crossings(&mut self, amounts: &Amounts, warn_at: &[u8]) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        for (period, amount) in &amounts.money {
            let Some(purse) = self.purses.iter_mut().find(|it| it.period == *period) else {
                continue;
            };
            let reached = warn_at.iter().filter(|it| purse.has_spent(**it, *amount)).max();
            if let Some(percent) = reached.copied().filter(|it| *it > purse.told) {
                purse.told = percent;
                crossings.push(Crossing { percent, purse: *purse, amount: *amount });
            }
        }
        crossings
    }

    /// The least money that is left.
    #[must_use]
    pub fn left(&self, amounts: &Amounts) -> Option<PicoUsd> {
        self.limited(amounts).map(|(purse, amount)| purse.left(amount)).min()
    }

    fn limited<'a>(&'a self, amounts: &'a Amounts) -> impl Iterator<Item = (&'a Purse, PicoUsd)> {
        amounts.money.iter().filter_map(|(period, amount)| {
            let purse = self.purses.iter().find(|it| it.period == *period)?;
            Some((purse, *amount))
        })
    }

    fn release(&mut self, hold: &Hold) {
        for purse in self.purses.iter_mut().filter(|it| hold.is_of(it)) {
            purse.reserved = purse.reserved.minus(hold.money.unwrap_or_default());
        }
    }
}

impl Hold {
    /// Whether it is held in this purse, in the window that is now.
    fn is_of(&self, purse: &Purse) -> bool {
        self.serials.get(purse.period as usize) == Some(&purse.serial)
    }

    /// Whether it began in the window of a purse that was not there yet.
    fn is_before(&self, purse: &Purse) -> bool {
        self.serials.get(purse.period as usize) == Some(&0) && purse.window.has(self.since.at)
    }
}

impl Purse {
    const fn new(period: Period, window: Window, serial: u64) -> Self {
        Self {
            period,
            window,
            spent: PicoUsd::ZERO,
            reserved: PicoUsd::ZERO,
            unknown_calls: 0,
            stopped: 0,
            serial,
            told: 0,
        }
    }

    /// What is left of an amount; less than nothing where calls cost more than was held for them.
    #[must_use]
    pub const fn left(&self, amount: PicoUsd) -> PicoUsd {
        amount.minus(self.spent).minus(self.reserved)
    }

    fn charge(&mut self, cost: Option<PicoUsd>, held: Option<PicoUsd>) {
        if cost.is_none() {
            self.unknown_calls += 1;
        }
        self.spent = self.spent.plus(cost.or(held).unwrap_or_default());
    }

    fn has_spent(&self, percent: u8, amount: PicoUsd) -> bool {
        i128::from(self.spent.0) * 100 >= i128::from(amount.0) * i128::from(percent)
    }
}
