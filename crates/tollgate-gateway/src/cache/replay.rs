//! An answer of the cache's on its way to the client.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use tollgate_wire::text;

use super::{Entry, Hit, Mark, Pace};
use crate::{call::OpenCall, error::Refusal, settle::Ending};

/// The body of a cached answer: the bytes that the client of then got.
pub(crate) struct Replay {
    call: OpenCall,
    entry: Arc<Entry>,
    pace: Pace,
    began: Instant,
    /// How many of its pieces and bytes are sent.
    pieces: usize,
    sent: usize,
    alarm: Option<Pin<Box<Sleep>>>,
    over: bool,
}

/// Why a replay broke off: the gateway is stopping.
pub(crate) struct Stopped;

impl Replay {
    pub(crate) fn new(mut call: OpenCall, hit: Hit) -> Self {
        let Hit { entry, pace, .. } = hit;
        call.answered_by(&entry);
        let (began, over) = (Instant::now(), entry.body.is_empty());
        if over {
            call.close(Ending::Complete);
        }
        Self { call, entry, pace, began, pieces: 0, sent: 0, alarm: None, over }
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.over
    }

    /// What is left of it.
    pub(crate) fn bytes_left(&self) -> usize {
        self.entry.body.len() - self.sent
    }

    /// The next piece.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Stopped>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.call.poll_stopped(cx) {
            self.over = true;
            let stopping = Refusal::stopping();
            self.call.close(Ending::Error(stopping.code, text::stopping()));
            return Poll::Ready(Some(Err(Stopped)));
        }
        let whole = self.entry.body.len();
        let end = match self.next_mark() {
            Some(mark) => {
                ready!(self.poll_due(mark, cx));
                self.pieces += 1;
                mark.end
            }
            None => whole,
        };
        let piece = self.entry.body.slice(self.sent..end);
        self.sent = end;
        self.call.piece(&piece);
        self.call.keep(&piece);
        self.call.forwarded(piece.len());
        if self.sent == whole {
            // The client may close once it has the last piece, and nobody asks for more.
            self.over = true;
            self.call.close(Ending::Complete);
        }
        Poll::Ready(Some(Ok(piece)))
    }

    fn next_mark(&self) -> Option<Mark> {
        match self.pace {
            Pace::AtOnce => None,
            Pace::AsRecorded => self.entry.marks.get(self.pieces).copied(),
        }
    }

    fn poll_due(&mut self, mark: Mark, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.began + Duration::from_micros(mark.at_us);
        if self.alarm.is_none() && Instant::now() >= due {
            return Poll::Ready(());
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        ready!(alarm.as_mut().poll(cx));
        self.alarm = None;
        Poll::Ready(())
    }
}
