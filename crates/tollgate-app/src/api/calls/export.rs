//! Calls as a file.

use std::{
    io::{self, Write},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tollgate_core::UnixMs;
use utoipa::IntoParams;

use crate::{
    App,
    api::ApiError,
    export::{self, ExportFormat, ExportQuery},
};

/// Pieces of a file that wait for a slow client; the ledger is read no further meanwhile.
const PIECES_WAITING_MAX: usize = 8;

/// Which calls, and as what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallsExport {
    /// What the file is.
    #[param(inline)]
    pub format: ExportFormat,
    /// Only calls that began at this time or later.
    pub since_ms: Option<i64>,
    /// Only calls that began before this time.
    pub until_ms: Option<i64>,
}

/// All calls of the ledger as a file, the newest first: one row for each, without what was said. It is
/// sent while it is made; one that cannot be finished breaks off.
///
/// # Errors
/// When there is no such format.
#[utoipa::path(get, path = "/calls/export", params(CallsExport), responses((status = 200, body = String, content_type = "application/octet-stream")))]
pub async fn export_calls(
    State(app): State<Arc<App>>,
    Query(asked): Query<CallsExport>,
) -> Result<Response, ApiError> {
    app.written().await;
    let CallsExport { format, since_ms, until_ms } = asked;
    let query = ExportQuery { since: since_ms.map(UnixMs), until: until_ms.map(UnixMs) };
    let (pieces, sent) = mpsc::channel(PIECES_WAITING_MAX);
    let reader = app.reader();
    tokio::task::spawn_blocking(move || {
        let out = Pieces(pieces.clone());
        if let Err(error) = export::calls(&reader, query, format, out) {
            let shown: &dyn std::error::Error = &error;
            tracing::warn!(error = shown, "an export broke off");
            // Whoever asked may have gone, which is then why.
            let _ = pieces.blocking_send(Err(io::Error::other(error)));
        }
    });
    let name = format!("attachment; filename=\"tollgate-calls.{}\"", format.as_str());
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(sent))).into_response())
}

/// Writes into the answer, and waits while the client is slow.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
