//! Searching what was said, and what is left of it when it is deleted.

use std::{fs, path::Path};

use tollgate_core::{Call, CallId};
use tollgate_ledger::{
    CallFilter, CallQuery, Change, Ledger, Reader, Retention, SaidText, Search, Settled, SumQuery,
};

use crate::{bare, bodies, caller, full, open};

fn said(call: Call, text: &str) -> Settled {
    Settled {
        call,
        bodies: Some(bodies(text, "")),
        routing: None,
        hits: Vec::new(),
        answer_id: None,
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Reads what was not read yet, in small steps, as the application does; the text is the request.
fn read_all(ledger: &Ledger) {
    ledger.writer().flush_blocking().unwrap();
    loop {
        let unread = ledger.reader().unread(3, 1_000).unwrap();
        if unread.is_empty() {
            return;
        }
        let texts = unread.into_iter().map(|it| {
            let request = it.bodies.unwrap().request;
            SaidText { id: it.call.id, text: String::from_utf8(request.to_vec()).unwrap() }
        });
        run(ledger.writer().index(texts.collect())).unwrap();
    }
}

fn found_with(reader: &Reader, text: &str, filter: CallFilter) -> Vec<CallId> {
    let said = Search::read(text).unwrap();
    let query = CallQuery { filter: CallFilter { said, ..filter }, ..CallQuery::default() };
    reader.calls(&query).unwrap().into_iter().map(|it| it.id).collect()
}

fn found(reader: &Reader, text: &str) -> Vec<CallId> {
    found_with(reader, text, CallFilter::default())
}

#[test]
fn calls_are_found_by_the_words_of_what_was_said_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.writer().record(said(bare(0), "The quick brown fox jumps over the dog.")).unwrap();
    ledger.writer().record(said(full(1), "A brown dog, and a FÓX.")).unwrap();
    ledger.writer().record(crate::settled(bare(2))).unwrap();
    ledger.writer().record(said(bare(3), "")).unwrap();
    ledger.writer().flush_blocking().unwrap();
    let reader = ledger.reader();
    assert_eq!(reader.unread_calls().unwrap(), 3);
    assert_eq!(found(&reader, "fox"), []);
    read_all(&ledger);
    assert_eq!(reader.unread_calls().unwrap(), 0);

    let (first, second) = (bare(0).id, full(1).id);
    assert_eq!(found(&reader, "fox"), [second, first]);
    assert_eq!(found(&reader, "brown FOX"), [second, first]);
    assert_eq!(found(&reader, "\"brown fox\""), [first]);
    assert_eq!(found(&reader, "jum*"), [first]);
    assert_eq!(found(&reader, "jum"), []);
    assert_eq!(found(&reader, "fox cat"), []);
    assert_eq!(found(&reader, "NOT fox OR \" ( * :"), []);
    // All other conditions hold too.
    let by = |program: &str| CallFilter { program: Some(program.to_owned()), ..<_>::default() };
    assert_eq!(found_with(&reader, "fox", by("ingest.py (python3)")), [second]);
    assert_eq!(found_with(&reader, "fox", by("nobody")), []);
    let query = CallQuery {
        before: Some(second),
        filter: CallFilter { said: Search::read("fox").unwrap(), ..CallFilter::default() },
        ..CallQuery::default()
    };
    let next: Vec<_> = reader.calls(&query).unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(next, [first]);
    ledger.close().unwrap();
    assert_eq!(found(&Reader::open(dir.path()).unwrap(), "fox"), [second, first]);
}

fn is_anywhere(dir: &Path, what: &str) -> bool {
    let files = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    files
        .filter(|it| it.is_file())
        .map(|it| fs::read(it).unwrap())
        .any(|bytes| bytes.windows(what.len()).any(|it| it == what.as_bytes()))
}

/// Words that share no beginning with their neighbours in the index, which would shorten them there.
const SECRET: &str = "zq8vxk2lpt0wry5n";
const TYPED: &str = "--password=j7hcbd4mfs9uge1a";

fn with_secret(dir: &Path) -> Ledger {
    let ledger = open(dir);
    for number in 1..40 {
        ledger.writer().record(said(full(number), &format!("question {number}"))).unwrap();
    }
    let mut typed = caller("secretive", 77);
    typed.argv.push(TYPED.to_owned());
    let call = Call { caller: Some(typed), ..full(40) };
    ledger.writer().record(said(call, SECRET)).unwrap();
    read_all(&ledger);
    assert_eq!(found(&ledger.reader(), SECRET), [full(40).id]);
    assert!(is_anywhere(dir, SECRET) && is_anywhere(dir, TYPED));
    ledger
}

#[test]
fn a_deleted_call_leaves_no_word_and_no_caller_but_its_cost() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = with_secret(dir.path());
    let before = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!(run(ledger.writer().change(vec![Change::Delete(full(40).id)])).unwrap(), 1);
    assert_eq!(found(&ledger.reader(), SECRET), []);
    while is_anywhere(dir.path(), SECRET) {
        ledger.writer().flush_blocking().unwrap();
    }
    assert!(!is_anywhere(dir.path(), TYPED));
    assert_eq!(ledger.reader().call(full(40).id).unwrap(), None);
    assert_eq!(found(&ledger.reader(), "question").len(), 39);
    assert_eq!(ledger.reader().totals(&SumQuery::default()).unwrap(), before);
    // The other calls of a caller keep it.
    assert_eq!(ledger.reader().call(full(39).id).unwrap(), Some(full(39)));
}

