//! A connection followed: what both sides said, and the calls and MCP messages in it.
//!
//! `tollgate-flows` puts the bytes together and finds the HTTP messages; what those mean is read
//! here by `tollgate-wire`, the same readers that the gateway has.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_core::Operation;
use tollgate_flows::{
    follow::{EndFacts, Followed, Message, Said, Start},
    reassembly::Gap,
    row::{FlowId, Toward},
};
use tollgate_wire::{
    End, Inbound, Report, Route, Tap, TapConfig, coding, contents, detect, detect_suffix,
    format_row, read_request,
    sse::{SseItem, SseReader},
};
use utoipa::ToSchema;

use super::{ApiError, convert, view::FlowView};
use crate::App;

/// Bytes of a body that are shown as text; all of it is in the pieces.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// What one compressed body is inflated to.
const INFLATED_BYTES_MAX: usize = 4 << 20;
/// Events listed of one answer.
const EVENTS_MAX: usize = 5_000;
/// Bytes of one event's data that are shown.
const EVENT_BYTES_MAX: usize = 16 << 10;
/// Characters of a method's or a tool's name.
const NAME_CHARS_MAX: usize = 200;

/// A connection, put together from the packets that are still kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamView {
    /// The connection.
    pub flow: FlowView,
    /// Whether it is TLS: its bytes say little then, and no messages are read.
    pub encrypted: bool,
    /// How complete it is of what the connecting end sent.
    pub client: StreamEndView,
    /// The same of the accepting end.
    pub server: StreamEndView,
    /// What was said, in the order in which it came. Keys in headers and queries are blanked.
    pub pieces: Vec<StreamPieceView>,
    /// The HTTP messages in it.
    pub messages: Vec<StreamMessageView>,
}

/// How complete one direction is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamEndView {
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes between them that no kept packet brought.
    pub unseen: u64,
    /// Bytes that their packets had and the copies of those did not.
    pub uncopied: u64,
    /// Bytes that came again as others; the first are shown.
    pub disputed: u64,
    /// Whether it is shown from its beginning.
    pub from_beginning: bool,
    /// Whether it goes on after what is shown.
    pub cut: bool,
}

/// What one packet brought, or a gap.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamPieceView {
    /// `server` or `client`: who it is for.
    pub toward: String,
    /// The number of the packet; of a gap, that of one beside it.
    pub packet: u64,
    /// When it came, Unix microseconds.
    pub at_us: i64,
    /// The place of the first byte in its direction.
    pub offset: u64,
    /// The bytes; empty for a gap.
    pub bytes_base64: String,
    /// How many bytes are missing; `null` where none are.
    pub missing: Option<u64>,
    /// Why: `unseen` or `uncopied`.
    pub missing_why: Option<String>,
}

/// An HTTP message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamMessageView {
    /// `server` for a request, `client` for an answer.
    pub toward: String,
    /// The number of the packet that begins it.
    pub packet: u64,
    /// When that came, Unix microseconds.
    pub at_us: i64,
    /// Its first line, keys masked.
    pub first_line: String,
    /// Its headers, keys masked.
    pub headers: Vec<StreamHeaderView>,
    /// The body as text, decompressed, without its chunks; at most 256 KiB. `null` when its
    /// compression is not known.
    pub text: Option<String>,
    /// Bytes of the body that are there, as they were sent.
    pub body_bytes: u64,
    /// Bytes of it that are missing, as far as that is known.
    pub missing: u64,
    /// Whether its end was found.
    pub whole: bool,
    /// The events of a stream, at most 5,000.
    pub events: Vec<StreamEventView>,
    /// What it asks a model for, or what a model answers.
    pub call: Option<StreamCallView>,
    /// The MCP message in it.
    pub mcp: Option<McpView>,
}

/// A header.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamHeaderView {
    /// Its name.
    pub name: String,
    /// Its value; that of a credential is masked.
    pub value: String,
}

/// A server-sent event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamEventView {
    /// When its first byte came, Unix microseconds; of a compressed body when that began.
    pub at_us: i64,
    /// Its type, if it has one.
    pub name: Option<String>,
    /// Its data; at most 16 KiB.
    pub data: String,
}

