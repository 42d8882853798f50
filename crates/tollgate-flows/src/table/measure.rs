//! What packets tell of how a connection does: lost and repeated bytes, round trips, stalls, and the
//! rhythm of answers.

use std::collections::VecDeque;

use crate::{
    event::BootNs,
    packet::{TcpFacts, tcp::TcpFlags},
};

/// Gaps of one direction that can still be filled; of more, the oldest stays one.
pub(super) const HOLES_MAX: usize = 32;

/// What one end sends.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Packets that tear the connection down.
    pub(crate) resets: u64,
    /// Packets whose bytes had all been sent before.
    pub(crate) repeats: u64,
    /// The shortest time from data to its acknowledgement.
    pub(crate) rtt_min_ns: Option<u64>,
    /// How often it had no room for more.
    pub(crate) stalls: u64,
    /// How long that lasted, in all.
    pub(crate) stalled_ns: u64,
    /// Since when it has no room; `None` while it has.
    stalled_at_ns: Option<BootNs>,
    /// The number that follows the last one sent.
    next: Option<u32>,
    /// Bytes between those that were seen.
    holes: VecDeque<(u32, u32)>,
    /// Bytes of gaps that cannot be filled any more.
    lost: u64,
    /// The number whose acknowledgement is waited for, and since when.
    probe: Option<(u32, BootNs)>,
}

impl Measured {
    /// Notes a segment of this end. `seen` says on which side of the network.
    pub(super) fn sent(&mut self, at_ns: BootNs, tcp: &TcpFacts, payload_len: u32, seen: Seen) {
        self.resets += u64::from(tcp.flags.has(TcpFlags::RST));
        self.note_window(at_ns, tcp);
        let opens = tcp.flags.has(TcpFlags::SYN);
        let len = payload_len.wrapping_add(u32::from(opens));
        if len == 0 {
            return;
        }
        let end = tcp.seq.wrapping_add(len);
        let next = *self.next.get_or_insert(tcp.seq);
        let ahead = distance(next, tcp.seq);
        if ahead > 0 {
            self.open_hole(next, tcp.seq);
        } else if distance(next, end) <= 0 {
            self.repeats += u64::from(!self.fill(tcp.seq, end));
        } else {
            self.fill(tcp.seq, next);
        }
        if distance(next, end) > 0 {
            self.next = Some(end);
            if seen == Seen::Leaving && self.probe.is_none() {
                self.probe = Some((end, at_ns));
            }
        } else {
            // Which of the two copies will be acknowledged cannot be told (Karn's rule).
            self.probe = None;
        }
    }

    /// Notes that the other end has everything before a number.
    pub(super) fn acknowledged(&mut self, at_ns: BootNs, ack: u32) {
        let Some((end, since)) = self.probe else { return };
        if distance(end, ack) >= 0 {
            let took = at_ns.saturating_sub(since);
            self.rtt_min_ns = Some(self.rtt_min_ns.map_or(took, |it| it.min(took)));
            self.probe = None;
        }
    }

    fn note_window(&mut self, at_ns: BootNs, tcp: &TcpFacts) {
        let means_nothing = tcp.flags.has(TcpFlags::RST) || tcp.flags.has(TcpFlags::SYN);
        match self.stalled_at_ns {
            _ if means_nothing => {}
            None if tcp.window == 0 => {
                self.stalls += 1;
                self.stalled_at_ns = Some(at_ns);
            }
            Some(since) if tcp.window > 0 => {
                self.stalled_ns += at_ns.saturating_sub(since);
                self.stalled_at_ns = None;
            }
            None | Some(_) => {}
        }
    }

    /// Payload bytes that no packet brought, as far as numbers tell.
    pub(crate) fn missing(&self) -> u64 {
        let open = self.holes.iter().map(|(from, to)| u64::from(to.wrapping_sub(*from)));
        self.lost + open.sum::<u64>()
    }

    fn open_hole(&mut self, from: u32, to: u32) {
        if self.holes.len() == HOLES_MAX
            && let Some((from, to)) = self.holes.pop_front()
        {
            self.lost += u64::from(to.wrapping_sub(from));
        }
        self.holes.push_back((from, to));
    }

    /// Takes what came late out of the gaps; false when it was in none.
    fn fill(&mut self, from: u32, to: u32) -> bool {
        let mut filled = false;
        for (start, end) in std::mem::take(&mut self.holes) {
            let (lap, lap_end) = (later(start, from), earlier(end, to));
            if distance(lap, lap_end) <= 0 {
                self.holes.push_back((start, end));
                continue;
            }
            filled = true;
            for (from, to) in [(start, lap), (lap_end, end)] {
                if distance(from, to) > 0 && self.holes.len() < HOLES_MAX {
                    self.holes.push_back((from, to));
                } else {
                    self.lost += u64::from(to.wrapping_sub(from));
                }
            }
        }
        filled
    }
}

/// The side of the network on which a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// As it left a socket of this machine: what comes back has made the whole way.
    Leaving,
    /// As it arrived.
    Arriving,
}

/// How far `to` is ahead of `from`; sequence numbers wrap.
const fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

const fn later(a: u32, b: u32) -> u32 {
    if distance(a, b) > 0 { b } else { a }
}

const fn earlier(a: u32, b: u32) -> u32 {
    if distance(a, b) > 0 { a } else { b }
}

