//! UDP headers (RFC 768).

use super::{
    Split,
    layer::{Fields, Layer},
};

pub(super) const NUMBER: u8 = 17;
pub(super) const HEADER_LEN: usize = 8;

pub(super) fn layer(header: &[u8], at: usize, split: &Split) -> Layer {
    let tuple = &split.tuple;
    let mut fields = Fields::default();
    let word = |from: usize| {
        let pair = header.get(from..from + 2)?;
        <[u8; 2]>::try_from(pair).ok().map(u16::from_be_bytes)
    };
    if let (Some(length), Some(checksum)) = (word(4), word(6)) {
        fields.at("Source port", tuple.src_port.to_string(), at..at + 2);
        fields.at("Destination port", tuple.dst_port.to_string(), at + 2..at + 4);
        fields.at("Length", length.to_string(), at + 4..at + 6);
        fields.at("Checksum", format!("0x{checksum:04x}"), at + 6..at + 8);
    }
    let cut = if header.len() < HEADER_LEN { ", header cut off (truncated)" } else { "" };
    let summary = format!("{} → {} len {}{cut}", tuple.src_port, tuple.dst_port, split.payload_len);
    fields.into_layer("UDP", summary)
}
