//! `tollgate on` and `tollgate off`.

use std::io;

use tokio::net::TcpStream;
use tollgate_app::api::view::CallState;
use tollgate_tests::{Home, PATIENCE, send};

use super::using::{CHAT, CHAT_STREAM, chat, simulator};

#[tokio::test]
async fn off_closes_the_port_and_settles_calls_and_on_opens_it_again() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve_alone().await;
    let addr = product.listen;
    let status = product.run(&["status"]).await;
    let console = format!("\nconsole   {}/#token={}\n", product.base_url(), product.token());
    assert!(status.expect().ends_with(&console), "{}", status.stdout());
    let hanging = tokio::spawn(send(addr, chat(CHAT_STREAM, "hang=300")));
    let begun = |calls: &[tollgate_simulator::SimulatedCall]| {
        calls.iter().any(|it| it.response.len() >= 300)
    };
    simulator.log().wait_for(PATIENCE, begun).await.expect("the answer to begin");

    let off = product.run(&["off"]).await;
    assert!(off.expect().starts_with("gateway   off\n"), "{}", off.stdout());
    let refused = TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let broken = hanging.await.unwrap();
    assert!(String::from_utf8_lossy(broken.body()).contains("Tollgate is stopping"));
    let calls = product.calls(1).await;
    assert_eq!((calls.len(), calls[0].state), (1, CallState::Failed));
    let gone = |calls: &[tollgate_simulator::SimulatedCall]| calls.iter().all(|it| it.cancelled);
    simulator.log().wait_for(PATIENCE, gone).await.expect("the provider to be left");

    // The admin socket still answers, and says what can be done.
    let status = product.run(&["status", "--json"]).await.json();
    assert_eq!((&status["on"], &status["listen"]), (&false.into(), &serde_json::Value::Null));
    let env = product.run(&["env"]).await;
    assert_eq!(env.code(), 1);
    assert!(env.stderr().contains("tollgate on"), "{}", env.stderr());
    let doctor = product.run(&["doctor"]).await;
    assert!(doctor.stdout().contains("is turned off"), "{}", doctor.stdout());
    assert_eq!(product.run(&["off"]).await.code(), 0, "off twice is off");

    assert_eq!(product.run(&["on"]).await.code(), 0);
    let status = product.run(&["status", "--json"]).await.json();
    let listen = status["listen"].as_str().unwrap().parse().unwrap();
    assert_eq!(send(listen, chat(CHAT, "")).await.status(), 200);
    assert_eq!(product.run(&["on"]).await.code(), 0, "on twice is on");
    assert_eq!(product.calls(2).await.len(), 2);
    product.stop().await;
}
