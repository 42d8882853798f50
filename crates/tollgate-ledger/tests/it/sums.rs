//! Sums: equal to adding up the calls one by one, whatever the stretch of time.

use std::{collections::BTreeMap, path::Path};

use jiff::tz::{Offset, TimeZone};
use rusqlite::Connection;
use tollgate_core::{
    Call, CallId, Format, Operation, PicoUsd, UnixMs, Usage,
    call::{CostUnknown, Outcome},
};
use tollgate_ledger::{
    CHANGES_MAX, CallFilter, CallQuery, Change, CostChange, CostKey, Ledger, LedgerError, Settled,
    Simulated, Step, SumQuery, Sums,
};

use crate::{DAY, bare, caller, full, id, open, settled};

const HOUR: i64 = 3_600_000;
const QUARTER: i64 = HOUR / 4;

const REASONS: [CostUnknown; 6] = [
    CostUnknown::NoPrice,
    CostUnknown::NoUsage,
    CostUnknown::KindNotPriced,
    CostUnknown::TierNotPriced,
    CostUnknown::OutOfRange,
    CostUnknown::FeeNotTold,
];

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
            let cached = any(3) == 0;
            let saved = (cached && any(2) == 0).then(|| PicoUsd(any(1_000).into()));
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
                usage_counted: any(5) == 0,
                cached,
                saved,
                cost: known.then(|| PicoUsd(any(1_000_000).into())),
                cost_unknown: (!known).then_some(REASONS[any(6) as usize]),
                key: [None, Some("ci"), Some("nightly")][any(3) as usize].map(str::to_owned),
                ..full(number)
            }
        })
        .collect()
}

fn filled(dir: &Path, calls: &[Call]) -> Ledger {
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
        if let (None, Some(reason)) = (call.cost, call.cost_unknown) {
            let unknown = &mut sums.unknown_costs;
            *match reason {
                CostUnknown::NoPrice => &mut unknown.no_price,
                CostUnknown::NoUsage => &mut unknown.no_usage,
                CostUnknown::KindNotPriced => &mut unknown.kind_not_priced,
                CostUnknown::TierNotPriced => &mut unknown.tier_not_priced,
                CostUnknown::OutOfRange => &mut unknown.out_of_range,
                CostUnknown::FeeNotTold => &mut unknown.fee_not_told,
            } += 1;
        }
        let uncounted = call.usage == Usage::default();
        let broken = call.cost_unknown == Some(CostUnknown::NoUsage);
        sums.unknown_usage_calls += u64::from(uncounted || broken);
        sums.cost.0 += call.cost.unwrap_or_default().0;
        if call.usage_counted {
            sums.counted_calls += 1;
            sums.estimated.0 += call.cost.unwrap_or_default().0;
        }
        if call.cached {
            sums.cached_calls += 1;
            sums.saved.0 += call.saved.unwrap_or_default().0;
            sums.unknown_saved_calls += u64::from(call.saved.is_none());
        }
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
        add(|it| &mut it.tokens.input_image, call.usage.input_image);
        add(|it| &mut it.tokens.output_image, call.usage.output_image);
        add(|it| &mut it.tokens.file_searches, call.usage.file_searches);
        let at = call.started_at_ms;
        sums.first_at_ms = Some(sums.first_at_ms.map_or(at, |it| it.min(at)));
        sums.last_at_ms = Some(sums.last_at_ms.map_or(at, |it| it.max(at)));
    }
    sums
}

