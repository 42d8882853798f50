//! What the admin API says: the shapes that the window, the console and the command line share.
//!
//! Money is text of whole pico-dollars (10⁻¹² US dollars), because a JavaScript number cannot hold
//! every amount. `null` is unknown, never zero. Times are Unix milliseconds, or microseconds where
//! the name ends in `_us`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{budgets::BudgetNewsView, guardrails::HitView, models::RoutingView};

/// Tokens by kind; see `tollgate_core::Usage`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageView {
    /// Prompt tokens read afresh.
    pub input: Option<u64>,
    /// Prompt tokens read from a cache.
    pub cache_read: Option<u64>,
    /// Prompt tokens written to a five-minute cache.
    pub cache_write_5m: Option<u64>,
    /// Prompt tokens written to a one-hour cache.
    pub cache_write_1h: Option<u64>,
    /// Generated tokens, reasoning included.
    pub output: Option<u64>,
    /// The part of `output` that was reasoning.
    pub reasoning: Option<u64>,
    /// The part of `input` that was audio.
    pub input_audio: Option<u64>,
    /// The part of `output` that was audio.
    pub output_audio: Option<u64>,
    /// The part of `input` that was pictures.
    pub input_image: Option<u64>,
    /// The part of `output` that was pictures.
    pub output_image: Option<u64>,
    /// Web searches that the provider ran and bills by the piece.
    pub web_searches: Option<u64>,
    /// Searches of stored files that the provider ran and bills by the piece.
    pub file_searches: Option<u64>,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallState {
    /// Not settled yet.
    Live,
    /// The provider answered in full; `status` may still be an error's.
    Finished,
    /// No answer, a refusal, or an answer that broke off.
    Failed,
    /// The client left.
    Cancelled,
}

/// The caller in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallerView {
    /// The process id.
    pub pid: u32,
    /// The readable name.
    pub program: String,
    /// The git project's name.
    pub project: Option<String>,
    /// The user's name.
    pub user: Option<String>,
}

/// One call in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// Its id (UUID version 7).
    pub id: String,
    /// When it began.
    pub started_at_ms: i64,
    /// Where it stands.
    pub state: CallState,
    /// Who asked; `null` when it could not be found.
    pub caller: Option<CallerView>,
    /// The name of the local key that it was asked with; `null` without one.
    pub key: Option<String>,
    /// The provider's id.
    pub provider: Option<String>,
    /// Whether the built-in simulator answered: nobody is billed.
    pub simulated: bool,
    /// The wire format (`openai-chat`, …).
    pub format: Option<String>,
    /// What was asked for (`generate`, `embed`, …).
    pub operation: String,
    /// The HTTP method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The model asked for.
    pub model_asked: Option<String>,
    /// The model that answered.
    pub model_served: Option<String>,
    /// How often it was sent again after the first time; `null` for a live call.
    pub retries: Option<u32>,
    /// Whether the answer is an event stream.
    pub streaming: bool,
    /// The HTTP status sent to the client.
    pub status: Option<u16>,
    /// The gateway's own error, if it made one (`no-credential`, …).
    pub error_code: Option<String>,
    /// The error's text.
    pub error_message: Option<String>,
    /// Why the model stopped.
    pub stop_reason: Option<String>,
    /// Tokens.
    pub usage: UsageView,
    /// Whether the gateway counted them itself, because the provider told none: then they are an
    /// estimate, and so is the cost.
    pub usage_counted: bool,
    /// Whether the cache of answers answered it: no provider saw it.
    pub from_cache: bool,
    /// What it would have cost without the cache, in pico-dollars; `null` when that is not known, or the
    /// cache did not answer it.
    pub saved_pico_usd: Option<String>,
    /// The tier that the provider says it served the call at: `standard`, `flex`, `priority`,
    /// `batch` or `other`.
    pub service_tier: Option<String>,
    /// The cost in pico-dollars.
    pub cost_pico_usd: Option<String>,
    /// Why there is no cost: `no-price`, `no-usage`, `kind-not-priced`, `fee-not-told`, `tier-not-priced` or
    /// `out-of-range`.
    pub cost_unknown: Option<String>,
    /// From the first byte of the request to the first byte of the answer.
    pub first_byte_us: Option<u64>,
    /// From the first byte of the request to the settlement; so far, for a live call.
    pub duration_us: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body; `null` for a live call.
    pub response_bytes: Option<u64>,
    /// Where what was looked for stands in what was said; only in a list that was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Vec<ExcerptPieceView>>,
}

