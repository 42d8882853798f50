//! QUIC's long headers (RFC 9000, section 17.2) and what Initial packets carry.
//!
//! An Initial packet is encrypted with keys that everybody can work out from the first connection id
//! that the client chose (RFC 9001, section 5.2): its TLS hello is as readable as on TCP. Nothing
//! else of QUIC is.

use std::fmt::Write as _;

use rustls::{
    Side,
    crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
    quic::{DirectionalKeys, Version},
};

use super::{
    ja4,
    layer::{Fields, Layer},
    tls::{ClientHello, Cursor},
};
use crate::reassembly::{Assembler, Limits};

pub(super) const PORT: u16 = 443;

/// Packets read of one datagram.
pub const PACKETS_MAX: usize = 8;
/// Frames read of one packet: a client that scrambles its hello makes some dozen.
pub const FRAMES_MAX: usize = 256;
/// Bytes of a connection id (RFC 9000, section 17.2).
const ID_BYTES_MAX: usize = 20;
/// Of the hello that a datagram holds alone.
const HELLO: Limits = Limits { bytes_max: 1 << 14, pieces_max: FRAMES_MAX };

const VERSION_1: u32 = 1;
const VERSION_2: u32 = 0x6b33_43cf;
const INITIAL: &str = "Initial";
const RETRY: &str = "Retry";

/// A packet with a long header of a version whose types are known here.
struct Long<'a> {
    kind: &'static str,
    version: u32,
    /// The receiver's connection id.
    to: &'a [u8],
    /// The sender's.
    from: &'a [u8],
    /// From the first byte on, without what follows in the datagram.
    bytes: &'a [u8],
    /// Where the protected packet number begins in `bytes`.
    number_at: usize,
    is_whole: bool,
}

/// A number in one, two, four or eight bytes (RFC 9000, section 16).
fn varint(cursor: &mut Cursor<'_>) -> Option<u64> {
    let first = *cursor.0.first()?;
    let taken = cursor.take(1 << (first >> 6))?;
    let first = u64::from(first & 0x3f);
    Some(taken.iter().skip(1).fold(first, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn length(cursor: &mut Cursor<'_>) -> Option<usize> {
    usize::try_from(varint(cursor)?).ok()
}

impl<'a> Long<'a> {
    fn read(payload: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor(payload);
        let first = cursor.number(1)?;
        if first & 0xc0 != 0xc0 {
            return None;
        }
        let version = u32::try_from(cursor.number(4)?).ok()?;
        let kinds = match version {
            VERSION_1 => [INITIAL, "0-RTT", "Handshake", RETRY],
            VERSION_2 => [RETRY, INITIAL, "0-RTT", "Handshake"],
            _ => return None,
        };
        let kind = kinds.get(first >> 4 & 0b11).copied()?;
        let head = Self {
            kind,
            version,
            to: &[],
            from: &[],
            bytes: payload,
            number_at: payload.len(),
            is_whole: false,
        };
        Some(head.body(cursor).unwrap_or(Self { ..head }))
    }

    /// The rest of the header and the packet's end; `None` where it breaks off.
    fn body(&self, mut cursor: Cursor<'a>) -> Option<Self> {
        let payload = self.bytes;
        let to = id(&mut cursor)?;
        let from = id(&mut cursor)?;
        let ids = Self { to, from, ..*self };
        if self.kind == RETRY {
            return Some(Self { is_whole: true, ..ids });
        }
        if self.kind == INITIAL {
            let token = length(&mut cursor)?;
            cursor.take(token)?;
        }
        let len = length(&mut cursor)?;
        let number_at = payload.len() - cursor.0.len();
        let bytes = payload.get(..number_at.checked_add(len)?);
        let is_whole = bytes.is_some();
        Some(Self { bytes: bytes.unwrap_or(payload), number_at, is_whole, ..ids })
    }

    /// What an Initial packet carries, in the clear; `None` when the keys are others.
    fn open(&self, keys: &DirectionalKeys) -> Option<Vec<u8>> {
        let mut packet = self.bytes.to_vec();
        let (head, body) = packet.split_at_mut_checked(self.number_at)?;
        let sample = body.get(4..4 + keys.header.sample_len())?.to_vec();
        let mut first = *head.first()?;
        keys.header.decrypt_in_place(&sample, &mut first, body.get_mut(..4)?).ok()?;
        *head.first_mut()? = first;
        let number_len = usize::from(first & 0b11) + 1;
        // What is authenticated is the header as it was before it was protected.
        let mut header = head.to_vec();
        let (number, sealed) = body.split_at_mut_checked(number_len)?;
        header.extend_from_slice(number);
        // The first packets of a connection: the bits that are not sent are zero.
        let number = number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        keys.packet.decrypt_in_place(number, &header, sealed).ok().map(<[u8]>::to_vec)
    }
}

fn id<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = cursor.number(1)?;
    (len <= ID_BYTES_MAX).then(|| cursor.take(len))?
}

/// The packets of a datagram that have long headers.
fn packets(payload: &[u8]) -> impl Iterator<Item = Long<'_>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        let packet = Long::read(rest)?;
        rest = rest.get(packet.bytes.len()..).unwrap_or_default();
        Some(packet)
    })
    .take(PACKETS_MAX)
}

/// Who sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// What the Initial packets of a datagram carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initial {
    /// The connection id that the keys follow from.
    pub(crate) key_id: Box<[u8]>,
    /// Parts of the TLS handshake with their places.
    pub(crate) parts: Vec<(u64, Box<[u8]>)>,
}

