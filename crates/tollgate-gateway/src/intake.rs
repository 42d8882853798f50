//! The request's body: read whole, passed on as it comes, or thrown away.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Sleep, timeout},
};
use tollgate_core::call::ErrorCode;
use tollgate_wire::text;

use crate::{
    Limits,
    error::Refusal,
    limits::{DRAIN_BYTES_MAX, DRAIN_WAIT},
};

/// A request's body that may still have to be read.
pub(crate) struct Upload {
    body: Option<Incoming>,
    /// The client waits for a go-ahead, so nothing is on its way yet.
    waits: bool,
    bytes_max: usize,
    idle: Duration,
}

impl Upload {
    pub(crate) fn new(body: Incoming, headers: &HeaderMap, limits: &Limits) -> Self {
        Self {
            body: Some(body),
            waits: headers.contains_key(header::EXPECT),
            bytes_max: limits.body_bytes_max,
            idle: limits.upload_idle_timeout,
        }
    }

    /// The whole body, and the room that it takes.
    pub(crate) async fn whole(&mut self, room: &Room) -> Result<(Bytes, Held), Refusal> {
        let mut held = Held::default();
        let Some(body) = &mut self.body else { return Ok((Bytes::new(), held)) };
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > self.bytes_max {
            return Err(self.too_large());
        }
        let mut gathered = Gathered::Nothing;
        while let Some(piece) = next(body, self.idle).await? {
            if gathered.len().saturating_add(piece.len()) > self.bytes_max {
                return Err(self.too_large());
            }
            room.take(piece.len(), &mut held).await?;
            gathered = gathered.with(piece, announced);
        }
        self.body = None;
        Ok((gathered.into_bytes(), held))
    }

    /// The body as it comes, its bytes counted into `count`, and how its upload ends; `None` when
    /// there is none.
    pub(crate) fn passed_on(&mut self, count: &Arc<AtomicU64>) -> Option<(Counted, Uploaded)> {
        let body = self.body.take().filter(|it| !it.is_end_stream())?;
        let (failed, uploaded) = oneshot::channel();
        let count = Arc::clone(count);
        let silence = Silence { bound: self.idle, alarm: None };
        Some((Counted { body, count, silence, failed: Some(failed) }, uploaded))
    }

    /// Takes back a body that is not passed on after all.
    pub(crate) fn give_back(&mut self, counted: Counted) {
        self.body = Some(counted.body);
    }

    /// Reads what is still on its way, within limits, so that the client gets to read its answer.
    pub(crate) async fn drain(&mut self) {
        let Some(mut body) = self.body.take().filter(|_| !self.waits) else { return };
        let idle = self.idle;
        let read = async {
            let mut drained = 0_u64;
            while let Ok(Some(piece)) = next(&mut body, idle).await {
                drained = drained.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                if drained > DRAIN_BYTES_MAX {
                    return;
                }
            }
        };
        let _ = timeout(DRAIN_WAIT, read).await;
    }

    fn too_large(&self) -> Refusal {
        let bytes_max = u64::try_from(self.bytes_max).unwrap_or(u64::MAX);
        Refusal::new(ErrorCode::BodyTooLarge, text::body_too_large(bytes_max))
    }
}

/// The memory that whole requests may take together.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: Arc<Semaphore>,
    wait: Duration,
}

/// The part of it that one request takes, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

impl Room {
    pub(crate) fn new(limits: &Limits) -> Self {
        let bytes = limits.held_request_bytes_max.min(Semaphore::MAX_PERMITS);
        Self { bytes: Arc::new(Semaphore::new(bytes)), wait: limits.room_wait }
    }

    /// Takes room for further bytes of a request, as they come: what a client only announces takes
    /// none. Requests that wait for each other's room are refused in the end.
    async fn take(&self, bytes: usize, held: &mut Held) -> Result<(), Refusal> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = timeout(self.wait, Arc::clone(&self.bytes).acquire_many_owned(bytes)).await;
        let Ok(Ok(more)) = more else { return Err(Refusal::overloaded()) };
        match &mut held.0 {
            Some(held) => held.merge(more),
            None => held.0 = Some(more),
        }
        Ok(())
    }
}

/// The next piece of a body; trailers are passed over.
async fn next(body: &mut Incoming, idle: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = timeout(idle, body.frame()).await.map_err(|_| Refusal::slow_upload())?;
        match frame.transpose().map_err(|_| Refusal::broken_upload())?.map(Frame::into_data) {
            None => return Ok(None),
            Some(Ok(piece)) => return Ok(Some(piece)),
            Some(Err(_trailers)) => {}
        }
    }
}

/// Pieces put together; a body that comes in one piece is not copied.
enum Gathered {
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.remaining(),
            Self::Several(bytes) => bytes.remaining(),
        }
    }

    fn with(self, piece: Bytes, announced: usize) -> Self {
        match self {
            Self::Nothing => Self::One(piece),
            Self::One(first) => {
                let mut bytes = BytesMut::with_capacity(announced.max(first.len() + piece.len()));
                bytes.extend_from_slice(&first);
                bytes.extend_from_slice(&piece);
                Self::Several(bytes)
            }
            Self::Several(mut bytes) => {
                bytes.extend_from_slice(&piece);
                Self::Several(bytes)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
        }
    }
}

/// How the upload of a body that is passed on ends: with why it failed, or with the closing of the
/// channel when it is done or no longer wanted.
pub(crate) type Uploaded = oneshot::Receiver<Refusal>;

/// A body that is passed on as it comes, and counted.
#[derive(Debug)]
pub(crate) struct Counted {
    body: Incoming,
    count: Arc<AtomicU64>,
    silence: Silence,
    failed: Option<oneshot::Sender<Refusal>>,
}

/// Why a body that is passed on ended too early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the client's request broke off")]
    Broke(#[source] hyper::Error),
    #[error("the client sent nothing for too long")]
    Silent,
}

impl Counted {
    fn fail(&mut self, error: UploadError) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let refusal = match &error {
            UploadError::Broke(_) => Refusal::broken_upload(),
            UploadError::Silent => Refusal::slow_upload(),
        };
        if let Some(failed) = self.failed.take() {
            // Nobody listens once the answer has begun.
            let _ = failed.send(refusal);
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.silence.poll(cx));
            return self.fail(UploadError::Silent);
        };
        self.silence.alarm = None;
        match next {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                    self.count.fetch_add(bytes, Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => self.fail(UploadError::Broke(error)),
            None => {
                self.failed = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Rings when nothing has come for too long. The time in which nobody asked does not count: then it
/// is the provider that does not read.
#[derive(Debug)]
struct Silence {
    bound: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let bound = self.bound;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(bound)));
        alarm.as_mut().poll(cx)
    }
}
