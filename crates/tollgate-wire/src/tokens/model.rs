//! Which models have a tokenizer that is public, after the table of OpenAI's own library (tiktoken
//! 0.12, `model.py`). Models that hear, draw, speak or search by themselves are left out: their
//! prompts hold more than the request says. So is gpt-oss: its vocabulary is the newer one's with
//! other marks around each message, for which no rule is published.

/// A vocabulary of OpenAI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// Of GPT-3.5 and GPT-4.
    Cl100k,
    /// Of GPT-4o and everything since.
    O200k,
}

const CL100K: [&str; 11] = [
    "gpt-3.5-turbo",
    "gpt-3.5-turbo-16k",
    "gpt-3.5-turbo-instruct",
    "gpt-35-turbo",
    "gpt-35-turbo-16k",
    "gpt-4",
    "gpt-4-32k",
    "gpt-4-turbo",
    "gpt-4-turbo-preview",
    "gpt-4-1106-preview",
    "gpt-4-0125-preview",
];

const O200K: [&str; 10] = [
    "gpt-4o",
    "gpt-4o-mini",
    "chatgpt-4o",
    "chatgpt-4o-latest",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-4.5-preview",
    "gpt-5-chat",
    "gpt-5-chat-latest",
];

/// They think, and tell only how much.
const O200K_THINKING: [&str; 13] = [
    "o1",
    "o1-mini",
    "o1-preview",
    "o1-pro",
    "o3",
    "o3-mini",
    "o3-pro",
    "o4-mini",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5-pro",
    "gpt-5-codex",
];

/// The vocabulary of a model, and whether it thinks.
pub(super) fn find(name: &str) -> Option<(Vocabulary, bool)> {
    let name = name.to_ascii_lowercase();
    // A router's name for it, and a model that was trained on.
    let name = name.strip_prefix("openai/").unwrap_or(&name);
    let name = match name.strip_prefix("ft:") {
        Some(tuned) => tuned.split(':').next().unwrap_or_default(),
        None => name,
    };
    let is = |known: &[&str]| known.contains(&name) || known.contains(&without_day(name));
    if is(&O200K) {
        Some((Vocabulary::O200k, false))
    } else if is(&O200K_THINKING) {
        Some((Vocabulary::O200k, true))
    } else if is(&CL100K) {
        Some((Vocabulary::Cl100k, false))
    } else {
        None
    }
}

/// The name without the day at its end: `-2024-08-06`, or `-0613` as it once was written.
fn without_day(name: &str) -> &str {
    let is_day = |tail: &str| {
        let parts: Vec<_> = tail.split('-').collect();
        let digits =
            |it: &&str, count: usize| it.len() == count && it.bytes().all(|it| it.is_ascii_digit());
        match &parts[..] {
            [day] => digits(day, 4),
            [year, month, day] => digits(year, 4) && digits(month, 2) && digits(day, 2),
            _ => false,
        }
    };
    let ends = [11, 5].into_iter().filter_map(|length| {
        let at = name.len().checked_sub(length)?;
        let tail = name.get(at..)?.strip_prefix('-')?;
        is_day(tail).then(|| name.get(..at))?
    });
    ends.into_iter().next().unwrap_or(name)
}
