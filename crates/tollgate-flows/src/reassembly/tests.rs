use proptest::prelude::*;

use super::*;

const WIDE: Limits = Limits { bytes_max: 1 << 20, pieces_max: 4_096 };

/// A stream in words: its bytes, `_` for one that was not seen and `?` for one that was not copied.
fn shown(data: &Assembler, from: From) -> String {
    let mut text = String::new();
    for part in data.parts(from) {
        match part {
            Part::Bytes { bytes, .. } => text.push_str(&String::from_utf8_lossy(bytes)),
            Part::Missing { len, why, .. } => {
                let sign = if why == Gap::Unseen { "_" } else { "?" };
                text.push_str(&sign.repeat(index(len)));
            }
        }
    }
    text
}

fn check(pieces: &[(u64, &str, u64)], want: &str, disputed: u64) {
    let mut data = Assembler::new(WIDE);
    for (mark, (at, captured, on_wire)) in (1..).zip(pieces) {
        data.insert(*at, captured.as_bytes(), *on_wire, mark);
    }
    assert_eq!((shown(&data, From::Beginning).as_str(), data.disputed()), (want, disputed));
    assert_eq!(data.end(), wide(want.len()));
}

#[test]
fn pieces_find_their_places_and_what_is_missing_is_marked() {
    check(&[(0, "abc", 3), (3, "def", 3)], "abcdef", 0);
    check(&[(3, "def", 3), (0, "abc", 3)], "abcdef", 0);
    check(&[(4, "ef", 2), (0, "ab", 2), (2, "cd", 2)], "abcdef", 0);
    check(&[(0, "ab", 2), (4, "ef", 2)], "ab__ef", 0);
    check(&[(2, "c", 1)], "__c", 0);
    check(&[(0, "ab", 4), (4, "ef", 2)], "ab??ef", 0);
    check(&[(0, "", 2), (4, "e", 3)], "??__e??", 0);
    // What the copy left out may come again in full.
    check(&[(0, "ab", 6), (4, "ef", 2), (2, "cd", 2)], "abcdef", 0);
    check(&[(0, "", 0)], "", 0);
}

#[test]
fn the_first_of_two_that_overlap_wins_and_a_disagreement_is_counted() {
    check(&[(0, "abc", 3), (0, "abc", 3)], "abc", 0);
    check(&[(0, "abc", 3), (0, "xbc", 3)], "abc", 1);
    check(&[(0, "abc", 3), (1, "bcd", 3)], "abcd", 0);
    check(&[(2, "cd", 2), (0, "abXXe", 5)], "abcde", 2);
    check(&[(1, "b", 1), (3, "d", 1), (5, "f", 1), (0, "ABCDEFG", 7)], "AbCdEfG", 3);
    check(&[(0, "abcdef", 6), (2, "c", 1)], "abcdef", 0);
}

#[test]
fn nothing_grows_past_its_limits_and_says_so() {
    let mut data = Assembler::new(Limits { bytes_max: 4, pieces_max: 100 });
    data.insert(0, b"abc", 3, 1);
    assert!(!data.is_full());
    data.insert(3, b"de", 2, 2);
    assert!(data.is_full());
    data.insert(3, b"d", 1, 3);
    assert_eq!((data.bytes(), data.run(0).as_slice()), (3, &b"abc"[..]));
    let mut data = Assembler::new(Limits { bytes_max: 100, pieces_max: 3 });
    for at in 0..10 {
        data.insert(at * 5, b"x", 1, 1);
    }
    assert!(data.is_full() && data.bytes() == 3);
    data.insert(u64::MAX - 1, b"abc", 3, 1);
}

fn side(segments: &[(u32, IsSyn, &str)]) -> TcpSide {
    let mut side = TcpSide::new(WIDE);
    for (seq, is_syn, text) in segments {
        side.insert(*seq, *is_syn, text.as_bytes(), u32::try_from(text.len()).unwrap(), 1);
    }
    side
}

