//! How likely the tokens of an answer were. Each piece in which the text streams counts as one.

use serde_json::{Value, json};

use crate::{api::answer::fnv1a, api::errors::ApiError};

/// The most alternatives to a token, as the real APIs have it.
const LIKELIEST_MAX: u64 = 20;

/// A token and its log probability.
struct Score {
    token: String,
    logprob: f64,
}

/// A token that was chosen, and the likeliest in its place.
pub(crate) struct Token {
    chosen: Score,
    likeliest: Vec<Score>,
}

/// How many alternatives are asked for.
///
/// # Errors
/// More than the real APIs tell.
pub(crate) fn likeliest(asked: &Value, field: &'static str) -> Result<u64, ApiError> {
    let likeliest = asked.as_u64().unwrap_or(0);
    if likeliest > LIKELIEST_MAX {
        let text = format!("Invalid value for '{field}': must be at most {LIKELIEST_MAX}.");
        return Err(ApiError::bad_field(field, &text));
    }
    Ok(likeliest)
}

/// Scores pieces of a text: in sixteenths, by what a piece says, and each alternative a whole less
/// likely than the one before it. The chosen one is the likeliest.
pub(crate) fn tokens(pieces: &[&str], likeliest: u64) -> Vec<Token> {
    let token = |piece: &&str| {
        let sixteenths = u8::try_from(fnv1a(piece.as_bytes()) % 64).unwrap_or(0);
        let logprob = -f64::from(sixteenths) / 16.0;
        let other = |number: u8| Score {
            token: if number == 0 { (*piece).to_owned() } else { format!("{piece}{number}") },
            logprob: logprob - f64::from(number),
        };
        let count = u8::try_from(likeliest).unwrap_or(u8::MAX);
        Token { chosen: other(0), likeliest: (0..count).map(other).collect() }
    };
    pieces.iter().map(token).collect()
}

/// Whether OpenAI tells the bytes of tokens: not in the events of the Responses API.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    Told,
    Untold,
}

/// Tokens as OpenAI writes them.
pub(crate) fn openai(tokens: &[Token], bytes: Bytes) -> Value {
    let score = |it: &Score| {
        let mut score = json!({"token": it.token, "logprob": it.logprob});
        if bytes == Bytes::Told {
            score["bytes"] = json!(it.token.as_bytes());
        }
        score
    };
    let token = |it: &Token| {
        let mut token = score(&it.chosen);
        token["top_logprobs"] = it.likeliest.iter().map(score).collect();
        token
    };
    tokens.iter().map(token).collect()
}

/// Tokens as Gemini writes them, with a number for each.
pub(crate) fn gemini(tokens: &[Token]) -> Value {
    let score = |it: &Score| {
        let id = fnv1a(it.token.as_bytes()) % 256_000;
        json!({"token": it.token, "tokenId": id, "logProbability": it.logprob})
    };
    let chosen: Vec<_> = tokens.iter().map(|it| score(&it.chosen)).collect();
    let mut result = json!({"chosenCandidates": chosen});
    if tokens.iter().any(|it| !it.likeliest.is_empty()) {
        let top = |it: &Token| {
            let candidates: Vec<_> = it.likeliest.iter().map(score).collect();
            json!({ "candidates": candidates })
        };
        result["topCandidates"] = tokens.iter().map(top).collect();
    }
    result
}
