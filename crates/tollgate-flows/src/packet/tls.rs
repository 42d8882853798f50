//! TLS records and the hello messages that are sent in the clear (RFC 8446, RFC 5246).
//!
//! The envelope is walked here so that a hello that is cut off still gives what it has; each whole
//! extension is read by `tls-parser`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use tls_parser::{
    TlsCipherSuite, TlsExtension, parse_tls_client_hello_extension,
    parse_tls_server_hello_extension,
};

use super::{
    ja4,
    layer::{Fields, Layer},
    text::readable,
};

/// Records read of one packet.
pub const RECORDS_MAX: usize = 16;
/// Extensions read of one hello.
pub const EXTENSIONS_MAX: usize = 64;
/// Cipher suites, and signature algorithms, read of one hello: OpenSSL knows some 160 suites.
pub const SUITES_MAX: usize = 256;
/// Application protocols kept of one hello.
pub const ALPN_MAX: usize = 8;
/// Characters of a server name: a DNS name has 253 at most.
pub const SNI_CHARS_MAX: usize = 255;

pub(crate) const RECORD_HEADER_LEN: usize = 5;
/// RFC 8446, section 5.2.
const RECORD_LEN_MAX: usize = (1 << 14) + 256;
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// The first message of a TLS client, as far as it was captured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHello {
    /// The versions it offers, as on the wire (0x0304 is TLS 1.3), without the made-up ones of
    /// RFC 8701.
    pub versions: Vec<u16>,
    /// The name of the server it wants.
    pub sni: Option<String>,
    /// The application protocols it offers, in its order.
    pub alpn: Vec<String>,
    /// The cipher suites it offers, in its order, with the made-up ones.
    pub ciphers: Vec<u16>,
    /// The types of its extensions, in its order, with the made-up ones.
    pub extensions: Vec<u16>,
    /// The signature algorithms it offers, in its order.
    pub signatures: Vec<u16>,
    /// The first and the last byte of the first application protocol.
    pub(super) alpn_ends: Option<(u8, u8)>,
    /// Whether it carries an encrypted hello, so that `sni` may be an outer name only.
    pub encrypted_hello: bool,
    /// Whether all of it was there.
    pub complete: bool,
    /// Whether it has more than is read here, or a part that cannot be.
    pub(super) is_unread: bool,
}

/// What a TLS server chose, as far as it says so in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHello {
    /// The version, as on the wire (0x0304 is TLS 1.3).
    pub version: u16,
    /// The cipher suite, as on the wire.
    pub cipher: u16,
    /// The application protocol; TLS 1.3 tells it under encryption only.
    pub alpn: Option<String>,
    /// Whether it asks for another hello (RFC 8446, section 4.1.4) and chose nothing else yet.
    pub is_retry: bool,
}

/// The random value of a hello that asks for another one (RFC 8446, section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Reads numbers and slices off the front of bytes, and never past their end.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?;
        Some(taken.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// A slice with its length in front; what there is of it, and whether that is all.
    fn vector(&mut self, length_bytes: usize) -> Option<(&'a [u8], Whole)> {
        let len = self.number(length_bytes)?;
        if let Some(all) = self.take(len) {
            return Some((all, Whole::Yes));
        }
        Some((std::mem::take(&mut self.0), Whole::No))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

struct Record<'a> {
    kind: u8,
    version: u16,
    /// Where it begins in the payload.
    at: usize,
    /// Its length on the wire, without the header.
    len: usize,
    body: &'a [u8],
}

impl Record<'_> {
    const fn is_whole(&self) -> bool {
        self.body.len() == self.len
    }
}

/// Whether a TCP payload begins with a TLS record.
#[must_use]
pub fn looks_like(payload: &[u8]) -> bool {
    let [kind, 3, minor, a, b, ..] = *payload else { return false };
    let len = usize::from(u16::from_be_bytes([a, b]));
    (CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind)
        && minor <= 4
        && (1..=RECORD_LEN_MAX).contains(&len)
}

/// Whether a TLS stream begins with a handshake.
#[must_use]
pub fn begins_handshake(stream: &[u8]) -> bool {
    looks_like(stream) && stream.first() == Some(&HANDSHAKE)
}

