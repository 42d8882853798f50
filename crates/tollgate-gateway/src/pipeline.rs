//! The spine: the steps of a call, in their order. Only this file orders them.

use std::sync::Arc;

use http::{Request, Response, request};
use hyper::body::Incoming;

use crate::{
    Connection, Gateway, ResponseBody, answer::Answer, attempts::attempt, call::OpenCall,
    error::Refusal, intake::Upload, live::unless_stopped, refuse::refuse, request::take,
    route::admit, stream::relay,
};

/// Answers one request.
pub(crate) async fn run(
    gateway: &Arc<Gateway>,
    connection: &Arc<Connection>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let (head, body) = request.into_parts();
    let mut upload = Upload::new(body, &head.headers, &gateway.config.limits);
    let mut call = OpenCall::begin(gateway, connection, &head);
    let handle = call.handle();
    let forwarded = unless_stopped(&handle, forward(gateway, &mut call, &head, &mut upload)).await;
    let relayed = match forwarded.unwrap_or_else(|| Err(Refusal::stopping())) {
        Ok(answer) => relay(call, answer).await,
        Err(refusal) => Err((call, refusal)),
    };
    match relayed {
        Ok(response) => response,
        Err((call, refusal)) => {
            unless_stopped(&handle, upload.drain()).await;
            refuse(call, &head, &refusal)
        }
    }
}

/// Brings the request to its provider and the head of the answer back.
async fn forward(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    upload: &mut Upload,
) -> Result<Answer, Refusal> {
    admit(head)?;
    let asked = call.routes().ask(head)?;
    call.asked(&asked);
    let request = take(call, head, &asked, upload, &gateway.room).await?;
    attempt(gateway, call, head, &asked, request).await
}
