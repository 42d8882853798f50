//! Fills ledgers of growing size and prints, as tables for `docs/performance.md`, how long the
//! questions of the Costs page take beside a sum over the calls themselves, and what keeping the
//! sums costs the writer: `cargo run --release -p tollgate-ledger --example growth -- CALLS…`.
//!
//! The calls are made by SQL, as [`DAYS`] days of a busy machine would leave them, and opening the
//! ledger builds their sums with the code that every migration uses. Both answers must agree. Times
//! are those of the processor, which hardly depend on what else the machine does; what is read is in
//! memory by then.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a tool for the person who measures"
)]

use std::{env, error, fs, hint::black_box, path::Path, time::Duration};

use jiff::tz::{self, TimeZone};
use rusqlite::{Connection, params};
use rustix::time::{ClockId, clock_gettime};
use tollgate_core::{
    Call, CallId, Format, Operation, PicoUsd, UnixMs, Usage,
    call::{Outcome, Timing},
};
use tollgate_ledger::{
    Change, CostChange, CostKey, Ledger, LedgerConfig, Reader, Settled, Simulated, Step, SumQuery,
};

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-11-23 00:00 UTC.
const TODAY: i64 = 1_795_392_000_000;
/// The calls are spread over so many days.
const DAYS: i64 = 365;
/// Programs, projects of each, and models of each: their product is how many dimensions there are.
const PROGRAMS: i64 = 12;
const PROJECTS: i64 = 6;
const MODELS: i64 = 3;
const DIMENSIONS: i64 = PROGRAMS * PROJECTS * MODELS;
/// Of these so many are at work in any one hour.
const AT_WORK: i64 = 24;
/// How often each question is asked: the median counts.
const ROUNDS: usize = 9;
/// Calls that the writer is measured with.
const WRITTEN: u64 = 40_000;
/// Of these so many are committed one by one.
const WRITTEN_ALONE: u64 = 2_000;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sizes = env::args().skip(1).map(|it| Ok(it.parse::<i64>()?));
    let mut sizes = sizes.collect::<Result<Vec<_>>>()?;
    sizes.sort_unstable();
    let mut tables = Vec::new();
    for size in &sizes {
        tables.push(growth(&dir.path().join(size.to_string()), *size)?);
    }
    let heads = tables.iter().map(|it| format!(" {} calls |", it.calls)).collect::<String>();
    println!("| figure |{heads}");
    println!("| --- |{}", " ---: |".repeat(tables.len()));
    for (at, (name, _)) in tables.first().map_or(&[][..], |it| &it.figures).iter().enumerate() {
        let cells = tables.iter().map(|it| format!(" {} |", it.figures[at].1));
        println!("| {name} |{}", cells.collect::<String>());
    }
    println!();
    writing(dir.path())
}

/// What one size of ledger comes to.
struct Figures {
    calls: i64,
    figures: Vec<(String, String)>,
}

