//! An answer on its way past the guardrails, in the client's format.
//!
//! First it is looked at, and what must not go on is replaced or ends it; what comes of that is what the
//! ledger keeps. Then what was redacted in the request is put back, for the client alone.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use tollgate_core::{
    call::ErrorCode,
    guardrail::{Exceptions, GuardSide, Speaker},
};
use tollgate_wire::{
    retext::{Edited, Editor, Piece, Retext, Stage, Stop},
    text,
};

use super::{
    Guardrail, Hits,
    hits::Again,
    limits::{HOLD_BACK_BYTES, HOLD_BACK_FOUND_BYTES, HOLD_BACK_WORD_BYTES, NEAR_BYTES},
    look::{Blocked, Finding, blocked, find, note, redacted},
    placeholders::PutBack,
    step::Guarding,
};
use crate::error::Refusal;

/// Where hits of answers stand.
const PLACE: &str = "answer";

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct AnswerGuard {
    look: Option<Retext<Looker>>,
    put_back: Option<Retext<PutBack>>,
    guarding: Arc<Guarding>,
}

impl AnswerGuard {
    /// For an answer of this media type.
    pub(crate) fn new(guarding: Arc<Guarding>, content_type: &str) -> Self {
        let guardrails: Vec<_> = guarding.of(GuardSide::Answer).map(Arc::clone).collect();
        let look = (!guardrails.is_empty()).then(|| {
            let exceptions = Arc::clone(&guarding.exceptions);
            let looker = Looker::new(guardrails, exceptions, guarding.hits.clone());
            Retext::new(looker, content_type)
        });
        let put_back = (!guarding.placeholders.is_empty())
            .then(|| Retext::new(PutBack(guarding.placeholders.clone()), content_type));
        Self { look, put_back, guarding }
    }

    /// Whether nothing can be said of the answer before all of it is there.
    pub(crate) fn is_whole(&self) -> bool {
        let look = self.look.as_ref().is_some_and(Retext::is_whole);
        look || self.put_back.as_ref().is_some_and(Retext::is_whole)
    }

    /// Takes the next bytes and gives those that may go to the client. `keep` gets what may be kept.
    pub(crate) fn push(&mut self, bytes: Bytes, keep: impl FnMut(&Bytes)) -> Bytes {
        let looked = match &mut self.look {
            Some(look) => look.push(&bytes),
            None => bytes,
        };
        self.put_back(looked, keep)
    }

    /// Gives what is left at the end of the answer.
    pub(crate) fn finish(&mut self, mut keep: impl FnMut(&Bytes)) -> Bytes {
        let looked = self.look.as_mut().map(Retext::finish).unwrap_or_default();
        let first = self.put_back(looked, &mut keep);
        let last = match &mut self.put_back {
            Some(put_back) if !self.look.as_ref().is_some_and(Retext::is_stopped) => {
                put_back.finish()
            }
            Some(_) | None => Bytes::new(),
        };
        let unread = self.look.as_ref().is_some_and(Retext::is_unread);
        if unread {
            self.guarding.note_unread(GuardSide::Answer, PLACE);
        }
        if last.is_empty() { first } else { [first, last].concat().into() }
    }

    /// Why nothing more of the answer may go on.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let stopped = self.look.as_ref().filter(|it| it.is_stopped());
        if let Some(look) = stopped {
            let message = match &look.editor().blocked {
                Some(Blocked { guardrail, what, place }) => {
                    text::blocked_by_guardrail(guardrail, what, place)
                }
                None => self.unreadable(),
            };
            return Some(Refusal::new(ErrorCode::BlockedByGuardrail, message));
        }
        let stopped = self.put_back.as_ref().is_some_and(Retext::is_stopped);
        stopped.then(|| Refusal::new(ErrorCode::BlockedByGuardrail, self.unreadable()))
    }

    fn unreadable(&self) -> String {
        let name = self.guarding.guardrails.first().map_or("", |it| it.name.as_str());
        text::unread_by_guardrail(name, "the answer is too long, or cannot be read")
    }

    fn put_back(&mut self, looked: Bytes, mut keep: impl FnMut(&Bytes)) -> Bytes {
        if !looked.is_empty() {
            keep(&looked);
        }
        match &mut self.put_back {
            Some(put_back) => put_back.push(&looked),
            None => looked,
        }
    }
}

impl Guarding {
    /// Whether the guardrails can do without an answer that cannot be read, because it is compressed
    /// although Tollgate asked for it not to be.
    pub(crate) fn unread_answer(&self) -> Result<(), Refusal> {
        let why = "the provider compressed its answer although Tollgate asked it not to";
        self.unread(GuardSide::Answer, PLACE, why)
    }
}

/// Looks at the texts of an answer.
#[derive(Debug)]
pub(super) struct Looker {
    guardrails: Vec<Arc<Guardrail>>,
    exceptions: Arc<Exceptions>,
    hits: Hits,
    /// Whether a text waits until it is known to be clean. Where nothing is redacted or blocked it goes
    /// on at once, and only what is to be said of it waits.
    holds: bool,
    /// The end of what was looked at already, by text: a word that must be near may stand there.
    before: BTreeMap<usize, String>,
    /// What went on already and is still to be looked at, by text.
    pending: BTreeMap<usize, String>,
    blocked: Option<Blocked>,
}

