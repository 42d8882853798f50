//! How many calls a provider has at once, where that is limited: further ones wait in a queue that
//! is limited too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tollgate_core::call::ErrorCode;
use tollgate_wire::text;

use crate::{error::Refusal, limits::SLOT_QUEUE_MAX};

/// A provider's places for calls.
#[derive(Debug)]
pub(crate) struct Slots(Option<Counted>);

#[derive(Debug)]
struct Counted {
    most: usize,
    /// How long a call waits for one.
    wait: Duration,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A call's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// `None`: as many as come.
    pub(crate) fn new(most: Option<usize>, wait: Duration) -> Self {
        Self(most.map(|most| Counted {
            most,
            wait,
            free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
        }))
    }

    /// How many there are.
    pub(crate) fn most(&self) -> Option<usize> {
        self.0.as_ref().map(|it| it.most)
    }

    /// A place, at once or after those that wait already.
    ///
    /// # Errors
    /// The queue is full, or no place became free in time.
    pub(crate) async fn take(&self, provider: &str) -> Result<Slot, Refusal> {
        let Some(counted) = &self.0 else { return Ok(Slot { _permit: None }) };
        if let Ok(permit) = Arc::clone(&counted.free).try_acquire_owned() {
            return Ok(Slot { _permit: Some(permit) });
        }
        let busy = || {
            let message = text::provider_busy(provider, counted.most);
            Refusal::new(ErrorCode::Overloaded, message)
        };
        let _waiter = Waiter::join(&counted.waiting).ok_or_else(busy)?;
        match timeout(counted.wait, Arc::clone(&counted.free).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Slot { _permit: Some(permit) }),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }
}

/// A place in the queue.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn join(waiting: &'a AtomicUsize) -> Option<Self> {
        let joined = waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < SLOT_QUEUE_MAX).then_some(count + 1)
        });
        joined.ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn further_calls_wait_for_their_turn() {
        let slots = Slots::new(Some(1), Duration::from_mins(1));
        let first = slots.take("lab").await.unwrap();
        let (second, ()) = tokio::join!(slots.take("lab"), async { drop(first) });
        let second = second.unwrap();
        assert!(slots.0.as_ref().unwrap().free.try_acquire().is_err());
        drop(second);
        assert!(slots.take("lab").await.is_ok());
    }

    #[tokio::test]
    async fn a_call_that_waits_too_long_or_finds_a_full_queue_is_refused() {
        let slots = Slots::new(Some(1), Duration::ZERO);
        let _held = slots.take("lab").await.unwrap();
        let waiting = (0..=SLOT_QUEUE_MAX).map(|_| slots.take("lab"));
        let results = futures_util::future::join_all(waiting).await;
        assert!(
            results.iter().all(|it| it.as_ref().is_err_and(|it| it.code == ErrorCode::Overloaded))
        );
        let counted = slots.0.as_ref().unwrap();
        assert_eq!(counted.waiting.load(Ordering::Acquire), 0);
        let many = Slots::new(None, Duration::ZERO);
        assert!(many.take("lab").await.is_ok());
    }
}
