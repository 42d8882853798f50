//! What other gateways bill wrong, each as its own case with the figures of the report: from the
//! bytes on the wire to the bill. `billed` is what the provider charged, `reported` what the other
//! gateway said; both in dollars.
//!
//! Tested elsewhere: usage that is not sent unless it is asked for (`tests/it/gateway/exact.rs`), a
//! model without a price (`tests/it/gateway/ledger.rs`), a call that is handed to the ledger twice
//! (`tollgate-ledger`, `tests/it/writing.rs`).

use tollgate_core::{
    UnixMs,
    call::CostUnknown,
    cost::{self, Cost, CostKind},
    price::PriceBook,
};

use super::*;

/// 2026-11-23, 02:30 UTC.
const TODAY: UnixMs = UnixMs(1_795_401_000_000);

fn read(format: Format, is_stream: bool, body: &str) -> Report {
    let mut tap = Tap::new(TapConfig {
        format,
        operation: Operation::Generate,
        posted: true,
        status: 200,
        content_type: Some(if is_stream { "text/event-stream" } else { "application/json" }),
        content_encoding: None,
    });
    tap.push(body.as_bytes());
    tap.finish(End::Complete)
}

fn bill(provider: &str, report: &Report) -> Result<Cost, CostUnknown> {
    let book = PriceBook::embedded().unwrap();
    let row = book.find(provider, report.model_served.as_deref().unwrap(), TODAY).unwrap();
    cost::price(&report.usage, report.service_tier, row)
}

fn check(provider: &str, report: &Report, billed: &str, reported: &str) {
    let total = bill(provider, report).map(|it| it.total.to_string());
    assert_eq!(total.as_deref(), Ok(billed), "{:?}", report.usage);
    assert_ne!(billed, reported);
}

fn count(cost: &Cost, kind: CostKind) -> u64 {
    cost.lines.iter().filter(|it| it.kind == kind).map(|it| it.count).sum()
}

fn anthropic(model: &str, usage: &str) -> Report {
    let body = format!(
        r#"{{"type":"message","model":"{model}","stop_reason":"end_turn","content":[],"usage":{usage}}}"#
    );
    read(Format::AnthropicMessages, false, &body)
}

/// A stream whose first event says `begun` and whose last says `ended`.
fn anthropic_stream(model: &str, begun: &str, ended: &str) -> Report {
    let body = format!(
        "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"model\":\"{model}\",\"usage\":{begun}}}}}\n\n\
         event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"a\"}}}}\n\n\
         event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},\"usage\":{ended}}}\n\n\
         event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
    );
    read(Format::AnthropicMessages, true, &body)
}

/// BerriAI/litellm #9812: tokens written to the cache were billed as input too.
#[test]
fn anthropic_cache_writes_are_not_billed_as_input_too() {
    let report = anthropic(
        "claude-3-7-sonnet-20250219",
        r#"{"input_tokens":3,"cache_creation_input_tokens":12304,"cache_read_input_tokens":0,"output_tokens":550}"#,
    );
    check("anthropic", &report, "$0.054399", "$0.091311");
}

/// BerriAI/litellm #11364: all three kinds of prompt tokens in one call.
#[test]
fn anthropic_cache_reads_and_writes_are_each_billed_at_their_own_rate() {
    let report = anthropic(
        "claude-opus-4-5-20251101",
        r#"{"input_tokens":10,"cache_creation_input_tokens":32435,"cache_read_input_tokens":66360,
            "output_tokens":5120,"output_tokens_details":{"thinking_tokens":1710}}"#,
    );
    // 10 × $5 + 32,435 × $6.25 + 66,360 × $0.50 + 5,120 × $25, per million.
    check("anthropic", &report, "$0.36394875", "$0.04708");
}

/// BerriAI/litellm #11789: in a stream alone, tokens read from the cache were billed as input.
#[test]
fn anthropic_cache_reads_of_a_stream_are_billed_as_reads() {
    let begun = r#"{"input_tokens":4,"cache_read_input_tokens":2455,"cache_creation_input_tokens":0,"output_tokens":1}"#;
    let report = anthropic_stream("claude-3-5-haiku-20241022", begun, r#"{"output_tokens":23}"#);
    check("anthropic", &report, "$0.0002916", "$0.002059");
}

/// maximhq/bifrost #3451: too much by exactly the cache writes at the rate of input.
#[test]
fn anthropic_cache_writes_of_a_stream_are_billed_once() {
    let begun = r#"{"input_tokens":6,"cache_creation_input_tokens":159217,"cache_read_input_tokens":0,
        "cache_creation":{"ephemeral_5m_input_tokens":159217,"ephemeral_1h_input_tokens":0},"output_tokens":1}"#;
    let begun = begun.replace('\n', " ");
    let ended = r#"{"input_tokens":6,"cache_creation_input_tokens":159217,"cache_read_input_tokens":0,"output_tokens":2745}"#;
    let report = anthropic_stream("claude-opus-4-7", &begun, ended);
    check("anthropic", &report, "$1.06376125", "$1.85984625");
}

