//! TCP headers and options (RFC 9293, RFC 7323, RFC 2018; RFC 5482, RFC 7413, RFC 8684 by name).

use std::{fmt::Write as _, ops::Range};

use etherparse::{TcpOptionElement, TcpOptionReadError, TcpOptionsIterator, TcpSlice};
use serde::{Deserialize, Serialize};

use super::{
    FiveTuple, Split,
    layer::{Fields, Layer},
};

pub(super) const NUMBER: u8 = 6;
/// The option that ends the list of them.
const END: u8 = 0;

/// The flag bits of a TCP header, as they stand in its 14th byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Open a connection.
    pub const SYN: Self = Self(0x02);
    /// Tear the connection down.
    pub const RST: Self = Self(0x04);
    /// Hand the data over now.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// Congestion was seen.
    pub const ECE: Self = Self(0x40);
    /// The congestion window was reduced.
    pub const CWR: Self = Self(0x80);

    const NAMES: [(Self, &'static str); 8] = [
        (Self::SYN, "SYN"),
        (Self::FIN, "FIN"),
        (Self::RST, "RST"),
        (Self::PSH, "PSH"),
        (Self::ACK, "ACK"),
        (Self::URG, "URG"),
        (Self::ECE, "ECE"),
        (Self::CWR, "CWR"),
    ];

    /// Whether every bit of `flags` is set.
    #[must_use]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether this is a request to open a connection (SYN without ACK).
    #[must_use]
    pub const fn opens(self) -> bool {
        self.has(Self::SYN) && !self.has(Self::ACK)
    }

    fn write_to(self, text: &mut String) {
        let mut space = "";
        for (flag, name) in Self::NAMES {
            if self.has(flag) {
                text.push_str(space);
                text.push_str(name);
                space = " ";
            }
        }
    }
}

/// What a TCP header says. Options that are not there are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpFacts {
    /// The sequence number, as sent.
    pub seq: u32,
    /// The acknowledgement number, as sent; meaningless without the ACK flag.
    pub ack: u32,
    /// The flags.
    pub flags: TcpFlags,
    /// The window, unscaled.
    pub window: u16,
    /// The biggest segment that the sender takes.
    pub mss: Option<u16>,
    /// The power of two that its later windows are multiplied by.
    pub window_scale: Option<u8>,
    /// Whether it takes selective acknowledgements.
    pub sack_permitted: bool,
    /// Ranges that it has received out of order.
    pub sack_blocks: u8,
    /// Its clock and the last one it saw from the other side.
    pub timestamps: Option<(u32, u32)>,
}

/// The two ports, 0 where they are cut off.
pub(super) fn ports(segment: &[u8]) -> (u16, u16) {
    match *segment {
        [a, b, c, d, ..] => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
        [a, b, ..] => (u16::from_be_bytes([a, b]), 0),
        _ => (0, 0),
    }
}

impl TcpFacts {
    /// Reads a header; also tells its length. `None` when it is not whole.
    pub(super) fn read(segment: &[u8]) -> Option<(Self, usize)> {
        let tcp = TcpSlice::from_slice(segment).ok()?;
        let mut facts = Self {
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            flags: TcpFlags(segment.get(13).copied().unwrap_or_default()),
            window: tcp.window_size(),
            ..Self::default()
        };
        for (_, option) in options(tcp.options()) {
            let Opt::Known(known) = option else { continue };
            match known {
                TcpOptionElement::Noop => {}
                TcpOptionElement::MaximumSegmentSize(it) => facts.mss = Some(it),
                TcpOptionElement::WindowScale(it) => facts.window_scale = Some(it),
                TcpOptionElement::SelectiveAcknowledgementPermitted => facts.sack_permitted = true,
                TcpOptionElement::SelectiveAcknowledgement(_, more) => {
                    facts.sack_blocks = more.iter().flatten().fold(1, |sum, _| sum + 1);
                }
                TcpOptionElement::Timestamp(own, echo) => facts.timestamps = Some((own, echo)),
            }
        }
        Some((facts, tcp.header_slice().len()))
    }

    pub(super) fn in_one_line(&self, tuple: &FiveTuple, payload_len: usize) -> String {
        let mut info = String::with_capacity(80);
        let Self { seq, ack, window, .. } = self;
        // Writing to a string cannot fail.
        let _ = write!(info, "{} → {} [", tuple.src_port, tuple.dst_port);
        self.flags.write_to(&mut info);
        let _ = write!(info, "] seq {seq}");
        if self.flags.has(TcpFlags::ACK) {
            let _ = write!(info, " ack {ack}");
        }
        let _ = write!(info, " win {window} len {payload_len}");
        if let Some(mss) = self.mss {
            let _ = write!(info, " mss {mss}");
        }
        if self.sack_blocks > 0 {
            let _ = write!(info, " sack {}", self.sack_blocks);
        }
        info
    }
}

