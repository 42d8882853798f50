//! A stream put together from pieces that come in any order, more than once, in part or not at all.
//!
//! Where two pieces tell different bytes for one place, the first is kept and the place is counted
//! as disputed. What no packet brought, and what a packet had but the copy of it did not, are gaps
//! of their own kinds. Nothing grows past [`Limits`].

use std::{collections::BTreeMap, ops::Range};

/// How much of a stream is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub bytes_max: usize,
    /// Pieces, and ranges of what was seen; a stream in order has one piece for each packet.
    pub pieces_max: usize,
}

/// Why bytes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// No packet with them was seen.
    Unseen,
    /// Their packet was seen, but its copy ends before them.
    Uncopied,
}

/// A part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes, and the mark of the packet that brought them first.
    Bytes {
        /// The place of the first one in the stream.
        at: u64,
        /// They themselves.
        bytes: &'a [u8],
        /// What [`Assembler::insert`] was given with them.
        mark: u64,
    },
    /// Bytes that are not there.
    Missing {
        /// The place of the first one in the stream.
        at: u64,
        /// How many.
        len: u64,
        /// Why.
        why: Gap,
    },
}

#[derive(Clone, Debug)]
struct Piece {
    bytes: Box<[u8]>,
    mark: u64,
}

impl Piece {
    fn len(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }
}

/// The pieces of a stream by their places.
#[derive(Clone, Debug)]
pub struct Assembler {
    limits: Limits,
    /// By the place of their first byte; they do not overlap.
    pieces: BTreeMap<u64, Piece>,
    /// What packets brought, copied or not: ends by beginnings; they neither overlap nor touch.
    seen: BTreeMap<u64, u64>,
    bytes: usize,
    disputed: u64,
    is_full: bool,
}

impl Assembler {
    /// A stream of which nothing is known.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            pieces: BTreeMap::new(),
            seen: BTreeMap::new(),
            bytes: 0,
            disputed: 0,
            is_full: false,
        }
    }

    /// Takes in the bytes of a packet, which begin at place `at` and were `on_wire` many, of which
    /// the first are `captured`. `mark` is given back with those that were not known before.
    pub fn insert(&mut self, at: u64, captured: &[u8], on_wire: u64, mark: u64) {
        let end = at.saturating_add(on_wire);
        if self.is_full || end <= at || !self.note_seen(at, end) {
            return;
        }
        let count = usize::try_from(on_wire).unwrap_or(usize::MAX).min(captured.len());
        let captured = captured.get(..count).unwrap_or_default();
        for fresh in self.unknown(at, captured) {
            let bytes = captured.get(fresh.clone()).unwrap_or_default();
            let is_over = self.bytes + bytes.len() > self.limits.bytes_max
                || self.pieces.len() >= self.limits.pieces_max;
            if is_over {
                self.is_full = true;
                return;
            }
            self.bytes += bytes.len();
            self.pieces.insert(at + wide(fresh.start), Piece { bytes: bytes.into(), mark });
        }
    }

    /// Which of the captured bytes are news. Those that are not are compared.
    fn unknown(&mut self, at: u64, captured: &[u8]) -> Vec<Range<usize>> {
        let end = at.saturating_add(wide(captured.len()));
        let before = self.pieces.range(..=at).next_back();
        let first = before.filter(|(start, piece)| **start + piece.len() > at);
        let first = first.map_or(at, |(start, _)| *start);
        let (mut fresh, mut from) = (Vec::new(), at);
        for (start, piece) in self.pieces.range(first..end) {
            if *start > from {
                fresh.push(index(from - at)..index(start - at));
            }
            let (lap, lap_end) = ((*start).max(at), (start + piece.len()).min(end));
            let known = piece.bytes.get(index(lap - start)..index(lap_end - start));
            let told = captured.get(index(lap - at)..index(lap_end - at));
            let pairs = known.unwrap_or_default().iter().zip(told.unwrap_or_default());
            self.disputed += wide(pairs.filter(|(known, told)| known != told).count());
            from = lap_end;
        }
        if from < end {
            fresh.push(index(from - at)..captured.len());
        }
        fresh
    }

    /// Adds to what was seen; false when that would be too many ranges.
    fn note_seen(&mut self, mut at: u64, mut end: u64) -> bool {
        if let Some((&start, &known)) = self.seen.range(..=at).next_back()
            && known >= at
        {
            at = start;
            end = end.max(known);
        }
        while let Some((&start, &known)) = self.seen.range(at..=end).next() {
            end = end.max(known);
            self.seen.remove(&start);
        }
        if self.seen.len() >= self.limits.pieces_max {
            self.is_full = true;
        }
        self.seen.insert(at, end);
        !self.is_full
    }

    /// The bytes from a place on, to the first gap.
    #[must_use]
    pub fn run(&self, mut at: u64) -> Vec<u8> {
        let mut run = Vec::new();
        while let Some(piece) = self.pieces.get(&at) {
            run.extend_from_slice(&piece.bytes);
            at += piece.len();
        }
        run
    }

    /// Whether the byte at a place will not come any more, as far as can be told: its packet was
    /// copied without it, or nothing more is taken in.
    #[must_use]
    pub fn is_lost(&self, at: u64) -> bool {
        let uncopied = matches!(self.part_at(at), Some(Part::Missing { why: Gap::Uncopied, .. }));
        uncopied || self.is_full
    }

    /// All of it in order, to the last byte that was seen.
    pub fn parts(&self, from: From) -> impl Iterator<Item = Part<'_>> {
        let first = self.seen.keys().next().copied().unwrap_or_default();
        let mut at = match from {
            From::Beginning => 0,
            From::FirstSeen => first,
        };
        std::iter::from_fn(move || {
            let part = self.part_at(at)?;
            at += match part {
                Part::Bytes { bytes, .. } => wide(bytes.len()),
                Part::Missing { len, .. } => len,
            };
            Some(part)
        })
    }

    fn part_at(&self, at: u64) -> Option<Part<'_>> {
        if let Some(piece) = self.pieces.get(&at) {
            return Some(Part::Bytes { at, bytes: &piece.bytes, mark: piece.mark });
        }
        let next_piece = self.pieces.range(at..).next().map(|it| *it.0);
        let range = self.seen.range(..=at).next_back().filter(|it| *it.1 > at);
        let (why, next) = match range {
            Some((_, end)) => (Gap::Uncopied, Some(*end)),
            None => (Gap::Unseen, self.seen.range(at..).next().map(|it| *it.0)),
        };
        let next = next?.min(next_piece.unwrap_or(u64::MAX));
        Some(Part::Missing { at, len: next - at, why })
    }

    /// The place after the last byte that was seen.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.seen.values().next_back().copied().unwrap_or_default()
    }

    /// Bytes that are kept.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes came again as others. The first ones are kept.
    #[must_use]
    pub const fn disputed(&self) -> u64 {
        self.disputed
    }

    /// Whether a limit was reached: nothing more is taken in since.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }
}

