//! A call is joined to its caller and to its packets.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_app::api::view::PacketView;

use super::harness::{ASK, Watched, eventually, finish};

#[tokio::test]
async fn a_call_of_any_program_has_its_caller_and_its_packets_on_both_legs() {
    let Some(watched) = Watched::start("caller and packets").await else { return };
    let listen = watched.product.listen;
    let pid = watched.ask(1).await;
    let calls = watched.product.calls(1).await;
    let [call] = calls.as_slice() else { panic!("one call, not {calls:#?}") };
    let detail = watched.detail(call).await;
    let caller = detail.caller.expect("a caller");
    assert_eq!((caller.source.as_str(), caller.pid), ("helper", pid));
    assert_eq!(caller.program, "ask.py (python3)");
    let script = watched.home.path().join("ask.py").display().to_string();
    let (host, port) = (listen.ip().to_string(), listen.port().to_string());
    assert!(caller.argv.ends_with(&[script, host, port, "1".to_owned()]), "{:?}", caller.argv);
    assert_eq!(caller.cwd.as_deref(), watched.home.path().to_str());
    assert_eq!(caller.uid, 0);
    assert_eq!(caller.ancestors.first().map(|it| it.pid), Some(std::process::id()));

    let packets = watched.packets_of_whole(&call.id).await;
    let gateway = (Some("tollgate"), Some(watched.product.pid()));
    let provider = watched.simulator.addr().to_string();
    for (leg, server, owner) in [
        ("client", listen.to_string(), (Some("ask.py (python3)"), Some(pid))),
        ("upstream", provider, gateway),
    ] {
        let on_leg: Vec<&PacketView> = packets.iter().filter(|it| it.leg == leg).collect();
        let began: Vec<&str> = on_leg.iter().take(3).map(|it| it.info.as_str()).collect();
        let flags = ["[SYN] ", "[SYN ACK] ", "[ACK] "];
        assert!(began.iter().zip(flags).all(|(it, flag)| it.contains(flag)), "{began:?}");
        assert_eq!((on_leg[0].dst.as_str(), on_leg[1].src.as_str()), (&*server, &*server));
        let request = on_leg.iter().find(|it| it.info.starts_with("POST ")).unwrap();
        assert!(request.info.starts_with("POST /v1/chat/completions HTTP/1.1"), "{request:?}");
        assert_eq!((request.dst.as_str(), request.protocol.as_str()), (&*server, "HTTP"));
        for packet in &on_leg {
            assert_eq!((packet.program.as_deref(), packet.pid), owner, "{packet:?}");
            assert_eq!(packet.call.as_deref(), Some(call.id.as_str()));
            assert!(packet.src == server || packet.dst == server, "{packet:?}");
        }
        let mut flows: Vec<u64> = on_leg.iter().map(|it| it.flow).collect();
        flows.dedup();
        assert_eq!(flows.len(), 1, "one connection");
    }
    assert!(packets.is_sorted_by_key(|it| it.seq));
    have_frames(&watched, &packets, pid).await;
    // The list of flows agrees with the list of packets.
    let legs: Vec<&str> = detail.flows.iter().map(|it| it.leg.as_str()).collect();
    assert_eq!(legs, ["client", "upstream"]);
    assert_eq!((detail.flows[0].pid, detail.flows[1].pid), (Some(pid), gateway.1));
    for flow in &detail.flows {
        eventually("as many packets as the flow counts", async || {
            let kept = watched.packets(&format!("flow:{}", flow.id)).await.packets;
            let now = watched.detail(call).await.flows;
            let now = now.iter().find(|it| it.id == flow.id).unwrap();
            let counted = now.packets_in + now.packets_out;
            let bytes: u64 = kept.iter().map(|it| u64::from(it.length)).sum();
            let same = u64::try_from(kept.len()).unwrap() == counted
                && bytes == now.bytes_in + now.bytes_out;
            same.then_some(()).ok_or_else(|| format!("{now:?} {kept:#?}"))
        })
        .await;
    }
    watched.product.stop().await;
}

/// The request on each leg has what the kernel knew of it.
async fn have_frames(watched: &Watched, packets: &[PacketView], pid: u32) {
    let request = |leg: &str| {
        packets.iter().find(|it| it.leg == leg && it.info.starts_with("POST ")).unwrap().seq
    };
    for (leg, process) in [("client", pid), ("upstream", watched.product.pid())] {
        let frame = watched.frame(request(leg)).await;
        let field = |name: &str| frame.get(name).map_or("", String::as_str);
        assert_eq!((field("Direction"), field("Leg")), ("out", leg));
        assert_eq!(field("Interface"), "1 (lo)");
        assert_eq!(field("Process"), process.to_string());
        assert_eq!(field("User"), "0 (root)");
        assert_eq!(field("TCP state"), "ESTABLISHED");
        assert!(field("TCP congestion window").ends_with(" segments"), "{frame:?}");
        assert_eq!(field("TCP retransmits"), "0");
        let names = [
            "Time",
            "Length",
            "Captured",
            "Mark",
            "Flow hash",
            "Socket cookie",
            "Network namespace",
            "Program",
            "Process started",
            "Executable",
            "TCP round-trip time",
        ];
        for name in names {
            assert_ne!(field(name), "", "{name} in {frame:?}");
        }
    }
}

