//! The filter of calls, in the words of the Calls page: `program:claude model:"gpt 5" free text`.

use anyhow::{Result, bail};

use crate::output;

/// The words that may stand before a colon; each is a parameter of the admin API.
const KEYS: [&str; 7] = ["program", "project", "provider", "model", "key", "state", "unknown"];
const STATES: [&str; 4] = ["live", "finished", "failed", "cancelled"];

/// The filter as parameters of `GET /calls`, each with its `&`. A value with blanks stands in double
/// quotes; what has no known word is free text. All that stands behind `said:` is looked for together,
/// where quotes keep words beside each other.
///
/// # Errors
/// For a state that there is not.
pub(super) fn query(text: &str) -> Result<String> {
    let mut query = String::new();
    let (mut free, mut said) = (Vec::new(), Vec::new());
    for word in words(text) {
        match word.split_once(':') {
            Some(("said", value)) => said.push(value),
            Some((key, value)) if KEYS.contains(&key) => {
                let value = value.replace('"', "");
                if key == "state" && !STATES.contains(&value.as_str()) {
                    bail!("no state `{value}`: use {}", STATES.join(", "));
                }
                query.push_str(&format!("&{key}={}", output::query(&value)));
            }
            Some(_) | None => free.push(word.replace('"', "")),
        }
    }
    if !said.is_empty() {
        query.push_str(&format!("&said={}", output::query(&said.join(" "))));
    }
    if !free.is_empty() {
        query.push_str(&format!("&text={}", output::query(&free.join(" "))));
    }
    Ok(query)
}

/// Split at blanks that do not stand in double quotes.
fn words(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let outside = |it: char| {
        quoted ^= it == '"';
        it.is_whitespace() && !quoted
    };
    text.split(outside).filter(|it| !it.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_calls_page_reads() {
        let check = |text: &str, expected: &str| assert_eq!(query(text).unwrap(), expected);
        check("", "");
        check("program:claude model:gpt-5", "&program=claude&model=gpt-5");
        check(
            r#"program:"ingest.py (python3)" oops"#,
            "&program=ingest.py%20%28python3%29&text=oops",
        );
        check("unknown:no-price", "&unknown=no-price");
        check("rate limit", "&text=rate%20limit");
        check(r#"said:"brown fox"* said:dog"#, "&said=%22brown%20fox%22%2A%20dog");
        check("http://h state:failed", "&state=failed&text=http%3A%2F%2Fh");
        let wrong = query("state:broken").unwrap_err().to_string();
        assert!(wrong.contains("`broken`") && wrong.contains("cancelled"), "{wrong}");
    }
}