/// What an HTTP message has of a call. What is not told is `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamCallView {
    /// The wire format's name.
    pub format: String,
    /// The model asked for, or the one that answers.
    pub model: Option<String>,
    /// Whether a stream is asked for.
    pub stream: Option<bool>,
    /// How many tools are offered.
    pub tools: Option<u64>,
    /// Input tokens, cached ones included where the provider counts them so.
    pub input: Option<u64>,
    /// Output tokens.
    pub output: Option<u64>,
    /// Why the model stopped.
    pub stop_reason: Option<String>,
}

/// An MCP message (JSON-RPC 2.0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct McpView {
    /// The method; `null` for an answer.
    pub method: Option<String>,
    /// The number or text that pairs question and answer.
    pub id: Option<String>,
    /// The tool that is called.
    pub tool: Option<String>,
    /// The session, from the header.
    pub session: Option<String>,
    /// The error's text.
    pub error: Option<String>,
}

/// A connection followed: both directions, and the HTTP messages in it with their events, calls and
/// MCP messages. Only TCP, and only what the packets that are still kept have.
///
/// # Errors
/// When the flow is not known any more, or is not TCP.
#[utoipa::path(get, path = "/flows/{id}/stream", params(("id" = u64, Path)), responses((status = 200, body = StreamView)))]
pub async fn get_stream(
    State(app): State<Arc<App>>,
    Path(id): Path<u64>,
) -> Result<Json<StreamView>, ApiError> {
    super::blocking(move || {
        let offset = app.capture().boot_to_unix_us();
        let (flow, followed) =
            app.capture().stream(FlowId(id)).ok_or(ApiError::NotFound("TCP connection"))?;
        Ok(Json(view(convert::flow(&flow, offset), &followed, offset)))
    })
    .await
}

fn view(flow: FlowView, followed: &Followed, offset: i64) -> StreamView {
    let [client, server] = followed.ends.each_ref().map(end);
    StreamView {
        flow,
        encrypted: followed.is_encrypted,
        client,
        server,
        pieces: followed.pieces.iter().map(|it| piece(it, offset)).collect(),
        messages: messages(&followed.messages, offset),
    }
}

const fn end(it: &EndFacts) -> StreamEndView {
    StreamEndView {
        bytes: it.bytes,
        unseen: it.unseen,
        uncopied: it.uncopied,
        disputed: it.disputed,
        from_beginning: it.from_beginning,
        cut: it.is_cut,
    }
}

fn piece(it: &Said, offset: i64) -> StreamPieceView {
    let why = it.gap.map(|(_, why)| match why {
        Gap::Unseen => "unseen",
        Gap::Uncopied => "uncopied",
    });
    StreamPieceView {
        toward: toward(it.toward).to_owned(),
        packet: it.packet,
        at_us: micros(it.at_ns, offset),
        offset: it.offset,
        bytes_base64: STANDARD.encode(&it.bytes),
        missing: it.gap.map(|it| it.0),
        missing_why: why.map(str::to_owned),
    }
}

const fn toward(it: Toward) -> &'static str {
    match it {
        Toward::Server => "server",
        Toward::Client => "client",
    }
}

fn micros(at_ns: u64, offset: i64) -> i64 {
    i64::try_from(at_ns / 1_000).unwrap_or(i64::MAX).saturating_add(offset)
}

/// Each answer is read by the format of its request: they come in the same order.
fn messages(all: &[Message], offset: i64) -> Vec<StreamMessageView> {
    let routes: Vec<Option<Route>> = all.iter().filter_map(route).collect();
    let mut answered = 0;
    let one = |message: &Message| {
        let encoding = message.header("content-encoding");
        let body = coding::decode(&message.body, encoding, INFLATED_BYTES_MAX);
        let body = body.as_deref();
        let call = match message.start {
            Start::Request { .. } => route(message).flatten().map(|it| asked(&it, body)),
            // Not the answer yet.
            Start::Response { status: 100..200 } => None,
            Start::Response { status } => {
                let route = routes.get(answered).cloned().flatten();
                answered += 1;
                route.map(|it| answer(&it, status, message))
            }
        };
        let events = body.map_or_else(Vec::new, |it| events(message, it, offset));
        StreamMessageView {
            toward: toward(message.toward).to_owned(),
            packet: message.packet,
            at_us: micros(message.at_ns, offset),
            first_line: message.first_line.clone(),
            headers: message.headers.iter().map(header).collect(),
            text: body.map(|it| text(it, TEXT_BYTES_MAX)),
            body_bytes: wide(message.body.len()),
            missing: message.missing,
            whole: message.is_whole,
            mcp: mcp(message, body.unwrap_or_default(), &events),
            events,
            call,
        }
    };
    all.iter().map(one).collect()
}

