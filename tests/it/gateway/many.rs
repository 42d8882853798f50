//! Many calls at once.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Frame, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};
use tollgate_core::call::Outcome;

use super::{
    cases::ASKS,
    harness::{Door, PATIENCE, begin, read, snapshot},
};

const FIRST: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const LAST: &[u8] = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";

/// A provider whose streams all stand still after their first event until they may go on.
async fn provider(go_on: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let go_on = go_on.clone();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let mut go_on = go_on.clone();
                async move {
                    request.into_body().collect().await.unwrap();
                    let first = stream::iter([Bytes::from_static(FIRST)]);
                    let last = stream::once(async move {
                        go_on.wait_for(|it| *it).await.unwrap();
                        Bytes::from_static(LAST)
                    });
                    let pieces = first.chain(last).map(|it| Ok::<_, Infallible>(Frame::data(it)));
                    let body = StreamBody::new(Box::pin(pieces));
                    let answer = Response::builder().header("content-type", "text/event-stream");
                    Ok::<_, Infallible>(answer.body(body).unwrap())
                }
            });
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    origin
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_are_held_at_once_and_arrive_whole() {
    const STREAMS: usize = 1_000;
    tollgate_app::descriptors::raise();
    let (release, go_on) = watch::channel(false);
    let origin = provider(go_on).await;
    let door = Door::open(snapshot(&origin)).await;
    let mut answers = Vec::new();
    for _ in 0..STREAMS {
        answers.push(begin(door.addr, ASKS[1].request()).await);
    }
    assert_eq!(door.gateway.live().len(), STREAMS);
    assert!(!door.gateway.drained(Duration::ZERO).await);
    release.send(true).unwrap();
    for answer in answers {
        let got = read(answer).await;
        assert!(got.status == 200 && !got.broken);
        assert_eq!(got.body, [FIRST, LAST].concat());
    }
    assert!(door.gateway.drained(PATIENCE).await);
    assert!(door.gateway.live().is_empty());
    let calls = door.seen.calls(STREAMS).await;
    assert_eq!(calls.len(), STREAMS);
    assert!(calls.iter().all(|it| it.outcome == Outcome::Finished));
    assert!(calls.iter().all(|it| it.usage.output == Some(5)));
}
