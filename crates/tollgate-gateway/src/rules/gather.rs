//! The facts of a call, as far as some rule refers to them.

use bytes::Bytes;
use http::HeaderMap;
use jiff::{Timestamp, Zoned, civil::Weekday};
use serde_json::{Map, Value};
use tollgate_core::{Caller, Format, Operation, PicoUsd, UnixMs, credential::is_credential_name};
use tollgate_wire::contents;

use super::{
    RuleSet,
    limits::PARAM_BYTES_MAX,
    variable::{Facts, Source, Uses, Variable},
};
use crate::limits::REQUEST_BYTES_PER_TOKEN;

/// A call as it is known before any rule.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) key: Option<&'a str>,
    pub(crate) at: UnixMs,
    pub(crate) format: Option<Format>,
    pub(crate) operation: Option<Operation>,
    pub(crate) provider: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) headers: Option<&'a HeaderMap>,
    pub(crate) model: Option<&'a str>,
    pub(crate) stream: Option<bool>,
    /// Without a content coding; `None` where it is not read.
    pub(crate) body: Option<&'a Bytes>,
    /// The least money that a budget has left for it; asked for only if some rule refers to it.
    pub(crate) budget_left: Option<PicoUsd>,
}

/// Finds out what the rules refer to, and nothing else.
pub(crate) fn gather(rules: &RuleSet, known: &Known<'_>) -> Facts {
    let uses = rules.uses();
    let mut facts = Facts::default();
    if uses.any_from(Source::Caller)
        && let Some(caller) = known.caller
    {
        of_caller(&mut facts, caller);
    }
    if uses.any_from(Source::Request) {
        of_request(&mut facts, uses, known);
    }
    if uses.any_from(Source::Body)
        && let (Some(body), Some(format)) = (known.body, known.format)
    {
        of_body(&mut facts, format, body);
    }
    facts.set_known(Variable::BudgetLeft, known.budget_left.and_then(dollars));
    if uses.any_from(Source::Clock)
        && let Ok(now) = Timestamp::from_millisecond(known.at.0)
    {
        of_clock(&mut facts, now, rules);
    }
    facts
}

/// An amount in dollars, as near as a number of JSON's comes to it. What calls cost beyond what was held
/// for them is not left.
fn dollars(amount: PicoUsd) -> Option<Value> {
    serde_json::from_str(amount.max(PicoUsd::ZERO).to_string().strip_prefix('$')?).ok()
}

fn of_caller(facts: &mut Facts, caller: &Caller) {
    facts.set(Variable::Program, caller.program.as_str());
    facts.set_known(Variable::Exe, caller.exe.as_deref());
    facts.set(Variable::Argv, caller.argv.as_slice());
    facts.set_known(Variable::Cwd, caller.cwd.as_deref());
    facts.set_known(Variable::Project, caller.project.as_ref().map(|it| it.name.as_str()));
    facts.set_known(Variable::ProjectRoot, caller.project.as_ref().map(|it| it.root.as_str()));
    facts.set_known(Variable::User, caller.user.as_deref());
    facts.set(Variable::Uid, caller.uid);
    let ancestors: Vec<_> = caller.ancestors.iter().map(|it| it.program.as_str()).collect();
    facts.set(Variable::Ancestors, ancestors);
}

fn of_request(facts: &mut Facts, uses: Uses, known: &Known<'_>) {
    facts.set_known(Variable::Format, known.format.map(|it| it.to_string()));
    facts.set_known(
        Variable::Operation,
        known.operation.and_then(|it| serde_json::to_value(it).ok()),
    );
    facts.set_known(Variable::Provider, known.provider);
    facts.set_known(Variable::Method, known.method);
    facts.set_known(Variable::Path, known.path);
    facts.set_known(Variable::Key, known.key);
    facts.set_known(Variable::Model, known.model);
    facts.set_known(Variable::Stream, known.stream);
    if let Some(body) = known.body {
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        facts.set(Variable::BodyBytes, bytes);
        let tokens = body.len() / REQUEST_BYTES_PER_TOKEN;
        facts.set_known(Variable::EstimatedInputTokens, u64::try_from(tokens).ok());
    }
    if uses.contains(Variable::Headers) {
        facts.set_known(Variable::Headers, known.headers.map(shown));
    }
}

/// The headers by name. Those that carry credentials are left out, and so is a value that is not
/// text; several of one name are put together as HTTP does.
fn shown(headers: &HeaderMap) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in headers.keys().filter(|it| !is_credential_name(it.as_str())) {
        let values = headers.get_all(name).iter().map(|it| it.to_str().ok());
        if let Some(values) = values.collect::<Option<Vec<_>>>() {
            shown.insert(name.as_str().to_owned(), values.join(", ").into());
        }
    }
    shown
}

/// Facts that the body must be parsed for.
fn of_body(facts: &mut Facts, format: Format, body: &[u8]) {
    let Some(contents) = contents(format, body, PARAM_BYTES_MAX) else { return };
    facts.set(Variable::Tools, contents.tools);
    facts.set(Variable::HasImages, contents.has_images);
    facts.set(Variable::Params, contents.params);
}

fn of_clock(facts: &mut Facts, now: Timestamp, rules: &RuleSet) {
    let local = now.to_zoned(rules.time_zone().clone());
    clock(facts, &local, [Variable::Hour, Variable::Weekday, Variable::Date]);
    let utc = now.to_zoned(jiff::tz::TimeZone::UTC);
    clock(facts, &utc, [Variable::HourUtc, Variable::WeekdayUtc, Variable::DateUtc]);
}

fn clock(facts: &mut Facts, now: &Zoned, [hour, weekday, date]: [Variable; 3]) {
    facts.set(hour, now.hour());
    facts.set(weekday, weekday_name(now.weekday()));
    facts.set(date, now.date().to_string());
}

const fn weekday_name(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}
