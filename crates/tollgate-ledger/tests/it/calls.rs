//! Calls and bodies: round trips, pages and filters.

use tollgate_core::{
    Call, Format, Routing,
    call::Outcome,
    routing::{Attempt, AttemptResult, Strategy},
};
use tollgate_ledger::{
    Bodies, COUNT_MAX, CallFilter, CallQuery, Ledger, LedgerConfig, Settled, Simulated,
};

use crate::{DAY, bare, bodies, caller, full, id, open, settled};

fn record(ledger: &Ledger, calls: impl IntoIterator<Item = Call>) {
    for call in calls {
        ledger.writer().record(settled(call)).unwrap();
    }
    ledger.writer().flush_blocking().unwrap();
}

#[test]
fn every_field_comes_back_as_it_went_in_known_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut nameless = full(2);
    let caller = nameless.caller.as_mut().unwrap();
    caller.exe = None;
    caller.argv = Vec::new();
    caller.project = None;
    caller.user = None;
    let calls = [bare(0), full(1), nameless];
    record(&ledger, calls.clone());
    ledger.close().unwrap();

    let ledger = open(dir.path());
    let mut listed = ledger.reader().calls(&CallQuery::default()).unwrap();
    listed.reverse();
    assert_eq!(listed, calls);
    for call in calls {
        assert_eq!(ledger.reader().call(call.id).unwrap(), Some(call));
    }
    assert_eq!(ledger.reader().call(id(DAY, 99)).unwrap(), None);
}

#[test]
fn bodies_come_back_and_a_call_without_them_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let said = bodies(r#"{"model":"gpt-5-mini"}"#, &"data: {}\n\n".repeat(10_000));
    let empty = Bodies::default();
    for (number, bodies) in [(0, Some(said.clone())), (1, Some(empty.clone())), (2, None)] {
        ledger
            .writer()
            .record(Settled {
                call: bare(number),
                bodies,
                routing: None,
                hits: Vec::new(),
                answer_id: None,
            })
            .unwrap();
    }
    ledger.writer().flush_blocking().unwrap();
    let read = |number| ledger.reader().bodies(bare(number).id).unwrap();
    assert_eq!(read(0), Some(said));
    assert_eq!(read(1), Some(empty));
    assert_eq!(read(2), None);
    assert_eq!(read(3), None);
}

#[test]
fn the_oldest_bodies_go_first_when_they_take_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let config = LedgerConfig { bodies_bytes_max: 20_000, ..LedgerConfig::default() };
    let ledger = Ledger::open(dir.path(), config).unwrap();
    // Bytes that zstd cannot make shorter.
    let mut state = 1_u32;
    let mut noise = || {
        (0..1_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(u8::try_from(state >> 25).unwrap())
            })
            .collect::<String>()
    };
    for number in 0..100 {
        let bodies = Some(bodies("", &noise()));
        ledger
            .writer()
            .record(Settled {
                call: bare(number),
                bodies,
                routing: None,
                hits: Vec::new(),
                answer_id: None,
            })
            .unwrap();
        ledger.writer().flush_blocking().unwrap();
    }
    // What is too much goes behind the commit that brought it.
    ledger.writer().flush_blocking().unwrap();
    let kept: Vec<u32> =
        (0..100).filter(|it| ledger.reader().bodies(bare(*it).id).unwrap().is_some()).collect();
    assert!((15..=25).contains(&kept.len()), "{kept:?}");
    assert_eq!(kept, (100 - u32::try_from(kept.len()).unwrap()..100).collect::<Vec<_>>());
    assert_eq!(ledger.reader().calls(&CallQuery::default()).unwrap().len(), 100);
    ledger.close().unwrap();

    let file = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let (counted, real): (i64, i64) = file
        .query_row(
            "SELECT (SELECT value FROM counters WHERE name = 'bodies_stored_bytes'), \
                    sum(stored_bytes) FROM bodies",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(counted, real);
    assert!(real <= 20_000);
}

