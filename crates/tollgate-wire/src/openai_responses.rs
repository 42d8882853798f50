//! Answers of OpenAI Responses: the response object, and the events that carry it.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::{
    fault::{Fault, FaultParts},
    lenient::{Many, Maybe, Text},
    needle::{holds_any, holds_set},
    openai_usage::OpenaiUsage,
    tap::Seen,
    tier::Tier,
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    response: Maybe<Response<'a>>,
    /// `error` events: the server sends this object, the documentation has the two members below.
    #[serde(borrow)]
    error: Fault<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    code: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    incomplete_details: Maybe<Incomplete<'a>>,
    #[serde(borrow)]
    error: Fault<'a>,
    usage: Maybe<OpenaiUsage>,
    service_tier: Tier,
    #[serde(borrow)]
    output: Many<Item<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    action: Maybe<Action<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Action<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
}

impl Item<'_> {
    /// What is billed by the piece or by time, and not counted in usage.
    fn has_other_fee(&self) -> bool {
        matches!(self.r#type.filled(), Some("code_interpreter_call" | "image_generation_call"))
    }

    fn is_file_search(&self) -> bool {
        self.r#type.filled() == Some("file_search_call")
    }

    /// Opening a page or looking for a text in it is billed as no search.
    fn is_web_search(&self) -> bool {
        let action = self.action.0.as_ref().and_then(|it| it.r#type.filled());
        self.r#type.filled() == Some("web_search_call") && action.is_none_or(|it| it == "search")
    }
}

pub(crate) fn read_body(seen: &mut Seen, json: &[u8]) -> Result<(), serde_json::Error> {
    let response: Response<'_> = serde_json::from_slice(json)?;
    ended(seen, &response);
    Ok(())
}

pub(crate) fn read_event(
    seen: &mut Seen,
    json: &[u8],
    name: Option<&[u8]>,
) -> Result<(), serde_json::Error> {
    let event: Event<'_> = serde_json::from_slice(json)?;
    let name = name.and_then(|it| std::str::from_utf8(it).ok());
    let kind = event.r#type.filled().or(name).unwrap_or_default();
    if let Some(response) = &event.response.0 {
        seen.saw_model(response.model.filled());
    }
    match kind {
        "response.completed" | "response.incomplete" | "response.failed" => {
            seen.saw_end();
            if let Some(response) = &event.response.0 {
                ended(seen, response);
            }
        }
        "error" => {
            seen.saw_end();
            let documented =
                FaultParts { message: event.message, code: event.code, ..FaultParts::default() };
            seen.error = Some(event.error.0.unwrap_or(documented).told());
        }
        // Some servers that copy the format send the bare object of OpenAI chat.
        _ => {
            if let Fault(Some(fault)) = event.error {
                seen.error = Some(fault.told());
                seen.saw_end();
            }
            seen.first_token |= kind.ends_with(".delta");
        }
    }
    Ok(())
}

fn ended(seen: &mut Seen, response: &Response<'_>) {
    seen.saw_model(response.model.filled());
    let reason = response.incomplete_details.0.as_ref().and_then(|it| it.reason.filled());
    seen.saw_stop(reason.or(response.status.filled()));
    if let Fault(Some(fault)) = &response.error {
        seen.error = Some(fault.told());
    }
    seen.saw_tier(response.service_tier);
    if let Some(usage) = &response.usage.0 {
        seen.usage = usage.normalised();
    }
    seen.other_fees = response.output.0.iter().any(Item::has_other_fee);
    let items = &response.output.0;
    seen.usage.web_searches = some_of(items.iter().filter(|it| it.is_web_search()).count());
    seen.usage.file_searches = some_of(items.iter().filter(|it| it.is_file_search()).count());
}

/// A count that is said only where there is any.
fn some_of(count: usize) -> Option<u64> {
    u64::try_from(count).ok().filter(|it| *it > 0)
}

/// Whether an event after the first token and the model can say anything new.
pub(crate) fn may_matter(raw: &[u8]) -> bool {
    static ENDS: LazyLock<[Finder<'static>; 3]> = LazyLock::new(|| {
        ["response.completed", "response.incomplete", "response.failed"].map(Finder::new)
    });
    static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""error""#));
    holds_any(raw, &*ENDS) || holds_set(raw, &ERROR)
}
