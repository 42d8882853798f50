use super::*;
use crate::price::DailyWindow;

/// 2026-11-25, 14:00 UTC.
const NOW: UnixMs = UnixMs(1_795_615_200_000);
const TODAY: UnixMs = UnixMs(1_795_564_800_000);
const DAY_MS: i64 = 86_400_000;

fn embedded() -> PriceBook {
    PriceBook::load(
        r#"{"sources":{"s":{"name":"a list","checked_on":"2026-11-23"}},"disputed":[["openai","quarrel"]]}
{"provider":"deepseek","model":"hourly","source":"s","rates":{"input":1000000,"output":2000000}}
{"provider":"deepseek","model":"hourly","daily":[60,240],"source":"s","rates":{"input":2000000,"output":4000000}}
{"provider":"openai","model":"gpt-x","aliases":["gpt-x-latest"],"source":"s","rates":{"input":1000000,"output":2000000,"web_search":10000000000},"services":{"batch":{"rates":{"input":500000,"output":1000000}}}}
"#,
    )
    .unwrap()
}

fn offer(model: &str, input: i64, output: i64) -> Offer {
    let rates =
        Rates { input: Some(PicoUsd(input)), output: Some(PicoUsd(output)), ..Rates::default() };
    Offer {
        provider: "openai".to_owned(),
        model: model.to_owned(),
        aliases: Vec::new(),
        rows: vec![OfferedRow { rates, ..OfferedRow::default() }],
    }
}

fn take(refreshed: &mut Refreshed, offers: Vec<Offer>, at: UnixMs) -> Changes {
    let reading = Reading { offers, quarantined: Vec::new() };
    refreshed.take(&embedded(), PriceList::Litellm, reading, at).unwrap()
}

fn input(refreshed: &Refreshed, provider: &str, model: &str, at: UnixMs) -> Option<i64> {
    let book = embedded().with_refreshed(refreshed.models.clone());
    book.find(provider, model, at)?.rates.input.map(|it| it.0)
}

fn why(refreshed: &Refreshed) -> String {
    let quarantined = refreshed.refreshes.iter().flat_map(|it| &it.quarantined);
    quarantined.map(|it| format!("{}: {}\n", it.name, it.why)).collect()
}

#[test]
fn a_price_that_changed_holds_from_the_day_of_the_refresh_on() {
    let mut refreshed = Refreshed::default();
    let changes = take(&mut refreshed, vec![offer("gpt-x", 1_500_000, 2_000_000)], NOW);
    assert_eq!((changes.added.len(), changes.changed.len(), changes.unchanged), (0, 1, 0));
    let (new, old) = &changes.changed[0];
    assert_eq!(new.id, "openai/gpt-x (litellm, 2026-11-25)");
    assert_eq!(old.id, "openai/gpt-x (a list)");
    for name in ["gpt-x", "GPT-X", "gpt-x-latest", "gpt-x-2026-10-10"] {
        assert_eq!(
            input(&refreshed, "openai", name, UnixMs(TODAY.0 - 1)),
            Some(1_000_000),
            "{name}"
        );
        assert_eq!(input(&refreshed, "openai", name, TODAY), Some(1_500_000), "{name}");
    }
    // Azure sells OpenAI's models at OpenAI's prices.
    assert_eq!(input(&refreshed, "azure", "gpt-x", NOW), Some(1_500_000));
    // A later change leaves the days between as they are; the same price again changes nothing.
    let later = UnixMs(NOW.0 + 10 * DAY_MS);
    take(&mut refreshed, vec![offer("gpt-x", 3_000_000, 2_000_000)], later);
    let again = take(&mut refreshed, vec![offer("gpt-x", 3_000_000, 2_000_000)], later);
    assert_eq!((again.changed.len(), again.unchanged), (0, 1));
    assert_eq!(input(&refreshed, "openai", "gpt-x", NOW), Some(1_500_000));
    assert_eq!(input(&refreshed, "openai", "gpt-x", later), Some(3_000_000));
    assert_eq!(refreshed.models.len(), 1);
    assert_eq!(refreshed.models[0].rows.len(), 2);
}

#[test]
fn a_second_refresh_of_a_day_replaces_the_firsts_price() {
    let mut refreshed = Refreshed::default();
    take(&mut refreshed, vec![offer("gpt-x", 1_500_000, 2_000_000)], NOW);
    take(&mut refreshed, vec![offer("gpt-x", 1_600_000, 2_000_000)], UnixMs(NOW.0 + 1));
    assert_eq!(refreshed.models[0].rows.len(), 1);
    assert_eq!(input(&refreshed, "openai", "gpt-x", NOW), Some(1_600_000));
}

#[test]
fn a_model_that_had_no_price_is_priced_since_ever() {
    let mut refreshed = Refreshed::default();
    let mut new = offer("gpt-y", 1_000_000, 2_000_000);
    new.aliases = vec!["gpt-Y-latest".to_owned()];
    let changes = take(&mut refreshed, vec![new], NOW);
    assert_eq!(changes.added.len(), 1);
    assert_eq!(input(&refreshed, "openai", "gpt-y", UnixMs(0)), Some(1_000_000));
    assert_eq!(input(&refreshed, "openai", "gpt-y-latest", UnixMs(0)), Some(1_000_000));
    assert_eq!(input(&refreshed, "azure", "gpt-y-2026-10-10", NOW), Some(1_000_000));
}

