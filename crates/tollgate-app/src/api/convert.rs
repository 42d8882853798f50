//! From the inner rooms' types to what the admin API says.

use tollgate_core::{
    Call, Caller, PicoUsd, UnixMs, Usage,
    call::{CostUnknown, Outcome, Timing},
    caller::CallerSource,
    cost::{CostKind, CostLine},
    price::PriceRow,
};
use tollgate_flows::{
    packet::{
        layer::{Field, Layer},
        tls,
    },
    row::{EndRow, FlowRow, PacketRow, Toward},
};
use tollgate_gateway::LiveCall;
use tollgate_ledger::{Excerpt, Sums, TokenSums, UnknownCosts};
use tollgate_wire::{
    conversation::{Conversation, Part, Role},
    error_name,
};

use super::view::{
    AncestorView, CallState, CallView, CallerDetail, CallerView, ConversationView, CostLineView,
    CostRowView, ExcerptPieceView, FieldView, FlowView, LayerView, MessageView, PacketView,
    ParamView, PartView, PriceView, TimingView, UnknownCostView, UsageView,
};

/// Money as the API says it: whole pico-dollars.
#[must_use]
pub fn money(amount: PicoUsd) -> String {
    amount.0.to_string()
}

/// Sums of tokens; unknown where nobody counted any.
fn usage_of(sums: &Sums) -> UsageView {
    let it = &sums.tokens;
    if sums.unknown_usage_calls > 0 && *it == TokenSums::default() {
        return UsageView::default();
    }
    UsageView {
        input: Some(it.input),
        cache_read: Some(it.cache_read),
        cache_write_5m: Some(it.cache_write_5m),
        cache_write_1h: Some(it.cache_write_1h),
        output: Some(it.output),
        reasoning: Some(it.reasoning),
        input_audio: Some(it.input_audio),
        output_audio: Some(it.output_audio),
        web_searches: Some(it.web_searches),
        input_image: Some(it.input_image),
        output_image: Some(it.output_image),
        file_searches: Some(it.file_searches),
    }
}

/// Sums of calls with one key.
#[must_use]
pub fn cost_row(key: Option<String>, sums: &Sums) -> CostRowView {
    CostRowView {
        key,
        calls: sums.calls,
        failed: sums.failed_calls,
        unknown_cost: sums.unknown_costs.calls(),
        unknown_usage: sums.unknown_usage_calls,
        counted_usage: sums.counted_calls,
        cost_pico_usd: money(sums.cost),
        estimated_pico_usd: money(sums.estimated),
        cached_calls: sums.cached_calls,
        saved_pico_usd: money(sums.saved),
        unknown_saved: sums.unknown_saved_calls,
        usage: usage_of(sums),
    }
}

/// Why costs are unknown, with how many calls; only reasons that there are.
#[must_use]
pub fn unknown_costs(unknown: &UnknownCosts) -> Vec<UnknownCostView> {
    let there = unknown.by_reason().into_iter().filter(|(_, calls)| *calls > 0);
    let view = |(why, calls)| UnknownCostView { reason: cost_unknown(why).to_owned(), calls };
    there.map(view).collect()
}

/// The reason that is called so.
pub(super) fn parse_cost_unknown(name: &str) -> Option<CostUnknown> {
    let reasons = UnknownCosts::default().by_reason().map(|(why, _)| why);
    reasons.into_iter().find(|it| cost_unknown(*it) == name)
}

/// What the reasons are called.
pub(super) fn cost_unknown_names() -> [&'static str; 6] {
    UnknownCosts::default().by_reason().map(|(why, _)| cost_unknown(why))
}

impl From<&Usage> for UsageView {
    fn from(it: &Usage) -> Self {
        Self {
            input: it.input,
            cache_read: it.cache_read,
            cache_write_5m: it.cache_write_5m,
            cache_write_1h: it.cache_write_1h,
            output: it.output,
            reasoning: it.reasoning,
            input_audio: it.input_audio,
            output_audio: it.output_audio,
            web_searches: it.web_searches,
            input_image: it.input_image,
            output_image: it.output_image,
            file_searches: it.file_searches,
        }
    }
}

