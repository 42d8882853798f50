use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::{UnixMs, price::PriceBook, price::Tier};

fn row(rates: Rates) -> PriceRow {
    PriceRow {
        id: "test".to_owned(),
        provider: "p".to_owned(),
        model: "m".to_owned(),
        valid_from: None,
        valid_until: None,
        daily: None,
        source: "test".to_owned(),
        checked_on: "2026-11-23".to_owned(),
        rates,
        tiers: Vec::new(),
        services: BTreeMap::new(),
    }
}

fn price(usage: &Usage, row: &PriceRow) -> Result<Cost, CostUnknown> {
    super::price(usage, None, row)
}

fn embedded(provider: &str, model: &str) -> PriceRow {
    let book = PriceBook::embedded().unwrap();
    book.find(provider, model, UnixMs(1_795_392_000_000)).unwrap().clone()
}

/// litellm #9812, #11789, bifrost #3451: Anthropic's cache tokens were billed at their own rate and
/// once more as input.
#[test]
fn cached_tokens_are_billed_once_and_at_their_own_rate() {
    let usage = Usage {
        input: Some(12),
        cache_read: Some(20_000),
        cache_write_5m: Some(3_000),
        cache_write_1h: Some(1_000),
        output: Some(500),
        ..Usage::default()
    };
    let cost = price(&usage, &embedded("anthropic", "claude-sonnet-4-5-20250929")).unwrap();
    let dollars = |micro: i64| PicoUsd(micro * 1_000_000);
    // 12 × $3 + 20,000 × $0.30 + 3,000 × $3.75 + 1,000 × $6 + 500 × $15, per million.
    assert_eq!(cost.total, dollars(36 + 6_000 + 11_250 + 6_000 + 7_500));
    let lines: Vec<_> = cost.lines.iter().map(|it| (it.kind, it.count)).collect();
    assert_eq!(
        lines,
        [
            (CostKind::Input, 12),
            (CostKind::CacheRead, 20_000),
            (CostKind::CacheWrite5m, 3_000),
            (CostKind::CacheWrite1h, 1_000),
            (CostKind::Output, 500),
        ]
    );
}

/// CC Switch: prompts above a context tier "read about half their billed cost" without tiers. The
/// tier counts cached tokens too, and prices the whole call.
#[test]
fn a_long_prompt_is_billed_by_its_tier_even_when_most_of_it_is_cached() {
    let row = embedded("anthropic", "claude-sonnet-4-5");
    let usage = |cache_read| Usage {
        input: Some(1_000),
        cache_read: Some(cache_read),
        output: Some(10),
        ..Usage::default()
    };
    let dollars = |micro: i64| PicoUsd(micro * 1_000_000);
    assert_eq!(price(&usage(199_000), &row).unwrap().total, dollars(3_000 + 59_700 + 150));
    let above = price(&usage(199_001), &row).unwrap().total;
    assert_eq!(above, PicoUsd(6_000_000 * 1_000 + 600_000 * 199_001 + 22_500_000 * 10));
}

