//! Other processes: one that is killed while it writes, one that reads beside us.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use tollgate_ledger::{Bodies, CallQuery, Reader, Settled, SumQuery};

use crate::{bare, full, open, settled};

const FOLDER: &str = "TOLLGATE_TEST_FOLDER";
const CALLS_AT_ONCE: u32 = 20;
const ROUNDS: u32 = 6;

fn this_test(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name, "--exact", "--ignored", "--nocapture"]);
    command.env(FOLDER, dir).stdout(Stdio::piped());
    command
}

/// Nothing is flushed: the writer commits by itself, and what it has reported as committed is
/// there after `kill -9`. How long that takes at most is `COMMIT_EVERY`.
#[test]
fn a_call_outlives_the_process_once_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let mut child =
        this_test("crash::records_and_says_what_is_committed", dir.path()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let committed = lines.filter_map(|it| it.strip_prefix("committed ")?.parse::<u32>().ok());
    let promised = committed.take_while(|it| *it <= CALLS_AT_ONCE * (ROUNDS - 1)).last().unwrap();
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was killed, not done");
    assert!(promised >= CALLS_AT_ONCE * (ROUNDS - 1));

    let ledger = open(dir.path());
    let found = ledger.reader().calls(&CallQuery { limit: 1_000, ..CallQuery::default() }).unwrap();
    for number in 0..promised {
        assert!(found.contains(&full(number)), "call {number} of {promised} is lost");
    }
    let sums = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!(sums.calls, u64::try_from(found.len()).unwrap());
    let file = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let health: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(health, "ok");
    for table in ["quarters", "days", "quarters_of_all"] {
        let sql = format!("SELECT sum(calls) FROM {table}");
        let calls: u64 = file.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(calls, sums.calls, "{table}");
    }
}

/// A disk of a megabyte in a mount namespace of its own. Bodies make way, and no call is lost.
#[test]
fn a_full_disk_takes_bodies_and_no_call() {
    let dir = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=1m tmpfs \"$TOLLGATE_TEST_FOLDER\" && exec \"$@\"";
    let test = this_test("crash::records_more_than_the_disk_takes", dir.path());
    let mut small = Command::new("unshare");
    small.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]);
    small.arg(test.get_program()).args(test.get_args()).env(FOLDER, dir.path());
    let may = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs tmpfs /tmp")
        .output();
    if !may.is_ok_and(|it| it.status.success()) {
        eprintln!("skipped: this machine lets nobody mount in a namespace of their own");
        return;
    }
    let ended = small.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "started with a small disk by the test above"]
fn records_more_than_the_disk_takes() {
    let dir = env::var_os(FOLDER).expect("started by hand");
    let ledger = open(dir.as_ref());
    let writer = ledger.writer();
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    let ballast = Path::new(&dir).join("ballast");
    fs::write(&ballast, vec![0; 300_000]).unwrap();
    let mut recorded = 0;
    let failed = loop {
        let request = (0..100_000).map(|_| noise()).collect::<Vec<_>>().into();
        let said = Bodies { request, ..Bodies::default() };
        writer
            .record(Settled {
                call: bare(recorded),
                bodies: Some(said),
                routing: None,
                hits: Vec::new(),
                answer_id: None,
            })
            .unwrap();
        recorded += 1;
        if writer.flush_blocking().is_err() {
            break writer.progress().borrow().clone();
        }
        assert!(recorded < 100, "the disk has no end");
    };
    assert_eq!((failed.waiting, failed.bodies_given_up), (1, 1));
    assert!(failed.failure.as_ref().unwrap().contains("full"), "{failed:?}");
    for number in recorded..recorded + 5 {
        writer.record(settled(bare(number))).unwrap();
    }
    // Somebody makes room.
    fs::remove_file(ballast).unwrap();
    writer.flush_blocking().unwrap();
    let now = writer.progress().borrow().clone();
    assert_eq!((now.committed, now.waiting, now.failure), (u64::from(recorded) + 5, 0, None));
    let sums = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!(sums.calls, u64::from(recorded) + 5);
    assert_eq!(ledger.reader().bodies(bare(recorded - 1).id).unwrap(), None);
}

#[test]
#[ignore = "started as a process of its own by the test above"]
fn records_and_says_what_is_committed() {
    let dir = env::var_os(FOLDER).expect("started by hand");
    let ledger = open(dir.as_ref());
    let writer = ledger.writer();
    let mut progress = writer.progress();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // More rounds than the parent waits for, but not endless, should it be gone.
    for round in 0..ROUNDS * 100 {
        for number in round * CALLS_AT_ONCE..(round + 1) * CALLS_AT_ONCE {
            writer.record(settled(full(number))).unwrap();
        }
        let wanted = u64::from((round + 1) * CALLS_AT_ONCE);
        runtime.block_on(progress.wait_for(|it| it.committed >= wanted)).unwrap();
        println!("\ncommitted {wanted}");
    }
}

#[test]
fn another_process_reads_while_we_write() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let count_elsewhere = || {
        let output =
            this_test("crash::reads_and_says_how_many", dir.path()).output().expect("it runs");
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|it| it.strip_prefix("calls ")).map(str::to_owned);
        line.expect(&text)
    };
    assert_eq!(count_elsewhere(), "0");
    for number in 0..500 {
        ledger.writer().record(settled(bare(number))).unwrap();
    }
    ledger.writer().flush_blocking().unwrap();
    ledger.writer().record(settled(bare(500))).unwrap();
    let seen: u32 = count_elsewhere().parse().unwrap();
    assert!((500..=501).contains(&seen), "{seen}");
}

#[test]
#[ignore = "started as a process of its own by the test above"]
fn reads_and_says_how_many() {
    let dir = env::var_os(FOLDER).expect("started by hand");
    let reader = Reader::open(dir.as_ref()).unwrap();
    println!("\ncalls {}", reader.totals(&SumQuery::default()).unwrap().calls);
}