fn growth(dir: &Path, calls: i64) -> Result<Figures> {
    Ledger::open(dir, LedgerConfig::default())?.close()?;
    let file = Connection::open(dir.join("ledger.db"))?;
    fill(&file, calls)?;
    let began = cpu_time(ClockId::ThreadCPUTime);
    let ledger = Ledger::open(dir, LedgerConfig::default())?;
    let built = cpu_time(ClockId::ThreadCPUTime).saturating_sub(began);
    let reader = ledger.reader();
    let mut figures = vec![
        ("file, MB".to_owned(), (fs::metadata(dir.join("ledger.db"))?.len() >> 20).to_string()),
        ("of these, sums, MB".to_owned(), (bytes_of_sums(&file)? >> 20).to_string()),
        ("rows of sums".to_owned(), rows_of_sums(&file)?.to_string()),
        ("building all sums anew, s".to_owned(), format!("{:.1}", built.as_secs_f64())),
    ];
    for days in [1, 30, DAYS] {
        let ask = || page(&reader, CostKey::Model, days, 1);
        figures.push((format!("Costs page by model, days: {days}; ms"), ms(median(ask)?)));
    }
    let ask = || page(&reader, CostKey::Project, 30, 1);
    figures.push(("Costs page by project, days: 30; ms".to_owned(), ms(median(ask)?)));
    let offset = TimeZone::fixed(tz::Offset::from_seconds(19_800)?);
    let year = query(DAYS, 0, &offset);
    let ask = || Ok(black_box(reader.costs(CostKey::Day, &year)?).len());
    figures.push(("days of a year in a half-hour zone, ms".to_owned(), ms(median(ask)?)));
    // The reference is asked once where it takes long.
    let rounds = if calls > 1_000_000 { 1 } else { 3 };
    let zone = TimeZone::fixed(tz::offset(1));
    let asked = query(30, 0, &zone);
    let began = cpu_time(ClockId::ThreadCPUTime);
    let mut sum = 0;
    for _ in 0..rounds {
        sum = by_hand(&file, &asked)?;
    }
    let took = cpu_time(ClockId::ThreadCPUTime).saturating_sub(began) / rounds;
    let kept: i64 = reader.costs(CostKey::Model, &asked)?.iter().map(|it| it.sums.cost.0).sum();
    if sum != kept {
        return Err(format!("the calls add up to {sum}, the sums to {kept}").into());
    }
    figures.push(("reference: 30 days of calls summed by model in SQL, ms".to_owned(), ms(took)));
    let reprice = reprice(&ledger, &file, calls)?;
    figures.push(("changing the cost of a call, 1,000 at once, µs".to_owned(), micros(reprice)));
    ledger.close()?;
    Ok(Figures { calls, figures })
}

/// What the page asks for: the rows of a time and of the one before, its chart, and where the
/// ledger begins.
fn page(reader: &Reader, by: CostKey, days: i64, offset_hours: i8) -> Result<usize> {
    let zone = TimeZone::fixed(tz::offset(offset_hours));
    let (now, before) = (query(days, 0, &zone), query(days, days, &zone));
    let rows = reader.costs(by, &now)?.len() + reader.costs(by, &before)?.len();
    let step = if days <= 2 { Step::Hour } else { Step::Day };
    let steps = reader.cost_series(step, &now)?.len();
    black_box(reader.first_call_at(Simulated::Exclude)?);
    Ok(rows + steps)
}

/// So many local days that end so many days ago.
fn query(days: i64, days_ago: i64, zone: &TimeZone) -> SumQuery {
    let until = TODAY - HOUR_MS - days_ago * DAY_MS;
    SumQuery {
        since: Some(UnixMs(until - days * DAY_MS)),
        until: Some(UnixMs(until)),
        simulated: Simulated::Exclude,
        zone: zone.clone(),
    }
}

/// The same sum over the calls themselves.
fn by_hand(file: &Connection, query: &SumQuery) -> Result<i64> {
    let mut statement = file.prepare(
        "SELECT d.model_asked, count(*), sum(c.cost_pico_usd), sum(c.input_tokens), \
         sum(c.cache_read_tokens), sum(c.output_tokens), \
         sum(c.cost_pico_usd IS NULL AND c.cost_unknown IS NOT NULL) \
         FROM calls c JOIN dimensions d ON d.id = c.dimension_id \
         WHERE c.started_at_ms >= ?1 AND c.started_at_ms < ?2 AND d.simulated = 0 GROUP BY 1",
    )?;
    let time = [query.since, query.until].map(|it| it.map(|it| it.0));
    let sums = statement.query_map(time, |row| row.get::<_, i64>(2))?;
    Ok(sums.sum::<rusqlite::Result<i64>>()?)
}

