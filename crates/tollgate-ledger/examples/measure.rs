//! Fills a ledger with calls and prints what writing and asking took: run it with
//! `cargo run --release -p tollgate-ledger --example measure -- CALLS FOLDER`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a tool for the person who measures"
)]

use std::{env, fs, path::PathBuf, time::Instant};

use bytes::Bytes;
use jiff::tz::TimeZone;
use tollgate_core::{
    Call, CallId, Caller, Format, Operation, PicoUsd, UnixMs, Usage,
    call::{Outcome, Timing},
    caller::{CallerSource, ProcessKey, Project},
};
use tollgate_ledger::{
    Bodies, CallFilter, CallQuery, Change, CostKey, Ledger, LedgerConfig, Reader, SaidText, Search,
    Settled, Step, SumQuery,
};

const DAY_MS: i64 = 86_400_000;
/// 2026-11-23 00:00 UTC.
const TODAY: i64 = 1_795_392_000_000;
/// The calls are spread over so many days.
const DAYS: i64 = 90;

fn call(number: u64, calls: u64) -> Call {
    let share = i64::try_from(number).unwrap() * 1_000_000 / i64::try_from(calls).unwrap();
    let at = TODAY - DAYS * DAY_MS + share * (DAYS * DAY_MS / 1_000_000);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let program = if number % 100_000 == 77 { 99 } else { number % 7 };
    let model = number % 5;
    Call {
        id: CallId::new(UnixMs(at), random),
        started_at_ms: UnixMs(at),
        caller: Some(Caller {
            process: ProcessKey { pid: (number / 50) as u32, started_at_ns: number / 50 },
            program: format!("program-{program}"),
            exe: Some("/usr/bin/python3".to_owned()),
            argv: vec!["python3".to_owned(), "ingest.py".to_owned()],
            cwd: Some("/home/u/lab".to_owned()),
            uid: 1_000,
            user: Some("u".to_owned()),
            ancestors: Vec::new(),
            cgroup: Some("/user.slice/user-1000.slice".to_owned()),
            project: Some(Project { name: "lab".to_owned(), root: "/home/u/lab".to_owned() }),
            source: CallerSource::Helper,
        }),
        key: None,
        provider: Some("openai".to_owned()),
        simulated: false,
        format: Some(Format::OpenaiChat),
        operation: Operation::Generate,
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        model_asked: Some(format!("model-{model}")),
        model_served: Some(format!("model-{model}-2025-08-07")),
        streaming: true,
        status: Some(200),
        outcome: Outcome::Finished,
        error_code: None,
        error_message: None,
        stop_reason: Some("stop".to_owned()),
        usage: Usage {
            input: Some(1_000),
            cache_read: Some(200),
            output: Some(300),
            ..Usage::default()
        },
        usage_counted: false,
        service_tier: None,
        cost: Some(PicoUsd(850_000_000)),
        cost_unknown: None,
        price_id: Some(format!("openai/model-{model} (genai-prices 0.2.3)")),
        cached: false,
        saved: None,
        timing: Timing {
            received_us: Some(10),
            headers_us: Some(100),
            first_byte_us: Some(110),
            first_token_us: Some(200),
            finished_us: 3_000,
            ..Timing::default()
        },
        request_bytes: 1_000,
        response_bytes: 4_000,
        retries: 0,
        client_cookie: None,
        upstream_cookie: None,
    }
}

fn said(number: u64) -> Bodies {
    let request = format!(
        r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"{}"}}]}}"#,
        format!("question {number}: what is the answer to it? ").repeat(20)
    );
    let response = format!("data: {{\"choices\":[{{\"delta\":\"{number}\"}}]}}\n\n").repeat(40);
    Bodies { request: Bytes::from(request), response: Bytes::from(response), ..Bodies::default() }
}

/// A text of a thousand words (6 kB), of which few are common and most are rare.
fn text(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut words = String::from("w0 ");
    for _ in 0..1_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // One over an even number: what words in a language are like, about.
        let share = (state >> 11) % 20_000 + 1;
        words.push_str(&format!("w{} ", 20_000 / share));
        words.push_str(&format!("w{} ", share - 1));
    }
    words
}

/// Adds texts for all that was said to the index.
fn index(ledger: &Ledger, runtime: &tokio::runtime::Runtime) {
    let (began, cpu) = (Instant::now(), cpu_ms());
    let (mut calls, mut bytes) = (0_u64, 0);
    loop {
        let unread = ledger.reader().unread(32, 8 << 20).unwrap();
        if unread.is_empty() {
            break;
        }
        let texts = unread.iter().map(|it| {
            calls += 1;
            let text = text(calls);
            bytes += text.len();
            SaidText { id: it.call.id, text }
        });
        let texts = texts.collect();
        runtime.block_on(ledger.writer().index(texts)).unwrap();
    }
    let each = (cpu_ms() - cpu) as f64 / calls as f64;
    let took = began.elapsed();
    println!("{calls} texts of {} MB indexed: {took:.1?}, {each:.2} ms CPU each", bytes >> 20);
}

/// The thread's or process's user and system time in milliseconds, from `/proc`.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

/// Prints how long something took, asked for several times.
type Measure<'a> = dyn Fn(&str, &dyn Fn() -> usize) + 'a;

