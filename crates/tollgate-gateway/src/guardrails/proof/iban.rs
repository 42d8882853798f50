//! Numbers of bank accounts: as long as their country's are, and their check digits (ISO 13616).
//!
//! found iban: `DE89 3704 0044 0532 0130 00`
//! found iban: `GB29NWBK60161331926819`
//! found iban: `FR1420041010050500013M02606 EUR`
//! clean iban: `DE88 3704 0044 0532 0130 00`
//! clean iban: `DE89 3704 0044 0532 0130`
//! clean iban: `ZZ89370400440532013000`
//! clean iban: `DE89370400440532013000123`

/// The lengths of the countries' numbers, from the registry of ISO 13616.
const LENGTHS: [(&str, usize); 52] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PL", 28),
    ("PT", 25),
    ("RO", 24),
    ("SE", 24),
    ("TR", 26),
];

pub(super) fn iban(text: &str) -> Option<usize> {
    let country = text.get(..2)?;
    let (_, length) = LENGTHS.iter().find(|(known, _)| *known == country)?;
    let mut taken = String::with_capacity(*length);
    let mut bytes = 0;
    for character in text.chars() {
        if taken.len() == *length {
            // What goes on without a space is longer than it may be.
            if character.is_ascii_alphanumeric() {
                return None;
            }
            break;
        }
        bytes += character.len_utf8();
        if character.is_ascii_alphanumeric() {
            taken.push(character);
        }
    }
    (taken.len() == *length && remainder(&taken) == Some(1)).then_some(bytes)
}

/// The number with its first four characters at its end, letters as 10 to 35, modulo 97.
fn remainder(iban: &str) -> Option<u32> {
    let (head, tail) = iban.split_at_checked(4)?;
    tail.chars().chain(head.chars()).try_fold(0, |sum, it| {
        let value = it.to_digit(36)?;
        let shifted = if value > 9 { sum * 100 } else { sum * 10 };
        Some((shifted + value) % 97)
    })
}