#[test]
fn words_leave_with_what_was_said_when_that_grows_too_old_or_large() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = with_secret(dir.path());
    ledger.writer().keep(Retention { bodies_bytes_max: 0, bodies_since: None });
    while is_anywhere(dir.path(), SECRET) {
        ledger.writer().flush_blocking().unwrap();
    }
    assert_eq!(found(&ledger.reader(), "question"), []);
    assert_eq!(ledger.reader().calls(&CallQuery::default()).unwrap().len(), 40);
}

#[test]
fn words_that_were_left_by_a_gateway_that_died_are_gone_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    with_secret(dir.path()).close().unwrap();
    let file = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    file.pragma_update(None, "secure_delete", true).unwrap();
    file.pragma_update(None, "foreign_keys", true).unwrap();
    let id = full(40).id;
    file.execute(
        "DELETE FROM said WHERE rowid = (SELECT seq FROM calls WHERE id = ?1)",
        [id.as_bytes()],
    )
    .unwrap();
    file.execute("DELETE FROM calls WHERE id = ?1", [id.as_bytes()]).unwrap();
    file.execute("UPDATE counters SET value = 1 WHERE name = 'words_are_left'", []).unwrap();
    file.close().unwrap();
    assert!(is_anywhere(dir.path(), SECRET));
    let ledger = open(dir.path());
    while is_anywhere(dir.path(), SECRET) {
        ledger.writer().flush_blocking().unwrap();
    }
    assert_eq!(found(&ledger.reader(), "question").len(), 39);
}

/// SQLite gives the number of the newest row anew when that is deleted.
#[test]
fn a_call_with_the_number_of_a_deleted_one_is_read_too() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.writer().record(said(bare(0), "first")).unwrap();
    ledger.writer().record(said(bare(1), "second")).unwrap();
    read_all(&ledger);
    let unread = ledger.reader().unread(10, u64::MAX).unwrap();
    assert!(unread.is_empty());
    assert_eq!(run(ledger.writer().change(vec![Change::Delete(bare(1).id)])).unwrap(), 1);
    ledger.writer().record(said(bare(2), "third")).unwrap();
    read_all(&ledger);
    assert_eq!(found(&ledger.reader(), "third"), [bare(2).id]);
    // What comes too late, of a call that is gone, is passed over.
    let late = SaidText { id: bare(1).id, text: "second".to_owned() };
    run(ledger.writer().index(vec![late])).unwrap();
    assert_eq!(found(&ledger.reader(), "second"), []);
}

#[test]
fn steps_of_reading_are_bounded_by_calls_and_by_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for number in 0..5 {
        ledger.writer().record(said(bare(number), &"a ".repeat(500))).unwrap();
    }
    ledger.writer().flush_blocking().unwrap();
    let unread = |calls, bytes| ledger.reader().unread(calls, bytes).unwrap().len();
    assert_eq!(unread(2, u64::MAX), 2);
    assert_eq!(unread(10, 3_500), 3);
    assert_eq!(unread(10, 1), 1, "the first one is never too large");
}
