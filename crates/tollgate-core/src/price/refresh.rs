//! What a public price list says anew, laid over the prices that are known.
//!
//! A refresh never forgets: a price that changed gets a row that begins on the day of the refresh,
//! so that calls of the days before keep theirs. What is implausible beside the known price is set
//! aside, with the reason, and the known price stays.

use serde::{Deserialize, Serialize};

use super::{
    PriceBook, PriceRow, Rates,
    list::{Offer, OfferedRow, PriceList, Quarantined, Reading},
};
use crate::{PicoUsd, UnixMs};

/// A price that becomes more than so many times dearer or cheaper at once is most likely a mistake:
/// the largest real changes were about fivefold.
pub const JUMP_FACTOR_MAX: i64 = 10;

/// Prices that were fetched after the program was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refreshed {
    /// The refreshes, each list's newest.
    pub refreshes: Vec<Refresh>,
    /// What they brought.
    pub models: Vec<RefreshedModel>,
}

/// One refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// Which list was read.
    pub list: PriceList,
    /// When.
    pub at_ms: UnixMs,
    /// What of it was not believed.
    pub quarantined: Vec<Quarantined>,
}

/// Fetched prices of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshedModel {
    /// Other names of the model.
    pub aliases: Vec<String>,
    /// Its rows, the older first; never none.
    pub rows: Vec<PriceRow>,
}

/// What a refresh changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows of models that had no price, and such as price a kind that had none.
    pub added: Vec<PriceRow>,
    /// Rows with a price that differs, beside the ones that they follow.
    pub changed: Vec<(PriceRow, PriceRow)>,
    /// Models whose price is the known one.
    pub unchanged: usize,
}

impl Refreshed {
    /// When a list was read last, of all lists.
    #[must_use]
    pub fn last_at_ms(&self) -> Option<UnixMs> {
        self.refreshes.iter().map(|it| it.at_ms).max()
    }

    /// Takes over what a list says on the day of `at_ms`. `embedded` is the book that the program
    /// carries; the user's own rows do not count, since they win anyway.
    ///
    /// # Errors
    /// When the day cannot be written.
    pub fn take(
        &mut self,
        embedded: &PriceBook,
        list: PriceList,
        reading: Reading,
        at_ms: UnixMs,
    ) -> Result<Changes, jiff::Error> {
        let Reading { offers, mut quarantined } = reading;
        let day = Day::of(at_ms)?;
        let mut changes = Changes::default();
        let book = embedded.clone().without_overrides().with_refreshed(self.models.clone());
        let mut taken = Vec::new();
        for offer in offers {
            let name = format!("{}/{}", offer.provider, offer.model);
            if embedded.is_disputed(&offer.provider, &offer.model) {
                let why = "the lists name different prices for it, and none was found right";
                quarantined.push(Quarantined { name, why: why.to_owned() });
                continue;
            }
            match compared(&book, list, &offer, &day) {
                Ok(Verdict::Known) => changes.unchanged += 1,
                Ok(Verdict::Added(rows)) => {
                    changes.added.extend(rows.iter().cloned());
                    taken.push((offer.aliases, rows));
                }
                Ok(Verdict::Changed(rows, before)) => {
                    changes
                        .changed
                        .extend(rows.iter().cloned().map(|it| (it, PriceRow::clone(&before))));
                    taken.push((offer.aliases, rows));
                }
                Err(why) => quarantined.push(Quarantined { name, why }),
            }
        }
        for (aliases, rows) in taken {
            self.put(aliases, rows);
        }
        self.refreshes.retain(|it| it.list != list);
        self.refreshes.push(Refresh { list, at_ms, quarantined });
        Ok(changes)
    }

    /// Adds rows behind those of the same model. A second refresh of the day replaces the first's.
    fn put(&mut self, aliases: Vec<String>, rows: Vec<PriceRow>) {
        let Some(first) = rows.first() else { return };
        let same = |it: &PriceRow| {
            it.provider == first.provider && it.model.eq_ignore_ascii_case(&first.model)
        };
        match self.models.iter_mut().find(|it| it.rows.first().is_some_and(same)) {
            Some(known) => {
                known.rows.retain(|it| {
                    !rows.iter().any(|new| (new.valid_from, new.daily) == (it.valid_from, it.daily))
                });
                known.rows.extend(rows);
            }
            None => self.models.push(RefreshedModel { aliases, rows }),
        }
    }
}

/// The day of a refresh.
struct Day {
    text: String,
    begins: UnixMs,
    now: UnixMs,
}

impl Day {
    fn of(now: UnixMs) -> Result<Self, jiff::Error> {
        let day = jiff::Timestamp::from_millisecond(now.0)?.to_zoned(jiff::tz::TimeZone::UTC);
        let begins = UnixMs(day.start_of_day()?.timestamp().as_millisecond());
        Ok(Self { text: day.date().to_string(), begins, now })
    }
}

enum Verdict {
    /// The known price, or a part of it.
    Known,
    Added(Vec<PriceRow>),
    /// The rows, and the one that they follow.
    Changed(Vec<PriceRow>, Box<PriceRow>),
}

