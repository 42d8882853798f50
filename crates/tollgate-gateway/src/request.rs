//! The request on its way out: what is read of its body, and the one thing that may be added to it.

use bytes::Bytes;
use http::{HeaderValue, header, request};
use tollgate_core::{Format, Operation, call::ErrorCode};
use tollgate_wire::{RequestFacts, ask_include_usage, coding::decode, read_request, text};

use crate::{
    call::OpenCall,
    error::Refusal,
    intake::{Counted, Held, Room, Upload, Uploaded},
    limits::BODY_BYTES_MAX,
    route::Routed,
};

/// A request's body, ready to go out.
pub(crate) enum Outgoing {
    /// At hand, so that it can be sent once more.
    Whole {
        /// As the client sent it.
        own: Bytes,
        /// The same, but asking for the usage of the stream, for which the client did not ask.
        asking: Option<Bytes>,
        /// The room that they take.
        held: Held,
    },
    /// Passed on as it comes.
    AsItComes(Counted, Uploaded),
}

impl Outgoing {
    const fn own(body: Bytes, held: Held) -> Self {
        Self::Whole { own: body, asking: None, held }
    }
}

/// Takes the request's body: whole, where something must be read in it, else as it comes.
pub(crate) async fn take(
    call: &mut OpenCall,
    head: &request::Parts,
    routed: &Routed,
    upload: &mut Upload,
    room: &Room,
) -> Result<Outgoing, Refusal> {
    let asked = routed.asked.as_ref().filter(|it| is_read(it.operation));
    let Some(asked) = asked else {
        if let Some((body, uploaded)) = upload.passed_on(call.request_counter()) {
            return Ok(Outgoing::AsItComes(body, uploaded));
        }
        call.received(0, &Bytes::new(), None);
        return Ok(Outgoing::own(Bytes::new(), Held::default()));
    };
    let (body, held) = upload.whole(room).await?;
    let coding = head.headers.get(header::CONTENT_ENCODING);
    if let Some(coding) = coding.filter(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity")) {
        // What is compressed goes out as it is; only a copy is read.
        let plain = decoded(&body, coding);
        let facts = plain.as_ref().and_then(|it| read_request(it).ok());
        call.received(body.len(), plain.as_ref().unwrap_or(&body), facts);
        return Ok(Outgoing::own(body, held));
    }
    let facts = match read_request(&body) {
        Ok(facts) => facts,
        Err(error) => {
            call.received(body.len(), &body, None);
            return Err(malformed(&error));
        }
    };
    let chat = asked.format == Format::OpenaiChat && asked.operation == Operation::Generate;
    let asks = chat && lacks_usage(&facts) && routed.destination.asks_usage();
    let asking = if asks { ask_include_usage(&body) } else { None };
    call.received(body.len(), &body, Some(facts));
    Ok(Outgoing::Whole { own: body, asking, held })
}

/// A copy of a compressed body, read as far as a plain one may be long; `None` when that does not
/// work.
fn decoded(body: &Bytes, coding: &HeaderValue) -> Option<Bytes> {
    let decoded = decode(body, Some(coding.to_str().ok()?), BODY_BYTES_MAX)?;
    (!decoded.is_empty()).then(|| decoded.into())
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
