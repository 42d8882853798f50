//! Events as frames of Amazon's binary event stream (Smithy's documentation, "Amazon Event Stream
//! Specification"): two lengths and their checksum, headers, payload, and a checksum of it all.

use crate::{api::sse::Event, delivery::Piece};

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// The type of a header's value that is text.
const TEXT: u8 = 7;

/// Both lengths, their checksum, and the checksum at the end.
const AROUND_BYTES: usize = 16;

/// Writes each event as a frame; one whose name ends in `Exception` as such.
pub(crate) fn pieces(events: Vec<Event>) -> Vec<Piece> {
    let write = |event: Event| {
        let bytes = frame(event.name.unwrap_or_default(), event.data.as_bytes());
        Piece { bytes, generated: event.generated, usage: event.usage }
    };
    events.into_iter().map(write).collect()
}

fn frame(name: &str, payload: &[u8]) -> Vec<u8> {
    let (kind, named) = match name.ends_with("Exception") {
        true => ("exception", ":exception-type"),
        false => ("event", ":event-type"),
    };
    let mut headers = Vec::new();
    for (name, value) in
        [(named, name), (":content-type", "application/json"), (":message-type", kind)]
    {
        headers.extend(u8::try_from(name.len()));
        headers.extend_from_slice(name.as_bytes());
        headers.push(TEXT);
        headers.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = Vec::with_capacity(headers.len() + payload.len() + AROUND_BYTES);
    frame.extend(length(headers.len() + payload.len() + AROUND_BYTES));
    frame.extend(length(headers.len()));
    frame.extend(checksum(&frame));
    frame.extend(headers);
    frame.extend_from_slice(payload);
    frame.extend(checksum(&frame));
    frame
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example of an empty message, and one with a payload.
    #[test]
    fn checksums_are_those_of_the_specification() {
        assert_eq!(checksum(&[0, 0, 0, 0x10, 0, 0, 0, 0]), [0x05, 0xc2, 0x48, 0xeb]);
        assert_eq!(checksum(&[0, 0, 0, 0x1d, 0, 0, 0, 0]), [0xfd, 0x52, 0x8c, 0x5a]);
    }
}
