//! The user's rules: `[[rules]]`.

use std::{collections::BTreeMap, ops::Range, path::Path, str::FromStr};

use http::{HeaderName, HeaderValue};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Number, Value};
use tollgate_core::provider::Catalogue;
use tollgate_gateway::rules::{
    Changes, DENY_BYTES_MAX, HeaderEdit, RULE_NAME_BYTES_MAX, RULES_MAX, Rule, RuleSet, Then,
    WHEN_BYTES_MAX, header_reserved,
};
use tollgate_wire::{Edit, FieldPath};
use toml::Spanned;
use toml_edit::DocumentMut;

use super::{CONFIG_BYTES_MAX, Config, ConfigError, Mistake, line_and_column};

/// The key of the rules in the configuration.
const RULES: &str = "rules";

/// What `[[rules]]` may hold besides `name` and `when`.
const ACTIONS: &str = "`deny`, `model`, `set`, `default`, `cap`, `remove`, `system_prefix`, \
                       `system_suffix`, `set_headers`, `remove_headers`, `set_response_headers` \
                       or `remove_response_headers`";

/// Values by field.
type Fields = BTreeMap<Spanned<String>, Spanned<toml::Value>>;
/// Values by header.
type Headers = BTreeMap<Spanned<String>, Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    name: Spanned<String>,
    when: Option<Spanned<String>>,
    deny: Option<Spanned<String>>,
    model: Option<Spanned<String>>,
    #[serde(default)]
    remove: Vec<Spanned<String>>,
    #[serde(default)]
    set: Fields,
    #[serde(default)]
    default: Fields,
    #[serde(default)]
    cap: Fields,
    system_prefix: Option<Spanned<String>>,
    system_suffix: Option<Spanned<String>>,
    #[serde(default)]
    remove_headers: Vec<Spanned<String>>,
    #[serde(default)]
    set_headers: Headers,
    #[serde(default)]
    remove_response_headers: Vec<Spanned<String>>,
    #[serde(default)]
    set_response_headers: Headers,
}

/// What is wrong with a text of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleMistake {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    #[serde(default)]
    rules: Vec<RawRule>,
}

/// The rules of a text that holds nothing but `[[rules]]`, as they stand in the file.
pub(crate) fn rules_of(text: &str) -> Result<RuleSet, RuleMistake> {
    let read = || {
        if text.len() as u64 > CONFIG_BYTES_MAX {
            let message = format!("the rules have more than {CONFIG_BYTES_MAX} bytes");
            return Err(Mistake { at: 0, message });
        }
        let raw: RawRules = toml::from_str(text).map_err(Mistake::from)?;
        valid_rules(&raw.rules, text)
    };
    read().map_err(|Mistake { at, message }| {
        let (line, column) = line_and_column(text, at);
        RuleMistake { line, column, message }
    })
}

/// The part of the configuration file that holds the rules, with its comments; empty where there is
/// none.
pub(crate) fn rules_text(path: &Path, catalogue: &Catalogue) -> Result<String, ConfigError> {
    let text = Config::text(path)?;
    let syntax = |message: String| ConfigError::Invalid {
        path: path.display().to_string(),
        line: 1,
        column: 1,
        message,
    };
    Config::read(&text, path, catalogue)?;
    let document: DocumentMut =
        text.parse().map_err(|err: toml_edit::TomlError| syntax(err.message().to_owned()))?;
    let mut rules = DocumentMut::new();
    if let Some(item) = document.get(RULES) {
        rules.insert(RULES, item.clone());
    }
    Ok(rules.to_string().trim_start_matches('\n').to_owned())
}