impl From<&Caller> for CallerView {
    fn from(it: &Caller) -> Self {
        Self {
            pid: it.process.pid,
            program: it.program.clone(),
            project: it.project.as_ref().map(|it| it.name.clone()),
            user: it.user.clone(),
        }
    }
}

impl From<&Caller> for CallerDetail {
    fn from(it: &Caller) -> Self {
        let ancestor = |it: &tollgate_core::caller::Ancestor| AncestorView {
            pid: it.pid,
            program: it.program.clone(),
        };
        Self {
            pid: it.process.pid,
            program: it.program.clone(),
            exe: it.exe.clone(),
            argv: it.argv.clone(),
            cwd: it.cwd.clone(),
            uid: it.uid,
            user: it.user.clone(),
            ancestors: it.ancestors.iter().map(ancestor).collect(),
            cgroup: it.cgroup.clone(),
            project: it.project.as_ref().map(|it| it.name.clone()),
            project_root: it.project.as_ref().map(|it| it.root.clone()),
            source: match it.source {
                CallerSource::Helper => "helper",
                CallerSource::SockDiag => "sock-diag",
            }
            .to_owned(),
        }
    }
}

impl From<&Call> for CallView {
    fn from(it: &Call) -> Self {
        Self {
            id: it.id.to_string(),
            started_at_ms: it.started_at_ms.0,
            state: match it.outcome {
                Outcome::Finished => CallState::Finished,
                Outcome::Failed => CallState::Failed,
                Outcome::Cancelled => CallState::Cancelled,
            },
            caller: it.caller.as_ref().map(CallerView::from),
            key: it.key.clone(),
            provider: it.provider.clone(),
            simulated: it.simulated,
            format: it.format.map(|it| it.to_string()),
            operation: it.operation.as_str().to_owned(),
            method: it.method.clone(),
            path: it.path.clone(),
            model_asked: it.model_asked.clone(),
            model_served: it.model_served.clone(),
            retries: Some(it.retries),
            streaming: it.streaming,
            status: it.status,
            error_code: it.error_code.map(|it| error_name(it).to_owned()),
            error_message: it.error_message.clone(),
            stop_reason: it.stop_reason.clone(),
            usage: UsageView::from(&it.usage),
            usage_counted: it.usage_counted,
            from_cache: it.cached,
            saved_pico_usd: it.saved.map(money),
            service_tier: it.service_tier.map(|it| it.as_str().to_owned()),
            cost_pico_usd: it.cost.map(money),
            cost_unknown: it.cost_unknown.map(|it| cost_unknown(it).to_owned()),
            first_byte_us: it.timing.first_byte_us,
            duration_us: it.timing.finished_us,
            request_bytes: it.request_bytes,
            response_bytes: Some(it.response_bytes),
            excerpt: None,
        }
    }
}

/// Where what was looked for stands.
pub(super) fn excerpt(it: Excerpt) -> Vec<ExcerptPieceView> {
    let piece =
        |it: tollgate_ledger::ExcerptPiece| ExcerptPieceView { text: it.text, found: it.found };
    it.pieces.into_iter().map(piece).collect()
}

/// A call under way, as far as it is known at `now`.
#[must_use]
pub fn live_call(it: &LiveCall, now: UnixMs) -> CallView {
    let so_far_ms = u64::try_from(now.0.saturating_sub(it.started_at_ms.0)).unwrap_or_default();
    CallView {
        id: it.id.to_string(),
        started_at_ms: it.started_at_ms.0,
        state: CallState::Live,
        caller: it.caller.as_deref().map(CallerView::from),
        key: it.key.as_deref().map(str::to_owned),
        provider: it.provider.as_deref().map(str::to_owned),
        simulated: it.simulated,
        format: it.format.map(|it| it.to_string()),
        operation: it.operation.as_str().to_owned(),
        method: it.method.to_string(),
        path: it.path.to_string(),
        model_asked: it.model_asked.as_deref().map(str::to_owned),
        model_served: None,
        retries: None,
        streaming: it.streaming,
        status: it.status,
        error_code: it.error_code.map(|it| error_name(it).to_owned()),
        error_message: None,
        stop_reason: None,
        usage: UsageView::default(),
        usage_counted: false,
        from_cache: false,
        saved_pico_usd: None,
        service_tier: None,
        cost_pico_usd: None,
        cost_unknown: None,
        first_byte_us: it.headers_us,
        duration_us: so_far_ms.saturating_mul(1000),
        request_bytes: it.request_bytes,
        response_bytes: None,
        excerpt: None,
    }
}

