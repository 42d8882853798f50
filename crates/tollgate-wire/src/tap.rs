//! Reads usage, model, stop reason and errors off an answer that passes by.
//!
//! The tap is handed each piece of the answer's body as it goes to the client; it never holds a
//! piece back and never changes one. Compressed bodies are inflated on the side.
//!
//! Most events of a stream hold nothing but a few more characters, and parsing them would cost more
//! than forwarding them. So once the first token and the model's name are known, an event is parsed
//! only if one of the few names that can matter stands in its bytes: for OpenAI chat `"usage"`,
//! `"finish_reason"` or `"error"` with a value other than `null`, `[DONE]`, or an `"index"` other than
//! 0, which may be that of a further choice. Inside a JSON string
//! such a name's quotes are escaped, so text about `"usage"` does not match; if something else does,
//! the parser decides. The one thing missed is a name spelled with `\u` escapes, which no provider
//! writes. Gemini repeats its usage in every event: there the newest one is kept and parsed at the
//! end. Tests hold this equal to parsing every event.

mod array;
mod body;
mod choices;
mod pipe;
mod seen;

use tollgate_core::{Format, Operation, ServiceTier, Usage};

use self::{body::Body, pipe::Pipe};
pub(crate) use self::{
    choices::{Choices, may_be_of_further},
    seen::Seen,
};

/// The longest answer body that is read when it does not stream; a longer one is forwarded but not
/// metered.
pub const TAP_BODY_BYTES_MAX: usize = 16 << 20;

/// The most that one compressed answer may inflate to before it is no longer metered: long streams
/// stay below, and a bomb stops here.
pub const INFLATED_BYTES_MAX: usize = 128 << 20;

/// The length that a provider's error text is cut to.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 1024;

/// What the tap must know of an answer: its call and its head.
#[derive(Clone, Copy, Debug)]
pub struct TapConfig<'a> {
    /// The format that the provider speaks.
    pub format: Format,
    /// What was asked for.
    pub operation: Operation,
    /// Whether by POST: other methods make nothing, but may show the usage of what was made.
    pub posted: bool,
    /// The answer's HTTP status.
    pub status: u16,
    /// Its `content-type` header.
    pub content_type: Option<&'a str>,
    /// Its `content-encoding` header.
    pub content_encoding: Option<&'a str>,
}

/// What a piece of the answer brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapEvent {
    /// The first generated token of a stream is in this piece.
    FirstToken,
}

/// How an answer's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As HTTP says it should.
    Complete,
    /// The connection broke, or the client left.
    Broken,
}

/// An error that the provider sent, as an answer or inside a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    /// Its text, at most [`ERROR_MESSAGE_BYTES_MAX`] bytes.
    pub message: String,
    /// Its type, status or code, in the provider's word.
    pub kind: Option<String>,
}

/// Why a part of the answer was not read, so that the usage may be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The body does not stream and is longer than [`TAP_BODY_BYTES_MAX`].
    BodyTooLong,
    /// An event is longer than [`EVENT_BYTES_MAX`](crate::sse::EVENT_BYTES_MAX).
    EventTooLong,
    /// The body inflates to more than [`INFLATED_BYTES_MAX`].
    InflatedTooLong,
    /// The content coding is not known here (gzip, deflate, br and zstd are), or is more than one.
    UnknownEncoding,
    /// The compressed data is damaged, or a binary stream's frames are.
    BrokenEncoding,
    /// The body or an event should be JSON, by its media type or its first byte, and is not.
    NotJson,
}

/// What the tap has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tokens, normalised; unknown where the provider did not say.
    pub usage: Usage,
    /// The tier that the provider says it served the call at.
    pub service_tier: Option<ServiceTier>,
    /// Whether the answer holds something that is billed by the piece or by time and that `usage`
    /// does not count: a search of files or of maps, code that was run, a picture that was made.
    pub other_fees: bool,
    /// The model that the provider names in its answer.
    pub model_served: Option<String>,
    /// Why the model stopped, in the format's own word; where it gave several answers, the first. For
    /// Responses the status, or the reason of an incomplete one.
    pub stop_reason: Option<String>,
    /// The provider's error, the last if there are several.
    pub error: Option<ProviderError>,
    /// Whether the answer came to the end that its format defines: a whole JSON body; `[DONE]` or the
    /// finish reasons of all choices that were seen; `message_stop`; `response.completed`,
    /// `.incomplete` or `.failed`; Gemini's finish reasons of all candidates that were seen, or a block
    /// reason; Bedrock's `messageStop`; or an error event. A stream that ends without has broken off.
    /// Bodies that are not read (lists, files, audio) count as ended when their transfer does.
    pub terminal_seen: bool,
    /// Whether nothing can be missing, however the connection ended: as `terminal_seen`, but of an
    /// OpenAI chat only `[DONE]` or an error counts, because usage and other choices come behind a
    /// finish reason, and of Bedrock the `metadata` that tells the usage.
    pub ended: bool,
    /// Whether a generated token was seen (streams only).
    pub first_token_seen: bool,
    /// Whether the bytes end inside a server-sent event; see
    /// [`stream_error_event`](crate::stream_error_event).
    pub inside_event: bool,
    /// The first part that could not be read.
    pub gap: Option<Gap>,
}

/// Reads one answer.
pub struct Tap {
    pipe: Pipe,
}

impl Tap {
    /// A tap for an answer whose head has arrived.
    #[must_use]
    pub fn new(config: TapConfig<'_>) -> Self {
        Self { pipe: Pipe::new(config.content_encoding, Body::new(config)) }
    }

    /// Takes the next piece of the body, in any size.
    pub fn push(&mut self, piece: &[u8]) -> Option<TapEvent> {
        let before = self.pipe.body().first_token_seen();
        self.pipe.push(piece);
        (!before && self.pipe.body().first_token_seen()).then_some(TapEvent::FirstToken)
    }

    /// Ends the body and tells what was read.
    #[must_use]
    pub fn finish(mut self, end: End) -> Report {
        self.pipe.finish(end);
        self.pipe.body_mut().finish(end)
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