#[test]
fn bodies_that_are_too_many_already_go_without_a_further_one() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for number in 0..9 {
        ledger
            .writer()
            .record(Settled {
                call: bare(number),
                bodies: Some(bodies("a", "b")),
                routing: None,
                hits: Vec::new(),
                answer_id: None,
            })
            .unwrap();
    }
    ledger.close().unwrap();
    let config = LedgerConfig { bodies_bytes_max: 50, ..LedgerConfig::default() };
    let ledger = Ledger::open(dir.path(), config).unwrap();
    // The first turn prunes; the second is after it.
    for _ in 0..2 {
        ledger.writer().flush_blocking().unwrap();
    }
    let kept = (0..9).filter(|it| ledger.reader().bodies(bare(*it).id).unwrap().is_some()).count();
    assert!((1..=4).contains(&kept), "{kept}");
}

#[test]
fn a_count_that_nobody_can_believe_is_stored_as_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut call = full(0);
    call.usage.input = Some(COUNT_MAX + 1);
    call.usage.output = Some(COUNT_MAX);
    record(&ledger, [call.clone()]);
    let read = ledger.reader().call(call.id).unwrap().unwrap();
    assert_eq!((read.usage.input, read.usage.output), (None, Some(COUNT_MAX)));
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    // Many calls began in the same millisecond.
    let calls = (0..50).map(|number| {
        let at = DAY + i64::from(number / 7);
        Call { id: id(at, number), started_at_ms: tollgate_core::UnixMs(at), ..bare(0) }
    });
    record(&ledger, calls);
    let mut query = CallQuery { limit: 8, ..CallQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = ledger.reader().calls(&query).unwrap();
        let Some(last) = page.last() else { break };
        query.before = Some(last.id);
        seen.extend(page.into_iter().map(|it| it.id));
    }
    let all = CallQuery { limit: usize::MAX, ..CallQuery::default() };
    let all = ledger.reader().calls(&all).unwrap();
    assert_eq!(seen.len(), 50);
    assert_eq!(seen, all.iter().map(|it| it.id).collect::<Vec<_>>());
    assert!(seen.is_sorted_by(|a, b| a > b));

    let filter = CallFilter { text: Some("/".to_owned()), ..CallFilter::default() };
    let query = CallQuery { filter, ..CallQuery::default() };
    assert_eq!(ledger.reader().calls(&query).unwrap().len(), 50);

    // A cursor whose call is not there stands where the call would be.
    let query = CallQuery { before: Some(id(DAY + 3, 0)), ..CallQuery::default() };
    assert!(ledger.reader().calls(&query).unwrap().iter().all(|it| it.started_at_ms.0 < DAY + 3));
}

