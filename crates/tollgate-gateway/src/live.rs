//! The calls that are not settled yet.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures_util::task::AtomicWaker;
use tollgate_core::CallId;

use crate::{LiveCall, blocks, error::Refusal};

/// Why a call has to end.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Stopping = 1,
    Cut = 2,
}

/// A call under way, as [`Live`] and the call itself share it.
#[derive(Debug, Default)]
pub(crate) struct Handle {
    /// The first [`Stop`] that came, or 0.
    stopped: AtomicU8,
    waker: AtomicWaker,
}

impl Handle {
    /// Whether the call has to end now; if not, `cx` is woken when it has to.
    pub(crate) fn poll_stopped(&self, cx: &Context<'_>) -> bool {
        if self.is_stopped() {
            return true;
        }
        self.waker.register(cx.waker());
        self.is_stopped()
    }

    /// Whether the call has to end now.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire) != 0
    }

    /// What a call that has to end answers with.
    pub(crate) fn refusal(&self) -> Refusal {
        if self.stopped.load(Ordering::Acquire) == Stop::Cut as u8 {
            blocks::cut()
        } else {
            Refusal::stopping()
        }
    }

    fn stop(&self, why: Stop) -> Option<Waker> {
        let first = (Ordering::AcqRel, Ordering::Acquire);
        let _ = self.stopped.compare_exchange(0, why as u8, first.0, first.1);
        self.waker.take()
    }
}

/// Runs `work` to its end; drops it and gives `None` when the call has to end first.
pub(crate) async fn unless_stopped<T>(handle: &Handle, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if handle.poll_stopped(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

struct Entry {
    call: Arc<LiveCall>,
    handle: Arc<Handle>,
}

/// The calls that are not settled yet.
#[derive(Default)]
pub(crate) struct Live {
    calls: Mutex<BTreeMap<CallId, Entry>>,
}

impl Live {
    /// Notes a call or what is newly known of it.
    pub(crate) fn note(&self, call: Arc<LiveCall>, handle: &Arc<Handle>) {
        let entry = Entry { handle: Arc::clone(handle), call };
        self.calls().insert(entry.call.id, entry);
    }

    /// Forgets a call that is settled.
    pub(crate) fn forget(&self, id: CallId) {
        self.calls().remove(&id);
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<LiveCall>> {
        self.calls().values().map(|it| Arc::clone(&it.call)).collect()
    }

    /// Tells all of them to end.
    pub(crate) fn stop_all(&self) {
        let wakers: Vec<Waker> =
            self.calls().values().filter_map(|entry| entry.handle.stop(Stop::Stopping)).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Tells those to end that are blocked, and says how many they are.
    pub(crate) fn cut(&self, is_blocked: impl Fn(&LiveCall) -> bool) -> usize {
        let calls = self.calls();
        let blocked: Vec<_> = calls.values().filter(|it| is_blocked(&it.call)).collect();
        let count = blocked.len();
        let wakers: Vec<Waker> =
            blocked.into_iter().filter_map(|it| it.handle.stop(Stop::Cut)).collect();
        drop(calls);
        wakers.into_iter().for_each(Waker::wake);
        count
    }

    /// The map stays whole if a holder panics: each change is one call on it.
    fn calls(&self) -> MutexGuard<'_, BTreeMap<CallId, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