#[test]
fn what_is_not_known_or_not_priced_is_never_free() {
    let rates = Rates { input: Some(PicoUsd(1)), output: Some(PicoUsd(2)), ..Rates::default() };
    let some = Usage { input: Some(1), output: Some(1), ..Usage::default() };
    let check = |usage: Usage, rates: Rates, expected: Result<i64, CostUnknown>| {
        assert_eq!(price(&usage, &row(rates)).map(|it| it.total.0), expected, "{usage:?}");
    };
    check(some, rates, Ok(3));
    check(Usage::default(), rates, Err(CostUnknown::NoUsage));
    check(Usage { input: None, ..some }, rates, Err(CostUnknown::NoUsage));
    check(Usage { output: None, ..some }, rates, Err(CostUnknown::NoUsage));
    check(Usage { cache_read: Some(1), ..some }, rates, Err(CostUnknown::KindNotPriced));
    check(Usage { cache_read: Some(0), ..some }, rates, Ok(3));
    check(Usage { cache_write_1h: Some(1), ..some }, rates, Err(CostUnknown::KindNotPriced));
    check(Usage { web_searches: Some(1), ..some }, rates, Err(CostUnknown::KindNotPriced));
    check(Usage { input: Some(u64::MAX), ..some }, rates, Err(CostUnknown::OutOfRange));
    // Embeddings generate nothing and say nothing about it.
    let embeddings = Rates { output: None, ..rates };
    check(Usage { output: None, ..some }, embeddings, Ok(1));
    check(some, embeddings, Err(CostUnknown::KindNotPriced));
    // Free is free, however much was used.
    let free = Rates { input: Some(PicoUsd(0)), output: Some(PicoUsd(0)), ..Rates::default() };
    check(Usage { output: None, ..some }, free, Ok(0));
    let fee = Rates { request: Some(PicoUsd(5)), ..rates };
    check(some, fee, Ok(8));
}

#[test]
fn parts_are_taken_out_of_their_whole_where_they_have_a_price() {
    let usage = Usage {
        input: Some(10),
        input_audio: Some(4),
        output: Some(10),
        reasoning: Some(3),
        output_audio: Some(2),
        ..Usage::default()
    };
    let whole = Rates { input: Some(PicoUsd(1)), output: Some(PicoUsd(1)), ..Rates::default() };
    let apart = Rates {
        input_audio: Some(PicoUsd(10)),
        reasoning: Some(PicoUsd(100)),
        output_audio: Some(PicoUsd(1_000)),
        ..whole
    };
    let text = Usage { input_audio: Some(0), output_audio: None, ..usage };
    assert_eq!(price(&text, &row(whole)).unwrap().total, PicoUsd(20));
    for audio in [Usage { input_audio: Some(1), ..text }, Usage { output_audio: Some(1), ..text }] {
        assert_eq!(price(&audio, &row(whole)), Err(CostUnknown::KindNotPriced));
    }
    assert_eq!(price(&usage, &row(apart)).unwrap().total, PicoUsd(6 + 40 + 5 + 300 + 2_000));
    let absurd = Usage { reasoning: Some(u64::MAX), input_audio: Some(u64::MAX), ..usage };
    assert_eq!(price(&absurd, &row(apart)).unwrap().total, PicoUsd(100 + 800 + 2_000));
    let cached = Usage { cache_read: Some(1), ..usage };
    let dearer =
        Rates { cache_read: Some(PicoUsd(1)), cache_read_audio: Some(PicoUsd(2)), ..whole };
    assert_eq!(price(&cached, &row(dearer)), Err(CostUnknown::KindNotPriced));
}

/// Flex costs half at OpenAI; billing it as standard is twice too much.
#[test]
fn a_call_is_billed_at_the_rates_of_its_service_tier() {
    let usage = Usage { input: Some(1_000), output: Some(100), ..Usage::default() };
    let row = embedded("openai", "gpt-5-mini");
    let check = |service: Option<ServiceTier>, micro: Result<i64, CostUnknown>| {
        let total = super::price(&usage, service, &row).map(|it| it.total);
        assert_eq!(total, micro.map(|it| PicoUsd(it * 1_000_000)), "{service:?}");
    };
    check(None, Ok(450));
    check(Some(ServiceTier::Standard), Ok(450));
    check(Some(ServiceTier::Flex), Ok(225));
    check(Some(ServiceTier::Batch), Ok(225));
    check(Some(ServiceTier::Priority), Ok(810));
    check(Some(ServiceTier::Other), Err(CostUnknown::TierNotPriced));
}