fn selected<'a>(calls: &'a [Call], query: &SumQuery) -> Vec<&'a Call> {
    let down = |at: i64| at.div_euclid(QUARTER) * QUARTER;
    let wanted = |call: &&Call| {
        query.since.is_none_or(|it| call.started_at_ms.0 >= down(it.0))
            && query.until.is_none_or(|it| call.started_at_ms.0 < down(it.0 + QUARTER - 1))
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
            queries.push(SumQuery { since, until, simulated, zone: TimeZone::UTC });
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
    let keys: [(CostKey, KeyOf<'_>); 6] = [
        (CostKey::Model, &|it| {
            let (asked, served) = (it.model_asked.as_ref(), it.model_served.as_ref());
            let other = asked.zip(served).filter(|(asked, served)| !served.starts_with(*asked));
            other.map(|(_, served)| served).or(asked).or(served).cloned()
        }),
        (CostKey::Provider, &|it| it.provider.clone()),
        (CostKey::Program, &|it| it.caller.as_ref().map(|it| it.program.clone())),
        (CostKey::Project, &project),
        (CostKey::Key, &|it| it.key.clone()),
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
        let zone = TimeZone::fixed(Offset::from_seconds(minutes * 60).unwrap());
        let query = SumQuery { zone, ..SumQuery::default() };
        let rows = ledger.reader().costs(CostKey::Day, &query).unwrap();
        let mut expected: BTreeMap<i64, Vec<&Call>> = BTreeMap::new();
        for call in &calls {
            let day = (call.started_at_ms.0 + i64::from(minutes) * 60_000).div_euclid(24 * HOUR);
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
fn a_day_on_which_clocks_change_is_as_long_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    // 2026-10-25 from its local midnight on, which is an hour longer than a day.
    let midnight = 1_792_879_200_000;
    let calls: Vec<_> = [0, 1, 23, 24, 25]
        .iter()
        .zip(0..)
        .map(|(hour, number)| {
            let at = midnight + hour * HOUR + 60_000;
            Call { id: id(at, number), started_at_ms: UnixMs(at), ..bare(number) }
        })
        .collect();
    let ledger = filled(dir.path(), &calls);
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let query = SumQuery { zone, ..SumQuery::default() };
    let rows = ledger.reader().costs(CostKey::Day, &query).unwrap();
    let days: Vec<_> = rows.iter().map(|it| (it.key.as_deref(), it.sums.calls)).collect();
    assert_eq!(days, [(Some("2026-10-25"), 4), (Some("2026-10-26"), 1)]);
    let series = ledger.reader().cost_series(Step::Day, &query).unwrap();
    let lengths: Vec<_> = series.iter().map(|it| it.until_ms.0 - it.at_ms.0).collect();
    assert_eq!(lengths, [25 * HOUR, 24 * HOUR]);
}

#[test]
fn a_series_adds_up_and_has_no_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let calls = spread();
    let ledger = filled(dir.path(), &calls);
    let (since, until) = (DAY + 7 * HOUR + 99, DAY + 90 * HOUR);
    let kinds = [Simulated::Include, Simulated::Exclude, Simulated::Only];
    for (simulated, (step, length)) in kinds
        .iter()
        .flat_map(|it| [(Step::Hour, HOUR), (Step::Day, 24 * HOUR)].map(|step| (*it, step)))
    {
        let query = SumQuery {
            since: Some(UnixMs(since)),
            until: Some(UnixMs(until)),
            simulated,
            ..SumQuery::default()
        };
        let selected = selected(&calls, &query);
        let mut at = since - since % length;
        let points = ledger.reader().cost_series(step, &query).unwrap();
        for point in &points {
            assert_eq!((point.at_ms.0, point.until_ms.0), (at, at + length));
            let there = |it: &&&Call| it.started_at_ms.0 >= at && it.started_at_ms.0 < at + length;
            assert_eq!(point.sums, by_hand(selected.iter().filter(there).copied()), "{step:?}");
            at += length;
        }
        assert!(at >= until, "{step:?} {simulated:?}");
    }
    let all = ledger.reader().cost_series(Step::Day, &SumQuery::default()).unwrap();
    assert_eq!(all.len(), 3, "without a time, from the first call to the last");
}

#[test]
fn the_first_call_is_known_of_each_kind() {
    let dir = tempfile::tempdir().unwrap();
    let calls = spread();
    let ledger = filled(dir.path(), &calls);
    for simulated in [Simulated::Include, Simulated::Exclude, Simulated::Only] {
        let query = SumQuery { simulated, ..SumQuery::default() };
        let first = selected(&calls, &query).iter().map(|it| it.started_at_ms).min();
        assert_eq!(ledger.reader().first_call_at(simulated).unwrap(), first);
    }
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(open(empty.path()).reader().first_call_at(Simulated::Include).unwrap(), None);
}

/// Every row of every table of sums.
fn tables_of(dir: &Path) -> Vec<String> {
    let file = Connection::open(dir.join("ledger.db")).unwrap();
    let mut rows = Vec::new();
    for table in ["quarters", "days", "quarters_of_all"] {
        let mut statement = file.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let cells = (0..columns).map(|it| row.get::<_, i64>(it).unwrap().to_string());
            rows.push(format!("{table}: {}", cells.collect::<Vec<_>>().join(" ")));
        }
    }
    rows
}

fn mark_stale(dir: &Path) {
    let file = Connection::open(dir.join("ledger.db")).unwrap();
    file.execute("UPDATE counters SET value = 1 WHERE name = 'sums_are_stale'", []).unwrap();
}

#[test]
fn sums_that_are_built_anew_are_those_that_were_kept() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &spread()).close().unwrap();
    let kept = tables_of(dir.path());
    assert!(kept.len() > 600, "{}", kept.len());
    let file = Connection::open(dir.path().join("ledger.db")).unwrap();
    file.execute("UPDATE days SET calls = calls + 1", []).unwrap();
    file.execute("DELETE FROM quarters_of_all", []).unwrap();
    open(dir.path()).close().unwrap();
    assert_ne!(tables_of(dir.path()), kept, "nothing says that they are stale");
    mark_stale(dir.path());
    open(dir.path()).close().unwrap();
    assert_eq!(tables_of(dir.path()), kept);
}

fn change(ledger: &Ledger, changes: Vec<Change>) -> Result<u64, LedgerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ledger.writer().change(changes))
}

fn repriced(id: CallId, cost: Result<i64, CostUnknown>, price: &str) -> Change {
    Change::Cost(CostChange {
        id,
        cost: cost.ok().map(PicoUsd),
        cost_unknown: cost.err(),
        price_id: Some(price.to_owned()),
    })
}