impl From<&Timing> for TimingView {
    fn from(it: &Timing) -> Self {
        Self {
            received_us: it.received_us,
            connected_us: it.connected_us,
            connect_took_us: it.connect_took_us,
            headers_us: it.headers_us,
            first_byte_us: it.first_byte_us,
            first_token_us: it.first_token_us,
            finished_us: it.finished_us,
        }
    }
}

impl From<&CostLine> for CostLineView {
    fn from(it: &CostLine) -> Self {
        Self {
            kind: cost_kind(it.kind).to_owned(),
            count: it.count,
            rate_pico_usd: money(it.rate),
            amount_pico_usd: money(it.amount),
        }
    }
}

impl From<&PriceRow> for PriceView {
    fn from(it: &PriceRow) -> Self {
        Self {
            id: it.id.clone(),
            model: it.model.clone(),
            source: it.source.clone(),
            checked_on: it.checked_on.clone(),
        }
    }
}

impl From<Conversation> for ConversationView {
    fn from(it: Conversation) -> Self {
        let messages = it.messages.into_iter().map(|it| MessageView {
            role: match it.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            }
            .to_owned(),
            parts: it.parts.into_iter().map(PartView::from).collect(),
        });
        let params = it.params.into_iter().map(|(name, value)| ParamView {
            name,
            value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        });
        Self {
            messages: messages.collect(),
            answers: it.answers,
            tools: it.tools,
            params: params.collect(),
            cut: it.cut,
        }
    }
}

impl From<Part> for PartView {
    fn from(it: Part) -> Self {
        match it {
            Part::Text { text } => Self::Text { text },
            Part::Thinking { text } => Self::Thinking { text },
            Part::ToolCall { id, name, arguments } => Self::ToolCall { id, name, arguments },
            Part::ToolResult { id, name, text, is_error } => {
                Self::ToolResult { id, name, text, is_error }
            }
            Part::Image { media_type, bytes, url } => Self::Image { media_type, bytes, url },
            Part::Document { media_type, bytes, name } => {
                Self::Document { media_type, bytes, name }
            }
            Part::Other { of, json } => Self::Other { of, json },
        }
    }
}

/// A packet's line; `boot_to_unix_us` is added to its time.
#[must_use]
pub fn packet(it: &PacketRow, boot_to_unix_us: i64) -> PacketView {
    PacketView {
        seq: it.seq,
        at_us: i64::try_from(it.at_us_boot).unwrap_or(i64::MAX).saturating_add(boot_to_unix_us),
        direction: it.direction.as_str().to_owned(),
        toward: match it.toward {
            Toward::Server => "server",
            Toward::Client => "client",
        }
        .to_owned(),
        leg: it.leg.as_str().to_owned(),
        src: it.src.clone(),
        dst: it.dst.clone(),
        protocol: it.protocol.as_str().to_uppercase(),
        length: it.length,
        info: it.info.clone(),
        program: it.program.clone(),
        pid: it.pid,
        call: it.call.map(|it| it.to_string()),
        flow: it.flow.0,
        host: it.host.clone(),
    }
}

impl From<&Layer> for LayerView {
    fn from(it: &Layer) -> Self {
        let field = |it: &Field| FieldView {
            name: it.name.to_string(),
            value: it.value.clone(),
            range: it.range.as_ref().map(|it| (it.start, it.end)),
        };
        Self {
            name: it.name.to_owned(),
            summary: it.summary.clone(),
            fields: it.fields.iter().map(field).collect(),
        }
    }
}

