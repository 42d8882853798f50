//! What guardrails find in calls, as it is stored with the call, and what the user said was found wrongly.

use std::{collections::HashSet, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

/// Bytes of the random text that [`Fingerprint`]s are made with.
pub const SALT_BYTES: usize = 32;

/// Who says a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// The system or developer prompt.
    System,
    /// The program or person that asks; also of what has no speaker.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
    /// What the request offers to the model: tools and their descriptions.
    Offer,
}

impl Speaker {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::System, Self::User, Self::Assistant, Self::Tool, Self::Offer];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Offer => "offer",
        }
    }
}

/// What a guardrail does with what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardAction {
    /// It is stored with the call.
    Log,
    /// The client and the user are told too.
    Warn,
    /// The provider gets a placeholder in its place, or the client where the provider said it.
    Redact,
    /// The call is refused, or its answer ended.
    Block,
}

impl GuardAction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Log, Self::Warn, Self::Redact, Self::Block];

    /// Its name in the configuration and the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Warn => "warn",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }
}

/// Which part of a call something was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardSide {
    /// The request.
    Request,
    /// The answer.
    Answer,
}

impl GuardSide {
    /// Its name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// Something that a guardrail found in a call. Never what was found itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The guardrail's name.
    pub guardrail: String,
    /// The rule of its pack, or what else found it.
    pub rule: String,
    /// What the guardrail did.
    pub action: GuardAction,
    /// In which part of the call.
    pub side: GuardSide,
    /// Where in that: the outermost member of the request and, in a list, its element
    /// (`messages[3]`); `answer`.
    pub place: String,
    /// How often the same text was found.
    pub times: u32,
    /// What stands around it, with everything that was found in it masked; `None` where there is no text
    /// to show, or what was said is not kept.
    pub snippet: Option<String>,
    /// By which it can be said that it was found wrongly; `None` where no text was found.
    pub fingerprint: Option<Fingerprint>,
}

/// What stands for a text that a rule found: a keyed hash, from which nobody without the key finds the
/// text by trying. As text it is base64 (URL-safe, without padding).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of a text that `rule` found, made with the random bytes of this gateway.
    #[must_use]
    pub fn of(salt: &[u8; SALT_BYTES], rule: &str, text: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(salt);
        hash.update(rule.as_bytes());
        hash.update([0]);
        hash.update(text.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Self(short)
    }

    /// Reads its text; `None` where that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("it is no fingerprint"))
    }
}

/// The texts that were found wrongly, by their fingerprints.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Exceptions {
    salt: [u8; SALT_BYTES],
    allowed: HashSet<Fingerprint>,
}

impl Exceptions {
    /// Those that `allowed` stand for, whose fingerprints were made with these random bytes.
    #[must_use]
    pub fn new(salt: [u8; SALT_BYTES], allowed: impl IntoIterator<Item = Fingerprint>) -> Self {
        Self { salt, allowed: allowed.into_iter().collect() }
    }

    /// The fingerprint of a text that a rule found; `None` where the user said that it was wrong.
    #[must_use]
    pub fn fingerprint(&self, rule: &str, text: &str) -> Option<Fingerprint> {
        let fingerprint = Fingerprint::of(&self.salt, rule, text);
        (!self.allowed.contains(&fingerprint)).then_some(fingerprint)
    }
}

impl fmt::Debug for Exceptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exceptions").field("allowed", &self.allowed.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_one_text_one_rule_and_one_gateway() {
        let of = Fingerprint::of(&[1; 32], "email", "a@b.example");
        assert_eq!(Fingerprint::parse(&of.to_string()), Some(of));
        assert_eq!(serde_json::from_value::<Fingerprint>(serde_json::json!(of)).unwrap(), of);
        for other in [
            Fingerprint::of(&[2; 32], "email", "a@b.example"),
            Fingerprint::of(&[1; 32], "phone", "a@b.example"),
            Fingerprint::of(&[1; 32], "email", "b@b.example"),
        ] {
            assert_ne!(of, other);
        }
        assert_eq!(Fingerprint::parse("AAAA"), None);
        assert_eq!(Fingerprint::parse("a@b.example"), None);
        assert!(!format!("{of:?}").contains(&of.to_string()));
    }

    #[test]
    fn what_was_found_wrongly_is_found_no_more_and_everything_else_is() {
        let wrong = Fingerprint::of(&[7; 32], "email", "git@github.com");
        let exceptions = Exceptions::new([7; 32], [wrong]);
        assert_eq!(exceptions.fingerprint("email", "git@github.com"), None);
        assert!(exceptions.fingerprint("email", "me@github.com").is_some());
        assert!(exceptions.fingerprint("phone", "git@github.com").is_some());
    }
}
