//! Requests as a test wants them, down to the byte.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::PATIENCE;

/// A connection that requests are sent on, one after the other. It closes when dropped.
#[derive(Debug)]
pub struct Connection {
    addr: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { addr, sender }
    }

    /// Sends a request and gives the answer's head, with its body still to come. `Host` is the
    /// address unless the request has one.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn begin(&mut self, mut request: Request<Bytes>) -> Response<Incoming> {
        let host = self.addr.to_string().parse().unwrap();
        request.headers_mut().entry("host").or_insert(host);
        let answer = timeout(PATIENCE, self.sender.send_request(request.map(Full::new))).await;
        answer.expect("an answer").unwrap()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn send(&mut self, request: Request<Bytes>) -> Response<Bytes> {
        let (head, body) = self.begin(request).await.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("the answer's end");
        Response::from_parts(head, body.unwrap().to_bytes())
    }
}

/// Sends a request on a connection of its own and reads the whole answer.
///
/// # Panics
/// When there is no whole answer.
pub async fn send(addr: SocketAddr, request: Request<Bytes>) -> Response<Bytes> {
    Connection::open(addr).await.send(request).await
}

/// Writes bytes on a connection of its own and reads until the other end closes it.
///
/// # Panics
/// When it stays open.
pub async fn exchange(addr: SocketAddr, bytes: &[u8]) -> String {
    let work = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        // Both may fail when the other end has had enough: what it said until then counts.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(PATIENCE, work).await.expect("the other end to close the connection")
}