/// A list that knows less than the book says nothing against it.
#[test]
fn what_the_list_does_not_know_stays_and_what_the_book_does_not_know_is_added() {
    let mut refreshed = Refreshed::default();
    let changes = take(&mut refreshed, vec![offer("gpt-x", 1_000_000, 2_000_000)], NOW);
    assert_eq!((changes.unchanged, refreshed.models.len()), (1, 0));
    let mut more = offer("gpt-x", 1_000_000, 2_000_000);
    more.rows[0].rates.cache_read = Some(PicoUsd(100_000));
    let changes = take(&mut refreshed, vec![more], NOW);
    assert_eq!((changes.added.len(), changes.changed.len()), (1, 0));
    let book = embedded().with_refreshed(refreshed.models);
    let row = book.find("openai", "gpt-x", UnixMs(0)).unwrap();
    assert_eq!(row.rates.cache_read, Some(PicoUsd(100_000)));
    assert_eq!(row.rates.web_search, Some(PicoUsd(10_000_000_000)));
    assert!(row.services.contains_key(&crate::ServiceTier::Batch), "its tiers stay");
}

#[test]
fn an_absurd_jump_a_dispute_and_an_hour_that_is_not_told_are_set_aside() {
    let mut refreshed = Refreshed::default();
    let mut hourly = offer("hourly", 3_000_000, 2_000_000);
    hourly.provider = "deepseek".to_owned();
    let offers =
        vec![offer("gpt-x", 10_000_001, 2_000_000), offer("quarrel", 1_000_000, 2_000_000), hourly];
    let changes = take(&mut refreshed, offers, NOW);
    assert_eq!(changes, Changes::default());
    assert_eq!(
        why(&refreshed),
        "openai/gpt-x: `input` went from $1.00 a million to $10.000001 a million: more than 10 times as much or as little\n\
         openai/quarrel: the lists name different prices for it, and none was found right\n\
         deepseek/hourly: its price depends on the hour, which the list does not tell\n"
    );
    assert_eq!(input(&refreshed, "openai", "gpt-x", NOW), Some(1_000_000));
    // Ten times is still believed, and so is becoming free of a price that was nothing.
    take(&mut refreshed, vec![offer("gpt-x", 10_000_000, 2_000_000)], NOW);
    assert_eq!(input(&refreshed, "openai", "gpt-x", NOW), Some(10_000_000));
    // A price that falls to nothing is a jump.
    take(&mut refreshed, vec![offer("gpt-x", 0, 2_000_000)], NOW);
    assert!(why(&refreshed).contains("`input` went from $10.00 a million to $0.00 a million"));
}

#[test]
fn hours_are_taken_over_from_a_list_that_knows_them() {
    let mut refreshed = Refreshed::default();
    let mut hourly = offer("hourly", 1_000_000, 2_000_000);
    hourly.provider = "deepseek".to_owned();
    let daily = Some(DailyWindow { from_minute: 60, until_minute: 240 });
    let peak = |input| OfferedRow {
        daily,
        rates: Rates { input: Some(PicoUsd(input)), ..Rates::default() },
        ..OfferedRow::default()
    };
    hourly.rows.push(peak(2_000_000));
    let changes = take(&mut refreshed, vec![hourly.clone()], NOW);
    assert_eq!(changes.unchanged, 1);
    hourly.rows[1] = peak(3_000_000);
    take(&mut refreshed, vec![hourly], NOW);
    let at = |hour: i64| UnixMs(TODAY.0 + hour * 3_600_000);
    assert_eq!(input(&refreshed, "deepseek", "hourly", at(2)), Some(3_000_000));
    assert_eq!(input(&refreshed, "deepseek", "hourly", at(12)), Some(1_000_000));
    assert_eq!(input(&refreshed, "deepseek", "hourly", at(2 - 24)), Some(2_000_000));
}

/// After an upgrade the embedded book is the newer one.
#[test]
fn a_newer_embedded_book_wins_over_older_refreshes() {
    let mut refreshed = Refreshed::default();
    let before = UnixMs(NOW.0 - 10 * DAY_MS);
    let offers = vec![offer("gpt-x", 1_500_000, 2_000_000), offer("gpt-y", 1_000_000, 2_000_000)];
    take(&mut refreshed, offers, before);
    assert_eq!(input(&refreshed, "openai", "gpt-x", NOW), Some(1_000_000));
    assert_eq!(input(&refreshed, "openai", "gpt-y", NOW), Some(1_000_000), "it knows no other");
}

#[test]
fn the_users_own_prices_win_over_fetched_ones() {
    let mut refreshed = Refreshed::default();
    take(&mut refreshed, vec![offer("gpt-x", 1_500_000, 2_000_000)], NOW);
    let book = embedded().with_refreshed(refreshed.models.clone());
    let mut own = book.find("openai", "gpt-x", NOW).unwrap().clone();
    own.rates.input = Some(PicoUsd(7));
    let book = book.with_overrides(vec![own]);
    assert_eq!(book.find("openai", "gpt-x", NOW).unwrap().rates.input, Some(PicoUsd(7)));
    let listed: Vec<_> = book.rows().filter(|it| it.model == "gpt-x").collect();
    assert_eq!(listed.len(), 1, "rows that are replaced are not listed");
}

#[test]
fn what_is_stored_is_read_again() {
    let mut refreshed = Refreshed::default();
    take(&mut refreshed, vec![offer("gpt-x", 1_500_000, 2_000_000)], NOW);
    let text = serde_json::to_string(&refreshed).unwrap();
    assert_eq!(serde_json::from_str::<Refreshed>(&text).unwrap(), refreshed);
}