/// Looks for words in what was said.
fn search(reader: &Reader, measure: &Measure<'_>) {
    for (what, words) in [
        ("a word of every text", "w0"),
        ("a word of a hundredth of them", "w99"),
        ("a rare word", "w19999"),
        ("a phrase", "\"w0 w1\""),
        ("beginnings of a word", "w199*"),
        ("a word of none", "nowhere"),
    ] {
        measure(&format!("search: {what}"), &|| {
            let said = Search::read(words).unwrap();
            let filter = CallFilter { said, ..CallFilter::default() };
            reader.calls(&CallQuery { filter, limit: 50, ..CallQuery::default() }).unwrap().len()
        });
    }
}

/// Deletes a call, and waits until its words are out of the index.
fn delete(ledger: &Ledger, runtime: &tokio::runtime::Runtime, id: CallId) {
    let (writer, began) = (ledger.writer(), Instant::now());
    runtime.block_on(writer.change(vec![Change::Delete(id)])).unwrap();
    println!("one call deleted: {:.1?}", began.elapsed());
    // Texts wait until the words of deleted calls are out of the index.
    runtime.block_on(writer.index(Vec::new())).unwrap();
    println!("its words: {:.1?}", began.elapsed());
}

fn main() {
    let mut arguments = env::args().skip(1);
    let calls: u64 = arguments.next().map_or(200_000, |it| it.parse().unwrap());
    let dir = arguments.next().map_or_else(|| env::temp_dir().join("measure"), PathBuf::from);
    let ledger = Ledger::open(&dir, LedgerConfig::default()).unwrap();
    let writer = ledger.writer();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (what, with_bodies) in [("calls alone", false), ("calls with bodies of 3 kB", true)] {
        let share = if with_bodies { calls / 10 } else { calls - calls / 10 };
        let first = if with_bodies { calls - share } else { 0 };
        let (began, cpu) = (Instant::now(), cpu_ms());
        for number in first..first + share {
            let bodies = with_bodies.then(|| said(number));
            let settled = Settled {
                call: call(number, calls),
                bodies,
                routing: None,
                hits: Vec::new(),
                answer_id: None,
            };
            runtime.block_on(writer.record_async(settled)).unwrap();
        }
        writer.flush_blocking().unwrap();
        let each = (cpu_ms() - cpu) as f64 * 1_000.0 / share as f64;
        println!("{share} {what}: {:.1?}, {each:.1} µs CPU each", began.elapsed());
    }
    index(&ledger, &runtime);
    let reader = ledger.reader();
    let measure = |what: &str, ask: &dyn Fn() -> usize| {
        let mut times: Vec<_> = (0..9)
            .map(|_| {
                let began = Instant::now();
                let found = ask();
                (began.elapsed(), found)
            })
            .collect();
        times.sort();
        println!("{what}: median {:.2?} ({} rows)", times[4].0, times[4].1);
    };
    let since = |days: i64| SumQuery {
        since: Some(UnixMs(TODAY - days * DAY_MS - 12_345_678)),
        zone: TimeZone::fixed(jiff::tz::offset(1)),
        ..SumQuery::default()
    };
    measure("totals, ever", &|| {
        usize::from(reader.totals(&SumQuery::default()).unwrap().calls == calls)
    });
    measure("costs by model, 30 days", &|| reader.costs(CostKey::Model, &since(30)).unwrap().len());
    measure("costs by program, 90 days", &|| {
        reader.costs(CostKey::Program, &since(90)).unwrap().len()
    });
    measure("costs by local day, 30 days", &|| {
        reader.costs(CostKey::Day, &since(30)).unwrap().len()
    });
    measure("series by hour, 7 days", &|| reader.cost_series(Step::Hour, &since(7)).unwrap().len());
    measure("programs, 30 days", &|| reader.programs(&since(30)).unwrap().len());
    measure("first page of 100", &|| reader.calls(&CallQuery::default()).unwrap().len());
    let filtered = |program: &str| {
        let filter = CallFilter { program: Some(program.to_owned()), ..CallFilter::default() };
        reader.calls(&CallQuery { filter, ..CallQuery::default() }).unwrap().len()
    };
    measure("first page of a common program", &|| filtered("program-3"));
    measure("first page of a rare program", &|| filtered("program-99"));
    measure("first page of an unknown program", &|| filtered("nobody"));
    measure("text that is nowhere", &|| {
        let filter = CallFilter { text: Some("nowhere".to_owned()), ..CallFilter::default() };
        reader.calls(&CallQuery { filter, ..CallQuery::default() }).unwrap().len()
    });
    search(&reader, &measure);
    let latest = reader.calls(&CallQuery { limit: 1, ..CallQuery::default() }).unwrap();
    measure("one call", &|| usize::from(reader.call(latest[0].id).unwrap().is_some()));
    measure("its bodies", &|| usize::from(reader.bodies(latest[0].id).unwrap().is_some()));
    println!("file: {} MB", fs::metadata(dir.join("ledger.db")).unwrap().len() >> 20);
    delete(&ledger, &runtime, latest[0].id);
    ledger.close().unwrap();
    let began = Instant::now();
    drop(Ledger::open(&dir, LedgerConfig::default()).unwrap());
    println!("open and close: {:.2?}", began.elapsed());
}
