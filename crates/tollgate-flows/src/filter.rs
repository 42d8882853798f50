//! The filter line over packet and flow lists: `program:claude port:443 -protocol:dns "tool use"`.
//!
//! Terms are separated by spaces and must all hold; `-` in front turns one round; quotes hold spaces
//! together. A term without `key:` is looked for in everything that the row shows. Letter case
//! never matters.

use std::net::IpAddr;

use tollgate_core::CallId;

use crate::{
    event::Direction,
    packet::Protocol,
    row::{FlowId, Leg},
};

/// Terms of one filter.
pub const TERMS_MAX: usize = 32;

/// The keys, as they are listed in errors.
const KEYS: &str = "program, host, port, ip, protocol, call, flow, pid, direction, leg";

/// What a row shows, borrowed: what a [`Filter`] looks at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The program's readable name.
    pub program: Option<&'a str>,
    /// Its process id.
    pub pid: Option<u32>,
    /// The server's name.
    pub host: Option<&'a str>,
    /// The two addresses.
    pub ips: [IpAddr; 2],
    /// The two ports.
    pub ports: [u16; 2],
    /// The highest protocol.
    pub protocol: Protocol,
    /// The transport under it.
    pub transport: Protocol,
    /// The calls.
    pub calls: &'a [CallId],
    /// The flow.
    pub flow: FlowId,
    /// The hook; `None` for a flow.
    pub direction: Option<Direction>,
    /// The leg.
    pub leg: Leg,
    /// The one-line summary; empty for a flow.
    pub info: &'a str,
}

/// A filter that has been read. The default one lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    test: Test,
    /// Whether a row must pass the test, or must not.
    wanted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Program(String),
    Host(String),
    Port(u16),
    Ip(IpAddr),
    Protocol(Protocol),
    Call(String),
    Flow(FlowId),
    Pid(u32),
    Direction(Direction),
    Leg(Leg),
    Text(String),
}

/// Why a filter could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct FilterError {
    /// The character it is about, counted from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Filter {
    /// Reads a filter line. An empty one lets everything through.
    ///
    /// # Errors
    /// [`FilterError`] names the first term that is not understood, by column.
    pub fn parse(line: &str) -> Result<Self, FilterError> {
        let mut terms = Vec::new();
        for word in words(line)? {
            if terms.len() == TERMS_MAX {
                let problem = format!("a filter has {TERMS_MAX} terms at most");
                return Err(FilterError { column: word.column, problem });
            }
            terms.push(word.into_term()?);
        }
        Ok(Self { terms })
    }

    /// Whether everything passes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row passes.
    #[must_use]
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.terms.iter().all(|it| it.test.holds(facts) == it.wanted)
    }
}

/// A word of the line: an optional key and a value.
#[derive(Debug)]
struct Word {
    column: usize,
    value_column: usize,
    wanted: bool,
    key: Option<String>,
    value: String,
}

fn words(line: &str) -> Result<Vec<Word>, FilterError> {
    let mut words = Vec::new();
    let mut chars = line.chars().enumerate().peekable();
    while let Some(&(at, first)) = chars.peek() {
        if first.is_whitespace() {
            chars.next();
            continue;
        }
        let wanted = first != '-';
        if !wanted {
            chars.next();
        }
        let mut word = Word {
            column: at + 1,
            value_column: at + 1 + usize::from(!wanted),
            wanted,
            key: None,
            value: String::new(),
        };
        let mut quoted_at = None;
        for (at, it) in chars.by_ref() {
            match it {
                '"' => quoted_at = if quoted_at.is_some() { None } else { Some(at) },
                _ if quoted_at.is_some() => word.value.push(it),
                ':' if word.key.is_none() && is_key(&word.value) => {
                    word.key = Some(std::mem::take(&mut word.value));
                    word.value_column = at + 2;
                }
                _ if it.is_whitespace() => break,
                _ => word.value.push(it),
            }
        }
        if let Some(at) = quoted_at {
            let problem = "this quote is never closed".to_owned();
            return Err(FilterError { column: at + 1, problem });
        }
        words.push(word);
    }
    Ok(words)
}