/// After every change the tables are those of a ledger that never had anything else. The money of
/// deleted calls stays spent.
#[test]
fn sums_follow_calls_that_are_repriced_and_keep_what_deleted_ones_came_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut calls = spread();
    let ledger = filled(dir.path(), &calls);
    let mut changes = Vec::new();
    for (at, call) in calls.iter_mut().enumerate() {
        let cost = match at % 4 {
            0 => Ok(i64::try_from(at).unwrap() * 7),
            1 => Err(REASONS[at % REASONS.len()]),
            _ => continue,
        };
        call.cost = cost.ok().map(PicoUsd);
        call.cost_unknown = cost.err();
        call.price_id = Some("later".to_owned());
        changes.push(repriced(call.id, cost, "later"));
    }
    changes.extend(calls.iter().step_by(3).map(|it| Change::Delete(it.id)));
    let known = u64::try_from(changes.len()).unwrap();
    changes.push(Change::Delete(id(DAY, 9_999)));
    assert_eq!(change(&ledger, changes).unwrap(), known, "an unknown call is passed over");
    for (at, call) in calls.iter().enumerate() {
        let kept = (at % 3 != 0).then_some(call);
        assert_eq!(ledger.reader().call(call.id).unwrap().as_ref(), kept);
    }
    let all = SumQuery::default();
    assert_eq!(ledger.reader().totals(&all).unwrap(), by_hand(&calls));
    ledger.close().unwrap();
    let changed = tables_of(dir.path());
    mark_stale(dir.path());
    open(dir.path()).close().unwrap();
    assert_eq!(tables_of(dir.path()), changed);

    let ledger = open(dir.path());
    change(&ledger, calls.iter().map(|it| Change::Delete(it.id)).collect()).unwrap();
    assert_eq!(ledger.reader().totals(&all).unwrap(), by_hand(&calls));
    assert_eq!(ledger.reader().calls(&CallQuery::default()).unwrap(), []);
    ledger.close().unwrap();
    assert_eq!(tables_of(dir.path()), changed);
}

/// A call that was handed over a moment before is found, though nothing was committed yet.
#[test]
fn a_call_can_be_changed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let call = Call { cost: None, cost_unknown: Some(CostUnknown::NoPrice), ..full(1) };
    ledger.writer().record(settled(call.clone())).unwrap();
    assert_eq!(change(&ledger, vec![repriced(call.id, Ok(5), "later")]).unwrap(), 1);
    let sums = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!((sums.cost, sums.unknown_costs.calls()), (PicoUsd(5), 0));
}

/// A sum at the end of its range comes back from there when what was too much is gone.
#[test]
fn a_sum_that_was_full_is_right_again_after_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let dear = |number| Call { cost: Some(PicoUsd(i64::MAX)), ..full(number) };
    let ledger = filled(dir.path(), &[dear(0), dear(1), full(2)]);
    let cheaper = [0, 1].map(|it| repriced(dear(it).id, Ok(3), "later"));
    change(&ledger, cheaper.to_vec()).unwrap();
    let sums = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!(sums.cost, PicoUsd(6 + full(2).cost.unwrap().0));
}

#[test]
fn a_deleted_call_takes_its_bodies_along() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let bodies = Some(crate::bodies("asked", "answered"));
    ledger
        .writer()
        .record(Settled { call: full(1), bodies, routing: None, hits: Vec::new(), answer_id: None })
        .unwrap();
    assert_eq!(change(&ledger, vec![Change::Delete(full(1).id)]).unwrap(), 1);
    assert_eq!(ledger.reader().bodies(full(1).id).unwrap(), None);
    ledger.close().unwrap();
    let file = Connection::open(dir.path().join("ledger.db")).unwrap();
    let counted = "SELECT value FROM counters WHERE name = 'bodies_stored_bytes'";
    assert_eq!(file.query_row(counted, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[test]
fn too_many_changes_at_once_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), &[full(1)]);
    let refused = change(&ledger, vec![Change::Delete(full(1).id); CHANGES_MAX + 1]);
    let said = refused.unwrap_err().to_string();
    assert_eq!(said, "cannot change 5001 calls at once, only 5000");
    assert_eq!(ledger.reader().totals(&SumQuery::default()).unwrap().calls, 1);
}

#[test]
fn calls_that_a_sum_leaves_out_can_be_listed() {
    let dir = tempfile::tempdir().unwrap();
    let calls = spread();
    let ledger = filled(dir.path(), &calls);
    let totals = ledger.reader().totals(&SumQuery::default()).unwrap();
    for (reason, calls) in totals.unknown_costs.by_reason() {
        let filter = CallFilter { cost_unknown: Some(reason), ..CallFilter::default() };
        let query = CallQuery { filter, limit: 1_000, ..CallQuery::default() };
        let listed = ledger.reader().calls(&query).unwrap();
        assert_eq!(u64::try_from(listed.len()).unwrap(), calls, "{reason:?}");
        assert!(calls > 0 && listed.iter().all(|it| it.cost_unknown == Some(reason)));
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
    assert_eq!((sums.calls, sums.unknown_costs.calls(), sums.unknown_usage_calls), (1, 0, 0));
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
