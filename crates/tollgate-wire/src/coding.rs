//! Content codings undone for people who look at a stored body.

use std::io::Read;

/// Undoes the `Content-Encoding` of a stored body, which may be cut off: what can be read of it is
/// returned, at most `bytes_max` bytes. `None` when the coding is not known.
#[must_use]
pub fn decode(body: &[u8], encoding: Option<&str>, bytes_max: usize) -> Option<Vec<u8>> {
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    Some(match encoding.as_str() {
        "" | "identity" => body.get(..bytes_max).unwrap_or(body).to_vec(),
        "gzip" | "x-gzip" => read(flate2::read::MultiGzDecoder::new(body), bytes_max),
        // RFC 9110 means zlib by `deflate`; some servers send it bare.
        "deflate" if body.first().is_some_and(|it| it & 0x0f == 8) => {
            read(flate2::read::ZlibDecoder::new(body), bytes_max)
        }
        "deflate" => read(flate2::read::DeflateDecoder::new(body), bytes_max),
        "br" => read(brotli::Decompressor::new(body, 4096), bytes_max),
        "zstd" => read(zstd::stream::read::Decoder::new(body).ok()?, bytes_max),
        _ => return None,
    })
}

fn read(from: impl Read, bytes_max: usize) -> Vec<u8> {
    let mut decoded = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    // An error is the place where the body was cut off: what came before it is kept.
    let _ = from.take(limit).read_to_end(&mut decoded);
    decoded
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn reads_every_coding_also_when_cut_off_or_too_long() {
        let text = "one two three ".repeat(4000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text.as_bytes()).unwrap();
        let zlib = zlib.finish().unwrap();
        let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
        let mut br = Vec::new();
        brotli::CompressorWriter::new(&mut br, 4096, 1, 20).write_all(text.as_bytes()).unwrap();
        let bodies = [("gzip", gzip), ("deflate", zlib), ("zstd", zstd), ("br", br)];
        for (encoding, body) in &bodies {
            let whole = decode(body, Some(encoding), usize::MAX).unwrap();
            assert_eq!(whole, text.as_bytes(), "{encoding}");
            assert_eq!(decode(body, Some(encoding), 100).unwrap(), &text.as_bytes()[..100]);
            let part = decode(&body[..body.len() / 2], Some(encoding), usize::MAX).unwrap();
            assert!(text.as_bytes().starts_with(&part), "{encoding}");
        }
        assert_eq!(decode(b"plain", None, 3).unwrap(), b"pla");
        assert_eq!(decode(b"plain", Some("compress"), 3), None);
    }
}
