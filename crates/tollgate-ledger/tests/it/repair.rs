//! A damaged file: what can be read of it goes on, the rest is set aside.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use rusqlite::Connection;
use tollgate_core::{Call, PicoUsd, Routing};
use tollgate_ledger::{
    CallQuery, CostKey, Ledger, LedgerConfig, LedgerError, Progress, Reader, Recovery, Settled,
    SumQuery,
};

use crate::{bare, bodies, full, open, settled};

const PAGE: usize = 4_096;

/// A closed ledger of so many calls, in one file: each costs a dollar, and says something.
fn ledger_of(dir: &Path, calls: u32) -> PathBuf {
    let ledger = open(dir);
    for number in 0..calls {
        let call =
            Call { cost: Some(PicoUsd(1_000_000_000_000)), cost_unknown: None, ..full(number) };
        let said = bodies(&format!("question {number}"), &format!("answer {number}"));
        let routing = Some(Routing { model: Some("fast".to_owned()), ..Routing::default() });
        let answer_id = Some(format!("resp_{number}"));
        let one = Settled { call, bodies: Some(said), routing, hits: Vec::new(), answer_id };
        ledger.writer().record(one).unwrap();
    }
    ledger.close().unwrap();
    dir.join("ledger.db")
}

/// Puts noise over pages; the first is number 0.
fn break_pages(path: &Path, pages: &[usize]) {
    let mut bytes = fs::read(path).unwrap();
    for page in pages {
        let start = page * PAGE;
        let end = bytes.len().min(start + PAGE);
        // The header of the file itself stays what it was.
        let start = start.max(100);
        if start < end {
            bytes[start..end].fill(0xa5);
        }
    }
    fs::write(path, bytes).unwrap();
}

/// The pages that hold a table's rows.
fn leaves(path: &Path, table: &str) -> Vec<usize> {
    let file = Connection::open(path).unwrap();
    let root: usize = file
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |it| it.get(0))
        .unwrap();
    let bytes = fs::read(path).unwrap();
    let page = &bytes[(root - 1) * PAGE..root * PAGE];
    assert_eq!(page[0], 5, "the root of `{table}` leads to other pages");
    let cells = usize::from(u16::from_be_bytes([page[3], page[4]]));
    let child = |cell: usize| {
        let at = 12 + 2 * cell;
        let at = usize::from(u16::from_be_bytes([page[at], page[at + 1]]));
        u32::from_be_bytes(page[at..at + 4].try_into().unwrap())
    };
    (0..cells).map(|it| usize::try_from(child(it)).unwrap() - 1).collect()
}

fn recovery(ledger: &Ledger) -> Recovery {
    ledger.writer().progress().borrow().recovery.clone().unwrap()
}

/// Everything that the ledger tells of itself agrees.
fn check_whole(ledger: &Ledger) -> u64 {
    let reader = ledger.reader();
    let mut query = CallQuery::default();
    let (mut calls, mut cost) = (0, PicoUsd::ZERO);
    loop {
        let page = reader.calls(&query).unwrap();
        let Some(last) = page.last() else { break };
        for call in &page {
            cost = PicoUsd(cost.0 + call.cost.unwrap_or_default().0);
            reader.bodies(call.id).unwrap();
            reader.routing(call.id).unwrap();
        }
        calls += u64::try_from(page.len()).unwrap();
        query.before = Some(last.id);
    }
    let totals = reader.totals(&SumQuery::default()).unwrap();
    assert_eq!((totals.calls, totals.cost), (calls, cost));
    reader.costs(CostKey::Model, &SumQuery::default()).unwrap();
    calls
}

