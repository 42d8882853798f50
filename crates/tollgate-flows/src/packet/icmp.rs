//! ICMP (RFC 792, RFC 4443): type and code by name, and the packet that an error is about.

use super::{
    FiveTuple, Protocol, Transport, ip,
    layer::{Fields, Layer},
    split, transport_layer,
};

pub(super) const NUMBER_V4: u8 = 1;
pub(super) const NUMBER_V6: u8 = 58;
pub(super) const HEADER_LEN: usize = 8;

fn type_name(protocol: Protocol, kind: u8) -> Option<&'static str> {
    let names: &[(u8, &str)] = if protocol == Protocol::Icmpv6 {
        &[
            (1, "destination unreachable"),
            (2, "packet too big"),
            (3, "time exceeded"),
            (4, "parameter problem"),
            (128, "echo request"),
            (129, "echo reply"),
            (133, "router solicitation"),
            (134, "router advertisement"),
            (135, "neighbour solicitation"),
            (136, "neighbour advertisement"),
        ]
    } else {
        &[
            (0, "echo reply"),
            (3, "destination unreachable"),
            (5, "redirect"),
            (8, "echo request"),
            (11, "time exceeded"),
            (12, "parameter problem"),
        ]
    };
    names.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

/// What a code says of its type.
const fn code_name(protocol: Protocol, kind: u8, code: u8) -> Option<&'static str> {
    let is_v6 = matches!(protocol, Protocol::Icmpv6);
    Some(match (is_v6, kind, code) {
        (false, 3, 0) => "network",
        (false, 3, 1) => "host",
        (false, 3, 2) => "protocol",
        (false, 3, 3) | (true, 1, 4) => "port",
        (false, 3, 4) => "fragmentation needed",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "prohibited by a filter",
        (true, 1, 0) => "no route",
        (true, 1, 3) => "address",
        (true, 1, 5 | 6) => "refused",
        (false, 11, 0) | (true, 3, 0) => "on the way",
        (false, 11, 1) | (true, 3, 1) => "while fragments were put together",
        _ => return None,
    })
}

/// An ICMP message, as far as it is there.
struct Message<'a> {
    protocol: Protocol,
    kind: u8,
    code: u8,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    fn read(protocol: Protocol, bytes: &'a [u8]) -> Option<Self> {
        let [kind, code, ..] = *bytes else { return None };
        Some(Self { protocol, kind, code, bytes })
    }

    fn word(&self, at: usize) -> Option<u16> {
        self.bytes.get(at..at + 2)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    /// The identifier and the number of an echo.
    fn echo(&self) -> Option<(u16, u16)> {
        let is_echo = if self.protocol == Protocol::Icmpv6 {
            matches!(self.kind, 128 | 129)
        } else {
            matches!(self.kind, 0 | 8)
        };
        is_echo.then(|| Some((self.word(4)?, self.word(6)?)))?
    }

    /// The biggest packet that goes through.
    fn mtu(&self) -> Option<u32> {
        match (self.protocol, self.kind, self.code) {
            (Protocol::Icmpv6, 2, _) => {
                self.bytes.get(4..8)?.first_chunk().copied().map(u32::from_be_bytes)
            }
            (Protocol::Icmp, 3, 4) => self.word(6).filter(|it| *it > 0).map(u32::from),
            _ => None,
        }
    }

    /// The beginning of the packet that an error is about.
    fn quoted(&self) -> Option<&'a [u8]> {
        let is_error = if self.protocol == Protocol::Icmpv6 {
            matches!(self.kind, 1..=4)
        } else {
            matches!(self.kind, 3 | 5 | 11 | 12)
        };
        is_error.then(|| self.bytes.get(HEADER_LEN..))?
    }

    fn in_one_line(&self) -> String {
        let Self { protocol, kind, code, .. } = *self;
        let mut info = match (type_name(protocol, kind), code_name(protocol, kind, code)) {
            (Some(name), Some(why)) => format!("{name} ({why})"),
            (Some(name), None) => format!("{name} (code {code})"),
            (None, _) => format!("type {kind} code {code}"),
        };
        if let Some((id, number)) = self.echo() {
            info = format!("{info} id {id} seq {number}");
        }
        if let Some(mtu) = self.mtu() {
            info = format!("{info}, MTU {mtu}");
        }
        if let Some(about) = self.quoted().and_then(quoted_in_words) {
            info = format!("{info}, about {about}");
        }
        info
    }
}

