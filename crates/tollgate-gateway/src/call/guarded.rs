//! What guardrails have to do with a call.

use std::sync::Arc;

use http::{HeaderMap, header};
use tollgate_core::Operation;

use super::{OpenCall, text_of};
use crate::{
    error::Refusal,
    guardrails::{answer::AnswerGuard, step::Guarding},
    rules::HeaderEdit,
};

impl OpenCall {
    /// Notes the guardrails that are for it, and what they came to.
    pub(crate) fn guarded_by(&mut self, guarding: Guarding) {
        self.guarding = Some(Arc::new(guarding));
    }

    /// What the client is told of what guardrails found.
    pub(crate) fn warnings(&self) -> Option<HeaderEdit> {
        self.guarding.as_ref()?.warnings()
    }

    /// Whether guardrails must read the answer.
    pub(crate) fn answer_is_read(&self) -> bool {
        let generates = self.live.operation == Operation::Generate;
        generates && self.guarding.as_ref().is_some_and(|it| it.reads_the_answer())
    }

    /// What the answer has to pass, by its headers in the client's format.
    pub(crate) fn answer_guard(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Box<AnswerGuard>>, Refusal> {
        let Some(guarding) = self.guarding.as_ref().filter(|_| self.answer_is_read()) else {
            return Ok(None);
        };
        let coding = text_of(headers.get(header::CONTENT_ENCODING));
        if coding.is_some_and(|it| !it.eq_ignore_ascii_case("identity")) {
            return guarding.unread_answer().map(|()| None);
        }
        let content_type = text_of(headers.get(header::CONTENT_TYPE)).unwrap_or_default();
        Ok(Some(Box::new(AnswerGuard::new(Arc::clone(guarding), content_type))))
    }
}
