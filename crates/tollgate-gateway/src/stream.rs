//! The answer's body on its way to the client: each piece as it comes, read from the side.

mod guarded;
mod record;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};
use tollgate_core::call::ErrorCode;
use tollgate_wire::{End, stream_error_event, text, translate::Finished};

use crate::{
    answer::{Answer, ListedBody, Patience, Shape},
    cache::{Hit, Recorder, Replay},
    call::OpenCall,
    error::Refusal,
    guardrails::answer::AnswerGuard,
    headers,
    limits::LIST_BYTES_MAX,
    settle::Ending,
    slots::Slot,
    token_count::TOKENS,
};

/// Why an answer broke off; the server then closes the connection, so that the client sees it.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection to the provider ended in the middle of the answer.
    #[error("the provider's answer broke off")]
    Broke(#[source] hyper::Error),
    /// The answer ended as HTTP says it should, but not as its format does.
    #[error("the provider's answer ended without its last event")]
    Unfinished,
    /// The provider fell silent for too long.
    #[error("the provider sent nothing for {} ms", .0.as_millis())]
    Silent(Duration),
    /// The call took longer than its model may take.
    #[error("the call took too long")]
    Late,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopped,
    /// A guardrail lets nothing more of it go on.
    #[error("a guardrail blocks the answer")]
    Blocked,
}

/// The body of every answer of the gateway. Dropping it before its end cancels the call upstream
/// and settles it as cancelled.
pub struct ResponseBody(Inner);

enum Inner {
    Whole(Full<Bytes>),
    Relay(Box<Relay>),
    Replay(Box<Replay>),
}

