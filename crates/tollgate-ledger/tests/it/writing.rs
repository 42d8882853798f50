//! The queue and the thread behind it.

use rusqlite::Connection;
use tollgate_ledger::{CallQuery, Ledger, LedgerConfig, LedgerError, Progress, Settled, SumQuery};

use crate::{bare, bodies, full, open, settled};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_call_is_committed_without_anyone_asking() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut progress = ledger.writer().progress();
    ledger.writer().record(settled(full(0))).unwrap();
    runtime().block_on(progress.wait_for(|it| it.committed == 1)).unwrap();
    assert_eq!(ledger.reader().calls(&CallQuery::default()).unwrap(), [full(0)]);
}

#[test]
fn a_full_queue_gives_the_call_back_and_the_patient_wait() {
    let dir = tempfile::tempdir().unwrap();
    let config = LedgerConfig { queue_bytes_max: 16 << 10, ..LedgerConfig::default() };
    let ledger = Ledger::open(dir.path(), config).unwrap();
    // Another writer holds the file, so nothing leaves the queue.
    let other = Connection::open(dir.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writer = ledger.writer();
    let mut taken = 0;
    let refused = loop {
        match writer.record(settled(bare(taken))) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 100, "the queue has no end");
    };
    assert_eq!(refused.call, bare(taken));
    assert_eq!(taken, 8, "2 KiB each");
    runtime().block_on(async {
        let patient = tokio::spawn({
            let writer = writer.clone();
            async move { writer.record_async(*refused).await }
        });
        tokio::task::yield_now().await;
        assert!(!patient.is_finished());
        other.execute_batch("COMMIT").unwrap();
        patient.await.unwrap().unwrap();
        writer.flush().await.unwrap();
    });
    let sums = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!(sums.calls, u64::from(taken) + 1);
    assert_eq!(writer.room_bytes(), 16 << 10);
}

#[test]
fn a_body_larger_than_the_queue_still_gets_through() {
    let dir = tempfile::tempdir().unwrap();
    let config = LedgerConfig { queue_bytes_max: 4 << 10, ..LedgerConfig::default() };
    let ledger = Ledger::open(dir.path(), config).unwrap();
    let said = bodies(&"x".repeat(100_000), "y");
    let large = Settled {
        call: bare(0),
        bodies: Some(said.clone()),
        routing: None,
        hits: Vec::new(),
        answer_id: None,
    };
    ledger.writer().record(large).unwrap();
    ledger.writer().flush_blocking().unwrap();
    assert_eq!(ledger.reader().bodies(bare(0).id).unwrap(), Some(said));
}

#[test]
fn closing_commits_the_rest_and_refuses_what_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let writer = ledger.writer();
    for number in 0..3_000 {
        writer.record(settled(bare(number))).unwrap();
    }
    ledger.close().unwrap();
    assert!(writer.record(settled(bare(3_000))).is_err());
    let late = runtime().block_on(writer.record_async(settled(bare(3_000))));
    assert!(matches!(late, Err(LedgerError::Closed)));
    assert!(matches!(writer.flush_blocking(), Err(LedgerError::Closed)));
    assert_eq!(writer.progress().borrow().committed, 3_000);

    let ledger = open(dir.path());
    assert_eq!(ledger.reader().totals(&SumQuery::default()).unwrap().calls, 3_000);
}

#[test]
fn dropping_the_ledger_commits_too() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.writer().record(settled(bare(0))).unwrap();
    drop(ledger);
    assert_eq!(open(dir.path()).reader().totals(&SumQuery::default()).unwrap().calls, 1);
}

#[test]
fn a_call_recorded_twice_is_refused_once_and_takes_no_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let writer = ledger.writer();
    for call in [full(0), full(1), full(0), full(2)] {
        writer.record(settled(call)).unwrap();
    }
    writer.flush_blocking().unwrap();
    assert_eq!(
        *writer.progress().borrow(),
        Progress { committed: 3, refused: 1, ..Progress::default() }
    );
    assert_eq!(ledger.reader().totals(&SumQuery::default()).unwrap().calls, 3);
    let found = ledger.reader().calls(&CallQuery::default()).unwrap();
    assert_eq!(found, [full(2), full(1), full(0)]);
}

#[test]
fn what_cannot_be_committed_now_is_kept_and_committed_later() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let writer = ledger.writer();
    let other = Connection::open(dir.path().join("ledger.db")).unwrap();
    other.execute_batch("ALTER TABLE quarters RENAME TO elsewhere").unwrap();
    writer.record(settled(full(0))).unwrap();
    let error = writer.flush_blocking().unwrap_err();
    assert!(matches!(error, LedgerError::Commit { calls: 1, .. }), "{error}");
    assert_eq!(ledger.reader().calls(&CallQuery::default()).unwrap(), []);
    let failed = writer.progress().borrow().clone();
    assert_eq!((failed.committed, failed.waiting), (0, 1));
    assert!(failed.failure.unwrap().contains("quarters"));

    other.execute_batch("ALTER TABLE elsewhere RENAME TO quarters").unwrap();
    writer.record(settled(full(1))).unwrap();
    writer.flush_blocking().unwrap();
    assert_eq!(*writer.progress().borrow(), Progress { committed: 2, ..Progress::default() });
    assert_eq!(ledger.reader().calls(&CallQuery::default()).unwrap(), [full(1), full(0)]);
    assert_eq!(ledger.reader().totals(&SumQuery::default()).unwrap().calls, 2);
}