/// A piece of what was said, around what was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExcerptPieceView {
    /// The text.
    pub text: String,
    /// Whether this is what was looked for.
    pub found: bool,
}

/// A page of calls, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallPage {
    /// The calls.
    pub calls: Vec<CallView>,
    /// What to pass as `before` for the next page; `null` at the end.
    pub next: Option<String>,
    /// How many calls were not searched yet, whose words are still being read; `null` in a list that
    /// was not searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<u64>,
}

/// Which calls to delete: those with these ids, or those for which all of the rest holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct DeleteCalls {
    /// Their ids.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Those that began before this time.
    pub before_ms: Option<i64>,
    /// Those of this program.
    pub program: Option<String>,
    /// Only count them.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedView {
    /// How many calls.
    pub calls: u64,
    /// Whether they are gone, or were only counted.
    pub deleted: bool,
}

/// A process above the caller.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AncestorView {
    /// Its process id.
    pub pid: u32,
    /// Its readable name.
    pub program: String,
}

/// The caller in full.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallerDetail {
    /// The process id.
    pub pid: u32,
    /// The readable name.
    pub program: String,
    /// The executable.
    pub exe: Option<String>,
    /// The command line.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: Option<String>,
    /// The user's id.
    pub uid: u32,
    /// The user's name.
    pub user: Option<String>,
    /// Parent first.
    pub ancestors: Vec<AncestorView>,
    /// The control group.
    pub cgroup: Option<String>,
    /// The project's name.
    pub project: Option<String>,
    /// The project's folder.
    pub project_root: Option<String>,
    /// How it was found: `helper` or `sock-diag`.
    pub source: String,
}

/// When what happened, in microseconds since the call began.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TimingView {
    /// The whole request had arrived.
    pub received_us: Option<u64>,
    /// A connection to the provider was at hand.
    pub connected_us: Option<u64>,
    /// What connecting took; `null` when a pooled connection served.
    pub connect_took_us: Option<u64>,
    /// The provider's status line had arrived.
    pub headers_us: Option<u64>,
    /// The first byte of the answer's body had arrived.
    pub first_byte_us: Option<u64>,
    /// The first generated token had arrived.
    pub first_token_us: Option<u64>,
    /// The call was settled.
    pub finished_us: u64,
}

/// One line of a bill.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CostLineView {
    /// What is counted: `input`, `cache-read`, `output`, …
    pub kind: String,
    /// How many.
    pub count: u64,
    /// The price of one, in pico-dollars.
    pub rate_pico_usd: String,
    /// Their product, in pico-dollars.
    pub amount_pico_usd: String,
}

/// The price row that a call was priced by.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PriceView {
    /// Its id.
    pub id: String,
    /// The model it prices.
    pub model: String,
    /// Where it was found.
    pub source: String,
    /// On which day.
    pub checked_on: String,
}

/// A body as text.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BodyView {
    /// The body after decompression, decoded as UTF-8 with replacement characters.
    pub text: String,
    /// How many bytes the body had on the wire.
    pub bytes: u64,
    /// Whether less than the whole body was kept or is shown.
    pub truncated: bool,
}

