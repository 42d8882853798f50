//! IPv4 and IPv6 with their extension headers.

use std::{net::IpAddr, ops::Range};

use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice,
    LaxIpSlice, LaxIpv6Slice,
};

use super::{
    NotIp,
    layer::{Fields, Layer},
};

const IPV6_HEADER_LEN: usize = 40;

/// Where the payload of an IP packet is.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) number: u8,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// The payload in the captured bytes.
    pub(super) body: Range<usize>,
    /// Its length on the wire.
    pub(super) body_len: usize,
    /// Whether it is a part of a bigger packet.
    pub(super) fragment: bool,
    /// Whether it is not the first part, so that no transport header is in it.
    pub(super) fragment_tail: bool,
}

/// The name of an IP protocol number.
pub(super) fn protocol_name(number: u8) -> String {
    IpNumber(number)
        .keyword_str()
        .map_or_else(|| format!("IP protocol {number}"), |name| name.trim().to_owned())
}

pub(super) fn locate(bytes: &[u8], total_len: u32) -> Result<Located, NotIp> {
    let (ip, _) = LaxIpSlice::from_slice(bytes).map_err(|_| NotIp)?;
    let (header_len, says, fragment, fragment_tail) = match &ip {
        LaxIpSlice::Ipv4(it) => {
            let header = it.header();
            let auth = it.extensions().auth.map_or(0, |auth| auth.slice().len());
            let tail = header.fragments_offset().value() != 0;
            let len = header.slice().len() + auth;
            (len, usize::from(header.total_len()), it.is_payload_fragmented(), tail)
        }
        LaxIpSlice::Ipv6(it) => {
            let len = IPV6_HEADER_LEN + it.extensions().slice().len();
            let says = match usize::from(it.header().payload_length()) {
                0 => 0,
                body => IPV6_HEADER_LEN + body,
            };
            (len, says, it.is_payload_fragmented(), is_tail(it))
        }
    };
    // A length field of 0 is a packet over 64 KiB (BIG TCP); one beyond the packet is a lie.
    let given = usize::try_from(total_len).unwrap_or(usize::MAX).max(bytes.len());
    let total = if says < header_len || says > given { given } else { says };
    let end = total.min(bytes.len());
    Ok(Located {
        number: ip.payload().ip_number.0,
        src: ip.source_addr(),
        dst: ip.destination_addr(),
        body: header_len.min(end)..end,
        body_len: total.saturating_sub(header_len),
        fragment,
        fragment_tail,
    })
}

fn is_tail(ip: &LaxIpv6Slice<'_>) -> bool {
    let mut fragments = extensions(ip).filter_map(|it| it.fragment);
    fragments.any(|it| it.fragment_offset().value() != 0)
}

/// A whole IPv6 extension header.
struct Extension<'a> {
    name: &'static str,
    next: IpNumber,
    len: usize,
    fragment: Option<Ipv6FragmentHeaderSlice<'a>>,
}

impl<'a> Extension<'a> {
    /// The header of type `kind` at the front of `bytes`; `None` when it is not whole or no
    /// extension.
    fn read(kind: IpNumber, bytes: &'a [u8]) -> Option<Self> {
        let (name, next, len, fragment) = match kind {
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let it = Ipv6FragmentHeaderSlice::from_slice(bytes).ok()?;
                ("IPv6 fragment", it.next_header(), it.slice().len(), Some(it))
            }
            IpNumber::AUTHENTICATION_HEADER => {
                let it = IpAuthHeaderSlice::from_slice(bytes).ok()?;
                ("IPsec authentication", it.next_header(), it.slice().len(), None)
            }
            IpNumber::IPV6_HEADER_HOP_BY_HOP
            | IpNumber::IPV6_ROUTE_HEADER
            | IpNumber::IPV6_DESTINATION_OPTIONS => {
                let it = Ipv6RawExtHeaderSlice::from_slice(bytes).ok()?;
                let name = match kind {
                    IpNumber::IPV6_HEADER_HOP_BY_HOP => "IPv6 hop-by-hop options",
                    IpNumber::IPV6_ROUTE_HEADER => "IPv6 routing",
                    _ => "IPv6 destination options",
                };
                (name, it.next_header(), it.slice().len(), None)
            }
            _ => return None,
        };
        Some(Self { name, next, len, fragment })
    }
}

/// The extension headers that are whole. Not by `etherparse`'s own iterator: in 0.21 it reads past
/// the end of a chain that breaks off.
fn extensions<'a>(ip: &LaxIpv6Slice<'a>) -> impl Iterator<Item = Extension<'a>> {
    let mut rest = ip.extensions().slice();
    let mut kind = ip.header().next_header();
    std::iter::from_fn(move || {
        let extension = Extension::read(kind, rest)?;
        rest = rest.get(extension.len..)?;
        kind = extension.next;
        Some(extension)
    })
}

