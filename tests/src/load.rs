//! A client that makes calls for as long as the gateway is there, and breaks without a sound when it
//! is not.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tollgate_simulator::CONTROL_HEADER;

/// The formats and shapes that calls of a load have, by turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI's chat, whole.
    Chat,
    /// OpenAI's chat, streamed; the client does not ask for its usage, so that the gateway does.
    ChatStream,
    /// Anthropic's messages, whole.
    Messages,
    /// Anthropic's messages, streamed.
    MessagesStream,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chat, Self::ChatStream, Self::Messages, Self::MessagesStream];

    /// A call of this kind, with controls for the simulator.
    ///
    /// # Panics
    /// When `controls` cannot stand in a header.
    #[must_use]
    pub fn request(self, controls: &str) -> Request<Bytes> {
        let (path, body) = match self {
            Self::Chat => (
                "/v1/chat/completions",
                r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}"#,
            ),
            Self::ChatStream => (
                "/v1/chat/completions",
                r#"{"stream":true,"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}"#,
            ),
            Self::Messages => (
                "/v1/messages",
                r#"{"model":"claude-haiku-4-5","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}"#,
            ),
            Self::MessagesStream => (
                "/v1/messages",
                r#"{"stream":true,"model":"claude-haiku-4-5","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}"#,
            ),
        };
        Request::post(path)
            .header("authorization", "Bearer sk-client")
            .header("x-api-key", "sk-client")
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .header(CONTROL_HEADER, controls)
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap()
    }

    /// What a whole answer of this kind ends with.
    const fn ending(self) -> &'static [u8] {
        match self {
            Self::Chat | Self::Messages => b"}",
            Self::ChatStream => b"data: [DONE]\n\n",
            Self::MessagesStream => b"{\"type\":\"message_stop\"}\n\n",
        }
    }
}

/// A connection with one call at a time.
#[derive(Debug)]
pub struct Client {
    addr: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { addr, sender })
    }

    /// Makes a call and reads its answer to the end.
    ///
    /// # Errors
    /// When it does not come, or is not whole.
    pub async fn call(&mut self, kind: Kind, controls: &str) -> Result<()> {
        let (status, body) = self.send(kind.request(controls)).await?;
        ensure!(status == StatusCode::OK, "an answer with {status}");
        ensure!(body.ends_with(kind.ending()), "an answer of {kind:?} is not whole");
        Ok(())
    }

    /// Sends a request and leaves as soon as a piece of the answer has come.
    ///
    /// # Errors
    /// When none comes.
    pub async fn leave(mut self, mut request: Request<Bytes>) -> Result<()> {
        request.headers_mut().insert("host", self.addr.to_string().parse()?);
        self.sender.ready().await?;
        let mut answer = self.sender.send_request(request.map(Full::new)).await?;
        answer.body_mut().frame().await.context("an answer without a piece")??;
        Ok(())
    }

    /// Sends a request and reads the answer to its end, whatever it is.
    ///
    /// # Errors
    /// When it does not come, or breaks.
    pub async fn send(&mut self, mut request: Request<Bytes>) -> Result<(StatusCode, Bytes)> {
        request.headers_mut().insert("host", self.addr.to_string().parse()?);
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.map(Full::new)).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}
