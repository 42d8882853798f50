//! Documents that somebody asked for, such as a price list, and news that somebody wants to be told: by
//! the client that calls providers, so that there is one way out.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};

use crate::{
    GatewayError, Limits, Proxies,
    upstream::{SendError, Upstream},
};

/// Who asks.
const AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));

/// How long a whole document may take: a few megabytes over a slow line.
pub const FETCH_PATIENCE: Duration = Duration::from_secs(60);

/// How long telling news may take: whoever wants them answers before it does anything about them.
pub const TELL_PATIENCE: Duration = Duration::from_secs(5);

/// Why news were not told. None names the address, which may hold a key.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// The client cannot be made.
    #[error(transparent)]
    Client(#[from] GatewayError),
    /// The address cannot be asked.
    #[error("the address cannot be asked")]
    Address,
    /// Nobody answered.
    #[error("{0}")]
    Unreachable(String),
    /// They were not taken.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// It took too long.
    #[error("no answer within {} s", TELL_PATIENCE.as_secs())]
    Timeout,
}

/// The longest answer to a post that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Posts to somebody who wants to be told, over connections that are kept.
pub struct Outbox(Upstream);

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl Outbox {
    /// One that goes through the proxies that `proxies` has.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(proxies: Proxies) -> Result<Self, TellError> {
        Ok(Self(Upstream::new(Vec::new(), proxies, &Limits::default())?))
    }

    /// Posts `body` to `url`. Sends nothing but that, the headers and who tells it. Any status of
    /// success will do; a redirection is not followed. Gives the answer's body, of which only the
    /// beginning is read if it is long.
    ///
    /// # Errors
    /// See [`TellError`].
    pub async fn post(
        &self,
        url: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Bytes, TellError> {
        let mut request = Request::post(url.clone())
            .body(Either::Left(Full::new(body)))
            .map_err(|_| TellError::Address)?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        let answered = async {
            let answer =
                self.0.send(request).await.map_err(|it| TellError::Unreachable(reason(it)))?;
            if !answer.status().is_success() {
                return Err(TellError::Status(answer.status()));
            }
            // What is told is told, whatever becomes of the answer.
            let whole = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok(whole.map(http_body_util::Collected::to_bytes).unwrap_or_default())
        };
        tokio::time::timeout(TELL_PATIENCE, answered).await.unwrap_or(Err(TellError::Timeout))
    }
}

/// Posts JSON to `url` once, as an [`Outbox`] does.
///
/// # Errors
/// See [`TellError`].
pub async fn tell(url: &Uri, json: Bytes, proxies: Proxies) -> Result<(), TellError> {
    let kind = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
    Outbox::new(proxies)?.post(url, headers, json).await?;
    Ok(())
}

/// Why a document was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client cannot be made.
    #[error(transparent)]
    Client(#[from] GatewayError),
    /// The address cannot be asked.
    #[error("ask for `{0}`")]
    Address(Uri, #[source] http::Error),
    /// Nobody answered.
    #[error("reach `{url}`: {reason}")]
    Unreachable {
        /// The address.
        url: Uri,
        /// The last step that failed.
        reason: String,
    },
    /// The answer is no document.
    #[error("`{url}` answered {status}")]
    Status {
        /// The address.
        url: Uri,
        /// The status; a redirection is not followed.
        status: StatusCode,
    },
    /// The document is longer than may be.
    #[error("`{url}` is longer than {max} bytes")]
    TooLong {
        /// The address.
        url: Uri,
        /// The limit.
        max: usize,
    },
    /// The document broke off.
    #[error("`{0}` broke off")]
    Broke(Uri),
    /// It took too long.
    #[error("`{url}` was not there within {} s", FETCH_PATIENCE.as_secs())]
    Timeout {
        /// The address.
        url: Uri,
    },
}

/// Fetches the document at `url`, of at most `bytes_max`, through the proxy that `proxies` has for it.
/// Sends nothing but the address and who asks.
///
/// # Errors
/// See [`FetchError`].
pub async fn fetch(url: &Uri, bytes_max: usize, proxies: Proxies) -> Result<Bytes, FetchError> {
    let upstream = Upstream::new(Vec::new(), proxies, &Limits::default())?;
    let document = get(&upstream, url, bytes_max);
    tokio::time::timeout(FETCH_PATIENCE, document)
        .await
        .unwrap_or_else(|_| Err(FetchError::Timeout { url: url.clone() }))
}

async fn get(upstream: &Upstream, url: &Uri, bytes_max: usize) -> Result<Bytes, FetchError> {
    let request = Request::get(url.clone())
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, "application/json")
        .body(Either::Left(Full::new(Bytes::new())))
        .map_err(|err| FetchError::Address(url.clone(), err))?;
    let answer = upstream.send(request).await.map_err(|err| unreachable(url, err))?;
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(FetchError::Status { url: url.clone(), status });
    }
    let whole = Limited::new(answer.into_body(), bytes_max).collect().await;
    whole.map(http_body_util::Collected::to_bytes).map_err(|err| {
        if err.is::<LengthLimitError>() {
            FetchError::TooLong { url: url.clone(), max: bytes_max }
        } else {
            FetchError::Broke(url.clone())
        }
    })
}

fn unreachable(url: &Uri, err: SendError) -> FetchError {
    FetchError::Unreachable { url: url.clone(), reason: reason(err) }
}

fn reason(err: SendError) -> String {
    match err {
        SendError::Unreachable(reason) | SendError::Tls(reason) => reason,
        SendError::Timeout(after) => format!("no connection within {} s", after.as_secs()),
        SendError::Silent(after) => format!("no answer within {} s", after.as_secs()),
        SendError::Broke { .. } => "the connection broke".to_owned(),
    }
}