pub(super) fn layers(bytes: &[u8], total_len: u32) -> Vec<Layer> {
    match LaxIpSlice::from_slice(bytes) {
        Ok((LaxIpSlice::Ipv4(ip), _)) => vec![ipv4(&ip.header(), total_len)],
        Ok((LaxIpSlice::Ipv6(ip), _)) => ipv6(&ip, total_len),
        Err(_) => Vec::new(),
    }
}

fn ecn_name(ecn: u8) -> &'static str {
    match ecn {
        0 => "not ECN-capable",
        1 => "ECT(1)",
        2 => "ECT(0)",
        _ => "congestion experienced",
    }
}

fn ipv4(header: &Ipv4HeaderSlice<'_>, total_len: u32) -> Layer {
    let mut fields = Fields::default();
    fields.at("Header length", format!("{} bytes", header.slice().len()), 0..1);
    let dscp = header.dcp().value();
    fields.at("DSCP", dscp.to_string(), 1..2);
    let ecn = header.ecn().value();
    fields.at("ECN", format!("{ecn} ({})", ecn_name(ecn)), 1..2);
    let says = header.total_len();
    let says = if says == 0 && total_len > u32::from(u16::MAX) {
        format!("0 (over 64 KiB: {total_len})")
    } else {
        says.to_string()
    };
    fields.at("Total length", says, 2..4);
    fields.at("Identification", format!("0x{:04x}", header.identification()), 4..6);
    let mut flags = Vec::new();
    if header.dont_fragment() {
        flags.push("don't fragment");
    }
    if header.more_fragments() {
        flags.push("more fragments");
    }
    let flags = if flags.is_empty() { "none".to_owned() } else { flags.join(", ") };
    fields.at("Flags", flags, 6..7);
    let offset = u32::from(header.fragments_offset().value()) * 8;
    fields.at("Fragment offset", offset.to_string(), 6..8);
    fields.at("TTL", header.ttl().to_string(), 8..9);
    fields.at("Protocol", protocol_name(header.protocol().0), 9..10);
    fields.at("Header checksum", format!("0x{:04x}", header.header_checksum()), 10..12);
    fields.at("Source", header.source_addr().to_string(), 12..16);
    fields.at("Destination", header.destination_addr().to_string(), 16..20);
    if !header.options().is_empty() {
        let len = header.options().len();
        fields.at("Options", format!("{len} bytes"), 20..20 + len);
    }
    let fragment = if header.is_fragmenting_payload() { ", fragment" } else { "" };
    let summary = format!("{} → {}{fragment}", header.source_addr(), header.destination_addr());
    fields.into_layer("IPv4", summary)
}

fn ipv6(ip: &LaxIpv6Slice<'_>, total_len: u32) -> Vec<Layer> {
    let header = ip.header();
    let mut fields = Fields::default();
    fields.at("DSCP", header.dscp().value().to_string(), 0..2);
    let ecn = header.ecn().value();
    fields.at("ECN", format!("{ecn} ({})", ecn_name(ecn)), 1..2);
    fields.at("Flow label", format!("0x{:05x}", header.flow_label().value()), 1..4);
    let says = header.payload_length();
    let says = if says == 0 && total_len > u32::from(u16::MAX) {
        format!("0 (over 64 KiB: {total_len})")
    } else {
        says.to_string()
    };
    fields.at("Payload length", says, 4..6);
    fields.at("Next header", protocol_name(header.next_header().0), 6..7);
    fields.at("Hop limit", header.hop_limit().to_string(), 7..8);
    fields.at("Source", header.source_addr().to_string(), 8..24);
    fields.at("Destination", header.destination_addr().to_string(), 24..IPV6_HEADER_LEN);
    let fragment = if ip.is_payload_fragmented() { ", fragment" } else { "" };
    let summary = format!("{} → {}{fragment}", header.source_addr(), header.destination_addr());
    let mut layers = vec![fields.into_layer("IPv6", summary)];
    let mut at = IPV6_HEADER_LEN;
    for extension in extensions(ip) {
        layers.push(ipv6_extension(&extension, at));
        at += extension.len;
    }
    layers
}

fn ipv6_extension(extension: &Extension<'_>, at: usize) -> Layer {
    let next = protocol_name(extension.next.0);
    let mut fields = Fields::default();
    fields.at("Next header", next.as_str(), at..at + 1);
    fields.derived("Length", format!("{} bytes", extension.len));
    let mut summary = next;
    if let Some(it) = &extension.fragment {
        let offset = u32::from(it.fragment_offset().value()) * 8;
        fields.at("Fragment offset", offset.to_string(), at + 2..at + 4);
        let more = if it.more_fragments() { "yes" } else { "no" };
        fields.at("More fragments", more, at + 3..at + 4);
        fields.at("Identification", format!("0x{:08x}", it.identification()), at + 4..at + 8);
        summary = format!("offset {offset}, more fragments: {more}");
    }
    fields.into_layer(extension.name, summary)
}
