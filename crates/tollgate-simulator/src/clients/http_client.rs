//! A plain HTTP/1.1 client for `http://` addresses: all that the demo's programs need.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The longest answer that a demo program reads.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The longest that a demo program waits for a whole answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// A call of a demo program did not come back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The address is not `http://host:port`.
    #[error("`{0}` is not an `http://` address")]
    Address(String),
    /// The gateway did not take the connection.
    #[error("connect to `{0}`")]
    Connect(String, #[source] std::io::Error),
    /// The request could not be put together.
    #[error("build the request")]
    Build(#[from] http::Error),
    /// The exchange failed.
    #[error("exchange the request for an answer")]
    Exchange(#[from] hyper::Error),
    /// The answer broke off or was too long.
    #[error("read the answer: {0}")]
    Body(String),
    /// Nothing came in time.
    #[error("no answer within {}s", ANSWER_WAIT_MAX.as_secs())]
    Timeout,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Posts JSON on a connection of its own and reads the whole answer.
///
/// # Errors
/// No whole answer came; a status is never an error here.
pub(crate) async fn post(
    base_url: &str,
    path: &str,
    headers: HeaderMap,
    body: &Value,
) -> Result<Answer, HttpError> {
    let exchange = exchange(base_url, path, headers, body);
    tokio::time::timeout(ANSWER_WAIT_MAX, exchange).await.unwrap_or(Err(HttpError::Timeout))
}

async fn exchange(
    base_url: &str,
    path: &str,
    headers: HeaderMap,
    body: &Value,
) -> Result<Answer, HttpError> {
    let url = format!("{}{path}", base_url.trim_end_matches('/'));
    let uri: Uri = url.parse().map_err(|_| HttpError::Address(url.clone()))?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let authority = authority.ok_or_else(|| HttpError::Address(url.clone()))?;
    let address = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let connected = TcpStream::connect(address).await;
    let stream = connected.map_err(|source| HttpError::Connect(authority.to_string(), source))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);

    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    let mut request = Request::builder().method(Method::POST).uri(target);
    if let Some(all) = request.headers_mut() {
        all.extend(headers);
    }
    let request = request
        .header(header::HOST, authority.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let collected = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = collected.map_err(|it| HttpError::Body(it.to_string()))?.to_bytes();
    connection.abort();
    Ok(Answer { status, body })
}
