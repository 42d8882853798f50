//! Settlement: what a call came to, worked out off the call's own path.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::join};
use http::{Method, StatusCode};
use tokio::{
    runtime,
    sync::{Notify, mpsc},
};
use tollgate_core::{
    Call, Caller, Format, Operation, PicoUsd, Routing, Usage,
    call::{CostUnknown, ErrorCode, Outcome, Timing},
    cost,
};
use tollgate_wire::{End, Report, Tap, coding::decode, response_id};

use crate::{
    Connection, GatewayEvent, LiveCall, Observer, Sink,
    budgets::{Accounts, Ticket},
    counting::Counting,
    guardrails::Hits,
    limits::{BODY_BYTES_MAX, ERROR_MESSAGE_BYTES_MAX, MODEL_BYTES_MAX, SETTLE_QUEUE_MAX, cut},
    live::Live,
    route::Routes,
    sink::{KeptBodies, Settled},
};

/// How a call came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The answer went out in full.
    Complete,
    /// The gateway answered, or broke the answer off, with an error of its own.
    Error(ErrorCode, String),
    /// The client left, or had all that it wanted.
    Dropped,
}

impl Ending {
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Error(code, _) => Some(*code),
            Self::Complete | Self::Dropped => None,
        }
    }
}

/// How far the answer has been read.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Nothing reads it.
    Nothing,
    /// It is being read.
    Tap(Box<Tap>),
    /// It has been read.
    Report(Box<Report>),
}

/// A call that is over, with all that its settlement needs.
pub(crate) struct Closed {
    pub(crate) live: LiveCall,
    pub(crate) connection: Arc<Connection>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) ending: Ending,
    pub(crate) reading: Reading,
    pub(crate) timing: Timing,
    pub(crate) bodies: Option<KeptBodies>,
    pub(crate) response_bytes: u64,
    pub(crate) retries: u32,
    pub(crate) delivery: Delivery,
    /// The model that the provider was asked for, where that is not the client's.
    pub(crate) model_sent: Option<Arc<str>>,
    pub(crate) routing: Option<Box<Routing>>,
    /// What guardrails found.
    pub(crate) hits: Option<Hits>,
    /// What budgets hold for it.
    pub(crate) ticket: Option<Ticket>,
    /// Whether the cache answered it; what was read is then the answer of the call that it was made for.
    pub(crate) cached: bool,
}

impl Closed {
    /// Ends the reading of the answer.
    fn read_to_end(&mut self) {
        self.reading = match std::mem::replace(&mut self.reading, Reading::Nothing) {
            Reading::Tap(tap) => Reading::Report(Box::new(tap.finish(match self.ending {
                Ending::Complete => End::Complete,
                Ending::Error(..) | Ending::Dropped => End::Broken,
            }))),
            read @ (Reading::Nothing | Reading::Report(_)) => read,
        };
    }
}

/// How far the call came on the provider's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The provider cannot have seen the request.
    NotSent,
    /// It may have seen it.
    Sent,
    /// It answered with this status.
    Answered(StatusCode),
}

/// Whom settled calls go to.
pub(crate) struct Desk {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) ledger: Option<Arc<dyn Sink>>,
    pub(crate) live: Live,
    pub(crate) caller_wait: Duration,
    pub(crate) counting: Counting,
    pub(crate) accounts: Arc<Accounts>,
    open: AtomicUsize,
    emptied: Notify,
}

impl Desk {
    pub(crate) fn new(
        observer: Arc<dyn Observer>,
        ledger: Option<Arc<dyn Sink>>,
        accounts: Arc<Accounts>,
        caller_wait: Duration,
    ) -> Self {
        Self {
            observer,
            ledger,
            live: Live::default(),
            caller_wait,
            counting: Counting::default(),
            accounts,
            open: AtomicUsize::new(0),
            emptied: Notify::new(),
        }
    }

    /// Counts a call that will be settled.
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits until every call that was opened is settled.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }

    async fn settle(&self, mut closed: Closed) {
        closed.read_to_end();
        let (caller, counted) =
            join(closed.connection.caller_within(self.caller_wait), self.counting.counted(&closed))
                .await;
        let (ticket, routes) = (closed.ticket.take(), Arc::clone(&closed.routes));
        let settled = worked_out(closed, caller.as_deref(), counted);
        let call = Arc::clone(&settled.call);
        if let Some(ledger) = &self.ledger {
            ledger.record(settled).await;
        }
        // Behind the ledger: a budget that is new then finds the call in one of the two.
        for news in self.accounts.settle(ticket, &call, &routes.prices) {
            self.observer.event(GatewayEvent::BudgetNews(Arc::new(news)));
        }
        self.live.forget(call.id);
        self.observer.event(GatewayEvent::CallSettled(call));
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.emptied.notify_waiters();
        }
    }
}