impl ResponseBody {
    /// A body that is at hand.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Inner::Whole(Full::new(bytes)))
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// Makes the answer for the client. Its head goes out together with the first piece of the body
/// where that is at hand or, in an answer that does not stream, where it must come next; an answer
/// that breaks before that is still refused properly.
pub(crate) async fn relay(
    call: OpenCall,
    answer: Answer,
) -> Result<Response<ResponseBody>, (OpenCall, Refusal)> {
    let answer = match answer {
        Answer::Relayed(relayed) => relayed,
        Answer::Own(body) => return Ok(own(call, body)),
        Answer::Cached(hit) => return Ok(replayed(call, hit)),
        Answer::Counted(body) => {
            let mut response = own(call, body);
            let estimated = HeaderValue::from_static("estimated");
            response.headers_mut().insert(TOKENS, estimated);
            return Ok(response);
        }
    };
    let (mut head, ()) = answer.head.into_parts();
    let guard = match call.answer_guard(&head.headers) {
        Ok(guard) => guard,
        Err(refusal) => return Err((call, refusal)),
    };
    if guard.is_some() {
        head.headers.remove(header::CONTENT_LENGTH);
    }
    let sized = head.headers.contains_key(header::CONTENT_LENGTH);
    let coded = head.headers.contains_key(header::CONTENT_ENCODING);
    let streams = call.streams();
    let recorder = answer.recorder.map(|mut it| {
        it.head(head.status, &head.headers);
        it
    });
    let mut relay = Box::new(Relay {
        call,
        upstream: answer.body,
        first: None,
        shape: answer.shape,
        guard,
        quiet: Quiet::new(answer.patience),
        may_append: streams && !sized && !coded,
        tail: None,
        failed: None,
        over: false,
        provider: answer.provider,
        recorder,
        _slot: answer.slot,
    });
    match &relay.shape {
        Shape::Translated(translator) if translator.head().is_none() => {
            return relay.translated().await;
        }
        Shape::Listed(_) => return relay.listed().await,
        Shape::AsIs | Shape::Hiding(_) | Shape::Translated(_) => {}
    }
    if relay.guard.as_ref().is_some_and(|it| it.is_whole()) {
        return relay.guarded(head).await;
    }
    if relay.upstream.is_end_stream() {
        relay.finish();
        return Ok(Response::from_parts(head, ResponseBody(Inner::Relay(relay))));
    }
    let first = if streams { relay.first_if_near().await } else { Some(relay.first().await) };
    if let Some(Some(Err(error))) = first {
        let refusal = relay.refusal(&error);
        return Err((relay.call, refusal));
    }
    relay.first = first;
    Ok(Response::from_parts(head, ResponseBody(Inner::Relay(relay))))
}

/// An answer of the gateway's own. Settles the call.
fn own(mut call: OpenCall, body: Bytes) -> Response<ResponseBody> {
    call.keep_own(&body);
    call.told(StatusCode::OK);
    call.forwarded(body.len());
    call.close(Ending::Complete);
    let mut response = Response::new(ResponseBody::whole(body));
    *response.headers_mut() = headers::of_translated("application/json", None);
    response
}

/// An answer of the cache's.
fn replayed(call: OpenCall, hit: Hit) -> Response<ResponseBody> {
    let replay = Box::new(Replay::new(call, hit));
    let headers = replay.entry().headers.clone();
    let mut response = Response::new(ResponseBody(Inner::Replay(replay)));
    *response.headers_mut() = headers;
    response
}

type Next = Option<Result<Frame<Bytes>, BodyError>>;

struct Relay {
    call: OpenCall,
    upstream: Incoming,
    /// What came before the head was sent on.
    first: Option<Next>,
    shape: Shape,
    /// What the answer has to pass once it is in the client's format.
    guard: Option<Box<AnswerGuard>>,
    quiet: Quiet,
    /// Whether an error event can be put behind what was sent.
    may_append: bool,
    /// What is still to be sent after the provider's last piece.
    tail: Option<Bytes>,
    /// What the client is to be told after that by breaking the connection.
    failed: Option<BodyError>,
    /// Whether the call is settled.
    over: bool,
    provider: Arc<str>,
    /// What keeps the answer for the cache.
    recorder: Option<Box<Recorder>>,
    /// Held until the answer is over.
    _slot: Slot,
}

impl Relay {
    async fn first(&mut self) -> Next {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The first piece, if it is there once the task that reads the connection has had its turn.
    async fn first_if_near(&mut self) -> Option<Next> {
        let mut asked = false;
        poll_fn(|cx| match self.poll_next(cx) {
            Poll::Ready(next) => Poll::Ready(Some(next)),
            Poll::Pending if asked => Poll::Ready(None),
            Poll::Pending => {
                asked = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await
    }

    /// What the provider sends next.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(first);
        }
        match Pin::new(&mut self.upstream).poll_frame(cx) {
            Poll::Ready(next) => {
                self.quiet.last = Instant::now();
                Poll::Ready(next.map(|it| it.map_err(BodyError::Broke)))
            }
            Poll::Pending if self.call.poll_stopped(cx) => {
                Poll::Ready(Some(Err(BodyError::Stopped)))
            }
            Poll::Pending => {
                let error = ready!(self.quiet.poll(cx));
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    /// What goes to the client next.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            if let Some(tail) = self.tail.take() {
                return Poll::Ready(Some(Ok(Frame::data(tail))));
            }
            if self.over {
                return Poll::Ready(self.failed.take().map(Err));
            }
            let piece = match ready!(self.poll_next(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => piece,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => match self.break_off(error) {
                    Some(error) => return Poll::Ready(Some(Err(error))),
                    None => continue,
                },
                None => match self.finish() {
                    Some(error) => return Poll::Ready(Some(Err(error))),
                    None => continue,
                },
            };
            let piece = self.shaped(piece);
            self.record(&piece);
            self.call.forwarded(piece.len());
            if let Some(refusal) = self.guard.as_ref().and_then(|it| it.refusal()) {
                self.failed = self.end_with(refusal);
            } else if self.upstream.is_end_stream() {
                self.failed = self.finish();
            }
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
    }

    /// What goes to the client of a piece.
    fn shaped(&mut self, piece: Bytes) -> Bytes {
        self.call.piece(&piece);
        let is_guarded = self.guard.is_some();
        let piece = match &mut self.shape {
            Shape::AsIs => piece,
            Shape::Hiding(veil) => {
                if !is_guarded {
                    self.call.keep(&piece);
                }
                let shown = veil.push(&piece);
                return self.past_guard(shown);
            }
            Shape::Translated(translator) => translator.push(&piece),
            Shape::Listed(listed) => {
                let room = LIST_BYTES_MAX.saturating_sub(listed.bytes.len());
                listed.bytes.extend_from_slice(piece.get(..room).unwrap_or(&piece));
                return Bytes::new();
            }
        };
        if !is_guarded {
            self.call.keep(&piece);
        }
        self.past_guard(piece)
    }

    /// Makes the last piece: what the shape still holds, and what it takes to end the answer in its
    /// format. Says whether the translation found the answer to be none, and told the client.
    fn send_last_of_shape(&mut self, end: End) -> bool {
        let (bytes, failed) = match std::mem::replace(&mut self.shape, Shape::AsIs) {
            Shape::AsIs | Shape::Listed(_) => (Bytes::new(), false),
            Shape::Hiding(veil) => (veil.finish(), false),
            Shape::Translated(translator) => {
                let Finished { bytes, losses, failed, .. } = translator.finish(end);
                if self.guard.is_none() {
                    self.call.keep(&bytes);
                }
                self.call.lost_in_answer(losses);
                (bytes, failed)
            }
        };
        let bytes = self.last_past_guard(bytes);
        self.send_last(bytes);
        failed
    }

    /// Ends an answer that has all that its format promises, to the tap at least, and settles the
    /// call. An error that the provider tells itself is told by the report.
    fn complete(&mut self, end: End) -> Option<BodyError> {
        let failed = self.send_last_of_shape(end);
        if end == End::Complete && !failed {
            self.end_record();
        }
        let unreadable = failed && self.call.read_to_end(end).is_none_or(|it| it.error.is_none());
        self.over = true;
        if let Some(refusal) = self.guard.as_ref().and_then(|it| it.refusal()) {
            return self.end_with(refusal);
        }
        let refusal = self.refusal(&BodyError::Unfinished);
        self.call.close(if unreadable {
            Ending::Error(refusal.code, refusal.message)
        } else {
            Ending::Complete
        });
        None
    }

    /// Takes the whole body in.
    async fn gather(&mut self) -> Result<(), Refusal> {
        while let Some(next) = self.first().await {
            match next {
                Ok(frame) => {
                    if let Ok(piece) = frame.into_data() {
                        self.shaped(piece);
                    }
                }
                Err(error) => return Err(self.refusal(&error)),
            }
        }
        Ok(())
    }

    /// A list of models with the user's own in it. Settles the call.
    async fn listed(mut self: Box<Self>) -> Result<Response<ResponseBody>, (OpenCall, Refusal)> {
        let gathered = self.gather().await;
        let body = match std::mem::replace(&mut self.shape, Shape::AsIs) {
            Shape::Listed(listed) if gathered.is_ok() => {
                let ListedBody { listing, bytes, coding } = *listed;
                listing.of_coded(&bytes, coding.as_deref(), LIST_BYTES_MAX)
            }
            Shape::Listed(listed) => listed.listing.body(None),
            Shape::AsIs | Shape::Hiding(_) | Shape::Translated(_) => {
                let refusal = self.refusal(&BodyError::Unfinished);
                return Err((self.call, refusal));
            }
        };
        Ok(own(self.call, body))
    }

    /// The whole answer, translated, whose head is known only at its end. Settles the call.
    async fn translated(
        mut self: Box<Self>,
    ) -> Result<Response<ResponseBody>, (OpenCall, Refusal)> {
        if let Err(refusal) = self.gather().await {
            return Err((self.call, refusal));
        }
        let Shape::Translated(translator) = std::mem::replace(&mut self.shape, Shape::AsIs) else {
            let refusal = self.refusal(&BodyError::Unfinished);
            return Err((self.call, refusal));
        };
        let Finished { bytes, head, retry_after_s, losses, .. } = translator.finish(End::Complete);
        let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let unreadable = status.is_server_error() && self.call.succeeds();
        self.call.lost_in_answer(losses);
        if self.guard.is_none() {
            self.call.keep(&bytes);
        }
        let bytes = self.last_past_guard(bytes);
        if let Some(refusal) = self.guard.as_ref().and_then(|it| it.refusal()) {
            return Err((self.call, refusal));
        }
        self.call.told(status);
        let headers = headers::of_translated(head.content_type, retry_after_s);
        if let Some(recorder) = &mut self.recorder {
            recorder.head(status, &headers);
            recorder.piece(&bytes);
            self.end_record();
        }
        self.call.forwarded(bytes.len());
        let refusal = self.refusal(&BodyError::Unfinished);
        self.call.close(if unreadable {
            Ending::Error(refusal.code, refusal.message)
        } else {
            Ending::Complete
        });
        let mut response = Response::new(ResponseBody::whole(bytes));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// The provider's body has ended as HTTP says it should. Settles the call.
    fn finish(&mut self) -> Option<BodyError> {
        if self.call.must_be_terminated() {
            let report = self.call.read_to_end(End::Complete);
            // Where a part could not be read the end may have been in it.
            if report.is_some_and(|it| !it.terminal_seen && (it.inside_event || it.gap.is_none())) {
                return self.break_off(BodyError::Unfinished);
            }
        }
        self.complete(End::Complete)
    }

    /// The answer ends too early. Settles the call; tells the client by the format's error event
    /// or, where that cannot be sent, by the error that is returned.
    fn break_off(&mut self, error: BodyError) -> Option<BodyError> {
        let report = self.call.read_to_end(End::Broken);
        let ended = report.is_some_and(|it| it.ended);
        let inside_event = report.is_some_and(|it| it.inside_event);
        self.over = true;
        // Those who wait for the answer need not wait any longer.
        self.recorder = None;
        if ended && self.may_append {
            // All that the format promises has arrived.
            return self.complete(End::Broken);
        }
        let refusal = self.refusal(&error);
        if matches!(self.shape, Shape::Translated(_)) {
            self.send_last_of_shape(End::Broken);
            self.call.close(Ending::Error(refusal.code, refusal.message));
            return None;
        }
        // Half an event cannot be taken back: a blank line behind it would hand clients broken
        // JSON, which the SDKs do not turn into errors of their own. The veil holds it back, and so
        // does a guard.
        let cut = inside_event && matches!(self.shape, Shape::AsIs) && self.guard.is_none();
        let format = self.call.format().filter(|_| self.may_append && !cut);
        if let Some(format) = format {
            let held = self.last_past_guard(Bytes::new());
            let event = stream_error_event(format, refusal.code, &refusal.message);
            self.send_last([held, event].concat().into());
        }
        self.call.close(Ending::Error(refusal.code, refusal.message));
        if format.is_some() { None } else { Some(error) }
    }

    fn send_last(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.record(&bytes);
            self.call.forwarded(bytes.len());
            self.tail = Some(match self.tail.take() {
                Some(tail) => [tail, bytes].concat().into(),
                None => bytes,
            });
        }
    }

    fn refusal(&self, error: &BodyError) -> Refusal {
        match error {
            BodyError::Broke(_) | BodyError::Unfinished => {
                Refusal::new(ErrorCode::ProviderBroke, text::provider_broke(&self.provider))
            }
            BodyError::Silent(after) => {
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                Refusal::new(ErrorCode::Timeout, text::timeout(&self.provider, after_ms))
            }
            BodyError::Late => {
                Refusal::late(self.call.model().unwrap_or_default(), self.call.started().elapsed())
            }
            BodyError::Stopped => self.call.handle().refusal(),
            BodyError::Blocked => {
                let refusal = self.guard.as_ref().and_then(|it| it.refusal());
                refusal.unwrap_or_else(Refusal::stopping)
            }
        }
    }
}

/// Notices when nothing comes for too long, or the whole takes too long. Its timer is set only when the answer pauses, and moved
/// only when it rings, not with every piece.
struct Quiet {
    patience: Patience,
    last: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Quiet {
    fn new(patience: Patience) -> Self {
        Self { patience, last: Instant::now(), alarm: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let Patience { idle, deadline } = self.patience;
        let silent = self.last + idle;
        let due = deadline.map_or(silent, |it| it.min(silent));
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        loop {
            ready!(alarm.as_mut().poll(cx));
            if Instant::now() >= due {
                let late = deadline.is_some_and(|it| it <= silent);
                return Poll::Ready(if late { BodyError::Late } else { BodyError::Silent(idle) });
            }
            alarm.as_mut().reset(due);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Inner::Relay(relay) => relay.poll_out(cx),
            Inner::Replay(replay) => replay
                .poll_piece(cx)
                .map(|next| next.map(|it| it.map(Frame::data).map_err(|_| BodyError::Stopped))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(body) => body.is_end_stream(),
            Inner::Relay(relay) => relay.over && relay.tail.is_none() && relay.failed.is_none(),
            Inner::Replay(replay) => replay.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(body) => body.size_hint(),
            // A stream has no length, whoever sends it.
            Inner::Replay(replay) if replay.entry().streaming => SizeHint::default(),
            Inner::Replay(replay) => {
                SizeHint::with_exact(u64::try_from(replay.bytes_left()).unwrap_or(u64::MAX))
            }
            Inner::Relay(relay)
                if relay.may_append
                    || relay.guard.is_some()
                    || !matches!(relay.shape, Shape::AsIs) =>
            {
                SizeHint::default()
            }
            Inner::Relay(relay) => relay.size_hint(),
        }
    }
}

impl Relay {
    /// What is left of the provider's body, with the piece that was taken out of it already.
    fn size_hint(&self) -> SizeHint {
        let rest = self.upstream.size_hint();
        let taken = match &self.first {
            Some(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            Some(Some(Err(_)) | None) | None => 0,
        };
        let taken = u64::try_from(taken).unwrap_or(u64::MAX);
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(taken));
        }
        hint.set_lower(rest.lower().saturating_add(taken));
        hint
    }
}