fn header((name, value): &(String, String)) -> StreamHeaderView {
    StreamHeaderView { name: name.clone(), value: value.clone() }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn text(bytes: &[u8], max: usize) -> String {
    String::from_utf8_lossy(bytes.get(..max).unwrap_or(bytes)).into_owned()
}

/// What a request asks for; `None` for an answer, and in it for a request that no format knows.
fn route(message: &Message) -> Option<Option<Route>> {
    let Start::Request { method, path } = &message.start else { return None };
    let inbound = Inbound { method, path, query: None };
    let has = |name: &str| message.header(name).is_some();
    Some(detect(inbound, has).or_else(|| detect_suffix(inbound, has)).filter(is_call))
}

const fn is_call(route: &Route) -> bool {
    matches!(route.operation, Operation::Generate | Operation::Embed | Operation::CountTokens)
}

fn asked(route: &Route, body: Option<&[u8]>) -> StreamCallView {
    // A body with a gap is no JSON: then only the path tells.
    let body = body.unwrap_or_default();
    let facts = read_request(body).ok();
    let tools = contents(route.format, body, 0).map(|it| wide(it.tools.len()));
    let model = facts.as_ref().and_then(|it| it.model.clone());
    StreamCallView {
        format: format_row(route.format).name.to_owned(),
        model: model.or_else(|| route.model_in_path.clone()),
        stream: route.streaming_in_path.or(facts.map(|it| it.stream)),
        tools,
        ..StreamCallView::default()
    }
}

fn answer(route: &Route, status: u16, message: &Message) -> StreamCallView {
    let mut tap = Tap::new(TapConfig {
        format: route.format,
        operation: route.operation,
        posted: true,
        status,
        content_type: message.header("content-type"),
        content_encoding: message.header("content-encoding"),
    });
    tap.push(&message.body);
    let end = if message.is_whole { End::Complete } else { End::Broken };
    let Report { usage, model_served, stop_reason, .. } = tap.finish(end);
    StreamCallView {
        format: format_row(route.format).name.to_owned(),
        model: model_served,
        input: usage.input,
        output: usage.output,
        stop_reason,
        ..StreamCallView::default()
    }
}

fn is_stream(message: &Message) -> bool {
    message.header("content-type").is_some_and(|it| it.starts_with("text/event-stream"))
}

fn events(message: &Message, body: &[u8], offset: i64) -> Vec<StreamEventView> {
    if !is_stream(message) {
        return Vec::new();
    }
    let is_plain = message.header("content-encoding").is_none();
    let (mut events, mut at) = (Vec::new(), 0);
    let mut found = |item: SseItem<'_>| {
        let began = at;
        match item {
            SseItem::TooLong { bytes } => at += bytes,
            SseItem::Event(event) => {
                at += event.raw().len();
                let Some(data) = event.data().filter(|_| events.len() < EVENTS_MAX) else { return };
                let at_ns = if is_plain { message.time_of(began) } else { message.at_ns };
                events.push(StreamEventView {
                    at_us: micros(at_ns, offset),
                    name: event.name().map(|it| text(it, NAME_CHARS_MAX)),
                    data: text(&data, EVENT_BYTES_MAX),
                });
            }
        }
    };
    let mut reader = SseReader::new();
    reader.push(body, &mut found);
    reader.finish(found);
    events
}

/// JSON-RPC 2.0, as far as it is shown.
#[derive(Deserialize)]
struct Rpc<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    method: Option<String>,
    id: Option<Value>,
    params: Option<RpcParams>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcParams {
    name: Option<Value>,
}

#[derive(Deserialize)]
struct RpcError {
    message: Option<String>,
}

/// The MCP message of a body, or of the first event that has one.
fn mcp(message: &Message, body: &[u8], events: &[StreamEventView]) -> Option<McpView> {
    let of_event = || events.iter().find_map(|it| serde_json::from_str(&it.data).ok());
    let rpc: Rpc<'_> = serde_json::from_slice(body).ok().or_else(of_event)?;
    if rpc.jsonrpc != "2.0" {
        return None;
    }
    let short = |it: String| it.chars().take(NAME_CHARS_MAX).collect::<String>();
    let is_tool = rpc.method.as_deref() == Some("tools/call");
    let name = rpc.params.and_then(|it| it.name).filter(|_| is_tool);
    Some(McpView {
        method: rpc.method.map(short),
        id: rpc.id.and_then(rpc_id).map(short),
        tool: name.and_then(|it| it.as_str().map(|it| short(it.to_owned()))),
        session: message.header("mcp-session-id").map(str::to_owned),
        error: rpc.error.and_then(|it| it.message).map(short),
    })
}

