//! Thousands of usage records, priced by Tollgate and by two public calculators.
//!
//! Every record is an answer as a provider sends it. Tollgate reads it with the tap and prices it
//! with the embedded book; genai-prices and LiteLLM read and price the same bytes with their own code
//! and their own prices. Where the amounts differ, `oracle/differences.toml` must say why, by the
//! provider's published rule; an entry that explains nothing any more fails too.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a harness fails by panicking, in the test that uses it"
)]

mod records;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;
use tollgate_core::{PicoUsd, UnixMs, cost, money::PICO_PER_USD, price::PriceBook};
use tollgate_wire::{End, Tap, TapConfig};

use records::Record;

const DIFFERENCES: &str = include_str!("oracle/differences.toml");

/// A float of LiteLLM's is as exact as this part of it.
const FLOAT_PART: f64 = 1e-9;

#[derive(Deserialize)]
struct Differences {
    difference: Vec<Difference>,
}

/// Why some records have another cost there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// Whose amounts differ: `genai-prices`, `litellm` or both.
    calculators: Vec<String>,
    /// The provider's id.
    provider: String,
    /// Models, with `*` for any end.
    models: Vec<String>,
    /// What the record must have, all of it: kinds, `unpriced:KIND`, `tier:flex`, `long`, `peak`,
    /// `ours:kind-not-priced`.
    #[serde(default)]
    with: Vec<String>,
    /// Who is right by which rule, and where that is published.
    why: String,
    rule: String,
}

impl Difference {
    fn explains(&self, calculator: &str, record: &Record, tags: &BTreeSet<String>) -> bool {
        self.calculators.iter().any(|it| it == calculator)
            && self.provider == record.provider
            && self.models.iter().any(|it| match it.strip_suffix('*') {
                Some(start) => record.model.starts_with(start),
                None => *it == record.model,
            })
            && self.with.iter().all(|it| tags.contains(it))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Said {
    genai_prices: Amount,
    litellm: Amount,
}

#[derive(Debug, Deserialize)]
struct Amount {
    usd: Option<String>,
}

/// Tollgate's own answer: pico-dollars, or the reason for none.
fn ours(book: &PriceBook, record: &Record) -> Result<PicoUsd, String> {
    let mut tap = Tap::new(TapConfig {
        format: record.format,
        operation: tollgate_core::Operation::Generate,
        posted: true,
        status: 200,
        content_type: Some("application/json"),
        content_encoding: None,
    });
    tap.push(record.answer.to_string().as_bytes());
    let report = tap.finish(End::Complete);
    assert_eq!(report.usage, record.usage, "{}", record.answer);
    let row = book.find(record.provider, &record.model, UnixMs(record.at_ms)).unwrap();
    let cost = cost::price(&report.usage, report.service_tier, row);
    let name = |it| serde_json::to_value(it).unwrap().as_str().unwrap().to_owned();
    cost.map(|it| it.total).map_err(name)
}

/// Whether the amounts are the same: to the pico-dollar, or as far as a float can tell.
fn same(ours: PicoUsd, usd: &str, is_float: bool) -> bool {
    let theirs = usd.parse::<f64>().unwrap() * 1e12;
    #[expect(clippy::cast_precision_loss, reason = "compared with a float")]
    let ours_float = ours.0 as f64;
    if is_float {
        return (theirs - ours_float).abs() <= (ours_float.abs() * FLOAT_PART).max(1.0);
    }
    let (whole, decimals) = usd.split_once('.').unwrap_or((usd, ""));
    let pico = format!("{decimals:0<12}");
    let (pico, rest) = pico.split_at(12);
    let exact = whole.parse::<i64>().unwrap() * PICO_PER_USD + pico.parse::<i64>().unwrap();
    rest.bytes().all(|it| it == b'0') && exact == ours.0
}

fn calculated(records: &[Record]) -> Option<Vec<Said>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = root.join("target/clients/prices/bin/python");
    if !python.exists() {
        let missing = "the calculators are not installed (tests/clients/README.md)";
        assert!(std::env::var_os("TOLLGATE_REQUIRE_CLIENTS").is_none(), "{missing}");
        println!("skipped: {missing}");
        return None;
    }
    let mut child = Command::new(python)
        .arg(root.join("tests/clients/prices/calculate.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = records.iter().map(|it| format!("{}\n", it.line())).collect();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|it| serde_json::from_str(it).unwrap()).collect())
}

#[test]
fn every_difference_from_two_public_calculators_is_explained() {
    let book = PriceBook::embedded().unwrap();
    let records = records::all(&book);
    let Some(said) = calculated(&records) else { return };
    assert_eq!(said.len(), records.len());
    let known: Differences = toml::from_str(DIFFERENCES).unwrap();
    assert!(known.difference.iter().all(|it| !it.why.is_empty() && it.rule.contains("://")));
    let mut explained = vec![0_usize; known.difference.len()];
    let mut unexplained: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut compared = BTreeMap::from([("genai-prices", 0), ("litellm", 0)]);
    for (record, said) in records.iter().zip(&said) {
        let ours = ours(&book, record);
        let row = book.find(record.provider, &record.model, UnixMs(record.at_ms)).unwrap();
        let mut tags = record.tags(row);
        if let Err(why) = &ours {
            tags.insert(format!("ours:{why}"));
        }
        for (calculator, amount) in
            [("genai-prices", &said.genai_prices), ("litellm", &said.litellm)]
        {
            // Neither a model nor a tier that a calculator does not know is a difference.
            let has_tiers = calculator == "litellm";
            let Some(usd) = amount.usd.as_ref().filter(|_| has_tiers || record.tier.is_none())
            else {
                continue;
            };
            *compared.get_mut(calculator).unwrap() += 1;
            if ours.as_ref().is_ok_and(|it| same(*it, usd, has_tiers)) {
                continue;
            }
            let mut reasons = known.difference.iter().enumerate();
            match reasons.find(|(_, it)| it.explains(calculator, record, &tags)) {
                Some((place, _)) => explained[place] += 1,
                None => {
                    let key = format!("{calculator} {}/{} {tags:?}", record.provider, record.model);
                    let case = format!("{ours:?} here, {usd} there: {}", record.answer);
                    unexplained.entry(key).or_insert((0, case)).0 += 1;
                }
            }
        }
    }
    println!("{} records, compared: {compared:?}, explained: {explained:?}", records.len());
    for (key, (count, case)) in &unexplained {
        println!("{count} × {key}: {case}");
    }
    assert!(unexplained.is_empty(), "{} kinds of differences are not explained", unexplained.len());
    for (it, count) in known.difference.iter().zip(&explained) {
        assert!(*count > 0, "nothing differs any more as this says: {it:?}");
    }
    assert!(records.len() >= 3_000, "{} records", records.len());
    for (calculator, count) in compared {
        assert!(count > 1_500, "{calculator} priced only {count} records");
    }
}
