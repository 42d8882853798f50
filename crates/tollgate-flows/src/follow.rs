//! A TCP connection followed: both directions put together from the packets that are still kept, in
//! order, with what is missing marked, and the HTTP messages in them.
//!
//! Nothing is kept for it: [`Engine::follow`](crate::Engine::follow) begins one when somebody asks,
//! and [`Engine::follow_on`](crate::Engine::follow_on) gives it the kept packets, some at a time.
//! Credentials are blanked in all that it gives: framing is read from the bytes as they were, and
//! shown is the copy without.

mod http;
mod side;

pub use http::{MESSAGES_MAX, Message, Start};

use crate::{
    event::BootNs,
    packet::{self, TcpFlags},
    reassembly::{From, Gap, IsSyn, Limits, Part, TcpSide},
    row::{FlowId, Toward},
};
use side::Side;

/// What is kept of each direction of a connection that is followed.
pub const FOLLOWED: Limits = Limits { bytes_max: 2 << 20, pieces_max: 10_000 };

/// A packet that brought something.
#[derive(Clone, Copy, Debug)]
struct Mark {
    seq: u64,
    at_ns: BootNs,
}

/// A connection while its packets are collected.
#[derive(Debug)]
pub struct Follow {
    pub(crate) flow: FlowId,
    /// The number of the last packet that was looked at.
    pub(crate) after: u64,
    is_encrypted: bool,
    sides: [TcpSide; 2],
    marks: Vec<Mark>,
}

impl Follow {
    pub(crate) fn new(flow: FlowId, is_encrypted: bool) -> Self {
        Self {
            flow,
            after: 0,
            is_encrypted,
            sides: [TcpSide::new(FOLLOWED), TcpSide::new(FOLLOWED)],
            marks: Vec::new(),
        }
    }

    /// Takes in a packet, from its IP header on, that this end of the flow sent.
    pub(crate) fn push(
        &mut self,
        (seq, at_ns): (u64, BootNs),
        sender: usize,
        (bytes, len): (&[u8], u32),
    ) {
        let Some((tcp, payload, on_wire)) = packet::segment(bytes, len) else { return };
        let Some(side) = self.sides.get_mut(sender) else { return };
        let is_syn = if tcp.flags.has(TcpFlags::SYN) { IsSyn::Yes } else { IsSyn::No };
        let captured = bytes.get(payload).unwrap_or_default();
        let mark = wide(self.marks.len());
        side.insert(tcp.seq, is_syn, captured, on_wire, mark);
        if on_wire > 0 {
            self.marks.push(Mark { seq, at_ns });
        }
    }

    /// Both directions, put together.
    #[must_use]
    pub fn finish(self) -> Followed {
        let Self { sides, marks, is_encrypted, .. } = self;
        let [client, server] = sides.each_ref().map(|it| Side::new(it, is_encrypted));
        let messages =
            if is_encrypted { Vec::new() } else { http::messages(&client, &server, &marks) };
        Followed {
            is_encrypted,
            ends: sides.each_ref().map(facts),
            pieces: merge(&client, &server, &marks),
            messages,
        }
    }
}

/// A connection put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Whether it is TLS: then its bytes say little, and no messages are read.
    pub is_encrypted: bool,
    /// What is known of what the client sent, and the server.
    pub ends: [EndFacts; 2],
    /// What was said, in the order in which it came.
    pub pieces: Vec<Said>,
    /// The HTTP messages in it, in the order of their beginnings; at most [`MESSAGES_MAX`] of each
    /// direction.
    pub messages: Vec<Message>,
}

/// How complete a direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndFacts {
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes between them that no kept packet brought.
    pub unseen: u64,
    /// Bytes whose packets were copied without them.
    pub uncopied: u64,
    /// Bytes that came again as others: the first ones are shown.
    pub disputed: u64,
    /// Whether it is shown from its beginning.
    pub from_beginning: bool,
    /// Whether it is longer than [`FOLLOWED`] and goes on after what is shown.
    pub is_cut: bool,
}

/// What one packet brought, or what none did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// To whom.
    pub toward: Toward,
    /// The number of the packet; of a gap, that of the packet behind it, or else before it.
    pub packet: u64,
    /// When that came.
    pub at_ns: BootNs,
    /// The place of the first byte in its direction; without the beginning counted from the first
    /// that is known.
    pub offset: u64,
    /// The bytes, credentials blanked with `*`.
    pub bytes: Vec<u8>,
    /// How many bytes are missing here, and why.
    pub gap: Option<(u64, Gap)>,
}

fn facts(side: &TcpSide) -> EndFacts {
    let (mut unseen, mut uncopied) = (0, 0);
    for part in side.data().parts(side.from()) {
        match part {
            Part::Missing { len, why: Gap::Unseen, .. } => unseen += len,
            Part::Missing { len, why: Gap::Uncopied, .. } => uncopied += len,
            Part::Bytes { .. } => {}
        }
    }
    EndFacts {
        bytes: wide(side.data().bytes()),
        unseen,
        uncopied,
        disputed: side.data().disputed(),
        from_beginning: side.from() == From::Beginning,
        is_cut: side.data().is_full(),
    }
}

/// Both directions in the order of their packets. What came late stands where it belongs.
fn merge(client: &Side, server: &Side, marks: &[Mark]) -> Vec<Said> {
    let mut said = Vec::with_capacity(client.parts.len() + server.parts.len());
    let mut both = [
        (client, Toward::Server, client.ordered().peekable()),
        (server, Toward::Client, server.ordered().peekable()),
    ];
    loop {
        let next = both.iter_mut().filter_map(|(side, toward, parts)| {
            let order = parts.peek()?.0;
            Some((order, *side, *toward, parts))
        });
        let Some((order, side, toward, parts)) = next.min_by_key(|it| it.0) else { return said };
        let Some((_, part)) = parts.next() else { return said };
        let Some(mark) = marks.get(order) else { return said };
        said.push(Said {
            toward,
            packet: mark.seq,
            at_ns: mark.at_ns,
            offset: part.at.saturating_sub(side.start),
            bytes: part.shown.clone(),
            gap: part.gap,
        });
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
