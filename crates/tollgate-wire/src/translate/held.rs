//! Answers that never stream: held until their end, then translated at once.

use tollgate_core::Format;

use super::{
    answers::{Finished, Head},
    failure, json_into,
};
use crate::{ir::Failure, tap::End};

/// An answer on its way.
pub(super) struct Held {
    /// `None` once it is too long.
    body: Option<Vec<u8>>,
    bytes_max: usize,
    status: u16,
    retry_after_s: Option<u64>,
}

impl Held {
    pub(super) const fn new(bytes_max: usize, status: u16, retry_after_s: Option<u64>) -> Self {
        Self { body: Some(Vec::new()), bytes_max, status, retry_after_s }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        if let Some(held) = &mut self.body {
            if held.len().saturating_add(piece.len()) > self.bytes_max {
                self.body = None;
            } else {
                held.extend_from_slice(piece);
            }
        }
    }

    /// Ends the answer for a client of `format`: `translated` makes the client's body of a success's.
    pub(super) fn finish(
        self,
        end: End,
        format: Format,
        translated: impl FnOnce(&[u8]) -> Result<Vec<u8>, Failure>,
    ) -> Finished {
        let Self { body, status, retry_after_s, .. } = self;
        let told = match &body {
            Some(body) if status >= 400 => Err(failure::of_body(status, body, retry_after_s)),
            None => Err(failure::broken("the provider's answer is too long")),
            Some(_) if end == End::Broken => Err(failure::cut_off()),
            Some(body) => translated(body),
        };
        let (bytes, status, retry_after_s) = match told {
            Ok(bytes) => (bytes, 200, retry_after_s),
            Err(failure) => {
                let status = match status {
                    400.. => status,
                    _ => failure::status_of(failure.kind),
                };
                let status = failure::status_for(format, status);
                let mut out = Vec::new();
                json_into(&failure::body_of(format, &failure, status), &mut out);
                (out, status, retry_after_s.or(failure.retry_after_s))
            }
        };
        Finished {
            bytes: bytes.into(),
            head: Head { status, content_type: "application/json" },
            failed: status >= 400,
            retry_after_s,
            losses: Vec::new(),
        }
    }
}