/// gpt-4o-audio-preview's audio costs sixteen times its text, and its row knows text alone.
#[test]
fn audio_is_never_billed_as_text() {
    let usage = Usage { input: Some(9), output: Some(9), ..Usage::default() };
    let row = embedded("openai", "gpt-4o-audio-preview-2025-06-03");
    assert!(price(&usage, &row).is_ok());
    let spoken = Usage { output_audio: Some(8), ..usage };
    assert_eq!(price(&spoken, &row), Err(CostUnknown::KindNotPriced));
    let heard = Usage { input_audio: Some(8), ..usage };
    let row = embedded("google", "gemini-2.5-pro");
    assert_eq!(price(&heard, &row).map(|it| it.total), price(&usage, &row).map(|it| it.total));
}

/// Pictures in a prompt cost what its text does, unless they have a price of their own; pictures
/// that are made never do: gemini-2.5-flash-image's cost twelve times its text.
#[test]
fn pictures_and_searches_of_files_are_billed_at_their_own_price() {
    let drawn = Usage {
        input: Some(300),
        input_image: Some(258),
        output: Some(1_300),
        output_image: Some(1_290),
        ..Usage::default()
    };
    let dollars = |micro: i64| Ok(PicoUsd(micro * 1_000_000));
    let check = |usage: &Usage, row: &PriceRow, total: Result<PicoUsd, CostUnknown>| {
        assert_eq!(price(usage, row).map(|it| it.total), total, "{}", row.model);
    };
    let row = embedded("google", "gemini-2.5-flash-image");
    // 300 × $0.30 + 10 × $2.50 + 1,290 × $30, per million.
    check(&drawn, &row, dollars(90 + 25 + 38_700));
    let text = embedded("openai", "gpt-5-mini");
    check(&drawn, &text, Err(CostUnknown::KindNotPriced));
    let seen = Usage { output_image: None, ..drawn };
    // 300 × $0.25 + 1,300 × $2, per million.
    check(&seen, &text, dollars(75 + 2_600));
    check(&seen, &row, Err(CostUnknown::KindNotPriced));
    let row = embedded("openai", "gpt-image-1");
    let made = Usage { output: Some(1_056), output_image: Some(1_056), ..drawn };
    // 42 × $5 + 258 × $10 + 1,056 × $40, per million.
    check(&made, &row, dollars(210 + 2_580 + 42_240));
    // All that it makes are pictures, said or not.
    check(&Usage { output_image: None, ..made }, &row, dollars(210 + 2_580 + 42_240));
    // Which of the cached tokens were the picture's is not told, and they differ in price.
    check(&Usage { cache_read: Some(9), ..made }, &row, Err(CostUnknown::KindNotPriced));
    let searched = Usage { input: Some(0), output: Some(0), file_searches: Some(2), ..seen };
    check(&Usage { input_image: None, ..searched }, &embedded("openai", "gpt-4.1"), dollars(5_000));
    check(&searched, &embedded("anthropic", "claude-opus-4-5"), Err(CostUnknown::KindNotPriced));
}

