//! The request goes out, once or, over a connection that turned out to be dead, twice.

use std::{sync::Arc, time::Duration};

use http::{Request, Response, header, request};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, ext::ReasonPhrase};
use tokio::time::Instant;

use crate::{
    Gateway,
    auth::Credential,
    call::OpenCall,
    error::Refusal,
    headers::{self, Framing, Length, Outbound, PlainAnswer},
    request::{Outgoing, OutgoingBody},
    route::Routed,
    upstream::{LinkInfo, RequestBody, SendError},
};

/// The head of a provider's answer, ready for the client, and the body to come.
pub(crate) struct Answer {
    pub(crate) head: Response<()>,
    pub(crate) body: Incoming,
    pub(crate) provider: Arc<str>,
    pub(crate) idle: Duration,
    /// Whether usage is to be hidden from the client.
    pub(crate) hide_usage: bool,
}

/// Sends the request and waits for the head of the answer.
pub(crate) async fn send(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    routed: &Routed,
    credential: &Credential,
    outgoing: Outgoing,
) -> Result<Answer, Refusal> {
    let destination = &routed.destination;
    let Outgoing { body, hide_usage } = outgoing;
    let plain_answer = if hide_usage { PlainAnswer::Needed } else { PlainAnswer::AsAsked };
    let uri = routed
        .uri(&head.uri, credential.query())
        .map_err(|_| Refusal::bad_url(head.method.as_str(), head.uri.path()))?;
    let request = |framing: Framing, body: RequestBody| {
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri.clone();
        let outbound = Outbound { destination, credential, framing, plain_answer };
        *request.headers_mut() = headers::for_provider(&head.headers, outbound);
        request
    };
    let attempt = async |request: Request<RequestBody>| {
        let sent_at = Instant::now();
        let bound = destination.timeouts.first_byte;
        match tokio::time::timeout(bound, gateway.upstream.send(request)).await {
            Ok(Ok(answer)) => Ok((answer, sent_at)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SendError::Silent(bound)),
        }
    };
    let answered = match body {
        OutgoingBody::AsItComes(body) => {
            attempt(request(Framing::AsItComes, Either::Right(body))).await
        }
        OutgoingBody::Whole(bytes) => {
            let framing = Framing::Whole(bytes.len());
            let body = || Either::Left(Full::new(bytes.clone()));
            match attempt(request(framing, body())).await {
                Err(SendError::Broke { stale: true }) => {
                    call.retrying();
                    attempt(request(framing, body())).await
                }
                answered => answered,
            }
        }
    };
    let (answer, sent_at) = answered.map_err(|error| {
        if error.nothing_arrived() {
            call.not_delivered();
        }
        Refusal::unanswered(&destination.id, &error)
    })?;
    let (mut parts, body) = answer.into_parts();
    let link = parts.extensions.get::<LinkInfo>().copied();
    call.answered(parts.status, &parts.headers, link, sent_at);
    let hide_usage =
        hide_usage && call.streams() && !parts.headers.contains_key(header::CONTENT_ENCODING);
    let length = if hide_usage { Length::Changes } else { Length::Stays };
    headers::for_client(&mut parts.headers, length);
    let mut head = Response::new(());
    *head.status_mut() = parts.status;
    *head.headers_mut() = parts.headers;
    if let Some(reason) = parts.extensions.remove::<ReasonPhrase>() {
        head.extensions_mut().insert(reason);
    }
    let (provider, idle) = (Arc::clone(&destination.id), destination.timeouts.idle);
    Ok(Answer { head, body, provider, idle, hide_usage })
}