/// BerriAI/litellm #42663: server tools write to the cache in every round, and the split by life
/// that comes with the first event knows the first round alone. 152,967 of 184,457 tokens were
/// billed at nothing.
#[test]
fn cache_writes_of_server_tools_are_billed_by_the_last_total() {
    let begun = r#"{"input_tokens":2000,"cache_read_input_tokens":9000,"cache_creation_input_tokens":31490,"cache_creation":{"ephemeral_5m_input_tokens":31490,"ephemeral_1h_input_tokens":0},"output_tokens":3}"#;
    let ended = r#"{"input_tokens":123201,"cache_read_input_tokens":426653,"cache_creation_input_tokens":184457,"output_tokens":100,"server_tool_use":{"web_search_requests":5}}"#;
    let cost = bill("anthropic", &anthropic_stream("claude-opus-4-7", begun, ended)).unwrap();
    assert_eq!(count(&cost, CostKind::CacheWrite5m), 184_457);
    assert_eq!(count(&cost, CostKind::CacheRead), 426_653);
    assert_eq!(count(&cost, CostKind::Input), 123_201);
    assert_eq!(count(&cost, CostKind::WebSearch), 5);
    // 123,201 × $5 + 426,653 × $0.50 + 184,457 × $6.25 + 100 × $25 per million, and 5 × $0.01.
    assert_eq!(cost.total.to_string(), "$2.03468775");
}

/// BerriAI/litellm #31724: what is written for an hour costs twice the input, not 1.25 times.
#[test]
fn an_hours_cache_write_of_a_stream_is_billed_as_one() {
    let begun = r#"{"input_tokens":15,"cache_creation_input_tokens":4803,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":4803},"output_tokens":1}"#;
    let ended = r#"{"input_tokens":15,"cache_creation_input_tokens":4803,"output_tokens":47}"#;
    let cost = bill("anthropic", &anthropic_stream("claude-sonnet-4-6", begun, ended)).unwrap();
    assert_eq!(count(&cost, CostKind::CacheWrite1h), 4803);
    assert_eq!(count(&cost, CostKind::CacheWrite5m), 0);
    // 15 × $3 + 4,803 × $6 + 47 × $15, per million.
    assert_eq!(cost.total.to_string(), "$0.029568");
}

