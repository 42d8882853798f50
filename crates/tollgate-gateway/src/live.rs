//! The calls that are not settled yet.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures_util::task::AtomicWaker;
use tollgate_core::CallId;

use crate::LiveCall;

/// A call under way, as [`Live`] and the call itself share it.
#[derive(Debug, Default)]
pub(crate) struct Handle {
    stopped: AtomicBool,
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
        self.stopped.load(Ordering::Acquire)
    }

    fn stop(&self) -> Option<Waker> {
        self.stopped.store(true, Ordering::Release);
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
            self.calls().values().filter_map(|entry| entry.handle.stop()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The map stays whole if a holder panics: each change is one call on it.
    fn calls(&self) -> MutexGuard<'_, BTreeMap<CallId, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
