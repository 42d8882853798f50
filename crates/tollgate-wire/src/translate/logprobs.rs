//! How likely an answer's tokens were.

use crate::{ir::Given, loss::Losses};

/// The most alternatives to a token that OpenAI's two formats and Gemini tell.
const LIKELIEST_MAX: u64 = 20;

/// How many alternatives to ask for: what the client wants, as far as providers tell them.
pub(super) fn likeliest(asked: &Given<Option<u64>>, losses: &mut Losses) -> Option<u64> {
    let wanted = asked.value?;
    if wanted > LIKELIEST_MAX {
        let why = format!("was lowered to {LIKELIEST_MAX} alternatives, the most that are told");
        losses.note(&asked.at, why);
    }
    Some(wanted.min(LIKELIEST_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_alternatives_are_asked_for_than_providers_tell() {
        let check = |wanted, expected, lost| {
            let mut losses = Losses::default();
            let asked = Given { at: "top_logprobs".to_owned(), value: wanted };
            assert_eq!(likeliest(&asked, &mut losses), expected);
            assert_eq!(losses.into_vec().len(), lost);
        };
        check(None, None, 0);
        check(Some(0), Some(0), 0);
        check(Some(20), Some(20), 0);
        check(Some(21), Some(20), 1);
    }
}