/// Whether text before a colon is meant as a key: `http://x` and `::1` are not.
fn is_key(text: &str) -> bool {
    text.len() >= 2 && text.chars().all(|it| it.is_ascii_alphabetic()) && !text.starts_with("http")
}

impl Word {
    fn into_term(self) -> Result<Term, FilterError> {
        let (column, value_column, wanted) = (self.column, self.value_column, self.wanted);
        let value = self.value.to_lowercase();
        if value.is_empty() {
            let problem = self.key.map_or_else(
                || "nothing stands here to look for".to_owned(),
                |key| format!("`{key}:` needs a value"),
            );
            return Err(FilterError { column: value_column, problem });
        }
        let Some(key) = self.key else {
            return Ok(Term { test: Test::Text(value), wanted });
        };
        let test = Test::read(&key.to_lowercase(), value).map_err(|problem| {
            let column = if problem.starts_with("unknown key") { column } else { value_column };
            FilterError { column, problem }
        })?;
        Ok(Term { test, wanted })
    }
}

fn one_of<T: Copy>(value: &str, what: &str, all: &[(&'static str, T)]) -> Result<T, String> {
    all.iter().find(|it| it.0 == value).map(|it| it.1).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|it| it.0).collect();
        format!("unknown {what} `{value}`: one of {}", names.join(", "))
    })
}

const DIRECTIONS: [(&str, Direction); 4] = [
    ("in", Direction::Ingress),
    ("out", Direction::Egress),
    ("ingress", Direction::Ingress),
    ("egress", Direction::Egress),
];

const LEGS: [(&str, Leg); 4] = [
    ("client", Leg::Client),
    ("upstream", Leg::Upstream),
    ("direct", Leg::Direct),
    ("other", Leg::Other),
];

impl Test {
    /// `value` is in lower case.
    fn read(key: &str, value: String) -> Result<Self, String> {
        let number = |what: &str| format!("`{value}` is not {what}");
        Ok(match key {
            "program" => Self::Program(value),
            "host" => Self::Host(value),
            "port" => Self::Port(value.parse().map_err(|_| number("a port (0 to 65535)"))?),
            "ip" => Self::Ip(value.parse().map_err(|_| number("an IP address"))?),
            "protocol" | "proto" => {
                let all = Protocol::ALL.map(|it| (it.as_str(), it));
                Self::Protocol(one_of(&value, "protocol", &all)?)
            }
            "call" => Self::Call(value),
            "flow" => Self::Flow(FlowId(value.parse().map_err(|_| number("a flow number"))?)),
            "pid" => Self::Pid(value.parse().map_err(|_| number("a process id"))?),
            "direction" | "dir" => Self::Direction(one_of(&value, "direction", &DIRECTIONS)?),
            "leg" => Self::Leg(one_of(&value, "leg", &LEGS)?),
            _ => return Err(format!("unknown key `{key}`: one of {KEYS}")),
        })
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        let has = |text: Option<&str>, what: &str| text.is_some_and(|it| contains(it, what));
        match self {
            Self::Program(it) => has(facts.program, it),
            Self::Host(it) => has(facts.host, it),
            Self::Port(it) => facts.ports.contains(it),
            Self::Ip(it) => facts.ips.contains(it),
            Self::Protocol(it) => facts.protocol == *it || facts.transport == *it,
            Self::Call(it) => facts.calls.iter().any(|call| call.to_string().starts_with(it)),
            Self::Flow(it) => facts.flow == *it,
            Self::Pid(it) => facts.pid == Some(*it),
            Self::Direction(it) => facts.direction == Some(*it),
            Self::Leg(it) => facts.leg == *it,
            Self::Text(it) => Self::is_somewhere(it, facts),
        }
    }