/// Hands closed calls to the desk. One task settles them in turn; a call that has to wait, for its
/// caller to be found or for the ledger, goes on in a task of its own.
pub(crate) struct Settler {
    queue: mpsc::Sender<Closed>,
    desk: Arc<Desk>,
    runtime: runtime::Handle,
}

impl Settler {
    /// Starts the task. It ends when the settler is dropped and the queue is empty.
    pub(crate) fn start(desk: &Arc<Desk>) -> Self {
        let (queue, mut closed) = mpsc::channel::<Closed>(SETTLE_QUEUE_MAX);
        let at_desk = Arc::clone(desk);
        tokio::spawn(async move {
            while let Some(closed) = closed.recv().await {
                let desk = Arc::clone(&at_desk);
                let mut settling = Box::pin(async move { desk.settle(closed).await });
                if settling.as_mut().now_or_never().is_none() {
                    tokio::spawn(settling);
                }
            }
        });
        Self { queue, desk: Arc::clone(desk), runtime: runtime::Handle::current() }
    }

    /// Settles a call soon. Never blocks; may be called from `Drop`.
    pub(crate) fn settle(&self, closed: Closed) {
        if let Err(
            mpsc::error::TrySendError::Full(closed) | mpsc::error::TrySendError::Closed(closed),
        ) = self.queue.try_send(closed)
        {
            let desk = Arc::clone(&self.desk);
            self.runtime.spawn(async move { desk.settle(closed).await });
        }
    }
}

/// How a call ended. An error that the provider reports in the middle of an answer that began well
/// is a failure, although HTTP knows nothing of it.
fn outcome(ending: &Ending, report: Option<&Report>, status: Option<u16>) -> Outcome {
    let began_well = status.is_none_or(|it| it < 400);
    if began_well && report.is_some_and(|it| it.error.is_some()) {
        return Outcome::Failed;
    }
    match ending {
        Ending::Complete => Outcome::Finished,
        Ending::Error(..) => Outcome::Failed,
        // A client that closes after the stream's last event has had it all.
        Ending::Dropped if report.is_some_and(|it| it.terminal_seen) => Outcome::Finished,
        Ending::Dropped => Outcome::Cancelled,
    }
}

/// What a call used that no provider saw.
const NOTHING_USED: Usage = Usage {
    input: Some(0),
    cache_read: None,
    cache_write_5m: None,
    cache_write_1h: None,
    output: Some(0),
    reasoning: None,
    input_audio: None,
    output_audio: None,
    input_image: None,
    output_image: None,
    web_searches: None,
    file_searches: None,
};

/// The row of a call whose answer has been read to its end. `counted` is what was counted here of its
/// tokens.
fn worked_out(closed: Closed, caller: Option<&Caller>, counted: Option<Usage>) -> Settled {
    let Closed { live, routes, ending, reading, timing, bodies, response_bytes, retries, .. } =
        closed;
    let (delivery, model_sent, routing) = (closed.delivery, closed.model_sent, closed.routing);
    let cached = closed.cached;
    let hits = closed.hits.map(|it| it.take()).unwrap_or_default();
    let report = match reading {
        Reading::Nothing | Reading::Tap(_) => None,
        Reading::Report(report) => Some(*report),
    };
    let outcome = match &ending {
        // A replay that was had whole was closed as complete.
        Ending::Dropped if cached => Outcome::Cancelled,
        Ending::Complete | Ending::Error(..) | Ending::Dropped => {
            outcome(&ending, report.as_ref(), live.status)
        }
    };
    let report = report.unwrap_or_default();
    let bill = |delivery| {
        Bill::of(&live, &report, counted.as_ref(), model_sent.as_deref(), delivery, &routes)
    };
    let (usage, bill, saved) = if cached {
        let saved = bill(Delivery::Answered(StatusCode::OK)).cost;
        (NOTHING_USED, Bill::free(), saved)
    } else {
        (counted.unwrap_or(report.usage), bill(delivery), None)
    };
    let message = match &ending {
        Ending::Error(_, message) => Some(message.clone()),
        Ending::Complete | Ending::Dropped => report.error.map(|it| it.message),
    };
    let call = Call {
        id: live.id,
        started_at_ms: live.started_at_ms,
        caller: caller.cloned(),
        key: live.key.map(|it| it.as_ref().to_owned()),
        provider: live.provider.map(|it| it.as_ref().to_owned()),
        simulated: live.simulated,
        format: live.format,
        operation: live.operation,
        method: live.method.as_str().to_owned(),
        path: live.path.as_ref().to_owned(),
        model_asked: live.model_asked.map(|it| it.as_ref().to_owned()),
        model_served: report.model_served.map(|it| cut(&it, MODEL_BYTES_MAX).to_owned()),
        streaming: live.streaming,
        status: live.status,
        outcome,
        error_code: ending.code(),
        error_message: message.map(|it| cut(&it, ERROR_MESSAGE_BYTES_MAX).to_owned()),
        stop_reason: report.stop_reason,
        usage,
        usage_counted: counted.is_some(),
        service_tier: report.service_tier,
        cost: bill.cost,
        cost_unknown: bill.unknown,
        price_id: bill.price_id,
        cached,
        saved,
        timing,
        request_bytes: live.request_bytes,
        response_bytes,
        retries,
        client_cookie: live.client_cookie,
        upstream_cookie: live.upstream_cookie,
    };
    // A client goes on from the call that the answer was made for.
    let answer_id = if cached { None } else { answer_id(&call, bodies.as_ref()) };
    Settled { call: Arc::new(call), bodies, routing, hits, answer_id }
}