/// One call in full.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallDetail {
    /// The call as in a list.
    pub call: CallView,
    /// The caller in full.
    pub caller: Option<CallerDetail>,
    /// When what happened.
    pub timing: TimingView,
    /// The bill, line by line; empty when the cost is unknown, or was worked out by prices that this
    /// version no longer has.
    pub cost_lines: Vec<CostLineView>,
    /// The price row; `null` when this version no longer has it as it was.
    pub price: Option<PriceView>,
    /// The request's body; `null` when bodies are not kept or it was pruned.
    pub request: Option<BodyView>,
    /// The answer's body.
    pub response: Option<BodyView>,
    /// The conversation, when the format is known and the bodies are kept.
    pub conversation: Option<ConversationView>,
    /// How it came to its provider; `null` when there was nothing to decide.
    pub routing: Option<RoutingView>,
    /// What guardrails found in it, in order.
    pub hits: Vec<HitView>,
    /// The flows that carried it, client side first; empty without the helper.
    pub flows: Vec<FlowView>,
}

/// What was said.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConversationView {
    /// Messages in order, the answer last.
    pub messages: Vec<MessageView>,
    /// How many of the messages, at the end, are the answer.
    pub answers: usize,
    /// Names of the tools that were offered.
    pub tools: Vec<String>,
    /// What else was asked for (`temperature`, `max_tokens`, …), in the request's order.
    pub params: Vec<ParamView>,
    /// Whether something was left out or cut because it is too long.
    pub cut: bool,
}

/// A member of a request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ParamView {
    /// Its name.
    pub name: String,
    /// Its value: a text as it is, anything else as JSON.
    pub value: String,
}

/// One message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    /// `system`, `user`, `assistant`, `tool`, …
    pub role: String,
    /// Its parts.
    pub parts: Vec<PartView>,
}

/// One part of a message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PartView {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// What the model thought.
    Thinking {
        /// The text; empty when the provider keeps it to itself.
        text: String,
    },
    /// A call of a tool.
    ToolCall {
        /// The call's id, which its result repeats.
        id: Option<String>,
        /// The tool.
        name: String,
        /// Its arguments as JSON text.
        arguments: String,
    },
    /// What a tool answered.
    ToolResult {
        /// The id of the call.
        id: Option<String>,
        /// The tool, where the format names it.
        name: Option<String>,
        /// The answer.
        text: String,
        /// Whether the tool failed.
        is_error: bool,
    },
    /// An image.
    Image {
        /// Its media type.
        media_type: Option<String>,
        /// Its size, when it is in the body.
        bytes: Option<u64>,
        /// Its address, when it is not.
        url: Option<String>,
    },
    /// A document.
    Document {
        /// Its media type.
        media_type: Option<String>,
        /// Its size, when it is in the body.
        bytes: Option<u64>,
        /// Its name or address.
        name: Option<String>,
    },
    /// Anything else.
    Other {
        /// The format's word for it.
        of: String,
        /// As JSON text.
        json: String,
    },
}

/// One packet in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PacketView {
    /// Its number since the capture began.
    pub seq: u64,
    /// When the kernel saw it, in Unix microseconds.
    pub at_us: i64,
    /// `in` or `out`, as seen by the local socket; on loopback nearly all packets are `out`.
    pub direction: String,
    /// Which end of its flow it goes to: `server` (a request) or `client` (an answer).
    pub toward: String,
    /// `client` (program to gateway), `upstream` (gateway to provider), `direct` (around the
    /// gateway) or `other`.
    pub leg: String,
    /// Source address and port.
    pub src: String,
    /// Destination address and port.
    pub dst: String,
    /// `TCP`, `UDP`, …, or the protocol inside: `TLS`, `DNS`, `HTTP`.
    pub protocol: String,
    /// Bytes of the IP packet.
    pub length: u32,
    /// One line for people.
    pub info: String,
    /// The program that owns the socket.
    pub program: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// The call it belongs to.
    pub call: Option<String>,
    /// The flow it belongs to.
    pub flow: u64,
    /// The host's name, from SNI or DNS.
    pub host: Option<String>,
}

/// A page of packets, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PacketPage {
    /// Which capture they are of: another one since the gateway began anew or was told to forget
    /// its packets. Packets of two captures may bear one number.
    pub capture: u64,
    /// The packets.
    pub packets: Vec<PacketView>,
    /// The number of the newest packet there is.
    pub newest: Option<u64>,
    /// How many packets are kept.
    pub kept: u64,
}