#[test]
fn every_filter_selects_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let claude = Call {
        caller: Some(caller("claude", 7)),
        key: None,
        provider: Some("anthropic".to_owned()),
        format: Some(Format::AnthropicMessages),
        model_asked: Some("claude-sonnet-4-5".to_owned()),
        model_served: None,
        simulated: false,
        outcome: Outcome::Cancelled,
        error_message: None,
        ..full(1)
    };
    record(&ledger, [bare(0), claude, full(2)]);
    let check = |filter: CallFilter, expected: &[u32]| {
        let query = CallQuery { filter: filter.clone(), ..CallQuery::default() };
        let found = ledger.reader().calls(&query).unwrap();
        let expected: Vec<_> = expected.iter().map(|it| bare(*it).id).collect();
        assert_eq!(found.iter().map(|it| it.id).collect::<Vec<_>>(), expected, "{filter:?}");
    };
    let text = |it: &str| Some(it.to_owned());
    let none = CallFilter::default;
    check(none(), &[2, 1, 0]);
    check(CallFilter { program: text("claude"), ..none() }, &[1]);
    check(CallFilter { project: text("lab"), ..none() }, &[2, 1]);
    check(CallFilter { project: text("/home/u/lab"), ..none() }, &[2, 1]);
    check(CallFilter { provider: text("openai"), ..none() }, &[2]);
    check(CallFilter { model: text("gpt-5-mini-2025-08-07"), ..none() }, &[2]);
    check(CallFilter { model: text("claude-sonnet-4-5"), ..none() }, &[1]);
    check(CallFilter { key: text("nightly"), ..none() }, &[2]);
    check(CallFilter { key: text("night"), ..none() }, &[]);
    check(CallFilter { outcome: Some(Outcome::Failed), ..none() }, &[0]);
    check(CallFilter { simulated: Simulated::Only, ..none() }, &[2]);
    check(CallFilter { simulated: Simulated::Exclude, ..none() }, &[1, 0]);
    check(CallFilter { text: text("SONNET"), ..none() }, &[1]);
    check(CallFilter { text: text("broke, 100 %"), ..none() }, &[2]);
    check(CallFilter { text: text("100 _"), ..none() }, &[]);
    check(CallFilter { text: text("chat/completions"), ..none() }, &[2, 1]);
    check(CallFilter { text: text("' OR 1 --"), ..none() }, &[]);
    let both = CallFilter { program: text("claude"), provider: text("openai"), ..none() };
    check(both, &[]);

    let at = |number: u32| Some(bare(number).started_at_ms);
    let query = CallQuery { since: at(1), until: at(2), ..CallQuery::default() };
    assert_eq!(ledger.reader().calls(&query).unwrap().len(), 1);
}

/// A page of one program is merged from each of its models, projects and so on.
#[test]
fn filtered_pages_are_merged_in_the_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let calls: Vec<Call> = (0..90)
        .map(|number| Call {
            caller: Some(caller(["claude", "codex"][number as usize % 2], number)),
            model_asked: Some(format!("model-{}", number % 7)),
            outcome: [Outcome::Finished, Outcome::Failed][number as usize % 3 / 2],
            ..full(number)
        })
        .collect();
    record(&ledger, calls.clone());
    for outcome in [None, Some(Outcome::Failed)] {
        let filter =
            CallFilter { program: Some("claude".to_owned()), outcome, ..CallFilter::default() };
        let since = Some(calls[10].started_at_ms);
        let mut query = CallQuery { since, limit: 4, filter, ..CallQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = ledger.reader().calls(&query).unwrap();
            let Some(last) = page.last() else { break };
            query.before = Some(last.id);
            seen.extend(page);
        }
        let wanted = |it: &&Call| {
            it.caller.as_ref().is_some_and(|it| it.program == "claude")
                && outcome.is_none_or(|outcome| it.outcome == outcome)
        };
        let expected: Vec<Call> = calls[10..].iter().rev().filter(wanted).cloned().collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn how_a_call_was_routed_is_read_back_for_the_calls_that_were() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let routing = Routing {
        model: Some("fast".to_owned()),
        strategy: Some(Strategy::Fallback),
        attempts: vec![Attempt {
            provider: "openai".to_owned(),
            model: "gpt-5-mini".to_owned(),
            translated_to: None,
            waited_us: 0,
            began_us: 1,
            took_us: 2,
            result: AttemptResult::Answered(200),
        }],
        ..Routing::default()
    };
    let routed = Settled {
        call: bare(0),
        bodies: None,
        routing: Some(routing.clone()),
        hits: Vec::new(),
        answer_id: None,
    };
    ledger.writer().record(routed).unwrap();
    ledger.writer().record(settled(bare(1))).unwrap();
    ledger.writer().flush_blocking().unwrap();
    assert_eq!(ledger.reader().routing(bare(0).id).unwrap(), Some(routing));
    assert_eq!(ledger.reader().routing(bare(1).id).unwrap(), None);
    assert_eq!(ledger.reader().routing(bare(2).id).unwrap(), None);
}
