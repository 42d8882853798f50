//! What a packet is, from its bytes alone.
//!
//! Two grades: [`summarise`] for every packet of the live list, and [`decode`] for the one that
//! somebody looks at. Both take what `cgroup_skb` gives: bytes from the IP header on, cut at the snap
//! length, and the length the packet really had. Neither ever panics, whatever the bytes are, and
//! what they return is bounded by the limits named here and in the modules.

pub mod dns;
pub mod http;
pub mod icmp;
pub mod ip;
pub mod ja4;
pub mod layer;
pub mod quic;
pub(crate) mod secrets;
pub mod tcp;
pub mod text;
pub mod tls;
pub mod udp;

use std::{net::IpAddr, ops::Range};

use serde::{Deserialize, Serialize};

pub use layer::{Field, Layer};
pub use tcp::{TcpFacts, TcpFlags};

/// Characters of a one-line summary.
pub const INFO_CHARS_MAX: usize = 160;

/// A protocol that is recognised here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// IP with something else in it, or with a fragment.
    Ip,
    /// ICMP for IPv4.
    Icmp,
    /// ICMP for IPv6.
    Icmpv6,
    /// TCP with nothing recognised in it.
    Tcp,
    /// UDP with nothing recognised in it.
    Udp,
    /// DNS over UDP or TCP.
    Dns,
    /// QUIC, told by its long header.
    Quic,
    /// TLS.
    Tls,
    /// HTTP in plaintext.
    Http,
    /// A server-sent event stream in plaintext.
    Sse,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 10] = [
        Self::Ip,
        Self::Icmp,
        Self::Icmpv6,
        Self::Tcp,
        Self::Udp,
        Self::Dns,
        Self::Quic,
        Self::Tls,
        Self::Http,
        Self::Sse,
    ];

    /// The name in lists, filters and the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Dns => "dns",
            Self::Quic => "quic",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Sse => "sse",
        }
    }
}

/// Who talks to whom. A port is 0 where there is none: ICMP, fragments, headers that were cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FiveTuple {
    /// The IP protocol number (6 is TCP, 17 UDP).
    pub number: u8,
    /// The sender.
    pub src: IpAddr,
    /// The sender's port.
    pub src_port: u16,
    /// The receiver.
    pub dst: IpAddr,
    /// The receiver's port.
    pub dst_port: u16,
}

/// A fact in a payload that the flow or the name cache wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The beginning of a TLS handshake, as far as this packet has it.
    ClientHello(tls::ClientHello),
    /// The number of a DNS question.
    DnsQuestion(u16),
    /// The number of a DNS answer's question; names and the addresses they stand for.
    DnsAnswers(u16, Vec<dns::Answer>),
    /// The host that a plaintext request is for, without the port.
    HttpHost(String),
    /// The beginning of a client's QUIC handshake.
    QuicInitial(quic::Initial),
}

/// A packet in one line, with the facts that the flow table wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The highest protocol recognised.
    pub protocol: Protocol,
    /// Who talks to whom.
    pub tuple: FiveTuple,
    /// The TCP header, when it is whole.
    pub tcp: Option<TcpFacts>,
    /// Where the transport's payload stands in the bytes that were given.
    pub payload: Range<usize>,
    /// How long that payload was on the wire.
    pub payload_len: u32,
    /// The packet in one line.
    pub info: String,
    /// A fact found in the payload.
    pub finding: Option<Finding>,
}

/// A packet layer by layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decoded {
    /// The highest protocol recognised.
    pub protocol: Protocol,
    /// Who talks to whom; `None` when even the IP header is not whole.
    pub tuple: Option<FiveTuple>,
    /// The TCP header, when it is whole.
    pub tcp: Option<TcpFacts>,
    /// Where the transport's payload stands in the bytes.
    pub payload: Option<Range<usize>>,
    /// Whether the capture has less than the packet had.
    pub truncated: bool,
    /// The packet in one line.
    pub info: String,
    /// Its layers, outermost first.
    pub layers: Vec<Layer>,
    /// Where credentials stand in the bytes (values of secret HTTP headers and query parameters), as
    /// far as this packet alone tells: blank them before showing the bytes.
    pub secrets: Vec<Range<usize>>,
}

