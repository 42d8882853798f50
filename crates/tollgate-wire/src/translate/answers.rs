//! Answers on their way back: whole bodies, streams and errors, in any combination of what the
//! provider sent and what the client asked for.

mod collect;
mod generated;
mod incoming;
mod outgoing;
mod room;

use bytes::Bytes;

use self::generated::Generated;
#[cfg(test)]
pub(super) use self::outgoing::Writing;
use super::{AnswerPlan, GeneratePlan, Plan, count::Counted, embedding::Embedded};
use crate::{
    loss::Loss,
    tap::{End, TAP_BODY_BYTES_MAX},
};

/// The longest answer that is translated whole, in the provider's bytes or put together from its
/// stream: as much as the tap reads. A longer one is an error to the client.
pub const ANSWER_BYTES_MAX: usize = TAP_BODY_BYTES_MAX;

/// The longest answer of vectors: two thousand texts, the most that OpenAI takes at once, each with
/// three thousand numbers of twenty digits.
pub const VECTORS_BYTES_MAX: usize = 128 << 20;

/// What must be known of an answer to translate it.
#[derive(Clone, Copy, Debug)]
pub struct AnswerConfig<'a> {
    /// From the request.
    pub plan: &'a AnswerPlan,
    /// The provider's HTTP status.
    pub status: u16,
    /// The provider's `content-type`.
    pub content_type: Option<&'a str>,
    /// The provider's `retry-after`, in seconds.
    pub retry_after_s: Option<u64>,
    /// The answer's id where the provider gives none; unlike that of any other answer, since ids of
    /// tool calls are made of it. ASCII letters, digits, `-` and `_`.
    pub fallback_id: &'a str,
    /// When the answer was made, in seconds since 1970.
    pub created_s: u64,
}

/// The head of the client's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The `content-type`.
    pub content_type: &'static str,
}

/// The end of a translated answer.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The last bytes; all of them, unless the answer streams.
    pub bytes: Bytes,
    /// The head, for answers whose [`head`](AnswerTranslator::head) had to wait. A provider's
    /// success that could not be read is a 502.
    pub head: Head,
    /// Whether the client is told an error instead of a whole answer: by the status, or by the event
    /// that ends a stream.
    pub failed: bool,
    /// The `retry-after` header to send, in seconds: the provider's own, or what its body says.
    pub retry_after_s: Option<u64>,
    /// What of the answer's content could not be carried over; paths are those of the provider's
    /// body. Its book-keeping (fingerprints, tiers, timings) is no content.
    pub losses: Vec<Loss>,
}

/// Translates one answer, piece by piece. The pieces are the provider's body with any content coding
/// undone; the bytes that come out are the client's body, the same wherever the pieces are cut.
///
/// Holds one event of a stream at a time, and nothing that grows with it, unless the client asked
/// for a whole answer, or speaks the Responses format, whose last event repeats the answer: then up
/// to [`ANSWER_BYTES_MAX`]. Vectors are held whole, up to [`VECTORS_BYTES_MAX`].
pub struct AnswerTranslator(Task);

enum Task {
    Generate(Box<Generated>),
    Embed(Box<Embedded>),
    Count(Box<Counted>),
}

impl AnswerTranslator {
    /// A translator for an answer whose head has arrived.
    #[must_use]
    pub fn new(config: &AnswerConfig<'_>) -> Self {
        let AnswerConfig { status, content_type, retry_after_s, fallback_id, created_s, .. } =
            *config;
        Self(match &config.plan.0 {
            Plan::Generate(plan) => Task::Generate(Box::new(Generated::new(&GenerateConfig {
                plan,
                status,
                content_type,
                retry_after_s,
                fallback_id,
                created_s,
            }))),
            Plan::Embed(plan) => {
                Task::Embed(Box::new(Embedded::new(plan.clone(), status, retry_after_s)))
            }
            Plan::Count(plan) => Task::Count(Box::new(Counted::new(*plan, status, retry_after_s))),
        })
    }

    /// The head to send before the first byte; `None` when it is known only at the end, and until
    /// then [`push`](Self::push) gives no bytes.
    #[must_use]
    pub const fn head(&self) -> Option<Head> {
        match &self.0 {
            Task::Generate(answer) => answer.head(),
            Task::Embed(_) | Task::Count(_) => None,
        }
    }

    /// Takes the next piece, in any size, and gives the client's bytes for it.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> Bytes {
        match &mut self.0 {
            Task::Generate(answer) => answer.push(piece),
            Task::Embed(answer) => {
                answer.held.push(piece);
                Bytes::new()
            }
            Task::Count(answer) => {
                answer.held.push(piece);
                Bytes::new()
            }
        }
    }

    /// Ends the answer. A stream that did not come to its own end, by whatever fault, ends with the
    /// error event of the client's format.
    #[must_use]
    pub fn finish(self, end: End) -> Finished {
        match self.0 {
            Task::Generate(answer) => answer.finish(end),
            Task::Embed(answer) => answer.finish(end),
            Task::Count(answer) => answer.finish(end),
        }
    }
}

impl std::fmt::Debug for AnswerTranslator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerTranslator").finish_non_exhaustive()
    }
}

/// What must be known of a model's answer to translate it: an [`AnswerConfig`] with its plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct GenerateConfig<'a> {
    pub(super) plan: &'a GeneratePlan,
    pub(super) status: u16,
    pub(super) content_type: Option<&'a str>,
    pub(super) retry_after_s: Option<u64>,
    pub(super) fallback_id: &'a str,
    pub(super) created_s: u64,
}
