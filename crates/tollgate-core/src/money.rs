//! Money in exact integers.

use std::{fmt, iter::Sum};

use serde::{Deserialize, Serialize};

/// An amount in pico-dollars (10⁻¹² US dollars). The range is ±9.2 million dollars, and a price of
/// one millionth of a dollar per million tokens is still a whole number of them per token.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PicoUsd(pub i64);

/// Pico-dollars in one US dollar.
pub const PICO_PER_USD: i64 = 1_000_000_000_000;

impl PicoUsd {
    /// No money. Not to be used for "unknown", which is `None`.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` when it leaves the range.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The sum; one that leaves the range stops at its end.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; one that leaves the range stops at its end.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `count` times this amount, or `None` when it leaves the range.
    #[must_use]
    pub fn checked_mul(self, count: u64) -> Option<Self> {
        let product = i128::from(self.0).checked_mul(i128::from(count))?;
        i64::try_from(product).ok().map(Self)
    }
}

/// Adds with saturation: a sum over a ledger stops at the end of the range and never wraps.
impl Sum for PicoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, it| sum.plus(it))
    }
}

/// Writes dollars with every digit that counts and at least two decimals: `$0.00`, `$1.50`,
/// `$0.0000375`.
impl fmt::Display for PicoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let pico = self.0.unsigned_abs();
        let unit = PICO_PER_USD.unsigned_abs();
        let digits = format!("{:012}", pico % unit);
        let kept = digits.trim_end_matches('0').len().max(2);
        write!(f, "{sign}${}.{}", pico / unit, digits.get(..kept).unwrap_or(&digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_every_digit_that_counts() {
        let check = |pico: i64, text: &str| assert_eq!(PicoUsd(pico).to_string(), text);
        check(0, "$0.00");
        check(PICO_PER_USD * 3 / 2, "$1.50");
        check(37_500_000, "$0.0000375");
        check(-1, "-$0.000000000001");
        check(i64::MIN, "-$9223372.036854775808");
    }

    #[test]
    fn a_product_outside_the_range_is_none_and_never_wraps() {
        assert_eq!(PicoUsd(2).checked_mul(21), Some(PicoUsd(42)));
        assert_eq!(PicoUsd(i64::MAX).checked_mul(2), None);
    }
}
