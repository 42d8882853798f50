//! The live stream.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State},
    response::{Sse, sse},
};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tollgate_flows::Filter;
use utoipa::IntoParams;

use super::{ApiError, convert, view::EventView};
use crate::{App, hub::Event};

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
    let mut packets = query.packets.then(|| Packets::new(app, filter));
    Ok(stream.filter_map(move |event| {
        let view = match event {
            Ok(Event::Call(call)) => {
                Some(EventView::Call { call: Box::new(call.as_ref().clone()) })
            }
            Ok(Event::Status(status)) => {
                Some(EventView::Status { status: Box::new(status.as_ref().clone()) })
            }
            Ok(Event::Packets) => packets.as_mut().and_then(Packets::next),
            Err(BroadcastStreamRecvError::Lagged(missed)) => Some(EventView::Lagged { missed }),
        };
        std::future::ready(view)
    }))
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

    /// What was captured since the last time and passes the filter.
    fn next(&mut self) -> Option<EventView> {
        let capture = self.app.capture();
        let id = capture.id();
        let newest = capture.newest();
        let skipped = newest.saturating_sub(self.after).saturating_sub(BEHIND_MAX);
        self.after += skipped;
        let rows = capture.packets(Some(self.after), BATCH_MAX, &self.filter);
        // A full batch may have more behind it; one that is not has seen all.
        let full = rows.len() == BATCH_MAX;
        self.after = rows.last().filter(|_| full).map_or(newest, |it| it.seq);
        let offset = capture.boot_to_unix_us();
        let packets: Vec<_> = rows.iter().map(|it| convert::packet(it, offset)).collect();
        (!packets.is_empty() || skipped > 0).then_some(EventView::Packets {
            capture: id,
            packets,
            skipped,
        })
    }
}