/// Makes the calls, and says that there are no sums of them yet.
fn fill(file: &Connection, calls: i64) -> Result<()> {
    file.execute_batch("PRAGMA journal_mode = off; PRAGMA synchronous = off; BEGIN")?;
    let mut dimension = file.prepare(
        "INSERT INTO dimensions (id, program, project_name, project_root, provider, model_asked, \
         model_served, format, simulated) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 'openai-chat', 0)",
    )?;
    for id in 0..DIMENSIONS {
        let program = id / (PROJECTS * MODELS);
        let project = format!("project-{program}-{}", id / MODELS % PROJECTS);
        let model = format!("model-{}", id % MODELS + program % 4);
        dimension.execute(params![
            id + 1,
            format!("program-{program}"),
            project,
            format!("/home/u/{project}"),
            format!("provider-{}", id % MODELS),
            model,
        ])?;
    }
    drop(dimension);
    let span = DAYS * DAY_MS;
    file.execute(
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1), \
             t(i, at, r) AS (SELECT i, {TODAY} - {span} + i * {span} / ?1, \
             (i * 2654435761) % 4294967296 FROM n) \
             INSERT INTO calls (id, started_at_ms, dimension_id, operation, method, path, \
             streaming, status, outcome, stop_reason, input_tokens, cache_read_tokens, \
             output_tokens, cost_pico_usd, cost_unknown, price_id, received_us, headers_us, \
             first_byte_us, first_token_us, finished_us, request_bytes, response_bytes, retries) \
             SELECT unhex(printf('%012x7000%016x', at, i)), at, \
             1 + (at / {HOUR_MS} * 31 + r / 7 % {AT_WORK} * 7) % {DIMENSIONS}, 'generate', 'POST', \
             '/v1/chat/completions', 1, 200, 'finished', 'stop', 1000 + r % 9000, r % 500, \
             300 + r % 700, iif(r % 97 = 0, NULL, 850000000 + r % 1000000), \
             iif(r % 97 = 0, 'no-price', NULL), 'openai/gpt-5-mini (genai-prices 0.2.3)', 10, \
             100, 110, 200, 3000, 1000, 4000, 0 FROM t"
        ),
        [calls],
    )?;
    file.execute_batch(
        "UPDATE counters SET value = 1 WHERE name = 'sums_are_stale'; COMMIT; \
         PRAGMA synchronous = normal; PRAGMA journal_mode = wal",
    )?;
    Ok(())
}

fn rows_of_sums(file: &Connection) -> Result<i64> {
    let sql = "SELECT (SELECT count(*) FROM quarters) + (SELECT count(*) FROM days) + \
               (SELECT count(*) FROM quarters_of_all)";
    Ok(file.query_row(sql, [], |row| row.get(0))?)
}

/// What the tables of sums take of the file.
fn bytes_of_sums(file: &Connection) -> Result<i64> {
    let sql =
        "SELECT sum(pgsize) FROM dbstat WHERE name IN ('quarters', 'days', 'quarters_of_all')";
    Ok(file.query_row(sql, [], |row| row.get(0))?)
}

/// Changes what the newest calls cost, as pricing them anew does; the processor time of each.
fn reprice(ledger: &Ledger, file: &Connection, calls: i64) -> Result<Duration> {
    let mut statement =
        file.prepare("SELECT id FROM calls ORDER BY started_at_ms DESC LIMIT 1000")?;
    let ids = statement.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
    let changes = ids
        .map(|id| {
            Ok(Change::Cost(CostChange {
                id: CallId::from_bytes(id?),
                cost: Some(PicoUsd(calls)),
                cost_unknown: None,
                price_id: None,
            }))
        })
        .collect::<Result<Vec<_>>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let began = cpu_time(ClockId::ProcessCPUTime);
    let changed = runtime.block_on(ledger.writer().change(changes))?;
    Ok(cpu_time(ClockId::ProcessCPUTime).saturating_sub(began) / u32::try_from(changed)?)
}