/// Bytes that are not an IP packet, or that end inside its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an IP packet, or cut off inside its header")]
pub struct NotIp;

/// What the transport layer is.
#[derive(Clone, Debug)]
enum Transport {
    Tcp(TcpFacts),
    /// TCP whose header is cut off or broken; the ports may still be there.
    TcpCut,
    Udp,
    Icmp,
    Icmpv6,
    Other,
}

/// A packet taken apart down to the transport's payload.
#[derive(Clone, Debug)]
struct Split {
    tuple: FiveTuple,
    transport: Transport,
    /// Where the transport header begins.
    transport_at: usize,
    payload: Range<usize>,
    payload_len: usize,
    fragment: bool,
}

impl Split {
    /// Whether the capture ends before the payload does.
    const fn is_cut(&self) -> bool {
        self.payload_len > self.payload.end - self.payload.start
    }

    const fn is_port(&self, port: u16) -> bool {
        self.tuple.src_port == port || self.tuple.dst_port == port
    }
}

fn split(bytes: &[u8], total_len: u32) -> Result<Split, NotIp> {
    let ip = ip::locate(bytes, total_len)?;
    let body = bytes.get(ip.body.clone()).unwrap_or_default();
    let mut tuple =
        FiveTuple { number: ip.number, src: ip.src, src_port: 0, dst: ip.dst, dst_port: 0 };
    let (transport, header_len) = if ip.fragment_tail {
        (Transport::Other, 0)
    } else {
        match ip.number {
            tcp::NUMBER => {
                (tuple.src_port, tuple.dst_port) = tcp::ports(body);
                match TcpFacts::read(body) {
                    Some((facts, header_len)) => (Transport::Tcp(facts), header_len),
                    None => (Transport::TcpCut, body.len()),
                }
            }
            udp::NUMBER => {
                (tuple.src_port, tuple.dst_port) = tcp::ports(body);
                (Transport::Udp, udp::HEADER_LEN.min(body.len()))
            }
            icmp::NUMBER_V4 => (Transport::Icmp, icmp::HEADER_LEN.min(body.len())),
            icmp::NUMBER_V6 => (Transport::Icmpv6, icmp::HEADER_LEN.min(body.len())),
            _ => (Transport::Other, 0),
        }
    };
    let start = ip.body.start + header_len;
    Ok(Split {
        tuple,
        transport,
        transport_at: ip.body.start,
        payload: start..ip.body.end.max(start),
        payload_len: ip.body_len.saturating_sub(header_len),
        fragment: ip.fragment,
    })
}

/// Says in one line what a packet is. `total_len` is the packet's length from the IP header on,
/// before it was cut to `bytes`.
///
/// # Errors
/// [`NotIp`] when the bytes hold no whole IP header.
pub fn summarise(bytes: &[u8], total_len: u32) -> Result<Summary, NotIp> {
    let split = split(bytes, total_len)?;
    let payload = bytes.get(split.payload.clone()).unwrap_or_default();
    let (protocol, mut info, finding) = summarise_payload(&split, payload, bytes);
    text::truncate_chars(&mut info, INFO_CHARS_MAX);
    let tcp = match split.transport {
        Transport::Tcp(facts) => Some(facts),
        Transport::TcpCut
        | Transport::Udp
        | Transport::Icmp
        | Transport::Icmpv6
        | Transport::Other => None,
    };
    Ok(Summary {
        protocol,
        tuple: split.tuple,
        tcp,
        payload: split.payload,
        payload_len: u32::try_from(split.payload_len).unwrap_or(u32::MAX),
        info,
        finding,
    })
}

/// The TCP header of a packet, where its payload stands, and how long that was on the wire; `None`
/// when there is no whole header.
pub(crate) fn segment(bytes: &[u8], total_len: u32) -> Option<(TcpFacts, Range<usize>, u32)> {
    let split = split(bytes, total_len).ok()?;
    let Transport::Tcp(facts) = split.transport else { return None };
    Some((facts, split.payload, u32::try_from(split.payload_len).unwrap_or(u32::MAX)))
}

