//! The filter language against the live capture, once and as it goes on.

use std::{collections::BTreeSet, process::Stdio};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};
use tollgate_app::api::view::{EventView, PacketView};
use tollgate_tests::PATIENCE;

use super::harness::{Watched, curl, encoded, eventually, json_lines, run};

fn seqs(packets: &[Value]) -> BTreeSet<u64> {
    packets.iter().map(|it| it["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn every_key_of_the_filter_finds_what_it_names_and_nothing_else() {
    let Some(watched) = Watched::start("filters").await else { return };
    let python = watched.ask(2).await;
    let (curl_pid, _) = run(&mut curl(&watched.product, "a question")).await;
    let calls = watched.product.calls(3).await;
    for call in &calls {
        watched.packets_of_whole(&call.id).await;
    }
    let port = watched.product.listen.port();
    let provider = watched.simulator.addr().port();
    let id = calls[1].id.clone();
    let on = move |it: &Value, port: u16| {
        let ends = [&it["src"], &it["dst"]].map(|it| it.as_str().unwrap().to_owned());
        ends.iter().any(|it| it.ends_with(&format!(":{port}")))
    };
    let has = |it: &Value, key: &str, text: &str| {
        it[key].as_str().is_some_and(|it| it.to_lowercase().contains(text))
    };
    type Expected<'a> = Box<dyn Fn(&Value) -> bool + 'a>;
    let cases: Vec<(String, Expected<'_>)> = vec![
        ("program:curl".to_owned(), Box::new(|it| has(it, "program", "curl"))),
        ("PROGRAM:Ask.py".to_owned(), Box::new(|it| has(it, "program", "ask.py"))),
        (format!("pid:{python}"), Box::new(|it| it["pid"] == python)),
        (format!("pid:{curl_pid}"), Box::new(|it| it["pid"] == curl_pid)),
        (format!("port:{port}"), Box::new(move |it| on(it, port))),
        (format!("port:{provider}"), Box::new(move |it| on(it, provider))),
        ("host:127.0.0.1".to_owned(), Box::new(|it| has(it, "host", "127.0.0.1"))),
        ("proto:http".to_owned(), Box::new(|it| it["protocol"] == "HTTP")),
        ("dir:out".to_owned(), Box::new(|it| it["direction"] == "out")),
        ("leg:upstream".to_owned(), Box::new(|it| it["leg"] == "upstream")),
        (format!("call:{id}"), Box::new(|it| it["call"] == id.as_str())),
        ("syn".to_owned(), Box::new(|it| has(it, "info", "syn"))),
        ("\"POST /v1/chat\"".to_owned(), Box::new(|it| has(it, "info", "post /v1/chat"))),
        (
            format!("port:{port} -program:curl"),
            Box::new(move |it| on(it, port) && !has(it, "program", "curl")),
        ),
    ];
    for (filter, expected) in &cases {
        eventually(filter, async || {
            let shown = watched.product.run(&["packets", "--json", "--limit", "100000"]).await;
            let all = json_lines(shown.expect());
            let wanted: Vec<Value> = all.iter().filter(|it| expected(it)).cloned().collect();
            let args = ["packets", "--json", "--limit", "100000", "--filter", filter];
            let found = json_lines(watched.product.run(&args).await.expect());
            assert!(found.iter().all(expected), "{filter}: {found:#?}");
            // What came between the two looks aside.
            let newest = all.last().unwrap()["seq"].as_u64().unwrap();
            let mut found = seqs(&found);
            found.retain(|it| *it <= newest);
            let same = found == seqs(&wanted) && !found.is_empty();
            same.then_some(()).ok_or_else(|| format!("{found:?} of {wanted:#?}"))
        })
        .await;
    }
    let table = watched.product.run(&["packets", "--filter", "program:curl POST"]).await;
    let line = table.expect().lines().next().unwrap();
    assert!(line.contains(&format!("curl[{curl_pid}]")) && line.contains("client"), "{line}");
    for (bad, told) in [
        ("port:abc", "column 6: `abc` is not a port"),
        ("program:curl colour:red", "column 14: unknown key `colour`"),
        ("\"open", "column 1: this quote is never closed"),
    ] {
        for args in [&["packets", "--filter", bad][..], &["packets", "--follow", "--filter", bad]] {
            let refused = watched.product.run(args).await;
            assert_eq!(refused.code(), 1, "{args:?}");
            assert!(refused.stderr().contains(told), "{}", refused.stderr());
            assert_eq!(refused.stdout(), "");
        }
        let path = format!("/events?packets=true&filter={}", encoded(bad));
        let refused = watched.product.admin().events(&path).await.unwrap_err();
        assert!(refused.to_string().contains(told), "{refused}");
    }
    watched.product.stop().await;
}

#[tokio::test]
async fn following_gives_each_new_packet_once() {
    let Some(watched) = Watched::start("follow").await else { return };
    watched.ask(1).await;
    let filter = format!("port:{}", watched.product.listen.port());
    let mut command = watched.home.command(tollgate_tests::program("tollgate"));
    command.args(["packets", "--follow", "--json", "--limit", "100000", "--filter", &filter]);
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    let first = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    told.push(serde_json::from_str::<Value>(&first).unwrap());
    let before = watched.packets(&filter).await.newest.unwrap();
    let pid = watched.ask(5).await;
    let expected: Vec<PacketView> = eventually("the five calls' packets", async || {
        let all = watched.packets(&filter).await.packets;
        let asked = |it: &&PacketView| it.pid == Some(pid) && it.info.starts_with("POST ");
        let whole = all.iter().filter(asked).count() == 5;
        let closed = all.iter().rev().take(4).filter(|it| it.info.contains("FIN")).count() == 2;
        if whole && closed { Ok(all) } else { Err(format!("{all:#?}")) }
    })
    .await;
    let last = expected.last().unwrap().seq;
    while told.last().unwrap()["seq"].as_u64().unwrap() < last {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("more packets").unwrap();
        told.push(serde_json::from_str(&line.expect("it goes on")).unwrap());
    }
    let told: Vec<u64> = told.iter().map(|it| it["seq"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = expected.iter().map(|it| it.seq).collect();
    assert_eq!(told, expected);
    assert!(last > before);
    // It ends with the gateway.
    watched.product.stop().await;
    timeout(PATIENCE, following.wait()).await.expect("its end").unwrap();
}

#[tokio::test]
async fn the_live_stream_has_the_packets_that_pass_its_filter() {
    let Some(watched) = Watched::start("live stream").await else { return };
    let port = watched.product.listen.port();
    let path =
        format!("/events?packets=true&filter={}", encoded(&format!("port:{port} proto:http")));
    let mut filtered = watched.product.admin().events(&path).await.unwrap();
    let mut silent = watched.product.admin().events("/events").await.unwrap();
    let newest = watched.packets("").await.newest.unwrap();
    watched.ask(3).await;
    let (mut requests, mut answers) = (0, 0);
    let mut last = newest;
    while (requests, answers) != (3, 3) {
        let event = timeout(PATIENCE, filtered.next()).await.expect("packets");
        let EventView::Packets { packets, skipped, .. } = event.unwrap().unwrap() else { continue };
        assert_eq!(skipped, 0);
        assert!(!packets.is_empty());
        for packet in packets {
            assert!(packet.seq > last, "in order, each once");
            last = packet.seq;
            assert_eq!(packet.protocol, "HTTP");
            let ends = [&packet.src, &packet.dst];
            assert!(ends.iter().any(|it| it.ends_with(&format!(":{port}"))), "{packet:?}");
            requests += usize::from(packet.info.starts_with("POST "));
            answers += usize::from(packet.info.starts_with("HTTP/1.1 200"));
        }
    }
    // Who did not ask for packets gets none.
    let mut settled = 0;
    while settled < 3 {
        match timeout(PATIENCE, silent.next()).await.expect("events").unwrap().unwrap() {
            EventView::Call { call } => {
                settled += usize::from(call.status == Some(200) && call.cost_pico_usd.is_some());
            }
            EventView::Status { .. } | EventView::Budget { .. } | EventView::Lagged { .. } => {}
            EventView::Packets { .. } => panic!("nobody asked for packets"),
        }
    }
    watched.product.stop().await;
}
