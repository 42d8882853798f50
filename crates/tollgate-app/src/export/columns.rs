//! The columns of an export, in order: what each is called and where it stands in a call.

use serde::Serialize;
use tollgate_core::Call;

/// What stands in one cell; `None` is not known, or does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Text.
    Text(Option<String>),
    /// A whole number, of the unit that the column's name ends in.
    Number(Option<i64>),
    /// A time in Unix milliseconds, which is always known.
    Time(i64),
    /// Yes or no.
    Flag(bool),
}

/// Which of the cells a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// [`Cell::Text`].
    Text,
    /// [`Cell::Number`].
    Number,
    /// [`Cell::Time`].
    Time,
    /// [`Cell::Flag`].
    Flag,
}

/// A column.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) of: fn(&Call) -> Cell,
}

macro_rules! columns {
    ($($name:ident $kind:ident: $of:expr),* $(,)?) => {
        [$(Column { name: stringify!($name), kind: Kind::$kind, of: $of }),*]
    };
}

/// All of them. Whatever is added goes to the end: programs may read the others by their place.
pub(super) const COLUMNS: [Column; 47] = columns! {
    id Text: |it| text(&it.id.to_string()),
    started_at_ms Time: |it| Cell::Time(it.started_at_ms.0),
    program Text: |it| of_caller(it, |it| Some(it.program.clone())),
    pid Number: |it| Cell::Number(it.caller.as_ref().map(|it| i64::from(it.process.pid))),
    user Text: |it| of_caller(it, |it| it.user.clone()),
    project Text: |it| of_caller(it, |it| it.project.as_ref().map(|it| it.name.clone())),
    project_root Text: |it| of_caller(it, |it| it.project.as_ref().map(|it| it.root.clone())),
    key Text: |it| Cell::Text(it.key.clone()),
    provider Text: |it| Cell::Text(it.provider.clone()),
    simulated Flag: |it| Cell::Flag(it.simulated),
    format Text: |it| Cell::Text(it.format.map(|it| it.as_str().to_owned())),
    operation Text: |it| text(it.operation.as_str()),
    method Text: |it| text(&it.method),
    path Text: |it| text(&it.path),
    model_asked Text: |it| Cell::Text(it.model_asked.clone()),
    model_served Text: |it| Cell::Text(it.model_served.clone()),
    streaming Flag: |it| Cell::Flag(it.streaming),
    status Number: |it| Cell::Number(it.status.map(i64::from)),
    outcome Text: |it| name(Some(&it.outcome)),
    error_code Text: |it| name(it.error_code.as_ref()),
    error_message Text: |it| Cell::Text(it.error_message.clone()),
    stop_reason Text: |it| Cell::Text(it.stop_reason.clone()),
    input_tokens Number: |it| count(it.usage.input),
    cache_read_tokens Number: |it| count(it.usage.cache_read),
    cache_write_5m_tokens Number: |it| count(it.usage.cache_write_5m),
    cache_write_1h_tokens Number: |it| count(it.usage.cache_write_1h),
    output_tokens Number: |it| count(it.usage.output),
    reasoning_tokens Number: |it| count(it.usage.reasoning),
    input_audio_tokens Number: |it| count(it.usage.input_audio),
    output_audio_tokens Number: |it| count(it.usage.output_audio),
    input_image_tokens Number: |it| count(it.usage.input_image),
    output_image_tokens Number: |it| count(it.usage.output_image),
    web_searches Number: |it| count(it.usage.web_searches),
    file_searches Number: |it| count(it.usage.file_searches),
    usage_counted Flag: |it| Cell::Flag(it.usage_counted),
    service_tier Text: |it| name(it.service_tier.as_ref()),
    cost_pico_usd Number: |it| Cell::Number(it.cost.map(|it| it.0)),
    cost_unknown Text: |it| name(it.cost_unknown.as_ref()),
    price_id Text: |it| Cell::Text(it.price_id.clone()),
    first_byte_us Number: |it| count(it.timing.first_byte_us),
    first_token_us Number: |it| count(it.timing.first_token_us),
    duration_us Number: |it| count(Some(it.timing.finished_us)),
    request_bytes Number: |it| count(Some(it.request_bytes)),
    response_bytes Number: |it| count(Some(it.response_bytes)),
    retries Number: |it| Cell::Number(Some(i64::from(it.retries))),
    cached Flag: |it| Cell::Flag(it.cached),
    saved_pico_usd Number: |it| Cell::Number(it.saved.map(|it| it.0)),
};

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}

fn of_caller(call: &Call, of: impl FnOnce(&tollgate_core::Caller) -> Option<String>) -> Cell {
    Cell::Text(call.caller.as_ref().and_then(of))
}

/// A count; the ledger has none that does not fit.
fn count(count: Option<u64>) -> Cell {
    Cell::Number(count.map(|it| i64::try_from(it).unwrap_or(i64::MAX)))
}

/// An enum's name, as the admin API has it.
fn name<T: Serialize>(value: Option<&T>) -> Cell {
    let name = value.and_then(|it| serde_json::to_value(it).ok());
    Cell::Text(name.and_then(|it| it.as_str().map(str::to_owned)))
}
