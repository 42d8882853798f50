//! An answer's way past the guardrails.

use bytes::Bytes;
use http::{Response, response};
use tollgate_core::Format;
use tollgate_wire::stream_error_event;

use super::{BodyError, Relay, ResponseBody};
use crate::{call::OpenCall, error::Refusal, settle::Ending};

impl Relay {
    /// What goes to the client of what is in its format; a guard says itself what is kept of it.
    pub(super) fn past_guard(&mut self, piece: Bytes) -> Bytes {
        match &mut self.guard {
            Some(guard) => guard.push(piece, |it| self.call.keep(it)),
            None => piece,
        }
    }

    /// The last that goes to the client.
    pub(super) fn last_past_guard(&mut self, bytes: Bytes) -> Bytes {
        let Some(guard) = &mut self.guard else { return bytes };
        let first = guard.push(bytes, |it| self.call.keep(it));
        let last = guard.finish(|it| self.call.keep(it));
        if last.is_empty() { first } else { [first, last].concat().into() }
    }

    /// The whole answer, past the guardrails: only then it is known whether there is one. Settles the
    /// call.
    pub(super) async fn guarded(
        mut self: Box<Self>,
        head: response::Parts,
    ) -> Result<Response<ResponseBody>, (OpenCall, Refusal)> {
        if let Err(refusal) = self.gather().await {
            return Err((self.call, refusal));
        }
        let bytes = self.last_past_guard(Bytes::new());
        if let Some(refusal) = self.guard.as_ref().and_then(|it| it.refusal()) {
            return Err((self.call, refusal));
        }
        self.call.forwarded(bytes.len());
        self.call.close(Ending::Complete);
        Ok(Response::from_parts(head, ResponseBody::whole(bytes)))
    }

    /// Ends an answer that has begun with an error of the gateway's own. Settles the call; tells the
    /// client by the format's error event or, where that cannot be sent, by the error that is returned.
    pub(super) fn end_with(&mut self, refusal: Refusal) -> Option<BodyError> {
        self.over = true;
        // Of Amazon's frames, too, the guard lets only whole ones through.
        let can_follow = |it: &Format| self.may_append || *it == Format::BedrockConverse;
        let format = self.call.format().filter(can_follow);
        if let Some(format) = format {
            self.send_last(stream_error_event(format, refusal.code, &refusal.message));
        }
        self.call.close(Ending::Error(refusal.code, refusal.message));
        if format.is_some() { None } else { Some(BodyError::Blocked) }
    }
}
