//! The spine: the steps of a call, in their order. Only this file orders them.

use std::sync::Arc;

use http::{Request, Response, request};
use hyper::body::Incoming;

use crate::{
    Connection, Gateway, ResponseBody,
    admission::{admit_request, identify, may_ask},
    answer::Answer,
    attempts::attempt,
    blocks::unless_blocked,
    budgets::reserve_unread,
    cache::{Consulted, body_to_compare, consult},
    call::OpenCall,
    error::Refusal,
    guardrails::step::guard,
    intake::Upload,
    live::unless_stopped,
    refuse::refuse,
    request::take,
    route::admit,
    rules::{HeaderEdit, govern::govern},
    stream::relay,
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
    let (relayed, edits) = match forwarded.unwrap_or_else(|| Err(handle.refusal())) {
        Ok((answer, edits)) => (relay(call, answer).await, edits),
        Err(refusal) => (Err((call, refusal)), Vec::new()),
    };
    match relayed {
        Ok(mut response) => {
            for edit in edits {
                edit.apply(response.headers_mut());
            }
            response
        }
        Err((call, refusal)) => {
            unless_stopped(&handle, upload.drain()).await;
            refuse(call, &head, &refusal)
        }
    }
}

/// Brings the request to its provider and the head of the answer back, with what rules and guardrails
/// want changed of that.
async fn forward(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    upload: &mut Upload,
) -> Result<(Answer, Vec<HeaderEdit>), Refusal> {
    admit(head)?;
    let asked = call.routes().ask(head);
    if let Ok(asked) = &asked {
        call.asked(asked);
    }
    // Who may not ask is told nothing of what there is.
    let shown = identify(call, head)?;
    unless_blocked(call).await?;
    let (head, mut asked) = (shown.as_deref().unwrap_or(head), asked?);
    may_ask(call.key(), &asked)?;
    let mut request = take(call, head, &asked, upload, &gateway.room).await?;
    admit_request(call, &asked, &mut request, upload).await?;
    let ruled = govern(gateway, call, head, &mut asked, &mut request, upload).await?;
    let head = ruled.head.as_deref().unwrap_or(head);
    // Guardrails put something in a text's place, to put it back in the answer.
    let said = body_to_compare(call, &request);
    guard(call, &asked, &mut request, upload).await?;
    let mut edits = ruled.response_headers;
    edits.extend(call.warnings());
    let said = said.as_ref();
    let recorder = match consult(gateway, call, head, &asked, &request, said, &mut edits).await {
        Consulted::Hit(hit) => return Ok((Answer::Cached(hit), edits)),
        Consulted::Goes(recorder) => recorder,
    };
    reserve_unread(gateway, call, &asked, &mut request, upload).await?;
    let answer = attempt(gateway, call, head, &asked, request).await?;
    Ok((answer.recorded(recorder), edits))
}