/// The length that a quoted packet gives for itself: only its beginning is there.
fn length(quoted: &[u8]) -> u32 {
    let word = |at: usize| quoted.get(at..at + 2).and_then(|it| it.first_chunk().copied());
    let is_v6 = quoted.first().is_some_and(|it| it >> 4 == 6);
    let says = if is_v6 { word(4) } else { word(2) }.map_or(0, u16::from_be_bytes);
    u32::from(says) + if is_v6 { 40 } else { 0 }
}

fn quoted_in_words(quoted: &[u8]) -> Option<String> {
    let split = split(quoted, length(quoted)).ok()?;
    let FiveTuple { number, src, src_port, dst, dst_port } = split.tuple;
    let name = ip::protocol_name(number);
    Some(match split.transport {
        Transport::Tcp(_) | Transport::TcpCut | Transport::Udp => {
            format!("{name} {src} port {src_port} → {dst} port {dst_port}")
        }
        Transport::Icmp | Transport::Icmpv6 | Transport::Other => format!("{name} {src} → {dst}"),
    })
}

pub(super) fn in_one_line(protocol: Protocol, bytes: &[u8]) -> String {
    Message::read(protocol, bytes)
        .map_or_else(|| "header cut off".to_owned(), |it| it.in_one_line())
}

/// The message, and the headers of the packet that it is about.
pub(super) fn layers(protocol: Protocol, bytes: &[u8], at: usize) -> Vec<Layer> {
    let name = if protocol == Protocol::Icmpv6 { "ICMPv6" } else { "ICMP" };
    let mut fields = Fields::default();
    let Some(message) = Message::read(protocol, bytes) else {
        return vec![fields.into_layer(name, in_one_line(protocol, bytes))];
    };
    let Message { kind, code, .. } = message;
    let kind_name = type_name(protocol, kind).unwrap_or("unnamed here");
    fields.at("Type", format!("{kind} ({kind_name})"), at..at + 1);
    let why = code_name(protocol, kind, code).map_or_else(String::new, |it| format!(" ({it})"));
    fields.at("Code", format!("{code}{why}"), at + 1..at + 2);
    if let Some(checksum) = message.word(2) {
        fields.at("Checksum", format!("0x{checksum:04x}"), at + 2..at + 4);
    }
    if let Some((id, number)) = message.echo() {
        fields.at("Identifier", id.to_string(), at + 4..at + 6);
        fields.at("Sequence number", number.to_string(), at + 6..at + 8);
    }
    if let Some(mtu) = message.mtu() {
        fields.at("MTU", mtu.to_string(), at + 4..at + 8);
    }
    let mut layers = vec![fields.into_layer(name, message.in_one_line())];
    if let Some(quoted) = message.quoted() {
        layers.extend(quoted_layers(quoted, at + HEADER_LEN));
    }
    layers
}

fn quoted_layers(quoted: &[u8], at: usize) -> Vec<Layer> {
    let Ok(split) = split(quoted, length(quoted)) else { return Vec::new() };
    let mut layers = ip::layers(quoted, length(quoted));
    // The quote of a quote is not read.
    let is_icmp = matches!(split.transport, Transport::Icmp | Transport::Icmpv6);
    layers.extend((!is_icmp).then(|| transport_layer(&split, quoted)).into_iter().flatten());
    for layer in &mut layers {
        layer.summary = format!("quoted: {}", layer.summary);
        for range in layer.fields.iter_mut().filter_map(|it| it.range.as_mut()) {
            *range = at + range.start..at + range.end;
        }
    }
    layers
}
