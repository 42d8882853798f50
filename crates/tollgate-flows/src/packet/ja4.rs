//! JA4: the fingerprint of a TLS client, by the public description of its authors
//! (<https://github.com/FoxIO-LLC/ja4>, `technical_details/JA4.md`). Programs with the same TLS
//! library and settings have the same one, whatever they ask and whomever.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::tls::{ClientHello, is_grease};

/// What carries the hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// TLS on TCP.
    Tcp,
    /// QUIC.
    Quic,
}

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// Hex digits of a digest that are kept.
const DIGEST_CHARS: usize = 12;
/// What stands for a digest of nothing.
const NOTHING: &str = "000000000000";
/// The highest number that two digits tell.
const COUNT_MAX: usize = 99;

/// The fingerprint; `None` of a hello that is not all there.
#[must_use]
pub fn fingerprint(hello: &ClientHello, over: Over) -> Option<String> {
    if !hello.complete || hello.is_unread {
        return None;
    }
    let mut ciphers = real(&hello.ciphers);
    let extensions = real(&hello.extensions);
    let carrier = match over {
        Over::Tcp => 't',
        Over::Quic => 'q',
    };
    let name = if extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
    let (first, last) = alpn(hello.alpn_ends);
    let mut text = format!(
        "{carrier}{}{name}{:02}{:02}{first}{last}_",
        version(hello.versions.iter().copied().max()),
        ciphers.len().min(COUNT_MAX),
        extensions.len().min(COUNT_MAX),
    );
    ciphers.sort_unstable();
    text.push_str(&digest(&list(&ciphers)));
    let mut others: Vec<u16> =
        extensions.into_iter().filter(|it| !matches!(*it, SERVER_NAME | ALPN)).collect();
    others.sort_unstable();
    let mut told = list(&others);
    let signatures = real(&hello.signatures);
    if !told.is_empty() && !signatures.is_empty() {
        told.push('_');
        told.push_str(&list(&signatures));
    }
    text.push('_');
    text.push_str(&digest(&told));
    Some(text)
}

/// Without the values that clients make up (RFC 8701).
fn real(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|it| !is_grease(*it)).collect()
}

const fn version(highest: Option<u16>) -> &'static str {
    match highest {
        Some(0x0304) => "13",
        Some(0x0303) => "12",
        Some(0x0302) => "11",
        Some(0x0301) => "10",
        Some(0x0300) => "s3",
        Some(0x0002) => "s2",
        Some(_) | None => "00",
    }
}

/// The first and the last character of a protocol's name, or of its hex digits where one of them is
/// no letter or digit.
fn alpn(ends: Option<(u8, u8)>) -> (char, char) {
    let Some((first, last)) = ends else { return ('0', '0') };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (char::from(first), char::from(last));
    }
    let digit = |it: u8| char::from_digit(u32::from(it), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 0xf))
}

fn list(values: &[u16]) -> String {
    let mut text = String::with_capacity(values.len() * 5);
    for value in values {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{value:04x}");
    }
    text
}

fn digest(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    let mut digits = String::with_capacity(2 * DIGEST_CHARS);
    for byte in Sha256::digest(text).iter().take(DIGEST_CHARS / 2) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<u16> {
        text.split(',').map(|it| u16::from_str_radix(it, 16).unwrap()).collect()
    }

    /// The hello that the description takes as its example, with made-up values between.
    fn published() -> ClientHello {
        ClientHello {
            versions: vec![0x0304, 0x0303],
            alpn_ends: Some((b'h', b'2')),
            ciphers: words(
                "2a2a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
            ),
            extensions: words(
                "8a8a,001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015,fafa",
            ),
            signatures: words("0403,0804,0401,0503,0805,0501,0806,0601"),
            complete: true,
            ..ClientHello::default()
        }
    }

    #[test]
    fn the_published_example_has_the_published_fingerprint() {
        let hello = published();
        assert_eq!(fingerprint(&hello, Over::Tcp).unwrap(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        let unsigned = ClientHello { signatures: Vec::new(), ..published() };
        assert!(fingerprint(&unsigned, Over::Quic).unwrap().ends_with("_6d807ffa2a79"));
        assert!(fingerprint(&unsigned, Over::Quic).unwrap().starts_with("q13d1516h2_"));
    }

    #[test]
    fn what_is_not_there_has_its_own_sign() {
        let empty =
            ClientHello { complete: true, versions: vec![0x0303], ..ClientHello::default() };
        assert_eq!(fingerprint(&empty, Over::Tcp).unwrap(), "t12i000000_000000000000_000000000000");
        let cut = ClientHello { complete: false, ..published() };
        assert_eq!(fingerprint(&cut, Over::Tcp), None);
        let unread = ClientHello { is_unread: true, ..published() };
        assert_eq!(fingerprint(&unread, Over::Tcp), None);
    }

    #[test]
    fn protocols_are_told_by_their_ends_as_published() {
        let check = |name: &[u8], want: &str| {
            let ends = name.first().copied().zip(name.last().copied());
            let (first, last) = alpn(ends);
            assert_eq!(format!("{first}{last}"), want, "{name:x?}");
        };
        check(b"h2", "h2");
        check(b"http/1.1", "h1");
        check(b"", "00");
        check(b"x", "xx");
        check(&[0xab], "ab");
        check(&[0xab, 0xcd], "ad");
        check(&[0x30, 0xab], "3b");
        check(&[0x30, 0x31, 0xab, 0xcd], "3d");
        check(&[0x30, 0xab, 0xcd, 0x31], "01");
    }
}