/// Opens the Initial packets of a datagram. `key_id` is the first connection id that the client
/// chose; without one it is the packet's own, as in a client's first datagram.
pub(crate) fn open(payload: &[u8], key_id: Option<&[u8]>, sender: Sender) -> Option<Initial> {
    let mut opened: Option<Initial> = None;
    for packet in packets(payload).filter(|it| it.kind == INITIAL && it.is_whole) {
        let key_id = key_id.unwrap_or(packet.to);
        let Some(clear) = keys(packet.version, key_id, sender).and_then(|it| packet.open(&it))
        else {
            continue;
        };
        let initial =
            opened.get_or_insert_with(|| Initial { key_id: key_id.into(), parts: Vec::new() });
        initial.read_frames(&clear);
    }
    opened
}

fn keys(version: u32, key_id: &[u8], sender: Sender) -> Option<DirectionalKeys> {
    let version = if version == VERSION_2 { Version::V2 } else { Version::V1 };
    let suite = TLS13_AES_128_GCM_SHA256.tls13()?.quic_suite()?;
    let both = suite.keys(key_id, Side::Client, version);
    Some(match sender {
        Sender::Client => both.local,
        Sender::Server => both.remote,
    })
}

impl Initial {
    /// RFC 9000, section 12.4: the few frames that an Initial packet may have.
    fn read_frames(&mut self, clear: &[u8]) {
        let mut cursor = Cursor(clear);
        for _ in 0..FRAMES_MAX {
            let padding = cursor.0.iter().position(|it| *it != 0).unwrap_or(cursor.0.len());
            let _ = cursor.take(padding);
            if self.read_frame(&mut cursor).is_none() {
                return;
            }
        }
    }

    fn read_frame(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        match varint(cursor)? {
            // PING
            1 => Some(()),
            // ACK, without and with counts of congestion
            kind @ (2 | 3) => {
                let _largest = varint(cursor)?;
                let _delay = varint(cursor)?;
                let ranges = varint(cursor)?;
                let counts = if kind == 3 { 3 } else { 0 };
                // The first range, then a gap and a range for each other one.
                for _ in 0..ranges.checked_mul(2)?.checked_add(1 + counts)? {
                    varint(cursor)?;
                }
                Some(())
            }
            // CRYPTO
            6 => {
                let at = varint(cursor)?;
                let len = length(cursor)?;
                if self.parts.len() < FRAMES_MAX {
                    self.parts.push((at, cursor.take(len)?.into()));
                }
                Some(())
            }
            _ => None,
        }
    }

    /// The handshake's bytes from its beginning, as far as this datagram has them.
    fn front(&self) -> Vec<u8> {
        let mut data = Assembler::new(HELLO);
        self.add_to(&mut data);
        data.run(0)
    }

    /// Puts its parts into a stream.
    pub(crate) fn add_to(&self, data: &mut Assembler) {
        for (at, bytes) in &self.parts {
            data.insert(*at, bytes, u64::try_from(bytes.len()).unwrap_or(u64::MAX), 0);
        }
    }
}

/// A datagram in one line; also what its Initial packets carry, if they are a client's and nothing
/// but the datagram is needed to open them.
pub(super) fn in_one_line(payload: &[u8], on_wire: usize) -> Option<(String, Option<Initial>)> {
    let mut info = String::new();
    let mut version = None;
    for packet in packets(payload) {
        let plus = if info.is_empty() { "" } else { " + " };
        let _ = write!(info, "{plus}{}", packet.kind);
        version = Some(packet.version);
    }
    let initial = open(payload, None, Sender::Client);
    if let Some(hello) = initial.as_ref().and_then(|it| ClientHello::read(&it.front())) {
        let _ = write!(info, ", {}", hello.in_one_line());
    }
    let _ = write!(info, " (version {:#x}), {on_wire} bytes", version?);
    Some((info, initial))
}

pub(super) fn layers(payload: &[u8], at: usize) -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut from = at;
    for packet in packets(payload) {
        layers.push(header_layer(&packet, from));
        from += packet.bytes.len();
    }
    if let Some(initial) = open(payload, None, Sender::Client) {
        layers.extend(hello_layer(&initial));
    }
    layers
}

fn header_layer(packet: &Long<'_>, at: usize) -> Layer {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, it| format!("{text}{it:02x}"));
    let mut fields = Fields::default();
    fields.at("Packet type", packet.kind, at..at + 1);
    fields.at("Version", format!("{:#x}", packet.version), at + 1..at + 5);
    let to_end = at + 6 + packet.to.len();
    fields.at("Receiver's connection id", hex(packet.to), at + 6..to_end);
    fields.at(
        "Sender's connection id",
        hex(packet.from),
        to_end + 1..to_end + 1 + packet.from.len(),
    );
    fields.at("Length", format!("{} bytes", packet.bytes.len()), at..at + packet.bytes.len());
    if !packet.is_whole {
        fields.derived("Truncated", "the packet goes on in bytes that were not copied");
    }
    fields.into_layer("QUIC", format!("{} (version {:#x})", packet.kind, packet.version))
}

/// The TLS handshake in a client's Initial packets.
fn hello_layer(initial: &Initial) -> Option<Layer> {
    let mut fields = Fields::default();
    for (at, bytes) in &initial.parts {
        fields.derived("CRYPTO frame", format!("{} bytes at {at}", bytes.len()));
    }
    let hello = ClientHello::read(&initial.front());
    let summary = match &hello {
        Some(hello) => {
            hello.note_fields(ja4::Over::Quic, &mut fields);
            hello.in_one_line()
        }
        None if initial.parts.is_empty() => return None,
        None => "a part of a handshake".to_owned(),
    };
    Some(fields.into_layer("TLS", summary))
}

#[cfg(test)]
mod tests;
