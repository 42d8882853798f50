//! Readers of hostile bytes, on mutated recordings: a bounded number, the same ones each time, with
//! the toolchain that builds the product. `TOLLGATE_FUZZ_ROUNDS` makes it more.
//!
//! The same functions are libFuzzer's targets, which find more and need a nightly toolchain:
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz answers`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "the input of a failed round is to be had again")]

use tollgate_tests::fuzz::{FUZZES, Fuzz, corpus};

/// Mutated inputs for each target, beside its corpus.
const ROUNDS: u64 = 300;

/// The longest input, so that a round is short.
const INPUT_BYTES_MAX: usize = 4 << 10;

/// What readers of JSON, of event streams, of TOML and of counts trip over.
const WORDS: [&[u8]; 26] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"data: ",
    b"event: ",
    b"\n\n",
    b"\r\n\r\n",
    b"\r",
    b"data: [DONE]\n\n",
    b"\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xc3",
    b"\"error\":{}",
    b"= ",
    b"[[providers]]\n",
];

/// Numbers that look like chance and are the same each time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        it ^ (it >> 31)
    }

    /// A number below `end`, which is more than zero.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// Changes a few places.
fn mutate(data: &mut Vec<u8>, others: &[Vec<u8>], chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let at = chance.below(data.len() + 1);
        let end = (at + chance.below(30)).min(data.len());
        match chance.below(7) {
            0 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            1 => drop(data.drain(at..end)),
            2 => {
                let word = WORDS[chance.below(WORDS.len())];
                data.splice(at..at, word.iter().copied());
            }
            3 => {
                let word = WORDS[chance.below(WORDS.len())];
                data.splice(at..end, word.iter().copied());
            }
            4 => {
                let twice = data[at..end].to_vec();
                data.splice(at..at, twice);
            }
            5 => {
                let other = &others[chance.below(others.len())];
                let from = chance.below(other.len() + 1);
                let to = (from + chance.below(200)).min(other.len());
                data.splice(at..end, other[from..to].iter().copied());
            }
            _ => data.truncate(at),
        }
    }
    data.truncate(INPUT_BYTES_MAX);
}

fn check(name: &str) {
    let fuzz: &Fuzz = FUZZES.iter().find(|it| it.name == name).unwrap();
    let mut corpus = corpus(fuzz);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    corpus.iter_mut().for_each(|it| it.truncate(INPUT_BYTES_MAX));
    let rounds = std::env::var("TOLLGATE_FUZZ_ROUNDS").ok().map(|it| it.parse().unwrap());
    let mut chance = Chance(1);
    for data in &corpus {
        (fuzz.run)(data);
    }
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let mut data = corpus[chance.below(corpus.len())].clone();
        mutate(&mut data, &corpus, &mut chance);
        let _shown = Shown { name, round, data: &data };
        (fuzz.run)(&data);
    }
}

/// Shows the input of a round if it panics, to be put into a test.
struct Shown<'a> {
    name: &'a str,
    round: u64,
    data: &'a [u8],
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} round {}: b\"{}\"", self.name, self.round, self.data.escape_ascii());
        }
    }
}

#[test]
fn answers_read_from_the_side() {
    check("tap");
}

#[test]
fn requests_translated() {
    check("requests");
}

#[test]
fn answers_translated() {
    check("answers");
}

#[test]
fn binary_streams_read_and_translated() {
    check("frames");
}

#[test]
fn bodies_shown_inflated_and_filtered() {
    check("bodies");
}

#[test]
fn the_configuration_file() {
    check("configuration");
}

#[test]
fn frames_of_the_helpers_protocol() {
    check("helper");
}

#[test]
fn packets_and_filters() {
    check("packets");
}

#[test]
fn connections_and_what_is_said_on_them() {
    check("flows");
}

#[test]
fn every_target_is_libfuzzers_too() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for Fuzz { name, .. } in FUZZES {
        let target = root.join("fuzz_targets").join(format!("{name}.rs"));
        let target = std::fs::read_to_string(target).unwrap();
        assert!(target.contains(&format!("tollgate_tests::fuzz::{name}(data)")), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}
