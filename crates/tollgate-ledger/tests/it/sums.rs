//! Sums: equal to adding up the calls one by one, whatever the stretch of time.

use std::collections::BTreeMap;

use tollgate_core::{
    Call, Format, Operation, PicoUsd, UnixMs, Usage,
    call::{CostUnknown, Outcome},
};
use tollgate_ledger::{CostKey, Ledger, Simulated, SumQuery, Sums};

use crate::{DAY, bare, caller, full, id, open, settled};

const HOUR: i64 = 3_600_000;

type KeyOf<'a> = &'a dyn Fn(&Call) -> Option<String>;

/// Calls spread over three days, with everything that sums tell apart.
fn spread() -> Vec<Call> {
    let mut state = 7_u32;
    let mut any = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    (0..600)
        .map(|number| {
            let at = DAY + i64::from(any(72 * 60)) * 60_000 + i64::from(any(60_000));
            let programs = ["claude", "codex", "ingest.py (python3)"];
            let mut who = caller(programs[any(3) as usize], any(9) + 1);
            if any(3) == 0 {
                who.project = None;
            }
            let known = any(4) > 0;
            Call {
                id: id(at, number),
                started_at_ms: UnixMs(at),
                caller: (any(5) > 0).then_some(who),
                provider: Some(["openai", "anthropic"][any(2) as usize].to_owned()),
                simulated: any(4) == 0,
                format: [None, Some(Format::OpenaiChat), Some(Format::Gemini)][any(3) as usize],
                model_asked: (any(3) > 0).then(|| "asked".to_owned()),
                model_served: (any(3) > 0).then(|| "served".to_owned()),
                status: Some([200, 200, 200, 429][any(4) as usize]),
                outcome: [Outcome::Finished, Outcome::Failed, Outcome::Cancelled][any(3) as usize],
                usage: if known {
                    Usage { input: Some(any(1_000).into()), ..full(0).usage }
                } else {
                    Usage::default()
                },
                cost: known.then(|| PicoUsd(any(1_000_000).into())),
                cost_unknown: (!known).then_some(CostUnknown::NoUsage),
                ..full(number)
            }
        })
        .collect()
}

fn filled(dir: &std::path::Path, calls: &[Call]) -> Ledger {
    let ledger = open(dir);
    for call in calls {
        ledger.writer().record(settled(call.clone())).unwrap();
    }
    ledger.writer().flush_blocking().unwrap();
    ledger
}

/// The sums as anyone would add them up by hand.
fn by_hand<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Sums {
    let mut sums = Sums::default();
    for call in calls {
        let failed = call.outcome == Outcome::Failed || call.status.is_some_and(|it| it >= 400);
        sums.calls += 1;
        sums.failed_calls += u64::from(failed);
        sums.cancelled_calls += u64::from(call.outcome == Outcome::Cancelled);
        sums.unknown_cost_calls += u64::from(call.cost.is_none() && call.cost_unknown.is_some());
        sums.unknown_usage_calls += u64::from(call.usage == Usage::default());
        sums.cost.0 += call.cost.unwrap_or_default().0;
        let mut add = |sum: fn(&mut Sums) -> &mut u64, count: Option<u64>| {
            *sum(&mut sums) += count.unwrap_or_default();
        };
        add(|it| &mut it.tokens.input, call.usage.input);
        add(|it| &mut it.tokens.cache_read, call.usage.cache_read);
        add(|it| &mut it.tokens.cache_write_5m, call.usage.cache_write_5m);
        add(|it| &mut it.tokens.cache_write_1h, call.usage.cache_write_1h);
        add(|it| &mut it.tokens.output, call.usage.output);
        add(|it| &mut it.tokens.reasoning, call.usage.reasoning);
        add(|it| &mut it.tokens.input_audio, call.usage.input_audio);
        add(|it| &mut it.tokens.output_audio, call.usage.output_audio);
        add(|it| &mut it.tokens.web_searches, call.usage.web_searches);
        let at = call.started_at_ms;
        sums.first_at_ms = Some(sums.first_at_ms.map_or(at, |it| it.min(at)));
        sums.last_at_ms = Some(sums.last_at_ms.map_or(at, |it| it.max(at)));
    }
    sums
}

fn selected<'a>(calls: &'a [Call], query: &SumQuery) -> Vec<&'a Call> {
    let wanted = |call: &&Call| {
        query.since.is_none_or(|it| call.started_at_ms >= it)
            && query.until.is_none_or(|it| call.started_at_ms < it)
            && match query.simulated {
                Simulated::Include => true,
                Simulated::Exclude => !call.simulated,
                Simulated::Only => call.simulated,
            }
    };
    calls.iter().filter(wanted).collect()
}

