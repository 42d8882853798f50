//! What must hold of a text besides its pattern: check digits, randomness, what it is certainly not.
//!
//! A proof gets what the pattern found and says how many bytes of it, from its beginning, are what is looked
//! for; `None`: it is something else. The head of each file has examples in a fixed form, which the tests
//! run: `found NAME: ` or `clean NAME: `, and the text between backticks.

mod card;
mod email;
mod entropy;
mod flag;
mod iban;
mod national;
mod phone;

/// How many bytes of a text are what is looked for.
pub(super) type Proof = fn(&str) -> Option<usize>;

/// The proofs by their names in the packs.
const PROOFS: [(&str, Proof); 15] = [
    ("aws-secret", entropy::aws_secret),
    ("br-cpf", national::br_cpf),
    ("card", card::card),
    ("de-tax-id", national::de_tax_id),
    ("email", email::email),
    ("entropy", entropy::entropy),
    ("es-dni", national::es_dni),
    ("fr-nir", national::fr_nir),
    ("iban", iban::iban),
    ("it-codice-fiscale", national::it_codice_fiscale),
    ("nl-bsn", national::nl_bsn),
    ("no-flag", flag::no_flag),
    ("not-a-blank", entropy::not_a_blank),
    ("phone", phone::phone),
    ("us-ssn", national::us_ssn),
];

/// The proof of this name.
pub(super) fn proof(name: &str) -> Option<Proof> {
    PROOFS.iter().find(|(known, _)| *known == name).map(|(_, it)| *it)
}

/// The digits of a text, of which everything else is left out.
fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|it| it.to_digit(10)).collect()
}

/// All of a text, where this holds.
fn all(text: &str, holds: bool) -> Option<usize> {
    holds.then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 7] = [
        ("card", include_str!("proof/card.rs")),
        ("email", include_str!("proof/email.rs")),
        ("entropy", include_str!("proof/entropy.rs")),
        ("flag", include_str!("proof/flag.rs")),
        ("iban", include_str!("proof/iban.rs")),
        ("national", include_str!("proof/national.rs")),
        ("phone", include_str!("proof/phone.rs")),
    ];

    /// The examples of the files' heads: the proof, whether it holds, and the text.
    fn examples() -> Vec<(String, bool, String)> {
        let lines = FILES.iter().flat_map(|(_, text)| text.lines());
        let examples = lines.filter_map(|line| {
            let line = line.strip_prefix("//! ")?;
            let (found, rest) = match line.strip_prefix("found ") {
                Some(rest) => (true, rest),
                None => (false, line.strip_prefix("clean ")?),
            };
            let (name, text) = rest.split_once(": `")?;
            Some((name.to_owned(), found, characters(text.strip_suffix('`')?)))
        });
        examples.collect()
    }

    /// The text with `\u{…}` read: invisible characters are not written as such.
    fn characters(text: &str) -> String {
        let mut parts = text.split("\\u{");
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            let (number, rest) = part.split_once('}').unwrap();
            out.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
            out.push_str(rest);
        }
        out
    }

    #[test]
    fn the_examples_of_every_proof_are_as_their_files_say() {
        for (name, found, text) in examples() {
            let proof = proof(&name).unwrap_or_else(|| panic!("there is no proof `{name}`"));
            assert_eq!(proof(&text).is_some(), found, "{name}: `{text}`");
        }
    }

    #[test]
    fn every_proof_has_an_example_of_either_kind() {
        let examples = examples();
        for (name, _) in PROOFS {
            for kind in [true, false] {
                let has = examples.iter().any(|(of, found, _)| of == name && *found == kind);
                assert!(has, "`{name}` has no example that is found: {kind}");
            }
        }
    }

    #[test]
    fn a_proof_takes_any_text() {
        let texts = ["", "é", "🏴", "0", "\u{E0001}", "DE", "@", "a@", "@b", "-", "DE89é"];
        for (name, proof) in PROOFS {
            for text in texts {
                if let Some(bytes) = proof(text) {
                    assert!(text.is_char_boundary(bytes), "{name} {text}");
                }
            }
        }
    }
}