    fn is_somewhere(text: &str, facts: &Facts<'_>) -> bool {
        let shown = [Some(facts.info), facts.program, facts.host, Some(facts.protocol.as_str())];
        shown.into_iter().flatten().any(|it| contains(it, text))
            || facts.ips.iter().any(|it| it.to_string().contains(text))
            || facts.ports.iter().any(|it| it.to_string() == text)
    }
}

/// Whether `text` has `part` in it, letter case aside; `part` is in lower case.
fn contains(text: &str, part: &str) -> bool {
    if text.is_ascii() {
        return text
            .as_bytes()
            .windows(part.len())
            .any(|it| it.eq_ignore_ascii_case(part.as_bytes()));
    }
    text.to_lowercase().contains(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: &str) -> (usize, String) {
        let error = Filter::parse(line).expect_err("a bad filter");
        (error.column, error.problem)
    }

    #[test]
    fn errors_name_the_column_and_what_would_be_right() {
        let check = |line: &str, column: usize, text: &str| {
            let (at, problem) = problem(line);
            assert_eq!(at, column, "{line}: {problem}");
            assert!(problem.contains(text), "{line}: {problem}");
        };
        check("port:99999", 6, "`99999` is not a port");
        check("program:x port:abc", 16, "`abc` is not a port");
        check("  colour:red", 3, "unknown key `colour`: one of program, host");
        check("-protocol:ftp", 11, "unknown protocol `ftp`: one of ip, icmp");
        check("direction:up", 11, "one of in, out");
        check("leg:left", 5, "one of client, upstream");
        check("pid:", 5, "`pid:` needs a value");
        check("ip:example.test", 4, "is not an IP address");
        check("a \"never closed", 3, "never closed");
        check("ä port:x", 8, "`x` is not a port");
        check("-", 2, "nothing stands here");
        check(&"a ".repeat(33), 65, "32 terms at most");
        assert_eq!(
            Filter::parse("port:x").unwrap_err().to_string(),
            "column 6: `x` is not a port (0 to 65535)"
        );
    }

    fn facts<'a>(program: &'a str, info: &'a str) -> Facts<'a> {
        Facts {
            program: Some(program),
            pid: Some(42),
            host: Some("api.anthropic.com"),
            ips: ["::1".parse().unwrap(), "192.0.2.7".parse().unwrap()],
            ports: [50_000, 443],
            protocol: Protocol::Tls,
            transport: Protocol::Tcp,
            calls: &[],
            flow: FlowId(7),
            direction: Some(Direction::Egress),
            leg: Leg::Upstream,
            info,
        }
    }

    #[test]
    fn terms_must_all_hold_and_a_dash_turns_one_round() {
        let facts = facts("ingest.py (python3)", "Client Hello SNI=Ünïcode.test");
        let check = |line: &str, want: bool| {
            assert_eq!(Filter::parse(line).unwrap().matches(&facts), want, "{line}");
        };
        check("", true);
        check("   ", true);
        check("program:ingest port:443 hello", true);
        check("program:ingest port:444 hello", false);
        check("program:\"ingest.py (python3)\"", true);
        check("-program:ingest", false);
        check("-port:444", true);
        check("PROGRAM:INGEST Host:Anthropic", true);
        check("üNÏcode", true);
        check("ip:::1 ip:192.0.2.7", true);
        check("::1", true);
        check("192.0.2", true);
        check("443", true);
        check("44", false);
        check("https://x", false);
        check("direction:out dir:egress leg:upstream flow:7 pid:42 proto:tcp protocol:tls", true);
        check("direction:in", false);
        check("call:0", false);
        check("\"client hello\"", true);
        check("\"hello client\"", false);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_refused_at_a_column_in_it(line in ".{0,60}") {
            match Filter::parse(&line) {
                Ok(filter) => { let _ = filter.matches(&facts("x", "y")); }
                Err(error) => {
                    let width = line.chars().count();
                    proptest::prop_assert!((1..=width + 1).contains(&error.column), "{error}");
                }
            }
        }
    }
}