/// The number or the text that pairs question and answer.
fn rpc_id(id: Value) -> Option<String> {
    match id {
        Value::String(it) => Some(it),
        Value::Number(it) => Some(it.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&str, &str)], body: &str) -> Message {
        let start = Start::Request { method: "POST".to_owned(), path: path.to_owned() };
        message(Toward::Server, start, headers, body)
    }

    fn response(headers: &[(&str, &str)], body: &str) -> Message {
        message(Toward::Client, Start::Response { status: 200 }, headers, body)
    }

    fn message(toward: Toward, start: Start, headers: &[(&str, &str)], body: &str) -> Message {
        let headers = headers.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
        Message {
            toward,
            packet: 1,
            at_ns: 1_000_000,
            start,
            first_line: String::new(),
            headers,
            body: body.as_bytes().to_vec(),
            times: vec![(0, 1_000_000), (20, 5_000_000)],
            missing: 0,
            is_whole: true,
        }
    }

    #[test]
    fn a_call_is_read_in_request_and_streamed_answer() {
        let asking = request(
            "/p/openai/v1/chat/completions",
            &[],
            r#"{"model":"m-1","stream":true,"tools":[{"type":"function","function":{"name":"t"}}]}"#,
        );
        let events = concat!(
            "data: {\"model\":\"m-1-x\",\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        );
        let answering = response(&[("Content-Type", "text/event-stream")], events);
        let early = message(Toward::Client, Start::Response { status: 100 }, &[], "");
        let shown = messages(&[asking, early, answering], 0);
        let call = shown[0].call.clone().unwrap();
        assert_eq!(
            (call.model.as_deref(), call.stream, call.tools),
            (Some("m-1"), Some(true), Some(1))
        );
        let call = shown[2].call.clone().unwrap();
        assert_eq!(
            (call.model.as_deref(), call.input, call.output),
            (Some("m-1-x"), Some(7), Some(2))
        );
        assert_eq!(call.stop_reason.as_deref(), Some("stop"));
        assert_eq!(shown[2].events.len(), 3);
        assert_eq!(shown[2].events[2].data, "[DONE]");
        assert_eq!((shown[2].events[0].at_us, shown[2].events[1].at_us), (1_000, 5_000));
        assert!(shown[1].call.is_none() && shown[0].mcp.is_none());
    }

    #[test]
    fn what_is_not_told_is_unknown() {
        // The middle of the body was not copied.
        let asking = request("/v1/messages", &[("x-api-key", "••••••")], r#"{"model":"m-1","mess"#);
        let shown = messages(&[asking], 0);
        let call = shown[0].call.clone().unwrap();
        assert_eq!((call.model, call.stream, call.tools, call.input), (None, None, None, None));
        assert_eq!(call.format, "Anthropic Messages");
        let other = messages(&[request("/index.html", &[], "{}"), response(&[], "{}")], 0);
        assert!(other.iter().all(|it| it.call.is_none() && it.mcp.is_none()));
    }

    #[test]
    fn mcp_messages_are_named_also_in_events() {
        let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search","arguments":{"key":1}}}"#;
        let shown = messages(&[request("/mcp", &[("Mcp-Session-Id", "s-1")], call)], 0);
        let mcp = shown[0].mcp.clone().unwrap();
        assert_eq!((mcp.method.as_deref(), mcp.id.as_deref()), (Some("tools/call"), Some("7")));
        assert_eq!((mcp.tool.as_deref(), mcp.session.as_deref()), (Some("search"), Some("s-1")));
        let events = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"a\",\"error\":{\"code\":-1,\"message\":\"no\"}}\n\n";
        let shown = messages(&[response(&[("content-type", "text/event-stream")], events)], 0);
        let mcp = shown[0].mcp.clone().unwrap();
        assert_eq!((mcp.method, mcp.error.as_deref()), (None, Some("no")));
        for body in [r#"{"jsonrpc":"1.0","method":"x"}"#, r#"{"method":"x"}"#, "[]", ""] {
            assert!(messages(&[request("/mcp", &[], body)], 0)[0].mcp.is_none(), "{body}");
        }
    }
}