#[derive(Deserialize)]
struct Oracle {
    provider: String,
    model: String,
    at_ms: i64,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
struct Rest {
    usage: BTreeMap<String, u64>,
    total: i64,
}

/// The fixture holds what genai-prices itself computes; `cargo xtask prices` writes it.
#[test]
fn costs_equal_those_of_genai_prices_to_the_last_unit() {
    let book = PriceBook::embedded().unwrap();
    let fixture = include_str!("../../fixtures/cost-oracle.jsonl");
    for line in fixture.lines() {
        let Oracle { provider, model, at_ms, rest } = serde_json::from_str(line).unwrap();
        let kind = |name: &str| rest.usage.get(name).copied();
        let usage = Usage {
            input: kind("input"),
            cache_read: kind("cache_read"),
            cache_write_5m: kind("cache_write_5m"),
            cache_write_1h: kind("cache_write_1h"),
            output: kind("output").or(Some(0)),
            reasoning: kind("reasoning"),
            input_audio: kind("input_audio"),
            input_image: kind("input_image"),
            output_image: kind("output_image").or(Some(0)),
            web_searches: kind("web_searches"),
            file_searches: kind("file_searches"),
            ..Usage::default()
        };
        let row = book.find(&provider, &model, UnixMs(at_ms)).expect(line);
        let cost = price(&usage, row).expect(line);
        assert_eq!(cost.total, PicoUsd(rest.total), "{line}");
    }
    assert!(fixture.lines().count() > 200);
}

prop_compose! {
    fn rates()(
        base in proptest::array::uniform10(proptest::option::of(0_i64..100_000_000)),
        parts in proptest::array::uniform5(proptest::option::of(0_i64..100_000_000)),
    ) -> Rates {
        let [
            input, cache_read, cache_write_5m, cache_write_1h, output, request, web_search,
            file_search, cache_read_audio, cache_read_image,
        ] = base.map(|it| it.map(PicoUsd));
        let [input_audio, output_audio, input_image, output_image, reasoning] =
            parts.map(|it| it.map(PicoUsd));
        Rates {
            input, cache_read, cache_read_audio, cache_read_image, cache_write_5m, cache_write_1h,
            output, reasoning, input_audio, output_audio, input_image, output_image, request,
            web_search, file_search,
        }
    }
}

prop_compose! {
    fn usage(max: u64)(
        counts in proptest::array::uniform12(proptest::option::of(0..=max)),
    ) -> Usage {
        let [
            input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, input_audio,
            output_audio, input_image, output_image, web_searches, file_searches,
        ] = counts;
        Usage {
            input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, input_audio,
            output_audio, input_image, output_image, web_searches, file_searches,
        }
    }
}

fn tiered(rates: Rates, above: u64, dearer: Rates) -> PriceRow {
    let tiers = vec![Tier { above_prompt_tokens: above, rates: dearer }];
    PriceRow { tiers, ..row(rates) }
}

proptest! {
    #[test]
    fn the_total_is_the_sum_of_its_lines(
        usage in usage(2_000_000), base in rates(), dearer in rates(), above in 0_u64..2_000_000,
    ) {
        if let Ok(cost) = price(&usage, &tiered(base, above, dearer)) {
            let mut sum = PicoUsd::ZERO;
            for line in &cost.lines {
                prop_assert!(line.count > 0);
                prop_assert_eq!(line.rate.checked_mul(line.count), Some(line.amount));
                sum = sum.checked_add(line.amount).unwrap();
            }
            prop_assert_eq!(cost.total, sum);
            let prompt: u64 = cost.lines.iter().filter(|it| matches!(it.kind,
                CostKind::Input | CostKind::InputAudio | CostKind::InputImage | CostKind::CacheRead
                | CostKind::CacheWrite5m | CostKind::CacheWrite1h)).map(|it| it.count).sum();
            if usage.input.is_some() {
                prop_assert_eq!(Some(prompt), usage.prompt_total(), "every prompt token once");
            }
        }
    }

    #[test]
    fn no_count_makes_it_panic(
        usage in usage(u64::MAX), base in rates(), dearer in rates(), above in any::<u64>(),
    ) {
        let _ = price(&usage, &tiered(base, above, dearer));
    }

    /// Disjoint kinds only: more of a cheap part makes its whole cheaper.
    #[test]
    fn more_tokens_never_cost_less(
        usage in usage(1_000_000), base in rates(), kind in 0_usize..6, more in 1_u64..1_000_000,
    ) {
        let mut larger = usage;
        let count = match kind {
            0 => &mut larger.input,
            1 => &mut larger.cache_read,
            2 => &mut larger.cache_write_5m,
            3 => &mut larger.cache_write_1h,
            4 => &mut larger.output,
            _ => &mut larger.web_searches,
        };
        *count = Some(count.unwrap_or_default() + more);
        let base = Rates {
            reasoning: None,
            input_audio: None,
            output_audio: None,
            input_image: None,
            output_image: None,
            ..base
        };
        if let (Ok(less), Ok(more)) = (price(&usage, &row(base)), price(&larger, &row(base))) {
            prop_assert!(more.total >= less.total);
        }
    }
}
