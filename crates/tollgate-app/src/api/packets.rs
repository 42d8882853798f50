//! Packets and flows.

use std::{fmt::Write as _, iter, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use tollgate_core::CallId;
use tollgate_flows::{Filter, row::PacketRow};
use utoipa::IntoParams;

use super::{
    ApiError, convert, frame,
    view::{FlowView, LayerView, PacketDetail, PacketPage},
};
use crate::App;

/// Packets in a page unless asked otherwise, and at most.
const PAGE_DEFAULT: usize = 1_000;
const PAGE_MAX: usize = 100_000;
/// Flows in a list unless asked otherwise, and at most.
const FLOWS_DEFAULT: usize = 500;
const FLOWS_MAX: usize = 10_000;

/// Which packets to send.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PacketQuery {
    /// Only packets with a greater number; without it the newest.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: Option<usize>,
    /// The display filter, such as `program:claude port:443 text`.
    pub filter: Option<String>,
}

/// Packets, oldest first.
///
/// # Errors
/// When the filter cannot be read.
#[utoipa::path(get, path = "/packets", params(PacketQuery), responses((status = 200, body = PacketPage)))]
pub async fn list_packets(
    State(app): State<Arc<App>>,
    Query(query): Query<PacketQuery>,
) -> Result<Json<PacketPage>, ApiError> {
    let filter = query.filter.as_deref().map_or_else(|| Ok(Filter::default()), parse_filter)?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
    super::blocking(move || {
        let capture = app.capture();
        let id = capture.id();
        let packets = capture.packets(query.after, limit, &filter);
        Ok(Json(page(&app, id, &packets)))
    })
    .await
}

/// One packet with its layers and bytes. The first layer, `Frame`, is what the kernel knew of it.
///
/// # Errors
/// When it is no longer kept.
#[utoipa::path(get, path = "/packets/{seq}", params(("seq" = u64, Path)), responses((status = 200, body = PacketDetail)))]
pub async fn get_packet(
    State(app): State<Arc<App>>,
    Path(seq): Path<u64>,
) -> Result<Json<PacketDetail>, ApiError> {
    let packet = app.capture().packet(seq).ok_or(ApiError::NotFound("packet"))?;
    let offset = app.capture().boot_to_unix_us();
    let interfaces = app.capture().interface_names();
    let interface = interfaces.get(&(packet.netns, packet.ifindex));
    let frame = frame::layer(&packet, offset, interface.map(String::as_str));
    let own = packet.decoded.layers.iter().map(LayerView::from);
    Ok(Json(PacketDetail {
        packet: convert::packet(&packet.row, offset),
        layers: iter::once(frame).chain(own).collect(),
        bytes_base64: STANDARD.encode(&packet.bytes),
    }))
}

/// Which packets to export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// The display filter.
    pub filter: Option<String>,
    /// Only the packets of this call.
    pub call: Option<String>,
}

/// The kept packets as a pcapng file; program, process, call and flow stand in each packet's
/// comment.
///
/// # Errors
/// When the filter or the call's id cannot be read.
#[utoipa::path(get, path = "/packets.pcapng", params(ExportQuery), responses((status = 200, body = Vec<u8>, content_type = "application/x-pcapng")))]
pub async fn get_pcapng(
    State(app): State<Arc<App>>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, ApiError> {
    let mut text = query.filter.unwrap_or_default();
    let mut filter = parse_filter(&text)?;
    if let Some(call) = &query.call {
        write!(text, " call:{}", parse_call(call)?).map_err(|_| ApiError::Broken)?;
        filter = parse_filter(&text)?;
    }
    let bytes = super::blocking(move || {
        app.capture().pcapng(&filter).map_err(|err| ApiError::Invalid(err.to_string()))
    })
    .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-pcapng"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"tollgate.pcapng\""),
    ];
    Ok((headers, bytes).into_response())
}

/// How many flows to send.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FlowQuery {
    /// At most so many.
    pub limit: Option<usize>,
}

/// Flows, the one with the newest packet first.
#[utoipa::path(get, path = "/flows", params(FlowQuery), responses((status = 200, body = Vec<FlowView>)))]
pub async fn list_flows(
    State(app): State<Arc<App>>,
    Query(query): Query<FlowQuery>,
) -> Json<Vec<FlowView>> {
    let limit = query.limit.unwrap_or(FLOWS_DEFAULT).min(FLOWS_MAX);
    let offset = app.capture().boot_to_unix_us();
    let flows = app.capture().flows(limit);
    Json(flows.iter().map(|it| convert::flow(it, offset)).collect())
}

/// A page of `packets`, which were read after `capture` was.
pub(super) fn page(app: &App, capture: u64, packets: &[PacketRow]) -> PacketPage {
    let offset = app.capture().boot_to_unix_us();
    PacketPage {
        capture,
        packets: packets.iter().map(|it| convert::packet(it, offset)).collect(),
        newest: Some(app.capture().newest()).filter(|it| *it > 0),
        kept: app.capture().counters().kept,
    }
}

pub(super) fn parse_filter(text: &str) -> Result<Filter, ApiError> {
    Filter::parse(text).map_err(|err| ApiError::Invalid(err.to_string()))
}

pub(super) fn parse_call(text: &str) -> Result<CallId, ApiError> {
    text.parse().map_err(|_| ApiError::Invalid(format!("`{text}` is not the id of a call")))
}