#[test]
fn sequence_numbers_become_places_also_where_they_wrap() {
    let check = |segments: &[(u32, IsSyn, &str)], want: &str| {
        let side = side(segments);
        assert_eq!(shown(side.data(), side.from()), want);
    };
    check(&[(7, IsSyn::Yes, ""), (8, IsSyn::No, "ab"), (10, IsSyn::No, "cd")], "abcd");
    check(&[(7, IsSyn::Yes, ""), (10, IsSyn::No, "cd"), (8, IsSyn::No, "ab")], "abcd");
    check(&[(7, IsSyn::Yes, ""), (10, IsSyn::No, "cd")], "__cd");
    check(&[(7, IsSyn::Yes, "ab"), (10, IsSyn::No, "c")], "abc");
    check(
        &[(u32::MAX - 1, IsSyn::Yes, ""), (u32::MAX, IsSyn::No, "ab"), (1, IsSyn::No, "cd")],
        "abcd",
    );
    // The SYN was not seen.
    check(&[(u32::MAX, IsSyn::No, "ab"), (1, IsSyn::No, "cd")], "abcd");
    check(&[(5, IsSyn::No, "cd"), (3, IsSyn::No, "ab")], "abcd");
    // From before the beginning: not this connection's.
    check(&[(7, IsSyn::Yes, ""), (1, IsSyn::No, "xx"), (8, IsSyn::No, "ab")], "ab");
    check(&[(7, IsSyn::Yes, ""), (7, IsSyn::Yes, ""), (8, IsSyn::No, "ab")], "ab");
}

#[test]
fn a_stream_longer_than_the_sequence_numbers_goes_on() {
    let mut side = TcpSide::new(WIDE);
    side.insert(0, IsSyn::Yes, b"", 0, 0);
    let mut seq = 1_u32;
    for mark in 0..12 {
        side.insert(seq, IsSyn::No, b"x", 1 << 30, mark);
        seq = seq.wrapping_add(1 << 30);
    }
    assert_eq!(side.data().end(), 12 << 30);
    assert_eq!(side.data().bytes(), 12);
}

proptest! {
    #[test]
    fn any_order_of_a_streams_pieces_gives_the_stream(
        text in "[a-z]{1,200}",
        cuts in prop::collection::vec((0_usize..200, 1_usize..40, 0_usize..40), 0..60),
        first in any::<u32>(),
    ) {
        let mut side = TcpSide::new(WIDE);
        side.insert(first, IsSyn::Yes, b"", 0, 0);
        let bytes = text.as_bytes();
        let mut have = vec![false; bytes.len()];
        for (at, len, captured) in cuts {
            let at = at % bytes.len();
            let end = (at + len).min(bytes.len());
            let cut = (at + captured).min(end);
            have[at..cut].fill(true);
            let seq = first.wrapping_add(1).wrapping_add(u32::try_from(at).unwrap());
            side.insert(seq, IsSyn::No, &bytes[at..cut], u32::try_from(end - at).unwrap(), 1);
        }
        let shown = shown(side.data(), side.from());
        prop_assert_eq!(side.data().disputed(), 0);
        prop_assert_eq!(wide(shown.len()), side.data().end());
        for (at, it) in shown.bytes().enumerate() {
            prop_assert_eq!(have[at], it == bytes[at], "{} at {}", shown, at);
        }
    }

    #[test]
    fn hostile_pieces_stay_within_the_limits(
        pieces in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..60), any::<u32>(), any::<bool>()), 0..80),
    ) {
        let limits = Limits { bytes_max: 500, pieces_max: 20 };
        let mut side = TcpSide::new(limits);
        for (seq, captured, on_wire, syn) in pieces {
            let is_syn = if syn { IsSyn::Yes } else { IsSyn::No };
            side.insert(seq, is_syn, &captured, on_wire, 1);
            let data = side.data();
            prop_assert!(data.bytes() <= limits.bytes_max && data.pieces.len() <= limits.pieces_max);
            prop_assert!(data.seen.len() <= limits.pieces_max + 1);
            let mut end = None;
            for part in data.parts(side.from()) {
                let (at, len) = match part {
                    Part::Bytes { at, bytes, .. } => (at, wide(bytes.len())),
                    Part::Missing { at, len, .. } => (at, len),
                };
                prop_assert!(len > 0 && end.is_none_or(|it| it == at));
                end = Some(at + len);
            }
            prop_assert!(end.is_none_or(|it| it == data.end()));
        }
    }
}
