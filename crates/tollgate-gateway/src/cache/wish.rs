//! What a client asks of the cache: in `cache-control` (RFC 9111, section 5.2.1), or in a header of the
//! gateway's own, which takes the same words.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use super::CACHE;

/// What a client asks of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Whether it may be answered from it.
    pub(crate) read: bool,
    /// Whether the answer may be kept.
    pub(crate) keep: bool,
    /// How old an answer may be.
    pub(crate) age_max: Option<Duration>,
}

impl Wish {
    const NOTHING: Self = Self { read: true, keep: true, age_max: None };

    /// What the headers say. A word of the gateway's own header that it does not know keeps the call
    /// from the cache: it is not to get more than was asked for.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut wish = Self::NOTHING;
        for word in words(headers, &header::CACHE_CONTROL) {
            wish.hear(&word);
        }
        for word in words(headers, &CACHE) {
            match word.as_str() {
                "bypass" => (wish.read, wish.keep) = (false, false),
                "refresh" => wish.read = false,
                word => {
                    if !wish.hear(word) {
                        (wish.read, wish.keep) = (false, false);
                    }
                }
            }
        }
        wish
    }

    /// Takes a word of HTTP's; says whether it is known.
    fn hear(&mut self, word: &str) -> bool {
        match word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value))) {
            ("no-store", None) => (self.read, self.keep) = (false, false),
            ("no-cache", None) => self.read = false,
            ("max-age", Some(seconds)) => match seconds.trim_matches('"').parse() {
                Ok(seconds) => {
                    let most = Duration::from_secs(seconds);
                    self.age_max = Some(self.age_max.map_or(most, |it| it.min(most)));
                }
                Err(_) => self.read = false,
            },
            _ => return false,
        }
        true
    }
}

fn words(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter();
    // What is no text is a word that nobody knows.
    let texts = values.map(|it| it.to_str().unwrap_or("?"));
    let words = texts.flat_map(|it| it.split(',')).map(|it| it.trim().to_ascii_lowercase());
    words.filter(|it| !it.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_asks_is_heard_in_both_headers() {
        let check = |headers: &[(HeaderName, &str)], read: bool, keep: bool, age: Option<u64>| {
            let map = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            let expected = Wish { read, keep, age_max: age.map(Duration::from_secs) };
            assert_eq!(Wish::of(&map.collect()), expected, "{headers:?}");
        };
        let control = header::CACHE_CONTROL;
        check(&[], true, true, None);
        check(&[(control.clone(), "No-Store")], false, false, None);
        check(&[(control.clone(), "no-cache")], false, true, None);
        check(&[(control.clone(), "max-age=60, no-transform")], true, true, Some(60));
        check(&[(control.clone(), "max-age=\"60\",max-age=5")], true, true, Some(5));
        check(&[(control.clone(), "max-age=soon")], false, true, None);
        check(&[(CACHE, "bypass")], false, false, None);
        check(&[(CACHE, "refresh")], false, true, None);
        check(&[(CACHE, "max-age=7"), (control, "max-age=9")], true, true, Some(7));
        check(&[(CACHE, "on")], false, false, None);
    }
}
