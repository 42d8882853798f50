use proptest::prelude::*;

use super::*;

/// A client's Initial packet around these CRYPTO frames, as RFC 9001 protects it.
fn initial(key_id: &[u8], to: &[u8], number: u8, frames: &[u8], sender: Sender) -> Vec<u8> {
    let keys = keys(VERSION_1, key_id, sender).unwrap();
    let mut packet = vec![0xc0];
    packet.extend_from_slice(&VERSION_1.to_be_bytes());
    packet.push(u8::try_from(to.len()).unwrap());
    packet.extend_from_slice(to);
    packet.extend_from_slice(&[3, 7, 8, 9, 0]);
    let len = u16::try_from(1 + frames.len() + keys.packet.tag_len()).unwrap() | 0x4000;
    packet.extend_from_slice(&len.to_be_bytes());
    packet.push(number);
    let head = packet.len();
    packet.extend_from_slice(frames);
    let (header, body) = packet.split_at_mut(head);
    let tag = keys.packet.encrypt_in_place(u64::from(number), header, body).unwrap();
    packet.extend_from_slice(tag.as_ref());
    let sample = packet[head + 3..head + 3 + keys.header.sample_len()].to_vec();
    let (header, _) = packet.split_at_mut(head);
    let (first, rest) = header.split_first_mut().unwrap();
    let at = rest.len() - 1;
    keys.header.encrypt_in_place(&sample, first, &mut rest[at..]).unwrap();
    packet
}

fn crypto(at: u16, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![6];
    frame.extend_from_slice(&(at | 0x4000).to_be_bytes());
    frame.extend_from_slice(&(u16::try_from(bytes.len()).unwrap() | 0x4000).to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

const ID: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn keys_are_those_of_the_rfcs_example() {
    // RFC 9001, appendix A.2: header protection of the client's first packet.
    let keys = keys(VERSION_1, &[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08], Sender::Client);
    let sample = [
        0xd1, 0xb1, 0xc9, 0x8d, 0xd7, 0x68, 0x9f, 0xb8, 0xec, 0x11, 0xd2, 0x42, 0xb1, 0x23, 0xdc,
        0x9b,
    ];
    let (mut first, mut number) = (0xc3, [0, 0, 0, 2]);
    keys.unwrap().header.encrypt_in_place(&sample, &mut first, &mut number).unwrap();
    assert_eq!((first, number), (0xc0, [0x7b, 0x9a, 0xec, 0x34]));
}

#[test]
fn frames_are_read_in_any_order_between_others() {
    let mut frames = vec![0, 0, 0, 1];
    frames.extend(crypto(3, b"defg"));
    // An acknowledgement with one more range.
    frames.extend([2, 5, 0, 1, 0, 0, 1]);
    frames.extend(crypto(0, b"abc"));
    frames.extend([0; 40]);
    let packet = initial(ID, ID, 0, &frames, Sender::Client);
    let opened = open(&packet, None, Sender::Client).unwrap();
    assert_eq!((opened.front().as_slice(), &*opened.key_id), (&b"abcdefg"[..], ID));
    assert_eq!(open(&packet, Some(b"another"), Sender::Client), None);
    assert_eq!(open(&packet, None, Sender::Server), None);
    let answer = initial(ID, b"", 1, &frames, Sender::Server);
    assert_eq!(open(&answer, Some(ID), Sender::Server).unwrap().front(), b"abcdefg");
    let cut = &packet[..packet.len() - 1];
    assert_eq!(open(cut, None, Sender::Client), None, "it cannot be authenticated");
    assert!(in_one_line(cut, 1200).unwrap().0.starts_with("Initial (version 0x1), 1200 bytes"));
}

#[test]
fn packets_of_one_datagram_are_all_named() {
    let mut datagram = initial(ID, ID, 0, &[1; 60], Sender::Client);
    // A Handshake packet of 4 bytes, then one with a short header.
    datagram.extend([0xe0, 0, 0, 0, 1, 0, 0, 4, 9, 9, 9, 9]);
    datagram.extend([0x40; 30]);
    let (info, initial) = in_one_line(&datagram, datagram.len()).unwrap();
    let want = format!("Initial + Handshake (version 0x1), {} bytes", datagram.len());
    assert_eq!((info, initial.unwrap().parts.len()), (want, 0));
    assert_eq!(layers(&datagram, 28).len(), 2);
}

proptest! {
    #[test]
    fn hostile_frames_and_datagrams_are_read_within_limits(
        frames in prop::collection::vec(any::<u8>(), 20..300),
        noise in prop::collection::vec(any::<u8>(), 0..80),
        at in any::<usize>(),
    ) {
        let mut packet = initial(ID, ID, 0, &frames, Sender::Client);
        let opened = open(&packet, None, Sender::Client).expect("the keys are right");
        prop_assert!(opened.parts.len() <= FRAMES_MAX && opened.front().len() <= HELLO.bytes_max);
        let at = at % packet.len();
        packet.splice(at.., noise);
        let _ = in_one_line(&packet, 1200);
        let _ = layers(&packet, 28);
    }
}