/// A field of a decoded layer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldView {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Which bytes of the packet it stands in: first, and one after the last.
    pub range: Option<(usize, usize)>,
}

/// A decoded layer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LayerView {
    /// `Frame`, `IPv4`, `TCP`, `TLS`, …
    pub name: String,
    /// One line.
    pub summary: String,
    /// Its fields.
    pub fields: Vec<FieldView>,
}

/// One packet in full.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PacketDetail {
    /// The packet as in a list.
    pub packet: PacketView,
    /// Its layers, outermost first; the first holds what the kernel knew of it.
    pub layers: Vec<LayerView>,
    /// The captured bytes, from the IP header on, in base64.
    pub bytes_base64: String,
}

/// One flow.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FlowView {
    /// Its number.
    pub id: u64,
    /// `client`, `upstream`, `direct` or `other`.
    pub leg: String,
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// The local end.
    pub local: String,
    /// The remote end.
    pub remote: String,
    /// The host's name, from SNI or DNS.
    pub host: Option<String>,
    /// The program that owns the local end.
    pub program: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// Packets sent by the local end.
    pub packets_out: u64,
    /// Packets received by it.
    pub packets_in: u64,
    /// Bytes sent by it.
    pub bytes_out: u64,
    /// Bytes received by it.
    pub bytes_in: u64,
    /// From SYN to established.
    pub handshake_us: Option<u64>,
    /// The smoothed round-trip time.
    pub srtt_us: Option<u64>,
    /// The shortest time from data to its acknowledgement, at the local end.
    pub rtt_min_us: Option<u64>,
    /// Segments sent again, by the kernel's count at the ends on this machine.
    pub retransmits: Option<u64>,
    /// Packets of both ends that brought nothing but bytes that had been seen before.
    pub repeats: u64,
    /// Payload bytes of both ends that no packet brought.
    pub bytes_missing: u64,
    /// Packets that tore the connection down.
    pub resets: u64,
    /// How often an end had no room for more.
    pub stalls: u64,
    /// How long that lasted, in all.
    pub stalled_us: u64,
    /// From the DNS question to its answer, when that came shortly before.
    pub dns_us: Option<u64>,
    /// From the client's TLS hello to its first protected data.
    pub tls_us: Option<u64>,
    /// From the end of the first request to the first byte of its answer; not known in TLS.
    pub first_byte_us: Option<u64>,
    /// The mean time between two packets of one answer.
    pub answer_gap_mean_us: Option<u64>,
    /// The longest.
    pub answer_gap_max_us: Option<u64>,
    /// The TLS version, `TLS 1.3`.
    pub tls_version: Option<String>,
    /// The cipher suite.
    pub tls_cipher: Option<String>,
    /// The application protocols offered in TLS, in their order.
    pub alpn: Vec<String>,
    /// The client's TLS fingerprint.
    pub ja4: Option<String>,
    /// First packet, Unix microseconds.
    pub first_at_us: i64,
    /// Last packet, Unix microseconds.
    pub last_at_us: i64,
    /// Whether it is closed.
    pub closed: bool,
}

/// A sum over calls.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CostRowView {
    /// What is summed over: the model, program, …; `null` when the calls have none.
    pub key: Option<String>,
    /// Calls.
    pub calls: u64,
    /// Calls that failed or answered with an error status.
    pub failed: u64,
    /// Calls whose cost is unknown: they are not in the cost.
    pub unknown_cost: u64,
    /// Calls that used tokens nobody counted: they are not in the usage.
    pub unknown_usage: u64,
    /// Calls whose tokens the gateway counted itself, as far as it could: an estimate.
    pub counted_usage: u64,
    /// Known cost in pico-dollars.
    pub cost_pico_usd: String,
    /// The part of it that is an estimate, because the gateway counted the tokens itself.
    pub estimated_pico_usd: String,
    /// Calls that the cache of answers answered.
    pub cached_calls: u64,
    /// What those would have cost without it, as far as that is known, in pico-dollars.
    pub saved_pico_usd: String,
    /// Those of them of which it is not known.
    pub unknown_saved: u64,
    /// Tokens, as far as known; `null` when no call's are.
    pub usage: UsageView,
}

