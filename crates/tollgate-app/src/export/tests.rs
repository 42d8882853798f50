use std::fs::File;

use ::parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};
use tollgate_core::{
    CallId, Caller, Operation, PicoUsd, Usage,
    call::{CostUnknown, Outcome, Timing},
    caller::{CallerSource, ProcessKey},
};
use tollgate_ledger::{Ledger, LedgerConfig, Settled};

use super::*;

/// 2026-11-23 00:00 UTC.
const DAY: i64 = 1_795_392_000_000;

fn call(number: u32) -> Call {
    let at = UnixMs(DAY + i64::from(number));
    let mut random = [0; 10];
    random[6..].copy_from_slice(&number.to_be_bytes());
    Call {
        id: CallId::new(at, random),
        started_at_ms: at,
        caller: None,
        key: None,
        provider: Some("openai".to_owned()),
        simulated: false,
        format: None,
        operation: Operation::Generate,
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        model_asked: None,
        model_served: None,
        streaming: true,
        status: Some(200),
        outcome: Outcome::Finished,
        error_code: None,
        error_message: None,
        stop_reason: None,
        usage: Usage::default(),
        usage_counted: false,
        service_tier: None,
        cost: None,
        cost_unknown: Some(CostUnknown::NoUsage),
        price_id: None,
        cached: false,
        saved: None,
        timing: Timing { finished_us: 17, ..Timing::default() },
        request_bytes: 18,
        response_bytes: 19,
        retries: 0,
        client_cookie: None,
        upstream_cookie: None,
    }
}

/// With text that every format has to take care of, and an amount that no float holds.
fn told(number: u32) -> Call {
    let caller = Caller {
        process: ProcessKey { pid: 42, started_at_ns: 1 },
        program: "a \"b\", c\nd".to_owned(),
        exe: None,
        argv: Vec::new(),
        cwd: None,
        uid: 1_000,
        user: Some(String::new()),
        ancestors: Vec::new(),
        cgroup: None,
        project: None,
        source: CallerSource::SockDiag,
    };
    Call {
        caller: Some(caller),
        usage: Usage { input: Some(0), output: Some(9_007_199_254_740_993), ..Usage::default() },
        cost: Some(PicoUsd(9_007_199_254_740_993)),
        cost_unknown: None,
        ..call(number)
    }
}

fn ledger(calls: impl IntoIterator<Item = Call>) -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path(), LedgerConfig::default()).unwrap();
    for call in calls {
        let one = Settled { call, bodies: None, routing: None, hits: Vec::new(), answer_id: None };
        ledger.writer().record(one).unwrap();
    }
    ledger.writer().flush_blocking().unwrap();
    (dir, ledger)
}

fn text_of(ledger: &Ledger, format: ExportFormat) -> String {
    let mut out = Vec::new();
    assert_eq!(calls(&ledger.reader(), ExportQuery::default(), format, &mut out).unwrap(), 2);
    String::from_utf8(out).unwrap()
}

#[test]
fn unknown_is_an_empty_cell_and_never_zero() {
    let (_dir, ledger) = ledger([call(0), told(1)]);
    let text = text_of(&ledger, ExportFormat::Csv);
    let mut lines = text.split("\r\n");
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    assert_eq!(header, columns::COLUMNS.map(|it| it.name));
    let newest = lines.next().unwrap();
    assert!(newest.contains(",\"a \"\"b\"\", c\nd\",42,\"\",,"), "{newest}");
    assert!(newest.contains(",0,,,,"), "{newest}");
    let cells: Vec<_> = lines.next().unwrap().split(',').collect();
    let cell = |name: &str| cells[header.iter().position(|it| *it == name).unwrap()];
    assert_eq!((cell("program"), cell("input_tokens"), cell("cost_pico_usd")), ("", "", ""));
    assert_eq!(
        (cell("cost_unknown"), cell("streaming"), cell("status")),
        ("no-usage", "true", "200")
    );
    assert_eq!(cell("started_at_ms"), DAY.to_string());
}

#[test]
fn each_line_of_json_is_a_call_with_exact_money() {
    let (_dir, ledger) = ledger([call(0), told(1)]);
    let text = text_of(&ledger, ExportFormat::Jsonl);
    let rows: Vec<serde_json::Value> =
        text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(rows[0]["cost_pico_usd"], 9_007_199_254_740_993_i64);
    assert_eq!(rows[0]["user"], "");
    assert!(rows[1]["cost_pico_usd"].is_null() && rows[1]["user"].is_null());
    assert_eq!(rows[1].as_object().unwrap().len(), columns::COLUMNS.len());
}

#[test]
fn a_parquet_file_of_many_groups_is_read_back_as_it_was() {
    let many = 10_500;
    let (dir, ledger) = ledger((0..many).map(|it| if it % 2 == 0 { call(it) } else { told(it) }));
    let path = dir.path().join("calls.parquet");
    let query = ExportQuery { since: Some(UnixMs(DAY + 100)), until: None };
    let out = File::create(&path).unwrap();
    let written = calls(&ledger.reader(), query, ExportFormat::Parquet, out).unwrap();
    assert_eq!(written, u64::from(many) - 100);
    let file = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    assert_eq!(file.metadata().num_row_groups(), 2);
    let notes = file.metadata().file_metadata().key_value_metadata().unwrap();
    assert!(notes.iter().any(|it| it.key == "tollgate.money"));
    let at = |name: &str| columns::COLUMNS.iter().position(|it| it.name == name).unwrap();
    let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), usize::try_from(written).unwrap());
    for (row, number) in rows.iter().zip((100..many).rev()) {
        let call = if number % 2 == 0 { call(number) } else { told(number) };
        assert_eq!(*row.get_string(at("id")).unwrap(), call.id.to_string());
        assert_eq!(row.get_timestamp_millis(at("started_at_ms")).unwrap(), call.started_at_ms.0);
        assert_eq!(row.get_long(at("cost_pico_usd")).ok(), call.cost.map(|it| it.0));
        assert_eq!(row.get_string(at("program")).ok().cloned(), call.caller.map(|it| it.program));
        assert!(row.get_bool(at("streaming")).unwrap());
    }
}

#[test]
fn a_ledger_without_calls_is_a_whole_file_too() {
    let (dir, ledger) = ledger([]);
    for format in [ExportFormat::Csv, ExportFormat::Jsonl, ExportFormat::Parquet] {
        let path = dir.path().join(format.as_str());
        let out = File::create(&path).unwrap();
        assert_eq!(calls_in(dir.path(), ExportQuery::default(), format, out).unwrap(), 0);
    }
    let file = SerializedFileReader::new(File::open(dir.path().join("parquet")).unwrap()).unwrap();
    assert_eq!(file.metadata().file_metadata().num_rows(), 0);
    ledger.close().unwrap();
}

#[test]
fn an_unknown_format_is_refused_by_name() {
    let error = "xml".parse::<ExportFormat>().unwrap_err().to_string();
    assert_eq!(error, "no export format `xml`: use csv, jsonl or parquet");
    assert_eq!("jsonl".parse(), Ok(ExportFormat::Jsonl));
}