/// Each call's packets stand together, in the order of the calls, with one request and one answer;
/// none is left over.
fn divided(packets: &[PacketView], calls: &[String]) -> Result<(), String> {
    let mut order: Vec<&str> =
        packets.iter().map(|it| it.call.as_deref().unwrap_or("none")).collect();
    order.dedup();
    if order != calls {
        return Err(format!("{calls:?} are divided as {order:?}: {packets:#?}"));
    }
    for call in calls {
        let of_call = || packets.iter().filter(|it| it.call.as_deref() == Some(call));
        let count = |begin: &str| of_call().filter(|it| it.info.starts_with(begin)).count();
        if (count("POST "), count("HTTP/1.1 200")) != (1, 1) {
            return Err(format!("{call} is not one exchange: {packets:#?}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn calls_in_a_row_on_one_connection_divide_its_packets_without_overlap_or_gap() {
    const CALLS: usize = 30;
    let Some(watched) = Watched::start("calls in a row").await else { return };
    let pid = watched.ask(CALLS).await;
    let calls = watched.product.calls(CALLS).await;
    assert_eq!(calls.len(), CALLS);
    // In the order of the questions: two can begin within the millisecond that a list goes by.
    let mut asked = BTreeMap::new();
    for call in &calls {
        let detail = watched.detail(call).await;
        assert_eq!(detail.caller.map(|it| it.pid), Some(pid));
        let text = detail.request.unwrap().text;
        let number = text.split("<question ").nth(1).and_then(|it| it.split('>').next());
        asked.insert(number.unwrap().parse::<usize>().unwrap(), call.id.clone());
    }
    assert!(asked.keys().copied().eq(0..CALLS), "{asked:?}");
    let ids: Vec<String> = asked.into_values().collect();
    for leg in ["client", "upstream"] {
        let first = watched.packets_of_whole(&ids[0]).await;
        let flow = first.iter().find(|it| it.leg == leg).unwrap().flow;
        eventually("the packets to be divided", async || {
            let all = watched.packets(&format!("flow:{flow}")).await.packets;
            divided(&all, &ids)
        })
        .await;
    }
    // The bytes agree with the numbers: each question is in a packet of its own call.
    for (n, id) in ids.iter().enumerate() {
        let mut found = BTreeSet::new();
        for packet in watched.packets_of(id).await {
            let path = format!("/packets/{}", packet.seq);
            let detail: serde_json::Value = watched.product.admin().get(&path).await.unwrap();
            let bytes = decoded(detail["bytes_base64"].as_str().unwrap());
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(!text.contains("<question ") || text.contains(&format!("<question {n}>")));
            if text.contains("<question ") {
                found.insert(packet.leg);
            }
        }
        assert!(found.iter().eq(["client", "upstream"]), "on both legs, not {found:?}");
    }
    watched.product.stop().await;
}

/// Base64 by the alphabet's own definition (RFC 4648).
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let value = |it: u8| match it {
        b'A'..=b'Z' => u32::from(it - b'A'),
        b'a'..=b'z' => u32::from(it - b'a') + 26,
        b'0'..=b'9' => u32::from(it - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let text = text.trim_end_matches('=').as_bytes();
    let groups = text.chunks(4).flat_map(|group| {
        let bits =
            group.iter().fold(0, |bits, it| bits << 6 | value(*it)) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    });
    groups.collect()
}

#[test]
fn reads_base64() {
    assert_eq!(decoded("VG9sbGdhdGU="), b"Tollgate");
    assert_eq!(decoded("+/8="), [0xfb, 0xff]);
    assert_eq!(decoded("QQ=="), b"A");
    assert_eq!(decoded(""), b"");
}

#[tokio::test]
async fn a_call_over_ipv6_is_joined_as_well() {
    let Some(watched) = Watched::start_on("IPv6", "[::1]:0", &[]).await else { return };
    let mut command = watched.script("ask.py", ASK);
    let pid: u32 = finish(command.arg("1")).await.trim().parse().unwrap();
    let calls = watched.product.calls(1).await;
    let caller = watched.detail(&calls[0]).await.caller.expect("a caller");
    assert_eq!((caller.pid, caller.source.as_str()), (pid, "helper"));
    let packets = watched.packets_of_whole(&calls[0].id).await;
    let client: Vec<_> = packets.iter().filter(|it| it.leg == "client").collect();
    assert!(client.iter().all(|it| it.src.starts_with("[::1]:") && it.pid == Some(pid)));
    assert!(client[0].info.contains("[SYN]"), "{:?}", client[0]);
    watched.product.stop().await;
}
