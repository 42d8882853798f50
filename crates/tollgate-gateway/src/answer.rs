//! The head of a provider's answer, made ready for the client.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use hyper::{body::Incoming, ext::ReasonPhrase};
use tokio::time::Instant;
use tollgate_wire::{
    HideUsage,
    translate::{AnswerConfig, AnswerTranslator},
};

use crate::{
    aim::Translation,
    cache::{Hit, Recorder},
    call::OpenCall,
    destination::Destination,
    headers::{self, Length},
    listing::Listing,
    send::Reply,
    slots::Slot,
    upstream::LinkInfo,
};

/// An answer, ready for the client.
pub(crate) enum Answer {
    /// A provider's.
    Relayed(Relayed),
    /// The gateway's own, JSON.
    Own(Bytes),
    /// The gateway's own count of a prompt's tokens, JSON: an estimate.
    Counted(Bytes),
    /// The cache's.
    Cached(Hit),
}

/// A provider's answer, its head ready for the client, and the body to come.
pub(crate) struct Relayed {
    pub(crate) head: Response<()>,
    pub(crate) body: Incoming,
    pub(crate) shape: Shape,
    pub(crate) provider: Arc<str>,
    pub(crate) patience: Patience,
    pub(crate) slot: Slot,
    /// What keeps it for the cache, where that may be.
    pub(crate) recorder: Option<Box<Recorder>>,
}

/// What is done to the body on its way.
pub(crate) enum Shape {
    /// Nothing.
    AsIs,
    /// Usage is hidden for which the client did not ask.
    Hiding(Box<HideUsage>),
    /// It is brought into the client's format.
    Translated(Box<AnswerTranslator>),
    /// It is a list of models, which the user's own are to stand in.
    Listed(Box<ListedBody>),
}

/// A provider's list of models, as far as it has come.
pub(crate) struct ListedBody {
    pub(crate) listing: Listing,
    pub(crate) bytes: Vec<u8>,
    pub(crate) coding: Option<String>,
}

impl Answer {
    /// The same, kept for the cache on its way if it is a provider's.
    pub(crate) fn recorded(self, recorder: Option<Box<Recorder>>) -> Self {
        match self {
            Self::Relayed(relayed) => Self::Relayed(Relayed { recorder, ..relayed }),
            own @ (Self::Own(_) | Self::Counted(_) | Self::Cached(_)) => own,
        }
    }
}

impl Relayed {
    /// The same, with the user's own models in the list that it is.
    pub(crate) fn listing(self, listing: Listing) -> Self {
        let coding = self.head.headers().get(header::CONTENT_ENCODING);
        let coding = coding.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let listed = ListedBody { listing, bytes: Vec::new(), coding };
        Self { shape: Shape::Listed(Box::new(listed)), ..self }
    }
}

/// How long the answer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Between two pieces.
    pub(crate) idle: Duration,
    /// Until its end.
    pub(crate) deadline: Option<Instant>,
}

impl Patience {
    /// As long as the provider may take.
    pub(crate) fn of(destination: &Destination) -> Self {
        Self { idle: destination.timeouts.idle, deadline: None }
    }
}

/// Makes the answer ready for the client.
pub(crate) fn answer(
    call: &mut OpenCall,
    translation: Option<Translation>,
    reply: Reply,
    patience: Patience,
    slot: Slot,
) -> Relayed {
    let Reply { response, sent_at, asked_usage } = reply;
    let (mut parts, body) = response.into_parts();
    let link = parts.extensions.get::<LinkInfo>().copied();
    let spoken = translation.as_ref().map(|it| it.format);
    call.answered(parts.status, &parts.headers, link, sent_at, spoken);
    let provider = call.provider();
    if let Some(translation) = translation {
        let (head, translator) = translated(call, &translation, parts.status, &parts.headers);
        call.lost(translation.losses);
        let shape = Shape::Translated(Box::new(translator));
        return Relayed { head, body, shape, provider, patience, slot, recorder: None };
    }
    let hides =
        asked_usage && call.streams() && !parts.headers.contains_key(header::CONTENT_ENCODING);
    let length = if hides { Length::Changes } else { Length::Stays };
    headers::for_client(&mut parts.headers, length);
    let mut head = Response::new(());
    *head.status_mut() = parts.status;
    *head.headers_mut() = parts.headers;
    if let Some(reason) = parts.extensions.remove::<ReasonPhrase>() {
        head.extensions_mut().insert(reason);
    }
    let shape = if hides { Shape::Hiding(Box::new(HideUsage::new())) } else { Shape::AsIs };
    Relayed { head, body, shape, provider, patience, slot, recorder: None }
}

/// The translator, and the client's head as far as it is known before the body.
fn translated(
    call: &OpenCall,
    translation: &Translation,
    status: StatusCode,
    provider: &HeaderMap,
) -> (Response<()>, AnswerTranslator) {
    let text = |name| provider.get(name).and_then(|it| it.to_str().ok());
    let translator = AnswerTranslator::new(&AnswerConfig {
        plan: &translation.plan,
        status: status.as_u16(),
        content_type: text(header::CONTENT_TYPE),
        retry_after_s: headers::retry_after(provider)
            .map(|it| it.as_millis().div_ceil(1_000))
            .and_then(|it| u64::try_from(it).ok()),
        fallback_id: &call.id(),
        created_s: call.started_at_s(),
    });
    let head = translator.head();
    let mut response = Response::new(());
    *response.status_mut() =
        head.and_then(|it| StatusCode::from_u16(it.status).ok()).unwrap_or(status);
    if let Some(head) = head {
        *response.headers_mut() = headers::of_translated(head.content_type, None);
    }
    (response, translator)
}
