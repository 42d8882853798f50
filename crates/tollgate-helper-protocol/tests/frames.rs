//! What root parses: nothing a client sends makes it panic, grow or accept half a message.

use std::io::Cursor;
use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use tollgate_helper_protocol::event::{
    Direction, Established, Executed, Lost, LostCause, Owner, Packet, Protocol, Role, Snap,
    TcpBrief, TcpInfo, TcpState, Via,
};
use tollgate_helper_protocol::frame::{
    self, FRAME_BYTES_MAX, FrameError, Frames, REQUEST_BYTES_MAX,
};
use tollgate_helper_protocol::reply::{Refusal, RefusalCode};
use tollgate_helper_protocol::request::{
    COOKIES_MAX, Capture, GATEWAY_PORTS_MAX, Payload, REMOTE_PORTS_MAX, Scope, SnapTier, UIDS_MAX,
};
use tollgate_helper_protocol::{
    Call, Event, Message, PROTOCOL_VERSION, Process, Reply, Request, Topic,
};

fn capture() -> impl Strategy<Value = Capture> {
    (
        prop_oneof![Just(Scope::LlmTraffic), Just(Scope::Everything)],
        prop::collection::vec(any::<u16>(), 0..=GATEWAY_PORTS_MAX),
        prop::collection::vec(any::<u16>(), 0..=REMOTE_PORTS_MAX),
        prop::collection::vec(any::<u32>(), 0..=UIDS_MAX),
        prop::collection::vec(any::<u64>(), 0..=COOKIES_MAX),
        prop_oneof![Just(SnapTier::Headers), Just(SnapTier::Start), Just(SnapTier::Payload)],
        prop_oneof![Just(Payload::Copied), Just(Payload::Withheld)],
    )
        .prop_map(|(scope, gateway_ports, remote_ports, uids, cookies, snap, payload)| {
            Capture { scope, gateway_ports, remote_ports, uids, cookies, snap, payload }
        })
}