/// The writer's processor time for each call, as it is and with triggers that throw rows of sums
/// away before they are written.
fn writing(dir: &Path) -> Result<()> {
    println!("| writer, µs CPU per call | with sums | without |");
    println!("| --- | ---: | ---: |");
    let (mut batched, mut alone) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..3 {
        for with_sums in [true, false] {
            let dir = dir.join(format!("writing-{round}-{with_sums}"));
            let ledger = Ledger::open(&dir, LedgerConfig::default())?;
            if !with_sums {
                let file = Connection::open(dir.join("ledger.db"))?;
                for table in ["quarters", "days", "quarters_of_all"] {
                    file.execute_batch(&format!(
                        "CREATE TRIGGER no_{table} BEFORE INSERT ON {table} \
                         BEGIN SELECT RAISE(IGNORE); END"
                    ))?;
                }
            }
            let at = usize::from(!with_sums);
            batched[at].push(write(&ledger, 0..WRITTEN, 2_000)?);
            alone[at].push(write(&ledger, WRITTEN..WRITTEN + WRITTEN_ALONE, 1)?);
            ledger.close()?;
            fs::remove_dir_all(&dir)?;
        }
    }
    for (name, times) in [("2,000 calls to a commit", batched), ("each call a commit", alone)] {
        let [with, without] = times.map(|mut it| {
            it.sort_by(f64::total_cmp);
            it.get(1).copied().unwrap_or(f64::NAN)
        });
        println!("| {name} | {with:.1} | {without:.1} |");
    }
    Ok(())
}

/// Processor time of each call in microseconds, with so many of them to a commit.
fn write(ledger: &Ledger, numbers: std::ops::Range<u64>, to_a_commit: u64) -> Result<f64> {
    let (writer, calls) = (ledger.writer(), numbers.end - numbers.start);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let began = cpu_time(ClockId::ProcessCPUTime);
    for number in numbers {
        let settled = Settled {
            call: call(number),
            bodies: None,
            routing: None,
            hits: Vec::new(),
            answer_id: None,
        };
        runtime.block_on(writer.record_async(settled))?;
        if (number + 1) % to_a_commit == 0 {
            writer.flush_blocking()?;
        }
    }
    writer.flush_blocking()?;
    let spent = cpu_time(ClockId::ProcessCPUTime).saturating_sub(began);
    Ok(spent.as_secs_f64() * 1_000_000.0 / calls as f64)
}

fn call(number: u64) -> Call {
    let at = TODAY + number as i64 * 40;
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    Call {
        id: CallId::new(UnixMs(at), random),
        started_at_ms: UnixMs(at),
        caller: None,
        key: None,
        provider: Some("openai".to_owned()),
        simulated: false,
        format: Some(Format::OpenaiChat),
        operation: Operation::Generate,
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        model_asked: Some(format!("model-{}", number % 20)),
        model_served: Some("model-2025-08-07".to_owned()),
        streaming: true,
        status: Some(200),
        outcome: Outcome::Finished,
        error_code: None,
        error_message: None,
        stop_reason: Some("stop".to_owned()),
        usage: Usage { input: Some(1_000), output: Some(300), ..Usage::default() },
        usage_counted: false,
        service_tier: None,
        cost: Some(PicoUsd(850_000_000)),
        cost_unknown: None,
        price_id: Some("openai/gpt-5-mini (genai-prices 0.2.3)".to_owned()),
        cached: false,
        saved: None,
        timing: Timing { headers_us: Some(100), finished_us: 3_000, ..Timing::default() },
        request_bytes: 1_000,
        response_bytes: 4_000,
        retries: 0,
        client_cookie: None,
        upstream_cookie: None,
    }
}

/// Processor time so far.
fn cpu_time(of: ClockId) -> Duration {
    clock_gettime(of).try_into().unwrap_or_default()
}

fn median(mut ask: impl FnMut() -> Result<usize>) -> Result<Duration> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = cpu_time(ClockId::ThreadCPUTime);
        black_box(ask()?);
        times.push(cpu_time(ClockId::ThreadCPUTime).saturating_sub(began));
    }
    times.sort_unstable();
    Ok(times.get(ROUNDS / 2).copied().unwrap_or_default())
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}

fn micros(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1_000_000.0)
}
