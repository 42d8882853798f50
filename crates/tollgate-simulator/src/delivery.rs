//! From a composed reply to bytes on the wire, piece by piece, with every byte recorded.

use std::{collections::VecDeque, future::pending, io, io::Write, time::Duration, vec};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::{
    SIMULATOR_HEADER,
    api::World,
    config::{Jitter, Latency},
    controls::{Compression, Controls, Hang},
    record::{OpenCall, UsageSent},
};

/// The longest that a realistic latency makes a plain answer wait.
const PLAIN_WAIT_MAX: Duration = Duration::from_secs(8);

/// A composed answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) model_served: Option<String>,
    pub(crate) body: ReplyBody,
}

/// A composed answer's body.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// Sent at once, with its length.
    Whole(WholeBody),
    /// Sent piece by piece.
    Pieces(Vec<Piece>),
}

/// A body sent at once.
#[derive(Debug)]
pub(crate) struct WholeBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) usage: Option<UsageSent>,
    /// How many generated pieces the answer stands for, which is what it takes time by.
    pub(crate) generated: usize,
}

impl WholeBody {
    /// Indented JSON, as OpenAI and Google send it.
    pub(crate) fn json(value: &Value) -> Self {
        Self::text(format!("{value:#}"))
    }

    pub(crate) fn text(text: String) -> Self {
        Self { bytes: text.into_bytes(), usage: None, generated: 0 }
    }
}

/// What is written at once (unless split).
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// Whether a generated token is in it, which takes time.
    pub(crate) generated: bool,
    /// The usage that has been reported once this piece is sent.
    pub(crate) usage: Option<UsageSent>,
}

/// Waits as long as the answer should take to begin, then hands it to the HTTP server.
pub(crate) async fn deliver(
    world: &World,
    reply: Reply,
    controls: &Controls,
    mut call: OpenCall,
) -> Response {
    let latency = world.config.latency;
    let mut jitter = Jitter::new(world.config.seed ^ call.number(), latency.jitter_percent);
    pause(controls.delay + headers_wait(&reply, latency, &mut jitter)).await;

    let headers = headers(&reply, controls);
    call.update(|it| {
        it.status = Some(reply.status);
        it.response_headers = headers.clone();
        it.model_served = reply.model_served.clone();
    });
    let body = match reply.body {
        ReplyBody::Whole(whole) if is_plain(controls) => {
            // Recorded before it is sent: hyper drops a body of known length with its last byte.
            let bytes = encode_whole(whole.bytes, controls.compression);
            call.update(|it| {
                it.response.clone_from(&bytes);
                it.usage = whole.usage;
            });
            call.finish();
            Body::from(bytes)
        }
        ReplyBody::Whole(whole) => {
            let bytes = encode_whole(whole.bytes, controls.compression);
            let piece = Piece { bytes, generated: true, usage: whole.usage };
            let encoder = Encoder::new(None);
            Sending::new(vec![piece], encoder, Latency::default(), jitter, controls, call).into()
        }
        ReplyBody::Pieces(pieces) => {
            let encoder = Encoder::new(controls.compression);
            Sending::new(pieces, encoder, latency, jitter, controls, call).into()
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

fn is_plain(controls: &Controls) -> bool {
    controls.split.is_none()
        && controls.break_after.is_none()
        && controls.end_after.is_none()
        && controls.hang.is_none()
        && controls.first_byte.is_zero()
}

fn headers_wait(reply: &Reply, latency: Latency, jitter: &mut Jitter) -> Duration {
    if !reply.status.is_success() {
        return Duration::ZERO;
    }
    match &reply.body {
        ReplyBody::Whole(whole) if whole.generated == 0 => latency.first_token / 8,
        ReplyBody::Whole(whole) => {
            let pieces = u32::try_from(whole.generated).unwrap_or(u32::MAX);
            let wait = latency.first_token + latency.per_piece.saturating_mul(pieces);
            jitter.apply(wait.min(PLAIN_WAIT_MAX))
        }
        ReplyBody::Pieces(_) => jitter.apply(latency.first_token),
    }
}

fn headers(reply: &Reply, controls: &Controls) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.insert(SIMULATOR_HEADER, HeaderValue::from_static("1"));
    if let Some(coding) = controls.compression {
        let name = match coding {
            Compression::Gzip => "gzip",
            Compression::Brotli => "br",
            Compression::Zstd => "zstd",
        };
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    headers
}

async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

/// A body on its way. Dropped before its end, the client went away.
struct Sending {
    pieces: vec::IntoIter<Piece>,
    encoder: Encoder,
    latency: Latency,
    jitter: Jitter,
    controls: Controls,
    call: OpenCall,
    ready: VecDeque<(Bytes, Option<UsageSent>)>,
    begun: bool,
    encoded_all: bool,
    sent: usize,
    over: bool,
}

impl Sending {
    fn new(
        pieces: Vec<Piece>,
        encoder: Encoder,
        latency: Latency,
        jitter: Jitter,
        controls: &Controls,
        call: OpenCall,
    ) -> Self {
        Self {
            pieces: pieces.into_iter(),
            encoder,
            latency,
            jitter,
            controls: controls.clone(),
            call,
            ready: VecDeque::new(),
            begun: false,
            encoded_all: false,
            sent: 0,
            over: false,
        }
    }

    /// The next bytes to write; `None` is the end of the body, an error breaks the connection.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.over {
            return None;
        }
        if let Some(ending) = self.limit_reached().await {
            return ending;
        }
        if self.begun {
            // Lets the server write what it has, so that each piece travels on its own.
            tokio::task::yield_now().await;
        }
        while self.ready.is_empty() {
            if !self.make_ready().await {
                self.over = true;
                self.call.finish();
                return None;
            }
        }
        let (mut bytes, mut usage) = self.ready.pop_front()?;
        let room = self.room();
        if bytes.len() > room {
            bytes.truncate(room);
            usage = None;
        }
        self.sent += bytes.len();
        self.call.update(|it| {
            it.response.extend_from_slice(&bytes);
            it.usage = usage.or(it.usage);
        });
        Some(Ok(bytes))
    }

    /// How many more bytes may be sent before a control ends the answer.
    fn room(&self) -> usize {
        let hang = match self.controls.hang {
            Some(Hang::AfterBytes(bytes)) => Some(bytes),
            Some(Hang::BeforeHeaders) | None => None,
        };
        let limits = [self.controls.break_after, self.controls.end_after, hang];
        let limit = limits.into_iter().flatten().min().unwrap_or(usize::MAX);
        limit.saturating_sub(self.sent)
    }

    /// Ends the answer the way a control asks for, once its bytes are out.
    async fn limit_reached(&mut self) -> Option<Option<io::Result<Bytes>>> {
        if self.room() > 0 {
            return None;
        }
        if matches!(self.controls.hang, Some(Hang::AfterBytes(bytes)) if bytes <= self.sent) {
            pending::<()>().await;
        }
        self.over = true;
        self.call.finish();
        if self.controls.end_after.is_some_and(|it| it <= self.sent) {
            return Some(None);
        }
        // What was written before must leave before the connection is cut.
        for _ in 0..FLUSH_ROUNDS {
            tokio::task::yield_now().await;
        }
        Some(Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "broken on request"))))
    }

    /// Encodes and splits one more piece. False when there is none left.
    async fn make_ready(&mut self) -> bool {
        let (bytes, usage) = match self.pieces.next() {
            Some(piece) => {
                let wait = match (self.begun, piece.generated) {
                    (false, _) => self.controls.first_byte,
                    (true, true) => {
                        self.jitter.apply(self.latency.per_piece) + self.controls.chunk_delay
                    }
                    (true, false) => self.controls.chunk_delay,
                };
                pause(wait).await;
                (self.encoder.piece(piece.bytes), piece.usage)
            }
            None if self.encoded_all => return false,
            None => {
                self.encoded_all = true;
                (self.encoder.end(), None)
            }
        };
        self.begun = true;
        let size = self.controls.split.unwrap_or(usize::MAX);
        let mut rest = Bytes::from(bytes);
        while !rest.is_empty() {
            let head = rest.split_to(size.min(rest.len()));
            let usage = if rest.is_empty() { usage } else { None };
            self.ready.push_back((head, usage));
        }
        true
    }
}