fn queries() -> Vec<SumQuery> {
    let at = |ms: i64| Some(UnixMs(DAY + ms));
    let mut queries = Vec::new();
    for simulated in [Simulated::Include, Simulated::Exclude, Simulated::Only] {
        for (since, until) in [
            (None, None),
            (at(0), at(72 * HOUR)),
            (at(1), at(72 * HOUR - 1)),
            (at(5 * HOUR + 1_234_567), at(50 * HOUR + 7_654)),
            (at(3 * HOUR + 60_000), at(3 * HOUR + 1_900_000)),
            (at(25 * HOUR), None),
            (None, at(30 * HOUR + 5)),
            (at(40 * HOUR), at(40 * HOUR)),
            (at(50 * HOUR), at(40 * HOUR)),
        ] {
            queries.push(SumQuery { since, until, simulated, utc_offset_ms: 0 });
        }
    }
    queries
}

#[test]
fn totals_are_what_adding_up_the_calls_gives() {
    let dir = tempfile::tempdir().unwrap();
    let calls = spread();
    let ledger = filled(dir.path(), &calls);
    for query in queries() {
        let expected = by_hand(selected(&calls, &query));
        assert_eq!(ledger.reader().totals(&query).unwrap(), expected, "{query:?}");
    }
}

#[test]
fn costs_by_every_key_are_what_adding_up_the_calls_gives() {
    let dir = tempfile::tempdir().unwrap();
    let calls = spread();
    let ledger = filled(dir.path(), &calls);
    let project = |it: &Call| Some(it.caller.as_ref()?.project.as_ref()?.root.clone());
    let keys: [(CostKey, KeyOf<'_>); 5] = [
        (CostKey::Model, &|it| it.model_asked.clone().or_else(|| it.model_served.clone())),
        (CostKey::Provider, &|it| it.provider.clone()),
        (CostKey::Program, &|it| it.caller.as_ref().map(|it| it.program.clone())),
        (CostKey::Project, &project),
        (CostKey::Format, &|it| it.format.map(|it| it.to_string())),
    ];
    for query in queries() {
        for (by, key) in &keys {
            let mut expected: BTreeMap<Option<String>, Vec<&Call>> = BTreeMap::new();
            for call in selected(&calls, &query) {
                expected.entry(key(call)).or_default().push(call);
            }
            let rows = ledger.reader().costs(*by, &query).unwrap();
            assert!(rows.is_sorted_by(|a, b| a.sums.cost >= b.sums.cost));
            let rows: BTreeMap<_, _> = rows.into_iter().map(|it| (it.key, it.sums)).collect();
            let expected: BTreeMap<_, _> =
                expected.into_iter().map(|(key, calls)| (key, by_hand(calls))).collect();
            assert_eq!(rows, expected, "{by:?} {query:?}");
        }
    }
}

#[test]
fn days_begin_where_the_user_lives() {
    let dir = tempfile::tempdir().unwrap();
    let calls = spread();
    let ledger = filled(dir.path(), &calls);
    for minutes in [0, 60, -8 * 60, 5 * 60 + 30, 12 * 60 + 45] {
        let query = SumQuery { utc_offset_ms: minutes * 60_000, ..SumQuery::default() };
        let rows = ledger.reader().costs(CostKey::Day, &query).unwrap();
        let mut expected: BTreeMap<i64, Vec<&Call>> = BTreeMap::new();
        for call in &calls {
            let day = (call.started_at_ms.0 + query.utc_offset_ms).div_euclid(24 * HOUR);
            expected.entry(day - DAY / (24 * HOUR)).or_default().push(call);
        }
        let names = ["2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26"];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(day, calls)| {
                let name = names[usize::try_from(day + 1).unwrap()];
                (Some(name.to_owned()), by_hand(calls))
            })
            .collect();
        let rows: Vec<_> = rows.into_iter().map(|it| (it.key, it.sums)).collect();
        assert_eq!(rows, expected, "{minutes}");
    }
}