/// How long the steps of the cost chart are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CostStep {
    /// Local hours.
    Hour,
    /// Local days.
    #[default]
    Day,
}

/// A step of the cost chart.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CostStepView {
    /// Where the step begins.
    pub start_ms: i64,
    /// Where it ends.
    pub end_ms: i64,
    /// Calls.
    pub calls: u64,
    /// Calls whose cost is unknown.
    pub unknown_cost: u64,
    /// Known cost in pico-dollars.
    pub cost_pico_usd: String,
    /// The part of it that is an estimate.
    pub estimated_pico_usd: String,
}

/// Calls whose cost is unknown for one reason.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UnknownCostView {
    /// As a call's `cost_unknown`.
    pub reason: String,
    /// How many.
    pub calls: u64,
}

/// The sums of the time before, of the same length.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PreviousView {
    /// From when: a whole number of days before, where the time asked for begins with a day.
    pub since_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// Sums by the same key, dearest first.
    pub rows: Vec<CostRowView>,
    /// The sum of all.
    pub total: CostRowView,
}

/// Costs over a time.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CostsView {
    /// From when, in whole quarters of an hour.
    pub since_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// Sums by the key asked for, dearest first; days in order.
    pub rows: Vec<CostRowView>,
    /// The sum of all.
    pub total: CostRowView,
    /// Why costs are not in the total; only reasons that there are.
    pub unknown: Vec<UnknownCostView>,
    /// The time before.
    pub previous: PreviousView,
    /// When the first call in the ledger began: of what was before nothing is known. `null` without
    /// any call.
    pub first_call_ms: Option<i64>,
    /// Steps of the chart without gaps, oldest first, to the end of the last day.
    pub steps: Vec<CostStepView>,
    /// How long they are.
    pub step: CostStep,
    /// Whether calls of the simulator are in the sums.
    pub simulated: bool,
}

/// One program.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProgramView {
    /// The readable name; `null` for calls whose caller could not be found.
    pub program: Option<String>,
    /// The executable last seen.
    pub exe: Option<String>,
    /// Process ids last seen, newest first.
    pub pids: Vec<u32>,
    /// Projects it worked in.
    pub projects: Vec<String>,
    /// Calls.
    pub calls: u64,
    /// Calls under way.
    pub live: u64,
    /// Calls that failed or answered with an error status.
    pub failed: u64,
    /// Calls whose cost is unknown: they are not in the cost.
    pub unknown_cost: u64,
    /// Calls that used tokens nobody counted: they are not in the usage.
    pub unknown_usage: u64,
    /// Calls whose tokens the gateway counted itself, as far as it could: an estimate.
    pub counted_usage: u64,
    /// Known cost in pico-dollars.
    pub cost_pico_usd: String,
    /// The part of it that is an estimate.
    pub estimated_pico_usd: String,
    /// Tokens, as far as known; `null` when no call's are.
    pub usage: UsageView,
    /// First call.
    pub first_seen_ms: Option<i64>,
    /// Last call.
    pub last_seen_ms: Option<i64>,
    /// Packets of its flows that are known now, whatever the time asked for; `null` without the
    /// helper.
    pub packets: Option<u64>,
    /// Bytes of these packets; `null` without the helper.
    pub bytes: Option<u64>,
}

/// Whether the helper works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HelperState {
    /// It is connected and capturing.
    Connected,
    /// There is none: callers are found by `sock_diag` and `/proc`, and there are no packets.
    Absent,
    /// It was there and is gone, or refused.
    Failed,
}

/// One eBPF program of the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    /// Its name.
    pub name: String,
    /// Whether it is attached.
    pub attached: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// The helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HelperView {
    /// Whether it works.
    pub state: HelperState,
    /// Why not, and what to do, in one sentence.
    pub reason: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// SHA-256 of its eBPF object, in hexadecimal.
    pub object_sha256: Option<String>,
    /// Its programs.
    pub probes: Vec<ProbeView>,
    /// What each loaded program costs.
    pub programs: Vec<ProgramCostView>,
}