fn call() -> impl Strategy<Value = Call> {
    let topic = prop_oneof![Just(Topic::Packets), Just(Topic::Sockets), Just(Topic::Processes)];
    let request = prop_oneof![
        (any::<u16>(), ".{0,16}").prop_map(|(version, client)| Request::Hello { version, client }),
        Just(Request::Status),
        prop::collection::vec(topic, 0..4).prop_map(Request::Subscribe),
        capture().prop_map(Request::SetCapture),
        Just(Request::Snapshot),
        Just(Request::Ping),
    ];
    (any::<u32>(), request).prop_map(|(id, request)| Call { id, request })
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn event() -> impl Strategy<Value = Event> {
    let packet = (
        any::<(u64, u64, Option<u32>, Option<u64>, u32, u32)>(),
        any::<(u32, u32, u32, Option<u32>, Option<(u32, u32)>)>(),
        prop::collection::vec(any::<u8>(), 0..1536),
    )
        .prop_map(|((at_ns, cookie, uid, netns, ifindex, len), rest, snap)| {
            let (gso_size, gso_segs, mark, hash, tcp) = rest;
            Event::Packet(Packet {
                at_ns,
                cookie,
                uid,
                netns,
                ifindex,
                direction: Direction::Egress,
                len,
                gso_size,
                gso_segs,
                mark,
                hash,
                tcp: tcp.map(|(srtt_us, snd_cwnd)| TcpBrief {
                    srtt_us,
                    snd_cwnd,
                    retransmits: 0,
                    state: TcpState::from_linux(1),
                }),
                snap: Snap(snap),
            })
        });
    let owner = (any::<(u64, u64, u32, u64, u16)>(), ".{0,15}", prop::option::of(address()))
        .prop_map(|((at_ns, cookie, uid, cgroup_id, other), comm, remote)| {
            Event::Owner(Owner {
                at_ns,
                cookie,
                netns: None,
                process: Process { pid: uid, started_at_ns: at_ns },
                uid,
                cgroup_id,
                comm,
                via: Via::Connect,
                protocol: Protocol::Other(other),
                local: None,
                remote,
            })
        });
    let established = (address(), address(), any::<(u64, u64)>()).prop_map(
        |(local, remote, (at_ns, bytes_acked))| {
            Event::Established(Established {
                at_ns,
                cookie: 7,
                uid: Some(1000),
                netns: Some(1),
                role: Role::Passive,
                local,
                remote,
                tcp: TcpInfo { bytes_acked, ..TcpInfo::default() },
            })
        },
    );
    let executed = (prop::option::of(prop::collection::vec(".{0,20}", 0..5)), any::<bool>())
        .prop_map(|(argv, argv_cut)| {
            Event::Executed(Executed {
                at_ns: 1,
                process: Process { pid: 2, started_at_ns: 3 },
                parent: None,
                uid: 4,
                cgroup_id: 5,
                comm: "x".to_owned(),
                filename: None,
                argv,
                argv_cut,
            })
        });
    let lost = any::<u64>()
        .prop_map(|count| Event::Lost(Lost { count, cause: LostCause::SlowReaderPackets }));
    prop_oneof![packet, owner, established, executed, lost]
}

proptest! {
    #[test]
    fn a_call_survives_the_trip_and_fits_what_root_reads(call in call()) {
        let mut bytes = Vec::new();
        frame::encode(&call, &mut bytes).unwrap();
        prop_assert!(bytes.len() - 4 <= REQUEST_BYTES_MAX);
        let back = frame::read::<Call>(&mut Cursor::new(&bytes), REQUEST_BYTES_MAX).unwrap();
        prop_assert_eq!(back, Some(call));
    }

    #[test]
    fn events_survive_the_trip_in_whatever_pieces(
        events in prop::collection::vec(event(), 1..5),
        piece in 1_usize..700,
    ) {
        let mut bytes = Vec::new();
        let sent: Vec<_> = events.into_iter().map(Message::Event).collect();
        for message in &sent {
            frame::encode(message, &mut bytes).unwrap();
        }
        let mut frames = Frames::new(FRAME_BYTES_MAX);
        let mut got = Vec::new();
        for piece in bytes.chunks(piece) {
            frames.push(piece);
            while let Some(message) = frames.take::<Message>().unwrap() {
                got.push(message);
            }
        }
        prop_assert_eq!(got, sent);
        prop_assert!(!frames.is_inside_a_frame());
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        // The properties are: no panic, and what is accepted is exactly what would be sent.
        if let Ok(call) = frame::decode::<Call>(&bytes) {
            let mut again = Vec::new();
            frame::encode(&call, &mut again).unwrap();
            prop_assert!(again.len() <= bytes.len() + 4);
        }
        let _ = frame::decode::<Message>(&bytes);
        let _ = frame::read::<Call>(&mut Cursor::new(&bytes), REQUEST_BYTES_MAX);
    }

    #[test]
    fn a_flipped_bit_never_panics(call in call(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = Vec::new();
        frame::encode(&call, &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let mut frames = Frames::new(REQUEST_BYTES_MAX);
        frames.push(&bytes);
        let _ = frames.take::<Call>();
    }

    #[test]
    fn half_a_frame_is_no_message(call in call(), at in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        frame::encode(&call, &mut bytes).unwrap();
        let half = &bytes[..at.index(bytes.len())];
        let mut frames = Frames::new(REQUEST_BYTES_MAX);
        frames.push(half);
        prop_assert_eq!(frames.take::<Call>().unwrap(), None);
        let read = frame::read::<Call>(&mut Cursor::new(half), REQUEST_BYTES_MAX);
        if half.is_empty() {
            prop_assert!(matches!(read, Ok(None)));
        } else {
            prop_assert!(matches!(read, Err(FrameError::Truncated)));
        }
    }
}

#[test]
fn refuses_an_oversized_frame_before_reading_it() {
    let length = u32::try_from(REQUEST_BYTES_MAX + 1).unwrap().to_le_bytes();
    let mut frames = Frames::new(REQUEST_BYTES_MAX);
    frames.push(&length);
    assert!(matches!(frames.take::<Call>(), Err(FrameError::TooLong { .. })));
    let huge = u32::MAX.to_le_bytes();
    assert!(matches!(
        frame::read::<Call>(&mut Cursor::new(huge), REQUEST_BYTES_MAX),
        Err(FrameError::TooLong { length, max: REQUEST_BYTES_MAX }) if length == 0xffff_ffff
    ));
}

#[test]
fn refuses_to_send_an_oversized_frame_and_leaves_the_buffer_alone() {
    let text = "x".repeat(FRAME_BYTES_MAX);
    let refusal = Message::Reply(1, Reply::Refused(Refusal { code: RefusalCode::Kernel, text }));
    let mut bytes = vec![9];
    assert!(matches!(frame::encode(&refusal, &mut bytes), Err(FrameError::TooLong { .. })));
    assert_eq!(bytes, [9]);
}

#[test]
fn refuses_bytes_behind_a_message() {
    let mut bytes = Vec::new();
    frame::encode(&Call { id: 1, request: Request::Ping }, &mut bytes).unwrap();
    let mut body = bytes[4..].to_vec();
    assert!(frame::decode::<Call>(&body).is_ok());
    body.push(0);
    assert!(matches!(frame::decode::<Call>(&body), Err(FrameError::Malformed)));
}

#[test]
fn refuses_a_list_that_claims_more_than_it_brings() {
    // A `Subscribe` of 2^32 topics in five bytes: must fail without reserving for them.
    let body = [1, 2, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert!(matches!(frame::decode::<Call>(&body), Err(FrameError::Malformed)));
}

#[test]
fn names_the_list_that_is_too_long() {
    let mut capture = Capture::llm_traffic(vec![4141]);
    assert_eq!(capture.too_long(), None);
    capture.uids = vec![0; UIDS_MAX + 1];
    assert_eq!(capture.too_long(), Some("uids"));
}

/// A change of these bytes is a change of the protocol and needs a new version.
#[test]
fn version_1_keeps_its_bytes() {
    fn hex(message: &impl serde::Serialize) -> String {
        use std::fmt::Write;
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes).unwrap();
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }
    assert_eq!(PROTOCOL_VERSION, 1);
    let hello =
        Call { id: 1, request: Request::Hello { version: PROTOCOL_VERSION, client: "t".into() } };
    assert_eq!(hex(&hello), "050000000100010174");
    assert_eq!(hex(&Call { id: 2, request: Request::Ping }), "020000000205");
    let capture = Call { id: 3, request: Request::SetCapture(Capture::llm_traffic(vec![4141])) };
    assert_eq!(hex(&capture), "0e00000003030001ad2002bb033500000200");
    let lost = Event::Lost(Lost { count: 300, cause: LostCause::ControlRing });
    assert_eq!(hex(&Message::Event(lost)), "05000000010bac0201");
}