/// The rules of the file `text`.
pub(super) fn valid_rules(raw: &[RawRule], text: &str) -> Result<RuleSet, Mistake> {
    if let Some(beyond) = raw.get(RULES_MAX) {
        let message = format!("there are more than {RULES_MAX} rules");
        return Err(Mistake::new(&beyond.name, message));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(raw.len());
    for it in raw {
        let rule = valid_rule(it)?;
        if rules.iter().any(|known| known.name == rule.name) {
            let message = format!("a rule `{}` stands here twice", rule.name);
            return Err(Mistake::new(&it.name, message));
        }
        rules.push(rule);
    }
    RuleSet::compile(rules, TimeZone::system()).map_err(|error| {
        let when = raw.get(error.rule).and_then(|it| it.when.as_ref());
        let at = when.map_or(0, |when| place_in_string(text, when.span(), error.at));
        Mistake { at, message: error.message }
    })
}

fn valid_rule(raw: &RawRule) -> Result<Rule, Mistake> {
    let name = bounded(&raw.name, "the name of a rule", RULE_NAME_BYTES_MAX)?;
    let when = match &raw.when {
        Some(when) => Some(bounded(when, "a condition", WHEN_BYTES_MAX)?),
        None => None,
    };
    let changes = valid_changes(raw)?;
    let then = match &raw.deny {
        None if changes == Changes::default() => {
            let message = format!("rule `{name}` does nothing: give it {ACTIONS}");
            return Err(Mistake::new(&raw.name, message));
        }
        None => Then::Change(changes),
        Some(reason) if changes == Changes::default() => {
            Then::Deny(bounded(reason, "a reason", DENY_BYTES_MAX)?)
        }
        Some(reason) => {
            let message = "a rule that denies a call has nothing to change about it";
            return Err(Mistake::new(reason, message.to_owned()));
        }
    };
    Ok(Rule { name, when, then })
}

fn valid_changes(raw: &RawRule) -> Result<Changes, Mistake> {
    let mut body = Vec::new();
    for field in &raw.remove {
        body.push(Edit::Remove(valid_field(field)?));
    }
    for (field, value) in &raw.set {
        body.push(Edit::Set(valid_field(field)?, valid_value(value)?));
    }
    for (field, value) in &raw.default {
        body.push(Edit::Default(valid_field(field)?, valid_value(value)?));
    }
    for (field, value) in &raw.cap {
        body.push(Edit::Cap(valid_field(field)?, valid_number(value)?));
    }
    if let Some(text) = &raw.system_prefix {
        body.push(Edit::SystemPrefix(not_empty(text, "the text")?));
    }
    if let Some(text) = &raw.system_suffix {
        body.push(Edit::SystemSuffix(not_empty(text, "the text")?));
    }
    let model = match &raw.model {
        Some(model) => Some(not_empty(model, "the model's name")?),
        None => None,
    };
    Ok(Changes {
        model,
        body,
        request_headers: valid_headers(&raw.remove_headers, &raw.set_headers)?,
        response_headers: valid_headers(&raw.remove_response_headers, &raw.set_response_headers)?,
    })
}

fn not_empty(text: &Spanned<String>, what: &str) -> Result<String, Mistake> {
    if text.get_ref().trim().is_empty() {
        return Err(Mistake::new(text, format!("{what} is empty")));
    }
    Ok(text.get_ref().clone())
}

fn bounded(text: &Spanned<String>, what: &str, bytes_max: usize) -> Result<String, Mistake> {
    let valid = not_empty(text, what)?;
    if valid.len() > bytes_max {
        let message = format!("{what} has at most {bytes_max} bytes, and this one {}", valid.len());
        return Err(Mistake::new(text, message));
    }
    Ok(valid)
}

fn valid_field(text: &Spanned<String>) -> Result<FieldPath, Mistake> {
    let wrong = |message: String| Mistake::new(text, message);
    let field = FieldPath::from_str(text.get_ref())
        .map_err(|error| wrong(format!("`{}` is {error}", text.get_ref())))?;
    match field.root() {
        "model" => Err(wrong("the model is chosen with `model`".to_owned())),
        "stream" => {
            let message = "`stream` stays the client's: it reads the answer by it";
            Err(wrong(message.to_owned()))
        }
        _ => Ok(field),
    }
}

fn valid_value(value: &Spanned<toml::Value>) -> Result<Value, Mistake> {
    json(value.get_ref()).map_err(|message| Mistake::new(value, message.to_owned()))
}

fn json(value: &toml::Value) -> Result<Value, &'static str> {
    Ok(match value {
        toml::Value::String(it) => it.as_str().into(),
        toml::Value::Integer(it) => (*it).into(),
        toml::Value::Float(it) => Number::from_f64(*it).ok_or("JSON has no such number")?.into(),
        toml::Value::Boolean(it) => (*it).into(),
        toml::Value::Datetime(_) => return Err("JSON has no dates: write it as text"),
        toml::Value::Array(items) => items.iter().map(json).collect::<Result<_, _>>()?,
        toml::Value::Table(members) => {
            let members = members.iter().map(|(name, it)| Ok((name.clone(), json(it)?)));
            Value::Object(members.collect::<Result<Map<_, _>, &'static str>>()?)
        }
    })
}

fn valid_number(value: &Spanned<toml::Value>) -> Result<Number, Mistake> {
    match valid_value(value)? {
        Value::Number(number) => Ok(number),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(Mistake::new(value, "a cap is a number".to_owned()))
        }
    }
}