type InOneLine = (Protocol, String, Option<Finding>);

fn summarise_payload(split: &Split, payload: &[u8], bytes: &[u8]) -> InOneLine {
    match &split.transport {
        Transport::Tcp(facts) => summarise_stream(split, payload).unwrap_or_else(|| {
            (Protocol::Tcp, facts.in_one_line(&split.tuple, split.payload_len), None)
        }),
        Transport::TcpCut => {
            let FiveTuple { src_port, dst_port, .. } = split.tuple;
            (Protocol::Tcp, format!("{src_port} → {dst_port} header cut off"), None)
        }
        Transport::Udp => summarise_datagram(split, payload).unwrap_or_else(|| {
            let FiveTuple { src_port, dst_port, .. } = split.tuple;
            (Protocol::Udp, format!("{src_port} → {dst_port} len {}", split.payload_len), None)
        }),
        Transport::Icmp => {
            let header = bytes.get(split.transport_at..).unwrap_or_default();
            (Protocol::Icmp, icmp::in_one_line(Protocol::Icmp, header), None)
        }
        Transport::Icmpv6 => {
            let header = bytes.get(split.transport_at..).unwrap_or_default();
            (Protocol::Icmpv6, icmp::in_one_line(Protocol::Icmpv6, header), None)
        }
        Transport::Other => {
            let what = if split.fragment { "fragment of " } else { "" };
            let name = ip::protocol_name(split.tuple.number);
            (Protocol::Ip, format!("{what}{name}, {} bytes", split.payload_len), None)
        }
    }
}

/// What a TCP payload begins with, if that is known here.
fn summarise_stream(split: &Split, payload: &[u8]) -> Option<InOneLine> {
    if payload.is_empty() {
        return None;
    }
    if tls::looks_like(payload) {
        let (info, hello) = tls::in_one_line(payload, split.payload_len);
        return Some((Protocol::Tls, info, hello.map(Finding::ClientHello)));
    }
    if split.is_port(dns::PORT)
        && let Some(message) = dns::Message::read_tcp(payload)
    {
        let info = message.in_one_line();
        return Some((Protocol::Dns, info, message.into_finding()));
    }
    if let Some(head) = http::Head::read(payload) {
        let info = head.in_one_line(split.payload_len);
        let protocol = if head.is_event_stream() { Protocol::Sse } else { Protocol::Http };
        return Some((protocol, info, head.host().map(Finding::HttpHost)));
    }
    let events = http::sse_in_one_line(payload)?;
    Some((Protocol::Sse, events, None))
}

fn summarise_datagram(split: &Split, payload: &[u8]) -> Option<InOneLine> {
    if split.is_port(dns::PORT) || split.is_port(dns::MULTICAST_PORT) {
        let message = dns::Message::read(payload)?;
        let info = message.in_one_line();
        return Some((Protocol::Dns, info, message.into_finding()));
    }
    if split.is_port(quic::PORT) {
        let (info, initial) = quic::in_one_line(payload, split.payload_len)?;
        return Some((Protocol::Quic, info, initial.map(Finding::QuicInitial)));
    }
    None
}

