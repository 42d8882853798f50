//! Local keys: what a client shows to the gateway in place of a provider's key, and what it may do
//! with it.
//!
//! A key is 32 random bytes, so a fast hash keeps it: nobody finds a key by trying, however fast that
//! goes. Only the hash of the whole text is ever stored, and it is by the hash that a key is looked up.
//! How long a lookup takes tells of hashes, which nobody can choose, and not of keys.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use crate::{Operation, Secret, UnixMs};

/// How every local key begins, and no provider's.
pub const KEY_PREFIX: &str = "tg-";

/// Random bytes in a key.
pub const KEY_BYTES: usize = 32;

/// The longest name of a key.
pub const KEY_NAME_BYTES_MAX: usize = 64;

/// The longest pattern or name in a scope.
pub const SCOPE_TEXT_BYTES_MAX: usize = 256;

/// The most entries of one list of a scope.
pub const SCOPE_ENTRIES_MAX: usize = 64;

/// How many characters of a key are kept to know it again by: the prefix and 36 of its 256 bits.
const SHOWN_CHARACTERS: usize = KEY_PREFIX.len() + 6;

/// A new key's text, from random bytes.
#[must_use]
pub fn key_secret(random: &[u8; KEY_BYTES]) -> Secret {
    Secret::new(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
}

/// The beginning of a key's text, for lists.
#[must_use]
pub fn key_beginning(secret: &Secret) -> String {
    secret.expose().chars().take(SHOWN_CHARACTERS).collect()
}

/// Whether a text may be a key's name: letters, digits, `-`, `_` and `.`, the first a letter or digit.
/// What begins like a key is no name, so that nobody stores a key as one by mistake.
#[must_use]
pub fn is_key_name(text: &str) -> bool {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
    text.len() <= KEY_NAME_BYTES_MAX
        && text.bytes().all(allowed)
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && !text.starts_with(KEY_PREFIX)
}

/// The SHA-256 of a key's whole text. As text it is base64 (URL-safe, without padding).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key's text.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        let bytes = bytes.try_into().map_err(|_| D::Error::custom("it is not 32 bytes long"))?;
        Ok(Self(bytes))
    }
}

/// A local key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalKey {
    /// Its name, which no other key has, had or will have: calls are counted by it.
    pub name: String,
    /// How its text begins.
    pub beginning: String,
    /// The hash of its text.
    pub hash: KeyHash,
    /// When it was made.
    pub created_at_ms: UnixMs,
    /// From when on it is no longer good; `None`: it does not expire.
    pub expires_at_ms: Option<UnixMs>,
    /// When it was revoked.
    pub revoked_at_ms: Option<UnixMs>,
    /// When it got its present text, if not at first.
    pub rotated_at_ms: Option<UnixMs>,
    /// The text that it had before, which is good a while longer.
    pub former: Option<FormerSecret>,
    /// What it may do.
    #[serde(default)]
    pub scope: KeyScope,
}

/// The text that a key had before it was rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerSecret {
    /// Its hash.
    pub hash: KeyHash,
    /// From when on it is no longer good.
    pub until_ms: UnixMs,
}

/// Why a key is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
    /// It was rotated, and its former text is no longer good.
    Rotated,
}

impl LocalKey {
    /// Whether the text with this hash, which is the key's or its former one, is good at `now`.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, hash: &KeyHash, now: UnixMs) -> Result<(), KeyFault> {
        if self.revoked_at_ms.is_some() {
            return Err(KeyFault::Revoked);
        }
        if self.expires_at_ms.is_some_and(|it| it <= now) {
            return Err(KeyFault::Expired);
        }
        let former = self.former.filter(|it| it.hash == *hash);
        if *hash != self.hash && former.is_none_or(|it| it.until_ms <= now) {
            return Err(KeyFault::Rotated);
        }
        Ok(())
    }
}

/// What a key may do. An empty list of `providers` or `operations` allows all of them. `models` and
/// `routes` together say what may be asked for: all, where both are empty, else what they name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyScope {
    /// Patterns of providers' models, in which `*` stands for any text.
    pub models: Vec<String>,
    /// Names of the user's own models.
    pub routes: Vec<String>,
    /// Ids of the providers that may serve.
    pub providers: Vec<String>,
    /// What may be asked.
    pub operations: Vec<Operation>,
}

impl KeyScope {
    /// Whether it is not said what may be asked for, so that anything may.
    #[must_use]
    pub fn allows_any_model(&self) -> bool {
        self.models.is_empty() && self.routes.is_empty()
    }

    /// Whether one of the user's own models may be asked for.
    #[must_use]
    pub fn allows_route(&self, name: &str) -> bool {
        self.allows_any_model() || self.routes.iter().any(|it| it == name)
    }

    /// Whether a provider's model may be asked for, by its name or as `<provider>/<model>`.
    #[must_use]
    pub fn allows_model(&self, name: &str) -> bool {
        self.allows_any_model() || self.models.iter().any(|it| is_match(it, name))
    }

    /// Whether a provider may serve.
    #[must_use]
    pub fn allows_provider(&self, id: &str) -> bool {
        self.providers.is_empty() || self.providers.iter().any(|it| it == id)
    }

    /// Whether this may be asked.
    #[must_use]
    pub fn allows_operation(&self, operation: Operation) -> bool {
        self.operations.is_empty() || self.operations.contains(&operation)
    }
}

