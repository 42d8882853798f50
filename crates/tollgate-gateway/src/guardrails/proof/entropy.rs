//! What is as random as a key, and what is not written to be filled in.
//!
//! found entropy: `9f8e7d6c5b4a39281706f5e4d3c2b1a0`
//! found entropy: `Tr0ub4dor-and-3xtra`
//! found entropy: `kJ8~Qw2rT5yU7iO0pA3s`
//! clean entropy: `YOUR_API_KEY_HERE_12345`
//! clean entropy: `settings.api_key_primary`
//! clean entropy: `/etc/app/v2/config1`
//! clean entropy: `123456789012345`
//! clean entropy: `xxxxxxxxxxxxxxxx1`
//! clean entropy: `https://auth.acme.io/v1`
//! clean entropy: `abcabcabcabc1`
//! found aws-secret: `wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMP1EKEY`
//! clean aws-secret: `9fceb02d0ae598e95dc970b74767f19372d61af8`
//! found not-a-blank: `hunter2`
//! clean not-a-blank: `password`
//! clean not-a-blank: `xxxx`
//! clean not-a-blank: `secret123example`

use super::all;

/// What stands where a key is to be put.
const BLANKS: [&str; 14] = [
    "example",
    "your",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "xxxx",
    "dummy",
    "sample",
    "redacted",
    "insert",
    "todo",
    "fake",
    "goes-in",
];

/// Passwords that are none.
const NO_PASSWORDS: [&str; 9] =
    ["password", "pass", "passwd", "secret", "token", "pwd", "test", "postgres", "root"];

/// The least bits of a character by Shannon, over the text itself: random hexadecimal digits have
/// about 3.6 in 32, words with digits about 3.
const BITS_MIN: f64 = 3.2;

pub(super) fn entropy(text: &str) -> Option<usize> {
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    let is_place = text.starts_with(['/', '.', '~', '<', '$']) || text.contains("://");
    all(text, mixed && !is_place && !is_blank(text) && !is_code(text) && bits(text) >= BITS_MIN)
}

/// A hash in hexadecimal digits is as long as a key of AWS, which has all letters.
pub(super) fn aws_secret(text: &str) -> Option<usize> {
    entropy(text).filter(|_| !text.bytes().all(|it| it.is_ascii_hexdigit()))
}

pub(super) fn not_a_blank(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    all(text, !is_blank(text) && !NO_PASSWORDS.contains(&lower.as_str()))
}

fn is_blank(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    BLANKS.iter().any(|it| lower.contains(it))
}

/// Names of things in a program: words that only dots part, such as `os.environ.key2`.
fn is_code(text: &str) -> bool {
    let mut words = text.split('.').peekable();
    let first = words.next().unwrap_or_default();
    let is_name = |it: &str| {
        let begins = it.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        begins && it.bytes().all(|it| it.is_ascii_lowercase() || it == b'_' || it.is_ascii_digit())
    };
    words.peek().is_some() && is_name(first) && words.all(is_name)
}

/// The bits of a character, if each is as likely as it is frequent.
fn bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let part = |count: u32| {
        let part = f64::from(count) / all;
        -part * part.log2()
    };
    counts.into_iter().filter(|it| *it > 0).map(part).sum()
}
