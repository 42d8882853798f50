//! Numbers that states give to people: what cannot be one, and their check digits, as the issuers publish
//! them.
//!
//! found us-ssn: `536-22-1234`
//! clean us-ssn: `000-12-3456`
//! clean us-ssn: `666-12-3456`
//! clean us-ssn: `912-12-3456`
//! clean us-ssn: `123-00-4567`
//! clean us-ssn: `123-45-0000`
//! found es-dni: `12345678Z`
//! found es-dni: `X1234567L`
//! clean es-dni: `12345678A`
//! found it-codice-fiscale: `RSSMRA85T10A562S`
//! clean it-codice-fiscale: `RSSMRA85T10A562T`
//! found fr-nir: `2 55 08 14 168 025 38`
//! clean fr-nir: `2 55 08 14 168 025 39`
//! found br-cpf: `529.982.247-25`
//! clean br-cpf: `529.982.247-26`
//! clean br-cpf: `111.111.111-11`
//! found nl-bsn: `111222333`
//! clean nl-bsn: `111222334`
//! clean nl-bsn: `000000000`
//! found de-tax-id: `86 095 742 719`
//! clean de-tax-id: `86 095 742 718`

use super::{all, digits};

/// The Social Security Administration gives out no such areas, groups and serial numbers.
pub(super) fn us_ssn(text: &str) -> Option<usize> {
    let mut parts = text.split('-').map(|it| it.parse::<u32>().unwrap_or_default());
    let (area, group, serial) = (parts.next()?, parts.next()?, parts.next()?);
    all(text, area != 0 && area != 666 && area < 900 && group != 0 && serial != 0)
}

/// The letter is the number modulo 23; foreigners' begin with a letter that stands for a digit.
pub(super) fn es_dni(text: &str) -> Option<usize> {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let (number, letter) = plain.split_at_checked(plain.len().checked_sub(1)?)?;
    let number = match number.as_bytes().first()? {
        b'X' => format!("0{}", number.get(1..)?),
        b'Y' => format!("1{}", number.get(1..)?),
        b'Z' => format!("2{}", number.get(1..)?),
        _ => number.to_owned(),
    };
    let number: usize = number.parse().ok()?;
    all(text, LETTERS.get(number % 23) == letter.as_bytes().first())
}

/// The last letter sums up the others, those in odd places by a table (decree of 23 December 1976).
pub(super) fn it_codice_fiscale(text: &str) -> Option<usize> {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let (body, check) = text.split_at_checked(15)?;
    let sum = body.bytes().enumerate().try_fold(0, |sum, (place, it)| {
        let value = match it {
            b'0'..=b'9' => u32::from(it - b'0'),
            b'A'..=b'Z' => u32::from(it - b'A'),
            _ => return None,
        };
        let even = usize::try_from(value).ok()?;
        Some(sum + if place % 2 == 0 { *ODD.get(even)? } else { value })
    })?;
    let letter = u32::from(*check.as_bytes().first()?).checked_sub(u32::from(b'A'))?;
    all(text, check.len() == 1 && sum % 26 == letter)
}

/// The last two digits are 97 less the rest modulo 97; Corsica's departments count as 19 and 18.
pub(super) fn fr_nir(text: &str) -> Option<usize> {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.replace("2A", "19").replace("2B", "18");
    let (number, check) = plain.split_at_checked(13)?;
    let (number, check): (u64, u64) = (number.parse().ok()?, check.parse().ok()?);
    all(text, plain.len() == 15 && 97 - number % 97 == check)
}

/// Two check digits, each by weights modulo 11.
pub(super) fn br_cpf(text: &str) -> Option<usize> {
    let digits = digits(text);
    let varies = digits.iter().any(|it| Some(it) != digits.first());
    let check = |count: u32| {
        let sum: u32 =
            digits.iter().zip((2..=count + 1).rev()).map(|(it, weight)| it * weight).sum();
        let rest = sum * 10 % 11;
        if rest == 10 { 0 } else { rest }
    };
    let right = digits.len() == 11
        && digits.get(9) == Some(&check(9))
        && digits.get(10) == Some(&check(10));
    all(text, varies && right)
}

/// The sum by weights, of which the last is negative, is a multiple of 11.
pub(super) fn nl_bsn(text: &str) -> Option<usize> {
    let digits = digits(text);
    let (last, others) = digits.split_last()?;
    let sum: u32 = others.iter().zip((2..=9).rev()).map(|(it, weight)| it * weight).sum();
    let is_some = digits.iter().any(|it| *it > 0);
    all(text, digits.len() == 9 && is_some && sum >= *last && (sum - last).is_multiple_of(11))
}

/// The last digit by ISO 7064, modulo 11 and 10; one of the others stands more than once.
pub(super) fn de_tax_id(text: &str) -> Option<usize> {
    let digits = digits(text);
    let (last, others) = digits.split_last()?;
    let product = others.iter().fold(10, |product, it| {
        let sum = (it + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    let check = (11 - product) % 10;
    let mut counts = [0_u32; 10];
    for it in others {
        if let Some(count) = usize::try_from(*it).ok().and_then(|it| counts.get_mut(it)) {
            *count += 1;
        }
    }
    let repeats = counts.iter().any(|it| *it > 1);
    all(text, digits.len() == 11 && digits.first() != Some(&0) && repeats && check == *last)
}
