//! A request goes out to one provider: once; again over another connection where one turned out to
//! be dead; and as the client wrote it where the provider refuses what the gateway adds.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, request};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};
use tollgate_core::call::ErrorCode;
use tollgate_wire::text;

use crate::{
    Gateway, ModelPatience,
    auth::Credential,
    call::OpenCall,
    destination::Way,
    error::Refusal,
    headers::{self, Carried, Framing, Outbound, PlainAnswer},
    intake::{Counted, Uploaded},
    upstream::{RequestBody, SendError},
};

/// A request for one provider, all but its body.
pub(crate) struct Outgoing {
    pub(crate) way: Way,
    pub(crate) uri: Uri,
    pub(crate) credential: Credential,
    pub(crate) carried: Carried,
    /// How long a new connection may take, where that is not as usual.
    pub(crate) connect: Option<Duration>,
    /// How long the provider may take for its status line.
    pub(crate) first_byte: Duration,
}

impl Outgoing {
    /// The request by its way, with the bounds of the model that it is for where that has its own.
    pub(crate) fn new(
        way: Way,
        uri: Uri,
        credential: Credential,
        carried: Carried,
        patience: &ModelPatience,
    ) -> Self {
        let first_byte = patience.first_byte.unwrap_or(way.destination.timeouts.first_byte);
        Self { way, uri, credential, carried, connect: patience.connect, first_byte }
    }
}

/// A provider's answer, of which the head has come.
pub(crate) struct Reply {
    pub(crate) response: Response<Incoming>,
    pub(crate) sent_at: Instant,
    /// Whether the gateway asked for usage beside what the client asked for.
    pub(crate) asked_usage: bool,
}

/// A request under way.
pub(crate) struct Sending<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) call: &'a mut OpenCall,
    pub(crate) head: &'a request::Parts,
    pub(crate) outgoing: &'a Outgoing,
}

impl Sending<'_> {
    /// Sends a body that is at hand; `asking` is the same, but asks for the usage of the stream.
    pub(crate) async fn whole(
        &mut self,
        own: &Bytes,
        asking: Option<&Bytes>,
    ) -> Result<Reply, Refusal> {
        match asking {
            Some(asking) => self.asking(own, asking).await,
            None => self.once(own, self.plain_answer()).await,
        }
    }

    /// Asks for usage beside what the client asks for. A provider that refuses this has made
    /// nothing that could be billed yet: it is sent the client's own request.
    async fn asking(&mut self, own: &Bytes, asking: &Bytes) -> Result<Reply, Refusal> {
        let reply = self.once(asking, PlainAnswer::Needed).await?;
        match reply.response.status() {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {}
            _ => return Ok(Reply { asked_usage: true, ..reply }),
        }
        drop(reply);
        self.call.retrying();
        let reply = self.once(own, self.plain_answer()).await?;
        if reply.response.status().is_success() {
            self.outgoing.way.destination.refuses_usage();
        }
        Ok(reply)
    }

    /// Sends a body, again for every pooled connection that turns out to be dead. That ends with the
    /// first fresh connection.
    async fn once(&mut self, bytes: &Bytes, plain: PlainAnswer) -> Result<Reply, Refusal> {
        let bound = self.outgoing.first_byte;
        loop {
            let body = Either::Left(Full::new(bytes.clone()));
            let request = self.request(Framing::Whole(bytes.len()), plain, body);
            let request = self.signed(request, bytes).await?;
            let sent_at = Instant::now();
            let sent =
                timeout(bound, self.gateway.upstream.send_within(request, self.outgoing.connect))
                    .await;
            match sent.unwrap_or(Err(SendError::Silent(bound))) {
                Ok(response) => return Ok(Reply { response, sent_at, asked_usage: false }),
                Err(SendError::Broke { stale: true }) => self.call.retrying(),
                Err(error) => return Err(self.unanswered(&error)),
            }
        }
    }

    /// Passes a body on as it comes. The provider's time to answer begins when it has it all.
    pub(crate) async fn upload(
        &mut self,
        body: Counted,
        uploaded: Uploaded,
    ) -> Result<Reply, Refusal> {
        let request = self.request(Framing::AsItComes, PlainAnswer::AsAsked, Either::Right(body));
        let request = self.signed(request, &Bytes::new()).await?;
        let bound = self.outgoing.first_byte;
        let sent_at = Instant::now();
        let mut uploaded = pin!(uploaded);
        let gateway = self.gateway;
        let mut sending = pin!(gateway.upstream.send_within(request, self.outgoing.connect));
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
                Ok(response) => Ok(response),
                // The client's failure is told before the connection's, which follows from it.
                Err(error) => match uploaded.try_recv() {
                    Ok(refusal) => return Err(refusal),
                    Err(_) => Err(error),
                },
            },
        };
        match sent {
            Ok(response) => Ok(Reply { response, sent_at, asked_usage: false }),
            Err(error) => Err(self.unanswered(&error)),
        }
    }

    /// An answer that the gateway translates, or shows to guardrails, must not be compressed.
    fn plain_answer(&self) -> PlainAnswer {
        if self.call.answer_is_read() {
            return PlainAnswer::Needed;
        }
        match self.outgoing.carried {
            Carried::All | Carried::AllButCoding => PlainAnswer::AsAsked,
            Carried::Translated => PlainAnswer::Needed,
        }
    }

    fn request(
        &self,
        framing: Framing,
        plain_answer: PlainAnswer,
        body: RequestBody,
    ) -> Request<RequestBody> {
        let outgoing = self.outgoing;
        let mut request = Request::new(body);
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = outgoing.uri.clone();
        let outbound = Outbound {
            destination: &outgoing.way.destination,
            credential: &outgoing.credential,
            carried: outgoing.carried,
            ruled: self.call.headers_ruled(),
            framing,
            plain_answer,
        };
        *request.headers_mut() = headers::for_provider(&self.head.headers, outbound);
        request
    }

    /// Signs the request where the provider wants that. `body` is the request's, where it is at hand.
    async fn signed(
        &mut self,
        request: Request<RequestBody>,
        body: &Bytes,
    ) -> Result<Request<RequestBody>, Refusal> {
        let destination = &self.outgoing.way.destination;
        let ours = self.outgoing.credential != Credential::Client;
        let Some(signer) = destination.signer.as_ref().filter(|_| ours) else {
            return Ok(request);
        };
        let (mut parts, unsent) = request.into_parts();
        let now = self.gateway.config.clock.now();
        // Boxed, so that calls that are not signed do not carry its room about.
        let signed = Box::pin(signer.sign(&self.gateway.upstream, now, &mut parts, body));
        match signed.await {
            Ok(()) => Ok(Request::from_parts(parts, unsent)),
            Err(error) => {
                self.call.not_delivered();
                let message = text::not_signed(&destination.id, &error.to_string());
                Err(Refusal::new(ErrorCode::NoCredential, message))
            }
        }
    }

    fn unanswered(&mut self, error: &SendError) -> Refusal {
        if error.nothing_arrived() {
            self.call.not_delivered();
        }
        Refusal::unanswered(&self.outgoing.way.destination.id, error)
    }
}