fn compared(
    book: &PriceBook,
    list: PriceList,
    offer: &Offer,
    day: &Day,
) -> Result<Verdict, String> {
    let holding: Vec<&OfferedRow> = offer.rows.iter().filter(|it| it.holds_on(day)).collect();
    let Some(first) = holding.first() else {
        return Err("none of its prices holds today".to_owned());
    };
    let known = book.find(&offer.provider, &offer.model, day.now);
    let Some(known) = known else {
        // Every row, with its own days: calls of before have had no price at all.
        let rows = offer.rows.iter().map(|it| row_of(offer, it, it.from, list, day));
        return Ok(Verdict::Added(rows.collect()));
    };
    let peers = book.holding(&offer.provider, &offer.model, day.now);
    if peers.iter().any(|it| it.daily.is_some()) && holding.iter().all(|it| it.daily.is_none()) {
        return Err("its price depends on the hour, which the list does not tell".to_owned());
    }
    let known_for = |it: &OfferedRow| peers.iter().find(|row| row.daily == it.daily).copied();
    let pairs: Vec<(&OfferedRow, &PriceRow)> =
        holding.iter().map(|it| (*it, known_for(it).unwrap_or(known))).collect();
    let same_hours = holding.iter().all(|it| known_for(it).is_some());
    if same_hours && pairs.iter().all(|(offered, known)| agrees(offered, known)) {
        return Ok(match extended(first, known).filter(|_| holding.len() == 1) {
            Some(rates) => Verdict::Added(vec![PriceRow {
                rates,
                services: known.services.clone(),
                ..row_of(offer, first, known.valid_from, list, day)
            }]),
            None => Verdict::Known,
        });
    }
    if list != PriceList::GenaiPrices && book.is_decided(&offer.provider, &offer.model) {
        return Err("genai-prices was found right about it against the other lists".to_owned());
    }
    for (offered, known) in &pairs {
        jumps(&offered.rates, &known.rates)?;
    }
    let from = |it: &OfferedRow| it.from.filter(|from| *from > day.begins).unwrap_or(day.begins);
    let rows = holding.iter().map(|it| row_of(offer, it, Some(from(it)), list, day));
    Ok(Verdict::Changed(rows.collect(), Box::new(known.clone())))
}

impl OfferedRow {
    fn holds_on(&self, day: &Day) -> bool {
        self.from.is_none_or(|from| from <= day.now)
            && self.until.is_none_or(|until| day.now < until)
    }
}

/// Whether two prices are the same where both say one. What only one of them knows (a tier, a kind)
/// is no disagreement.
fn agrees(offered: &OfferedRow, known: &PriceRow) -> bool {
    let mut tiers = offered.tiers.iter().zip(&known.tiers);
    let tiers_agree = if known.tiers.is_empty() || offered.tiers.is_empty() {
        offered.tiers.is_empty()
    } else {
        offered.tiers.len() == known.tiers.len()
            && tiers.all(|(a, b)| {
                a.above_prompt_tokens == b.above_prompt_tokens && agree(&a.rates, &b.rates)
            })
    };
    let services_agree = offered.services.iter().all(|(service, prices)| {
        known.services.get(service).is_none_or(|it| agree(&prices.rates, &it.rates))
    });
    tiers_agree && services_agree && agree(&offered.rates, &known.rates)
}

fn agree(a: &Rates, b: &Rates) -> bool {
    let pairs = a.by_kind().into_iter().zip(b.by_kind());
    pairs.into_iter().all(|((_, a), (_, b))| a.is_none() || b.is_none() || a == b)
}

/// The known rates with the kinds that only the list prices; `None` without such a kind, and where a
/// tier would leave it at the lower tier's rate.
fn extended(offered: &OfferedRow, known: &PriceRow) -> Option<Rates> {
    if !known.tiers.is_empty() || known.daily.is_some() {
        return None;
    }
    let rates = known.rates.or(&offered.rates);
    (rates != known.rates).then_some(rates)
}

/// Refuses a price that is implausibly far from the known one.
fn jumps(offered: &Rates, known: &Rates) -> Result<(), String> {
    for ((kind, new), (_, old)) in offered.by_kind().into_iter().zip(known.by_kind()) {
        let (Some(new), Some(old)) = (new, old) else { continue };
        let (low, high) = (new.min(old), new.max(old));
        let far = match low.0.checked_mul(JUMP_FACTOR_MAX) {
            Some(bound) => bound < high.0,
            None => false,
        };
        if far {
            return Err(format!(
                "`{kind}` went from {} to {}: more than {JUMP_FACTOR_MAX} times as much or as little",
                quoted(kind, old),
                quoted(kind, new)
            ));
        }
    }
    Ok(())
}

/// A price in the unit that people quote it in.
fn quoted(kind: &str, rate: PicoUsd) -> String {
    if matches!(kind, "request" | "web_search" | "file_search") {
        return rate.to_string();
    }
    let million = rate.checked_mul(1_000_000).map(|it| format!("{it} a million"));
    million.unwrap_or_else(|| rate.to_string())
}

fn row_of(
    offer: &Offer,
    row: &OfferedRow,
    from: Option<UnixMs>,
    list: PriceList,
    day: &Day,
) -> PriceRow {
    let mut id = format!("{}/{}", offer.provider, offer.model);
    if let Some(hours) = row.daily {
        id.push_str(&format!("@{}-{}", hours.from_minute, hours.until_minute));
    }
    PriceRow {
        id: format!("{id} ({list}, {})", day.text),
        provider: offer.provider.clone(),
        model: offer.model.clone(),
        valid_from: from,
        valid_until: row.until,
        daily: row.daily,
        source: list.to_string(),
        checked_on: day.text.clone(),
        rates: row.rates,
        tiers: row.tiers.clone(),
        services: row.services.clone(),
    }
}

#[cfg(test)]
mod tests;
