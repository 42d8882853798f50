//! DNS messages (RFC 1035): the question and the addresses that answer it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use simple_dns::{PacketFlag, QTYPE, RCODE, ResourceRecord, rdata::RData};

use super::{
    Finding,
    layer::{Fields, Layer},
    text::readable,
};

/// The port of name servers.
pub const PORT: u16 = 53;
pub(super) const MULTICAST_PORT: u16 = 5353;

/// Questions read of one message; real ones have one.
pub const QUESTIONS_MAX: usize = 4;
/// Records read of one section.
pub const RECORDS_MAX: usize = 48;
/// Characters of a name: 255 bytes on the wire, four characters for an escaped one.
pub const NAME_CHARS_MAX: usize = 256;

const HEADER_LEN: usize = 12;
const LABEL_LEN_MAX: u8 = 63;

/// A name and an address that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The name that was asked for, not the alias that the address belongs to.
    pub name: String,
    /// The address.
    pub addr: IpAddr,
    /// How many seconds the answer may be used.
    pub ttl_s: u32,
}

/// A message, as far as it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number, which pairs questions with answers.
    pub id: u16,
    /// Whether it is an answer.
    pub is_response: bool,
    /// The response code's name.
    pub rcode: String,
    /// The names asked for, with the record type.
    pub questions: Vec<(String, String)>,
    /// The answers: name, record type, value and, for A and AAAA, the address.
    pub answers: Vec<Record>,
    /// Whether the capture ends before the message does, or it is not understood to its end.
    pub truncated: bool,
}

/// One answer record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name it is about.
    pub name: String,
    /// The record type.
    pub kind: String,
    /// Its value, readable; empty for types that are not shown.
    pub value: String,
    /// How many seconds it may be used.
    pub ttl_s: u32,
    /// The address, for A and AAAA.
    pub addr: Option<IpAddr>,
}

impl Message {
    /// Reads a message from a datagram; `None` when it is not one.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        simple_dns::Packet::parse(payload)
            .map_or_else(|_| Self::read_cut(payload), |packet| Some(Self::of(&packet)))
    }

    /// Reads the first message of a TCP segment, which begins with its length.
    #[must_use]
    pub fn read_tcp(payload: &[u8]) -> Option<Self> {
        let (length, rest) = payload.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length < HEADER_LEN {
            return None;
        }
        Self::read(rest.get(..length).unwrap_or(rest))
    }

    fn of(packet: &simple_dns::Packet<'_>) -> Self {
        let questions = packet.questions.iter().take(QUESTIONS_MAX);
        Self {
            id: packet.id(),
            is_response: packet.has_flags(PacketFlag::RESPONSE),
            rcode: rcode_name(packet.rcode()),
            questions: questions.map(|it| (name(&it.qname), qtype_name(it.qtype))).collect(),
            answers: packet.answers.iter().take(RECORDS_MAX).map(Record::of).collect(),
            truncated: packet.has_flags(PacketFlag::TRUNCATION),
        }
    }

    /// Reads header and first question of a message that is cut off, or that has something the
    /// parser does not know.
    fn read_cut(payload: &[u8]) -> Option<Self> {
        let (header, mut rest) = payload.split_first_chunk::<HEADER_LEN>()?;
        let flags = header.get(2).copied()?;
        let mut labels = Vec::new();
        loop {
            let (&len, after) = rest.split_first()?;
            if len == 0 {
                rest = after;
                break;
            }
            if len > LABEL_LEN_MAX {
                return None;
            }
            labels.push(readable(after.get(..usize::from(len))?, NAME_CHARS_MAX));
            rest = after.get(usize::from(len)..)?;
        }
        if labels.is_empty() {
            return None;
        }
        let kind = rest.first_chunk::<2>().map(|it| u16::from_be_bytes(*it));
        let kind = kind.map_or_else(String::new, |it| {
            QTYPE::try_from(it).map_or_else(|_| format!("TYPE{it}"), qtype_name)
        });
        let mut question = labels.join(".");
        super::text::truncate_chars(&mut question, NAME_CHARS_MAX);
        Some(Self {
            id: u16::from_be_bytes([header[0], header[1]]),
            is_response: flags & 0x80 != 0,
            rcode: rcode_name(u16::from(header[3] & 0x0f).into()),
            questions: vec![(question, kind)],
            answers: Vec::new(),
            truncated: true,
        })
    }

    /// That something is asked, or the addresses that were answered, under the name that was asked
    /// for.
    #[must_use]
    pub fn into_finding(self) -> Option<Finding> {
        let (asked, _) = self.questions.into_iter().next()?;
        if !self.is_response {
            return Some(Finding::DnsQuestion(self.id));
        }
        let answers: Vec<Answer> = self
            .answers
            .into_iter()
            .filter_map(|it| Some(Answer { name: asked.clone(), addr: it.addr?, ttl_s: it.ttl_s }))
            .collect();
        (!answers.is_empty()).then_some(Finding::DnsAnswers(self.id, answers))
    }

    /// The message in one line.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let mut info = String::from(if self.is_response { "answer" } else { "query" });
        if let Some((name, kind)) = self.questions.first() {
            info = format!("{info} {kind} {name}");
        }
        for answer in self.answers.iter().take(4) {
            info = format!("{info} {} {}", answer.kind, answer.value);
        }
        if self.is_response && self.rcode != "NoError" {
            info = format!("{info} {}", self.rcode);
        }
        if self.truncated {
            info.push_str(" (truncated)");
        }
        info
    }

    pub(super) fn layer(&self, range: Range<usize>) -> Layer {
        let mut fields = Fields::default();
        fields.at("Id", format!("0x{:04x}", self.id), range);
        fields.derived("Kind", if self.is_response { "answer" } else { "query" });
        if self.is_response {
            fields.derived("Response code", self.rcode.as_str());
        }
        for (name, kind) in &self.questions {
            fields.derived("Question", format!("{name} {kind}"));
        }
        for it in &self.answers {
            let text = format!("{} {} {} (TTL {} s)", it.name, it.kind, it.value, it.ttl_s);
            fields.derived("Answer", text);
        }
        if self.truncated {
            fields.derived("Truncated", "yes");
        }
        fields.into_layer("DNS", self.in_one_line())
    }
}

impl Record {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, growing list of record types, of which a few are shown"
    )]
    fn of(record: &ResourceRecord<'_>) -> Self {
        let addr = match &record.rdata {
            RData::A(it) => Some(IpAddr::V4(Ipv4Addr::from(it.address))),
            RData::AAAA(it) => Some(IpAddr::V6(Ipv6Addr::from(it.address))),
            _ => None,
        };
        let value = match &record.rdata {
            RData::CNAME(it) => name(&it.0),
            RData::PTR(it) => name(&it.0),
            RData::NS(it) => name(&it.0),
            _ => addr.map(|it| it.to_string()).unwrap_or_default(),
        };
        let kind = format!("{:?}", record.rdata.type_code());
        Self { name: name(&record.name), kind, value, ttl_s: record.ttl, addr }
    }
}

fn name(name: &simple_dns::Name<'_>) -> String {
    readable(name.to_string().as_bytes(), NAME_CHARS_MAX)
}

fn qtype_name(kind: QTYPE) -> String {
    match kind {
        QTYPE::TYPE(it) => format!("{it:?}"),
        QTYPE::IXFR | QTYPE::AXFR | QTYPE::MAILB | QTYPE::MAILA | QTYPE::ANY => {
            format!("{kind:?}")
        }
    }
}

fn rcode_name(code: RCODE) -> String {
    format!("{code:?}")
}
