//! Telephone numbers: as many digits as there may be (ITU-T E.164), and not a date.
//!
//! found phone: `+49 30 1234567`
//! found phone: `(415) 555-0132`
//! clean phone: `+1 23`
//! clean phone: `2026-11-25`
//! clean phone: `0000000000`

use super::{all, digits};

pub(super) fn phone(text: &str) -> Option<usize> {
    let digits = digits(text);
    let varies = digits.iter().any(|it| Some(it) != digits.first());
    all(text, (8..=15).contains(&digits.len()) && varies && !is_date(text))
}

/// `2026-11-25`, and what follows such a date.
fn is_date(text: &str) -> bool {
    let mut parts = text.trim_start_matches('(').split(['-', '/', '.']);
    let year = parts.next().and_then(|it| it.parse::<u32>().ok());
    let month = parts.next().filter(|it| it.len() == 2).and_then(|it| it.parse::<u32>().ok());
    year.is_some_and(|it| (1900..2200).contains(&it))
        && month.is_some_and(|it| (1..=12).contains(&it))
}
