//! The request on its way out: what is read of its body, and the one thing that may be added to it.

use bytes::Bytes;
use http::{header, request};
use tollgate_core::{Format, Operation, call::ErrorCode};
use tollgate_wire::{RequestFacts, ask_include_usage, read_request, text};

use crate::{
    call::OpenCall,
    error::Refusal,
    intake::{Counted, Upload},
    route::Routed,
};

/// A request's body, ready to go out.
pub(crate) struct Outgoing {
    pub(crate) body: OutgoingBody,
    /// Whether the client did not ask for the usage of the stream, but the gateway did.
    pub(crate) hide_usage: bool,
}

/// The body itself.
pub(crate) enum OutgoingBody {
    /// At hand, so that it can be sent once more.
    Whole(Bytes),
    /// Passed on as it comes.
    AsItComes(Counted),
}

/// Takes the request's body: whole, where something must be read in it, else as it comes.
pub(crate) async fn take(
    call: &mut OpenCall,
    head: &request::Parts,
    routed: &Routed,
    upload: &mut Upload,
) -> Result<Outgoing, Refusal> {
    let asked = routed.asked.as_ref().filter(|it| is_read(it.operation));
    let Some(asked) = asked else {
        let counter = call.request_counter();
        let body = upload.passed_on(counter);
        if let Some(body) = body {
            return Ok(Outgoing { body: OutgoingBody::AsItComes(body), hide_usage: false });
        }
        call.received(&Bytes::new(), None);
        return Ok(Outgoing { body: OutgoingBody::Whole(Bytes::new()), hide_usage: false });
    };
    let body = upload.whole().await?;
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        // Compressed requests pass unread: the provider may well understand them.
        call.received(&body, None);
        return Ok(Outgoing { body: OutgoingBody::Whole(body), hide_usage: false });
    }
    let facts = match read_request(&body) {
        Ok(facts) => facts,
        Err(error) => {
            call.received(&body, None);
            return Err(malformed(&error));
        }
    };
    let chat = asked.format == Format::OpenaiChat && asked.operation == Operation::Generate;
    let changed = if chat && lacks_usage(&facts) { ask_include_usage(&body) } else { None };
    call.received(&body, Some(facts));
    let hide_usage = changed.is_some();
    Ok(Outgoing { body: OutgoingBody::Whole(changed.unwrap_or(body)), hide_usage })
}

/// Whether the gateway must read the body of such a request.
const fn is_read(operation: Operation) -> bool {
    match operation {
        Operation::Generate | Operation::Embed | Operation::CountTokens => true,
        Operation::ListModels | Operation::Other => false,
    }
}

fn lacks_usage(facts: &RequestFacts) -> bool {
    facts.stream && facts.include_usage != Some(true)
}

fn malformed(error: &tollgate_wire::request::NotAnObject) -> Refusal {
    let why = std::error::Error::source(error).map(ToString::to_string);
    Refusal::new(ErrorCode::MalformedBody, text::malformed_body(&why.unwrap_or_default()))
}
