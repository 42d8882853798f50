//! A call under way, from its head to its settlement.

mod guarded;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Context,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request};
use tokio::time::Instant;
use tollgate_core::{
    CallId, Caller, Format, LocalKey, Operation, Routing, UnixMs,
    call::Timing,
    routing::{Attempt, CacheTrace, Loss},
    rule::RuleTrace,
};
use tollgate_wire::{End, Report, RequestFacts, Tap, TapConfig, TapEvent};

use crate::{
    Connection, Gateway, GatewayEvent, LiveCall, TraceParent,
    budgets::Ticket,
    cache::{Ended, Entry},
    connection::Owner,
    destination::Destination,
    error::Refusal,
    guardrails::step::Guarding,
    limits::{MODEL_BYTES_MAX, cut},
    live::Handle,
    model::ServedModel,
    route::{Asked, Routes},
    settle::{Closed, Delivery, Ending, Reading},
    sink::KeptBodies,
    upstream::LinkInfo,
};

/// A call that is not settled yet. It is settled exactly once: by [`Self::close`], or, as left by
/// the client, when it is dropped.
pub(crate) struct OpenCall {
    gateway: Arc<Gateway>,
    connection: Arc<Connection>,
    routes: Arc<Routes>,
    handle: Arc<Handle>,
    started: Instant,
    live: LiveCall,
    timing: Timing,
    reading: Reading,
    bodies: Option<KeptBodies>,
    request_streamed: Arc<AtomicU64>,
    response_bytes: u64,
    retries: u32,
    delivery: Delivery,
    /// The model that the provider was asked for, where that is not the client's.
    model_sent: Option<Arc<str>>,
    /// The model that a rule asks for in place of the client's.
    model_ruled: Option<Arc<str>>,
    /// Headers that a rule gave the request: they go to any provider, in any format.
    headers_ruled: Vec<HeaderName>,
    routing: Option<Box<Routing>>,
    /// The local key that it is asked with.
    key: Option<Arc<LocalKey>>,
    /// What budgets hold for it.
    ticket: Option<Ticket>,
    /// Whether the cache answers it.
    cached: bool,
    /// The guardrails that are for it.
    guarding: Option<Arc<Guarding>>,
    closed: bool,
}

impl OpenCall {
    pub(crate) fn begin(
        gateway: &Arc<Gateway>,
        connection: &Arc<Connection>,
        request: &request::Parts,
    ) -> Self {
        let started_at_ms = gateway.config.clock.now();
        let started = Instant::now();
        let live = LiveCall {
            id: gateway.ids.next(started_at_ms),
            started_at_ms,
            started: started.into_std(),
            caller: connection.caller().cloned(),
            key: None,
            provider: None,
            simulated: false,
            format: None,
            operation: Operation::Other,
            method: request.method.clone(),
            path: request.uri.path().into(),
            model_asked: None,
            streaming: false,
            status: None,
            error_code: None,
            request_bytes: 0,
            headers_us: None,
            trace_parent: TraceParent::of(&request.headers),
            client_cookie: connection.cookie,
            upstream_cookie: None,
        };
        let handle = Arc::new(Handle::default());
        gateway.desk.opened();
        gateway.desk.live.note(Arc::new(live.clone()), &handle);
        Self {
            routes: gateway.routes.load_full(),
            gateway: Arc::clone(gateway),
            connection: Arc::clone(connection),
            handle,
            started,
            live,
            timing: Timing::default(),
            reading: Reading::Nothing,
            bodies: None,
            request_streamed: Arc::default(),
            response_bytes: 0,
            retries: 0,
            delivery: Delivery::NotSent,
            model_sent: None,
            model_ruled: None,
            headers_ruled: Vec::new(),
            routing: None,
            key: None,
            ticket: None,
            cached: false,
            guarding: None,
            closed: false,
        }
    }

