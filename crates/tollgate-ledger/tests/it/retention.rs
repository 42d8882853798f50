//! What is kept, for how long, and what is gone when it is gone.

use std::fs;

use tollgate_core::{Call, UnixMs};
use tollgate_ledger::{BODIES_BYTES_MAX, Change, Ledger, Reader, Retention, Settled, SumQuery};

use crate::{DAY, bare, bodies, open};

fn said(ledger: &Ledger, number: u32) -> bool {
    ledger.reader().bodies(bare(number).id).unwrap().is_some()
}

/// Calls a second apart.
fn record(ledger: &Ledger, calls: u32) {
    for number in 0..calls {
        let call = Call { started_at_ms: UnixMs(DAY + i64::from(number) * 1_000), ..bare(number) };
        let bodies = Some(bodies(&format!("question {number}"), "answer"));
        let one = Settled { call, bodies, routing: None, hits: Vec::new(), answer_id: None };
        ledger.writer().record(one).unwrap();
    }
    ledger.writer().flush_blocking().unwrap();
}

#[test]
fn what_was_said_before_a_time_is_deleted_and_the_calls_stay() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    record(&ledger, 1_000);
    let since = Some(UnixMs(DAY + 700_000));
    ledger.writer().keep(Retention { bodies_bytes_max: BODIES_BYTES_MAX, bodies_since: since });
    // Closing leaves what is not deleted yet to the next start: several steps are needed.
    let progress = |ledger: &Ledger| (said(ledger, 0), said(ledger, 699), said(ledger, 700));
    while progress(&ledger) != (false, false, true) {
        ledger.writer().flush_blocking().unwrap();
    }
    assert_eq!(ledger.reader().totals(&SumQuery::default()).unwrap().calls, 1_000);
}

#[test]
fn a_smaller_bound_holds_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    record(&ledger, 1_000);
    ledger.writer().keep(Retention { bodies_bytes_max: 0, bodies_since: None });
    while said(&ledger, 999) {
        ledger.writer().flush_blocking().unwrap();
    }
    assert!(!said(&ledger, 0));
}

#[test]
fn what_was_deleted_is_no_longer_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let secret = "/v1/9f1c7f0e2b5d4a6d8c3b1a0f";
    let call = Call { path: secret.to_owned(), ..bare(0) };
    let bodies = Some(bodies("zq8vXk2LpT0wRy5N", "j7HcBd4MfS9uGe1A"));
    let one = Settled { call, bodies, routing: None, hits: Vec::new(), answer_id: None };
    ledger.writer().record(one).unwrap();
    record_others(&ledger);
    let anywhere = |what: &str| {
        let files = fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().path());
        files
            .map(|it| fs::read(it).unwrap())
            .any(|bytes| bytes.windows(what.len()).any(|it| it == what.as_bytes()))
    };
    // Texts so short are stored as they are.
    let all = [secret, "zq8vXk2LpT0wRy5N", "j7HcBd4MfS9uGe1A"];
    assert!(all.iter().all(|it| anywhere(it)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let gone = runtime.block_on(ledger.writer().change(vec![Change::Delete(bare(0).id)])).unwrap();
    assert_eq!(gone, 1);
    ledger.writer().flush_blocking().unwrap();
    assert!(!all.iter().any(|it| anywhere(it)));
}

fn record_others(ledger: &Ledger) {
    for number in 1..50 {
        ledger.writer().record(crate::settled(bare(number))).unwrap();
    }
    ledger.writer().flush_blocking().unwrap();
}

#[test]
fn a_backup_made_while_calls_come_in_is_a_ledger_and_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let ledger = open(&dir.path().join("data"));
    record(&ledger, 200);
    let copy = dir.path().join("copy");
    fs::create_dir(&copy).unwrap();
    let to = copy.join("ledger.db");
    let bytes = ledger.reader().backup(&to).unwrap();
    assert_eq!(fs::metadata(&to).unwrap().len(), bytes);
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    ledger.writer().record(crate::settled(bare(5_000))).unwrap();
    ledger.writer().flush_blocking().unwrap();
    assert!(Reader::open(&copy).is_ok());
    let copied = open(&copy);
    assert_eq!(copied.reader().totals(&SumQuery::default()).unwrap().calls, 200);
    assert!(said(&copied, 199));

    // It never takes the place of a file.
    let error = ledger.reader().backup(&to).unwrap_err();
    assert!(error.to_string().contains("cannot copy"), "{error}");
    let error = ledger.reader().backup(&dir.path().join("no/such.db")).unwrap_err();
    assert!(error.to_string().contains("no/such.db"), "{error}");
}