impl Editor for Looker {
    fn edit<'a>(&mut self, piece: &Piece<'a>) -> Result<Edited<'a>, Stop> {
        // Of a text that comes in pieces, formats repeat the whole of it behind them.
        let again = if piece.channel.is_some() { Again::Counts } else { Again::Repeats };
        if self.holds {
            let (text, taken) = self.looked(piece.channel, piece.text, piece.stage, again)?;
            return Ok(Edited { text, taken });
        }
        let all = Edited { text: Cow::Borrowed(piece.text), taken: piece.text.len() };
        let Some(channel) = piece.channel else {
            self.looked(None, piece.text, Stage::Ends, again)?;
            return Ok(all);
        };
        let mut pending = self.pending.remove(&channel).unwrap_or_default();
        pending.push_str(piece.text);
        let (_, taken) = self.looked(Some(channel), &pending, piece.stage, again)?;
        pending.drain(..taken.min(pending.len()));
        self.pending.insert(channel, pending);
        Ok(all)
    }

    fn end(&mut self) {
        for (channel, pending) in std::mem::take(&mut self.pending) {
            // What went on already cannot be stopped any more.
            let _ = self.looked(Some(channel), &pending, Stage::Ends, Again::Repeats);
        }
    }
}

impl Looker {
    pub(super) fn new(
        guardrails: Vec<Arc<Guardrail>>,
        exceptions: Arc<Exceptions>,
        hits: Hits,
    ) -> Self {
        Self {
            holds: guardrails.iter().any(|it| it.holds_up()),
            guardrails,
            exceptions,
            hits,
            before: BTreeMap::new(),
            pending: BTreeMap::new(),
            blocked: None,
        }
    }

    /// Looks at a part of a text: what goes on in its place, and how much of it that stands for.
    fn looked<'a>(
        &mut self,
        channel: Option<usize>,
        text: &'a str,
        stage: Stage,
        again: Again,
    ) -> Result<(Cow<'a, str>, usize), Stop> {
        let before = channel.and_then(|it| self.before.get(&it)).cloned().unwrap_or_default();
        let all = if before.is_empty() {
            Cow::Borrowed(text)
        } else {
            Cow::Owned([before.as_str(), text].concat())
        };
        let from = before.len();
        let guardrails = std::mem::take(&mut self.guardrails);
        let mut findings = find(&guardrails, &self.exceptions, &all, Speaker::Assistant);
        // What begins in what went on already was found with that.
        findings.retain(|it| it.range.start >= from);
        let until = match stage {
            Stage::Ends => all.len(),
            Stage::GoesOn => certain(&all, from, &findings),
        };
        findings.retain(|it| it.range.start < until);
        note(&findings, &all, GuardSide::Answer, PLACE, again, &self.hits);
        self.blocked = blocked(&findings, PLACE);
        let out = masked(&all, from, until, &findings);
        drop(findings);
        self.guardrails = guardrails;
        if self.blocked.is_some() {
            return Err(Stop);
        }
        if let Some(channel) = channel {
            let start = all.floor_char_boundary(until.saturating_sub(NEAR_BYTES));
            self.before.insert(channel, all.get(start..until).unwrap_or_default().to_owned());
        }
        let taken = until - from;
        let text = match out {
            Some(out) => Cow::Owned(out),
            None => Cow::Borrowed(text.get(..taken).unwrap_or_default()),
        };
        Ok((text, taken))
    }
}

/// Up to where a text that goes on can be told of for certain.
fn certain(text: &str, from: usize, findings: &[Finding<'_>]) -> usize {
    let mut until = text.len().saturating_sub(HOLD_BACK_BYTES);
    let word = text.rfind(char::is_whitespace).map_or(0, |it| it + 1);
    if text.len() - word <= HOLD_BACK_WORD_BYTES {
        until = until.min(word);
    }
    for it in findings {
        if it.range.end == text.len() && text.len() - it.range.start <= HOLD_BACK_FOUND_BYTES {
            until = until.min(it.range.start);
        }
    }
    // Nothing that was found is parted, also not by what was found beside it.
    while let Some(it) = findings.iter().find(|it| it.range.start < until && until < it.range.end) {
        until = it.range.start;
    }
    text.floor_char_boundary(until).max(from)
}

/// A part of a text with what must not go on masked; `None` where nothing is.
fn masked(text: &str, from: usize, until: usize, findings: &[Finding<'_>]) -> Option<String> {
    let parts = redacted(findings);
    if parts.is_empty() {
        return None;
    }
    let mut out = String::new();
    let mut done = from;
    for (range, finding) in parts {
        out.push_str(text.get(done..range.start).unwrap_or_default());
        out.push('[');
        out.push_str(&finding.rule.placeholder);
        out.push(']');
        done = range.end;
    }
    out.push_str(text.get(done..until).unwrap_or_default());
    Some(out)
}
