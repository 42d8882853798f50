//! The live stream, over HTTP and over the unix socket.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use tokio::time::timeout;
use tollgate_app::{
    api::view::{CallPage, CallState, CallView, EventView, ProgramView, StatusView},
    client::Events,
};
use tollgate_tests::{Connection, Home, PATIENCE, send};

use super::using::{CHAT_STREAM, admin, chat, simulator};

/// Events that a slow reader may be behind.
const BACKLOG: usize = 4096;
/// What the kernel and both ends of a connection may hold of them beside that.
const IN_FLIGHT: usize = 4096;

async fn next(events: &mut Events) -> EventView {
    let next = timeout(PATIENCE, events.next()).await;
    next.expect("an event").unwrap().expect("events go on")
}

/// Reads until a call is settled; gives all that was said of it.
async fn story(events: &mut Events) -> Vec<CallView> {
    let mut story: Vec<CallView> = Vec::new();
    loop {
        if let EventView::Call { call } = next(events).await {
            let over = call.state != CallState::Live;
            story.push(*call);
            if over {
                return story;
            }
        }
    }
}

#[tokio::test]
async fn a_program_is_listed_from_the_start_of_its_first_call() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let mut events = product.admin().events("/events").await.unwrap();
    let asking = tokio::spawn(send(product.listen, chat(CHAT_STREAM, "hang")));
    while !matches!(next(&mut events).await, EventView::Call { .. }) {}
    let programs: Vec<ProgramView> = product.admin().get("/programs").await.unwrap();
    assert_eq!((programs[0].calls, programs[0].live), (0, 1));
    assert_eq!(programs[0].usage.input, None, "nothing is counted yet");
    let page: CallPage = product.admin().get("/calls").await.unwrap();
    assert_eq!((page.calls[0].state, page.calls[0].response_bytes), (CallState::Live, None));
    asking.abort();
    product.stop().await;
}

#[tokio::test]
async fn a_streamed_call_is_told_from_its_start_to_its_settlement() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let mut socket = product.admin().events("/events").await.unwrap();

    // The same over HTTP, as a browser would.
    let mut connection = Connection::open(product.listen).await;
    let answer = connection.begin(admin("/api/events", &product.token())).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut http = answer.into_body();

    let addr = product.listen;
    let call = tokio::spawn(send(addr, chat(CHAT_STREAM, "")));
    let told = story(&mut socket).await;
    assert_eq!(call.await.unwrap().status(), 200);
    assert!(told.iter().all(|it| it.id == told[0].id));
    let (last, live) = told.split_last().unwrap();
    assert!(live.iter().all(|it| it.state == CallState::Live) && live.len() >= 2);
    assert_eq!(live[0].status, None);
    assert_eq!(live[1].status, Some(200));
    assert!(live[1].streaming && live[1].model_asked.as_deref() == Some("gpt-5-mini"));
    let sent = simulator.calls()[0].usage.unwrap();
    assert_eq!((last.state, last.usage.output), (CallState::Finished, sent.output));
    assert!(last.cost_pico_usd.is_some());

    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("\"state\":\"finished\"") {
        let frame = timeout(PATIENCE, http.frame()).await.unwrap().unwrap().unwrap();
        text.extend_from_slice(frame.data_ref().unwrap());
    }
    let text = String::from_utf8(text).unwrap();
    let over_http: Vec<CallView> = text
        .lines()
        .filter_map(|it| it.strip_prefix("data:"))
        .filter_map(|it| match serde_json::from_str(it).unwrap() {
            EventView::Call { call } => Some(*call),
            EventView::Status { .. }
            | EventView::Packets { .. }
            | EventView::Budget { .. }
            | EventView::Lagged { .. } => None,
        })
        .collect();
    assert_eq!(over_http, told);
    // Whoever watches does not hold up the end.
    product.stop().await;
    assert!(timeout(PATIENCE, http.frame()).await.unwrap().is_none_or(|it| it.is_err()));
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let mut slow = product.admin().events("/events").await.unwrap();
    // Refused calls are the cheapest events there are.
    let mut connection = Connection::open(product.listen).await;
    for _ in 0..BACKLOG + IN_FLIGHT {
        let request = Request::get("/v1/models").header("host", "evil.example");
        let answer = connection.send(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.status(), 403);
    }
    let mut told = 0;
    let missed = loop {
        match next(&mut slow).await {
            EventView::Call { .. } => told += 1,
            EventView::Lagged { missed } => break missed,
            EventView::Status { .. } | EventView::Packets { .. } | EventView::Budget { .. } => {}
        }
    };
    assert!(missed > 0 && told > 0, "{told} told, {missed} missed");
    // The ledger has them all, page by page.
    let refused = BACKLOG + IN_FLIGHT;
    assert_eq!(product.calls(refused).await.len(), refused);
    let limit = (refused - 1).to_string();
    let listed = product.run(&["calls", "--json", "--limit", &limit]).await;
    assert_eq!(listed.expect().lines().count(), refused - 1);
    // It goes on with what is new.
    send(product.listen, chat(CHAT_STREAM, "")).await;
    loop {
        if let EventView::Call { call } = next(&mut slow).await
            && call.state == CallState::Finished
        {
            break;
        }
    }
    product.stop().await;
}

#[tokio::test]
async fn the_status_is_told_when_it_changes() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let mut events = product.admin().events("/events").await.unwrap();
    send(product.listen, chat(CHAT_STREAM, "")).await;
    loop {
        if let EventView::Status { status } = next(&mut events).await
            && status.today_calls == Some(1)
        {
            assert!(status.on);
            break;
        }
    }
    let off = serde_json::json!({ "on": false });
    let status: StatusView = product.admin().post("/gateway", &off).await.unwrap();
    assert!(!status.on);
    loop {
        if let EventView::Status { status } = next(&mut events).await
            && !status.on
        {
            assert_eq!(status.listen, None);
            assert_eq!(status.address, product.listen.to_string());
            break;
        }
    }
    product.stop().await;
}