/// A flow's line, seen from the side that connected; `boot_to_unix_us` is added to its times.
#[must_use]
pub fn flow(it: &FlowRow, boot_to_unix_us: i64) -> FlowView {
    let micros =
        |ns: u64| i64::try_from(ns / 1000).unwrap_or(i64::MAX).saturating_add(boot_to_unix_us);
    let owner = it.client.owner.as_ref().or(it.server.owner.as_ref());
    let ends = [&it.client, &it.server];
    let sum = |of: fn(&EndRow) -> u64| ends.iter().map(|it| of(it)).sum();
    let sent_again: Vec<u64> = ends.iter().filter_map(|it| it.retransmits).collect();
    FlowView {
        id: it.id.0,
        leg: it.leg.as_str().to_owned(),
        protocol: it.transport.as_str().to_uppercase(),
        local: it.client.addr.to_string(),
        remote: it.server.addr.to_string(),
        host: it.host.clone(),
        program: owner.map(|it| it.program.clone()),
        pid: owner.map(|it| it.process.pid),
        packets_out: it.client.packets_sent,
        packets_in: it.server.packets_sent,
        bytes_out: it.client.bytes_sent,
        bytes_in: it.server.bytes_sent,
        handshake_us: it.handshake_us,
        srtt_us: it.client.srtt_us.or(it.server.srtt_us).map(u64::from),
        rtt_min_us: it.client.rtt_min_us.or(it.server.rtt_min_us),
        retransmits: (!sent_again.is_empty()).then(|| sent_again.iter().sum()),
        repeats: sum(|it| it.repeats_seen),
        bytes_missing: sum(|it| it.bytes_missing),
        resets: sum(|it| it.resets_sent),
        stalls: sum(|it| it.stalls),
        stalled_us: sum(|it| it.stalled_us),
        dns_us: it.dns_us,
        tls_us: it.tls_us,
        first_byte_us: it.first_byte_us,
        answer_gap_mean_us: it.answer_gap_mean_us,
        answer_gap_max_us: it.answer_gap_max_us,
        tls_version: it.tls.as_ref().map(|it| tls::version_name(it.version)),
        tls_cipher: it.tls.as_ref().map(|it| tls::cipher_name(it.cipher)),
        alpn: it.alpn.clone(),
        ja4: it.ja4.clone(),
        first_at_us: micros(it.first_at_ns),
        last_at_us: micros(it.last_at_ns),
        closed: it.closed_at_ns.is_some(),
    }
}

const fn cost_unknown(why: CostUnknown) -> &'static str {
    match why {
        CostUnknown::NoPrice => "no-price",
        CostUnknown::NoUsage => "no-usage",
        CostUnknown::KindNotPriced => "kind-not-priced",
        CostUnknown::FeeNotTold => "fee-not-told",
        CostUnknown::TierNotPriced => "tier-not-priced",
        CostUnknown::OutOfRange => "out-of-range",
    }
}

const fn cost_kind(kind: CostKind) -> &'static str {
    match kind {
        CostKind::Input => "input",
        CostKind::CacheRead => "cache-read",
        CostKind::CacheWrite5m => "cache-write-5m",
        CostKind::CacheWrite1h => "cache-write-1h",
        CostKind::Output => "output",
        CostKind::Reasoning => "reasoning",
        CostKind::InputAudio => "input-audio",
        CostKind::OutputAudio => "output-audio",
        CostKind::InputImage => "input-image",
        CostKind::OutputImage => "output-image",
        CostKind::FileSearch => "file-search",
        CostKind::Request => "request",
        CostKind::WebSearch => "web-search",
    }
}

#[cfg(test)]
mod tests {
    use tollgate_ledger::{Sums, TokenSums};

    use super::cost_row;

    #[test]
    fn a_sum_of_nothing_known_is_unknown() {
        let uncounted = Sums { calls: 2, unknown_usage_calls: 2, ..Sums::default() };
        assert_eq!(cost_row(None, &uncounted).usage.input, None);

        let tokens = TokenSums { input: 5, ..TokenSums::default() };
        let partly = cost_row(None, &Sums { tokens, ..uncounted });
        assert_eq!((partly.usage.input, partly.usage.output), (Some(5), Some(0)));
        assert_eq!(partly.unknown_usage, 2);

        let failed = Sums { calls: 1, failed_calls: 1, ..Sums::default() };
        assert_eq!(cost_row(None, &failed).usage.input, Some(0));
    }
}
