//! The gateway's own answers: errors, in the client's own format.

use http::{HeaderValue, Response, StatusCode, header, request};
use tollgate_wire::error_body;

use crate::{ResponseBody, call::OpenCall, error::Refusal, route::format_of_errors};

/// Answers with an error and settles the call.
pub(crate) fn refuse(
    mut call: OpenCall,
    head: &request::Parts,
    refusal: &Refusal,
) -> Response<ResponseBody> {
    let format = call.format().unwrap_or_else(|| format_of_errors(head));
    let error = error_body(Some(format), refusal.code, &refusal.message);
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    call.refused(refusal, status, &error.body);
    let mut response = Response::new(ResponseBody::whole(error.body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(error.content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if let Some(stopped) = &refusal.stopped {
        stopped.tell(format, response.headers_mut());
    }
    response
}