/// Turns of the scheduler that a connection gets to write out what it holds before it is cut.
const FLUSH_ROUNDS: u32 = 3;

impl From<Sending> for Body {
    fn from(sending: Sending) -> Self {
        Self::from_stream(stream::unfold(sending, async |mut it| {
            it.next().await.map(|item| (item, it))
        }))
    }
}

/// Compresses pieces so that each can be decoded when it arrives.
enum Encoder {
    Identity,
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    /// Its end has been taken.
    Ended,
}

const BROTLI_BUFFER_BYTES: usize = 4096;
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW_BITS: u32 = 20;

impl Encoder {
    fn new(compression: Option<Compression>) -> Self {
        match compression {
            None => Self::Identity,
            Some(Compression::Gzip) => {
                let level = flate2::Compression::fast();
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), level))
            }
            Some(Compression::Brotli) => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW_BITS,
            ))),
            Some(Compression::Zstd) => {
                match zstd::stream::write::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)
                {
                    Ok(encoder) => Self::Zstd(Box::new(encoder)),
                    // Only out of memory; the client then sees a body that is not zstd.
                    Err(error) => {
                        tracing::warn!(%error, "no zstd encoder");
                        Self::Identity
                    }
                }
            }
        }
    }

    fn piece(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Identity => bytes,
            Self::Gzip(it) => flushed(it, &bytes, |it| it.get_mut()),
            Self::Brotli(it) => flushed(it.as_mut(), &bytes, |it| it.get_mut()),
            Self::Zstd(it) => flushed(it.as_mut(), &bytes, |it| it.get_mut()),
            Self::Ended => Vec::new(),
        }
    }

    fn end(&mut self) -> Vec<u8> {
        match std::mem::replace(self, Self::Ended) {
            Self::Identity | Self::Ended => Vec::new(),
            Self::Gzip(it) => it.finish().unwrap_or_default(),
            Self::Brotli(it) => it.into_inner(),
            Self::Zstd(it) => it.finish().unwrap_or_default(),
        }
    }
}

/// Writes to an encoder over memory, where writing cannot fail, and takes what came out.
fn flushed<W: Write>(
    encoder: &mut W,
    bytes: &[u8],
    output: impl FnOnce(&mut W) -> &mut Vec<u8>,
) -> Vec<u8> {
    if let Err(error) = encoder.write_all(bytes).and_then(|()| encoder.flush()) {
        tracing::warn!(%error, "encoder failed");
    }
    std::mem::take(output(encoder))
}

fn encode_whole(bytes: Vec<u8>, compression: Option<Compression>) -> Vec<u8> {
    let mut encoder = Encoder::new(compression);
    let mut out = encoder.piece(bytes);
    out.extend(encoder.end());
    out
}
