use super::*;

fn read(list: PriceList, text: &str) -> Reading {
    list.read(text, &|id| id != "unknown").unwrap()
}

fn whys(reading: &Reading) -> Vec<String> {
    reading.quarantined.iter().map(|it| format!("{}: {}", it.name, it.why)).collect()
}

#[test]
fn decimals_are_read_digit_by_digit() {
    let check = |literal: &str, exponent, expected: Option<i64>| {
        assert_eq!(scaled(literal, exponent).ok(), expected, "{literal}");
    };
    check("2.5e-06", 12, Some(2_500_000));
    check("0.00000025", 12, Some(250_000));
    check("1.25E-7", 12, Some(125_000));
    check("3", 6, Some(3_000_000));
    check("0.1", 6, Some(100_000));
    check("0", 12, Some(0));
    check("0.000", 12, Some(0));
    check("1e-13", 12, None);
    check("0.3333333333333", 12, None);
    check("1e300", 12, None);
    for text in ["", "\"3\"", "null", "1.2.3", ".5", "+1", "1e", "[1]"] {
        check(text, 12, None);
    }
}

#[test]
fn each_list_is_recognised_by_its_shape() {
    let check = |text: &str, expected: Option<PriceList>| {
        assert_eq!(PriceList::of(text).ok(), expected, "{text}");
    };
    check(r#"[{"id":"openai","models":[]}]"#, Some(PriceList::GenaiPrices));
    check(r#"{"sample_spec":{},"m":{"litellm_provider":"openai"}}"#, Some(PriceList::Litellm));
    check(r#"{"openai":{"id":"openai","models":{}}}"#, Some(PriceList::ModelsDev));
    check(r#"{"error":{"message":"not found"}}"#, None);
    check("<html>", None);
}

#[test]
fn a_list_without_any_known_provider_is_an_error_and_not_an_empty_refresh() {
    let text = r#"{"unknown":{"models":{"m":{"cost":{"input":1,"output":2}}}}}"#;
    let error = PriceList::ModelsDev.read(text, &|id| id != "unknown").unwrap_err();
    assert!(matches!(error, ListError::Empty(PriceList::ModelsDev)), "{error}");
}

#[test]
fn reads_litellms_context_and_service_tiers() {
    let text = r#"{
        "gpt-x": {"litellm_provider":"openai","mode":"chat","input_cost_per_token":2.5e-06,
            "output_cost_per_token":1.5e-05,"cache_read_input_token_cost":2.5e-07,
            "input_cost_per_token_above_272k_tokens":5e-06,"output_cost_per_token_above_272k_tokens":2.25e-05,
            "input_cost_per_token_batches":1.25e-06,"output_cost_per_token_batches":7.5e-06,
            "input_cost_per_token_above_272k_tokens_batches":2.5e-06,
            "output_cost_per_token_above_272k_tokens_batches":1.125e-05,
            "input_cost_per_token_priority":1e-06,"output_cost_per_token_priority":3e-05,
            "search_context_cost_per_query":{"search_context_size_low":0.01,"search_context_size_high":0.01}},
        "gemini/g": {"litellm_provider":"gemini","mode":"embedding","input_cost_per_token":1e-07},
        "other": {"litellm_provider":"elsewhere","mode":"chat","input_cost_per_token":1e-07},
        "picture": {"litellm_provider":"openai","mode":"image_generation","output_cost_per_image":0.04}
    }"#;
    let reading = read(PriceList::Litellm, text);
    assert_eq!(whys(&reading), Vec::<String>::new());
    let [gemini, gpt] = &reading.offers[..] else { panic!("{:?}", reading.offers) };
    assert_eq!((gemini.provider.as_str(), gemini.model.as_str()), ("google", "g"));
    let row = &gpt.rows[0];
    assert_eq!(row.rates.web_search, Some(PicoUsd(10_000_000_000)));
    let [tier] = &row.tiers[..] else { panic!("{:?}", row.tiers) };
    assert_eq!(tier.above_prompt_tokens, 272_000);
    assert_eq!(tier.rates.input, Some(PicoUsd(5_000_000)));
    assert_eq!(tier.rates.cache_read, Some(PicoUsd(250_000)), "the base's, where it has no own");
    let batch = &row.services[&ServiceTier::Batch];
    assert_eq!(batch.rates.input, Some(PicoUsd(1_250_000)));
    assert_eq!(batch.tiers[0].rates.output, Some(PicoUsd(11_250_000)));
    assert!(!row.services.contains_key(&ServiceTier::Priority), "a cheaper one is no priority");
}

#[test]
fn reads_the_days_hours_and_tiers_of_genai_prices() {
    let text = r#"[{"id":"deepseek","models":[{"id":"d","match":{"or":[{"equals":"d"},{"equals":"dd"},{"starts_with":"d-"}]},
        "prices":[{"prices":{"input_mtok":1,"output_mtok":2}},
            {"constraint":{"start_date":"2026-03-13"},"prices":{"input_mtok":{"base":3,"tiers":[{"start":200000,"price":6}]},"output_mtok":4}},
            {"constraint":{"start_time":"16:30:00Z","end_time":"00:30:00Z"},"prices":{"input_mtok":0.5,"output_mtok":1,"web_searches_kcount":10}}]}]}]"#;
    let reading = read(PriceList::GenaiPrices, text);
    assert_eq!(whys(&reading), Vec::<String>::new());
    let offer = &reading.offers[0];
    assert_eq!(offer.aliases, ["dd"]);
    let [first, second, night] = &offer.rows[..] else { panic!("{:?}", offer.rows) };
    let change = Some(UnixMs(1_773_360_000_000));
    assert_eq!((first.from, first.until), (None, change));
    assert_eq!((second.from, second.until), (change, None));
    assert_eq!(second.tiers[0].rates.input, Some(PicoUsd(6_000_000)));
    assert_eq!(second.tiers[0].rates.output, Some(PicoUsd(4_000_000)));
    assert_eq!(night.daily, Some(DailyWindow { from_minute: 990, until_minute: 30 }));
    assert_eq!(night.rates.web_search, Some(PicoUsd(10_000_000_000)));
}

