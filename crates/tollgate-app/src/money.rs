//! Money where there is little room.

use tollgate_core::money::PICO_PER_USD;

/// Pico-dollars in a hundredth of a cent.
const PICO_PER_STEP: i64 = PICO_PER_USD / 10_000;

/// An amount of the admin API, rounded half up to a hundredth of a cent below one dollar and to a
/// cent above: `$0.0123`, `$12.35`. What is no amount is `?`.
#[must_use]
pub fn rounded(pico: &str) -> String {
    let Ok(pico) = pico.parse::<i64>() else { return "?".to_owned() };
    let steps = pico.saturating_add(PICO_PER_STEP / 2).div_euclid(PICO_PER_STEP);
    if steps.abs() < 10_000 {
        return format!("${}.{:04}", steps / 10_000, steps.abs() % 10_000);
    }
    let cents = pico.saturating_add(PICO_PER_USD / 200).div_euclid(PICO_PER_USD / 100);
    format!("${}.{:02}", cents / 100, cents.abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn keeps_the_digits_that_there_is_room_for() {
        assert_eq!(rounded("0"), "$0.0000");
        assert_eq!(rounded("12345000000"), "$0.0123");
        assert_eq!(rounded("12350000000"), "$0.0124");
        assert_eq!(rounded("12345000000000"), "$12.35");
        assert_eq!(rounded("unknown"), "?");
    }
}
