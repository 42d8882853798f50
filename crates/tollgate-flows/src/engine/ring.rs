//! The last packets, bounded in number and in bytes.

use std::{collections::VecDeque, net::SocketAddr, ops::Range};

use tollgate_core::SocketCookie;

use crate::{
    event::{BootNs, Direction, TcpFigures},
    packet::Protocol,
    row::FlowId,
};

/// A packet that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) at_ns: BootNs,
    pub(super) flow: FlowId,
    pub(super) cookie: SocketCookie,
    pub(super) netns: u64,
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) len: u32,
    pub(super) payload_len: u32,
    pub(super) ifindex: u32,
    pub(super) mark: u32,
    pub(super) hash: u32,
    pub(super) uid: Option<u32>,
    pub(super) tcp: Option<TcpFigures>,
    pub(super) gso_size: u16,
    pub(super) gso_segs: u16,
    pub(super) direction: Direction,
    pub(super) protocol: Protocol,
    pub(super) transport: Protocol,
    /// See [`Placed::secrets`](crate::table::Placed::secrets).
    pub(super) secrets: Box<[Range<usize>]>,
    /// See [`Placed::turn_at_ns`](crate::table::Placed::turn_at_ns).
    pub(super) turn_at_ns: BootNs,
    /// Which end of the flow sent it, by what was known then.
    pub(super) sender: u8,
    pub(super) info: Box<str>,
    pub(super) raw: Box<[u8]>,
}

impl Kept {
    const fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.info.len()
            + self.raw.len()
            + size_of_val::<[Range<usize>]>(&self.secrets)
    }
}

/// Packets by number; the oldest go first.
#[derive(Debug)]
pub(super) struct Ring {
    packets: VecDeque<Kept>,
    /// The number of the first packet in `packets`.
    first: u64,
    bytes: usize,
    packets_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(super) const fn new(packets_max: usize, bytes_max: usize) -> Self {
        Self { packets: VecDeque::new(), first: 1, bytes: 0, packets_max, bytes_max }
    }

    pub(super) fn push(&mut self, kept: Kept) {
        self.bytes += kept.bytes();
        self.packets.push_back(kept);
        while self.packets.len() > self.packets_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.packets.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.first += 1;
        }
    }

    /// Forgets every packet; the numbers go on.
    pub(super) fn clear(&mut self) {
        self.first = self.next();
        self.packets.clear();
        self.bytes = 0;
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Kept> {
        let at = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.packets.get(at)
    }

    /// The packets after number `seq`, oldest first.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = (u64, &Kept)> {
        let skipped = seq.saturating_add(1).saturating_sub(self.first);
        let from = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.packets.len());
        let numbers = self.first.max(seq.saturating_add(1))..self.next();
        numbers.zip(self.packets.range(from..))
    }

    /// The packets before number `seq`, newest first.
    pub(super) fn before(&self, seq: u64) -> impl Iterator<Item = (u64, &Kept)> {
        let end = seq.clamp(self.first, self.next());
        let count = usize::try_from(end - self.first).unwrap_or(usize::MAX);
        let packets = self.packets.range(..count.min(self.packets.len()));
        (self.first..end).rev().zip(packets.rev())
    }

    /// The number of the oldest packet, were there one.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next packet gets.
    pub(super) fn next(&self) -> u64 {
        self.first + u64::try_from(self.packets.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
