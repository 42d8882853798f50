//! What guardrails find on the labelled set, and what looking costs.

use std::{sync::Arc, time::Instant};

use serde_json::json;
use tollgate_core::guardrail::Speaker;
use tollgate_gateway::{
    GuardrailSet,
    guardrails::{PackName, trial},
};
use tollgate_tests::labelled::{logging, scores};

use crate::median;

/// How often each prompt is looked through.
const TIMES: usize = 200;
/// Kilobytes of the measured prompt: a short session of an agent's.
const PROMPT_KB: usize = 64;

/// Prints precision and recall by rule with what was found wrongly, then the cost of a kilobyte.
pub(crate) fn rows() {
    println!("\n| rule | precision, % | recall, % | found wrongly |");
    println!("| --- | ---: | ---: | --- |");
    for (rule, score) in scores() {
        let wrong = score.wrong.iter().map(|it| format!("`{}`", it.escape_debug()));
        let wrong = wrong.collect::<Vec<_>>().join(", ");
        println!("| `{rule}` | {} | {} | {wrong} |", score.precision(), score.recall());
    }
    let body = prompt().to_string();
    println!("\n| guardrails | µs per KB of prompt |");
    println!("| --- | ---: |");
    for pack in PackName::ALL {
        println!("| `{}` | {:.1} |", pack.name(), cost(&body, &[pack]));
    }
    println!("| all five | {:.1} |", cost(&body, &PackName::ALL));
    println!("| none (the texts are read) | {:.1} |", cost(&body, &[]));
}

/// Microseconds that a kilobyte of a request takes.
fn cost(body: &str, packs: &[PackName]) -> f64 {
    let guardrails = packs.iter().map(|it| logging(*it)).collect();
    let set = GuardrailSet { guardrails, exceptions: Arc::default() };
    let mut figures = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        let hits = trial(&set, body, Speaker::User).hits.len();
        figures.push(began.elapsed().as_secs_f64() * 1e6 / (body.len() as f64 / 1_024.0));
        assert_eq!(hits, 0, "what is measured is a prompt in which nothing is found");
    }
    median(figures)
}

/// A conversation about code, in which nothing is found.
fn prompt() -> serde_json::Value {
    let lines = [
        "fn main() -> Result<()> { let key = map.get(&name).context(\"no such name\")?; }",
        "The test fails because the token count of the second message is off by one.",
        "SELECT id, name FROM users WHERE active = 1 ORDER BY created_at DESC LIMIT 50;",
        "<section><h2 class=\"title\">Results</h2><button onclick=\"save()\">Save</button></section>",
        "2026-11-25T10:04:17Z INFO worker[42] finished in 18 ms, 3 retries, queue empty",
    ];
    let mut messages = Vec::new();
    let mut bytes = 0;
    while bytes < PROMPT_KB * 1_024 {
        let text = lines.join("\n").repeat(4);
        bytes += text.len();
        let role = if messages.len() % 2 == 0 { "user" } else { "assistant" };
        messages.push(json!({ "role": role, "content": text }));
    }
    json!({ "model": "m", "messages": messages })
}
