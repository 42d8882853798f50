//! The request as the client sent it: what is read of its body.

use bytes::Bytes;
use http::{HeaderValue, header, request};
use tollgate_core::{Operation, call::ErrorCode};
use tollgate_wire::{RequestFacts, coding::decode, read_request, text};

use crate::{
    call::OpenCall,
    error::Refusal,
    intake::{Counted, Held, Room, Upload, Uploaded},
    limits::BODY_BYTES_MAX,
    route::Asked,
};

/// A request's body.
pub(crate) enum Request {
    /// At hand, so that it can be sent once more.
    Whole(Whole),
    /// Passed on as it comes.
    AsItComes(Counted, Uploaded),
}

/// A body that is at hand.
pub(crate) struct Whole {
    /// As the client sent it.
    pub(crate) own: Bytes,
    /// The same without its content coding, where it has one that could be undone.
    pub(crate) decoded: Option<Bytes>,
    /// Whether it has a content coding.
    pub(crate) coded: bool,
    /// Whether it had one that was undone, so that the header which tells it must not go out.
    pub(crate) undone: bool,
    /// What it says, as far as it could be read.
    pub(crate) facts: Option<RequestFacts>,
    /// The same as a request that stands alone, for a provider that does not know the earlier answer
    /// which it goes on from; `None` when it stands alone already.
    pub(crate) standalone: Option<Result<Bytes, Refusal>>,
    /// The room that it takes.
    _held: Held,
}

impl Whole {
    /// Takes another body in place of the client's.
    pub(crate) fn replace(&mut self, body: Bytes) {
        self.facts = read_request(&body).ok();
        self.own = body;
        self.decoded = None;
        self.undone |= self.coded;
        self.coded = false;
        self.standalone = None;
    }

    /// Whether its answer is to stream, as far as its body says.
    pub(crate) fn streams(&self) -> bool {
        self.facts.as_ref().is_some_and(|it| it.stream)
    }

    /// The body without its content coding; `None` where that could not be undone.
    pub(crate) fn plain(&self) -> Option<&Bytes> {
        if self.coded { self.decoded.as_ref() } else { Some(&self.own) }
    }
}

impl Request {
    /// A request without a body.
    pub(crate) fn nothing() -> Self {
        Self::Whole(Whole {
            own: Bytes::new(),
            decoded: None,
            coded: false,
            undone: false,
            facts: None,
            standalone: None,
            _held: Held::default(),
        })
    }

    /// The model that the body names.
    pub(crate) fn model(&self) -> Option<&str> {
        match self {
            Self::Whole(whole) => whole.facts.as_ref()?.model.as_deref(),
            Self::AsItComes(..) => None,
        }
    }
}

/// Takes the request's body: whole, where something must be read in it, else as it comes.
pub(crate) async fn take(
    call: &mut OpenCall,
    head: &request::Parts,
    asked: &Asked,
    upload: &mut Upload,
    room: &Room,
) -> Result<Request, Refusal> {
    if !asked.route.as_ref().is_some_and(|it| is_read(it.operation)) {
        let signed = asked.home().is_ok_and(|it| it.destination.reads_bodies());
        if !signed && let Some((body, uploaded)) = upload.passed_on(call.request_counter()) {
            return Ok(Request::AsItComes(body, uploaded));
        }
        let (own, held) =
            if signed { upload.whole(room).await? } else { (Bytes::new(), Held::default()) };
        call.received(own.len(), &Bytes::new(), None);
        let unread = Whole {
            own,
            facts: None,
            decoded: None,
            coded: false,
            undone: false,
            standalone: None,
            _held: held,
        };
        return Ok(Request::Whole(unread));
    }
    let (own, held) = upload.whole(room).await?;
    let coding = head.headers.get(header::CONTENT_ENCODING);
    if let Some(coding) = coding.filter(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity")) {
        // What is compressed goes out as it is where it can; only a copy is read.
        let decoded = decoded(&own, coding);
        let facts = decoded.as_ref().and_then(|it| read_request(it).ok());
        call.received(own.len(), decoded.as_ref().unwrap_or(&own), facts.as_ref());
        return Ok(Request::Whole(Whole {
            own,
            decoded,
            coded: true,
            undone: false,
            facts,
            standalone: None,
            _held: held,
        }));
    }
    let facts = match read_request(&own) {
        Ok(facts) => facts,
        Err(error) => {
            call.received(own.len(), &own, None);
            return Err(malformed(&error));
        }
    };
    call.received(own.len(), &own, Some(&facts));
    let facts = Some(facts);
    Ok(Request::Whole(Whole {
        own,
        decoded: None,
        coded: false,
        undone: false,
        facts,
        standalone: None,
        _held: held,
    }))
}

/// A copy of a compressed body, read as far as a plain one may be long; `None` when that does not
/// work.
fn decoded(body: &Bytes, coding: &HeaderValue) -> Option<Bytes> {
    let decoded = decode(body, Some(coding.to_str().ok()?), BODY_BYTES_MAX)?;
    (!decoded.is_empty()).then(|| decoded.into())
}

/// Whether the gateway must read the body of such a request.
pub(crate) const fn is_read(operation: Operation) -> bool {
    match operation {
        Operation::Generate | Operation::Embed | Operation::CountTokens => true,
        Operation::ListModels | Operation::Other => false,
    }
}

fn malformed(error: &tollgate_wire::request::NotAnObject) -> Refusal {
    let why = std::error::Error::source(error).map(ToString::to_string);
    Refusal::new(ErrorCode::MalformedBody, text::malformed_body(&why.unwrap_or_default()))
}