/// BerriAI/litellm #38065, #36083, #36168: the last chunk holds usage beside a choice, and the usage
/// was dropped: 16,111 prompt tokens became a guess, none of them cached.
#[test]
fn usage_beside_a_choice_in_the_last_chunk_is_read() {
    let chunk = |choices: &str, usage: &str| {
        format!("data: {{\"model\":\"deepseek-chat\",\"choices\":[{choices}]{usage}}}\n\n")
    };
    let usage = r#","usage":{"completion_tokens":2,"prompt_tokens":16111,"total_tokens":16113,"completion_tokens_details":{"reasoning_tokens":0},"prompt_tokens_details":{"cached_tokens":15872}}"#;
    let body = chunk(r#"{"index":0,"delta":{"content":"a"}}"#, "")
        + &chunk(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#, usage)
        + "data: [DONE]\n\n";
    let usage = read(Format::OpenaiChat, true, &body).usage;
    assert_eq!((usage.input, usage.cache_read), (Some(239), Some(15_872)));
    assert_eq!(usage.output, Some(2));
}

/// mnfst/llm-gateway #1758, ferro-labs/ai-gateway #281, mozilla-ai/otari #256: a stream without usage
/// was written down as no tokens and no dollars.
#[test]
fn a_stream_without_usage_is_unknown_and_not_free() {
    let chunk =
        |choice: &str| format!("data: {{\"model\":\"gpt-5-mini\",\"choices\":[{choice}]}}\n\n");
    let body = chunk(r#"{"index":0,"delta":{"content":"a"}}"#)
        + &chunk(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#)
        + "data: [DONE]\n\n";
    let report = read(Format::OpenaiChat, true, &body);
    assert!(report.usage.is_unknown());
    assert_eq!(bill("openai", &report), Err(CostUnknown::NoUsage));
}

/// vercel/ai #17326: a server that translates says a prompt of nothing in `message_start` and the
/// true one at the end.
#[test]
fn a_first_event_that_knows_nothing_does_not_make_the_prompt_free() {
    let begun = r#"{"input_tokens":0,"output_tokens":0}"#;
    let ended = r#"{"input_tokens":1200,"cache_read_input_tokens":800,"output_tokens":40}"#;
    let report = anthropic_stream("claude-haiku-4-5", begun, ended);
    // 1,200 × $1 + 800 × $0.10 + 40 × $5, per million.
    check("anthropic", &report, "$0.00148", "$0.00");
}

/// farion1231/cc-switch #6126, #6073: DeepSeek's own name for cached tokens was not known, and all of
/// the prompt billed as read afresh.
#[test]
fn deepseeks_cache_hits_are_billed_as_reads() {
    let body = r#"{"model":"deepseek-v4-flash","choices":[{"index":0,"finish_reason":"stop"}],"usage":{
        "prompt_tokens":100000,"completion_tokens":1000,"total_tokens":101000,
        "prompt_cache_hit_tokens":98000,"prompt_cache_miss_tokens":2000}}"#;
    let report = read(Format::OpenaiChat, false, body);
    assert_eq!((report.usage.input, report.usage.cache_read), (Some(2_000), Some(98_000)));
    // 2,000 × $0.30 + 98,000 × $0.006 + 1,000 × $1.20 per million, at a peak hour.
    check("deepseek", &report, "$0.002388", "$0.0312");
}

/// BerriAI/litellm #14849: Gemini's prompt includes what is cached; billed twice, $0.1849 became
/// $0.7642. The prompt is above 200,000 tokens, so that the dearer tier holds for all of it.
#[test]
fn geminis_cached_tokens_are_billed_once_and_by_the_tier_of_the_whole_prompt() {
    let body = r#"{"modelVersion":"gemini-2.5-pro","candidates":[{"index":0,"finishReason":"STOP"}],
        "usageMetadata":{"promptTokenCount":262960,"cachedContentTokenCount":257955,
        "candidatesTokenCount":1744,"totalTokenCount":264704}}"#;
    let cost = bill("google", &read(Format::Gemini, false, body)).unwrap();
    assert_eq!(count(&cost, CostKind::Input), 5_005);
    assert_eq!(count(&cost, CostKind::CacheRead), 257_955);
    // 5,005 × $2.50 + 257,955 × $0.25 + 1,744 × $15, per million.
    assert_eq!(cost.total.to_string(), "$0.10316125");
}

/// fazer-ai/agents #334, envoyproxy/ai-gateway #2259, #2438: thoughts stand beside Gemini's
/// candidates and were left out, though they are most of the bill.
#[test]
fn geminis_thoughts_are_billed_as_output() {
    let body = r#"{"modelVersion":"gemini-2.5-pro","candidates":[{"index":0,"finishReason":"STOP"}],
        "usageMetadata":{"promptTokenCount":1000,"candidatesTokenCount":50,"thoughtsTokenCount":2950,
        "totalTokenCount":4000}}"#;
    // 1,000 × $1.25 + 3,000 × $10, per million; without the thoughts it were $0.00175.
    check("google", &read(Format::Gemini, false, body), "$0.03125", "$0.00175");
}

/// CC Switch: "about half their billed cost", because the price table had no column for tiers.
#[test]
fn a_prompt_above_a_context_tier_is_billed_by_it() {
    let body = r#"{"model":"claude-sonnet-4-5","type":"message","stop_reason":"end_turn",
        "usage":{"input_tokens":250000,"output_tokens":1000}}"#;
    // 250,000 × $6 + 1,000 × $22.50 per million; without the tier it were $0.765.
    check("anthropic", &read(Format::AnthropicMessages, false, body), "$1.5225", "$0.765");
}

/// lmstudio-bug-tracker #2390, #778: a server that says nothing of cached tokens has not said none.
#[test]
fn cached_tokens_that_are_not_told_are_unknown() {
    let body = r#"{"model":"qwen3","choices":[{"index":0,"finish_reason":"stop"}],
        "usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#;
    let usage = read(Format::OpenaiChat, false, body).usage;
    assert_eq!((usage.input, usage.output), (Some(10), Some(5)));
    assert_eq!((usage.cache_read, usage.reasoning), (None, None));
}

/// maximhq/bifrost #904: 1,188,096 cached tokens billed as read afresh made $1.68 of $0.34.
#[test]
fn openais_cached_tokens_are_taken_out_of_the_prompt() {
    let body = r#"{"model":"gpt-5-2025-08-07","choices":[{"index":0,"finish_reason":"stop"}],"usage":{
        "prompt_tokens":1239328,"completion_tokens":12909,"total_tokens":1252237,
        "prompt_tokens_details":{"cached_tokens":1188096}}}"#;
    // 51,232 × $1.25 + 1,188,096 × $0.125 + 12,909 × $10, per million.
    check("openai", &read(Format::OpenaiChat, false, body), "$0.341642", "$1.68");
}
