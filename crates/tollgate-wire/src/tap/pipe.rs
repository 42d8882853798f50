//! Inflates a compressed body on the side.

use std::io::Write;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::{End, Gap, INFLATED_BYTES_MAX, body::Body};

/// The largest zstd window accepted, as RFC 9659 sets it for HTTP: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The brotli decoder's own buffer.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// A body behind its content coding.
pub(super) enum Pipe {
    Plain(Sink),
    /// Not read: the coding is unknown.
    Shut(Sink),
    Gzip(MultiGzDecoder<Sink>),
    /// `deflate` before its first byte, which tells whether a zlib header is there.
    Deflate(Sink),
    Zlib(ZlibDecoder<Sink>),
    RawDeflate(DeflateDecoder<Sink>),
    Brotli(Box<brotli::DecompressorWriter<Sink>>),
    Zstd(zstd::stream::write::Decoder<'static, Sink>),
}

impl Pipe {
    pub(super) fn new(encoding: Option<&str>, body: Body) -> Self {
        let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
        let mut sink = Sink { body, fed: false, inflated: 0 };
        if !sink.body.wants_bytes() {
            return Self::Shut(sink);
        }
        match encoding.as_str() {
            "" | "identity" => Self::Plain(sink),
            "gzip" | "x-gzip" => Self::Gzip(MultiGzDecoder::new(sink)),
            "deflate" => Self::Deflate(sink),
            "br" => {
                Self::Brotli(Box::new(brotli::DecompressorWriter::new(sink, BROTLI_BUFFER_BYTES)))
            }
            "zstd" => match zstd::stream::raw::Decoder::new() {
                Ok(mut raw) => {
                    // Every window that this refuses is one that RFC 9659 forbids.
                    let window = zstd::zstd_safe::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX);
                    if raw.set_parameter(window).is_err() {
                        sink.body.give_up(Gap::UnknownEncoding);
                    }
                    Self::Zstd(zstd::stream::write::Decoder::with_decoder(sink, raw))
                }
                Err(_) => Self::shut(sink),
            },
            _ => Self::shut(sink),
        }
    }

    fn shut(mut sink: Sink) -> Self {
        sink.body.give_up(Gap::UnknownEncoding);
        Self::Shut(sink)
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        self.open_deflate(piece);
        let compressed = !matches!(self, Self::Plain(_) | Self::Shut(_));
        self.sink_mut().fed = compressed;
        let failed = match self {
            Self::Plain(sink) => {
                sink.body.push(piece);
                return;
            }
            Self::Shut(_) | Self::Deflate(_) => return,
            _ if !self.body().wants_bytes() => return,
            Self::Gzip(it) => it.write_all(piece).and_then(|()| it.flush()),
            Self::Zlib(it) => it.write_all(piece).and_then(|()| it.flush()),
            Self::RawDeflate(it) => it.write_all(piece).and_then(|()| it.flush()),
            Self::Brotli(it) => it.write_all(piece).and_then(|()| it.flush()),
            Self::Zstd(it) => it.write_all(piece).and_then(|()| it.flush()),
        }
        .is_err();
        if failed {
            // The first gap stays: the sink may have stopped on its own account.
            self.body_mut().give_up(Gap::BrokenEncoding);
        }
    }

    /// RFC 9110 means zlib by `deflate`; some servers send it bare. A zlib header's low four bits
    /// are 8, which a bare stream does not begin with in practice.
    fn open_deflate(&mut self, piece: &[u8]) {
        if let Self::Deflate(sink) = self {
            let sink = std::mem::take(sink);
            *self = if piece.first().is_some_and(|it| it & 0x0f == 8) {
                Self::Zlib(ZlibDecoder::new(sink))
            } else {
                Self::RawDeflate(DeflateDecoder::new(sink))
            };
        }
    }

    /// Writes out what the decoder still holds. A body that is cut off is no error here, but one of
    /// which nothing could be inflated is.
    pub(super) fn finish(&mut self, end: End) {
        if !self.body().wants_bytes() {
            return;
        }
        self.flush();
        let sink = self.sink();
        if end == End::Complete && sink.fed && sink.inflated == 0 {
            self.body_mut().give_up(Gap::BrokenEncoding);
        }
    }

    fn flush(&mut self) {
        match self {
            Self::Plain(_) | Self::Shut(_) | Self::Deflate(_) => {}
            Self::Gzip(it) => drop(it.flush()),
            Self::Zlib(it) => drop(it.flush()),
            Self::RawDeflate(it) => drop(it.flush()),
            Self::Brotli(it) => drop(it.flush()),
            Self::Zstd(it) => drop(it.flush()),
        }
    }

    pub(super) fn body(&self) -> &Body {
        &self.sink().body
    }

    pub(super) fn body_mut(&mut self) -> &mut Body {
        &mut self.sink_mut().body
    }

    fn sink(&self) -> &Sink {
        match self {
            Self::Plain(it) | Self::Shut(it) | Self::Deflate(it) => it,
            Self::Gzip(it) => it.get_ref(),
            Self::Zlib(it) => it.get_ref(),
            Self::RawDeflate(it) => it.get_ref(),
            Self::Brotli(it) => it.get_ref(),
            Self::Zstd(it) => it.get_ref(),
        }
    }

    fn sink_mut(&mut self) -> &mut Sink {
        match self {
            Self::Plain(it) | Self::Shut(it) | Self::Deflate(it) => it,
            Self::Gzip(it) => it.get_mut(),
            Self::Zlib(it) => it.get_mut(),
            Self::RawDeflate(it) => it.get_mut(),
            Self::Brotli(it) => it.get_mut(),
            Self::Zstd(it) => it.get_mut(),
        }
    }
}

/// Takes what a decoder writes, up to [`INFLATED_BYTES_MAX`].
#[derive(Default)]
pub(super) struct Sink {
    body: Body,
    /// Whether compressed bytes came.
    fed: bool,
    inflated: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.inflated = self.inflated.saturating_add(bytes.len());
        if self.inflated > INFLATED_BYTES_MAX {
            self.body.give_up(Gap::InflatedTooLong);
            return Err(std::io::Error::other("inflated body is too long"));
        }
        self.body.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