fn valid_headers(remove: &[Spanned<String>], set: &Headers) -> Result<Vec<HeaderEdit>, Mistake> {
    let mut edits = Vec::with_capacity(remove.len() + set.len());
    for name in remove {
        edits.push(HeaderEdit::Remove(valid_header(name)?));
    }
    for (name, value) in set {
        let valid = HeaderValue::from_str(value.get_ref()).map_err(|_| {
            let message = "a header's value has no line breaks or other control characters";
            Mistake::new(value, message.to_owned())
        })?;
        edits.push(HeaderEdit::Set(valid_header(name)?, valid));
    }
    Ok(edits)
}

fn valid_header(text: &Spanned<String>) -> Result<HeaderName, Mistake> {
    let name = HeaderName::from_str(text.get_ref()).map_err(|_| {
        Mistake::new(text, format!("`{}` is not the name of a header", text.get_ref()))
    })?;
    match header_reserved(&name) {
        Some(why) => Err(Mistake::new(text, format!("the header `{name}` {why}"))),
        None => Ok(name),
    }
}

/// Where in the file `text` a character of a string stands whose TOML, with its quotes, is at `span`.
fn place_in_string(text: &str, span: Range<usize>, character: usize) -> usize {
    let start = span.start;
    let raw = text.get(span).unwrap_or_default();
    let Some(quote) = raw.chars().next() else { return start };
    let triple: String = [quote; 3].iter().collect();
    let (mut inside, is_multi_line) = match raw.strip_prefix(&triple) {
        Some(inside) if raw.len() >= 6 => (inside, true),
        _ => (raw.get(quote.len_utf8()..).unwrap_or_default(), false),
    };
    if is_multi_line {
        // A line break behind the quotes is not part of the string.
        inside = inside.strip_prefix('\r').unwrap_or(inside);
        inside = inside.strip_prefix('\n').unwrap_or(inside);
    }
    let mut left = character;
    loop {
        if quote == '"' {
            inside = after_line_continuations(inside);
        }
        if left == 0 || inside.is_empty() {
            return start + raw.len() - inside.len();
        }
        let bytes = match quote {
            '"' => escaped_bytes(inside),
            _ => inside.chars().next().map_or(1, char::len_utf8),
        };
        inside = inside.get(bytes..).unwrap_or_default();
        left -= 1;
    }
}

/// How much of a basic string makes its first character.
fn escaped_bytes(text: &str) -> usize {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some('\\'), Some('u')) => 6,
        (Some('\\'), Some('U')) => 10,
        (Some('\\'), Some('x')) => 4,
        (Some('\\'), _) => 2,
        (other, _) => other.map_or(1, char::len_utf8),
    }
}

/// A backslash at the end of a line takes the break and the spaces behind it out of a string.
fn after_line_continuations(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix('\\') {
        let line = rest.trim_start_matches([' ', '\t', '\r']);
        if !line.starts_with('\n') {
            break;
        }
        text = line.trim_start();
    }
    text
}

#[cfg(test)]
mod tests;
