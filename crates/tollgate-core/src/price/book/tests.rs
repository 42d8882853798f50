use std::collections::HashSet;

use super::*;
use crate::{PicoUsd, provider::Catalogue};

/// 2026-11-23 00:00 UTC.
const TODAY: UnixMs = UnixMs(1_795_392_000_000);

fn found(book: &PriceBook, provider: &str, model: &str) -> Option<String> {
    book.find(provider, model, TODAY).map(|it| it.model.clone())
}

#[test]
fn every_embedded_row_has_a_source_a_day_a_price_and_a_provider() {
    let book = PriceBook::embedded().unwrap();
    let catalogue = Catalogue::embedded().unwrap();
    let mut ids = HashSet::new();
    let mut models = HashSet::new();
    for row in book.rows() {
        assert!(ids.insert(&row.id), "{} twice", row.id);
        models.insert((&row.provider, &row.model));
        assert!(catalogue.get(&row.provider).is_some(), "{row:?}");
        let sources = ["genai-prices", "litellm", "a server on this machine"];
        assert!(sources.iter().any(|it| row.source.contains(it)), "{row:?}");
        assert!(midnight(&row.checked_on).is_ok(), "{row:?}");
        assert!(row.rates.input.or(row.rates.request).is_some(), "{row:?}");
        for rates in std::iter::once(&row.rates).chain(row.tiers.iter().map(|it| &it.rates)) {
            assert!(rates.input.is_none_or(|it| it.0 >= 0), "{row:?}");
        }
        if let (Some(from), Some(until)) = (row.valid_from, row.valid_until) {
            assert!(from < until, "{row:?}");
        }
    }
    assert!(models.len() > 2_000, "only {} models", models.len());
}

#[test]
fn the_models_that_the_simulator_serves_are_priced() {
    let book = PriceBook::embedded().unwrap();
    let check = |provider: &str, model: &str, input: i64, output: Option<i64>| {
        let row = book.find(provider, model, TODAY).unwrap();
        assert_eq!(row.rates.input, Some(PicoUsd(input)), "{model}");
        assert_eq!(row.rates.output, output.map(PicoUsd), "{model}");
    };
    check("openai", "gpt-5-mini", 250_000, Some(2_000_000));
    check("openai", "gpt-5", 1_250_000, Some(10_000_000));
    check("openai", "gpt-4.1-mini", 400_000, Some(1_600_000));
    check("openai", "text-embedding-3-small", 20_000, None);
    check("anthropic", "claude-sonnet-4-5", 3_000_000, Some(15_000_000));
    check("anthropic", "claude-haiku-4-5", 1_000_000, Some(5_000_000));
    check("anthropic", "claude-opus-4-1", 15_000_000, Some(75_000_000));
    check("google", "gemini-2.5-flash", 300_000, Some(2_500_000));
    check("google", "gemini-2.5-pro", 1_250_000, Some(10_000_000));
    check("google", "gemini-embedding-001", 150_000, None);
}

#[test]
fn a_model_is_found_by_the_names_that_providers_and_clients_use() {
    let book = PriceBook::embedded().unwrap();
    let check = |provider: &str, name: &str, model: Option<&str>| {
        assert_eq!(found(&book, provider, name).as_deref(), model, "{provider} {name}");
    };
    check("openai", "gpt-5-mini-2025-08-07", Some("gpt-5-mini"));
    check("openai", "GPT-5-mini", Some("gpt-5-mini"));
    check("anthropic", "claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5"));
    check("anthropic", "claude-sonnet-4.5", Some("claude-sonnet-4-5"));
    check("google-vertex", "claude-sonnet-4-5@20250929", Some("claude-sonnet-4-5"));
    check("google", "models/gemini-2.5-flash", Some("gemini-2.5-flash"));
    check("google-vertex", "publishers/google/models/gemini-2.5-pro", Some("gemini-2.5-pro"));
    check("google-vertex", "claude-opus-4-6@default", Some("claude-opus-4-6"));
    check("azure", "gpt-5-mini", Some("gpt-5-mini"));
    // genai-prices knows these by their beginning alone.
    check("anthropic", "claude-3-7-sonnet-20250219", Some("claude-3-7-sonnet-latest"));
    check("google-vertex-global", "claude-sonnet-4@20250514", Some("claude-4-sonnet"));
    // What it costs in a region is told by no list.
    check("google-vertex", "claude-sonnet-4@20250514", None);
    check("google-vertex", "gemini-2.5-flash-imaginary", None);
    check("google", "gemini-2.0-flash-001", Some("gemini-2.0-flash"));
    check("openai", "ft:gpt-4o-2024-08-06:lab::9xA1", Some("ft:gpt-4o"));
    check("openai", "ft:gpt-4o-mini-2024-07-18:lab::9xA1", Some("ft:gpt-4o-mini"));
    // A whole name of another seller comes before a beginning.
    check("azure", "o4-mini-deep-research", Some("o4-mini-deep-research"));
    // The sources disagree, or a search has a fee that usage does not tell.
    check("mistral", "mistral-large-latest", None);
    check("perplexity", "sonar", None);
    check("openai", "gpt-4o-mini-search-preview", None);
    // A dated name with a price of its own is not the model of today.
    check("openai", "gpt-4o-2024-05-13", Some("gpt-4o-2024-05-13"));
    // Nothing is guessed from a beginning alike.
    check("openai", "gpt-5-mini-imaginary", None);
    check("openai", "claude-sonnet-4-5", None);
    check("nobody", "gpt-5", None);
    check("openai", "", None);
    check("openai", "-2025-08-07", None);
}