fn records(payload: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = payload.get(at..)?;
        if !looks_like(rest) {
            return None;
        }
        let mut cursor = Cursor(rest);
        let kind = *cursor.take(1)?.first()?;
        let version = u16::try_from(cursor.number(2)?).ok()?;
        let len = cursor.number(2)?;
        let body = rest.get(RECORD_HEADER_LEN..)?;
        let body = body.get(..len).unwrap_or(body);
        let record = Record { kind, version, at, len, body };
        at += RECORD_HEADER_LEN + len;
        Some(record)
    })
    .take(RECORDS_MAX)
}

/// A version's name, `TLS 1.3`.
#[must_use]
pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        _ => format!("0x{version:04x}"),
    }
}

/// A cipher suite's name, `TLS_AES_128_GCM_SHA256`; its number where it is not known here.
#[must_use]
pub fn cipher_name(cipher: u16) -> String {
    TlsCipherSuite::from_id(cipher)
        .map_or_else(|| format!("0x{cipher:04x}"), |it| it.name.to_owned())
}

/// RFC 8701: values that clients make up so that servers stay tolerant.
pub(super) const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

fn message_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "Hello Request",
        CLIENT_HELLO => "Client Hello",
        SERVER_HELLO => "Server Hello",
        4 => "New Session Ticket",
        8 => "Encrypted Extensions",
        11 => "Certificate",
        12 => "Server Key Exchange",
        13 => "Certificate Request",
        14 => "Server Hello Done",
        15 => "Certificate Verify",
        16 => "Client Key Exchange",
        20 => "Finished",
        22 => "Certificate Status",
        24 => "Key Update",
        _ => return None,
    })
}

