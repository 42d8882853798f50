//! One direction of a connection: its parts in order, as they were and as they are shown.

use std::ops::Range;

use super::wide;
use crate::{
    packet::{self, secrets::Stream},
    reassembly::{From, Gap, Part, TcpSide},
};

/// What one packet brought of a direction, or a gap.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) at: u64,
    pub(super) len: u64,
    /// As it was.
    pub(super) raw: Vec<u8>,
    /// With credentials blanked.
    pub(super) shown: Vec<u8>,
    pub(super) gap: Option<(u64, Gap)>,
    /// Which packet.
    mark: Option<usize>,
}

/// Bytes without a gap.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) at: u64,
    pub(super) raw: Vec<u8>,
    shown: Vec<u8>,
}

impl Run {
    fn end(&self) -> u64 {
        self.at + wide(self.raw.len())
    }
}

#[derive(Debug)]
pub(super) struct Side {
    pub(super) parts: Vec<Piece>,
    pub(super) runs: Vec<Run>,
    /// The place of the first part.
    pub(super) start: u64,
}

impl Side {
    pub(super) fn new(side: &TcpSide, is_encrypted: bool) -> Self {
        let mut parts: Vec<Piece> = side.data().parts(side.from()).map(Piece::new).collect();
        if !is_encrypted {
            blank(&mut parts, side.from());
        }
        let mut runs: Vec<Run> = Vec::new();
        for part in parts.iter().filter(|it| it.gap.is_none()) {
            match runs.last_mut() {
                Some(run) if run.end() == part.at => {
                    run.raw.extend_from_slice(&part.raw);
                    run.shown.extend_from_slice(&part.shown);
                }
                Some(_) | None => {
                    runs.push(Run {
                        at: part.at,
                        raw: part.raw.clone(),
                        shown: part.shown.clone(),
                    });
                }
            }
        }
        let start = parts.first().map_or(0, |it| it.at);
        Self { parts, runs, start }
    }

    /// The parts with the packet that each belongs to: never an earlier one than the part before.
    pub(super) fn ordered(&self) -> impl Iterator<Item = (usize, &Piece)> {
        let mut last = 0;
        self.parts.iter().enumerate().map(move |(at, part)| {
            let next = || self.parts.iter().skip(at).find_map(|it| it.mark);
            last = part.mark.or_else(next).unwrap_or(last).max(last);
            (last, part)
        })
    }

    /// The packet that brought the byte at a place.
    pub(super) fn mark(&self, at: u64) -> Option<usize> {
        let after = self.parts.partition_point(|it| it.at <= at);
        let upto = self.parts.get(..after).unwrap_or_default();
        upto.iter().rev().find_map(|it| it.mark)
    }

    /// Where the part ends that the byte at a place is in.
    pub(super) fn packet_end(&self, at: u64) -> u64 {
        let after = self.parts.partition_point(|it| it.at <= at);
        self.parts.get(after).map_or_else(|| self.end(), |it| it.at)
    }

    fn run(&self, at: u64) -> Option<&Run> {
        let after = self.runs.partition_point(|it| it.at <= at);
        self.runs.get(after.checked_sub(1)?).filter(|it| it.end() > at)
    }

    /// The bytes from a place on to the next gap, as they were; empty where the place is in one.
    pub(super) fn rest(&self, at: u64) -> &[u8] {
        let rest = self.run(at).and_then(|run| run.raw.get(index(at - run.at)..));
        rest.unwrap_or_default()
    }

    /// The first run that begins behind a place.
    pub(super) fn next_run(&self, at: u64) -> Option<&Run> {
        self.runs.get(self.runs.partition_point(|it| it.at <= at))
    }

    /// Whatever is shown of a range, run by run, with the places.
    pub(super) fn shown(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &[u8])> {
        let first = self.runs.partition_point(|it| it.end() <= range.start);
        let runs = self.runs.get(first..).unwrap_or_default();
        let end = range.end;
        runs.iter().take_while(move |it| it.at < end).filter_map(move |run| {
            let from = run.at.max(range.start);
            let to = run.end().min(end);
            Some((from, run.shown.get(index(from - run.at)..index(to - run.at))?))
        })
    }

    /// The place behind the last byte that is known of.
    pub(super) fn end(&self) -> u64 {
        self.parts.last().map_or(0, |it| it.at + it.len)
    }
}

impl Piece {
    fn new(part: Part<'_>) -> Self {
        match part {
            Part::Bytes { at, bytes, mark } => Self {
                at,
                len: wide(bytes.len()),
                raw: bytes.to_vec(),
                shown: bytes.to_vec(),
                gap: None,
                mark: usize::try_from(mark).ok(),
            },
            Part::Missing { at, len, why } => Self {
                at,
                len,
                raw: Vec::new(),
                shown: Vec::new(),
                gap: Some((len, why)),
                mark: None,
            },
        }
    }
}

/// Blanks credentials.
fn blank(parts: &mut [Piece], from: From) {
    let mut stream = Stream::new();
    if from == From::Beginning {
        stream.begin(0);
    }
    for at in 0..parts.len() {
        let cut = parts.get(at + 1).and_then(|it| it.gap).filter(|it| it.1 == Gap::Uncopied);
        let Some(part) = parts.get_mut(at).filter(|it| it.gap.is_none()) else { continue };
        let on_wire = part.len.saturating_add(cut.map_or(0, |it| it.0));
        let on_wire = u32::try_from(on_wire).unwrap_or(u32::MAX);
        // Places as the numbers they are on the wire: they wrap.
        let number = u32::try_from(part.at & u64::from(u32::MAX)).unwrap_or_default();
        let found = stream.take(number, &part.raw, on_wire);
        packet::blank(&mut part.shown, &found);
    }
}

fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}
