//! The request's body: read whole, passed on as it comes, or thrown away.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tollgate_core::call::ErrorCode;
use tollgate_wire::text;

use crate::{Limits, error::Refusal};

/// The most that is read of a body only to throw it away. A client that is still sending when its
/// connection is closed never sees the answer.
const DRAIN_BYTES_MAX: u64 = 256 * 1024 * 1024;

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

    /// The whole body.
    pub(crate) async fn whole(&mut self) -> Result<Bytes, Refusal> {
        let Some(body) = &mut self.body else { return Ok(Bytes::new()) };
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > self.bytes_max {
            return Err(self.too_large());
        }
        let mut gathered = Gathered::Nothing;
        while let Some(piece) = next(body, self.idle).await? {
            if gathered.len().saturating_add(piece.len()) > self.bytes_max {
                return Err(self.too_large());
            }
            gathered = gathered.with(piece, announced);
        }
        self.body = None;
        Ok(gathered.into_bytes())
    }

    /// The body as it comes, its bytes counted into `count`; `None` when there is none.
    pub(crate) fn passed_on(&mut self, count: &Arc<AtomicU64>) -> Option<Counted> {
        let count = Arc::clone(count);
        let body = self.body.take().filter(|it| !it.is_end_stream());
        body.map(|body| Counted { body, count })
    }

    /// Reads what is still on its way, within limits, so that the client gets to read its answer.
    pub(crate) async fn drain(&mut self) {
        let Some(mut body) = self.body.take().filter(|_| !self.waits) else { return };
        let mut drained = 0_u64;
        while let Ok(Some(piece)) = next(&mut body, self.idle).await {
            drained = drained.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if drained > DRAIN_BYTES_MAX {
                return;
            }
        }
    }

    fn too_large(&self) -> Refusal {
        let bytes_max = u64::try_from(self.bytes_max).unwrap_or(u64::MAX);
        Refusal::new(ErrorCode::BodyTooLarge, text::body_too_large(bytes_max))
    }
}

/// The next piece of a body; trailers are passed over.
async fn next(body: &mut Incoming, idle: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = tokio::time::timeout(idle, body.frame());
        let frame = frame.await.map_err(|_| Refusal::slow_upload())?;
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

/// A body that is passed on as it comes, and counted.
#[derive(Debug)]
pub(crate) struct Counted {
    body: Incoming,
    count: Arc<AtomicU64>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(piece) = frame.data_ref()
        {
            let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            self.count.fetch_add(bytes, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
