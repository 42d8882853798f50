//! The rules by which the simulator counts and decides. They are simple on purpose: a test can
//! compute what to expect.
//!
//! | what | rule |
//! | --- | --- |
//! | tokens of a text | [`count_tokens`]: one per started four bytes of UTF-8 |
//! | prompt tokens | every text of the request (instructions, messages, tool calls and results), plus [`MESSAGE_TOKENS`] per message or input item, plus [`IMAGE_TOKENS`] per image, plus the compact JSON of each tool as a text |
//! | output tokens | the generated text, tool names and compact JSON arguments, each as a text, plus reasoning |
//! | reasoning, OpenAI | by effort: none and minimal 0, low 64, medium (and unsaid) 192, high 576; models without reasoning 0 |
//! | reasoning, Anthropic | the text of the thinking block, where thinking is on |
//! | reasoning, Gemini | 96, or the thinking budget if that is less |
//! | cached, OpenAI and Gemini | what stands before the last message, rounded down to [`CACHE_STEP_TOKENS`], if it is at least [`CACHE_TOKENS_MIN`]; it is a part of the prompt's tokens |
//! | cached, Bedrock | nothing |
//! | cached, Anthropic | each `cache_control` mark over at least [`CACHE_TOKENS_MIN`] tokens ends a prefix: the longest that this simulator has seen before is read, what later marks add is written; neither is a part of the input tokens |
//! | functions | if there are functions on offer and the last message brings no results, they are called: the first two, or one if parallel calls are off or one is forced; with arguments made from the schema |
//! | several answers (`n`, `candidateCount`) | each has the next sentences of the list, or begins with the next function; output and reasoning are those of all; a stream has a piece of each in turn |
//! | text | a few sentences chosen by the last message, or by the texts of all results that it brings; JSON made from the schema if one is given |
//! | log probabilities | of every piece in which the text streams, as if it were a token; by what it says |
//! | pictures | one of a single pixel, by the models that make pictures, where the request asks for it: [`PICTURE_TOKENS`] of the output |
//! | stop | at the first stop sequence found, else after four bytes per token of the limit on output |

/// Tokens per message on top of its text.
pub const MESSAGE_TOKENS: u64 = 3;

/// Tokens per image or file, whatever its size.
pub const IMAGE_TOKENS: u64 = 85;

/// Tokens of a picture that a model makes, whatever its size.
pub const PICTURE_TOKENS: u64 = 1290;

/// Implicit caches (OpenAI, Gemini) hold whole steps of this many tokens.
pub const CACHE_STEP_TOKENS: u64 = 128;

/// Implicit caches (OpenAI, Gemini) do not hold fewer tokens than this.
pub const CACHE_TOKENS_MIN: u64 = 1024;

/// Tokens of a text: one per started four bytes of UTF-8.
///
/// ```
/// use tollgate_simulator::count_tokens;
/// assert_eq!([count_tokens(""), count_tokens("abcd"), count_tokens("abcde")], [0, 1, 2]);
/// ```
#[must_use]
pub fn count_tokens(text: &str) -> u64 {
    u64::try_from(text.len().div_ceil(4)).unwrap_or(u64::MAX)
}

/// How many of `prefix` tokens an implicit cache holds.
#[must_use]
pub fn implicitly_cached(prefix: u64) -> u64 {
    if prefix < CACHE_TOKENS_MIN { 0 } else { prefix - prefix % CACHE_STEP_TOKENS }
}
