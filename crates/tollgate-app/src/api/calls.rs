//! Calls: those under way and those in the ledger.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use tollgate_core::{
    Call, CallId, Operation, PicoUsd, Routing, UnixMs,
    call::CostUnknown,
    cost::{self, Cost},
    price::{PriceBook, PriceRow},
};
use tollgate_gateway::LiveCall;
use tollgate_ledger::{Bodies, CALLS_LIMIT_MAX, CallFilter, CallQuery, Reader, Search, excerpts};
use tollgate_wire::{coding, conversation};
use utoipa::IntoParams;

use super::{
    ApiError, convert, guardrails,
    models::RoutingView,
    packets::{page, parse_call},
    view::{
        BodyView, CallDetail, CallPage, CallState, CallView, CallerDetail, ConversationView,
        CostLineView, PacketPage, PriceView, TimingView,
    },
};
use crate::{App, search};

pub mod delete;
pub mod export;

/// Calls in a page unless asked otherwise, and at most: as many as the ledger gives at once.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = CALLS_LIMIT_MAX;
/// Calls at most in a page that was searched: what was said in each is read for its excerpt.
const SEARCHED_PAGE_MAX: usize = 50;
/// The longest body that is shown as text; the rest can be had from the ledger itself.
const BODY_SHOWN_BYTES_MAX: usize = 4 << 20;

/// Which calls to send.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallsQuery {
    /// At most so many.
    pub limit: Option<usize>,
    /// Only calls older than this one (its id): the `next` of the page before.
    pub before: Option<String>,
    /// Only calls that began at this time or later.
    pub since_ms: Option<i64>,
    /// Only calls of this program.
    pub program: Option<String>,
    /// Only calls of this project, by its name or folder.
    pub project: Option<String>,
    /// Only calls to this provider.
    pub provider: Option<String>,
    /// Only calls for this model, as asked for or as served.
    pub model: Option<String>,
    /// Only calls with this local key, by its name.
    pub key: Option<String>,
    /// Only calls in this state.
    #[param(inline)]
    pub state: Option<CallState>,
    /// Only calls whose cost is unknown for this reason, such as `no-price`.
    pub unknown: Option<String>,
    /// Only calls with this text in their program, project, model, provider, path or error.
    pub text: Option<String>,
    /// Only calls in which these words were said. Words in double quotes stand beside each other; a
    /// `*` behind a word stands for its other endings. A page has at most fifty calls then, each with an
    /// excerpt.
    pub said: Option<String>,
}

/// Calls, newest first. The first page also has the calls under way.
///
/// # Errors
/// When `before` is not an id, `unknown` no reason, or `said` too long.
#[utoipa::path(get, path = "/calls", params(CallsQuery), responses((status = 200, body = CallPage)))]
pub async fn list_calls(
    State(app): State<Arc<App>>,
    Query(query): Query<CallsQuery>,
) -> Result<Json<CallPage>, ApiError> {
    let before = query.before.as_deref().map(parse_call).transpose()?;
    let search = query.said.as_deref().map(Search::read).transpose();
    let search = search.map_err(|err| ApiError::Invalid(err.to_string()))?.flatten();
    let page_max = if search.is_some() { SEARCHED_PAGE_MAX } else { PAGE_MAX };
    let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, page_max);
    let mut calls = if before.is_none() { live_calls(&app, &query) } else { Vec::new() };
    if query.state == Some(CallState::Live) {
        return Ok(Json(CallPage { calls, next: None, unread: None }));
    }
    app.written().await;
    let reader = app.reader();
    let asked = CallQuery { limit, before, ..ledger_query(&query, search)? };
    let (settled, unread) = super::blocking(move || page_of(&reader, &asked)).await?;
    let full = settled.len() == limit;
    let next = settled.last().filter(|_| full).map(|it| it.id.clone());
    // A call that was settled meanwhile is in both: the ledger's word counts.
    calls.retain(|live| !settled.iter().any(|it| it.id == live.id));
    calls.extend(settled);
    Ok(Json(CallPage { calls, next, unread }))
}

/// Calls of the ledger, with excerpts if something was looked for; and how many calls that did not
/// reach.
fn page_of(reader: &Reader, asked: &CallQuery) -> Result<(Vec<CallView>, Option<u64>), ApiError> {
    let calls = reader.calls(asked)?;
    let mut views: Vec<_> = calls.iter().map(CallView::from).collect();
    let Some(search) = &asked.filter.said else { return Ok((views, None)) };
    let mut texts = Vec::new();
    for call in &calls {
        let bodies = reader.bodies(call.id)?;
        texts.push(bodies.map(|it| search::text_of(call, &it)).unwrap_or_default());
    }
    for (view, excerpt) in views.iter_mut().zip(excerpts(search, &texts)?) {
        view.excerpt = excerpt.map(convert::excerpt);
    }
    Ok((views, Some(reader.unread_calls()?)))
}

fn live_calls(app: &App, query: &CallsQuery) -> Vec<CallView> {
    let now = app.clock().now();
    let live = app.gateway().live();
    let wanted = live.iter().filter(|it| is_of_project(it, query.project.as_deref()));
    let mut calls: Vec<_> = wanted.map(|it| convert::live_call(it, now)).collect();
    calls.retain(|it| is_wanted(it, query));
    calls.reverse();
    calls
}

