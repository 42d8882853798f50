//! Every limit of guardrails, with its name and its reason.

/// The most guardrails: each is asked for every call that it is for.
pub const GUARDRAILS_MAX: usize = 64;

/// The longest name of one, in bytes: it stands in a header and in each hit.
pub const GUARDRAIL_NAME_BYTES_MAX: usize = 100;

/// The longest pattern of the user's own, in bytes.
pub const GUARDRAIL_PATTERN_BYTES_MAX: usize = 4_096;

/// The most memory that a compiled pattern may take; what takes more repeats too much.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 4 << 20;

/// The most words of one list.
pub const WORDS_MAX: usize = 1_000;

/// The longest word of a list, in bytes.
pub const WORD_BYTES_MAX: usize = 200;

/// How many bytes before what was found a word may stand that must be near.
pub const NEAR_BYTES: usize = 60;

/// The most different texts found in a call that are stored with it; how many more there were is stored
/// too. A conversation is sent whole with every turn.
pub const HITS_MAX: usize = 100;

/// How many bytes around what was found are stored, before it and again behind it.
pub const SNIPPET_BYTES: usize = 48;

/// Requests longer than this are looked through on a thread that may take its time, so that other calls
/// go on.
pub const INLINE_BYTES_MAX: usize = 64 << 10;

/// How many bytes of a streamed answer are held back by a guardrail that redacts or blocks answers: as
/// long as what begins like a secret must be to be known as one.
pub const HOLD_BACK_BYTES: usize = 128;

/// How many bytes without a space are held back at the end of what came, because they may be one long
/// key.
pub const HOLD_BACK_WORD_BYTES: usize = 512;

/// The most that is held back of something that was found and may go on; then it counts as it is. A
/// private key of 16,384 bits has 13 KB.
pub const HOLD_BACK_FOUND_BYTES: usize = 16 << 10;
