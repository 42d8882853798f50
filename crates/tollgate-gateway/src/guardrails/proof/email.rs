//! E-mail addresses of people: not those of machines, and not what only looks like one.
//!
//! found email: `jane.doe@acme.io`
//! found email: `info@firma.de`
//! clean email: `git@github.com`
//! clean email: `logo@2x.png`
//! clean email: `noreply@anthropic.com`
//! clean email: `you@example.com`
//! clean email: `component@1.2.js`

use super::all;

/// Names that no person has.
const MACHINES: [&str; 8] = [
    "git",
    "noreply",
    "no-reply",
    "donotreply",
    "do-not-reply",
    "mailer-daemon",
    "postmaster",
    "npm",
];

/// Endings of files, which no country or organisation has as its own.
const FILES: [&str; 14] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "js", "ts", "css", "html", "json", "yml",
    "toml",
];

/// Names that are kept for examples (RFC 2606, RFC 6761).
const EXAMPLES: [&str; 8] = [
    "example.com",
    "example.org",
    "example.net",
    "example",
    "test",
    "invalid",
    "localhost",
    "local",
];

pub(super) fn email(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let (name, host) = lower.split_once('@')?;
    let ending = host.rsplit('.').next().unwrap_or_default();
    let of_example = EXAMPLES
        .iter()
        .any(|it| host == *it || host.strip_suffix(it).is_some_and(|before| before.ends_with('.')));
    all(text, !MACHINES.contains(&name) && !FILES.contains(&ending) && !of_example)
}
