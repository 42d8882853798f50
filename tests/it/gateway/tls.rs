//! Providers behind TLS. Whatever they offer, they are spoken to in HTTP/1.1.

use std::{collections::HashSet, sync::Arc};

use http::Request;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tollgate_core::call::{ErrorCode, Outcome};
use tollgate_simulator::{CallLog, SimulatorConfig, router};

use super::{
    cases::ASKS,
    harness::{Door, ask, begin, controlled, snapshot},
};

/// A simulated provider behind TLS, its origin and the certificate to trust, which is for `localhost`
/// and `provider.test`.
pub(crate) async fn provider(log: CallLog, alpn: &[&[u8]]) -> (String, CertificateDer<'static>) {
    let names = ["localhost".to_owned(), "provider.test".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let certificate = cert.der().clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|it| it.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let service = router(SimulatorConfig::default(), log);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, service) = (acceptor.clone(), service.clone());
            tokio::spawn(async move {
                // Clients that do not trust the certificate break the handshake.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = TowerToHyperService::new(service);
                let http = http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (origin, certificate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_passes_over_tls_whatever_versions_are_offered() {
    let versions: [&[&[u8]]; 3] = [&[b"h2", b"http/1.1"], &[b"http/1.1"], &[]];
    for alpn in versions {
        let log = CallLog::new();
        let (origin, certificate) = provider(log.clone(), alpn).await;
        let door = Door::open_with(snapshot(&origin), |config| {
            config.extra_roots = vec![certificate];
        })
        .await;
        for (number, case) in ASKS.into_iter().enumerate() {
            let got = ask(door.addr, controlled(case.request(), "split=50")).await;
            let sent = log.calls().pop().unwrap();
            assert_eq!(got.body, sent.response, "{}", case.name);
            assert_eq!(sent.request, case.body, "{}", case.name);
            let calls = door.seen.calls(number + 1).await;
            let call = calls.last().unwrap();
            assert_eq!(call.outcome, Outcome::Finished, "{}", case.name);
            assert!(call.upstream_cookie.is_some(), "{}", case.name);
            assert!(call.timing.connect_took_us.is_some() || number > 0, "{}", case.name);
        }
        let calls = door.seen.calls(ASKS.len()).await;
        assert!(calls.iter().any(|it| it.timing.connect_took_us.is_none()), "none was reused");
        // Inside an event, so that the client's connection breaks as the provider's did.
        let got = ask(door.addr, controlled(ASKS[5].request(), "break_after=200")).await;
        assert!(got.broken && got.body.len() == 200, "{}", got.text());
        let calls = door.seen.calls(ASKS.len() + 1).await;
        assert_eq!(calls.last().unwrap().error_code, Some(ErrorCode::ProviderBroke));
        let list = Request::get("/v1/models").header("authorization", "Bearer x");
        assert_eq!(ask(door.addr, list.body("".into()).unwrap()).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_the_same_time_have_connections_of_their_own() {
    let log = CallLog::new();
    let (origin, certificate) = provider(log.clone(), &[b"h2", b"http/1.1"]).await;
    let door = Door::open_with(snapshot(&origin), |config| {
        config.extra_roots = vec![certificate];
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(begin(door.addr, controlled(ASKS[5].request(), "hang=200")).await);
    }
    // One that breaks takes no other with it.
    let got = ask(door.addr, controlled(ASKS[5].request(), "break_after=200")).await;
    assert!(got.broken);
    door.seen.calls(1).await;
    let cookies: HashSet<_> =
        door.gateway.live().iter().map(|it| it.upstream_cookie.unwrap()).collect();
    assert_eq!(cookies.len(), open.len());
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_a_tls_failure() {
    let log = CallLog::new();
    let (origin, _) = provider(log.clone(), &[b"h2", b"http/1.1"]).await;
    let door = Door::open(snapshot(&origin)).await;
    let got = ask(door.addr, ASKS[4].request()).await;
    assert_eq!(got.status, 502, "{}", got.text());
    assert_eq!(got.json()["error"]["type"], "api_error");
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!(call.error_code, Some(ErrorCode::TlsFailure), "{:?}", call.error_message);
    assert!(call.error_message.as_ref().unwrap().contains("UnknownIssuer"), "{call:?}");
    assert!(log.calls().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_tls_failure() {
    let log = CallLog::new();
    let (origin, certificate) = provider(log.clone(), &[b"http/1.1"]).await;
    let origin = origin.replace("localhost", "127.0.0.1");
    let door =
        Door::open_with(snapshot(&origin), |config| config.extra_roots = vec![certificate]).await;
    let got = ask(door.addr, ASKS[0].request()).await;
    assert_eq!(got.status, 502, "{}", got.text());
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!(call.error_code, Some(ErrorCode::TlsFailure), "{:?}", call.error_message);
}

#[tokio::test]
async fn a_provider_that_does_not_speak_tls_is_a_tls_failure() {
    let plain = super::harness::simulator().await;
    let door = Door::open(snapshot(&plain.base_url().replace("http:", "https:"))).await;
    let got = ask(door.addr, ASKS[0].request()).await;
    assert_eq!(got.status, 502, "{}", got.text());
    let call = door.seen.calls(1).await.remove(0);
    assert_eq!(call.error_code, Some(ErrorCode::TlsFailure), "{:?}", call.error_message);
}
