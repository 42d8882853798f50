//! The file: who may read it, whose it is, which version it has.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rusqlite::Connection;
use tollgate_core::{Call, PicoUsd, Routing, Usage};
use tollgate_ledger::{
    CallQuery, CostKey, CostRow, Ledger, LedgerConfig, LedgerError, Reader, SumQuery,
};

use crate::{bare, full, open, settled};

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join("ledger.db")
}

#[test]
fn only_the_user_can_read_the_folder_and_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new/data");
    let ledger = open(&data);
    ledger.writer().record(settled(bare(0))).unwrap();
    ledger.writer().flush_blocking().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    ledger.close().unwrap();
    fs::set_permissions(file(&data), fs::Permissions::from_mode(0o644)).unwrap();
    let ledger = open(&data);
    assert_eq!(mode(&file(&data)), 0o600);
    ledger.close().unwrap();
}

#[test]
fn a_ledger_of_a_newer_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close().unwrap();
    let newer = Connection::open(file(dir.path())).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    newer.close().unwrap();
    let before = fs::read(file(dir.path())).unwrap();

    let error = Ledger::open(dir.path(), LedgerConfig::default()).unwrap_err();
    assert!(matches!(error, LedgerError::Newer { found: 99, known: 11, .. }), "{error}");
    assert!(error.to_string().contains("use the newer program"), "{error}");
    let error = Reader::open(dir.path()).unwrap_err();
    assert!(matches!(error, LedgerError::Newer { found: 99, .. }), "{error}");
    assert_eq!(fs::read(file(dir.path())).unwrap(), before);
}

#[test]
fn other_files_are_refused_and_left_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let error = Reader::open(dir.path()).unwrap_err();
    assert!(matches!(error, LedgerError::Missing { .. }), "{error}");

    let other = Connection::open(file(dir.path())).unwrap();
    other.execute_batch("CREATE TABLE mine (it)").unwrap();
    other.close().unwrap();
    let before = fs::read(file(dir.path())).unwrap();
    let error = Ledger::open(dir.path(), LedgerConfig::default()).unwrap_err();
    assert!(matches!(error, LedgerError::NotALedger { .. }), "{error}");
    assert_eq!(fs::read(file(dir.path())).unwrap(), before);
}

/// `fixtures/vN.sql` is a dump of a ledger of version N with the calls `bare(0)` and `full(1)`.
#[test]
fn a_ledger_of_an_older_version_is_brought_to_this_version_with_all_it_holds() {
    let usage =
        Usage { input_image: None, output_image: None, file_searches: None, ..full(1).usage };
    // Nobody had a key.
    let before_counting =
        Call { usage_counted: false, key: None, cached: false, saved: None, ..full(1) };
    let before_pictures = Call { usage, ..before_counting.clone() };
    let before_tiers = Call { service_tier: None, ..before_pictures.clone() };
    upgrades(1, include_str!("../../fixtures/v1.sql"), &before_tiers);
    upgrades(2, include_str!("../../fixtures/v2.sql"), &before_tiers);
    upgrades(3, include_str!("../../fixtures/v3.sql"), &before_pictures);
    upgrades(4, include_str!("../../fixtures/v4.sql"), &before_pictures);
    upgrades(5, include_str!("../../fixtures/v5.sql"), &before_pictures);
    upgrades(6, include_str!("../../fixtures/v6.sql"), &before_pictures);
    upgrades(7, include_str!("../../fixtures/v7.sql"), &before_counting);
    upgrades(8, include_str!("../../fixtures/v8.sql"), &before_counting);
    upgrades(9, include_str!("../../fixtures/v9.sql"), &before_counting);
}

fn upgrades(version: u32, dump: &str, call: &Call) {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(file(dir.path())).unwrap();
    old.execute_batch(dump).unwrap();
    old.pragma_update(None, "application_id", 0x546f_6c6c).unwrap();
    old.pragma_update(None, "user_version", version).unwrap();
    old.close().unwrap();

    let ledger = open(dir.path());
    let calls = ledger.reader().calls(&CallQuery::default()).unwrap();
    assert_eq!(calls, [call.clone(), bare(0)]);
    // Version 4 is the first that has them.
    let routing =
        (version >= 4).then(|| Routing { model: Some("fast".to_owned()), ..Routing::default() });
    assert_eq!(ledger.reader().routing(call.id).unwrap(), routing);
    let said = ledger.reader().bodies(full(1).id).unwrap().unwrap();
    assert_eq!(said, crate::bodies("asked", "answered"));
    let totals = ledger.reader().totals(&SumQuery::default()).unwrap();
    assert_eq!((totals.calls, totals.cost), (2, full(1).cost.unwrap()));
    assert_eq!((totals.counted_calls, totals.estimated), (0, PicoUsd::ZERO));
    let by_key = ledger.reader().costs(CostKey::Key, &SumQuery::default()).unwrap();
    assert_eq!(by_key, [CostRow { key: None, sums: totals }]);
    let pieces = (totals.tokens.input_image, totals.tokens.file_searches);
    let usage = &call.usage;
    assert_eq!(pieces, (usage.input_image.unwrap_or(0), usage.file_searches.unwrap_or(0)));
    let days = ledger.reader().costs(CostKey::Day, &SumQuery::default()).unwrap();
    let day = CostRow { key: Some("2026-11-23".to_owned()), sums: totals };
    assert_eq!(days, [day]);
    // What was said before it could be searched is read like anything else.
    let unread = ledger.reader().unread(10, u64::MAX).unwrap();
    let unread: Vec<_> = unread.into_iter().map(|it| (it.call.id, it.bodies)).collect();
    assert_eq!(unread, [(call.id, Some(said))]);
    ledger.writer().record(settled(bare(2))).unwrap();
    ledger.writer().flush_blocking().unwrap();
    assert_eq!(ledger.reader().totals(&SumQuery::default()).unwrap().calls, 3);
}

/// To write it after adding a migration: `TOLLGATE_WRITE_SCHEMA=1 cargo test -p tollgate-ledger`.
#[test]
fn the_written_schema_is_the_one_that_the_migrations_make() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close().unwrap();
    let made = Connection::open(file(dir.path())).unwrap();
    let mut statement = made
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name")
        .unwrap();
    let parts: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let schema = format!("{};\n", parts.join(";\n\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.sql");
    if std::env::var_os("TOLLGATE_WRITE_SCHEMA").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), schema);
}