/// The id by which a client of the Responses format may go on from an answer that is kept whole.
fn answer_id(call: &Call, bodies: Option<&KeptBodies>) -> Option<String> {
    let answers = call.format == Some(Format::OpenaiResponses)
        && call.operation == Operation::Generate
        && call.outcome == Outcome::Finished;
    let kept = bodies.filter(|it| answers && !it.request_cut && !it.response_cut)?;
    let coding = kept.response_content_encoding.as_deref();
    match (coding, &kept.response[..]) {
        (None, [first, ..]) if call.streaming => response_id(first),
        (None, [whole]) => response_id(whole),
        (coding, pieces) => response_id(&decode(&pieces.concat(), coding, BODY_BYTES_MAX)?),
    }
}

/// What a call cost, or why that is not known.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bill {
    cost: Option<PicoUsd>,
    unknown: Option<CostUnknown>,
    price_id: Option<String>,
}

impl Bill {
    /// What no provider was asked for.
    fn free() -> Self {
        Self { cost: Some(PicoUsd::ZERO), ..Self::default() }
    }

    /// `counted` is what was counted here, where the provider told nothing; `model_sent` the model that
    /// it was asked for, where that is not the client's.
    fn of(
        live: &LiveCall,
        report: &Report,
        counted: Option<&Usage>,
        model_sent: Option<&str>,
        delivery: Delivery,
        routes: &Routes,
    ) -> Self {
        if !is_billed(live, &report.usage, delivery) {
            return Self::default();
        }
        let asked = model_sent.or(live.model_asked.as_deref());
        let model = report.model_served.as_deref().or(asked);
        let find =
            |provider| routes.prices.find(provider, model.unwrap_or_default(), live.started_at_ms);
        let row = live.provider.as_deref().and_then(find);
        if let Some(row) = row.filter(|it| it.is_free()) {
            let price_id = Some(row.id.clone());
            return Self { cost: Some(PicoUsd::ZERO), unknown: None, price_id };
        }
        // What a provider said on the way is not what it bills at the end.
        let told = report.terminal_seen || counted.is_some();
        if !told || model.is_none() {
            return Self { unknown: Some(CostUnknown::NoUsage), ..Self::default() };
        }
        let Some(row) = row else {
            return Self { unknown: Some(CostUnknown::NoPrice), ..Self::default() };
        };
        let price_id = Some(row.id.clone());
        let usage = counted.unwrap_or(&report.usage);
        let bill = cost::price(usage, report.service_tier, row);
        match bill {
            // An item of the answer has a fee that nothing tells the amount of.
            Ok(_) if report.other_fees => {
                Self { cost: None, unknown: Some(CostUnknown::FeeNotTold), price_id }
            }
            Ok(bill) => Self { cost: Some(bill.total), unknown: None, price_id },
            Err(unknown) => Self { cost: None, unknown: Some(unknown), price_id },
        }
    }
}

/// Whether a call is of a kind that costs money.
pub(crate) fn may_be_billed(operation: Operation, method: &Method) -> bool {
    match operation {
        Operation::Generate | Operation::Embed => true,
        Operation::CountTokens | Operation::ListModels => false,
        Operation::Other => *method == Method::POST,
    }
}

/// Whether a call is one that costs money. Lists and counts of tokens are free everywhere, and so
/// are calls that no provider saw, or that it refused without reporting any use. One that it may
/// have seen and did not answer may well be billed: most go on generating.
pub(crate) fn is_billed(live: &LiveCall, usage: &Usage, delivery: Delivery) -> bool {
    let by_nature = may_be_billed(live.operation, &live.method);
    let may_cost = match delivery {
        Delivery::NotSent => false,
        Delivery::Sent => true,
        Delivery::Answered(status) => status.as_u16() < 400 || !usage.is_unknown(),
    };
    by_nature && may_cost
}
