//! The live stream.

use std::{
    convert::Infallible,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Query, State},
    response::{Sse, sse},
};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tollgate_flows::Filter;
use utoipa::IntoParams;

use super::{ApiError, convert, view::EventView};
use crate::{App, capture::HOLD_BACK, hub::Event};

/// How often a quiet stream says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Packets in one event.
const BATCH_MAX: usize = 2_000;
/// How many packets a watcher may be behind before some are skipped for it.
const BEHIND_MAX: u64 = 20_000;

/// Which events to send.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Whether packets are sent too.
    #[serde(default)]
    pub packets: bool,
    /// Which packets, in the display filter's language; all without it.
    pub filter: Option<String>,
}

/// Streams events as they happen (`text/event-stream`; each event's data is an `EventView`). Begin
/// the stream first, then fetch what is there: nothing falls between.
///
/// # Errors
/// When the filter cannot be read.
#[utoipa::path(get, path = "/events", params(EventQuery), responses((status = 200, body = EventView, content_type = "text/event-stream")))]
pub async fn get_events(
    State(app): State<Arc<App>>,
    Query(query): Query<EventQuery>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, ApiError> {
    let events = events(&app, &query)?.map(|it| {
        // Plain data always serialises.
        Ok(sse::Event::default().json_data(it).unwrap_or_default())
    });
    Ok(Sse::new(events).keep_alive(sse::KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The same events for the window's own process.
///
/// # Errors
/// When the filter cannot be read.
pub fn events(
    app: &Arc<App>,
    query: &EventQuery,
) -> Result<impl Stream<Item = EventView> + Send + use<>, ApiError> {
    let filter = match &query.filter {
        Some(text) => super::packets::parse_filter(text)?,
        None => Filter::default(),
    };
    let stream = BroadcastStream::new(app.hub().watch());
    let packets = query.packets.then(|| Arc::new(Mutex::new(Packets::new(app, filter))));
    let views = stream.then(move |event| {
        let packets = packets.clone();
        async move {
            match event {
                Ok(Event::Call(call)) => {
                    vec![EventView::Call { call: Box::new(call.as_ref().clone()) }]
                }
                Ok(Event::Status(status)) => {
                    vec![EventView::Status { status: Box::new(status.as_ref().clone()) }]
                }
                Ok(Event::Budget(news)) => {
                    vec![EventView::Budget { news: Box::new(news.as_ref().clone()) }]
                }
                Ok(Event::Packets) => new_packets(packets).await,
                Err(BroadcastStreamRecvError::Lagged(missed)) => {
                    vec![EventView::Lagged { missed }]
                }
            }
        }
    });
    Ok(views.flat_map(stream::iter))
}

/// Looks for packets on a thread that may block: a filter looks at each of them.
async fn new_packets(packets: Option<Arc<Mutex<Packets>>>) -> Vec<EventView> {
    let Some(packets) = packets else { return Vec::new() };
    let look = move || packets.lock().unwrap_or_else(PoisonError::into_inner).next();
    // An error only says that the program is ending.
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// One watcher's way through the packets.
struct Packets {
    app: Arc<App>,
    filter: Filter,
    after: u64,
}

impl Packets {
    fn new(app: &Arc<App>, filter: Filter) -> Self {
        let after = app.capture().newest();
        Self { app: Arc::clone(app), filter, after }
    }

    /// What was captured since the last time and passes the filter, in batches. Blocks.
    fn next(&mut self) -> Vec<EventView> {
        let capture = self.app.capture();
        let id = capture.id();
        let offset = capture.boot_to_unix_us();
        // What comes meanwhile has its own turn.
        let newest = capture.newest();
        let mut skipped = 0;
        let mut views = Vec::new();
        loop {
            let is_behind = newest.saturating_sub(self.after) > BEHIND_MAX;
            let scan = capture.scan(self.after, HOLD_BACK, BATCH_MAX, &self.filter);
            self.after = scan.at;
            if is_behind {
                skipped += u64::try_from(scan.rows.len()).unwrap_or(u64::MAX);
            } else if !scan.rows.is_empty() || skipped > 0 {
                let packets = scan.rows.iter().map(|it| convert::packet(it, offset)).collect();
                let skipped = mem::take(&mut skipped);
                views.push(EventView::Packets { capture: id, packets, skipped });
            }
            if scan.is_done || self.after >= newest {
                break;
            }
        }
        if skipped > 0 {
            views.push(EventView::Packets { capture: id, packets: Vec::new(), skipped });
        }
        views
    }
}
