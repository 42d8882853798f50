//! Every packet is accounted for, and the capture's switches do what they say.

use bytes::Bytes;
use http::Request;
use serde_json::json;
use tollgate_app::api::view::{CaptureView, StatusView};
use tollgate_tests::Connection;

use super::harness::{Watched, chat, eventually};

fn question(text: &str) -> Request<Bytes> {
    let request = Request::post("/v1/chat/completions").header("content-type", "application/json");
    let request = request.header("authorization", "Bearer sk-client");
    request.body(chat(text).into()).unwrap()
}

/// Waits until the helper's counters and ours say the same for a while: what was delivered since
/// `from` is what was kept since then, and the kernel's sum is whole.
async fn at_rest(watched: &Watched, from: Option<&CaptureView>) -> CaptureView {
    let status = |status: &StatusView| {
        let it = &status.capture;
        let whole =
            it.seen > 0 && it.seen == it.filtered + it.ring_full + it.copy_failed + it.delivered;
        let same = from.is_none_or(|from| {
            it.kept > from.kept
                && it.delivered - from.delivered
                    == it.kept - from.kept + (it.reader_slow - from.reader_slow)
        });
        whole && same
    };
    watched.product.status(status).await.capture
}

#[tokio::test]
async fn what_the_kernel_saw_is_what_was_kept_left_out_or_lost() {
    let Some(watched) = Watched::start("counters").await else { return };
    // The helper's count is a second old at most: two that agree are of a capture at rest.
    let from = eventually("a capture at rest", async || {
        let first = at_rest(&watched, None).await;
        // Seen and of no interest, so that the next count is another one on a quiet machine too.
        let noise = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        noise.send_to(b"x", "127.0.0.1:9").unwrap();
        let second = at_rest(&watched, None).await;
        let rests = (first.delivered, first.kept) == (second.delivered, second.kept)
            && first.seen != second.seen;
        if rests { Ok(second) } else { Err(format!("{first:?} {second:?}")) }
    })
    .await;
    assert!(from.kept <= from.delivered && from.kept > 0);
    for _ in 0..20 {
        watched.ask(5).await;
    }
    let to = at_rest(&watched, Some(&from)).await;
    // A request and its answer are some packets on each of two connections.
    assert!(to.kept - from.kept > 20 * 5 * 4, "{to:?}");
    assert!(to.kept <= to.kept_max && to.kept_max == 100_000, "{to:?}");
    assert_eq!((to.ring_full, to.reader_slow), (0, 0));
    assert_eq!((to.copy_failed, to.shortened, to.events_lost), (0, 0, 0));
    let programs =
        watched.product.status(|it| !it.helper.programs.is_empty()).await.helper.programs;
    assert!(programs.iter().any(|it| it.name == "tg_egress"), "{programs:?}");
    assert_eq!(to.kept, watched.packets("").await.kept);
    watched.product.stop().await;
}

#[tokio::test]
async fn a_paused_capture_keeps_no_new_packets_while_calls_go_on() {
    let Some(watched) = Watched::start("pause").await else { return };
    let (admin, addr) = (watched.product.admin(), watched.product.listen);
    let mut connection = Connection::open(addr).await;
    assert_eq!(connection.send(question("before")).await.status(), 200);
    let calls = watched.product.calls(1).await;
    let before = watched.packets_of_whole(&calls[0].id).await;

    let paused: StatusView = admin.post("/capture", &json!({ "paused": true })).await.unwrap();
    assert!(paused.capture.paused);
    let kept = watched.packets("").await.kept;
    assert_eq!(connection.send(question("meanwhile")).await.status(), 200);
    let pid = watched.ask(3).await;
    let calls = watched.product.calls(5).await;
    // The kernel saw them and the helper delivered them; callers are found all the same.
    let caller = watched.detail(&calls[4]).await.caller.unwrap();
    assert_eq!((caller.pid, caller.source.as_str()), (pid, "helper"));
    let delivered = paused.capture.delivered;
    let later = watched.product.status(|it| it.capture.delivered > delivered + 10).await;
    assert!(later.capture.paused && later.capture.kept == kept, "{later:?}");
    for call in &calls[1..] {
        assert!(watched.packets_of(&call.id).await.is_empty(), "{call:?}");
    }
    assert_eq!(watched.packets_of(&calls[0].id).await.len(), before.len());

    let resumed: StatusView = admin.post("/capture", &json!({ "paused": false })).await.unwrap();
    assert!(!resumed.capture.paused);
    assert_eq!(connection.send(question("after")).await.status(), 200);
    let calls = watched.product.calls(6).await;
    let after = watched.packets_of_whole(&calls[5].id).await;
    assert_eq!(after[0].pid, Some(std::process::id()));
    watched.product.stop().await;
}

#[tokio::test]
async fn a_cleared_capture_is_empty_and_goes_on_with_open_connections() {
    let Some(watched) = Watched::start("clear").await else { return };
    let mut connection = Connection::open(watched.product.listen).await;
    assert_eq!(connection.send(question("before")).await.status(), 200);
    let calls = watched.product.calls(1).await;
    watched.packets_of_whole(&calls[0].id).await;
    let before = watched.packets("").await;
    let newest = before.newest.unwrap();
    let cleared: StatusView =
        watched.product.admin().post("/capture/clear", &json!({})).await.unwrap();
    assert!(cleared.capture.kept < newest, "{cleared:?}");
    assert!(watched.packets("").await.packets.iter().all(|it| it.seq >= newest));
    assert_ne!(watched.packets("").await.capture, before.capture, "whoever lists them starts anew");
    let flows: Vec<serde_json::Value> = watched.product.admin().get("/flows").await.unwrap();
    assert!(flows.len() <= 2, "{flows:#?}");

    assert_eq!(connection.send(question("after")).await.status(), 200);
    let calls = watched.product.calls(2).await;
    let after = watched.packets_of_whole(&calls[1].id).await;
    assert!(after.iter().all(|it| it.seq > newest), "numbers are never used twice");
    let (client, upstream): (Vec<_>, Vec<_>) =
        after.iter().filter(|it| it.info.starts_with("POST ")).partition(|it| it.leg == "client");
    assert_eq!((client[0].pid, client.len()), (Some(std::process::id()), 1));
    assert_eq!((upstream[0].pid, upstream.len()), (Some(watched.product.pid()), 1));
    let detail = watched.detail(&calls[1]).await;
    assert_eq!(detail.flows[0].remote, watched.product.listen.to_string(), "who is the server");
    watched.product.stop().await;
}