/// Whether `pattern`, in which `*` stands for any text, stands for `name`. Letter case matters. The
/// time it takes is bounded by the product of the lengths.
fn is_match(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> LocalKey {
        LocalKey {
            name: "ci".to_owned(),
            beginning: "tg-AAAAAA".to_owned(),
            hash: KeyHash::of(b"now"),
            created_at_ms: UnixMs(0),
            expires_at_ms: None,
            revoked_at_ms: None,
            rotated_at_ms: None,
            former: None,
            scope: KeyScope::default(),
        }
    }

    #[test]
    fn a_key_is_long_begins_like_no_other_and_is_masked_wherever_it_stands() {
        let secret = key_secret(&[7; KEY_BYTES]);
        assert_eq!(secret.expose().len(), KEY_PREFIX.len() + 43);
        assert_eq!(key_beginning(&secret), "tg-BwcHBw");
        let line = format!("curl -d {} http://h", secret.expose());
        assert_eq!(crate::credential::masked_text(line), "curl -d *** http://h");
        let hash = KeyHash::of(secret.expose().as_bytes());
        let text = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<KeyHash>(&text).unwrap(), hash);
        assert!(!format!("{hash:?}").contains(text.trim_matches('"')));
        assert!(serde_json::from_str::<KeyHash>("\"AAAA\"").is_err());
    }

    #[test]
    fn a_key_is_no_name_of_a_key() {
        for name in ["ci", "nightly-2", "a.b_c", "7"] {
            assert!(is_key_name(name), "{name}");
        }
        let long = "x".repeat(KEY_NAME_BYTES_MAX + 1);
        for name in ["", "-ci", "two words", "tg-abc", "é", "a/b", "a\n", long.as_str()] {
            assert!(!is_key_name(name), "{name}");
        }
    }

    #[test]
    fn a_key_ends_when_it_is_revoked_at_its_time_or_when_it_was_replaced() {
        let (now, before) = (KeyHash::of(b"now"), KeyHash::of(b"before"));
        let check = |key: &LocalKey, hash: &KeyHash, at: i64, expected: Result<(), KeyFault>| {
            assert_eq!(key.check(hash, UnixMs(at)), expected, "{key:?} at {at}");
        };
        check(&key(), &now, i64::MAX, Ok(()));
        check(&key(), &before, 0, Err(KeyFault::Rotated));
        let short = LocalKey { expires_at_ms: Some(UnixMs(10)), ..key() };
        check(&short, &now, 9, Ok(()));
        check(&short, &now, 10, Err(KeyFault::Expired));
        let former = Some(FormerSecret { hash: before, until_ms: UnixMs(5) });
        let rotated = LocalKey { former, ..short };
        check(&rotated, &before, 4, Ok(()));
        check(&rotated, &before, 5, Err(KeyFault::Rotated));
        check(&rotated, &now, 5, Ok(()));
        let revoked = LocalKey { revoked_at_ms: Some(UnixMs(1)), former, ..key() };
        check(&revoked, &now, 0, Err(KeyFault::Revoked));
        check(&revoked, &before, 0, Err(KeyFault::Revoked));
    }

    #[test]
    fn models_and_routes_together_say_what_may_be_asked_for() {
        let list = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let check = |models: &[&str], routes: &[&str], model: bool, route: bool| {
            let (models, routes) = (list(models), list(routes));
            let scope = KeyScope { models, routes, ..KeyScope::default() };
            let found = (scope.allows_model("gpt-5-mini"), scope.allows_route("smart"));
            assert_eq!(found, (model, route), "{scope:?}");
        };
        check(&[], &[], true, true);
        check(&["gpt-5*"], &[], true, false);
        check(&[], &["smart"], false, true);
        check(&["claude-*"], &["fast"], false, false);
        check(&["*-mini"], &["smart"], true, true);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        };
        check("gpt-5", "gpt-5", true);
        check("gpt-5", "gpt-5-mini", false);
        check("gpt-5", "x-gpt-5", false);
        check("*", "", true);
        check("a*a", "a", false);
        check("a*b*b", "ab", false);
        check("a*b*b", "abb", true);
        check("openai/*", "openai/gpt-5", true);
        check("GPT*", "gpt-5", false);
        check("", "x", false);
    }

    /// The same by its definition: a star takes every length there is.
    fn matches_slowly(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|it| matches_slowly(rest, &name[it..])),
            Some((first, rest)) => name
                .split_first()
                .is_some_and(|(it, name)| it == first && matches_slowly(rest, name)),
        }
    }

    proptest! {
        #[test]
        fn patterns_match_what_their_definition_says(
            pattern in "[ab*]{0,8}", name in "[ab]{0,8}",
        ) {
            let expected = matches_slowly(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(is_match(&pattern, &name), expected);
        }

        /// A scope that names more never allows less of what it named before, and one that begins to
        /// name anything never allows more.
        #[test]
        fn naming_more_allows_no_less_and_naming_anything_allows_no_more(
            models in prop::collection::vec("[ab*]{1,4}", 0..3),
            routes in prop::collection::vec("[ab]{1,3}", 0..3),
            more in "[ab*]{1,4}",
            name in "[ab]{0,4}",
        ) {
            let scope = KeyScope { models, routes, ..KeyScope::default() };
            let mut wider = scope.clone();
            wider.models.push(more);
            if scope.allows_any_model() {
                prop_assert!(scope.allows_model(&name) && scope.allows_route(&name));
                prop_assert!(!wider.allows_route(&name));
            } else {
                prop_assert!(!scope.allows_model(&name) || wider.allows_model(&name));
                prop_assert_eq!(scope.allows_route(&name), wider.allows_route(&name));
                prop_assert_eq!(scope.allows_route(&name), scope.routes.contains(&name));
            }
        }
    }
}