#[test]
fn newer_models_cost_a_tenth_more_in_a_region_of_vertex_than_at_its_global_endpoint() {
    let book = PriceBook::embedded().unwrap();
    let rates = |provider: &str, model: &str| {
        let row = book.find(provider, model, TODAY).unwrap();
        let tier = row.tiers.first().map(|it| it.rates.input);
        (row.rates.input.unwrap(), row.rates.output.unwrap(), row.rates.web_search, tier)
    };
    let tenth_more = |it: PicoUsd| PicoUsd(it.0 / 10 * 11);
    for model in ["claude-sonnet-4-5@20250929", "claude-haiku-4-5", "gemini-3.5-flash"] {
        let (input, output, search, tier) = rates("google-vertex-global", model);
        let tier = tier.map(|it| it.map(tenth_more));
        let more = (tenth_more(input), tenth_more(output), search, tier);
        assert_eq!(rates("google-vertex", model), more, "{model}");
    }
    for model in ["gemini-2.5-pro", "gemini-2.5-flash", "claude-3-haiku@20240307"] {
        assert_eq!(rates("google-vertex", model), rates("google-vertex-global", model), "{model}");
        assert_eq!(rates("google-vertex", model).0, rates("google", model).0, "{model}");
    }
}

fn row(provider: &str, model: &str, input: i64, from: Option<i64>, until: Option<i64>) -> PriceRow {
    PriceRow {
        id: format!("{model}@{from:?}"),
        provider: provider.to_owned(),
        model: model.to_owned(),
        valid_from: from.map(UnixMs),
        valid_until: until.map(UnixMs),
        daily: None,
        source: "test".to_owned(),
        checked_on: "2026-11-23".to_owned(),
        rates: Rates { input: Some(PicoUsd(input)), ..Rates::default() },
        tiers: Vec::new(),
        services: BTreeMap::new(),
    }
}

#[test]
fn the_users_rows_win_under_every_name_of_the_model() {
    let book = PriceBook::embedded().unwrap().with_overrides(vec![
        row("lab", "qwen3", 5, None, None),
        row("anthropic", "claude-sonnet-4-5", 8, Some(2_000), None),
        row("anthropic", "claude-sonnet-4-5", 7, None, Some(2_000)),
    ]);
    let check = |provider: &str, name: &str, at: i64, input: i64| {
        let row = book.find(provider, name, UnixMs(at)).unwrap();
        assert_eq!(row.rates.input, Some(PicoUsd(input)), "{provider} {name}");
    };
    check("lab", "Qwen3", 0, 5);
    for name in ["claude-sonnet-4-5", "claude-sonnet-4.5", "claude-sonnet-4-5-20250929"] {
        check("anthropic", name, 1_999, 7);
        check("anthropic", name, 2_000, 8);
    }
    check("anthropic", "claude-haiku-4-5", 0, 1_000_000);
    let sonnets = book.rows().filter(|it| it.model == "claude-sonnet-4-5");
    assert_eq!(sonnets.filter(|it| it.provider == "anthropic").count(), 2);
}

/// The second was refused after its name had been written down, and whatever came next took its
/// place.
#[test]
fn rows_of_one_model_in_two_spellings_are_one_models_rows() {
    let book = PriceBook::default().with_overrides(vec![
        row("openai", "gpt-5", 2, Some(2_000), None),
        row("openai", "zeta", 9, None, None),
        row("openai", "GPT-5", 1, None, Some(2_000)),
    ]);
    let check = |name: &str, at: i64, input: i64| {
        let row = book.find("openai", name, UnixMs(at)).unwrap();
        assert_eq!(row.rates.input, Some(PicoUsd(input)), "{name}");
    };
    for name in ["GPT-5", "gpt-5"] {
        check(name, 1_999, 1);
        check(name, 2_000, 2);
    }
    check("zeta", 0, 9);
    assert_eq!(book.rows().count(), 3);
}

#[test]
fn a_server_on_this_machine_is_free_whatever_it_serves() {
    let book = PriceBook::embedded().unwrap();
    for provider in ["ollama", "lmstudio", "llamacpp", "vllm"] {
        for model in ["qwen3:8b", "gpt-5", ""] {
            assert!(book.find(provider, model, TODAY).unwrap().is_free(), "{provider} {model}");
        }
    }
    assert!(book.rows().all(|it| it.model != "*" || it.is_free()));
    let priced = book.with_overrides(vec![row("ollama", "qwen3:8b", 5, None, None)]);
    let input = |model| priced.find("ollama", model, TODAY).unwrap().rates.input;
    assert_eq!((input("qwen3:8b"), input("llama3")), (Some(PicoUsd(5)), Some(PicoUsd(0))));
}

