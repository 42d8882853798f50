//! How likely an answer's tokens were: OpenAI's two formats write a token alike, and all formats ask
//! for it within the same bounds.

use serde::{Deserialize, Serialize};

use crate::{
    ir::{Given, Score, ScoredToken},
    lenient::{Bytes, Decimal, Many, Text},
    loss::Losses,
};

/// The most alternatives to a token that OpenAI's two formats and Gemini tell.
const LIKELIEST_MAX: u64 = 20;

/// What OpenAI writes for a token that is all but impossible. JSON has no infinity.
const UNLIKELY: f64 = -9999.0;

/// What is said of log probabilities where the model said no text.
pub(super) const TEXTLESS: &str = "log probabilities of what is no text have no counterpart";

/// What is said of a token that was told without how likely it was.
pub(super) const UNSCORED: &str = "a token without its log probability was left out";

/// How many alternatives to ask for: what the client wants, as far as providers tell them.
pub(super) fn likeliest(asked: &Given<Option<u64>>, losses: &mut Losses) -> Option<u64> {
    let wanted = asked.value?;
    if wanted > LIKELIEST_MAX {
        let why = format!("was lowered to {LIKELIEST_MAX} alternatives, the most that are told");
        losses.note(&asked.at, why);
    }
    Some(wanted.min(LIKELIEST_MAX))
}

/// A log probability as it is written.
pub(super) const fn finite(logprob: f64) -> f64 {
    if logprob.is_finite() { logprob } else { UNLIKELY }
}

/// A token in OpenAI's formats.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Token<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    logprob: Decimal,
    bytes: Bytes,
    #[serde(borrow)]
    top_logprobs: Many<Top<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    logprob: Decimal,
    bytes: Bytes,
}

/// Reads tokens; `at` is where they stand.
pub(super) fn read(tokens: &Many<Token<'_>>, at: &str, losses: &mut Losses) -> Vec<ScoredToken> {
    let mut read = Vec::with_capacity(tokens.0.len());
    for it in &tokens.0 {
        let Some(chosen) = score(&it.token, it.logprob, &it.bytes) else {
            losses.note(at, UNSCORED);
            continue;
        };
        let likeliest = it.top_logprobs.0.iter();
        let likeliest = likeliest.map(|it| score(&it.token, it.logprob, &it.bytes));
        read.push(ScoredToken { chosen, likeliest: scored(likeliest, at, losses) });
    }
    read
}

/// Alternatives, as far as they were scored.
pub(super) fn scored(
    told: impl Iterator<Item = Option<Score>>,
    at: &str,
    losses: &mut Losses,
) -> Vec<Score> {
    let mut scores = Vec::new();
    for score in told {
        match score {
            Some(score) => scores.push(score),
            None => losses.note(at, UNSCORED),
        }
    }
    scores
}

fn score(token: &Text<'_>, logprob: Decimal, bytes: &Bytes) -> Option<Score> {
    let token = token.0.as_deref()?.to_owned();
    Some(Score { token, bytes: bytes.0.clone(), logprob: logprob.0? })
}

/// How a token's bytes are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BytesAs {
    /// Chat: a list, or `null` where they are not known.
    ListOrNull,
    /// A message of the Responses API: a list, empty where they are not known.
    List,
    /// The events of the Responses API: not at all.
    Nothing,
}

#[derive(Serialize)]
pub(super) struct TokenOut<'a> {
    #[serde(flatten)]
    chosen: ScoreOut<'a>,
    top_logprobs: Vec<ScoreOut<'a>>,
}

#[derive(Serialize)]
struct ScoreOut<'a> {
    token: &'a str,
    logprob: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Option<&'a [u8]>>,
}

/// Tokens as OpenAI writes them.
pub(super) fn write(tokens: &[ScoredToken], bytes: BytesAs) -> Vec<TokenOut<'_>> {
    tokens.iter().map(|it| TokenOut::of(it, bytes)).collect()
}

impl<'a> TokenOut<'a> {
    fn of(token: &'a ScoredToken, bytes: BytesAs) -> Self {
        let top = token.likeliest.iter().map(|it| ScoreOut::of(it, bytes));
        Self { chosen: ScoreOut::of(&token.chosen, bytes), top_logprobs: top.collect() }
    }
}

impl<'a> ScoreOut<'a> {
    fn of(score: &'a Score, bytes: BytesAs) -> Self {
        let known = score.bytes.as_deref();
        Self {
            token: &score.token,
            logprob: finite(score.logprob),
            bytes: match bytes {
                BytesAs::ListOrNull => Some(known),
                BytesAs::List => Some(Some(known.unwrap_or_default())),
                BytesAs::Nothing => None,
            },
        }
    }
}

/// The memory that tokens take, for what counts it.
pub(super) fn memory(tokens: &[ScoredToken]) -> usize {
    let score =
        |it: &Score| size_of::<Score>() + it.token.len() + it.bytes.as_ref().map_or(0, Vec::len);
    let token =
        |it: &ScoredToken| score(&it.chosen) + it.likeliest.iter().map(score).sum::<usize>();
    tokens.iter().map(token).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(json: &str, bytes: BytesAs) -> String {
        let tokens: Many<Token<'_>> = serde_json::from_str(json).unwrap();
        let mut losses = Losses::default();
        let read = read(&tokens, "x", &mut losses);
        assert!(losses.into_vec().is_empty(), "{json}");
        serde_json::to_string(&write(&read, bytes)).unwrap()
    }

    #[test]
    fn tokens_are_written_as_they_were_read() {
        let chat = r#"[{"token":" naïve","logprob":-0.10000000149011612,"bytes":[32,110,97,195,175,118,101],"top_logprobs":[{"token":"a","logprob":-2.5e-7,"bytes":null}]},{"token":"","logprob":0.0,"bytes":[],"top_logprobs":[]}]"#;
        assert_eq!(there_and_back(chat, BytesAs::ListOrNull), chat);
        let event =
            r#"[{"token":"a","logprob":-1.5,"top_logprobs":[{"token":"b","logprob":-2.0}]}]"#;
        assert_eq!(there_and_back(event, BytesAs::Nothing), event);
        let unknown = r#"[{"token":"a","logprob":-1.5,"bytes":[],"top_logprobs":[]}]"#;
        assert_eq!(
            there_and_back(event, BytesAs::List),
            unknown.replace(
                r#""top_logprobs":[]"#,
                r#""top_logprobs":[{"token":"b","logprob":-2.0,"bytes":[]}]"#
            )
        );
    }

    #[test]
    fn what_is_no_number_is_unknown_and_told() {
        let check = |json: &str, expected: Option<f64>| {
            let tokens: Many<Token<'_>> = serde_json::from_str(json).unwrap();
            let mut losses = Losses::default();
            let read = read(&tokens, "x", &mut losses);
            assert_eq!(read.first().map(|it| finite(it.chosen.logprob)), expected, "{json}");
            assert_eq!(losses.into_vec().is_empty(), expected.is_some(), "{json}");
        };
        check(r#"[{"token":"a","logprob":-1}]"#, Some(-1.0));
        check(r#"[{"token":"a","logprob":"-Infinity"}]"#, Some(UNLIKELY));
        check(r#"[{"token":"a","logprob":"-1"}]"#, None);
        check(r#"[{"token":"a","logprob":1e999}]"#, None);
        check(r#"[{"token":"a","logprob":null}]"#, None);
        check(r#"[{"token":"a"}]"#, None);
        check(r#"[{"logprob":-1}]"#, None);
    }

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