/// What a handshake record holds. A type that is not known, or a length that cannot be, is
/// ciphertext.
fn handshake_name(record: &Record<'_>) -> &'static str {
    let mut cursor = Cursor(record.body);
    let (Some(kind), Some(len)) = (cursor.number(1), cursor.number(3)) else {
        return "Handshake";
    };
    let name = u8::try_from(kind).ok().and_then(message_name);
    // Certificates are the only message that is often longer than its record.
    let fits = len + 4 <= record.len || (kind == 11 && len < 1 << 17) || kind == 1;
    name.filter(|_| fits).unwrap_or("Encrypted Handshake")
}

fn alert_name(body: &[u8]) -> String {
    match *body {
        [1 | 2, description] => {
            format!("Alert ({:?})", tls_parser::TlsAlertDescription(description))
        }
        _ => "Encrypted Alert".to_owned(),
    }
}

fn record_name(record: &Record<'_>) -> String {
    match record.kind {
        CHANGE_CIPHER_SPEC => "Change Cipher Spec".to_owned(),
        ALERT => alert_name(record.body),
        HANDSHAKE => handshake_name(record).to_owned(),
        HEARTBEAT => "Heartbeat".to_owned(),
        _ => "Application Data".to_owned(),
    }
}

/// The client's hello at the beginning of a TLS stream; `None` when something else is there.
#[must_use]
pub fn client_hello(stream: &[u8]) -> Option<ClientHello> {
    ClientHello::read(&handshake(stream))
}

/// The server's hello at the beginning of a TLS stream; `None` when something else is there, or not
/// all of it.
#[must_use]
pub fn server_hello(stream: &[u8]) -> Option<ServerHello> {
    ServerHello::read(&handshake(stream))
}

/// The handshake messages that a stream begins with, however records part them.
fn handshake(stream: &[u8]) -> Vec<u8> {
    let first = records(stream).take_while(|it| it.kind == HANDSHAKE);
    first.flat_map(|it| it.body).copied().collect()
}

/// Whether a stream holds a record of protected data.
#[must_use]
pub fn has_application_data(stream: &[u8]) -> bool {
    records(stream).any(|it| it.kind == APPLICATION_DATA)
}

impl ClientHello {
    /// Reads a handshake message from its type byte on.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(message);
        if cursor.number(1)? != usize::from(CLIENT_HELLO) {
            return None;
        }
        let len = cursor.number(3)?;
        let mut hello = Self { complete: cursor.0.len() >= len, ..Self::default() };
        // From here on the hello is what was captured of it.
        let _ = hello.read_body(&mut cursor);
        Some(hello)
    }

    fn read_body(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let legacy = u16::try_from(cursor.number(2)?).ok()?;
        self.versions = vec![legacy];
        let _random = cursor.take(32)?;
        let _session = cursor.vector(1)?;
        let (ciphers, _) = cursor.vector(2)?;
        self.is_unread |= ciphers.len() > 2 * SUITES_MAX;
        self.ciphers = words(ciphers).take(SUITES_MAX).collect();
        let _compressions = cursor.vector(1)?;
        let (extensions, _) = cursor.vector(2)?;
        let mut extensions = Cursor(extensions);
        for _ in 0..EXTENSIONS_MAX {
            let from = extensions.0;
            let kind = u16::try_from(extensions.number(2)?).ok()?;
            let (body, whole) = extensions.vector(2)?;
            self.extensions.push(kind);
            if whole == Whole::No {
                self.is_unread = true;
                return None;
            }
            if kind == ENCRYPTED_CLIENT_HELLO {
                self.encrypted_hello = true;
            }
            let taken = from.get(..4 + body.len())?;
            if let Ok((_, extension)) = parse_tls_client_hello_extension(taken) {
                self.note(&extension);
            }
        }
        self.is_unread |= !extensions.0.is_empty();
        Some(())
    }

    fn note(&mut self, extension: &TlsExtension<'_>) {
        if let TlsExtension::SNI(names) = extension {
            let host = names.iter().find(|(kind, _)| kind.0 == 0).map(|(_, name)| *name);
            self.sni = host.map(|it| readable(it, SNI_CHARS_MAX));
        } else if let TlsExtension::ALPN(names) = extension {
            self.alpn = names.iter().take(ALPN_MAX).map(|it| readable(it, 32)).collect();
            self.alpn_ends = names.first().and_then(|it| Some((*it.first()?, *it.last()?)));
        } else if let TlsExtension::SupportedVersions(versions) = extension {
            let real = versions.iter().map(|it| it.0).filter(|it| !is_grease(*it));
            self.versions = real.take(8).collect();
        } else if let TlsExtension::SignatureAlgorithms(all) = extension {
            self.is_unread |= all.len() > SUITES_MAX;
            self.signatures = all.iter().copied().take(SUITES_MAX).collect();
        }
    }

    pub(super) fn note_fields(&self, over: ja4::Over, fields: &mut Fields) {
        if let Some(sni) = &self.sni {
            fields.derived("Server name (SNI)", sni.as_str());
        }
        if !self.alpn.is_empty() {
            fields.derived("Application protocols (ALPN)", self.alpn.join(", "));
        }
        let versions: Vec<String> = self.versions.iter().map(|it| version_name(*it)).collect();
        fields.derived("Versions", versions.join(", "));
        if let Some(ja4) = ja4::fingerprint(self, over) {
            fields.derived("JA4", ja4);
        }
        let real = self.ciphers.iter().filter(|it| !is_grease(**it));
        let names: Vec<String> = real.map(|it| cipher_name(*it)).collect();
        fields.derived("Cipher suites", format!("{} offered", names.len()));
        for name in names {
            fields.derived("Cipher suite", name);
        }
        if self.encrypted_hello {
            fields
                .derived("Encrypted Client Hello", "present: the server name may be an outer one");
        }
        if !self.complete {
            fields.derived("Truncated", "the hello goes on in bytes that are not in this packet");
        }
    }

    pub(crate) fn in_one_line(&self) -> String {
        let mut info = String::from("Client Hello");
        if let Some(sni) = &self.sni {
            let _ = write!(info, " SNI={sni}");
        }
        if !self.alpn.is_empty() {
            let _ = write!(info, " ALPN={}", self.alpn.join(","));
        }
        if !self.complete {
            info.push_str(" (truncated)");
        }
        info
    }
}

/// The numbers of two bytes that a list holds.
fn words(list: &[u8]) -> impl Iterator<Item = u16> {
    list.chunks_exact(2).filter_map(|it| Some(u16::from_be_bytes(*it.first_chunk()?)))
}

