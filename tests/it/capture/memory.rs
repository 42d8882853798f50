//! What the helper never has in its memory: a stored credential on its way over TLS.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tollgate_simulator::CallLog;
use tollgate_tests::{Home, kernel::no_bpf, memory_with};

use super::harness::{Helper, Watched, serve, simulator};
use crate::gateway::tls;

const STORED: &str = "sk-planted-over-tls-6b1f08";
/// What is in the packets of the client's leg, which are not encrypted.
const SEEN: &str = "planted-in-a-prompt-27c5";

/// It holds for providers behind TLS, which all public ones are: what a client sends to the gateway
/// goes in the clear over loopback, and the helper copies such packets.
#[tokio::test]
async fn the_helper_has_a_stored_credential_neither_before_nor_after_logout() {
    if no_bpf("memory of the helper") {
        return;
    }
    let log = CallLog::new();
    let (origin, certificate) = tls::provider(log.clone(), &[b"http/1.1"]).await;
    let home = Home::new();
    home.configure(&format!(
        "[[providers]]\nid = \"openai\"\nbase_url = \"{origin}/v1\"\napi_key = {{ keyring = \"openai\" }}\n"
    ));
    let login = home.run_with(&["providers", "login", "openai"], STORED, |_| {}).await;
    assert_eq!(login.code(), 0, "{}", login.stderr());
    let roots = home.path().join("roots.pem");
    fs::write(&roots, pem(&certificate)).unwrap();
    let helper = Helper::start(&home).await;
    let env = [("SSL_CERT_FILE", roots.to_str().unwrap())];
    let product = serve(&home, "127.0.0.1:0", &env).await;
    let watched = Watched { product, helper, simulator: simulator().await, home };
    watched.ready().await;

    let mut curl = super::harness::curl(&watched.product, SEEN);
    super::harness::run(&mut curl).await;
    let used: Vec<_> = log.calls().into_iter().filter_map(|it| it.credential).collect();
    assert_eq!(used, [STORED]);
    let call = watched.product.calls(1).await.remove(0);
    super::harness::eventually("the packets of both legs", async || {
        let packets = watched.packets_of(&call.id).await;
        let both = ["client", "upstream"].map(|leg| packets.iter().any(|it| it.leg == leg));
        if both == [true, true] { Ok(()) } else { Err(format!("{packets:#?}")) }
    })
    .await;
    let pid = watched.helper.pid();
    assert!(!memory_with(pid, SEEN).is_empty(), "the look into memory finds something");
    assert_eq!(memory_with(pid, STORED), [""; 0]);
    watched.home.run_with(&["providers", "logout", "openai"], "", |_| {}).await;
    assert_eq!(memory_with(pid, STORED), [""; 0]);
    watched.product.stop().await;
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
