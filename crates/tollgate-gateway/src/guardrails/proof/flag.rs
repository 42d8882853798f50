//! Invisible tags that spell a text, unlike those behind a black flag, which make the flag of a region
//! (Unicode Technical Standard 51).
//!
//! found no-flag: `\u{E0049}\u{E0067}\u{E006E}\u{E006F}\u{E0072}\u{E0065}`
//! clean no-flag: `\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}`
//! clean no-flag: `\u{E007F}`

use super::all;

/// What ends the tags of a flag.
const CANCEL: char = '\u{E007F}';

/// The longest region that a flag has: a country and a part of it, of two and up to three letters.
const REGION_MAX: usize = 5;

pub(super) fn no_flag(text: &str) -> Option<usize> {
    let tags: Vec<char> = text.chars().collect();
    let is_region = |it: &char| {
        ('\u{E0061}'..='\u{E007A}').contains(it) || ('\u{E0030}'..='\u{E0039}').contains(it)
    };
    let is_flag = match tags.split_last() {
        Some((last, region)) => {
            *last == CANCEL && region.len() <= REGION_MAX && region.iter().all(is_region)
        }
        None => true,
    };
    all(text, !is_flag)
}
