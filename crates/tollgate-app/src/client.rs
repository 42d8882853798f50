//! A client of the admin API over its unix socket: what the command line speaks.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use crate::api::view::{ErrorView, EventView};

/// The longest answer that is read whole.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// The longest single event.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// Why the admin API did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No gateway runs for this user.
    #[error(
        "no gateway is running (no answer at `{0}`): start one with `tollgate serve`, or open the app"
    )]
    NotRunning(PathBuf),
    /// The connection failed.
    #[error("talk to the running gateway")]
    Connection(#[source] hyper::Error),
    /// The request was refused.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What the gateway said.
        message: String,
    },
    /// What the gateway sent cannot be written.
    #[error("write what the gateway sent")]
    Save(#[source] std::io::Error),
    /// The answer is not what this version expects.
    #[error("read the gateway's answer: {0}")]
    Answer(String),
}

/// A client of the gateway that runs for this user.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the gateway whose admin socket is at `socket`; connects at each request.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Gets `path` (with its query) below `/api`.
    ///
    /// # Errors
    /// When no gateway runs, it refuses, or its answer is not a `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.send(Method::GET, path, Bytes::new()).await?;
        read_json(&read_whole(body).await?)
    }

    /// Gets `path` as the bytes it is.
    ///
    /// # Errors
    /// When no gateway runs or it refuses.
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        read_whole(self.send(Method::GET, path, Bytes::new()).await?).await
    }

    /// Writes `path` into `out` as it comes, however long it is, and gives its length.
    ///
    /// # Errors
    /// When no gateway runs, it refuses or breaks off, or `out` cannot be written.
    pub async fn save(
        &self,
        path: &str,
        out: &mut impl std::io::Write,
    ) -> Result<u64, ClientError> {
        let mut body = self.send(Method::GET, path, Bytes::new()).await?;
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(ClientError::Connection)?;
            if let Ok(data) = frame.into_data() {
                out.write_all(&data).map_err(ClientError::Save)?;
                bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
            }
        }
        out.flush().map_err(ClientError::Save)?;
        Ok(bytes)
    }

    /// Posts `body` to `path` below `/api`.
    ///
    /// # Errors
    /// When no gateway runs, it refuses, or its answer is not a `T`.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|err| ClientError::Answer(err.to_string()))?;
        let body = self.send(Method::POST, path, body.into()).await?;
        read_json(&read_whole(body).await?)
    }

    /// Opens the live stream at `path` below `/api`.
    ///
    /// # Errors
    /// When no gateway runs or it refuses.
    pub async fn events(&self, path: &str) -> Result<Events, ClientError> {
        let body = self.send(Method::GET, path, Bytes::new()).await?;
        Ok(Events { body, pending: Vec::new() })
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Incoming, ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|_| ClientError::NotRunning(self.socket.clone()))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(ClientError::Connection)?;
        // Ends with the request, or when its answer is dropped.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("/api{path}"))
            .header(header::HOST, "tollgate")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|err| ClientError::Answer(err.to_string()))?;
        let response = sender.send_request(request).await.map_err(ClientError::Connection)?;
        let status = response.status();
        let body = response.into_body();
        if status.is_success() {
            return Ok(body);
        }
        let text = read_whole(body).await?;
        let message = serde_json::from_slice::<ErrorView>(&text)
            .map_or_else(|_| String::from_utf8_lossy(&text).into_owned(), |it| it.message);
        Err(ClientError::Refused { status, message })
    }
}

/// A live stream.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    pending: Vec<u8>,
}

impl Events {
    /// The next event; `None` when the gateway ended the stream.
    ///
    /// # Errors
    /// When the connection breaks or an event cannot be read.
    pub async fn next(&mut self) -> Result<Option<EventView>, ClientError> {
        loop {
            if let Some(event) = self.take_event()? {
                return Ok(Some(event));
            }
            if self.pending.len() > EVENT_BYTES_MAX {
                return Err(ClientError::Answer("an event is too long".to_owned()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(err)) => return Err(ClientError::Connection(err)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.pending.extend_from_slice(&data);
                    }
                }
            }
        }
    }

    /// The stream is our own server's: one `data:` line per event, comments between.
    fn take_event(&mut self) -> Result<Option<EventView>, ClientError> {
        while let Some(end) = self.pending.iter().position(|it| *it == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            if let Some(data) = line.strip_prefix(b"data:") {
                return read_json(data.trim_ascii()).map(Some);
            }
        }
        Ok(None)
    }
}

async fn read_whole(body: Incoming) -> Result<Bytes, ClientError> {
    let limited = http_body_util::Limited::new(body, ANSWER_BYTES_MAX);
    let whole = limited.collect().await.map_err(|err| ClientError::Answer(err.to_string()))?;
    Ok(whole.to_bytes())
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(bytes).map_err(|err| ClientError::Answer(err.to_string()))
}