#[test]
fn a_series_adds_up_whatever_its_stretches() {
    let dir = tempfile::tempdir().unwrap();
    let calls = spread();
    let ledger = filled(dir.path(), &calls);
    let since = Some(UnixMs(DAY + 7 * HOUR + 99));
    let of = |simulated| SumQuery { since, simulated, ..SumQuery::default() };
    let kinds = [Simulated::Include, Simulated::Exclude, Simulated::Only];
    let buckets = [60_000, 15 * 60_000, HOUR, 6 * HOUR, 24 * HOUR];
    for (query, bucket) in kinds.iter().flat_map(|it| buckets.map(|bucket| (of(*it), bucket))) {
        let mut expected: BTreeMap<i64, Vec<&Call>> = BTreeMap::new();
        for call in selected(&calls, &query) {
            let at = call.started_at_ms.0;
            expected.entry(at - at % bucket).or_default().push(call);
        }
        let points = ledger.reader().cost_series(bucket, &query).unwrap();
        let points: Vec<_> = points.into_iter().map(|it| (it.at_ms.0, it.sums)).collect();
        let expected: Vec<_> =
            expected.into_iter().map(|(at, calls)| (at, by_hand(calls))).collect();
        assert_eq!(points, expected, "{bucket}");
    }
}

#[test]
fn programs_say_who_they_are_and_what_they_did() {
    let dir = tempfile::tempdir().unwrap();
    let other = |pid| Call { caller: Some(caller("claude", pid)), ..full(pid) };
    let calls = [bare(0), full(1), other(20), other(21), other(20 + 2)];
    let ledger = filled(dir.path(), &calls);
    let rows = ledger.reader().programs(&SumQuery::default()).unwrap();
    let names: Vec<_> = rows.iter().map(|it| it.program.as_deref()).collect();
    assert_eq!(names, [Some("claude"), Some("ingest.py (python3)"), None]);
    assert_eq!(rows[0].pids, [22, 21, 20]);
    assert_eq!(rows[0].exe.as_deref(), Some("/usr/bin/python3"));
    assert_eq!(rows[0].projects.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["lab"]);
    assert_eq!(rows[0].sums, by_hand(&calls[2..]));
    assert_eq!(rows[2].sums.failed_calls, 1);
    assert_eq!((rows[2].exe.as_deref(), rows[2].pids.len()), (None, 0));
}

/// A list of models uses nothing and costs nothing: that is known.
#[test]
fn free_operations_are_not_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let list = Call {
        operation: Operation::ListModels,
        outcome: Outcome::Finished,
        status: Some(200),
        ..bare(0)
    };
    let ledger = filled(dir.path(), &[list]);
    let sums = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!((sums.calls, sums.unknown_cost_calls, sums.unknown_usage_calls), (1, 0, 0));
}

/// The prompt of a stream that the client left is known, what it generated is not.
#[test]
fn usage_that_is_known_in_part_is_not_known() {
    let check = |call: Call, unknown: u64| {
        let dir = tempfile::tempdir().unwrap();
        let sums = filled(dir.path(), &[call]).reader().totals(&SumQuery::default()).unwrap();
        assert_eq!(sums.unknown_usage_calls, unknown);
    };
    let no_usage = Some(CostUnknown::NoUsage);
    let left = Call {
        outcome: Outcome::Cancelled,
        usage: Usage { input: Some(12), ..Usage::default() },
        cost: None,
        cost_unknown: no_usage,
        ..full(0)
    };
    check(left.clone(), 1);
    check(Call { outcome: Outcome::Failed, ..left.clone() }, 1);
    check(Call { usage: Usage { output: Some(3), ..left.usage }, ..left.clone() }, 1);
    // All tokens are known, only their price is not.
    let unpriced = Usage { output: Some(3), ..left.usage };
    check(Call { usage: unpriced, cost_unknown: Some(CostUnknown::NoPrice), ..left.clone() }, 0);
    let cost = Some(PicoUsd(1));
    let embedded = Call { operation: Operation::Embed, cost, cost_unknown: None, ..left.clone() };
    check(embedded, 0);
    // A refusal uses nothing.
    let refused = Call { status: Some(429), usage: Usage::default(), cost_unknown: None, ..left };
    check(refused, 0);
}

/// Sums stop at the end of their range and neither wrap nor make the database refuse a call.
#[test]
fn absurd_amounts_do_not_break_the_sums() {
    let dir = tempfile::tempdir().unwrap();
    let dear = |number| Call { cost: Some(PicoUsd(i64::MAX)), ..full(number) };
    let ledger = filled(dir.path(), &[dear(0), dear(1)]);
    ledger.writer().record(settled(dear(2))).unwrap();
    ledger.writer().flush_blocking().unwrap();
    let sums = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!((sums.calls, sums.cost), (3, PicoUsd(i64::MAX)));
}