/// By name or by folder, as in the ledger.
fn is_of_project(call: &LiveCall, asked: Option<&str>) -> bool {
    let project = call.caller.as_ref().and_then(|it| it.project.as_ref());
    asked.is_none_or(|asked| project.is_some_and(|it| it.name == asked || it.root == asked))
}

/// The ledger filters its own; this is the same for calls that are not there yet.
fn is_wanted(call: &CallView, query: &CallsQuery) -> bool {
    let same = |asked: &Option<String>, has: Option<&String>| {
        asked.as_ref().is_none_or(|asked| has.is_some_and(|it| it == asked))
    };
    let caller = call.caller.as_ref();
    let text = query.text.as_ref().is_none_or(|text| {
        let text = text.to_lowercase();
        let places = [
            caller.map(|it| it.program.as_str()),
            caller.and_then(|it| it.project.as_deref()),
            call.model_asked.as_deref(),
            call.provider.as_deref(),
            Some(call.path.as_str()),
        ];
        places.into_iter().flatten().any(|it| it.to_lowercase().contains(&text))
    });
    // The cost of a call under way is not unknown yet, and what is said in it not read.
    query.unknown.is_none()
        && query.said.is_none()
        && query.state.is_none_or(|it| it == call.state)
        && query.since_ms.is_none_or(|it| call.started_at_ms >= it)
        && same(&query.program, caller.map(|it| &it.program))
        && same(&query.provider, call.provider.as_ref())
        && same(&query.model, call.model_asked.as_ref())
        && same(&query.key, call.key.as_ref())
        && text
}

fn ledger_query(query: &CallsQuery, said: Option<Search>) -> Result<CallQuery, ApiError> {
    use tollgate_core::call::Outcome;
    Ok(CallQuery {
        since: query.since_ms.map(UnixMs),
        filter: CallFilter {
            program: query.program.clone(),
            project: query.project.clone(),
            provider: query.provider.clone(),
            model: query.model.clone(),
            outcome: query.state.and_then(|it| match it {
                CallState::Live => None,
                CallState::Finished => Some(Outcome::Finished),
                CallState::Failed => Some(Outcome::Failed),
                CallState::Cancelled => Some(Outcome::Cancelled),
            }),
            cost_unknown: query.unknown.as_deref().map(parse_unknown).transpose()?,
            key: query.key.clone(),
            text: query.text.clone(),
            said,
            ..CallFilter::default()
        },
        ..CallQuery::default()
    })
}

fn parse_unknown(reason: &str) -> Result<CostUnknown, ApiError> {
    convert::parse_cost_unknown(reason).ok_or_else(|| {
        let known = convert::cost_unknown_names().join(", ");
        ApiError::Invalid(format!("no cost is unknown for `{reason}`: use {known}"))
    })
}

/// One call with its caller, timing, bill, bodies and flows.
///
/// # Errors
/// When there is no such call.
#[utoipa::path(get, path = "/calls/{id}", params(("id" = String, Path)), responses((status = 200, body = CallDetail)))]
pub async fn get_call(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<CallDetail>, ApiError> {
    let id = parse_call(&id)?;
    // Looked for first: one that is settled meanwhile is then in one place or the other.
    let live = live_detail(&app, id);
    app.written().await;
    let reader = app.reader();
    let settled =
        super::blocking(move || Ok((reader.call(id)?, reader.bodies(id)?, reader.routing(id)?)))
            .await?;
    let detail = match settled {
        (Some(call), bodies, routing) => {
            let app = Arc::clone(&app);
            super::blocking(move || {
                let hits = guardrails::views(&app, app.reader().hits_of(id)?);
                Ok(CallDetail { hits, ..detail(&app, &call, bodies, routing) })
            })
            .await?
        }
        (None, ..) => live.ok_or(ApiError::NotFound("call"))?,
    };
    Ok(Json(detail))
}

fn live_detail(app: &App, id: CallId) -> Option<CallDetail> {
    let live = app.gateway().live().into_iter().find(|it| it.id == id)?;
    Some(CallDetail {
        call: convert::live_call(&live, app.clock().now()),
        caller: live.caller.as_deref().map(CallerDetail::from),
        timing: TimingView { headers_us: live.headers_us, ..TimingView::default() },
        cost_lines: Vec::new(),
        price: None,
        request: None,
        response: None,
        conversation: None,
        routing: None,
        hits: Vec::new(),
        flows: flows(app, id),
    })
}

fn detail(app: &App, call: &Call, bodies: Option<Bodies>, routing: Option<Routing>) -> CallDetail {
    let prices = app.prices();
    let (price, bill) = explained(&prices, call).unzip();
    let lines = bill.map(|it| it.lines.iter().map(CostLineView::from).collect());
    let shown = bodies.map(|it| Shown::new(&it));
    let conversation = shown.as_ref().zip(call.format).and_then(|(it, format)| {
        let answer = it.answer.as_deref().unwrap_or_default();
        let bodies = conversation::Bodies { format, request: &it.request, response: answer };
        generates(call).then(|| conversation(bodies))
    });
    CallDetail {
        call: CallView::from(call),
        caller: call.caller.as_ref().map(CallerDetail::from),
        timing: TimingView::from(&call.timing),
        cost_lines: lines.unwrap_or_default(),
        price: price.map(PriceView::from),
        request: shown.as_ref().map(|it| view(&it.request, call.request_bytes)),
        response: shown
            .as_ref()
            .and_then(|it| it.answer.as_deref())
            .map(|it| view(it, call.response_bytes)),
        conversation: conversation.map(ConversationView::from),
        routing: routing.map(RoutingView::from),
        hits: Vec::new(),
        flows: flows(app, call.id),
    }
}

/// The price row of a call and its bill, if they give what the call was billed: since then the
/// program may have come with other prices, and lines that do not add up explain nothing.
fn explained<'a>(prices: &'a PriceBook, call: &Call) -> Option<(&'a PriceRow, Cost)> {
    let id = call.price_id.as_deref()?;
    let row = prices.rows().find(|it| it.id == id)?;
    match call.cost {
        None => Some((row, Cost::default())),
        // Free whatever was used, also when that is not known.
        Some(PicoUsd::ZERO) if row.is_free() => Some((row, Cost::default())),
        Some(total) => {
            let bill = cost::price(&call.usage, call.service_tier, row).ok()?;
            (bill.total == total).then_some((row, bill))
        }
    }
}

