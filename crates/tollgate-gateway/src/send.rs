//! The request goes out: once; again over another connection where one turned out to be dead; and as
//! the client wrote it where the provider refuses what the gateway adds.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header, request};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, ext::ReasonPhrase};
use tokio::time::{Instant, timeout};

use crate::{
    Gateway,
    auth::Credential,
    call::OpenCall,
    error::Refusal,
    headers::{self, Framing, Length, Outbound, PlainAnswer},
    intake::{Counted, Uploaded},
    request::Outgoing,
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

/// An answer's head with the moment at which its request was sent.
type Answered = (Response<Incoming>, Instant);

/// Sends the request and waits for the head of the answer.
pub(crate) async fn send(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    routed: &Routed,
    credential: &Credential,
    outgoing: Outgoing,
) -> Result<Answer, Refusal> {
    let uri = routed
        .uri(&head.uri, credential.query())
        .map_err(|_| Refusal::bad_url(head.method.as_str(), head.uri.path()))?;
    let mut sending = Sending { gateway, call, head, routed, credential, uri };
    let (answered, asked_usage) = match outgoing {
        Outgoing::AsItComes(body, uploaded) => (sending.upload(body, uploaded).await?, false),
        Outgoing::Whole { own, asking: None, held: _held } => {
            (sending.whole(&own, PlainAnswer::AsAsked).await?, false)
        }
        Outgoing::Whole { own, asking: Some(asking), held: _held } => {
            sending.asking(&own, &asking).await?
        }
    };
    Ok(answer(call, routed, answered, asked_usage))
}

/// A request under way.
struct Sending<'a> {
    gateway: &'a Gateway,
    call: &'a mut OpenCall,
    head: &'a request::Parts,
    routed: &'a Routed,
    credential: &'a Credential,
    uri: Uri,
}

impl Sending<'_> {
    /// Asks for usage beside what the client asks for. A provider that refuses this has made
    /// nothing that could be billed yet: it is sent the client's own request. The answer, and
    /// whether it is one to a request that asks for usage.
    async fn asking(&mut self, own: &Bytes, asking: &Bytes) -> Result<(Answered, bool), Refusal> {
        let answered = self.whole(asking, PlainAnswer::Needed).await?;
        match answered.0.status() {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {}
            _ => return Ok((answered, true)),
        }
        drop(answered);
        self.call.retrying();
        let answered = self.whole(own, PlainAnswer::AsAsked).await?;
        if answered.0.status().is_success() {
            self.routed.destination.refuses_usage();
        }
        Ok((answered, false))
    }

    /// Sends a body that is at hand, again for every pooled connection that turns out to be dead.
    /// That ends with the first fresh connection.
    async fn whole(&mut self, bytes: &Bytes, plain: PlainAnswer) -> Result<Answered, Refusal> {
        let bound = self.routed.destination.timeouts.first_byte;
        loop {
            let body = Either::Left(Full::new(bytes.clone()));
            let request = self.request(Framing::Whole(bytes.len()), plain, body);
            let sent_at = Instant::now();
            let sent = timeout(bound, self.gateway.upstream.send(request)).await;
            match sent.unwrap_or(Err(SendError::Silent(bound))) {
                Ok(answer) => return Ok((answer, sent_at)),
                Err(SendError::Broke { stale: true }) => self.call.retrying(),
                Err(error) => return Err(self.unanswered(&error)),
            }
        }
    }

    /// Passes a body on as it comes. The provider's time to answer begins when it has it all.
    async fn upload(&mut self, body: Counted, uploaded: Uploaded) -> Result<Answered, Refusal> {
        let request = self.request(Framing::AsItComes, PlainAnswer::AsAsked, Either::Right(body));
        let bound = self.routed.destination.timeouts.first_byte;
        let sent_at = Instant::now();
        let mut uploaded = pin!(uploaded);
        let gateway = self.gateway;
        let mut sending = pin!(gateway.upstream.send(request));
        let sent = tokio::select! {
            biased;
            ended = &mut uploaded => match ended {
                Ok(refusal) => return Err(refusal),
                Err(_) => {
                    let sent = timeout(bound, sending).await;
                    sent.unwrap_or(Err(SendError::Silent(bound)))
                }
            },
            sent = &mut sending => match sent {
                Ok(answer) => Ok(answer),
                // The client's failure is told before the connection's, which follows from it.
                Err(error) => match uploaded.try_recv() {
                    Ok(refusal) => return Err(refusal),
                    Err(_) => Err(error),
                },
            },
        };
        sent.map(|answer| (answer, sent_at)).map_err(|error| self.unanswered(&error))
    }

    fn request(
        &self,
        framing: Framing,
        plain_answer: PlainAnswer,
        body: RequestBody,
    ) -> Request<RequestBody> {
        let (destination, credential) = (&*self.routed.destination, self.credential);
        let mut request = Request::new(body);
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.uri.clone();
        let outbound = Outbound { destination, credential, framing, plain_answer };
        *request.headers_mut() = headers::for_provider(&self.head.headers, outbound);
        request
    }

    fn unanswered(&mut self, error: &SendError) -> Refusal {
        if error.nothing_arrived() {
            self.call.not_delivered();
        }
        Refusal::unanswered(&self.routed.destination.id, error)
    }
}

/// Makes the answer's head ready for the client.
fn answer(
    call: &mut OpenCall,
    routed: &Routed,
    (answer, sent_at): Answered,
    asked_usage: bool,
) -> Answer {
    let destination = &routed.destination;
    let (mut parts, body) = answer.into_parts();
    let link = parts.extensions.get::<LinkInfo>().copied();
    call.answered(parts.status, &parts.headers, link, sent_at);
    let hide_usage =
        asked_usage && call.streams() && !parts.headers.contains_key(header::CONTENT_ENCODING);
    let length = if hide_usage { Length::Changes } else { Length::Stays };
    headers::for_client(&mut parts.headers, length);
    let mut head = Response::new(());
    *head.status_mut() = parts.status;
    *head.headers_mut() = parts.headers;
    if let Some(reason) = parts.extensions.remove::<ReasonPhrase>() {
        head.extensions_mut().insert(reason);
    }
    let (provider, idle) = (Arc::clone(&destination.id), destination.timeouts.idle);
    Answer { head, body, provider, idle, hide_usage }
}
