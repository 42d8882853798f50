//! Where a call stands in a trace of the client's: the header `traceparent` of W3C Trace Context.

use http::HeaderMap;

/// The name of the header.
const NAME: &str = "traceparent";

/// What a client says of its own trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never all zeros.
    pub trace_id: [u8; 16],
    /// The client's span; never all zeros.
    pub span_id: [u8; 8],
    /// The flags; the lowest bit says that the trace is recorded.
    pub flags: u8,
}

impl TraceParent {
    /// Whether the client records the trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// What the headers say; `None` without such a header, or with one that is not acceptable, which
    /// is to be ignored.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(NAME).iter();
        let text = values.next()?.to_str().ok()?;
        if values.next().is_some() { None } else { Self::read(text) }
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let [version] = bytes(parts.next()?)?;
        let (trace_id, span_id) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let [flags] = bytes(parts.next()?)?;
        // A later version may have more, this one has not; 255 is none.
        let is_one = version != 0xff && (version > 0 || parts.next().is_none());
        let known = trace_id != [0; 16] && span_id != [0; 8];
        (is_one && known).then_some(Self { trace_id, span_id, flags })
    }
}

/// Exactly so many bytes in hexadecimal, in lower case.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = |it: u8| it.is_ascii_digit() || (b'a'..=b'f').contains(&it);
    if text.len() != 2 * N || !text.bytes().all(digits) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_and_known_parent_is_one() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let read = |text: &str| TraceParent::read(text);
        let it = read(&format!("00-{trace}-{span}-01")).unwrap();
        assert_eq!((it.trace_id[0], it.span_id[7], it.is_sampled()), (0x4b, 0xb7, true));
        assert!(!read(&format!("00-{trace}-{span}-00")).unwrap().is_sampled());
        assert!(read(&format!("01-{trace}-{span}-01-more")).is_some());
        for wrong in [
            String::new(),
            format!("ff-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01-more"),
            format!("00-{trace}-{span}"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}0-{span}-01"),
            format!("00-{}é-{span}-01", "a".repeat(30)),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }
}