#[test]
fn reads_the_context_tiers_of_models_dev() {
    let text = r#"{"openai":{"id":"openai","models":{"m":{"cost":{"input":2.5,"output":15,"cache_read":0.25,
        "context_over_200k":{"input":5,"output":22.5},
        "tiers":[{"tier":{"type":"context","size":272000},"input":5,"output":22.5}]}},"free":{"name":"no cost"}}}}"#;
    let reading = read(PriceList::ModelsDev, text);
    assert_eq!(whys(&reading), Vec::<String>::new());
    let row = &reading.offers[0].rows[0];
    assert_eq!(row.rates.cache_read, Some(PicoUsd(250_000)));
    assert_eq!(row.tiers[0].above_prompt_tokens, 272_000);
    assert_eq!(row.tiers[0].rates.input, Some(PicoUsd(5_000_000)));
}

/// Each of these was seen in a public list, or is one slip away from it.
#[test]
fn what_cannot_be_believed_is_set_aside_with_the_reason() {
    let check = |list: PriceList, text: &str, why: &str| {
        let reading = read(list, text);
        assert_eq!(reading.offers, [], "{text}");
        let [one] = &whys(&reading)[..] else { panic!("{:?}", reading.quarantined) };
        assert!(one.contains(why), "{one}");
    };
    let models_dev =
        |cost: &str| format!(r#"{{"minimax":{{"models":{{"m":{{"cost":{cost}}}}}}}}}"#);
    let cost = |cost: &str, why| check(PriceList::ModelsDev, &models_dev(cost), why);
    cost(r#"{"input":1,"output":2,"cache_input":0.1}"#, "`cache_input` is misspelt");
    cost(r#"{"input":1,"output":2,"cached_write":0.1}"#, "`cached_write` is misspelt");
    cost(r#"{"input":1,"output":-2}"#, "`output` is negative (-2)");
    cost(r#"{"input":0.00000025,"output":2}"#, "wrong unit");
    cost(r#"{"input":250000,"output":2}"#, "wrong unit");
    cost(r#"{"input":1,"output":"2"}"#, "`output` is not a number");
    cost(r#"{"input":1,"output":0.33333333}"#, "not a whole number of pico-dollars");
    cost(r#"{"input":1}"#, "`output` is not priced");
    cost(r#"{"input":0,"output":0}"#, "subscriptions");
    let litellm =
        |rates: &str| format!(r#"{{"m":{{"litellm_provider":"openai","mode":"chat",{rates}}}}}"#);
    let rates = |rates: &str, why| check(PriceList::Litellm, &litellm(rates), why);
    rates(
        r#""input_cost_per_token":0.25,"output_cost_per_token":1"#,
        "wrong unit (0.25): it would be more than $5,000 for a million tokens",
    );
    rates(r#""input_cost_per_tokn":1e-06,"output_cost_per_token":1e-06"#, "is misspelt");
    rates(r#""input_cost_per_token":0,"output_cost_per_token":0"#, "`not known`");
    rates(r#""input_cost_per_token":1e-06"#, "the output is not priced");
    let sonar = r#"{"perplexity":{"models":{"sonar-pro":{"cost":{"input":1,"output":2}}}}}"#;
    check(PriceList::ModelsDev, sonar, "a fee for searching");
    let genai = r#"[{"id":"google","models":[{"id":"g","match":{"equals":"g"},"prices":{"input_mtok":1,"input_video_mtok":2,"output_mtok":3}}]}]"#;
    check(PriceList::GenaiPrices, genai, "`input_video_mtok` differs from `input_mtok`");
}