pub(super) fn layer(header: &[u8], at: usize, facts: &TcpFacts, split: &Split) -> Layer {
    let tuple = &split.tuple;
    let mut fields = Fields::default();
    fields.at("Source port", tuple.src_port.to_string(), at..at + 2);
    fields.at("Destination port", tuple.dst_port.to_string(), at + 2..at + 4);
    fields.at("Sequence number", facts.seq.to_string(), at + 4..at + 8);
    fields.at("Acknowledgement number", facts.ack.to_string(), at + 8..at + 12);
    let len = split.payload.start - at;
    fields.at("Header length", format!("{len} bytes"), at + 12..at + 13);
    let mut flags = String::new();
    facts.flags.write_to(&mut flags);
    fields.at("Flags", format!("0x{:02x} ({flags})", facts.flags.0), at + 13..at + 14);
    fields.at("Window", facts.window.to_string(), at + 14..at + 16);
    let checksum = header
        .get(16..18)
        .map_or(0, |it| it.iter().fold(0_u16, |sum, byte| sum << 8 | u16::from(*byte)));
    fields.at("Checksum", format!("0x{checksum:04x}"), at + 16..at + 18);
    option_fields(header.get(20..len).unwrap_or_default(), at + 20, &mut fields);
    fields.derived("Payload length", format!("{} bytes", split.payload_len));
    fields.into_layer("TCP", facts.in_one_line(tuple, split.payload_len))
}

/// An option of a TCP header.
enum Opt<'a> {
    Known(TcpOptionElement),
    /// Another one, by its number and with what it holds.
    Other(u8, &'a [u8]),
    Broken(String),
}

/// The options with their places. Not by `etherparse`'s iterator alone: it ends at the first one
/// that it does not know, and others follow.
fn options(all: &[u8]) -> impl Iterator<Item = (Range<usize>, Opt<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = all.get(at..).filter(|it| it.first().is_some_and(|kind| *kind != END))?;
        let mut one = TcpOptionsIterator::from_slice(rest);
        let (len, option) = match (one.next()?, rest) {
            (Ok(known), _) => (rest.len() - one.rest().len(), Opt::Known(known)),
            (Err(TcpOptionReadError::UnknownId(kind)), [_, len, ..])
                if (2..=rest.len()).contains(&usize::from(*len)) =>
            {
                let len = usize::from(*len);
                (len, Opt::Other(kind, rest.get(2..len).unwrap_or_default()))
            }
            (Err(error), _) => (rest.len(), Opt::Broken(error.to_string())),
        };
        let from = at;
        at += len;
        Some((from..at, option))
    })
}

/// What an option without a reader of its own is, and what it says.
fn other_option(kind: u8, body: &[u8]) -> (&'static str, String) {
    let len = body.len();
    match (kind, body) {
        (28, [a, b]) => {
            let word = u16::from_be_bytes([*a, *b]);
            let unit = if word & 0x8000 == 0 { "s" } else { "min" };
            ("Option: user timeout", format!("{} {unit}", word & 0x7fff))
        }
        (30, [first, ..]) => {
            const SUBTYPES: [&str; 10] = [
                "capable",
                "join",
                "data sequence",
                "add address",
                "remove address",
                "priority",
                "fail",
                "fast close",
                "reset",
                "experiment",
            ];
            let name = SUBTYPES.get(usize::from(first >> 4)).copied().unwrap_or("unnamed here");
            ("Option: multipath TCP", format!("{name}, {len} bytes"))
        }
        (34, []) => ("Option: fast open", "asks for a cookie".to_owned()),
        (34, _) => ("Option: fast open", format!("cookie of {len} bytes")),
        (19, _) => ("Option: MD5 signature", format!("{len} bytes")),
        (29, _) => ("Option: authentication (TCP-AO)", format!("{len} bytes")),
        (253 | 254, _) => ("Option: experimental", format!("{len} bytes")),
        _ => ("Option", format!("kind {kind}, {len} bytes")),
    }
}

fn option_fields(all: &[u8], at: usize, fields: &mut Fields) {
    for (range, option) in options(all) {
        let range = at + range.start..at + range.end;
        match option {
            Opt::Known(TcpOptionElement::Noop) => {}
            Opt::Known(TcpOptionElement::MaximumSegmentSize(it)) => {
                fields.at("Option: maximum segment size", it.to_string(), range);
            }
            Opt::Known(TcpOptionElement::WindowScale(it)) => {
                fields.at("Option: window scale", format!("2^{it}"), range);
            }
            Opt::Known(TcpOptionElement::SelectiveAcknowledgementPermitted) => {
                fields.at("Option: SACK permitted", "yes", range);
            }
            Opt::Known(TcpOptionElement::SelectiveAcknowledgement(first, more)) => {
                let mut text = format!("{}–{}", first.0, first.1);
                for (left, right) in more.into_iter().flatten() {
                    let _ = write!(text, ", {left}–{right}");
                }
                fields.at("Option: SACK", text, range);
            }
            Opt::Known(TcpOptionElement::Timestamp(own, echo)) => {
                fields.at("Option: timestamps", format!("own {own}, echo {echo}"), range);
            }
            Opt::Other(kind, body) => {
                let (name, says) = other_option(kind, body);
                fields.at(name, says, range);
            }
            Opt::Broken(error) => fields.at("Option: not understood", error, range),
        }
    }
}

/// The layer of a header that is cut off or broken.
pub(super) fn cut_layer(header: &[u8], at: usize, split: &Split) -> Layer {
    let mut fields = Fields::default();
    if header.len() >= 4 {
        fields.at("Source port", split.tuple.src_port.to_string(), at..at + 2);
        fields.at("Destination port", split.tuple.dst_port.to_string(), at + 2..at + 4);
    }
    fields.into_layer("TCP", "header cut off or broken (truncated)".to_owned())
}
