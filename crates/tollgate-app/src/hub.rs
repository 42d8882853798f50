//! Where live events are given out to whoever watches.

use std::sync::{Arc, OnceLock};

use tokio::sync::broadcast;
use tollgate_core::{Clock, UnixMs};
use tollgate_gateway::{GatewayEvent, Observer};

use crate::{
    api::{
        budgets::BudgetNewsView,
        convert,
        view::{CallView, StatusView},
    },
    capture::Capture,
    metrics::Metrics,
    otlp::Queue,
    providers::LastCalls,
};

/// How many events a slow watcher may be behind before it is told that it missed some.
const BACKLOG_MAX: usize = 4096;

/// How many news of budgets may wait for who is told of them one by one: those of some budgets with
/// all their parts.
const NEWS_MAX: usize = 64;

/// A live event.
#[derive(Clone, Debug)]
pub enum Event {
    /// A call began, moved on or was settled.
    Call(Arc<CallView>),
    /// Packets were captured: whoever wants them asks the capture.
    Packets,
    /// The status changed.
    Status(Arc<StatusView>),
    /// Something about a budget that the user wants to know.
    Budget(Arc<BudgetNewsView>),
}

/// Gives events out; nobody has to listen.
pub struct Hub {
    events: broadcast::Sender<Event>,
    clock: Arc<dyn Clock>,
    capture: OnceLock<Arc<Capture>>,
    last_calls: LastCalls,
    metrics: Metrics,
    otlp: Queue,
    budget_news: broadcast::Sender<Arc<BudgetNewsView>>,
}

impl Hub {
    /// A hub without watchers.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            events: broadcast::Sender::new(BACKLOG_MAX),
            clock,
            capture: OnceLock::new(),
            last_calls: LastCalls::default(),
            metrics: Metrics::default(),
            otlp: Queue::default(),
            budget_news: broadcast::Sender::new(NEWS_MAX),
        }
    }

    /// Gives an event to everyone who watches now.
    pub fn send(&self, event: Event) {
        // An error only says that nobody watches.
        let _ = self.events.send(event);
    }

    /// Watches from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Watches the news of budgets alone, which costs nothing while there are none.
    #[must_use]
    pub fn watch_budgets(&self) -> broadcast::Receiver<Arc<BudgetNewsView>> {
        self.budget_news.subscribe()
    }

    /// Whether anybody watches.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Says who joins calls to packets; later ones are ignored.
    pub fn set_capture(&self, capture: Arc<Capture>) {
        let _ = self.capture.set(capture);
    }

    /// How the last calls of each provider went.
    #[must_use]
    pub const fn last_calls(&self) -> &LastCalls {
        &self.last_calls
    }

    /// What is counted of calls for whoever scrapes it.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What waits to be told to a collector.
    #[must_use]
    pub const fn otlp(&self) -> &Queue {
        &self.otlp
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }
}

impl Observer for Hub {
    fn event(&self, event: GatewayEvent) {
        if let Some(capture) = self.capture.get() {
            capture.call_event(&event);
        }
        self.otlp.event(&event);
        if let GatewayEvent::CallSettled(call) = &event {
            self.last_calls.settled(call);
            self.metrics.settled(call);
        }
        if let GatewayEvent::BudgetNews(news) = &event {
            let news = Arc::new(BudgetNewsView::from(news.as_ref()));
            // As in `send`.
            let _ = self.budget_news.send(Arc::clone(&news));
            self.send(Event::Budget(news));
            return;
        }
        if !self.is_watched() {
            return;
        }
        let call = match &event {
            GatewayEvent::BudgetNews(_) => return,
            GatewayEvent::CallStarted(live) | GatewayEvent::CallUpdated(live) => {
                convert::live_call(live, self.now())
            }
            GatewayEvent::CallSettled(call) => CallView::from(call.as_ref()),
        };
        self.send(Event::Call(Arc::new(call)));
    }
}
