//! Numbers of payment cards: how they begin, how long they are, and their check digit (ISO/IEC 7812).
//!
//! found card: `4111 1111 1111 1111`
//! found card: `378282246310005`
//! found card: `2223003122003222`
//! found card: `6011-1111-1111-1117`
//! clean card: `4111 1111 1111 1112`
//! clean card: `4111111111111`
//! clean card: `4929384756102938`
//! clean card: `1700000000000007`
//! clean card: `4444444444444448`
//! clean card: `5018 0000 0000 0009`

use super::{all, digits};

/// The beginnings of the large issuers, as ranges of their first four digits, with the lengths of their
/// numbers. Others are not looked for: every tenth number has a right check digit by chance.
const ISSUERS: [(u32, u32, &[usize]); 10] = [
    // American Express
    (3400, 3499, &[15]),
    (3700, 3799, &[15]),
    // Diners
    (3000, 3059, &[14]),
    (3600, 3699, &[14]),
    (3800, 3899, &[14]),
    // JCB
    (3528, 3589, &[16]),
    // Visa
    (4000, 4999, &[16]),
    // Mastercard
    (5100, 5599, &[16]),
    (2221, 2720, &[16]),
    // Discover and UnionPay
    (6011, 6599, &[16, 17, 18, 19]),
];

pub(super) fn card(text: &str) -> Option<usize> {
    let digits = digits(text);
    let beginning = digits.iter().take(4).fold(0, |sum, it| sum * 10 + it);
    let issued = ISSUERS.iter().any(|(from, to, lengths)| {
        (*from..=*to).contains(&beginning) && lengths.contains(&digits.len())
    });
    // The same digit over and over, with the check digit that follows from it, is made up.
    let (_, others) = digits.split_last()?;
    let varies = others.iter().any(|it| Some(it) != digits.first());
    all(text, issued && varies && luhn(&digits))
}

/// The check digit by Luhn's formula.
fn luhn(digits: &[u32]) -> bool {
    let doubled = |it: u32| if it > 4 { it * 2 - 9 } else { it * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, it)| if place % 2 == 1 { doubled(*it) } else { *it })
        .sum();
    sum.is_multiple_of(10)
}