#[test]
fn a_damaged_page_costs_its_own_rows_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger_of(dir.path(), 2_000);
    let pages = leaves(&path, "calls");
    break_pages(&path, &pages[pages.len() / 2..=pages.len() / 2]);
    let before = fs::read(&path).unwrap();

    // It opens: nobody looked at that page.
    let mut ledger = open(dir.path());
    ledger.check().unwrap();
    let mut progress = ledger.writer().progress();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(progress.wait_for(|it| it.recovery.is_some())).unwrap();
    let found = recovery(&ledger);
    let lost = found.lost.unwrap();
    assert!((1..200).contains(&lost), "{found:?}");
    assert_eq!(found.calls + lost, 2_000);
    assert_eq!(found.lost_cost, Some(PicoUsd(i64::try_from(lost).unwrap() * 1_000_000_000_000)));
    assert_eq!(found.with_bodies, found.calls);
    assert_eq!(check_whole(&ledger), found.calls);
    assert!(ledger.reader().bodies_of_answer("resp_0").unwrap().is_some());

    // It goes on in the new file, and the old one is there, with a report beside it.
    ledger.writer().record(settled(bare(5_000))).unwrap();
    ledger.writer().flush_blocking().unwrap();
    assert_eq!(check_whole(&ledger), found.calls + 1);
    assert_eq!(fs::read(&found.aside).unwrap(), before);
    let report = found.aside.with_extension("txt");
    assert_eq!(fs::metadata(&report).unwrap().permissions().mode() & 0o777, 0o600);
    let report = fs::read_to_string(report).unwrap();
    assert_eq!(report, format!("{found}\n"));
    assert!(report.contains(&format!("{lost} calls, of ${lost}.00, were lost")), "{report}");
    ledger.close().unwrap();
    assert!(!dir.path().join("ledger-repair").exists());

    let mut ledger = open(dir.path());
    ledger.check().unwrap();
    runtime.block_on(ledger.writer().progress().wait_for(|it| it.checked)).unwrap();
    assert_eq!(ledger.writer().progress().borrow().recovery, None);
    assert_eq!(check_whole(&ledger), found.calls + 1);
}

#[test]
fn a_commit_that_meets_damage_goes_into_the_repaired_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = ledger_of(dir.path(), 500);
    let ledger = open(dir.path());
    let reader = ledger.reader();
    assert_eq!(reader.totals(&SumQuery::default()).unwrap().calls, 500);
    // The last page takes the next row.
    let last = fs::metadata(&path).unwrap().len();
    let pages = usize::try_from(last).unwrap() / PAGE;
    break_pages(&path, &(1..pages).collect::<Vec<_>>());
    ledger.writer().record(settled(bare(900))).unwrap();
    ledger.writer().flush_blocking().unwrap();
    let found = recovery(&ledger);
    assert_eq!(check_whole(&ledger), found.calls + 1);
    // A reader from before sees the new file.
    assert_eq!(reader.totals(&SumQuery::default()).unwrap().calls, found.calls + 1);
    let Progress { waiting, failure, .. } = ledger.writer().progress().borrow().clone();
    assert_eq!((waiting, failure), (0, None));
}

#[test]
fn a_repair_that_died_before_its_last_step_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let workshop = dir.path().join("ledger-repair");
    ledger_of(&workshop, 10);
    let ledger = open(dir.path());
    assert_eq!(check_whole(&ledger), 10);
    ledger.close().unwrap();
    // One that died earlier left half of a ledger, and the damaged one where it was.
    ledger_of(&workshop, 3);
    assert_eq!(check_whole(&open(dir.path())), 10);
}

#[test]
fn what_is_no_database_any_more_is_set_aside_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let noise = "not a database at all, but longer than a header".repeat(9);
    fs::write(&path, &noise).unwrap();
    let error = Reader::open(dir.path()).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
    let ledger = open(dir.path());
    let found = recovery(&ledger);
    assert_eq!((found.calls, found.lost), (0, None));
    assert_eq!(fs::read_to_string(&found.aside).unwrap(), noise);
    assert!(found.to_string().contains("how many were lost is not known"), "{found}");
    assert_eq!(check_whole(&ledger), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_is_damaged_the_ledger_opens_and_agrees_with_itself(
        spots in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 1_usize..3_000), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = ledger_of(dir.path(), 120);
        let mut bytes = fs::read(&path).unwrap();
        for (at, byte, length) in spots {
            let start = at.index(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes[start..end].fill(byte);
        }
        fs::write(&path, bytes).unwrap();
        let mut ledger = match Ledger::open(dir.path(), LedgerConfig::default()) {
            Ok(ledger) => ledger,
            // The header may come to say another's name or a newer version, which is believed.
            Err(LedgerError::NotALedger { .. } | LedgerError::Newer { .. }) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
        };
        ledger.check().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut progress = ledger.writer().progress();
        runtime
            .block_on(progress.wait_for(|it| it.checked || it.recovery.is_some()))
            .unwrap();
        ledger.writer().record(settled(bare(900))).unwrap();
        ledger.writer().flush_blocking().unwrap();
        if recovery_is_there(&ledger) {
            prop_assert!(check_whole(&ledger) >= 1);
        }
    }
}

fn recovery_is_there(ledger: &Ledger) -> bool {
    ledger.writer().progress().borrow().recovery.is_some()
}
