//! Puts together a TLS client's hello that takes more than one packet, as post-quantum ones do.

use crate::packet::{Summary, TcpFacts, tls};

/// Bytes kept of one hello: four segments of a usual size.
const HELLO_BYTES_MAX: usize = 8_192;

/// The beginning of a client's stream, while its hello is not complete.
#[derive(Debug)]
pub(super) struct PartialHello {
    next_seq: u32,
    bytes: Vec<u8>,
}

/// What came of one more packet.
#[derive(Debug)]
pub(super) enum Step {
    /// More is to come.
    Waiting,
    /// This is all there will be: whole, or as much as was captured.
    Done(tls::ClientHello),
    /// It did not fit together.
    Lost,
}

impl PartialHello {
    /// Begins with the packet that holds the start of the hello; `None` when nothing more can be
    /// learned, because the rest was not captured.
    pub(super) fn begin(tcp: &TcpFacts, summary: &Summary, payload: &[u8]) -> Option<Self> {
        let all = is_all(summary, payload) && payload.len() <= HELLO_BYTES_MAX;
        all.then(|| Self {
            next_seq: tcp.seq.wrapping_add(summary.payload_len),
            bytes: payload.to_vec(),
        })
    }

    /// Adds the client's next packet.
    pub(super) fn push(&mut self, tcp: &TcpFacts, summary: &Summary, payload: &[u8]) -> Step {
        if summary.payload_len == 0 {
            return Step::Waiting;
        }
        let ahead = tcp.seq.wrapping_sub(self.next_seq);
        if ahead != 0 {
            // Behind: sent again. Ahead: a packet was lost.
            return if ahead > u32::MAX / 2 { Step::Waiting } else { Step::Lost };
        }
        let room = HELLO_BYTES_MAX - self.bytes.len();
        self.bytes.extend(payload.iter().take(room));
        self.next_seq = tcp.seq.wrapping_add(summary.payload_len);
        let Some(hello) = tls::client_hello(&self.bytes) else { return Step::Lost };
        let over = hello.complete || payload.len() >= room || !is_all(summary, payload);
        if over { Step::Done(hello) } else { Step::Waiting }
    }
}

fn is_all(summary: &Summary, payload: &[u8]) -> bool {
    u32::try_from(payload.len()).is_ok_and(|it| it == summary.payload_len)
}