/// Where a stream is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Its beginning is known to be place 0.
    Beginning,
    /// What came before the first packet is of no interest.
    FirstSeen,
}

/// One direction of a TCP connection.
#[derive(Clone, Debug)]
pub struct TcpSide {
    data: Assembler,
    /// The sequence number of place 0.
    first: Option<u32>,
    /// Whether that is the number after the SYN's.
    from_syn: bool,
}

/// The place of the first segment where the beginning was not seen: what is sent again from before
/// it still has one.
const MIDDLE: u64 = 1 << 31;

impl TcpSide {
    /// A direction of which nothing was seen.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { data: Assembler::new(limits), first: None, from_syn: false }
    }

    /// Takes in a segment; `seq` is its header's number. A SYN takes one number of its own.
    pub fn insert(&mut self, seq: u32, is_syn: IsSyn, captured: &[u8], on_wire: u32, mark: u64) {
        let seq = seq.wrapping_add(u32::from(is_syn == IsSyn::Yes));
        if is_syn == IsSyn::Yes && self.first.is_none() {
            (self.first, self.from_syn) = (Some(seq), true);
        }
        if on_wire == 0 {
            return;
        }
        let first = *self.first.get_or_insert(seq.wrapping_sub(MIDDLE_SEQ));
        if let Some(at) = self.place(first, seq) {
            self.data.insert(at, captured, u64::from(on_wire), mark);
        }
    }

    /// The place of a number, the one nearest to what was seen; `None` for one before the beginning.
    fn place(&self, first: u32, seq: u32) -> Option<u64> {
        let near = match self.data.end() {
            0 if self.from_syn => 0,
            0 => MIDDLE,
            end => end,
        };
        let low = u32::try_from(near & u64::from(u32::MAX)).unwrap_or_default();
        let ahead = seq.wrapping_sub(first).wrapping_sub(low).cast_signed();
        near.checked_add_signed(i64::from(ahead))
    }

    /// The bytes from the beginning to the first gap; without the SYN, from the first segment that
    /// was seen.
    #[must_use]
    pub fn front(&self) -> Vec<u8> {
        self.data.run(self.start())
    }

    /// Whether [`Self::front`], which is `len` bytes now, cannot grow any more.
    #[must_use]
    pub fn is_stuck(&self, len: usize) -> bool {
        self.data.is_lost(self.start() + wide(len))
    }

    const fn start(&self) -> u64 {
        if self.from_syn { 0 } else { MIDDLE }
    }

    /// What it carried.
    #[must_use]
    pub const fn data(&self) -> &Assembler {
        &self.data
    }

    /// Where reading begins.
    #[must_use]
    pub const fn from(&self) -> From {
        if self.from_syn { From::Beginning } else { From::FirstSeen }
    }
}

/// [`MIDDLE`] as a distance of sequence numbers.
const MIDDLE_SEQ: u32 = 1 << 31;

/// Whether a segment opens its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsSyn {
    /// It has the SYN flag.
    Yes,
    /// It has not.
    No,
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A distance within one packet.
fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