/// The rhythm in which answers come: the times between their packets.
#[derive(Debug, Default)]
pub(crate) struct Cadence {
    last_at_ns: Option<BootNs>,
    gaps: u64,
    sum_ns: u64,
    longest_ns: u64,
    /// When the client last said something, until it is answered.
    asked_at_ns: Option<BootNs>,
    first_byte_ns: Option<u64>,
}

impl Cadence {
    /// The client said something: what comes next is another answer.
    pub(super) fn asked(&mut self, at_ns: BootNs) {
        self.last_at_ns = None;
        self.asked_at_ns = Some(at_ns);
    }

    /// The server said something.
    pub(super) fn answered(&mut self, at_ns: BootNs) {
        if let Some(asked) = self.asked_at_ns.take() {
            self.first_byte_ns.get_or_insert(at_ns.saturating_sub(asked));
        }
        if let Some(last) = self.last_at_ns.replace(at_ns) {
            let gap = at_ns.saturating_sub(last);
            self.gaps += 1;
            self.sum_ns += gap;
            self.longest_ns = self.longest_ns.max(gap);
        }
    }

    /// How long the first answer was waited for, from the end of what was asked.
    pub(crate) fn first_byte_us(&self) -> Option<u64> {
        self.first_byte_ns.map(|it| it / 1_000)
    }

    /// The mean time between two packets of one answer.
    pub(crate) const fn mean_us(&self) -> Option<u64> {
        match self.sum_ns.checked_div(self.gaps) {
            Some(mean) => Some(mean / 1_000),
            None => None,
        }
    }

    /// The longest.
    pub(crate) fn longest_us(&self) -> Option<u64> {
        (self.gaps > 0).then_some(self.longest_ns / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(seq: u32) -> TcpFacts {
        TcpFacts { seq, window: 100, flags: TcpFlags::ACK, ..TcpFacts::default() }
    }

    /// Missing bytes and repeats after segments `(seq, len)`.
    fn check(segments: &[(u32, u32)], missing: u64, repeats: u64) {
        for first in [0_u32, u32::MAX - 6] {
            let mut end = Measured::default();
            for (seq, len) in segments {
                end.sent(0, &data(first.wrapping_add(*seq)), *len, Seen::Leaving);
            }
            assert_eq!((end.missing(), end.repeats), (missing, repeats), "{segments:?} {first}");
        }
    }

    #[test]
    fn gaps_are_counted_until_they_are_filled() {
        check(&[(0, 5), (5, 5)], 0, 0);
        check(&[(0, 5), (8, 2)], 3, 0);
        check(&[(0, 5), (8, 2), (5, 3)], 0, 0);
        check(&[(0, 5), (8, 2), (6, 1)], 2, 0);
        check(&[(0, 5), (8, 2), (4, 6)], 0, 0);
        check(&[(0, 5), (8, 2), (12, 1), (5, 20)], 0, 0);
        check(&[(0, 5), (0, 5), (2, 1)], 0, 2);
        check(&[(0, 5), (3, 5)], 0, 0);
        let many: Vec<(u32, u32)> = (0..100).map(|it| (it * 10, 1)).collect();
        check(&many, 99 * 9, 0);
    }

    #[test]
    fn the_shortest_round_trip_is_of_what_was_sent_once() {
        let mut end = Measured::default();
        end.sent(1_000, &data(1), 10, Seen::Leaving);
        end.acknowledged(5_000, 5);
        assert_eq!(end.rtt_min_ns, None, "not all of it");
        end.acknowledged(6_000, 11);
        end.sent(7_000, &data(11), 10, Seen::Leaving);
        end.acknowledged(9_000, 21);
        assert_eq!(end.rtt_min_ns, Some(2_000));
        end.sent(10_000, &data(21), 10, Seen::Leaving);
        end.sent(10_500, &data(21), 10, Seen::Leaving);
        end.acknowledged(10_600, 31);
        assert_eq!(end.rtt_min_ns, Some(2_000), "it was sent twice");
        let mut far = Measured::default();
        far.sent(0, &data(1), 10, Seen::Arriving);
        far.acknowledged(100, 11);
        assert_eq!(far.rtt_min_ns, None, "that is how quick this machine is");
    }

    #[test]
    fn a_stall_lasts_until_there_is_room_again() {
        let mut end = Measured::default();
        let window = |window, flags| TcpFacts { window, flags, ..TcpFacts::default() };
        end.sent(100, &window(0, TcpFlags::ACK), 0, Seen::Leaving);
        end.sent(200, &window(0, TcpFlags::ACK), 0, Seen::Leaving);
        assert_eq!((end.stalls, end.stalled_ns), (1, 0));
        end.sent(350, &window(9, TcpFlags::ACK), 0, Seen::Leaving);
        end.sent(400, &window(0, TcpFlags::RST), 0, Seen::Leaving);
        assert_eq!((end.stalls, end.stalled_ns, end.resets), (1, 250, 1));
    }

    #[test]
    fn the_rhythm_is_of_answers_and_not_of_the_pauses_between_them() {
        let mut cadence = Cadence::default();
        assert_eq!((cadence.mean_us(), cadence.longest_us()), (None, None));
        cadence.asked(0);
        cadence.asked(5_000);
        for at in [30_000, 40_000, 60_000] {
            cadence.answered(at);
        }
        cadence.asked(1_000_000);
        cadence.answered(1_200_000);
        cadence.answered(1_203_000);
        assert_eq!(
            cadence.first_byte_us(),
            Some(25),
            "the first answer, from the end of the question"
        );
        assert_eq!((cadence.mean_us(), cadence.longest_us()), (Some(11), Some(20)));
    }
}