fn generates(call: &Call) -> bool {
    matches!(call.operation, Operation::Generate | Operation::CountTokens | Operation::Embed)
}

/// The bodies of a call, decompressed.
struct Shown {
    request: Vec<u8>,
    /// `None` when the body's compression is not known here.
    answer: Option<Vec<u8>>,
}

impl Shown {
    fn new(bodies: &Bodies) -> Self {
        let encoding = bodies.response_content_encoding.as_deref();
        let answer = coding::decode(&bodies.response, encoding, BODY_SHOWN_BYTES_MAX);
        Self { request: bodies.request.to_vec(), answer }
    }
}

fn view(body: &[u8], bytes: u64) -> BodyView {
    let shown = body.get(..BODY_SHOWN_BYTES_MAX).unwrap_or(body);
    let kept = u64::try_from(body.len()).unwrap_or(u64::MAX);
    BodyView {
        text: String::from_utf8_lossy(shown).into_owned(),
        bytes,
        truncated: shown.len() < body.len() || kept < bytes,
    }
}

fn flows(app: &App, call: CallId) -> Vec<super::view::FlowView> {
    let offset = app.capture().boot_to_unix_us();
    app.capture().flows_of_call(call).iter().map(|it| convert::flow(it, offset)).collect()
}

/// The kept packets of a call, on both legs, oldest first.
///
/// # Errors
/// When the id cannot be read.
#[utoipa::path(get, path = "/calls/{id}/packets", params(("id" = String, Path)), responses((status = 200, body = PacketPage)))]
pub async fn get_call_packets(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<PacketPage>, ApiError> {
    let call = parse_call(&id)?;
    super::blocking(move || {
        let capture = app.capture().id();
        let packets = app.capture().packets_of_call(call);
        Ok(Json(page(&app, capture, &packets)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use tollgate_core::{Usage, call::Outcome, call::Timing};

    use super::*;

    /// After an upgrade the row of an old call can have other rates, or be gone.
    #[test]
    fn a_bill_is_shown_only_if_it_adds_up_to_what_was_billed() {
        let prices = PriceBook::embedded().unwrap();
        let at = UnixMs(1_795_392_000_000);
        let row = prices.find("openai", "gpt-5-mini", at).unwrap();
        let usage = Usage { input: Some(1_000), output: Some(100), ..Usage::default() };
        let billed = cost::price(&usage, None, row).unwrap();
        let call = |cost: PicoUsd, price_id: &str| Call {
            id: CallId::new(at, [0; 10]),
            started_at_ms: at,
            caller: None,
            key: None,
            provider: Some("openai".to_owned()),
            simulated: false,
            format: None,
            operation: Operation::Generate,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            model_asked: Some("gpt-5-mini".to_owned()),
            model_served: None,
            streaming: false,
            status: Some(200),
            outcome: Outcome::Finished,
            error_code: None,
            error_message: None,
            stop_reason: None,
            usage,
            usage_counted: false,
            service_tier: None,
            cost: Some(cost),
            cost_unknown: None,
            price_id: Some(price_id.to_owned()),
            cached: false,
            saved: None,
            timing: Timing::default(),
            request_bytes: 0,
            response_bytes: 0,
            retries: 0,
            client_cookie: None,
            upstream_cookie: None,
        };
        let lines = |call: &Call| explained(&prices, call).map(|(_, bill)| bill.lines.len());
        assert_eq!(lines(&call(billed.total, &row.id)), Some(2));
        assert_eq!(lines(&call(PicoUsd(billed.total.0 + 1), &row.id)), None);
        assert_eq!(lines(&call(billed.total, "gone")), None);
    }
}
