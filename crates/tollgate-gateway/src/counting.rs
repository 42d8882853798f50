//! Tokens counted with the model's own tokenizer, off the threads that serve calls and one call at a
//! time: after a call whose provider told none, from what was kept of its bodies (what does not get
//! its turn in time stays unknown), and for clients that ask how long their prompt is.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{
    sync::{Mutex, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use tollgate_core::{Format, Operation, Usage};
use tollgate_wire::{Report, coding::decode, tokens::Counter};

use crate::{
    limits::{BODY_KEEP_BYTES_MAX, COUNT_WAIT, COUNTING_BYTES_MAX},
    settle::{Closed, Delivery, Reading, is_billed},
    sink::KeptBodies,
};

/// The room is measured in pieces of this size, because a semaphore counts in 32 bits.
const PERMIT_BYTES: usize = 1 << 10;

/// Counts tokens, a call at a time.
pub(crate) struct Counting {
    turn: Arc<Mutex<()>>,
    /// For bodies that are being counted or wait for it.
    room: Arc<Semaphore>,
}

impl Default for Counting {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(COUNTING_BYTES_MAX / PERMIT_BYTES));
        Self { turn: Arc::default(), room }
    }
}

impl Counting {
    /// What a call used, as far as it can be counted; `None` where its provider told, or nothing of
    /// it can be. What was read of the answer must be a report.
    pub(crate) async fn counted(&self, closed: &Closed) -> Option<Usage> {
        let work = Work::of(closed)?;
        let counting = self.in_turn(work.bytes(), move || work.usage());
        let usage = timeout(COUNT_WAIT, counting).await.ok()??;
        (!usage.is_unknown()).then_some(usage)
    }

    /// Counts so many bytes when it is their turn; `None` when too many wait already.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        bytes: usize,
        count: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let weight = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).ok()?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(weight).ok()?;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // A count that nobody waits for any more keeps its room and its turn to its end.
        let counting = spawn_blocking(move || {
            let counted = count();
            drop((turn, room));
            counted
        });
        counting.await.ok()
    }
}

/// A call that is to be counted.
struct Work {
    counter: Counter,
    format: Format,
    request: Bytes,
    /// What of the answer is to be counted, where it can be.
    answer: Option<Answer>,
}

struct Answer {
    pieces: Vec<Bytes>,
    coding: Option<String>,
}

impl Work {
    fn of(closed: &Closed) -> Option<Self> {
        let Reading::Report(report) = &closed.reading else { return None };
        let live = &closed.live;
        let answered = matches!(closed.delivery, Delivery::Answered(it) if it.is_success());
        let generated = live.operation == Operation::Generate && answered;
        if !generated || !report.usage.is_unknown() {
            return None;
        }
        is_billed(live, &report.usage, closed.delivery).then_some(())?;
        let format = live.format?;
        let asked = closed.model_sent.as_deref().or(live.model_asked.as_deref());
        let counter = Counter::of_model(report.model_served.as_deref().or(asked)?)?;
        let bodies = closed.bodies.as_ref().filter(|it| !it.request_cut)?;
        let answer = Answer::of(bodies, report, live.streaming).filter(|_| !counter.thinks());
        Some(Self { counter, format, request: bodies.request.clone(), answer })
    }

    fn bytes(&self) -> usize {
        let pieces = self.answer.iter().flat_map(|it| &it.pieces);
        pieces.fold(self.request.len(), |sum, it| sum.saturating_add(it.len()))
    }

    fn usage(&self) -> Usage {
        // A rough count is good enough for a client that asks how long its prompt is, but not for
        // money.
        let prompt = self.counter.prompt(self.format, &self.request).ok();
        let input = prompt.filter(|it| !it.rough).map(|it| it.tokens);
        let output = self.answer.as_ref().and_then(|it| it.tokens(self.counter, self.format));
        Usage { input, output, ..Usage::default() }
    }
}

impl Answer {
    /// A stream generates as it is read, so that what came of it is what was made, about. An answer
    /// that does not stream has been made in full before its first byte.
    fn of(bodies: &KeptBodies, report: &Report, streaming: bool) -> Option<Self> {
        let seen = streaming || report.terminal_seen;
        let whole = seen && !bodies.response_cut && report.gap.is_none();
        whole.then(|| Self {
            pieces: bodies.response.clone(),
            coding: bodies.response_content_encoding.clone(),
        })
    }

    fn tokens(&self, counter: Counter, format: Format) -> Option<u64> {
        let most = BODY_KEEP_BYTES_MAX + 1;
        let body = decode(&self.pieces.concat(), self.coding.as_deref(), most)?;
        // What inflates to more was not read in full.
        (body.len() < most).then(|| counter.answer(format, &body).ok())?
    }
}