/// Takes a packet apart layer by layer. `total_len` as for [`summarise`]. Bytes that are not IP give
/// one layer that says so.
#[must_use]
pub fn decode(bytes: &[u8], total_len: u32) -> Decoded {
    let Ok(split) = split(bytes, total_len) else {
        return not_ip(bytes, total_len);
    };
    let mut layers = ip::layers(bytes, total_len);
    layers.extend(transport_layer(&split, bytes));
    let mut secrets = Vec::new();
    let payload = bytes.get(split.payload.clone()).unwrap_or_default();
    let at = split.payload.start;
    match split.transport {
        Transport::Tcp(_) => {
            stream_layers(&split, payload, &mut layers);
            if is_plaintext(&split, payload) {
                secrets
                    .extend(secrets::places(payload).iter().map(|it| at + it.start..at + it.end));
            }
        }
        Transport::Udp => datagram_layers(&split, payload, &mut layers),
        Transport::Icmp | Transport::Icmpv6 => {
            let kind = if split.tuple.number == icmp::NUMBER_V6 {
                Protocol::Icmpv6
            } else {
                Protocol::Icmp
            };
            let message = bytes.get(split.transport_at..).unwrap_or_default();
            layers.extend(icmp::layers(kind, message, split.transport_at));
        }
        Transport::TcpCut | Transport::Other => {}
    }
    if !payload.is_empty() || split.is_cut() {
        layers.push(layer::payload(at, payload.len(), split.payload_len));
    }
    layers.truncate(layer::LAYERS_MAX);
    let (protocol, mut info, _) = summarise_payload(&split, payload, bytes);
    text::truncate_chars(&mut info, INFO_CHARS_MAX);
    Decoded {
        protocol,
        tuple: Some(split.tuple),
        truncated: u32::try_from(bytes.len()).is_ok_and(|captured| captured < total_len),
        payload: Some(split.payload),
        tcp: match split.transport {
            Transport::Tcp(facts) => Some(facts),
            Transport::TcpCut
            | Transport::Udp
            | Transport::Icmp
            | Transport::Icmpv6
            | Transport::Other => None,
        },
        info,
        layers,
        secrets,
    }
}

/// Overwrites the places of credentials ([`Decoded::secrets`]) with `*`.
pub fn blank(bytes: &mut [u8], secrets: &[Range<usize>]) {
    for range in secrets {
        if let Some(secret) = bytes.get_mut(range.clone()) {
            secret.fill(b'*');
        }
    }
}

fn not_ip(bytes: &[u8], total_len: u32) -> Decoded {
    let info = format!("not an IP packet, or cut off inside its header; {} bytes", bytes.len());
    Decoded {
        protocol: Protocol::Ip,
        tuple: None,
        tcp: None,
        payload: None,
        truncated: u32::try_from(bytes.len()).is_ok_and(|captured| captured < total_len),
        info: info.clone(),
        layers: vec![Layer { name: "Unknown", summary: info, fields: Vec::new() }],
        secrets: Vec::new(),
    }
}

fn transport_layer(split: &Split, bytes: &[u8]) -> Option<Layer> {
    let at = split.transport_at;
    let header = bytes.get(at..).unwrap_or_default();
    match &split.transport {
        Transport::Tcp(facts) => Some(tcp::layer(header, at, facts, split)),
        Transport::TcpCut => Some(tcp::cut_layer(header, at, split)),
        Transport::Udp => Some(udp::layer(header, at, split)),
        Transport::Icmp | Transport::Icmpv6 | Transport::Other => None,
    }
}

/// Whether a TCP payload is searched for credentials.
fn is_plaintext(split: &Split, payload: &[u8]) -> bool {
    !tls::looks_like(payload) && !split.is_port(dns::PORT)
}

fn stream_layers(split: &Split, payload: &[u8], layers: &mut Vec<Layer>) {
    let at = split.payload.start;
    if payload.is_empty() {
        return;
    }
    if tls::looks_like(payload) {
        layers.extend(tls::layers(payload, at));
        return;
    }
    if split.is_port(dns::PORT)
        && let Some(message) = dns::Message::read_tcp(payload)
    {
        layers.push(message.layer(at..at + payload.len()));
        return;
    }
    if let Some(head) = http::Head::read(payload) {
        layers.push(head.layer(at));
        let body = payload.get(head.len()..).unwrap_or_default();
        layers.extend(http::sse_layer(body, at + head.len()));
        return;
    }
    layers.extend(http::sse_layer(payload, at));
}

fn datagram_layers(split: &Split, payload: &[u8], layers: &mut Vec<Layer>) {
    let at = split.payload.start;
    if split.is_port(dns::PORT) || split.is_port(dns::MULTICAST_PORT) {
        layers.extend(dns::Message::read(payload).map(|it| it.layer(at..at + payload.len())));
    } else if split.is_port(quic::PORT) {
        layers.extend(quic::layers(payload, at));
    }
}

#[cfg(test)]
mod tests;