    /// The snapshot that the call began with, and will end by.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes)
    }

    /// What tells the call to end because the gateway is stopping.
    pub(crate) fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle)
    }

    pub(crate) fn format(&self) -> Option<Format> {
        self.live.format
    }

    /// What is asked for.
    pub(crate) fn operation(&self) -> Operation {
        self.live.operation
    }

    pub(crate) fn method(&self) -> &Method {
        &self.live.method
    }

    /// What budgets hold for it.
    pub(crate) fn ticket(&mut self) -> &mut Option<Ticket> {
        &mut self.ticket
    }

    pub(crate) fn call_id(&self) -> CallId {
        self.live.id
    }

    pub(crate) fn id(&self) -> String {
        self.live.id.to_string()
    }

    pub(crate) fn provider(&self) -> Arc<str> {
        self.live.provider.as_ref().map_or_else(|| "".into(), Arc::clone)
    }

    /// The model that the client named.
    pub(crate) fn model(&self) -> Option<&str> {
        self.live.model_asked.as_deref()
    }

    /// Whether the provider answered that all is well.
    pub(crate) fn succeeds(&self) -> bool {
        matches!(self.delivery, Delivery::Answered(status) if status.is_success())
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn started_at_ms(&self) -> UnixMs {
        self.live.started_at_ms
    }

    /// In seconds since 1970.
    pub(crate) fn started_at_s(&self) -> u64 {
        u64::try_from(self.live.started_at_ms.0 / 1_000).unwrap_or_default()
    }

    /// Whether the call has to end because the gateway is stopping.
    pub(crate) fn poll_stopped(&self, cx: &Context<'_>) -> bool {
        self.handle.poll_stopped(cx)
    }

    /// Where the bytes of a request that is passed on as it comes are counted.
    pub(crate) fn request_counter(&self) -> &Arc<AtomicU64> {
        &self.request_streamed
    }

    /// Notes what the path says.
    pub(crate) fn asked(&mut self, asked: &Asked) {
        if let Some(route) = &asked.route {
            self.live.format = Some(route.format);
            self.live.operation = route.operation;
            self.live.model_asked =
                route.model_in_path.as_deref().map(|it| cut(it, MODEL_BYTES_MAX).into());
            self.live.streaming = route.streaming_in_path.unwrap_or(false);
        }
        if let Ok(home) = asked.home() {
            self.goes_to(&home.destination);
        }
    }

    fn goes_to(&mut self, destination: &Destination) {
        self.live.provider = Some(Arc::clone(&destination.id));
        self.live.simulated = destination.simulated;
    }

    /// Notes that a request of so many bytes has arrived, its body without its content coding, and
    /// what that says, as far as it could be read.
    pub(crate) fn received(&mut self, bytes: usize, body: &Bytes, facts: Option<&RequestFacts>) {
        self.timing.received_us = Some(self.now_us());
        self.live.request_bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if let Some(facts) = facts {
            if let Some(model) = &facts.model {
                self.live.model_asked = Some(cut(model, MODEL_BYTES_MAX).into());
            }
            self.live.streaming |= facts.stream;
        }
        self.keeps_request(body);
    }

    /// Keeps this as the request's body for the ledger, in place of any other.
    pub(crate) fn keeps_request(&mut self, body: &Bytes) {
        let keep = self.gateway.config.limits.body_keep_bytes_max;
        if keep > 0 {
            self.bodies = Some(KeptBodies {
                // A part that is kept would hold the whole of a long body in memory.
                request: match body.get(..keep) {
                    Some(beginning) if body.len() > keep => Bytes::copy_from_slice(beginning),
                    Some(_) | None => body.clone(),
                },
                request_cut: body.len() > keep,
                ..KeptBodies::default()
            });
        }
    }

    /// The program at the other end; waits for it at most `bound`.
    pub(crate) async fn caller_within(&self, bound: Duration) -> Option<Arc<Caller>> {
        self.connection.caller_within(bound).await
    }

    /// Who owns the other end, if that can be told; see [`Connection::owner`].
    pub(crate) async fn owner(&self) -> Owner {
        self.connection.owner().await
    }

    /// The same without waiting; `None` while it is not known.
    pub(crate) fn owner_now(&self) -> Option<Owner> {
        self.connection.owner_now()
    }

    /// Notes the local key that it is asked with.
    pub(crate) fn shows(&mut self, key: &Arc<LocalKey>) {
        self.live.key = Some(key.name.as_str().into());
        self.key = Some(Arc::clone(key));
    }

    /// The local key that it is asked with.
    pub(crate) fn key(&self) -> Option<&LocalKey> {
        self.key.as_deref()
    }

    /// Notes what the rules did.
    pub(crate) fn ruled(&mut self, traces: &[RuleTrace]) {
        if !traces.is_empty() {
            self.routing.get_or_insert_default().rules = traces.to_vec();
        }
    }

    /// Notes the headers that a rule gave the request.
    pub(crate) fn gains_headers(&mut self, names: Vec<HeaderName>) {
        self.headers_ruled = names;
    }

    /// The headers that a rule gave the request.
    pub(crate) fn headers_ruled(&self) -> &[HeaderName] {
        &self.headers_ruled
    }

    /// Notes that another model is asked for than the client's.
    pub(crate) fn asks_for(&mut self, model: &str) {
        self.model_ruled = Some(model.into());
    }

    /// Notes that the targets of a configured model are tried.
    pub(crate) fn routed_by(&mut self, model: &ServedModel) {
        let routing = self.routing.get_or_insert_default();
        routing.model = Some(model.name.as_ref().to_owned());
        routing.strategy = Some(model.strategy);
        self.live.provider = None;
        self.live.simulated = false;
    }

    /// Notes what came of a target.
    pub(crate) fn attempted(&mut self, attempt: Attempt) {
        self.routing.get_or_insert_default().attempts.push(attempt);
    }

    /// Notes what of the request the provider could not be told.
    pub(crate) fn lost(&mut self, losses: Vec<Loss>) {
        self.routing.get_or_insert_default().request_losses = losses;
    }

    /// Notes what of the answer the client could not be told.
    pub(crate) fn lost_in_answer(&mut self, losses: Vec<Loss>) {
        self.routing.get_or_insert_default().answer_losses = losses;
    }

    /// Notes what the cache did.
    pub(crate) fn cached(&mut self, trace: CacheTrace) {
        self.routing.get_or_insert_default().cache = Some(trace);
    }

    /// Notes that an answer of the cache's goes out: no provider sees the request.
    pub(crate) fn answered_by(&mut self, entry: &Entry) {
        self.cached = true;
        self.live.provider = Some(Arc::clone(&entry.provider));
        self.live.simulated = entry.simulated;
        self.live.streaming = entry.streaming;
        self.live.status = Some(StatusCode::OK.as_u16());
        self.timing.headers_us = Some(self.now_us());
        self.live.headers_us = self.timing.headers_us;
        self.live.caller = self.connection.caller().cloned();
        self.model_sent.clone_from(&entry.model_sent);
        self.reading = Reading::Report(Box::new(entry.report.clone()));
        if let Some(bodies) = &mut self.bodies {
            let coding = text_of(entry.headers.get(header::CONTENT_ENCODING));
            bodies.response_content_encoding = coding.map(str::to_owned);
        }
        let live = Arc::new(self.live.clone());
        self.gateway.desk.live.note(Arc::clone(&live), &self.handle);
        self.gateway.config.observer.event(GatewayEvent::CallStarted(live));
    }

    /// What the cache must know of an answer that has come to its end; `None` where nothing reads it.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        let report = self.read_to_end(End::Complete)?.clone();
        Some(Ended {
            of: self.live.id,
            format: self.live.format?,
            operation: self.live.operation,
            streaming: self.live.streaming,
            report,
            provider: self.provider(),
            simulated: self.live.simulated,
            model_asked: self.live.model_asked.clone(),
            model_sent: self.model_sent.clone(),
        })
    }

    /// Notes that the request is about to be sent, and with which model's name if not the client's.
    pub(crate) fn sending(&mut self, destination: &Destination, model: Option<&Arc<str>>) {
        self.goes_to(destination);
        self.model_sent = model.or(self.model_ruled.as_ref()).map(Arc::clone);
        let first = self.delivery == Delivery::NotSent && self.retries == 0;
        self.delivery = Delivery::Sent;
        if !first {
            self.update();
            return;
        }
        let live = Arc::new(self.live.clone());
        self.gateway.desk.live.note(Arc::clone(&live), &self.handle);
        self.gateway.config.observer.event(GatewayEvent::CallStarted(live));
    }

    /// Notes that the request is sent once more.
    pub(crate) fn retrying(&mut self) {
        self.retries += 1;
    }

    /// Notes that nothing of the request can have reached the provider.
    pub(crate) fn not_delivered(&mut self) {
        self.delivery = Delivery::NotSent;
    }

    /// Notes the head of the provider's answer.
    pub(crate) fn answered(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        link: Option<LinkInfo>,
        sent_at: Instant,
        spoken: Option<Format>,
    ) {
        self.delivery = Delivery::Answered(status);
        self.timing.headers_us = Some(self.now_us());
        if let Some(link) = link {
            let fresh = link.connected_at >= sent_at;
            let at = if fresh { link.connected_at } else { sent_at };
            self.timing.connected_us = Some(micros(at.duration_since(self.started)));
            self.timing.connect_took_us = fresh.then(|| micros(link.took));
            self.live.upstream_cookie = link.cookie;
        }
        let content_type = text_of(headers.get(header::CONTENT_TYPE));
        let content_encoding = text_of(headers.get(header::CONTENT_ENCODING));
        self.live.status = Some(status.as_u16());
        self.live.headers_us = self.timing.headers_us;
        // What is translated streams as the client asked for it.
        if spoken.is_none() {
            self.live.streaming = content_type.is_some_and(is_event_stream);
        }
        self.live.caller = self.connection.caller().cloned();
        if let Some(bodies) = &mut self.bodies {
            bodies.response_content_encoding =
                content_encoding.filter(|_| spoken.is_none()).map(str::to_owned);
        }
        if let Some(format) = spoken.or(self.live.format) {
            self.reading = Reading::Tap(Box::new(Tap::new(TapConfig {
                format,
                operation: self.live.operation,
                posted: self.live.method == Method::POST,
                status: status.as_u16(),
                content_type,
                content_encoding,
            })));
        }
        self.update();
    }

    fn update(&self) {
        let live = Arc::new(self.live.clone());
        self.gateway.desk.live.note(Arc::clone(&live), &self.handle);
        self.gateway.config.observer.event(GatewayEvent::CallUpdated(live));
    }

    /// The status of a translated answer, which the client gets in place of the provider's.
    pub(crate) fn told(&mut self, status: StatusCode) {
        self.live.status = Some(status.as_u16());
    }

    /// Whether the answer is an event stream.
    pub(crate) fn streams(&self) -> bool {
        self.live.streaming
    }

    /// Whether the answer is a stream whose format defines how it ends.
    pub(crate) fn must_be_terminated(&self) -> bool {
        let answers = self.live.status.is_some_and(|it| (200..300).contains(&it));
        self.live.streaming && answers && self.live.operation == Operation::Generate
    }

    /// Notes a piece of the answer as the provider sent it.
    pub(crate) fn piece(&mut self, piece: &Bytes) {
        if self.timing.first_byte_us.is_none() {
            self.timing.first_byte_us = Some(self.now_us());
        }
        if let Reading::Tap(tap) = &mut self.reading
            && let Some(TapEvent::FirstToken) = tap.push(piece)
        {
            self.timing.first_token_us = Some(self.now_us());
        }
    }

    /// Keeps a piece of the answer for the ledger.
    pub(crate) fn keep(&mut self, piece: &Bytes) {
        if let Some(bodies) = &mut self.bodies {
            bodies.keep(piece, self.gateway.config.limits.body_keep_bytes_max);
        }
    }

    /// Keeps an answer of the gateway's own in place of whatever a provider sent.
    pub(crate) fn keep_own(&mut self, body: &Bytes) {
        if let Some(bodies) = &mut self.bodies {
            bodies.response = vec![body.clone()];
            bodies.response_bytes = body.len();
            bodies.response_cut = false;
            bodies.response_content_encoding = None;
        }
    }

    /// Counts bytes of the answer's body as they go to the client.
    pub(crate) fn forwarded(&mut self, bytes: usize) {
        self.response_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Ends the reading of a stream's answer and says what was read; `None` when nothing reads it.
    pub(crate) fn read_to_end(&mut self, end: End) -> Option<&Report> {
        self.reading = match std::mem::replace(&mut self.reading, Reading::Nothing) {
            Reading::Tap(tap) => Reading::Report(Box::new(tap.finish(end))),
            read @ (Reading::Nothing | Reading::Report(_)) => read,
        };
        match &self.reading {
            Reading::Report(report) => Some(report),
            Reading::Nothing | Reading::Tap(_) => None,
        }
    }

    /// Settles the call as refused, or as left unanswered by the provider.
    pub(crate) fn refused(&mut self, refusal: &Refusal, status: StatusCode, body: &Bytes) {
        if refusal.client_left {
            self.close(Ending::Dropped);
            return;
        }
        self.live.status = Some(status.as_u16());
        self.forwarded(body.len());
        self.keep_own(body);
        self.close(Ending::Error(refusal.code, refusal.message.clone()));
    }

    /// Settles the call; later settlements do nothing.
    pub(crate) fn close(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.timing.finished_us = self.now_us();
        self.live.error_code = ending.code();
        let mut ticket = self.ticket.take();
        if let Some(ticket) = &mut ticket {
            ticket.end();
        }
        let streamed = self.request_streamed.load(Ordering::Relaxed);
        self.live.request_bytes = self.live.request_bytes.max(streamed);
        let closed = Closed {
            live: self.live.clone(),
            connection: Arc::clone(&self.connection),
            routes: Arc::clone(&self.routes),
            ending,
            reading: std::mem::replace(&mut self.reading, Reading::Nothing),
            timing: self.timing,
            bodies: self.bodies.take(),
            response_bytes: self.response_bytes,
            retries: self.retries,
            delivery: self.delivery,
            model_sent: self.model_sent.take(),
            routing: self.routing.take(),
            hits: self.guarding.as_ref().map(|it| it.hits.clone()),
            ticket,
            cached: self.cached,
        };
        self.gateway.settler.settle(closed);
    }

    /// Microseconds since the call's first byte.
    pub(crate) fn now_us(&self) -> u64 {
        micros(self.started.elapsed())
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.close(Ending::Dropped);
    }
}

impl KeptBodies {
    fn keep(&mut self, piece: &Bytes, bytes_max: usize) {
        let room = bytes_max.saturating_sub(self.response_bytes);
        self.response_cut |= piece.len() > room;
        if room > 0 {
            let part = piece.slice(..piece.len().min(room));
            self.response_bytes += part.len();
            self.response.push(part);
        }
    }
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn text_of(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|it| it.to_str().ok())
}

fn is_event_stream(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/event-stream")
}