impl ServerHello {
    /// Reads a handshake message from its type byte on; `None` when it is another one, or is not
    /// all there.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(message);
        if cursor.number(1)? != usize::from(SERVER_HELLO) {
            return None;
        }
        let (body, Whole::Yes) = cursor.vector(3)? else { return None };
        let mut cursor = Cursor(body);
        let mut hello = Self { version: u16::try_from(cursor.number(2)?).ok()?, ..Self::default() };
        hello.is_retry = cursor.take(32)? == RETRY_RANDOM;
        let _session = cursor.vector(1)?;
        hello.cipher = u16::try_from(cursor.number(2)?).ok()?;
        let _compression = cursor.take(1)?;
        let (mut rest, _) = cursor.vector(2).unwrap_or((&[], Whole::Yes));
        for _ in 0..EXTENSIONS_MAX {
            let Ok((after, extension)) = parse_tls_server_hello_extension(rest) else { break };
            rest = after;
            if let TlsExtension::SupportedVersions(chosen) = &extension {
                hello.version = chosen.first().map_or(hello.version, |it| it.0);
            } else if let TlsExtension::ALPN(names) = &extension {
                hello.alpn = names.first().map(|it| readable(it, 32));
            }
        }
        Some(hello)
    }

    fn note(&self, fields: &mut Fields) {
        fields.derived("Version", version_name(self.version));
        fields.derived("Cipher suite", cipher_name(self.cipher));
        if let Some(alpn) = &self.alpn {
            fields.derived("Application protocol", alpn.as_str());
        }
        if self.is_retry {
            fields.derived("Hello Retry Request", "the server asks for another hello");
        }
    }
}

/// The records of a payload in one line, and the client's hello if it begins with one.
#[must_use]
pub fn in_one_line(payload: &[u8], on_wire: usize) -> (String, Option<ClientHello>) {
    let hello = client_hello(payload);
    if let Some(hello) = hello {
        return (hello.in_one_line(), Some(hello));
    }
    let mut info = String::new();
    let mut last = (String::new(), 0_usize);
    let mut cut_handshake = false;
    for record in records(payload) {
        cut_handshake = record.kind == HANDSHAKE && !record.is_whole() && payload.len() < on_wire;
        let name = record_name(&record);
        if name == last.0 {
            last.1 += 1;
            continue;
        }
        push_counted(&mut info, &last);
        last = (name, 1);
    }
    push_counted(&mut info, &last);
    let mark = if cut_handshake { " (truncated)" } else { "" };
    let _ = write!(info, ", {on_wire} bytes{mark}");
    (info, None)
}

fn push_counted(info: &mut String, (name, count): &(String, usize)) {
    if *count == 0 {
        return;
    }
    if !info.is_empty() {
        info.push_str(", ");
    }
    info.push_str(name);
    if *count > 1 {
        let _ = write!(info, " ×{count}");
    }
}

/// One layer per record.
pub(super) fn layers(payload: &[u8], at: usize) -> impl Iterator<Item = Layer> {
    records(payload).map(move |record| layer(&record, at + record.at))
}

fn layer(record: &Record<'_>, at: usize) -> Layer {
    let mut fields = Fields::default();
    let kind = match record.kind {
        CHANGE_CIPHER_SPEC => "Change Cipher Spec",
        ALERT => "Alert",
        HANDSHAKE => "Handshake",
        HEARTBEAT => "Heartbeat",
        _ => "Application Data",
    };
    fields.at("Content type", format!("{} ({kind})", record.kind), at..at + 1);
    fields.at("Record version", version_name(record.version), at + 1..at + 3);
    fields.at("Length", record.len.to_string(), at + 3..at + RECORD_HEADER_LEN);
    let body = at + RECORD_HEADER_LEN..at + RECORD_HEADER_LEN + record.body.len();
    let mut name = record_name(record);
    if record.kind == HANDSHAKE
        && let Some(hello) = ClientHello::read(record.body)
    {
        fields.at("Handshake", "Client Hello", body);
        hello.note_fields(ja4::Over::Tcp, &mut fields);
        name = hello.in_one_line();
    } else if name == "Server Hello" {
        fields.at("Handshake", "Server Hello", body);
        if let Some(hello) = ServerHello::read(record.body) {
            hello.note(&mut fields);
        }
    } else {
        fields.at("Content", name.as_str(), body);
    }
    let cut = !record.is_whole();
    if cut {
        let captured = record.body.len();
        fields.derived("Captured", format!("{captured} of {} bytes", record.len));
    }
    let mark = if cut && !name.ends_with("(truncated)") { " (truncated)" } else { "" };
    fields.into_layer("TLS", format!("{name}, {} bytes{mark}", record.len))
}
