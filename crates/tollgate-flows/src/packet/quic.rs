//! QUIC's long header (RFC 9000, section 17.2), which is not encrypted. What is inside an Initial
//! packet is not read.

use super::layer::{Fields, Layer};

pub(super) const PORT: u16 = 443;

const VERSION_1: u32 = 1;
const VERSION_2: u32 = 0x6b33_43cf;

struct Long {
    kind: &'static str,
    version: u32,
}

/// A long header of a version whose packet types are known here.
fn read(payload: &[u8]) -> Option<Long> {
    let [first, a, b, c, d, ..] = *payload else { return None };
    if first & 0xc0 != 0xc0 {
        return None;
    }
    let version = u32::from_be_bytes([a, b, c, d]);
    let kinds = match version {
        VERSION_1 => ["Initial", "0-RTT", "Handshake", "Retry"],
        VERSION_2 => ["Retry", "Initial", "0-RTT", "Handshake"],
        _ => return None,
    };
    let kind = kinds.get(usize::from(first >> 4 & 0b11)).copied()?;
    Some(Long { kind, version })
}

pub(super) fn in_one_line(payload: &[u8], on_wire: usize) -> Option<String> {
    read(payload).map(|it| format!("{} (version {:#x}), {on_wire} bytes", it.kind, it.version))
}

pub(super) fn layer(payload: &[u8], at: usize) -> Option<Layer> {
    let header = read(payload)?;
    let mut fields = Fields::default();
    fields.at("Packet type", header.kind, at..at + 1);
    fields.at("Version", format!("{:#x}", header.version), at + 1..at + 5);
    Some(fields.into_layer("QUIC", format!("{} (version {:#x})", header.kind, header.version)))
}