#[test]
fn a_price_for_every_model_of_a_provider_comes_after_those_of_single_ones() {
    let book = PriceBook::embedded().unwrap().with_overrides(vec![
        row("openai", "*", 7, None, None),
        row("openai", "gpt-5", 8, None, None),
    ]);
    let input = |model| book.find("openai", model, TODAY).unwrap().rates.input.map(|it| it.0);
    assert_eq!((input("gpt-5-2025-08-07"), input("gpt-5-mini")), (Some(8), Some(7)));
    assert_eq!(input("imaginary"), Some(7));
    assert_eq!(book.rows().filter(|it| it.provider == "openai").count(), 2);
}

#[test]
fn a_service_tier_has_prices_of_its_own_and_the_rows_fees() {
    let text = r#"{"sources":{"s":{"name":"S 1","checked_on":"2026-11-23"}}}
{"provider":"p","model":"m","source":"s","rates":{"input":4,"cache_read":2,"web_search":9},"tiers":[[100,{"input":8}]],"services":{"flex":{"rates":{"input":1},"tiers":[[100,{}]]}}}"#;
    let book = PriceBook::load(text).unwrap();
    let row = book.find("p", "m", TODAY).unwrap();
    let check = |service, prompt, expected: Option<Rates>| {
        assert_eq!(row.rates_for(service, prompt), expected, "{service:?} {prompt}");
    };
    let rates = |input, cache_read| Rates {
        input,
        cache_read,
        web_search: Some(PicoUsd(9)),
        ..Rates::default()
    };
    let [one, two, four, eight] = [1, 2, 4, 8].map(|it| Some(PicoUsd(it)));
    for standard in [None, Some(ServiceTier::Standard)] {
        check(standard, 100, Some(rates(four, two)));
        check(standard, 101, Some(rates(eight, two)));
    }
    check(Some(ServiceTier::Flex), 100, Some(rates(one, None)));
    check(Some(ServiceTier::Flex), 101, Some(rates(None, None)));
    check(Some(ServiceTier::Priority), 1, None);
}

#[test]
fn dated_rows_hold_from_their_day_until_the_next() {
    let text = r#"{"sources":{"s":{"name":"S 1","checked_on":"2026-11-23"}}}
{"provider":"p","model":"M","aliases":["n"],"until":"2026-01-01","source":"s","rates":{"input":1}}
{"provider":"p","model":"M","from":"2026-01-01","source":"s","rates":{"input":2},"tiers":[[100,{"input":3}],[200,{"output":4}]]}
{"provider":"p","model":"M","daily":[60,120],"source":"s","rates":{"input":9}}
{"provider":"p","model":"o","source":"s","rates":{"input":7}}"#;
    let book = PriceBook::load(text).unwrap();
    let new_year = midnight("2026-01-01").unwrap().0;
    let check = |name: &str, at: i64, input: i64, id: &str| {
        let row = book.find("p", name, UnixMs(at)).unwrap();
        assert_eq!((row.rates.input, row.id.as_str()), (Some(PicoUsd(input)), id));
    };
    check("m", new_year - 1, 1, "p/M (S 1)");
    check("n", new_year - 1, 1, "p/M (S 1)");
    check("n", new_year, 2, "p/M@2026-01-01 (S 1)");
    check("n", new_year + 3_600_000, 9, "p/M@60-120 (S 1)");
    check("o", 0, 7, "p/o (S 1)");
    let tiered = book.find("p", "n", UnixMs(new_year)).unwrap();
    let at = |prompt| tiered.rates_for(None, prompt).map(|it| (it.input, it.output)).unwrap();
    assert_eq!(at(100), (Some(PicoUsd(2)), None));
    assert_eq!(at(101), (Some(PicoUsd(3)), None));
    assert_eq!(at(201), (Some(PicoUsd(2)), Some(PicoUsd(4))));
}

#[test]
fn a_broken_book_is_refused_with_its_line() {
    let check = |line: &str, says: &str| {
        let header = r#"{"sources":{"s":{"name":"S","checked_on":"2026-11-23"}}}"#;
        let error = PriceBook::load(&format!("{header}\n{line}")).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains(says), "{error}");
    };
    check("{", "cannot parse");
    let line = r#"{"provider":"p","model":"m","source":"s","rates":{"input":1.5}}"#;
    check(line, "cannot parse");
    check(&line.replace("1.5", "1").replace(r#""s""#, r#""t""#), "source");
    check(&line.replace("1.5", "1").replace("rates", r#"from":"soon","rates"#), "a day");
    let row = line.replace("1.5", "1");
    check(&format!("{}\n{row}", row.replace(r#""s","#, r#""s","aliases":["m"],"#)), "two models");
    let apart = format!("{row}\n{}\n{row}", row.replace(r#""m""#, r#""n""#));
    let header = r#"{"sources":{"s":{"name":"S","checked_on":"2026-11-23"}}}"#;
    let error = PriceBook::load(&format!("{header}\n{apart}")).unwrap_err().to_string();
    assert!(error.contains("line 4") && error.contains("two models"), "{error}");
}
