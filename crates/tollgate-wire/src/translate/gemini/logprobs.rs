//! How likely an answer's tokens were. Gemini tells those of all parts of an event together.

use serde::{Deserialize, Serialize};

use crate::{
    ir::{Score, ScoredToken},
    lenient::{Count, Decimal, Many, Text},
    loss::Losses,
    translate::logprobs::{UNSCORED, finite, scored},
};

/// What is told of the tokens of an event.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LogprobsResult<'a> {
    /// One for each step.
    #[serde(borrow)]
    chosen_candidates: Many<Candidate<'a>>,
    /// One for each step, where alternatives were asked for.
    #[serde(borrow)]
    top_candidates: Many<Top<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top<'a> {
    #[serde(borrow)]
    candidates: Many<Candidate<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    token_id: Count,
    log_probability: Decimal,
}

impl Candidate<'_> {
    fn score(&self) -> Option<Score> {
        // A token that is an empty text may be left out.
        let token = self.token.0.as_deref().unwrap_or_default().to_owned();
        Some(Score { token, bytes: None, logprob: self.log_probability.0? })
    }
}

impl LogprobsResult<'_> {
    /// The tokens; `at` is where they stand.
    pub(super) fn read(&self, at: &str, losses: &mut Losses) -> Vec<ScoredToken> {
        let (chosen, top) = (&self.chosen_candidates.0, &self.top_candidates.0);
        if chosen.iter().any(|it| it.token_id.0.is_some()) {
            losses.note(format!("{at}.tokenId"), "only Gemini numbers its tokens");
        }
        // Without one for each step it is not known whose alternatives they are.
        let paired = top.len() == chosen.len();
        if !paired && !top.is_empty() {
            losses.note(format!("{at}.topCandidates"), "are not one for each step");
        }
        let mut read = Vec::with_capacity(chosen.len());
        for (step, it) in chosen.iter().enumerate() {
            let Some(chosen) = it.score() else {
                losses.note(at, UNSCORED);
                continue;
            };
            let likeliest = top.get(step).filter(|_| paired);
            let likeliest = likeliest.into_iter().flat_map(|it| &it.candidates.0);
            let likeliest = scored(likeliest.map(Candidate::score), at, losses);
            read.push(ScoredToken { chosen, likeliest });
        }
        read
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogprobsOut<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_candidates: Vec<TopOut<'a>>,
    chosen_candidates: Vec<CandidateOut<'a>>,
}

#[derive(Serialize)]
struct TopOut<'a> {
    candidates: Vec<CandidateOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CandidateOut<'a> {
    token: &'a str,
    log_probability: f64,
}

impl<'a> LogprobsOut<'a> {
    /// The result for these tokens; `None` when there are none.
    pub(super) fn of(tokens: impl Iterator<Item = &'a ScoredToken> + Clone) -> Option<Self> {
        let candidate =
            |it: &'a Score| CandidateOut { token: &it.token, log_probability: finite(it.logprob) };
        let chosen_candidates: Vec<_> = tokens.clone().map(|it| candidate(&it.chosen)).collect();
        let top_candidates = if tokens.clone().all(|it| it.likeliest.is_empty()) {
            Vec::new()
        } else {
            let top = |it: &'a ScoredToken| it.likeliest.iter().map(candidate).collect();
            tokens.map(|it| TopOut { candidates: top(it) }).collect()
        };
        (!chosen_candidates.is_empty()).then_some(Self { top_candidates, chosen_candidates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (String, usize) {
        let result: LogprobsResult<'_> = serde_json::from_str(json).unwrap();
        let mut losses = Losses::default();
        let tokens = result.read("x", &mut losses);
        let told = serde_json::to_string(&LogprobsOut::of(tokens.iter())).unwrap();
        (told, losses.into_vec().len())
    }

    #[test]
    fn tokens_are_written_as_they_were_read() {
        let json = r#"{"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.1},{"token":"b","logProbability":-2.25}]}],"chosenCandidates":[{"token":"a","logProbability":-0.1}]}"#;
        assert_eq!(read(json), (json.to_owned(), 0));
        let alone = r#"{"chosenCandidates":[{"token":"a","logProbability":-0.1}]}"#;
        assert_eq!(read(alone), (alone.to_owned(), 0));
        let numbered = alone.replace(r#""a","#, r#""a","tokenId":7,"#);
        assert_eq!(read(&numbered), (alone.to_owned(), 1));
        assert_eq!(read("{}"), ("null".to_owned(), 0));
    }

    #[test]
    fn alternatives_of_nobody_knows_which_token_are_told_as_lost() {
        let json = r#"{"topCandidates":[{},{}],"chosenCandidates":[{"token":"a","logProbability":-1.5},{"token":"b"},{"logProbability":0}]}"#;
        let (told, lost) = read(json);
        assert_eq!(
            told,
            r#"{"chosenCandidates":[{"token":"a","logProbability":-1.5},{"token":"","logProbability":0.0}]}"#
        );
        assert_eq!(lost, 2);
    }
}