/// What an eBPF program costs, by the kernel's own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgramCostView {
    /// Its name.
    pub name: String,
    /// Instructions that the verifier walked; `null` on kernels that do not tell.
    pub verified_instructions: Option<u32>,
    /// How often it ran; `null` while the kernel does not measure (`kernel.bpf_stats_enabled`).
    pub runs: Option<u64>,
    /// The time spent in it; `null` as above.
    pub run_time_ns: Option<u64>,
}

/// What the capture did with every packet: `seen = filtered + ring_full + copy_failed + delivered`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CaptureView {
    /// Whether the capture is paused by the user.
    pub paused: bool,
    /// Packets that the kernel programs saw.
    pub seen: u64,
    /// Packets that are not of interest, counted only.
    pub filtered: u64,
    /// Packets lost because the kernel's ring was full.
    pub ring_full: u64,
    /// Packets lost because the kernel could not copy them.
    pub copy_failed: u64,
    /// Packets handed to the helper.
    pub delivered: u64,
    /// Of them, those copied shorter than asked because the ring was filling up.
    pub shortened: u64,
    /// Packets that the helper dropped because this program read too slowly.
    pub reader_slow: u64,
    /// Events other than packets (owners, connections, processes) lost in the kernel's ring or to a
    /// slow reader.
    pub events_lost: u64,
    /// Sockets that could not be remembered, and names or arguments that could not be read.
    pub incomplete: u64,
    /// Packets kept in memory now.
    pub kept: u64,
    /// At most so many are kept.
    pub kept_max: u64,
}

/// The whole of what the header and the tray show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// This program's version.
    pub version: String,
    /// Whether the gateway serves.
    pub on: bool,
    /// The address it serves on; `null` when off.
    pub listen: Option<String>,
    /// The address it serves on, or will when it is turned on.
    pub address: String,
    /// Whether the built-in simulator stands in for the providers.
    pub simulated: bool,
    /// Known cost since local midnight, in pico-dollars; like the next three, `null` when the
    /// ledger cannot be read.
    pub today_cost_pico_usd: Option<String>,
    /// The part of it that is an estimate.
    pub today_estimated_pico_usd: Option<String>,
    /// Calls since local midnight.
    pub today_calls: Option<u64>,
    /// Of them, calls whose cost is unknown.
    pub today_unknown_cost: Option<u64>,
    /// Calls under way.
    pub live_calls: u64,
    /// The helper.
    pub helper: HelperView,
    /// The capture.
    pub capture: CaptureView,
    /// Calls that could not be written to the ledger since the start.
    pub ledger_lost: u64,
    /// The path of the configuration file, which need not exist.
    pub configuration_file: String,
    /// Why the configuration file is not followed as it stands; `null` when it is.
    pub configuration_problem: Option<String>,
}

/// One finding of `tollgate doctor`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// What was checked.
    pub name: String,
    /// `ok`, `warning` or `error`.
    pub level: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// An event of the live stream.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EventView {
    /// A call began, moved on or was settled: the newest state replaces what was known of its id.
    Call {
        /// The call.
        call: Box<CallView>,
    },
    /// Packets were captured (only when asked for, in batches).
    Packets {
        /// Which capture they are of; see `PacketPage`.
        capture: u64,
        /// The packets, oldest first.
        packets: Vec<PacketView>,
        /// How many were left out of this batch because too many arrived.
        skipped: u64,
    },
    /// The status changed.
    Status {
        /// The status.
        status: Box<StatusView>,
    },
    /// Part of a budget is spent, or it stopped a call for the first time in its period.
    Budget {
        /// What happened.
        news: Box<BudgetNewsView>,
    },
    /// Events were lost because the reader was too slow: fetch again.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// An error of the admin API.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorView {
    /// What went wrong.
    pub message: String,
}
